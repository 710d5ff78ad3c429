"""Logistic and linear regression, with fit and predict as in scikit-learn."""

from Compiler.containers import Array
from Compiler.errors import CompilerError
from Compiler.ml.functions import sigmoid
from Compiler.ml.layers import Dense
from Compiler.ml.optimizers import SGD
from Compiler.ml.outputs import LinearOutput, Output
from Compiler.printing import print_ln
from Compiler.registers import plain, regint, sint


class _Regression:
    """A dense layer of one neuron and a last layer."""

    def __init__(self, n_epochs=20, batch_size=None, program=None, rate=None):
        self.n_epochs, self.batch_size = n_epochs, batch_size
        self.rate = rate or self.default_rate

    def init(self, X):
        n, d = X.sizes
        self.layers = [Dense(n, d, 1), self.output(n)]
        self.optimizer = self.opt = SGD(self.layers, self.n_epochs, rate=self.rate, momentum=0)

    def fit(self, X_train, y_train, reset=True):
        """Trains on rows of features and their labels."""
        if len(X_train) != len(y_train):
            raise CompilerError('%d rows of features, but %d labels' % (len(X_train), len(y_train)))
        if reset or not hasattr(self, 'layers'):
            self.init(X_train)
            self.layers[0].W.assign_all(0)
            self.layers[0].b.assign_all(0)
        self.layers[0].X.assign_vector(X_train.get_vector())
        self.layers[1].Y.assign_vector(plain(y_train))
        self.optimizer.run(self.batch_size)
        return self

    def fit_with_testing(self, X_train, y_train, X_test, y_test, sample_mask=None):
        """Trains, and prints how good the answers are for other examples."""
        self.fit(X_train, y_train)
        self.print_quality(X_test, y_test)
        return self

    def _scores(self, X):
        product = X.direct_mul(self.layers[0].W)
        return product + self.layers[0].b[0].expand_to_vector(product.size)

    @property
    def coef_(self):
        return self.layers[0].W

    @property
    def intercept_(self):
        return self.layers[0].b


class SGDLogistic(_Regression):
    """Logistic regression."""

    default_rate = 1.0
    output = Output

    def predict(self, X):
        """0 or 1 for each row."""
        return self._scores(X) > 0

    def predict_proba(self, X):
        return sigmoid(self._scores(X))

    def print_quality(self, X, y):
        correct = (self.predict(X) == plain(y)).sum()
        print_ln('test_acc: %s/%s', regint(correct.reveal()), len(X))


class SGDLinear(_Regression):
    """Linear regression."""

    default_rate = 0.1
    output = LinearOutput

    def predict(self, X):
        return self._scores(X)

    def print_quality(self, X, y):
        error = self.predict(X) - plain(y)
        print_ln('test_loss: %s', ((error * error).sum() * (1 / len(X))).reveal())

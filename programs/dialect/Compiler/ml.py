"""Machine learning on secret data: dense layers, common activations, gradient descent, logistic and linear regression.

Layers hold their input `X` and output `Y` as tensors [examples, 1, neurons], weights as `W` [inputs, outputs] and `b`.
Convolution, pooling, decision trees and Adam are not part of this version.
"""

import math

from Compiler import mpc_math
from Compiler.containers import Array, Matrix, MultiArray, SubMultiArray
from Compiler.control import for_range
from Compiler.errors import CompilerError
from Compiler.fixed import cfix, sfix
from Compiler.printing import print_ln
from Compiler.program import P
from Compiler.registers import plain, regint, sint

_random = [1]


def _uniform(low, high):
    """Reproducible numbers for first weights."""
    _random[0] = (_random[0] * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    return low + (high - low) * (_random[0] >> 11) / 2.0 ** 53


def relu(x):
    return (x > 0).if_else(x, 0)


def relu_prime(x):
    return x > 0


def sigmoid(x):
    return mpc_math.sigmoid(x)


def sigmoid_prime(x):
    s = sigmoid(x)
    return s * (1 - s)


def approx_sigmoid(x, n=3):
    """Three straight lines: 0 below -1/2, 1 above 1/2, x + 1/2 between."""
    low, high = x < -0.5, x > 0.5
    return low.if_else(0, high.if_else(1, x + 0.5))


def argmax(values):
    """The position of the first largest value."""
    values = list(plain(values))
    best, index = values[0], sint(0)
    for i, v in enumerate(values[1:], 1):
        better = v > best
        best, index = better.if_else(v, best), better.if_else(i, index)
    return index


def softmax(values):
    """exp(x) / sum exp, shifted by the largest."""
    values = list(plain(values))
    top = values[0]
    for v in values[1:]:
        top = top.max(v)
    e = [mpc_math.exp_fx(v - top) for v in values]
    total = sum(e)
    return sfix.concat([x / total for x in e])


class _Layer:
    """X, Y and, in training, their gradients."""

    weights = ()

    def _shapes(self, n, inputs, outputs):
        self.N, self.d_in, self.d_out = n, inputs, outputs
        self.X = MultiArray([n, 1, inputs], sfix)
        self.Y = MultiArray([n, 1, outputs], sfix)
        self.nabla_X = MultiArray([n, 1, inputs], sfix)
        self.nabla_Y = MultiArray([n, 1, outputs], sfix)

    def _matrix(self, tensor, n=None):
        return Matrix(n or self.N, tensor.sizes[-1], sfix, tensor.address, tensor.tag)

    def reset(self):
        pass

    def update(self, rate, n):
        pass


class Dense(_Layer):
    """A fully connected layer: Y = f(X W + b)."""

    def __init__(self, N, d_in, d_out, d=1, activation='id', debug=False):
        if d != 1:
            raise CompilerError('dense layers over several positions (d > 1) are not supported')
        if activation not in ('id', 'relu'):
            raise CompilerError('unknown activation %s' % activation, "use 'id' or 'relu'")
        self._shapes(N, d_in, d_out)
        self.activation = activation
        self.W = Matrix(d_in, d_out, sfix)
        self.b = Array(d_out, sfix)
        self.nabla_W = Matrix(d_in, d_out, sfix)
        self.nabla_b = Array(d_out, sfix)
        self.weights = (self.W, self.b)
        self.input_bits = None
        if activation == 'relu':
            self.positive = Matrix(N, d_out, sint)

    def reset(self):
        limit = math.sqrt(6.0 / (self.d_in + self.d_out))
        self.W.assign_vector(sfix([_uniform(-limit, limit) for _ in range(self.d_in * self.d_out)]))
        self.b.assign_all(0)

    def input_from(self, player, **_ignored):
        self.W.input_from(player)
        self.b.input_from(player)

    def forward(self, n):
        product = self._matrix(self.X, n).direct_mul(self.W)
        y = product + sfix.concat([self.b.get_vector()] * n)
        if self.activation == 'relu':
            positive = y > 0
            self.positive.assign_vector(positive)
            y = sfix._new(positive * y.v, y.k, y.f)
        self.Y.assign_vector(y)

    def backward(self, n, compute_input_gradient=True):
        gradient = self._matrix(self.nabla_Y, n)
        if self.activation == 'relu':
            g = gradient.get_vector()
            gradient.assign_vector(sfix._new(self.positive.get_vector(0, n * self.d_out) * g.v, g.k, g.f))
        self.nabla_W.assign_vector(self._matrix(self.X, n).direct_trans_mul(gradient))
        total = gradient[0].get_vector()
        for i in range(1, n):
            total = total + gradient[i].get_vector()
        self.nabla_b.assign_vector(total)
        if compute_input_gradient:
            self.nabla_X.assign_vector(gradient.direct_mul_trans(self.W))

    def update(self, rate, n):
        factor = rate / n
        self.W.assign_vector(self.W.get_vector() - self.nabla_W.get_vector() * factor)
        self.b.assign_vector(self.b.get_vector() - self.nabla_b.get_vector() * factor)


class Relu(_Layer):
    """Element by element, the positive part."""

    def __init__(self, shape, inputs=None):
        shape = list(shape)
        self._shapes(shape[0], shape[-1], shape[-1])
        self.positive = Matrix(shape[0], shape[-1], sint)

    def forward(self, n):
        x = self.X.get_vector(0, n * self.d_in)
        positive = x > 0
        self.positive.assign_vector(positive)
        self.Y.assign_vector(sfix._new(positive * x.v, x.k, x.f))

    def backward(self, n, compute_input_gradient=True):
        g = self.nabla_Y.get_vector(0, n * self.d_in)
        self.nabla_X.assign_vector(sfix._new(self.positive.get_vector(0, n * self.d_in) * g.v, g.k, g.f))


class Square(_Layer):
    """Element by element, the square."""

    def __init__(self, shape, inputs=None):
        shape = list(shape)
        self._shapes(shape[0], shape[-1], shape[-1])

    def forward(self, n):
        x = self.X.get_vector(0, n * self.d_in)
        self.Y.assign_vector(x * x)

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(
            self.nabla_Y.get_vector(0, n * self.d_in) * self.X.get_vector(0, n * self.d_in) * 2)


class Output(_Layer):
    """The last layer of a classification into two classes: sigmoid and cross entropy; labels in `Y`."""

    def __init__(self, N, debug=False, approx=False):
        self.N, self.approx = N, approx
        self.X = MultiArray([N, 1, 1], sfix)
        self.Y = Array(N, sint)
        self.nabla_X = MultiArray([N, 1, 1], sfix)
        self.probability = Array(N, sfix)

    def activate(self, x):
        return approx_sigmoid(x) if self.approx else sigmoid(x)

    def forward(self, n):
        self.probability.assign_vector(self.activate(self.X.get_vector(0, n)))

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(self.probability.get_vector(0, n) - sfix(self.Y.get_vector(0, n)))

    def eval(self, n, top=False):
        p = self.activate(self.X.get_vector(0, n))
        return (p > 0.5) if top else p


class LinearOutput(Output):
    """The last layer of a regression: mean squared error; targets in `Y`."""

    def __init__(self, N, n_outputs=1):
        Output.__init__(self, N)
        self.Y = Array(N, sfix)

    def activate(self, x):
        return x

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(self.probability.get_vector(0, n) - self.Y.get_vector(0, n))


class MultiOutput(_Layer):
    """The last layer of a classification into several classes, for inference."""

    def __init__(self, N, d_out, **_ignored):
        self.N, self.d_out = N, d_out
        self.X = MultiArray([N, 1, d_out], sfix)
        self.Y = Matrix(N, d_out, sint)

    def forward(self, n):
        pass

    def backward(self, n, compute_input_gradient=True):
        raise CompilerError('training of MultiOutput is not supported yet')

    def eval(self, n, top=False):
        rows = [self.X[i][0].get_vector() for i in range(n)]
        return [argmax(r) for r in rows] if top else [softmax(r) for r in rows]


class Optimizer:
    """A network as a list of layers; runs them forward, and trains by gradient descent."""

    def __init__(self, layers, n_epochs=1, rate=0.1, report_loss=None):
        self.layers, self.n_epochs, self.rate = list(layers), n_epochs, rate
        for before, after in zip(self.layers, self.layers[1:]):
            if isinstance(after.X, SubMultiArray) and hasattr(before, 'Y'):
                after.X = before.Y
                if hasattr(before, 'nabla_Y'):
                    before.nabla_Y = after.nabla_X if hasattr(after, 'nabla_X') else before.nabla_Y

    def reset(self):
        for layer in self.layers:
            layer.reset()

    def forward(self, n=None, **_ignored):
        n = n or self.layers[0].N
        for layer in self.layers:
            layer.forward(n)

    def backward(self, n=None):
        n = n or self.layers[0].N
        for i, layer in reversed(list(enumerate(self.layers))):
            layer.backward(n, compute_input_gradient=i > 0)

    def update(self, n):
        for layer in self.layers:
            layer.update(self.rate, n)

    def eval(self, data, batch_size=None, top=False):
        """The network's answers for new data."""
        n = len(data)
        self.layers[0].X.assign_vector(data.get_vector())
        for layer in self.layers[:-1]:
            layer.forward(n)
        last = self.layers[-1]
        if hasattr(last, 'eval'):
            return last.eval(n, top)
        last.forward(n)
        return last.Y

    def run(self, batch_size=None, stop_on_loss=0):
        """Trains on all examples in every epoch."""
        n = self.layers[0].N

        @for_range(self.n_epochs)
        def _(epoch):
            self.forward(n)
            self.backward(n)
            self.update(n)

    def reveal_model_to_binary(self):
        raise CompilerError('writing models to files is not supported yet')


class SGD(Optimizer):
    """Gradient descent."""


class Adam(Optimizer):
    """Not distinguished from gradient descent in this version."""

    def __init__(self, *args, **kwargs):
        raise CompilerError('Adam is not supported yet', 'use ml.SGD')


class _Regression:
    """fit and predict, as scikit-learn has them."""

    def __init__(self, n_epochs=20, batch_size=1, program=None, rate=None):
        self.n_epochs = n_epochs
        self.rate = rate or self.default_rate

    def init(self, X):
        n, d = X.sizes
        self.layers = [Dense(n, d, 1), self.output(n)]
        self.optimizer = SGD(self.layers, self.n_epochs, self.rate)

    def fit(self, X_train, y_train):
        self.init(X_train)
        self.optimizer.reset()
        self.layers[0].W.assign_all(0)
        self.layers[0].X.assign_vector(X_train.get_vector())
        self.layers[1].Y.assign_vector(y_train.get_vector())
        self.optimizer.run()
        return self

    def _scores(self, X):
        product = X.direct_mul(self.layers[0].W)
        return product + self.layers[0].b[0].expand_to_vector(product.size)


class SGDLogistic(_Regression):
    """Logistic regression."""

    default_rate = 1.0
    output = Output

    def predict(self, X):
        return self._scores(X) > 0

    def predict_proba(self, X):
        return sigmoid(self._scores(X))


class SGDLinear(_Regression):
    """Linear regression."""

    default_rate = 0.1
    output = LinearOutput

    def predict(self, X):
        return self._scores(X)


def set_n_threads(_n):
    pass


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    raise CompilerError('ml.%s is not supported yet' % name, 'write the layer with matrix products (Matrix.dot)')

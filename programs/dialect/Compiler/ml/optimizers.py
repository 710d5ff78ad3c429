"""Training: a list of layers, run forward and backward over batches of examples."""

import math

from Compiler.containers import Array, MemValue, SubMultiArray
from Compiler.control import for_range
from Compiler.errors import CompilerError
from Compiler.fixed import cfix, sfix
from Compiler.ml.layers import Layer
from Compiler.ml.outputs import LinearOutput, MultiOutput
from Compiler.ml.rates import LearningRate
from Compiler.printing import print_ln
from Compiler.registers import plain, regint, sint


class Optimizer:
    """A network; without a rule for changing weights it is for inference."""

    gamma = LearningRate(0.1)

    def __init__(self, layers=None, n_epochs=1, rate=None, report_loss=None, debug=False):
        self.n_epochs, self.report_loss = n_epochs, report_loss
        if rate is not None:
            self.gamma = rate
        self.steps = None
        self.layers = layers or []

    @staticmethod
    def from_args(program, layers):
        """The optimizer that the program's arguments name: `adam` or `sgd`, `rate0.1`; gradient descent otherwise."""
        rate = None
        for arg in program.args:
            if arg.startswith('rate'):
                rate = float(arg[4:])
        kind = Adam if any(arg.startswith('adam') for arg in program.args) else SGD
        return kind(layers, rate=rate, report_loss='report_loss' in program.args)

    @property
    def layers(self):
        """The layers in order; assigning a list links them."""
        return self._layers

    @layers.setter
    def layers(self, layers):
        self._layers = list(layers)
        self._link()

    def set_layers(self, layers):
        self.layers = layers

    def _link(self):
        """Makes every layer's input the output of the one before, whichever layers the list holds now."""
        if not isinstance(self._layers, list) or not all(isinstance(layer, Layer) for layer in self._layers):
            raise CompilerError('the layers of a network are a list of layers')
        for before, after in zip(self._layers, self._layers[1:]):
            after.follow(before)

    @property
    def thetas(self):
        """The weights that training changes."""
        return [w for layer in self._layers for w in layer.weights if layer.nablas]

    @property
    def nablas(self):
        """Their gradients, in the same order."""
        return [w for layer in self._layers for w in layer.nablas]

    @property
    def trainable_variables(self):
        return [w for layer in self.layers for w in layer.weights]

    @property
    def last(self):
        return self.layers[-1]

    def set_learning_rate(self, rate):
        self.gamma = rate

    def reset(self, X_by_label=None):
        """Sets all weights to what training starts from, and the examples if they are given: a tensor for each label."""
        if X_by_label is not None:
            self._assign_examples(X_by_label)
        for layer in self.layers:
            layer.reset()

    def _assign_examples(self, parts):
        X, first = self.layers[0].X.to_array(), 0
        labels = [label for label, part in enumerate(parts) for _ in range(len(part))]
        if len(labels) > self.layers[0].N:
            raise CompilerError('the layers are made for %d examples, not %d' % (self.layers[0].N, len(labels)))
        for part in parts:
            vector = part.get_vector()
            X.assign_vector(vector, first)
            first += vector.size
        target = self.last.Y if isinstance(self.last.Y, Array) else None
        if target is None:
            for j in range(self.last.d_out):
                self.last.Y.set_column(j, sint([int(label == j) for label in labels] + [0] * (self.layers[0].N - len(labels))))
        else:
            target.assign_vector(sint(labels))

    def summary(self):
        """Prints the layers while compiling."""
        total = 0
        for layer in self.layers:
            n = sum(w.total_size() for w in layer.weights)
            total += n
            print('%-16s %-24s %d' % (type(layer).__name__, layer.output_shape, n))
        print('%d weights' % total)

    # -- both directions

    def _training(self, on):
        for layer in self.layers:
            layer.training = on

    def forward(self, n=None, **_ignored):
        self._link()
        n = n or self.layers[0].N
        for layer in self.layers:
            layer.forward(n)

    def backward(self, n=None, **_ignored):
        n = n or self.layers[0].N
        for i, layer in reversed(list(enumerate(self.layers))):
            layer.backward(n, compute_input_gradient=i > 0)

    def update(self, n):
        raise CompilerError('this network is for inference', 'train with ml.SGD or ml.Adam')

    def _start(self, n_updates):
        """What the rule keeps between updates."""

    # -- inference

    def eval(self, data, batch_size=None, top=False):
        """The network's answers for new data: probabilities, or with `top` the most likely class."""
        self._training(False)
        self._link()
        n = len(data)
        first = self.layers[0]
        if n > first.N:
            parts = [self.eval(data.get_part(at, min(first.N, n - at)), top=top) for at in range(0, n, first.N)]
            if isinstance(parts[0], list):
                return [x for part in parts for x in part]
            return type(parts[0]).concat(parts)
        first.X.assign_vector(data.get_vector())
        for layer in self.layers[:-1]:
            layer.forward(n)
        if hasattr(self.last, 'eval'):
            return self.last.eval(n, top)
        self.last.forward(n)
        return self.last.Y if isinstance(self.last.Y, Array) else self.last.Y.get_part(0, n)

    def reveal_correctness(self, data, truth, batch_size=None):
        """How many answers are right, and of how many."""
        answers = self.eval(data, top=True)
        n = len(data)
        if isinstance(self.last, MultiOutput):
            truth = classes_of(truth)
            correct = sum(sint.conv(a) == t for a, t in zip(answers, truth))
        else:
            correct = (sint.conv(answers) == plain(truth)).sum()
        return regint(correct.reveal()), n

    # -- training

    def fit(self, X, Y, epochs=1, batch_size=128, validation_data=None, program=None, reset=True,
            print_accuracy=False, print_loss=False):
        """Trains on examples and labels (numbers of classes, or rows with a one)."""
        self._link()
        first = self.layers[0]
        if len(X) != first.N:
            raise CompilerError('the layers are made for %d examples, not %d' % (first.N, len(X)))
        first.X.assign_vector(X.get_vector())
        self.assign_labels(Y)
        if reset:
            self.reset()
        self.n_epochs = epochs
        self.report_loss = self.report_loss or print_loss
        self.run(batch_size)
        if print_accuracy:
            print_ln('train_acc: %s/%s', *self.reveal_correctness(X, Y))
        if validation_data is not None and validation_data[0] is not None:
            print_ln('test_acc: %s/%s', *self.reveal_correctness(*validation_data))
        return self

    def assign_labels(self, Y):
        if isinstance(self.last, MultiOutput) and isinstance(Y, Array):
            for j in range(self.last.d_out):
                self.last.Y.set_column(j, Y.get_vector() == j)
        else:
            self.last.Y.assign_vector(plain(Y))

    def run(self, batch_size=None, stop_on_loss=0):
        """Trains on all examples in every epoch, a batch at a time (the last one may overlap the one before it)."""
        N = self.layers[0].N
        n = min(batch_size or N, N)
        batches = -(-N // n)
        self._start(self.n_epochs * batches)
        self._training(True)
        X, Y = self.layers[0].X, self.last.Y
        if batches > 1:
            all_X, all_Y = X.copy(), Y.copy()

        @for_range(self.n_epochs)
        def _(epoch):
            @for_range(batches)
            def _(i):
                if batches > 1:
                    last = i == batches - 1
                    base = i * n + last * (N - batches * n)
                    take_part(X, all_X, base, n)
                    take_part(Y, all_Y, base, n)
                self.forward(n)
                if self.report_loss:
                    print_ln('epoch %s, batch %s: loss %s', epoch, i, self.last.loss(n).reveal())
                self.backward(n)
                self.update(n)
        if batches > 1:
            X.assign_vector(all_X.get_vector())
            Y.assign_vector(all_Y.get_vector())
        self._training(False)

    def run_by_args(self, program, n_epochs, batch_size, test_X=None, test_Y=None, acc_batch_size=None, reset=True):
        """Trains as a program's arguments say (`rate0.1`), and prints how well."""
        for arg in program.args:
            if arg.startswith('rate'):
                self.gamma = float(arg[4:])
        if reset:
            self.reset()
        self.n_epochs = n_epochs
        self.run(batch_size)
        if test_X is not None:
            print_ln('test_acc: %s/%s', *self.reveal_correctness(test_X, test_Y))

    def output_weights(self):
        """Prints all weights: everybody learns them."""
        for layer in self.layers:
            layer.output_weights()

    def reveal_model_to_binary(self):
        """Opens all weights and writes them to the parties' binary files, layer after layer."""
        for weights in self.trainable_variables:
            weights.reveal_to_binary_output()


def take_part(target, source, base, n):
    """The examples base to base + n as the first n of another tensor."""
    if isinstance(source, SubMultiArray):
        target.to_array().assign_vector(source.get_part_vector(base, n))
    else:
        target.assign_vector(source.get_vector(base, n))


def classes_of(labels):
    """Class numbers, also of rows with a one."""
    if isinstance(labels, Array):
        return list(labels)
    return [sum(x * j for j, x in enumerate(row)) for row in labels]


class SGD(Optimizer):
    """Gradient descent with momentum: the change is `momentum` times the last one less `gamma` times the gradient."""

    gamma = LearningRate(0.01)
    momentum = 0.9

    def __init__(self, layers=None, n_epochs=1, debug=False, report_loss=None, rate=None, momentum=None):
        if momentum is not None:
            self.momentum = momentum
        Optimizer.__init__(self, layers, n_epochs, rate, report_loss)

    def _start(self, n_updates):
        self.changes = [w.same_shape() for w in self.thetas] if self.momentum else [None] * len(self.thetas)
        for change in self.changes:
            if change is not None:
                change.assign_all(0)

    def update(self, n):
        if not hasattr(self, 'changes'):
            self._start(1)
        for theta, nabla, change in zip(self.thetas, self.nablas, self.changes):
            step = nabla.get_vector() * (self.gamma / n)
            if change is not None:
                step = step - change.get_vector() * self.momentum
                change.assign_vector(-step)
            theta.assign_vector(theta.get_vector() - step)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015). Moments are kept as weighted sums, not means, so that small gradients survive."""

    gamma = LearningRate(0.001)
    beta1, beta2 = 0.9, 0.999
    # The correction of the start hardly changes any more after so many updates.
    CORRECTIONS_MAX = 1000

    def __init__(self, layers=None, n_epochs=1, approx=False, amsgrad=False, normalize=False, rate=None,
                 report_loss=None, debug=False):
        # whether the second moment counts with the largest that it ever was
        self.amsgrad = amsgrad
        Optimizer.__init__(self, layers, n_epochs, rate, report_loss)

    def _correction(self, t):
        """What the quotient of the sums is multiplied by at update t (from 1)."""
        first = (1 - self.beta1) / (1 - self.beta1 ** t)
        second = (1 - self.beta2) / (1 - self.beta2 ** t)
        return self.gamma * first / math.sqrt(second)

    def _start(self, n_updates):
        self.first, self.second = ([w.same_shape() for w in self.thetas] for _ in range(2))
        self.largest = [w.same_shape() for w in self.thetas] if self.amsgrad else [None] * len(self.thetas)
        for moment in self.first + self.second + self.largest:
            if moment is not None:
                moment.assign_all(0)
        self.t = MemValue(regint(0))
        n = min(n_updates, self.CORRECTIONS_MAX)
        self.corrections = Array(n, cfix)
        self.corrections.assign([self._correction(t + 1) for t in range(n)])

    def update(self, n):
        from Compiler import mpc_math
        if not hasattr(self, 't'):
            self._start(1)
        t, most = self.t.read(), len(self.corrections) - 1
        over = t > most
        rate = self.corrections[t - over * (t - most)]
        self.t.iadd(1)
        for theta, nabla, m, v, most in zip(self.thetas, self.nablas, self.first, self.second, self.largest):
            g = nabla.get_vector() * (1 / n)
            new_m = m.get_vector() * self.beta1 + g
            new_v = v.get_vector() * self.beta2 + g * g
            m.assign_vector(new_m)
            v.assign_vector(new_v)
            if most is not None:
                new_v = new_v.max(most.get_vector())
                most.assign_vector(new_v)
            step = new_m * mpc_math.InvertSqrt(new_v + 2.0 ** -12)
            theta.assign_vector(theta.get_vector() - step * rate)

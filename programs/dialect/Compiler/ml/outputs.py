"""Last layers: they turn scores into answers, and answers and truth into the first gradient. Labels stand in `Y`."""

from Compiler import mpc_math
from Compiler.containers import Array, Matrix
from Compiler.fixed import sfix
from Compiler.ml.functions import approx_sigmoid, argmax, columns_of, sigmoid, softmax_columns
from Compiler.ml.layers import Layer
from Compiler.registers import sint


class LinearOutput(Layer):
    """Regression: the mean squared error of the scores against `Y`."""

    label_type = sfix

    def __init__(self, N, n_outputs=1):
        Layer.__init__(self, [N, 1, n_outputs], [N, 1, n_outputs])
        self.n_outputs = n_outputs
        self.answer = Matrix(N, n_outputs, sfix)
        self.Y = Array(N, self.label_type) if n_outputs == 1 else Matrix(N, n_outputs, self.label_type)

    def activate(self, x):
        return x

    def labels(self, n):
        return sfix(self.Y.get_vector(0, n * self.n_outputs))

    def forward(self, n):
        self.answer.assign_vector(self.activate(self.part(self.X, n)))

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(self.answer.get_vector(0, n * self.n_outputs) - self.labels(n))

    def loss(self, n):
        error = self.answer.get_vector(0, n * self.n_outputs) - self.labels(n)
        return (error * error).sum() * (1 / n)

    def eval(self, n, top=False):
        """The answers for what stands in X: a vector."""
        return self.activate(self.part(self.X, n))


class Output(LinearOutput):
    """Two classes: the sigmoid of the score is the probability of class one; cross entropy."""

    label_type = sint

    def __init__(self, N, debug=False, approx=False):
        LinearOutput.__init__(self, N)
        self.approx = approx

    def activate(self, x):
        return approx_sigmoid(x) if self.approx else sigmoid(x)

    def loss(self, n):
        p, y = self.answer.get_vector(0, n), self.Y.get_vector(0, n)
        likelihood = y.if_else(p, 1 - p)
        return -mpc_math.log((likelihood > 0.001).if_else(likelihood, 0.001)).sum() * (1 / n)

    def eval(self, n, top=False):
        if top:
            return self.part(self.X, n) > 0
        return self.activate(self.part(self.X, n))


class MultiOutput(Layer):
    """Several classes: softmax and cross entropy. A row of `Y` has a one at its class and zeros elsewhere."""

    def __init__(self, N, d_out, approx=False, debug=False, **_ignored):
        Layer.__init__(self, [N, 1, d_out], [N, 1, d_out])
        self.d_out = d_out
        self.answer = Matrix(N, d_out, sfix)
        self.Y = Matrix(N, d_out, sint)

    @classmethod
    def from_args(cls, program, N, d_out):
        """As the program's arguments say: `approx` is accepted and changes nothing."""
        return cls(N, d_out, approx='approx' in program.args)

    def forward(self, n):
        for j, column in enumerate(softmax_columns(columns_of(self.rows(self.X, n)))):
            self.answer.get_part(0, n).set_column(j, column)

    def backward(self, n, compute_input_gradient=True):
        size = n * self.d_out
        self.nabla_X.assign_vector(self.answer.get_vector(0, size) - sfix(self.Y.get_vector(0, size)))

    def loss(self, n):
        likelihood = sum(self.answer.get_part(0, n).get_column(j) * self.Y.get_part(0, n).get_column(j)
                         for j in range(self.d_out))
        return -mpc_math.log((likelihood > 0.001).if_else(likelihood, 0.001)).sum() * (1 / n)

    def eval(self, n, top=False):
        """A list: for each example its class, or the probabilities of all."""
        rows = self.rows(self.X, n)
        if top:
            return list(argmax_columns(columns_of(rows)))
        columns = softmax_columns(columns_of(rows))
        return [sfix.concat([c[i] for c in columns]) for i in range(n)]


def argmax_columns(columns):
    """The position of the largest of each row, as a vector."""
    candidates = [(c, sint(j, size=c.size)) for j, c in enumerate(columns)]
    while len(candidates) > 1:
        paired = []
        for (a, i), (b, j) in zip(candidates[::2], candidates[1::2]):
            better = b > a
            paired.append((better.if_else(b, a), better.if_else(j, i)))
        candidates = paired + candidates[len(candidates) // 2 * 2:]
    return candidates[0][1]

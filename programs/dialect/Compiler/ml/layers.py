"""Layers without a window: dense ones, and those that work on every element by itself."""

import math

from Compiler import comparison, mpc_math
from Compiler.containers import Array, Matrix, MultiArray
from Compiler.errors import CompilerError
from Compiler.fixed import sfix
from Compiler.registers import regint, sint

_random = [1]


def uniform(low, high):
    """Reproducible numbers for first weights: the same at every compilation."""
    _random[0] = (_random[0] * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    return low + (high - low) * (_random[0] >> 11) / 2.0 ** 53


def product(sizes):
    total = 1
    for s in sizes:
        total *= s
    return total


def bit_times(bits, x):
    """The vector where the bit is one, zero elsewhere; exact, and without cutting."""
    return sfix._new(bits * x.v, x.k, x.f)


class Layer:
    """Input, output and gradients of `N` examples; `weights` and `nablas` correspond."""

    weights = ()
    nablas = ()
    training = False

    def __init__(self, input_shape, output_shape):
        self.input_shape, self.output_shape = list(input_shape), list(output_shape)
        self.N = self.input_shape[0]
        self.X, self.nabla_X = (MultiArray(self.input_shape, sfix) for _ in range(2))
        self.Y, self.nabla_Y = (MultiArray(self.output_shape, sfix) for _ in range(2))

    def follow(self, before):
        """Takes the output of another layer as input; both share the memory."""
        if product(self.input_shape) != product(before.output_shape):
            raise CompilerError('a layer of output shape %s does not fit before one of input shape %s'
                                % (before.output_shape, self.input_shape))
        self.X = MultiArray(self.input_shape, sfix, before.Y.address, before.Y.tag)
        before.nabla_Y = MultiArray(before.output_shape, sfix, self.nabla_X.address, self.nabla_X.tag)

    def part(self, tensor, n):
        """The first n examples of a tensor, as a vector."""
        return tensor.to_array().get_vector(0, n * tensor.part_size())

    def rows(self, tensor, n):
        """The first n examples as a matrix whose rows are the innermost dimension."""
        width = tensor.sizes[-1]
        return Matrix(n * tensor.part_size() // width, width, sfix, tensor.address, tensor.tag)

    def reset(self):
        """Sets the weights to what training starts from."""

    def input_from(self, player, **_ignored):
        """Takes the weights from a party's input."""
        for w in self.weights:
            w.input_from(player)

    def thetas(self):
        return list(self.weights)

    def output_weights(self):
        for w in self.weights:
            w.print_reveal_nested()


class Dense(Layer):
    """A fully connected layer: Y = f(X W + b), for each of `d` positions."""

    def __init__(self, N, d_in, d_out, d=1, activation='id', debug=False):
        if activation not in ('id', 'relu', 'square', 'linear', None):
            raise CompilerError('unknown activation %s' % activation, "use 'id', 'relu' or 'square', or a layer of its own")
        Layer.__init__(self, [N, d, d_in], [N, d, d_out])
        self.d, self.d_in, self.d_out, self.activation = d, d_in, d_out, activation
        self.W, self.nabla_W = Matrix(d_in, d_out, sfix), Matrix(d_in, d_out, sfix)
        self.b, self.nabla_b = Array(d_out, sfix), Array(d_out, sfix)
        if activation in ('relu', 'square'):
            # what backward needs to know of forward: signs, or the values themselves
            self.state = Array(N * d * d_out, sint if activation == 'relu' else sfix)

    @property
    def weights(self):
        return self.W, self.b

    @property
    def nablas(self):
        return self.nabla_W, self.nabla_b

    def reset(self):
        limit = math.sqrt(6.0 / (self.d_in + self.d_out))
        self.W.assign_vector(sfix([uniform(-limit, limit) for _ in range(self.d_in * self.d_out)]))
        self.b.assign_all(0)

    def forward(self, n):
        rows = self.rows(self.X, n)
        y = rows.direct_mul(self.W)
        # b in every row: its elements in turn
        y = y + self.b.get(regint.inc(y.size, 0, 1, 1, self.d_out))
        if self.activation == 'relu':
            positive = y > 0
            self.state.assign_vector(positive)
            y = bit_times(positive, y)
        elif self.activation == 'square':
            self.state.assign_vector(y)
            y = y * y
        self.Y.assign_vector(y)

    def backward(self, n, compute_input_gradient=True):
        gradient = self.rows(self.nabla_Y, n)
        if self.activation in ('relu', 'square'):
            g = gradient.get_vector()
            state = self.state.get_vector(0, g.size)
            gradient.assign_vector(bit_times(state, g) if self.activation == 'relu' else g * state * 2)
        self.nabla_W.assign_vector(self.rows(self.X, n).direct_trans_mul(gradient))
        self.nabla_b.assign_vector(sfix.concat([gradient.get_column(j).sum() for j in range(self.d_out)]))
        if compute_input_gradient:
            self.nabla_X.assign_vector(gradient.direct_mul_trans(self.W))


class Elementwise(Layer):
    """Output of the same shape as the input."""

    def __init__(self, shape, inputs=None):
        Layer.__init__(self, shape, shape)


class Relu(Elementwise):
    """The positive part."""

    def __init__(self, shape, inputs=None):
        Elementwise.__init__(self, shape)
        self.positive = Array(product(self.input_shape), sint)

    def forward(self, n):
        x = self.part(self.X, n)
        positive = x > 0
        self.positive.assign_vector(positive)
        self.Y.assign_vector(bit_times(positive, x))

    def backward(self, n, compute_input_gradient=True):
        g = self.part(self.nabla_Y, n)
        self.nabla_X.assign_vector(bit_times(self.positive.get_vector(0, g.size), g))


class Square(Elementwise):
    """The square."""

    def forward(self, n):
        x = self.part(self.X, n)
        self.Y.assign_vector(x * x)

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(self.part(self.nabla_Y, n) * self.part(self.X, n) * 2)


class Flatten(Layer):
    """The same numbers in one dimension."""

    def __init__(self, shape):
        Layer.__init__(self, shape, [shape[0], 1, product(shape[1:])])

    def forward(self, n):
        self.Y.assign_vector(self.part(self.X, n))

    def backward(self, n, compute_input_gradient=True):
        self.nabla_X.assign_vector(self.part(self.nabla_Y, n))


class Dropout(Layer):
    """In training, zero with probability `alpha` (to 2^-8), and scaled up to make up for it; otherwise nothing."""

    BITS = 8

    def __init__(self, N, d1, d2=1, alpha=0.5):
        Layer.__init__(self, [N, d1, d2], [N, d1, d2])
        self.alpha = alpha
        self.kept = Array(N * d1 * d2, sint)

    def forward(self, n):
        x = self.part(self.X, n)
        if self.training:
            threshold = int(round(self.alpha * (1 << self.BITS)))
            draw = comparison.random_number(self.BITS, x.size)
            kept = draw.greater_equal(threshold, self.BITS + 1)
            self.kept.assign_vector(kept)
            x = bit_times(kept, x) * (1 / (1 - self.alpha))
        self.Y.assign_vector(x)

    def backward(self, n, compute_input_gradient=True):
        g = self.part(self.nabla_Y, n)
        self.nabla_X.assign_vector(bit_times(self.kept.get_vector(0, g.size), g) * (1 / (1 - self.alpha)))


class FusedBatchNorm(Layer):
    """Each channel times a weight plus a bias: normalisation with what training has found, for inference."""

    def __init__(self, shape, inputs=None):
        Layer.__init__(self, shape, shape)
        channels = shape[-1]
        self.gamma, self.beta = Array(channels, sfix), Array(channels, sfix)

    @property
    def weights(self):
        return self.gamma, self.beta

    @property
    def bias(self):
        return self.beta

    @bias.setter
    def bias(self, values):
        self.beta = values

    def reset(self):
        self.gamma.assign_all(1)
        self.beta.assign_all(0)

    def per_channel(self, array, size):
        return array.get(regint.inc(size, 0, 1, 1, self.input_shape[-1]))

    def forward(self, n):
        x = self.part(self.X, n)
        self.Y.assign_vector(x * self.per_channel(self.gamma, x.size) + self.per_channel(self.beta, x.size))

    def backward(self, n, compute_input_gradient=True):
        raise CompilerError('FusedBatchNorm is for inference', 'use BatchNorm to train')


class BatchNorm(FusedBatchNorm):
    """Each channel with mean zero and variance one over the batch, then scaled and moved (Ioffe and Szegedy, 2015)."""

    EPSILON = 2.0 ** -10

    def __init__(self, shape, approx=True, args=None):
        FusedBatchNorm.__init__(self, shape)
        channels = shape[-1]
        self.mean, self.variance = Array(channels, sfix), Array(channels, sfix)
        self.nabla_gamma, self.nabla_beta = Array(channels, sfix), Array(channels, sfix)
        self.normal = MultiArray(self.input_shape, sfix)
        self.scale = Array(channels, sfix)
        self.momentum = 0.9

    @property
    def nablas(self):
        return self.nabla_gamma, self.nabla_beta

    def reset(self):
        FusedBatchNorm.reset(self)
        self.mean.assign_all(0)
        self.variance.assign_all(1)

    def means(self, vector):
        """The mean of each channel of a vector in the layout of X."""
        channels = self.input_shape[-1]
        each = vector.size // channels
        kept = Array(vector.size, sfix)
        kept.assign_vector(vector)
        return sfix.concat([kept.get(regint.inc(each, c, channels)).sum() for c in range(channels)]) * (1 / each)

    def spread(self, vector, size):
        kept = Array(vector.size, sfix)
        kept.assign_vector(vector)
        return self.per_channel(kept, size)

    def forward(self, n):
        x = self.part(self.X, n)
        if self.training:
            mean = self.means(x)
            centred = x - self.spread(mean, x.size)
            variance = self.means(centred * centred)
            for running, new in ((self.mean, mean), (self.variance, variance)):
                running.assign_vector(running.get_vector() * self.momentum + new * (1 - self.momentum))
        else:
            variance = self.variance.get_vector()
            centred = x - self.per_channel(self.mean, x.size)
        scale = mpc_math.InvertSqrt(variance + self.EPSILON)
        self.scale.assign_vector(scale)
        normal = centred * self.per_channel(self.scale, x.size)
        self.normal.assign_vector(normal)
        self.Y.assign_vector(normal * self.per_channel(self.gamma, x.size) + self.per_channel(self.beta, x.size))

    def backward(self, n, compute_input_gradient=True):
        g, normal = self.part(self.nabla_Y, n), self.part(self.normal, n)
        each = g.size // self.input_shape[-1]
        beta, gamma = self.means(g), self.means(g * normal)
        self.nabla_beta.assign_vector(beta * each)
        self.nabla_gamma.assign_vector(gamma * each)
        if compute_input_gradient:
            rest = g - self.spread(beta, g.size) - normal * self.spread(gamma, g.size)
            factor = self.gamma.get_vector() * self.scale.get_vector()
            self.nabla_X.assign_vector(rest * self.spread(factor, g.size))


class Argmax(Layer):
    """The position of the largest of each row; without a gradient."""

    def __init__(self, shape):
        Layer.__init__(self, shape, [shape[0]])
        self.Y = Array(shape[0], sint)

    def forward(self, n):
        from Compiler.ml.functions import argmax
        rows = self.rows(self.X, n)
        for i in range(n):
            self.Y[i] = argmax(rows[i])


class _Joined(Layer):
    """A layer with several inputs, which are other layers."""

    def __init__(self, inputs, output_shape):
        Layer.__init__(self, inputs[0].output_shape, output_shape)
        self.inputs = inputs

    def follow(self, before):
        """Its inputs were named when it was made."""

    def backward(self, n, compute_input_gradient=True):
        raise CompilerError('%s is for inference' % type(self).__name__)


class Add(_Joined):
    """The sum of the outputs of other layers."""

    def __init__(self, inputs):
        _Joined.__init__(self, inputs, inputs[0].output_shape)

    def forward(self, n):
        self.Y.assign_vector(sum(self.part(layer.Y, n) for layer in self.inputs))


class Concat(_Joined):
    """The outputs of other layers side by side in the last dimension."""

    def __init__(self, inputs, dimension=-1):
        shape = list(inputs[0].output_shape)
        if dimension not in (-1, len(shape) - 1):
            raise CompilerError('Concat joins the last dimension only')
        shape[-1] = sum(layer.output_shape[-1] for layer in inputs)
        _Joined.__init__(self, inputs, shape)

    def forward(self, n):
        width, at = self.output_shape[-1], 0
        for layer in self.inputs:
            x, part = self.part(layer.Y, n), layer.output_shape[-1]
            rows = x.size // part
            address = regint.inc(x.size, 0, 1, 1, part) + regint.inc(x.size, 0, width, part, rows)
            x.store_in_mem(address + (self.Y.address + at), self.Y.tag)
            at += part

"""Layers that look at windows of an image. Images are [examples, height, width, channels].

Every window becomes a row of a matrix; a convolution is then one matrix product, and pooling works on columns.
"""

import math

from Compiler.containers import Array, Matrix, MultiArray
from Compiler.errors import CompilerError
from Compiler.fixed import sfix
from Compiler.ml.layers import Layer, bit_times, product, uniform
from Compiler.registers import regint, sint


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def mixed_radix(sizes, strides):
    """The addresses sum(i_k strides_k) for all index tuples below the sizes, the last index running fastest."""
    total, repeat, size = None, 1, product(sizes)
    for s, stride in reversed(list(zip(sizes, strides))):
        digit = regint.inc(size, 0, stride, repeat, s)
        total = digit if total is None else total + digit
        repeat *= s
    return total


class Windows:
    """Windows over padded images: where each element of each window lies."""

    def __init__(self, image, window, stride, padding):
        _, self.height, self.width, self.channels = image
        self.window, self.stride = pair(window), pair(stride)
        self.before, self.padded, self.out = [], [], []
        for size, w, s, given in zip((self.height, self.width), self.window, self.stride, self._paddings(padding)):
            if given == 'SAME':
                out = -(-size // s)
                low = max((out - 1) * s + w - size, 0) // 2
                high = max((out - 1) * s + w - size, 0) - low
            else:
                low = high = given
                out = (size + 2 * given - w) // s + 1
            if out < 1:
                raise CompilerError('a window of %d does not fit into %d' % (w, size))
            self.before.append(low)
            self.padded.append(size + low + high)
            self.out.append(out)

    @staticmethod
    def _paddings(padding):
        if isinstance(padding, str):
            if padding.upper() not in ('SAME', 'VALID'):
                raise CompilerError('unknown padding %s' % padding, "use 'SAME', 'VALID', or numbers")
            return ('SAME', 'SAME') if padding.upper() == 'SAME' else (0, 0)
        return pair(padding)

    def is_padded(self):
        return self.padded != [self.height, self.width]

    def image_strides(self):
        """Strides of [example, row, column, channel] in a padded image."""
        height, width = self.padded
        c = self.channels
        return [height * width * c, width * c, c, 1]

    def inside(self, n):
        """Where the elements of the images lie in padded ones."""
        strides = self.image_strides()
        first = self.before[0] * strides[1] + self.before[1] * strides[2]
        return mixed_radix([n, self.height, self.width, self.channels], strides) + first

    def padded_size(self, n):
        return n * self.image_strides()[0]

    def element(self, n, i, j):
        """The (i, j)-th elements of all windows of n images, all channels: [n, out, out, channels]."""
        strides = self.image_strides()
        steps = [strides[0], strides[1] * self.stride[0], strides[2] * self.stride[1], 1]
        first = i * strides[1] + j * strides[2]
        return mixed_radix([n] + self.out + [self.channels], steps) + first

    def all(self, n):
        """All elements of all windows: [n, out, out, window, window, channels]."""
        strides = self.image_strides()
        steps = [strides[0], strides[1] * self.stride[0], strides[2] * self.stride[1], strides[1], strides[2], 1]
        return mixed_radix([n] + self.out + list(self.window) + [self.channels], steps)

    def positions(self):
        return [(i, j) for i in range(self.window[0]) for j in range(self.window[1])]


class _Windowed(Layer):
    """What convolution and pooling share: padded copies of input and gradient."""

    def _prepare(self, windows):
        self.windows = windows
        self.padded_X = self.padded_nabla = None

    def padded_input(self, n):
        if not self.windows.is_padded():
            return self.X.to_array()
        if self.padded_X is None:
            self.padded_X = Array(self.windows.padded_size(self.N), sfix)
            self.padded_X.assign_all(0)
        x = self.part(self.X, n)
        x.store_in_mem(self.windows.inside(n) + self.padded_X.address, self.padded_X.tag)
        return self.padded_X

    def scatter_gradient(self, n, parts):
        """Adds gradients of window elements to those of the pixels; `parts` yields (i, j, vector)."""
        if self.padded_nabla is None:
            self.padded_nabla = Array(self.windows.padded_size(self.N), sfix)
        target = self.padded_nabla
        target.assign_all(0)
        for i, j, vector in parts:
            address = self.windows.element(n, i, j)
            (target.get(address) + vector).store_in_mem(address + target.address, target.tag)
        self.nabla_X.assign_vector(target.get(self.windows.inside(n)))


class FixConv2d(_Windowed):
    """Convolution with weights [filters, height, width, channels] and a bias for each filter."""

    def __init__(self, input_shape, weight_shape, bias_shape=None, output_shape=None, stride=(1, 1), padding='SAME',
                 tf_weight_format=False, inputs=None, **_ignored):
        input_shape, weight_shape = list(input_shape), list(weight_shape)
        if tf_weight_format:
            height, width, channels, filters = weight_shape
        else:
            filters, height, width, channels = weight_shape
        if channels != input_shape[3]:
            raise CompilerError('filters for %d channels cannot look at images of %d' % (channels, input_shape[3]))
        stride = tuple(stride)[-3:-1] if not isinstance(stride, int) and len(stride) == 4 else stride
        windows = Windows(input_shape, (height, width), stride, padding)
        shape = [input_shape[0]] + windows.out + [filters]
        if output_shape is not None and list(output_shape) != shape:
            raise CompilerError('this convolution gives %s, not %s' % (shape, list(output_shape)))
        Layer.__init__(self, input_shape, shape)
        self._prepare(windows)
        self.filters, self.inner = filters, height * width * channels
        self.tf_weight_format = tf_weight_format
        self.weight_shape = weight_shape
        self.weights_tensor, self.nabla_weights = MultiArray(weight_shape, sfix), MultiArray(weight_shape, sfix)
        self.bias, self.nabla_bias = Array(filters, sfix), Array(filters, sfix)

    @property
    def weights(self):
        return self.weights_tensor, self.bias

    @property
    def nablas(self):
        return self.nabla_weights, self.nabla_bias

    @property
    def W(self):
        return self.weights_tensor

    @W.setter
    def W(self, tensor):
        self.weights_tensor = tensor

    @property
    def b(self):
        return self.bias

    @b.setter
    def b(self, values):
        self.bias = values

    def reset(self):
        limit = math.sqrt(6.0 / (self.inner + self.filters))
        n = self.inner * self.filters
        self.weights_tensor.assign_vector(sfix([uniform(-limit, limit) for _ in range(n)]))
        self.bias.assign_all(0)

    def _filter_matrix(self):
        """The weights with a column for each filter."""
        w = self.weights_tensor
        if self.tf_weight_format:
            return Matrix(self.inner, self.filters, sfix, w.address, w.tag)
        return Matrix(self.filters, self.inner, sfix, w.address, w.tag).transpose()

    def _window_matrix(self, n):
        rows = Matrix(n * product(self.windows.out), self.inner, sfix)
        rows.assign_vector(self.padded_input(n).get(self.windows.all(n)))
        return rows

    def forward(self, n):
        y = self._window_matrix(n).direct_mul(self._filter_matrix())
        self.Y.assign_vector(y + self.bias.get(regint.inc(y.size, 0, 1, 1, self.filters)))

    def backward(self, n, compute_input_gradient=True):
        gradient = self.rows(self.nabla_Y, n)
        if self.tf_weight_format:
            change = self._window_matrix(n).direct_trans_mul(gradient)
        else:
            change = gradient.direct_trans_mul(self._window_matrix(n))
        self.nabla_weights.assign_vector(change)
        self.nabla_bias.assign_vector(sfix.concat([gradient.get_column(j).sum() for j in range(self.filters)]))
        if compute_input_gradient:
            spread = Matrix(gradient.sizes[0], self.inner, sfix)
            spread.assign_vector(gradient.direct_mul_trans(self._filter_matrix()))
            channels = self.windows.channels
            self.scatter_gradient(n, ((i, j, spread.to_array().get(mixed_radix(
                [gradient.sizes[0], channels], [self.inner, 1]) + (i * self.windows.window[1] + j) * channels))
                for i, j in self.windows.positions()))


Conv2d = QuantConv2d = FixConv2d


class _Pool(_Windowed):
    def __init__(self, shape, window, stride, padding):
        windows = Windows(shape, window, stride, padding)
        if windows.is_padded():
            raise CompilerError('pooling at the border is not supported', "use padding='VALID' or a size that fits")
        Layer.__init__(self, shape, [shape[0]] + windows.out + [shape[3]])
        self._prepare(windows)

    def elements(self, n):
        source = self.padded_input(n)
        return [source.get(self.windows.element(n, i, j)) for i, j in self.windows.positions()]


class MaxPool(_Pool):
    """The largest of each window; strides and window as [1, height, width, 1] or (height, width)."""

    def __init__(self, shape, strides=(1, 2, 2, 1), ksize=(1, 2, 2, 1), padding='VALID'):
        _Pool.__init__(self, list(shape), _plane(ksize), _plane(strides), padding)
        self.chosen = None

    def forward(self, n):
        candidates = [(x, [sint(1, size=x.size)] if self.training else []) for x in self.elements(n)]
        while len(candidates) > 1:
            merged = []
            for (a, below), (b, above) in zip(candidates[::2], candidates[1::2]):
                larger = b > a
                bits = [c - larger * c for c in below] + [larger * c for c in above]
                merged.append((a + bit_times(larger, b - a), bits))
            candidates = merged + candidates[len(candidates) // 2 * 2:]
        largest, bits = candidates[0]
        self.Y.assign_vector(largest)
        if bits:
            self.chosen = self.chosen or Matrix(len(bits), self.N * self.Y.part_size(), sint)
            for row, chosen in zip(self.chosen, bits):
                row.assign_vector(chosen)

    def backward(self, n, compute_input_gradient=True):
        if compute_input_gradient:
            g = self.part(self.nabla_Y, n)
            self.scatter_gradient(n, ((i, j, bit_times(row.get_vector(0, g.size), g))
                                      for (i, j), row in zip(self.windows.positions(), self.chosen)))


class AveragePool2d(_Pool):
    """The mean of each window."""

    def __init__(self, input_shape, output_shape=None, filter_size=(2, 2), strides=None, padding='VALID'):
        _Pool.__init__(self, list(input_shape), _plane(filter_size), _plane(strides or filter_size), padding)
        if output_shape is not None and list(output_shape) != self.output_shape:
            raise CompilerError('this pooling gives %s, not %s' % (self.output_shape, list(output_shape)))

    def forward(self, n):
        parts = self.elements(n)
        self.Y.assign_vector(sum(parts) * (1 / len(parts)))

    def backward(self, n, compute_input_gradient=True):
        if compute_input_gradient:
            positions = self.windows.positions()
            g = self.part(self.nabla_Y, n) * (1 / len(positions))
            self.scatter_gradient(n, ((i, j, g) for i, j in positions))


FixAveragePool2d = QuantAveragePool2d = AveragePool2d


def _plane(sizes):
    """Height and width, also out of four numbers."""
    sizes = pair(sizes)
    return tuple(sizes[1:3]) if len(sizes) == 4 else sizes

"""Activations and what classifications end with."""

from Compiler import mpc_math
from Compiler.containers import SubMultiArray
from Compiler.fixed import sfix
from Compiler.registers import plain, sint

exp = mpc_math.exp_fx
log = mpc_math.log


def relu(x):
    return (x > 0).if_else(x, 0)


def relu_prime(x):
    return x > 0


def sigmoid(x):
    return mpc_math.sigmoid(x)


def sigmoid_from_e_x(x, e_x):
    return sigmoid(x)


def sigmoid_prime(x):
    s = sigmoid(x)
    return s * (1 - s)


def approx_sigmoid(x, n=3):
    """Three straight lines: 0 below -1/2, 1 above 1/2, x + 1/2 between."""
    low, high = x < -0.5, x > 0.5
    return low.if_else(0, high.if_else(1, x + 0.5))


def argmax(values):
    """The position of the first largest value."""
    candidates = [(v, sint(i)) for i, v in enumerate(plain(values))]
    while len(candidates) > 1:
        paired = []
        for (a, i), (b, j) in zip(candidates[::2], candidates[1::2]):
            better = b > a
            paired.append((better.if_else(b, a), better.if_else(j, i)))
        candidates = paired + candidates[len(candidates) // 2 * 2:]
    return candidates[0][1]


def columns_of(matrix):
    """The columns of a matrix of n rows as vectors."""
    return [matrix.get_column(j) for j in range(matrix.sizes[1])]


def softmax_columns(columns):
    """exp(x) / sum exp for every row at once, shifted by the row's largest."""
    top = columns
    while len(top) > 1:
        top = [a.max(b) for a, b in zip(top[::2], top[1::2])] + top[len(top) // 2 * 2:]
    e = [exp(x - top[0]) for x in columns]
    inverse = 1 / sum(e)
    return [x * inverse for x in e]


def softmax(values):
    """exp(x) / sum exp, as a vector."""
    if isinstance(values, SubMultiArray):
        return [softmax(row) for row in values]
    return sfix.concat(softmax_columns(list(plain(values))))

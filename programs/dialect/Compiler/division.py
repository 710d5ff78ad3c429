"""Division of secret numbers.

Fixed point: Goldschmidt's iteration from a normalised first guess (Catrina and Saxena, "Secure computation with
fixed-point numbers", 2010). Integers: Newton's iteration for the reciprocal, then an exact correction.
"""

from Compiler.errors import CompilerError
from Compiler.program import P, template
from Compiler.registers import Public, Register, cint, plain, regint, sint
from Compiler import comparison

# 1/x on [1/2, 1) is GUESS - 2 x with a relative error of at most 2^-3.54.
GUESS = 2.9142
GUESS_BITS = 3.54


def iterations(bits):
    theta = 0
    while GUESS_BITS * 2 ** theta < bits:
        theta += 1
    return theta


def absolute(x, k):
    """|x| and [x < 0]."""
    sign = comparison.negative(x, k)
    return x - 2 * (sign * x), sign


def normalise(x, k):
    """(c, v): c = x v in [2^(k-1), 2^k) for 0 < x < 2^k; v is a power of two."""
    units = comparison.leading_one(x, k)
    v = comparison.table(units, [1 << (k - 1 - i) for i in range(k)])
    return x * v, v


def _cut(x, k, m, nearest=False):
    if nearest:
        return comparison.trunc(x + (1 << (m - 1)), k + 1, m)
    return comparison.trunc_pr(x, k, m)


def approximate_reciprocal(b, k, f, nearest=False):
    """About 2^(2f) / b for 0 < b < 2^k."""
    c, v = normalise(b, k)
    guess = int(GUESS * (1 << k)) - 2 * c
    product = guess * v
    if 2 * k - 2 * f <= 0:
        return product * (1 << (2 * f - 2 * k))
    return _cut(product, 2 * k + 2, 2 * k - 2 * f, nearest)


def fixed_division(a, b, k, f, nearest=False):
    """a 2^f / b for numbers of k bits."""
    size = max(a.size, b.size)
    return _fixed_division(sint.conv(a).expand_to_vector(size), sint.conv(b).expand_to_vector(size), k, f, nearest)


@template
def _fixed_division(a, b, k, f, nearest):
    positive, sign = absolute(b, k)
    w = approximate_reciprocal(positive, k, f, nearest)
    y = _cut(a * w, k + 2 * f + 1, f, nearest)
    x = (1 << (2 * f)) - positive * w
    theta = iterations(k)
    for i in range(theta):
        y = _cut(y * ((1 << (2 * f)) + x), k + 2 * f + 2, 2 * f, nearest)
        if i + 1 < theta:
            x = _cut(x * x, 4 * f + 2, 2 * f, nearest)
    return y - 2 * (sign * y)


def secret_by_clear(a, b, k, f):
    """a 2^f / b for a public b."""
    scale = 2 * f + max(0, k - f)
    b = cint.conv(b)
    negative = cint(b < 0)
    positive = b - 2 * negative * b
    reciprocal = ((cint(1) << (scale + f)) + (positive >> 1)) // positive
    product = a * (reciprocal * (1 - 2 * negative))
    return comparison.trunc_pr(product, k + scale + f, scale)


def clear_division(a, b, k, f):
    return (cint.conv(a) << f) // cint.conv(b)


def int_div(a, b, k):
    """floor(a / b), exactly, for numbers of k bits."""
    b = plain(b)
    if isinstance(b, (int, float)):
        if b == 0:
            raise ZeroDivisionError('division by zero')
        b = int(b)
        if b < 0:
            return int_div(-a, -b, k)
        if b & (b - 1) == 0:
            return a.right_shift(b.bit_length() - 1, k)
        v = 1 << (k - b.bit_length()) if b.bit_length() <= k else 1
        w = ((1 << (2 * k)) + b * v // 2) // (b * v)
        return _corrected(a, b, v, w, k)
    size = max(a.size, b.size)
    a = a.expand_to_vector(size)
    b = sint.conv(b).expand_to_vector(size)
    b, sign = absolute(b, k + 1)
    a = a - 2 * (sign * a)
    c, v = normalise(b, k)
    w = int(GUESS * (1 << k)) - 2 * c
    for _ in range(iterations(k + 2)):
        error = comparison.trunc_pr((1 << (2 * k)) - c * w, 2 * k + 2, k)
        w = w + comparison.trunc_pr(w * error, 2 * k + 2, k)
    return _corrected(a, b, v, w, k)


def _corrected(a, b, v, w, k):
    """The exact quotient from a reciprocal that is off by little: v w / 2^(2k) is about 1 / b."""
    scaled = comparison.trunc_pr(a * w, 2 * k + 3, k)
    guess = comparison.trunc_pr(scaled * v, 2 * k + 3, k)
    rest = a - guess * b
    size = rest.size
    tests = sint.concat([rest, rest + b, rest - b, rest - 2 * b])
    low = comparison.negative(tests, k + 3)
    below, far_below, short, far_short = (low.lane(i * size, size) for i in range(4))
    return guess - below - far_below + (1 - short) + (1 - far_short)

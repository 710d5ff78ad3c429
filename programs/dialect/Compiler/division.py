"""Division of secret numbers.

Fixed point: Goldschmidt's iteration from a normalised first guess (Catrina and Saxena, "Secure computation with
fixed-point numbers", 2010). Integers: Newton's iteration for the reciprocal, then an exact correction.
"""

from Compiler.errors import CompilerError
from Compiler.program import template
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


def _fits(k):
    """Whether products of two numbers of k bits can be cut."""
    return 2 * k + 4 <= comparison.field().most


def _without_sign(a, k):
    """(x, s): s = [a < 0] and x = -a - 1 if s else a. floor(a / b) is -floor(x / b) - 1 then."""
    s = comparison.negative(a, k)
    return a - s * (2 * a + 1), s


def _with_sign(quotient, s):
    return quotient - s * (2 * quotient + 1)


def _long_division_by_clear(a, b, k):
    """floor(a / b) for a small public b: digits of as many bits as fit, the highest first."""
    x, s = _without_sign(a, k)
    length = b.bit_length()
    digit = max(d for d in range(1, k) if d == 1 or _fits(d + length + 1))
    bits = comparison.bits(x, k)
    quotient, rest = sint(0, size=a.size), sint(0, size=a.size)
    for low in reversed(range(0, k, digit)):
        part = bits[low:low + digit]
        rest = rest * (1 << len(part)) + sint.bit_compose(part)
        q = int_div(rest, b, digit + length + 1)
        rest = rest - q * b
        quotient = quotient * (1 << len(part)) + q
    return _with_sign(quotient, s)


def _long_division(a, b, k):
    """floor(a / b) for b > 0, bit by bit: many rounds, but nothing longer than k + 1 bits is ever compared."""
    x, s = _without_sign(a, k)
    quotient, rest = sint(0, size=a.size), sint(0, size=a.size)
    for bit in reversed(comparison.bits(x, k)):
        rest = rest * 2 + bit
        q = 1 - comparison.negative(rest - b, k + 1)
        rest = rest - q * b
        quotient = quotient * 2 + q
    return _with_sign(quotient, s)


def int_div(a, b, k):
    """floor(a / b), exactly, for numbers of k bits."""
    b = plain(b)
    if isinstance(b, Public):
        b = sint(b)
    if isinstance(b, (int, float)):
        if b == 0:
            raise ZeroDivisionError('division by zero')
        b = int(b)
        if b < 0:
            return int_div(-a, -b, k)
        if b & (b - 1) == 0:
            return a.right_shift(b.bit_length() - 1, k)
        if not _fits(k):
            small = b.bit_length() < k and _fits(b.bit_length() + 2)
            return _long_division_by_clear(a, b, k) if small else _long_division(a, sint(b, size=a.size), k)
        v = 1 << (k - b.bit_length()) if b.bit_length() <= k else 1
        w = ((1 << (2 * k)) + b * v // 2) // (b * v)
        return _corrected(a, b, v, w, k)
    size = max(a.size, b.size)
    a = a.expand_to_vector(size)
    b = sint.conv(b).expand_to_vector(size)
    b, sign = absolute(b, k + 1)
    a = a - 2 * (sign * a)
    if not _fits(k):
        return _long_division(a, b, k)
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

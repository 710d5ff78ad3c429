"""Functions of secret fixed-point numbers.

Arguments are brought into a short interval (by shifting the highest set bit to a fixed place, or by taking a fraction)
and a polynomial does the rest. Its coefficients are made here, by interpolation at Chebyshev's nodes.
"""

import math

from Compiler import comparison
from Compiler.errors import CompilerError
from Compiler.fixed import cfix, sfix
from Compiler.program import P
from Compiler.registers import Register, plain, sint

_polynomials = {}


def chebyshev(name, function, low, high, degree):
    """Coefficients, lowest first, of the polynomial in x that meets the function at Chebyshev's nodes."""
    key = name, low, high, degree
    if key not in _polynomials:
        n = degree + 1
        nodes = [math.cos(math.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
        xs = [(low + high) / 2 + (high - low) / 2 * t for t in nodes]
        ys = [function(x) for x in xs]
        # Newton's divided differences, then expansion around 0.
        table = list(ys)
        for j in range(1, n):
            for i in range(n - 1, j - 1, -1):
                table[i] = (table[i] - table[i - 1]) / (xs[i] - xs[i - j])
        coefficients = [0.0] * n
        for i in range(n - 1, -1, -1):
            shifted = [0.0] + coefficients[:-1]
            coefficients = [s - xs[i] * c for s, c in zip(shifted, coefficients)]
            coefficients[0] += table[i]
        _polynomials[key] = coefficients
    return _polynomials[key]


def polynomial(x, coefficients):
    """The polynomial at x: powers in few rounds, products with constants, one cut."""
    powers = [None, x]
    for i in range(2, len(coefficients)):
        powers.append(powers[i // 2] * powers[i - i // 2])
    extra = 8
    total = None
    for c, p in zip(coefficients[1:], powers[1:]):
        term = p.v * int(round(c * 2 ** (x.f + extra)))
        total = term if total is None else total + term
    total = total + int(round(coefficients[0] * 2 ** (2 * x.f + extra)))
    cut = x.f + extra
    v = comparison.trunc_pr(total + (1 << (cut - 1)), x.k + x.f + extra + 2, cut)
    return sfix._new(v, x.k, x.f)


p_eval = lambda coefficients, x: polynomial(_secret(x), list(coefficients))


def _secret(x):
    x = plain(x)
    return x if isinstance(x, sfix) else sfix(x)


def _is_number(x):
    return isinstance(x, (int, float))


def _normal(x):
    """(m, units): m = x 2^-(i+1) 2^f... in [1/2, 1), and the unit bits that say where the highest bit was."""
    units = comparison.leading_one(x.v, x.k)
    v = comparison.table(units, [1 << (x.k - 1 - i) for i in range(x.k)])
    c = x.v * v
    m = comparison.trunc_pr(c, 2 * x.k, x.k - x.f) if x.k > x.f else c * (1 << (x.f - x.k))
    return sfix._new(m, x.k, x.f), units


def _by_exponent(x, units, value):
    """value(e) for x in [2^(e-1), 2^e), as a fixed-point number."""
    limit = (1 << x.k) - 1
    constants = [min(limit, int(round(value(i + 1 - x.f) * 2 ** x.f))) for i in range(x.k)]
    return sfix._new(comparison.table(units, constants), x.k, x.f)


def log2_fx(x, use_division=True):
    """The binary logarithm of a positive number."""
    if _is_number(x):
        return math.log(x, 2)
    x = _secret(x)
    m, units = _normal(x)
    exponent = comparison.table(units, [(i + 1 - x.f) * (1 << x.f) for i in range(x.k)])
    fraction = polynomial(m, chebyshev('log2', lambda t: math.log(t, 2), 0.5, 1.0, 8))
    return fraction + sfix._new(exponent, x.k, x.f)


def log_fx(x, base):
    """The logarithm of a positive number to a public base."""
    return log2_fx(x) * math.log(2, base)


def log(x):
    return log_fx(x, math.e)


def log10(x):
    return log_fx(x, 10)


def exp2_fx(x, zero_output=False, as19=False):
    """Two to the power of x; zero where that is below the precision."""
    if _is_number(x):
        return 2 ** x
    x = _secret(x)
    k, f = x.k, x.f
    whole = comparison.trunc(x.v, k, f)
    fraction = sfix._new(x.v - whole * (1 << f), k, f)
    mantissa = polynomial(fraction, chebyshev('exp2', lambda t: 2.0 ** t, 0.0, 1.0, 6))
    shift = whole + (f + 1)
    in_range = 1 - comparison.negative(shift, k - f + 6)
    bits = comparison.bits(shift * in_range, comparison.exponent_length(k + 1))
    power = comparison.power_of_bits(bits[:comparison.exponent_length(k + 1)])
    v = comparison.trunc_pr(mantissa.v * power, 2 * k, f + 1)
    return sfix._new(v * in_range, k, f)


def mux_exp(x, y, *args):
    """x to the power y for a public x."""
    return pow_fx(x, y)


def exp_fx(x):
    return exp2_fx(x * math.log(math.e, 2))


exp = exp_fx


def pow_fx(x, y):
    """x to the power y."""
    if _is_number(x):
        return exp2_fx(_secret(y) * math.log(x, 2))
    return exp2_fx(log2_fx(x) * y)


def sqrt(x, k=None, f=None):
    """The square root of a number that is not negative."""
    if _is_number(x):
        return math.sqrt(x)
    x = _secret(x)
    m, units = _normal(x)
    root = polynomial(m, chebyshev('sqrt', math.sqrt, 0.5, 1.0, 6))
    return root * _by_exponent(x, units, lambda e: 2.0 ** (e / 2))


def InvertSqrt(x, *args, **kwargs):
    """1 / sqrt(x) for a positive number."""
    x = _secret(x)
    m, units = _normal(x)
    root = polynomial(m, chebyshev('rsqrt', lambda t: 1 / math.sqrt(t), 0.5, 1.0, 7))
    return root * _by_exponent(x, units, lambda e: 2.0 ** (-e / 2))


def _turns(x, offset):
    """The fraction of full turns of an angle, between -1/2 and 1/2."""
    extra = x.k - x.f
    factor = int(round(2 ** (x.f + extra) / (2 * math.pi)))
    turns = x.v * factor + int(round((offset + 0.5) * 2 ** (2 * x.f + extra)))
    length = x.k + x.f + extra
    turns = comparison.trunc_pr(turns, length, x.f + extra)
    return sfix._new(comparison.mod2m(turns, x.k, x.f) - (1 << (x.f - 1)), x.k, x.f)


def _sine(x, offset):
    turns = _turns(_secret(x), offset)
    square = turns * turns

    def ratio(s):
        t = math.sqrt(s)
        return math.sin(2 * math.pi * t) / t if t > 1e-9 else 2 * math.pi
    return turns * polynomial(square, chebyshev('sin', ratio, 0.0, 0.25, 6))


def sin(x):
    return math.sin(x) if _is_number(x) else _sine(x, 0.0)


def cos(x):
    return math.cos(x) if _is_number(x) else _sine(x, 0.25)


def tan(x):
    return math.tan(x) if _is_number(x) else sin(x) / cos(x)


def atan(x):
    """The angle in (-pi/2, pi/2) with this tangent."""
    if _is_number(x):
        return math.atan(x)
    x = _secret(x)
    negative = x < 0
    size = (negative.if_else(-x, x))
    large = size > 1
    divisor = large.if_else(size, sfix._new(sint(1 << x.f), x.k, x.f))
    small = large.if_else(sfix._new(sint(1 << x.f, size=x.size), x.k, x.f) / divisor, size)
    angle = polynomial(small, chebyshev('atan', math.atan, 0.0, 1.0, 9))
    angle = large.if_else(math.pi / 2 - angle, angle)
    return negative.if_else(-angle, angle)


def asin(x):
    x = _secret(x)
    return atan(x * InvertSqrt(1 - x * x))


def acos(x):
    return math.pi / 2 - asin(x)


def tanh(x):
    """The hyperbolic tangent."""
    x = _secret(x)
    negative = x < 0
    size = negative.if_else(-x, x)
    # Beyond this the result is 1 to the precision of the type, and exp would overflow.
    limit = min((x.f + 2) / 2.0, (x.k - x.f - 2) * math.log(2) / 2)
    size = (size < limit).if_else(size, limit)
    e = exp_fx(size * 2)
    result = (e - 1) / (e + 1)
    return negative.if_else(-result, result)


def sigmoid(x):
    return (tanh(_secret(x) * 0.5) + 1) * 0.5


def floor_fx(x):
    return sfix(_secret(x).floor())


def ceil_fx(x):
    return -floor_fx(-_secret(x))


def abs_fx(x):
    return abs(x)


def trig_sub(x):
    return x


def sqrt_fx(x, *args):
    return sqrt(x)


sqrt_simplified_fx = sqrt_fx
InvertSqrtFx = InvertSqrt
log2 = log2_fx
exp2 = exp2_fx

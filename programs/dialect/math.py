"""The functions of Python's `math`, in plain arithmetic: the same bits on every machine."""

pi = 3.141592653589793
e = 2.718281828459045
tau = 6.283185307179586
inf = float('inf')
nan = float('nan')

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)


def floor(x):
    n = int(x)
    return n - 1 if n > x else n


def ceil(x):
    n = int(x)
    return n + 1 if n < x else n


def trunc(x):
    return int(x)


def fabs(x):
    return float(abs(x))


def isnan(x):
    return x != x


def isinf(x):
    return x == inf or x == -inf


def isfinite(x):
    return not isnan(x) and not isinf(x)


def copysign(x, y):
    negative = y < 0 or str(float(y)).startswith('-')
    return -fabs(x) if negative else fabs(x)


def fmod(x, y):
    return copysign(abs(x) - abs(y) * floor(abs(x) / abs(y)), x)


def modf(x):
    whole = float(int(x))
    return x - whole, whole


def isqrt(n):
    if n < 0:
        raise ValueError('isqrt() argument must be nonnegative')
    if n == 0:
        return 0
    x = 1 << ((n.bit_length() + 1) // 2)
    while True:
        y = (x + n // x) // 2
        if y >= x:
            return x
        x = y


def frexp(x):
    if x == 0 or not isfinite(x):
        return float(x), 0
    mantissa, exponent = float(x), 0
    while abs(mantissa) >= 1:
        mantissa, exponent = mantissa / 2, exponent + 1
    while abs(mantissa) < 0.5:
        mantissa, exponent = mantissa * 2, exponent - 1
    return mantissa, exponent


def ldexp(x, exponent):
    while exponent > 1000:
        x, exponent = x * 2.0 ** 1000, exponent - 1000
    while exponent < -1000:
        x, exponent = x * 2.0 ** -1000, exponent + 1000
    return x * 2.0 ** exponent


def sqrt(x):
    if x < 0:
        raise ValueError('math domain error')
    if x == 0 or x == inf:
        return float(x)
    mantissa, exponent = frexp(x)
    if exponent % 2:
        mantissa, exponent = mantissa * 2, exponent - 1
    # 53 bits of the root, and one to round by.
    scaled = int(mantissa * 2.0 ** 60) << 50
    root = isqrt(scaled)
    return ldexp(float(root), exponent // 2 - 55)


def cbrt(x):
    return copysign(exp(log(abs(x)) / 3), x) if x else 0.0


def exp(x):
    if x != x or x == inf:
        return x
    if x < -750:
        return 0.0
    if x > 710:
        raise OverflowError('math range error')
    n = floor(x / 0.6931471805599453 + 0.5)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    term, total = 1.0, 0.0
    terms = []
    for i in range(1, 20):
        term = term * r / i
        terms.append(term)
    for t in reversed(terms):
        total += t
    return ldexp(1.0 + total, n)


def expm1(x):
    return exp(x) - 1


def exp2(x):
    return exp(x * 0.6931471805599453)


def _ln(x):
    mantissa, exponent = frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = mantissa * 2, exponent - 1
    z = (mantissa - 1) / (mantissa + 1)
    square, total = z * z, 0.0
    for i in range(25, -1, -1):
        total = total * square + 1.0 / (2 * i + 1)
    return exponent * _LN2_HIGH + (2 * z * total + exponent * _LN2_LOW)


def log(x, base=None):
    if isinstance(x, int) and x > 1 << 1000:
        shift = x.bit_length() - 60
        value = _ln(float(x >> shift)) + shift * 0.6931471805599453
    else:
        if x <= 0:
            raise ValueError('math domain error')
        value = _ln(float(x))
    if base is None:
        return value
    return log2(x) if base == 2 else value / log(base)


def log2(x):
    if isinstance(x, int) and x > 0 and x & (x - 1) == 0:
        return float(x.bit_length() - 1)
    if x <= 0:
        raise ValueError('math domain error')
    mantissa, exponent = frexp(float(x)) if not isinstance(x, int) or x < 1 << 1000 else (
        float(x >> (x.bit_length() - 60)) / 2.0 ** 60, x.bit_length())
    if mantissa == 0.5:
        return float(exponent - 1)
    return exponent + _ln(mantissa) / 0.6931471805599453


def log10(x):
    value = log(x) / 2.302585092994046
    whole = floor(value + 0.5)
    return float(whole) if 0 <= whole < 300 and x == 10 ** whole else value


def log1p(x):
    return log(1 + x)


def pow(x, y):
    return float(x) ** y


def _reduced(x):
    n = floor(x / 1.5707963267948966 + 0.5)
    r = float(x)
    for part in _HALF_PI:
        r -= n * part
    return r, n % 4


def _sin(r):
    square, total = r * r, 0.0
    for i in range(11, 0, -1):
        total = (1.0 + total) * -square / ((2 * i) * (2 * i + 1))
    return r + r * total


def _cos(r):
    square, total = r * r, 0.0
    for i in range(11, 0, -1):
        total = (1.0 + total) * -square / ((2 * i - 1) * (2 * i))
    return 1.0 + total


def sin(x):
    r, quadrant = _reduced(x)
    value = _cos(r) if quadrant % 2 else _sin(r)
    return -value if quadrant >= 2 else value


def cos(x):
    r, quadrant = _reduced(x)
    value = _sin(r) if quadrant % 2 else _cos(r)
    return -value if quadrant in (1, 2) else value


def tan(x):
    return sin(x) / cos(x)


def atan(x):
    if x < 0:
        return -atan(-x)
    if x > 1:
        return 1.5707963267948966 - atan(1 / x)
    halvings = 0
    while x > 0.1:
        x = x / (1 + sqrt(1 + x * x))
        halvings += 1
    square, total = x * x, 0.0
    for i in range(14, -1, -1):
        total = 1.0 / (2 * i + 1) - square * total
    return x * total * 2 ** halvings


def atan2(y, x):
    if x > 0:
        return atan(y / x)
    if x < 0:
        return atan(y / x) + (pi if y >= 0 else -pi)
    return 0.0 if y == 0 else copysign(pi / 2, y)


def asin(x):
    if abs(x) > 1:
        raise ValueError('math domain error')
    return copysign(pi / 2, x) if abs(x) == 1 else atan(x / sqrt(1 - x * x))


def acos(x):
    return pi / 2 - asin(x)


def sinh(x):
    return (exp(x) - exp(-x)) / 2


def cosh(x):
    return (exp(x) + exp(-x)) / 2


def tanh(x):
    if abs(x) > 20:
        return copysign(1.0, x)
    a = exp(2 * x)
    return (a - 1) / (a + 1)


def hypot(*values):
    return sqrt(sum(v * v for v in values))


def dist(p, q):
    return hypot(*(a - b for a, b in zip(p, q)))


def degrees(x):
    return x * 180 / pi


def radians(x):
    return x * pi / 180


def factorial(n):
    if n < 0:
        raise ValueError('factorial() not defined for negative values')
    result = 1
    for i in range(2, n + 1):
        result *= i
    return result


def gcd(*values):
    result = 0
    for v in values:
        a, b = abs(result), abs(v)
        while b:
            a, b = b, a % b
        result = a
    return result


def lcm(*values):
    result = 1
    for v in values:
        result = abs(result * v) // gcd(result, v) if v else 0
    return result


def comb(n, k):
    if k < 0 or k > n:
        return 0
    result = 1
    for i in range(min(k, n - k)):
        result = result * (n - i) // (i + 1)
    return result


def perm(n, k=None):
    result = 1
    for i in range(n if k is None else k):
        result *= n - i
    return result


def prod(values, start=1):
    for v in values:
        start = start * v
    return start


def fsum(values):
    return float(sum(values))


def isclose(a, b, rel_tol=1e-09, abs_tol=0.0):
    return abs(a - b) <= max(rel_tol * max(abs(a), abs(b)), abs_tol)


def erf(x):
    # Taylor's series; enough for the arguments for which erf differs from 1.
    if abs(x) > 6:
        return copysign(1.0, x)
    term, total, n = float(x), 0.0, 0
    while abs(term) > 1e-18 and n < 300:
        total += term / (2 * n + 1)
        n += 1
        term *= -x * x / n
    return 2 / sqrt(pi) * total


def erfc(x):
    return 1 - erf(x)

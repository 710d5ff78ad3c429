"""Division of secret fixed-point numbers by what everybody knows: off by one unit in the last place at most.

v / d is v R / 2^s with R = round(2^s / d), where s is longer than v. If that product does not fit under a mask, a
shorter reciprocal gives a first quotient w, and the same with the rest v - w d, which is small, corrects it.
"""

from Compiler import comparison
from Compiler.errors import CompilerError
from Compiler.registers import cint

# Bits of the reciprocal beyond those of the dividend: exact quotients are missed with probability 2^-GUARD only.
GUARD = 8


def _room():
    """Bits of what can be opened under a mask, with one for rounding."""
    return comparison.field().most - 1


def _cut(x, k, m, nearest):
    if m <= 0:
        return x * (1 << -m)
    if nearest:
        return comparison.trunc(x + (1 << (m - 1)), k + 1, m)
    return comparison.trunc_pr(x, k, m)


def by_number(v, k, number, nearest=False):
    """v / number for a secret v of k bits and a Python number."""
    if number == 0:
        raise ZeroDivisionError('division by zero')
    if number != number or number in (float('inf'), float('-inf')):
        raise CompilerError('%s is no divisor' % number)
    n, denominator = number.as_integer_ratio() if isinstance(number, float) else (int(number), 1)
    if n < 0:
        v, n = -v, -n
    t = denominator.bit_length() - 1
    if n & (n - 1) == 0:
        return _cut(v, k, n.bit_length() - 1 - t, nearest)
    magnitude = max(0, n.bit_length() - 1 - t)

    def reciprocal(bits):
        return ((1 << (bits + 1)) // n + 1) >> 1
    return _quotient(v, k, t, n, n.bit_length(), magnitude, reciprocal, nearest)


def by_public(v, k, divisor, divisor_bits, shift, nearest=False):
    """v 2^shift / divisor for a secret v of k bits and a public register of at most so many bits."""
    size = max(v.size, divisor.size)
    v, divisor = v.expand_to_vector(size), cint.conv(divisor).expand_to_vector(size)
    sign = 2 * ((divisor + (1 << divisor_bits)) >> divisor_bits) - 1
    positive = divisor * sign

    def reciprocal(bits):
        return ((positive >> 1) + (1 << bits)) // positive
    return _quotient(v * sign, k, shift, positive, divisor_bits, 0, reciprocal, nearest)


def _quotient(v, k, shift, divisor, divisor_bits, magnitude, reciprocal, nearest):
    """v 2^shift / divisor, which is at least 2^magnitude times smaller than v."""
    room, s = _room(), k + GUARD
    if k + s + 1 - magnitude <= room:
        return _cut(v * reciprocal(s + shift), k + s + 1 - magnitude, s, nearest)
    s = max(1, room - k - 1 + magnitude)
    first = comparison.trunc_pr(v * reciprocal(s + shift), k + s + 1 - magnitude, s)
    error = max(0, k - s) + 2
    rest = v * (1 << shift) - first * divisor
    s = divisor_bits + error + GUARD
    return first + _cut(rest * reciprocal(s), error + s + 1, s, nearest)

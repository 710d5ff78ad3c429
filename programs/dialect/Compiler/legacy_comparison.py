"""Comparison and truncation in the form of procedures: they write their result into their first argument.

`LTZ(s, a, k)` sets s to [a < 0], `Trunc(d, a, k, m)` sets d to a / 2^m rounded down, and so on.
"""

from Compiler import comparison
from Compiler.program import P
from Compiler.registers import cint, sint


def LTZ(target, a, k=None, kappa=None):
    target.update(comparison.negative(a, k or P.bit_length))


def LessThanZero(a, k=None, kappa=None):
    return comparison.negative(a, k or P.bit_length)


def EQZ(target, a, k=None, kappa=None):
    target.update(comparison.zero(a, k or P.bit_length))


def Trunc(target, a, k, m, kappa=None, signed=True):
    target.update(comparison.trunc(a, k, m, signed))


def TruncPr(target, a, k, m, kappa=None, signed=True):
    target.update(comparison.trunc_pr(a, k, m, signed))


def TruncRoundNearest(a, k, m, kappa=None, signed=False):
    return comparison.trunc(a + (1 << (m - 1)), k + 1, m, signed) if m else a


def TruncZeros(a, k, m, signed=True):
    """a / 2^m for a multiple of 2^m."""
    return a * comparison.inverse_of_power(m).expand_to_vector(a.size)


def Mod2m(target, a, k, m, kappa=None, signed=False):
    target.update(comparison.mod2m(a, k, m, signed))


def Mod2(target, a, k, kappa=None, signed=False):
    Mod2m(target, a, k, 1, kappa, signed)


def BitLTC1(target, public, bits, kappa=None):
    """[public < secret], the secret number given by its bits."""
    target.update(BitLTFull(cint(public).bit_decompose(len(bits)), bits))


def BitLTL(target, public, bits, kappa=None):
    BitLTC1(target, public, bits, kappa)


def BitLTFull(a, b, bit_length=None):
    """[a < b] for numbers given by their bits, lowest first."""
    pairs = [(b_ - a_ * b_, 1 - a_ - b_ + 2 * (a_ * b_)) for a_, b_ in list(zip(a, b))[:bit_length]]
    while len(pairs) > 1:
        merged = []
        for i in range(0, len(pairs) - 1, 2):
            (low, low_same), (high, high_same) = pairs[i], pairs[i + 1]
            merged.append((high + high_same * low, high_same * low_same))
        pairs = merged + pairs[len(pairs) // 2 * 2:]
    return sint.conv(pairs[0][0])


def CarryOut(target, a, b, carry=0, kappa=None):
    """The carry of a sum of numbers given by their bits, highest first."""
    a, b = list(reversed(a)), list(reversed(b))
    target.update(BitAddParts(a, b, carry)[1][-1])


def BitAddParts(a, b, carry=0):
    """The bits of the sum without carries, and the carry out of each position."""
    half, carries = [], []
    generate = [x * y for x, y in zip(a, b)]
    half = [x + y - 2 * g for x, y, g in zip(a, b, generate)]
    generate = [sint.conv(g) for g in generate]
    if not (isinstance(carry, int) and carry == 0):
        generate[0] = generate[0] + half[0] * carry
    carries = comparison.prefix_borrows(list(generate), [sint.conv(h) for h in half], len(half), generate[0].size)
    return half, carries


def PRandInt(target, bits):
    target.update(comparison.random_number(bits, target.size))


def PRandM(low, high, bits, k, m, kappa=None, use_dabit=True):
    """A random number of m bits with its bits, and one for the bits above it."""
    planes = [sint.get_random_bit(size=low.size) for _ in range(m)]
    for target, plane in zip(bits, planes):
        target.update(plane)
    low.update(comparison.weighted_sum(planes))
    high.update(comparison.random_number(k + P.security - m, high.size))


def KMulC(values):
    """The product of public or secret values."""
    total = values[0]
    for x in values[1:]:
        total = total * x
    return total


def PreMulC(values):
    """The products of the first one, two, ... values."""
    result = [values[0]]
    for x in values[1:]:
        result.append(result[-1] * x)
    return result

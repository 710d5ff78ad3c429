"""Building blocks of floating point, under the names by which programs call them."""

from Compiler import comparison, division
from Compiler.registers import sint


def Trunc(x, k, m, kappa=None, signed=True):
    return comparison.trunc(x, k, m, signed)


def TruncPr(x, k, m, kappa=None, signed=True):
    return comparison.trunc_pr(x, k, m, signed)


def Pow2(x, l, kappa=None):
    return comparison.pow2(x, l)


def EQZ(x, k, kappa=None):
    return comparison.zero(x, k)


def LTZ(x, k, kappa=None):
    return comparison.negative(x, k)


def BitDec(x, k, m, kappa=None, bits_to_compute=None):
    return comparison.bits(x, m, k)


def PreOR(bits, kappa=None):
    """For each position, whether a bit up to there is one."""
    products = comparison.suffix_products([1 - b for b in reversed(bits)])
    return [1 - p for p in reversed(products)]


def KOR(bits, kappa=None):
    return 1 - comparison.suffix_products([1 - b for b in bits])[0]


def B2U(x, l, kappa=None):
    """l bits of which the lowest x are one, and two to the power of x."""
    units = comparison.one_hot(comparison.bits(x, comparison.exponent_length(l + 1)))
    total, result = sint(1), []
    for unit in units[:l]:
        total = total - unit
        result.append(total)
    return result, comparison.pow2(x, l)


def shift_two(n, position):
    return n >> position


def SDiv(a, b, l, kappa=None):
    return division.int_div(a, b, l)

"""Building blocks of floating point, under the names by which programs call them."""

from Compiler import comparison, division
from Compiler.legacy_comparison import BitAddParts, BitLTFull, TruncRoundNearest, TruncZeros  # noqa: F401
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


def BITLT(a, b, bit_length=None):
    """[a < b] for numbers given by their bits, lowest first."""
    return BitLTFull(a, b, bit_length)


def BitAdd(a, b, bits_to_compute=None):
    """The bits of a sum of numbers given by their bits, and the carry as the last."""
    half, carries = BitAddParts(list(a), list(b))
    return [sint.conv(half[0])] + [h + c - 2 * (h * c) for h, c in zip(half[1:], carries)] + [carries[-1]]


def BitDecFull(x, n_bits=None, maybe_mixed=False):
    return x.bit_decompose(n_bits)


def KORL(bits, kappa=None):
    return KOR(bits, kappa)


def KOpL(operate, values):
    """All values combined by an associative operation."""
    from Compiler.control import tree_reduce
    return tree_reduce(operate, values)


def PreOpL(operate, values):
    """The first one, two, ... values combined by an associative operation."""
    result = [values[0]]
    for x in values[1:]:
        result.append(operate(result[-1], x))
    return result


def PreAND(bits, kappa=None):
    """For each position, whether all bits up to there are one."""
    return list(reversed(comparison.suffix_products(list(reversed(list(bits))))))


def carry(b, a, compute_p=True):
    """Two carry-lookahead pairs (propagates, generates) as one: b is the higher."""
    propagates = a[0] * b[0] if compute_p else None
    return propagates, b[1] + b[0] * a[1]


def Inv(a):
    """The inverse in the field."""
    return sint.conv(1).field_div(a)


def BitLT(a, b, bit_length=None):
    return BitLTFull(a, b, bit_length)


def TruncInRing(*_args):
    from Compiler.errors import CompilerError
    raise CompilerError('not supported: TruncInRing works modulo 2^k only', 'use Trunc(x, k, m)')

"""What `program.non_linear` offers: comparisons and cuts of secrets, as functions."""

from Compiler import comparison
from Compiler.program import P


class NonLinear:
    """The protocols that this compiler uses for every prime."""

    @staticmethod
    def ltz(a, k=None, kappa=None):
        """[a < 0] for numbers of k bits."""
        return comparison.negative(a, k or P.bit_length)

    @staticmethod
    def eqz(a, k=None, kappa=None):
        return comparison.zero(a, k or P.bit_length)

    @staticmethod
    def mod2m(a, k, m, signed=True):
        return comparison.mod2m(a, k, m, signed)

    @staticmethod
    def trunc_pr(a, k, m, signed=True):
        return comparison.trunc_pr(a, k, m, signed)

    @staticmethod
    def trunc_round_nearest(a, k, m, signed=True):
        return comparison.trunc(a + (1 << (m - 1)), k + 1, m, signed) if m else a

    @staticmethod
    def trunc(a, k, m, kappa=None, signed=True):
        return comparison.trunc(a, k, m, signed)

    @staticmethod
    def bit_dec(a, k, m, maybe_mixed=False):
        return comparison.bits(a, m, k)

    @staticmethod
    def set_security(kappa):
        P.set_security(kappa)


Prime = KnownPrime = NonLinear

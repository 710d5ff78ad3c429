"""Quantised numbers: x = S (q - Z) for an integer q of k bits, a scale S and a zero point Z."""

from Compiler.errors import CompilerError


class squant_params:
    """Scale, zero point and length of quantised numbers."""

    max_n_summands = 2048

    def __init__(self, S, Z=0, k=8):
        self.S, self.Z, self.k = S, Z, k

    @staticmethod
    def conv(other):
        return other if isinstance(other, squant_params) else squant_params(*other)

    def __iter__(self):
        yield self.S
        yield self.Z

    def is_constant(self):
        return isinstance(self.S, float) and isinstance(self.Z, int)

    def __str__(self):
        return 'squant_params(%s, %s, %s)' % (self.S, self.Z, self.k)


class squant:
    """A quantised number."""

    def __init__(self, *_args, **_kwargs):
        raise CompilerError('not supported: squant', 'use sfix; quantised layers and weights can be scaled to it')

    @classmethod
    def set_params(cls, S, Z=0, k=8):
        cls.params = squant_params(S, Z, k)

    @classmethod
    def from_sint(cls, *_args):
        return cls()

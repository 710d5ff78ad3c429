"""Values that one party knows."""

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import Register, cint, regint, sint


class personal:
    """A value that only `player` knows; `sint(x)` shares it."""

    is_personal = True

    def __init__(self, player, value):
        if isinstance(value, personal):
            value = value._v
        self.player = player
        self._v = value
        self.size = getattr(value, 'size', 1)

    def _to_sint(self, target):
        value = cint.conv(self._v)
        P.emit('inputpersonal 0 %d %d %s %s' % (target.size, self.player, target.t,
                                                value.expand_to_vector(target.size).t))

    @classmethod
    def read_int_from_socket(cls, player, socket, size=1):
        """Whole numbers that a client sends to this party alone."""
        from Compiler.control import if_
        me, value = regint.new(1), cint.new(size)
        P.emit('playerid 0 %s' % me.t)
        value.update(0)

        @if_(me == player)
        def _():
            value.update(cint.read_from_socket(socket, size=size))
        return cls(player, value)

    @classmethod
    def read_fix_from_socket(cls, player, socket, size=1):
        """Fixed-point numbers that a client sends to this party alone."""
        from Compiler.fixed import cfix
        return cls(player, cfix._new(cls.read_int_from_socket(player, socket, size)._v))

    def output(self):
        raise CompilerError('a personal value cannot be printed by everybody', 'use print_ln_to(player, ...)')

    def output_if(self, condition):
        self._v.output_if(condition)

    def reveal_to(self, player):
        value = cint.conv(self._v)
        r = cint.new(value.size)
        P.emit('sendpersonal 0 %d %d %s %d %s' % (value.size, player, r.t, self.player, value.t))
        return personal(player, r)

    def bit_decompose(self, length=None):
        return [personal(self.player, b) for b in self._v.bit_decompose(length)]

    def _with(self, other, operate):
        if isinstance(other, personal):
            if other.player != self.player:
                raise CompilerError('personal values of two parties cannot be combined', 'share one of them: sint(x)')
            other = other._v
        if isinstance(other, Register) and other.bank == 's':
            return operate(sint(self), other)
        return personal(self.player, operate(self._v, other))

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, index):
        return personal(self.player, self._v[index])

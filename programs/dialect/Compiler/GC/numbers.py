"""Integers as Boolean circuits, which `sint` is with `-B`: one number or a vector of them, in registers and in memory.

A number is a list of planes, one `sbits` for each bit with a lane for each element. Comparisons give a `bit`, which is a
number of one plane without a sign.
"""

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import Public, Register, common_size, plain, regint, sint as field_element
from Compiler.GC.lanes import Lanes, by_element, spread
from Compiler.GC.types import (
    _Integer, _Planes, _arithmetic_to_planes, _planes_to_arithmetic, cbits, sbits, sbitvec)

REGINT_BITS = 64


class revealed(regint):
    """Public numbers that were secret vectors: printed in brackets."""

    def output(self):
        if self.size == 1:
            P.emit('print_int 0 %s' % self.t)
            return
        from Compiler.printing import emit_value
        emit_value([self.lane(i) for i in range(self.size)])


def _constant_planes(value, n, size):
    if not -(1 << (n - 1)) <= value < 1 << n:
        raise CompilerError('%d does not fit into %d bits' % (value, n))
    return [sbits.get_type(size)((1 << size) - 1 if (value >> i) & 1 else 0) for i in range(n)]


class number(Lanes, _Planes, _Integer):
    """Signed integers of n bits."""

    n = None
    kind = 'sint'
    bank = 'b'
    clear = clear_type = revealed
    signed = True

    def __init__(self, value=None, size=None, n=None):
        value = plain(value)
        if hasattr(value, '__next__'):
            value = list(value)
        if value is None:
            self.v = [sbits.get_type(size or 1)() for _ in range(self.n)]
            return
        self.v = self._planes_of(value, size)
        if size and self.size != size:
            self.v = self.expand_to_vector(size).v

    def _planes_of(self, value, size):
        if isinstance(value, float) and value == int(value):
            value = int(value)
        if isinstance(value, (bool, int)):
            return _constant_planes(int(value), self.n, size or 1)
        if isinstance(value, number):
            return [plane.copied() for plane in value.wide(self.n)]
        if isinstance(value, _Integer):
            planes = value.planes()
            return (planes + [planes[-1]] * self.n)[:self.n]
        if isinstance(value, sbitvec):
            return self._filled(value.planes())
        if isinstance(value, sbits):
            return self._filled(value.bit_decompose())
        if isinstance(value, field_element):
            return _arithmetic_to_planes(value, self.n)
        if isinstance(value, Public):
            return by_element([sbits.get_type(self.n)(regint(x)) if self.n <= REGINT_BITS
                                else self._long(regint(x)) for x in value], self.n)
        if isinstance(value, cbits):
            return self._filled(sbits(value, n=value.n).bit_decompose())
        if isinstance(value, (list, tuple, range)):
            return self.concat(list(value)).v
        kind = getattr(value, 'kind', None) or type(value).__name__
        raise CompilerError('a Boolean integer cannot be made of %s' % kind)

    def _long(self, value):
        low = sbits.get_type(REGINT_BITS)(value).bit_decompose()
        return sbits.bit_compose(low + [low[-1]] * (self.n - REGINT_BITS))

    def _filled(self, planes):
        zero = sbits.get_type(planes[0].n)(0)
        return (list(planes) + [zero] * self.n)[:self.n]

    @staticmethod
    def base():
        return number

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if type(value) is cls else cls(value)

    hard_conv = conv

    @classmethod
    def _of(cls, planes, like=None):
        kind = number.get_type(len(planes))
        r = kind.__new__(kind)
        r.v = list(planes)
        return r

    @classmethod
    def new(cls, size=1):
        return cls(size=size)

    def same_type(self):
        return type(self)(size=self.size)

    @property
    def size(self):
        return self.v[0].n

    lanes = lambda self: self.v[0].n

    def planes(self):
        return list(self.v)

    def wide(self, n):
        """The planes of the same number with n bits."""
        return (self.v + [self.v[-1]] * n)[:n]

    def _bits(self):
        """A single number as one value."""
        return sbits.bit_compose(self.v)

    @property
    def t(self):
        return self._bits().t

    def can_take(self, other):
        """Whether `update` may write such a value here, apart from this very type."""
        return isinstance(other, bit)

    @classmethod
    def dot_product(cls, x, y, res_params=None):
        x, y = plain(x), plain(y)
        x, y = cls.conv(x if isinstance(x, number) else list(x)), cls.conv(y if isinstance(y, number) else list(y))
        return (x * y).sum()

    # -- input and output

    @classmethod
    def get_input_from(cls, player, size=None, binary=False):
        packed = sbits.get_type(cls.n)
        r = cls.__new__(cls)
        r.v = by_element([packed.get_input_from(player) for _ in range(size or 1)], cls.n)
        return r

    @classmethod
    def get_random_bit(cls, size=None):
        return bit._of_plane(sbits.bit_compose([sbits.get_random_bit() for _ in range(size or 1)]))

    @classmethod
    def get_random_int(cls, bits, size=None):
        return cls.bit_compose([cls.get_random_bit(size) for _ in range(bits)])

    def reveal(self, check=True):
        """The numbers, public from then on."""
        n = len(self.v)
        if n > REGINT_BITS:
            shown = [sbits.bit_compose(x.v).reveal() for x in self]
            return shown[0] if len(shown) == 1 else shown
        total = revealed.new(self.size)
        value = None
        for i, plane in enumerate(self.v):
            lanes = plane.reveal().to_regint_by_bit() if self.size > 1 else regint(plane.reveal())
            weight = -(1 << i) if self.signed and i == n - 1 else 1 << i
            value = lanes * weight if value is None else value + lanes * weight
        P.emit('movint %d %s %s' % (self.size, total.t, value.t))
        return total

    def reveal_nested(self):
        return list(self.reveal())

    def _to_sint(self, target):
        _planes_to_arithmetic(self.planes(), target, signed=self.signed)

    # -- operators

    def _other(self, other):
        """The other operand as a number of the same kind; None if there is no such."""
        other = plain(other)
        if isinstance(other, number):
            return other
        if isinstance(other, float) and other != int(other):
            return None
        if isinstance(other, (bool, int, float, Public, cbits, sbits, sbitvec, _Integer, field_element, list, tuple)):
            return number.get_type(max(self.n, P.options.binary or 0))(other)
        return None

    def _with(self, other):
        """Both operands with the same number of lanes and bits."""
        other = self._other(other)
        if other is None:
            return None, None
        size = common_size(self.size, other.size)
        n = max(self.n, other.n)
        if self.n != other.n or isinstance(self, bit) or isinstance(other, bit):
            n = max(n, P.options.binary or 0)
        return (number._of([spread(plane, size) for plane in x.wide(n)]) for x in (self, other))

    def _pair(self, other):
        return type(self), self.planes(), other.planes()

    def _compared(self, other, name):
        a, b = self._with(other)
        return NotImplemented if a is None else bit._of_plane(getattr(_Integer, name)(a, b))

    def __lt__(self, other):
        return self._compared(other, '__lt__')

    def __gt__(self, other):
        return self._compared(other, '__gt__')

    def __le__(self, other):
        return self._compared(other, '__le__')

    def __ge__(self, other):
        return self._compared(other, '__ge__')

    def __eq__(self, other):
        return self._compared(other, '__eq__')

    def __ne__(self, other):
        return self._compared(other, '__ne__')

    __hash__ = _Integer.__hash__

    less_than = lambda self, other, *_, **__: self < other
    greater_than = lambda self, other, *_, **__: self > other
    less_equal = lambda self, other, *_, **__: self <= other
    greater_equal = lambda self, other, *_, **__: self >= other
    equal = lambda self, other, *_, **__: self == other
    not_equal = lambda self, other, *_, **__: self != other

    def _computed(self, other, name):
        a, b = self._with(other)
        return NotImplemented if a is None else (getattr(_Integer, name, None) or getattr(number, name))(a, b)

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        return self._computed(other, '__add__')

    __radd__ = __add__

    def __sub__(self, other):
        return self._computed(other, '__sub__')

    def __rsub__(self, other):
        return self._computed(other, '__rsub__')

    def __neg__(self):
        return _Integer.__neg__(number.conv_wide(self))

    @staticmethod
    def conv_wide(x):
        return number._of(x.wide(max(x.n, P.options.binary or 0)))

    def __mul__(self, other):
        other = plain(other)
        if isinstance(other, int) and other in (0, 1):
            return self if other else number._of(_constant_planes(0, self.n, self.size))
        if isinstance(other, sbits) and other.n == 1:
            other = bit._of_plane(other)
        if isinstance(other, bit):
            return other._select(self)
        return self._computed(other, '__mul__')

    __rmul__ = __mul__

    def __floordiv__(self, other):
        return self._computed(other, '_quotient')

    def int_div(self, other, bit_length=None, security=None):
        return self // other

    def __mod__(self, other):
        return self._computed(other, '_rest')

    def _quotient(self, other):
        return self._divided(other)[0]

    def _rest(self, other):
        return self._divided(other)[1]

    def __rfloordiv__(self, other):
        return self._other(other) // self

    def __rmod__(self, other):
        return self._other(other) % self

    def int_mod(self, other, bit_length=None):
        return self % other

    def __truediv__(self, other):
        from Compiler.fixed import sfix
        return sfix(self) / other

    def __rtruediv__(self, other):
        from Compiler.fixed import sfix
        return other / sfix(self)

    def _bitwise(self, other, operate):
        a, b = self._with(other)
        return NotImplemented if a is None else number._of([operate(x, y) for x, y in zip(a.v, b.v)])

    __rxor__ = lambda self, other: self ^ other
    __rand__ = lambda self, other: self & other
    __ror__ = lambda self, other: self | other
    bit_xor = lambda self, other: self ^ other
    bit_and = lambda self, other: self & other
    bit_or = lambda self, other: self | other

    def __pow__(self, exponent):
        return Register.__pow__(self, exponent)

    def __abs__(self):
        return (self < 0).if_else(-self, self)

    def max(self, other):
        return (self < other).if_else(other, self)

    def min(self, other):
        return (self < other).if_else(self, other)

    def right_shift(self, m, bit_length=None, security=None, signed=True):
        return self >> m

    left_shift = lambda self, m, *_: self << m

    def mod2m(self, m, bit_length=None, signed=True):
        return self % (1 << m)

    def bit_decompose(self, bit_length=None, security=None):
        return [bit._of_plane(plane) for plane in self.wide(bit_length or self.n)]

    @classmethod
    def bit_compose(cls, bits):
        """The number with these bits, lowest first; without more of them than it has it is not negative."""
        planes = [bit.conv(b).v[0] for b in bits]
        size = max([plane.n for plane in planes], default=1)
        n = cls.n or P.options.binary
        zero = sbits.get_type(size)(0)
        return number._of(([spread(plane, size) for plane in planes] + [zero] * n)[:max(n, len(planes))])

    def bit_not(self):
        return 1 - self

    def if_else(self, a, b):
        return bit._of_plane(self.v[0]).if_else(a, b)

    def cond_swap(self, a, b):
        return self.if_else(b, a), self.if_else(a, b)

    def popcnt(self, bit_length=None):
        return sum(self.bit_decompose(bit_length))

    def square(self):
        return self * self


class bit(number):
    """What a comparison gives: one plane, zero or one."""

    n = 1
    signed = False
    kind = 'sintbit'

    def __init__(self, value=None, size=None):
        value = plain(value)
        if value is None:
            self.v = [sbits.get_type(size or 1)()]
        elif isinstance(value, (list, tuple)):
            self.v = self.concat(value).v
        elif isinstance(value, sbits):
            self.v = [value]
        elif isinstance(value, number) or isinstance(value, _Integer):
            self.v = [value.planes()[0]]
        else:
            self.v = [number.get_type(8)(value).v[0]]
        if size and self.size != size:
            self.v = [spread(self.v[0], size)]

    @classmethod
    def _of_plane(cls, plane):
        r = cls.__new__(cls)
        r.v = [plane]
        return r

    def wide(self, n):
        return self._filled_to(n)

    def _filled_to(self, n):
        return (self.v + [sbits.get_type(self.size)(0)] * (n - 1))[:n] if n > 1 else list(self.v)

    def can_take(self, other):
        return False

    def format(self):
        return self.size

    def update(self, other):
        self.v[0].update(spread(bit.conv(other).v[0], self.size))
        return self

    def of_number(self, value):
        return bit(int(value), size=self.size) if value in (0, 1) else number.get_type(P.options.binary)(
            int(value), size=self.size)

    def _select(self, x):
        """x where the bit is one, zero elsewhere."""
        size = common_size(self.size, x.size)
        chosen = spread(self.v[0], size)
        return x._alike([chosen & spread(plane, size) for plane in x.v])

    def _logical(self, other, operate, otherwise):
        other = plain(other)
        if isinstance(other, sbits):
            other = bit._of_plane(other)
        elif isinstance(other, (bool, int)) and other in (0, 1):
            other = bit(int(other), size=self.size)
        if not isinstance(other, bit):
            return otherwise(self, other)
        size = common_size(self.size, other.size)
        return bit._of_plane(operate(spread(self.v[0], size), spread(other.v[0], size)))

    def __xor__(self, other):
        return self._logical(other, lambda x, y: x ^ y, number.__xor__)

    def __and__(self, other):
        return self._logical(other, lambda x, y: x & y, number.__and__)

    def __or__(self, other):
        return self._logical(other, lambda x, y: x ^ y ^ (x & y), number.__or__)

    bit_xor, bit_and, bit_or = __xor__, __and__, __or__
    __rxor__, __rand__, __ror__ = __xor__, __and__, __or__

    def __invert__(self):
        return bit._of_plane(~self.v[0])

    bit_not = __invert__

    def __rsub__(self, other):
        if isinstance(other, int) and other == 1:
            return ~self
        return number.__rsub__(self, other)

    def __mul__(self, other):
        other = plain(other)
        if isinstance(other, sbits) and other.n == 1:
            other = bit._of_plane(other)
        if isinstance(other, int) and other in (0, 1):
            return self if other else bit(0, size=self.size)
        other = self._other(other)
        return NotImplemented if other is None else self._select(other)

    __rmul__ = __mul__

    def _bits(self):
        return self.v[0]

    def if_else(self, a, b):
        """a where the bit is one, b elsewhere."""
        if isinstance(a, (list, tuple)):
            return type(a)(self.if_else(x, y) for x, y in zip(a, b))
        a, b = plain(a), plain(b)
        if any(getattr(x, 'is_fixed', False) or type(x).__name__ == 'sfloat' or type(x) is float for x in (a, b)):
            return field_element(self).if_else(a, b)
        if isinstance(a, sbits) and isinstance(b, sbits):
            return self.v[0].if_else(a, b)
        if not isinstance(a, number):
            a = self._other(a)
        if not isinstance(b, number):
            b = self._other(b)
        if a is None or b is None:
            raise CompilerError('if_else cannot choose between these values')
        both = isinstance(a, bit) and isinstance(b, bit)
        x, y = (a, b) if both else a._with(b)
        size = common_size(self.size, common_size(x.size, y.size))
        chosen = spread(self.v[0], size)
        planes = [q ^ (chosen & (p ^ q)) for p, q in
                  zip((spread(p, size) for p in x.v), (spread(q, size) for q in y.v))]
        return bit._of_plane(planes[0]) if both else number._of(planes)


def integers(n):
    """The type of integers of n bits."""
    return number.get_type(n)

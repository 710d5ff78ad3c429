"""Fixed-point numbers as Boolean circuits: `sbitfix`, its vectors `sbitfixvec`, and what they reveal, `cbitfix`.

A number x is the two's-complement integer round(x 2^f) of k bits. Products are cut by f bits, rounded to the nearest.
"""

from Compiler.errors import CompilerError, NotCompileTime
from Compiler.fixed import scaled
from Compiler.named_operators import NamedOperators
from Compiler.program import P
from Compiler.registers import Public, Register, cint, plain, regint
from Compiler.GC import circuits
from Compiler.GC.types import cbits, sbit, sbitint, sbitintvec, sbits, sbitvec


class cbitfix:
    """A public fixed-point number in one register of bits."""

    kind = 'cbitfix'
    size = 1

    def __init__(self, v, f=None):
        self.v, self.f = v, sbitfix.f if f is None else f

    def output(self):
        n = self.v.n
        value = regint(self.v)
        # the number is signed: what its highest bit weighs is taken twice
        if n < 64:
            sign = (value >> (n - 1)) % 2
            value = value - sign * (1 << n)
        zero = cint(0)
        P.emit('print_float_plain 1 %s %s %s %s %s' % (cint(value).t, cint(-self.f).t, zero.t, zero.t, zero.t))

    def reveal(self):
        return self


class _BitFixed(NamedOperators):
    """What single numbers and vectors share; `v` is the integer."""

    is_secret = True
    f, k = 16, 31

    def __init__(self, value=None, size=None):
        value = plain(value)
        if value is None:
            self.v = self.int_type()()
        elif isinstance(value, (bool, int, float)):
            number = scaled(int(value) if isinstance(value, bool) else value, self.f)
            if abs(number) >> (self.k - 1):
                raise CompilerError('%s does not fit into %d bits with %d after the point' % (value, self.k, self.f),
                                    'sbitfix.set_precision(f, k) allows more')
            self.v = self._int(number, size)
        elif isinstance(value, _BitFixed):
            self.v = value.v
        elif isinstance(value, (list, tuple)):
            self.v = self.int_type()([sbitfix.conv(x).v for x in value])
        else:
            self.v = self.int_type()(value) << self.f

    @classmethod
    def set_precision(cls, f, k=None):
        """Digits (in bits): f after the point, k altogether."""
        _BitFixed.f, _BitFixed.k = f, 2 * f - 1 if k is None else k

    @classmethod
    def int_type(cls):
        return cls.integers.get_type(_BitFixed.k)

    @classmethod
    def _int(cls, number, size):
        return cls.int_type()(number) if size in (None, 1) else cls.int_type()(number, size)

    @classmethod
    def _new(cls, v):
        r = cls.__new__(cls)
        r.v = v
        return r

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if isinstance(value, cls) else cls(value)

    hard_conv = conv

    @property
    def size(self):
        return self.v.size

    def _other(self, other):
        other = plain(other)
        if isinstance(other, _BitFixed):
            return other
        if isinstance(other, (bool, int, float)) and isinstance(self, sbitfixvec):
            return sbitfixvec(other, size=self.size)
        if isinstance(other, (bool, int, float, Public, sbits, sbitint, sbitintvec)):
            return type(self)(other)
        return None

    def _operate(self, other, operate):
        other = self._other(other)
        return NotImplemented if other is None else self._new(operate(self.v, other.v))

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        return self._operate(other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other):
        return self._operate(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return self._operate(other, lambda a, b: b - a)

    def __neg__(self):
        return self._new(-self.v)

    def _resized(self, v, n):
        """The integer with n bits."""
        planes = v.planes()
        return type(v)._of((planes + [planes[-1]] * max(0, n - len(planes)))[:n], like=v)

    def __mul__(self, other):
        if isinstance(other, sbits) and other.n == 1:
            return self._new(self.v * other)
        other = self._other(other)
        if other is None:
            return NotImplemented
        wide = self.k + self.f
        product = self._resized(self.v, wide) * self._resized(other.v, wide)
        if self.f:
            product = product + (1 << (self.f - 1))
        return self._new(self._resized(product >> self.f, self.k))

    __rmul__ = __mul__

    def __truediv__(self, other):
        other = self._other(other)
        if other is None:
            return NotImplemented
        wide = self.k + self.f + 1
        quotient = (self._resized(self.v, wide) << self.f).int_div(self._resized(other.v, wide))
        return self._new(self._resized(quotient, self.k))

    def __rtruediv__(self, other):
        return self._other(other) / self

    def __pow__(self, exponent):
        return Register.__pow__(self, exponent)

    def square(self):
        return self * self

    def _compare(self, other, operate):
        other = self._other(other)
        return NotImplemented if other is None else operate(self.v, other.v)

    def __lt__(self, other):
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other):
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other):
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other):
        return self._compare(other, lambda a, b: a >= b)

    def __eq__(self, other):
        return self._compare(other, lambda a, b: a == b)

    def __ne__(self, other):
        return self._compare(other, lambda a, b: a != b)

    def __hash__(self):
        return id(self)

    def __bool__(self):
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __abs__(self):
        return self._new(abs(self.v))

    def max(self, other):
        return self._new(self.v.max(self._other(other).v))

    def min(self, other):
        return self._new(self.v.min(self._other(other).v))

    @staticmethod
    def _chosen_by(bit, a, b):
        one = a if isinstance(a, _BitFixed) else b
        a, b = one._other(a), one._other(b)
        return one._new(a.v._of(circuits.choose(sbit.conv(bit) if not isinstance(bit, sbits) else bit,
                                                a.v.planes(), b.v.planes()), like=a.v))

    def __xor__(self, other):
        return self._operate(other, lambda a, b: a ^ b)

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')


class sbitfix(_BitFixed):
    """A secret fixed-point number of k bits."""

    kind = 'sbitfix'
    bank = 'b'
    integers = sbitint
    clear_type = cbitfix

    def reveal(self, check=True):
        return cbitfix(self.v.reveal())

    def update(self, other):
        self.v.update(self.conv(other).v)
        return self

    @classmethod
    def mem_size(cls):
        return cls.int_type().mem_size()

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        return cls._new(cls.int_type().load_mem(address, size, tag))

    def store_in_mem(self, address, tag=0):
        self.v.store_in_mem(address, tag)

    def expand_to_vector(self, size):
        return self

    @classmethod
    def get_input_from(cls, player, size=None):
        r = sbits.get_type(cls.k).new()
        P.emit('inputb 0 %d %d %d %s' % (player, cls.k, cls.f, r.t))
        return cls._new(cls.int_type()._wrap(r))

    @classmethod
    def Array(cls, size, address=None):
        return Register.Array.__func__(cls, size, address)

    @classmethod
    def Matrix(cls, rows, columns, address=None):
        return Register.Matrix.__func__(cls, rows, columns, address)

    @classmethod
    def Tensor(cls, shape, address=None):
        return Register.Tensor.__func__(cls, shape, address)

    MultiArray = Tensor

    @classmethod
    def MemValue(cls, value, address=None):
        return Register.MemValue.__func__(cls, value, address)


class sbitfixvec(_BitFixed):
    """Secret fixed-point numbers of k bits, one in each lane."""

    kind = 'sbitfixvec'
    integers = sbitintvec

    def elements(self):
        return [sbitfix._new(x) for x in self.v.elements()]

    def reveal(self, check=True):
        return [x.reveal() for x in self.elements()]

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(self.elements())

    @classmethod
    def get_input_from(cls, player, size=1):
        return cls([sbitfix.get_input_from(player) for _ in range(size)])

"""Bits: `sbits`/`cbits` (up to any number of bits, as one value or as lanes), integers made of them (`sbitint`), and
their vectors (`sbitvec`, `sbitintvec`): one number in each lane, one `sbits` for each bit."""

from Compiler.errors import CompilerError, NotCompileTime, VectorMismatch
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint
from Compiler import comparison
from Compiler.masks import EDABITS
from Compiler.GC import circuits, hexadecimal
from Compiler.GC.clear_bits import ClearOperators
from Compiler.named_operators import NamedOperators

__all__ = ['sbits', 'sbit', 'cbits', 'sbitvec', 'sbitint', 'sbitintvec', 'bits']

_types = {}


def words(n):
    return (n + 63) // 64


def _typed(base, n):
    """The type of `base` with n bits."""
    n = int(n)
    key = base, n
    if key not in _types:
        _types[key] = type('%s%d' % (base.__name__, n), (base,), {'n': n, 'kind': '%s%d' % (base.__name__, n)})
    return _types[key]


class _Bits(NamedOperators):
    """Registers of n bits."""

    n = None
    # the length of numbers without a type
    n_default = 40
    is_register = True
    overwritable = True
    size = 1

    def __init__(self, value=None, n=None, size=None):
        if type(self).n is None:
            self.n = n or self._length_for(value)
        self.t = P.register(self.bank, words(self.n))
        if value is not None:
            self.load(plain(value))

    @classmethod
    def _length_for(cls, value):
        """How many bits a value has if nothing is said."""
        if hasattr(value, 'n'):
            return value.n
        if isinstance(value, int):
            return max(cls.n_default, value.bit_length())
        if isinstance(value, (list, tuple)):
            return max(1, len(value))
        return 64 if isinstance(value, Public) else cls.n_default

    @classmethod
    def get_type(cls, n):
        return _typed(cls.base(), n)

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if isinstance(value, cls) and value.n == (cls.n or value.n) else cls(value)

    hard_conv = conv

    @classmethod
    def new(cls, value=None, n=None):
        """Fresh bits: of a value and a length, or of a length alone."""
        if n is not None:
            return cls.get_type(n)(value)
        kind = cls.get_type(value) if value else cls if cls.n else cls.get_type(64)
        r = kind.__new__(kind)
        r.t = P.register(cls.bank, words(r.n))
        return r

    def word(self, i):
        """The token of the i-th register."""
        return self.t if i == 0 else '%s+%d' % (self.t, i)

    @classmethod
    def mem_size(cls):
        return words(cls.n or 64)

    @classmethod
    def compose(cls, items, bit_length=1):
        """The bits of all items, so many of each, as one value."""
        return cls.base().bit_compose([b for x in items for b in (
            x.bit_decompose(bit_length) if hasattr(x, 'bit_decompose')
            else [int(x) >> i & 1 for i in range(bit_length)])])

    @classmethod
    def bit_adder(cls, *args, **kwargs):
        return bit_adder(*args, **kwargs)

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        r = cls.new()
        if isinstance(address, int):
            P.emit('%s %d %s %d #%d' % (cls.ld, words(r.n), r.t, address, tag))
        else:
            P.emit('%s %d %s %s #%d' % (cls.ldi, words(r.n), r.t, regint.conv(address).t, tag))
        return r

    def store_in_mem(self, address, tag=0):
        if isinstance(address, int):
            P.emit('%s %d %s %d #%d' % (self.st, words(self.n), self.t, address, tag))
        else:
            P.emit('%s %d %s %s #%d' % (self.sti, words(self.n), self.t, regint.conv(address).t, tag))

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

    def update(self, other):
        """Overwrites the bits themselves, so that the change survives loops."""
        other = self.get_type(self.n).conv(other)
        self._copy_to(self, other)
        return self

    link = update

    def iadd(self, other):
        return self.update(self + other)

    def register_tokens(self):
        return tuple(self.word(i) for i in range(words(self.n)))

    def copied(self):
        r = self.get_type(self.n).new()
        self._copy_to(r, self)
        return r

    def format(self):
        return self.n

    def of_number(self, number):
        return self.get_type(self.n)(number)

    def __bool__(self):
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __int__(self):
        raise NotCompileTime(self.kind, 'as a Python number')

    __index__ = __int__

    def __hash__(self):
        return id(self)

    def __len__(self):
        return self.n

    def expand_to_vector(self, size):
        return self


class cbits(ClearOperators, _Bits):
    """Public bits: n of them, or as many as a number has."""

    bank = 'k'
    kind = 'cbits'
    # whether the highest bit counts as a sign where the bits are printed
    unsigned = False
    ld, st, ldi, sti = 'ldmcb', 'stmcb', 'ldmcbi', 'stmcbi'

    @staticmethod
    def base():
        return cbits

    @staticmethod
    def _copy_to(target, source):
        for i in range(words(target.n)):
            P.emit('shlcbi 0 %s %s 0' % (target.word(i), source.word(i)))

    def load(self, value):
        if isinstance(value, int):
            for i in range(words(self.n)):
                part = (value >> (64 * i)) & ((1 << 64) - 1)
                P.emit('convcint 0 %s %s' % (self.word(i), regint(part).t))
        elif isinstance(value, (regint, cint)):
            P.emit('convcint 0 %s %s' % (self.t, regint.conv(value).t))
        elif isinstance(value, cbits):
            for i in range(words(self.n)):
                if i < words(value.n):
                    P.emit('shlcbi 0 %s %s 0' % (self.word(i), value.word(i)))
                else:
                    P.emit('convcint 0 %s %s' % (self.word(i), regint(0).t))
        elif isinstance(value, (list, tuple)):
            self.load(cbits.bit_compose(value))
        elif getattr(value, 'is_secret', False):
            raise CompilerError('a secret cannot become cbits', 'x.reveal() makes it public, if everybody may know it')
        else:
            raise CompilerError('cbits cannot be made of %s' % type(value).__name__)

    def _to_regint(self, target):
        P.emit('convcbit 0 %s %s' % (target.t, self.t))

    def _to_cint(self, target):
        P.emit('convint 1 %s %s' % (target.t, regint(self).t))

    def to_regint_by_bit(self):
        """One number for each bit."""
        r = regint.new(self.n)
        P.emit('convcbitvec 0 %d %s %s' % (self.n, r.t, self.t))
        return r

    def to_regint(self, dest=None):
        return regint(self)

    def update(self, other):
        for i in range(words(self.n)):
            P.emit('shlcbi 0 %s %s 0' % (self.word(i), cbits.get_type(self.n).conv(other).word(i)))
        return self

    def reveal(self):
        return self

    def output(self):
        P.emit('print_reg_signed 0 %d %s' % (self.n + (self.unsigned and self.n % 64 > 0), self.t))

    print_reg_plain = output


class sbits(_Bits):
    """Secret bits; operators work on all bits at once."""

    bank = 'b'
    kind = 'sbits'
    is_secret = True
    unsigned = False
    clear = cbits
    ld, st, ldi, sti = 'ldmsb', 'stmsb', 'ldmsbi', 'stmsbi'

    @staticmethod
    def base():
        return sbits

    def load(self, value):
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, int):
            if value >= 1 << self.n or value < -(1 << (self.n - 1)) - (self.n == 1):
                raise CompilerError('%d does not fit into %d bits' % (value, self.n))
            value &= (1 << self.n) - 1
            for i in range(words(self.n)):
                n = min(64, self.n - 64 * i)
                part = (value >> (64 * i)) & ((1 << 64) - 1)
                if part < 1 << 31:
                    P.emit('ldbits 0 %s %d %d' % (self.word(i), n, part))
                else:
                    c = cbits.get_type(64)(part)
                    P.emit('convcbit2s 0 %d %s %s' % (n, self.word(i), c.t))
        elif isinstance(value, (regint, cint)):
            value = regint.conv(value)
            c = cbits.get_type(64)(value)
            P.emit('convcbit2s 0 %d %s %s' % (min(self.n, 64), self.t, c.t))
        elif isinstance(value, cbits):
            P.emit('convcbit2s 0 %d %s %s' % (self.n, self.t, value.t))
        elif isinstance(value, sbits):
            if value.n >= self.n or value.n % 64 == 0:
                P.emit('movsb 0 %d %s %s' % (min(self.n, value.n), self.t, value.t))
            else:
                bits_ = value.bit_decompose() + [sbit(0)] * (self.n - value.n)
                P.emit('movsb 0 %d %s %s' % (self.n, self.t, sbits.bit_compose(bits_).t))
        elif isinstance(value, sint):
            composed = sbits.bit_compose(_arithmetic_to_planes(value, self.n))
            P.emit('movsb 0 %d %s %s' % (self.n, self.t, composed.t))
        elif hasattr(value, '_bits'):
            self.load(value._bits())
        elif isinstance(value, (list, tuple)):
            P.emit('movsb 0 %d %s %s' % (self.n, self.t, sbits.bit_compose(
                [sbit.conv(b) for b in value]).t))
        else:
            raise CompilerError('sbits cannot be made of %s' % type(value).__name__)

    def _other(self, other):
        """The other operand with as many bits; cbits and numbers stay as they are."""
        other = plain(other)
        if isinstance(other, sbits):
            return other
        if isinstance(other, (int, regint, cint)):
            return sbits.get_type(self.n)(other)
        if isinstance(other, cbits):
            return sbits.get_type(self.n)(other)
        if hasattr(other, '_bits'):
            return other._bits()
        return None

    def __xor__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        other = self._other(other)
        if other is None:
            return NotImplemented
        n = max(self.n, other.n)
        a, b = _widen(self, n), _widen(other, n)
        r = sbits.new(n)
        P.emit('xors 0 %d %s %s %s' % (n, r.t, a.t, b.t))
        return r

    def __and__(self, other):
        if isinstance(other, int) and other == 0:
            return sbits.get_type(self.n)(0)
        other = self._other(other)
        if other is None:
            return NotImplemented
        n = min(self.n, other.n)
        r = sbits.new(n)
        P.emit('ands 0 %d %s %s %s' % (n, r.t, self.t, other.t))
        return r

    def _and_public(self, other):
        """And with public bits, which is local."""
        r = sbits.new(self.n)
        P.emit('andm 0 %d %s %s %s' % (self.n, r.t, self.t, other.t))
        return r

    def __or__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else self ^ other ^ (self & other)

    __rxor__ = __xor__
    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self):
        r = sbits.new(self.n)
        P.emit('nots 0 %d %s %s' % (self.n, r.t, self.t))
        return r

    bit_not = __invert__

    def _times_bit(self, bit):
        """All bits times one bit."""
        r = sbits.new(self.n)
        P.emit('andrs 0 %d %s %s %s' % (self.n, r.t, self.t, bit.t))
        return r

    def __mul__(self, other):
        other = plain(other)
        if isinstance(other, int):
            return self if other == 1 else sbits.get_type(self.n)(0) if other == 0 else sbitint.get_type(
                self.n)(self) * other
        other = self._other(other)
        if other is None:
            return NotImplemented
        if other.n == 1:
            return self._times_bit(other)
        if self.n == 1:
            return other._times_bit(self)
        raise CompilerError('bits are multiplied by single bits only', 'use sbitint for numbers')

    __rmul__ = __mul__

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        return self ^ other

    __radd__ = __add__
    __sub__ = __add__

    def __rsub__(self, other):
        return (self ^ other) if other != 1 else ~self

    def __eq__(self, other):
        other = self._other(other)
        return circuits.equal(self.bit_decompose(), other.bit_decompose())

    def __ne__(self, other):
        return ~(self == other)

    __hash__ = _Bits.__hash__

    bit_xor = __xor__
    bit_and = __and__
    bit_or = __or__

    def equal(self, other, *_):
        return self == other

    def not_equal(self, other, *_):
        return self != other

    def reveal_print_hex(self):
        """Opens the bits and prints them as a hexadecimal number on a line."""
        hexadecimal.print_number(self.reveal().bit_decompose())

    def right_shift(self, k, bit_length=None, security=None, signed=False):
        return self >> k

    def left_shift(self, k, bit_length=None, security=None):
        return self << k

    def half_adder(self, other):
        return self ^ other, self & other

    def __lshift__(self, k):
        planes = [sbit(0)] * k + self.bit_decompose()
        return sbits.bit_compose(planes[:self.n])

    def __rshift__(self, k):
        return sbits.bit_compose(self.bit_decompose()[k:] + [sbit(0)] * min(k, self.n))

    def bit_decompose(self, bit_length=None):
        """Every bit by itself."""
        result = []
        for i in range(words(self.n)):
            n = min(64, self.n - 64 * i)
            parts = [sbit.new() for _ in range(n)]
            if self.n == 1:
                return [self]
            P.emit('bitdecs 0 %s %s' % (self.word(i), ' '.join(b.t for b in parts)))
            result += parts
        if bit_length is not None:
            result = (result + [sbit(0)] * (bit_length - len(result)))[:bit_length]
        return result

    @classmethod
    def bit_compose(cls, parts):
        parts = [sbit.conv(b) for b in parts]
        r = sbits.new(len(parts))
        for i in range(words(r.n)):
            P.emit('bitcoms 0 %s %s' % (r.word(i), ' '.join(b.t for b in parts[64 * i:64 * i + 64])))
        return r

    def popcnt(self):
        """How many bits are one, in as many bits as a number below n has."""
        return sbitint._of(circuits.count(self.bit_decompose(), sbit(0))[:max(1, (self.n - 1).bit_length())])

    def if_else(self, a, b):
        """a where this bit is one."""
        if self.n != 1:
            raise CompilerError('if_else needs a single bit')
        a, b = plain(a), plain(b)
        if isinstance(a, (sbitint, sbitintvec)) or isinstance(b, (sbitint, sbitintvec)):
            kind = type(a) if isinstance(a, (sbitint, sbitintvec)) else type(b)
            a, b = kind.conv(a), kind.conv(b)
            return kind._wrap(b._bits() ^ (a._bits() ^ b._bits())._times_bit(self))
        kind = type(a) if isinstance(a, sbits) else sbits.get_type(self.n)
        a, b = kind.conv(a), kind.conv(b)
        return b ^ (a ^ b)._times_bit(self)

    def cond_swap(self, a, b):
        return self.if_else(b, a), self.if_else(a, b)

    def reveal(self, check=True):
        r = cbits.new(self.n)
        r.unsigned = self.unsigned
        P.emit('reveal 0 %d %s %s' % (self.n, r.t, self.t))
        return r

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')

    @staticmethod
    def _copy_to(target, source):
        P.emit('movsb 0 %d %s %s' % (target.n, target.t, source.t))

    @classmethod
    def get_random_bit(cls):
        r = sbit.new()
        P.emit('bitb 0 %s' % r.t)
        return r

    @classmethod
    def get_input_from(cls, player, size=None):
        r = cls.new()
        P.emit('inputb 0 %d %d 0 %s' % (player, r.n, r.t))
        return r

    def _to_sint(self, target):
        _planes_to_arithmetic(self.bit_decompose(), target, signed=False)


sbit = sbits.get_type(1)
bits = sbits


def bit_adder(a, b, carry_in=0, get_carry=False):
    """The bits of a sum of two numbers given by their bits; with `get_carry` the carry out is the last."""
    a, b = ([sbit.conv(x) if not isinstance(x, sbits) else x for x in bits_] for bits_ in (a, b))
    lanes = max([x.n for x in a + b], default=1)
    carry = None if isinstance(carry_in, int) and carry_in == 0 else sbits.get_type(lanes).conv(carry_in)
    if get_carry:
        zero = sbits.get_type(lanes)(0)
        a, b = a + [zero], b + [zero]
    return circuits.add(a, b, carry)


def _widen(value, n):
    return value if value.n == n else sbits.get_type(n)(value)


def _arithmetic_to_planes(x, n):
    """The low n bits of sints, as planes with a lane for each: open under the mask of edaBits, subtract in a circuit."""
    size = x.size
    k = max(n, P.bit_length) + 1
    if not comparison.fits(k) and not (comparison.field().near and comparison.whole(k)):
        return [_to_plane(bit) for bit in comparison.bits(x, n, k - 1)]
    opened = comparison.masked_open(x, k, n, True, boolean=EDABITS)
    rest, mask_bits = opened.c, opened.planes
    chunk = [cbits.get_type(size)() for _ in range(n)]
    P.emit('convcintvec %d %s %s' % (size, rest.t, ' '.join(c.t for c in chunk)))
    public = [sbits.get_type(size)(c) for c in chunk]
    one = sbits.get_type(size)((1 << size) - 1) if size < 64 else ~sbits.get_type(size)(0)
    return circuits.subtract(public, mask_bits, one)


def _to_plane(bit):
    """A secret bit of the field as a plane, by a daBit."""
    P.features.add('dabit')
    a, b = sint.get_dabit(size=bit.size)
    opened = (a + bit - 2 * (a * bit)).reveal()
    public = cbits.get_type(bit.size)()
    P.emit('convcintvec %d %s %s' % (bit.size, opened.t, public.t))
    return sbits.get_type(bit.size)(public) ^ b


def _masked_to_arithmetic(planes, target, signed):
    """Numbers of planes as sints: add the bits of an edaBit, open the sum without its carry, subtract in the field."""
    size, n = target.size, len(planes)
    P.features.add('edabit')
    P.features.add('dabit')
    mask, mask_bits = sint.get_edabit(n, True, size=size)
    if signed:
        # 2^(n-1) more, so that the number is not negative
        planes = planes[:-1] + [~planes[-1]]
    zero = sbits.get_type(size)(0)
    total = circuits.add(list(planes) + [zero], mask_bits + [zero])
    carry, opened = comparison.to_arithmetic(total[-1], size), None
    for i, plane in enumerate(total[:-1]):
        bit = cint(plane.reveal().to_regint_by_bit()) * (1 << i)
        opened = bit if opened is None else opened + bit
    number = carry * (1 << n) + opened - mask
    P.emit('movs %d %s %s' % (size, target.t, (number - (1 << (n - 1)) if signed else number).t))


def _planes_to_arithmetic(planes, target, signed=True):
    """Numbers of planes as sints, with a daBit for each bit."""
    if P.options.edabit and len(planes) > 1:
        _masked_to_arithmetic(planes, target, signed)
        return
    size = target.size
    P.features.add('dabit')
    total = None
    for i, plane in enumerate(planes):
        a, b = sint.get_dabit(size=size)
        c = cint((plane ^ b).reveal().to_regint_by_bit())
        bit = a + c - 2 * (a * c)
        weight = -(1 << i) if signed and i == len(planes) - 1 else 1 << i
        total = bit * weight if total is None else total + bit * weight
    P.emit('movs %d %s %s' % (size, target.t, total.t))


class _Integer(NamedOperators):
    """Two's-complement integers of n bits made of planes."""

    is_secret = True
    overwritable = True

    @classmethod
    def get_type(cls, n):
        return _typed(cls.base(), n)

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if isinstance(value, cls) else cls(value)

    hard_conv = conv

    def link(self, other):
        return self.update(other)

    def iadd(self, other):
        return self.update(self + other)

    def format(self):
        return self.n, self.size

    def of_number(self, number):
        return self.get_type(self.n)(number, size=self.size)

    def _pair(self, other):
        other = plain(other)
        n = max(self.n, other.n if isinstance(other, _Integer) else 0)
        kind = self.get_type(n)
        if isinstance(other, (int, regint, cint, sbits, cbits, _Integer, sint, list)):
            other = kind.conv(other) if not isinstance(other, _Integer) else other
        else:
            return None
        return kind, _extend(self.planes(), n), _extend(other.planes(), n)

    def _operate(self, other, circuit, swap=False):
        pair = self._pair(other)
        if pair is None:
            return NotImplemented
        kind, a, b = pair
        return kind._of(circuit(b, a) if swap else circuit(a, b), like=self)

    def _zero(self):
        return sbits.get_type(self.lanes())(0)

    def _one(self):
        return ~self._zero()

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        return self._operate(other, circuits.add)

    __radd__ = __add__

    def __sub__(self, other):
        return self._operate(other, lambda a, b: circuits.subtract(a, b, self._one()))

    def __rsub__(self, other):
        return self._operate(other, lambda a, b: circuits.subtract(a, b, self._one()), True)

    def __neg__(self):
        return self._of(circuits.negate(self.planes(), self._zero(), self._one()), like=self)

    def __mul__(self, other):
        if isinstance(other, sbits) and other.n == 1:
            return self._wrap(self._bits()._times_bit(other))
        return self._operate(other, lambda a, b: circuits.multiply(a, b, self._zero()))

    __rmul__ = __mul__

    def __pow__(self, exponent):
        return Register.__pow__(self, exponent)

    def square(self):
        return self * self

    def _compare(self, other, circuit):
        pair = self._pair(other)
        if pair is None:
            return NotImplemented
        return circuit(pair[1], pair[2])

    def __lt__(self, other):
        return self._compare(other, lambda a, b: circuits.less(a, b, self._one()))

    def __gt__(self, other):
        return self._compare(other, lambda a, b: circuits.less(b, a, self._one()))

    def __le__(self, other):
        return self._compare(other, lambda a, b: ~circuits.less(b, a, self._one()))

    def __ge__(self, other):
        return self._compare(other, lambda a, b: ~circuits.less(a, b, self._one()))

    def __eq__(self, other):
        return self._compare(other, circuits.equal)

    def __ne__(self, other):
        return self._compare(other, lambda a, b: ~circuits.equal(a, b))

    def less_than(self, other, *_):
        return self < other

    def equal(self, other, *_):
        return self == other

    def __hash__(self):
        return id(self)

    def __bool__(self):
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __abs__(self):
        sign = self.planes()[-1]
        return self._choose(sign, -self, self)

    def _choose(self, bit, a, b):
        return self._of(circuits.choose(bit, a.planes(), b.planes()), like=self)

    def max(self, other):
        other = self.conv(other)
        return self._choose(self < other, other, self)

    def min(self, other):
        other = self.conv(other)
        return self._choose(self < other, self, other)

    def __lshift__(self, k):
        if not isinstance(k, int):
            raise CompilerError('shifts of Boolean integers take Python numbers only')
        planes = [self._zero()] * k + self.planes()
        return self._of(planes[:self.n], like=self)

    def __rshift__(self, k):
        if not isinstance(k, int):
            raise CompilerError('shifts of Boolean integers take Python numbers only')
        planes = self.planes()
        return self._of(planes[k:] + [planes[-1]] * min(k, self.n), like=self)

    def _divided(self, other, swap=False):
        """Quotient and rest, rounded down, by long division."""
        pair = self._pair(other)
        if pair is None:
            return None
        kind, a, b = pair
        quotient, rest = circuits.divide(*((b, a) if swap else (a, b)), self._zero(), self._one())
        return kind._of(quotient, like=self), kind._of(rest, like=self)

    def __floordiv__(self, other):
        if isinstance(other, int) and other > 0 and other & (other - 1) == 0:
            return self >> (other.bit_length() - 1)
        parts = self._divided(other)
        return NotImplemented if parts is None else parts[0]

    int_div = __floordiv__

    def __mod__(self, other):
        if isinstance(other, int) and other > 0 and other & (other - 1) == 0:
            return self._of(_fit(self.planes()[:other.bit_length() - 1], self.n, self._zero()), like=self)
        parts = self._divided(other)
        return NotImplemented if parts is None else parts[1]

    def __rfloordiv__(self, other):
        return self._divided(other, True)[0]

    def __rmod__(self, other):
        return self._divided(other, True)[1]

    def _bitwise(self, other, operate):
        return self._operate(other, lambda a, b: [operate(x, y) for x, y in zip(a, b)])

    def __xor__(self, other):
        return self._bitwise(other, lambda x, y: x ^ y)

    def __and__(self, other):
        return self._bitwise(other, lambda x, y: x & y)

    def __or__(self, other):
        return self._bitwise(other, lambda x, y: x ^ y ^ (x & y))

    def __invert__(self):
        return self._of([~x for x in self.planes()], like=self)

    def bit_decompose(self, n=None):
        return _extend(self.planes(), n or self.n)[:n or self.n]

    def popcnt(self):
        return self._of(_fit(circuits.count(self.planes(), self._zero()), self.n, self._zero()), like=self)

    def if_else(self, a, b):
        return self.planes()[0].if_else(a, b)

    def pow2(self, bit_length=None):
        """Two to the power of the number, in as many bits as the number has."""
        one = [self._one()] + [self._zero()] * (self.n - 1)
        for i, bit in enumerate(self.planes()[:max(1, (self.n - 1).bit_length())]):
            moved = [self._zero()] * (1 << i) + one
            one = circuits.choose(bit, moved[:self.n], one)
        return self._of(one, like=self)

    def reveal_print_hex(self):
        """Opens the numbers and prints each in hexadecimal on a line."""
        for x in self.elements() if hasattr(self, 'elements') else [self]:
            hexadecimal.print_number(sbits.bit_compose(x.planes()).reveal().bit_decompose())

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')


def _extend(planes, n):
    return planes + [planes[-1]] * (n - len(planes))


def _fit(planes, n, zero):
    return (planes + [zero] * (n - len(planes)))[:n]


class sbitint(_Integer):
    """A secret integer of n bits as a Boolean circuit sees it."""

    n = None
    kind = 'sbitint'
    bank = 'b'
    size = 1

    def __init__(self, value=None, n=None, size=None):
        if type(self).n is None:
            self.n = n or 64
        if value is None:
            self.v = sbits.get_type(self.n)()
        else:
            self._load(plain(value))

    def _load(self, value):
        if isinstance(value, _Integer):
            self.v = sbits.bit_compose(_extend(value.planes(), self.n)[:self.n])
        elif isinstance(value, int):
            if not -(1 << (self.n - 1)) <= value < 1 << self.n:
                raise CompilerError('%d does not fit into %d bits' % (value, self.n))
            self.v = sbits.get_type(self.n)(value & ((1 << self.n) - 1))
        elif isinstance(value, sbits):
            self.v = sbits.get_type(self.n)(value)
        elif isinstance(value, (list, tuple)):
            raise CompilerError('a Boolean integer has one value', 'use sbitintvec for vectors')
        else:
            self.v = sbits.get_type(self.n)(value)

    @staticmethod
    def base():
        return sbitint

    @classmethod
    def _of(cls, planes, like=None):
        """The number of these planes."""
        return cls.get_type(len(planes))._wrap(sbits.bit_compose(planes))

    @classmethod
    def _wrap(cls, v):
        kind = cls.get_type(v.n)
        r = kind.__new__(kind)
        r.v = v
        return r

    def lanes(self):
        return 1

    def planes(self):
        return self.v.bit_decompose()

    def _bits(self):
        return self.v

    @property
    def t(self):
        return self.v.t

    def reveal(self, check=True):
        return self.v.reveal()

    @classmethod
    def mem_size(cls):
        return words(cls.n)

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        return cls._wrap(sbits.get_type(cls.n).load_mem(address, size, tag))

    def store_in_mem(self, address, tag=0):
        self.v.store_in_mem(address, tag)

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

    def update(self, other):
        self.v.update(type(self).conv(other).v)
        return self

    def register_tokens(self):
        return self.v.register_tokens()

    def copied(self):
        return self._wrap(self.v.copied())

    def expand_to_vector(self, size):
        return self

    @classmethod
    def get_input_from(cls, player, size=None):
        return cls._wrap(sbits.get_type(cls.n).get_input_from(player))

    def _to_sint(self, target):
        _planes_to_arithmetic(self.planes(), target)


class _Planes:
    """What vectors of numbers in bits share: `v` holds an `sbits` for each bit."""

    overwritable = True

    def update(self, other):
        """Overwrites the numbers themselves, so that the change survives loops."""
        other = self.get_type(self.n)(plain(other), size=self.size)
        for plane, new in zip(self.v, other.v):
            plane.update(new)
        return self

    def register_tokens(self):
        return tuple(token for plane in self.v for token in plane.register_tokens())

    def copied(self):
        r = self.__class__.__new__(self.__class__)
        r.v = [plane.copied() for plane in self.v]
        return r


class sbitvec(_Planes, NamedOperators):
    """Numbers of n bits, one in each lane: `v` holds an `sbits` for each bit."""

    n = None
    kind = 'sbitvec'
    bank = 'b'
    is_secret = True

    def link(self, other):
        return self.update(other)

    def format(self):
        return self.n, self.size

    def of_number(self, number):
        return self.get_type(self.n)(number, size=self.size)

    def __init__(self, value=None, size=None, input_length=None, length=None):
        value = plain(value)
        if hasattr(value, '__next__'):
            value = list(value)
        if self.n is None and (length or (size and not isinstance(value, (int, type(None))))):
            # the second argument is the length of numbers; of an integer it was always the number of lanes
            self.n = length or size
        elif self.n is None and input_length:
            self.n, size = size, None
        if self.n is None:
            # without get_type the length is that of the elements
            elements = list(value) if isinstance(value, (list, tuple)) else [value]
            self.n = max([x.n for x in elements if hasattr(x, 'n')], default=P.bit_length)
        if isinstance(value, sint):
            self.v = _arithmetic_to_planes(value, self.n)
        elif isinstance(value, sbitvec):
            self.v = list(value.v)
        elif isinstance(value, _Integer):
            self.v = _extend(value.planes(), self.n)[:self.n]
        elif isinstance(value, (list, tuple)):
            numbers = [x if isinstance(x, (_Integer, sbits)) else sbitint.get_type(self.n)(x) for x in value]
            columns = [_fit(x.planes() if isinstance(x, _Integer) else x.bit_decompose(), self.n, sbit(0))
                       for x in numbers]
            self.v = [sbits.bit_compose([c[i] for c in columns]) for i in range(self.n)]
        elif isinstance(value, int):
            self.v = [sbits.get_type(size or 1)(-((value >> i) & 1) & ((1 << (size or 1)) - 1))
                      for i in range(self.n)]
        elif isinstance(value, (regint, cint)):
            self.v = [sbits.bit_compose(list(b)) for b in value.bit_decompose(self.n)]
        elif isinstance(value, sbits):
            self.v = _fit(value.bit_decompose(), self.n, sbit(0))
        elif isinstance(value, (cbits,)):
            self.v = [sbit(b) for b in value.bit_decompose(self.n)]
        elif value is None:
            self.v = [sbits.get_type(size or 1)() for _ in range(self.n)]
        else:
            raise CompilerError('an sbitvec cannot be made of %s' % type(value).__name__)

    @classmethod
    def get_type(cls, n):
        return _typed(sbitvec, n)

    @classmethod
    def from_vec(cls, planes):
        planes = list(planes)
        kind = _typed(sbitvec, len(planes))
        r = kind.__new__(kind)
        r.v = planes
        return r

    @property
    def size(self):
        return self.v[0].n

    def lanes(self):
        return self.v[0].n

    def planes(self):
        return list(self.v)

    @classmethod
    def from_matrix(cls, rows):
        """Numbers given by the rows of their bits, lowest first."""
        rows = [list(row) for row in rows]
        return cls.from_vec([sbits.bit_compose([row[i] for row in rows]) for i in range(len(rows[0]))])

    @classmethod
    def from_hex(cls, text, reverse=False):
        """The bits of a text of hexadecimal digits, byte after byte, in each the lowest first."""
        return cls.from_vec([sbit(b) for b in hexadecimal.bits_of_hex(text, reverse)])

    def reveal_print_hex(self):
        """Opens the numbers and prints the bytes of each in hexadecimal on a line, the lowest byte first."""
        for x in self.elements():
            hexadecimal.print_bytes(x.reveal().bit_decompose())

    @classmethod
    def mem_size(cls):
        return words(cls.n)

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        one = sbits.get_type(cls.n)
        return cls([one.load_mem(address + i * words(cls.n), None, tag) for i in range(size or 1)])

    def store_in_mem(self, address, tag=0):
        for i, x in enumerate(self.elements()):
            x.store_in_mem(address + i * words(self.n), tag)

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if isinstance(value, cls) else cls(value)

    hard_conv = conv

    @classmethod
    def Array(cls, size, address=None):
        return Register.Array.__func__(cls, size, address)

    @classmethod
    def Matrix(cls, rows, columns, address=None):
        return Register.Matrix.__func__(cls, rows, columns, address)

    def __len__(self):
        return len(self.v)

    def __getitem__(self, index):
        return self.v[index] if not isinstance(index, slice) else self.from_vec(self.v[index])

    def __iter__(self):
        return iter(self.v)

    def update(self, other):
        for mine, new in zip(self.v, type(self).conv(other).v):
            mine.update(new)
        return self

    def expand_to_vector(self, size):
        return self

    @classmethod
    def concat(cls, parts):
        """The lanes of all parts, one after the other."""
        parts = list(parts)
        return cls.from_vec([sbits.bit_compose([b for p in parts for b in p.v[i].bit_decompose()])
                             for i in range(len(parts[0].v))])

    @classmethod
    def bit_adder(cls, *args, **kwargs):
        return bit_adder(*args, **kwargs)

    def __or__(self, other):
        return self.from_vec(a | b for a, b in zip(self.v, type(self)(other).v))

    def __eq__(self, other):
        return circuits.equal(self.v, type(self).conv(other).v)

    def __ne__(self, other):
        return ~(self == other)

    equal = __eq__

    def __hash__(self):
        return id(self)

    def elements(self):
        """The numbers, each by itself."""
        if not self.v:
            return [sbits.get_type(1)(0)][:0]
        rows = [plane.bit_decompose() for plane in self.v]
        result = [sbits.bit_compose([row[i] for row in rows]) for i in range(self.lanes())]
        for x in result:
            x.unsigned = True
        return result

    def bit_decompose(self, n=None):
        return self.v[:n] if n else list(self.v)

    def reveal(self):
        return [x.reveal() for x in self.elements()]

    def popcnt(self):
        return sbitintvec._of(circuits.count(self.planes(), sbits.get_type(self.lanes())(0)))

    def __xor__(self, other):
        return self.from_vec(a ^ b for a, b in zip(self.v, type(self)(other).v))

    def __and__(self, other):
        return self.from_vec(a & b for a, b in zip(self.v, type(self)(other).v))

    def __invert__(self):
        return self.from_vec(~a for a in self.v)

    def _to_sint(self, target):
        _planes_to_arithmetic(self.planes(), target, signed=False)


class sbitintvec(_Planes, _Integer):
    """Secret integers of n bits, one in each lane."""

    n = None
    kind = 'sbitintvec'

    def __init__(self, value=None, size=None):
        self.v = sbitvec.get_type(self.n)(value, size).v

    @staticmethod
    def base():
        return sbitintvec

    @classmethod
    def _of(cls, planes, like=None):
        kind = cls.get_type(len(planes))
        r = kind.__new__(kind)
        r.v = list(planes)
        return r

    @property
    def size(self):
        return self.v[0].n

    def lanes(self):
        return self.v[0].n

    def planes(self):
        return list(self.v)

    def elements(self):
        rows = [plane.bit_decompose() for plane in self.v]
        return [sbitint._of([row[i] for row in rows]) for i in range(self.lanes())]

    def reveal(self):
        return [x.reveal() for x in self.elements()]

    def _to_sint(self, target):
        _planes_to_arithmetic(self.planes(), target)


def replace_types(space):
    """With -B, integers are Boolean circuits."""
    from Compiler.GC import numbers
    space['sint'] = numbers.integers(P.options.binary)
    space['sintbit'] = numbers.bit

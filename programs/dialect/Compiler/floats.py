"""Floating-point numbers: `sfloat` (secret) and `cfloat` (public).

A number is (1 - 2 s) (1 - z) v 2^p with a v of exactly `vlen` bits (its highest bit set) unless z says that it is zero.
Representation and methods: Aliasgari, Blanton, Zhang and Steele, "Secure computation on floating point numbers", 2013.
"""

import math

from Compiler import comparison
from Compiler.errors import CompilerError, NotCompileTime
from Compiler.fixed import _Fixed, cfix, sfix
from Compiler.named_operators import NamedOperators
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint

FIELDS = 'v', 'p', 'z', 's'


def parts_of(number, vlen):
    """(v, p, z, s) of a Python number."""
    number = float(number)
    if number == 0:
        return 0, 0, 1, 0
    mantissa, exponent = math.frexp(abs(number))
    v = int(mantissa * 2.0 ** vlen + 0.5)
    if v == 1 << vlen:
        v, exponent = v >> 1, exponent + 1
    return v, exponent - vlen, 0, int(number < 0)


class _Overwritable:
    """Four registers that blocks at run time may overwrite together (see `linking`)."""

    overwritable = True

    def update(self, other):
        other = type(self).conv(plain(other))
        for name in FIELDS:
            getattr(self, name).update(getattr(other, name))
        return self

    link = update

    def iadd(self, other):
        return self.update(self + other)

    def register_tokens(self):
        return tuple(getattr(self, name).b for name in FIELDS)

    def copied(self):
        return type(self)(*(getattr(self, name).copied() for name in FIELDS))

    def format(self):
        return self.size

    def of_number(self, number):
        return type(self)(number).copied() if self.size == 1 else type(self)(number).expand_to_vector(self.size)


class cfloat(_Overwritable):
    """A public floating-point number."""

    kind = 'cfloat'

    @classmethod
    def conv(cls, value):
        return value if isinstance(value, cls) else cls(value)

    def __init__(self, v, p=None, z=None, s=None, nan=None):
        if p is None:
            v, p, z, s = parts_of(v, sfloat.vlen)
        self.v, self.p, self.z, self.s = (cint.conv(x) for x in (v, p, z, s))
        self.size = self.v.size

    def output(self):
        P.emit('print_float_plain %d %s %s %s %s %s' % (
            self.size, self.v.t, self.p.t, self.z.t, self.s.t, cint(0, size=self.size).t))

    print_float_plain = output

    def reveal(self):
        return self

    def __neg__(self):
        return cfloat(self.v, self.p, self.z, 1 - self.s)


class sfloat(_Overwritable, NamedOperators):
    """A secret floating-point number."""

    kind = 'sfloat'
    is_secret = True
    bank = 's'
    vlen, plen = 24, 8
    clear = cfloat

    def __init__(self, v=None, p=None, z=None, s=None, size=None):
        if p is None:
            v, p, z, s = self._convert(plain(v))
        values = [sint.conv(x) if x is not None else sint.new(size or 1) for x in (v, p, z, s)]
        size = size or max(x.size for x in values)
        self.v, self.p, self.z, self.s = (x.expand_to_vector(size) for x in values)
        self.size = size

    @classmethod
    def set_precision(cls, vlen, plen=None):
        cls.vlen = vlen
        cls.plen = plen or cls.plen

    def _convert(self, value):
        if value is None:
            return None, None, None, None
        if isinstance(value, (bool, int, float)):
            return parts_of(value, self.vlen)
        if isinstance(value, sfloat):
            return value.v, value.p, value.z, value.s
        if isinstance(value, cfloat):
            return value.v, value.p, value.z, value.s
        if isinstance(value, _Fixed):
            return self._from_integer(sint.conv(value.v), value.k, value.f)
        if isinstance(value, (Secret, Public)):
            return self._from_integer(sint.conv(value), P.bit_length, 0)
        raise CompilerError('an sfloat cannot be made of %s' % type(value).__name__)

    def _from_integer(self, x, k, f):
        s = comparison.negative(x, k)
        a = x - 2 * (s * x)
        units = comparison.leading_one(a, k)
        c = a * comparison.table(units, [1 << (k - 1 - i) for i in range(k)])
        zero = 1 - sum(units)
        v = comparison.trunc(c, k + 1, k - self.vlen) if k > self.vlen else c * (1 << (self.vlen - k))
        p = comparison.table(units, [i + 1 - self.vlen - f for i in range(k)])
        return v, p, zero, s

    def _to_sfix(self, k, f):
        """The value as a fixed-point integer: v shifted by p + f, which is bounded first."""
        shift = self.p + f
        top = max(1, k - 1)
        # left by 0..k, or right by 0..vlen
        low = comparison.negative(shift + self.vlen, self.plen + 4)
        shift = (shift + self.vlen) * (1 - low)
        bits = comparison.bits(shift, comparison.exponent_length(self.vlen + top + 1))
        units = comparison.one_hot(bits)[:self.vlen + top + 1]
        power = comparison.table(units, [1 << i for i in range(len(units))])
        v = comparison.trunc(self.v * power, self.vlen + len(units) + 1, self.vlen)
        v = v * (1 - low) * (1 - self.z)
        return v - 2 * (self.s * v)

    @classmethod
    def conv(cls, value):
        return value if isinstance(value, cls) else cls(value)

    hard_conv = conv

    @classmethod
    def mem_size(cls):
        return 4

    @classmethod
    def n_elements(cls):
        return 4

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        return cls(*(sint.load_mem(address + i if size in (None, 1) else regint.inc(size, address + i, 4), size, tag)
                     for i in range(4)))

    def store_in_mem(self, address, tag=0):
        for i, name in enumerate(FIELDS):
            getattr(self, name).store_in_mem(
                address + i if self.size == 1 else regint.inc(self.size, address + i, 4), tag)

    @classmethod
    def Array(cls, size, address=None):
        return Register.Array.__func__(cls, size, address)

    @classmethod
    def Matrix(cls, rows, columns, address=None):
        return Register.Matrix.__func__(cls, rows, columns, address)

    def _leaves(self, leaves):
        leaves.extend([self.v, self.p, self.z, self.s])
        return 'sfloat', self.size

    def _with_leaves(self, leaves):
        return sfloat(*(leaves.pop(0) for _ in range(4)))

    def expand_to_vector(self, size):
        return sfloat(*(getattr(self, n).expand_to_vector(size) for n in FIELDS))

    def reveal(self):
        v, p, z, s = (getattr(self, n).reveal() for n in FIELDS)
        return cfloat(v, p, z, s)

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')

    def __bool__(self):
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __hash__(self):
        return id(self)

    @staticmethod
    def _chosen_by(bit, a, b):
        a, b = sfloat.conv(a), sfloat.conv(b)
        return sfloat(*(bit * (getattr(a, n) - getattr(b, n)) + getattr(b, n) for n in FIELDS))

    # -- arithmetic

    def _other(self, other):
        other = plain(other)
        if isinstance(other, (bool, int, float, sfloat, cfloat, _Fixed, Secret, Public)):
            return sfloat.conv(other)
        return None

    def __neg__(self):
        return sfloat(self.v, self.p, self.z, (1 - self.s) * (1 - self.z))

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        other = self._other(other)
        return NotImplemented if other is None else _add(self, other)

    __radd__ = __add__

    def __sub__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else _add(self, -other)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        other = self._other(other)
        if other is None:
            return NotImplemented
        l = self.vlen
        product = comparison.trunc(self.v * other.v, 2 * l + 1, l - 1)
        high = 1 - comparison.negative(product - (1 << l), l + 2)
        v = comparison.trunc(product * 2 - high * product, l + 2, 1)
        z = self.z + other.z - self.z * other.z
        p = (self.p + other.p + (l - 1) + high) * (1 - z)
        return sfloat(v * (1 - z), p, z, self.s.bit_xor(other.s))

    __rmul__ = __mul__

    def __truediv__(self, other):
        other = self._other(other)
        if other is None:
            return NotImplemented
        from Compiler import division
        l = self.vlen
        quotient = _mantissa_quotient(self.v, other.v + other.z, l)
        small = comparison.negative(quotient - (1 << l), l + 3)
        v = comparison.trunc(quotient + small * quotient, l + 2, 1)
        p = (self.p - other.p - l + 1 - small) * (1 - self.z)
        return sfloat(v * (1 - self.z), p, self.z, self.s.bit_xor(other.s))

    def __rtruediv__(self, other):
        return sfloat.conv(other) / self

    def __abs__(self):
        return sfloat(self.v, self.p, self.z, sint(0, size=self.size))

    # -- comparison

    def __lt__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else _less(self, other)

    def __gt__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else _less(other, self)

    def __le__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else 1 - _less(other, self)

    def __ge__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else 1 - _less(self, other)

    def __eq__(self, other):
        other = self._other(other)
        if other is None:
            return NotImplemented
        both_zero = self.z * other.z
        same_v = comparison.zero(self.v - other.v, self.vlen)
        same_p = comparison.zero(self.p - other.p, self.plen + 1)
        same = same_v * same_p * (1 - self.s.bit_xor(other.s)) * (1 - self.z) * (1 - other.z)
        return both_zero + same

    def __ne__(self, other):
        r = self == other
        return r if r is NotImplemented else 1 - r

    def square(self):
        return self * self

    def max(self, other):
        return (self < other).if_else(self._other(other), self)

    def min(self, other):
        return (self < other).if_else(self, self._other(other))

    @classmethod
    def get_input_from(cls, player, size=None):
        size = size or 1
        values = [sint.new(size) for _ in range(4)]
        P.emit('inputmixed %d 2 %s %d %d' % (size, ' '.join(v.t for v in values), cls.vlen, player))
        return cls(*values)


def _less(a, b):
    """[a < b]: by sign, then exponent, then mantissa; zero counts as the smallest magnitude."""
    l = sfloat.vlen
    exponent_less = comparison.negative(a.p - b.p, sfloat.plen + 2)
    exponent_more = comparison.negative(b.p - a.p, sfloat.plen + 2)
    mantissa_less = comparison.negative(a.v - b.v, l + 1)
    mantissa_more = comparison.negative(b.v - a.v, l + 1)
    equal_p = 1 - exponent_less - exponent_more
    magnitude_less = exponent_less + equal_p * mantissa_less
    magnitude_more = exponent_more + equal_p * mantissa_more
    both = (1 - a.z) * (1 - b.z)
    # neither zero
    positive = magnitude_less - a.s * magnitude_less
    negative = a.s * magnitude_more
    same_sign = 1 - a.s.bit_xor(b.s)
    ordinary = same_sign * (positive + negative) + a.s * (1 - b.s)
    # one zero: 0 < b iff b is positive; a < 0 iff a is negative
    with_zero = a.z * (1 - b.z) * (1 - b.s) + b.z * (1 - a.z) * a.s
    return both * ordinary + with_zero


def _add(a, b):
    """The sum: align to the larger exponent, add with one guard word, normalise."""
    l = sfloat.vlen
    size = max(a.size, b.size)
    a, b = a.expand_to_vector(size), b.expand_to_vector(size)
    # the larger exponent first; zero has the smallest
    difference = a.p - b.p
    b_first = comparison.negative(difference, sfloat.plen + 2)
    b_first = b_first * (1 - a.z) * (1 - b.z) + a.z * (1 - b.z)

    def choose(x, y):
        return b_first * (y - x) + x
    big = [choose(getattr(a, n), getattr(b, n)) for n in FIELDS]
    small = [getattr(a, n) + getattr(b, n) - w for n, w in zip(FIELDS, big)]
    gap = (big[1] - small[1]) * (1 - small[2]) * (1 - big[2])
    far = 1 - comparison.negative(gap - (l + 1), sfloat.plen + 2)
    gap = gap * (1 - far)
    units = comparison.one_hot(comparison.bits(gap, comparison.exponent_length(l + 1)))[:l + 1]
    power = comparison.table(units, [1 << (l - i) for i in range(l + 1)])
    aligned = small[0] * power * (1 - far)
    sign = 1 - 2 * big[3].bit_xor(small[3])
    total = big[0] * (1 << l) + sign * aligned
    below = comparison.negative(total, 2 * l + 3)
    total = total - 2 * (below * total)
    k = 2 * l + 1
    leading = comparison.leading_one(total, k)
    zero = 1 - sum(leading)
    scaled = total * comparison.table(leading, [1 << (k - 1 - i) for i in range(k)])
    v = comparison.trunc(scaled, k + 1, k - l)
    shift = comparison.table(leading, [i + 1 - 2 * l for i in range(k)])
    p = (big[1] + shift) * (1 - zero)
    s = big[3].bit_xor(below) * (1 - zero)
    return sfloat(v, p, zero, s)


def _mantissa_quotient(a, b, l):
    """floor(a 2^l / b) for mantissas of l bits."""
    # b is normalised already, so Newton's iteration starts at once.
    from Compiler.division import GUESS, iterations
    w = int(GUESS * (1 << l)) - 2 * b
    for _ in range(iterations(l + 2)):
        error = comparison.trunc_pr((1 << (2 * l)) - b * w, 2 * l + 2, l)
        w = w + comparison.trunc_pr(w * error, 2 * l + 2, l)
    guess = comparison.trunc_pr(a * w, 2 * l + 3, l)
    rest = a * (1 << l) - guess * b
    size = rest.size
    tests = sint.concat([rest, rest + b, rest - b, rest - 2 * b])
    low = comparison.negative(tests, l + 4)
    below, far_below, short, far_short = (low.lane(i * size, size) for i in range(4))
    return guess - below - far_below + (1 - short) + (1 - far_short)

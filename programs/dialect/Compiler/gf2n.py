"""Elements of a field of characteristic two: `cgf2n` (public) and `sgf2n` (secret). Addition is XOR."""

from Compiler.errors import CompilerError, NotCompileTime
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, common_size, plain, regint, SMALL

DEGREE = 40


class cgf2n(Register):
    """A public element of GF(2^n)."""

    bank = 'C'
    kind = 'cgf2n'
    mov, ld, st, ldi, sti = 'gmovc', 'gldmc', 'gstmc', 'gldmci', 'gstmci'

    def load(self, value):
        size = self.size
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, int):
            if 0 <= value < SMALL:
                P.emit('gldi %d %s %d' % (size, self.t, value))
            elif value < 0:
                raise CompilerError('%d is not an element of GF(2^n): use a number that is not negative' % value)
            else:
                low = value & ((1 << 30) - 1)
                r = (cgf2n(value >> 30, size=size) << 30)
                r = r ^ low if low else r
                P.emit('gmovc %d %s %s' % (size, self.t, r.t))
        elif isinstance(value, cgf2n):
            P.emit('gmovc %d %s %s' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, regint):
            P.emit('gconvint %d %s %s' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, cint):
            self.load(regint(value))
        elif isinstance(value, (list, tuple, range)):
            for i, v in enumerate(value):
                P.emit('gmovc 1 %s %s' % (self.lane(i).t, cgf2n.conv(v).t))
        elif isinstance(value, Secret):
            raise CompilerError('a secret cannot become a cgf2n', 'x.reveal() makes it public')
        else:
            raise CompilerError('a cgf2n cannot be made of %s' % type(value).__name__)

    def _to_regint(self, target):
        P.emit('gconvgf2n %d %s %s' % (self.size, target.t, self.t))

    def _operate(self, op, immediate, other, swap=False):
        other = plain(other)
        if isinstance(other, int) and 0 <= other < SMALL and immediate:
            r = cgf2n.new(self.size)
            P.emit('%s %d %s %s %d' % (immediate, self.size, r.t, self.t, other))
            return r
        if isinstance(other, (int, regint)):
            other = cgf2n(other)
        if not isinstance(other, cgf2n):
            return NotImplemented
        size = common_size(self.size, other.size)
        a, b = self.expand_to_vector(size), other.expand_to_vector(size)
        if swap:
            a, b = b, a
        r = cgf2n.new(size)
        P.emit('%s %d %s %s %s' % (op, size, r.t, a.t, b.t))
        return r

    def __add__(self, other):
        return self._operate('gaddc', 'gaddci', other)

    def __sub__(self, other):
        return self._operate('gsubc', 'gsubci', other)

    def __rsub__(self, other):
        return self._operate('gaddc', 'gaddci', other)

    def __mul__(self, other):
        return self._operate('gmulc', 'gmulci', other)

    def __and__(self, other):
        return self._operate('gandc', 'gandci', other)

    def __or__(self, other):
        return self._operate('gorc', 'gorci', other)

    def __xor__(self, other):
        return self._operate('gxorc', 'gxorci', other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def field_div(self, other):
        return self._operate('gdivc', 'gdivci', other)

    __truediv__ = field_div

    def __rtruediv__(self, other):
        return cgf2n(other) / self

    def __neg__(self):
        return self

    def __invert__(self):
        r = cgf2n.new(self.size)
        P.emit('gnotc %d %s %s' % (self.size, r.t, self.t))
        return r

    def __lshift__(self, other):
        return self._shift('gshlci', other)

    def __rshift__(self, other):
        return self._shift('gshrci', other)

    def _shift(self, op, bits):
        if not isinstance(bits, int):
            raise CompilerError('elements of GF(2^n) are shifted by Python numbers only')
        r = cgf2n.new(self.size)
        P.emit('%s %d %s %s %d' % (op, self.size, r.t, self.t, bits))
        return r

    def __eq__(self, other):
        difference = self + other
        return difference if difference is NotImplemented else regint.conv(difference) == 0

    def __ne__(self, other):
        return 1 - (self == other)

    __hash__ = Register.__hash__

    def bit_decompose(self, bit_length=None, step=None):
        n = bit_length or DEGREE
        bits = [cgf2n.new(self.size) for _ in range(n)]
        P.emit('gbitdec %d %s %d %s' % (self.size, self.t, step or 1, ' '.join(b.t for b in bits)))
        return bits

    def reveal(self, check=True):
        return self

    def output(self):
        P.emit('gprint_reg_plain %d %s' % (self.size, self.t))

    print_reg_plain = output

    def print_reg(self, comment=''):
        text = (comment.encode() + b'    ')[:4]
        P.emit('gprint_reg %d %s %d' % (self.size, self.t, int.from_bytes(text, 'little', signed=True)))


class sgf2n(Secret):
    """A secret element of GF(2^n)."""

    bank = 'S'
    kind = 'sgf2n'
    g = 'g'
    clear = cgf2n
    clear_type = cgf2n
    mov, ld, st, ldi, sti = 'gmovs', 'gldms', 'gstms', 'gldmsi', 'gstmsi'
    _expand = Register._expand

    def load(self, value):
        if isinstance(value, (list, tuple, range)):
            for i, v in enumerate(value):
                P.emit('gmovs 1 %s %s' % (self.lane(i).t, sgf2n.conv(v).t))
        elif isinstance(value, cgf2n):
            self._load_clear(value.expand_to_vector(self.size))
        else:
            Secret.load(self, value)

    def _prepare(self, other):
        other = plain(other)
        if isinstance(other, (sgf2n, cgf2n)):
            return other
        if isinstance(other, int):
            return other if 0 <= other < SMALL else cgf2n(other)
        if isinstance(other, Public):
            return cgf2n(other)
        return None

    def __neg__(self):
        return self

    def field_div(self, other):
        if isinstance(other, sgf2n):
            random, _ = sgf2n.get_random_inverse(size=other.size)
            return self * random * (cgf2n(1, size=other.size) / (random * other).reveal())
        return self * (cgf2n(1) / other)

    __truediv__ = field_div

    def __lshift__(self, bits):
        return self * cgf2n(1 << bits)

    def bit_decompose(self, bit_length=None, step=None):
        """The coefficients of the low powers, for a value that has no others."""
        n = bit_length or DEGREE
        masks = [sgf2n.get_random_bit(size=self.size) for _ in range(n)]
        total = self
        for i, b in enumerate(masks):
            total = total + b * cgf2n(1 << i)
        opened = total.reveal().bit_decompose(n)
        return [b + c for b, c in zip(masks, opened)]

    @classmethod
    def bit_compose(cls, bits):
        total = cls(0)
        for i, b in enumerate(bits):
            total = total + b * cgf2n(1 << i)
        return total

    def right_shift(self, m, bit_length=None):
        """Without the coefficients of the m lowest powers."""
        bits = self.bit_decompose(bit_length)
        return self.bit_compose(bits[m:])

    raw_right_shift = __rshift__ = right_shift

    def left_shift(self, m, bit_length=None):
        return self << m

    def raw_mod2m(self, m):
        """The coefficients of the m lowest powers."""
        return self.bit_compose(self.bit_decompose()[:m])

    @classmethod
    def get_random(cls, size=None):
        """A random element."""
        return cls.get_random_square(size)[0]

    @classmethod
    def dot_product(cls, x, y, res_params=None):
        return cls._dot(plain(x), plain(y))

    def equal(self, other, bit_length=None, expand=None):
        values = [1 - b for b in (self - other).bit_decompose(bit_length)]
        while len(values) > 1:
            values = [values[i] * values[i + 1] if i + 1 < len(values) else values[i]
                      for i in range(0, len(values), 2)]
        return values[0]

    def not_equal(self, other, bit_length=None):
        return 1 - self.equal(other, bit_length)

    __eq__ = equal
    __ne__ = not_equal
    __hash__ = Register.__hash__

    def _no_order(self, other):
        raise CompilerError('elements of GF(2^n) have no order', 'compare sint')

    __lt__ = __le__ = __gt__ = __ge__ = _no_order

    @classmethod
    def get_raw_input_from(cls, player, size=None):
        r = cls.new(size or 1)
        P.emit('grawinput %d %d %s' % (r.size, player, r.t))
        return r

    @classmethod
    def get_input_from(cls, player, size=None):
        r = cls.new(size or 1)
        P.emit('ginput %d %s %d' % (r.size, r.t, player))
        return r

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')

"""Fixed-point numbers: `sfix` (secret) and `cfix` (public).

A number x is held as the integer round(x 2^f). `k` bounds the bits of that integer. Products are cut by f bits: by
default with random rounding in the last bit (one round), with `sfix.round_nearest = True` exactly.
"""

from Compiler.errors import CompilerError
from Compiler.named_operators import NamedOperators
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint


def scaled(value, f):
    """round(value 2^f), halves away from zero as inputs are rounded."""
    if isinstance(value, int):
        return value << f
    x = value * 2.0 ** f
    return int(x + 0.5) if x >= 0 else -int(-x + 0.5)


class _Fixed(NamedOperators):
    """What both kinds share: a number is `v` / 2^f."""

    is_fixed = True
    overwritable = True

    def __init__(self, value=None, k=None, f=None, size=None):
        if hasattr(value, '__next__'):
            value = list(value)
        self.f = self.__class__.f if f is None else f
        self.k = self.__class__.k if k is None else k
        value = plain(value)
        if value is None:
            self.v = self.int_type.new(size or 1)
        elif isinstance(value, (bool, int, float)):
            number = scaled(int(value) if isinstance(value, bool) else value, self.f)
            if abs(number) >> self.k:
                raise CompilerError('%s does not fit into fixed-point numbers of %d bits with %d after the point'
                                    % (value, self.k, self.f), 'sfix.set_precision(f, k) allows more')
            self.v = self.int_type(number, size=size)
        elif isinstance(value, (list, tuple, range)):
            self._from_list(list(value))
        else:
            self._from_register(value, size)
        self.size = self.v.size

    @classmethod
    def _new(cls, v, k=None, f=None):
        r = cls.__new__(cls)
        r.v = v = v if isinstance(v, Register) else cls.int_type.conv(v)
        r.f = cls.f if f is None else f
        r.k = cls.k if k is None else k
        r.size = v.size
        return r

    @classmethod
    def conv(cls, value):
        value = plain(value)
        return value if type(value) is cls else cls(value)

    hard_conv = conv

    def load_int(self, value):
        """Sets the number to an integer, public or (for sfix) secret."""
        self.update(self._new(self.int_type.conv(plain(value)) * (1 << self.f), self.k, self.f))
        return self

    @classmethod
    def from_sint(cls, value, k=None, f=None):
        """The number of an integer."""
        f = cls.f if f is None else f
        return cls._new(cls.int_type.conv(plain(value)) * (1 << f), k, f)

    def _to_sint(self, target):
        """An integer of the number, rounded to the nearest."""
        if isinstance(self.v, Secret):
            value = self.v.round(self.k, self.f, nearest=True) if self.f else self.v
        else:
            value = (self.v + (1 << (self.f - 1)) if self.f else self.v)
            offset = 1 << self.k
            value = ((value + offset) >> self.f) - (offset >> self.f)
        target.update(value)

    def _from_list(self, values):
        parts = [self.__class__.conv(v).v for v in values]
        self.v = self.int_type(parts)

    @property
    def t(self):
        return self.v.t

    @classmethod
    def set_precision(cls, f, k=None):
        """Digits (in bits): f after the point, k altogether."""
        cls.f = f
        cls.k = 2 * f if k is None else k
        if cls is sfix:
            cfix.f, cfix.k = cls.f, cls.k

    @classmethod
    def set_precision_from_args(cls, program, adapt_ring=False):
        f = 16
        for arg in program.args:
            if arg.startswith('f') and arg[1:].isdigit():
                f = int(arg[1:])
        k = None
        for arg in program.args:
            if arg.startswith('k') and arg[1:].isdigit():
                k = int(arg[1:])
        cls.set_precision(f, k or max(31, 2 * f - 1))

    # -- vectors

    def __len__(self):
        return self.size

    def __iter__(self):
        for v in self.v:
            yield self._new(v, self.k, self.f)

    def __getitem__(self, index):
        return self._new(self.v[index], self.k, self.f)

    def get_vector(self, base=0, size=None):
        return self._new(self.v.get_vector(base, size), self.k, self.f)

    def expand_to_vector(self, size):
        return self._new(self.v.expand_to_vector(size), self.k, self.f)

    @classmethod
    def concat(cls, parts):
        parts = [cls.conv(p) for p in parts]
        return cls._new(cls.int_type.concat([p.v for p in parts]), parts[0].k, parts[0].f)

    def get_reverse_vector(self):
        return self._new(self.v[::-1], self.k, self.f)

    def sum(self):
        return self._new(self.v.sum(), self.k, self.f)

    def update(self, other):
        """Overwrites the number itself, so that the change survives loops."""
        other = plain(other)
        if not isinstance(other, type(self)):
            other = type(self)(other, k=self.k, f=self.f)
        self.v.update(self._aligned(other))
        return self

    def iadd(self, other):
        return self.update(self + other)

    def link(self, value):
        return self.update(value)

    def register_tokens(self):
        return self.v.register_tokens()

    def copied(self):
        return self._new(self.v.copied(), self.k, self.f)

    def format(self):
        return self.k, self.f, self.size

    def of_number(self, number):
        return type(self)(number, k=self.k, f=self.f, size=self.size)

    def same_type(self):
        return self._new(self.int_type.new(self.size), self.k, self.f)

    @classmethod
    def new(cls, size=1):
        return cls._new(cls.int_type.new(size))

    def _leaves(self, leaves):
        leaves.append(self.v)
        return type(self).__name__, self.k, self.f, self.size

    def _with_leaves(self, leaves):
        return self._new(leaves.pop(0), self.k, self.f)

    # -- memory

    @classmethod
    def mem_size(cls):
        return 1

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        return cls._new(cls.int_type.load_mem(address, size, tag))

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

    # -- operators

    def _other(self, other):
        """The other operand as fixed point, or None."""
        other = plain(other)
        if isinstance(other, (bool, int, float)):
            return cfix(other, k=self.k, f=self.f) if abs(scaled(other, self.f)) >> self.k == 0 else cfix._new(
                cint(scaled(other, self.f)), self.k, self.f)
        if isinstance(other, (cfix, sfix)):
            return other
        if isinstance(other, sint):
            return sfix._new(other * (1 << self.f), self.k, self.f)
        if isinstance(other, Public):
            return cfix._new(cint.conv(other) * (1 << self.f), self.k, self.f)
        if hasattr(other, '_to_sint'):
            return sfix._new(sint(other) * (1 << self.f), self.k, self.f)
        return None

    def _result(self, v, other=None):
        kind = sfix if isinstance(v, Secret) else cfix
        return kind._new(v, self.k, self.f)

    def _aligned(self, other):
        if other.f == self.f:
            return other.v
        if other.f < self.f:
            return other.v * (1 << (self.f - other.f))
        return type(other)._new(other.v, other.k, other.f).v.round(other.k, other.f - self.f)

    def __add__(self, other):
        if isinstance(other, int) and other == 0:
            return self
        other = self._other(other)
        return NotImplemented if other is None else self._result(self.v + self._aligned(other))

    __radd__ = __add__

    def __sub__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else self._result(self.v - self._aligned(other))

    def __rsub__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else self._result(self._aligned(other) - self.v)

    def __neg__(self):
        return self._result(-self.v)

    def __pos__(self):
        return self

    def __mul__(self, other):
        other = plain(other)
        if isinstance(other, bool):
            other = int(other)
        if isinstance(other, float) and other == int(other):
            other = int(other)
        if isinstance(other, (int, Register)):
            if isinstance(other, regint):
                other = cint(other)
            return self._result(self.v * other)
        other = self._other(other)
        if other is None:
            return NotImplemented
        return self._result(_cut(self.v * other.v, self.k + other.f, other.f, type(self).nearest()))

    __rmul__ = __mul__

    @classmethod
    def nearest(cls):
        return sfix.round_nearest or cfix.round_nearest

    def __pow__(self, exponent):
        if isinstance(exponent, int) or not isinstance(plain(exponent), (float, Register, _Fixed)):
            return Register.__pow__(self, exponent)
        from Compiler import mpc_math
        return mpc_math.pow_fx(self, plain(exponent))

    def __rpow__(self, base):
        from Compiler import mpc_math
        return mpc_math.pow_fx(base, self)

    def square(self):
        return self * self

    def __abs__(self):
        return (self < 0).if_else(-self, self)

    def max(self, other):
        return (self < other).if_else(other, self)

    def min(self, other):
        return (self < other).if_else(self, other)

    def __bool__(self):
        from Compiler.errors import NotCompileTime
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __hash__(self):
        return id(self)

    def __str__(self):
        return '%s(%s)' % (self.kind, self.v.t)

    __repr__ = __str__

    def __rtruediv__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else other / self

    def __mod__(self, other):
        other = plain(other)
        if isinstance(other, (bool, int, float)) and isinstance(self.v, Secret):
            # exactly: the remainder of the integers that the numbers are
            divisor = scaled(other, self.f)
            if divisor == 0:
                raise ZeroDivisionError('modulo by zero')
            return self._result(self.v - self.v.int_div(divisor, self.k) * divisor)
        return self - (self / other).floor() * other

    def less_than(self, other, *_):
        return self < other

    def greater_than(self, other, *_):
        return self > other

    def less_equal(self, other, *_):
        return self <= other

    def greater_equal(self, other, *_):
        return self >= other

    def equal(self, other, *_):
        return self == other

    def not_equal(self, other, *_):
        return self != other

    def coerce(self, other):
        return self._other(other)

    def __rshift__(self, bits):
        return self / (1 << bits)

    def __lshift__(self, bits):
        return self * (1 << bits)

    @staticmethod
    def _chosen_by(bit, a, b):
        """a if the bit is one, else b, for a fixed-point a or b."""
        one = a if isinstance(a, _Fixed) else b
        a, b = (x if isinstance(x, _Fixed) else one._other(x) for x in (a, b))
        f, k = max(a.f, b.f), max(a.k, b.k)
        v = bit * (a.v * (1 << (f - a.f)) - b.v * (1 << (f - b.f))) + b.v * (1 << (f - b.f))
        return (sfix if isinstance(v, Secret) else cfix)._new(v, k, f)


def _cut(v, k, f, nearest):
    """v / 2^f for a product of two numbers."""
    if isinstance(v, Secret):
        from Compiler import comparison
        if nearest:
            return comparison.trunc(v + (1 << (f - 1)), k + 1, f)
        return comparison.trunc_pr(v, k, f)
    offset = 1 << (k + 1)
    half = (1 << (f - 1)) if nearest else 0
    return ((v + (offset + half)) >> f) - (offset >> f)


class cfix(_Fixed):
    """A public fixed-point number."""

    kind = 'cfix'
    int_type = cint
    bank = 'c'
    f, k = 16, 31
    round_nearest = False

    @property
    def clear(self):
        return cfix

    def _from_register(self, value, size):
        if isinstance(value, _Fixed):
            if isinstance(value, sfix):
                raise CompilerError('a secret cannot become a cfix', 'x.reveal() makes it public, if everybody may know it')
            self.v = self._aligned(value)
        elif isinstance(value, Secret):
            raise CompilerError('a secret cannot become a cfix', 'x.reveal() makes it public, if everybody may know it')
        elif isinstance(value, Public):
            self.v = cint.conv(value) * (1 << self.f)
        else:
            raise CompilerError('a cfix cannot be made of %s' % type(value).__name__)
        if size:
            self.v = self.v.expand_to_vector(size)

    def reveal(self, check=True):
        return self

    def _compare(self, other, operate):
        other = self._other(other)
        if other is None:
            return NotImplemented
        if isinstance(other, sfix):
            return operate(sfix(self), other)
        return operate(self.v, self._aligned(other))

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

    __hash__ = _Fixed.__hash__

    def __truediv__(self, other):
        other = plain(other)
        if isinstance(other, (bool, int, float)):
            if other == 0:
                raise ZeroDivisionError('division by zero')
            n, d = float(other).as_integer_ratio() if isinstance(other, float) else (int(other), 1)
            return self._result((self.v * d) // n)
        if isinstance(other, Public):
            return self._result(self.v // cint.conv(other))
        other = self._other(other)
        if other is None:
            return NotImplemented
        if isinstance(other, sfix):
            return sfix(self) / other
        return self._result((self.v * (1 << other.f)) // other.v)

    def floor(self):
        offset = 1 << self.k
        return ((self.v + offset) >> self.f) - (offset >> self.f)

    def to_int(self):
        return self.floor()

    def binary_output(self, player=None):
        """Writes the values as doubles to the binary files of one party or of all."""
        from Compiler import binary_files
        binary_files.write(self, player)

    def output(self):
        size = self.v.size
        zero = cint(0, size=size)
        P.emit('print_float_plain %d %s %s %s %s %s' % (
            size, self.v.t, cint(-self.f, size=size).t, zero.t, zero.t, zero.t))

    print_plain = output
    print_fix = output

    def output_if(self, condition):
        P.emit('cond_print_plain %d %s %s %s' % (
            self.v.size, cint.conv(condition).t, self.v.t, cint(-self.f, size=self.v.size).t))

    @classmethod
    def read_from_socket(cls, client_id, n=1, size=None):
        values = cint.read_from_socket(client_id, n, size)
        return cls._new(values) if n == 1 else [cls._new(v) for v in values]

    @classmethod
    def write_to_socket(cls, client_id, values, message_type=0):
        values = plain(values)
        values = values if isinstance(values, (list, tuple)) else [values]
        cint.write_to_socket(client_id, [cls.conv(v).v for v in values], message_type)


class sfix(_Fixed):
    """A secret fixed-point number."""

    kind = 'sfix'
    is_secret = True
    int_type = sint
    bank = 's'
    f, k = 16, 31
    round_nearest = False
    clear = cfix
    clear_type = cfix

    def _from_register(self, value, size):
        if isinstance(value, _Fixed):
            self.v = sint.conv(self._aligned(value))
        elif isinstance(value, sint):
            self.v = value * (1 << self.f)
        elif isinstance(value, Public):
            self.v = sint(cint.conv(value) * (1 << self.f))
        elif hasattr(value, '_to_sint') and not getattr(value, 'is_personal', False):
            self.v = sint(value) * (1 << self.f)
        elif hasattr(value, '_to_sfix'):
            self.v = value._to_sfix(self.k, self.f)
        elif getattr(value, 'is_personal', False):
            inner = value._v
            self.v = sint(type(value)(value.player, inner.v if isinstance(inner, _Fixed) else inner * (1 << self.f)),
                          size=value.size)
        else:
            raise CompilerError('an sfix cannot be made of %s' % type(value).__name__)
        if size and self.v.size != size:
            self.v = self.v.expand_to_vector(size)

    def reveal(self, check=True):
        return cfix._new(self.v.reveal(check), self.k, self.f)

    def reveal_to(self, player):
        from Compiler.parties import personal
        inner = self.v.reveal_to(player)
        return personal(player, cfix._new(inner._v, self.k, self.f))

    def _compare(self, other, operate):
        other = self._other(other)
        return NotImplemented if other is None else operate(self.v, self._aligned(other))

    def __lt__(self, other):
        return self._compare(other, lambda a, b: a.less_than(b, self.k))

    def __le__(self, other):
        return self._compare(other, lambda a, b: a.less_equal(b, self.k))

    def __gt__(self, other):
        return self._compare(other, lambda a, b: a.greater_than(b, self.k))

    def __ge__(self, other):
        return self._compare(other, lambda a, b: a.greater_equal(b, self.k))

    def __eq__(self, other):
        return self._compare(other, lambda a, b: a.equal(b, self.k))

    def __ne__(self, other):
        return self._compare(other, lambda a, b: a.not_equal(b, self.k))

    __hash__ = _Fixed.__hash__


    def __truediv__(self, other):
        from Compiler import division, quotients
        other, nearest = plain(other), type(self).nearest()
        if isinstance(other, (bool, int, float)):
            return self._result(quotients.by_number(self.v, self.k, other, nearest))
        if isinstance(other, Public):
            return self._result(quotients.by_public(self.v, self.k, other, max(64, P.bit_length), 0, nearest))
        other = self._other(other)
        if other is None:
            return NotImplemented
        if isinstance(other, cfix):
            return self._result(quotients.by_public(self.v, self.k, other.v, other.k, other.f, nearest))
        v = division.fixed_division(self.v, self._aligned(other), self.k, self.f, nearest)
        return self._result(v)

    def floor(self):
        return self.v.right_shift(self.f, self.k)

    to_int = floor

    def round(self):
        """The nearest whole number, as a sint; halves go up."""
        return self.v.round(self.k, self.f, nearest=True)

    @classmethod
    def get_input_from(cls, player, size=None, binary=False):
        v = sint.new(size or 1)
        if isinstance(player, int):
            P.emit('inputmixed %d 1 %s %d %d' % (v.size, v.t, cls.f, player))
        else:
            P.emit('inputmixedreg %d 1 %s %d %s' % (v.size, v.t, cls.f, regint.conv(player).t))
        return cls._new(v)

    @classmethod
    def get_random(cls, lower=0, upper=1, size=None, symmetric=True):
        """Uniform in the range, to the precision of the type."""
        from Compiler import comparison
        bits = cls.f
        v = comparison.random_number(bits, size or 1)
        return cls._new(v) * (upper - lower) + lower

    @classmethod
    def dot_product(cls, x, y, res_params=None):
        x, y = plain(x), plain(y)
        x, y = [cls.conv(a) for a in x], [cls.conv(b) for b in y]
        f, k = x[0].f, x[0].k
        total = sint._dot([a.v for a in x], [b.v for b in y])
        return cls._new(_cut(total, k + f, f, cls.nearest()), k, f)

    @staticmethod
    def _matrix_product(left, right, indices, left_stride, right_stride):
        """Products of fixed-point matrices are cut once, after the sums."""
        from Compiler.containers import SubMultiArray, multiply, secret_product
        parts = []
        for matrix in (left, right):
            if isinstance(matrix.value_type, type) and issubclass(matrix.value_type, _Fixed):
                parts.append((SubMultiArray(matrix.sizes, matrix.value_type.int_type, matrix.address, matrix.tag), True))
            else:
                parts.append((matrix, False))
        product = multiply(parts[0][0], parts[1][0], indices, left_stride, right_stride)
        if parts[0][1] and parts[1][1]:
            product = _cut(product, sfix.k + sfix.f, sfix.f, sfix.nearest())
        return (sfix if isinstance(product, Secret) else cfix)._new(product)

    @classmethod
    def read_from_socket(cls, client_id, n=1, size=None):
        values = sint.read_from_socket(client_id, n, size)
        return cls._new(values) if n == 1 else [cls._new(v) for v in values]

    @classmethod
    def write_to_socket(cls, client_id, values, message_type=0):
        values = plain(values)
        values = values if isinstance(values, (list, tuple)) else [values]
        sint.write_to_socket(client_id, [cls.conv(plain(v)).v for v in values], message_type)

    @classmethod
    def write_shares_to_socket(cls, client_id, values, message_type=0):
        values = plain(values)
        values = values if isinstance(values, (list, tuple)) else [values]
        sint.write_shares_to_socket(client_id, [cls.conv(plain(v)).v for v in values], message_type)

    def write_fully_to_socket(self, client_id, message_type=0):
        """This party's shares, with their MACs."""
        self.v.write_fully_to_socket(client_id, message_type)

    @classmethod
    def receive_from_client(cls, n, client_id, message_type=0, size=None):
        return [cls._new(v) for v in sint.receive_from_client(n, client_id, message_type, size)]

    @classmethod
    def reveal_to_clients(cls, clients, values, message_type=0):
        values = plain(values)
        values = values if isinstance(values, (list, tuple)) else [values]
        sint.reveal_to_clients(clients, [cls.conv(plain(v)).v for v in values], message_type)

    @classmethod
    def write_to_file(cls, values, position=None):
        values = values if isinstance(values, (list, tuple)) else [plain(values)]
        sint.write_to_file([cls.conv(v).v for v in values], position)

    @classmethod
    def read_from_file(cls, start, n, size=None):
        stop, values = sint.read_from_file(start, n, size)
        return stop, [cls._new(v) for v in values]

    input_tensor_via = sint.input_tensor_via
    input_tensor_from = classmethod(sint.input_tensor_from.__func__)
    input_tensor_from_client = classmethod(sint.input_tensor_from_client.__func__)

    def secure_shuffle(self, unit=1):
        return self._new(self.v.secure_shuffle(unit), self.k, self.f)

    def secure_permute(self, handle, unit=1, reverse=False):
        return self._new(self.v.secure_permute(handle, unit, reverse), self.k, self.f)

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')


cfix._matrix_product = sfix._matrix_product

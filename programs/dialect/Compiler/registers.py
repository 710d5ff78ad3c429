"""Values at run time: `regint` (64-bit public), `cint` (public field element), `sint` (secret field element).

A value is a handle: a virtual register of one or more lanes. Operators record one instruction for all lanes.
"""

from Compiler.errors import CompilerError, NotCompileTime, VectorMismatch
from Compiler.named_operators import NamedOperators
from Compiler.program import P, quote

SMALL = 1 << 31
LANES_MAX = 1 << 26


def common_size(a, b):
    """The lanes of a result: vectors of one length, or a vector and a single value."""
    if a == b:
        return a
    if a == 1:
        return b
    if b == 1:
        return a
    raise VectorMismatch(a, b)


def plain(value):
    """Reads memory objects and unwraps; leaves all else alone."""
    read = getattr(value, '_as_register', None)
    return value if read is None else read()


class Register(NamedOperators):
    """What all run-time values share. `b` is the virtual register, `o` the first lane, `t` the operand as written."""

    bank = None
    is_register = True
    overwritable = True
    kind = 'value'

    def __init__(self, value=None, size=None):
        if isinstance(value, Register) and size is None:
            size = value.size
        elif isinstance(value, (list, tuple, range)) and size is None:
            size = len(value)
        value = plain(value)
        if hasattr(value, '__next__'):
            value = list(value)
            size = len(value) if size is None else size
        if isinstance(value, Register) and size is None:
            size = value.size
        if size is None and getattr(value, 'is_fixed', False):
            size = value.size
        if size is None and hasattr(value, 'lanes'):
            size = value.lanes()
        if size is None and getattr(value, 'is_personal', False):
            size = value.size
        self._allocate(1 if size is None else size)
        if value is not None:
            self.load(value)

    def _allocate(self, size):
        if not isinstance(size, int) or size < 0:
            raise CompilerError('the length of a vector must be a number known while the program is compiled')
        if size > LANES_MAX:
            raise CompilerError('a vector of %d values is too long (%d at most)' % (size, LANES_MAX),
                                'go over parts of it with @for_range')
        self.size = size
        self.o = 0
        self.b = self.t = P.register(self.bank, size)

    @classmethod
    def new(cls, size=1):
        """A fresh register without a value."""
        r = cls.__new__(cls)
        r.size = size
        r.o = 0
        P.n = n = P.n + 1
        r.b = r.t = token = '%s%d' % (cls.bank, n)
        if size != 1:
            if size > LANES_MAX:
                return cls(size=size)
            P.vectors.append('v %s %d %d' % (token, size, P.curr_tape.index))
        return r

    def lane(self, first, size=1):
        """Some of the lanes, without an instruction."""
        r = self.__class__.__new__(self.__class__)
        r.size = size
        r.o = o = self.o + first
        r.b = self.b
        r.t = self.b if o == 0 else '%s+%d' % (self.b, o)
        return r

    # -- Python protocol

    def __len__(self):
        return self.size

    def __iter__(self):
        for i in range(self.size):
            yield self.lane(i)

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, step = index.indices(self.size)
            if step == 1:
                return self.lane(start, max(0, stop - start))
            return self.concat([self.lane(i) for i in range(start, stop, step)])
        if isinstance(index, Register):
            raise NotCompileTime(index.kind, 'to pick an element of a vector in registers; use an Array')
        if index < 0:
            index += self.size
        if not 0 <= index < self.size:
            raise IndexError('element %d of a vector of %d' % (index, self.size))
        return self.lane(index)

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            start, stop, step = index.indices(self.size)
            for i, j in enumerate(range(start, stop, step)):
                self.lane(j).update(value[i])
        else:
            self[index].update(value)

    def __bool__(self):
        raise NotCompileTime(self.kind, 'in a Python condition (if, while, and, or, not)')

    def __int__(self):
        raise NotCompileTime(self.kind, 'as a Python number')

    __index__ = __int__

    def __float__(self):
        raise NotCompileTime(self.kind, 'as a Python number')

    def __hash__(self):
        return id(self)

    def __str__(self):
        return '%s(%s)' % (self.kind, self.t) if self.size == 1 else '%s(%s, size=%d)' % (self.kind, self.t, self.size)

    __repr__ = __str__

    # -- lanes

    def get_vector(self, base=0, size=None):
        size = self.size - base if size is None else size
        if base < 0 or base + size > self.size:
            raise IndexError('elements %d to %d of a vector of %d' % (base, base + size, self.size))
        return self.lane(base, size)

    def expand_to_vector(self, size):
        """The same value in every lane."""
        if self.size == size:
            return self
        if self.size != 1:
            raise VectorMismatch(self.size, size)
        return self._expand(size)

    def _expand(self, size):
        r = self.new(size)
        P.emit('%s 1 %s %s' % (self.mov, r.t, self.t))
        done = 1
        while done < size:
            more = min(done, size - done)
            P.emit('%s %d %s %s' % (self.mov, more, r.lane(done).t, r.t))
            done += more
        return r

    def get_all_vector(self):
        return self

    def copy_from_part(self, source, base, size):
        self.update(source.get_vector(base, size))

    def expand(self, size):
        return self.expand_to_vector(size)

    @classmethod
    def concat(cls, parts):
        parts = [cls.conv(p) for p in parts]
        r = cls.new(sum(p.size for p in parts))
        at = 0
        for p in parts:
            P.emit('%s %d %s %s' % (cls.mov, p.size, r.lane(at).t, p.t))
            at += p.size
        return r

    @classmethod
    def conv(cls, value):
        """The value in this type; values of this type are returned as they are."""
        return value if type(value) is cls else cls(value)

    hard_conv = conv

    @classmethod
    def bit_compose(cls, bits):
        bits = list(bits)
        r = bits[0] if bits else cls(0)
        for i, b in enumerate(bits[1:]):
            r = r + b * (1 << (i + 1))
        return cls.conv(r)

    def update(self, value):
        """Overwrites the register itself, so that the change survives loops."""
        value = self.conv(value)
        value = value.expand_to_vector(self.size)
        P.emit('%s %d %s %s' % (self.mov, self.size, self.t, value.t))
        self.span = None
        return self

    # -- variables that blocks at run time rebind (see `linking`)

    def register_tokens(self):
        return (self.b,)

    def copied(self):
        """The same value in a register of its own."""
        return self.new(self.size).update(self)

    def format(self):
        """What `update` cannot change."""
        return self.size

    def of_number(self, number):
        """A Python number in a fresh value like this one."""
        return type(self)(number, size=self.size)

    def link(self, value):
        return self.update(value)

    def same_type(self):
        return self.new(self.size)

    def prefer_type(self):
        return type(self)

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        """Reads memory at a Python or run-time address."""
        size = size or (address.size if isinstance(address, Register) else 1)
        r = cls.new(size)
        if isinstance(address, int):
            P.emit('%s %d %s %d #%d' % (cls.ld, size, r.t, address, tag))
        else:
            address = regint.conv(address)
            if address.size != size:
                address = regint.inc(size, address)
            P.emit('%s %d %s %s #%d' % (cls.ldi, size, r.t, address.t, tag))
        return r

    def store_in_mem(self, address, tag=0):
        if isinstance(address, int):
            P.emit('%s %d %s %d #%d' % (self.st, self.size, self.t, address, tag))
        else:
            address = regint.conv(address)
            if address.size != self.size:
                address = regint.inc(self.size, address)
            P.emit('%s %d %s %s #%d' % (self.sti, self.size, self.t, address.t, tag))

    @classmethod
    def mem_size(cls):
        return 1

    @classmethod
    def n_elements(cls):
        return 1

    # -- containers

    @classmethod
    def Array(cls, size, address=None):
        from Compiler.containers import Array
        return Array(size, cls, address)

    @classmethod
    def Matrix(cls, rows, columns, address=None):
        from Compiler.containers import Matrix
        return Matrix(rows, columns, cls, address)

    @classmethod
    def Tensor(cls, shape, address=None):
        from Compiler.containers import MultiArray, Array, Matrix
        if len(shape) == 1:
            return Array(shape[0], cls, address)
        if len(shape) == 2:
            return Matrix(shape[0], shape[1], cls, address)
        return MultiArray(shape, cls, address)

    MultiArray = Tensor

    @classmethod
    def MemValue(cls, value, address=None):
        from Compiler.containers import MemValue
        return MemValue(cls.conv(value), address)

    # -- arithmetic that follows from the basic operators

    def __radd__(self, other):
        if type(other) is int and other == 0:
            return self
        return self.__add__(other)

    def __rmul__(self, other):
        return self.__mul__(other)

    def __neg__(self):
        return 0 - self

    def __pos__(self):
        return self

    def __pow__(self, exponent):
        if not isinstance(exponent, int):
            if isinstance(exponent, Register):
                raise CompilerError('the exponent of ** must be a Python number',
                                    'for two to a secret power use exponent.pow2(bits)')
            return NotImplemented
        if exponent < 0:
            raise CompilerError('negative exponents are not defined for integers', 'use fixed-point numbers')
        if exponent == 0:
            return type(self)(1, size=self.size)
        result, square = None, self
        while True:
            if exponent & 1:
                result = square if result is None else result * square
            exponent >>= 1
            if not exponent:
                return result
            square = square.square()

    def __rpow__(self, base):
        if base == 2:
            return self.pow2()
        return NotImplemented

    def square(self):
        return self * self

    def if_else(self, a, b):
        """`a` where this bit is one, `b` where it is zero."""
        if isinstance(a, (list, tuple)):
            return type(a)(self.if_else(x, y) for x, y in zip(a, b))
        choose = getattr(a, '_chosen_by', None) or getattr(b, '_chosen_by', None)
        if choose is not None:
            return choose(self, a, b)
        a, b = plain(a), plain(b)
        return self * (a - b) + b

    def cond_swap(self, a, b):
        """(b, a) where this bit is one, (a, b) where it is zero."""
        difference = self * (plain(a) - plain(b))
        return a - difference, b + difference

    def bit_not(self):
        return 1 - self

    def bit_and(self, other):
        return self * other

    def bit_xor(self, other):
        if type(other) is int:
            return 1 - self if other else self
        return self + other - 2 * (self * other)

    def bit_or(self, other):
        return self + other - self * other

    def half_adder(self, other):
        carry = self * other
        return self + other - 2 * carry, carry

    def max(self, other):
        return (self < other).if_else(other, self)

    def min(self, other):
        return (self < other).if_else(self, other)

    def __abs__(self):
        return (self < 0).if_else(-self, self)

    def sum(self):
        return sum(self)

    def to_regint_by_bit(self):
        return regint.conv(self)


def _int_or_self(value):
    """Python's whole numbers, whatever their type; floats that are whole count."""
    if type(value) is bool:
        return int(value)
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value


class Public(Register):
    """Values that every party knows."""

    def binary_output(self, player=None):
        """Writes the values to the binary files of one party or of all."""
        from Compiler import binary_files
        binary_files.write(self, player)

    def left_shift(self, bits, bit_length=None):
        return self << bits

    def reveal(self, check=True):
        return self

    def reveal_nested(self):
        return list(self)

    def __lt__(self, other):
        return self._compare('ltc', other)

    def __gt__(self, other):
        return self._compare('gtc', other)

    def __le__(self, other):
        r = self._compare('gtc', other)
        return r if r is NotImplemented else r.bit_not()

    def __ge__(self, other):
        r = self._compare('ltc', other)
        return r if r is NotImplemented else r.bit_not()

    def __eq__(self, other):
        return self._compare('eqc', other)

    def __ne__(self, other):
        r = self._compare('eqc', other)
        return r if r is NotImplemented else r.bit_not()

    __hash__ = Register.__hash__

    def less_than(self, other, bit_length=None, security=None):
        return self < other

    def greater_than(self, other, bit_length=None, security=None):
        return self > other

    def less_equal(self, other, bit_length=None, security=None):
        return self <= other

    def greater_equal(self, other, bit_length=None, security=None):
        return self >= other

    def equal(self, other, bit_length=None, security=None):
        return self == other

    def not_equal(self, other, bit_length=None, security=None):
        return self != other


def _span_of(op, a, b):
    """Where the results of an operation on values in two ranges lie; None if that is not followed."""
    if op == 'addint':
        return a[0] + b[0], a[1] + b[1]
    if op == 'subint':
        return a[0] - b[1], a[1] - b[0]
    if op == 'mulint':
        corners = [x * y for x in a for y in b]
        return min(corners), max(corners)
    if op == 'divint' and a[0] >= 0 and b[0] > 0:
        return a[0] // b[1], a[1] // b[0]
    return None


class regint(Public):
    """A public 64-bit integer, for counting, addressing and branching."""

    bank = 'i'
    kind = 'regint'
    mov, ld, st, ldi, sti = 'movint', 'ldmint', 'stmint', 'ldminti', 'stminti'
    print_op = 'print_int'
    # the smallest and the largest value, where that is known: loop counters and what is computed of them
    span = None

    def load(self, value):
        size = self.size
        value = _int_or_self(value)
        if type(value) is int:
            self._load_int(value, size)
        elif isinstance(value, regint):
            P.emit('movint %d %s %s' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, cint):
            P.emit('convmodp %d %s %s 0 64' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, (list, tuple, range)):
            _load_list(self, value)
        elif hasattr(value, '_to_regint'):
            value._to_regint(self)
        else:
            _refuse(self, value)

    def _load_int(self, value, size):
        if -SMALL <= value < SMALL:
            P.emit('ldint %d %s %d' % (size, self.t, value))
        else:
            value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
            high, low = value >> 30, value & ((1 << 30) - 1)
            product = regint(high, size=size) * regint(1 << 30, size=size)
            P.emit('addint %d %s %s %s' % (size, self.t, product.t, regint(low, size=size).t))

    def _expand(self, size):
        return regint.inc(size, self, 0)

    @classmethod
    def inc(cls, size, base=0, step=1, repeat=1, wrap=None):
        """base, base + step, ...: each `repeat` times, starting over after `wrap` values."""
        r = cls.new(size)
        base = regint.conv(base)
        P.emit('incint %d %s %s %d %d %d' % (size, r.t, base.t, step, repeat, size if wrap is None else wrap))
        return r

    @classmethod
    def get_random(cls, bit_length, size=None):
        size = size or 1
        r = cls.new(size)
        if isinstance(bit_length, int) and not 0 < bit_length < 32:
            raise CompilerError('public random numbers have 1 to 31 bits, not %d' % bit_length)
        P.emit('rand %d %s %s' % (size, r.t, regint(bit_length, size=size).t))
        return r

    def shuffle(self):
        r = self.new(self.size)
        P.emit('shuffle %d %s %s' % (self.size, r.t, self.t))
        return r

    def _operate(self, op, other, swap=False):
        other = _int_or_self(plain(other))
        if type(other) is int:
            number, other = other, regint(other, size=self.size)
            if self.span:
                other.span = number, number
        elif not isinstance(other, regint):
            if isinstance(other, cint):
                a = cint(self)
                op = {'addint': 'addc', 'subint': 'subc', 'mulint': 'mulc', 'divint': 'floordivc'}[op]
                return a._operate(op, other, swap)
            return NotImplemented
        size = self.size
        if other.size != size:
            size = common_size(size, other.size)
            self = self.expand_to_vector(size)
            other = other.expand_to_vector(size)
        r = regint.new(size)
        if swap:
            self, other = other, self
        P.emit('%s %d %s %s %s' % (op, size, r.t, self.t, other.t))
        if self.span and other.span:
            r.span = _span_of(op, self.span, other.span)
        return r

    def __add__(self, other):
        if type(other) is int and other == 0:
            return self
        return self._operate('addint', other)

    def __sub__(self, other):
        return self._operate('subint', other)

    def __rsub__(self, other):
        return self._operate('subint', other, True)

    def __mul__(self, other):
        if type(other) is int and other == 1:
            return self
        return self._operate('mulint', other)

    def __floordiv__(self, other):
        return self._operate('divint', other)

    def __rfloordiv__(self, other):
        return self._operate('divint', other, True)

    int_div = __floordiv__

    def __truediv__(self, other):
        from Compiler.fixed import cfix
        return cfix(self) / other

    def __rtruediv__(self, other):
        from Compiler.fixed import cfix
        return other / cfix(self)

    def __mod__(self, other):
        if type(other) is int and other == 1:
            return regint(0, size=self.size)
        number, other = other, regint.conv(plain(other))
        r = self - (self // other) * other
        if type(number) is int and number > 0 and self.span:
            r.span = (0 if self.span[0] >= 0 else 1 - number), number - 1
        return r

    def __rmod__(self, other):
        return regint(other) % self

    def __lshift__(self, other):
        if isinstance(other, int):
            return self * (1 << other)
        return regint(cint(self) << other)

    def __rshift__(self, other):
        if isinstance(other, int):
            return self // (1 << other)
        return regint(cint(self) >> other)

    def __rlshift__(self, other):
        return regint(cint(other) << cint(self))

    def __rrshift__(self, other):
        return regint(cint(other) >> cint(self))

    def _bitwise(self, op, other):
        other = plain(other)
        if isinstance(other, (int, regint, cint)):
            return regint(getattr(cint(self), op)(cint.conv(other) if not isinstance(other, int) else other))
        return NotImplemented

    def __and__(self, other):
        return self._bitwise('__and__', other)

    def __or__(self, other):
        return self._bitwise('__or__', other)

    def __xor__(self, other):
        return self._bitwise('__xor__', other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def __invert__(self):
        return -1 - self

    def _compare(self, op, other):
        other = _int_or_self(plain(other))
        if isinstance(other, cint):
            other = regint(other)
        if type(other) is int:
            if other == 0 and op != 'gtc':
                r = regint.new(self.size)
                P.emit('%s %d %s %s' % ('ltzc' if op == 'ltc' else 'eqzc', self.size, r.t, self.t))
                return r
        elif not isinstance(other, regint):
            return NotImplemented
        return self._operate(op, other)

    def pow2(self, bit_length=None):
        return regint(cint(1) << cint(self))

    def bit_decompose(self, bit_length=None):
        n = bit_length or min(64, P.bit_length)
        bits = [regint.new(self.size) for _ in range(n)]
        if bits:
            P.emit('bitdecint %d %s %s' % (self.size, self.t, ' '.join(b.t for b in bits)))
        return bits

    def mod2m(self, m, bit_length=None, signed=None):
        return self % (1 << m)

    def right_shift(self, m, bit_length=None, security=None, signed=None):
        return self >> m

    def output(self):
        P.emit('print_int 0 %s' % self.t)

    print_reg_plain = output

    @classmethod
    def read_from_socket(cls, client_id, n=1, size=None):
        return _read_socket(cls, 'readsocketint', client_id, n, size)

    @classmethod
    def write_to_socket(cls, client_id, values, message_type=0):
        _write_socket(cls, 'writesocketint', client_id, values, message_type)

    @classmethod
    def pop(cls):
        r = cls.new(1)
        P.emit('popint 1 %s' % r.t)
        return r

    @classmethod
    def push(cls, value):
        P.emit('pushint 1 %s' % cls.conv(value).t)

    def print_if(self, text):
        cint(self).print_if(text)


class cint(Public):
    """A public element of the field that secrets live in."""

    bank = 'c'
    kind = 'cint'
    mov, ld, st, ldi, sti = 'movc', 'ldmc', 'stmc', 'ldmci', 'stmci'

    def load(self, value):
        size = self.size
        value = _int_or_self(value)
        if type(value) is int:
            self._load_int(value, size)
        elif isinstance(value, cint):
            P.emit('movc %d %s %s' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, regint):
            P.emit('convint %d %s %s' % (size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, (list, tuple, range)):
            _load_list(self, value)
        elif hasattr(value, '_to_cint'):
            value._to_cint(self)
        else:
            _refuse(self, value)

    def _load_int(self, value, size):
        if -SMALL <= value < SMALL:
            P.emit('ldi %d %s %d' % (size, self.t, value))
            return
        bits = abs(value).bit_length()
        P.require_bit_length(bits + 1 if not P.prime else 0)
        sign, rest, pieces = (1 if value > 0 else -1), abs(value), []
        while rest:
            pieces.append(rest & ((1 << 30) - 1))
            rest >>= 30
        r = cint.new(size)
        P.emit('ldi %d %s %d' % (size, r.t, sign * pieces.pop()))
        while pieces:
            shifted = self if len(pieces) == 1 and not pieces[0] else cint.new(size)
            P.emit('mulci %d %s %s %d' % (size, shifted.t, r.t, 1 << 30))
            r, piece = shifted, pieces.pop()
            if piece:
                target = cint.new(size) if pieces else self
                P.emit('addci %d %s %s %d' % (size, target.t, r.t, sign * piece))
                r = target

    def _operate(self, op, other, swap=False):
        other = plain(other)
        if type(other) is not cint:
            other = _int_or_self(other)
            if type(other) is int or isinstance(other, (regint, cint)):
                other = cint(other)
            else:
                return NotImplemented
        size = self.size
        if other.size != size:
            size = common_size(size, other.size)
            self = self.expand_to_vector(size)
            other = other.expand_to_vector(size)
        r = cint.new(size)
        if swap:
            self, other = other, self
        P.emit('%s %d %s %s %s' % (op, size, r.t, self.t, other.t))
        return r

    def _immediate(self, op, value):
        r = cint.new(self.size)
        P.emit('%s %d %s %s %d' % (op, self.size, r.t, self.t, value))
        return r

    def __add__(self, other):
        if type(other) is int and -SMALL <= other < SMALL:
            return self._immediate('addci', other) if other else self
        return self._operate('addc', other)

    def __sub__(self, other):
        if type(other) is int and -SMALL <= other < SMALL:
            return self._immediate('subci', other) if other else self
        return self._operate('subc', other)

    def __rsub__(self, other):
        if type(other) is int and -SMALL <= other < SMALL:
            return self._immediate('subcfi', other)
        return self._operate('subc', other, True)

    def __mul__(self, other):
        if type(other) is int and -SMALL <= other < SMALL:
            return self._immediate('mulci', other) if other != 1 else self
        return self._operate('mulc', other)

    def field_div(self, other):
        if isinstance(other, sint):
            return sint(self).field_div(other)
        if type(other) is int and 0 < other < SMALL:
            return self._immediate('divci', other)
        return self._operate('divc', other)

    def __truediv__(self, other):
        from Compiler.fixed import cfix
        return cfix(self) / other

    def __rtruediv__(self, other):
        from Compiler.fixed import cfix
        return other / cfix(self)

    def __floordiv__(self, other):
        return self._operate('floordivc', other)

    def __rfloordiv__(self, other):
        return self._operate('floordivc', other, True)

    int_div = __floordiv__

    def __mod__(self, other):
        if type(other) is int and 0 < other < SMALL:
            return self._immediate('modci', other)
        return self._operate('modc', other)

    def __rmod__(self, other):
        return self._operate('modc', other, True)

    def _bitwise(self, op, other):
        if type(other) is int and 0 <= other < SMALL:
            return self._immediate(op + 'i', other)
        return self._operate(op, other)

    def __and__(self, other):
        return self._bitwise('andc', other)

    def __or__(self, other):
        return self._bitwise('orc', other)

    def __xor__(self, other):
        return self._bitwise('xorc', other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def __lshift__(self, other):
        if type(other) is int:
            return self._immediate('shlci', other)
        return self._operate('shlc', other)

    def __rshift__(self, other):
        if type(other) is int:
            return self._immediate('shrci', other)
        return self._operate('shrc', other)

    def __rlshift__(self, other):
        return self._operate('shlc', other, True)

    def __rrshift__(self, other):
        return self._operate('shrc', other, True)

    def _compare(self, op, other):
        other = _int_or_self(plain(other))
        if type(other) is int or isinstance(other, (regint, cint)):
            return regint(self)._compare(op, other)
        return NotImplemented

    def pow2(self, bit_length=None):
        return cint(1, size=self.size) << self

    def bit_decompose(self, bit_length=None, security=None, maybe_mixed=None):
        n = bit_length or P.bit_length
        bits, rest = [], self
        while n > 0:
            take = min(n, 62)
            part = regint.new(self.size)
            low = rest if take == n and n <= 62 and not bits else rest % (1 << take)
            P.emit('convmodp %d %s %s 0 0' % (self.size, part.t, low.t))
            bits += [cint(b) for b in part.bit_decompose(take)]
            n -= take
            if n > 0:
                rest = rest >> take
        return bits

    def mod2m(self, m, bit_length=None, signed=None):
        return self % (1 << m)

    def right_shift(self, m, bit_length=None, security=None, signed=None):
        return self >> m

    def legendre(self):
        r = cint.new(self.size)
        P.emit('legendrec %d %s %s' % (self.size, r.t, self.t))
        return r

    def digest(self, num_bytes):
        return self._immediate('digestc', num_bytes)

    def output(self):
        P.emit('print_reg_plain %d %s' % (self.size, self.t))

    print_reg_plain = output

    def print_reg(self, comment=''):
        text = (comment.encode() + b'    ')[:4] if comment else b'\0\0\0\0'
        P.emit('print_reg %d %s %d' % (self.size, self.t, int.from_bytes(text, 'little', signed=True)))

    def print_if(self, text):
        from Compiler.printing import conditional_text
        conditional_text(self, text)

    def output_if(self, condition):
        P.emit('cond_print_plain %d %s %s %s' % (self.size, cint(condition).t, self.t, cint(0, size=self.size).t))

    def to_regint(self, bit_length=64, dest=None):
        r = dest or regint.new(self.size)
        P.emit('convmodp %d %s %s 0 %d' % (self.size, r.t, self.t, bit_length))
        return r

    @classmethod
    def read_from_socket(cls, client_id, n=1, size=None):
        return _read_socket(cls, 'readsocketc', client_id, n, size)

    @classmethod
    def write_to_socket(cls, client_id, values, message_type=0):
        _write_socket(cls, 'writesocketc', client_id, values, message_type)

    @classmethod
    def public_input(cls, size=None):
        r = cls.new(size or 1)
        P.emit('pubinput %d %s' % (r.size, r.t))
        return r


class Secret(Register):
    """What secret values of a field share; `g` stands before the mnemonics of GF(2^n)."""

    g = ''
    clear = None

    def load(self, value):
        size = self.size
        value = _int_or_self(value)
        if type(value) is int:
            if -SMALL <= value < SMALL:
                P.emit('%sldsi %d %s %d' % (self.g, size, self.t, value))
            else:
                self._load_clear(self.clear(value, size=size))
        elif isinstance(value, type(self)):
            P.emit('%smovs %d %s %s' % (self.g, size, self.t, value.expand_to_vector(size).t))
        elif isinstance(value, Public):
            self._load_clear(self.clear.conv(value).expand_to_vector(size))
        elif isinstance(value, (list, tuple, range)):
            _load_list(self, value)
        elif hasattr(value, '__next__'):
            _load_list(self, list(value))
        elif hasattr(value, '_to_sint'):
            value._to_sint(self)
        else:
            _refuse(self, value)

    def _load_clear(self, value):
        zero = self.new(self.size)
        P.emit('%sldsi %d %s 0' % (self.g, self.size, zero.t))
        P.emit('%saddm %d %s %s %s' % (self.g, self.size, self.t, zero.t, value.t))

    def _prepare(self, other):
        """The other operand as a register or a small number; None if this type cannot take it."""
        other = _int_or_self(plain(other))
        t = type(other)
        if t is type(self) or t is self.clear:
            return other
        if t is int:
            return other if -SMALL <= other < SMALL else self.clear(other)
        if isinstance(other, Public):
            return self.clear.conv(other)
        if isinstance(other, type(self)):
            return other
        return None

    def _local(self, other, both, clear, immediate, swap=False):
        """A linear operation by whichever instruction fits the operand."""
        other = self._prepare(other)
        if other is None:
            return NotImplemented
        size = self.size
        if type(other) is int:
            r = self.new(size)
            P.emit('%s%s %d %s %s %d' % (self.g, immediate, size, r.t, self.t, other))
            return r
        if other.size != size:
            size = common_size(size, other.size)
            self = self.expand_to_vector(size)
            other = other.expand_to_vector(size)
        r = self.new(size)
        if isinstance(other, Secret):
            op = both
        else:
            op = clear
        if swap:
            P.emit('%s%s %d %s %s %s' % (self.g, op, size, r.t, other.t, self.t))
        else:
            P.emit('%s%s %d %s %s %s' % (self.g, op, size, r.t, self.t, other.t))
        return r

    def __add__(self, other):
        if type(other) is int and other == 0:
            return self
        return self._local(other, 'adds', 'addm', 'addsi')

    def __sub__(self, other):
        if type(other) is int and other == 0:
            return self
        return self._local(other, 'subs', 'subml', 'subsi')

    def __rsub__(self, other):
        return self._local(other, 'subs', 'submr', 'subsfi', True)

    def __mul__(self, other):
        if type(other) is not type(self):
            if type(other) is int and other == 1:
                return self
            other = self._prepare(other)
            if other is None:
                return NotImplemented
            if not isinstance(other, Secret):
                return self._local(other, None, 'mulm', 'mulsi')
        if self.size == other.size:
            r = self.new(self.size)
            P.emit('%smuls 0 %d %s %s %s' % (self.g, self.size, r.t, self.t, other.t))
            return r
        if self.size == 1:
            self, other = other, self
        elif other.size != 1:
            raise VectorMismatch(self.size, other.size)
        r = self.new(self.size)
        P.emit('%smulrs 0 %d %s %s %s' % (self.g, self.size, r.t, self.t, other.t))
        return r

    def _expand(self, size):
        r = self.new(size)
        P.emit('picks %d %s %s 0 0' % (size, r.t, self.t))
        return r

    def reveal(self, check=True):
        """The value, public from then on."""
        r = self.clear.new(self.size)
        P.emit('%sopen %d 1 %s %s' % (self.g, self.size, r.t, self.t))
        return r

    def raw_right_shift(self, m):
        raise CompilerError('not supported: raw_right_shift of integers (rings only)', 'use right_shift(m, bits)')

    @classmethod
    def _dot(cls, x, y):
        """Sum of products of two lists of registers of one size, in one round."""
        x, y = list(x), list(y)
        if len(x) != len(y):
            raise VectorMismatch(len(x), len(y))
        if not x:
            return cls(0)
        x, y = [cls.conv(a) for a in x], [cls.conv(b) for b in y]
        size = max(a.size for a in x + y)
        x, y = [a.expand_to_vector(size) for a in x], [b.expand_to_vector(size) for b in y]
        r = cls.new(size)
        P.emit('%sdotprods %d %d %s %s' % (cls.g, size, 2 * len(x) + 2, r.t,
                                           ' '.join('%s %s' % (a.t, b.t) for a, b in zip(x, y))))
        return r

    @classmethod
    def get_random_triple(cls, size=None):
        return cls._random('triple', 3, size)

    @classmethod
    def get_random_square(cls, size=None):
        return cls._random('square', 2, size)

    @classmethod
    def get_random_inverse(cls, size=None):
        return cls._random('inverse', 2, size)

    @classmethod
    def get_random_bit(cls, size=None):
        return cls._random('bit', 1, size)[0]

    @classmethod
    def _random(cls, op, n, size):
        size = size or 1
        rs = [cls.new(size) for _ in range(n)]
        P.emit('%s%s %d %s' % (cls.g, op, size, ' '.join(r.t for r in rs)))
        return rs

    def bit_compose_self(self):
        return self


class sint(Secret):
    """A secret element of the prime field, read as a signed integer of `program.bit_length` bits by comparisons."""

    bank = 's'
    kind = 'sint'
    clear = cint
    clear_type = cint
    mov, ld, st, ldi, sti = 'movs', 'ldms', 'stms', 'ldmsi', 'stmsi'

    @classmethod
    def concat(cls, parts):
        parts = [cls.conv(p) for p in parts]
        if len(parts) == 1:
            return parts[0]
        r = cls.new(sum(p.size for p in parts))
        P.emit('concats %d %s %s' % (r.size, r.t, ' '.join('%d %s' % (p.size, p.t) for p in parts)))
        return r

    @classmethod
    def zip(cls, a, b):
        r = cls.new(2 * a.size)
        P.emit('zips %d %s %s %s' % (a.size, r.t, a.t, b.t))
        return r

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, step = index.indices(self.size)
            size = len(range(start, stop, step))
            if step != 1 and size:
                r = sint.new(size)
                P.emit('picks %d %s %s %d %d' % (size, r.t, self.lane(0, self.size).t, start, step))
                return r
        return Register.__getitem__(self, index)

    def prefix_sum(self):
        r = sint.new(self.size)
        P.emit('prefixsums %d %s %s' % (self.size, r.t, self.t))
        return r

    def sum(self):
        """The sum of all lanes, by halves."""
        rest, odd = self, []
        while rest.size > 1:
            h = rest.size // 2
            if rest.size % 2:
                odd.append(rest.lane(rest.size - 1))
            rest = rest.lane(0, h) + rest.lane(h, h)
        for x in odd:
            rest = rest + x
        return rest

    def get_reverse_vector(self):
        return self[::-1]

    def reveal_to(self, player):
        from Compiler.parties import personal
        size = self.size
        r = cint.new(size)
        P.emit('privateoutput 0 %d %d %s %s' % (size, player, r.t, self.t))
        return personal(player, r)

    # -- comparison

    def _difference(self, other):
        other = self._prepare(other)
        return None if other is None else self - other

    def _less(self, other, bits, swap=False):
        from Compiler import comparison
        if type(other) is int and other == 0:
            return comparison.negative(-self if swap else self, (bits or P.bit_length) + (1 if swap else 0))
        difference = self._difference(other)
        if difference is None:
            return NotImplemented
        if swap:
            difference = -difference
        return comparison.negative(difference, (bits or P.bit_length) + 1)

    def __lt__(self, other):
        return self._less(other, None)

    def __gt__(self, other):
        return self._less(other, None, True)

    def __le__(self, other):
        r = self._less(other, None, True)
        return r if r is NotImplemented else 1 - r

    def __ge__(self, other):
        r = self._less(other, None)
        return r if r is NotImplemented else 1 - r

    def __eq__(self, other):
        return self.equal(other)

    def __ne__(self, other):
        r = self.equal(other)
        return r if r is NotImplemented else 1 - r

    __hash__ = Register.__hash__

    def less_than(self, other, bit_length=None, security=None):
        return self._less(other, bit_length)

    def greater_than(self, other, bit_length=None, security=None):
        return self._less(other, bit_length, True)

    def less_equal(self, other, bit_length=None, security=None):
        return 1 - self._less(other, bit_length, True)

    def greater_equal(self, other, bit_length=None, security=None):
        return 1 - self._less(other, bit_length)

    def equal(self, other, bit_length=None, security=None):
        from Compiler import comparison
        difference = self._difference(other)
        if difference is None:
            return NotImplemented
        return comparison.zero(difference, bit_length or P.bit_length)

    def not_equal(self, other, bit_length=None, security=None):
        return 1 - self.equal(other, bit_length)

    # -- bits

    def bit_decompose(self, bit_length=None, security=None, maybe_mixed=None, signed=False):
        from Compiler import comparison
        n = bit_length or P.bit_length
        if P.prime:
            return comparison.canonical_bits(self, n, max(n, P.bit_length))
        return comparison.bits(self, n)

    def mod2m(self, m, bit_length=None, signed=True):
        from Compiler import comparison
        if isinstance(m, int):
            return comparison.mod2m(self, bit_length or P.bit_length, m, signed)
        return self - self.right_shift(m, bit_length) * m.pow2(bit_length or P.bit_length)

    def right_shift(self, m, bit_length=None, security=None, signed=True):
        from Compiler import comparison
        bit_length = bit_length or P.bit_length
        if isinstance(m, int):
            return comparison.trunc(self, bit_length, m, signed)
        return comparison.secret_shift(self, m, bit_length)

    def __rshift__(self, other):
        other = plain(other)
        if isinstance(other, Public):
            other = sint(other)
        return self.right_shift(other)

    def __lshift__(self, other):
        if isinstance(other, int):
            return self * (1 << other)
        return self * plain(other).pow2()

    left_shift = __lshift__

    def __rlshift__(self, other):
        return other * self.pow2()

    def __rrshift__(self, other):
        return sint(other) >> self

    def int_mod(self, other, bit_length=None):
        """The rest of a division of numbers of so many bits."""
        if isinstance(other, int):
            l = other.bit_length() - 1
            if other == 1 << l:
                return self.mod2m(l, bit_length)
        return self - self.int_div(sint.conv(plain(other)), bit_length) * other

    def __mod__(self, other):
        return self.int_mod(other)

    def __rmod__(self, other):
        return sint(other) % self

    def raw_mod2m(self, m):
        return self.mod2m(m)

    def private_division(self, divisor, active=True, dividend_length=None, divisor_length=None):
        return self.int_div(sint.conv(plain(divisor)), dividend_length) * active

    def popcnt(self, bit_length=None):
        """How many of the low bits are one."""
        return sum(self.bit_decompose(bit_length))

    def pow2(self, bit_length=None, security=None):
        from Compiler import comparison
        return comparison.pow2(self, bit_length or P.bit_length)

    def round(self, k, m, kappa=None, nearest=None, signed=False):
        from Compiler import comparison
        if nearest is None or nearest:
            return comparison.trunc(self + (1 << (m - 1)), k + 1, m, True)
        return comparison.trunc_pr(self, k, m)

    def trunc_pr(self, k, m):
        from Compiler import comparison
        return comparison.trunc_pr(self, k, m)

    def __and__(self, other):
        return self.bit_and(other)

    def __or__(self, other):
        return self.bit_or(other)

    def __xor__(self, other):
        return self.bit_xor(other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def bit_not(self):
        return 1 - self

    # -- division

    def field_div(self, other):
        if isinstance(other, sint):
            inverse, mask = None, None
            random, inverse = sint.get_random_inverse(size=other.size)
            product = (random * other).reveal()
            return self * random * (cint(1, size=other.size).field_div(product))
        return self * cint(1).field_div(other)

    def int_div(self, other, bit_length=None, security=None):
        from Compiler import division
        return division.int_div(self, other, bit_length or P.bit_length)

    __floordiv__ = int_div

    def __rfloordiv__(self, other):
        return sint(other).int_div(self)

    def __truediv__(self, other):
        from Compiler.fixed import sfix
        return sfix(self) / other

    def __rtruediv__(self, other):
        from Compiler.fixed import sfix
        return other / sfix(self)

    # -- randomness

    @classmethod
    def get_random(cls, size=None):
        return cls._random('randomfulls', 1, size)[0]

    @classmethod
    def get_random_int(cls, bits, size=None):
        from Compiler import comparison
        return comparison.random_number(bits, size or 1)

    @classmethod
    def get_dabit(cls, size=None):
        from Compiler.GC.types import sbits
        r = cls.new(size or 1)
        b = sbits.get_type(r.size)()
        P.emit('dabit %d %s %s' % (r.size, r.t, b.t))
        return r, b

    @classmethod
    def get_edabit(cls, n_bits, strict=False, size=None):
        from Compiler.GC.types import sbits
        r = cls.new(size or 1)
        bits = [sbits.get_type(r.size)() for _ in range(n_bits)]
        P.emit('%s %d %s %s' % ('sedabit' if strict else 'edabit', r.size, r.t, ' '.join(b.t for b in bits)))
        return r, bits

    # -- input and output

    @classmethod
    def get_input_from(cls, player, size=None, binary=False):
        size = size or 1
        r = cls.new(size)
        if isinstance(player, int):
            P.emit('inputmixed %d 0 %s %d' % (size, r.t, player))
        else:
            P.emit('inputmixedreg %d 0 %s %s' % (size, r.t, regint.conv(player).t))
        return r

    @classmethod
    def get_raw_input_from(cls, player, size=None):
        """Inputs are text here, so that raw ones are numbers like all others."""
        return cls.get_input_from(player, size)

    @classmethod
    def get_input_mask_for(cls, player, size=None):
        r, c = cls.new(size or 1), cint.new(size or 1)
        P.emit('inputmask %d %s %s %d' % (r.size, r.t, c.t, player))
        return r, c

    @classmethod
    def read_from_socket(cls, client_id, n=1, size=None):
        """`n` secrets from a client: one value for n = 1, a list otherwise."""
        return _read_socket(cls, 'readsockets', client_id, n, size)

    @classmethod
    def write_to_socket(cls, client_id, values, message_type=0):
        """Secrets to a client: a value, a list, or an Array."""
        _write_socket(cls, 'writesockets', client_id, values, message_type)

    @classmethod
    def write_shares_to_socket(cls, client_id, values, message_type=0):
        """Shares without their MACs."""
        _write_socket(cls, 'writesocketshare', client_id, values, message_type)

    write_share_to_socket = write_shares_to_socket

    def write_fully_to_socket(self, client_id, message_type=0):
        """This party's shares, with their MACs."""
        _write_socket(type(self), 'writesockets', client_id, [self], message_type)

    @classmethod
    def receive_from_client(cls, n, client_id, message_type=0, size=None):
        """Values that a client masks with the first part of a random triple."""
        size = size or 1
        triples = [cls.get_random_triple(size=size) for _ in range(n)]
        _write_socket(cls, 'writesocketshare', client_id, [x for t in triples for x in t], message_type)
        masked = cint.read_from_socket(client_id, n, size=size)
        if n == 1:
            masked = [masked]
        return [y - t[0] for y, t in zip(masked, triples)]

    @classmethod
    def reveal_to_clients(cls, clients, values, message_type=0):
        """Values to clients, each with a random number and their product, so that the client can check them."""
        values = [v for x in values for v in cls.conv(x)] if isinstance(values, (list, tuple)) else list(
            cls.conv(plain(values)))
        out = []
        for v in values:
            mask = cls.get_random()
            fresh = cls.get_random()
            out += [v + fresh - fresh.reveal(), mask, v * mask]
        for client in clients:
            _write_socket(cls, 'writesocketshare', client, out, message_type)

    @classmethod
    def write_to_file(cls, values, position=None):
        values = [cls.conv(v) for v in (values if isinstance(values, (list, tuple)) else [plain(values)])]
        for size in sorted(set(v.size for v in values)):
            if size != values[0].size:
                raise VectorMismatch(values[0].size, size)
        position = regint(-1) if position is None else regint.conv(position)
        P.emit('writesharestofile %d %s %s' % (values[0].size, position.t, ' '.join(v.t for v in values)))

    @classmethod
    def read_from_file(cls, start, n, size=None):
        size = size or 1
        stop = regint.new(1)
        values = [cls.new(size) for _ in range(n)]
        P.emit('readsharesfromfile %d %s %s %s' % (size, regint.conv(start).t, stop.t, ' '.join(v.t for v in values)))
        return stop, values

    # -- products and permutations

    @classmethod
    def dot_product(cls, x, y, res_params=None):
        x, y = plain(x), plain(y)
        return cls._dot(x, y)

    @classmethod
    def matrix_mul(cls, a, b, n, res_params=None):
        """The product of two matrices that are given as vectors, row by row; the first has n columns."""
        from Compiler.containers import Matrix
        left, right = Matrix(a.size // n, n, cls), Matrix(n, b.size // n, cls)
        left.assign_vector(a)
        right.assign_vector(b)
        return left.direct_mul(right)

    @classmethod
    def row_matrix_mul(cls, row, matrix, res_params=None):
        return sum(plain(r) * plain(m) for r, m in zip(row, matrix))

    @classmethod
    def input_tensor_from(cls, player, shape):
        """A tensor with the next inputs of a party."""
        result = cls.Tensor(shape if isinstance(shape, (list, tuple)) else [shape])
        result.input_from(player)
        return result

    @classmethod
    def input_tensor_from_client(cls, client_id, shape):
        """A tensor of values that a client gives in."""
        result = cls.Tensor(shape if isinstance(shape, (list, tuple)) else [shape])
        values = cls.receive_from_client(1, client_id, size=result.total_size())[0]
        result.assign_vector(values)
        return result

    @classmethod
    def input_tensor_via(cls, player, content=None, shape=None, **_ignored):
        raise CompilerError('input_tensor_via writes input files while compiling, which this compiler does not do',
                            'use get_input_from(player) or input_from(player), and provide the input at run time')

    @classmethod
    def get_secure_shuffle(cls, n):
        r = regint.new(1)
        P.emit('gensecshuffle 0 %s %d' % (r.t, n))
        return r

    def secure_shuffle(self, unit=1):
        r = sint.new(self.size)
        P.emit('secshuffle %d %s %s %d' % (self.size, r.t, self.t, unit))
        return r

    def secure_permute(self, handle, unit=1, reverse=False):
        r = sint.new(self.size)
        P.emit('applyshuffle 0 %d %s %s %d %s %d' % (self.size, r.t, self.t, unit, handle.t, int(bool(reverse))))
        return r

    def inverse_permutation(self):
        """The inverse of a secret permutation: shuffle it with its positions, open it, and put each position there."""
        from Compiler.containers import Array
        handle = sint.get_secure_shuffle(self.size)
        opened = regint(self.secure_permute(handle).reveal())
        origins = sint(regint.inc(self.size)).secure_permute(handle)
        inverse = Array(self.size, sint)
        origins.store_in_mem(opened + inverse.address, inverse.tag)
        P.emit('delshuffle 0 %s' % handle.t)
        return inverse.get_vector()

    def output(self):
        raise CompilerError('a secret cannot be printed', 'print x.reveal() if everybody may know it')


def _refuse(target, value):
    """The right words for a value that a type cannot take."""
    if (isinstance(value, Secret) or getattr(value, 'is_secret', False)) and isinstance(target, Public):
        raise CompilerError('a secret cannot become a %s' % target.kind,
                            'x.reveal() makes it public, if everybody may know it')
    if isinstance(value, float):
        raise CompilerError('%r is not a whole number' % value, 'use sfix or cfix for fractions')
    if isinstance(value, str):
        raise CompilerError('a %s cannot be made of a text' % target.kind, 'convert it with int(...)')
    raise CompilerError('a %s cannot be made of %s' % (target.kind, type(value).__name__))


def _load_list(target, values):
    """Fills a vector from a list of numbers or registers."""
    cls = type(target)
    if len(values) != target.size:
        raise VectorMismatch(len(values), target.size)
    numbers = [v for v in values if type(v) is int]
    if len(numbers) == len(values) and len(values) > 4 and all(-SMALL <= v < SMALL for v in numbers):
        step = numbers[1] - numbers[0]
        if all(numbers[i + 1] - numbers[i] == step for i in range(len(numbers) - 1)):
            sequence = regint.inc(len(numbers), numbers[0], step)
            P.emit('%s %d %s %s' % (cls.mov, target.size, target.t, cls.conv(sequence).t))
            return
    if not values:
        return
    parts = [cls.conv(plain(v)) for v in values]
    if any(p.size != 1 for p in parts):
        raise CompilerError('a vector is made of single values', 'use %s.concat([...]) for vectors' % cls.kind)
    if cls is sint:
        P.emit('concats %d %s %s' % (target.size, target.t, ' '.join('1 %s' % p.t for p in parts)))
    else:
        for i, p in enumerate(parts):
            P.emit('%s 1 %s %s' % (cls.mov, target.lane(i).t, p.t))


def _read_socket(cls, op, client_id, n, size):
    client = regint.conv(client_id)
    if isinstance(n, Register):
        raise NotCompileTime(n.kind, 'as the number of values to read; use a Python number')
    if n < 1:
        raise CompilerError('cannot read %d values from a client' % n)
    if size is None or size == 1:
        r = cls.new(n)
        P.emit('%s 0 %s %d %s' % (op, client.t, n, r.t))
        return r if n == 1 else list(r)
    regs = [cls.new(size) for _ in range(n)]
    P.emit('%s 0 %s %d %s' % (op, client.t, size, ' '.join(r.t for r in regs)))
    return regs[0] if n == 1 else regs


def _write_socket(cls, op, client_id, values, message_type):
    client = regint.conv(client_id)
    values = plain(values)
    if not isinstance(values, (list, tuple)):
        values = [values]
    regs = [cls.conv(plain(v)) for v in values]
    if not regs:
        raise CompilerError('nothing to write to the client')
    size = regs[0].size
    for r in regs:
        if r.size != size:
            raise VectorMismatch(size, r.size)
    P.emit('%s 0 %s %d %d %s' % (op, client.t, message_type, size, ' '.join(r.t for r in regs)))


sintbit = sint
sint.bit_type = sint

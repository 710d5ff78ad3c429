"""Memory: `MemValue`, `Array`, `Matrix`, `MultiArray`.

What registers cannot do, memory can: values survive loops, and indices may be known at run time only.
"""

from Compiler.errors import CompilerError, VectorMismatch
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint


def check_index(index, length):
    """A Python index in bounds, or a run-time index as it is."""
    index = plain(index)
    if isinstance(index, bool):
        index = int(index)
    if isinstance(index, int):
        if isinstance(length, int):
            if index < 0:
                index += length
            if not 0 <= index < length:
                raise IndexError('index %d of an array of length %d' % (index, length))
        return index
    if isinstance(index, Secret):
        raise CompilerError('a secret cannot be an index: memory accesses are public',
                            'use oblivious selection (x.if_else, comparisons with all indices) or ORAM')
    if isinstance(index, Register):
        index = regint.conv(index)
        if index.size == 1 and isinstance(length, int):
            _check_at_run_time(index, length)
        return index
    raise TypeError('an array index must be a number, not %s' % type(index).__name__)


def _check_at_run_time(index, length):
    """Stops the program if an index is out of bounds, unless it cannot be: that of a loop over the array."""
    if not _Arithmetic.checked or index.span and 0 <= index.span[0] and index.span[1] < length:
        return
    P.emit('crash 0 %s' % ((index < 0) + (index > length - 1)).t)


def clear_of(value_type):
    return getattr(value_type, 'clear', None) or value_type


class _Arithmetic:
    """Operators that work on the whole content as a vector."""

    # whether indices that are known only at run time are checked
    checked = True

    @staticmethod
    def disable_index_checks():
        """From here on, indices that are known only at run time are not checked."""
        _Arithmetic.checked = False

    def binary_output(self, player=None):
        """Writes all values, which must be public, to the parties' binary files."""
        from Compiler import binary_files
        binary_files.write(self._as_register(), player)

    def reveal_to_binary_output(self, player=None):
        """Opens all values and writes them to the binary files of one party or of all."""
        from Compiler import binary_files
        binary_files.write(self._as_register().reveal(), player)

    def __add__(self, other):
        return self._as_register() + plain(other)

    def __radd__(self, other):
        if isinstance(other, int) and other == 0:
            return self._as_register()
        return plain(other) + self._as_register()

    def __sub__(self, other):
        return self._as_register() - plain(other)

    def __rsub__(self, other):
        return plain(other) - self._as_register()

    def __mul__(self, other):
        return self._as_register() * plain(other)

    def __rmul__(self, other):
        return plain(other) * self._as_register()

    def __truediv__(self, other):
        return self._as_register() / plain(other)

    def __rtruediv__(self, other):
        return plain(other) / self._as_register()

    def __floordiv__(self, other):
        return self._as_register() // plain(other)

    def __mod__(self, other):
        return self._as_register() % plain(other)

    def __pow__(self, other):
        return self._as_register() ** other

    def __neg__(self):
        return -self._as_register()

    def __abs__(self):
        return abs(self._as_register())

    def __lt__(self, other):
        return self._as_register() < plain(other)

    def __le__(self, other):
        return self._as_register() <= plain(other)

    def __gt__(self, other):
        return self._as_register() > plain(other)

    def __ge__(self, other):
        return self._as_register() >= plain(other)

    def __eq__(self, other):
        return self._as_register() == plain(other)

    def __ne__(self, other):
        return self._as_register() != plain(other)

    def __and__(self, other):
        return self._as_register() & plain(other)

    def __or__(self, other):
        return self._as_register() | plain(other)

    def __xor__(self, other):
        return self._as_register() ^ plain(other)

    def __lshift__(self, other):
        return self._as_register() << plain(other)

    def __rshift__(self, other):
        return self._as_register() >> plain(other)

    def __hash__(self):
        return id(self)

    def output(self):
        self._as_register().output()


class MemValue(_Arithmetic):
    """One value (or vector) in memory: it keeps what loops write into it."""

    def __init__(self, value, address=None):
        if isinstance(value, MemValue):
            value = value.read()
        if isinstance(value, (int, bool)):
            value = regint(int(value))
        if isinstance(value, float):
            from Compiler.fixed import cfix
            value = cfix(value)
        if not hasattr(value, 'store_in_mem'):
            raise CompilerError('a MemValue holds a run-time value, not %s' % type(value).__name__)
        self.value_type = type(value)
        self.size = value.size
        self.tag = 0
        if address is None:
            address, self.tag = P.malloc(self.size * self.value_type.mem_size(), self.value_type.bank)
        self.address = address
        self.write(value)

    @property
    def last_write_block(self):
        return None

    @classmethod
    def if_necessary(cls, value):
        return value if isinstance(value, MemValue) else cls(value)

    def read(self):
        return self.value_type.load_mem(self.address, self.size, self.tag)

    _as_register = read

    def write(self, value):
        value = self.value_type.conv(plain(value))
        if value.size != self.size:
            value = value.expand_to_vector(self.size)
        value.store_in_mem(self.address, self.tag)
        return self

    update = write

    def iadd(self, other):
        return self.write(self.read() + other)

    def isub(self, other):
        return self.write(self.read() - other)

    def imul(self, other):
        return self.write(self.read() * other)

    def iand(self, other):
        return self.write(self.read() & other)

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        return getattr(self.read(), name)

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.read()[index]

    def __iter__(self):
        return iter(self.read())

    def __str__(self):
        return 'MemValue(%s)' % self.value_type.__name__

    def __bool__(self):
        return bool(self.read())


class Array(_Arithmetic):
    """A sequence of values in memory, indexed by Python or run-time numbers."""

    def __init__(self, length, value_type, address=None, tag=0):
        if not (isinstance(length, int) and length >= 0):
            raise CompilerError('the length of an Array must be a number known while the program is compiled',
                                'use the largest length that can occur')
        self.length = length
        self.value_type = value_type
        self.tag = tag
        if address is None:
            address, self.tag = P.malloc(length * value_type.mem_size(), value_type.bank)
        self.address = address
        self.sizes = (length,)

    @classmethod
    def create_from(cls, values):
        values = plain(values)
        if isinstance(values, Register) or hasattr(values, 'store_in_mem'):
            result = cls(values.size, type(values))
            result.assign_vector(values)
            return result
        values = list(values)
        kind = None
        for v in values:
            v = plain(v)
            if not isinstance(v, (int, float)):
                kind = type(v)
        result = cls(len(values), kind or regint)
        result.assign(values)
        return result

    @property
    def size(self):
        return self.length

    @property
    def shape(self):
        return [self.length]

    def __len__(self):
        return self.length

    def total_size(self):
        return self.length

    def __iter__(self):
        for i in range(self.length):
            yield self[i]

    def get_address(self, index, size=None):
        index = check_index(index, self.length)
        width = self.value_type.mem_size()
        return index * width + self.address if width != 1 else index + self.address

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._slice(index)
        index = plain(index)
        if isinstance(index, Register) and index.size > 1:
            return self.get(index)
        return self.value_type.load_mem(self.get_address(index), 1, self.tag)

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            bounds = self._bounds(index)
            if bounds is None:
                from Compiler import runtime_slices
                runtime_slices.of(self, index).assign(value)
                return
            start, stop, step = bounds
            if step == 1:
                value = plain(value)
                value = self._vector(value, max(0, stop - start))
                if value.size != stop - start:
                    raise VectorMismatch(value.size, stop - start)
                self.assign_vector(value, start)
            else:
                indices = regint.inc(len(range(start, stop, step)), start, step)
                value = self._vector(plain(value), indices.size)
                value.store_in_mem(indices + self.address, self.tag)
            return
        index = plain(index)
        value = self.value_type.conv(plain(value))
        if isinstance(index, Register) and index.size > 1:
            value.store_in_mem(self.get_address(index), self.tag)
            return
        if value.size != 1:
            raise VectorMismatch(value.size, 1)
        value.store_in_mem(self.get_address(index), self.tag)

    def _vector(self, value, size):
        if isinstance(value, (int, float)):
            return self.value_type(value, size=size)
        value = self.value_type.conv(value)
        return value.expand_to_vector(size) if value.size == 1 else value

    def _bounds(self, index):
        """Start, stop and step as Python numbers; None if one is known only at run time."""
        parts = [plain(p) for p in (index.start, index.stop, index.step)]
        if all(p is None or isinstance(p, int) for p in parts):
            return slice(*parts).indices(self.length)
        return None

    def _slice(self, index):
        bounds = self._bounds(index)
        if bounds is None:
            from Compiler import runtime_slices
            return runtime_slices.of(self, index)
        start, stop, step = bounds
        if step == 1:
            return self.get_vector(start, max(0, stop - start))
        return self.get(regint.inc(len(range(start, stop, step)), start, step))

    def get_vector(self, base=0, size=None):
        """Consecutive elements as a vector; the base may be a run-time value."""
        size = self.length if size is None else size
        base = plain(base)
        if isinstance(base, int):
            if size is self.length and base:
                size = self.length - base
            if base < 0 or base + size > self.length:
                raise IndexError('elements %d to %d of an array of length %d' % (base, base + size, self.length))
        width = self.value_type.mem_size()
        return self.value_type.load_mem(self.address + base * width if width != 1 else base + self.address,
                                        size, self.tag)

    get_part_vector = get_vector

    def get_range(self, start, size):
        return self.get_vector(start, size)

    def _as_register(self):
        return self.get_vector()

    def get_reverse_vector(self):
        return self.get(regint.inc(self.length, self.length - 1, -1))

    def get(self, indices):
        """The elements at a vector of indices."""
        indices = plain(indices)
        if isinstance(indices, (list, tuple)):
            indices = regint(list(indices))
        indices = regint.conv(indices)
        width = self.value_type.mem_size()
        return self.value_type.load_mem(indices * width + self.address, indices.size, self.tag)

    def get_slice_vector(self, index):
        return self._slice(index)

    def get_mem_value(self, index):
        """An element as a MemValue that shares its memory."""
        result = MemValue.__new__(MemValue)
        result.value_type, result.size, result.tag = self.value_type, 1, self.tag
        result.address = self.get_address(index)
        return result

    def get_sub(self, start, stop=None):
        """A part of the array that shares its memory."""
        if stop is None:
            start, stop = 0, start
        start, stop = plain(start), plain(stop)
        if not (isinstance(start, int) and isinstance(stop, int)):
            from Compiler import runtime_slices
            return runtime_slices.StridedArray(self, start, stop - start)
        return Array(stop - start, self.value_type, self.address + start * self.value_type.mem_size(), self.tag)

    def get_part(self, base, size):
        """`size` elements from `base` on, which may be a run-time value, as an array that shares the memory."""
        if isinstance(base, int) and not 0 <= base <= base + size <= self.length:
            raise IndexError('elements %d to %d of an array of length %d' % (base, base + size, self.length))
        return Array(size, self.value_type, plain(base) * self.value_type.mem_size() + self.address, self.tag)

    def assign(self, other, base=0):
        other = plain(other)
        if isinstance(other, (list, tuple, range)) or hasattr(other, '__next__'):
            other = list(other)
            if base == 0 and len(other) > self.length:
                raise VectorMismatch(len(other), self.length)
            if len(other) > 4 and all(isinstance(x, int) for x in other) and self.value_type.mem_size() == 1:
                self.assign_vector(self.value_type(other), base)
                return self
            for i, x in enumerate(other):
                self[base + i] = x
            return self
        if hasattr(other, 'size') and hasattr(other, 'store_in_mem'):
            self.assign_vector(other, base)
        else:
            self.assign_vector(self.value_type(other), base)
        return self

    def assign_vector(self, vector, base=0):
        vector = plain(vector)
        if isinstance(vector, (list, tuple, range)):
            vector = self.value_type(list(vector))
        vector = self.value_type.conv(vector)
        if isinstance(base, int) and base + vector.size > self.length:
            raise VectorMismatch(vector.size, self.length - base)
        vector.store_in_mem(self.address + plain(base) * self.value_type.mem_size()
                            if not isinstance(base, int) or base else self.address, self.tag)
        return self

    assign_part_vector = assign_vector

    def assign_all(self, value, use_threads=True, conv=True):
        self.assign_vector(self._vector(plain(value), self.length))
        return self

    def iadd(self, other):
        self.assign_vector(self.get_vector() + plain(other))

    def same_shape(self):
        return Array(self.length, self.value_type)

    def to_array(self):
        return self

    def copy(self):
        return self.same_shape().assign_vector(self.get_vector())

    def to_row_matrix(self):
        """A matrix of one row that shares the memory."""
        return Matrix(1, self.length, self.value_type, self.address, self.tag)

    def to_column_matrix(self):
        return Matrix(self.length, 1, self.value_type, self.address, self.tag)

    def expand_to_vector(self, size=None):
        return self.get_vector().expand_to_vector(self.length if size is None else size)

    def concat(self, other):
        result = Array(self.length + len(other), self.value_type)
        result.assign_vector(self.get_vector())
        result.assign_vector(self.value_type.conv(plain(other)), self.length)
        return result

    def append(self, value):
        raise CompilerError('an Array cannot grow', 'make it as long as it will ever be')

    def reveal(self):
        """All elements, public, in a new array."""
        vector = self.get_vector().reveal()
        result = Array(self.length, type(vector))
        result.assign_vector(vector)
        return result

    def reveal_list(self):
        return list(self.get_vector().reveal())

    reveal_nested = reveal_list

    def reveal_to(self, player):
        return self.get_vector().reveal_to(player)

    def reveal_to_clients(self, clients):
        self.value_type.reveal_to_clients(clients, [self.get_vector()])

    def print_reveal_nested(self, end='\n'):
        from Compiler.printing import print_str
        print_str('%s' + end, self.reveal_nested())

    def get_input_from(self, player):
        return self.input_from(player)

    def input_from(self, player, budget=None, raw=False, **_ignored):
        """Fills the array with the next inputs of a party."""
        if raw:
            self.assign_vector(self.value_type.get_raw_input_from(player, size=self.length))
        else:
            self.assign_vector(self.value_type.get_input_from(player, size=self.length))

    def read_from_socket(self, client_id, debug=False):
        self.assign_vector(self.value_type.read_from_socket(client_id, size=self.length))

    def write_to_socket(self, client_id, debug=False):
        self.value_type.write_to_socket(client_id, self.get_vector())

    def receive_from_client(self, client_id):
        self.assign_vector(self.value_type.receive_from_client(1, client_id, size=self.length)[0])

    def write_to_file(self, position=None):
        self.value_type.write_to_file(list(self.get_vector()), position)

    def read_from_file(self, start):
        stop, values = self.value_type.read_from_file(start, self.length)
        for i, v in enumerate(values):
            self[i] = v
        return stop

    def sum(self):
        return self.get_vector().sum()

    def max(self):
        from Compiler.library import tree_reduce
        return tree_reduce(lambda a, b: a.max(b), self)

    def min(self):
        from Compiler.library import tree_reduce
        return tree_reduce(lambda a, b: a.min(b), self)

    def dot(self, other):
        return self.value_type.dot_product(self, other)

    def randomize(self, *args, **kwargs):
        self.assign_vector(self.value_type.get_random(*args, size=self.length, **kwargs))

    def shuffle(self):
        self.assign_vector(self.get(regint.inc(self.length).shuffle()))

    def secure_shuffle(self):
        self.assign_vector(self.get_vector().secure_shuffle())

    def secure_permute(self, permutation, reverse=False, n_threads=None):
        self.assign_vector(self.get_vector().secure_permute(permutation, reverse=reverse))

    def sort(self, n_threads=None, batcher=False, n_bits=None):
        from Compiler.sorting import sort_array
        sort_array(self, n_bits)

    def delete(self):
        pass

    def maybe_get(self, condition, index):
        return condition * self[condition * index]

    def maybe_set(self, condition, index, value):
        from Compiler.library import if_
        if_(condition)(lambda: self.__setitem__(index, value))

    def same_type(self):
        return self.same_shape()

    def get_all_vector(self):
        return self.get_vector()

    def store_in_mem(self, address, tag=0):
        self.get_vector().store_in_mem(address, tag)

    def __str__(self):
        return '%s array of length %d' % (self.value_type.__name__, self.length)


class SubMultiArray(_Arithmetic):
    """A tensor in memory, row by row; `tensor[i]` is the i-th part and shares its memory."""

    def __init__(self, sizes, value_type, address=None, tag=0):
        self.sizes = tuple(sizes)
        for s in self.sizes:
            if not (isinstance(s, int) and s >= 0):
                raise CompilerError('the sizes of a matrix must be numbers known while the program is compiled')
        self.value_type = value_type
        self.tag = tag
        if address is None:
            address, self.tag = P.malloc(self.total_size() * value_type.mem_size(), value_type.bank)
        self.address = address

    def total_size(self):
        total = 1
        for s in self.sizes:
            total *= s
        return total

    def part_size(self):
        return self.total_size() // self.sizes[0] if self.sizes[0] else 0

    @property
    def shape(self):
        return list(self.sizes)

    @property
    def size(self):
        return self.total_size()

    @property
    def dim(self):
        return len(self.sizes)

    def __len__(self):
        return self.sizes[0]

    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    def _flat(self):
        return Array(self.total_size(), self.value_type, self.address, self.tag)

    to_array = _flat

    def _part(self, index):
        part = 1
        for s in self.sizes[1:]:
            part *= s
        address = index * (part * self.value_type.mem_size()) + self.address
        return self._make(self.sizes[1:], address)

    def _make(self, sizes, address=None):
        tag = self.tag if address is not None else 0
        if len(sizes) == 1:
            return Array(sizes[0], self.value_type, address, tag)
        if len(sizes) == 2:
            return Matrix(sizes[0], sizes[1], self.value_type, address, tag)
        return SubMultiArray(sizes, self.value_type, address, tag)

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, step = index.indices(self.sizes[0])
            if step != 1:
                raise CompilerError('a slice of a matrix cannot have a step')
            if start == 0 and stop == self.sizes[0] and index == slice(None):
                return self.get_vector()
            return self.get_part(start, stop - start)
        if isinstance(index, tuple):
            result = self
            for i in index:
                result = result[i]
            return result
        return self._part(check_index(index, self.sizes[0]))

    def __setitem__(self, index, value):
        if isinstance(index, slice) and index == slice(None):
            self.assign(value)
        elif isinstance(index, tuple):
            target = self
            for i in index[:-1]:
                target = target[i]
            target[index[-1]] = value
        else:
            self[index].assign(value)

    def get_vector(self, base=0, size=None):
        return self._flat().get_vector(base, self.total_size() if size is None else size)

    def _as_register(self):
        return self.get_vector()

    def get_all_vector(self):
        return self.get_vector()

    def get_part(self, start, size):
        return self._make((size,) + self.sizes[1:], self._part_address(start))

    def _part_address(self, start):
        return plain(start) * (self.part_size() * self.value_type.mem_size()) + self.address

    def get_part_vector(self, base=0, size=None):
        size = size or 1
        return self._flat().get_vector(plain(base) * self.part_size(), size * self.part_size())

    def assign_part_vector(self, vector, base=0):
        self._flat().assign_vector(vector, plain(base) * self.part_size())

    def get_slice_vector(self, index):
        return self[index].get_vector()

    def get_vector_by_indices(self, *indices):
        """The elements where every index that is not None has its value."""
        offsets = [0]
        stride = self.total_size()
        constant = 0
        for position, s in enumerate(self.sizes):
            stride //= s
            index = indices[position] if position < len(indices) else None
            if index is None:
                offsets = [o + i * stride for o in offsets for i in range(s)]
            else:
                constant = check_index(index, s) * stride + constant
        return self._flat().get(regint(offsets) + constant)

    def assign(self, other, base=0):
        other = other if isinstance(other, SubMultiArray) else plain(other)
        if isinstance(other, (SubMultiArray, Register)) or hasattr(other, 'store_in_mem'):
            self.assign_vector(plain(other), base)
        elif isinstance(other, (int, float)):
            self.assign_all(other)
        else:
            for i, x in enumerate(other):
                self[i].assign(x)
        return self

    def assign_vector(self, vector, base=0):
        self._flat().assign_vector(vector, base)
        return self

    def assign_all(self, value):
        self._flat().assign_all(value)
        return self

    def iadd(self, other):
        self._flat().iadd(plain(other))

    def same_shape(self):
        return self._make(self.sizes)

    def copy(self):
        return self.same_shape().assign_vector(self.get_vector())

    def concat(self, other):
        """Both, one after the other along the first dimension."""
        result = self._make((self.sizes[0] + other.sizes[0],) + self.sizes[1:])
        result.assign_vector(self.get_vector())
        result.assign_vector(other.get_vector(), self.total_size())
        return result

    def reveal_to(self, player):
        return self.get_vector().reveal_to(player)

    def shuffle(self):
        """A random order of the parts that everybody knows."""
        order = regint.inc(self.sizes[0]).shuffle()
        part = self.part_size()
        offsets = regint.inc(self.total_size(), 0, 1, 1, part)
        starts = regint.concat([regint(x, size=part) for x in order]) * part
        self.assign_vector(self._flat().get(starts + offsets))

    def _result(self, vector, sizes=None):
        result = _tensor(sizes or self.sizes, type(vector))
        result.assign_vector(vector)
        return result

    def __add__(self, other):
        return self._result(self.get_vector() + plain(other))

    def __sub__(self, other):
        return self._result(self.get_vector() - plain(other))

    def __neg__(self):
        return self._result(-self.get_vector())

    def __mul__(self, other):
        if isinstance(other, (SubMultiArray, Array)):
            return self.dot(other)
        return self._result(self.get_vector() * plain(other))

    def __rmul__(self, other):
        return self._result(plain(other) * self.get_vector())

    def schur(self, other):
        """The element-wise product."""
        return self._result(self.get_vector() * other.get_vector())

    def reveal(self):
        return self._result(self.get_vector().reveal())

    def reveal_list(self):
        return list(self.get_vector().reveal())

    def reveal_nested(self):
        values = list(self.get_vector().reveal())
        return _nest(values, self.sizes)

    def print_reveal_nested(self, end='\n'):
        from Compiler.printing import print_str
        print_str('%s' + end, self.reveal_nested())

    def output(self):
        from Compiler.printing import emit_value
        emit_value(_nest(list(self.get_vector()), self.sizes))

    def reveal_to_clients(self, clients):
        self._flat().reveal_to_clients(clients)

    def input_from(self, player, budget=None, raw=False, **_ignored):
        self._flat().input_from(player, raw=raw)

    def read_from_socket(self, client_id):
        self._flat().read_from_socket(client_id)

    def write_to_socket(self, client_id):
        self._flat().write_to_socket(client_id)

    def write_to_file(self, position=None):
        self._flat().write_to_file(position)

    def read_from_file(self, start):
        return self._flat().read_from_file(start)

    def sum(self):
        return self.get_vector().sum()

    def randomize(self, *args, **kwargs):
        self._flat().randomize(*args, **kwargs)

    def secure_shuffle(self):
        self.assign_vector(self.get_vector().secure_shuffle(unit=self.part_size()))

    def secure_permute(self, permutation, reverse=False, n_threads=None):
        self.assign_vector(self.get_vector().secure_permute(permutation, unit=self.part_size(), reverse=reverse))

    def sort(self, key_indices=None, n_bits=None):
        from Compiler.sorting import sort_matrix
        sort_matrix(self, key_indices, n_bits)

    def delete(self):
        pass

    def __str__(self):
        return '%s tensor of shape %s' % (self.value_type.__name__, list(self.sizes))

    # -- products

    def dot(self, other, res_params=None, n_threads=None):
        """The matrix product, or the product with a vector."""
        if isinstance(other, Array):
            other_matrix = Matrix(other.length, 1, other.value_type, other.address, other.tag)
            vector = self.direct_mul(other_matrix)
            result = Array(self.sizes[0], type(vector))
            result.assign_vector(vector)
            return result
        vector = self.direct_mul(other)
        return self._result(vector, (self.sizes[0], other.sizes[1]))

    def mul(self, other):
        return self.dot(other)

    def direct_mul(self, other, reduce=True, indices=None):
        """The product as a vector, row by row; indices choose rows and columns of both."""
        if self.sizes[1] != other.sizes[0] and indices is None:
            raise VectorMismatch(self.sizes[1], other.sizes[0])
        n, m, k = self.sizes[0], self.sizes[1], other.sizes[1]
        return multiply(self, other, indices or [regint.inc(n), regint.inc(m), regint.inc(m), regint.inc(k)],
                        self.sizes[1], other.sizes[1])

    def direct_mul_trans(self, other, reduce=True, indices=None):
        """self times the transpose of other."""
        if self.sizes[1] != other.sizes[1]:
            raise VectorMismatch(self.sizes[1], other.sizes[1])
        return self.direct_mul(other.transpose())

    def direct_trans_mul(self, other, reduce=True, indices=None):
        """The transpose of self times other."""
        if self.sizes[0] != other.sizes[0]:
            return self.transpose().direct_mul(other.transpose())
        return self.transpose().direct_mul(other)

    def mul_trans(self, other):
        return self._result(self.direct_mul_trans(other), (self.sizes[0], other.sizes[0]))

    def trans_mul(self, other):
        return self._result(self.direct_trans_mul(other), (self.sizes[1], other.sizes[1]))

    def direct_mul_to_matrix(self, other):
        return self.dot(other)


MultiArray = SubMultiArray


class Matrix(SubMultiArray):
    """Rows and columns in memory."""

    def __init__(self, rows, columns, value_type, address=None, tag=0):
        SubMultiArray.__init__(self, (rows, columns), value_type, address, tag)

    @classmethod
    def create_from(cls, rows):
        if isinstance(rows, SubMultiArray):
            rows = list(rows)
        rows = [Array.create_from(r) for r in rows]
        kinds = [r.value_type for r in rows]
        result = cls(len(rows), rows[0].length, kinds[0])
        for i, r in enumerate(rows):
            result[i].assign_vector(r.get_vector())
        return result

    def get_column_by_row_indices(self, rows, column):
        """The elements of a column in the given rows."""
        return self._flat().get(regint.conv(plain(rows)) * self.sizes[1] + column)

    def get_column(self, index):
        index = check_index(index, self.sizes[1])
        return self._flat().get(regint.inc(self.sizes[0], 0, self.sizes[1]) + index)

    get_column_vector = get_column

    def set_column(self, index, value):
        index = check_index(index, self.sizes[1])
        value = self.value_type.conv(plain(value))
        width = self.value_type.mem_size()
        addresses = (regint.inc(self.sizes[0], 0, self.sizes[1]) + index) * width + self.address
        value.store_in_mem(addresses, self.tag)

    def get_columns(self):
        return [self.get_column(i) for i in range(self.sizes[1])]

    def transpose(self):
        rows, columns = self.sizes
        result = Matrix(columns, rows, self.value_type)
        order = [i * columns + j for j in range(columns) for i in range(rows)]
        if rows == 1 or columns == 1:
            result.assign_vector(self.get_vector())
        else:
            result.assign_vector(self._flat().get(_transposed(rows, columns)))
        return result

    def concat_columns(self, other):
        """Both side by side."""
        rows, columns = self.sizes
        result = Matrix(rows, columns + other.sizes[1], self.value_type)
        for j in range(columns):
            result.set_column(j, self.get_column(j))
        for j in range(other.sizes[1]):
            result.set_column(columns + j, other.get_column(j))
        return result

    def diag(self):
        n = min(self.sizes)
        return self._flat().get(regint.inc(n, 0, self.sizes[1] + 1))

    def trace(self):
        return sum(self.diag())


class VectorArray(Matrix):
    """An array of vectors of one length: a matrix whose rows are read as registers."""

    def __init__(self, length, value_type, vector_size, address=None):
        Matrix.__init__(self, length, vector_size, value_type, address)

    def __getitem__(self, index):
        return Matrix.__getitem__(self, index).get_vector()

    def __setitem__(self, index, value):
        Matrix.__getitem__(self, index).assign_vector(value)


def _transposed(rows, columns):
    """Addresses of a matrix by columns: i * columns + j, with i running first."""
    fast = regint.inc(rows * columns, 0, columns, 1, rows)
    slow = regint.inc(rows * columns, 0, 1, rows, columns)
    return fast + slow


def _tensor(sizes, value_type):
    if len(sizes) == 1:
        return Array(sizes[0], value_type)
    if len(sizes) == 2:
        return Matrix(sizes[0], sizes[1], value_type)
    return SubMultiArray(sizes, value_type)


def _nest(values, sizes):
    if len(sizes) <= 1:
        return values
    part = len(values) // sizes[0] if sizes[0] else 0
    return [_nest(values[i * part:(i + 1) * part], sizes[1:]) for i in range(sizes[0])]


def multiply(left, right, indices, left_stride, right_stride):
    """The matrix product of chosen rows and columns, as a vector."""
    rows, inner_left, inner_right, columns = [regint.conv(plain(i)) for i in indices]
    n, m, k = rows.size, inner_left.size, columns.size
    combine = getattr(left.value_type, '_matrix_product', None) or getattr(right.value_type, '_matrix_product', None)
    if combine:
        return combine(left, right, (rows, inner_left, inner_right, columns), left_stride, right_stride)
    if left.value_type is sint and right.value_type is sint:
        return secret_product(left, right, (rows, inner_left, inner_right, columns), left_stride, right_stride)
    total = None
    for j in range(m):
        a = left._flat().get(rows * left_stride + inner_left[j])
        b = right._flat().get(inner_right[j] * right_stride + columns)
        row = _repeat_each(a, k) * _repeat_all(b, n)
        total = row if total is None else total + row
    return total


def _repeat_each(vector, times):
    parts = []
    for x in vector:
        parts.append(x.expand_to_vector(times))
    return type(vector).concat(parts)


def _repeat_all(vector, times):
    return type(vector).concat([vector] * times)


def secret_product(left, right, indices, left_stride, right_stride):
    """The product of two secret matrices in memory by one instruction."""
    rows, inner_left, inner_right, columns = indices
    n, m, k = rows.size, inner_left.size, columns.size
    result = sint.new(n * k)
    P.emit('matmulsm 0 %s %s %s %d %d %d %s %s %s %s %d %d' % (
        result.t, regint.conv(left.address).t, regint.conv(right.address).t, n, m, k,
        rows.t, inner_left.t, inner_right.t, columns.t, left_stride, right_stride))
    return result

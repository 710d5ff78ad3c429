"""Oblivious arrays: memory whose index is secret.

Every access touches every entry, which hides the index perfectly. Reading n entries takes about n products (the row is
chosen by the high bits of the index, then the entry by the low ones), writing 2 n. The constructions that the names of
the classes stand for hide the index by moving entries around; they would pay only for arrays that are far larger, so
all names mean this one.
"""

from Compiler import comparison
from Compiler.containers import Array
from Compiler.errors import CompilerError
from Compiler.fixed import _Fixed, sfix
from Compiler.registers import plain, sint


class LinearORAM:
    """An array of `size` entries of `value_length` values each that is read and written at secret indices."""

    def __init__(self, size, value_type=sint, value_length=1, index_size=None, entry_size=None, init_rounds=None,
                 **_ignored):
        if not isinstance(size, int) or size < 1:
            raise CompilerError('the size of an ORAM must be a positive number known while the program is compiled')
        if isinstance(entry_size, (list, tuple)):
            value_length = len(entry_size)
        self.size, self.value_length = size, value_length
        self.value_type = sfix if isinstance(value_type, type) and issubclass(value_type, _Fixed) else sint
        self.index_bits = comparison.exponent_length(size)
        # whole rows, so that a row is chosen by the high bits of the index
        self.low_bits = self.index_bits // 2
        self.width = 1 << self.low_bits
        self.rows = -(-size // self.width)
        self.columns = [Array(self.rows * self.width, sint) for _ in range(value_length)]
        for column in self.columns:
            column.assign_all(0)

    def _bits(self, index):
        return comparison.bits(sint.conv(plain(index)), self.index_bits)

    def _units(self, bits):
        """All unit bits of the index as a vector: the one at its place is one."""
        units = comparison.one_hot(bits)[:self.size]
        return sint(units + [0] * (self.rows * self.width - len(units)))

    def _to_plain(self, value):
        value = plain(value)
        return self.value_type.conv(value).v if self.value_type is sfix else sint.conv(value)

    def _from_plain(self, value):
        return sfix._new(value) if self.value_type is sfix else value

    def _unwrap(self, values):
        return values[0] if self.value_length == 1 else tuple(values)

    def _chosen(self, column, high, low):
        row = None
        if high is None:
            row = column.get_vector(0, self.width)
        else:
            row = sint._dot(high, [column.get_vector(i * self.width, self.width) for i in range(self.rows)])
        return row if low is None else sint._dot(low, list(row))

    def read(self, index):
        bits = self._bits(index)
        high, low = bits[self.low_bits:], bits[:self.low_bits]
        high = [u.expand_to_vector(self.width) for u in comparison.one_hot(high)[:self.rows]] if self.rows > 1 else None
        low = comparison.one_hot(low) if low else None
        return tuple(self._from_plain(self._chosen(column, high, low)) for column in self.columns)

    def write(self, index, *values):
        if len(values) == 1 and isinstance(values[0], (list, tuple)):
            values = values[0]
        self._write(self._units(self._bits(index)), values)

    def _write(self, units, values):
        if len(values) != self.value_length:
            raise CompilerError('an entry of this ORAM has %d values, not %d' % (self.value_length, len(values)))
        for column, value in zip(self.columns, values):
            old = column.get_vector()
            column.assign_vector(old + units * (self._to_plain(value) - old))

    def access(self, index, value, write, new_empty=False):
        """Reads an entry and, where the bit `write` is one, writes it."""
        values = value if isinstance(value, (list, tuple)) else [value]
        units = self._units(self._bits(index))
        write = sint.conv(plain(write))
        old = self.read(index)
        self._write(units * write, values)
        return self._unwrap(old)

    def read_and_maybe_remove(self, index):
        return self.read(index), sint(0)

    def __getitem__(self, index):
        return self._unwrap(self.read(index))

    def __setitem__(self, index, value):
        self.write(index, *(value if isinstance(value, (list, tuple)) else [value]))

    def batch_init(self, values):
        """Writes entries 0, 1, ... without hiding where."""
        for i, v in enumerate(values):
            for column, part in zip(self.columns, v if isinstance(v, (list, tuple)) else [v]):
                column[i] = self._to_plain(part)

    def __len__(self):
        return self.size


OptimalORAM = OptimalPackedORAM = LinearPackedORAM = TrivialORAM = TreeORAM = PathORAM = RecursiveORAM = \
    PackedTreeORAM = RecursivePathORAM = RecursiveCircuitORAM = CircuitORAM = LinearORAM


def demux(bits):
    """All unit bits of the number with the given bits, as a vector."""
    return sint(comparison.one_hot(list(bits)))


def demux_list(bits):
    return comparison.one_hot(list(bits))


def demux_array(bits, result=None):
    units = demux(bits)
    if result is None:
        result = Array(units.size, sint)
    result.assign_vector(units)
    return result


def get_n_threads(*_args):
    return None


n_threads = None
n_parallel = 1024
optimal_threshold = None
crash_on_overflow = False

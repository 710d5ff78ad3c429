"""Oblivious arrays: memory whose index is secret.

Every access touches every entry (a linear scan), which hides the index perfectly and is the fastest choice for small
arrays. Tree-based constructions go by the same names and would only be faster for large ones.
"""

from Compiler import comparison
from Compiler.containers import Array
from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import plain, regint, sint


class LinearORAM:
    """An array that is read and written at secret indices."""

    def __init__(self, size, value_type=sint, value_length=1, index_size=None, entry_size=None, **_ignored):
        if not isinstance(size, int) or size < 1:
            raise CompilerError('the size of an ORAM must be a positive number known while the program is compiled')
        if isinstance(entry_size, (list, tuple)):
            value_length = len(entry_size)
        self.size, self.value_length = size, value_length
        self.value_type = sint
        self.columns = [Array(size, sint) for _ in range(value_length)]
        for column in self.columns:
            column.assign_all(0)

    def _units(self, index):
        index = sint.conv(plain(index))
        if self.size == 1:
            return sint(1)
        bits = comparison.bits(index, comparison.exponent_length(self.size))
        return sint(comparison.one_hot(bits)[:self.size])

    def _unwrap(self, values):
        return values[0] if self.value_length == 1 else tuple(values)

    def read(self, index):
        units = self._units(index)
        return tuple((units * column.get_vector()).sum() for column in self.columns)

    def write(self, index, *values):
        if len(values) == 1 and isinstance(values[0], (list, tuple)):
            values = values[0]
        units = self._units(index)
        for column, value in zip(self.columns, values):
            old = column.get_vector()
            value = sint.conv(plain(value)).expand_to_vector(self.size)
            column.assign_vector(old + units * (value - old))

    def access(self, index, value, write, new_empty=False):
        units = self._units(index)
        values = value if isinstance(value, (list, tuple)) else [value]
        write = sint.conv(plain(write))
        result = []
        for column, new in zip(self.columns, values):
            old = column.get_vector()
            result.append((units * old).sum())
            new = sint.conv(plain(new)).expand_to_vector(self.size)
            column.assign_vector(old + units * ((new - old) * write))
        return self._unwrap(result)

    def __getitem__(self, index):
        return self._unwrap(self.read(index))

    def __setitem__(self, index, value):
        self.write(index, *(value if isinstance(value, (list, tuple)) else [value]))

    def batch_init(self, values):
        for i, v in enumerate(values):
            parts = v if isinstance(v, (list, tuple)) else [v]
            for column, part in zip(self.columns, parts):
                column[i] = part

    def __len__(self):
        return self.size


class OptimalORAM(LinearORAM):
    """The ORAM of choice for the size."""


class OptimalPackedORAM(LinearORAM):
    """As OptimalORAM; entries are not packed."""


class LinearPackedORAM(LinearORAM):
    pass


class TrivialORAM(LinearORAM):
    pass


class TreeORAM(LinearORAM):
    pass


class PathORAM(LinearORAM):
    pass


RecursiveORAM = PackedTreeORAM = TreeORAM


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
optimal_threshold = None
crash_on_overflow = False

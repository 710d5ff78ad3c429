"""Vectors of numbers that are lists of planes, in registers and in memory.

A plane is an `sbits` with a lane for each element. In memory every element lies by itself, in as many cells as its bits
fill, so that arrays and matrices work as with other types.
"""

from Compiler.errors import VectorMismatch
from Compiler.registers import Register
from Compiler.GC.types import sbits, words


def spread(plane, size):
    """One bit in each of so many lanes."""
    return plane if plane.n == size else sbits.bit_compose([plane] * size)


def by_element(elements, n):
    """The planes of numbers that are packed one by one."""
    rows = [x.bit_decompose() for x in elements]
    if len(rows) == 1:
        return rows[0]
    return [sbits.bit_compose([row[i] for row in rows]) for i in range(n)]


class Lanes:
    """What needs no arithmetic: `v` holds the planes, `n` of them."""

    # -- vectors

    def __len__(self):
        return self.size

    def __iter__(self):
        rows = [plane.bit_decompose() for plane in self.v]
        for i in range(self.size):
            yield self._alike([row[i] for row in rows])

    def _alike(self, planes):
        r = self.__class__.__new__(self.__class__)
        r.v = planes
        return r

    def elements(self):
        return list(self)

    def _chosen(self, lanes):
        return self._alike([sbits.bit_compose([row[i] for i in lanes])
                            for row in (plane.bit_decompose() for plane in self.v)])

    def get_vector(self, base=0, size=None):
        size = self.size - base if size is None else size
        if base < 0 or base + size > self.size:
            raise IndexError('elements %d to %d of a vector of %d' % (base, base + size, self.size))
        return self if size == self.size else self._chosen(range(base, base + size))

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._chosen(range(*index.indices(self.size)))
        if index < 0:
            index += self.size
        if not 0 <= index < self.size:
            raise IndexError('element %d of a vector of %d' % (index, self.size))
        return self.get_vector(index, 1)

    def get_reverse_vector(self):
        return self[::-1]

    def expand_to_vector(self, size):
        if self.size == size:
            return self
        if self.size != 1:
            raise VectorMismatch(self.size, size)
        return self._alike([spread(plane, size) for plane in self.v])

    @classmethod
    def concat(cls, parts):
        parts = [cls.conv(p) for p in parts]
        if len(parts) == 1:
            return parts[0]
        columns = [[b for p in parts for b in p.v[i].bit_decompose()] for i in range(len(parts[0].v))]
        return parts[0]._alike([sbits.bit_compose(column) for column in columns])

    def sum(self):
        rest, odd = self, []
        while rest.size > 1:
            half = rest.size // 2
            if rest.size % 2:
                odd.append(rest[rest.size - 1])
            rest = rest.get_vector(0, half) + rest.get_vector(half, half)
        for x in odd:
            rest = rest + x
        return rest

    def prefix_sum(self):
        total, sums = None, []
        for x in self:
            total = x if total is None else total + x
            sums.append(total)
        return self.concat(sums)

    # -- memory

    @classmethod
    def mem_size(cls):
        return words(cls.n)

    @classmethod
    def n_elements(cls):
        return 1

    @classmethod
    def _addresses(cls, address, size):
        if isinstance(address, Register) and address.size == size:
            return list(address)
        return [address + i * cls.mem_size() for i in range(size)]

    @classmethod
    def load_mem(cls, address, size=None, tag=0):
        size = size or (address.size if isinstance(address, Register) else 1)
        packed = sbits.get_type(cls.n)
        r = cls.__new__(cls)
        r.v = by_element([packed.load_mem(at, 1, tag) for at in cls._addresses(address, size)], cls.n)
        return r

    def store_in_mem(self, address, tag=0):
        for x, at in zip(self, self._addresses(address, self.size)):
            sbits.bit_compose(x.v).store_in_mem(at, tag)

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

"""Slices whose bounds or step are known only at run time: arrays that share memory, of a length that is a register.

Their elements are reached one by one; a loop over `length` is the way through them.
"""

from Compiler.containers import Array, check_index
from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import plain, regint


class StridedArray:
    """`length` elements of another array from `start` on, every `step`-th; each of them may be a run-time value."""

    def __init__(self, array, start, length, step=1):
        self.array, self.start, self.step = array, plain(start), plain(step)
        self.length, self.value_type = plain(length), array.value_type

    def _place(self, index):
        index = plain(index)
        if isinstance(index, int) and index < 0:
            index = self.length + index
        if not (isinstance(index, int) and isinstance(self.length, int)):
            where = regint.conv(index)
            P.emit('crash 0 %s' % ((where < 0) + (where >= self.length)).t)
        else:
            check_index(index, self.length)
        return index * self.step + self.start

    def __getitem__(self, index):
        if isinstance(index, slice):
            raise CompilerError('a part of a part with run-time bounds cannot be taken', 'go through it with @for_range')
        return self.array[self._place(index)]

    def __setitem__(self, index, value):
        self.array[self._place(index)] = value

    def __len__(self):
        if isinstance(self.length, int):
            return self.length
        raise CompilerError('this part has a length that is known only at run time', 'use its .length in @for_range')

    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    def assign_all(self, value):
        from Compiler.control import for_range

        @for_range(self.length)
        def _(i):
            self[i] = value
        return self

    def assign(self, other, base=0):
        from Compiler.control import for_range
        other = plain(other)
        if not hasattr(other, '__getitem__'):
            return self.assign_all(other)
        source = Array.create_from(other)

        @for_range(len(source))
        def _(i):
            self[i + base] = source[i]
        return self

    def sum(self):
        from Compiler.control import for_range
        from Compiler.containers import MemValue
        total = MemValue(self.value_type(0))

        @for_range(self.length)
        def _(i):
            total.iadd(self[i])
        return total.read()

    def reveal(self):
        raise CompilerError('a part of run-time length cannot be opened at once', 'open its elements in @for_range')


def count(start, stop, step):
    """How many numbers a range has, for bounds of which some are registers."""
    if all(isinstance(x, int) for x in (start, stop, step)):
        return len(range(start, stop, step))
    up = regint.conv(step) > 0 if not isinstance(step, int) else int(step > 0)
    distance = (stop - start) * (2 * up - 1)
    size = step if isinstance(step, int) else regint.conv(step)
    size = abs(size) if isinstance(size, int) else size * (2 * up - 1)
    rounds = (distance + size - 1) // size
    return regint.conv(rounds) * (regint.conv(distance) > 0)


def of(array, index):
    """The slice of an array; bounds below zero count from its end where they are known."""
    start, stop, step = (plain(x) for x in (index.start, index.stop, index.step))
    step = 1 if step is None else step
    backwards = isinstance(step, int) and step < 0

    def bound(x, default):
        if x is None:
            return default
        return x + array.length if isinstance(x, int) and x < 0 else x
    start = bound(start, array.length - 1 if backwards else 0)
    stop = bound(stop, -1 if backwards else array.length)
    return StridedArray(array, start, count(start, stop, step), step)

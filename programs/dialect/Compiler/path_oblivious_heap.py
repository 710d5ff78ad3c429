"""A priority queue that shows nothing but how often it is used. Every access looks at all places."""

from Compiler.containers import Array
from Compiler.control import tree_reduce
from Compiler.errors import CompilerError
from Compiler.registers import plain, sint


class PathObliviousHeap:
    """A queue of at most `capacity` entries, each a value with a priority of `priority_bits` bits; the least comes first."""

    def __init__(self, capacity, security=None, value_type=sint, entry_size=None, priority_bits=31, **_ignored):
        if not isinstance(capacity, int) or capacity < 1:
            raise CompilerError('the capacity of a heap must be a positive number known while the program is compiled')
        self.capacity, self.bits = capacity, priority_bits
        self.values, self.priorities, self.used = (Array(capacity, sint) for _ in range(3))
        for array in (self.values, self.priorities, self.used):
            array.assign_all(0)

    def insert(self, value, priority, fake=0):
        """Puts a value in, unless the secret bit `fake` is one; what does not fit any more is lost."""
        wanted = 1 - sint.conv(plain(fake))
        places, free = [], sint(1)
        for i in range(self.capacity):
            empty = 1 - self.used[i]
            first = free * empty
            places.append(first)
            free = free - first
        places = sint(places) * wanted
        for array, x in ((self.values, value), (self.priorities, priority), (self.used, 1)):
            old = array.get_vector()
            array.assign_vector(old + places * (sint.conv(plain(x)) - old))

    push = insert

    def _least(self):
        n = self.capacity
        last = 1 << self.bits
        keys = [(self.priorities[i] - last) * self.used[i] + last for i in range(n)]
        entries = [(key, sint([int(i == j) for i in range(n)])) for j, key in enumerate(keys)]

        def less(a, b):
            second = b[0].less_than(a[0], self.bits + 2)
            return second.if_else(b[0], a[0]), a[1] + second * (b[1] - a[1])
        return tree_reduce(less, entries)[1]

    def find_min(self, fake=0):
        """The value with the least priority; zero if the heap is empty."""
        return (self._least() * self.used.get_vector() * self.values.get_vector()).sum()

    def extract_min(self, fake=0):
        """Takes the value with the least priority out, unless the secret bit `fake` is one."""
        places = self._least() * self.used.get_vector()
        value = (places * self.values.get_vector()).sum()
        removed = places * (1 - sint.conv(plain(fake)))
        self.used.assign_vector(self.used.get_vector() - removed)
        return value

    pop = extract_min

    def update(self, value, priority, fake=0):
        """Gives a value another priority where it is in the heap; puts it in where it is not."""
        same = (self.values.get_vector() == plain(value)) * self.used.get_vector() * (1 - sint.conv(plain(fake)))
        old = self.priorities.get_vector()
        self.priorities.assign_vector(old + same * (sint.conv(plain(priority)) - old))
        known = same.sum()
        absent = 1 - known
        self.insert(value, priority, 1 - absent * (1 - sint.conv(plain(fake))))

    def is_empty(self):
        """Whether nothing is in the heap, as a secret bit."""
        return self.used.sum() == 0

    def size(self):
        """How many entries there are, as a secret number."""
        return self.used.sum()


class UniquePathObliviousHeap(PathObliviousHeap):
    """A heap in which every value stands once."""

    def update(self, value, priority, fake=0):
        same = (self.values.get_vector() == plain(value)) * self.used.get_vector() * (1 - sint.conv(plain(fake)))
        old = self.priorities.get_vector()
        self.priorities.assign_vector(old + same * (sint.conv(plain(priority)) - old))
        skip = same.sum() + sint.conv(plain(fake)) - same.sum() * sint.conv(plain(fake))
        PathObliviousHeap.insert(self, value, priority, skip)

    def insert(self, value, priority, fake=0):
        self.update(value, priority, fake)

    push = insert


class POHToHeapQAdapter(UniquePathObliviousHeap):
    """The heap under the names of Dijkstra's queue."""

    def __init__(self, max_size, *_args, **_kwargs):
        UniquePathObliviousHeap.__init__(self, max_size)

"""Types of several values with names."""


def getNamedTupleType(*names):
    """A class of values with these names, whose parts can be reached by name and be stored in memory."""

    class NamedTuple:
        """Values with names."""

        def __init__(self, *args):
            if len(args) == 1 and isinstance(args[0], NamedTuple):
                args = args[0].tuple()
            for name, value in zip(names, args):
                setattr(self, name, value)

        @staticmethod
        def get_array(size, *kinds):
            return NamedTuple(*(kind.Array(size) for kind in kinds))

        @classmethod
        def from_tuple(cls, values):
            return cls(*values)

        def tuple(self):
            return tuple(getattr(self, name) for name in names)

        def __iter__(self):
            return iter(self.tuple())

        def __len__(self):
            return len(names)

        def __getitem__(self, index):
            return NamedTuple(*(part[index] for part in self))

        def __setitem__(self, index, values):
            for part, value in zip(self, values):
                part[index] = value

        def __coerce__(self, other):
            return NamedTuple(*(type(part)(value) for part, value in zip(self, other)))

        def __xor__(self, other):
            return NamedTuple(*(a ^ b for a, b in zip(self, other)))

        def __add__(self, other):
            return NamedTuple(*(a + b for a, b in zip(self, other)))

        def __mul__(self, other):
            return NamedTuple(*(a * other for a in self))

        __rxor__, __radd__, __rmul__ = __xor__, __add__, __mul__

        def reveal(self):
            return NamedTuple(*(part.reveal() for part in self))

    NamedTuple.names = names
    return NamedTuple

"""The parts of Python's `collections` that programs use."""

from _collections import deque  # noqa: F401


class OrderedDict(dict):
    """Dictionaries keep their order anyway."""

    def move_to_end(self, key, last=True):
        value = self.pop(key)
        if last:
            self[key] = value
        else:
            rest = list(self.items())
            self.clear()
            self[key] = value
            self.update(rest)

    def popitem(self, last=True):
        key = list(self)[-1 if last else 0]
        return key, self.pop(key)


class defaultdict(dict):
    """A dictionary that makes missing values."""

    def __init__(self, default_factory=None, *args, **keywords):
        dict.__init__(self, *args, **keywords)
        self.default_factory = default_factory

    def __missing__(self, key):
        if self.default_factory is None:
            raise KeyError(key)
        value = self[key] = self.default_factory()
        return value


class Counter(dict):
    """How often each element occurs."""

    def __init__(self, values=(), **keywords):
        dict.__init__(self)
        self.update(values, **keywords)

    def __missing__(self, key):
        return 0

    def update(self, values=(), **keywords):
        if isinstance(values, dict):
            for key, n in values.items():
                self[key] = self[key] + n
        else:
            for key in values:
                self[key] = self[key] + 1
        for key, n in keywords.items():
            self[key] = self[key] + n

    def most_common(self, n=None):
        ordered = sorted(self.items(), key=lambda item: -item[1])
        return ordered if n is None else ordered[:n]

    def elements(self):
        for key, n in self.items():
            for _ in range(n):
                yield key

    def total(self):
        return sum(self.values())


class ChainMap(dict):
    def __init__(self, *maps):
        dict.__init__(self)
        for m in reversed(maps):
            self.update(m)


def namedtuple(typename, field_names, *, rename=False, defaults=None, module=None):
    """A tuple whose elements have names."""
    if isinstance(field_names, str):
        field_names = field_names.replace(',', ' ').split()
    fields = tuple(field_names)
    given = tuple(defaults or ())
    default_values = dict(zip(fields[len(fields) - len(given):], given))

    def new(cls, *args, **keywords):
        values = dict(default_values)
        values.update(zip(fields, args))
        values.update(keywords)
        if len(args) > len(fields) or set(values) != set(fields):
            raise TypeError('%s takes the fields %s' % (typename, ', '.join(fields)))
        return tuple.__new__(cls, [values[f] for f in fields])

    space = {
        '__new__': new,
        '__slots__': (),
        '_fields': fields,
        '_make': classmethod(lambda cls, values: cls(*values)),
        '_asdict': lambda self: dict(zip(fields, self)),
        '_replace': lambda self, **changes: type(self)(**{**dict(zip(fields, self)), **changes}),
        '__repr__': lambda self: '%s(%s)' % (typename, ', '.join('%s=%r' % pair for pair in zip(fields, self))),
    }
    for i, f in enumerate(fields):
        space[f] = property(lambda self, i=i: self[i])
    return type(typename, (tuple,), space)

"""The parts of Python's `functools` that programs use."""

from _functools import reduce  # noqa: F401

WRAPPER_ASSIGNMENTS = ('__module__', '__name__', '__qualname__', '__doc__')
WRAPPER_UPDATES = ('__dict__',)


class partial:
    """A function with some arguments given."""

    def __init__(self, func, *args, **keywords):
        self.func, self.args, self.keywords = func, args, keywords

    def __call__(self, *args, **keywords):
        return self.func(*self.args, *args, **{**self.keywords, **keywords})


class partialmethod:
    def __init__(self, func, *args, **keywords):
        self.func, self.args, self.keywords = func, args, keywords

    def __get__(self, instance, owner=None):
        return partial(self.func, instance, *self.args, **self.keywords)


def update_wrapper(wrapper, wrapped, assigned=WRAPPER_ASSIGNMENTS, updated=WRAPPER_UPDATES):
    for name in assigned:
        try:
            setattr(wrapper, name, getattr(wrapped, name))
        except AttributeError:
            pass
    wrapper.__wrapped__ = wrapped
    return wrapper


def wraps(wrapped, assigned=WRAPPER_ASSIGNMENTS, updated=WRAPPER_UPDATES):
    return lambda wrapper: update_wrapper(wrapper, wrapped)


def cache(function):
    """Remembers every result."""
    known = {}

    def call(*args, **keywords):
        key = (args, tuple(sorted(keywords.items())))
        if key not in known:
            known[key] = function(*args, **keywords)
        return known[key]
    call.cache_clear = known.clear
    return update_wrapper(call, function)


def lru_cache(maxsize=128, typed=False):
    if callable(maxsize):
        return cache(maxsize)
    return cache


class cached_property:
    """A property that is computed once."""

    def __init__(self, function):
        self.function = function
        self.name = function.__name__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


def cmp_to_key(compare):
    class Key:
        def __init__(self, value):
            self.value = value

        def __lt__(self, other):
            return compare(self.value, other.value) < 0

        def __gt__(self, other):
            return compare(self.value, other.value) > 0

        def __eq__(self, other):
            return compare(self.value, other.value) == 0

        def __le__(self, other):
            return compare(self.value, other.value) <= 0

        def __ge__(self, other):
            return compare(self.value, other.value) >= 0
    return Key


def total_ordering(cls):
    """Completes __lt__ and __eq__."""
    if '__le__' not in cls.__dict__:
        cls.__le__ = lambda self, other: self < other or self == other
    if '__gt__' not in cls.__dict__:
        cls.__gt__ = lambda self, other: not (self < other or self == other)
    if '__ge__' not in cls.__dict__:
        cls.__ge__ = lambda self, other: not self < other
    return cls

"""Names of types for annotations; they mean nothing here."""

TYPE_CHECKING = False


class _Name:
    """Any subscript of a name is the name again."""

    def __init__(self, name):
        self.name = name

    def __getitem__(self, _parameters):
        return self

    def __call__(self, *_args, **_kwargs):
        return self

    def __or__(self, _other):
        return self

    __ror__ = __or__

    def __repr__(self):
        return 'typing.' + self.name


Any, AnyStr, Callable, ClassVar, Deque, Dict, Final, FrozenSet, Iterable, Iterator, List, Literal, Mapping, \
    MutableMapping, NoReturn, Optional, Self, Sequence, Set, Tuple, Type, Union = (_Name(n) for n in (
        'Any', 'AnyStr', 'Callable', 'ClassVar', 'Deque', 'Dict', 'Final', 'FrozenSet', 'Iterable', 'Iterator', 'List',
        'Literal', 'Mapping', 'MutableMapping', 'NoReturn', 'Optional', 'Self', 'Sequence', 'Set', 'Tuple', 'Type',
        'Union'))


class Generic:
    """A base class that takes parameters."""

    def __class_getitem__(cls, _parameters):
        return cls


Protocol = Generic


def TypeVar(name, *_constraints, **_options):
    return _Name(name)


def NewType(_name, kind):
    return kind


def cast(_kind, value):
    return value


def overload(function):
    return function


final = overload


def NamedTuple(name, fields=()):
    from collections import namedtuple
    return namedtuple(name, [field for field, _ in fields])

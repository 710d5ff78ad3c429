"""What programs ask of Python's own objects."""

import sys


def currentframe():
    return sys._getframe(1)


def isclass(x):
    return isinstance(x, type)


def isfunction(x):
    return isinstance(x, type(lambda: 0))


def ismethod(x):
    return isinstance(x, type(_Example().method))


def ismodule(x):
    return isinstance(x, type(sys))


def isbuiltin(x):
    return isinstance(x, type(len))


def isgenerator(x):
    return isinstance(x, type(y for y in ()))


def isroutine(x):
    return isfunction(x) or ismethod(x) or isbuiltin(x)


class _Example:
    def method(self):
        pass


def getmembers(x, predicate=None):
    found = [(name, getattr(x, name)) for name in sorted(dir(x)) if hasattr(x, name)]
    return [pair for pair in found if predicate is None or predicate(pair[1])]


def getdoc(x):
    return getattr(x, '__doc__', None)


class FullArgSpec(tuple):
    """The names of a function's parameters; the first is `args`."""

    args = property(lambda self: self[0])
    varargs = property(lambda self: self[1])
    varkw = property(lambda self: self[2])
    defaults = property(lambda self: self[3])


def getfullargspec(function):
    function = getattr(function, '__func__', function)
    code = function.__code__
    names, n = code.co_varnames, code.co_argcount
    rest = n + code.co_kwonlyargcount
    varargs = names[rest] if code.co_flags & 4 else None
    varkw = names[rest + (varargs is not None)] if code.co_flags & 8 else None
    return FullArgSpec((list(names[:n]), varargs, varkw, function.__defaults__))


getargspec = getfullargspec

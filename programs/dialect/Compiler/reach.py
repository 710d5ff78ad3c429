"""What functions of the user's can reach by name: variables, lists and objects.

A variable lives in a place: (kind, holder, key), in a name space, in a cell of a closure, or as an attribute.
"""

import sys

from Compiler.program import P

MISSING = object()
NUMBERS = (bool, int, float)
_function = type(lambda: None)
_method = type(P.label)


# -- where variables live: (kind, holder, key)

def get(place):
    kind, holder, key = place
    if kind == 'global':
        return holder.get(key, MISSING)
    if kind == 'cell':
        try:
            return holder.cell_contents
        except ValueError:
            return MISSING
    return vars(holder).get(key, MISSING)


def is_value(x):
    """Whether this is a run-time value that can be overwritten in place."""
    return getattr(type(x), 'overwritable', False)


def declare(space, tree=None):
    """Notes a name space of the user's, and which of its names functions rebind (all, without a syntax tree)."""
    names, free = set(), P.nonlocals
    pending = [tree] if tree is not None else []
    while pending:
        node = pending.pop()
        kind = type(node).__name__
        if kind == 'Global':
            names.update(node.names)
        elif kind == 'Nonlocal':
            free.update(node.names)
        for field in getattr(node, '_fields', ()):
            value = getattr(node, field, None)
            if isinstance(value, list):
                pending.extend(v for v in value if hasattr(v, '_fields'))
            elif hasattr(value, '_fields'):
                pending.append(value)
    P.spaces[id(space)] = space, names


def _is_library(space):
    name = space.get('__name__') or ''
    return name.split('.')[0] == 'Compiler' or '__spec__' in space and id(space) not in P.spaces


_code_names = {}


def names_of(code):
    """The names that a function and those inside it look up, apart from its own variables."""
    known = _code_names.get(code)
    if known is None:
        names = set(code.co_names)
        for constant in code.co_consts:
            if hasattr(constant, 'co_names'):
                names.update(names_of(constant))
        known = _code_names[code] = tuple(sorted(names))
    return known


def _is_users(kind):
    module = getattr(kind, '__module__', None)
    return any(space.get('__name__') == module for space, _ in P.spaces.values())


class Reach:
    """Everything that functions of the user's reach by name: variables, lists and objects."""

    def __init__(self, functions):
        self.places, self.lists, self.objects, self.read, self.seen = [], [], [], [], set()
        for space, names in P.spaces.values():
            self.places.extend(('global', space, name) for name in names)
        self.pending = [(f, '', False) for f in functions]
        while self.pending:
            self._visit(*self.pending.pop())

    def _visit(self, value, label, is_global):
        kind = type(value)
        if kind in LEAVES or id(value) in self.seen:
            return
        if kind is _function:
            self.seen.add(id(value))
            self._function(value)
        elif kind is _method:
            self.seen.add(id(value))
            self.pending.append((value.__func__, label, is_global))
            self.pending.append((value.__self__, label, is_global))
        elif kind is list or kind is dict:
            self.seen.add(id(value))
            self.lists.append((value, kind(value), label, is_global))
            elements = value if kind is list else value.values()
            if any(t not in LEAVES for t in set(map(type, elements))):
                self.pending.extend((x, label, is_global) for x in elements)
        elif kind is tuple:
            self.pending.extend((x, label, is_global) for x in value)
        elif kind is type:
            if _is_users(value):
                self.seen.add(id(value))
                self._class(value)
        elif hasattr(value, '__dict__') and _is_users(kind):
            self.seen.add(id(value))
            self._attributes(value)
            for base in kind.__mro__:
                self._visit(base, label, is_global)
        elif kind.__name__ == 'partial':
            self.pending.append((value.func, label, is_global))
        elif kind.__module__.split('.')[0] == 'Compiler':
            LEAVES.add(kind)

    def _function(self, function):
        code, space = function.__code__, function.__globals__
        library = _is_library(space)
        closure = function.__closure__ or ()
        for name, cell in zip(code.co_freevars, closure):
            value = get(('cell', cell, name))
            if library:
                if type(value) in (_function, _method):
                    self.pending.append((value, name, False))
                continue
            if name in P.nonlocals:
                self.places.append(('cell', cell, name))
            self._look_up(name, value, False)
        if library:
            return
        if id(space) not in P.spaces:
            declare(space)
            self.places.extend(('global', space, name) for name in space if not name.startswith('__'))
        for name in names_of(code):
            if name in space:
                self._look_up(name, space[name], True)

    def _look_up(self, name, value, is_global):
        if is_value(value) or isinstance(value, NUMBERS):
            self.read.append((name, value))
        elif type(value) not in LEAVES:
            self.pending.append((value, name, is_global))

    def _class(self, cls):
        for key, value in list(vars(cls).items()):
            if type(value) is _function:
                self._visit(value, key, False)
            elif not key.startswith('__'):
                self.places.append(('attribute', cls, key))
                self._visit(value, key, False)

    def _attributes(self, instance):
        self.objects.append((instance, set(vars(instance))))
        for key, value in list(vars(instance).items()):
            self.places.append(('attribute', instance, key))
            self._visit(value, key, False)


LEAVES = {int, float, bool, str, bytes, type(None), type(sys), type(len), type(MISSING), range, complex}

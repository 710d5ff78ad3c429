"""What `import` finds: the library under short names, the author's own modules, and stand-ins of Python's."""

import builtins
import sys

from Compiler.program import P

# modules of the library that programs import without `Compiler.`
SHORT = ('util', 'mpc_math', 'ml', 'oram', 'permutation', 'floatingpoint', 'sorting', 'path_oram', 'gs', 'dijkstra',
         'comparison', 'circuit', 'decision_tree', 'circuit_oram', 'sqrt_oram', 'path_oblivious_heap', 'library', 'types',
         'instructions', 'instructions_base', 'aes', 'non_linear')
HERE = ('math, random, re, functools, itertools, operator, collections, copy, inspect, statistics, string, typing, heapq, '
        'bisect and abc')


class Imports:
    """The function behind `import` while a program runs; `modules` are (name, file, source) of the author's."""

    def __init__(self, modules):
        self.original = builtins.__import__
        self.own = {name: (file, source) for name, file, source in modules}

    def install(self):
        builtins.__import__ = self

    def __call__(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0 and self._is_own(name):
            return self._import_own(name, fromlist)
        if level and globals and (globals.get('__name__') or '').rpartition('.')[0] in self._packages():
            package = globals['__name__'].rpartition('.')[0]
            return self(package + '.' + name if name else package, globals, locals, fromlist)
        head = name.split('.')[0]
        if level == 0 and head in SHORT and head not in sys.modules:
            self._import_short(head)
        try:
            module = self.original(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            raise self._missing(getattr(error, 'name', None) or name) from None
        for item in fromlist or ():
            if item != '*' and not hasattr(module, item) and module.__name__.split('.')[0] == 'Compiler':
                raise self._missing('%s.%s' % (module.__name__, item))
        return module

    def _missing(self, name):
        if name.split('.')[0] == 'Compiler':
            text = 'not supported: %s\n  remedy: programs/DIALECT.md lists what is' % name
        else:
            text = ('there is no module %s\n  remedy: put it beside the program; the built-in compiler knows %s; for other '
                    'packages compile with --python python3' % (name, HERE))
        error = ModuleNotFoundError(text)
        error.name = name
        return error

    def _import_short(self, head):
        try:
            self.original('Compiler.' + head, None, None, (), 0)
        except ModuleNotFoundError as error:
            raise self._missing(getattr(error, 'name', None) or 'Compiler.' + head) from None
        sys.modules[head] = sys.modules['Compiler.' + head]

    # -- the author's modules

    def _packages(self):
        return {name.rpartition('.')[0] for name in self.own}

    def _is_own(self, name):
        return name in self.own or any(own.startswith(name + '.') for own in self.own)

    def _import_own(self, name, fromlist):
        parts = name.split('.')
        for at in range(1, len(parts) + 1):
            self._load('.'.join(parts[:at]))
        module = sys.modules[name]
        if not fromlist:
            return sys.modules[parts[0]]
        for item in fromlist:
            if not hasattr(module, item) and self._is_own(name + '.' + item):
                self._load(name + '.' + item)
        return module

    def _load(self, name):
        if name in sys.modules:
            return
        module = sys.modules[name] = type(sys)(name)
        parent, _, last = name.rpartition('.')
        file, source = self.own.get(name, (None, None))
        if source is None:
            module.__path__ = []
        else:
            module.__file__ = file
            P.user_lines[file] = source.split('\n')
            try:
                exec(compile(source, file, 'exec'), module.__dict__)
            except BaseException:
                del sys.modules[name]
                raise
        if parent:
            setattr(sys.modules[parent], last, module)

"""Runs a program and hands out its record, or an error in the words of its author."""

import builtins
import sys

from Compiler import reach
from Compiler import program as program_module
from Compiler.errors import CompilerError
from Compiler.program import P

TOP_LEVEL = ('util', 'mpc_math', 'ml', 'oram', 'permutation', 'floatingpoint', 'sorting', 'path_oram', 'gs', 'dijkstra',
             'comparison', 'circuit', 'decision_tree', 'circuit_oram', 'sqrt_oram')


CALLERS_SHOWN = 5
POWER_BITS_MAX = 1 << 22
ONLY_TREE = 0x400


def _namespace():
    """What a program finds without importing it."""
    from Compiler import instructions, library, types
    from Compiler.GC import types as binary
    space = {'__name__': '__main__', '__builtins__': builtins}
    for module in (instructions, types, binary, library):
        names = getattr(module, '__all__', None) or [n for n in vars(module) if not n.startswith('_')]
        for name in names:
            if name not in ('P', 'sys', 'CompilerError'):
                space[name] = getattr(module, name)
    space['program'] = P
    if P.options.binary:
        binary.replace_types(space)
    return space


class _Finder:
    """Lets `import util` find `Compiler.util`, as programs expect."""

    @staticmethod
    def install():
        original = builtins.__import__

        def import_(name, globals=None, locals=None, fromlist=(), level=0):
            head = name.split('.')[0]
            if level == 0 and head in TOP_LEVEL and head not in sys.modules:
                __import__('Compiler.' + head)
                sys.modules[head] = sys.modules['Compiler.' + head]
            try:
                return original(name, globals, locals, fromlist, level)
            except ModuleNotFoundError as error:
                missing = str(getattr(error, 'name', None) or name)
                if missing.split('.')[0] == 'Compiler':
                    raise CompilerError('the library has no module %s' % missing) from None
                raise CompilerError(
                    'there is no module %s' % missing,
                    'the built-in compiler knows math, random, re, functools, itertools, operator and collections; '
                    'for other packages compile with --python python3') from None
        builtins.__import__ = import_


def compile_program(source, filename, name, args, settings, write):
    """Compiles; calls `write` with pieces of the record. Returns None, or the text of an error."""
    program_module.start(name, args, settings)
    sys.argv = [name] + list(args)
    _Finder.install()
    lines = source.split('\n')
    try:
        code = compile(source, filename, 'exec')
    except SyntaxError as error:
        return _message(filename, error.lineno, lines, 'SyntaxError: %s' % error.msg)
    except (RecursionError, MemoryError):
        return _message(filename, None, lines, 'the program is nested too deeply')
    except (ValueError, OverflowError) as error:
        return _message(filename, None, lines, str(error))
    huge = _huge_power(source, filename)
    if huge is not None:
        return _message(filename, huge, lines, 'a power of more than %d bits would exhaust the compiler' % POWER_BITS_MAX)
    try:
        space = _namespace()
        reach.declare(space, compile(source, filename, 'exec', ONLY_TREE))
        exec(code, space)
        _check_end()
    except BaseException as error:
        return _explain(error, filename, lines)
    P.write(write)
    return None


def _huge_power(source, filename):
    """The line of a power of two written-out numbers that is too large to compute, if there is one."""
    if '**' not in source:
        return None
    pending = [compile(source, filename, 'exec', ONLY_TREE)]
    while pending:
        node = pending.pop()
        if type(node).__name__ == 'BinOp' and type(node.op).__name__ == 'Pow':
            base, exponent = _number(node.left), _number(node.right)
            if base is not None and exponent is not None and abs(base) > 1 and (
                    exponent * (abs(base).bit_length() - 1) > POWER_BITS_MAX):
                return node.lineno
        for field in getattr(node, '_fields', ()):
            value = getattr(node, field, None)
            if isinstance(value, list):
                pending.extend(v for v in value if hasattr(v, '_fields'))
            elif hasattr(value, '_fields'):
                pending.append(value)
    return None


def _number(node):
    """The value of a written-out whole number, or of a power of two of them that is small enough."""
    kind = type(node).__name__
    if kind == 'Constant':
        return node.value if type(node.value) is int else None
    if kind == 'BinOp' and type(node.op).__name__ == 'Pow':
        base, exponent = _number(node.left), _number(node.right)
        if base is not None and exponent is not None and 0 <= exponent * abs(base).bit_length() <= POWER_BITS_MAX:
            return base ** exponent
    return None


def _check_end():
    for tape in P.tapes:
        if getattr(tape, 'pending_else', None):
            raise CompilerError('@if_e without @else_', 'use @if_ if there is nothing to do otherwise')


def _explain(error, filename, lines):
    """What went wrong, where in the program, and through which of its lines it was reached."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            places.append(trace.tb_lineno)
        trace = trace.tb_next
    if isinstance(error, CompilerError):
        text = str(error)
    elif isinstance(error, RecursionError):
        text = 'RecursionError: a function calls itself too often while the program is compiled'
    elif isinstance(error, MemoryError):
        text = 'MemoryError: the program needs more memory than compiling may use'
    elif isinstance(error, UnboundLocalError):
        text = ('NameError: %s\n  remedy: what a loop or branch at run time changes lives in memory: x = MemValue(...) '
                'outside, x.write(...) or x.iadd(...) inside' % error)
    elif isinstance(error, NameError):
        text = 'NameError: %s' % error
    elif isinstance(error, SystemExit):
        text = 'the program ends itself with exit(%s)' % ('' if error.code is None else error.code)
    elif isinstance(error, TypeError) and '() takes 0 positional arguments but ' in str(error):
        text = 'TypeError: %s\n  remedy: the function under a loop takes the index: def _(i):' % error
    elif isinstance(error, TypeError) and '__init__() ' in str(error):
        text = 'TypeError: %s' % str(error).replace('.__init__()', '()').replace('Register()', 'this type')
    elif isinstance(error, TypeError) and 'unsupported operand' in str(error):
        text = 'TypeError: %s\n  remedy: convert one side, for example with sint(...), sfix(...) or regint(...)' % error
    else:
        text = '%s: %s' % (type(error).__name__, error)
    message = _message(filename, places[-1] if places else None, lines, text)
    callers = list(reversed(places[:-1]))
    for line in callers[:CALLERS_SHOWN]:
        message += '\n  called from line %d: %s' % (line, _line(lines, line))
    if len(callers) > CALLERS_SHOWN:
        message += '\n  and through %d more calls' % (len(callers) - CALLERS_SHOWN)
    return message


def _line(lines, number):
    return lines[number - 1].strip() if number and 0 < number <= len(lines) else ''


def _message(filename, number, lines, text):
    head = '%s:%d' % (filename, number) if number else filename
    source = _line(lines, number)
    shown = '\n    %s' % source if source else ''
    first, _, rest = text.partition('\n')
    return '%s: %s%s%s' % (head, first, shown, '\n' + rest if rest else '')


def compile_job(source, filename, name, args, settings, write):
    """compile_program for callers that have texts only: lists are joined by NUL, settings are key=value."""
    known = {}
    for setting in settings.split('\0'):
        key, _, value = setting.partition('=')
        if key in ('bits', 'prime', 'binary'):
            known[key] = int(value)
        elif key == 'trace':
            known[key] = filename
        elif key:
            known[key] = value == '1'
    sys.stdout = sys.stderr
    return compile_program(source, filename, name, [a for a in args.split('\0') if a], known, write)

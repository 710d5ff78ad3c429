"""Runs a program and hands out its record, or an error in the words of its author."""

import builtins
import sys

from Compiler import reach
from Compiler import program as program_module
from Compiler.errors import CompilerError
from Compiler.explain import explain, message
from Compiler.imports import Imports
from Compiler.program import P

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


def compile_program(source, filename, name, args, settings, write, modules=()):
    """Compiles; calls `write` with pieces of the record. Returns None, or the text of an error."""
    program_module.start(name, args, settings)
    sys.argv = [name] + list(args)
    P.files.update((module[1:], text) for module, _, text in modules if module.startswith('='))
    Imports([module for module in modules if not module[0].startswith('=')]).install()
    P.user_lines[filename] = source.split('\n')
    try:
        code = compile(source, filename, 'exec')
    except SyntaxError as error:
        return message(filename, error.lineno, 'SyntaxError: %s' % error.msg)
    except (RecursionError, MemoryError):
        return message(filename, None, 'the program is nested too deeply')
    except (ValueError, OverflowError) as error:
        return message(filename, None, str(error))
    huge = _huge_power(source, filename)
    if huge is not None:
        return message(filename, huge, 'a power of more than %d bits would exhaust the compiler' % POWER_BITS_MAX)
    try:
        space = _namespace()
        reach.declare(space, compile(source, filename, 'exec', ONLY_TREE))
        exec(code, space)
        _check_end()
    except BaseException as error:
        return explain(error, filename)
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


def compile_job(source, filename, name, args, settings, write, modules=''):
    """compile_program for callers that have texts only: lists are joined by NUL, settings are key=value.

    Modules of the author come as name, file and source of one after the other; the name of a circuit begins with `=`.
    """
    known = {}
    for setting in settings.split('\0'):
        key, _, value = setting.partition('=')
        if key in ('bits', 'prime', 'binary', 'over', 'security', 'room', 'steady'):
            known[key] = int(value)
        elif key == 'trace':
            known[key] = filename
        elif key:
            known[key] = value == '1'
    sys.stdout = sys.stderr
    parts = modules.split('\0') if modules else []
    triples = [tuple(parts[at:at + 3]) for at in range(0, len(parts), 3)]
    return compile_program(source, filename, name, [a for a in args.split('\0') if a], known, write, triples)

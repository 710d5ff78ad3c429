"""What went wrong while a program was compiled, in the words of its author: file, line, source text and a remedy."""

import re

from Compiler.errors import CompilerError, UnknownName
from Compiler.program import P

CALLERS_SHOWN = 5
TABLE = 'programs/DIALECT.md lists what is supported, and what to use instead'


def explain(error, filename):
    """The message for an error, with the places in the author's files that led to it."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file in P.user_lines:
            places.append((file, trace.tb_lineno))
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        file = error.filename if error.filename in P.user_lines else filename
        return message(file, error.lineno, 'SyntaxError: %s' % error.msg)
    file, line = places[-1] if places else (filename, None)
    text = message(file, line, words(error))
    callers = list(reversed(places[:-1]))
    for file, line in callers[:CALLERS_SHOWN]:
        where = 'line %d' % line if file == filename else '%s:%d' % (file, line)
        text += '\n  called from %s: %s' % (where, source_line(file, line))
    if len(callers) > CALLERS_SHOWN:
        text += '\n  and through %d more calls' % (len(callers) - CALLERS_SHOWN)
    return text


def words(error):
    """The error itself."""
    text = str(error)
    if isinstance(error, (CompilerError, UnknownName, ModuleNotFoundError)):
        return text
    if isinstance(error, RecursionError):
        return 'RecursionError: a function calls itself too often while the program is compiled'
    if isinstance(error, MemoryError):
        return 'MemoryError: the program needs more memory than compiling may use'
    if isinstance(error, UnboundLocalError):
        return ('NameError: %s\n  remedy: what a loop or branch at run time changes lives in memory: x = MemValue(...) '
                'outside, x.write(...) or x.iadd(...) inside' % text)
    if isinstance(error, SystemExit):
        return 'the program ends itself with exit(%s)' % ('' if error.code is None else error.code)
    for kind, reader in ((NameError, _name), (AttributeError, _attribute), (ImportError, _import), (TypeError, _type)):
        if isinstance(error, kind):
            return reader(text)
    return '%s: %s' % (type(error).__name__, text)


def _not_supported(name):
    return 'not supported: %s\n  remedy: %s' % (name, TABLE)


def _name(text):
    from Compiler import documented
    found = re.search("name '([^']*)'", text)
    if found and documented.knows(found.group(1)):
        return _not_supported(found.group(1))
    return 'NameError: %s' % text


def _attribute(text):
    """A missing attribute of a type of the library is a name that is not supported; any other is the author's."""
    from Compiler import documented
    patterns = "type object '([^']*)' has no attribute '([^']*)'", "module '([^']*)' has no attribute '([^']*)'", \
        "'([^']*)' object has no attribute '([^']*)'"
    for pattern in patterns:
        found = re.search(pattern, text)
        if found and documented.is_ours(found.group(1)):
            return _not_supported('%s.%s' % (documented.public_name(found.group(1)), found.group(2)))
    return 'AttributeError: %s' % text


def _import(text):
    found = re.search("cannot import name '([^']*)' from '(Compiler[^']*)'", text)
    return _not_supported('%s.%s' % (found.group(2), found.group(1))) if found else 'ImportError: %s' % text


def _type(text):
    if '() takes 0 positional arguments but ' in text:
        return 'TypeError: %s\n  remedy: the function under a loop takes the index: def _(i):' % text
    if '__init__() ' in text:
        return 'TypeError: %s' % text.replace('.__init__()', '()').replace('Register()', 'this type')
    if 'unsupported operand' in text:
        return 'TypeError: %s\n  remedy: convert one side, for example with sint(...), sfix(...) or regint(...)' % text
    return 'TypeError: %s' % text


def source_line(file, number):
    lines = P.user_lines.get(file, ())
    return lines[number - 1].strip() if number and 0 < number <= len(lines) else ''


def message(file, number, text):
    head = '%s:%d' % (file, number) if number else file
    source = source_line(file, number)
    shown = '\n    %s' % source if source else ''
    first, _, rest = text.partition('\n')
    return '%s: %s%s%s' % (head, first, shown, '\n' + rest if rest else '')

"""The errors a program's author sees.

Every one says what is wrong and, after a dash or in `remedy`, what to do about it. The runner adds file, line and the
offending source line.
"""


class CompilerError(Exception):
    """A program that cannot be compiled."""

    def __init__(self, message, remedy=None):
        super().__init__(message if remedy is None else message + '\n  remedy: ' + remedy)


class VectorMismatch(CompilerError):
    """Two vectors of different lengths in one operation."""

    def __init__(self, left, right):
        super().__init__(
            'vectors of lengths %d and %d cannot be combined' % (left, right),
            'use vectors of one length, or a single value with a vector')


class NotCompileTime(CompilerError):
    """A run-time value where Python needs to know the value now."""

    def __init__(self, kind, use):
        if kind.startswith('s') or kind.startswith('Secret'):
            remedy = ('use x.if_else(a, b), a.max(b) or a.min(b) for secret values; nothing but .reveal() makes them '
                      'public')
        else:
            remedy = 'use @if_, @if_e/@else_, @while_do or @for_range for decisions at run time'
        super().__init__('a %s has no value while the program is compiled, so it cannot be used %s' % (kind, use), remedy)


def unknown_name(name):
    """For a name that MP-SPDZ may have and this library has not: an AttributeError, so that getattr and try work."""
    return UnknownName('not supported: %s\n  remedy: programs/DIALECT.md lists what is, and what to use instead' % name)


class UnknownName(AttributeError):
    """A name that the library does not define."""

"""Text and values on the program's output."""

import re

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import Register, Secret, cint, plain, regint


def emit_text(text):
    """Text that is always printed."""
    data = text.encode('utf-8')
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        P.emit('print_char4 0 %d' % int.from_bytes(data[at:at + 4], 'little', signed=True))
    for byte in data[whole:]:
        P.emit('print_char 0 %d' % byte)


def conditional_text(condition, text):
    """Text that is printed where the condition is not zero."""
    condition = cint.conv(condition)
    data = text.encode('utf-8')
    for at in range(0, len(data), 4):
        P.emit('cond_print_str 0 %s %d' % (
            condition.t, int.from_bytes((data[at:at + 4] + b'\0\0\0\0')[:4], 'little', signed=True)))


def pieces(text, values):
    """The text cut at its %s, with the values between."""
    parts = str(text).split('%s')
    if len(parts) != len(values) + 1:
        raise CompilerError('the text has %d places (%%s) for %d values' % (len(parts) - 1, len(values)),
                            'give one value for each %s')
    for part, value in zip(parts, tuple(values) + (None,)):
        yield part, value


def emit_value(value):
    """A value of any kind; lists with brackets and commas."""
    if isinstance(value, (list, tuple)):
        emit_text('[')
        for i, x in enumerate(value):
            if i:
                emit_text(', ')
            emit_value(x)
        emit_text(']')
        return
    if isinstance(value, Secret):
        value.output()
    if hasattr(value, 'output'):
        value.output()
    else:
        emit_text(str(value))


def _warn_of_names(text):
    """A value that Python has put into a text is there by its name only."""
    if re.search('(sint|cint|regint|sfix|cfix|sfloat)[(][a-zA-Z][0-9]+', text) and 'names' not in P.warned:
        P.warned.add('names')
        print("note: a text holds the name of a value instead of the value; write print_ln('%%s', x): %s" % text.strip())


def print_str(text, *values):
    """Prints without a line end; every %s stands for one value."""
    _warn_of_names(str(text))
    for part, value in pieces(text, values):
        emit_text(part)
        if value is not None:
            emit_value(value)


def print_ln(text='', *values):
    """Prints a line; every %s stands for one value."""
    if hasattr(text, 'output'):
        raise CompilerError('print_ln needs a text first', "write print_ln('%s', x)")
    print_str(str(text) + '\n', *values)


def print_both(text, end='\n'):
    """Prints at run time and while compiling."""
    print(text, end=end)
    print_str(text + end)


def _print_value_if(condition, value):
    value = plain(value)
    if isinstance(value, (list, tuple)):
        conditional_text(condition, '[')
        for i, x in enumerate(value):
            if i:
                conditional_text(condition, ', ')
            _print_value_if(condition, x)
        conditional_text(condition, ']')
    elif hasattr(value, 'output_if'):
        value.output_if(condition)
    elif isinstance(value, regint):
        cint(value).output_if(condition)
    elif isinstance(value, Register):
        value.output()
    else:
        conditional_text(condition, str(value))


def print_str_if(condition, text, *values):
    """Prints where the condition holds."""
    condition = cint.conv(plain(condition))
    for part, value in pieces(text, values):
        conditional_text(condition, part)
        if value is not None:
            _print_value_if(condition, value)


def print_ln_if(condition, text='', *values):
    print_str_if(condition, str(text) + '\n', *values)


def print_ln_to(player, text='', *values):
    """Prints at one party only."""
    me = regint.new(1)
    P.emit('playerid 0 %s' % me.t)
    print_str_if(me == player, str(text) + '\n', *values)


def print_float_precision(digits):
    """Significant digits of fractions from here on."""
    P.emit('print_float_prec 0 %d' % digits)


def print_float_prec(digits):
    print_float_precision(digits)

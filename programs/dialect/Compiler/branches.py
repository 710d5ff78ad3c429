"""Branches as statements: `if_then(c)` ... `else_then()` ... `end_if()`, and loops alike."""

from Compiler.control import _condition
from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import regint


def _open():
    tape = P.curr_tape
    if not hasattr(tape, 'open_branches'):
        tape.open_branches = []
    return tape.open_branches


def if_then(condition):
    """Begins what runs if the condition holds."""
    condition = regint.conv(_condition(condition, 'if_then'))
    otherwise, end = P.label(), P.label()
    P.emit('jmpeqz 0 %s @%d' % (condition.t, otherwise))
    _open().append([otherwise, end, False])


def else_then():
    """Begins what runs otherwise."""
    waiting = _open()
    if not waiting or waiting[-1][2]:
        raise CompilerError('else_then() without if_then(...)')
    otherwise, end, _ = waiting[-1]
    P.emit('jmp 0 @%d' % end)
    P.place(otherwise)
    waiting[-1][2] = True


def end_if():
    """Ends the branch."""
    waiting = _open()
    if not waiting:
        raise CompilerError('end_if() without if_then(...)')
    otherwise, end, has_else = waiting.pop()
    if not has_else:
        P.place(otherwise)
    P.place(end)

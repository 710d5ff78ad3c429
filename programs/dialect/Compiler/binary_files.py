"""Numbers written to each party's own binary file."""

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import cint, plain, regint


def write(value, player=None):
    """Writes public numbers, as 64-bit integers or (fixed point) as doubles, at one party or at all."""
    value = plain(value)
    player = -1 if player is None else player
    if hasattr(value, 'f') and hasattr(value, 'v'):
        zero = cint(0, size=value.size)
        P.emit('floatoutput %d %d %s %s %s %s' % (
            value.size, player, value.v.t, cint(-value.f, size=value.size).t, zero.t, zero.t))
    elif getattr(value, 'is_secret', False) or not hasattr(value, 't'):
        raise CompilerError('only public numbers are written to files', 'reveal() them, or write shares: write_to_file')
    else:
        value = regint.conv(value)
        P.emit('intoutput %d %d %s' % (value.size, player, value.t))

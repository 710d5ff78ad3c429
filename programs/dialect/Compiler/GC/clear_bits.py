"""Operators of public bits. Up to 64 bits lie in one register; longer ones go word by word where that is possible."""

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import Public, cint, plain, regint

WORD = 64


class ClearOperators:
    """What `cbits` can do with each other, with numbers and with public integers."""

    def _pair(self, other):
        """Both operands with as many bits as the longer one; None if the other is of another kind."""
        from Compiler.GC.types import cbits, words
        other = plain(other)
        if isinstance(other, bool):
            other = int(other)
        if isinstance(other, int):
            n = max(self.n, other.bit_length() + (other < 0))
            other = cbits.get_type(n)(other & ((1 << n) - 1))
        elif isinstance(other, Public):
            other = cbits.get_type(max(self.n, WORD))(other)
        elif not isinstance(other, cbits):
            return None
        n = max(self.n, other.n)
        sized = []
        for x in (self, other):
            if words(x.n) < words(n):
                x = self.widened(x, n)
            sized.append(x)
        return n, sized[0], sized[1]

    @staticmethod
    def widened(value, n):
        """The same bits with zeros above."""
        from Compiler.GC.types import cbits, words
        r = cbits.new(n)
        for i in range(words(n)):
            if i < words(value.n):
                P.emit('shlcbi 0 %s %s 0' % (r.word(i), value.word(i)))
            else:
                P.emit('convcint 0 %s %s' % (r.word(i), regint(0).t))
        return r

    def _xor(self, other):
        from Compiler.GC.types import cbits
        pair = self._pair(other)
        if pair is None:
            return NotImplemented
        n, a, b = pair
        r = cbits.new(n)
        P.emit('xorcb 0 %d %s %s %s' % (n, r.t, a.t, b.t))
        return r

    def _by_words(self, other, operate):
        """A bitwise operation that has no instruction of its own: by public integers, a word at a time."""
        from Compiler.GC.types import cbits, words
        pair = self._pair(other)
        if pair is None:
            return NotImplemented
        n, a, b = pair
        r = cbits.new(n)
        for i in range(words(n)):
            left, right = (cint_of_word(x, i) for x in (a, b))
            P.emit('convcint 0 %s %s' % (r.word(i), regint(operate(left, right)).t))
        return r

    def __and__(self, other):
        return self._by_words(other, lambda x, y: x & y)

    def __or__(self, other):
        return self._by_words(other, lambda x, y: x | y)

    def __xor__(self, other):
        if getattr(plain(other), 'is_secret', False):
            return plain(other) ^ self
        return self._xor(other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def _added(self, other, negative=False):
        from Compiler.GC.types import cbits
        pair = self._pair(other)
        if pair is None:
            return NotImplemented
        n, a, b = pair
        if n > WORD:
            raise CompilerError('public bits are added up to %d of them' % WORD, 'use cint for longer numbers')
        if negative:
            r = cbits.new(WORD)
            P.emit('mulcbi 0 %s %s -1' % (r.t, b.t))
            b = r
        r = cbits.new(max(n, cbits.n_default))
        P.emit('addcb 0 %s %s %s' % (r.t, a.t, b.t))
        return r

    def __add__(self, other):
        return self._added(other)

    __radd__ = __add__

    def __sub__(self, other):
        return self._added(other, True)

    def __rsub__(self, other):
        return type(self).conv(plain(other))._added(self, True)

    def __neg__(self):
        return 0 - self

    def __mul__(self, other):
        from Compiler.GC.types import cbits
        if isinstance(other, int):
            r = cbits.new(max(self.n, cbits.n_default))
            P.emit('mulcbi 0 %s %s %d' % (r.t, self.t, other))
            return r
        return regint(self) * (regint(other) if isinstance(other, cbits) else other)

    __rmul__ = __mul__

    def _shifted(self, op, by):
        r = self.new()
        if not isinstance(by, int):
            number = cint_of_word(self, 0)
            shifted = number << by if op == 'shlcbi' else number >> by
            P.emit('convcint 0 %s %s' % (r.t, regint(shifted).t))
            return r
        if self.n > WORD:
            return self._shifted_far(by if op == 'shlcbi' else -by)
        P.emit('%s 0 %s %s %d' % (op, r.t, self.t, by))
        return r

    def _shifted_far(self, by):
        """A shift across words: bit by bit."""
        from Compiler.GC.types import cbits
        bits = self.bit_decompose()
        zero = cbits.get_type(1)(0)
        moved = [zero] * by + bits if by > 0 else bits[-by:] + [zero] * -by
        return cbits.bit_compose(moved[:self.n])

    def __lshift__(self, by):
        return self._shifted('shlcbi', by)

    def __rshift__(self, by):
        return self._shifted('shrcbi', by)

    def __invert__(self):
        r = self.new()
        P.emit('notcb 0 %d %s %s' % (self.n, r.t, self.t))
        return r

    def _compared(self, other, operate):
        from Compiler.GC.types import cbits
        other = plain(other)
        return operate(regint(self), regint(other) if isinstance(other, cbits) else other)

    def __eq__(self, other):
        return self._compared(other, lambda a, b: a == b)

    def __ne__(self, other):
        return self._compared(other, lambda a, b: a != b)

    def __lt__(self, other):
        return self._compared(other, lambda a, b: a < b)

    def __gt__(self, other):
        return self._compared(other, lambda a, b: a > b)

    def __le__(self, other):
        return self._compared(other, lambda a, b: a <= b)

    def __ge__(self, other):
        return self._compared(other, lambda a, b: a >= b)

    def __hash__(self):
        return id(self)

    def bit_decompose(self, bit_length=None):
        from Compiler.GC.types import cbits
        one = cbits.get_type(1)
        bits = []
        for i in range(-(-self.n // WORD)):
            parts = [one.new() for _ in range(min(WORD, self.n - WORD * i))]
            P.emit('bitdecc 0 %s %s' % (self.word(i), ' '.join(b.t for b in parts)))
            bits += parts
        if bit_length is not None:
            bits = (bits + [one(0) for _ in range(bit_length - len(bits))])[:bit_length]
        return bits

    @classmethod
    def bit_compose(cls, parts):
        from Compiler.GC.types import cbits
        parts = [cbits.get_type(1).conv(b) for b in parts]
        r = cbits.new(len(parts))
        for i in range(-(-len(parts) // WORD)):
            total = None
            for j, b in enumerate(parts[WORD * i:WORD * (i + 1)]):
                term = regint(b) if j == 0 else regint(b) * (1 << j)
                total = term if total is None else total + term
            P.emit('convcint 0 %s %s' % (r.word(i), total.t))
        return r

    def if_else(self, a, b):
        return regint(self).if_else(a, b)

    def print_reg(self, comment=''):
        """Prints the bits as a hexadecimal number on a line of its own."""
        text = (comment.encode() + b'    ')[:4] if comment else b'\0\0\0\0'
        P.emit('print_regb %d %s %d' % (-(-self.n // WORD), self.t, int.from_bytes(text, 'little', signed=True)))

    def print_if(self, text):
        cint(regint(self)).print_if(text)

    def output_if(self, condition):
        cint(regint(self)).output_if(condition)


def cint_of_word(bits, i):
    """One word of public bits as a public integer."""
    r = regint.new(1)
    P.emit('convcbit 0 %s %s' % (r.t, bits.word(i)))
    return r

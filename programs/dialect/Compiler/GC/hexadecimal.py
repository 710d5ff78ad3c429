"""Hexadecimal texts of bits: bytes in their order, in each byte the lowest bit first."""

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import cint, regint


def bits_of_hex(text, reverse=False):
    """The bits that a text of hexadecimal digits stands for; `reverse` turns each byte around."""
    digits = text.replace(' ', '')
    if len(digits) % 2 or any(c not in '0123456789abcdefABCDEF' for c in digits):
        raise CompilerError('%r is not made of whole bytes in hexadecimal digits' % text)
    bits = []
    for at in range(0, len(digits), 2):
        byte = int(digits[at:at + 2], 16)
        one = [byte >> i & 1 for i in range(8)]
        bits += reversed(one) if reverse else one
    return bits


def print_bytes(bits):
    """Prints public bits as a line, byte after byte."""
    order = []
    for at in range(0, len(bits), 8):
        byte = bits[at:at + 8]
        order += [byte[4:], byte[:4]]
    _print_digits([nibble for nibble in order if nibble])


def print_number(bits):
    """Prints public bits as a number on a line, the lowest bit first given."""
    _print_digits([bits[at:at + 4] for at in range(0, len(bits), 4)][::-1])


def _print_digits(nibbles):
    from Compiler.containers import Array
    from Compiler.control import for_range
    from Compiler.printing import conditional_text, emit_text
    emit_text('Reg[0] = 0x')
    if nibbles:
        digits = Array(len(nibbles), regint)
        for i, nibble in enumerate(nibbles):
            value = regint(0)
            for j, b in enumerate(nibble):
                value = value + regint(b) * (1 << j)
            digits[i] = value

        @for_range(len(nibbles))
        def _(i):
            digit = digits[i]
            for d in range(16):
                conditional_text(cint(digit == d), '%x' % d)
    emit_text(' # \n')
    P.new_block()

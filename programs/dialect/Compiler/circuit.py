"""Boolean circuits by name. Files of circuits cannot be read while compiling; what is here is built from gates."""

from Compiler.errors import CompilerError


class Circuit:
    """`Circuit('aes_128')(key, plaintext)`: AES-128 on `sbitvec`s or lists of `sbits`."""

    def __init__(self, name):
        if name != 'aes_128':
            raise CompilerError('there is no circuit %r' % name,
                                "'aes_128' is built in; others can be written with sbits, & and ^")
        self.name = name

    def __call__(self, *inputs):
        from Compiler import aes
        return aes.circuit(*inputs)


def sha3_256(*_args):
    raise CompilerError('SHA-3 is not supported', 'write it with sbits, & and ^')


ieee_float = sha3_256

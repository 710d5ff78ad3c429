"""Names of the module that MP-SPDZ's instructions are made with, as far as programs use them."""

from Compiler.vectorized import (  # noqa: F401
    get_global_vector_size, reset_global_vector_size, set_global_vector_size, vectorize)

CURR_BLOCK = None
UNSECURE_THREAD = ('prime', 'gf2n')


def set_global_instruction_type(kind):
    if kind not in ('modp', 'gf2n'):
        from Compiler.errors import CompilerError
        raise CompilerError('there is no instruction type %r' % kind)


def check_vector_size(size):
    return size

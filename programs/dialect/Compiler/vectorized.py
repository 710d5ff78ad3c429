"""Functions on vectors: `vectorize` runs a function of registers with the vector size of its arguments."""

import functools

from Compiler.program import P
from Compiler.registers import Register, plain


def vectorize(function):
    """The function on vectors: single arguments are repeated for each element of the longest."""
    @functools.wraps(function)
    def call(*args, **kwargs):
        args = [plain(a) if hasattr(a, '_as_register') else a for a in args]
        size = kwargs.pop('size', None) or max([_size(a) for a in args], default=1)
        return function(*[a.expand_to_vector(size) if _size(a) == 1 and isinstance(a, Register) and size > 1 else a
                          for a in args], **kwargs)
    return call


def _size(value):
    size = getattr(value, 'size', 1)
    return size if isinstance(size, int) else 1


def vectorized_classmethod(function):
    """A class method that may be told a vector size."""
    return classmethod(vectorize(function))


vectorize_init = vectorize


def set_global_vector_size(size):
    P.global_vector_size = getattr(P, 'global_vector_size', []) + [size]


def reset_global_vector_size():
    P.global_vector_size.pop()


def get_global_vector_size():
    sizes = getattr(P, 'global_vector_size', [])
    return sizes[-1] if sizes else 1

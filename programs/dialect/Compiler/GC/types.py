"""Bits and Boolean circuits."""

__all__ = []


def replace_types(space):
    """With -B, integers are Boolean circuits."""
    from Compiler.errors import CompilerError
    raise CompilerError('Boolean programs (-B) are not supported yet', 'compile for a field: -F 64')

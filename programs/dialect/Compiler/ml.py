"""Machine learning: layers are not part of this version; programs that only import the module compile."""

from Compiler.errors import CompilerError


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    raise CompilerError('ml.%s is not supported yet' % name, 'write the layer with matrix products (Matrix.dot)')

"""Learning rates: numbers that are known while a program is compiled, and that can be written."""

from Compiler.errors import CompilerError
from Compiler.program import P


class Rate(float):
    """The rate of one optimizer."""

    def of(self, owner):
        self.owner = owner
        return self

    def write(self, value):
        """Sets the rate for all training that follows."""
        if not isinstance(value, (int, float)):
            raise CompilerError('a learning rate is a Python number', 'train in parts, with a number for each')
        if P.curr_tape.loops:
            raise CompilerError('a learning rate cannot be written in a loop at run time',
                                'write it before the loop, or go over the epochs with Python')
        self.owner.gamma = value

    def read(self):
        return float(self)


class LearningRate:
    """An attribute that holds a rate."""

    def __init__(self, default):
        self.default = default

    def __get__(self, owner, kind=None):
        if owner is None:
            return self.default
        return Rate(owner.__dict__.get('_rate', self.default)).of(owner)

    def __set__(self, owner, value):
        owner.__dict__['_rate'] = float(value)

"""Operators under the names that programs call: `a.add(b)`, `a.mul(b)`, and those that change a register in place."""


class NamedOperators:
    """For every type whose operators are Python's."""

    def add(self, other):
        return self + other

    def sub(self, other):
        return self - other

    def mul(self, other):
        return self * other

    def iadd(self, other):
        """Adds in place, so that the change survives loops."""
        return self.update(self + other)

    def isub(self, other):
        return self.update(self - other)

    def imul(self, other):
        return self.update(self * other)

    def iand(self, other):
        return self.update(self & other)

    def ior(self, other):
        return self.update(self | other)

    def ixor(self, other):
        return self.update(self ^ other)

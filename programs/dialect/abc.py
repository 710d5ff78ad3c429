"""Abstract base classes, without the check that all methods are defined."""


class ABC:
    """A base class."""


ABCMeta = type


def abstractmethod(function):
    return function


abstractproperty = property

"""Permutations of arrays: sorting networks, and random orders that nobody knows."""

from Compiler.containers import Array
from Compiler.errors import UnknownName
from Compiler.registers import plain, sint
from Compiler.sorting import stages


def odd_even_merge_sort(values, key=None):
    """Sorts a list or an Array in place by a network of comparators."""
    if hasattr(values, 'sort') and not isinstance(values, list):
        values.sort()
        return
    for pairs in stages(len(values)):
        for low, high in pairs:
            a, b = values[low], values[high]
            values[low], values[high] = (b < a).cond_swap(a, b)


chunky_odd_even_merge_sort = loopy_odd_even_merge_sort = chunkier_odd_even_merge_sort = \
    loopy_chunkier_odd_even_merge_sort = sort = odd_even_merge_sort


def cond_swap(condition, a, b):
    return condition.cond_swap(a, b)


def shuffle(values, *_args, **_kwargs):
    """A secret random order of a list of secrets or of an Array, in place."""
    if hasattr(values, 'secure_shuffle'):
        values.secure_shuffle()
        return
    array = Array.create_from(values)
    array.secure_shuffle()
    values[:] = list(array)


def random_perm(n):
    """A secret random permutation of 0 to n - 1."""
    array = Array(n, sint)
    array.assign(range(n))
    array.secure_shuffle()
    return list(array)


def inverse(permutation):
    return list(sint(list(permutation)).inverse_permutation())


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    raise UnknownName('not supported: permutation.%s\n  remedy: use secure_shuffle, secure_permute or sort of Array and '
                      'Matrix' % name)

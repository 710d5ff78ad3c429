"""Sorting in memory: Batcher's merge exchange (Knuth, volume 3, algorithm 5.2.2 M), a stage at a time as vectors."""

from Compiler.containers import Array
from Compiler.registers import regint


def stages(n):
    """The comparators (low, high) of each stage for n elements."""
    if n < 2:
        return
    t = (n - 1).bit_length()
    p = 1 << (t - 1)
    while p > 0:
        q, r, d = 1 << (t - 1), 0, p
        while d > 0:
            pairs = [(i, i + d) for i in range(n - d) if i & p == r]
            if pairs:
                yield pairs
            d, q, r = q - p, q >> 1, p
        p >>= 1


def sort_array(array, bits=None):
    """Sorts an array in place, smallest first."""
    for pairs in stages(array.length):
        low = regint([i for i, _ in pairs])
        high = regint([j for _, j in pairs])
        a, b = array.get(low), array.get(high)
        swap = b.less_than(a, bits) if bits else b < a
        difference = swap * (b - a) if not hasattr(b, 'v') else type(b)._new(swap * (b.v - a.v), b.k, b.f)
        (a + difference).store_in_mem(low + array.address, array.tag)
        (b - difference).store_in_mem(high + array.address, array.tag)


def sort_matrix(matrix, key_indices=None, bits=None):
    """Sorts the rows of a matrix in place by one column (the first, if nothing is said)."""
    key = 0
    if key_indices is not None:
        key = key_indices[0] if isinstance(key_indices, (list, tuple)) else key_indices
    rows, columns = matrix.sizes
    flat = Array(rows * columns, matrix.value_type, matrix.address, matrix.tag)
    for pairs in stages(rows):
        low = regint([i * columns for i, _ in pairs])
        high = regint([j * columns for _, j in pairs])
        swap = flat.get(high + key) < flat.get(low + key)
        for column in range(columns):
            a, b = flat.get(low + column), flat.get(high + column)
            difference = swap * (b - a)
            (a + difference).store_in_mem(low + column + flat.address, flat.tag)
            (b - difference).store_in_mem(high + column + flat.address, flat.tag)

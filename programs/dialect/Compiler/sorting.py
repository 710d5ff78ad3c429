"""Sorting in memory: Batcher's merge exchange (Knuth, volume 3, algorithm 5.2.2 M), a stage at a time as vectors."""

from Compiler.containers import Array, Matrix
from Compiler.errors import VectorMismatch
from Compiler.program import P
from Compiler.registers import plain, regint, sint


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
        difference = swap * (b - a) if not getattr(b, 'is_fixed', False) else type(b)._new(swap * (b.v - a.v), b.k, b.f)
        (a + difference).store_in_mem(low + array.address, array.tag)
        (b - difference).store_in_mem(high + array.address, array.tag)


def _key_offset(matrix, key_indices):
    """Where the key stands in each part: `key_indices` pick one element of it, the first if nothing is said."""
    if key_indices is None:
        return 0
    if not isinstance(key_indices, (list, tuple)):
        key_indices = [key_indices]
    offset, stride = 0, matrix.part_size()
    for index, size in zip(key_indices, matrix.sizes[1:]):
        stride //= size
        offset += index * stride
    return offset


def sort_matrix(matrix, key_indices=None, bits=None):
    """Sorts the rows of a matrix (the parts of a tensor) in place by one of their elements."""
    key, width = _key_offset(matrix, key_indices), matrix.part_size()
    flat = matrix.to_array()
    for pairs in stages(matrix.sizes[0]):
        low = regint([i * width for i, _ in pairs])
        high = regint([j * width for _, j in pairs])
        a, b = flat.get(low + key), flat.get(high + key)
        swap = b.less_than(a, bits) if bits else b < a
        for column in range(width):
            a, b = flat.get(low + column), flat.get(high + column)
            difference = swap * (b - a) if not getattr(b, 'is_fixed', False) else type(b)._new(swap * (b.v - a.v), b.k, b.f)
            (a + difference).store_in_mem(low + column + flat.address, flat.tag)
            (b - difference).store_in_mem(high + column + flat.address, flat.tag)


def radix_sort(keys, data, n_bits=None, signed=True):
    """Sorts the elements (or rows) of `data` in place by the keys; equal keys keep their order. `keys` stays as it is
    unless it is `data`."""
    n = len(keys)
    if len(data) != n:
        raise VectorMismatch(n, len(data))
    # the position behind the key makes the order of equal keys definite
    bits = (n_bits or P.bit_length) + (n - 1).bit_length()
    width = 1 if isinstance(data, Array) else data.part_size()
    rows = Matrix(n, width + 1, sint)
    rows.set_column(0, plain(keys) * (1 << (n - 1).bit_length()) + regint.inc(n))
    for column in range(width):
        rows.set_column(column + 1, data.to_array().get(regint.inc(n, column, width)))
    sort_matrix(rows, None, bits + 1)
    for column in range(width):
        values = rows.get_column(column + 1)
        values.store_in_mem(regint.inc(n, column, width) + data.address, data.tag)


def radix_sort_from_matrix(bits, data):
    """radix_sort by keys that are given by their bits, a row for each, lowest first."""
    keys = Array(len(data), sint)
    keys.assign_vector(sum(row.get_vector() * (1 << i) for i, row in enumerate(bits)))
    radix_sort(keys, data, n_bits=len(bits), signed=False)


def reveal_sort(keys, data, reverse=False):
    """Puts the elements (or rows) of `data` at the places that the keys, a permutation of 0, 1, ..., say, in place; with
    `reverse`, takes them from there. The keys are opened in an order that nobody knows."""
    n = len(keys)
    if len(data) != n:
        raise VectorMismatch(n, len(data))
    order = sint.get_secure_shuffle(n)
    opened = regint(plain(keys).secure_permute(order).reveal())
    width = 1 if isinstance(data, Array) else data.part_size()
    flat = data.to_array()
    places = opened if width == 1 else _spread(opened, width)
    if not reverse:
        moved = flat.get_vector().secure_permute(order, unit=width)
        moved.store_in_mem(places + flat.address, flat.tag)
    else:
        flat.assign_vector(flat.get(places))
        flat.assign_vector(flat.get_vector().secure_permute(order, unit=width, reverse=True))
    P.emit('delshuffle 0 %s' % order.t)


def _spread(rows, width):
    """The places of all elements of rows, given the places of the rows."""
    each = regint.concat([regint(r, size=width) for r in rows])
    return each * width + regint.inc(rows.size * width, 0, 1, 1, width)


def sort(keys, data=None, n_bits=None):
    """Sorts `data` (the keys themselves, if nothing is said) by the keys."""
    radix_sort(keys, keys if data is None else data, n_bits)

"""Boolean circuits on planes: a number is a list of `sbits`, one for each bit, least significant first.

What counts is the number of AND gates (each spends a bit triple for every lane) and their depth (each level is a round).
"""


def xor_all(planes):
    while len(planes) > 1:
        planes = [planes[i] ^ planes[i + 1] if i + 1 < len(planes) else planes[i] for i in range(0, len(planes), 2)]
    return planes[0]


def and_all(planes):
    while len(planes) > 1:
        planes = [planes[i] & planes[i + 1] if i + 1 < len(planes) else planes[i] for i in range(0, len(planes), 2)]
    return planes[0]


class _Span:
    """A run of positions: what it carries out if nothing comes in, and whether it passes on what comes in.

    A single position passes on if its bits differ, and carries its first bit out otherwise; a carry that was passed on
    makes the first bit of a position irrelevant. So its own carry, an AND, is computed only where it is asked for.
    """

    def __init__(self, first, half, carry=None, second=None):
        self.first, self.half, self.known, self.second = first, half, carry, second

    def carry(self):
        if self.known is None:
            self.known = self.first & self.second
        return self.known

    def after(self, low, passes=True):
        """This span and the one below it."""
        incoming = low.carry()
        base = self.first if self.known is None and self.first is not None else None
        if base is not None:
            # the second operand of a multiplexer: incoming where the bits differ, the first bit elsewhere
            carry = base ^ (self.half & (base ^ incoming))
        else:
            carry = self.known ^ (self.half & incoming)
        return _Span(None, self.half & low.half if passes else None, carry)


def _spans(a, b, half, carry):
    """The positions of a + b; a carry into the lowest becomes part of it."""
    spans = [_Span(x, h, second=y) for x, y, h in zip(a, b, half)]
    if carry is not None:
        x, h = a[0], half[0]
        spans[0] = _Span(None, None, x ^ (h & (x ^ carry)))
    return spans


def carries(spans):
    """The carry out of every position, by Brent and Kung's prefix tree."""
    n = len(spans)
    if n == 1:
        return [spans[0].carry()]
    pairs = [spans[i + 1].after(spans[i], passes=i > 0) for i in range(0, n - 1, 2)]
    if n == 2:
        return [spans[0].carry(), pairs[0].carry()]
    odd = carries(pairs)
    result = [spans[0].carry(), odd[0]]
    for i in range(2, n):
        if i % 2:
            result.append(odd[i // 2])
        else:
            result.append(spans[i].after(_Span(None, None, odd[i // 2 - 1]), passes=False).carry())
    return result


def add(a, b, carry=None):
    """a + b (+ carry), cut to the length of a."""
    half = [x ^ y for x, y in zip(a, b)]
    first = half[0] if carry is None else half[0] ^ carry
    if len(a) == 1:
        return [first]
    out = carries(_spans(a[:-1], b[:-1], half[:-1], carry))
    return [first] + [h ^ c for h, c in zip(half[1:], out)]


def carry_out(a, b, carry=None):
    """The carry out of a + b (+ carry), by a tree."""
    half = [x ^ y for x, y in zip(a, b)]
    nodes = _spans(a, b, half, carry)
    while len(nodes) > 1:
        merged = [nodes[i + 1].after(nodes[i], passes=i > 0) for i in range(0, len(nodes) - 1, 2)]
        nodes = merged + nodes[len(nodes) // 2 * 2:]
    return nodes[0].carry()


def subtract(a, b, one):
    return add(a, [~x for x in b], one)


def negate(a, zero, one):
    return add([zero for _ in a], [~x for x in a], one)


def _lower(columns, height):
    """The same sum with no column higher than so many bits, if they were at most half again as high (Dadda)."""
    n, carried = len(columns), []
    for weight in range(n):
        column, made = columns[weight], []
        while len(column) + len(made) + len(carried) > height:
            if len(column) + len(made) + len(carried) == height + 1:
                x, y, column = column[0], column[1], column[2:]
                made.append((x ^ y, x & y if weight + 1 < n else None))
            else:
                x, y, z, column = column[0], column[1], column[2], column[3:]
                made.append((x ^ y ^ z, y ^ ((x ^ y) & (y ^ z)) if weight + 1 < n else None))
        columns[weight] = column + [total for total, _ in made] + carried
        carried = [carry for _, carry in made if carry is not None]
    return columns


def multiply(a, b, zero):
    """The low half of the product: the bits of each weight are added until two numbers are left."""
    n = len(a)
    columns = [[a[i - j] & b[j] for j in range(i + 1)] for i in range(n)]
    heights = [2]
    while heights[-1] < n:
        heights.append(heights[-1] * 3 // 2)
    for height in reversed(heights):
        columns = _lower(columns, height)
    # below the first column with two bits there is nothing to add
    low = next((i for i, column in enumerate(columns) if len(column) == 2), n)
    result = [column[0] for column in columns[:low]]
    if low < n:
        first = [column[0] for column in columns[low:]]
        second = [column[1] if len(column) == 2 else zero for column in columns[low:]]
        result += add(first, second)
    return result


def less(a, b, one, signed=True):
    """[a < b]."""
    if signed:
        a, b = a[:-1] + [~a[-1]], b[:-1] + [~b[-1]]
    # a + ~b + 1 carries out exactly if a >= b
    return ~carry_out(a, [~x for x in b], one)


def equal(a, b):
    return and_all([~(x ^ y) for x, y in zip(a, b)])


def choose(bit, a, b):
    """a where the bit is one, b elsewhere."""
    return [y ^ (bit & (x ^ y)) for x, y in zip(a, b)]


def count(planes, zero):
    """How many planes are one, as a number: full adders for each weight until one bit of it is left."""
    columns, result = [list(planes)], []
    length = len(planes).bit_length()
    while columns:
        column = columns.pop(0)
        carried = columns[0] if columns else []
        while len(column) > 1:
            if len(column) == 2:
                x, y = column
                column, carry = [x ^ y], x & y
            else:
                x, y, z = column[:3]
                column, carry = column[3:] + [x ^ y ^ z], y ^ ((x ^ y) & (y ^ z))
            carried.append(carry)
        result += column
        if carried and not columns:
            columns.append(carried)
    return (result + [zero] * length)[:length]


def divide(a, b, zero, one):
    """Quotient and rest of two's-complement numbers, rounded down; what division by zero gives is not defined."""
    n = len(a)
    sign_b = b[-1]
    a, b = choose(sign_b, negate(a, zero, one), a), choose(sign_b, negate(b, zero, one), b)
    sign = a[-1]
    rest, quotient = [zero] * n, []
    for bit in reversed([x ^ sign for x in a]):
        # one bit more than the numbers have, so that nothing overflows
        shifted = [bit] + rest
        wide = b + [zero]
        enough = ~less(shifted, wide, one, signed=False)
        reduced = subtract(shifted, wide, one)
        rest = choose(enough, reduced, shifted)[:n]
        quotient.append(enough)
    quotient = [q ^ sign for q in reversed(quotient)]
    # for a negative dividend the rest counts from the other end: b - 1 - rest
    rest = choose(sign, subtract(subtract(b, rest, one), [one] + [zero] * (n - 1), one), rest)
    return quotient, choose(sign_b, negate(rest, zero, one), rest)

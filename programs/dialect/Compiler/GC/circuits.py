"""Boolean circuits on planes: a number is a list of `sbits`, one for each bit, least significant first."""


def xor_all(planes):
    while len(planes) > 1:
        planes = [planes[i] ^ planes[i + 1] if i + 1 < len(planes) else planes[i] for i in range(0, len(planes), 2)]
    return planes[0]


def and_all(planes):
    while len(planes) > 1:
        planes = [planes[i] & planes[i + 1] if i + 1 < len(planes) else planes[i] for i in range(0, len(planes), 2)]
    return planes[0]


def carries(generate, propagate):
    """The carry out of every position, by Sklansky's prefix tree."""
    g, p, n, span = list(generate), list(propagate), len(generate), 1
    while span < n:
        for start in range(span, n, 2 * span):
            pivot = start - 1
            for i in range(start, min(start + span, n)):
                g[i] = g[i] ^ (p[i] & g[pivot])
                if start > span:
                    p[i] = p[i] & p[pivot]
        span *= 2
    return g


def add(a, b, carry=None):
    """a + b (+ carry), cut to the length of a."""
    n = len(a)
    half = [x ^ y for x, y in zip(a, b)]
    both = [x & y for x, y in zip(a, b)]
    if carry is not None:
        both[0] = both[0] ^ (half[0] & carry)
    out = carries(both[:-1], half[:-1]) if n > 1 else []
    first = half[0] if carry is None else half[0] ^ carry
    return [first] + [h ^ c for h, c in zip(half[1:], out)]


def subtract(a, b, one):
    return add(a, [~x for x in b], one)


def negate(a, zero, one):
    return add([zero for _ in a], [~x for x in a], one)


def multiply(a, b, zero):
    """The low half of the product."""
    n = len(a)
    rows = [[zero] * i + [x & b[i] for x in a[:n - i]] for i in range(n)]
    while len(rows) > 2:
        rest = rows[len(rows) // 3 * 3:]
        merged = []
        for i in range(0, len(rows) // 3 * 3, 3):
            x, y, z = rows[i:i + 3]
            total = [p ^ q ^ r for p, q, r in zip(x, y, z)]
            carry = [zero] + [q ^ ((p ^ q) & (q ^ r)) for p, q, r in zip(x, y, z)][:-1]
            merged += [total, carry]
        rows = merged + rest
    return add(rows[0], rows[1]) if len(rows) == 2 else rows[0]


def less(a, b, one, signed=True):
    """[a < b]."""
    if signed:
        a, b = a[:-1] + [~a[-1]], b[:-1] + [~b[-1]]
    nb = [~x for x in b]
    # a + ~b + 1 carries out exactly if a >= b; only the last carry matters, so a tree suffices
    half = [x ^ y for x, y in zip(a, nb)]
    both = [x & y for x, y in zip(a, nb)]
    both[0] = both[0] ^ half[0]
    nodes = list(zip(both, half))
    while len(nodes) > 1:
        merged = []
        for i in range(0, len(nodes) - 1, 2):
            (low, low_half), (high, high_half) = nodes[i], nodes[i + 1]
            merged.append((high ^ (high_half & low), high_half & low_half if i else high_half))
        nodes = merged + nodes[len(nodes) // 2 * 2:]
    return ~nodes[0][0]


def equal(a, b):
    return and_all([~(x ^ y) for x, y in zip(a, b)])


def choose(bit, a, b):
    """a where the bit is one, b elsewhere."""
    return [y ^ (bit & (x ^ y)) for x, y in zip(a, b)]


def count(planes, zero):
    """How many planes are one, as a number."""
    numbers = [[p] for p in planes]
    while len(numbers) > 1:
        paired = []
        for i in range(0, len(numbers) - 1, 2):
            n = max(len(numbers[i]), len(numbers[i + 1])) + 1
            x, y = (v + [zero] * (n - len(v)) for v in numbers[i:i + 2])
            paired.append(add(x, y))
        numbers = paired + numbers[len(numbers) // 2 * 2:]
    return numbers[0]

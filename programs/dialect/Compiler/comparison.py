"""Non-linear operations on secret integers: sign, equality, truncation, bit decomposition.

The method (Catrina and de Hoogh, "Improved primitives for secure multiparty integer computation", 2010): open the value
under a mask of random bits that is longer than the value by the statistical security parameter, do the rest in public,
and correct by a comparison of public bits with the mask's bits in a tree of logarithmic depth.

All bits of all lanes of one operation lie in one vector, *plane* after plane (the same bit of all lanes), in an order
that makes every level of the tree work on two contiguous halves: see `tree_order`. A level is then a handful of vector
instructions. The mask hides a value statistically only: 2^-security per opening.
"""

from Compiler.errors import CompilerError
from Compiler.program import P, template
from Compiler.registers import SMALL, cint, regint, sint

_orders = {}


def tree_order(n):
    """Which bit the plane at each position holds, so that a node's children are plane j and plane j + half.

    Neighbouring bits must be combined, low with high; with this order the low children of every level are its first
    half and the high children its second. Of an odd number of nodes the last (most significant) waits.
    """
    order = _orders.get(n)
    if order is None:
        sizes = [n]
        while sizes[-1] > 1:
            sizes.append((sizes[-1] + 1) // 2)
        order = [0]
        for level in range(len(sizes) - 2, -1, -1):
            half, odd = divmod(sizes[level], 2)
            order = [2 * x for x in order[:half]] + [2 * x + 1 for x in order[:half]] + [2 * x for x in order[half:]]
        _orders[n] = order
    return order


def random_planes(n, size):
    """n planes of random secret bits."""
    return sint.get_random_bit(size=n * size)


def compose(planes, n, size):
    """The numbers whose bits the planes (in tree order) hold."""
    width = 1
    while n > 1:
        half, odd = divmod(n, 2)
        low, high = planes.lane(0, half * size), planes.lane(half * size, half * size)
        total = low + high * (1 << width)
        if odd:
            total = sint.concat([total, planes.lane(2 * half * size, size)])
        planes, n, width = total, half + odd, 2 * width
    return planes


def random_number(bits, size=1):
    """Uniform secret numbers of so many bits."""
    if bits == 0:
        return sint(0, size=size)
    return compose(random_planes(bits, size), bits, size)


def clear_planes(value, n, order):
    """The low n bits of a public number, as planes in the given order."""
    size = value.size
    position = [0] * n
    for at, bit in enumerate(order):
        position[bit] = at
    bits = regint.new(n * size)
    done, rest = 0, value
    while done < n:
        take = min(n - done, 62)
        word = regint.new(size)
        low = rest if n <= 62 and done == 0 else rest % (1 << take)
        P.emit('convmodp %d %s %s 0 0' % (size, word.t, low.t))
        P.emit('bitdecint %d %s %s' % (
            size, word.t, ' '.join(bits.lane(position[done + i] * size).t for i in range(take))))
        done += take
        if done < n:
            rest = rest >> take
    return cint(bits)


def masked_open(x, k, m, signed=True):
    """Opens x + offset + r; returns the opened value, r mod 2^m as planes, and as a number."""
    security = P.security
    P.masked(k + security + 1)
    size = x.size
    low_planes, low = mask_with_bits(m, size)
    mask = low
    if k + security > m:
        mask = high_mask(k + security - m, size) * (1 << m) + low
    shifted = x + (1 << (k - 1)) if signed else x
    return (shifted + mask).reveal(), low_planes, low


def mask_with_bits(n, size):
    """Random numbers below 2^n and their bits: planes of one sint in tree order, or with -X or -Y a list of sbits."""
    if P.options.edabit and n > 1:
        P.features.add('edabit')
        number, planes = sint.get_edabit(n, True, size=size)
        return planes, number
    if P.options.mixed and n > 1:
        pairs = [sint.get_dabit(size=size) for _ in range(n)]
        return [b for _, b in pairs], weighted_sum([a for a, _ in pairs])
    planes = random_planes(n, size)
    return planes, compose(planes, n, size)


def high_mask(n, size):
    """Random numbers of at least n bits whose bits do not matter."""
    if P.options.edabit:
        return sint.get_edabit(n, False, size=size)[0]
    return random_number(n, size)


def weighted_sum(bits_):
    """The number with the given bits, by Horner's rule."""
    total = bits_[-1]
    for b in reversed(bits_[:-1]):
        total = total * 2 + b
    return total


def public_bits(value, n, size):
    """The low n bits of public numbers as cbits with a lane for each number."""
    from Compiler.GC.types import cbits
    planes = [cbits.new(size) for _ in range(n)]
    P.emit('convcintvec %d %s %s' % (size, value.t, ' '.join(b.t for b in planes)))
    return planes


def to_arithmetic(bit, size):
    """One Boolean bit for each lane as a sint, by a daBit."""
    a, b = sint.get_dabit(size=size)
    c = cint((bit ^ b).reveal().to_regint_by_bit())
    return a + c - 2 * (a * c)


def less_than_bits(public, planes, n):
    """less_than_planes for Boolean planes."""
    size = public.size
    levels = []
    for c, r in zip(public_bits(public, n, size), planes):
        equal = ~(r ^ c)
        levels.append((r ^ (r._and_public(c)), equal))
    while len(levels) > 1:
        merged = []
        for i in range(0, len(levels) - 1, 2):
            (low_greater, low_equal), (greater, equal) = levels[i], levels[i + 1]
            merged.append((greater ^ (equal & low_greater), equal & low_equal if i else None))
        levels = merged + levels[len(levels) // 2 * 2:]
    return to_arithmetic(levels[0][0], size)


def less_than_planes(public, planes, n):
    """[public < secret] for n-bit numbers, the secret ones given by planes in tree order."""
    if isinstance(planes, list):
        return less_than_bits(public, planes, n)
    size = public.size
    c = clear_planes(public, n, tree_order(n))
    not_c = 1 - c
    greater = planes * not_c
    equal = planes * (2 * c - 1) + not_c
    while n > 1:
        half, odd = divmod(n, 2)
        both = half * size
        product = sint.new(both)
        groups = [(both, product, equal.lane(both), greater)]
        next_equal = sint.new((half + odd) * size)
        if half > 1:
            groups.append((both - size, next_equal.lane(size), equal.lane(both + size), equal.lane(size)))
        if odd:
            P.emit('movs %d %s %s' % (size, next_equal.lane(both).t, equal.lane(2 * both).t))
        P.emit('muls 0 ' + ' '.join('%d %s %s %s' % (length, d.t, a.t, b.t) for length, d, a, b in groups))
        total = product + greater.lane(both, both)
        if odd:
            total = sint.concat([total, greater.lane(2 * both, size)])
        greater, equal, n = total, next_equal, half + odd
    return greater


def _check_length(k):
    if not isinstance(k, int) or k < 1:
        raise CompilerError('a bit length must be a positive number known while the program is compiled, not %s' % k)


def _mod_parts(x, k, m, signed):
    """(c, r, borrow) with x mod 2^m = c - r + 2^m borrow."""
    opened, planes, low = masked_open(x, k, m, signed)
    public = opened % (1 << m)
    return public, low, less_than_planes(public, planes, m)


@template
def mod2m(x, k, m, signed=True):
    """x mod 2^m for a k-bit number."""
    _check_length(k)
    if m == 0:
        return sint(0, size=x.size)
    if m >= k:
        if not signed:
            return x
        return x + negative(x, k) * (1 << m)
    public, low, borrow = _mod_parts(x, k, m, signed)
    return public - low + borrow * (1 << m)


def inverse_of_power(m):
    """1 / 2^m in the field."""
    r = cint.new(1)
    P.emit('inv2m 1 %s %d' % (r.t, m))
    return r


@template
def negative(x, k):
    """[x < 0] for a signed k-bit number."""
    _check_length(k)
    if k == 1:
        return -x
    m = k - 1
    public, low, borrow = _mod_parts(x, k, m, True)
    return borrow - (x + low - public) * inverse_of_power(m).expand_to_vector(x.size)


@template
def trunc(x, k, m, signed=True):
    """floor(x / 2^m), exactly."""
    _check_length(k)
    if m == 0:
        return x
    if m >= k:
        return -negative(x, k) if signed else sint(0, size=x.size)
    if signed and m == k - 1:
        return -negative(x, k)
    return (x - mod2m(x, k, m, signed)) * inverse_of_power(m).expand_to_vector(x.size)


@template
def trunc_pr(x, k, m, signed=True):
    """x / 2^m, rounded up with a probability of the fraction lost; no comparison, one round."""
    _check_length(k)
    if m == 0:
        return x
    opened, _, low = masked_open(x, k, m, signed)
    low = low - (opened % (1 << m)) + x
    return low * inverse_of_power(m).expand_to_vector(x.size)


def all_ones(planes, n, size):
    """The product of n planes."""
    while n > 1:
        half, odd = divmod(n, 2)
        both = half * size
        product = planes.lane(0, both) * planes.lane(both, both)
        if odd:
            product = sint.concat([product, planes.lane(2 * both, size)])
        planes, n = product, half + odd
    return planes


@template
def zero(x, k):
    """[x = 0] for a number of absolute value below 2^k."""
    _check_length(k)
    opened, planes, _ = masked_open(x, k, k, True)
    # low bits of the opened value without the offset 2^(k-1) equal the mask's, if x is zero
    public = (opened + (1 << (k - 1))) % (1 << k)
    if isinstance(planes, list):
        from Compiler.GC import circuits
        same = [~(r ^ c) for r, c in zip(planes, public_bits(public, k, x.size))]
        return to_arithmetic(circuits.and_all(same), x.size)
    public = clear_planes(public, k, tree_order(k))
    same = planes * (2 * public - 1) + (1 - public)
    return all_ones(same, k, x.size)


def prefix_borrows(greater, equal, n, size):
    """The borrow out of every position, by Sklansky's prefix tree: lists of planes, least significant first."""
    span = 1
    while span < n:
        groups, updates = [], []
        for start in range(span, n, 2 * span):
            pivot = start - 1
            for i in range(start, min(start + span, n)):
                product = sint.new(size)
                groups.append('%d %s %s %s' % (size, product.t, equal[i].t, greater[pivot].t))
                both = None
                if start > span:
                    both = sint.new(size)
                    groups.append('%d %s %s %s' % (size, both.t, equal[i].t, equal[pivot].t))
                updates.append((i, product, both))
        P.emit('muls 0 ' + ' '.join(groups))
        for i, product, both in updates:
            greater[i] = greater[i] + product
            equal[i] = both
        span *= 2
    return greater


@template
def canonical_bits(x, n, k):
    """The low n bits of the canonical representative: of p - |x| for a negative x."""
    negative_x = negative(x, k)
    return bits(x + negative_x * (P.prime % (1 << n)), n, k + 1)


@template
def bits(x, n, k=None):
    """The low n bits of a secret of k bits (n, if nothing is said; signed or not), least significant first."""
    _check_length(n)
    k = k or n
    size = x.size
    order = tree_order(n)
    position = [0] * n
    for at, bit in enumerate(order):
        position[bit] = at
    P.masked(k + P.security + 1)
    planes = random_planes(n, size)
    mask = random_number(k - n + P.security, size) * (1 << n) + compose(planes, n, size)
    opened = (x + (1 << k) + mask).reveal()
    c = clear_planes(opened % (1 << n), n, order)
    not_c = 1 - c
    all_greater = planes * not_c
    all_equal = planes * (2 * c - 1) + not_c
    at = [p * size for p in position]
    greater = [all_greater.lane(i, size) for i in at]
    equal = [all_equal.lane(i, size) for i in at]
    borrows = prefix_borrows(greater, equal, n, size)
    difference = c - planes
    result = []
    for i in range(n):
        b = difference.lane(at[i], size) + borrows[i] * 2
        result.append(b - borrows[i - 1] if i else b)
    return result


def suffix_products(factors):
    """For each position the product of all factors from there to the end, in a prefix tree."""
    values = list(reversed(factors))
    n, size, span = len(values), values[0].size, 1
    while span < n:
        groups, updates = [], []
        for start in range(span, n, 2 * span):
            for i in range(start, min(start + span, n)):
                product = sint.new(size)
                groups.append('%d %s %s %s' % (size, product.t, values[i].t, values[start - 1].t))
                updates.append((i, product))
        P.emit('muls 0 ' + ' '.join(groups))
        for i, product in updates:
            values[i] = product
        span *= 2
    return list(reversed(values))


@template
def leading_one(x, k):
    """A list of k secret bits: the one at the highest set bit of 0 <= x < 2^k is one (none, if x is zero)."""
    b = bits(x, k)
    above = suffix_products([1 - y for y in b])
    return [(above[i + 1] if i + 1 < k else 1) - above[i] for i in range(k)]


def one_hot(index_bits):
    """All 2^n unit bits of the number with the given bits: the one at its value is one."""
    if len(index_bits) == 1:
        return [1 - index_bits[0], index_bits[0]]
    half = len(index_bits) // 2
    low, high = one_hot(index_bits[:half]), one_hot(index_bits[half:])
    size = index_bits[0].size
    products = [sint.new(size) for _ in range(len(low) * len(high))]
    groups = []
    for i, h in enumerate(high):
        for j, l in enumerate(low):
            groups.append('%d %s %s %s' % (size, products[i * len(low) + j].t, h.t, l.t))
    P.emit('muls 0 ' + ' '.join(groups))
    return products


def table(unit_bits, constants):
    """The public constant at the position of the unit bit."""
    total = None
    for b, c in zip(unit_bits, constants):
        if isinstance(c, int) and c == 0:
            continue
        term = b * c
        total = term if total is None else total + term
    return sint(0) if total is None else total


def power_of_bits(exponent_bits):
    """2^e for the secret e of the given bits."""
    factors = []
    for i, b in enumerate(exponent_bits):
        factors.append(b * ((1 << (1 << i)) - 1) + 1)
    while len(factors) > 1:
        factors = [factors[i] * factors[i + 1] if i + 1 < len(factors) else factors[i]
                   for i in range(0, len(factors), 2)]
    return factors[0]


def exponent_length(l):
    """Bits of an exponent below l."""
    return max(1, (l - 1).bit_length())


def pow2(x, l):
    """2^x for a secret 0 <= x < l."""
    P.require_bit_length(l)
    return power_of_bits(bits(x, exponent_length(l)))


def secret_shift(x, m, k):
    """x >> m for a secret 0 <= m < k: the bits below m go, the rest is divided by 2^m."""
    units = one_hot(bits(m, exponent_length(k)))
    x_bits = bits(x, k)
    below, rest = [], None
    for unit in reversed(units[1:]):
        rest = unit if rest is None else rest + unit
        below.append(rest)
    below.reverse()
    pairs = list(zip(x_bits, below))
    low = sint._dot([b * (1 << j) for j, (b, _) in enumerate(pairs)], [u for _, u in pairs])
    inverse = table(units[:k], [inverse_of_power(j).expand_to_vector(x.size) if j else 1 for j in range(k)])
    return (x - low) * inverse


def __getattr__(name):
    """Procedures that write into their first argument, as programs call them."""
    from Compiler import legacy_comparison
    from Compiler.errors import unknown_name
    found = vars(legacy_comparison).get(name)
    if found is None:
        raise unknown_name('comparison.' + name)
    return found

"""Non-linear operations on secret integers: sign, equality, truncation, bit decomposition.

The method (Catrina and de Hoogh, "Improved primitives for secure multiparty integer computation", 2010): open the value
under a mask with known bits, do the rest in public, and correct by a comparison of public bits with the mask's bits in a
tree of logarithmic depth. How masks are made, and what happens where they wrap around the prime, stands in `masks`; a
sign in a field that is full is the lowest bit of twice the number (Nishide and Ohta, "Multiparty computation for
interval, equality, and comparison without bit-decomposition protocol", 2007).

All bits of all lanes of one operation lie in one vector, *plane* after plane (the same bit of all lanes), in an order
that makes every level of the tree work on two contiguous halves: see `tree_order`. A level is then a handful of vector
instructions.
"""

from Compiler.errors import CompilerError
from Compiler.masks import (  # noqa: F401
    Element, check_length, compose, field, fits, masked_open, random_number, random_planes, tree_order, whole)
from Compiler.program import P, template
from Compiler.registers import SMALL, cint, regint, sint


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
    c = clear_planes(public, n, tree_order(n))
    not_c = 1 - c
    return _tree(planes * not_c, planes * (2 * c - 1) + not_c, n, public.size)


def _tree(greater, equal, n, size):
    """Whether the highest of n places that is not equal is greater."""
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


def _selected(opened, n):
    """Planes of the public bits that hold (of c, or of c + p where it wrapped), and of their products with the mask's."""
    size, planes = opened.public.size, opened.planes
    order = tree_order(n)
    c = clear_planes(opened.public, n, order)
    if opened.wrap is None:
        return c, planes * c
    change = clear_planes(opened.other, n, order) - c
    wrap = sint.concat([opened.wrap] * n)
    return wrap * change + c, planes * c + (planes * wrap) * change


def _borrow(opened):
    """[(c + p w) mod 2^m < r mod 2^m] for an opening."""
    if opened.wrap is None:
        return less_than_planes(opened.public, opened.planes, opened.m)
    chosen, product = _selected(opened, opened.m)
    planes = opened.planes
    return _tree(planes - product, 1 - planes - chosen + 2 * product, opened.m, opened.public.size)


def _low(opened):
    """y mod 2^m of an opening."""
    return opened.low_public() - opened.low + _borrow(opened) * (1 << opened.m)


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
    return _low(masked_open(x, k, m, signed))


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
    if not (fits(k) or whole(k)):
        return _sign_bit(x, k)
    m = k - 1
    opened = masked_open(x, k, m, True)
    return _borrow(opened) - (x + opened.low - opened.public) * inverse_of_power(m).expand_to_vector(x.size)


def _sign_bit(x, k):
    """[x < 0] for any |x| < p / 2: p is odd, so it is the lowest bit of 2x mod p."""
    check_length(k)
    P.features.add('mask_exact')
    size = x.size
    n = field().element_bits
    r = Element(n, size)
    c = (2 * x + r.number).reveal()
    wrap = less_than_planes(c, r.low_planes, n)
    lowest = r.low_planes.lane(0, size)
    odd = lowest + wrap - 2 * (lowest * wrap)
    public = c % 2
    return odd * (1 - 2 * public) + public


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
    opened = masked_open(x, k, m, signed, exact=True)
    return (x + opened.low - opened.low_public()) * inverse_of_power(m).expand_to_vector(x.size)


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
    if not (fits(k + 1) or whole(k + 1)):
        return _is_mask(x)
    # the offset 2^k does not show in the low k bits; they equal the mask's, if x is zero
    opened = masked_open(x, k + 1, k, True)
    return _equal(opened.public, opened.planes, k)


def _is_mask(x):
    """[x = 0] for any element: x + r is r."""
    P.features.add('mask_exact')
    n = field().element_bits
    r = Element(n, x.size)
    return _equal((x + r.number).reveal(), r.low_planes, n)


def _equal(public, planes, n):
    """Whether public numbers have the secret bits."""
    size = public.size
    if isinstance(planes, list):
        from Compiler.GC import circuits
        same = [~(r ^ c) for r, c in zip(planes, public_bits(public, n, size))]
        return to_arithmetic(circuits.and_all(same), size)
    public = clear_planes(public, n, tree_order(n))
    return all_ones(planes * (2 * public - 1) + (1 - public), n, size)


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
    if fits(k + 2):
        negative_x = negative(x, k)
        return bits(x + negative_x * (field().p % (1 << n)), n, k + 1)
    return _element_bits(x, min(n, field().length)) + [sint(0, size=x.size)] * (n - field().length)


def _element_bits(x, n):
    """The low n bits of any element as a number below p."""
    P.features.add('mask_exact')
    size, p = x.size, field().p
    length = field().element_bits
    r = Element(length, size)
    c = (x + r.number).reveal()
    wrap = less_than_planes(c, r.low_planes, length)
    planes = _in_order(r.low_planes, length, size)[:n]
    # the bits of c and of c + p, which may have one more than fit the field
    split = min(n, field().most)
    low = c % (1 << split)
    sums = low + p % (1 << split)
    own, other = _clear_bits(low, split), _clear_bits(sums % (1 << split), split)
    if n > split:
        high = c >> split
        own += _clear_bits(high, n - split)
        other += _clear_bits((high + (p >> split) + (sums >> split)) % (1 << (n - split)), n - split)
    planes = sint.concat(planes + [sint(0, size=size)] * (n - len(planes)))
    own, change = cint.concat(own), cint.concat([b - a for a, b in zip(own, other)])
    wrap = sint.concat([wrap] * n)
    return _difference_bits(wrap * change + own, planes, planes * own + (planes * wrap) * change, range(n), size)


def _in_order(planes, n, size):
    """Planes in tree order as a list, least significant first."""
    result = [None] * n
    for at, bit in enumerate(tree_order(n)):
        result[bit] = planes.lane(at * size, size)
    return result


def _clear_bits(value, n):
    return _in_order(clear_planes(value, n, tree_order(n)), n, value.size)


def _difference_bits(c, planes, product, order, size):
    """The bits of c - r without a last borrow, least significant first; `product` has those of the bits of c and r."""
    n = len(order)
    place = [None] * n
    for at, bit in enumerate(order):
        place[bit] = at * size
    difference, greater, equal = c - planes, planes - product, 1 - planes - c + 2 * product
    lanes = [[v.lane(at, size) for at in place] for v in (difference, greater, equal)]
    borrows = prefix_borrows(lanes[1], lanes[2], n, size)
    result = []
    for i, d in enumerate(lanes[0]):
        b = d + borrows[i] * 2
        result.append(b - borrows[i - 1] if i else b)
    return result


@template
def bits(x, n, k=None):
    """The low n bits of a secret of k bits (n, if nothing is said; signed or not), least significant first."""
    _check_length(n)
    k = max(k or n, n)
    size = x.size
    # the offset 2^k does not show in the low bits
    opened = masked_open(x, k + 1, n, True, boolean=False)
    chosen, product = _selected(opened, n)
    return _difference_bits(chosen, opened.planes, product, tree_order(n), size)


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

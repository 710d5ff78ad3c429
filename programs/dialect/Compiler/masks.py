"""Masks: how a secret number is opened so that what is seen says nothing about it.

A number y in [0, 2^k) is opened as c = y + r modulo the prime p, for a random r of which shared bits are known. There
are three ways, and `docs/security/exact-comparison.md` has the arguments:

- *longer*: r has `P.slack` bits more than y, and nothing wraps around p. Hides at 2^-slack.
- *whole*: r is any element of the field, so c is one too, whatever y is. Where p is within 2^-slack of a power of two, r
  is as many random bits; elsewhere its bits are drawn until they are a number below p. c = y + r - p w, and the wrap w
  can be one only if c < 2^k or so: that is public, and as rare as 2^k / p. The program stops then.
- *exact*: as before, but the wrap is computed. Where c is that small, r is near 0 or near p, and its highest bit says
  which: w is that bit times a public one. Nothing stops; every k up to two bits less than the prime will do.

The record notes what each opening may tell (`masked`) and how likely it stops the program (`stops`); the optimiser adds
them up over the run, and compiling starts again with more room if that is too much.
"""

import math

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.registers import cint, regint, sint

WORD = 62
# bits of masks as Boolean ones, by edaBits whatever the options say
EDABITS = 'edabits'
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


class Field:
    """What masks must know of the prime."""

    def __init__(self, p):
        self.p, self.length = p, p.bit_length()
        below, above = p - (1 << (self.length - 1)), (1 << self.length) - p
        # so many random bits are an element, but for 2^-even
        self.bits, gap = (self.length - 1, below) if below < above else (self.length, above)
        self.even = self.bits - gap.bit_length()
        # numbers of so many bits can be masked: sums of two stay below p
        self.most = self.length - 2

    @property
    def near(self):
        """Whether random bits are elements that are uniform enough."""
        return self.even >= P.slack

    @property
    def element_bits(self):
        return self.bits if self.near else self.length

    def small(self, k):
        """e with c < 2^e wherever c = y + r wrapped, for y < 2^k."""
        return k + 1 if self.near and self.bits == self.length else k

    def rarity(self, k):
        """An element is that small with probability 2^-rarity."""
        return (self.bits if self.near else self.length - 1) - self.small(k)


def field():
    known = P.field_known
    if known is None:
        known = P.field_known = Field(P.field)
    return known


def fits(k):
    """Whether masks that are longer than a number of k bits fit the field."""
    return k + P.slack + 1 < field().length


def check_length(k):
    if not isinstance(k, int) or k < 1:
        raise CompilerError('a bit length must be a positive number known while the program is compiled, not %s' % k)
    if k > field().most:
        raise CompilerError(
            'a comparison, cut or decomposition of %d bits needs a prime of %d bits, and this one has %d'
            % (k, k + 2, field().length),
            'use smaller numbers: program.set_bit_length(n) or -F n for integers, sfix.set_precision(f, k) for fractions; '
            'or a larger prime')


def is_small(c, e):
    """[c < 2^e] for public elements, as public bits."""
    rest, length, result = c >> e, field().length - e, None
    while length > 0:
        word = regint(rest % (1 << WORD) if length > WORD else rest)
        zero = word == 0
        result = zero if result is None else result * zero
        length -= WORD
        if length > 0:
            rest = rest >> WORD
    return result


def stop_at_zero(public):
    """Ends the program where a public number is zero in any lane, by dividing by it: unlike a branch that waits for no
    check. Goes with the opening that it looks at, if nobody uses that."""
    r = cint.new(public.size)
    P.emit('floordivc %d %s %s %s #1' % (public.size, r.t, cint(1, size=public.size).t, public.t))


# -- random elements

def _candidates(size, accepted):
    """How many candidates give `size` elements but for 2^-steady, if each does with probability `accepted`."""
    wanted = P.steady * math.log(2)

    def unlikely(n):
        # Chernoff's bound for fewer than `size` of n
        share = (size - 1) / n
        if share >= accepted:
            return False
        divergence = (1 - share) * math.log((1 - share) / (1 - accepted))
        if share > 0:
            divergence += share * math.log(share / accepted)
        return n * divergence >= wanted
    low, high = size, size
    while not unlikely(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if unlikely(middle) else (middle, high)
    return high


def _ranks(flags):
    """How many of the flags before each lane are one, and how many are in all."""
    n, d, total = flags.size, 1, flags
    while d < n:
        total = regint.concat([total.lane(0, d), total.lane(d, n - d) + total.lane(0, n - d)])
        d *= 2
    return total - flags, total.lane(n - 1, 1)


def _drawn_planes(size):
    """The bits of uniform elements, each a sint: candidates are drawn, those that are not below p are thrown away.

    What is opened of a candidate is whether it is below p, so those that stay are uniform.
    """
    from Compiler import comparison
    bits = field().length
    n = _candidates(size, min(field().p / (1 << bits), 1 - 2.0 ** -40))
    P.emit('stops %d 1' % P.steady)
    planes = random_planes(bits, n)
    # the largest element is -1
    too_large = comparison.less_than_planes(cint(-1, size=n), planes, bits)
    good = 1 - regint(too_large.reveal())
    rank, count = _ranks(good)
    stop_at_zero(cint(count >= size))
    place = size + good * (rank < size) * (rank - size)
    address, tag = P.malloc(bits * (size + 1), 's')
    result = [None] * bits
    for at, bit in enumerate(tree_order(bits)):
        planes.lane(at * n, n).store_in_mem(place + (address + bit * (size + 1)), tag)
    for bit in range(bits):
        result[bit] = sint.load_mem(address + bit * (size + 1), size, tag)
    return result


class Element:
    """Random elements: the bits below m as planes in tree order and as a number, the number, and the highest bits."""

    def __init__(self, m, size, boolean=False):
        n = field().element_bits
        self.size = size
        P.bound = True
        high = n - m
        if field().near:
            P.emit('masked %d %d' % (field().even, size))
            self.low_planes, self.low = mask_with_bits(m, size, boolean)
            if high > 0 and (boolean == EDABITS or boolean and P.options.edabit):
                self.number = sint.get_edabit(high, True, size=size)[0] * (1 << m) + self.low
                return
            high_planes = random_planes(high, size) if high else None
        else:
            planes = _drawn_planes(size)
            self.low_planes = sint.concat([planes[i] for i in tree_order(m)])
            self.low = compose(self.low_planes, m, size)
            high_planes = sint.concat([planes[m + i] for i in tree_order(high)]) if high else None
        self.number = self.low
        if high:
            self.number = compose(high_planes, high, size) * (1 << m) + self.low
        self._high_planes, self._high = high_planes, high

    def _bit(self, from_top):
        at = tree_order(self._high).index(self._high - from_top)
        return self._high_planes.lane(at * self.size, self.size)

    def wrap(self, c, k):
        """w in y + r = c + p w, for numbers of k bits."""
        e, f = field().small(k), field()
        near_p = self._bit(1)
        least = f.p - (1 << k)
        if least < 1 << (f.element_bits - 1):
            second = self._bit(2)
            near_p = near_p + second - near_p * second
        return near_p * cint(is_small(c, e))


# -- opening

class Opened:
    """y = c - r + p w of an opening: the public c, of r the bits below m (planes and the number), and w (None if zero)."""

    def __init__(self, c, m, planes, low, wrap=None):
        self.c, self.m, self.planes, self.low, self.wrap = c, m, planes, low, wrap
        self.public = c % (1 << m)
        if wrap is not None:
            # the same with p more, for where it wrapped
            self.other = (self.public + field().p % (1 << m)) % (1 << m)

    def low_public(self):
        """(c + p w) mod 2^m."""
        if self.wrap is None:
            return self.public
        return self.wrap * (self.other - self.public) + self.public


def masked_open(x, k, m, signed=True, boolean=True, exact=False):
    """Opens x + offset under a mask whose low m bits are known; `exact` asks for a wrap that is computed, not excluded.

    The offset 2^(k-1) of signed numbers is a multiple of 2^m for m < k.
    """
    check_length(k)
    size = x.size
    y = x + (1 << (k - 1)) if signed else x
    if fits(k):
        P.features.add('mask_longer')
        P.require_bit_length(k + P.slack + 1)
        P.emit('masked %d %d' % (P.slack, size))
        planes, low = mask_with_bits(m, size, boolean)
        mask = high_mask(k + P.slack - m, size, boolean) * (1 << m) + low
        return Opened((y + mask).reveal(), m, planes, low)
    stopping = not exact and whole(k)
    P.features.add('mask_whole' if stopping else 'mask_exact')
    if not field().near:
        P.features.add('mask_drawn')
    element = Element(m, size, stopping and boolean)
    c = (y + element.number).reveal()
    if not stopping:
        return Opened(c, m, element.low_planes, element.low, element.wrap(c, k))
    P.emit('stops %d %d' % (field().rarity(k), size))
    stop_at_zero(c >> field().small(k))
    return Opened(c, m, element.low_planes, element.low)


def whole(k):
    """Whether an opening under a mask of the whole field stops the program seldom enough."""
    return field().rarity(k) >= P.steady


def mask_with_bits(n, size, boolean=True):
    """Random numbers below 2^n and their bits: planes of one sint in tree order, or with -X or -Y a list of sbits."""
    if boolean == EDABITS or boolean and P.options.edabit and n > 1:
        P.features.add('edabit')
        number, planes = sint.get_edabit(n, True, size=size)
        return planes, number
    if boolean and P.options.mixed and n > 1:
        pairs = [sint.get_dabit(size=size) for _ in range(n)]
        return [b for _, b in pairs], weighted_sum([a for a, _ in pairs])
    planes = random_planes(n, size)
    return planes, compose(planes, n, size)


def high_mask(n, size, boolean=True):
    """Random numbers of at least n bits whose bits do not matter."""
    if boolean == EDABITS or P.options.edabit:
        return sint.get_edabit(n, False, size=size)[0]
    return random_number(n, size)


def weighted_sum(bits_):
    """The number with the given bits, by Horner's rule."""
    total = bits_[-1]
    for b in reversed(bits_[:-1]):
        total = total * 2 + b
    return total

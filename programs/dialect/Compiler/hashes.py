"""Hash functions on secret bits: SHA-2 with 32-bit words (FIPS 180-4), SHA-3 and Keccak (FIPS 202).

A message is a list of planes, one for each bit, with a lane for each message; in every byte the lowest bit comes first.
Round constants are computed from what defines them: roots of primes, and a shift register.
"""

from Compiler.GC import circuits
from Compiler.GC.types import sbit, sbits, sbitvec


def planes_of(message):
    """The bits of a message: an sbitvec, a list of bits, or a single value."""
    if isinstance(message, sbitvec):
        return list(message.v)
    if isinstance(message, sbits):
        return message.bit_decompose()
    return [b if isinstance(b, sbits) else sbit(b) for b in message]


def constant(bit, lanes):
    kind = sbits.get_type(lanes)
    return ~kind(0) if bit else kind(0)


# -- SHA-256

def primes(n):
    found, candidate = [], 2
    while len(found) < n:
        if all(candidate % p for p in found):
            found.append(candidate)
        candidate += 1
    return found


def root_fraction(number, degree, bits=32):
    """The first bits of the fraction of a root, by bisection on whole numbers."""
    scaled, low, high = number << (degree * bits), 0, number << bits
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle ** degree <= scaled else (low, middle)
    return low & ((1 << bits) - 1)


def rotated(word, by):
    """Bits rotated to the right."""
    return word[by:] + word[:by]


def xor3(a, b, c):
    return [x ^ y ^ z for x, y, z in zip(a, b, c)]


class Sha256:
    """The hash of planes; words are lists of 32 planes, the lowest bit first."""

    def __init__(self, lanes):
        self.lanes = lanes
        self.keys = [self.word(root_fraction(p, 3)) for p in primes(64)]

    def word(self, number):
        return [constant(number >> i & 1, self.lanes) for i in range(32)]

    def shifted(self, word, by):
        return word[by:] + [constant(0, self.lanes)] * by

    def sum(self, *words):
        total = words[0]
        for word in words[1:]:
            total = circuits.add(total, word)
        return total

    def compress(self, state, block):
        w = [self.big_endian(block[32 * i:32 * i + 32]) for i in range(16)]
        for i in range(16, 64):
            s0 = xor3(rotated(w[i - 15], 7), rotated(w[i - 15], 18), self.shifted(w[i - 15], 3))
            s1 = xor3(rotated(w[i - 2], 17), rotated(w[i - 2], 19), self.shifted(w[i - 2], 10))
            w.append(self.sum(w[i - 16], s0, w[i - 7], s1))
        a, b, c, d, e, f, g, h = state
        for key, word in zip(self.keys, w):
            s1 = xor3(rotated(e, 6), rotated(e, 11), rotated(e, 25))
            choice = [z ^ (x & (y ^ z)) for x, y, z in zip(e, f, g)]
            first = self.sum(h, s1, choice, key, word)
            s0 = xor3(rotated(a, 2), rotated(a, 13), rotated(a, 22))
            majority = [x ^ ((x ^ y) & (x ^ z)) for x, y, z in zip(a, b, c)]
            a, b, c, d, e, f, g, h = self.sum(first, s0, majority), a, b, c, self.sum(d, first), e, f, g
        return [self.sum(x, y) for x, y in zip(state, (a, b, c, d, e, f, g, h))]

    @staticmethod
    def big_endian(planes):
        """A word of four bytes, the highest byte first."""
        return [b for at in (24, 16, 8, 0) for b in planes[at:at + 8]]

    def __call__(self, message):
        length = len(message)
        padding = [0] * 7 + [1] + [0] * ((448 - length - 8) % 512)
        tail = [length >> (8 * (7 - byte) + bit) & 1 for byte in range(8) for bit in range(8)]
        padded = message + [constant(b, self.lanes) for b in padding + tail]
        state = [self.word(root_fraction(p, 2)) for p in primes(8)]
        for at in range(0, len(padded), 512):
            state = self.compress(state, padded[at:at + 512])
        return [b for word in state for b in self.big_endian(word)]


def sha256(message):
    """SHA-256 of whole bytes, as an `sbitvec` of 256 bits."""
    planes = planes_of(message)
    return sbitvec.from_vec(Sha256(planes[0].n if planes else 1)(planes))


def hmac_sha256(key, message):
    """HMAC (RFC 2104) with SHA-256 under a key of at most 64 bytes."""
    key, message = planes_of(key), planes_of(message)
    lanes = (key + message)[0].n
    key = key + [constant(0, lanes)] * (512 - len(key))

    def masked(byte):
        return [~b if byte >> (i % 8) & 1 else b for i, b in enumerate(key)]
    inner = Sha256(lanes)(masked(0x36) + message)
    return sbitvec.from_vec(Sha256(lanes)(masked(0x5c) + inner))


# -- Keccak

def round_constants():
    """The constants of iota, from the shift register x^8 + x^6 + x^5 + x^4 + 1."""
    register, constants = 1, []
    for _ in range(24):
        value = 0
        for j in range(7):
            if register & 1:
                value |= 1 << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(value)
    return constants


def keccak_f(state):
    """The permutation of 1600 planes: bit z of lane (x, y) at 64 (5 y + x) + z."""
    a = {(x, y): state[64 * (5 * y + x):64 * (5 * y + x) + 64] for x in range(5) for y in range(5)}

    def left(word, by):
        by %= 64
        return word[64 - by:] + word[:64 - by]
    for value in round_constants():
        columns = [[circuits.xor_all([a[x, y][z] for y in range(5)]) for z in range(64)] for x in range(5)]
        for x in range(5):
            mask = [p ^ q for p, q in zip(columns[(x + 4) % 5], left(columns[(x + 1) % 5], 1))]
            for y in range(5):
                a[x, y] = [p ^ q for p, q in zip(a[x, y], mask)]
        moved, x, y = {(0, 0): a[0, 0]}, 1, 0
        for t in range(24):
            moved[y, (2 * x + 3 * y) % 5] = left(a[x, y], (t + 1) * (t + 2) // 2)
            x, y = y, (2 * x + 3 * y) % 5
        for x in range(5):
            for y in range(5):
                a[x, y] = [p ^ (~q & r) for p, q, r in zip(
                    moved[x, y], moved[(x + 1) % 5, y], moved[(x + 2) % 5, y])]
        a[0, 0] = [~p if value >> z & 1 else p for z, p in enumerate(a[0, 0])]
    return [b for y in range(5) for x in range(5) for b in a[x, y]]


def sponge(message, rate, suffix, length):
    """`length` bits of the sponge with so many bits absorbed at once; `suffix` stands before the padding."""
    lanes = message[0].n if message else 1
    padding = list(suffix) + [1]
    padding += [0] * (-(len(message) + len(padding) + 1) % rate) + [1]
    padded = message + [constant(b, lanes) for b in padding]
    state = [constant(0, lanes)] * 1600
    for at in range(0, len(padded), rate):
        block = padded[at:at + rate]
        state = keccak_f([p ^ q for p, q in zip(state, block)] + state[rate:])
    result = state[:rate]
    while len(result) < length:
        state = keccak_f(state)
        result += state[:rate]
    return result[:length]


def _sha3(length):
    def hash_(message):
        return sbitvec.from_vec(sponge(planes_of(message), 1600 - 2 * length, (0, 1), length))
    hash_.__name__ = 'sha3_%d' % length
    hash_.__doc__ = 'SHA-3 with %d bits, as an `sbitvec`.' % length
    return hash_


sha3_224, sha3_256, sha3_384, sha3_512 = (_sha3(length) for length in (224, 256, 384, 512))


class Keccak:
    """The sponge of a rate and a capacity that sum up to 1600 bits."""

    def __init__(self, rate=1088, capacity=512, suffix=()):
        self.rate, self.suffix = rate, suffix

    def __call__(self, message, length=256):
        return sbitvec.from_vec(sponge(planes_of(message), self.rate, self.suffix, length))

"""AES-128 (FIPS 197) as a Boolean circuit.

The state is eight planes, one for each bit of a byte, with a lane for each byte. The S-box inverts in GF(2^8) seen as
GF(((2^2)^2)^2) (Satoh, Morioka, Takano and Munetoh, 2001), which takes 36 AND gates; all the rest is linear. The maps
between the two views of the field are found here rather than written down.
"""

from Compiler.errors import CompilerError
from Compiler.GC.types import sbits, sbitvec

POLYNOMIAL = 0x11b


def xtime(a):
    a <<= 1
    return a ^ POLYNOMIAL if a & 0x100 else a


# -- the tower of fields, on Python numbers

def multiply(a, b, bits, constants):
    """In the tower: a number of 2^k bits is high y + low with y^2 = y + constants[k]."""
    if bits == 1:
        return a & b
    half = bits // 2
    mask = (1 << half) - 1
    a1, a0, b1, b0 = a >> half, a & mask, b >> half, b & mask
    high, low = multiply(a1, b1, half, constants), multiply(a0, b0, half, constants)
    cross = multiply(a1 ^ a0, b1 ^ b0, half, constants) ^ low
    return cross << half | low ^ multiply(high, constants[half], half, constants)


def tower():
    """For each level the first constant that makes y^2 + y + constant irreducible."""
    constants = {1: 1}
    for half in (2, 4):
        reached = {multiply(y, y, half, constants) ^ y for y in range(1 << half)}
        constants[half] = min(c for c in range(1 << half) if c not in reached)
    return constants


def into_tower(constants):
    """The images of 1, x, x^2, ... of AES's field: powers of a root of its polynomial in the tower."""
    for root in range(2, 256):
        powers = [1]
        while len(powers) < 9:
            powers.append(multiply(powers[-1], root, 8, constants))
        if powers[8] ^ powers[4] ^ powers[3] ^ powers[1] ^ powers[0] == 0:
            return powers[:8]
    raise AssertionError('the fields are isomorphic')


def apply(columns, a):
    """A linear map, given by the images of the bits, on a number."""
    result = 0
    for i, c in enumerate(columns):
        if a >> i & 1:
            result ^= c
    return result


def inverse_map(columns):
    table = {apply(columns, a): a for a in range(256)}
    return [table[1 << i] for i in range(8)]


CONSTANTS = tower()
TO_TOWER = into_tower(CONSTANTS)
# the affine map of the S-box, behind the map back
FROM_TOWER = [c ^ (c << 1 | c >> 7) & 255 ^ (c << 2 | c >> 6) & 255 ^ (c << 3 | c >> 5) & 255 ^ (c << 4 | c >> 4) & 255
              for c in inverse_map(TO_TOWER)]
AFFINE_CONSTANT = 0x63


# -- the same on planes, lowest bit first

def linear(columns, planes):
    """A linear map on planes."""
    n = max(c.bit_length() for c in columns)
    result = [None] * n
    for column, plane in zip(columns, planes):
        for i in range(n):
            if column >> i & 1:
                result[i] = plane if result[i] is None else result[i] ^ plane
    return result


def times_constant(planes, constant):
    bits = len(planes)
    return linear([multiply(1 << i, constant, bits, CONSTANTS) for i in range(bits)], planes)


def squared(planes):
    bits = len(planes)
    return linear([multiply(1 << i, 1 << i, bits, CONSTANTS) for i in range(bits)], planes)


def added(a, b):
    return [x ^ y for x, y in zip(a, b)]


def times(a, b):
    """A product in the tower, by Karatsuba's trick: 3 AND gates in GF(4), 9 in GF(16)."""
    if len(a) == 1:
        return [a[0] & b[0]]
    half = len(a) // 2
    a0, a1, b0, b1 = a[:half], a[half:], b[:half], b[half:]
    high, low = times(a1, b1), times(a0, b0)
    cross = times(added(a1, a0), added(b1, b0))
    scaled = high if CONSTANTS[half] == 1 else times_constant(high, CONSTANTS[half])
    return added(low, scaled) + added(cross, low)


def inverted(a):
    """1 / a (0 for 0): the conjugate times the inverse of the norm, which lies one level deeper."""
    if len(a) == 2:
        return squared(a)
    half = len(a) // 2
    low, high = a[:half], a[half:]
    both = added(high, low)
    norm = added(times_constant(squared(high), CONSTANTS[half]), times(both, low))
    inverse = inverted(norm)
    return times(both, inverse) + times(high, inverse)


def substitute(planes):
    """The S-box on every lane."""
    result = linear(FROM_TOWER, inverted(linear(TO_TOWER, planes)))
    return [~p if AFFINE_CONSTANT >> i & 1 else p for i, p in enumerate(result)]


# -- the cipher; lanes are bytes of all blocks: byte i of block b is lane 16 b + i

def rearranged(planes, order):
    """Lane i of the result is lane order[i]."""
    result = []
    for plane in planes:
        lanes = plane.bit_decompose()
        result.append(sbits.bit_compose([lanes[i] for i in order]))
    return result


def in_all_blocks(order, blocks):
    return [16 * b + i for b in range(blocks) for i in order]


def mix_columns(planes, blocks):
    def rotated(k):
        return rearranged(planes, in_all_blocks([i // 4 * 4 + (i + k) % 4 for i in range(16)], blocks))
    one, two, three = rotated(1), rotated(2), rotated(3)
    doubled = linear([xtime(1 << i) for i in range(8)], added(planes, one))
    return [a ^ b ^ c ^ d for a, b, c, d in zip(doubled, one, two, three)]


def next_key(planes, constant, blocks):
    """The round key behind this one."""
    words = [rearranged(planes, [16 * b + 4 * w + i for b in range(blocks) for i in range(4)]) for w in range(4)]
    order = [4 * b + (i + 1) % 4 for b in range(blocks) for i in range(4)]
    word = substitute(rearranged(words[3], order))
    first = sum(1 << 4 * b for b in range(blocks))
    word = [p ^ first if constant >> i & 1 else p for i, p in enumerate(word)]
    result = []
    for old in words:
        word = added(word, old)
        result.append(word)
    lanes = [[bit for bit in zip(*[word[i].bit_decompose() for word in result])] for i in range(8)]
    return [sbits.bit_compose([lanes[i][4 * b + k][w] for b in range(blocks) for w in range(4) for k in range(4)])
            for i in range(8)]


def encrypt(key, block):
    """Ciphertext of blocks under keys: lists of eight planes with 16 lanes for each block."""
    blocks = block[0].n // 16
    shift_rows = in_all_blocks([(i + 4 * (i % 4)) % 16 for i in range(16)], blocks)
    state, constant = added(block, key), 1
    for number in range(1, 11):
        state = rearranged(substitute(state), shift_rows)
        if number < 10:
            state = mix_columns(state, blocks)
        key = next_key(key, constant, blocks)
        constant = xtime(constant)
        state = added(state, key)
    return state


def planes_of_numbers(vector):
    """Planes of bytes of 128-bit numbers, whose highest byte is the first, as an `sbitvec` holds them."""
    bits = [plane.bit_decompose() for plane in vector.planes()]
    if len(bits) != 128:
        raise CompilerError('AES-128 works on numbers of 128 bits, not %d' % len(bits))
    n = vector.lanes()
    return [sbits.bit_compose([bits[120 - 8 * k + i][b] for b in range(n) for k in range(16)]) for i in range(8)]


def circuit(key, block):
    """AES-128 as `Circuit('aes_128')`: keys and blocks as `sbitvec` or `sbits` of 128 bits."""
    key, block = (x if isinstance(x, sbitvec) else sbitvec([x]) for x in (key, block))
    state = encrypt(planes_of_numbers(key), planes_of_numbers(block))
    bits = [plane.bit_decompose() for plane in state]
    return sbitvec.from_vec(
        sbits.bit_compose([bits[j % 8][16 * b + 15 - j // 8] for b in range(block.lanes())]) for j in range(128))

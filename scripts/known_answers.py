#!/usr/bin/env python3
"""Known answers of the engine's primitives, computed from the texts of their modules and published standards alone, and
compared with what the engine's tests expect.

    scripts/known_answers.py           compares; a value that no source file has is an error
    scripts/known_answers.py --print   prints every value

Standards: SHA-256 by Python's hashlib; AES-128 (FIPS 197), BLAKE3 and ristretto255 (RFC 9496) are written out here and
checked with the vectors of their texts first.
"""

import hashlib
import pathlib
import sys

ENGINE = pathlib.Path(__file__).resolve().parent.parent / "engine" / "src"
P = 198766463529478683931867765928436695041

# ---- AES-128, FIPS 197


def gf256(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def s_box():
    box = []
    for x in range(256):
        inverse = next((y for y in range(256) if gf256(x, y) == 1), 0)
        rotated = [(inverse << k | inverse >> (8 - k)) & 0xFF for k in range(5)]
        box.append(rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63)
    return box


BOX = s_box()


def aes(key, block):
    words = [list(key[4 * i : 4 * i + 4]) for i in range(4)]
    constant = 1
    for i in range(4, 44):
        word = list(words[i - 1])
        if i % 4 == 0:
            word = [BOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = gf256(constant, 2)
        words.append([a ^ b for a, b in zip(word, words[i - 4])])
    state = list(block)
    for round_ in range(11):
        if round_:
            state = [BOX[b] for b in state]
            state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if 0 < round_ < 10:
            columns = [state[4 * c : 4 * c + 4] for c in range(4)]
            state = [gf256(c[r], 2) ^ gf256(c[(r + 1) % 4], 3) ^ c[(r + 2) % 4] ^ c[(r + 3) % 4] for c in columns for r in range(4)]
        state = [a ^ b for a, b in zip(state, sum(words[4 * round_ : 4 * round_ + 4], []))]
    return bytes(state)


assert aes(bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a", "FIPS 197, C.1"


def le(x, size=16):
    return x.to_bytes(size, "little")


def word(block):
    return int.from_bytes(block, "little")


# ---- BLAKE3, its paper of 2021, §2

BLAKE3_IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
BLAKE3_ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 32, 64
COLUMNS_AND_DIAGONALS = [[i, 4 + (i + k) % 4, 8 + (i + 2 * k) % 4, 12 + (i + 3 * k) % 4] for k in (0, 1) for i in range(4)]


def blake3_compress(chaining, block, number, flags):
    words = [word(block.ljust(64, b"\0")[i : i + 4]) for i in range(0, 64, 4)]
    v = [*chaining, *BLAKE3_IV[:4], number & 0xFFFFFFFF, number >> 32, len(block), flags]
    for _ in range(7):
        for k, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            for message, turn_d, turn_b in ((words[2 * k], 16, 12), (words[2 * k + 1], 8, 7)):
                v[a] = (v[a] + v[b] + message) & 0xFFFFFFFF
                v[d] = rotated_right(v[d] ^ v[a], turn_d)
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                v[b] = rotated_right(v[b] ^ v[c], turn_b)
        words = [words[i] for i in BLAKE3_ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def rotated_right(x, count):
    return (x >> count | x << (32 - count)) & 0xFFFFFFFF


def blake3_tree(key, data, first_chunk, flags):
    """The chaining value of a subtree; the flag ROOT is for its top."""
    inner = flags & ~ROOT
    if len(data) > 1024:
        left = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)
        halves = blake3_tree(key, data[:left], first_chunk, inner), blake3_tree(key, data[left:], first_chunk + left // 1024, inner)
        return blake3_compress(key, b"".join(le(x, 4) for half in halves for x in half), 0, flags | PARENT)
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    chaining = key
    for i, block in enumerate(blocks):
        start, end = CHUNK_START if i == 0 else 0, CHUNK_END | flags if i == len(blocks) - 1 else 0
        chaining = blake3_compress(chaining, block, first_chunk, inner | start | end)
    return chaining


def blake3_derive_key(context, data):
    key = blake3_tree(BLAKE3_IV, context.encode(), 0, ROOT | DERIVE_CONTEXT)
    return b"".join(le(x, 4) for x in blake3_tree(key, data, 0, ROOT | DERIVE_MATERIAL))


assert blake3_derive_key(
    "BLAKE3 2019-12-27 16:29:52 test vectors context", bytes(i % 251 for i in range(3073))
).hex() == "72613c9ec9ff7e40f8f5c173784c532ad852e827dba2bf85b2ab4b76f7079081", "the authors' vectors"

# ---- ristretto255, RFC 9496

Q = 2**255 - 19
D = -121665 * pow(121666, -1, Q) % Q
SQRT_M1 = pow(2, (Q - 1) // 4, Q)


def absolute(x):
    return Q - x if x & 1 else x


def sqrt_ratio(u, v):
    r = u * pow(v, 3, Q) * pow(u * pow(v, 7, Q), (Q - 5) // 8, Q) % Q
    check = v * r * r % Q
    if check in (-u % Q, -u * SQRT_M1 % Q):
        r = r * SQRT_M1 % Q
    return check in (u % Q, -u % Q), absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, (-1 - D) % Q)[1]
SQRT_AD_MINUS_ONE = next(r for r in (lambda r: (r, Q - r))(sqrt_ratio((-D - 1) % Q, 1)[1]) if r == 25063068953384623474111414158702152701244531502492656460079210482610430750235)


def add(x, y):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = x, y
    a, b = (y1 - x1) * (y2 - x2) % Q, (y1 + x1) * (y2 + x2) % Q
    c, d = t1 * 2 * D * t2 % Q, z1 * 2 * z2 % Q
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % Q, g * h % Q, f * g % Q, e * h % Q


def times(k, point):
    total = (0, 1, 1, 0)
    while k:
        total = add(total, point) if k & 1 else total
        point = add(point, point)
        k >>= 1
    return total


def negated(point):
    x, y, z, t = point
    return -x % Q, y, z, -t % Q


def encode(point):
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % Q, x0 * y0 % Q
    inverse = sqrt_ratio(1, u1 * u2 * u2 % Q)[1]
    d1, d2 = inverse * u1 % Q, inverse * u2 % Q
    z_inverse = d1 * d2 * t0 % Q
    if t0 * z_inverse % Q & 1:
        x, y, denominator = y0 * SQRT_M1 % Q, x0 * SQRT_M1 % Q, d1 * INVSQRT_A_MINUS_D % Q
    else:
        x, y, denominator = x0, y0, d2
    if x * z_inverse % Q & 1:
        y = -y % Q
    return le(absolute(denominator * (z0 - y) % Q), 32)


def elligator(t):
    r = SQRT_M1 * t * t % Q
    u = (r + 1) * (1 - D * D) % Q
    v = (-1 - r * D) * (r + D) % Q
    square, s = sqrt_ratio(u, v)
    s, c = (s, -1) if square else (-absolute(s * t % Q) % Q, r)
    n = (c * (r - 1) * (D - 1) ** 2 - v) % Q
    w0, w1, w2, w3 = 2 * s * v % Q, n * SQRT_AD_MINUS_ONE % Q, (1 - s * s) % Q, (1 + s * s) % Q
    return w0 * w3 % Q, w2 * w1 % Q, w1 * w3 % Q, w0 * w2 % Q


def from_uniform(data):
    halves = [word(data[k : k + 32]) % 2**255 % Q for k in (0, 32)]
    return add(elligator(halves[0]), elligator(halves[1]))


BASE_Y = 4 * pow(5, -1, Q) % Q
BASE_X = next(x for x in (lambda r: (r, Q - r))(sqrt_ratio((BASE_Y**2 - 1) % Q, (D * BASE_Y**2 + 1) % Q)[1]) if x & 1 == 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % Q)
assert encode(BASE).hex() == "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76", "RFC 9496, A.1"
assert encode(times(2, BASE)).hex() == "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919", "RFC 9496, A.1"
UNIFORM = hashlib.sha512(b"Ristretto is traditionally a short shot of espresso coffee").digest()
assert UNIFORM.hex().startswith("5d1be09e3d0c82fc538112490e35701979d99e06ca3e2b5b54bffe8b4dc772c1"), "RFC 9496, A.3"
assert encode(from_uniform(UNIFORM)).hex() == "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46", "RFC 9496, A.3"

# ---- Transcripts, commitments, coins (digest.rs, commitment.rs, coin.rs)


class Transcript:
    def __init__(self, domain, data=None):
        self.data = data if data is not None else b"polyyne/1/" + le(len(domain), 8) + domain.encode()

    def bytes(self, item):
        return Transcript("", self.data + le(len(item), 8) + item)

    def number(self, x):
        return self.bytes(le(x, 8))

    def list(self, items):
        transcript = self.number(len(items))
        for item in items:
            transcript = transcript.bytes(item)
        return transcript

    def long(self, item):
        return self.bytes(blake3_derive_key("polyyne/1 long item", item))

    def finish(self):
        return hashlib.sha256(self.data).digest()


SESSION = bytes([7]) * 32


def commitment(sender, counter, opening):
    return Transcript("commitment").bytes(SESSION).number(sender).number(counter).bytes(opening).finish()


# ---- Generators and hashes (prg.rs)


def stream(key, counter, count):
    return [word(aes(key, le((counter + k) % 2**128))) for k in range(count)]


class Prg:
    def __init__(self, seed):
        self.key, self.counter = seed[:16], word(seed[16:])

    def blocks(self, count):
        blocks = stream(self.key, self.counter, count)
        self.counter = (self.counter + count) % 2**128
        return blocks

    def elements(self, count):
        blocks = self.blocks(2 * count)
        return [(blocks[2 * k] + (blocks[2 * k + 1] << 128)) % P for k in range(count)]


def tccr(key, number, row):
    inner = word(aes(key, le(row)))
    return [word(aes(key, le(inner ^ (2 * number + half)))) ^ inner for half in (0, 1)]


# ---- GF(2^n) (field/binary.rs, mascot/gf128.rs), most significant bit the highest power


def carryless(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = a << 1, b >> 1
    return product


def reduced(x, polynomial):
    degree = polynomial.bit_length() - 1
    while x >> degree:
        x ^= polynomial << (x.bit_length() - 1 - degree)
    return x


GF40 = 1 << 40 | 1 << 20 | 1 << 15 | 1 << 10 | 1
GF64 = 1 << 64 | 1 << 4 | 1 << 3 | 1 << 1 | 1
GF128 = 1 << 128 | 1 << 7 | 1 << 2 | 1 << 1 | 1


def gf(a, b, polynomial):
    return reduced(carryless(a, b), polynomial)


def reflected(x):
    return int(f"{x:0128b}"[::-1], 2)


def ghash(h, blocks):
    """GHASH of NIST SP 800-38D: the same field with the bits of every block in the other order."""
    y = 0
    for block in blocks:
        y = reflected(gf(reflected(y ^ block), reflected(h), GF128))
    return y


H = int.from_bytes(aes(bytes(16), bytes(16)), "big")
assert ghash(H, [0x0388DACE60B6A392F328C2B971B2FE78, 0x80]) == 0xF38CBB1AD69223DCC3457AE5B6B0F885, "GCM, test case 2"

# ---- Puncturable PRF (mascot/ggm.rs)


def halves(digest):
    return [word(digest[:16]), word(digest[16:])]


def plant(ctx, root, keys):
    nodes, message = [root], b""
    for level, pair in enumerate(keys):
        node = ctx.bytes(b"node").number(level)
        nodes = [child for place, seed in enumerate(nodes) for child in halves(node.number(place).bytes(le(seed)).finish())]
        for side, key in enumerate(pair):
            total = 0
            for seed in nodes[side::2]:
                total ^= seed
            pad = halves(ctx.bytes(b"pad").number(level).number(side).bytes(key).finish())[0]
            message += le(total ^ pad)
    checks = [ctx.bytes(b"check").number(place).bytes(le(seed)).finish() for place, seed in enumerate(nodes)]
    total = 0
    for check in checks:
        total ^= word(check)
    message += le(total, 32) + ctx.bytes(b"check hash").list(checks).finish()
    leaves = [le(halves(ctx.bytes(b"leaf").number(place).bytes(le(seed)).finish())[0]) for place, seed in enumerate(nodes)]
    return leaves, message


def keys(depth):
    return [[bytes([2 * level]) * 32, bytes([2 * level + 1]) * 32] for level in range(depth)]


# ---- SoftSpoken OT (mascot/softspoken.rs): trees, corrections, the receiver's columns and its answer


def trees(count, depth):
    return [plant(Transcript("test trees").number(tree), tree, keys(depth))[0] for tree in range(count)]


def extension(width, choices, coin):
    ctx, blocks = Transcript("test"), len(choices)
    columns, message = [[] for _ in range(blocks)], b""
    for leaves in trees(128 // width, width):
        streams = [stream(leaf, 0, blocks) for leaf in leaves]
        for j in range(blocks):
            total = 0
            for one in streams:
                total ^= one[j]
            message += le(total ^ choices[j])
            for bit in range(width):
                column = 0
                for y, one in enumerate(streams):
                    column ^= one[j] if y >> bit & 1 else 0
                columns[j].append(column)
    key = word(ctx.bytes(b"check key").bytes(coin).finish()[:16])

    def polynomial(blocks_):
        total, power = blocks_[-1], 1
        for block in blocks_[:-1]:
            power = gf(power, key, GF128)
            total ^= gf(block, power, GF128)
        return total

    hashes = [le(polynomial([columns[j][c] for j in range(blocks)])) for c in range(128)]
    answer = le(polynomial(choices)) + ctx.bytes(b"check hash").list(hashes).finish()
    rows = [sum((columns[0][c] >> i & 1) << c for c in range(128)) for i in range(128)]
    return message, answer, rows


# ---- COPEe (mascot/cope.rs): the owner's message and t; 256 bits of a leaf stand for themselves times 2^-256


def cope(width, x):
    count, message, t = 128 // width, b"", 0
    for b, leaves in enumerate(trees(count, width)):
        values = [one[0] + (one[1] << 128) for one in (stream(leaf, 0, 2) for leaf in leaves)]
        scale = pow(2, -256, P)
        u, v = sum(values) * scale % P, sum(y * value for y, value in enumerate(values)) * scale % P
        message += le((x + u) * 2**128 % P)
        t = (t + 2 ** (width * b) * v) % P
    return message, t


# ---- Base OT (mascot/base_ot.rs) between fixed secrets


def base_ot():
    ctx, choice, x, ys = Transcript("test"), 1, 1234567, [7654321, 1111111]
    other = encode(times(424242, BASE))

    def to_group(bit, encoded):
        half = lambda k: ctx.bytes(b"to group").number(k).number(0).number(bit).bytes(encoded).finish()
        return from_uniform(half(0) + half(1))

    own = encode(add(times(x, BASE), negated(to_group(choice, other))))
    flight = other + own
    points = [encode(times(y, BASE)) for y in ys]
    shared = encode(times(ys[choice] * x, BASE))
    key = ctx.bytes(b"key").number(0).number(choice).bytes(points[choice]).bytes(flight).bytes(shared).finish()
    return flight, b"".join(points), key, Transcript("mascot/base ot salt").bytes(SESSION).bytes(key).finish()


# ---- Names of secrets (mascot/assembly.rs): what a session, a pair and a place are bound to

SALT = bytes([8]) * 32


def session(domain):
    return Transcript(domain).bytes(SESSION)


def derivations():
    """As party 0 of two, towards party 1."""
    yield "tree", session("mascot/tree").number(0).number(1).number(3).finish()
    receiver = session("mascot/ot extension").bytes(SALT).number(0).number(1)
    yield "receiver", receiver.finish()
    yield "sender", session("mascot/ot extension").bytes(SALT).number(1).number(0).finish()
    yield "permutation", receiver.bytes(b"permutation").finish()
    yield "shares", session("mascot/input shares").bytes(SALT).finish()


# ---- Transforms (lowgear/ntt.rs, lowgear/slots.rs): value k is that at ψ^(2·rev(k)+1)


def transform(q, psi, values):
    n = len(values)
    bits = n.bit_length() - 1
    places = [2 * int(f"{k:0{bits}b}"[::-1], 2) + 1 for k in range(n)]
    return [sum(x * pow(psi, e * i, q) for i, x in enumerate(values)) % q for e in places]


def root_of_unity(q, order):
    return next(root for root in (pow(x, (q - 1) // order, q) for x in range(2, q)) if pow(root, order // 2, q) == q - 1)


def answers():
    """Every known answer: where it stands, what it is of, and its text there."""
    yield "digest.rs", "transcript", Transcript("known answer").number(7).list([b"a", b"b"]).finish().hex()
    yield "digest.rs", "a long item", Transcript("known answer").long(bytes([7]) * 3000).finish().hex()
    yield "commitment.rs", "commitment", commitment(2, 5, b"message" + bytes([9]) * 32).hex()
    seeds = [bytes([1]) * 32, bytes([2]) * 32]
    yield "coin.rs", "coin", Transcript("coin").bytes(SESSION).number(3).list(seeds).finish().hex()
    yield "mascot/coins.rs", "coin", Transcript("mascot/coin").bytes(SESSION).number(3).list(seeds).finish().hex()
    yield "prg.rs", "stream", le(Prg(bytes(range(32))).blocks(3)[2]).hex()
    yield "prg.rs", "element", str(Prg(bytes(range(32))).elements(2)[1])
    for half in tccr(bytes([5]) * 16, 1127, 127 << 64 | 77):
        yield "prg.rs", "hash", le(half).hex()
    a, b = Prg(bytes([6]) * 32).blocks(2)
    yield "field/prime.rs", "product", str(a * b % P)
    yield "field/prime.rs", "montgomery", str(a * 2**128 % P)
    for polynomial in (GF40, GF64, GF128):
        mask = (1 << (polynomial.bit_length() - 1)) - 1
        yield "field/binary.rs", "product", f"{gf(a & mask, b & mask, polynomial):#x}"
    leaves, message = plant(Transcript("known answer"), 42, keys(3))
    yield "mascot/ggm.rs", "message", Transcript("message").bytes(message).finish().hex()
    yield "mascot/ggm.rs", "leaf", aes(leaves[5], bytes(16)).hex()
    message, answer, rows = extension(4, [1, 2, 3], bytes([1]) * 32)
    yield "mascot/softspoken.rs", "message and answer", Transcript("known answer").bytes(message).bytes(answer).finish().hex()
    yield "mascot/softspoken.rs", "rows", Transcript("rows").list([le(row) for row in rows]).finish().hex()
    message, t = cope(4, 7)
    yield "mascot/cope.rs", "message", Transcript("known answer").bytes(message).finish().hex()
    yield "mascot/cope.rs", "t", str(t)
    receiver, sender, key, salted = base_ot()
    yield "mascot/base_ot.rs", "flights", Transcript("flights").bytes(receiver).bytes(sender).finish().hex()
    yield "mascot/base_ot.rs", "key", key.hex()
    yield "mascot/base_ot.rs", "salted key", salted.hex()
    for what, digest in derivations():
        yield "mascot/assembly.rs", what, digest.hex()
    yield "field/prime.rs", "name of the field", Transcript("field/prime").bytes(le(P)).finish().hex()
    yield "field/binary.rs", "name of the field", (b"gf2n" + le(40, 4) + bytes(8) + le(GF40 & (1 << 40) - 1)).hex()
    context = Transcript("lowgear/proof").bytes(SESSION).bytes(SALT).number(1).number(9)
    yield "lowgear/setup.rs", "context of a proof", context.finish().hex()
    q = 0x3FFFFFFDF0001
    for value in transform(q, root_of_unity(q, 16), range(1, 9)):
        yield "lowgear/ntt.rs", "value", f"{value:_}"
    for value in transform(P, root_of_unity(P, 16), range(1, 9)):
        yield "lowgear/slots.rs", "value", f"{value:_}"


def main():
    missing = []
    for file, what, text in answers():
        if "--print" in sys.argv[1:]:
            print(f"{file:22} {what:20} {text}")
        if text not in (ENGINE / file).read_text():
            missing.append(f"{file}: {what} {text}")
    if missing:
        sys.exit("no source file expects:\n" + "\n".join(missing))
    print("all known answers stand in the sources")


if __name__ == "__main__":
    main()

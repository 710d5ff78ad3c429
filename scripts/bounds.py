#!/usr/bin/env python3
"""Computes the bounds of docs/security from the parameters in the sources.

    scripts/bounds.py            prints the tables
    scripts/bounds.py --check    fails if docs/security/bounds.md says anything else
    scripts/bounds.py --write    writes them there

Every constant is read out of the Rust sources; every bound is computed anew here, in exact integers where the code does
so too. That the sources' own functions come to the same numbers is tested by the engine (`bounds` in the tests of MASCOT
and LowGear), which reads the first table.
"""

import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/security/bounds.md"
SRC = ROOT / "engine/src"
START, END = "<!-- scripts/bounds.py: start -->", "<!-- scripts/bounds.py: end -->"
# Batches, setups and tosses that a key may see in its life.
LIFE = 30


def number(file, pattern):
    """The one number that a source says after this text."""
    found = re.findall(pattern + r"\s*([0-9_]+|0x[0-9a-f_]+)", (SRC / file).read_text())
    assert len(found) == 1, f"{file}: {pattern} stands there {len(found)} times"
    return int(found[0].replace("_", ""), 0)


def constant(file, name):
    return number(file, rf"const {name}: \w+ =")


P = constant("field/prime.rs", "DEFAULT_PRIME")
LOG_P = math.log2(P)
DEFAULTS = re.search(r"impl Default for Params \{.*?\n\}", (SRC / "mascot.rs").read_text(), re.S)[0]


def default(name):
    return int(re.search(rf"{name}: (\d+)", DEFAULTS)[1])


S = default("statistical")


def ceil_log2(x):
    return (x - 1).bit_length()


def components(bits, statistical):
    return 2 + -(-(2 * statistical - 2) // max(bits - 1, 1))


# daBits


def dabits():
    bits = S + constant("mascot/dabit.rs", "LIFETIME_BITS")
    count = constant("mascot/dabit.rs", "BATCH")
    return count, bits, bits + ceil_log2(count) + ceil_log2(bits)


# LowGear: Budget::new of lowgear/params.rs

LG = "lowgear/params.rs"
PRIMES = [int(q.replace("_", ""), 16) for q in re.findall(r"^\s+(0x[0-9a-f_]+),$", (SRC / LG).read_text(), re.M)]
LOG_N = number(LG, r"log_n:")
KEPT, TOGETHER, NOISE = (constant(LG, name) for name in ("KEPT", "TOGETHER", "NOISE"))
CHALLENGE_BITS, SMALL, REPETITIONS = (constant(LG, n) for n in ("CHALLENGE_BITS", "SMALL_CHALLENGES", "REPETITIONS"))
FACTOR, HEADROOM, WORDS = (constant(LG, name) for name in ("SMALL_FACTOR", "HEADROOM", "FLOODING_WORDS"))
PRODUCTS_MAX_BITS = constant(LG, "PRODUCTS_MAX_BITS")
DEGREE = 1 << LOG_N


def masks(plain, u, noise, count):
    return [(reach * count * HEADROOM).bit_length() for reach in (plain * u, u, noise)]


def error(key, cipher):
    """‖E‖: key and cipher are bounds of the plaintext, u (or s) and noise (or e)."""
    (_, s, e), (plain, u, noise) = key, cipher
    with_e = DEGREE * e * (DEGREE * P * u + 1)
    with_s = DEGREE * s * (DEGREE * P * noise + NOISE)
    return with_e + with_s + DEGREE * P * noise + NOISE + DEGREE * plain + 2


def extracted(ks, factor):
    return [factor << (k + 1) for k in ks]


def is_correct(k):
    q, kept = math.prod(PRIMES), math.prod(PRIMES[:KEPT])
    honest = lambda factor: [P * factor, factor, factor * NOISE]
    x = P * (error(honest(2), honest(FACTOR)) + 2**k + 1)
    rounding = (len(PRIMES) - KEPT) * P * (1 + 2 * DEGREE)
    return 2 * (x * kept + rounding * q) < kept * q


def lowgear():
    rows = -(-CHALLENGE_BITS // (LOG_N + 1))
    plaintext = masks(P, TOGETHER, TOGETHER * NOISE, rows * 4 * DEGREE)
    reach = SMALL - 1
    constants = masks(P, reach, reach * NOISE, REPETITIONS * (3 * DEGREE + 1))
    key = masks(0, 1, NOISE, rows * 2 * DEGREE)
    worst = max(error(extracted(key, DEGREE), c) for c in (extracted(plaintext, DEGREE), extracted(constants, FACTOR)))
    flooding = next(k for k in range(50 * WORDS, -1, -1) if is_correct(k))
    products = flooding - (worst * DEGREE).bit_length() - S
    return rows, flooding, worst, min(products, PRODUCTS_MAX_BITS)


def power(log):
    return f"2^{log:.1f}" if log < 0 else f"{log:.1f}"


def tables():
    tau = components(128, S)
    count, tests, mask = dabits()
    rows, flooding, worst, products = lowgear()
    parameters = [
        ("statistical", S, "bits of statistical security, MASCOT and the default label"),
        ("ot-width", default("ot_width"), "bits of Δ in one tree of the OT extension and of bit inputs"),
        ("cope-width", default("cope_width"), "bits of α_i in one tree of COPEe"),
        ("components-128", tau, "τ for a field of 128 bits"),
        ("components-40", components(40, S), "τ for GF(2^40)"),
        ("dabit-batch", count, "L, daBits tested together"),
        ("dabit-tests", tests, "S, subsets per batch"),
        ("dabit-mask-bits", mask, "w"),
        ("lowgear-degree", DEGREE, "N"),
        ("lowgear-modulus-bits", math.prod(PRIMES).bit_length(), "bits of q"),
        ("lowgear-rows", rows, "rows of a proof with monomial challenges"),
        ("lowgear-repetitions", REPETITIONS, "repetitions of the proof that a plaintext is constant"),
        ("lowgear-flooding-bits", flooding, "k′: F is uniform below 2^k′"),
        ("lowgear-products-bits", products, "log₂ of the products that a setup may make"),
    ]
    digits = -(-128 // default("cope_width"))
    leftover = -1 - (tau - 2) * LOG_P / 2
    one = worst.bit_length() + LOG_N - flooding
    batch = math.log2(7 * (TOGETHER // 2))
    shown = math.log2(tests) + math.log2(count) - mask
    bounds = [
        ("a wrong opening passes one MAC check", f"3/p = {power(math.log2(3) - LOG_P)}", "per check"),
        ("the same over GF(2^40)", f"3/2^40 = {power(math.log2(3) - 40)}", "per check"),
        ("the same, 2^20 coins refused until a lie fits", power(math.log2(3) - 40 + 20), "life"),
        ("2^30 MAC checks", power(math.log2(3) - LOG_P + LIFE), "life"),
        ("a wrong triple passes the sacrifice (MASCOT)", f"3/p = {power(math.log2(3) - LOG_P)}", "per tile"),
        ("digits of inputs that differ collide in y", f"C({digits}, 2)/p = {power(math.log2(digits * (digits - 1) / 2) - LOG_P)}", "per check of inputs"),
        ("what a guess tells about a factor of a triple, passing included, first guess", power(leftover - 0.5), "per guess"),
        ("all guesses of a key's life (each wrong one burns it)", power(leftover + 0.5), "life, no coin refused"),
        ("the same, coins chosen out of 2^20 refused ones", power(leftover + 0.5 + 10), "life"),
        ("the same, coins chosen out of 2^30 refused ones", power(leftover + 0.5 + 15), "life"),
        ("digits of an OT extension's Δ guessed in the best of 2^30 setups", "30 of 128 bits", "one setup"),
        ("what is no bit passes as one, GF(2^128)", power(-64), "life (a failure burns)"),
        ("what is no bit passes as one, GF(2^40)", power(-20), "life (a failure burns)"),
        ("a daBit that differs passes all subsets", power(-tests), "per toss"),
        ("2^30 tosses, refused ones included", power(-tests + LIFE), "life"),
        ("what opened sums tell about daBits", f"S·L/2^w = {power(shown)}", "per batch"),
        ("2^30 batches", power(shown + LIFE), "life"),
        ("a LowGear product tells its multiplier's secrets", f"N·E/2^k′ < {power(one)}", "per product"),
        ("as many products as a setup may make", f"< {power(one + products)}", "per setup"),
        (f"2^30 batches of 7·{TOGETHER // 2} products to one peer", f"< {power(one + batch + LIFE)}", "life"),
        ("products for which 2^-64 holds over a life", f"2^{-64 - one:.0f}", "life"),
        ("rejection sampling", "0", "exact"),
        ("a false proof, monomial challenges, for each hash", power(-rows * (LOG_N + 1)), "per hash"),
        ("a false proof of a constant, for each hash", power(-REPETITIONS * math.log2(SMALL)), "per hash"),
        ("a client accepts a wrong delivery", f"1/p = {power(-LOG_P)}", "per delivery"),
        ("a setup under another key passes the link", f"2/p + 3/p = {power(math.log2(5) - LOG_P)}", "per setup"),
    ]
    lines = ["| parameter | value | what it is |", "|---|---|---|"]
    lines += [f"| `{name}` | {value} | {what} |" for name, value, what in parameters]
    lines += ["", "| what | at most | for |", "|---|---|---|"]
    lines += [f"| {what} | {bound} | {scope} |" for what, bound, scope in bounds]
    return "\n".join(lines)


def main():
    text = tables()
    if sys.argv[1:] in (["--check"], ["--write"]):
        page = PAGE.read_text()
        before, rest = page.split(START)
        found, after = rest.split(END)
        if sys.argv[1] == "--write":
            PAGE.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")
        elif found.strip() != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} differs from the sources: scripts/bounds.py --write")
    else:
        print(text)


if __name__ == "__main__":
    main()

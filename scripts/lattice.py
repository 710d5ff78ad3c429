#!/usr/bin/env python3
"""How hard the lattice problem behind LowGear is, by the formulas that parameter tables are made with.

    scripts/lattice.py [--n N --log-q BITS --error SIGMA --secret-variance V]

Two attacks on learning with errors with a secret and errors of known variance, each with the block size β that it needs
and the cost of one call of a shortest-vector oracle in dimension β ("core-SVP"):

- primal: unique shortest vector in the lattice of Bai and Galbraith (ACISP 2014), which scales the secret to the size
  of the errors; success condition of Alkim, Ducas, Pöppelmann, Schwabe (eprint 2015/1092 §6.3), geometric series
  assumption;
- dual: a short vector of the dual lattice distinguishes with advantage ε = exp(−2π²τ²), and sieving gives 2^(0.2075·β)
  such vectors at once (the same paper, §6.4), here with the secret scaled as Albrecht does (eprint 2017/047).

Root Hermite factor: δ(β) = ((πβ)^(1/β)·β/(2πe))^(1/(2(β−1))) (Chen's thesis, 2013). Sieving: 2^(0.292·β) classical
(Becker, Ducas, Gama, Laarhoven, eprint 2015/1128), 2^(0.265·β) quantum (Laarhoven's thesis, 2015).

The column "standard" is the model that the standard's table fits: 0.292·β + 16.4 + log₂(8d), a constant and 8d calls of
the oracle on top of core-SVP (d = 2N; the rows of 128 bits come out at 128).

What it leaves out: attacks that combine guessing or meet-in-the-middle with lattices (they gain for sparse secrets, which
ours are not), dual attacks with a Fourier transform, whose heuristics are disputed, and the structure of the ring, for
which no attack on these parameters is known. It is no replacement for the lattice estimator of Albrecht, Player and
Scott (eprint 2015/046), which needs Sage. The rows of the homomorphic encryption standard (2018) that are printed beside
ours show how far the two agree.
"""

import argparse
import math

CLASSICAL, QUANTUM = 0.292, 0.265
# The ring of engine/src/lowgear/params.rs: degree, log2 q; the noise is centred binomial with parameter 21, the secret
# with parameter 1.
N, LOG_Q, ERROR, SECRET_VARIANCE = 32768, 500, math.sqrt(21 / 2), 1 / 2
# Homomorphic Encryption Standard, 2018, table 1, ternary secrets (variance 2/3), σ = 3.19, classical: degree, log2 q, bits.
STANDARD = [(4096, 109, 128), (8192, 218, 128), (16384, 438, 128), (32768, 881, 128), (32768, 611, 192), (32768, 476, 256)]


def log_delta(beta):
    """log2 of the root Hermite factor that block size β reaches."""
    return math.log2((math.pi * beta) ** (1 / beta) * beta / (2 * math.pi * math.e)) / (2 * (beta - 1))


def samples(n):
    """Numbers of samples to try: one ciphertext gives two ring elements, so 2n."""
    return range(n // 16, 2 * n + 1, n // 64)


def primal_works(beta, n, log_q, error, scale):
    """Whether some number of samples lets β find the secret: σ·√β ≤ δ^(2β−d)·vol^(1/d)."""
    needed = math.log2(error) + math.log2(beta) / 2
    delta = log_delta(beta)
    for m in samples(n):
        d = m + n + 1
        if needed <= delta * (2 * beta - d) + (m * log_q + n * math.log2(scale)) / d:
            return True
    return False


def smallest(works, low, high):
    """The least β in the range for which it works, which it does from there on."""
    while low < high:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle + 1
    return low


def primal(n, log_q, error, variance):
    scale = error / math.sqrt(variance)
    return smallest(lambda beta: primal_works(beta, n, log_q, error, scale), 60, 4 * n)


def dual_cost(beta, n, log_q, error, scale, exponent):
    """log2 of the work at block size β with the best number of samples."""
    best = math.inf
    for m in samples(n):
        d = m + n
        length = log_delta(beta) * d + n * (log_q - math.log2(scale)) / d
        tau = 2 ** min(length + math.log2(error) - log_q, 20)
        advantage = -2 * math.pi**2 * tau**2 / math.log(2)
        repetitions = max(0.0, -2 * advantage - 0.2075 * beta)
        best = min(best, exponent * beta + repetitions)
    return best


def dual(n, log_q, error, variance, exponent):
    scale = error / math.sqrt(variance)
    cost = lambda beta: dual_cost(beta, n, log_q, error, scale, exponent)
    low, high = 60, 4 * n
    while high - low > 2:  # the cost falls, then rises
        third = (high - low) // 3
        if cost(low + third) < cost(high - third):
            high -= third
        else:
            low += third
    return min((cost(beta), beta) for beta in range(low, high + 1))


def line(name, n, log_q, error, variance):
    beta = primal(n, log_q, error, variance)
    model = 0.292 * beta + 16.4 + math.log2(8 * 2 * n)
    cost, dual_beta = dual(n, log_q, error, variance, CLASSICAL)
    quantum, _ = dual(n, log_q, error, variance, QUANTUM)
    print(
        f"{name:32} {beta:6} {CLASSICAL * beta:7.0f} {QUANTUM * beta:7.0f} {model:9.0f}"
        f" {dual_beta:7} {cost:7.0f} {quantum:7.0f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--log-q", type=float, default=LOG_Q)
    parser.add_argument("--error", type=float, default=ERROR)
    parser.add_argument("--secret-variance", type=float, default=SECRET_VARIANCE)
    args = parser.parse_args()
    print(f"{'':32} primal: β  class.  quant. standard dual: β  class.  quant.")
    line(f"N = {args.n}, {args.log_q:g} bits", args.n, args.log_q, args.error, args.secret_variance)
    for n, log_q, bits in STANDARD:
        line(f"standard: {n}, {log_q} bits: {bits}", n, log_q, 3.19, 2 / 3)


if __name__ == "__main__":
    main()

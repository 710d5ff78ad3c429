//! The parameters, and the program that proves their noise budget.
//!
//! [`Budget::new`] follows every bound of the protocol in exact integers, ‖·‖ being the largest absolute value
//! of a coefficient and N the degree; products in the ring satisfy ‖x·y‖ ≤ N·‖x‖·‖y‖:
//!
//! 1. **Proofs** ([`super::proof`]). A mask of a coefficient is uniform in [−2^k, 2^k), where 2^k is at least
//!    32 times the number of masked coefficients times the largest Σ challenge·secret: all of a proof's
//!    responses together are out of bounds with probability at most 1/32. An accepted proof extracts secrets
//!    with ‖2x‖ ≤ N·2·2^k for monomial challenges (2/(X^i − X^j) has coefficients −1, 0, 1: Benhamouda,
//!    Camenisch, Krenn, Lyubashevsky, Neven, eprint 2014/889, lemma 3.2) and ‖420·x‖ ≤ 420·2·2^k for
//!    challenges 0 to 7 (420 = lcm(1, …, 7)).
//! 2. **Privacy**. A product x·(c₀, c₁) + Enc(r) decrypts to d + p·(E + F), where E is all that depends on
//!    the multiplier's secrets, whatever the owner did within the bounds of 1. F is uniform in [0, 2^k'): the
//!    distance from a product that is made from d alone is at most N·‖E‖/2^k'. All products of a setup
//!    together stay within 2^−s.
//! 3. **Correctness**. Between honest parties the same is below q/2 in absolute value, also after the switch to the
//!    kept limbs with its rounding.
//!
//! Ring learning with errors at N = 32768 is estimated at 128 bits up to log₂q = 881 (HomomorphicEncryption.org
//! standard of 2018, ternary secrets, classical); we use 500 bits, for about 240 (`docs/security/lowgear-parameters.md`).

use crate::tuples::Kind;
use crypto_bigint::{CheckedAdd, U2048};

/// The ten largest primes below 2^50 that are 1 modulo 2^16: they have roots of unity for every degree up
/// to 2^15.
pub(crate) const PRIMES: [u64; 10] = [
    0x3_ffff_ffdf_0001,
    0x3_ffff_ffd2_0001,
    0x3_ffff_ffcd_0001,
    0x3_ffff_ffc7_0001,
    0x3_ffff_ffb8_0001,
    0x3_ffff_ffb1_0001,
    0x3_ffff_ff8b_0001,
    0x3_ffff_ff5d_0001,
    0x3_ffff_fed6_0001,
    0x3_ffff_fec8_0001,
];

/// Limbs that a product keeps on the wire.
pub(crate) const KEPT: usize = 3;
/// Ciphertexts that are proved together, at most. A proof costs the same for all that it may have, and all of them are
/// in memory until it is there: with 18 a node takes 70 MB more, and makes as many triples to within the noise.
pub(crate) const TOGETHER: usize = 12;
/// Bits of a challenge, with two to spare.
const CHALLENGE_BITS: u32 = 130;
/// Challenges of the proof that a plaintext is constant are below this.
pub(crate) const SMALL_CHALLENGES: u64 = 8;
/// Their number: 8^43 = 2^129.
pub(crate) const REPETITIONS: usize = 43;
/// lcm(1, …, 7): a multiple of every difference of two such challenges.
pub(crate) const SMALL_FACTOR: u64 = 420;
/// Bound of noise: two sums of 21 bits each, one subtracted from the other (σ = 3.24).
pub(crate) const NOISE: u64 = 21;
/// Blocks of randoms or input masks that are checked together, at most.
pub(crate) const MASK_BLOCKS: usize = 8;
/// Words of 50 bits that flooding takes at most.
pub(crate) const FLOODING_WORDS: usize = 8;
/// One in so many proofs has responses out of bounds and is made again.
const HEADROOM: u128 = 32;
/// Log₂ of the number of products that a setup must be good for.
const PRODUCTS_MIN_BITS: u32 = 24;
const PRODUCTS_MAX_BITS: u32 = 40;

/// The ring and the statistical security of a setup; the same at all parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    statistical: u32,
    log_n: u32,
    blocks: usize,
}

impl Params {
    /// Parameters for GF(p): degree 32768, 500 bits of modulus. `None` if p is not 1 modulo 65536, or too large
    /// for so much statistical security: MASCOT serves every field.
    pub fn for_prime(p: u128, statistical: u32) -> Option<Self> {
        let params = Self { statistical, log_n: 15, blocks: TOGETHER / 2 };
        params.budget(p).map(|_| params)
    }

    /// A small ring that protects nothing.
    #[cfg(any(test, feature = "timing"))]
    pub(crate) fn toy(log_n: u32, blocks: usize) -> Self {
        Self { statistical: 40, log_n, blocks }
    }

    /// Bits of statistical security of everything that leaves a setup.
    pub fn statistical(&self) -> u32 {
        self.statistical
    }

    /// The ring, and how much is made at once.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        [u64::from(self.log_n), self.blocks as u64].into_iter().chain(PRIMES)
    }

    /// How many tuples of a kind the largest batch among `n` parties gives.
    pub fn batch(&self, kind: Kind, n: usize) -> usize {
        let block = 1usize << self.log_n;
        match kind {
            Kind::Triple | Kind::Square | Kind::Inverse | Kind::Bit => self.blocks(n) * block - 1,
            Kind::Random | Kind::InputMask => MASK_BLOCKS * block - 1,
        }
    }

    pub(crate) fn log_n(&self) -> u32 {
        self.log_n
    }

    /// Blocks of N triples in a batch among `n` parties: what one holds of its peers' ciphertexts stays the same.
    pub(crate) fn blocks(&self, n: usize) -> usize {
        (self.blocks / (n - 1)).max(1)
    }

    pub(crate) fn budget(&self, p: u128) -> Option<Budget> {
        let fits = (1..=128).contains(&self.statistical) && p % (2 << self.log_n) == 1;
        if fits { Budget::new(p, self.log_n, self.statistical, &PRIMES) } else { None }
    }
}

/// k of the masks in [−2^k, 2^k) for the parts of an opening of a ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    /// The plaintext.
    pub plain: u32,
    /// The randomness u, or a secret key.
    pub u: u32,
    /// The noise v and w.
    pub noise: u32,
}

/// What has been proved of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Rows of a proof with monomial challenges: (2N)^rows ≥ 2^130.
    pub rows: usize,
    pub plaintext: Masks,
    pub constant: Masks,
    pub key: Masks,
    /// k' of the flooding.
    pub flooding: u32,
    /// Products that a setup makes at most.
    pub products: u64,
}

/// Bounds of the parts of a ciphertext, or of a secret key (`u`, `noise`).
struct Bounds {
    plain: U2048,
    u: U2048,
    noise: U2048,
}

fn big(x: u128) -> U2048 {
    U2048::from(x)
}

fn power_of_two(k: u32) -> U2048 {
    U2048::ONE.shl(k)
}

fn product<const K: usize>(factors: [U2048; K]) -> U2048 {
    factors.into_iter().fold(U2048::ONE, |product, factor| product.checked_mul(&factor).expect("far below 2^2048"))
}

fn sum<const K: usize>(terms: [U2048; K]) -> U2048 {
    terms.into_iter().fold(U2048::ZERO, |sum, term| sum.checked_add(&term).expect("far below 2^2048"))
}

/// The number of bits of x: x < 2^bits.
fn bits(x: &U2048) -> u32 {
    x.bits()
}

/// Step 1: masks of `count` coefficients in all, for plaintexts below `plain` times `u`, where Σ challenge·u and
/// Σ challenge·noise are at most `u` and `noise`.
fn masks(plain: u128, u: u64, noise: u64, count: u64) -> Masks {
    let k = |reach: U2048| bits(&product([reach, big(count as u128), big(HEADROOM)]));
    Masks { plain: k(product([big(plain), big(u as u128)])), u: k(big(u as u128)), noise: k(big(noise as u128)) }
}

impl Masks {
    /// What an accepted proof extracts, times `factor`.
    fn extracted(&self, factor: u64) -> Bounds {
        let bound = |k: u32| product([big(factor as u128), power_of_two(k + 1)]);
        Bounds { plain: bound(self.plain), u: bound(self.u), noise: bound(self.noise) }
    }
}

/// ‖E‖ of step 2 for a factor below p, a key and a ciphertext within these bounds:
/// E = e·(x·u′ + u) + x·w′ + w − s·(x·v′ + v) + ⌊(x·m′ + r)/p⌋.
fn error(p: u128, n: u64, key: &Bounds, ciphertext: &Bounds) -> U2048 {
    let (p, n) = (big(p), big(n as u128));
    let with_e = product([n, key.noise, sum([product([n, p, ciphertext.u]), U2048::ONE])]);
    let with_s = product([n, key.u, sum([product([n, p, ciphertext.noise]), big(NOISE as u128)])]);
    let rest = sum([product([n, p, ciphertext.noise]), big(NOISE as u128)]);
    let carry = sum([product([n, ciphertext.plain]), big(2)]);
    sum([with_e, with_s, rest, carry])
}

impl Budget {
    /// `None` if the modulus is too small for p and so much statistical security.
    fn new(p: u128, log_n: u32, statistical: u32, primes: &[u64]) -> Option<Self> {
        let n = 1u64 << log_n;
        let rows = CHALLENGE_BITS.div_ceil(log_n + 1) as usize;
        let together = TOGETHER as u64;
        let plaintext = masks(p, together, together * NOISE, rows as u64 * 4 * n);
        let reach = SMALL_CHALLENGES - 1;
        let constant = masks(p, reach, reach * NOISE, REPETITIONS as u64 * (3 * n + 1));
        let key = masks(0, 1, NOISE, rows as u64 * 2 * n);

        let cheating_key = key.extracted(n);
        let errors = [plaintext.extracted(n), constant.extracted(SMALL_FACTOR)].map(|c| error(p, n, &cheating_key, &c));
        let worst = errors.into_iter().max().expect("two kinds of ciphertexts");
        let flooding = (0..=50 * FLOODING_WORDS as u32).rev().find(|&k| is_correct(p, n, k, primes))?;
        let products = flooding.checked_sub(bits(&product([worst, big(n as u128)])) + statistical)?;
        let products = 1 << products.min(PRODUCTS_MAX_BITS);
        (products >= 1 << PRODUCTS_MIN_BITS).then_some(Self { rows, plaintext, constant, key, flooding, products })
    }
}

/// Step 3. A product decrypts to x with |x| ≤ p·(‖E‖ + 2^k' + 1); the switch divides it by q/q′ and adds, for
/// each of the two parts, at most (dropped limbs)·p, the second one times s.
fn is_correct(p: u128, n: u64, flooding: u32, primes: &[u64]) -> bool {
    let all = |primes: &[u64]| primes.iter().fold(U2048::ONE, |q, &prime| product([q, big(prime as u128)]));
    let (q, kept) = (all(primes), all(&primes[..KEPT]));
    // Secrets are doubled, ciphertexts multiplied by 2 or 420.
    let honest = |factor: u64| Bounds {
        plain: product([big(p), big(factor as u128)]),
        u: big(factor as u128),
        noise: big((factor * NOISE) as u128),
    };
    let e = error(p, n, &honest(2), &honest(SMALL_FACTOR));
    let x = product([big(p), sum([e, power_of_two(flooding), U2048::ONE])]);
    let dropped = (primes.len() - KEPT) as u128;
    let rounding = product([big(dropped), big(p), big(1 + 2 * n as u128)]);
    // x·q′/q + rounding < q′/2, times 2q.
    product([big(2), sum([product([x, kept]), product([rounding, q])])]) < product([kept, q])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::prime::{CARBYNE_PRIME, DEFAULT_PRIME};

    #[test]
    fn the_primes_are_the_largest_for_every_degree() {
        let mut expected = Vec::new();
        let mut candidate = (1u64 << 50) - (1 << 16) + 1;
        while expected.len() < PRIMES.len() {
            if crate::field::PrimeField::new(candidate as u128).is_ok() {
                expected.push(candidate);
            }
            candidate -= 1 << 16;
        }
        assert_eq!(PRIMES.to_vec(), expected);
    }

    /// The claims for the default prime. Each bound is a strict one: a smaller modulus or more security fails.
    #[test]
    fn the_budget_of_the_default_prime_is_proved() {
        let budget = |statistical, limbs| Budget::new(DEFAULT_PRIME, 15, statistical, &PRIMES[..limbs]);
        let proved = budget(64, 10).expect("64 bits");
        assert_eq!(proved, Params::for_prime(DEFAULT_PRIME, 64).unwrap().budget(DEFAULT_PRIME).unwrap());
        assert_eq!(proved.rows, 9, "65536^9 = 2^144 challenges");
        assert!(proved.products >= 1 << 30, "2^30 products at 2^-64");
        assert!(budget(81, 10).expect("81 bits").products >= 1 << 24, "2^24 products at 2^-81");
        assert_eq!(budget(82, 10), None);
        assert_eq!(budget(64, 9), None, "450 bits are too few");
        let carbyne = Params::for_prime(CARBYNE_PRIME, 83).unwrap().budget(CARBYNE_PRIME).expect("83 bits");
        assert!(carbyne.products >= 1 << 24, "a smaller prime leaves two bits more");
    }

    /// `scripts/bounds.py` computes the table, and the bounds by formulas of its own.
    #[test]
    fn the_table_of_bounds_has_our_parameters() {
        let params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
        let budget = params.budget(DEFAULT_PRIME).unwrap();
        let log_q: f64 = PRIMES.iter().map(|&q| (q as f64).log2()).sum();
        for (name, value) in [
            ("lowgear-degree", 1 << params.log_n()),
            ("lowgear-modulus-bits", log_q.ceil() as u64),
            ("lowgear-rows", budget.rows as u64),
            ("lowgear-repetitions", REPETITIONS as u64),
            ("lowgear-flooding-bits", budget.flooding.into()),
            ("lowgear-products-bits", budget.products.ilog2().into()),
        ] {
            assert_eq!(crate::bounds::parameter(name), value, "{name}: scripts/bounds.py --write");
        }
    }

    /// The same bounds by logarithms, term by term.
    #[test]
    fn the_budget_agrees_with_logarithms() {
        let budget = Budget::new(DEFAULT_PRIME, 15, 80, &PRIMES).unwrap();
        let (p, n) = ((DEFAULT_PRIME as f64).log2(), 15.0);
        let count = (9.0f64 * 4.0).log2() + n + 5.0;
        let near = |bits: u32, log: f64| assert!((0.0..1.5).contains(&(bits as f64 - log)), "{bits} for 2^{log}");
        near(budget.plaintext.u, 12f64.log2() + count);
        near(budget.plaintext.plain, 12f64.log2() + count + p);
        near(budget.plaintext.noise, 252f64.log2() + count);
        near(budget.key.u, 18f64.log2() + n + 5.0);
        near(budget.key.noise, 378f64.log2() + n + 5.0);
        near(budget.constant.u, (43.0f64 * 3.0 * 7.0).log2() + n + 5.0);
        let with_e = n + (budget.key.noise as f64 + 1.0 + n) + n + p + (budget.plaintext.u as f64 + 1.0 + n);
        let with_s = n + (budget.key.u as f64 + 1.0 + n) + n + p + (budget.plaintext.noise as f64 + 1.0 + n);
        let error = with_e.max(with_s) + (1.0 + (-(with_e - with_s).abs()).exp2()).log2();
        let slack = budget.flooding as f64 - 80.0 - n - error - (budget.products as f64).log2();
        assert!((0.0..1.5).contains(&slack), "slack {slack}");
        // p·2^k' against q/2.
        assert!((0.0..2.0).contains(&(499.0 - p - budget.flooding as f64)), "flooding {}", budget.flooding);
    }

    #[test]
    fn only_primes_with_enough_roots_of_unity_are_served() {
        assert!(Params::for_prime(DEFAULT_PRIME, 64).is_some());
        // MP-SPDZ's default prime has 2-adicity 15.
        assert!(Params::for_prime(170_141_183_460_469_231_731_687_303_715_885_907_969, 64).is_none());
        assert!(Params::for_prime((1 << 61) - 1, 40).is_none());
        assert!(Params::for_prime(DEFAULT_PRIME, 0).is_none() && Params::for_prime(DEFAULT_PRIME, 100).is_none());
    }

    /// 128 bits of ring learning with errors, by the table of the homomorphic encryption standard.
    #[test]
    fn the_modulus_is_far_below_the_standard_s_limit_for_the_degree() {
        let log_q: f64 = PRIMES.iter().map(|&q| (q as f64).log2()).sum();
        assert!(log_q < 500.0 && 500.0 < 881.0);
    }

    #[test]
    fn fewer_parties_take_larger_batches() {
        let params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
        assert_eq!([2, 3, 4, 20].map(|n| params.blocks(n)), [6, 3, 2, 1]);
    }
}

//! The negacyclic number-theoretic transform: Z_q[X]/(X^N + 1) to the values at the odd powers of a root of
//! unity ψ of order 2N, and back.
//!
//! Iterations and layout of Longa and Naehrig (eprint 2016/504, algorithms 1 and 2), butterflies of Harvey
//! (arXiv 1205.2926) on values below 4q. Value k of a transform is that at ψ^(2·rev(k)+1), where rev
//! reverses the log₂N bits of k.

use super::modulus::{Constant, Modulus, multiply_lazily, subtract_once};
use super::simd;

/// The tables of one limb.
pub(crate) struct Table {
    pub modulus: Modulus,
    pub log_n: u32,
    /// ψ^rev(k), for k below N.
    pub roots: Roots,
    /// ψ^−rev(k).
    pub inverse_roots: Roots,
    /// 1/N.
    pub scale: Constant,
    /// ψ itself, for the values of monomials.
    psi: u64,
}

/// Constants side by side, so that neighbours load as vectors.
pub(crate) struct Roots {
    pub w: Vec<u64>,
    pub quotients: Vec<u64>,
}

impl Roots {
    /// base^rev(k).
    fn new(modulus: &Modulus, base: u64, log_n: u32) -> Self {
        let n = 1usize << log_n;
        let (mut w, mut quotients) = (vec![0; n], vec![0; n]);
        let mut power = 1;
        for k in 0..n {
            let place = reverse(k, log_n);
            let constant = modulus.constant(power);
            (w[place], quotients[place]) = (constant.w, constant.quotient);
            power = modulus.mul(power, base);
        }
        Self { w, quotients }
    }

    #[inline(always)]
    pub fn get(&self, k: usize) -> Constant {
        Constant { w: self.w[k], quotient: self.quotients[k] }
    }
}

fn reverse(k: usize, bits: u32) -> usize {
    k.reverse_bits() >> (usize::BITS - bits)
}

impl Table {
    /// Tables for degree 2^log_n.
    pub fn new(modulus: Modulus, log_n: u32) -> Self {
        assert!((3..=15).contains(&log_n), "degrees of 8 to 32768");
        let psi = modulus.root_of_unity(2 << log_n);
        Self {
            modulus,
            log_n,
            roots: Roots::new(&modulus, psi, log_n),
            inverse_roots: Roots::new(&modulus, modulus.inv(psi), log_n),
            scale: modulus.constant(modulus.inv(1 << log_n)),
            psi,
        }
    }

    /// Coefficients to values, in place; canonical in and out.
    pub fn forward(&self, values: &mut [u64]) {
        assert_eq!(values.len(), 1 << self.log_n, "a polynomial of this ring");
        simd::forward(self, values);
    }

    /// Values to coefficients, in place; canonical in and out.
    pub fn inverse(&self, values: &mut [u64]) {
        assert_eq!(values.len(), 1 << self.log_n, "a polynomial of this ring");
        simd::inverse(self, values);
    }

    /// The values of X^e for 0 ≤ e < 2N. Those at k and at k + 2^b, for k below 2^b, have the ratio
    /// ψ^(2e·N/2^(b+1)), so that they double up from ψ^e.
    pub fn monomial(&self, e: usize, out: &mut [u64]) {
        let n = 1u64 << self.log_n;
        let m = &self.modulus;
        out[0] = m.pow(self.psi, e as u64);
        for b in 0..self.log_n {
            let ratio = m.constant(m.pow(self.psi, (e as u64 * (n >> b)) % (2 * n)));
            let (low, high) = out[..2 << b].split_at_mut(1 << b);
            simd::scaled(m, low, ratio, high);
        }
    }
}

/// The butterflies on any processor.
pub(crate) mod portable {
    use super::*;

    #[inline(always)]
    pub fn forward(table: &Table, values: &mut [u64]) {
        let q = table.modulus.q;
        let mut half = values.len() / 2;
        let mut groups = 1;
        while half > 0 {
            for (i, group) in values.chunks_exact_mut(2 * half).enumerate() {
                let root = table.roots.get(groups + i);
                let (upper, lower) = group.split_at_mut(half);
                for (x, y) in upper.iter_mut().zip(lower) {
                    let u = subtract_once(*x, q << 1);
                    let v = multiply_lazily(*y, root, q);
                    *x = u.wrapping_add(v);
                    *y = u.wrapping_add(q << 1).wrapping_sub(v);
                }
            }
            half /= 2;
            groups *= 2;
        }
        values.iter_mut().for_each(|x| *x = subtract_once(subtract_once(*x, q << 1), q));
    }

    #[inline(always)]
    pub fn inverse(table: &Table, values: &mut [u64]) {
        let q = table.modulus.q;
        let mut half = 1;
        let mut groups = values.len() / 2;
        while groups > 0 {
            for (i, group) in values.chunks_exact_mut(2 * half).enumerate() {
                let root = table.inverse_roots.get(groups + i);
                let (upper, lower) = group.split_at_mut(half);
                for (x, y) in upper.iter_mut().zip(lower) {
                    let sum = x.wrapping_add(*y);
                    let difference = x.wrapping_add(q << 1).wrapping_sub(*y);
                    *x = subtract_once(sum, q << 1);
                    *y = multiply_lazily(difference, root, q);
                }
            }
            half *= 2;
            groups /= 2;
        }
        values.iter_mut().for_each(|x| *x = subtract_once(multiply_lazily(*x, table.scale, q), q));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lowgear::params::PRIMES;
    use crate::port::Rng;
    use rand_core::{Rng as _, SeedableRng};

    fn random(modulus: &Modulus, n: usize, seed: u64) -> Vec<u64> {
        let mut rng = Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.next_u64() % modulus.q).collect()
    }

    /// The product modulo X^N + 1, by definition.
    fn schoolbook(m: &Modulus, x: &[u64], y: &[u64]) -> Vec<u64> {
        let n = x.len();
        let mut product = vec![0; n];
        for (i, &x) in x.iter().enumerate() {
            for (j, &y) in y.iter().enumerate() {
                let term = m.mul(x, y);
                let place = &mut product[(i + j) % n];
                *place = if i + j < n { m.add(*place, term) } else { m.sub(*place, term) };
            }
        }
        product
    }

    #[test]
    fn products_of_transforms_are_products_of_polynomials() {
        for (k, log_n) in [(0, 3), (4, 5), (9, 8)] {
            let table = Table::new(Modulus::new(PRIMES[k]), log_n);
            let m = table.modulus;
            let (mut x, mut y) = (random(&m, 1 << log_n, 1), random(&m, 1 << log_n, 2));
            let expected = schoolbook(&m, &x, &y);
            table.forward(&mut x);
            table.forward(&mut y);
            x.iter_mut().zip(&y).for_each(|(x, &y)| *x = m.mul(*x, y));
            table.inverse(&mut x);
            assert_eq!(x, expected);
        }
    }

    #[test]
    fn values_are_those_at_odd_powers_of_the_root_in_reversed_order() {
        let table = Table::new(Modulus::new(PRIMES[2]), 4);
        let m = table.modulus;
        let coefficients = random(&m, 16, 3);
        let mut values = coefficients.clone();
        table.forward(&mut values);
        for (k, &value) in values.iter().enumerate() {
            let point = m.pow(table.psi, 2 * reverse(k, 4) as u64 + 1);
            let expected = coefficients.iter().rev().fold(0, |sum, &c| m.add(m.mul(sum, point), c));
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn the_transform_at_full_size_inverts_and_knows_monomials() {
        for &q in &PRIMES {
            let table = Table::new(Modulus::new(q), 15);
            let x = random(&table.modulus, 1 << 15, 4);
            let mut back = x.clone();
            table.forward(&mut back);
            table.inverse(&mut back);
            assert_eq!(back, x);
            for e in [0, 1, 77, 32_767, 32_768, 65_535] {
                let mut expected = vec![0; 1 << 15];
                expected[e % (1 << 15)] = if e < 1 << 15 { 1 } else { q - 1 };
                table.forward(&mut expected);
                let mut values = vec![0; 1 << 15];
                table.monomial(e, &mut values);
                assert_eq!(values, expected, "X^{e} modulo {q}");
            }
        }
    }

    /// Frozen: two builds that disagree here would not understand each other's ciphertexts.
    #[test]
    fn known_answer() {
        let table = Table::new(Modulus::new(PRIMES[0]), 3);
        let mut values = [1, 2, 3, 4, 5, 6, 7, 8];
        table.forward(&mut values);
        assert_eq!(values, KNOWN);
    }

    /// Recipe: `scripts/known_answers.py`.
    const KNOWN: [u64; 8] = [
        205_512_595_598_357,
        44_197_120_070_332,
        777_919_535_472_573,
        832_073_972_148_896,
        1_096_678_207_320_552,
        45_467_061_512_428,
        110_938_735_881_507,
        264_912_486_035_174,
    ];
}

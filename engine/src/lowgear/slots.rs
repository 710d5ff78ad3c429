//! Vectors over GF(p) as plaintext polynomials: N values in the slots of Z_p[X]/(X^N + 1), for p ≡ 1 mod 2N
//! (Smart and Vercauteren, eprint 2011/133). Products of polynomials are products in every slot; a constant
//! polynomial has its constant in all.

use crate::field::{Field, Fp, PrimeField};
use zeroize::Zeroizing;

/// Log₂ of the distance from which on butterflies with one root are multiplied by it as a vector; nearer ones with
/// a vector of their roots.
const FAR: u32 = 4;
/// Values whose last layers are done together, while they are in the cache.
const BLOCK: usize = 512;

/// The tables of the transform modulo p; layout as in [`super::ntt`].
pub(crate) struct Slots {
    field: PrimeField,
    log_n: u32,
    forward: Roots,
    inverse: Roots,
    scale: Fp,
}

/// The roots of all butterflies in one direction.
struct Roots {
    /// By group.
    groups: Vec<Fp>,
    /// By log₂ of the distance, one for each butterfly.
    near: Vec<Vec<Fp>>,
}

/// A layer's factors and products.
struct Scratch {
    factors: Zeroizing<Vec<Fp>>,
    products: Zeroizing<Vec<Fp>>,
}

impl Roots {
    fn new(field: &PrimeField, base: Fp, log_n: u32) -> Self {
        let n = 1usize << log_n;
        let mut groups = vec![field.one(); n];
        let mut power = field.one();
        for k in 0..n {
            groups[k.reverse_bits() >> (usize::BITS - log_n)] = power;
            power = field.mul(power, base);
        }
        let near = |log: u32| {
            let first = n >> (log + 1);
            groups[first..2 * first].iter().flat_map(|&root| std::iter::repeat_n(root, 1 << log)).collect()
        };
        let near = (0..FAR.min(log_n)).map(near).collect();
        Self { groups, near }
    }
}

impl Slots {
    /// # Panics
    /// If p is not 1 modulo 2N.
    pub fn new(field: PrimeField, log_n: u32) -> Self {
        let (order, p) = (2u128 << log_n, field.modulus());
        assert!(p % order == 1, "the field has roots of unity of order 2N");
        let candidates = (2..p).map(|x| field.pow(field.element(x), (p - 1) / order));
        let minus_one = field.neg(field.one());
        let is_primitive = |root: &Fp| field.pow(*root, order / 2) == minus_one;
        let root = candidates.into_iter().find(is_primitive).expect("half of all powers are primitive");
        let forward = Roots::new(&field, root, log_n);
        let inverse = Roots::new(&field, field.inv(root), log_n);
        Self { field, log_n, forward, inverse, scale: field.inv(field.element(1 << log_n)) }
    }

    fn n(&self) -> usize {
        1 << self.log_n
    }

    fn scratch(&self) -> Scratch {
        let zeros = || Zeroizing::new(self.field.zeros(self.n() / 2));
        Scratch { factors: zeros(), products: zeros() }
    }

    /// Coefficients to slots, in place.
    pub fn to_slots(&self, values: &mut [Fp]) {
        assert_eq!(values.len(), self.n(), "a plaintext polynomial");
        let mut scratch = self.scratch();
        let block = BLOCK.min(self.n());
        (block.ilog2()..self.log_n).rev().for_each(|log| self.forward_layer(values, log, 0, &mut scratch));
        for (k, values) in values.chunks_exact_mut(block).enumerate() {
            (0..block.ilog2()).rev().for_each(|log| self.forward_layer(values, log, k * block, &mut scratch));
        }
    }

    /// Slots to coefficients, in place.
    pub fn to_coefficients(&self, values: &mut [Fp]) {
        let f = &self.field;
        assert_eq!(values.len(), self.n(), "a plaintext polynomial");
        let mut scratch = self.scratch();
        let block = BLOCK.min(self.n());
        for (k, values) in values.chunks_exact_mut(block).enumerate() {
            (0..block.ilog2()).for_each(|log| self.inverse_layer(values, log, k * block, &mut scratch));
        }
        (block.ilog2()..self.log_n).for_each(|log| self.inverse_layer(values, log, 0, &mut scratch));
        for values in values.chunks_exact_mut(block / 2) {
            let products = &mut scratch.products[..values.len()];
            f.scale_all(products, values, self.scale);
            values.copy_from_slice(products);
        }
    }

    /// The roots of the groups of a layer, from the group of value number `start` on.
    fn group_roots<'a>(&self, roots: &'a Roots, log: u32, start: usize) -> &'a [Fp] {
        &roots.groups[(self.n() >> (log + 1)) + (start >> (log + 1))..]
    }

    /// Butterflies of distance 2^log on `values`, which are those from number `start` on: x + w·y and x − w·y.
    fn forward_layer(&self, values: &mut [Fp], log: u32, start: usize, scratch: &mut Scratch) {
        let (f, half) = (&self.field, 1usize << log);
        let butterflies = |upper: &mut [Fp], lower: &mut [Fp], products: &[Fp]| {
            for ((x, y), &v) in upper.iter_mut().zip(lower).zip(products) {
                (*x, *y) = (f.add(*x, v), f.sub(*x, v));
            }
        };
        let Some(near) = self.forward.near.get(log as usize) else {
            let roots = self.group_roots(&self.forward, log, start);
            for (group, &root) in values.chunks_exact_mut(2 * half).zip(roots) {
                let (upper, lower) = group.split_at_mut(half);
                let products = &mut scratch.products[..half];
                f.scale_all(products, lower, root);
                butterflies(upper, lower, products);
            }
            return;
        };
        let count = values.len() / 2;
        let (factors, products) = (&mut scratch.factors[..count], &mut scratch.products[..count]);
        for (group, factors) in values.chunks_exact(2 * half).zip(factors.chunks_exact_mut(half)) {
            factors.copy_from_slice(&group[half..]);
        }
        f.multiply_all(products, factors, &near[start / 2..][..count]);
        for (group, products) in values.chunks_exact_mut(2 * half).zip(products.chunks_exact(half)) {
            let (upper, lower) = group.split_at_mut(half);
            butterflies(upper, lower, products);
        }
    }

    /// Butterflies of distance 2^log on `values`, which are those from number `start` on: x + y and w·(x − y).
    fn inverse_layer(&self, values: &mut [Fp], log: u32, start: usize, scratch: &mut Scratch) {
        let (f, half) = (&self.field, 1usize << log);
        let sums = |upper: &mut [Fp], lower: &[Fp], differences: &mut [Fp]| {
            for ((x, &y), difference) in upper.iter_mut().zip(lower).zip(differences) {
                (*x, *difference) = (f.add(*x, y), f.sub(*x, y));
            }
        };
        let Some(near) = self.inverse.near.get(log as usize) else {
            let roots = self.group_roots(&self.inverse, log, start);
            for (group, &root) in values.chunks_exact_mut(2 * half).zip(roots) {
                let (upper, lower) = group.split_at_mut(half);
                let differences = &mut scratch.factors[..half];
                sums(upper, lower, differences);
                f.scale_all(lower, differences, root);
            }
            return;
        };
        let count = values.len() / 2;
        let (factors, products) = (&mut scratch.factors[..count], &mut scratch.products[..count]);
        for (group, differences) in values.chunks_exact_mut(2 * half).zip(factors.chunks_exact_mut(half)) {
            let (upper, lower) = group.split_at_mut(half);
            sums(upper, lower, differences);
        }
        f.multiply_all(products, factors, &near[start / 2..][..count]);
        for (group, products) in values.chunks_exact_mut(2 * half).zip(products.chunks_exact(half)) {
            group[half..].copy_from_slice(products);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use rand_core::SeedableRng;

    #[test]
    fn slots_multiply_as_polynomials_do() {
        let small = PrimeField::new(257).unwrap();
        for (f, log_n) in [(PrimeField::carbyne(), 3), (PrimeField::carbyne(), 11), (small, 2), (small, 7)] {
            let slots = Slots::new(f, log_n);
            let n = 1 << log_n;
            let mut rng = Rng::seed_from_u64(1);
            let (mut x, mut y) = (f.random_vec(&mut rng, n), f.random_vec(&mut rng, n));
            let mut expected = vec![f.zero(); n];
            for (i, &x) in x.iter().enumerate() {
                for (j, &y) in y.iter().enumerate() {
                    let (place, term) = (&mut expected[(i + j) % n], f.mul(x, y));
                    *place = if i + j < n { f.add(*place, term) } else { f.sub(*place, term) };
                }
            }
            slots.to_slots(&mut x);
            slots.to_slots(&mut y);
            x.iter_mut().zip(&y).for_each(|(x, &y)| *x = f.mul(*x, y));
            slots.to_coefficients(&mut x);
            assert!(x == expected);
        }
    }

    #[test]
    fn a_constant_is_in_every_slot() {
        let f = PrimeField::carbyne();
        let slots = Slots::new(f, 15);
        let mut values = vec![f.zero(); 1 << 15];
        values[0] = f.element(77);
        slots.to_slots(&mut values);
        assert!(values.iter().all(|&x| x == f.element(77)));
        slots.to_coefficients(&mut values);
        assert!(values[0] == f.element(77) && values[1..].iter().all(|&x| x == f.zero()));
    }

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn slots_are_frozen() {
        let f = PrimeField::carbyne();
        let mut values: Vec<Fp> = (1..9).map(|x| f.element(x)).collect();
        Slots::new(f, 3).to_slots(&mut values);
        assert_eq!(values.iter().map(|&x| f.to_u128(x)).collect::<Vec<_>>(), KNOWN);
    }

    const KNOWN: [u128; 8] = [
        140_481_824_322_474_955_614_491_021_024_521_135_675,
        170_383_866_918_589_610_692_657_742_419_505_322_948,
        54_342_320_160_801_316_395_464_193_761_194_404_110,
        32_324_913_063_730_613_817_908_625_272_659_989_693,
        159_828_911_008_714_014_378_094_327_731_094_203_665,
        84_699_231_288_316_395_487_610_930_194_954_286_618,
        183_999_001_369_644_740_551_060_064_960_496_739_272,
        167_772_249_515_121_772_722_051_924_277_757_393_232,
    ];
}

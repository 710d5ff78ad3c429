//! Vectors over GF(p) as plaintext polynomials: N values in the slots of Z_p[X]/(X^N + 1), for p ≡ 1 mod 2N
//! (Smart and Vercauteren, eprint 2011/133). Products of polynomials are products in every slot; a constant
//! polynomial has its constant in all.

use crate::field::{Field, Fp, PrimeField};

/// The tables of the transform modulo p; layout as in [`super::ntt`].
pub(crate) struct Slots {
    field: PrimeField,
    roots: Vec<Fp>,
    inverse_roots: Vec<Fp>,
    scale: Fp,
}

fn powers(field: &PrimeField, base: Fp, log_n: u32) -> Vec<Fp> {
    let n = 1usize << log_n;
    let mut powers = vec![field.one(); n];
    let mut power = field.one();
    for k in 0..n {
        powers[k.reverse_bits() >> (usize::BITS - log_n)] = power;
        power = field.mul(power, base);
    }
    powers
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
        let roots = powers(&field, root, log_n);
        let inverse_roots = powers(&field, field.inv(root), log_n);
        Self { field, roots, inverse_roots, scale: field.inv(field.element(1 << log_n)) }
    }

    /// Coefficients to slots, in place.
    pub fn to_slots(&self, values: &mut [Fp]) {
        let f = &self.field;
        assert_eq!(values.len(), self.roots.len(), "a plaintext polynomial");
        let (mut half, mut groups) = (values.len() / 2, 1);
        while half > 0 {
            for (group, &root) in values.chunks_exact_mut(2 * half).zip(&self.roots[groups..]) {
                let (upper, lower) = group.split_at_mut(half);
                for (x, y) in upper.iter_mut().zip(lower) {
                    let v = f.mul(*y, root);
                    (*x, *y) = (f.add(*x, v), f.sub(*x, v));
                }
            }
            half /= 2;
            groups *= 2;
        }
    }

    /// Slots to coefficients, in place.
    pub fn to_coefficients(&self, values: &mut [Fp]) {
        let f = &self.field;
        assert_eq!(values.len(), self.roots.len(), "a plaintext polynomial");
        let (mut half, mut groups) = (1, values.len() / 2);
        while groups > 0 {
            for (group, &root) in values.chunks_exact_mut(2 * half).zip(&self.inverse_roots[groups..]) {
                let (upper, lower) = group.split_at_mut(half);
                for (x, y) in upper.iter_mut().zip(lower) {
                    let difference = f.sub(*x, *y);
                    (*x, *y) = (f.add(*x, *y), f.mul(difference, root));
                }
            }
            half *= 2;
            groups /= 2;
        }
        values.iter_mut().for_each(|x| *x = f.mul(*x, self.scale));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use rand_core::SeedableRng;

    #[test]
    fn slots_multiply_as_polynomials_do() {
        for (f, log_n) in [(PrimeField::carbyne(), 5), (PrimeField::new(257).unwrap(), 7)] {
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
}

//! GF(2^n) for the degrees that MP-SPDZ offers programs: 40 and 128 first of all.
//!
//! Products are carry-less ones of words, by the processor's instruction where it has one, then folded with the
//! sparse polynomial; all in constant time.

use super::{Field, simd};
use crate::mascot::Product;
use zeroize::Zeroize;

/// An element: the coefficients of a polynomial, constant term in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Gf2n(u128);

impl Zeroize for Gf2n {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Gf2n {
    /// This if the lowest bit of `bit` is one, else zero.
    #[inline(always)]
    pub(crate) fn times_bit(self, bit: u64) -> Self {
        Self(self.0 & u128::from(bit & 1).wrapping_neg())
    }

    /// The lowest coefficient.
    #[inline(always)]
    pub(crate) fn lowest(self) -> bool {
        self.0 & 1 == 1
    }
}

/// GF(2^n) modulo a fixed irreducible polynomial for each degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryField {
    degree: u32,
    /// The exponents of the polynomial between its leading and its constant term, the highest first.
    middle: [u32; 3],
    /// Folds that bring any 128 bits below the degree.
    folds: u32,
}

impl BinaryField {
    /// The field of this degree, if there is one.
    pub fn new(degree: u32) -> Option<Self> {
        let middle = match degree {
            // so small that tests see what escapes a check
            #[cfg(test)]
            8 => [4, 3, 1],
            40 => [20, 15, 10],
            64 => [4, 3, 1],
            128 => [7, 2, 1],
            _ => return None,
        };
        // A fold takes away degree − middle[0] bits, until the degree is reached.
        let folds = if degree == 128 { 0 } else { (128 - degree).div_ceil(degree - middle[0]) + 1 };
        Some(Self { degree, middle, folds })
    }

    /// The degree n.
    pub fn degree(&self) -> u32 {
        self.degree
    }

    fn mask(&self) -> u128 {
        u128::MAX >> (128 - self.degree)
    }

    /// The element with these coefficients, higher ones cut off.
    pub fn cut(&self, bits: u128) -> Gf2n {
        Gf2n(bits & self.mask())
    }

    /// The polynomial without its leading term.
    fn tail(&self) -> u128 {
        self.middle.iter().fold(1, |tail, exponent| tail | 1 << exponent)
    }

    /// The element times X.
    fn double(&self, x: u128) -> u128 {
        let carry = (x >> (self.degree - 1)) & 1;
        ((x << 1) & self.mask()) ^ (self.tail() & carry.wrapping_neg())
    }

    /// The element of a polynomial, which has no more than 128 bits unless that is the degree.
    #[inline(always)]
    pub(crate) fn reduce_polynomial(&self, product: Product) -> Gf2n {
        if self.degree == 128 {
            return Gf2n(product.reduce());
        }
        let mut x = product.low();
        for _ in 0..self.folds {
            let high = x >> self.degree;
            x = self.middle.iter().fold((x & self.mask()) ^ high, |x, exponent| x ^ (high << exponent));
        }
        Gf2n(x)
    }

    /// A sum of products, reduced once: what stands from the degree on is a multiple of X^degree.
    fn sum_products(&self, pairs: impl Iterator<Item = (u128, u128)>) -> Gf2n {
        let [low, high] = simd::sum_carryless(pairs);
        let above = if self.degree == 128 { high } else { low >> self.degree };
        self.add(self.cut(low), self.mul(self.cut(above), self.weight(self.degree)))
    }
}

impl Field for BinaryField {
    type Element = Gf2n;

    fn bits(&self) -> u32 {
        self.degree
    }

    fn id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        id[..4].copy_from_slice(b"gf2n");
        id[4..8].copy_from_slice(&self.degree.to_le_bytes());
        id[16..].copy_from_slice(&self.tail().to_le_bytes());
        id
    }

    fn one(&self) -> Gf2n {
        Gf2n(1)
    }

    fn add(&self, a: Gf2n, b: Gf2n) -> Gf2n {
        Gf2n(a.0 ^ b.0)
    }

    fn sub(&self, a: Gf2n, b: Gf2n) -> Gf2n {
        Gf2n(a.0 ^ b.0)
    }

    fn neg(&self, a: Gf2n) -> Gf2n {
        a
    }

    fn mul(&self, a: Gf2n, b: Gf2n) -> Gf2n {
        self.reduce_polynomial(Product::of(a.0, b.0))
    }

    /// a^(2^n − 2).
    fn inv(&self, a: Gf2n) -> Gf2n {
        let mut power = a;
        let mut inverse = self.one();
        for _ in 1..self.degree {
            power = self.mul(power, power);
            inverse = self.mul(inverse, power);
        }
        inverse
    }

    /// Cuts off what is beyond the degree: uniform bits stay uniform.
    fn reduce_wide(&self, limbs: [u64; 4]) -> Gf2n {
        self.cut(u128::from(limbs[0]) | u128::from(limbs[1]) << 64)
    }

    fn dot(&self, a: &[Gf2n], b: &[Gf2n]) -> Gf2n {
        self.sum_products(a.iter().zip(b).map(|(a, b)| (a.0, b.0)))
    }

    /// A word is cut.
    fn combine(&self, words: &[u128], elements: &[Gf2n]) -> Gf2n {
        let mask = self.mask();
        self.sum_products(words.iter().zip(elements).map(|(word, x)| (word & mask, x.0)))
    }

    fn zeros(&self, len: usize) -> Vec<Gf2n> {
        simd::zeros(len)
    }

    fn weight(&self, h: u32) -> Gf2n {
        Gf2n((0..h).fold(1, |x, _| self.double(x)))
    }

    fn to_bits(&self, a: Gf2n) -> u128 {
        a.0
    }

    fn from_bits(&self, bits: u128) -> Option<Gf2n> {
        (bits & !self.mask() == 0).then_some(Gf2n(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> impl Strategy<Value = BinaryField> {
        prop::sample::select(vec![8, 40, 64, 128]).prop_map(|degree| BinaryField::new(degree).unwrap())
    }

    proptest! {
        #[test]
        fn field_laws_hold(f in fields(), a: u128, b: u128, c: u128) {
            let (a, b, c) = (f.cut(a), f.cut(b), f.cut(c));
            prop_assert_eq!(f.mul(a, b), f.mul(b, a));
            prop_assert_eq!(f.mul(a, f.mul(b, c)), f.mul(f.mul(a, b), c));
            prop_assert_eq!(f.mul(a, f.add(b, c)), f.add(f.mul(a, b), f.mul(a, c)));
            prop_assert_eq!(f.mul(a, f.one()), a);
            if a != f.zero() {
                prop_assert_eq!(f.mul(a, f.inv(a)), f.one());
            }
            prop_assert_eq!(f.from_bits(f.to_bits(a)), Some(a));
        }

        #[test]
        fn products_are_those_of_the_schoolbook(f in fields(), a: u128, b: u128) {
            let (a, b) = (f.cut(a), f.cut(b));
            let step = |product, bit: u32| f.double(product) ^ (a.0 & ((b.0 >> bit) & 1).wrapping_neg());
            prop_assert_eq!(f.mul(a, b).0, (0..f.degree).rev().fold(0, step));
        }
    }

    proptest! {
        #[test]
        fn sums_of_products_are_reduced_once(f in fields(), rows: Vec<(u128, u128)>) {
            let (a, b): (Vec<Gf2n>, Vec<Gf2n>) = rows.iter().map(|&(x, y)| (f.cut(x), f.cut(y))).unzip();
            let sum = f.sum(a.iter().zip(&b).map(|(&a, &b)| f.mul(a, b)));
            prop_assert_eq!(f.dot(&a, &b), sum);
            let words: Vec<u128> = rows.iter().map(|row| row.0).collect();
            prop_assert_eq!(f.combine(&words, &b), sum);
            prop_assert_eq!(f.zeros(3), vec![f.zero(); 3]);
        }
    }

    #[test]
    fn the_polynomials_are_those_of_mp_spdz() {
        let f = BinaryField::new(40).unwrap();
        assert_eq!(f.to_bits(f.weight(40)), 1 << 20 | 1 << 15 | 1 << 10 | 1);
        let f = BinaryField::new(128).unwrap();
        assert_eq!(f.to_bits(f.weight(128)), 0x87);
        assert!(BinaryField::new(39).is_none());
    }

    #[test]
    fn encodings_beyond_the_degree_are_refused() {
        assert_eq!(BinaryField::new(40).unwrap().from_bits(1 << 40), None);
    }

    /// Recipe: `scripts/known_answers.py`, which also checks its arithmetic with GHASH (NIST SP 800-38D).
    #[test]
    fn products_and_names_of_fields_are_frozen() {
        let mut words = [0; 2];
        crate::prg::Prg::new([6; 32]).fill_blocks(&mut words);
        for (degree, product) in
            [(40, "0x3828eba082"), (64, "0xcc9bca57ea178e54"), (128, "0x8025a2da18f125f3e439fffd22c14a9")]
        {
            let f = BinaryField::new(degree).unwrap();
            let [a, b] = words.map(|word| f.cut(word));
            assert_eq!(format!("{:#x}", f.to_bits(f.mul(a, b))), product);
        }
        let name = "6766326e28000000000000000000000001841000000000000000000000000000";
        assert_eq!(hex::encode(BinaryField::new(40).unwrap().id()), name);
    }
}

//! The ring R_q = Z_q[X]/(X^N + 1), q the product of the limbs' primes, in the residue number system.
//!
//! A polynomial is a list of limbs, by coefficients or by values (see [`super::ntt`]); which of the two is
//! in its type. One with fewer limbs is modulo the product of the first primes. All polynomials are erased on
//! drop: most are secret, and the rest does not notice.

use super::modulus::{BITS, Modulus};
use super::ntt::Table;
use super::{packing, simd};
use crate::prg::Prg;
use std::marker::PhantomData;
use zeroize::Zeroizing;

/// By coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coefficients {}

/// By values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {}

/// An element of the ring, canonical residues, limb after limb.
pub(crate) struct Poly<Form> {
    words: Zeroizing<Vec<u64>>,
    form: PhantomData<Form>,
}

impl<Form> Clone for Poly<Form> {
    fn clone(&self) -> Self {
        Self::of(self.words.clone())
    }
}

impl<Form> Poly<Form> {
    fn of(words: Zeroizing<Vec<u64>>) -> Self {
        Self { words, form: PhantomData }
    }
}

/// The ring with the tables of its limbs.
pub(crate) struct Ring {
    pub log_n: u32,
    pub tables: Vec<Table>,
}

impl Ring {
    pub fn new(primes: &[u64], log_n: u32) -> Self {
        Self { log_n, tables: primes.iter().map(|&q| Table::new(Modulus::new(q), log_n)).collect() }
    }

    /// Degree N.
    pub fn n(&self) -> usize {
        1 << self.log_n
    }

    pub fn limbs(&self) -> usize {
        self.tables.len()
    }

    pub fn modulus(&self, limb: usize) -> &Modulus {
        &self.tables[limb].modulus
    }

    pub fn zero<Form>(&self, limbs: usize) -> Poly<Form> {
        Poly::of(Zeroizing::new(vec![0; limbs * self.n()]))
    }

    pub fn limb<'a, Form>(&self, x: &'a Poly<Form>, limb: usize) -> &'a [u64] {
        &x.words[limb << self.log_n..(limb + 1) << self.log_n]
    }

    pub fn limb_mut<'a, Form>(&self, x: &'a mut Poly<Form>, limb: usize) -> &'a mut [u64] {
        &mut x.words[limb << self.log_n..(limb + 1) << self.log_n]
    }

    /// All limbs.
    pub fn limbs_mut<'a, Form>(&self, x: &'a mut Poly<Form>) -> impl Iterator<Item = &'a mut [u64]> {
        x.words.chunks_exact_mut(self.n())
    }

    /// All limbs with their tables.
    fn each<'a, Form>(&'a self, x: &'a mut Poly<Form>) -> impl Iterator<Item = (&'a Table, &'a mut [u64])> {
        self.tables.iter().zip(self.limbs_mut(x))
    }

    fn pairs<'a, A, B>(
        &'a self,
        x: &'a mut Poly<A>,
        y: &'a Poly<B>,
    ) -> impl Iterator<Item = (&'a Modulus, &'a mut [u64], &'a [u64])> {
        assert_eq!(x.words.len(), y.words.len(), "polynomials with the same limbs");
        let n = self.n();
        self.each(x).zip(y.words.chunks_exact(n)).map(|((table, x), y)| (&table.modulus, x, y))
    }

    pub fn values(&self, mut x: Poly<Coefficients>) -> Poly<Values> {
        self.each(&mut x).for_each(|(table, limb)| table.forward(limb));
        Poly::of(std::mem::take(&mut x.words))
    }

    pub fn coefficients(&self, mut x: Poly<Values>) -> Poly<Coefficients> {
        self.each(&mut x).for_each(|(table, limb)| table.inverse(limb));
        Poly::of(std::mem::take(&mut x.words))
    }

    /// x ← x·y.
    pub fn multiply(&self, x: &mut Poly<Values>, y: &Poly<Values>) {
        self.pairs(x, y).for_each(|(m, x, y)| simd::multiply(m, x, y));
    }

    /// x ← factor·x.
    pub fn scale<Form>(&self, x: &mut Poly<Form>, factor: u64) {
        for (table, limb) in self.each(x) {
            let constant = table.modulus.constant(factor % table.modulus.q);
            limb.iter_mut().for_each(|x| *x = table.modulus.mul_constant(*x, constant));
        }
    }

    /// Appends the packed residues.
    pub fn encode<Form>(&self, x: &Poly<Form>, out: &mut Vec<u8>) {
        packing::pack(x.words.iter().copied(), BITS, out);
    }

    /// Bytes of an encoded polynomial.
    pub fn encoded_bytes(&self, limbs: usize) -> usize {
        packing::bytes(limbs * self.n(), BITS)
    }

    /// Strict: `None` unless the length is right and every residue canonical.
    pub fn decode<Form>(&self, bytes: &[u8], limbs: usize) -> Option<Poly<Form>> {
        if bytes.len() != self.encoded_bytes(limbs) {
            return None;
        }
        let mut words = Zeroizing::new(Vec::with_capacity(limbs * self.n()));
        packing::unpack(bytes, BITS, limbs * self.n(), |word| words.push(word))?;
        let mut poly = Poly::of(words);
        let canonical = self.each(&mut poly).all(|(table, limb)| limb.iter().all(|&x| x < table.modulus.q));
        canonical.then_some(poly)
    }

    /// A uniform polynomial that everyone can compute: by rejection, whose time shows nothing secret.
    pub fn public_uniform(&self, prg: &mut Prg) -> Poly<Values> {
        let mut poly = self.zero(self.limbs());
        let mut blocks = [0u128; 128];
        for (table, limb) in self.each(&mut poly) {
            let mut filled = 0;
            while filled < limb.len() {
                prg.fill_blocks(&mut blocks);
                let words = blocks.iter().flat_map(|block| [*block as u64, (*block >> 64) as u64]);
                for word in words.map(|word| word >> (64 - BITS)).filter(|&word| word < table.modulus.q) {
                    if filled < limb.len() {
                        limb[filled] = word;
                        filled += 1;
                    }
                }
            }
        }
        poly
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lowgear::params::PRIMES;

    fn uniform(ring: &Ring, seed: u8) -> Poly<Values> {
        ring.public_uniform(&mut Prg::new([seed; 32]))
    }

    fn add(ring: &Ring, x: &mut Poly<Values>, y: &Poly<Values>) {
        ring.pairs(x, y).for_each(|(m, x, y)| x.iter_mut().zip(y).for_each(|(x, &y)| *x = m.add(*x, y)));
    }

    #[test]
    fn the_ring_distributes_and_survives_encoding() {
        let ring = Ring::new(&PRIMES[..4], 6);
        let [x, y, z] = [1, 2, 3].map(|seed| uniform(&ring, seed));
        let mut left = x.clone();
        add(&ring, &mut left, &y);
        ring.multiply(&mut left, &z);
        let (mut right, mut yz) = (x.clone(), y.clone());
        ring.multiply(&mut right, &z);
        ring.multiply(&mut yz, &z);
        add(&ring, &mut right, &yz);
        assert_eq!(left.words, right.words);
        let (mut thrice, mut sum) = (x.clone(), x.clone());
        ring.scale(&mut thrice, 3);
        add(&ring, &mut sum, &x);
        add(&ring, &mut sum, &x);
        assert_eq!(thrice.words, sum.words);
        let back = ring.values(ring.coefficients(x.clone()));
        assert_eq!(back.words, x.words);
        let mut bytes = Vec::new();
        ring.encode(&x, &mut bytes);
        assert_eq!(bytes.len(), ring.encoded_bytes(4));
        assert_eq!(ring.decode::<Values>(&bytes, 4).expect("canonical").words, x.words);
    }

    #[test]
    fn residues_that_are_not_canonical_and_other_lengths_are_refused() {
        let ring = Ring::new(&PRIMES[..2], 3);
        let mut bytes = Vec::new();
        ring.encode(&uniform(&ring, 1), &mut bytes);
        assert!(ring.decode::<Values>(&bytes[1..], 2).is_none());
        assert!(ring.decode::<Values>(&[&bytes[..], &[0]].concat(), 2).is_none());
        for limb in 0..2 {
            let mut poly = uniform(&ring, 1);
            for (value, fine) in [(PRIMES[limb] - 1, true), (PRIMES[limb], false), ((1 << 50) - 1, false)] {
                ring.limb_mut(&mut poly, limb)[5] = value;
                bytes.clear();
                ring.encode(&poly, &mut bytes);
                assert_eq!(ring.decode::<Values>(&bytes, 2).is_some(), fine);
            }
        }
    }

    #[test]
    fn public_polynomials_are_spread_over_the_range() {
        let ring = Ring::new(&PRIMES[..1], 12);
        let poly = uniform(&ring, 9);
        let mean = poly.words.iter().map(|&x| x as f64 / PRIMES[0] as f64).sum::<f64>() / 4096.0;
        // Standard deviation 0.0045.
        assert!((mean - 0.5).abs() < 0.023, "mean {mean}");
    }
}

//! Authenticated shares ⟦x⟧: party i holds (xᵢ, γᵢ) with Σxᵢ = x and Σγᵢ = α·x (SPDZ,
//! eprint 2012/642 §1; MASCOT, eprint 2016/505 §2).

mod bits;

use crate::field::Field;
pub use bits::{BitShares, BitVec};
pub(crate) use bits::{WORD, ones};
use std::ops::Range;
use zeroize::Zeroize;

/// Shares of a vector, whatever is shared.
pub trait Vector: Default {
    /// Empty, with room for `len` elements.
    fn with_capacity(len: usize) -> Self;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Appends the elements of a range of `other`.
    fn append_range(&mut self, other: &Self, range: Range<usize>);
    /// Appends one element of `other`, `count` times.
    fn append_copies(&mut self, other: &Self, at: usize, count: usize);
    /// Makes room for `more` elements.
    fn reserve(&mut self, more: usize);
    /// Leaves the first `len` elements, and keeps its memory.
    fn truncate(&mut self, len: usize);
}

impl<F: Field> Vector for Shares<F> {
    fn with_capacity(len: usize) -> Self {
        Self { values: Vec::with_capacity(len), macs: Vec::with_capacity(len) }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn append_range(&mut self, other: &Self, range: Range<usize>) {
        self.values.extend_from_slice(&other.values[range.clone()]);
        self.macs.extend_from_slice(&other.macs[range]);
    }

    fn append_copies(&mut self, other: &Self, at: usize, count: usize) {
        self.values.extend(std::iter::repeat_n(other.values[at], count));
        self.macs.extend(std::iter::repeat_n(other.macs[at], count));
    }

    fn reserve(&mut self, more: usize) {
        self.values.reserve(more);
        self.macs.reserve(more);
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.macs.truncate(len);
    }
}

/// A party's shares of a vector, values and MACs apart; as long as each other.
#[derive(Clone)]
pub struct Shares<F: Field> {
    pub values: Vec<F::Element>,
    pub macs: Vec<F::Element>,
}

impl<F: Field> Default for Shares<F> {
    fn default() -> Self {
        Self { values: Vec::new(), macs: Vec::new() }
    }
}

impl<F: Field> Drop for Shares<F> {
    fn drop(&mut self) {
        wipe(&mut self.values);
        wipe(&mut self.macs);
    }
}

/// Overwrites all that the vector has room for, and leaves it empty. Like `Vec::zeroize`, which writes word by word and
/// twice: shares come and go with every instruction.
pub(crate) fn wipe<T: Copy + Default>(elements: &mut Vec<T>) {
    elements.clear();
    elements.resize(elements.capacity(), T::default());
    // The stores happen although nobody reads them.
    zeroize::optimization_barrier(elements.as_slice());
    elements.clear();
}

impl<F: Field> Shares<F> {
    /// # Panics
    /// If the two differ in length.
    pub fn new(values: Vec<F::Element>, macs: Vec<F::Element>) -> Self {
        assert_eq!(values.len(), macs.len(), "a MAC for each value");
        Self { values, macs }
    }

    /// Empty, with room for `len` elements.
    pub fn with_capacity(len: usize) -> Self {
        Vector::with_capacity(len)
    }

    pub fn zeros(field: &F, len: usize) -> Self {
        Self { values: field.zeros(len), macs: field.zeros(len) }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn push(&mut self, value: F::Element, mac: F::Element) {
        self.values.push(value);
        self.macs.push(mac);
    }

    pub fn get(&self, i: usize) -> (F::Element, F::Element) {
        (self.values[i], self.macs[i])
    }

    pub fn set(&mut self, i: usize, (value, mac): (F::Element, F::Element)) {
        self.values[i] = value;
        self.macs[i] = mac;
    }

    pub fn append(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
        self.macs.extend_from_slice(&other.macs);
    }

    pub fn slice(&self, range: Range<usize>) -> Self {
        Self { values: self.values[range.clone()].to_vec(), macs: self.macs[range].to_vec() }
    }

    /// Removes and returns the elements from `at` on.
    pub fn split_off(&mut self, at: usize) -> Self {
        Self { values: self.values.split_off(at), macs: self.macs.split_off(at) }
    }

    /// ⟦x⟧ + ⟦y⟧.
    pub fn add(&self, field: &F, other: &Self) -> Self {
        self.zip(other, |a, b| field.add(a, b))
    }

    /// ⟦x⟧ − ⟦y⟧.
    pub fn sub(&self, field: &F, other: &Self) -> Self {
        self.zip(other, |a, b| field.sub(a, b))
    }

    /// ⟦c·x⟧ for public c, element-wise.
    pub fn scale(&self, field: &F, by: &[F::Element]) -> Self {
        let times = |xs: &[F::Element]| xs.iter().zip(by).map(|(&x, &c)| field.mul(x, c)).collect();
        Self { values: times(&self.values), macs: times(&self.macs) }
    }

    /// ⟦c·x⟧ for one public c.
    pub fn scale_all(&self, field: &F, by: F::Element) -> Self {
        let times = |xs: &[F::Element]| xs.iter().map(|&x| field.mul(x, by)).collect();
        Self { values: times(&self.values), macs: times(&self.macs) }
    }

    /// ⟦Σ cᵢ·xᵢ⟧ as (value share, MAC share).
    pub fn combine(&self, field: &F, by: &[F::Element]) -> (F::Element, F::Element) {
        (field.dot(&self.values, by), field.dot(&self.macs, by))
    }

    fn zip(&self, other: &Self, op: impl Fn(F::Element, F::Element) -> F::Element) -> Self {
        assert_eq!(self.len(), other.len(), "element-wise on vectors of one length");
        let both = |xs: &[F::Element], ys: &[F::Element]| xs.iter().zip(ys).map(|(&x, &y)| op(x, y)).collect();
        Self { values: both(&self.values, &other.values), macs: both(&self.macs, &other.macs) }
    }
}

/// A party's share αᵢ of the MAC key, and whether it is the party that adds public constants.
#[derive(Clone)]
pub struct MacKeyShare<F: Field> {
    alpha: F::Element,
    first: bool,
}

impl<F: Field> Drop for MacKeyShare<F> {
    fn drop(&mut self) {
        self.alpha.zeroize();
    }
}

impl<F: Field> MacKeyShare<F> {
    pub fn new(alpha: F::Element, first: bool) -> Self {
        Self { alpha, first }
    }

    /// αᵢ itself.
    pub fn alpha(&self) -> F::Element {
        self.alpha
    }

    /// The share of a public constant: (c or 0, αᵢ·c).
    #[inline]
    pub fn constant(&self, field: &F, c: F::Element) -> (F::Element, F::Element) {
        let value = if self.first { c } else { field.zero() };
        (value, field.mul(self.alpha, c))
    }

    /// ⟦x + c⟧ for public c, element-wise.
    pub fn add_public(&self, field: &F, shares: &Shares<F>, c: &[F::Element]) -> Shares<F> {
        let mut sum = shares.clone();
        for (i, &c) in c.iter().enumerate() {
            let (value, mac) = self.constant(field, c);
            sum.values[i] = field.add(sum.values[i], value);
            sum.macs[i] = field.add(sum.macs[i], mac);
        }
        sum
    }
}

//! Shares of bits: value shares are bits and stand 64 to a word, MAC shares are elements of GF(2^128).
//!
//! See [`crate::bit_tuples`] for what is shared how.

use super::{MacKeyShare, Shares, Vector, wipe};
use crate::field::{BinaryField, Field as _, Gf2n};
use std::ops::Range;

/// Bits in a word.
pub(crate) const WORD: usize = 64;

/// A word whose lowest `count` bits are ones, at most 64.
#[inline]
pub(crate) fn ones(count: usize) -> u64 {
    if count >= WORD { u64::MAX } else { (1 << count) - 1 }
}

/// A vector of bits, the first in the lowest place of the first word; what stands beyond the last one is zero.
#[derive(Clone, Default)]
pub struct BitVec {
    words: Vec<u64>,
    len: usize,
}

impl Drop for BitVec {
    fn drop(&mut self) {
        wipe(&mut self.words);
    }
}

impl BitVec {
    pub fn zeros(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(WORD)], len }
    }

    pub fn with_capacity(len: usize) -> Self {
        Self { words: Vec::with_capacity(len.div_ceil(WORD)), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// # Panics
    /// If the vector is not of whole words: nobody may write beyond the last bit.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        assert!(self.len.is_multiple_of(WORD), "all bits of the words are of the vector");
        &mut self.words
    }

    /// Bit `at`.
    ///
    /// # Panics
    /// If there is none.
    pub fn bit(&self, at: usize) -> bool {
        assert!(at < self.len, "a bit of the vector");
        self.words[at / WORD] >> (at % WORD) & 1 == 1
    }

    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|at| self.words[at / WORD] >> (at % WORD) & 1 == 1)
    }

    /// The 64 bits from `at` on, zeros beyond the end.
    #[inline]
    pub(crate) fn word_at(&self, at: usize) -> u64 {
        let (word, shift) = (at / WORD, (at % WORD) as u32);
        let low = self.words.get(word).map_or(0, |word| word >> shift);
        // Two shifts, because a shift by 64 is none.
        low | self.words.get(word + 1).map_or(0, |next| next << 1 << (63 - shift))
    }

    pub fn push(&mut self, bit: bool) {
        self.append_word(u64::from(bit), 1);
    }

    /// Appends the lowest `count` bits of a word, at most 64; all others are zero.
    #[inline]
    fn append_word(&mut self, bits: u64, count: usize) {
        let shift = (self.len % WORD) as u32;
        if shift == 0 {
            self.words.extend((count > 0).then_some(bits));
        } else {
            *self.words.last_mut().expect("some bits are there") |= bits << shift;
            if count > WORD - shift as usize {
                self.words.push(bits >> 1 >> (63 - shift));
            }
        }
        self.len += count;
    }

    pub(crate) fn append_range(&mut self, other: &Self, range: Range<usize>) {
        assert!(range.end <= other.len, "bits of the other vector");
        for at in range.clone().step_by(WORD) {
            let count = WORD.min(range.end - at);
            self.append_word(other.word_at(at) & ones(count), count);
        }
    }

    fn append_copies(&mut self, bit: bool, count: usize) {
        for at in (0..count).step_by(WORD) {
            let part = WORD.min(count - at);
            self.append_word(u64::from(bit).wrapping_neg() & ones(part), part);
        }
    }

    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut slice = Self::with_capacity(range.len());
        slice.append_range(self, range);
        slice
    }

    /// Appends xᵢ + yᵢ.
    pub(crate) fn append_sums(&mut self, x: &Self, y: &Self) {
        assert_eq!(x.len, y.len, "element-wise on vectors of one length");
        for (word, (a, b)) in x.words.iter().zip(&y.words).enumerate() {
            self.append_word(a ^ b, WORD.min(x.len - word * WORD));
        }
    }

    /// Adds the bits of a word to those from `at` on; what would stand beyond the last one is zero.
    #[inline]
    pub(crate) fn add_at(&mut self, at: usize, bits: u64) {
        let (word, shift) = (at / WORD, (at % WORD) as u32);
        self.words[word] ^= bits << shift;
        if let Some(next) = self.words.get_mut(word + 1) {
            *next ^= bits >> 1 >> (63 - shift);
        }
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        let missing = (self.len + more).div_ceil(WORD).saturating_sub(self.words.len());
        self.words.reserve(missing);
    }

    /// Leaves the first `len` bits.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.words.truncate(len.div_ceil(WORD));
            if let Some(last) = self.words.last_mut().filter(|_| !len.is_multiple_of(WORD)) {
                *last &= ones(len % WORD);
            }
            self.len = len;
        }
    }
}

impl FromIterator<bool> for BitVec {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut vector = Self::default();
        bits.into_iter().for_each(|bit| vector.push(bit));
        vector
    }
}

/// A party's shares of a vector of bits; as many MAC shares as bits.
#[derive(Clone, Default)]
pub struct BitShares {
    pub values: BitVec,
    pub macs: Vec<Gf2n>,
}

impl Drop for BitShares {
    fn drop(&mut self) {
        wipe(&mut self.macs);
    }
}

impl BitShares {
    /// # Panics
    /// If the two differ in length.
    pub fn new(values: BitVec, macs: Vec<Gf2n>) -> Self {
        assert_eq!(values.len(), macs.len(), "a MAC for each bit");
        Self { values, macs }
    }

    pub fn zeros(field: &BinaryField, len: usize) -> Self {
        Self { values: BitVec::zeros(len), macs: field.zeros(len) }
    }

    pub fn len(&self) -> usize {
        self.macs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.macs.is_empty()
    }

    pub fn push(&mut self, value: bool, mac: Gf2n) {
        self.values.push(value);
        self.macs.push(mac);
    }

    pub fn append(&mut self, other: &Self) {
        self.append_range(other, 0..other.len());
    }

    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut slice = Self::with_capacity(range.len());
        slice.append_range(self, range);
        slice
    }

    /// ⟦x + c⟧ for public c, element-wise.
    pub(crate) fn add_public(&mut self, field: &BinaryField, key: &MacKeyShare<BinaryField>, c: &BitVec) {
        let (value, mac) = key.constant(field, field.one());
        let own = u64::from(value.lowest()).wrapping_neg();
        c.words().iter().enumerate().for_each(|(word, c)| self.values.add_at(word * WORD, c & own));
        for (sum, bit) in self.macs.iter_mut().zip(c.iter()) {
            *sum = field.add(*sum, mac.times_bit(bit.into()));
        }
    }

    /// Shares of the same bits as elements.
    pub fn unpacked(&self, field: &BinaryField) -> Shares<BinaryField> {
        let values = self.values.iter().map(|bit| field.cut(bit.into())).collect();
        Shares { values, macs: self.macs.clone() }
    }
}

impl Vector for BitShares {
    fn with_capacity(len: usize) -> Self {
        Self { values: BitVec::with_capacity(len), macs: Vec::with_capacity(len) }
    }

    fn len(&self) -> usize {
        self.macs.len()
    }

    fn append_range(&mut self, other: &Self, range: Range<usize>) {
        self.values.append_range(&other.values, range.clone());
        self.macs.extend_from_slice(&other.macs[range]);
    }

    fn append_copies(&mut self, other: &Self, at: usize, count: usize) {
        self.values.append_copies(other.values.bit(at), count);
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

/// Of a sharing of bits, the lowest bit of each value share: they add up to the same bits.
impl From<Shares<BinaryField>> for BitShares {
    fn from(mut shares: Shares<BinaryField>) -> Self {
        let values = shares.values.iter().map(|share| share.lowest()).collect();
        Self { values, macs: std::mem::take(&mut shares.macs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(bits: &[bool]) -> BitVec {
        bits.iter().copied().collect()
    }

    fn loose(vector: &BitVec) -> Vec<bool> {
        assert_eq!(vector.words.len(), vector.len.div_ceil(WORD));
        let beyond = vector.words.last().map_or(0, |last| last & !ones(vector.len - (vector.words.len() - 1) * WORD));
        assert_eq!(beyond, 0, "nothing stands beyond the last bit");
        vector.iter().collect()
    }

    proptest! {
        #[test]
        fn packed_vectors_are_vectors(mut a: Vec<bool>, b in prop::collection::vec(any::<bool>(), 0..400), cut: [prop::sample::Index; 4], bit: bool) {
            let [from, to, count, at] = cut.map(|cut| cut.index(b.len() + 1));
            let mut vector = packed(&a);
            vector.append_range(&packed(&b), from.min(to)..from.max(to));
            a.extend(&b[from.min(to)..from.max(to)]);
            prop_assert_eq!(&loose(&vector), &a);
            vector.append_copies(bit, count);
            a.extend(std::iter::repeat_n(bit, count));
            prop_assert_eq!(&loose(&vector), &a);
            let word = (0..WORD).filter(|k| a.get(at + k) == Some(&true)).fold(0, |word, k| word | 1 << k);
            prop_assert_eq!(vector.word_at(at), word);
            vector.append_sums(&packed(&b), &packed(&vec![true; b.len()]));
            a.extend(b.iter().map(|bit| !bit));
            prop_assert_eq!(&loose(&vector), &a);
            if at + 3 <= a.len() {
                vector.add_at(at, 0b101);
                (a[at], a[at + 2]) = (!a[at], !a[at + 2]);
                prop_assert_eq!(&loose(&vector), &a);
            }
            vector.truncate(count);
            a.truncate(count);
            prop_assert_eq!(&loose(&vector), &a);
        }
    }
}

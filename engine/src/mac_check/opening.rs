//! The one way to open: all parties send their shares of the values, each adds up what came, and the sums wait with
//! their MACs for the next check.

use super::{MacCheck, Unchecked};
use crate::error::{Error, Malformed, Result};
use crate::field::{BinaryField, ELEMENT_BYTES, Field, Gf2n};
use crate::party::{Outgoing, Party, PartyIndex, Pieces};
use crate::port::GateError;
use crate::prg::Prg;
use crate::share::{BitShares, Shares, Vector, WORD, ones};
use crate::step::Step;
use std::ops::Range;

/// Shares of values that can be opened and multiplied; those of opened values wait for a check, the sums of the value
/// shares with the own MAC shares.
pub trait Openable<F: Field>: Vector {
    const STEP: Step;
    /// Products in one piece of a message; each has two openings.
    const PRODUCTS: usize;

    /// Bytes that carry `count` values.
    fn bytes(count: usize) -> usize;
    /// Appends the value shares from `from` on to a message.
    fn encode(&self, f: &F, from: usize, message: &mut Vec<u8>);
    /// Adds the value shares that stand in a message of the right length to those of a range. False if one is not
    /// canonical: the sums mean nothing then.
    fn add_message(&mut self, f: &F, range: Range<usize>, message: &[u8]) -> bool;
    /// Appends x − a.
    fn append_differences(&mut self, f: &F, x: &Self, a: &Self);
    /// Adds ε·y + δ·a, where the opened ε stand from `at` on and the δ after them.
    fn add_products(&mut self, f: &F, opened: (&Self, usize), y: &Self, a: &Self);
    /// Takes the values, as they are in memory, into a hash.
    fn hash_values(&self, f: &F, hash: &mut blake3::Hasher);
    /// Σχₕ·valueₕ and Σχₕ·MACₕ for coefficients from `prg`.
    fn weighted_sums(&self, f: &F, prg: &mut Prg) -> [F::Element; 2];
}

/// Coefficients that are expanded at once.
const COEFFICIENTS: usize = 512;
/// Values that are hashed at once.
const HASHED: usize = 4096;

impl<F: Field> Openable<F> for Shares<F> {
    const STEP: Step = Step::Open;
    const PRODUCTS: usize = 2048;

    fn bytes(count: usize) -> usize {
        count * ELEMENT_BYTES
    }

    fn encode(&self, f: &F, from: usize, message: &mut Vec<u8>) {
        f.encode_raw_all(&self.values[from..], message);
    }

    fn add_message(&mut self, f: &F, range: Range<usize>, message: &[u8]) -> bool {
        f.add_raw_all(&mut self.values[range], message)
    }

    fn append_differences(&mut self, f: &F, x: &Self, a: &Self) {
        f.extend_differences(&x.values, &a.values, &mut self.values);
        f.extend_differences(&x.macs, &a.macs, &mut self.macs);
    }

    fn add_products(&mut self, f: &F, (opened, at): (&Self, usize), y: &Self, a: &Self) {
        let (epsilon, delta) = opened.values[at..at + 2 * self.len()].split_at(self.len());
        f.add_products(&mut self.values, [epsilon, &y.values], [delta, &a.values]);
        f.add_products(&mut self.macs, [epsilon, &y.macs], [delta, &a.macs]);
    }

    fn hash_values(&self, f: &F, hash: &mut blake3::Hasher) {
        let mut bytes = Vec::new();
        for values in self.values.chunks(HASHED) {
            bytes.clear();
            f.encode_raw_all(values, &mut bytes);
            hash.update(&bytes);
        }
    }

    fn weighted_sums(&self, f: &F, prg: &mut Prg) -> [F::Element; 2] {
        let mut chi = [0; COEFFICIENTS];
        let mut sums = [f.zero(); 2];
        for (values, macs) in self.values.chunks(COEFFICIENTS).zip(self.macs.chunks(COEFFICIENTS)) {
            let chi = &mut chi[..values.len()];
            prg.fill_blocks(chi);
            sums = [f.add(sums[0], f.combine(chi, values)), f.add(sums[1], f.combine(chi, macs))];
        }
        sums
    }
}

/// Bits, eight to a byte; the last byte is filled up with zeros. Their sum is their XOR, only MACs are elements of the
/// large field.
impl Openable<BinaryField> for BitShares {
    const STEP: Step = Step::OpenBits;
    const PRODUCTS: usize = 4096;

    fn bytes(count: usize) -> usize {
        count.div_ceil(8)
    }

    fn encode(&self, _: &BinaryField, from: usize, message: &mut Vec<u8>) {
        let end = message.len() + self.len().saturating_sub(from).div_ceil(8);
        (from..self.len()).step_by(WORD).for_each(|at| message.extend(self.values.word_at(at).to_le_bytes()));
        message.truncate(end);
    }

    fn add_message(&mut self, _: &BinaryField, range: Range<usize>, message: &[u8]) -> bool {
        let mut beyond = 0;
        for (at, bytes) in range.clone().step_by(WORD).zip(message.chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            let word = u64::from_le_bytes(word);
            let own = ones(range.end - at);
            beyond |= word & !own;
            self.values.add_at(at, word & own);
        }
        beyond == 0
    }

    fn append_differences(&mut self, f: &BinaryField, x: &Self, a: &Self) {
        self.values.append_sums(&x.values, &a.values);
        f.extend_differences(&x.macs, &a.macs, &mut self.macs);
    }

    /// Selections in place of products.
    fn add_products(&mut self, f: &BinaryField, (opened, at): (&Self, usize), y: &Self, a: &Self) {
        let count = self.len();
        let macs = y.macs.chunks(WORD).zip(a.macs.chunks(WORD));
        for ((start, sums), (y_macs, a_macs)) in (0..count).step_by(WORD).zip(self.macs.chunks_mut(WORD)).zip(macs) {
            let [epsilon, delta] = [at, at + count].map(|at| opened.values.word_at(at + start));
            let product = (epsilon & y.values.word_at(start)) ^ (delta & a.values.word_at(start));
            self.values.add_at(start, product & ones(count - start));
            for (k, ((sum, &y), &a)) in sums.iter_mut().zip(y_macs).zip(a_macs).enumerate() {
                *sum = f.add(*sum, f.add(y.times_bit(epsilon >> k), a.times_bit(delta >> k)));
            }
        }
    }

    fn hash_values(&self, _: &BinaryField, hash: &mut blake3::Hasher) {
        for words in self.values.words().chunks(HASHED) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    }

    fn weighted_sums(&self, f: &BinaryField, prg: &mut Prg) -> [Gf2n; 2] {
        let mut chi = [0; COEFFICIENTS];
        let mut sums = [f.zero(); 2];
        let words = self.values.words().chunks(COEFFICIENTS / WORD);
        for (words, macs) in words.zip(self.macs.chunks(COEFFICIENTS)) {
            let chi = &mut chi[..macs.len()];
            prg.fill_blocks(chi);
            sums[1] = f.add(sums[1], f.combine(chi, macs));
            for (word, chi) in words.iter().zip(chi.chunks(WORD)) {
                let selected = chi.iter().enumerate().map(|(k, &chi)| f.cut(chi).times_bit(word >> k));
                sums[0] = selected.fold(sums[0], |sum, chi| f.add(sum, chi));
            }
        }
        sums
    }
}

/// Values on their way to being open. Dropped before [`Opening::keep`], it leaves nothing behind.
pub(crate) struct Opening<'a, F: Field, S: Openable<F>> {
    pub field: F,
    mac: &'a mut MacCheck<F, S>,
    /// Where its values begin among the pending ones.
    start: usize,
    kept: bool,
}

impl<F: Field, S: Openable<F>> Drop for Opening<'_, F, S> {
    fn drop(&mut self) {
        if !self.kept {
            self.mac.pending.truncate(self.start);
        }
    }
}

impl<'a, F: Field, S: Openable<F>> Opening<'a, F, S> {
    /// Starts an opening of `count` values.
    pub fn new(mac: &'a mut MacCheck<F, S>, count: usize) -> Result<Self> {
        if mac.failed {
            return Err(GateError::Compromised.into());
        }
        mac.pending.reserve(count);
        let start = mac.pending.len();
        Ok(Self { field: mac.field.clone(), mac, start, kept: false })
    }

    /// Values that were added so far.
    pub fn len(&self) -> usize {
        self.mac.pending.len() - self.start
    }

    /// Adds own shares.
    fn push(&mut self, shares: &S, range: Range<usize>) {
        self.mac.pending.append_range(shares, range);
    }

    /// Adds own shares of x − a.
    pub fn push_differences(&mut self, x: &S, a: &S) {
        self.mac.pending.append_differences(&self.field, x, a);
    }

    /// Appends what goes to the peers for the shares from `from` on.
    pub fn encode(&self, from: usize, message: &mut Vec<u8>) {
        self.mac.pending.encode(&self.field, self.start + from, message);
    }

    /// Adds the shares that `peer` has sent for the values of `range`.
    pub fn add(&mut self, range: Range<usize>, peer: PartyIndex, message: &[u8]) -> Result<()> {
        let malformed = |what| Err(Error::Malformed { peer, step: S::STEP, what });
        if message.len() != S::bytes(range.len()) {
            return malformed(Malformed::Length);
        }
        let range = self.start + range.start..self.start + range.end;
        if self.mac.pending.add_message(&self.field, range, message) { Ok(()) } else { malformed(Malformed::Element) }
    }

    /// Adds ε·y + δ·a to `c`, for ε that stand from `from` on, then the δ; open, since all parties' shares have been added.
    pub fn add_products(&self, c: &mut S, from: usize, y: &S, a: &S) {
        c.add_products(&self.field, (&self.mac.pending, self.start + from), y, a);
    }

    /// All values are open: they wait for the next check.
    pub fn keep(mut self) {
        self.kept = true;
        self.mac.opened += self.len() as u64;
    }
}

/// Opens runs (first, length) of shares. The values stand among the pending ones, from a place on.
pub(super) async fn reveal<'a, F: Field, S: Openable<F>>(
    mac: &'a mut MacCheck<F, S>,
    party: &mut Party,
    shares: &S,
    runs: &[(usize, usize)],
) -> Result<Unchecked<(&'a S, usize)>> {
    let count = runs.iter().map(|(_, len)| len).sum();
    let mut opening = Opening::new(mac, count)?;
    let start = opening.start;
    party.exchange_pieces(S::STEP, &mut Reveal { opening: &mut opening, shares, runs, used: 0, left: count }).await?;
    opening.keep();
    Ok(Unchecked { value: (&mac.pending, start), until: mac.opened })
}

/// The round of an opening: runs of shares, in pieces.
struct Reveal<'r, 'a, F: Field, S: Openable<F>> {
    opening: &'r mut Opening<'a, F, S>,
    shares: &'r S,
    runs: &'r [(usize, usize)],
    /// How much of the first run that is left has been sent.
    used: usize,
    /// Values that are not sent yet.
    left: usize,
}

impl<F: Field, S: Openable<F>> Reveal<'_, '_, F, S> {
    const PIECE: usize = 2 * S::PRODUCTS;
}

impl<F: Field, S: Openable<F>> Pieces for Reveal<'_, '_, F, S> {
    type Error = Error;

    fn count(&self) -> usize {
        self.left.div_ceil(Self::PIECE)
    }

    fn make(&mut self, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let from = self.opening.len();
        let mut room = self.left.min(Self::PIECE);
        self.left -= room;
        while room > 0 {
            let (first, len) = self.runs[0];
            let part = room.min(len - self.used);
            self.opening.push(self.shares, first + self.used..first + self.used + part);
            self.used += part;
            room -= part;
            if self.used == len {
                (self.runs, self.used) = (&self.runs[1..], 0);
            }
        }
        outgoing.to_all(|message| self.opening.encode(from, message));
        Ok(())
    }

    fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<()> {
        let start = piece * Self::PIECE;
        self.opening.add(start..self.opening.len().min(start + Self::PIECE), peer, message)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bit_tuples::mac_field;
    use crate::share::BitVec;
    use proptest::prelude::*;
    use rand_core::SeedableRng;

    /// Shares of these bits with some MACs.
    fn shares(bits: &[bool], seed: u64) -> BitShares {
        let mut rng = crate::port::Rng::seed_from_u64(seed);
        let macs = bits.iter().map(|_| mac_field().reduce_wide([rng.next_u64(), rng.next_u64(), 0, 0])).collect();
        BitShares::new(bits.iter().copied().collect(), macs)
    }

    fn bits(values: &BitVec) -> Vec<bool> {
        values.iter().collect()
    }

    proptest! {
        #[test]
        fn packed_bits_come_back(before: Vec<bool>, own: Vec<bool>, theirs: Vec<bool>) {
            let f = mac_field();
            let (count, start) = (own.len().min(theirs.len()), before.len());
            let mut message = Vec::new();
            shares(&[&before, &theirs[..count]].concat(), 1).encode(&f, start, &mut message);
            prop_assert_eq!(message.len(), <BitShares as Openable<BinaryField>>::bytes(count));
            let all = shares(&[&before[..], &own[..count]].concat(), 2);
            let mut sums = all.clone();
            prop_assert!(sums.add_message(&f, start..start + count, &message));
            let sum = (0..count).map(|i| own[i] ^ theirs[i]);
            prop_assert_eq!(bits(&sums.values), before.iter().copied().chain(sum).collect::<Vec<_>>());
            if count % 8 != 0 {
                *message.last_mut().unwrap() |= 1 << (count % 8);
                prop_assert!(!all.clone().add_message(&f, start..start + count, &message), "nothing stands beyond the last bit");
            }
        }

        #[test]
        fn packed_shares_open_multiply_and_combine_like_elements(rows: Vec<[bool; 5]>, before: Vec<bool>) {
            let f = mac_field();
            let column = |k: usize| shares(&rows.iter().map(|row| row[k]).collect::<Vec<_>>(), k as u64);
            let (x, y, a, mut c, opened) = (column(0), column(1), column(2), column(3), column(4));
            let mut pending = shares(&before, 9);
            let mut elements = pending.unpacked(&f);
            for other in [&a, &opened] {
                pending.append_differences(&f, &x, other);
                elements.append_differences(&f, &x.unpacked(&f), &other.unpacked(&f));
            }
            let mut sums = c.unpacked(&f);
            c.add_products(&f, (&pending, before.len()), &y, &a);
            sums.add_products(&f, (&elements, before.len()), &y.unpacked(&f), &a.unpacked(&f));
            for (packed, whole) in [(&pending, &elements), (&c, &sums)] {
                prop_assert!(packed.unpacked(&f).values == whole.values && packed.macs == whole.macs);
                let [first, second] = [(); 2].map(|()| Prg::new([7; 32]));
                prop_assert_eq!(packed.weighted_sums(&f, &mut { first }), whole.weighted_sums(&f, &mut { second }));
            }
        }
    }
}

//! Bit tuples made beforehand: a queue per kind.

use super::{AndTriples, BitKind, BitMasks, BitShortage, BitTuples, DaBits, EdaBits};
use crate::field::PrimeField;
use crate::share::{BitShares, BitVec, Shares};
use crate::tuples::Queue;
use std::collections::BTreeMap;

/// A source filled beforehand.
#[derive(Default)]
pub struct BitPool {
    triples: Queue<BitShares>,
    bits: Queue<BitShares>,
    masks: BTreeMap<usize, Masks>,
    dabits: Mixed,
    edabits: BTreeMap<u32, Mixed>,
    /// To make edaBits of daBits where there are none.
    prime: Option<PrimeField>,
}

/// Masks of one owner, with their values at it and how many of those are used.
#[derive(Default)]
struct Masks {
    shares: Queue<BitShares>,
    clear: Option<BitVec>,
    used: usize,
}

/// Elements of the prime field with their bits.
#[derive(Default)]
struct Mixed {
    arithmetic: Queue<Shares<PrimeField>>,
    bits: Queue<BitShares>,
}

/// The next `count` rows of a queue that has `width` columns.
fn take(
    queue: &mut Queue<BitShares>,
    kind: BitKind,
    width: usize,
    count: usize,
) -> Result<Vec<BitShares>, BitShortage> {
    if count == 0 {
        return Ok(vec![BitShares::default(); width]);
    }
    let short = BitShortage { kind, wanted: count, left: queue.left() };
    queue.take(count).ok_or(short)
}

impl Mixed {
    fn add(&mut self, arithmetic: Shares<PrimeField>, bits: Vec<BitShares>) {
        self.arithmetic.add(vec![arithmetic]);
        self.bits.add(bits);
    }

    fn take(&mut self, kind: BitKind, width: usize, count: usize) -> Result<EdaBits, BitShortage> {
        let bits = take(&mut self.bits, kind, width, count)?;
        let arithmetic = self.arithmetic.take(count).map_or_else(Shares::default, |mut columns| columns.swap_remove(0));
        Ok(EdaBits { arithmetic, bits })
    }
}

impl BitPool {
    /// A pool that makes edaBits of its daBits.
    pub fn composing(prime: PrimeField) -> Self {
        Self { prime: Some(prime), ..Self::default() }
    }

    /// Adds AND triples.
    pub fn add_triples(&mut self, triples: impl Into<AndTriples>) {
        let AndTriples { a, b, c } = triples.into();
        self.triples.add(vec![a, b, c]);
    }

    /// Adds bits that nobody knows.
    pub fn add_bits(&mut self, bits: impl Into<BitShares>) {
        self.bits.add(vec![bits.into()]);
    }

    /// Adds masks that `owner` knows.
    pub fn add_masks(&mut self, owner: usize, masks: impl Into<BitMasks>) {
        let BitMasks { shares, clear } = masks.into();
        let own = self.masks.entry(owner).or_default();
        own.shares.add(vec![shares]);
        if let Some(more) = clear {
            own.clear.get_or_insert_default().append_range(&more, 0..more.len());
        }
    }

    /// Adds bits over both fields.
    pub fn add_dabits(&mut self, dabits: DaBits) {
        self.dabits.add(dabits.arithmetic, vec![dabits.binary]);
    }

    /// Adds integers with their bits, all of one length.
    pub fn add_edabits(&mut self, edabits: EdaBits) {
        let EdaBits { arithmetic, bits } = edabits;
        self.edabits.entry(bits.len() as u32).or_default().add(arithmetic, bits);
    }
}

impl BitTuples for BitPool {
    fn triples(&mut self, count: usize) -> Result<AndTriples, BitShortage> {
        let columns = take(&mut self.triples, BitKind::Triple, 3, count)?;
        let [a, b, c] = columns.try_into().unwrap_or_else(|_| unreachable!("triples have three columns"));
        Ok(AndTriples { a, b, c })
    }

    fn bits(&mut self, count: usize) -> Result<BitShares, BitShortage> {
        Ok(take(&mut self.bits, BitKind::Bit, 1, count)?.swap_remove(0))
    }

    fn input_masks(&mut self, owner: usize, count: usize) -> Result<BitMasks, BitShortage> {
        let own = self.masks.entry(owner).or_default();
        let shares = take(&mut own.shares, BitKind::InputMask, 1, count)?.swap_remove(0);
        let clear = own.clear.as_ref().map(|clear| clear.slice(own.used..own.used + count));
        own.used += count;
        Ok(BitMasks { shares, clear })
    }

    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage> {
        let EdaBits { arithmetic, mut bits } = self.dabits.take(BitKind::DaBit, 1, count)?;
        Ok(DaBits { arithmetic, binary: bits.swap_remove(0) })
    }

    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage> {
        let kind = BitKind::EdaBit { bits };
        if let Some(own) = self.edabits.get_mut(&bits) {
            return own.take(kind, bits as usize, count);
        }
        let none = BitShortage { kind, wanted: count, left: 0 };
        let field = self.prime.ok_or(none)?;
        Ok(EdaBits::of(&field, &self.dabits(count.saturating_mul(bits as usize))?, bits))
    }
}

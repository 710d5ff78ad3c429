//! Bit tuples made beforehand: a pool per kind, drained from the front.

use super::{BitKind, BitShortage, BitTuples, DaBits, EdaBits};
use crate::field::{BinaryField, Gf2n, PrimeField};
use crate::share::Shares;
use crate::tuples::{InputMasks, Triples};
use std::collections::BTreeMap;

/// A source filled beforehand.
#[derive(Default)]
pub struct BitPool {
    triples: Columns,
    bits: Columns,
    masks: BTreeMap<usize, Masks>,
    dabits: Mixed,
    edabits: BTreeMap<u32, Mixed>,
    /// To make edaBits of daBits where there are none.
    prime: Option<PrimeField>,
}

/// Columns of one length and how far they are used.
#[derive(Default)]
struct Columns {
    columns: Vec<Shares<BinaryField>>,
    used: usize,
}

/// Masks of one owner, with their values at it.
#[derive(Default)]
struct Masks {
    shares: Columns,
    clear: Option<Vec<Gf2n>>,
}

/// Elements of the prime field with their bits.
#[derive(Default)]
struct Mixed {
    arithmetic: Shares<PrimeField>,
    bits: Columns,
}

impl Columns {
    fn add(&mut self, more: Vec<Shares<BinaryField>>) {
        if self.columns.is_empty() {
            self.columns = more;
        } else {
            self.columns.iter_mut().zip(&more).for_each(|(column, more)| column.append(more));
        }
    }

    fn left(&self) -> usize {
        self.columns.first().map_or(0, Shares::len) - self.used
    }

    /// The next `count` of each of `width` columns, and where they were.
    fn take(
        &mut self,
        kind: BitKind,
        width: usize,
        count: usize,
    ) -> Result<(Vec<Shares<BinaryField>>, std::ops::Range<usize>), BitShortage> {
        if count == 0 {
            return Ok((vec![Shares::default(); width], 0..0));
        }
        let left = self.left();
        if left < count {
            return Err(BitShortage { kind, wanted: count, left });
        }
        let range = self.used..self.used + count;
        self.used += count;
        Ok((self.columns.iter().map(|column| column.slice(range.clone())).collect(), range))
    }
}

impl Mixed {
    fn add(&mut self, arithmetic: &Shares<PrimeField>, bits: Vec<Shares<BinaryField>>) {
        self.arithmetic.append(arithmetic);
        self.bits.add(bits);
    }

    fn take(&mut self, kind: BitKind, width: usize, count: usize) -> Result<EdaBits, BitShortage> {
        let (bits, range) = self.bits.take(kind, width, count)?;
        Ok(EdaBits { arithmetic: self.arithmetic.slice(range), bits })
    }
}

impl BitPool {
    /// A pool that makes edaBits of its daBits.
    pub fn composing(prime: PrimeField) -> Self {
        Self { prime: Some(prime), ..Self::default() }
    }

    /// Adds AND triples.
    pub fn add_triples(&mut self, triples: Triples<BinaryField>) {
        self.triples.add(vec![triples.a, triples.b, triples.c]);
    }

    /// Adds bits that nobody knows.
    pub fn add_bits(&mut self, bits: Shares<BinaryField>) {
        self.bits.add(vec![bits]);
    }

    /// Adds masks that `owner` knows.
    pub fn add_masks(&mut self, owner: usize, masks: InputMasks<BinaryField>) {
        let own = self.masks.entry(owner).or_default();
        own.shares.add(vec![masks.shares]);
        match (&mut own.clear, masks.clear) {
            (Some(clear), Some(more)) => clear.extend(more),
            (clear, more) => *clear = more,
        }
    }

    /// Adds bits over both fields.
    pub fn add_dabits(&mut self, dabits: DaBits) {
        self.dabits.add(&dabits.arithmetic, vec![dabits.binary]);
    }

    /// Adds integers with their bits, all of one length.
    pub fn add_edabits(&mut self, edabits: EdaBits) {
        let EdaBits { arithmetic, bits } = edabits;
        self.edabits.entry(bits.len() as u32).or_default().add(&arithmetic, bits);
    }
}

impl BitTuples for BitPool {
    fn triples(&mut self, count: usize) -> Result<Triples<BinaryField>, BitShortage> {
        let (columns, _) = self.triples.take(BitKind::Triple, 3, count)?;
        let [a, b, c] = columns.try_into().unwrap_or_else(|_| unreachable!("triples have three columns"));
        Ok(Triples { a, b, c })
    }

    fn bits(&mut self, count: usize) -> Result<Shares<BinaryField>, BitShortage> {
        Ok(self.bits.take(BitKind::Bit, 1, count)?.0.swap_remove(0))
    }

    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<BinaryField>, BitShortage> {
        let none = BitShortage { kind: BitKind::InputMask, wanted: count, left: 0 };
        let own = self.masks.get_mut(&owner).ok_or(none)?;
        let (mut columns, range) = own.shares.take(BitKind::InputMask, 1, count)?;
        let clear = own.clear.as_ref().map(|clear| clear[range].to_vec());
        Ok(InputMasks { shares: columns.swap_remove(0), clear })
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

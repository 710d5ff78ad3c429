//! Sources that count what is taken from them.

use std::sync::{Arc, Mutex, PoisonError};

use polyyne_engine::bit_tuples::{AndTriples, BitCounts, BitKind, BitMasks, BitShortage, BitTuples, DaBits, EdaBits};
use polyyne_engine::field::Field;
use polyyne_engine::share::{BitShares, Shares};
use polyyne_engine::tuples::{Counts, InputMasks, Kind, Pairs, Shortage, Triples, Tuples};

use super::parties::{Spent, TupleCounts};

/// Tuples over one field.
pub struct Metered<F: Field> {
    pub tuples: Box<dyn Tuples<F>>,
    pub spent: Arc<Mutex<Spent>>,
    /// Where those of this field are counted.
    pub field: fn(&mut Spent) -> &mut TupleCounts,
}

impl<F: Field> Metered<F> {
    fn count(&self, kind: Kind, owner: Option<usize>, count: usize) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *(self.field)(&mut spent).entry((kind, owner)).or_default() += count as u64;
    }
}

impl<F: Field> Tuples<F> for Metered<F> {
    fn triples(&mut self, count: usize) -> Result<Triples<F>, Shortage> {
        self.count(Kind::Triple, None, count);
        self.tuples.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.count(Kind::Square, None, count);
        self.tuples.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.count(Kind::Inverse, None, count);
        self.tuples.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        self.count(Kind::Bit, None, count);
        self.tuples.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        self.count(Kind::Random, None, count);
        self.tuples.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<F>, Shortage> {
        self.count(Kind::InputMask, Some(owner), count);
        self.tuples.input_masks(owner, count)
    }
    /// What is set apart is spent, whatever the thread leaves of it.
    fn split(&mut self, counts: &Counts) -> Result<Box<dyn Tuples<F>>, Shortage> {
        counts.iter().for_each(|(&kind, &count)| self.count(kind, None, count));
        self.tuples.split(counts)
    }
}

/// Bit tuples.
pub struct MeteredBits {
    pub tuples: Box<dyn BitTuples>,
    pub spent: Arc<Mutex<Spent>>,
}

impl MeteredBits {
    fn count(&self, kind: BitKind, owner: Option<usize>, count: usize) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent.bits.entry((kind, owner)).or_default() += count as u64;
    }
}

impl BitTuples for MeteredBits {
    fn triples(&mut self, count: usize) -> Result<AndTriples, BitShortage> {
        self.count(BitKind::Triple, None, count);
        self.tuples.triples(count)
    }
    fn bits(&mut self, count: usize) -> Result<BitShares, BitShortage> {
        self.count(BitKind::Bit, None, count);
        self.tuples.bits(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<BitMasks, BitShortage> {
        self.count(BitKind::InputMask, Some(owner), count);
        self.tuples.input_masks(owner, count)
    }
    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage> {
        self.count(BitKind::DaBit, None, count);
        self.tuples.dabits(count)
    }
    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage> {
        self.count(BitKind::EdaBit { bits }, None, count);
        self.tuples.edabits(bits, count)
    }
    /// What is set apart is spent, whatever the thread leaves of it.
    fn split(&mut self, counts: &BitCounts) -> Result<Box<dyn BitTuples>, BitShortage> {
        counts.iter().for_each(|(&kind, &count)| self.count(kind, None, count));
        self.tuples.split(counts)
    }
}

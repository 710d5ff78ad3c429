//! Tuples that are in memory, decoded, before the time starts: dealt by a dealer in this process, which knows everything
//! and protects nothing.
//!
//! A first run takes from the dealer itself and leaves an account of what it took; each further run gets exactly that,
//! dealt beforehand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use polyyne_engine::bit_tuples::{
    AndTriples, BitDealer, BitKind, BitMasks, BitPool, BitShortage, BitTuples, DaBits, EdaBits,
};
use polyyne_engine::dealer::DealerTuples;
use polyyne_engine::field::PrimeField;
use polyyne_engine::share::{BitShares, Shares};
use polyyne_engine::tuples::{InputMasks, Kind, Pairs, Pool, Shortage, Triples, Tuples};

const ENDLESS: &str = "a dealer is endless";

/// What a run takes.
#[derive(Clone, Default)]
pub struct Account {
    prime: BTreeMap<(Kind, usize), usize>,
    bits: BTreeMap<(BitKind, usize), usize>,
}

/// An account that is being written.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Account>>);

impl Ledger {
    fn open(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was taken so far.
    pub fn close(self) -> Account {
        std::mem::take(&mut *self.open())
    }
}

/// Tuples that are dealt at once: more would leave memory behind that nothing needs.
const DEALT: usize = 4096;

/// `count` in parts.
fn parts(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(DEALT).map(move |start| DEALT.min(count - start))
}

impl Account {
    /// Deals what this run takes.
    pub fn deal(&self, dealer: &mut DealerTuples<PrimeField>) -> Pool<PrimeField> {
        let mut pool = Pool::new();
        for (&(kind, owner), &count) in &self.prime {
            for count in parts(count) {
                let columns = match kind {
                    Kind::InputMask => {
                        pool.add_masks(owner, dealer.input_masks(owner, count).expect(ENDLESS));
                        continue;
                    }
                    kind => dealer.columns(kind, count).expect(ENDLESS),
                };
                pool.add(kind, columns);
            }
        }
        pool
    }

    /// Deals the bit tuples of a run.
    pub fn deal_bits(&self, dealer: &mut BitDealer) -> BitPool {
        let mut pool = BitPool::default();
        for (&(kind, owner), &count) in &self.bits {
            for count in parts(count) {
                match kind {
                    BitKind::Triple => pool.add_triples(dealer.triples(count).expect(ENDLESS)),
                    BitKind::Bit => pool.add_bits(dealer.bits(count).expect(ENDLESS)),
                    BitKind::InputMask => pool.add_masks(owner, dealer.input_masks(owner, count).expect(ENDLESS)),
                    BitKind::DaBit => pool.add_dabits(dealer.dabits(count).expect(ENDLESS)),
                    BitKind::EdaBit { bits } => pool.add_edabits(dealer.edabits(bits, count).expect(ENDLESS)),
                }
            }
        }
        pool
    }
}

/// Counts what is taken.
pub struct Counted<T> {
    pub source: T,
    pub ledger: Ledger,
}

impl<T> Counted<T> {
    fn count(&self, kind: Kind, owner: usize, count: usize) {
        *self.ledger.open().prime.entry((kind, owner)).or_default() += count;
    }

    fn note(&self, kind: BitKind, owner: usize, count: usize) {
        *self.ledger.open().bits.entry((kind, owner)).or_default() += count;
    }
}

impl<T: Tuples<PrimeField>> Tuples<PrimeField> for Counted<T> {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        self.count(Kind::Triple, 0, count);
        self.source.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.count(Kind::Square, 0, count);
        self.source.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.count(Kind::Inverse, 0, count);
        self.source.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.count(Kind::Bit, 0, count);
        self.source.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.count(Kind::Random, 0, count);
        self.source.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        self.count(Kind::InputMask, owner, count);
        self.source.input_masks(owner, count)
    }
}

impl<T: BitTuples> BitTuples for Counted<T> {
    fn triples(&mut self, count: usize) -> Result<AndTriples, BitShortage> {
        self.note(BitKind::Triple, 0, count);
        self.source.triples(count)
    }
    fn bits(&mut self, count: usize) -> Result<BitShares, BitShortage> {
        self.note(BitKind::Bit, 0, count);
        self.source.bits(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<BitMasks, BitShortage> {
        self.note(BitKind::InputMask, owner, count);
        self.source.input_masks(owner, count)
    }
    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage> {
        self.note(BitKind::DaBit, 0, count);
        self.source.dabits(count)
    }
    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage> {
        self.note(BitKind::EdaBit { bits }, 0, count);
        self.source.edabits(bits, count)
    }
}

/// Looks at the clock whenever triples are taken: once for each round of multiplications.
pub struct Clocked<T> {
    pub source: T,
    pub looks: Arc<Mutex<Vec<Instant>>>,
}

impl<T: Tuples<PrimeField>> Tuples<PrimeField> for Clocked<T> {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        self.source.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.source.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.source.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.source.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.source.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        self.source.input_masks(owner, count)
    }
}

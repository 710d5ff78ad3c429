//! Tuples that are in memory, decoded, before the time starts: dealt by a dealer in this process, which knows everything
//! and protects nothing.
//!
//! A first run takes from the dealer itself and leaves an account of what it took; each further run gets exactly that,
//! dealt beforehand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use polyyne_engine::bit_tuples::{BitDealer, BitKind, BitShortage, BitTuples, DaBits, EdaBits};
use polyyne_engine::dealer::DealerTuples;
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::{InputMasks, Kind, Pairs, Pool, Shortage, Triples, Tuples};

/// What a run takes.
#[derive(Clone, Default)]
pub struct Account {
    prime: BTreeMap<(Kind, usize), usize>,
    bits: Vec<(BitKind, usize, usize)>,
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

impl Account {
    /// Deals what this run takes.
    pub fn deal(&self, dealer: &mut DealerTuples<PrimeField>) -> Pool<PrimeField> {
        const ENDLESS: &str = "a dealer is endless";
        let mut pool = Pool::new();
        for (&(kind, owner), &count) in &self.prime {
            let columns = match kind {
                Kind::Triple => {
                    let Triples { a, b, c } = dealer.triples(count).expect(ENDLESS);
                    vec![a, b, c]
                }
                Kind::Square => pair(dealer.squares(count).expect(ENDLESS)),
                Kind::Inverse => pair(dealer.inverses(count).expect(ENDLESS)),
                Kind::Bit => vec![dealer.bits(count).expect(ENDLESS)],
                Kind::Random => vec![dealer.randoms(count).expect(ENDLESS)],
                Kind::InputMask => {
                    pool.add_masks(owner, dealer.input_masks(owner, count).expect(ENDLESS));
                    continue;
                }
            };
            pool.add(kind, columns);
        }
        pool
    }

    /// Deals the bit tuples of a run, in the order in which it takes them.
    pub fn deal_bits(&self, dealer: &mut BitDealer) -> BitQueue {
        const ENDLESS: &str = "a dealer is endless";
        let deal = |&(kind, owner, count): &(BitKind, usize, usize)| match kind {
            BitKind::Triple => Dealt::Triples(dealer.triples(count).expect(ENDLESS)),
            BitKind::Bit => Dealt::Bits(dealer.bits(count).expect(ENDLESS)),
            BitKind::InputMask => Dealt::Masks(dealer.input_masks(owner, count).expect(ENDLESS)),
            BitKind::DaBit => Dealt::DaBits(dealer.dabits(count).expect(ENDLESS)),
            BitKind::EdaBit { bits } => Dealt::EdaBits(dealer.edabits(bits, count).expect(ENDLESS)),
        };
        BitQueue(self.bits.iter().map(deal).collect())
    }
}

fn pair(Pairs { a, image }: Pairs<PrimeField>) -> Vec<Shares<PrimeField>> {
    vec![a, image]
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
        self.ledger.open().bits.push((kind, owner, count));
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
    fn triples(&mut self, count: usize) -> Result<Triples<BinaryField>, BitShortage> {
        self.note(BitKind::Triple, 0, count);
        self.source.triples(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<BinaryField>, BitShortage> {
        self.note(BitKind::Bit, 0, count);
        self.source.bits(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<BinaryField>, BitShortage> {
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

enum Dealt {
    Triples(Triples<BinaryField>),
    Bits(Shares<BinaryField>),
    Masks(InputMasks<BinaryField>),
    DaBits(DaBits),
    EdaBits(EdaBits),
}

/// Bit tuples in the order in which they are taken.
pub struct BitQueue(VecDeque<Dealt>);

macro_rules! next {
    ($queue:expr, $variant:ident, $kind:expr, $count:expr) => {
        match $queue.0.pop_front() {
            Some(Dealt::$variant(dealt)) => Ok(dealt),
            _ => Err(BitShortage { kind: $kind, wanted: $count, left: 0 }),
        }
    };
}

impl BitTuples for BitQueue {
    fn triples(&mut self, count: usize) -> Result<Triples<BinaryField>, BitShortage> {
        next!(self, Triples, BitKind::Triple, count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<BinaryField>, BitShortage> {
        next!(self, Bits, BitKind::Bit, count)
    }
    fn input_masks(&mut self, _: usize, count: usize) -> Result<InputMasks<BinaryField>, BitShortage> {
        next!(self, Masks, BitKind::InputMask, count)
    }
    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage> {
        next!(self, DaBits, BitKind::DaBit, count)
    }
    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage> {
        next!(self, EdaBits, BitKind::EdaBit { bits }, count)
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

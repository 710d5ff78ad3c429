//! What the store holds, in memory: the span of every chunk and the counters of every kind.
//!
//! Offers, stock and plans are asked for many times a second. On disk a chunk's row is sealed, and of ten million
//! tuples there are thousands of chunks, so they are read once, when the store is opened, and followed from then on in
//! the order of the commits ([`crate::store::Durable::write_then`]). Memory grows with the chunks, not with the tuples.
//!
//! Nothing is decided here: a take checks its spans against the rows themselves.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::chunk::{Chunk, ChunkState};
use super::place::{Pool, Span, merge};
use super::tally::Tally;
use super::{Castor, Tables};
use crate::store::durable::Reads;
use crate::store::{Fault, MacScope};

/// See the module's head.
#[derive(Default)]
pub struct Inventory(RwLock<BTreeMap<Pool, Holding>>);

/// One kind under one MAC key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub tally: Tally,
    /// By first position.
    chunks: BTreeMap<u64, Held>,
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    count: u32,
    active: bool,
}

impl Held {
    pub fn of(chunk: &Chunk) -> Self {
        Self { count: chunk.count, active: chunk.state != ChunkState::Staged }
    }
}

impl Holding {
    fn new(tally: Tally) -> Self {
        Self { tally, chunks: BTreeMap::new() }
    }

    /// What is left of the chunks in one state, ascending.
    fn spans(&self, active: bool) -> impl Iterator<Item = Span> {
        let left = Span::new(self.tally.cursor, u64::MAX);
        let of_state = self.chunks.iter().filter(move |(_, held)| held.active == active);
        of_state.map(move |(&start, held)| Span::new(start, start.saturating_add(held.count.into())).and(left))
    }

    /// The positions that can be taken, ascending.
    pub fn offers(&self) -> Vec<Span> {
        merge(self.spans(true))
    }

    /// How many tuples are ACTIVE, and how many STAGED.
    pub fn counts(&self) -> (u64, u64) {
        let count = |active| self.spans(active).map(Span::len).sum();
        (count(true), count(false))
    }
}

impl Inventory {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Pool, Holding>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Pool, Holding>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks about a pool; `None` if there never was a chunk of it.
    pub(super) fn of<T>(&self, pool: Pool, ask: impl FnOnce(&Holding) -> T) -> Option<T> {
        self.read().get(&pool).map(ask)
    }

    /// Asks about every pool of a scope.
    pub(super) fn under<T>(&self, scope: MacScope, ask: impl Fn(Pool, &Holding) -> T) -> Vec<T> {
        let first = Pool { scope, code: 0 };
        let last = Pool { scope, code: u16::MAX };
        self.read().range(first..=last).map(|(pool, holding)| ask(*pool, holding)).collect()
    }

    /// A chunk is there now, or is in another state.
    pub(super) fn put(&self, pool: Pool, tally: Tally, start: u64, held: Held) {
        let mut pools = self.write();
        let holding = pools.entry(pool).or_insert(Holding::new(tally));
        holding.tally = tally;
        holding.chunks.insert(start, held);
    }

    /// A chunk is gone.
    pub(super) fn remove(&self, pool: Pool, start: u64) {
        if let Some(holding) = self.write().get_mut(&pool) {
            holding.chunks.remove(&start);
        }
    }

    /// Chunks are gone by a take.
    pub(super) fn cut(&self, pool: Pool, tally: Tally, starts: impl IntoIterator<Item = u64>) {
        if let Some(holding) = self.write().get_mut(&pool) {
            holding.tally = tally;
            for start in starts {
                holding.chunks.remove(&start);
            }
        }
    }

    /// All chunks of a pool are gone.
    pub(super) fn clear(&self, pool: Pool, tally: Tally) {
        self.write().insert(pool, Holding::new(tally));
    }
}

impl Castor {
    /// Reads all chunk rows, once. On the writer's thread, so that no commit comes between reading and following.
    pub(super) async fn take_inventory(&self) -> Result<(), Fault> {
        let (planning, following) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write_then(
                move |plan| planning.read_inventory(plan),
                |_, found| Ok(found),
                move |found| *following.inventory.write() = found.clone(),
            )
            .await
            .map(drop)
    }
}

impl Tables {
    pub(super) fn read_inventory(&self, from: &impl Reads) -> Result<BTreeMap<Pool, Holding>, Fault> {
        let mut pools = BTreeMap::new();
        for (key, tally) in self.tallies.under(from, &[])? {
            let pool = Pool::from_key(&key).ok_or(Fault::Damaged { table: "tallies" })?;
            let chunks = self.chunks_of(from, pool)?;
            let chunks = chunks.iter().map(|(start, chunk)| (*start, Held::of(chunk))).collect();
            pools.insert(pool, Holding { tally, chunks });
        }
        Ok(pools)
    }
}

#[cfg(test)]
impl Castor {
    /// Compares memory with the rows.
    pub(crate) fn assert_inventory(&self) {
        let now = self.durable.read().expect("reads");
        let rows = self.tables.read_inventory(&now).expect("reads");
        assert_eq!(*self.tables.inventory.read(), rows, "memory follows the file");
    }
}

//! The cursor of a pool and its account. Every number only grows.

use serde::{Deserialize, Serialize};

use super::Tables;
use super::place::Pool;
use crate::store::Fault;
use crate::store::durable::Reads;

/// Cursor and counters of one kind under one MAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub arity: u16,
    /// Everything below was taken, skipped or burned.
    pub cursor: u64,
    /// Every chunk so far ends at or below.
    pub end: u64,
    /// Tuples of chunks that became ACTIVE.
    pub generated: u64,
    pub taken: u64,
    pub skipped: u64,
    pub burned: u64,
}

impl Tally {
    pub fn new(arity: u16) -> Self {
        Self { arity, cursor: 0, end: 0, generated: 0, taken: 0, skipped: 0, burned: 0 }
    }
}

impl Tables {
    pub(super) fn tally(&self, from: &impl Reads, pool: Pool) -> Result<Option<Tally>, Fault> {
        self.tallies.get(from, &pool.to_key())
    }
}

//! Where a tuple is: spans of positions, and the row keys that put them in order on disk.

use serde::{Deserialize, Serialize};

use crate::store::MacScope;

/// Positions `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// `start..end`; an empty one where `end` is not above `start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// Number of positions.
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is no position in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The positions that are in both.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Whether all of `other` is in this one.
    pub fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// One kind under one MAC key: what has positions and a cursor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pool {
    pub scope: MacScope,
    pub code: u16,
}

impl Pool {
    /// The key of the pool's tally, and the prefix of its chunks and rows.
    pub fn to_key(self) -> Vec<u8> {
        let mut key = self.scope.to_key().to_vec();
        key.extend_from_slice(&self.code.to_be_bytes());
        key
    }

    /// The key of the chunk or row that starts at `start`.
    pub fn key_at(self, start: u64) -> Vec<u8> {
        let mut key = self.to_key();
        key.extend_from_slice(&start.to_be_bytes());
        key
    }

    /// Reads a tally's key back.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (scope, code) = key.split_at_checked(MacScope::LEN)?;
        Some(Self { scope: MacScope::from_key(scope)?, code: u16::from_be_bytes(code.try_into().ok()?) })
    }
}

/// The first position in the key of a chunk or row.
pub(super) fn start_in(key: &[u8]) -> Option<u64> {
    let start = key.get(MacScope::LEN + 2..)?;
    Some(u64::from_be_bytes(start.try_into().ok()?))
}

/// Joins neighbouring spans of an ascending list.
pub(super) fn merge(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for span in spans.into_iter().filter(|span| !span.is_empty()) {
        match merged.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => merged.push(span),
        }
    }
    merged
}

//! Requests seen before.
//!
//! A recorded envelope can be sent again while it lives. Its answer is sealed to a key that only the client has, and
//! effects are idempotent by object id, but work is not: a delivery takes tuples. A member therefore remembers the
//! digest of each request's header for as long as the request could be accepted. The memory is bounded; when it is
//! full of live requests, new ones are refused.
//!
//! A client that lost an answer sends the same bytes again. [`Seen::Again`] therefore means: give the sealed answer that
//! was given before, or [`crate::refusal::RefusalCode::InProgress`] while there is none; never do the work twice.
//!
//! It is lost in a restart. What must not happen twice across restarts is a durable row of its own.

use std::collections::{BTreeSet, HashSet};

use crate::envelope::RequestHeader;
use crate::id::Digest;
use crate::limits;
use crate::sign::Statement as _;

/// Whether a request has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not before; it is remembered now.
    New,
    /// It has been.
    Again,
    /// There is no room to remember it.
    Full,
}

/// The requests that could still be replayed.
#[derive(Debug, Clone)]
pub struct ReplayMemory {
    seen: HashSet<Digest>,
    by_end: BTreeSet<(u64, Digest)>,
    capacity: usize,
}

impl Default for ReplayMemory {
    fn default() -> Self {
        Self::with_capacity(limits::REPLAY_MEMORY_MAX)
    }
}

impl ReplayMemory {
    /// A memory for so many live requests.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { seen: HashSet::new(), by_end: BTreeSet::new(), capacity }
    }

    /// Remembers a request that has been found authentic, at `now` seconds since 1970.
    pub fn remember(&mut self, header: &RequestHeader, now: u64) -> Seen {
        self.forget_dead(now);
        let digest = header.digest();
        if self.seen.contains(&digest) {
            return Seen::Again;
        }
        if self.seen.len() >= self.capacity {
            return Seen::Full;
        }
        // one second beyond the last at which it is accepted
        let end = header.expires.saturating_add(limits::CLOCK_SKEW_S).saturating_add(1);
        self.seen.insert(digest);
        self.by_end.insert((end, digest));
        Seen::New
    }

    fn forget_dead(&mut self, now: u64) {
        while let Some(&(end, digest)) = self.by_end.first() {
            if end > now {
                return;
            }
            self.by_end.pop_first();
            self.seen.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientKey, CloudId, Epoch, Nonce, RequestId, SealKey};

    fn header(nonce: u8, expires: u64) -> RequestHeader {
        RequestHeader {
            client: ClientKey([1; 32]),
            cloud: CloudId([1; 32]),
            epoch: Epoch(0),
            request: RequestId([1; 16]),
            answer_to: SealKey([1; 32]),
            issued: 0,
            expires,
            nonce: Nonce([nonce; 16]),
            bodies: vec![],
        }
    }

    #[test]
    fn a_request_is_new_once_while_it_lives() {
        let mut memory = ReplayMemory::default();
        let last = 100 + limits::CLOCK_SKEW_S;
        assert_eq!(memory.remember(&header(1, 100), 50), Seen::New);
        assert_eq!(memory.remember(&header(1, 100), last), Seen::Again);
        assert_eq!(memory.remember(&header(2, 100), last), Seen::New);
        // dead requests make room
        assert_eq!(memory.remember(&header(3, 9_999), last + 1), Seen::New);
        assert_eq!(memory.seen.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets() {
        let mut memory = ReplayMemory::with_capacity(1);
        assert_eq!(memory.remember(&header(1, 100), 0), Seen::New);
        assert_eq!(memory.remember(&header(2, 100), 0), Seen::Full);
        assert_eq!(memory.remember(&header(1, 100), 0), Seen::Again);
    }
}

//! Requests seen before.
//!
//! A recorded envelope can be sent again while it lives. Its answer is sealed to a key that only the client has, and
//! effects are idempotent by object id, but work is not: a delivery takes tuples. A member therefore remembers the
//! digest of each request's header for as long as the request could be accepted. The memory is bounded, for each client
//! and in all; when it is full of live requests, new ones are refused.
//!
//! A client that lost an answer sends the same bytes again. [`Seen::Again`] therefore means: give the sealed answer that
//! was given before, or [`crate::refusal::RefusalCode::InProgress`] while there is none; never do the work twice.
//!
//! It is lost in a restart. What must not happen twice across restarts is a durable row of its own.

use std::collections::{BTreeSet, HashMap};

use crate::envelope::RequestHeader;
use crate::id::{ClientKey, Digest};
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
    /// As many of this client's requests are remembered as may be.
    ClientFull {
        /// Seconds until the first of them is forgotten.
        free_in_s: u64,
    },
}

/// The requests that could still be replayed, of each client apart: who sends many keeps nobody else out.
#[derive(Debug, Clone)]
pub struct ReplayMemory {
    clients: HashMap<ClientKey, Remembered>,
    by_end: BTreeSet<(u64, ClientKey, Digest)>,
    capacity: usize,
    per_client: usize,
}

/// One client's, with the end of each.
#[derive(Debug, Clone, Default)]
struct Remembered(HashMap<Digest, u64>);

impl Default for ReplayMemory {
    fn default() -> Self {
        Self::with_capacity(limits::REPLAY_MEMORY_MAX, limits::REPLAY_MEMORY_PER_CLIENT_MAX)
    }
}

impl ReplayMemory {
    /// A memory for so many live requests, and so many of each client.
    pub fn with_capacity(capacity: usize, per_client: usize) -> Self {
        Self { clients: HashMap::new(), by_end: BTreeSet::new(), capacity, per_client }
    }

    /// Remembers a request that has been found authentic, at `now` seconds since 1970.
    pub fn remember(&mut self, header: &RequestHeader, now: u64) -> Seen {
        self.forget_dead(now);
        let (client, digest) = (header.client, header.digest());
        if let Some(Remembered(own)) = self.clients.get(&client) {
            if own.contains_key(&digest) {
                return Seen::Again;
            }
            if own.len() >= self.per_client {
                let first = own.values().min().copied().unwrap_or(now);
                return Seen::ClientFull { free_in_s: first.saturating_sub(now) };
            }
        }
        if self.by_end.len() >= self.capacity {
            return Seen::Full;
        }
        // one second beyond the last at which it is accepted
        let end = header.expires.saturating_add(limits::CLOCK_SKEW_S).saturating_add(1);
        self.clients.entry(client).or_default().0.insert(digest, end);
        self.by_end.insert((end, client, digest));
        Seen::New
    }

    fn forget_dead(&mut self, now: u64) {
        while let Some(&(end, client, digest)) = self.by_end.first() {
            if end > now {
                return;
            }
            self.by_end.pop_first();
            let Some(Remembered(own)) = self.clients.get_mut(&client) else { continue };
            own.remove(&digest);
            if own.is_empty() {
                self.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{CloudId, Epoch, Nonce, RequestId, SealKey};

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
        assert_eq!((memory.by_end.len(), memory.clients.len()), (1, 1));
        memory.forget_dead(99_999);
        assert!(memory.by_end.is_empty() && memory.clients.is_empty());
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets() {
        let mut memory = ReplayMemory::with_capacity(1, 1);
        assert_eq!(memory.remember(&header(1, 100), 0), Seen::New);
        let other = RequestHeader { client: ClientKey([2; 32]), ..header(2, 100) };
        assert_eq!(memory.remember(&other, 0), Seen::Full);
        assert_eq!(memory.remember(&header(1, 100), 0), Seen::Again);
    }

    /// Places were shared: one client's requests filled them all for an hour.
    #[test]
    fn a_client_that_sends_many_keeps_out_itself_alone() {
        let mut memory = ReplayMemory::with_capacity(100, 3);
        for nonce in 0..3 {
            assert_eq!(memory.remember(&header(nonce, 100 + u64::from(nonce)), 0), Seen::New);
        }
        let free_in_s = 100 + limits::CLOCK_SKEW_S + 1;
        assert_eq!(memory.remember(&header(9, 100), 0), Seen::ClientFull { free_in_s });
        assert_eq!(memory.remember(&header(0, 100), 0), Seen::Again, "what is remembered is known all the same");
        let other = RequestHeader { client: ClientKey([2; 32]), ..header(9, 100) };
        assert_eq!(memory.remember(&other, 0), Seen::New);
        assert_eq!(memory.remember(&header(9, 9_999), free_in_s), Seen::New);
    }
}

//! Links that are open before they are needed: the handshake is done, no session is named yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use polyyne_protocol::id::PeerKey;
use tokio::time::Instant;

use super::{
    encrypted::Encrypted,
    limits::{POOL_PER_PEER_MAX, POOLED_MAX},
};

#[derive(Default)]
pub struct Pool(Mutex<HashMap<PeerKey, VecDeque<(Encrypted, Instant)>>>);

impl Pool {
    /// The oldest link to `peer` that is still good.
    pub fn take(&self, peer: PeerKey) -> Option<Encrypted> {
        let mut pool = self.lock();
        let links = pool.get_mut(&peer)?;
        std::iter::from_fn(|| links.pop_front())
            .find(|(link, since)| since.elapsed() < POOLED_MAX && !link.is_stale())
            .map(|(link, _)| link)
    }

    /// Keeps a link for later, if there is room.
    pub fn put(&self, peer: PeerKey, link: Encrypted) {
        let mut pool = self.lock();
        let links = pool.entry(peer).or_default();
        if links.len() < POOL_PER_PEER_MAX {
            links.push_back((link, Instant::now()));
        }
    }

    /// How many more links to `peer` make the pool hold `count`.
    pub fn missing(&self, peer: PeerKey, count: usize) -> usize {
        let mut pool = self.lock();
        let links = pool.entry(peer).or_default();
        links.retain(|(link, since)| since.elapsed() < POOLED_MAX && !link.is_stale());
        count.min(POOL_PER_PEER_MAX).saturating_sub(links.len())
    }

    /// Closes the links to peers that are members no more.
    pub fn retain(&self, keep: impl Fn(&PeerKey) -> bool) {
        self.lock().retain(|peer, _| keep(peer));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerKey, VecDeque<(Encrypted, Instant)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

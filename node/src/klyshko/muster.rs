//! Members find the same new generation session without anybody calling it.
//!
//! Each member has a token for its next attempt and tells it to the others over the control plane;
//! the session's label is the hash of all tokens, so it is fresh as soon as one is. A member whose
//! session ended takes a new token and tells it; whoever waits with an old label hears of it and
//! moves to the new one.

use polyyne_protocol::canonical;
use polyyne_protocol::id::{Digest, PeerKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The members' tokens, by rank.
#[derive(Clone)]
pub struct Muster {
    members: Arc<Vec<PeerKey>>,
    rank: usize,
    tokens: Arc<Mutex<Vec<Option<Digest>>>>,
    changes: watch::Sender<u64>,
}

impl Muster {
    pub fn new(members: Vec<PeerKey>, rank: usize) -> Self {
        let tokens = Arc::new(Mutex::new(vec![None; members.len()]));
        let muster = Self { members: Arc::new(members), rank, tokens, changes: watch::Sender::new(0) };
        muster.renew();
        muster
    }

    fn tokens(&self) -> MutexGuard<'_, Vec<Option<Digest>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new token of this member, for after a session has ended.
    pub fn renew(&self) {
        self.set(self.rank, Digest(rand::random()));
    }

    /// This member's token.
    pub fn own(&self) -> Digest {
        self.tokens()[self.rank].expect("a muster starts with a token")
    }

    /// What a member told. Others than members are not heard.
    pub fn hear(&self, from: PeerKey, token: Digest) -> bool {
        match self.members.iter().position(|member| *member == from) {
            Some(rank) if rank != self.rank => {
                self.set(rank, token);
                true
            }
            _ => false,
        }
    }

    fn set(&self, rank: usize, token: Digest) {
        let before = self.tokens()[rank].replace(token);
        if before != Some(token) {
            self.changes.send_modify(|version| *version += 1);
        }
    }

    /// Where all meet; `None` while a member has not been heard.
    pub fn label(&self) -> Option<Digest> {
        let tokens: Option<Vec<Digest>> = self.tokens().iter().copied().collect();
        tokens.map(|tokens| canonical::hash("generation attempt", &tokens))
    }

    /// Fires whenever the label changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn musters() -> Vec<Muster> {
        let members: Vec<PeerKey> = (0..3).map(|i| PeerKey([i; 32])).collect();
        (0..3).map(|rank| Muster::new(members.clone(), rank)).collect()
    }

    fn tell(all: &[Muster], from: usize) {
        for muster in all {
            muster.hear(PeerKey([from as u8; 32]), all[from].own());
        }
    }

    #[test]
    fn all_meet_at_one_label_once_all_have_been_heard_and_at_another_after_a_renewal() {
        let all = musters();
        assert!(all.iter().all(|muster| muster.label().is_none()));
        (0..3).for_each(|from| tell(&all, from));
        let first = all[0].label();
        assert!(first.is_some() && all.iter().all(|muster| muster.label() == first));
        all[1].renew();
        assert_ne!(all[1].label(), first);
        tell(&all, 1);
        assert!(all.iter().all(|muster| muster.label() == all[1].label()));
    }

    #[test]
    fn strangers_and_echoes_of_oneself_are_not_heard() {
        let all = musters();
        let own = all[0].own();
        assert!(!all[0].hear(PeerKey([9; 32]), Digest([1; 32])));
        assert!(!all[0].hear(PeerKey([0; 32]), Digest([1; 32])));
        assert_eq!(all[0].own(), own);
    }
}

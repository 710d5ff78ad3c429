//! Members find the same new generation session without anybody calling it.
//!
//! Each member has a token for its next attempt and tells it to the others over the control plane;
//! the session's label is the hash of all tokens, so it is fresh as soon as one is. A member whose
//! session ended takes a new token and tells it; whoever waits with an old label hears of it and
//! moves to the new one. A member whose generation is paused says so with its token: then nobody sets up.

use polyyne_protocol::canonical;
use polyyne_protocol::id::{Digest, PeerKey};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a member tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    pub token: Digest,
    pub paused: bool,
}

/// What the members have told, by rank.
#[derive(Clone)]
pub struct Muster {
    members: Arc<Vec<PeerKey>>,
    rank: usize,
    told: Arc<Mutex<Vec<Option<Telling>>>>,
    changes: watch::Sender<u64>,
}

impl Muster {
    pub fn new(members: Vec<PeerKey>, rank: usize, paused: bool) -> Self {
        let told = Arc::new(Mutex::new(vec![None; members.len()]));
        let muster = Self { members: Arc::new(members), rank, told, changes: watch::Sender::new(0) };
        muster.set(rank, Telling { token: Digest(rand::random()), paused });
        muster
    }

    fn told(&self) -> MutexGuard<'_, Vec<Option<Telling>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new token of this member, for after a session has ended.
    pub fn renew(&self) {
        self.set(self.rank, Telling { token: Digest(rand::random()), ..self.own() });
    }

    /// Whether this member's generation is paused.
    pub fn set_paused(&self, paused: bool) {
        self.set(self.rank, Telling { paused, ..self.own() });
    }

    /// What this member tells.
    pub fn own(&self) -> Telling {
        self.told()[self.rank].expect("a muster starts with a token")
    }

    /// What a member told. Others than members are not heard.
    pub fn hear(&self, from: PeerKey, telling: Telling) -> bool {
        match self.members.iter().position(|member| *member == from) {
            Some(rank) if rank != self.rank => {
                self.set(rank, telling);
                true
            }
            _ => false,
        }
    }

    fn set(&self, rank: usize, telling: Telling) {
        let before = self.told()[rank].replace(telling);
        if before != Some(telling) {
            self.changes.send_modify(|version| *version += 1);
        }
    }

    /// Where all meet; `None` while a member has not been heard or is paused.
    pub fn label(&self) -> Option<Digest> {
        let told: Option<Vec<Telling>> = self.told().iter().copied().collect();
        let told = told.filter(|told| told.iter().all(|telling| !telling.paused))?;
        let tokens: Vec<Digest> = told.iter().map(|telling| telling.token).collect();
        Some(canonical::hash("generation attempt", &tokens))
    }

    /// The members that have said that they are paused.
    pub fn paused(&self) -> Vec<PeerKey> {
        let told = self.told();
        let paused = |telling: &Option<Telling>| telling.is_some_and(|telling| telling.paused);
        self.members.iter().zip(&*told).filter(|(_, telling)| paused(telling)).map(|(member, _)| *member).collect()
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
        (0..3).map(|rank| Muster::new(members.clone(), rank, false)).collect()
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
    fn nobody_meets_while_one_is_paused() {
        let all = musters();
        (0..3).for_each(|from| tell(&all, from));
        let before = all[0].label();
        all[2].set_paused(true);
        tell(&all, 2);
        assert!(all.iter().all(|muster| muster.label().is_none() && muster.paused() == [PeerKey([2; 32])]));
        all[2].set_paused(false);
        tell(&all, 2);
        assert!(all.iter().all(|muster| muster.label() == before && muster.paused().is_empty()));
    }

    #[test]
    fn strangers_and_echoes_of_oneself_are_not_heard() {
        let all = musters();
        let own = all[0].own();
        let telling = Telling { token: Digest([1; 32]), paused: true };
        assert!(!all[0].hear(PeerKey([9; 32]), telling));
        assert!(!all[0].hear(PeerKey([0; 32]), telling));
        assert_eq!(all[0].own(), own);
    }
}

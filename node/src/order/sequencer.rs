//! The sequencer's side: an item gets its number when every member has asked for it.
//!
//! Pure state: no I/O, no clock. A member that has given up has dropped its receiver.

use std::collections::{HashMap, VecDeque};

use polyyne_protocol::id::{Nonce, PeerKey};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Numbered, QueueId,
    limits::{ITEMS_PER_MEMBER_MAX, QUEUES_MAX, REMEMBERED_MAX},
};

/// Why the sequencer gives no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AskRefused {
    #[error("it does not keep the order of this cloud (yet)")]
    NotReady,
    #[error("who asks is no member")]
    NotAMember,
    #[error("too many items wait")]
    TooMany,
}

type Item = [u8; 32];

pub struct Sequencer {
    boot: Nonce,
    members: Vec<PeerKey>,
    queues: HashMap<QueueId, Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// Items for which somebody still has to ask.
    asked: HashMap<Item, HashMap<PeerKey, oneshot::Sender<Numbered>>>,
    /// Of each member: its boot nonce and the first number that it hears of.
    since: HashMap<PeerKey, (Nonce, u64)>,
    remembered: VecDeque<(Item, u64)>,
}

impl Sequencer {
    pub fn new(boot: Nonce, members: Vec<PeerKey>) -> Self {
        Self { boot, members, queues: HashMap::new() }
    }

    /// A member is ready for an item.
    pub fn ask(
        &mut self,
        from: PeerKey,
        boot: Nonce,
        queue: QueueId,
        item: Item,
    ) -> Result<oneshot::Receiver<Numbered>, AskRefused> {
        if !self.members.contains(&from) {
            return Err(AskRefused::NotAMember);
        }
        if self.waiting_of(&from) >= ITEMS_PER_MEMBER_MAX {
            self.forget_gone();
            if self.waiting_of(&from) >= ITEMS_PER_MEMBER_MAX {
                return Err(AskRefused::TooMany);
            }
        }
        if !self.queues.contains_key(&queue) && self.queues.len() >= QUEUES_MAX {
            return Err(AskRefused::TooMany);
        }
        let line = self.queues.entry(queue).or_default();
        line.meet(from, boot);
        let (answer, number) = oneshot::channel();
        match line.remembered.iter().find(|(known, _)| *known == item).map(|(_, number)| *number) {
            Some(known) => line.tell(self.boot, from, known, answer),
            None => {
                line.asked.entry(item).or_default().insert(from, answer);
                line.number(self.boot, item, &self.members);
            }
        }
        Ok(number)
    }

    fn waiting_of(&self, member: &PeerKey) -> usize {
        let lines = self.queues.values().flat_map(|line| line.asked.values());
        lines.filter(|askers| askers.contains_key(member)).count()
    }

    fn forget_gone(&mut self) {
        for line in self.queues.values_mut() {
            line.asked.retain(|_, askers| {
                askers.retain(|_, answer| !answer.is_closed());
                !askers.is_empty()
            });
        }
    }
}

impl Line {
    /// A member that was restarted has forgotten what it asked for, and hears of later numbers only.
    fn meet(&mut self, member: PeerKey, boot: Nonce) {
        if self.since.get(&member).is_some_and(|(known, _)| *known == boot) {
            return;
        }
        self.since.insert(member, (boot, self.next));
        self.asked.retain(|_, askers| {
            askers.remove(&member);
            !askers.is_empty()
        });
    }

    /// Gives the item its number if every member waits for it.
    fn number(&mut self, boot: Nonce, item: Item, members: &[PeerKey]) {
        let Some(askers) = self.asked.get(&item) else { return };
        if !members.iter().all(|member| askers.get(member).is_some_and(|answer| !answer.is_closed())) {
            return;
        }
        let askers = self.asked.remove(&item).unwrap_or_default();
        let number = self.next;
        self.next += 1;
        self.remembered.push_back((item, number));
        if self.remembered.len() > REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        for (member, answer) in askers {
            self.tell(boot, member, number, answer);
        }
    }

    fn tell(&self, boot: Nonce, member: PeerKey, number: u64, answer: oneshot::Sender<Numbered>) {
        let first = self.since.get(&member).map_or(number, |(_, first)| *first);
        // a member that has gone passes the number over when a later one comes
        let _ = answer.send(Numbered { boot, number, first });
    }
}

//! The order in which the members of a cloud do what must not be done at once.
//!
//! Whoever wants a turn asks the member of lowest index, the *sequencer*. As soon as all members have
//! asked for an item, it gets the next number of its queue, and each member runs the items of a queue
//! strictly in the order of their numbers. Since no member is given a number that another is not
//! ready for, and all have the same order, nobody waits in a circle.
//!
//! The sequencer is trusted for the order alone: it can delay and it can stop, not forge. That at
//! most one turn of a queue is held at a time is enforced here, whatever the sequencer says; what an
//! item *is* the members agree on in their session. Numbers live in memory and are scoped by the
//! sequencer's boot nonce: when it restarts, whoever waits gets an error and asks anew.

mod courier;
mod limits;
mod sequencer;
mod turnstile;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use polyyne_protocol::id::{CloudId, MacKeyId, Nonce, PeerKey};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    federation::{Directory, Network, Service},
    store::MacScope,
};
use courier::{Courier, NetworkCourier};
use sequencer::{AskRefused, Sequencer};
use turnstile::{Granted, Turnstile};

/// One line of things to be done one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId {
    kind: QueueKind,
    cloud: [u8; 32],
    mac_key: [u8; 16],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum QueueKind {
    Take,
    Check,
}

impl QueueId {
    /// Taking tuples under a MAC key.
    pub fn take(scope: MacScope) -> Self {
        Self { kind: QueueKind::Take, cloud: scope.cloud.0, mac_key: scope.mac_key.0 }
    }

    /// Checking MACs under a key.
    pub fn check(scope: MacScope) -> Self {
        Self { kind: QueueKind::Check, cloud: scope.cloud.0, mac_key: scope.mac_key.0 }
    }

    fn scope(&self) -> MacScope {
        MacScope { cloud: CloudId(self.cloud), mac_key: MacKeyId(self.mac_key) }
    }
}

/// Why there is no turn. Nothing has happened under it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("not all members asked for this turn in time, or another turn lasted too long")]
    TimedOut,
    #[error("member {} has gone, or was restarted and will not ask", .0.peer_id())]
    MemberLost(PeerKey),
    #[error("the member that keeps the order, {}, cannot be reached", .0.peer_id())]
    SequencerLost(PeerKey),
    #[error("the member that keeps the order was restarted")]
    SequencerRestarted,
    #[error("this turn came after later ones and was passed over")]
    Passed,
    #[error("the member that keeps the order refuses: {0}")]
    Refused(AskRefused),
}

/// What a member asks the sequencer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    queue: QueueId,
    #[serde(with = "serde_bytes")]
    item: [u8; 32],
    /// The asker's boot nonce.
    boot: Nonce,
    /// After this the asker has given up.
    patience_ms: u64,
}

/// The number of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Numbered {
    /// The sequencer's boot nonce.
    boot: Nonce,
    number: u64,
    /// The first number of this queue that this asker hears of.
    first: u64,
}

/// Answers the members' questions for every order that this node keeps: `find` gives the order of a
/// MAC key's cloud.
///
/// # Panics
/// If [`Service::ORDER`] is served already.
pub fn serve(network: &Network, find: impl Fn(MacScope) -> Option<Order> + Send + Sync + 'static) {
    let find = Arc::new(find);
    network.serve(Service::ORDER, move |from, payload| {
        let find = Arc::clone(&find);
        async move { courier::answer(|scope| find(scope), from, &payload).await }
    });
}

struct Hub {
    boot: Nonce,
    courier: Arc<dyn Courier>,
    members: Vec<PeerKey>,
    /// Who numbers the items.
    sequencer: PeerKey,
    /// The sequencer's side, where it is this node.
    kept: Option<Mutex<Sequencer>>,
    queues: Mutex<HashMap<QueueId, Turnstile>>,
}

impl Hub {
    /// The sequencer's side of a question.
    fn ask(&self, from: PeerKey, question: &Question) -> Result<oneshot::Receiver<Numbered>, AskRefused> {
        let kept = self.kept.as_ref().ok_or(AskRefused::NotReady)?;
        lock(kept).ask(from, question.boot, question.queue, question.item)
    }

    /// Tells a queue of its next number; gives the waiting turn.
    fn enter(&self, queue: QueueId, numbered: Numbered, waiter: oneshot::Sender<Granted>) {
        let mut queues = lock(&self.queues);
        queues.entry(queue).or_default().numbered(numbered, waiter, Instant::now());
    }

    fn leave(&self, queue: QueueId) {
        lock(&self.queues).entry(queue).or_default().left(Instant::now());
    }

    /// Passes over numbers that never came.
    fn pass(&self, queue: QueueId) -> Option<Instant> {
        lock(&self.queues).get_mut(&queue).and_then(|turnstile| turnstile.pass(Instant::now()))
    }
}

/// The order of one cloud under one set of members. Clones share it.
#[derive(Clone)]
pub struct Order {
    hub: Arc<Hub>,
}

impl Order {
    /// The order among `members` (in rank order, this node at `rank`). The first keeps it; its
    /// questions reach it through [`serve`].
    ///
    /// # Panics
    /// If there are no members.
    pub fn new(network: Network, directory: Directory, members: Vec<PeerKey>, rank: usize) -> Self {
        Self::with_courier(Arc::new(NetworkCourier { network, directory }), members, rank)
    }

    fn with_courier(courier: Arc<dyn Courier>, members: Vec<PeerKey>, rank: usize) -> Self {
        let sequencer = *members.first().expect("a cloud has members");
        let kept = (rank == 0).then(|| Mutex::new(Sequencer::new(Nonce(rand::random()), members.clone())));
        let hub = Hub { boot: Nonce(rand::random()), courier, members, sequencer, kept, queues: Mutex::default() };
        Self { hub: Arc::new(hub) }
    }

    /// Waits for the turn of `item`, which all members ask for. Items are never used twice. A member that is restarted
    /// meanwhile has forgotten the item, so that nobody waits for it.
    ///
    /// # Errors
    /// [`OrderError`]. Dropping the future gives the turn up; its number is then passed over here.
    pub async fn turn(&self, queue: QueueId, item: [u8; 32], patience: Duration) -> Result<Turn, OrderError> {
        let deadline = Instant::now() + patience;
        let (waiter, granted) = oneshot::channel();
        // a task of its own, so that a number that arrives after the caller has gone is passed over
        let asking = tokio::spawn(self.clone().enter(queue, item, deadline, waiter));
        let mut waiting = Waiting { hub: Arc::clone(&self.hub), queue, granted };
        let granted = tokio::select! {
            biased;
            granted = waiting.granted(deadline) => granted,
            member = self.hub.courier.lost(&self.hub.members) => return Err(OrderError::MemberLost(member)),
        };
        match granted {
            Some(Granted::Go) => Ok(Turn { hub: Arc::clone(&self.hub), queue }),
            Some(Granted::Passed) => Err(OrderError::Passed),
            Some(Granted::Restarted) => Err(OrderError::SequencerRestarted),
            // the question has failed, or time is up for both
            None => match asking.await {
                Ok(Err(error)) => Err(error),
                _ => Err(OrderError::TimedOut),
            },
        }
    }

    /// Asks for the number and enters the queue with it.
    async fn enter(
        self,
        queue: QueueId,
        item: [u8; 32],
        deadline: Instant,
        waiter: oneshot::Sender<Granted>,
    ) -> Result<(), OrderError> {
        let numbered = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(OrderError::TimedOut);
            }
            let question = Question { queue, item, boot: self.hub.boot, patience_ms: left.as_millis() as u64 };
            match self.hub.courier.ask(self.hub.sequencer, question, left).await {
                Ok(numbered) => break numbered,
                // it is a record behind, or has just been started
                Err(courier::Failed::Refused(AskRefused::NotReady)) => sleep(limits::RETRY.min(left)).await,
                Err(courier::Failed::Refused(refused)) => return Err(OrderError::Refused(refused)),
                Err(courier::Failed::TimedOut) => return Err(OrderError::TimedOut),
                Err(courier::Failed::Lost) => return Err(OrderError::SequencerLost(self.hub.sequencer)),
            }
        };
        self.hub.enter(queue, numbered, waiter);
        Ok(())
    }
}

/// A turn that is waited for. Given up after it was granted, it passes on.
struct Waiting {
    hub: Arc<Hub>,
    queue: QueueId,
    granted: oneshot::Receiver<Granted>,
}

impl Waiting {
    /// Waits for the grant; `None` when there will be none.
    async fn granted(&mut self, deadline: Instant) -> Option<Granted> {
        loop {
            let look_again = self.hub.pass(self.queue).unwrap_or(deadline).min(deadline);
            let in_time = timeout_at(look_again.max(Instant::now() + limits::LOOK), &mut self.granted).await;
            match in_time {
                Ok(granted) => return granted.ok(),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.granted.close();
        if self.granted.try_recv() == Ok(Granted::Go) {
            self.hub.leave(self.queue);
        }
    }
}

/// The right to act, until it is dropped.
#[must_use = "dropping a turn lets the next one begin"]
pub struct Turn {
    hub: Arc<Hub>,
    queue: QueueId,
}

impl Turn {
    /// Ends the turn, as dropping it does.
    pub fn finish(self) {}
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.hub.leave(self.queue);
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({:?})", self.queue)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

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

use polyyne_protocol::{
    id::{CloudId, Epoch, Nonce, PeerKey},
    view::CloudView,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    federation::{Network, Refusal, Service},
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

    fn cloud(&self) -> CloudId {
        CloudId(self.cloud)
    }
}

/// Why there is no turn. Nothing has happened under it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("not all members asked for this turn in time, or another turn lasted too long")]
    TimedOut,
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
    cloud: CloudId,
    epoch: Epoch,
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

/// All queues of a node. Clones share them.
#[derive(Clone)]
pub struct Orders(Arc<Hub>);

struct Hub {
    me: PeerKey,
    boot: Nonce,
    courier: Arc<dyn Courier>,
    /// Where this node keeps the order for others, by cloud.
    kept: Mutex<HashMap<CloudId, Vec<(Epoch, Sequencer)>>>,
    queues: Mutex<HashMap<QueueId, Turnstile>>,
}

impl Orders {
    /// Serves the sequencer's questions on this node.
    ///
    /// # Panics
    /// If [`Service::ORDER`] is served already.
    pub fn start(network: &Network) -> Self {
        let courier = NetworkCourier(network.clone());
        let orders = Self::with_courier(network.local_key(), Arc::new(courier));
        let hub = Arc::downgrade(&orders.0);
        network.serve(Service::ORDER, move |from, payload| {
            let hub = hub.upgrade();
            async move {
                let hub = hub.ok_or(Refusal::NoSuchService)?;
                courier::answer(&hub, from, &payload).await
            }
        });
        orders
    }

    fn with_courier(me: PeerKey, courier: Arc<dyn Courier>) -> Self {
        let hub = Hub { me, boot: Nonce(rand::random()), courier, kept: Mutex::default(), queues: Mutex::default() };
        Self(Arc::new(hub))
    }

    /// The order of a cloud as its newest record leaves it.
    pub fn of(&self, view: &CloudView) -> Order {
        let members = view.members().iter().map(|member| member.peer).collect();
        self.among(view.cloud(), view.epoch(), members)
    }

    fn among(&self, cloud: CloudId, epoch: Epoch, members: Vec<PeerKey>) -> Order {
        let sequencer = members[0];
        if sequencer == self.0.me {
            self.0.keep(cloud, epoch, members);
        }
        Order { hub: Arc::clone(&self.0), cloud, epoch, sequencer }
    }
}

impl Hub {
    fn keep(&self, cloud: CloudId, epoch: Epoch, members: Vec<PeerKey>) {
        let mut kept = lock(&self.kept);
        let epochs = kept.entry(cloud).or_default();
        if epochs.iter().all(|(known, _)| *known != epoch) {
            epochs.push((epoch, Sequencer::new(Nonce(rand::random()), members)));
            // members may be one record behind for a moment
            let surplus = epochs.len().saturating_sub(2);
            epochs.drain(..surplus);
        }
    }

    /// The sequencer's side of a question.
    fn ask(&self, from: PeerKey, question: &Question) -> Result<oneshot::Receiver<Numbered>, AskRefused> {
        if question.queue.cloud() != question.cloud {
            return Err(AskRefused::OtherCloud);
        }
        let mut kept = lock(&self.kept);
        let epochs = kept.get_mut(&question.cloud).ok_or(AskRefused::NotReady)?;
        let (_, sequencer) =
            epochs.iter_mut().find(|(epoch, _)| *epoch == question.epoch).ok_or(AskRefused::NotReady)?;
        sequencer.ask(from, question.boot, question.queue, question.item)
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

/// The order of one cloud at one epoch. Clones share it.
#[derive(Clone)]
pub struct Order {
    hub: Arc<Hub>,
    cloud: CloudId,
    epoch: Epoch,
    sequencer: PeerKey,
}

impl Order {
    /// Waits for the turn of `item`, which all members ask for. Items are never used twice.
    ///
    /// # Errors
    /// [`OrderError`]. Dropping the future gives the turn up; its number is then passed over here.
    pub async fn turn(&self, queue: QueueId, item: [u8; 32], patience: Duration) -> Result<Turn, OrderError> {
        let deadline = Instant::now() + patience;
        let (waiter, granted) = oneshot::channel();
        // a task of its own, so that a number that arrives after the caller has gone is passed over
        let asking = tokio::spawn(self.clone().enter(queue, item, deadline, waiter));
        let mut waiting = Waiting { hub: Arc::clone(&self.hub), queue, granted };
        match waiting.granted(deadline).await {
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
            let question = Question {
                cloud: self.cloud,
                epoch: self.epoch,
                queue,
                item,
                boot: self.hub.boot,
                patience_ms: left.as_millis() as u64,
            };
            match self.hub.courier.ask(self.sequencer, question, left).await {
                Ok(numbered) => break numbered,
                // it is a record behind, or has just been started
                Err(courier::Failed::Refused(AskRefused::NotReady)) => sleep(limits::RETRY.min(left)).await,
                Err(courier::Failed::Refused(refused)) => return Err(OrderError::Refused(refused)),
                Err(courier::Failed::TimedOut) => return Err(OrderError::TimedOut),
                Err(courier::Failed::Lost) => return Err(OrderError::SequencerLost(self.sequencer)),
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

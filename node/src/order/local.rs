//! A member's own queues: one turn at a time, in the order of the numbers, whatever it is told.

use super::{Grant, OrderError, QueueId};
use polyyne_protocol::id::Digest;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a number that was never heard of holds up the ones after it: its answer was lost, or is
/// on its way.
const GAP: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
pub(super) struct Locals(Arc<Mutex<HashMap<QueueId, Queue>>>);

#[derive(Default)]
struct Queue {
    boot: Option<Digest>,
    /// The number whose turn is next.
    next: u64,
    /// A turn is being held.
    held: bool,
    waiting: BTreeMap<u64, oneshot::Sender<Turn>>,
}

/// A place in a queue.
pub(super) struct Ticket {
    locals: Locals,
    queue: QueueId,
    grant: Grant,
    turn: oneshot::Receiver<Turn>,
}

/// The right to do what the queue is for; ends when dropped.
pub struct Turn {
    locals: Locals,
    queue: QueueId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.locals.release(self.queue);
    }
}

impl Locals {
    fn queues(&self) -> MutexGuard<'_, HashMap<QueueId, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place that the number gives.
    pub fn enqueue(&self, id: QueueId, grant: Grant) -> Ticket {
        let (give, turn) = oneshot::channel();
        {
            let mut queues = self.queues();
            let queue = queues.entry(id).or_default();
            if queue.boot != Some(grant.boot) {
                // The sequencer has restarted: what waits under its old numbers will not come.
                queue.boot = Some(grant.boot);
                queue.next = grant.number;
                queue.waiting.clear();
            }
            if grant.number >= queue.next {
                queue.waiting.insert(grant.number, give);
            }
        }
        self.advance(id, false);
        Ticket { locals: self.clone(), queue: id, grant, turn }
    }

    fn release(&self, id: QueueId) {
        if let Some(queue) = self.queues().get_mut(&id) {
            queue.held = false;
        }
        self.advance(id, false);
    }

    /// Gives the next turn if nobody holds one. `over_gap` passes over numbers never heard of.
    fn advance(&self, id: QueueId, over_gap: bool) {
        // A turn that nobody takes any more is dropped outside the lock, and releases itself.
        let mut unwanted = None;
        {
            let mut queues = self.queues();
            let Some(queue) = queues.get_mut(&id) else { return };
            if queue.held {
                return;
            }
            let Some((&number, _)) = queue.waiting.first_key_value() else { return };
            if number != queue.next && !over_gap {
                return;
            }
            let Some(give) = queue.waiting.remove(&number) else { return };
            queue.held = true;
            queue.next = number + 1;
            if let Err(turn) = give.send(Turn { locals: self.clone(), queue: id }) {
                unwanted = Some(turn);
            }
        }
        drop(unwanted);
    }
}

impl Ticket {
    /// Waits for the turn.
    pub async fn wait(mut self) -> Result<Turn, OrderError> {
        loop {
            match tokio::time::timeout(GAP, &mut self.turn).await {
                Ok(Ok(turn)) => return Ok(turn),
                Ok(Err(_)) => return Err(OrderError::Missed),
                Err(_) => self.pass_gap(),
            }
        }
    }

    /// After a while at the head of the queue behind a number that never came: passes over it.
    fn pass_gap(&self) {
        let first = {
            let queues = self.locals.queues();
            queues.get(&self.queue).is_some_and(|queue| {
                !queue.held && queue.waiting.first_key_value().is_some_and(|(number, _)| *number == self.grant.number)
            })
        };
        if first {
            self.locals.advance(self.queue, true);
        }
    }
}

//! VM threads of `vcp run`: an OS thread for each, channels in memory between the parties' same threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::executor::block_on;
use polyyne_engine::digest::{Hash, Transcript};
use polyyne_engine::memory;
use polyyne_engine::party::Party;
use polyyne_engine::port::{BoxFuture, Channel, Gate, Rng};
use polyyne_engine::turns::Turns;
use polyyne_engine::vm::{ThreadEnds, Threads, ThreadsError};
use rand::SeedableRng as _;
use rand::rngs::SysRng;

/// One party's channels to all others.
type Channels = Vec<Option<Box<dyn Channel>>>;

/// More than this run in place: each is an OS thread for each party.
const THREADS_MAX: u32 = 32;

/// The orders of MAC checks under the keys of the prime field, of GF(2^n) and of bits, which all parties share.
#[derive(Clone)]
pub struct Orders([Arc<Turns>; 3]);

impl Orders {
    pub fn new(parties: usize) -> Self {
        Self([(); 3].map(|()| Turns::new(parties)))
    }

    /// The gate of one party's thread over the prime field; `label` is the same for all parties' same thread and for no
    /// other. A gate that is dropped is a thread that has ended.
    pub fn gate(&self, party: usize, label: Hash) -> Box<dyn Gate> {
        self.0[0].gate(party, label)
    }

    /// Those over GF(2^n) and of bits.
    pub fn side_gates(&self, party: usize, label: Hash) -> [Box<dyn Gate>; 2] {
        [1, 2].map(|order: usize| self.0[order].gate(party, label))
    }
}

/// The label of the main thread's gates.
pub const MAIN: Hash = [0; 32];

/// Where the parties' threads meet.
pub struct Ground {
    parties: usize,
    session: Hash,
    orders: Orders,
    meetings: Mutex<Meetings>,
}

#[derive(Default)]
struct Meetings {
    /// Ends that wait for their party, by thread and party.
    ends: BTreeMap<u32, Vec<Option<Channels>>>,
    /// Parties that will open nothing more.
    gone: BTreeSet<usize>,
}

impl Ground {
    pub fn new(session: Hash, orders: Orders, parties: usize) -> Arc<Self> {
        Arc::new(Self { parties, session, orders, meetings: Mutex::default() })
    }

    /// The VM threads of one party.
    pub fn threads(self: &Arc<Self>, party: usize) -> LocalThreads {
        LocalThreads { ground: Arc::clone(self), party }
    }

    fn meetings(&self) -> MutexGuard<'_, Meetings> {
        self.meetings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channels(&self, thread: u32, party: usize) -> Option<Channels> {
        let meetings = &mut *self.meetings();
        let ends = meetings.ends.entry(thread).or_insert_with(|| {
            let mesh = memory::mesh(self.parties).into_iter().enumerate();
            // The ends of a party that has gone are closed, so that the others do not wait for it.
            mesh.map(|(party, channels)| (!meetings.gone.contains(&party)).then_some(channels)).collect()
        });
        ends[party].take()
    }
}

/// See the module's head. When it is dropped the others stop waiting for this party.
pub struct LocalThreads {
    ground: Arc<Ground>,
    party: usize,
}

impl LocalThreads {
    fn open_now(&self, thread: u32) -> Result<ThreadEnds, ThreadsError> {
        let channels = self.ground.channels(thread, self.party).ok_or(ThreadsError::Links)?;
        let rng = Rng::try_from_rng(&mut SysRng).map_err(|_| ThreadsError::Links)?;
        let session = Transcript::new("vm thread").bytes(&self.ground.session).number(thread.into()).finish();
        let gate = self.ground.orders.gate(self.party, session);
        let [binary_gate, bits_gate] = self.ground.orders.side_gates(self.party, session);
        Ok(ThreadEnds {
            party: Party::new(self.party, session, channels, rng),
            gate,
            binary_gate: Some(binary_gate),
            bits_gate: Some(bits_gate),
        })
    }
}

impl Threads for LocalThreads {
    fn threads_max(&self) -> u32 {
        THREADS_MAX
    }

    fn open(&mut self, thread: u32) -> BoxFuture<'_, Result<ThreadEnds, ThreadsError>> {
        Box::pin(std::future::ready(self.open_now(thread)))
    }

    fn spawn(&mut self, thread: u32, body: BoxFuture<'static, ()>) -> Result<(), ThreadsError> {
        let name = format!("party {} thread {thread}", self.party);
        let started = std::thread::Builder::new().name(name).spawn(move || block_on(body));
        started.map(drop).map_err(|_| ThreadsError::Start)
    }
}

impl Drop for LocalThreads {
    fn drop(&mut self) {
        let mut meetings = self.ground.meetings();
        meetings.gone.insert(self.party);
        meetings.ends.values_mut().for_each(|ends| ends[self.party] = None);
        drop(meetings);
        self.ground.orders.0.iter().for_each(|order| order.withdraw(self.party));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_closes_the_channels_of_threads_that_it_never_opened() {
        let ground = Ground::new([1; 32], Orders::new(2), 2);
        let (mut stays, leaves) = (ground.threads(0), ground.threads(1));
        let mut early = block_on(stays.open(1)).map(|ends| ends.party).unwrap();
        drop(leaves);
        let mut late = block_on(stays.open(2)).map(|ends| ends.party).unwrap();
        for party in [&mut early, &mut late] {
            let sent = block_on(party.send_all(polyyne_engine::step::Step::Open, vec![1]));
            assert!(sent.is_err());
        }
        assert!(matches!(block_on(stays.open(1)), Err(ThreadsError::Links)), "a thread is opened once");
    }
}

//! The deterministic simulator: all parties on one thread, a seeded order of polls and deliveries,
//! and a hook on every frame. The same seed gives the same run.
//!
//! It plays the network and an adversary who controls it and some parties' messages; a party that
//! waits for what nobody will send meets its deadline. VM threads are tasks among the others, with wires of their own
//! ([`Simulator::threads`]).

mod threads;

pub use threads::{Orders, SimThreads};

use crate::party::{PartyIndex, step_of};
use crate::port::{BoxFuture, Channel, ChannelError, Rng};
use crate::step::Step;
use rand_core::{Rng as _, SeedableRng};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

/// A frame on its way.
pub struct Frame<'a> {
    /// The VM thread that it belongs to.
    pub thread: u32,
    pub from: PartyIndex,
    pub to: PartyIndex,
    /// Which frame of this step of the thread between these two, counted from 0.
    pub occurrence: usize,
    pub step: Option<Step>,
    pub bytes: &'a [u8],
}

/// What arrives in place of a frame: nothing, it, another, or several.
pub type Hook = Box<dyn FnMut(&Frame<'_>) -> Vec<Vec<u8>> + Send>;

#[derive(Default)]
struct Wire {
    in_flight: VecDeque<Vec<u8>>,
    delivered: VecDeque<Vec<u8>>,
    /// The sender is gone: after what is in flight there is nothing more.
    closed: bool,
    reader: Option<Waker>,
    seen: Vec<(Option<Step>, usize)>,
}

struct Net {
    n: usize,
    wires: Vec<Wire>,
    hook: Option<Hook>,
    deadline: bool,
    trace: Vec<(PartyIndex, PartyIndex, Option<Step>, usize)>,
}

impl Net {
    fn wire(&mut self, thread: u32, from: usize, to: usize) -> &mut Wire {
        let at = (thread as usize * self.n + from) * self.n + to;
        if at >= self.wires.len() {
            self.wires.resize_with(at + 1, Wire::default);
        }
        &mut self.wires[at]
    }
}

type Shared = Arc<Mutex<Net>>;

/// One party's channels of one VM thread.
fn channels(net: &Shared, n: usize, thread: u32, own: usize) -> Vec<Option<Box<dyn Channel>>> {
    let channel = |peer| Box::new(SimChannel { net: Arc::clone(net), thread, own, peer }) as Box<dyn Channel>;
    (0..n).map(|peer| (own != peer).then(|| channel(peer))).collect()
}

fn lock(net: &Shared) -> MutexGuard<'_, Net> {
    net.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A simulated network of n parties.
pub struct Simulator {
    net: Shared,
    rng: Rng,
    n: usize,
    spawned: Spawned,
}

/// VM threads that were started and wait for their place among the tasks.
type Spawned = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

struct SimChannel {
    net: Shared,
    thread: u32,
    own: usize,
    peer: usize,
}

/// A task's flag: it has been woken since it was last polled.
struct Flag(AtomicBool);

impl Flag {
    fn raised() -> Arc<Self> {
        Arc::new(Flag(AtomicBool::new(true)))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

impl Simulator {
    pub fn new(seed: u64, n: usize) -> Self {
        let wires = (0..n * n).map(|_| Wire::default()).collect();
        let net = Net { n, wires, hook: None, deadline: false, trace: Vec::new() };
        Self { net: Arc::new(Mutex::new(net)), rng: Rng::seed_from_u64(seed), n, spawned: Spawned::default() }
    }

    /// Lets `hook` decide about every frame.
    pub fn hook(&mut self, hook: impl FnMut(&Frame<'_>) -> Vec<Vec<u8>> + Send + 'static) {
        lock(&self.net).hook = Some(Box::new(hook));
    }

    /// The channels of each party.
    pub fn channels(&self) -> Vec<Vec<Option<Box<dyn Channel>>>> {
        (0..self.n).map(|own| channels(&self.net, self.n, 0, own)).collect()
    }

    /// Every frame that was sent so far: from, to, step and length.
    pub fn trace(&self) -> Vec<(PartyIndex, PartyIndex, Option<Step>, usize)> {
        lock(&self.net).trace.clone()
    }

    /// Runs the parties to their ends. One that can go no further meets its deadline.
    pub fn run<'a, T>(&mut self, parties: Vec<impl Future<Output = T> + 'a>) -> Vec<T> {
        let mut tasks: Vec<Option<Task<'a, T>>> =
            parties.into_iter().map(|party| Some(Box::pin(party) as Task<'a, T>)).collect();
        let mut flags: Vec<Arc<Flag>> = tasks.iter().map(|_| Flag::raised()).collect();
        let mut results: Vec<Option<T>> = tasks.iter().map(|_| None).collect();
        let mut threads: Vec<Option<Task<'a, ()>>> = Vec::new();
        let parties = tasks.len();
        while tasks.iter().any(Option::is_some) {
            for thread in self.spawned.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).drain(..) {
                threads.push(Some(thread));
                flags.push(Flag::raised());
            }
            let alive = |i: usize| if i < parties { tasks[i].is_some() } else { threads[i - parties].is_some() };
            let runnable: Vec<usize> =
                (0..flags.len()).filter(|&i| alive(i) && flags[i].0.load(Ordering::Relaxed)).collect();
            let busy = self.busy_wires();
            let choices = runnable.len() + busy.len();
            if choices == 0 {
                self.meet_deadline();
                continue;
            }
            let choice = (self.rng.next_u64() % choices as u64) as usize;
            match runnable.get(choice) {
                Some(&i) if i < parties => poll(&mut tasks[i], &flags[i], &mut results[i]),
                Some(&i) => poll(&mut threads[i - parties], &flags[i], &mut None),
                None => self.deliver(busy[choice - runnable.len()]),
            }
        }
        results.into_iter().map(|result| result.expect("every task has ended")).collect()
    }

    fn busy_wires(&self) -> Vec<usize> {
        let net = lock(&self.net);
        (0..net.wires.len()).filter(|&w| !net.wires[w].in_flight.is_empty()).collect()
    }

    fn deliver(&mut self, wire: usize) {
        let mut net = lock(&self.net);
        let wire = &mut net.wires[wire];
        if let Some(frame) = wire.in_flight.pop_front() {
            wire.delivered.push_back(frame);
        }
        if let Some(waker) = wire.reader.take() {
            waker.wake();
        }
    }

    fn meet_deadline(&mut self) {
        let mut net = lock(&self.net);
        assert!(!net.deadline, "a task neither ended nor waited for a channel after its deadline");
        net.deadline = true;
        for wire in &mut net.wires {
            if let Some(waker) = wire.reader.take() {
                waker.wake();
            }
        }
    }
}

fn poll<'a, T>(task: &mut Option<Task<'a, T>>, flag: &Arc<Flag>, result: &mut Option<T>) {
    flag.0.store(false, Ordering::Relaxed);
    let waker = Waker::from(flag.clone());
    let Some(running) = task else { return };
    if let Poll::Ready(value) = running.as_mut().poll(&mut Context::from_waker(&waker)) {
        *result = Some(value);
        *task = None;
    }
}

impl Channel for SimChannel {
    fn poll_send(&mut self, _cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        let frame = std::mem::take(frame);
        let mut net = lock(&self.net);
        let (from, to) = (PartyIndex(self.own as u16), PartyIndex(self.peer as u16));
        let step = step_of(&frame);
        net.trace.push((from, to, step, frame.len()));
        let wire = net.wire(self.thread, self.own, self.peer);
        let occurrence = match wire.seen.iter_mut().find(|(seen, _)| *seen == step) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                wire.seen.push((step, 0));
                0
            }
        };
        let frames = match &mut net.hook {
            Some(hook) => hook(&Frame { thread: self.thread, from, to, occurrence, step, bytes: &frame }),
            None => vec![frame],
        };
        net.wire(self.thread, self.own, self.peer).in_flight.extend(frames);
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        let mut net = lock(&self.net);
        let deadline = net.deadline;
        let wire = net.wire(self.thread, self.peer, self.own);
        if let Some(frame) = wire.delivered.pop_front() {
            return Poll::Ready(Ok(frame));
        }
        if wire.closed && wire.in_flight.is_empty() {
            return Poll::Ready(Err(ChannelError::Closed));
        }
        if deadline {
            return Poll::Ready(Err(ChannelError::Deadline));
        }
        wire.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for SimChannel {
    fn drop(&mut self) {
        let mut net = lock(&self.net);
        let wire = net.wire(self.thread, self.own, self.peer);
        wire.closed = true;
        if let Some(waker) = wire.reader.take() {
            waker.wake();
        }
    }
}

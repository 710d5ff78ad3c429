//! VM threads that run beside their starter (`run_tape`, `join_tape`).
//!
//! A thread has channels, randomness, session id, registers and openings of its own; the MAC keys are the session's, and
//! their gates let one check at a time through ([`ThreadEnds`]). What a thread does never depends on timing:
//!
//! - which tapes run beside their starter follows from the program alone: those whose tuples are declared exactly, and
//!   that neither they nor what they call talks to clients, to files or to parties' inputs and outputs, or numbers things
//!   for the whole machine. All other tapes run in place, before the starter goes on, on the starter's channels;
//! - a thread's tuples are set apart when it starts, exactly as many as its tape declares; what it leaves is lost;
//! - it sees the memory as it was when it started, and its own writes; the others see those when it is joined
//!   ([`super::memory`]), and what it printed comes then too. Starting a thread that runs joins it first; the end of the
//!   program joins all.
//!
//! # Security
//!
//! Everything opened is checked before a thread starts, and everything that a thread opened before it is joined, so that a
//! value depends on unchecked openings of its own thread only. Nothing leaves the starter (sockets, outputs of parties)
//! before all threads that run have ended and been checked. A thread that fails ends the run where it is joined, and the
//! gravest error of all threads is the run's.

use super::fault::{Fault, Step, VmError};
use super::handover::{Giver, Taker, handover};
use super::memory::Memory;
use super::print::Format;
use super::shuffle::Shuffle;
use super::{BitSide, Machine, NoDoor, NoInputs, NoStorage, Place, Ports, Side, Statistics};
use crate::bit_tuples::mac_field;
use crate::error::{Error, Severity};
use crate::field::{BinaryField, PrimeField};
use crate::mac_check::MacCheck;
use crate::online::Online;
use crate::party::Party;
use crate::port::{BoxFuture, Gate};
use crate::tuples::Pool;
use std::sync::Arc;
use thiserror::Error;

/// What a driver gives a VM thread.
pub struct ThreadEnds {
    /// Channels to all other parties' same thread, randomness from the operating system, and a session id that no other
    /// thread of any session has.
    pub party: Party,
    /// The gate of the session's MAC key over the prime field. All parties' same thread enters the same checks, and all
    /// parties run the checks of all threads in one order.
    pub gate: Box<dyn Gate>,
    /// That of GF(2^n), if the run has such a side.
    pub binary_gate: Option<Box<dyn Gate>>,
    /// That of bits, if the run has such a side.
    pub bits_gate: Option<Box<dyn Gate>>,
}

/// How a driver runs VM threads beside each other.
pub trait Threads: Send {
    /// Threads 1 to this may run beside their starter, the others run in place. The same at all parties.
    fn threads_max(&self) -> u32;

    /// What thread `thread` needs: asked for once, by all parties.
    fn open(&mut self, thread: u32) -> BoxFuture<'_, Result<ThreadEnds, ThreadsError>>;

    /// Runs what a thread does to its end, while the caller goes on. A thread that is dropped has failed.
    ///
    /// # Errors
    /// If it cannot be started.
    fn spawn(&mut self, thread: u32, body: BoxFuture<'static, ()>) -> Result<(), ThreadsError>;
}

/// Why a thread cannot run.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum ThreadsError {
    #[error("not all parties opened it")]
    Links,
    #[error("the operating system does not start it")]
    Start,
    #[error("it was ended from outside")]
    Lost,
}

/// A thread that does not run: its channels and keys.
pub(super) struct Worker {
    online: Online<PrimeField>,
    binary: Option<Side<BinaryField>>,
    bits: Option<BitSide>,
}

/// A thread that was started and not joined.
pub(super) enum Running {
    On(Taker<Ended>),
    Ended(Box<Ended>),
}

/// What a thread leaves to whoever joins it.
pub(super) struct Ended {
    result: Result<(), VmError>,
    worker: Worker,
    banks: super::state::Banks,
    memory: Memory,
    format: Format,
    text: Vec<u8>,
    statistics: Statistics,
}

/// What a thread starts with.
struct Job {
    image: Arc<super::image::Image>,
    budget: Arc<super::budget::Budget>,
    worker: Worker,
    place: Place,
    banks: super::state::Banks,
    memory: Memory,
    shuffles: Vec<Option<Arc<Shuffle>>>,
    format: Format,
    arguments: Vec<i64>,
    meter: Option<Box<dyn super::Meter>>,
}

/// The whole life of a thread. Behind a box of a named type, since a machine starts threads that are machines.
fn run(job: Job, done: Giver<Ended>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let Job { image, budget, mut worker, place, banks, memory, shuffles, format, arguments, meter } = job;
        let mut text = Vec::new();
        let ports = Ports {
            online: &mut worker.online,
            binary: worker.binary.as_mut(),
            bits: worker.bits.as_mut(),
            inputs: &mut NoInputs,
            door: &mut NoDoor,
            storage: &mut NoStorage,
            binary_storage: &mut NoStorage,
            printer: &mut text,
            arguments: &arguments,
            threads: None,
            meter,
        };
        let mut machine = Machine::start(image, budget, ports, place, banks, memory);
        machine.shuffles = shuffles;
        machine.pending.set_format(place.thread, format);
        let result = machine.run().await;
        let (banks, memory, format, statistics) = machine.finish();
        done.give(Ended { result, worker, banks, memory, format, text, statistics });
    })
}

impl Machine<'_> {
    /// Whether a tape started on this thread would run beside its starter.
    pub(super) fn runs_beside(&self, thread: u32, tape: usize) -> bool {
        let threads = self.ports.threads.as_ref();
        threads.is_some_and(|threads| (1..=threads.threads_max()).contains(&thread))
            && self.image.beside(tape).is_some()
    }

    /// Starts a tape beside this thread.
    pub(super) async fn start_beside(&mut self, place: Place) -> Step {
        // What the thread begins with has been checked.
        self.settle().await?;
        let thread = place.thread;
        let mut worker = match self.workers.remove(&thread) {
            Some(worker) => worker,
            None => self.open(thread).await?,
        };
        let image = Arc::clone(&self.image);
        let bill = image.beside(place.tape).expect("only such tapes are started beside");
        worker.online.tuples = self.ports.online.tuples.split(&bill.prime)?;
        if let (Some(own), Some(side)) = (&mut worker.binary, self.ports.binary.as_deref_mut()) {
            own.tuples = side.tuples.split(&bill.binary)?;
        }
        if let (Some(own), Some(side)) = (&mut worker.bits, self.ports.bits.as_deref_mut()) {
            own.tuples = side.tuples.split(&bill.bits)?;
        }
        let job = Job {
            image,
            budget: Arc::clone(&self.budget),
            worker,
            place,
            banks: self.rested(thread, place.tape),
            memory: self.memory.fork(),
            shuffles: self.shuffles.clone(),
            format: self.pending.format(thread),
            arguments: self.ports.arguments.to_vec(),
            meter: self.ports.meter.as_ref().map(|meter| meter.of_thread(thread)),
        };
        let (done, ended) = handover();
        let threads = self.ports.threads.as_deref_mut().expect("a driver with threads was asked");
        threads.spawn(thread, run(job, done)).map_err(|cause| Fault::ThreadLinks { thread, cause })?;
        self.running.insert(thread, Running::On(ended));
        Ok(())
    }

    async fn open(&mut self, thread: u32) -> Step<Worker> {
        let threads = self.ports.threads.as_deref_mut().expect("a driver with threads was asked");
        let failed = |cause| Fault::ThreadLinks { thread, cause };
        let ends = threads.open(thread).await.map_err(failed)?;
        let main = &self.ports.online;
        let mac = MacCheck::new(main.field, main.mac.key().clone(), ends.gate);
        let online = Online::new(main.field, ends.party, mac, Box::new(Pool::new()));
        let binary = match self.ports.binary.as_deref() {
            None => None,
            Some(side) => {
                let gate = ends.binary_gate.ok_or_else(|| failed(ThreadsError::Links))?;
                let mac = MacCheck::new(side.field, side.mac.key().clone(), gate);
                Some(Side { field: side.field, mac, tuples: Box::new(Pool::new()) })
            }
        };
        let bits = match self.ports.bits.as_deref_mut() {
            None => None,
            Some(side) => {
                let gate = ends.bits_gate.ok_or_else(|| failed(ThreadsError::Links))?;
                let mac = MacCheck::new(mac_field(), side.mac.key().clone(), gate);
                let tuples = side.tuples.split(&Default::default())?;
                Some(BitSide { mac, tuples })
            }
        };
        Ok(Worker { online, binary, bits })
    }

    /// Waits for a thread and takes over what it leaves. Nothing to do if it does not run.
    pub(super) async fn join(&mut self, thread: u32) -> Step {
        let ended = match self.running.remove(&thread) {
            None => return Ok(()),
            Some(Running::Ended(ended)) => *ended,
            Some(Running::On(ended)) => {
                let lost = Fault::ThreadLinks { thread, cause: ThreadsError::Lost };
                ended.take().await.ok_or(lost)?
            }
        };
        let Ended { result, worker, banks, memory, format, text, statistics } = ended;
        self.joined.add(&statistics);
        if let Err(error) = result {
            self.failure = Some(graver(self.failure.take(), error));
            return Err(Fault::ThreadFailed(thread));
        }
        self.memory.merge(&memory);
        self.pending.append(&text);
        self.pending.set_format(thread, format);
        self.rest(thread, banks);
        self.workers.insert(thread, worker);
        Ok(())
    }

    /// Joins all threads, lowest number first.
    pub(super) async fn join_all(&mut self) -> Step {
        while let Some(thread) = self.lowest_running() {
            self.join(thread).await?;
        }
        Ok(())
    }

    fn lowest_running(&self) -> Option<u32> {
        self.running.keys().next().copied()
    }

    /// Waits until all threads that run have ended, and been checked, without joining them.
    pub(super) async fn await_threads(&mut self) -> Step {
        let running: Vec<u32> = self.running.keys().copied().collect();
        for thread in running {
            if let Some(Running::On(taker)) = self.running.get(&thread) {
                let lost = Fault::ThreadLinks { thread, cause: ThreadsError::Lost };
                let ended = taker.take().await.ok_or(lost)?;
                let failed = ended.result.is_err();
                self.running.insert(thread, Running::Ended(Box::new(ended)));
                if failed {
                    return self.join(thread).await;
                }
            }
        }
        Ok(())
    }

    /// After a failure: lets all threads end, and finds the gravest error of all.
    pub(super) async fn gravest(&mut self, error: VmError) -> VmError {
        let mut gravest = match error.fault() {
            // What the thread itself said tells more.
            Some(Fault::ThreadFailed(_)) => self.failure.take().unwrap_or(error),
            _ => error,
        };
        while let Some(thread) = self.lowest_running() {
            drop(self.join(thread).await);
            if let Some(error) = self.failure.take() {
                gravest = graver(Some(gravest), error);
            }
        }
        gravest
    }
}

/// The graver of two errors; of two that are alike, the one that is not only the echo of another party's end, else the
/// first.
fn graver(first: Option<VmError>, second: VmError) -> VmError {
    let Some(first) = first else { return second };
    let weight = |error: &VmError| -> (Severity, bool) { (error.severity(), !is_echo(error)) };
    if weight(&second) > weight(&first) { second } else { first }
}

fn is_echo(error: &VmError) -> bool {
    matches!(
        error.fault(),
        Some(Fault::Engine(Error::Channel { .. } | Error::Gate(crate::port::GateError::NoTurn)) | Fault::Stopped)
    )
}

//! The virtual machine: runs verified MP-SPDZ bytecode over the online operations.
//!
//! A program's tapes are decoded once ([`polyyne_bytecode::verify`] has bounded every register, address and jump that it
//! can); instructions work on vectors in register banks; one interactive instruction is one round, which reads all its
//! operands before it writes. VM threads run beside each other where the driver and the program allow it, in place
//! otherwise ([`Threads`]); what a program does is the same either way.
//!
//! # Security
//!
//! - Every opening that the program asks for (`open` and `reveal` over any field, whatever their check flag), every private
//!   output and everything that sockets are told follows a MAC check of all earlier openings. A program hides what it
//!   opens behind a mask of a bounded length: whoever spoils an earlier opening by e makes of a product x·y the value
//!   x·y + e·y, and with e large enough that stands above the mask. With the check before it, what is opened is what the
//!   program computed. The groups of one instruction are opened in one round behind one check.
//! - Openings inside products need no check before them: x − a is uniform for every x, also for a wrong one, since a is
//!   uniform and used once. Their errors come out in what is opened later, behind the check. The same holds for inputs
//!   and for the layers of a shuffle.
//! - Printed text is held back until a check has covered it ([`Printer::release`]), and control flow depends on checked
//!   values only. What leaves takes a proof that nothing waits (`vm/exits.rs`).
//! - Public random numbers are tossed by all parties when the instruction runs, after everything before it is fixed.
//! - Run-time faults are typed errors that name tape, instruction and mnemonic. Steps, rounds, call frames and printed
//!   bytes of all threads together are bounded by [`Limits`]; tuples by the source itself.
//! - It does not protect against a program that reveals what its author should not have revealed.

mod arithmetic;
mod bit_rounds;
mod boolean;
mod budget;
mod clear;
mod clients;
mod code;
mod dealt;
mod door;
mod exits;
mod fault;
mod forecast;
mod handover;
mod image;
mod in_place;
mod input;
mod inside;
mod integer;
mod interactive;
mod local;
mod memory;
mod meter;
mod permutation;
mod personal;
mod polynomial;
mod print;
mod rounds;
mod shuffle;
mod state;
mod storage;
mod support;
mod threads;

pub use bit_rounds::BitSide;
pub use dealt::{dealt_sides, dealt_sides_behind};
use door::NoDoor;
pub use door::{Door, DoorError, Message, Secrets, Wanted};
pub use fault::{Fault, VmError};
pub use forecast::{Forecast, Unforeseen, forecast};
pub use input::{InputError, Inputs, NoInputs, TextInputs};
pub use meter::{Lap, Meter};
#[cfg(any(test, feature = "timing"))]
pub(crate) use permutation::timing;
pub use print::Printer;
pub use rounds::Side;
use storage::NoStorage;
pub use storage::{MemoryStorage, Storage};
pub use support::{Need, distrusted, need, unsupported, unsupported_with};
pub use threads::{ThreadEnds, Threads, ThreadsError};

use crate::bit_tuples::mac_field;
use crate::field::{BinaryField, PrimeField};
use crate::online::Online;
use crate::share::MacKeyShare;
use budget::Budget;
use exits::{Exits, Settled};
use fault::Step;
use image::Image;
use inside::Inside;
use memory::Memory;
use polyyne_bytecode::{Bank, Group, Opcode, PerBank, Verified};
use state::Banks;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, each counted with its vector size.
    pub steps_max: u64,
    /// Communication rounds.
    pub rounds_max: u64,
    /// Bytes of all register frames that exist at once.
    pub frame_bytes_max: u64,
    /// Bytes printed.
    pub printed_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps_max: 1 << 36, rounds_max: 1 << 26, frame_bytes_max: 1 << 30, printed_bytes_max: 16 << 20 }
    }
}

/// Printed text that waits is released by a check of its own when it has grown to this.
const HELD_BYTES_MAX: usize = 64 << 10;
/// Openings that wait are checked when there are this many: they take memory until then.
const PENDING_OPENINGS_MAX: usize = 1 << 19;

/// What a program runs with.
pub struct Ports<'a> {
    /// The session over the prime field.
    pub online: &'a mut Online<PrimeField>,
    /// GF(2^n), of the degree that the program was verified for, if there are tuples over it.
    pub binary: Option<&'a mut Side<BinaryField>>,
    /// Bits, if there are tuples of them.
    pub bits: Option<&'a mut BitSide>,
    /// This party's own inputs.
    pub inputs: &'a mut dyn Inputs,
    /// Clients, or stored secrets.
    pub door: &'a mut dyn Door,
    /// Persistent shares over the prime field.
    pub storage: &'a mut dyn Storage<PrimeField>,
    /// And over GF(2^n).
    pub binary_storage: &'a mut dyn Storage<BinaryField>,
    /// Where checked text goes.
    pub printer: &'a mut dyn Printer,
    /// Run-time arguments (`cmdlinearg`).
    pub arguments: &'a [i64],
    /// How VM threads run beside each other; without it they run in place.
    pub threads: Option<&'a mut dyn Threads>,
    /// Who measures where time and traffic go.
    pub meter: Option<Box<dyn Meter>>,
}

/// What a run took, all its threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instructions, each counted with its vector size.
    pub steps: u64,
    /// Communication rounds, those of MAC checks included.
    pub rounds: u64,
    /// MAC checks.
    pub checks: u64,
    /// Bytes sent to all peers.
    pub bytes_sent: u64,
}

impl Statistics {
    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.rounds += other.rounds;
        self.checks += other.checks;
        self.bytes_sent += other.bytes_sent;
    }
}

/// Runs a program from the beginning of tape 0 to its end, and checks everything that was opened.
///
/// All parties of the session run the same program in lock-step.
///
/// # Errors
/// [`VmError`], the gravest of all threads. After one, nothing that was still held back is released; see
/// [`VmError::severity`].
pub async fn run<'a>(program: &'a Verified, ports: Ports<'a>, limits: &Limits) -> Result<Statistics, VmError> {
    let mut machine = Machine::new(program, ports, *limits)?;
    match machine.run().await {
        Ok(()) => Ok(machine.statistics()),
        Err(error) => Err(machine.gravest(error).await),
    }
}

/// Where a thread or call is.
#[derive(Clone, Copy)]
struct Place {
    tape: usize,
    pc: usize,
    thread: u32,
    argument: i64,
}

/// What waits beneath the tape that is running.
enum Waiting {
    /// A caller, behind its `call_tape`, with its registers.
    Caller { place: Place, banks: Banks },
    /// The starter of threads, with its registers.
    Starter { place: Place, banks: Banks },
    /// A tape that starts on its thread when the one above it has ended.
    Start(Place),
}

struct Machine<'a> {
    image: Arc<Image>,
    budget: Arc<Budget>,
    ports: Inside<'a>,
    exits: Exits<'a>,
    place: Place,
    banks: Banks,
    memory: Memory,
    waiting: Vec<Waiting>,
    /// Registers of threads that do not run, by thread number.
    resting: BTreeMap<u32, Banks>,
    workers: BTreeMap<u32, threads::Worker>,
    running: BTreeMap<u32, threads::Running>,
    /// What a joined thread failed with.
    failure: Option<VmError>,
    /// What joined threads took.
    joined: Statistics,
    binary: BinaryField,
    binary_key: MacKeyShare<BinaryField>,
    bit_field: BinaryField,
    bit_key: MacKeyShare<BinaryField>,
    pending: print::Pending,
    integers: Vec<i64>,
    public_input: std::vec::IntoIter<String>,
    shuffles: Vec<Option<Arc<shuffle::Shuffle>>>,
    /// Steps taken, and how many may be taken before more are asked for.
    steps: u64,
    steps_granted: u64,
    rounds_counted: u64,
    /// Bytes of this thread's frames that exist.
    frame_bytes: u64,
    start: crate::party::Traffic,
    checks_before: u64,
    /// What is measured now, and the traffic when the last lap ended.
    group: Group,
    lap: crate::party::Traffic,
}

impl<'a> Machine<'a> {
    fn new(program: &'a Verified, ports: Ports<'a>, limits: Limits) -> Result<Self, VmError> {
        check_machine(program, &ports)?;
        support::check(program, ports.binary.is_some(), ports.bits.is_some())?;
        let binary = BinaryField::new(program.machine().gf2n).unwrap_or_else(default_binary);
        let words: Vec<String> =
            program.program().public_input().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let image = Arc::new(Image::new(program, binary));
        let banks = Banks::new(&ports.online.field, &binary, image.registers(0));
        let place = Place { tape: 0, pc: 0, thread: 0, argument: 0 };
        let memory = Memory::new(program.memory());
        let mut machine = Self::start(image, Arc::new(Budget::new(limits)), ports, place, banks, memory);
        machine.public_input = words.into_iter();
        machine.reserve(0).map_err(VmError::End)?;
        Ok(machine)
    }

    /// A thread at the beginning of a tape.
    fn start(
        image: Arc<Image>,
        budget: Arc<Budget>,
        ports: Ports<'a>,
        place: Place,
        banks: Banks,
        memory: Memory,
    ) -> Self {
        let (ports, exits) = ports.parted();
        let start = ports.online.party.traffic();
        Self {
            place,
            banks,
            memory,
            waiting: Vec::new(),
            resting: BTreeMap::new(),
            workers: BTreeMap::new(),
            running: BTreeMap::new(),
            failure: None,
            joined: Statistics::default(),
            binary: image.binary,
            binary_key: ports.binary.as_ref().map_or_else(no_key, |side| side.mac.key().clone()),
            bit_field: mac_field(),
            bit_key: ports.bits.as_ref().map_or_else(no_key, |side| side.mac.key().clone()),
            pending: print::Pending::new(Arc::clone(&budget)),
            integers: Vec::new(),
            public_input: Vec::new().into_iter(),
            shuffles: Vec::new(),
            steps: 0,
            steps_granted: 0,
            rounds_counted: 0,
            frame_bytes: 0,
            start,
            checks_before: ports.checks(),
            group: Group::Control,
            lap: start,
            image,
            budget,
            ports,
            exits,
        }
    }

    /// What a thread leaves: its registers, its view of the memory, how it prints and what it took.
    fn finish(mut self) -> (Banks, Memory, print::Format, Statistics) {
        let statistics = self.statistics();
        let format = self.pending.format(self.place.thread);
        let banks = std::mem::replace(&mut self.banks, no_banks());
        let memory = std::mem::replace(&mut self.memory, Memory::new(&PerBank::default()));
        (banks, memory, format, statistics)
    }

    async fn run(&mut self) -> Result<(), VmError> {
        let image = Arc::clone(&self.image);
        loop {
            let tape = &image.tapes[self.place.tape];
            let pc = self.place.pc;
            let Some(&op) = tape.ops.get(pc) else {
                if self.leave_tape() {
                    continue;
                }
                return self.end().await.map_err(VmError::End);
            };
            self.place.pc += 1;
            let args = tape.args(&op);
            let place = |fault| VmError::At { tape: tape.name.clone(), pc, opcode: op.opcode, fault };
            self.count(&op).map_err(place)?;
            self.group = op.opcode.group();
            if !self.local(op, args).map_err(place)? {
                self.interactive(op, args, tape).await.map_err(place)?;
                self.after_interaction().await.map_err(place)?;
            }
            self.measure(self.group);
        }
    }

    /// The end of the program, or of a thread.
    async fn end(&mut self) -> Step {
        self.join_all().await?;
        self.settle().await
    }

    fn count(&mut self, op: &code::Op) -> Step {
        self.steps += u64::from(op.size);
        if self.steps > self.steps_granted {
            self.steps_granted += self.budget.grant_steps(self.steps - self.steps_granted)?;
        }
        Ok(())
    }

    async fn after_interaction(&mut self) -> Step {
        let rounds = self.ports.online.party.traffic().rounds - self.start.rounds;
        self.budget.spend_rounds(rounds - self.rounds_counted)?;
        self.rounds_counted = rounds;
        if self.pending.len() > HELD_BYTES_MAX || self.ports.openings() >= PENDING_OPENINGS_MAX {
            self.settle().await?;
        }
        Ok(())
    }

    /// Checks everything opened so far, and releases the text that waited for it.
    async fn settle(&mut self) -> Step {
        self.measure(self.group);
        self.ports.online.check().await?;
        let party = &mut self.ports.online.party;
        if let Some(side) = self.ports.binary.as_deref_mut() {
            side.mac.check(party).await?;
        }
        if let Some(side) = self.ports.bits.as_deref_mut() {
            side.mac.check(party).await?;
        }
        self.exits.release(&mut self.pending, &Settled::of(&self.ports));
        self.measure(Group::Check);
        Ok(())
    }

    /// Before values leave this party or are told to another: all threads have ended, and everything is checked.
    async fn settle_all(&mut self) -> Step {
        self.await_threads().await?;
        self.settle().await
    }

    /// Ends a lap, if somebody measures.
    #[inline]
    fn measure(&mut self, group: Group) {
        if let Some(meter) = &mut self.ports.meter {
            let now = self.ports.online.party.traffic();
            let lap =
                meter::Lap { rounds: now.rounds - self.lap.rounds, bytes_sent: now.bytes_sent - self.lap.bytes_sent };
            self.lap = now;
            meter.lap(group, lap);
        }
    }

    /// Makes sure that control flow depends on checked values only.
    async fn settle_control(&mut self) -> Step {
        if self.ports.revealed_waits() { self.settle().await } else { Ok(()) }
    }

    fn statistics(&self) -> Statistics {
        let now = self.ports.online.party.traffic();
        let mut statistics = Statistics {
            steps: self.steps,
            rounds: now.rounds - self.start.rounds,
            checks: self.ports.checks() - self.checks_before,
            bytes_sent: now.bytes_sent - self.start.bytes_sent,
        };
        statistics.add(&self.joined);
        statistics
    }

    /// Counts the frame of a tape against the limit.
    fn reserve(&mut self, tape: usize) -> Step {
        let bytes = frame_bytes(self.image.registers(tape));
        self.frame_bytes += bytes;
        self.budget.reserve_frame(bytes)
    }

    fn new_banks(&self, tape: usize) -> Banks {
        Banks::new(&self.ports.online.field, &self.binary, self.image.registers(tape))
    }

    /// A thread's registers, as it left them, for a tape.
    fn rested(&mut self, thread: u32, tape: usize) -> Banks {
        let mut banks = self.resting.remove(&thread).unwrap_or_else(|| self.new_banks(tape));
        banks.grow(&self.ports.online.field, &self.binary, self.image.registers(tape));
        banks
    }

    /// A thread keeps its registers from one tape to the next.
    fn rest(&mut self, thread: u32, banks: Banks) {
        self.resting.insert(thread, banks);
    }

    /// `call_tape`: a new frame in the same thread, with the arguments that go in.
    fn call(&mut self, args: &[i64]) -> Step {
        let tape = args[0] as usize;
        self.reserve(tape)?;
        let mut callee = self.new_banks(tape);
        for argument in args[2..].chunks_exact(5).filter(|argument| argument[0] == 0) {
            let (bank, count, to, from) = parse_argument(argument);
            callee.copy(bank, to, &self.banks, from, count);
        }
        let argument = self.banks.ints[args[1] as usize];
        let start = Place { tape, pc: 0, argument, ..self.place };
        let place = std::mem::replace(&mut self.place, start);
        let banks = std::mem::replace(&mut self.banks, callee);
        self.waiting.push(Waiting::Caller { place, banks });
        Ok(())
    }

    /// The results of a call go out; the caller continues.
    fn return_to(&mut self, place: Place, banks: Banks) {
        let callee = std::mem::replace(&mut self.banks, banks);
        let finished = std::mem::replace(&mut self.place, place).tape;
        let bytes = frame_bytes(self.image.registers(finished));
        self.frame_bytes -= bytes;
        self.budget.release_frame(bytes);
        let image = Arc::clone(&self.image);
        let tape = &image.tapes[place.tape];
        let args = tape.args(&tape.ops[place.pc - 1]);
        for argument in args[2..].chunks_exact(5).filter(|argument| argument[0] == 1) {
            let (bank, count, to, from) = parse_argument(argument);
            self.banks.copy(bank, to, &callee, from, count);
        }
    }

    /// `run_tape`: tapes that may run beside this one are started, the others run in place before this thread goes on.
    async fn start_threads(&mut self, args: &[i64]) -> Step {
        let mut in_place = Vec::new();
        for group in args.chunks_exact(3) {
            let place = Place { tape: group[1] as usize, pc: 0, thread: group[0] as u32, argument: group[2] };
            if self.is_busy(place.thread) {
                return Err(Fault::ThreadBusy(place.thread));
            }
            self.join(place.thread).await?;
            if !self.resting.contains_key(&place.thread) {
                self.reserve(place.tape)?;
            }
            if self.runs_beside(place.thread, place.tape) {
                self.start_beside(place).await?;
            } else {
                in_place.push(place);
            }
        }
        if !in_place.is_empty() {
            let banks = std::mem::replace(&mut self.banks, no_banks());
            self.waiting.push(Waiting::Starter { place: self.place, banks });
            self.waiting.extend(in_place.into_iter().rev().map(Waiting::Start));
            self.next_waiting();
        }
        Ok(())
    }

    /// Whether a thread waits, beneath the one that runs, for what it has called or started.
    fn is_busy(&self, thread: u32) -> bool {
        self.place.thread == thread
            || self.waiting.iter().any(|waiting| match waiting {
                Waiting::Caller { place, .. } | Waiting::Starter { place, .. } => place.thread == thread,
                Waiting::Start(_) => false,
            })
    }

    /// The tape has ended: goes on with what waits. False at the end of the program.
    fn leave_tape(&mut self) -> bool {
        if let Some(Waiting::Starter { .. } | Waiting::Start(_)) = self.waiting.last() {
            let banks = std::mem::replace(&mut self.banks, no_banks());
            self.rest(self.place.thread, banks);
        }
        self.next_waiting()
    }

    fn next_waiting(&mut self) -> bool {
        match self.waiting.pop() {
            None => return false,
            Some(Waiting::Caller { place, banks }) => self.return_to(place, banks),
            Some(Waiting::Starter { place, banks }) => (self.place, self.banks) = (place, banks),
            Some(Waiting::Start(place)) => {
                let banks = self.rested(place.thread, place.tape);
                (self.place, self.banks) = (place, banks);
            }
        }
        true
    }

    /// Jumps `distance` instructions from the one after the jump.
    fn jump(&mut self, distance: i64) -> Step {
        let target = self.place.pc as i128 + i128::from(distance);
        let length = self.image.tapes[self.place.tape].ops.len();
        self.place.pc = usize::try_from(target).ok().filter(|&pc| pc <= length).ok_or(Fault::Jump(target))?;
        Ok(())
    }
}

impl Drop for Machine<'_> {
    /// Gives back what is not used; a run that is dropped ends its threads.
    fn drop(&mut self) {
        self.budget.return_steps(self.steps_granted.saturating_sub(self.steps));
        if !self.running.is_empty() {
            self.budget.stop();
        }
    }
}

/// (bank, count, destination, source) of a call argument, in the frames that its direction says.
fn parse_argument(argument: &[i64]) -> (Bank, usize, usize, usize) {
    let bank = Bank::from_call_number(argument[1] as i32).expect("the verifier checks the banks of call arguments");
    (bank, argument[2] as usize, argument[3] as usize, argument[4] as usize)
}

/// Stands where a thread's registers were while another runs.
fn no_banks() -> Banks {
    Banks::new(&PrimeField::carbyne(), &default_binary(), &PerBank::default())
}

fn frame_bytes(registers: &PerBank) -> u64 {
    registers.iter().zip(polyyne_bytecode::ELEMENT_BYTES).map(|(&count, bytes)| count.saturating_mul(bytes)).sum()
}

/// Stands where no instruction needs a key: programs that do are refused when there is none.
fn no_key() -> MacKeyShare<BinaryField> {
    MacKeyShare::new(Default::default(), false)
}

fn default_binary() -> BinaryField {
    BinaryField::new(128).expect("128 is a supported degree")
}

fn check_machine(program: &Verified, ports: &Ports<'_>) -> Result<(), VmError> {
    let machine = program.machine();
    if machine.prime != ports.online.field.modulus() {
        return Err(VmError::OtherMachine("another prime"));
    }
    if ports.binary.as_ref().is_some_and(|side| side.field.degree() != machine.gf2n) {
        return Err(VmError::OtherMachine("another degree of GF(2^n)"));
    }
    if machine.parties != ports.online.party.n() {
        return Err(VmError::OtherMachine("another number of parties"));
    }
    Ok(())
}

/// The instruction of the prime field that a GF(2^n) instruction is the twin of.
fn twin(opcode: Opcode) -> Option<Opcode> {
    match opcode.code() {
        code @ 0x100..=0x1ff => Opcode::from_code(code - 0x100),
        _ => None,
    }
}

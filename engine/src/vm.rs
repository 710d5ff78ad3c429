//! The virtual machine: runs verified MP-SPDZ bytecode over the online operations.
//!
//! A program's tapes are decoded once ([`polyyne_bytecode::verify`] has bounded every register, address and jump that it
//! can); instructions work on vectors in register banks; one interactive instruction is one round, which reads all its
//! operands before it writes. VM threads run one after the other where they are started, in program order: a legal
//! schedule, since programs join before they share what they write.
//!
//! # Security
//!
//! - Values that leave the secret domain (`open` with its check flag, private outputs, sockets) follow a MAC check of
//!   all earlier openings. Printed text is held back until a check has covered it ([`Printer::release`]).
//! - Before control flow depends on clear values while any opened one is unchecked, there is a check.
//! - `open` without the check flag is for values that the compiler has masked; it is checked like all others before
//!   anything leaves, but not before it is opened.
//! - Run-time faults are typed errors that name tape, instruction and mnemonic. Steps, rounds, call frames and printed
//!   bytes are bounded by [`Limits`]; tuples by the source itself.
//! - It does not protect against a program that reveals what its author should not have revealed.

mod arithmetic;
mod bit_rounds;
mod boolean;
mod clear;
mod clients;
mod code;
mod dealt;
mod door;
mod fault;
mod input;
mod integer;
mod interactive;
mod local;
mod permutation;
mod personal;
mod polynomial;
mod print;
mod rounds;
mod shuffle;
mod state;
mod storage;
mod support;

pub use bit_rounds::BitSide;
pub use dealt::dealt_sides;
pub use door::{Door, DoorError, Message, Secrets, Wanted};
pub use fault::{Fault, VmError};
pub use input::{InputError, Inputs, NoInputs, TextInputs};
pub use print::Printer;
pub use rounds::Side;
pub use storage::{MemoryStorage, Storage};
pub use support::{Need, need, unsupported, unsupported_with};

use crate::bit_tuples::mac_field;
use crate::field::{BinaryField, PrimeField};
use crate::online::Online;
use crate::port::Rng;
use crate::share::MacKeyShare;
use fault::Step;
use polyyne_bytecode::{Bank, Opcode, PerBank, Verified};
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
const PENDING_OPENINGS_MAX: usize = 1 << 20;

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
    /// Persistent shares.
    pub storage: &'a mut dyn Storage,
    /// Where checked text goes.
    pub printer: &'a mut dyn Printer,
    /// Run-time arguments (`cmdlinearg`).
    pub arguments: &'a [i64],
}

/// What a run took.
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

/// Runs a program from the beginning of tape 0 to its end, and checks everything that was opened.
///
/// All parties of the session run the same program in lock-step.
///
/// # Errors
/// [`VmError`]. After one, nothing that was still held back is released; see [`VmError::severity`].
pub async fn run<'a>(program: &'a Verified, ports: Ports<'a>, limits: &Limits) -> Result<Statistics, VmError> {
    let mut machine = Machine::new(program, ports, *limits)?;
    machine.run().await?;
    Ok(machine.statistics())
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
    program: &'a Verified,
    code: Arc<Vec<code::Tape>>,
    ports: Ports<'a>,
    limits: Limits,
    place: Place,
    banks: Banks,
    memory: Banks,
    waiting: Vec<Waiting>,
    /// Registers of threads that are not running, by thread number.
    threads: BTreeMap<u32, Banks>,
    frame_bytes: u64,
    binary: BinaryField,
    binary_key: MacKeyShare<BinaryField>,
    bit_field: BinaryField,
    bit_key: MacKeyShare<BinaryField>,
    /// An opened value has gone to registers and no check has covered it yet.
    unchecked: bool,
    pending: print::Pending,
    integers: Vec<i64>,
    public_rng: Option<Rng>,
    public_input: std::vec::IntoIter<String>,
    shuffles: Vec<Option<shuffle::Shuffle>>,
    steps: u64,
    start: crate::party::Traffic,
    checks_before: u64,
}

impl<'a> Machine<'a> {
    fn new(program: &'a Verified, ports: Ports<'a>, limits: Limits) -> Result<Self, VmError> {
        check_machine(program, &ports)?;
        support::check(program, ports.binary.is_some(), ports.bits.is_some())?;
        let field = ports.online.field;
        let binary = BinaryField::new(program.machine().gf2n).unwrap_or_else(default_binary);
        let words: Vec<String> =
            program.program().public_input().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let start = ports.online.party.traffic();
        let checks_before = checks(&ports);
        let mut machine = Self {
            program,
            code: Arc::new(code::compile(program.program())),
            limits,
            place: Place { tape: 0, pc: 0, thread: 0, argument: 0 },
            banks: Banks::new(&field, &binary, program.registers(0)),
            memory: Banks::new(&field, &binary, program.memory()),
            waiting: Vec::new(),
            threads: BTreeMap::new(),
            frame_bytes: 0,
            binary,
            binary_key: ports.binary.as_ref().map_or_else(no_key, |side| side.mac.key().clone()),
            bit_field: mac_field(),
            bit_key: ports.bits.as_ref().map_or_else(no_key, |side| side.mac.key().clone()),
            unchecked: false,
            pending: print::Pending::new(limits.printed_bytes_max),
            integers: Vec::new(),
            public_rng: None,
            public_input: words.into_iter(),
            shuffles: Vec::new(),
            steps: 0,
            start,
            checks_before,
            ports,
        };
        machine.reserve(0).map_err(VmError::End)?;
        Ok(machine)
    }

    async fn run(&mut self) -> Result<(), VmError> {
        let code = Arc::clone(&self.code);
        loop {
            let tape = &code[self.place.tape];
            let pc = self.place.pc;
            let Some(&op) = tape.ops.get(pc) else {
                if self.leave_tape() {
                    continue;
                }
                return self.settle().await.map_err(VmError::End);
            };
            self.place.pc += 1;
            let args = tape.args(&op);
            let place = |fault| VmError::At { tape: tape.name.clone(), pc, opcode: op.opcode, fault };
            self.count(&op).map_err(place)?;
            if !self.local(op, args).map_err(place)? {
                self.interactive(op, args, tape).await.map_err(place)?;
                self.after_interaction().await.map_err(place)?;
            }
        }
    }

    fn count(&mut self, op: &code::Op) -> Step {
        self.steps += u64::from(op.size);
        if self.steps > self.limits.steps_max {
            return Err(Fault::Limit { what: "steps", max: self.limits.steps_max });
        }
        Ok(())
    }

    async fn after_interaction(&mut self) -> Step {
        if self.statistics().rounds > self.limits.rounds_max {
            return Err(Fault::Limit { what: "rounds", max: self.limits.rounds_max });
        }
        let openings = self.ports.online.mac.pending()
            + self.ports.binary.as_ref().map_or(0, |side| side.mac.pending())
            + self.ports.bits.as_ref().map_or(0, |side| side.mac.pending());
        if self.pending.len() > HELD_BYTES_MAX || openings > PENDING_OPENINGS_MAX {
            self.settle().await?;
        }
        Ok(())
    }

    /// Checks everything opened so far, and releases the text that waited for it.
    async fn settle(&mut self) -> Step {
        self.ports.online.check().await?;
        let party = &mut self.ports.online.party;
        if let Some(side) = self.ports.binary.as_deref_mut() {
            side.mac.check(party).await?;
        }
        if let Some(side) = self.ports.bits.as_deref_mut() {
            side.mac.check(party).await?;
        }
        self.unchecked = false;
        self.pending.release(self.ports.printer);
        Ok(())
    }

    /// Makes sure that control flow depends on checked values only.
    async fn settle_control(&mut self) -> Step {
        if self.unchecked { self.settle().await } else { Ok(()) }
    }

    fn statistics(&self) -> Statistics {
        let now = self.ports.online.party.traffic();
        Statistics {
            steps: self.steps,
            rounds: now.rounds - self.start.rounds,
            checks: checks(&self.ports) - self.checks_before,
            bytes_sent: now.bytes_sent - self.start.bytes_sent,
        }
    }

    /// Counts the frame of a tape against the limit.
    fn reserve(&mut self, tape: usize) -> Step {
        self.frame_bytes = self.frame_bytes.saturating_add(frame_bytes(self.program.registers(tape)));
        if self.frame_bytes > self.limits.frame_bytes_max {
            return Err(Fault::Limit { what: "bytes of call frames", max: self.limits.frame_bytes_max });
        }
        Ok(())
    }

    fn new_banks(&self, tape: usize) -> Banks {
        Banks::new(&self.ports.online.field, &self.binary, self.program.registers(tape))
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
        self.frame_bytes = self.frame_bytes.saturating_sub(frame_bytes(self.program.registers(finished)));
        let code = Arc::clone(&self.code);
        let tape = &code[place.tape];
        let args = tape.args(&tape.ops[place.pc - 1]);
        for argument in args[2..].chunks_exact(5).filter(|argument| argument[0] == 1) {
            let (bank, count, to, from) = parse_argument(argument);
            self.banks.copy(bank, to, &callee, from, count);
        }
    }

    /// `run_tape`: each group runs on its thread, one after the other, before this thread continues.
    fn start_threads(&mut self, args: &[i64]) -> Step {
        let busy = |machine: &Self, thread: u32| {
            machine.place.thread == thread
                || machine.waiting.iter().any(|waiting| match waiting {
                    Waiting::Caller { place, .. } | Waiting::Starter { place, .. } => place.thread == thread,
                    Waiting::Start(_) => false,
                })
        };
        for group in args.chunks_exact(3) {
            let thread = group[0] as u32;
            if busy(self, thread) {
                return Err(Fault::ThreadBusy(thread));
            }
            if !self.threads.contains_key(&thread) {
                self.reserve(group[1] as usize)?;
            }
        }
        let banks =
            std::mem::replace(&mut self.banks, Banks::new(&self.ports.online.field, &self.binary, &PerBank::default()));
        self.waiting.push(Waiting::Starter { place: self.place, banks });
        for group in args.chunks_exact(3).rev() {
            let place = Place { tape: group[1] as usize, pc: 0, thread: group[0] as u32, argument: group[2] };
            self.waiting.push(Waiting::Start(place));
        }
        self.next_waiting();
        Ok(())
    }

    /// The tape has ended: goes on with what waits. False at the end of the program.
    fn leave_tape(&mut self) -> bool {
        if let Some(Waiting::Starter { .. } | Waiting::Start(_)) = self.waiting.last() {
            // A thread keeps its registers from one tape to the next.
            let empty = Banks::new(&self.ports.online.field, &self.binary, &PerBank::default());
            let banks = std::mem::replace(&mut self.banks, empty);
            self.threads.insert(self.place.thread, banks);
        }
        self.next_waiting()
    }

    fn next_waiting(&mut self) -> bool {
        match self.waiting.pop() {
            None => return false,
            Some(Waiting::Caller { place, banks }) => self.return_to(place, banks),
            Some(Waiting::Starter { place, banks }) => (self.place, self.banks) = (place, banks),
            Some(Waiting::Start(place)) => {
                let sizes = self.program.registers(place.tape);
                let mut banks = self.threads.remove(&place.thread).unwrap_or_else(|| self.new_banks(place.tape));
                banks.grow(&self.ports.online.field, &self.binary, sizes);
                (self.place, self.banks) = (place, banks);
            }
        }
        true
    }

    /// Jumps `distance` instructions from the one after the jump.
    fn jump(&mut self, distance: i64) -> Step {
        let target = self.place.pc as i128 + i128::from(distance);
        let length = self.code[self.place.tape].ops.len();
        self.place.pc = usize::try_from(target).ok().filter(|&pc| pc <= length).ok_or(Fault::Jump(target))?;
        Ok(())
    }
}

/// (bank, count, destination, source) of a call argument, in the frames that its direction says.
fn parse_argument(argument: &[i64]) -> (Bank, usize, usize, usize) {
    let bank = Bank::from_call_number(argument[1] as i32).expect("the verifier checks the banks of call arguments");
    (bank, argument[2] as usize, argument[3] as usize, argument[4] as usize)
}

/// MAC checks so far, over all fields.
fn checks(ports: &Ports<'_>) -> u64 {
    let binary = ports.binary.as_ref().map_or(0, |side| side.mac.checks());
    let bits = ports.bits.as_ref().map_or(0, |side| side.mac.checks());
    ports.online.mac.checks() + binary + bits
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

//! What a program will take, found by walking through it without a party.
//!
//! A program decides what to do next by clear integers, and most of these never depend on a secret: counters, addresses,
//! arguments. The walk computes those, and knows of every other integer only that it is unknown. As long as no jump
//! depends on an unknown one, the instructions that run, and what they take, are known for any number of parties, exactly:
//! also where a compiler gives up counting (shuffles, loops that it does not unroll). What threads take that run beside
//! their starter is what their tapes declare, since that is set apart for them ([`super::threads`]).

use super::code::{Op, Tape};
use super::image::Image;
use super::{integer, twin};
use crate::field::BinaryField;
use polyyne_bytecode::{Access, Amount, Bank, Bill, Item, Opcode, TupleDomain, Verified, is_interactive, spans};
use std::collections::BTreeMap;
use thiserror::Error;

/// What a run will take. [`Item::Matmul`] counts the products of matrices over the prime field for which matrix triples
/// may serve: all but those of threads that run beside their starter. Their multiplications are among the triples too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    pub bill: Bill,
    /// Instructions that exchange messages; MAC checks and the layers of a shuffle come on top.
    pub rounds: u64,
}

/// Why nobody knows before the run.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Unforeseen {
    #[error("tape {tape:?}, instruction {pc} ({opcode}): what it does depends on a value that only a run will show")]
    Value { tape: String, pc: usize, opcode: Opcode },
    #[error("tape {tape:?}, instruction {pc} ({opcode}): it fails")]
    Fails { tape: String, pc: usize, opcode: Opcode },
    #[error("it runs for more than {0} steps")]
    Long(u64),
}

/// Walks through a program whose threads 1 to `threads_max` may run beside their starter, for at most `steps_max` steps.
///
/// # Errors
/// [`Unforeseen`] names the first instruction whose effect is unknown.
pub fn forecast(program: &Verified, threads_max: u32, steps_max: u64) -> Result<Forecast, Unforeseen> {
    let binary = BinaryField::new(128).expect("128 is a supported degree");
    let image = Image::new(program, binary);
    let touched = program.program().tapes().iter().map(touches).collect();
    let memory = program.memory()[Bank::Regint.index()];
    let mut walk = Walk {
        image: &image,
        touched,
        declared: (0..image.tapes.len()).map(|tape| Bill::of_tape(program.program(), tape)).collect(),
        parties: program.machine().parties as u64,
        threads_max,
        stack: vec![Frame::new(0, 0, Some(0), Role::Main, true)],
        resting: BTreeMap::new(),
        memory: Memory { size: memory, cells: BTreeMap::new(), lost: false },
        pushed: Vec::new(),
        costs: BTreeMap::new(),
        switches: BTreeMap::new(),
        rounds: 0,
        steps_left: steps_max,
    };
    walk.run().map_err(|stop| stop.unwrap_or(Unforeseen::Long(steps_max)))?;
    Ok(Forecast { bill: Bill::exactly(walk.costs), rounds: walk.rounds })
}

/// Integer registers that an instruction reads and writes.
struct Touched {
    reads: Vec<(usize, usize)>,
    writes: Vec<(usize, usize)>,
}

fn touches(tape: &polyyne_bytecode::Tape) -> Vec<Touched> {
    let one = |instruction| {
        let runs = |access: Access| {
            let all = spans(instruction).into_iter();
            let own = all.filter(|span| span.bank == Bank::Regint && span.access == access);
            own.map(|span| (span.first as usize, span.count as usize)).collect()
        };
        Touched { reads: runs(Access::Read), writes: runs(Access::Write) }
    };
    tape.instructions.iter().map(one).collect()
}

/// The integer memory: what is not listed is zero, or unknown once a store has gone to an unknown address.
struct Memory {
    size: u64,
    cells: BTreeMap<usize, Option<i64>>,
    lost: bool,
}

impl Memory {
    fn get(&self, at: i64) -> Option<i64> {
        let known = usize::try_from(at).ok().and_then(|at| self.cells.get(&at));
        known.copied().unwrap_or(if self.lost { None } else { Some(0) })
    }

    fn set(&mut self, at: Option<i64>, value: Option<i64>) {
        match at.and_then(|at| usize::try_from(at).ok()) {
            Some(at) if (at as u64) < self.size => drop(self.cells.insert(at, value)),
            _ => {
                self.cells.clear();
                self.lost = true;
            }
        }
    }
}

/// How a frame came to be, and what happens at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    /// The results go to the frame beneath, which is behind its `call_tape`.
    Call,
    /// The registers are kept for the thread's next tape.
    Thread,
}

struct Frame {
    tape: usize,
    pc: usize,
    thread: u32,
    argument: Option<i64>,
    role: Role,
    /// Whether what it takes is counted here; a thread's that runs beside its starter is counted when it starts.
    counted: bool,
    ints: Integers,
}

/// Registers, empty until the frame is entered.
#[derive(Default)]
struct Integers {
    values: Vec<i64>,
    known: Vec<bool>,
}

impl Integers {
    /// Zeros at first.
    fn grow(&mut self, size: usize) {
        if self.values.len() < size {
            self.values.resize(size, 0);
            self.known.resize(size, true);
        }
    }

    fn get(&self, at: usize) -> Option<i64> {
        self.known[at].then(|| self.values[at])
    }

    fn set(&mut self, at: usize, value: Option<i64>) {
        self.known[at] = value.is_some();
        self.values[at] = value.unwrap_or(0);
    }

    fn all_known(&self, runs: &[(usize, usize)]) -> bool {
        runs.iter().all(|&(first, count)| self.known[first..first + count].iter().all(|&known| known))
    }

    fn fill(&mut self, runs: &[(usize, usize)], value: Option<i64>) {
        runs.iter().for_each(|&(first, count)| (first..first + count).for_each(|at| self.set(at, value)));
    }

    fn copy(&mut self, to: usize, source: &Self, from: usize, count: usize) {
        self.values[to..to + count].copy_from_slice(&source.values[from..from + count]);
        self.known[to..to + count].copy_from_slice(&source.known[from..from + count]);
    }
}

impl Frame {
    fn new(tape: usize, thread: u32, argument: Option<i64>, role: Role, counted: bool) -> Self {
        Self { tape, pc: 0, thread, argument, role, counted, ints: Integers::default() }
    }
}

struct Walk<'a> {
    image: &'a Image,
    touched: Vec<Vec<Touched>>,
    declared: Vec<Bill>,
    parties: u64,
    threads_max: u32,
    stack: Vec<Frame>,
    resting: BTreeMap<u32, Integers>,
    memory: Memory,
    pushed: Vec<Option<i64>>,
    costs: BTreeMap<Item, u64>,
    switches: BTreeMap<u64, u64>,
    rounds: u64,
    steps_left: u64,
}

/// Why the walk stops; `None` if it was too long.
type Stop = Option<Unforeseen>;

/// Frames that may wait on each other.
const DEPTH_MAX: usize = 4096;

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let image = self.image;
        while let Some(mut frame) = self.stack.pop() {
            self.enter(&mut frame);
            let tape = &image.tapes[frame.tape];
            let Some(&op) = tape.ops.get(frame.pc) else {
                self.leave(frame);
                continue;
            };
            let args = tape.args(&op);
            self.spend(u64::from(op.size))?;
            let pc = frame.pc;
            frame.pc += 1;
            if is_interactive(op.opcode) {
                self.rounds += 1;
            }
            if frame.counted {
                self.consume(op, args).ok_or_else(|| unknown(tape, pc, op))?;
            }
            match op.opcode {
                Opcode::CallTape => self.call(frame, args)?,
                Opcode::RunTape => self.start(frame, args)?,
                _ => {
                    self.step(&mut frame, tape, pc, op, args)?;
                    self.stack.push(frame);
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps_left = self.steps_left.checked_sub(steps.max(1)).ok_or(None)?;
        Ok(())
    }

    /// A frame's registers, as its thread left them.
    fn enter(&mut self, frame: &mut Frame) {
        let size = self.image.registers(frame.tape)[Bank::Regint.index()] as usize;
        if frame.pc == 0
            && frame.role == Role::Thread
            && let Some(rested) = self.resting.remove(&frame.thread)
        {
            frame.ints = rested;
        }
        frame.ints.grow(size);
    }

    fn leave(&mut self, frame: Frame) {
        match frame.role {
            Role::Main => {}
            Role::Thread => drop(self.resting.insert(frame.thread, frame.ints)),
            Role::Call => {
                let Some(caller) = self.stack.last_mut() else { return };
                let tape = &self.image.tapes[caller.tape];
                let args = tape.args(&tape.ops[caller.pc - 1]);
                for argument in args[2..].chunks_exact(5).filter(|argument| (argument[0], argument[1]) == (1, 0)) {
                    let [count, to, from] = [2, 3, 4].map(|k| argument[k] as usize);
                    caller.ints.copy(to, &frame.ints, from, count);
                }
            }
        }
    }

    fn call(&mut self, frame: Frame, args: &[i64]) -> Result<(), Stop> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(None);
        }
        let tape = args[0] as usize;
        let mut callee = Frame::new(tape, frame.thread, frame.ints.get(args[1] as usize), Role::Call, frame.counted);
        callee.ints.grow(self.image.registers(tape)[Bank::Regint.index()] as usize);
        for argument in args[2..].chunks_exact(5).filter(|argument| (argument[0], argument[1]) == (0, 0)) {
            let [count, to, from] = [2, 3, 4].map(|k| argument[k] as usize);
            callee.ints.copy(to, &frame.ints, from, count);
        }
        self.spend(callee.ints.values.len() as u64)?;
        self.stack.push(frame);
        self.stack.push(callee);
        Ok(())
    }

    fn start(&mut self, frame: Frame, args: &[i64]) -> Result<(), Stop> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(None);
        }
        let counted = frame.counted;
        self.stack.push(frame);
        for group in args.chunks_exact(3).rev() {
            let (thread, tape) = (group[0] as u32, group[1] as usize);
            let beside = counted && thread <= self.threads_max && self.image.beside(tape).is_some();
            if beside {
                for (item, amount) in self.declared[tape].clone().items() {
                    match (item, amount) {
                        // no matrix triples are set apart for threads
                        (Item::Matmul { .. }, _) | (_, Amount::Unknown) => {}
                        (_, Amount::Exactly(count)) => self.cost(item, count),
                    }
                }
            }
            self.stack.push(Frame::new(tape, thread, Some(group[2]), Role::Thread, counted && !beside));
        }
        Ok(())
    }

    /// What an instruction does to integers and to the place in the tape.
    fn step(&mut self, frame: &mut Frame, tape: &Tape, pc: usize, op: Op, args: &[i64]) -> Result<(), Stop> {
        let at = |k: usize| args[k] as usize;
        let size = op.size as usize;
        let touched = &self.touched[frame.tape][pc];
        match op.opcode {
            Opcode::Jmp => jump(frame, tape, pc, op, args[0])?,
            Opcode::Jmpnz | Opcode::Jmpeqz => {
                let value = frame.ints.get(at(0)).ok_or_else(|| unknown(tape, pc, op))?;
                if (value != 0) == (op.opcode == Opcode::Jmpnz) {
                    jump(frame, tape, pc, op, args[1])?;
                }
            }
            Opcode::Jmpi => {
                let distance = frame.ints.get(at(0)).ok_or_else(|| unknown(tape, pc, op))?;
                jump(frame, tape, pc, op, distance)?;
            }
            Opcode::Crash if frame.ints.get(at(0)).is_some_and(|value| value != 0) => return Err(fails(tape, pc, op)),
            Opcode::Ldmint => {
                for i in 0..size {
                    frame.ints.set(at(0) + i, self.memory.get(args[1] + i as i64));
                }
            }
            Opcode::Stmint => {
                (0..size).for_each(|i| self.memory.set(Some(args[1] + i as i64), frame.ints.get(at(0) + i)))
            }
            Opcode::Ldminti => {
                for i in 0..size {
                    let value = frame.ints.get(at(1) + i).and_then(|address| self.memory.get(address));
                    frame.ints.set(at(0) + i, value);
                }
            }
            Opcode::Stminti => {
                (0..size).for_each(|i| self.memory.set(frame.ints.get(at(1) + i), frame.ints.get(at(0) + i)));
            }
            Opcode::Pushint => self.pushed.push(frame.ints.get(at(0))),
            Opcode::Popint => frame.ints.set(at(0), self.pushed.pop().ok_or_else(|| fails(tape, pc, op))?),
            Opcode::Starg => frame.argument = frame.ints.get(at(0)),
            Opcode::Ldarg => {
                let argument = frame.argument;
                frame.ints.fill(&touched.writes, argument);
            }
            Opcode::Ldtn => {
                let thread = frame.thread.into();
                frame.ints.fill(&touched.writes, Some(thread));
            }
            Opcode::Nplayers => frame.ints.fill(&touched.writes, Some(self.parties as i64)),
            Opcode::Threshold => frame.ints.fill(&touched.writes, Some(self.parties as i64 - 1)),
            // A handle: that it is known decides nothing, what it names is in other operands.
            _ => compute(frame, touched, op, args).ok_or_else(|| fails(tape, pc, op))?,
        }
        Ok(())
    }

    fn cost(&mut self, item: Item, count: u64) {
        if count > 0 {
            let total = self.costs.entry(item).or_default();
            *total = total.saturating_add(count);
        }
    }

    /// Counts what an instruction takes; `None` if that depends on a register.
    fn consume(&mut self, op: Op, args: &[i64]) -> Option<()> {
        use TupleDomain::{Bits, Gf2n, Prime};
        let general = twin(op.opcode).unwrap_or(op.opcode);
        let domain = if general == op.opcode { Prime } else { Gf2n };
        let size = u64::from(op.size);
        let number = |at: usize| args[at] as u64;
        let groups = |length: usize| args.chunks_exact(length);
        let first = |length: usize| groups(length).map(|group| group[0] as u64).sum::<u64>();
        match general {
            Opcode::Muls | Opcode::Mulrs => self.cost(Item::Triple(domain), first(4)),
            Opcode::Dotprods => {
                let pairs: u64 = parts(args).map(|group| (group.len() as u64 - 2) / 2).sum();
                self.cost(Item::Triple(domain), pairs * size);
            }
            Opcode::Matmuls => self.matrices(domain, groups(6)),
            Opcode::Matmulsm => self.matrices(domain, groups(12)),
            Opcode::Conv2ds => groups(15).for_each(|group| self.cost(Item::Triple(domain), convolution(group))),
            Opcode::Triple => self.cost(Item::Triple(domain), size),
            Opcode::Square => self.cost(Item::Square(domain), size),
            Opcode::Inverse => self.cost(Item::Inverse(domain), size),
            Opcode::Bit => self.cost(Item::Bit(domain), size),
            Opcode::Randomfulls => self.cost(Item::Random(domain), size),
            Opcode::Inputmask => self.cost(Item::Input(domain, args[2] as u32), size),
            Opcode::Input => groups(2).for_each(|group| self.cost(Item::Input(domain, group[1] as u32), size)),
            Opcode::Rawinput => groups(2).for_each(|group| self.cost(Item::Input(domain, group[0] as u32), size)),
            Opcode::Inputfix => groups(3).for_each(|group| self.cost(Item::Input(domain, group[2] as u32), size)),
            Opcode::Inputfloat => groups(6).for_each(|group| self.cost(Item::Input(domain, group[5] as u32), 4 * size)),
            Opcode::Inputmixed => self.mixed(args, size),
            Opcode::Inputmixedreg | Opcode::Inputmaskreg => return None,
            Opcode::Inputpersonal | Opcode::Privateoutput => {
                groups(4).for_each(|group| self.cost(Item::Input(domain, group[1] as u32), group[0] as u64));
            }
            Opcode::Gensecshuffle => self.new_shuffle(domain, number(1)),
            Opcode::Applyshuffle => groups(6).for_each(|group| {
                let unit = group[3] as u64;
                self.pass(domain, group[0] as u64 / unit, unit);
            }),
            Opcode::Secshuffle => {
                let unit = number(2);
                self.new_shuffle(domain, size / unit);
                self.pass(domain, size / unit, unit);
            }
            Opcode::Ands | Opcode::Andrs => self.cost(Item::Triple(Bits), first(4)),
            Opcode::Andrsvec => {
                for group in parts(args) {
                    self.cost(Item::Triple(Bits), group[1] as u64 * ((group.len() as u64 - 3) / 2));
                }
            }
            Opcode::Bitb => self.cost(Item::Bit(Bits), 1),
            Opcode::Inputb => {
                groups(4).for_each(|group| self.cost(Item::Input(Bits, group[0] as u32), group[1] as u64))
            }
            Opcode::Inputbvec => {
                for group in parts(args) {
                    self.cost(Item::Input(Bits, group[2] as u32), group.len() as u64 - 3);
                }
            }
            Opcode::Dabit => self.cost(Item::DaBit, size),
            Opcode::Edabit | Opcode::Sedabit => {
                let strict = general == Opcode::Sedabit;
                self.cost(Item::EdaBit { strict, bits: args.len() as u32 - 1 }, size);
            }
            _ => {}
        }
        Some(())
    }

    fn matrices<'a>(&mut self, domain: TupleDomain, groups: impl Iterator<Item = &'a [i64]>) {
        for group in groups {
            let [rows, inner, columns] = [3, 4, 5].map(|k| group[k] as u32);
            let products = [rows, inner, columns].into_iter().fold(1, |all, k| u64::saturating_mul(all, k.into()));
            self.cost(Item::Triple(domain), products);
            if domain == TupleDomain::Prime {
                self.cost(Item::Matmul { rows, inner, columns }, 1);
            }
        }
    }

    fn mixed(&mut self, args: &[i64], size: u64) {
        let mut rest = args;
        while let Some(&kind) = rest.first() {
            let (results, parameters) = [(1, 0), (1, 1), (4, 1)][kind as usize];
            let (group, after) = rest.split_at(1 + results + parameters + 1);
            let player = group[group.len() - 1] as u32;
            self.cost(Item::Input(TupleDomain::Prime, player), results as u64 * size);
            rest = after;
        }
    }

    /// Every party inputs its switches; each is shown to be a bit.
    fn new_shuffle(&mut self, domain: TupleDomain, blocks: u64) {
        let switches = self.switches(blocks);
        for player in 0..self.parties {
            self.cost(Item::Input(domain, player as u32), switches);
        }
        self.cost(Item::Triple(domain), switches * self.parties);
    }

    fn pass(&mut self, domain: TupleDomain, blocks: u64, unit: u64) {
        let switches = self.switches(blocks);
        self.cost(Item::Triple(domain), switches.saturating_mul(unit).saturating_mul(self.parties));
    }

    /// Switches of a permutation network; see [`super::permutation`].
    fn switches(&mut self, wires: u64) -> u64 {
        if wires < 3 {
            return wires.saturating_sub(1);
        }
        if let Some(&known) = self.switches.get(&wires) {
            return known;
        }
        let total = wires / 2 * 2 + self.switches(wires / 2) + self.switches(wires.div_ceil(2));
        self.switches.insert(wires, total);
        total
    }
}

fn unknown(tape: &Tape, pc: usize, op: Op) -> Stop {
    Some(Unforeseen::Value { tape: tape.name.clone(), pc, opcode: op.opcode })
}

fn fails(tape: &Tape, pc: usize, op: Op) -> Stop {
    Some(Unforeseen::Fails { tape: tape.name.clone(), pc, opcode: op.opcode })
}

fn jump(frame: &mut Frame, tape: &Tape, pc: usize, op: Op, distance: i64) -> Result<(), Stop> {
    let target = frame.pc as i128 + i128::from(distance);
    let inside = usize::try_from(target).ok().filter(|&target| target <= tape.ops.len());
    frame.pc = inside.ok_or_else(|| fails(tape, pc, op))?;
    Ok(())
}

/// Computes with integers that are all known; otherwise what is written becomes unknown. `None` if it fails.
fn compute(frame: &mut Frame, touched: &Touched, op: Op, args: &[i64]) -> Option<()> {
    if touched.writes.is_empty() {
        return Some(());
    }
    let computed = frame.ints.all_known(&touched.reads)
        && integer::run(&mut frame.ints.values, op.opcode, op.size as usize, args).ok()?;
    for &(first, count) in &touched.writes {
        frame.ints.known[first..first + count].fill(computed);
    }
    Some(())
}

/// Groups that begin with their length.
fn parts(args: &[i64]) -> impl Iterator<Item = &[i64]> {
    let mut rest = args;
    std::iter::from_fn(move || {
        let length = *rest.first()? as usize;
        let (group, after) = rest.split_at(length);
        rest = after;
        Some(group)
    })
}

/// The products of a convolution: positions of the filter that are inside the input, for each output.
fn convolution(group: &[i64]) -> u64 {
    let [oh, ow, ih, iw, wh, ww, sh, sw, channels, ph, pw, batch]: [i64; 12] =
        group[3..].try_into().expect("a group has 15 operands");
    let axis = |outputs: i64, inputs: i64, filter: i64, stride: i64, padding: i64| -> u64 {
        let (stride, dilation) = if stride < 0 { (1, -stride) } else { (stride, 1) };
        let inside =
            |y: i64| (0..filter).filter(|f| (0..inputs).contains(&(y * stride - padding + f * dilation))).count();
        (0..outputs).map(|y| inside(y) as u64).sum()
    };
    let (rows, columns) = (axis(oh, ih, wh, sh, ph), axis(ow, iw, ww, sw, pw));
    [rows, columns, channels as u64, batch as u64].into_iter().fold(1, u64::saturating_mul)
}

//! Verification: everything about a program that can be bounded before a tuple is spent.
//!
//! A [`Verified`] program has no refused instruction, stays inside the register banks and memories that it declares here,
//! jumps inside its tapes, calls tapes that exist with arguments that fit, and wants a machine like the one at hand.
//! What depends on run-time values (indirect addresses, `jmpi`, recursion, loops) is left to the machine's own limits.

use crate::cost::Bill;
use crate::extent::{call_arguments, lanes, spans};
use crate::instruction::Instruction;
use crate::opcode::{Bank, Kind, Opcode};
use crate::program::{Program, Tape};
use crate::refused::refused;
use crate::schedule::Domain;

/// One number for each bank, in the order of [`Bank::ALL`].
pub type PerBank = [u64; 7];

/// Bytes that an element of each bank takes in a register or memory.
pub const ELEMENT_BYTES: PerBank = [32, 16, 8, 32, 16, 2048, 8];

/// What the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The prime.
    pub prime: u128,
    /// Number of parties.
    pub parties: usize,
    /// Degree of GF(2^n), 0 if the machine has no such field.
    pub gf2n: u32,
}

/// Bounds on what a program may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the register banks of one tape.
    pub frame_bytes_max: u64,
    /// Bytes of all memories.
    pub memory_bytes_max: u64,
    /// VM threads.
    pub threads_max: u32,
    /// Elements, products or bits that one instruction may work on.
    pub elements_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame_bytes_max: 1 << 29, memory_bytes_max: 1 << 30, threads_max: 64, elements_max: 1 << 26 }
    }
}

/// Why a program is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// One instruction is wrong.
    #[error("tape {tape:?}, instruction {instruction} ({opcode}): {fault}")]
    Instruction {
        /// Name of the tape.
        tape: String,
        /// Index of the instruction.
        instruction: usize,
        /// Its opcode.
        opcode: Opcode,
        /// What is wrong.
        fault: Fault,
    },
    /// The program is for a ring.
    #[error("the program was compiled for a ring (modulo 2^{0}), this machine computes in a prime field")]
    Ring(u32),
    /// The program is for another prime.
    #[error("the program was compiled for the prime {wanted}, this machine has {prime}")]
    OtherPrime {
        /// The program's.
        wanted: String,
        /// The machine's.
        prime: u128,
    },
    /// The program wants a larger prime.
    #[error("the program needs a prime of at least {wanted} bits, this machine's has {bits}")]
    SmallPrime {
        /// Bits wanted.
        wanted: u32,
        /// Bits of the machine's prime.
        bits: u32,
    },
    /// The program wants another GF(2^n).
    #[error("the program needs GF(2^{wanted}), this machine has GF(2^{degree})")]
    OtherGf2n {
        /// Degree wanted.
        wanted: u32,
        /// The machine's degree, 0 for none.
        degree: u32,
    },
    /// Too many threads.
    #[error("the program wants {wanted} threads, {max} are allowed")]
    Threads {
        /// Wanted.
        wanted: u32,
        /// Allowed.
        max: u32,
    },
    /// A tape wants too many registers.
    #[error("the registers of tape {tape:?} take {bytes} bytes, {max} are allowed")]
    Registers {
        /// Name of the tape.
        tape: String,
        /// Wanted.
        bytes: u64,
        /// Allowed.
        max: u64,
    },
    /// The program wants too much memory.
    #[error("the program's memories take {bytes} bytes, {max} are allowed")]
    Memory {
        /// Wanted.
        bytes: u64,
        /// Allowed.
        max: u64,
    },
}

/// What can be wrong with one instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not for this kind of machine.
    #[error("this machine does not run it: {0}")]
    Refused(&'static str),
    /// The program says that it is not meant for malicious security.
    #[error("the program is marked as unfit for protocols with malicious security")]
    NotActive,
    /// The program wants a larger prime or a ring.
    #[error("it needs a prime of at least {0} bits (negative: a ring)")]
    Domain(i64),
    /// The program wants a larger GF(2^n).
    #[error("it needs GF(2^n) of degree {0}")]
    Gf2n(i64),
    /// A jump leaves the tape.
    #[error("it jumps to {0}, outside the tape")]
    Jump(i128),
    /// An address is negative.
    #[error("the address {0} is negative")]
    Address(i64),
    /// A length, shape or count is impossible.
    #[error("operand {at} is {value}, which is impossible")]
    Operand {
        /// Position.
        at: usize,
        /// Value.
        value: i64,
    },
    /// There is no such player.
    #[error("there is no party {0}")]
    Player(i64),
    /// There is no such tape.
    #[error("there is no tape {0}")]
    Tape(i64),
    /// There is no such thread.
    #[error("there is no thread {0}")]
    Thread(i64),
    /// The arguments of a call are malformed.
    #[error("the arguments of the call are malformed")]
    CallArguments,
    /// A register run is impossible.
    #[error("it touches registers {first} to {first} + {count} of bank {bank:?}, which is impossible")]
    Span {
        /// The bank.
        bank: Bank,
        /// First register.
        first: i128,
        /// How many.
        count: i128,
    },
    /// More work in one instruction than allowed.
    #[error("it works on {elements} elements at once, {max} are allowed")]
    TooLarge {
        /// How many.
        elements: i128,
        /// Allowed.
        max: u64,
    },
}

/// A program that may be run on a machine like the one it was verified for.
#[derive(Clone, Debug)]
pub struct Verified {
    program: Program,
    machine: Machine,
    registers: Vec<PerBank>,
    memory: PerBank,
    bill: Bill,
}

impl Verified {
    /// The program.
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// The machine that it was verified for.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Registers in each bank of a frame of tape `tape`, the arguments that callers give it included.
    pub fn registers(&self, tape: usize) -> &PerBank {
        &self.registers[tape]
    }

    /// Elements in each memory.
    pub const fn memory(&self) -> &PerBank {
        &self.memory
    }

    /// Tuples that the program says it needs.
    pub const fn bill(&self) -> &Bill {
        &self.bill
    }
}

/// Verifies a program for a machine.
///
/// # Errors
/// [`VerifyError`] names the first thing that is wrong.
pub fn verify(program: Program, machine: &Machine, limits: &Limits) -> Result<Verified, VerifyError> {
    check_domain(program.schedule().domain.clone(), machine)?;
    let schedule = program.schedule();
    if schedule.gf2n != 0 && schedule.gf2n != machine.gf2n {
        return Err(VerifyError::OtherGf2n { wanted: schedule.gf2n, degree: machine.gf2n });
    }
    if schedule.threads > limits.threads_max {
        return Err(VerifyError::Threads { wanted: schedule.threads, max: limits.threads_max });
    }
    let mut sizes = Sizes { registers: vec![PerBank::default(); program.tapes().len()], memory: PerBank::default() };
    for (index, tape) in program.tapes().iter().enumerate() {
        check_tape(&program, index, tape, machine, limits, &mut sizes)?;
    }
    for (tape, registers) in program.tapes().iter().zip(&sizes.registers) {
        let bytes = bytes(registers);
        if bytes > limits.frame_bytes_max {
            return Err(VerifyError::Registers { tape: tape.name.clone(), bytes, max: limits.frame_bytes_max });
        }
    }
    let memory_bytes = bytes(&sizes.memory);
    if memory_bytes > limits.memory_bytes_max {
        return Err(VerifyError::Memory { bytes: memory_bytes, max: limits.memory_bytes_max });
    }
    let bill = Bill::of(&program);
    let Sizes { registers, memory } = sizes;
    Ok(Verified { program, machine: *machine, registers, memory, bill })
}

struct Sizes {
    registers: Vec<PerBank>,
    memory: PerBank,
}

impl Sizes {
    fn need_registers(&mut self, tape: usize, bank: Bank, first: i128, count: i128) -> Result<(), Fault> {
        let end = (0 <= first && 0 <= count).then(|| first + count).and_then(|end| u64::try_from(end).ok());
        let end = end.ok_or(Fault::Span { bank, first, count })?;
        // An empty run counts too: where it starts is a place in the bank.
        let need = &mut self.registers[tape][bank.index()];
        *need = (*need).max(end);
        Ok(())
    }
}

fn bytes(counts: &PerBank) -> u64 {
    counts.iter().zip(ELEMENT_BYTES).fold(0u64, |sum, (&count, each)| sum.saturating_add(count.saturating_mul(each)))
}

fn check_domain(domain: Domain, machine: &Machine) -> Result<(), VerifyError> {
    match domain {
        Domain::Ring(bits) => Err(VerifyError::Ring(bits)),
        Domain::Prime(wanted) if wanted != machine.prime.to_string() => {
            Err(VerifyError::OtherPrime { wanted, prime: machine.prime })
        }
        Domain::PrimeBits(wanted) if wanted > bit_length(machine.prime) => {
            Err(VerifyError::SmallPrime { wanted, bits: bit_length(machine.prime) })
        }
        _ => Ok(()),
    }
}

const fn bit_length(prime: u128) -> u32 {
    u128::BITS - prime.leading_zeros()
}

fn check_tape(
    program: &Program,
    index: usize,
    tape: &Tape,
    machine: &Machine,
    limits: &Limits,
    sizes: &mut Sizes,
) -> Result<(), VerifyError> {
    for (at, instruction) in tape.instructions.iter().enumerate() {
        let place = Place { program, tape: index, at, length: tape.instructions.len() };
        check_instruction(&place, instruction, machine, limits, sizes).map_err(|fault| VerifyError::Instruction {
            tape: tape.name.clone(),
            instruction: at,
            opcode: instruction.opcode(),
            fault,
        })?;
    }
    Ok(())
}

/// Where an instruction stands.
struct Place<'a> {
    program: &'a Program,
    tape: usize,
    at: usize,
    length: usize,
}

fn check_instruction(
    place: &Place<'_>,
    instruction: &Instruction,
    machine: &Machine,
    limits: &Limits,
    sizes: &mut Sizes,
) -> Result<(), Fault> {
    let opcode = instruction.opcode();
    if let Some(reason) = refused(opcode) {
        return Err(Fault::Refused(reason));
    }
    check_players(instruction, machine)?;
    check_operands(instruction)?;
    check_control(place, instruction, machine)?;
    // The vector size counts even where no operand is as long: the machine keeps it in 32 bits.
    let elements = work(instruction).max(lanes(instruction).into());
    if elements > i128::from(limits.elements_max) {
        return Err(Fault::TooLarge { elements, max: limits.elements_max });
    }
    for span in spans(instruction) {
        if span.count > i128::from(limits.elements_max) {
            return Err(Fault::TooLarge { elements: span.count, max: limits.elements_max });
        }
        sizes.need_registers(place.tape, span.bank, span.first, span.count)?;
    }
    if opcode == Opcode::CallTape {
        let callee = tape_index(place.program, instruction.number(0))?;
        for argument in call_arguments(instruction).ok_or(Fault::CallArguments)? {
            sizes.need_registers(callee, argument.bank, argument.callee.into(), argument.count.into())?;
        }
    }
    need_memory(instruction, sizes)
}

fn need_memory(instruction: &Instruction, sizes: &mut Sizes) -> Result<(), Fault> {
    let bank = match instruction.opcode() {
        Opcode::Ldms | Opcode::Stms => Bank::Sint,
        Opcode::Ldmc | Opcode::Stmc => Bank::Cint,
        Opcode::Ldmint | Opcode::Stmint => Bank::Regint,
        Opcode::GLdms | Opcode::GStms => Bank::Sgf2n,
        Opcode::GLdmc | Opcode::GStmc => Bank::Cgf2n,
        Opcode::Ldmsb | Opcode::Stmsb => Bank::Sbits,
        Opcode::Ldmcb | Opcode::Stmcb => Bank::Cbits,
        _ => return Ok(()),
    };
    let address = instruction.number(1);
    let start = u64::try_from(address).map_err(|_| Fault::Address(address))?;
    let need = &mut sizes.memory[bank.index()];
    *need = (*need).max(start.saturating_add(instruction.size()));
    Ok(())
}

fn check_players(instruction: &Instruction, machine: &Machine) -> Result<(), Fault> {
    let everyone_allowed = matches!(instruction.opcode(), Opcode::Intoutput | Opcode::Floatoutput | Opcode::Fixinput);
    for (at, kind) in instruction.kinds().into_iter().enumerate() {
        let player = instruction.number(at);
        let exists = usize::try_from(player).is_ok_and(|player| player < machine.parties);
        if kind == Kind::Player && !exists && !(everyone_allowed && player == -1) {
            return Err(Fault::Player(player));
        }
    }
    Ok(())
}

fn check_control(place: &Place<'_>, instruction: &Instruction, machine: &Machine) -> Result<(), Fault> {
    let number = |at| instruction.number(at);
    match instruction.opcode() {
        Opcode::Jmp => check_jump(place, number(0)),
        Opcode::Jmpnz | Opcode::Jmpeqz => check_jump(place, number(1)),
        Opcode::CallTape => tape_index(place.program, number(0)).map(drop),
        Opcode::RunTape => instruction.operands().chunks_exact(3).try_for_each(|run| {
            check_thread(place, run[0].number())?;
            tape_index(place.program, run[1].number()).map(drop)
        }),
        Opcode::JoinTape => check_thread(place, number(0)),
        Opcode::Reqbl if number(0) > i64::from(bit_length(machine.prime)) || number(0) < 0 => {
            Err(Fault::Domain(number(0)))
        }
        Opcode::GReqbl if number(0) > i64::from(machine.gf2n) => Err(Fault::Gf2n(number(0))),
        Opcode::Active if number(0) == 0 => Err(Fault::NotActive),
        _ => Ok(()),
    }
}

fn check_jump(place: &Place<'_>, distance: i64) -> Result<(), Fault> {
    let target = place.at as i128 + 1 + i128::from(distance);
    if (0..=place.length as i128).contains(&target) { Ok(()) } else { Err(Fault::Jump(target)) }
}

fn tape_index(program: &Program, tape: i64) -> Result<usize, Fault> {
    usize::try_from(tape).ok().filter(|&tape| tape < program.tapes().len()).ok_or(Fault::Tape(tape))
}

/// Thread 0 is the main thread; it is never started or joined.
fn check_thread(place: &Place<'_>, thread: i64) -> Result<(), Fault> {
    let exists = u32::try_from(thread).is_ok_and(|thread| (1..place.program.schedule().threads).contains(&thread));
    if exists { Ok(()) } else { Err(Fault::Thread(thread)) }
}

/// Lengths, shapes and bit counts that no program can mean.
fn check_operands(instruction: &Instruction) -> Result<(), Fault> {
    let count = instruction.operands().len();
    let within = |at: usize, range: std::ops::RangeInclusive<i64>| {
        let value = instruction.number(at);
        if range.contains(&value) { Ok(()) } else { Err(Fault::Operand { at, value }) }
    };
    const ANY: i64 = i32::MAX as i64;
    match instruction.opcode() {
        Opcode::Muls
        | Opcode::GMuls
        | Opcode::Mulrs
        | Opcode::GMulrs
        | Opcode::Privateoutput
        | Opcode::Inputpersonal => (0..count).step_by(4).try_for_each(|at| within(at, 0..=ANY)),
        Opcode::Sendpersonal => (0..count).step_by(5).try_for_each(|at| within(at, 0..=ANY)),
        Opcode::Concats => (1..count).step_by(2).try_for_each(|at| within(at, 0..=ANY)),
        Opcode::Matmuls | Opcode::GMatmuls => {
            (0..count).step_by(6).try_for_each(|group| (3..6).try_for_each(|at| within(group + at, 0..=ANY)))
        }
        Opcode::Matmulsm | Opcode::GMatmulsm => {
            (0..count).step_by(12).try_for_each(|group| (3..6).try_for_each(|at| within(group + at, 0..=ANY)))
        }
        Opcode::Conv2ds => (0..count).step_by(15).try_for_each(|group| {
            (3..9).chain([11, 14]).try_for_each(|at| within(group + at, 0..=ANY))?;
            (9..11).try_for_each(|at| match instruction.number(group + at) {
                0 => Err(Fault::Operand { at: group + at, value: 0 }),
                _ => Ok(()),
            })
        }),
        Opcode::Applyshuffle => (0..count).step_by(6).try_for_each(|group| {
            within(group, 0..=ANY)?;
            within(group + 3, 1..=ANY)?;
            within(group + 5, 0..=1)?;
            divides(instruction.number(group), instruction.number(group + 3), group)
        }),
        Opcode::Secshuffle | Opcode::GSecshuffle => {
            within(2, 1..=ANY)?;
            divides(instruction.size() as i64, instruction.number(2), 2)
        }
        Opcode::Gensecshuffle => within(1, 0..=ANY),
        Opcode::Readsocketint | Opcode::Readsocketc | Opcode::Readsockets => within(1, 0..=ANY),
        Opcode::Writesocketint | Opcode::Writesocketc | Opcode::Writesockets | Opcode::Writesocketshare => {
            within(2, 0..=ANY)
        }
        Opcode::Convmodp => within(3, 0..=64),
        Opcode::Incint => {
            within(3, 1..=ANY)?;
            within(4, 1..=ANY)
        }
        Opcode::Digestc => within(2, 16..=64),
        Opcode::Notc => within(2, 0..=4096),
        Opcode::Inv2m | Opcode::Shlci | Opcode::GShlci | Opcode::GShrci | Opcode::Shrci => {
            within(if instruction.opcode() == Opcode::Inv2m { 1 } else { 2 }, 0..=ANY)
        }
        Opcode::Bitdecint if count > 65 => Err(Fault::Operand { at: 65, value: instruction.number(65) }),
        Opcode::GBitdec | Opcode::GBitcom => within(1, 0..=128),
        Opcode::PrintFloatPrec => within(0, 0..=1000),
        Opcode::Inputfix => (0..count).step_by(3).try_for_each(|group| within(group + 1, 0..=1023)),
        Opcode::Inputfloat => (0..count).step_by(6).try_for_each(|group| within(group + 4, 0..=1023)),
        Opcode::Xors | Opcode::Ands | Opcode::Andrs => (0..count).step_by(4).try_for_each(|at| within(at, 0..=ANY)),
        Opcode::Reveal => (0..count).step_by(3).try_for_each(|at| within(at, 0..=ANY)),
        Opcode::Andrsvec => {
            let mut at = 0;
            while at < count {
                within(at + 1, 0..=ANY)?;
                at += instruction.number(at) as usize;
            }
            Ok(())
        }
        Opcode::Inputb => (0..count).step_by(4).try_for_each(|group| within(group + 1, 0..=1024)),
        Opcode::Xorm | Opcode::Convsint => within(0, 0..=64),
        Opcode::Andm | Opcode::Nots | Opcode::Notcb | Opcode::Xorcb | Opcode::Movsb | Opcode::Convcbit2s => {
            within(0, 0..=ANY)
        }
        Opcode::Convcbitvec | Opcode::PrintRegSigned => within(0, 0..=ANY),
        Opcode::Ldbits => within(1, 0..=64),
        Opcode::Bitdecs | Opcode::Bitcoms | Opcode::Bitdecc if count > 65 => {
            Err(Fault::Operand { at: 65, value: instruction.number(65) })
        }
        Opcode::Shrcbi | Opcode::Shlcbi => within(2, 0..=ANY),
        Opcode::CallArg => match Bank::from_call_number(instruction.number(1) as i32) {
            Some(_) => Ok(()),
            None => Err(Fault::Operand { at: 1, value: instruction.number(1) }),
        },
        _ => Ok(()),
    }
}

fn divides(total: i64, unit: i64, at: usize) -> Result<(), Fault> {
    if total % unit == 0 { Ok(()) } else { Err(Fault::Operand { at, value: total }) }
}

/// How many products, elements or bits an instruction works on: what bounds its time and traffic.
pub(crate) fn work(instruction: &Instruction) -> i128 {
    let number = |at: usize| i128::from(instruction.number(at));
    let count = instruction.operands().len();
    let groups = |length: usize| (0..count).step_by(length);
    let size = i128::from(lanes(instruction));
    match instruction.opcode() {
        Opcode::Muls | Opcode::GMuls | Opcode::Mulrs | Opcode::GMulrs => groups(4).map(number).sum(),
        Opcode::Xors | Opcode::Ands | Opcode::Andrs => groups(4).map(number).sum(),
        Opcode::Reveal => groups(3).map(number).sum(),
        Opcode::Matmuls | Opcode::GMatmuls => {
            groups(6).map(|at| number(at + 3) * number(at + 4) * number(at + 5)).sum()
        }
        Opcode::Matmulsm | Opcode::GMatmulsm => {
            groups(12).map(|at| number(at + 3) * number(at + 4) * number(at + 5)).sum()
        }
        Opcode::Conv2ds => groups(15)
            .map(|at| {
                // Saturating, as seven 31-bit factors do not fit.
                [3, 4, 7, 8, 11, 14].into_iter().fold(1i128, |work, k| work.saturating_mul(number(at + k)))
            })
            .fold(0i128, i128::saturating_add),
        _ => size * (count.max(1) as i128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { prime: 198766463529478683931867765928436695041, parties: 3, gf2n: 128 };

    fn instruction(name: &str, size: u64, numbers: &[i64]) -> Instruction {
        Instruction::numeric(name, size, numbers).unwrap()
    }

    fn program(tapes: Vec<Vec<Instruction>>) -> Program {
        let tapes = tapes
            .into_iter()
            .enumerate()
            .map(|(at, instructions)| Tape { name: format!("t-{at}"), instructions })
            .collect();
        Program::from_tapes(tapes).unwrap()
    }

    fn fault(instructions: Vec<Instruction>) -> Fault {
        match verify(program(vec![instructions]), &MACHINE, &Limits::default()) {
            Err(VerifyError::Instruction { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sizes_are_the_largest_use_and_callee_frames_hold_their_arguments() {
        let verified = verify(
            program(vec![
                vec![
                    instruction("ldms", 10, &[5, 8192]),
                    instruction("ldint", 0, &[0, 3]),
                    instruction("call_tape", 0, &[1, 0, 0, 4, 20, 100, 0, 1, 5, 3, 7, 40]),
                ],
                vec![instruction("movs", 2, &[0, 2])],
            ]),
            &MACHINE,
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(verified.registers(0)[Bank::Sint.index()], 20);
        assert_eq!(verified.registers(0)[Bank::Cint.index()], 10);
        assert_eq!(verified.registers(1)[Bank::Sint.index()], 120);
        assert_eq!(verified.registers(1)[Bank::Cint.index()], 43);
        assert_eq!(verified.memory()[Bank::Sint.index()], 8202);
    }

    #[test]
    fn each_kind_of_bad_instruction_is_refused() {
        assert_eq!(fault(vec![instruction("jmp", 0, &[-2])]), Fault::Jump(-1));
        assert_eq!(fault(vec![instruction("jmpnz", 0, &[0, 1])]), Fault::Jump(2));
        assert!(matches!(fault(vec![instruction("shrsi", 0, &[0, 0, 1])]), Fault::Refused(_)));
        assert_eq!(fault(vec![instruction("active", 0, &[0])]), Fault::NotActive);
        assert_eq!(fault(vec![instruction("reqbl", 0, &[129])]), Fault::Domain(129));
        assert_eq!(fault(vec![instruction("reqbl", 0, &[-64])]), Fault::Domain(-64));
        assert_eq!(fault(vec![instruction("ldmc", 0, &[0, -1])]), Fault::Address(-1));
        assert_eq!(fault(vec![instruction("input", 0, &[0, 3])]), Fault::Player(3));
        assert_eq!(fault(vec![instruction("call_tape", 0, &[1, 0])]), Fault::Tape(1));
        assert_eq!(fault(vec![instruction("call_tape", 0, &[0, 0, 2, 4, 1, 0, 0])]), Fault::CallArguments);
        assert_eq!(fault(vec![instruction("run_tape", 0, &[1, 0, 0])]), Fault::Thread(1));
        assert_eq!(fault(vec![instruction("muls", 0, &[-1, 0, 0, 0])]), Fault::Operand { at: 0, value: -1 });
        assert!(matches!(fault(vec![instruction("picks", 2, &[0, 0, 0, -1])]), Fault::Span { .. }));
        assert!(matches!(fault(vec![instruction("adds", 1 << 40, &[0, 0, 0])]), Fault::TooLarge { .. }));
        assert!(matches!(fault(vec![instruction("muls", 1 << 40, &[])]), Fault::TooLarge { .. }));
        let huge = i64::from(i32::MAX);
        assert!(matches!(fault(vec![instruction("matmuls", 0, &[0, 0, 0, huge, huge, huge])]), Fault::TooLarge { .. }));
        assert!(matches!(fault(vec![instruction("convmodp", 0, &[0, 0, 0, 65])]), Fault::Operand { .. }));
    }

    #[test]
    fn frames_and_memories_are_bounded_in_bytes() {
        let registers = program(vec![vec![instruction("movs", 0, &[1 << 30, 0])]]);
        assert!(matches!(verify(registers, &MACHINE, &Limits::default()), Err(VerifyError::Registers { .. })));
        let memory = program(vec![vec![instruction("ldmc", 0, &[0, i64::MAX])]]);
        assert!(matches!(verify(memory, &MACHINE, &Limits::default()), Err(VerifyError::Memory { .. })));
    }

    #[test]
    fn a_program_for_another_domain_is_refused() {
        let with = |domain| {
            let tape = Tape { name: "t".into(), instructions: vec![instruction("check", 0, &[])] };
            let entry = crate::Entry { name: "t".into(), instructions: Some(1) };
            let schedule = crate::Schedule { domain, ..crate::Schedule::new(vec![entry]) };
            verify(Program::new(schedule, vec![tape]).unwrap(), &MACHINE, &Limits::default())
        };
        assert!(with(Domain::PrimeBits(128)).is_ok());
        assert!(matches!(with(Domain::PrimeBits(129)), Err(VerifyError::SmallPrime { .. })));
        assert!(matches!(with(Domain::Ring(64)), Err(VerifyError::Ring(64))));
        assert!(matches!(with(Domain::Prime("13".into())), Err(VerifyError::OtherPrime { .. })));
        assert!(with(Domain::Prime(MACHINE.prime.to_string())).is_ok());
    }
}

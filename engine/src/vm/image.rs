//! What all threads of a run share and nobody changes: the code, the sizes of its frames, and which tapes may run beside
//! their starter.

use super::code;
use crate::bit_tuples::{BitCounts, BitKind};
use crate::field::BinaryField;
use crate::tuples::{Counts, Kind};
use polyyne_bytecode::{Amount, Bill, Item, Opcode, PerBank, Program, Tape, TupleDomain, Verified};

/// See the module's head.
pub(super) struct Image {
    pub tapes: Vec<code::Tape>,
    /// GF(2^n) of the degree that the program was verified for.
    pub binary: BinaryField,
    registers: Vec<PerBank>,
    /// Of each tape that may run beside its starter: what it takes.
    beside: Vec<Option<ThreadBill>>,
}

/// What a thread takes from the first to the last instruction of a tape.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct ThreadBill {
    pub prime: Counts,
    pub binary: Counts,
    pub bits: BitCounts,
}

impl Image {
    pub(super) fn new(program: &Verified, binary: BinaryField) -> Self {
        let source = program.program();
        let tapes = source.tapes().len();
        Self {
            tapes: code::compile(source),
            binary,
            registers: (0..tapes).map(|tape| *program.registers(tape)).collect(),
            beside: (0..tapes).map(|tape| beside(source, tape)).collect(),
        }
    }

    pub(super) fn registers(&self, tape: usize) -> &PerBank {
        &self.registers[tape]
    }

    /// What a tape takes, if it may run beside its starter.
    pub(super) fn beside(&self, tape: usize) -> Option<&ThreadBill> {
        self.beside[tape].as_ref()
    }
}

/// A tape may run beside its starter if its tuples can be set apart before it starts, and nothing that it does must
/// happen in the order of the program.
fn beside(program: &Program, tape: usize) -> Option<ThreadBill> {
    let ordered = |tape: &usize| program.tapes()[*tape].instructions.iter().any(|step| is_ordered(step.opcode()));
    if reachable(program, tape).iter().any(ordered) {
        return None;
    }
    ThreadBill::of(&Bill::of_tape(program, tape))
}

/// The tape and all that it calls or starts.
fn reachable(program: &Program, tape: usize) -> Vec<usize> {
    let mut found = vec![tape];
    let mut seen = vec![false; program.tapes().len()];
    seen[tape] = true;
    let mut next = 0;
    while next < found.len() {
        for callee in callees(&program.tapes()[found[next]]) {
            if !std::mem::replace(&mut seen[callee], true) {
                found.push(callee);
            }
        }
        next += 1;
    }
    found
}

fn callees(tape: &Tape) -> impl Iterator<Item = usize> + '_ {
    tape.instructions.iter().flat_map(|step| match step.opcode() {
        Opcode::CallTape => vec![step.number(0) as usize],
        Opcode::RunTape => step.operands().chunks_exact(3).map(|group| group[1].number() as usize).collect(),
        _ => Vec::new(),
    })
}

/// Whether all parties must do it in the same order: what leaves or enters, and what numbers things for the whole machine.
fn is_ordered(opcode: Opcode) -> bool {
    use polyyne_bytecode::Group;
    matches!(opcode, Opcode::Gensecshuffle | Opcode::Delshuffle | Opcode::Inputmask | Opcode::GInputmask)
        || opcode == Opcode::Inputmaskreg
        || matches!(opcode.group(), Group::Sockets | Group::Storage | Group::InputOutput)
}

impl ThreadBill {
    /// `None` if it is not static, or of kinds that are not set apart.
    fn of(bill: &Bill) -> Option<Self> {
        let mut own = Self::default();
        for (item, amount) in bill.items() {
            let Amount::Exactly(count) = amount else { return None };
            let count = usize::try_from(count).ok()?;
            match item {
                Item::Open(_) | Item::Matmul { .. } => {}
                _ if count == 0 => {}
                Item::Triple(TupleDomain::Bits) => own.bit(BitKind::Triple, count),
                Item::Bit(TupleDomain::Bits) => own.bit(BitKind::Bit, count),
                Item::DaBit => own.bit(BitKind::DaBit, count),
                Item::EdaBit { bits, .. } => own.bit(BitKind::EdaBit { bits }, count),
                Item::Triple(domain) => own.element(domain, Kind::Triple, count)?,
                Item::Square(domain) => own.element(domain, Kind::Square, count)?,
                Item::Inverse(domain) => own.element(domain, Kind::Inverse, count)?,
                Item::Bit(domain) => own.element(domain, Kind::Bit, count)?,
                Item::Random(domain) => own.element(domain, Kind::Random, count)?,
                Item::Input(..) | Item::Mixed => return None,
            }
        }
        Some(own)
    }

    fn bit(&mut self, kind: BitKind, count: usize) {
        *self.bits.entry(kind).or_default() += count;
    }

    fn element(&mut self, domain: TupleDomain, kind: Kind, count: usize) -> Option<()> {
        let counts = match domain {
            TupleDomain::Prime => &mut self.prime,
            TupleDomain::Gf2n => &mut self.binary,
            TupleDomain::Bits => return None,
        };
        *counts.entry(kind).or_default() += count;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyyne_bytecode::Instruction;

    type Line<'a> = (&'a str, &'a [i64]);

    fn program(tapes: &[&[Line<'_>]]) -> Program {
        let tape = |(at, lines): (usize, &&[Line<'_>])| Tape {
            name: format!("t-{at}"),
            instructions: lines.iter().map(|(name, args)| Instruction::numeric(name, 0, args).unwrap()).collect(),
        };
        Program::from_tapes(tapes.iter().enumerate().map(tape).collect()).unwrap()
    }

    #[test]
    fn a_tape_with_a_static_bill_and_nothing_ordered_runs_beside() {
        let program = program(&[&[("use", &[0, 0, 3]), ("use", &[0, 0, 2]), ("use_edabit", &[1, 40, 5])]]);
        let bill = ThreadBill {
            prime: Counts::from([(Kind::Triple, 5)]),
            bits: BitCounts::from([(BitKind::EdaBit { bits: 40 }, 5)]),
            ..ThreadBill::default()
        };
        assert_eq!(beside(&program, 0), Some(bill));
    }

    #[test]
    fn unknown_amounts_and_ordered_instructions_anywhere_keep_a_tape_in_place() {
        let unknown = program(&[&[("use", &[0, 0, -1])]]);
        assert_eq!(beside(&unknown, 0), None);
        let inputs = program(&[&[("use_inp", &[0, 1, 4])]]);
        assert_eq!(beside(&inputs, 0), None);
        let called = program(&[&[("call_tape", &[1, 0])], &[("call_tape", &[0, 0]), ("gensecshuffle", &[0, 4])]]);
        assert_eq!(beside(&called, 0), None);
        let harmless = program(&[&[("call_tape", &[1, 0])], &[("call_tape", &[0, 0]), ("print_int", &[0])]]);
        assert!(beside(&harmless, 0).is_some());
    }
}

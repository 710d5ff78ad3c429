//! How much the parties talk: rounds and bytes of a program's openings, estimated without running it.
//!
//! Beaver multiplication opens two elements for each product, a Boolean product two bits; an opening is one round, in
//! which every party sends its share to every other. MAC checks, the setting up of shuffles and what sockets carry are
//! not counted: their number depends on the run.

use crate::cost::is_interactive;
use crate::extent::lanes;
use crate::instruction::Instruction;
use crate::opcode::Opcode;
use crate::program::Program;
use crate::verify::work;

/// Bytes of an element as parties send it.
const ELEMENT: u64 = 16;

/// How a figure relates to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// There is one way through the program.
    #[default]
    Exact,
    /// The program may skip parts, of which the figure has all.
    AtMost,
    /// The program repeats parts, which the figure has once.
    Unbounded,
}

/// What a run's openings take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Rounds.
    pub rounds: u64,
    /// Bytes that a party sends to each other one.
    pub bytes: u64,
    /// What these figures mean.
    pub certainty: Certainty,
}

impl Traffic {
    /// Follows a program from its first tape through what it calls and starts.
    pub fn of(program: &Program) -> Self {
        let mut walk = Walk { program, known: vec![None; program.tapes().len()] };
        walk.tape(0)
    }

    fn add(&mut self, other: Self) {
        self.rounds = self.rounds.saturating_add(other.rounds);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.certainty = self.certainty.max(other.certainty);
    }
}

/// Tapes whose figures are known; a tape that is being looked at stands as endless, since it calls itself.
struct Walk<'a> {
    program: &'a Program,
    known: Vec<Option<Traffic>>,
}

impl Walk<'_> {
    fn tape(&mut self, number: usize) -> Traffic {
        let Some(&known) = self.known.get(number) else { return Traffic::default() };
        if let Some(known) = known {
            return known;
        }
        self.known[number] = Some(Traffic { certainty: Certainty::Unbounded, ..Traffic::default() });
        let program = self.program;
        let mut traffic = Traffic::default();
        for instruction in &program.tapes()[number].instructions {
            traffic.add(self.instruction(instruction));
        }
        self.known[number] = Some(traffic);
        traffic
    }

    fn instruction(&mut self, instruction: &Instruction) -> Traffic {
        let tape_at = |at: usize| usize::try_from(instruction.number(at)).unwrap_or(usize::MAX);
        let certain = |certainty| Traffic { certainty, ..Traffic::default() };
        match instruction.opcode() {
            Opcode::CallTape => self.tape(tape_at(0)),
            Opcode::RunTape => {
                let mut started = Traffic::default();
                (0..instruction.operands().len()).step_by(3).for_each(|at| started.add(self.tape(tape_at(at + 1))));
                started
            }
            Opcode::Jmp => certain(jump(instruction.number(0))),
            Opcode::Jmpnz | Opcode::Jmpeqz => certain(jump(instruction.number(1))),
            Opcode::Jmpi => certain(Certainty::Unbounded),
            opcode if is_interactive(opcode) => {
                Traffic { rounds: 1, bytes: bytes(instruction), certainty: Certainty::Exact }
            }
            _ => Traffic::default(),
        }
    }
}

fn jump(distance: i64) -> Certainty {
    if distance < 0 { Certainty::Unbounded } else { Certainty::AtMost }
}

/// What a party sends to each other one for an instruction.
fn bytes(instruction: &Instruction) -> u64 {
    let count = instruction.operands().len();
    let size = lanes(instruction);
    let amount = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
    let elements = |number: u64| number.saturating_mul(ELEMENT);
    match instruction.opcode() {
        Opcode::Open | Opcode::GOpen => elements(size.saturating_mul(count as u64 / 2)),
        Opcode::Dotprods | Opcode::GDotprods => {
            let mut pairs = 0_u64;
            let mut at = 0;
            while at < count {
                let length = usize::try_from(instruction.number(at)).unwrap_or(0).max(2);
                pairs = pairs.saturating_add((length as u64 - 2) / 2);
                at += length;
            }
            elements(size.saturating_mul(pairs).saturating_mul(2))
        }
        Opcode::Muls
        | Opcode::GMuls
        | Opcode::Mulrs
        | Opcode::GMulrs
        | Opcode::Matmuls
        | Opcode::GMatmuls
        | Opcode::Matmulsm
        | Opcode::GMatmulsm
        | Opcode::Conv2ds => elements(amount(work(instruction)).saturating_mul(2)),
        Opcode::Ands | Opcode::Andrs => amount(work(instruction)).saturating_mul(2).div_ceil(8),
        Opcode::Reveal => amount(work(instruction)).div_ceil(8),
        _ => elements(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Tape;

    type Line<'a> = (&'a str, u64, &'a [i64]);

    fn traffic(tapes: &[&[Line<'_>]]) -> Traffic {
        let tape = |lines: &&[Line<'_>]| Tape {
            name: "t".into(),
            instructions: lines.iter().map(|(name, size, n)| Instruction::numeric(name, *size, n).unwrap()).collect(),
        };
        Traffic::of(&Program::from_tapes(tapes.iter().map(tape).collect()).unwrap())
    }

    #[test]
    fn a_straight_program_is_known_exactly() {
        let known = traffic(&[&[
            ("muls", 0, &[3, 0, 3, 6, 2, 9, 11, 13]),
            ("asm_open", 4, &[1, 0, 0, 4, 4]),
            ("dotprods", 2, &[6, 0, 1, 2, 3, 4, 4, 8, 1, 2]),
        ]]);
        assert_eq!(known, Traffic { rounds: 3, bytes: 16 * (10 + 8 + 12), certainty: Certainty::Exact });
    }

    #[test]
    fn what_is_called_twice_counts_twice() {
        let call: Line<'_> = ("call_tape", 0, &[1, 0]);
        let known = traffic(&[&[call, call], &[("asm_open", 0, &[1, 0, 0])]]);
        assert_eq!(known, Traffic { rounds: 2, bytes: 32, certainty: Certainty::Exact });
    }

    #[test]
    fn branches_and_loops_say_what_the_figures_are_worth() {
        let open: Line<'_> = ("asm_open", 0, &[1, 0, 0]);
        assert_eq!(traffic(&[&[("jmpnz", 0, &[0, 1]), open]]).certainty, Certainty::AtMost);
        assert_eq!(traffic(&[&[open, ("jmpnz", 0, &[0, -2])]]).certainty, Certainty::Unbounded);
        assert_eq!(traffic(&[&[("call_tape", 0, &[0, 0])]]).certainty, Certainty::Unbounded);
    }
}

//! What a program costs before it runs: the tuples that it declares, and how much it talks.
//!
//! Declarations (`use` and its relatives) stand at the end of each tape and include what the tape calls and starts, so
//! those of tape 0 are the bill of the whole run. The compiler writes -1 where a loop has no static bound; such a bill
//! is only a hint, and consumption must be metered. Declarations of a hostile program may be wrong either way: a machine
//! meters them always.

use std::collections::BTreeMap;

use crate::opcode::Opcode;
use crate::program::Program;
use crate::verify::work;

/// The domain that tuples are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TupleDomain {
    /// The prime field.
    Prime,
    /// GF(2^n).
    Gf2n,
    /// Bits.
    Bits,
}

/// What a program declares that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// (a, b, ab).
    Triple(TupleDomain),
    /// (a, a²).
    Square(TupleDomain),
    /// A random bit.
    Bit(TupleDomain),
    /// (a, 1/a).
    Inverse(TupleDomain),
    /// A bit in both worlds.
    DaBit,
    /// A word of bits times a bit.
    Mixed,
    /// A random element.
    Random(TupleDomain),
    /// An opening; needs no tuple.
    Open(TupleDomain),
    /// A random element that one party knows.
    Input(TupleDomain, u32),
    /// A random value with its bits.
    EdaBit {
        /// Whether the value must be below 2^bits.
        strict: bool,
        /// How many bits.
        bits: u32,
    },
    /// A matrix product of that shape. The products stand under [`Item::Triple`] too.
    Matmul {
        /// Rows of the left factor.
        rows: u32,
        /// Columns of the left factor.
        inner: u32,
        /// Columns of the right factor.
        columns: u32,
    },
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Exactly so many (of an honest compiler).
    Exactly(u64),
    /// It depends on the run.
    Unknown,
}

/// The tuples that a program declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    items: BTreeMap<Item, Amount>,
}

impl Bill {
    /// The declarations of tape 0: what the whole run takes.
    pub fn of(program: &Program) -> Self {
        Self::of_tape(program, 0)
    }

    /// The declarations of one tape: what it takes with all that it calls and starts.
    pub fn of_tape(program: &Program, tape: usize) -> Self {
        let mut bill = Bill::default();
        for instruction in program.tapes().get(tape).map_or(&[][..], |tape| &tape.instructions) {
            let number = |at| instruction.number(at);
            let small = |at| u32::try_from(number(at)).ok();
            let (item, amount) = match instruction.opcode() {
                Opcode::Use => (declared(number(0), number(1)), number(2)),
                Opcode::UseInp => {
                    (domain(number(0)).zip(small(1)).map(|(domain, player)| Item::Input(domain, player)), number(2))
                }
                Opcode::UseEdabit => (small(1).map(|bits| Item::EdaBit { strict: number(0) != 0, bits }), number(2)),
                Opcode::UseMatmul => {
                    let shape = small(0).zip(small(1)).zip(small(2));
                    (shape.map(|((rows, inner), columns)| Item::Matmul { rows, inner, columns }), number(3))
                }
                _ => continue,
            };
            if let Some(item) = item {
                bill.add(item, u64::try_from(amount).map_or(Amount::Unknown, Amount::Exactly));
            }
        }
        bill
    }

    /// A bill of known amounts.
    pub fn exactly(amounts: impl IntoIterator<Item = (self::Item, u64)>) -> Self {
        let mut bill = Bill::default();
        amounts.into_iter().for_each(|(item, count)| bill.add(item, Amount::Exactly(count)));
        bill
    }

    /// The bill without some of its items.
    #[must_use]
    pub fn without(&self, some: impl Fn(&self::Item) -> bool) -> Self {
        let items = self.items.iter().filter(|(item, _)| !some(item));
        Self { items: items.map(|(&item, &amount)| (item, amount)).collect() }
    }

    fn add(&mut self, item: Item, amount: Amount) {
        let old = self.items.entry(item).or_insert(Amount::Exactly(0));
        *old = match (*old, amount) {
            (Amount::Exactly(a), Amount::Exactly(b)) => a.checked_add(b).map_or(Amount::Unknown, Amount::Exactly),
            _ => Amount::Unknown,
        };
    }

    /// Everything declared, in a fixed order.
    pub fn items(&self) -> impl Iterator<Item = (Item, Amount)> + '_ {
        self.items.iter().map(|(&item, &amount)| (item, amount))
    }

    /// How many of an item; exactly none if it is not declared.
    pub fn amount(&self, item: Item) -> Amount {
        self.items.get(&item).copied().unwrap_or(Amount::Exactly(0))
    }

    /// Whether every amount is known before the run.
    pub fn is_static(&self) -> bool {
        self.items.values().all(|&amount| amount != Amount::Unknown)
    }
}

fn domain(number: i64) -> Option<TupleDomain> {
    match number {
        0 => Some(TupleDomain::Prime),
        1 => Some(TupleDomain::Gf2n),
        2 => Some(TupleDomain::Bits),
        _ => None,
    }
}

fn declared(domain_number: i64, kind: i64) -> Option<Item> {
    let domain = domain(domain_number)?;
    Some(match kind {
        0 => Item::Triple(domain),
        1 => Item::Square(domain),
        2 => Item::Bit(domain),
        3 => Item::Inverse(domain),
        4 => Item::DaBit,
        5 => Item::Mixed,
        6 => Item::Random(domain),
        7 => Item::Open(domain),
        _ => return None,
    })
}

/// A look at a program without running it: each instruction counted once per tape, loops not unrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Instructions in all tapes.
    pub instructions: u64,
    /// Instructions that take a communication round.
    pub rounds: u64,
    /// Elements, products or bits that those work on.
    pub interactive_elements: u64,
    /// Values that words in the socket instructions move in: `readsockets`.
    pub socket_inputs: u64,
    /// And out: `writesockets`.
    pub socket_outputs: u64,
    /// Whether any tape jumps backwards (then run-time figures are larger).
    pub loops: bool,
}

impl Outline {
    /// Looks at all tapes of a program.
    pub fn of(program: &Program) -> Self {
        let mut outline = Outline::default();
        for instruction in program.tapes().iter().flat_map(|tape| &tape.instructions) {
            outline.instructions += 1;
            let number = |at| u64::try_from(instruction.number(at)).unwrap_or(0);
            let registers = |leading: usize| (instruction.operands().len() - leading) as u64;
            match instruction.opcode() {
                Opcode::Readsockets => {
                    outline.socket_inputs =
                        outline.socket_inputs.saturating_add(number(1).saturating_mul(registers(2)));
                }
                Opcode::Writesockets => {
                    outline.socket_outputs =
                        outline.socket_outputs.saturating_add(number(2).saturating_mul(registers(3)));
                }
                Opcode::Jmp => outline.loops |= instruction.number(0) < 0,
                Opcode::Jmpnz | Opcode::Jmpeqz => outline.loops |= instruction.number(1) < 0,
                opcode if is_interactive(opcode) => {
                    outline.rounds += 1;
                    let elements = u64::try_from(work(instruction)).unwrap_or(u64::MAX);
                    outline.interactive_elements = outline.interactive_elements.saturating_add(elements);
                }
                _ => {}
            }
        }
        outline
    }
}

/// Whether an instruction exchanges messages between the parties.
pub const fn is_interactive(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Open
            | Opcode::GOpen
            | Opcode::Muls
            | Opcode::GMuls
            | Opcode::Mulrs
            | Opcode::GMulrs
            | Opcode::Dotprods
            | Opcode::GDotprods
            | Opcode::Matmuls
            | Opcode::GMatmuls
            | Opcode::Matmulsm
            | Opcode::GMatmulsm
            | Opcode::Conv2ds
            | Opcode::Secshuffle
            | Opcode::GSecshuffle
            | Opcode::Gensecshuffle
            | Opcode::Applyshuffle
            | Opcode::Privateoutput
            | Opcode::Input
            | Opcode::GInput
            | Opcode::Inputfix
            | Opcode::Inputfloat
            | Opcode::Inputmixed
            | Opcode::Inputmixedreg
            | Opcode::Rawinput
            | Opcode::GRawinput
            | Opcode::Inputpersonal
            | Opcode::Sendpersonal
            | Opcode::Ands
            | Opcode::Andrs
            | Opcode::Andrsvec
            | Opcode::Reveal
            | Opcode::Inputb
            | Opcode::Inputbvec
            | Opcode::Check
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::Instruction;
    use crate::program::Tape;

    fn program(lines: &[(&str, &[i64])]) -> Program {
        let instructions =
            lines.iter().map(|(name, numbers)| Instruction::numeric(name, 0, numbers).unwrap()).collect();
        Program::from_tapes(vec![Tape { name: "t".into(), instructions }]).unwrap()
    }

    #[test]
    fn a_bill_adds_up_the_declarations_of_tape_0() {
        let bill = Bill::of(&program(&[
            ("use", &[0, 0, 5]),
            ("use", &[0, 0, 2]),
            ("use", &[0, 2, 9]),
            ("use_inp", &[0, 1, 4]),
            ("use_edabit", &[1, 40, 3]),
        ]));
        assert_eq!(bill.amount(Item::Triple(TupleDomain::Prime)), Amount::Exactly(7));
        assert_eq!(bill.amount(Item::Bit(TupleDomain::Prime)), Amount::Exactly(9));
        assert_eq!(bill.amount(Item::Input(TupleDomain::Prime, 1)), Amount::Exactly(4));
        assert_eq!(bill.amount(Item::EdaBit { strict: true, bits: 40 }), Amount::Exactly(3));
        assert_eq!(bill.amount(Item::DaBit), Amount::Exactly(0));
        assert!(bill.is_static());
    }

    #[test]
    fn an_unbounded_loop_makes_a_bill_a_hint() {
        let bill = Bill::of(&program(&[("use", &[0, 0, 5]), ("use", &[0, 0, -1])]));
        assert_eq!(bill.amount(Item::Triple(TupleDomain::Prime)), Amount::Unknown);
        assert!(!bill.is_static());
    }

    #[test]
    fn an_outline_counts_rounds_and_what_sockets_move() {
        let outline = Outline::of(&program(&[
            ("readsockets", &[0, 1, 5, 6]),
            ("muls", &[3, 0, 0, 0]),
            ("open", &[1, 0, 0]),
            ("writesockets", &[0, 0, 2, 0]),
            ("jmpnz", &[0, -3]),
        ]));
        assert_eq!((outline.rounds, outline.socket_inputs, outline.socket_outputs), (2, 2, 2));
        assert!(outline.loops);
    }
}

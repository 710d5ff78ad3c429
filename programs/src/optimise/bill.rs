//! The bill: what a tape consumes, as the `use` declarations at its end say it.
//!
//! Counts of loops with a known number of rounds are multiplied; of a loop that depends on run-time values nothing is
//! known, which the format writes as -1. Of two branches both are counted.

use std::collections::BTreeMap;

use polyyne_bytecode::{Instruction, Opcode, ShapeError};

use crate::record::{Arg, Record, Step, Times};

/// What a `use` declaration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// `use domain type`.
    Tuple(i64, i64),
    /// `use_inp domain player`.
    Input(i64, i64),
    /// `use_edabit strict bits`.
    Edabit(i64, i64),
    /// `use_matmul rows inner columns`.
    Matrix(i64, i64, i64),
}

/// The consumption of one tape, with the tapes that it calls and starts.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    items: BTreeMap<Item, Times>,
}

const PRIME: i64 = 0;
const GF2N: i64 = 1;
const BITS: i64 = 2;
const TRIPLE: i64 = 0;
const SQUARE: i64 = 1;
const BIT: i64 = 2;
const INVERSE: i64 = 3;
const DABIT: i64 = 4;
const RANDOM: i64 = 6;
const OPEN: i64 = 7;

/// The bills of all tapes.
pub fn bills(record: &Record) -> Vec<Bill> {
    let mut done: Vec<Option<Bill>> = vec![None; record.tapes.len()];
    for tape in 0..record.tapes.len() {
        bill(record, tape, &mut done, 0);
    }
    done.into_iter().map(Option::unwrap_or_default).collect()
}

fn bill(record: &Record, tape: usize, done: &mut Vec<Option<Bill>>, depth: usize) -> Bill {
    if let Some(bill) = done.get(tape).cloned().flatten() {
        return bill;
    }
    let mut total = Bill::default();
    // Tapes call each other in a circle only if somebody wrote the record by hand.
    if depth <= record.tapes.len() {
        for block in record.tapes.get(tape).map_or(&[][..], |tape| &tape.blocks) {
            for step in &block.steps {
                total.step(step, block.times);
                for callee in callees(step) {
                    let callee = bill(record, callee, done, depth + 1);
                    for (&item, &times) in &callee.items {
                        total.add(item, times.times(block.times));
                    }
                }
            }
        }
        if let Some(slot) = done.get_mut(tape) {
            *slot = Some(total.clone());
        }
    }
    total
}

fn number(step: &Step, at: usize) -> i64 {
    match step.args.get(at) {
        Some(&Arg::Number(number)) => number,
        _ => 0,
    }
}

/// The tapes that a step calls or starts.
pub fn callees(step: &Step) -> Vec<usize> {
    let tape = |at| usize::try_from(number(step, at)).unwrap_or(usize::MAX);
    match step.opcode {
        Opcode::CallTape => vec![tape(0)],
        Opcode::RunTape => (0..step.args.len() / 3).map(|at| tape(3 * at + 1)).collect(),
        _ => Vec::new(),
    }
}

impl Bill {
    fn add(&mut self, item: Item, times: Times) {
        let entry = self.items.entry(item).or_insert(Times::Known(0));
        *entry = entry.plus(times);
    }

    fn step(&mut self, step: &Step, times: Times) {
        for (item, count) in consumption(step) {
            if count > 0 {
                self.add(item, Times::Known(count).times(times));
            }
        }
        if times != Times::Known(0) && is_shuffle(step.opcode) {
            // What a shuffle takes depends on the number of parties.
            for item in [Item::Tuple(PRIME, TRIPLE), Item::Input(PRIME, 0), Item::Input(PRIME, 1)] {
                self.add(item, Times::Unknown);
            }
        }
    }

    /// The declarations for the end of the tape.
    ///
    /// # Errors
    /// [`ShapeError`] if a count does not fit.
    pub fn declarations(&self) -> Result<Vec<Instruction>, ShapeError> {
        self.items
            .iter()
            .map(|(&item, &times)| {
                let count = match times {
                    Times::Known(count) => i64::try_from(count).unwrap_or(-1),
                    Times::Unknown => -1,
                };
                match item {
                    Item::Tuple(domain, kind) => Instruction::numeric("use", 0, &[domain, kind, count]),
                    Item::Input(domain, player) => Instruction::numeric("use_inp", 0, &[domain, player, count]),
                    Item::Edabit(strict, bits) => Instruction::numeric("use_edabit", 0, &[strict, bits, count]),
                    Item::Matrix(rows, inner, columns) => {
                        Instruction::numeric("use_matmul", 0, &[rows, inner, columns, count])
                    }
                }
            })
            .collect()
    }
}

/// What one run of a step consumes.
fn consumption(step: &Step) -> Vec<(Item, u64)> {
    let lanes = step.size.max(1);
    let domain = if (step.opcode.code() >> 8) == 1 { GF2N } else { PRIME };
    let tuple = |kind, count| vec![(Item::Tuple(domain, kind), count)];
    let groups = |length: usize| step.args.len() / length;
    match step.opcode {
        Opcode::Triple | Opcode::GTriple => tuple(TRIPLE, lanes),
        Opcode::Square | Opcode::GSquare => tuple(SQUARE, lanes),
        Opcode::Bit | Opcode::GBit => tuple(BIT, lanes),
        Opcode::Inverse | Opcode::GInverse => tuple(INVERSE, lanes),
        Opcode::Randomfulls => tuple(RANDOM, lanes),
        Opcode::Dabit => tuple(DABIT, lanes),
        Opcode::Edabit => vec![(Item::Edabit(0, step.args.len() as i64 - 1), lanes)],
        Opcode::Sedabit => vec![(Item::Edabit(1, step.args.len() as i64 - 1), lanes)],
        Opcode::Bitb => vec![(Item::Tuple(BITS, BIT), 1)],
        Opcode::Open | Opcode::GOpen => tuple(OPEN, lanes * ((step.args.len() as u64) / 2)),
        Opcode::Muls | Opcode::GMuls | Opcode::Mulrs | Opcode::GMulrs => tuple(TRIPLE, sum_of(step, 4, 0)),
        Opcode::Ands | Opcode::Andrs => vec![(Item::Tuple(BITS, TRIPLE), sum_of(step, 4, 0))],
        Opcode::Dotprods | Opcode::GDotprods => tuple(TRIPLE, products_of_dots(step) * lanes),
        Opcode::Matmuls => matrices(step, 6, 3),
        Opcode::Matmulsm => matrices(step, 12, 3),
        Opcode::Conv2ds => tuple(TRIPLE, (0..groups(15)).map(|at| convolution(step, 15 * at)).sum()),
        Opcode::Inputmixed => inputs(step, lanes),
        Opcode::Input | Opcode::GInput => {
            (0..groups(2)).map(|at| (Item::Input(domain, number(step, 2 * at + 1)), lanes)).collect()
        }
        Opcode::Rawinput | Opcode::GRawinput => {
            (0..groups(2)).map(|at| (Item::Input(domain, number(step, 2 * at)), lanes)).collect()
        }
        Opcode::Inputmask => vec![(Item::Input(domain, number(step, 2)), lanes)],
        Opcode::Inputpersonal | Opcode::Privateoutput => (0..groups(4))
            .map(|at| {
                let count = number(step, 4 * at).max(0) as u64;
                (Item::Input(domain, number(step, 4 * at + 1)), count)
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn is_shuffle(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Secshuffle | Opcode::Gensecshuffle | Opcode::Applyshuffle)
}

/// The sum of the numbers at `offset` of each group.
fn sum_of(step: &Step, group: usize, offset: usize) -> u64 {
    (0..step.args.len() / group).map(|at| number(step, group * at + offset).max(0) as u64).sum()
}

fn products_of_dots(step: &Step) -> u64 {
    let (mut at, mut products) = (0, 0);
    while at < step.args.len() {
        let length = number(step, at).max(2) as usize;
        products += (length as u64 - 2) / 2;
        at += length;
    }
    products
}

/// Matrix products are declared by shape, and their single products as triples.
fn matrices(step: &Step, group: usize, first: usize) -> Vec<(Item, u64)> {
    (0..step.args.len() / group)
        .flat_map(|at| {
            let shape = |i: usize| number(step, group * at + first + i);
            let products = (0..3).map(|i| shape(i).max(0) as u64).fold(1, u64::saturating_mul);
            [(Item::Matrix(shape(0), shape(1), shape(2)), 1), (Item::Tuple(PRIME, TRIPLE), products)]
        })
        .collect()
}

/// Products of one convolution: the filter positions that lie inside the image.
fn convolution(step: &Step, base: usize) -> u64 {
    let [oh, ow, ih, iw, wh, ww, sh, sw, channels, ph, pw, batch] = std::array::from_fn(|i| number(step, base + 3 + i));
    let inside = |out: i64, size: i64, filter: i64, stride: i64, pad: i64| -> u64 {
        let (step_by, dilation) = if stride < 0 { (1, -stride) } else { (stride, 1) };
        (0..out.clamp(0, 1 << 20))
            .map(|y| {
                (0..filter.clamp(0, 1 << 12))
                    .filter(|f| (0..size).contains(&(y * step_by - pad + f * dilation)))
                    .count() as u64
            })
            .sum()
    };
    inside(oh, ih, wh, sh, ph)
        .saturating_mul(inside(ow, iw, ww, sw, pw))
        .saturating_mul(channels.max(0) as u64)
        .saturating_mul(batch.max(0) as u64)
}

fn inputs(step: &Step, lanes: u64) -> Vec<(Item, u64)> {
    let (mut at, mut items) = (0, Vec::new());
    while at < step.args.len() {
        let (length, values) = match number(step, at) {
            0 => (3, 1),
            1 => (4, 1),
            _ => (7, 4),
        };
        items.push((Item::Input(PRIME, number(step, at + length - 1)), values * lanes));
        at += length;
    }
    items
}

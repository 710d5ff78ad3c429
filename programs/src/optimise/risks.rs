//! What the masked openings of a whole run may tell, and how likely they stop it: the union over all of them.
//!
//! Counts of loops with a known number of rounds are multiplied, of two branches both are counted. A loop that nobody can
//! count is taken to run 2^32 times where secrets are concerned, and 2^20 times where it is about stopping.

use polyyne_bytecode::UNKNOWN_ROUNDS_BITS;

use crate::optimise::bill::callees;
use crate::record::{Record, Risk, Times};

/// Log₂ of the rounds of a loop that nobody can count, where it is about stopping.
const UNKNOWN_ROUNDS_STOPPING_BITS: u32 = 20;

/// Probabilities over a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Risks {
    tells: f64,
    stops: f64,
}

impl Risks {
    /// The risks of all that tape 0 does and calls.
    pub fn of(record: &Record) -> Self {
        let mut done = vec![None; record.tapes.len()];
        of_tape(record, 0, &mut done, 0)
    }

    /// Bits at which the run hides; `None` if nothing is masked.
    pub fn hides(&self) -> Option<u32> {
        bits(self.tells)
    }

    /// The run stops with probability 2^-bits; `None` if it never does.
    pub fn stops(&self) -> Option<u32> {
        bits(self.stops)
    }

    fn add(&mut self, other: Self, rounds: Times) {
        self.tells += other.tells * count(rounds, UNKNOWN_ROUNDS_BITS);
        self.stops += other.stops * count(rounds, UNKNOWN_ROUNDS_STOPPING_BITS);
    }
}

fn bits(probability: f64) -> Option<u32> {
    (probability > 0.0).then(|| (-probability.log2()).max(0.0).floor() as u32)
}

fn count(times: Times, unknown_bits: u32) -> f64 {
    match times {
        Times::Known(count) => count as f64,
        Times::Unknown => f64::from(unknown_bits).exp2(),
    }
}

fn of_tape(record: &Record, tape: usize, done: &mut Vec<Option<Risks>>, depth: usize) -> Risks {
    if let Some(risks) = done.get(tape).copied().flatten() {
        return risks;
    }
    let mut total = Risks::default();
    // Tapes call each other in a circle only if somebody wrote the record by hand.
    if depth > record.tapes.len() {
        return Risks { tells: 1.0, stops: 1.0 };
    }
    for block in record.tapes.get(tape).map_or(&[][..], |tape| &tape.blocks) {
        let mut once = Risks::default();
        for (&risk, &times) in &block.risks {
            let probability = |bits: u32| (-f64::from(bits)).exp2() * times as f64;
            match risk {
                Risk::Tells(bits) => once.tells += probability(bits),
                Risk::Stops(bits) => once.stops += probability(bits),
            }
        }
        for callee in block.steps.iter().flat_map(callees) {
            once.add(of_tape(record, callee, done, depth + 1), Times::Known(1));
        }
        total.add(once, block.times);
    }
    if let Some(slot) = done.get_mut(tape) {
        *slot = Some(total);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse;

    fn risks(lines: &str) -> Risks {
        Risks::of(&parse(&format!("polyyne-record 1\n{lines}\nend\n")).unwrap())
    }

    #[test]
    fn openings_of_loops_functions_and_templates_are_counted() {
        let nothing = risks("tape 0 \"");
        assert_eq!((nothing.hides(), nothing.stops()), (None, None));
        let two = risks("tape 0 \"\nmasked 80 1\nmasked 80 1\nstops 62 8");
        assert_eq!((two.hides(), two.stops()), (Some(79), Some(59)));
        let many = risks("tape 0 \"\nenter 1024\nmasked 88 4\nenter 16\nmasked 90 1\nleave\nleave");
        assert_eq!(many.hides(), Some(75), "4096 of 2^-88 and 16384 of 2^-90 are 2^-75");
        let template = "template 0 100 0 1\nmasked 88 4\ndone\ntape 0 \"\nenter 2\nexpand 0 200\nexpand 0 300\nleave";
        assert_eq!(risks(template).hides(), Some(84));
        let called = "tape 0 \"\nldint 1 i1 0\ncall_tape 0 1 i1\ncall_tape 0 1 i1\ntape 1 \"f\nmasked 70 2";
        assert_eq!(risks(called).hides(), Some(68));
    }

    #[test]
    fn a_loop_that_nobody_can_count_is_taken_to_be_long() {
        let unknown = risks("tape 0 \"\nenter -1\nmasked 100 2\nstops 62 1\nleave");
        assert_eq!((unknown.hides(), unknown.stops()), (Some(67), Some(42)));
    }

    #[test]
    fn different_masks_add_up() {
        let mixed = risks("tape 0 \"\nmasked 88 1\nmasked 64 1\nmasked 105 1000");
        assert_eq!(mixed.hides(), Some(63));
    }
}

//! How well a program says that it hides what it computes with.
//!
//! Comparisons, truncations and the like open values under random masks. What such an opening tells about the value is a
//! statistical distance, and the distances of all openings of a run add up. The schedule's `sec:` gives bits; MP-SPDZ
//! means each opening for itself. With the word [`WHOLE_RUN`] among the options the bits hold for all of a run together.
//!
//! This is what the program's compiler says. Nothing here can see whether it is true: a program may open what it likes.

use crate::cost::{Amount, Bill, Item, TupleDomain};
use crate::program::Program;
use crate::schedule::Schedule;

/// The option that says that `sec:` holds for all openings of a run together.
pub const WHOLE_RUN: &str = "sec_run";

/// Log₂ of how often a loop runs whose number of rounds is known only at run time, where such a number is needed.
pub const UNKNOWN_ROUNDS_BITS: u32 = 32;

impl Schedule {
    /// Whether `sec:` holds for all openings of a run together.
    pub fn counts_whole_run(&self) -> bool {
        self.options.iter().any(|word| word == WHOLE_RUN)
    }
}

impl Program {
    /// Bits of statistical security that the program declares for all its masked openings together. `None` if it
    /// declares none, that is, if it says that it opens nothing under a mask that hides only statistically.
    ///
    /// Of a program that declares bits for each opening, every opening is counted, and those of a loop that nobody can
    /// count as 2^32.
    pub fn declared_security(&self) -> Option<u32> {
        let schedule = self.schedule();
        if schedule.security == 0 {
            return None;
        }
        if schedule.counts_whole_run() {
            return Some(schedule.security);
        }
        let openings = match Bill::of(self).amount(Item::Open(TupleDomain::Prime)) {
            Amount::Exactly(count) => count.max(1),
            Amount::Unknown => 1 << UNKNOWN_ROUNDS_BITS,
        };
        let lost = u64::BITS - (openings - 1).leading_zeros();
        Some(schedule.security.saturating_sub(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::Instruction;
    use crate::program::Tape;

    /// A program that declares so many openings.
    fn program(openings: i64, security: u32, options: &[&str]) -> Program {
        let declared = Instruction::numeric("use", 0, &[0, 7, openings]).unwrap();
        let plain = Program::from_tapes(vec![Tape { name: "t".into(), instructions: vec![declared] }]).unwrap();
        let options = options.iter().map(|&word| word.to_owned()).collect();
        let schedule = Schedule { security, options, ..plain.schedule().clone() };
        Program::new(schedule, plain.tapes().to_vec()).unwrap()
    }

    #[test]
    fn a_run_hides_less_than_one_of_its_openings() {
        for (openings, bits) in [(0, 40), (1, 40), (2, 39), (3, 38), (1000, 30), (1 << 20, 20), (-1, 8)] {
            assert_eq!(program(openings, 40, &[]).declared_security(), Some(bits), "{openings} openings");
        }
        assert_eq!(program(1 << 50, 40, &[]).declared_security(), Some(0));
    }

    #[test]
    fn what_is_declared_for_the_whole_run_is_not_counted_again() {
        assert_eq!(program(1 << 20, 64, &["edabit", WHOLE_RUN]).declared_security(), Some(64));
        assert_eq!(program(-1, 64, &[WHOLE_RUN]).declared_security(), Some(64));
    }

    #[test]
    fn a_program_without_masks_declares_nothing() {
        assert_eq!(program(1000, 0, &[WHOLE_RUN]).declared_security(), None);
        assert_eq!(program(-1, 0, &[]).declared_security(), None);
    }
}

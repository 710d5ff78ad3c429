//! What all VM threads of a run use together, against its limits.

use super::Limits;
use super::fault::{Fault, Step};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A thread asks for so many steps at once: it counts them by itself.
const STEPS_GRANTED: u64 = 4096;

/// See the module's head. Threads that run side by side may meet a limit at different places; all parties meet it.
pub(super) struct Budget {
    limits: Limits,
    steps: AtomicU64,
    rounds: AtomicU64,
    frame_bytes: AtomicU64,
    printed: AtomicU64,
    /// The run is over: threads that are still there end.
    stopped: AtomicBool,
}

fn spend(used: &AtomicU64, amount: u64, what: &'static str, max: u64) -> Step {
    let before = used.fetch_add(amount, Ordering::Relaxed);
    if before.saturating_add(amount) > max { Err(Fault::Limit { what, max }) } else { Ok(()) }
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            frame_bytes: AtomicU64::new(0),
            printed: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// At least `needed` steps, and some more if there are some.
    pub(super) fn grant_steps(&self, needed: u64) -> Step<u64> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        let max = self.limits.steps_max;
        let amount = |used: u64| {
            let left = max - used;
            (needed <= left).then(|| needed.max(STEPS_GRANTED).min(left))
        };
        let before = self
            .steps
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| amount(used).map(|amount| used + amount));
        let before = before.map_err(|_| Fault::Limit { what: "steps", max })?;
        Ok(amount(before).expect("it was granted"))
    }

    /// Gives back what was granted and not used.
    pub(super) fn return_steps(&self, unused: u64) {
        self.steps.fetch_sub(unused, Ordering::Relaxed);
    }

    pub(super) fn spend_rounds(&self, rounds: u64) -> Step {
        spend(&self.rounds, rounds, "rounds", self.limits.rounds_max)
    }

    pub(super) fn reserve_frame(&self, bytes: u64) -> Step {
        spend(&self.frame_bytes, bytes, "bytes of call frames", self.limits.frame_bytes_max)
    }

    pub(super) fn release_frame(&self, bytes: u64) {
        self.frame_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn print(&self, bytes: usize) -> Step {
        spend(&self.printed, bytes as u64, "printed bytes", self.limits.printed_bytes_max)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_steps_are_granted_exactly_and_no_more() {
        let budget = Budget::new(Limits { steps_max: 5000, ..Limits::default() });
        assert_eq!(budget.grant_steps(1), Ok(4096));
        assert_eq!(budget.grant_steps(904), Ok(904));
        assert_eq!(budget.grant_steps(1), Err(Fault::Limit { what: "steps", max: 5000 }));
        budget.return_steps(10);
        assert_eq!(budget.grant_steps(3), Ok(10));
        budget.stop();
        assert_eq!(budget.grant_steps(0), Err(Fault::Stopped));
    }
}

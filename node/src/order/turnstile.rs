//! A member's side of one queue: numbers pass one at a time, in their order.
//!
//! Pure state: no I/O, time is an argument.

use std::collections::BTreeMap;

use polyyne_protocol::id::Nonce;
use tokio::{sync::oneshot, time::Instant};

use super::{Numbered, limits::GAP};

/// What becomes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// Its turn has come; whoever is told so must say when it has ended.
    Go,
    /// A later number has passed already.
    Passed,
    /// The sequencer counts anew.
    Restarted,
}

#[derive(Default)]
pub struct Turnstile {
    boot: Option<Nonce>,
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Granted>>,
    occupied: bool,
    /// Since when a later number waits for one that has not come.
    gap_since: Option<Instant>,
}

impl Turnstile {
    /// A number has come.
    pub fn numbered(&mut self, numbered: Numbered, waiter: oneshot::Sender<Granted>, now: Instant) {
        if self.boot != Some(numbered.boot) {
            let waiting = std::mem::take(&mut self.waiting);
            waiting.into_values().for_each(|waiter| tell(waiter, Granted::Restarted));
            self.boot = Some(numbered.boot);
            self.next = numbered.first;
            self.gap_since = None;
        }
        // no number follows the last one there is: only a sequencer that lies comes to it
        if numbered.number < self.next || numbered.number == u64::MAX {
            tell(waiter, Granted::Passed);
        } else if let Some(before) = self.waiting.insert(numbered.number, waiter) {
            // the same item was asked for twice here; only one can have the turn
            tell(before, Granted::Passed);
        }
        self.advance(now);
    }

    /// The turn that was granted has ended.
    pub fn left(&mut self, now: Instant) {
        self.occupied = false;
        self.advance(now);
    }

    /// Passes over missing numbers whose time is up; tells when to look again.
    pub fn pass(&mut self, now: Instant) -> Option<Instant> {
        let until = self.gap_since? + GAP;
        if until > now {
            return Some(until);
        }
        if let Some((&first, _)) = self.waiting.first_key_value() {
            self.next = first;
        }
        self.advance(now);
        self.gap_since.map(|since| since + GAP)
    }

    fn advance(&mut self, now: Instant) {
        while !self.occupied
            && let Some(entry) = self.waiting.first_entry()
            && *entry.key() == self.next
        {
            self.next += 1;
            // whoever has given up is passed over
            self.occupied = entry.remove().send(Granted::Go).is_ok();
        }
        let gap = !self.occupied && !self.waiting.is_empty();
        self.gap_since = if gap { self.gap_since.or(Some(now)) } else { None };
    }
}

fn tell(waiter: oneshot::Sender<Granted>, granted: Granted) {
    // it may have given up
    let _ = waiter.send(granted);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOOT: Nonce = Nonce([1; 16]);

    fn numbered(turnstile: &mut Turnstile, number: u64, now: Instant) -> oneshot::Receiver<Granted> {
        let (waiter, granted) = oneshot::channel();
        turnstile.numbered(Numbered { boot: BOOT, number, first: 3 }, waiter, now);
        granted
    }

    #[test]
    fn numbers_pass_in_order_one_at_a_time() {
        let (mut turnstile, now) = (Turnstile::default(), Instant::now());
        let mut fourth = numbered(&mut turnstile, 4, now);
        let mut third = numbered(&mut turnstile, 3, now);
        assert_eq!(third.try_recv(), Ok(Granted::Go));
        assert!(fourth.try_recv().is_err());
        turnstile.left(now);
        assert_eq!(fourth.try_recv(), Ok(Granted::Go));
    }

    #[test]
    fn a_number_that_never_comes_is_passed_over_in_the_end_and_refused_when_it_comes_then() {
        let (mut turnstile, now) = (Turnstile::default(), Instant::now());
        let mut fifth = numbered(&mut turnstile, 5, now);
        assert_eq!(turnstile.pass(now), Some(now + GAP));
        assert!(fifth.try_recv().is_err());
        assert_eq!(turnstile.pass(now + GAP), None);
        assert_eq!(fifth.try_recv(), Ok(Granted::Go));
        assert_eq!(numbered(&mut turnstile, 4, now + GAP).try_recv(), Ok(Granted::Passed));
    }

    /// It ended the node: the number after it was computed.
    #[test]
    fn the_last_number_that_there_is_passes_nobody_and_ends_nothing() {
        let (mut turnstile, now) = (Turnstile::default(), Instant::now());
        let (waiter, mut last) = oneshot::channel();
        turnstile.numbered(Numbered { boot: BOOT, number: u64::MAX, first: u64::MAX }, waiter, now);
        assert_eq!(last.try_recv(), Ok(Granted::Passed));
        assert_eq!(turnstile.pass(now + GAP), None);
        let mut before = numbered(&mut turnstile, u64::MAX - 1, now);
        let (waiter, mut anew) = oneshot::channel();
        turnstile.numbered(Numbered { boot: Nonce([2; 16]), number: 0, first: 0 }, waiter, now);
        assert!(before.try_recv().is_ok());
        assert_eq!(anew.try_recv(), Ok(Granted::Go), "a sequencer that counts anew is heard");
    }

    #[test]
    fn a_long_turn_is_no_gap() {
        let (mut turnstile, now) = (Turnstile::default(), Instant::now());
        let _running = numbered(&mut turnstile, 3, now);
        let mut waiting = numbered(&mut turnstile, 4, now);
        assert_eq!(turnstile.pass(now + Duration::from_secs(3600)), None);
        assert!(waiting.try_recv().is_err());
    }

    #[test]
    fn a_sequencer_that_counts_anew_ends_all_waiting_but_not_the_turn_that_is_held() {
        let (mut turnstile, now) = (Turnstile::default(), Instant::now());
        let mut running = numbered(&mut turnstile, 3, now);
        let mut waiting = numbered(&mut turnstile, 4, now);
        let (waiter, mut anew) = oneshot::channel();
        turnstile.numbered(Numbered { boot: Nonce([2; 16]), number: 0, first: 0 }, waiter, now);
        assert_eq!(running.try_recv(), Ok(Granted::Go));
        assert_eq!(waiting.try_recv(), Ok(Granted::Restarted));
        assert!(anew.try_recv().is_err(), "one turn at a time, whatever the sequencer says");
        turnstile.left(now);
        assert_eq!(anew.try_recv(), Ok(Granted::Go));
    }
}

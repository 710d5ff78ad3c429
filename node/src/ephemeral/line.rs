//! The line of executions that wait for tuples.
//!
//! Who came earlier is served earlier: an execution may start when the stock covers it and everything that those before
//! it need. One that needs other kinds than they, or little enough of the same, goes past them, so that nothing idles
//! and nobody starves. Before and after are the same at all members, without a word between them: the order is that of
//! the client's signed time, then of the execution's id, then of the client's key. (A client can say that it asked earlier than it did, by as
//! much as clocks may differ; it gains a place in this line and nothing else.)
//!
//! Members decide at almost, not exactly, the same time. Where the stock covers everybody in line that does not matter;
//! where it does not, an execution stands in line for [`SETTLE`] before it may start, so that all members have the same
//! line before them.

use crate::castor::TupleKind;
use crate::session::take::Bill;
use polyyne_protocol::id::{ClientKey, ExecutionId};
use polyyne_protocol::limits::EXECUTIONS_QUEUED_MAX;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a request is under way to one member after another has it, at most, for all to decide alike.
pub const SETTLE: Duration = Duration::from_millis(300);

/// The executions that wait, or have started and not taken their tuples. Clones share it.
#[derive(Clone, Default)]
pub struct Line {
    entries: Arc<Mutex<Vec<Entry>>>,
    moved: Arc<Notify>,
}

struct Entry {
    place: Place,
    bill: Bill,
    entered: Instant,
    started: bool,
}

/// Where an execution stands: its client's time, then its id, then its client.
type Place = (u64, ExecutionId, ClientKey);

/// There are as many as a member lets wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// What keeps an execution from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The first kind of which there is too little.
    pub kind: TupleKind,
    pub wanted: u64,
    pub available: u64,
    /// What has to be made before it can start, for it and for those before it.
    pub missing: Bill,
}

/// A place in the line, given up when this is dropped.
pub struct Standing {
    line: Line,
    place: Place,
    kinds: Vec<TupleKind>,
}

impl Line {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(
        &self,
        issued: u64,
        execution: ExecutionId,
        client: ClientKey,
        bill: Bill,
        now: Instant,
    ) -> Result<Standing, Full> {
        let place = (issued, execution, client);
        let mut entries = self.entries();
        if entries.len() >= EXECUTIONS_QUEUED_MAX {
            return Err(Full);
        }
        let kinds = bill.iter().map(|(kind, _)| *kind).collect();
        entries.push(Entry { place, bill, entered: now, started: false });
        drop(entries);
        Ok(Standing { line: self.clone(), place, kinds })
    }

    /// Resolves when somebody has left the line.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Executions that wait.
    pub fn waiting(&self) -> usize {
        self.entries().iter().filter(|entry| !entry.started).count()
    }

    /// What all executions in line need of a kind.
    pub fn promised(&self, kind: TupleKind) -> u64 {
        self.entries().iter().fold(0, |sum, entry| sum.saturating_add(needs(&entry.bill, kind)))
    }

    /// How many wait before this client's execution, and what has to be made before it can start; nothing if it does
    /// not wait.
    pub fn find(
        &self,
        execution: ExecutionId,
        client: &ClientKey,
        available: impl Fn(TupleKind) -> u64,
    ) -> Option<(usize, Bill)> {
        let entries = self.entries();
        let own =
            entries.iter().find(|entry| (entry.place.1, entry.place.2) == (execution, *client) && !entry.started)?;
        let before = entries.iter().filter(|entry| !entry.started && entry.place < own.place).count();
        Some((before, missing(&entries, own, available)))
    }
}

fn needs(bill: &Bill, kind: TupleKind) -> u64 {
    bill.iter().filter(|(of, _)| *of == kind).fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// What those that go first need of a kind.
fn before(entries: &[Entry], own: &Entry, kind: TupleKind) -> u64 {
    let first = entries.iter().filter(|entry| entry.place != own.place && (entry.started || entry.place < own.place));
    first.fold(0, |sum, entry| sum.saturating_add(needs(&entry.bill, kind)))
}

fn missing(entries: &[Entry], own: &Entry, available: impl Fn(TupleKind) -> u64) -> Bill {
    let lacks =
        own.bill.iter().filter(|(_, count)| *count > 0).map(|&(kind, count)| {
            (kind, count.saturating_add(before(entries, own, kind)).saturating_sub(available(kind)))
        });
    lacks.filter(|(_, lack)| *lack > 0).collect()
}

impl Standing {
    /// The kinds that it needs.
    pub fn kinds(&self) -> &[TupleKind] {
        &self.kinds
    }

    /// Starts if the stock covers this execution and those that go first; until this is dropped, what it needs is kept
    /// for it.
    ///
    /// # Errors
    /// [`Wait`] says what is missing; with nothing missing, that the line has still to settle.
    pub fn start(&self, available: impl Fn(TupleKind) -> u64, now: Instant) -> Result<(), Wait> {
        let mut entries = self.line.entries();
        let own = entries.iter().position(|entry| entry.place == self.place).expect("it stands in line until dropped");
        let entry = &entries[own];
        let missing = missing(&entries, entry, &available);
        let everybody = |kind| entries.iter().fold(0u64, |sum, entry| sum.saturating_add(needs(&entry.bill, kind)));
        let covers_all = entry.bill.iter().all(|&(kind, _)| everybody(kind) <= available(kind));
        if missing.is_empty() && (covers_all || now.saturating_duration_since(entry.entered) >= SETTLE) {
            entries[own].started = true;
            return Ok(());
        }
        let kind = missing.first().or(entry.bill.first()).map_or(TupleKind::TRIPLE, |(kind, _)| *kind);
        Err(Wait { kind, wanted: needs(&entry.bill, kind), available: available(kind), missing })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.line.entries().retain(|entry| entry.place != self.place);
        self.line.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENT: ClientKey = ClientKey([1; 32]);

    fn triples(count: u64) -> Bill {
        vec![(TupleKind::TRIPLE, count)]
    }

    fn enter(line: &Line, issued: u64, id: u8, bill: Bill, now: Instant) -> Standing {
        line.enter(issued, ExecutionId([id; 16]), CLIENT, bill, now).expect("there is room")
    }

    #[test]
    fn who_is_covered_with_all_others_starts_at_once() {
        let (line, now) = (Line::default(), Instant::now());
        let (one, two) = (enter(&line, 1, 1, triples(10), now), enter(&line, 2, 2, triples(20), now));
        assert_eq!(two.start(|_| 30, now), Ok(()));
        assert_eq!(one.start(|_| 30, now), Ok(()));
        assert_eq!(line.waiting(), 0);
    }

    #[test]
    fn a_later_one_does_not_take_what_an_earlier_one_waits_for() {
        let (line, now) = (Line::default(), Instant::now());
        let (big, small) = (enter(&line, 1, 1, triples(1000), now), enter(&line, 2, 2, triples(5), now));
        let now = now + SETTLE;
        assert_eq!(small.start(|_| 900, now).map_err(|wait| wait.missing), Err(triples(105)));
        assert_eq!(big.start(|_| 900, now).map_err(|wait| wait.missing), Err(triples(100)));
        let bits = enter(&line, 3, 3, vec![(TupleKind::BIT, 5)], now);
        assert_eq!(bits.start(|_| 900, now), Ok(()), "another kind");
        assert_eq!(big.start(|_| 1000, now), Ok(()));
        assert!(small.start(|_| 1000, now).is_err(), "kept until the big one has taken");
        drop(big);
        assert_eq!(small.start(|_| 5, now), Ok(()));
    }

    #[test]
    fn where_not_all_are_covered_nobody_starts_before_the_line_has_settled() {
        let (line, now) = (Line::default(), Instant::now());
        let (_big, small) = (enter(&line, 2, 1, triples(1000), now), enter(&line, 1, 2, triples(5), now));
        assert_eq!(small.start(|_| 10, now).map_err(|wait| wait.missing), Err(Vec::new()));
        let now = now + SETTLE;
        assert_eq!(small.start(|_| 10, now), Ok(()));
    }

    #[test]
    fn a_client_finds_its_own_place_and_no_other() {
        let (line, now) = (Line::default(), Instant::now());
        let _standing: Vec<_> = (1..=3).map(|id| enter(&line, 5, id, triples(10), now)).collect();
        let find = |id: u8, client| line.find(ExecutionId([id; 16]), &client, |_| 0);
        assert_eq!(find(3, CLIENT), Some((2, triples(30))));
        assert_eq!(find(3, ClientKey([2; 32])), None);
        assert_eq!(find(9, CLIENT), None);
        assert_eq!(line.promised(TupleKind::TRIPLE), 30);
    }

    #[test]
    fn the_line_is_bounded() {
        let (line, now) = (Line::default(), Instant::now());
        let enter = |n: usize| line.enter(n as u64, ExecutionId([0; 16]), CLIENT, triples(1), now);
        let standing: Vec<_> = (0..EXECUTIONS_QUEUED_MAX).map(|n| enter(n).unwrap()).collect();
        assert_eq!(enter(9999).err(), Some(Full));
        drop(standing);
        assert!(enter(0).is_ok());
    }

    proptest! {
        /// Whatever order requests arrive in, members with the same line and stock start the same executions, the ones
        /// that start are covered together, and the first in line is served as soon as the stock covers it.
        #[test]
        fn members_decide_alike_and_never_promise_a_tuple_twice(
            wishes in prop::collection::vec((0..4u64, 1..50u64), 1..8),
            stock in 0..200u64,
            shuffle: u64,
        ) {
            let started = |order: Vec<usize>| {
                let (line, now) = (Line::default(), Instant::now());
                let stand = |i: usize| (i, enter(&line, wishes[i].0, i as u8, triples(wishes[i].1), now));
                let mut standing: Vec<(usize, Standing)> = order.into_iter().map(stand).collect();
                standing.sort_by_key(|(_, standing)| standing.place);
                let mut started = Vec::new();
                for (i, standing) in &standing {
                    if standing.start(|_| stock, now + SETTLE).is_ok() {
                        started.push(*i);
                    }
                }
                let first = standing[0].0;
                assert_eq!(started.contains(&first), wishes[first].1 <= stock);
                assert!(started.iter().map(|&i| wishes[i].1).sum::<u64>() <= stock);
                started
            };
            let mut order: Vec<usize> = (0..wishes.len()).collect();
            let one = started(order.clone());
            order.rotate_left(shuffle as usize % wishes.len());
            order.reverse();
            prop_assert_eq!(one, started(order));
        }
    }
}

//! The order of MAC checks where one process holds all parties: a [`Gate`] for each VM thread of each party.
//!
//! As in a node (which asks the cloud's sequencer), a check is numbered as soon as all parties' same thread has asked for
//! it, and each party runs the checks of a key strictly by number, one at a time. So nobody waits in a circle: whoever
//! has the lowest number that has not ended is let in at every party. Nothing survives the process, so there is no journal.
//!
//! A check that not all parties will ask for any more, because the gate of one was dropped, is refused to the others.

use crate::digest::Hash;
use crate::port::{BoxFuture, Gate, GateError, OwnSigma, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Which check: that of a thread, by the session id that all parties' same thread has, and how many it entered before.
type Item = (Hash, u64);

/// The order of checks under one MAC key.
pub struct Turns {
    state: Mutex<State>,
}

struct State {
    /// Items that somebody has still to ask for, and who has asked.
    asked: BTreeMap<Item, BTreeSet<usize>>,
    numbers: BTreeMap<Item, u64>,
    next: u64,
    /// By party.
    lines: Vec<Line>,
    /// Gates that were dropped, by party.
    gone: BTreeSet<(Hash, usize)>,
    withdrawn: BTreeSet<usize>,
    waiting: Vec<Waker>,
}

/// A party's place in the order.
#[derive(Default)]
struct Line {
    /// The number that it may run now.
    turn: u64,
    /// Later numbers that it will not run.
    passed: BTreeSet<u64>,
    broken: Option<GateError>,
}

impl Turns {
    pub fn new(parties: usize) -> Arc<Self> {
        let state = State {
            asked: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next: 0,
            lines: (0..parties).map(|_| Line::default()).collect(),
            gone: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            waiting: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// The gate of one party's thread with this session id.
    pub fn gate(self: &Arc<Self>, party: usize, session: Hash) -> Box<dyn Gate> {
        Box::new(TurnGate { turns: Arc::clone(self), party, session, entered: 0, held: Held::Nothing })
    }

    /// A party will ask for nothing more: checks that wait for it are refused to the others.
    pub fn withdraw(&self, party: usize) {
        let mut state = self.lock();
        state.withdrawn.insert(party);
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask(&mut self, party: usize, item: Item) {
        if self.numbers.contains_key(&item) {
            return;
        }
        let asked = self.asked.entry(item).or_default();
        asked.insert(party);
        if asked.len() == self.lines.len() {
            self.asked.remove(&item);
            self.numbers.insert(item, self.next);
            self.next += 1;
            self.wake();
        }
    }

    /// Whether the check may begin; the error if it never will.
    fn poll(&mut self, party: usize, item: Item, cx: &mut Context<'_>) -> Poll<Result<(), GateError>> {
        if let Some(error) = self.lines[party].broken {
            return Poll::Ready(Err(error));
        }
        match self.numbers.get(&item) {
            Some(&number) if number == self.lines[party].turn => return Poll::Ready(Ok(())),
            Some(_) => {}
            None => {
                let asked = self.asked.get(&item);
                let missing = (0..self.lines.len()).filter(|j| asked.is_none_or(|asked| !asked.contains(j)));
                if missing.into_iter().any(|j| self.withdrawn.contains(&j) || self.gone.contains(&(item.0, j))) {
                    return Poll::Ready(Err(GateError::NoTurn));
                }
            }
        }
        self.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// The party's check with this number has ended, or will not be.
    fn leave(&mut self, party: usize, number: u64) {
        let line = &mut self.lines[party];
        line.passed.insert(number);
        while line.passed.remove(&line.turn) {
            line.turn += 1;
        }
        self.wake();
    }

    fn end(&mut self, party: usize, error: GateError) {
        self.lines[party].broken.get_or_insert(error);
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// What a gate has of its last item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Asked,
    Turn,
    Committed,
}

struct TurnGate {
    turns: Arc<Turns>,
    party: usize,
    session: Hash,
    entered: u64,
    held: Held,
}

impl TurnGate {
    fn item(&self) -> Item {
        (self.session, self.entered)
    }

    async fn enter_now(&mut self) -> Result<(), GateError> {
        assert!(self.held == Held::Nothing, "a thread runs one check at a time");
        self.entered += 1;
        self.held = Held::Asked;
        let item = self.item();
        self.turns.lock().ask(self.party, item);
        let result = poll_fn(|cx| self.turns.lock().poll(self.party, item, cx)).await;
        if result.is_ok() {
            self.held = Held::Turn;
        }
        result
    }

    fn advance(&mut self, from: Held, to: Held) -> Result<(), GateError> {
        if self.held != from {
            return Err(GateError::Frozen);
        }
        self.held = to;
        Ok(())
    }

    fn verdict_now(&mut self, verdict: Verdict) -> Result<(), GateError> {
        match verdict {
            Verdict::Failed => self.turns.lock().end(self.party, GateError::Compromised),
            Verdict::Passed => self.advance(Held::Committed, Held::Turn)?,
            Verdict::Benign if self.held != Held::Turn => return Err(GateError::Frozen),
            Verdict::Benign => {}
        }
        self.leave();
        Ok(())
    }

    fn leave(&mut self) {
        self.held = Held::Nothing;
        let item = self.item();
        let mut state = self.turns.lock();
        if let Some(&number) = state.numbers.get(&item) {
            state.leave(self.party, number);
            if state.lines.iter().all(|line| line.turn > number) {
                state.numbers.remove(&item);
            }
        }
    }
}

impl Gate for TurnGate {
    fn enter(&mut self, _covers: Hash) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.enter_now())
    }

    fn commit(&mut self, _own: OwnSigma) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.advance(Held::Turn, Held::Committed);
        Box::pin(std::future::ready(result))
    }

    fn commitments(&mut self, _all: Vec<Hash>) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.advance(Held::Committed, Held::Committed);
        Box::pin(std::future::ready(result))
    }

    fn verdict(&mut self, verdict: Verdict) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.verdict_now(verdict);
        Box::pin(std::future::ready(result))
    }

    fn key_dependent_check(&mut self, passed: bool) -> BoxFuture<'_, Result<(), GateError>> {
        let mut state = self.turns.lock();
        let result = match state.lines[self.party].broken {
            Some(GateError::Compromised) => Err(GateError::Compromised),
            _ => Ok(()),
        };
        if !passed {
            state.lines[self.party].broken = Some(GateError::Compromised);
            state.wake();
        }
        drop(state);
        Box::pin(std::future::ready(result))
    }
}

impl Drop for TurnGate {
    /// A check that is dropped after its commitment freezes the key for its party.
    fn drop(&mut self) {
        let held = self.held;
        if held != Held::Nothing {
            self.leave();
        }
        let mut state = self.turns.lock();
        if held == Held::Committed {
            state.end(self.party, GateError::Frozen);
        }
        state.gone.insert((self.session, self.party));
        state.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use futures::executor::block_on;

    const ONE: Hash = [1; 32];
    const TWO: Hash = [2; 32];

    fn sigma() -> OwnSigma {
        OwnSigma { counter: 1, commitment: [0; 32], opening: Vec::new() }
    }

    fn pass(gate: &mut Box<dyn Gate>) {
        block_on(gate.commit(sigma())).unwrap();
        block_on(gate.verdict(Verdict::Passed)).unwrap();
    }

    #[test]
    fn checks_are_numbered_when_all_have_asked_and_run_in_that_order_everywhere() {
        let turns = Turns::new(2);
        let mut first = [turns.gate(0, ONE), turns.gate(1, ONE)];
        let mut second = [turns.gate(0, TWO), turns.gate(1, TWO)];
        let [first_0, first_1] = &mut first;
        let [second_0, second_1] = &mut second;
        let mut early = first_0.enter([0; 32]);
        assert!((&mut early).now_or_never().is_none(), "the other party has not asked");
        let mut waits = second_0.enter([0; 32]);
        assert!((&mut waits).now_or_never().is_none());
        assert_eq!(second_1.enter([0; 32]).now_or_never(), Some(Ok(())), "the first that all asked for");
        assert_eq!((&mut waits).now_or_never(), Some(Ok(())));
        drop(waits);
        let mut later = first_1.enter([0; 32]);
        assert!((&mut later).now_or_never().is_none(), "one check at a time");
        assert!((&mut early).now_or_never().is_none());
        pass(second_1);
        assert_eq!((&mut later).now_or_never(), Some(Ok(())));
        assert!((&mut early).now_or_never().is_none(), "this party's own first check has not ended");
        pass(second_0);
        assert_eq!((&mut early).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_check_that_somebody_will_not_ask_for_is_refused_and_passed_over() {
        let turns = Turns::new(2);
        let mut gone = turns.gate(0, ONE);
        let left = turns.gate(1, ONE);
        let mut waits = gone.enter([0; 32]);
        assert!((&mut waits).now_or_never().is_none());
        drop(left);
        assert_eq!((&mut waits).now_or_never(), Some(Err(GateError::NoTurn)));

        let (mut a, mut b) = (turns.gate(0, TWO), turns.gate(1, TWO));
        assert!(a.enter([0; 32]).now_or_never().is_none());
        assert_eq!(b.enter([0; 32]).now_or_never(), Some(Ok(())));
        drop(a);
        let mut other = turns.gate(0, [3; 32]);
        let mut again = turns.gate(1, [3; 32]);
        assert!(other.enter([0; 32]).now_or_never().is_none());
        pass(&mut b);
        assert_eq!(again.enter([0; 32]).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_failed_check_burns_and_a_dropped_one_freezes_for_all_threads_of_the_party() {
        let turns = Turns::new(1);
        let mut gate = turns.gate(0, ONE);
        let mut other = turns.gate(0, TWO);
        block_on(gate.enter([0; 32])).unwrap();
        block_on(gate.commit(sigma())).unwrap();
        block_on(gate.verdict(Verdict::Failed)).unwrap();
        assert_eq!(block_on(other.enter([0; 32])), Err(GateError::Compromised));

        let turns = Turns::new(1);
        let mut gate = turns.gate(0, ONE);
        block_on(gate.enter([0; 32])).unwrap();
        block_on(gate.commit(sigma())).unwrap();
        drop(gate);
        assert_eq!(block_on(turns.gate(0, TWO).enter([0; 32])), Err(GateError::Frozen));
    }
}

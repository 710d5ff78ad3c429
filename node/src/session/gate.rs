//! The gate of a session: its MAC checks in the cloud's order, one at a time per key, journalled.
//!
//! [`KeyGate`] implements the engine's port. A check waits for its turn ([`crate::order`]), is
//! durable before its commitment leaves and again before its opening leaves, and holds the turn
//! until the verdict. A check that breaks after it may have been written down is handed to the
//! [`Finisher`] together with the turn, so that no other check starts before it has been finished.

use crate::journal::{CheckError, Journal, KeyState, NewCheck};
use crate::order::{Order, QueueId, Turn};
use crate::session::finish::{Finisher, Unfinished};
use crate::session::side::{Side, field_byte};
use crate::store::{MacScope, sealed::SecretBytes};
use polyyne_engine::digest::{Hash, Transcript};
use polyyne_engine::port::{BoxFuture, Gate, GateError, OwnSigma, Verdict};
use std::time::Duration;

/// What all gates of one MAC key share.
#[derive(Clone)]
pub struct KeyGuard {
    pub scope: MacScope,
    pub journal: Journal,
    pub order: Order,
    pub finisher: Finisher,
    /// How long a check waits for its turn.
    pub patience: Duration,
}

impl KeyGuard {
    /// The gate of one session (or VM thread), by its session id.
    pub fn gate(&self, session: Hash) -> Box<dyn Gate> {
        self.gate_over(session, None)
    }

    /// The gate for checks over a field beside the prime one. All fields' checks stand in the same queue.
    pub fn gate_over(&self, session: Hash, side: Option<Side>) -> Box<dyn Gate> {
        Box::new(KeyGate { guard: self.clone(), session, field: field_byte(side), entered: 0, held: None })
    }

    fn usable(&self) -> Result<(), GateError> {
        match self.journal.key_state(self.scope) {
            Ok(KeyState::Active) => Ok(()),
            Ok(KeyState::Frozen { .. }) => Err(GateError::Frozen),
            Ok(KeyState::Compromised { .. }) => Err(GateError::Compromised),
            Err(_) => Err(GateError::Journal),
        }
    }
}

/// See the module's head.
struct KeyGate {
    guard: KeyGuard,
    session: Hash,
    field: u8,
    entered: u64,
    held: Option<Held>,
}

/// A check that has its turn.
struct Held {
    turn: Turn,
    covers: Hash,
    /// Its number, once it may be in the journal.
    journalled: Option<u64>,
}

impl KeyGate {
    async fn enter_now(&mut self, covers: Hash) -> Result<(), GateError> {
        assert!(self.held.is_none(), "a session runs one check at a time");
        self.entered += 1;
        let item =
            Transcript::new("check turn").bytes(&self.session).number(self.field.into()).number(self.entered).finish();
        let queue = QueueId::check(self.guard.scope);
        let turn = self.guard.order.turn(queue, item, self.guard.patience).await.map_err(|error| {
            tracing::debug!(%error, "a MAC check did not get its turn");
            GateError::NoTurn
        })?;
        self.guard.usable()?;
        self.held = Some(Held { turn, covers, journalled: None });
        Ok(())
    }

    async fn commit_now(&mut self, own: OwnSigma) -> Result<(), GateError> {
        let held = self.held.as_mut().expect("the engine enters before it commits");
        let record = self.guard.journal.key_record(self.guard.scope).map_err(|_| GateError::Journal)?;
        let number = record.last_check.checked_add(1).expect("a key does not see 2^64 checks");
        let check = NewCheck {
            scope: self.guard.scope,
            number,
            session: crate::store::SessionId(self.session),
            counter: own.counter,
            field: self.field,
            covers: held.covers,
            opening: SecretBytes::new(own.opening.clone()),
            commitment: own.commitment.to_vec(),
        };
        // Before the write: whoever stops waiting for it does not undo it, and the check has to be finished all the same.
        held.journalled = Some(number);
        if let Err(error) = self.guard.journal.begin_check(check).await {
            held.journalled = None;
            return Err(refused(error));
        }
        crate::failpoint::pass("check-begun");
        Ok(())
    }

    async fn commitments_now(&mut self, all: Vec<Hash>) -> Result<(), GateError> {
        let number = self.number();
        let all = all.into_iter().map(|commitment| commitment.to_vec()).collect();
        self.guard.journal.record_commitments(self.guard.scope, number, all).await.map_err(refused)?;
        crate::failpoint::pass("check-committed");
        Ok(())
    }

    async fn verdict_now(&mut self, verdict: Verdict) -> Result<(), GateError> {
        crate::failpoint::pass("check-opened");
        match verdict {
            Verdict::Benign => {
                assert!(self.held.as_ref().is_none_or(|held| held.journalled.is_none()), "nothing has left");
            }
            Verdict::Passed => {
                let number = self.number();
                self.guard.journal.finish_zero(self.guard.scope, number).await.map_err(refused)?;
            }
            Verdict::Failed => self.guard.finisher.burn(self.guard.scope, "a MAC check failed").await,
        }
        self.held = None;
        Ok(())
    }

    /// Both outcomes are on disk before anything that depends on them leaves.
    async fn key_dependent_check_now(&mut self, passed: bool) -> Result<(), GateError> {
        crate::failpoint::pass("key-check-decided");
        let (journal, scope) = (&self.guard.journal, self.guard.scope);
        if passed {
            return journal.pass_key_check(scope).await.map_err(refused);
        }
        let before = self.guard.usable();
        self.guard.finisher.burn(scope, "a consistency check that depends on the MAC key failed").await;
        match before {
            Err(GateError::Compromised) => before,
            _ => Ok(()),
        }
    }

    fn number(&self) -> u64 {
        self.held.as_ref().and_then(|held| held.journalled).expect("the engine commits before it opens")
    }
}

fn refused(error: CheckError) -> GateError {
    tracing::error!(%error, "the journal of MAC checks refuses");
    match error {
        CheckError::KeyCompromised => GateError::Compromised,
        CheckError::Unfinished { .. } => GateError::Frozen,
        _ => GateError::Journal,
    }
}

impl Gate for KeyGate {
    fn enter(&mut self, covers: Hash) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.enter_now(covers))
    }

    fn commit(&mut self, own: OwnSigma) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.commit_now(own))
    }

    fn commitments(&mut self, all: Vec<Hash>) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.commitments_now(all))
    }

    fn verdict(&mut self, verdict: Verdict) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.verdict_now(verdict))
    }

    fn key_dependent_check(&mut self, passed: bool) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(self.key_dependent_check_now(passed))
    }
}

impl Drop for KeyGate {
    /// A session that ends in the middle of a check leaves it to the finisher.
    fn drop(&mut self) {
        if let Some(Held { turn, journalled: Some(number), .. }) = self.held.take() {
            self.guard.finisher.take_over(Unfinished { scope: self.guard.scope, number, turn: Some(turn) });
        }
    }
}

//! Results that a crash or a broken link left between CHECKED here and visible: they become visible
//! with the votes of all members, whether or not the client asks again.
//!
//! Without this a member that died before it kept the results would lack secrets that the others
//! have. An execution that another member never checked stays as it is: nobody has its results.
//!
//! The row of a checked execution holds its answer and is what votes are given from. When the answer's time is over
//! the row shrinks to what says that the id was used; a member that still lacks the results then gets their certificate.

use super::{Ephemeral, ExecutionState, Outcome};
use crate::amphora::Amphora;
use crate::desk::now_s;
use crate::store::{ExecId, Fault};
use polyyne_protocol::canonical;
use polyyne_protocol::limits;
use polyyne_protocol::request::RefusalCode;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Between two rounds.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks for answers whose time is over.
const SWEEP: Duration = Duration::from_secs(600);
/// Executions that are remembered as unsettled; the others are found at the next start.
const UNSETTLED_MAX: usize = 4096;

impl Ephemeral {
    /// Settles what an earlier process left, and what ends badly from here on.
    pub async fn keep_settled(self, amphora: Amphora) {
        if let Err(error) = self.remember_earlier() {
            tracing::error!(%error, "earlier executions cannot be read");
        }
        let mut next_sweep = Instant::now();
        loop {
            for exec in self.unsettled() {
                if self.settle(exec, &amphora).await {
                    self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).remove(&exec);
                }
            }
            if Instant::now() >= next_sweep {
                self.sweep(&amphora, now_s().saturating_mul(1000)).await;
                next_sweep = Instant::now() + SWEEP;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Forgets the answers whose time is over, and what their executions' rows held for them.
    pub(crate) async fn sweep(&self, amphora: &Amphora, now_ms: u64) {
        for (request, exec) in self.answers.expired(now_ms).unwrap_or_default() {
            let ended = match self.seat.castor.execution(exec) {
                Ok(None) => true,
                Ok(Some(row)) if row.scope.cloud == self.seat.scope.cloud => {
                    self.shrink(exec, row.state, amphora).await
                }
                Ok(Some(_)) | Err(_) => false,
            };
            if ended && let Err(error) = self.answers.forget(request).await {
                tracing::error!(%error, "an old answer could not be forgotten");
            }
        }
    }

    /// Whether nothing but the id is left of an execution. One whose results are not visible here keeps its row.
    async fn shrink(&self, exec: ExecId, state: ExecutionState, amphora: &Amphora) -> bool {
        match state {
            ExecutionState::Taken => false,
            ExecutionState::Done | ExecutionState::Aborted(_) => true,
            ExecutionState::Checked(record) => {
                let Ok(outcome) = canonical::decode::<Outcome>(&record, limits::ENVELOPE_PLAINTEXT_MAX) else {
                    return false;
                };
                outcome.descriptions.iter().all(|description| amphora.is_kept(description.id))
                    && self.seat.castor.done(exec).await.is_ok()
            }
        }
    }

    /// An execution that may have been checked without its results having become visible.
    pub(super) fn leave_unsettled(&self, exec: ExecId) {
        let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        if unsettled.len() < UNSETTLED_MAX {
            unsettled.insert(exec);
        }
    }

    fn unsettled(&self) -> Vec<ExecId> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn remember_earlier(&self) -> Result<(), Fault> {
        for (exec, row) in self.seat.castor.open_executions()? {
            if row.scope == self.seat.scope {
                self.leave_unsettled(exec);
            }
        }
        Ok(())
    }

    /// One try; true when there is nothing more to do.
    async fn settle(&self, exec: ExecId, amphora: &Amphora) -> bool {
        let Ok(row) = self.seat.castor.execution(exec) else { return false };
        let Some(ExecutionState::Checked(record)) = row.map(|row| row.state) else { return true };
        let Ok(outcome) = canonical::decode::<Outcome>(&record, limits::ENVELOPE_PLAINTEXT_MAX) else { return true };
        let Some(owner) = outcome.descriptions.first().map(|description| description.owner) else { return true };
        if self.is_running(&outcome.statement.execution) {
            return false;
        }
        if outcome.descriptions.iter().all(|description| amphora.is_kept(description.id)) {
            return true;
        }
        let Ok(certificate) = self.gather_votes(&outcome.statement).await else { return false };
        let Outcome { descriptions, shares, statement, .. } = &outcome;
        match amphora.keep_results(owner, descriptions, shares, statement, &certificate).await {
            Ok(()) => true,
            Err(refusal) => refusal.code == RefusalCode::Conflict,
        }
    }
}

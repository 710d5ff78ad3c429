//! The journal of takings: one row per execution, for ever.
//!
//! ```text
//! TAKEN ─▶ CHECKED ─▶ DONE
//!   └────────┴─────▶ ABORTED
//! ```
//! No transition leads back to where tuples are available: they were deleted in the commit that wrote TAKEN.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::place::Span;
use super::{Castor, Tables, TupleKind};
use crate::store::durable::{Apply, Reads};
use crate::store::tuples_file::OPEN_EXECUTIONS;
use crate::store::{ExecId, Fault, MacScope};

/// One taking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub scope: MacScope,
    /// What the members agreed on.
    pub digest: [u8; 32],
    pub taken: Vec<(TupleKind, Vec<Span>)>,
    /// The store's head ([`super::Head`]) after it.
    pub sequence: u64,
    pub state: ExecutionState,
}

/// How far it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionState {
    /// Tuples deleted; nothing known to be right.
    Taken,
    /// Its MAC checks passed here; what the caller needs to answer after a restart.
    Checked(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Answered. The record is gone, the row stays.
    Done,
    Aborted(AbortCause),
}

/// Why an execution ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AbortCause {
    /// The process ended before the check.
    Restarted,
    /// The MAC key was burned.
    KeyBurned,
    /// The caller's own code.
    Caller(u16),
}

/// Why a transition was refused.
#[derive(Debug, Error)]
pub enum ExecutionError {
    #[error("execution {0} is not known here")]
    Unknown(ExecId),
    #[error("execution {0} is past that step")]
    WrongState(ExecId),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Castor {
    /// The row of an execution.
    pub fn execution(&self, exec: ExecId) -> Result<Option<Execution>, Fault> {
        self.tables.executions.get(&self.durable.read()?, &exec.0)
    }

    /// The executions that have not ended: CHECKED ones after a restart, TAKEN ones of this process.
    pub fn open_executions(&self) -> Result<Vec<(ExecId, Execution)>, Fault> {
        self.tables.open_executions(&self.durable.read()?)
    }

    /// TAKEN to CHECKED, with the record that answers need after a restart. Again with the same record: accepted.
    pub async fn checked(&self, exec: ExecId, record: Vec<u8>) -> Result<(), ExecutionError> {
        self.step(exec, move |state| match state {
            ExecutionState::Taken => Some(ExecutionState::Checked(record)),
            ExecutionState::Checked(same) if same == record => Some(ExecutionState::Checked(same)),
            _ => None,
        })
        .await
    }

    /// CHECKED to DONE.
    pub async fn done(&self, exec: ExecId) -> Result<(), ExecutionError> {
        self.step(exec, |state| match state {
            ExecutionState::Checked(_) | ExecutionState::Done => Some(ExecutionState::Done),
            _ => None,
        })
        .await
    }

    /// Ends an execution without a result. One that ended so already keeps its first cause.
    pub async fn abort(&self, exec: ExecId, code: u16) -> Result<(), ExecutionError> {
        self.step(exec, move |state| match state {
            ExecutionState::Done => None,
            ExecutionState::Aborted(first) => Some(ExecutionState::Aborted(first)),
            _ => Some(ExecutionState::Aborted(AbortCause::Caller(code))),
        })
        .await
    }

    async fn step(
        &self,
        exec: ExecId,
        next: impl FnOnce(ExecutionState) -> Option<ExecutionState> + Send + 'static,
    ) -> Result<(), ExecutionError> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| {
                    let known = planning.executions.get(plan, &exec.0)?;
                    let mut execution = known.ok_or(ExecutionError::Unknown(exec))?;
                    let state = next(execution.state);
                    execution.state = state.ok_or(ExecutionError::WrongState(exec))?;
                    Ok(execution)
                },
                move |apply, execution| applying.put_execution(apply, exec, &execution),
            )
            .await
    }

    pub(super) async fn abort_earlier_executions(&self) -> Result<(), Fault> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| planning.taken_executions(plan, |_| true),
                move |apply, taken| applying.abort_all(apply, taken, AbortCause::Restarted),
            )
            .await
    }
}

impl Tables {
    fn open_executions(&self, from: &impl Reads) -> Result<Vec<(ExecId, Execution)>, Fault> {
        let damaged = || Fault::Damaged { table: OPEN_EXECUTIONS.0 };
        let rows = from.view(OPEN_EXECUTIONS)?.under(&[])?;
        let mut open = Vec::new();
        for (key, _) in rows {
            let exec = ExecId(key.as_slice().try_into().map_err(|_| damaged())?);
            let execution = self.executions.get(from, &key)?.ok_or_else(damaged)?;
            open.push((exec, execution));
        }
        Ok(open)
    }

    /// The executions in TAKEN whose scope is meant.
    pub(super) fn taken_executions(
        &self,
        from: &impl Reads,
        meant: impl Fn(MacScope) -> bool,
    ) -> Result<Vec<(ExecId, Execution)>, Fault> {
        let mut open = self.open_executions(from)?;
        open.retain(|(_, execution)| execution.state == ExecutionState::Taken && meant(execution.scope));
        Ok(open)
    }

    pub(super) fn abort_all(
        &self,
        apply: &Apply<'_>,
        executions: Vec<(ExecId, Execution)>,
        cause: AbortCause,
    ) -> Result<(), Fault> {
        executions.into_iter().try_for_each(|(exec, mut execution)| {
            execution.state = ExecutionState::Aborted(cause);
            self.put_execution(apply, exec, &execution)
        })
    }

    fn put_execution(&self, apply: &Apply<'_>, exec: ExecId, execution: &Execution) -> Result<(), Fault> {
        self.executions.put(apply, &exec.0, execution)?;
        if matches!(execution.state, ExecutionState::Done | ExecutionState::Aborted(_)) {
            apply.delete(OPEN_EXECUTIONS, &exec.0)?;
        }
        Ok(())
    }
}

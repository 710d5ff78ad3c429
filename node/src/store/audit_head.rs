//! The head of the audit chain: tells a truncated or rewritten `audit.log` from a whole one.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::durable::{Durable, Fault, Snapshot};
use super::sealed::Sealed;
use super::state_file::{AUDIT, StateFile};

/// Number and hash of the last audit record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    pub sequence: u64,
    pub chain: [u8; 32],
}

/// Why the head did not move.
#[derive(Debug, Error)]
pub enum AuditError {
    #[error("the audit chain is at record {at}, not before {next}")]
    OutOfOrder { at: u64, next: u64 },
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The stored head. Clones share it.
#[derive(Clone)]
pub struct AuditHeads {
    durable: Durable,
    row: Sealed<AuditHead>,
}

impl AuditHeads {
    pub fn of(file: &StateFile) -> Self {
        Self { durable: file.sealed().durable().clone(), row: file.sealed().table(AUDIT) }
    }

    /// The last head.
    pub fn last(&self) -> Result<AuditHead, Fault> {
        let head = self.row.get(&self.durable.read()?, b"head")?;
        Ok(head.unwrap_or_default())
    }

    /// The head as one moment saw it.
    pub fn at(&self, from: &Snapshot) -> Result<AuditHead, Fault> {
        Ok(self.row.get(from, b"head")?.unwrap_or_default())
    }

    /// Moves on to the next record.
    pub async fn advance(&self, next: AuditHead) -> Result<(), AuditError> {
        let (planning, applying) = (self.row.clone(), self.row.clone());
        self.durable
            .write(
                move |plan| {
                    let at = planning.get(plan, b"head")?.unwrap_or_default().sequence;
                    match at.checked_add(1) == Some(next.sequence) {
                        true => Ok(()),
                        false => Err(AuditError::OutOfOrder { at, next: next.sequence }),
                    }
                },
                move |apply, ()| applying.put(apply, b"head", &next),
            )
            .await
    }
}

//! Whether generation is paused at this member, and why. A pause is durable, and only an operator ends it: a member that
//! restarts, or whose session breaks, does not begin another setup by itself (I47).

use crate::store::Fault;
use crate::store::sealed::SecretBytes;
use crate::store::shelf::Shelf;
use polyyne_protocol::canonical;
use polyyne_protocol::id::CloudId;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};

const ROW_BYTES_MAX: usize = 64 << 10;

/// Why generation is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The configuration turns generation off. Not stored.
    Configuration,
    Operator,
    /// Something that the operator has to look at, in words.
    Trouble(String),
}

/// The pause of one cloud's generation.
pub struct Pause {
    rows: Shelf,
    cloud: CloudId,
    cause: Mutex<Option<Cause>>,
}

impl Pause {
    /// What was stored; else paused if `enabled` is false.
    ///
    /// # Errors
    /// If the store cannot be read: then nobody knows whether generation may go on. A damaged row is a pause.
    pub fn load(rows: Shelf, cloud: CloudId, enabled: bool) -> Result<Self, Fault> {
        let stored = rows.get(&cloud.0)?.map(|row| {
            let damaged = |_| Cause::Trouble("the record of a pause is damaged".into());
            canonical::decode(row.expose(), ROW_BYTES_MAX).unwrap_or_else(damaged)
        });
        let cause = stored.or((!enabled).then_some(Cause::Configuration));
        Ok(Self { rows, cloud, cause: Mutex::new(cause) })
    }

    fn cause(&self) -> MutexGuard<'_, Option<Cause>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_on(&self) -> bool {
        self.cause().is_some()
    }

    /// What the operator has to look at.
    pub fn trouble(&self) -> Option<String> {
        match &*self.cause() {
            Some(Cause::Trouble(trouble)) => Some(trouble.clone()),
            _ => None,
        }
    }

    /// In force at once, durable when this returns. The first trouble stays.
    ///
    /// # Errors
    /// If it could not be written; it is in force all the same.
    pub async fn begin(&self, cause: Cause) -> Result<(), Fault> {
        {
            let mut own = self.cause();
            if matches!(*own, Some(Cause::Trouble(_))) {
                return Ok(());
            }
            *own = Some(cause.clone());
        }
        self.rows.put(&self.cloud.0, SecretBytes::new(canonical::encode(&cause))).await
    }

    /// Ends it, at the operator's order.
    ///
    /// # Errors
    /// If that could not be written: then it goes on.
    pub async fn end(&self) -> Result<(), Fault> {
        self.rows.delete(&self.cloud.0).await?;
        *self.cause() = None;
        Ok(())
    }
}

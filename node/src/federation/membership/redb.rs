//! Membership in the node's state file.

use polyyne_engine::port::BoxFuture;
use polyyne_protocol::id::{CloudId, RecordHash};

use super::{MembershipStore, Place, Said, StoreError};
use crate::store::{
    Fault, StateFile,
    membership::{AppendError, MembershipLogs},
    promises::{Ballot, PromiseError, PromiseState, Promises},
    sealed::SecretBytes,
    shelf::Shelf,
};

/// See the module's head.
pub struct StateStore {
    logs: MembershipLogs,
    promises: Promises,
    invitations: Shelf,
}

impl StateStore {
    pub fn of(file: &StateFile) -> Self {
        Self { logs: MembershipLogs::of(file), promises: Promises::of(file), invitations: Shelf::invitations(file) }
    }
}

fn fault(fault: Fault) -> StoreError {
    StoreError::Fault(fault.to_string())
}

fn refused(error: PromiseError) -> StoreError {
    match error {
        PromiseError::OtherRecord { .. } => StoreError::OtherRecord,
        PromiseError::Withdrawn | PromiseError::NotPromised | PromiseError::Signed => StoreError::WrongState,
        PromiseError::Fault(cause) => fault(cause),
    }
}

impl From<Place> for Ballot {
    fn from(place: Place) -> Self {
        Self { subject: place.subject, epoch: place.epoch, attempt: place.attempt.into() }
    }
}

impl MembershipStore for StateStore {
    fn logs(&self) -> Result<Vec<Vec<Vec<u8>>>, StoreError> {
        let clouds = self.logs.clouds().map_err(fault)?;
        clouds.into_iter().map(|cloud| self.logs.log(cloud).map_err(fault)).collect()
    }

    fn append(&self, cloud: CloudId, epoch: u64, record: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.logs.append(cloud, epoch, record).await.map_err(|error| match error {
                AppendError::Fork { .. } => StoreError::Fork,
                AppendError::Fault(cause) => fault(cause),
                AppendError::Gap { .. } | AppendError::Halted(_) => StoreError::Fault(error.to_string()),
            })
        })
    }

    fn halt(&self, cloud: CloudId, evidence: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.logs.halt(cloud, evidence).await.map_err(fault) })
    }

    fn is_halted(&self, cloud: CloudId) -> Result<bool, StoreError> {
        Ok(self.logs.halted(cloud).map_err(fault)?.is_some())
    }

    fn say(&self, place: Place, record: RecordHash, what: Said) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let (ballot, digest) = (place.into(), record.0);
            let said = match what {
                Said::Promised => self.promises.promise(ballot, digest).await,
                Said::Signed => self.promises.sign(ballot, digest).await,
                Said::Withdrawn => self.promises.withdraw(ballot, digest).await,
            };
            said.map_err(refused)
        })
    }

    fn said(&self, place: Place) -> Result<Option<(RecordHash, Said)>, StoreError> {
        let said = self.promises.said(place.into()).map_err(fault)?;
        Ok(said.map(|promise| {
            let state = match promise.state {
                PromiseState::Promised => Said::Promised,
                PromiseState::Withdrawn => Said::Withdrawn,
                PromiseState::Signed => Said::Signed,
            };
            (RecordHash(promise.digest), state)
        }))
    }

    fn proposals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.invitations.under(&[]).map_err(fault)?;
        Ok(rows.into_iter().map(|(_, row)| row.expose().to_vec()).collect())
    }

    fn keep_proposal(&self, record: RecordHash, proposal: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.invitations.put(&record.0, SecretBytes::new(proposal)).await.map_err(fault) })
    }

    fn drop_proposal(&self, record: RecordHash) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.invitations.delete(&record.0).await.map_err(fault) })
    }
}

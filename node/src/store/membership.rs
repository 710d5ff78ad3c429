//! The signed logs of clouds, as this node accepted them: one record per epoch, never replaced.
//!
//! The records are opaque here; the caller has verified signatures and the hash chain. Two complete records for one
//! epoch halt a cloud: the halt is durable, with its evidence, and only an operator ends it.

use serde_bytes::ByteBuf;
use thiserror::Error;

use super::durable::{Durable, Fault, Reads};
use super::names::CloudId;
use super::sealed::Sealed;
use super::state_file::{HALTED, MEMBERSHIP, StateFile};

/// The logs. Clones share them.
#[derive(Clone)]
pub struct MembershipLogs {
    durable: Durable,
    records: Sealed<ByteBuf>,
    halted: Sealed<ByteBuf>,
}

/// Why a record was not appended.
#[derive(Debug, Error)]
pub enum AppendError {
    #[error("cloud {cloud} is at epoch {next}, this record is for epoch {epoch}")]
    Gap { cloud: CloudId, next: u64, epoch: u64 },
    #[error("cloud {cloud} has another record for epoch {epoch}")]
    Fork { cloud: CloudId, epoch: u64 },
    #[error("cloud {0} is halted")]
    Halted(CloudId),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl MembershipLogs {
    pub fn of(file: &StateFile) -> Self {
        Self {
            durable: file.sealed().durable().clone(),
            records: file.sealed().table(MEMBERSHIP),
            halted: file.sealed().table(HALTED),
        }
    }

    /// Appends a complete record. The same record again has no effect; another one for the same epoch is a fork, which
    /// the caller turns into [`MembershipLogs::halt`].
    pub async fn append(&self, cloud: CloudId, epoch: u64, record: Vec<u8>) -> Result<(), AppendError> {
        let (planning, applying) = (self.clone(), self.records.clone());
        self.durable
            .write(
                move |plan| planning.plan_append(plan, cloud, epoch, record),
                move |apply, record| match record {
                    Some(record) => applying.put(apply, &row_key(cloud, epoch), &record),
                    None => Ok(()),
                },
            )
            .await
    }

    /// The records of a cloud, from epoch 0.
    pub fn log(&self, cloud: CloudId) -> Result<Vec<Vec<u8>>, Fault> {
        let rows = self.records.under(&self.durable.read()?, &cloud.0)?;
        Ok(rows.into_iter().map(|(_, record)| record.into_vec()).collect())
    }

    /// The clouds that this node has a log of.
    pub fn clouds(&self) -> Result<Vec<CloudId>, Fault> {
        let mut clouds: Vec<CloudId> = Vec::new();
        self.durable.read()?.view(MEMBERSHIP)?.walk(&[], None, |key, _| {
            let damaged = Fault::Damaged { table: MEMBERSHIP.0 };
            let cloud = key.get(..CloudId::LEN).and_then(|cloud| cloud.try_into().ok());
            let cloud = CloudId(cloud.ok_or(damaged)?);
            if clouds.last() != Some(&cloud) {
                clouds.push(cloud);
            }
            Ok::<_, Fault>(true)
        })?;
        Ok(clouds)
    }

    /// Halts a cloud. The first evidence stays.
    pub async fn halt(&self, cloud: CloudId, evidence: Vec<u8>) -> Result<(), Fault> {
        let (planning, applying) = (self.halted.clone(), self.halted.clone());
        self.durable
            .write(
                move |plan| planning.get(plan, &cloud.0),
                move |apply, first| {
                    let evidence = first.unwrap_or(ByteBuf::from(evidence));
                    applying.put(apply, &cloud.0, &evidence)
                },
            )
            .await
    }

    /// The evidence for which a cloud is halted.
    pub fn halted(&self, cloud: CloudId) -> Result<Option<Vec<u8>>, Fault> {
        let evidence = self.halted.get(&self.durable.read()?, &cloud.0)?;
        Ok(evidence.map(ByteBuf::into_vec))
    }

    fn plan_append(
        &self,
        from: &impl Reads,
        cloud: CloudId,
        epoch: u64,
        record: Vec<u8>,
    ) -> Result<Option<ByteBuf>, AppendError> {
        if let Some(known) = self.records.get(from, &row_key(cloud, epoch))? {
            return match known == record {
                true => Ok(None),
                false => Err(AppendError::Fork { cloud, epoch }),
            };
        }
        if self.halted.get(from, &cloud.0)?.is_some() {
            return Err(AppendError::Halted(cloud));
        }
        let next = self.records.under(from, &cloud.0)?.len() as u64;
        match epoch == next {
            true => Ok(Some(record.into())),
            false => Err(AppendError::Gap { cloud, next, epoch }),
        }
    }
}

fn row_key(cloud: CloudId, epoch: u64) -> Vec<u8> {
    let mut key = cloud.0.to_vec();
    key.extend_from_slice(&epoch.to_be_bytes());
    key
}

//! What a MAC key may still be used for.

use polyyne_protocol::canonical;
use serde::{Deserialize, Serialize};

use super::{CheckError, Journal};
use crate::castor::burn;
use crate::store::durable::Reads;
use crate::store::tuples_file::{DATA_KEYS, ROWS};
use crate::store::{Fault, MacScope};

/// State of a MAC key, with the number of its last check. A key without a row is active and was never checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub state: KeyState,
    /// Numbers of checks only grow; 0 if there was none.
    pub last_check: u64,
    /// Checks that depended on the own share and passed, beside MAC checks: each may have been a right guess at bits
    /// of the share. See [`Journal::pass_key_check`].
    pub key_checks: u64,
}

/// What a MAC key may still be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    #[default]
    Active,
    /// No opening leaves under this key until the check is finished.
    Frozen { check: u64 },
    /// Never again. The evidence is what the members signed, or the operator's order.
    Compromised {
        #[serde(with = "serde_bytes")]
        evidence: Vec<u8>,
    },
}

impl Journal {
    /// The state of a key.
    pub fn key_state(&self, scope: MacScope) -> Result<KeyState, Fault> {
        Ok(self.key_record(scope)?.state)
    }

    /// The state of a key and the number of its last check.
    pub fn key_record(&self, scope: MacScope) -> Result<KeyRecord, Fault> {
        let record = self.tables.keys.get(&self.durable.read()?, &scope.to_key())?;
        Ok(record.unwrap_or_default())
    }

    /// All keys that are burned.
    pub fn compromised(&self) -> Result<Vec<MacScope>, Fault> {
        let rows = self.tables.keys.under(&self.durable.read()?, &[])?;
        Ok(rows
            .into_iter()
            .filter(|(_, record)| matches!(record.state, KeyState::Compromised { .. }))
            .filter_map(|(key, _)| MacScope::from_key(&key))
            .collect())
    }

    /// Burns a key: COMPROMISED is durable first, then its data key is shredded, its tuples are deleted and its
    /// executions aborted. When this returns nothing of the tuples can be read from the file. A crash in between is
    /// completed when the journal is opened. The first evidence stays.
    ///
    /// The caller drops the MAC key share ([`crate::store::mac_keys`]) and aborts the sessions under it.
    pub async fn compromise(&self, scope: MacScope, evidence: Vec<u8>) -> Result<(), Fault> {
        self.mark_compromised(scope, evidence).await?;
        burn(&self.durable, &self.castor, scope, true).await
    }

    pub(super) async fn mark_compromised(&self, scope: MacScope, evidence: Vec<u8>) -> Result<(), Fault> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        let (counting, counted) = (self.castor.clone(), self.castor.clone());
        self.durable
            .write(
                move |plan| {
                    let mut record = planning.record(plan, scope)?;
                    if !matches!(record.state, KeyState::Compromised { .. }) {
                        record.state = KeyState::Compromised { evidence };
                    }
                    let event = canonical::encode(&("burn", scope));
                    Ok::<_, Fault>((record, counting.head_after(plan, scope.cloud, &event)?))
                },
                move |apply, (record, head)| {
                    counted.put_head(apply, scope.cloud, &head)?;
                    applying.keys.put(apply, &scope.to_key(), &record)
                },
            )
            .await
    }

    /// Counts a check that depended on the own key share and passed; durable when this returns. One that failed burns
    /// the key instead, so what all of these have told is k bits with probability 2^-k.
    ///
    /// # Errors
    /// [`CheckError::KeyCompromised`] if the key is burned: then nobody may hear that this check passed.
    pub async fn pass_key_check(&self, scope: MacScope) -> Result<(), CheckError> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| {
                    let mut record = planning.record(plan, scope)?;
                    if matches!(record.state, KeyState::Compromised { .. }) {
                        return Err(CheckError::KeyCompromised);
                    }
                    record.key_checks = record.key_checks.saturating_add(1);
                    Ok(record)
                },
                move |apply, record| applying.keys.put(apply, &scope.to_key(), &record),
            )
            .await
    }

    /// Freezes a key because its check passed a deadline. Does nothing to a burned key.
    pub async fn freeze(&self, scope: MacScope, check: u64) -> Result<(), CheckError> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| {
                    let mut record = planning.record(plan, scope)?;
                    if record.state == KeyState::Active {
                        planning.unfinished(plan, scope, check)?;
                        record.state = KeyState::Frozen { check };
                    }
                    Ok(record)
                },
                move |apply, record| applying.keys.put(apply, &scope.to_key(), &record),
            )
            .await
    }

    pub(super) async fn complete_burns(&self) -> Result<(), Fault> {
        for scope in self.compromised()? {
            if self.leaves_something(scope)? {
                burn(&self.durable, &self.castor, scope, true).await?;
            }
        }
        Ok(())
    }

    fn leaves_something(&self, scope: MacScope) -> Result<bool, Fault> {
        let now = self.durable.read()?;
        let key = scope.to_key();
        let rows = now.view(ROWS)?.last_under(&key)?;
        Ok(rows.is_some() || now.get(DATA_KEYS, &key)?.is_some())
    }
}

impl super::JournalTables {
    pub(super) fn record(&self, from: &impl Reads, scope: MacScope) -> Result<KeyRecord, Fault> {
        Ok(self.keys.get(from, &scope.to_key())?.unwrap_or_default())
    }
}

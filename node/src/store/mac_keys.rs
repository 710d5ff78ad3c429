//! This node's MAC key shares, sealed. A burned key never loads again.
//!
//! The share lives in `state.redb` (a restored node needs it for its secrets), the COMPROMISED mark in `tuples.redb`
//! (which no back-up holds, so that a restored state cannot revive a burned key). Loading asks the journal first.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::durable::{Durable, Fault};
use super::names::MacScope;
use super::sealed::{Sealed, SecretBytes};
use super::state_file::{MAC_KEYS, StateFile};
use crate::journal::{Journal, KeyState};

/// Own share of a MAC key, with the nonce of its commitment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacKeyShare {
    pub share: SecretBytes,
    pub commitment_nonce: SecretBytes,
}

/// Why a share was not stored or loaded.
#[derive(Debug, Error)]
pub enum MacKeyError {
    #[error("{0} is burned")]
    Compromised(MacScope),
    #[error("{0} is not known here")]
    Unknown(MacScope),
    #[error("{0} has another share here")]
    OtherShare(MacScope),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The shares. Clones share them.
#[derive(Clone)]
pub struct MacKeys {
    durable: Durable,
    rows: Sealed<MacKeyShare>,
    journal: Journal,
}

impl MacKeys {
    /// Opens the shares and destroys what is left of burned keys.
    pub async fn open(file: &StateFile, journal: Journal) -> Result<Self, Fault> {
        let keys = Self { durable: file.sealed().durable().clone(), rows: file.sealed().table(MAC_KEYS), journal };
        for scope in keys.journal.compromised()? {
            keys.destroy(scope).await?;
        }
        Ok(keys)
    }

    /// Stores a share. A key has one share for ever.
    pub async fn keep(&self, scope: MacScope, share: MacKeyShare) -> Result<(), MacKeyError> {
        self.refuse_compromised(scope)?;
        let (planning, applying) = (self.rows.clone(), self.rows.clone());
        self.durable
            .write(
                move |plan| match planning.get(plan, &scope.to_key())? {
                    Some(known) if known != share => Err(MacKeyError::OtherShare(scope)),
                    _ => Ok(share),
                },
                move |apply, share| applying.put(apply, &scope.to_key(), &share),
            )
            .await
    }

    /// Loads a share, unless its key is burned.
    pub fn load(&self, scope: MacScope) -> Result<MacKeyShare, MacKeyError> {
        self.refuse_compromised(scope)?;
        let share = self.rows.get(&self.durable.read()?, &scope.to_key())?;
        share.ok_or(MacKeyError::Unknown(scope))
    }

    /// Own share of the key of another field (`field` is not 0) under the same epoch, `fresh` if there is none yet;
    /// durable when this returns. It ends with the key.
    pub async fn side_share(&self, scope: MacScope, field: u8, fresh: SecretBytes) -> Result<SecretBytes, MacKeyError> {
        self.refuse_compromised(scope)?;
        let key = [scope.to_key().as_slice(), &[field]].concat();
        let (planning, applying, key_of) = (self.rows.clone(), self.rows.clone(), key.clone());
        let fresh = MacKeyShare { share: fresh, commitment_nonce: SecretBytes::new(Vec::new()) };
        let kept = self.durable.write(
            move |plan| Ok::<_, MacKeyError>(planning.get(plan, &key)?.unwrap_or(fresh)),
            move |apply, share| applying.put(apply, &key_of, &share).map(|()| share),
        );
        Ok(kept.await?.share)
    }

    /// Burns a key: the journal first, then the share. The caller aborts what runs under it.
    pub async fn burn(&self, scope: MacScope, evidence: Vec<u8>) -> Result<(), Fault> {
        self.journal.compromise(scope, evidence).await?;
        self.destroy(scope).await
    }

    async fn destroy(&self, scope: MacScope) -> Result<(), Fault> {
        let of_scope = self.rows.under(&self.durable.read()?, &scope.to_key())?;
        let keys: Vec<Vec<u8>> = of_scope.into_iter().map(|(key, _)| key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let rows = self.rows.clone();
        self.durable.put(move |write| keys.iter().try_for_each(|key| rows.shred(write, key).map(drop))).await
    }

    fn refuse_compromised(&self, scope: MacScope) -> Result<(), MacKeyError> {
        match self.journal.key_state(scope)? {
            KeyState::Compromised { .. } => Err(MacKeyError::Compromised(scope)),
            KeyState::Active | KeyState::Frozen { .. } => Ok(()),
        }
    }
}

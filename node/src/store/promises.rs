//! What this node promised and signed about memberships: never two things for one (epoch, attempt).
//!
//! ```text
//! promise ─▶ PROMISED ─ sign ─▶ SIGNED
//!                └──── withdraw ─▶ WITHDRAWN
//! ```
//! Each step is durable before its message leaves, so that a restart cannot make an honest member equivocate.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::durable::{Durable, Fault};
use super::sealed::Sealed;
use super::state_file::{PROMISES, StateFile};

/// What a promise is about: the cloud (for a founding, the digest of what identifies the proposal), epoch, attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    pub subject: [u8; 32],
    pub epoch: u64,
    pub attempt: u64,
}

/// What this node said in one ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Digest of the record.
    pub digest: [u8; 32],
    pub state: PromiseState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromiseState {
    Promised,
    Withdrawn,
    Signed,
}

/// Why a step was refused.
#[derive(Debug, Error)]
pub enum PromiseError {
    #[error("this node has said another thing for this epoch and attempt")]
    OtherRecord { said: [u8; 32] },
    #[error("the promise was withdrawn")]
    Withdrawn,
    #[error("there is no promise to sign or withdraw")]
    NotPromised,
    #[error("it is signed and can no longer be withdrawn")]
    Signed,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The promises. Clones share them.
#[derive(Clone)]
pub struct Promises {
    durable: Durable,
    rows: Sealed<Promise>,
}

impl Promises {
    pub fn of(file: &StateFile) -> Self {
        Self { durable: file.sealed().durable().clone(), rows: file.sealed().table(PROMISES) }
    }

    /// Durable before the promise is sent. The same promise again is accepted.
    pub async fn promise(&self, ballot: Ballot, digest: [u8; 32]) -> Result<(), PromiseError> {
        self.step(ballot, digest, |said| match said {
            None | Some(PromiseState::Promised) => Ok(PromiseState::Promised),
            Some(PromiseState::Signed) => Ok(PromiseState::Signed),
            Some(PromiseState::Withdrawn) => Err(PromiseError::Withdrawn),
        })
        .await
    }

    /// Durable before the signature is made. Signing the same record again is accepted.
    pub async fn sign(&self, ballot: Ballot, digest: [u8; 32]) -> Result<(), PromiseError> {
        self.step(ballot, digest, |said| match said {
            Some(PromiseState::Promised | PromiseState::Signed) => Ok(PromiseState::Signed),
            Some(PromiseState::Withdrawn) => Err(PromiseError::Withdrawn),
            None => Err(PromiseError::NotPromised),
        })
        .await
    }

    /// Takes a promise back, before it was signed.
    pub async fn withdraw(&self, ballot: Ballot, digest: [u8; 32]) -> Result<(), PromiseError> {
        self.step(ballot, digest, |said| match said {
            Some(PromiseState::Promised | PromiseState::Withdrawn) => Ok(PromiseState::Withdrawn),
            Some(PromiseState::Signed) => Err(PromiseError::Signed),
            None => Err(PromiseError::NotPromised),
        })
        .await
    }

    /// What this node said in a ballot.
    pub fn said(&self, ballot: Ballot) -> Result<Option<Promise>, Fault> {
        self.rows.get(&self.durable.read()?, &ballot.to_key())
    }

    async fn step(
        &self,
        ballot: Ballot,
        digest: [u8; 32],
        next: impl FnOnce(Option<PromiseState>) -> Result<PromiseState, PromiseError> + Send + 'static,
    ) -> Result<(), PromiseError> {
        let (planning, applying) = (self.rows.clone(), self.rows.clone());
        self.durable
            .write(
                move |plan| {
                    let said = planning.get(plan, &ballot.to_key())?;
                    if let Some(said) = said.filter(|said| said.digest != digest) {
                        return Err(PromiseError::OtherRecord { said: said.digest });
                    }
                    let state = next(said.map(|said| said.state))?;
                    Ok(Promise { digest, state })
                },
                move |apply, promise| applying.put(apply, &ballot.to_key(), &promise),
            )
            .await
    }
}

impl Ballot {
    fn to_key(self) -> Vec<u8> {
        let mut key = self.subject.to_vec();
        key.extend_from_slice(&self.epoch.to_be_bytes());
        key.extend_from_slice(&self.attempt.to_be_bytes());
        key
    }
}

//! The secrets of this node, one row each: all or none over n members, one digest per secret for ever.
//!
//! ```text
//! NONE ─ begin ─▶ MASKED ─ prepare ─▶ PREPARED ─ commit ─▶ COMMITTED ─ delete ─▶ DELETED
//!   │                │                    │ ▲                    ▲
//!   └─ abort ────────┴────────────────────┘ └─ a certificate     └─ from NONE at once: a result with its certificate
//!                 ABORTED                      for our own digest overrides an abort
//! ```
//! A member votes only after PREPARED is durable, and from then on moves only by a certificate: n equal votes commit,
//! a member's signed ABORTED (or its vote for another digest) aborts. The material of a prepared secret is therefore
//! kept after an abort until the epoch ends. The caller verifies certificates; this file keeps their consequences.
//!
//! Values are sealed at rest. Only COMMITTED secrets are visible. Time is an argument, and decides nothing but when
//! masks that nobody used are dropped.
//!
//! Paper: Damgård et al. 2015/1006 for what masks and `d` are; the state machine is this project's own.
//!
//! Not protected here: a deleted secret stays in free pages of the file, sealed, until they are used again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::store::durable::{Apply, Durable, Plan, Reads};
use crate::store::sealed::{Sealed, SecretBytes};
use crate::store::state_file::{SECRET_USES, SECRETS, StateFile, UNSETTLED_SECRETS};
use crate::store::{CloudId, Fault, SecretId};

/// Tags of a secret.
pub type Tags = BTreeMap<String, String>;

/// Tags of one secret.
pub const TAGS_MAX: usize = 64;

/// Which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretKey {
    pub cloud: CloudId,
    pub id: SecretId,
}

/// What is known of a secret from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHead {
    /// Client key of the owner.
    pub owner: [u8; 32],
    /// Which masks hide it: the hash of the digest of their TAKE. For a result, of what made it.
    pub mask_set: [u8; 32],
    /// Number of words.
    pub words: u32,
    /// Type, policy, expiry: the caller's bytes, part of what the client signed.
    #[serde(with = "serde_bytes")]
    pub terms: Vec<u8>,
}

/// A secret that can be used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub head: SecretHead,
    pub digest: [u8; 32],
    /// Own shares of all words, with their MACs.
    pub shares: SecretBytes,
    /// The signatures of all members.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    pub tags: Tags,
}

/// What a member keeps between its vote and the certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    pub head: SecretHead,
    pub digest: [u8; 32],
    /// Own mask shares.
    pub material: SecretBytes,
    /// The masked input, with what the client signed about it.
    pub masked_input: SecretBytes,
    pub tags: Tags,
}

/// The state of a secret at this node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretState {
    Masked {
        head: SecretHead,
        masks: SecretBytes,
        expires_ms: u64,
    },
    Prepared(Prepared),
    Committed(Secret),
    /// The owner's signed order.
    Deleted {
        #[serde(with = "serde_bytes")]
        tombstone: Vec<u8>,
    },
    Aborted {
        /// The signed statement that aborted it, or nothing if this node did.
        #[serde(with = "serde_bytes")]
        statement: Vec<u8>,
        /// Kept if this node had voted.
        kept: Option<Prepared>,
    },
}

/// Where a secret stands, without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Masked,
    Prepared,
    Committed,
    Deleted,
    Aborted,
}

/// What a certificate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    New,
    /// It was committed already.
    Again,
    /// It was aborted after this node's vote: some member signed both, which is evidence.
    OverAbort,
}

/// Why a transition was refused.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("secret {0} is not known here")]
    Unknown(SecretId),
    #[error("secret {id} is {stage:?} already")]
    WrongStage { id: SecretId, stage: Stage },
    #[error("secret {id} was prepared with another digest: a secret id has one content for ever")]
    SecondDigest { id: SecretId, first: [u8; 32] },
    #[error("secret {id}: these are not the masks that it was begun with")]
    OtherMasks { id: SecretId },
    #[error("a secret has at most {TAGS_MAX} tags")]
    TooManyTags,
    #[error("secret {id} was used {used} times by this program, which is all that its owner allows")]
    UsedUp { id: SecretId, used: u64 },
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The secret store. Clones share it.
#[derive(Clone)]
pub struct SecretStore {
    durable: Durable,
    secrets: Sealed<SecretState>,
    uses: Sealed<u64>,
}

impl SecretStore {
    /// Opens the store. A file of a release that did not list its unsettled secrets is read through, once.
    pub async fn open(file: &StateFile) -> Result<Self, Fault> {
        let store = Self {
            durable: file.sealed().durable().clone(),
            secrets: file.sealed().table(SECRETS),
            uses: file.sealed().table(SECRET_USES),
        };
        if store.durable.read()?.get(UNSETTLED_SECRETS, LISTED)?.is_none() {
            store.list_unsettled().await?;
        }
        Ok(store)
    }

    async fn list_unsettled(&self) -> Result<(), Fault> {
        let planning = self.secrets.clone();
        self.durable
            .write(
                move |plan| {
                    let mut unsettled = Vec::new();
                    plan.view(SECRETS)?.walk(&[], None, |key, sealed| {
                        if planning.open(key, sealed)?.stage().is_unsettled() {
                            unsettled.push(key.to_vec());
                        }
                        Ok::<_, Fault>(true)
                    })?;
                    Ok::<_, Fault>(unsettled)
                },
                |apply, unsettled| {
                    let mut edit = apply.edit(UNSETTLED_SECRETS)?;
                    unsettled.iter().try_for_each(|key| edit.put(key, &[]))?;
                    edit.put(LISTED, &[])
                },
            )
            .await
    }

    /// NONE to MASKED, after the masks were taken. Durable before a mask share leaves.
    pub async fn begin(
        &self,
        key: SecretKey,
        head: SecretHead,
        masks: SecretBytes,
        expires_ms: u64,
    ) -> Result<(), SecretError> {
        self.step(key, move |state| match state {
            None => Ok((SecretState::Masked { head, masks, expires_ms }, ())),
            Some(state) => Err(key.wrong_stage(&state)),
        })
        .await
    }

    /// MASKED to PREPARED. Durable before this node's vote leaves. The same digest again is accepted; another one is
    /// refused for ever.
    pub async fn prepare(
        &self,
        key: SecretKey,
        mask_set: [u8; 32],
        digest: [u8; 32],
        masked_input: SecretBytes,
        tags: Tags,
    ) -> Result<(), SecretError> {
        refuse_too_many(&tags)?;
        self.step(key, move |state| match state {
            Some(SecretState::Masked { head, .. }) if head.mask_set != mask_set => {
                Err(SecretError::OtherMasks { id: key.id })
            }
            Some(SecretState::Masked { head, masks, .. }) => {
                let prepared = Prepared { head, digest, material: masks, masked_input, tags };
                Ok((SecretState::Prepared(prepared), ()))
            }
            state => key.same_digest(state, digest),
        })
        .await
    }

    /// NONE to COMMITTED at once, for a result of an execution: it has its shares and its certificate from the start,
    /// so that nobody is asked for votes about it. The same again is accepted.
    pub async fn keep_result(&self, key: SecretKey, result: Secret) -> Result<(), SecretError> {
        refuse_too_many(&result.tags)?;
        self.step(key, move |state| match state {
            None => Ok((SecretState::Committed(result), ())),
            // as earlier releases left it when they crashed
            Some(SecretState::Prepared(prepared)) => {
                key.refuse_second(prepared.digest, result.digest)?;
                Ok((SecretState::Committed(result), ()))
            }
            Some(SecretState::Committed(_)) => key.same_digest(state, result.digest),
            Some(state) => Err(key.wrong_stage(&state)),
        })
        .await
    }

    /// PREPARED to COMMITTED, by the certificate of all members for this digest. `shares` were computed from
    /// [`SecretStore::prepared`].
    pub async fn commit(
        &self,
        key: SecretKey,
        digest: [u8; 32],
        certificate: Vec<u8>,
        shares: SecretBytes,
    ) -> Result<Commit, SecretError> {
        self.step(key, move |state| {
            let (prepared, outcome) = match state {
                Some(SecretState::Prepared(prepared)) => (prepared, Commit::New),
                Some(SecretState::Aborted { kept: Some(prepared), .. }) => (prepared, Commit::OverAbort),
                Some(SecretState::Committed(secret)) => {
                    key.refuse_second(secret.digest, digest)?;
                    return Ok((SecretState::Committed(secret), Commit::Again));
                }
                Some(state) => return Err(key.wrong_stage(&state)),
                None => return Err(SecretError::Unknown(key.id)),
            };
            key.refuse_second(prepared.digest, digest)?;
            let Prepared { head, tags, .. } = prepared;
            Ok((SecretState::Committed(Secret { head, digest, shares, certificate, tags }), outcome))
        })
        .await
    }

    /// Aborts what this node has not voted for: NONE or MASKED to ABORTED. The masks are gone.
    pub async fn abort(&self, key: SecretKey) -> Result<(), SecretError> {
        self.step(key, move |state| match state {
            None | Some(SecretState::Masked { .. }) => {
                Ok((SecretState::Aborted { statement: Vec::new(), kept: None }, ()))
            }
            Some(SecretState::Aborted { statement, kept }) => Ok((SecretState::Aborted { statement, kept }, ())),
            Some(state) => Err(key.wrong_stage(&state)),
        })
        .await
    }

    /// Aborts by a member's signed statement, which the caller verified. What was prepared is kept until
    /// [`SecretStore::drop_aborted`], since a certificate for it overrides.
    pub async fn abort_by(&self, key: SecretKey, statement: Vec<u8>) -> Result<(), SecretError> {
        self.step(key, move |state| {
            let kept = match state {
                Some(SecretState::Prepared(prepared)) => Some(prepared),
                None | Some(SecretState::Masked { .. }) => None,
                Some(SecretState::Aborted { statement, kept }) => {
                    return Ok((SecretState::Aborted { statement, kept }, ()));
                }
                Some(state) => return Err(key.wrong_stage(&state)),
            };
            Ok((SecretState::Aborted { statement, kept }, ()))
        })
        .await
    }

    /// COMMITTED to DELETED, by the owner's signed order. The same for a secret that is deleted: accepted.
    pub async fn delete(&self, key: SecretKey, tombstone: Vec<u8>) -> Result<(), SecretError> {
        self.step(key, move |state| match state {
            Some(SecretState::Committed(_)) => Ok((SecretState::Deleted { tombstone }, ())),
            Some(SecretState::Deleted { tombstone }) => Ok((SecretState::Deleted { tombstone }, ())),
            Some(state) => Err(key.wrong_stage(&state)),
            None => Err(SecretError::Unknown(key.id)),
        })
        .await
    }

    /// Replaces the tags of a COMMITTED secret.
    pub async fn tag(&self, key: SecretKey, tags: Tags) -> Result<(), SecretError> {
        refuse_too_many(&tags)?;
        self.step(key, move |state| match state {
            Some(SecretState::Committed(secret)) => Ok((SecretState::Committed(Secret { tags, ..secret }), ())),
            Some(state) => Err(key.wrong_stage(&state)),
            None => Err(SecretError::Unknown(key.id)),
        })
        .await
    }

    /// Counts one more use by a program, durable before the run. Refused above `uses_max`.
    pub async fn count_use(&self, key: SecretKey, program: [u8; 32], uses_max: u64) -> Result<u64, SecretError> {
        let row = [key.to_key().as_slice(), &program].concat();
        let (planning, applying, row_again) = (self.uses.clone(), self.uses.clone(), row.clone());
        self.durable
            .write(
                move |plan| {
                    let used = planning.get(plan, &row)?.unwrap_or(0);
                    match used < uses_max {
                        true => Ok(used + 1),
                        false => Err(SecretError::UsedUp { id: key.id, used }),
                    }
                },
                move |apply, used| applying.put(apply, &row_again, &used).map(|()| used),
            )
            .await
    }

    /// A secret that can be used.
    pub fn get(&self, key: SecretKey) -> Result<Secret, SecretError> {
        match self.state(key)? {
            Some(SecretState::Committed(secret)) => Ok(secret),
            Some(state) => Err(key.wrong_stage(&state)),
            None => Err(SecretError::Unknown(key.id)),
        }
    }

    /// What this node voted for, kept also after an abort.
    pub fn prepared(&self, key: SecretKey) -> Result<Prepared, SecretError> {
        match self.state(key)? {
            Some(SecretState::Prepared(prepared)) => Ok(prepared),
            Some(SecretState::Aborted { kept: Some(prepared), .. }) => Ok(prepared),
            Some(state) => Err(key.wrong_stage(&state)),
            None => Err(SecretError::Unknown(key.id)),
        }
    }

    /// The whole state, for those who resume.
    pub fn state(&self, key: SecretKey) -> Result<Option<SecretState>, Fault> {
        self.secrets.get(&self.durable.read()?, &key.to_key())
    }

    /// Where a secret stands.
    pub fn stage(&self, key: SecretKey) -> Result<Option<Stage>, Fault> {
        Ok(self.state(key)?.as_ref().map(SecretState::stage))
    }

    /// The COMMITTED secrets of a cloud that `wanted` picks, at most `count_max`, in the order of their ids, from
    /// `after` on.
    pub fn list(
        &self,
        cloud: CloudId,
        after: Option<SecretId>,
        count_max: usize,
        mut wanted: impl FnMut(&Secret) -> bool,
    ) -> Result<Vec<(SecretId, Secret)>, Fault> {
        let mut found = Vec::new();
        self.walk(cloud, |id, state| {
            if let SecretState::Committed(secret) = state
                && after.is_none_or(|after| id > after)
                && wanted(&secret)
            {
                found.push((id, secret));
            }
            found.len() < count_max
        })?;
        Ok(found)
    }

    /// The secrets of a cloud that wait for a certificate: what a restarted node asks the others about.
    pub fn unsettled(&self, cloud: CloudId) -> Result<Vec<(SecretId, Stage)>, Fault> {
        let now = self.durable.read()?;
        let states = self.unsettled_states(&now, cloud)?;
        states.iter().map(|(key, state)| Ok((id_in(key)?, state.stage()))).collect()
    }

    /// How many secrets of one owner wait for their upload or a certificate.
    pub fn unsettled_of(&self, cloud: CloudId, owner: [u8; 32]) -> Result<usize, Fault> {
        let mark = owner_mark(&owner);
        let mut count = 0;
        let to = crate::store::durable::after(&cloud.0);
        self.durable.read()?.view(UNSETTLED_SECRETS)?.walk(&cloud.0, to.as_deref(), |_, of| {
            count += usize::from(*of == mark);
            Ok::<_, Fault>(true)
        })?;
        Ok(count)
    }

    fn unsettled_states(&self, from: &impl Reads, cloud: CloudId) -> Result<Vec<(Vec<u8>, SecretState)>, Fault> {
        let listed = from.view(UNSETTLED_SECRETS)?.under(&cloud.0)?;
        let state = |(key, _): (Vec<u8>, Vec<u8>)| {
            let state = self.secrets.get(from, &key)?.ok_or(Fault::Damaged { table: UNSETTLED_SECRETS.0 })?;
            Ok((key, state))
        };
        listed.into_iter().map(state).collect()
    }

    /// Aborts every MASKED secret of a cloud whose time is over. Its masks are gone; they never return to stock.
    pub async fn expire_masked(&self, cloud: CloudId, now_ms: u64) -> Result<Vec<SecretId>, Fault> {
        let over =
            move |state: &SecretState| matches!(state, SecretState::Masked { expires_ms, .. } if *expires_ms <= now_ms);
        // most of the time there are none, and nothing is written
        if !self.unsettled_states(&self.durable.read()?, cloud)?.iter().any(|(_, state)| over(state)) {
            return Ok(Vec::new());
        }
        let store = self.clone();
        self.sweep(move |plan| {
            let mut expired = store.unsettled_states(plan, cloud)?;
            expired.retain(|(_, state)| over(state));
            let aborted = SecretState::Aborted { statement: Vec::new(), kept: None };
            Ok(expired.into_iter().map(|(key, _)| (key, aborted.clone())).collect())
        })
        .await
    }

    /// At the end of an epoch no certificate of it can come any more: drops what aborted secrets had kept.
    pub async fn drop_aborted(&self, cloud: CloudId) -> Result<Vec<SecretId>, Fault> {
        let secrets = self.secrets.clone();
        self.sweep(move |plan| {
            let rows = secrets.under(plan, &cloud.0)?.into_iter();
            let dropped = rows.filter_map(|(key, state)| match state {
                SecretState::Aborted { statement, kept: Some(_) } => {
                    Some((key, SecretState::Aborted { statement, kept: None }))
                }
                _ => None,
            });
            Ok(dropped.collect())
        })
        .await
    }

    async fn sweep(
        &self,
        changes: impl FnOnce(&Plan<'_>) -> Result<Vec<(Vec<u8>, SecretState)>, Fault> + Send + 'static,
    ) -> Result<Vec<SecretId>, Fault> {
        let applying = self.clone();
        self.durable
            .write(changes, move |apply, changed| {
                let change = |(key, state): &(Vec<u8>, SecretState)| {
                    applying.put(apply, key, state)?;
                    id_in(key)
                };
                changed.iter().map(change).collect()
            })
            .await
    }

    /// Writes a state, and lists the secret while it waits for something.
    fn put(&self, apply: &Apply<'_>, key: &[u8], state: &SecretState) -> Result<(), Fault> {
        self.secrets.put(apply, key, state)?;
        match state.stage().is_unsettled() {
            true => apply.put(UNSETTLED_SECRETS, key, &state.owner_mark()),
            false => apply.delete(UNSETTLED_SECRETS, key).map(drop),
        }
    }

    fn walk(&self, cloud: CloudId, mut visit: impl FnMut(SecretId, SecretState) -> bool) -> Result<(), Fault> {
        let now = self.durable.read()?;
        let to = crate::store::durable::after(&cloud.0);
        now.view(SECRETS)?
            .walk(&cloud.0, to.as_deref(), |key, sealed| Ok(visit(id_in(key)?, self.secrets.open(key, sealed)?)))
    }

    async fn step<T: Send + 'static>(
        &self,
        key: SecretKey,
        next: impl FnOnce(Option<SecretState>) -> Result<(SecretState, T), SecretError> + Send + 'static,
    ) -> Result<T, SecretError> {
        let (planning, applying) = (self.secrets.clone(), self.clone());
        self.durable
            .write(
                move |plan: &Plan<'_>| next(planning.get(plan, &key.to_key())?),
                move |apply, (state, outcome)| applying.put(apply, &key.to_key(), &state).map(|()| outcome),
            )
            .await
    }
}

/// Says in the table of unsettled secrets that it lists all.
const LISTED: &[u8] = b"all";

impl Stage {
    /// Whether the secret waits for its client or for a certificate.
    fn is_unsettled(self) -> bool {
        matches!(self, Stage::Masked | Stage::Prepared)
    }
}

/// Tells owners apart in the table of unsettled secrets, which is not sealed.
fn owner_mark(owner: &[u8; 32]) -> [u8; 8] {
    let hash = polyyne_protocol::canonical::hash_parts("owner of an unsettled secret", &[owner]);
    *hash.0.first_chunk().expect("a digest is longer")
}

impl SecretState {
    fn owner_mark(&self) -> Vec<u8> {
        match self {
            Self::Masked { head, .. } | Self::Prepared(Prepared { head, .. }) => owner_mark(&head.owner).to_vec(),
            _ => Vec::new(),
        }
    }

    /// Where the secret stands.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Masked { .. } => Stage::Masked,
            Self::Prepared(_) => Stage::Prepared,
            Self::Committed(_) => Stage::Committed,
            Self::Deleted { .. } => Stage::Deleted,
            Self::Aborted { .. } => Stage::Aborted,
        }
    }
}

impl SecretKey {
    fn to_key(self) -> Vec<u8> {
        [self.cloud.0.as_slice(), &self.id.0].concat()
    }

    fn wrong_stage(self, state: &SecretState) -> SecretError {
        SecretError::WrongStage { id: self.id, stage: state.stage() }
    }

    fn refuse_second(self, first: [u8; 32], digest: [u8; 32]) -> Result<(), SecretError> {
        match first == digest {
            true => Ok(()),
            false => Err(SecretError::SecondDigest { id: self.id, first }),
        }
    }

    /// A repeated vote leaves the state as it is; a vote for another digest is refused.
    fn same_digest(self, state: Option<SecretState>, digest: [u8; 32]) -> Result<(SecretState, ()), SecretError> {
        match state {
            Some(SecretState::Prepared(prepared)) => {
                self.refuse_second(prepared.digest, digest)?;
                Ok((SecretState::Prepared(prepared), ()))
            }
            Some(SecretState::Committed(secret)) => {
                self.refuse_second(secret.digest, digest)?;
                Ok((SecretState::Committed(secret), ()))
            }
            Some(state) => Err(self.wrong_stage(&state)),
            None => Err(SecretError::Unknown(self.id)),
        }
    }
}

fn refuse_too_many(tags: &Tags) -> Result<(), SecretError> {
    match tags.len() <= TAGS_MAX {
        true => Ok(()),
        false => Err(SecretError::TooManyTags),
    }
}

fn id_in(key: &[u8]) -> Result<SecretId, Fault> {
    let id = key.get(CloudId::LEN..).and_then(|id| SecretId::try_from(id).ok());
    id.ok_or(Fault::Damaged { table: SECRETS.0 })
}

#[cfg(test)]
mod tests;

//! Amphora: the secret store of a cloud, with upload and download that no n−1 members can falsify
//! or read.
//!
//! Upload and download follow Damgård et al., eprint 2015/1006 ([`polyyne_engine::delivery`],
//! [`polyyne_protocol::client_io`]). A secret becomes visible by n equal signed votes over one
//! mask set and one digest ([`settle`]), and is told to the client only with that certificate.

mod settle;
pub mod store;
mod terms;

use crate::castor::{ELEMENT_BYTES, TupleKind};
use crate::desk::{RunError, await_stock, internal, refusal_of};
use crate::klyshko::Klyshko;
use crate::seat::Seat;
use crate::session::take::{ABORTED, Bill, Taken, Taking, rows, shares_of};
use crate::session::{self, Agenda};
use crate::store::{CloudId as CloudRow, SecretId as SecretRow, sealed::SecretBytes};
use polyyne_engine::delivery;
use polyyne_engine::field::PrimeField;
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::Kind;
use polyyne_protocol::canonical;
use polyyne_protocol::client_io::DeliveryShares;
use polyyne_protocol::envelope::AuthenticRequest;
use polyyne_protocol::hello::SessionPurpose;
use polyyne_protocol::id::{ClientKey, Digest, MaskSetId, SecretId};
use polyyne_protocol::limits;
use polyyne_protocol::request::{self, Deleted, Got, Listed, Masks, Refusal, RefusalCode, Stored, Tagged};
use polyyne_protocol::secret::{PolicyRefusal, SecretDescription};
use polyyne_protocol::sign::Statement as _;
use polyyne_protocol::vote::{ExecutionChecked, ExecutionKey, ResultCertificate, TakePurpose, Upload, result_id};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{Secret, SecretError, SecretHead, SecretKey, SecretState, SecretStore, Stage};

use terms::Order;
pub use terms::Terms;

/// How long an up- or download waits for tuples.
const STOCK_PATIENCE: Duration = Duration::from_secs(40);

/// The secrets of one cloud at this member.
#[derive(Clone)]
pub struct Amphora {
    seat: Arc<Seat>,
    klyshko: Klyshko,
    secrets: SecretStore,
}

/// What a member keeps while it waits for the masked input: its mask shares, and what it gave the
/// client, who may ask again.
#[derive(Serialize, Deserialize)]
struct Masked {
    #[serde(with = "serde_bytes")]
    shares: Vec<u8>,
    delivery: DeliveryShares,
}

/// A secret that can be computed with now.
pub struct Usable {
    pub description: SecretDescription,
    pub shares: Shares<PrimeField>,
}

impl Amphora {
    pub fn new(seat: Arc<Seat>, klyshko: Klyshko, secrets: SecretStore) -> Self {
        Self { seat, klyshko, secrets }
    }

    /// Delivers masks for a new secret.
    pub async fn begin(
        &self,
        asked: &AuthenticRequest,
        begin: &request::UploadBegin,
        now: u64,
    ) -> Result<Masks, Refusal> {
        let description = &begin.description;
        if description.owner != asked.client() {
            return Err(Refusal::new(
                RefusalCode::NotAllowed,
                "the owner of a new secret is the client that puts it",
                "",
            ));
        }
        let words = description.words as usize;
        description
            .kind
            .check(&self.seat.field, words)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string(), ""))?;
        let key = self.key(description.id);
        match self.secrets.state(key).map_err(internal)? {
            None => {}
            Some(SecretState::Masked { head, masks, .. }) => return self.again(&head, &masks, description),
            Some(state) => return Err(in_use(state.stage())),
        }
        self.refuse_many_uploads(&description.owner)?;
        let bill = mask_bill(words);
        await_stock(&self.seat, &self.klyshko, &bill, STOCK_PATIENCE).await?;
        let what = self.taking(TakePurpose::masks(description), asked);
        let (masks, taken, delivery) = self.deliver(SessionPurpose::Masks, what, bill, None).await?;
        let mask_set = MaskSetId::of(&taken);
        let head = SecretHead {
            owner: description.owner.0,
            mask_set: mask_set.0,
            words: description.words,
            terms: Terms::new(description.clone(), &self.seat).to_bytes(),
        };
        let shares = rows(&self.seat.field, &[masks]).to_vec();
        let kept = SecretBytes::new(canonical::encode(&Masked { shares, delivery: delivery.clone() }));
        let expires_ms = (now + limits::MASKS_LIFETIME_S) * 1000;
        self.secrets.begin(key, head, kept, expires_ms).await.map_err(refused)?;
        crate::failpoint::pass("secret-masked");
        Ok(Masks { mask_set, delivery })
    }

    /// Masks cost tuples, and wait for their upload.
    fn refuse_many_uploads(&self, owner: &ClientKey) -> Result<(), Refusal> {
        let cloud = CloudRow(self.seat.view.cloud().0);
        let open = self.secrets.unsettled_of(cloud, owner.0).map_err(internal)?;
        if open < limits::UPLOADS_PER_CLIENT_MAX {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::Busy,
            format!("this client has begun {open} uploads and ended none of them"),
            format!("End some; one that is given up makes room after {} s.", limits::MASKS_LIFETIME_S),
        ))
    }

    /// The same masks for the same begin, once more.
    fn again(&self, head: &SecretHead, masks: &SecretBytes, description: &SecretDescription) -> Result<Masks, Refusal> {
        let terms = Terms::from_bytes(&head.terms).map_err(internal)?;
        if terms.description != *description {
            return Err(in_use(Stage::Masked));
        }
        let masked: Masked = canonical::decode(masks.expose(), limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal)?;
        Ok(Masks { mask_set: MaskSetId(head.mask_set), delivery: masked.delivery })
    }

    /// Stores masked inputs, once all members hold the same.
    pub async fn commit(&self, asked: &AuthenticRequest, commit: &request::UploadCommit) -> Result<Stored, Refusal> {
        let unfit = |cause: &str| Refusal::new(RefusalCode::Malformed, cause.to_owned(), "");
        let (upload, signer) = commit.upload.verified().map_err(|error| unfit(&error.to_string()))?;
        if signer != asked.client() {
            return Err(Refusal::new(RefusalCode::NotAllowed, "the upload is signed by another client", ""));
        }
        let view = &self.seat.view;
        if (upload.cloud, upload.epoch, upload.members) != (view.cloud(), view.epoch(), view.members_digest()) {
            return Err(Refusal::new(
                RefusalCode::WrongEpoch,
                "the upload is for another cloud or epoch",
                "Begin a new one.",
            ));
        }
        if commit.masked.digest() != upload.masked {
            return Err(unfit("the masked words are not those that the client signed"));
        }
        self.prepare(upload, commit).await?;
        let certificate = self.settle(upload.secret, limits::CLIENT_TIMEOUT_MS / 2).await?;
        Ok(Stored { certificate })
    }

    async fn prepare(&self, upload: &Upload, commit: &request::UploadCommit) -> Result<(), Refusal> {
        let key = self.key(upload.secret);
        let head = match self.secrets.state(key).map_err(internal)? {
            Some(SecretState::Masked { head, .. }) => head,
            Some(SecretState::Prepared(prepared)) => prepared.head,
            Some(SecretState::Committed(secret)) => secret.head,
            Some(SecretState::Deleted { .. }) => return Err(in_use(Stage::Deleted)),
            None | Some(SecretState::Aborted { .. }) => return Err(masks_gone()),
        };
        let terms = Terms::from_bytes(&head.terms).map_err(internal)?;
        let client = commit.upload.signer();
        if terms.description.digest() != upload.description || head.owner != client.0 || upload.client != client {
            return Err(Refusal::new(
                RefusalCode::Conflict,
                "the upload was begun with another description or by another client",
                "Begin a new one.",
            ));
        }
        commit
            .masked
            .elements(&self.seat.field, head.words as usize)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, format!("the masked words: {error}"), ""))?;
        let input = SecretBytes::new(canonical::encode(commit));
        let tags = terms::stored_tags(&terms.description.tags);
        let prepared = self.secrets.prepare(key, upload.mask_set.0, upload.digest().0, input, tags).await;
        prepared.map_err(refused)?;
        crate::failpoint::pass("secret-prepared");
        Ok(())
    }

    /// Delivers a secret's words.
    pub async fn get(&self, asked: &AuthenticRequest, get: &request::Get, now: u64) -> Result<Got, Refusal> {
        let client = asked.client();
        let Usable { description, shares } = self.usable(get.secret, &client, now)?;
        description.may_read(&client).map_err(policy)?;
        let bill = delivery_bill(shares.len());
        await_stock(&self.seat, &self.klyshko, &bill, STOCK_PATIENCE).await?;
        let what = self.taking(TakePurpose::Delivery { client, asked: asked.digest() }, asked);
        let (_, _, delivery) = self.deliver(SessionPurpose::Delivery, what, bill, Some(shares)).await?;
        Ok(Got { description, delivery })
    }

    /// A joint run that delivers `words`, or (if none) as many fresh masks as its bill has to spare.
    async fn deliver(
        &self,
        purpose: SessionPurpose,
        what: Taking,
        bill: Bill,
        words: Option<Shares<PrimeField>>,
    ) -> Result<(Shares<PrimeField>, polyyne_protocol::vote::Take, DeliveryShares), Refusal> {
        let (seat, exec) = (self.seat.clone(), what.exec(self.seat.view.cloud()));
        let outcome = session::run("amphora", move || async move {
            let mut party = seat.meet(&Agenda { purpose, subject: what.asked }).await?;
            let Taken { mut pool, certificate, .. } = seat.take(&mut party, &what, &bill).await?;
            let words = match words {
                Some(words) => words,
                None => {
                    let spare = pool.left(Kind::Random) - 2;
                    polyyne_engine::tuples::Tuples::randoms(&mut pool, spare)
                        .map_err(polyyne_engine::error::Error::from)?
                }
            };
            let session = session::session_id(&party);
            let mut online = seat.online(party, pool);
            let delivery = delivery::prepare(&mut online, &words).await?;
            let shares = DeliveryShares::of(&seat.field, session, &delivery);
            // The row says that nothing was released before the check; its tuples are gone either way.
            seat.castor.checked(exec, Vec::new()).await.map_err(|error| RunError::Refused(internal(error)))?;
            seat.castor.done(exec).await.map_err(|error| RunError::Refused(internal(error)))?;
            online.party.finish();
            Ok::<_, RunError>((words, certificate.unverified().clone(), shares))
        });
        let ended = outcome.await.map_err(RunError::from).and_then(|outcome| outcome);
        if ended.is_err() {
            drop(self.seat.castor.abort(exec, ABORTED).await);
        }
        ended.map_err(|error| refusal_of(&error))
    }

    fn taking(&self, purpose: TakePurpose, asked: &AuthenticRequest) -> Taking {
        Taking { purpose, asked: asked.digest(), program: None, inputs: Digest([0; 32]) }
    }

    /// The secrets that this client may see.
    pub fn list(&self, asked: &AuthenticRequest, list: &request::List, now: u64) -> Result<Listed, Refusal> {
        let cloud = CloudRow(self.seat.view.cloud().0);
        let rows = self.secrets.list(cloud, None, usize::MAX, |_| true).map_err(internal)?;
        let mut descriptions = Vec::with_capacity(rows.len());
        for (_, secret) in rows {
            let description = described(&secret.head, &secret.tags)?.description;
            if !description.has_expired(now) {
                descriptions.push(description);
            }
        }
        list.select(&asked.client(), &descriptions)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string(), ""))
    }

    /// Changes tags.
    pub async fn tag(&self, asked: &AuthenticRequest, tag: &request::Tag, now: u64) -> Result<Tagged, Refusal> {
        let description = self.visible(tag.secret, &asked.client(), now)?;
        description.may_tag(&asked.client()).map_err(policy)?;
        let tags = description
            .tags
            .changed(&tag.set, &tag.remove)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string(), ""))?;
        self.secrets.tag(self.key(tag.secret), terms::stored_tags(&tags)).await.map_err(refused)?;
        Ok(Tagged { tags })
    }

    /// Deletes: usable no more from here on at this member, then certified by all.
    pub async fn delete(
        &self,
        asked: &AuthenticRequest,
        delete: &request::Delete,
        now: u64,
    ) -> Result<Deleted, Refusal> {
        let (key, client) = (self.key(delete.secret), asked.client());
        if !self.has_deleted(delete.secret, &client) {
            let description = self.visible(delete.secret, &client, now)?;
            description.may_delete(&client).map_err(policy)?;
            let order = Order { client, asked: asked.digest(), description }.to_bytes();
            self.secrets.delete(key, order).await.map_err(refused)?;
        }
        let certificate = self.certify_deletion(delete.secret, client, limits::CLIENT_TIMEOUT_MS / 2).await?;
        Ok(Deleted { certificate })
    }

    /// A secret with its shares, for a client that may see it.
    pub fn usable(&self, id: SecretId, client: &ClientKey, now: u64) -> Result<Usable, Refusal> {
        let description = self.visible(id, client, now)?;
        let secret = self.secrets.get(self.key(id)).map_err(|_| unknown(id))?;
        let terms = Terms::from_bytes(&secret.head.terms).map_err(internal)?;
        if terms.mac_key.0 != self.seat.scope.mac_key.0 {
            return Err(Refusal::new(
                RefusalCode::SecretFrozen,
                format!("secret {id} is under a MAC key that was burned"),
                "Its owner puts it again: what it holds can no longer be told from a forgery.",
            ));
        }
        let shares = shares_of(&self.seat.field, secret.shares.expose()).ok_or_else(|| internal("damaged shares"))?;
        Ok(Usable { description, shares })
    }

    /// Counts one more use of a secret by a program.
    pub async fn count_use(&self, id: SecretId, program: [u8; 32], uses_max: u64) -> Result<(), Refusal> {
        self.secrets.count_use(self.key(id), program, uses_max).await.map(drop).map_err(|error| match error {
            SecretError::UsedUp { .. } => {
                Refusal::new(RefusalCode::NotAllowed, error.to_string(), "Its owner decides.")
            }
            other => internal(other),
        })
    }

    /// The description of a committed secret, for a client that may know of it; to others it does
    /// not exist.
    pub fn visible(&self, id: SecretId, client: &ClientKey, now: u64) -> Result<SecretDescription, Refusal> {
        let secret = self.secrets.get(self.key(id)).map_err(|_| unknown(id))?;
        let description = described(&secret.head, &secret.tags)?.description;
        if description.has_expired(now) || !description.may_see(client) {
            return Err(unknown(id));
        }
        Ok(description)
    }

    /// Makes the results of an execution visible, by the certificate that its checks passed at all
    /// members. Again the same: accepted.
    pub async fn keep_results(
        &self,
        owner: ClientKey,
        descriptions: &[SecretDescription],
        shares: &[u8],
        statement: &ExecutionChecked,
        certificate: &ResultCertificate,
    ) -> Result<(), Refusal> {
        let digest = statement.digest().0;
        let certificate = canonical::encode(certificate);
        let words = shares.chunks_exact(ELEMENT_BYTES);
        for (description, word) in descriptions.iter().zip(words) {
            let key = self.key(description.id);
            if self.secrets.stage(key).map_err(internal)? == Some(Stage::Committed) {
                continue;
            }
            let head = SecretHead {
                owner: owner.0,
                mask_set: digest,
                words: description.words,
                terms: Terms::new(description.clone(), &self.seat).to_bytes(),
            };
            let result = Secret {
                head,
                digest,
                shares: SecretBytes::new(word.to_vec()),
                certificate: certificate.clone(),
                tags: terms::stored_tags(&description.tags),
            };
            self.secrets.keep_result(key, result).await.map_err(refused)?;
        }
        Ok(())
    }

    /// What made the results of an execution visible, if it made any and the first is still there.
    pub fn result_certificate(&self, execution: &ExecutionKey) -> Option<ResultCertificate> {
        let first = result_id(self.seat.view.cloud(), execution, 0);
        let secret = self.secrets.get(self.key(first)).ok()?;
        canonical::decode(&secret.certificate, limits::RECORD_MAX).ok()
    }

    /// An upload that is begun and never ended.
    #[cfg(test)]
    pub(crate) async fn leave_masked(&self, owner: ClientKey) {
        let head = SecretHead { owner: owner.0, mask_set: [0; 32], words: 1, terms: Vec::new() };
        let key = self.key(SecretId(rand::random()));
        self.secrets.begin(key, head, SecretBytes::new(Vec::new()), u64::MAX).await.unwrap();
    }

    /// Where a secret stands here, if it is known.
    #[cfg(test)]
    pub(crate) fn stage_of(&self, id: SecretId) -> Option<Stage> {
        self.secrets.stage(self.key(id)).unwrap()
    }

    /// Whether a result has become visible here, or has gone again since.
    pub fn is_kept(&self, id: SecretId) -> bool {
        matches!(self.secrets.stage(self.key(id)), Ok(Some(Stage::Committed | Stage::Deleted)))
    }

    fn key(&self, id: SecretId) -> SecretKey {
        SecretKey { cloud: CloudRow(self.seat.view.cloud().0), id: SecretRow(id.0) }
    }
}

/// Tuples for `words` masks and their delivery.
fn mask_bill(words: usize) -> Bill {
    vec![(TupleKind::TRIPLE, words as u64 + 1), (TupleKind::RANDOM, words as u64 + 2)]
}

/// Tuples for the delivery of `words` words.
pub fn delivery_bill(words: usize) -> Bill {
    vec![(TupleKind::TRIPLE, words as u64 + 1), (TupleKind::RANDOM, 2)]
}

/// Terms with the tags as they are now.
fn described(head: &SecretHead, tags: &store::Tags) -> Result<Terms, Refusal> {
    let mut terms = Terms::from_bytes(&head.terms).map_err(internal)?;
    terms.description.tags = terms::typed_tags(tags).ok_or_else(|| internal("damaged tags"))?;
    Ok(terms)
}

fn policy(error: PolicyRefusal) -> Refusal {
    Refusal::new(RefusalCode::NotAllowed, error.to_string(), "The owner of the secret decides.")
}

fn unknown(id: SecretId) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownSecret,
        format!("there is no secret {id} that this client may see"),
        "`vcp secret list` shows those that it may.",
    )
}

fn masks_gone() -> Refusal {
    Refusal::new(RefusalCode::MasksGone, "the masks of this upload are gone", "Put the secret again.")
}

fn in_use(stage: Stage) -> Refusal {
    Refusal::new(RefusalCode::Conflict, format!("this secret id is in use ({stage:?})"), "Put it under a new id.")
}

fn refused(error: SecretError) -> Refusal {
    match &error {
        SecretError::WrongStage { stage, .. } => in_use(*stage),
        SecretError::SecondDigest { .. } => Refusal::new(
            RefusalCode::Conflict,
            "this upload was made before with other contents",
            "A secret id has one content for ever: put the other contents under a new id.",
        ),
        SecretError::OtherMasks { .. } => {
            Refusal::new(RefusalCode::Conflict, error.to_string(), "Put the secret again.")
        }
        SecretError::Unknown(_) => masks_gone(),
        SecretError::TooManyTags => Refusal::new(RefusalCode::Malformed, error.to_string(), ""),
        SecretError::UsedUp { .. } => Refusal::new(RefusalCode::NotAllowed, error.to_string(), "Its owner decides."),
        SecretError::Fault(_) => internal(error),
    }
}

//! How a secret becomes visible, or goes, at all members or at none.
//!
//! A member that is PREPARED gives its signed vote to whoever asks, and asks the others until it
//! has n equal votes (then COMMITTED) or a signed reason to give up (then ABORTED). Votes are
//! pulled, made anew from the durable row each time, so a crash anywhere loses nothing and no
//! coordinator is needed. A member's vote for another content of the same secret aborts it: a
//! client that sends different inputs to different members gets an error and blocks nobody.

use super::store::{Prepared, SecretError, SecretState, Stage};
use super::{Amphora, Masked, Order, internal, masks_gone, refused};
use crate::session::take::{row_of, rows, shares_of};
use crate::store::sealed::SecretBytes;
use crate::votes::{Question, Statement, ask_all};
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::{Tally, VoteError};
use polyyne_protocol::id::{ClientKey, MaskSetId, PeerKey, SecretId};
use polyyne_protocol::limits;
use polyyne_protocol::request::{Refusal, RefusalCode, UploadCommit};
use polyyne_protocol::sign::{Signed, Statement as _};
use polyyne_protocol::vote::{
    AbortReason, DeletionCertificate, TakePurpose, Tombstone, Upload, UploadAbort, UploadCertificate, UploadVote,
};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds of asking.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// For secrets that an earlier process left unsettled.
const RESUME_AGAIN: Duration = Duration::from_secs(2);

impl Amphora {
    /// What this member says about an upload, to a member that has voted for it and shows what the client signed.
    pub async fn upload_statement(&self, signed: &Signed<Upload>) -> Option<Statement> {
        let (upload, signer) = signed.verified().ok()?;
        if upload.cloud != self.seat.view.cloud() || upload.client != signer {
            return None;
        }
        let key = self.key(upload.secret);
        match self.secrets.state(key).ok()? {
            Some(SecretState::Masked { head, .. }) if head.mask_set == upload.mask_set.0 => Some(Statement::Pending),
            Some(SecretState::Masked { .. }) => Some(self.abort_statement(upload, AbortReason::Refused)),
            Some(SecretState::Prepared(prepared)) => Some(Statement::Vote(self.vote(&prepared.masked_input)?)),
            Some(SecretState::Committed(row)) => {
                Some(Statement::Committed(canonical::decode(&row.certificate, limits::RECORD_MAX).ok()?))
            }
            Some(SecretState::Deleted { .. }) => Some(Statement::Pending),
            Some(SecretState::Aborted { statement, .. }) if !statement.is_empty() => relayed(&statement, upload),
            Some(SecretState::Aborted { .. }) => Some(self.abort_statement(upload, AbortReason::Expired)),
            None => self.refuse_lost(upload).await,
        }
    }

    /// Masks that this member took and lost before they were durable: nobody can hold its share of them. Without a
    /// taking of its own there is no set of masks that it signed, so that it never votes for one, and no row is needed
    /// to keep it from that: nobody can fill its store by asking.
    async fn refuse_lost(&self, upload: &Upload) -> Option<Statement> {
        let row = row_of(upload.cloud, &TakePurpose::masks_of(upload));
        let took = self.seat.castor.execution(row).ok()?;
        if took.is_some_and(|taken| MaskSetId(taken.digest) == upload.mask_set) {
            self.secrets.abort(self.key(upload.secret)).await.ok()?;
        }
        Some(self.abort_statement(upload, AbortReason::Refused))
    }

    fn vote(&self, masked_input: &SecretBytes) -> Option<Signed<UploadVote>> {
        let commit: UploadCommit = canonical::decode(masked_input.expose(), limits::ENVELOPE_PLAINTEXT_MAX).ok()?;
        Some(Signed::sign(UploadVote::of(commit.upload.unverified()), &self.seat.identity.signing))
    }

    fn abort_statement(&self, upload: &Upload, reason: AbortReason) -> Statement {
        Statement::Aborted(Signed::sign(UploadAbort::of(upload, reason), &self.seat.identity.signing))
    }

    /// Its tombstone, if this member has deleted the secret and this client may know.
    pub fn deletion_statement(&self, secret: SecretId, client: ClientKey) -> Statement {
        match self.has_deleted(secret, &client) {
            true => Statement::Deleted(Signed::sign(self.tombstone(secret, client), &self.seat.identity.signing)),
            false => Statement::Pending,
        }
    }

    /// Whether a secret is gone that this client might delete.
    pub(super) fn has_deleted(&self, secret: SecretId, client: &ClientKey) -> bool {
        let Ok(Some(SecretState::Deleted { tombstone })) = self.secrets.state(self.key(secret)) else { return false };
        Order::from_bytes(&tombstone).is_ok_and(|order| order.description.may_delete(client).is_ok())
    }

    fn tombstone(&self, secret: SecretId, client: ClientKey) -> Tombstone {
        Tombstone { cloud: self.seat.view.cloud(), epoch: self.seat.view.epoch(), client, secret }
    }

    /// Asks until a prepared secret is committed here, and returns its certificate.
    pub(super) async fn settle(&self, secret: SecretId, patience_ms: u64) -> Result<UploadCertificate, Refusal> {
        let deadline = Instant::now() + Duration::from_millis(patience_ms);
        let mut away = pin!(self.seat.member_away());
        loop {
            if let Some(certificate) = self.settled(secret)? {
                return Ok(certificate);
            }
            let waiting = self.settle_once(secret).await?;
            if waiting.is_empty() {
                continue;
            }
            if Instant::now() >= deadline {
                return Err(Refusal::new(
                    RefusalCode::InProgress,
                    format!("the upload is stored here and waits for {}", names(&waiting)),
                    "It is settled when they are back; `vcp secret list` shows it then.",
                ));
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_AGAIN) => {}
                peer = &mut away => return Err(Refusal::new(
                    RefusalCode::MemberUnreachable,
                    format!("the upload is stored here, and member {} has gone", peer.peer_id()),
                    "It is settled when that member is back; `vcp secret list` shows it then.",
                )),
            }
        }
    }

    /// The certificate if committed, nothing if it may still be, an error if it never will.
    fn settled(&self, secret: SecretId) -> Result<Option<UploadCertificate>, Refusal> {
        match self.secrets.state(self.key(secret)).map_err(internal)? {
            Some(SecretState::Committed(row)) => {
                canonical::decode(&row.certificate, limits::RECORD_MAX).map(Some).map_err(internal)
            }
            Some(SecretState::Prepared(_)) => Ok(None),
            Some(SecretState::Aborted { statement, .. }) if !statement.is_empty() => Err(Refusal::new(
                RefusalCode::MembersDiffer,
                "the members did not all get the same upload: it was given up at all of them",
                "Put the secret again, the same to every member.",
            )),
            _ => Err(masks_gone()),
        }
    }

    /// What this member voted for, while that matters: several requests and the keeper below may settle one secret at
    /// once, and who comes second finds it done.
    fn still_prepared(&self, secret: SecretId) -> Result<Option<Prepared>, Refusal> {
        match self.secrets.prepared(self.key(secret)) {
            Ok(prepared) => Ok(Some(prepared)),
            Err(SecretError::WrongStage { stage: Stage::Committed | Stage::Deleted, .. }) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// One round; the members that have not voted.
    async fn settle_once(&self, secret: SecretId) -> Result<Vec<PeerKey>, Refusal> {
        let Some(prepared) = self.still_prepared(secret)? else { return Ok(Vec::new()) };
        let commit: UploadCommit =
            canonical::decode(prepared.masked_input.expose(), limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal)?;
        let view = &self.seat.view;
        let mut tally = Tally::new(UploadVote::of(commit.upload.unverified()), view);
        tally.vote(&self.seat.identity.signing).map_err(internal)?;
        for (_, statement) in ask_all(&self.seat, Question::Upload(Box::new(commit.upload))).await {
            match statement {
                Some(Statement::Vote(vote)) => match tally.count(vote) {
                    Err(VoteError::Dissent(dissent)) if dissent.vote.unverified().is_about(tally.statement()) => {
                        let own = self.vote(&prepared.masked_input).ok_or_else(|| internal("a damaged upload"))?;
                        self.give_up(secret, &GivenUp::Votes(Box::new([own, dissent.vote]))).await?;
                        return Ok(Vec::new());
                    }
                    _ => continue,
                },
                Some(Statement::Committed(certificate))
                    if certificate.verified(view).is_ok_and(|vote| *vote == *tally.statement()) =>
                {
                    self.commit_with(secret, certificate).await?;
                    return Ok(Vec::new());
                }
                Some(Statement::Aborted(abort)) => {
                    let valid = abort
                        .verified()
                        .is_ok_and(|(abort, signer)| abort.ends(tally.statement()) && view.member(&signer).is_some());
                    if valid {
                        self.give_up(secret, &GivenUp::Abort(Box::new(abort))).await?;
                        return Ok(Vec::new());
                    }
                }
                _ => {}
            }
        }
        match tally.certificate() {
            Some(certificate) => {
                self.commit_with(secret, certificate).await?;
                Ok(Vec::new())
            }
            None => Ok(tally.missing().collect()),
        }
    }

    async fn give_up(&self, secret: SecretId, why: &GivenUp) -> Result<(), Refusal> {
        tracing::warn!(%secret, "an upload is given up: the members do not hold the same");
        self.secrets.abort_by(self.key(secret), canonical::encode(why)).await.map_err(refused)
    }

    /// ⟦x⟧ = ⟦m⟧ + d, visible from here on.
    async fn commit_with(&self, secret: SecretId, certificate: UploadCertificate) -> Result<(), Refusal> {
        let Some(prepared) = self.still_prepared(secret)? else { return Ok(()) };
        let field = &self.seat.field;
        let damaged = || internal("a damaged upload");
        let masked: Masked =
            canonical::decode(prepared.material.expose(), limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal)?;
        let masks = shares_of(field, &masked.shares).ok_or_else(damaged)?;
        let commit: UploadCommit =
            canonical::decode(prepared.masked_input.expose(), limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal)?;
        let inputs = commit.masked.elements(field, masks.len()).map_err(internal)?;
        let shares = self.seat.alpha.add_public(field, &masks, &inputs);
        let digest = commit.upload.unverified().digest().0;
        let shares = SecretBytes::new(rows(field, &[shares]).to_vec());
        let outcome = self
            .secrets
            .commit(self.key(secret), digest, canonical::encode(&certificate), shares)
            .await
            .map_err(refused)?;
        crate::failpoint::pass("secret-committed");
        if outcome == super::store::Commit::OverAbort {
            tracing::error!(%secret, "a member signed both an abort and a vote of one upload");
        }
        Ok(())
    }

    /// Asks until all members have deleted.
    pub(super) async fn certify_deletion(
        &self,
        secret: SecretId,
        client: ClientKey,
        patience_ms: u64,
    ) -> Result<DeletionCertificate, Refusal> {
        let deadline = Instant::now() + Duration::from_millis(patience_ms);
        let view = &self.seat.view;
        let mut away = pin!(self.seat.member_away());
        loop {
            let mut tally = Tally::new(self.tombstone(secret, client), view);
            tally.vote(&self.seat.identity.signing).map_err(internal)?;
            for (_, statement) in ask_all(&self.seat, Question::Deletion(secret, client)).await {
                if let Some(Statement::Deleted(tombstone)) = statement {
                    drop(tally.count(tombstone));
                }
            }
            if let Some(certificate) = tally.certificate() {
                return Ok(certificate);
            }
            if Instant::now() >= deadline {
                let waiting: Vec<PeerKey> = tally.missing().collect();
                return Err(Refusal::new(
                    RefusalCode::InProgress,
                    format!("the secret is deleted here, and {} has not said so", names(&waiting)),
                    "Delete it again when that member is back.",
                ));
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_AGAIN) => {}
                peer = &mut away => return Err(Refusal::new(
                    RefusalCode::MemberUnreachable,
                    format!("the secret is deleted here, and member {} has gone", peer.peer_id()),
                    "Delete it again when that member is back.",
                )),
            }
        }
    }

    /// Settles what an earlier process left, and gives up masks that nobody used.
    pub async fn keep_settled(self) {
        loop {
            let cloud = crate::store::CloudId(self.seat.view.cloud().0);
            let now_ms = crate::desk::now_s().saturating_mul(1000);
            if let Err(error) = self.secrets.expire_masked(cloud, now_ms).await {
                tracing::error!(%error, "masks could not be given up");
            }
            for (id, stage) in self.secrets.unsettled(cloud).unwrap_or_default() {
                if stage == Stage::Prepared {
                    drop(self.settle(SecretId(id.0), 0).await);
                }
            }
            tokio::time::sleep(RESUME_AGAIN).await;
        }
    }
}

/// Why this member gave an upload up after it had voted, in the words of those who signed it: an own abort would
/// contradict the own vote.
#[derive(Serialize, Deserialize)]
enum GivenUp {
    Abort(Box<Signed<UploadAbort>>),
    /// The own vote and one for another content.
    Votes(Box<[Signed<UploadVote>; 2]>),
}

/// What ends the upload at a member that has voted for this content: of two votes the one for another.
fn relayed(statement: &[u8], asked: &Upload) -> Option<Statement> {
    match canonical::decode(statement, limits::RECORD_MAX).ok()? {
        GivenUp::Abort(abort) => Some(Statement::Aborted(*abort)),
        GivenUp::Votes(votes) => {
            let other = |vote: &Signed<UploadVote>| vote.unverified().upload != asked.digest();
            votes.into_iter().find(other).map(Statement::Vote)
        }
    }
}

fn names(peers: &[PeerKey]) -> String {
    peers.iter().map(PeerKey::to_string).collect::<Vec<_>>().join(", ")
}

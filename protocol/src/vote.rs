//! What members, and for one statement a client, put their names under while secrets and executions come to be.
//!
//! Each statement names the cloud and the epoch, so that none counts anywhere else, and is the same at all members, so
//! that n signatures over it make a [`Certificate`]. What differs from member to member (own shares, own cursor) is
//! never in one.

use serde::{Deserialize, Serialize};

use crate::assurance::Assurance;
use crate::canonical;
use crate::certificate::Certificate;
use crate::id::{
    Attempt, ClientKey, CloudId, Digest, Epoch, ExecutionId, MacKeyId, MaskSetId, PeerKey, ProgramHash, RequestId,
    SecretId, SessionId,
};
use crate::secret::{SecretDescription, SecretKind};
use crate::sign::{Purpose, Signed, Statement};
use crate::tag::Tags;
use crate::view::CloudView;
use crate::words::Words;

macro_rules! statement {
    ($name:ident, $purpose:ident, $signer:ident) => {
        impl Statement for $name {
            const PURPOSE: Purpose = Purpose::$purpose;
            type Signer = $signer;
        }
    };
}

/// What tuples are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakePurpose {
    /// The masks of an upload, and what delivers them.
    Masks(SecretId),
    /// What delivers a secret to a client.
    Delivery(RequestId),
    /// An execution.
    Execution(ExecutionId),
}

/// Consecutive tuples of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenRange {
    pub kind: String,
    /// Position of the first.
    pub from: u64,
    pub count: u64,
}

impl TakenRange {
    /// One past the position of the last.
    pub fn end(&self) -> Option<u64> {
        self.from.checked_add(self.count)
    }
}

/// A member has taken these tuples for this purpose, durably and once for ever. Exchanged before the first opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub mac_key: MacKeyId,
    pub session: SessionId,
    pub purpose: TakePurpose,
    pub attempt: Attempt,
    /// The digest of the client's signed header: all members were asked the same.
    pub asked: Digest,
    /// The program, for an execution.
    pub program: Option<ProgramHash>,
    /// The digest of the input secrets' descriptions, in their order.
    pub inputs: Digest,
    /// Sorted by kind.
    pub ranges: Vec<TakenRange>,
}
statement!(Take, Take, PeerKey);

impl MaskSetId {
    /// The name of the masks that this take took.
    pub fn of(take: &Take) -> Self {
        Self(take.digest().0)
    }
}

/// The digest of the inputs of an execution.
pub fn inputs_digest<'a>(inputs: impl IntoIterator<Item = &'a SecretDescription>) -> Digest {
    let digests: Vec<Digest> = inputs.into_iter().map(SecretDescription::digest).collect();
    canonical::hash("inputs", &digests)
}

/// A client binds masked inputs to a secret. Signed by the client; one for each secret id and each mask set, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub cloud: CloudId,
    pub epoch: Epoch,
    /// [`crate::view::CloudView::members_digest`].
    pub members: Digest,
    pub secret: SecretId,
    pub mask_set: MaskSetId,
    /// [`crate::words::Words::digest`] of the masked inputs.
    pub masked: Digest,
    /// [`SecretDescription::digest`].
    pub description: Digest,
}
statement!(Upload, Upload, ClientKey);

impl Upload {
    /// What a client signs for these masked inputs, and what a member expects to see signed.
    pub fn new(view: &CloudView, description: &SecretDescription, mask_set: MaskSetId, masked: &Words) -> Self {
        Self {
            cloud: view.cloud(),
            epoch: view.epoch(),
            members: view.members_digest(),
            secret: description.id,
            mask_set,
            masked: masked.digest(),
            description: description.digest(),
        }
    }
}

/// A member has durably prepared this upload and moves on only by a certificate of all, or by an abort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadVote {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub secret: SecretId,
    pub mask_set: MaskSetId,
    /// The digest of the client's [`Upload`].
    pub upload: Digest,
}
statement!(UploadVote, UploadVote, PeerKey);

impl UploadVote {
    /// The vote for an upload.
    pub fn of(upload: &Upload) -> Self {
        let Upload { cloud, epoch, secret, mask_set, .. } = *upload;
        Self { cloud, epoch, secret, mask_set, upload: upload.digest() }
    }
}

/// The secret is visible: every member prepared the same upload.
pub type UploadCertificate = Certificate<UploadVote>;

/// Why a member gives up an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortReason {
    /// The masks waited too long.
    Expired,
    /// The client sent different uploads to different members.
    ClientEquivocated,
    /// The upload did not hold.
    Refused,
    /// The epoch ended before all had voted.
    EpochEnded,
}

/// A member gives up an upload for which it has not voted; with this, others that have voted may give it up too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAbort {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub secret: SecretId,
    pub reason: AbortReason,
}
statement!(UploadAbort, UploadAbort, PeerKey);

/// Proof that a member both voted for an upload and gave it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadContradiction {
    vote: Signed<UploadVote>,
    abort: Signed<UploadAbort>,
}

impl UploadContradiction {
    /// The proof, if the two make one.
    pub fn prove(vote: Signed<UploadVote>, abort: Signed<UploadAbort>) -> Option<Self> {
        let proof = Self { vote, abort };
        proof.convicts()?;
        Some(proof)
    }

    /// Whom it convicts; nobody if a signature does not hold or the two do not exclude each other.
    pub fn convicts(&self) -> Option<PeerKey> {
        let (vote, voter) = self.vote.verified().ok()?;
        let (abort, quitter) = self.abort.verified().ok()?;
        let one_upload = (vote.cloud, vote.epoch, vote.secret) == (abort.cloud, abort.epoch, abort.secret);
        (voter == quitter && one_upload).then_some(voter)
    }
}

/// A member has made a secret unusable; the owner's signed request is what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub secret: SecretId,
}
statement!(Tombstone, Tombstone, PeerKey);

/// The secret is gone at every member.
pub type DeletionCertificate = Certificate<Tombstone>;

/// A member has set the tags of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagVote {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub secret: SecretId,
    /// The digest of the client's signed header.
    pub asked: Digest,
    /// [`tags_digest`] of what they are now.
    pub tags: Digest,
}
statement!(TagVote, TagVote, PeerKey);

/// Names a set of tags in a vote.
pub fn tags_digest(tags: &Tags) -> Digest {
    canonical::hash("tags", tags)
}

/// One thing that an execution wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputShape {
    pub kind: SecretKind,
    pub words: u32,
}

/// A member has seen the MAC check of an execution end in zero: the results may become visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionChecked {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub execution: ExecutionId,
    pub session: SessionId,
    /// The digest of the [`Take`].
    pub take: Digest,
    /// [`printed_digest`] of the text.
    pub printed: Digest,
    /// What was written, in its order.
    pub outputs: Vec<OutputShape>,
    /// Whether the outputs go to the client in clear, and not into new secrets.
    pub revealed: bool,
    /// The digest of the descriptions of the new secrets, see [`inputs_digest`].
    pub results: Digest,
}
statement!(ExecutionChecked, Checked, PeerKey);

/// The results of an execution are visible: its check ended in zero at every member.
pub type ResultCertificate = Certificate<ExecutionChecked>;

/// Names the text that an execution printed.
pub fn printed_digest(printed: &str) -> Digest {
    canonical::hash_parts("printed", &[printed.as_bytes()])
}

/// The id of the k-th secret that an execution makes.
pub fn result_id(cloud: CloudId, execution: ExecutionId, k: u32) -> SecretId {
    let hash = canonical::hash_parts("result", &[&cloud.0, &execution.0, &k.to_le_bytes()]);
    let (id, _) = hash.0.split_first_chunk().expect("a digest has more than 16 bytes");
    SecretId(*id)
}

/// A member has written these tuples durably and has seen their checks pass; they become available with n of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSeal {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub mac_key: MacKeyId,
    /// The generation session that made them.
    pub setup: SessionId,
    /// Which batch of the setup.
    pub batch: u64,
    pub kind: String,
    /// Position of the first.
    pub from: u64,
    pub count: u32,
    /// How they were made.
    pub assurance: Assurance,
    /// [`crate::version::SecurityParameters::hash`].
    pub parameters: Digest,
    /// The digest of the batch's public transcript.
    pub transcript: Digest,
}
statement!(ChunkSeal, ChunkSeal, PeerKey);

/// The tuples may be used.
pub type ChunkCertificate = Certificate<ChunkSeal>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{CertificateError, Tally, VoteError};
    use crate::log::tests::founded;
    use crate::membership::tests::signing_key;

    fn vote(upload: u8) -> UploadVote {
        UploadVote {
            cloud: CloudId([1; 32]),
            epoch: Epoch(1),
            secret: SecretId([2; 16]),
            mask_set: MaskSetId([3; 32]),
            upload: Digest([upload; 32]),
        }
    }

    #[test]
    fn n_equal_votes_make_a_certificate_and_fewer_do_not() {
        let log = founded(&[1, 2, 3]);
        let mut tally = Tally::new(vote(1), log.view());
        for seed in [2, 1] {
            tally.vote(&signing_key(seed)).expect("a member");
            assert_eq!(tally.certificate(), None);
        }
        assert_eq!(tally.missing().collect::<Vec<_>>(), [PeerKey::of(&signing_key(3))]);
        tally.vote(&signing_key(3)).expect("a member");
        let certificate = tally.certificate().expect("all voted");
        assert_eq!(certificate.verified(log.view()), Ok(&vote(1)));
        let bytes = canonical::encode(&certificate);
        let back: UploadCertificate = canonical::decode(&bytes, 4096).expect("canonical");
        assert_eq!(back.verified(log.view()), Ok(&vote(1)));
    }

    #[test]
    fn a_vote_for_something_else_is_kept_as_proof() {
        let log = founded(&[1, 2]);
        let mut tally = Tally::new(vote(1), log.view());
        let other = Signed::sign(vote(2), &signing_key(2));
        let error = tally.count(other.clone()).expect_err("another digest");
        let VoteError::Dissent(dissent) = error else { panic!("{error}") };
        assert_eq!(dissent.vote, other);
        assert_eq!(tally.certificate(), None);
    }

    #[test]
    fn strangers_and_forgeries_do_not_count() {
        let log = founded(&[1, 2]);
        let mut tally = Tally::new(vote(1), log.view());
        let stranger = PeerKey::of(&signing_key(9));
        assert_eq!(tally.vote(&signing_key(9)), Err(VoteError::NotAMember(stranger)));
        let signature = Signed::sign(vote(1), &signing_key(1)).signature();
        let forged = Signed::from_parts(vote(1), PeerKey::of(&signing_key(2)), signature);
        assert!(matches!(tally.count(forged), Err(VoteError::Signature { .. })));
    }

    #[test]
    fn a_certificate_of_other_members_is_refused() {
        let (log, other) = (founded(&[1, 2, 3]), founded(&[1, 2, 4]));
        let mut tally = Tally::new(vote(1), log.view());
        for seed in 1..=3 {
            tally.vote(&signing_key(seed)).expect("a member");
        }
        let certificate = tally.certificate().expect("all voted");
        let expected = PeerKey::of(&signing_key(4));
        assert_eq!(certificate.verified(other.view()), Err(CertificateError::Missing { expected }));
        let two = founded(&[1, 2]);
        assert_eq!(certificate.verified(two.view()), Err(CertificateError::Count { expected: 2, got: 3 }));
    }

    #[test]
    fn a_member_that_votes_and_gives_up_convicts_itself() {
        let UploadVote { cloud, epoch, secret, .. } = vote(1);
        let abort = UploadAbort { cloud, epoch, secret, reason: AbortReason::Expired };
        let voted = |seed| Signed::sign(vote(1), &signing_key(seed));
        let gave_up = |abort: &UploadAbort| Signed::sign(abort.clone(), &signing_key(1));
        let proof = UploadContradiction::prove(voted(1), gave_up(&abort)).expect("a proof");
        assert_eq!(proof.convicts(), Some(PeerKey::of(&signing_key(1))));
        assert_eq!(UploadContradiction::prove(voted(2), gave_up(&abort)), None);
        let other = UploadAbort { secret: SecretId([9; 16]), ..abort };
        assert_eq!(UploadContradiction::prove(voted(1), gave_up(&other)), None);
    }

    #[test]
    fn result_ids_depend_on_cloud_execution_and_number() {
        let base = result_id(CloudId([1; 32]), ExecutionId([1; 16]), 0);
        assert_ne!(result_id(CloudId([2; 32]), ExecutionId([1; 16]), 0), base);
        assert_ne!(result_id(CloudId([1; 32]), ExecutionId([2; 16]), 0), base);
        assert_ne!(result_id(CloudId([1; 32]), ExecutionId([1; 16]), 1), base);
    }
}

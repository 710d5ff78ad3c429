//! What members, and for one statement a client, put their names under while secrets and executions come to be.
//!
//! Each statement names the cloud and the epoch, so that none counts anywhere else, and is the same at all members, so
//! that n signatures over it make a [`Certificate`]. What differs from member to member (own shares, own cursor) is
//! never in one.

use serde::{Deserialize, Serialize};

use crate::assurance::Assurance;
use crate::canonical;
use crate::certificate::Certificate;
pub use crate::execution::{
    ExecutionChecked, ExecutionKey, OutputShape, ResultCertificate, inputs_digest, printed_digest, result_id,
};
use crate::id::{
    Attempt, ClientKey, CloudId, Digest, Epoch, MacKeyId, MaskSetId, PeerKey, ProgramHash, SecretId, SessionId,
};
use crate::secret::SecretDescription;
use crate::sign::{Purpose, Signed, Statement};
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

/// What tuples are taken for: who asked, and all that was asked. An id that a client chose never stands alone, or
/// another client could ask for something else under it and be given this one's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakePurpose {
    /// The masks of an upload, and what delivers them.
    Masks {
        client: ClientKey,
        secret: SecretId,
        /// [`SecretDescription::digest`]: all that the client asked for.
        description: Digest,
    },
    /// What delivers words to a client.
    Delivery {
        client: ClientKey,
        /// The digest of the signed header: each request is delivered to once.
        asked: Digest,
    },
    /// An execution.
    Execution(ExecutionKey),
}

impl TakePurpose {
    /// The masks of an upload of this secret.
    pub fn masks(description: &SecretDescription) -> Self {
        Self::Masks { client: description.owner, secret: description.id, description: description.digest() }
    }

    /// The masks that an upload used.
    pub fn masks_of(upload: &Upload) -> Self {
        Self::Masks { client: upload.client, secret: upload.secret, description: upload.description }
    }

    /// The name of the row under which a member remembers a taking, for ever: one for each purpose in each cloud.
    pub fn row(&self, cloud: CloudId) -> Digest {
        canonical::hash("taking", &(cloud, self))
    }
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

/// A client binds masked inputs to a secret. Signed by the client; one for each secret id and each mask set, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub cloud: CloudId,
    pub epoch: Epoch,
    /// [`crate::view::CloudView::members_digest`].
    pub members: Digest,
    /// Who signs, and owns the secret.
    pub client: ClientKey,
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
            client: description.owner,
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
    pub client: ClientKey,
    pub secret: SecretId,
    pub mask_set: MaskSetId,
    /// The digest of the client's [`Upload`].
    pub upload: Digest,
}
statement!(UploadVote, UploadVote, PeerKey);

impl UploadVote {
    /// The vote for an upload.
    pub fn of(upload: &Upload) -> Self {
        let Upload { cloud, epoch, client, secret, mask_set, .. } = *upload;
        Self { cloud, epoch, client, secret, mask_set, upload: upload.digest() }
    }

    /// Whether another is about the same upload, whatever it says of its content. Masks are left out: a client that
    /// begins twice has equivocated too.
    pub fn is_about(&self, other: &Self) -> bool {
        (self.cloud, self.epoch, self.client, self.secret) == (other.cloud, other.epoch, other.client, other.secret)
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

/// A member gives up an upload for which it has not voted; with this, others that have voted may give it up too. It
/// says nothing of an upload with other masks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAbort {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub client: ClientKey,
    pub secret: SecretId,
    pub mask_set: MaskSetId,
    pub reason: AbortReason,
}
statement!(UploadAbort, UploadAbort, PeerKey);

impl UploadAbort {
    /// What ends this upload.
    pub fn of(upload: &Upload, reason: AbortReason) -> Self {
        let Upload { cloud, epoch, client, secret, mask_set, .. } = *upload;
        Self { cloud, epoch, client, secret, mask_set, reason }
    }

    /// Whether it ends the upload that this vote is for.
    pub fn ends(&self, vote: &UploadVote) -> bool {
        let Self { cloud, epoch, client, secret, mask_set, .. } = *self;
        (cloud, epoch, client, secret, mask_set) == (vote.cloud, vote.epoch, vote.client, vote.secret, vote.mask_set)
    }
}

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
        (voter == quitter && abort.ends(vote)).then_some(voter)
    }
}

/// A member has made a secret unusable, and says so to a client that may delete it. Client and secret are all of what
/// is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub client: ClientKey,
    pub secret: SecretId,
}
statement!(Tombstone, Tombstone, PeerKey);

/// The secret is gone at every member.
pub type DeletionCertificate = Certificate<Tombstone>;

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
#[path = "vote/tests.rs"]
mod tests;

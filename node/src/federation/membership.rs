//! Forming and changing virtual clouds: invitations, promises, signatures, and the log that results.
//!
//! Every signer of a proposed record *talks* to every other: it sends the record with its own promise
//! and signature and gets the other's back, again and again until the record is complete. Talking is
//! idempotent, so that lost messages, restarts and any order of them do no harm. Promise and signature
//! are durable before they are sent. A member that has signed one record of an epoch signs another
//! only when somebody who must sign the first has refused it; two complete records for one epoch halt
//! the cloud, and no side is ever picked (I24).
//!
//! A MAC key record is proposed by the present member of lowest index, from commitments that all
//! members give it, and accepted without an operator while there is no usable key.
//!
//! Not protected against: a member that does not answer (the proposal stays open and says who).

mod desk;
mod memory;
mod redb;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ed25519_dalek::SigningKey;
use polyyne_engine::port::BoxFuture;
use polyyne_protocol::{
    assurance::Acceptance,
    canonical,
    id::{CloudId, Digest, MacKeyId, PeerKey, RecordHash, SealKey},
    log::{LogError, SignedRecord},
    membership::Record,
    proposal::{ProposalError, Stance},
    stock::StockRule,
    version::{Prime, SecurityParameters},
    view::{CloudView, CurrentMacKey},
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Directory, DirectoryError, Network};
use desk::Desk;
pub use memory::MemoryStore;
pub use redb::StateStore;

/// What was said in one ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Promised,
    Withdrawn,
    Signed,
}

/// One place in a log that a node may sign once: of a cloud (for a founding: of the record), epoch
/// and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub subject: [u8; 32],
    pub epoch: u64,
    pub attempt: u32,
}

/// Why something was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// This node has said another thing at that place.
    #[error("this node has promised or signed another record for the same epoch and attempt")]
    OtherRecord,
    /// What is stored does not allow this step.
    #[error("the promise was withdrawn, or is signed already")]
    WrongState,
    /// Two records for one epoch.
    #[error("another record is stored for this epoch")]
    Fork,
    #[error("the store failed: {0}")]
    Fault(String),
}

/// Where membership is kept. Every method is durable when it returns.
pub trait MembershipStore: Send + Sync {
    /// The records of every cloud, from epoch 0.
    fn logs(&self) -> Result<Vec<Vec<Vec<u8>>>, StoreError>;
    /// Appends a complete record to a cloud's log; the same again has no effect.
    fn append(&self, cloud: CloudId, epoch: u64, record: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Halts a cloud; the first evidence stays.
    fn halt(&self, cloud: CloudId, evidence: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>>;
    fn is_halted(&self, cloud: CloudId) -> Result<bool, StoreError>;
    /// Says something about a record at its place, once and for all.
    fn say(&self, place: Place, record: RecordHash, what: Said) -> BoxFuture<'_, Result<(), StoreError>>;
    fn said(&self, place: Place) -> Result<Option<(RecordHash, Said)>, StoreError>;
    /// Open proposals.
    fn proposals(&self) -> Result<Vec<Vec<u8>>, StoreError>;
    fn keep_proposal(&self, record: RecordHash, proposal: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>>;
    fn drop_proposal(&self, record: RecordHash) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// This node's shares of MAC keys, as membership sees them.
pub trait KeyShares: Send + Sync {
    /// Draws this node's share of a new key, unless it has been drawn, and gives the commitment to
    /// it. Both are durable when this returns.
    fn commitment(&self, cloud: CloudId, key: MacKeyId, field: Prime) -> BoxFuture<'_, Result<Digest, StoreError>>;
    /// Whether the key will never be used again.
    fn is_burned(&self, cloud: CloudId, key: MacKeyId) -> bool;
}

/// What membership needs of its node.
pub struct MembershipConfig {
    pub key: SigningKey,
    pub seal: SealKey,
    /// Multiaddrs under which this node stands in records.
    pub addresses: Vec<String>,
    /// Invitations of which all other members are listed are accepted without asking.
    pub accept: BTreeSet<PeerKey>,
    pub store: Arc<dyn MembershipStore>,
    pub shares: Arc<dyn KeyShares>,
}

/// Why a step of forming or changing a cloud failed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Member(#[from] DirectoryError),
    #[error("there is no invitation {0}")]
    NoInvitation(RecordHash),
    #[error("this node is not in cloud {0}")]
    NoCloud(CloudId),
    #[error("cloud {0} is halted: two complete records for one epoch exist; its members decide how to go on")]
    Halted(CloudId),
    #[error("too many open invitations: decline some")]
    TooMany,
    #[error("the member of lowest index does not answer, and it makes the cloud's keys")]
    NoProposer,
}

/// A proposed record that this node must sign, and how far it is.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub id: RecordHash,
    pub record: Record,
    /// Who brought it here first.
    pub from: PeerKey,
    /// What each signer said, in signing order.
    pub stances: Vec<(PeerKey, Option<Stance>)>,
    /// Who has not signed.
    pub unsigned: Vec<PeerKey>,
}

/// A cloud of which this node is or was a member.
#[derive(Debug, Clone)]
pub struct CloudStatus {
    pub view: CloudView,
    pub halted: bool,
}

/// The clouds of this node. Clones share them; it stops with the last one.
#[derive(Clone)]
pub struct Federation {
    desk: Arc<Desk>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Federation {
    /// Loads what is stored and goes on where it was left.
    ///
    /// # Errors
    /// If the store cannot be read or a stored log is not valid.
    ///
    /// # Panics
    /// If [`super::Service::MEMBERSHIP`] is served already.
    pub async fn start(
        network: Network,
        directory: Directory,
        config: MembershipConfig,
    ) -> Result<Self, MembershipError> {
        let desk = Arc::new(Desk::load(network, directory, config).await?);
        Desk::serve(&desk);
        let task = tokio::spawn(Desk::run(Arc::downgrade(&desk)));
        Ok(Self { desk, _task: Arc::new(AbortOnDropHandle::new(task)) })
    }

    /// Proposes a new cloud of this node and `others`, who must be reachable; gives the invitation's
    /// id. It is live at each member when all have accepted and signed.
    ///
    /// # Errors
    /// [`MembershipError`] names the member that cannot be asked or the rule that is broken.
    pub async fn propose(
        &self,
        name: &str,
        others: &[PeerKey],
        parameters: SecurityParameters,
        stock: BTreeMap<String, StockRule>,
        acceptance: Acceptance,
    ) -> Result<RecordHash, MembershipError> {
        self.desk.found(name, others, parameters, stock, acceptance).await
    }

    /// Proposes that `others` and this node be the members from the next epoch on.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn propose_members(&self, cloud: CloudId, others: &[PeerKey]) -> Result<RecordHash, MembershipError> {
        self.desk.change_members(cloud, others).await
    }

    /// Asks for a new MAC key in place of a burned one.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn rekey(&self, cloud: CloudId) -> Result<(), MembershipError> {
        self.desk.rekey(cloud).await
    }

    /// Proposals that are not complete.
    pub fn invitations(&self) -> Vec<Invitation> {
        self.desk.invitations()
    }

    /// Promises to sign, durably, and tells the others.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn accept(&self, id: RecordHash) -> Result<(), MembershipError> {
        self.desk.decide(id, true).await
    }

    /// Declines, or takes a promise back that has not led to a signature.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn decline(&self, id: RecordHash) -> Result<(), MembershipError> {
        self.desk.decide(id, false).await
    }

    /// All clouds.
    pub fn clouds(&self) -> Vec<CloudStatus> {
        self.desk.clouds()
    }

    /// One cloud, unless it is unknown.
    pub fn cloud(&self, cloud: CloudId) -> Option<CloudStatus> {
        self.clouds().into_iter().find(|status| status.view.cloud() == cloud)
    }

    /// A cloud's complete records, for clients and for members that were away.
    pub fn records(&self, cloud: CloudId) -> Option<Vec<SignedRecord>> {
        self.desk.records(cloud, 0)
    }

    /// The same as one value in canonical bytes.
    pub fn log(&self, cloud: CloudId) -> Option<Vec<u8>> {
        self.records(cloud).map(|records| canonical::encode(&records))
    }

    /// Every MAC key that a cloud ever had, oldest first; the present one is last.
    pub fn keys(&self, cloud: CloudId) -> Vec<CurrentMacKey> {
        self.desk.keys(cloud)
    }

    /// Fires when an invitation or a cloud changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.desk.changes()
    }

    /// Waits for a cloud whose record `id` is complete here.
    pub async fn live(&self, id: RecordHash, patience: Duration) -> Option<CloudStatus> {
        self.wait(patience, |status| status.view.cloud().0 == id.0).await
    }

    /// Waits for a cloud that fits.
    pub async fn wait(&self, patience: Duration, fits: impl Fn(&CloudStatus) -> bool) -> Option<CloudStatus> {
        let mut changes = self.changes();
        let found = async {
            loop {
                changes.mark_unchanged();
                if let Some(status) = self.clouds().into_iter().find(&fits) {
                    return Some(status);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, found).await.ok().flatten()
    }
}

//! Which execution, and what members sign when its checks have passed.
//!
//! An execution's id is its client's choice, and every member that reads the request knows it. So it never stands alone:
//! an [`ExecutionKey`] is the client, the id and the digest of all that was asked, and rows, votes, certificates and the
//! ids of results are made of it. Who asks for anything else under the same id asks for another execution.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::certificate::Certificate;
use crate::id::{ClientKey, CloudId, Digest, Epoch, ExecutionId, PeerKey, ProgramHash, SecretId, SessionId};
use crate::request::{Execute, ResultTerms};
use crate::secret::{SecretDescription, SecretKind};
use crate::sign::{Purpose, Statement};

/// One client's one request to run a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExecutionKey {
    pub client: ClientKey,
    /// The client's choice, which it uses once.
    pub id: ExecutionId,
    /// [`Execute::digest`]: program, arguments, inputs in their order, and all else that was asked.
    pub request: Digest,
}

impl ExecutionKey {
    /// What this client asks.
    pub fn of(client: ClientKey, execute: &Execute) -> Self {
        Self { client, id: execute.execution, request: execute.digest() }
    }
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
    pub execution: ExecutionKey,
    pub program: ProgramHash,
    pub session: SessionId,
    /// The digest of the [`crate::vote::Take`].
    pub take: Digest,
    /// [`printed_digest`] of the text.
    pub printed: Digest,
    /// What was written, in its order.
    pub outputs: Vec<OutputShape>,
    /// Whether the outputs go to the client in clear, and not into new secrets.
    pub revealed: bool,
    /// When the new secrets were made, in seconds since 1970, by the client's clock.
    pub created: u64,
    /// The digest of the descriptions of the new secrets, see [`inputs_digest`].
    pub results: Digest,
}

impl Statement for ExecutionChecked {
    const PURPOSE: Purpose = Purpose::Checked;
    type Signer = PeerKey;
}

impl ExecutionChecked {
    /// Whether this says that what `client` asked in `execute` has been run in `cloud`: this program, with these
    /// arguments over these inputs, by this client, with results of this sort under these terms.
    pub fn is_of(&self, cloud: CloudId, client: ClientKey, execute: &Execute) -> bool {
        let key = ExecutionKey::of(client, execute);
        let secrets = new_secrets(cloud, &key, execute, self.created, &self.outputs);
        self.cloud == cloud
            && self.execution == key
            && self.program == execute.program.hash()
            && self.revealed == execute.reveal
            && self.results == inputs_digest(&secrets)
    }
}

/// The results of an execution are visible: its check ended in zero at every member.
pub type ResultCertificate = Certificate<ExecutionChecked>;

/// Names the text that an execution printed.
pub fn printed_digest(printed: &str) -> Digest {
    canonical::hash_parts("printed", &[printed.as_bytes()])
}

/// The digest of the inputs of an execution, or of its results.
pub fn inputs_digest<'a>(inputs: impl IntoIterator<Item = &'a SecretDescription>) -> Digest {
    let digests: Vec<Digest> = inputs.into_iter().map(SecretDescription::digest).collect();
    canonical::hash("inputs", &digests)
}

/// The id of the k-th secret that an execution makes.
pub fn result_id(cloud: CloudId, execution: &ExecutionKey, k: u32) -> SecretId {
    let hash = canonical::hash("result", &(cloud, execution, k));
    let (id, _) = hash.0.split_first_chunk().expect("a digest has more than 16 bytes");
    SecretId(*id)
}

/// The secrets that an execution makes of what it wrote, the asking client's; none if that is revealed.
pub fn new_secrets(
    cloud: CloudId,
    key: &ExecutionKey,
    execute: &Execute,
    created: u64,
    outputs: &[OutputShape],
) -> Vec<SecretDescription> {
    if execute.reveal {
        return Vec::new();
    }
    let ResultTerms { tags, policy, expires } = &execute.results;
    let describe = |(k, output): (u32, &OutputShape)| SecretDescription {
        id: result_id(cloud, key, k),
        owner: key.client,
        kind: output.kind,
        words: output.words,
        tags: tags.clone(),
        policy: policy.clone(),
        created,
        expires: *expires,
    };
    (0u32..).zip(outputs).map(describe).collect()
}

#[cfg(test)]
#[path = "execution/tests.rs"]
mod tests;

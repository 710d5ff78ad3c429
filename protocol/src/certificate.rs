//! Statements that count once every member has signed the same bytes.
//!
//! A [`Certificate`] is a statement with exactly one valid signature of each member, in the order of the members.
//! Votes are gathered in a [`Tally`]; a vote for anything else is a [`Dissent`] that names its signer and keeps the
//! signed contradiction.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::id::{PeerKey, RecordHash};
use crate::sign::{Signature, SignatureError, Signed, Statement};
use crate::view::CloudView;

/// A statement of which all members say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Statement")]
pub struct Certificate<T: Statement<Signer = PeerKey>> {
    statement: T,
    signatures: Vec<MemberSignature>,
}

/// A signature and who gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSignature {
    pub peer: PeerKey,
    pub signature: Signature,
}

/// Why signatures do not make a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("{got} signatures where {expected} members must sign")]
    Count { expected: usize, got: usize },
    #[error("the signature of member {expected} is missing, or not at its place")]
    Missing { expected: PeerKey },
    #[error("the signature of member {peer}: {cause}")]
    Signature { peer: PeerKey, cause: SignatureError },
}

impl<T: Statement<Signer = PeerKey>> Certificate<T> {
    /// Puts together a statement and its signatures; nothing is checked yet.
    pub fn from_parts(statement: T, signatures: Vec<MemberSignature>) -> Self {
        Self { statement, signatures }
    }

    /// The statement, if exactly the members of this view signed it.
    ///
    /// # Errors
    /// [`CertificateError`] names the member at fault.
    ///
    /// # Security
    /// The caller still compares the statement's cloud, epoch and subject with what it expects.
    pub fn verified(&self, view: &CloudView) -> Result<&T, CertificateError> {
        let peers: Vec<PeerKey> = view.members().iter().map(|member| member.peer).collect();
        verify_all(&self.statement, &peers, &self.signatures)?;
        Ok(&self.statement)
    }

    /// The statement, whether or not the signatures hold: for messages, never for a decision.
    pub fn unverified(&self) -> &T {
        &self.statement
    }

    /// The signatures, in the order of the members.
    pub fn signatures(&self) -> &[MemberSignature] {
        &self.signatures
    }
}

/// Checks that the signatures are those of `peers`, in their order, each over `statement`.
pub(crate) fn verify_all<T: Statement<Signer = PeerKey>>(
    statement: &T,
    peers: &[PeerKey],
    signatures: &[MemberSignature],
) -> Result<(), CertificateError> {
    if signatures.len() != peers.len() {
        return Err(CertificateError::Count { expected: peers.len(), got: signatures.len() });
    }
    let bytes = statement.to_canonical();
    for (&expected, MemberSignature { peer, signature }) in peers.iter().zip(signatures) {
        if *peer != expected {
            return Err(CertificateError::Missing { expected });
        }
        crate::sign::verify(peer, T::PURPOSE, &bytes, signature)
            .map_err(|cause| CertificateError::Signature { peer: *peer, cause })?;
    }
    Ok(())
}

/// A member's signed vote for something else than this tally counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissent<T: Statement<Signer = PeerKey>> {
    pub vote: Signed<T>,
}

/// What became of a vote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoteError<T: Statement<Signer = PeerKey>> {
    #[error("{0} is not a member")]
    NotAMember(PeerKey),
    #[error("the vote of member {peer}: {cause}")]
    Signature { peer: PeerKey, cause: SignatureError },
    #[error("member {} voted for something else", .0.vote.signer())]
    Dissent(Box<Dissent<T>>),
}

/// Gathers the votes of all members for one statement.
#[derive(Debug, Clone)]
pub struct Tally<T: Statement<Signer = PeerKey>> {
    statement: T,
    view_head: RecordHash,
    votes: Vec<(PeerKey, Option<Signature>)>,
}

impl<T: Statement<Signer = PeerKey>> Tally<T> {
    /// An empty tally for a statement among the members of a view.
    pub fn new(statement: T, view: &CloudView) -> Self {
        let votes = view.members().iter().map(|member| (member.peer, None)).collect();
        Self { statement, view_head: view.head(), votes }
    }

    /// What is voted on.
    pub fn statement(&self) -> &T {
        &self.statement
    }

    /// The record whose members vote.
    pub fn view_head(&self) -> RecordHash {
        self.view_head
    }

    /// Signs for ourselves and counts it.
    ///
    /// # Errors
    /// [`VoteError::NotAMember`] if the key is no member's.
    pub fn vote(&mut self, key: &SigningKey) -> Result<Signed<T>, VoteError<T>> {
        let signed = Signed::sign(self.statement.clone(), key);
        self.count(signed.clone())?;
        Ok(signed)
    }

    /// Counts a vote; the same vote again changes nothing.
    ///
    /// # Errors
    /// [`VoteError`]; a [`Dissent`] is a signed contradiction.
    pub fn count(&mut self, vote: Signed<T>) -> Result<(), VoteError<T>> {
        let peer = vote.signer();
        let place = self.votes.iter_mut().find(|(member, _)| *member == peer).ok_or(VoteError::NotAMember(peer))?;
        vote.verified().map_err(|cause| VoteError::Signature { peer, cause })?;
        if *vote.unverified() != self.statement {
            return Err(VoteError::Dissent(Box::new(Dissent { vote })));
        }
        place.1 = Some(vote.signature());
        Ok(())
    }

    /// Members that have not voted.
    pub fn missing(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.votes.iter().filter(|(_, vote)| vote.is_none()).map(|(peer, _)| *peer)
    }

    /// The certificate, once every member has voted.
    pub fn certificate(&self) -> Option<Certificate<T>> {
        let signatures = self
            .votes
            .iter()
            .map(|&(peer, signature)| signature.map(|signature| MemberSignature { peer, signature }))
            .collect::<Option<Vec<_>>>()?;
        Some(Certificate { statement: self.statement.clone(), signatures })
    }
}

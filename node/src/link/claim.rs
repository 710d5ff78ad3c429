//! The first frame of a link: which session it is for, bound to this TLS connection.
//!
//! The token hashes the connection's exporter with every field and both keys, so that a claim cannot
//! be carried over to another connection or another pair of members (I20, T18). The answer is a
//! token of its own: the dialler knows then that the other side has the link in hand.

use polyyne_protocol::{
    canonical::{self, DecodeError},
    id::{Digest, PeerKey},
    limits::LINK_HELLO_MAX,
    version::WIRE_MAJOR,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// What a link is for: a rendezvous label that the members of a session agreed on, fresh for each
/// attempt, and the VM thread in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionLabel {
    pub label: [u8; 32],
    pub thread: u32,
}

/// The two ends of a link, in the order dialler, acceptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ends {
    pub dialler: PeerKey,
    pub acceptor: PeerKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    version: u16,
    label: Digest,
    thread: u32,
    from: u16,
    to: u16,
    token: Digest,
}

/// A claim that names no session of this version on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("the first frame is not a claim: {0}")]
    Malformed(#[from] DecodeError),
    #[error("wire version {0} where this node speaks {WIRE_MAJOR}")]
    Version(u16),
    #[error("the claim was made for another connection")]
    Token,
}

impl Claim {
    pub fn new(session: SessionLabel, from: u16, to: u16, ends: Ends, exporter: &[u8; 32]) -> Self {
        let mut claim = Self {
            version: WIRE_MAJOR,
            label: Digest(session.label),
            thread: session.thread,
            from,
            to,
            token: Digest([0; 32]),
        };
        claim.token = claim.bind("link-claim", ends, exporter);
        claim
    }

    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// Reads a claim that arrived on the connection with this exporter.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn read(frame: &[u8], ends: Ends, exporter: &[u8; 32]) -> Result<Self, ClaimError> {
        let claim: Self = canonical::decode(frame, LINK_HELLO_MAX)?;
        if claim.version != WIRE_MAJOR {
            return Err(ClaimError::Version(claim.version));
        }
        let expected = claim.bind("link-claim", ends, exporter);
        if bool::from(expected.0.ct_eq(&claim.token.0)) { Ok(claim) } else { Err(ClaimError::Token) }
    }

    /// What the acceptor says when its session has taken the link.
    pub fn answer(&self, ends: Ends, exporter: &[u8; 32]) -> Vec<u8> {
        self.bind("link-answer", ends, exporter).0.to_vec()
    }

    pub fn is_answered_by(&self, frame: &[u8], ends: Ends, exporter: &[u8; 32]) -> bool {
        self.answer(ends, exporter).ct_eq(frame).into()
    }

    /// Where the link belongs.
    pub fn ticket(&self, dialler: PeerKey) -> Ticket {
        let session = SessionLabel { label: self.label.0, thread: self.thread };
        Ticket { session, dialler, from: self.from, to: self.to }
    }

    fn bind(&self, purpose: &str, ends: Ends, exporter: &[u8; 32]) -> Digest {
        canonical::hash_parts(
            purpose,
            &[
                exporter,
                &self.version.to_le_bytes(),
                &self.label.0,
                &self.thread.to_le_bytes(),
                &self.from.to_le_bytes(),
                &self.to.to_le_bytes(),
                ends.dialler.as_bytes(),
                ends.acceptor.as_bytes(),
            ],
        )
    }
}

/// Names one link of one session among all that may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub session: SessionLabel,
    pub dialler: PeerKey,
    pub from: u16,
    pub to: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends { dialler: PeerKey([1; 32]), acceptor: PeerKey([2; 32]) }
    }

    fn claim() -> Claim {
        Claim::new(SessionLabel { label: [3; 32], thread: 4 }, 0, 1, ends(), &[5; 32])
    }

    #[test]
    fn a_claim_is_read_on_its_own_connection_only() {
        let frame = claim().encode();
        assert_eq!(Claim::read(&frame, ends(), &[5; 32]), Ok(claim()));
        assert_eq!(Claim::read(&frame, ends(), &[6; 32]), Err(ClaimError::Token));
        let swapped = Ends { dialler: ends().acceptor, acceptor: ends().dialler };
        assert_eq!(Claim::read(&frame, swapped, &[5; 32]), Err(ClaimError::Token));
    }

    #[test]
    fn every_changed_byte_of_a_claim_is_refused() {
        let frame = claim().encode();
        for at in 0..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= 1;
            assert!(Claim::read(&changed, ends(), &[5; 32]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_answer_is_not_the_claims_token() {
        let answer = claim().answer(ends(), &[5; 32]);
        assert_ne!(answer, claim().token.0);
        assert!(claim().is_answered_by(&answer, ends(), &[5; 32]));
        assert!(!claim().is_answered_by(&claim().token.0, ends(), &[5; 32]));
        assert!(!claim().is_answered_by(&[], ends(), &[5; 32]));
    }
}

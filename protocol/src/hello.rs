//! The first round of every joint run, and the name that the run gets from it.
//!
//! Each member signs what it is about to do and a fresh nonce. All hellos must be equal but for the nonces; a
//! difference is a misconfiguration or an attack, and there is no falling back. The session id is the hash of all
//! hellos in rank order: it covers cloud, epoch, members, parameters, versions, purpose, subject and the nonces of all,
//! and goes into every signature, commitment and key derivation of the run. One honest nonce makes it fresh.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::id::{Attempt, CloudId, Digest, Epoch, MacKeyId, PeerKey, SessionId};
use crate::sign::{Purpose, SignatureError, Signed, Statement};
use crate::version::WIRE_MAJOR;
use crate::view::CloudView;

/// What a joint run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPurpose {
    /// Making a MAC key.
    KeySetup,
    /// Making tuples.
    Generation,
    /// Masks for an upload.
    Masks,
    /// Delivering a secret.
    Delivery,
    /// Running a program.
    Execution,
    /// Checking MACs.
    Check,
}

/// What a member says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub wire: u16,
    pub cloud: CloudId,
    pub epoch: Epoch,
    /// [`CloudView::members_digest`].
    pub members: Digest,
    /// [`crate::version::SecurityParameters::hash`].
    pub parameters: Digest,
    pub mac_key: Option<MacKeyId>,
    pub purpose: SessionPurpose,
    /// What it is about: the digest of the request, of the plan.
    pub subject: Digest,
    pub attempt: Attempt,
    pub nonce: Digest,
}

impl Statement for Hello {
    const PURPOSE: Purpose = Purpose::Hello;
    type Signer = PeerKey;
}

impl Hello {
    /// What a member of this view says; the nonce is 32 fresh random bytes.
    pub fn new(view: &CloudView, purpose: SessionPurpose, subject: Digest, attempt: Attempt, nonce: [u8; 32]) -> Self {
        Self {
            wire: WIRE_MAJOR,
            cloud: view.cloud(),
            epoch: view.epoch(),
            members: view.members_digest(),
            parameters: view.parameters().hash(),
            mac_key: view.mac_key().map(|key| key.id),
            purpose,
            subject,
            attempt,
            nonce: Digest(nonce),
        }
    }

    fn without_nonce(&self) -> Self {
        Self { nonce: Digest([0; 32]), ..self.clone() }
    }
}

/// Why hellos do not open a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    #[error("{got} hellos where {expected} members open the session")]
    Count { expected: usize, got: usize },
    #[error("the hello at the place of member {0} is somebody else's")]
    Signer(PeerKey),
    #[error("the hello of member {peer}: {cause}")]
    Signature { peer: PeerKey, cause: SignatureError },
    #[error("member {0} runs other versions or parameters, or is at another epoch")]
    Parameters(PeerKey),
    #[error("member {0} means another task")]
    Task(PeerKey),
    #[error("member {0} repeats another's nonce")]
    Nonce(PeerKey),
}

/// The session that all members' hellos open, in rank order; `own` is what this member said.
///
/// # Errors
/// [`HelloError`] names the member that differs.
pub fn session_id(view: &CloudView, own: &Hello, hellos: &[Signed<Hello>]) -> Result<SessionId, HelloError> {
    if hellos.len() != view.n() {
        return Err(HelloError::Count { expected: view.n(), got: hellos.len() });
    }
    let mut nonces = Vec::with_capacity(hellos.len());
    for (member, signed) in view.members().iter().zip(hellos) {
        let peer = member.peer;
        let hello = check(own, peer, signed)?;
        if nonces.contains(&hello.nonce) {
            return Err(HelloError::Nonce(peer));
        }
        nonces.push(hello.nonce);
    }
    Ok(SessionId(canonical::hash("session", &(own.without_nonce(), nonces)).0))
}

fn check<'a>(own: &Hello, peer: PeerKey, signed: &'a Signed<Hello>) -> Result<&'a Hello, HelloError> {
    if signed.signer() != peer {
        return Err(HelloError::Signer(peer));
    }
    let (hello, _) = signed.verified().map_err(|cause| HelloError::Signature { peer, cause })?;
    let setting = |h: &Hello| (h.wire, h.cloud, h.epoch, h.members, h.parameters, h.mac_key);
    if setting(hello) != setting(own) {
        return Err(HelloError::Parameters(peer));
    }
    if hello.without_nonce() != own.without_nonce() {
        return Err(HelloError::Task(peer));
    }
    Ok(hello)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CloudLog;
    use crate::log::tests::founded;
    use crate::membership::tests::signing_key;

    fn hello(log: &CloudLog, nonce: u8) -> Hello {
        Hello::new(log.view(), SessionPurpose::Execution, Digest([1; 32]), Attempt(0), [nonce; 32])
    }

    fn hellos(log: &CloudLog, change: impl Fn(u8, &mut Hello)) -> Vec<Signed<Hello>> {
        let one = |seed: u8| {
            let mut hello = hello(log, seed);
            change(seed, &mut hello);
            Signed::sign(hello, &signing_key(seed))
        };
        (1..=3).map(one).collect()
    }

    fn open(log: &CloudLog, change: impl Fn(u8, &mut Hello)) -> Result<SessionId, HelloError> {
        session_id(log.view(), &hello(log, 1), &hellos(log, change))
    }

    #[test]
    fn equal_hellos_give_all_members_one_session() {
        let log = founded(&[1, 2, 3]);
        let all = hellos(&log, |_, _| ());
        let ids: Vec<_> = (1..=3).map(|own| session_id(log.view(), &hello(&log, own), &all)).collect();
        assert!(ids[0].is_ok() && ids.iter().all(|id| id == &ids[0]));
    }

    #[test]
    fn whoever_differs_is_named() {
        let log = founded(&[1, 2, 3]);
        let second = PeerKey::of(&signing_key(2));
        type Change = (fn(&mut Hello), HelloError);
        let changes: [Change; 8] = [
            (|h| h.wire = 2, HelloError::Parameters(second)),
            (|h| h.cloud.0[0] ^= 1, HelloError::Parameters(second)),
            (|h| h.epoch = Epoch(9), HelloError::Parameters(second)),
            (|h| h.parameters.0[0] ^= 1, HelloError::Parameters(second)),
            (|h| h.purpose = SessionPurpose::Delivery, HelloError::Task(second)),
            (|h| h.subject.0[0] ^= 1, HelloError::Task(second)),
            (|h| h.attempt = Attempt(1), HelloError::Task(second)),
            (|h| h.nonce = Digest([1; 32]), HelloError::Nonce(second)),
        ];
        for (change, expected) in changes {
            let result = open(&log, |seed, hello| {
                if seed == 2 {
                    change(hello)
                }
            });
            assert_eq!(result, Err(expected));
        }
    }

    #[test]
    fn one_fresh_nonce_makes_another_session() {
        let log = founded(&[1, 2, 3]);
        let base = open(&log, |_, _| ());
        let other = open(&log, |seed, hello| {
            if seed == 3 {
                hello.nonce = Digest([77; 32])
            }
        });
        assert_ne!(base, other);
    }

    #[test]
    fn a_missing_misplaced_or_forged_hello_opens_nothing() {
        let log = founded(&[1, 2, 3]);
        let own = hello(&log, 1);
        let mut all = hellos(&log, |_, _| ());
        assert!(matches!(session_id(log.view(), &own, &all[..2]), Err(HelloError::Count { .. })));
        all.swap(0, 1);
        assert!(matches!(session_id(log.view(), &own, &all), Err(HelloError::Signer(_))));
        all.swap(0, 1);
        all[2] = Signed::from_parts(hello(&log, 9), all[2].signer(), all[2].signature());
        assert!(matches!(session_id(log.view(), &own, &all), Err(HelloError::Signature { .. })));
    }
}

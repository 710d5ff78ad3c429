//! How a record comes to be complete.
//!
//! Anyone concerned may propose. Each signer looks at the record and promises to sign it, or declines; a promise may be
//! withdrawn until its maker has signed. A member signs only when all promises are in ([`Proposal::may_sign`]), so
//! that nobody's signature is spent on a record that somebody refuses. A record that is not completed is followed by
//! another attempt at the same epoch.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::certificate::MemberSignature;
use crate::id::{Attempt, CloudId, Epoch, PeerKey, RecordHash};
use crate::log::{LogError, SignedRecord, check_next, signers};
use crate::membership::{Record, RecordStatement};
use crate::sign::{Purpose, Signature, SignatureError, Signed, Statement};
use crate::view::CloudView;

/// What a signer says about a proposed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// I shall sign it when all others have promised.
    Accepted,
    /// I shall not sign it.
    Declined,
    /// I promised, and take it back.
    Withdrawn,
}

/// A signer's stance on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub cloud: Option<CloudId>,
    pub epoch: Epoch,
    pub attempt: Attempt,
    pub record: RecordHash,
    /// Grows with each change of mind; the highest counts.
    pub turn: u32,
    pub stance: Stance,
}

impl Statement for Promise {
    const PURPOSE: Purpose = Purpose::Promise;
    type Signer = PeerKey;
}

/// Why a promise or signature is not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    #[error(transparent)]
    Record(#[from] LogError),
    #[error("{0} is not among those who must sign")]
    NotASigner(PeerKey),
    #[error("what {peer} sent: {cause}")]
    Signature { peer: PeerKey, cause: SignatureError },
    #[error("{0} speaks of another record")]
    OtherRecord(PeerKey),
    #[error("{0} has signed and cannot take that back")]
    AlreadySigned(PeerKey),
    #[error("{0} said two things in one turn")]
    TwoStances(PeerKey),
    #[error("not all have promised yet: {} missing", .0.len())]
    PromisesMissing(Vec<PeerKey>),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    promise: Option<(u32, Stance)>,
    signature: Option<Signature>,
}

/// A proposed record with the promises and signatures gathered so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    record: Record,
    statement: RecordStatement,
    order: Vec<PeerKey>,
    answers: BTreeMap<PeerKey, Answer>,
}

impl Proposal {
    /// A proposal for what follows `before` (`None`: a new cloud).
    ///
    /// # Errors
    /// [`LogError`] for what may not follow.
    pub fn new(before: Option<&CloudView>, record: Record) -> Result<Self, LogError> {
        check_next(before, &record)?;
        let order = signers(before, &record);
        let answers = order.iter().map(|&peer| (peer, Answer::default())).collect();
        Ok(Self { statement: record.statement(), record, order, answers })
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What each signer signs.
    pub fn statement(&self) -> RecordStatement {
        self.statement
    }

    /// Those who must sign.
    pub fn signers(&self) -> &[PeerKey] {
        &self.order
    }

    /// The stance of a signer, if it has told.
    pub fn stance(&self, peer: &PeerKey) -> Option<Stance> {
        self.answers.get(peer)?.promise.map(|(_, stance)| stance)
    }

    /// Makes a stance of ours and counts it.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn take_stance(&mut self, stance: Stance, key: &SigningKey) -> Result<Signed<Promise>, ProposalError> {
        let peer = PeerKey::of(key);
        let last = self.answers.get(&peer).and_then(|answer| answer.promise);
        let turn = last.map_or(0, |(turn, _)| turn.saturating_add(1));
        let RecordStatement { cloud, epoch, attempt, record } = self.statement;
        let signed = Signed::sign(Promise { cloud, epoch, attempt, record, turn, stance }, key);
        self.promise(&signed)?;
        Ok(signed)
    }

    /// Counts a signer's stance; an older one than known changes nothing.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn promise(&mut self, signed: &Signed<Promise>) -> Result<(), ProposalError> {
        let peer = signed.signer();
        let answer = self.answers.get_mut(&peer).ok_or(ProposalError::NotASigner(peer))?;
        let (promise, _) = signed.verified().map_err(|cause| ProposalError::Signature { peer, cause })?;
        let RecordStatement { cloud, epoch, attempt, record } = self.statement;
        if (promise.cloud, promise.epoch, promise.attempt, promise.record) != (cloud, epoch, attempt, record) {
            return Err(ProposalError::OtherRecord(peer));
        }
        match answer.promise {
            Some((turn, _)) if turn > promise.turn => return Ok(()),
            Some((turn, stance)) if turn == promise.turn && stance != promise.stance => {
                return Err(ProposalError::TwoStances(peer));
            }
            _ => {}
        }
        if answer.signature.is_some() && promise.stance != Stance::Accepted {
            return Err(ProposalError::AlreadySigned(peer));
        }
        answer.promise = Some((promise.turn, promise.stance));
        Ok(())
    }

    /// Those who have not promised.
    pub fn promises_missing(&self) -> Vec<PeerKey> {
        self.without(|answer| matches!(answer.promise, Some((_, Stance::Accepted))))
    }

    /// Those who have declined or withdrawn: this attempt is over.
    pub fn refused_by(&self) -> Vec<PeerKey> {
        self.without(|answer| !matches!(answer.promise, Some((_, Stance::Declined | Stance::Withdrawn))))
    }

    /// Those who have not signed.
    pub fn signatures_missing(&self) -> Vec<PeerKey> {
        self.without(|answer| answer.signature.is_some())
    }

    fn without(&self, has: impl Fn(&Answer) -> bool) -> Vec<PeerKey> {
        self.order.iter().copied().filter(|peer| !has(&self.answers[peer])).collect()
    }

    /// Whether all promises are in.
    pub fn may_sign(&self) -> bool {
        self.promises_missing().is_empty()
    }

    /// Signs for ourselves, once all promises are in.
    ///
    /// # Errors
    /// [`ProposalError::PromisesMissing`] before that.
    ///
    /// # Security
    /// The caller makes durable that it signs this record for its (epoch, attempt) before it sends the signature.
    pub fn sign(&mut self, key: &SigningKey) -> Result<Signed<RecordStatement>, ProposalError> {
        let missing = self.promises_missing();
        if !missing.is_empty() {
            return Err(ProposalError::PromisesMissing(missing));
        }
        let signed = Signed::sign(self.statement, key);
        self.signature(&signed)?;
        Ok(signed)
    }

    /// Counts a signature. It may overtake promises on the way: its maker has seen all of them.
    ///
    /// # Errors
    /// [`ProposalError`]. A valid signature for another record at the same place is
    /// [`ProposalError::OtherRecord`]; keep it, it may be half of an [`crate::equivocation::Equivocation`].
    pub fn signature(&mut self, signed: &Signed<RecordStatement>) -> Result<(), ProposalError> {
        let peer = signed.signer();
        let answer = self.answers.get_mut(&peer).ok_or(ProposalError::NotASigner(peer))?;
        let (statement, _) = signed.verified().map_err(|cause| ProposalError::Signature { peer, cause })?;
        if *statement != self.statement {
            return Err(ProposalError::OtherRecord(peer));
        }
        answer.signature = Some(signed.signature());
        Ok(())
    }

    /// The complete record, once all have signed.
    pub fn complete(&self) -> Option<SignedRecord> {
        let signature =
            |&peer: &PeerKey| self.answers[&peer].signature.map(|signature| MemberSignature { peer, signature });
        let signatures = self.order.iter().map(signature).collect::<Option<Vec<_>>>()?;
        Some(SignedRecord { record: self.record.clone(), signatures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CloudLog;
    use crate::membership::tests::{founding, signing_key};

    fn proposal() -> Proposal {
        Proposal::new(None, Record::Membership(founding(&[1, 2, 3]))).expect("a good record")
    }

    fn accept(proposal: &mut Proposal, seed: u8) {
        proposal.take_stance(Stance::Accepted, &signing_key(seed)).expect("a signer");
    }

    #[test]
    fn nobody_signs_before_all_have_promised() {
        let mut proposal = proposal();
        accept(&mut proposal, 1);
        accept(&mut proposal, 2);
        let third = PeerKey::of(&signing_key(3));
        assert_eq!(proposal.sign(&signing_key(1)), Err(ProposalError::PromisesMissing(vec![third])));
        accept(&mut proposal, 3);
        assert!(proposal.sign(&signing_key(1)).is_ok());
    }

    #[test]
    fn all_signatures_make_a_log() {
        let mut proposal = proposal();
        (1..=3).for_each(|seed| accept(&mut proposal, seed));
        for seed in 1..=3 {
            assert_eq!(proposal.complete(), None);
            proposal.sign(&signing_key(seed)).expect("all promised");
        }
        let log = CloudLog::found(proposal.complete().expect("all signed")).expect("a complete record");
        assert_eq!(log.view().n(), 3);
    }

    #[test]
    fn a_promise_may_be_withdrawn_until_signed() {
        let mut proposal = proposal();
        (1..=3).for_each(|seed| accept(&mut proposal, seed));
        let second = PeerKey::of(&signing_key(2));
        proposal.take_stance(Stance::Withdrawn, &signing_key(2)).expect("not signed yet");
        assert_eq!(proposal.refused_by(), [second]);
        assert!(!proposal.may_sign());
        accept(&mut proposal, 2);
        proposal.sign(&signing_key(2)).expect("all promised");
        let late = proposal.take_stance(Stance::Withdrawn, &signing_key(2));
        assert_eq!(late, Err(ProposalError::AlreadySigned(second)));
    }

    #[test]
    fn an_old_promise_replayed_changes_nothing() {
        let mut proposal = proposal();
        let old = proposal.take_stance(Stance::Accepted, &signing_key(1)).expect("a signer");
        proposal.take_stance(Stance::Withdrawn, &signing_key(1)).expect("not signed yet");
        proposal.promise(&old).expect("older, ignored");
        assert_eq!(proposal.stance(&PeerKey::of(&signing_key(1))), Some(Stance::Withdrawn));
    }

    #[test]
    fn two_stances_in_one_turn_are_refused() {
        let mut proposal = proposal();
        let promise = proposal.take_stance(Stance::Accepted, &signing_key(1)).expect("a signer");
        let other = Promise { stance: Stance::Declined, ..*promise.unverified() };
        let peer = PeerKey::of(&signing_key(1));
        let refused = proposal.promise(&Signed::sign(other, &signing_key(1)));
        assert_eq!(refused, Err(ProposalError::TwoStances(peer)));
    }

    #[test]
    fn strangers_and_other_records_do_not_count() {
        let mut first = proposal();
        let stranger = PeerKey::of(&signing_key(5));
        let refused = first.take_stance(Stance::Accepted, &signing_key(5));
        assert_eq!(refused, Err(ProposalError::NotASigner(stranger)));
        let mut other = founding(&[1, 2, 3]);
        other.name = "another".into();
        let mut second = Proposal::new(None, Record::Membership(other)).expect("a good record");
        let promise = second.take_stance(Stance::Accepted, &signing_key(1)).expect("a signer");
        let peer = PeerKey::of(&signing_key(1));
        assert_eq!(first.promise(&promise), Err(ProposalError::OtherRecord(peer)));
        let signature = Signed::sign(second.statement(), &signing_key(1));
        assert_eq!(first.signature(&signature), Err(ProposalError::OtherRecord(peer)));
    }
}

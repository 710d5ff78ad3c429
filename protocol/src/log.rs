//! A cloud's log: records chained by hash, each signed by everyone whom it concerns.
//!
//! Record 0 is signed by all its members, a later membership record by all old and all new members, a MAC key record
//! by all members. The cloud id is the hash of record 0, so whoever pins it needs no other trust to read the log from
//! anybody. A log only grows; a second complete record for one epoch means that somebody who must sign both did so,
//! and the cloud halts ([`LogError::Fork`]): no side is ever picked.
//!
//! Not protected against: a stranger who shows an old log to somebody who has never seen a newer one. Clients keep the
//! newest log they saw and refuse to go back ([`CloudLog::check_extends`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::canonical::{self, DecodeError};
use crate::certificate::{CertificateError, MemberSignature, verify_all};
use crate::id::{Attempt, CloudId, Epoch, MacKeyId, Nonce, PartyIndex, PeerKey, RecordHash};
use crate::limits;
use crate::membership::{Head, MacKey, Member, Membership, Record, RecordError};
use crate::version::Prime;
use crate::view::{CloudView, CurrentMacKey};

/// A record with the signatures of all whom it concerns, in the order of [`signers`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    pub record: Record,
    pub signatures: Vec<MemberSignature>,
}

/// A log of complete records, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudLog {
    records: Vec<SignedRecord>,
    view: CloudView,
}

/// Two complete records for one epoch of one cloud: proof that the cloud must halt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    pub ours: SignedRecord,
    pub theirs: SignedRecord,
}

impl Fork {
    /// Those who signed both records.
    pub fn signers_of_both(&self) -> Vec<PeerKey> {
        let signed = |peer: &PeerKey| self.theirs.signatures.iter().any(|s| s.peer == *peer);
        self.ours.signatures.iter().map(|s| s.peer).filter(signed).collect()
    }
}

/// Why a log, or its next record, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error("the log cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("an empty log")]
    Empty,
    #[error("a log has at most {} records", limits::LOG_RECORDS_MAX)]
    TooLong,
    #[error("the record of epoch {epoch}: {cause}")]
    Record { epoch: Epoch, cause: RecordError },
    #[error("record 0 is a membership record")]
    FirstKind,
    #[error("a record of epoch {got} where epoch {expected} follows")]
    Epoch { expected: Epoch, got: Epoch },
    #[error("the record of epoch {0} belongs to another cloud")]
    OtherCloud(Epoch),
    #[error("the record of epoch {0} does not follow the record before it")]
    Previous(Epoch),
    #[error("the record of epoch {epoch} is not signed by all: {cause}")]
    Signatures { epoch: Epoch, cause: CertificateError },
    #[error("epoch {epoch} gives member {peer} another index")]
    Renumbered { epoch: Epoch, peer: PeerKey },
    #[error("epoch {epoch} gives a new member the used index {index}")]
    IndexReused { epoch: Epoch, index: PartyIndex },
    #[error("epoch {0} changes the prime, which a cloud keeps for life")]
    PrimeChanged(Epoch),
    #[error("the MAC key of epoch {epoch} is over the prime {got}, the cloud's is {expected}")]
    KeyField { epoch: Epoch, expected: Prime, got: Prime },
    #[error("the MAC key of epoch {0} has not one commitment of each member in order")]
    KeyCommitments(Epoch),
    #[error("the MAC key of epoch {0} has been in use before")]
    KeyReused(Epoch),
    #[error("the cloud has two complete records for epoch {}: it is halted, its members decide", .0.ours.record.head().epoch)]
    Fork(Box<Fork>),
    #[error("this log ends at epoch {offered}, epoch {known} is known already")]
    RolledBack { known: Epoch, offered: Epoch },
    #[error("this log is of cloud {got}, expected was {expected}")]
    WrongCloud { expected: CloudId, got: CloudId },
}

/// What became of a record that was offered to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is the newest record now.
    New,
    /// The log had it.
    Known,
}

/// Who must sign a record after `before`: its members, and for a change of members the old ones too; in the order of
/// their indices, old ones that leave last.
pub fn signers(before: Option<&CloudView>, record: &Record) -> Vec<PeerKey> {
    let old: &[Member] = before.map_or(&[], CloudView::members);
    match record {
        Record::Membership(membership) => {
            let mut peers: Vec<PeerKey> = membership.members.iter().map(|m| m.peer).collect();
            let leaving = old.iter().map(|m| m.peer).filter(|peer| !peers.contains(peer)).collect::<Vec<_>>();
            peers.extend(leaving);
            peers
        }
        Record::MacKey(_) => old.iter().map(|m| m.peer).collect(),
    }
}

/// Checks a record against the view before it, without its signatures; gives the view after it.
///
/// # Errors
/// [`LogError`] for what may not follow.
pub fn check_next(before: Option<&CloudView>, record: &Record) -> Result<CloudView, LogError> {
    let head = record.head();
    let epoch = head.epoch;
    record.validate().map_err(|cause| LogError::Record { epoch, cause })?;
    let expected = match before {
        None => Epoch(0),
        Some(view) => view.epoch().next().ok_or(LogError::TooLong)?,
    };
    if epoch != expected {
        return Err(LogError::Epoch { expected, got: epoch });
    }
    if head.cloud != before.map(CloudView::cloud) {
        return Err(LogError::OtherCloud(epoch));
    }
    if head.previous != before.map(CloudView::head) {
        return Err(LogError::Previous(epoch));
    }
    match (before, record) {
        (None, Record::MacKey(_)) => Err(LogError::FirstKind),
        (_, Record::Membership(membership)) => {
            if let Some(view) = before {
                check_members(view, membership)?;
            }
            Ok(CloudView::after_membership(before, membership, record.hash()))
        }
        (Some(view), Record::MacKey(key)) => after_key(view, key, record.hash()),
    }
}

fn check_members(view: &CloudView, next: &Membership) -> Result<(), LogError> {
    let epoch = next.head.epoch;
    if next.parameters.prime != view.parameters().prime {
        return Err(LogError::PrimeChanged(epoch));
    }
    for member in &next.members {
        match view.member(&member.peer) {
            Some(old) if old.index != member.index => {
                return Err(LogError::Renumbered { epoch, peer: member.peer });
            }
            None if u32::from(member.index.0) < view.next_index => {
                return Err(LogError::IndexReused { epoch, index: member.index });
            }
            _ => {}
        }
    }
    Ok(())
}

fn after_key(view: &CloudView, key: &MacKey, hash: RecordHash) -> Result<CloudView, LogError> {
    let epoch = key.head.epoch;
    if key.field != view.parameters().prime {
        return Err(LogError::KeyField { epoch, expected: view.parameters().prime, got: key.field });
    }
    let committed = key.commitments.iter().map(|c| c.peer);
    if !committed.eq(view.members().iter().map(|m| m.peer)) {
        return Err(LogError::KeyCommitments(epoch));
    }
    let mut after = view.clone();
    after.epoch = epoch;
    after.head = hash;
    after.mac_key = Some(CurrentMacKey { id: key.key, epoch, field: key.field, commitments: key.commitments.clone() });
    Ok(after)
}

impl SignedRecord {
    /// Checks record and signatures against the view before it; gives the view after it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn verify_after(&self, before: Option<&CloudView>) -> Result<CloudView, LogError> {
        let after = check_next(before, &self.record)?;
        let peers = signers(before, &self.record);
        verify_all(&self.record.statement(), &peers, &self.signatures)
            .map_err(|cause| LogError::Signatures { epoch: self.record.head().epoch, cause })?;
        Ok(after)
    }
}

impl CloudLog {
    /// A log of its record 0 alone.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn found(first: SignedRecord) -> Result<Self, LogError> {
        let view = first.verify_after(None)?;
        Ok(Self { records: vec![first], view })
    }

    /// Reads and verifies a log from its canonical bytes.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn verify(bytes: &[u8]) -> Result<Self, LogError> {
        Self::from_records(canonical::decode(bytes, limits::LOG_MAX)?)
    }

    /// Verifies records in their order.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn from_records(records: Vec<SignedRecord>) -> Result<Self, LogError> {
        if records.len() > limits::LOG_RECORDS_MAX {
            return Err(LogError::TooLong);
        }
        let mut records = records.into_iter();
        let mut log = Self::found(records.next().ok_or(LogError::Empty)?)?;
        for record in records {
            log.extend(record)?;
        }
        Ok(log)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(&self.records)
    }

    /// The cloud's id.
    pub fn cloud(&self) -> CloudId {
        self.view.cloud()
    }

    /// The records from record 0.
    pub fn records(&self) -> &[SignedRecord] {
        &self.records
    }

    /// What the newest record leaves.
    pub fn view(&self) -> &CloudView {
        &self.view
    }

    /// What an earlier epoch left, `None` for one that has not been.
    pub fn view_at(&self, epoch: Epoch) -> Option<CloudView> {
        let count = usize::try_from(epoch.0).ok()?.checked_add(1)?;
        let records = self.records.get(..count)?;
        if count == self.records.len() {
            return Some(self.view.clone());
        }
        let mut view = None;
        for record in records {
            let next = check_next(view.as_ref(), &record.record).expect("records of a verified log follow each other");
            view = Some(next);
        }
        view
    }

    /// The head of a record that would come next.
    pub fn next_head(&self, attempt: Attempt, nonce: Nonce) -> Head {
        let epoch = self.view.epoch().next().expect("logs end long before 2^64 records");
        Head { cloud: Some(self.cloud()), previous: Some(self.view.head()), epoch, attempt, nonce }
    }

    /// Whether a MAC key has ever been this cloud's.
    pub fn has_had_key(&self, key: MacKeyId) -> bool {
        self.records.iter().any(|r| matches!(&r.record, Record::MacKey(k) if k.key == key))
    }

    /// Checks what may come next, without signatures: what a member does before it promises.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn check_proposal(&self, record: &Record) -> Result<CloudView, LogError> {
        if let Record::MacKey(key) = record
            && self.has_had_key(key.key)
        {
            return Err(LogError::KeyReused(key.head.epoch));
        }
        check_next(Some(&self.view), record)
    }

    /// Takes a complete record: the next one, or one that is known already.
    ///
    /// # Errors
    /// [`LogError::Fork`] if it is complete and contradicts a known one; any other [`LogError`] if it is not valid.
    pub fn append(&mut self, record: SignedRecord) -> Result<Appended, LogError> {
        let epoch = record.record.head().epoch;
        let known = usize::try_from(epoch.0).ok().and_then(|at| self.records.get(at));
        let Some(known) = known else {
            self.extend(record)?;
            return Ok(Appended::New);
        };
        if known.record == record.record {
            return Ok(Appended::Known);
        }
        let before = epoch.0.checked_sub(1).and_then(|before| self.view_at(Epoch(before)));
        record.verify_after(before.as_ref())?;
        if before.is_none() {
            // another record 0 is another cloud
            return Err(LogError::OtherCloud(epoch));
        }
        Err(LogError::Fork(Box::new(Fork { ours: known.clone(), theirs: record })))
    }

    fn extend(&mut self, record: SignedRecord) -> Result<(), LogError> {
        if self.records.len() >= limits::LOG_RECORDS_MAX {
            return Err(LogError::TooLong);
        }
        self.check_proposal(&record.record)?;
        self.view = record.verify_after(Some(&self.view))?;
        self.records.push(record);
        Ok(())
    }

    /// Takes what another's log has beyond this one; gives how many records were new.
    ///
    /// # Errors
    /// [`LogError::WrongCloud`], [`LogError::Fork`].
    pub fn follow(&mut self, other: &CloudLog) -> Result<usize, LogError> {
        if other.cloud() != self.cloud() {
            return Err(LogError::WrongCloud { expected: self.cloud(), got: other.cloud() });
        }
        let mut new = 0;
        for record in &other.records {
            if self.append(record.clone())? == Appended::New {
                new += 1;
            }
        }
        Ok(new)
    }

    /// Checks that this log is `known` with nothing or something after it.
    ///
    /// # Errors
    /// [`LogError::RolledBack`] if it is shorter, [`LogError::Fork`] if it differs.
    pub fn check_extends(&self, known: &CloudLog) -> Result<(), LogError> {
        known.clone().follow(self)?;
        if self.records.len() < known.records.len() {
            return Err(LogError::RolledBack { known: known.view.epoch(), offered: self.view.epoch() });
        }
        Ok(())
    }

    /// Every peer that was ever a member.
    pub fn peers_ever(&self) -> BTreeSet<PeerKey> {
        let memberships = self.records.iter().filter_map(|r| match &r.record {
            Record::Membership(m) => Some(&m.members),
            Record::MacKey(_) => None,
        });
        memberships.flatten().map(|m| m.peer).collect()
    }
}

#[cfg(test)]
#[path = "log/tests.rs"]
pub(crate) mod tests;

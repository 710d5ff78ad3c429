//! The records of which a cloud's log is made.
//!
//! A record is one of a closed set of kinds; a kind that this version does not know is refused by name of the whole
//! record, never skipped. What a record may say by itself is checked in [`Record::validate`]; what it may say after
//! the records before it, in [`crate::log`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::assurance::Acceptance;
use crate::canonical;
use crate::id::{Attempt, CloudId, Digest, Epoch, MacKeyId, Nonce, PartyIndex, PeerKey, RecordHash, SealKey};
use crate::limits;
use crate::sign::{PublicKey as _, Purpose, SignatureError, Statement};
use crate::stock::{BadRule, StockRule};
use crate::version::{ParametersError, Prime, SecurityParameters};

/// One member of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Stable number: never renumbered, never given to another.
    pub index: PartyIndex,
    /// Identity; its key signs.
    pub peer: PeerKey,
    /// Where clients seal what is for this member.
    pub seal: SealKey,
    /// Multiaddrs to try, best first.
    pub addresses: Vec<String>,
}

/// Where a record stands in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The cloud; absent in record 0, whose hash it is.
    pub cloud: Option<CloudId>,
    /// The record before; absent in record 0.
    pub previous: Option<RecordHash>,
    /// Position in the log.
    pub epoch: Epoch,
    /// Which try at this position.
    pub attempt: Attempt,
    /// Makes two clouds with the same founders and name different clouds.
    pub nonce: Nonce,
}

/// Who the members are and what they compute with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub head: Head,
    /// For people; the id is what counts.
    pub name: String,
    /// In the order of their indices.
    pub members: Vec<Member>,
    pub parameters: SecurityParameters,
    /// How the members keep each kind of tuples in stock.
    pub stock: BTreeMap<String, StockRule>,
    /// Who may make them.
    pub acceptance: Acceptance,
}

/// What one member says about its share of a MAC key: a hiding commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCommitment {
    pub peer: PeerKey,
    pub commitment: Digest,
}

/// A MAC key, in place of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacKey {
    pub head: Head,
    pub field: Prime,
    pub key: MacKeyId,
    /// One for each member, in the order of their indices.
    pub commitments: Vec<KeyCommitment>,
}

/// One record of a cloud's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    Membership(Membership),
    MacKey(MacKey),
}

/// What a member puts its name under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStatement {
    pub cloud: Option<CloudId>,
    pub epoch: Epoch,
    pub attempt: Attempt,
    pub record: RecordHash,
}

impl Statement for RecordStatement {
    const PURPOSE: Purpose = Purpose::Record;
    type Signer = PeerKey;
}

/// What is wrong with a record by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("{0} members, a cloud has from {min} to {max}", min = limits::MEMBERS_MIN, max = limits::MEMBERS_MAX)]
    MemberCount(usize),
    #[error("members are not in the order of distinct indices")]
    MemberOrder,
    #[error("record 0 numbers its members from 0 without gaps")]
    FirstIndices,
    #[error("the peer {0} stands there twice")]
    DoubledPeer(PeerKey),
    #[error("two members have one sealing key")]
    DoubledSealKey,
    #[error("the key of member {peer}: {cause}")]
    MemberKey { peer: PeerKey, cause: SignatureError },
    #[error("the sealing key of member {0} is of small order")]
    WeakSealKey(PeerKey),
    #[error("addresses of member {0}: at most {count} of {length} printable characters", count = limits::ADDRESSES_MAX, length = limits::ADDRESS_MAX)]
    Addresses(PeerKey),
    #[error("a cloud's name has 1 to {} letters, digits, or any of `-_.` and spaces inside", limits::CLOUD_NAME_MAX)]
    Name,
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    #[error("stock: at most {} kinds; {BadRule}", limits::TARGETS_MAX)]
    Stock,
    #[error("tuples of a dealer are accepted by no cloud, and those of external generators only where it names them")]
    Acceptance,
    #[error("the commitment of a member stands there twice")]
    DoubledCommitment,
    #[error("attempt {0} is beyond {max}", max = limits::ATTEMPTS_MAX)]
    Attempt(Attempt),
    #[error("record 0 has no cloud id and no previous record, every other has both")]
    Head,
}

impl Record {
    /// Where it stands.
    pub fn head(&self) -> &Head {
        match self {
            Record::Membership(record) => &record.head,
            Record::MacKey(record) => &record.head,
        }
    }

    /// The hash that names it.
    pub fn hash(&self) -> RecordHash {
        RecordHash(canonical::hash("record", self).0)
    }

    /// What members sign.
    pub fn statement(&self) -> RecordStatement {
        let head = self.head();
        RecordStatement { cloud: head.cloud, epoch: head.epoch, attempt: head.attempt, record: self.hash() }
    }

    /// The cloud it belongs to: its own hash for record 0.
    pub fn cloud(&self) -> CloudId {
        self.head().cloud.unwrap_or_else(|| CloudId(self.hash().0))
    }

    /// Refuses what no log may hold.
    ///
    /// # Errors
    /// The first of [`RecordError`] that holds.
    pub fn validate(&self) -> Result<(), RecordError> {
        self.head().validate()?;
        match self {
            Record::Membership(record) => record.validate(),
            Record::MacKey(record) => record.validate(),
        }
    }
}

impl Head {
    fn validate(&self) -> Result<(), RecordError> {
        if self.attempt.0 >= limits::ATTEMPTS_MAX {
            return Err(RecordError::Attempt(self.attempt));
        }
        let first = self.epoch == Epoch(0);
        if self.cloud.is_none() != first || self.previous.is_none() != first {
            return Err(RecordError::Head);
        }
        Ok(())
    }
}

impl Membership {
    fn validate(&self) -> Result<(), RecordError> {
        validate_name(&self.name)?;
        self.parameters.validate()?;
        validate_stock(&self.stock)?;
        if !self.acceptance.is_sound() {
            return Err(RecordError::Acceptance);
        }
        if !(limits::MEMBERS_MIN..=limits::MEMBERS_MAX).contains(&self.members.len()) {
            return Err(RecordError::MemberCount(self.members.len()));
        }
        if !self.members.is_sorted_by(|a, b| a.index < b.index) {
            return Err(RecordError::MemberOrder);
        }
        let first = self.head.epoch == Epoch(0);
        if first && self.members.iter().enumerate().any(|(i, m)| usize::from(m.index.0) != i) {
            return Err(RecordError::FirstIndices);
        }
        let mut peers = BTreeSet::new();
        let mut seals = BTreeSet::new();
        for member in &self.members {
            member.validate()?;
            if !peers.insert(member.peer) {
                return Err(RecordError::DoubledPeer(member.peer));
            }
            if !seals.insert(member.seal) {
                return Err(RecordError::DoubledSealKey);
            }
        }
        Ok(())
    }
}

impl Member {
    fn validate(&self) -> Result<(), RecordError> {
        self.peer.check().map_err(|cause| RecordError::MemberKey { peer: self.peer, cause })?;
        if crate::envelope::is_weak(&self.seal) {
            return Err(RecordError::WeakSealKey(self.peer));
        }
        let printable = |text: &String| {
            !text.is_empty() && text.len() <= limits::ADDRESS_MAX && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if self.addresses.len() > limits::ADDRESSES_MAX || !self.addresses.iter().all(printable) {
            return Err(RecordError::Addresses(self.peer));
        }
        Ok(())
    }
}

impl MacKey {
    fn validate(&self) -> Result<(), RecordError> {
        if self.commitments.len() > limits::MEMBERS_MAX {
            return Err(RecordError::MemberCount(self.commitments.len()));
        }
        // a member that repeats another's commitment would copy its opening
        let distinct: BTreeSet<_> = self.commitments.iter().map(|c| c.commitment).collect();
        if distinct.len() != self.commitments.len() {
            return Err(RecordError::DoubledCommitment);
        }
        Ok(())
    }
}

fn validate_name(name: &str) -> Result<(), RecordError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let bounded = !name.is_empty() && name.len() <= limits::CLOUD_NAME_MAX;
    if bounded && name.trim() == name && name.chars().all(allowed) { Ok(()) } else { Err(RecordError::Name) }
}

fn validate_stock(stock: &BTreeMap<String, StockRule>) -> Result<(), RecordError> {
    let allowed = |(kind, rule): (&String, &StockRule)| {
        (1..=limits::KIND_NAME_MAX).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
            && rule.is_sound()
    };
    if stock.len() <= limits::TARGETS_MAX && stock.iter().all(allowed) { Ok(()) } else { Err(RecordError::Stock) }
}

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::assurance::Level;
    use crate::envelope::SealSecret;
    use crate::version::Generator;

    pub(crate) fn signing_key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    pub(crate) fn seal_secret(seed: u8) -> SealSecret {
        SealSecret::from_bytes([seed; 32])
    }

    pub(crate) fn member(index: u16, seed: u8) -> Member {
        Member {
            index: PartyIndex(index),
            peer: PeerKey::of(&signing_key(seed)),
            seal: seal_secret(seed).public(),
            addresses: vec![format!("/ip4/10.0.0.{seed}/tcp/4190")],
        }
    }

    /// A record 0 whose members' keys come from the seeds.
    pub(crate) fn founding(seeds: &[u8]) -> Membership {
        Membership {
            head: Head { cloud: None, previous: None, epoch: Epoch(0), attempt: Attempt(0), nonce: Nonce([9; 16]) },
            name: "carbon chain".into(),
            members: seeds.iter().zip(0..).map(|(&seed, index)| member(index, seed)).collect(),
            parameters: SecurityParameters::new(Prime::DEFAULT, Generator::Mascot, Digest([0; 32])),
            stock: BTreeMap::from([("triple".into(), StockRule::keep(100_000))]),
            acceptance: Acceptance::default(),
        }
    }

    fn refusal(change: impl FnOnce(&mut Membership)) -> Option<RecordError> {
        let mut record = founding(&[1, 2, 3]);
        change(&mut record);
        Record::Membership(record).validate().err()
    }

    #[test]
    fn a_well_formed_record_is_accepted() {
        assert_eq!(refusal(|_| ()), None);
    }

    #[test]
    fn malformed_members_are_refused() {
        assert_eq!(refusal(|r| r.members.truncate(1)), Some(RecordError::MemberCount(1)));
        assert_eq!(refusal(|r| r.members.clear()), Some(RecordError::MemberCount(0)));
        assert_eq!(refusal(|r| r.members.swap(0, 1)), Some(RecordError::MemberOrder));
        assert_eq!(refusal(|r| r.members[2].index.0 = 3), Some(RecordError::FirstIndices));
        let peer = member(0, 1).peer;
        assert_eq!(refusal(|r| r.members[1].peer = peer), Some(RecordError::DoubledPeer(peer)));
        assert_eq!(refusal(|r| r.members[1].seal = r.members[0].seal), Some(RecordError::DoubledSealKey));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let peer = PeerKey(neutral);
        let cause = SignatureError::WeakKey;
        assert_eq!(refusal(|r| r.members[0].peer = peer), Some(RecordError::MemberKey { peer, cause }));
        let holder = member(0, 1).peer;
        assert_eq!(refusal(|r| r.members[0].seal = SealKey([0; 32])), Some(RecordError::WeakSealKey(holder)));
    }

    #[test]
    fn names_addresses_and_rules_of_stock_are_bounded() {
        for name in ["", " a", "a/b", "a\nb", &"x".repeat(65)] {
            assert_eq!(refusal(|r| r.name = name.into()), Some(RecordError::Name), "{name:?}");
        }
        let peer = member(0, 1).peer;
        for addresses in [vec!["".into()], vec!["a b".into()], vec!["/x".to_string(); 17], vec!["/".repeat(257)]] {
            assert_eq!(refusal(|r| r.members[0].addresses = addresses), Some(RecordError::Addresses(peer)));
        }
        let rule = StockRule::keep(10);
        let unsound =
            [StockRule::keep(u64::MAX), StockRule { threshold: 11, ..rule }, StockRule { priority: 0, ..rule }];
        let named = |kind: &str, rule| BTreeMap::from([(kind.to_string(), rule)]);
        for stock in unsound.map(|rule| named("triple", rule)).into_iter().chain([named("", rule), named("a b", rule)])
        {
            assert_eq!(refusal(|r| r.stock = stock), Some(RecordError::Stock));
        }
        assert_eq!(refusal(|r| r.stock = named("gf40-triple", rule)), None);
        let dealer = Acceptance { weakest: Level::Dealer, ..Acceptance::default() };
        assert_eq!(refusal(|r| r.acceptance = dealer), Some(RecordError::Acceptance));
    }

    #[test]
    fn the_head_of_record_0_names_nothing_before_it() {
        assert_eq!(refusal(|r| r.head.cloud = Some(CloudId([0; 32]))), Some(RecordError::Head));
        assert_eq!(refusal(|r| r.head.epoch = Epoch(1)), Some(RecordError::Head));
        assert_eq!(refusal(|r| r.head.attempt = Attempt(1024)), Some(RecordError::Attempt(Attempt(1024))));
    }

    #[test]
    fn an_unknown_kind_of_record_is_refused() {
        let bytes = canonical::encode(&Record::Membership(founding(&[1, 2])));
        let text = b"membership";
        let at = bytes.windows(text.len()).position(|w| w == text).expect("the kind is in the bytes");
        let mut unknown = bytes.clone();
        unknown[at] = b'x';
        assert!(canonical::decode::<Record>(&bytes, limits::RECORD_MAX).is_ok());
        assert_eq!(canonical::decode::<Record>(&unknown, limits::RECORD_MAX), Err(canonical::DecodeError::Malformed));
    }
}

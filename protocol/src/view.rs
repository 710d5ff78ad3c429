//! What a cloud's log says now: members, parameters, MAC key.
//!
//! A [`CloudView`] is only made by [`crate::log::CloudLog`] from complete records, so whoever holds one need not check
//! membership again. Party numbers in a session are dense ranks of the stable indices: rank 0, SPDZ's first party, is
//! the present member of lowest index.

use std::collections::BTreeMap;

use polyyne_engine::field::PrimeField;
use serde::{Deserialize, Serialize};

use crate::assurance::Acceptance;
use crate::canonical;
use crate::id::{CloudId, Digest, Epoch, MacKeyId, PartyIndex, PeerKey, RecordHash};
use crate::membership::{KeyCommitment, Member, Membership};
use crate::stock::StockRule;
use crate::version::{Prime, SecurityParameters};

/// The key under which a cloud's shares are authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentMacKey {
    pub id: MacKeyId,
    /// The record that brought it.
    pub epoch: Epoch,
    pub field: Prime,
    /// One for each member, in rank order.
    pub commitments: Vec<KeyCommitment>,
}

/// A cloud as its newest complete record leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudView {
    pub(crate) cloud: CloudId,
    pub(crate) epoch: Epoch,
    pub(crate) head: RecordHash,
    pub(crate) name: String,
    pub(crate) members: Vec<Member>,
    pub(crate) parameters: SecurityParameters,
    pub(crate) stock: BTreeMap<String, StockRule>,
    pub(crate) acceptance: Acceptance,
    pub(crate) mac_key: Option<CurrentMacKey>,
    /// One more than the highest index ever given.
    pub(crate) next_index: u32,
}

impl CloudView {
    /// The view after a membership record, with what stays from before.
    pub(crate) fn after_membership(before: Option<&CloudView>, record: &Membership, hash: RecordHash) -> Self {
        let same_parties = before.is_some_and(|view| view.has_parties(&record.members));
        let highest = record.members.last().map_or(0, |member| u32::from(member.index.0) + 1);
        Self {
            cloud: record.head.cloud.unwrap_or(CloudId(hash.0)),
            epoch: record.head.epoch,
            head: hash,
            name: record.name.clone(),
            members: record.members.clone(),
            parameters: record.parameters.clone(),
            stock: record.stock.clone(),
            acceptance: record.acceptance.clone(),
            mac_key: before.filter(|_| same_parties).and_then(|view| view.mac_key.clone()),
            next_index: highest.max(before.map_or(0, |view| view.next_index)),
        }
    }

    fn has_parties(&self, members: &[Member]) -> bool {
        let parties = |members: &[Member]| -> Vec<(PartyIndex, PeerKey)> {
            members.iter().map(|member| (member.index, member.peer)).collect()
        };
        parties(&self.members) == parties(members)
    }

    /// The cloud's id.
    pub fn cloud(&self) -> CloudId {
        self.cloud
    }

    /// The newest epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The hash of the newest record.
    pub fn head(&self) -> RecordHash {
        self.head
    }

    /// The name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The members in rank order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How many members there are.
    pub fn n(&self) -> usize {
        self.members.len()
    }

    /// The rank of a peer, or `None` if it is no member.
    pub fn rank_of(&self, peer: &PeerKey) -> Option<usize> {
        self.members.iter().position(|member| member.peer == *peer)
    }

    /// The member that is this peer.
    pub fn member(&self, peer: &PeerKey) -> Option<&Member> {
        self.members.iter().find(|member| member.peer == *peer)
    }

    /// What the members compute with.
    pub fn parameters(&self) -> &SecurityParameters {
        &self.parameters
    }

    /// The field of the parameters.
    pub fn field(&self) -> PrimeField {
        PrimeField::new(self.parameters.prime.0).expect("a verified record's modulus is prime")
    }

    /// How the members keep each kind of tuples in stock.
    pub fn stock(&self) -> &BTreeMap<String, StockRule> {
        &self.stock
    }

    /// Whose tuples the members accept.
    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// The MAC key; `None` until the members have made one for this set of members.
    pub fn mac_key(&self) -> Option<&CurrentMacKey> {
        self.mac_key.as_ref()
    }

    /// The lowest index that a new member may take.
    pub fn next_index(&self) -> Option<PartyIndex> {
        u16::try_from(self.next_index).ok().map(PartyIndex)
    }

    /// Names the members of this epoch in what is signed.
    pub fn members_digest(&self) -> Digest {
        let parties: Vec<(PartyIndex, PeerKey)> = self.members.iter().map(|m| (m.index, m.peer)).collect();
        canonical::hash("members", &(self.cloud, self.epoch, parties))
    }
}

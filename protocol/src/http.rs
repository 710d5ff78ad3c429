//! The shapes that travel through a node's client door.
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET /v1/node` | | [`NodeSummary`], JSON |
//! | `GET /v1/clouds` | | [`CloudList`], JSON |
//! | `GET /v1/clouds/{id}/log` | | the log's canonical bytes ([`crate::log::CloudLog::to_bytes`]), CBOR |
//! | `POST /v1/clouds/{id}/relay` | [`RelayRequest`], canonical CBOR | [`RelayResponse`], canonical CBOR |
//!
//! An answer with another status than 200 holds a [`Refusal`] as JSON. Nothing here is trusted: the log carries its
//! signatures, and what members say is sealed and signed. A [`RelayOutcome::Rejected`] or
//! [`RelayOutcome::Unreachable`] is the gateway's word only.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::id::{CloudId, Epoch, PeerKey};
use crate::limits;
use crate::request::Refusal;

/// Content type of CBOR bodies.
pub const CBOR: &str = "application/cbor";
/// Content type of JSON bodies.
pub const JSON: &str = "application/json";

/// Path of [`NodeSummary`].
pub const NODE_PATH: &str = "/v1/node";
/// Path of [`CloudList`].
pub const CLOUDS_PATH: &str = "/v1/clouds";

/// Path of a cloud's log.
pub fn log_path(cloud: &CloudId) -> String {
    format!("{CLOUDS_PATH}/{cloud}/log")
}

/// Path of a cloud's relay.
pub fn relay_path(cloud: &CloudId) -> String {
    format!("{CLOUDS_PATH}/{cloud}/relay")
}

/// The node behind a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    pub peer: PeerKey,
    /// The same key as libp2p writes it.
    pub peer_id: String,
    /// Release of the program.
    pub version: String,
    pub wire: u16,
}

/// A cloud of which the node is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudSummary {
    pub id: CloudId,
    pub name: String,
    pub epoch: Epoch,
    pub members: usize,
    /// Whether there is a MAC key, so that secrets can be stored and programs run.
    pub live: bool,
    /// Whether the cloud is halted.
    pub halted: bool,
}

/// The clouds of which the node is a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudList {
    pub clouds: Vec<CloudSummary>,
}

/// Envelopes to bring to members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayRequest {
    pub envelopes: Vec<RelayItem>,
    /// How long the gateway may wait for each answer.
    pub wait_ms: u64,
}

impl RelayRequest {
    /// The size that a door accepts: an envelope for each of the most members that a cloud can have.
    pub const BYTES_MAX: usize = limits::HTTP_BODY_MAX;
}

/// An envelope and its member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayItem {
    pub member: PeerKey,
    /// Canonical bytes of a [`crate::envelope::Envelope`].
    pub envelope: ByteBuf,
}

/// What came of the envelopes, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayResponse {
    pub results: Vec<RelayResult>,
}

/// What came of one envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayResult {
    pub member: PeerKey,
    pub outcome: RelayOutcome,
}

/// What came of one envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayOutcome {
    /// The member's sealed answer.
    Answer(ByteBuf),
    /// The member could not read the envelope (another epoch, expired), so it could not seal its reason either.
    Rejected(Refusal),
    /// The member was not reached.
    Unreachable(String),
}

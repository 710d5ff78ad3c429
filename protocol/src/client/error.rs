//! What a client's user is told: what happened, to what, what to do next. No value, share or mask is in any of it.

use crate::certificate::CertificateError;
use crate::client_io::DeliveryError;
use crate::door::DoorError;
use crate::envelope::EnvelopeError;
use crate::http::CloudSummary;
use crate::id::PeerKey;
use crate::log::LogError;
use crate::request::{Exit, Refusal, RequestError};
use crate::secret::ValueError;

/// Members that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// In words, never in values.
    pub says: String,
    pub members: Vec<PeerKey>,
}

/// Why something did not work out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("the log of the cloud is not valid: {0}")]
    Log(#[from] LogError),
    #[error("this node is a member of no cloud")]
    NoCloud,
    #[error("this node is a member of several clouds:{}", list_clouds(.0))]
    ManyClouds(Vec<CloudSummary>),
    #[error("not all members were reached:{}", list_reasons(.0))]
    Unreachable(Vec<(PeerKey, String)>),
    #[error("member {} refuses: {refusal}", name(.member))]
    Refused { member: PeerKey, refusal: Refusal },
    #[error("the members do not agree on {what}:{}", list_groups(.groups))]
    Differ { what: &'static str, groups: Vec<Group> },
    #[error("the answer of member {}: {cause}", name(.member))]
    Answer { member: PeerKey, cause: EnvelopeError },
    #[error("member {} answers something else than it was asked ({got})", name(.member))]
    OtherAnswer { member: PeerKey, got: &'static str },
    #[error("the values do not pass the check: {0}")]
    Delivery(#[from] DeliveryError),
    #[error("the members' signatures: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the members signed something else than {0}")]
    OtherStatement(&'static str),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the request cannot be sealed: {0}")]
    Seal(EnvelopeError),
}

fn name(peer: &PeerKey) -> String {
    peer.peer_id()
}

fn list_clouds(clouds: &[CloudSummary]) -> String {
    clouds.iter().map(|cloud| format!("\n  {} {}", cloud.id, cloud.name)).collect()
}

fn list_reasons(reasons: &[(PeerKey, String)]) -> String {
    reasons.iter().map(|(peer, reason)| format!("\n  {}: {reason}", name(peer))).collect()
}

fn list_groups(groups: &[Group]) -> String {
    let names = |group: &Group| group.members.iter().map(name).collect::<Vec<_>>().join(", ");
    groups.iter().map(|group| format!("\n  {}: {}", group.says, names(group))).collect()
}

impl ClientError {
    /// What the command line exits with.
    pub fn exit(&self) -> Exit {
        match self {
            ClientError::Door(DoorError::Refused { refusal, .. }) => refusal.code.exit(),
            ClientError::Door(DoorError::Address(_)) => Exit::Usage,
            ClientError::Door(DoorError::Decode { .. }) => Exit::Failed,
            ClientError::Door(_) | ClientError::Unreachable(_) => Exit::Unreachable,
            ClientError::NoCloud | ClientError::ManyClouds(_) => Exit::Usage,
            ClientError::Refused { refusal, .. } => refusal.code.exit(),
            ClientError::Value(_) | ClientError::Request(_) | ClientError::Seal(_) => Exit::Usage,
            ClientError::Log(_)
            | ClientError::Differ { .. }
            | ClientError::Answer { .. }
            | ClientError::OtherAnswer { .. }
            | ClientError::Delivery(_)
            | ClientError::Certificate(_)
            | ClientError::OtherStatement(_) => Exit::Aborted,
        }
    }

    /// What to do next.
    pub fn remedy(&self) -> &str {
        match self {
            ClientError::Door(DoorError::Refused { refusal, .. }) | ClientError::Refused { refusal, .. } => {
                &refusal.remedy
            }
            ClientError::Door(DoorError::Address(_)) => "give the node as --node http://HOST:PORT",
            ClientError::Door(_) => "is the node running, and is --node its HTTP address? try another member's node",
            ClientError::NoCloud => "form one with `vcp cloud form`, or choose another node",
            ClientError::ManyClouds(_) => "choose one with --cloud ID",
            ClientError::Unreachable(_) => "every member must be up; ask its operator, or try again later",
            ClientError::Log(LogError::RolledBack { .. }) => "this node is behind; try another member's node",
            ClientError::Log(LogError::Fork(_)) => "the cloud is halted; its operators must decide",
            ClientError::Log(_) => "this node does not show a genuine log; try another member's node",
            ClientError::Differ { .. }
            | ClientError::Answer { .. }
            | ClientError::OtherAnswer { .. }
            | ClientError::Certificate(_)
            | ClientError::OtherStatement(_) => {
                "a member or the node in between is broken or cheats; try another member's node, then tell the operators"
            }
            ClientError::Delivery(_) => {
                "at least one member is broken or cheats; nothing of the value has been accepted"
            }
            ClientError::Value(_) | ClientError::Request(_) | ClientError::Seal(_) => "",
        }
    }
}

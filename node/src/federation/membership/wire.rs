//! What members say to each other about records.

use polyyne_protocol::{
    id::{CloudId, Digest, MacKeyId, PeerKey},
    log::SignedRecord,
    membership::{Record, RecordStatement},
    proposal::Promise,
    sign::Signed,
};
use serde::{Deserialize, Serialize};

/// A proposed record with what the sender says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    pub record: Record,
    /// The log before it, for who has never seen the cloud or is behind.
    pub log: Vec<SignedRecord>,
    pub own: Own,
}

/// What one signer says about a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    pub promise: Option<Signed<Promise>>,
    pub signature: Option<Signed<RecordStatement>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    Talk(Box<Talk>),
    /// Complete records from an epoch on.
    Records {
        cloud: CloudId,
        from: u64,
    },
    /// A commitment to a share of a new MAC key.
    Commitment {
        cloud: CloudId,
        key: MacKeyId,
    },
    /// A new MAC key is wanted in place of this one.
    Rekey {
        cloud: CloudId,
        burned: Option<MacKeyId>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Own(Box<Own>),
    /// The record is complete.
    Complete(Box<SignedRecord>),
    Records(Vec<SignedRecord>),
    Commitment(Digest),
    Done,
}

/// An open proposal as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub record: Record,
    pub log: Vec<SignedRecord>,
    pub from: PeerKey,
    pub declined: bool,
}

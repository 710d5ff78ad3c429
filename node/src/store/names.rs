//! The names under which rows are stored: the protocol's identifiers, and two that only stores have.

use serde::{Deserialize, Serialize};

pub use polyyne_protocol::id::{CloudId, MacKeyId, SecretId, SessionId};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

name!(
    /// One taking of tuples, for one attempt at an execution or for the masks of one upload. Never used twice.
    ExecId
);
name!(
    /// A chunk of tuples: the hash of the transcript that made it.
    ChunkId
);

/// One MAC key in one cloud: what tuples, checks and burns belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacScope {
    pub cloud: CloudId,
    pub mac_key: MacKeyId,
}

impl MacScope {
    /// Length of [`MacScope::to_key`].
    pub const LEN: usize = CloudId::LEN + MacKeyId::LEN;

    /// The row key: cloud, then MAC key.
    pub fn to_key(self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..CloudId::LEN].copy_from_slice(&self.cloud.0);
        key[CloudId::LEN..].copy_from_slice(&self.mac_key.0);
        key
    }

    /// Reads a row key back.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (cloud, mac_key) = key.split_at_checked(CloudId::LEN)?;
        Some(Self { cloud: cloud.try_into().ok()?, mac_key: mac_key.try_into().ok()? })
    }
}

impl std::fmt::Display for MacScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MAC key {} of cloud {}", self.mac_key, self.cloud)
    }
}

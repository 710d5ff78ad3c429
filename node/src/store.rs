//! What a node keeps on disk: two redb files, sealed rows, and the one door through which every write goes.
//!
//! `state.redb` holds what must survive (membership, MAC key shares, secrets, answers) and may be backed up.
//! `tuples.redb` holds every row that decides what was taken or checked, and is never backed up: a restored copy
//! would spend tuples twice. redb has no transaction across files, so where both change, `tuples.redb` commits
//! first, and a crash between the two wastes tuples and nothing else.
//!
//! Not protected here: a machine whose disk lies about `fsync`, and an operator who restores an image of the whole
//! data directory (the freshness handshake between members answers that, not the store).

pub mod answers;
pub mod audit_head;
pub mod durable;
pub mod mac_keys;
pub mod membership;
pub mod names;
pub mod promises;
pub mod seal;
pub mod sealed;
pub mod seen;
pub mod shelf;
pub mod state_file;
pub mod tuples_file;

mod birth;
mod scrub;

#[cfg(test)]
pub(crate) mod disk;

pub(crate) use birth::random;
pub use durable::{Durable, Fatal, Fault, OpenError, Table};
pub use names::{ChunkId, CloudId, ExecId, MacKeyId, MacScope, SecretId, SessionId};
pub use seal::RootKey;
pub use state_file::StateFile;
pub use tuples_file::TuplesFile;

#[cfg(test)]
mod tests;

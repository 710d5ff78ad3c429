//! `tuples.redb`: every row that decides what was taken or checked. Never backed up.

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use super::durable::{Durable, Fatal, Layout, OpenError, StoreIdentity, Table};
use super::seal::RootKey;
use super::sealed::{KEY_CHECK, SealedFile};
use crate::castor::Inventory;

/// Wrapped data keys, by MAC scope: what encrypts the tuples of one MAC key.
pub const DATA_KEYS: Table = Table("data_keys");
/// State of each MAC key, by scope.
pub const KEY_STATES: Table = Table("key_states");
/// MAC checks, by scope and number.
pub const CHECKS: Table = Table("checks");
/// Chunks, by scope, kind and first position.
pub const CHUNKS: Table = Table("chunks");
/// Rows of up to 64 tuples, by scope, kind and first position.
pub const ROWS: Table = Table("rows");
/// Cursor and counters, by scope and kind.
pub const TALLIES: Table = Table("tallies");
/// Everything ever taken, by execution.
pub const EXECUTIONS: Table = Table("executions");
/// The executions that have not ended, so that a start need not read all of them.
pub const OPEN_EXECUTIONS: Table = Table("open_executions");
/// How much happened in this store, and the chain over it, by cloud.
pub const HEADS: Table = Table("heads");
/// The furthest that the stores of other members stood, by cloud and member.
pub const PEER_HEADS: Table = Table("peer_heads");

const LAYOUT: Layout = Layout {
    file: "tuples.redb",
    schema: 1,
    tables: &[
        KEY_CHECK,
        DATA_KEYS,
        KEY_STATES,
        CHECKS,
        CHUNKS,
        ROWS,
        TALLIES,
        EXECUTIONS,
        OPEN_EXECUTIONS,
        HEADS,
        PEER_HEADS,
    ],
};

/// The open tuples file. Clones share it, and what memory keeps of it.
#[derive(Clone)]
pub struct TuplesFile {
    sealed: SealedFile,
    inventory: Arc<Inventory>,
}

impl TuplesFile {
    /// Opens `folder/tuples.redb`, or makes it.
    pub async fn open(folder: &Path, root: Arc<RootKey>, fatal: Fatal) -> Result<Self, OpenError> {
        Self::of(Durable::open(&folder.join(LAYOUT.file), LAYOUT, fatal)?, root).await
    }

    /// Opens the file on another backend.
    pub async fn open_on(backend: impl StorageBackend, root: Arc<RootKey>, fatal: Fatal) -> Result<Self, OpenError> {
        Self::of(Durable::open_on(backend, LAYOUT, fatal)?, root).await
    }

    async fn of(durable: Durable, root: Arc<RootKey>) -> Result<Self, OpenError> {
        Ok(Self { sealed: SealedFile::of(durable, root).await?, inventory: Arc::default() })
    }

    /// Who this file is.
    pub fn identity(&self) -> StoreIdentity {
        self.sealed.durable().identity()
    }

    pub(crate) fn sealed(&self) -> &SealedFile {
        &self.sealed
    }

    pub(crate) fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }
}

//! `state.redb`: what must survive and may be backed up.

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use super::birth;
use super::durable::{Durable, Fatal, Fault, Layout, OpenError, Reads as _, Snapshot, StoreIdentity, Table};
use super::seal::RootKey;
use super::sealed::{KEY_CHECK, SealedFile};

/// Membership records, by cloud and epoch.
pub const MEMBERSHIP: Table = Table("membership");
/// Clouds that are halted, with the evidence.
pub const HALTED: Table = Table("halted");
/// What was promised and signed, by cloud, epoch and attempt.
pub const PROMISES: Table = Table("promises");
/// Invitations, by their digest.
pub const INVITATIONS: Table = Table("invitations");
/// Own MAC key shares and commitment nonces, by scope.
pub const MAC_KEYS: Table = Table("mac_keys");
/// Own anchor shares of the key link, by scope.
pub const ANCHORS: Table = Table("anchors");
/// Pauses of generation, by cloud.
pub const PAUSES: Table = Table("pauses");
/// Answers, by client and idempotency key.
pub const ANSWERS: Table = Table("answers");
/// Nonces of requests, by client and nonce.
pub const SEEN: Table = Table("seen");
/// One row: the head of the audit chain.
pub const AUDIT: Table = Table("audit_head");
/// Secrets, by cloud and id.
pub const SECRETS: Table = Table("secrets");
/// The secrets that wait for something, so that nobody has to read all of them to find those.
pub const UNSETTLED_SECRETS: Table = Table("unsettled_secrets");
/// How often programs used secrets, by cloud, id and program.
pub const SECRET_USES: Table = Table("secret_uses");

const LAYOUT: Layout = Layout {
    file: "state.redb",
    schema: 1,
    tables: &[
        KEY_CHECK,
        MEMBERSHIP,
        HALTED,
        PROMISES,
        INVITATIONS,
        MAC_KEYS,
        ANCHORS,
        PAUSES,
        ANSWERS,
        SEEN,
        AUDIT,
        SECRETS,
        UNSETTLED_SECRETS,
        SECRET_USES,
    ],
};

/// The open state file. Clones share it.
#[derive(Clone)]
pub struct StateFile(SealedFile);

impl StateFile {
    /// Opens `folder/state.redb`, or makes it.
    pub async fn open(folder: &Path, root: Arc<RootKey>, fatal: Fatal) -> Result<Self, OpenError> {
        let durable = Durable::open(&folder.join(LAYOUT.file), LAYOUT, fatal)?;
        Ok(Self(SealedFile::of(durable, root).await?))
    }

    /// Opens the file on another backend.
    pub async fn open_on(backend: impl StorageBackend, root: Arc<RootKey>, fatal: Fatal) -> Result<Self, OpenError> {
        let durable = Durable::open_on(backend, LAYOUT, fatal)?;
        Ok(Self(SealedFile::of(durable, root).await?))
    }

    /// Every row as it is on disk, sealed, of one consistent moment: for a back-up.
    ///
    /// # Errors
    /// Those of `visit`, and faults of the store.
    pub fn export<E: From<Fault>>(
        &self,
        from: &Snapshot,
        mut visit: impl FnMut(&str, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for table in LAYOUT.tables {
            from.view(*table)?.walk(&[], None, |key, value| visit(table.0, key, value).map(|()| true))?;
        }
        Ok(())
    }

    /// Makes `folder/state.redb` from the rows of a back-up: the same file, in another store.
    ///
    /// # Errors
    /// Faults of the disk, and rows of tables that are not known here.
    pub fn import(
        folder: &Path,
        file_id: [u8; 16],
        rows: &mut dyn Iterator<Item = (String, Vec<u8>, Vec<u8>)>,
    ) -> Result<(), Fault> {
        birth::import(&folder.join(LAYOUT.file), &LAYOUT, file_id, rows)
    }

    /// Who this file is.
    pub fn identity(&self) -> StoreIdentity {
        self.0.durable().identity()
    }

    pub(crate) fn sealed(&self) -> &SealedFile {
        &self.0
    }
}

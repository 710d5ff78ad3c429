//! Sealed bytes under byte keys, for records that the store does not interpret: invitations, anchor shares, pauses.

use super::durable::{Durable, Fault};
use super::sealed::{Sealed, SecretBytes};
use super::state_file::{ANCHORS, INVITATIONS, PAUSES, StateFile};

/// A table of sealed bytes. Clones share it.
#[derive(Clone)]
pub struct Shelf {
    durable: Durable,
    rows: Sealed<SecretBytes>,
}

impl Shelf {
    /// Invitations that wait for an operator, by a digest of the caller's choice.
    pub fn invitations(file: &StateFile) -> Self {
        Self::of(file, INVITATIONS)
    }

    /// Own anchor shares of the key link, by scope.
    pub fn anchors(file: &StateFile) -> Self {
        Self::of(file, ANCHORS)
    }

    /// Pauses of generation, by cloud.
    pub fn pauses(file: &StateFile) -> Self {
        Self::of(file, PAUSES)
    }

    fn of(file: &StateFile, table: super::Table) -> Self {
        Self { durable: file.sealed().durable().clone(), rows: file.sealed().table(table) }
    }

    /// Writes or replaces a row.
    pub async fn put(&self, key: &[u8], value: SecretBytes) -> Result<(), Fault> {
        let (rows, key) = (self.rows.clone(), key.to_vec());
        self.durable.put(move |write| rows.put(write, &key, &value)).await
    }

    /// The row under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<SecretBytes>, Fault> {
        self.rows.get(&self.durable.read()?, key)
    }

    /// The rows whose key begins with `prefix`.
    pub fn under(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, SecretBytes)>, Fault> {
        self.rows.under(&self.durable.read()?, prefix)
    }

    /// Deletes a row and what is left of it in the file.
    pub async fn shred(&self, key: &[u8]) -> Result<(), Fault> {
        let (rows, key) = (self.rows.clone(), key.to_vec());
        self.durable.put(move |write| rows.shred(write, &key).map(drop)).await
    }

    /// Deletes a row.
    pub async fn delete(&self, key: &[u8]) -> Result<(), Fault> {
        let (rows, key) = (self.rows.clone(), key.to_vec());
        self.durable.put(move |write| rows.delete(write, &key).map(drop)).await
    }
}

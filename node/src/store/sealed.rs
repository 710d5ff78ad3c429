//! Typed tables: a value is encoded, sealed for its row, and written; nothing is ever stored in clear but row keys.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::durable::{Apply, Durable, Fault, OpenError, Reads, Table};
use super::seal::{RootKey, TableKey};

/// A table whose values are `V`. Clones share the key.
pub struct Sealed<V> {
    table: Table,
    key: Arc<TableKey>,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for Sealed<V> {
    fn clone(&self) -> Self {
        Self { table: self.table, key: self.key.clone(), value: PhantomData }
    }
}

impl<V: Serialize + DeserializeOwned> Sealed<V> {
    /// The table of an open file.
    pub fn of(file: &Durable, root: &RootKey, table: Table) -> Self {
        Self { table, key: Arc::new(root.table(file, table)), value: PhantomData }
    }

    /// The table's name.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The value under `key`.
    pub fn get(&self, from: &impl Reads, key: &[u8]) -> Result<Option<V>, Fault> {
        let sealed = from.get(self.table, key)?;
        sealed.map(|sealed| self.open(key, &sealed)).transpose()
    }

    /// All values whose key begins with `prefix`, in key order.
    pub fn under(&self, from: &impl Reads, prefix: &[u8]) -> Result<Vec<(Vec<u8>, V)>, Fault> {
        let rows = from.view(self.table)?.under(prefix)?;
        rows.into_iter().map(|(key, sealed)| self.open(&key, &sealed).map(|value| (key, value))).collect()
    }

    /// The last value whose key begins with `prefix`.
    pub fn last_under(&self, from: &impl Reads, prefix: &[u8]) -> Result<Option<(Vec<u8>, V)>, Fault> {
        let last = from.view(self.table)?.last_under(prefix)?;
        last.map(|(key, sealed)| self.open(&key, &sealed).map(|value| (key, value))).transpose()
    }

    /// Writes the value under `key`.
    pub fn put(&self, to: &Apply<'_>, key: &[u8], value: &V) -> Result<(), Fault> {
        to.put(self.table, key, &self.seal(key, value)?)
    }

    /// Deletes the row; says whether it was there.
    pub fn delete(&self, to: &Apply<'_>, key: &[u8]) -> Result<bool, Fault> {
        to.delete(self.table, key)
    }

    /// Deletes the row and what is left of it in free pages.
    pub fn shred(&self, to: &Apply<'_>, key: &[u8]) -> Result<bool, Fault> {
        to.shred(self.table, key)
    }

    /// The sealed form of a value, for those who write many rows through one open table.
    pub fn seal(&self, key: &[u8], value: &V) -> Result<Vec<u8>, Fault> {
        let content = cbor4ii::serde::to_vec(Vec::with_capacity(256), value);
        let content = Zeroizing::new(content.expect("our own rows encode into memory"));
        self.key.seal(key, &content)
    }

    /// Opens the sealed form.
    pub fn open(&self, key: &[u8], sealed: &[u8]) -> Result<V, Fault> {
        let content = self.key.open(key, sealed)?;
        let damaged = Fault::Damaged { table: self.table.0 };
        cbor4ii::serde::from_slice(&content).map_err(|_| damaged)
    }
}

/// An open file and the root key that its rows are sealed under. Clones share both.
#[derive(Clone)]
pub struct SealedFile {
    durable: Durable,
    root: Arc<RootKey>,
}

impl SealedFile {
    pub(super) async fn of(durable: Durable, root: Arc<RootKey>) -> Result<Self, OpenError> {
        check_root_key(&durable, &root).await?;
        Ok(Self { durable, root })
    }

    /// The door for reads and writes.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// A typed table.
    pub fn table<V: Serialize + DeserializeOwned>(&self, table: Table) -> Sealed<V> {
        Sealed::of(&self.durable, &self.root, table)
    }

    /// The key of a table whose rows are not typed.
    pub fn key(&self, table: Table) -> TableKey {
        self.root.table(&self.durable, table)
    }
}

/// Bytes that are secret: encoded as a byte string, not printable, zeroised on drop.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SecretBytes(#[serde(with = "serde_bytes")] Vec<u8>);

impl SecretBytes {
    /// Takes ownership of secret bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// A sealed constant that tells a wrong root key from a damaged row, once, when a file is opened.
pub(super) const KEY_CHECK: Table = Table("key_check");

/// Refuses a root key that does not belong to the file. The first opening of a file binds it to its key.
async fn check_root_key(file: &Durable, root: &RootKey) -> Result<(), OpenError> {
    let name = file.layout().file;
    let checks: Sealed<u8> = Sealed::of(file, root, KEY_CHECK);
    let read = file.read().and_then(|now| now.get(KEY_CHECK, b"root"));
    let fault = |fault| OpenError::Fault { file: name, fault };
    match read.map_err(fault)? {
        Some(sealed) => match checks.open(b"root", &sealed) {
            Ok(_) => Ok(()),
            Err(_) => Err(OpenError::WrongRootKey { file: name }),
        },
        None => file.put(move |write| checks.put(write, b"root", &1)).await.map_err(fault),
    }
}

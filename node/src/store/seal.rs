//! Encryption at rest: XChaCha20-Poly1305 under keys derived from one root key, bound to the place of the row.
//!
//! Key of a table: HKDF-SHA256(root key, salt = file id, info = table ‖ schema). Associated data: file name ‖ file id
//! ‖ table ‖ schema ‖ row key, each with its length, so that no ciphertext can be moved to another row, table or file.
//! Nonces are 192 random bits from the operating system for every sealing, never a stored counter.
//!
//! A [`DataKey`] encrypts much under little: tuples of one MAC key are sealed under a data key, which is itself stored
//! sealed; deleting that one row makes all of them unreadable.
//!
//! Not protected here: replay of an older ciphertext into the same row (the freshness handshake notices a rolled-back
//! file), and an attacker who has both the disk and the root key.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::birth;
use super::durable::{Durable, Fault, Table};

/// Bytes that a sealed value is longer than its content.
pub const OVERHEAD: usize = NONCE + TAG;
const NONCE: usize = 24;
const TAG: usize = 16;

/// The node's root key. It never encrypts data itself. Not printable, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

/// Why a root key file was refused.
#[derive(Debug, Error)]
pub enum RootKeyError {
    #[error("{0}: others may read it; run `chmod 600 {0}` and consider its secrets known", .path.display())]
    Exposed { path: PathBuf },
    #[error("{}: a root key is 32 bytes, this file has another length", .path.display())]
    WrongLength { path: PathBuf },
    #[error("{}: {error}", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{}: the operating system gives no randomness", .path.display())]
    NoRandomness { path: PathBuf },
}

impl RootKey {
    /// Takes a key from elsewhere (a passphrase, a keyring).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Makes a new key file (0600). Refuses to overwrite one: that would orphan the stores under it.
    pub fn create(path: &Path) -> Result<Self, RootKeyError> {
        let unreadable = |error| RootKeyError::Unreadable { path: path.to_owned(), error };
        let key = Self(birth::random().map_err(|_| RootKeyError::NoRandomness { path: path.to_owned() })?);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(unreadable)?;
        file.write_all(&key.0).map_err(unreadable)?;
        file.sync_all().map_err(unreadable)?;
        birth::sync_folder(path).map_err(unreadable)?;
        Ok(key)
    }

    /// Reads a key file, refusing one that the group or the world may touch.
    pub fn load(path: &Path) -> Result<Self, RootKeyError> {
        let unreadable = |error| RootKeyError::Unreadable { path: path.to_owned(), error };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        refuse_exposed(path, &file.metadata().map_err(unreadable)?)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        file.take(64).read_to_end(&mut bytes).map_err(unreadable)?;
        let key =
            <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| RootKeyError::WrongLength { path: path.to_owned() })?;
        Ok(Self(key))
    }

    /// The key of one table of one open file.
    pub fn table(&self, file: &Durable, table: Table) -> TableKey {
        let layout = file.layout();
        let mut place = Vec::new();
        for part in [layout.file.as_bytes(), &file.identity().file_id, table.0.as_bytes(), &layout.schema.to_be_bytes()]
        {
            append(&mut place, part);
        }
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&file.identity().file_id), &self.0)
            .expand_multi_info(&[b"polyyne/table-key/1", &place], key.as_mut())
            .expect("32 bytes are less than 255 hashes");
        TableKey { key: DataKey(*key), place, table: table.0 }
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &std::fs::Metadata) -> Result<(), RootKeyError> {
    use std::os::unix::fs::PermissionsExt;
    if file.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(RootKeyError::Exposed { path: path.to_owned() })
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &std::fs::Metadata) -> Result<(), RootKeyError> {
    Ok(())
}

fn append(place: &mut Vec<u8>, part: &[u8]) {
    let len = u32::try_from(part.len()).expect("names and keys are short");
    place.extend_from_slice(&len.to_be_bytes());
    place.extend_from_slice(part);
}

/// A key that encrypts data directly. Not printable, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

/// The sealed bytes do not belong here, or were altered.
#[derive(Debug, Error)]
#[error("a sealed row does not open: it was altered or moved")]
pub struct Unsealable;

impl DataKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, Fault> {
        Ok(Self(birth::random()?))
    }

    /// Takes a key from elsewhere: a back-up's key file.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// Seals `content` for the place that `place` names.
    pub fn seal(&self, place: &[u8], content: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE] = birth::random()?;
        let payload = Payload { msg: content, aad: place };
        let body =
            self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a row is far below the cipher's length limit");
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(Unsealable)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Unsealable)?;
        let payload = Payload { msg: body, aad: place };
        let content = self.cipher().decrypt(&XNonce::from(nonce), payload);
        Ok(Zeroizing::new(content.map_err(|_| Unsealable)?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

/// The key of one table, which knows its place. Not printable, zeroised on drop.
pub struct TableKey {
    key: DataKey,
    place: Vec<u8>,
    table: &'static str,
}

impl TableKey {
    /// Seals `content` for the row `row_key` of this table.
    pub fn seal(&self, row_key: &[u8], content: &[u8]) -> Result<Vec<u8>, Fault> {
        self.key.seal(&self.place_of(row_key), content)
    }

    /// Opens the row `row_key` of this table.
    pub fn open(&self, row_key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let opened = self.key.open(&self.place_of(row_key), sealed);
        opened.map_err(|_| Fault::Damaged { table: self.table })
    }

    /// Seals a data key for the row `row_key` of this table.
    pub fn wrap(&self, row_key: &[u8], key: &DataKey) -> Result<Vec<u8>, Fault> {
        self.seal(row_key, &key.0)
    }

    /// Opens a data key.
    pub fn unwrap(&self, row_key: &[u8], sealed: &[u8]) -> Result<DataKey, Fault> {
        let bytes = self.open(row_key, sealed)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        Ok(DataKey(key.map_err(|_| Fault::Damaged { table: self.table })?))
    }

    /// The associated data of a row of this table, for data sealed under another key.
    pub fn place_of(&self, row_key: &[u8]) -> Vec<u8> {
        let mut place = self.place.clone();
        append(&mut place, row_key);
        place
    }
}

#[cfg(test)]
mod tests;

//! The data directory of a node: where each file is, who may read it, and one process at a time.
//!
//! `config.toml`, `identity.key` and `root.key` (0600), `state.redb`, `tuples.redb`, `audit.log`, `lock`, `vcp.sock`.
//! The directory itself is 0700. Opening it takes an exclusive lock that the kernel gives back when the process ends,
//! however it ends: two processes on one store would spend tuples twice.
//!
//! Not protected here: an operator who copies the directory and starts the copy elsewhere (the freshness handshake
//! between members answers that).

pub mod secret_file;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use polyyne_protocol::id::PeerKey;
use rand::TryRng as _;
use rand::rngs::SysRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::{Config, ConfigError};
use secret_file::{KEY_BYTES, SecretFileError};

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    #[error("{dir} holds no node yet; make one with `vcp node init --data-dir {dir}`", dir = .0.display())]
    NotInitialised(PathBuf),
    #[error("{dir} holds a node already; start it with `vcp node start --data-dir {dir}`", dir = .0.display())]
    AlreadyInitialised(PathBuf),
    #[error("{} is in use by another process{}; one data directory serves one process", .dir.display(), pid(.holder))]
    InUse { dir: PathBuf, holder: Option<u32> },
    #[error("{dir}: others than you may enter it; run `chmod 700 {dir}`", dir = .0.display())]
    Exposed(PathBuf),
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the operating system gives no randomness")]
    NoRandomness,
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn pid(holder: &Option<u32>) -> String {
    holder.map(|pid| format!(" (number {pid})")).unwrap_or_default()
}

/// The names inside a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout under `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }
    pub fn identity(&self) -> PathBuf {
        self.dir.join("identity.key")
    }
    pub fn root_key(&self) -> PathBuf {
        self.dir.join("root.key")
    }
    pub fn state(&self) -> PathBuf {
        self.dir.join("state.redb")
    }
    pub fn tuples(&self) -> PathBuf {
        self.dir.join("tuples.redb")
    }
    pub fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }
    /// The operator's door.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("vcp.sock")
    }

    /// Makes a new node here: keys and the commented config file. Returns its public identity.
    ///
    /// # Errors
    /// If there is one already, or a file cannot be written.
    pub fn init(&self, config: &Config) -> Result<PeerKey, DataDirError> {
        if self.identity().exists() || self.config().exists() {
            return Err(DataDirError::AlreadyInitialised(self.dir.clone()));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(|e| self.io(&self.dir, e))?;
        self.refuse_exposed()?;
        self.rewrite_config(config)?;
        secret_file::create(&self.root_key(), &*fresh_key()?)?;
        // last: with an identity the directory counts as a node
        let seed = fresh_key()?;
        secret_file::create(&self.identity(), &seed)?;
        Ok(public_key(&SigningKey::from_bytes(&seed)))
    }

    /// Writes the config file, over an old one if there is one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn rewrite_config(&self, config: &Config) -> Result<(), DataDirError> {
        let path = self.config();
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(|e| self.io(&path, e))?;
        file.write_all(config.to_commented_toml().as_bytes()).map_err(|e| self.io(&path, e))
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// If there is no node in it, another process has it, or others may read it.
    pub fn open(&self) -> Result<DataDir, DataDirError> {
        if !self.identity().exists() {
            return Err(DataDirError::NotInitialised(self.dir.clone()));
        }
        self.refuse_exposed()?;
        let lock = self.take_lock()?;
        let signing = SigningKey::from_bytes(&*secret_file::read(&self.identity())?);
        let root_key = secret_file::read(&self.root_key())?;
        Ok(DataDir { layout: self.clone(), signing, root_key, _lock: lock })
    }

    /// The public identity, without taking the directory.
    ///
    /// # Errors
    /// If there is no node, or its key file is unreadable.
    pub fn peer_key(&self) -> Result<PeerKey, DataDirError> {
        if !self.identity().exists() {
            return Err(DataDirError::NotInitialised(self.dir.clone()));
        }
        Ok(public_key(&SigningKey::from_bytes(&*secret_file::read(&self.identity())?)))
    }

    fn take_lock(&self) -> Result<File, DataDirError> {
        let path = self.lock();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| self.io(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse { dir: self.dir.clone(), holder: holder(&path) });
            }
            Err(TryLockError::Error(e)) => return Err(self.io(&path, e)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(|e| self.io(&path, e))?;
        Ok(file)
    }

    fn refuse_exposed(&self) -> Result<(), DataDirError> {
        let metadata = std::fs::metadata(&self.dir).map_err(|e| self.io(&self.dir, e))?;
        if secret_file::exposed(&metadata) {
            return Err(DataDirError::Exposed(self.dir.clone()));
        }
        Ok(())
    }

    fn io(&self, path: &Path, source: io::Error) -> DataDirError {
        DataDirError::Io { path: path.to_owned(), source }
    }
}

fn fresh_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, DataDirError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SysRng.try_fill_bytes(key.as_mut()).map_err(|_| DataDirError::NoRandomness)?;
    Ok(key)
}

fn public_key(signing: &SigningKey) -> PeerKey {
    PeerKey(signing.verifying_key().to_bytes())
}

/// The process that wrote its number into the lock file; a hint for a message.
fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A data directory that belongs to this process until it is dropped.
pub struct DataDir {
    layout: Layout,
    signing: SigningKey,
    root_key: Zeroizing<[u8; KEY_BYTES]>,
    _lock: File,
}

impl DataDir {
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The node's identity: its libp2p key and its signature.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    pub fn peer_key(&self) -> PeerKey {
        public_key(&self.signing)
    }

    /// The key under which everything at rest is encrypted.
    pub fn root_key(&self) -> &[u8; KEY_BYTES] {
        &self.root_key
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn scratch() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().join("node"));
        (dir, layout)
    }

    #[test]
    fn a_second_process_on_one_directory_is_refused() {
        let (_dir, layout) = scratch();
        layout.init(&Config::default()).unwrap();
        let first = layout.open().unwrap();
        match layout.open() {
            Err(DataDirError::InUse { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{:?}", other.err()),
        }
        drop(first);
        assert!(layout.open().is_ok());
    }

    #[test]
    fn starting_without_init_names_the_remedy() {
        let (_dir, layout) = scratch();
        let error = layout.open().err().unwrap();
        assert!(matches!(error, DataDirError::NotInitialised(_)));
        assert!(error.to_string().contains("vcp node init"), "{error}");
    }

    #[test]
    fn init_twice_keeps_the_first_identity() {
        let (_dir, layout) = scratch();
        let key = layout.init(&Config::default()).unwrap();
        assert!(matches!(layout.init(&Config::default()), Err(DataDirError::AlreadyInitialised(_))));
        assert_eq!(layout.peer_key().unwrap(), key);
        assert_eq!(layout.open().unwrap().peer_key(), key);
    }

    #[test]
    fn keys_and_directories_that_others_may_read_are_refused() {
        let (_dir, layout) = scratch();
        layout.init(&Config::default()).unwrap();
        for (path, open, closed) in [
            (layout.root_key(), 0o640, 0o600),
            (layout.identity(), 0o604, 0o600),
            (layout.dir().to_owned(), 0o750, 0o700),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).unwrap();
            assert!(layout.open().is_err(), "{} with mode {open:o}", path.display());
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(closed)).unwrap();
        }
        assert!(layout.open().is_ok());
    }
}

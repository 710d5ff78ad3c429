//! Back-ups: what a node needs to keep its secrets when its machine is lost, and nothing that could be spent twice.
//!
//! In one: the identity, the root key, the settings, `state.redb` (memberships, MAC key shares, secrets, answers) of one
//! consistent moment, and the audit log up to it. Not in one: `tuples.redb`, so no tuples, no sessions, no unfinished
//! checks. A restored node therefore begins a new tuple store; it stays sealed until all members have heard so and have
//! thrown away what they had made with the old one ([`crate::freshness`]).
//!
//! Form: a line that names it, a random salt, then pieces, each sealed under the back-up's key (XChaCha20-Poly1305,
//! random nonces) for its number and for whether it is the last, so that none can be changed, moved, left out or cut
//! off. The key is a file of its own, 32 random bytes: whoever has both has the node.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_dir::secret_file::{self, SecretFileError};
use crate::data_dir::{DataDirError, Layout};
use crate::store::audit_head::AuditHeads;
use crate::store::seal::DataKey;
use crate::store::{Fault, StateFile};

const NAME: &[u8] = b"polyyne back-up 1\n";
const SALT: usize = 16;
/// A piece is sealed when it has grown to this.
const PIECE: usize = 1 << 20;
/// No piece is longer: one record, a large secret, may go over [`PIECE`].
const PIECE_MAX: usize = 64 << 20;
const RECORD_MAX: usize = 32 << 20;

/// Why there is no back-up, or nothing was restored.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Key(#[from] SecretFileError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("{} is not a back-up of this program", .0.display())]
    NotOne(PathBuf),
    #[error("{} does not open: it is damaged, or the key is another's", .0.display())]
    Unsealable(PathBuf),
    #[error("{} has no end: a part of it is missing", .0.display())]
    Cut(PathBuf),
}

#[derive(Serialize, Deserialize)]
enum Record {
    Head { file_id: [u8; 16] },
    Identity(ByteBuf),
    RootKey(ByteBuf),
    Config(String),
    AuditLine(String),
    Row { table: String, key: ByteBuf, value: ByteBuf },
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
}

/// Writes a back-up to a new file. The key is read from `key`, or made there if there is none.
///
/// # Errors
/// [`BackupError`]; a file that is there already is left as it is.
pub fn write(layout: &Layout, state: &StateFile, to: &Path, key: &Path) -> Result<Written, BackupError> {
    if !key.exists() {
        secret_file::create(key, &crate::store::random()?)?;
    }
    let key = DataKey::from_bytes(&*secret_file::read(key)?);
    let mut out = Sealing::create(to, key)?;
    out.put(&Record::Head { file_id: state.identity().file_id })?;
    let secret = |path: PathBuf| secret_file::read(&path).map(|key| ByteBuf::from(key.to_vec()));
    out.put(&Record::Identity(secret(layout.identity())?))?;
    out.put(&Record::RootKey(secret(layout.root_key())?))?;
    let config = layout.config();
    out.put(&Record::Config(
        std::fs::read_to_string(&config).map_err(|cause| BackupError::File { path: config, cause })?,
    ))?;
    let moment = state.sealed().durable().read()?;
    let audited = AuditHeads::of(state).at(&moment)?.sequence;
    audit_lines(&layout.audit_log(), audited, |line| out.put(&Record::AuditLine(line)))?;
    let mut rows = 0;
    state.export(&moment, |table, key, value| {
        rows += 1;
        let (key, value) = (ByteBuf::from(key.to_vec()), ByteBuf::from(value.to_vec()));
        out.put(&Record::Row { table: table.to_owned(), key, value })
    })?;
    Ok(Written { rows, bytes: out.finish()? })
}

/// The lines of the audit log up to the head that the back-up holds.
fn audit_lines(
    path: &Path,
    upto: u64,
    mut visit: impl FnMut(String) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    #[derive(Deserialize)]
    struct Numbered {
        sequence: u64,
    }
    let failed = |cause| BackupError::File { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    for line in BufReader::new(file).lines() {
        let line = line.map_err(failed)?;
        let later = serde_json::from_str::<Numbered>(&line).is_ok_and(|line| line.sequence > upto);
        if later {
            return Ok(());
        }
        visit(line)?;
    }
    Ok(())
}

/// Makes a data directory from a back-up. There must be none yet.
///
/// # Errors
/// [`BackupError`]. What was begun does not count as a node: its identity is written last.
pub fn restore(from: &Path, key: &Path, layout: &Layout) -> Result<Written, BackupError> {
    if layout.identity().exists() || layout.config().exists() || layout.state().exists() {
        return Err(DataDirError::AlreadyInitialised(layout.dir().to_owned()).into());
    }
    let mut records = Opening::open(from, DataKey::from_bytes(&*secret_file::read(key)?))?;
    let damaged = || BackupError::NotOne(from.to_owned());
    let Some(Record::Head { file_id }) = records.next()? else { return Err(damaged()) };
    let Some(Record::Identity(identity)) = records.next()? else { return Err(damaged()) };
    let Some(Record::RootKey(root)) = records.next()? else { return Err(damaged()) };
    let Some(Record::Config(config)) = records.next()? else { return Err(damaged()) };
    let whole = |bytes: ByteBuf| <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| damaged());
    let (identity, root) = (whole(identity)?, whole(root)?);

    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| BackupError::File { path, cause }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(layout.dir()).map_err(failed(layout.dir()))?;
    secret_file::create(&layout.root_key(), &root)?;
    new_file(&layout.config())
        .and_then(|mut file| file.write_all(config.as_bytes()))
        .map_err(failed(&layout.config()))?;
    let mut log = new_file(&layout.audit_log()).map_err(failed(&layout.audit_log()))?;
    let (mut rows, mut trouble) = (0, None);
    let mut row = || loop {
        match records.next() {
            Ok(Some(Record::Row { table, key, value })) => {
                rows += 1;
                return Some((table, key.into_vec(), value.into_vec()));
            }
            Ok(Some(Record::AuditLine(line))) => {
                if let Err(cause) = writeln!(log, "{line}") {
                    trouble = Some(BackupError::File { path: layout.audit_log(), cause });
                    return None;
                }
            }
            Ok(Some(_)) => {
                trouble = Some(damaged());
                return None;
            }
            Ok(None) => return None,
            Err(error) => {
                trouble = Some(error);
                return None;
            }
        }
    };
    StateFile::import(layout.dir(), file_id, &mut std::iter::from_fn(&mut row))?;
    if let Some(trouble) = trouble {
        std::fs::remove_file(layout.state()).map_err(failed(&layout.state()))?;
        return Err(trouble);
    }
    log.sync_all().map_err(failed(&layout.audit_log()))?;
    secret_file::create(&layout.identity(), &identity)?;
    let bytes = std::fs::metadata(from).map_err(failed(from))?.len();
    Ok(Written { rows, bytes })
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// What a piece is sealed for.
fn place(salt: &[u8; SALT], number: u64, last: bool) -> Vec<u8> {
    [NAME, salt, &number.to_be_bytes(), &[u8::from(last)]].concat()
}

/// A back-up that is being written.
struct Sealing {
    path: PathBuf,
    file: BufWriter<File>,
    key: DataKey,
    salt: [u8; SALT],
    number: u64,
    piece: Zeroizing<Vec<u8>>,
    bytes: u64,
}

impl Sealing {
    fn create(path: &Path, key: DataKey) -> Result<Self, BackupError> {
        let failed = |cause| BackupError::File { path: path.to_owned(), cause };
        let mut file = BufWriter::new(new_file(path).map_err(failed)?);
        let salt = crate::store::random()?;
        file.write_all(&[NAME, &salt].concat()).map_err(failed)?;
        let piece = Zeroizing::new(Vec::with_capacity(2 * PIECE));
        Ok(Self { path: path.to_owned(), file, key, salt, number: 0, piece, bytes: (NAME.len() + SALT) as u64 })
    }

    fn put(&mut self, record: &Record) -> Result<(), BackupError> {
        let record = Zeroizing::new(polyyne_protocol::canonical::encode(record));
        let len = u32::try_from(record.len()).expect("a record is far below 4 GiB");
        self.piece.extend_from_slice(&len.to_be_bytes());
        self.piece.extend_from_slice(&record);
        if self.piece.len() >= PIECE { self.seal(false) } else { Ok(()) }
    }

    fn seal(&mut self, last: bool) -> Result<(), BackupError> {
        let sealed = self.key.seal(&place(&self.salt, self.number, last), &self.piece)?;
        let len = u32::try_from(sealed.len()).expect("a piece is far below 4 GiB").to_be_bytes();
        let written = self.file.write_all(&len).and_then(|()| self.file.write_all(&sealed));
        written.map_err(|cause| BackupError::File { path: self.path.clone(), cause })?;
        self.bytes += (len.len() + sealed.len()) as u64;
        self.number += 1;
        zeroize::Zeroize::zeroize(&mut *self.piece);
        Ok(())
    }

    fn finish(mut self) -> Result<u64, BackupError> {
        self.seal(true)?;
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|cause| BackupError::File { path: self.path.clone(), cause })?;
        Ok(self.bytes)
    }
}

/// A back-up that is being read.
struct Opening {
    path: PathBuf,
    file: BufReader<File>,
    key: DataKey,
    salt: [u8; SALT],
    number: u64,
    piece: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl Opening {
    fn open(path: &Path, key: DataKey) -> Result<Self, BackupError> {
        let failed = |cause| BackupError::File { path: path.to_owned(), cause };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut start = [0; NAME.len() + SALT];
        file.read_exact(&mut start).map_err(|_| BackupError::NotOne(path.to_owned()))?;
        let salt = start.strip_prefix(NAME).and_then(|salt| salt.try_into().ok());
        let salt = salt.ok_or_else(|| BackupError::NotOne(path.to_owned()))?;
        let piece = Zeroizing::new(Vec::new());
        Ok(Self { path: path.to_owned(), file, key, salt, number: 0, piece, at: 0, ended: false })
    }

    fn next(&mut self) -> Result<Option<Record>, BackupError> {
        while self.at == self.piece.len() {
            if self.ended {
                return Ok(None);
            }
            self.next_piece()?;
        }
        let not_one = || BackupError::NotOne(self.path.clone());
        let rest = &self.piece[self.at..];
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(not_one)?;
        let len = u32::from_be_bytes(*len) as usize;
        let record = rest.get(..len).ok_or_else(not_one)?;
        let record = polyyne_protocol::canonical::decode(record, RECORD_MAX).map_err(|_| not_one())?;
        self.at += 4 + len;
        Ok(Some(record))
    }

    fn next_piece(&mut self) -> Result<(), BackupError> {
        let cut = |_| BackupError::Cut(self.path.clone());
        let mut len = [0; 4];
        self.file.read_exact(&mut len).map_err(cut)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > PIECE_MAX {
            return Err(BackupError::NotOne(self.path.clone()));
        }
        let mut sealed = vec![0; len];
        self.file.read_exact(&mut sealed).map_err(cut)?;
        let opened = [false, true].into_iter().find_map(|last| {
            self.key.open(&place(&self.salt, self.number, last), &sealed).ok().map(|piece| (piece, last))
        });
        (self.piece, self.ended) = opened.ok_or_else(|| BackupError::Unsealable(self.path.clone()))?;
        self.number += 1;
        self.at = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

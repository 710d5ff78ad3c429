//! Files of 32 secret bytes: made once with mode 0600, refused when anyone else may touch them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a secret file was refused.
#[derive(Debug, Error)]
pub enum SecretFileError {
    #[error("{path}: others than you may touch it; run `chmod 600 {path}`, and replace it if somebody may have read it", path = .0.display())]
    Exposed(PathBuf),
    #[error("{}: a key file is {KEY_BYTES} bytes, this one has another length", .0.display())]
    WrongLength(PathBuf),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Bytes of a key file.
pub const KEY_BYTES: usize = 32;

/// Reads a key.
///
/// # Errors
/// If the file cannot be read, has another length, or its group or the world may touch it.
pub fn read(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretFileError> {
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    if exposed(&file.metadata().map_err(io)?) {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
    let mut len = 0;
    while len < bytes.len() {
        match file.read(&mut bytes[len..]).map_err(io)? {
            0 => break,
            more => len += more,
        }
    }
    match bytes.first_chunk::<KEY_BYTES>() {
        Some(key) if len == KEY_BYTES => Ok(Zeroizing::new(*key)),
        _ => Err(SecretFileError::WrongLength(path.to_owned())),
    }
}

/// Writes a new key file; never over an old one.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn create(path: &Path, key: &[u8; KEY_BYTES]) -> Result<(), SecretFileError> {
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(key).and_then(|()| file.sync_all()).map_err(io)
}

/// Whether the group or the world may read, write or enter.
pub(crate) fn exposed(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_written_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, &[7; 32]).unwrap();
        assert_eq!(*read(&path).unwrap(), [7; 32]);
        assert!(matches!(create(&path, &[8; 32]), Err(SecretFileError::Io { .. })));
        assert_eq!(*read(&path).unwrap(), [7; 32]);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, &[7; 32]).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&path), Err(SecretFileError::Exposed(_))), "mode {mode:o}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 31, 33, 100] {
            let path = dir.path().join(len.to_string());
            std::fs::write(&path, vec![1; len]).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read(&path), Err(SecretFileError::WrongLength(_))), "{len} bytes");
        }
    }
}

//! The certificates of parties and clients in a folder, as MP-SPDZ's scripts leave them.
//!
//! `P0.pem` and `P0.key` are party 0's self-signed certificate and its key, `C0.pem` and `C0.key` client 0's; and each
//! certificate has a link named by OpenSSL's hash of its subject, by which OpenSSL finds it in a folder. What is missing
//! is made; what is there is left as it is.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Clients that get certificates in a folder that has none: those with the numbers below this.
pub const CLIENTS_MADE: i64 = 10;

/// A folder of certificates.
#[derive(Clone)]
pub struct Keys {
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{}: {cause}", path.display())]
    Pem { path: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("cannot make a certificate: {0}")]
    Made(#[from] rcgen::Error),
}

impl Keys {
    /// The folder with at least the parties' certificates, and those of some clients if it had none; says what was made.
    pub fn prepare(folder: &Path, parties: usize) -> Result<(Self, Vec<String>), KeysError> {
        let keys = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder).map_err(|cause| keys.failed(folder.to_owned(), cause))?;
        let mut names: Vec<String> = (0..parties).map(|party| format!("P{party}")).collect();
        if !keys.knows_a_client()? {
            names.extend((0..CLIENTS_MADE).map(|client| format!("C{client}")));
        }
        names.retain(|name| !keys.path(name, "pem").exists());
        names.iter().try_for_each(|name| keys.make(name))?;
        Ok((keys, names))
    }

    /// A certificate of the folder.
    pub fn certificate(&self, name: &str) -> Result<CertificateDer<'static>, KeysError> {
        let path = self.path(name, "pem");
        CertificateDer::from_pem_slice(&self.read(&path)?).map_err(|cause| KeysError::Pem { path, cause })
    }

    /// And its key.
    pub fn key(&self, name: &str) -> Result<PrivateKeyDer<'static>, KeysError> {
        let path = self.path(name, "key");
        PrivateKeyDer::from_pem_slice(&self.read(&path)?).map_err(|cause| KeysError::Pem { path, cause })
    }

    /// All parties' certificates.
    pub fn parties(&self) -> Result<Vec<CertificateDer<'static>>, KeysError> {
        let party = |name: &String| name.strip_prefix('P').is_some_and(is_number);
        self.certificates()?.iter().filter(|name| party(name)).map(|name| self.certificate(name)).collect()
    }

    fn knows_a_client(&self) -> Result<bool, KeysError> {
        Ok(self.certificates()?.iter().any(|name| name.strip_prefix('C').is_some_and(is_number)))
    }

    /// The names of all certificates in the folder.
    fn certificates(&self) -> Result<Vec<String>, KeysError> {
        let failed = |cause| self.failed(self.folder.clone(), cause);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(".pem")).map(str::to_owned));
        }
        Ok(names)
    }

    fn make(&self, name: &str) -> Result<(), KeysError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key)?;
        // the key first: a certificate without its key would never be made again
        self.write(self.path(name, "key"), &key.serialize_pem(), 0o600)?;
        self.write(self.path(name, "pem"), &certificate.pem(), 0o644)?;
        self.link(name)
    }

    /// Links the hash of a certificate's subject to it.
    fn link(&self, name: &str) -> Result<(), KeysError> {
        let hash = subject_hash(name);
        for number in 0.. {
            let link = self.folder.join(format!("{hash:08x}.{number}"));
            match symlink(format!("{name}.pem"), &link) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(self.failed(link, cause)),
            }
        }
        Ok(())
    }

    fn write(&self, path: PathBuf, text: &str, mode: u32) -> Result<(), KeysError> {
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
        written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|cause| self.failed(path, cause))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, KeysError> {
        fs::read(path).map_err(|cause| self.failed(path.to_owned(), cause))
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ending}"))
    }

    fn failed(&self, path: PathBuf, cause: std::io::Error) -> KeysError {
        KeysError::File { path, cause }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// OpenSSL's `X509_NAME_hash` of a subject that is one common name: the first four bytes, little-endian, of the SHA-1 of
/// its canonical form (lower case, as UTF-8 string, without the outer sequence). It names files and protects nothing.
fn subject_hash(common_name: &str) -> u32 {
    let text = common_name.to_ascii_lowercase();
    let length = u8::try_from(text.len()).expect("a party's or client's name is short");
    // SET { SEQUENCE { OBJECT IDENTIFIER commonName, UTF8String } }
    let mut name = vec![0x31, length + 9, 0x30, length + 7, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, length];
    name.extend(text.bytes());
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &name);
    u32::from_le_bytes(*hash.as_ref().first_chunk().expect("SHA-1 has 20 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_made_and_what_is_there_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, made) = Keys::prepare(folder.path(), 2).unwrap();
        assert_eq!(made.len(), 2 + usize::try_from(CLIENTS_MADE).unwrap());
        let before = keys.certificate("P0").unwrap();
        let (keys, made) = Keys::prepare(folder.path(), 3).unwrap();
        assert_eq!(made, ["P2"]);
        assert_eq!(keys.certificate("P0").unwrap(), before);
        assert_eq!(keys.parties().unwrap().len(), 3);
        assert!(keys.key("C4").is_ok() && keys.certificate("C10").is_err());
    }

    #[test]
    fn subjects_hash_as_openssl_hashes_them() {
        // openssl x509 -hash
        let known = [("P0", 0x690a_d341), ("P1", 0x0c19_e31f), ("C4", 0xbd3d_76a5), ("C10", 0x1ee1_bf80)];
        known.iter().for_each(|&(name, hash)| assert_eq!(subject_hash(name), hash, "{name}"));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, _) = Keys::prepare(folder.path(), 2).unwrap();
        fs::write(folder.path().join("P1.key"), "nothing").unwrap();
        assert!(keys.key("P1").unwrap_err().to_string().contains("P1.key"));
    }
}

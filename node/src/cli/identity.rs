//! The client's key: a file of its own, made at first use, that only its owner may read.
//!
//! Whoever has it is the owner of the secrets stored with it. There is no way to get a lost one back.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::failure::{Context as _, Failure};
use super::screen::Screen;
use crate::data_dir::secret_file::{self, KEY_BYTES};

/// Reads the key in `path`, or in the usual place; makes it if there is none.
pub fn load(screen: &Screen, path: Option<&Path>) -> Result<SigningKey, Failure> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => config_folder()?.join("identity.key"),
    };
    if !path.exists() {
        create(&path)?;
        screen.note(format!("made a new identity in {}: keep it, it owns what you store", path.display()));
    }
    let key = secret_file::read(&path).map_err(Failure::failed)?;
    Ok(SigningKey::from_bytes(&key))
}

/// Makes a new key file.
pub fn create(path: &Path) -> Result<(), Failure> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SysRng.try_fill_bytes(key.as_mut()).or_failed("the operating system gives no randomness")?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).or_failed(folder.display())?;
    }
    secret_file::create(path, &key).map_err(Failure::failed)
}

/// `~/.config/polyyne`.
pub fn config_folder() -> Result<PathBuf, Failure> {
    base("XDG_CONFIG_HOME", ".config").map(|base| base.join("polyyne"))
}

/// `~/.local/share/polyyne`.
pub fn data_folder() -> Result<PathBuf, Failure> {
    base("XDG_DATA_HOME", ".local/share").map(|base| base.join("polyyne"))
}

fn base(variable: &str, under_home: &str) -> Result<PathBuf, Failure> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    if let Some(base) = std::env::var_os(variable).map(PathBuf::from).and_then(absolute) {
        return Ok(base);
    }
    let home = std::env::home_dir().and_then(absolute);
    home.map(|home| home.join(under_home)).ok_or_else(|| {
        Failure::usage("this user has no home directory").remedy("say --identity FILE and --data-dir DIR")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_made_once_and_then_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/identity.key");
        let screen = Screen { json: false };
        let first = load(&screen, Some(&path)).unwrap();
        assert_eq!(load(&screen, Some(&path)).unwrap().to_bytes(), first.to_bytes());
    }
}

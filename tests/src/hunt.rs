//! A search for secrets in places where none may be.

use polyyne_engine::field::PrimeField;
use std::path::{Path, PathBuf};

/// A known value in every form in which it could have been written down.
pub struct Prey {
    pub value: u128,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Prey {
    /// A value of the default field.
    pub fn new(value: u128) -> Self {
        let field = PrimeField::usual();
        let montgomery = field.to_montgomery(field.element(value));
        let forms = vec![
            ("little-endian", value.to_le_bytes().to_vec()),
            ("big-endian", value.to_be_bytes().to_vec()),
            ("Montgomery form", montgomery.to_le_bytes().to_vec()),
            ("Montgomery form, big-endian", montgomery.to_be_bytes().to_vec()),
            ("decimal text", value.to_string().into_bytes()),
            ("hexadecimal text", format!("{value:x}").into_bytes()),
            ("hexadecimal text", format!("{value:X}").into_bytes()),
            ("hexadecimal text of the little-endian bytes", hex(&value.to_le_bytes())),
            ("list of bytes", list(&value.to_le_bytes())),
        ];
        Self { value, forms }
    }

    /// Bytes that are secret as they are: keys, shares.
    pub fn bytes(bytes: &[u8]) -> Self {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        let forms = vec![
            ("bytes", bytes.to_vec()),
            ("reversed bytes", reversed),
            ("hexadecimal text", hex(bytes)),
            ("list of bytes", list(bytes)),
        ];
        Self { value: 0, forms }
    }

    /// The forms in which it can be found.
    pub fn forms(&self) -> &[(&'static str, Vec<u8>)] {
        &self.forms
    }

    /// In which form it is in there.
    pub fn found_in(&self, hay: &[u8]) -> Option<&'static str> {
        self.forms.iter().find(|(_, form)| contains(hay, form)).map(|(name, _)| *name)
    }
}

/// Every file under a folder.
///
/// # Panics
/// If it cannot be read.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let kind = std::fs::symlink_metadata(&path).expect("an entry").file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

/// Where any prey is under a folder, but in the files that `spared` names.
pub fn found_under(folder: &Path, prey: &[Prey], spared: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder).into_iter().filter(|file| !spared(file)) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for (number, prey) in prey.iter().enumerate() {
            if let Some(form) = prey.found_in(&bytes) {
                found.push(format!("number {number} as {form} in {}", file.display()));
            }
        }
    }
    found
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some((&first, rest)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|&byte| byte == first) {
        let after = from + at + 1;
        if hay[after..].starts_with(rest) {
            return true;
        }
        from = after;
    }
    false
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// As `{:?}` of a list of bytes would print it.
fn list(bytes: &[u8]) -> Vec<u8> {
    let text = format!("{bytes:?}");
    text.trim_matches(['[', ']']).as_bytes().to_vec()
}

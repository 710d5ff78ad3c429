//! Everything that MP-SPDZ's own compiler wrote decodes, and encodes to the same bytes.

use std::path::{Path, PathBuf};

use polyyne_bytecode::{Program, SizeLimits, decode, encode};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn every_tape_survives_decoding_and_encoding_byte_for_byte() {
    for path in files(&folder().join("Bytecode")) {
        let bytes = std::fs::read(&path).unwrap();
        let tape = decode(&path.display().to_string(), &bytes, usize::MAX).unwrap();
        assert!(encode(&tape) == bytes, "{}", path.display());
    }
}

#[test]
fn every_schedule_loads_with_its_tapes_and_has_the_same_text_again() {
    for path in files(&folder().join("Schedules")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let program = Program::load(&text, &SizeLimits::default(), |name| {
            std::fs::read(folder().join("Bytecode").join(name))
        })
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(program.schedule().to_text(), text, "{}", path.display());
        let bytes = program.to_bytes();
        assert!(
            Program::from_bytes(&bytes, &SizeLimits::default()).unwrap() == program,
            "{}",
            path.display()
        );
    }
}

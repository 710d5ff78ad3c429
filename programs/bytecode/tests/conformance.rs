//! Everything that MP-SPDZ's own compiler wrote decodes, and encodes to the same bytes.

use std::path::{Path, PathBuf};

use polyyne_bytecode::{Limits, Machine, Program, SizeLimits, decode, encode, verify};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn load(schedule: &Path) -> Program {
    let text = std::fs::read_to_string(schedule).unwrap();
    Program::load(&text, &SizeLimits::default(), |name| std::fs::read(folder().join("Bytecode").join(name)))
        .unwrap_or_else(|error| panic!("{}: {error}", schedule.display()))
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
        let program = load(&path);
        assert_eq!(program.schedule().to_text(), text, "{}", path.display());
        let bytes = program.to_bytes();
        assert!(Program::from_bytes(&bytes, &SizeLimits::default()).unwrap() == program, "{}", path.display());
    }
}

#[test]
fn every_program_verifies_for_three_parties_and_the_default_prime() {
    for path in files(&folder().join("Schedules")) {
        let program = load(&path);
        let gf2n = if program.schedule().gf2n == 40 { 40 } else { 128 };
        let machine = Machine { prime: 198766463529478683931867765928436695041, parties: 3, gf2n };
        verify(program, &machine, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

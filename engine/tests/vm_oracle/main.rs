//! The machine on shares against a plain interpretation of the same random programs on the values themselves: integers,
//! F_p, GF(2^n) and Boolean words, clear and secret, memory, vectors, branches, loops and calls.
//!
//! Six hundred programs by default; `POLYYNE_LONG=1` tries ten thousand. A failure prints its seed, and `POLYYNE_SEED=N`
//! runs that one alone.
#![allow(clippy::disallowed_methods)] // a test reads its settings; the engine has none

mod generate;
mod plain;
mod values;
#[path = "../vm_harness/mod.rs"]
mod vm_harness;

use plain::{DivisionByZero, interpret};
use polyyne_bytecode::{Entry, Program, Schedule, Tape};
use polyyne_engine::vm::Fault;
use vm_harness::{Setup, run, verify};

const SHORT: u64 = 600;
const LONG: u64 = 10_000;

fn same(seed: u64) -> bool {
    let tapes = generate::program(seed);
    let degree = if seed.is_multiple_of(2) { 128 } else { 40 };
    let expected = interpret(&tapes, degree);
    let named = |(at, instructions): (usize, _)| Tape { name: format!("t{at}"), instructions };
    let tapes: Vec<Tape> = tapes.into_iter().enumerate().map(named).collect();
    let entry = |tape: &Tape| Entry { name: tape.name.clone(), instructions: None };
    let mut schedule = Schedule::new(tapes.iter().map(entry).collect());
    schedule.gf2n = degree;
    let parties = 2 + usize::from(seed.is_multiple_of(5));
    let verified = verify(Program::new(schedule, tapes).unwrap(), parties);
    let mut setup = Setup::new(parties);
    setup.seed = seed % 251;
    for ended in run(&verified, &setup) {
        match &expected {
            Ok(text) => {
                assert!(ended.result.is_ok(), "seed {seed}: {:?}", ended.result);
                let printed = String::from_utf8(ended.printed).unwrap();
                let words = printed.split(' ').zip(text.split(' '));
                words.enumerate().for_each(|(at, (got, want))| assert_eq!(got, want, "seed {seed}, word {at}"));
                assert_eq!(printed.len(), text.len(), "seed {seed}");
            }
            Err(DivisionByZero) => {
                let error = ended.result.err().unwrap_or_else(|| panic!("seed {seed} divides by zero"));
                assert_eq!(error.fault(), Some(&Fault::DivisionByZero), "seed {seed}");
            }
        }
    }
    expected.is_ok()
}

#[test]
fn shares_compute_what_values_compute() {
    let one = std::env::var("POLYYNE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let long = std::env::var("POLYYNE_LONG").is_ok_and(|long| long == "1");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..if long { LONG } else { SHORT },
    };
    let whole = seeds.clone().filter(|&seed| same(seed)).count();
    // a program that divides by zero says little about what comes after
    assert!(one.is_some() || whole as u64 > SHORT / 2, "{whole} of {seeds:?} ran to their end");
}

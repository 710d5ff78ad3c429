//! Nothing leaves before it is checked: one party alters what it sends, and no honest party shows, stores or branches on
//! what came of it.

mod vm_harness;

use polyyne_engine::error::Error;
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::vm::{Fault, NoInputs, VmError};
use vm_harness::{Ended, Line, Setup, program, run_with, verify};

/// Runs a program in which party 1 adds one to the first element of its `occurrence`-th opening.
fn with_tampered_opening(lines: &[Line<'_>], n: usize, occurrence: usize, seed: u64) -> Vec<Ended> {
    let verified = verify(program(&[lines]), n);
    let mut setup = Setup::new(n);
    setup.seed = seed;
    setup.secrets = vec![5, 6];
    let configure = &mut |simulator: &mut Simulator| {
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            let hit = frame.step == Some(Step::Open) && frame.occurrence == occurrence && frame.from.0 == 1;
            if hit {
                bytes[6] ^= 1;
            }
            vec![bytes]
        });
    };
    run_with(&verified, &setup, |_, _| None, |_| Box::new(NoInputs), configure)
}

/// Altered in transit, an opening differs between the parties, which the check finds before it opens anything.
fn caught(fault: Option<&Fault>) -> bool {
    matches!(fault, Some(Fault::Engine(Error::MacCheckFailed | Error::OpeningsDiffer { .. })))
}

fn failed_check(ended: &Ended) -> bool {
    caught(ended.result.as_ref().unwrap_err().fault())
}

const REVEAL: &[Line<'_>] =
    &[("ldsi", 0, &[0, 7]), ("muls", 0, &[1, 1, 0, 0]), ("open", 0, &[1, 0, 1]), ("print_reg_plain", 0, &[0])];

#[test]
fn a_tampered_reveal_is_never_printed() {
    for seed in 1..20 {
        for n in [2, 3] {
            // The first opening is the multiplication's, the second the reveal.
            for occurrence in [0, 1] {
                let ended = with_tampered_opening(REVEAL, n, occurrence, seed);
                let honest = &ended[0];
                assert!(failed_check(honest), "seed {seed}, n {n}, opening {occurrence}: {:?}", honest.result);
                assert!(honest.printed.is_empty(), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_product_is_checked_before_the_value_made_of_it_is_revealed() {
    let ended = with_tampered_opening(REVEAL, 2, 0, 1);
    match ended[0].result.as_ref().unwrap_err() {
        VmError::At { pc, .. } => assert_eq!(*pc, 2, "the check stands before the opening"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_branch_waits_for_the_check_of_what_it_depends_on() {
    let lines: &[Line<'_>] = &[
        ("ldsi", 0, &[0, 1]),
        ("open", 0, &[0, 0, 0]),
        ("convmodp", 0, &[0, 0, 0, 0]),
        ("jmpeqz", 0, &[0, 1]),
        ("print_char", 0, &[65]),
    ];
    let ended = with_tampered_opening(lines, 2, 0, 3);
    match ended[0].result.as_ref().unwrap_err() {
        VmError::At { pc, fault, .. } if caught(Some(fault)) => assert_eq!(*pc, 3),
        other => panic!("{other}"),
    }
}

#[test]
fn shares_go_to_the_door_only_after_a_check_of_all_openings() {
    let lines: &[Line<'_>] = &[
        ("listen", 0, &[0]),
        ("acceptclientconnection", 0, &[1, 0]),
        ("readsockets", 0, &[1, 1, 0, 1]),
        ("muls", 0, &[1, 2, 0, 1]),
        ("writesockets", 0, &[1, 0, 1, 2]),
    ];
    let ended = with_tampered_opening(lines, 2, 0, 4);
    assert!(failed_check(&ended[0]));
    assert!(ended[0].outputs.is_empty());
}

#[test]
fn an_opening_that_nothing_uses_is_still_checked_at_the_end() {
    let lines: &[Line<'_>] = &[("ldsi", 0, &[0, 7]), ("muls", 0, &[1, 1, 0, 0])];
    let ended = with_tampered_opening(lines, 3, 0, 5);
    assert!(matches!(ended[0].result.as_ref().unwrap_err(), VmError::End(fault) if caught(Some(fault))));
}

//! Nothing leaves before it is checked: one party alters what it sends, and no honest party shows, stores or branches on
//! what came of it.

mod vm_harness;

use polyyne_engine::error::{Error, Malformed};
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::vm::{Fault, NoInputs, TextInputs, VmError};
use std::sync::{Arc, Mutex};
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

/// What party 0 opens to party 1, by occurrence, whatever the field.
fn openings_sent(lines: &[Line<'_>], tampered: Step) -> (Vec<Ended>, usize) {
    let sent = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&sent);
    let configure = &mut |simulator: &mut Simulator| {
        let counter = Arc::clone(&counter);
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            let is_opening = matches!(frame.step, Some(Step::Open | Step::OpenBits));
            if is_opening && frame.from.0 == 0 {
                *counter.lock().unwrap() += 1;
            }
            if frame.step == Some(tampered) && frame.occurrence == 0 && frame.from.0 == 1 {
                bytes[6] ^= 1;
            }
            vec![bytes]
        });
    };
    let verified = verify(program(&[lines]), 2);
    let ended = run_with(&verified, &Setup::new(2), |_, _| None, |_| Box::new(NoInputs), configure);
    let sent = *sent.lock().unwrap();
    (ended, sent)
}

/// A program opens x·y + r for a mask r of bounded length and asks for no check. Who adds e to the opening of a factor
/// makes it x·y + e·y + r, and a large e lifts y above the mask: the party must not send its share of that.
#[test]
fn a_masked_value_is_not_opened_behind_a_spoiled_product() {
    let prime: &[Line<'_>] = &[("ldsi", 0, &[0, 7]), ("muls", 0, &[1, 1, 0, 0]), ("open", 0, &[0, 0, 1])];
    let binary: &[Line<'_>] = &[("gldsi", 0, &[0, 7]), ("gmuls", 0, &[1, 1, 0, 0]), ("gopen", 0, &[0, 0, 1])];
    let bits: &[Line<'_>] = &[("ldbits", 0, &[0, 8, 7]), ("ands", 0, &[8, 1, 0, 0]), ("reveal", 0, &[8, 0, 1])];
    for (lines, step) in [(prime, Step::Open), (binary, Step::Open), (bits, Step::OpenBits)] {
        let (ended, sent) = openings_sent(lines, step);
        assert!(failed_check(&ended[0]), "{:?}", ended[0].result);
        assert_eq!(sent, 1, "{step:?}: only the factors of the product were opened");
    }
}

/// The same from one field to the other: a bit that is spoiled comes into a prime value by a daBit.
#[test]
fn an_opening_over_one_field_waits_for_the_check_of_the_others() {
    let lines: &[Line<'_>] =
        &[("ldbits", 0, &[0, 8, 7]), ("ands", 0, &[8, 1, 0, 0]), ("ldsi", 0, &[0, 7]), ("open", 0, &[0, 0, 0])];
    let (ended, sent) = openings_sent(lines, Step::OpenBits);
    assert!(failed_check(&ended[0]), "{:?}", ended[0].result);
    assert_eq!(sent, 1, "only the factors of the product were opened");
}

#[test]
fn an_opening_that_follows_an_opening_waits_for_its_check_too() {
    let lines: &[Line<'_>] =
        &[("ldsi", 0, &[0, 7]), ("open", 0, &[0, 0, 0]), ("mulm", 0, &[1, 0, 0]), ("open", 0, &[0, 1, 1])];
    let (ended, sent) = openings_sent(lines, Step::Open);
    assert!(failed_check(&ended[0]), "{:?}", ended[0].result);
    assert_eq!(sent, 1);
}

#[test]
fn values_that_are_opened_in_one_instruction_share_one_check() {
    let lines: &[Line<'_>] = &[
        ("ldsi", 0, &[0, 7]),
        ("muls", 0, &[1, 1, 0, 0]),
        ("open", 0, &[0, 0, 0, 1, 1, 2, 0]),
        ("print_reg_plain", 0, &[1]),
    ];
    let setup = Setup::new(2);
    let ended = vm_harness::run(&verify(program(&[lines]), 2), &setup);
    assert_eq!(ended[0].result.as_ref().unwrap().checks, 2, "one before the opening, one before the text");
    assert_eq!(ended[0].printed, b"49");
}

/// A seed for the whole run was known after the first use: whoever knew it could choose what the next use was to test.
#[test]
fn every_use_of_public_randomness_is_tossed_after_what_came_before_it() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, 8]),
        ("rand", 0, &[1, 0]),
        ("ldsi", 0, &[0, 7]),
        ("muls", 0, &[1, 1, 0, 0]),
        ("rand", 0, &[2, 0]),
        ("shuffle", 2, &[3, 1]),
    ];
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let configure = &mut |simulator: &mut Simulator| {
        let seen = Arc::clone(&seen);
        simulator.hook(move |frame| {
            if frame.from.0 == 0 {
                seen.lock().unwrap().extend(frame.step);
            }
            vec![frame.bytes.to_vec()]
        });
    };
    let ended = run_with(&verify(program(&[lines]), 2), &Setup::new(2), |_, _| None, |_| Box::new(NoInputs), configure);
    assert!(ended.iter().all(|ended| ended.result.is_ok()), "{:?}", ended[0].result);
    let toss = [Step::CoinCommit, Step::CoinOpen];
    let expected = [&toss[..], &[Step::Open], &toss, &toss].concat();
    assert_eq!(steps.lock().unwrap()[..expected.len()], expected);
}

#[test]
fn a_masked_input_bit_that_is_neither_0_nor_1_is_refused() {
    let lines: &[Line<'_>] = &[("inputb", 0, &[1, 8, 0, 0])];
    let configure = &mut |simulator: &mut Simulator| {
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(Step::Input) && frame.from.0 == 1 {
                *bytes.last_mut().unwrap() |= 2;
            }
            vec![bytes]
        });
    };
    let inputs = |_| Box::new(TextInputs::default().with(0, "5")) as Box<dyn polyyne_engine::vm::Inputs>;
    let ended = run_with(&verify(program(&[lines]), 2), &Setup::new(2), |_, _| None, inputs, configure);
    let fault = ended[0].result.as_ref().unwrap_err().fault();
    let what = Malformed::Element;
    assert!(matches!(fault, Some(Fault::Engine(Error::Malformed { what: found, .. })) if *found == what), "{fault:?}");
}

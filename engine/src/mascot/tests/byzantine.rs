//! One party's messages are spoiled in every way at every step of MASCOT: every honest party ends with
//! a typed error or the right output, never with a wrong output, a panic or a hang.

use super::World;
use crate::error::{ConsistencyCheck, Error, Malformed};
use crate::field::prime::DEFAULT_PRIME;
use crate::field::{BinaryField, Field};
use crate::party::PartyIndex;
use crate::sim::Simulator;
use crate::step::Step;
use crate::test_world::spoiling::{self, SHARED, Spoiling, with_change};
use crate::tuples::Kind;
use std::sync::{Arc, Mutex};

fn is_of_mascot(step: Step) -> bool {
    (100..200).contains(&step.code())
}

/// The steps that a generation uses: MASCOT's, and those of the openings and checks under it. Bits of their own way
/// are authenticated in characteristic 2 only.
fn rows() -> Vec<Step> {
    Step::ALL.iter().copied().filter(|step| is_of_mascot(*step) || SHARED.contains(step)).collect()
}

fn prime(n: usize, seed: u64) -> World {
    World::new(DEFAULT_PRIME, n, seed)
}

fn binary(n: usize, seed: u64) -> World<BinaryField> {
    World::binary(128, n, seed)
}

/// Runs every step's rows of these spoilings between two parties, in both kinds of fields.
fn matrix(spoilings: &[Spoiling], seeds: u64) {
    let (of_bits, others): (Vec<Step>, Vec<Step>) = rows().into_iter().partition(|&step| step == Step::MascotBits);
    spoiling::matrix(|seed| prime(2, seed), Kind::Bit, &others, spoilings, seeds);
    let own = [Step::MascotGgm, Step::MascotAuthenticate, Step::MascotAuthenticateCheck];
    spoiling::matrix(|seed| binary(2, seed), Kind::Bit, &[&of_bits[..], &own].concat(), spoilings, seeds + 250);
    let of_products = [Step::MascotMultiply, Step::MascotExtend];
    spoiling::matrix(|seed| binary(2, seed), Kind::Square, &of_products, spoilings, seeds + 300);
}

#[test]
fn every_step_with_a_broken_form_ends_in_an_error_that_names_the_sender() {
    matrix(&Spoiling::of_form(), 0);
}

#[test]
fn every_step_with_another_content_ends_in_an_error_or_the_right_output() {
    matrix(&Spoiling::of_content(), 500);
}

#[test]
fn every_step_of_mascot_spoiled_among_three_ends_in_an_error_or_the_right_output() {
    let spoilings = [Spoiling::FlippedBit, Spoiling::Lengthened, Spoiling::Replayed, Spoiling::Reflected];
    let of_mascot = rows().into_iter().filter(|&step| is_of_mascot(step) && step != Step::MascotBits);
    let steps: Vec<Step> = of_mascot.chain([Step::Echo]).collect();
    spoiling::matrix(|seed| prime(3, seed), Kind::Triple, &steps, &spoilings, 1000);
    spoiling::matrix(|seed| binary(3, seed), Kind::Bit, &[Step::MascotBits], &spoilings, 1500);
}

/// Bits have no sacrifice, and their OT extension no check of its own: the MAC check of their combination is all
/// that stands behind them.
#[test]
fn the_input_check_catches_another_bit_towards_one_party_or_in_one_digit() {
    for (n, digits) in [(2, 32), (3, 32), (2, 16)] {
        let world = binary(n, 40 + digits as u64);
        // The first frame is that of the key link. A block of bits and one for the mask to a digit.
        let results = with_change(&world, Kind::Bit, Step::MascotBits, &[1], move |occurrence, payload| {
            let places = payload.as_chunks_mut::<32>().0.iter_mut().take(digits);
            places.filter(|_| occurrence == 1).for_each(|digit| digit[0] ^= 2);
        });
        assert!(results.iter().all(|result| result.as_ref().err() == Some(&Error::MacCheckFailed)), "{n}, {digits}");
    }
}

/// One row of the table of checks: without the named check, the run would end with `Ok`.
#[test]
fn the_check_of_the_puncturable_prf_catches_a_spoiled_tree() {
    let world = World::new(DEFAULT_PRIME, 2, 1);
    // The sums of the first level, both sides, of all trees of the OT extension: one of them is used by the other party.
    let results = with_change(&world, Kind::Triple, Step::MascotGgm, &[1], |_, payload| {
        let trees = payload.chunks_exact_mut(4 * 32 + 64).take(32);
        trees.for_each(|tree| tree[..32].iter_mut().for_each(|byte| *byte ^= 1));
    });
    let check = ConsistencyCheck::Ggm;
    assert_eq!(results[1].as_ref().err(), Some(&Error::ConsistencyFailed { peer: PartyIndex(0), check }));
}

#[test]
fn the_check_of_the_ot_extension_catches_inconsistent_choices() {
    let world = World::new(DEFAULT_PRIME, 2, 2);
    // One bit in the corrections of half of the digits: some digit of Δ there is not zero.
    let results = with_change(&world, Kind::Triple, Step::MascotExtend, &[1], |_, payload| {
        let digit = payload.len() / 32;
        payload.chunks_exact_mut(digit).take(16).for_each(|corrections| corrections[3] ^= 4);
    });
    let check = ConsistencyCheck::OtExtension;
    assert_eq!(results[1].as_ref().err(), Some(&Error::ConsistencyFailed { peer: PartyIndex(0), check }));
}

#[test]
fn the_sacrifice_catches_a_wrong_product() {
    let world = World::new(DEFAULT_PRIME, 2, 3);
    let f = world.field;
    // One more in every masked factor: c is wrong by Σ of the other's a.
    let results = with_change(&world, Kind::Triple, Step::MascotMultiply, &[1], move |_, payload| {
        for place in payload.as_chunks_mut::<16>().0 {
            let x = f.from_montgomery(u128::from_le_bytes(*place)).expect("canonical");
            *place = f.to_montgomery(f.add(x, f.one())).to_le_bytes();
        }
    });
    assert!(results.iter().all(|result| result.as_ref().err() == Some(&Error::MacCheckFailed)));
}

#[test]
fn the_input_check_catches_another_input_towards_one_party() {
    for n in 2..=3 {
        let world = World::new(DEFAULT_PRIME, n, 4);
        let f = world.field;
        // Randoms have no sacrifice: the input check is all that stands behind them. The first
        // frame is that of the key link.
        let results = with_change(&world, Kind::Random, Step::MascotAuthenticate, &[1], move |occurrence, payload| {
            for place in payload.as_chunks_mut::<16>().0.iter_mut().filter(|_| occurrence == 1) {
                let x = f.from_montgomery(u128::from_le_bytes(*place)).expect("canonical");
                *place = f.to_montgomery(f.add(x, f.one())).to_le_bytes();
            }
        });
        assert!(results.iter().all(|result| result.as_ref().err() == Some(&Error::MacCheckFailed)), "{n} parties");
    }
}

#[test]
fn a_wrong_opening_is_caught_before_a_bit_leaves() {
    let world = World::new(DEFAULT_PRIME, 2, 5);
    // Frames of openings: the key link, ε, the squares.
    let results = with_change(&world, Kind::Bit, Step::Open, &[1], |occurrence, payload| {
        payload[0] ^= u8::from(occurrence == 2);
    });
    assert_eq!(results[1].as_ref().err(), Some(&Error::OpeningsDiffer { peer: PartyIndex(0) }));
}

#[test]
fn elements_that_are_not_canonical_are_refused() {
    let of_mascot =
        [Step::MascotAuthenticate, Step::MascotMultiply, Step::MascotAuthenticateCheck, Step::MascotSacrifice];
    for step in of_mascot.into_iter().chain([Step::Open]) {
        let results = with_change(&prime(2, 50), Kind::Triple, step, &[1], |_, payload| payload[..16].fill(0xff));
        let malformed = Error::Malformed { peer: PartyIndex(0), step, what: Malformed::Element };
        assert_eq!(results[1].as_ref().err(), Some(&malformed));
    }
}

#[test]
fn broadcasts_shown_differently_to_two_parties_are_caught_by_the_echo() {
    let steps = [
        Step::MascotAuthenticateCheck,
        Step::MascotSacrifice,
        Step::MascotCoinCommit,
        Step::CoinCommit,
        Step::CheckCoinCommit,
        Step::CheckCommit,
    ];
    spoiling::equivocations(|seed| prime(3, 60 + seed), Kind::Triple, &steps);
}

#[test]
fn coins_and_sigmas_of_an_earlier_time_are_caught() {
    for (commit, open) in [
        (Step::MascotCoinCommit, Step::MascotCoinOpen),
        (Step::CheckCoinCommit, Step::CheckCoinOpen),
        (Step::CheckCommit, Step::CheckOpen),
    ] {
        spoiling::stale_commitments(&prime(2, 70), Kind::Bit, commit, open);
    }
}

/// A coin that is open before what it checks is fixed checks nothing.
#[test]
fn coins_are_opened_after_what_they_check_has_been_sent() {
    use Step::*;
    let check = [CheckCoinCommit, CheckCoinOpen, CheckCommit, CheckOpen];
    let [setup, triples] = spoiling::order_of_steps(&prime(2, 80), async |party, mac, setup| {
        setup.generate(party, mac, Kind::Triple, 2).await.map(drop).expect("honest parties");
    });
    let keys = [MascotBaseOt, CoinCommit, CoinOpen, MascotGgm];
    let link = [MascotAuthenticate, MascotCoinCommit, MascotCoinOpen, MascotAuthenticateCheck, Open];
    assert_eq!(setup, [&keys[..], &link, &check].concat());
    let products = [MascotExtend, MascotCoinOpen, MascotExtendCheck, MascotMultiply, MascotCoinOpen];
    let inputs = [
        MascotAuthenticate,
        MascotCoinOpen,
        MascotAuthenticate,
        MascotCoinOpen,
        MascotAuthenticateCheck,
        // y says what an input is that differs between digits of a key share; t must come later.
        MascotCoinOpen,
        MascotSacrifice,
    ];
    let triple = [&products[..], &inputs, &check].concat();
    assert_eq!(triples, triple);
    let bits = [MascotBits, MascotCoinOpen, MascotAuthenticateCheck];
    let [_, found] = spoiling::order_of_steps(&binary(2, 81), async |party, mac, setup| {
        setup.generate(party, mac, Kind::Bit, 2).await.map(drop).expect("honest parties");
    });
    assert_eq!(found, [&bits[..], &check].concat());
    // What Beaver's multiplication is to open has been checked.
    let [_, found] = spoiling::order_of_steps(&binary(2, 82), async |party, mac, setup| {
        setup.generate_and_triples(party, mac, 2).await.map(drop).expect("honest parties");
    });
    assert_eq!(found, [&bits[..], &triple, &[Open], &check].concat());
}

#[test]
fn a_coin_opened_to_something_else_is_caught() {
    let world = World::new(DEFAULT_PRIME, 2, 7);
    let results = with_change(&world, Kind::Triple, Step::MascotCoinOpen, &[1], |occurrence, payload| {
        payload[0] ^= u8::from(occurrence == 2);
    });
    let step = Step::MascotCoinOpen;
    assert_eq!(results[1].as_ref().err(), Some(&Error::CommitmentMismatch { peer: PartyIndex(0), step }));
}

/// A commitment copied from another party would make coins predictable (and for n = 2 in
/// characteristic 2 constant).
#[test]
fn a_copied_commitment_is_refused() {
    // The copier must have seen the original: in about half of the orders it has.
    let mut refused = 0;
    for seed in 0..8 {
        let world = World::new(DEFAULT_PRIME, 2, seed);
        let mut simulator = Simulator::new(seed, 2);
        let copied = Arc::new(Mutex::new(false));
        let shared = copied.clone();
        let mut original = None;
        simulator.hook(move |frame| {
            let bytes = frame.bytes.to_vec();
            match (frame.step, frame.from.0, &original) {
                (Some(Step::MascotCoinCommit), 1, _) => original = Some(bytes.clone()),
                (Some(Step::MascotCoinCommit), 0, Some(original)) => {
                    *shared.lock().unwrap() = true;
                    return vec![original.clone()];
                }
                _ => {}
            }
            vec![bytes]
        });
        let results = world.generate(&mut simulator, Kind::Random, 1);
        if *copied.lock().unwrap() {
            let step = Step::MascotCoinCommit;
            let duplicate = Error::Malformed { peer: PartyIndex(1), step, what: Malformed::Duplicate };
            assert_eq!(results[1].as_ref().err(), Some(&duplicate), "seed {seed}");
            refused += 1;
        }
    }
    assert!(refused > 0, "some order let the copier see the original");
}

#[test]
fn other_parameters_are_refused_before_anything_is_used() {
    let mut world = World::new(DEFAULT_PRIME, 2, 9);
    let mut other = World::new(DEFAULT_PRIME, 2, 9);
    other.params.statistical = 40;
    let mut simulator = Simulator::new(9, 2);
    let mut parties = world.parties(&simulator, 0).into_iter();
    let (first, second) = (parties.next().unwrap(), parties.next().unwrap());
    world.params.ot_width = 8;
    let results = simulator.run(vec![
        Box::pin(world.one(first, world.mac(0), Kind::Triple, 1)) as std::pin::Pin<Box<dyn Future<Output = _>>>,
        Box::pin(other.one(second, other.mac(1), Kind::Triple, 1)),
    ]);
    assert!(results.iter().any(|result| {
        matches!(result, Err(Error::Malformed { step: Step::MascotBaseOt, what: Malformed::Parameters, .. }))
    }));
    assert!(results.iter().all(Result::is_err));
}

//! One party's messages are spoiled in every way at every step of LowGear: every honest party ends with a typed
//! error or the right output, never with a wrong output, a panic or a hang.

use super::World;
use crate::error::{ConsistencyCheck, Error, Malformed};
use crate::field::PrimeField;
use crate::field::prime::DEFAULT_PRIME;
use crate::lowgear::setup::Live;
use crate::party::PartyIndex;
use crate::sim::Simulator;
use crate::step::Step;
use crate::test_world::Outcome;
use crate::test_world::spoiling::{self, SHARED, Spoiling};
use crate::tuples::Kind;
use crate::workers::Workers;

fn is_of_lowgear(step: Step) -> bool {
    (200..300).contains(&step.code())
}

/// The steps that a generation uses: LowGear's, and those of the openings and checks under it.
fn rows() -> Vec<Step> {
    Step::ALL.iter().copied().filter(|step| is_of_lowgear(*step) || SHARED.contains(step)).collect()
}

/// Every step with these spoilings between two parties.
fn matrix(spoilings: &[Spoiling], seeds: u64) {
    spoiling::matrix(|seed| World::new(DEFAULT_PRIME, 3, 2, seed), Kind::Bit, &rows(), spoilings, seeds);
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
fn every_step_of_lowgear_spoiled_among_three_ends_in_an_error_or_the_right_output() {
    let spoilings = [Spoiling::FlippedBit, Spoiling::Lengthened, Spoiling::Replayed, Spoiling::Reflected];
    let steps: Vec<Step> = rows().into_iter().filter(|step| is_of_lowgear(*step)).chain([Step::Echo]).collect();
    spoiling::matrix(|seed| World::new(DEFAULT_PRIME, 3, 3, seed), Kind::Bit, &steps, &spoilings, 1000);
}

fn with_change(
    world: &World,
    step: Step,
    to: &'static [u16],
    change: impl Fn(usize, &mut [u8]) + Send + 'static,
) -> Vec<Outcome<PrimeField>> {
    spoiling::with_change(world, Kind::Bit, step, to, change)
}

/// One row of the table of checks: without the named check, the run would end with `Ok`.
#[test]
fn every_check_catches_what_only_it_can() {
    let proofs = [
        (Step::LowGearKey, ConsistencyCheck::KeyProof),
        (Step::LowGearMacKey, ConsistencyCheck::ConstantProof),
        (Step::LowGearCiphertext, ConsistencyCheck::PlaintextProof),
        (Step::LowGearProof, ConsistencyCheck::PlaintextProof),
    ];
    for (seed, (step, check)) in proofs.into_iter().enumerate() {
        let world = World::new(DEFAULT_PRIME, 3, 2, seed as u64);
        let results = with_change(&world, step, &[1], |_, payload| payload[0] ^= 1);
        assert_eq!(results[1].as_ref().err(), Some(&Error::ConsistencyFailed { peer: PartyIndex(0), check }));
    }
    // Another product, MAC or input in all slots: sacrifice, linear check, input check of masks and of the key link.
    let steps =
        [(Step::LowGearProduct, 0), (Step::LowGearAuthenticate, 0), (Step::LowGearInput, 0), (Step::LowGearInput, 1)];
    for n in 2..=3 {
        for (seed, (step, occurrence)) in steps.into_iter().enumerate() {
            let world = World::new(DEFAULT_PRIME, 3, n, 10 + seed as u64);
            let results = with_change(&world, step, &[1], move |at, payload| payload[0] ^= u8::from(at == occurrence));
            for result in &results {
                assert_eq!(result.as_ref().err(), Some(&Error::MacCheckFailed), "{step:?} among {n}");
            }
        }
    }
}

#[test]
fn a_wrong_opening_is_caught_before_a_bit_leaves() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 5);
    // Frames of openings: the key link, the linear check, ρ, ε, the squares.
    for opening in 1..5 {
        let results = with_change(&world, Step::Open, &[1], move |at, payload| payload[0] ^= u8::from(at == opening));
        assert_eq!(results[1].as_ref().err(), Some(&Error::OpeningsDiffer { peer: PartyIndex(0) }));
    }
}

#[test]
fn residues_that_are_not_canonical_are_refused() {
    for (seed, step) in [
        Step::LowGearKey,
        Step::LowGearMacKey,
        Step::LowGearCiphertext,
        Step::LowGearProduct,
        Step::LowGearAuthenticate,
        Step::LowGearInput,
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::new(DEFAULT_PRIME, 3, 2, 20 + seed as u64);
        let results = with_change(&world, step, &[1], |_, payload| payload[..7].fill(0xff));
        let malformed = Error::Malformed { peer: PartyIndex(0), step, what: Malformed::Element };
        assert_eq!(results[1].as_ref().err(), Some(&malformed));
    }
}

#[test]
fn other_parameters_are_refused_before_any_key() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 30);
    let results = with_change(&world, Step::LowGearSeeds, &[1], |_, payload| payload[0] ^= 1);
    let step = Step::LowGearSeeds;
    let malformed = Error::Malformed { peer: PartyIndex(0), step, what: Malformed::Parameters };
    assert_eq!(results[1].as_ref().err(), Some(&malformed));
}

#[test]
fn messages_shown_differently_to_two_parties_are_caught() {
    let steps = [
        Step::LowGearKey,
        Step::LowGearMacKey,
        Step::LowGearCiphertext,
        Step::LowGearProof,
        Step::LowGearInputCheck,
        Step::CoinCommit,
        Step::CheckCoinCommit,
        Step::CheckCommit,
    ];
    spoiling::equivocations(|seed| World::new(DEFAULT_PRIME, 3, 3, 40 + seed), Kind::Bit, &steps);
}

#[test]
fn coins_and_sigmas_of_an_earlier_time_are_caught() {
    for (commit, open) in [
        (Step::CoinCommit, Step::CoinOpen),
        (Step::CheckCoinCommit, Step::CheckCoinOpen),
        (Step::CheckCommit, Step::CheckOpen),
    ] {
        spoiling::stale_commitments(&World::new(DEFAULT_PRIME, 3, 2, 60), Kind::Bit, commit, open);
    }
}

/// Ciphertexts and proof of a batch, word for word those of the one before: only the proof's number tells.
#[test]
fn the_proof_of_an_earlier_batch_is_refused() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 65);
    let mut simulator = Simulator::new(65, 2);
    spoiling::repeat(&mut simulator, [Step::LowGearCiphertext, Step::LowGearProof]);
    let results = world.play(&mut simulator, 0, async |mut party, mac| {
        let mut live =
            Live::establish(&mut party, world.field, mac.key(), world.params, false, &Workers::default()).await?;
        live.encrypt(&mut party, 1).await?;
        live.encrypt(&mut party, 1).await.map(drop)
    });
    let check = ConsistencyCheck::PlaintextProof;
    assert_eq!(results[1], Err(Error::ConsistencyFailed { peer: PartyIndex(0), check }));
}

/// More products than the flooding is good for would be told apart from the simulator's.
#[test]
fn a_setup_is_over_when_it_has_made_as_many_products_as_its_flooding_is_good_for() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 66);
    let results = world.play(&mut Simulator::new(66, 2), 0, async |mut party, mac| {
        let live = Live::establish(&mut party, world.field, mac.key(), world.params, false, &Workers::default()).await;
        let mut live = live.expect("honest parties");
        live.products = live.scheme.budget.products - 1;
        let last = live.random_block_of_shares(&mut party).await.err();
        (last, live.random_block_of_shares(&mut party).await.err())
    });
    assert!(results.iter().all(|result| *result == (None, Some(Error::SetupOver))));
}

/// A coin that is open before what it checks is fixed checks nothing.
#[test]
fn coins_are_opened_after_what_they_check_has_been_sent() {
    use Step::*;
    let check = [CheckCoinCommit, CheckCoinOpen, CheckCommit, CheckOpen];
    let coin = [CoinCommit, CoinOpen];
    let world = World::new(DEFAULT_PRIME, 3, 2, 70);
    let [setup, triples] = spoiling::order_of_steps(&world, async |party, mac, setup| {
        setup.generate(party, mac, Kind::Triple, 2).await.map(drop).expect("honest parties");
    });
    let keys = [&[LowGearSeeds][..], &coin, &[LowGearKey, LowGearMacKey]].concat();
    let link = [&[LowGearInput][..], &coin, &[LowGearInputCheck, Open]].concat();
    assert_eq!(setup, [&keys[..], &link, &check].concat());
    let block = [LowGearCiphertext, LowGearProof, LowGearProduct, LowGearAuthenticate];
    assert_eq!(triples, [&block[..], &coin, &[Open, Open], &check].concat());
}

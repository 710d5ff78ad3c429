//! One party's messages are spoiled in every way at every step of LowGear: every honest party ends with a typed
//! error or the right output, never with a wrong output, a panic or a hang.

use super::{Columns, World};
use crate::error::{ConsistencyCheck, Error, Malformed};
use crate::field::prime::DEFAULT_PRIME;
use crate::field::{Field, PrimeField};
use crate::lowgear::bgv::Scheme;
use crate::lowgear::params::{KEPT, PRIMES};
use crate::party::PartyIndex;
use crate::port::{LocalGate, Rng};
use crate::share::Shares;
use crate::sim::Simulator;
use crate::step::Step;
use crate::tuples::{InputMasks, Kind};
use rand_core::{Rng as _, SeedableRng};
use std::sync::{Arc, Mutex};

const HEADER: usize = 6;

type Outcome = Result<(Columns, InputMasks<PrimeField>), Error>;

/// How a frame is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoiling {
    FlippedBit,
    Truncated,
    Lengthened,
    Emptied,
    /// The sender's frame before this one, again.
    Replayed,
    /// This frame twice.
    Doubled,
    /// Bytes that encode no residue and no element.
    Ones,
    /// What the receiver itself sent in this step.
    Reflected,
    Dropped,
}

impl Spoiling {
    const ALL: [Self; 9] = [
        Self::FlippedBit,
        Self::Truncated,
        Self::Lengthened,
        Self::Emptied,
        Self::Replayed,
        Self::Doubled,
        Self::Ones,
        Self::Reflected,
        Self::Dropped,
    ];

    /// Whether the receiver notices in the same round, whatever the content.
    fn breaks_the_form(self) -> bool {
        matches!(self, Self::Truncated | Self::Lengthened | Self::Emptied | Self::Replayed | Self::Dropped)
    }
}

/// The frames in the place of `frame`.
fn spoil(spoiling: Spoiling, frame: &[u8], before: &[u8], of_receiver: Option<&[u8]>, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut bytes = frame.to_vec();
    let payload = frame.len() - HEADER;
    match spoiling {
        Spoiling::FlippedBit if payload > 0 => {
            let bit = rng.next_u64() as usize % (8 * payload);
            bytes[HEADER + bit / 8] ^= 1 << (bit % 8);
        }
        Spoiling::FlippedBit => {}
        Spoiling::Truncated => bytes.truncate(frame.len().saturating_sub(1)),
        Spoiling::Lengthened => bytes.push(0),
        Spoiling::Emptied => bytes.clear(),
        Spoiling::Replayed => return vec![before.to_vec()],
        Spoiling::Doubled => return vec![bytes.clone(), bytes],
        Spoiling::Ones => {
            let place = rng.next_u64() as usize % (payload.max(16) - 15).max(1);
            bytes[HEADER..].iter_mut().skip(place).take(16).for_each(|byte| *byte = 0xff);
        }
        Spoiling::Reflected => {
            if let Some(own) = of_receiver {
                bytes = own.to_vec();
            }
        }
        Spoiling::Dropped => return Vec::new(),
    }
    vec![bytes]
}

/// How many frames of `step` one party sends to another in an honest run.
fn frames(n: usize, step: Step) -> usize {
    let world = World::new(DEFAULT_PRIME, 3, n, 0);
    let mut simulator = Simulator::new(0, n);
    assert!(world.generate(&mut simulator, Kind::Bit, 3).iter().all(Result::is_ok), "honest parties");
    let sent = (PartyIndex(0), PartyIndex(1), Some(step));
    simulator.trace().iter().filter(|frame| (frame.0, frame.1, frame.2) == sent).count()
}

/// Runs everything with party `cheater` spoiling one of its `frames` frames of `step` towards each peer. Says
/// whether anything was changed.
fn run(world: &World, (step, frames): (Step, usize), spoiling: Spoiling, cheater: u16) -> (Vec<Outcome>, bool) {
    let mut simulator = Simulator::new(world.seed, world.n);
    let mut rng = Rng::seed_from_u64(world.seed);
    let occurrence = rng.next_u64() as usize % frames;
    let changed = Arc::new(Mutex::new(false));
    let shared = changed.clone();
    let mut before = vec![Vec::new(); world.n];
    let mut to_cheater = vec![None; world.n];
    simulator.hook(move |frame| {
        let bytes = frame.bytes.to_vec();
        if frame.to.0 == cheater && frame.step == Some(step) {
            to_cheater[frame.from.get()] = Some(bytes.clone());
        }
        if frame.from.0 != cheater {
            return vec![bytes];
        }
        let before = std::mem::replace(&mut before[frame.to.get()], bytes.clone());
        if frame.step != Some(step) || frame.occurrence != occurrence {
            return vec![bytes];
        }
        let frames = spoil(spoiling, &bytes, &before, to_cheater[frame.to.get()].as_deref(), &mut rng);
        *shared.lock().unwrap() |= frames != [bytes];
        frames
    });
    let results = world.generate(&mut simulator, Kind::Bit, 3);
    let changed = *changed.lock().unwrap();
    (results, changed)
}

fn assert_no_wrong_output(world: &World, results: Vec<Outcome>) {
    if let Ok(results) = results.into_iter().collect::<Result<Vec<_>, _>>() {
        world.check_all(Kind::Bit, &results);
    }
}

fn is_of_lowgear(step: Step) -> bool {
    (200..300).contains(&step.code())
}

/// The steps that a generation uses: LowGear's, and those of the openings and checks under it.
fn rows() -> Vec<Step> {
    const SHARED: [Step; 7] = [
        Step::CoinCommit,
        Step::CoinOpen,
        Step::Open,
        Step::CheckCoinCommit,
        Step::CheckCoinOpen,
        Step::CheckCommit,
        Step::CheckOpen,
    ];
    Step::ALL.iter().copied().filter(|step| is_of_lowgear(*step) || SHARED.contains(step)).collect()
}

/// Every step with these spoilings between two parties.
fn matrix(spoilings: &[Spoiling], mut seed: u64) {
    for step in rows() {
        let frames = frames(2, step);
        assert!(frames > 0, "{step:?} is sent in a generation");
        for &spoiling in spoilings {
            seed += 1;
            let world = World::new(DEFAULT_PRIME, 3, 2, seed);
            // Masks are party 0's: only it inputs then.
            let inputs = matches!(step, Step::LowGearInput | Step::LowGearInputCheck);
            let cheater = if inputs { 0 } else { (seed % 2) as u16 };
            let story = format!("{step:?} {spoiling:?} seed {seed} cheater {cheater}");
            let (results, changed) = run(&world, (step, frames), spoiling, cheater);
            // A reflection needs the other's frame first, and some orders do not give it.
            assert!(changed || spoiling == Spoiling::Reflected, "{story}: nothing was spoiled");
            if spoiling.breaks_the_form() {
                let error =
                    results[1 - cheater as usize].as_ref().err().unwrap_or_else(|| panic!("{story}: not noticed"));
                assert_eq!(error.culprit(), Some(PartyIndex(cheater)), "{story}: {error}");
            }
            assert_no_wrong_output(&world, results);
        }
    }
}

#[test]
fn every_step_with_a_broken_form_ends_in_an_error_that_names_the_sender() {
    let broken: Vec<Spoiling> = Spoiling::ALL.into_iter().filter(|spoiling| spoiling.breaks_the_form()).collect();
    matrix(&broken, 0);
}

#[test]
fn every_step_with_another_content_ends_in_an_error_or_the_right_output() {
    let others: Vec<Spoiling> = Spoiling::ALL.into_iter().filter(|spoiling| !spoiling.breaks_the_form()).collect();
    matrix(&others, 500);
}

#[test]
fn every_step_of_lowgear_spoiled_among_three_ends_in_an_error_or_the_right_output() {
    let mut seed = 1000;
    for step in rows().into_iter().filter(|step| is_of_lowgear(*step)).chain([Step::Echo]) {
        let frames = frames(3, step);
        assert!(frames > 0, "{step:?} is sent in a generation");
        for spoiling in [Spoiling::FlippedBit, Spoiling::Lengthened, Spoiling::Replayed, Spoiling::Reflected] {
            seed += 1;
            let world = World::new(DEFAULT_PRIME, 3, 3, seed);
            let (results, _) = run(&world, (step, frames), spoiling, (seed % 3) as u16);
            assert_no_wrong_output(&world, results);
        }
    }
}

/// Applies `change` to the payload of every frame of `step` from party 0 to the parties of `to`.
fn with_change(
    world: &World,
    step: Step,
    to: &'static [u16],
    change: impl Fn(usize, &mut [u8]) + Send + 'static,
) -> Vec<Outcome> {
    let mut simulator = Simulator::new(world.seed, world.n);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(step) && frame.from.0 == 0 && to.contains(&frame.to.0) {
            change(frame.occurrence, &mut bytes[HEADER..]);
        }
        vec![bytes]
    });
    world.generate(&mut simulator, Kind::Bit, 3)
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
    for (seed, (step, occurrence)) in steps.into_iter().enumerate() {
        let world = World::new(DEFAULT_PRIME, 3, 2, 10 + seed as u64);
        let results = with_change(&world, step, &[1], move |at, payload| payload[0] ^= u8::from(at == occurrence));
        for result in &results {
            assert_eq!(result.as_ref().err(), Some(&Error::MacCheckFailed), "{step:?}");
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

/// Ciphertexts, keys and answers that only one of two peers sees otherwise.
#[test]
fn messages_shown_differently_to_two_parties_are_caught() {
    for (seed, step) in
        [Step::LowGearKey, Step::LowGearMacKey, Step::LowGearCiphertext, Step::LowGearProof, Step::LowGearInputCheck]
            .into_iter()
            .enumerate()
    {
        let world = World::new(DEFAULT_PRIME, 3, 3, 40 + seed as u64);
        let results = with_change(&world, step, &[2], |_, payload| payload[0] ^= 1);
        for honest in [1, 2] {
            let error = results[honest].as_ref().err().unwrap_or_else(|| panic!("{step:?}: not noticed"));
            let expected =
                matches!(error, Error::EchoMismatch { .. } | Error::Channel { .. } | Error::ConsistencyFailed { .. });
            assert!(expected, "{step:?}: {error}");
        }
    }
}

/// Party 0 adds 1 to the plaintext of one slot of its first product. That passes as often as the field is small: if
/// t or the coefficient of that σ in the MAC check is zero, 2/257; and the slot is the spent one never.
#[test]
fn a_wrong_product_passes_as_often_as_the_field_is_small() {
    const TRIALS: usize = 1_000;
    let world = World::new(257, 7, 2, 3);
    let f = world.field;
    let scheme = Scheme::new(f, &world.params, &PRIMES);
    // The error by coefficients, divided by what the switch multiplies with.
    let mut error = vec![f.zero(); 128];
    error[3] = f.inv(PRIMES[KEPT..].iter().fold(f.one(), |product, &q| f.mul(product, f.element(q as u128))));
    let error: Vec<u64> = scheme.coefficients_of(&error).iter().map(|&x| f.to_bits(x) as u64).collect();
    let mut simulator = Simulator::new(3, 2);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(Step::LowGearProduct) && frame.from.0 == 0 {
            let first = scheme.product_bytes();
            let mut product = scheme.decode_product(&bytes[HEADER..HEADER + first]).expect("canonical");
            for limb in 0..KEPT {
                let m = *scheme.ring.modulus(limb);
                let words = scheme.ring.limb_mut(&mut product.c0, limb);
                words.iter_mut().zip(&error).for_each(|(x, &e)| *x = m.add(*x, e));
            }
            let mut encoded = Vec::new();
            scheme.encode_product(&product, &mut encoded);
            bytes[HEADER..HEADER + first].copy_from_slice(&encoded);
        }
        vec![bytes]
    });
    let parties = world.parties(&simulator, 0).into_iter().enumerate().map(|(i, mut party)| {
        let world = &world;
        async move {
            let key = world.dealer.key(i);
            let live = super::super::setup::Live::establish(&mut party, f, &key, world.params, false).await;
            let mut live = live.expect("honest so far");
            let mut passed: Vec<Option<Shares<PrimeField>>> = Vec::new();
            for _ in 0..TRIALS {
                let mut mac = crate::mac_check::MacCheck::new(f, key.clone(), Box::new(LocalGate::default()));
                let [_, _, c] = live.triples(&mut party, &mut mac, 1).await.expect("no check here");
                passed.push(mac.check(&mut party).await.is_ok().then_some(c));
            }
            passed
        }
    });
    let parties: Vec<_> = parties.collect();
    let results = simulator.run(parties);
    let passed = results[0].iter().zip(&results[1]).filter(|(x, y)| {
        assert_eq!(x.is_some(), y.is_some(), "both see the same verdict");
        x.is_some()
    });
    let passed = passed.count();
    // Mean 7.8, standard deviation 2.8.
    assert!((1..=24).contains(&passed), "{passed} of {TRIALS} passed");
}

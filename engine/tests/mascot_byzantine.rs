//! One party's messages are spoiled in every way at every step of MASCOT: every honest party ends with
//! a typed error or the right output, never with a wrong output, a panic or a hang.

mod mascot_world;

use mascot_world::{Columns, World};
use polyyne_engine::error::{ConsistencyCheck, Error, Malformed};
use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_engine::field::{BinaryField, Field};
use polyyne_engine::mascot::MascotField;
use polyyne_engine::party::PartyIndex;
use polyyne_engine::port::Rng;
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::Kind;
use rand_core::{Rng as _, SeedableRng};
use std::sync::{Arc, Mutex};

const HEADER: usize = 6;

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
    /// 16 bytes that encode no element.
    NotAnElement,
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
        Self::NotAnElement,
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
        Spoiling::NotAnElement if payload >= 16 => {
            let place = rng.next_u64() as usize % (payload / 16);
            bytes[HEADER + 16 * place..][..16].fill(0xff);
        }
        Spoiling::NotAnElement => {}
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
fn frames<F: MascotField>(world: &World<F>, kind: Kind, step: Step) -> usize {
    let n = world.n;
    let mut simulator = Simulator::new(0, n);
    assert!(world.generate(&mut simulator, kind, 3).iter().all(Result::is_ok), "honest parties");
    let (from, to) = (PartyIndex(0), PartyIndex(1));
    simulator.trace().iter().filter(|sent| (sent.0, sent.1, sent.2) == (from, to, Some(step))).count()
}

/// Runs everything with party `cheater` spoiling one of its `frames` frames of `step` towards each
/// peer. Says whether anything was changed.
fn run<F: MascotField>(
    world: &World<F>,
    kind: Kind,
    (step, frames): (Step, usize),
    spoiling: Spoiling,
    cheater: u16,
) -> (Vec<Result<Columns<F>, Error>>, bool) {
    let n = world.n;
    let mut simulator = Simulator::new(world.seed, n);
    let mut rng = Rng::seed_from_u64(world.seed);
    let occurrence = rng.next_u64() as usize % frames;
    let changed = Arc::new(Mutex::new(false));
    let shared = changed.clone();
    let mut before = vec![Vec::new(); n];
    let mut to_cheater = vec![None; n];
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
    let results =
        world.generate(&mut simulator, kind, 3).into_iter().map(|result| result.map(|(columns, _)| columns)).collect();
    let changed = *changed.lock().unwrap();
    (results, changed)
}

fn assert_no_wrong_output<F: MascotField>(
    world: &World<F>,
    kind: Kind,
    results: &[Result<Columns<F>, Error>],
    story: &str,
) {
    if results.iter().all(Result::is_ok) {
        let columns: Vec<Columns<F>> = results.iter().map(|result| result.as_ref().unwrap().clone()).collect();
        world.check(kind, &columns);
    } else {
        println!("{story}: {:?}", results.iter().map(|result| result.as_ref().err()).collect::<Vec<_>>());
    }
}

fn is_of_mascot(step: Step) -> bool {
    (100..200).contains(&step.code())
}

/// The steps that a generation uses: MASCOT's, and those of the openings and checks under it. Bits of their own way
/// are authenticated in characteristic 2 only.
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
    let steps = rows();
    let (of_bits, others): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|&step| step == Step::MascotBits);
    matrix_over(prime, Kind::Bit, &others, spoilings, seeds);
    let own = [Step::MascotGgm, Step::MascotAuthenticate, Step::MascotAuthenticateCheck];
    matrix_over(binary, Kind::Bit, &[&of_bits[..], &own].concat(), spoilings, seeds + 250);
    matrix_over(binary, Kind::Square, &[Step::MascotMultiply, Step::MascotExtend], spoilings, seeds + 300);
}

fn matrix_over<F: MascotField>(
    new: fn(usize, u64) -> World<F>,
    kind: Kind,
    steps: &[Step],
    spoilings: &[Spoiling],
    seeds: u64,
) {
    let mut seed = seeds;
    for &step in steps {
        let frames = frames(&new(2, 0), kind, step);
        assert!(frames > 0, "{step:?} is sent in a generation");
        for &spoiling in spoilings {
            seed += 1;
            let world = new(2, seed);
            let cheater = (seed % 2) as u16;
            let story = format!("{step:?} {spoiling:?} seed {seed} cheater {cheater}");
            let (results, changed) = run(&world, kind, (step, frames), spoiling, cheater);
            // A reflection needs the other's frame first, and some orders do not give it.
            assert!(changed || spoiling == Spoiling::Reflected, "{story}: nothing was spoiled");
            assert_no_wrong_output(&world, kind, &results, &story);
            if spoiling.breaks_the_form() {
                let error =
                    results[1 - cheater as usize].as_ref().err().unwrap_or_else(|| panic!("{story}: not noticed"));
                assert_eq!(error.culprit(), Some(PartyIndex(cheater)), "{story}: {error}");
            }
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
fn every_step_of_mascot_spoiled_among_three_ends_in_an_error_or_the_right_output() {
    let mut seed = 1000;
    let of_mascot = rows().into_iter().filter(|&step| is_of_mascot(step) && step != Step::MascotBits);
    for step in of_mascot.chain([Step::Echo]) {
        let frames = frames(&prime(3, 0), Kind::Triple, step);
        assert!(frames > 0, "{step:?} is sent in a generation");
        for spoiling in [Spoiling::FlippedBit, Spoiling::Lengthened, Spoiling::Replayed, Spoiling::Reflected] {
            seed += 1;
            let world = World::new(DEFAULT_PRIME, 3, seed);
            let cheater = (seed % 3) as u16;
            let story = format!("{step:?} {spoiling:?} seed {seed} cheater {cheater}");
            let (results, _) = run(&world, Kind::Triple, (step, frames), spoiling, cheater);
            assert_no_wrong_output(&world, Kind::Triple, &results, &story);
        }
    }
    let frames = frames(&binary(3, 0), Kind::Bit, Step::MascotBits);
    for (seed, spoiling) in (1_500..).zip([Spoiling::FlippedBit, Spoiling::Lengthened, Spoiling::Replayed]) {
        let world = binary(3, seed);
        let story = format!("bits among three {spoiling:?} seed {seed}");
        let (results, _) = run(&world, Kind::Bit, (Step::MascotBits, frames), spoiling, (seed % 3) as u16);
        assert_no_wrong_output(&world, Kind::Bit, &results, &story);
    }
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

/// Applies `change` to the payload of every frame of `step` from party 0 to the parties of `to`.
fn with_change<F: MascotField>(
    world: &World<F>,
    kind: Kind,
    step: Step,
    to: &'static [u16],
    change: impl Fn(usize, &mut [u8]) + Send + 'static,
) -> Vec<Result<Columns<F>, Error>> {
    let mut simulator = Simulator::new(world.seed, world.n);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(step) && frame.from.0 == 0 && to.contains(&frame.to.0) {
            change(frame.occurrence, &mut bytes[HEADER..]);
        }
        vec![bytes]
    });
    world.generate(&mut simulator, kind, 4).into_iter().map(|result| result.map(|(columns, _)| columns)).collect()
}

/// One row of the table of checks: without the named check, the run would end with `Ok`.
#[test]
fn the_check_of_the_puncturable_prf_catches_a_spoiled_tree() {
    let world = World::new(DEFAULT_PRIME, 2, 1);
    // The sums of the first level, both sides, of all trees: one of them is used by the other party.
    let results = with_change(&world, Kind::Triple, Step::MascotGgm, &[1], |_, payload| {
        payload.chunks_exact_mut(4 * 32 + 64).for_each(|tree| tree[..32].iter_mut().for_each(|byte| *byte ^= 1));
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
fn a_combination_shown_differently_to_two_parties_is_caught_by_the_echo() {
    let world = World::new(DEFAULT_PRIME, 3, 6);
    let results = with_change(&world, Kind::Triple, Step::MascotAuthenticateCheck, &[2], |_, payload| payload[0] ^= 1);
    for honest in [1, 2] {
        let error = results[honest].as_ref().err();
        assert!(matches!(error, Some(Error::EchoMismatch { .. } | Error::Channel { .. })), "{error:?}");
    }
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
        Box::pin(world.one(0, first, Kind::Triple, 1)) as std::pin::Pin<Box<dyn Future<Output = _>>>,
        Box::pin(other.one(1, second, Kind::Triple, 1)),
    ]);
    assert!(results.iter().any(|result| {
        matches!(result, Err(Error::Malformed { step: Step::MascotBaseOt, what: Malformed::Parameters, .. }))
    }));
    assert!(results.iter().all(Result::is_err));
}

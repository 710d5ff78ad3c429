//! One party whose frames are spoiled on their way, in every way that needs no insight into the protocol.

use super::{Maker, Outcome, World};
use crate::error::Error;
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::port::Rng;
use crate::sim::{Frame, Simulator};
use crate::step::Step;
use crate::tuples::Kind;
use rand_core::{Rng as _, SeedableRng};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Bytes of a frame before what it carries: step and round.
pub(crate) const HEADER: usize = 6;

/// The steps under a generator: openings, coins and checks.
pub(crate) const SHARED: [Step; 7] = [
    Step::CoinCommit,
    Step::CoinOpen,
    Step::Open,
    Step::CheckCoinCommit,
    Step::CheckCoinOpen,
    Step::CheckCommit,
    Step::CheckOpen,
];

/// How a frame is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoiling {
    FlippedBit,
    Truncated,
    Lengthened,
    Emptied,
    /// The sender's frame before this one, again.
    Replayed,
    /// This frame twice.
    Doubled,
    /// 16 bytes that encode no element and no residue.
    NotAnElement,
    /// What the receiver itself sent in this step.
    Reflected,
    /// What the sender sent in this place of another session under the same MAC key.
    OtherSession,
    Dropped,
}

impl Spoiling {
    const ALL: [Self; 10] = [
        Self::FlippedBit,
        Self::Truncated,
        Self::Lengthened,
        Self::Emptied,
        Self::Replayed,
        Self::Doubled,
        Self::NotAnElement,
        Self::Reflected,
        Self::OtherSession,
        Self::Dropped,
    ];

    /// Whether the receiver notices in the same round, whatever the content.
    fn breaks_the_form(self) -> bool {
        matches!(self, Self::Truncated | Self::Lengthened | Self::Emptied | Self::Replayed | Self::Dropped)
    }

    pub fn of_form() -> Vec<Self> {
        Self::ALL.into_iter().filter(|spoiling| spoiling.breaks_the_form()).collect()
    }

    pub fn of_content() -> Vec<Self> {
        Self::ALL.into_iter().filter(|spoiling| !spoiling.breaks_the_form()).collect()
    }
}

/// A frame's place: from, to, step, and which of these.
type Place = (PartyIndex, PartyIndex, Option<Step>, usize);

fn place(frame: &Frame<'_>) -> Place {
    (frame.from, frame.to, frame.step, frame.occurrence)
}

/// All frames of an honest run in another session.
fn recorded<G: Maker>(world: &World<G>, kind: Kind) -> BTreeMap<Place, Vec<u8>> {
    let frames = Arc::new(Mutex::new(BTreeMap::new()));
    let shared = Arc::clone(&frames);
    let mut simulator = Simulator::new(world.seed, world.n);
    simulator.hook(move |frame| {
        shared.lock().unwrap().insert(place(frame), frame.bytes.to_vec());
        vec![frame.bytes.to_vec()]
    });
    assert!(world.generate_in(&mut simulator, 1, kind, COUNT).iter().all(Result::is_ok), "honest parties");
    std::mem::take(&mut *frames.lock().unwrap())
}

/// What a spoiler has seen.
struct Spoiler {
    rng: Rng,
    /// By receiver: the cheater's last frame.
    before: Vec<Vec<u8>>,
    /// By sender: what it sent to the cheater in the step.
    to_cheater: Vec<Option<Vec<u8>>>,
    other: BTreeMap<Place, Vec<u8>>,
}

impl Spoiler {
    /// The frames in the place of `frame`.
    fn spoil(&mut self, spoiling: Spoiling, frame: &Frame<'_>, before: &[u8]) -> Vec<Vec<u8>> {
        let mut bytes = frame.bytes.to_vec();
        let payload = bytes.len() - HEADER;
        match spoiling {
            Spoiling::FlippedBit if payload > 0 => {
                let bit = self.rng.next_u64() as usize % (8 * payload);
                bytes[HEADER + bit / 8] ^= 1 << (bit % 8);
            }
            Spoiling::FlippedBit => {}
            Spoiling::Truncated => bytes.truncate(bytes.len() - 1),
            Spoiling::Lengthened => bytes.push(0),
            Spoiling::Emptied => bytes.clear(),
            Spoiling::Replayed => return vec![before.to_vec()],
            Spoiling::Doubled => return vec![bytes.clone(), bytes],
            Spoiling::NotAnElement => {
                let place = self.rng.next_u64() as usize % (payload / 16).max(1);
                bytes[HEADER..].iter_mut().skip(16 * place).take(16).for_each(|byte| *byte = 0xff);
            }
            Spoiling::Reflected => {
                if let Some(own) = &self.to_cheater[frame.to.get()] {
                    bytes.clone_from(own);
                }
            }
            Spoiling::OtherSession => bytes.clone_from(&self.other[&place(frame)]),
            Spoiling::Dropped => return Vec::new(),
        }
        vec![bytes]
    }
}

/// How many tuples are made in every run.
const COUNT: usize = 3;

/// One row: who spoils which frame of a step, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub step: Step,
    pub spoiling: Spoiling,
    pub cheater: u16,
    /// Which of the step's frames that carry something.
    pub occurrence: usize,
}

impl Row {
    /// Runs everything. Says whether anything was changed.
    pub fn run<G: Maker>(&self, world: &World<G>, kind: Kind) -> (Vec<Outcome<G::Field>>, bool) {
        let mut simulator = Simulator::new(world.seed, world.n);
        let changed = Arc::new(Mutex::new(false));
        let shared = Arc::clone(&changed);
        let other = if self.spoiling == Spoiling::OtherSession { recorded(world, kind) } else { BTreeMap::new() };
        let rng = Rng::seed_from_u64(world.seed);
        let mut spoiler = Spoiler { rng, before: vec![Vec::new(); world.n], to_cheater: vec![None; world.n], other };
        let row = *self;
        simulator.hook(move |frame| {
            let bytes = frame.bytes.to_vec();
            if frame.to.0 == row.cheater && frame.step == Some(row.step) {
                spoiler.to_cheater[frame.from.get()] = Some(bytes.clone());
            }
            if frame.from.0 != row.cheater {
                return vec![bytes];
            }
            let before = std::mem::replace(&mut spoiler.before[frame.to.get()], bytes.clone());
            if frame.step != Some(row.step) || frame.occurrence != row.occurrence {
                return vec![bytes];
            }
            let frames = spoiler.spoil(row.spoiling, frame, &before);
            *shared.lock().unwrap() |= frames != [bytes];
            frames
        });
        let results = world.generate(&mut simulator, kind, COUNT);
        let changed = *changed.lock().unwrap();
        (results, changed)
    }
}

/// Of which frames of each step a party sends something to the next, in an honest run.
fn occurrences<G: Maker>(world: &World<G>, kind: Kind, cheater: u16) -> BTreeMap<Step, Vec<usize>> {
    let mut simulator = Simulator::new(0, world.n);
    assert!(world.generate(&mut simulator, kind, COUNT).iter().all(Result::is_ok), "honest parties");
    let peer = (cheater + 1) % world.n as u16;
    let mut found: BTreeMap<Step, (usize, Vec<usize>)> = BTreeMap::new();
    for (from, to, step, len) in simulator.trace() {
        let (true, Some(step)) = ((from.0, to.0) == (cheater, peer), step) else { continue };
        let (count, carrying) = found.entry(step).or_default();
        if len > HEADER {
            carrying.push(*count);
        }
        *count += 1;
    }
    found.into_iter().map(|(step, (_, carrying))| (step, carrying)).collect()
}

/// Spoils a frame of each step in each way, once each: whoever is honest ends with a typed error or the right
/// output, and between two, where the form is broken, with an error that names the sender.
pub(crate) fn matrix<G: Maker>(
    new: impl Fn(u64) -> World<G>,
    kind: Kind,
    steps: &[Step],
    spoilings: &[Spoiling],
    seeds: u64,
) {
    let n = new(0).n as u16;
    let carrying: Vec<_> = (0..n).map(|cheater| occurrences(&new(0), kind, cheater)).collect();
    let mut seed = seeds;
    for &step in steps {
        for &spoiling in spoilings {
            seed += 1;
            let cheater = (seed % n as u64) as u16;
            let places = carrying[cheater as usize].get(&step).filter(|places| !places.is_empty());
            let places = places.unwrap_or_else(|| panic!("{step:?} is sent in a generation"));
            let occurrence = places[Rng::seed_from_u64(seed).next_u64() as usize % places.len()];
            let row = Row { step, spoiling, cheater, occurrence };
            let world = new(seed);
            let (results, changed) = row.run(&world, kind);
            // A reflection needs the other's frame first, and some orders do not give it.
            assert!(changed || spoiling == Spoiling::Reflected, "{row:?} seed {seed}: nothing was spoiled");
            if n == 2 && spoiling.breaks_the_form() {
                let error = results[1 - cheater as usize].as_ref().err();
                let error = error.unwrap_or_else(|| panic!("{row:?} seed {seed}: not noticed"));
                assert_eq!(error.culprit(), Some(PartyIndex(cheater)), "{row:?} seed {seed}: {error}");
            }
            world.check_unless_ended(kind, results);
        }
    }
}

/// Applies `change` to what every frame of `step` from party 0 to the parties of `to` carries.
pub(crate) fn with_change<G: Maker>(
    world: &World<G>,
    kind: Kind,
    step: Step,
    to: &'static [u16],
    change: impl Fn(usize, &mut [u8]) + Send + 'static,
) -> Vec<Outcome<G::Field>> {
    let mut simulator = Simulator::new(world.seed, world.n);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(step) && frame.from.0 == 0 && to.contains(&frame.to.0) {
            change(frame.occurrence, &mut bytes[HEADER..]);
        }
        vec![bytes]
    });
    world.generate(&mut simulator, kind, 4)
}

/// Broadcasts of which party 0 shows party 2 something else than party 1 end at both.
pub(crate) fn equivocations<G: Maker>(new: impl Fn(u64) -> World<G>, kind: Kind, steps: &[Step]) {
    for (seed, &step) in (0..).zip(steps) {
        let results = with_change(&new(seed), kind, step, &[2], |_, payload| {
            payload.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        });
        for honest in [1, 2] {
            let error = results[honest].as_ref().err().unwrap_or_else(|| panic!("{step:?}: not noticed"));
            let expected =
                matches!(error, Error::EchoMismatch { .. } | Error::Channel { .. } | Error::ConsistencyFailed { .. });
            assert!(expected, "{step:?}: {error}");
        }
    }
}

/// The error of party 1 when party 0 sends in these steps what it sent in them the time before; of a coin's
/// commitment nothing that stands behind it.
pub(crate) fn stale<G: Maker>(world: &World<G>, kind: Kind, steps: [Step; 2]) -> Error {
    let mut simulator = Simulator::new(world.seed, world.n);
    repeat(&mut simulator, steps);
    // So many that everything is sent more than once.
    let mut results = world.generate(&mut simulator, kind, 20);
    results.swap_remove(1).err().unwrap_or_else(|| panic!("{steps:?}: not noticed"))
}

/// Party 0 sends in each of these steps what it sent the time before.
pub(crate) fn repeat(simulator: &mut Simulator, steps: [Step; 2]) {
    const COMMITMENT: usize = 32;
    let mut last: BTreeMap<(Step, PartyIndex), Vec<u8>> = BTreeMap::new();
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        let Some(step) = frame.step.filter(|step| steps.contains(step) && frame.from.0 == 0) else {
            return vec![bytes];
        };
        let len = if step == Step::CheckCoinCommit { HEADER + COMMITMENT } else { bytes.len() };
        if let Some(before) = last.insert((step, frame.to), bytes.clone()) {
            bytes[HEADER..len].copy_from_slice(&before[HEADER..len]);
        }
        vec![bytes]
    });
}

/// Commitments of an earlier time do not open.
pub(crate) fn stale_commitments<G: Maker>(world: &World<G>, kind: Kind, commit: Step, open: Step) {
    let error = stale(world, kind, [commit, open]);
    assert_eq!(error, Error::CommitmentMismatch { peer: PartyIndex(0), step: open });
}

/// The steps of party 0 in an honest run: those of the setup, then those of `generation`.
pub(crate) fn order_of_steps<G: Maker>(
    world: &World<G>,
    generation: impl AsyncFn(&mut Party, &mut MacCheck<G::Field>, &mut G),
) -> [Vec<Step>; 2] {
    let mut simulator = Simulator::new(world.seed, world.n);
    let marks = world.established(&mut simulator, async |mut party, mut mac, mut setup| {
        let rounds = party.traffic().rounds;
        generation(&mut party, &mut mac, &mut setup).await;
        rounds
    });
    let sent = simulator.trace().into_iter().filter(|sent| (sent.0.0, sent.1.0) == (0, 1)).filter_map(|sent| sent.2);
    let mut setup: Vec<Step> = sent.collect();
    let generation = setup.split_off(marks[0] as usize);
    [setup, generation]
}

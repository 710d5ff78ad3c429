//! What a party sends and makes does not depend on how many threads it computes on.

use super::World;
use crate::field::Fp;
use crate::field::prime::DEFAULT_PRIME;
use crate::lowgear::Setup;
use crate::party::PartyIndex;
use crate::sim::Simulator;
use crate::tuples::{InputMasks, Kind};
use crate::workers::Workers;
use std::sync::{Arc, Mutex};

type Frames = Vec<(PartyIndex, PartyIndex, Vec<u8>)>;

/// All frames in their order, and every party's shares of tuples and masks, where party i has `threads[i]`.
fn run(world: &World, threads: &[usize]) -> (Frames, Vec<Vec<Fp>>) {
    let mut simulator = Simulator::new(world.seed, world.n);
    let frames = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&frames);
    simulator.hook(move |frame| {
        record.lock().expect("no panics").push((frame.from, frame.to, frame.bytes.to_vec()));
        vec![frame.bytes.to_vec()]
    });
    let shares = world.play(&mut simulator, 0, async |mut party, mut mac| {
        let workers = Workers::new(threads[party.index().get()]).expect("threads");
        let established = Setup::establish(&mut party, world.field, &mut mac, world.params, None, &workers).await;
        let (mut setup, anchor) = established.expect("honest parties");
        let mut columns = vec![anchor];
        // Of bits more than one batch.
        for (kind, count) in [(Kind::Triple, 3), (Kind::Bit, 20), (Kind::Random, 9)] {
            columns.extend(setup.generate(&mut party, &mut mac, kind, count).await.expect("honest parties"));
        }
        let mut all: Vec<Fp> = Vec::new();
        for owner in 0..world.n {
            let masks = setup.generate_input_masks(&mut party, &mut mac, owner, 9).await;
            let InputMasks { shares, clear } = masks.expect("honest parties");
            columns.push(shares);
            all.extend(clear.into_iter().flatten());
        }
        all.extend(columns.iter().flat_map(|column| column.values.iter().chain(&column.macs)));
        all
    });
    let frames = std::mem::take(&mut *frames.lock().expect("no panics"));
    (frames, shares)
}

#[test]
fn messages_and_tuples_are_the_same_on_any_number_of_threads() {
    for n in 2..=3 {
        let world = World::new(DEFAULT_PRIME, 3, n, 90);
        let (frames, shares) = run(&world, &vec![1; n]);
        for threads in [vec![3; n], [2, 1, 5][..n].to_vec()] {
            let (again, made) = run(&world, &threads);
            assert!(again == frames, "{n} parties send the same on {threads:?} threads");
            assert!(made == shares, "{n} parties make the same on {threads:?} threads");
        }
    }
}

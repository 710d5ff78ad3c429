//! A cheater that lives through many LowGear sessions under one MAC key: whatever it does to a product under the victim's
//! keys shows in a MAC check alone, and the first one that fails is the last.

use super::World;
use crate::error::{Error, Severity};
use crate::lowgear::Setup;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::port::{GateError, Rng};
use crate::sim::Simulator;
use crate::step::Step;
use crate::test_world::spoiling::HEADER;
use crate::tuples::Kind;
use crate::turns::Turns;
use crate::workers::Workers;
use rand_core::{Rng as _, SeedableRng};
use std::sync::Arc;

/// One session of two parties in which party 0 flips the lowest bit of a byte of its first message of `step`.
fn session(world: &World, turns: &Arc<Turns>, number: u64, step: Step, place: u64) -> Result<(), Error> {
    let mut simulator = Simulator::new(number, 2);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(step) && frame.from.0 == 0 && frame.occurrence == 0 && bytes.len() > HEADER {
            // The lowest byte of a residue, so that it stays one.
            let words = (bytes.len() - HEADER) / 8;
            bytes[HEADER + 8 * (place as usize % words)] ^= 1;
        }
        vec![bytes]
    });
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let channels = simulator.channels().into_iter().enumerate();
    let run = |(i, channels): (usize, _)| {
        let key = world.mac(i).key().clone();
        let mut mac = MacCheck::new(world.field, key, turns.gate(i, id));
        let mut party = Party::new(i, id, channels, Rng::seed_from_u64(number << 8 | i as u64));
        async move {
            let workers = Workers::default();
            let (mut setup, _) =
                Setup::establish(&mut party, world.field, &mut mac, world.params, None, &workers).await?;
            setup.generate(&mut party, &mut mac, Kind::Triple, 8).await.map(drop)
        }
    };
    simulator.run(channels.map(run).collect()).swap_remove(1)
}

/// Over 20 keys of 17 bits the cheater comes back until it has had 25 sessions with each.
#[test]
fn the_first_spoiled_product_that_fails_a_check_is_the_last_question_about_the_key() {
    let mut rng = Rng::seed_from_u64(11);
    for seed in 0..20 {
        let world = World::new(65_537, 3, 2, seed);
        let turns = Turns::new(2);
        let step = [Step::LowGearAuthenticate, Step::LowGearProduct][seed as usize % 2];
        let results: Vec<_> = (0..25).map(|n| session(&world, &turns, seed << 32 | n, step, rng.next_u64())).collect();
        let burned =
            |result: &Result<(), Error>| result.as_ref().is_err_and(|error| error.severity() == Severity::KeyBurned);
        let first = results.iter().position(burned).expect("a spoiled product is caught");
        assert!(results[..first].iter().all(Result::is_ok), "{step:?}: nothing fails before and leaves the key");
        assert!(first <= 2, "{step:?}: a question passes by chance alone");
        for later in &results[first + 1..] {
            assert_eq!(*later, Err(Error::Gate(GateError::Compromised)), "{step:?}");
        }
    }
}

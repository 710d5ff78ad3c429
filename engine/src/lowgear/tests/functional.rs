//! What honest parties make, and what a setup costs.

use super::{Columns, World};
use crate::error::Error;
use crate::field::prime::DEFAULT_PRIME;
use crate::field::{Field, Fp, PrimeField};
use crate::lowgear::bgv::Scheme;
use crate::lowgear::params::{PRIMES, TOGETHER};
use crate::lowgear::proof::{self, Plaintexts};
use crate::lowgear::{Params, Setup};
use crate::prg::Prg;
use crate::sim::Simulator;
use crate::step::Step;
use crate::tuples::Kind;

#[test]
fn tuples_of_every_kind_are_what_they_claim() {
    let kinds = [Kind::Triple, Kind::Square, Kind::Inverse, Kind::Bit, Kind::Random, Kind::InputMask];
    for n in 2..=3 {
        for (seed, kind) in kinds.into_iter().enumerate() {
            let world = World::new(DEFAULT_PRIME, 3, n, seed as u64);
            let mut simulator = Simulator::new(seed as u64, n);
            // 20 are more than one block, and for bits and inverses more than one batch.
            let results = world.generate(&mut simulator, kind, 20);
            let results: Vec<_> = results.into_iter().map(|result| result.expect("honest parties")).collect();
            assert!(results.iter().all(|(columns, _)| columns[0].len() == 20));
            world.check_all(kind, &results);
        }
    }
}

/// What runs in nodes: degree 32768 and 500 bits, 64 bits of statistical security.
#[test]
fn the_parameters_in_use_make_triples() {
    let mut world = World::new(DEFAULT_PRIME, 3, 2, 1);
    world.params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
    let mut simulator = Simulator::new(1, 2);
    let results = world.generate(&mut simulator, Kind::Triple, 1_000);
    world.check_all(
        Kind::Triple,
        &results.into_iter().map(|result| result.expect("honest parties")).collect::<Vec<_>>(),
    );
}

#[test]
fn everything_of_many_calls_is_distinct() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 6);
    let mut simulator = Simulator::new(6, 2);
    let parties = world.parties(&simulator, 0).into_iter().enumerate().map(|(i, mut party)| {
        let world = &world;
        async move {
            let mut mac = world.mac(i);
            let established = Setup::establish(&mut party, world.field, &mut mac, world.params, None).await;
            let (mut setup, _) = established.expect("honest parties");
            let mut all: Vec<(Kind, Columns)> = Vec::new();
            for kind in [Kind::Triple, Kind::Random, Kind::Triple, Kind::Random, Kind::Square, Kind::Triple] {
                let columns = setup.generate(&mut party, &mut mac, kind, 3).await.expect("honest parties");
                all.push((kind, columns));
            }
            all
        }
    });
    let parties: Vec<_> = parties.collect();
    let calls = simulator.run(parties);
    let mut seen: Vec<u128> = Vec::new();
    for (call, (kind, _)) in calls[0].iter().enumerate() {
        let columns: Vec<&Columns> = calls.iter().map(|calls| &calls[call].1).collect();
        seen.extend(world.check(*kind, &columns).into_iter().flatten().map(|x| world.field.to_bits(x)));
        // Shares too: one that comes back would tell what it masks.
        let shares = columns.iter().flat_map(|columns| columns.iter());
        let shares = shares.flat_map(|column| column.values.iter().chain(&column.macs));
        seen.extend(shares.map(|&share| world.field.to_bits(share)));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "no value or share appears twice");
    // Twelve triples of batches of seven.
    let batches = simulator.trace().iter().filter(|sent| sent.0.0 == 0 && sent.2 == Some(Step::LowGearProof)).count();
    assert_eq!(batches, 2, "left-over triples serve the next calls");
}

#[test]
fn values_are_uniform_over_the_field() {
    let world = World::new(257, 7, 2, 7);
    let mut simulator = Simulator::new(7, 2);
    let results = world.generate(&mut simulator, Kind::Triple, 2_000);
    let results: Vec<_> = results.into_iter().map(|result| result.expect("honest parties").0).collect();
    let values = world.check(Kind::Triple, &results.iter().collect::<Vec<_>>());
    let shares = results.iter().flat_map(|columns| columns.iter().flat_map(|column| [&column.values, &column.macs]));
    for column in values[..2].iter().chain(shares) {
        let mut counts = vec![0f64; 257];
        column.iter().for_each(|&x: &Fp| counts[world.field.to_bits(x) as usize] += 1.0);
        let expected = 2_000.0 / 257.0;
        let chi: f64 = counts.iter().map(|count| (count - expected) * (count - expected) / expected).sum();
        // 256 degrees of freedom: mean 256, standard deviation 22.6.
        assert!((120.0..=392.0).contains(&chi), "χ² = {chi}");
    }
}

#[test]
fn later_setups_under_the_same_key_pass_and_keep_the_anchor() {
    for n in 2..=3 {
        let world = World::new(DEFAULT_PRIME, 3, n, 8);
        let anchors: Vec<_> = world.establish(1, None).into_iter().map(|anchor| anchor.expect("honest")).collect();
        let value = world.open(&anchors.iter().collect::<Vec<_>>());
        let again: Vec<_> =
            world.establish(2, Some(&anchors)).into_iter().map(|anchor| anchor.expect("honest")).collect();
        assert!(world.open(&again.iter().collect::<Vec<_>>()) == value);
    }
}

/// The attack that the key link answers: all other checks of the second setup pass.
#[test]
fn a_second_setup_with_another_key_share_is_caught_by_the_key_link() {
    for n in 2..=3 {
        let mut world = World::new(DEFAULT_PRIME, 3, n, 9);
        let anchors: Vec<_> = world.establish(1, None).into_iter().map(|anchor| anchor.expect("honest")).collect();
        world.shift = 5;
        assert!(world.establish(2, None).iter().all(Result::is_ok), "as a first setup it is one");
        for result in world.establish(3, Some(&anchors)) {
            assert_eq!(result.err(), Some(Error::MacCheckFailed));
        }
    }
}

#[test]
fn a_failed_check_ends_the_setup_for_good() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 10);
    let mut simulator = Simulator::new(10, 2);
    simulator.hook(|frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(Step::LowGearProof) && frame.from.0 == 0 {
            bytes[10] ^= 1;
        }
        vec![bytes]
    });
    let parties = world.parties(&simulator, 0).into_iter().enumerate().map(|(i, mut party)| {
        let world = &world;
        async move {
            let mut mac = world.mac(i);
            let established = Setup::establish(&mut party, world.field, &mut mac, world.params, None).await;
            let (mut setup, _) = established.expect("honest so far");
            assert!(!setup.is_over());
            let first = setup.generate(&mut party, &mut mac, Kind::Triple, 1).await.err();
            assert!(setup.is_over());
            let rounds = party.traffic().rounds;
            let second = setup.generate(&mut party, &mut mac, Kind::Random, 1).await.err();
            let third = setup.generate_input_masks(&mut party, &mut mac, 0, 1).await.err();
            assert_eq!(party.traffic().rounds, rounds, "nothing is sent after the end");
            (first, second, third)
        }
    });
    let parties: Vec<_> = parties.collect();
    for (first, second, third) in simulator.run(parties) {
        assert!(matches!(first, Some(Error::ConsistencyFailed { .. } | Error::Channel { .. })), "{first:?}");
        assert_eq!((second, third), (Some(Error::SetupOver), Some(Error::SetupOver)));
    }
}

/// At most 0.7 KB per triple in each direction, for a batch as it is made.
#[test]
fn a_triple_costs_less_than_700_bytes() {
    let params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
    let scheme = Scheme::new(PrimeField::carbyne(), &params, &PRIMES);
    let mut prg = Prg::new([1; 32]);
    let a = scheme.ring.public_uniform(&mut prg);
    let (_, b, _) = scheme.key_pair(&a, &mut prg);
    let key = scheme.public_key(a, b);
    let proof = proof::bytes(&Plaintexts { scheme: &scheme, key: &key, count: TOGETHER, ciphertexts: &[] });
    let blocks = TOGETHER / 2;
    let openings = 16 * scheme.n();
    let bytes = proof + blocks * (2 * scheme.ciphertext_bytes() + 7 * scheme.product_bytes() + openings);
    let each = bytes as f64 / (blocks * scheme.n()) as f64;
    println!("{each} bytes per triple and direction");
    assert!(each < 700.0, "{each}");
}

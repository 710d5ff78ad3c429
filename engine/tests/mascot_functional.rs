//! MASCOT gives what the dealer would, for all kinds, fields, numbers of parties, widths and sizes, in
//! any order of delivery.

mod mascot_world;

use mascot_world::{Columns, World};
use polyyne_engine::error::Error;
use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_engine::field::{Field, Fp};
use polyyne_engine::mascot::{Bill, MascotField, Setup, fill};
use polyyne_engine::party::Party;
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{Kind, Tuples};
use std::future::Future;
use std::pin::Pin;

const PRIMES: [u128; 5] = [257, 65537, (1 << 61) - 1, (1 << 127) - 1, DEFAULT_PRIME];

fn generated<F: MascotField>(world: &World<F>, kind: Kind, count: usize) -> Vec<Columns<F>> {
    let mut simulator = Simulator::new(world.seed, world.n);
    let results = world.generate(&mut simulator, kind, count);
    results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("seed {}: {error}", world.seed)).0).collect()
}

#[test]
fn all_kinds_hold_their_relation_in_all_fields() {
    for (seed, prime) in (0..).zip(PRIMES) {
        let world = World::new(prime, 2, seed);
        for kind in Kind::STOCK {
            let values = world.check(kind, &generated(&world, kind, 20));
            assert_eq!(values.len(), kind.arity());
            assert!(values.iter().all(|column| column.len() == 20), "as many as were asked for, {kind:?} mod {prime}");
        }
    }
}

#[test]
fn all_kinds_hold_their_relation_in_fields_of_characteristic_two() {
    for (seed, degree) in (20..).zip([40, 64, 128]) {
        for n in 2..=3 {
            let world = World::binary(degree, n, seed);
            for kind in Kind::STOCK {
                let values = world.check(kind, &generated(&world, kind, 20));
                assert!(values.iter().all(|column| column.len() == 20), "{kind:?} in GF(2^{degree})");
            }
        }
    }
}

/// More than a tile of bits, and not a whole block.
#[test]
fn bits_in_characteristic_two_are_balanced_and_no_two_runs_are_alike() {
    let count = (64 << 10) + 77;
    let bits = |run: u64| {
        let world = World::binary(128, 2, run);
        let columns = generated(&world, Kind::Bit, count);
        for columns in &columns {
            let ones = columns[0].values.iter().filter(|&&share| share == world.field.one()).count();
            assert!(columns[0].values.iter().all(|&share| world.field.to_bits(share) <= 1), "shares are bits");
            // Standard deviation 128.
            assert!(ones.abs_diff(count / 2) < 640, "{ones} of {count} shares are one");
        }
        let bits: Vec<bool> = world.check(Kind::Bit, &columns)[0].iter().map(|&bit| bit == world.field.one()).collect();
        let ones = bits.iter().filter(|&&bit| bit).count();
        assert!(ones.abs_diff(count / 2) < 640, "{ones} of {count} bits are one");
        bits
    };
    let (first, second) = (bits(30), bits(31));
    let same = first.iter().zip(&second).filter(|(x, y)| x == y).count();
    assert!(same.abs_diff(count / 2) < 640, "{same} of {count} are the same");
}

#[test]
fn triples_and_bits_hold_for_more_parties_in_any_order_of_delivery() {
    for n in 2..=4 {
        for seed in 0..3 {
            let world = World::new(DEFAULT_PRIME, n, 10 * n as u64 + seed);
            world.check(Kind::Triple, &generated(&world, Kind::Triple, 5));
            world.check(Kind::Bit, &generated(&world, Kind::Bit, 5));
        }
    }
}

#[test]
fn all_widths_of_trees_give_triples() {
    for width in 1..=8 {
        let mut world = World::new(DEFAULT_PRIME, 2, width as u64);
        (world.params.ot_width, world.params.cope_width) = (width, 9 - width);
        world.check(Kind::Triple, &generated(&world, Kind::Triple, 3));
    }
}

/// OT extensions have failed at single sizes (libOTe #41), so borders of blocks and tiles are met.
#[test]
fn all_sizes_around_the_borders_of_blocks_and_tiles_give_triples() {
    // With 9 bits and 18 components a triple has 162 OTs; a tile here has 3 triples.
    for count in (1..=13).chain([63, 64, 65]) {
        let mut world = World::new(257, 2, count as u64);
        world.params.tile_ots = 500;
        let values = world.check(Kind::Triple, &generated(&world, Kind::Triple, count));
        assert_eq!(values[0].len(), count);
    }
}

#[test]
fn fewer_bits_of_statistical_security_still_give_triples() {
    let mut world = World::new((1 << 61) - 1, 3, 1);
    world.params.statistical = 40;
    world.check(Kind::Triple, &generated(&world, Kind::Triple, 7));
}

type Run<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs `protocol` at all parties of an established setup.
fn established<'a, T: 'a>(
    world: &'a World,
    simulator: &mut Simulator,
    protocol: impl Fn(
        usize,
        Party,
        Setup<polyyne_engine::field::PrimeField>,
        polyyne_engine::mac_check::MacCheck<polyyne_engine::field::PrimeField>,
    ) -> Run<'a, T>
    + 'a,
) -> Vec<T> {
    let protocol = &protocol;
    let parties = world.parties(simulator, 0).into_iter().enumerate();
    let parties = parties.map(|(i, mut party)| async move {
        let mut mac = world.mac(i);
        let established = Setup::establish(&mut party, world.field, &mut mac, world.params, None).await;
        let (setup, _) = established.unwrap_or_else(|error| panic!("seed {}: {error}", world.seed));
        protocol(i, party, setup, mac).await
    });
    simulator.run(parties.collect())
}

#[test]
fn a_bill_fills_a_pool_that_gives_each_tuple_once() {
    let world = World::new(DEFAULT_PRIME, 3, 5);
    let mut simulator = Simulator::new(5, 3);
    let bill =
        Bill { tuples: vec![(Kind::Triple, 4), (Kind::Bit, 3), (Kind::Inverse, 0)], masks: vec![(1, 2), (2, 1)] };
    let bill = &bill;
    let taken = established(&world, &mut simulator, |_, mut party, mut setup, mut mac| {
        Box::pin(async move {
            let mut pool = fill(&mut setup, &mut party, &mut mac, bill).await.expect("honest parties");
            assert_eq!(mac.pending(), 0, "what is in the pool has been checked");
            let triples = pool.triples(4).expect("on the bill");
            assert!(pool.triples(1).is_err() && pool.inverses(1).is_err());
            let masks = pool.input_masks(1, 2).expect("on the bill");
            (vec![triples.a.clone(), triples.b.clone(), triples.c.clone()], masks)
        })
    });
    let columns: Vec<Columns> = taken.iter().map(|(columns, _)| columns.clone()).collect();
    world.check(Kind::Triple, &columns);
    let masks = world.open(&taken.iter().map(|(_, masks)| &masks.shares).collect::<Vec<_>>());
    for (i, (_, own)) in taken.iter().enumerate() {
        assert!(own.clear.as_ref() == (i == 1).then_some(&masks), "the owner and nobody else knows the masks");
    }
    let known: &Fp = &masks[0];
    assert!(taken.iter().all(|(_, masks)| masks.shares.values[0] != *known), "no share of a mask is the mask");
}

#[test]
fn everything_of_many_calls_is_distinct() {
    let world = World::new(DEFAULT_PRIME, 2, 6);
    let mut simulator = Simulator::new(6, 2);
    let calls = established(&world, &mut simulator, |_, mut party, mut setup, mut mac| {
        Box::pin(async move {
            let mut all = Vec::new();
            for kind in [Kind::Triple, Kind::Random, Kind::Triple, Kind::Random, Kind::Square] {
                all.push((kind, setup.generate(&mut party, &mut mac, kind, 3).await.expect("honest parties")));
            }
            all
        })
    });
    let mut seen: Vec<u128> = Vec::new();
    for (call, (kind, _)) in calls[0].iter().enumerate() {
        let columns: Vec<Columns> = calls.iter().map(|calls| calls[call].1.clone()).collect();
        seen.extend(world.check(*kind, &columns).into_iter().flatten().map(|x| world.field.to_bits(x)));
        // Shares too: one that comes back would tell what it masks.
        let shares = columns.iter().flatten().flat_map(|column| column.values.iter().chain(&column.macs));
        seen.extend(shares.map(|&share| world.field.to_bits(share)));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "no value or share appears twice");
}

#[test]
fn bits_and_small_values_are_balanced() {
    let world = World::new(257, 2, 7);
    let bits = world.check(Kind::Bit, &generated(&world, Kind::Bit, 2_000)).swap_remove(0);
    let ones = bits.iter().filter(|&&bit| bit == world.field.one()).count();
    // Standard deviation 22.4.
    assert!((860..=1140).contains(&ones), "{ones} of 2000 bits are one");
    let triples = world.check(Kind::Triple, &generated(&world, Kind::Triple, 2_000));
    for column in &triples[..2] {
        let mut counts = vec![0f64; 257];
        column.iter().for_each(|&x| counts[world.field.to_bits(x) as usize] += 1.0);
        let expected = 2_000.0 / 257.0;
        let chi: f64 = counts.iter().map(|count| (count - expected) * (count - expected) / expected).sum();
        // 256 degrees of freedom: mean 256, standard deviation 22.6.
        assert!((140.0..=372.0).contains(&chi), "χ² = {chi}");
    }
}

#[test]
fn a_failed_check_ends_the_setup_for_good() {
    let world = World::new(DEFAULT_PRIME, 2, 8);
    let mut simulator = Simulator::new(8, 2);
    simulator.hook(|frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(Step::MascotExtendCheck) && frame.from.0 == 0 {
            bytes[10] ^= 1;
        }
        vec![bytes]
    });
    let errors = established(&world, &mut simulator, |_, mut party, mut setup, mut mac| {
        Box::pin(async move {
            assert!(!setup.is_over());
            let first = setup.generate(&mut party, &mut mac, Kind::Triple, 1).await.err();
            assert!(setup.is_over());
            let rounds = party.traffic().rounds;
            let second = setup.generate(&mut party, &mut mac, Kind::Random, 1).await.err();
            let third = setup.generate_input_masks(&mut party, &mut mac, 0, 1).await.err();
            assert_eq!(party.traffic().rounds, rounds, "nothing is sent after the end");
            (first, second, third)
        })
    });
    for (first, second, third) in errors {
        assert!(matches!(first, Some(Error::ConsistencyFailed { .. } | Error::Channel { .. })));
        assert_eq!((second, third), (Some(Error::SetupOver), Some(Error::SetupOver)));
    }
}

#[test]
fn a_dropped_generation_ends_the_setup() {
    let world = World::new(DEFAULT_PRIME, 2, 9);
    let mut simulator = Simulator::new(9, 2);
    let over = established(&world, &mut simulator, |_, mut party, mut setup, mut mac| {
        Box::pin(async move {
            {
                let mut running = Box::pin(setup.generate(&mut party, &mut mac, Kind::Random, 1));
                let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(running.as_mut().poll(cx).is_ready()));
                assert!(!poll.await, "one poll does not finish a protocol");
            }
            setup.is_over()
        })
    });
    assert_eq!(over, [true, true]);
}

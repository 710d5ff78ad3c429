//! MASCOT gives what the dealer would, for all kinds, fields, numbers of parties and widths.

mod mascot_world;

use mascot_world::World;
use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_engine::sim::Simulator;
use polyyne_engine::tuples::Kind;

const PRIMES: [u128; 4] = [257, 65537, (1 << 61) - 1, DEFAULT_PRIME];

fn generated(world: &World, kind: Kind, count: usize) -> Vec<mascot_world::Columns> {
    let mut simulator = Simulator::new(world.seed, world.n);
    let results = world.generate(&mut simulator, kind, count);
    results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("seed {}: {error}", world.seed)).0).collect()
}

#[test]
fn all_kinds_hold_their_relation_in_all_fields() {
    for (seed, prime) in (0..).zip(PRIMES) {
        let world = World::new(prime, 2, seed);
        for kind in Kind::STOCK {
            let columns = generated(&world, kind, 20);
            let values = world.check(kind, &columns);
            assert_eq!(values.len(), kind.arity());
            assert!(values.iter().all(|column| column.len() == 20));
        }
    }
}

#[test]
fn triples_hold_for_more_parties() {
    for n in 2..=4 {
        let world = World::new(DEFAULT_PRIME, n, 10 + n as u64);
        world.check(Kind::Triple, &generated(&world, Kind::Triple, 5));
        world.check(Kind::Bit, &generated(&world, Kind::Bit, 5));
    }
}

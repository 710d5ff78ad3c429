//! What honest parties make, and what a setup costs.

use super::World;
use crate::error::Error;
use crate::field::PrimeField;
use crate::field::prime::DEFAULT_PRIME;
use crate::lowgear::Params;
use crate::lowgear::bgv::Scheme;
use crate::lowgear::params::{PRIMES, TOGETHER};
use crate::lowgear::proof::{self, Plaintexts};
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
            // 20 are more than one block, and for bits and inverses more than one batch.
            world.made(kind, 20);
        }
    }
}

/// What runs in nodes: degree 32768 and 500 bits, 64 bits of statistical security.
#[test]
fn the_parameters_in_use_make_triples() {
    let mut world = World::new(DEFAULT_PRIME, 3, 2, 1);
    world.params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
    world.made(Kind::Triple, 1_000);
}

#[test]
fn everything_is_uniform_and_independent() {
    World::new(257, 7, 2, 7).everything_is_uniform(2_500);
    World::new(DEFAULT_PRIME, 4, 3, 7).no_value_follows_from_others();
}

#[test]
fn matrix_triples_multiply_and_a_lie_in_them_is_caught() {
    for n in 2..=3 {
        World::new(DEFAULT_PRIME, 3, n, 11).matrix_triples_multiply();
    }
    World::new(DEFAULT_PRIME, 3, 2, 12).a_lie_in_any_opening_of_matrices_is_caught();
}

#[test]
fn everything_of_many_calls_is_distinct() {
    World::new(DEFAULT_PRIME, 3, 2, 6).everything_of_many_calls_is_distinct();
}

#[test]
fn left_over_triples_serve_the_next_calls() {
    let world = World::new(DEFAULT_PRIME, 3, 2, 7);
    let mut simulator = Simulator::new(7, 2);
    world.established(&mut simulator, async |mut party, mut mac, mut setup| {
        for count in [3, 3, 3, 5] {
            setup.generate(&mut party, &mut mac, Kind::Triple, count).await.expect("honest parties");
        }
    });
    // Fourteen triples of batches of seven.
    let batches = simulator.trace().iter().filter(|sent| sent.0.0 == 0 && sent.2 == Some(Step::LowGearProof)).count();
    assert_eq!(batches, 2);
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
    World::new(DEFAULT_PRIME, 3, 2, 10).a_failed_check_ends_the_setup_for_good(Step::LowGearProof);
}

/// At most 0.7 KB per triple in each direction, for a batch as it is made.
#[test]
fn a_triple_costs_less_than_700_bytes() {
    let params = Params::for_prime(DEFAULT_PRIME, 64).unwrap();
    let scheme = Scheme::new(PrimeField::usual(), &params, &PRIMES);
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

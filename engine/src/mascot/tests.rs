//! All parties of a setup in the simulator.

mod bits;
mod byzantine;
mod functional;
mod sessions;

use super::{MascotField, Params, Setup};
use crate::field::{BinaryField, PrimeField};
use crate::test_world;

type World<F = PrimeField> = test_world::World<Setup<F>>;

fn world<F: MascotField>(field: F, n: usize, seed: u64) -> World<F> {
    World::over(field, Params::default(), n, seed)
}

impl World {
    fn new(prime: u128, n: usize, seed: u64) -> Self {
        world(PrimeField::new(prime).expect("the tests' moduli are prime"), n, seed)
    }
}

impl World<BinaryField> {
    fn binary(degree: u32, n: usize, seed: u64) -> Self {
        world(BinaryField::new(degree).expect("a degree of MP-SPDZ"), n, seed)
    }
}

//! All parties of a setup in the simulator, in a ring that protects nothing.

mod byzantine;
mod functional;
mod rates;
mod sessions;
mod threads;

use super::{Params, Setup};
use crate::field::PrimeField;
use crate::test_world;

type World = test_world::World<Setup>;

impl World {
    fn new(prime: u128, log_n: u32, n: usize, seed: u64) -> Self {
        let field = PrimeField::new(prime).expect("the tests' moduli are prime");
        Self::over(field, Params::toy(log_n, 2), n, seed)
    }
}

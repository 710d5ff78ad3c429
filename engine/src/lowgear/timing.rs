//! LowGear's operations on secret polynomials, for [`crate::timing`].

use super::bgv;
use super::sampling::{Randomness, mask, wide_mask};
use crate::port::Rng;
use crate::prg::Prg;
use crate::timing::{Class, Probe};
use rand_core::Rng as _;
use std::hint::black_box;

const N: usize = 256;

fn seed(rng: &mut Rng, class: Class) -> [u8; 32] {
    let mut seed = [0; 32];
    if class == Class::Random {
        rng.fill_bytes(&mut seed);
    }
    seed
}

/// Numbers of ones, counted one by one.
fn branching_sample(seed: [u8; 32]) -> u32 {
    let mut blocks = [0; N];
    Prg::new(seed).fill_blocks(&mut blocks);
    let mut ones = 0;
    for mut block in blocks {
        while black_box(block) != 0 {
            block &= block - 1;
            ones += 1;
        }
    }
    ones
}

pub(crate) fn probes() -> Vec<Probe> {
    let mut probes = vec![
        Probe::new("sampling: encryption's randomness", seed, |seed| Randomness::sample(&mut Prg::new(*seed), N)),
        Probe::new("sampling: masks", seed, |seed| {
            let mut prg = Prg::new(*seed);
            (mask(&mut prg, N, 40), wide_mask(&mut prg, N, 160))
        }),
        Probe::new("twin: sampling with branches", seed, |seed| branching_sample(*seed)).leaking(),
    ];
    probes.extend(bgv::timing());
    probes
}

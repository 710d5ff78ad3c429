//! MASCOT's operations on secret choices and keys, for [`crate::timing`].

use super::base_ot::{self, Key};
use super::cope::Holder;
use super::ggm::{self, Leaves};
use super::softspoken::{BLOCK, Sender};
use super::{assembly, gilboa};
use crate::digest::Transcript;
use crate::field::{Field, Fp, PrimeField};
use crate::port::Rng;
use crate::timing::{Class, Probe};
use rand_core::Rng as _;
use std::hint::black_box;

const WIDTH: usize = 4;

fn ctx() -> Transcript {
    Transcript::new("timing")
}

fn keys() -> Vec<[Key; 2]> {
    (0..WIDTH as u8).map(|level| [[2 * level; 32], [2 * level + 1; 32]]).collect()
}

fn trees() -> Vec<Leaves> {
    (0..(BLOCK / WIDTH) as u128).map(|root| ggm::plant(&ctx(), root, &keys()).0).collect()
}

fn choice(rng: &mut Rng, class: Class) -> u8 {
    if class == Class::Fixed { 0 } else { (rng.next_u32() & 1) as u8 }
}

/// Choices of many, with something for each of them.
fn choices(f: PrimeField) -> impl Fn(&mut Rng, Class) -> Vec<(u8, Fp)> {
    move |rng, class| (0..256).map(|_| (choice(rng, class), f.random(rng))).collect()
}

fn puncturing() -> Probe {
    let (_, message) = ggm::plant(&ctx(), 5, &keys());
    let prepare = |rng: &mut Rng, class| {
        let position = if class == Class::Fixed { 0 } else { rng.next_u32() % (1 << WIDTH) };
        let bits = (0..WIDTH).rev().map(|bit| 1 - (position >> bit & 1) as usize);
        (position, keys().iter().zip(bits).map(|(keys, bit)| keys[bit]).collect::<Vec<Key>>())
    };
    Probe::new("OT: position in a tree", prepare, move |(position, keys)| {
        ggm::puncture(&ctx(), *position, keys, &message).1.unwrap_u8()
    })
    .slow()
}

fn extension() -> Probe {
    let prepare = |rng: &mut Rng, class| {
        let delta = if class == Class::Fixed { 0 } else { assembly::word(rng) };
        Sender::new(ctx(), trees(), delta)
    };
    let message = vec![0x5a; BLOCK / WIDTH * 2 * 16];
    Probe::new("OT: Δ of the extension", prepare, move |sender| sender.extend(2, &message).rows(0)).slow()
}

fn cope() -> Probe {
    let f = PrimeField::carbyne();
    let prepare = move |rng: &mut Rng, class| {
        let digit = |rng: &mut Rng| if class == Class::Fixed { 0 } else { rng.next_u32() % (1 << WIDTH) };
        let digits: Vec<u32> = (0..BLOCK / WIDTH).map(|_| digit(rng)).collect();
        Holder::new(&f, trees(), &digits)
    };
    let message = vec![0x5a; BLOCK / WIDTH * 4 * 16];
    Probe::new("OT: MAC key in COPEe", prepare, move |holder| holder.extend(&f, 4, &message)).slow()
}

pub(crate) fn probes() -> Vec<Probe> {
    let f = PrimeField::carbyne();
    vec![
        base_ot::timing("OT: choice of a base OT").slow(),
        puncturing(),
        extension(),
        cope(),
        gilboa::timing("OT: choices of a product"),
        Probe::new("twin: choice with a branch", choices(f), move |choices| {
            let mut sum = f.zero();
            for &(choice, x) in choices.iter() {
                if black_box(choice) == 1 {
                    sum = black_box(f.mul(f.add(sum, x), x));
                }
            }
            sum
        })
        .leaking(),
    ]
}

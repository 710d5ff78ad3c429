//! Setups on dealt base OTs, for tests of one layer and of cheaters that no public door lets in.

use super::assembly::{Forest, Secrets, word};
use super::base_ot::{Key, PairKeys};
use super::ggm::{self, Leaves};
use super::{Live, MascotField, Params};
use crate::digest::Transcript;
use crate::error::Result;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::port::{LocalGate, Rng};
use crate::share::MacKeyShare;
use crate::sim::Simulator;
use rand_core::{Rng as _, SeedableRng};
use zeroize::Zeroizing;

/// One party of a dealt setup, before any round.
pub(super) struct Seat<F: MascotField> {
    pub party: Party,
    pub mac: MacCheck<F>,
    field: F,
    params: Params,
    secrets: Secrets,
    keys: Vec<Option<PairKeys>>,
}

impl<F: MascotField> Seat<F> {
    pub async fn sit(&mut self) -> Result<Live<F>> {
        let Self { party, mac, field, params, secrets, keys } = self;
        Live::assemble(party, field.clone(), mac, *params, secrets, keys, &[7; 32]).await
    }
}

/// Seats for all parties. `alphas[i][j]` is what party i uses as its key share towards j, and
/// `alphas[i][i]` in MAC checks.
pub(super) fn seats<F: MascotField>(
    simulator: &Simulator,
    field: F,
    alphas: &[Vec<F::Element>],
    seed: u64,
) -> Vec<Seat<F>> {
    seats_with(simulator, field, alphas, alphas, seed)
}

/// [`seats`] of parties that use `bit_keys[i][j]` for the inputs of bits.
pub(super) fn seats_with<F: MascotField>(
    simulator: &Simulator,
    field: F,
    alphas: &[Vec<F::Element>],
    bit_keys: &[Vec<F::Element>],
    seed: u64,
) -> Vec<Seat<F>> {
    let n = alphas.len();
    let params = Params::default();
    let forest = Forest::new(&params, &field);
    let mut rng = Rng::seed_from_u64(seed);
    let words = |elements: &[F::Element]| elements.iter().map(|&x| field.to_bits(x)).collect::<Vec<u128>>();
    let both = alphas.iter().zip(bit_keys);
    let secrets: Vec<Secrets> =
        both.map(|(alphas, bit_keys)| Secrets::draw(&mut rng, &forest, &words(alphas), &words(bit_keys))).collect();
    let mut keys = dealt(&mut rng, &forest, &secrets);
    let channels = simulator.channels().into_iter().zip(secrets).enumerate().rev();
    let mut seats: Vec<Seat<F>> = channels
        .map(|(i, (channels, secrets))| {
            let key = MacKeyShare::new(alphas[i][i], i == 0);
            let party = Party::new(i, [seed as u8; 32], channels, Rng::seed_from_u64(seed ^ ((i as u64 + 1) << 32)));
            let mac = MacCheck::new(field.clone(), key, Box::new(LocalGate::default()));
            Seat { party, mac, field: field.clone(), params, secrets, keys: keys.pop().expect("keys for each party") }
        })
        .collect();
    seats.reverse();
    assert_eq!(seats.len(), n);
    seats
}

/// `alphas` of [`seats`] for honest parties with random key shares.
pub(super) fn honest_alphas<F: MascotField>(field: &F, n: usize, seed: u64) -> Vec<Vec<F::Element>> {
    let mut rng = Rng::seed_from_u64(seed);
    (0..n).map(|_| vec![field.random(&mut rng); n]).collect()
}

/// Leaves of honest trees with these widths: all of them, and punctured at `digits`.
pub(super) fn leaves(widths: &[usize], digits: &[u32], rng: &mut Rng) -> (Vec<Leaves>, Vec<Leaves>) {
    let ctx = Transcript::new("test trees");
    let pair = |(tree, (&width, &digit)): (usize, (&usize, &u32))| {
        let ctx = ctx.clone().number(tree as u64);
        let mut keys = vec![[Key::default(); 2]; width];
        keys.as_flattened_mut().iter_mut().for_each(|key| rng.fill_bytes(key));
        let (all, message) = ggm::plant(&ctx, word(rng), &keys);
        let bits = (0..width).rev().map(|bit| 1 - (digit >> bit & 1) as usize);
        let chosen: Vec<Key> = keys.iter().zip(bits).map(|(keys, bit)| keys[bit]).collect();
        (all, ggm::puncture(&ctx, digit, &chosen, &message).0)
    };
    widths.iter().zip(digits).enumerate().map(pair).unzip()
}

/// Trees that are the same for ever, for known answers.
pub(super) fn fixed_trees(count: usize, depth: usize) -> Vec<Leaves> {
    let keys: Vec<[Key; 2]> = (0..depth as u8).map(|level| [[2 * level; 32], [2 * level + 1; 32]]).collect();
    (0..count)
        .map(|tree| ggm::plant(&Transcript::new("test trees").number(tree as u64), tree as u128, &keys).0)
        .collect()
}

/// `result[i][j]`: what base OTs would have given to i with j.
pub(super) fn dealt(rng: &mut Rng, forest: &Forest, secrets: &[Secrets]) -> Vec<Vec<Option<PairKeys>>> {
    let n = secrets.len();
    let count: usize = forest.widths().sum();
    let mut key = || -> Key {
        let mut key = Key::default();
        rng.fill_bytes(&mut key);
        key
    };
    let sent: Vec<Vec<Vec<[Key; 2]>>> =
        (0..n).map(|_| (0..n).map(|_| (0..count).map(|_| [key(), key()]).collect()).collect()).collect();
    let seeds: Vec<Vec<Key>> = (0..n).map(|_| (0..n).map(|_| key()).collect()).collect();
    let pair = |i: usize, j: usize| {
        let choices = &secrets[i].choices(forest)[j];
        let received = sent[j][i].iter().zip(choices.iter()).map(|(keys, &choice)| keys[choice as usize]).collect();
        PairKeys {
            sent: Zeroizing::new(sent[i][j].clone()),
            received: Zeroizing::new(received),
            own_seed: seeds[i][j],
            their_seed: seeds[j][i],
        }
    };
    (0..n).map(|i| (0..n).map(|j| (i != j).then(|| pair(i, j))).collect()).collect()
}

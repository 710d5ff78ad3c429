//! Checked tuples that a batch has made and nobody has asked for yet.
//!
//! A batch fills whole polynomials; what is left over waits here, and ends with the setup. All parties ask for
//! the same in the same order, so their stocks stay equal.

use crate::field::{Fp, PrimeField};
use crate::share::Shares;
use crate::tuples::InputMasks;
use zeroize::Zeroizing;

/// What is left over at one party.
pub(super) struct Stock {
    /// Blocks of the next batch of triples, at least: the first is small and the next ones double, because a proof
    /// costs the same for all blocks that a batch may have.
    pub blocks: usize,
    pub triples: [Shares<PrimeField>; 3],
    pub randoms: Shares<PrimeField>,
    /// By owner; the clear values at the own index only.
    masks: Vec<Shares<PrimeField>>,
    known: Zeroizing<Vec<Fp>>,
}

/// The last `count` elements: taking from the end moves nothing else.
pub(super) fn take(shares: &mut Shares<PrimeField>, count: usize) -> Shares<PrimeField> {
    shares.split_off(shares.len() - count)
}

impl Stock {
    pub fn new(n: usize) -> Self {
        Self {
            blocks: 1,
            triples: Default::default(),
            randoms: Shares::default(),
            masks: vec![Shares::default(); n],
            known: Zeroizing::default(),
        }
    }

    pub fn masks_left(&self, owner: usize) -> usize {
        self.masks[owner].len()
    }

    /// `known` are the values, at their owner.
    pub fn add_masks(&mut self, owner: usize, shares: &Shares<PrimeField>, known: &[Fp]) {
        self.masks[owner].append(shares);
        self.known.extend_from_slice(known);
    }

    pub fn take_masks(&mut self, owner: usize, me: usize, count: usize) -> InputMasks<PrimeField> {
        let shares = take(&mut self.masks[owner], count);
        let clear = (owner == me).then(|| {
            let left = self.known.len() - count;
            self.known.split_off(left)
        });
        InputMasks { shares, clear }
    }
}

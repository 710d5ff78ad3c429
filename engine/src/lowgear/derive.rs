//! Tuples of all kinds, in the numbers asked for; squares, inverses and bits as MASCOT makes them:
//!
//! - **Square**: for a triple (a, b, c) open ε = a − b; a² = c + ε·a.
//! - **Inverse**: open c = a·b; where it is zero drop the triple (all parties see it); a⁻¹ = c⁻¹·b.
//! - **Bit**: open the square s = a²; zero is dropped; with the root r of s whose canonical representative is
//!   even, a/r is 1 or −1 with equal probability: b = (a/r + 1)/2. The rule for the root must not depend on a, or
//!   the bit is skewed.
//!
//! All openings go through [`MacCheck::open`] and are checked before the tuples leave; what is opened is
//! independent of every other value.

use super::params::MASK_BLOCKS;
use super::setup::Live;
use super::stock::take;
use crate::coin;
use crate::error::{Error, Result};
use crate::field::{Field, Fp, PrimeField, SquareRoots};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind};

impl Live {
    /// Makes `count` tuples that a MAC check has covered, a column per element.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        kind: Kind,
        count: usize,
    ) -> Result<Vec<Shares<PrimeField>>> {
        let columns = match kind {
            Kind::Triple => self.take_triples(party, mac, count).await?.into(),
            Kind::Square => self.squares(party, mac, count).await?.into(),
            Kind::Inverse => self.inverses(party, mac, count).await?.into(),
            Kind::Bit => vec![self.bits(party, mac, count).await?],
            Kind::Random | Kind::InputMask => vec![self.take_randoms(party, mac, count).await?],
        };
        mac.check(party).await?;
        Ok(columns)
    }

    async fn take_triples(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<[Shares<PrimeField>; 3]> {
        while self.stock.triples[0].len() < count {
            let lacking = (count - self.stock.triples[0].len() + 1).div_ceil(self.scheme.n());
            let blocks = lacking.max(self.stock.blocks).min(self.params.blocks(party.n()));
            self.stock.blocks = 2 * blocks;
            let new = self.triples(party, mac, blocks).await?;
            mac.check(party).await?;
            self.stock.triples.iter_mut().zip(&new).for_each(|(all, new)| all.append(new));
        }
        Ok(self.stock.triples.each_mut().map(|column| take(column, count)))
    }

    async fn take_randoms(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<Shares<PrimeField>> {
        while self.stock.randoms.len() < count {
            let mut new = [Shares::default()];
            for _ in 0..self.mask_blocks(count - self.stock.randoms.len()) {
                new[0].append(&self.random_block_of_shares(party).await?);
            }
            let coin = coin::toss(party).await?;
            self.check_linear(party, mac, &coin, &mut new).await?;
            mac.check(party).await?;
            self.stock.randoms.append(&new[0]);
        }
        Ok(take(&mut self.stock.randoms, count))
    }

    /// Blocks of the next batch of randoms or input masks, of which one is spent on the check.
    fn mask_blocks(&self, lacking: usize) -> usize {
        (lacking + 1).div_ceil(self.scheme.n()).min(MASK_BLOCKS)
    }

    /// Masks that `owner` knows, covered by a MAC check.
    pub async fn input_masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<PrimeField>> {
        let inputters: Vec<bool> = (0..party.n()).map(|j| j == owner).collect();
        while self.stock.masks_left(owner) < count {
            let blocks = self.mask_blocks(count - self.stock.masks_left(owner));
            let inputs = self.input(party, mac, &inputters, blocks).await?;
            mac.check(party).await?;
            self.stock.add_masks(owner, &inputs.by[owner], &inputs.own);
        }
        Ok(self.stock.take_masks(owner, party.index().get(), count))
    }

    async fn squares(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<[Shares<PrimeField>; 2]> {
        let [a, b, c] = self.take_triples(party, mac, count).await?;
        let f = &self.scheme.field;
        let epsilon = mac.open(party, &a.sub(f, &b)).await?;
        let squares = c.add(f, &a.scale(f, epsilon.for_shares()));
        Ok([a, squares])
    }

    async fn inverses(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<[Shares<PrimeField>; 2]> {
        let mut all: [Shares<PrimeField>; 2] = Default::default();
        while all[0].len() < count {
            let [a, b, c] = self.take_triples(party, mac, count - all[0].len()).await?;
            let opened = mac.open(party, &c).await?;
            let opened = mac.confirm(party, opened).await?.into_inner();
            let f = &self.scheme.field;
            let mut inverses = opened.clone();
            f.invert_all(&mut inverses);
            append_nonzero(f, &mut all, &opened, [&a, &b.scale(f, &inverses)]);
        }
        Ok(all)
    }

    async fn bits(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<Shares<PrimeField>> {
        let mut all = [Shares::default()];
        let f = self.scheme.field;
        let (half, roots) = (f.inv(f.element(2)), SquareRoots::new(f));
        while all[0].len() < count {
            let [a, squares] = self.squares(party, mac, count - all[0].len()).await?;
            let opened = mac.open(party, &squares).await?;
            let opened = mac.confirm(party, opened).await?.into_inner();
            let mut inverses = roots.of_all(&opened).ok_or(Error::NotASquare)?;
            f.invert_all(&mut inverses);
            let halves: Vec<Fp> = inverses.iter().map(|&inverse| f.mul(inverse, half)).collect();
            let signs = a.scale(&f, &halves);
            append_nonzero(&f, &mut all, &opened, [&self.key.add_public(&f, &signs, &vec![half; signs.len()])]);
        }
        let [bits] = all;
        Ok(bits)
    }
}

/// Appends the tuples where what was opened is not zero.
fn append_nonzero<const K: usize>(
    field: &PrimeField,
    all: &mut [Shares<PrimeField>; K],
    opened: &[Fp],
    new: [&Shares<PrimeField>; K],
) {
    for k in (0..opened.len()).filter(|&k| opened[k] != field.zero()) {
        for (all, new) in all.iter_mut().zip(new) {
            let (value, mac) = new.get(k);
            all.push(value, mac);
        }
    }
}

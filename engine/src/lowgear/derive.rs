//! Tuples of all kinds, in the numbers asked for; squares, inverses, bits and matrix triples by
//! [`crate::from_triples`].
//!
//! All openings go through [`MacCheck::open`] and are checked before the tuples leave; what is opened is
//! independent of every other value.

use super::params::MASK_BLOCKS;
use super::setup::Live;
use super::stock::take;
use crate::coin;
use crate::error::Result;
use crate::field::PrimeField;
use crate::from_triples;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Shape};

impl Live {
    /// Tuples that are derived from triples at once, so that memory stays small however many are asked for.
    fn part(&self) -> usize {
        self.scheme.n()
    }

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

    /// Makes `count` matrix triples that a MAC check has covered.
    pub async fn matrices(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        shape: Shape,
        count: usize,
    ) -> Result<MatrixTriples<PrimeField>> {
        let at_once = (self.part() / shape.multiplications()).max(1);
        let mut matrices = MatrixTriples::none(shape);
        while matrices.count() < count {
            let (random, products) = from_triples::needed_for_matrices(shape, at_once.min(count - matrices.count()));
            let random = self.take_randoms(party, mac, random).await?;
            let triples = self.take_triples(party, mac, products).await?;
            matrices.append(&from_triples::matrices(&self.scheme.field, party, mac, shape, random, triples).await?);
        }
        mac.check(party).await?;
        Ok(matrices)
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
        let mut all: [Shares<PrimeField>; 2] = Default::default();
        while all[0].len() < count {
            let triples = self.take_triples(party, mac, self.part().min(count - all[0].len())).await?;
            let squares = from_triples::squares(&self.scheme.field, party, mac, triples).await?;
            all.iter_mut().zip(&squares).for_each(|(all, new)| all.append(new));
        }
        Ok(all)
    }

    async fn inverses(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<[Shares<PrimeField>; 2]> {
        let mut all: [Shares<PrimeField>; 2] = Default::default();
        while all[0].len() < count {
            let triples = self.take_triples(party, mac, self.part().min(count - all[0].len())).await?;
            from_triples::append_inverses(&self.scheme.field, party, mac, triples, &mut all).await?;
        }
        Ok(all)
    }

    async fn bits(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        count: usize,
    ) -> Result<Shares<PrimeField>> {
        let mut all = Shares::default();
        while all.len() < count {
            let squares = self.squares(party, mac, self.part().min(count - all.len())).await?;
            from_triples::append_bits(&self.scheme.field, party, mac, squares, &mut all).await?;
        }
        Ok(all)
    }
}

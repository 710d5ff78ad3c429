//! The online operations of SPDZ: input, multiply, dot products, private output; one round each.
//!
//! Linear operations are local (see [`Shares`]). Multiplication is Beaver's, in pieces
//! ([`multiply`]). Its openings are pending until the next MAC check ([`MacCheck`]); nothing that
//! depends on them leaves before it.

use crate::error::{Error, Malformed, Result};
use crate::field::Field;
use crate::mac_check::{MacCheck, Unchecked};
use crate::party::{Party, PartyIndex};
use crate::share::Shares;
use crate::step::Step;
use crate::tuples::{InputMasks, Tuples};

mod beaver;
mod matrices;

pub use beaver::{Factors, Reader, Run, Sums, Work, multiply};
pub use matrices::{MatrixProduct, multiply_matrices};

/// A session in its online phase: the party, its pending openings and its tuples.
pub struct Online<F: Field> {
    pub field: F,
    pub party: Party,
    pub mac: MacCheck<F>,
    pub tuples: Box<dyn Tuples<F>>,
}

impl<F: Field> Online<F> {
    pub fn new(field: F, party: Party, mac: MacCheck<F>, tuples: Box<dyn Tuples<F>>) -> Self {
        Self { field, party, mac, tuples }
    }

    /// ⟦c⟧ for public c.
    pub fn constants(&self, values: &[F::Element]) -> Shares<F> {
        let mut shares = Shares { values: Vec::with_capacity(values.len()), macs: Vec::with_capacity(values.len()) };
        for &value in values {
            let (value, mac) = self.mac.key().constant(&self.field, value);
            shares.push(value, mac);
        }
        shares
    }

    /// Opens; checked later.
    pub async fn open(&mut self, shares: &Shares<F>) -> Result<Unchecked<Vec<F::Element>>> {
        self.mac.open(&mut self.party, shares).await
    }

    /// Opens and checks everything pending.
    pub async fn open_checked(&mut self, shares: &Shares<F>) -> Result<Vec<F::Element>> {
        let opened = self.open(shares).await?;
        Ok(self.mac.confirm(&mut self.party, opened).await?.into_inner())
    }

    /// Checks everything pending.
    pub async fn check(&mut self) -> Result<()> {
        self.mac.check(&mut self.party).await
    }

    /// ⟦x·y⟧ element-wise; one triple each, one round (see [`multiply`]).
    ///
    /// # Panics
    /// If they differ in length.
    pub async fn multiply(&mut self, x: &Shares<F>, y: &Shares<F>) -> Result<Shares<F>> {
        let mut products = Shares::with_capacity(x.len());
        self.each_product(x, y, |some| products.append(some)).await?;
        Ok(products)
    }

    async fn each_product(&mut self, x: &Shares<F>, y: &Shares<F>, sink: impl FnMut(&Shares<F>)) -> Result<()> {
        assert_eq!(x.len(), y.len(), "element-wise on vectors of one length");
        let runs = [Run { x: 0, y: 0, len: x.len(), one_y: false }];
        let triples = |count| Ok::<_, Error>(self.tuples.triples(count)?.into_columns());
        multiply(&mut self.party, &mut self.mac, triples, &mut Factors::new(x, y, &runs, sink)).await
    }

    /// Sums of products: the flat products of x and y, summed in consecutive groups of these
    /// lengths; one round for all.
    pub async fn dot_products(&mut self, x: &Shares<F>, y: &Shares<F>, groups: &[usize]) -> Result<Shares<F>> {
        assert_eq!(groups.iter().sum::<usize>(), x.len(), "the groups cover the products");
        let mut sums = Sums::new(self.field.clone(), groups);
        self.each_product(x, y, |products| sums.add(products)).await?;
        Ok(sums.into_shares())
    }

    /// Private inputs of `owner`, who gives the values (others give `None`): `owner` broadcasts
    /// x − r for masks r that it alone knows; ⟦x⟧ = ⟦r⟧ + (x − r). One round, an echo for n ≥ 3.
    pub async fn input(&mut self, owner: PartyIndex, count: usize, values: Option<&[F::Element]>) -> Result<Shares<F>> {
        let InputMasks { shares, clear } = self.tuples.input_masks(owner.get(), count)?;
        let mut message = Vec::new();
        if owner == self.party.index() {
            let masks = clear.expect("the source gives the owner its masks in clear");
            let values = values.expect("the owner gives its inputs");
            assert_eq!(values.len(), count, "as many inputs as announced");
            let masked: Vec<F::Element> = values.iter().zip(&masks).map(|(&x, &r)| self.field.sub(x, r)).collect();
            self.field.encode(&masked, &mut message);
        }
        let message = self.party.send_from(Step::Input, owner, message).await?;
        self.agree(Step::Input, owner, &message).await?;
        let masked = self.party.elements(&self.field, owner, Step::Input, &message, count)?;
        Ok(self.mac.key().add_public(&self.field, &shares, &masked))
    }

    /// All parties hold the same message of `from` (n ≥ 3; between two there is nobody to differ).
    async fn agree(&mut self, step: Step, from: PartyIndex, message: &[u8]) -> Result<()> {
        let copies = vec![message.to_vec()];
        match self.party.echo(step, &copies).await {
            Err(Error::EchoMismatch { step, .. }) => Err(Error::EchoMismatch { peer: from, step }),
            other => other,
        }
    }

    /// ⟦x⟧ towards `owner` alone: x − r is opened and MAC-checked, `owner` adds its mask r.
    /// Returns the values at `owner`, `None` elsewhere.
    pub async fn private_output(&mut self, owner: PartyIndex, shares: &Shares<F>) -> Result<Option<Vec<F::Element>>> {
        let masks = self.tuples.input_masks(owner.get(), shares.len())?;
        let masked = self.open_checked(&shares.sub(&self.field, &masks.shares)).await?;
        Ok(masks.clear.map(|clear| masked.iter().zip(&clear).map(|(&y, &r)| self.field.add(y, r)).collect()))
    }

    /// Clear values that `owner` gives to everyone, agreed by all.
    pub async fn personal_broadcast(
        &mut self,
        owner: PartyIndex,
        count: usize,
        values: Option<&[F::Element]>,
    ) -> Result<Vec<F::Element>> {
        let mut message = Vec::new();
        if let Some(values) = values.filter(|_| owner == self.party.index()) {
            self.field.encode(values, &mut message);
        }
        let message = self.party.send_from(Step::Personal, owner, message).await?;
        self.agree(Step::Personal, owner, &message).await?;
        self.field.decode(&message).filter(|values| values.len() == count).ok_or(Error::Malformed {
            peer: owner,
            step: Step::Personal,
            what: Malformed::Length,
        })
    }
}

//! Tuples of other kinds from triples, the same for every generator of triples:
//!
//! - **Square**: for a triple (a, b, c) open ε = a − b; a² = c + ε·a.
//! - **Inverse**: open c = a·b; where it is zero drop the triple (all parties see it); a⁻¹ = c⁻¹·b.
//! - **Bit**: open the square s = a²; zero is dropped; with the root r of s that [`PublicMaths::roots`] fixes, a/r is
//!   1 or −1 with equal probability: b = (a/r + 1)/2. The rule for the root must not depend on a, or the bit is skewed.
//!
//! What is opened is independent of every other value. All openings go through [`MacCheck::open`]; those that decide
//! anything here are confirmed before, the rest is the caller's to check before the tuples leave.

use crate::error::{Error, Result};
use crate::field::{BinaryField, Field, Fp, Gf2n, PrimeField, SquareRoots};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::{Shares, Vector as _};

/// What opened values are put through; nothing here is constant time.
pub trait PublicMaths: Field {
    /// Square roots of public values, by a rule that depends on the value only; `None` if one has none.
    fn roots(&self, squares: &[Self::Element]) -> Option<Vec<Self::Element>>;
    /// Inverts public values; zeros stay zero.
    fn invert_all_public(&self, elements: &mut [Self::Element]);
}

impl PublicMaths for PrimeField {
    fn roots(&self, squares: &[Fp]) -> Option<Vec<Fp>> {
        SquareRoots::new(*self).of_all(squares)
    }

    fn invert_all_public(&self, elements: &mut [Fp]) {
        self.invert_all(elements);
    }
}

impl PublicMaths for BinaryField {
    /// The only roots: a^(2^(n−1)).
    fn roots(&self, squares: &[Gf2n]) -> Option<Vec<Gf2n>> {
        let root = |&square: &Gf2n| (1..self.degree()).fold(square, |root, _| self.mul(root, root));
        Some(squares.iter().map(root).collect())
    }

    fn invert_all_public(&self, elements: &mut [Gf2n]) {
        elements.iter_mut().for_each(|x| *x = self.inv(*x));
    }
}

/// A square of each triple: a and a².
pub(crate) async fn squares<F: Field>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    [a, b, c]: [Shares<F>; 3],
) -> Result<[Shares<F>; 2]> {
    let epsilon = mac.open(party, &a.sub(f, &b)).await?;
    let squares = c.add(f, &a.scale(f, epsilon.for_shares()));
    Ok([a, squares])
}

/// Appends a and a⁻¹ of each triple whose product is not zero.
pub(crate) async fn append_inverses<F: PublicMaths>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    [a, b, c]: [Shares<F>; 3],
    all: &mut [Shares<F>; 2],
) -> Result<()> {
    let opened = mac.open(party, &c).await?;
    let opened = mac.confirm(party, opened).await?.into_inner();
    let mut inverses = opened.clone();
    f.invert_all_public(&mut inverses);
    append_where_not_zero(f, &mut all[0], &a, &opened);
    append_where_not_zero(f, &mut all[1], &b.scale(f, &inverses), &opened);
    Ok(())
}

/// Appends a bit for each square that is not zero; the characteristic is not 2.
pub(crate) async fn append_bits<F: PublicMaths>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    [a, squares]: [Shares<F>; 2],
    all: &mut Shares<F>,
) -> Result<()> {
    let half = f.inv(f.add(f.one(), f.one()));
    let opened = mac.open(party, &squares).await?;
    let opened = mac.confirm(party, opened).await?.into_inner();
    let mut inverses = f.roots(&opened).ok_or(Error::NotASquare)?;
    f.invert_all_public(&mut inverses);
    let halves: Vec<F::Element> = inverses.iter().map(|&inverse| f.mul(inverse, half)).collect();
    let signs = a.scale(f, &halves);
    let bits = mac.key().add_public(f, &signs, &vec![half; signs.len()]);
    append_where_not_zero(f, all, &bits, &opened);
    Ok(())
}

/// Appends the shares at whose places the public value is not zero.
fn append_where_not_zero<F: Field>(field: &F, all: &mut Shares<F>, shares: &Shares<F>, values: &[F::Element]) {
    let zeros = (0..values.len()).filter(|&k| values[k] == field.zero());
    let mut start = 0;
    for end in zeros.chain([values.len()]) {
        all.append_range(shares, start..end);
        start = end + 1;
    }
}

//! Tuples of other kinds from triples, the same for every generator of triples:
//!
//! - **Square**: for a triple (a, b, c) open ε = a − b; a² = c + ε·a.
//! - **Inverse**: open c = a·b; where it is zero drop the triple (all parties see it); a⁻¹ = c⁻¹·b.
//! - **Bit**: open the square s = a²; zero is dropped; with the root r of s that [`PublicMaths::roots`] fixes, a/r is
//!   1 or −1 with equal probability: b = (a/r + 1)/2. The rule for the root must not depend on a, or the bit is skewed.
//! - **Matrix triple**: of random A and B all products of elements that A·B takes, each by Beaver's multiplication with a
//!   triple of its own, summed. What is opened are differences x − a and y − b, with a and b of a triple that nothing
//!   else uses: uniform, and independent of A and B and of everything else. C is linear in what the MACs cover, so that
//!   a lie in an opening, or a triple that is none, fails the check before the matrices leave.
//!
//! What is opened is independent of every other value. All openings go through [`MacCheck::open`]; those that decide
//! anything here are confirmed before, the rest is the caller's to check before the tuples leave.

use crate::error::{Error, Result};
use crate::field::{BinaryField, Field, Fp, Gf2n, PrimeField, SquareRoots};
use crate::mac_check::MacCheck;
use crate::online::{self, Factors, Run, Sums};
use crate::party::Party;
use crate::share::{Shares, Vector as _};
use crate::tuples::{MatrixTriples, Shape};

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

/// Random elements and triples that `count` matrix triples take.
pub(crate) fn needed_for_matrices(shape: Shape, count: usize) -> (usize, usize) {
    (count * (shape.left() + shape.right()), count * shape.multiplications())
}

/// Matrix triples of as many random elements and triples as [`needed_for_matrices`] says. 1 round for 2^18 triples.
pub(crate) async fn matrices<F: Field>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    shape: Shape,
    mut a: Shares<F>,
    [x, y, z]: [Shares<F>; 3],
) -> Result<MatrixTriples<F>> {
    let count = a.len() / (shape.left() + shape.right());
    // B's columns one after the other, as sums of products read them.
    let transposed = a.split_off(count * shape.left());
    let mut runs = Vec::with_capacity(count * shape.product());
    for triple in 0..count {
        for (row, column) in (0..shape.rows).flat_map(|row| (0..shape.columns).map(move |column| (row, column))) {
            let x = triple * shape.left() + row * shape.inner;
            let y = triple * shape.right() + column * shape.inner;
            runs.push(Run { x, y, len: shape.inner, one_y: false });
        }
    }
    let lengths = vec![shape.inner; runs.len()];
    let mut sums = Sums::new(f.clone(), &lengths);
    let mut used = 0;
    let next = |count: usize| {
        used += count;
        Ok::<_, Error>([&x, &y, &z].map(|column| column.slice(used - count..used)))
    };
    let mut work = Factors::new(&a, &transposed, &runs, |products: &Shares<F>| sums.add(products));
    online::multiply(party, mac, next, &mut work).await?;
    let mut b = Shares::with_capacity(transposed.len());
    for at in 0..transposed.len() {
        let (triple, place) = (at / shape.right(), at % shape.right());
        let (row, column) = (place / shape.columns, place % shape.columns);
        let (value, mac) = transposed.get(triple * shape.right() + column * shape.inner + row);
        b.push(value, mac);
    }
    Ok(MatrixTriples { shape, a, b, c: sums.into_shares() })
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

//! Products of secret matrices with matrix triples: with (A, B, C = A·B) open E = X − A and D = Y − B; then
//!
//! X·Y = (E + A)·Y = E·Y + A·(D + B) = C + E·Y + A·D,
//!
//! which is linear in ⟦C⟧, ⟦Y⟧ and ⟦A⟧ and needs no public constant. E and D are as uniform as A and B, and a triple
//! serves one product, so that they say nothing of X and Y; as all openings they wait for the MAC check.

use crate::error::Result;
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::MatrixTriples;

/// A product to be made of two matrices, row by row, with a triple of its shape.
pub struct MatrixProduct<F: Field> {
    pub x: Shares<F>,
    pub y: Shares<F>,
    pub triple: MatrixTriples<F>,
}

/// All products, row by row, in one round.
///
/// # Panics
/// If factors have not the shape of their triple.
pub async fn multiply_matrices<F: Field>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    products: &[MatrixProduct<F>],
) -> Result<Vec<Shares<F>>> {
    let mut masked = Shares::default();
    for MatrixProduct { x, y, triple } in products {
        assert_eq!((x.len(), y.len()), (triple.shape.left(), triple.shape.right()), "factors of the triple's shape");
        masked.append(&x.sub(f, &triple.a));
        masked.append(&y.sub(f, &triple.b));
    }
    let opened = mac.open(party, &masked).await?;
    let mut opened = &opened.for_shares()[..];
    let mut next = |count| {
        let (first, rest) = opened.split_at(count);
        opened = rest;
        first
    };
    let finish = |product: &MatrixProduct<F>| {
        let (e, d) = (next(product.x.len()), next(product.y.len()));
        product.finish(f, e, d)
    };
    Ok(products.iter().map(finish).collect())
}

impl<F: Field> MatrixProduct<F> {
    /// C + E·Y + A·D.
    fn finish(&self, f: &F, e: &[F::Element], d: &[F::Element]) -> Shares<F> {
        let Self { y, triple, .. } = self;
        let inner = triple.shape.inner;
        let columns = |matrix: &[F::Element]| transposed(matrix, triple.shape.columns);
        let (values, macs, d) = (columns(&y.values), columns(&y.macs), columns(d));
        let rows = |matrix| <[F::Element]>::chunks_exact(matrix, inner);
        let mut product = Shares::with_capacity(triple.shape.product());
        let factors = rows(e).zip(rows(&triple.a.values).zip(rows(&triple.a.macs)));
        for (e, (a, a_macs)) in factors {
            for ((y, y_macs), d) in rows(&values).zip(rows(&macs)).zip(rows(&d)) {
                let (value, mac) = triple.c.get(product.len());
                let value = f.add(value, f.add(f.dot(e, y), f.dot(a, d)));
                product.push(value, f.add(mac, f.add(f.dot(e, y_macs), f.dot(a_macs, d))));
            }
        }
        product
    }
}

/// The columns of a matrix, one after the other.
fn transposed<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| matrix.iter().copied().skip(column).step_by(columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dealer;
    use crate::field::{Fp, PrimeField};
    use crate::port::{LocalGate, Rng};
    use crate::sim::Simulator;
    use crate::tuples::Shape;
    use rand_core::SeedableRng;

    fn product(f: &PrimeField, shape: Shape, x: &[Fp], y: &[Fp]) -> Vec<Fp> {
        let element = |row: usize, column: usize| {
            f.sum((0..shape.inner).map(|k| f.mul(x[row * shape.inner + k], y[k * shape.columns + column])))
        };
        (0..shape.product()).map(|at| element(at / shape.columns, at % shape.columns)).collect()
    }

    #[test]
    fn products_of_several_shapes_are_right_for_an_opening_of_each_factor() {
        let shapes =
            [[2, 3, 4], [1, 1, 1], [4, 1, 5], [1, 6, 1]].map(|[rows, inner, columns]| Shape { rows, inner, columns });
        let dealer = dealer::carbyne(3, 1);
        let f = *dealer.field();
        let mut rng = Rng::seed_from_u64(1);
        let mut all: Vec<Vec<MatrixProduct<PrimeField>>> = (0..3).map(|_| Vec::new()).collect();
        let mut expected = Vec::new();
        for shape in shapes {
            let mut random = |len| f.random_vec(&mut rng, len);
            let (x, y, a, b) =
                (random(shape.left()), random(shape.right()), random(shape.left()), random(shape.right()));
            expected.extend(product(&f, shape, &x, &y));
            let c = product(&f, shape, &a, &b);
            let [x, y, a, b, c] = [x, y, a, b, c].map(|values| dealer.share(&mut rng, &values));
            for (party, own) in all.iter_mut().enumerate() {
                let [x, y, a, b, c] = [&x, &y, &a, &b, &c].map(|shares| shares[party].clone());
                own.push(MatrixProduct { x, y, triple: MatrixTriples { shape, a, b, c } });
            }
        }
        let mut simulator = Simulator::new(1, 3);
        let parties = simulator.channels().into_iter().zip(&all).enumerate().map(|(i, (channels, products))| {
            let dealer = &dealer;
            async move {
                let mut party = Party::new(i, [1; 32], channels, Rng::seed_from_u64(i as u64));
                let mut mac = MacCheck::new(f, dealer.key(i), Box::new(LocalGate::default()));
                let made = multiply_matrices(&f, &mut party, &mut mac, products).await.expect("honest parties");
                let factors: usize = products.iter().map(|product| product.x.len() + product.y.len()).sum();
                assert_eq!((mac.pending(), party.traffic().rounds), (factors, 1));
                let mut all = Shares::default();
                made.iter().for_each(|product| all.append(product));
                let opened = mac.open(&mut party, &all).await.expect("honest parties");
                mac.confirm(&mut party, opened).await.expect("the MACs are right").into_inner()
            }
        });
        let parties: Vec<_> = parties.collect();
        assert!(simulator.run(parties).iter().all(|opened| *opened == expected));
    }
}

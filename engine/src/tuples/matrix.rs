//! Triples of matrices: random A and B with A·B. One multiplies two secret matrices for an opening of every element of
//! both factors, where triples of elements take two for every multiplication (Beaver's multiplication over matrices, as
//! in Mohassel and Zhang, SecureML, eprint 2017/396, section 4.1).

use crate::field::Field;
use crate::share::Shares;

/// A product of a matrix of `rows`·`inner` elements with one of `inner`·`columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub rows: usize,
    pub inner: usize,
    pub columns: usize,
}

impl Shape {
    /// Elements of the left factor.
    pub fn left(self) -> usize {
        self.rows * self.inner
    }

    /// Elements of the right factor.
    pub fn right(self) -> usize {
        self.inner * self.columns
    }

    /// Elements of the product.
    pub fn product(self) -> usize {
        self.rows * self.columns
    }

    /// Elements of a triple.
    pub fn elements(self) -> usize {
        self.left() + self.right() + self.product()
    }

    /// Multiplications of elements that make a product.
    pub fn multiplications(self) -> usize {
        self.rows * self.inner * self.columns
    }
}

/// Triples of one shape, one after the other, matrices row by row.
pub struct MatrixTriples<F: Field> {
    pub shape: Shape,
    pub a: Shares<F>,
    pub b: Shares<F>,
    /// A·B.
    pub c: Shares<F>,
}

impl<F: Field> MatrixTriples<F> {
    /// None yet.
    pub(crate) fn none(shape: Shape) -> Self {
        Self { shape, a: Shares::default(), b: Shares::default(), c: Shares::default() }
    }

    pub(crate) fn append(&mut self, others: &Self) {
        assert_eq!(self.shape, others.shape);
        self.a.append(&others.a);
        self.b.append(&others.b);
        self.c.append(&others.c);
    }

    /// Triples that are there.
    pub fn count(&self) -> usize {
        self.a.len() / self.shape.left()
    }

    /// Each on its own.
    pub(crate) fn apart(self) -> impl Iterator<Item = Self> {
        let count = self.count();
        let one = move |at: usize| {
            let part = |shares: &Shares<F>, each: usize| shares.slice(at * each..(at + 1) * each);
            Self {
                shape: self.shape,
                a: part(&self.a, self.shape.left()),
                b: part(&self.b, self.shape.right()),
                c: part(&self.c, self.shape.product()),
            }
        };
        (0..count).map(one)
    }
}

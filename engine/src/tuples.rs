//! Correlated randomness and where it comes from.
//!
//! Tuples are moved out of a [`Tuples`] source into the operation that spends them; none of these
//! types can be copied, printed or serialised. Using one twice breaks confidentiality
//! (x − a and y − a give x − y), not just correctness.

mod matrix;
mod queue;

use crate::field::Field;
use crate::share::Shares;
pub use matrix::{MatrixTriples, Shape};
pub(crate) use queue::Queue;
use std::collections::{BTreeMap, VecDeque};
use thiserror::Error;

/// What a tuple is; arities and relations in the docs of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// (a, b, a·b).
    Triple,
    /// (a, a²).
    Square,
    /// (a, a^-1).
    Inverse,
    /// b in {0, 1}.
    Bit,
    /// A uniform element that nobody knows.
    Random,
    /// A uniform element that one party knows.
    InputMask,
}

impl Kind {
    /// Kinds that a cloud keeps in stock.
    pub const STOCK: [Kind; 5] = [Kind::Triple, Kind::Square, Kind::Inverse, Kind::Bit, Kind::Random];

    /// Authenticated elements in one tuple.
    pub fn arity(self) -> usize {
        match self {
            Kind::Triple => 3,
            Kind::Square | Kind::Inverse => 2,
            Kind::Bit | Kind::Random | Kind::InputMask => 1,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Triple => "triple",
            Kind::Square => "square",
            Kind::Inverse => "inverse",
            Kind::Bit => "bit",
            Kind::Random => "random",
            Kind::InputMask => "input mask",
        }
    }
}

#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("{wanted} tuples of kind {} are needed and {left} are left", kind.name())]
pub struct Shortage {
    pub kind: Kind,
    pub wanted: usize,
    pub left: usize,
}

/// c = a·b, element-wise.
pub struct Triples<F: Field> {
    pub a: Shares<F>,
    pub b: Shares<F>,
    pub c: Shares<F>,
}

impl<F: Field> Triples<F> {
    pub(crate) fn into_columns(self) -> [Shares<F>; 3] {
        [self.a, self.b, self.c]
    }
}

/// (a, f(a)), element-wise: squares or inverses.
pub struct Pairs<F: Field> {
    pub a: Shares<F>,
    pub image: Shares<F>,
}

/// Masks with the clear values at the party that knows them.
pub struct InputMasks<F: Field> {
    pub shares: Shares<F>,
    pub clear: Option<Vec<F::Element>>,
}

/// How many tuples of each of [`Kind::STOCK`].
pub type Counts = std::collections::BTreeMap<Kind, usize>;

/// A source that gives every tuple once. All parties of a session take the same kinds and counts
/// in the same order.
pub trait Tuples<F: Field>: Send {
    fn triples(&mut self, count: usize) -> Result<Triples<F>, Shortage>;
    fn squares(&mut self, count: usize) -> Result<Pairs<F>, Shortage>;
    fn inverses(&mut self, count: usize) -> Result<Pairs<F>, Shortage>;
    fn bits(&mut self, count: usize) -> Result<Shares<F>, Shortage>;
    fn randoms(&mut self, count: usize) -> Result<Shares<F>, Shortage>;
    /// Masks that party `owner` knows.
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<F>, Shortage>;

    /// One matrix triple of a shape; `None` where none is left, and a product of matrices spends triples of elements.
    /// All parties' sources hold the same.
    fn matrices(&mut self, _shape: Shape) -> Option<MatrixTriples<F>> {
        None
    }

    /// Sets tuples apart for an independent user (a VM thread), matrix triples none. Whatever either takes afterwards, and
    /// when, all parties give it the same.
    fn split(&mut self, counts: &Counts) -> Result<Box<dyn Tuples<F>>, Shortage> {
        let mut pool = Pool::new();
        for kind in Kind::STOCK {
            let count = counts.get(&kind).copied().unwrap_or(0);
            if count > 0 {
                pool.add(kind, self.columns(kind, count)?);
            }
        }
        Ok(Box::new(pool))
    }

    /// Tuples of a kind, a column per element.
    ///
    /// # Panics
    /// For input masks, which have an owner.
    fn columns(&mut self, kind: Kind, count: usize) -> Result<Vec<Shares<F>>, Shortage> {
        Ok(match kind {
            Kind::Triple => {
                let Triples { a, b, c } = self.triples(count)?;
                vec![a, b, c]
            }
            Kind::Square | Kind::Inverse => {
                let Pairs { a, image } =
                    if kind == Kind::Square { self.squares(count)? } else { self.inverses(count)? };
                vec![a, image]
            }
            Kind::Bit => vec![self.bits(count)?],
            Kind::Random => vec![self.randoms(count)?],
            Kind::InputMask => panic!("input masks are not set apart"),
        })
    }
}

/// A source filled beforehand: a queue per kind.
#[derive(Default)]
pub struct Pool<F: Field> {
    columns: BTreeMap<Kind, Queue<Shares<F>>>,
    masks: BTreeMap<usize, KnownMasks<F>>,
    /// One by one.
    matrices: BTreeMap<Shape, VecDeque<MatrixTriples<F>>>,
}

/// Masks of one owner, with their values at it.
type KnownMasks<F> = (Queue<Shares<F>>, Option<VecDeque<<F as Field>::Element>>);

impl<F: Field> Pool<F> {
    pub fn new() -> Self {
        Self { columns: Default::default(), masks: Default::default(), matrices: Default::default() }
    }

    /// Adds tuples of a kind, a column per element.
    ///
    /// # Panics
    /// If there are not [`Kind::arity`] columns of one length.
    pub fn add(&mut self, kind: Kind, columns: Vec<Shares<F>>) {
        assert_eq!(columns.len(), kind.arity(), "a column per element of a tuple");
        self.columns.entry(kind).or_default().add(columns);
    }

    /// Adds masks that `owner` knows.
    pub fn add_masks(&mut self, owner: usize, masks: InputMasks<F>) {
        let (queue, clear) = self.masks.entry(owner).or_default();
        queue.add(vec![masks.shares]);
        if let Some(more) = masks.clear {
            clear.get_or_insert_default().extend(more);
        }
    }

    /// Adds matrix triples.
    pub fn add_matrices(&mut self, triples: MatrixTriples<F>) {
        self.matrices.entry(triples.shape).or_default().extend(triples.apart());
    }

    /// Tuples of a kind that are left.
    pub fn left(&self, kind: Kind) -> usize {
        self.columns.get(&kind).map_or(0, Queue::left)
    }

    fn take(&mut self, kind: Kind, count: usize) -> Result<Vec<Shares<F>>, Shortage> {
        if count == 0 {
            return Ok((0..kind.arity()).map(|_| Shares::default()).collect());
        }
        let short = Shortage { kind, wanted: count, left: self.left(kind) };
        self.columns.get_mut(&kind).and_then(|queue| queue.take(count)).ok_or(short)
    }

    fn pairs(&mut self, kind: Kind, count: usize) -> Result<Pairs<F>, Shortage> {
        let [a, image] = columns(self.take(kind, count)?);
        Ok(Pairs { a, image })
    }
}

fn columns<F: Field, const N: usize>(columns: Vec<Shares<F>>) -> [Shares<F>; N] {
    columns.try_into().unwrap_or_else(|_| unreachable!("a pool holds as many columns as the kind's arity"))
}

impl<F: Field> Tuples<F> for Pool<F> {
    fn triples(&mut self, count: usize) -> Result<Triples<F>, Shortage> {
        let [a, b, c] = columns(self.take(Kind::Triple, count)?);
        Ok(Triples { a, b, c })
    }

    fn squares(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.pairs(Kind::Square, count)
    }

    fn inverses(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.pairs(Kind::Inverse, count)
    }

    fn bits(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        let [bits] = columns(self.take(Kind::Bit, count)?);
        Ok(bits)
    }

    fn randoms(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        let [randoms] = columns(self.take(Kind::Random, count)?);
        Ok(randoms)
    }

    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<F>, Shortage> {
        let known = self.masks.entry(owner).or_default();
        let short = Shortage { kind: Kind::InputMask, wanted: count, left: known.0.left() };
        if count > short.left {
            return Err(short);
        }
        let shares = known.0.take(count).map_or_else(Shares::default, |mut columns| columns.swap_remove(0));
        let clear = known.1.as_mut().map(|clear| clear.drain(..count).collect());
        Ok(InputMasks { shares, clear })
    }

    fn matrices(&mut self, shape: Shape) -> Option<MatrixTriples<F>> {
        self.matrices.get_mut(&shape)?.pop_front()
    }
}

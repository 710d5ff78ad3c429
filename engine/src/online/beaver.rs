//! Beaver's multiplication in pieces: with a triple (a, b, c) open ε = x − a and δ = y − b; then
//!
//! x·y = (ε + a)·y = ε·y + a·(δ + b) = c + ε·y + δ·a,
//!
//! which is linear in ⟦c⟧, ⟦y⟧ and ⟦a⟧ and needs no public constant. ⟦b⟧ is spent with the opening.

use crate::error::Error;
use crate::field::Field;
use crate::mac_check::{MacCheck, Openable, Opening};
use crate::party::{Outgoing, Party, PartyIndex, Pieces};
use crate::share::{Shares, Vector};
use std::collections::VecDeque;

/// Products in one round. A longer vector takes several, so that openings can be checked in between.
const ROUND: usize = 1 << 18;
/// Between rounds of one vector: openings that wait are checked when there are this many.
const PENDING_MAX: usize = 1 << 19;

/// Products of factors that stand one after the other: `x[x + i]·y[y + i]`, or `x[x + i]·y[y]` throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub x: usize,
    pub y: usize,
    pub len: usize,
    pub one_y: bool,
}

/// What is multiplied, and where the products go.
pub trait Work<S> {
    fn runs(&self) -> &[Run];
    /// Appends the next `count` factors.
    fn read(&mut self, count: usize, x: &mut S, y: &mut S);
    /// Takes the next products.
    fn write(&mut self, products: &S);
}

/// How far runs of factors have been read.
pub struct Reader<'a> {
    runs: &'a [Run],
    /// How much of the first run that is left has been read.
    used: usize,
}

impl<'a> Reader<'a> {
    pub fn new(runs: &'a [Run]) -> Self {
        Self { runs, used: 0 }
    }

    /// Appends the next `count` factors, out of these vectors.
    pub fn read<S: Vector>(&mut self, from: [&S; 2], count: usize, x: &mut S, y: &mut S) {
        let mut room = count;
        while room > 0 {
            let run = self.runs[0];
            let part = room.min(run.len - self.used);
            x.append_range(from[0], run.x + self.used..run.x + self.used + part);
            if run.one_y {
                y.append_copies(from[1], run.y, part);
            } else {
                y.append_range(from[1], run.y + self.used..run.y + self.used + part);
            }
            room -= part;
            self.used += part;
            if self.used == run.len {
                (self.runs, self.used) = (&self.runs[1..], 0);
            }
        }
    }
}

/// Factors that stand elsewhere than the products will.
pub struct Factors<'a, S, P> {
    factors: [&'a S; 2],
    runs: Reader<'a>,
    sink: P,
}

impl<'a, S: Vector, P: FnMut(&S)> Factors<'a, S, P> {
    /// The products go to `sink` in order, some at a time.
    pub fn new(x: &'a S, y: &'a S, runs: &'a [Run], sink: P) -> Self {
        Self { factors: [x, y], runs: Reader::new(runs), sink }
    }
}

impl<S: Vector, P: FnMut(&S)> Work<S> for Factors<'_, S, P> {
    fn runs(&self) -> &[Run] {
        self.runs.runs
    }

    fn read(&mut self, count: usize, x: &mut S, y: &mut S) {
        self.runs.read(self.factors, count, x, y);
    }

    fn write(&mut self, products: &S) {
        (self.sink)(products);
    }
}

/// Multiplies all pairs of factors, one triple each, one round for up to 2^18 of them. All of a field or bits.
pub async fn multiply<F: Field, S: Openable<F>, E: From<Error>>(
    party: &mut Party,
    mac: &mut MacCheck<F, S>,
    mut triples: impl FnMut(usize) -> Result<[S; 3], E>,
    work: &mut impl Work<S>,
) -> Result<(), E> {
    let mut left: usize = work.runs().iter().map(|run| run.len).sum();
    while left > 0 {
        let count = left.min(ROUND);
        let mut opening = Opening::new(mac, 2 * count)?;
        let mut round = Round {
            opening: &mut opening,
            work: &mut *work,
            triples: &mut triples,
            left: count,
            flights: VecDeque::new(),
            finished: 0,
            x: S::default(),
            spare: Vec::new(),
        };
        party.exchange_pieces(S::STEP, &mut round).await?;
        opening.keep();
        left -= count;
        if left > 0 && mac.pending() >= PENDING_MAX {
            mac.check(party).await?;
        }
    }
    Ok(())
}

/// A piece whose openings are on their way.
struct Flight<S> {
    y: S,
    a: S,
    c: S,
}

struct Round<'r, 'a, F: Field, S: Openable<F>, T, W> {
    opening: &'r mut Opening<'a, F, S>,
    work: &'r mut W,
    triples: T,
    /// Products that are not begun yet.
    left: usize,
    flights: VecDeque<Flight<S>>,
    /// Pieces that are done.
    finished: usize,
    x: S,
    /// Memory that is used again.
    spare: Vec<S>,
}

impl<F: Field, S: Openable<F>, E: From<Error>, T, W: Work<S>> Pieces for Round<'_, '_, F, S, T, W>
where
    T: FnMut(usize) -> Result<[S; 3], E>,
{
    type Error = E;

    fn count(&self) -> usize {
        self.left.div_ceil(S::PRODUCTS)
    }

    fn make(&mut self, outgoing: &mut Outgoing<'_>) -> Result<(), E> {
        let count = self.left.min(S::PRODUCTS);
        let [a, b, c] = (self.triples)(count)?;
        let mut y = self.spare.pop().unwrap_or_default();
        self.x.truncate(0);
        y.truncate(0);
        self.work.read(count, &mut self.x, &mut y);
        let from = self.opening.len();
        self.opening.push_differences(&self.x, &a);
        self.opening.push_differences(&y, &b);
        outgoing.to_all(|message| self.opening.encode(from, message));
        self.flights.push_back(Flight { y, a, c });
        self.left -= count;
        Ok(())
    }

    fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<(), E> {
        // The openings of a piece: its ε, then its δ.
        let start = 2 * S::PRODUCTS * piece;
        let place = start..self.opening.len().min(start + 2 * S::PRODUCTS);
        Ok(self.opening.add(place, peer, message)?)
    }

    fn finish(&mut self) -> Result<(), E> {
        let Flight { y, a, mut c } = self.flights.pop_front().expect("what is finished was made");
        self.opening.add_products(&mut c, 2 * S::PRODUCTS * self.finished, &y, &a);
        self.work.write(&c);
        self.spare.push(y);
        self.finished += 1;
        Ok(())
    }
}

/// Sums consecutive products, in groups of these lengths.
pub struct Sums<'a, F: Field> {
    field: F,
    lengths: &'a [usize],
    /// Products that the first group that is left still waits for.
    missing: usize,
    sum: (F::Element, F::Element),
    sums: Shares<F>,
}

impl<'a, F: Field> Sums<'a, F> {
    pub fn new(field: F, lengths: &'a [usize]) -> Self {
        let sum = (field.zero(), field.zero());
        let mut sums = Self { field, lengths, missing: 0, sum, sums: Shares::default() };
        sums.begin();
        sums
    }

    /// Goes to the next group that is not empty.
    fn begin(&mut self) {
        self.missing = 0;
        while let (0, Some((&length, rest))) = (self.missing, self.lengths.split_first()) {
            if length == 0 {
                self.sums.push(self.field.zero(), self.field.zero());
            }
            (self.missing, self.lengths) = (length, rest);
        }
    }

    pub fn add(&mut self, products: &Shares<F>) {
        let f = self.field.clone();
        let mut at = 0;
        while at < products.len() {
            let part = self.missing.min(products.len() - at);
            let more = |half: &[F::Element]| f.sum(half[at..at + part].iter().copied());
            self.sum = (f.add(self.sum.0, more(&products.values)), f.add(self.sum.1, more(&products.macs)));
            at += part;
            self.missing -= part;
            if self.missing == 0 {
                self.sums.push(self.sum.0, self.sum.1);
                self.sum = (f.zero(), f.zero());
                self.begin();
            }
        }
    }

    /// All sums, in order.
    pub fn into_shares(self) -> Shares<F> {
        self.sums
    }
}

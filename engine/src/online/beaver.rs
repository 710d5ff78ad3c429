//! Beaver's multiplication in pieces: with a triple (a, b, c) open ε = x − a and δ = y − b; then
//!
//! x·y = (ε + a)·y = ε·y + a·(δ + b) = c + ε·y + δ·a,
//!
//! which is linear in ⟦c⟧, ⟦y⟧ and ⟦a⟧ and needs no public constant. ⟦b⟧ is spent with the opening.

use crate::error::Error;
use crate::field::Field;
use crate::mac_check::{Form, MacCheck, Opening};
use crate::party::{Party, PartyIndex, Pieces};
use crate::share::{Shares, Vector};
use crate::tuples::Triples;
use std::collections::VecDeque;
use std::ops::Range;

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

/// What is to be multiplied.
#[derive(Clone, Copy)]
pub struct Factors<'a, F: Field> {
    pub x: &'a Shares<F>,
    pub y: &'a Shares<F>,
    pub runs: &'a [Run],
}

/// Multiplies all pairs of factors, one triple each, one round for up to 2^18 of them. The products go to `sink` in order,
/// some at a time. All of a field or bits, as `W` says.
pub async fn multiply<F: Field, W: Form<F>, E: From<Error>>(
    party: &mut Party,
    mac: &mut MacCheck<F>,
    mut triples: impl FnMut(usize) -> Result<Triples<F>, E>,
    factors: Factors<'_, F>,
    mut sink: impl FnMut(&Shares<F>),
) -> Result<(), E> {
    let mut left: usize = factors.runs.iter().map(|run| run.len).sum();
    let mut reader = Reader { factors, used: 0 };
    while left > 0 {
        let count = left.min(ROUND);
        let mut opening = Opening::<F, W>::new(mac, 2 * count)?;
        let mut round = Round {
            opening: &mut opening,
            reader: &mut reader,
            triples: &mut triples,
            sink: &mut sink,
            left: count,
            flights: VecDeque::new(),
            finished: 0,
            x: Shares::default(),
            spare: Vec::new(),
        };
        party.exchange_pieces(W::STEP, &mut round).await?;
        opening.keep();
        left -= count;
        if left > 0 && mac.pending() >= PENDING_MAX {
            mac.check(party).await?;
        }
    }
    Ok(())
}

/// Goes through the factors once.
struct Reader<'a, F: Field> {
    factors: Factors<'a, F>,
    /// How much of the first run that is left has been read.
    used: usize,
}

impl<F: Field> Reader<'_, F> {
    fn read(&mut self, count: usize, x: &mut Shares<F>, y: &mut Shares<F>) {
        let mut room = count;
        while room > 0 {
            let run = self.factors.runs[0];
            let part = room.min(run.len - self.used);
            x.append_range(self.factors.x, run.x + self.used..run.x + self.used + part);
            if run.one_y {
                y.append_copies(self.factors.y.get(run.y), part);
            } else {
                y.append_range(self.factors.y, run.y + self.used..run.y + self.used + part);
            }
            room -= part;
            self.used += part;
            if self.used == run.len {
                (self.factors.runs, self.used) = (&self.factors.runs[1..], 0);
            }
        }
    }
}

/// A piece whose openings are on their way.
struct Flight<F: Field> {
    y: Shares<F>,
    a: Shares<F>,
    c: Shares<F>,
}

struct Round<'r, 'a, 'f, F: Field, W: Form<F>, T, S> {
    opening: &'r mut Opening<'a, F, W>,
    reader: &'r mut Reader<'f, F>,
    triples: T,
    sink: S,
    /// Products that are not begun yet.
    left: usize,
    flights: VecDeque<Flight<F>>,
    /// Pieces that are done.
    finished: usize,
    x: Shares<F>,
    /// Memory that is used again.
    spare: Vec<Shares<F>>,
}

impl<F: Field, W: Form<F>, T, S> Round<'_, '_, '_, F, W, T, S> {
    /// Where the openings of a piece stand: its ε, then its δ.
    fn place(&self, piece: usize) -> Range<usize> {
        let start = 2 * W::PRODUCTS * piece;
        start..self.opening.len().min(start + 2 * W::PRODUCTS)
    }
}

impl<F: Field, W: Form<F>, E: From<Error>, T, S> Pieces for Round<'_, '_, '_, F, W, T, S>
where
    T: FnMut(usize) -> Result<Triples<F>, E>,
    S: FnMut(&Shares<F>),
{
    type Error = E;

    fn count(&self) -> usize {
        self.left.div_ceil(W::PRODUCTS)
    }

    fn make(&mut self, message: &mut Vec<u8>) -> Result<(), E> {
        let count = self.left.min(W::PRODUCTS);
        let Triples { a, b, c } = (self.triples)(count)?;
        let mut y = self.spare.pop().unwrap_or_default();
        self.x.clear();
        y.clear();
        self.reader.read(count, &mut self.x, &mut y);
        let from = self.opening.len();
        self.opening.push_differences(&self.x, &a);
        self.opening.push_differences(&y, &b);
        self.opening.encode(from, message);
        self.flights.push_back(Flight { y, a, c });
        self.left -= count;
        Ok(())
    }

    fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<(), E> {
        Ok(self.opening.add(self.place(piece), peer, message)?)
    }

    fn finish(&mut self) -> Result<(), E> {
        let Flight { y, a, mut c } = self.flights.pop_front().expect("what is finished was made");
        let opened = self.opening.values(self.place(self.finished));
        let (epsilon, delta) = opened.split_at(opened.len() / 2);
        let f = &self.opening.field;
        W::add_products(f, &mut c.values, [epsilon, &y.values], [delta, &a.values]);
        W::add_products(f, &mut c.macs, [epsilon, &y.macs], [delta, &a.macs]);
        (self.sink)(&c);
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

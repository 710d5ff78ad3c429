//! Products that go to registers as soon as they are made, while other factors are still to be read.

use super::interactive::Run;
use super::state::{BitBank, copy_shares};
use crate::field::Field;
use crate::online::{Reader, Run as Factor, Work};
use crate::share::{BitShares, Shares, Vector};
use std::ops::Range;

/// Fewer products than this are gathered first: looking for overlaps would take longer.
const PRODUCTS_MIN: usize = 1024;

/// Registers that hold factors and take products.
pub(super) trait Registers<S> {
    fn shares(&self) -> &S;
    /// Gets the place from `to` on ready for `len` products.
    fn begin(&mut self, to: usize, len: usize);
    /// Puts some products at `at`, in a place that is ready.
    fn put(&mut self, at: usize, products: &S, range: Range<usize>);
}

impl<F: Field> Registers<Shares<F>> for Shares<F> {
    fn shares(&self) -> &Shares<F> {
        self
    }

    fn begin(&mut self, _: usize, _: usize) {}

    fn put(&mut self, at: usize, products: &Shares<F>, range: Range<usize>) {
        copy_shares(self, at, products, range.start, range.len());
    }
}

/// Places are numbers of bits.
impl Registers<BitShares> for BitBank {
    fn shares(&self) -> &BitShares {
        &self.s
    }

    fn begin(&mut self, to: usize, len: usize) {
        self.clear(to, len);
    }

    fn put(&mut self, at: usize, products: &BitShares, range: Range<usize>) {
        self.put_bits(at, products, range);
    }
}

/// Factors and products in the same registers.
pub(super) struct InPlace<'a, R> {
    registers: &'a mut R,
    runs: &'a [Factor],
    reader: Reader<'a>,
    targets: &'a [Run],
    /// How much of the first target that is left has been written.
    written: usize,
}

impl<'a, R> InPlace<'a, R> {
    /// The products of the runs for as many targets; see [`are_apart`].
    pub(super) fn new(registers: &'a mut R, runs: &'a [Factor], targets: &'a [Run]) -> Self {
        Self { registers, runs, reader: Reader::new(runs), targets, written: 0 }
    }
}

impl<S: Vector, R: Registers<S>> Work<S> for InPlace<'_, R> {
    fn runs(&self) -> &[Factor] {
        self.runs
    }

    fn read(&mut self, count: usize, x: &mut S, y: &mut S) {
        let registers = self.registers.shares();
        self.reader.read([registers, registers], count, x, y);
    }

    fn write(&mut self, products: &S) {
        let mut start = 0;
        while start < products.len() {
            let (to, len) = self.targets[0];
            if self.written == 0 {
                self.registers.begin(to, len);
            }
            let part = (len - self.written).min(products.len() - start);
            self.registers.put(to + self.written, products, start..start + part);
            start += part;
            self.written += part;
            if self.written == len {
                (self.targets, self.written) = (&self.targets[1..], 0);
            }
        }
    }
}

/// Whether there are many products and no target holds a factor, so that none is written over before it is read.
pub(super) fn are_apart(runs: &[Factor], targets: &[Run]) -> bool {
    if targets.iter().map(|(_, len)| len).sum::<usize>() < PRODUCTS_MIN {
        return false;
    }
    let factors = runs.iter().flat_map(|run| [(run.x, run.len), (run.y, if run.one_y { 1 } else { run.len })]);
    let mut ranges: Vec<(usize, usize, usize)> = factors.map(|(start, len)| (start, start + len, 0)).collect();
    ranges.extend(targets.iter().map(|&(start, len)| (start, start + len, 1)));
    ranges.sort_unstable();
    // In order of their starts, each must begin behind the ends of all of the other sort.
    let mut ends = [0; 2];
    ranges.iter().filter(|(start, end, _)| start < end).all(|&(start, end, sort)| {
        ends[sort] = end.max(ends[sort]);
        ends[1 - sort] <= start
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(x: usize, y: usize, len: usize) -> Factor {
        Factor { x, y, len, one_y: false }
    }

    #[test]
    fn few_products_and_those_in_the_place_of_factors_are_gathered_first() {
        assert!(are_apart(&[run(0, 1024, 1024)], &[(2048, 1024)]));
        assert!(are_apart(&[run(0, 0, 512), run(4096, 512, 512)], &[(1024, 512), (2000, 512)]));
        assert!(!are_apart(&[run(0, 512, 512)], &[(1024, 512)]), "few");
        assert!(!are_apart(&[run(0, 1024, 1024)], &[(2047, 1024)]));
        assert!(!are_apart(&[run(0, 1024, 1024)], &[(0, 1024)]));
        let scalar = Factor { one_y: true, ..run(0, 3000, 1024) };
        assert!(are_apart(&[scalar], &[(1024, 1024)]));
        assert!(!are_apart(&[scalar], &[(2000, 1024)]));
    }

    proptest! {
        #[test]
        fn ranges_are_apart_if_no_place_is_in_two(
            runs in prop::collection::vec((0usize..9000, 0usize..9000, 500usize..900), 2..5),
            targets in prop::collection::vec(0usize..9000, 5),
        ) {
            let runs: Vec<Factor> = runs.into_iter().map(|(x, y, len)| run(x, y, len)).collect();
            let targets: Vec<Run> = targets.into_iter().zip(&runs).map(|(to, run)| (to, run.len)).collect();
            prop_assume!(targets.iter().map(|(_, len)| len).sum::<usize>() >= PRODUCTS_MIN);
            let meet = |from: usize, (to, len): Run, own: usize| from < to + len && to < from + own;
            let overlap = runs.iter().any(|run| {
                targets.iter().any(|&target| meet(run.x, target, run.len) || meet(run.y, target, run.len))
            });
            prop_assert_eq!(are_apart(&runs, &targets), !overlap);
        }
    }
}

//! What is made is uniform, and says nothing of anything else that is made.

use super::{Columns, Maker, World};
use crate::field::Field;
use crate::share::Shares;
use crate::sim::Simulator;
use crate::statistics::{assert_fair, assert_independent, assert_uniform};
use crate::tuples::{InputMasks, Kind, MatrixTriples, Shape};
use std::collections::BTreeSet;

const P: u128 = 257;
/// C is a sum of two products.
const SHAPE: Shape = Shape { rows: 1, inner: 2, columns: 1 };

/// What one party holds of everything: tuples of each kind, masks of party 0, and matrix triples.
struct All<F: Field> {
    columns: Vec<Columns<F>>,
    masks: InputMasks<F>,
    matrices: MatrixTriples<F>,
}

type Part<F> = fn(&All<F>) -> &Shares<F>;

/// How the values of a column are distributed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Law {
    Uniform,
    NotZero,
    Bit,
    /// Follows from others.
    Product,
}

impl Law {
    fn of(kind: Kind, column: usize) -> Self {
        match (kind, column) {
            (Kind::Triple, 2) | (Kind::Square, 1) => Law::Product,
            (Kind::Inverse, _) => Law::NotZero,
            (Kind::Bit, _) => Law::Bit,
            _ => Law::Uniform,
        }
    }
}

/// One element of every tuple.
struct Column<F: Field> {
    story: String,
    law: Law,
    /// Whether it is compared with columns of other kinds.
    leads: bool,
    values: Vec<u128>,
    shares: Vec<Shares<F>>,
}

impl<G: Maker> World<G> {
    fn everything(&self, count: usize) -> Vec<All<G::Field>> {
        self.established(&mut Simulator::new(self.seed, self.n), async |mut party, mut mac, mut setup| {
            let mut columns = Vec::new();
            for kind in Kind::STOCK {
                columns.push(setup.generate(&mut party, &mut mac, kind, count).await.expect("honest parties"));
            }
            let masks = setup.masks(&mut party, &mut mac, 0, count).await.expect("honest parties");
            let matrices = setup.matrices(&mut party, &mut mac, SHAPE, count).await.expect("honest parties");
            All { columns, masks, matrices }
        })
    }

    fn column(&self, story: String, law: Law, leads: bool, shares: Vec<Shares<G::Field>>) -> Column<G::Field> {
        let values = self.open(&shares.iter().collect::<Vec<_>>());
        Column { story, law, leads, values: values.iter().map(|&x| self.field.to_bits(x)).collect(), shares }
    }

    fn columns(&self, all: &[All<G::Field>]) -> Vec<Column<G::Field>> {
        let mut columns = Vec::new();
        for (k, kind) in Kind::STOCK.into_iter().enumerate() {
            self.check(kind, &all.iter().map(|all| &all.columns[k]).collect::<Vec<_>>());
            for c in 0..kind.arity() {
                let leads = c == 0 || (kind, c) == (Kind::Triple, 1);
                let shares = all.iter().map(|all| all.columns[k][c].clone()).collect();
                columns.push(self.column(format!("{kind:?} {c}"), Law::of(kind, c), leads, shares));
            }
        }
        let masks = all.iter().map(|all| all.masks.shares.clone()).collect();
        columns.push(self.column("mask".into(), Law::Uniform, true, masks));
        for (name, law, of) in [
            ("A", Law::Uniform, (|all| &all.matrices.a) as Part<G::Field>),
            ("B", Law::Uniform, |all| &all.matrices.b),
            ("C", Law::Product, |all| &all.matrices.c),
        ] {
            let width = of(&all[0]).len() / all[0].matrices.count();
            for at in 0..width {
                let shares = all.iter().map(|all| every(of(all), at, width)).collect();
                columns.push(self.column(format!("{name} {at}"), law, law == Law::Uniform, shares));
            }
        }
        columns
    }

    /// In GF(257): every value and every share of it is uniform, values are independent of their shares, of their
    /// neighbours and of other columns, and bits of their shares.
    pub fn everything_is_uniform(&self, count: usize) {
        let bits =
            |x: &[<G::Field as Field>::Element]| -> Vec<u128> { x.iter().map(|&x| self.field.to_bits(x)).collect() };
        let columns = self.columns(&self.everything(count));
        for Column { story, law, values, shares, .. } in &columns {
            match law {
                Law::Bit => assert_fair(values.iter().filter(|&&bit| bit == 1).count(), count, story),
                Law::NotZero => assert_uniform(values.iter().map(|&x| x as usize - 1), 256, story),
                Law::Uniform => uniform(values, story),
                Law::Product => {}
            }
            for share in shares.iter().map(|share| bits(&share.values)) {
                uniform(&share, &format!("{story}, shares"));
                if *law != Law::Product {
                    independent(values, &share, *law == Law::Bit, &format!("{story}, and its share"));
                }
            }
            shares.iter().for_each(|share| uniform(&bits(&share.macs), &format!("{story}, MACs")));
            if !matches!(law, Law::Product | Law::Bit) {
                independent(&values[1..], &values[..count - 1], false, &format!("{story}, neighbours"));
            }
        }
        // The first columns of all kinds, a and b of triples, all elements of A and B.
        let firsts: Vec<_> = columns.iter().filter(|column| column.leads).collect();
        for (k, x) in firsts.iter().enumerate() {
            for y in firsts[..k].iter().filter(|y| y.law != Law::Bit) {
                let story = format!("{} and {}", x.story, y.story);
                independent(&x.values, &y.values, x.law == Law::Bit, &story);
            }
        }
    }

    /// In a large field: no value is the sum, difference or product of two others but for what tuples are. A mask
    /// that is, as MP-SPDZ once made them, is known to whoever sees the others opened.
    pub fn no_value_follows_from_others(&self) {
        const COUNT: usize = 5;
        let all = self.everything(COUNT);
        let f = &self.field;
        let mut values = Vec::new();
        for (k, kind) in Kind::STOCK.into_iter().enumerate().filter(|(_, kind)| *kind != Kind::Bit) {
            values.extend(self.check(kind, &all.iter().map(|all| &all.columns[k]).collect::<Vec<_>>()).concat());
        }
        let shares: [Part<G::Field>; 4] =
            [|all| &all.masks.shares, |all| &all.matrices.a, |all| &all.matrices.b, |all| &all.matrices.c];
        for of in shares {
            values.extend(self.open(&all.iter().map(of).collect::<Vec<_>>()));
        }
        let known: BTreeSet<u128> = values.iter().map(|&x| f.to_bits(x)).collect();
        assert_eq!(known.len(), values.len(), "all are different");
        let (mut products, mut sums) = (0, 0);
        for (i, &x) in values.iter().enumerate() {
            for &y in &values[..=i] {
                products += usize::from(known.contains(&f.to_bits(f.mul(x, y))));
                sums += usize::from(known.contains(&f.to_bits(f.add(x, y))));
                sums += usize::from(x != y && known.contains(&f.to_bits(f.sub(x, y))));
            }
        }
        assert_eq!((products, sums), (2 * COUNT, 0), "products of triples and squares, and nothing else");
    }
}

/// Element `at` of every `width`.
fn every<F: Field>(shares: &Shares<F>, at: usize, width: usize) -> Shares<F> {
    let mut column = Shares::default();
    for (value, mac) in (at..shares.len()).step_by(width).map(|k| shares.get(k)) {
        column.push(value, mac);
    }
    column
}

fn uniform(values: &[u128], story: &str) {
    assert_uniform(values.iter().map(|&x| x as usize), P as usize, story);
}

/// Sixteenths of what is below 256; a bit is one of two.
fn independent(x: &[u128], y: &[u128], x_is_bit: bool, story: &str) {
    let pairs = x.iter().zip(y).filter(|&(&x, &y)| x < P - 1 && y < P - 1);
    let pairs = pairs.map(|(&x, &y)| (x as usize, y as usize / 16));
    if x_is_bit {
        assert_uniform(pairs.map(|(x, y)| 16 * x + y), 32, story);
    } else {
        assert_independent(pairs.map(|(x, y)| (x / 16, y)), 16, story);
    }
}

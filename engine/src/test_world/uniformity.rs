//! What is made is uniform, and says nothing of anything else that is made.

use super::{Columns, Maker, World};
use crate::field::Field;
use crate::share::Shares;
use crate::sim::Simulator;
use crate::statistics::{assert_fair, assert_independent, assert_uniform};
use crate::tuples::{InputMasks, Kind};
use std::collections::BTreeSet;

const P: u128 = 257;

/// What one party holds of everything: tuples of each kind, and masks of party 0.
struct All<F: Field> {
    columns: Vec<Columns<F>>,
    masks: InputMasks<F>,
}

impl<G: Maker> World<G> {
    fn everything(&self, count: usize) -> Vec<All<G::Field>> {
        self.established(&mut Simulator::new(self.seed, self.n), async |mut party, mut mac, mut setup| {
            let mut columns = Vec::new();
            for kind in Kind::STOCK {
                columns.push(setup.generate(&mut party, &mut mac, kind, count).await.expect("honest parties"));
            }
            let masks = setup.masks(&mut party, &mut mac, 0, count).await.expect("honest parties");
            All { columns, masks }
        })
    }

    /// In GF(257): every value and every share of it is uniform, values are independent of their shares, of their
    /// neighbours and of other columns, and bits of their shares.
    pub fn everything_is_uniform(&self, count: usize) {
        let all = self.everything(count);
        let bits =
            |x: &[<G::Field as Field>::Element]| -> Vec<u128> { x.iter().map(|&x| self.field.to_bits(x)).collect() };
        let mut columns = Vec::new();
        for (k, kind) in Kind::STOCK.into_iter().enumerate() {
            let of_kind: Vec<_> = all.iter().map(|all| &all.columns[k]).collect();
            for (c, values) in self.check(kind, &of_kind).iter().enumerate() {
                let shares: Vec<&Shares<G::Field>> = of_kind.iter().map(|columns| &columns[c]).collect();
                columns.push((kind, c, bits(values), shares));
            }
        }
        let masks: Vec<_> = all.iter().map(|all| &all.masks.shares).collect();
        columns.push((Kind::InputMask, 0, bits(&self.open(&masks)), masks));
        for (kind, c, values, shares) in &columns {
            let story = format!("{kind:?} {c}");
            let product = matches!((kind, c), (Kind::Triple, 2) | (Kind::Square, 1));
            match (kind, c) {
                (Kind::Bit, _) => assert_fair(values.iter().filter(|&&bit| bit == 1).count(), count, &story),
                (Kind::Inverse, _) => assert_uniform(values.iter().map(|&x| x as usize - 1), 256, &story),
                _ if product => {}
                _ => uniform(values, &story),
            }
            for share in shares.iter().map(|share| bits(&share.values)) {
                uniform(&share, &format!("{story}, shares"));
                if !product {
                    independent(values, &share, *kind == Kind::Bit, &format!("{story}, and its share"));
                }
            }
            shares.iter().for_each(|share| uniform(&bits(&share.macs), &format!("{story}, MACs")));
            if !product && *kind != Kind::Bit {
                independent(&values[1..], &values[..count - 1], false, &format!("{story}, neighbours"));
            }
        }
        // The first columns of all kinds, and a and b of triples.
        let firsts: Vec<_> =
            columns.iter().filter(|(kind, c, ..)| *c == 0 || (*kind, *c) == (Kind::Triple, 1)).collect();
        for (k, (kind, _, x, _)) in firsts.iter().enumerate() {
            for (other, _, y, _) in firsts[..k].iter().filter(|(other, ..)| *other != Kind::Bit) {
                independent(x, y, *kind == Kind::Bit, &format!("{kind:?} and {other:?}"));
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
        values.extend(self.open(&all.iter().map(|all| &all.masks.shares).collect::<Vec<_>>()));
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

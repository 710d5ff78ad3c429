//! Products of matrices with matrix triples: the same results for less.

mod vm_harness;

use polyyne_bytecode::{Amount, Item};
use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::{Field, PrimeField};
use polyyne_engine::port::Rng;
use polyyne_engine::tuples::{InputMasks, MatrixTriples, Pairs, Pool, Shape, Shortage, Triples, Tuples};
use polyyne_engine::vm::forecast;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use vm_harness::{Ended, Setup, field, folder, load, run, run_metered, verify};

/// What one party has spent.
#[derive(Default)]
struct Spent {
    triples: usize,
    matrices: usize,
    /// Asked for where there was none.
    missed: usize,
}

/// A source with matrix triples beside the dealer's tuples.
struct Stocked {
    inner: Box<dyn Tuples<PrimeField>>,
    matrices: Pool<PrimeField>,
    spent: Arc<Mutex<Spent>>,
}

impl Tuples<PrimeField> for Stocked {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        self.spent.lock().unwrap().triples += count;
        self.inner.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.inner.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.inner.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<polyyne_engine::share::Shares<PrimeField>, Shortage> {
        self.inner.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<polyyne_engine::share::Shares<PrimeField>, Shortage> {
        self.inner.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        self.inner.input_masks(owner, count)
    }
    fn matrices(&mut self, shape: Shape) -> Option<MatrixTriples<PrimeField>> {
        let found = self.matrices.matrices(shape);
        let mut spent = self.spent.lock().unwrap();
        *(if found.is_some() { &mut spent.matrices } else { &mut spent.missed }) += 1;
        found
    }
}

/// Random triples as the dealer of a run would share them with a party.
fn dealt(setup: &Setup, party: usize, stock: &BTreeMap<Shape, usize>) -> Pool<PrimeField> {
    let f = field();
    let dealer = Dealer::new(f, setup.n, [setup.seed as u8; 32]);
    let mut rng = Rng::seed_from_u64(3);
    let mut pool = Pool::new();
    for (&shape, &count) in stock {
        for _ in 0..count {
            let (a, b) = (f.random_vec(&mut rng, shape.left()), f.random_vec(&mut rng, shape.right()));
            let element = |row: usize, column: usize| {
                f.sum((0..shape.inner).map(|k| f.mul(a[row * shape.inner + k], b[k * shape.columns + column])))
            };
            let c: Vec<_> = (0..shape.product()).map(|at| element(at / shape.columns, at % shape.columns)).collect();
            let [a, b, c] = [a, b, c].map(|values| dealer.share(&mut rng, &values).swap_remove(party));
            pool.add_matrices(MatrixTriples { shape, a, b, c });
        }
    }
    pool
}

/// The products of matrices that a walk through a program foresees.
fn foreseen(name: &str, n: usize) -> BTreeMap<Shape, usize> {
    let forecast = forecast(&verify(load(name), n), 0, 1 << 24).unwrap();
    let shape = |(item, amount)| match (item, amount) {
        (Item::Matmul { rows, inner, columns }, Amount::Exactly(count)) => {
            let [rows, inner, columns] = [rows, inner, columns].map(|size| size as usize);
            Some((Shape { rows, inner, columns }, count as usize))
        }
        _ => None,
    };
    forecast.bill.items().filter_map(shape).collect()
}

fn run_with_stock(name: &str, setup: &Setup, stock: &BTreeMap<Shape, usize>) -> (Vec<Ended>, Spent) {
    let spent = Arc::new(Mutex::new(Spent::default()));
    let ended = run_metered(&verify(load(name), setup.n), setup, |party, inner| {
        let spent = if party == 0 { Arc::clone(&spent) } else { Arc::default() };
        Box::new(Stocked { inner, matrices: dealt(setup, party, stock), spent })
    });
    (ended, Arc::into_inner(spent).unwrap().into_inner().unwrap())
}

#[test]
#[allow(clippy::disallowed_methods)] // a test reads what a program prints
fn products_with_matrix_triples_are_the_same_and_spend_one_for_each_that_was_foreseen() {
    let name = "c11_matmul";
    let expected = std::fs::read_to_string(folder().join("expected").join(format!("{name}.txt"))).unwrap();
    for n in 2..=3 {
        let setup = Setup { threads: false, ..Setup::new(n) };
        let stock = foreseen(name, n);
        assert!(stock.len() > 1, "shapes of the program: {stock:?}");
        let (ordinary, without) = run_with_stock(name, &setup, &BTreeMap::new());
        let (ended, with) = run_with_stock(name, &setup, &stock);
        for ended in [&ordinary[0], &ended[0]] {
            ended.result.as_ref().unwrap();
            assert_eq!(String::from_utf8_lossy(&ended.printed), expected);
        }
        let (products, multiplications) = stock
            .iter()
            .fold((0, 0), |(products, all), (shape, count)| (products + count, all + count * shape.multiplications()));
        assert_eq!((without.matrices, without.missed), (0, products));
        assert_eq!((with.matrices, with.missed), (products, 0));
        assert_eq!(with.triples + multiplications, without.triples);
    }
}

/// Members have the same stock; what is there is used, and the rest is multiplied as ever.
#[test]
fn where_a_shape_is_short_the_other_products_take_triples_of_elements() {
    let name = "c11_matmul";
    let setup = Setup { threads: false, ..Setup::new(2) };
    let mut stock = foreseen(name, 2);
    stock.pop_first();
    stock.values_mut().for_each(|count| *count -= 1);
    let (ended, spent) = run_with_stock(name, &setup, &stock);
    let plain = run(&verify(load(name), 2), &setup);
    assert_eq!(ended[0].printed, plain[0].printed);
    assert!(ended[0].result.is_ok() && spent.missed > 0, "{}", spent.missed);
    assert_eq!(spent.matrices, stock.values().sum::<usize>());
}

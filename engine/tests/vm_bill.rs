//! What programs spend, against what their compiler declared.

mod vm_harness;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use polyyne_bytecode::{Amount, Bill, Item, TupleDomain};
use polyyne_engine::field::PrimeField;
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::{InputMasks, Kind, Pairs, Shortage, Triples, Tuples};
use vm_harness::{Setup, load, run_metered, verify};

type Counts = Arc<Mutex<BTreeMap<Kind, usize>>>;

/// Counts what is taken.
struct Meter {
    inner: Box<dyn Tuples<PrimeField>>,
    counts: Counts,
}

impl Meter {
    fn count(&self, kind: Kind, count: usize) {
        *self.counts.lock().unwrap().entry(kind).or_default() += count;
    }
}

impl Tuples<PrimeField> for Meter {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        self.count(Kind::Triple, count);
        self.inner.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.count(Kind::Square, count);
        self.inner.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.count(Kind::Inverse, count);
        self.inner.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.count(Kind::Bit, count);
        self.inner.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.count(Kind::Random, count);
        self.inner.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        self.count(Kind::InputMask, count);
        self.inner.input_masks(owner, count)
    }
}

fn spent(name: &str) -> BTreeMap<Kind, u64> {
    let program = verify(load(name), 2);
    let counts = Counts::default();
    let ended = run_metered(&program, &Setup::new(2), |party, inner| match party {
        0 => Box::new(Meter { inner, counts: Arc::clone(&counts) }),
        _ => inner,
    });
    ended[0].result.as_ref().unwrap();
    counts.lock().unwrap().iter().map(|(&kind, &count)| (kind, count as u64)).collect()
}

fn declared(name: &str) -> BTreeMap<Kind, u64> {
    let program = load(name);
    let bill = Bill::of(&program);
    let masks = (0..2).map(|player| Item::Input(TupleDomain::Prime, player));
    let count = |item| match bill.amount(item) {
        Amount::Exactly(count) => count,
        Amount::Unknown => panic!("{name} declares no fixed number of {item:?}"),
    };
    let items = [
        (Kind::Triple, Item::Triple(TupleDomain::Prime)),
        (Kind::Square, Item::Square(TupleDomain::Prime)),
        (Kind::Inverse, Item::Inverse(TupleDomain::Prime)),
        (Kind::Bit, Item::Bit(TupleDomain::Prime)),
        (Kind::Random, Item::Random(TupleDomain::Prime)),
    ];
    let all = items.map(|(kind, item)| (kind, count(item))).into_iter();
    all.chain([(Kind::InputMask, masks.map(count).sum())]).filter(|&(_, count)| count > 0).collect()
}

#[test]
fn a_program_without_secret_dependent_shapes_spends_exactly_what_it_declares() {
    for name in [
        "c03_arith",
        "c04_compare",
        "c05_sfix_exact",
        "c06_sfix_math",
        "c07_sfloat",
        "c08_arrays",
        "c09_loops",
        "c10_threads",
        "c11_matmul",
        "c14_bits",
        "c15_intdiv",
        "c23_functions",
        "c27_random",
        "c28_vector_memory",
    ] {
        assert_eq!(spent(name), declared(name), "{name}");
    }
}

/// The compiler counts both sides of a branch, padding of convolutions, and networks of powers of two.
#[test]
fn no_program_spends_more_than_it_declares() {
    for name in ["c13_shuffle", "c30_conv", "c32_known_prime"] {
        let declared = declared(name);
        for (kind, count) in spent(name) {
            let allowed = declared.get(&kind).copied().unwrap_or(0);
            assert!(count <= allowed, "{name}: {count} of {kind:?}, {allowed} declared");
        }
    }
}

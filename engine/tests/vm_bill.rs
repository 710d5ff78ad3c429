//! What programs spend, against what their compiler declared.

mod vm_harness;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use polyyne_bytecode::{Amount, Bill, Item, Opcode, TupleDomain};
use polyyne_engine::field::PrimeField;
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::{Counts as Parts, InputMasks, Kind, Pairs, Shortage, Triples, Tuples};
use polyyne_engine::vm::{Unforeseen, forecast};
use vm_harness::{Line, Setup, load, program, run_metered, verify};

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
    fn split(&mut self, counts: &Parts) -> Result<Box<dyn Tuples<PrimeField>>, Shortage> {
        counts.iter().for_each(|(&kind, &count)| self.count(kind, count));
        self.inner.split(counts)
    }
}

fn spent(name: &str, n: usize) -> BTreeMap<Kind, u64> {
    let program = verify(load(name), n);
    let counts = Counts::default();
    let ended = run_metered(&program, &Setup::new(n), |party, inner| match party {
        0 => Box::new(Meter { inner, counts: Arc::clone(&counts) }),
        _ => inner,
    });
    ended[0].result.as_ref().unwrap();
    let counts = counts.lock().unwrap();
    counts.iter().filter(|&(_, &count)| count > 0).map(|(&kind, &count)| (kind, count as u64)).collect()
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

/// What a walk through the program foresees, over the prime field.
fn foreseen(name: &str, n: usize) -> Result<BTreeMap<Kind, u64>, Unforeseen> {
    let forecast = forecast(&verify(load(name), n), u32::MAX, 1 << 24)?;
    let mut counts = BTreeMap::new();
    for (item, amount) in forecast.bill.items() {
        let Amount::Exactly(count) = amount else { panic!("{name}: {item:?} is unknown") };
        let kind = match item {
            Item::Triple(TupleDomain::Prime) => Kind::Triple,
            Item::Square(TupleDomain::Prime) => Kind::Square,
            Item::Inverse(TupleDomain::Prime) => Kind::Inverse,
            Item::Bit(TupleDomain::Prime) => Kind::Bit,
            Item::Random(TupleDomain::Prime) => Kind::Random,
            Item::Input(TupleDomain::Prime, _) => Kind::InputMask,
            _ => continue,
        };
        *counts.entry(kind).or_default() += count;
    }
    Ok(counts)
}

#[test]
fn what_a_walk_foresees_is_what_is_taken_whatever_the_number_of_parties() {
    for name in [
        "c03_arith",
        "c04_compare",
        "c05_sfix_exact",
        "c06_sfix_math",
        "c07_sfloat",
        "c08_arrays",
        "c10_threads",
        "c11_matmul",
        "c13_shuffle",
        "c14_bits",
        "c15_intdiv",
        "c19_compare_edabit",
        "c20_compare_dabit",
        "c23_functions",
        "c27_random",
        "c28_vector_memory",
        "c30_conv",
    ] {
        for n in 2..=3 {
            assert_eq!(foreseen(name, n), Ok(spent(name, n)), "{name}, {n} parties");
        }
    }
}

#[test]
fn a_jump_that_depends_on_an_opened_value_is_not_foreseen() {
    let lines: &[Line<'_>] = &[
        ("ldsi", 0, &[0, 2]),
        ("open", 0, &[1, 0, 0]),
        ("convmodp", 0, &[0, 0, 0, 64]),
        ("ldint", 0, &[1, 1]),
        ("subint", 0, &[0, 0, 1]),
        ("jmpnz", 0, &[0, -2]),
    ];
    let unforeseen = forecast(&verify(program(&[lines]), 2), 0, 1000);
    let tape = "tape-0".to_owned();
    assert_eq!(unforeseen, Err(Unforeseen::Value { tape, pc: 5, opcode: Opcode::Jmpnz }));
}

#[test]
fn a_walk_ends_where_a_run_would_not() {
    let endless: &[Line<'_>] = &[("jmp", 0, &[-1])];
    assert_eq!(forecast(&verify(program(&[endless]), 2), 0, 1000), Err(Unforeseen::Long(1000)));
    let recursive: &[Line<'_>] = &[("ldint", 0, &[0, 0]), ("call_tape", 0, &[0, 0])];
    assert_eq!(forecast(&verify(program(&[recursive]), 2), 0, 1 << 20), Err(Unforeseen::Long(1 << 20)));
    let divided: &[Line<'_>] = &[("divint", 0, &[0, 1, 2])];
    let fails = forecast(&verify(program(&[divided]), 2), 0, 1000);
    assert!(matches!(fails, Err(Unforeseen::Fails { pc: 0, .. })));
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
        assert_eq!(spent(name, 2), declared(name), "{name}");
    }
}

/// The compiler counts both sides of a branch, padding of convolutions, and networks of powers of two.
#[test]
fn no_program_spends_more_than_it_declares() {
    for name in ["c13_shuffle", "c30_conv", "c32_known_prime"] {
        let declared = declared(name);
        for (kind, count) in spent(name, 2) {
            let allowed = declared.get(&kind).copied().unwrap_or(0);
            assert!(count <= allowed, "{name}: {count} of {kind:?}, {allowed} declared");
        }
    }
}

//! Whether the time of an operation depends on its secrets: the method of dudect (Reparaz, Balasch, Verbauwhede, DATE
//! 2017). An operation is timed for a fixed secret and for random ones, in random order; Welch's t says whether the two
//! distributions of times have the same mean, for all times and for those below each of several percentiles, so that
//! interrupts do not hide a small difference. |t| above [`SUSPECT`] needs a second look, above [`LEAK`] there is a leak.
//!
//! What it does not see: leaks that these secrets do not show, on a processor or in a build other than the measured
//! one. Every kind of operation has a twin that leaks, and must be found out. Only tests and the bench `constant_time`
//! are built with this module; the clock is theirs.

use crate::commitment;
use crate::digest::Hash;
use crate::field::{BinaryField, Field, Fp, PrimeField};
use crate::party::PartyIndex;
use crate::port::Rng;
use crate::prg::Prg;
use rand_core::Rng as _;
use std::hint::black_box;

/// |t| from which on a result may be chance no longer.
pub const SUSPECT: f64 = 4.5;
/// |t| from which on there is a leak.
pub const LEAK: f64 = 10.0;

/// Inputs prepared together.
const BATCH: usize = 128;
/// Fewest times of a class for a t of cropped ones.
const FEWEST: usize = 200;

/// Runs what it is given and says how long that took.
pub type Clock<'a> = dyn FnMut(&mut dyn FnMut()) -> u64 + 'a;

/// Which secret an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Fixed,
    Random,
}

type Timed = Box<dyn Fn(&mut Rng, usize, &mut Clock<'_>) -> [Vec<u64>; 2]>;

/// An operation with its secret inputs.
pub struct Probe {
    pub name: &'static str,
    /// A twin that must be found out.
    pub leaks: bool,
    /// Whether one run takes so long that fewer are measured.
    pub slow: bool,
    timed: Timed,
}

impl Probe {
    /// `run` is timed on what `prepare` gives.
    pub fn new<I: 'static, T: 'static>(
        name: &'static str,
        prepare: impl Fn(&mut Rng, Class) -> I + 'static,
        run: impl Fn(&mut I) -> T + 'static,
    ) -> Self {
        let timed = move |rng: &mut Rng, samples: usize, clock: &mut Clock<'_>| {
            let mut times = [Vec::new(), Vec::new()];
            while times[0].len() + times[1].len() < samples {
                let classes: Vec<Class> =
                    (0..BATCH).map(|_| if rng.next_u32() & 1 == 0 { Class::Fixed } else { Class::Random }).collect();
                let mut inputs: Vec<I> = classes.iter().map(|&class| prepare(rng, class)).collect();
                for (input, class) in inputs.iter_mut().zip(classes) {
                    let mut output = None;
                    let time = clock(&mut || output = Some(run(black_box(&mut *input))));
                    black_box(output);
                    times[class as usize].push(time);
                }
            }
            times
        };
        Self { name, leaks: false, slow: false, timed: Box::new(timed) }
    }

    /// This one leaks.
    pub fn leaking(mut self) -> Self {
        self.leaks = true;
        self
    }

    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// The greatest |t| of so many runs.
    pub fn measure(&self, rng: &mut Rng, samples: usize, clock: &mut Clock<'_>) -> f64 {
        // The first runs fill caches and predictors.
        (self.timed)(rng, samples / 20, clock);
        greatest_t(&(self.timed)(rng, samples, clock))
    }
}

/// |t| of Welch for two samples.
fn welch(samples: [&[u64]; 2]) -> f64 {
    let moments = |sample: &[u64]| {
        let count = sample.len() as f64;
        let mean = sample.iter().map(|&x| x as f64).sum::<f64>() / count;
        let squares = sample.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    };
    let [(x, x_error), (y, y_error)] = samples.map(moments);
    let error = (x_error + y_error).sqrt();
    if error > 0.0 { (x - y).abs() / error } else { 0.0 }
}

/// The greatest |t| of all times, and of those up to each percentile 1 − 2^-k/2 of both classes together.
fn greatest_t(times: &[Vec<u64>; 2]) -> f64 {
    let mut all: Vec<u64> = times.concat();
    all.sort_unstable();
    let cropped = |k: u32| {
        let limit = all[((all.len() as f64 * (1.0 - 0.5f64.powf(k as f64 / 2.0))) as usize).min(all.len() - 1)];
        let [x, y] = [0, 1].map(|class| times[class].iter().copied().filter(|&time| time <= limit).collect::<Vec<_>>());
        if x.len().min(y.len()) < FEWEST { 0.0 } else { welch([&x, &y]) }
    };
    (1..=20).map(cropped).fold(welch([&times[0], &times[1]]), f64::max)
}

/// Elements of one operation: enough to stand out from the clock.
const MANY: usize = 128;

fn elements(f: PrimeField) -> impl Fn(&mut Rng, Class) -> Vec<[Fp; 2]> {
    move |rng, class| {
        let mut pairs: Vec<[Fp; 2]> = (0..MANY).map(|_| [f.random(rng), f.random(rng)]).collect();
        if class == Class::Fixed {
            pairs.iter_mut().for_each(|pair| pair[0] = f.zero());
        }
        pairs
    }
}

fn of_elements(name: &'static str, operation: impl Fn(&PrimeField, Fp, Fp) -> Fp + 'static) -> Probe {
    let f = PrimeField::carbyne();
    Probe::new(name, elements(f), move |pairs| pairs.iter_mut().for_each(|[a, b]| *b = operation(&f, *a, *b)))
}

/// Double and add, with a branch for every bit.
fn branching_product(f: &PrimeField, a: Fp, b: Fp) -> Fp {
    let mut sum = f.zero();
    for bit in (0..128).rev() {
        sum = f.add(sum, sum);
        if black_box(f.to_u128(a)) >> bit & 1 == 1 {
            sum = f.add(sum, b);
        }
    }
    sum
}

fn digest(rng: &mut Rng) -> Hash {
    let mut digest = Hash::default();
    rng.fill_bytes(&mut digest);
    digest
}

/// An opening with what is said to be its commitment: but for the last byte right, or wrong altogether.
fn claimed(rng: &mut Rng, class: Class) -> (Vec<u8>, Hash) {
    let opening = [digest(rng), digest(rng)].concat();
    let mut commitment = commitment::of_opening(&[7; 32], PartyIndex(0), 1, &opening);
    match class {
        Class::Fixed => commitment[31] ^= 1,
        Class::Random => commitment = digest(rng),
    }
    (opening, commitment)
}

/// Byte after byte until they differ.
fn branching_equality(a: &[u8], b: &[u8]) -> bool {
    for (x, y) in a.iter().zip(b) {
        if black_box(*x) != *y {
            return false;
        }
    }
    true
}

fn sigma() -> Probe {
    let f = PrimeField::carbyne();
    let prepare = move |rng: &mut Rng, class| {
        let alpha = if class == Class::Fixed { f.zero() } else { f.random(rng) };
        (alpha, f.random_vec(rng, MANY), f.random_vec(rng, MANY))
    };
    Probe::new("MAC check: key", prepare, move |(alpha, macs, values)| {
        let words: Vec<u128> = (0..MANY as u128).map(|k| k << 70 | 5).collect();
        f.sub(f.combine(&words, macs), f.mul(*alpha, f.combine(&words, values)))
    })
}

/// All operations and twins.
pub fn probes() -> Vec<Probe> {
    let binary = BinaryField::new(128).expect("a field for bits");
    let words = |rng: &mut Rng, class| -> Vec<[u128; 2]> {
        let word = |rng: &mut Rng| (rng.next_u64() as u128) << 64 | rng.next_u64() as u128;
        (0..MANY).map(|_| [if class == Class::Fixed { 0 } else { word(rng) }, word(rng)]).collect()
    };
    let prime = PrimeField::carbyne();
    let seeds = |rng: &mut Rng, class| if class == Class::Fixed { [0; 32] } else { digest(rng) };
    let mut probes = vec![
        of_elements("GF(p): sum", |f, a, b| f.add(a, b)),
        of_elements("GF(p): difference", |f, a, b| f.sub(a, b)),
        of_elements("GF(p): product", |f, a, b| f.mul(a, b)),
        of_elements("GF(p): inverse", |f, a, _| f.inv(a)).slow(),
        of_elements("GF(p): encoding", |f, a, b| f.add(b, f.element(f.to_u128(a)))),
        of_elements("twin: product with branches", branching_product).leaking(),
        Probe::new("GF(p): wide reduction", words, move |words| {
            words.iter().fold(prime.zero(), |sum, &word| prime.add(sum, crate::prg::wide_element(&prime, word)))
        }),
        Probe::new("GF(2^128): product", words, move |words| {
            words.iter().fold(binary.one(), |x, &[a, b]| binary.add(binary.mul(binary.cut(a), binary.cut(b)), x))
        }),
        Probe::new("sampling: elements", seeds, move |seed| Prg::new(*seed).elements(&prime, MANY)),
        sigma(),
        Probe::new("MAC check: commitment", claimed, |(opening, commitment)| {
            commitment::message_of(&[7; 32], PartyIndex(0), 1, commitment, opening).is_some()
        }),
        Probe::new("twin: comparison with a branch", claimed, |(opening, commitment)| {
            let own = commitment::of_opening(&[7; 32], PartyIndex(0), 1, opening);
            (0..MANY).filter(|_| branching_equality(black_box(&own), commitment)).count()
        })
        .leaking(),
    ];
    probes.extend(crate::mascot::timing::probes());
    probes.extend(crate::lowgear::timing::probes());
    probes.extend(crate::vm::timing());
    probes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    /// Times around 1000 with a deviation of about 30, one in a hundred of them interrupted.
    fn times(rng: &mut Rng, shift: u64, count: usize) -> Vec<u64> {
        let time = |_| {
            let noise: u64 = (0..12).map(|_| rng.next_u64() % 30).sum();
            let interrupt = if rng.next_u64().is_multiple_of(100) { rng.next_u64() % 1_000_000 } else { 0 };
            820 + noise + interrupt + shift
        };
        (0..count).map(time).collect()
    }

    #[test]
    fn equal_times_are_no_leak_and_a_thirtieth_of_their_deviation_is() {
        let mut rng = Rng::seed_from_u64(1);
        let mut t = |shift| greatest_t(&[times(&mut rng, 0, 200_000), times(&mut rng, shift, 200_000)]);
        assert!(t(0) < SUSPECT);
        assert!(t(2) > LEAK);
    }

    #[test]
    fn cropping_sees_what_interrupts_hide() {
        let mut rng = Rng::seed_from_u64(2);
        let samples = [times(&mut rng, 0, 20_000), times(&mut rng, 5, 20_000)];
        assert!(welch([&samples[0], &samples[1]]) < SUSPECT, "interrupts hide the difference");
        assert!(greatest_t(&samples) > LEAK);
    }

    #[test]
    fn t_is_that_of_the_textbook() {
        // Means 3 and 5, variances 2.5 and 10 of five each: 2/√(0.5 + 2).
        let t = welch([&[1, 2, 3, 4, 5], &[1, 3, 5, 7, 9]]);
        assert!((t - 2.0 / 2.5f64.sqrt()).abs() < 1e-12, "{t}");
    }

    /// A clock that counts what the probe tells it: the harness pairs times with classes.
    #[test]
    fn a_probe_whose_time_is_its_class_is_found_out() {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let shared = count.clone();
        let probe =
            Probe::new("", |_, class| class, move |class| shared.set(if *class == Class::Fixed { 5 } else { 6 }));
        let mut rng = Rng::seed_from_u64(3);
        let mut noise = Rng::seed_from_u64(4);
        let t = probe.measure(&mut rng, 2_000, &mut |run| {
            run();
            count.get() + noise.next_u64() % 4
        });
        assert!(t > LEAK, "{t}");
    }

    #[test]
    fn every_probe_runs_and_every_kind_has_a_twin() {
        let probes = probes();
        assert!(probes.iter().filter(|probe| probe.leaks).count() >= 5);
        for probe in &probes {
            let mut runs = 0;
            probe.measure(&mut Rng::seed_from_u64(5), 1, &mut |run| {
                run();
                runs += 1;
                runs
            });
            assert!(runs > 0, "{}", probe.name);
        }
    }
}

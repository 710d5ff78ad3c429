//! Making tuples: `offline.PROTOCOL.KIND`, and `offline.PROTOCOL.first` in a new cloud.

use indicatif::ProgressBar;
use polyyne_engine::field::PrimeField;
use polyyne_engine::generator::Protocol;
use polyyne_engine::tuples::{Kind, Shape};
use polyyne_protocol::limits::{CONCURRENCY_MAX, GENERATION_THREADS_MAX};
use std::collections::BTreeSet;

use crate::castor::TupleKind;
use crate::session::take::engine_kind;

use super::measured::{Filter, Measured};
use super::parties::Parties;
use super::party::Order;
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::config::Generation;

/// Tuples of the first batch in a new cloud.
const FIRST: usize = 256;
/// How long each kind is measured, at least.
const SECONDS_MIN: f64 = 4.0;
/// How long one order takes, at least, if it may be for more.
const ORDER_SECONDS_MIN: f64 = 2.0;
/// Bits of the edaBits that are measured: those that a comparison of 64-bit integers takes.
const EDABIT_BITS: u32 = 64;
/// The shape of the matrix triples that are measured.
const MATRIX: Shape = Shape { rows: 10, inner: 10, columns: 10 };
const PROTOCOLS: [&str; 2] = ["mascot", "lowgear"];

/// What is measured of one protocol, with the names of the measurements.
struct Plan {
    protocol: &'static str,
    first: String,
    kinds: Vec<(String, TupleKind)>,
}

/// Every kind that a protocol makes. What one party knows is party 0's.
fn kinds(protocol: &str) -> Vec<TupleKind> {
    let over_prime = || TupleKind::PRIME.into_iter().chain([TupleKind::mask(0)]);
    let mut kinds: Vec<TupleKind> =
        over_prime().chain([TupleKind::matrix(MATRIX).expect("a shape that there is")]).collect();
    if protocol == "mascot" {
        let edabit = TupleKind::edabit(EDABIT_BITS).expect("a length that there is");
        kinds.extend([TupleKind::AND_TRIPLE, TupleKind::SHARED_BIT, TupleKind::bit_mask(0), TupleKind::DABIT, edabit]);
        kinds.extend([40, 128].into_iter().flat_map(|degree| over_prime().map(move |kind| kind.over_binary(degree))));
    }
    kinds
}

/// What a kind is called in the names of measurements.
fn label(kind: TupleKind) -> String {
    match kind {
        kind if kind == TupleKind::mask(0) => "input_mask".into(),
        kind => kind.family().replace('-', "_"),
    }
}

impl Plan {
    fn of(protocol: &'static str) -> Self {
        let name = |what: &str| format!("offline.{protocol}.{what}");
        let kinds = kinds(protocol).into_iter().map(|kind| (name(&label(kind)), kind));
        Self { protocol, first: name("first"), kinds: kinds.collect() }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(|(name, _)| name.as_str()).chain([self.first.as_str()])
    }
}

/// On so many threads each party, or if there are no numbers on one and on all processors.
pub fn run(screen: &Screen, options: &BenchOptions, threads: &[u16]) -> Result<Vec<Measured>, Failure> {
    let plans = PROTOCOLS.map(Plan::of);
    let filter = Filter::new(options.filter.as_deref(), plans.iter().flat_map(Plan::names))?;
    let threads = if threads.is_empty() { usual_threads() } else { threads.iter().copied().collect() };
    let wanted = |plan: &Plan| plan.names().filter(|name| filter.wants(name)).count();
    let bar = screen.bar("measuring", (threads.len() * plans.iter().map(wanted).sum::<usize>()) as u64);
    let mut results = Vec::new();
    for plan in plans.iter().filter(|plan| wanted(plan) > 0) {
        for &threads in &threads {
            results.extend(measure(&bar, options, &filter, plan, threads)?);
        }
    }
    bar.finish_and_clear();
    Ok(results)
}

fn usual_threads() -> BTreeSet<u16> {
    [1, Generation::default().threads().min(GENERATION_THREADS_MAX)].into()
}

/// Everything that is wanted of one protocol in a new cloud.
fn measure(
    bar: &ProgressBar,
    options: &BenchOptions,
    filter: &Filter<'_>,
    plan: &Plan,
    threads: u16,
) -> Result<Vec<Measured>, Failure> {
    let mut results = Vec::new();
    let mut parties = Parties::start(options.n)?;
    let count = if options.quick { 1 } else { FIRST };
    let protocol = plan.protocol.to_owned();
    let took = parties.meet(&options.link.into(), |meeting| Order::Establish {
        meeting,
        protocol: protocol.clone(),
        count,
        threads,
    })?;
    if filter.wants(&plan.first) {
        results.push(Measured {
            value: took.seconds,
            unit: "s".into(),
            peak_rss_bytes: Some(took.peak_rss_bytes),
            ..Measured::on_threads(&plan.first, options.n, threads)
        });
        bar.inc(1);
    }
    for (name, kind) in plan.kinds.iter().filter(|(name, _)| filter.wants(name)) {
        bar.set_message(name.clone());
        let measured = Measured::on_threads(name, options.n, threads);
        results.push(measure_kind(&mut parties, options, plan.protocol, *kind, measured)?);
        bar.inc(1);
    }
    Ok(results)
}

/// How many tuples parties are asked for at once.
struct Size {
    first: usize,
    /// Doubled up to here while an order takes less than [`ORDER_SECONDS_MIN`].
    most: usize,
}

impl Size {
    /// LowGear makes whole batches and keeps what is left over: an order is for as much as a batch makes, so that nothing
    /// that was made before the time started is counted, of matrix triples what a batch of triples makes. MASCOT makes as many chunks as a cloud's rule may ask for.
    fn of(protocol: &str, n: u16, kind: TupleKind, threads: usize) -> Self {
        match Protocol::named(protocol, &PrimeField::usual(), 64) {
            Some(Protocol::LowGear(params)) => {
                let batch = match kind.shape() {
                    Some(shape) => params.batch(Kind::Triple, n.into()) / shape.multiplications(),
                    None => params.batch(engine_kind(kind).unwrap_or(Kind::InputMask), n.into()),
                };
                Self { first: batch, most: batch }
            }
            _ => {
                let chunk = kind.chunk_max() * threads;
                Self { first: chunk, most: chunk * usize::from(CONCURRENCY_MAX) }
            }
        }
    }

    /// Whether it works, not how fast.
    fn quick(threads: usize) -> Self {
        Self { first: 16 * threads, most: 16 * threads }
    }
}

fn measure_kind(
    parties: &mut Parties,
    options: &BenchOptions,
    protocol: &str,
    kind: TupleKind,
    measured: Measured,
) -> Result<Measured, Failure> {
    let threads = measured.threads as usize;
    let (size, seconds_min) = match options.quick {
        true => (Size::quick(threads), 0.0),
        false => (Size::of(protocol, options.n, kind, threads), SECONDS_MIN),
    };
    let mut count = size.first;
    // LowGear's batches grow up to the largest: the order that sees them grow is not counted
    let mut warm = options.quick || size.first < size.most;
    let (mut items, mut seconds, mut bytes, mut peak) = (0u64, 0.0, 0, 0);
    while items == 0 || seconds < seconds_min {
        let took = parties.all(&Order::Generate { kind: kind.name(), count })?;
        peak = took.peak_rss_bytes.max(peak);
        if took.seconds < ORDER_SECONDS_MIN && 2 * count <= size.most {
            // not counted: too short
            count *= 2;
            continue;
        }
        if !std::mem::replace(&mut warm, true) {
            continue;
        }
        items += count as u64;
        seconds += took.seconds;
        bytes += took.bytes_sent;
    }
    Ok(Measured {
        value: items as f64 / seconds,
        bytes_per_item: Some(bytes as f64 / items as f64),
        peak_rss_bytes: Some(peak),
        ..measured
    })
}

//! `online.*`: running programs, taking tuples from the store, executions in a cloud.

use polyyne_protocol::id::Digest;

use super::measured::{Filter, Measured};
use super::parties::{Parties, random};
use super::party::Order;
use super::programs::{COMPARE_64, COMPARE_64_EDABITS, MATRIX, OPEN, PARALLEL, SEQUENTIAL, Source};
use super::{cloud, store};
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::{Context as _, Failure};
use crate::cli::screen::Screen;

/// How long each program is measured, at least.
const SECONDS_MIN: f64 = 2.0;
/// Runs of each program, at least.
const RUNS_MIN: u32 = 5;

pub fn run(screen: &Screen, options: &BenchOptions) -> Result<Vec<Measured>, Failure> {
    let programs = [PARALLEL, SEQUENTIAL, OPEN, COMPARE_64, COMPARE_64_EDABITS, MATRIX];
    let names = programs.iter().map(|program| program.name).chain([store::NAME, cloud::NAME]).chain(store::LARGE);
    let filter = Filter::new(options.filter.as_deref(), names)?;
    let wanted: Vec<Source> = programs.into_iter().filter(|program| filter.wants(program.name)).collect();
    let bar = screen.bar("measuring", wanted.len() as u64);
    let mut results = Vec::new();
    for program in wanted {
        bar.set_message(program.name);
        let program = if options.quick { program.quick() } else { program };
        results.push(measure(options, &program)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let runtime = tokio::runtime::Runtime::new().or_failed("cannot start a runtime")?;
    if filter.wants(store::NAME) {
        results.push(runtime.block_on(store::measure(options))?);
    }
    if store::LARGE.iter().any(|name| filter.asks_for(name)) {
        results.extend(runtime.block_on(store::measure_large(options, &filter))?);
    }
    if filter.wants(cloud::NAME) {
        results.extend(runtime.block_on(cloud::measure(screen, options))?);
    }
    Ok(results)
}

/// In processes of its own, so that its memory is its own.
fn measure(options: &BenchOptions, program: &Source) -> Result<Measured, Failure> {
    let load = program.compile()?;
    let seed = Digest(random()?);
    let mut parties = Parties::start(options.n)?;
    parties.meet(&options.link.into(), |meeting| Order::Gather { meeting, seed })?;
    parties.all(&load)?;
    let (mut runs, mut seconds, mut bytes, mut peak) = (0, 0.0, 0, 0);
    let (mut laps_ns, mut whole_ns) = (Vec::new(), Vec::new());
    let enough = |runs, seconds| options.quick || (runs >= RUNS_MIN && seconds >= SECONDS_MIN);
    while runs == 0 || !enough(runs, seconds) {
        let took = parties.all(&Order::Run)?;
        runs += 1;
        seconds += took.seconds;
        bytes += took.bytes_sent;
        peak = took.peak_rss_bytes.max(peak);
        laps_ns.extend(took.laps_ns);
        whole_ns.push((took.seconds * 1e9) as u64);
    }
    let items = (program.items() * u64::from(runs)) as f64;
    let measured = Measured {
        value: items / seconds,
        bytes_per_item: Some(bytes as f64 / items),
        peak_rss_bytes: Some(peak),
        ..Measured::new(program.name, options.n)
    };
    Ok(match program.name {
        name if name == SEQUENTIAL.name => measured.with_laps(&mut laps_ns),
        name if name == MATRIX.name => {
            let bytes_per_item = Some(bytes as f64 / f64::from(runs));
            let seconds = seconds / f64::from(runs);
            Measured { value: seconds, unit: "s".into(), bytes_per_item, ..measured }.with_laps(&mut whole_ns)
        }
        _ => measured,
    })
}

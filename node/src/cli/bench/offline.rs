//! Making tuples: `offline.mascot.*`.

use polyyne_engine::tuples::Kind;

use super::measured::{Filter, Measured};
use super::parties::Parties;
use super::party::Order;
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// Tuples of the first batch in a new cloud.
const FIRST: usize = 256;
/// Tuples of one order.
const BATCH: usize = 4096;
/// How long each kind is measured, at least.
const SECONDS_MIN: f64 = 4.0;

pub fn run(screen: &Screen, options: &BenchOptions) -> Result<Vec<Measured>, Failure> {
    let first = "offline.mascot.first";
    let kinds = Kind::STOCK.map(|kind| (format!("offline.mascot.{}", kind.name()), kind));
    let names = kinds.iter().map(|(name, _)| name.as_str()).chain([first]);
    let filter = Filter::new(options.filter.as_deref(), names)?;
    let bar = screen.bar("measuring", kinds.iter().filter(|(name, _)| filter.wants(name)).count() as u64 + 1);
    let mut parties = Parties::start(options.n)?;
    let took = parties.meet(|meeting| Order::Establish { meeting, count: if options.quick { 1 } else { FIRST } })?;
    bar.inc(1);
    let mut results = Vec::new();
    if filter.wants(first) {
        results.push(Measured {
            value: took.seconds,
            unit: "s".into(),
            peak_rss_bytes: Some(took.peak_rss_bytes),
            ..Measured::new(first, options.n)
        });
    }
    for (name, kind) in kinds.into_iter().filter(|(name, _)| filter.wants(name)) {
        bar.set_message(name.clone());
        results.push(measure(&mut parties, options, &name, kind)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(results)
}

fn measure(parties: &mut Parties, options: &BenchOptions, name: &str, kind: Kind) -> Result<Measured, Failure> {
    let count = if options.quick { 16 } else { BATCH };
    let seconds_min = if options.quick { 0.0 } else { SECONDS_MIN };
    let order = Order::Generate { kind: kind.name().into(), count };
    let (mut items, mut seconds, mut bytes, mut peak) = (0u64, 0.0, 0, 0);
    while items == 0 || seconds < seconds_min {
        let took = parties.all(&order)?;
        items += count as u64;
        seconds += took.seconds;
        bytes += took.bytes_sent;
        peak = took.peak_rss_bytes.max(peak);
    }
    Ok(Measured {
        value: items as f64 / seconds,
        bytes_per_item: Some(bytes as f64 / items as f64),
        peak_rss_bytes: Some(peak),
        ..Measured::new(name, options.n)
    })
}

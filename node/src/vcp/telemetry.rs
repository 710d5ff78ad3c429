//! Rates and counters of a node, for operators and for monitoring. Nothing secret: counts, times, names of kinds, ids.

use super::Vcp;
use crate::castor::Stock;
use crate::castor::telemetry::{INTERVAL_MAX, per_1000_s};
use crate::core::DeskRef;
use crate::klyshko::rules::told;
use polyyne_protocol::admin::{Telemetry, TelemetryLine};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::request::{Refusal, RefusalCode};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::Instant;

/// The interval of the rates that monitoring gets.
const MINUTE_S: u64 = 60;

impl Vcp {
    pub(super) fn told_telemetry(&self, cloud: CloudId, interval_s: u64) -> Result<Telemetry, Refusal> {
        if interval_s == 0 || interval_s > INTERVAL_MAX.as_secs() {
            return Err(Refusal::new(
                RefusalCode::Malformed,
                format!("an interval of {interval_s} s"),
                format!("Ask for 1 to {} s.", INTERVAL_MAX.as_secs()),
            ));
        }
        telemetry_of(&self.shared.core.clouds.serving(cloud)?, interval_s)
    }

    /// See [`crate::http::doors::ClientApi::metrics`].
    pub(super) fn prometheus(&self) -> String {
        let mut registry = Registry::with_prefix("vcp");
        let metrics = Metrics::in_registry(&mut registry);
        let core = &self.shared.core;
        metrics.uptime.set(self.shared.started.elapsed().as_secs());
        metrics.peers.set(core.network.peers().iter().filter(|peer| peer.connected).count() as u64);
        for id in core.clouds.ids() {
            let cloud = OfCloud { cloud: id.to_string() };
            let desk = core.clouds.desk(id);
            metrics.serving.get_or_create(&cloud).set(u64::from(desk.is_some()));
            let Some(desk) = desk else { continue };
            let (done, failed) = desk.ephemeral.counts();
            metrics.running.get_or_create(&cloud).set(desk.ephemeral.running() as u64);
            metrics.done.get_or_create(&cloud).set(done);
            metrics.failed.get_or_create(&cloud).set(failed);
            metrics.batches.get_or_create(&cloud).set(desk.klyshko.batches());
            for (peer, count) in desk.klyshko.stalls() {
                let label = OfMember { cloud: cloud.cloud.clone(), peer: peer.peer_id() };
                metrics.stalls.get_or_create(&label).set(count);
            }
            // a store that cannot be read has ended the process
            for line in telemetry_of(&desk, MINUTE_S).map(|told| told.lines).unwrap_or_default() {
                metrics.kind(&cloud.cloud, &line);
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text grows");
        text
    }
}

fn telemetry_of(desk: &DeskRef, interval_s: u64) -> Result<Telemetry, Refusal> {
    let told = told(&desk.seat.view, &desk.seat.castor.stock(desk.seat.scope));
    let stock: Vec<Stock> = told.iter().map(|(_, stock)| *stock).collect();
    let (time, flows) = desk.klyshko.telemetry().over(Instant::now(), Duration::from_secs(interval_s), &stock);
    let lines = told.iter().zip(flows).map(|((rule, stock), flow)| {
        let kind = stock.kind.name();
        let target = rule.target;
        let (made, spent) = (per_1000_s(flow.generated, time), per_1000_s(flow.taken + flow.wasted, time));
        let missing = target.saturating_sub(stock.available);
        TelemetryLine {
            kind,
            available: stock.available,
            reserved: stock.staged,
            target,
            generated: stock.generated,
            consumed: stock.taken,
            skipped: stock.skipped,
            burned: stock.burned,
            generated_per_1000_s: made,
            consumed_per_1000_s: per_1000_s(flow.taken, time),
            wasted_per_1000_s: per_1000_s(flow.wasted, time),
            to_target_s: (missing.saturating_mul(1000)).checked_div(made.saturating_sub(spent)),
        }
    });
    Ok(Telemetry { interval_s, covered_s: time.as_secs(), lines: lines.collect() })
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCloud {
    cloud: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    cloud: String,
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfMember {
    cloud: String,
    peer: String,
}

type Count = Gauge<u64, AtomicU64>;
type Rate = Gauge<f64, AtomicU64>;

/// Made anew for each collection from what the stores say, so that it can never drift from them.
struct Metrics {
    uptime: Count,
    peers: Count,
    serving: Family<OfCloud, Count>,
    running: Family<OfCloud, Count>,
    done: Family<OfCloud, Count>,
    failed: Family<OfCloud, Count>,
    batches: Family<OfCloud, Count>,
    stalls: Family<OfMember, Count>,
    available: Family<OfKind, Count>,
    reserved: Family<OfKind, Count>,
    target: Family<OfKind, Count>,
    generated: Family<OfKind, Count>,
    consumed: Family<OfKind, Count>,
    skipped: Family<OfKind, Count>,
    burned: Family<OfKind, Count>,
    generation_rate: Family<OfKind, Rate>,
    consumption_rate: Family<OfKind, Rate>,
    to_target: Family<OfKind, Count>,
}

impl Metrics {
    fn in_registry(registry: &mut Registry) -> Self {
        let (uptime, peers) = (Count::default(), Count::default());
        registry.register_with_unit("uptime", "Since the start of the process", Unit::Seconds, uptime.clone());
        registry.register("peers_connected", "Peers that are connected", peers.clone());
        Self {
            uptime,
            peers,
            serving: add(registry, "cloud_serving", "Whether this node serves the cloud"),
            running: add(registry, "executions_running", "Executions that run now"),
            done: add(registry, "executions_done", "Executions answered since the start"),
            failed: add(registry, "executions_failed", "Executions refused or failed since the start"),
            batches: add(registry, "generation_batches", "Batches of tuples made since the start"),
            stalls: add(
                registry,
                "generation_stalls",
                "Times that a member kept generation waiting until it was given up",
            ),
            available: add(registry, "tuples_available", "Tuples that can be taken"),
            reserved: add(registry, "tuples_reserved", "Tuples made that wait for signatures"),
            target: add(registry, "tuples_target", "Tuples that the cloud wants to have"),
            generated: add(registry, "tuples_generated", "Tuples made since the store began"),
            consumed: add(registry, "tuples_consumed", "Tuples taken since the store began"),
            skipped: add(registry, "tuples_skipped", "Tuples passed over since the store began"),
            burned: add(registry, "tuples_burned", "Tuples thrown away since the store began"),
            generation_rate: add(registry, "tuples_generated_per_second", "Over the last minute"),
            consumption_rate: add(registry, "tuples_consumed_per_second", "Over the last minute"),
            to_target: add(registry, "tuples_to_target_seconds", "Until the target is met, if it goes on like this"),
        }
    }

    fn kind(&self, cloud: &str, line: &TelemetryLine) {
        let label = OfKind { cloud: cloud.to_owned(), kind: line.kind.clone() };
        for (family, count) in [
            (&self.available, line.available),
            (&self.reserved, line.reserved),
            (&self.target, line.target),
            (&self.generated, line.generated),
            (&self.consumed, line.consumed),
            (&self.skipped, line.skipped),
            (&self.burned, line.burned),
        ] {
            family.get_or_create(&label).set(count);
        }
        self.generation_rate.get_or_create(&label).set(line.generated_per_1000_s as f64 / 1000.0);
        self.consumption_rate.get_or_create(&label).set(line.consumed_per_1000_s as f64 / 1000.0);
        if let Some(seconds) = line.to_target_s {
            self.to_target.get_or_create(&label).set(seconds);
        }
    }
}

fn add<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

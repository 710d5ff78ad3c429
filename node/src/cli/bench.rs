//! `vcp bench`: what this machine does.
//!
//! Each party is a process of its own; they meet over the encrypted data links of nodes, on loopback. This process only
//! gives orders and takes the time that the slowest party needed.

mod party;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use polyyne_engine::tuples::Kind;
use polyyne_protocol::id::Digest;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::{Bench, BenchOptions};
use super::failure::{Context as _, Failure};
use super::screen::Screen;
use party::{Order, Place, Took};

/// Tuples of the first batch in a new cloud.
const FIRST: usize = 256;
/// Tuples of one order.
const BATCH: usize = 4096;
/// How long each kind is measured, at least.
const SECONDS_MIN: f64 = 4.0;

pub fn run(screen: &Screen, wish: &Bench) -> Result<(), Failure> {
    match wish {
        Bench::Offline(options) => offline(screen, options),
        Bench::Party => party::run(),
    }
}

/// One line of the result.
#[derive(Debug, Serialize)]
struct Measured {
    name: String,
    parties: u16,
    threads: u32,
    value: f64,
    unit: &'static str,
    /// That one party sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_item: Option<f64>,
    /// Of the party that had most.
    peak_rss_bytes: u64,
}

fn offline(screen: &Screen, options: &BenchOptions) -> Result<(), Failure> {
    let first = "offline.mascot.first".to_owned();
    let kinds = Kind::STOCK.map(|kind| (format!("offline.mascot.{}", kind.name()), kind));
    let wanted = |name: &str| options.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    if !wanted(&first) && !kinds.iter().any(|(name, _)| wanted(name)) {
        return Err(Failure::usage("no measurement has such a name"));
    }
    let count = kinds.iter().filter(|(name, _)| wanted(name)).count() as u64;
    let bar = screen.bar("measuring", count + 1);
    let mut parties = Parties::start(options.n)?;
    let took = parties.meet()?;
    bar.inc(1);
    let mut results = Vec::new();
    if wanted(&first) {
        results.push(Measured {
            name: first,
            parties: options.n,
            threads: 1,
            value: took.seconds,
            unit: "s",
            bytes_per_item: None,
            peak_rss_bytes: took.peak_rss_bytes,
        });
    }
    for (name, kind) in kinds.into_iter().filter(|(name, _)| wanted(name)) {
        bar.set_message(name.clone());
        results.push(measure(&mut parties, options.n, name, kind)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    screen.show(&results, |screen, results| {
        let rows = results.iter().map(row);
        screen.table(&["name", "parties", "value", "", "bytes/item", "peak memory"], rows, "nothing was measured");
    });
    Ok(())
}

fn measure(parties: &mut Parties, n: u16, name: String, kind: Kind) -> Result<Measured, Failure> {
    let order = Order::Generate { kind: kind.name().into(), count: BATCH };
    let (mut items, mut seconds, mut bytes, mut peak) = (0u64, 0.0, 0, 0);
    while seconds < SECONDS_MIN {
        let took = parties.all(&order)?;
        items += BATCH as u64;
        seconds += took.seconds;
        bytes += took.bytes_sent;
        peak = took.peak_rss_bytes.max(peak);
    }
    Ok(Measured {
        name,
        parties: n,
        threads: 1,
        value: items as f64 / seconds,
        unit: "items/s",
        bytes_per_item: Some(bytes as f64 / items as f64),
        peak_rss_bytes: peak,
    })
}

fn row(measured: &Measured) -> Vec<String> {
    vec![
        measured.name.clone(),
        measured.parties.to_string(),
        format!("{:.*}", if measured.value < 100.0 { 3 } else { 0 }, measured.value),
        measured.unit.into(),
        measured.bytes_per_item.map(|bytes| format!("{bytes:.0}")).unwrap_or_default(),
        format!("{} MB", measured.peak_rss_bytes / 1_000_000),
    ]
}

/// The processes that are measured; they end when this does.
struct Parties(Vec<Process>);

struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Parties {
    fn start(n: u16) -> Result<Self, Failure> {
        (0..n).map(|_| Process::start()).collect::<Result<_, _>>().map(Self)
    }

    /// Lets the parties meet and make their first triples.
    fn meet(&mut self) -> Result<Took, Failure> {
        let roster: Vec<Place> = self.0.iter_mut().map(Process::hear).collect::<Result<_, _>>()?;
        let mut label = [0; 32];
        SysRng.try_fill_bytes(&mut label).or_failed("the operating system gives no randomness")?;
        for (rank, process) in (0u16..).zip(&mut self.0) {
            process.tell(&Order::Meet { label: Digest(label), rank, roster: roster.clone(), count: FIRST })?;
        }
        self.answer()
    }

    /// The same order to all.
    fn all(&mut self, order: &Order) -> Result<Took, Failure> {
        self.0.iter_mut().try_for_each(|process| process.tell(order))?;
        self.answer()
    }

    /// What the slowest and the largest needed.
    fn answer(&mut self) -> Result<Took, Failure> {
        let mut worst = Took { seconds: 0.0, bytes_sent: 0, peak_rss_bytes: 0 };
        for process in &mut self.0 {
            let took: Took = process.hear()?;
            worst.seconds = worst.seconds.max(took.seconds);
            worst.bytes_sent = worst.bytes_sent.max(took.bytes_sent);
            worst.peak_rss_bytes = worst.peak_rss_bytes.max(took.peak_rss_bytes);
        }
        Ok(worst)
    }
}

impl Process {
    fn start() -> Result<Self, Failure> {
        let executable = std::env::current_exe().or_failed("this executable")?;
        let mut command = Command::new(executable);
        command.args(["bench", "party"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().or_failed("a process")?;
        let orders = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| Failure::failed("no pipe to a process"))?;
        Ok(Self { child, orders, answers: BufReader::new(stdout).lines() })
    }

    fn tell(&mut self, order: &Order) -> Result<(), Failure> {
        let text = serde_json::to_string(order).or_failed("an order")?;
        let orders = self.orders.as_mut().ok_or_else(|| Failure::failed("no pipe to a process"))?;
        writeln!(orders, "{text}").or_failed("a party ended")
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.answers.next().ok_or_else(|| Failure::failed("a party ended"))?;
        serde_json::from_str(&line.or_failed("a party")?).or_failed("a party's answer")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        // one that still computes has nothing to lose
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What MASCOT makes per second between parties on threads of their own, without a network: `cargo bench -p
//! polyyne-engine --bench mascot [-- PARTIES [KIND]]`. Prints the time to the first checked triple, the rate of every
//! kind, bytes per tuple from a party to each other one, and the peak memory of all parties together.
#![allow(clippy::disallowed_methods, reason = "a bench has threads, a clock and the process's memory to read")]

use futures::executor::block_on;
use polyyne_engine::dealer;
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Params, Setup};
use polyyne_engine::memory::mesh;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, LocalGate, Rng};
use polyyne_engine::tuples::Kind;
use rand_core::SeedableRng;
use std::time::{Duration, Instant};

/// Tuples of one call, as a node asks for them.
const BATCH: usize = 32 << 10;

struct Measured {
    first: Duration,
    kinds: Vec<Made>,
}

struct Made {
    kind: Kind,
    count: usize,
    bytes: u64,
    time: Duration,
}

fn kinds(filter: Option<&str>) -> Vec<(Kind, usize)> {
    let all = [
        (Kind::Triple, 3 * BATCH),
        (Kind::Square, BATCH),
        (Kind::Inverse, BATCH),
        (Kind::Bit, BATCH),
        (Kind::Random, 4 * BATCH),
        (Kind::InputMask, 8 * BATCH),
    ];
    all.into_iter().filter(|(kind, _)| filter.is_none_or(|filter| kind.name() == filter)).collect()
}

async fn party(i: usize, channels: Vec<Option<Box<dyn Channel>>>, wanted: Vec<(Kind, usize)>) -> Measured {
    let n = channels.len();
    let dealer = dealer::carbyne(n, 1);
    let field = *dealer.field();
    let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
    let mut mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));
    let start = Instant::now();
    let params = Params::default();
    let (mut setup, _) = Setup::establish(&mut party, field, &mut mac, params, None).await.expect("honest parties");
    setup.generate(&mut party, &mut mac, Kind::Triple, 1).await.expect("honest parties");
    let first = start.elapsed();
    let mut kinds = Vec::new();
    for (kind, count) in wanted {
        let (start, sent) = (Instant::now(), party.traffic().bytes_sent);
        for done in (0..count).step_by(BATCH) {
            let batch = BATCH.min(count - done);
            if kind == Kind::InputMask {
                setup.generate_input_masks(&mut party, &mut mac, 0, batch).await.expect("honest parties");
            } else {
                setup.generate(&mut party, &mut mac, kind, batch).await.expect("honest parties");
            }
        }
        let bytes = (party.traffic().bytes_sent - sent) / (n as u64 - 1);
        kinds.push(Made { kind, count, bytes, time: start.elapsed() });
    }
    Measured { first, kinds }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown".into(), |peak| peak.trim().to_owned())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let n = arguments.first().map_or(2, |n| n.parse().expect("a number of parties"));
    let wanted = kinds(arguments.get(1).map(String::as_str));
    let channels = mesh(n).into_iter().enumerate();
    let threads = channels.map(|(i, channels)| {
        let wanted = wanted.clone();
        std::thread::spawn(move || block_on(party(i, channels, wanted)))
    });
    let threads: Vec<_> = threads.collect();
    let measured: Vec<Measured> = threads.into_iter().map(|thread| thread.join().expect("a party")).collect();
    println!("{n} parties");
    println!("first checked triple  {:.3} s", measured[0].first.as_secs_f64());
    for Made { kind, count, bytes, time } in &measured[0].kinds {
        let (rate, bytes) = (*count as f64 / time.as_secs_f64(), *bytes as f64 / *count as f64);
        println!("{:<20} {rate:>9.0} /s {bytes:>9.1} bytes each way", kind.name());
    }
    println!("peak memory, all parties  {}", peak_memory());
}

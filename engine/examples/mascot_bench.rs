//! Speed of MASCOT between parties on one machine, each on its own thread, over memory.
//!
//! `cargo run --release -p polyyne-engine --example mascot_bench -- [PARTIES] [TRIPLES] [TILE_OTS]`
#![allow(clippy::disallowed_methods)] // a driver: it has threads and measures time

use polyyne_engine::dealer;
use polyyne_engine::field::PrimeField;
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Params, Setup};
use polyyne_engine::memory;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, LocalGate, Rng};
use polyyne_engine::tuples::Kind;
use rand_core::SeedableRng;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().expect("a number"));
    let n = args.next().unwrap_or(2);
    let count = args.next().unwrap_or(16_384);
    let params = args.next().map_or_else(Params::default, |tile_ots| Params { tile_ots, ..Params::default() });
    let threads: Vec<_> = memory::mesh(n)
        .into_iter()
        .enumerate()
        .map(|(i, channels)| {
            std::thread::spawn(move || futures::executor::block_on(run(i, n, count, params, channels)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no party panics"));
}

async fn run(i: usize, n: usize, count: usize, params: Params, channels: Vec<Option<Box<dyn Channel>>>) {
    let field = PrimeField::carbyne();
    let dealer = dealer::carbyne(n, 1);
    let mut party = Party::new(i, [1; 32], channels, Rng::seed_from_u64(i as u64));
    let mut mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));

    let start = Instant::now();
    let established = Setup::establish(&mut party, field, &mut mac, params, None).await;
    let (mut setup, _anchor) = established.expect("honest parties");
    let set_up = start.elapsed();
    setup.generate(&mut party, &mut mac, Kind::Triple, 1).await.expect("honest parties");
    let first = start.elapsed();
    if i == 0 {
        println!("{n} parties: setup {set_up:.2?}, first verified triple {first:.2?}");
    }
    for (kind, count) in [(Kind::Triple, count), (Kind::Bit, count / 4), (Kind::Random, count)] {
        let (start, cpu, before) = (Instant::now(), thread_cpu_seconds(), party.traffic());
        setup.generate(&mut party, &mut mac, kind, count).await.expect("honest parties");
        let seconds = start.elapsed().as_secs_f64();
        let after = party.traffic();
        if i == 0 {
            println!(
                "{:>8}: {:>7.0}/s, {count} in {seconds:.2} s, {:.1} us of processor each, {} bytes each, {} rounds",
                kind.name(),
                count as f64 / seconds,
                (thread_cpu_seconds() - cpu) * 1e6 / count as f64,
                (after.bytes_sent - before.bytes_sent) / count as u64,
                after.rounds - before.rounds
            );
        }
    }
    if i == 0 {
        print_peak_memory();
    }
}

/// What this thread has used of a processor; the parties share them.
fn thread_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() * 1e-9
}

fn print_peak_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("all parties: {}", peak.replace('\t', " "));
    }
}

//! What LowGear makes per second between two parties on two threads, without a network: `cargo bench -p
//! polyyne-engine --bench lowgear`. Prints the time to keys and to the first checked triple, the rate of whole
//! batches, bytes per triple in each direction, and the peak memory of both parties together.
#![allow(clippy::disallowed_methods, reason = "a bench has threads, a clock and the process's memory to read")]

use futures::executor::block_on;
use polyyne_engine::dealer;
use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_engine::lowgear::{Params, Setup};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::memory::mesh;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, LocalGate, Rng};
use polyyne_engine::tuples::Kind;
use rand_core::SeedableRng;
use std::time::{Duration, Instant};

/// Batches after the first triple.
const BATCHES: usize = 4;
/// Triples of a batch between two parties.
const BATCH: usize = 9 * 32_768 - 1;
/// Randoms or input masks of a batch.
const MASKS: usize = 8 * 32_768 - 1;

struct Measured {
    keys: Duration,
    first: Duration,
    triples: Duration,
    bytes: u64,
    kinds: Vec<(Kind, usize, Duration)>,
}

async fn party(i: usize, channels: Vec<Option<Box<dyn Channel>>>) -> Measured {
    let dealer = dealer::carbyne(2, 1);
    let field = *dealer.field();
    let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
    let mut mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));
    let params = Params::for_prime(DEFAULT_PRIME, 64).expect("the default prime");
    let start = Instant::now();
    let (mut setup, _) = Setup::establish(&mut party, field, &mut mac, params, None).await.expect("honest parties");
    let keys = start.elapsed();
    setup.generate(&mut party, &mut mac, Kind::Triple, 32_767).await.expect("honest parties");
    let first = start.elapsed();
    let (start, sent) = (Instant::now(), party.traffic().bytes_sent);
    for _ in 0..BATCHES {
        setup.generate(&mut party, &mut mac, Kind::Triple, BATCH).await.expect("honest parties");
    }
    let (triples, bytes) = (start.elapsed(), party.traffic().bytes_sent - sent);
    let mut kinds = Vec::new();
    for (kind, count) in [(Kind::Bit, BATCH), (Kind::Square, BATCH), (Kind::Random, MASKS)] {
        let start = Instant::now();
        setup.generate(&mut party, &mut mac, kind, count).await.expect("honest parties");
        kinds.push((kind, count, start.elapsed()));
    }
    let start = Instant::now();
    setup.generate_input_masks(&mut party, &mut mac, 0, MASKS).await.expect("honest parties");
    kinds.push((Kind::InputMask, MASKS, start.elapsed()));
    Measured { keys, first, triples, bytes, kinds }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown".into(), |peak| peak.trim().to_owned())
}

fn main() {
    let channels = mesh(2).into_iter().enumerate();
    let threads = channels.map(|(i, channels)| std::thread::spawn(move || block_on(party(i, channels))));
    let threads: Vec<_> = threads.collect();
    let measured: Vec<Measured> = threads.into_iter().map(|thread| thread.join().expect("a party")).collect();
    let Measured { keys, first, triples, bytes, kinds } = &measured[0];
    let count = BATCHES * BATCH;
    println!("keys and their proofs     {:.2} s", keys.as_secs_f64());
    println!("first checked triple      {:.2} s", first.as_secs_f64());
    println!("triples                   {:.0} /s", count as f64 / triples.as_secs_f64());
    println!("bytes per triple, each way {:.0}", *bytes as f64 / count as f64);
    for (kind, count, time) in kinds {
        println!("{:<25} {:.0} /s", kind.name(), *count as f64 / time.as_secs_f64());
    }
    println!("peak memory, both parties {}", peak_memory());
}

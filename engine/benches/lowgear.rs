//! What LowGear makes per second between two parties, without a network: `cargo bench -p polyyne-engine --bench lowgear
//! [-- THREADS [turns]]`, THREADS for each party. Prints the time to keys and to the first checked triple, the rate of
//! whole batches, bytes per triple in each direction, and the peak memory of both parties together. The parties
//! compute at the same time, or with `turns` one after the other: half of that time is what a party computes where it
//! has this machine's processors to itself.
#![allow(clippy::disallowed_methods, reason = "a bench has threads, a clock and the process's memory to read")]

use futures::executor::block_on;
use futures::future::join;
use polyyne_engine::dealer;
use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_engine::lowgear::{Params, Setup};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::memory::mesh;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, LocalGate, Rng};
use polyyne_engine::tuples::Kind;
use polyyne_engine::workers::Workers;
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

async fn party(i: usize, channels: Vec<Option<Box<dyn Channel>>>, threads: usize) -> Measured {
    let dealer = dealer::carbyne(2, 1);
    let field = *dealer.field();
    let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
    let mut mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));
    let params = Params::for_prime(DEFAULT_PRIME, 64).expect("the default prime");
    let workers = Workers::new(threads).expect("threads");
    let start = Instant::now();
    let established = Setup::establish(&mut party, field, &mut mac, params, None, &workers).await;
    let (mut setup, _) = established.expect("honest parties");
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
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let threads = arguments.first().map_or(1, |threads| threads.parse().expect("a number of threads"));
    let turns = arguments.get(1).is_some_and(|how| how == "turns");
    let [first, second] = mesh(2).try_into().unwrap_or_else(|_| panic!("two parties"));
    let measured = if turns {
        block_on(join(party(0, first, threads), party(1, second, threads))).0
    } else {
        let second = std::thread::spawn(move || block_on(party(1, second, threads)));
        let measured = block_on(party(0, first, threads));
        second.join().expect("a party");
        measured
    };
    let Measured { keys, first, triples, bytes, kinds } = &measured;
    println!("{threads} threads for each party{}", if turns { ", which take turns" } else { "" });
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

//! Whether the time of operations depends on their secrets, and whether that of their leaky twins is seen to:
//!
//! ```sh
//! cargo bench -p polyyne-engine --features timing --bench constant_time [-- PART OF A NAME...]
//! ```
//!
//! On an idle machine; under a minute. Ends with 1 if an operation leaks or a twin does not.
#![allow(clippy::disallowed_methods, reason = "a bench has a clock")]

use polyyne_engine::port::Rng;
use polyyne_engine::timing::{LEAK, SUSPECT, probes};
use rand_core::SeedableRng;
use std::process::ExitCode;
use std::time::Instant;

const SAMPLES: usize = 60_000;
const SAMPLES_SLOW: usize = 6_000;

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let mut rng = Rng::seed_from_u64(1);
    let mut good = true;
    for probe in probes() {
        if !chosen.is_empty() && !chosen.iter().any(|part| probe.name.contains(part.as_str())) {
            continue;
        }
        let samples = if probe.slow { SAMPLES_SLOW } else { SAMPLES };
        let t = probe.measure(&mut rng, samples, &mut |run| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as u64
        });
        let verdict = match (t, probe.leaks) {
            (t, true) if t > LEAK => "leaks, as it must",
            (_, true) => "LEAKS, AND IS NOT SEEN TO",
            (t, false) if t > LEAK => "LEAKS",
            (t, false) if t > SUSPECT => "suspect: measure again",
            _ => "",
        };
        good &= probe.leaks == (t > LEAK);
        println!("{:36} |t| = {t:8.2}  {verdict}", probe.name);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

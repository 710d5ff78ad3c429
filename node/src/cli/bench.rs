//! `vcp bench`: what this machine does.
//!
//! Each party is a process of its own; they meet over the encrypted data links of nodes, on loopback. This process only
//! gives orders and takes the time that the slowest party needed.

mod cloud;
mod measured;
mod offline;
mod online;
mod parties;
mod party;
mod programs;
mod shaper;
mod store;

use super::arguments::{Bench, BenchOptions, OfflineOptions};
use super::failure::Failure;
use super::screen::Screen;
use measured::{Measured, Stored};

pub fn run(screen: &Screen, wish: &Bench) -> Result<(), Failure> {
    match wish {
        Bench::Offline(OfflineOptions { common, threads }) => {
            report(screen, common, |screen, options| offline::run(screen, options, threads))
        }
        Bench::Online(options) => report(screen, options, online::run),
        Bench::Party => party::run(),
    }
}

fn report(
    screen: &Screen,
    options: &BenchOptions,
    measure: impl Fn(&Screen, &BenchOptions) -> Result<Vec<Measured>, Failure>,
) -> Result<(), Failure> {
    // a file that cannot be read fails before minutes are spent
    let stored = options.compare.as_deref().map(Stored::read).transpose()?;
    let results = measure(screen, options)?;
    measured::show(screen, &results);
    stored.map_or(Ok(()), |stored| stored.compare(screen, &results, options.tolerance))
}

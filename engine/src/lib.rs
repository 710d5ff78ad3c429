//! Secure multiparty computation in the preprocessing model (SPDZ): fields, authenticated shares,
//! the MAC check, the offline generators, the online operations and the virtual machine.
//!
//! The engine has no I/O, no clock and no runtime. A protocol is an `async fn` over the [`port`]s; whoever drives it
//! (memory, the [`sim`]ulator, a node) supplies the ports. It computes on the caller's thread and on those that the
//! driver gives it as [`workers`], and what it computes depends on neither.
//!
//! Security: up to n−1 of n parties corrupted and malicious, security with abort. A protocol that
//! returns an error has released nothing that depends on unchecked data; what an abort may reveal
//! is written at each protocol. See [`error::Severity`] for what an error means for keys.

pub mod bit_tuples;
#[cfg(test)]
mod bounds;
pub mod coin;
pub mod commitment;
pub mod dealer;
pub mod delivery;
pub mod digest;
pub mod error;
pub mod field;
pub mod from_triples;
pub mod generator;
pub mod lowgear;
pub mod mac_check;
pub mod mascot;
pub mod memory;
pub mod online;
pub mod party;
pub mod port;
pub mod prg;
pub mod recheck;
pub mod share;
pub mod sim;
#[cfg(test)]
mod statistics;
pub mod step;
#[cfg(test)]
mod test_world;
#[cfg(any(test, feature = "timing"))]
pub mod timing;
pub mod tuples;
pub mod turns;
pub mod vm;
pub mod workers;

//! The two doors of a node: HTTP for clients, a unix socket for its operator.
//!
//! The client's door takes sealed envelopes and tells public things; the operator's door does what only the owner of the
//! data directory may do. Neither knows cookies, sessions or cross-origin answers.

pub mod client_door;
pub mod doors;
pub mod guard;
pub mod operator_door;

mod answer;

#[cfg(test)]
mod tests;

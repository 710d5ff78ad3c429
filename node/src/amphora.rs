//! Amphora: the secrets that clients keep in a cloud.

pub mod store;

//! node

pub mod amphora;
pub mod castor;
pub mod cli;
pub mod config;
pub mod data_dir;
pub mod federation;
pub mod harden;
pub mod journal;
pub mod link;
pub mod store;

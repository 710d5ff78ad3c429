//! node

pub mod amphora;
pub mod audit;
pub mod castor;
pub mod cli;
pub mod config;
pub mod core;
pub mod data_dir;
pub mod desk;
pub mod entry;
pub mod ephemeral;
pub mod failpoint;
pub mod federation;
pub mod gateway;
pub mod harden;
pub mod http;
pub mod journal;
pub mod klyshko;
pub mod link;
pub mod order;
pub mod seat;
pub mod session;
pub mod store;
pub mod testnet;
pub mod vcp;
pub mod votes;

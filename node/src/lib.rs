//! node

pub mod amphora;
pub mod castor;
pub mod config;
pub mod data_dir;
pub mod federation;
pub mod journal;
pub mod store;

//! node

pub mod config;
pub mod data_dir;
pub mod federation;

//! node

pub mod federation;

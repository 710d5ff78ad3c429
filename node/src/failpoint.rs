//! Places where tests kill a node: SIGKILL to itself, as a power switch would.
//!
//! Only builds with the feature `failpoints` (the test suite's) know them; the environment variable
//! `VCP_FAILPOINT` names one, with `:N` for the N-th time that it is passed.

/// Dies here if the environment says so; nothing in ordinary builds.
#[cfg(not(feature = "failpoints"))]
pub fn pass(_name: &str) {}

/// Dies here if the environment says so; nothing in ordinary builds.
#[cfg(feature = "failpoints")]
pub fn pass(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Ok(wanted) = std::env::var("VCP_FAILPOINT") else { return };
    let (wanted, times) = match wanted.split_once(':') {
        Some((name, times)) => (name.to_owned(), times.parse().unwrap_or(1)),
        None => (wanted, 1),
    };
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == times {
        eprintln!("killed at {name}");
        drop(std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status());
        std::process::abort();
    }
}

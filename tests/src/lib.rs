//! What the whole-system tests stand on: `vcp` as processes, clouds of them that can be killed and
//! started again, their stores as they are on disk, and a search for secrets where none may be.
//!
//! Nothing here sleeps for a guessed time: everything is a condition with a limit after which it
//! counts as a hang. Tests that start nodes run one after the other ([`cloud::Cloud`] holds a lock),
//! so that they do not starve each other.

pub mod cloud;
pub mod hunt;
pub mod ledger;
pub mod load;
pub mod mp_client;
pub mod program;

use std::time::{Duration, Instant};

/// After this, what does not happen counts as a hang. Long, because the machine may be busy.
pub const HANG: Duration = Duration::from_secs(180);

/// Waits until `look` gives something.
///
/// # Panics
/// With `what` if it does not happen.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + HANG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the long form of the suite is wanted: `POLYYNE_LONG=1`.
pub fn long() -> bool {
    std::env::var_os("POLYYNE_LONG").is_some_and(|value| value == "1")
}

/// The build of `vcp` with failpoints; only in integration tests.
#[macro_export]
macro_rules! vcp {
    () => {
        $crate::program::Vcp::new(env!("CARGO_BIN_EXE_vcp-under-test"))
    };
}

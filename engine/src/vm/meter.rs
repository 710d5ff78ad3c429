//! Where time and traffic of a run go. The engine has no clock: the driver measures between calls.

use polyyne_bytecode::Group;

/// What the parties exchanged between two calls, as this party counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lap {
    pub rounds: u64,
    pub bytes_sent: u64,
}

/// Measures one VM thread.
pub trait Meter: Send {
    /// Everything since this thread's last lap (or its start) was spent on `group`.
    fn lap(&mut self, group: Group, lap: Lap);

    /// The meter of a thread that starts now.
    fn of_thread(&self, thread: u32) -> Box<dyn Meter>;
}

//! The bounds of the order (I35).

use std::time::Duration;

/// A number that does not come is passed over after this, once a later one waits.
pub const GAP: Duration = Duration::from_secs(5);
/// How often a waiting turn looks for a gap at most.
pub const LOOK: Duration = Duration::from_millis(50);
/// Wait before a sequencer that is not ready is asked again.
pub const RETRY: Duration = Duration::from_millis(100);
/// Items of one member that may wait for others at the sequencer, over all queues of a cloud.
pub const ITEMS_PER_MEMBER_MAX: usize = 1024;
/// Queues of one cloud.
pub const QUEUES_MAX: usize = 64;
/// Numbers that the sequencer remembers, for a member whose answer was lost.
pub const REMEMBERED_MAX: usize = 1024;
/// The longest a question may wait.
pub const PATIENCE_MAX: Duration = Duration::from_secs(3600);

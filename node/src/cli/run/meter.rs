//! Where the time of a run goes, by group of instructions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use polyyne_bytecode::Group;
use polyyne_engine::vm::{Lap, Meter};

/// What one group took, all VM threads of one party together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub time: Duration,
    pub rounds: u64,
    pub bytes_sent: u64,
}

/// By [`Group`], in the order of [`Group::ALL`].
pub type Groups = [Spent; Group::ALL.len()];

/// Adds up what one VM thread does; its sums join the others' when it ends.
pub struct GroupMeter {
    since: Instant,
    own: Groups,
    all: Arc<Mutex<Groups>>,
}

impl GroupMeter {
    pub fn new(all: Arc<Mutex<Groups>>) -> Self {
        Self { since: Instant::now(), own: Groups::default(), all }
    }
}

impl Meter for GroupMeter {
    fn lap(&mut self, group: Group, lap: Lap) {
        let now = Instant::now();
        let spent = &mut self.own[group as usize];
        spent.time += now - self.since;
        spent.rounds += lap.rounds;
        spent.bytes_sent += lap.bytes_sent;
        self.since = now;
    }

    fn of_thread(&self, _thread: u32) -> Box<dyn Meter> {
        Box::new(Self::new(Arc::clone(&self.all)))
    }
}

impl Drop for GroupMeter {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for (all, own) in all.iter_mut().zip(&self.own) {
            all.time += own.time;
            all.rounds += own.rounds;
            all.bytes_sent += own.bytes_sent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_laps_of_all_threads_add_up_by_group() {
        let all = Arc::new(Mutex::new(Groups::default()));
        let mut main: Box<dyn Meter> = Box::new(GroupMeter::new(Arc::clone(&all)));
        let mut thread = main.of_thread(1);
        let lap = Lap { rounds: 2, bytes_sent: 10 };
        main.lap(Group::Check, lap);
        thread.lap(Group::Check, lap);
        thread.lap(Group::Memory, Lap::default());
        drop(main);
        drop(thread);
        let groups = all.lock().unwrap();
        assert_eq!((groups[Group::Check as usize].rounds, groups[Group::Check as usize].bytes_sent), (4, 20));
        assert_eq!(groups[Group::Memory as usize].rounds, 0);
    }
}

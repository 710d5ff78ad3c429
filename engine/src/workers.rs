//! The threads that one party computes on.
//!
//! What is computed does not depend on their number: items are independent of each other, each has a generator of
//! randomness of its own ([`crate::prg::Prg::fork`]) where it needs one, and results come in the order of the items.
//! So parties need not have the same number, and a seed replays a run on any.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::Arc;

/// Threads; clones share them. The default is the caller's alone.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    /// `None` for the caller's thread.
    pool: Option<Arc<ThreadPool>>,
}

impl Workers {
    /// As many threads; one is the caller's own. They end with the last clone.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    ///
    /// # Panics
    /// If `threads` is 0.
    pub fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        assert!(threads > 0, "somebody must do the work");
        let pool = (threads > 1).then(|| ThreadPoolBuilder::new().num_threads(threads).build()).transpose()?;
        Ok(Self { pool: pool.map(Arc::new) })
    }

    /// How many there are.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// What `f` makes of every item, in their order.
    pub fn map<I: Send, R: Send>(&self, items: impl IntoIterator<Item = I>, f: impl Fn(I) -> R + Sync) -> Vec<R> {
        self.map_with(items, || (), |(), item| f(item))
    }

    /// [`Self::map`] with scratch space, which serves several items, one after the other.
    pub fn map_with<S, I: Send, R: Send>(
        &self,
        items: impl IntoIterator<Item = I>,
        scratch: impl Fn() -> S + Sync,
        f: impl Fn(&mut S, I) -> R + Sync,
    ) -> Vec<R> {
        let Some(pool) = &self.pool else {
            let mut scratch = scratch();
            return items.into_iter().map(|item| f(&mut scratch, item)).collect();
        };
        let items: Vec<I> = items.into_iter().collect();
        pool.install(|| items.into_par_iter().map_init(&scratch, &f).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::{Barrier, Mutex};
    use std::thread::current;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for threads in [1, 3] {
            let workers = Workers::new(threads).expect("threads");
            assert_eq!(workers.threads(), threads);
            let nested = |x: u64| workers.map(0..x, |y| x * y).into_iter().sum::<u64>();
            let expected: Vec<u64> = (0..50).map(|x: u64| x * x * x.saturating_sub(1) / 2).collect();
            assert_eq!(workers.map(0..50, nested), expected);
        }
    }

    #[test]
    fn one_worker_is_the_caller() {
        let names = Workers::default().map(0..5, |_| current().id());
        assert!(names.iter().all(|&name| name == current().id()));
    }

    /// Each item waits for the others: with fewer threads this would not end.
    #[test]
    fn all_threads_work() {
        let (barrier, seen) = (Barrier::new(3), Mutex::new(BTreeSet::new()));
        Workers::new(3).expect("threads").map(0..3, |_| {
            barrier.wait();
            seen.lock().expect("no panics").insert(format!("{:?}", current().id()));
        });
        assert_eq!(seen.into_inner().expect("no panics").len(), 3);
    }

    #[test]
    fn scratch_space_serves_one_item_at_a_time() {
        for threads in [1, 3] {
            let workers = Workers::new(threads).expect("threads");
            let sums = workers.map_with(0..50u64, Vec::new, |scratch: &mut Vec<u64>, x| {
                scratch.clear();
                scratch.extend(0..x);
                scratch.iter().sum::<u64>()
            });
            assert_eq!(sums, (0..50).map(|x: u64| x * x.saturating_sub(1) / 2).collect::<Vec<_>>());
        }
    }
}

//! Whom generation waits for: links that note how long nothing has come over them while it was awaited.
//!
//! When a batch is late, the member that was waited for longest is named. It may be the victim of another one (who
//! waits for a staller sends late too), but each member names whom *it* waited for, and a member that everybody names
//! is the one.

use polyyne_engine::port::{Channel, ChannelError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What was waited for, over all links of a session. Clones share it.
#[derive(Clone, Default)]
pub struct Watch {
    waits: Arc<Mutex<Vec<Wait>>>,
}

/// What was waited for over one link.
#[derive(Clone, Copy)]
struct Wait {
    rank: usize,
    total: Duration,
    since: Option<Instant>,
}

impl Watch {
    /// Watches these links too; they are ordered by rank.
    pub fn add(&self, links: Vec<Option<Box<dyn Channel>>>) -> Vec<Option<Box<dyn Channel>>> {
        let watched = |(rank, link): (usize, Option<Box<dyn Channel>>)| {
            link.map(|link| {
                let mut waits = self.waits();
                waits.push(Wait { rank, total: Duration::ZERO, since: None });
                Box::new(Watched { link, number: waits.len() - 1, watch: self.clone() }) as Box<dyn Channel>
            })
        };
        links.into_iter().enumerate().map(watched).collect()
    }

    fn waits(&self) -> MutexGuard<'_, Vec<Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the past: a batch begins.
    pub fn begin(&self) {
        self.waits().iter_mut().for_each(|wait| *wait = Wait { rank: wait.rank, total: Duration::ZERO, since: None });
    }

    /// The rank of the member that was waited for longest since [`Self::begin`], and how long; `None` if for nobody.
    pub fn slowest(&self, now: Instant) -> Option<(usize, Duration)> {
        let waited = |wait: &Wait| wait.total + wait.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        let waits = self.waits();
        let longest = waits.iter().map(|wait| (wait.rank, waited(wait))).max_by_key(|(_, waited)| *waited)?;
        (longest.1 > Duration::ZERO).then_some(longest)
    }

    fn note(&self, number: usize, waits: bool, now: Instant) {
        let wait = &mut self.waits()[number];
        match (wait.since, waits) {
            (None, true) => wait.since = Some(now),
            (Some(since), false) => {
                wait.total += now.duration_since(since);
                wait.since = None;
            }
            _ => {}
        }
    }
}

struct Watched {
    link: Box<dyn Channel>,
    /// Its place among the waits.
    number: usize,
    watch: Watch,
}

impl Channel for Watched {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        self.link.poll_send(cx, frame)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        let polled = self.link.poll_recv(cx);
        self.watch.note(self.number, polled.is_pending(), Instant::now());
        polled
    }

    fn finish(&mut self) {
        self.link.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link that gives a frame when asked a number of times.
    struct After(u32);

    impl Channel for After {
        fn poll_send(&mut self, _: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
            frame.clear();
            Poll::Ready(Ok(()))
        }

        fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    Poll::Pending
                }
                None => Poll::Ready(Ok(vec![1])),
            }
        }
    }

    #[test]
    fn the_member_that_was_waited_for_longest_is_named() {
        let links: Vec<Option<Box<dyn Channel>>> = vec![None, Some(Box::new(After(0))), Some(Box::new(After(2)))];
        let watch = Watch::default();
        let mut links = watch.add(links);
        let more: Vec<Option<Box<dyn Channel>>> = vec![None, Some(Box::new(After(0))), None];
        links.extend(watch.add(more));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(watch.slowest(Instant::now()), None);
        for link in links.iter_mut().flatten() {
            drop(link.poll_recv(&mut cx));
        }
        let later = Instant::now() + Duration::from_secs(5);
        let (rank, waited) = watch.slowest(later).expect("one is waited for");
        assert_eq!(rank, 2);
        assert!(waited >= Duration::from_secs(5));
        let mut received = 0;
        while received < 5 {
            received +=
                links.iter_mut().flatten().map(|link| usize::from(link.poll_recv(&mut cx).is_ready())).sum::<usize>();
        }
        let after = watch.slowest(Instant::now() + Duration::from_secs(50)).expect("it was waited for");
        assert!(after.0 == 2 && after.1 < Duration::from_secs(50), "the wait has ended");
        watch.begin();
        assert_eq!(watch.slowest(Instant::now()), None);
    }
}

//! What this member says that the cloud needs: its stock, what requests wait for, what quotes count on, how fast tuples
//! go, and whether executions run.

use super::plan::{KindWish, Wish};
use crate::castor::telemetry::{Telemetry, per_1000_s};
use crate::castor::{Stock, TupleKind};
use crate::session::take::Bill;
use polyyne_protocol::limits::{QUOTE_OPEN_MS, QUOTES_OPEN_MAX};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time over which consumption is measured for plans.
const RATE_OVER: Duration = Duration::from_secs(60);

/// See the module's head.
#[derive(Default)]
pub struct Demand {
    /// Asked for by requests, by kind code.
    wanted: Mutex<BTreeMap<u16, u64>>,
    quotes: Mutex<VecDeque<(Instant, Bill)>>,
    running: Arc<AtomicUsize>,
    /// Samples of the stock.
    pub telemetry: Telemetry,
}

/// An execution that runs, until this is dropped.
pub struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Demand {
    /// At least this stock of a kind is needed, whatever its target, until it is there.
    pub fn want(&self, kind: TupleKind, available: u64) {
        let mut wanted = lock(&self.wanted);
        let known = wanted.entry(kind.code).or_default();
        *known = (*known).max(available);
    }

    /// A client has been told what a program takes, and may come back with it.
    pub fn quote(&self, now: Instant, bill: Bill) {
        let mut quotes = lock(&self.quotes);
        if quotes.len() >= QUOTES_OPEN_MAX {
            quotes.pop_front();
        }
        quotes.push_back((now + Duration::from_millis(QUOTE_OPEN_MS), bill));
    }

    /// Generation gives way while the result lives.
    pub fn execution(&self) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.running.clone())
    }

    /// What this member says in a planning round. `next` gives the first free position of a kind.
    pub fn wish(
        &self,
        paused: bool,
        kinds: &[TupleKind],
        stock: &[Stock],
        next: impl Fn(TupleKind) -> u64,
        now: Instant,
    ) -> Wish {
        let stock: Vec<Stock> = kinds
            .iter()
            .map(|&kind| stock.iter().find(|own| own.kind == kind).copied().unwrap_or(Stock::none(kind)))
            .collect();
        let (time, flows) = self.telemetry.over(now, RATE_OVER, &stock);
        let mut wanted = lock(&self.wanted);
        let mut quotes = lock(&self.quotes);
        quotes.retain(|(end, _)| *end > now);
        // the largest, not the sum: asking again does not make a program run twice
        let quoted = |kind: TupleKind| {
            let of_kind = quotes.iter().flat_map(|(_, bill)| bill).filter(|(of, _)| *of == kind);
            of_kind.map(|(_, count)| *count).max().unwrap_or(0)
        };
        let mut wish = |(stock, flow): (&Stock, crate::castor::telemetry::Flow)| {
            let Stock { kind, available, .. } = *stock;
            let short = wanted.get(&kind.code).map_or(0, |wanted| wanted.saturating_sub(available));
            if short == 0 {
                wanted.remove(&kind.code);
            }
            KindWish {
                kind: kind.code,
                available,
                short,
                quoted: quoted(kind),
                taken_per_1000_s: per_1000_s(flow.taken, time),
                next: next(kind),
            }
        };
        let kinds = stock.iter().zip(flows).map(&mut wish).collect();
        Wish { paused, busy: self.running.load(Ordering::Relaxed) > 0, threads: 1, kinds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: TupleKind = TupleKind::BIT;

    fn stock(available: u64, taken: u64) -> Vec<Stock> {
        vec![Stock { available, taken, ..Stock::none(KIND) }]
    }

    fn wish(demand: &Demand, stock: &[Stock], now: Instant) -> (KindWish, bool) {
        let wish = demand.wish(false, &[KIND], stock, |_| 7, now);
        (wish.kinds[0], wish.busy)
    }

    #[test]
    fn what_is_wanted_is_forgotten_once_it_is_there() {
        let (demand, now) = (Demand::default(), Instant::now());
        demand.want(KIND, 100);
        demand.want(KIND, 50);
        assert_eq!(wish(&demand, &stock(30, 0), now).0.short, 70);
        assert_eq!(wish(&demand, &stock(100, 0), now).0.short, 0);
        assert_eq!(wish(&demand, &stock(0, 0), now).0.short, 0, "it was served");
    }

    #[test]
    fn quotes_count_for_a_while_and_the_largest_alone() {
        let (demand, now) = (Demand::default(), Instant::now());
        for count in [10, 500, 20] {
            demand.quote(now, vec![(TupleKind::TRIPLE, 9_999), (KIND, count)]);
        }
        assert_eq!(wish(&demand, &[], now).0.quoted, 500);
        let later = now + Duration::from_millis(QUOTE_OPEN_MS + 1);
        assert_eq!(wish(&demand, &[], later).0.quoted, 0);
        (0..2 * QUOTES_OPEN_MAX).for_each(|_| demand.quote(now, vec![(KIND, 1)]));
        assert_eq!(lock(&demand.quotes).len(), QUOTES_OPEN_MAX);
    }

    #[test]
    fn consumption_is_that_of_the_last_minute_and_executions_are_busy_while_they_live() {
        let (demand, start) = (Demand::default(), Instant::now());
        demand.telemetry.note(start, stock(0, 100));
        let (told, busy) = wish(&demand, &stock(0, 400), start + Duration::from_secs(30));
        assert_eq!((told.taken_per_1000_s, told.next, busy), (10_000, 7, false));
        let first = demand.execution();
        let second = demand.execution();
        drop(first);
        assert!(wish(&demand, &[], start).1);
        drop(second);
        assert!(!wish(&demand, &[], start).1);
    }
}

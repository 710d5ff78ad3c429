//! How fast tuples come and go: samples of the counters, and what they say over an interval.
//!
//! Samples live in memory and begin with the process. A rate is the difference of two samples over the time between
//! them, so that it is exact for that time and says what time it is for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Stock;

/// Between two samples.
pub const SAMPLE: Duration = Duration::from_secs(2);
/// The longest interval that can be asked for.
pub const INTERVAL_MAX: Duration = Duration::from_secs(3600);
const SAMPLES_MAX: usize = (INTERVAL_MAX.as_secs() / SAMPLE.as_secs()) as usize + 2;

/// The samples of one cloud's stock.
#[derive(Default)]
pub struct Telemetry(Mutex<VecDeque<(Instant, Vec<Stock>)>>);

/// What happened to one kind over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub generated: u64,
    pub taken: u64,
    /// Skipped and burned.
    pub wasted: u64,
}

impl Telemetry {
    /// Adds a sample.
    pub fn note(&self, now: Instant, stock: Vec<Stock>) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, stock));
        while samples.len() > SAMPLES_MAX {
            samples.pop_front();
        }
    }

    /// What happened to each kind of `current` over the last `interval`, as far as there are samples, and over how much
    /// time that is.
    pub fn over(&self, now: Instant, interval: Duration, current: &[Stock]) -> (Duration, Vec<Flow>) {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, before)) = samples.iter().find(|(at, _)| now.saturating_duration_since(*at) <= interval) else {
            return (Duration::ZERO, current.iter().map(|_| Flow { generated: 0, taken: 0, wasted: 0 }).collect());
        };
        let flow = |stock: &Stock| {
            let before = before.iter().find(|before| before.kind == stock.kind);
            let since = |count: fn(&Stock) -> u64| count(stock).saturating_sub(before.map_or(0, count));
            Flow {
                generated: since(|stock| stock.generated),
                taken: since(|stock| stock.taken),
                wasted: since(|stock| stock.skipped.saturating_add(stock.burned)),
            }
        };
        (now.saturating_duration_since(*at), current.iter().map(flow).collect())
    }
}

/// Items in 1000 s at this rate.
pub fn per_1000_s(count: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castor::TupleKind;

    fn stock(generated: u64, taken: u64) -> Vec<Stock> {
        let kind = TupleKind::TRIPLE;
        vec![Stock { kind, available: 0, staged: 0, generated, taken, skipped: 1, burned: 0, cursor: 0 }]
    }

    #[test]
    fn rates_are_those_of_the_interval_and_never_older() {
        let telemetry = Telemetry::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(telemetry.over(at(0), Duration::from_secs(60), &stock(9, 0)).0, Duration::ZERO);
        for second in (0..100).step_by(10) {
            telemetry.note(at(second), stock(second * 100, second));
        }
        let (time, flows) = telemetry.over(at(100), Duration::from_secs(30), &stock(10_000, 500));
        assert_eq!(time, Duration::from_secs(30));
        assert_eq!(flows, [Flow { generated: 3_000, taken: 430, wasted: 0 }]);
        assert_eq!(per_1000_s(flows[0].generated, time), 100_000);
        let (time, flows) = telemetry.over(at(100), INTERVAL_MAX, &stock(10_000, 500));
        assert_eq!((time, flows[0].generated), (Duration::from_secs(100), 10_000));
    }

    #[test]
    fn samples_are_bounded() {
        let telemetry = Telemetry::default();
        let now = Instant::now();
        (0..5000).for_each(|_| telemetry.note(now, stock(1, 1)));
        assert_eq!(telemetry.0.lock().unwrap().len(), SAMPLES_MAX);
    }
}

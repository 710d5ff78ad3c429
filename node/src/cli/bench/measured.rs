//! What was measured, as a row of the table and as an object of the JSON array, and how a run compares with a stored one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Context as _, Failure};
use crate::cli::screen::Screen;

/// One line of the result. Fields are absent where they make no sense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    pub parties: u16,
    pub threads: u32,
    pub value: f64,
    pub unit: String,
    /// That one party sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_item: Option<f64>,
    /// Of single items, where their latency is what matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Of the party that had most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
}

impl Measured {
    /// Items per second of one thread, of which nothing more is known yet.
    pub fn new(name: &str, parties: u16) -> Self {
        Self {
            name: name.into(),
            parties,
            threads: 1,
            value: 0.0,
            unit: "items/s".into(),
            bytes_per_item: None,
            p50_us: None,
            p99_us: None,
            peak_rss_bytes: None,
        }
    }

    /// Items per second of parties with so many threads each.
    pub fn on_threads(name: &str, parties: u16, threads: u16) -> Self {
        Self { threads: threads.into(), ..Self::new(name, parties) }
    }

    /// With the percentiles of these laps, if there are any.
    pub fn with_laps(mut self, laps_ns: &mut [u64]) -> Self {
        laps_ns.sort_unstable();
        self.p50_us = percentile_us(laps_ns, 50);
        self.p99_us = percentile_us(laps_ns, 99);
        self
    }

    /// Whether more is better.
    fn is_rate(&self) -> bool {
        self.unit.ends_with("/s")
    }

    /// How much better (above 0) or worse than `before`, as a part of it.
    fn gain_over(&self, before: &Self) -> f64 {
        match self.is_rate() {
            true => self.value / before.value - 1.0,
            false => before.value / self.value - 1.0,
        }
    }

    fn row(&self) -> Vec<String> {
        let micros = |micros: Option<f64>| micros.map(|micros| format!("{micros:.1}")).unwrap_or_default();
        vec![
            self.name.clone(),
            self.parties.to_string(),
            self.threads.to_string(),
            shown(self.value),
            self.unit.clone(),
            self.bytes_per_item.map(|bytes| format!("{bytes:.0}")).unwrap_or_default(),
            micros(self.p50_us),
            micros(self.p99_us),
            self.peak_rss_bytes.map(|bytes| format!("{} MB", bytes / 1_000_000)).unwrap_or_default(),
        ]
    }
}

fn shown(value: f64) -> String {
    format!("{value:.*}", if value < 100.0 { 3 } else { 0 })
}

/// Of ascending times; the largest of which at most so many percent are above.
fn percentile_us(laps_ns: &[u64], percent: usize) -> Option<f64> {
    let at = (laps_ns.len() * percent).div_ceil(100).saturating_sub(1);
    laps_ns.get(at).map(|&lap| lap as f64 / 1000.0)
}

/// The most memory that a process had; 0 where the system does not say.
pub fn peak_rss_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Which measurements are wanted.
pub struct Filter<'a>(Option<&'a str>);

impl<'a> Filter<'a> {
    /// # Errors
    /// If none of `names` is wanted.
    pub fn new<'n>(filter: Option<&'a str>, names: impl IntoIterator<Item = &'n str>) -> Result<Self, Failure> {
        let filter = Self(filter);
        match names.into_iter().any(|name| filter.wants(name)) {
            true => Ok(filter),
            false => Err(Failure::usage("no measurement has such a name")),
        }
    }

    /// Whether this one was asked for, and not only all.
    pub fn asks_for(&self, name: &str) -> bool {
        self.0.is_some() && self.wants(name)
    }

    pub fn wants(&self, name: &str) -> bool {
        self.0.is_none_or(|part| name.contains(part))
    }
}

/// A table, or JSON.
pub fn show(screen: &Screen, results: &Vec<Measured>) {
    screen.show(results, |screen, results| {
        let heading = ["name", "parties", "threads", "value", "", "bytes/item", "p50 µs", "p99 µs", "peak memory"];
        screen.table(&heading, results.iter().map(Measured::row), "nothing was measured");
    });
}

/// A stored run, to compare with.
pub struct Stored(Vec<Measured>);

impl Stored {
    /// What `vcp bench ... --json` printed.
    ///
    /// # Errors
    /// If the file cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).or_failed(path.display())?;
        let stored = serde_json::from_str(&text);
        stored.map(Self).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    }

    /// Tells the change of each measurement that both runs have.
    ///
    /// # Errors
    /// If one is worse by more than `tolerance` percent, or none is in both.
    pub fn compare(&self, screen: &Screen, results: &[Measured], tolerance: u32) -> Result<(), Failure> {
        let both: Vec<(&Measured, &Measured)> = results.iter().filter_map(|now| Some((now, self.of(now)?))).collect();
        if both.is_empty() {
            return Err(Failure::usage("the stored run has none of these measurements"));
        }
        let mut worse = Vec::new();
        for (now, before) in both {
            let gain = 100.0 * now.gain_over(before);
            let (name, unit) = (&now.name, &now.unit);
            screen.note(format!("{name:24} {} -> {} {unit} ({gain:+.1} %)", shown(before.value), shown(now.value)));
            // what cannot be compared counts as worse
            if gain.is_nan() || gain < -f64::from(tolerance) {
                worse.push(name.as_str());
            }
        }
        match worse.is_empty() {
            true => Ok(()),
            false => Err(Failure::failed(format!("worse by more than {tolerance} %: {}", worse.join(", ")))),
        }
    }

    fn of(&self, now: &Measured) -> Option<&Measured> {
        let same = |before: &&Measured| {
            (&before.name, before.parties, before.threads, &before.unit)
                == (&now.name, now.parties, now.threads, &now.unit)
        };
        self.0.iter().find(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64, unit: &str) -> Vec<Measured> {
        vec![Measured { value, unit: unit.into(), ..Measured::new("online.open", 2) }]
    }

    fn compare(before: f64, now: f64, unit: &str) -> Result<(), Failure> {
        Stored(run(before, unit)).compare(&Screen { json: false }, &run(now, unit), 20)
    }

    #[test]
    fn a_regression_beyond_the_tolerance_fails_whichever_way_the_unit_counts() {
        assert!(compare(100.0, 90.0, "items/s").is_ok());
        assert!(compare(100.0, 70.0, "items/s").is_err());
        assert!(compare(100.0, 1000.0, "items/s").is_ok());
        assert!(compare(1.0, 1.2, "s").is_ok());
        assert!(compare(1.0, 1.5, "s").is_err());
        assert!(compare(0.0, 0.0, "s").is_err(), "nothing is known then");
        let other = Stored(run(1.0, "s"));
        assert!(other.compare(&Screen { json: false }, &run(1.0, "ms"), 20).is_err(), "nothing in common");
    }

    #[test]
    fn json_holds_what_there_is_and_reads_back() {
        let measured = Measured { value: 5.0, ..Measured::new("online.open", 2) }.with_laps(&mut [3000, 1000, 2000]);
        let json = serde_json::to_value(&measured).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["name", "p50_us", "p99_us", "parties", "threads", "unit", "value"]);
        assert_eq!((json["p50_us"].as_f64(), json["p99_us"].as_f64()), (Some(2.0), Some(3.0)));
        assert_eq!(serde_json::from_value::<Measured>(json).unwrap(), measured);
    }

    #[test]
    fn percentiles_are_of_the_items_themselves() {
        let laps: Vec<u64> = (1..=200).map(|lap| lap * 1000).collect();
        assert_eq!((percentile_us(&laps, 50), percentile_us(&laps, 99)), (Some(100.0), Some(198.0)));
        assert_eq!(percentile_us(&[], 50), None);
    }
}

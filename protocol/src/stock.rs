//! How the members of a cloud keep one kind of tuples in stock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{CONCURRENCY_MAX, PRIORITY_MAX, TARGET_MAX};

/// The rule of one kind, part of the cloud's record. Text form: `TARGET[,threshold=N][,priority=N][,concurrency=N]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StockRule {
    /// Members make tuples until there are so many,
    pub target: u64,
    /// once there are fewer than this.
    pub threshold: u64,
    /// Its share of generation beside other kinds that are wanted, from 1.
    pub priority: u16,
    /// Chunks that members make together at once, from 1: more of them share their rounds and their check.
    pub concurrency: u16,
}

impl StockRule {
    /// What holds for a kind that the record does not name: made when somebody needs it.
    pub const ON_DEMAND: Self = Self { target: 0, threshold: 0, priority: 1, concurrency: 1 };

    /// A stock of so many, refilled when a quarter is gone.
    pub fn keep(target: u64) -> Self {
        Self { target, threshold: target - target / 4, ..Self::ON_DEMAND }
    }

    /// Whether a record may have it.
    pub fn is_sound(&self) -> bool {
        self.target <= TARGET_MAX
            && self.threshold <= self.target
            && (1..=PRIORITY_MAX).contains(&self.priority)
            && (1..=CONCURRENCY_MAX).contains(&self.concurrency)
    }
}

impl fmt::Display for StockRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, threshold, priority, concurrency } = self;
        write!(f, "{target},threshold={threshold},priority={priority},concurrency={concurrency}")
    }
}

/// A text that is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rule is TARGET[,threshold=N][,priority=N][,concurrency=N]: at most {TARGET_MAX} tuples, a threshold of at most \
     the target, priority 1 to {PRIORITY_MAX}, concurrency 1 to {CONCURRENCY_MAX}"
)]
pub struct BadRule;

impl FromStr for StockRule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let mut parts = text.split(',');
        let target = parts.next().and_then(|target| target.parse().ok()).ok_or(BadRule)?;
        let mut rule = Self::keep(target);
        for part in parts {
            let (name, value) = part.split_once('=').ok_or(BadRule)?;
            let small = || value.parse().map_err(|_| BadRule);
            match name {
                "threshold" => rule.threshold = value.parse().map_err(|_| BadRule)?,
                "priority" => rule.priority = small()?,
                "concurrency" => rule.concurrency = small()?,
                _ => return Err(BadRule),
            }
        }
        if rule.is_sound() { Ok(rule) } else { Err(BadRule) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_it_is_written() {
        for text in ["0", "1000", "1000,threshold=0", "8192,priority=16,concurrency=8", "5,concurrency=2,threshold=5"] {
            let rule: StockRule = text.parse().expect(text);
            assert_eq!(rule.to_string().parse(), Ok(rule), "{text}");
        }
        let rule: StockRule = "1000".parse().expect("a target alone");
        assert_eq!((rule.target, rule.threshold, rule.priority, rule.concurrency), (1000, 750, 1, 1));
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        let bad =
            ["", "x", "-1", "10,threshold=11", "10,priority=0", "10,priority=17", "10,concurrency=0", "10,weight=1"];
        let long = format!("{}", TARGET_MAX + 1);
        for text in bad.into_iter().chain([long.as_str(), "10,concurrency=99", "10,priority=99999999"]) {
            assert_eq!(text.parse::<StockRule>(), Err(BadRule), "{text}");
        }
    }
}

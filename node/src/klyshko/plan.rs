//! What to make next: a pure function of what all members said, so that every member computes the same without anybody
//! deciding for the others.
//!
//! A [`Wish`] is one member's view: its stock of each kind, how fast it goes, and what executions and quotes want. What
//! waiting executions lack is *urgent*; a kind below the threshold of its rule is *refilled* up to the target. Urgent
//! kinds get three batches of four while others are wanted too. Within both groups a kind's share follows its weight:
//! its priority in the cloud's record, times a factor for how soon it will be gone. No kind that is wanted starves:
//! shares are kept by virtual time (self-clocked fair queueing, Golestani 1994), in which each batch moves its kind
//! back by the inverse of its weight.
//!
//! While executions run, only kinds below their threshold are made; what is above it waits for a pause, and at most
//! [`YIELDS_MAX`] rounds.
//!
//! First batches of a kind are small and double from there, so that a new cloud is useful in seconds and a running one
//! is efficient.
//!
//! A lying member can steer what is made, or stop it; it can do no more than refuse to work.

use crate::castor::TupleKind;
use polyyne_protocol::limits::{BATCH_FIRST, TARGET_MAX};
use polyyne_protocol::stock::StockRule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Urgent batches in a row while other kinds are wanted too.
const URGENT_ROW: u32 = 3;
/// Planning rounds in which generation gives way to executions, in a row.
pub const YIELDS_MAX: u32 = 50;
/// Virtual time of one batch at weight 1.
const STRIDE: u64 = 1 << 20;
/// A kind that lasts less long than this at its present rate goes before others,
const SOON_S: u64 = 60;
/// and one that lasts less long than this a little.
const LATER_S: u64 = 600;

/// One member's stock of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindWish {
    /// [`TupleKind::code`].
    pub kind: u16,
    /// Tuples that can be taken.
    pub available: u64,
    /// Tuples that waiting requests need beyond what is available.
    pub short: u64,
    /// Tuples that programs would take which clients have asked quotes for.
    pub quoted: u64,
    /// Tuples taken in 1000 s, as of late.
    pub taken_per_1000_s: u64,
    /// The first position that no chunk of this member covers.
    pub next: u64,
}

/// What one member says in a planning round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// This member does not want to generate now.
    pub paused: bool,
    /// Executions run at this member.
    pub busy: bool,
    /// Threads that this member offers; all use as many as the one that offers least.
    pub threads: u16,
    pub kinds: Vec<KindWish>,
}

/// A batch that all members make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub kind: TupleKind,
    /// More than a chunk where the kind's concurrency says so.
    pub count: usize,
    /// Position of its first tuple.
    pub start: u64,
}

/// What members do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    Make(Batch),
    /// Executions go first.
    Yield,
    /// All targets are met.
    Rest,
    /// By these members, by rank.
    Paused(Vec<usize>),
}

/// Plans the batches of a session: the same at all members, since it sees the same wishes from the session's beginning.
#[derive(Debug, Default)]
pub struct Planner {
    kinds: BTreeMap<u16, Turn>,
    /// Virtual time, one for urgent kinds and one for others.
    clocks: [u64; 2],
    urgent_row: u32,
    yields: u32,
}

/// Where a kind stands in line.
#[derive(Debug)]
struct Turn {
    /// Being made up to its target.
    refilling: bool,
    /// Virtual times from which its next batches count.
    since: [u64; 2],
}

impl Planner {
    /// The next step. `rules` are the cloud's, for every kind that it knows.
    pub fn next(&mut self, wishes: &[Wish], rules: &[(TupleKind, StockRule)]) -> Plan {
        let paused: Vec<usize> = (0..wishes.len()).filter(|&rank| wishes[rank].paused).collect();
        if !paused.is_empty() {
            return Plan::Paused(paused);
        }
        let needs: Vec<Need> = rules.iter().filter_map(|(kind, rule)| Need::of(*kind, *rule, wishes)).collect();
        let wanted: Vec<&Need> = needs.iter().filter(|need| self.wants(need)).collect();
        let (urgent, mut others): (Vec<&Need>, Vec<&Need>) = wanted.into_iter().partition(|need| need.short > 0);
        if urgent.is_empty() && wishes.iter().any(|wish| wish.busy) {
            let low: Vec<&Need> = others.iter().copied().filter(|need| need.is_low()).collect();
            if !others.is_empty() && low.is_empty() && self.yields < YIELDS_MAX {
                self.yields += 1;
                return Plan::Yield;
            }
            others = if low.is_empty() { others } else { low };
        }
        let urgent_first = !urgent.is_empty() && (others.is_empty() || self.urgent_row < URGENT_ROW);
        let group = if urgent_first { 0 } else { 1 };
        let chosen = self.choose(group, if urgent_first { &urgent } else { &others });
        match chosen {
            None => Plan::Rest,
            Some(need) => {
                self.urgent_row = if urgent_first { self.urgent_row + 1 } else { 0 };
                self.yields = 0;
                Plan::Make(need.batch())
            }
        }
    }

    /// Whether a kind is wanted now. It is refilled from below its threshold up to its target.
    fn wants(&mut self, need: &Need) -> bool {
        let below_target = need.available < need.rule.target;
        // at the beginning of a session nobody knows whether it was being refilled: it is
        let fresh = Turn { refilling: below_target, since: self.clocks };
        let turn = self.kinds.entry(need.kind.code).or_insert(fresh);
        turn.refilling = below_target && (turn.refilling || need.is_low());
        turn.refilling || need.short > 0
    }

    /// The one whose next batch ends first in virtual time.
    fn choose<'a>(&mut self, group: usize, wanted: &[&'a Need]) -> Option<&'a Need> {
        let clock = self.clocks[group];
        let ends = |need: &Need, kinds: &BTreeMap<u16, Turn>| {
            let since = kinds.get(&need.kind.code).map_or(clock, |turn| turn.since[group]);
            since.saturating_add(STRIDE / need.weight())
        };
        for need in wanted {
            // whoever was not wanted for a while has no claim from that time: it is next, and no more than that
            let turn = self.kinds.get_mut(&need.kind.code).expect("what is wanted has a turn");
            turn.since[group] = turn.since[group].max(clock.saturating_sub(STRIDE / need.weight()));
        }
        let chosen = *wanted.iter().min_by_key(|need| (ends(need, &self.kinds), need.kind.code))?;
        let end = ends(chosen, &self.kinds);
        self.clocks[group] = clock.max(end);
        self.kinds.get_mut(&chosen.kind.code).expect("what is wanted has a turn").since[group] = end;
        Some(chosen)
    }
}

/// A kind over all members: the least stock, the largest shortage, the first free position.
struct Need {
    kind: TupleKind,
    rule: StockRule,
    available: u64,
    short: u64,
    quoted: u64,
    taken_per_1000_s: u64,
    next: u64,
}

impl Need {
    /// `None` for a kind that some member does not know.
    fn of(kind: TupleKind, rule: StockRule, wishes: &[Wish]) -> Option<Self> {
        let mine = |wish: &Wish| wish.kinds.iter().find(|own| own.kind == kind.code).copied();
        let all: Vec<KindWish> = wishes.iter().map(mine).collect::<Option<_>>()?;
        let most = |of: fn(&KindWish) -> u64| all.iter().map(of).max();
        Some(Self {
            kind,
            rule,
            available: all.iter().map(|own| own.available).min()?,
            short: most(|own| own.short)?.min(TARGET_MAX),
            quoted: most(|own| own.quoted)?,
            taken_per_1000_s: most(|own| own.taken_per_1000_s)?,
            next: most(|own| own.next)?,
        })
    }

    /// Below its threshold, or below what quotes count on, as far as that is within the target.
    fn is_low(&self) -> bool {
        self.available < self.rule.threshold.max(self.quoted.min(self.rule.target))
    }

    /// Its share of generation, at least 1.
    fn weight(&self) -> u64 {
        let lasts_s = self.available.saturating_mul(1000).checked_div(self.taken_per_1000_s);
        let factor = match lasts_s {
            Some(seconds) if seconds < SOON_S => 8,
            _ if self.quoted > self.available => 4,
            Some(seconds) if seconds < LATER_S => 2,
            _ => 1,
        };
        u64::from(self.rule.priority.max(1)) * factor
    }

    fn chunk(&self) -> u64 {
        self.kind.chunk_max() as u64
    }

    fn first_batch(&self) -> u64 {
        self.chunk().min(BATCH_FIRST as u64)
    }

    /// Doubles with what was made before.
    fn full_batch(&self) -> u64 {
        let chunk = self.chunk();
        let most = chunk.saturating_mul(self.rule.concurrency.max(1).into());
        if self.next >= chunk { most } else { self.next.clamp(self.first_batch(), chunk).next_power_of_two() }
    }

    fn batch(&self) -> Batch {
        let count = if self.short > 0 {
            // somebody waits: no more than that, and all of it however new the kind is
            self.short.clamp(self.first_batch(), self.full_batch().max(self.chunk()))
        } else {
            self.rule.target.saturating_sub(self.available).clamp(self.kind.row_tuples() as u64, self.full_batch())
        };
        Batch { kind: self.kind, count: count as usize, start: self.next }
    }
}

#[cfg(test)]
mod tests;

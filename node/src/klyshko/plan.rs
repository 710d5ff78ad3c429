//! What to make next: a pure function of what all members said, so that every member computes the
//! same without anybody deciding for the others.
//!
//! A [`Wish`] is one member's view: its stock per kind and what its waiting executions lack. The
//! plan serves shortages first (the largest relative one), then the kind that is furthest below
//! its target. First batches of a kind are small and double from there, so that a new cloud is
//! useful in seconds and a running one is efficient.
//!
//! A lying member can steer what is made, or stop it; it can do no more than refuse to work.

use crate::castor::TupleKind;
use polyyne_protocol::limits::{BATCH_FIRST, CHUNK_MAX, TARGET_MAX};
use serde::{Deserialize, Serialize};

/// One member's stock of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindWish {
    /// [`TupleKind::code`].
    pub kind: u16,
    /// Tuples that can be taken.
    pub available: u64,
    /// Tuples that waiting requests need beyond what is available.
    pub short: u64,
    /// The first position that no chunk of this member covers.
    pub next: u64,
}

/// What one member says in a planning round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// This member does not want to generate now.
    pub paused: bool,
    pub kinds: Vec<KindWish>,
}

/// A batch that all members make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub kind: TupleKind,
    pub count: usize,
    /// Position of its first tuple.
    pub start: u64,
}

/// The next batch, or nothing to do. `targets` are the cloud's, by kind code.
pub fn next_batch(wishes: &[Wish], targets: &[(u16, u64)]) -> Option<Batch> {
    if wishes.iter().any(|wish| wish.paused) {
        return None;
    }
    let needs: Vec<Need> = TupleKind::ALL.iter().filter_map(|&kind| Need::of(kind, wishes, targets)).collect();
    let urgent = needs.iter().filter(|need| need.short > 0).max_by_key(|need| (need.short, need.kind.code));
    let lowest =
        needs.iter().filter(|need| need.below_target()).min_by_key(|need| (need.fill_permille(), need.kind.code));
    urgent.or(lowest).map(Need::batch)
}

/// A kind over all members: the least stock, the largest shortage, the first free position.
struct Need {
    kind: TupleKind,
    available: u64,
    short: u64,
    next: u64,
    target: u64,
}

impl Need {
    fn of(kind: TupleKind, wishes: &[Wish], targets: &[(u16, u64)]) -> Option<Self> {
        let mine = |wish: &Wish| wish.kinds.iter().find(|own| own.kind == kind.code).copied();
        let all: Vec<KindWish> = wishes.iter().map(mine).collect::<Option<_>>()?;
        let target = targets.iter().find(|(code, _)| *code == kind.code).map_or(0, |(_, target)| *target);
        Some(Self {
            kind,
            available: all.iter().map(|own| own.available).min()?,
            short: all.iter().map(|own| own.short.min(TARGET_MAX)).max()?,
            next: all.iter().map(|own| own.next).max()?,
            target: target.min(TARGET_MAX),
        })
    }

    /// Refilling waits until a whole batch fits, so that single takes do not cause tiny batches.
    fn below_target(&self) -> bool {
        self.available < self.target
            && (self.available + self.full_batch() <= self.target || self.available < self.target / 2)
    }

    fn fill_permille(&self) -> u64 {
        (self.available.saturating_mul(1000)).checked_div(self.target).unwrap_or(1000)
    }

    /// Doubles with what was made before.
    fn full_batch(&self) -> u64 {
        self.next.clamp(BATCH_FIRST as u64, CHUNK_MAX as u64).next_power_of_two().min(CHUNK_MAX as u64)
    }

    fn batch(&self) -> Batch {
        let wanted = if self.short > 0 { self.short.max(BATCH_FIRST as u64) } else { self.full_batch() };
        Batch { kind: self.kind, count: wanted.min(CHUNK_MAX as u64) as usize, start: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wish(available: u64, short: u64, next: u64) -> Wish {
        let kinds = TupleKind::ALL.iter().map(|kind| KindWish { kind: kind.code, available, short, next }).collect();
        Wish { paused: false, kinds }
    }

    fn targets(target: u64) -> Vec<(u16, u64)> {
        TupleKind::ALL.iter().map(|kind| (kind.code, target)).collect()
    }

    #[test]
    fn a_new_cloud_starts_with_a_small_batch() {
        let batch = next_batch(&[wish(0, 0, 0), wish(0, 0, 0)], &targets(10_000)).expect("work to do");
        assert_eq!((batch.count, batch.start), (BATCH_FIRST, 0));
    }

    #[test]
    fn batches_double_up_to_a_chunk() {
        for (next, count) in [(256, 256), (512, 512), (3_000, 4_096), (1 << 20, 4_096)] {
            let batch = next_batch(&[wish(0, 0, next)], &targets(1 << 20)).expect("work to do");
            assert_eq!((batch.count, batch.start), (count, next));
        }
    }

    #[test]
    fn a_shortage_goes_before_the_target() {
        let mut hungry = wish(5_000, 0, 8_000);
        hungry.kinds[3].short = 900;
        let batch = next_batch(&[wish(0, 0, 8_000), hungry], &targets(10_000)).expect("work to do");
        assert_eq!((batch.kind, batch.count), (TupleKind::BIT, 900));
    }

    #[test]
    fn a_full_stock_and_a_paused_member_make_nothing() {
        assert_eq!(next_batch(&[wish(10_000, 0, 20_000)], &targets(10_000)), None);
        let mut paused = wish(0, 9, 0);
        paused.paused = true;
        assert_eq!(next_batch(&[wish(0, 0, 0), paused], &targets(10_000)), None);
    }

    #[test]
    fn a_kind_that_a_member_does_not_know_is_not_made() {
        let mut old = wish(0, 0, 0);
        old.kinds.retain(|own| own.kind == TupleKind::TRIPLE.code);
        let batch = next_batch(&[wish(0, 0, 0), old], &targets(100)).expect("work to do");
        assert_eq!(batch.kind, TupleKind::TRIPLE);
    }

    proptest! {
        #[test]
        fn no_wish_makes_it_panic_or_exceed_a_chunk(
            numbers in prop::collection::vec((any::<u64>(), any::<u64>(), 0..u64::MAX / 2), 1..5),
            target: u64,
        ) {
            let wishes: Vec<Wish> = numbers.into_iter().map(|(available, short, next)| wish(available.min(1 << 60), short, next)).collect();
            if let Some(batch) = next_batch(&wishes, &targets(target)) {
                prop_assert!(batch.count >= 1 && batch.count <= CHUNK_MAX);
                prop_assert_eq!(batch.start, wishes.iter().flat_map(|w| &w.kinds).map(|k| k.next).max().unwrap());
            }
        }
    }
}

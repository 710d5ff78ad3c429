//! Which positions a session takes: the lowest that every member has on offer.
//!
//! Every member computes this from the same offers and gets the same spans; each then checks them against its own
//! rows in the take, so that a wrong offer can cause a refusal or waste, nothing else.

use thiserror::Error;

use super::place::{Span, merge};

/// The members do not have enough in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{wanted} tuples are wanted and the members have {available} in common")]
pub struct Shortage {
    pub wanted: u64,
    pub available: u64,
}

/// The positions that all members offer, ascending. Each offer is ascending and disjoint, as [`super::Castor::offers`]
/// gives it; one that is not is treated as if its offending spans were missing.
pub fn in_common(offers: &[Vec<Span>]) -> Vec<Span> {
    let Some((first, others)) = offers.split_first() else {
        return Vec::new();
    };
    others.iter().fold(ordered(first), |common, offer| intersect(&common, &ordered(offer)))
}

/// The lowest `count` positions that all members offer.
pub fn allocate(offers: &[Vec<Span>], count: u64) -> Result<Vec<Span>, Shortage> {
    let common = in_common(offers);
    let mut left = count;
    let mut chosen = Vec::new();
    for span in &common {
        let taken = span.len().min(left);
        if taken > 0 {
            chosen.push(Span::new(span.start, span.start + taken));
            left -= taken;
        }
    }
    if left > 0 {
        return Err(Shortage { wanted: count, available: count - left });
    }
    Ok(chosen)
}

fn ordered(offer: &[Span]) -> Vec<Span> {
    let mut end = 0;
    let kept = offer.iter().copied().filter(|span| {
        let in_order = span.start >= end && !span.is_empty();
        if in_order {
            end = span.end;
        }
        in_order
    });
    merge(kept)
}

fn intersect(one: &[Span], other: &[Span]) -> Vec<Span> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        both.push(a.and(*b));
        match a.end <= b.end {
            true => i += 1,
            false => j += 1,
        }
    }
    merge(both)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn offer() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0..8u64, 0..8u64), 0..6).prop_map(|parts| {
            let mut at = 0;
            let spans = parts.into_iter().map(|(gap, len)| {
                let span = Span::new(at + gap, at + gap + len);
                at = span.end;
                span
            });
            spans.collect()
        })
    }

    fn set(spans: &[Span]) -> BTreeSet<u64> {
        spans.iter().flat_map(|span| span.start..span.end).collect()
    }

    proptest! {
        #[test]
        fn the_lowest_positions_of_the_intersection_are_chosen(
            offers in prop::collection::vec(offer(), 1..4),
            count in 0..20u64,
        ) {
            let sets = offers.iter().map(|offer| set(offer));
            let common = sets.reduce(|one, other| &one & &other).unwrap_or_default();
            let expected: BTreeSet<u64> = common.iter().copied().take(count as usize).collect();
            match allocate(&offers, count) {
                Ok(spans) => {
                    prop_assert_eq!(set(&spans), expected);
                    prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start));
                    prop_assert!(spans.iter().all(|span| !span.is_empty()));
                }
                Err(shortage) => {
                    prop_assert_eq!(shortage, Shortage { wanted: count, available: common.len() as u64 });
                    prop_assert!((common.len() as u64) < count);
                }
            }
        }

        #[test]
        fn any_offer_at_all_yields_ordered_spans(
            raw in prop::collection::vec(prop::collection::vec((any::<u64>(), any::<u64>()), 0..5), 0..4),
        ) {
            let offers: Vec<Vec<Span>> =
                raw.iter().map(|offer| offer.iter().map(|&(start, end)| Span::new(start, end)).collect()).collect();
            let common = in_common(&offers);
            prop_assert!(common.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(allocate(&offers, u64::MAX).is_ok() || !common.is_empty() || allocate(&offers, 1).is_err());
        }
    }
}

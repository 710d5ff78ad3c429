//! The last line of defence: positions that this process has handed out, skipped ones included.
//!
//! The transactions alone guarantee single use. This set does not trust them: a second use means that something
//! assumed here is false, and the process ends rather than go on.

use std::collections::{BTreeMap, HashMap};

use super::place::{Pool, Span};
use crate::store::MacScope;

/// Disjoint spans per pool, neighbours joined, so that its size follows the number of gaps.
#[derive(Default)]
pub(super) struct UsedPositions(HashMap<(MacScope, u16), BTreeMap<u64, u64>>);

impl UsedPositions {
    /// Marks a span as used. False if any position of it was used before.
    #[must_use]
    pub fn mark(&mut self, pool: Pool, span: Span) -> bool {
        if span.is_empty() {
            return true;
        }
        let spans = self.0.entry((pool.scope, pool.code)).or_default();
        let overlaps = |(_, &end): (&u64, &u64)| end > span.start;
        if spans.range(..span.end).next_back().is_some_and(overlaps) {
            return false;
        }
        let mut joined = span;
        if let Some((&start, &end)) = spans.range(..=span.start).next_back()
            && end == span.start
        {
            joined.start = start;
        }
        if let Some(end) = spans.remove(&span.end) {
            joined.end = end;
        }
        spans.insert(joined.start, joined.end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CloudId, MacKeyId};

    fn pool(code: u16) -> Pool {
        Pool { scope: MacScope { cloud: CloudId([1; 32]), mac_key: MacKeyId([2; 16]) }, code }
    }

    #[test]
    fn any_overlap_with_a_used_span_is_noticed() {
        let mut used = UsedPositions::default();
        assert!(used.mark(pool(1), Span::new(10, 20)));
        assert!(used.mark(pool(1), Span::new(20, 30)));
        assert!(used.mark(pool(2), Span::new(10, 20)), "another pool");
        for (start, end) in [(10, 11), (29, 30), (5, 11), (29, 40), (0, 100), (15, 25)] {
            assert!(!used.mark(pool(1), Span::new(start, end)), "{start}..{end}");
        }
        assert!(used.mark(pool(1), Span::new(0, 10)));
        assert!(used.mark(pool(1), Span::new(40, 50)));
        assert!(used.mark(pool(1), Span::new(30, 40)));
        assert_eq!(used.0[&(pool(1).scope, 1)].len(), 1, "neighbours are joined");
    }
}

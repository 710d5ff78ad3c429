//! Tuples in memory, in the order in which they are given: in chunks, so that what was given takes no memory any more.

use crate::share::Vector;
use std::collections::VecDeque;
use std::ops::Range;

/// Rows in a chunk, at most: as many as a piece of a multiplication takes.
const CHUNK: usize = 2048;

/// Columns of one length, used up from the front.
pub(crate) struct Queue<S> {
    /// Of each chunk its columns. None is used up.
    chunks: VecDeque<Vec<S>>,
    /// How far the first chunk is used.
    used: usize,
    left: usize,
}

impl<S> Default for Queue<S> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), used: 0, left: 0 }
    }
}

impl<S: Vector> Queue<S> {
    /// Rows that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Adds rows.
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn add(&mut self, columns: Vec<S>) {
        assert!(columns.windows(2).all(|pair| pair[0].len() == pair[1].len()), "columns of one length");
        let rows = columns.first().map_or(0, S::len);
        let mut at = 0;
        while at < rows {
            let room = self.chunks.back().map_or(0, |chunk| CHUNK.saturating_sub(chunk[0].len()));
            if at == 0 && room == 0 && rows <= CHUNK {
                self.chunks.push_back(columns);
                break;
            }
            if room == 0 {
                self.chunks.push_back(columns.iter().map(|_| S::with_capacity(CHUNK.min(rows - at))).collect());
                continue;
            }
            let part = at..rows.min(at + room);
            at = part.end;
            let chunk = self.chunks.back_mut().expect("there is one with room");
            append(chunk, &columns, part);
        }
        self.left += rows;
    }

    /// The next `count` rows as columns; `None` if there are not as many.
    pub fn take(&mut self, count: usize) -> Option<Vec<S>> {
        if count == 0 || count > self.left {
            return None;
        }
        self.left -= count;
        if self.used == 0 && self.chunks.front().is_some_and(|chunk| chunk[0].len() == count) {
            return self.chunks.pop_front();
        }
        let width = self.chunks[0].len();
        let mut columns: Vec<S> = (0..width).map(|_| S::with_capacity(count)).collect();
        let mut missing = count;
        while missing > 0 {
            let chunk = &self.chunks[0];
            let part = self.used..chunk[0].len().min(self.used + missing);
            append(&mut columns, chunk, part.clone());
            missing -= part.len();
            self.used = part.end;
            if self.used == chunk[0].len() {
                self.chunks.pop_front();
                self.used = 0;
            }
        }
        Some(columns)
    }
}

fn append<S: Vector>(to: &mut [S], from: &[S], rows: Range<usize>) {
    for (to, from) in to.iter_mut().zip(from) {
        to.append_range(from, rows.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::PrimeField;
    use crate::share::Shares;
    use proptest::prelude::*;

    fn rows(range: Range<usize>) -> Vec<Shares<PrimeField>> {
        let field = PrimeField::carbyne();
        let column = |plus: usize| range.clone().map(|i| field.element((i + plus) as u128)).collect::<Vec<_>>();
        vec![Shares::new(column(0), column(1)), Shares::new(column(2), column(3))]
    }

    proptest! {
        #[test]
        fn rows_come_out_in_order_and_once(
            steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0, 1, 7, 64, 2047, 2048, 2049, 5000])), 1..30),
        ) {
            let (mut queue, mut added, mut given) = (Queue::default(), 0, 0);
            for (adds, count) in steps {
                if adds {
                    queue.add(rows(added..added + count));
                    added += count;
                } else if let Some(columns) = queue.take(count) {
                    prop_assert_eq!(columns.len(), 2);
                    for (got, expected) in columns.iter().zip(rows(given..given + count)) {
                        prop_assert!(got.values == expected.values && got.macs == expected.macs);
                    }
                    given += count;
                } else {
                    prop_assert!(count == 0 || count > added - given);
                }
                prop_assert_eq!(queue.left(), added - given);
                let held: usize = queue.chunks.iter().map(|chunk| chunk[0].len()).sum();
                prop_assert!(held - queue.left() < CHUNK, "what was given is not kept");
            }
        }
    }
}

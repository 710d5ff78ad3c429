//! The account: what was made, what became of it, and what the rows say is left.

use super::chunk::{ChunkState, tuples_in};
use super::inventory::Holding;
use super::place::{Pool, Span, start_in};
use super::tally::Tally;
use super::{Castor, Tables, TupleKind};
use crate::store::durable::Reads;
use crate::store::tuples_file::ROWS;
use crate::store::{Fault, MacScope};

/// What operators and the generator ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    pub kind: TupleKind,
    /// Can be taken now.
    pub available: u64,
    /// Made, waiting for signatures.
    pub staged: u64,
    pub generated: u64,
    pub taken: u64,
    pub skipped: u64,
    pub burned: u64,
    /// Everything below is gone.
    pub cursor: u64,
}

impl Stock {
    /// Nothing of a kind.
    pub fn none(kind: TupleKind) -> Self {
        Self { kind, available: 0, staged: 0, generated: 0, taken: 0, skipped: 0, burned: 0, cursor: 0 }
    }
}

/// Counters beside what was counted row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub kind: TupleKind,
    pub generated: u64,
    pub taken: u64,
    pub skipped: u64,
    pub burned: u64,
    /// Counted from the rows of ACTIVE chunks.
    pub left: u64,
    /// Counted from the rows of STAGED chunks; not generated yet.
    pub staged: u64,
}

impl Account {
    /// generated = taken + skipped + burned + left, exactly.
    pub fn balances(&self) -> bool {
        [self.taken, self.skipped, self.burned, self.left].into_iter().try_fold(0u64, u64::checked_add)
            == Some(self.generated)
    }
}

/// Rows counted.
pub(super) struct Counted {
    pub left: u64,
    staged: u64,
}

impl Castor {
    /// The stock of every kind of a scope.
    pub fn stock(&self, scope: MacScope) -> Vec<Stock> {
        self.tables.inventory.under(scope, stock_of)
    }

    /// The account of every kind of a scope, counted row by row.
    pub fn audit(&self, scope: MacScope) -> Result<Vec<Account>, Fault> {
        let now = self.durable.read()?;
        let pools = self.tables.pools(&now, scope)?;
        pools
            .into_iter()
            .map(|(pool, tally)| {
                let counted = self.tables.count_left(&now, pool, &tally)?;
                Ok(Account {
                    kind: kind_of(pool, &tally),
                    generated: tally.generated,
                    taken: tally.taken,
                    skipped: tally.skipped,
                    burned: tally.burned,
                    left: counted.left,
                    staged: counted.staged,
                })
            })
            .collect()
    }
}

fn kind_of(pool: Pool, tally: &Tally) -> TupleKind {
    TupleKind { code: pool.code, arity: tally.arity }
}

fn stock_of(pool: Pool, holding: &Holding) -> Stock {
    let tally = &holding.tally;
    let (available, staged) = holding.counts();
    Stock {
        kind: kind_of(pool, tally),
        available,
        staged,
        generated: tally.generated,
        taken: tally.taken,
        skipped: tally.skipped,
        burned: tally.burned,
        cursor: tally.cursor,
    }
}

impl Tables {
    /// Counts the tuples that are in rows, apart from cursors and counters.
    pub(super) fn count_left(&self, from: &impl Reads, pool: Pool, tally: &Tally) -> Result<Counted, Fault> {
        let chunks = self.chunks_of(from, pool)?;
        let staged: Vec<Span> = chunks
            .iter()
            .filter(|(_, chunk)| chunk.state == ChunkState::Staged)
            .map(|(start, chunk)| chunk.span(*start))
            .collect();
        let mut counted = Counted { left: 0, staged: 0 };
        let prefix = pool.to_key();
        let to = crate::store::durable::after(&prefix);
        from.view(ROWS)?.walk(&prefix, to.as_deref(), |key, sealed| {
            let start = start_in(key).ok_or(Fault::Damaged { table: ROWS.0 })?;
            let row = Span::new(start, start.saturating_add(1));
            let count = tuples_in(sealed.len(), tally.arity);
            match staged.iter().any(|span| span.holds(row)) {
                true => counted.staged += count,
                false => counted.left += count,
            }
            Ok::<_, Fault>(true)
        })?;
        Ok(counted)
    }
}

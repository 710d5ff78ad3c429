//! The account: what was made, what became of it, and what the rows say is left.

use super::chunk::{ChunkState, tuples_in};
use super::execution::Execution;
use super::inventory::Holding;
use super::place::{Pool, Span, start_in};
use super::tally::Tally;
use super::{Castor, Tables, TupleKind};
use crate::store::durable::Reads;
use crate::store::tuples_file::{EXECUTIONS, ROWS};
use crate::store::{ExecId, Fault, MacScope};
use std::collections::BTreeMap;

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
    /// Counted from the takings in the journal.
    pub journalled: u64,
    pub skipped: u64,
    pub burned: u64,
    /// Counted from the rows of ACTIVE chunks.
    pub left: u64,
    /// Counted from the rows of STAGED chunks; not generated yet.
    pub staged: u64,
}

impl Account {
    /// generated = taken + skipped + burned + left, and what was taken is what the journal says, exactly.
    pub fn balances(&self) -> bool {
        [self.taken, self.skipped, self.burned, self.left].into_iter().try_fold(0u64, u64::checked_add)
            == Some(self.generated)
            && self.taken == self.journalled
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
        let journalled = self.tables.count_journalled(&now, scope)?;
        let pools = self.tables.pools(&now, scope)?;
        pools
            .into_iter()
            .map(|(pool, tally)| {
                let counted = self.tables.count_left(&now, pool, &tally)?;
                Ok(Account {
                    kind: kind_of(pool, &tally),
                    generated: tally.generated,
                    taken: tally.taken,
                    journalled: journalled.get(&pool.code).copied().unwrap_or(0),
                    skipped: tally.skipped,
                    burned: tally.burned,
                    left: counted.left,
                    staged: counted.staged,
                })
            })
            .collect()
    }

    /// Every taking of a scope that this store has ever committed.
    pub fn journal(&self, scope: MacScope) -> Result<Vec<(ExecId, Execution)>, Fault> {
        let mut all = Vec::new();
        self.tables.walk_journal(&self.durable.read()?, scope, |exec, execution| all.push((exec, execution)))?;
        Ok(all)
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
    /// Passes over the takings of a scope, one at a time: the journal holds all there ever were.
    fn walk_journal(
        &self,
        from: &impl Reads,
        scope: MacScope,
        mut each: impl FnMut(ExecId, Execution),
    ) -> Result<(), Fault> {
        from.view(EXECUTIONS)?.walk(&[], None, |key, sealed| {
            let exec = ExecId(key.try_into().map_err(|_| Fault::Damaged { table: EXECUTIONS.0 })?);
            let execution = self.executions.open(key, sealed)?;
            if execution.scope == scope {
                each(exec, execution);
            }
            Ok::<_, Fault>(true)
        })
    }

    /// Tuples by kind code that the journal says were taken.
    fn count_journalled(&self, from: &impl Reads, scope: MacScope) -> Result<BTreeMap<u16, u64>, Fault> {
        let mut counted: BTreeMap<u16, u64> = BTreeMap::new();
        self.walk_journal(from, scope, |_, execution| {
            for (kind, spans) in &execution.taken {
                let count: u64 = spans.iter().map(|span| span.len()).sum();
                let sum = counted.entry(kind.code).or_default();
                *sum = sum.saturating_add(count);
            }
        })?;
        Ok(counted)
    }

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

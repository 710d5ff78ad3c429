//! The end of all tuples of a MAC key: rows deleted, their data key shredded, the account closed.

use super::execution::AbortCause;
use super::place::Pool;
use super::tally::Tally;
use super::{Castor, Tables};
use crate::store::durable::{Apply, Plan, Reads};
use crate::store::tuples_file::{CHUNKS, DATA_KEYS, ROWS};
use crate::store::{Durable, Fault, MacScope};

impl Castor {
    /// Throws away all tuples of a scope (a new epoch, a quarantine). The MAC key itself stays as it is.
    pub async fn retire(&self, scope: MacScope) -> Result<(), Fault> {
        burn(&self.durable, &self.tables, scope, false).await
    }
}

struct Burn {
    tallies: Vec<(Pool, Tally)>,
    chunks: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
    executions: Vec<(crate::store::ExecId, super::Execution)>,
}

/// Deletes what a scope has in stock and shreds its data key; aborts its executions if the key itself is burned.
pub(crate) async fn burn(
    durable: &Durable,
    tables: &std::sync::Arc<Tables>,
    scope: MacScope,
    key_burned: bool,
) -> Result<(), Fault> {
    let (planning, applying, following) = (tables.clone(), tables.clone(), tables.clone());
    durable
        .write_then(
            move |plan| planning.plan_burn(plan, scope, key_burned),
            move |apply, burn| applying.apply_burn(apply, scope, burn),
            move |tallies| tallies.iter().for_each(|(pool, tally)| following.inventory.clear(*pool, *tally)),
        )
        .await
        .map(drop)
}

impl Tables {
    fn plan_burn(&self, plan: &Plan<'_>, scope: MacScope, key_burned: bool) -> Result<Burn, Fault> {
        let mut tallies = self.pools(plan, scope)?;
        for (pool, tally) in &mut tallies {
            let left = self.count_left(plan, *pool, tally)?.left;
            tally.burned = tally.burned.saturating_add(left);
            tally.cursor = tally.end;
        }
        let executions = match key_burned {
            true => self.taken_executions(plan, |of| of == scope)?,
            false => Vec::new(),
        };
        Ok(Burn { tallies, chunks: keys_under(plan, CHUNKS, scope)?, rows: keys_under(plan, ROWS, scope)?, executions })
    }

    fn apply_burn(&self, apply: &Apply<'_>, scope: MacScope, burn: Burn) -> Result<Vec<(Pool, Tally)>, Fault> {
        apply.shred(DATA_KEYS, &scope.to_key())?;
        for (table, keys) in [(CHUNKS, burn.chunks), (ROWS, burn.rows)] {
            let mut edit = apply.edit(table)?;
            for key in keys {
                edit.delete(&key)?;
            }
        }
        for (pool, tally) in &burn.tallies {
            self.tallies.put(apply, &pool.to_key(), tally)?;
        }
        self.abort_all(apply, burn.executions, AbortCause::KeyBurned)?;
        Ok(burn.tallies)
    }
}

fn keys_under(from: &impl Reads, table: crate::store::Table, scope: MacScope) -> Result<Vec<Vec<u8>>, Fault> {
    let prefix = scope.to_key();
    let to = crate::store::durable::after(&prefix);
    let mut keys = Vec::new();
    from.view(table)?.walk(&prefix, to.as_deref(), |key, _| {
        keys.push(key.to_vec());
        Ok::<_, Fault>(true)
    })?;
    Ok(keys)
}

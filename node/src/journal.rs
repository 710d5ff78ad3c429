//! The MAC-check journal: what must be on disk before a commitment or an opening of a check leaves this node.
//!
//! A check whose opening was sent and which did not end in a verified zero may have published the MAC key (Rushing at
//! SPDZ, eprint 2025/789; a stall or a crash counts like a failure). So each check is durable *before* it is sent, and
//! can be finished after a restart with the same bytes:
//!
//! ```text
//! begin_check (own σ, nonce, commitment) ── then the own commitment may leave
//! record_commitments (of all members)    ── then the own opening may leave
//! finish (zero)                          ── then the key may be used again
//! ```
//! One check at a time per key, numbers only grow, and an unfinished check freezes the key without time limit: burning
//! on a deadline would let an ordinary crash destroy a cloud. The transcript of a finished check is kept until the next
//! one holds the commitments of all members: each of them has then ended the earlier one (none begins a check before),
//! so nobody can still need it. That a member never committed is an answer others rely on, so it binds: see
//! [`Journal::find_or_rule_out`].
//!
//! A burned key is COMPROMISED on disk first; only then are its data key and tuples destroyed, and it never loads again.
//!
//! Not protected here: a node that lost `tuples.redb` has forgotten its burned keys, and nobody reminds it yet.

mod check;
mod key_state;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

pub use check::{Check, CheckError, CheckPhase, NewCheck};
pub use key_state::{KeyRecord, KeyState};

use crate::castor::Tables;
use crate::store::sealed::Sealed;
use crate::store::tuples_file::{CHECKS, KEY_STATES};
use crate::store::{Durable, Fault, TuplesFile};

/// The journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    durable: Durable,
    tables: Arc<JournalTables>,
    castor: Arc<Tables>,
    /// Checks that this process told others it never began, and so never will. Sessions end with the process, so a
    /// restart need not remember them.
    ruled_out: Arc<Mutex<HashSet<check::Coin>>>,
}

struct JournalTables {
    keys: Sealed<KeyRecord>,
    checks: Sealed<Check>,
}

impl Journal {
    /// Opens the journal: freezes every key with an unfinished check, and completes burns that a crash interrupted.
    pub async fn open(file: &TuplesFile) -> Result<Self, Fault> {
        let sealed = file.sealed();
        let journal = Self {
            durable: sealed.durable().clone(),
            tables: Arc::new(JournalTables { keys: sealed.table(KEY_STATES), checks: sealed.table(CHECKS) }),
            castor: Arc::new(Tables::of(file)),
            ruled_out: Arc::default(),
        };
        journal.freeze_unfinished().await?;
        journal.complete_burns().await?;
        Ok(journal)
    }
}

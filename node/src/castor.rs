//! Castor: the tuple store. A tuple leaves it once, by one durable transaction, and never comes back.
//!
//! Positions: under each (cloud, MAC key, kind) tuples have positions that only grow. Chunks cover ranges of positions
//! (they are what the members make and sign together, at most 4,096 tuples); on disk a chunk is rows of at most 64, so
//! that a take deletes whole rows and rewrites at most one per kind.
//!
//! ```text
//! stage ─▶ STAGED ─ activate (n signatures) ─▶ ACTIVE ─ take ─▶ gone
//!             └──── discard ─▶ gone                └── skip, retire, burn ─▶ gone
//! ```
//!
//! [`Castor::take`] inserts the execution's row, deletes the tuples and everything below them, and moves the cursors,
//! all in one commit; the tuples are decrypted only after that commit returned. Safety needs no peer's honesty: what a
//! peer can cause is waste, bounded per request by [`SKIP_TUPLES_MAX`].
//!
//! The account is exact: generated = taken + skipped + burned + left, where left is counted from the rows themselves.
//!
//! Not protected here: restored images of the file (by the chain head of [`Castor::head`] members notice, see
//! [`crate::freshness`]), and what a caller does with the bytes it was given.

mod allocation;
mod audit;
mod burn;
mod chunk;
mod execution;
mod head;
mod inventory;
mod kind;
mod place;
mod take;
mod tally;
pub mod telemetry;
mod tuples;
mod used;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex};

pub use allocation::{Shortage, allocate, in_common};
pub use audit::{Account, Stock};
pub use chunk::{CHUNK_TUPLES_MAX, ChunkRef, NewChunk, StageError, StagedChunk};
pub use execution::{AbortCause, Execution, ExecutionError, ExecutionState};
pub use head::{Head, PeerHead, PeerHeadError};
pub use kind::{Over, TupleKind};
pub use place::Span;
pub use take::{KindTake, RANGES_MAX, SKIP_TUPLES_MAX, TAKE_TUPLES_MAX, TakeError, TakeRequest};
pub use tuples::{ELEMENT_BYTES, TakenKind, TakenTuples};

pub(crate) use burn::burn;
pub(crate) use inventory::Inventory;

use crate::store::seal::TableKey;
use crate::store::sealed::Sealed;
use crate::store::tuples_file::{CHUNKS, DATA_KEYS, EXECUTIONS, HEADS, KEY_STATES, PEER_HEADS, ROWS, TALLIES};
use crate::store::{Durable, Fault, TuplesFile};

/// The tuple store. Clones share it.
#[derive(Clone)]
pub struct Castor {
    durable: Durable,
    tables: Arc<Tables>,
    used: Arc<Mutex<used::UsedPositions>>,
}

/// The tables of the tuples file that taking concerns.
pub(crate) struct Tables {
    data_keys: TableKey,
    rows: TableKey,
    chunks: Sealed<chunk::Chunk>,
    tallies: Sealed<tally::Tally>,
    executions: Sealed<Execution>,
    heads: Sealed<Head>,
    peer_heads: Sealed<PeerHead>,
    key_states: Sealed<crate::journal::KeyRecord>,
    store_id: [u8; 16],
    inventory: Arc<Inventory>,
}

impl Tables {
    pub(crate) fn of(file: &TuplesFile) -> Self {
        let sealed = file.sealed();
        Self {
            data_keys: sealed.key(DATA_KEYS),
            rows: sealed.key(ROWS),
            chunks: sealed.table(CHUNKS),
            tallies: sealed.table(TALLIES),
            executions: sealed.table(EXECUTIONS),
            heads: sealed.table(HEADS),
            peer_heads: sealed.table(PEER_HEADS),
            key_states: sealed.table(KEY_STATES),
            store_id: file.identity().store_id,
            inventory: file.inventory().clone(),
        }
    }
}

impl Castor {
    /// Opens the store. What an earlier process had taken and not checked is aborted: its tuples are gone.
    pub async fn open(file: &TuplesFile) -> Result<Self, Fault> {
        let castor =
            Self { durable: file.sealed().durable().clone(), tables: Arc::new(Tables::of(file)), used: Arc::default() };
        castor.take_inventory().await?;
        castor.abort_earlier_executions().await?;
        Ok(castor)
    }
}

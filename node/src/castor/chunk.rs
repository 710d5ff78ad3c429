//! Chunks: what members make and sign together. STAGED is durable before a member signs, ACTIVE needs all n signatures.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::inventory::{Held, Holding};
use super::place::{Pool, Span, start_in};
use super::tally::Tally;
use super::tuples::ELEMENT_BYTES;
use super::{Castor, Tables, TupleKind};
use crate::journal::KeyState;
use crate::store::durable::{Apply, Plan, Reads, Row};
use crate::store::seal::{DataKey, OVERHEAD};
use crate::store::tuples_file::{CHUNKS, DATA_KEYS, ROWS};
use crate::store::{ChunkId, Fault, MacScope};

/// Tuples in a chunk.
pub const CHUNK_TUPLES_MAX: usize = 4096;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub id: ChunkId,
    pub count: u32,
    /// What protocol made it, with which security: signed bytes that the store does not interpret.
    #[serde(with = "serde_bytes")]
    pub assurance: Vec<u8>,
    pub state: ChunkState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ChunkState {
    Staged,
    /// The signatures of all members.
    Active(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// A chunk that this node has just made with the others.
pub struct NewChunk {
    pub scope: MacScope,
    pub kind: TupleKind,
    pub id: ChunkId,
    /// First position, the same at all members.
    pub start: u64,
    /// Assurance label, stored as it is.
    pub assurance: Vec<u8>,
    /// `count × arity` elements, each value then MAC.
    pub tuples: Zeroizing<Vec<u8>>,
}

/// Names a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    pub scope: MacScope,
    pub kind: TupleKind,
    pub start: u64,
    pub id: ChunkId,
}

/// A chunk that waits for its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedChunk {
    pub chunk: ChunkRef,
    pub count: u32,
    pub assurance: Vec<u8>,
}

/// Why a chunk was not accepted.
#[derive(Debug, Error)]
pub enum StageError {
    #[error("a chunk has 1 to {CHUNK_TUPLES_MAX} whole tuples, this one has {bytes} bytes")]
    WrongSize { bytes: usize },
    #[error("positions from {start} are taken already: the next free one is {end}")]
    PositionTaken { start: u64, end: u64 },
    #[error("positions end at 2^64")]
    PositionsExhausted,
    #[error("kind {code} has {known} elements here, not {given}")]
    OtherArity { code: u16, known: u16, given: u16 },
    #[error("the MAC key is burned")]
    KeyCompromised,
    #[error("there is no such chunk: it was discarded, skipped or spent")]
    UnknownChunk,
    #[error("the chunk is active already")]
    AlreadyActive,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Castor {
    /// Makes a chunk durable as STAGED. It cannot be taken until [`Castor::activate`].
    pub async fn stage(&self, new: NewChunk) -> Result<(), StageError> {
        let count = new.count()?;
        let (planning, applying, following) = (self.tables.clone(), self.tables.clone(), self.tables.clone());
        self.durable
            .write_then(
                move |plan| planning.plan_stage(plan, new, count),
                move |apply, staging| applying.apply_stage(apply, &staging).map(|()| staging),
                move |Staging { pool, start, chunk, tally, .. }| {
                    following.inventory.put(*pool, *tally, *start, Held::of(chunk));
                },
            )
            .await
            .map(drop)
    }

    /// Makes a STAGED chunk spendable. `certificate` holds the signatures of all members, verified by the caller.
    /// The same certificate for a chunk that is active already is accepted: a repeated message has one effect.
    pub async fn activate(&self, chunk: ChunkRef, certificate: Vec<u8>) -> Result<(), StageError> {
        let (planning, applying, following) = (self.tables.clone(), self.tables.clone(), self.tables.clone());
        self.durable
            .write_then(
                move |plan| planning.plan_activate(plan, chunk, certificate),
                move |apply, activation| {
                    applying.apply_activate(apply, chunk, activation.as_ref()).map(|()| activation)
                },
                move |activation| {
                    if let Some(Activation { chunk: active, tally }) = activation {
                        following.inventory.put(chunk.pool(), *tally, chunk.start, Held::of(active));
                    }
                },
            )
            .await
            .map(drop)
    }

    /// Drops a STAGED chunk; its positions are not used again.
    pub async fn discard(&self, chunk: ChunkRef) -> Result<(), StageError> {
        let (planning, applying, following) = (self.tables.clone(), self.tables.clone(), self.tables.clone());
        self.durable
            .write_then(
                move |plan| {
                    let found = planning.chunk(plan, chunk)?;
                    match found.state {
                        ChunkState::Active(_) => Err(StageError::AlreadyActive),
                        ChunkState::Staged => planning.row_keys(plan, chunk, found.count),
                    }
                },
                move |apply, keys| {
                    applying.chunks.delete(apply, &chunk.key())?;
                    let mut rows = apply.edit(ROWS)?;
                    keys.iter().try_for_each(|key| rows.delete(key).map(drop))
                },
                move |()| following.inventory.remove(chunk.pool(), chunk.start),
            )
            .await
    }

    /// The chunks of a scope that wait for signatures.
    pub fn staged(&self, scope: MacScope) -> Result<Vec<StagedChunk>, Fault> {
        let now = self.durable.read()?;
        let mut staged = Vec::new();
        for (pool, tally) in self.tables.pools(&now, scope)? {
            let kind = TupleKind { code: pool.code, arity: tally.arity };
            for (start, chunk) in self.tables.chunks_of(&now, pool)? {
                if chunk.state == ChunkState::Staged {
                    staged.push(StagedChunk {
                        chunk: ChunkRef { scope, kind, start, id: chunk.id },
                        count: chunk.count,
                        assurance: chunk.assurance,
                    });
                }
            }
        }
        Ok(staged)
    }

    /// The positions of a kind that can be taken now, ascending.
    pub fn offers(&self, scope: MacScope, kind: TupleKind) -> Vec<Span> {
        let pool = Pool { scope, code: kind.code };
        self.tables.inventory.of(pool, Holding::offers).unwrap_or_default()
    }

    /// How many tuples of a kind can be taken now.
    pub fn available(&self, scope: MacScope, kind: TupleKind) -> u64 {
        let pool = Pool { scope, code: kind.code };
        self.tables.inventory.of(pool, |holding| holding.counts().0).unwrap_or(0)
    }

    /// The first position that no chunk of this kind has had here: where the next may start.
    pub fn next_position(&self, scope: MacScope, kind: TupleKind) -> u64 {
        let pool = Pool { scope, code: kind.code };
        self.tables.inventory.of(pool, |holding| holding.tally.end).unwrap_or(0)
    }
}

impl NewChunk {
    fn count(&self) -> Result<u32, StageError> {
        let wrong = || StageError::WrongSize { bytes: self.tuples.len() };
        let width = usize::from(self.kind.arity) * ELEMENT_BYTES;
        if width == 0 || self.tuples.is_empty() || !self.tuples.len().is_multiple_of(width) {
            return Err(wrong());
        }
        match self.tuples.len() / width {
            count if count <= CHUNK_TUPLES_MAX => u32::try_from(count).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl ChunkRef {
    fn pool(&self) -> Pool {
        Pool { scope: self.scope, code: self.kind.code }
    }

    fn key(&self) -> Vec<u8> {
        self.pool().key_at(self.start)
    }
}

struct Staging {
    pool: Pool,
    start: u64,
    chunk: Chunk,
    tally: Tally,
    new_data_key: Option<Vec<u8>>,
    rows: Vec<Row>,
}

struct Activation {
    chunk: Chunk,
    tally: Tally,
}

impl Tables {
    fn plan_stage(&self, plan: &Plan<'_>, new: NewChunk, count: u32) -> Result<Staging, StageError> {
        let pool = Pool { scope: new.scope, code: new.kind.code };
        self.refuse_compromised(plan, new.scope)?;
        let mut tally = self.tally(plan, pool)?.unwrap_or(Tally::new(new.kind.arity));
        if tally.arity != new.kind.arity {
            return Err(StageError::OtherArity { code: new.kind.code, known: tally.arity, given: new.kind.arity });
        }
        if new.start < tally.end {
            return Err(StageError::PositionTaken { start: new.start, end: tally.end });
        }
        let end = new.start.checked_add(u64::from(count));
        tally.end = end.ok_or(StageError::PositionsExhausted)?;
        let (data_key, new_data_key) = self.data_key_or_new(plan, new.scope)?;
        Ok(Staging {
            pool,
            start: new.start,
            rows: self.seal_rows(&data_key, pool, &new)?,
            chunk: Chunk { id: new.id, count, assurance: new.assurance, state: ChunkState::Staged },
            tally,
            new_data_key,
        })
    }

    fn seal_rows(&self, data_key: &DataKey, pool: Pool, new: &NewChunk) -> Result<Vec<Row>, Fault> {
        let width = usize::from(new.kind.arity) * ELEMENT_BYTES;
        let starts = (new.start..).step_by(new.kind.row_tuples());
        let rows = new.tuples.chunks(new.kind.row_tuples() * width).zip(starts);
        rows.map(|(tuples, start)| {
            let key = pool.key_at(start);
            let sealed = self.seal_row(data_key, &key, tuples)?;
            Ok((key, sealed))
        })
        .collect()
    }

    pub(super) fn seal_row(&self, data_key: &DataKey, key: &[u8], tuples: &[u8]) -> Result<Vec<u8>, Fault> {
        data_key.seal(&self.rows.place_of(key), tuples)
    }

    pub(super) fn open_row(&self, data_key: &DataKey, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let opened = data_key.open(&self.rows.place_of(key), sealed);
        opened.map_err(|_| Fault::Damaged { table: ROWS.0 })
    }

    fn apply_stage(&self, apply: &Apply<'_>, staging: &Staging) -> Result<(), Fault> {
        if let Some(wrapped) = &staging.new_data_key {
            apply.put(DATA_KEYS, &staging.pool.scope.to_key(), wrapped)?;
        }
        let key = staging.pool.key_at(staging.start);
        self.chunks.put(apply, &key, &staging.chunk)?;
        self.tallies.put(apply, &staging.pool.to_key(), &staging.tally)?;
        let mut rows = apply.edit(ROWS)?;
        staging.rows.iter().try_for_each(|(key, sealed)| rows.put(key, sealed))
    }

    fn plan_activate(
        &self,
        plan: &Plan<'_>,
        wanted: ChunkRef,
        certificate: Vec<u8>,
    ) -> Result<Option<Activation>, StageError> {
        self.refuse_compromised(plan, wanted.scope)?;
        let mut chunk = self.chunk(plan, wanted)?;
        if chunk.state == ChunkState::Active(certificate.clone()) {
            return Ok(None);
        }
        if chunk.state != ChunkState::Staged {
            return Err(StageError::AlreadyActive);
        }
        chunk.state = ChunkState::Active(certificate);
        let tally = self.tally(plan, wanted.pool())?;
        let mut tally = tally.ok_or(StageError::UnknownChunk)?;
        let generated = tally.generated.checked_add(u64::from(chunk.count));
        tally.generated = generated.ok_or(StageError::PositionsExhausted)?;
        Ok(Some(Activation { chunk, tally }))
    }

    fn apply_activate(
        &self,
        apply: &Apply<'_>,
        wanted: ChunkRef,
        activation: Option<&Activation>,
    ) -> Result<(), Fault> {
        let Some(Activation { chunk, tally }) = activation else {
            return Ok(());
        };
        self.chunks.put(apply, &wanted.key(), chunk)?;
        self.tallies.put(apply, &wanted.pool().to_key(), tally)
    }

    fn chunk(&self, from: &impl Reads, wanted: ChunkRef) -> Result<Chunk, StageError> {
        match self.chunks.get(from, &wanted.key())? {
            Some(chunk) if chunk.id == wanted.id => Ok(chunk),
            _ => Err(StageError::UnknownChunk),
        }
    }

    fn row_keys(&self, from: &impl Reads, chunk: ChunkRef, count: u32) -> Result<Vec<Vec<u8>>, StageError> {
        let end = chunk.pool().key_at(chunk.start + u64::from(count));
        let mut keys = Vec::new();
        from.view(ROWS)?.walk(&chunk.key(), Some(&end), |key, _| {
            keys.push(key.to_vec());
            Ok::<_, Fault>(true)
        })?;
        Ok(keys)
    }

    fn refuse_compromised(&self, from: &impl Reads, scope: MacScope) -> Result<(), StageError> {
        let record = self.key_states.get(from, &scope.to_key())?;
        match record.unwrap_or_default().state {
            KeyState::Compromised { .. } => Err(StageError::KeyCompromised),
            KeyState::Active | KeyState::Frozen { .. } => Ok(()),
        }
    }

    pub(super) fn data_key(&self, from: &impl Reads, scope: MacScope) -> Result<Option<DataKey>, Fault> {
        let key = scope.to_key();
        let wrapped = from.get(DATA_KEYS, &key)?;
        wrapped.map(|wrapped| self.data_keys.unwrap(&key, &wrapped)).transpose()
    }

    fn data_key_or_new(&self, from: &impl Reads, scope: MacScope) -> Result<(DataKey, Option<Vec<u8>>), Fault> {
        if let Some(key) = self.data_key(from, scope)? {
            return Ok((key, None));
        }
        let key = DataKey::generate()?;
        let wrapped = self.data_keys.wrap(&scope.to_key(), &key)?;
        Ok((key, Some(wrapped)))
    }

    /// All pools of a scope with their tallies.
    pub(super) fn pools(&self, from: &impl Reads, scope: MacScope) -> Result<Vec<(Pool, Tally)>, Fault> {
        let rows = self.tallies.under(from, &scope.to_key())?;
        rows.into_iter()
            .map(|(key, tally)| {
                let pool = Pool::from_key(&key).ok_or(Fault::Damaged { table: "tallies" })?;
                Ok((pool, tally))
            })
            .collect()
    }

    /// The chunks of a pool, ascending, with their first positions.
    pub(super) fn chunks_of(&self, from: &impl Reads, pool: Pool) -> Result<Vec<(u64, Chunk)>, Fault> {
        self.chunks_below(from, pool, u64::MAX)
    }

    /// The chunks of a pool that begin below `end`.
    pub(super) fn chunks_below(&self, from: &impl Reads, pool: Pool, end: u64) -> Result<Vec<(u64, Chunk)>, Fault> {
        let mut chunks = Vec::new();
        let to = pool.key_at(end);
        from.view(CHUNKS)?.walk(&pool.to_key(), Some(&to), |key, sealed| {
            let start = start_in(key).ok_or(Fault::Damaged { table: CHUNKS.0 })?;
            chunks.push((start, self.chunks.open(key, sealed)?));
            Ok::<_, Fault>(true)
        })?;
        Ok(chunks)
    }
}

/// What is left of the ACTIVE ones among ascending chunks.
pub(super) fn active_in(chunks: &[(u64, Chunk)], cursor: u64) -> Vec<Span> {
    let left = Span::new(cursor, u64::MAX);
    let active = chunks.iter().filter(|(_, chunk)| chunk.state != ChunkState::Staged);
    active.map(|(start, chunk)| chunk.span(*start).and(left)).filter(|span| !span.is_empty()).collect()
}

impl Chunk {
    /// The positions of a chunk that starts at `start`.
    pub fn span(&self, start: u64) -> Span {
        Span::new(start, start.saturating_add(u64::from(self.count)))
    }
}

/// How many tuples a sealed row of this length holds.
pub(super) fn tuples_in(sealed_len: usize, arity: u16) -> u64 {
    let width = usize::from(arity) * ELEMENT_BYTES;
    (sealed_len.saturating_sub(OVERHEAD) / width.max(1)) as u64
}

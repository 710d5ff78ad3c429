//! Taking tuples: one durable transaction that deletes them, moves the cursors and journals the execution.
//!
//! The spans come from the members together; this node checks them against its own rows and cursors and needs nobody's
//! honesty. Everything below the last taken position is deleted too (skipped), so that cursors, which drift apart when
//! a member crashes, meet again, and so that a take rewrites at most one row per kind. The rows are decrypted only
//! after the commit returned Ok.

use std::sync::PoisonError;

use thiserror::Error;
use zeroize::Zeroizing;

use super::chunk::{Chunk, ChunkState, active_in, tuples_in};
use super::execution::{Execution, ExecutionState};
use super::head::{Head, PeerHead, PeerHeadError};
use super::inventory::Inventory;
use super::place::{Pool, Span, merge, start_in};
use super::tally::Tally;
use super::tuples::{ELEMENT_BYTES, TakenKind, TakenTuples};
use super::{Castor, Tables, TupleKind};
use crate::journal::KeyState;
use crate::store::durable::{Apply, Plan, Reads, Row};
use crate::store::seal::DataKey;
use crate::store::tuples_file::{EXECUTIONS, OPEN_EXECUTIONS, ROWS};
use crate::store::{ExecId, Fault, MacScope};

/// Unspent tuples of one kind that one request may throw away: a liar among the members can waste no more at once.
/// Not one chunk: each crash of a member between the signatures of two can leave one that the others cannot use, and a
/// taking that had to pass over more of them than it may would be refused for ever.
pub const SKIP_TUPLES_MAX: u64 = 16 * super::CHUNK_TUPLES_MAX as u64;
/// Tuples of one kind in one request.
pub const TAKE_TUPLES_MAX: u64 = 1 << 24;
/// Spans of one kind in one request.
pub const RANGES_MAX: usize = 4096;

/// What an execution (or an upload, for its masks) wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeRequest {
    /// Fresh for every attempt. A second taking under one id is refused for ever.
    pub exec: ExecId,
    pub scope: MacScope,
    /// What the members agreed on: spans, program, inputs, session.
    pub digest: [u8; 32],
    /// At most one entry per kind.
    pub kinds: Vec<KindTake>,
    /// Where the other members say that their stores stand: remembered in the same commit.
    pub peers: Vec<PeerHead>,
}

/// What is wanted of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindTake {
    pub kind: TupleKind,
    /// Ascending, disjoint, none empty.
    pub spans: Vec<Span>,
    /// Moves the cursor at least this far, deleting what is below; for members whose cursors drifted apart.
    pub skip_to: Option<u64>,
}

/// Why nothing was taken. Nothing has changed then.
#[derive(Debug, Error)]
pub enum TakeError {
    #[error("execution {0} has taken its tuples before")]
    AlreadyTaken(ExecId),
    #[error("the MAC key is burned")]
    KeyCompromised,
    #[error("the MAC key is frozen until MAC check {check} is finished")]
    KeyFrozen { check: u64 },
    #[error("kind {code} is asked for twice")]
    KindTwice { code: u16 },
    #[error("the spans of kind {code} are empty, out of order or too many")]
    BadSpans { code: u16 },
    #[error("kind {code}: positions below {cursor} are gone")]
    BelowCursor { code: u16, cursor: u64 },
    #[error("kind {code}: nothing would be taken or skipped")]
    NothingToDo { code: u16 },
    #[error("kind {code}: positions {start}..{end} are not in stock")]
    NotInStock { code: u16, start: u64, end: u64 },
    #[error("kind {code}: {tuples} unspent tuples would be thrown away, at most {SKIP_TUPLES_MAX} at once")]
    SkipsTooMuch { code: u16, tuples: u64 },
    #[error("kind {code}: counters would overflow")]
    Overflow { code: u16 },
    #[error(transparent)]
    Peer(#[from] PeerHeadError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Castor {
    /// Takes tuples. They exist nowhere else when this returns.
    ///
    /// # Errors
    /// A refusal changes nothing. After [`TakeError::Fault`] the store has stopped, or a row was damaged; what was
    /// deleted stays deleted.
    pub async fn take(&self, request: TakeRequest) -> Result<TakenTuples, TakeError> {
        let (planning, applying, following) = (self.tables.clone(), self.tables.clone(), self.tables.clone());
        let cut = self.durable.write_then(
            move |plan| planning.plan_take(plan, request),
            move |apply, take| applying.apply_take(apply, take),
            move |cut| cut.follow(&following.inventory),
        );
        let cut = cut.await?;
        self.assert_first_use(&cut)?;
        let kinds = cut.kinds.iter().map(|kind| self.tables.open_kind(&cut, kind));
        Ok(TakenTuples { kinds: kinds.collect::<Result<_, Fault>>()? })
    }

    fn assert_first_use(&self, cut: &Cut) -> Result<(), Fault> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut marks = cut.kinds.iter().map(|kind| used.mark(kind.pool, kind.gone));
        if marks.all(|first| first) {
            return Ok(());
        }
        self.durable.fatal().raise("a tuple was about to be used a second time");
        Err(Fault::Stopped)
    }
}

/// A take that has been validated, with everything that it will write.
pub(super) struct Take {
    exec: ExecId,
    execution: Execution,
    head: Head,
    peers: Vec<PeerHead>,
    cut: Cut,
}

/// What is cut out of the store.
struct Cut {
    data_key: Option<DataKey>,
    kinds: Vec<CutKind>,
}

struct CutKind {
    pool: Pool,
    kind: TupleKind,
    spans: Vec<Span>,
    /// From the old cursor to the new.
    gone: Span,
    tally: Tally,
    /// Sealed rows that hold taken positions.
    rows: Vec<SealedRow>,
    deleted_rows: Vec<Vec<u8>>,
    /// By first position.
    deleted_chunks: Vec<u64>,
    rewritten: Option<Row>,
}

struct SealedRow {
    span: Span,
    sealed: Vec<u8>,
}

impl Tables {
    fn plan_take(&self, plan: &Plan<'_>, request: TakeRequest) -> Result<Take, TakeError> {
        if plan.get(EXECUTIONS, &request.exec.0)?.is_some() {
            return Err(TakeError::AlreadyTaken(request.exec));
        }
        self.refuse_key(plan, request.scope)?;
        request.refuse_twice()?;
        request.peers.iter().try_for_each(|peer| self.refuse_peer(plan, request.scope.cloud, peer))?;
        let data_key = self.data_key(plan, request.scope)?;
        let mut kinds = Vec::new();
        for wanted in &request.kinds {
            kinds.push(self.plan_kind(plan, request.scope, data_key.as_ref(), wanted)?);
        }
        let taken = request.kinds.into_iter();
        let taken: Vec<_> = taken.map(|wanted| (wanted.kind, wanted.spans)).collect();
        let head = self.head_after(plan, request.scope.cloud, &event(request.exec, request.digest, &taken))?;
        Ok(Take {
            exec: request.exec,
            execution: Execution {
                scope: request.scope,
                digest: request.digest,
                taken,
                sequence: head.sequence,
                state: ExecutionState::Taken,
            },
            head,
            peers: request.peers,
            cut: Cut { data_key, kinds },
        })
    }

    fn refuse_key(&self, plan: &Plan<'_>, scope: MacScope) -> Result<(), TakeError> {
        let record = self.key_states.get(plan, &scope.to_key())?;
        match record.unwrap_or_default().state {
            KeyState::Active => Ok(()),
            KeyState::Frozen { check } => Err(TakeError::KeyFrozen { check }),
            KeyState::Compromised { .. } => Err(TakeError::KeyCompromised),
        }
    }

    fn plan_kind(
        &self,
        plan: &Plan<'_>,
        scope: MacScope,
        data_key: Option<&DataKey>,
        wanted: &KindTake,
    ) -> Result<CutKind, TakeError> {
        let pool = Pool { scope, code: wanted.kind.code };
        wanted.refuse_bad_spans()?;
        let tally = self.known_tally(plan, pool, wanted)?;
        let gone = wanted.reach(&tally)?;
        let chunks = self.chunks_below(plan, pool, gone.end)?;
        let active = active_in(&chunks, tally.cursor);
        wanted.refuse_missing(&active)?;
        let tally = wanted.account(tally, gone, &active)?;
        let mut cut = CutKind {
            pool,
            kind: wanted.kind,
            spans: wanted.spans.clone(),
            gone,
            tally,
            rows: Vec::new(),
            deleted_rows: Vec::new(),
            deleted_chunks: Vec::new(),
            rewritten: None,
        };
        let rows_end = cut.cut_chunks(&chunks);
        self.cut_rows(plan, data_key, &mut cut, rows_end)?;
        Ok(cut)
    }

    fn known_tally(&self, plan: &Plan<'_>, pool: Pool, wanted: &KindTake) -> Result<Tally, TakeError> {
        match self.tally(plan, pool)? {
            Some(tally) if tally.arity == wanted.kind.arity => Ok(tally),
            _ => Err(TakeError::NotInStock {
                code: pool.code,
                start: wanted.spans.first().map_or(0, |span| span.start),
                end: wanted.spans.last().map_or(0, |span| span.end),
            }),
        }
    }

    fn cut_rows(
        &self,
        plan: &Plan<'_>,
        data_key: Option<&DataKey>,
        cut: &mut CutKind,
        rows_end: u64,
    ) -> Result<(), TakeError> {
        let to = cut.pool.key_at(rows_end);
        let view = plan.view(ROWS)?;
        let mut straddling = None;
        view.walk(&cut.pool.to_key(), Some(&to), |key, sealed| {
            let start = start_in(key).ok_or(Fault::Damaged { table: ROWS.0 })?;
            let count = tuples_in(sealed.len(), cut.kind.arity);
            let span = Span::new(start, start.saturating_add(count));
            cut.deleted_rows.push(key.to_vec());
            if span.end > rows_end {
                straddling = Some((span, key.to_vec(), sealed.to_vec()));
            }
            if cut.spans.iter().any(|wanted| !wanted.and(span).is_empty()) {
                cut.rows.push(SealedRow { span, sealed: sealed.to_vec() });
            }
            Ok::<_, Fault>(true)
        })?;
        drop(view);
        if let (Some((span, key, sealed)), Some(data_key)) = (straddling, data_key) {
            let tuples = self.open_row(data_key, &key, &sealed)?;
            let key = cut.pool.key_at(rows_end);
            let rest = cut.kind.slice(&tuples, span, Span::new(rows_end, span.end));
            cut.rewritten = Some((key.clone(), self.seal_row(data_key, &key, rest)?));
        }
        Ok(())
    }

    fn apply_take(&self, apply: &Apply<'_>, take: Take) -> Result<Cut, Fault> {
        self.executions.put(apply, &take.exec.0, &take.execution)?;
        apply.put(OPEN_EXECUTIONS, &take.exec.0, &[])?;
        let cloud = take.execution.scope.cloud;
        self.put_head(apply, cloud, &take.head)?;
        take.peers.iter().try_for_each(|peer| self.put_peer(apply, cloud, peer))?;
        for kind in &take.cut.kinds {
            self.tallies.put(apply, &kind.pool.to_key(), &kind.tally)?;
            for start in &kind.deleted_chunks {
                self.chunks.delete(apply, &kind.pool.key_at(*start))?;
            }
            let mut rows = apply.edit(ROWS)?;
            for key in &kind.deleted_rows {
                rows.delete(key)?;
            }
            if let Some((key, sealed)) = &kind.rewritten {
                rows.put(key, sealed)?;
            }
        }
        Ok(take.cut)
    }

    fn open_kind(&self, cut: &Cut, kind: &CutKind) -> Result<TakenKind, Fault> {
        let damaged = || Fault::Damaged { table: ROWS.0 };
        let wanted: u64 = kind.spans.iter().map(|span| span.len()).sum();
        let width = usize::from(kind.kind.arity) * ELEMENT_BYTES;
        let size = usize::try_from(wanted).map_err(|_| damaged())? * width;
        // Reserved at once: a vector that grows leaves copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        for row in &kind.rows {
            let data_key = cut.data_key.as_ref().ok_or_else(damaged)?;
            let key = kind.pool.key_at(row.span.start);
            let tuples = self.open_row(data_key, &key, &row.sealed)?;
            for span in kind.spans.iter().map(|span| span.and(row.span)) {
                bytes.extend_from_slice(kind.kind.slice(&tuples, row.span, span));
            }
        }
        if bytes.len() != size {
            return Err(damaged());
        }
        Ok(TakenKind { kind: kind.kind, spans: kind.spans.clone(), bytes })
    }
}

/// What a taking adds to the chain of its store.
fn event(exec: ExecId, digest: [u8; 32], taken: &[(TupleKind, Vec<Span>)]) -> Vec<u8> {
    polyyne_protocol::canonical::encode(&("take", exec, digest, taken))
}

impl Cut {
    fn follow(&self, inventory: &Inventory) {
        for kind in &self.kinds {
            inventory.cut(kind.pool, kind.tally, kind.deleted_chunks.iter().copied());
        }
    }
}

impl CutKind {
    /// Chunks that end at or below the new cursor go whole, and STAGED ones that begin below it. Returns where the
    /// rows that go end: above the cursor, if a STAGED chunk reaches over it.
    fn cut_chunks(&mut self, chunks: &[(u64, Chunk)]) -> u64 {
        let mut rows_end = self.gone.end;
        for (start, chunk) in chunks {
            let span = chunk.span(*start);
            if span.end <= self.gone.end || chunk.state == ChunkState::Staged {
                self.deleted_chunks.push(*start);
                rows_end = rows_end.max(span.end);
            }
        }
        rows_end
    }
}

impl TakeRequest {
    fn refuse_twice(&self) -> Result<(), TakeError> {
        let mut codes: Vec<_> = self.kinds.iter().map(|wanted| wanted.kind.code).collect();
        codes.sort_unstable();
        match codes.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(TakeError::KindTwice { code: pair[0] }),
            None => Ok(()),
        }
    }
}

impl KindTake {
    fn refuse_bad_spans(&self) -> Result<(), TakeError> {
        let bad = TakeError::BadSpans { code: self.kind.code };
        let ascending = self.spans.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if !ascending || self.spans.len() > RANGES_MAX || self.spans.iter().any(|s| s.is_empty()) {
            return Err(bad);
        }
        let total = self.spans.iter().try_fold(0u64, |sum, span| sum.checked_add(span.len()));
        match total {
            Some(total) if total <= TAKE_TUPLES_MAX => Ok(()),
            _ => Err(bad),
        }
    }

    /// From the old cursor to the new, which is above it and not above what was ever made.
    fn reach(&self, tally: &Tally) -> Result<Span, TakeError> {
        let code = self.kind.code;
        let first = self.spans.first().map_or(tally.cursor, |span| span.start);
        if first < tally.cursor {
            return Err(TakeError::BelowCursor { code, cursor: tally.cursor });
        }
        let last = self.spans.last().map_or(tally.cursor, |span| span.end);
        let to = self.skip_to.map_or(last, |skip_to| skip_to.max(last));
        if to <= tally.cursor {
            return Err(TakeError::NothingToDo { code });
        }
        if to > tally.end {
            return Err(TakeError::NotInStock { code, start: tally.end, end: to });
        }
        Ok(Span::new(tally.cursor, to))
    }

    fn refuse_missing(&self, active: &[Span]) -> Result<(), TakeError> {
        let stock = merge(active.iter().copied());
        let missing = self.spans.iter().find(|wanted| !stock.iter().any(|span| span.holds(**wanted)));
        match missing {
            None => Ok(()),
            Some(span) => Err(TakeError::NotInStock { code: self.kind.code, start: span.start, end: span.end }),
        }
    }

    fn account(&self, mut tally: Tally, gone: Span, active: &[Span]) -> Result<Tally, TakeError> {
        let code = self.kind.code;
        let overflow = || TakeError::Overflow { code };
        let taken: u64 = self.spans.iter().map(|span| span.len()).sum();
        let lost: u64 = active.iter().map(|span| span.and(gone).len()).sum();
        let skipped = lost.checked_sub(taken).ok_or_else(overflow)?;
        if skipped > SKIP_TUPLES_MAX {
            return Err(TakeError::SkipsTooMuch { code, tuples: skipped });
        }
        tally.taken = tally.taken.checked_add(taken).ok_or_else(overflow)?;
        tally.skipped = tally.skipped.checked_add(skipped).ok_or_else(overflow)?;
        assert!(gone.end > tally.cursor, "a cursor only grows");
        tally.cursor = gone.end;
        Ok(tally)
    }
}

impl TupleKind {
    /// The bytes of `wanted` in a row that covers `row`.
    fn slice(self, tuples: &[u8], row: Span, wanted: Span) -> &[u8] {
        let width = usize::from(self.arity) * ELEMENT_BYTES;
        let at = |position: u64| usize::try_from(position - row.start).unwrap_or(usize::MAX);
        if wanted.is_empty() {
            return &[];
        }
        let range = at(wanted.start).saturating_mul(width)..at(wanted.end).saturating_mul(width);
        tuples.get(range).unwrap_or(&[])
    }
}

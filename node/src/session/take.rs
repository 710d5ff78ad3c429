//! Taking tuples together: offers, one durable take at each member, and n equal signatures.
//!
//! Order: the turn among the cloud's takes; everyone's offers (echoed); the same allocation
//! computed by all; TAKE durable here (`castor`); the signed digest of all; only then does the
//! session use a tuple. What goes wrong before TAKE costs nothing; after it, the taken tuples are
//! gone and nothing else.

use super::agree::{AgreeError, agree};
use super::side::Side;
use crate::castor::{
    Castor, ELEMENT_BYTES, KindTake, PeerHead, RANGES_MAX, Span, TakeError, TakeRequest, TakenKind, TakenTuples,
    TupleKind, allocate,
};
use crate::order::{Order, OrderError, QueueId};
use crate::store::{ExecId, MacScope};
use ed25519_dalek::SigningKey;
use polyyne_engine::bit_tuples::{BitPool, DaBits, EdaBits};
use polyyne_engine::error::Error as EngineError;
use polyyne_engine::field::{self, BinaryField, Field, PrimeField};
use polyyne_engine::party::Party;
use polyyne_engine::share::{BitShares, Shares, Vector as _};
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{InputMasks, Kind, MatrixTriples, Pool, Shape, Triples};
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::Certificate;
use polyyne_protocol::id::{Attempt, CloudId, Digest, MacKeyId, PeerKey, ProgramHash};
use polyyne_protocol::sign::{Signed, Statement as _};
use polyyne_protocol::store_head::StoreHead;
use polyyne_protocol::view::CloudView;
use polyyne_protocol::vote::{Take, TakePurpose, TakenRange};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Spans of one kind in an offer; more are left for the next take.
const OFFER_SPANS_MAX: usize = if RANGES_MAX < 256 { RANGES_MAX } else { 256 };
const OFFER_BYTES_MAX: usize = 64 << 10;

/// How many tuples of each kind.
pub type Bill = Vec<(TupleKind, u64)>;

/// What tuples are taken for; the same at all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taking {
    pub purpose: TakePurpose,
    /// The digest of the client's signed request.
    pub asked: Digest,
    pub program: Option<ProgramHash>,
    /// Digest of the input secrets' descriptions.
    pub inputs: Digest,
}

/// The reason in the row of a taking whose joint work failed; the client has been told more.
pub const ABORTED: u16 = 1;

/// The row under which the store remembers a taking, for ever: see [`TakePurpose::row`].
pub fn row_of(cloud: CloudId, purpose: &TakePurpose) -> ExecId {
    ExecId(purpose.row(cloud).0)
}

impl Taking {
    /// See [`row_of`].
    pub fn exec(&self, cloud: CloudId) -> ExecId {
        row_of(cloud, &self.purpose)
    }
}

/// Tuples that were taken, and that all members took them.
pub struct Taken {
    /// Over the prime field.
    pub pool: Pool<PrimeField>,
    /// Over GF(2^n), of whose fields a bill has one.
    pub binary: Pool<BinaryField>,
    pub bits: BitPool,
    pub certificate: Certificate<Take>,
}

/// Why nothing can be used. Only after [`TakeFailure::Agree`] tuples are lost.
#[derive(Debug, thiserror::Error)]
pub enum TakeFailure {
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0} offers tuples in a form that makes no sense")]
    Malformed(PeerKey),
    #[error("{wanted} tuples of kind {} are needed and the members have {common} in common", kind.name())]
    Shortage { kind: TupleKind, wanted: u64, common: u64 },
    #[error(transparent)]
    Take(#[from] TakeError),
    #[error(transparent)]
    Agree(#[from] AgreeError),
    #[error("a stored tuple is damaged: generate new ones after `vcp castor audit`")]
    Damaged,
}

/// What a member says before a taking.
#[derive(Serialize, Deserialize)]
struct Offers {
    /// Where its store stands: a store that went back is not worked with.
    head: Signed<StoreHead>,
    kinds: Vec<Offer>,
}

#[derive(Serialize, Deserialize)]
struct Offer {
    kind: u16,
    spans: Vec<Span>,
}

/// What a take needs of its member.
pub struct Taker<'a> {
    pub castor: &'a Castor,
    pub order: &'a Order,
    pub view: &'a CloudView,
    pub key: &'a SigningKey,
    pub scope: MacScope,
    pub field: PrimeField,
    pub patience: Duration,
}

impl Taker<'_> {
    /// Takes the bill for what the members agreed to do.
    ///
    /// # Errors
    /// See [`TakeFailure`].
    pub async fn take(&self, party: &mut Party, what: &Taking, bill: &Bill) -> Result<Taken, TakeFailure> {
        let exec = what.exec(self.view.cloud());
        let item = party.transcript("take turn").bytes(&exec.0).finish();
        let turn = self.order.turn(QueueId::take(self.scope), item, self.patience).await?;
        let (kinds, peers) = self.allocate(party, bill).await?;
        let statement = self.statement(party, what, &kinds);
        let request = TakeRequest { exec, scope: self.scope, digest: statement.digest().0, kinds, peers };
        let taken = self.castor.take(request).await?;
        crate::failpoint::pass("taken");
        let certificate = agree(party, self.view, self.key, Step::TakeVote, statement).await?;
        drop(turn);
        let Pools { prime, binary, bits } = pools(&self.field, party.index().get(), taken)?;
        Ok(Taken { pool: prime, binary, bits, certificate })
    }

    async fn allocate(&self, party: &mut Party, bill: &Bill) -> Result<(Vec<KindTake>, Vec<PeerHead>), TakeFailure> {
        let own = canonical::encode(&self.offers(bill)?);
        let received = party.broadcast(Step::Offer, own).await?;
        let mut offers = Vec::with_capacity(received.len());
        let mut peers = Vec::with_capacity(received.len());
        for (rank, (member, bytes)) in self.view.members().iter().zip(&received).enumerate() {
            let malformed = || TakeFailure::Malformed(member.peer);
            let Offers { head, kinds } = canonical::decode(bytes, OFFER_BYTES_MAX).map_err(|_| malformed())?;
            let fits =
                kinds.len() == bill.len() && kinds.iter().zip(bill).all(|(offer, (kind, _))| offer.kind == kind.code);
            if !fits || kinds.iter().any(|offer| offer.spans.len() > OFFER_SPANS_MAX) {
                return Err(malformed());
            }
            if rank != party.index().get() {
                peers.push(PeerHead::of(head, member.peer, self.scope.cloud).ok_or_else(malformed)?);
            }
            offers.push(kinds);
        }
        let kinds = bill.iter().enumerate().filter(|(_, (_, wanted))| *wanted > 0).map(|(at, &(kind, wanted))| {
            let of_kind: Vec<Vec<Span>> = offers.iter().map(|offer| offer[at].spans.clone()).collect();
            let short =
                |error: crate::castor::Shortage| TakeFailure::Shortage { kind, wanted, common: error.available };
            let spans = allocate(&of_kind, wanted).map_err(short)?;
            Ok(KindTake { kind, spans, skip_to: None })
        });
        Ok((kinds.collect::<Result<_, TakeFailure>>()?, peers))
    }

    fn offers(&self, bill: &Bill) -> Result<Offers, TakeFailure> {
        let head = self.castor.head(self.scope.cloud).map_err(TakeError::from)?;
        let kinds = bill.iter().map(|(kind, _)| {
            let mut spans = self.castor.offers(self.scope, *kind);
            spans.truncate(OFFER_SPANS_MAX);
            Offer { kind: kind.code, spans }
        });
        let kinds = kinds.collect();
        Ok(Offers { head: Signed::sign(head.statement(self.scope.cloud), self.key), kinds })
    }

    fn statement(&self, party: &Party, what: &Taking, kinds: &[KindTake]) -> Take {
        let range =
            |kind: TupleKind, span: &Span| TakenRange { kind: kind.name(), from: span.start, count: span.len() };
        Take {
            cloud: self.view.cloud(),
            epoch: self.view.epoch(),
            mac_key: MacKeyId(self.scope.mac_key.0),
            session: super::session_id(party),
            purpose: what.purpose,
            attempt: Attempt(0),
            asked: what.asked,
            program: what.program,
            inputs: what.inputs,
            ranges: kinds.iter().flat_map(|take| take.spans.iter().map(|span| range(take.kind, span))).collect(),
        }
    }
}

/// Tuples as the engine spends them, by field.
pub struct Pools {
    pub prime: Pool<PrimeField>,
    /// Over GF(2^n), of whose fields a bill has one.
    pub binary: Pool<BinaryField>,
    pub bits: BitPool,
}

/// The tuples as the engine of the member of rank `me` spends them; `field` is the prime one.
///
/// # Errors
/// [`TakeFailure::Damaged`] if one is not canonical.
pub fn pools(field: &PrimeField, me: usize, taken: TakenTuples) -> Result<Pools, TakeFailure> {
    let mut pools = Pools { prime: Pool::new(), binary: Pool::new(), bits: BitPool::composing(*field) };
    for taken in taken.into_kinds() {
        pools.add(field, me, taken).ok_or(TakeFailure::Damaged)?;
    }
    Ok(pools)
}

impl Pools {
    /// `None` if a stored tuple is damaged.
    fn add(&mut self, prime: &PrimeField, me: usize, taken: TakenKind) -> Option<()> {
        let kind = taken.kind();
        if let Some(owner) = kind.owner() {
            match Side::of(kind) {
                None => self.prime.add_masks(owner, masks_of(prime, taken, owner, me)?),
                Some(Side::Bits) => self.bits.add_masks(owner, masks_of(&Side::Bits.field(), taken, owner, me)?),
                Some(side) => self.binary.add_masks(owner, masks_of(&side.field(), taken, owner, me)?),
            }
            return Some(());
        }
        if let Some(shape) = kind.shape() {
            self.prime.add_matrices(matrices_of(prime, taken, shape)?);
            return Some(());
        }
        let Some(side) = Side::of(kind) else {
            self.prime.add(engine_kind(kind)?, columns(prime, taken)?);
            return Some(());
        };
        let field = side.field();
        match kind {
            kind if kind.is_of_dabits() => {
                let bits = usize::from(kind.arity) - 1;
                let (arithmetic, binary) = apart(&taken.into_bytes(), bits);
                let arithmetic = shares_of(prime, &arithmetic)?;
                let mut bits: Vec<BitShares> =
                    columns_of(&field, &binary, bits)?.into_iter().map(BitShares::from).collect();
                match kind {
                    TupleKind::DABIT => self.bits.add_dabits(DaBits { arithmetic, binary: bits.pop()? }),
                    _ => self.bits.add_edabits(EdaBits { arithmetic, bits }),
                }
            }
            TupleKind::AND_TRIPLE => {
                let [a, b, c] = columns(&field, taken)?.try_into().ok()?;
                self.bits.add_triples(Triples { a, b, c });
            }
            TupleKind::SHARED_BIT => self.bits.add_bits(columns(&field, taken)?.pop()?),
            kind => self.binary.add(engine_kind(kind)?, columns(&field, taken)?),
        }
        Some(())
    }
}

/// Two kinds as one: tuple by tuple the first's one element, then the second's `width` elements.
pub fn beside(first: &[u8], second: &[u8], width: usize) -> zeroize::Zeroizing<Vec<u8>> {
    let pairs = first.chunks_exact(ELEMENT_BYTES).zip(second.chunks_exact(width * ELEMENT_BYTES));
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(first.len() + second.len()));
    pairs.for_each(|(first, second)| [first, second].iter().for_each(|elements| bytes.extend_from_slice(elements)));
    bytes
}

/// What [`beside`] put together.
fn apart(bytes: &[u8], width: usize) -> (zeroize::Zeroizing<Vec<u8>>, zeroize::Zeroizing<Vec<u8>>) {
    let count = bytes.len() / ((1 + width) * ELEMENT_BYTES);
    let mut both = [1, width].map(|each| zeroize::Zeroizing::new(Vec::with_capacity(count * each * ELEMENT_BYTES)));
    for tuple in bytes.chunks_exact((1 + width) * ELEMENT_BYTES) {
        let (first, second) = tuple.split_at(ELEMENT_BYTES);
        both[0].extend_from_slice(first);
        both[1].extend_from_slice(second);
    }
    both.into()
}

/// The engine's name of a stored kind that exists over all fields; a shared bit is a bit.
pub fn engine_kind(kind: TupleKind) -> Option<Kind> {
    [
        (TupleKind::TRIPLE, Kind::Triple),
        (TupleKind::SQUARE, Kind::Square),
        (TupleKind::INVERSE, Kind::Inverse),
        (TupleKind::BIT, Kind::Bit),
        (TupleKind::SHARED_BIT, Kind::Bit),
        (TupleKind::RANDOM, Kind::Random),
    ]
    .into_iter()
    .find_map(|(stored, engine)| {
        let alike = [stored, stored.over_binary(40), stored.over_binary(128)];
        alike.contains(&kind).then_some(engine)
    })
}

/// The stored form's columns: tuple after tuple on disk, element after element in the engine.
fn columns<F: Field>(field: &F, taken: TakenKind) -> Option<Vec<Shares<F>>> {
    let arity = usize::from(taken.kind().arity);
    columns_of(field, &taken.into_bytes(), arity)
}

fn columns_of<F: Field>(field: &F, bytes: &[u8], arity: usize) -> Option<Vec<Shares<F>>> {
    let mut columns: Vec<Shares<F>> = (0..arity).map(|_| Shares::default()).collect();
    let elements = shares_of(field, bytes)?;
    for i in 0..elements.len() {
        let (value, mac) = elements.get(i);
        columns[i % arity].push(value, mac);
    }
    Some(columns)
}

/// The bytes that [`columns`] reads.
pub fn rows<F: Field>(field: &F, columns: &[Shares<F>]) -> zeroize::Zeroizing<Vec<u8>> {
    let count = columns.first().map_or(0, Shares::len);
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(count * columns.len() * ELEMENT_BYTES));
    for i in 0..count {
        for column in columns {
            let (value, mac) = column.get(i);
            bytes.extend_from_slice(&field.to_bytes(value));
            bytes.extend_from_slice(&field.to_bytes(mac));
        }
    }
    bytes
}

/// Masks as they are stored: each share, then what its owner knows (nothing at others) where a MAC share is 0.
pub fn mask_rows<F: Field>(field: &F, masks: &InputMasks<F>) -> zeroize::Zeroizing<Vec<u8>> {
    let count = masks.shares.len();
    let mut clear = Shares::default();
    match &masks.clear {
        Some(values) => values.iter().for_each(|value| clear.push(*value, field.zero())),
        None => clear = Shares::zeros(field, count),
    }
    rows(field, &[masks.shares.clone(), clear])
}

/// What [`mask_rows`] wrote, at the member of rank `me`.
fn masks_of<F: Field>(field: &F, taken: TakenKind, owner: usize, me: usize) -> Option<InputMasks<F>> {
    let [shares, mut clear] = columns(field, taken)?.try_into().ok()?;
    Some(InputMasks { shares, clear: (owner == me).then(|| std::mem::take(&mut clear.values)) })
}

/// Matrix triples as they are stored: of each A, B and A·B, row by row.
pub fn matrix_rows<F: Field>(field: &F, triples: &MatrixTriples<F>) -> zeroize::Zeroizing<Vec<u8>> {
    let parts = [(&triples.a, triples.shape.left()), (&triples.b, triples.shape.right())];
    let parts = parts.into_iter().chain([(&triples.c, triples.shape.product())]);
    let mut all = Shares::with_capacity(triples.count() * triples.shape.elements());
    for at in 0..triples.count() {
        parts.clone().for_each(|(matrices, size)| all.append_range(matrices, at * size..(at + 1) * size));
    }
    rows(field, &[all])
}

/// What [`matrix_rows`] wrote.
fn matrices_of<F: Field>(field: &F, taken: TakenKind, shape: Shape) -> Option<MatrixTriples<F>> {
    let all = shares_of(field, &taken.into_bytes())?;
    let [mut a, mut b, mut c] = [shape.left(), shape.right(), shape.product()]
        .map(|size| Shares::with_capacity(all.len() / shape.elements() * size));
    for start in (0..all.len()).step_by(shape.elements()) {
        let (b_at, c_at) = (start + shape.left(), start + shape.left() + shape.right());
        a.append_range(&all, start..b_at);
        b.append_range(&all, b_at..c_at);
        c.append_range(&all, c_at..start + shape.elements());
    }
    Some(MatrixTriples { shape, a, b, c })
}

/// Authenticated elements as [`rows`] writes a single column.
pub fn shares_of<F: Field>(field: &F, bytes: &[u8]) -> Option<Shares<F>> {
    let (elements, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
    let mut shares = Shares::default();
    for element in elements {
        let (value, mac) = element.split_at(field::ELEMENT_BYTES);
        shares.push(decode(field, value)?, decode(field, mac)?);
    }
    rest.is_empty().then_some(shares)
}

fn decode<F: Field>(field: &F, bytes: &[u8]) -> Option<F::Element> {
    field.from_bytes(bytes.try_into().ok()?)
}

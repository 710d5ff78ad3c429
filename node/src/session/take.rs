//! Taking tuples together: offers, one durable take at each member, and n equal signatures.
//!
//! Order: the turn among the cloud's takes; everyone's offers (echoed); the same allocation
//! computed by all; TAKE durable here (`castor`); the signed digest of all; only then does the
//! session use a tuple. What goes wrong before TAKE costs nothing; after it, the taken tuples are
//! gone and nothing else.

use super::agree::{AgreeError, agree};
use crate::castor::{
    Castor, ELEMENT_BYTES, KindTake, RANGES_MAX, Span, TakeError, TakeRequest, TakenKind, TakenTuples, TupleKind,
    allocate,
};
use crate::order::{Order, OrderError, QueueId};
use crate::store::{ExecId, MacScope};
use ed25519_dalek::SigningKey;
use polyyne_engine::error::Error as EngineError;
use polyyne_engine::field::{self, Field, Fp, PrimeField};
use polyyne_engine::party::Party;
use polyyne_engine::share::Shares;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{Kind, Pool};
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::Certificate;
use polyyne_protocol::id::{Attempt, Digest, MacKeyId, PeerKey, ProgramHash};
use polyyne_protocol::sign::Statement as _;
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

/// The row under which the store remembers a taking, for ever: one for each purpose.
pub fn row_of(purpose: &TakePurpose) -> ExecId {
    ExecId(canonical::hash("taking", purpose).0)
}

impl Taking {
    /// See [`row_of`].
    pub fn exec(&self) -> ExecId {
        row_of(&self.purpose)
    }
}

/// Tuples that were taken, and that all members took them.
pub struct Taken {
    pub pool: Pool<PrimeField>,
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
        let exec = what.exec();
        let item = party.transcript("take turn").bytes(&exec.0).finish();
        let turn = self.order.turn(QueueId::take(self.scope), item, self.patience).await?;
        let kinds = self.allocate(party, bill).await?;
        let statement = self.statement(party, what, &kinds);
        let request = TakeRequest { exec, scope: self.scope, digest: statement.digest().0, kinds };
        let taken = self.castor.take(request).await?;
        crate::failpoint::pass("taken");
        let certificate = agree(party, self.view, self.key, Step::TakeVote, statement).await?;
        drop(turn);
        Ok(Taken { pool: pool(&self.field, taken)?, certificate })
    }

    async fn allocate(&self, party: &mut Party, bill: &Bill) -> Result<Vec<KindTake>, TakeFailure> {
        let own = canonical::encode(&self.offers(bill)?);
        let received = party.broadcast(Step::Offer, own).await?;
        let mut offers = Vec::with_capacity(received.len());
        for (member, bytes) in self.view.members().iter().zip(&received) {
            let offer: Vec<Offer> =
                canonical::decode(bytes, OFFER_BYTES_MAX).map_err(|_| TakeFailure::Malformed(member.peer))?;
            let fits =
                offer.len() == bill.len() && offer.iter().zip(bill).all(|(offer, (kind, _))| offer.kind == kind.code);
            if !fits || offer.iter().any(|offer| offer.spans.len() > OFFER_SPANS_MAX) {
                return Err(TakeFailure::Malformed(member.peer));
            }
            offers.push(offer);
        }
        bill.iter()
            .enumerate()
            .filter(|(_, (_, wanted))| *wanted > 0)
            .map(|(at, &(kind, wanted))| {
                let of_kind: Vec<Vec<Span>> = offers.iter().map(|offer| offer[at].spans.clone()).collect();
                let short =
                    |error: crate::castor::Shortage| TakeFailure::Shortage { kind, wanted, common: error.available };
                let spans = allocate(&of_kind, wanted).map_err(short)?;
                Ok(KindTake { kind, spans, skip_to: None })
            })
            .collect()
    }

    fn offers(&self, bill: &Bill) -> Result<Vec<Offer>, TakeFailure> {
        bill.iter()
            .map(|(kind, _)| {
                let mut spans = self.castor.offers(self.scope, *kind).map_err(TakeError::from)?;
                spans.truncate(OFFER_SPANS_MAX);
                Ok(Offer { kind: kind.code, spans })
            })
            .collect()
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

/// The tuples as the engine spends them.
///
/// # Errors
/// [`TakeFailure::Damaged`] if one is not canonical.
pub fn pool(field: &PrimeField, taken: TakenTuples) -> Result<Pool<PrimeField>, TakeFailure> {
    let mut pool = Pool::new();
    for taken in taken.into_kinds() {
        let kind = engine_kind(taken.kind()).ok_or(TakeFailure::Damaged)?;
        pool.add(kind, columns(field, taken).ok_or(TakeFailure::Damaged)?);
    }
    Ok(pool)
}

/// The engine's name of a stored kind.
pub fn engine_kind(kind: TupleKind) -> Option<Kind> {
    [
        (TupleKind::TRIPLE, Kind::Triple),
        (TupleKind::SQUARE, Kind::Square),
        (TupleKind::INVERSE, Kind::Inverse),
        (TupleKind::BIT, Kind::Bit),
        (TupleKind::RANDOM, Kind::Random),
    ]
    .into_iter()
    .find_map(|(stored, engine)| (stored == kind).then_some(engine))
}

/// The stored form's columns: tuple after tuple on disk, element after element in the engine.
fn columns(field: &PrimeField, taken: TakenKind) -> Option<Vec<Shares<PrimeField>>> {
    let arity = usize::from(taken.kind().arity);
    let bytes = taken.into_bytes();
    let mut columns: Vec<Shares<PrimeField>> = (0..arity).map(|_| Shares::default()).collect();
    let elements = shares_of(field, &bytes)?;
    for i in 0..elements.len() {
        let (value, mac) = elements.get(i);
        columns[i % arity].push(value, mac);
    }
    Some(columns)
}

/// The bytes that [`columns`] reads.
pub fn rows(field: &PrimeField, columns: &[Shares<PrimeField>]) -> zeroize::Zeroizing<Vec<u8>> {
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

/// Authenticated elements as [`rows`] writes a single column.
pub fn shares_of(field: &PrimeField, bytes: &[u8]) -> Option<Shares<PrimeField>> {
    let (elements, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
    let mut shares = Shares::default();
    for element in elements {
        let (value, mac) = element.split_at(field::ELEMENT_BYTES);
        shares.push(decode(field, value)?, decode(field, mac)?);
    }
    rest.is_empty().then_some(shares)
}

fn decode(field: &PrimeField, bytes: &[u8]) -> Option<Fp> {
    field.from_bytes(bytes.try_into().ok()?)
}

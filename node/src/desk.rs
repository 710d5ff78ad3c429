//! The desk of one cloud: where a member reads sealed requests of clients, decides for itself
//! whether it may do what is asked, and seals its own answer.
//!
//! No member decides for another: signature, members, lifetime, replay and policy are checked here
//! whatever the gateway or the other members did (I29).

use crate::amphora::Amphora;
use crate::audit::{AuditLog, Event};
use crate::castor::TupleKind;
use crate::castor::telemetry;
use crate::core::Stores;
use crate::ephemeral::Ephemeral;
use crate::ephemeral::line::{self, Line, Standing, Wait};
use crate::klyshko::Klyshko;
use crate::klyshko::rules::told;
use crate::order::OrderError;
use crate::seat::{MeetError, Seat};
use crate::session::take::{Bill, TakeFailure};
use crate::store::seen::{SeenError, SeenNonces};
use answered::Answered;
use in_flight::{InFlight, TooMany};
use polyyne_engine::error::{Error as EngineError, Severity};
use polyyne_protocol::envelope::{AuthenticRequest, Envelope, EnvelopeError};
use polyyne_protocol::limits;
use polyyne_protocol::replay::{ReplayMemory, Seen};
use polyyne_protocol::request::{Answer, Refusal, RefusalCode, Request, Stock, StockLine};
use polyyne_protocol::stock::StockRule;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

mod answered;
mod in_flight;

/// See the module's head.
pub struct Desk {
    pub seat: Arc<Seat>,
    pub klyshko: Klyshko,
    pub amphora: Amphora,
    pub ephemeral: Ephemeral,
    replays: Mutex<ReplayMemory>,
    seen: SeenNonces,
    answered: Answered,
    in_flight: InFlight,
    log: AuditLog,
    /// Joint work that may go on at once.
    places: Semaphore,
}

/// An envelope that cannot be answered in one, because its sender is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub Refusal);

impl Desk {
    pub(crate) fn new(seat: Arc<Seat>, klyshko: Klyshko, ephemeral: Ephemeral, stores: &Stores) -> Self {
        let amphora = Amphora::new(seat.clone(), klyshko.clone(), stores.secrets.clone());
        Self {
            seat,
            klyshko,
            amphora,
            ephemeral,
            replays: Mutex::default(),
            seen: stores.seen.clone(),
            answered: Answered::default(),
            in_flight: InFlight::default(),
            log: stores.log.clone(),
            places: Semaphore::new(limits::SESSIONS_MAX),
        }
    }

    /// Reads a request and seals this member's answer.
    ///
    /// # Errors
    /// [`Unreadable`] if the request is not authentic: there is nobody to seal an answer to.
    pub async fn handle(&self, envelope: &Envelope) -> Result<Envelope, Unreadable> {
        let now = now_s();
        let identity = &self.seat.identity;
        let me = polyyne_protocol::id::PeerKey::of(&identity.signing);
        let request =
            AuthenticRequest::open(envelope, &identity.seal, &me, &self.seat.view, now).map_err(unreadable)?;
        if let Some(sealed) = self.answered.again(&request.digest()) {
            return Ok(sealed);
        }
        let in_flight = self.in_flight.enter(request.client());
        let answer = match in_flight {
            Ok(_) => self.answer(&request, now).await,
            Err(TooMany) => Err(Refusal::new(
                RefusalCode::Busy,
                format!("{} requests of this client are being worked on", limits::REQUESTS_PER_CLIENT_MAX),
                "Try again when one has been answered.",
            )),
        };
        let answer = answer.unwrap_or_else(Answer::Refused);
        self.audit(&request, &answer, now).await.map_err(Unreadable)?;
        let sealed = request.answer(&answer, &identity.signing, &mut rand::rng()).map_err(unreadable)?;
        if !matches!(&answer, Answer::Refused(refusal) if refusal.code == RefusalCode::InProgress) {
            self.answered.keep(request.digest(), sealed.clone());
        }
        Ok(sealed)
    }

    /// Before the answer leaves.
    async fn audit(&self, request: &AuthenticRequest, answer: &Answer, now: u64) -> Result<(), Refusal> {
        let (what, object) = named(request.body());
        let outcome = match answer {
            Answer::Refused(refusal) => format!("{:?}", refusal.code),
            _ => "ok".to_owned(),
        };
        let event = Event {
            at: now,
            cloud: Some(self.seat.view.cloud()),
            client: Some(request.client().to_string()),
            request: Some(request.digest()),
            what: what.to_owned(),
            object,
            outcome,
        };
        self.log.record(event).await.map_err(internal)
    }

    async fn answer(&self, request: &AuthenticRequest, now: u64) -> Result<Answer, Refusal> {
        request
            .body()
            .check()
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string(), "Correct the request."))?;
        self.refuse_replay(request, now)?;
        let is_joint = is_joint(request.body());
        if is_joint {
            self.refuse_missing_members().await?;
        }
        // An execution takes its place when it starts: those that wait in line must not keep others out.
        let _place = match is_joint && !matches!(request.body(), Request::Execute(_)) {
            true => Some(place(&self.places)?),
            false => None,
        };
        match request.body() {
            Request::UploadBegin(begin) => self.amphora.begin(request, begin, now).await.map(Answer::Masks),
            Request::UploadCommit(commit) => self.amphora.commit(request, commit).await.map(Answer::Stored),
            Request::Get(get) => self.amphora.get(request, get, now).await.map(Answer::Got),
            Request::List(list) => self.amphora.list(request, list, now).map(Answer::Listed),
            Request::Tag(tag) => {
                self.refuse_served_before(request).await?;
                self.amphora.tag(request, tag, now).await.map(Answer::Tagged)
            }
            Request::Delete(delete) => self.amphora.delete(request, delete, now).await.map(Answer::Deleted),
            Request::Execute(execute) => {
                self.ephemeral.execute(request, execute, &self.amphora, &self.places, now).await.map(Answer::Executed)
            }
            Request::Quote(quote) => self.ephemeral.quote(quote, &self.amphora, self.stock()).map(Answer::Quoted),
            Request::Place(place) => self.ephemeral.place(place.execution, &request.client()).map(Answer::Placed),
            Request::Converse(converse) => {
                self.ephemeral.visits.converse(&request.client(), converse).await.map(Answer::Calls)
            }
            Request::Stock => Ok(Answer::Stock(self.stock())),
        }
    }

    /// Joint work without all members would only wait for them.
    async fn refuse_missing_members(&self) -> Result<(), Refusal> {
        let seat = &self.seat;
        let own = seat.network.local_key();
        for member in seat.view.members().iter().filter(|member| member.peer != own) {
            if !seat.network.connected(member.peer, MEMBER_PATIENCE).await {
                return Err(Refusal::new(
                    RefusalCode::MemberUnreachable,
                    format!("member {} is not connected", member.peer.peer_id()),
                    "All members are needed; try again when it is back.",
                ));
            }
        }
        Ok(())
    }

    fn refuse_replay(&self, request: &AuthenticRequest, now: u64) -> Result<(), Refusal> {
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        match replays.remember(request.header(), now) {
            Seen::New => Ok(()),
            Seen::Again => Err(Refusal::new(
                RefusalCode::InProgress,
                "this very request is being worked on, or its answer is no longer kept",
                "Ask again; a new request for the same object gives the same answer.",
            )),
            Seen::Full => Err(Refusal::new(
                RefusalCode::Busy,
                "this member remembers as many requests as it can",
                "Try again later.",
            )),
            Seen::ClientFull { free_in_s } => Err(Refusal::new(
                RefusalCode::Busy,
                format!("this client has sent {} requests that still live", limits::REPLAY_MEMORY_PER_CLIENT_MAX),
                format!("Try again in {free_in_s} s, and give requests shorter lives."),
            )),
        }
    }

    /// For requests whose effect has no row of its own: not twice, also after a restart.
    async fn refuse_served_before(&self, request: &AuthenticRequest) -> Result<(), Refusal> {
        let header = request.header();
        let end_s = header.expires.saturating_add(limits::CLOCK_SKEW_S).saturating_add(1);
        let seen = self.seen.remember(request.client().0, header.nonce.0, end_s.saturating_mul(1000)).await;
        seen.map_err(|error| match error {
            SeenError::Replayed => {
                Refusal::new(RefusalCode::Conflict, "this request was served before this member restarted", "Ask anew.")
            }
            SeenError::Full => Refusal::new(RefusalCode::Busy, error.to_string(), "Try again later."),
            SeenError::Fault(fault) => internal(fault),
        })
    }

    /// Takes samples of the stock, for rates.
    pub async fn keep_sampling(self: Arc<Self>) {
        loop {
            self.klyshko.telemetry().note(Instant::now(), self.seat.castor.stock(self.seat.scope));
            tokio::time::sleep(telemetry::SAMPLE).await;
        }
    }

    /// Forgets nonces of requests that would be refused for their age.
    pub async fn forget_expired_nonces(self: Arc<Self>) {
        loop {
            if let Err(error) = self.seen.expire(now_s().saturating_mul(1000)).await {
                tracing::error!(%error, "old nonces could not be forgotten");
            }
            tokio::time::sleep(NONCES_LOOK).await;
        }
    }

    /// This member's stock of every kind.
    pub fn stock(&self) -> Stock {
        let line = |(rule, own): (StockRule, crate::castor::Stock)| StockLine {
            kind: own.kind.name(),
            available: own.available,
            reserved: own.staged,
            target: rule.target,
            promised: self.ephemeral.line.promised(own.kind),
            per_1000_s: self.klyshko.rate_per_1000_s(own.kind),
        };
        let told = told(&self.seat.view, &self.seat.castor.stock(self.seat.scope));
        Stock { lines: told.into_iter().map(line).collect() }
    }
}

fn unreadable(error: EnvelopeError) -> Unreadable {
    let code = match error {
        EnvelopeError::Epoch { .. } => RefusalCode::WrongEpoch,
        EnvelopeError::Expired | EnvelopeError::NotYet | EnvelopeError::Lifetime => RefusalCode::Expired,
        EnvelopeError::Decode(_) | EnvelopeError::TooLong { .. } => RefusalCode::Malformed,
        _ => RefusalCode::Unauthentic,
    };
    Unreadable(Refusal::new(code, error.to_string(), ""))
}

/// Between two looks for nonces that can be forgotten.
const NONCES_LOOK: Duration = Duration::from_secs(600);

/// How long a request waits for a member that is not connected: it may just be coming back.
const MEMBER_PATIENCE: Duration = Duration::from_secs(3);

/// What a request is called in the audit log, and what it is about.
fn named(request: &Request) -> (&'static str, Option<String>) {
    match request {
        Request::UploadBegin(begin) => ("upload_begin", Some(begin.description.id.to_string())),
        Request::UploadCommit(commit) => ("upload_commit", Some(commit.upload.unverified().secret.to_string())),
        Request::Get(get) => ("get", Some(get.secret.to_string())),
        Request::List(_) => ("list", None),
        Request::Tag(tag) => ("tag", Some(tag.secret.to_string())),
        Request::Delete(delete) => ("delete", Some(delete.secret.to_string())),
        Request::Execute(execute) => ("execute", Some(execute.execution.to_string())),
        Request::Quote(_) => ("quote", None),
        Request::Place(place) => ("place", Some(place.execution.to_string())),
        Request::Converse(converse) => ("converse", Some(converse.execution.to_string())),
        Request::Stock => ("stock", None),
    }
}

/// A place for joint work.
///
/// # Errors
/// [`RefusalCode::Busy`].
pub fn place(places: &Semaphore) -> Result<SemaphorePermit<'_>, Refusal> {
    let busy = |_| Refusal::new(RefusalCode::Busy, "this member runs as much as it can", "Try again later.");
    places.try_acquire().map_err(busy)
}

/// Whether the members do it together.
fn is_joint(request: &Request) -> bool {
    matches!(request, Request::UploadBegin(_) | Request::UploadCommit(_) | Request::Get(_) | Request::Execute(_))
}

/// Seconds since 1970; decides about the lifetime of requests, never about safety.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A fault of this member. Details stay in its log.
pub fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "a request failed");
    Refusal::new(RefusalCode::Internal, "this member failed", "Its operator finds the cause in the log.")
}

/// What a joint run's end means to the client.
pub fn refusal_of(error: &RunError) -> Refusal {
    use RefusalCode as Code;
    let refusal = |code, remedy: &str| Refusal::new(code, error.to_string(), remedy);
    match error {
        RunError::Meet(_) | RunError::Take(TakeFailure::Order(OrderError::MemberLost(_))) => {
            refusal(Code::MemberUnreachable, "All members are needed; try again when it is back.")
        }
        RunError::Take(TakeFailure::Shortage { .. }) => {
            refusal(Code::StockTooLow, "Nothing was spent; try again when there are more (`vcp castor stock`).")
        }
        RunError::Take(TakeFailure::Order(_)) => refusal(Code::Busy, "Nothing was spent; try again."),
        RunError::Take(TakeFailure::Malformed(_) | TakeFailure::Agree(_)) => {
            refusal(Code::MembersDiffer, "Ask the member that is named.")
        }
        RunError::Take(TakeFailure::Take(error)) => take_refused(error),
        RunError::Take(TakeFailure::Damaged) => refusal(Code::Internal, "Its operator finds the cause in the log."),
        RunError::Take(TakeFailure::Engine(error)) | RunError::Engine(error) => engine_refused(error),
        RunError::Agree(_) => refusal(Code::MembersDiffer, "Ask the member that is named."),
        RunError::Crashed => refusal(Code::Internal, "Its operator finds the cause in the log."),
        RunError::Refused(own) => own.clone(),
    }
}

fn take_refused(error: &crate::castor::TakeError) -> Refusal {
    use crate::castor::{PeerHeadError, TakeError};
    let refusal = |code, remedy: &str| Refusal::new(code, error.to_string(), remedy);
    match error {
        TakeError::AlreadyTaken(_) => refusal(RefusalCode::Conflict, "Use a new id: one id is run once."),
        TakeError::KeyCompromised => {
            refusal(RefusalCode::NoMacKey, "An operator makes a new key with `vcp cloud rekey`.")
        }
        TakeError::Peer(PeerHeadError::WentBack(_) | PeerHeadError::Unannounced(_)) => {
            refusal(RefusalCode::MembersDiffer, "Nothing was spent; the operator of that member asks `vcp doctor`.")
        }
        TakeError::KeyFrozen { .. } => refusal(RefusalCode::KeyFrozen, "It ends by itself when all members are back."),
        _ => internal(error),
    }
}

fn engine_refused(error: &EngineError) -> Refusal {
    let (code, remedy) = match (error, error.severity()) {
        (_, Severity::KeyBurned) => (RefusalCode::CheckFailed, "An operator makes a new key with `vcp cloud rekey`."),
        (EngineError::Channel { .. }, _) => {
            (RefusalCode::MemberUnreachable, "All members are needed; try again when it is back.")
        }
        (EngineError::Gate(polyyne_engine::port::GateError::Frozen), _) => {
            (RefusalCode::KeyFrozen, "It ends by itself when all members are back.")
        }
        (EngineError::Gate(_), _) => (RefusalCode::Busy, "Try again."),
        (EngineError::Shortage(_), _) => (RefusalCode::StockTooLow, "The program takes more than its bill says."),
        _ => (RefusalCode::MembersDiffer, "Somebody misbehaved; nothing was released."),
    };
    Refusal::new(code, error.to_string(), remedy)
}

/// Why a joint run of the members ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Meet(#[from] MeetError),
    #[error(transparent)]
    Take(#[from] TakeFailure),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Agree(#[from] crate::session::agree::AgreeError),
    #[error("the session's thread failed")]
    Crashed,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<crate::session::Crashed> for RunError {
    fn from(_: crate::session::Crashed) -> Self {
        RunError::Crashed
    }
}

/// Between two looks at the stock.
const STOCK_LOOK: Duration = Duration::from_millis(500);

/// Most tuples of one kind that members make for one request.
const BILL_MAX: u64 = 1 << 22;

/// Tuples of a kind that can be taken here.
pub fn in_stock(seat: &Seat, kind: TupleKind) -> u64 {
    seat.castor.available(seat.scope, kind)
}

/// Seconds in which what is missing will have been made at the present rate; members make one kind after the other.
pub fn seconds_to_make(klyshko: &Klyshko, missing: &Bill) -> Option<u64> {
    missing.iter().try_fold(0u64, |sum, &(kind, count)| {
        let seconds = count.saturating_mul(1000).div_ceil(klyshko.rate_per_1000_s(kind).max(1));
        (klyshko.rate_per_1000_s(kind) > 0).then(|| sum.saturating_add(seconds))
    })
}

/// Waits until this member has the bill in stock, asking the members to make what is missing.
///
/// # Errors
/// [`RefusalCode::StockTooLow`], saying what is missing: at once where generation is paused or too
/// slow for this `patience`, else when that is over. Nothing has been spent then.
pub async fn await_stock(seat: &Seat, klyshko: &Klyshko, bill: &Bill, patience: Duration) -> Result<(), Refusal> {
    let deadline = Instant::now() + patience;
    while let Some(lack) = missing(seat, bill) {
        for &(kind, count) in bill {
            klyshko.want(kind, count);
        }
        let made = vec![(lack.kind, lack.wanted - lack.available)];
        refuse_hopeless(klyshko, &lack, &made, deadline)?;
        drop(tokio::time::timeout(STOCK_LOOK, klyshko.changed()).await);
    }
    Ok(())
}

/// Waits in line until the stock covers this execution and those that go first.
///
/// # Errors
/// As [`await_stock`]; without `wait` at once. [`RefusalCode::Busy`] if too many wait.
pub async fn await_turn(
    seat: &Seat,
    klyshko: &Klyshko,
    standing: &Standing,
    line: &Line,
    wait: bool,
    deadline: Instant,
) -> Result<(), Refusal> {
    loop {
        let available = |kind: TupleKind| in_stock(seat, kind);
        let Err(Wait { kind, wanted, available, missing }) = standing.start(available, Instant::now()) else {
            return Ok(());
        };
        if !missing.is_empty() {
            let lack = Lack { kind, wanted, available };
            for &(kind, _) in &missing {
                klyshko.want(kind, line.promised(kind));
            }
            let now = if wait { deadline } else { Instant::now() };
            refuse_hopeless(klyshko, &lack, &missing, now)?;
        }
        tokio::select! {
            _ = tokio::time::timeout(line::SETTLE, klyshko.changed()) => {}
            () = line.moved() => {}
        }
    }
}

/// Refuses to wait for what will not be there in time.
fn refuse_hopeless(klyshko: &Klyshko, lack: &Lack, missing: &Bill, deadline: Instant) -> Result<(), Refusal> {
    let Lack { kind, wanted, available } = lack;
    let cause = format!("{wanted} tuples of kind {} are needed and {available} are in stock", kind.name());
    let refuse = |remedy: String| Err(Refusal::new(RefusalCode::StockTooLow, cause.clone(), remedy));
    if klyshko.is_paused() {
        return refuse("Nothing was spent. Generation is paused: `vcp klyshko resume`.".into());
    }
    if *wanted > BILL_MAX {
        return refuse(format!("Nothing was spent. Members make at most {BILL_MAX} of a kind for one request."));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let needed_s = seconds_to_make(klyshko, missing);
    if left.is_zero() || needed_s.is_some_and(|needed_s| needed_s > left.as_secs()) {
        let when = needed_s.map_or_else(String::new, |s| format!(", in about {s} s at the present rate"));
        return refuse(format!(
            "Nothing was spent. They are being made{when}: try again, or allow more time with --timeout."
        ));
    }
    Ok(())
}

/// A kind of which there is too little.
struct Lack {
    kind: TupleKind,
    wanted: u64,
    available: u64,
}

fn missing(seat: &Seat, bill: &Bill) -> Option<Lack> {
    let lacks = bill.iter().map(|&(kind, wanted)| Lack { kind, wanted, available: in_stock(seat, kind) });
    lacks.into_iter().find(|lack| lack.available < lack.wanted)
}

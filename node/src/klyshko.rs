//! Klyshko: the offline phase of a cloud, run by all members together without a master.
//!
//! One session per setup, kept open: keys or base OTs and the key link once, then rounds in which every member
//! says what it has and what it lacks ([`plan::Wish`]), all compute the same next batch, make it,
//! check it (sacrifice and MAC check), write it down as STAGED, and activate it with the signatures
//! of all. A batch whose signatures are not complete is thrown away whole.
//!
//! The setup's correlations live in memory only and die with the session; any error of the
//! protocol ends them. A failed consistency check pauses generation, durably, until the operator resumes it
//! ([`pause`]): each retry would give a cheating member another guess at fresh secrets. One whose outcome depends on the
//! MAC key burns the key.

pub(crate) mod anchor;
mod crew;
pub mod demand;
pub mod external;
mod generator;
pub mod making;
pub mod muster;
pub mod pause;
pub mod plan;
pub mod rules;
#[cfg(test)]
mod tests;
mod watch;
mod workshop;

use crate::castor::telemetry::Telemetry;
use crate::castor::{ChunkRef, ELEMENT_BYTES, NewChunk, StageError, TupleKind};
use crate::config::Generation;
use crate::federation::{Network, Refusal, Service};
use crate::link::SessionLabel;
use crate::seat::{MEET_PATIENCE, MeetError, Seat};
use crate::session::agree::{AgreeError, agree};
use crate::session::side::Side;
use crate::session::take::Bill;
use crate::session::{self, Agenda, Crashed};
use crate::store::mac_keys::MacKeyError;
use crate::store::{ChunkId, Fault};
use crew::Crew;
use demand::{Demand, Running};
use external::{PluginError, Plugins};
use generator::{External, TupleGenerator};
use muster::{Muster, Telling};
use pause::{Cause, Pause};
use plan::{Batch, Plan, Planner, Wish};
use polyyne_engine::error::{Error as EngineError, Severity};
use polyyne_engine::generator::Protocol;
use polyyne_engine::mascot;
use polyyne_engine::party::Party;
use polyyne_engine::port::ChannelError;
use polyyne_engine::step::Step;
use polyyne_protocol::assurance::Assurance;
use polyyne_protocol::canonical;
use polyyne_protocol::hello::SessionPurpose;
use polyyne_protocol::id::{Digest, MacKeyId, PeerKey};
use polyyne_protocol::limits;
use polyyne_protocol::version::SecurityParameters;
use polyyne_protocol::view::CloudView;
use polyyne_protocol::vote::ChunkSeal;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use watch::Watch;
use workshop::Workshops;
use zeroize::Zeroizing;

/// How long members with nothing to do wait before they look again together.
const IDLE: Duration = Duration::from_millis(200);
/// Between two attempts at a session.
const RETRY: Duration = Duration::from_millis(300);
/// For telling a member this one's token.
const TELL_PATIENCE: Duration = Duration::from_secs(3);
/// Each but the first takes some 70 MB, which is why the operator has to ask for them: a node stays below 400 MB.
const LOWGEAR_THREADS_MAX: u16 = 2;
const WISH_BYTES_MAX: usize = 32 << 10;
const TELLING_BYTES_MAX: usize = 128;

/// Keeps what [`anchor`] stores, by field ([`crate::session::side::field_byte`]).
pub trait AnchorStore: Send + Sync {
    /// What was kept last.
    fn load(&self, field: u8) -> Result<Option<Vec<u8>>, Fault>;
    /// Durable when this returns.
    fn keep(&self, field: u8, anchor: Vec<u8>) -> futures::future::BoxFuture<'_, Result<(), Fault>>;
}

/// What generation is doing, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for members.
    #[default]
    Meeting,
    /// Keys or base OTs, and the key link.
    SettingUp,
    /// All targets are met.
    Idle,
    /// Executions go first.
    Yielding,
    Generating {
        kind: String,
        count: usize,
    },
    /// By the operator, or by a failed check until the operator resumes.
    Paused,
}

/// The handle on a cloud's generation.
#[derive(Clone)]
pub struct Klyshko {
    shared: Arc<Shared>,
}

struct Shared {
    seat: Arc<Seat>,
    network: Network,
    muster: Muster,
    anchors: Arc<dyn AnchorStore>,
    plugins: Plugins,
    /// That this node offers.
    threads: u16,
    /// Threads that LowGear computes on here.
    workers: usize,
    pause: Pause,
    stopped: AtomicBool,
    wake: Notify,
    phase: Mutex<Phase>,
    demand: Demand,
    made: Mutex<Made>,
    stalls: Mutex<Stalls>,
    paused_by: Mutex<Vec<PeerKey>>,
    changed: Notify,
}

/// What was made since the start, by kind code: how many, and in how much time.
#[derive(Default)]
struct Made {
    batches: u64,
    kinds: BTreeMap<u16, (u64, Duration)>,
}

impl Made {
    fn rate_per_1000_s(&self, kind: TupleKind) -> u64 {
        let Some((count, spent)) = self.kinds.get(&kind.code) else { return 0 };
        let rate = u128::from(*count) * 1_000_000 / spent.as_millis().max(1);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// Members that kept generation waiting.
#[derive(Default)]
struct Stalls {
    counts: BTreeMap<PeerKey, u64>,
    /// The last one, until a batch has been made again.
    present: Option<PeerKey>,
}

/// Why a generation session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Meet(#[from] MeetError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Agree(#[from] AgreeError),
    #[error("{0} said what it has in a form that makes no sense")]
    Malformed(PeerKey),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the stored anchor of the MAC key is damaged")]
    Anchor,
    #[error("member {} has lost its share of the MAC key's anchor: make another key with `vcp cloud rekey`", .0.peer_id())]
    AnchorLost(PeerKey),
    #[error(transparent)]
    Key(#[from] MacKeyError),
    #[error("a member began a new attempt")]
    Renewed,
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error("tuples of kind {kind} are labelled {label:?}, which the record of the cloud does not accept")]
    Unacceptable { kind: String, label: String },
    #[error(
        "the cloud's record names parameters of its generator that this build does not have: run the build that the \
         cloud was formed with, or form another cloud"
    )]
    Parameters,
    #[error("generation was stopped here")]
    Stopped,
    #[error("a batch was not made in time; member {} was waited for longest, {} s", peer.peer_id(), waited.as_secs())]
    Late { peer: PeerKey, waited: Duration },
    #[error(transparent)]
    Crashed(#[from] Crashed),
}

impl Ended {
    /// The member that did not come, or did not answer.
    fn stalled(&self, view: &CloudView) -> Option<PeerKey> {
        let of_rank = |rank: usize| view.members().get(rank).map(|member| member.peer);
        let of_engine = |error: &EngineError| match error {
            EngineError::Channel { peer, cause: ChannelError::Deadline } => of_rank(peer.get()),
            _ => None,
        };
        match self {
            Ended::Late { peer, .. } => Some(*peer),
            Ended::Engine(error) => of_engine(error),
            Ended::Agree(AgreeError::Engine(error)) => of_engine(error),
            Ended::Meet(error) => error.peer(),
            _ => None,
        }
    }

    /// Whether the operator has to look before there is another setup. A burned key ends generation by itself, until
    /// the operators make another.
    fn needs_operator(&self) -> bool {
        matches!(self, Ended::Engine(error) if error.severity() == Severity::SetupOver)
            || matches!(
                self,
                Ended::Anchor
                    | Ended::AnchorLost(_)
                    | Ended::Parameters
                    | Ended::Plugin(_)
                    | Ended::Unacceptable { .. }
            )
    }
}

impl Klyshko {
    /// Starts the generation of a seat.
    pub fn start(
        seat: Arc<Seat>,
        network: Network,
        anchors: Arc<dyn AnchorStore>,
        pause: Pause,
        generation: &Generation,
    ) -> Self {
        let members = seat.view.members().iter().map(|member| member.peer).collect();
        let shared = Arc::new(Shared {
            muster: Muster::new(members, seat.rank(), pause.is_on()),
            seat,
            network,
            anchors,
            plugins: generation.external.clone(),
            threads: generation.threads(),
            workers: generation.threads.map_or(1, |threads| threads.get().min(LOWGEAR_THREADS_MAX).into()),
            pause,
            stopped: AtomicBool::new(false),
            wake: Notify::new(),
            phase: Mutex::default(),
            demand: Demand::default(),
            made: Mutex::default(),
            stalls: Mutex::default(),
            paused_by: Mutex::default(),
            changed: Notify::new(),
        });
        tokio::spawn(run(shared.clone()));
        Self { shared }
    }

    /// A member told its token.
    pub fn hear(&self, from: PeerKey, telling: Telling) -> Option<Telling> {
        self.shared.muster.hear(from, telling).then(|| self.shared.muster.own())
    }

    /// Pauses generation at the operator's order: durable when this returns.
    ///
    /// # Errors
    /// If it could not be written; generation is paused until this process ends.
    pub async fn pause(&self) -> Result<(), Fault> {
        self.shared.begin_pause(Cause::Operator).await
    }

    /// Ends a pause at the operator's order.
    ///
    /// # Errors
    /// If that could not be written: then it goes on.
    pub async fn resume(&self) -> Result<(), Fault> {
        self.shared.pause.end().await?;
        self.shared.muster.set_paused(false);
        self.shared.wake.notify_one();
        Ok(())
    }

    pub fn is_paused(&self) -> bool {
        self.shared.pause.is_on()
    }

    /// Ends generation here for good; the seat is given up.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
        self.shared.muster.renew();
    }

    pub fn phase(&self) -> Phase {
        if self.is_paused() { Phase::Paused } else { lock(&self.shared.phase).clone() }
    }

    /// What went wrong last, if it has not been put right.
    pub fn trouble(&self) -> Option<String> {
        self.shared.pause.trouble()
    }

    /// The members that do not want to generate now, as far as this one has heard.
    pub fn paused_by(&self) -> Vec<PeerKey> {
        let mut paused = lock(&self.shared.paused_by).clone();
        let own = self.shared.network.local_key();
        paused.retain(|peer| *peer != own);
        if self.is_paused() {
            paused.push(own);
        }
        paused
    }

    /// The member that generation waits for, if it does not go on for want of one.
    pub fn stalled_by(&self) -> Option<PeerKey> {
        lock(&self.shared.stalls).present
    }

    /// How often each member kept generation waiting until it was given up.
    pub fn stalls(&self) -> BTreeMap<PeerKey, u64> {
        lock(&self.shared.stalls).counts.clone()
    }

    /// Samples of the stock.
    pub fn telemetry(&self) -> &Telemetry {
        &self.shared.demand.telemetry
    }

    /// Generation gives way to an execution while the result lives.
    pub fn give_way(&self) -> Running {
        self.shared.demand.execution()
    }

    /// A client has been told what a program takes, and may come back with it.
    pub fn quoted(&self, bill: Bill) {
        self.shared.demand.quote(tokio::time::Instant::now(), bill);
    }

    /// Batches activated since the start.
    pub fn batches(&self) -> u64 {
        lock(&self.shared.made).batches
    }

    /// Tuples of a kind made in 1000 s at the rate of the last while in which any were made.
    pub fn rate_per_1000_s(&self, kind: TupleKind) -> u64 {
        lock(&self.shared.made).rate_per_1000_s(kind)
    }

    /// Asks for at least this stock of a kind, whatever its target, until it is there.
    pub fn want(&self, kind: TupleKind, available: u64) {
        self.shared.demand.want(kind, available);
        self.shared.wake.notify_one();
    }

    /// Resolves when a batch has been activated or something else has changed.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells tokens and starts sessions, for as long as the seat is held.
async fn run(shared: Arc<Shared>) {
    while !shared.stopped.load(Ordering::Relaxed) {
        let ended = attempt(&shared).await;
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        shared.note(&ended).await;
        if !matches!(ended, Ended::Renewed) {
            shared.muster.renew();
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn attempt(shared: &Arc<Shared>) -> Ended {
    shared.set_phase(Phase::Meeting);
    let mut changes = shared.muster.changes();
    changes.mark_unchanged();
    tell_all(shared).await;
    let Some(label) = shared.muster.label() else {
        // Somebody has not been heard or is paused: its own telling will be a change.
        *lock(&shared.paused_by) = shared.muster.paused();
        drop(tokio::time::timeout(Duration::from_secs(1), changes.changed()).await);
        return Ended::Renewed;
    };
    let links = tokio::select! {
        links = shared.seat.open_links(SessionLabel { label: label.0, thread: 0 }, MEET_PATIENCE) => links,
        _ = changes.changed() => return Ended::Renewed,
    };
    let links = match links {
        Ok(links) => links,
        Err(error) => return MeetError::from(error).into(),
    };
    let session = shared.clone();
    let watch = Watch::default();
    let links = watch.add(links);
    let ended = session::run("klyshko", move || async move {
        let agenda = Agenda { purpose: SessionPurpose::Generation, subject: label };
        let party = match session::greet(&session.seat.view, &session.seat.identity.signing, &agenda, links).await {
            Ok(party) => party,
            Err(error) => return MeetError::from(error).into(),
        };
        match generate(&session, party, label, &watch).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    });
    ended.await.unwrap_or_else(Ended::Crashed)
}

/// Tells every member this one's token and hears theirs.
async fn tell_all(shared: &Arc<Shared>) {
    let own = canonical::encode(&(shared.seat.view.cloud(), shared.muster.own()));
    let others =
        shared.seat.view.members().iter().map(|member| member.peer).filter(|peer| *peer != shared.network.local_key());
    let tellings = others.map(|peer| {
        let own = own.clone();
        async move {
            if let Ok(answer) = shared.network.request(peer, Service::WAKE, own, TELL_PATIENCE).await
                && let Ok(telling) = canonical::decode::<Telling>(&answer, TELLING_BYTES_MAX)
            {
                shared.muster.hear(peer, telling);
            }
        }
    });
    futures::future::join_all(tellings).await;
}

/// Sets up, then makes batches until something ends the session.
async fn generate(
    shared: &Arc<Shared>,
    mut party: Party,
    label: Digest,
    watch: &Watch,
) -> Result<std::convert::Infallible, Ended> {
    shared.set_phase(Phase::SettingUp);
    let seat = &shared.seat;
    if parameters_hash(&protocol(seat)) != seat.view.parameters().generator_parameters {
        return Err(Ended::Parameters);
    }
    let crew = Crew::new(shared.clone(), label, watch.clone());
    let mut workshops = Workshops::open(shared, &mut party, crew).await?;
    tracing::info!("generation is set up");
    let (mut planner, rules) = (Planner::default(), rules::rules(&seat.view));
    for number in 0.. {
        if shared.stopped.load(Ordering::Relaxed) {
            return Err(Ended::Stopped);
        }
        let wishes = exchange_wishes(&seat.view, &mut party, &shared.wish()).await?;
        let plan = planner.next(&wishes, &rules);
        workshops.hear(&wishes);
        shared.note_paused(&plan);
        if let Plan::Make(batch) = plan {
            watch.begin();
            let deadline = Duration::from_millis(limits::BATCH_TIMEOUT_MS);
            let made = make(shared, &mut party, &mut workshops, number, batch);
            tokio::time::timeout(deadline, made).await.map_err(|_| shared.late(watch, deadline))??;
            lock(&shared.stalls).present = None;
        } else {
            shared.set_phase(if plan == Plan::Yield { Phase::Yielding } else { Phase::Idle });
            drop(tokio::time::timeout(IDLE, shared.wake.notified()).await);
        }
    }
    unreachable!("2^64 planning rounds do not pass")
}

/// Everyone's wish, the same at all members.
pub(crate) async fn exchange_wishes(view: &CloudView, party: &mut Party, own: &Wish) -> Result<Vec<Wish>, Ended> {
    let received = party.broadcast(Step::Wish, canonical::encode(own)).await?;
    view.members()
        .iter()
        .zip(&received)
        .map(|(member, bytes)| canonical::decode(bytes, WISH_BYTES_MAX).map_err(|_| Ended::Malformed(member.peer)))
        .collect()
}

async fn make(
    shared: &Shared,
    party: &mut Party,
    workshops: &mut Workshops,
    number: u64,
    batch: Batch,
) -> Result<(), Ended> {
    let began = Instant::now();
    shared.set_phase(Phase::Generating { kind: batch.kind.name(), count: batch.count });
    let acceptance = shared.seat.view.acceptance();
    let (label, tuples) = match acceptance.external.get(&batch.kind.family()) {
        None => made_by(workshops, shared, party, batch).await?,
        Some(name) => made_by(&mut External { name, workshops }, shared, party, batch).await?,
    };
    if !acceptance.admits(&batch.kind.family(), &label) {
        return Err(Ended::Unacceptable { kind: batch.kind.name(), label: label.to_string() });
    }
    let width = usize::from(batch.kind.arity) * ELEMENT_BYTES;
    let mut start = batch.start;
    for chunk in tuples.chunks(batch.kind.chunk_max() * width) {
        let batch = Batch { start, count: chunk.len() / width, ..batch };
        seal(shared, party, number, batch, &label, Zeroizing::new(chunk.to_vec())).await?;
        start += batch.count as u64;
    }
    shared.note_made(batch.kind, tuples.len() / width, began.elapsed());
    shared.changed.notify_waiters();
    Ok(())
}

async fn made_by(
    generator: &mut impl TupleGenerator,
    shared: &Shared,
    party: &mut Party,
    Batch { kind, count, .. }: Batch,
) -> Result<(Assurance, Zeroizing<Vec<u8>>), Ended> {
    Ok((generator.assurance(shared, kind), generator.make(shared, party, kind, count).await?))
}

/// STAGED, signed by all, ACTIVE; or gone.
async fn seal(
    shared: &Shared,
    party: &mut Party,
    number: u64,
    batch: Batch,
    assurance: &Assurance,
    tuples: Zeroizing<Vec<u8>>,
) -> Result<(), Ended> {
    let (seat, count) = (&shared.seat, batch.count);
    let label = canonical::encode(assurance);
    let id = party
        .transcript("chunk")
        .number(u64::from(batch.kind.code))
        .number(batch.start)
        .number(count as u64)
        .bytes(&label)
        .finish();
    let new =
        NewChunk { scope: seat.scope, kind: batch.kind, id: ChunkId(id), start: batch.start, assurance: label, tuples };
    let chunk = ChunkRef { scope: seat.scope, kind: batch.kind, start: batch.start, id: ChunkId(id) };
    seat.castor.stage(new).await?;
    crate::failpoint::pass("chunk-staged");
    let statement = ChunkSeal {
        cloud: seat.view.cloud(),
        epoch: seat.view.epoch(),
        mac_key: MacKeyId(seat.scope.mac_key.0),
        setup: session::session_id(party),
        batch: number,
        kind: batch.kind.name(),
        from: batch.start,
        count: count as u32,
        assurance: assurance.clone(),
        parameters: seat.view.parameters().hash(),
        transcript: Digest(id),
    };
    match agree(party, &seat.view, &seat.identity.signing, Step::Seal, statement).await {
        Ok(certificate) => seat.castor.activate(chunk, canonical::encode(&certificate)).await?,
        Err(error) => {
            seat.castor.discard(chunk).await?;
            return Err(error.into());
        }
    }
    Ok(())
}

/// How a kind is made and the bits of statistical security that it really has: a short MAC key limits them.
fn assurance(seat: &Seat, kind: TupleKind) -> (&'static str, u32) {
    let protocol = protocol(seat);
    let params = protocol.mascot();
    match Side::of(kind) {
        None => (protocol.name(), params.statistical),
        Some(side) => (Protocol::Mascot(params).name(), mascot::statistical_of(&params, &side.field())),
    }
}

/// What the members generate with over the cloud's prime, and by [`Protocol::mascot`] over other fields.
pub(crate) fn protocol(seat: &Seat) -> Protocol {
    let SecurityParameters { generator, sigma, .. } = seat.view.parameters();
    Protocol::named(generator.name(), &seat.field, (*sigma).into())
        .expect("the record's parameters have been validated")
}

/// Whether the prime is large enough for bits over both fields.
pub(crate) fn dabits_fit(seat: &Seat) -> polyyne_engine::error::Result<()> {
    mascot::dabits_fit(&protocol(seat).mascot(), &seat.field, seat.view.n())
}

/// What the record says of a generator's own parameters.
pub fn parameters_hash(protocol: &Protocol) -> Digest {
    canonical::hash("generator-parameters", &(protocol.name(), protocol.numbers()))
}

impl Shared {
    fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
        self.changed.notify_waiters();
    }

    async fn note(&self, ended: &Ended) {
        if matches!(ended, Ended::Renewed) {
            return;
        }
        match ended.stalled(&self.seat.view) {
            Some(peer) => {
                tracing::warn!(cause = %ended, peer = %peer.peer_id(), "generation waits for a member");
                let mut stalls = lock(&self.stalls);
                *stalls.counts.entry(peer).or_default() += 1;
                stalls.present = Some(peer);
            }
            None => tracing::warn!(cause = %ended, "the generation session has ended"),
        }
        self.pause_for(ended).await;
        self.changed.notify_waiters();
    }

    /// Until the operator resumes, if this is for the operator to look at.
    async fn pause_for(&self, ended: &Ended) {
        if ended.needs_operator() {
            let trouble = format!("{ended}; generation waits for `vcp klyshko resume`");
            if let Err(error) = self.begin_pause(Cause::Trouble(trouble)).await {
                tracing::error!(%error, "the pause of generation could not be written");
            }
        }
    }

    async fn begin_pause(&self, cause: Cause) -> Result<(), Fault> {
        self.muster.set_paused(true);
        let begun = self.pause.begin(cause).await;
        self.wake.notify_one();
        begun
    }

    fn note_made(&self, kind: TupleKind, count: usize, spent: Duration) {
        let mut made = lock(&self.made);
        made.batches += 1;
        let (total, time) = made.kinds.entry(kind.code).or_default();
        *total += count as u64;
        *time += spent;
    }

    /// The members that want no batch now.
    fn note_paused(&self, plan: &Plan) {
        let members = self.seat.view.members();
        let paused = match plan {
            Plan::Paused(ranks) => ranks.iter().map(|&rank| members[rank].peer).collect(),
            _ => Vec::new(),
        };
        *lock(&self.paused_by) = paused;
    }

    /// A batch took longer than it may.
    fn late(&self, watch: &Watch, deadline: Duration) -> Ended {
        let own = (self.seat.rank(), deadline);
        let (rank, waited) = watch.slowest(Instant::now()).unwrap_or(own);
        Ended::Late { peer: self.seat.view.members()[rank].peer, waited }
    }

    fn wish(&self) -> Wish {
        let (castor, scope) = (&self.seat.castor, self.seat.scope);
        let mut kinds = rules::kinds(&self.seat.view);
        let dabits_fit = dabits_fit(&self.seat).is_ok();
        // what one member cannot make, none does
        kinds.retain(|kind| {
            if kind.is_of_dabits() && !dabits_fit {
                return false;
            }
            let external = self.seat.view.acceptance().external.get(&kind.family());
            external.is_none_or(|name| self.plugins.contains_key(name))
        });
        let next = |kind| castor.next_position(scope, kind);
        let wish =
            self.demand.wish(self.pause.is_on(), &kinds, &castor.stock(scope), next, tokio::time::Instant::now());
        Wish { threads: self.threads, ..wish }
    }
}

/// Lets members tell their tokens to the generation of any cloud of this node.
pub fn serve(
    network: &Network,
    of_cloud: impl Fn(polyyne_protocol::id::CloudId) -> Option<Klyshko> + Send + Sync + 'static,
) {
    let of_cloud = Arc::new(of_cloud);
    network.serve(Service::WAKE, move |from, payload| {
        let of_cloud = of_cloud.clone();
        async move {
            let (cloud, telling) =
                canonical::decode(&payload, 2 * TELLING_BYTES_MAX).map_err(|_| Refusal::Malformed)?;
            let klyshko = of_cloud(cloud).ok_or(Refusal::NoSuchService)?;
            let own = klyshko.hear(from, telling).ok_or(Refusal::NotPermitted)?;
            Ok(canonical::encode(&own))
        }
    });
}

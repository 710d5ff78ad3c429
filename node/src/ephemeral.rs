//! Ephemeral: joint execution of programs over stored secrets.
//!
//! Order at every member: the request is verified, the program verified and its bill known; policy
//! is checked and uses are counted; the members meet (hello), take the bill (durable, n equal
//! signatures) and only then run; all openings are MAC-checked; the outcome is durable as CHECKED,
//! then n equal signatures over it are exchanged; only then do results become visible or shares
//! leave for the client. An execution id is run once, ever; asked again, it gives the same answer.

pub(crate) mod line;
mod programs;
mod settle;
mod threads;
mod visit;
mod votes;

use crate::amphora::{Amphora, Usable, delivery_bill};
use crate::castor::{ExecutionState, TupleKind};
use crate::desk::{RunError, await_turn, in_stock, internal, place, refusal_of, seconds_to_make};
use crate::klyshko::Klyshko;
use crate::seat::Seat;
use crate::session::agree::agree;
use crate::session::side::Side;
use crate::session::take::{ABORTED, Bill, Taken, Taking, row_of, rows};
use crate::session::{self, Agenda};
use crate::store::ExecId;
use crate::store::answers::{AnswerError, Answers, Claim, RequestKey};
use line::{Line, Standing};
use polyyne_engine::bit_tuples::BitPool;
use polyyne_engine::delivery;
use polyyne_engine::error::Error as EngineError;
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::online::Online;
use polyyne_engine::party::Party;
use polyyne_engine::share::Shares;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::Pool;
use polyyne_engine::vm::{self, BitSide, Door, MemoryStorage, NoInputs, Ports, Secrets, VmError};
use polyyne_protocol::canonical;
use polyyne_protocol::client_io::DeliveryShares;
use polyyne_protocol::envelope::AuthenticRequest;
use polyyne_protocol::execution::new_secrets;
use polyyne_protocol::hello::SessionPurpose;
use polyyne_protocol::id::{ClientKey, Digest, ExecutionId};
use polyyne_protocol::limits;
use polyyne_protocol::request::{Execute, Executed, KindCount, Placed, Quote, Quoted, Refusal, RefusalCode, Stock};
use polyyne_protocol::secret::{SecretDescription, SecretKind};
use polyyne_protocol::sign::Statement as _;
use polyyne_protocol::vote::{
    ExecutionChecked, ExecutionKey, OutputShape, ResultCertificate, TakePurpose, inputs_digest, printed_digest,
};
use programs::{Programs, Ready};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use threads::LinkedThreads;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use visit::{Visit, Visits};

/// Instructions (each counted with its vector size) that an execution may run.
const STEPS_MAX: u64 = 10_000_000_000;

/// The executions of one cloud at this member.
#[derive(Clone)]
pub struct Ephemeral {
    seat: Arc<Seat>,
    klyshko: Klyshko,
    answers: Answers,
    programs: Programs,
    running: Arc<Mutex<HashSet<Whose>>>,
    pub line: Line,
    pub visits: Visits,
    counts: Arc<Mutex<(u64, u64)>>,
    unsettled: Arc<Mutex<HashSet<ExecId>>>,
}

/// What a checked execution needs to be answered, also after a restart.
#[derive(Clone, Serialize, Deserialize)]
struct Outcome {
    statement: ExecutionChecked,
    printed: String,
    /// The descriptions of the new secrets, none if revealed.
    descriptions: Vec<SecretDescription>,
    /// This member's shares of all words written, with MACs; kept only for new secrets.
    #[serde(with = "serde_bytes")]
    shares: Vec<u8>,
    delivery: Option<DeliveryShares>,
}

impl Outcome {
    /// The record of this execution: whoever asks, for whatever, is answered from the row of just that.
    fn of(record: &[u8], key: &ExecutionKey) -> Result<Self, Refusal> {
        let outcome: Self = canonical::decode(record, limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal)?;
        if outcome.statement.execution != *key {
            return Err(internal("the row of an execution is another's"));
        }
        Ok(outcome)
    }
}

/// An execution id is its client's own: others may use the same one.
type Whose = (ClientKey, ExecutionId);

/// An execution id in use at this member; dropped, it is free again.
struct Claimed {
    running: Arc<Mutex<HashSet<Whose>>>,
    whose: Whose,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.whose);
    }
}

impl Ephemeral {
    pub fn new(seat: Arc<Seat>, klyshko: Klyshko, answers: Answers) -> Self {
        Self {
            seat,
            klyshko,
            answers,
            programs: Programs::default(),
            running: Arc::default(),
            line: Line::default(),
            visits: Visits::default(),
            counts: Arc::default(),
            unsettled: Arc::default(),
        }
    }

    /// Executions that run now.
    pub fn running(&self) -> usize {
        let asked = self.running.lock().unwrap_or_else(PoisonError::into_inner).len();
        asked.saturating_sub(self.line.waiting())
    }

    /// Where an execution of this client stands in line.
    pub fn place(&self, execution: ExecutionId, client: &ClientKey) -> Result<Placed, Refusal> {
        let found = self.line.find(execution, client, |kind| in_stock(&self.seat, kind));
        Ok(Placed {
            before: found.as_ref().map(|(before, _)| u32::try_from(*before).unwrap_or(u32::MAX)),
            waiting: u32::try_from(self.line.waiting()).unwrap_or(u32::MAX),
            starts_in_s: found.and_then(|(_, missing)| seconds_to_make(&self.klyshko, &missing)),
        })
    }

    fn is_running(&self, key: &ExecutionKey) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(&(key.client, key.id))
    }

    /// The row of an execution, for ever.
    fn exec_id(&self, key: &ExecutionKey) -> ExecId {
        row_of(self.seat.view.cloud(), &TakePurpose::Execution(*key))
    }

    /// Under which a client's answer is kept: one request for each id that it chooses.
    fn request_key(&self, key: &ExecutionKey) -> RequestKey {
        let id = canonical::hash("execution answer", &(self.seat.view.cloud(), key.id));
        RequestKey { client: key.client.0, key: id.0 }
    }

    /// Executions since the start that were answered, and that were refused or failed.
    pub fn counts(&self) -> (u64, u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a program, or answers again what it came to.
    pub async fn execute(
        &self,
        asked: &AuthenticRequest,
        execute: &Execute,
        amphora: &Amphora,
        places: &Semaphore,
        now: u64,
    ) -> Result<Executed, Refusal> {
        let key = ExecutionKey::of(asked.client(), execute);
        let ended = self.execute_counted(asked, execute, &key, amphora, places, now).await;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match &ended {
            Ok(_) => counts.0 += 1,
            Err(_) => counts.1 += 1,
        }
        drop(counts);
        if ended.is_err() {
            self.leave_unsettled(self.exec_id(&key));
        }
        ended
    }

    async fn execute_counted(
        &self,
        asked: &AuthenticRequest,
        execute: &Execute,
        key: &ExecutionKey,
        amphora: &Amphora,
        places: &Semaphore,
        now: u64,
    ) -> Result<Executed, Refusal> {
        let ready = self.programs.ready(&execute.program, &self.seat).await?;
        let _claimed = self.claim_running((key.client, key.id))?;
        let (request, exec) = (self.request_key(key), self.exec_id(key));
        let work = match self.seat.castor.execution(exec).map_err(internal)? {
            Some(row) => Work::Known(row.state),
            None => Work::New(permitted(execute, key, &ready, amphora, now)?),
        };
        // nothing is written for a request before it is known that its client may ask it
        let expires_ms = now.saturating_add(limits::EXECUTION_ANSWER_LIFETIME_S).saturating_mul(1000);
        match self.answers.claim(request, key.request.0, exec, expires_ms).await.map_err(claim_refused)? {
            Claim::Answered(bytes) => {
                return canonical::decode(&bytes, limits::ENVELOPE_PLAINTEXT_MAX).map_err(internal);
            }
            Claim::Pending(_) | Claim::New => {}
        }
        let outcome = match work {
            Work::New(permitted) => {
                let ended = self.run(asked, execute, &ready, permitted, amphora, places).await;
                if ended.is_err() {
                    self.close_taken(exec).await;
                }
                ended?
            }
            Work::Known(ExecutionState::Checked(record)) => (Outcome::of(&record, key)?, None),
            Work::Known(ExecutionState::Done) => return Err(no_longer_kept(key.id)),
            Work::Known(ExecutionState::Taken | ExecutionState::Aborted(_)) => return Err(was_aborted(key.id)),
        };
        let executed = self.conclude(asked.client(), execute, amphora, outcome).await?;
        self.answers.answer(request, canonical::encode(&executed)).await.map_err(internal)?;
        Ok(executed)
    }

    /// Closes the row of an execution that failed before its checks had passed here; its tuples are
    /// gone. One that is CHECKED stays: the others may hold this member's vote.
    async fn close_taken(&self, exec: ExecId) {
        let row = self.seat.castor.execution(exec);
        if let Ok(Some(row)) = row
            && row.state == ExecutionState::Taken
        {
            drop(self.seat.castor.abort(exec, ABORTED).await);
        }
    }

    fn claim_running(&self, whose: Whose) -> Result<Claimed, Refusal> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= limits::EXECUTIONS_QUEUED_MAX {
            return Err(Refusal::new(
                RefusalCode::Busy,
                "as many executions run and wait as this member allows",
                "Try again later.",
            ));
        }
        if !running.insert(whose) {
            return Err(Refusal::new(
                RefusalCode::InProgress,
                "this execution is running",
                "Ask again when it has ended.",
            ));
        }
        Ok(Claimed { running: self.running.clone(), whose })
    }

    /// Runs what is permitted with the others, when its turn has come.
    async fn run(
        &self,
        asked: &AuthenticRequest,
        execute: &Execute,
        ready: &Arc<Ready>,
        Permitted { key, arguments, inputs }: Permitted,
        amphora: &Amphora,
        places: &Semaphore,
    ) -> Result<(Outcome, Option<ResultCertificate>), Refusal> {
        let client = key.client;
        let timeout = Duration::from_millis(execute.timeout_ms.clamp(1, limits::EXECUTION_TIMEOUT_MAX_MS));
        let delivered = (execute.reveal && !ready.outline.loops).then_some(ready.outline.socket_outputs as usize);
        let bill = with_delivery(&ready.bill, if execute.reveal { ready.outline.socket_outputs } else { 0 });
        let deadline = Instant::now() + timeout;
        let standing = self.line.enter(asked.header().issued, execute.execution, client, bill.clone(), Instant::now());
        let standing = standing.map_err(|line::Full| {
            Refusal::new(RefusalCode::Busy, "as many executions wait as this member allows", "Try again later.")
        })?;
        await_turn(&self.seat, &self.klyshko, &standing, &self.line, execute.wait, deadline).await?;
        let _place = place(places)?;
        let _before_generation = self.klyshko.give_way();
        for input in &inputs {
            if let Some(uses_max) = input.description.policy.runs_max {
                amphora.count_use(input.description.id, ready.hash.0, uses_max).await?;
            }
        }
        let visit = execute.sockets.then(|| self.visits.begin(execute.execution, client)).transpose()?;
        let run = Run {
            seat: self.seat.clone(),
            ready: ready.clone(),
            asked: asked.digest(),
            key,
            execute: execute.clone(),
            arguments,
            inputs,
            bill: if delivered.is_some() { bill } else { ready.bill.clone() },
            delivered,
            created: asked.header().issued,
            timeout: deadline.saturating_duration_since(Instant::now()),
            standing: Mutex::new(Some(standing)),
            visit,
        };
        let ended = session::run("ephemeral", move || run.run()).await;
        ended.map_err(RunError::from).and_then(|ended| ended).map_err(|error| refusal_of(&error))
    }

    /// From CHECKED here to visible: with the certificate of all members.
    async fn conclude(
        &self,
        client: ClientKey,
        execute: &Execute,
        amphora: &Amphora,
        (outcome, certificate): (Outcome, Option<ResultCertificate>),
    ) -> Result<Executed, Refusal> {
        let certificate = match certificate {
            Some(certificate) => certificate,
            None => self.gather_votes(&outcome.statement).await?,
        };
        crate::failpoint::pass("execution-certified");
        amphora.keep_results(client, &outcome.descriptions, &outcome.shares, &outcome.statement, &certificate).await?;
        Ok(Executed {
            execution: execute.execution,
            session: outcome.statement.session,
            printed: outcome.printed,
            outputs: outcome.statement.outputs,
            results: outcome.descriptions.iter().map(|description| description.id).collect(),
            delivery: outcome.delivery,
            certificate,
        })
    }

    /// What a program would take.
    pub fn quote(&self, quote: &Quote, _amphora: &Amphora, stock: Stock) -> Result<Quoted, Refusal> {
        let ready = self.programs.known_or_verify(&quote.program, &self.seat)?;
        let others = self.seat.view.n() as u64 - 1;
        if ready.unforeseen.is_none() {
            self.klyshko.quoted(ready.bill.clone());
        }
        let count = |(kind, count): &(TupleKind, u64)| KindCount { kind: kind.name(), count: *count };
        Ok(Quoted {
            program: ready.hash,
            bill: ready
                .unforeseen
                .is_none()
                .then(|| ready.bill.iter().filter(|(_, count)| *count > 0).map(count).collect()),
            rounds: ready.traffic.map(|traffic| traffic.rounds),
            bytes: ready.traffic.map(|traffic| traffic.bytes.saturating_mul(others)),
            words_read: (!ready.outline.loops).then_some(ready.outline.socket_inputs),
            stock,
        })
    }
}

fn was_aborted(execution: ExecutionId) -> Refusal {
    Refusal::new(
        RefusalCode::Aborted,
        format!("execution {execution} was given up after its tuples were taken"),
        "Run it again under a new id; nothing was released.",
    )
}

fn no_longer_kept(execution: ExecutionId) -> Refusal {
    Refusal::new(
        RefusalCode::Conflict,
        format!("execution {execution} was run, and its answer is no longer kept"),
        "Its results, if it made any, are in `vcp secret list`; run it again under a new id.",
    )
}

fn claim_refused(error: AnswerError) -> Refusal {
    match error {
        AnswerError::OtherBody => {
            Refusal::new(RefusalCode::Conflict, "this execution id was used for something else", "Use a new id.")
        }
        other => internal(other),
    }
}

fn integers(arguments: &[String]) -> Result<Vec<i64>, Refusal> {
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            Refusal::new(
                RefusalCode::Malformed,
                format!("the argument {text:?} is not a 64-bit integer"),
                "Give integers.",
            )
        })
    };
    arguments.iter().map(parse).collect()
}

/// What is left to do for an execution.
enum Work {
    Known(ExecutionState),
    New(Permitted),
}

/// What a client may do, with this member's shares of its inputs.
struct Permitted {
    key: ExecutionKey,
    arguments: Vec<i64>,
    inputs: Vec<Usable>,
}

/// Checks everything that costs nothing and leaves nothing.
fn permitted(
    execute: &Execute,
    key: &ExecutionKey,
    ready: &Ready,
    amphora: &Amphora,
    now: u64,
) -> Result<Permitted, Refusal> {
    let (client, arguments) = (&key.client, integers(&execute.arguments)?);
    let inputs = inputs(amphora, execute, client, now)?;
    for input in &inputs {
        input.description.may_run(client, &ready.hash, 0).map_err(|error| {
            let text = format!("secret {}: {error}", input.description.id);
            let remedy = "Its owner names programs with `vcp secret put --allow-program`.";
            Refusal::new(RefusalCode::NotAllowed, text, remedy)
        })?;
    }
    let words: usize = inputs.iter().map(|input| input.shares.len()).sum();
    ready.refuse_missing_inputs(words)?;
    if !execute.sockets {
        ready.refuse_without_client()?;
    }
    Ok(Permitted { key: *key, arguments, inputs })
}

fn inputs(amphora: &Amphora, execute: &Execute, client: &ClientKey, now: u64) -> Result<Vec<Usable>, Refusal> {
    execute.inputs.iter().map(|&id| amphora.usable(id, client, now)).collect()
}

/// The bill with what a delivery of so many words takes.
fn with_delivery(bill: &Bill, words: u64) -> Bill {
    let mut bill = bill.clone();
    if words > 0 {
        for (kind, count) in delivery_bill(words as usize) {
            match bill.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, known)) => *known = known.saturating_add(count),
                None => bill.push((kind, count)),
            }
        }
    }
    bill
}

/// One joint execution, on its own thread.
struct Run {
    seat: Arc<Seat>,
    ready: Arc<Ready>,
    asked: Digest,
    key: ExecutionKey,
    execute: Execute,
    arguments: Vec<i64>,
    inputs: Vec<Usable>,
    /// What is taken before the program starts.
    bill: Bill,
    /// The words whose delivery is in the bill, if their number is foreseen.
    delivered: Option<usize>,
    created: u64,
    timeout: Duration,
    /// Given up once the tuples are taken.
    standing: Mutex<Option<Standing>>,
    /// With the client that performs the socket instructions, if it does.
    visit: Option<Visit>,
}

/// The fields beside the prime one that a program computes with.
struct Sides {
    binary: Option<vm::Side<BinaryField>>,
    bits: Option<BitSide>,
}

impl Run {
    async fn run(self) -> Result<(Outcome, Option<ResultCertificate>), RunError> {
        let limit = tokio::time::timeout(self.timeout, self.run_unlimited());
        match limit.await {
            Ok(ended) => ended,
            Err(_) => Err(Refusal::new(
                RefusalCode::Timeout,
                "the execution took longer than allowed",
                "Allow more time with --timeout.",
            )
            .into()),
        }
    }

    async fn run_unlimited(&self) -> Result<(Outcome, Option<ResultCertificate>), RunError> {
        let seat = &self.seat;
        let agenda = Agenda { purpose: SessionPurpose::Execution, subject: self.asked };
        let mut party = seat.meet(&agenda).await?;
        let Taken { pool, binary, bits, certificate: take } = seat.take(&mut party, &self.taking(), &self.bill).await?;
        drop(self.standing.lock().unwrap_or_else(PoisonError::into_inner).take());
        let session = session::session_id(&party);
        let mut sides = self.sides(&party, binary, bits).await?;
        let mut online = seat.online(party, pool);
        let (binary, bits) = (self.ready.binary, self.ready.bits);
        let label = agenda.label(&seat.view);
        let threads = LinkedThreads { seat: seat.clone(), label, session: session.0, binary, bits };
        let (printed, outputs) = self.program(&mut online, &mut sides, threads).await?;
        let delivery = match self.execute.reveal && !outputs.is_empty() {
            true => Some(self.deliver(&mut online, &outputs).await?),
            false => None,
        };
        let shapes = vec![OutputShape { kind: SecretKind::Integers, words: 1 }; outputs.len()];
        let descriptions = new_secrets(seat.view.cloud(), &self.key, &self.execute, self.created, &shapes);
        let statement = ExecutionChecked {
            cloud: seat.view.cloud(),
            epoch: seat.view.epoch(),
            execution: self.key,
            program: self.ready.hash,
            session,
            take: take.unverified().digest(),
            printed: printed_digest(&printed),
            outputs: shapes,
            revealed: self.execute.reveal,
            created: self.created,
            results: inputs_digest(&descriptions),
        };
        let shares = if self.execute.reveal { Vec::new() } else { rows(&seat.field, &[outputs]).to_vec() };
        let outcome = Outcome { statement: statement.clone(), printed, descriptions, shares, delivery };
        let record = canonical::encode(&outcome);
        seat.castor
            .checked(self.taking().exec(seat.view.cloud()), record)
            .await
            .map_err(|error| RunError::Refused(internal(error)))?;
        crate::failpoint::pass("execution-checked");
        // From here on the outcome is durable: a broken link leaves the votes to be asked for.
        let votes = agree(&mut online.party, &seat.view, &seat.identity.signing, Step::CheckedVote, statement).await;
        match votes {
            Ok(certificate) => {
                online.party.finish();
                Ok((outcome, Some(certificate)))
            }
            Err(crate::session::agree::AgreeError::Engine(EngineError::Channel { .. })) => Ok((outcome, None)),
            Err(error) => Err(error.into()),
        }
    }

    fn taking(&self) -> Taking {
        Taking {
            purpose: TakePurpose::Execution(self.key),
            asked: self.asked,
            program: Some(self.ready.hash),
            inputs: inputs_digest(self.inputs.iter().map(|input| &input.description)),
        }
    }

    /// What the program needs beside the prime field, with these tuples.
    async fn sides(&self, party: &Party, binary: Pool<BinaryField>, bits: BitPool) -> Result<Sides, RunError> {
        let check = async |side| {
            let mac = self.seat.side_check(party, side).await;
            mac.map_err(|error| RunError::Refused(internal(error)))
        };
        let mut sides = Sides { binary: None, bits: None };
        if let Some(side) = self.ready.binary {
            let mac = check(side).await?;
            sides.binary = Some(vm::Side { field: side.field(), mac, tuples: Box::new(binary) });
        }
        if self.ready.bits {
            sides.bits = Some(BitSide { mac: check(Side::Bits).await?.of_bits(), tuples: Box::new(bits) });
        }
        Ok(sides)
    }

    /// Runs the program; everything opened has been checked when this returns.
    async fn program(
        &self,
        online: &mut Online<PrimeField>,
        sides: &mut Sides,
        threads: LinkedThreads,
    ) -> Result<(String, Shares<PrimeField>), RunError> {
        let mut words = Shares::default();
        for input in &self.inputs {
            words.append(&input.shares);
        }
        let outputs_max = limits::OUTPUT_WORDS_MAX.min(limits::OUTPUTS_MAX);
        let Some(visit) = &self.visit else {
            let mut door = Secrets::new(words, outputs_max);
            let printed = self.program_at(&mut door, online, sides, threads).await?;
            return Ok((printed, door.into_outputs()));
        };
        let mut door = visit.door(self.seat.field, words, outputs_max);
        let printed = self.program_at(&mut door, online, sides, threads).await?;
        Ok((printed, door.into_outputs().await))
    }

    async fn program_at(
        &self,
        door: &mut dyn Door,
        online: &mut Online<PrimeField>,
        sides: &mut Sides,
        mut threads: LinkedThreads,
    ) -> Result<String, RunError> {
        let mut printed: Vec<u8> = Vec::new();
        let ports = Ports {
            online,
            binary: sides.binary.as_mut(),
            bits: sides.bits.as_mut(),
            inputs: &mut NoInputs,
            door,
            storage: &mut MemoryStorage::default(),
            binary_storage: &mut MemoryStorage::default(),
            printer: &mut printed,
            arguments: &self.arguments,
            threads: Some(&mut threads),
            meter: None,
        };
        let limits =
            vm::Limits { steps_max: STEPS_MAX, printed_bytes_max: limits::PRINTED_MAX as u64, ..vm::Limits::default() };
        vm::run(&self.ready.program, ports, &limits).await.map_err(program_refused)?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// The words to the client, with tuples taken now where their number was not foreseen.
    async fn deliver(
        &self,
        online: &mut Online<PrimeField>,
        outputs: &Shares<PrimeField>,
    ) -> Result<DeliveryShares, RunError> {
        if self.delivered != Some(outputs.len()) {
            let purpose = TakePurpose::Delivery { client: self.key.client, asked: self.asked };
            let what = Taking { purpose, ..self.taking() };
            let taken = self.seat.take(&mut online.party, &what, &delivery_bill(outputs.len())).await?;
            online.tuples = Box::new(taken.pool);
        }
        let delivery = delivery::prepare(online, outputs).await?;
        Ok(DeliveryShares::of(&self.seat.field, session::session_id(&online.party), &delivery))
    }
}

/// A program's own fault is the client's to mend; the protocol's is told as such.
fn program_refused(error: VmError) -> RunError {
    match error.fault() {
        Some(vm::Fault::Engine(engine)) if !matches!(engine, EngineError::Shortage(_)) => engine.clone().into(),
        _ => Refusal::new(
            RefusalCode::ProgramFailed,
            error.to_string(),
            "Its tuples are spent; correct the program or its inputs.",
        )
        .into(),
    }
}

//! A client of a cloud, through any one of its members' nodes.
//!
//! The client pins the cloud id, verifies the log itself, seals to each member, and takes nothing from the gateway on
//! trust: it can delay or drop, and that is reported as such. What needs all members is accepted only if all of them
//! say the same; otherwise [`ClientError::Differ`] names who says what.
//!
//! A lost answer is asked for again with the same bytes, which is the same request to every member. Ids of secrets and
//! executions are the client's, so a caller that remembers them can come back later too.
//!
//! No error text holds a value, a share or a mask.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use polyyne_engine::field::PrimeField;
use rand::CryptoRng;
use serde_bytes::ByteBuf;

use crate::canonical;
use crate::certificate::Certificate;
use crate::client_io::{self, DeliveryError, DeliveryShares};
use crate::door::{Door, DoorError, HttpDoor};
use crate::envelope::{Envelope, Lifetime, PreparedRequest};
use crate::http::{RelayItem, RelayOutcome, RelayRequest, RelayResponse};
use crate::id::{ClientKey, CloudId, Epoch, ExecutionId, PeerKey, RequestId, SecretId};
use crate::limits;
use crate::log::{CloudLog, LogError};
use crate::request::{
    Answer, Delete, Exit, Get, List, Listed, Place, Placed, Quote, Quoted, Refusal, RefusalCode, Request, Stock, Tag,
    UploadBegin, UploadCommit,
};
use crate::secret::{Policy, SecretDescription, SecretValue, ValueError};
use crate::sign::{Signed, Statement};
use crate::socket::{Calls, Converse};
use crate::tag::Tags;
use crate::view::CloudView;
use crate::vote::{Tombstone, Upload, UploadVote};

/// Takes the expected part out of an answer.
macro_rules! part {
    ($variant:ident) => {
        |answer| match answer {
            Answer::$variant(part) => Ok(part),
            other => Err(Box::new(other)),
        }
    };
}

mod error;
mod execution;

pub use error::{ClientError, Group};
pub use execution::{ExecuteTerms, Outcome};

/// What is known of the cloud before the node is asked.
#[derive(Debug, Clone)]
pub enum Pin {
    /// Nothing: take the node's only cloud, whose fingerprint the user then confirms.
    Nothing,
    /// Its id.
    Cloud(CloudId),
    /// The newest log seen.
    Log(Box<CloudLog>),
}

/// How long to wait, and how often to ask again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub tries: u32,
    /// Before the second try; doubles after each.
    pub pause: Duration,
    /// For an answer other than an execution's.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: limits::CLIENT_TRIES_MAX,
            pause: Duration::from_millis(250),
            answer: Duration::from_millis(limits::CLIENT_TIMEOUT_MS),
        }
    }
}

/// A client of one cloud.
pub struct Client<D: Door = HttpDoor> {
    door: D,
    key: SigningKey,
    log: CloudLog,
    field: PrimeField,
    patience: Patience,
}

/// What a new secret is to be like.
#[derive(Debug, Clone, Default)]
pub struct PutTerms {
    /// Chosen at random where absent.
    pub id: Option<SecretId>,
    pub tags: Tags,
    pub policy: Policy,
    /// Seconds since 1970.
    pub expires: Option<u64>,
}

/// A fetched secret.
pub struct Fetched {
    pub description: SecretDescription,
    pub value: SecretValue,
}

/// When a program can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Now,
    /// When what is missing has been made, at the present rate.
    InSeconds(u64),
    /// The bill is known only as it runs, or what is missing is not being made.
    Unknown,
}

/// A program's needs, with every member's stock.
#[derive(Debug, Clone)]
pub struct Quotation {
    /// On what all members agree; its stock is the first member's.
    pub quoted: Quoted,
    pub stocks: Vec<(PeerKey, Stock)>,
}

impl Quotation {
    /// Tuples of a kind at the member that has least, what it has promised to executions in line, and its rate.
    pub fn supply(&self, kind: &str) -> (u64, u64, u64) {
        let line = |stock: &Stock| {
            let line = stock.lines.iter().find(|line| line.kind == kind);
            line.map_or((0, 0, 0), |line| (line.available, line.promised, line.per_1000_s))
        };
        let lines = self.stocks.iter().map(|(_, stock)| line(stock));
        lines.min_by_key(|(available, promised, _)| available.saturating_sub(*promised)).unwrap_or((0, 0, 0))
    }

    /// When the program could start if it were asked for now. Members make one kind after the other.
    pub fn start(&self) -> Start {
        let Some(bill) = &self.quoted.bill else { return Start::Unknown };
        let mut seconds = 0u64;
        for need in bill {
            let (available, promised, per_1000_s) = self.supply(&need.kind);
            match (need.count.saturating_add(promised).saturating_sub(available), per_1000_s) {
                (0, _) => {}
                (_, 0) => return Start::Unknown,
                (missing, rate) => {
                    seconds = seconds.saturating_add(missing.saturating_mul(1000).div_ceil(rate));
                }
            }
        }
        if seconds == 0 { Start::Now } else { Start::InSeconds(seconds) }
    }
}

impl Client<HttpDoor> {
    /// A client through the node at `http://HOST:PORT`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(node: &str, key: SigningKey, pin: Pin) -> Result<Self, ClientError> {
        Self::through(HttpDoor::new(node)?, key, pin, Patience::default()).await
    }
}

/// What each member answered, in rank order.
pub type Answers<T> = Vec<(PeerKey, T)>;

/// Takes the expected part out of an answer, or gives back what it is instead.
type Part<T> = fn(Answer) -> Result<T, Box<Answer>>;

impl<D: Door> Client<D> {
    /// A client through any door.
    ///
    /// # Errors
    /// [`ClientError`] if the cloud cannot be found, or its log does not hold.
    pub async fn through(door: D, key: SigningKey, pin: Pin, patience: Patience) -> Result<Self, ClientError> {
        let cloud = match &pin {
            Pin::Nothing => only_cloud(&door).await?,
            Pin::Cloud(cloud) => *cloud,
            Pin::Log(log) => log.cloud(),
        };
        let log = fetch_log(&door, &cloud).await?;
        if let Pin::Log(known) = &pin {
            log.check_extends(known)?;
        }
        let field = log.view().field();
        Ok(Self { door, key, log, field, patience })
    }

    /// The cloud.
    pub fn cloud(&self) -> CloudId {
        self.log.cloud()
    }

    /// Its verified log: to be kept and given as [`Pin::Log`] next time.
    pub fn log(&self) -> &CloudLog {
        &self.log
    }

    /// Its newest view.
    pub fn view(&self) -> &CloudView {
        self.log.view()
    }

    /// Who this client is to the members.
    pub fn key(&self) -> ClientKey {
        ClientKey::of(&self.key)
    }

    /// Fetches the log again; it may only have grown.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let log = fetch_log(&self.door, &self.cloud()).await?;
        log.check_extends(&self.log)?;
        self.field = log.view().field();
        self.log = log;
        Ok(())
    }

    /// Stores a secret; gives its id once every member has signed for it.
    ///
    /// # Errors
    /// [`ClientError`]. Masks are never used for two values: after an error, begin again with another id.
    pub async fn put(&mut self, value: &SecretValue, terms: PutTerms) -> Result<SecretId, ClientError> {
        let words = value.encode(&self.field)?;
        let secret = terms.id.unwrap_or_else(|| SecretId::random(&mut rand::rng()));
        let description = SecretDescription {
            id: secret,
            owner: self.key(),
            kind: value.kind(),
            words: u32::try_from(words.len()).map_err(|_| ValueError::Words(words.len()))?,
            tags: terms.tags,
            policy: terms.policy,
            created: now(),
            expires: terms.expires,
        };
        let begin = Request::UploadBegin(UploadBegin { description: description.clone() });
        let masks = self.ask_all(begin, part!(Masks)).await?;
        let mask_set = agreed("the masks", &masks, |masks| masks.mask_set)?;
        let shares: Vec<&DeliveryShares> = masks.iter().map(|(_, masks)| &masks.delivery).collect();
        let masks = client_io::reconstruct(&self.field, words.len(), &shares)?;
        let masked = client_io::mask(&self.field, &words, &masks);
        let upload = Upload::new(self.view(), &description, mask_set, &masked);
        let expected = UploadVote::of(&upload);
        let upload = Signed::sign(upload, &self.key);
        let stored = self.ask_all(Request::UploadCommit(UploadCommit { upload, masked }), part!(Stored)).await?;
        for (_, stored) in &stored {
            if *self.certified(&stored.certificate, expected.epoch)? != expected {
                return Err(ClientError::OtherStatement("the upload"));
            }
        }
        Ok(secret)
    }

    /// Fetches a secret.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(&mut self, secret: SecretId) -> Result<Fetched, ClientError> {
        let got = self.ask_all(Request::Get(Get { secret }), part!(Got)).await?;
        let description = agreed("the secret", &got, |got| got.description.clone())?;
        if description.id != secret {
            return Err(ClientError::OtherStatement("the secret that was asked for"));
        }
        let shares: Vec<&DeliveryShares> = got.iter().map(|(_, got)| &got.delivery).collect();
        let words = client_io::reconstruct(&self.field, description.words as usize, &shares)?;
        let value = SecretValue::decode(&self.field, description.kind, &words)?;
        Ok(Fetched { description, value })
    }

    /// The secrets that this client may see.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&mut self, list: List) -> Result<Listed, ClientError> {
        let listed = self.ask_all(Request::List(list), part!(Listed)).await?;
        agreed("the list", &listed, Clone::clone)
    }

    /// Changes the tags of a secret; gives all of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tag(&mut self, secret: SecretId, set: Tags, remove: Vec<String>) -> Result<Tags, ClientError> {
        let tagged = self.ask_all(Request::Tag(Tag { secret, set, remove }), part!(Tagged)).await?;
        agreed("the tags", &tagged, |tagged| tagged.tags.clone())
    }

    /// Deletes a secret at every member.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&mut self, secret: SecretId) -> Result<(), ClientError> {
        let deleted = self.ask_all(Request::Delete(Delete { secret }), part!(Deleted)).await?;
        for (_, deleted) in &deleted {
            let epoch = deleted.certificate.unverified().epoch;
            let expected = Tombstone { cloud: self.cloud(), epoch, client: self.key(), secret };
            if *self.certified(&deleted.certificate, epoch)? != expected {
                return Err(ClientError::OtherStatement("the deletion"));
            }
        }
        Ok(())
    }

    /// What a program would need, and what there is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quote(&mut self, quote: Quote) -> Result<Quotation, ClientError> {
        let quoted = self.ask_all(Request::Quote(quote), part!(Quoted)).await?;
        agreed("the needs of the program", &quoted, |q| Quoted { stock: Stock::default(), ..q.clone() })?;
        let stocks = quoted.iter().map(|(peer, quoted)| (*peer, quoted.stock.clone())).collect();
        let (_, quoted) = quoted.into_iter().next().ok_or(DeliveryError::Empty)?;
        Ok(Quotation { quoted, stocks })
    }

    /// Where an execution stands in every member's line.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn place(&mut self, execution: ExecutionId) -> Result<Answers<Placed>, ClientError> {
        self.ask_all(Request::Place(Place { execution }), part!(Placed)).await
    }

    /// What the program of a running execution wants of this client's sockets: each member's batch, alike but for the
    /// shares in them. Members come to it one after the other.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn converse(&mut self, converse: Converse) -> Result<Answers<Calls>, ClientError> {
        let answers = self.ask_all(Request::Converse(converse), part!(Calls)).await?;
        let batches = || answers.iter().filter_map(|(_, calls)| calls.batch.as_ref());
        match batches().next() {
            Some(first) if !batches().all(|batch| batch.is_like(first)) => {
                Err(ClientError::OtherStatement("what the other members' programs want of this client"))
            }
            _ => Ok(answers),
        }
    }

    /// What each member has in stock.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock(&mut self) -> Result<Answers<Stock>, ClientError> {
        self.ask_all(Request::Stock, part!(Stock)).await
    }

    /// The statement of a certificate, if the members of its epoch signed it.
    fn certified<'a, T: Statement<Signer = PeerKey>>(
        &self,
        certificate: &'a Certificate<T>,
        epoch: Epoch,
    ) -> Result<&'a T, ClientError> {
        let view = self.log.view_at(epoch).ok_or(ClientError::OtherStatement("an epoch of this cloud"))?;
        Ok(certificate.verified(&view)?)
    }

    async fn ask_all<T>(&mut self, request: Request, part: Part<T>) -> Result<Answers<T>, ClientError> {
        self.ask_all_for(request, part, self.patience.answer).await
    }

    /// Asks every member; gives all answers in rank order, of the expected sort.
    async fn ask_all_for<T>(
        &mut self,
        request: Request,
        part: Part<T>,
        wait: Duration,
    ) -> Result<Answers<T>, ClientError> {
        request.check()?;
        let answers = match self.ask_once(&request, wait).await {
            Err(ClientError::Refused { refusal, .. }) if refusal.code == RefusalCode::WrongEpoch => {
                self.refresh().await?;
                self.ask_once(&request, wait).await?
            }
            other => other?,
        };
        sort_out(answers, part)
    }

    async fn ask_once(&self, request: &Request, wait: Duration) -> Result<Answers<Answer>, ClientError> {
        let prepared = self.prepare(request, wait, &mut rand::rng())?;
        let mut pending: Vec<&Envelope> = prepared.envelopes().iter().collect();
        let mut answers: Answers<Answer> = Vec::new();
        let mut turn = Turn::new(self.patience, wait);
        loop {
            let outcome = self.relay(&pending, wait).await;
            let again = match outcome {
                Err(error) if !error.is_passing() => return Err(error.into()),
                Err(error) => Again::Lost(error.into()),
                Ok(response) => self.take_in(&prepared, response, &mut pending, &mut answers)?,
            };
            let error = match again {
                Again::No => break,
                Again::Lost(error) if !turn.may_try() => return Err(error),
                Again::Working(error) if !turn.may_wait() => return Err(error),
                Again::Lost(error) | Again::Working(error) => error,
            };
            debug_assert!(!matches!(error, ClientError::Delivery(_)), "what was delivered is never asked for again");
            turn.pause().await;
        }
        let rank = |peer: &PeerKey| self.view().rank_of(peer);
        answers.sort_by_key(|(peer, _)| rank(peer));
        Ok(answers)
    }

    fn prepare(
        &self,
        request: &Request,
        wait: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<PreparedRequest, ClientError> {
        let seconds = limits::REQUEST_LIFETIME_S.max(wait.as_secs());
        let lifetime = Lifetime::from_now(now(), seconds);
        let id = RequestId::random(rng);
        PreparedRequest::new(self.view(), &self.key, id, request, lifetime, rng).map_err(ClientError::Seal)
    }

    async fn relay(&self, pending: &[&Envelope], wait: Duration) -> Result<RelayResponse, DoorError> {
        let item = |envelope: &&Envelope| RelayItem {
            member: envelope.head.member,
            envelope: ByteBuf::from(envelope.to_bytes()),
        };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = RelayRequest { envelopes: pending.iter().map(item).collect(), wait_ms };
        self.door.relay(&self.cloud(), &request).await
    }

    /// Opens what came back; leaves in `pending` what has to be asked again.
    fn take_in(
        &self,
        prepared: &PreparedRequest,
        response: RelayResponse,
        pending: &mut Vec<&Envelope>,
        answers: &mut Answers<Answer>,
    ) -> Result<Again, ClientError> {
        let mut unreachable = Vec::new();
        let mut working = None;
        let mut results = response.results;
        let mut still = Vec::new();
        for envelope in pending.drain(..) {
            let member = envelope.head.member;
            let outcome = match results.iter().position(|result| result.member == member) {
                Some(at) => results.swap_remove(at).outcome,
                None => RelayOutcome::Unreachable("the node brought no answer".into()),
            };
            match outcome {
                RelayOutcome::Rejected(refusal) => {
                    return Err(ClientError::Refused { member, refusal: refusal.tamed() });
                }
                RelayOutcome::Unreachable(reason) => {
                    still.push(envelope);
                    let refusal = Refusal::new(RefusalCode::MemberUnreachable, reason, "").tamed();
                    unreachable.push((member, refusal.cause));
                }
                RelayOutcome::Answer(bytes) => {
                    let answer = Envelope::from_bytes(&bytes)
                        .and_then(|envelope| prepared.open_answer(&member, &envelope))
                        .map_err(|cause| ClientError::Answer { member, cause })?;
                    match answer {
                        Answer::Refused(refusal) if refusal.code == RefusalCode::InProgress => {
                            still.push(envelope);
                            working = Some(ClientError::Refused { member, refusal: refusal.tamed() });
                        }
                        answer => answers.push((member, answer)),
                    }
                }
            }
        }
        *pending = still;
        Ok(match (unreachable.is_empty(), working) {
            // a member that refuses will not be persuaded by asking the others again
            _ if answers.iter().any(|(_, answer)| matches!(answer, Answer::Refused(_))) => Again::No,
            (false, _) => Again::Lost(ClientError::Unreachable(unreachable)),
            (true, Some(error)) => Again::Working(error),
            (true, None) => Again::No,
        })
    }
}

/// Whether members have to be asked again, and what it was if there is no time for that.
enum Again {
    No,
    Lost(ClientError),
    Working(ClientError),
}

/// How much patience is left in one request.
struct Turn {
    patience: Patience,
    tries: u32,
    waited: Duration,
    wait: Duration,
    pause: Duration,
}

impl Turn {
    fn new(patience: Patience, wait: Duration) -> Self {
        Self { patience, tries: 1, waited: Duration::ZERO, wait, pause: patience.pause }
    }

    fn may_try(&mut self) -> bool {
        self.tries += 1;
        self.tries <= self.patience.tries
    }

    fn may_wait(&self) -> bool {
        self.waited < self.wait
    }

    async fn pause(&mut self) {
        // counts at least a millisecond, so that a pause of nothing ends too
        self.waited += self.pause.max(Duration::from_millis(1));
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
    }
}

/// All answers of the expected sort, or the error that says most.
fn sort_out<T>(answers: Answers<Answer>, part: Part<T>) -> Result<Answers<T>, ClientError> {
    let mut good = Vec::with_capacity(answers.len());
    let mut refusals = Vec::new();
    for (member, answer) in answers {
        match part(answer) {
            Ok(part) => good.push((member, part)),
            Err(other) => match *other {
                Answer::Refused(refusal) => refusals.push((member, refusal.tamed())),
                other => return Err(ClientError::OtherAnswer { member, got: other.name() }),
            },
        }
    }
    let Some((member, refusal)) = refusals.iter().min_by_key(|(_, refusal)| weight(refusal.code)).cloned() else {
        return Ok(good);
    };
    // where some do it and others say it cannot be done, they do not have the same state
    if !good.is_empty() && !refusal.code.is_passing() && refusal.code.exit() == Exit::Refused {
        let does = Group { says: "these do it".into(), members: good.iter().map(|(peer, _)| *peer).collect() };
        let refuses = refusals.into_iter().map(|(peer, refusal)| Group {
            says: format!("this one does not ({})", refusal.cause),
            members: vec![peer],
        });
        let groups = std::iter::once(does).chain(refuses).collect();
        return Err(ClientError::Differ { what: "whether this can be done", groups });
    }
    Err(ClientError::Refused { member, refusal })
}

/// Which of several refusals says most about the cause: where one member refuses, the others can only give up.
fn weight(code: RefusalCode) -> u8 {
    match (code.exit(), code) {
        (_, RefusalCode::CheckFailed | RefusalCode::CloudHalted) => 0,
        (_, RefusalCode::MembersDiffer) => 1,
        (Exit::Usage | Exit::Refused, code) if !code.is_passing() => 2,
        (Exit::Failed, _) => 3,
        (Exit::Usage | Exit::Refused, _) => 4,
        (Exit::Unreachable, _) => 5,
        (Exit::Aborted, _) => 6,
    }
}

/// What all members say, by canonical bytes.
fn agreed<T, U: serde::Serialize>(
    what: &'static str,
    answers: &[(PeerKey, T)],
    part: impl Fn(&T) -> U,
) -> Result<U, ClientError> {
    let mut groups: Vec<(Vec<u8>, Vec<PeerKey>)> = Vec::new();
    let mut said = None;
    for (peer, answer) in answers {
        let value = part(answer);
        let bytes = canonical::encode(&value);
        match groups.iter_mut().find(|(known, _)| *known == bytes) {
            Some((_, peers)) => peers.push(*peer),
            None => groups.push((bytes, vec![*peer])),
        }
        said = Some(value);
    }
    match said {
        Some(value) if groups.len() == 1 => Ok(value),
        _ => {
            let group = |(_, members)| Group { says: "these say one thing".into(), members };
            Err(ClientError::Differ { what, groups: groups.into_iter().map(group).collect() })
        }
    }
}

async fn only_cloud(door: &impl Door) -> Result<CloudId, ClientError> {
    let clouds = door.clouds().await?.clouds;
    match clouds.as_slice() {
        [] => Err(ClientError::NoCloud),
        [cloud] => Ok(cloud.id),
        _ => Err(ClientError::ManyClouds(clouds)),
    }
}

async fn fetch_log(door: &impl Door, cloud: &CloudId) -> Result<CloudLog, ClientError> {
    let log = CloudLog::verify(&door.log(cloud).await?)?;
    if log.cloud() != *cloud {
        return Err(LogError::WrongCloud { expected: *cloud, got: log.cloud() }.into());
    }
    Ok(log)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("description", &self.description).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;

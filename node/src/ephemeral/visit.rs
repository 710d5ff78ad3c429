//! Live clients of a program: its socket instructions, performed by the client that asked for the execution.
//!
//! The program's side ([`VisitDoor`]) collects instructions into batches and waits where a client has to say something;
//! the desk hands the batch to the client and brings back its reply ([`Visits::converse`]). Batches end where a reply is
//! needed, where much has been written, and with the program: at the same places at all members.
//!
//! Shares with MACs do not go to clients. What a program reads as such are the words of the stored secrets that the
//! execution was given, and what it writes as such becomes new secrets ([`Secrets`]).

use polyyne_engine::field::PrimeField;
use polyyne_engine::port::BoxFuture;
use polyyne_engine::share::Shares;
use polyyne_engine::vm::{Door, DoorError, Message, Secrets, Wanted};
use polyyne_protocol::id::{ClientKey, ExecutionId};
use polyyne_protocol::limits;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::socket::{Batch, Calls, Converse, SocketCall, SocketMessage, SocketReply};
use polyyne_protocol::words::Words;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a program waits for a client's reply.
const REPLY_PATIENCE: Duration = Duration::from_secs(120);
/// How long the last batch of an ended program can be fetched.
const KEPT: Duration = Duration::from_secs(60);
/// Conversations at once, with ended ones that are kept.
const VISITS_MAX: usize = limits::SESSIONS_MAX;
/// What a message counts beside its values.
const MESSAGE_BYTES: usize = 64;

/// The conversations of one cloud at this member. Clones share them.
#[derive(Clone, Default)]
pub struct Visits(Arc<Mutex<HashMap<Whose, Arc<Conversation>>>>);

/// A conversation is found by its client alone, whatever ids others choose.
type Whose = (ClientKey, ExecutionId);

/// One program's conversation with its client.
struct Conversation {
    state: watch::Sender<State>,
}

/// The batch of a turn and the reply to it, once they are there.
#[derive(Default)]
struct State {
    turn: u32,
    batch: Option<Arc<Batch>>,
    reply: Option<SocketReply>,
}

/// The program's end of a conversation. Dropped, the conversation is kept for a while, for what was written last.
pub struct Visit {
    visits: Visits,
    whose: Whose,
    conversation: Arc<Conversation>,
    runtime: tokio::runtime::Handle,
}

impl Visits {
    /// Begins the conversation of an execution.
    ///
    /// # Errors
    /// [`RefusalCode::Busy`].
    pub fn begin(&self, execution: ExecutionId, client: ClientKey) -> Result<Visit, Refusal> {
        let mut visits = self.all();
        if visits.len() >= VISITS_MAX {
            let cause = "as many programs talk to their clients as this member allows";
            return Err(Refusal::new(RefusalCode::Busy, cause, "Try again later."));
        }
        let conversation = Arc::new(Conversation { state: watch::Sender::default() });
        visits.insert((client, execution), conversation.clone());
        let runtime = tokio::runtime::Handle::current();
        Ok(Visit { visits: self.clone(), whose: (client, execution), conversation, runtime })
    }

    /// Takes a client's reply in and waits a while for what its program wants next. Nobody else learns whether there is
    /// such an execution.
    ///
    /// # Errors
    /// [`RefusalCode::Conflict`] if the client is not where the program is.
    pub async fn converse(&self, client: &ClientKey, converse: &Converse) -> Result<Calls, Refusal> {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(limits::SOCKET_WAIT_MS);
        let found = self.all().get(&(*client, converse.execution)).cloned();
        let Some(conversation) = found else {
            // it may just be beginning
            tokio::time::sleep(BEGINNING).await;
            return Ok(Calls::default());
        };
        conversation.take_in(converse)?;
        let mut states = conversation.state.subscribe();
        let ready = states.wait_for(|state| state.turn != converse.turn || state.batch.is_some());
        let batch = match tokio::time::timeout_at(deadline, ready).await {
            Ok(Ok(state)) if state.turn == converse.turn => state.batch.clone(),
            Ok(Ok(_)) => return Err(out_of_step()),
            Ok(Err(_)) | Err(_) => None,
        };
        Ok(Calls { batch: batch.map(|batch| (*batch).clone()) })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Whose, Arc<Conversation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a client waits before it looks again for a conversation that is not there yet.
const BEGINNING: Duration = Duration::from_millis(100);

fn out_of_step() -> Refusal {
    Refusal::new(RefusalCode::Conflict, "the program is not at this turn of its conversation", "Run it again.")
}

impl Conversation {
    /// A reply belongs to the turn before the one that is asked for; given again, it changes nothing.
    fn take_in(&self, converse: &Converse) -> Result<(), Refusal> {
        let mut in_step = true;
        self.state.send_if_modified(|state| {
            in_step = converse.turn == state.turn || converse.turn == state.turn.wrapping_add(1);
            let is_new = in_step && converse.turn != state.turn && state.batch.is_some() && state.reply.is_none();
            if is_new {
                (state.turn, state.batch) = (converse.turn, None);
                state.reply = Some(converse.reply.clone().unwrap_or(SocketReply::Done));
            }
            is_new
        });
        if in_step { Ok(()) } else { Err(out_of_step()) }
    }

    /// Shows a batch, and waits for the reply to it unless it is the last.
    async fn ask(&self, batch: Batch) -> Option<SocketReply> {
        let is_last = batch.is_last;
        self.state.send_modify(|state| state.batch = Some(Arc::new(batch)));
        if is_last {
            return None;
        }
        let mut states = self.state.subscribe();
        // this side owns the sender: the wait ends with a reply or with the patience
        let replied = timeout(REPLY_PATIENCE, states.wait_for(|state| state.reply.is_some())).await;
        drop(replied);
        let mut reply = None;
        self.state.send_modify(|state| reply = state.reply.take());
        reply
    }
}

impl Visit {
    /// The door of the program: `inputs` and results are stored secrets, all else is the client's.
    pub fn door(&self, field: PrimeField, inputs: Shares<PrimeField>, outputs_max: usize) -> VisitDoor {
        let conversation = self.conversation.clone();
        VisitDoor { field, conversation, calls: Vec::new(), bytes: 0, secrets: Secrets::attended(inputs, outputs_max) }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let (visits, whose, conversation) = (self.visits.clone(), self.whose, self.conversation.clone());
        self.runtime.spawn(async move {
            tokio::time::sleep(KEPT).await;
            let mut visits = visits.all();
            if visits.get(&whose).is_some_and(|kept| Arc::ptr_eq(kept, &conversation)) {
                visits.remove(&whose);
            }
        });
    }
}

/// See the module's head.
pub struct VisitDoor {
    field: PrimeField,
    conversation: Arc<Conversation>,
    calls: Vec<SocketCall>,
    bytes: usize,
    secrets: Secrets,
}

impl VisitDoor {
    /// After the program's end: hands out what is left, and gives the words of the new secrets.
    pub async fn into_outputs(mut self) -> Shares<PrimeField> {
        let batch = Batch { calls: std::mem::take(&mut self.calls), is_last: true };
        self.conversation.ask(batch).await;
        self.secrets.into_outputs()
    }

    async fn ask(&mut self, client: i64) -> Result<SocketReply, DoorError> {
        self.bytes = 0;
        let batch = Batch { calls: std::mem::take(&mut self.calls), is_last: false };
        match self.conversation.ask(batch).await {
            None => Err(DoorError::Stalled(client)),
            Some(SocketReply::Failed) => Err(DoorError::Gone(client)),
            Some(reply) => Ok(reply),
        }
    }

    async fn accept_now(&mut self, port: i64) -> Result<i64, DoorError> {
        self.calls.push(SocketCall::Accept { port });
        match self.ask(0).await? {
            SocketReply::Client(client) => Ok(client),
            _ => Err(DoorError::NobodyCame),
        }
    }

    async fn read_now(&mut self, client: i64, wanted: Wanted, count: usize) -> Result<Message, DoorError> {
        let values = u32::try_from(count).ok().filter(|_| count <= limits::SOCKET_VALUES_MAX);
        let values = values.ok_or(DoorError::TooMuch(limits::SOCKET_VALUES_MAX))?;
        self.calls.push(match wanted {
            Wanted::Integers => SocketCall::ReadIntegers { client, count: values },
            _ => SocketCall::ReadClear { client, count: values },
        });
        match (wanted, self.ask(client).await?) {
            (Wanted::Integers, SocketReply::Integers(values)) if values.len() == count => Ok(Message::Integers(values)),
            (Wanted::Clear, SocketReply::Clear(words)) => {
                let elements = words.elements(&self.field, count).map_err(|_| DoorError::NotOfField(client))?;
                Ok(Message::Clear(elements.to_vec()))
            }
            _ => Err(DoorError::Length),
        }
    }

    async fn write_now(&mut self, client: i64, label: i32, message: Message) -> Result<(), DoorError> {
        let words = |values: &[_]| Words::of(&self.field, values);
        let (message, count) = match &message {
            Message::Integers(values) => (SocketMessage::Integers(values.clone()), values.len()),
            Message::Clear(values) => (SocketMessage::Clear(words(values)), values.len()),
            Message::ValueShares(values) => (SocketMessage::ValueShares(words(values)), values.len()),
            Message::Shares(_) => return Err(DoorError::SharesOnly),
        };
        if count > limits::SOCKET_VALUES_MAX {
            return Err(DoorError::TooMuch(limits::SOCKET_VALUES_MAX));
        }
        self.push(client, SocketCall::Write { client, label, message }, count * 16).await
    }

    /// A call that needs no reply; waits only where much is left to be fetched.
    async fn push(&mut self, client: i64, call: SocketCall, bytes: usize) -> Result<(), DoorError> {
        self.calls.push(call);
        self.bytes += bytes + MESSAGE_BYTES;
        if self.bytes >= limits::SOCKET_PENDING_MAX { self.ask(client).await.map(drop) } else { Ok(()) }
    }
}

impl Door for VisitDoor {
    fn listen(&mut self, port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(self.push(0, SocketCall::Listen { port }, 0))
    }

    fn accept(&mut self, port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(self.accept_now(port))
    }

    fn close(&mut self, client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(self.push(client, SocketCall::Close { client }, 0))
    }

    fn read(&mut self, client: i64, wanted: Wanted, count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        match wanted {
            Wanted::Shares => self.secrets.read(Secrets::CLIENT, wanted, count),
            Wanted::Integers | Wanted::Clear => Box::pin(self.read_now(client, wanted, count)),
        }
    }

    fn write(&mut self, client: i64, label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        match message {
            Message::Shares(_) => self.secrets.write(Secrets::CLIENT, label, message),
            _ => Box::pin(self.write_now(client, label, message)),
        }
    }
}

//! The client's side of a program's sockets: MP-SPDZ clients connect here, and what they and the program say to each
//! other is carried to the members and back.
//!
//! A client connects to a port for each party, as it would to the parties themselves. What it sends in the clear has to
//! be the same at all of them, since members compute with one value; what members send is passed on by each party's port.
//! All ends of these connections are here: whoever runs the program sees what its clients say and are told.

use futures::future::join_all;
use polyyne_engine::field::PrimeField;
use polyyne_engine::vm::{Door as _, DoorError, Message, Wanted};
use polyyne_protocol::client::{Client, ClientError};
use polyyne_protocol::id::ExecutionId;
use polyyne_protocol::socket::{Batch, Converse, SocketCall, SocketMessage, SocketReply};
use polyyne_protocol::words::{Words, WordsError};
use thiserror::Error;

use crate::cli::sockets::SocketDoor;

/// Why a conversation ended early.
#[derive(Debug, Error)]
pub enum Ended {
    #[error("sockets: {0}")]
    Door(#[from] DoorError),
    #[error("sockets: {0}")]
    Words(#[from] WordsError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// One execution's conversation.
pub struct Conversation {
    client: Client,
    execution: ExecutionId,
    turn: u32,
}

impl Conversation {
    pub fn new(client: Client, execution: ExecutionId) -> Self {
        Self { client, execution, turn: 0 }
    }

    /// Performs what the program asks for, until it has ended; `doors` by rank.
    ///
    /// # Errors
    /// [`Ended`]; if it was a socket's fault, the members wait for [`Self::give_up`].
    pub async fn hold(&mut self, field: PrimeField, doors: &mut [SocketDoor]) -> Result<(), Ended> {
        let mut reply = None;
        loop {
            let converse = Converse { execution: self.execution, turn: self.turn, reply };
            let batches = batches(&mut self.client, converse).await?;
            self.turn += 1;
            let said = perform(&field, doors, &batches).await?;
            if batches.iter().any(|batch| batch.is_last) {
                return Ok(());
            }
            reply = Some(said);
        }
    }

    /// Tells the members that no reply comes any more.
    pub async fn give_up(mut self) {
        let reply = Some(SocketReply::Failed);
        let converse = Converse { execution: self.execution, turn: self.turn, reply };
        // who cannot be told finds out by its own patience
        drop(self.client.converse(converse).await);
    }
}

/// Every member's batch of a turn, in rank order. Asked again, a member that has given its own gives it again.
async fn batches(client: &mut Client, converse: Converse) -> Result<Vec<Batch>, ClientError> {
    loop {
        let said = client.converse(converse.clone()).await?;
        let batches: Option<Vec<Batch>> = said.into_iter().map(|(_, calls)| calls.batch).collect();
        if let Some(batches) = batches {
            return Ok(batches);
        }
    }
}

/// Performs a batch at all doors; what the last call came to.
async fn perform(field: &PrimeField, doors: &mut [SocketDoor], batches: &[Batch]) -> Result<SocketReply, Ended> {
    let mut said = SocketReply::Done;
    let length = batches.first().map_or(0, |batch| batch.calls.len());
    for at in 0..length {
        let calls = batches.iter().map(|batch| &batch.calls[at]);
        let performed = doors.iter_mut().zip(calls).map(|(door, call)| perform_at(field, door, call));
        let replies: Vec<SocketReply> = join_all(performed).await.into_iter().collect::<Result<_, Ended>>()?;
        said = unanimous(replies, &batches[0].calls[at])?;
    }
    Ok(said)
}

async fn perform_at(field: &PrimeField, door: &mut SocketDoor, call: &SocketCall) -> Result<SocketReply, Ended> {
    Ok(match call {
        SocketCall::Listen { port } => door.listen(*port).await.map(|()| SocketReply::Done)?,
        SocketCall::Accept { port } => SocketReply::Client(door.accept(*port).await?),
        SocketCall::Close { client } => door.close(*client).await.map(|()| SocketReply::Done)?,
        SocketCall::ReadIntegers { client, count } => {
            match door.read(*client, Wanted::Integers, *count as usize).await? {
                Message::Integers(values) => SocketReply::Integers(values),
                _ => return Err(DoorError::Length.into()),
            }
        }
        SocketCall::ReadClear { client, count } => match door.read(*client, Wanted::Clear, *count as usize).await? {
            Message::Clear(values) => SocketReply::Clear(Words::of(field, &values)),
            _ => return Err(DoorError::Length.into()),
        },
        SocketCall::Write { client, label, message } => {
            door.write(*client, *label, passed_on(field, message)?).await.map(|()| SocketReply::Done)?
        }
    })
}

fn passed_on(field: &PrimeField, message: &SocketMessage) -> Result<Message, WordsError> {
    let elements = |words: &Words| words.elements(field, words.count()).map(|elements| elements.to_vec());
    Ok(match message {
        SocketMessage::Integers(values) => Message::Integers(values.clone()),
        SocketMessage::Clear(words) => Message::Clear(elements(words)?),
        SocketMessage::ValueShares(words) => Message::ValueShares(elements(words)?),
    })
}

/// What the client said to all parties alike.
fn unanimous(replies: Vec<SocketReply>, call: &SocketCall) -> Result<SocketReply, Ended> {
    let digest = |reply: &SocketReply| polyyne_protocol::canonical::encode(reply);
    let mut replies = replies.into_iter();
    let first = replies.next().unwrap_or(SocketReply::Done);
    match replies.all(|reply| digest(&reply) == digest(&first)) {
        true => Ok(first),
        false => Err(DoorError::SaidDifferently(client_of(call)).into()),
    }
}

fn client_of(call: &SocketCall) -> i64 {
    match call {
        SocketCall::Listen { .. } | SocketCall::Accept { .. } => 0,
        SocketCall::Close { client }
        | SocketCall::ReadIntegers { client, .. }
        | SocketCall::ReadClear { client, .. }
        | SocketCall::Write { client, .. } => *client,
    }
}

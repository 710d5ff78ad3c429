//! The client's side of a program's sockets, while the program runs.
//!
//! A program in a cloud has no port of its own that clients could reach. Its socket instructions are carried to the
//! client that asked for the execution, who performs them: it listens, accepts, and passes messages on. Members ask in
//! the answers to [`Converse`], a [`Batch`] at a time; the client's replies are in its next requests. Asking again with
//! the same turn gives the same batch, so that a lost answer loses nothing.
//!
//! What a client says in the clear is the same for all members, since one request goes to all of them; members compare it
//! before they use it. Shares with MACs never pass: nobody outside the cloud can make or check them.

use serde::{Deserialize, Serialize};

use crate::id::ExecutionId;
use crate::words::Words;

/// What do you want of my sockets? Answered by [`crate::request::Answer::Calls`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Converse {
    pub execution: ExecutionId,
    /// How many batches this client has performed.
    pub turn: u32,
    /// To the last of them; absent before the first.
    pub reply: Option<SocketReply>,
}

/// What a member's program wants next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Calls {
    /// Absent: nothing yet, ask again.
    pub batch: Option<Batch>,
}

/// Socket instructions in order, cut at the same places at all members; the last of a batch may need an answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    pub calls: Vec<SocketCall>,
    /// The program has ended: no other batch follows.
    pub is_last: bool,
}

impl Batch {
    /// The same but for what is each member's own: the shares that it writes.
    pub fn is_like(&self, other: &Self) -> bool {
        let pairs = self.calls.iter().zip(&other.calls);
        let calls = self.calls.len() == other.calls.len() && pairs.into_iter().all(|(call, other)| call.is_like(other));
        calls && self.is_last == other.is_last
    }
}

/// One socket instruction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketCall {
    Listen {
        port: i64,
    },
    /// Needs a reply: [`SocketReply::Client`].
    Accept {
        port: i64,
    },
    Close {
        client: i64,
    },
    /// Needs a reply: [`SocketReply::Integers`], so many.
    ReadIntegers {
        client: i64,
        count: u32,
    },
    /// Needs a reply: [`SocketReply::Clear`], so many.
    ReadClear {
        client: i64,
        count: u32,
    },
    /// `label` is the message type that programs may give, 0 for none.
    Write {
        client: i64,
        label: i32,
        message: SocketMessage,
    },
}

impl SocketCall {
    fn is_like(&self, other: &Self) -> bool {
        use SocketMessage::ValueShares;
        match (self, other) {
            (
                SocketCall::Write { client, label, message: ValueShares(own) },
                SocketCall::Write { client: other_client, label: other_label, message: ValueShares(others) },
            ) => (client, label, own.count()) == (other_client, other_label, others.count()),
            _ => crate::canonical::encode(self) == crate::canonical::encode(other),
        }
    }
}

/// What a program writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketMessage {
    Integers(Vec<i64>),
    Clear(Words),
    /// This member's shares of values that the client adds up.
    ValueShares(Words),
}

/// What a client says to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketReply {
    /// All done, and nothing was asked.
    Done,
    /// The number of the one that was accepted.
    Client(i64),
    Integers(Vec<i64>),
    Clear(Words),
    /// A client does not do what the program waits for, or has gone: the run may end.
    Failed,
}

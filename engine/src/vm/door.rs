//! The door that a program talks to clients through: its socket instructions.
//!
//! In a cloud the one client behind the door is Amphora: `listen` takes any port, one virtual connection (id 0) waits,
//! `readsockets` yields the input secrets in order and `writesockets` makes new secrets ([`Secrets`]). With real sockets
//! the same instructions speak MP-SPDZ's wire protocol; the driver implements [`Door`] for them.

use crate::field::{Fp, PrimeField};
use crate::port::BoxFuture;
use crate::share::Shares;
use thiserror::Error;

/// What one socket instruction moves.
pub enum Message {
    /// 64-bit integers.
    Integers(Vec<i64>),
    /// Clear elements.
    Clear(Vec<Fp>),
    /// Shares with their MAC shares.
    Shares(Shares<PrimeField>),
    /// Value shares alone: towards a client that sums them. Meaningless to anyone without all parties' shares.
    ValueShares(Vec<Fp>),
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Integers,
    Clear,
    Shares,
}

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum DoorError {
    #[error("the program reads {wanted} words and {left} of its inputs are left")]
    InputsEnd { wanted: usize, left: usize },
    #[error("the program listens for clients, and there are none here")]
    NoClients,
    #[error("a second client does not come: one connection holds all inputs and outputs")]
    SecondClient,
    #[error("there is no client {0}")]
    NoSuchClient(i64),
    #[error("accepting a client on a port that nobody listens on")]
    NotListening,
    #[error("only shares pass between a program and stored secrets")]
    SharesOnly,
    #[error("the program writes more than {0} words")]
    TooMuch(usize),
    #[error("the message has another length than the program expects")]
    Length,
    #[error("the connection to the client failed")]
    Failed,
    #[error("cannot listen on port {port}: {cause}")]
    Port { port: i64, cause: std::io::ErrorKind },
    #[error("no client has come to all parties in time")]
    NobodyCame,
    #[error("nobody to be a client of answers on port {port}")]
    Unreachable { port: i64 },
    #[error("client {0} does not answer in time")]
    Stalled(i64),
    #[error("client {0} has gone")]
    Gone(i64),
    #[error("client {client} sent {found} bytes where the program reads {expected}")]
    MessageLength { client: i64, expected: usize, found: usize },
    #[error("client {0} sent a number that is not in the field")]
    NotOfField(i64),
    #[error("another party has failed")]
    Over,
    #[error("client {0} did not say the same to all parties")]
    SaidDifferently(i64),
}

/// Connections to clients.
pub trait Door: Send {
    fn listen(&mut self, port: i64) -> BoxFuture<'_, Result<(), DoorError>>;
    /// Waits for the next client in the order of arrival; its id.
    fn accept(&mut self, port: i64) -> BoxFuture<'_, Result<i64, DoorError>>;
    /// Connects as a client.
    fn connect<'a>(&'a mut self, _host: &'a str, _port: i64, _own_id: i64) -> BoxFuture<'a, Result<i64, DoorError>> {
        Box::pin(std::future::ready(Err(DoorError::NoClients)))
    }
    fn close(&mut self, client: i64) -> BoxFuture<'_, Result<(), DoorError>>;
    fn read(&mut self, client: i64, wanted: Wanted, count: usize) -> BoxFuture<'_, Result<Message, DoorError>>;
    /// `label` is the message type that programs may give, 0 for none.
    fn write(&mut self, client: i64, label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>>;
}

/// No door: for threads, whose tapes do not talk to clients.
pub(super) struct NoDoor;

fn nobody<T: Send + 'static>() -> BoxFuture<'static, Result<T, DoorError>> {
    Box::pin(std::future::ready(Err(DoorError::NoClients)))
}

impl Door for NoDoor {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        nobody()
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        nobody()
    }

    fn close(&mut self, _client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        nobody()
    }

    fn read(&mut self, _client: i64, _wanted: Wanted, _count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        nobody()
    }

    fn write(&mut self, _client: i64, _label: i32, _message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        nobody()
    }
}

/// The door to stored secrets: the inputs' words in order, and the words that the program writes.
pub struct Secrets {
    inputs: Shares<PrimeField>,
    read: usize,
    outputs: Shares<PrimeField>,
    outputs_max: usize,
    listening: bool,
    accepted: bool,
    open: bool,
}

impl Secrets {
    /// The number of the one virtual connection.
    pub const CLIENT: i64 = 0;

    /// The same with the connection open: for a door that listens to live clients and keeps shares from them.
    pub fn attended(inputs: Shares<PrimeField>, outputs_max: usize) -> Self {
        Self { listening: true, accepted: true, open: true, ..Self::new(inputs, outputs_max) }
    }

    pub fn new(inputs: Shares<PrimeField>, outputs_max: usize) -> Self {
        Self {
            inputs,
            read: 0,
            outputs: Shares::default(),
            outputs_max,
            listening: false,
            accepted: false,
            open: false,
        }
    }

    /// What the program wrote.
    pub fn into_outputs(mut self) -> Shares<PrimeField> {
        std::mem::take(&mut self.outputs)
    }

    /// Input words that the program did not read.
    pub fn unread(&self) -> usize {
        self.inputs.len() - self.read
    }

    fn client(&self, client: i64) -> Result<(), DoorError> {
        if client == Self::CLIENT && self.open { Ok(()) } else { Err(DoorError::NoSuchClient(client)) }
    }

    fn accept_now(&mut self) -> Result<i64, DoorError> {
        if !self.listening {
            return Err(DoorError::NotListening);
        }
        if self.accepted {
            return Err(DoorError::SecondClient);
        }
        (self.accepted, self.open) = (true, true);
        Ok(Self::CLIENT)
    }

    fn read_now(&mut self, client: i64, wanted: Wanted, count: usize) -> Result<Message, DoorError> {
        self.client(client)?;
        if wanted != Wanted::Shares {
            return Err(DoorError::SharesOnly);
        }
        let left = self.unread();
        if count > left {
            return Err(DoorError::InputsEnd { wanted: count, left });
        }
        let words = self.inputs.slice(self.read..self.read + count);
        self.read += count;
        Ok(Message::Shares(words))
    }

    fn write_now(&mut self, client: i64, message: Message) -> Result<(), DoorError> {
        self.client(client)?;
        let Message::Shares(words) = message else { return Err(DoorError::SharesOnly) };
        if words.len() > self.outputs_max - self.outputs.len() {
            return Err(DoorError::TooMuch(self.outputs_max));
        }
        self.outputs.append(&words);
        Ok(())
    }
}

impl Door for Secrets {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        self.listening = true;
        Box::pin(std::future::ready(Ok(())))
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        let accepted = self.accept_now();
        Box::pin(std::future::ready(accepted))
    }

    fn close(&mut self, client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        let closed = self.client(client);
        self.open = false;
        Box::pin(std::future::ready(closed))
    }

    fn read(&mut self, client: i64, wanted: Wanted, count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        let message = self.read_now(client, wanted, count);
        Box::pin(std::future::ready(message))
    }

    fn write(&mut self, client: i64, _label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        let written = self.write_now(client, message);
        Box::pin(std::future::ready(written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(words: usize) -> Secrets {
        let mut door = Secrets::new(Shares::zeros(&PrimeField::carbyne(), words), 2);
        door.listening = true;
        door.accept_now().unwrap();
        door
    }

    #[test]
    fn one_connection_waits_and_a_second_accept_is_an_error() {
        assert_eq!(Secrets::new(Shares::default(), 0).accept_now(), Err(DoorError::NotListening));
        assert_eq!(door(0).accept_now(), Err(DoorError::SecondClient));
    }

    #[test]
    fn reading_past_the_inputs_says_how_many_are_left() {
        let mut door = door(3);
        assert!(door.read_now(0, Wanted::Shares, 2).is_ok());
        let error = door.read_now(0, Wanted::Shares, 2).err();
        assert_eq!(error, Some(DoorError::InputsEnd { wanted: 2, left: 1 }));
    }

    #[test]
    fn only_shares_pass_and_no_more_than_allowed() {
        let mut door = door(1);
        assert_eq!(door.read_now(0, Wanted::Clear, 1).err(), Some(DoorError::SharesOnly));
        assert_eq!(door.write_now(0, Message::Integers(vec![1])), Err(DoorError::SharesOnly));
        assert_eq!(door.write_now(7, Message::Shares(Shares::default())), Err(DoorError::NoSuchClient(7)));
        let words = |count| Message::Shares(Shares::zeros(&PrimeField::carbyne(), count));
        assert_eq!(door.write_now(0, words(2)), Ok(()));
        assert_eq!(door.write_now(0, words(1)), Err(DoorError::TooMuch(2)));
        assert_eq!(door.into_outputs().len(), 2);
    }
}

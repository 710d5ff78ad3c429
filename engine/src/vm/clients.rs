//! Socket instructions: messages through the [`Door`](super::Door).
//!
//! What a client says in the clear becomes a public value, and parties that go on with different ones would find out by
//! a failed MAC check, which burns their key. So they compare digests of it first; a client (or a party) that makes them
//! differ ends the run and nothing else.
//!
//! Value shares for a client that sums them (`writesocketshare`) leave with a fresh sharing of zero added
//! ([`crate::delivery`]): a share of a product or of a linear combination tells more than its value to whoever knows the
//! shares that it was made of, and a register that is written twice would show the same share. What leaves is uniform
//! given its sum. The client cannot tell by itself whether a party has lied about its share: programs whose clients must
//! know send products with a random number too, as a delivery does. Shares with MACs (`writesockets`)
//! stay with the parties as stored secrets.

use super::Machine;
use super::code::Tape;
use super::door::{DoorError, Message, Wanted};
use super::exits::{Decided, Settled};
use super::fault::Step;
use super::state::Pair;
use crate::delivery;
use crate::field::Field as _;
use crate::online::Online;
use crate::share::Shares;
use crate::step::Step as Frame;
use polyyne_bytecode::Opcode;

impl Machine<'_> {
    pub(super) async fn connection(&mut self, opcode: Opcode, args: &[i64], tape: &Tape) -> Step {
        self.settle_control().await?;
        let decided = Decided::of(&self.ports);
        let int = |k: usize| self.banks.decisive(args[k], &decided);
        let exits = &mut self.exits;
        match opcode {
            Opcode::Listen => exits.listen(int(0), &decided).await?,
            Opcode::Closeclientconnection => exits.close(int(0), &decided).await?,
            Opcode::Acceptclientconnection => {
                let client = exits.accept(int(1), &decided).await?;
                self.heard_alike(client, &client.to_le_bytes()).await?;
                self.banks.ints[args[0] as usize] = client;
            }
            _ => {
                let host = &tape.texts[args[3] as usize];
                let server = exits.connect(host, int(1), int(2), &decided).await?;
                self.banks.ints[args[0] as usize] = server;
            }
        }
        Ok(())
    }

    /// A message holds, for each of `count` lanes, an element for each register.
    pub(super) async fn read_socket(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        self.settle_control().await?;
        let decided = Decided::of(&self.ports);
        let client = self.banks.decisive(args[0], &decided);
        let (lanes, registers) = (args[1] as usize, &args[2..]);
        let count = lanes * registers.len();
        let wanted = match opcode {
            Opcode::Readsocketint => Wanted::Integers,
            Opcode::Readsocketc => Wanted::Clear,
            _ => Wanted::Shares,
        };
        let message = self.exits.read(client, wanted, count, &decided).await?;
        match &message {
            Message::Integers(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.heard_alike(client, &bytes).await?;
            }
            Message::Clear(values) => {
                let mut bytes = Vec::new();
                self.ports.online.field.encode(values, &mut bytes);
                self.heard_alike(client, &bytes).await?;
            }
            Message::Shares(_) | Message::ValueShares(_) => {}
        }
        let places = (0..lanes).flat_map(|lane| registers.iter().map(move |&register| register as usize + lane));
        let Pair { s, c } = &mut self.banks.prime;
        match (wanted, message) {
            (Wanted::Integers, Message::Integers(values)) if values.len() == count => {
                places.zip(values).for_each(|(at, value)| self.banks.ints[at] = value);
            }
            (Wanted::Clear, Message::Clear(values)) if values.len() == count => {
                places.zip(values).for_each(|(at, value)| c[at] = value);
            }
            (Wanted::Shares, Message::Shares(values)) if values.len() == count => {
                places.enumerate().for_each(|(i, at)| s.set(at, values.get(i)));
            }
            _ => return Err(DoorError::Length.into()),
        }
        Ok(())
    }

    /// One round: all parties were told the same. The client has said it before any digest leaves, so that no party can
    /// fit its own to another's.
    async fn heard_alike(&mut self, client: i64, said: &[u8]) -> Step {
        let party = &mut self.ports.online.party;
        let digest = party.transcript("heard from a client").number(client as u64).bytes(said).finish();
        let digests = party.send_all(Frame::Heard, digest.to_vec()).await?;
        match digests.iter().all(|other| *other == digest) {
            true => Ok(()),
            false => Err(DoorError::SaidDifferently(client).into()),
        }
    }

    pub(super) async fn write_socket(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        // What goes to a client leaves the secret domain.
        self.settle_all().await?;
        let client = self.banks.decisive(args[0], &Decided::of(&self.ports));
        let (lanes, registers) = (args[2] as usize, &args[3..]);
        let places = (0..lanes).flat_map(|lane| registers.iter().map(move |&register| register as usize + lane));
        let Pair { s, c } = &self.banks.prime;
        let message = match opcode {
            Opcode::Writesocketint => Message::Integers(places.map(|at| self.banks.ints[at]).collect()),
            Opcode::Writesocketc => Message::Clear(places.map(|at| c[at]).collect()),
            Opcode::Writesocketshare => {
                // A client that knows what it may learn, the sum, learns nothing else of how it came to be.
                let mut values: Vec<_> = places.map(|at| s.values[at]).collect();
                let Online { field, party, .. } = &mut *self.ports.online;
                delivery::rerandomise(field, party, &mut values).await?;
                Message::ValueShares(values)
            }
            _ => {
                let mut shares = Shares::default();
                for at in places {
                    let (value, mac) = s.get(at);
                    shares.push(value, mac);
                }
                Message::Shares(shares)
            }
        };
        Ok(self.exits.write(client, args[1], message, &Settled::of(&self.ports)).await?)
    }
}

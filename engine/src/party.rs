//! One party of a session: who it is, and its channels to all others.
//!
//! A round is one call, [`Party::exchange`], that polls sending and receiving together. Frames
//! carry step and round, so that a replayed, reordered or foreign frame is a typed error of the
//! peer that sent it. The driver authenticates channels; the session id binds everything hashed.

use crate::digest::{Hash, Transcript};
use crate::error::{Error, Malformed, Result};
use crate::field::{ELEMENT_BYTES, Field};
use crate::port::{Channel, Rng};
use crate::step::Step;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

mod pieces;

pub use pieces::{Outgoing, Pieces};

/// Rank of a party in its session, 0..n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyIndex(pub u16);

impl PartyIndex {
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Most parties of a session.
pub const PARTIES_MAX: usize = 64;

const HEADER_BYTES: usize = 6;

/// What a session has cost so far, seen from this party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub rounds: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// This party's end of a session.
pub struct Party {
    index: PartyIndex,
    session: Hash,
    /// By party index; `None` at the own one.
    channels: Vec<Option<Box<dyn Channel>>>,
    pub rng: Rng,
    round: u32,
    commitments: u64,
    traffic: Traffic,
    /// Buffers of frames that have left.
    spare: Vec<pieces::Sending>,
}

impl Party {
    /// `channels[j]` leads to party j and is `None` at `index`.
    ///
    /// # Panics
    /// If the channels are not one for each other party, or there are fewer than 2 or more than
    /// [`PARTIES_MAX`] parties: a driver's mistake.
    pub fn new(index: usize, session: Hash, channels: Vec<Option<Box<dyn Channel>>>, rng: Rng) -> Self {
        assert!((2..=PARTIES_MAX).contains(&channels.len()), "a session has 2 to {PARTIES_MAX} parties");
        assert!(
            channels.iter().enumerate().all(|(j, channel)| channel.is_none() == (j == index)),
            "a channel to every party but oneself"
        );
        let index = PartyIndex(index as u16);
        Self { index, session, channels, rng, round: 0, commitments: 0, traffic: Traffic::default(), spare: Vec::new() }
    }

    pub fn index(&self) -> PartyIndex {
        self.index
    }

    /// Number of parties.
    pub fn n(&self) -> usize {
        self.channels.len()
    }

    /// Whether this is the party that adds public constants to its share.
    pub fn is_first(&self) -> bool {
        self.index.0 == 0
    }

    pub fn session(&self) -> &Hash {
        &self.session
    }

    /// Binds everything that follows to `session`; only before the first commitment or hash, when
    /// the parties have agreed on it over these channels.
    pub fn bind(&mut self, session: Hash) {
        debug_assert_eq!(self.commitments, 0, "a session id does not change under a commitment");
        self.session = session;
    }

    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Ends a session in which everything went well; its connections may serve another one.
    pub fn finish(mut self) {
        self.channels.iter_mut().flatten().for_each(|channel| channel.finish());
    }

    pub fn peers(&self) -> impl Iterator<Item = PartyIndex> + use<> {
        let own = self.index;
        (0..self.channels.len() as u16).map(PartyIndex).filter(move |&peer| peer != own)
    }

    /// A transcript that binds session and domain.
    pub fn transcript(&self, domain: &str) -> Transcript {
        Transcript::new(domain).bytes(&self.session)
    }

    /// A number that no other commitment of this party in this session has.
    pub(crate) fn next_commitment(&mut self) -> u64 {
        self.commitments += 1;
        self.commitments
    }

    /// One round: sends `out[j]` to each party j and returns what each sent (empty at the own
    /// index, whose `out` is ignored).
    ///
    /// # Errors
    /// Of the first peer whose channel breaks or whose frame is not this step's.
    pub async fn exchange(&mut self, step: Step, out: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        assert_eq!(out.len(), self.n(), "a message for each party");
        let everyone = vec![true; self.n()];
        self.transfer(step, out.into_iter().map(Some).collect(), &everyone).await
    }

    /// The same message to everyone, and everyone's (the own one at the own index), **without**
    /// agreement that all saw the same: only where a later check binds what was received.
    pub async fn send_all(&mut self, step: Step, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let mut received = self.exchange(step, vec![message.clone(); self.n()]).await?;
        received[self.index.get()] = message;
        Ok(received)
    }

    /// Broadcast: everyone's message, and (for n ≥ 3) a round of digests, so that all honest
    /// parties that return have received the same.
    pub async fn broadcast(&mut self, step: Step, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let received = self.send_all(step, message).await?;
        self.echo(step, &received).await?;
        Ok(received)
    }

    /// Compares the digest of what a broadcast round brought. A round between two needs none: what
    /// the peer sent it knows, and nobody else is to agree.
    pub async fn echo(&mut self, step: Step, received: &[Vec<u8>]) -> Result<()> {
        if self.n() == 2 {
            return Ok(());
        }
        let digest =
            self.transcript("echo").number(step.code() as u64).number(self.round as u64).list(received).finish();
        let digests = self.send_all(Step::Echo, digest.to_vec()).await?;
        for peer in self.peers() {
            if digests[peer.get()] != digest {
                return Err(Error::EchoMismatch { peer, step });
            }
        }
        Ok(())
    }

    /// One message from `from` to everyone else; `message` is used at `from` only. Returns it at
    /// all parties, without agreement for n ≥ 3.
    pub async fn send_from(&mut self, step: Step, from: PartyIndex, message: Vec<u8>) -> Result<Vec<u8>> {
        if from == self.index {
            let out = (0..self.n()).map(|_| Some(message.clone())).collect();
            self.transfer(step, out, &vec![false; self.n()]).await?;
            Ok(message)
        } else {
            let mut expected = vec![false; self.n()];
            expected[from.get()] = true;
            let none = (0..self.n()).map(|_| None).collect();
            let mut received = self.transfer(step, none, &expected).await?;
            Ok(std::mem::take(&mut received[from.get()]))
        }
    }

    /// One message to `to` from everyone else; returns them at `to`, an empty list elsewhere.
    pub async fn send_to(&mut self, step: Step, to: PartyIndex, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let n = self.n();
        if to == self.index {
            let mut received = self.transfer(step, (0..n).map(|_| None).collect(), &vec![true; n]).await?;
            received[to.get()] = message;
            Ok(received)
        } else {
            let mut message = Some(message);
            let out = (0..n).map(|j| if j == to.get() { message.take() } else { None }).collect();
            self.transfer(step, out, &vec![false; n]).await?;
            Ok(Vec::new())
        }
    }

    /// The general round: sends what is `Some`, receives where `expected`.
    pub async fn transfer(&mut self, step: Step, out: Vec<Option<Vec<u8>>>, expected: &[bool]) -> Result<Vec<Vec<u8>>> {
        self.round = self.round.wrapping_add(1);
        self.traffic.rounds += 1;
        let header = header(step, self.round);
        let own = self.index.get();
        let mut sending: Vec<Option<Vec<u8>>> = out
            .into_iter()
            .enumerate()
            .map(|(j, message)| message.filter(|_| j != own).map(|message| framed(header, &message)))
            .collect();
        self.traffic.bytes_sent += sending.iter().flatten().map(|frame| frame.len() as u64).sum::<u64>();
        let mut receiving: Vec<bool> = expected.iter().enumerate().map(|(j, &wanted)| wanted && j != own).collect();
        let mut received = vec![Vec::new(); self.n()];
        poll_fn(|cx| self.poll_transfer(cx, step, header, &mut sending, &mut receiving, &mut received)).await?;
        Ok(received)
    }

    fn poll_transfer(
        &mut self,
        cx: &mut Context<'_>,
        step: Step,
        header: [u8; HEADER_BYTES],
        sending: &mut [Option<Vec<u8>>],
        receiving: &mut [bool],
        received: &mut [Vec<u8>],
    ) -> Poll<Result<()>> {
        let mut pending = false;
        for (j, channel) in self.channels.iter_mut().enumerate() {
            let Some(channel) = channel else { continue };
            let peer = PartyIndex(j as u16);
            if let Some(frame) = &mut sending[j] {
                match channel.poll_send(cx, frame) {
                    Poll::Ready(Ok(())) => sending[j] = None,
                    Poll::Ready(Err(cause)) => {
                        return Poll::Ready(Err(Error::Channel { peer, cause }));
                    }
                    Poll::Pending => pending = true,
                }
            }
            if receiving[j] {
                match channel.poll_recv(cx) {
                    Poll::Ready(Ok(frame)) => {
                        self.traffic.bytes_received += frame.len() as u64;
                        received[j] = unframed(peer, step, header, frame)?;
                        receiving[j] = false;
                    }
                    Poll::Ready(Err(cause)) => {
                        return Poll::Ready(Err(Error::Channel { peer, cause }));
                    }
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Checks that `peer` sent exactly `len` bytes.
    pub fn expect_len(&self, peer: PartyIndex, step: Step, message: &[u8], len: usize) -> Result<()> {
        if message.len() == len { Ok(()) } else { Err(Error::Malformed { peer, step, what: Malformed::Length }) }
    }

    /// Decodes exactly `len` canonical elements that `peer` sent.
    pub fn elements<F: Field>(
        &self,
        field: &F,
        peer: PartyIndex,
        step: Step,
        message: &[u8],
        len: usize,
    ) -> Result<Vec<F::Element>> {
        self.expect_len(peer, step, message, len * ELEMENT_BYTES)?;
        field.decode(message).ok_or(Error::Malformed { peer, step, what: Malformed::Element })
    }
}

fn header(step: Step, round: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..2].copy_from_slice(&step.code().to_le_bytes());
    header[2..].copy_from_slice(&round.to_le_bytes());
    header
}

fn framed(header: [u8; HEADER_BYTES], message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + message.len());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(message);
    frame
}

/// The step that a frame names, for hooks that look at traffic.
pub fn step_of(frame: &[u8]) -> Option<Step> {
    let code = frame.first_chunk::<2>()?;
    Step::from_code(u16::from_le_bytes(*code))
}

fn unframed(peer: PartyIndex, step: Step, header: [u8; HEADER_BYTES], mut frame: Vec<u8>) -> Result<Vec<u8>> {
    body(peer, step, header, &frame)?;
    frame.drain(..HEADER_BYTES);
    Ok(frame)
}

/// What stands behind the header that is expected.
fn body(peer: PartyIndex, step: Step, header: [u8; HEADER_BYTES], frame: &[u8]) -> Result<&[u8]> {
    let malformed = |what| Err(Error::Malformed { peer, step, what });
    let Some(found) = frame.first_chunk::<HEADER_BYTES>() else {
        return malformed(Malformed::NoHeader);
    };
    if found[..2] != header[..2] {
        return malformed(Malformed::UnexpectedStep(u16::from_le_bytes([found[0], found[1]])));
    }
    if *found != header {
        return malformed(Malformed::UnexpectedRound);
    }
    Ok(&frame[HEADER_BYTES..])
}

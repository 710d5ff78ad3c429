//! A round in pieces: a long message, the same to all peers or one for each, of which a piece travels while the next is
//! computed.
//!
//! Each piece is a frame with a round number of its own. A party takes a peer's piece only when it has made its own,
//! and makes another only while nothing has come that it could take, up to [`AHEAD`] pieces ahead. So memory stays small
//! however long the message is; between parties that keep pace what is worked on stays in the cache; and over a long
//! way a whole window is on its way.

use super::{HEADER_BYTES, Party, PartyIndex, body, header};
use crate::error::Error;
use crate::step::Step;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Pieces that may be made before the first one of the peers is taken in.
const AHEAD: usize = 64;

/// What a round in pieces works on. All parties make the same number of pieces.
pub trait Pieces {
    type Error: From<Error>;

    fn count(&self) -> usize;
    /// Writes the next piece for every peer.
    fn make(&mut self, outgoing: &mut Outgoing<'_>) -> Result<(), Self::Error>;
    /// Takes piece `piece` of `peer`'s message; the own one has been made.
    fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<(), Self::Error>;
    /// The next piece of all peers has been taken.
    fn finish(&mut self) -> Result<(), Self::Error>;
}

/// Where one piece is written.
pub struct Outgoing<'a> {
    header: [u8; HEADER_BYTES],
    own: usize,
    sending: &'a mut [Sending],
}

impl Outgoing<'_> {
    /// The same piece for all; `write` appends it.
    pub fn to_all(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let (before, after) = self.sending.split_at_mut(self.own);
        let mut peers = before.iter_mut().chain(&mut after[1..]);
        let first = peers.next().expect("a session has two parties at least").begin(self.header);
        write(first);
        for copy in peers {
            copy.begin(self.header).extend_from_slice(&first[HEADER_BYTES..]);
        }
    }

    /// A piece for each peer; `write` appends it.
    pub fn to_each(&mut self, mut write: impl FnMut(PartyIndex, &mut Vec<u8>)) {
        let own = self.own;
        for (j, sending) in self.sending.iter_mut().enumerate().filter(|(j, _)| *j != own) {
            write(PartyIndex(j as u16), sending.begin(self.header));
        }
    }
}

/// The frame that a peer is being sent, if there is one. Its memory is used again where the channel leaves it.
#[derive(Default)]
pub(super) struct Sending {
    frame: Vec<u8>,
    busy: bool,
}

impl Sending {
    fn begin(&mut self, header: [u8; HEADER_BYTES]) -> &mut Vec<u8> {
        self.busy = true;
        self.frame.clear();
        self.frame.extend_from_slice(&header);
        &mut self.frame
    }
}

/// How far a round in pieces is.
struct Progress {
    step: Step,
    /// The round number of the first piece.
    first: u32,
    made: usize,
    finished: usize,
    /// By party.
    sending: Vec<Sending>,
    /// By party: pieces taken.
    taken: Vec<usize>,
}

impl Party {
    /// One round in pieces.
    ///
    /// # Errors
    /// Of the first peer whose channel breaks or whose frame is not this step's, and what `work` returns.
    pub async fn exchange_pieces<W: Pieces>(&mut self, step: Step, work: &mut W) -> Result<(), W::Error> {
        let count = work.count();
        if count == 0 {
            return Ok(());
        }
        let n = self.n();
        let mut progress = Progress {
            step,
            first: self.round.wrapping_add(1),
            made: 0,
            finished: 0,
            sending: std::mem::take(&mut self.spare),
            taken: vec![0; n],
        };
        progress.sending.resize_with(n, Default::default);
        progress.taken[self.index.get()] = count;
        self.round = self.round.wrapping_add(count as u32);
        self.traffic.rounds += 1;
        poll_fn(|cx| self.poll_pieces(cx, &mut progress, work, count)).await?;
        self.spare = progress.sending;
        Ok(())
    }

    fn poll_pieces<W: Pieces>(
        &mut self,
        cx: &mut Context<'_>,
        progress: &mut Progress,
        work: &mut W,
        count: usize,
    ) -> Poll<Result<(), W::Error>> {
        loop {
            let mut moved = false;
            for j in 0..self.channels.len() {
                moved |= self.poll_peer(cx, j, progress, work)?;
            }
            let complete = progress.taken.iter().copied().min().unwrap_or(count);
            while progress.finished < complete {
                work.finish()?;
                progress.finished += 1;
            }
            let idle = progress.sending.iter().all(|sending| !sending.busy);
            if progress.finished == count && idle {
                return Poll::Ready(Ok(()));
            }
            if !moved && idle && progress.made < count.min(progress.finished + AHEAD) {
                self.make_piece(progress, work)?;
            } else if !moved {
                // Whatever can go on was polled last when it was not ready: this task is woken when it is.
                return Poll::Pending;
            }
        }
    }

    fn make_piece<W: Pieces>(&mut self, progress: &mut Progress, work: &mut W) -> Result<(), W::Error> {
        let header = header(progress.step, progress.first.wrapping_add(progress.made as u32));
        work.make(&mut Outgoing { header, own: self.index.get(), sending: &mut progress.sending })?;
        progress.made += 1;
        let frames = progress.sending.iter().filter(|sending| sending.busy);
        self.traffic.bytes_sent += frames.map(|sending| sending.frame.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Sends to and receives from one peer what can be; whether anything could.
    fn poll_peer<W: Pieces>(
        &mut self,
        cx: &mut Context<'_>,
        j: usize,
        progress: &mut Progress,
        work: &mut W,
    ) -> Result<bool, W::Error> {
        let Some(channel) = &mut self.channels[j] else { return Ok(false) };
        let peer = PartyIndex(j as u16);
        let mut moved = false;
        let sending = &mut progress.sending[j];
        if sending.busy
            && let Poll::Ready(sent) = channel.poll_send(cx, &mut sending.frame)
        {
            sent.map_err(|cause| Error::Channel { peer, cause })?;
            sending.busy = false;
            moved = true;
        }
        let piece = progress.taken[j];
        if piece < progress.made
            && let Poll::Ready(received) = channel.poll_recv(cx)
        {
            let frame = received.map_err(|cause| Error::Channel { peer, cause })?;
            self.traffic.bytes_received += frame.len() as u64;
            let expected = header(progress.step, progress.first.wrapping_add(piece as u32));
            work.take(piece, peer, body(peer, progress.step, expected, &frame)?)?;
            progress.taken[j] += 1;
            moved = true;
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    /// Sends pieces that name sender and number, and writes down what comes.
    struct Log {
        own: u8,
        /// Whether pieces name their receiver too.
        each: bool,
        count: usize,
        made: usize,
        finished: usize,
        seen: Vec<(usize, u16, Vec<u8>)>,
    }

    impl Pieces for Log {
        type Error = Error;

        fn count(&self) -> usize {
            self.count
        }

        fn make(&mut self, outgoing: &mut Outgoing<'_>) -> Result<(), Error> {
            let piece = [self.own, self.made as u8];
            match self.each {
                false => outgoing.to_all(|message| message.extend(piece)),
                true => outgoing.to_each(|peer, message| message.extend([piece[0], piece[1], peer.0 as u8])),
            }
            self.made += 1;
            assert!(self.made <= self.finished + AHEAD, "memory holds a few pieces only");
            Ok(())
        }

        fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<(), Error> {
            assert!(piece < self.made, "the own piece is made first");
            self.seen.push((piece, peer.0, message.to_vec()));
            Ok(())
        }

        fn finish(&mut self) -> Result<(), Error> {
            let seen = self.seen.iter().filter(|(piece, ..)| *piece == self.finished).count();
            assert_eq!(seen, 2, "all peers' pieces are there");
            self.finished += 1;
            Ok(())
        }
    }

    #[test]
    fn every_piece_of_every_peer_arrives_once_under_any_order() {
        for (seed, each) in (0..50).map(|seed| (seed, seed % 2 == 1)) {
            let mut sim = Simulator::new(seed, 3);
            let parties = sim.channels().into_iter().enumerate().map(async |(i, channels)| {
                let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
                let mut log = Log { own: i as u8, each, count: 7, made: 0, finished: 0, seen: Vec::new() };
                party.exchange_pieces(Step::Open, &mut log).await.unwrap();
                let rounds = party.traffic().rounds;
                (log, rounds)
            });
            for (i, (mut log, rounds)) in sim.run(parties.collect::<Vec<_>>()).into_iter().enumerate() {
                log.seen.sort();
                let own = [i as u8];
                let others = (0..3u16).filter(|&j| j != i as u16);
                let message = |j: u16, k: usize| [&[j as u8, k as u8][..], if each { &own } else { &[] }].concat();
                let expected: Vec<_> =
                    (0..7).flat_map(|k| others.clone().map(move |j| (k, j, message(j, k)))).collect();
                assert_eq!((log.seen, log.finished, rounds), (expected, 7, 1));
            }
        }
    }
}

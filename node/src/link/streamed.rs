//! A link over a stream of libp2p: for members whose data port cannot be reached.
//!
//! The stream is one of many in a connection that noise (or QUIC's TLS) encrypts and in which both sides have proved the
//! keys inside their peer ids. The swarm's task moves its bytes; frames are cut by the thread that computes. Slower than
//! a connection of its own, since two tasks have to wake up for each message.
//!
//! Streams have no exporter: both sides say a nonce first, and the hash of both stands for the stream in its claim.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::Stream;
use polyyne_engine::port::FRAME_BYTES_MAX;
use polyyne_protocol::canonical;

use super::{encrypted::Broken, frames::Incoming};

/// A stream to a member, with its frames.
pub struct Streamed {
    stream: Stream,
    binding: [u8; 32],
    incoming: Incoming,
    /// The frame being sent with its head, and how much of it has left.
    outgoing: Vec<u8>,
    sent: usize,
    moved: u64,
}

impl Streamed {
    /// The side that has opened the stream.
    pub async fn open(stream: Stream) -> Result<Self, Broken> {
        Self::exchange(stream, |own, theirs| [own, theirs]).await
    }

    /// The side that was opened to.
    pub async fn accept(stream: Stream) -> Result<Self, Broken> {
        Self::exchange(stream, |own, theirs| [theirs, own]).await
    }

    async fn exchange(mut stream: Stream, order: fn([u8; 32], [u8; 32]) -> [[u8; 32]; 2]) -> Result<Self, Broken> {
        let own: [u8; 32] = rand::random();
        stream.write_all(&own).await?;
        stream.flush().await?;
        let mut theirs = [0; 32];
        stream.read_exact(&mut theirs).await?;
        let [dialler, acceptor] = order(own, theirs);
        Ok(Self {
            stream,
            binding: canonical::hash_parts("link-stream", &[&dialler, &acceptor]).0,
            incoming: Incoming::new(FRAME_BYTES_MAX),
            outgoing: Vec::new(),
            sent: 0,
            moved: 0,
        })
    }

    /// 32 bytes that belong to this stream alone; not secret.
    pub fn binding(&self) -> [u8; 32] {
        self.binding
    }

    pub fn set_frame_max(&mut self, max: usize) {
        self.incoming.set_max(max);
    }

    pub fn bytes_moved(&self) -> u64 {
        self.moved
    }

    pub fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), Broken>> {
        if frame.len() > FRAME_BYTES_MAX {
            return Poll::Ready(Err(Broken::TooLong));
        }
        if self.outgoing.is_empty() {
            // one piece, so that a short frame is one packet
            self.outgoing.extend((frame.len() as u32).to_le_bytes());
            self.outgoing.extend_from_slice(frame);
        }
        while self.sent < self.outgoing.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.outgoing[self.sent..])? {
                Poll::Ready(0) => return Poll::Ready(Err(Broken::Closed)),
                Poll::Ready(count) => {
                    self.sent += count;
                    self.moved += count as u64;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
            return Poll::Pending;
        }
        self.outgoing.clear();
        self.sent = 0;
        frame.clear();
        Poll::Ready(Ok(()))
    }

    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Broken>> {
        let mut source = Source { stream: &mut self.stream, cx, moved: &mut self.moved };
        match self.incoming.fill(&mut source)? {
            Some(frame) => Poll::Ready(Ok(frame)),
            None => Poll::Pending,
        }
    }
}

/// The stream as frames are cut from it.
struct Source<'a, 'b> {
    stream: &'a mut Stream,
    cx: &'a mut Context<'b>,
    moved: &'a mut u64,
}

impl Read for Source<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_read(self.cx, into) {
            Poll::Ready(read) => read.inspect(|&count| *self.moved += count as u64),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

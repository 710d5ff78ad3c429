//! The in-memory driver: channels between parties of one process.

use crate::port::{Channel, ChannelError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// Bytes that a direction holds before its sender has to wait; small, so that tests meet full
/// buffers. A single longer frame passes when the direction is empty.
pub const PIPE_BYTES: usize = 256 << 10;

#[derive(Default)]
struct Pipe {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

type Shared = Arc<Mutex<Pipe>>;

fn lock(pipe: &Shared) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// One end of a connection in memory.
pub struct MemoryChannel {
    incoming: Shared,
    outgoing: Shared,
}

/// A connection's two ends.
pub fn pair() -> (MemoryChannel, MemoryChannel) {
    let (a, b) = (Shared::default(), Shared::default());
    (MemoryChannel { incoming: a.clone(), outgoing: b.clone() }, MemoryChannel { incoming: b, outgoing: a })
}

/// Channels between n parties: `mesh(n)[i][j]` leads from i to j.
pub fn mesh(n: usize) -> Vec<Vec<Option<Box<dyn Channel>>>> {
    let mut all: Vec<Vec<Option<Box<dyn Channel>>>> = (0..n).map(|_| (0..n).map(|_| None).collect()).collect();
    for i in 0..n {
        for j in i + 1..n {
            let (a, b) = pair();
            all[i][j] = Some(Box::new(a));
            all[j][i] = Some(Box::new(b));
        }
    }
    all
}

impl Channel for MemoryChannel {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        let mut pipe = lock(&self.outgoing);
        if pipe.closed {
            return Poll::Ready(Err(ChannelError::Closed));
        }
        if pipe.bytes > 0 && pipe.bytes + frame.len() > PIPE_BYTES {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes += frame.len();
        pipe.frames.push_back(std::mem::take(frame));
        if let Some(waker) = pipe.reader.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        let mut pipe = lock(&self.incoming);
        if let Some(frame) = pipe.frames.pop_front() {
            pipe.bytes -= frame.len();
            if let Some(waker) = pipe.writer.take() {
                waker.wake();
            }
            return Poll::Ready(Ok(frame));
        }
        if pipe.closed {
            return Poll::Ready(Err(ChannelError::Closed));
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for MemoryChannel {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = lock(pipe);
            pipe.closed = true;
            for waker in [pipe.reader.take(), pipe.writer.take()].into_iter().flatten() {
                waker.wake();
            }
        }
    }
}

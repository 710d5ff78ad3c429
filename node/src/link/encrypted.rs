//! A TLS connection that is polled directly: no task, no channel between the socket and the caller.
//!
//! Sending encrypts a piece of the frame and writes it in one call; a send is done when the kernel
//! has everything. Receiving reads what the socket has, decrypts, and cuts frames. The socket is
//! registered with the runtime of the thread that polls first, so that a handshake may run in one
//! runtime and the session in another.

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use polyyne_engine::port::{ChannelError, FRAME_BYTES_MAX};
use polyyne_protocol::id::PeerKey;
use rustls::Connection;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    frames::{FrameError, Incoming},
    limits::{READ_PIECE, SEND_PIECE},
    tls::proved_key,
};

/// Why a connection carries nothing more.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Broken {
    #[error("the connection is closed")]
    Closed,
    #[error("the peer was silent for too long")]
    Silent,
    #[error("a frame longer than the limit")]
    TooLong,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the connection failed: {0:?}")]
    Socket(io::ErrorKind),
    #[error("the peer proved no usable key for this protocol")]
    NoKey,
}

impl From<Broken> for ChannelError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed => Self::Closed,
            Broken::Silent => Self::Deadline,
            Broken::TooLong => Self::TooLong,
            Broken::Tls(_) | Broken::Socket(_) | Broken::NoKey => Self::Failed,
        }
    }
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Ended => Self::Closed,
            FrameError::TooLong => Self::TooLong,
            FrameError::Failed => Self::Socket(io::ErrorKind::InvalidData),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::WriteZero => Self::Closed,
            kind => Self::Socket(kind),
        }
    }
}

/// The socket, in a runtime or between two.
enum Socket {
    Live(TcpStream),
    Parked(std::net::TcpStream),
    Gone,
}

/// A connection whose peer has proved its key.
pub struct Encrypted {
    socket: Socket,
    tls: Connection,
    /// Bytes read from the socket that TLS has not taken yet.
    raw: Box<[u8]>,
    raw_taken: usize,
    raw_filled: usize,
    incoming: Incoming,
    /// How much of the frame being sent (with its head) TLS has taken.
    sent: usize,
    moved: u64,
}

impl Encrypted {
    /// Runs the handshake.
    ///
    /// # Errors
    /// If the peer is not who it should be, or the connection breaks.
    pub async fn handshake(socket: TcpStream, tls: Connection) -> Result<(Self, PeerKey), Broken> {
        socket.set_nodelay(true)?;
        let mut connection = Self {
            socket: Socket::Live(socket),
            tls,
            raw: vec![0; READ_PIECE].into_boxed_slice(),
            raw_taken: 0,
            raw_filled: 0,
            incoming: Incoming::new(FRAME_BYTES_MAX),
            sent: 0,
            moved: 0,
        };
        connection.tls.set_buffer_limit(Some(SEND_PIECE + SEND_PIECE / 8));
        std::future::poll_fn(|cx| connection.poll_handshake(cx)).await?;
        let key = proved_key(&connection.tls).ok_or(Broken::NoKey)?;
        Ok((connection, key))
    }

    /// 32 bytes that only the two ends of this connection know.
    pub fn exporter(&self) -> Result<[u8; 32], Broken> {
        Ok(self.tls.export_keying_material([0; 32], b"polyyne data link", None)?)
    }

    /// The longest frame that is accepted from now on.
    pub fn set_frame_max(&mut self, max: usize) {
        self.incoming.set_max(max);
    }

    /// Grows whenever a byte is sent or received.
    pub fn bytes_moved(&self) -> u64 {
        self.moved
    }

    /// Takes the socket out of its runtime; the next poll registers it where it happens.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn park(mut self) -> Result<Self, Broken> {
        self.socket = match std::mem::replace(&mut self.socket, Socket::Gone) {
            Socket::Live(socket) => Socket::Parked(socket.into_std()?),
            other => other,
        };
        Ok(self)
    }

    /// Whether the other side has closed a connection on which nothing was said yet.
    pub fn is_stale(&self) -> bool {
        let peeked = match &self.socket {
            Socket::Parked(socket) => socket.peek(&mut [0]),
            Socket::Live(_) => return false,
            Socket::Gone => return true,
        };
        !matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    pub fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), Broken>> {
        if frame.len() > FRAME_BYTES_MAX {
            return Poll::Ready(Err(Broken::TooLong));
        }
        let whole = frame.len() + 4;
        loop {
            if self.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            if self.sent == whole {
                self.sent = 0;
                // the memory stays with the caller, who may use it again
                frame.clear();
                return Poll::Ready(Ok(()));
            }
            self.sent += encrypt(&mut self.tls, frame, self.sent)?;
        }
    }

    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Broken>> {
        loop {
            if let Some(frame) = self.incoming.fill(&mut self.tls.reader())? {
                return Poll::Ready(Ok(frame));
            }
            // answers that TLS itself owes, such as key updates
            let _ = self.poll_flush(cx)?;
            if self.poll_take(cx)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            if self.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            if !self.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.poll_take(cx)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Hands TLS one piece of what the peer sent, reading from the socket where nothing is left.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.raw_taken == self.raw_filled {
            let mut into = ReadBuf::new(&mut self.raw);
            let socket = live(&mut self.socket)?;
            if Pin::new(socket).poll_read(cx, &mut into)?.is_pending() {
                return Poll::Pending;
            }
            self.raw_taken = 0;
            self.raw_filled = into.filled().len();
            self.moved += self.raw_filled as u64;
        }
        let mut bytes = &self.raw[self.raw_taken..self.raw_filled];
        let before = bytes.len();
        let ended = self.tls.read_tls(&mut bytes)? == 0;
        self.raw_taken += before - bytes.len();
        if let Err(error) = self.tls.process_new_packets() {
            // the alert says why; if it cannot leave at once, closing says enough
            let _ = self.poll_flush(cx);
            return Poll::Ready(Err(error.into()));
        }
        if ended && self.tls.is_handshaking() {
            return Poll::Ready(Err(Broken::Closed));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.tls.wants_write() {
            let socket = live(&mut self.socket)?;
            match self.tls.write_tls(&mut Writer { socket, cx }) {
                Ok(0) => return Poll::Ready(Err(Broken::Closed)),
                Ok(count) => self.moved += count as u64,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Gives TLS the next piece of `head ‖ frame` after `sent` bytes; a short frame is one record.
fn encrypt(tls: &mut Connection, frame: &[u8], sent: usize) -> Result<usize, Broken> {
    let head = (frame.len() as u32).to_le_bytes();
    let head = head.get(sent..).unwrap_or_default();
    let from = sent.saturating_sub(4);
    let piece = &frame[from..frame.len().min(from + SEND_PIECE)];
    match tls.writer().write_vectored(&[IoSlice::new(head), IoSlice::new(piece)])? {
        0 => Err(Broken::Closed),
        count => Ok(count),
    }
}

/// The socket, registered with the runtime that polls.
fn live(socket: &mut Socket) -> Result<&mut TcpStream, Broken> {
    if let Socket::Parked(_) = socket
        && let Socket::Parked(parked) = std::mem::replace(socket, Socket::Gone)
    {
        *socket = Socket::Live(TcpStream::from_std(parked)?);
    }
    match socket {
        Socket::Live(live) => Ok(live),
        Socket::Parked(_) | Socket::Gone => Err(Broken::Closed),
    }
}

/// The socket as TLS wants to write to it.
struct Writer<'a, 'b> {
    socket: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for Writer<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        now(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Ends a wait in which no byte moves for too long: a peer that is dead without having said so.
pub struct Patience {
    limit: Duration,
    waiting: Option<(Instant, u64)>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub fn new(limit: Duration) -> Self {
        Self { limit, waiting: None, alarm: None }
    }

    /// Passes `poll` on, unless it waits and has done so for longer than the limit with `moved`
    /// unchanged.
    pub fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<Result<T, Broken>>,
        moved: u64,
    ) -> Poll<Result<T, Broken>> {
        if poll.is_ready() {
            self.waiting = None;
            return poll;
        }
        let since = match self.waiting {
            Some((since, before)) if before == moved => since,
            _ => Instant::now(),
        };
        self.waiting = Some((since, moved));
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(since + self.limit)));
        while alarm.as_mut().poll(cx).is_ready() {
            if since + self.limit <= Instant::now() {
                return Poll::Ready(Err(Broken::Silent));
            }
            alarm.as_mut().reset(since + self.limit);
        }
        Poll::Pending
    }
}

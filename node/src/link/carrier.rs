//! What carries a link's frames: a TLS connection of its own, or a stream of libp2p's connection.

use std::task::{Context, Poll};

use super::encrypted::{Broken, Encrypted};
use super::streamed::Streamed;

pub enum Carrier {
    Direct(Box<Encrypted>),
    Stream(Box<Streamed>),
}

impl From<Encrypted> for Carrier {
    fn from(encrypted: Encrypted) -> Self {
        Self::Direct(Box::new(encrypted))
    }
}

impl From<Streamed> for Carrier {
    fn from(streamed: Streamed) -> Self {
        Self::Stream(Box::new(streamed))
    }
}

impl Carrier {
    /// 32 bytes that belong to this connection or stream alone.
    pub fn binding(&self) -> Result<[u8; 32], Broken> {
        match self {
            Self::Direct(link) => link.exporter(),
            Self::Stream(link) => Ok(link.binding()),
        }
    }

    /// See [`Encrypted::set_frame_max`].
    pub fn set_frame_max(&mut self, max: usize) {
        match self {
            Self::Direct(link) => link.set_frame_max(max),
            Self::Stream(link) => link.set_frame_max(max),
        }
    }

    /// See [`Encrypted::bytes_moved`].
    pub fn bytes_moved(&self) -> u64 {
        match self {
            Self::Direct(link) => link.bytes_moved(),
            Self::Stream(link) => link.bytes_moved(),
        }
    }

    /// See [`Encrypted::park`]; a stream belongs to no runtime.
    pub fn park(self) -> Result<Self, Broken> {
        match self {
            Self::Direct(link) => Ok(link.park()?.into()),
            Self::Stream(_) => Ok(self),
        }
    }

    /// See [`Encrypted::is_stale`]; a stream shows it at its first use.
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Direct(link) => link.is_stale(),
            Self::Stream(_) => false,
        }
    }

    pub fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), Broken>> {
        match self {
            Self::Direct(link) => link.poll_send(cx, frame),
            Self::Stream(link) => link.poll_send(cx, frame),
        }
    }

    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Broken>> {
        match self {
            Self::Direct(link) => link.poll_recv(cx),
            Self::Stream(link) => link.poll_recv(cx),
        }
    }
}

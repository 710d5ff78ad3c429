//! When a link goes over a stream of libp2p instead of a connection of its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use libp2p::{Stream, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams, OpenStreamError};
use polyyne_protocol::id::PeerKey;
use tokio::time::Instant;

use super::limits::DETOUR;
use crate::config::DataWay;
use crate::federation::peer_id;

/// The stream protocol: its name holds the wire major.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/polyyne/data/1");

/// Streams to members, and the peers whose data port did not answer.
pub struct Detour {
    control: Control,
    way: DataWay,
    blocked: Mutex<HashMap<PeerKey, Instant>>,
}

impl Detour {
    pub fn new(control: Control, way: DataWay) -> Self {
        Self { control, way, blocked: Mutex::default() }
    }

    /// Streams that peers open; `None` if this node takes none.
    pub fn accept(&self) -> Option<IncomingStreams> {
        match self.way {
            DataWay::Direct => None,
            DataWay::Auto | DataWay::Streams => self.control.clone().accept(PROTOCOL).ok(),
        }
    }

    /// Whether a link to `peer` begins with a stream.
    pub fn is_first(&self, peer: PeerKey, now: Instant) -> bool {
        match self.way {
            DataWay::Direct => false,
            DataWay::Streams => true,
            DataWay::Auto => self.blocked().get(&peer).is_some_and(|&since| now.duration_since(since) < DETOUR),
        }
    }

    /// Whether a link that cannot be had directly may be a stream.
    pub fn is_open(&self) -> bool {
        self.way != DataWay::Direct
    }

    /// The data port of `peer` does not answer, but a stream does: the next links need not try the port first.
    pub fn remember(&self, peer: PeerKey, now: Instant) {
        let newly = self.blocked().insert(peer, now).is_none_or(|since| now.duration_since(since) >= DETOUR);
        if newly && self.way == DataWay::Auto {
            tracing::info!(peer = peer.peer_id(), "its data port does not answer: streams carry the links");
        }
    }

    /// A stream is not to be had either.
    pub fn forget(&self, peer: PeerKey) {
        self.blocked().remove(&peer);
    }

    pub async fn open(&self, peer: PeerKey) -> Result<Stream, OpenStreamError> {
        self.control.clone().open_stream(peer_id(peer), PROTOCOL).await
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<PeerKey, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

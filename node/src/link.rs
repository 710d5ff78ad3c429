//! Direct links between members, on which MPC rounds travel.
//!
//! A [`Link`] is a TCP connection with TLS 1.3 in which both sides prove the key inside their libp2p
//! peer id. It carries whole frames, is polled by the thread that computes (no task between the
//! socket and the protocol), and implements the engine's [`Channel`]. Where a member's data port cannot
//! be reached, or if the operator says so, it is a stream of the libp2p connection instead. [`Links`] brings two members'
//! ends of one session together: the lower rank dials, the higher one waits. A session that has
//! ended well leaves its connections for the next ones, which name themselves on them anew.
//!
//! Not protected against here: a member that sends nothing or sends nonsense (the protocol above
//! ends in an error), traffic analysis.

mod carrier;
mod claim;
mod detour;
mod encrypted;
mod frames;
mod limits;
mod pool;
mod rendezvous;
mod streamed;
mod table;
mod tls;

use std::task::{Context, Poll};

use polyyne_engine::port::{Channel, ChannelError};
use polyyne_protocol::id::PeerKey;

use carrier::Carrier;
pub use claim::SessionLabel;
use encrypted::Patience;
use rendezvous::Home;
pub use rendezvous::{LinkError, LinkPeer, Links};

/// One end of a link that is in use by one VM thread of one session.
///
/// It belongs to no runtime until it is first polled, then to that of the polling thread. After [`Channel::finish`] its
/// connection waits for another session; dropping it before that closes the connection, which the other side sees as
/// [`ChannelError::Closed`].
pub struct Link {
    peer: PeerKey,
    rank: u16,
    /// Until the session has finished with it.
    connection: Option<Carrier>,
    home: Home,
    sending: Patience,
    receiving: Patience,
}

impl Link {
    /// Whose key the other end has proved.
    pub fn peer(&self) -> PeerKey {
        self.peer
    }

    /// The other end's rank in the session.
    pub fn rank(&self) -> u16 {
        self.rank
    }

    /// Replaces how long a poll may wait for the peer before it gives up.
    pub fn set_patience(&mut self, patience: std::time::Duration) {
        self.sending = Patience::new(patience);
        self.receiving = Patience::new(patience);
    }
}

impl Channel for Link {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Err(ChannelError::Closed)) };
        let sent = connection.poll_send(cx, frame);
        self.sending.watch(cx, sent, connection.bytes_moved()).map_err(ChannelError::from)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Err(ChannelError::Closed)) };
        let received = connection.poll_recv(cx);
        self.receiving.watch(cx, received, connection.bytes_moved()).map_err(ChannelError::from)
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home.keep(self.peer, connection);
        }
    }
}

//! The bounds of the data links that no other program has to know (I35); the others are in
//! [`polyyne_protocol::limits`].

use std::time::Duration;

use polyyne_protocol::limits;

/// Handshakes and unclaimed inbound links at once, of all peers.
pub const INBOUND_MAX: usize = limits::LINKS_WAITING_MAX;
/// Inbound links of one member that are not claimed by a session yet.
pub const UNCLAIMED_PER_PEER_MAX: usize = 64;
/// Handshakes with peers not known yet.
pub const HANDSHAKES_MAX: usize = 64;
/// From the TCP connection to the proof of the peer's key.
pub const HANDSHAKE_MAX: Duration = Duration::from_millis(limits::LINK_OPEN_TIMEOUT_MS);
/// An inbound link whose dialler names no session is closed after this; pooled links wait so long.
pub const UNNAMED_MAX: Duration = Duration::from_secs(600);
/// A pooled link is not taken when it is older than this, so that it is never one about to be closed.
pub const POOLED_MAX: Duration = Duration::from_secs(540);
/// A link that names a session which does not start here is closed after this.
pub const UNCLAIMED_MAX: Duration = Duration::from_secs(60);
/// Links kept ready for each peer.
pub const POOL_PER_PEER_MAX: usize = 8;
/// One attempt to connect to one address.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);
/// First wait before a failed dial is tried again; it doubles up to [`REDIAL_MAX`].
pub const REDIAL_MIN: Duration = Duration::from_millis(25);
/// Longest wait between dials.
pub const REDIAL_MAX: Duration = Duration::from_millis(1000);
/// A peer whose data port did not answer is dialled there again after this.
pub const DETOUR: Duration = Duration::from_secs(60);
/// A poll that waits for the peer ends in an error after this, unless bytes move.
pub const PATIENCE: Duration = Duration::from_millis(limits::ROUND_TIMEOUT_MS);
/// Plaintext that is encrypted at once.
pub const SEND_PIECE: usize = 1 << 20;
/// Bytes read from the socket at once.
pub const READ_PIECE: usize = 64 << 10;
/// A frame's memory grows in steps of this, as its bytes arrive.
pub const FRAME_STEP: usize = 256 << 10;

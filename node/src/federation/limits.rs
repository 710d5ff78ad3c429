//! The bounds of the control plane that no other program has to know (I35); the others are in
//! [`polyyne_protocol::limits`].

use std::time::Duration;

use polyyne_protocol::limits;

/// Bytes that all messages being read or waiting for a handler may hold together.
pub const INBOUND_BYTES_MAX: usize = 256 << 20;
/// Characters of a service name.
pub const SERVICE_NAME_MAX: usize = 32;
/// Requests of one member that may be in hand at once.
pub const MEMBER_REQUESTS_MAX: usize = limits::CONTROL_REQUESTS_PER_PEER_MAX * 8;
/// Requests of one peer that is no member.
pub const STRANGER_REQUESTS_MAX: usize = 8;
/// Requests of all peers that are no members together.
pub const STRANGERS_REQUESTS_MAX: usize = 64;
/// Streams of the control protocol on one connection.
pub const CONTROL_STREAMS_MAX: usize = 512;
/// Requests of ours that may be waiting for an answer.
pub const PENDING_REQUESTS_MAX: usize = 4096;
/// The longest that any control request may take.
pub const REQUEST_TIMEOUT_MAX: Duration =
    Duration::from_millis(limits::EXECUTION_TIMEOUT_MAX_MS + limits::CONTROL_TIMEOUT_MS);
/// How long a request tries to have a connection made.
pub const REACH_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
pub const REACH_AGAIN: Duration = Duration::from_millis(100);
/// Commands queued for the swarm.
pub const COMMANDS_MAX: usize = 1024;

/// Connections being negotiated.
pub const PENDING_CONNECTIONS_MAX: u32 = 64;
/// Established inbound connections of peers that are no members.
pub const INBOUND_CONNECTIONS_MAX: u32 = 128;
/// Established connections in all, members not counted.
pub const CONNECTIONS_MAX: u32 = limits::PEERS_MAX as u32;
/// Connections to one peer.
pub const CONNECTIONS_PER_PEER_MAX: u32 = limits::CONNECTIONS_PER_PEER_MAX as u32;
/// Inbound connections from one IP address (loopback not counted).
pub const INBOUND_CONNECTIONS_PER_IP_MAX: usize = 16;
/// No new connection is accepted while the process uses more memory than this.
pub const MEMORY_BYTES_MAX: usize = 8 << 30;
/// A connection on which nothing happens is closed after this.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(3600);
/// A transport's handshake takes no longer.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Bytes of one Kademlia message.
pub const KAD_PACKET_BYTES_MAX: usize = 16 << 10;
/// Peers of which we remember a status.
pub const PEERS_KNOWN_MAX: usize = 1024;
/// Peers found by mDNS that are dialled by themselves.
pub const MDNS_DIALS_MAX: usize = 32;
/// Entries of a peers file.
pub const PEERS_FILE_MAX: usize = 256;
/// Bytes of an agent version that are kept for show.
pub const AGENT_VERSION_MAX: usize = 64;

/// A QUIC connection over which nothing comes for so long is given up: a process that was killed does not close it.
pub const QUIC_SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often something is sent over a QUIC connection that is not used.
pub const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Two connections with a peer that are made within this are one that each side has dialled.
pub const BOTH_DIALLED: Duration = Duration::from_secs(1);
/// First wait before a lost peer is dialled again; it doubles up to [`RECONNECT_MAX`].
pub const RECONNECT_MIN: Duration = Duration::from_millis(250);
/// Longest wait between two dials of a peer that should be connected.
pub const RECONNECT_MAX: Duration = Duration::from_secs(15);

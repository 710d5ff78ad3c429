//! Who the other providers are and how to speak to them: discovery, control messages, membership.
//!
//! Discovery (Kademlia, mDNS, peer lists) yields *hints* about where a key might be reached. What a
//! connection yields is a proof of the key at its other end, nothing more: whether that key is a
//! member of a cloud is said by signed membership records alone.
//!
//! - [`Network`]: a running libp2p node; requests to peers, services offered to them.
//! - [`peer_key()`], [`peer_id()`]: the ed25519 key inside a peer id, and back.
//! - [`Service`]: what a control message is for.
//!
//! Not protected against here: denial of service by a member, traffic analysis.

mod addresses;
mod control;
mod directory;
mod gatekeeper;
pub mod limits;
pub mod membership;
mod network;
mod peer_key;
pub mod peers_file;
mod swarm;

pub use addresses::AddressPolicy;
pub use control::{Refusal, Service};
pub use directory::{Announcement, Directory, DirectoryError};
pub use network::{Network, NetworkConfig, PeerStatus, RequestError, StartError};
pub use peer_key::{NotAPeerKey, identity, peer_id, peer_key};

/// Starts this process again without `SSLKEYLOGFILE`, if that is set; else does nothing.
///
/// libp2p's QUIC honours the variable and would write session keys to a file. It cannot be taken out
/// of a running process without `unsafe` (another thread might be reading the environment), so the
/// program replaces itself, before anything else in `main`. The data links have no key log at all.
///
/// # Errors
/// If the program cannot be started again: the caller must not go on.
pub fn refuse_key_log() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;

    const NAME: &str = "SSLKEYLOGFILE";
    if std::env::var_os(NAME).is_none() {
        return Ok(());
    }
    Err(std::process::Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).env_remove(NAME).exec())
}

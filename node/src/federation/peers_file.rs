//! The peers file: where to find other providers before anything is known.
//!
//! ```toml
//! peers = [
//!   "/dns4/vcp.example.org/tcp/4190/p2p/12D3KooW...",
//!   "/ip4/203.0.113.7/udp/4190/quic-v1/p2p/12D3KooW...",
//! ]
//! ```

use std::path::{Path, PathBuf};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::Deserialize;

use polyyne_protocol::id::PeerKey;

use super::{NotAPeerKey, limits::PEERS_FILE_MAX, peer_key};

/// Why a peers file or a peer's address was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The file cannot be read.
    #[error("cannot read the peers file {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not TOML of the right shape.
    #[error("the peers file is not a TOML list `peers = [\"/ip4/.../p2p/ID\"]`: {0}")]
    Format(#[from] toml::de::Error),
    /// More entries than a node should be told.
    #[error("the peers file has more than {PEERS_FILE_MAX} entries")]
    TooMany,
    /// An entry is not a multiaddr.
    #[error("`{0}` is not a multiaddr such as /ip4/203.0.113.7/tcp/4190/p2p/ID")]
    Address(String),
    /// An entry does not say whose address it is.
    #[error("`{0}` does not end in /p2p/ID; `vcp node id` on the other side prints it")]
    NoPeer(String),
    /// The id is not one of ours.
    #[error("`{0}`: {1}")]
    Peer(String, NotAPeerKey),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeersFile {
    peers: Vec<String>,
}

/// Reads a peers file.
///
/// # Errors
/// See [`PeersError`]; each names the entry and what to do.
pub fn read(path: &Path) -> Result<Vec<(PeerKey, Multiaddr)>, PeersError> {
    let text = std::fs::read_to_string(path).map_err(|source| PeersError::Read { path: path.to_owned(), source })?;
    parse(&text)
}

/// Parses the text of a peers file.
///
/// # Errors
/// See [`PeersError`].
pub fn parse(text: &str) -> Result<Vec<(PeerKey, Multiaddr)>, PeersError> {
    let file: PeersFile = toml::from_str(text)?;
    if file.peers.len() > PEERS_FILE_MAX {
        return Err(PeersError::TooMany);
    }
    file.peers.iter().map(|entry| peer_address(entry)).collect()
}

/// Splits `/…/p2p/ID` into the peer's key and the address without it.
///
/// # Errors
/// See [`PeersError`].
pub fn peer_address(text: &str) -> Result<(PeerKey, Multiaddr), PeersError> {
    peer(&text.parse().map_err(|_| PeersError::Address(text.to_owned()))?)
}

/// Like [`peer_address`], of a parsed address.
///
/// # Errors
/// See [`PeersError`].
pub fn peer(address: &Multiaddr) -> Result<(PeerKey, Multiaddr), PeersError> {
    let mut rest = address.clone();
    let Some(Protocol::P2p(peer)) = rest.pop() else {
        return Err(PeersError::NoPeer(address.to_string()));
    };
    let key = peer_key(&peer).map_err(|e| PeersError::Peer(address.to_string(), e))?;
    Ok((key, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn entries_are_split_into_key_and_address() {
        let peers = parse(&format!("peers = [\"/ip4/127.0.0.1/tcp/4190/p2p/{ID}\"]")).unwrap();
        assert_eq!(peers[0].0.peer_id(), ID);
        assert_eq!(peers[0].1.to_string(), "/ip4/127.0.0.1/tcp/4190");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(parse("peers = [\"nonsense\"]"), Err(PeersError::Address(_))));
        assert!(matches!(parse("peers = [\"/ip4/127.0.0.1/tcp/4190\"]"), Err(PeersError::NoPeer(_))));
        assert!(matches!(parse("peer = []"), Err(PeersError::Format(_))));
    }
}

//! Peer ids and the ed25519 keys inside them.
//!
//! A peer id is the multihash of a public key; for ed25519 it is the identity hash, so that the key
//! can be read out of it. Only such ids are accepted: the membership log is signed with these keys.
//! Keys of small order are refused, because signatures "by" them can be made by anybody.

use libp2p::{PeerId, identity};
use polyyne_protocol::{
    id::PeerKey,
    sign::{PublicKey as _, SignatureError},
};

/// Identity multihash of 36 bytes, then the protobuf of an ed25519 public key: type, data of 32 bytes.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The peer id does not carry a usable ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPeerKey {
    /// The peer id belongs to a key of another kind.
    #[error("peer id of a key that is not ed25519")]
    OtherKind,
    /// The key is no point of the curve, or one of small order.
    #[error("peer id of a weak ed25519 key")]
    Weak,
}

/// The key inside a peer id.
///
/// # Errors
/// If it is not a sound ed25519 key.
pub fn peer_key(peer: &PeerId) -> Result<PeerKey, NotAPeerKey> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PREFIX).and_then(|key| PeerKey::try_from(key).ok()).ok_or(NotAPeerKey::OtherKind)?;
    match key.check() {
        Ok(()) => Ok(key),
        Err(SignatureError::WeakKey | SignatureError::Invalid) => Err(NotAPeerKey::Weak),
    }
}

/// A key as a peer id.
pub fn peer_id(key: PeerKey) -> PeerId {
    let bytes = [PREFIX.as_slice(), key.as_bytes()].concat();
    PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a peer id")
}

/// The libp2p identity of an ed25519 signing key.
pub fn identity(signing: &ed25519_dalek::SigningKey) -> identity::Keypair {
    identity::Keypair::ed25519_from_bytes(signing.to_bytes()).expect("any 32 bytes are an ed25519 secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_and_its_key_are_two_spellings_of_one_thing() {
        let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let peer = identity(&signing).public().to_peer_id();
        assert_eq!(peer_key(&peer), Ok(PeerKey::of(&signing)));
        assert_eq!(peer_id(PeerKey::of(&signing)), peer);
    }

    #[test]
    fn ids_that_are_not_ed25519_are_refused() {
        assert_eq!(peer_key(&PeerId::random()), Err(NotAPeerKey::OtherKind));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(peer_key(&peer_id(PeerKey(neutral))), Err(NotAPeerKey::Weak));
        assert_eq!(peer_key(&peer_id(PeerKey([0; 32]))), Err(NotAPeerKey::Weak));
    }
}

//! Identifiers, each its own type, so that two things that could be swapped do not compile when they are.
//!
//! Text form is lower-case hexadecimal (a peer also has its libp2p name, see [`PeerKey::peer_id`]); inside CBOR an
//! identifier is a byte string, inside JSON its text form.

use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not the identifier that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    #[error("a {what} is {expected} hexadecimal digits, this text has {got} characters")]
    Length { what: &'static str, expected: usize, got: usize },
    #[error("a {what} is written in hexadecimal digits only")]
    Digits { what: &'static str },
    #[error("this is not the libp2p peer id of an ed25519 key")]
    PeerId,
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// A fresh random identifier.
            pub fn random(rng: &mut impl CryptoRng) -> Self {
                let mut bytes = [0; $len];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }

            /// The first eight hexadecimal digits: enough to tell things apart on a screen, never to decide.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseIdError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseIdError> {
                bytes.try_into().map(Self).map_err(|_| ParseIdError::Length {
                    what: $what,
                    expected: 2 * $len,
                    got: 2 * bytes.len(),
                })
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                if text.len() != 2 * $len {
                    let got = text.chars().count();
                    return Err(ParseIdError::Length { what: $what, expected: 2 * $len, got });
                }
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError::Digits { what: $what })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_bytes(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_bytes($what, deserializer).map(Self)
            }
        }
    };
}

pub(crate) fn serialize_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&hex::encode(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

pub(crate) fn deserialize_bytes<'de, const N: usize, D: Deserializer<'de>>(
    what: &'static str,
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Bytes<const N: usize>(&'static str);

    impl<const N: usize> de::Visitor<'_> for Bytes<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a {} of {N} bytes", self.0)
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; N], E> {
            let mut bytes = [0; N];
            hex::decode_to_slice(text, &mut bytes).map_err(|_| E::invalid_value(de::Unexpected::Str("text"), &self))?;
            Ok(bytes)
        }
    }

    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Bytes(what))
    } else {
        deserializer.deserialize_bytes(Bytes(what))
    }
}

byte_id! {
    /// A provider: the ed25519 public key inside its libp2p peer id.
    PeerKey, 32, "peer key"
}
byte_id! {
    /// A client: its ed25519 public key.
    ClientKey, 32, "client key"
}
byte_id! {
    /// An X25519 public key to which messages are sealed (RFC 9180).
    SealKey, 32, "sealing key"
}
byte_id! {
    /// A virtual cloud: the hash of its record 0.
    CloudId, 32, "cloud id"
}
byte_id! {
    /// One record of a cloud's log: the hash of its canonical bytes.
    RecordHash, 32, "record hash"
}
byte_id! {
    /// One joint run of a protocol: the hash of all members' hellos.
    SessionId, 32, "session id"
}
byte_id! {
    /// A stored secret; chosen at random by the client.
    SecretId, 16, "secret id"
}
byte_id! {
    /// An execution; chosen at random by the client, run at most once for ever.
    ExecutionId, 16, "execution id"
}
byte_id! {
    /// One request of a client.
    RequestId, 16, "request id"
}
byte_id! {
    /// A program: the hash of its schedule and bytecode.
    ProgramHash, 32, "program hash"
}
byte_id! {
    /// A MAC key of a cloud.
    MacKeyId, 16, "MAC key id"
}
byte_id! {
    /// The masks of one upload: the hash of the digest of their TAKE that all members signed.
    MaskSetId, 32, "mask set id"
}
byte_id! {
    /// A SHA-256 hash of something named by the field that holds it.
    Digest, 32, "digest"
}
byte_id! {
    /// Random bytes that make one message unlike every other.
    Nonce, 16, "nonce"
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $number:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl $name {
            /// The next one; `None` after the last.
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number_id! {
    /// The place of a record in its cloud's log; record 0 is epoch 0, each complete record adds one.
    Epoch, u64
}
number_id! {
    /// Which try at the record of an epoch.
    Attempt, u32
}
number_id! {
    /// A member's stable number in its cloud: never renumbered, never given to another.
    PartyIndex, u16
}

/// What stands before the key in the libp2p name of an ed25519 key: an identity multihash (code 0, 36 bytes) of the
/// protocol-buffer public key (field 1 = type 1, field 2 = 32 bytes).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

impl PeerKey {
    /// The libp2p peer id of this key, as users and multiaddrs write it (`12D3KooW…`).
    pub fn peer_id(&self) -> String {
        let mut bytes = PEER_ID_PREFIX.to_vec();
        bytes.extend_from_slice(&self.0);
        base58_encode(&bytes)
    }

    /// Reads a libp2p peer id of an ed25519 key.
    ///
    /// # Errors
    /// [`ParseIdError::PeerId`] for anything else.
    pub fn from_peer_id(text: &str) -> Result<Self, ParseIdError> {
        // 38 bytes are at most 53 base-58 digits
        if text.len() > 53 {
            return Err(ParseIdError::PeerId);
        }
        let bytes = base58_decode(text).ok_or(ParseIdError::PeerId)?;
        let key = bytes.strip_prefix(&PEER_ID_PREFIX[..]).ok_or(ParseIdError::PeerId)?;
        key.try_into().map(Self).map_err(|_| ParseIdError::PeerId)
    }
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Base 58 (Bitcoin alphabet): each leading zero byte is one `1`, the rest a number in base 58.
fn base58_encode(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new(); // little-endian base 58
    for &byte in bytes {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let head = std::iter::repeat_n('1', zeros);
    head.chain(digits.iter().rev().map(|&digit| char::from(BASE58[usize::from(digit)]))).collect()
}

fn base58_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new(); // little-endian base 256
    for character in text.bytes() {
        let mut carry = BASE58.iter().position(|&c| c == character)? as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|&c| c == b'1').count();
    bytes.extend(std::iter::repeat_n(0, zeros));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical;

    #[test]
    fn a_known_peer_id_reads_and_writes() {
        // from the libp2p specification's test vectors for ed25519 keys
        let key: PeerKey =
            "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e".parse().expect("hexadecimal");
        let text = key.peer_id();
        assert!(text.starts_with("12D3KooW"), "{text}");
        assert_eq!(PeerKey::from_peer_id(&text), Ok(key));
    }

    #[test]
    fn text_of_another_length_or_alphabet_is_refused() {
        assert_eq!("00".parse::<SecretId>(), Err(ParseIdError::Length { what: "secret id", expected: 32, got: 2 }));
        assert_eq!("zz".repeat(16).parse::<SecretId>(), Err(ParseIdError::Digits { what: "secret id" }));
        assert_eq!(PeerKey::from_peer_id("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"), Err(ParseIdError::PeerId));
        assert_eq!(PeerKey::from_peer_id(""), Err(ParseIdError::PeerId));
        assert_eq!(PeerKey::from_peer_id("0OIl"), Err(ParseIdError::PeerId));
    }

    proptest! {
        #[test]
        fn ids_survive_text_json_cbor_and_base58(bytes: [u8; 32]) {
            let id = PeerKey(bytes);
            prop_assert_eq!(id.to_string().parse::<PeerKey>(), Ok(id));
            prop_assert_eq!(PeerKey::from_peer_id(&id.peer_id()), Ok(id));
            let json = serde_json::to_string(&id).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<PeerKey>(&json).expect("JSON"), id);
            let cbor = canonical::encode(&id);
            prop_assert_eq!(cbor.len(), 34);
            prop_assert_eq!(canonical::decode::<PeerKey>(&cbor, 64), Ok(id));
        }

        #[test]
        fn any_text_is_refused_or_read_back_equal(text in ".{0,70}") {
            if let Ok(key) = PeerKey::from_peer_id(&text) {
                prop_assert_eq!(key.peer_id(), text);
            }
        }
    }
}

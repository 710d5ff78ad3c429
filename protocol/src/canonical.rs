//! One byte form for every value that is signed, hashed or sent.
//!
//! Deterministic CBOR (RFC 8949 §4.2.1 in what it forbids: longer integers than needed, indefinite lengths): a value
//! has exactly one encoding, which is what [`encode`] writes. Structures are maps in the order of their declaration,
//! not sorted by key: the declaration is the schema. [`decode`] refuses every other byte string, by encoding what it
//! read once more and comparing; trailing bytes, doubled or unknown or reordered map keys, and long integers all fail
//! there.
//!
//! Sizes are checked before anything is decoded, and the decoder reserves memory for what has arrived, never for what
//! a length claims.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::id::Digest;

/// Why bytes are not the one encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{got} bytes where at most {limit} are allowed")]
    TooLong { limit: usize, got: usize },
    #[error("not an encoding of the expected type")]
    Malformed,
    #[error("an encoding of the expected type, but not the canonical one")]
    NotCanonical,
}

/// The canonical bytes of a value.
///
/// # Panics
/// Never for the types of this crate: they are made of maps, sequences, texts, byte strings and integers.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    cbor4ii::serde::to_vec(Vec::new(), value).expect("protocol types have no part that CBOR cannot hold")
}

/// Reads a value from its canonical bytes.
///
/// # Errors
/// [`DecodeError`] for every byte string that [`encode`] would not have written, or that is longer than `limit`.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { limit, got: bytes.len() });
    }
    let value: T = cbor4ii::serde::from_slice(bytes).map_err(|_| DecodeError::Malformed)?;
    // the copy may hold shares
    let again = Zeroizing::new(encode(&value));
    if again.as_slice() == bytes { Ok(value) } else { Err(DecodeError::NotCanonical) }
}

/// SHA-256 over a domain name and parts, each preceded by its length, so that no two lists of parts give one input.
pub fn hash_parts(domain: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"polyyne/1/hash");
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

/// The hash of a value's canonical bytes under a domain name.
pub fn hash<T: Serialize>(domain: &str, value: &T) -> Digest {
    let bytes = Zeroizing::new(encode(value));
    hash_parts(domain, &[&bytes])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        text: String,
        list: Vec<u8>,
        maybe: Option<u32>,
    }

    fn sample() -> Sample {
        Sample { number: 7, text: "seven".into(), list: vec![1, 2, 3], maybe: None }
    }

    #[test]
    fn the_cap_is_checked_before_decoding() {
        assert_eq!(decode::<Vec<u8>>(&[0; 100], 99), Err(DecodeError::TooLong { limit: 99, got: 100 }));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        // an array that says it has 2^60 elements, and a byte string likewise
        let array = [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode::<Vec<u64>>(&array, 64), Err(DecodeError::Malformed));
        let string = [0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode::<serde_bytes::ByteBuf>(&string, 64), Err(DecodeError::Malformed));
    }

    #[test]
    fn trailing_bytes_and_long_integers_are_refused() {
        assert_eq!(decode::<u64>(&[0x05], 8), Ok(5));
        assert_eq!(decode::<u64>(&[0x05, 0x00], 8), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[0x18, 0x05], 8), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn an_indefinite_list_is_refused() {
        assert_eq!(decode::<Vec<u8>>(&[0x82, 1, 2], 8), Ok(vec![1, 2]));
        assert!(decode::<Vec<u8>>(&[0x9f, 1, 2, 0xff], 8).is_err());
    }

    #[test]
    fn reordered_unknown_and_missing_fields_are_refused() {
        #[derive(Serialize)]
        struct Reordered {
            text: String,
            number: u64,
            list: Vec<u8>,
            maybe: Option<u32>,
        }
        #[derive(Serialize)]
        struct Longer {
            number: u64,
            text: String,
            list: Vec<u8>,
            maybe: Option<u32>,
            more: u8,
        }
        #[derive(Serialize)]
        struct Shorter {
            number: u64,
            text: String,
            list: Vec<u8>,
        }
        let Sample { number, text, list, maybe } = sample();
        let reordered = encode(&Reordered { text: text.clone(), number, list: list.clone(), maybe });
        let longer = encode(&Longer { number, text: text.clone(), list: list.clone(), maybe, more: 1 });
        let shorter = encode(&Shorter { number, text, list });
        for bytes in [reordered, longer, shorter] {
            assert_eq!(decode::<Sample>(&bytes, 256), Err(DecodeError::NotCanonical));
        }
    }

    #[test]
    fn the_parts_of_a_hash_cannot_be_moved_across_their_border() {
        assert_ne!(hash_parts("d", &[b"ab", b"c"]), hash_parts("d", &[b"a", b"bc"]));
        assert_ne!(hash_parts("d", &[b"ab"]), hash_parts("d", &[b"ab", b""]));
        assert_ne!(hash_parts("d", &[b"x"]), hash_parts("dx", &[]));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = decode::<Sample>(&bytes, 80) {
                prop_assert_eq!(encode(&value), bytes);
            }
        }

        #[test]
        fn a_changed_byte_is_another_value_or_an_error(at in 0usize..64, flip in 1u8..) {
            let mut bytes = encode(&sample());
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_ne!(decode::<Sample>(&bytes, 256), Ok(sample()));
        }
    }
}

//! Domain-separated hashing: SHA-256 over an injective encoding.
//!
//! Every item is length-prefixed, so that two different sequences of items never give the same
//! input to the hash (the ambiguity behind RUSTSEC-2024-0392 and its relatives).

use sha2::{Digest, Sha256};

/// A digest.
pub type Hash = [u8; 32];

/// A hash under construction: a domain, then items.
#[derive(Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    pub fn new(domain: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"polyyne/1/");
        hash.update((domain.len() as u64).to_le_bytes());
        hash.update(domain.as_bytes());
        Self(hash)
    }

    pub fn bytes(mut self, item: &[u8]) -> Self {
        self.0.update((item.len() as u64).to_le_bytes());
        self.0.update(item);
        self
    }

    /// An item of megabytes, by its BLAKE3 digest.
    pub fn long(self, item: &[u8]) -> Self {
        self.bytes(&long_item(item))
    }

    pub fn number(self, item: u64) -> Self {
        self.bytes(&item.to_le_bytes())
    }

    /// A list of items, its length first.
    pub fn list<T: AsRef<[u8]>>(self, items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> Self {
        let items = items.into_iter();
        let start = self.number(items.len() as u64);
        items.fold(start, |transcript, item| transcript.bytes(item.as_ref()))
    }

    pub fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

/// What [`Transcript::long`] takes of an item, for items that are hashed side by side.
pub fn long_item(item: &[u8]) -> Hash {
    LongItem::default().bytes(item).finish()
}

/// [`long_item`] of what comes in pieces.
pub struct LongItem(blake3::Hasher);

impl Default for LongItem {
    fn default() -> Self {
        Self(blake3::Hasher::new_derive_key("polyyne/1 long item"))
    }
}

impl LongItem {
    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Appends numbers, little endian.
    pub fn numbers(&mut self, numbers: &[u64]) -> &mut Self {
        // enough for all lanes of the hash
        const TOGETHER: usize = 2048;
        let mut bytes = [0; 8 * TOGETHER];
        for numbers in numbers.chunks(TOGETHER) {
            let (places, _) = bytes.as_chunks_mut();
            places.iter_mut().zip(numbers).for_each(|(place, number)| *place = number.to_le_bytes());
            self.0.update(&bytes[..8 * numbers.len()]);
        }
        self
    }

    pub fn finish(&self) -> Hash {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_sequences_give_different_digests(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
        ) {
            let digest = |items: &[Vec<u8>]| items.iter().fold(Transcript::new("t"), |t, i| t.bytes(i)).finish();
            prop_assert_eq!(digest(&a) == digest(&b), a == b);
        }
    }

    #[test]
    fn the_encoding_is_frozen() {
        let digest = Transcript::new("known answer").number(7).list([b"a", b"b"]).finish();
        assert_eq!(hex::encode(digest), KNOWN);
        let digest = |item: &[u8]| Transcript::new("known answer").long(item).finish();
        assert_eq!(hex::encode(digest(&[7; 3000])), KNOWN_LONG);
        assert_ne!(digest(&[7; 3000]), digest(&[7; 2999]));
    }

    #[test]
    fn a_long_item_in_pieces_is_the_same() {
        let numbers: Vec<u64> = (0..5_000u64).map(|x| x.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut pieces = LongItem::default();
        pieces.numbers(&numbers[..7]).bytes(&bytes[56..600]).numbers(&numbers[75..]);
        assert_eq!(pieces.finish(), long_item(&bytes));
    }

    /// Recipe: `scripts/known_answers.py`.
    const KNOWN_LONG: &str = "2a7d6bb364c2ef905e53e683c02ecb747e960cf018135c6cb53c6d447796f0d5";

    /// Recipe: `scripts/known_answers.py`.
    const KNOWN: &str = "edac4f31ff4f3b8476e849e7f93e538051bf5d3007819c9e145a226f8eede5d5";
}

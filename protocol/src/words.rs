//! Field elements on their way: 16 bytes each, canonical little-endian.
//!
//! They are shares, masks or masked values; the type does not print them, and wipes them when it goes. Bytes become
//! elements only through [`Words::elements`], which knows the field and the number expected, and refuses a value that
//! is not below the modulus.

use std::fmt;

use polyyne_engine::field::{ELEMENT_BYTES, Field as _, Fp, PrimeField};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use crate::canonical;
use crate::id::Digest;

/// Encoded field elements.
#[derive(Clone, Default)]
pub struct Words(Zeroizing<Vec<u8>>);

/// Why bytes are not the expected elements. Never says what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("{got} field elements where {expected} are expected")]
    Count { expected: usize, got: usize },
    #[error("not a whole number of field elements")]
    Length,
    #[error("a field element that is not below the modulus")]
    NotCanonical,
}

impl Words {
    /// Encodes elements.
    pub fn of(field: &PrimeField, elements: &[Fp]) -> Self {
        let mut bytes = Zeroizing::new(Vec::new());
        field.encode(elements, &mut bytes);
        Self(bytes)
    }

    /// Encodes one element.
    pub fn one(field: &PrimeField, element: Fp) -> Self {
        Self::of(field, &[element])
    }

    /// Exactly `expected` elements.
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn elements(&self, field: &PrimeField, expected: usize) -> Result<Zeroizing<Vec<Fp>>, WordsError> {
        if !self.0.len().is_multiple_of(ELEMENT_BYTES) {
            return Err(WordsError::Length);
        }
        if self.count() != expected {
            return Err(WordsError::Count { expected, got: self.count() });
        }
        field.decode(&self.0).map(Zeroizing::new).ok_or(WordsError::NotCanonical)
    }

    /// Exactly one element.
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn element(&self, field: &PrimeField) -> Result<Fp, WordsError> {
        self.elements(field, 1).map(|elements| elements[0])
    }

    /// How many elements there are, a part of one not counted.
    pub fn count(&self) -> usize {
        self.0.len() / ELEMENT_BYTES
    }

    /// The digest of the bytes: for masked values, which are no secret.
    pub fn digest(&self) -> Digest {
        canonical::hash_parts("words", &[&self.0])
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} elements)", self.count())
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByteBuf::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes.into_vec())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(bytes: &[u8]) -> Words {
        Words(Zeroizing::new(bytes.to_vec()))
    }

    #[test]
    fn only_exact_canonical_elements_decode() {
        let field = PrimeField::carbyne();
        assert_eq!(raw(&[1; 15]).elements(&field, 1).err(), Some(WordsError::Length));
        assert_eq!(raw(&[1; 17]).elements(&field, 1).err(), Some(WordsError::Length));
        let count = WordsError::Count { expected: 1, got: 0 };
        assert_eq!(raw(&[]).elements(&field, 1).err(), Some(count));
        assert_eq!(raw(&[0; 16]).elements(&field, 2).err(), Some(WordsError::Count { expected: 2, got: 1 }));
        let modulus = field.modulus();
        assert_eq!(raw(&modulus.to_le_bytes()).element(&field).err(), Some(WordsError::NotCanonical));
        assert_eq!(raw(&[0xff; 16]).element(&field).err(), Some(WordsError::NotCanonical));
        assert!(raw(&(modulus - 1).to_le_bytes()).element(&field).is_ok());
    }

    #[test]
    fn debug_shows_no_element() {
        let words = raw(&[0xab; 32]);
        assert_eq!(format!("{words:?}"), "Words(2 elements)");
    }

    proptest! {
        #[test]
        fn elements_survive(values: Vec<u64>) {
            let field = PrimeField::carbyne();
            let elements: Vec<Fp> = values.iter().map(|&v| field.element(u128::from(v))).collect();
            let words = Words::of(&field, &elements);
            let bytes = canonical::encode(&words);
            let back: Words = canonical::decode(&bytes, 1 << 20).expect("canonical");
            let back = back.elements(&field, values.len()).expect("elements");
            prop_assert!(*back == elements);
        }
    }
}

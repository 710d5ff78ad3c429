//! The fields beside the prime one: each has a MAC key of its own under the cloud's key epoch.
//!
//! A member draws its share of such a key when it is first needed. All keys of an epoch end together: checks over all
//! fields stand in one queue, and one that fails burns them all, so that a key is never used beside a burned one.

use crate::castor::{Over, TupleKind};
use polyyne_engine::bit_tuples::mac_field;
use polyyne_engine::field::BinaryField;

/// A field beside the prime one, with its MAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// GF(2^40).
    Gf40,
    /// GF(2^128).
    Gf128,
    /// Shared bits, with MACs in a field of 128 bits under another key than [`Side::Gf128`].
    Bits,
}

/// What a field is called on disk: 0 is the prime field, see [`Side::byte`].
pub fn field_byte(side: Option<Side>) -> u8 {
    side.map_or(0, Side::byte)
}

impl Side {
    /// Never changes its meaning.
    pub fn byte(self) -> u8 {
        match self {
            Side::Gf40 => 40,
            Side::Gf128 => 128,
            Side::Bits => 1,
        }
    }

    /// What [`Self::byte`] gave.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Side::Gf40, Side::Gf128, Side::Bits].into_iter().find(|side| side.byte() == byte)
    }

    /// GF(2^degree), where a cloud has tuples over it.
    pub fn of_degree(degree: u32) -> Option<Self> {
        [Side::Gf40, Side::Gf128].into_iter().find(|side| u32::from(side.byte()) == degree)
    }

    /// What tuples of a kind need beside the prime field.
    pub fn of(kind: TupleKind) -> Option<Self> {
        match kind.over() {
            Over::Prime => None,
            Over::Binary(degree) => Self::of_degree(degree),
            Over::Bits => Some(Side::Bits),
        }
    }

    /// The field that values and MACs live in.
    pub fn field(self) -> BinaryField {
        match self {
            Side::Gf40 | Side::Gf128 => BinaryField::new(self.byte().into()).expect("both degrees exist"),
            Side::Bits => mac_field(),
        }
    }
}

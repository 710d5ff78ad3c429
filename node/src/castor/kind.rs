//! Kinds of tuples: a code that never changes its meaning, and how many authenticated elements one tuple has.

use serde::{Deserialize, Serialize};

/// A kind of tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TupleKind {
    /// Part of the row key and of what members sign.
    pub code: u16,
    /// Authenticated elements per tuple, at least 1.
    pub arity: u8,
}

impl TupleKind {
    /// (a, b, ab)
    pub const TRIPLE: Self = Self { code: 1, arity: 3 };
    /// (a, a²)
    pub const SQUARE: Self = Self { code: 2, arity: 2 };
    /// (a, a⁻¹)
    pub const INVERSE: Self = Self { code: 3, arity: 2 };
    /// A random bit.
    pub const BIT: Self = Self { code: 4, arity: 1 };
    /// A random element, known to nobody.
    pub const RANDOM: Self = Self { code: 5, arity: 1 };

    /// The kinds that exist today.
    pub const ALL: [Self; 5] = [Self::TRIPLE, Self::SQUARE, Self::INVERSE, Self::BIT, Self::RANDOM];

    /// The kind with this code, if it is known here.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code == code)
    }

    /// The name that operators see.
    pub fn name(self) -> String {
        match self.code {
            1 => "triple".to_owned(),
            2 => "square".to_owned(),
            3 => "inverse".to_owned(),
            4 => "bit".to_owned(),
            5 => "random".to_owned(),
            code => format!("kind {code}"),
        }
    }
}

//! Kinds of tuples: a code that never changes its meaning, and how many authenticated elements one tuple has.

use serde::{Deserialize, Serialize};

/// What tuples are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Prime,
    /// GF(2^degree).
    Binary(u32),
    /// Bits, the MACs of which are in a field of their own, and which may be over the prime field too.
    Bits,
}

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

    /// Bits (a, b, a∧b).
    pub const AND_TRIPLE: Self = Self { code: 0x0201, arity: 3 };
    /// A random bit, with its MAC in a large field.
    pub const SHARED_BIT: Self = Self { code: 0x0204, arity: 1 };
    /// The same random bit over the prime field and as a shared bit.
    pub const DABIT: Self = Self { code: 0x0206, arity: 2 };

    /// The kinds over the prime field.
    pub const PRIME: [Self; 5] = [Self::TRIPLE, Self::SQUARE, Self::INVERSE, Self::BIT, Self::RANDOM];

    /// The kinds that exist today.
    pub const ALL: [Self; 18] = {
        let mut all = [Self::AND_TRIPLE; 18];
        let mut k = 0;
        while k < 5 {
            all[k] = Self::PRIME[k];
            all[5 + k] = Self::PRIME[k].over_binary(40);
            all[10 + k] = Self::PRIME[k].over_binary(128);
            k += 1;
        }
        [all[16], all[17]] = [Self::SHARED_BIT, Self::DABIT];
        all
    };

    /// A kind of the prime field over GF(2^degree).
    pub const fn over_binary(self, degree: u16) -> Self {
        Self { code: degree << 8 | self.code, arity: self.arity }
    }

    /// What tuples of this kind are over.
    pub fn over(self) -> Over {
        match self.code >> 8 {
            0 => Over::Prime,
            2 => Over::Bits,
            degree => Over::Binary(degree.into()),
        }
    }

    /// The kind with this code, if it is known here.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code == code)
    }

    /// The name that operators see.
    pub fn name(self) -> String {
        match self.over() {
            Over::Prime => {}
            Over::Binary(degree) => return format!("gf{degree}-{}", Self { code: self.code & 0xff, ..self }.name()),
            Over::Bits => {
                let names =
                    [(Self::AND_TRIPLE, "and-triple"), (Self::SHARED_BIT, "shared-bit"), (Self::DABIT, "dabit")];
                let found = names.into_iter().find(|(kind, _)| *kind == self);
                return found.map_or_else(|| format!("kind {}", self.code), |(_, name)| name.to_owned());
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_names_are_distinct_and_lead_back() {
        let codes: BTreeSet<u16> = TupleKind::ALL.iter().map(|kind| kind.code).collect();
        let names: BTreeSet<String> = TupleKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!((codes.len(), names.len()), (18, 18), "{names:?}");
        assert!(TupleKind::ALL.iter().all(|kind| TupleKind::from_code(kind.code) == Some(*kind)));
        assert_eq!(TupleKind::SQUARE.over_binary(40).name(), "gf40-square");
        assert_eq!(TupleKind::SQUARE.over_binary(40).over(), Over::Binary(40));
    }
}

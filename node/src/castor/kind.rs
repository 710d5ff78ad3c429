//! Kinds of tuples: a code that never changes its meaning, and how many authenticated elements one tuple has.
//!
//! Most kinds exist in every cloud. Those with a parameter (edaBits of so many bits) exist where the cloud's record
//! names them among what is kept in stock.

use polyyne_protocol::limits::{CHUNK_MAX, MEMBERS_MAX, ROW_TUPLES};
use serde::{Deserialize, Serialize};

/// Set in the code of kinds that one member knows; the bits below it are that member's rank.
const MASK: u16 = 0x80;
/// In the code of edaBits; the bits below it are their length.
const EDABIT: u16 = 0x0300;
/// Bits of an edaBit in stock, at most.
const EDABIT_BITS_MAX: u32 = 127;

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
    pub arity: u16,
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

    /// The kinds that nobody knows the values of.
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

    /// A random element that the member of this rank knows; the value stands beside the share, and is 0 at the others.
    /// A pool of its own for each member. Over bits, a random bit.
    ///
    /// # Panics
    /// If no cloud has so many members.
    pub fn mask(owner: usize) -> Self {
        assert!(owner < MEMBERS_MAX, "a member's rank");
        Self { code: MASK | owner as u16, arity: 2 }
    }

    /// [`Self::mask`] of one bit.
    pub fn bit_mask(owner: usize) -> Self {
        Self::mask(owner).over_binary(2)
    }

    /// A random number below 2^bits over the prime field, and its bits as shared bits; `None` where there is no such
    /// kind.
    pub fn edabit(bits: u32) -> Option<Self> {
        let low = u16::try_from(bits).ok().filter(|_| (1..=EDABIT_BITS_MAX).contains(&bits))?;
        Some(Self { code: EDABIT | low, arity: 1 + low })
    }

    /// The bits of an edaBit.
    pub fn edabit_bits(self) -> Option<u32> {
        let bits = u32::from(self.code & !EDABIT);
        (self.code & 0xff00 == EDABIT && Self::edabit(bits) == Some(self)).then_some(bits)
    }

    /// Whether it is made of bits over both fields, which takes a large prime.
    pub fn is_of_dabits(self) -> bool {
        self == Self::DABIT || self.edabit_bits().is_some()
    }

    /// The kind with a parameter that has this name, such as `edabit-64`.
    pub fn with_parameter(name: &str) -> Option<Self> {
        let kind = Self::edabit(name.strip_prefix("edabit-")?.parse().ok()?)?;
        (kind.name() == name).then_some(kind)
    }

    /// Tuples in a chunk, at most: of wide kinds fewer, so that a batch is no more work than one of others.
    pub fn chunk_max(self) -> usize {
        let bits = self.edabit_bits().map_or(1, |bits| bits.next_power_of_two() as usize);
        (CHUNK_MAX / bits).max(ROW_TUPLES)
    }

    /// Who knows the value, if somebody does.
    pub fn owner(self) -> Option<usize> {
        (self.code & MASK != 0).then_some(usize::from(self.code & (MASK - 1)))
    }

    /// The kinds that every cloud of so many members has.
    pub fn in_cloud(members: usize) -> Vec<Self> {
        let masks = (0..members).map(Self::mask);
        let masks = masks.flat_map(|mask| [mask, mask.over_binary(40), mask.over_binary(128), mask.over_binary(2)]);
        Self::ALL.into_iter().chain(masks).collect()
    }

    /// A kind of the prime field over GF(2^degree).
    pub const fn over_binary(self, degree: u16) -> Self {
        Self { code: degree << 8 | self.code, arity: self.arity }
    }

    /// What tuples of this kind are over.
    pub fn over(self) -> Over {
        match self.code >> 8 {
            0 => Over::Prime,
            2 | 3 => Over::Bits,
            degree => Over::Binary(degree.into()),
        }
    }

    /// The kind with this code, if it is known here.
    pub fn from_code(code: u16) -> Option<Self> {
        let edabit = Self::edabit(u32::from(code & !EDABIT));
        Self::in_cloud(MEMBERS_MAX).into_iter().chain(edabit).find(|kind| kind.code == code)
    }

    /// The kind with this name, if there is one in any cloud.
    pub fn named(name: &str) -> Option<Self> {
        let every = || Self::in_cloud(MEMBERS_MAX).into_iter().find(|kind| kind.name() == name);
        Self::with_parameter(name).or_else(every)
    }

    /// The name under which a rule in the cloud's record covers this kind: its own, or for masks that of all members'.
    pub fn family(self) -> String {
        let name = self.name();
        match self.owner() {
            Some(owner) => name.trim_end_matches(&format!("-{owner}")).to_owned(),
            None => name,
        }
    }

    /// The name that operators see.
    pub fn name(self) -> String {
        if let Some(bits) = self.edabit_bits() {
            return format!("edabit-{bits}");
        }
        let bare = Self { code: self.code & 0xff, ..self };
        match self.over() {
            Over::Prime => {}
            Over::Binary(degree) => return format!("gf{degree}-{}", bare.name()),
            Over::Bits if self.owner().is_some() => return format!("bit-{}", bare.name()),
            Over::Bits => {
                let names =
                    [(Self::AND_TRIPLE, "and-triple"), (Self::SHARED_BIT, "shared-bit"), (Self::DABIT, "dabit")];
                let found = names.into_iter().find(|(kind, _)| *kind == self);
                return found.map_or_else(|| format!("kind {}", self.code), |(_, name)| name.to_owned());
            }
        }
        if let Some(owner) = self.owner() {
            return format!("mask-{owner}");
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

    #[test]
    fn masks_name_who_knows_them_and_lead_back() {
        let all = TupleKind::in_cloud(MEMBERS_MAX);
        let codes: BTreeSet<u16> = all.iter().map(|kind| kind.code).collect();
        let names: BTreeSet<String> = all.iter().map(|kind| kind.name()).collect();
        assert_eq!((codes.len(), names.len()), (18 + 4 * MEMBERS_MAX, 18 + 4 * MEMBERS_MAX), "{names:?}");
        assert!(all.iter().all(|kind| TupleKind::from_code(kind.code) == Some(*kind)));
        assert!(all.iter().all(|kind| TupleKind::named(&kind.name()) == Some(*kind)));
        assert!(TupleKind::ALL.iter().all(|kind| kind.owner().is_none() && kind.family() == kind.name()));
        for (kind, name, family, over) in [
            (TupleKind::mask(1), "mask-1", "mask", Over::Prime),
            (TupleKind::mask(11).over_binary(40), "gf40-mask-11", "gf40-mask", Over::Binary(40)),
            (TupleKind::mask(0).over_binary(128), "gf128-mask-0", "gf128-mask", Over::Binary(128)),
            (TupleKind::bit_mask(15), "bit-mask-15", "bit-mask", Over::Bits),
        ] {
            assert_eq!((kind.name().as_str(), kind.family().as_str(), kind.over()), (name, family, over));
        }
        assert_eq!(TupleKind::bit_mask(15).owner(), Some(15));
    }

    #[test]
    fn edabits_of_every_length_have_codes_and_names_of_their_own() {
        let edabits: Vec<TupleKind> = (1..=EDABIT_BITS_MAX).map(|bits| TupleKind::edabit(bits).unwrap()).collect();
        let all: Vec<TupleKind> = TupleKind::in_cloud(MEMBERS_MAX).into_iter().chain(edabits.clone()).collect();
        let codes: BTreeSet<u16> = all.iter().map(|kind| kind.code).collect();
        let names: BTreeSet<String> = all.iter().map(|kind| kind.name()).collect();
        assert_eq!((codes.len(), names.len()), (all.len(), all.len()));
        for (kind, bits) in edabits.into_iter().zip(1..) {
            assert_eq!((kind.edabit_bits(), kind.arity, kind.over()), (Some(bits), 1 + bits as u16, Over::Bits));
            assert_eq!(TupleKind::named(&kind.name()), Some(kind));
            assert_eq!((TupleKind::from_code(kind.code), kind.owner()), (Some(kind), None));
            assert_eq!(kind.family(), kind.name());
            assert!(kind.chunk_max().is_multiple_of(ROW_TUPLES) && kind.chunk_max() <= CHUNK_MAX);
        }
        assert_eq!(TupleKind::edabit(64).map(|kind| (kind.code, kind.chunk_max())), Some((0x0340, ROW_TUPLES)));
        assert!(TupleKind::ALL.iter().all(|kind| kind.edabit_bits().is_none() && kind.chunk_max() == CHUNK_MAX));
        for name in ["edabit-0", "edabit-128", "edabit-064", "edabit-+1", "edabit-", "edabit", "dabit", "triple"] {
            assert_eq!(TupleKind::with_parameter(name), None, "{name}");
        }
    }
}

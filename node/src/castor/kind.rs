//! Kinds of tuples: a code that never changes its meaning, and how many authenticated elements one tuple has.
//!
//! Most kinds exist in every cloud. Those with a parameter (edaBits of so many bits, matrix triples of a shape) exist
//! where the cloud's record names them among what is kept in stock.

use polyyne_engine::tuples::Shape;
use polyyne_protocol::limits::{CHUNK_MAX, MEMBERS_MAX, ROW_TUPLES};
use serde::{Deserialize, Serialize};

/// Set in the code of kinds that one member knows; the bits below it are that member's rank.
const MASK: u16 = 0x80;
/// In the code of edaBits; the bits below it are their length.
const EDABIT: u16 = 0x0300;
/// Bits of an edaBit in stock, at most.
const EDABIT_BITS_MAX: u32 = 127;
/// In the code of matrix triples; below it stands the shape, which [`SIDES`] makes a number of three digits.
const MATRIX: u16 = 0x4000;
const MATRIX_END: u16 = MATRIX + (SIDES.len() * SIDES.len() * SIDES.len()) as u16;
/// Rows and columns that matrices in stock can have. The order never changes.
const SIDES: [u8; 25] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 24, 28, 32, 48, 50, 64, 100, 128];
/// Multiplications in one product, at most: a single tuple is a batch of moderate size.
const MULTIPLICATIONS_MAX: usize = 1 << 17;

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

    /// Matrices A, B and A·B, row by row; `None` where there is no such kind.
    pub fn matrix(shape: Shape) -> Option<Self> {
        let digit = |side: usize| SIDES.iter().position(|&known| usize::from(known) == side);
        let digits = [digit(shape.rows)?, digit(shape.inner)?, digit(shape.columns)?];
        let number = digits.into_iter().fold(0, |number, digit| number * SIDES.len() + digit);
        let kind = Self { code: MATRIX + number as u16, arity: u16::try_from(shape.elements()).ok()? };
        (shape.multiplications() <= MULTIPLICATIONS_MAX).then_some(kind)
    }

    /// The shape of a matrix triple.
    pub fn shape(self) -> Option<Shape> {
        Self::shape_of(self.code).filter(|&shape| Self::matrix(shape) == Some(self))
    }

    fn shape_of(code: u16) -> Option<Shape> {
        let number = usize::from(code.checked_sub(MATRIX).filter(|_| code < MATRIX_END)?);
        let side = |number: usize| usize::from(SIDES[number % SIDES.len()]);
        let (rows, inner) = (side(number / SIDES.len() / SIDES.len()), side(number / SIDES.len()));
        Some(Shape { rows, inner, columns: side(number) })
    }

    /// Whether it is made of bits over both fields, which takes a large prime.
    pub fn is_of_dabits(self) -> bool {
        self == Self::DABIT || self.edabit_bits().is_some()
    }

    /// The kind with a parameter that has this name, such as `edabit-64` or `matrix-2x3x4`.
    pub fn with_parameter(name: &str) -> Option<Self> {
        let kind = match name.split_once('-')? {
            ("edabit", bits) => Self::edabit(bits.parse().ok()?)?,
            ("matrix", shape) => {
                let sides: Option<Vec<usize>> = shape.split('x').map(|side| side.parse().ok()).collect();
                let [rows, inner, columns] = sides?.try_into().ok()?;
                Self::matrix(Shape { rows, inner, columns })?
            }
            _ => return None,
        };
        (kind.name() == name).then_some(kind)
    }

    /// Tuples in a chunk, at most: of wide kinds fewer, so that a batch is no more work than one of others.
    pub fn chunk_max(self) -> usize {
        let (work, least) = match (self.edabit_bits(), self.shape()) {
            (Some(bits), _) => (bits as usize, ROW_TUPLES),
            (_, Some(shape)) => (shape.multiplications(), 1),
            (None, None) => (1, CHUNK_MAX),
        };
        (CHUNK_MAX / work.next_power_of_two()).max(least)
    }

    /// Tuples in a row of the store.
    pub fn row_tuples(self) -> usize {
        ROW_TUPLES.min(self.chunk_max())
    }

    /// Who knows the value, if somebody does.
    pub fn owner(self) -> Option<usize> {
        (self.code & MASK != 0 && self.shape().is_none()).then_some(usize::from(self.code & (MASK - 1)))
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
            _ if self.shape().is_some() => Over::Prime,
            degree => Over::Binary(degree.into()),
        }
    }

    /// The kind with this code, if it is known here.
    pub fn from_code(code: u16) -> Option<Self> {
        let edabit = Self::edabit(u32::from(code & !EDABIT));
        let matrix = Self::shape_of(code).and_then(Self::matrix);
        Self::in_cloud(MEMBERS_MAX).into_iter().chain(edabit).chain(matrix).find(|kind| kind.code == code)
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
        if let Some(Shape { rows, inner, columns }) = self.shape() {
            return format!("matrix-{rows}x{inner}x{columns}");
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
    fn matrix_triples_of_every_shape_have_codes_and_names_of_their_own() {
        let sides = || SIDES.map(usize::from).into_iter();
        let pairs = sides().flat_map(|rows| sides().map(move |inner| (rows, inner)));
        let shapes = pairs.flat_map(|(rows, inner)| sides().map(move |columns| Shape { rows, inner, columns }));
        let known: Vec<(Shape, TupleKind)> =
            shapes.filter_map(|shape| Some((shape, TupleKind::matrix(shape)?))).collect();
        assert!(known.len() > 14_000 && known.len() < SIDES.len().pow(3), "{}", known.len());
        let edabits = (1..=EDABIT_BITS_MAX).map(|bits| TupleKind::edabit(bits).unwrap());
        let others = TupleKind::in_cloud(MEMBERS_MAX).into_iter().chain(edabits);
        let codes: BTreeSet<u16> = known.iter().map(|(_, kind)| *kind).chain(others).map(|kind| kind.code).collect();
        assert_eq!(codes.len(), known.len() + 18 + 4 * MEMBERS_MAX + EDABIT_BITS_MAX as usize);
        for (shape, kind) in known {
            assert_eq!((kind.shape(), kind.over(), kind.owner()), (Some(shape), Over::Prime, None));
            assert_eq!(usize::from(kind.arity), shape.elements());
            let Shape { rows, inner, columns } = shape;
            let name = format!("matrix-{rows}x{inner}x{columns}");
            assert_eq!((kind.name(), kind.family()), (name.clone(), name.clone()));
            assert_eq!(TupleKind::with_parameter(&name), Some(kind));
            assert!(kind.chunk_max().is_multiple_of(kind.row_tuples()));
            assert!(kind.chunk_max() == 1 || kind.chunk_max() * shape.multiplications() <= CHUNK_MAX);
        }
        let shape = |rows, inner, columns| TupleKind::matrix(Shape { rows, inner, columns });
        assert_eq!(shape(1, 1, 1).map(|kind| (kind.code, kind.row_tuples())), Some((0x4000, ROW_TUPLES)));
        assert_eq!(shape(10, 10, 10).map(|kind| (kind.code, kind.row_tuples())), Some((0x4000 + 9 * 651, 4)));
        assert_eq!(TupleKind::from_code(0x4000 + 9 * 651), shape(10, 10, 10));
        assert_eq!((shape(17, 1, 1), shape(128, 128, 128), shape(0, 1, 1)), (None, None, None));
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
        for name in [
            "matrix-2x3",
            "matrix-2x3x4x5",
            "matrix-17x1x1",
            "matrix-128x128x128",
            "matrix-02x1x1",
            "edabit-0",
            "edabit-128",
            "edabit-064",
            "edabit-+1",
            "edabit-",
            "edabit",
            "dabit",
            "triple",
        ] {
            assert_eq!(TupleKind::with_parameter(name), None, "{name}");
        }
    }
}

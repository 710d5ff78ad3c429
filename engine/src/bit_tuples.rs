//! Authenticated bits: what the Boolean instructions of the machine spend, and a dealer of them.
//!
//! A shared bit is a sharing over GF(2^128) of 0 or 1 whose value shares are bits themselves: xᵢ ∈ {0, 1} with ⊕xᵢ = x,
//! and MAC shares γᵢ ∈ GF(2^128) with Σγᵢ = α·x. Openings take one bit, MACs have the strength of the large field. Any
//! sharing of a bit over GF(2^128) becomes one by keeping the lowest bit of each value share.

mod pool;

pub use pool::BitPool;

use crate::dealer::Dealer;
use crate::digest::Transcript;
use crate::field::{BinaryField, Field, Gf2n, PrimeField};
use crate::port::Rng;
use crate::share::{BitShares, BitVec, MacKeyShare, Shares};
use crate::tuples::{InputMasks, Triples};
use rand_core::{Rng as _, SeedableRng};
use std::collections::BTreeMap;
use thiserror::Error;

/// What a bit tuple is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BitKind {
    /// Bits (a, b, a∧b).
    Triple,
    /// A bit that nobody knows.
    Bit,
    /// A bit that one party knows.
    InputMask,
    /// The same bit over the prime field and over GF(2).
    DaBit,
    /// An integer below 2^bits over the prime field, and its bits over GF(2).
    EdaBit { bits: u32 },
}

impl std::fmt::Display for BitKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Triple => f.write_str("AND triple"),
            Self::Bit => f.write_str("bit over GF(2)"),
            Self::InputMask => f.write_str("mask of one bit"),
            Self::DaBit => f.write_str("daBit"),
            Self::EdaBit { bits } => write!(f, "edaBit of {bits} bits"),
        }
    }
}

#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("{wanted} bit tuples ({kind}) are needed and {left} are left")]
pub struct BitShortage {
    pub kind: BitKind,
    pub wanted: usize,
    pub left: usize,
}

/// How many bit tuples of each kind but input masks, which have an owner.
pub type BitCounts = BTreeMap<BitKind, usize>;

/// c = a∧b, element-wise.
pub struct AndTriples {
    pub a: BitShares,
    pub b: BitShares,
    pub c: BitShares,
}

impl From<Triples<BinaryField>> for AndTriples {
    fn from(triples: Triples<BinaryField>) -> Self {
        let [a, b, c] = triples.into_columns().map(BitShares::from);
        Self { a, b, c }
    }
}

/// Masks of one bit with the clear ones at the party that knows them.
pub struct BitMasks {
    pub shares: BitShares,
    pub clear: Option<BitVec>,
}

impl From<InputMasks<BinaryField>> for BitMasks {
    fn from(masks: InputMasks<BinaryField>) -> Self {
        let clear = masks.clear.map(|clear| clear.iter().map(|mask| mask.lowest()).collect());
        Self { shares: masks.shares.into(), clear }
    }
}

/// The same bits in both worlds.
pub struct DaBits {
    pub arithmetic: Shares<PrimeField>,
    pub binary: BitShares,
}

/// Integers over the prime field with their bits.
pub struct EdaBits {
    pub arithmetic: Shares<PrimeField>,
    /// A vector for each position, least significant first.
    pub bits: Vec<BitShares>,
}

impl EdaBits {
    /// Integers of `bits` bits from as many daBits each: those of all integers' lowest bits first, and so on.
    ///
    /// # Panics
    /// If there are not whole integers.
    pub fn of(field: &PrimeField, dabits: &DaBits, bits: u32) -> Self {
        let count = dabits.arithmetic.len().checked_div(bits as usize).unwrap_or(0);
        assert_eq!(dabits.arithmetic.len(), count * bits as usize, "a daBit for each bit");
        let mut edabits = Self { arithmetic: Shares::zeros(field, count), bits: Vec::with_capacity(bits as usize) };
        for k in 0..bits as usize {
            let column = k * count..(k + 1) * count;
            let weighted = dabits.arithmetic.slice(column.clone()).scale_all(field, field.weight(k as u32));
            edabits.arithmetic = edabits.arithmetic.add(field, &weighted);
            edabits.bits.push(dabits.binary.slice(column));
        }
        edabits
    }
}

/// A source that gives every tuple once; see [`crate::tuples::Tuples`].
pub trait BitTuples: Send {
    fn triples(&mut self, count: usize) -> Result<AndTriples, BitShortage>;
    fn bits(&mut self, count: usize) -> Result<BitShares, BitShortage>;
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<BitMasks, BitShortage>;
    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage>;
    /// Integers of exactly this range: they serve where a program asks for loose ones too.
    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage>;

    /// Sets tuples apart for an independent user; see [`crate::tuples::Tuples::split`].
    fn split(&mut self, counts: &BitCounts) -> Result<Box<dyn BitTuples>, BitShortage> {
        let mut part = BitPool::default();
        for (&kind, &count) in counts.iter().filter(|(_, count)| **count > 0) {
            match kind {
                BitKind::Triple => part.add_triples(self.triples(count)?),
                BitKind::Bit => part.add_bits(self.bits(count)?),
                BitKind::DaBit => part.add_dabits(self.dabits(count)?),
                BitKind::EdaBit { bits } => part.add_edabits(self.edabits(bits, count)?),
                BitKind::InputMask => panic!("input masks are not set apart"),
            }
        }
        Ok(Box::new(part))
    }
}

/// The field that MACs of bits live in.
pub fn mac_field() -> BinaryField {
    BinaryField::new(128).expect("128 is a supported degree")
}

/// A dealer of bit tuples, for tests and for commands that hold all parties anyway; see [`crate::dealer`].
pub struct BitDealer {
    field: BinaryField,
    alphas: Vec<Gf2n>,
    prime: Dealer<PrimeField>,
    rng: Rng,
    party: usize,
}

impl BitDealer {
    /// The source of one party. All parties' sources fit together while they take the same kinds and counts in the same
    /// order; `prime` is the dealer of the prime field that daBits are shared in too.
    pub fn new(prime: &Dealer<PrimeField>, n: usize, party: usize, seed: [u8; 32]) -> Self {
        let field = mac_field();
        let mut rng = Rng::from_seed(Transcript::new("dealer/bits").bytes(&seed).finish());
        let alphas = field.random_vec(&mut rng, n);
        Self { field, alphas, prime: prime.clone(), rng, party }
    }

    /// This party's MAC key share for bits.
    pub fn key(&self) -> MacKeyShare<BinaryField> {
        MacKeyShare::new(self.alphas[self.party], self.party == 0)
    }

    fn random_bits(&mut self, count: usize) -> Vec<bool> {
        (0..count).map(|_| self.rng.next_u32() & 1 == 1).collect()
    }

    /// This party's shares of these bits.
    fn share(&mut self, bits: &[bool]) -> BitShares {
        let f = self.field;
        let alpha = f.sum(self.alphas.iter().copied());
        let mut own = BitShares::default();
        for &bit in bits {
            let (mut value, mut mac) = (bit, alpha.times_bit(bit.into()));
            let last = self.alphas.len() - 1;
            for party in 0..last {
                let share = (self.rng.next_u32() & 1 == 1, f.random(&mut self.rng));
                (value, mac) = (value ^ share.0, f.sub(mac, share.1));
                if party == self.party {
                    own.push(share.0, share.1);
                }
            }
            if self.party == last {
                own.push(value, mac);
            }
        }
        own
    }

    fn share_prime(&mut self, values: &[u128]) -> Shares<PrimeField> {
        let field = self.prime.field();
        let values: Vec<_> = values.iter().map(|&x| field.element(x)).collect();
        self.prime.share(&mut self.rng, &values).swap_remove(self.party)
    }
}

impl BitTuples for BitDealer {
    fn triples(&mut self, count: usize) -> Result<AndTriples, BitShortage> {
        let (a, b) = (self.random_bits(count), self.random_bits(count));
        let c: Vec<bool> = a.iter().zip(&b).map(|(&a, &b)| a && b).collect();
        Ok(AndTriples { a: self.share(&a), b: self.share(&b), c: self.share(&c) })
    }

    fn bits(&mut self, count: usize) -> Result<BitShares, BitShortage> {
        let bits = self.random_bits(count);
        Ok(self.share(&bits))
    }

    fn input_masks(&mut self, owner: usize, count: usize) -> Result<BitMasks, BitShortage> {
        let bits = self.random_bits(count);
        let shares = self.share(&bits);
        let clear = (owner == self.party).then(|| bits.into_iter().collect());
        Ok(BitMasks { shares, clear })
    }

    fn dabits(&mut self, count: usize) -> Result<DaBits, BitShortage> {
        let bits = self.random_bits(count);
        let values: Vec<u128> = bits.iter().map(|&bit| u128::from(bit)).collect();
        Ok(DaBits { arithmetic: self.share_prime(&values), binary: self.share(&bits) })
    }

    fn edabits(&mut self, bits: u32, count: usize) -> Result<EdaBits, BitShortage> {
        let columns: Vec<Vec<bool>> = (0..bits).map(|_| self.random_bits(count)).collect();
        let field = *self.prime.field();
        let weights: Vec<_> = (0..bits).map(|k| field.weight(k)).collect();
        let value =
            |lane| field.sum(columns.iter().zip(&weights).filter(|(bits, _)| bits[lane]).map(|(_, &weight)| weight));
        let values: Vec<_> = (0..count).map(value).collect();
        let arithmetic = self.prime.share(&mut self.rng, &values).swap_remove(self.party);
        Ok(EdaBits { arithmetic, bits: columns.iter().map(|column| self.share(column)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(n: usize) -> Vec<BitDealer> {
        let prime = crate::dealer::carbyne(n, 3);
        (0..n).map(|party| BitDealer::new(&prime, n, party, [9; 32])).collect()
    }

    /// The opened bits, if every MAC fits.
    fn open(dealers: &[BitDealer], shares: &[BitShares]) -> Vec<u128> {
        let f = mac_field();
        let alpha = f.sum(dealers[0].alphas.iter().copied());
        (0..shares[0].len())
            .map(|k| {
                let value = shares.iter().fold(false, |sum, share| sum ^ share.values.bit(k));
                let mac = f.sum(shares.iter().map(|share| share.macs[k]));
                assert_eq!(mac, alpha.times_bit(value.into()));
                value.into()
            })
            .collect()
    }

    #[test]
    fn triples_multiply_and_edabits_agree_in_both_worlds() {
        for n in [2, 3] {
            let mut dealers = all(n);
            let triples: Vec<_> = dealers.iter_mut().map(|dealer| dealer.triples(50).unwrap()).collect();
            let column =
                |get: &dyn Fn(&AndTriples) -> BitShares| open(&dealers, &triples.iter().map(get).collect::<Vec<_>>());
            let (a, b, c) = (column(&|t| t.a.clone()), column(&|t| t.b.clone()), column(&|t| t.c.clone()));
            assert!((0..50).all(|k| c[k] == a[k] & b[k]));

            let edabits: Vec<_> = dealers.iter_mut().map(|dealer| dealer.edabits(9, 4).unwrap()).collect();
            let field = PrimeField::carbyne();
            for lane in 0..4 {
                let bits = (0..9).map(|k| {
                    let column: Vec<_> = edabits.iter().map(|edabit| edabit.bits[k].clone()).collect();
                    open(&dealers, &column)[lane] << k
                });
                let value = field.sum(edabits.iter().map(|edabit| edabit.arithmetic.values[lane]));
                assert_eq!(field.to_u128(value), bits.sum::<u128>());
            }
        }
    }
}

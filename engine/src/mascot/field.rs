//! What MASCOT needs of a field beyond its arithmetic.

use super::gf128::Wide;
use super::simd::{self, Kernel, Limbs};
use crate::field::{BinaryField, Field, Fp, Gf2n, PrimeField};
use crate::from_triples::PublicMaths;
use crate::prg::StreamBlock;

/// A field that MASCOT can generate for: what differs between prime and binary fields.
///
/// Sums of many PRG outputs stay unreduced as long as they can, in [`Limbs`] of 32 bits in words of 64:
/// whoever adds them up sees to it that no limb reaches 2^63. In characteristic 2 a limb is a polynomial, "2^32"
/// stands for X^32, and sums carry nothing. An integer has an element ([`Self::reduce`]) by a linear map of the field's
/// choice, the same everywhere.
pub trait MascotField: PublicMaths {
    /// Whether 1 + 1 = 0: random bits are then authenticated as bits, and there are no signs to take roots for.
    fn is_binary(&self) -> bool;
    /// 256 uniform bits for [`Self::accumulate`].
    fn limbs(&self, words: [u128; 2]) -> Limbs;
    /// For 2^k leaves of `sums.len()` values, leaf after leaf, 256 uniform bits each: writes the sums
    /// over the leaves, below 2^(32+k) in a limb, and the sums weighted with the leaf's number, below
    /// 2^(31+2k).
    fn sum_leaves(&self, words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]);
    /// `limbs` and the element with this representation ([`Field::to_raw`]), whose limbs are below 2^32.
    fn with_raw(&self, limbs: &Limbs, raw: u128) -> Limbs;
    /// Adds `limbs` times a digit and 2^shift.
    fn accumulate(&self, sum: &mut Limbs, limbs: &Limbs, digit: u32, shift: u32);
    /// The element of a sum.
    fn reduce(&self, limbs: &Limbs) -> Self::Element;
    /// placeᵢ := the encoding ([`Self::encode_raw`]) of xᵢ − yᵢ + b, for 256 bits each of x and y.
    fn mask_all(&self, places: &mut [[u8; 16]], xy: [&[[u128; 2]]; 2], b: Self::Element);
    /// placeᵢ := the encoding of aᵢ + sumᵢ.
    fn add_sums(&self, places: &mut [[u8; 16]], sums: &[Limbs], a: &[Self::Element]);
    /// A canonical encoding for bulk messages that is as cheap as can be.
    fn encode_raw(&self, a: Self::Element) -> [u8; 16];
    /// Strict: anything but a canonical encoding is `None`.
    fn decode_raw(&self, bytes: [u8; 16]) -> Option<Self::Element>;
}

/// 256 bits in limbs.
#[inline(always)]
fn to_limbs(words: [u128; 2]) -> Limbs {
    let bytes = words.map(u128::to_le_bytes);
    let limbs = bytes.as_flattened().as_chunks::<4>().0;
    std::array::from_fn(|k| u32::from_le_bytes(limbs[k]) as u64)
}

impl MascotField for PrimeField {
    fn is_binary(&self) -> bool {
        false
    }

    #[inline(always)]
    fn limbs(&self, words: [u128; 2]) -> Limbs {
        to_limbs(words)
    }

    fn sum_leaves(&self, words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]) {
        simd::sum_leaves(words, sums, weighted);
    }

    /// At the place of 2^128, see [`PrimeField::scaled_sum`].
    #[inline(always)]
    fn with_raw(&self, limbs: &Limbs, raw: u128) -> Limbs {
        let raw = to_limbs([0, raw]);
        std::array::from_fn(|k| limbs[k].wrapping_add(raw[k]))
    }

    #[inline(always)]
    fn accumulate(&self, sum: &mut Limbs, limbs: &Limbs, digit: u32, shift: u32) {
        for (sum, limb) in sum.iter_mut().zip(limbs) {
            *sum = sum.wrapping_add(limb.wrapping_mul(digit as u64).wrapping_shl(shift));
        }
    }

    #[inline(always)]
    fn reduce(&self, limbs: &Limbs) -> Fp {
        self.scaled_sum(limbs)
    }

    fn mask_all(&self, places: &mut [[u8; 16]], xy: [&[[u128; 2]]; 2], b: Fp) {
        PrimeField::mask_all(self, places, xy, b);
    }

    fn add_sums(&self, places: &mut [[u8; 16]], sums: &[Limbs], a: &[Fp]) {
        PrimeField::add_sums(self, places, sums, a);
    }

    /// The Montgomery representation with R = 2^128, little endian.
    #[inline(always)]
    fn encode_raw(&self, a: Fp) -> [u8; 16] {
        self.to_montgomery(a).to_le_bytes()
    }

    #[inline(always)]
    fn decode_raw(&self, bytes: [u8; 16]) -> Option<Fp> {
        self.from_montgomery(u128::from_le_bytes(bytes))
    }
}

/// Of 256 uniform bits the lowest are taken, as many as the degree; the rest is not needed.
impl MascotField for BinaryField {
    fn is_binary(&self) -> bool {
        true
    }

    #[inline(always)]
    fn limbs(&self, words: [u128; 2]) -> Limbs {
        to_limbs([self.to_bits(self.cut(words[0])), 0])
    }

    fn sum_leaves(&self, words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]) {
        simd::run(XorLeaves { field: self, words, sums, weighted });
    }

    #[inline(always)]
    fn with_raw(&self, limbs: &Limbs, raw: u128) -> Limbs {
        let raw = to_limbs([raw, 0]);
        std::array::from_fn(|k| limbs[k] ^ raw[k])
    }

    #[inline(always)]
    fn accumulate(&self, sum: &mut Limbs, limbs: &Limbs, digit: u32, shift: u32) {
        for (sum, &limb) in sum.iter_mut().zip(limbs).take(WORD_LIMBS) {
            let product = (0..DIGIT_BITS).fold(0, |product, t| product ^ ((limb << t) & bit_mask(digit, t)));
            *sum ^= product << shift;
        }
    }

    #[inline(always)]
    fn reduce(&self, limbs: &Limbs) -> Gf2n {
        let low = (0..WORD_LIMBS).fold(0, |low, k| low ^ (limbs[k] as u128) << (32 * k));
        self.reduce_polynomial(Wide(low, (limbs[WORD_LIMBS - 1] >> 32) as u128))
    }

    fn mask_all(&self, places: &mut [[u8; 16]], [x, y]: [&[[u128; 2]]; 2], b: Gf2n) {
        for ((place, x), y) in places.iter_mut().zip(x).zip(y) {
            *place = self.encode_raw(self.add(self.cut(x[0] ^ y[0]), b));
        }
    }

    fn add_sums(&self, places: &mut [[u8; 16]], sums: &[Limbs], a: &[Gf2n]) {
        for ((place, sum), &a) in places.iter_mut().zip(sums).zip(a) {
            *place = self.encode_raw(self.add(a, self.reduce(sum)));
        }
    }

    #[inline(always)]
    fn encode_raw(&self, a: Gf2n) -> [u8; 16] {
        self.to_bits(a).to_le_bytes()
    }

    #[inline(always)]
    fn decode_raw(&self, bytes: [u8; 16]) -> Option<Gf2n> {
        self.from_bits(u128::from_le_bytes(bytes))
    }
}

/// Limbs of one word of 128 bits.
const WORD_LIMBS: usize = 4;
/// Most bits of a digit of the MAC key.
const DIGIT_BITS: u32 = 8;

#[inline(always)]
fn bit_mask(digit: u32, bit: u32) -> u64 {
    ((digit >> bit & 1) as u64).wrapping_neg()
}

/// ⊕_y leaf_y, and ⊕_y y·leaf_y as polynomials: for each bit of y the sum of the leaves that have it.
struct XorLeaves<'a> {
    field: &'a BinaryField,
    words: &'a [[StreamBlock; 2]],
    sums: &'a mut [Limbs],
    weighted: &'a mut [Limbs],
}

impl Kernel for XorLeaves<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let count = self.sums.len();
        let leaves = self.words.len() / count;
        let width = leaves.trailing_zeros() as usize;
        for (i, (sum, weighted)) in self.sums.iter_mut().zip(self.weighted).enumerate() {
            let mut with_bit = [0; DIGIT_BITS as usize];
            let mut all = 0;
            for y in 0..leaves {
                let leaf = u128::from_le_bytes(self.words[y * count + i][0]);
                all ^= leaf;
                for (t, with_bit) in with_bit[..width].iter_mut().enumerate() {
                    // y is public: its bits select, not mask
                    *with_bit ^= if y >> t & 1 == 1 { leaf } else { 0 };
                }
            }
            *sum = self.field.limbs([all, 0]);
            *weighted = Limbs::default();
            for (t, &part) in with_bit[..width].iter().enumerate() {
                let part = self.field.limbs([part, 0]);
                weighted.iter_mut().zip(&part).for_each(|(weighted, &limb)| *weighted ^= limb << t);
            }
        }
    }
}

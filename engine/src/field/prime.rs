//! GF(p) for any odd prime p below 2^128: Montgomery arithmetic (R = 2^128) on two 64-bit limbs.
//!
//! The default is the largest prime below 2^128 that LowGear's ring of degree 32768 serves: 128 random bits are a uniform
//! element but for 2^-105. Carbyne Stack's prime was the default before.

use super::simd::{self, Columns, Modulus};
use super::{ELEMENT_BYTES, Field};
use crate::digest::Transcript;
use std::hint::black_box;
use thiserror::Error;
use zeroize::Zeroize;

/// 2^128 − 8257535, the largest prime below 2^128 that is 1 modulo 2^16 (and 2^17).
pub const DEFAULT_PRIME: u128 = 340_282_366_920_938_463_463_374_607_431_759_953_921;

/// Carbyne Stack's default prime; 1 modulo 2^18.
pub const CARBYNE_PRIME: u128 = 198_766_463_529_478_683_931_867_765_928_436_695_041;

/// An element of GF(p) in Montgomery form, always below p.
#[derive(Clone, Copy, Default, PartialEq, Eq, Zeroize)]
#[repr(transparent)]
pub struct Fp(u128);

/// GF(p); cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimeField {
    p: u128,
    /// −p^-1 mod 2^64.
    n0: u64,
    /// R, R² and R³ mod p.
    r: u128,
    r2: u128,
    r3: u128,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ModulusError {
    #[error("{0} is not an odd prime")]
    NotAnOddPrime(u128),
}

#[inline(always)]
const fn limbs(x: u128) -> (u64, u64) {
    (x as u64, (x >> 64) as u64)
}

/// `acc + a·b + carry` as (low, high); cannot overflow.
#[inline(always)]
const fn mac(acc: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let t = acc as u128 + (a as u128) * (b as u128) + carry as u128;
    limbs(t)
}

/// All ones for `true`, else 0. Knowing that it can be nothing else, the compiler makes branches of choices by it (the
/// constant-time bench sees them), so it is not to know.
#[inline(always)]
const fn mask(bit: bool) -> u128 {
    (black_box(bit as u64) as u128).wrapping_neg()
}

/// `x − p` if `x + overflow·2^128 ≥ p`, else `x`, without a branch.
#[inline(always)]
const fn subtract_once(x: u128, overflow: bool, p: u128) -> u128 {
    let (difference, borrow) = x.overflowing_sub(p);
    difference.wrapping_add(p & mask(borrow & !overflow))
}

/// A sum of products, not yet reduced.
#[derive(Clone, Copy, Default)]
struct Wide {
    low: u128,
    high: u128,
    top: u64,
}

impl Wide {
    fn of(columns: Columns) -> Self {
        const DIGIT: u32 = 52;
        let mut carry = 0;
        let [d0, d1, d2, d3, d4] = columns.map(|column| {
            let sum = column + carry;
            carry = sum >> DIGIT;
            sum & ((1 << DIGIT) - 1)
        });
        let top = (d4 >> 48) as u64 | (carry as u64) << 4;
        Self { low: d0 | d1 << 52 | d2 << 104, high: d2 >> 24 | d3 << 28 | d4 << 80, top }
    }

    #[inline(always)]
    fn add_product(&mut self, a: u128, b: u128) {
        let ((a0, a1), (b0, b1)) = (limbs(a), limbs(b));
        let (t0, c) = mac(0, a0, b0, 0);
        let (t1, t2) = mac(0, a1, b0, c);
        let (t1, c) = mac(t1, a0, b1, 0);
        let (t2, t3) = mac(t2, a1, b1, c);
        let (low, carry) = self.low.overflowing_add(t0 as u128 | (t1 as u128) << 64);
        let (high, first) = self.high.overflowing_add(t2 as u128 | (t3 as u128) << 64);
        let (high, second) = high.overflowing_add(carry as u128);
        (self.low, self.high) = (low, high);
        self.top = self.top.wrapping_add(first as u64 + second as u64);
    }
}

impl PrimeField {
    /// # Errors
    /// If `p` is not an odd prime (40 Miller–Rabin rounds with fixed bases; a cloud's prime is
    /// signed by its members, so it is not an adversary's choice against this test).
    pub fn new(p: u128) -> Result<Self, ModulusError> {
        if p < 3 || p.is_multiple_of(2) {
            return Err(ModulusError::NotAnOddPrime(p));
        }
        let field = Self::of_odd(p);
        if field.is_prime() { Ok(field) } else { Err(ModulusError::NotAnOddPrime(p)) }
    }

    /// GF([`DEFAULT_PRIME`]).
    pub fn usual() -> Self {
        Self::of_odd(DEFAULT_PRIME)
    }

    /// GF([`CARBYNE_PRIME`]).
    pub fn carbyne() -> Self {
        Self::of_odd(CARBYNE_PRIME)
    }

    fn of_odd(p: u128) -> Self {
        let p0 = p as u64;
        // Newton: each step doubles the number of correct low bits of p^-1; 5 bits to start with.
        let mut inverse = p0.wrapping_mul(3) ^ 2;
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(p0.wrapping_mul(inverse)));
        }
        let n0 = inverse.wrapping_neg();
        let r = (u128::MAX % p + 1) % p;
        let double = |x: u128| {
            let (sum, overflow) = x.overflowing_add(x);
            subtract_once(sum, overflow, p)
        };
        let shift = |x: u128| (0..128).fold(x, |x, _| double(x));
        let r2 = shift(r);
        let r3 = shift(r2);
        Self { p, n0, r, r2, r3 }
    }

    pub fn modulus(&self) -> u128 {
        self.p
    }

    fn simd(&self) -> Modulus {
        Modulus { p: self.p, n0: self.n0 }
    }

    /// a·b·R^-1 mod p (CIOS); needs a·b < p·2^128.
    #[inline(always)]
    fn montgomery(&self, a: u128, b: u128) -> u128 {
        let ((a0, a1), (b0, b1), (p0, p1)) = (limbs(a), limbs(b), limbs(self.p));
        let (t0, c) = mac(0, a0, b0, 0);
        let (t1, t2) = mac(0, a1, b0, c);
        let m = t0.wrapping_mul(self.n0);
        let (_, c) = mac(t0, m, p0, 0);
        let (t0, c) = mac(t1, m, p1, c);
        let (t1, carry) = t2.overflowing_add(c);
        let t2 = carry as u64;
        let (t0, c) = mac(t0, a0, b1, 0);
        let (t1, c) = mac(t1, a1, b1, c);
        // t2 ≤ 1, and the running sum stays below 2·p·2^64 + …, so this needs one more carry word.
        let (t2, carry) = t2.overflowing_add(c);
        let t3 = carry as u64;
        let m = t0.wrapping_mul(self.n0);
        let (_, c) = mac(t0, m, p0, 0);
        let (t0, c) = mac(t1, m, p1, c);
        let (t1, carry) = t2.overflowing_add(c);
        let overflow = t3 + carry as u64;
        subtract_once(t0 as u128 | (t1 as u128) << 64, overflow != 0, self.p)
    }

    /// (low + high·2^128)·R^-1 mod p; needs high < p.
    #[inline(always)]
    fn redc(&self, low: u128, high: u128) -> u128 {
        let ((t0, t1), (t2, t3), (p0, p1)) = (limbs(low), limbs(high), limbs(self.p));
        let m = t0.wrapping_mul(self.n0);
        let (_, c) = mac(t0, m, p0, 0);
        let (t1, c) = mac(t1, m, p1, c);
        let (t2, c) = t2.overflowing_add(c);
        let (t3, first) = t3.overflowing_add(c as u64);
        let m = t1.wrapping_mul(self.n0);
        let (_, c) = mac(t1, m, p0, 0);
        let (t2, c) = mac(t2, m, p1, c);
        let (t3, second) = t3.overflowing_add(c);
        subtract_once(t2 as u128 | (t3 as u128) << 64, first | second, self.p)
    }

    /// (a·b + c·d)·R^-1 mod p for elements in Montgomery form: two products, one reduction.
    #[inline(always)]
    fn montgomery_sum(&self, [a, b]: [Fp; 2], [c, d]: [Fp; 2]) -> u128 {
        let mut sum = Wide::default();
        sum.add_product(a.0, b.0);
        sum.add_product(c.0, d.0);
        // The sum is below 2·p², so its part above 2^128 is below 2·p.
        self.redc(sum.low, subtract_once(sum.high, sum.top != 0, self.p))
    }

    /// The sum of up to 2^64 products, times R^-1 mod p.
    fn reduce(&self, sum: &Wide) -> u128 {
        let low = Fp(self.redc(sum.low, 0));
        let high = Fp(self.montgomery(sum.high, self.r));
        let top = Fp(self.montgomery(sum.top as u128, self.r2));
        self.add(self.add(low, high), top).0
    }

    /// The element of an integer taken modulo p.
    #[inline(always)]
    pub fn element(&self, x: u128) -> Fp {
        Fp(self.montgomery(x, self.r2))
    }

    pub fn from_i64(&self, x: i64) -> Fp {
        self.from_i128(x as i128)
    }

    pub fn from_i128(&self, x: i128) -> Fp {
        let magnitude = self.element(x.unsigned_abs());
        if x < 0 { self.neg(magnitude) } else { magnitude }
    }

    /// The canonical representative, below p.
    #[inline]
    pub fn to_u128(&self, a: Fp) -> u128 {
        self.montgomery(a.0, 1)
    }

    /// The representative in (−p/2, p/2] as sign (true if negative) and magnitude.
    pub fn to_signed(&self, a: Fp) -> (bool, u128) {
        let value = self.to_u128(a);
        if value > (self.p - 1) / 2 { (true, self.p - value) } else { (false, value) }
    }

    /// Signed decimal, as programs print clear values.
    pub fn signed_decimal(&self, a: Fp) -> String {
        let (negative, magnitude) = self.to_signed(a);
        format!("{}{magnitude}", if negative { "-" } else { "" })
    }

    /// The element of an integer low + high·2^128 under the scale at which that is cheapest: an element's own Montgomery
    /// representation, at the place of `high`, gives that element.
    #[inline(always)]
    fn scaled(&self, low: u128, high: u128) -> Fp {
        // Which of the two is public.
        let full = self.p >> 127 == 1;
        let high = if full { subtract_once(high, false, self.p) } else { self.montgomery(high, self.r) };
        Fp(self.redc(low, high))
    }

    /// placeᵢ := the raw representation of b + xᵢ − yᵢ, for integers below 2^256 under the scale of [`Self::scaled`].
    pub(crate) fn mask_all(&self, places: &mut [[u8; 16]], [x, y]: [&[[u128; 2]]; 2], b: Fp) {
        // What is borrowed is 2^256, whose element is 1.
        let borrowed = self.sub(b, self.one());
        let done = simd::add_wide_differences(self.simd(), places, [x, y], [b, borrowed]);
        for ((place, x), y) in places.iter_mut().zip(x).zip(y).skip(done) {
            let (low, borrow) = x[0].overflowing_sub(y[0]);
            let (high, first) = x[1].overflowing_sub(y[1]);
            let (high, second) = high.overflowing_sub(borrow as u128);
            let mask = mask(first | second);
            let b = Fp((borrowed.0 & mask) | (b.0 & !mask));
            *place = self.add(self.scaled(low, high), b).0.to_le_bytes();
        }
    }

    /// placeᵢ := the raw representation of aᵢ + sumᵢ, for sums of limbs of 32 bits, grown to 63 at most, under the scale of
    /// [`Self::scaled`].
    pub(crate) fn add_sums(&self, places: &mut [[u8; 16]], sums: &[[u64; 8]], a: &[Fp]) {
        let done = simd::add_wide_sums(self.simd(), places, sums, a, self.r2);
        for ((place, sum), &a) in places.iter_mut().zip(sums).zip(a).skip(done) {
            *place = self.add(a, self.scaled_sum(sum)).0.to_le_bytes();
        }
    }

    /// The element of a sum of limbs of 32 bits, grown to 63 at most, under the scale of [`Self::scaled`].
    #[inline(always)]
    pub(crate) fn scaled_sum(&self, limbs: &[u64; 8]) -> Fp {
        let mut carry = 0u64;
        let words: [u64; 4] = std::array::from_fn(|k| {
            let low = limbs[2 * k].wrapping_add(carry);
            let high = limbs[2 * k + 1].wrapping_add(low >> 32);
            carry = high >> 32;
            (low as u32 as u64) | (high << 32)
        });
        let [low, high] = [words[0] as u128 | (words[1] as u128) << 64, words[2] as u128 | (words[3] as u128) << 64];
        self.add(self.scaled(low, high), self.scaled_top(carry))
    }

    /// Of top·2^256 under the scale of [`Self::scaled`].
    #[inline(always)]
    fn scaled_top(&self, top: u64) -> Fp {
        Fp(self.montgomery(top as u128, self.r2))
    }

    /// The Montgomery representation itself, as MP-SPDZ's files and sockets carry it.
    #[inline(always)]
    pub fn to_montgomery(&self, a: Fp) -> u128 {
        a.0
    }

    /// Strict inverse of [`Self::to_montgomery`].
    #[inline(always)]
    pub fn from_montgomery(&self, x: u128) -> Option<Fp> {
        (x < self.p).then_some(Fp(x))
    }

    /// a^e; the time depends on the (public) exponent only through its 128 bits.
    pub fn pow(&self, a: Fp, e: u128) -> Fp {
        let mut result = self.r;
        for i in (0..128).rev() {
            result = self.montgomery(result, result);
            let product = self.montgomery(result, a.0);
            let mask = ((e >> i) & 1).wrapping_neg();
            result = (product & mask) | (result & !mask);
        }
        Fp(result)
    }

    /// Inverts all in place with one inversion (Montgomery's trick); zeros stay zero.
    pub fn invert_all(&self, elements: &mut [Fp]) {
        let zero = self.zero();
        let mut prefix = Vec::with_capacity(elements.len());
        let mut product = self.one();
        for &x in elements.iter() {
            prefix.push(product);
            if x != zero {
                product = self.mul(product, x);
            }
        }
        let mut inverse = self.inv(product);
        for (x, before) in elements.iter_mut().zip(prefix).rev() {
            if *x != zero {
                let own = self.mul(inverse, before);
                inverse = self.mul(inverse, *x);
                *x = own;
            }
        }
    }

    /// Legendre symbol of a public value: 0, 1 or −1.
    pub fn legendre_public(&self, a: Fp) -> i8 {
        let power = self.pow(a, (self.p - 1) / 2);
        match power {
            x if x == self.zero() => 0,
            x if x == self.one() => 1,
            _ => -1,
        }
    }

    /// A square root of a public value (Tonelli–Shanks), the one whose canonical representative is
    /// even, so that the choice does not depend on how the square was made; `None` for non-squares.
    pub fn sqrt_public(&self, a: Fp) -> Option<Fp> {
        if a == self.zero() {
            return Some(a);
        }
        let adicity = (self.p - 1).trailing_zeros();
        let odd = (self.p - 1) >> adicity;
        let power = self.pow(a, (odd - 1) / 2);
        let mut root = self.mul(a, power);
        let mut t = self.mul(root, power);
        let mut generator = self.pow(self.non_square(), odd);
        let mut order = adicity;
        while t != self.one() {
            let mut squarings = 0;
            let mut probe = t;
            while probe != self.one() {
                probe = self.mul(probe, probe);
                squarings += 1;
                if squarings == order {
                    return None;
                }
            }
            for _ in 0..order - squarings - 1 {
                generator = self.mul(generator, generator);
            }
            root = self.mul(root, generator);
            generator = self.mul(generator, generator);
            t = self.mul(t, generator);
            order = squarings;
        }
        Some(if self.to_u128(root).is_multiple_of(2) { root } else { self.neg(root) })
    }

    pub(super) fn non_square(&self) -> Fp {
        (2u128..)
            .map(|x| self.element(x))
            .find(|&x| self.legendre_public(x) == -1)
            .expect("half of the non-zero elements of a prime field are non-squares")
    }

    fn is_prime(&self) -> bool {
        const BASES: [u128; 40] = [
            2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
            107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173,
        ];
        let adicity = (self.p - 1).trailing_zeros();
        let minus_one = self.neg(self.one());
        BASES.iter().filter(|&&base| base % self.p != 0).all(|&base| {
            let mut x = self.pow(self.element(base), (self.p - 1) >> adicity);
            if x == self.one() || x == minus_one {
                return true;
            }
            (1..adicity).any(|_| {
                x = self.mul(x, x);
                x == minus_one
            })
        })
    }
}

impl Field for PrimeField {
    type Element = Fp;

    fn bits(&self) -> u32 {
        128 - self.p.leading_zeros()
    }

    fn id(&self) -> [u8; 32] {
        Transcript::new("field/prime").bytes(&self.p.to_le_bytes()).finish()
    }

    fn one(&self) -> Fp {
        Fp(self.r)
    }

    #[inline(always)]
    fn add(&self, a: Fp, b: Fp) -> Fp {
        let (sum, overflow) = a.0.overflowing_add(b.0);
        Fp(subtract_once(sum, overflow, self.p))
    }

    #[inline(always)]
    fn sub(&self, a: Fp, b: Fp) -> Fp {
        let (difference, borrow) = a.0.overflowing_sub(b.0);
        Fp(difference.wrapping_add(self.p & mask(borrow)))
    }

    #[inline(always)]
    fn neg(&self, a: Fp) -> Fp {
        self.sub(Fp(0), a)
    }

    #[inline(always)]
    fn mul(&self, a: Fp, b: Fp) -> Fp {
        Fp(self.montgomery(a.0, b.0))
    }

    fn inv(&self, a: Fp) -> Fp {
        self.pow(a, self.p - 2)
    }

    #[inline(always)]
    fn reduce_wide(&self, limbs: [u64; 4]) -> Fp {
        let low = limbs[0] as u128 | (limbs[1] as u128) << 64;
        let high = limbs[2] as u128 | (limbs[3] as u128) << 64;
        self.add(Fp(self.montgomery(low, self.r2)), Fp(self.montgomery(high, self.r3)))
    }

    fn weight(&self, h: u32) -> Fp {
        self.pow(self.element(2), h as u128)
    }

    fn dot(&self, a: &[Fp], b: &[Fp]) -> Fp {
        self.combine(simd::words(a), b)
    }

    /// A word is taken as a Montgomery representation that may exceed p.
    fn combine(&self, words: &[u128], elements: &[Fp]) -> Fp {
        let (columns, done) = simd::sum_products(words, elements);
        let mut sum = Wide::of(columns);
        words.iter().zip(elements).skip(done).for_each(|(&word, x)| sum.add_product(word, x.0));
        Fp(self.reduce(&sum))
    }

    fn add_products(&self, sums: &mut [Fp], [a, b]: [&[Fp]; 2], [c, d]: [&[Fp]; 2]) {
        let done = simd::add_products(self.simd(), sums, [a, b], [c, d]);
        for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d).skip(done) {
            *sum = self.add(*sum, Fp(self.montgomery_sum([a, b], [c, d])));
        }
    }

    fn multiply_all(&self, out: &mut [Fp], a: &[Fp], b: &[Fp]) {
        let done = if b.len() == 1 { 0 } else { simd::multiply(self.simd(), out, a, b) };
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b).skip(done) {
            *out = self.mul(a, b);
        }
    }

    fn scale_all(&self, out: &mut [Fp], a: &[Fp], b: Fp) {
        let done = simd::multiply(self.simd(), out, a, &[b]);
        for (out, &a) in out.iter_mut().zip(a).skip(done) {
            *out = self.mul(a, b);
        }
    }

    fn zeros(&self, len: usize) -> Vec<Fp> {
        simd::zeros(len)
    }

    #[inline(always)]
    fn to_raw(&self, a: Fp) -> u128 {
        self.to_montgomery(a)
    }

    #[inline(always)]
    fn from_raw(&self, raw: u128) -> Option<Fp> {
        self.from_montgomery(raw)
    }

    fn add_raw_all(&self, sums: &mut [Fp], bytes: &[u8]) -> bool {
        let (places, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
        let mut good = rest.is_empty() & (places.len() == sums.len());
        for (sum, place) in sums.iter_mut().zip(places) {
            let raw = u128::from_le_bytes(*place);
            good &= raw < self.p;
            *sum = self.add(*sum, Fp(raw));
        }
        good
    }

    #[inline]
    fn to_bits(&self, a: Fp) -> u128 {
        self.to_u128(a)
    }

    #[inline]
    fn from_bits(&self, bits: u128) -> Option<Fp> {
        (bits < self.p).then(|| self.element(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::{NonZero, U128, U256};
    use proptest::prelude::*;

    const PRIMES: [u128; 7] = [
        3,
        257,
        (1 << 61) - 1,
        (1 << 127) - 1,
        170_141_183_460_469_231_731_687_303_715_885_907_969,
        CARBYNE_PRIME,
        DEFAULT_PRIME,
    ];

    fn remainder(x: U256, p: u128) -> u128 {
        let modulus = NonZero::new(U256::from(p)).expect("a prime is not zero");
        let r: U256 = x.rem(&modulus);
        let words = r.to_words();
        words[0] as u128 | (words[1] as u128) << 64
    }

    fn product(a: u128, b: u128, p: u128) -> u128 {
        let wide: U256 = U256::from(a).wrapping_mul(&U256::from(b));
        remainder(wide, p)
    }

    fn field() -> impl Strategy<Value = PrimeField> {
        prop::sample::select(&PRIMES[..]).prop_map(|p| PrimeField::new(p).unwrap())
    }

    /// Uniform words miss the borders; these are where carries live.
    fn word() -> impl Strategy<Value = u128> {
        prop_oneof![
            any::<u128>(),
            Just(0),
            Just(1),
            Just(u128::MAX),
            (0u128..8).prop_map(|d| DEFAULT_PRIME - d),
            (0u128..8).prop_map(|d| CARBYNE_PRIME - d),
            (0u32..128).prop_map(|s| 1 << s)
        ]
    }

    /// Words at the borders that a carry or a comparison may miss.
    const BORDERS: [u128; 5] = [0, 1, u128::MAX, 1 << 64, u64::MAX as u128];

    #[test]
    fn wide_integers_are_elements_of_one_scale() {
        for p in [3, 257, CARBYNE_PRIME, DEFAULT_PRIME, (1 << 127) + 1_802_241, u128::MAX - 158] {
            let f = PrimeField::new(p).unwrap();
            // The raw representation of the integer 1 is 1/R, of 2^128 it is 1.
            let scale = f.montgomery(1, 1);
            let raw = |[low, high]: [u128; 2]| {
                let words = [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64];
                product(remainder(U256::from_words(words), p), scale, p)
            };
            let mut wide: Vec<[u128; 2]> = Vec::new();
            BORDERS.iter().for_each(|&low| wide.extend(BORDERS.map(|high| [low, high])));
            let other: Vec<[u128; 2]> = wide.iter().rev().copied().collect();
            let b = f.element(p - 2);
            let mut places = vec![[0; 16]; wide.len()];
            f.mask_all(&mut places, [&wide, &other], b);
            let sums: Vec<[u64; 8]> = wide
                .iter()
                .enumerate()
                .map(|(i, [low, high])| {
                    std::array::from_fn(|k| ((if k < 4 { low } else { high }) >> (32 * (k % 4))) as u64 >> (1 + i % 33))
                })
                .collect();
            let elements = vec![b; sums.len()];
            let mut summed = vec![[0; 16]; sums.len()];
            f.add_sums(&mut summed, &sums, &elements);
            for i in 0..wide.len() {
                let [x, y] = [wide[i], other[i]].map(raw);
                let expected = f.add(f.sub(Fp(x), Fp(y)), b);
                assert_eq!(u128::from_le_bytes(places[i]), expected.0, "p = {p}, number {i}");
                let sum = sums[i].iter().rev().fold(0, |sum, &limb| {
                    let shifted = U256::from(product(sum, (1 << 32) % p, p));
                    remainder(shifted.wrapping_add(&U256::from(limb)), p)
                });
                let expected = f.add(Fp(product(sum, scale, p)), b);
                assert_eq!(u128::from_le_bytes(summed[i]), expected.0, "sum, p = {p}, number {i}");
            }
        }
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_crypto_bigint(f in field(), a in word(), b in word()) {
            let p = f.modulus();
            let (x, y) = (f.element(a), f.element(b));
            prop_assert_eq!(f.to_u128(x), a % p);
            prop_assert_eq!(f.to_u128(f.mul(x, y)), product(a % p, b % p, p));
            let sum = U256::from(a % p).wrapping_add(&U256::from(b % p));
            prop_assert_eq!(f.to_u128(f.add(x, y)), remainder(sum, p));
            prop_assert!(f.add(f.sub(x, y), y) == x);
            prop_assert!(f.add(f.neg(x), x) == f.zero());
        }

        #[test]
        fn wide_reduction_agrees_with_crypto_bigint(f in field(), low in word(), high in word()) {
            let p = f.modulus();
            let wide = U256::from_words([low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64]);
            let reduced = f.reduce_wide([low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64]);
            prop_assert_eq!(f.to_u128(reduced), remainder(wide, p));
        }

        #[test]
        fn operations_on_vectors_are_those_on_elements(
            f in field(),
            rows in prop::collection::vec(prop::array::uniform5(word()), 0..40),
        ) {
            let column = |k: usize| -> Vec<Fp> { rows.iter().map(|row| f.element(row[k])).collect() };
            let (a, b, c, d) = (column(0), column(1), column(2), column(3));
            let product = |i: usize| f.mul(a[i], b[i]);
            prop_assert!(f.dot(&a, &b) == f.sum((0..rows.len()).map(product)));

            let words: Vec<u128> = rows.iter().map(|row| row[4]).collect();
            let reduced = words.iter().map(|&word| f.from_montgomery(word % f.modulus()).unwrap());
            prop_assert!(f.combine(&words, &a) == f.sum(reduced.zip(&a).map(|(word, &x)| f.mul(word, x))));

            let mut sums = column(4);
            let expected: Vec<Fp> =
                (0..rows.len()).map(|i| f.add(sums[i], f.add(product(i), f.mul(c[i], d[i])))).collect();
            f.add_products(&mut sums, [&a, &b], [&c, &d]);
            prop_assert!(sums == expected);

            let mut out = f.zeros(rows.len());
            prop_assert!(out.iter().all(|&x| x == f.zero()));
            f.multiply_all(&mut out, &a, &b);
            prop_assert!((0..rows.len()).all(|i| out[i] == product(i)));
            f.scale_all(&mut out, &a, f.element(7));
            prop_assert!((0..rows.len()).all(|i| out[i] == f.mul(a[i], f.element(7))));

            let mut differences = Vec::new();
            f.extend_differences(&a, &b, &mut differences);
            prop_assert!((0..rows.len()).all(|i| differences[i] == f.sub(a[i], b[i])));
        }

        #[test]
        fn raw_messages_add_up_and_are_strict(
            f in field(),
            pairs in prop::collection::vec((word(), word()), 1..40),
            at: prop::sample::Index,
            beyond in word(),
        ) {
            let (own, theirs): (Vec<Fp>, Vec<Fp>) = pairs.iter().map(|&(x, y)| (f.element(x), f.element(y))).unzip();
            let mut message = Vec::new();
            f.encode_raw_all(&theirs, &mut message);
            let mut sums = own.clone();
            prop_assert!(f.add_raw_all(&mut sums, &message));
            prop_assert!((0..own.len()).all(|i| sums[i] == f.add(own[i], theirs[i])));

            prop_assert!(!f.add_raw_all(&mut own.clone(), &message[1..]));
            prop_assert!(!f.add_raw_all(&mut own[1..].to_vec(), &message));
            let place = at.index(own.len()) * ELEMENT_BYTES;
            message[place..place + ELEMENT_BYTES].copy_from_slice(&beyond.to_le_bytes());
            prop_assert_eq!(f.add_raw_all(&mut own.clone(), &message), beyond < f.modulus());
        }

        #[test]
        fn inverse_times_element_is_one(f in field(), a in word()) {
            let x = f.element(a);
            let expected = if x == f.zero() { f.zero() } else { f.one() };
            prop_assert!(f.mul(x, f.inv(x)) == expected);
        }

        #[test]
        fn batch_inversion_agrees_with_single(f in field(), words in prop::collection::vec(word(), 0..9)) {
            let mut batch: Vec<Fp> = words.iter().map(|&w| f.element(w)).collect();
            let single: Vec<Fp> = batch.iter().map(|&x| f.inv(x)).collect();
            f.invert_all(&mut batch);
            prop_assert!(batch == single);
        }

        #[test]
        fn a_square_root_squares_back_and_is_even(f in field(), a in word()) {
            let x = f.element(a);
            let root = f.sqrt_public(f.mul(x, x)).expect("a square has a root");
            prop_assert!(f.mul(root, root) == f.mul(x, x));
            prop_assert!(f.to_u128(root).is_multiple_of(2));
            prop_assert_eq!(f.sqrt_public(x).is_some(), f.legendre_public(x) != -1);
        }

        #[test]
        fn encoding_is_strict(f in field(), bits in word()) {
            match f.from_bits(bits) {
                Some(x) => prop_assert_eq!(f.to_bits(x), bits),
                None => prop_assert!(bits >= f.modulus()),
            }
        }
    }

    #[test]
    fn composites_and_even_numbers_are_refused() {
        for n in [0, 1, 2, 4, 9, 341, 561, u128::MAX, DEFAULT_PRIME - 2, 3_215_031_751] {
            assert_eq!(PrimeField::new(n).err(), Some(ModulusError::NotAnOddPrime(n)));
        }
    }

    #[test]
    fn the_default_is_the_largest_prime_for_lowgear() {
        assert!(PrimeField::new(CARBYNE_PRIME).is_ok() && PrimeField::new(DEFAULT_PRIME).is_ok());
        let larger = (DEFAULT_PRIME..).step_by(1 << 16).skip(1).take_while(|&p| p > DEFAULT_PRIME);
        let larger = larger.take(((u128::MAX - DEFAULT_PRIME) >> 16) as usize);
        assert_eq!(larger.filter(|&p| PrimeField::new(p).is_ok()).count(), 0);
        assert_eq!(DEFAULT_PRIME % (1 << 16), 1);
    }

    #[test]
    fn crypto_bigint_is_wide_enough_for_the_oracle() {
        assert!(U128::from(DEFAULT_PRIME).bits() == 128);
    }

    #[test]
    fn signed_decimal_splits_at_half() {
        let f = PrimeField::usual();
        assert_eq!(f.signed_decimal(f.from_i64(-5)), "-5");
        assert_eq!(f.signed_decimal(f.element((DEFAULT_PRIME - 1) / 2)), ((DEFAULT_PRIME - 1) / 2).to_string());
        assert_eq!(f.signed_decimal(f.element(DEFAULT_PRIME.div_ceil(2))), format!("-{}", (DEFAULT_PRIME - 1) / 2));
    }

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn arithmetic_and_the_name_of_the_field_are_frozen() {
        let f = PrimeField::carbyne();
        let mut words = [0; 2];
        crate::prg::Prg::new([6; 32]).fill_blocks(&mut words);
        let [a, b] = words.map(|word| f.element(word));
        assert_eq!(f.to_u128(f.mul(a, b)).to_string(), "29056761766752046991907502370585023047");
        assert_eq!(f.to_montgomery(a).to_string(), "153472171105994704463405780227179274776");
        assert_eq!(hex::encode(f.id()), "25149a288c4cad034402150d67ceb07b8b11792da52b86a9cf21a12afaaf2f04");
    }
}

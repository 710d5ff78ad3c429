//! The loops of field arithmetic for the processor at hand.
//!
//! Modulo p: eight elements at a time with the 52-bit multiplier of AVX-512 (IFMA), beside the portable twins in
//! [`super::prime`]. Elements stay what they are in memory, Montgomery representations with R = 2^128. In registers they are limbs of 52,
//! 52 and 24 bits, and a reduction takes away 52, 52 and 24 bits.
//!
//! Over GF(2): carry-less products, beside a portable twin here.
//!
//! This is the only module of the fields with `unsafe`: it calls functions whose processor features have just been
//! detected, and reads and writes whole vectors inside slices. Nothing here branches on an element or uses one as an
//! address.
#![allow(unsafe_code)]

use super::{Fp, Gf2n};

/// Elements in a vector. The loops leave what is beyond a multiple of it to the portable twins.
pub(super) const LANES: usize = 8;

/// What a reduction needs to know of the modulus p.
#[derive(Clone, Copy)]
pub(super) struct Modulus {
    pub p: u128,
    /// −p^-1 modulo a power of two that is at least 2^52.
    pub n0: u64,
}

/// A sum of products: Σ columnₖ·2^(52·k).
pub(super) type Columns = [u128; 5];

/// sumᵢ := sumᵢ + (aᵢ·bᵢ + cᵢ·dᵢ)/R modulo p. Gives how many of the elements, from the front, have been done.
pub(super) fn add_products(modulus: Modulus, sums: &mut [Fp], [a, b]: [&[Fp]; 2], [c, d]: [&[Fp]; 2]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if sums.len() >= LANES && x86::detected() {
        let count = [a, b, c, d].iter().fold(sums.len(), |least, slice| least.min(slice.len()));
        let count = count - count % LANES;
        let factors = [a, b, c, d].map(|slice| slice.as_ptr().cast::<u128>());
        // SAFETY: the features have been detected, all slices have `count` elements, and an element is a u128.
        unsafe { x86::add_products(modulus, count, sums.as_mut_ptr().cast(), factors) };
        return count;
    }
    let _ = (modulus, sums, a, b, c, d);
    0
}

/// outᵢ := aᵢ·bᵢ/R modulo p, or aᵢ·b₀/R if there is one b only. Gives how many of the elements, from the front, have been
/// done.
pub(super) fn multiply(modulus: Modulus, out: &mut [Fp], a: &[Fp], b: &[Fp]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if out.len() >= LANES && x86::detected() {
        let (spread, step) = match b {
            &[one] => ([one; LANES], 0),
            _ => ([Fp::default(); LANES], LANES),
        };
        let many = if step == 0 { out.len() } else { b.len() };
        let b = if step == 0 { spread.as_ptr() } else { b.as_ptr() };
        let count = out.len().min(a.len()).min(many);
        let count = count - count % LANES;
        // SAFETY: the features have been detected, the slices have `count` elements or are stepped over by nothing, and
        // an element is a u128.
        unsafe { x86::multiply(modulus, count, out.as_mut_ptr().cast(), a.as_ptr().cast(), (b.cast(), step)) };
        return count;
    }
    let _ = (modulus, out, a, b);
    0
}

/// What is a u128 of another type: same size, same alignment, all values allowed.
///
/// # Safety
/// As said, and with no destructor.
pub(super) unsafe trait Word: Copy {}
// SAFETY: transparent around a u128.
unsafe impl Word for Fp {}
// SAFETY: transparent around a u128.
unsafe impl Word for Gf2n {}

/// Zeros in memory that the system gives zeroed: register banks are large, and much of one may never be used.
pub(super) fn zeros<E: Word>(len: usize) -> Vec<E> {
    let mut words = std::mem::ManuallyDrop::new(vec![0u128; len]);
    // SAFETY: an element is a u128 in another type; nobody else owns the words.
    unsafe { Vec::from_raw_parts(words.as_mut_ptr().cast(), len, words.capacity()) }
}

/// The words that elements are.
pub(super) fn words(elements: &[Fp]) -> &[u128] {
    // SAFETY: an element is a u128 in another type, with the same size, alignment and values.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) }
}

/// Σ aᵢ·bᵢ of some elements, from the front, and how many they are. The words may have any value.
pub(super) fn sum_products(a: &[u128], b: &[Fp]) -> (Columns, usize) {
    #[cfg(target_arch = "x86_64")]
    if a.len() >= LANES && x86::detected() {
        let count = a.len().min(b.len());
        let count = count - count % LANES;
        // SAFETY: the features have been detected, both slices have `count` elements, and an element is a u128.
        return (unsafe { x86::sum_products(count, a.as_ptr(), b.as_ptr().cast()) }, count);
    }
    let _ = (a, b);
    ([0; 5], 0)
}

/// From here on 2^256 is at most 2·p·R, as [`add_wide_differences`] and [`add_wide_sums`] need it.
const FULL: u128 = 1 << 127;

/// outᵢ := b + (xᵢ − yᵢ)/R modulo p, little endian, for integers below 2^256. `borrowed` is b − 2^256/R. Gives how many,
/// from the front, have been done.
pub(super) fn add_wide_differences(
    modulus: Modulus,
    out: &mut [[u8; 16]],
    [x, y]: [&[[u128; 2]]; 2],
    [b, borrowed]: [Fp; 2],
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if modulus.p >= FULL && out.len() >= LANES && x86::detected() {
        let count = out.len().min(x.len()).min(y.len());
        let count = count - count % LANES;
        let pointers = [x, y].map(|slice| slice.as_ptr().cast::<u128>());
        let (b, borrowed) = (words(&[b])[0], words(&[borrowed])[0]);
        // SAFETY: the features have been detected, all slices have `count` elements, and a place has 16 bytes.
        unsafe { x86::add_wide_differences(modulus, count, out.as_mut_ptr().cast(), pointers, [b, borrowed]) };
        return count;
    }
    let _ = (modulus, out, x, y, b, borrowed);
    0
}

/// outᵢ := aᵢ + sumᵢ/R modulo p, little endian, for sums of limbs of 32 bits that have grown to 63 at most. `r2` is R²
/// modulo p. Gives how many, from the front, have been done.
pub(super) fn add_wide_sums(modulus: Modulus, out: &mut [[u8; 16]], sums: &[[u64; 8]], a: &[Fp], r2: u128) -> usize {
    #[cfg(target_arch = "x86_64")]
    if modulus.p >= FULL && out.len() >= LANES && x86::detected() {
        let count = out.len().min(sums.len()).min(a.len());
        let count = count - count % LANES;
        let out = out.as_mut_ptr().cast();
        // SAFETY: the features have been detected, all slices have `count` elements, and a place has 16 bytes.
        unsafe { x86::add_wide_sums(modulus, count, out, sums.as_ptr().cast(), a.as_ptr().cast(), r2) };
        return count;
    }
    let _ = (modulus, out, sums, a, r2);
    0
}

/// Σ aᵢ·bᵢ as polynomials over GF(2): low and high 128 bits.
#[inline]
pub(super) fn sum_carryless(pairs: impl Iterator<Item = (u128, u128)>) -> [u128; 2] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the feature has been detected.
        return unsafe { x86::sum_carryless(pairs) };
    }
    portable::sum_carryless(pairs)
}

mod portable {
    pub fn sum_carryless(pairs: impl Iterator<Item = (u128, u128)>) -> [u128; 2] {
        let mut sum = [0; 2];
        for (a, b) in pairs {
            for i in 0..128 {
                let term = a & ((b >> i) & 1).wrapping_neg();
                sum[0] ^= term << i;
                // Two shifts, because a shift by 128 is none.
                sum[1] ^= (term >> 1) >> (127 - i);
            }
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::transpose_quadwords;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Columns, LANES, Modulus};
    use std::arch::x86_64::{
        __m128i, _mm_clmulepi64_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_storeu_si128, _mm_xor_si128,
    };
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epu64_mask,
        _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_mask_sub_epi64,
        _mm512_movepi64_mask, _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2,
        _mm512_slli_epi64, _mm512_srai_epi64, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_sub_epi64,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    };

    const MASK_52: i64 = (1 << 52) - 1;
    const MASK_28: i64 = (1 << 28) - 1;
    const MASK_24: i64 = (1 << 24) - 1;
    /// Products that are added up before columns are carried over: each adds less than 6·2^52 to one.
    const UNCARRIED: usize = 512;

    pub fn detected() -> bool {
        use std::arch::is_x86_feature_detected as has;
        has!("avx512f") && has!("avx512dq") && has!("avx512ifma")
    }

    /// Low and high words of eight elements; in which order is the same everywhere.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    unsafe fn load(from: *const u128) -> [__m512i; 2] {
        // SAFETY: the caller has eight elements there; loads need no alignment.
        let (first, second) = unsafe { (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(4).cast())) };
        [_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second)]
    }

    /// The elements in the lanes of [`load`].
    const LOADED: [usize; LANES] = [0, 4, 1, 5, 2, 6, 3, 7];

    /// Inverse of [`load`].
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    unsafe fn store(to: *mut u128, [low, high]: [__m512i; 2]) {
        // SAFETY: the caller has eight elements there; stores need no alignment.
        unsafe {
            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi64(low, high));
            _mm512_storeu_si512(to.add(4).cast(), _mm512_unpackhi_epi64(low, high));
        }
    }

    /// Limbs of 52, 52 and 24 bits. Products ignore what stands above the 52 bits of the first two.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn limbs([low, high]: [__m512i; 2]) -> [__m512i; 3] {
        let middle = _mm512_or_si512(_mm512_srli_epi64::<52>(low), _mm512_slli_epi64::<12>(high));
        [low, middle, _mm512_srli_epi64::<40>(high)]
    }

    /// Adds a·b to the columns.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn accumulate(t: &mut [__m512i; 5], a: [__m512i; 3], b: [__m512i; 3]) {
        for i in 0..3 {
            for j in 0..3 {
                t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], b[j]);
                // The product of the highest limbs has 48 bits.
                if i + j < 4 {
                    t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], b[j]);
                }
            }
        }
    }

    /// The modulus, broadcast.
    struct Spread {
        p: [__m512i; 3],
        n0: __m512i,
        /// p and 2·p in limbs of 28, 52 and the other bits.
        multiples: [[__m512i; 3]; 2],
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn spread(modulus: Modulus) -> Spread {
        let set = |word: u128| _mm512_set1_epi64(word as u64 as i64);
        let p = modulus.p;
        let mask_52 = MASK_52 as u128;
        // 2·p may have 129 bits.
        let shifted = |shift: u32| {
            let low = (p << shift) & MASK_28 as u128;
            [set(low), set((p >> (28 - shift)) & mask_52), set(p >> (80 - shift))]
        };
        Spread {
            p: [set(p & mask_52), set((p >> 52) & mask_52), set(p >> 104)],
            n0: set(modulus.n0 as u128),
            multiples: [shifted(1), shifted(0)],
        }
    }

    /// c + t/R modulo p, for columns that hold less than 2·p².
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce(modulus: &Spread, mut t: [__m512i; 5], [low, high]: [__m512i; 2]) -> [__m512i; 2] {
        let zero = _mm512_setzero_si512();
        let (mask_52, mask_28) = (_mm512_set1_epi64(MASK_52), _mm512_set1_epi64(MASK_28));
        let p = &modulus.p;
        // c·R: the reduction divides it by R again.
        let middle = _mm512_or_si512(_mm512_srli_epi64::<28>(low), _mm512_slli_epi64::<36>(high));
        t[2] = _mm512_add_epi64(t[2], _mm512_and_si512(_mm512_slli_epi64::<24>(low), mask_52));
        t[3] = _mm512_add_epi64(t[3], _mm512_and_si512(middle, mask_52));
        t[4] = _mm512_add_epi64(t[4], _mm512_srli_epi64::<16>(high));
        for k in 0..2 {
            let m = _mm512_madd52lo_epu64(zero, t[k], modulus.n0);
            for j in 0..3 {
                t[k + j] = _mm512_madd52lo_epu64(t[k + j], m, p[j]);
                t[k + j + 1] = _mm512_madd52hi_epu64(t[k + j + 1], m, p[j]);
            }
            t[k + 1] = _mm512_add_epi64(t[k + 1], _mm512_srli_epi64::<52>(t[k]));
        }
        let m = _mm512_and_si512(_mm512_madd52lo_epu64(zero, t[2], modulus.n0), _mm512_set1_epi64(MASK_24));
        for j in 0..3 {
            t[2 + j] = _mm512_madd52lo_epu64(t[2 + j], m, p[j]);
            if j < 2 {
                t[3 + j] = _mm512_madd52hi_epu64(t[3 + j], m, p[j]);
            }
        }
        // 28 bits of the third column are left, then 52, then the rest. All is below 4·p: 2·p from t, p from the
        // multiples of p, p from c.
        t[3] = _mm512_add_epi64(t[3], _mm512_srli_epi64::<52>(t[2]));
        t[4] = _mm512_add_epi64(t[4], _mm512_srli_epi64::<52>(t[3]));
        let mut x = [_mm512_and_si512(_mm512_srli_epi64::<24>(t[2]), mask_28), _mm512_and_si512(t[3], mask_52), t[4]];
        for multiple in &modulus.multiples {
            let first = _mm512_sub_epi64(x[0], multiple[0]);
            let second = _mm512_sub_epi64(x[1], multiple[1]);
            let second = _mm512_add_epi64(second, _mm512_srai_epi64::<63>(first));
            let third = _mm512_sub_epi64(x[2], multiple[2]);
            let third = _mm512_add_epi64(third, _mm512_srai_epi64::<63>(second));
            let keep = _mm512_movepi64_mask(third);
            let smaller = [_mm512_and_si512(first, mask_28), _mm512_and_si512(second, mask_52), third];
            x = std::array::from_fn(|i| _mm512_mask_mov_epi64(smaller[i], keep, x[i]));
        }
        [
            _mm512_or_si512(x[0], _mm512_slli_epi64::<28>(x[1])),
            _mm512_or_si512(_mm512_srli_epi64::<36>(x[1]), _mm512_slli_epi64::<16>(x[2])),
        ]
    }

    /// # Safety
    /// The features have been detected; behind the pointers are `count` elements, a multiple of [`LANES`].
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub unsafe fn add_products(modulus: Modulus, count: usize, sums: *mut u128, factors: [*const u128; 4]) {
        let modulus = spread(modulus);
        for at in (0..count).step_by(LANES) {
            let mut t = [_mm512_setzero_si512(); 5];
            // SAFETY: the eight elements from `at` on are inside.
            unsafe {
                let [a, b, c, d] = factors.map(|factor| limbs(load(factor.add(at))));
                accumulate(&mut t, a, b);
                accumulate(&mut t, c, d);
                let sum = load(sums.add(at));
                store(sums.add(at), reduce(&modulus, t, sum));
            }
        }
    }

    /// # Safety
    /// The features have been detected; behind the pointers are `count` elements, a multiple of [`LANES`], except that
    /// `b` has no more than [`LANES`] if its step is 0.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub unsafe fn multiply(modulus: Modulus, count: usize, out: *mut u128, a: *const u128, b: (*const u128, usize)) {
        let modulus = spread(modulus);
        let zero = [_mm512_setzero_si512(); 2];
        let (mut factor, step) = b;
        for at in (0..count).step_by(LANES) {
            let mut t = [_mm512_setzero_si512(); 5];
            // SAFETY: the eight elements from `at` on are inside, and so are those of the factor.
            unsafe {
                accumulate(&mut t, limbs(load(a.add(at))), limbs(load(factor)));
                store(out.add(at), reduce(&modulus, t, zero));
                factor = factor.wrapping_add(step);
            }
        }
    }

    /// # Safety
    /// The features have been detected; behind the pointers are `count` elements, a multiple of [`LANES`].
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub unsafe fn sum_products(count: usize, a: *const u128, b: *const u128) -> Columns {
        let mut columns = [0u128; 5];
        let mut at = 0;
        while at < count {
            let end = count.min(at + UNCARRIED * LANES);
            let mut t = [_mm512_setzero_si512(); 5];
            while at < end {
                // SAFETY: the eight elements from `at` on are inside.
                let (a, b) = unsafe { (load(a.add(at)), load(b.add(at))) };
                accumulate(&mut t, limbs(a), limbs(b));
                at += LANES;
            }
            for (column, t) in columns.iter_mut().zip(t) {
                let mut lanes = [0u64; LANES];
                // SAFETY: the destination has eight words; stores need no alignment.
                unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), t) };
                *column = lanes.iter().fold(*column, |sum, &lane| sum + lane as u128);
            }
        }
        columns
    }

    /// The words of eight integers of 256 bits, in lanes 0, 2, 1, 3, 4, 6, 5, 7.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    unsafe fn load_wide(from: *const u128) -> [__m512i; 4] {
        // SAFETY: the caller has eight integers there; loads need no alignment.
        let pairs: [__m512i; 4] = std::array::from_fn(|k| unsafe { _mm512_loadu_si512(from.add(4 * k).cast()) });
        let low = [_mm512_unpacklo_epi64(pairs[0], pairs[1]), _mm512_unpacklo_epi64(pairs[2], pairs[3])];
        let high = [_mm512_unpackhi_epi64(pairs[0], pairs[1]), _mm512_unpackhi_epi64(pairs[2], pairs[3])];
        [
            _mm512_shuffle_i64x2::<0x88>(low[0], low[1]),
            _mm512_shuffle_i64x2::<0x88>(high[0], high[1]),
            _mm512_shuffle_i64x2::<0xdd>(low[0], low[1]),
            _mm512_shuffle_i64x2::<0xdd>(high[0], high[1]),
        ]
    }

    /// Stores eight elements from the lanes of [`load_wide`].
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    unsafe fn store_wide(to: *mut u128, [low, high]: [__m512i; 2]) {
        let (even, odd) = (_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
        // SAFETY: the caller has eight elements there; stores need no alignment.
        unsafe {
            _mm512_storeu_si512(to.cast(), _mm512_shuffle_i64x2::<0x44>(even, odd));
            _mm512_storeu_si512(to.add(4).cast(), _mm512_shuffle_i64x2::<0xee>(even, odd));
        }
    }

    /// x − y for integers of 256 bits modulo 2^256, and the lanes in which that has been borrowed.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn subtract(x: [__m512i; 4], y: [__m512i; 4]) -> ([__m512i; 4], u8) {
        let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi64(1));
        let mut borrow = 0;
        let mut words = [zero; 4];
        for k in 0..4 {
            let difference = _mm512_sub_epi64(x[k], y[k]);
            words[k] = _mm512_mask_sub_epi64(difference, borrow, difference, one);
            borrow = _mm512_cmplt_epu64_mask(x[k], y[k]) | (borrow & _mm512_cmpeq_epi64_mask(difference, zero));
        }
        (words, borrow)
    }

    /// Columns of 52 bits.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn columns(w: [__m512i; 4]) -> [__m512i; 5] {
        let mask = _mm512_set1_epi64(MASK_52);
        let join = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), mask);
        [
            _mm512_and_si512(w[0], mask),
            join(_mm512_srli_epi64::<52>(w[0]), _mm512_slli_epi64::<12>(w[1])),
            join(_mm512_srli_epi64::<40>(w[1]), _mm512_slli_epi64::<24>(w[2])),
            join(_mm512_srli_epi64::<28>(w[2]), _mm512_slli_epi64::<36>(w[3])),
            _mm512_srli_epi64::<16>(w[3]),
        ]
    }

    /// # Safety
    /// The features have been detected; behind the pointers are `count` elements, a multiple of [`LANES`]: two words each
    /// behind `x` and `y`. The modulus is full.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub unsafe fn add_wide_differences(
        modulus: Modulus,
        count: usize,
        out: *mut u128,
        [x, y]: [*const u128; 2],
        [b, borrowed]: [u128; 2],
    ) {
        let modulus = spread(modulus);
        let words = |x: u128| [x as i64, (x >> 64) as i64].map(|word| _mm512_set1_epi64(word));
        let (b, borrowed) = (words(b), words(borrowed));
        for at in (0..count).step_by(LANES) {
            // SAFETY: the eight elements from `at` on are inside.
            unsafe {
                let (difference, borrow) = subtract(load_wide(x.add(2 * at)), load_wide(y.add(2 * at)));
                let b = [0, 1].map(|k| _mm512_mask_mov_epi64(b[k], borrow, borrowed[k]));
                // A full modulus is above 2^127, so the difference is below 2·p·R.
                store_wide(out.add(at), reduce(&modulus, columns(difference), b));
            }
        }
    }

    /// Quadword c of vector r becomes quadword r of vector c.
    #[target_feature(enable = "avx512f")]
    pub(crate) fn transpose_quadwords(r: [__m512i; 8]) -> [__m512i; 8] {
        let pair = |i: usize| (_mm512_unpacklo_epi64(r[i], r[i + 1]), _mm512_unpackhi_epi64(r[i], r[i + 1]));
        let [(a0, a1), (a2, a3), (a4, a5), (a6, a7)] = [pair(0), pair(2), pair(4), pair(6)];
        let even = |x, y| _mm512_shuffle_i64x2::<0x88>(x, y);
        let odd = |x, y| _mm512_shuffle_i64x2::<0xdd>(x, y);
        let upper = [even(a0, a2), even(a1, a3), odd(a0, a2), odd(a1, a3)];
        let lower = [even(a4, a6), even(a5, a7), odd(a4, a6), odd(a5, a7)];
        let [c0, c1, c2, c3]: [__m512i; 4] = std::array::from_fn(|c| even(upper[c], lower[c]));
        let [c4, c5, c6, c7]: [__m512i; 4] = std::array::from_fn(|c| odd(upper[c], lower[c]));
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }

    /// Adds a limb at bit `SHIFT` of column k; what is beyond its 52 bits goes to the next.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn add_limb<const SHIFT: u32, const REST: u32>(t: &mut [__m512i; 5], k: usize, limb: __m512i) {
        let low = _mm512_and_si512(_mm512_slli_epi64::<SHIFT>(limb), _mm512_set1_epi64(MASK_52));
        t[k] = _mm512_add_epi64(t[k], low);
        t[k + 1] = _mm512_add_epi64(t[k + 1], _mm512_srli_epi64::<REST>(limb));
    }

    /// Takes what the columns have above 2^256, and `more` times that, modulo p: 2^256 is R².
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn fold(t: &mut [__m512i; 5], more: __m512i, r2: [__m512i; 3]) {
        for k in 0..4 {
            t[k + 1] = _mm512_add_epi64(t[k + 1], _mm512_srli_epi64::<52>(t[k]));
            t[k] = _mm512_and_si512(t[k], _mm512_set1_epi64(MASK_52));
        }
        let top = _mm512_add_epi64(_mm512_srli_epi64::<48>(t[4]), more);
        t[4] = _mm512_and_si512(t[4], _mm512_set1_epi64((1 << 48) - 1));
        for j in 0..3 {
            t[j] = _mm512_madd52lo_epu64(t[j], top, r2[j]);
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], top, r2[j]);
        }
    }

    /// # Safety
    /// The features have been detected; behind the pointers are `count` elements, a multiple of [`LANES`]: eight limbs below
    /// 2^63 each behind `sums`. The modulus is full.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub unsafe fn add_wide_sums(
        modulus: Modulus,
        count: usize,
        out: *mut u128,
        sums: *const u64,
        a: *const u128,
        r2: u128,
    ) {
        let spread = spread(modulus);
        let digit = |shift: u32| _mm512_set1_epi64((r2 >> shift) as i64 & MASK_52);
        let r2 = [digit(0), digit(52), digit(104)];
        for at in (0..count).step_by(LANES) {
            // SAFETY: the eight elements from `at` on are inside.
            let limbs = std::array::from_fn(|i| unsafe { _mm512_loadu_si512(sums.add(8 * (at + LOADED[i])).cast()) });
            let l = transpose_quadwords(limbs);
            let mut t = [_mm512_setzero_si512(); 5];
            add_limb::<0, 52>(&mut t, 0, l[0]);
            add_limb::<32, 20>(&mut t, 0, l[1]);
            add_limb::<12, 40>(&mut t, 1, l[2]);
            add_limb::<44, 8>(&mut t, 1, l[3]);
            add_limb::<24, 28>(&mut t, 2, l[4]);
            add_limb::<4, 48>(&mut t, 3, l[5]);
            add_limb::<36, 16>(&mut t, 3, l[6]);
            // The last limb stands at bit 16 of the last column: 32 bits are below 2^256.
            let last = _mm512_and_si512(l[7], _mm512_set1_epi64(u32::MAX as i64));
            t[4] = _mm512_add_epi64(t[4], _mm512_slli_epi64::<16>(last));
            // Below 2^256 + 2^168 after the first time, and if not below 2^256, below 2^169 after the second.
            fold(&mut t, _mm512_srli_epi64::<32>(l[7]), r2);
            fold(&mut t, _mm512_setzero_si512(), r2);
            // SAFETY: the eight elements from `at` on are inside.
            unsafe { store(out.add(at), reduce(&spread, t, load(a.add(at)))) };
        }
    }

    #[target_feature(enable = "pclmulqdq")]
    fn vector(x: u128) -> __m128i {
        _mm_set_epi64x((x >> 64) as i64, x as i64)
    }

    #[target_feature(enable = "pclmulqdq")]
    fn word(x: __m128i) -> u128 {
        let mut bytes = [0u8; 16];
        // SAFETY: the destination has 16 bytes, and the store needs no alignment.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), x) };
        u128::from_le_bytes(bytes)
    }

    #[target_feature(enable = "pclmulqdq")]
    pub fn sum_carryless(pairs: impl Iterator<Item = (u128, u128)>) -> [u128; 2] {
        let zero = _mm_setzero_si128();
        let (mut low, mut middle, mut high) = (zero, zero, zero);
        for (a, b) in pairs {
            let (a, b) = (vector(a), vector(b));
            low = _mm_xor_si128(low, _mm_clmulepi64_si128::<0x00>(a, b));
            middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x01>(a, b));
            middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x10>(a, b));
            high = _mm_xor_si128(high, _mm_clmulepi64_si128::<0x11>(a, b));
        }
        let middle = word(middle);
        [word(low) ^ (middle << 64), word(high) ^ (middle >> 64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn carryless_sums_agree_with_the_portable_ones(pairs: Vec<(u128, u128)>) {
            let portable = portable::sum_carryless(pairs.iter().copied());
            prop_assert_eq!(sum_carryless(pairs.iter().copied()), portable);
        }
    }
}

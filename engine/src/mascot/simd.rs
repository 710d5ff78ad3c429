//! The loops in which generation spends its time, for the processor at hand.
//!
//! Each has a portable body. [`run`] compiles such a body again for wider registers; products of
//! polynomials have a backend of their own, tested against the portable one. This is the only module of
//! the generator with `unsafe`: it calls functions whose processor features have just been detected.
#![allow(unsafe_code)]

use super::gf128::{self, Wide};
use super::softspoken::BLOCK;
use crate::prg::StreamBlock;

/// A loop that [`run`] compiles again for each set of registers. `run` must be `#[inline(always)]`, and so
/// must be what it calls.
pub(crate) trait Kernel {
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs a kernel with the widest registers and the multiplications that the processor has.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("bmi2") && has!("adx") {
            if has!("avx512f") && has!("avx512bw") && has!("avx512vl") {
                // SAFETY: the features have been detected.
                return unsafe { x86::avx512(kernel) };
            }
            // SAFETY: the features have been detected.
            return unsafe { x86::avx2(kernel) };
        }
    }
    kernel.run()
}

struct Transpose<'a>(&'a mut [u128; BLOCK]);

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        portable::transpose(self.0);
    }
}

/// Word c with bit c of all words, the one of word r at place r.
pub(crate) fn transposed(words: &[u128; BLOCK]) -> [u128; BLOCK] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx512bw") && has!("avx512vbmi") && has!("gfni") {
            // SAFETY: the features have been detected.
            return unsafe { x86::transposed(words) };
        }
    }
    let mut words = *words;
    run(Transpose(&mut words));
    words
}

/// For 16 leaves of `sums.len()` words each, leaf after leaf: their sums, and as words t = 0 to 3 of every [`BLOCK`]th
/// place of `columns` the sums of the leaves whose number has bit t. False, and nothing, if there are not 16 leaves of a
/// multiple of 4 words, or the processor cannot.
pub(crate) fn fold_sixteen(leaves: &[StreamBlock], sums: &mut [u128], columns: &mut [u128]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if leaves.len() == 16 * sums.len()
        && sums.len().is_multiple_of(4)
        && columns.len() <= sums.len() * BLOCK
        && std::arch::is_x86_feature_detected!("avx512f")
    {
        // SAFETY: the feature has been detected.
        unsafe { x86::fold_sixteen(leaves, sums, columns) };
        return true;
    }
    let _ = (leaves, sums, columns);
    false
}

/// Adds word·key, as polynomials over GF(2), to each sum.
pub(crate) fn accumulate(sums: &mut [Wide; BLOCK], words: &[u128; BLOCK], key: u128) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("vpclmulqdq") {
            // SAFETY: the features have been detected.
            return unsafe { x86::accumulate_wide(sums, words, key) };
        }
        if has!("pclmulqdq") {
            // SAFETY: the feature has been detected.
            return unsafe { x86::accumulate_pclmul(sums, words, key) };
        }
    }
    portable::accumulate(sums, words, key);
}

/// a·b as polynomials over GF(2).
#[inline]
pub(crate) fn product(a: u128, b: u128) -> Wide {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the feature has been detected.
        return unsafe { x86::multiply_pclmul(a, b) };
    }
    gf128::multiply(a, b)
}

/// a·b in GF(2^128).
pub(crate) fn multiply(a: u128, b: u128) -> u128 {
    product(a, b).reduce()
}

/// Sums of 256-bit integers, in limbs of 32 bits that have room to grow to 64.
pub type Limbs = [u64; 8];

/// For leaves of `sums.len()` values each, leaf after leaf: Σ_y leaf_y and Σ_y y·leaf_y for every value.
/// Up to 256 leaves: the weighted sum stays below 2^32·2^15 in a limb.
pub(crate) fn sum_leaves(words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]) {
    run(SumLeaves { words, sums, weighted });
}

struct SumLeaves<'a> {
    words: &'a [[StreamBlock; 2]],
    sums: &'a mut [Limbs],
    weighted: &'a mut [Limbs],
}

impl Kernel for SumLeaves<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        portable::sum_leaves(self.words, self.sums, self.weighted);
    }
}

mod portable {
    use super::*;

    /// Recursive exchange of the off-diagonal quarters (Warren, Hacker's Delight §7-3).
    #[inline(always)]
    pub fn transpose(rows: &mut [u128; BLOCK]) {
        let (upper, lower) = rows.split_at_mut(BLOCK / 2);
        for (a, b) in upper.iter_mut().zip(lower) {
            let swap = (*a >> 64) ^ (*b & u64::MAX as u128);
            *b ^= swap;
            *a ^= swap << 64;
        }
        let mut words = [0u64; 2 * BLOCK];
        for (row, words) in rows.iter().zip(words.as_chunks_mut::<2>().0) {
            *words = [*row as u64, (*row >> 64) as u64];
        }
        exchange::<32>(&mut words, 0x0000_0000_ffff_ffff);
        exchange::<16>(&mut words, 0x0000_ffff_0000_ffff);
        exchange::<8>(&mut words, 0x00ff_00ff_00ff_00ff);
        exchange::<4>(&mut words, 0x0f0f_0f0f_0f0f_0f0f);
        exchange::<2>(&mut words, 0x3333_3333_3333_3333);
        exchange::<1>(&mut words, 0x5555_5555_5555_5555);
        for (row, words) in rows.iter_mut().zip(words.as_chunks::<2>().0) {
            *row = words[0] as u128 | (words[1] as u128) << 64;
        }
    }

    /// Below 64 no bit crosses a word: both halves of a row move alike.
    #[inline(always)]
    fn exchange<const HALF: usize>(words: &mut [u64; 2 * BLOCK], mask: u64) {
        for pair in words.chunks_exact_mut(4 * HALF) {
            let (upper, lower) = pair.split_at_mut(2 * HALF);
            for (a, b) in upper.iter_mut().zip(lower) {
                let swap = ((*a >> HALF) ^ *b) & mask;
                *b ^= swap;
                *a ^= swap << HALF;
            }
        }
    }

    pub fn accumulate(sums: &mut [Wide; BLOCK], words: &[u128; BLOCK], key: u128) {
        sums.iter_mut().zip(words).for_each(|(sum, &word)| sum.add(gf128::multiply(word, key)));
    }

    #[inline(always)]
    pub fn sum_leaves(words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]) {
        let count = sums.len();
        let leaves = words.len() / count;
        for (i, (sums, weighted)) in sums.iter_mut().zip(weighted).enumerate() {
            let (mut sum, mut total) = (Limbs::default(), Limbs::default());
            // A leaf enters the running sum before all of smaller number: y times it is counted.
            let mut place = leaves * count + i;
            for _ in 1..leaves {
                place = place.wrapping_sub(count);
                add(&mut sum, &words[place]);
                for (total, sum) in total.iter_mut().zip(&sum) {
                    *total = total.wrapping_add(*sum);
                }
            }
            add(&mut sum, &words[i]);
            (*sums, *weighted) = (sum, total);
        }
    }

    #[inline(always)]
    fn add(limbs: &mut Limbs, word: &[StreamBlock; 2]) {
        for (limb, bytes) in limbs.iter_mut().zip(word.as_flattened().as_chunks::<4>().0) {
            *limb = limb.wrapping_add(u32::from_le_bytes(*bytes) as u64);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::field::transpose_quadwords;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,bmi2,adx,avx512f,avx512bw,avx512vl")]
    pub fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }

    #[target_feature(enable = "avx2,bmi2,adx")]
    pub fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
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

    /// Low, middle and high parts of the product, the middle to be shifted by 64.
    #[target_feature(enable = "pclmulqdq")]
    fn parts(a: __m128i, b: __m128i) -> [__m128i; 3] {
        let middle = _mm_xor_si128(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b));
        [_mm_clmulepi64_si128::<0x00>(a, b), middle, _mm_clmulepi64_si128::<0x11>(a, b)]
    }

    #[target_feature(enable = "pclmulqdq")]
    fn wide([low, middle, high]: [__m128i; 3]) -> Wide {
        let middle = word(middle);
        Wide(word(low) ^ (middle << 64), word(high) ^ (middle >> 64))
    }

    #[target_feature(enable = "pclmulqdq")]
    pub fn multiply_pclmul(a: u128, b: u128) -> Wide {
        wide(parts(vector(a), vector(b)))
    }

    /// Words of one vector.
    const LANES: usize = 4;

    #[target_feature(enable = "avx512f")]
    fn load(words: &[u128; LANES]) -> __m512i {
        // SAFETY: the source has 64 bytes, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn store(words: &mut [u128; LANES], vector: __m512i) {
        // SAFETY: the destination has 64 bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    }

    #[target_feature(enable = "avx512f")]
    fn bytes(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: the source has 64 bytes, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    /// Four words of every leaf at a time, and their four words of columns in one line of memory each.
    #[target_feature(enable = "avx512f")]
    pub fn fold_sixteen(leaves: &[StreamBlock], sums: &mut [u128], columns: &mut [u128]) {
        let stride = sums.len();
        let xor = |x, y| _mm512_xor_si512(x, y);
        for (group, sums) in sums.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let first = LANES * group;
            let l: [__m512i; 16] = std::array::from_fn(|y| {
                let words: &[StreamBlock; LANES] = leaves[y * stride + first..].first_chunk().expect("16 leaves");
                // SAFETY: the source has 64 bytes, and the load needs no alignment.
                unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
            });
            // The upper half of the leaves is folded onto the lower one, bit after bit.
            let [l8, l9, l10, l11, l12, l13, l14, l15] = [l[8], l[9], l[10], l[11], l[12], l[13], l[14], l[15]];
            let third = xor(xor(xor(l8, l9), xor(l10, l11)), xor(xor(l12, l13), xor(l14, l15)));
            let m: [__m512i; 8] = std::array::from_fn(|y| xor(l[y], l[y + 8]));
            let second = xor(xor(m[4], m[5]), xor(m[6], m[7]));
            let n: [__m512i; 4] = std::array::from_fn(|y| xor(m[y], m[y + 4]));
            let one = xor(n[2], n[3]);
            let zero = xor(n[1], n[3]);
            store(sums, xor(xor(n[0], n[2]), zero));
            let (low, high) = (_mm512_shuffle_i64x2::<0x44>(zero, one), _mm512_shuffle_i64x2::<0x44>(second, third));
            let (low2, high2) = (_mm512_shuffle_i64x2::<0xee>(zero, one), _mm512_shuffle_i64x2::<0xee>(second, third));
            let rows = [
                _mm512_shuffle_i64x2::<0x88>(low, high),
                _mm512_shuffle_i64x2::<0xdd>(low, high),
                _mm512_shuffle_i64x2::<0x88>(low2, high2),
                _mm512_shuffle_i64x2::<0xdd>(low2, high2),
            ];
            for (block, row) in (first..).zip(rows) {
                if let Some(words) = columns.get_mut(block * BLOCK..).and_then(<[u128]>::first_chunk_mut) {
                    store(words, row);
                }
            }
        }
    }

    /// Four products with one key at a time.
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub fn accumulate_wide(sums: &mut [Wide; BLOCK], words: &[u128; BLOCK], key: u128) {
        let key = load(&[key; LANES]);
        let (zero, mut parts) = (_mm512_setzero_si512(), [[0; LANES]; 2]);
        for (sums, words) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(words.as_chunks::<LANES>().0) {
            let words = load(words);
            let cross = _mm512_clmulepi64_epi128::<0x01>(words, key);
            let middle = _mm512_xor_si512(cross, _mm512_clmulepi64_epi128::<0x10>(words, key));
            // Shifts by 64 bits within each lane.
            let low =
                _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x00>(words, key), _mm512_unpacklo_epi64(zero, middle));
            let high =
                _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x11>(words, key), _mm512_unpackhi_epi64(middle, zero));
            store(&mut parts[0], low);
            store(&mut parts[1], high);
            for (lane, sum) in sums.iter_mut().enumerate() {
                sum.add(Wide(parts[0][lane], parts[1][lane]));
            }
        }
    }

    /// Where byte m of quadword C comes from in eight rows of 16 bytes: byte C of row 7 − m, because the transposition of
    /// 8×8 bits turns the rows around.
    const GATHER: [[u8; 64]; 2] = {
        let mut places = [[0; 64]; 2];
        let mut at = 0;
        while at < 128 {
            places[at / 64][at % 64] = ((7 - at % 8) * 16 + at / 8) as u8;
            at += 1;
        }
        places
    };

    /// Where byte R of row j comes from in 16 quadwords: byte j of quadword R.
    const SPREAD: [[u8; 64]; 2] = {
        let mut places = [[0; 64]; 2];
        let mut at = 0;
        while at < 128 {
            places[at / 64][at % 64] = ((at % 16) * 8 + at / 16) as u8;
            at += 1;
        }
        places
    };

    /// 8×8 bits within quadwords, quadwords among vectors, then bytes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
    pub fn transposed(words: &[u128; BLOCK]) -> [u128; BLOCK] {
        let mut out = [0; BLOCK];
        let units = _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64);
        let (gather, spread) = (GATHER.map(|places| bytes(&places)), SPREAD.map(|places| bytes(&places)));
        // Of rows 8R to 8R + 7, the quadwords of all 16 bytes C in two vectors.
        let rows = words.as_chunks::<8>().0;
        let mut squares = [[_mm512_setzero_si512(); 16]; 2];
        for (group, rows) in rows.iter().enumerate() {
            let rows = rows.as_chunks::<LANES>().0;
            let [first, second] = [load(&rows[0]), load(&rows[1])];
            for (half, places) in gather.iter().enumerate() {
                let square = _mm512_permutex2var_epi8(first, *places, second);
                squares[half][group] = _mm512_gf2p8affine_epi64_epi8::<0>(units, square);
            }
        }
        let columns = out.as_chunks_mut::<64>().0;
        for (squares, columns) in squares.iter().zip(columns) {
            let half = |at: usize| transpose_quadwords(std::array::from_fn(|group| squares[at + group]));
            let (first, second) = (half(0), half(8));
            for (c, columns) in columns.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                for (places, columns) in spread.iter().zip(columns.as_chunks_mut::<LANES>().0) {
                    store(columns, _mm512_permutex2var_epi8(first[c], *places, second[c]));
                }
            }
        }
        out
    }

    #[target_feature(enable = "pclmulqdq")]
    pub fn accumulate_pclmul(sums: &mut [Wide; BLOCK], words: &[u128; BLOCK], key: u128) {
        let key = vector(key);
        for (sum, &x) in sums.iter_mut().zip(words) {
            sum.add(wide(parts(vector(x), key)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use rand_core::{Rng as _, SeedableRng};

    fn words<const N: usize>(rng: &mut Rng) -> [u128; N] {
        std::array::from_fn(|_| (rng.next_u64() as u128) << 64 | rng.next_u64() as u128)
    }

    #[test]
    fn transposition_moves_every_bit() {
        let mut rng = Rng::seed_from_u64(5);
        let rows: [u128; BLOCK] = words(&mut rng);
        let (columns, mut portable) = (transposed(&rows), rows);
        portable::transpose(&mut portable);
        assert_eq!(columns, portable);
        for (r, row) in rows.iter().enumerate() {
            for (c, column) in columns.iter().enumerate() {
                assert_eq!((row >> c) & 1, (column >> r) & 1);
            }
        }
    }

    #[test]
    fn folded_leaves_are_the_sums_by_the_bits_of_their_numbers() {
        let mut rng = Rng::seed_from_u64(8);
        let leaves: [u128; 16 * 8] = words(&mut rng);
        let blocks = leaves.map(u128::to_le_bytes);
        // Six of the eight blocks have columns.
        let (mut sums, mut columns) = ([0; 8], [0; 5 * BLOCK + 4]);
        if !fold_sixteen(&blocks, &mut sums, &mut columns) {
            return;
        }
        let sum = |j: usize, bit: Option<usize>| {
            let numbers = (0..16).filter(|y| bit.is_none_or(|t| y >> t & 1 == 1));
            numbers.fold(0, |sum, y| sum ^ leaves[y * 8 + j])
        };
        for j in 0..8 {
            assert_eq!(sums[j], sum(j, None));
        }
        for j in 0..6 {
            for t in 0..4 {
                assert_eq!(columns[j * BLOCK + t], sum(j, Some(t)), "block {j}, bit {t}");
            }
        }
        assert!(columns.chunks(BLOCK).all(|block| block.iter().skip(4).all(|&word| word == 0)), "nothing else changes");
    }

    #[test]
    fn products_agree_with_the_portable_ones() {
        let mut rng = Rng::seed_from_u64(6);
        let mut sums = [[Wide::default(); BLOCK]; 2];
        for _ in 0..20 {
            let block: [u128; BLOCK] = words(&mut rng);
            let [key] = words(&mut rng);
            accumulate(&mut sums[0], &block, key);
            portable::accumulate(&mut sums[1], &block, key);
            assert_eq!(multiply(block[0], key), gf128::multiply(block[0], key).reduce());
        }
        assert_eq!(sums[0], sums[1]);
    }

    #[test]
    fn sums_agree_with_wide_integers() {
        use crypto_bigint::U256;
        let mut rng = Rng::seed_from_u64(7);
        for leaves in [2, 16, 256] {
            let count = 5;
            let all: Vec<[u128; 2]> = (0..leaves * count).map(|_| words(&mut rng)).collect();
            let (mut sums, mut weighted) = (vec![Limbs::default(); count], vec![Limbs::default(); count]);
            let blocks: Vec<[StreamBlock; 2]> = all.iter().map(|words| words.map(u128::to_le_bytes)).collect();
            sum_leaves(&blocks, &mut sums, &mut weighted);
            for i in 0..count {
                let integer = |[low, high]: [u128; 2]| {
                    U256::from_words([low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64])
                };
                let times = |x: U256, y: usize| x.wrapping_mul(&U256::from(y as u64));
                let fold = |limbs: &Limbs| {
                    limbs
                        .iter()
                        .rev()
                        .fold(U256::ZERO, |sum, &limb| sum.wrapping_shl(32).wrapping_add(&U256::from(limb)))
                };
                let leaf = |y: usize| integer(all[y * count + i]);
                let expected = (0..leaves).fold(U256::ZERO, |sum, y| sum.wrapping_add(&leaf(y)));
                assert_eq!(fold(&sums[i]), expected);
                let expected = (0..leaves).fold(U256::ZERO, |sum, y| sum.wrapping_add(&times(leaf(y), y)));
                assert_eq!(fold(&weighted[i]), expected);
                assert!(weighted[i].iter().all(|limb| limb >> 47 == 0), "limbs do not come near their end");
            }
        }
    }
}

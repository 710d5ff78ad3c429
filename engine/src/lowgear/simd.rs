//! The loops over limbs in which LowGear spends its time, for the processor at hand.
//!
//! Each has a portable body. With AVX2 and BMI2 that body is compiled again for those; with AVX-512 IFMA
//! (52-bit multiplications, eight at once) there is a body of its own, tested against the portable one. This is
//! the only module of LowGear with `unsafe`: it calls functions whose processor features have just been
//! detected, and loads and stores vectors of slices whose lengths it has checked.
#![allow(unsafe_code)]

use super::modulus::{Constant, Modulus, multiply_lazily, subtract_once};
use super::ntt::{self, Table};

/// Lanes of a vector.
const LANES: usize = 8;

/// Which bodies the processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Ifma,
}

#[inline]
fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("bmi2") && has!("adx") {
            let ifma = has!("avx512f") && has!("avx512ifma") && has!("avx512vl") && has!("avx512dq");
            return if ifma { Level::Ifma } else { Level::Avx2 };
        }
    }
    Level::Portable
}

/// Defines a public loop: its portable body, and for long enough vectors its IFMA body.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*), $len:expr) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $ty),*) {
            run(level(), $($arg),*);

            fn run(level: Level, $($arg: $ty),*) {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the features have been detected.
                    Level::Ifma if $len.is_multiple_of(2 * LANES) && $len > 0 => unsafe { x86::ifma::$name($($arg),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the features have been detected.
                    Level::Ifma | Level::Avx2 => unsafe { x86::avx2::$name($($arg),*) },
                    Level::Portable => portable::$name($($arg),*),
                }
            }
        }
    };
}

dispatch!(
    /// See [`Table::forward`].
    forward(table: &Table, values: &mut [u64]),
    values.len()
);
dispatch!(
    /// See [`Table::inverse`].
    inverse(table: &Table, values: &mut [u64]),
    values.len()
);
dispatch!(
    /// out = x·constant.
    scaled(modulus: &Modulus, x: &[u64], constant: Constant, out: &mut [u64]),
    x.len()
);
dispatch!(
    /// x ← x·y.
    multiply(modulus: &Modulus, x: &mut [u64], y: &[u64]),
    x.len()
);
dispatch!(
    /// sum ← sum + x·y.
    multiply_add(modulus: &Modulus, sum: &mut [u64], x: &[u64], y: &[u64]),
    x.len()
);
dispatch!(
    /// out = constant + Σ x·k, for at most [`TERMS_MAX`] terms of x below 2^50 and residues k.
    combine(modulus: &Modulus, constant: u64, terms: &[(&[u64], u64)], out: &mut [u64]),
    out.len()
);

/// Most terms of [`combine`].
pub(crate) const TERMS_MAX: usize = 13;

mod portable {
    use super::*;
    pub use ntt::portable::{forward, inverse};

    #[inline(always)]
    pub fn combine(modulus: &Modulus, constant: u64, terms: &[(&[u64], u64)], out: &mut [u64]) {
        for (j, out) in out.iter_mut().enumerate() {
            let sum = terms.iter().fold(constant as u128, |sum, (x, k)| sum.wrapping_add(x[j] as u128 * *k as u128));
            *out = modulus.reduce_sum(sum);
        }
    }

    #[inline(always)]
    pub fn scaled(modulus: &Modulus, x: &[u64], constant: Constant, out: &mut [u64]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = subtract_once(multiply_lazily(x, constant, modulus.q), modulus.q);
        }
    }

    #[inline(always)]
    pub fn multiply(modulus: &Modulus, x: &mut [u64], y: &[u64]) {
        x.iter_mut().zip(y).for_each(|(x, &y)| *x = modulus.mul(*x, y));
    }

    #[inline(always)]
    pub fn multiply_add(modulus: &Modulus, sum: &mut [u64], x: &[u64], y: &[u64]) {
        for ((sum, &x), &y) in sum.iter_mut().zip(x).zip(y) {
            *sum = modulus.add(*sum, modulus.mul(x, y));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    /// The portable bodies, compiled for AVX2 and the wide multiplications of BMI2.
    pub mod avx2 {
        use super::super::*;

        macro_rules! again {
            ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
                $(#[target_feature(enable = "avx2,bmi2,adx")]
                pub fn $name($($arg: $ty),*) {
                    portable::$name($($arg),*);
                })*
            };
        }

        again! {
            forward(table: &Table, values: &mut [u64]);
            inverse(table: &Table, values: &mut [u64]);
            scaled(modulus: &Modulus, x: &[u64], constant: Constant, out: &mut [u64]);
            multiply(modulus: &Modulus, x: &mut [u64], y: &[u64]);
            multiply_add(modulus: &Modulus, sum: &mut [u64], x: &[u64], y: &[u64]);
            combine(modulus: &Modulus, constant: u64, terms: &[(&[u64], u64)], out: &mut [u64]);
        }
    }

    /// Eight lanes of 52 bits.
    pub mod ifma {
        use super::super::*;
        use crate::lowgear::ntt::Roots;
        use std::arch::x86_64::*;

        #[derive(Clone, Copy)]
        struct Lanes {
            q: __m512i,
            q2: __m512i,
            barrett: __m512i,
        }

        #[target_feature(enable = "avx512f")]
        fn lanes(modulus: &Modulus) -> Lanes {
            Lanes { q: splat(modulus.q), q2: splat(2 * modulus.q), barrett: splat(modulus.barrett) }
        }

        #[target_feature(enable = "avx512f")]
        fn splat(x: u64) -> __m512i {
            _mm512_set1_epi64(x as i64)
        }

        #[target_feature(enable = "avx512f")]
        fn load(x: &[u64]) -> __m512i {
            let x: &[u64; LANES] = x.first_chunk().expect("a vector's worth");
            // SAFETY: eight words are there, and the load needs no alignment.
            unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
        }

        #[target_feature(enable = "avx512f")]
        fn store(out: &mut [u64], x: __m512i) {
            let out: &mut [u64; LANES] = out.first_chunk_mut().expect("a vector's worth");
            // SAFETY: eight words are there, and the store needs no alignment.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), x) };
        }

        /// `x − m` if `x ≥ m`, else `x`.
        #[target_feature(enable = "avx512f")]
        fn subtract_once(x: __m512i, m: __m512i) -> __m512i {
            _mm512_min_epu64(x, _mm512_sub_epi64(x, m))
        }

        #[target_feature(enable = "avx512f")]
        fn low52(x: __m512i) -> __m512i {
            _mm512_and_si512(x, splat((1 << 52) - 1))
        }

        /// See [`super::super::multiply_lazily`].
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn multiply_lazily(x: __m512i, w: __m512i, quotient: __m512i, q: __m512i) -> __m512i {
            let zero = _mm512_setzero_si512();
            let estimate = _mm512_madd52hi_epu64(zero, x, quotient);
            let product = _mm512_madd52lo_epu64(zero, x, w);
            low52(_mm512_sub_epi64(product, _mm512_madd52lo_epu64(zero, estimate, q)))
        }

        /// See [`Modulus::reduce`].
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn product(x: __m512i, y: __m512i, m: Lanes) -> __m512i {
            let zero = _mm512_setzero_si512();
            let low = _mm512_madd52lo_epu64(zero, x, y);
            let high = _mm512_madd52hi_epu64(zero, x, y);
            let top = _mm512_or_si512(_mm512_slli_epi64::<4>(high), _mm512_srli_epi64::<48>(low));
            let estimate = _mm512_madd52hi_epu64(zero, top, m.barrett);
            let r = low52(_mm512_sub_epi64(low, _mm512_madd52lo_epu64(zero, estimate, m.q)));
            subtract_once(subtract_once(r, m.q2), m.q)
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn forward_butterfly(x: __m512i, y: __m512i, (w, quotient): (__m512i, __m512i), m: Lanes) -> [__m512i; 2] {
            let u = subtract_once(x, m.q2);
            let v = multiply_lazily(y, w, quotient, m.q);
            [_mm512_add_epi64(u, v), _mm512_sub_epi64(_mm512_add_epi64(u, m.q2), v)]
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn inverse_butterfly(x: __m512i, y: __m512i, (w, quotient): (__m512i, __m512i), m: Lanes) -> [__m512i; 2] {
            let sum = _mm512_add_epi64(x, y);
            let difference = _mm512_sub_epi64(_mm512_add_epi64(x, m.q2), y);
            [subtract_once(sum, m.q2), multiply_lazily(difference, w, quotient, m.q)]
        }

        /// How the two halves of butterflies of distance 4, 2 and 1 lie in two vectors: the lanes of the upper
        /// and the lower halves, how they go back, and which root each lane takes.
        #[derive(Clone, Copy)]
        struct Shuffle {
            upper: __m512i,
            lower: __m512i,
            first: __m512i,
            second: __m512i,
            roots: __m512i,
        }

        #[target_feature(enable = "avx512f")]
        fn shuffle(half: usize) -> Shuffle {
            let lane = |k: usize| k / half * 2 * half + k % half;
            let vector = |of: &dyn Fn(usize) -> usize| {
                let lanes: [u64; LANES] = std::array::from_fn(|k| of(k) as u64);
                load(&lanes)
            };
            // Lane p of the 16 in memory: from the upper halves (0..8) or the lower ones (8..16).
            let back = |p: usize| p / (2 * half) * half + p % half + if p / half % 2 == 1 { LANES } else { 0 };
            Shuffle {
                upper: vector(&lane),
                lower: vector(&|k| lane(k) + half),
                first: vector(&back),
                second: vector(&|k| back(k + LANES)),
                roots: vector(&|k| k / half),
            }
        }

        /// The roots from number k on, spread over the lanes; 8/half of them are used, and eight are there.
        #[target_feature(enable = "avx512f")]
        fn roots_at(roots: &Roots, k: usize, spread: __m512i) -> (__m512i, __m512i) {
            let at = |all: &[u64]| {
                let start = k.min(all.len() - LANES);
                let shift = splat((k - start) as u64);
                _mm512_permutexvar_epi64(_mm512_add_epi64(spread, shift), load(&all[start..]))
            };
            (at(&roots.w), at(&roots.quotients))
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn near(
            values: &mut [u64],
            roots: &Roots,
            half: usize,
            m: Lanes,
            butterfly: impl Fn(__m512i, __m512i, (__m512i, __m512i), Lanes) -> [__m512i; 2],
        ) {
            let groups = values.len() / (2 * half);
            let s = shuffle(half);
            for (i, pair) in values.chunks_exact_mut(2 * LANES).enumerate() {
                let (first, second) = (load(pair), load(&pair[LANES..]));
                let upper = _mm512_permutex2var_epi64(first, s.upper, second);
                let lower = _mm512_permutex2var_epi64(first, s.lower, second);
                let root = roots_at(roots, groups + i * (LANES / half), s.roots);
                let [upper, lower] = butterfly(upper, lower, root, m);
                store(pair, _mm512_permutex2var_epi64(upper, s.first, lower));
                store(&mut pair[LANES..], _mm512_permutex2var_epi64(upper, s.second, lower));
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn far(
            values: &mut [u64],
            roots: &Roots,
            half: usize,
            m: Lanes,
            butterfly: impl Fn(__m512i, __m512i, (__m512i, __m512i), Lanes) -> [__m512i; 2],
        ) {
            let groups = values.len() / (2 * half);
            for (i, group) in values.chunks_exact_mut(2 * half).enumerate() {
                let constant = roots.get(groups + i);
                let root = (splat(constant.w), splat(constant.quotient));
                let (upper, lower) = group.split_at_mut(half);
                for (x, y) in upper.chunks_exact_mut(LANES).zip(lower.chunks_exact_mut(LANES)) {
                    let [upper, lower] = butterfly(load(x), load(y), root, m);
                    store(x, upper);
                    store(y, lower);
                }
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn forward(table: &Table, values: &mut [u64]) {
            let m = lanes(&table.modulus);
            let mut half = values.len() / 2;
            while half > 0 {
                if half >= LANES {
                    far(values, &table.roots, half, m, |x, y, root, m| forward_butterfly(x, y, root, m));
                } else {
                    near(values, &table.roots, half, m, |x, y, root, m| forward_butterfly(x, y, root, m));
                }
                half /= 2;
            }
            for x in values.chunks_exact_mut(LANES) {
                let canonical = subtract_once(subtract_once(load(x), m.q2), m.q);
                store(x, canonical);
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn inverse(table: &Table, values: &mut [u64]) {
            let m = lanes(&table.modulus);
            let mut half = 1;
            while half < values.len() {
                if half >= LANES {
                    far(values, &table.inverse_roots, half, m, |x, y, root, m| inverse_butterfly(x, y, root, m));
                } else {
                    near(values, &table.inverse_roots, half, m, |x, y, root, m| inverse_butterfly(x, y, root, m));
                }
                half *= 2;
            }
            let (w, quotient) = (splat(table.scale.w), splat(table.scale.quotient));
            for x in values.chunks_exact_mut(LANES) {
                let scaled = multiply_lazily(load(x), w, quotient, m.q);
                store(x, subtract_once(scaled, m.q));
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn scaled(modulus: &Modulus, x: &[u64], constant: Constant, out: &mut [u64]) {
            let m = lanes(modulus);
            let (w, quotient) = (splat(constant.w), splat(constant.quotient));
            for (out, x) in out.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)) {
                store(out, subtract_once(multiply_lazily(load(x), w, quotient, m.q), m.q));
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn multiply(modulus: &Modulus, x: &mut [u64], y: &[u64]) {
            let m = lanes(modulus);
            for (x, y) in x.chunks_exact_mut(LANES).zip(y.chunks_exact(LANES)) {
                let xy = product(load(x), load(y), m);
                store(x, xy);
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn multiply_add(modulus: &Modulus, sum: &mut [u64], x: &[u64], y: &[u64]) {
            let m = lanes(modulus);
            let terms = x.chunks_exact(LANES).zip(y.chunks_exact(LANES));
            for (sum, (x, y)) in sum.chunks_exact_mut(LANES).zip(terms) {
                let xy = product(load(x), load(y), m);
                let total = _mm512_add_epi64(load(sum), xy);
                store(sum, subtract_once(total, m.q));
            }
        }

        /// The two halves of the products add up apart; the upper one then counts 2^52.
        #[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx2,bmi2,adx")]
        pub fn combine(modulus: &Modulus, constant: u64, terms: &[(&[u64], u64)], out: &mut [u64]) {
            let m = lanes(modulus);
            let power = modulus.constant(modulus.of_wide(1 << 52));
            let (w, quotient) = (splat(power.w), splat(power.quotient));
            let (q8, q4) = (splat(8 * modulus.q), splat(4 * modulus.q));
            for (j, out) in out.chunks_exact_mut(LANES).enumerate() {
                let (mut low, mut high) = (splat(constant), _mm512_setzero_si512());
                for (x, k) in terms {
                    let (x, k) = (load(&x[j * LANES..]), splat(*k));
                    low = _mm512_madd52lo_epu64(low, x, k);
                    high = _mm512_madd52hi_epu64(high, x, k);
                }
                let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
                let sum = _mm512_add_epi64(low52(low), multiply_lazily(high, w, quotient, m.q));
                let sum = subtract_once(subtract_once(sum, q8), q4);
                store(out, subtract_once(subtract_once(sum, m.q2), m.q));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lowgear::params::PRIMES;
    use crate::port::Rng;
    use rand_core::{Rng as _, SeedableRng};

    /// Random residues with the ends of the range among them.
    fn residues(q: u64, n: usize, rng: &mut Rng) -> Vec<u64> {
        let ends = [0, 1, q - 1, q - 2];
        (0..n).map(|k| if k % 5 < 4 && k < 40 { ends[k % 5] } else { rng.next_u64() % q }).collect()
    }

    #[test]
    fn every_backend_computes_what_the_portable_one_does() {
        let mut rng = Rng::seed_from_u64(1);
        for &q in &PRIMES {
            let m = Modulus::new(q);
            for log_n in [3, 4, 5, 6, 9, 15] {
                let table = Table::new(m, log_n);
                let n = 1 << log_n;
                let (x, y, z) = (residues(q, n, &mut rng), residues(q, n, &mut rng), residues(q, n, &mut rng));
                let constant = m.constant(rng.next_u64() % q);
                let [mut fast, mut plain] = [x.clone(), x.clone()];
                forward(&table, &mut fast);
                portable::forward(&table, &mut plain);
                assert_eq!(fast, plain, "forward {q} {log_n}");
                inverse(&table, &mut fast);
                portable::inverse(&table, &mut plain);
                assert_eq!(fast, plain, "inverse {q} {log_n}");
                assert_eq!(plain, x);
                scaled(&m, &x, constant, &mut fast);
                portable::scaled(&m, &x, constant, &mut plain);
                assert_eq!(fast, plain, "scaled");
                multiply(&m, &mut fast, &y);
                portable::multiply(&m, &mut plain, &y);
                assert_eq!(fast, plain, "multiply");
                multiply_add(&m, &mut fast, &y, &z);
                portable::multiply_add(&m, &mut plain, &y, &z);
                assert_eq!(fast, plain, "multiply_add");
                let wide: Vec<Vec<u64>> = (0..TERMS_MAX as u64)
                    .map(|t| z.iter().map(|&z| if t < 9 { (1 << 50) - 1 - t } else { z }).collect())
                    .collect();
                for terms in [1, 5, TERMS_MAX] {
                    let terms: Vec<(&[u64], u64)> = wide[..terms].iter().map(|x| (x.as_slice(), q - 1)).collect();
                    combine(&m, q - 1, &terms, &mut fast);
                    portable::combine(&m, q - 1, &terms, &mut plain);
                    assert_eq!(fast, plain, "combine");
                    let value = |j: usize| {
                        terms.iter().fold(q as u128 - 1, |sum, (x, k)| (sum + x[j] as u128 * *k as u128) % q as u128)
                    };
                    assert_eq!(plain[0] as u128, value(0));
                    assert_eq!(plain[n - 1] as u128, value(n - 1));
                }
            }
        }
    }
}

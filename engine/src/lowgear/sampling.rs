//! Secret polynomials with small or bounded coefficients, sampled without a branch or an index that depends on
//! them.
//!
//! The randomness u of an encryption and the secret key are centred binomial with parameter 1 (−1, 0, 1 with
//! probabilities 1/4, 1/2, 1/4: ZO(0.5) of SPDZ-2, eprint 2012/642 app. A.1), noise is centred binomial with
//! parameter 21 (σ = 3.24). Masks and flooding are uniform over powers of two, hence straight from the
//! generator.

use super::params::{FLOODING_WORDS, NOISE};
use super::wide::Wide;
use crate::prg::Prg;
use zeroize::Zeroizing;

/// Coefficients that fit into words.
pub(crate) type Small = Zeroizing<Vec<i64>>;

/// The randomness of an encryption.
#[derive(Clone)]
pub(crate) struct Randomness {
    pub u: Small,
    pub v: Small,
    pub w: Small,
}

fn blocks(prg: &mut Prg, count: usize) -> Zeroizing<Vec<u128>> {
    let mut blocks = Zeroizing::new(vec![0; count]);
    prg.fill_blocks(&mut blocks);
    blocks
}

/// The difference of the numbers of ones in the lowest bits and in those after them.
#[inline(always)]
fn centred(bits: u64, parameter: u64) -> i64 {
    let mask = (1 << parameter) - 1;
    (bits & mask).count_ones() as i64 - (bits >> parameter & mask).count_ones() as i64
}

impl Randomness {
    /// For one encryption: a block of the generator for each coefficient.
    pub fn sample(prg: &mut Prg, n: usize) -> Self {
        let blocks = blocks(prg, n);
        let column = |of: fn(u128) -> i64| Zeroizing::new(blocks.iter().map(|&block| of(block)).collect::<Vec<_>>());
        Self {
            u: column(|block| centred((block >> 124) as u64, 1)),
            v: column(|block| centred(block as u64, NOISE)),
            w: column(|block| centred((block >> 64) as u64, NOISE)),
        }
    }
}

/// Uniform in [−2^k, 2^k).
pub(crate) fn mask(prg: &mut Prg, n: usize, k: u32) -> Small {
    let shift = 63 - k;
    let words = blocks(prg, n.div_ceil(2));
    let words = words.iter().flat_map(|block| [*block as u64, (*block >> 64) as u64]);
    Zeroizing::new(words.take(n).map(|word| word as i64 >> shift).collect())
}

/// Uniform in [−2^k, 2^k).
pub(crate) fn wide_mask(prg: &mut Prg, n: usize, k: u32) -> Zeroizing<Vec<Wide>> {
    let words = blocks(prg, 2 * n);
    Zeroizing::new(words.as_chunks::<2>().0.iter().map(|words| Wide::from_bits(*words).shift_to(k)).collect())
}

/// Uniform in [0, 2^k): words of 50 bits, the least significant first, word after word.
pub(crate) fn flooding(prg: &mut Prg, n: usize, k: u32) -> Vec<Zeroizing<Vec<u64>>> {
    let word = |i: usize| {
        let bits = k.saturating_sub(50 * i as u32).min(50);
        let words = blocks(prg, n.div_ceil(2));
        let words = words.iter().flat_map(|block| [*block as u64, (*block >> 64) as u64]);
        Zeroizing::new(words.take(n).map(|word| word & ((1 << bits) - 1)).collect())
    };
    (0..FLOODING_WORDS).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 1 << 15;

    fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        (mean, values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n)
    }

    #[test]
    fn randomness_has_the_distributions_it_claims() {
        let sample = Randomness::sample(&mut Prg::new([1; 32]), N);
        for (column, bound, variance) in [(&sample.u, 1, 0.5), (&sample.v, 21, 10.5), (&sample.w, 21, 10.5)] {
            assert!(column.iter().all(|x| x.abs() <= bound));
            let (mean, found) = moments(column.iter().map(|&x| x as f64));
            // Six standard deviations of the mean; the variance's is 1.4 parts in 181.
            assert!(mean.abs() < 6.0 * (variance / N as f64).sqrt(), "mean {mean}");
            assert!((found / variance - 1.0).abs() < 0.05, "variance {found} for {variance}");
        }
        // χ² of v against the binomial distribution, 15 cells around zero and the rest.
        let mut probability = [0.0; 43];
        probability[21] = 1.0;
        for _ in 0..21 {
            let step = |i: usize| {
                let at = |i: Option<usize>| i.and_then(|i| probability.get(i)).copied().unwrap_or(0.0);
                at(i.checked_sub(1)) / 4.0 + at(Some(i)) / 2.0 + at(Some(i + 1)) / 4.0
            };
            probability = std::array::from_fn(step);
        }
        let mut chi = 0.0;
        for x in -7..=7i64 {
            let expected = probability[(x + 21) as usize] * N as f64;
            let count = sample.v.iter().filter(|&&y| y == x).count() as f64;
            chi += (count - expected) * (count - expected) / expected;
        }
        // 14 or 15 degrees of freedom; 2^-20 of all samples exceed 59.
        assert!(chi < 59.0, "χ² = {chi}");
        let correlation: f64 = sample.v.iter().zip(sample.w.iter()).map(|(&v, &w)| (v * w) as f64).sum();
        assert!(correlation.abs() < 6.0 * 10.5 * (N as f64).sqrt(), "v and w are independent");
    }

    #[test]
    fn masks_fill_their_ranges() {
        let mut prg = Prg::new([2; 32]);
        for k in [3, 30, 40] {
            let values = mask(&mut prg, N, k);
            let half = 1i64 << k;
            assert!(values.iter().all(|&x| (-half..half).contains(&x)));
            let (mean, variance) = moments(values.iter().map(|&x| (x as f64 + 0.5) / half as f64));
            assert!(mean.abs() < 0.02 && (variance - 1.0 / 3.0).abs() < 0.02, "{mean} {variance}");
        }
        let values = wide_mask(&mut prg, N, 160);
        assert!(values.iter().all(|x| x.is_within(160, &Wide::default())));
        let negative = values.iter().filter(|x| x.high < 0).count();
        // Standard deviation 90.
        assert!((15_800..=16_960).contains(&negative), "{negative}");
        let words = flooding(&mut prg, N, 369);
        assert_eq!(words.len(), FLOODING_WORDS);
        assert!(words[..7].iter().all(|word| word.iter().any(|&x| x >> 49 == 1) && word.iter().all(|&x| x >> 50 == 0)));
        assert!(words[7].iter().any(|&x| x >> 18 == 1) && words[7].iter().all(|&x| x >> 19 == 0));
    }
}

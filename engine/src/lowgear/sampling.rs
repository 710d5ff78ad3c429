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
    use crate::statistics::{assert_bits, assert_even, assert_independent, assert_uniform, chi_square};

    const N: usize = 1 << 15;

    /// The probabilities of a centred binomial with this parameter, from −parameter on.
    fn binomial(parameter: usize) -> Vec<f64> {
        let quarter = |all: &[f64]| -> Vec<f64> {
            let at = |k: Option<usize>| k.and_then(|k| all.get(k)).copied().unwrap_or(0.0);
            (0..all.len() + 2)
                .map(|k| at(Some(k)) / 4.0 + at(k.checked_sub(1)) / 2.0 + at(k.checked_sub(2)) / 4.0)
                .collect()
        };
        (0..parameter).fold(vec![1.0], |all, _| quarter(&all))
    }

    /// The tails, where less than ten are expected, are one cell.
    fn is_binomial(values: &[i64], parameter: i64, story: &str) {
        assert!(values.iter().all(|x| x.abs() <= parameter), "{story} is bounded");
        let (mut counts, mut probabilities) = (vec![0], vec![0.0]);
        for (x, probability) in (-parameter..).zip(binomial(parameter as usize)) {
            let count = values.iter().filter(|&&y| y == x).count() as u64;
            if probability * (values.len() as f64) < 10.0 {
                (counts[0], probabilities[0]) = (counts[0] + count, probabilities[0] + probability);
            } else {
                counts.push(count);
                probabilities.push(probability);
            }
        }
        let start = usize::from(probabilities[0] == 0.0);
        let off = chi_square(&counts[start..], &probabilities[start..]);
        assert!(off.abs() < 5.0, "{story}: χ² is off by {off:.1} standard deviations");
    }

    #[test]
    fn randomness_has_the_distributions_it_claims() {
        let sample = Randomness::sample(&mut Prg::new([1; 32]), N);
        is_binomial(&sample.u, 1, "u");
        is_binomial(&sample.v, NOISE as i64, "v");
        is_binomial(&sample.w, NOISE as i64, "w");
        // Signs of all pairs of u, v and w, where neither is zero, and of neighbours.
        let signs = |x: &[i64], y: &[i64], story: &str| {
            let pairs = x.iter().zip(y).filter(|&(&x, &y)| x != 0 && y != 0);
            assert_independent(pairs.map(|(&x, &y)| (usize::from(x > 0), usize::from(y > 0))), 2, story);
        };
        signs(&sample.u, &sample.v, "u and v");
        signs(&sample.v, &sample.w, "v and w");
        signs(&sample.u, &sample.w, "u and w");
        for (column, story) in [(&sample.u, "u"), (&sample.v, "v"), (&sample.w, "w")] {
            signs(&column[1..], &column[..N - 1], &format!("{story}, neighbours"));
        }
    }

    #[test]
    fn masks_fill_their_ranges() {
        let mut prg = Prg::new([2; 32]);
        for k in [3, 30, 40] {
            let values = mask(&mut prg, N, k);
            let half = 1i64 << k;
            assert!(values.iter().all(|&x| (-half..half).contains(&x)));
            if k == 3 {
                assert_uniform(values.iter().map(|&x| (x + half) as usize), 16, "a narrow mask");
            } else {
                assert_even(values.iter().map(|&x| (x + half) as f64 / (2 * half) as f64).collect(), "a mask");
                assert_bits(&values.iter().map(|&x| x as u128).collect::<Vec<_>>(), k + 1, "a mask");
            }
        }
        let values = wide_mask(&mut prg, N, 160);
        assert!(values.iter().all(|x| x.is_within(160, &Wide::default())));
        assert_bits(&values.iter().map(|x| x.high as u128).collect::<Vec<_>>(), 97, "a wide mask, above 64 bits");
        assert_bits(&values.iter().map(|x| x.low.into()).collect::<Vec<_>>(), 64, "a wide mask, below 64 bits");
        let words = flooding(&mut prg, N, 369);
        assert_eq!(words.len(), FLOODING_WORDS);
        for (words, bits) in words.iter().zip([50, 50, 50, 50, 50, 50, 50, 19]) {
            assert!(words.iter().all(|word| word >> bits == 0));
            assert_bits(&words.iter().map(|&word| word.into()).collect::<Vec<_>>(), bits, "flooding");
        }
    }
}

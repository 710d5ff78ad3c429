//! Statistics of what is random, for tests: rates, distributions, independence.
//!
//! Tests draw from fixed seeds, so a verdict is the same in every run. Limits are four standard deviations or more: were
//! the seeds others, about one test in ten thousand would fail for nothing.

/// Standard deviations within which a statistic must lie.
const LIMIT: f64 = 5.0;

/// Asserts that `passed` of `trials` is the rate `expected`. There must be so many trials that half of that rate and
/// twice that rate would fail.
#[track_caller]
pub(crate) fn assert_rate(passed: usize, trials: usize, expected: f64, story: &str) {
    let mean = expected * trials as f64;
    let deviation = (mean * (1.0 - expected)).sqrt();
    assert!(4.0 * deviation < mean / 2.0, "{story}: {trials} trials do not tell {expected} from half of it");
    let found = passed as f64;
    assert!((found - mean).abs() <= 4.0 * deviation, "{story}: {passed} of {trials}, not {mean:.1} ± {deviation:.1}");
}

/// By how many standard deviations Pearson's χ² of `counts` is off for these probabilities, after Wilson and Hilferty
/// (PNAS 17, 1931). Negative: the counts fit too well.
pub(crate) fn chi_square(counts: &[u64], probabilities: &[f64]) -> f64 {
    assert_eq!(counts.len(), probabilities.len(), "a probability for each cell");
    let total = counts.iter().sum::<u64>() as f64;
    let term = |(&count, &probability): (&u64, &f64)| {
        let expected = total * probability;
        assert!(expected >= 5.0, "a cell with {expected} expected");
        (count as f64 - expected).powi(2) / expected
    };
    normal(counts.iter().zip(probabilities).map(term).sum(), counts.len() - 1)
}

fn normal(chi: f64, freedom: usize) -> f64 {
    let part = 2.0 / (9.0 * freedom as f64);
    ((chi / freedom as f64).cbrt() - (1.0 - part)) / part.sqrt()
}

/// Asserts that `values` below `cells` are uniform.
#[track_caller]
pub(crate) fn assert_uniform(values: impl IntoIterator<Item = usize>, cells: usize, story: &str) {
    let mut counts = vec![0; cells];
    values.into_iter().for_each(|value| counts[value] += 1);
    let off = chi_square(&counts, &vec![1.0 / cells as f64; cells]);
    assert!(off.abs() < LIMIT, "{story}: χ² is off by {off:.1} standard deviations");
}

/// Asserts that pairs of values below `cells` are uniform, and so independent of each other.
#[track_caller]
pub(crate) fn assert_independent(pairs: impl IntoIterator<Item = (usize, usize)>, cells: usize, story: &str) {
    assert_uniform(pairs.into_iter().map(|(x, y)| x * cells + y), cells * cells, story);
}

/// Asserts that `ones` of `count` coins are fair.
#[track_caller]
pub(crate) fn assert_fair(ones: usize, count: usize, story: &str) {
    let off = (ones as f64 - count as f64 / 2.0) / (count as f64 / 4.0).sqrt();
    assert!(off.abs() < LIMIT, "{story}: {ones} of {count} are one");
}

/// Asserts that every bit of these words of `bits` bits is a fair coin, and every two neighbours are independent.
#[track_caller]
pub(crate) fn assert_bits(words: &[u128], bits: u32, story: &str) {
    let ones = |of: &dyn Fn(u128) -> u128| words.iter().filter(|&&word| of(word) & 1 == 1).count();
    for bit in 0..bits {
        assert_fair(ones(&|word| word >> bit), words.len(), &format!("{story}, bit {bit}"));
        if bit > 0 {
            let story = format!("{story}, bits {bit} and {}", bit - 1);
            assert_fair(ones(&|word| word >> bit ^ word >> (bit - 1)), words.len(), &story);
        }
    }
}

/// Asserts that numbers in [0, 1) are uniform, by the greatest distance of their distribution from the diagonal
/// (Kolmogorov and Smirnov).
#[track_caller]
pub(crate) fn assert_even(mut values: Vec<f64>, story: &str) {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distance = |(k, x): (usize, &f64)| (x - k as f64 / count).abs().max((k as f64 + 1.0) / count - x);
    let greatest = values.iter().enumerate().map(distance).fold(0.0, f64::max);
    // Exceeded with probability 2·exp(−2·2.6²), below 3·10^-6.
    assert!(greatest * count.sqrt() < 2.6, "{story}: {greatest} from uniform for {count} values");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;
    use std::panic::catch_unwind;

    fn words(seed: u8, len: usize) -> Vec<u128> {
        let mut words = vec![0; len];
        Prg::new([seed; 32]).fill_blocks(&mut words);
        words
    }

    fn fails(test: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        catch_unwind(test).is_err()
    }

    #[test]
    fn a_good_generator_passes() {
        let words = words(1, 20_000);
        assert_bits(&words, 128, "key stream");
        assert_uniform(words.iter().map(|word| (word % 257) as usize), 257, "residues");
        assert_independent(words.iter().map(|word| ((word % 16) as usize, (word >> 64) as usize % 16)), 16, "halves");
        assert_even(words.iter().map(|&word| word as f64 / 2f64.powi(128)).collect(), "fractions");
        assert_rate(words.iter().filter(|word| **word % 64 == 0).count(), words.len(), 1.0 / 64.0, "one in 64");
    }

    #[test]
    fn small_faults_do_not_pass() {
        let words = words(2, 20_000);
        let stuck: Vec<u128> = words.iter().map(|word| if word % 16 == 0 { word | 1 << 70 } else { *word }).collect();
        assert!(fails(move || assert_bits(&stuck, 128, "a bit that is sometimes stuck")));
        let follows = |word: &u128| if word >> 124 == 0 { word & !1 | word >> 1 & 1 } else { *word };
        let pairs: Vec<u128> = words.iter().map(follows).collect();
        assert!(fails(move || assert_bits(&pairs, 4, "a bit that sometimes follows its neighbour")));
        let skewed: Vec<usize> = words.iter().map(|word| (word % 300 % 257) as usize).collect();
        assert!(fails(move || assert_uniform(skewed, 257, "a reduction that is biased")));
        let even: Vec<usize> = (0..25_700).map(|k| k % 257).collect();
        assert!(fails(move || assert_uniform(even, 257, "values that are not random at all")));
        let squeezed: Vec<f64> = words.iter().map(|&word| (word as f64 / 2f64.powi(128)).powf(1.05)).collect();
        assert!(fails(move || assert_even(squeezed, "a density that is not flat")));
        assert!(fails(|| assert_rate(155, 20_000, 1.0 / 257.0, "twice the rate")));
        assert!(fails(|| assert_rate(3, 1_000, 1.0 / 257.0, "too few trials")));
    }
}

//! Square roots of public elements, many at once: Tonelli and Shanks, with the discrete logarithm in the subgroup of
//! order 2^k, where p − 1 = 2^k·odd, taken digit by digit from tables (Sarkar, eprint 2020/1407).
//!
//! Nothing here is constant time.

use super::{Field, Fp, PrimeField};

/// Bits of a digit of a logarithm.
const DIGIT: u32 = 6;
/// Bits of a digit of an exponent.
const WINDOW: u32 = 4;
/// Elements that are worked on at once.
const TOGETHER: usize = 256;

/// The tables of a field.
pub struct SquareRoots {
    field: PrimeField,
    /// k.
    adicity: u32,
    /// (odd − 1)/2.
    exponent: u128,
    /// By place of a digit and its value: c^−(digit·2^(6·place)), c a generator of the subgroup.
    inverses: Vec<Vec<Fp>>,
    /// c^(digit·2^(k−6)) with its digit, by representation. If k is below 6, of fewer digits.
    digits: Vec<(u128, u32)>,
}

impl SquareRoots {
    pub fn new(field: PrimeField) -> Self {
        let f = &field;
        let adicity = (f.modulus() - 1).trailing_zeros();
        let odd = (f.modulus() - 1) >> adicity;
        let generator = f.pow(f.non_square(), odd);
        let base = 1usize << DIGIT.min(adicity);
        let powers = |step: Fp| {
            std::iter::successors(Some(f.one()), move |&power| Some(f.mul(power, step))).take(base).collect::<Vec<_>>()
        };
        let places = adicity.div_ceil(DIGIT);
        let inverse = f.inv(generator);
        let inverses = (0..places).map(|place| powers(f.pow(inverse, 1 << (DIGIT * place)))).collect();
        let top = f.pow(generator, 1 << adicity.saturating_sub(DIGIT));
        let mut digits: Vec<(u128, u32)> =
            powers(top).into_iter().zip(0..).map(|(power, digit)| (f.to_montgomery(power), digit)).collect();
        digits.sort_unstable();
        Self { field, adicity, exponent: (odd - 1) / 2, inverses, digits }
    }

    /// Of each element the root whose canonical representative is even; `None` if one is no square.
    pub fn of_all(&self, elements: &[Fp]) -> Option<Vec<Fp>> {
        let mut roots = Vec::with_capacity(elements.len());
        for elements in elements.chunks(TOGETHER) {
            let powers = self.powers(elements);
            for (&a, power) in elements.iter().zip(powers) {
                roots.push(self.of(a, power)?);
            }
        }
        Some(roots)
    }

    /// a^((odd − 1)/2) of each.
    fn powers(&self, elements: &[Fp]) -> Vec<Fp> {
        let f = &self.field;
        let one = vec![f.one(); elements.len()];
        let mut table = vec![one];
        for digit in 1..1usize << WINDOW {
            let mut next = vec![f.one(); elements.len()];
            f.multiply_all(&mut next, &table[digit - 1], elements);
            table.push(next);
        }
        let windows = (128 - self.exponent.leading_zeros()).div_ceil(WINDOW);
        let mut power = table[0].clone();
        let mut square = power.clone();
        for window in (0..windows).rev() {
            for _ in 0..WINDOW {
                f.multiply_all(&mut square, &power, &power);
                std::mem::swap(&mut square, &mut power);
            }
            let digit = (self.exponent >> (WINDOW * window)) as usize & ((1 << WINDOW) - 1);
            f.multiply_all(&mut square, &power, &table[digit]);
            std::mem::swap(&mut square, &mut power);
        }
        power
    }

    /// With power = a^((odd − 1)/2): a·power² = a^odd = c^x, and the root is a·power·c^(−x/2).
    fn of(&self, a: Fp, power: Fp) -> Option<Fp> {
        let f = &self.field;
        if a == f.zero() {
            return Some(a);
        }
        let root = f.mul(a, power);
        let x = self.logarithm(f.mul(root, power));
        if x % 2 == 1 {
            return None;
        }
        let root = f.mul(root, self.inverse_power(x / 2));
        Some(if f.to_u128(root).is_multiple_of(2) { root } else { f.neg(root) })
    }

    /// c^−x.
    fn inverse_power(&self, x: u128) -> Fp {
        let f = &self.field;
        self.inverses.iter().enumerate().fold(f.one(), |power, (place, inverses)| {
            f.mul(power, inverses[(x >> (DIGIT * place as u32)) as usize % inverses.len()])
        })
    }

    /// x below 2^k with c^x = t: a digit is what is left of t in the subgroup of order 2^6, once the digits before
    /// it are removed.
    fn logarithm(&self, mut t: Fp) -> u128 {
        let f = &self.field;
        let (mut x, mut found) = (0, 0);
        for inverses in &self.inverses {
            // The last digit has the bits that are left: its power lies in the table's subgroup all the same.
            let bits = DIGIT.min(self.adicity - found);
            let probe = (0..self.adicity - found - bits).fold(t, |probe, _| f.mul(probe, probe));
            let at = self.digits.binary_search_by_key(&f.to_montgomery(probe), |&(power, _)| power);
            let at = at.expect("what is left is in the subgroup");
            let digit = self.digits[at].1 >> (DIGIT.min(self.adicity) - bits);
            t = f.mul(t, inverses[digit as usize]);
            x |= u128::from(digit) << found;
            found += bits;
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use rand_core::SeedableRng;

    /// 2-adicities 1, 2, 6, 8, 12, 15 and 18.
    const PRIMES: [u128; 8] = [
        (1 << 61) - 1,
        13,
        193,
        257,
        12_289,
        170_141_183_460_469_231_731_687_303_715_885_907_969,
        198_766_463_529_478_683_931_867_765_928_436_695_041,
        3,
    ];

    #[test]
    fn roots_are_those_of_single_elements() {
        for p in PRIMES {
            let f = PrimeField::new(p).unwrap();
            let roots = SquareRoots::new(f);
            let mut rng = Rng::seed_from_u64(p as u64);
            let mut elements = f.random_vec(&mut rng, 2 * TOGETHER + 3);
            elements[1] = f.zero();
            let squares: Vec<Fp> = elements.iter().map(|&x| f.mul(x, x)).collect();
            let expected: Vec<Option<Fp>> = squares.iter().map(|&x| f.sqrt_public(x)).collect();
            let found = roots.of_all(&squares).expect("squares");
            assert!(found.into_iter().map(Some).eq(expected), "modulo {p}");
            for &x in &elements[..40] {
                assert!(roots.of_all(&[x]).map(|all| all[0]) == f.sqrt_public(x), "modulo {p}");
            }
        }
    }
}

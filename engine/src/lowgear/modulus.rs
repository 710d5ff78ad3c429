//! Arithmetic modulo a prime between 2^49 and 2^50: the limbs of the ring's modulus.
//!
//! 50 bits, because AVX-512 IFMA multiplies 52 and a butterfly needs sums of four values. Quotients are
//! estimated (Barrett; Shoup for constants) and mended by conditional subtractions without a branch.

/// Bits of a residue, and of its encoding.
pub(crate) const BITS: u32 = 50;

/// A prime q with 2^49 < q < 2^50.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modulus {
    pub q: u64,
    /// ⌊2^100 / q⌋
    pub barrett: u64,
}

/// A constant w with ⌊w·2^52 / q⌋, to multiply by it fast (Shoup).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub w: u64,
    pub quotient: u64,
}

/// `x − m` if `x ≥ m`, else `x`.
#[inline(always)]
pub(crate) fn subtract_once(x: u64, m: u64) -> u64 {
    x.min(x.wrapping_sub(m))
}

/// x·w modulo q, below 2q, for any x below 2^52.
#[inline(always)]
pub(crate) fn multiply_lazily(x: u64, Constant { w, quotient }: Constant, q: u64) -> u64 {
    let estimate = ((x as u128 * (quotient << 12) as u128) >> 64) as u64;
    x.wrapping_mul(w).wrapping_sub(estimate.wrapping_mul(q))
}

impl Modulus {
    /// # Panics
    /// If q is outside of its range; that it is prime is the caller's to know.
    pub fn new(q: u64) -> Self {
        assert!(q >> (BITS - 1) == 1 && q & 1 == 1, "a modulus is an odd number of {BITS} bits");
        Self { q, barrett: ((1u128 << (2 * BITS)) / q as u128) as u64 }
    }

    #[inline(always)]
    pub fn add(&self, a: u64, b: u64) -> u64 {
        subtract_once(a.wrapping_add(b), self.q)
    }

    #[inline(always)]
    pub fn sub(&self, a: u64, b: u64) -> u64 {
        subtract_once(a.wrapping_add(self.q).wrapping_sub(b), self.q)
    }

    #[inline(always)]
    pub fn neg(&self, a: u64) -> u64 {
        subtract_once(self.q.wrapping_sub(a), self.q)
    }

    /// x modulo q for x < 2^100: with c = ⌊x/2^48⌋ < 2^52, the estimate ⌊c·⌊2^100/q⌋/2^52⌋ is below x/q by
    /// less than 1/2 + 1 + 1.
    #[inline(always)]
    pub fn reduce(&self, x: u128) -> u64 {
        let r = self.remainder(x);
        subtract_once(subtract_once(r, self.q << 1), self.q)
    }

    /// x modulo q for x < 14·2^100: as [`Self::reduce`], with an estimate that is off by less than 16.
    #[inline(always)]
    pub fn reduce_sum(&self, x: u128) -> u64 {
        let r = subtract_once(self.remainder(x), self.q << 3);
        subtract_once(subtract_once(subtract_once(r, self.q << 2), self.q << 1), self.q)
    }

    #[inline(always)]
    fn remainder(&self, x: u128) -> u64 {
        let top = (x >> 48) as u64;
        let estimate = ((top as u128 * self.barrett as u128) >> 52) as u64;
        (x as u64).wrapping_sub(estimate.wrapping_mul(self.q))
    }

    #[inline(always)]
    pub fn mul(&self, a: u64, b: u64) -> u64 {
        self.reduce(a as u128 * b as u128)
    }

    /// The residue of any 128-bit number; for constants.
    pub fn of_wide(&self, x: u128) -> u64 {
        (x % self.q as u128) as u64
    }

    pub fn constant(&self, w: u64) -> Constant {
        debug_assert!(w < self.q);
        Constant { w, quotient: (((w as u128) << 52) / self.q as u128) as u64 }
    }

    pub fn mul_constant(&self, x: u64, constant: Constant) -> u64 {
        subtract_once(multiply_lazily(x, constant, self.q), self.q)
    }

    /// a^e for public e.
    pub fn pow(&self, a: u64, e: u64) -> u64 {
        (0..64).rev().fold(1, |power, bit| {
            let square = self.mul(power, power);
            if e >> bit & 1 == 1 { self.mul(square, a) } else { square }
        })
    }

    pub fn inv(&self, a: u64) -> u64 {
        self.pow(a, self.q - 2)
    }

    /// A primitive root of unity of `order`, a power of two that divides q − 1.
    pub fn root_of_unity(&self, order: u64) -> u64 {
        assert!(order.is_power_of_two() && (self.q - 1).is_multiple_of(order), "the order divides q − 1");
        let candidates = (2..self.q).map(|x| self.pow(x, (self.q - 1) / order));
        let is_primitive = |root: &u64| self.pow(*root, order / 2) == self.q - 1;
        candidates.into_iter().find(is_primitive).expect("half of all powers are primitive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lowgear::params::PRIMES;
    use proptest::prelude::*;

    fn moduli() -> impl Strategy<Value = Modulus> {
        prop::sample::select(PRIMES.to_vec()).prop_map(Modulus::new)
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_wide_integers(m in moduli(), a in any::<u64>(), b in any::<u64>()) {
            let (a, b, q) = (a % m.q, b % m.q, m.q as u128);
            prop_assert_eq!(m.add(a, b) as u128, (a as u128 + b as u128) % q);
            prop_assert_eq!(m.sub(a, b) as u128, (a as u128 + q - b as u128) % q);
            prop_assert_eq!(m.neg(a) as u128, (q - a as u128) % q);
            prop_assert_eq!(m.mul(a, b) as u128, a as u128 * b as u128 % q);
            prop_assert_eq!(m.mul_constant(a, m.constant(b)), m.mul(a, b));
            prop_assert_eq!(m.mul(a, m.inv(a)), u64::from(a != 0));
        }

        #[test]
        fn reductions_hold_over_their_ranges(m in moduli(), high in any::<u128>(), small in any::<u128>()) {
            let q = m.q as u128;
            for x in [high >> 28, small % (1 << 60), (1 << 100) - 1 - small % (1 << 60)] {
                prop_assert_eq!(m.reduce(x) as u128, x % q);
            }
            for x in [high % (14 << 100), (14 << 100) - 1 - small % (1 << 60)] {
                prop_assert_eq!(m.reduce_sum(x) as u128, x % q);
            }
        }

        #[test]
        fn a_lazy_product_stays_below_twice_the_modulus(m in moduli(), x in 0u64..1 << 52, w in any::<u64>()) {
            let constant = m.constant(w % m.q);
            let product = multiply_lazily(x, constant, m.q);
            prop_assert!(product < 2 * m.q);
            prop_assert_eq!(product as u128 % m.q as u128, x as u128 * constant.w as u128 % m.q as u128);
        }
    }
}

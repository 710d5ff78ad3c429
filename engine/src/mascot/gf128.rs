//! GF(2^128) = GF(2)[X]/(X^128 + X^7 + X^2 + X + 1), bit i being the coefficient of X^i, for the
//! universal hash of the OT extension's consistency check; and products of polynomials for all of
//! [`crate::field::BinaryField`].

use super::simd;

/// A product before reduction, 255 bits: low and high halves.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Wide(pub u128, pub u128);

impl Wide {
    /// The product as polynomials.
    #[inline]
    pub fn of(a: u128, b: u128) -> Self {
        simd::product(a, b)
    }

    /// The 128 lower bits.
    pub fn low(self) -> u128 {
        self.0
    }

    pub fn add(&mut self, other: Self) {
        self.0 ^= other.0;
        self.1 ^= other.1;
    }

    /// Modulo the polynomial.
    pub fn reduce(self) -> u128 {
        let fold = |high: u128| high ^ (high << 1) ^ (high << 2) ^ (high << 7);
        let overflow = (self.1 >> 127) ^ (self.1 >> 126) ^ (self.1 >> 121);
        self.0 ^ fold(self.1) ^ fold(overflow)
    }
}

/// The product as polynomials, in time independent of both.
pub(crate) fn multiply(a: u128, b: u128) -> Wide {
    let mut product = Wide::default();
    for i in 0..128 {
        let term = a & ((b >> i) & 1).wrapping_neg();
        product.0 ^= term << i;
        // Two shifts, because a shift by 128 is none.
        product.1 ^= (term >> 1) >> (127 - i);
    }
    product
}

/// `key`¹, `key`², …
pub(crate) fn powers(key: u128, count: usize) -> Vec<u128> {
    let step = |power: &u128| Some(simd::multiply(*power, key));
    std::iter::successors(Some(key), step).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn product(a: u128, b: u128) -> u128 {
        multiply(a, b).reduce()
    }

    proptest! {
        #[test]
        fn it_is_a_commutative_ring(a: u128, b: u128, c: u128) {
            prop_assert_eq!(product(a, b), product(b, a));
            prop_assert_eq!(product(a, product(b, c)), product(product(a, b), c));
            prop_assert_eq!(product(a, b ^ c), product(a, b) ^ product(a, c));
            prop_assert_eq!(product(a, 1), a);
        }
    }

    #[test]
    fn the_polynomial_is_that_of_the_text() {
        assert_eq!(product(1 << 127, 2), 0x87);
        assert_eq!(product(1 << 127, 1 << 127), product(product(1 << 100, 1 << 100), 1 << 54));
        // X has the order of a generator's divisor: X^(2^128 − 1) = 1 by Fermat.
        let mut power = 2;
        let mut all = 2;
        for _ in 0..127 {
            power = product(power, power);
            all = product(all, power);
        }
        assert_eq!(all, 1);
    }

    /// GHASH is this field with the bits of every block in the other order: test case 2 of McGrew and Viega's
    /// specification of GCM (NIST SP 800-38D).
    #[test]
    fn products_are_those_of_ghash() {
        let h: u128 = 0x66e94bd4ef8a2c3b884cfa59ca342b2e;
        let blocks = [0x0388dace60b6a392f328c2b971b2fe78u128, 0x80];
        let hash =
            blocks.iter().fold(0u128, |y, block| product((y ^ block).reverse_bits(), h.reverse_bits()).reverse_bits());
        assert_eq!(hash, 0xf38cbb1ad69223dcc3457ae5b6b0f885);
    }
}

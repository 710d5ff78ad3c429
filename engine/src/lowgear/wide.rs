//! Signed integers of up to 190 bits: masked plaintexts in proofs.

use zeroize::Zeroize;

/// high·2^64 + low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    pub high: i128,
    pub low: u64,
}

impl Zeroize for Wide {
    fn zeroize(&mut self) {
        self.high.zeroize();
        self.low.zeroize();
    }
}

impl Wide {
    pub fn from_u128(x: u128) -> Self {
        Self { high: (x >> 64) as i128, low: x as u64 }
    }

    /// 192 of 256 bits, as a two's complement.
    pub fn from_bits([low, high]: [u128; 2]) -> Self {
        Self { high: high as i128, low: low as u64 }
    }

    pub fn power_of_two(k: u32) -> Self {
        if k < 64 { Self { high: 0, low: 1 << k } } else { Self { high: 1 << (k - 64), low: 0 } }
    }

    /// The highest k + 1 of 192 bits: uniform in [−2^k, 2^k) if all bits are.
    pub fn shift_to(self, k: u32) -> Self {
        let shift = 191 - k;
        if shift < 64 {
            let low = if shift == 0 { self.low } else { self.low >> shift | (self.high as u64) << (64 - shift) };
            Self { high: self.high >> shift, low }
        } else {
            let high = self.high >> (shift - 64);
            Self { high: high >> 64, low: high as u64 }
        }
    }

    #[inline(always)]
    pub fn add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { high: self.high.wrapping_add(other.high).wrapping_add(carry as i128), low }
    }

    #[inline(always)]
    pub fn sub(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high.wrapping_sub(other.high).wrapping_sub(borrow as i128), low }
    }

    /// Whether −2^k + reach ≤ x < 2^k − reach.
    pub fn is_within(self, k: u32, reach: &Self) -> bool {
        let bound = Self::power_of_two(k).sub(*reach);
        self < bound && Self::default().sub(bound) <= self
    }

    /// Words of 50 bits of x + 2^[`OFFSET`].
    #[inline(always)]
    pub fn words(self) -> [u64; 4] {
        const MASK: u64 = (1 << 50) - 1;
        let high = self.high.wrapping_add(1 << (OFFSET - 64)) as u128;
        let low = self.low;
        [low & MASK, (low >> 50 | (high as u64) << 14) & MASK, (high >> 36) as u64 & MASK, (high >> 86) as u64 & MASK]
    }
}

/// Makes every [`Wide`] positive.
pub(crate) const OFFSET: u32 = 190;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_carries() {
        let (minus_one, one) = (Wide { high: -1, low: u64::MAX }, Wide::from_u128(1));
        assert_eq!(minus_one.add(one), Wide::default());
        assert_eq!(Wide::default().sub(one), minus_one);
        assert_eq!(Wide::from_u128(u128::MAX).add(one), Wide::power_of_two(128));
        assert!(minus_one < one && Wide::default() < one && Wide::power_of_two(63) < Wide::power_of_two(64));
    }

    #[test]
    fn bounds_are_tight() {
        let reach = Wide::from_u128(5);
        let bound = Wide::power_of_two(80).sub(reach);
        let one = Wide::from_u128(1);
        assert!(bound.sub(one).is_within(80, &reach) && !bound.is_within(80, &reach));
        let lowest = Wide::default().sub(bound);
        assert!(lowest.is_within(80, &reach) && !lowest.sub(one).is_within(80, &reach));
    }

    #[test]
    fn shifts_keep_the_sign() {
        for k in [10, 63, 64, 100, 127, 128, 160, 191] {
            let top = Wide { high: i128::MIN, low: 0 }.shift_to(k);
            assert_eq!(
                top,
                Wide::default().sub(if k == 191 { Wide { high: i128::MIN, low: 0 } } else { Wide::power_of_two(k) }),
                "{k}"
            );
            let highest = Wide { high: i128::MAX, low: u64::MAX }.shift_to(k);
            assert_eq!(highest.add(Wide::from_u128(1)), Wide::default().sub(top), "{k}");
        }
    }

    #[test]
    fn words_add_up() {
        for x in [Wide::default(), Wide::from_u128(u128::MAX / 3), Wide { high: -(1 << 100) + 12345, low: 999 }] {
            let sum = x.words().iter().rev().fold(Wide::default(), |sum, &word| {
                let shifted = (0..50).fold(sum, |x, _| x.add(x));
                shifted.add(Wide::from_u128(word as u128))
            });
            assert_eq!(sum.sub(Wide::power_of_two(OFFSET)), x);
        }
    }
}

//! Numbers of a fixed count of bits one after the other, little endian, without gaps.

/// Bytes of `count` numbers of `bits` bits.
pub(crate) fn bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Appends numbers below 2^bits, bits ≤ 64.
pub(crate) fn pack(numbers: impl Iterator<Item = u64>, bits: u32, out: &mut Vec<u8>) {
    let (mut pending, mut held) = (0u128, 0);
    for number in numbers {
        pending |= (number as u128) << held;
        held += bits;
        if held >= 64 {
            out.extend_from_slice(&(pending as u64).to_le_bytes());
            pending >>= 64;
            held -= 64;
        }
    }
    out.extend_from_slice(&pending.to_le_bytes()[..held.div_ceil(8) as usize]);
}

/// The numbers of [`pack`]; the caller has checked the length. Bits beyond the last number must be zero:
/// `None` otherwise.
pub(crate) fn unpack(packed: &[u8], bits: u32, count: usize, mut number: impl FnMut(u64)) -> Option<()> {
    let mask = u64::MAX >> (64 - bits);
    let mut words = packed.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let (mut pending, mut held) = (0u128, 0);
    for _ in 0..count {
        if held < bits {
            pending |= (words.next()? as u128) << held;
            held += 64;
        }
        number(pending as u64 & mask);
        pending >>= bits;
        held -= bits;
    }
    (pending == 0 && words.next().is_none()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(bits in 1u32..=64, numbers in prop::collection::vec(any::<u64>(), 0..40)) {
            let numbers: Vec<u64> = numbers.iter().map(|x| x & u64::MAX >> (64 - bits)).collect();
            let mut packed = Vec::new();
            pack(numbers.iter().copied(), bits, &mut packed);
            prop_assert_eq!(packed.len(), bytes(numbers.len(), bits));
            let mut back = Vec::new();
            prop_assert!(unpack(&packed, bits, numbers.len(), |x| back.push(x)).is_some());
            prop_assert_eq!(back, numbers);
        }
    }

    #[test]
    fn stray_bits_at_the_end_are_refused() {
        let mut packed = Vec::new();
        pack([1, 2, 3].into_iter(), 50, &mut packed);
        assert_eq!(packed.len(), 19);
        packed[18] |= 0x40;
        assert!(unpack(&packed, 50, 3, |_| ()).is_none());
    }
}

//! Bit matrices of 128×128, the unit of the OT extension: transposition and hashes of columns.

use super::gf128::{self, Wide};
use super::softspoken::BLOCK;

/// Bit c of word r becomes bit r of word c.
///
/// Recursive exchange of the off-diagonal quarters (Warren, Hacker's Delight §7-3).
pub(crate) fn transpose(rows: &mut [u128; BLOCK]) {
    let mut half = BLOCK / 2;
    let mut mask = u128::MAX >> half;
    while half > 0 {
        for pair in rows.chunks_exact_mut(2 * half) {
            let (upper, lower) = pair.split_at_mut(half);
            for (a, b) in upper.iter_mut().zip(lower) {
                let swap = ((*a >> half) ^ *b) & mask;
                *b ^= swap;
                *a ^= swap << half;
            }
        }
        half /= 2;
        mask ^= mask << half;
    }
}

/// m_last ⊕ Σ_{j≥1} χ^j·m_j in GF(2^128) for every column m; word `j·128 + c` is block j of column c.
pub(crate) fn polynomial_hashes(columns: &[u128], key: u128) -> [u128; BLOCK] {
    let (blocks, []) = columns.as_chunks::<BLOCK>() else { unreachable!("columns come in blocks") };
    let (last, blocks) = blocks.split_last().expect("a block to discard");
    let mut hashes = last.map(|word| Wide(word, 0));
    for (block, power) in blocks.iter().zip(gf128::powers(key, blocks.len())) {
        for (hash, &word) in hashes.iter_mut().zip(block) {
            hash.add(gf128::multiply(word, power));
        }
    }
    hashes.map(Wide::reduce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use rand_core::{Rng as _, SeedableRng};

    #[test]
    fn transposition_moves_every_bit() {
        let mut rng = Rng::seed_from_u64(5);
        let rows: [u128; BLOCK] = std::array::from_fn(|_| (rng.next_u64() as u128) << 64 | rng.next_u64() as u128);
        let mut columns = rows;
        transpose(&mut columns);
        for (r, row) in rows.iter().enumerate() {
            for (c, column) in columns.iter().enumerate() {
                assert_eq!((row >> c) & 1, (column >> r) & 1);
            }
        }
    }
}

//! Hashes of the columns of bit matrices that come in blocks of 128×128.

use super::gf128::{self, Wide};
use super::simd;
use super::softspoken::BLOCK;

/// m_last ⊕ Σ_{j≥1} χ^j·m_j in GF(2^128) for every column m; word `j·128 + c` is block j of column c.
pub(crate) fn polynomial_hashes(columns: &[u128], key: u128) -> [u128; BLOCK] {
    let (blocks, []) = columns.as_chunks::<BLOCK>() else { unreachable!("columns come in blocks") };
    let (last, blocks) = blocks.split_last().expect("a block to discard");
    let mut hashes = last.map(|word| Wide(word, 0));
    for (block, power) in blocks.iter().zip(gf128::powers(key, blocks.len())) {
        simd::accumulate(&mut hashes, block, power);
    }
    hashes.map(Wide::reduce)
}

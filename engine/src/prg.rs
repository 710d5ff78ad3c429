//! Expansion of short public or secret seeds.
//!
//! [`Prg`] is AES-128 in counter mode; the `aes` crate uses the processor's instructions where it
//! has them. A seed must not be used for two purposes: derive one per purpose with a
//! [`crate::digest::Transcript`].

use crate::field::Field;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

type Block = aes::Block;

/// Blocks encrypted together, enough to fill the processor's pipeline.
const BATCH: usize = 16;

/// AES-128-CTR keyed by the first half of a digest; the second half is where the counter starts.
pub struct Prg {
    cipher: Aes128,
    counter: u128,
}

impl Prg {
    pub fn new(seed: [u8; 32]) -> Self {
        let (key, start) = seed.split_at(16);
        Self {
            cipher: Aes128::new_from_slice(key).expect("a key of AES-128 has 16 bytes"),
            counter: u128::from_le_bytes(start.try_into().expect("the other half has 16 bytes")),
        }
    }

    /// The next blocks of key stream.
    pub fn fill_blocks(&mut self, out: &mut [u128]) {
        let mut blocks = [Block::default(); BATCH];
        for chunk in out.chunks_mut(BATCH) {
            for block in blocks.iter_mut().take(chunk.len()) {
                *block = self.counter.to_le_bytes().into();
                self.counter = self.counter.wrapping_add(1);
            }
            self.cipher.encrypt_blocks(&mut blocks[..chunk.len()]);
            for (word, block) in chunk.iter_mut().zip(&blocks) {
                *word = u128::from_le_bytes((*block).into());
            }
        }
    }

    /// Uniform field elements from 256 bits each.
    pub fn elements<F: Field>(&mut self, field: &F, len: usize) -> Vec<F::Element> {
        let mut elements = Vec::with_capacity(len);
        let mut words = [0u128; 2 * BATCH];
        while elements.len() < len {
            let take = (len - elements.len()).min(BATCH);
            self.fill_blocks(&mut words[..2 * take]);
            for pair in words[..2 * take].chunks_exact(2) {
                let limbs = [pair[0] as u64, (pair[0] >> 64) as u64, pair[1] as u64, (pair[1] >> 64) as u64];
                elements.push(field.reduce_wide(limbs));
            }
        }
        elements
    }
}

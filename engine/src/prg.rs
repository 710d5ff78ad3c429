//! Expansion of short public or secret seeds, and the hash that breaks the correlation of OTs.
//!
//! [`Prg`] is AES-128 in counter mode; the `aes` crate uses the processor's instructions where it
//! has them. A seed must not be used for two purposes: derive one per purpose with a
//! [`crate::digest::Transcript`].
//!
//! [`Tccr`] is the tweakable circular correlation robust hash π(π(x) ⊕ i) ⊕ π(x) of Guo, Katz,
//! Wang and Yu (eprint 2019/074 §7.4), with AES under a public key in the place of the random
//! permutation π.

use crate::digest::Hash;
use crate::field::Field;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

type Block = aes::Block;

/// Blocks encrypted together, enough to fill the widest pipeline of the `aes` crate.
const BATCH: usize = 128;

fn cipher(key: &[u8]) -> Aes128 {
    Aes128::new_from_slice(key).expect("a key of AES-128 has 16 bytes")
}

fn encrypt(cipher: &Aes128, words: &mut [u128]) {
    let mut blocks = [Block::from([0; 16]); BATCH];
    for chunk in words.chunks_mut(BATCH) {
        let blocks = &mut blocks[..chunk.len()];
        for (block, word) in blocks.iter_mut().zip(chunk.iter()) {
            *block = word.to_le_bytes().into();
        }
        cipher.encrypt_blocks(blocks);
        for (word, block) in chunk.iter_mut().zip(blocks.iter()) {
            *word = u128::from_le_bytes((*block).into());
        }
    }
}

fn count_up(cipher: &Aes128, counter: u128, words: &mut [u128]) {
    let mut counter = counter;
    for word in words.iter_mut() {
        *word = counter;
        counter = counter.wrapping_add(1);
    }
    encrypt(cipher, words);
}

/// AES-128-CTR keyed by the first half of a digest; the second half is where the counter starts.
pub struct Prg {
    cipher: Aes128,
    counter: u128,
}

impl Prg {
    pub fn new(seed: Hash) -> Self {
        let (key, start) = seed.split_at(16);
        let counter = u128::from_le_bytes(start.try_into().expect("the other half has 16 bytes"));
        Self { cipher: cipher(key), counter }
    }

    /// The next blocks of key stream.
    pub fn fill_blocks(&mut self, out: &mut [u128]) {
        count_up(&self.cipher, self.counter, out);
        self.counter = self.counter.wrapping_add(out.len() as u128);
    }

    /// Uniform field elements from 256 bits each.
    pub fn elements<F: Field>(&mut self, field: &F, len: usize) -> Vec<F::Element> {
        let mut elements = Vec::with_capacity(len);
        let mut words = [0u128; BATCH];
        while elements.len() < len {
            let take = (len - elements.len()).min(BATCH / 2);
            self.fill_blocks(&mut words[..2 * take]);
            let pairs = words[..2 * take].as_chunks::<2>().0;
            elements.extend(pairs.iter().map(|&pair| wide_element(field, pair)));
        }
        elements
    }
}

/// The element of 256 uniform bits.
#[inline]
pub fn wide_element<F: Field>(field: &F, [low, high]: [u128; 2]) -> F::Element {
    field.reduce_wide([low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64])
}

/// AES-128 in counter mode read at any place, for keys that stay: a leaf of a puncturable PRF.
pub struct Keystream(Aes128);

impl Keystream {
    pub fn new(key: u128) -> Self {
        Self(cipher(&key.to_le_bytes()))
    }

    /// The blocks from `counter` on.
    pub fn fill(&self, counter: u128, out: &mut [u128]) {
        count_up(&self.0, counter, out);
    }
}

/// Inputs of [`Tccr::hash`] in one call: the rows of one tile of the OT extension.
pub const ROWS: usize = 128;

/// The tweakable circular correlation robust hash, with 256 bits of output per input.
pub struct Tccr(Aes128);

impl Tccr {
    /// The permutation is fixed by `seed`, which is public, uniform and chosen after all parties'
    /// contributions to the session.
    pub fn new(seed: Hash) -> Self {
        Self(cipher(&seed[..16]))
    }

    /// Hashes row k as number `first + k`: the two output words have the tweaks 2·number and
    /// 2·number + 1. A number is used for one row, and at the sender of an OT for the two inputs
    /// x and x ⊕ Δ of that row.
    pub fn hash(&self, first: u64, rows: &[u128; ROWS], out: &mut [[u128; 2]; ROWS]) {
        let mut inner = *rows;
        encrypt(&self.0, &mut inner);
        let mut tweak = 2 * first as u128;
        for (out, inner) in out.iter_mut().zip(&inner) {
            *out = [inner ^ tweak, inner ^ (tweak | 1)];
            tweak = tweak.wrapping_add(2);
        }
        encrypt(&self.0, out.as_flattened_mut());
        for (out, inner) in out.iter_mut().zip(&inner) {
            out[0] ^= inner;
            out[1] ^= inner;
        }
    }
}

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
use zeroize::Zeroizing;

type Block = aes::Block;

/// Blocks encrypted together, enough to fill the widest pipeline of the `aes` crate.
const BATCH: usize = 128;

fn cipher(key: &[u8]) -> Aes128 {
    Aes128::new_from_slice(key).expect("a key of AES-128 has 16 bytes")
}

/// Encrypts what `input` gives for each place of `out`.
#[inline(always)]
fn encrypt_into(cipher: &Aes128, out: &mut [u128], mut input: impl FnMut(&u128) -> u128) {
    let mut blocks = [Block::from([0; 16]); BATCH];
    for chunk in out.chunks_mut(BATCH) {
        let blocks = &mut blocks[..chunk.len()];
        for (block, word) in blocks.iter_mut().zip(chunk.iter()) {
            *block = input(word).to_le_bytes().into();
        }
        cipher.encrypt_blocks(blocks);
        for (word, block) in chunk.iter_mut().zip(blocks.iter()) {
            *word = u128::from_le_bytes((*block).into());
        }
    }
}

fn encrypt(cipher: &Aes128, words: &mut [u128]) {
    encrypt_into(cipher, words, |word| *word);
}

fn count_up(cipher: &Aes128, counter: u128, words: &mut [u128]) {
    let mut next = counter;
    encrypt_into(cipher, words, |_| {
        let counter = next;
        next = next.wrapping_add(1);
        counter
    });
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

    /// A generator that is independent of what this one gives from now on.
    pub fn fork(&mut self) -> Self {
        let mut seed = Zeroizing::new([0; 2]);
        self.fill_blocks(seed.as_mut_slice());
        let [key, counter] = *seed;
        Self { cipher: cipher(&key.to_le_bytes()), counter }
    }

    /// A generator of the next `len` elements, after which this one goes on.
    pub fn skip_elements(&mut self, len: usize) -> Self {
        let skipped = Self { cipher: self.cipher.clone(), counter: self.counter };
        self.counter = self.counter.wrapping_add(2 * len as u128);
        skipped
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
#[inline(always)]
pub fn wide_element<F: Field>(field: &F, [low, high]: [u128; 2]) -> F::Element {
    field.reduce_wide([low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64])
}

/// A block of key stream as it comes from the cipher; a little-endian word.
pub type StreamBlock = [u8; 16];

/// The counters from `first` on, as [`Keystream::fill`] takes them.
pub fn counters(first: u128, len: usize) -> Vec<StreamBlock> {
    (0..len as u128).map(|k| first.wrapping_add(k).to_le_bytes()).collect()
}

/// AES-128 in counter mode read at any place, for keys that stay: a leaf of a puncturable PRF.
pub struct Keystream(Aes128);

impl Keystream {
    pub fn new(key: u128) -> Self {
        Self(cipher(&key.to_le_bytes()))
    }

    /// The blocks at `counters`, as many as `out` has.
    pub fn fill(&self, counters: &[StreamBlock], out: &mut [StreamBlock]) {
        let (counters, out) = (Block::cast_slice_from_core(counters), Block::cast_slice_from_core_mut(out));
        self.0.encrypt_blocks_b2b(counters, out).expect("a counter for each block");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::PrimeField;

    fn hex_of(words: &[u128]) -> Vec<String> {
        words.iter().map(|word| hex::encode(word.to_le_bytes())).collect()
    }

    /// AES-128 of counters under the zero key, as published (NIST's AESAVS, GFSbox and VarTxt with
    /// key 0); the counter is little endian.
    #[test]
    fn the_generator_is_aes_in_counter_mode() {
        let mut words = [0; 2];
        Prg::new([0; 32]).fill_blocks(&mut words);
        assert_eq!(hex_of(&words)[0], "66e94bd4ef8a2c3b884cfa59ca342b2e");
        let mut start = [0; 32];
        start[16] = 0x80;
        Prg::new(start).fill_blocks(&mut words);
        assert_eq!(hex_of(&words)[0], "3ad78e726c1ec02b7ebfe92b23d9ec34");
        let mut stream = [[0; 16]; 2];
        Keystream::new(0).fill(&counters(0x80, 2), &mut stream);
        assert_eq!(stream.map(u128::from_le_bytes), words, "a keystream read at a place is the generator from there");
    }

    #[test]
    fn a_fork_is_seeded_by_the_next_blocks_of_the_stream() {
        let (mut stream, mut forking) = ([0; 3], Prg::new([9; 32]));
        Prg::new([9; 32]).fill_blocks(&mut stream);
        let mut fork = forking.fork();
        let (mut after, mut forked, mut expected) = ([0], [0; 2], [0; 2]);
        forking.fill_blocks(&mut after);
        assert_eq!(after[0], stream[2]);
        fork.fill_blocks(&mut forked);
        let seed = [stream[0].to_le_bytes(), stream[1].to_le_bytes()].concat();
        Prg::new(seed.try_into().expect("two blocks")).fill_blocks(&mut expected);
        assert_eq!(forked, expected);
    }

    #[test]
    fn skipped_elements_are_those_that_would_have_come() {
        let field = PrimeField::carbyne();
        let (mut whole, mut parts) = (Prg::new([9; 32]), Prg::new([9; 32]));
        let mut skipped = parts.skip_elements(100);
        assert!(parts.elements(&field, 3) == whole.elements(&field, 103)[100..]);
        assert!(skipped.elements(&field, 100) == Prg::new([9; 32]).elements(&field, 100));
    }

    #[test]
    fn the_stream_does_not_depend_on_how_it_is_cut() {
        let mut whole = vec![0; 3 * BATCH + 5];
        Prg::new([9; 32]).fill_blocks(&mut whole);
        let mut prg = Prg::new([9; 32]);
        let mut parts = vec![0; whole.len()];
        for part in parts.chunks_mut(37) {
            prg.fill_blocks(part);
        }
        assert_eq!(whole, parts);
    }

    #[test]
    fn elements_are_the_stream_reduced() {
        let f = PrimeField::carbyne();
        let mut words = vec![0; 2 * BATCH + 6];
        Prg::new([3; 32]).fill_blocks(&mut words);
        let expected: Vec<_> = words.as_chunks::<2>().0.iter().map(|&pair| wide_element(&f, pair)).collect();
        assert!(Prg::new([3; 32]).elements(&f, expected.len()) == expected);
    }

    /// π(π(x) ⊕ i) ⊕ π(x), written down block by block. Hash functions of OT libraries have missed an
    /// XOR or a tweak and nobody noticed, because both sides missed the same.
    #[test]
    fn the_hash_is_the_formula_of_the_paper() {
        let pi = |x: u128| {
            let mut word = [x];
            encrypt(&cipher(&[5; 16]), &mut word);
            word[0]
        };
        let rows: [u128; ROWS] = std::array::from_fn(|k| (k as u128) << 64 | 77);
        let mut out = [[0; 2]; ROWS];
        Tccr::new([5; 32]).hash(1_000, &rows, &mut out);
        for (k, (&x, out)) in rows.iter().zip(&out).enumerate() {
            for (half, &out) in out.iter().enumerate() {
                let tweak = 2 * (1_000 + k as u128) + half as u128;
                assert_eq!(out, pi(pi(x) ^ tweak) ^ pi(x));
            }
        }
        assert_eq!(hex_of(&out[127]), KNOWN_HASH);
    }

    /// Recipe: `scripts/known_answers.py`.
    const KNOWN_HASH: [&str; 2] = ["84b686a748b266f959509a0769850a88", "429433e5653f37737a4ab5a567d1acfd"];

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn streams_and_elements_are_frozen() {
        let seed = std::array::from_fn(|k| k as u8);
        let mut words = [0; 3];
        Prg::new(seed).fill_blocks(&mut words);
        assert_eq!(hex_of(&words)[2], "a29c41c61c6d51ec0a74b3a1d6cf82d0");
        let f = PrimeField::carbyne();
        let element = Prg::new(seed).elements(&f, 2)[1];
        assert_eq!(f.to_u128(element).to_string(), "60633192308288175204975172054528227563");
    }

    /// 256 bits reduced, and what the field draws itself: no residue is likelier than another, and no part of the range.
    #[test]
    fn elements_are_uniform() {
        use crate::statistics::{assert_bits, assert_even, assert_uniform};
        use rand_core::SeedableRng;
        let mut rng = crate::port::Rng::seed_from_u64(5);
        for prime in [257, 65_537, (1 << 61) - 1, crate::field::prime::DEFAULT_PRIME] {
            let f = PrimeField::new(prime).unwrap();
            for (story, elements) in
                [("expanded", Prg::new([8; 32]).elements(&f, 50_000)), ("drawn", f.random_vec(&mut rng, 50_000))]
            {
                let story = format!("{story} modulo {prime}");
                let values: Vec<u128> = elements.iter().map(|&x| f.to_u128(x)).collect();
                if prime < 1 << 10 {
                    assert_uniform(values.iter().map(|&x| x as usize), prime as usize, &story);
                } else {
                    // Spread over the steps between residues, which the test would see.
                    assert_even(values.iter().map(|&x| (x as f64 + 0.5) / prime as f64).collect(), &story);
                    assert_bits(&values, 8, &story);
                }
            }
        }
    }
}

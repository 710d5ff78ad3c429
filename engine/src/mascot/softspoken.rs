//! Correlated OT extension: SoftSpoken (Roy, eprint 2022/192 §4 and §5) over the repetition code,
//! and its consistency check.
//!
//! The receiver R has choice bits x, the sender S a secret Δ of 128 bits in digits Δ_b of k bits.
//! For each digit R knows a tree of 2^k leaves r_{b,y}, S all of them but r_{b,Δ_b} ([`super::ggm`]).
//! With PRG outputs of as many bits as there are OTs, and bit t of an index picked out:
//! - both compute u_b = ⊕_y r_{b,y} and v_{b,t} = ⊕_y y_t·r_{b,y}, S with anything in the place of
//!   the leaf that it lacks;
//! - R sends c_b = x ⊕ u_b; S computes q_{b,t} = v_{b,t} ⊕ Δ_{b,t}·(u_b ⊕ c_b), in which the missing
//!   leaf has the coefficient y_t ⊕ Δ_{b,t} = 0 at y = Δ_b.
//!
//! Column b·k + t of S is then v ⊕ Δ_{b,t}·x: row i is q_i = t_i ⊕ x_i·Δ. ⌈128/k⌉ bits per OT on the
//! wire; k = 1 is IKNP.
//!
//! **Check**, before a row is used, with a key that all parties toss after all c_b have arrived:
//! for the polynomial hash h(m) = m_last ⊕ Σ_j χ^j·m_j over blocks of 128 bits in GF(2^128), which is
//! linear over GF(2), R sends h(x) and a hash of all h(v_{b,t}); S compares with
//! h(q_{b,t}) ⊕ Δ_{b,t}·h(x). The last block is random and discarded, so h(x) reveals nothing. Two
//! different columns collide with probability (blocks)/2^128; Roy's further linear map to s bits
//! would only shorten what is hashed here anyway, so all 128 bits are kept.
//!
//! A cheating R that guesses digits of Δ passes, with probability 2^-k for each digit; that leak is
//! in the ideal functionality, and is why **a failed check ends the setup**: each new try would
//! be a new guess at the same Δ. KOS (2015/546) is not offered, its check is unproven.

use super::ggm::Leaves;
use super::{gf128, matrix, simd};
use crate::digest::{Hash, Transcript};
use crate::prg::StreamBlock;
use std::ops::Range;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Bits of Δ, columns of the matrix, and OTs of one block.
pub(crate) const BLOCK: usize = 128;
/// Bytes of the answer to the check.
pub(crate) const ANSWER_BYTES: usize = 16 + 32;
const WORD_BYTES: usize = 16;
/// Blocks expanded together: their leaves stay in the fastest cache.
const STRIPE: usize = 64;

/// Rows of a batch in column form: word `j·128 + c` holds column c of block j. What is discarded
/// after the check is the last block.
pub(crate) struct Columns(Vec<u128>);

impl Columns {
    /// Row after row of block j.
    pub fn rows(&self, j: usize) -> [u128; BLOCK] {
        simd::transposed(self.block(j))
    }

    fn block(&self, j: usize) -> &[u128; BLOCK] {
        self.0[j * BLOCK..].first_chunk().expect("as many blocks as were made")
    }

    fn hashes(&self, key: u128) -> [u128; BLOCK] {
        matrix::polynomial_hashes(&self.0, key)
    }
}

impl Drop for Columns {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// One tree for each digit, and how far their leaves are used.
struct Trees {
    trees: Vec<Leaves>,
    counter: u128,
    /// The columns of the last extension, to be overwritten by the next.
    spare: Vec<u128>,
}

impl Drop for Trees {
    fn drop(&mut self) {
        self.spare.zeroize();
    }
}

impl Trees {
    /// v (as [`Columns`]). Calls `each(b, blocks, u, columns)` for each tree, one stripe of blocks after the other, with u
    /// of these blocks and v from the tree's first column of the first of them on.
    fn expand(
        &mut self,
        blocks: usize,
        mut each: impl FnMut(usize, Range<usize>, &[u128], &mut TreeColumns<'_>),
    ) -> Columns {
        let mut columns = std::mem::take(&mut self.spare);
        columns.resize(blocks * BLOCK, 0);
        let leaves_max = self.trees.iter().map(Leaves::len).max().unwrap_or(0);
        let mut words = vec![StreamBlock::default(); leaves_max * STRIPE];
        let mut sums = [0; STRIPE];
        for start in (0..blocks).step_by(STRIPE) {
            let len = STRIPE.min(blocks - start);
            let padded = len.next_multiple_of(LANES);
            let mut column = 0;
            for (b, tree) in self.trees.iter().enumerate() {
                let words = &mut words[..tree.len() * padded];
                tree.fill(self.counter + start as u128, padded, words);
                let width = tree.len().trailing_zeros() as usize;
                let mut of_tree = TreeColumns { words: &mut columns[start * BLOCK + column..], width };
                fold(words, &mut sums[..padded], len, &mut of_tree);
                each(b, start..start + len, &sums[..len], &mut of_tree);
                column += width;
            }
        }
        self.counter += blocks as u128;
        words.zeroize();
        sums.zeroize();
        Columns(columns)
    }
}

/// The columns of one tree in some blocks.
struct TreeColumns<'a> {
    /// From the tree's first column of the first block on.
    words: &'a mut [u128],
    width: usize,
}

impl TreeColumns<'_> {
    #[inline(always)]
    fn of_block(&mut self, j: usize) -> &mut [u128] {
        &mut self.words[j * BLOCK..][..self.width]
    }
}

/// Most levels of a tree.
const WIDTH_MAX: usize = 8;
/// Blocks that are folded together.
const LANES: usize = 4;

/// u and v of one tree for `len` blocks, from as many words of every leaf as `sums` has, leaf after leaf.
fn fold(leaves: &[StreamBlock], sums: &mut [u128], len: usize, columns: &mut TreeColumns<'_>) {
    let done = simd::fold_sixteen(leaves, sums, &mut columns.words[..(len - 1) * BLOCK + columns.width]);
    if !done {
        simd::run(Fold { leaves, sums, len, columns });
    }
}

/// [`fold`] for any width.
struct Fold<'a, 'b> {
    leaves: &'a [StreamBlock],
    sums: &'a mut [u128],
    len: usize,
    columns: &'a mut TreeColumns<'b>,
}

impl simd::Kernel for Fold<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.leaves.len() / self.sums.len() {
            2 => self.fold::<2>(),
            4 => self.fold::<4>(),
            8 => self.fold::<8>(),
            16 => self.fold::<16>(),
            32 => self.fold::<32>(),
            64 => self.fold::<64>(),
            128 => self.fold::<128>(),
            256 => self.fold::<256>(),
            _ => unreachable!("a tree has 1 to 8 levels"),
        }
    }
}

impl Fold<'_, '_> {
    /// The upper half of the leaves have bit t of their number set: their sum is column t. Then the halves are folded
    /// onto each other.
    #[inline(always)]
    fn fold<const LEAVES: usize>(self) {
        let stride = self.sums.len();
        for first in (0..stride).step_by(LANES) {
            let mut leaves: [[u128; LANES]; LEAVES] = std::array::from_fn(|y| {
                let words: &[StreamBlock; LANES] = self.leaves[y * stride + first..].first_chunk().expect("padded");
                words.map(u128::from_le_bytes)
            });
            let lanes = LANES.min(self.len.saturating_sub(first));
            for t in (0..LEAVES.trailing_zeros() as usize).rev() {
                let mut upper = [0; LANES];
                for y in 0..1 << t {
                    let high = leaves[y + (1 << t)];
                    for lane in 0..LANES {
                        upper[lane] ^= high[lane];
                        leaves[y][lane] ^= high[lane];
                    }
                }
                for (lane, upper) in upper.iter().enumerate().take(lanes) {
                    self.columns.words[(first + lane) * BLOCK + t] = *upper;
                }
            }
            self.sums[first..first + LANES].copy_from_slice(&leaves[0]);
        }
    }
}

/// Adds Δ·(u ⊕ c), bit by bit of one digit, to some blocks of a tree's columns.
struct Correct<'a, 'b> {
    sums: &'a [u128],
    corrections: &'a [[u8; WORD_BYTES]],
    masks: &'a [u128],
    columns: &'a mut TreeColumns<'b>,
}

impl simd::Kernel for Correct<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (j, (sum, correction)) in self.sums.iter().zip(self.corrections).enumerate() {
            let sum = sum ^ u128::from_le_bytes(*correction);
            for (word, mask) in self.columns.of_block(j).iter_mut().zip(self.masks) {
                *word ^= sum & mask;
            }
        }
    }
}

/// The coefficients' key for one ordered pair, from the coin of all.
fn check_key(ctx: &Transcript, coin: &Hash) -> u128 {
    let hash = ctx.clone().bytes(b"check key").bytes(coin).finish();
    u128::from_le_bytes(*hash.first_chunk().expect("a hash is longer than a word"))
}

fn check_hash(ctx: &Transcript, hashes: &[u128; BLOCK]) -> Hash {
    ctx.clone().bytes(b"check hash").list(hashes.map(u128::to_le_bytes)).finish()
}

/// The side with choice bits.
pub(crate) struct Receiver {
    ctx: Transcript,
    trees: Trees,
}

impl Receiver {
    /// `ctx` binds session, sender and receiver.
    pub fn new(ctx: Transcript, trees: Vec<Leaves>) -> Self {
        Self { ctx, trees: Trees { trees, counter: 0, spare: Vec::new() } }
    }

    /// Extends by 128 OTs for each word of `choices`, the last of which must be random and is used
    /// up by the check. Returns the own rows and the message.
    pub fn extend(&mut self, choices: &[u128]) -> (Columns, Vec<u8>) {
        let blocks = choices.len();
        let mut message = vec![0; self.trees.trees.len() * blocks * WORD_BYTES];
        let corrections = message.as_chunks_mut::<WORD_BYTES>().0;
        let columns = self.trees.expand(blocks, |b, stripe, sums, _| {
            let corrections = &mut corrections[b * blocks..][stripe.clone()];
            for ((correction, u), x) in corrections.iter_mut().zip(sums).zip(&choices[stripe]) {
                *correction = (u ^ x).to_le_bytes();
            }
        });
        (columns, message)
    }

    /// Takes back the rows of an extension that is done with.
    pub fn recycle(&mut self, mut columns: Columns) {
        self.trees.spare = std::mem::take(&mut columns.0);
    }

    /// The answer to the check of the last extension.
    pub fn answer(&self, coin: &Hash, choices: &[u128], columns: &Columns) -> Vec<u8> {
        let key = check_key(&self.ctx, coin);
        let powers = gf128::powers(key, choices.len() - 1);
        let last = *choices.last().expect("a block to discard");
        let hash = choices.iter().zip(powers).fold(last, |hash, (&x, power)| hash ^ simd::multiply(x, power));
        let mut answer = hash.to_le_bytes().to_vec();
        answer.extend_from_slice(&check_hash(&self.ctx, &columns.hashes(key)));
        answer
    }
}

/// All ones if the bit of Δ is set.
fn delta_mask(delta: u128, bit: usize) -> u128 {
    ((delta >> bit) & 1).wrapping_neg()
}

/// The side with Δ.
pub(crate) struct Sender {
    ctx: Transcript,
    trees: Trees,
    delta: u128,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.delta.zeroize();
    }
}

impl Sender {
    /// `ctx` binds session, sender and receiver; `trees` are punctured at the digits of `delta`.
    pub fn new(ctx: Transcript, trees: Vec<Leaves>, delta: u128) -> Self {
        Self { ctx, trees: Trees { trees, counter: 0, spare: Vec::new() }, delta }
    }

    pub fn delta(&self) -> u128 {
        self.delta
    }

    /// Bytes of the receiver's message for so many blocks.
    pub fn message_bytes(&self, blocks: usize) -> usize {
        self.trees.trees.len() * blocks * WORD_BYTES
    }

    /// The own rows, from the receiver's message of [`Self::message_bytes`].
    pub fn extend(&mut self, blocks: usize, message: &[u8]) -> Columns {
        let corrections = message.as_chunks::<WORD_BYTES>().0;
        let delta = self.delta;
        let mut column = 0;
        self.trees.expand(blocks, |b, stripe, sums, columns| {
            column = if b == 0 { 0 } else { column };
            let mut masks = [0; WIDTH_MAX];
            let masks = &mut masks[..columns.width];
            masks.iter_mut().enumerate().for_each(|(t, mask)| *mask = delta_mask(delta, column + t));
            column += columns.width;
            simd::run(Correct { sums, corrections: &corrections[b * blocks..][stripe], masks, columns });
        })
    }

    /// Takes back the rows of an extension that is done with.
    pub fn recycle(&mut self, mut columns: Columns) {
        self.trees.spare = std::mem::take(&mut columns.0);
    }

    /// Whether the receiver's answer of [`ANSWER_BYTES`] passes.
    pub fn check(&self, coin: &Hash, columns: &Columns, answer: &[u8]) -> bool {
        let (x, hash) = answer.split_at(WORD_BYTES);
        let x = u128::from_le_bytes(x.try_into().expect("split at its length"));
        let mut expected = columns.hashes(check_key(&self.ctx, coin));
        for (bit, expected) in expected.iter_mut().enumerate() {
            *expected ^= x & delta_mask(self.delta, bit);
        }
        check_hash(&self.ctx, &expected).as_slice().ct_eq(hash).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mascot::{ggm, testing};
    use crate::port::Rng;
    use crate::statistics::assert_rate;
    use rand_core::{Rng as _, SeedableRng};

    fn word(rng: &mut Rng) -> u128 {
        (rng.next_u64() as u128) << 64 | rng.next_u64() as u128
    }

    fn ends(width: usize, delta: u128, rng: &mut Rng) -> (Receiver, Sender) {
        let widths = ggm::digit_widths(BLOCK, width);
        let digits: Vec<u32> =
            (0..widths.len()).map(|b| (delta >> (b * width)) as u32 & ((1 << widths[b]) - 1)).collect();
        let (all, punctured) = testing::leaves(&widths, &digits, rng);
        let ctx = Transcript::new("test");
        (Receiver::new(ctx.clone(), all), Sender::new(ctx, punctured, delta))
    }

    fn rows_are_correlated(choices: &[u128], delta: u128, t: &Columns, q: &Columns) {
        for (j, x) in choices.iter().enumerate() {
            for (i, (t, q)) in t.rows(j).iter().zip(q.rows(j)).enumerate() {
                assert_eq!(t ^ q, delta & (x >> i & 1).wrapping_neg(), "row {i} of block {j}");
            }
        }
    }

    #[test]
    fn rows_differ_by_delta_where_the_choice_is_one_for_all_widths_and_sizes() {
        let mut rng = Rng::seed_from_u64(1);
        for width in [1, 2, 3, 4, 5, 8] {
            let delta = word(&mut rng);
            let (mut receiver, mut sender) = ends(width, delta, &mut rng);
            for blocks in [2, 3, STRIPE, STRIPE + 1, 2 * STRIPE + 3] {
                let choices: Vec<u128> = (0..blocks).map(|_| word(&mut rng)).collect();
                let (t, message) = receiver.extend(&choices);
                assert_eq!(message.len(), sender.message_bytes(blocks));
                let q = sender.extend(blocks, &message);
                rows_are_correlated(&choices, delta, &t, &q);
                let coin = [width as u8; 32];
                let answer = receiver.answer(&coin, &choices, &t);
                assert_eq!(answer.len(), ANSWER_BYTES);
                assert!(sender.check(&coin, &q, &answer), "an honest receiver passes");
                for bit in 0..8 * ANSWER_BYTES {
                    let mut wrong = answer.clone();
                    wrong[bit / 8] ^= 1 << (bit % 8);
                    assert!(!sender.check(&coin, &q, &wrong), "bit {bit} of the answer matters");
                }
            }
        }
    }

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn extensions_are_frozen() {
        let mut receiver = Receiver::new(Transcript::new("test"), testing::fixed_trees(32, 4));
        let choices = [1, 2, 3];
        let (columns, message) = receiver.extend(&choices);
        let answer = receiver.answer(&[1; 32], &choices, &columns);
        let digest = Transcript::new("known answer").bytes(&message).bytes(&answer).finish();
        assert_eq!(hex::encode(digest), "65f97db0a42536800ce3a11739197f7d435c9d1d20f0e0e8258fb64178edb3bb");
        let rows = Transcript::new("rows").list(columns.rows(0).map(u128::to_le_bytes)).finish();
        assert_eq!(hex::encode(rows), "5f06c63727e3ca7a03d854a2f06c65a6807e1e5ed86001904841a3101411ee5f");
    }

    /// Another choice bit in one digit's correction: it spoils the row exactly if that digit of Δ
    /// is not zero, so the receiver may guess, and a wrong guess is caught.
    #[test]
    fn inconsistent_choices_pass_only_with_the_right_guess_of_the_digit() {
        let mut rng = Rng::seed_from_u64(2);
        let blocks = 3;
        for digit in 0..16u128 {
            let delta = word(&mut rng) & !(0xf << 20) | digit << 20;
            let (mut receiver, mut sender) = ends(4, delta, &mut rng);
            let choices: Vec<u128> = (0..blocks).map(|_| word(&mut rng)).collect();
            let (t, mut message) = receiver.extend(&choices);
            message[(5 * blocks + 1) * WORD_BYTES] ^= 1;
            let q = sender.extend(blocks, &message);
            let answer = receiver.answer(&[3; 32], &choices, &t);
            assert_eq!(sender.check(&[3; 32], &q, &answer), digit == 0, "digit {digit}");
        }
    }

    /// The same with bits for digits, over random Δ: a guess of j bits passes one time in 2^j.
    #[test]
    fn a_guess_of_bits_passes_as_often_as_they_are_zero() {
        let mut rng = Rng::seed_from_u64(4);
        for (guessed, trials) in [(1, 100), (2, 240), (3, 520)] {
            let mut passed = 0;
            for _ in 0..trials {
                let delta = word(&mut rng);
                let (mut receiver, mut sender) = ends(1, delta, &mut rng);
                let choices = [word(&mut rng), word(&mut rng)];
                let (t, mut message) = receiver.extend(&choices);
                (0..guessed).for_each(|bit| message[2 * WORD_BYTES * (9 * bit + 4)] ^= 1);
                let q = sender.extend(2, &message);
                passed += usize::from(sender.check(&[5; 32], &q, &receiver.answer(&[5; 32], &choices, &t)));
            }
            assert_rate(passed, trials, 0.5f64.powi(guessed as i32), &format!("{guessed} bits"));
        }
    }
}

//! Puncturable PRF from a tree (Goldreich, Goldwasser, Micali), 2^w leaves of which the other side
//! gets all but one, with the consistency check of SoftSpoken OT (Roy, eprint 2022/192 §5,
//! Fig. 13 and 14).
//!
//! The owner knows the root. For level ℓ (from the top) it sends the XOR of all left and of all
//! right nodes, each under one key of the ℓ-th base OT. The other side chose the keys by the
//! *inverted* bits of its position Δ, most significant first: on each level it can compute both
//! children of every node it knows, and takes the one sibling that it lacks from the sum.
//!
//! Check: every leaf also gives 256 check bits. The owner sends their XOR and a hash of all of
//! them; the other side fills in the missing ones and compares the hash. Without it a malicious
//! owner could spoil single leaves and learn from later failures. **The outcome of the check tells the owner
//! whether Δ is in a set of its choice.** Where Δ is fresh for the setup a failure ends the setup (I17); where Δ is the
//! MAC key share, which outlives it, a failure burns the key (I46). What a check that passes tells was a guess, which the
//! proof accounts for. The caller evaluates all trees before it acts on any: the outcomes of single trees do not show.
//!
//! Seeds have 128 bits; every hash absorbs session, pair, tree, level and place, so that one
//! guess at a seed tests one node only. The position is treated in constant time.

use super::base_ot::Key;
use crate::digest::{Hash, Transcript};
use crate::prg::{Keystream, StreamBlock, counters};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

const SEED_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Splits `bits` into digits of `width` bits, least significant first; the last may be narrower.
pub(crate) fn digit_widths(bits: usize, width: usize) -> Vec<usize> {
    (0..bits.div_ceil(width)).map(|digit| width.min(bits - digit * width)).collect()
}

/// Bytes of the owner's message for a tree of this depth.
pub(crate) fn message_bytes(depth: usize) -> usize {
    2 * SEED_BYTES * depth + 2 * HASH_BYTES
}

/// The leaves of a tree as keystreams; where the tree was punctured, one of them is meaningless.
pub(crate) struct Leaves(Vec<Keystream>);

impl Leaves {
    fn new(ctx: &Transcript, nodes: &[u128]) -> Self {
        let leaf = |(place, node): (usize, &u128)| {
            let seed = ctx.clone().bytes(b"leaf").number(place as u64).bytes(&node.to_le_bytes()).finish();
            Keystream::new(halves(&seed)[0])
        };
        Self(nodes.iter().enumerate().map(leaf).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `each` blocks of every leaf from `counter` on, leaf after leaf.
    pub fn fill(&self, counter: u128, each: usize, out: &mut [StreamBlock]) {
        let counters = counters(counter, each);
        for (leaf, out) in self.0.iter().zip(out.chunks_exact_mut(each)) {
            leaf.fill(&counters, out);
        }
    }
}

fn halves(hash: &Hash) -> [u128; 2] {
    let word = |at: usize| u128::from_le_bytes(*hash[at..].first_chunk().expect("a hash has two halves"));
    [word(0), word(16)]
}

/// Both children of every node, in order.
fn grow(ctx: &Transcript, level: usize, nodes: &[u128]) -> Zeroizing<Vec<u128>> {
    let level = ctx.clone().bytes(b"node").number(level as u64);
    let children = nodes
        .iter()
        .enumerate()
        .flat_map(|(place, node)| halves(&level.clone().number(place as u64).bytes(&node.to_le_bytes()).finish()));
    Zeroizing::new(children.collect())
}

/// What hides the sum of one side of a level.
fn pad(ctx: &Transcript, level: usize, side: u8, key: &Key) -> u128 {
    halves(&ctx.clone().bytes(b"pad").number(level as u64).number(side as u64).bytes(key).finish())[0]
}

fn check_bits(ctx: &Transcript, nodes: &[u128]) -> Zeroizing<Vec<Hash>> {
    let check = |(place, node): (usize, &u128)| {
        ctx.clone().bytes(b"check").number(place as u64).bytes(&node.to_le_bytes()).finish()
    };
    Zeroizing::new(nodes.iter().enumerate().map(check).collect())
}

fn xor(a: &mut Hash, b: &Hash) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a ^= b);
}

fn check_hash(ctx: &Transcript, checks: &[Hash]) -> Hash {
    ctx.clone().bytes(b"check hash").list(checks).finish()
}

/// The owner's side: grows a tree of depth `keys.len()` and returns its leaves with the message.
pub(crate) fn plant(ctx: &Transcript, root: u128, keys: &[[Key; 2]]) -> (Leaves, Vec<u8>) {
    let mut nodes = Zeroizing::new(vec![root]);
    let mut message = Vec::with_capacity(message_bytes(keys.len()));
    for (level, keys) in keys.iter().enumerate() {
        nodes = grow(ctx, level, &nodes);
        for (side, key) in keys.iter().enumerate() {
            let sum = nodes.iter().skip(side).step_by(2).fold(0, |sum, node| sum ^ node);
            message.extend_from_slice(&(sum ^ pad(ctx, level, side as u8, key)).to_le_bytes());
        }
    }
    let checks = check_bits(ctx, &nodes);
    let mut sum = Hash::default();
    checks.iter().for_each(|check| xor(&mut sum, check));
    message.extend_from_slice(&sum);
    message.extend_from_slice(&check_hash(ctx, &checks));
    (Leaves::new(ctx, &nodes), message)
}

/// All ones if equal, in constant time.
fn mask(a: u32, b: u32) -> u128 {
    (a.ct_eq(&b).unwrap_u8() as u128).wrapping_neg()
}

fn blend(mask: u128, if_set: u128, if_not: u128) -> u128 {
    (if_set & mask) | (if_not & !mask)
}

/// The other side: all leaves but the one at `position`, from the base OT keys chosen by the
/// inverted bits of `position`, most significant first. `message` has [`message_bytes`].
/// The leaves mean nothing unless the check has passed.
pub(crate) fn puncture(ctx: &Transcript, position: u32, keys: &[Key], message: &[u8]) -> (Leaves, Choice) {
    let depth = keys.len();
    let (sums, check) = message.split_at(2 * SEED_BYTES * depth);
    let mut nodes = Zeroizing::new(vec![0u128]);
    let mut prefix = 0u32;
    for (level, key) in keys.iter().enumerate() {
        let bit = (position >> (depth - 1 - level)) & 1;
        let side = 1 - bit;
        let sums = &sums[2 * SEED_BYTES * level..2 * SEED_BYTES * (level + 1)];
        let sum =
            |side: usize| u128::from_le_bytes(*sums[SEED_BYTES * side..].first_chunk().expect("two seeds a level"));
        let sum = blend(mask(side, 1), sum(1), sum(0)) ^ pad(ctx, level, side as u8, key);
        nodes = sibling(grow(ctx, level, &nodes), prefix, side, sum);
        prefix = (prefix << 1) | bit;
    }
    let checks =
        completed(check_bits(ctx, &nodes), position, check[..HASH_BYTES].try_into().expect("split at its length"));
    let passed = check_hash(ctx, &checks).as_slice().ct_eq(&check[HASH_BYTES..]);
    (Leaves::new(ctx, &nodes), passed)
}

/// Puts the sibling of the next punctured node, which follows from the level's sum, in its place.
fn sibling(mut children: Zeroizing<Vec<u128>>, prefix: u32, side: u32, mut sum: u128) -> Zeroizing<Vec<u128>> {
    for (place, pair) in children.chunks_exact(2).enumerate() {
        sum ^= blend(mask(side, 1), pair[1], pair[0]) & !mask(place as u32, prefix);
    }
    for (place, pair) in children.chunks_exact_mut(2).enumerate() {
        let punctured = mask(place as u32, prefix);
        for (child, at) in pair.iter_mut().zip(0..) {
            *child = blend(punctured, sum & mask(at, side), *child);
        }
    }
    children
}

/// Puts the check bits of the punctured leaf, which follow from the sum, in their place.
fn completed(mut checks: Zeroizing<Vec<Hash>>, position: u32, mut sum: Hash) -> Zeroizing<Vec<Hash>> {
    for (place, check) in checks.iter().enumerate() {
        let keep = !mask(place as u32, position) as u8;
        sum.iter_mut().zip(check).for_each(|(sum, check)| *sum ^= check & keep);
    }
    for (place, check) in checks.iter_mut().enumerate() {
        let punctured = (place as u32).ct_eq(&position);
        check.iter_mut().zip(&sum).for_each(|(check, sum)| check.conditional_assign(sum, punctured));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(depth: usize) -> Vec<[Key; 2]> {
        (0..depth as u8).map(|level| [[2 * level; 32], [2 * level + 1; 32]]).collect()
    }

    fn chosen(keys: &[[Key; 2]], position: u32) -> Vec<Key> {
        let depth = keys.len();
        let choice = |level: usize| 1 - ((position >> (depth - 1 - level)) & 1);
        keys.iter().enumerate().map(|(level, keys)| keys[choice(level) as usize]).collect()
    }

    fn passes(ctx: &Transcript, position: u32, keys: &[Key], message: &[u8]) -> bool {
        puncture(ctx, position, keys, message).1.into()
    }

    fn first_blocks(leaves: &Leaves) -> Vec<u128> {
        let mut blocks = vec![[0; 16]; leaves.len()];
        leaves.fill(0, 1, &mut blocks);
        blocks.into_iter().map(u128::from_le_bytes).collect()
    }

    #[test]
    fn all_leaves_but_one_are_known_at_every_depth_and_position() {
        let ctx = Transcript::new("test");
        for depth in 1..=6 {
            let keys = keys(depth);
            let (leaves, message) = plant(&ctx, 42, &keys);
            assert_eq!(message.len(), message_bytes(depth));
            let all = first_blocks(&leaves);
            for position in 0..1 << depth {
                let (punctured, passed) = puncture(&ctx, position, &chosen(&keys, position), &message);
                assert!(bool::from(passed), "an honest tree");
                let known = first_blocks(&punctured);
                for place in 0..1 << depth {
                    assert_eq!(
                        known[place] == all[place],
                        place as u32 != position,
                        "depth {depth}, position {position}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_spoiled_bit_that_matters_is_caught() {
        let ctx = Transcript::new("test");
        let keys = keys(3);
        let (_, message) = plant(&ctx, 7, &keys);
        let position = 5;
        let chosen_keys = chosen(&keys, position);
        for bit in 0..message.len() * 8 {
            let mut spoiled = message.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            let (level, side) = (bit / 8 / 32, bit / 8 / 16 % 2);
            // The sum of the punctured side is under the key that this side did not choose.
            let unseen = level < 3 && side as u32 == (position >> (2 - level)) & 1;
            assert_eq!(passes(&ctx, position, &chosen_keys, &spoiled), unseen, "bit {bit}");
        }
    }

    /// An owner that spoils a side of a level is seen by those who need it: half of all positions.
    #[test]
    fn a_spoiled_side_passes_at_the_positions_that_do_not_use_it() {
        let ctx = Transcript::new("test");
        let (depth, keys) = (4, keys(4));
        for level in 0..depth {
            for side in 0..2 {
                let (_, mut message) = plant(&ctx, 9, &keys);
                message[2 * SEED_BYTES * level + SEED_BYTES * side] ^= 1;
                for position in 0..1 << depth {
                    let passes = passes(&ctx, position, &chosen(&keys, position), &message);
                    assert_eq!(passes, position >> (depth - 1 - level) & 1 == side as u32, "{level} {side} {position}");
                }
            }
        }
    }

    /// One that also makes the check fit the wrong leaf guesses the position: it passes there and where nobody has
    /// that leaf.
    #[test]
    fn a_wrong_leaf_with_its_own_check_passes_with_the_right_guess_alone() {
        let ctx = Transcript::new("test");
        let (depth, keys, guess) = (4, keys(4), 11u32);
        let (_, mut message) = plant(&ctx, 9, &keys);
        let mut nodes = (0..depth).fold(Zeroizing::new(vec![9]), |nodes, level| grow(&ctx, level, &nodes));
        message[2 * SEED_BYTES * (depth - 1)] ^= 1;
        nodes[guess as usize ^ 1] ^= 1;
        let checks = check_bits(&ctx, &nodes);
        let mut sum = Hash::default();
        checks.iter().for_each(|check| xor(&mut sum, check));
        message.truncate(2 * SEED_BYTES * depth);
        message.extend_from_slice(&sum);
        message.extend_from_slice(&check_hash(&ctx, &checks));
        let passes = |&position: &u32| passes(&ctx, position, &chosen(&keys, position), &message);
        assert_eq!((0..1 << depth).filter(passes).collect::<Vec<u32>>(), [guess ^ 1, guess]);
    }

    #[test]
    fn trees_are_frozen() {
        let (leaves, message) = plant(&Transcript::new("known answer"), 42, &keys(3));
        assert_eq!(hex::encode(Transcript::new("message").bytes(&message).finish()), KNOWN_MESSAGE);
        assert_eq!(hex::encode(first_blocks(&leaves)[5].to_le_bytes()), KNOWN_LEAF);
    }

    /// Recipe: `scripts/known_answers.py`.
    const KNOWN_MESSAGE: &str = "a9de2b5ad2f97e541733645368d05d04858ce8ca4da5d30f57c9eb49550d4f6f";
    const KNOWN_LEAF: &str = "3f656528f3debb41cbf021711bbe4034";

    #[test]
    fn digits_cover_all_bits() {
        assert_eq!(digit_widths(128, 4), vec![4; 32]);
        assert_eq!(digit_widths(9, 4), vec![4, 4, 1]);
        assert_eq!(digit_widths(5, 1), vec![1; 5]);
    }
}

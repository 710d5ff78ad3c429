//! The offline generator MASCOT (Keller, Orsini, Scholl, eprint 2016/505), for any number of parties,
//! with up to n−1 of them malicious, over SoftSpoken OT and block COPEe ("MASCOT-SS").
//!
//! A [`Setup`] holds what parties share to generate: it is made once per session ([`Setup::establish`]:
//! base OTs, puncturable PRFs, the key link) and then makes tuples ([`Setup::generate`]). All parties
//! call the same functions with the same kinds and counts in the same order.
//!
//! | layer | file |
//! |---|---|
//! | base OTs | [`base_ot`] |
//! | puncturable PRFs | [`ggm`] |
//! | OT extension and its check | [`softspoken`] |
//! | oblivious products with αᵢ | [`cope`] |
//! | authenticated inputs | [`authenticate`] |
//! | triples | [`triple`] |
//! | ties between setups under one MAC key | [`key_link`] |
//! | squares, inverses, bits, randoms, masks | [`derive`](self::derive) |
//!
//! Security: 128 bits computational; statistical as [`Params::statistical`] says, but never better
//! than the field: every check accepts a lie with probability about 1/|F|, so that small fields are
//! for tests. **Aborts**: whether a consistency check passes can depend on a guess at secret bits of
//! this setup, so any error ends it (I17): its secrets are erased, [`Error::SetupOver`] is the answer from
//! then on, and whoever drives it decides by [`Error::severity`] and its own journal what to do about
//! the MAC key. The same holds if a future of these functions is dropped. The Δ of the OT extension is
//! fresh for every setup and peer and independent of the MAC key share, which is the Δ of COPEe.

mod authenticate;
mod base_ot;
mod coins;
mod cope;
mod derive;
mod gf128;
mod ggm;
mod key_link;
mod matrix;
mod simd;
mod softspoken;
#[cfg(test)]
mod testing;
mod triple;

use crate::digest::{Hash, Transcript};
use crate::error::{ConsistencyCheck, Error, Result};
use crate::field::{Field, Fp, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::port::Rng;
use crate::prg::{Prg, StreamBlock, Tccr, wide_element};
use crate::share::{MacKeyShare, Shares};
use crate::step::Step;
use crate::tuples::{InputMasks, Kind, Pool};
use authenticate::Authenticator;
use base_ot::{Key, PairKeys};
use coins::Coins;
use cope::{Holder, Owner};
use ggm::Leaves;
use rand_core::Rng as _;
pub use simd::Limbs;
use softspoken::{BLOCK, Receiver, Sender};
use triple::Multiplier;
use zeroize::Zeroizing;

/// A field that MASCOT can generate for: what differs between prime and binary fields.
///
/// Sums of many PRG outputs stay unreduced as long as they can, in [`Limbs`] of 32 bits in words of 64:
/// whoever adds them up sees to it that no limb reaches 2^63.
pub trait MascotField: Field {
    /// The element of a digit of the MAC key.
    fn small(&self, digit: u32) -> Self::Element;
    /// For 2^k leaves of `sums.len()` values, leaf after leaf, 256 uniform bits each: writes the sums
    /// over the leaves, below 2^(32+k) in a limb, and the sums weighted with the leaf's number, below
    /// 2^(31+2k).
    fn sum_leaves(&self, words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]);
    /// Adds `limbs` times a digit and 2^shift.
    fn accumulate(&self, sum: &mut Limbs, limbs: &Limbs, digit: u32, shift: u32);
    /// The element of a sum.
    fn reduce(&self, limbs: &Limbs) -> Self::Element;
    /// The element of x − y for 256 bits each.
    fn wide_difference(&self, x: [u128; 2], y: [u128; 2]) -> Self::Element;
    /// A canonical encoding for bulk messages that is as cheap as can be.
    fn encode_raw(&self, a: Self::Element) -> [u8; 16];
    /// Strict: anything but a canonical encoding is `None`.
    fn decode_raw(&self, bytes: [u8; 16]) -> Option<Self::Element>;
    /// `a` if the bit is 1, else zero, in constant time.
    fn keep_if(&self, a: Self::Element, bit: u8) -> Self::Element;
    /// A square root of a public value, by a rule that depends on the value only.
    fn root(&self, square: Self::Element) -> Option<Self::Element>;
    /// Inverts public values; zeros stay zero.
    fn invert_all_public(&self, elements: &mut [Self::Element]);
}

/// 256 bits in limbs.
#[inline(always)]
pub(crate) fn to_limbs([low, high]: [u128; 2]) -> Limbs {
    let words = [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64];
    std::array::from_fn(|k| (words[k / 2] >> (32 * (k % 2))) as u32 as u64)
}

impl MascotField for PrimeField {
    fn small(&self, digit: u32) -> Fp {
        self.element(digit as u128)
    }

    fn sum_leaves(&self, words: &[[StreamBlock; 2]], sums: &mut [Limbs], weighted: &mut [Limbs]) {
        simd::sum_leaves(words, sums, weighted);
    }

    #[inline(always)]
    fn accumulate(&self, sum: &mut Limbs, limbs: &Limbs, digit: u32, shift: u32) {
        for (sum, limb) in sum.iter_mut().zip(limbs) {
            *sum = sum.wrapping_add(limb.wrapping_mul(digit as u64) << shift);
        }
    }

    #[inline(always)]
    fn reduce(&self, limbs: &Limbs) -> Fp {
        let mut carry = 0u64;
        let words: [u64; 4] = std::array::from_fn(|k| {
            let low = limbs[2 * k].wrapping_add(carry);
            let high = limbs[2 * k + 1].wrapping_add(low >> 32);
            carry = high >> 32;
            (low as u32 as u64) | (high << 32)
        });
        self.add(self.reduce_wide(words), self.mul(self.two_to_256(), self.element(carry as u128)))
    }

    #[inline(always)]
    fn wide_difference(&self, x: [u128; 2], y: [u128; 2]) -> Fp {
        let (low, borrow) = x[0].overflowing_sub(y[0]);
        let (high, first) = x[1].overflowing_sub(y[1]);
        let (high, second) = high.overflowing_sub(borrow as u128);
        let wrapped = wide_element(self, [low, high]);
        self.sub(wrapped, self.keep_if(self.two_to_256(), (first | second) as u8))
    }

    /// The Montgomery representation with R = 2^128, little endian.
    #[inline(always)]
    fn encode_raw(&self, a: Fp) -> [u8; 16] {
        self.to_montgomery(a).to_le_bytes()
    }

    #[inline(always)]
    fn decode_raw(&self, bytes: [u8; 16]) -> Option<Fp> {
        self.from_montgomery(u128::from_le_bytes(bytes))
    }

    #[inline(always)]
    fn keep_if(&self, a: Fp, bit: u8) -> Fp {
        let masked = self.to_montgomery(a) & (bit as u128).wrapping_neg();
        self.from_montgomery(masked).unwrap_or_default()
    }

    fn root(&self, square: Fp) -> Option<Fp> {
        self.sqrt_public(square)
    }

    fn invert_all_public(&self, elements: &mut [Fp]) {
        self.invert_all(elements);
    }
}

/// Choices of a setup, the same at all parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Bits of statistical security, from which the number of components of a triple follows.
    pub statistical: u32,
    /// Bits of Δ in one tree of the OT extension, 1 to 8: fewer bytes and more computation.
    pub ot_width: usize,
    /// Bits of the MAC key share in one tree of COPEe, 1 to 8; 1 is MASCOT's own COPEe.
    pub cope_width: usize,
    /// OTs of one tile with all peers together; bounds memory and messages.
    pub tile_ots: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { statistical: 64, ot_width: 4, cope_width: 4, tile_ots: 384 << 10 }
    }
}

/// Most OTs of a tile: keeps every message below the longest frame.
const TILE_OTS_MAX: usize = 3 << 20;
/// Values of a tile of inputs with all peers together.
const TILE_VALUES: usize = 16 << 10;

impl Params {
    /// 32 bytes that all parties must agree on.
    fn digest<F: Field>(&self, field: &F, linked: bool) -> Hash {
        let transcript = Transcript::new("mascot/parameters").bytes(&field.id()).number(self.statistical as u64);
        let transcript = transcript.number(self.ot_width as u64).number(self.cope_width as u64);
        transcript.number(self.tile_ots as u64).number(linked as u64).finish()
    }

    fn assert_valid(&self) {
        assert!((1..=128).contains(&self.statistical), "1 to 128 bits of statistical security");
        assert!((1..=8).contains(&self.ot_width), "trees of the OT extension have 1 to 8 levels");
        assert!((1..=8).contains(&self.cope_width), "trees of COPEe have 1 to 8 levels");
        assert!((1..=TILE_OTS_MAX).contains(&self.tile_ots), "a tile has 1 to {TILE_OTS_MAX} OTs");
    }
}

/// ⟦anchor⟧ of a MAC key: made by its first setup, kept as long as the key, never opened.
pub type Anchor<F> = Shares<F>;

/// What the parties of a session share to generate tuples under one MAC key.
pub struct Setup<F: MascotField> {
    field: F,
    /// Taken out while it is being used, so that an error or a dropped future ends the setup.
    live: Option<Live<F>>,
}

struct Live<F: MascotField> {
    field: F,
    params: Params,
    multiplier: Multiplier<F>,
    authenticator: Authenticator<F>,
    coins: Coins,
}

impl<F: MascotField> Live<F> {
    fn triples_of_tile(&self, n: usize) -> usize {
        (self.params.tile_ots / (n - 1) / self.multiplier.ots()).max(1)
    }

    fn values_of_tile(&self, n: usize) -> usize {
        (TILE_VALUES / (n - 1)).max(1)
    }
}

impl<F: MascotField> Setup<F> {
    /// Makes a setup for the key of `mac`, and links it to the earlier setups under that key by
    /// their `anchor`; without one this is the key's first setup. Returns the anchor, which the
    /// caller keeps beside its key share. About 13 rounds.
    ///
    /// # Errors
    /// Any; nothing of the attempt may be used again. [`Error::MacCheckFailed`] burns the key.
    ///
    /// # Panics
    /// If `params` are out of their ranges.
    pub async fn establish(
        party: &mut Party,
        field: F,
        mac: &mut MacCheck<F>,
        params: Params,
        anchor: Option<&Anchor<F>>,
    ) -> Result<(Self, Anchor<F>)> {
        let mut live = Live::establish(party, field.clone(), mac.key(), params, anchor.is_some()).await?;
        let anchor = key_link::link(&mut live.authenticator, &mut live.coins, party, mac, anchor).await?;
        Ok((Self { field, live: Some(live) }, anchor))
    }

    /// Makes `count` tuples, covered by a MAC check: a column for each element of the kind.
    /// `Kind::InputMask` gives masks that nobody knows; see [`Self::generate_input_masks`].
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<F>,
        kind: Kind,
        count: usize,
    ) -> Result<Vec<Shares<F>>> {
        let mut live = self.begin(mac)?;
        let columns = derive::generate(&mut live, party, mac, kind, count).await?;
        self.live = Some(live);
        Ok(columns)
    }

    /// Makes `count` masks that `owner` knows, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup, or `owner` is no party.
    pub async fn generate_input_masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<F>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<F>> {
        assert!(owner < party.n(), "masks belong to a party");
        let mut live = self.begin(mac)?;
        let masks = derive::input_masks(&mut live, party, mac, owner, count).await?;
        self.live = Some(live);
        Ok(masks)
    }

    /// Whether an error has ended this setup.
    pub fn is_over(&self) -> bool {
        self.live.is_none()
    }

    fn begin(&mut self, mac: &MacCheck<F>) -> Result<Live<F>> {
        let live = self.live.take().ok_or(Error::SetupOver)?;
        let difference = self.field.sub(mac.key().alpha(), live.authenticator.key.alpha());
        assert!(difference == self.field.zero(), "a setup generates for the MAC key it was made for");
        Ok(live)
    }
}

/// Tuples to be made at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// How many of each kind.
    pub tuples: Vec<(Kind, usize)>,
    /// How many masks each party shall know.
    pub masks: Vec<(usize, usize)>,
}

/// Generates everything on the bill.
///
/// # Errors
/// Any error ends the setup.
pub async fn fill<F: MascotField>(
    setup: &mut Setup<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    bill: &Bill,
) -> Result<Pool<F>> {
    let mut pool = Pool::new();
    for &(kind, count) in bill.tuples.iter().filter(|(_, count)| *count > 0) {
        pool.add(kind, setup.generate(party, mac, kind, count).await?);
    }
    for &(owner, count) in bill.masks.iter().filter(|(_, count)| *count > 0) {
        pool.add_masks(owner, setup.generate_input_masks(party, mac, owner, count).await?);
    }
    Ok(pool)
}

/// The widths of all trees that two parties share in one direction: first the OT extension's.
struct Forest {
    ot: Vec<usize>,
    cope: Vec<usize>,
}

impl Forest {
    fn new(params: &Params, field_bits: u32) -> Self {
        let cope = ggm::digit_widths(field_bits as usize, params.cope_width);
        Self { ot: ggm::digit_widths(BLOCK, params.ot_width), cope }
    }

    fn widths(&self) -> impl Iterator<Item = usize> {
        self.ot.iter().chain(&self.cope).copied()
    }

    fn message_bytes(&self) -> usize {
        self.widths().map(ggm::message_bytes).sum()
    }

    /// The digits at which the trees are punctured.
    fn digits(&self, delta: u128, alpha: u128) -> Zeroizing<Vec<u32>> {
        let digits = |widths: &[usize], secret: u128| {
            let mut shift = 0;
            let digit = |&width: &usize| {
                let digit = (secret >> shift) as u32 & ((1 << width) - 1);
                shift += width;
                digit
            };
            widths.iter().map(digit).collect::<Vec<u32>>()
        };
        Zeroizing::new([digits(&self.ot, delta), digits(&self.cope, alpha)].concat())
    }

    /// The choices of the base OTs: the inverted bits of each digit, most significant first.
    fn choices(&self, digits: &[u32]) -> Zeroizing<Vec<u8>> {
        let bits = self
            .widths()
            .zip(digits)
            .flat_map(|(width, &digit)| (0..width).rev().map(move |bit| 1 - (digit >> bit & 1) as u8));
        Zeroizing::new(bits.collect())
    }
}

fn tree_context(party: &Party, owner: PartyIndex, other: PartyIndex, tree: usize) -> Transcript {
    party.transcript("mascot/tree").number(owner.0 as u64).number(other.0 as u64).number(tree as u64)
}

fn plant(party: &mut Party, peer: PartyIndex, forest: &Forest, keys: &[[Key; 2]]) -> (Vec<Leaves>, Vec<u8>) {
    let mut message = Vec::with_capacity(forest.message_bytes());
    let (mut trees, mut keys) = (Vec::new(), keys);
    for (tree, width) in forest.widths().enumerate() {
        let (own, rest) = keys.split_at(width);
        keys = rest;
        let root = word(&mut party.rng);
        let (leaves, part) = ggm::plant(&tree_context(party, party.index(), peer, tree), root, own);
        trees.push(leaves);
        message.extend_from_slice(&part);
    }
    (trees, message)
}

fn puncture(
    party: &Party,
    peer: PartyIndex,
    forest: &Forest,
    digits: &[u32],
    keys: &[Key],
    message: &[u8],
) -> Result<Vec<Leaves>> {
    party.expect_len(peer, Step::MascotGgm, message, forest.message_bytes())?;
    let (mut trees, mut keys, mut message) = (Vec::new(), keys, message);
    for (tree, width) in forest.widths().enumerate() {
        let (own, rest) = keys.split_at(width);
        let (part, later) = message.split_at(ggm::message_bytes(width));
        (keys, message) = (rest, later);
        let leaves = ggm::puncture(&tree_context(party, peer, party.index(), tree), digits[tree], own, part);
        trees.push(leaves.ok_or(Error::ConsistencyFailed { peer, check: ConsistencyCheck::Ggm })?);
    }
    Ok(trees)
}

/// A pair's two sets of trees, ready for use.
struct PairTrees {
    planted: Vec<Leaves>,
    punctured: Vec<Leaves>,
}

/// This party's secret choices towards each peer: Δ of the OT extension, and all trees' digits.
struct Secrets {
    deltas: Zeroizing<Vec<u128>>,
    digits: Vec<Zeroizing<Vec<u32>>>,
}

impl Secrets {
    /// `alphas` are the Δ of COPEe by peer; all are αᵢ at an honest party.
    fn draw(rng: &mut Rng, forest: &Forest, alphas: &[u128]) -> Self {
        let deltas: Zeroizing<Vec<u128>> = Zeroizing::new(alphas.iter().map(|_| word(rng)).collect());
        let digits = deltas.iter().zip(alphas).map(|(&delta, &alpha)| forest.digits(delta, alpha)).collect();
        Self { deltas, digits }
    }

    fn choices(&self, forest: &Forest) -> Vec<Zeroizing<Vec<u8>>> {
        self.digits.iter().map(|digits| forest.choices(digits)).collect()
    }
}

fn word(rng: &mut Rng) -> u128 {
    (rng.next_u64() as u128) << 64 | rng.next_u64() as u128
}

impl<F: MascotField> Live<F> {
    /// Base OTs and puncturable PRFs with every peer; the key link is still to be made.
    async fn establish(
        party: &mut Party,
        field: F,
        key: &MacKeyShare<F>,
        params: Params,
        linked: bool,
    ) -> Result<Self> {
        params.assert_valid();
        let forest = Forest::new(&params, field.bits());
        let alphas = Zeroizing::new(vec![field.to_bits(key.alpha()); party.n()]);
        let secrets = Secrets::draw(&mut party.rng, &forest, &alphas);
        let (keys, salt) = base_ot::run(party, &params.digest(&field, linked), &secrets.choices(&forest)).await?;
        Self::assemble(party, field, key, params, &secrets, &keys, &salt).await
    }

    /// The setup on given base OTs.
    async fn assemble(
        party: &mut Party,
        field: F,
        key: &MacKeyShare<F>,
        params: Params,
        secrets: &Secrets,
        keys: &[Option<PairKeys>],
        salt: &Hash,
    ) -> Result<Self> {
        let forest = Forest::new(&params, field.bits());
        let trees = trees(party, &forest, keys, &secrets.digits).await?;
        let (mut multiply, mut authenticate) = (Vec::new(), Vec::new());
        for (j, (keys, trees)) in keys.iter().zip(trees).enumerate() {
            let (Some(keys), Some(mut trees)) = (keys, trees) else {
                multiply.push(None);
                authenticate.push(None);
                continue;
            };
            let (planted, punctured) =
                (trees.planted.split_off(forest.ot.len()), trees.punctured.split_off(forest.ot.len()));
            let digits = &secrets.digits[j][forest.ot.len()..];
            multiply.push(Some(multiplying(party, PartyIndex(j as u16), trees, secrets.deltas[j], salt)));
            authenticate.push(Some(authenticate::Pair {
                owner: Owner::new(&field, planted),
                holder: Holder::new(&field, punctured, digits),
                own_shares: Prg::new(shares_seed(party, &keys.own_seed)),
                their_shares: Prg::new(shares_seed(party, &keys.their_seed)),
            }));
        }
        let components = triple::components(field.bits(), params.statistical);
        let multiplier = Multiplier::new(field.clone(), components, multiply);
        let authenticator = Authenticator { field: field.clone(), key: key.clone(), pairs: authenticate };
        Ok(Self { field, params, multiplier, authenticator, coins: Coins::default() })
    }
}

/// Both directions of OT extension with a peer.
fn multiplying(party: &Party, peer: PartyIndex, trees: PairTrees, delta: u128, salt: &Hash) -> triple::Pair {
    let context = |receiver: PartyIndex, sender: PartyIndex| {
        let ctx = party.transcript("mascot/ot extension").bytes(salt);
        ctx.number(receiver.0 as u64).number(sender.0 as u64)
    };
    let hash = |ctx: &Transcript| Tccr::new(ctx.clone().bytes(b"permutation").finish());
    let (as_receiver, as_sender) = (context(party.index(), peer), context(peer, party.index()));
    triple::Pair {
        receiver_hash: hash(&as_receiver),
        receiver: Receiver::new(as_receiver, trees.planted),
        sender_hash: hash(&as_sender),
        sender: Sender::new(as_sender, trees.punctured, delta),
    }
}

/// Plants and punctures all trees with every peer. 1 round.
async fn trees(
    party: &mut Party,
    forest: &Forest,
    keys: &[Option<PairKeys>],
    digits: &[Zeroizing<Vec<u32>>],
) -> Result<Vec<Option<PairTrees>>> {
    let mut planted: Vec<Option<Vec<Leaves>>> = (0..party.n()).map(|_| None).collect();
    let mut out = vec![Vec::new(); party.n()];
    for peer in party.peers() {
        let keys = keys[peer.get()].as_ref().expect("keys with each peer");
        let (trees, message) = plant(party, peer, forest, &keys.sent);
        planted[peer.get()] = Some(trees);
        out[peer.get()] = message;
    }
    let messages = party.exchange(Step::MascotGgm, out).await?;
    let mut trees: Vec<Option<PairTrees>> = (0..party.n()).map(|_| None).collect();
    for peer in party.peers() {
        let j = peer.get();
        let keys = keys[j].as_ref().expect("keys with each peer");
        let punctured = puncture(party, peer, forest, &digits[j], &keys.received, &messages[j])?;
        trees[j] = planted[j].take().map(|planted| PairTrees { planted, punctured });
    }
    Ok(trees)
}

fn shares_seed(party: &Party, seed: &Key) -> Hash {
    party.transcript("mascot/input shares").bytes(seed).finish()
}

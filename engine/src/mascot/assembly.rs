//! From base OTs to a setup that is ready to be linked: every pair's trees, and who holds which.
//!
//! For each ordered pair (owner, other): trees for the OT extension, punctured at the digits of the
//! other's Δ (128 random bits, fresh for this pair and setup), then trees for COPEe, punctured at the
//! digits of the other's MAC key share, and in characteristic 2 as many again for bits. One base OT for
//! each level of each tree.
//!
//! **What the checks of the trees tell** (eprint 2022/192 §5, and [`super::ggm`]): an owner that spoils a tree learns from
//! the outcome whether the position is in a set of its choice. For Δ of the OT extension that is a guess at a secret of
//! this setup. For the MAC key share it is a guess at a secret that stays, so that outcome has one bit for all trees of
//! all peers together, is on record before this party sends anything else, and a failure burns the key.

use super::authenticate::{self, Authenticator};
use super::base_ot::{self, Key, PairKeys};
use super::bit_inputs::BitPair;
use super::coins::Coins;
use super::cope::{Holder, Owner};
use super::ggm::{self, Leaves};
use super::multiply::{self, Multiplier};
use super::softspoken::{BLOCK, Receiver, Sender};
use super::triple;
use super::{Live, MascotField, Params};
use crate::digest::{Hash, Transcript};
use crate::error::{ConsistencyCheck, Error, Result};
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::port::Rng;
use crate::prg::{Prg, Tccr};
use crate::step::Step;
use rand_core::Rng as _;
use subtle::Choice;
use zeroize::Zeroizing;

/// The widths of all trees that two parties share in one direction: first the OT extension's.
pub(super) struct Forest {
    pub ot: Vec<usize>,
    pub cope: Vec<usize>,
    /// None unless the characteristic is 2.
    pub bits: Vec<usize>,
}

impl Forest {
    pub fn new<F: MascotField>(params: &Params, field: &F) -> Self {
        let key = |width| ggm::digit_widths(field.bits() as usize, width);
        let bits = if field.is_binary() { key(params.ot_width) } else { Vec::new() };
        Self { ot: ggm::digit_widths(BLOCK, params.ot_width), cope: key(params.cope_width), bits }
    }

    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.ot.iter().chain(&self.cope).chain(&self.bits).copied()
    }

    fn message_bytes(&self) -> usize {
        self.widths().map(ggm::message_bytes).sum()
    }

    /// The digits at which the trees are punctured.
    fn digits(&self, delta: u128, alpha: u128, bit_key: u128) -> Zeroizing<Vec<u32>> {
        let digits = |widths: &[usize], secret: u128| {
            let mut shift = 0;
            let digit = |&width: &usize| {
                let digit = (secret >> shift) as u32 & ((1 << width) - 1);
                shift += width;
                digit
            };
            widths.iter().map(digit).collect::<Vec<u32>>()
        };
        Zeroizing::new([digits(&self.ot, delta), digits(&self.cope, alpha), digits(&self.bits, bit_key)].concat())
    }

    /// The choices of the base OTs: the inverted bits of each digit, most significant first.
    pub fn choices(&self, digits: &[u32]) -> Zeroizing<Vec<u8>> {
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

/// A peer's trees, punctured at our digits, and whether their checks have passed.
struct Punctured {
    trees: Vec<Leaves>,
    /// Of all trees at fresh digits.
    fresh: Choice,
    /// Of all trees at digits of the MAC key share.
    of_key: Choice,
}

/// Evaluates all trees, whatever the checks of single ones say.
fn puncture(
    party: &Party,
    peer: PartyIndex,
    forest: &Forest,
    digits: &[u32],
    keys: &[Key],
    message: &[u8],
) -> Punctured {
    let (mut keys, mut message) = (keys, message);
    let mut all = Punctured { trees: Vec::new(), fresh: Choice::from(1), of_key: Choice::from(1) };
    for (tree, width) in forest.widths().enumerate() {
        let (own, rest) = keys.split_at(width);
        let (part, later) = message.split_at(ggm::message_bytes(width));
        (keys, message) = (rest, later);
        let (leaves, passed) = ggm::puncture(&tree_context(party, peer, party.index(), tree), digits[tree], own, part);
        all.trees.push(leaves);
        let verdict = if tree < forest.ot.len() { &mut all.fresh } else { &mut all.of_key };
        *verdict &= passed;
    }
    all
}

/// Acts on the checks of all peers' trees. Those at the MAC key share come first, and are on record whatever the others
/// say: a peer must not learn of the key what a failure elsewhere hides from the record.
async fn settle<F: MascotField>(mac: &mut MacCheck<F>, punctured: &[Option<Punctured>]) -> Result<()> {
    let failed = |of: fn(&Punctured) -> Choice| {
        let found = punctured.iter().position(|peer| peer.as_ref().is_some_and(|peer| !bool::from(of(peer))));
        found.map(|j| PartyIndex(j as u16))
    };
    let of_key = failed(|peer| peer.of_key);
    mac.key_dependent_check(of_key.is_none()).await?;
    let error = |check| move |peer| Err(Error::ConsistencyFailed { peer, check });
    of_key.map_or(Ok(()), error(ConsistencyCheck::KeyGgm))?;
    failed(|peer| peer.fresh).map_or(Ok(()), error(ConsistencyCheck::Ggm))
}

/// A pair's two sets of trees, ready for use.
pub(super) struct PairTrees {
    planted: Vec<Leaves>,
    punctured: Vec<Leaves>,
}

impl PairTrees {
    fn split_off(&mut self, at: usize) -> Self {
        Self { planted: self.planted.split_off(at), punctured: self.punctured.split_off(at) }
    }
}

/// This party's secret choices towards each peer: Δ of the OT extension, and all trees' digits.
pub(super) struct Secrets {
    deltas: Zeroizing<Vec<u128>>,
    /// Δ of the inputs of bits.
    bit_keys: Zeroizing<Vec<u128>>,
    pub(super) digits: Vec<Zeroizing<Vec<u32>>>,
}

impl Secrets {
    /// `alphas` are the Δ of COPEe by peer, `bit_keys` those of the inputs of bits; all are αᵢ at an honest party.
    pub fn draw(rng: &mut Rng, forest: &Forest, alphas: &[u128], bit_keys: &[u128]) -> Self {
        let deltas: Zeroizing<Vec<u128>> = Zeroizing::new(alphas.iter().map(|_| word(rng)).collect());
        let peers = deltas.iter().zip(alphas).zip(bit_keys);
        let digits = peers.map(|((&delta, &alpha), &bit_key)| forest.digits(delta, alpha, bit_key)).collect();
        Self { deltas, bit_keys: Zeroizing::new(bit_keys.to_vec()), digits }
    }

    pub fn choices(&self, forest: &Forest) -> Vec<Zeroizing<Vec<u8>>> {
        self.digits.iter().map(|digits| forest.choices(digits)).collect()
    }
}

pub(super) fn word(rng: &mut Rng) -> u128 {
    (rng.next_u64() as u128) << 64 | rng.next_u64() as u128
}

impl<F: MascotField> Live<F> {
    /// Base OTs and puncturable PRFs with every peer; the key link is still to be made.
    pub async fn establish(
        party: &mut Party,
        field: F,
        mac: &mut MacCheck<F>,
        params: Params,
        linked: bool,
    ) -> Result<Self> {
        params.assert_valid();
        let forest = Forest::new(&params, &field);
        let alphas = Zeroizing::new(vec![field.to_bits(mac.key().alpha()); party.n()]);
        let secrets = Secrets::draw(&mut party.rng, &forest, &alphas, &alphas);
        let (keys, salt) = base_ot::run(party, &params.digest(&field, linked), &secrets.choices(&forest)).await?;
        Self::assemble(party, field, mac, params, &secrets, &keys, &salt).await
    }

    /// The setup on given base OTs.
    pub async fn assemble(
        party: &mut Party,
        field: F,
        mac: &mut MacCheck<F>,
        params: Params,
        secrets: &Secrets,
        keys: &[Option<PairKeys>],
        salt: &Hash,
    ) -> Result<Self> {
        let forest = Forest::new(&params, &field);
        let trees = trees(party, mac, &forest, keys, &secrets.digits).await?;
        let (mut multiply, mut authenticate) = (Vec::new(), Vec::new());
        for (j, (keys, trees)) in keys.iter().zip(trees).enumerate() {
            let (Some(keys), Some(mut trees)) = (keys, trees) else {
                multiply.push(None);
                authenticate.push(None);
                continue;
            };
            let mut of_key = trees.split_off(forest.ot.len());
            let of_bits = of_key.split_off(forest.cope.len());
            let digits = &secrets.digits[j][forest.ot.len()..][..forest.cope.len()];
            let peer = PartyIndex(j as u16);
            multiply.push(Some(multiplying(party, peer, trees, secrets.deltas[j], salt)));
            authenticate.push(Some(authenticate::Pair {
                owner: Owner::new(&field, of_key.planted),
                holder: Holder::new(&field, of_key.punctured, digits),
                own_shares: Prg::new(shares_seed(party, &keys.own_seed)),
                their_shares: Prg::new(shares_seed(party, &keys.their_seed)),
                bits: field.is_binary().then(|| bits(party, peer, of_bits, secrets.bit_keys[j], salt)),
            }));
        }
        let components = triple::components(field.bits(), params.statistical);
        let multiplier = Multiplier::new(field.clone(), components, multiply);
        let authenticator = Authenticator { field: field.clone(), key: mac.key().clone(), pairs: authenticate };
        Ok(Self { field, params, multiplier, authenticator, coins: Coins::default() })
    }
}

/// The contexts of an OT extension with a peer: as receiver, and as sender.
fn contexts(party: &Party, domain: &str, peer: PartyIndex, salt: &Hash) -> (Transcript, Transcript) {
    let context = |receiver: PartyIndex, sender: PartyIndex| {
        party.transcript(domain).bytes(salt).number(receiver.0 as u64).number(sender.0 as u64)
    };
    (context(party.index(), peer), context(peer, party.index()))
}

/// Both directions of the inputs of bits with a peer.
fn bits(party: &Party, peer: PartyIndex, trees: PairTrees, alpha: u128, salt: &Hash) -> BitPair {
    let (as_receiver, as_sender) = contexts(party, "mascot/bits", peer, salt);
    BitPair {
        receiver: Receiver::new(as_receiver, trees.planted),
        sender: Sender::new(as_sender, trees.punctured, alpha),
    }
}

/// Both directions of OT extension with a peer.
fn multiplying(party: &Party, peer: PartyIndex, trees: PairTrees, delta: u128, salt: &Hash) -> multiply::Pair {
    let (as_receiver, as_sender) = contexts(party, "mascot/ot extension", peer, salt);
    let hash = |ctx: &Transcript| Tccr::new(ctx.clone().bytes(b"permutation").finish());
    multiply::Pair {
        receiver_hash: hash(&as_receiver),
        receiver: Receiver::new(as_receiver, trees.planted),
        sender_hash: hash(&as_sender),
        sender: Sender::new(as_sender, trees.punctured, delta),
    }
}

/// Plants and punctures all trees with every peer. 1 round.
pub(super) async fn trees<F: MascotField>(
    party: &mut Party,
    mac: &mut MacCheck<F>,
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
    for peer in party.peers() {
        party.expect_len(peer, Step::MascotGgm, &messages[peer.get()], forest.message_bytes())?;
    }
    let mut punctured: Vec<Option<Punctured>> = (0..party.n()).map(|_| None).collect();
    for peer in party.peers() {
        let j = peer.get();
        let keys = keys[j].as_ref().expect("keys with each peer");
        punctured[j] = Some(puncture(party, peer, forest, &digits[j], &keys.received, &messages[j]));
    }
    settle(mac, &punctured).await?;
    let pair = |(planted, punctured): (Option<_>, Option<Punctured>)| {
        Some(PairTrees { planted: planted?, punctured: punctured?.trees })
    };
    Ok(planted.into_iter().zip(punctured).map(pair).collect())
}

fn shares_seed(party: &Party, seed: &Key) -> Hash {
    party.transcript("mascot/input shares").bytes(seed).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn what_secrets_are_bound_to_is_frozen() {
        let channels = Simulator::new(0, 2).channels().swap_remove(0);
        let party = Party::new(0, [7; 32], channels, Rng::seed_from_u64(0));
        let peer = PartyIndex(1);
        let (receiver, sender) = contexts(&party, "mascot/ot extension", peer, &[8; 32]);
        let found = [
            tree_context(&party, party.index(), peer, 3).finish(),
            receiver.clone().finish(),
            sender.finish(),
            receiver.bytes(b"permutation").finish(),
            shares_seed(&party, &[8; 32]),
        ];
        assert_eq!(found.map(hex::encode), KNOWN);
    }

    const KNOWN: [&str; 5] = [
        "3dff8fee95233ff0e51e3d53e51d0660702287b02e0189473e0b4d062fc0474a",
        "79ee6c1162724f6648c7e884f18dafa0503e2ad67a14b3148ab39e0e77757121",
        "cfdccd50e7aed361f1985efc8e14b9c373d3679f20a19c60058927f836c3ece0",
        "f57579c269114d5ed97d2b2b1baf56678ba17621c0242cb2a017c6473d159b85",
        "e41aee6f94ec1a710c31bf04b8c8ac579cb010f4c36090d2c9bd09ae692e1a2d",
    ];
}

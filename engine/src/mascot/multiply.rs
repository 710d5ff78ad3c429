//! Step 1 of [`super::triple`]: products of everyone's random factors, by OT.
//!
//! The bits of a are the choices of an OT extension with each peer ([`super::softspoken`]), which is checked before
//! anything that depends on it leaves; then the products of [`super::gilboa`].

use super::MascotField;
use super::coins::Coins;
use super::gilboa::Gilboa;
use super::softspoken::{ANSWER_BYTES, BLOCK, Columns, Receiver, Sender};
use crate::digest::Hash;
use crate::error::{ConsistencyCheck, Error, Result};
use crate::field::Field;
use crate::party::{Party, PartyIndex};
use crate::prg::Tccr;
use crate::step::Step;
use rand_core::Rng as _;
use zeroize::{Zeroize, Zeroizing};

/// What a party needs towards one peer to multiply.
pub struct Pair {
    /// Our factor a, bit by bit, against the peer's b.
    pub receiver: Receiver,
    pub receiver_hash: Tccr,
    /// The peer's a against our b.
    pub sender: Sender,
    pub sender_hash: Tccr,
}

/// Makes triples by OT.
pub struct Multiplier<F: MascotField> {
    pub field: F,
    /// 2^h, for each bit.
    pub weights: Vec<F::Element>,
    /// τ
    pub components: usize,
    /// OTs used so far with every peer and in both directions; part of the hash's tweak.
    pub used: u64,
    /// By party index, `None` at the own one.
    pub pairs: Vec<Option<Pair>>,
}

/// Unchecked products before combining, by triple: τ times a and c, and b.
pub struct Products<F: Field> {
    pub a: Vec<F::Element>,
    pub b: Vec<F::Element>,
    pub c: Vec<F::Element>,
}

impl<F: Field> Drop for Products<F> {
    fn drop(&mut self) {
        [&mut self.a, &mut self.b, &mut self.c].into_iter().for_each(Zeroize::zeroize);
    }
}

/// The OTs of a tile, as they are between rounds: by party index.
pub struct Extension {
    pub received: Vec<Option<Columns>>,
    pub sent: Vec<Option<Columns>>,
    pub choices: Vec<Zeroizing<Vec<u128>>>,
}

impl<F: MascotField> Multiplier<F> {
    pub fn new(field: F, components: usize, pairs: Vec<Option<Pair>>) -> Self {
        let weights = (0..field.bits()).map(|h| field.weight(h)).collect();
        Self { field, weights, components, used: 0, pairs }
    }

    /// OTs of one triple towards one peer in one direction.
    pub fn ots(&self) -> usize {
        self.components * self.weights.len()
    }

    /// Products of the own factors, drawn here, with everyone's. 4 rounds.
    pub async fn multiply(&mut self, party: &mut Party, coins: &mut Coins, count: usize) -> Result<Products<F>> {
        let f = self.field.clone();
        let a = f.random_vec(&mut party.rng, count * self.components);
        let b = f.random_vec(&mut party.rng, count);
        let c = a.iter().enumerate().map(|(e, &a)| f.mul(a, b[e / self.components])).collect();
        let mut products = Products { a, b, c };
        let mut extension = self.extend(party, coins, &products.a).await?;
        let mut gilboa = Gilboa::new(self, &extension, &mut products);
        party.exchange_pieces(Step::MascotMultiply, &mut gilboa).await?;
        for peer in party.peers() {
            let pair = self.pair_mut(peer);
            pair.sender.recycle(extension.sent[peer.get()].take().expect("an extension with each peer"));
            pair.receiver.recycle(extension.received[peer.get()].take().expect("an extension with each peer"));
        }
        self.used += (count * self.ots()).next_multiple_of(BLOCK) as u64;
        Ok(products)
    }

    fn pair_mut(&mut self, peer: PartyIndex) -> &mut Pair {
        self.pairs[peer.get()].as_mut().expect("a pair with each peer")
    }

    /// The OT extension for the bits of `a` with its check. 3 rounds.
    async fn extend(&mut self, party: &mut Party, coins: &mut Coins, a: &[F::Element]) -> Result<Extension> {
        let bits = pack_bits(&self.field, a);
        let blocks = bits.len() + 1;
        let n = party.n();
        let (mut received, mut choices, mut out) = (none(n), vec![Zeroizing::default(); n], vec![Vec::new(); n]);
        for peer in party.peers() {
            let pair = self.pair_mut(peer);
            let mut own = bits.clone();
            own.push((party.rng.next_u64() as u128) << 64 | party.rng.next_u64() as u128);
            let (columns, message) = pair.receiver.extend(&own);
            received[peer.get()] = Some(columns);
            choices[peer.get()] = own;
            out[peer.get()] = message;
        }
        let messages = party.exchange(Step::MascotExtend, out).await?;
        let mut sent = none(n);
        for peer in party.peers() {
            let pair = self.pair_mut(peer);
            party.expect_len(peer, Step::MascotExtend, &messages[peer.get()], pair.sender.message_bytes(blocks))?;
            sent[peer.get()] = Some(pair.sender.extend(blocks, &messages[peer.get()]));
        }
        let extension = Extension { received, sent, choices };
        let coin = coins.toss(party).await?;
        self.check(party, &coin, &extension).await?;
        Ok(extension)
    }

    async fn check(&self, party: &mut Party, coin: &Hash, extension: &Extension) -> Result<()> {
        let step = Step::MascotExtendCheck;
        let mut out = vec![Vec::new(); party.n()];
        for (j, pair) in self.pairs.iter().enumerate() {
            if let (Some(pair), Some(columns)) = (pair, &extension.received[j]) {
                out[j] = pair.receiver.answer(coin, &extension.choices[j], columns);
            }
        }
        let answers = party.exchange(step, out).await?;
        for peer in party.peers() {
            let j = peer.get();
            party.expect_len(peer, step, &answers[j], ANSWER_BYTES)?;
            let pair = self.pairs[j].as_ref().expect("a pair with each peer");
            let columns = extension.sent[j].as_ref().expect("an extension with each peer");
            if !pair.sender.check(coin, columns, &answers[j]) {
                return Err(Error::ConsistencyFailed { peer, check: ConsistencyCheck::OtExtension });
            }
        }
        Ok(())
    }
}

fn none<T>(n: usize) -> Vec<Option<T>> {
    (0..n).map(|_| None).collect()
}

/// The bits of all elements one after the other, 128 to a word.
fn pack_bits<F: Field>(field: &F, elements: &[F::Element]) -> Zeroizing<Vec<u128>> {
    let bits = field.bits() as usize;
    let mut words = Zeroizing::new(vec![0u128; (elements.len() * bits).div_ceil(BLOCK)]);
    for (e, &element) in elements.iter().enumerate() {
        let value = field.to_bits(element);
        let (word, shift) = (e * bits / BLOCK, e * bits % BLOCK);
        words[word] |= value << shift;
        if shift + bits > BLOCK {
            words[word + 1] |= value >> (BLOCK - shift);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::PrimeField;

    #[test]
    fn bits_are_packed_without_gaps() {
        let f = PrimeField::new(257).unwrap();
        let elements: Vec<_> = (0..40).map(|x| f.element(x * 6 + 1)).collect();
        let words = pack_bits(&f, &elements);
        assert_eq!(words.len(), 3);
        for (e, &element) in elements.iter().enumerate() {
            for h in 0..9 {
                let at = e * 9 + h;
                assert_eq!(words[at / BLOCK] >> (at % BLOCK) & 1, f.to_bits(element) >> h & 1);
            }
        }
    }
}

//! Shares of products of one party's plaintexts with another's ciphertexts (Overdrive, eprint 2017/1230 §3.1,
//! Fig. 7).
//!
//! The multiplier sends x·C + Enc(r) for fresh uniform r and keeps −r; the owner of C decrypts. No proof of
//! correct multiplication: a wrong answer adds an error that only sacrifice and MAC check judge, once per
//! setup, and any answer is decrypted as it is (see [`super::bgv`]). **Assumption** of Overdrive's proof
//! ("enhanced CPA security", §2.2 there): whether those checks pass, which can depend on a guess of the key by the
//! maker of a malformed answer, helps it no more than the guess; a wrong one ends the setup.

use super::bgv::{Ciphertext, PublicKey, Scheme};
use super::ring::{Poly, Values};
use super::setup::{Live, secret_prg};
use crate::error::{Error, Malformed, Result};
use crate::field::{Field, Fp};
use crate::party::{Party, PartyIndex};
use crate::prg::Prg;
use crate::step::Step;
use zeroize::Zeroizing;

/// What factors are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    /// Every peer's encrypted MAC key share.
    MacKey,
    /// By party index, a ciphertext for each factor.
    Ciphertexts(&'a [Vec<Ciphertext>]),
}

/// A party's shares of products, a column by coefficients for each factor.
pub(super) struct Products {
    /// Of own factors with all peers' ciphertexts.
    pub given: Vec<Zeroizing<Vec<Fp>>>,
    /// By peer: of the peer's factors with own ciphertexts; empty where the peer multiplies nothing.
    pub taken: Vec<Vec<Zeroizing<Vec<Fp>>>>,
}

impl Products {
    /// Σ of everything, by slots.
    pub fn total(self, live: &Live) -> Vec<Zeroizing<Vec<Fp>>> {
        let Self { mut given, taken } = self;
        live.scheme.workers.map(given.iter_mut().enumerate(), |(k, sum)| {
            for term in taken.iter().filter_map(|columns| columns.get(k)) {
                sum.iter_mut().zip(term.iter()).for_each(|(sum, &x)| *sum = live.scheme.field.add(*sum, x));
            }
            live.scheme.slots.to_slots(sum);
        });
        given
    }
}

/// factor·C + Enc(r) as it travels, for the owner of `key`, and the fresh r.
fn product(
    scheme: &Scheme,
    key: &PublicKey,
    factor: &Poly<Values>,
    c: &Ciphertext,
    mut prg: Prg,
) -> (Vec<u8>, Zeroizing<Vec<Fp>>) {
    let r = Zeroizing::new(prg.elements(&scheme.field, scheme.n()));
    let product = scheme.product(key, factor, c, &r, &mut prg);
    let mut encoded = Vec::with_capacity(scheme.product_bytes());
    scheme.encode_product(&product, &mut encoded);
    (encoded, r)
}

impl Live {
    /// Multiplies `factors` with each peer's ciphertexts, where this party is among the `multipliers`, and receives
    /// what they send, for `count` factors each. 1 round.
    ///
    /// # Errors
    /// Also [`Error::SetupOver`] when the setup has made as many products as its flooding is good for.
    pub async fn multiply(
        &mut self,
        party: &mut Party,
        step: Step,
        factors: &[&Poly<Values>],
        count: usize,
        multipliers: &[bool],
        operand: Operand<'_>,
    ) -> Result<Products> {
        self.products += (count * (party.n() - 1)) as u64;
        if self.products > self.scheme.budget.products {
            return Err(Error::SetupOver);
        }
        let (scheme, n) = (&self.scheme, self.scheme.n());
        let mut given = vec![Zeroizing::new(vec![Fp::default(); n]); count];
        let mut out = vec![Vec::new(); party.n()];
        let mut prg = secret_prg(party);
        if multipliers[party.index().get()] {
            for peer in party.peers() {
                let holder = self.peer(peer);
                let factors = factors.iter().enumerate().map(|(k, &factor)| match operand {
                    Operand::MacKey => (factor, &holder.mac_key, prg.fork()),
                    Operand::Ciphertexts(all) => (factor, &all[peer.get()][k], prg.fork()),
                });
                let products =
                    scheme.workers.map(factors, |(factor, c, prg)| product(scheme, &holder.key, factor, c, prg));
                let message = &mut out[peer.get()];
                message.reserve(count * scheme.product_bytes());
                for ((encoded, r), share) in products.into_iter().zip(&mut given) {
                    message.extend(encoded);
                    share.iter_mut().zip(r.iter()).for_each(|(share, &r)| *share = scheme.field.sub(*share, r));
                }
            }
        }
        let messages = party.exchange(step, out).await?;
        let mut taken = vec![Vec::new(); party.n()];
        for peer in party.peers() {
            let count = if multipliers[peer.get()] { count } else { 0 };
            taken[peer.get()] = self.decrypted(party, peer, step, &messages[peer.get()], count)?;
        }
        Ok(Products { given, taken })
    }

    fn decrypted(
        &self,
        party: &Party,
        peer: PartyIndex,
        step: Step,
        message: &[u8],
        count: usize,
    ) -> Result<Vec<Zeroizing<Vec<Fp>>>> {
        let each = self.scheme.product_bytes();
        party.expect_len(peer, step, message, count * each)?;
        let plaintext = |bytes: &[u8]| Some(self.scheme.decrypt(&self.secret, self.scheme.decode_product(bytes)?));
        let plaintexts = self.scheme.workers.map(message.chunks_exact(each), plaintext);
        let malformed = Error::Malformed { peer, step, what: Malformed::Element };
        plaintexts.into_iter().collect::<Option<_>>().ok_or(malformed)
    }

    /// MAC shares of the sum of all parties' `values`, column by column (by slots). 1 round.
    pub async fn authenticate(
        &mut self,
        party: &mut Party,
        factors: &[&Poly<Values>],
        values: &[&[Fp]],
    ) -> Result<Vec<Zeroizing<Vec<Fp>>>> {
        let everyone = vec![true; party.n()];
        let step = Step::LowGearAuthenticate;
        let products = self.multiply(party, step, factors, factors.len(), &everyone, Operand::MacKey).await?;
        let mut macs = products.total(self);
        let (f, alpha) = (self.scheme.field, self.key.alpha());
        self.scheme.workers.map(macs.iter_mut().zip(values), |(macs, values)| {
            macs.iter_mut().zip(*values).for_each(|(mac, &x)| *mac = f.add(*mac, f.mul(alpha, x)));
        });
        Ok(macs)
    }
}

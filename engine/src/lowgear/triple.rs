//! Multiplication triples and randoms (Overdrive, eprint 2017/1230 §3, Figs. 8 and 9; the sacrifice of MASCOT,
//! eprint 2016/505 §5).
//!
//! For a batch of blocks of N triples, in this order:
//! 1. **Encrypt.** P_i draws a, â, b in every slot and sends Enc_i(a/2), Enc_i(â/2) to all.
//! 2. **Prove.** The proof of all of them is broadcast; its context hashes the ciphertexts, so that parties that
//!    received others part here. What is used is twice the ciphertext.
//! 3. **Multiply**, block by block: shares of a_i·b_j and â_i·b_j for every ordered pair ([`super::pairwise`]):
//!    c = a·b and ĉ = â·b.
//! 4. **Authenticate** a, b, c, â, ĉ: shares of α_i·x_j for every ordered pair.
//! 5. **Linear check.** When all is fixed, a coin gives χ: Σ χ·x over all values of the batch, masked by the a of
//!    the last triple, which is spent on it, is opened for the MAC check. Factors that differ between
//!    [`Step::LowGearAuthenticate`] messages to different peers, and a MAC key that differs between slots, pass
//!    with probability 2/p.
//! 6. **Sacrifice.** The coin gives t too: open ρ = t·a − â; t·c − ĉ − ρ·b must be 0 and joins the MAC check
//!    unopened. A wrong c passes with probability 1/p.
//! 7. The MAC check covers all of it before anything leaves.
//!
//! **Randoms** are steps 4, 5 and 7 with one column.

use super::bgv::Ciphertext;
use super::pairwise::Operand;
use super::proof::{self, Plaintexts, Vector};
use super::ring::{Poly, Values};
use super::sampling::Randomness;
use super::setup::{Live, secret_prg};
use crate::coin;
use crate::digest::{Hash, Transcript, long_item};
use crate::error::{ConsistencyCheck, Error, Malformed, Result};
use crate::field::{Field, Fp, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::prg::Prg;
use crate::share::Shares;
use crate::step::Step;
use zeroize::Zeroizing;

type Column = Zeroizing<Vec<Fp>>;

/// This party's factors of a block, by slots.
pub(super) struct Block {
    pub a: Column,
    a_hat: Column,
    pub b: Column,
}

/// What steps 1 and 2 leave: the peers' ciphertexts of twice what they encrypt, by party index: a and â of each
/// block, one after the other.
pub(super) type Encrypted = Vec<Vec<Ciphertext>>;

impl Live {
    /// Up to `blocks` blocks of triples, less one triple; the MAC check is the caller's.
    pub async fn triples(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        blocks: usize,
    ) -> Result<[Shares<PrimeField>; 3]> {
        let (own, mut encrypted) = self.encrypt(party, blocks).await?;
        let mut made: Vec<[Shares<PrimeField>; 5]> = Vec::with_capacity(blocks);
        for (k, block) in own.iter().enumerate().rev() {
            let ciphertexts: Encrypted =
                encrypted.iter_mut().map(|all| all.split_off((2 * k).min(all.len()))).collect();
            made.push(self.block(party, block, &ciphertexts).await?);
        }
        drop(own);
        // Whole columns only when the ciphertexts are gone, and with their room at once: one that grows leaves copies.
        let mut columns: [Shares<PrimeField>; 5] = std::array::from_fn(|k| {
            let mut column = Shares::with_capacity(blocks * self.scheme.n());
            made.iter_mut().for_each(|block| column.append(&std::mem::take(&mut block[k])));
            column
        });
        let coin = coin::toss(party).await?;
        self.check_linear(party, mac, &coin, &mut columns).await?;
        self.sacrifice(party, mac, &coin, columns).await
    }

    /// Steps 1 and 2.
    pub(super) async fn encrypt(&mut self, party: &mut Party, blocks: usize) -> Result<(Vec<Block>, Encrypted)> {
        let step = Step::LowGearCiphertext;
        let number = self.proofs;
        self.proofs += 1;
        let mut prg = secret_prg(party);
        let mut contexts: Vec<Transcript> =
            (0..party.n()).map(|j| self.proof_context(party, PartyIndex(j as u16), number)).collect();
        let mut encrypted: Encrypted = vec![Vec::new(); party.n()];
        let (mut own, mut openings) = (Vec::with_capacity(blocks), Vec::with_capacity(2 * blocks));
        for _ in 0..blocks {
            let b = Zeroizing::new(prg.elements(&self.scheme.field, self.scheme.n()));
            let prgs = [0; 2].map(|_| prg.fork());
            let mut message = Vec::with_capacity(2 * self.scheme.ciphertext_bytes());
            let [a, a_hat] = self.encrypted(prgs).map(|(factor, encoded, opening)| {
                message.extend(encoded);
                openings.push(opening);
                factor
            });
            own.push(Block { a, a_hat, b });
            let messages = party.send_all(step, message).await?;
            for (j, (digest, ciphertexts)) in self.received(party, &messages)?.into_iter().enumerate() {
                contexts[j] = contexts[j].clone().bytes(&digest);
                encrypted[j].extend(ciphertexts);
            }
        }
        self.prove(party, &contexts, &openings, &mut encrypted, &mut prg).await?;
        Ok((own, encrypted))
    }

    /// Two factors, the encoded encryptions of their halves, and the openings of these.
    fn encrypted(&self, prgs: [Prg; 2]) -> [(Column, Vec<u8>, Vector); 2] {
        let scheme = &self.scheme;
        let made = scheme.workers.map(prgs, |mut prg| {
            let mut factor = Zeroizing::new(prg.elements(&scheme.field, scheme.n()));
            let plaintext = scheme.coefficients_of(&factor);
            let randomness = Randomness::sample(&mut prg, scheme.n());
            let mut encoded = Vec::with_capacity(scheme.ciphertext_bytes());
            scheme.encode(&scheme.encrypt(&self.public, &plaintext, &randomness), &mut encoded);
            factor.iter_mut().for_each(|x| *x = scheme.field.add(*x, *x));
            (factor, encoded, Vector::opening(scheme, &plaintext, randomness))
        });
        made.try_into().unwrap_or_else(|_| unreachable!("two factors of two generators"))
    }

    /// Digests of everyone's messages and what peers sent in them, by party index.
    fn received(&self, party: &Party, messages: &[Vec<u8>]) -> Result<Vec<(Hash, Vec<Ciphertext>)>> {
        let (step, scheme, own) = (Step::LowGearCiphertext, &self.scheme, party.index().get());
        let each = scheme.ciphertext_bytes();
        for peer in party.peers() {
            party.expect_len(peer, step, &messages[peer.get()], 2 * each)?;
        }
        let received = scheme.workers.map(messages.iter().enumerate(), |(j, message)| {
            let theirs = if j == own { &[][..] } else { message };
            let ciphertexts = scheme.workers.map(theirs.chunks_exact(each), |bytes| scheme.decode(bytes));
            let malformed = Error::Malformed { peer: PartyIndex(j as u16), step, what: Malformed::Element };
            Ok((long_item(message), ciphertexts.into_iter().collect::<Option<_>>().ok_or(malformed)?))
        });
        received.into_iter().collect()
    }

    async fn prove(
        &self,
        party: &mut Party,
        contexts: &[Transcript],
        openings: &[Vector],
        encrypted: &mut Encrypted,
        prg: &mut Prg,
    ) -> Result<()> {
        let (step, scheme) = (Step::LowGearProof, &self.scheme);
        let count = openings.len();
        let statement = Plaintexts { scheme, key: &self.public, count, ciphertexts: &[] };
        let message = proof::prove(&statement, &contexts[party.index().get()], openings, prg);
        let messages = party.broadcast(step, message).await?;
        for peer in party.peers() {
            let j = peer.get();
            let statement = Plaintexts { scheme, key: &self.peer(peer).key, count, ciphertexts: &encrypted[j] };
            party.expect_len(peer, step, &messages[j], proof::bytes(&statement))?;
            if !proof::verify(&statement, &contexts[j], &messages[j]) {
                return Err(Error::ConsistencyFailed { peer, check: ConsistencyCheck::PlaintextProof });
            }
            scheme.workers.map(&mut encrypted[j], |ciphertext| scheme.scale(ciphertext, 2));
        }
        Ok(())
    }

    fn plaintext(&self, column: &[Fp]) -> Poly<Values> {
        self.scheme.plaintext(&self.scheme.coefficients_of(column))
    }

    /// Steps 3 and 4 for a block: a, b, c, â, ĉ.
    pub(super) async fn block(
        &mut self,
        party: &mut Party,
        own: &Block,
        peers: &Encrypted,
    ) -> Result<[Shares<PrimeField>; 5]> {
        let f = self.scheme.field;
        let everyone = vec![true; party.n()];
        let b = self.plaintext(&own.b);
        let step = Step::LowGearProduct;
        let products = self.multiply(party, step, &[&b, &b], 2, &everyone, Operand::Ciphertexts(peers)).await?;
        let mut products = products.total(self).into_iter();
        let mut product = |a: &[Fp]| {
            let mut product = products.next().expect("a product for each factor");
            let terms = a.iter().zip(own.b.iter());
            product.iter_mut().zip(terms).for_each(|(c, (&a, &b))| *c = f.add(*c, f.mul(a, b)));
            product
        };
        let (c, c_hat) = (product(&own.a), product(&own.a_hat));
        let columns: [&[Fp]; 5] = [&own.a, &own.b, &c, &own.a_hat, &c_hat];
        let mut factors = self.scheme.workers.map([&own.a, &c, &own.a_hat, &c_hat], |column| self.plaintext(column));
        factors.insert(1, b);
        let mut macs = self.authenticate(party, &factors.iter().collect::<Vec<_>>(), &columns).await?;
        Ok(std::array::from_fn(|k| Shares::new(columns[k].to_vec(), std::mem::take(&mut *macs[k]))))
    }

    /// N randoms, up to step 4.
    pub async fn random_block_of_shares(&mut self, party: &mut Party) -> Result<Shares<PrimeField>> {
        let mut prg = secret_prg(party);
        let values = Zeroizing::new(prg.elements(&self.scheme.field, self.scheme.n()));
        let factor = self.plaintext(&values);
        let mut macs = self.authenticate(party, &[&factor], &[&values]).await?;
        Ok(Shares::new(values.to_vec(), std::mem::take(&mut *macs[0])))
    }

    /// Step 5; removes the last of every column.
    pub async fn check_linear(
        &self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        coin: &Hash,
        columns: &mut [Shares<PrimeField>],
    ) -> Result<()> {
        let f = self.scheme.field;
        let mut prg = Prg::new(party.transcript("lowgear/linear check").bytes(coin).finish());
        let columns = columns.iter_mut().map(|column| {
            let mask = column.split_off(column.len() - 1);
            (prg.skip_elements(column.len()), &*column, mask)
        });
        let terms = self
            .scheme
            .workers
            .map(columns, |(mut prg, column, mask)| (column.combine(&f, &prg.elements(&f, column.len())), mask.get(0)));
        let masked = terms.iter().map(|(term, _)| term).chain(terms.first().map(|(_, mask)| mask));
        let sum = masked.fold((f.zero(), f.zero()), |sum, term| (f.add(sum.0, term.0), f.add(sum.1, term.1)));
        let _combination = mac.open(party, &Shares::new(vec![sum.0], vec![sum.1])).await?;
        Ok(())
    }

    /// Step 6.
    pub(super) async fn sacrifice(
        &self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        coin: &Hash,
        columns: [Shares<PrimeField>; 5],
    ) -> Result<[Shares<PrimeField>; 3]> {
        let f = &self.scheme.field;
        let [a, b, c, a_hat, c_hat] = columns;
        let t = Prg::new(party.transcript("lowgear/sacrifice").bytes(coin).finish()).elements(f, 1)[0];
        let rho = mac.open(party, &a.scale_all(f, t).sub(f, &a_hat)).await?;
        // The sum of the values is not opened: if it is zero, so is that of their MACs.
        let sigma = c.scale_all(f, t).sub(f, &c_hat).sub(f, &b.scale(f, rho.for_shares()));
        mac.register(&vec![f.zero(); sigma.len()], &sigma.macs);
        Ok([a, b, c])
    }
}

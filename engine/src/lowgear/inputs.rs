//! Values that single parties know, and the key link (offline notes §6.4).
//!
//! An inputter A draws N values. Everyone's shares of them come from the seeds that A gave out, A takes the rest;
//! their MACs are A's products with every Enc(α_j). **Check**, when all inputs are fixed: a coin gives χ, A
//! broadcasts y = x_last + Σ χ·x over the others, and (y, the same sum of the MACs) joins the next MAC check: as in
//! MASCOT (eprint 2016/505 §4.2, Fig. 5). The last value is spent as a mask. An input that differs between peers
//! passes with probability 2/p.
//!
//! **Key link.** Nothing above says that a party has encrypted the α_i that it uses in other setups (of this
//! generator or another) under the same MAC key. If it has not, every check inside of the setup passes, and the
//! first opening that mixes values of two setups gives the stored one away. So before any value leaves: in the
//! first setup under a key every party inputs x_P and w_P; with χ ≠ 0 from a coin, Σ χ_P·⟦x_P⟧ is opened and
//! MAC-checked, and ⟦anchor⟧ = Σ ⟦w_P⟧ is kept and never opened. In a later one every party inputs r_P, and
//! χ₀·⟦anchor⟧ + Σ χ_P·⟦r_P⟧ is. A cheater with an error δ_P on the key of P's values would have to know
//! Σ δ_P·χ_P·x_P. A failure is a failed MAC check: it burns the key.

use super::pairwise::Operand;
use super::setup::{Live, secret_prg};
use crate::coin;
use crate::digest::Hash;
use crate::error::Result;
use crate::field::{Field, Fp, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::prg::Prg;
use crate::share::Shares;
use crate::step::Step;
use zeroize::Zeroizing;

/// Inputs that are checked up to the next MAC check.
pub(super) struct Inputs {
    /// This party's own values; empty where it inputs nothing.
    pub own: Zeroizing<Vec<Fp>>,
    /// By inputter.
    pub by: Vec<Shares<PrimeField>>,
    pub coin: Hash,
}

impl Live {
    /// `blocks`·N − 1 inputs of each of the `inputters`. A round for each block, the check and its coin.
    pub async fn input(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        inputters: &[bool],
        blocks: usize,
    ) -> Result<Inputs> {
        let mut own = Zeroizing::default();
        let mut by = vec![Shares::default(); party.n()];
        for _ in 0..blocks {
            let (values, shares) = self.share_inputs(party, inputters).await?;
            Vec::extend_from_slice(&mut own, &values);
            by.iter_mut().zip(&shares).for_each(|(all, new)| all.append(new));
        }
        let coin = coin::toss(party).await?;
        self.check_inputs(party, mac, &coin, &own, &by).await?;
        own.pop();
        by.iter_mut().filter(|shares| !shares.is_empty()).for_each(|shares| drop(shares.split_off(shares.len() - 1)));
        Ok(Inputs { own, by, coin })
    }

    /// Shares and MACs of N values of each inputter.
    async fn share_inputs(
        &mut self,
        party: &mut Party,
        inputters: &[bool],
    ) -> Result<(Zeroizing<Vec<Fp>>, Vec<Shares<PrimeField>>)> {
        let (f, n, me) = (self.scheme.field, self.scheme.n(), party.index().get());
        let mut own = Zeroizing::default();
        let mut factors = Vec::new();
        if inputters[me] {
            own = Zeroizing::new(secret_prg(party).elements(&f, n));
            factors.push(self.scheme.plaintext(&self.scheme.coefficients_of(&own)));
        }
        let factors: Vec<_> = factors.iter().collect();
        let mut products = self.multiply(party, Step::LowGearInput, &factors, 1, inputters, Operand::MacKey).await?;
        let mut by = vec![Shares::default(); party.n()];
        if inputters[me] {
            let mut values = own.to_vec();
            for peer in self.peers.iter_mut().flatten() {
                let theirs = Zeroizing::new(peer.own_shares.elements(&f, n));
                values.iter_mut().zip(theirs.iter()).for_each(|(rest, &share)| *rest = f.sub(*rest, share));
            }
            let mut macs = std::mem::take(&mut *products.given[0]);
            self.scheme.slots.to_slots(&mut macs);
            macs.iter_mut().zip(own.iter()).for_each(|(mac, &x)| *mac = f.add(*mac, f.mul(self.key.alpha(), x)));
            by[me] = Shares::new(values, macs);
        }
        for (j, taken) in products.taken.iter_mut().enumerate() {
            let (Some(macs), Some(peer)) = (taken.first_mut(), &mut self.peers[j]) else { continue };
            let mut macs = std::mem::take(&mut **macs);
            self.scheme.slots.to_slots(&mut macs);
            by[j] = Shares::new(peer.their_shares.elements(&f, n), macs);
        }
        Ok((own, by))
    }

    async fn check_inputs(
        &self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        coin: &Hash,
        own: &[Fp],
        by: &[Shares<PrimeField>],
    ) -> Result<()> {
        let (f, step) = (self.scheme.field, Step::LowGearInputCheck);
        // χ, and 1 for the mask in the end.
        let coefficients = |inputter: usize| {
            let seed = party.transcript("lowgear/input check").bytes(coin).number(inputter as u64).finish();
            let mut coefficients = Prg::new(seed).elements(&f, by[inputter].len());
            *coefficients.last_mut().expect("an inputter has values") = f.one();
            coefficients
        };
        let mut message = Vec::new();
        if !own.is_empty() {
            f.encode(&[f.dot(&coefficients(party.index().get()), own)], &mut message);
        }
        let macs: Vec<Option<Fp>> =
            by.iter().enumerate().map(|(j, by)| (!by.is_empty()).then(|| f.dot(&coefficients(j), &by.macs))).collect();
        let messages = party.broadcast(step, message).await?;
        for (j, (message, gamma)) in messages.iter().zip(macs).enumerate() {
            let y = party.elements(&f, PartyIndex(j as u16), step, message, usize::from(gamma.is_some()))?;
            y.iter().zip(gamma).for_each(|(&y, gamma)| mac.register(&[y], &[gamma]));
        }
        Ok(())
    }

    /// Links this setup to `anchor`, or makes the first anchor. Returns it.
    pub async fn link(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        anchor: Option<&Shares<PrimeField>>,
    ) -> Result<Shares<PrimeField>> {
        let f = self.scheme.field;
        let inputs = self.input(party, mac, &vec![true; party.n()], 1).await?;
        let mut prg = Prg::new(party.transcript("lowgear/key link").bytes(&inputs.coin).finish());
        let terms = inputs.by.iter().map(|inputs| inputs.slice(0..1)).chain(anchor.cloned());
        let sum = terms.fold(Shares::zeros(&f, 1), |sum, term| sum.add(&f, &term.scale_all(&f, nonzero(&f, &mut prg))));
        let _linked = mac.open(party, &sum).await?;
        mac.check(party).await?;
        Ok(match anchor {
            Some(anchor) => anchor.clone(),
            None => inputs.by.iter().fold(Shares::zeros(&f, 1), |sum, inputs| sum.add(&f, &inputs.slice(1..2))),
        })
    }
}

fn nonzero(field: &PrimeField, prg: &mut Prg) -> Fp {
    loop {
        let x = prg.elements(field, 1)[0];
        if x != field.zero() {
            return x;
        }
    }
}

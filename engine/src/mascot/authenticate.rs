//! Authenticated inputs of all parties at once: Π_⟦·⟧ of MASCOT (eprint 2016/505 §4.2, Fig. 5).
//!
//! Party A inputs x₁ … x_m, preceded by a random mask x₀:
//! 1. shares: every other party's share of x_h comes from a seed that A gave to it, A takes the rest;
//! 2. COPEe with every other party B, x_h against B's α_B, gives t (at A) and q (at B) with
//!    q − t = α_B·x_h ([`super::cope`]): γ_A = α_A·x_h − Σ_B t, γ_B = q;
//! 3. **check**, when all inputs of the batch are fixed: a coin gives χ₁ … χ_m, A broadcasts
//!    y = x₀ + Σχ_h·x_h, and (y, γ₀ + Σχ_h·γ_h) joins the next MAC check. x₀ hides the inputs.
//!
//! An inconsistent input passes with probability 2/|F| or by guessing digits of α_B; see
//! [`super::cope`] for what that costs the cheater. The check does not compare the Δ that B uses
//! towards different inputters: [`super::key_link`] does.
//!
//! The shares must be random, not just sum up: an opening shows every party's share of it.

use super::MascotField;
use super::bit_inputs::BitPair;
use super::cope::{Holder, Owner};
use crate::digest::Hash;
use crate::error::{Error, Malformed, Result};
use crate::mac_check::MacCheck;
use crate::party::{Party, PartyIndex};
use crate::prg::Prg;
use crate::share::{MacKeyShare, Shares};
use crate::step::Step;
use zeroize::Zeroize;

/// What a party needs towards one peer to authenticate values.
pub(crate) struct Pair<F: MascotField> {
    pub owner: Owner<F>,
    pub holder: Holder<F>,
    /// The peer's shares of our values.
    pub own_shares: Prg,
    /// Our shares of the peer's values.
    pub their_shares: Prg,
    /// In characteristic 2.
    pub bits: Option<BitPair>,
}

/// Authenticates under one MAC key.
pub(crate) struct Authenticator<F: MascotField> {
    pub field: F,
    pub key: MacKeyShare<F>,
    /// By party index, `None` at the own one.
    pub pairs: Vec<Option<Pair<F>>>,
}

/// Inputs that are fixed and not yet checked, with the mask at place 0 of each party's.
pub(crate) struct Inputs<F: MascotField> {
    own: Vec<F::Element>,
    by: Vec<Shares<F>>,
}

impl<F: MascotField> Drop for Inputs<F> {
    fn drop(&mut self) {
        self.own.zeroize();
    }
}

impl<F: MascotField> Inputs<F> {
    /// `own` are this party's, `by` all parties' shares, both with the masks.
    pub fn new(own: Vec<F::Element>, by: Vec<Shares<F>>) -> Self {
        Self { own, by }
    }

    /// Says y as if the own value at a place, the mask's being 0, were this one.
    #[cfg(test)]
    pub fn claim(&mut self, place: usize, value: F::Element) {
        self.own[place] = value;
    }

    /// Every party's inputs, without the masks.
    pub fn by_party(&self) -> Vec<Shares<F>> {
        self.by
            .iter()
            .map(|shares| if shares.is_empty() { Shares::default() } else { shares.slice(1..shares.len()) })
            .collect()
    }

    /// Σ over the parties of their inputs; all have input equally many.
    pub fn total(&self, field: &F) -> Shares<F> {
        let mut parties = self.by.iter();
        let first = parties.next().expect("a session has parties").clone();
        let mut sum = parties.fold(first, |sum, shares| sum.add(field, shares));
        sum.split_off(1)
    }
}

impl<F: MascotField> Authenticator<F> {
    /// Steps 1 and 2. `own` are this party's values, `counts` how many each party inputs. 1 round.
    pub async fn input(&mut self, party: &mut Party, own: &[F::Element], counts: &[usize]) -> Result<Inputs<F>> {
        let mut masked = Vec::with_capacity(own.len() + 1);
        if !own.is_empty() {
            masked.push(self.field.random(&mut party.rng));
            masked.extend_from_slice(own);
        }
        let counts: Vec<usize> = counts.iter().map(|&count| if count == 0 { 0 } else { count + 1 }).collect();
        let by = self.share(party, &masked, &counts).await?;
        Ok(Inputs::new(masked, by))
    }

    /// Steps 1 and 2 for inputs that depend on a coin tossed after those of `inputs`; they join their check, in which the
    /// same mask hides them. All parties that have input before do so again. 1 round.
    pub async fn input_more(
        &mut self,
        party: &mut Party,
        inputs: &mut Inputs<F>,
        own: &[F::Element],
        counts: &[usize],
    ) -> Result<()> {
        let by = self.share(party, own, counts).await?;
        let all = [&inputs.own[..], own].concat();
        std::mem::replace(&mut inputs.own, all).zeroize();
        inputs.by.iter_mut().zip(&by).for_each(|(inputs, more)| inputs.append(more));
        Ok(())
    }

    /// Every party's values, `counts` many, as they are: shared, with their MACs.
    async fn share(&mut self, party: &mut Party, own: &[F::Element], counts: &[usize]) -> Result<Vec<Shares<F>>> {
        let step = Step::MascotAuthenticate;
        let me = party.index().get();
        debug_assert_eq!(own.len(), counts[me], "as many values as announced");
        let f = &self.field;
        let mut values = own.to_vec();
        let mut macs = f.zeros(own.len());
        f.scale_all(&mut macs, own, self.key.alpha());
        let mut out = vec![Vec::new(); party.n()];
        for peer in party.peers() {
            let pair = self.pairs[peer.get()].as_mut().expect("a pair with each peer");
            let (message, ts) = pair.owner.extend(f, own);
            let theirs = pair.own_shares.elements(f, own.len());
            values.iter_mut().zip(theirs).for_each(|(rest, share)| *rest = f.sub(*rest, share));
            macs.iter_mut().zip(ts).for_each(|(mac, t)| *mac = f.sub(*mac, t));
            out[peer.get()] = message;
        }
        let messages = party.exchange(step, out).await?;
        let mut by = vec![Shares::default(); party.n()];
        by[me] = Shares::new(values, macs);
        for peer in party.peers() {
            let (j, count) = (peer.get(), counts[peer.get()]);
            let pair = self.pairs[j].as_mut().expect("a pair with each peer");
            party.expect_len(peer, step, &messages[j], pair.holder.message_bytes(count))?;
            let malformed = Error::Malformed { peer, step, what: Malformed::Element };
            let macs = pair.holder.extend(f, count, &messages[j]).ok_or(malformed)?;
            by[j] = Shares::new(pair.their_shares.elements(f, count), macs);
        }
        Ok(by)
    }

    /// Step 3, with a coin that was tossed after [`Self::input`] returned. 1 round, 2 for n ≥ 3.
    pub async fn check(&self, party: &mut Party, mac: &mut MacCheck<F>, coin: &Hash, inputs: &Inputs<F>) -> Result<()> {
        for (y, gamma) in self.combinations(party, coin, inputs).await?.into_iter().flatten() {
            mac.register(&[y], &[gamma]);
        }
        Ok(())
    }

    /// Every inputting party's y, with the own share of its MAC.
    pub async fn combinations(
        &self,
        party: &mut Party,
        coin: &Hash,
        inputs: &Inputs<F>,
    ) -> Result<Vec<Option<(F::Element, F::Element)>>> {
        let step = Step::MascotAuthenticateCheck;
        let f = &self.field;
        let coefficients =
            inputs.by.iter().enumerate().map(|(j, inputs)| self.coefficients(party, coin, j, inputs.len()));
        let coefficients: Vec<Vec<F::Element>> = coefficients.collect();
        let mut message = Vec::new();
        if !inputs.own.is_empty() {
            f.encode(&[f.dot(&coefficients[party.index().get()], &inputs.own)], &mut message);
        }
        let messages = party.broadcast(step, message).await?;
        let mut combinations = Vec::with_capacity(party.n());
        for (j, message) in messages.iter().enumerate() {
            let expected = usize::from(!inputs.by[j].is_empty());
            let y = party.elements(f, PartyIndex(j as u16), step, message, expected)?;
            combinations.push(y.first().map(|&y| (y, f.dot(&coefficients[j], &inputs.by[j].macs))));
        }
        Ok(combinations)
    }

    /// 1, χ₁, χ₂, … for the inputs of one party.
    fn coefficients(&self, party: &Party, coin: &Hash, inputter: usize, count: usize) -> Vec<F::Element> {
        let seed = party.transcript("mascot/input check").bytes(coin).number(inputter as u64).finish();
        let mut coefficients = Prg::new(seed).elements(&self.field, count);
        if let Some(first) = coefficients.first_mut() {
            *first = self.field.one();
        }
        coefficients
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field, Fp, PrimeField};
    use crate::mascot::Live;
    use crate::mascot::cope::RAW_BYTES;
    use crate::mascot::testing::{Seat, honest_alphas, seats};
    use crate::port::LocalGate;
    use crate::sim::Simulator;
    use crate::statistics::assert_rate;

    const TRIALS: usize = 1_000;

    /// Whether the check of one input of each party passes; a lie does not stop the next trial. Party 0 mends the MAC
    /// of its combination for an error of `guess` in that of its input.
    async fn trial(live: &mut Live<PrimeField>, seat: &mut Seat<PrimeField>, guess: Fp) -> bool {
        let mut mac = MacCheck::new(live.field, live.authenticator.key.clone(), Box::new(LocalGate::default()));
        let party = &mut seat.party;
        let own = live.field.random_vec(&mut party.rng, 1);
        let inputs = live.authenticator.input(party, &own, &[1, 1]).await.expect("an input");
        let coin = live.coins.toss(party).await.expect("a coin");
        if party.is_first() {
            let f = live.field;
            let combinations = live.authenticator.combinations(party, &coin, &inputs).await.expect("combinations");
            let chi = live.authenticator.coefficients(party, &coin, 0, 2)[1];
            let guesses = [guess, f.zero()];
            for ((y, gamma), guess) in combinations.into_iter().flatten().zip(guesses) {
                mac.register(&[y], &[f.sub(gamma, f.mul(chi, guess))]);
            }
        } else {
            live.authenticator.check(party, &mut mac, &coin, &inputs).await.expect("combinations");
        }
        mac.check(party).await.is_ok()
    }

    /// How many of `trials` pass in which party 0 authenticates x + 1 in these digits of party 1's key share and combines
    /// x.
    fn passed(f: PrimeField, trials: usize, alpha: u128, digits: std::ops::Range<usize>, guess: u128) -> usize {
        let mut simulator = Simulator::new(1, 2);
        let mut alphas = honest_alphas(&f, 2, 1);
        alphas[1] = vec![f.element(alpha); 2];
        let seats = seats(&simulator, f, &alphas, 1);
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(Step::MascotAuthenticate) && frame.from.0 == 0 {
                // After the header: for each digit the mask, then the input.
                let message = bytes[6..].chunks_exact_mut(2 * RAW_BYTES).enumerate();
                message.filter(|(b, _)| digits.contains(b)).for_each(|(_, digit)| add_one(&f, &mut digit[RAW_BYTES..]));
            }
            vec![bytes]
        });
        let run = |mut seat: Seat<PrimeField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let mut passed = 0;
            for _ in 0..trials {
                passed += usize::from(trial(&mut live, &mut seat, f.element(guess)).await);
            }
            passed
        };
        let passed = simulator.run(seats.into_iter().map(run).collect());
        assert_eq!(passed[0], passed[1], "both see the same verdict");
        passed[0]
    }

    fn add_one(f: &PrimeField, place: &mut [u8]) {
        let x = f.decode_raw(place[..RAW_BYTES].try_into().expect("an element")).expect("canonical");
        place.copy_from_slice(&f.encode_raw(f.add(x, f.one())));
    }

    /// It passes if χ of the input or the coefficient of its y in the MAC check is zero.
    #[test]
    fn a_lie_about_an_input_passes_as_often_as_the_field_is_small() {
        let f = PrimeField::new(17).expect("a prime");
        let miss = 16.0f64 / 17.0;
        assert_rate(passed(f, TRIALS, 11, 0..2, 0), TRIALS, 1.0 - miss * miss, "x + 1 in every digit");
    }

    /// Another input in one digit of the key: its MAC is wrong by that digit, which the cheater may guess. Over all keys
    /// a guess is right one time in 8, and what passes then is the right MAC of the right input.
    #[test]
    fn an_inconsistent_digit_passes_with_the_right_guess_of_it_alone() {
        const EACH: usize = 128;
        let f = PrimeField::new(257).expect("a prime");
        let found: Vec<usize> = (0..8).map(|digit| passed(f, EACH, 0x60 + digit, 0..1, 5)).collect();
        assert_eq!(found[5], EACH, "the right guess");
        let miss = 256.0f64 / 257.0;
        let expected = 1.0 / 8.0 + 7.0 / 8.0 * (1.0 - miss * miss);
        assert_rate(found.iter().sum(), 8 * EACH, expected, "a guess of a digit of three bits");
    }

    /// An opening shows every party's share; the shares of an input must not show the input.
    #[test]
    fn the_shares_of_an_input_are_spread_over_all_parties() {
        let f = PrimeField::carbyne();
        let mut simulator = Simulator::new(2, 3);
        let seats = seats(&simulator, f, &honest_alphas(&f, 3, 2), 2);
        let run = |mut seat: Seat<PrimeField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let counts: Vec<usize> = (0..3).map(|j| usize::from(j == 1)).collect();
            let own: Vec<Fp> = vec![f.one(); counts[seat.party.index().get()]];
            live.authenticator.input(&mut seat.party, &own, &counts).await.expect("an input").by_party()
        };
        let inputs = simulator.run(seats.into_iter().map(run).collect());
        let shares: Vec<Fp> = inputs.iter().map(|by| by[1].values[0]).collect();
        assert!(f.sum(shares.iter().copied()) == f.one());
        assert!(shares.iter().all(|&share| share != f.zero() && share != f.one()));
        assert!(inputs.iter().all(|by| by[0].is_empty() && by[2].is_empty()));
    }
}

//! The key link: ties the MAC key of a setup to that of all earlier ones (offline notes §6.4).
//!
//! Nothing in MASCOT's own checks says that a party uses the same αᵢ in two setups, or, for n ≥ 3,
//! the same αᵢ towards all peers of one: the input check of [`super::authenticate`] runs for one
//! inputter at a time, and a cheater that knows its error δ can mend its own σ. Two attacks follow,
//! both in this file's tests:
//! - a second setup with αᵢ + δ: all its checks pass, and the first opening that mixes values of both
//!   setups gives the stored one away through the honest parties' σ;
//! - different Δ towards different peers: the same for values of different inputters.
//!
//! Against both, before any value of a setup leaves or meets another:
//! - the **first** setup under a key: every party inputs fresh random x_P and w_P through the setup,
//!   a coin gives χ_P ≠ 0, Σ_P χ_P·⟦x_P⟧ is opened and MAC-checked. ⟦anchor⟧ = Σ_P ⟦w_P⟧ is kept and
//!   never opened.
//! - a **later** setup: every party inputs a fresh r_P, a coin gives χ ≠ 0, and
//!   χ₀·⟦anchor⟧ + Σ_P χ_P·⟦r_P⟧ is opened and MAC-checked; r_P hides the anchor.
//!
//! In characteristic 2 bits have another way to their MACs ([`super::bit_inputs`]), with a Δ of its own that
//! must be the same αᵢ: every party also inputs f fresh random bits s_k through it, and χ'_P·Σ_k X^k·⟦s_k⟧ joins
//! both sums; what is said of r_P holds for Σ_k X^k·s_k, which is as uniform.
//!
//! A cheater with an error δ_P on the key of P's values would have to know Σ_P δ_P·χ_P·x_P, of which the
//! opening and its share of every x_P tell it nothing but Σ_P χ_P·x_P: it escapes with probability 2/|F|,
//! unless all δ_P are equal, and then the error is part of its αᵢ. *This argument has not been
//! reviewed by others.* A failure is a failed MAC check: it burns the key.

use super::MascotField;
use super::authenticate::{Authenticator, Inputs};
use super::coins::Coins;
use super::derive::random_bits;
use crate::digest::Hash;
use crate::error::Result;
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::prg::Prg;
use crate::share::Shares;
use zeroize::Zeroizing;

/// Links the setup behind `authenticator` to `anchor`, or makes the first anchor. Returns it.
pub(crate) async fn link<F: MascotField>(
    authenticator: &mut Authenticator<F>,
    coins: &mut Coins,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    anchor: Option<&Shares<F>>,
) -> Result<Shares<F>> {
    let f = authenticator.field.clone();
    let each = if anchor.is_some() { 1 } else { 2 };
    let own = Zeroizing::new(f.random_vec(&mut party.rng, each));
    let inputs = authenticator.input(party, &own, &vec![each; party.n()]).await?;
    let bits = if f.is_binary() { Some(input_bits(authenticator, party).await?) } else { None };
    let coin = coins.toss(party).await?;
    authenticator.check(party, mac, &coin, &inputs).await?;
    if let Some(bits) = &bits {
        authenticator.check(party, mac, &coin, bits).await?;
    }

    let inputs = inputs.by_party();
    let terms = terms(&f, &inputs, bits.as_ref(), anchor);
    let _linked = mac.open(party, &combination(&f, party, &coin, terms)).await?;
    mac.check(party).await?;
    Ok(match anchor {
        Some(anchor) => anchor.clone(),
        None => inputs.iter().fold(Shares::zeros(&f, 1), |sum, inputs| sum.add(&f, &inputs.slice(1..2))),
    })
}

/// What is combined: the first input of every party, its bits as an element, and the anchor.
fn terms<F: MascotField>(
    f: &F,
    inputs: &[Shares<F>],
    bits: Option<&Inputs<F>>,
    anchor: Option<&Shares<F>>,
) -> Vec<Shares<F>> {
    let mut terms: Vec<Shares<F>> = inputs.iter().map(|inputs| inputs.slice(0..1)).collect();
    terms.extend(bits.iter().flat_map(|bits| bits.by_party()).map(|bits| element_of_bits(f, &bits)));
    terms.extend(anchor.cloned());
    terms
}

/// As many fresh random bits of every party as an element has.
async fn input_bits<F: MascotField>(authenticator: &mut Authenticator<F>, party: &mut Party) -> Result<Inputs<F>> {
    let f = authenticator.field.clone();
    let count = f.bits() as usize;
    let own = Zeroizing::new(random_bits(&f, &mut party.rng, count));
    authenticator.input_bits(party, &own, &vec![count; party.n()]).await
}

/// Σ_k X^k·⟦bit_k⟧.
fn element_of_bits<F: Field>(field: &F, bits: &Shares<F>) -> Shares<F> {
    let weights: Vec<F::Element> = (0..field.bits()).map(|k| field.weight(k)).collect();
    let (value, mac) = bits.combine(field, &weights);
    Shares::new(vec![value], vec![mac])
}

/// Σ χ·⟦term⟧ with χ ≠ 0 from the coin.
fn combination<F: Field>(field: &F, party: &Party, coin: &Hash, terms: Vec<Shares<F>>) -> Shares<F> {
    let mut prg = Prg::new(party.transcript("mascot/key link").bytes(coin).finish());
    let weighted = terms.iter().map(|term| term.scale_all(field, nonzero(field, &mut prg)));
    weighted.fold(Shares::zeros(field, 1), |sum, term| sum.add(field, &term))
}

fn nonzero<F: Field>(field: &F, prg: &mut Prg) -> F::Element {
    loop {
        let x = prg.elements(field, 1)[0];
        if x != field.zero() {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::field::{BinaryField, Fp, PrimeField};
    use crate::mascot::testing::{Seat, honest_alphas, seats, seats_with};
    use crate::mascot::{Live, derive};
    use crate::port::{LocalGate, Rng};
    use crate::sim::Simulator;
    use crate::statistics::assert_rate;
    use crate::tuples::Kind;
    use rand_core::SeedableRng;

    fn field() -> PrimeField {
        PrimeField::carbyne()
    }

    async fn linked(
        seat: &mut Seat<PrimeField>,
        anchor: Option<&Shares<PrimeField>>,
    ) -> Result<(Live<PrimeField>, Shares<PrimeField>)> {
        let mut live = seat.sit().await?;
        let Live { authenticator, coins, .. } = &mut live;
        let anchor = link(authenticator, coins, &mut seat.party, &mut seat.mac, anchor).await?;
        Ok((live, anchor))
    }

    /// Runs a setup and its link at all parties.
    fn setups(
        alphas: &[Vec<Fp>],
        seed: u64,
        anchors: Option<&[Shares<PrimeField>]>,
    ) -> Vec<Result<Shares<PrimeField>>> {
        let mut simulator = Simulator::new(seed, alphas.len());
        let seats = seats(&simulator, field(), alphas, seed).into_iter().enumerate();
        let parties = seats.map(|(i, mut seat)| async move {
            linked(&mut seat, anchors.map(|anchors| &anchors[i])).await.map(|(_, anchor)| anchor)
        });
        let parties: Vec<_> = parties.collect();
        simulator.run(parties)
    }

    fn anchors(alphas: &[Vec<Fp>], seed: u64) -> Vec<Shares<PrimeField>> {
        setups(alphas, seed, None).into_iter().map(|anchor| anchor.expect("honest parties")).collect()
    }

    fn total(shares: impl Iterator<Item = Fp>) -> Fp {
        field().sum(shares)
    }

    #[test]
    fn later_setups_under_the_same_key_pass_and_keep_the_anchor() {
        for n in 2..=3 {
            let alphas = honest_alphas(&field(), n, 1);
            let anchors = anchors(&alphas, 1);
            let alpha = total(alphas.iter().map(|alphas| alphas[0]));
            let value = total(anchors.iter().map(|anchor| anchor.values[0]));
            assert!(total(anchors.iter().map(|anchor| anchor.macs[0])) == field().mul(alpha, value));
            for (old, new) in anchors.iter().zip(setups(&alphas, 2, Some(&anchors))) {
                assert!(new.expect("the same key").values == old.values);
            }
        }
    }

    /// The last party runs a second setup with αᵢ + δ, MAC checks included.
    fn shifted(alphas: &[Vec<Fp>], delta: Fp) -> Vec<Vec<Fp>> {
        let mut alphas = alphas.to_vec();
        alphas.last_mut().expect("parties").iter_mut().for_each(|alpha| *alpha = field().add(*alpha, delta));
        alphas
    }

    #[test]
    fn a_second_setup_with_another_key_share_is_caught() {
        for n in 2..=3 {
            let alphas = honest_alphas(&field(), n, 3);
            let anchors = anchors(&alphas, 3);
            for result in setups(&shifted(&alphas, field().one()), 4, Some(&anchors)) {
                assert_eq!(result.err(), Some(Error::MacCheckFailed));
            }
        }
    }

    /// The error of the opened sum is δ·χ₀·anchor: it passes if the anchor or the MAC check's coefficient is zero.
    #[test]
    fn another_key_share_passes_as_often_as_the_field_is_small() {
        const TRIALS: usize = 1_000;
        let f = PrimeField::new(17).expect("a prime");
        let honest = honest_alphas(&f, 2, 10);
        let alpha = f.add(honest[0][0], honest[1][1]);
        let mut shifted = honest;
        shifted[1].iter_mut().for_each(|alpha| *alpha = f.add(*alpha, f.one()));
        let mut simulator = Simulator::new(10, 2);
        let parties = seats(&simulator, f, &shifted, 10).into_iter().map(|mut seat| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let mut anchors = Rng::seed_from_u64(11);
            let mut passed = 0;
            for _ in 0..TRIALS {
                let [value, share, mac] = [0; 3].map(|_| f.random(&mut anchors));
                let (value, mac) = if seat.party.is_first() {
                    (share, mac)
                } else {
                    (f.sub(value, share), f.sub(f.mul(alpha, value), mac))
                };
                let anchor = Shares::new(vec![value], vec![mac]);
                let mut mac = MacCheck::new(f, live.authenticator.key.clone(), Box::new(LocalGate::default()));
                let Live { authenticator, coins, .. } = &mut live;
                passed +=
                    usize::from(link(authenticator, coins, &mut seat.party, &mut mac, Some(&anchor)).await.is_ok());
            }
            passed
        });
        let parties: Vec<_> = parties.collect();
        let passed = simulator.run(parties);
        assert_eq!(passed[0], passed[1], "both see the same verdict");
        let miss = 16.0f64 / 17.0;
        assert_rate(passed[0], TRIALS, 1.0 - miss * miss, "links");
    }

    /// What the link is for: every other check of that setup passes, and one opening that adds a value
    /// of it to a stored secret gives the secret away through the σ that a MAC check opens.
    #[test]
    fn without_the_link_a_second_setup_with_another_key_share_reveals_secrets() {
        let f = field();
        let delta = f.element(5);
        let alphas = honest_alphas(&f, 2, 5);
        let mut simulator = Simulator::new(5, 2);
        let seats = seats(&simulator, f, &shifted(&alphas, delta), 5);
        let parties = seats.into_iter().map(|mut seat| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let Seat { party, mac, .. } = &mut seat;
            derive::generate(&mut live, party, mac, Kind::Triple, 3).await.expect("all checks pass");
            derive::generate(&mut live, party, mac, Kind::Random, 1).await.expect("all checks pass").swap_remove(0)
        });
        let parties: Vec<_> = parties.collect();
        let mask = simulator.run(parties);

        // A secret stored under the honest key, and its sum with the mask opened.
        let secret = f.element(1234);
        let mut rng = Rng::seed_from_u64(6);
        let alpha = f.add(alphas[0][0], alphas[1][1]);
        let share = [f.random(&mut rng), f.random(&mut rng)];
        let stored = [(share[0], share[1]), (f.sub(secret, share[0]), f.sub(f.mul(alpha, secret), share[1]))];
        let opened = f.add(secret, total(mask.iter().map(|mask| mask.values[0])));
        let sigma = |i: usize| f.sub(f.add(stored[i].1, mask[i].macs[0]), f.mul(alphas[i][i], opened));
        // Σσ = δ·mask, and the opened sum less the mask is the secret.
        let guess = f.sub(opened, f.mul(f.add(sigma(0), sigma(1)), f.inv(delta)));
        assert!(guess == secret, "the attack works");
    }

    /// Party 2 uses its αᵢ towards party 0 and αᵢ + 1 towards party 1.
    fn split(alphas: &[Vec<Fp>]) -> Vec<Vec<Fp>> {
        let mut alphas = alphas.to_vec();
        alphas[2][1] = field().add(alphas[2][1], field().one());
        alphas
    }

    /// The input check with party 2 mending its MAC share of every y for the Δ that it used.
    async fn mended_check(live: &mut Live<PrimeField>, seat: &mut Seat<PrimeField>, alphas: &[Fp]) -> Result<()> {
        let f = field();
        let (me, key) = (seat.party.index().get(), live.authenticator.key.alpha());
        let own = f.random_vec(&mut seat.party.rng, 1);
        let inputs = live.authenticator.input(&mut seat.party, &own, &[1; 3]).await?;
        let coin = live.coins.toss(&mut seat.party).await?;
        let combinations = live.authenticator.combinations(&mut seat.party, &coin, &inputs).await?;
        for (j, (y, gamma)) in combinations.into_iter().flatten().enumerate() {
            let error = if j == me { f.zero() } else { f.sub(alphas[j], key) };
            seat.mac.register(&[y], &[f.sub(gamma, f.mul(error, y))]);
        }
        seat.mac.check(&mut seat.party).await
    }

    fn split_setup(seed: u64, with_link: bool) -> Vec<Result<()>> {
        let alphas = split(&honest_alphas(&field(), 3, seed));
        let mut simulator = Simulator::new(seed, 3);
        let parties: Vec<_> = seats(&simulator, field(), &alphas, seed)
            .into_iter()
            .zip(&alphas)
            .map(|(mut seat, alphas)| async move {
                let mut live = seat.sit().await?;
                mended_check(&mut live, &mut seat, alphas).await?;
                if with_link {
                    let (authenticator, coins) = (&mut live.authenticator, &mut live.coins);
                    link(authenticator, coins, &mut seat.party, &mut seat.mac, None).await?;
                }
                Ok(())
            })
            .collect();
        simulator.run(parties)
    }

    #[test]
    fn different_key_shares_towards_different_peers_are_caught_by_the_link_alone() {
        assert!(split_setup(7, false).iter().all(Result::is_ok), "the input check does not see them");
        for result in split_setup(7, true) {
            assert_eq!(result.err(), Some(Error::MacCheckFailed));
        }
    }

    /// With both checks of the link run by a cheater that mends what it can: it mends the input check
    /// of its own link, but the opened sum mixes inputs that it cannot tell apart.
    #[test]
    fn a_cheater_that_mends_its_part_of_the_input_check_is_still_caught() {
        let f = field();
        let alphas = split(&honest_alphas(&f, 3, 8));
        let mut simulator = Simulator::new(8, 3);
        let parties: Vec<_> = seats(&simulator, f, &alphas, 8)
            .into_iter()
            .zip(&alphas)
            .map(|(mut seat, alphas)| async move {
                let mut live = seat.sit().await?;
                let (me, key) = (seat.party.index().get(), live.authenticator.key.alpha());
                let Seat { party, mac, .. } = &mut seat;
                let own = f.random_vec(&mut party.rng, 2);
                let inputs = live.authenticator.input(party, &own, &[2; 3]).await?;
                let coin = live.coins.toss(party).await?;
                for (j, (y, gamma)) in
                    live.authenticator.combinations(party, &coin, &inputs).await?.into_iter().flatten().enumerate()
                {
                    let error = if j == me { f.zero() } else { f.sub(alphas[j], key) };
                    mac.register(&[y], &[f.sub(gamma, f.mul(error, y))]);
                }
                let terms = terms(&f, &inputs.by_party(), None, None);
                let _opened = mac.open(party, &combination(&f, party, &coin, terms)).await?;
                mac.check(party).await
            })
            .collect();
        for result in simulator.run(parties) {
            assert_eq!(result.err(), Some(Error::MacCheckFailed));
        }
    }

    /// In characteristic 2, the last party uses αᵢ + δ for bits alone and mends what it can: the check of each
    /// inputter's combination, whose error is δ·y. What it does not know is Σ_P χ'_P·s_P.
    #[test]
    fn another_key_share_for_bits_is_caught() {
        let f = BinaryField::new(128).expect("a field for bits");
        for n in 2..=3 {
            let alphas = honest_alphas(&f, n, 9);
            let delta = f.cut(0x10);
            let mut bit_keys = alphas.clone();
            bit_keys[n - 1].iter_mut().for_each(|key| *key = f.add(*key, delta));
            for (keys, caught) in [(&alphas, false), (&bit_keys, true)] {
                let mut simulator = Simulator::new(9, n);
                let seats = seats_with(&simulator, f, &alphas, keys, 9).into_iter();
                let parties = seats.map(|mut seat| async move {
                    let mut live = seat.sit().await?;
                    let Seat { party, mac, .. } = &mut seat;
                    let me = party.index().get();
                    let bits = input_bits(&mut live.authenticator, party).await?;
                    let coin = live.coins.toss(party).await?;
                    let combinations = live.authenticator.combinations(party, &coin, &bits).await?;
                    for (j, (y, gamma)) in combinations.into_iter().flatten().enumerate() {
                        let errs = caught && me == n - 1 && j != me;
                        mac.register(&[y], &[if errs { f.add(gamma, f.mul(delta, y)) } else { gamma }]);
                    }
                    mac.check(party).await.expect("the error is mended");
                    let terms = bits.by_party().iter().map(|bits| element_of_bits(&f, bits)).collect();
                    let _opened = mac.open(party, &combination(&f, party, &coin, terms)).await?;
                    mac.check(party).await
                });
                for result in simulator.run(parties.collect::<Vec<_>>()) {
                    assert_eq!(result.err(), caught.then_some(Error::MacCheckFailed));
                }
            }
        }
    }

    /// The same against a link whose other party is honest.
    #[test]
    fn the_link_sees_another_key_share_for_bits() {
        let f = BinaryField::new(128).expect("a field for bits");
        let alphas = honest_alphas(&f, 2, 12);
        let delta = f.cut(0x10);
        let mut bit_keys = alphas.clone();
        bit_keys[1].iter_mut().for_each(|key| *key = f.add(*key, delta));
        let mut simulator = Simulator::new(12, 2);
        let parties = seats_with(&simulator, f, &alphas, &bit_keys, 12).into_iter().map(|mut seat| async move {
            let Live { mut authenticator, mut coins, .. } = seat.sit().await?;
            let Seat { party, mac, .. } = &mut seat;
            if party.is_first() {
                return link(&mut authenticator, &mut coins, party, mac, None).await.map(drop);
            }
            let own = f.random_vec(&mut party.rng, 2);
            let inputs = authenticator.input(party, &own, &[2; 2]).await?;
            let bits = input_bits(&mut authenticator, party).await?;
            let coin = coins.toss(party).await?;
            authenticator.check(party, mac, &coin, &inputs).await?;
            let combinations = authenticator.combinations(party, &coin, &bits).await?;
            for ((y, gamma), error) in combinations.into_iter().flatten().zip([delta, f.zero()]) {
                mac.register(&[y], &[f.add(gamma, f.mul(error, y))]);
            }
            let terms = terms(&f, &inputs.by_party(), Some(&bits), None);
            let _opened = mac.open(party, &combination(&f, party, &coin, terms)).await?;
            mac.check(party).await
        });
        for result in simulator.run(parties.collect::<Vec<_>>()) {
            assert_eq!(result.err(), Some(Error::MacCheckFailed));
        }
    }

    #[test]
    fn later_setups_in_characteristic_two_pass() {
        let f = BinaryField::new(40).expect("a field of MP-SPDZ");
        let alphas = honest_alphas(&f, 3, 10);
        let run = |seed: u64, anchors: Option<Vec<Shares<BinaryField>>>| {
            let mut simulator = Simulator::new(seed, 3);
            let seats = seats(&simulator, f, &alphas, seed).into_iter();
            let mut anchors = anchors.map_or(vec![None; 3], |anchors| anchors.into_iter().map(Some).collect());
            let parties = seats.zip(anchors.drain(..)).map(|(mut seat, anchor)| async move {
                let mut live = seat.sit().await.expect("honest base OTs");
                let Live { authenticator, coins, .. } = &mut live;
                link(authenticator, coins, &mut seat.party, &mut seat.mac, anchor.as_ref()).await.expect("one key")
            });
            simulator.run(parties.collect::<Vec<_>>())
        };
        let anchors = run(10, None);
        run(11, Some(anchors));
    }
}

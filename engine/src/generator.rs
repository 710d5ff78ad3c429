//! The interactive generators of tuples over a prime field behind one door, and which of them serves a field.

use crate::bit_tuples::{BitPool, DaBits, EdaBits};
use crate::error::Result;
use crate::field::{BinaryField, PrimeField};
use crate::mac_check::MacCheck;
use crate::mascot::{Bill, BitBill, World};
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Pool, Shape};
use crate::workers::Workers;
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

    /// The protocol of this name, if there is one and it serves the field.
    pub fn named(name: &str, field: &PrimeField, statistical: u32) -> Option<Self> {
        match name {
            "mascot" => Some(Self::Mascot(mascot::Params { statistical, ..mascot::Params::default() })),
            "lowgear" => lowgear::Params::for_prime(field.modulus(), statistical).map(Self::LowGear),
            _ => None,
        }
    }

    /// All choices behind the protocol, of which parties with other ones are no match.
    pub fn numbers(&self) -> Vec<u64> {
        let mascot = self.mascot();
        let mut numbers = vec![mascot.ot_width as u64, mascot.cope_width as u64, mascot.tile_ots as u64];
        if let Self::LowGear(params) = self {
            numbers.extend(params.numbers());
        }
        numbers
    }

    /// MASCOT's parameters: the protocol's own, or for what LowGear does not make.
    pub fn mascot(&self) -> mascot::Params {
        match self {
            Self::Mascot(params) => *params,
            Self::LowGear(params) => mascot::Params { statistical: params.statistical(), ..mascot::Params::default() },
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Mascot(_) => "mascot",
            Self::LowGear(_) => "lowgear",
        }
    }
}

/// Setups for one MAC key: one of the protocol, and beside LowGear one of MASCOT as soon as something is asked for
/// that only MASCOT makes. Any error ends what it met.
pub struct Generator {
    field: PrimeField,
    /// For what only MASCOT makes.
    params: mascot::Params,
    anchor: Anchor,
    lowgear: Option<Box<lowgear::Setup>>,
    mascot: Option<Box<mascot::Setup<PrimeField>>>,
}

impl Generator {
    /// Makes a setup for the key of `mac` and links it to the earlier ones; see [`mascot::Setup::establish`] and
    /// [`lowgear::Setup::establish`]. MASCOT computes on the caller's thread.
    ///
    /// # Errors
    /// Any; nothing of the attempt may be used again.
    pub async fn establish(
        party: &mut Party,
        field: PrimeField,
        mac: &mut MacCheck<PrimeField>,
        protocol: Protocol,
        anchor: Option<&Anchor>,
        workers: &Workers,
    ) -> Result<Self> {
        let params = protocol.mascot();
        Ok(match protocol {
            Protocol::Mascot(_) => {
                let (setup, anchor) = mascot::Setup::establish(party, field, mac, params, anchor).await?;
                Self { field, params, anchor, lowgear: None, mascot: Some(Box::new(setup)) }
            }
            Protocol::LowGear(own) => {
                let (setup, anchor) = lowgear::Setup::establish(party, field, mac, own, anchor, workers).await?;
                Self { field, params, anchor, lowgear: Some(Box::new(setup)), mascot: None }
            }
        })
    }

    /// What links later setups to this one; the caller keeps it beside its key share.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
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
        match &mut self.lowgear {
            Some(setup) => setup.generate(party, mac, kind, count).await,
            None => self.mascot(party, mac).await?.generate(party, mac, kind, count).await,
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
        match &mut self.lowgear {
            Some(setup) => setup.generate_input_masks(party, mac, owner, count).await,
            None => self.mascot(party, mac).await?.generate_input_masks(party, mac, owner, count).await,
        }
    }

    /// Makes `count` matrix triples, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    pub async fn generate_matrices(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        shape: Shape,
        count: usize,
    ) -> Result<MatrixTriples<PrimeField>> {
        match &mut self.lowgear {
            Some(setup) => setup.generate_matrices(party, mac, shape, count).await,
            None => self.mascot(party, mac).await?.generate_matrices(party, mac, shape, count).await,
        }
    }

    /// Makes `count` daBits, with MASCOT; see [`mascot::generate_dabits`].
    ///
    /// # Errors
    /// Any error ends both setups, but [`crate::error::Error::PrimeTooSmall`].
    pub async fn generate_dabits(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        binary: World<'_, BinaryField>,
        count: usize,
    ) -> Result<DaBits> {
        let prime = World { setup: self.mascot(party, mac).await?, mac };
        mascot::generate_dabits(prime, binary, party, count).await
    }

    /// Makes `count` edaBits of `bits` bits, with MASCOT; see [`mascot::generate_edabits`].
    ///
    /// # Errors
    /// Those of [`Self::generate_dabits`].
    pub async fn generate_edabits(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        binary: World<'_, BinaryField>,
        bits: u32,
        count: usize,
    ) -> Result<EdaBits> {
        let prime = World { setup: self.mascot(party, mac).await?, mac };
        mascot::generate_edabits(prime, binary, party, bits, count).await
    }

    /// Generates everything on the bill.
    ///
    /// # Errors
    /// Any error ends the setup.
    pub async fn fill(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        bill: &Bill,
    ) -> Result<Pool<PrimeField>> {
        let mut pool = Pool::new();
        for &(kind, count) in bill.tuples.iter().filter(|(_, count)| *count > 0) {
            pool.add(kind, self.generate(party, mac, kind, count).await?);
        }
        for &(owner, count) in bill.masks.iter().filter(|(_, count)| *count > 0) {
            pool.add_masks(owner, self.generate_input_masks(party, mac, owner, count).await?);
        }
        Ok(pool)
    }

    /// Generates all bit tuples on the bill, with MASCOT; see [`mascot::fill_bits`].
    ///
    /// # Errors
    /// See [`mascot::fill_bits`].
    pub async fn fill_bits(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        binary: World<'_, BinaryField>,
        bill: &BitBill,
    ) -> Result<BitPool> {
        let prime = World { setup: self.mascot(party, mac).await?, mac };
        mascot::fill_bits(prime, binary, party, bill).await
    }

    /// The setup of MASCOT, made now if there is none; linked as every other.
    async fn mascot(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
    ) -> Result<&mut mascot::Setup<PrimeField>> {
        let setup = match self.mascot.take() {
            Some(setup) => setup,
            None => {
                let anchor = Some(&self.anchor);
                Box::new(mascot::Setup::establish(party, self.field, mac, self.params, anchor).await?.0)
            }
        };
        Ok(self.mascot.insert(setup))
    }

    /// Whether an error has ended a setup.
    pub fn is_over(&self) -> bool {
        self.lowgear.as_ref().is_some_and(|setup| setup.is_over())
            || self.mascot.as_ref().is_some_and(|setup| setup.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bit_tuples::mac_field;
    use crate::dealer;
    use crate::field::{Field, Fp};
    use crate::port::{LocalGate, Rng};
    use crate::share::MacKeyShare;
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    #[test]
    fn lowgear_serves_primes_with_room_for_it_and_mascot_all_others() {
        assert_eq!(Protocol::for_prime(&PrimeField::usual(), 64).name(), "lowgear");
        assert_eq!(Protocol::for_prime(&PrimeField::usual(), 100).name(), "mascot");
        assert_eq!(Protocol::for_prime(&PrimeField::carbyne(), 64).name(), "lowgear");
        let few_roots = PrimeField::new(170_141_183_460_469_231_731_687_303_715_885_907_969).unwrap();
        assert_eq!(Protocol::for_prime(&few_roots, 64).name(), "mascot");
    }

    /// A cloud may make tuples by both generators under one key: the anchor ties them, and a value of one adds to
    /// a value of the other. LowGear's makes daBits by a setup of MASCOT of its own.
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
                let (workers, mut anchor) = (Workers::default(), None);
                let mut sum = Shares::zeros(&f, 2);
                let mut dabits = Shares::default();
                let bits = mac_field();
                let bits_key = MacKeyShare::new(bits.random(&mut party.rng), party.is_first());
                let mut bits_mac = MacCheck::new(bits, bits_key, Box::new(LocalGate::default()));
                let established =
                    mascot::Setup::establish(&mut party, bits, &mut bits_mac, mascot::Params::default(), None).await;
                let (mut bits_setup, _) = established.expect("honest parties");
                for protocol in [Protocol::Mascot(mascot::Params::default()), Protocol::for_prime(&f, 64)] {
                    let established =
                        Generator::establish(&mut party, f, &mut mac, protocol, anchor.as_ref(), &workers).await;
                    let mut generator = established.expect("honest parties");
                    anchor = Some(generator.anchor().clone());
                    let columns = generator.generate(&mut party, &mut mac, Kind::Random, 2).await;
                    sum = sum.add(&f, &columns.expect("honest parties")[0]);
                    let binary = World { setup: &mut bits_setup, mac: &mut bits_mac };
                    let made = generator.generate_dabits(&mut party, &mut mac, binary, 1).await;
                    dabits.append(&made.expect("honest parties").arithmetic);
                    assert!(!generator.is_over());
                }
                sum.append(&dabits);
                sum
            }
        });
        let parties: Vec<_> = parties.collect();
        let sums = simulator.run(parties);
        let total = |of: fn(&Shares<PrimeField>) -> &Vec<Fp>, k: usize| f.sum(sums.iter().map(|sum| of(sum)[k]));
        for k in 0..4 {
            let value = total(|sum| &sum.values, k);
            assert!(total(|sum| &sum.macs, k) == f.mul(dealer.alpha(), value));
            assert!(k < 2 || f.mul(value, value) == value, "a daBit is a bit");
        }
    }
}

//! All parties of a generation session in the simulator, and what must hold of their shares.
#![allow(dead_code)] // each test file uses a part

use polyyne_engine::dealer::Dealer;
use polyyne_engine::error::Error;
use polyyne_engine::field::{BinaryField, Field, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Anchor, MascotField, Params, Setup};
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::Shares;
use polyyne_engine::sim::Simulator;
use polyyne_engine::tuples::Kind;
use rand_core::SeedableRng;

pub type Columns<F = PrimeField> = Vec<Shares<F>>;

/// What one party ends with: its tuples and the anchor of its key.
pub type Ended<F> = Result<(Columns<F>, Anchor<F>), Error>;

/// What one party does in a test.
pub struct World<F: Field = PrimeField> {
    pub field: F,
    pub dealer: Dealer<F>,
    pub params: Params,
    pub n: usize,
    pub seed: u64,
}

impl World {
    pub fn new(prime: u128, n: usize, seed: u64) -> Self {
        Self::over(PrimeField::new(prime).expect("the tests' moduli are prime"), n, seed)
    }
}

impl World<BinaryField> {
    pub fn binary(degree: u32, n: usize, seed: u64) -> Self {
        Self::over(BinaryField::new(degree).expect("a degree of MP-SPDZ"), n, seed)
    }
}

impl<F: MascotField> World<F> {
    fn over(field: F, n: usize, seed: u64) -> Self {
        let dealer = Dealer::new(field.clone(), n, [seed as u8; 32]);
        Self { field, dealer, params: Params::default(), n, seed }
    }

    pub fn mac(&self, party: usize) -> MacCheck<F> {
        MacCheck::new(self.field.clone(), self.dealer.key(party), Box::new(LocalGate::default()))
    }

    /// The parties over the simulator's channels; each run has other randomness by `run`.
    pub fn parties(&self, simulator: &Simulator, run: u64) -> Vec<Party> {
        let channels = simulator.channels().into_iter().enumerate();
        let rng = |i: usize| Rng::seed_from_u64(self.seed ^ (run << 32) ^ ((i as u64) << 48));
        channels.map(|(i, channels)| Party::new(i, [run as u8; 32], channels, rng(i))).collect()
    }

    /// Establishes and generates at all parties.
    pub fn generate(&self, simulator: &mut Simulator, kind: Kind, count: usize) -> Vec<Ended<F>> {
        let parties = self.parties(simulator, 0);
        simulator.run(parties.into_iter().enumerate().map(|(i, party)| self.one(i, party, kind, count)).collect())
    }

    pub async fn one(&self, i: usize, mut party: Party, kind: Kind, count: usize) -> Ended<F> {
        let mut mac = self.mac(i);
        let (mut setup, anchor) = Setup::establish(&mut party, self.field.clone(), &mut mac, self.params, None).await?;
        let columns = setup.generate(&mut party, &mut mac, kind, count).await?;
        assert_eq!(mac.pending(), 0, "what is returned has been checked");
        Ok((columns, anchor))
    }

    /// The values of a shared vector; its MACs must be right.
    pub fn open(&self, shares: &[&Shares<F>]) -> Vec<F::Element> {
        let f = &self.field;
        let alpha = self.dealer.alpha();
        let sum = |k: usize, of: fn(&Shares<F>) -> &Vec<F::Element>| f.sum(shares.iter().map(|share| of(share)[k]));
        (0..shares[0].len())
            .map(|k| {
                let value = sum(k, |share| &share.values);
                assert!(sum(k, |share| &share.macs) == f.mul(alpha, value), "the MAC of element {k} is α times it");
                value
            })
            .collect()
    }

    /// The values of all columns of a kind, with its relation checked.
    pub fn check(&self, kind: Kind, columns: &[Columns<F>]) -> Vec<Vec<F::Element>> {
        let f = &self.field;
        let open = |k: usize| self.open(&columns.iter().map(|columns| &columns[k]).collect::<Vec<_>>());
        let values: Vec<Vec<F::Element>> = (0..kind.arity()).map(open).collect();
        for (k, &x) in values[0].iter().enumerate() {
            match kind {
                Kind::Triple => assert!(f.mul(x, values[1][k]) == values[2][k], "c = a·b at {k}"),
                Kind::Square => assert!(f.mul(x, x) == values[1][k], "a² at {k}"),
                Kind::Inverse => assert!(f.mul(x, values[1][k]) == f.one(), "a·a⁻¹ = 1 at {k}"),
                Kind::Bit => assert!(x == f.zero() || x == f.one(), "a bit at {k}"),
                Kind::Random | Kind::InputMask => {}
            }
        }
        values
    }
}

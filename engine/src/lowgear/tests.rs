//! All parties of a setup in the simulator, in a ring that protects nothing, and what must hold of their shares.

mod byzantine;
mod functional;

use super::{Anchor, Params, Setup};
use crate::dealer::Dealer;
use crate::error::Error;
use crate::field::{Field, Fp, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::port::{LocalGate, Rng};
use crate::share::{MacKeyShare, Shares};
use crate::sim::Simulator;
use crate::tuples::{InputMasks, Kind};
use rand_core::SeedableRng;

type Columns = Vec<Shares<PrimeField>>;

struct World {
    field: PrimeField,
    dealer: Dealer<PrimeField>,
    params: Params,
    n: usize,
    seed: u64,
    /// What the last party adds to its MAC key share in every setup.
    shift: u128,
}

impl World {
    fn new(prime: u128, log_n: u32, n: usize, seed: u64) -> Self {
        let field = PrimeField::new(prime).expect("the tests' moduli are prime");
        let dealer = Dealer::new(field, n, [seed as u8; 32]);
        Self { field, dealer, params: Params::toy(log_n, 2), n, seed, shift: 0 }
    }

    fn mac(&self, party: usize) -> MacCheck<PrimeField> {
        let key = self.dealer.key(party);
        let shift = if party + 1 == self.n { self.shift } else { 0 };
        let key = MacKeyShare::new(self.field.add(key.alpha(), self.field.element(shift)), party == 0);
        MacCheck::new(self.field, key, Box::new(LocalGate::default()))
    }

    /// The parties over the simulator's channels; each run has other randomness by `run`.
    fn parties(&self, simulator: &Simulator, run: u64) -> Vec<Party> {
        let channels = simulator.channels().into_iter().enumerate();
        let rng = |i: usize| Rng::seed_from_u64(self.seed ^ (run << 32) ^ ((i as u64) << 48));
        channels.map(|(i, channels)| Party::new(i, [run as u8; 32], channels, rng(i))).collect()
    }

    /// Establishes, with anchors or without, at all parties.
    fn establish(&self, run: u64, anchors: Option<&[Anchor]>) -> Vec<Result<Anchor, Error>> {
        let mut simulator = Simulator::new(self.seed, self.n);
        let parties = self.parties(&simulator, run).into_iter().enumerate().map(|(i, mut party)| async move {
            let mut mac = self.mac(i);
            let anchor = anchors.map(|anchors| &anchors[i]);
            Ok(Setup::establish(&mut party, self.field, &mut mac, self.params, anchor).await?.1)
        });
        let parties: Vec<_> = parties.collect();
        simulator.run(parties)
    }

    /// Establishes and generates at all parties: tuples of a kind, and two masks of party 0.
    fn generate(
        &self,
        simulator: &mut Simulator,
        kind: Kind,
        count: usize,
    ) -> Vec<Result<(Columns, InputMasks<PrimeField>), Error>> {
        let parties = self.parties(simulator, 0).into_iter().enumerate();
        simulator.run(parties.map(|(i, party)| self.one(i, party, kind, count)).collect())
    }

    async fn one(
        &self,
        i: usize,
        mut party: Party,
        kind: Kind,
        count: usize,
    ) -> Result<(Columns, InputMasks<PrimeField>), Error> {
        let mut mac = self.mac(i);
        let (mut setup, _) = Setup::establish(&mut party, self.field, &mut mac, self.params, None).await?;
        let columns = setup.generate(&mut party, &mut mac, kind, count).await?;
        let masks = setup.generate_input_masks(&mut party, &mut mac, 0, 2).await?;
        assert_eq!(mac.pending(), 0, "what is returned has been checked");
        Ok((columns, masks))
    }

    /// The values of a shared vector; its MACs must be right.
    fn open(&self, shares: &[&Shares<PrimeField>]) -> Vec<Fp> {
        let f = &self.field;
        let alpha = self.dealer.alpha();
        let sum = |k: usize, of: fn(&Shares<PrimeField>) -> &Vec<Fp>| f.sum(shares.iter().map(|share| of(share)[k]));
        (0..shares[0].len())
            .map(|k| {
                let value = sum(k, |share| &share.values);
                assert!(sum(k, |share| &share.macs) == f.mul(alpha, value), "the MAC of element {k} is α times it");
                value
            })
            .collect()
    }

    /// The values of all columns of a kind, with its relation checked.
    fn check(&self, kind: Kind, columns: &[&Columns]) -> Vec<Vec<Fp>> {
        let f = &self.field;
        let open = |k: usize| self.open(&columns.iter().map(|columns| &columns[k]).collect::<Vec<_>>());
        let values: Vec<Vec<Fp>> = (0..kind.arity()).map(open).collect();
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

    /// The same of what all parties have returned, masks included.
    fn check_all(&self, kind: Kind, results: &[(Columns, InputMasks<PrimeField>)]) {
        self.check(kind, &results.iter().map(|(columns, _)| columns).collect::<Vec<_>>());
        let masks = self.open(&results.iter().map(|(_, masks)| &masks.shares).collect::<Vec<_>>());
        for (i, (_, own)) in results.iter().enumerate() {
            assert!(own.clear.as_ref() == (i == 0).then_some(&masks), "the owner and nobody else knows the masks");
            assert!(own.shares.values[0] != masks[0], "no share of a mask is the mask");
        }
    }
}

//! All parties of a generation session in the simulator, whatever the generator, and what must hold of their shares.

mod matrices;
pub(crate) mod spoiling;
mod uniformity;

use crate::dealer::Dealer;
use crate::error::{Error, Result};
use crate::field::{Field, PrimeField};
use crate::mac_check::MacCheck;
use crate::mascot::MascotField;
use crate::party::Party;
use crate::port::{LocalGate, Rng};
use crate::share::{MacKeyShare, Shares};
use crate::sim::Simulator;
use crate::step::Step;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Shape};
use crate::workers::Workers;
use crate::{lowgear, mascot};
use rand_core::SeedableRng;

pub(crate) type Columns<F> = Vec<Shares<F>>;

/// A setup of a generator.
pub(crate) trait Maker: Sized {
    type Field: Field;
    type Params: Copy;

    async fn establish(
        party: &mut Party,
        field: Self::Field,
        mac: &mut MacCheck<Self::Field>,
        params: Self::Params,
        anchor: Option<&Shares<Self::Field>>,
    ) -> Result<(Self, Shares<Self::Field>)>;

    async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<Self::Field>,
        kind: Kind,
        count: usize,
    ) -> Result<Columns<Self::Field>>;

    async fn masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<Self::Field>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<Self::Field>>;

    async fn matrices(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<Self::Field>,
        shape: Shape,
        count: usize,
    ) -> Result<MatrixTriples<Self::Field>>;

    fn is_over(&self) -> bool;
}

macro_rules! maker {
    ([$($generic:tt)*] $setup:ty, $field:ty, $params:ty $(, $workers:expr)?) => {
        impl<$($generic)*> Maker for $setup {
            type Field = $field;
            type Params = $params;

            async fn establish(
                party: &mut Party,
                field: $field,
                mac: &mut MacCheck<$field>,
                params: $params,
                anchor: Option<&Shares<$field>>,
            ) -> Result<(Self, Shares<$field>)> {
                <$setup>::establish(party, field, mac, params, anchor $(, $workers)?).await
            }

            async fn generate(
                &mut self,
                party: &mut Party,
                mac: &mut MacCheck<$field>,
                kind: Kind,
                count: usize,
            ) -> Result<Columns<$field>> {
                <$setup>::generate(self, party, mac, kind, count).await
            }

            async fn masks(
                &mut self,
                party: &mut Party,
                mac: &mut MacCheck<$field>,
                owner: usize,
                count: usize,
            ) -> Result<InputMasks<$field>> {
                self.generate_input_masks(party, mac, owner, count).await
            }

            async fn matrices(
                &mut self,
                party: &mut Party,
                mac: &mut MacCheck<$field>,
                shape: Shape,
                count: usize,
            ) -> Result<MatrixTriples<$field>> {
                self.generate_matrices(party, mac, shape, count).await
            }

            fn is_over(&self) -> bool {
                <$setup>::is_over(self)
            }
        }
    };
}

maker!([F: MascotField] mascot::Setup<F>, F, mascot::Params);
maker!([] lowgear::Setup, PrimeField, lowgear::Params, &Workers::default());

/// What a party ends with: its tuples, and two masks of each owner.
pub(crate) struct Made<F: Field> {
    pub columns: Columns<F>,
    pub masks: Vec<InputMasks<F>>,
}

pub(crate) type Outcome<F> = Result<Made<F>>;

/// The parties, their MAC keys and randomness.
pub(crate) struct World<G: Maker> {
    pub field: G::Field,
    pub dealer: Dealer<G::Field>,
    pub params: G::Params,
    pub n: usize,
    pub seed: u64,
    /// What the last party adds to its MAC key share in every setup.
    pub shift: u128,
}

impl<G: Maker> World<G> {
    pub fn over(field: G::Field, params: G::Params, n: usize, seed: u64) -> Self {
        let dealer = Dealer::new(field.clone(), n, [seed as u8; 32]);
        Self { field, dealer, params, n, seed, shift: 0 }
    }

    pub fn mac(&self, party: usize) -> MacCheck<G::Field> {
        let mut key = self.dealer.key(party);
        if party + 1 == self.n && self.shift != 0 {
            let shift = self.field.from_bits(self.shift).expect("a shift is an element");
            key = MacKeyShare::new(self.field.add(key.alpha(), shift), party == 0);
        }
        MacCheck::new(self.field.clone(), key, Box::new(LocalGate::default()))
    }

    /// The parties over the simulator's channels; each run has a session and randomness of its own.
    pub fn parties(&self, simulator: &Simulator, run: u64) -> Vec<Party> {
        let channels = simulator.channels().into_iter().enumerate();
        let rng = |i: usize| Rng::seed_from_u64(self.seed ^ (run << 32) ^ ((i as u64) << 48));
        channels.map(|(i, channels)| Party::new(i, [run as u8; 32], channels, rng(i))).collect()
    }

    /// Runs `protocol` at all parties.
    pub fn play<T>(
        &self,
        simulator: &mut Simulator,
        run: u64,
        protocol: impl AsyncFn(Party, MacCheck<G::Field>) -> T,
    ) -> Vec<T> {
        let parties = self.parties(simulator, run).into_iter().enumerate();
        simulator.run(parties.map(|(i, party)| protocol(party, self.mac(i))).collect())
    }

    /// Runs `protocol` at all parties of an established setup.
    pub fn established<T>(
        &self,
        simulator: &mut Simulator,
        protocol: impl AsyncFn(Party, MacCheck<G::Field>, G) -> T,
    ) -> Vec<T> {
        self.play(simulator, 0, async |mut party, mut mac| {
            let established = G::establish(&mut party, self.field.clone(), &mut mac, self.params, None).await;
            let (setup, _) = established.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
            protocol(party, mac, setup).await
        })
    }

    /// Establishes, with anchors or without, at all parties.
    pub fn establish(&self, run: u64, anchors: Option<&[Shares<G::Field>]>) -> Vec<Result<Shares<G::Field>>> {
        self.play(&mut Simulator::new(self.seed, self.n), run, async |mut party, mut mac| {
            let anchor = anchors.map(|anchors| &anchors[party.index().get()]);
            let established = G::establish(&mut party, self.field.clone(), &mut mac, self.params, anchor).await;
            established.map(|(_, anchor)| anchor)
        })
    }

    /// Establishes and generates at all parties.
    pub fn generate(&self, simulator: &mut Simulator, kind: Kind, count: usize) -> Vec<Outcome<G::Field>> {
        self.generate_in(simulator, 0, kind, count)
    }

    /// [`Self::generate`] in the session of another run.
    pub fn generate_in(&self, simulator: &mut Simulator, run: u64, kind: Kind, count: usize) -> Vec<Outcome<G::Field>> {
        self.play(simulator, run, async |party, mac| self.one(party, mac, kind, count).await)
    }

    pub async fn one(
        &self,
        mut party: Party,
        mut mac: MacCheck<G::Field>,
        kind: Kind,
        count: usize,
    ) -> Outcome<G::Field> {
        let (mut setup, _) = G::establish(&mut party, self.field.clone(), &mut mac, self.params, None).await?;
        let columns = setup.generate(&mut party, &mut mac, kind, count).await?;
        assert_eq!(mac.pending(), 0, "what is returned has been checked");
        let mut masks = Vec::new();
        for owner in 0..self.n {
            masks.push(setup.masks(&mut party, &mut mac, owner, 2).await?);
            assert_eq!(mac.pending(), 0, "what is returned has been checked");
        }
        Ok(Made { columns, masks })
    }

    /// What honest parties make, the relation checked.
    pub fn made(&self, kind: Kind, count: usize) -> Vec<Made<G::Field>> {
        let results = self.generate(&mut Simulator::new(self.seed, self.n), kind, count);
        let honest = |result: Outcome<G::Field>| result.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let made: Vec<_> = results.into_iter().map(honest).collect();
        self.check_all(kind, &made);
        assert!(made.iter().all(|made| made.columns.len() == kind.arity()));
        assert!(made.iter().flat_map(|made| &made.columns).all(|column| column.len() == count), "as many as asked for");
        made
    }

    /// The values of what honest parties make.
    pub fn values(&self, kind: Kind, count: usize) -> Vec<Vec<<G::Field as Field>::Element>> {
        let made = self.made(kind, count);
        self.check(kind, &made.iter().map(|made| &made.columns).collect::<Vec<_>>())
    }

    /// The values of a shared vector; its MACs must be right.
    pub fn open(&self, shares: &[&Shares<G::Field>]) -> Vec<<G::Field as Field>::Element> {
        let f = &self.field;
        let alpha = self.dealer.alpha();
        let elements = |k: usize| {
            let value = f.sum(shares.iter().map(|share| share.values[k]));
            let mac = f.sum(shares.iter().map(|share| share.macs[k]));
            assert!(mac == f.mul(alpha, value), "the MAC of element {k} is α times it");
            value
        };
        (0..shares[0].len()).map(elements).collect()
    }

    /// The values of all columns of a kind, with its relation checked.
    pub fn check(&self, kind: Kind, columns: &[&Columns<G::Field>]) -> Vec<Vec<<G::Field as Field>::Element>> {
        let f = &self.field;
        let open = |k: usize| self.open(&columns.iter().map(|columns| &columns[k]).collect::<Vec<_>>());
        let values: Vec<Vec<_>> = (0..kind.arity()).map(open).collect();
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
    pub fn check_all(&self, kind: Kind, made: &[Made<G::Field>]) {
        self.check(kind, &made.iter().map(|made| &made.columns).collect::<Vec<_>>());
        for owner in 0..self.n {
            let masks = self.open(&made.iter().map(|made| &made.masks[owner].shares).collect::<Vec<_>>());
            for (i, own) in made.iter().map(|made| &made.masks[owner]).enumerate() {
                assert!(own.clear.as_ref() == (i == owner).then_some(&masks), "the owner and nobody else knows");
            }
        }
    }

    /// Either some party ends with an error, or what they made is right.
    pub fn check_unless_ended(&self, kind: Kind, results: Vec<Outcome<G::Field>>) {
        if let Ok(made) = results.into_iter().collect::<Result<Vec<_>>>() {
            self.check_all(kind, &made);
        }
    }

    pub fn everything_of_many_calls_is_distinct(&self) {
        let mut simulator = Simulator::new(self.seed, self.n);
        let calls = self.established(&mut simulator, async |mut party, mut mac, mut setup| {
            let mut all = Vec::new();
            for kind in [Kind::Triple, Kind::Random, Kind::Triple, Kind::Random, Kind::Square, Kind::Triple] {
                all.push((kind, setup.generate(&mut party, &mut mac, kind, 3).await.expect("honest parties")));
            }
            all
        });
        let mut seen: Vec<u128> = Vec::new();
        for (call, (kind, _)) in calls[0].iter().enumerate() {
            let columns: Vec<&Columns<G::Field>> = calls.iter().map(|calls| &calls[call].1).collect();
            seen.extend(self.check(*kind, &columns).into_iter().flatten().map(|x| self.field.to_bits(x)));
            // Shares too: one that comes back would tell what it masks.
            let shares = columns.into_iter().flatten().flat_map(|column| column.values.iter().chain(&column.macs));
            seen.extend(shares.map(|&share| self.field.to_bits(share)));
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "no value or share appears twice");
    }

    /// `step` is one whose change fails a check in the first generation.
    pub fn a_failed_check_ends_the_setup_for_good(&self, step: Step) {
        let mut simulator = Simulator::new(self.seed, self.n);
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(step) && frame.from.0 == 0 {
                bytes[10] ^= 1;
            }
            vec![bytes]
        });
        let errors = self.established(&mut simulator, async |mut party, mut mac, mut setup| {
            assert!(!setup.is_over());
            let first = setup.generate(&mut party, &mut mac, Kind::Triple, 1).await.err();
            assert!(setup.is_over());
            let rounds = party.traffic().rounds;
            let second = setup.generate(&mut party, &mut mac, Kind::Random, 1).await.err();
            let third = setup.masks(&mut party, &mut mac, 0, 1).await.err();
            assert_eq!(party.traffic().rounds, rounds, "nothing is sent after the end");
            (first, second, third)
        });
        for (first, second, third) in errors {
            assert!(matches!(first, Some(Error::ConsistencyFailed { .. } | Error::Channel { .. })), "{first:?}");
            assert_eq!((second, third), (Some(Error::SetupOver), Some(Error::SetupOver)));
        }
    }
}

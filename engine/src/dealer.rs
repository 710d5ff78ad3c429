//! A dealer: makes tuples without a protocol, knowing everything.
//!
//! It is the ideal functionality that protocols are tested against, and the preprocessing of
//! commands that hold all parties in one process anyway. **It protects nothing.** A node has no
//! code path that accepts its tuples.

use crate::digest::Transcript;
use crate::field::{Field, PrimeField};
use crate::port::Rng;
use crate::share::{MacKeyShare, Shares};
use crate::tuples::{Counts, InputMasks, Kind, Pairs, Shortage, Triples, Tuples};
use rand_core::{Rng as _, SeedableRng};
use std::collections::BTreeMap;

/// All parties' MAC key shares and a way to share values.
#[derive(Clone)]
pub struct Dealer<F: Field> {
    field: F,
    alphas: Vec<F::Element>,
    seed: [u8; 32],
}

impl<F: Field> Dealer<F> {
    pub fn new(field: F, n: usize, seed: [u8; 32]) -> Self {
        let mut rng = Rng::from_seed(Transcript::new("dealer/key").bytes(&seed).finish());
        let alphas = field.random_vec(&mut rng, n);
        Self { field, alphas, seed }
    }

    /// The same with a MAC key from outside, for clients that make shares themselves.
    #[must_use]
    pub fn with_alpha(mut self, alpha: F::Element) -> Self {
        let others = self.field.sum(self.alphas[1..].iter().copied());
        self.alphas[0] = self.field.sub(alpha, others);
        self
    }

    pub fn field(&self) -> &F {
        &self.field
    }

    pub fn key(&self, party: usize) -> MacKeyShare<F> {
        MacKeyShare::new(self.alphas[party], party == 0)
    }

    /// The whole MAC key, which in a protocol nobody knows.
    pub fn alpha(&self) -> F::Element {
        self.field.sum(self.alphas.iter().copied())
    }

    /// Shares of `values`, one vector per party.
    pub fn share(&self, rng: &mut Rng, values: &[F::Element]) -> Vec<Shares<F>> {
        let f = &self.field;
        let alpha = self.alpha();
        let mut rest: Vec<F::Element> = values.to_vec();
        let mut rest_macs: Vec<F::Element> = values.iter().map(|&x| f.mul(alpha, x)).collect();
        let mut all: Vec<Shares<F>> = (1..self.alphas.len())
            .map(|_| {
                let shares = Shares::new(f.random_vec(rng, values.len()), f.random_vec(rng, values.len()));
                for i in 0..values.len() {
                    rest[i] = f.sub(rest[i], shares.values[i]);
                    rest_macs[i] = f.sub(rest_macs[i], shares.macs[i]);
                }
                shares
            })
            .collect();
        all.push(Shares::new(rest, rest_macs));
        all
    }

    /// The tuples of one party, an endless source. All parties' sources fit together as long as
    /// they take the same kinds and counts; `stream` tells independent users (VM threads) apart.
    pub fn tuples(&self, party: usize, stream: u64) -> DealerTuples<F> {
        DealerTuples {
            dealer: self.clone(),
            party,
            stream,
            streams: BTreeMap::new(),
            counts: BTreeMap::new(),
            left: None,
            parts: 0,
        }
    }
}

/// A party's shares of some vectors, and the vectors.
type Dealt<F> = (Vec<Shares<F>>, Vec<Vec<<F as Field>::Element>>);

/// See [`Dealer::tuples`].
pub struct DealerTuples<F: Field> {
    dealer: Dealer<F>,
    party: usize,
    stream: u64,
    streams: BTreeMap<(Kind, usize), Rng>,
    counts: BTreeMap<Kind, u64>,
    /// What a part that was split off may still take; no limit otherwise.
    left: Option<Counts>,
    /// How many parts were split off.
    parts: u64,
}

impl<F: Field> DealerTuples<F> {
    /// How many of a kind were taken.
    pub fn taken(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    fn rng(&mut self, kind: Kind, owner: usize) -> Rng {
        let seed = Transcript::new("dealer/tuples").bytes(&self.dealer.seed).number(self.stream);
        let seed = seed.bytes(kind.name().as_bytes()).number(owner as u64).finish();
        self.streams.remove(&(kind, owner)).unwrap_or_else(|| Rng::from_seed(seed))
    }

    /// Counts against what was set apart, if this is a part.
    fn allow(&mut self, kind: Kind, count: usize) -> Result<(), Shortage> {
        let Some(left) = &mut self.left else { return Ok(()) };
        let left = left.entry(kind).or_default();
        match left.checked_sub(count) {
            Some(rest) => *left = rest,
            None => return Err(Shortage { kind, wanted: count, left: *left }),
        }
        Ok(())
    }

    /// Deals vectors made by `make`, and gives this party's shares of each.
    fn deal(
        &mut self,
        kind: Kind,
        owner: usize,
        count: usize,
        make: impl Fn(&F, &mut Rng, usize) -> Vec<Vec<F::Element>>,
    ) -> Result<Dealt<F>, Shortage> {
        self.allow(kind, count)?;
        let mut rng = self.rng(kind, owner);
        *self.counts.entry(kind).or_default() += count as u64;
        let columns = make(&self.dealer.field, &mut rng, count);
        let shares = columns.iter().map(|column| self.dealer.share(&mut rng, column).swap_remove(self.party)).collect();
        self.streams.insert((kind, owner), rng);
        Ok((shares, columns))
    }

    fn pairs(
        &mut self,
        kind: Kind,
        count: usize,
        image: impl Fn(&F, F::Element) -> F::Element,
    ) -> Result<Pairs<F>, Shortage> {
        let (mut shares, _) = self.deal(kind, 0, count, |f, rng, count| {
            let a: Vec<F::Element> = (0..count).map(|_| nonzero(f, rng)).collect();
            let images = a.iter().map(|&a| image(f, a)).collect();
            vec![a, images]
        })?;
        let image = shares.pop().expect("two columns");
        let a = shares.pop().expect("two columns");
        Ok(Pairs { a, image })
    }
}

fn nonzero<F: Field>(field: &F, rng: &mut Rng) -> F::Element {
    loop {
        let x = field.random(rng);
        if x != field.zero() {
            return x;
        }
    }
}

impl<F: Field> Tuples<F> for DealerTuples<F> {
    fn triples(&mut self, count: usize) -> Result<Triples<F>, Shortage> {
        let (shares, _) = self.deal(Kind::Triple, 0, count, |f, rng, count| {
            let a = f.random_vec(rng, count);
            let b = f.random_vec(rng, count);
            let c = a.iter().zip(&b).map(|(&a, &b)| f.mul(a, b)).collect();
            vec![a, b, c]
        })?;
        let [a, b, c] = shares.try_into().unwrap_or_else(|_| unreachable!("three columns were dealt"));
        Ok(Triples { a, b, c })
    }

    fn squares(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.pairs(Kind::Square, count, |f, a| f.mul(a, a))
    }

    fn inverses(&mut self, count: usize) -> Result<Pairs<F>, Shortage> {
        self.pairs(Kind::Inverse, count, |f, a| f.inv(a))
    }

    fn bits(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        let (mut shares, _) = self.deal(Kind::Bit, 0, count, |f, rng, count| {
            vec![(0..count).map(|_| if rng.next_u32() & 1 == 1 { f.one() } else { f.zero() }).collect()]
        })?;
        Ok(shares.pop().expect("one column was dealt"))
    }

    fn randoms(&mut self, count: usize) -> Result<Shares<F>, Shortage> {
        let (mut shares, _) = self.deal(Kind::Random, 0, count, |f, rng, count| vec![f.random_vec(rng, count)])?;
        Ok(shares.pop().expect("one column was dealt"))
    }

    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<F>, Shortage> {
        let (mut shares, mut clear) =
            self.deal(Kind::InputMask, owner, count, |f, rng, count| vec![f.random_vec(rng, count)])?;
        let clear = (owner == self.party).then(|| clear.pop().expect("one column was dealt"));
        Ok(InputMasks { shares: shares.pop().expect("one column was dealt"), clear })
    }

    /// A stream of its own, which is dealt when it is used.
    fn split(&mut self, counts: &Counts) -> Result<Box<dyn Tuples<F>>, Shortage> {
        for (&kind, &count) in counts {
            self.allow(kind, count)?;
        }
        self.parts += 1;
        let dealer = Dealer {
            seed: Transcript::new("dealer/part")
                .bytes(&self.dealer.seed)
                .number(self.stream)
                .number(self.parts)
                .finish(),
            ..self.dealer.clone()
        };
        let stream = self.stream;
        Ok(Box::new(DealerTuples { left: Some(counts.clone()), ..dealer.tuples(self.party, stream) }))
    }
}

/// A dealer over the default prime, for examples and tests.
pub fn carbyne(n: usize, seed: u8) -> Dealer<PrimeField> {
    Dealer::new(PrimeField::carbyne(), n, [seed; 32])
}

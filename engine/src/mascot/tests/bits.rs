//! Bit tuples that are really made: AND triples, masks, daBits, edaBits hold what the dealer's do, for several
//! numbers of parties; and one party's spoiled messages never give a wrong one.

use super::World as Fields;
use crate::bit_tuples::{AndTriples, BitKind, BitPool, BitTuples};
use crate::error::Error;
use crate::field::prime::DEFAULT_PRIME;
use crate::field::{BinaryField, Field};
use crate::mascot::{BitBill, Setup, World, fill_bits};
use crate::party::Party;
use crate::share::BitShares;
use crate::sim::Simulator;
use crate::step::Step;
use crate::test_world::spoiling::HEADER;

struct Both {
    prime: Fields,
    binary: Fields<BinaryField>,
}

impl Both {
    fn new(n: usize, seed: u64) -> Self {
        Self { prime: Fields::new(DEFAULT_PRIME, n, seed), binary: Fields::binary(128, n, seed) }
    }

    async fn one(&self, i: usize, mut party: Party, bill: &BitBill) -> Result<BitPool, Error> {
        let (mut first, mut second) = (self.prime.mac(i), self.binary.mac(i));
        let (field, params) = (self.prime.field, self.prime.params);
        let (mut prime, _) = Setup::establish(&mut party, field, &mut first, params, None).await?;
        let (mut binary, _) = Setup::establish(&mut party, self.binary.field, &mut second, params, None).await?;
        let prime = World { setup: &mut prime, mac: &mut first };
        let binary = World { setup: &mut binary, mac: &mut second };
        let pool = fill_bits(prime, binary, &mut party, bill).await?;
        assert_eq!((first.pending(), second.pending()), (0, 0), "what is returned has been checked");
        Ok(pool)
    }

    fn run(&self, simulator: &mut Simulator, bill: &BitBill) -> Vec<Result<BitPool, Error>> {
        let parties = self.prime.parties(simulator, 0).into_iter().enumerate();
        simulator.run(parties.map(|(i, party)| self.one(i, party, bill)).collect())
    }

    /// Opened bits whose MACs are right and whose value shares are bits.
    fn bits(&self, shares: &[BitShares]) -> Vec<u128> {
        let f = &self.binary.field;
        let shares: Vec<_> = shares.iter().map(|share| share.unpacked(f)).collect();
        let bits = self.binary.open(&shares.iter().collect::<Vec<_>>());
        bits.into_iter().map(|bit| f.to_bits(bit)).inspect(|&bit| assert!(bit <= 1)).collect()
    }

    /// What the bill asked for holds its relations; returns the sums of some bits, for statistics.
    fn check(&self, pools: &mut [BitPool], bill: &BitBill) {
        for (&(kind, owner), &count) in &bill.0 {
            match kind {
                BitKind::Triple => {
                    let triples: Vec<_> = pools.iter_mut().map(|pool| pool.triples(count).unwrap()).collect();
                    let open = |of: fn(&_) -> &BitShares| {
                        self.bits(&triples.iter().map(|triples| of(triples).clone()).collect::<Vec<_>>())
                    };
                    let (a, b, c) = (open(|t: &AndTriples| &t.a), open(|t| &t.b), open(|t| &t.c));
                    assert!((0..count).all(|k| c[k] == a[k] & b[k]), "c = a ∧ b");
                    [(&a, 2), (&b, 2), (&c, 4)].into_iter().for_each(|(bits, part)| balanced(bits, part));
                }
                BitKind::Bit => {
                    let bits: Vec<_> = pools.iter_mut().map(|pool| pool.bits(count).unwrap()).collect();
                    balanced(&self.bits(&bits), 2);
                }
                BitKind::InputMask => {
                    let owner = owner.unwrap();
                    let masks: Vec<_> = pools.iter_mut().map(|pool| pool.input_masks(owner, count).unwrap()).collect();
                    let known: Vec<_> = masks.iter().map(|masks| masks.clear.clone()).collect();
                    let bits = self.bits(&masks.into_iter().map(|masks| masks.shares).collect::<Vec<_>>());
                    for (i, known) in known.into_iter().enumerate() {
                        let known = known.map(|known| known.iter().map(u128::from).collect::<Vec<_>>());
                        assert_eq!(known.as_ref(), (i == owner).then_some(&bits), "the owner and nobody else knows");
                    }
                }
                BitKind::DaBit => {
                    let dabits: Vec<_> = pools.iter_mut().map(|pool| pool.dabits(count).unwrap()).collect();
                    let (arithmetic, binary): (Vec<_>, Vec<_>) =
                        dabits.into_iter().map(|dabits| (dabits.arithmetic, dabits.binary)).unzip();
                    let bits = self.bits(&binary);
                    let values = self.prime.open(&arithmetic.iter().collect::<Vec<_>>());
                    let values: Vec<u128> = values.into_iter().map(|x| self.prime.field.to_u128(x)).collect();
                    assert_eq!(values, bits, "the same bit over both fields");
                    balanced(&bits, 2);
                }
                BitKind::EdaBit { bits } => {
                    let mut edabits: Vec<_> = pools.iter_mut().map(|pool| pool.edabits(bits, count).unwrap()).collect();
                    let mut sums = vec![0; count];
                    for k in (0..bits as usize).rev() {
                        let column: Vec<_> = edabits.iter_mut().map(|edabits| edabits.bits.remove(k)).collect();
                        sums.iter_mut().zip(self.bits(&column)).for_each(|(sum, bit)| *sum = 2 * *sum + bit);
                    }
                    let arithmetic: Vec<_> = edabits.into_iter().map(|edabits| edabits.arithmetic).collect();
                    let values = self.prime.open(&arithmetic.iter().collect::<Vec<_>>());
                    assert!(values.iter().zip(&sums).all(|(&x, &sum)| self.prime.field.to_u128(x) == sum));
                }
            }
            let more = pools.iter_mut().any(|pool| match kind {
                BitKind::Triple => pool.triples(1).is_ok(),
                BitKind::Bit => pool.bits(1).is_ok(),
                BitKind::InputMask => pool.input_masks(owner.unwrap(), 1).is_ok(),
                BitKind::DaBit => pool.dabits(1).is_ok(),
                BitKind::EdaBit { bits } => pool.edabits(bits, 1).is_ok(),
            });
            assert!(!more, "a pool gives each tuple once");
        }
    }
}

/// One in `part` of many bits is one, within five standard deviations.
fn balanced(bits: &[u128], part: usize) {
    let ones = bits.iter().filter(|&&bit| bit == 1).count();
    let margin = 5.0 * (bits.len() as f64 / part as f64).sqrt();
    assert!((ones as f64 - bits.len() as f64 / part as f64).abs() <= margin, "{ones} of {}", bits.len());
}

fn everything(count: usize) -> BitBill {
    let bits = [1, 9].map(|bits| ((BitKind::EdaBit { bits }, None), count.div_ceil(8)));
    let others = [
        ((BitKind::Triple, None), count),
        ((BitKind::Bit, None), count),
        ((BitKind::InputMask, Some(0)), count),
        ((BitKind::InputMask, Some(1)), 1),
        ((BitKind::DaBit, None), count),
    ];
    BitBill(others.into_iter().chain(bits).collect())
}

/// With nothing after them whose check would cover theirs.
#[test]
fn and_triples_alone_are_checked_before_they_leave() {
    let both = Both::new(2, 40);
    let bill = BitBill([((BitKind::Triple, None), 5)].into_iter().collect());
    let pools: Result<Vec<_>, _> = both.run(&mut Simulator::new(40, 2), &bill).into_iter().collect();
    assert!(pools.is_ok_and(|pools| pools.len() == 2));
}

#[test]
fn all_bit_tuples_hold_their_relations() {
    for (n, count) in [(2, 400), (3, 60), (4, 7)] {
        let both = Both::new(n, n as u64);
        let bill = everything(count);
        let pools: Result<Vec<_>, _> = both.run(&mut Simulator::new(n as u64, n), &bill).into_iter().collect();
        both.check(&mut pools.expect("honest parties"), &bill);
    }
}

/// One bit of one frame of each step is flipped on its way from one party: what comes out is right, or nothing
/// does.
#[test]
fn no_flipped_bit_gives_a_wrong_bit_tuple() {
    const STEPS: [Step; 9] = [
        Step::MascotBits,
        Step::MascotAuthenticate,
        Step::MascotAuthenticateCheck,
        Step::MascotExtend,
        Step::MascotMultiply,
        Step::MascotSacrifice,
        Step::MascotCoinOpen,
        Step::Open,
        Step::CheckOpen,
    ];
    let bill = everything(2);
    let mut ended = 0;
    for (seed, step) in (0..).zip(STEPS) {
        for occurrence in [0, 2, 4] {
            let both = Both::new(2, 100 + seed);
            let mut simulator = Simulator::new(seed, 2);
            simulator.hook(move |frame| {
                let mut bytes = frame.bytes.to_vec();
                let payload = bytes.len() - HEADER;
                if frame.from.0 == (seed % 2) as u16
                    && frame.step == Some(step)
                    && frame.occurrence == occurrence
                    && payload > 0
                {
                    let place = HEADER + (seed as usize * 7919 + occurrence * 31) % payload;
                    bytes[place] ^= 1;
                }
                vec![bytes]
            });
            let results = both.run(&mut simulator, &bill);
            let pools: Result<Vec<_>, _> = results.into_iter().collect();
            match pools {
                Ok(mut pools) => both.check(&mut pools, &bill),
                Err(_) => ended += 1,
            }
        }
    }
    assert!(ended >= 18, "most of these bits matter: {ended} runs of 30 ended");
}

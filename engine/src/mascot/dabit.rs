//! daBits: a random bit shared over the prime field and, with its own MAC key, over GF(2^f) (Rotaru and Wood, eprint
//! 2019/207; Aly et al., Zaphod, eprint 2019/974). edaBits: sums of daBits weighted with powers of two, so that they
//! need no cut-and-choose of their own.
//!
//! For a batch of L daBits and S tests, S being the bits of statistical security and 30 more, for 2^30 batches in the
//! life of a key:
//! 1. Every party P inputs L random bits over both fields, and S masks r_{P,t} < 2^w over the prime field with their
//!    parities over GF(2^f).
//! 2. x = ⊕_P x_P: sums over GF(2^f); over the prime field x⊕y = x + y − 2xy, a triple for each party but one.
//! 3. **x is a bit**: x² − x = 0 with one more triple, unopened in the MAC check. It fails if the XOR of the
//!    cheaters' inputs v is none, whatever the honest bits are: x is v or 1 − v, and v² − v = (1−v)² − (1−v).
//! 4. **It is the same bit**: when all of this is fixed and checked, a coin gives S random subsets. For each the
//!    integer X_t = Σ_{k∈t} x_k + Σ_P r_{P,t} is opened over the prime field, and its parity over GF(2^f). X_t must
//!    be below n·2^w + L, far from wrapping around p, and have that parity.
//! 5. Nothing leaves before the MAC checks over both fields.
//!
//! **Soundness.** After 3, Σ x_k is an integer of at most L; the masks, whatever they are, are fixed before the
//! subsets, and X_t in its range says that their sum is an integer that does not wrap. If x differs between the fields
//! in any place, the parity of X_t is wrong for half of all subsets: 2^-S for all tests, and 3/|F| for each MAC check.
//! The errors are the cheaters' own, so that whether a test fails does not depend on honest bits.
//!
//! **Privacy.** One honest mask hides Σ x_k ≤ L but for L/2^w; w = S + ⌈log₂ L⌉ + ⌈log₂ S⌉ makes that 2^-S over all
//! tests. Its parity is what is opened over GF(2^f), and no more than X_t shows.

use super::derive::{self, What};
use super::{Live, Params, Setup, product};
use crate::bit_tuples::{DaBits, EdaBits};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::field::{BinaryField, Field, Fp, Gf2n, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::prg::Prg;
use crate::share::{BitShares, Shares};
use crate::tuples::Triples;
use rand_core::Rng as _;
use zeroize::Zeroizing;

/// A setup with the MAC check it works for.
pub struct World<'a, F: super::MascotField> {
    pub setup: &'a mut Setup<F>,
    pub mac: &'a mut MacCheck<F>,
}

/// Whether parties can make daBits over this field with these parameters.
///
/// # Errors
/// [`Error::PrimeTooSmall`] says what they need.
pub fn dabits_fit(params: &Params, field: &PrimeField, parties: usize) -> Result<()> {
    Batch::largest(params, field, usize::MAX, parties).fits(field)
}

/// Most daBits that are tested together.
const BATCH: usize = 4_096;
/// Log₂ of how many batches there are in the life of a key, finished or not: whoever sees subsets that do not suit it may
/// break off and try again, for nothing.
const LIFETIME_BITS: u32 = 30;

/// Makes `count` daBits that MAC checks have covered.
///
/// # Errors
/// [`Error::PrimeTooSmall`] before anything is sent; any other ends both setups.
pub async fn generate_dabits(
    prime: World<'_, PrimeField>,
    binary: World<'_, BinaryField>,
    party: &mut Party,
    count: usize,
) -> Result<DaBits> {
    let (mut first, mut second) = (prime.setup.begin(prime.mac)?, binary.setup.begin(binary.mac)?);
    let macs = (prime.mac, binary.mac);
    let mut all = DaBits { arithmetic: Shares::default(), binary: BitShares::default() };
    let tile = first.inputs_of_tile(What::Elements, party.n());
    let batch = Batch::largest(&first.params, &first.field, tile, party.n());
    if let Err(error) = batch.fits(&first.field) {
        (prime.setup.live, binary.setup.live) = (Some(first), Some(second));
        return Err(error);
    }
    for start in (0..count).step_by(batch.count) {
        let batch = Batch { count: batch.count.min(count - start), ..batch };
        let own = batch.draw(&first.field, &second.field, party);
        let made = batch.make((&mut first, &mut *macs.0), (&mut second, &mut *macs.1), party, own).await?;
        all.arithmetic.append(&made.arithmetic);
        all.binary.append(&made.binary);
    }
    (prime.setup.live, binary.setup.live) = (Some(first), Some(second));
    Ok(all)
}

/// Makes `count` edaBits of `bits` bits.
///
/// # Errors
/// Those of [`generate_dabits`].
pub async fn generate_edabits(
    prime: World<'_, PrimeField>,
    binary: World<'_, BinaryField>,
    party: &mut Party,
    bits: u32,
    count: usize,
) -> Result<EdaBits> {
    let field = prime.setup.field;
    let dabits = generate_dabits(prime, binary, party, bits as usize * count).await?;
    Ok(EdaBits::of(&field, &dabits, bits))
}

/// A field's side of a batch.
type Half<'a, F> = (&'a mut Live<F>, &'a mut MacCheck<F>);

/// The sizes of a batch.
#[derive(Clone, Copy)]
struct Batch {
    parties: usize,
    /// L.
    count: usize,
    /// S.
    tests: usize,
    /// w.
    mask_bits: u32,
}

/// One party's inputs to a batch: L bits, then S masks or their parities.
struct Own {
    arithmetic: Zeroizing<Vec<Fp>>,
    binary: Zeroizing<Vec<Gf2n>>,
}

impl Batch {
    /// As many as a tile holds and the field has room for.
    fn largest(params: &Params, field: &PrimeField, tile: usize, parties: usize) -> Self {
        let mut count = BATCH.min(tile.saturating_sub(Self::of(params, 1, parties).tests)).max(1);
        while count > 1 && Self::of(params, count, parties).fits(field).is_err() {
            count /= 2;
        }
        Self::of(params, count, parties)
    }

    fn of(params: &Params, count: usize, parties: usize) -> Self {
        let bits = params.statistical + LIFETIME_BITS;
        let tests = bits as usize;
        Self { parties, count, tests, mask_bits: bits + ceil_log2(count) + ceil_log2(tests) }
    }

    /// What an honest X_t stays below; the field must hold it.
    fn bound(&self) -> Option<u128> {
        let masks = (self.parties as u128).checked_mul(1u128.checked_shl(self.mask_bits)?)?;
        masks.checked_add(self.count as u128)
    }

    fn fits(&self, field: &PrimeField) -> Result<()> {
        // Twice, so that values out of the range exist on both sides.
        let needed = self.bound().and_then(|bound| bound.checked_mul(2));
        let fits = self.mask_bits < 128 && needed.is_some_and(|needed| needed < field.modulus());
        if fits { Ok(()) } else { Err(Error::PrimeTooSmall { bits: self.mask_bits + ceil_log2(self.parties) + 2 }) }
    }

    async fn make(
        &self,
        (first, first_mac): Half<'_, PrimeField>,
        (second, second_mac): Half<'_, BinaryField>,
        party: &mut Party,
        own: Own,
    ) -> Result<DaBits> {
        let counts = vec![self.count + self.tests; self.parties];
        let arithmetic = derive::input_tile(first, party, first_mac, What::Elements, &own.arithmetic, &counts).await?;
        let binary = derive::input_tile(second, party, second_mac, What::Bits, &own.binary, &counts).await?;
        drop(own);
        let triples = derive::triples(first, party, first_mac, self.parties * self.count).await?;
        first_mac.check(party).await?;
        second_mac.check(party).await?;

        let arithmetic = self.xor(&first.field, party, first_mac, arithmetic, triples).await?;
        let binary = total(&second.field, binary);
        first_mac.check(party).await?;
        let coin = first.coins.toss(party).await?;
        self.test((first, first_mac), (second, second_mac), party, &coin, &arithmetic, &binary).await?;
        Ok(DaBits { arithmetic: arithmetic.slice(0..self.count), binary: binary.slice(0..self.count).into() })
    }

    fn draw(&self, prime: &PrimeField, binary: &BinaryField, party: &mut Party) -> Own {
        let mut own = Own { arithmetic: Zeroizing::default(), binary: Zeroizing::default() };
        for k in 0..self.count + self.tests {
            let bits = if k < self.count { 1 } else { self.mask_bits };
            let word = (party.rng.next_u64() as u128) << 64 | party.rng.next_u64() as u128;
            let value = word & (u128::MAX >> (128 - bits));
            own.arithmetic.push(prime.element(value));
            own.binary.push(binary.cut(value & 1));
        }
        own
    }

    /// Steps 2 and 3 over the prime field: the XORs of the bits, then the sums of the masks.
    async fn xor(
        &self,
        f: &PrimeField,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        inputs: Vec<Shares<PrimeField>>,
        triples: [Shares<PrimeField>; 3],
    ) -> Result<Shares<PrimeField>> {
        let mut parts = (0..self.parties).map(|part| {
            let [a, b, c] = &triples;
            let range = part * self.count..(part + 1) * self.count;
            Triples { a: a.slice(range.clone()), b: b.slice(range.clone()), c: c.slice(range) }
        });
        let minus_two = f.neg(f.element(2));
        let mut inputs = inputs.into_iter();
        let mut sum = inputs.next().expect("a session has parties");
        let mut masks = sum.split_off(self.count);
        for mut theirs in inputs {
            masks = masks.add(f, &theirs.split_off(self.count));
            let product =
                product::multiply(f, party, mac, parts.next().expect("a triple for each party"), &sum, &theirs).await?;
            sum = sum.add(f, &theirs).add(f, &product.scale_all(f, minus_two));
        }
        let square =
            product::multiply(f, party, mac, parts.next().expect("a triple for each party"), &sum, &sum).await?;
        mac.register(&vec![f.zero(); self.count], &square.sub(f, &sum).macs);
        sum.append(&masks);
        Ok(sum)
    }

    /// Step 4.
    async fn test(
        &self,
        (first, first_mac): Half<'_, PrimeField>,
        (second, second_mac): Half<'_, BinaryField>,
        party: &mut Party,
        coin: &Hash,
        arithmetic: &Shares<PrimeField>,
        binary: &Shares<BinaryField>,
    ) -> Result<()> {
        let subsets = self.subsets(party, coin);
        let sums = self.sums(&first.field, &subsets, arithmetic);
        let parities = self.sums(&second.field, &subsets, binary);
        let sums = first_mac.open(party, &sums).await?;
        let parities = second_mac.open(party, &parities).await?;
        let sums = first_mac.confirm(party, sums).await?.into_inner();
        let parities = second_mac.confirm(party, parities).await?.into_inner();
        let bound = self.bound().expect("checked before the first batch");
        let same = sums.iter().zip(&parities).all(|(&sum, &parity)| {
            let (sum, parity) = (first.field.to_bits(sum), second.field.to_bits(parity));
            sum < bound && sum & 1 == parity
        });
        if same { Ok(()) } else { Err(Error::DaBitsDiffer) }
    }

    /// Words of coins for every test, a bit for each daBit.
    fn subsets(&self, party: &Party, coin: &Hash) -> Vec<Vec<u128>> {
        let mut prg = Prg::new(party.transcript("mascot/dabit subsets").bytes(coin).finish());
        let mut subset = || {
            let mut words = vec![0; self.count.div_ceil(128)];
            prg.fill_blocks(&mut words);
            words
        };
        (0..self.tests).map(|_| subset()).collect()
    }

    /// Of every test the sum over its subset, with its mask.
    fn sums<F: Field>(&self, field: &F, subsets: &[Vec<u128>], shares: &Shares<F>) -> Shares<F> {
        let mut sums = Shares::default();
        for (t, subset) in subsets.iter().enumerate() {
            let (mut value, mut mac) = shares.get(self.count + t);
            for k in (0..self.count).filter(|k| subset[k / 128] >> (k % 128) & 1 == 1) {
                (value, mac) = (field.add(value, shares.values[k]), field.add(mac, shares.macs[k]));
            }
            sums.push(value, mac);
        }
        sums
    }
}

fn total<F: Field>(field: &F, inputs: Vec<Shares<F>>) -> Shares<F> {
    let mut inputs = inputs.into_iter();
    let first = inputs.next().expect("a session has parties");
    inputs.fold(first, |sum, more| sum.add(field, &more))
}

fn ceil_log2(x: usize) -> u32 {
    x.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::parameter;
    use crate::mascot::triple;
    use crate::port::{LocalGate, Rng};
    use crate::share::MacKeyShare;
    use crate::sim::Simulator;
    use crate::statistics::assert_rate;
    use rand_core::SeedableRng;

    fn fields() -> (PrimeField, BinaryField) {
        (PrimeField::carbyne(), BinaryField::new(128).expect("a field for bits"))
    }

    fn mac<F: Field>(field: &F, key: &MacKeyShare<F>) -> MacCheck<F> {
        MacCheck::new(field.clone(), key.clone(), Box::new(LocalGate::default()))
    }

    /// `trials` batches of three daBits between two parties, to each of which party 0 lies as `lie` says; a failed
    /// check does not stop the next. The results of both, which must be the same.
    fn batches(tests: usize, trials: usize, lie: fn(&PrimeField, &mut Own)) -> Vec<Result<()>> {
        let (f, g) = fields();
        let simulator = Simulator::new(5, 2);
        let channels = simulator.channels().into_iter().enumerate();
        let run = |(i, channels): (usize, _)| async move {
            let mut party = Party::new(i, [5; 32], channels, Rng::seed_from_u64(i as u64));
            let first_key = MacKeyShare::new(f.random(&mut party.rng), i == 0);
            let second_key = MacKeyShare::new(g.random(&mut party.rng), i == 0);
            let params = Params::default();
            let mut first =
                Live::establish(&mut party, f, &mut mac(&f, &first_key), params, false).await.expect("base OTs");
            let mut second =
                Live::establish(&mut party, g, &mut mac(&g, &second_key), params, false).await.expect("base OTs");
            let mut results = Vec::new();
            for _ in 0..trials {
                let (mut first_mac, mut second_mac) = (mac(&f, &first_key), mac(&g, &second_key));
                let batch = Batch { parties: 2, count: 3, tests, mask_bits: 80 };
                let mut own = batch.draw(&f, &g, &mut party);
                if i == 0 {
                    lie(&f, &mut own);
                }
                let (first, second) = ((&mut first, &mut first_mac), (&mut second, &mut second_mac));
                results.push(batch.make(first, second, &mut party, own).await.map(|_| ()));
            }
            results
        };
        let mut simulator = simulator;
        let mut results = simulator.run(channels.map(run).collect());
        assert_eq!(results[0], results[1], "both see the same verdict");
        results.swap_remove(0)
    }

    #[test]
    fn honest_batches_pass() {
        assert!(batches(64, 5, |_, _| ()).iter().all(Result::is_ok));
    }

    #[test]
    fn another_bit_over_the_prime_field_is_caught_by_the_subsets() {
        let lie = |f: &PrimeField, own: &mut Own| own.arithmetic[1] = f.sub(f.one(), own.arithmetic[1]);
        assert!(batches(64, 5, lie).iter().all(|result| *result == Err(Error::DaBitsDiffer)));
    }

    /// Every test is a coin, whatever the mask adds to the parity.
    #[test]
    fn another_bit_passes_two_tests_a_quarter_of_the_time() {
        for lie in [
            |f: &PrimeField, own: &mut Own| own.arithmetic[0] = f.sub(f.one(), own.arithmetic[0]),
            |f: &PrimeField, own: &mut Own| {
                own.arithmetic[0] = f.sub(f.one(), own.arithmetic[0]);
                own.arithmetic[3] = f.add(own.arithmetic[3], f.one());
            },
        ] {
            let passed = batches(2, 240, lie).iter().filter(|result| result.is_ok()).count();
            assert_rate(passed, 240, 0.25, "two tests");
        }
    }

    #[test]
    fn a_bit_with_an_even_number_added_is_caught_though_its_parity_is_right() {
        let lie = |f: &PrimeField, own: &mut Own| own.arithmetic[2] = f.add(own.arithmetic[2], f.element(2));
        assert!(batches(64, 5, lie).iter().all(|result| *result == Err(Error::MacCheckFailed)));
    }

    /// Half of p more in a mask turns the parity of what is opened; the range does not allow it.
    #[test]
    fn a_mask_that_wraps_around_the_prime_is_caught() {
        let lie = |f: &PrimeField, own: &mut Own| {
            let half = f.element(f.modulus() / 2);
            own.arithmetic[3..].iter_mut().for_each(|mask| *mask = f.add(*mask, half));
        };
        assert!(batches(64, 5, lie).iter().all(|result| *result == Err(Error::DaBitsDiffer)));
    }

    /// Both bounds of a batch, the chance that a lie passes its tests and the distance of what they open, times 2^30
    /// batches: at most 2^-64 for a key's whole life.
    #[test]
    fn batches_are_good_for_the_life_of_a_key() {
        for statistical in [40, 64] {
            let params = Params { statistical, ..Params::default() };
            let batch = Batch::largest(&params, &PrimeField::carbyne(), usize::MAX, 2);
            assert_eq!(batch.count, BATCH);
            assert!(batch.tests as u32 >= statistical + 30, "a lie passes 2^-{} of all tosses", batch.tests);
            let shown = batch.tests as f64 * batch.count as f64 * (-f64::from(batch.mask_bits)).exp2();
            assert!(shown.log2() + 30.0 <= -f64::from(statistical), "distance 2^{} of a batch", shown.log2());
        }
    }

    /// `scripts/bounds.py` computes the table.
    #[test]
    fn the_table_of_bounds_has_our_parameters() {
        let params = Params::default();
        let batch = Batch::largest(&params, &PrimeField::carbyne(), usize::MAX, 2);
        let components = |bits| triple::components(bits, params.statistical) as u64;
        for (name, value) in [
            ("statistical", params.statistical.into()),
            ("ot-width", params.ot_width as u64),
            ("cope-width", params.cope_width as u64),
            ("components-128", components(128)),
            ("components-40", components(40)),
            ("dabit-batch", batch.count as u64),
            ("dabit-tests", batch.tests as u64),
            ("dabit-mask-bits", batch.mask_bits.into()),
        ] {
            assert_eq!(parameter(name), value, "{name}: scripts/bounds.py --write");
        }
    }

    #[test]
    fn a_batch_is_as_small_as_the_prime_asks_for() {
        let params = Params { statistical: 80, ..Params::default() };
        let count = |parties| Batch::largest(&params, &PrimeField::carbyne(), usize::MAX, parties).count;
        assert_eq!([2, 4, 16].map(count), [256, 128, 32]);
        assert_eq!(dabits_fit(&params, &PrimeField::carbyne(), 16), Ok(()));
        let small = PrimeField::new((1 << 61) - 1).expect("a prime");
        assert_eq!(dabits_fit(&Params::default(), &small, 2), Err(Error::PrimeTooSmall { bits: 104 }));
    }
}

//! Correlated oblivious product evaluation with errors: the owner A of x and the holder B of a fixed
//! Δ get t and q with q − t = Δ·x. MASCOT (eprint 2016/505 §4.1) in blocks of k bits, as SoftSpoken
//! (eprint 2022/192 §3) makes VOLE over small fields; k = 1 is MASCOT's own protocol.
//!
//! Δ = Σ_b 2^{kb}·Δ_b with digits Δ_b of k bits. For each digit A knows a tree of 2^k leaves, B all of
//! them but number Δ_b ([`super::ggm`]). For the j-th value, with leaf outputs r_{b,y} uniform in F:
//! - both compute u_b = Σ_y r_{b,y} and v_b = Σ_y y·r_{b,y}, B with anything in the place of the leaf
//!   that it lacks;
//! - A sends d_b = x + u_b; t = Σ_b 2^{kb}·v_b;
//! - B: q = Σ_b 2^{kb}·(Δ_b·d_b + v_b − Δ_b·u_b), where the missing leaf has coefficient y − Δ_b = 0.
//!
//! One message from A, ⌈f/k⌉ elements per value. 256 bits of key stream per leaf and value are summed
//! as integers and reduced once per digit; the bias of u_b is at most 2^-128.
//!
//! **A may send inconsistent d_b** (another x for each digit), an error Σ_b 2^{kb}·Δ_b·(x_b − x) that
//! depends on Δ. The check that follows ([`super::authenticate`]) passes then only if A guessed.
//!
//! Argument for blocks, *not reviewed by others*: fix A's deviation and the coins of the check.
//! The check passes exactly if Δ lies in some set S. Passing and then guessing Δ has probability
//! Pr[Δ∈S]·max_g Pr[Δ=g | Δ∈S] ≤ max_g Pr[Δ=g] = 1/p, so deviating first is never better than
//! guessing Δ outright; and while S is large, the error of a later MAC is as unknown as Δ within S.
//! For one bad digit S has a fraction 2^-k of all Δ. This needs terminal aborts (each failed
//! check would be another question about the same Δ) and the key link ([`super::key_link`]),
//! because Δ = αᵢ is the same in all setups under one MAC key.

use super::ggm::Leaves;
use super::simd::{self, Kernel};
use super::{Limbs, MascotField};
use crate::prg::StreamBlock;
use zeroize::Zeroize;

/// Bytes of an element in bulk messages.
pub(crate) const RAW_BYTES: usize = 16;
/// Values expanded together: their leaves stay in the fastest cache.
const STRIPE: usize = 64;

/// One tree for each digit, and how far their leaves are used.
struct Trees<F: MascotField> {
    digits: Vec<Digit<F>>,
    counter: u128,
}

struct Digit<F: MascotField> {
    tree: Leaves,
    /// Digits of a group are summed with their place in it, and reduced together.
    shift: u32,
    ends_group: bool,
    group_weight: F::Element,
}

impl<F: MascotField> Trees<F> {
    fn new(field: &F, trees: Vec<Leaves>) -> Self {
        let width_max = trees.iter().map(|tree| tree.len().trailing_zeros()).max().unwrap_or(1);
        // Terms are Σ_y y·leaf, Δ_b·Σ_y leaf and Δ_b·d, below 2^(32 + 2k) each and two of them below 2^(32 + 2k) together, so
        // their sum is below 2^(33 + 2k + shift), which must not exceed 2^63.
        let shift_max = 30 - 2 * width_max;
        let (mut bits, mut shift) = (0, 0);
        let mut digits = Vec::with_capacity(trees.len());
        for tree in trees {
            let group_weight = field.weight(bits - shift);
            let width = tree.len().trailing_zeros();
            bits += width;
            let ends_group = shift + 2 * width_max > shift_max;
            digits.push(Digit { tree, shift, ends_group, group_weight });
            shift = if ends_group { 0 } else { shift + width };
        }
        if let Some(last) = digits.last_mut() {
            last.ends_group = true;
        }
        Self { digits, counter: 0 }
    }

    fn leaves_max(&self) -> usize {
        self.digits.iter().map(|digit| digit.tree.len()).max().unwrap_or(0)
    }

    /// Calls `each(b, digit, values, u, v)` for all digits of one stripe of values after the other.
    fn expand(
        &mut self,
        field: &F,
        count: usize,
        mut each: impl FnMut(usize, &Digit<F>, std::ops::Range<usize>, &[Limbs], &[Limbs]),
    ) {
        let mut words = vec![[StreamBlock::default(); 2]; self.leaves_max() * STRIPE];
        let (mut u, mut v) = ([Limbs::default(); STRIPE], [Limbs::default(); STRIPE]);
        for start in (0..count).step_by(STRIPE) {
            let len = STRIPE.min(count - start);
            for (b, digit) in self.digits.iter().enumerate() {
                let words = &mut words[..digit.tree.len() * len];
                digit.tree.fill(self.counter + 2 * start as u128, 2 * len, words.as_flattened_mut());
                field.sum_leaves(words, &mut u[..len], &mut v[..len]);
                each(b, digit, start..start + len, &u[..len], &v[..len]);
            }
        }
        self.counter += 2 * count as u128;
        words.zeroize();
        u.zeroize();
        v.zeroize();
    }
}

/// Sums of one group of digits for a stripe of values.
struct Group([Limbs; STRIPE]);

impl Group {
    fn new() -> Self {
        Self([Limbs::default(); STRIPE])
    }

    /// The values of the sums, which start again from zero.
    fn close<F: MascotField>(&mut self, field: &F, weight: F::Element, values: &mut [F::Element]) {
        let mut places = [[0; RAW_BYTES]; STRIPE];
        let places = &mut places[..values.len()];
        field.add_sums(places, &self.0[..values.len()], &[field.zero(); STRIPE][..values.len()]);
        let mut sums = [field.zero(); STRIPE];
        let sums = &mut sums[..values.len()];
        let canonical = field.add_raw_all(sums, places.as_flattened());
        debug_assert!(canonical, "an element's own encoding");
        field.scale_all(values, sums, weight);
        self.0[..values.len()].fill(Limbs::default());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Adds Σ digit·2^shift·terms.
struct Add<'a, F: MascotField> {
    field: &'a F,
    sums: &'a mut [Limbs],
    terms: &'a [Limbs],
    digit: u32,
    shift: u32,
}

impl<F: MascotField> Kernel for Add<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (sum, term) in self.sums.iter_mut().zip(self.terms) {
            self.field.accumulate(sum, term, self.digit, self.shift);
        }
    }
}

/// One digit for a stripe of values at the holder: Δ_b·d + v into one sum and Δ_b·u into the other. Says whether the
/// message was canonical.
struct Held<'a, F: MascotField> {
    field: &'a F,
    shift: u32,
    digit: u32,
    places: &'a [[u8; RAW_BYTES]],
    u: &'a [Limbs],
    v: &'a [Limbs],
    groups: &'a mut [Group; 2],
}

impl<F: MascotField> Kernel for Held<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { field: f, shift, digit, .. } = self;
        let mut canonical = true;
        let [plus, minus] = self.groups;
        let sums = plus.0.iter_mut().zip(&mut minus.0);
        for ((place, (plus, minus)), (u, v)) in self.places.iter().zip(sums).zip(self.u.iter().zip(self.v)) {
            let d = u128::from_le_bytes(*place);
            canonical &= f.from_raw(d).is_some();
            f.accumulate(plus, &f.with_raw(&Limbs::default(), d), digit, shift);
            f.accumulate(plus, v, 1, shift);
            f.accumulate(minus, u, digit, shift);
        }
        canonical
    }
}

/// The side with x.
pub(crate) struct Owner<F: MascotField>(Trees<F>);

impl<F: MascotField> Owner<F> {
    pub fn new(field: &F, trees: Vec<Leaves>) -> Self {
        Self(Trees::new(field, trees))
    }

    /// The message for the holder, and t for each value.
    pub fn extend(&mut self, field: &F, xs: &[F::Element]) -> (Vec<u8>, Vec<F::Element>) {
        let count = xs.len();
        let mut message = vec![0; self.0.digits.len() * count * RAW_BYTES];
        let places = message.as_chunks_mut::<RAW_BYTES>().0;
        let mut ts = vec![field.zero(); count];
        let mut group = Group::new();
        self.0.expand(field, count, |b, digit, values, u, v| {
            field.add_sums(&mut places[b * count..][values.clone()], u, &xs[values.clone()]);
            let sums = &mut group.0[..values.len()];
            simd::run(Add { field, sums, terms: v, digit: 1, shift: digit.shift });
            if digit.ends_group {
                let (ts, mut sums) = (&mut ts[values], [field.zero(); STRIPE]);
                group.close(field, digit.group_weight, &mut sums[..ts.len()]);
                ts.iter_mut().zip(sums).for_each(|(t, sum)| *t = field.add(*t, sum));
            }
        });
        (message, ts)
    }
}

/// The side with Δ.
pub(crate) struct Holder<F: MascotField> {
    trees: Trees<F>,
    digits: Vec<u32>,
}

impl<F: MascotField> Drop for Holder<F> {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl<F: MascotField> Holder<F> {
    /// `trees` are punctured at `digits`, which must be the digits of an element.
    pub fn new(field: &F, trees: Vec<Leaves>, digits: &[u32]) -> Self {
        Self { trees: Trees::new(field, trees), digits: digits.to_vec() }
    }

    pub fn message_bytes(&self, count: usize) -> usize {
        self.digits.len() * count * RAW_BYTES
    }

    /// q for each value, from the owner's message of [`Self::message_bytes`]; `None` if an element
    /// in it is not canonical.
    pub fn extend(&mut self, field: &F, count: usize, message: &[u8]) -> Option<Vec<F::Element>> {
        let places = message.as_chunks::<RAW_BYTES>().0;
        let digits = &self.digits;
        let mut canonical = true;
        let mut qs = vec![field.zero(); count];
        let mut groups = [Group::new(), Group::new()];
        self.trees.expand(field, count, |b, at, values, u, v| {
            let (places, groups) = (&places[b * count..][values.clone()], &mut groups);
            canonical &= simd::run(Held { field, shift: at.shift, digit: digits[b], places, u, v, groups });
            if at.ends_group {
                let (qs, mut sums) = (&mut qs[values], [[field.zero(); STRIPE]; 2]);
                let both = groups.iter_mut().zip(&mut sums);
                both.for_each(|(group, sums)| group.close(field, at.group_weight, &mut sums[..qs.len()]));
                let [plus, minus] = &sums;
                qs.iter_mut().zip(plus).zip(minus).for_each(|((q, &x), &y)| *q = field.add(*q, field.sub(x, y)));
            }
        });
        canonical.then_some(qs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::prime::{CARBYNE_PRIME, DEFAULT_PRIME};
    use crate::field::{BinaryField, Field, PrimeField};
    use crate::mascot::{ggm, testing};
    use crate::port::Rng;
    use rand_core::SeedableRng;

    fn ends<F: MascotField>(f: &F, width: usize, delta: u128, rng: &mut Rng) -> (Owner<F>, Holder<F>) {
        let widths = ggm::digit_widths(f.bits() as usize, width);
        let digits: Vec<u32> =
            (0..widths.len()).map(|b| (delta >> (b * width)) as u32 & ((1 << widths[b]) - 1)).collect();
        let (all, punctured) = testing::leaves(&widths, &digits, rng);
        (Owner::new(f, all), Holder::new(f, punctured, &digits))
    }

    fn outputs_differ_by_delta_times_x<F: MascotField>(f: &F, rng: &mut Rng, story: &str) {
        for width in [1, 2, 4, 5, 8] {
            let delta = f.random(rng);
            let (mut owner, mut holder) = ends(f, width, f.to_bits(delta), rng);
            for count in [1, 2, STRIPE, 2 * STRIPE + 5] {
                let xs = f.random_vec(rng, count);
                let (message, ts) = owner.extend(f, &xs);
                assert_eq!(message.len(), holder.message_bytes(count));
                let qs = holder.extend(f, count, &message).expect("canonical elements");
                for ((&x, &t), &q) in xs.iter().zip(&ts).zip(&qs) {
                    assert!(f.sub(q, t) == f.mul(delta, x), "{story}, width {width}");
                }
            }
        }
    }

    #[test]
    fn the_outputs_differ_by_delta_times_x_for_all_widths_and_fields() {
        let mut rng = Rng::seed_from_u64(1);
        for prime in [3, 257, 65537, (1 << 61) - 1, (1 << 127) - 1, CARBYNE_PRIME, DEFAULT_PRIME] {
            outputs_differ_by_delta_times_x(&PrimeField::new(prime).unwrap(), &mut rng, &format!("p = {prime}"));
        }
        for degree in [8, 40, 64, 128] {
            outputs_differ_by_delta_times_x(&BinaryField::new(degree).unwrap(), &mut rng, &format!("2^{degree}"));
        }
    }

    #[test]
    fn an_element_that_is_not_canonical_is_refused() {
        let mut rng = Rng::seed_from_u64(2);
        let f = PrimeField::carbyne();
        let (mut owner, mut holder) = ends(&f, 4, 12345, &mut rng);
        let (mut message, _) = owner.extend(&f, &f.random_vec(&mut rng, 3));
        message[32..48].copy_from_slice(&CARBYNE_PRIME.to_le_bytes());
        assert!(holder.extend(&f, 3, &message).is_none());
    }

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn messages_are_frozen() {
        let f = PrimeField::carbyne();
        let (message, t) = Owner::new(&f, testing::fixed_trees(32, 4)).extend(&f, &[f.element(7)]);
        let digest = crate::digest::Transcript::new("known answer").bytes(&message).finish();
        assert_eq!(hex::encode(digest), "e868e17933bf785c12bf50bb25786e314dd7d7568d503f23ea657e63d32be967");
        assert_eq!(f.to_u128(t[0]).to_string(), "192303765724939663401277657956341818085");
    }

    #[test]
    fn messages_hide_their_values_behind_fresh_masks() {
        let mut rng = Rng::seed_from_u64(3);
        let f = PrimeField::carbyne();
        let (mut owner, _) = ends(&f, 4, 1, &mut rng);
        let x = [f.one()];
        assert_ne!(owner.extend(&f, &x).0, owner.extend(&f, &x).0, "the same value twice looks different");
    }
}

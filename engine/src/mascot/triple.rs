//! Multiplication triples: Π_Triple of MASCOT (eprint 2016/505 §5, Fig. 7).
//!
//! For a tile of triples, in this order:
//! 1. **Multiply.** P_i draws a ∈ F^τ and b ∈ F per triple. For every ordered pair (i, j), τ·f random
//!    OTs with the bits of P_i's a as choices ([`super::softspoken`], its check included) give P_j
//!    (s₀, s₁) and P_i s_c, hashed to the field. P_j sends d_h = s₀ − s₁ + b_j; P_i has
//!    q_h = s_c + c·d_h = s₀ + c·b_j. Weighted by 2^h, q − t = a_i·b_j per component, so
//!    c_i = a_i·b_i + Σ_j (q_{i,j} − t_{j,i}).
//! 2. **Combine.** When all d_h are fixed, a coin gives r, r̂ ∈ F^τ per triple: a = ⟨a, r⟩, c = ⟨c, r⟩,
//!    â = ⟨a, r̂⟩, ĉ = ⟨c, r̂⟩.
//! 3. **Authenticate** a, b, c ([`super::authenticate`]); when they are fixed, a coin gives ψ ∈ F per triple, and the
//!    parties authenticate Â = Σψ·â and Ĉ = Σψ·ĉ, two values for the whole tile.
//! 4. **Sacrifice.** When those and the y of step 3 are fixed, a coin gives t ∈ F; every party broadcasts its shares of
//!    ρ = t·a − â. Σψ·ρ must be what t·Σψ·a − Â shares, and t·Σψ·c − Ĉ − Σψ·ρ·b must be 0; both join the MAC check unopened.
//! 5. The MAC check over both, all zeros and all y of step 3 is the caller's, before any output leaves.
//!
//! Inconsistent d_h make c wrong depending on bits of a; the sacrifice then answers a guess of c bits, passed with
//! probability 2^-c. By the leftover hash lemma a and â are within ½·2^-(((τ−2)·log₂|F| − c)/2) of uniform then, so the
//! advantage is at most ½·2^-((τ−2)·log₂|F|/2); [`components`] picks τ for that.
//!
//! **Where this differs from MASCOT**, which authenticates â and ĉ of every triple, opens ρ under MACs and checks
//! σ = t·c − ĉ − ρ·b of every triple: here only their combinations are authenticated, 3 values per triple in the place of
//! 5, and ρ stands on its own. Argument (in full: `docs/security/sacrifice.md`), *not reviewed by others*. Let a, b be the
//! sums of the factors that went into step 1, and a + ε, b + β, a·b + e what is authenticated in step 3, with ε, β, e per triple, fixed before ψ; Â and Ĉ are
//! fixed before t, ρ may depend on everything. Write ρ = t·a − â + δ with the â of step 2.
//! - *Some ψ·δ ≠ 0.* The second equation contains −Σψ·δ·(b + β). Nothing that the cheaters have seen depends on an honest
//!   party's share of b: the d_h hide it behind s₀ − s₁ of which they know one half, COPEe behind the leaf that they lack,
//!   and the y of step 3 behind its mask. All else in the equation is fixed with δ, so it holds with probability 1/|F|.
//!   (It is the correlation c = a·b with an unknown b that binds the cheaters to their a and â, as a MAC would.)
//! - *All ψ·δ = 0, some ε ≠ 0.* The first equation is t·Σψ·ε = (what is fixed before t). Σψ·ε = 0 with probability 1/|F|,
//!   else one t satisfies it.
//! - *All ψ·δ = 0, all ε = 0.* The second is t·Σψ·(e − a·β) = (what is fixed before t): the same. If e = a·β for every
//!   triple, then a·b + e = a·(b + β): the triples are right.
//!
//! So a wrong triple passes with probability at most 3/|F|, and a wrong ρ tells the cheaters only that they did not guess
//! b. Whether the equations hold depends on honest bits through e and the error of Ĉ as it does in MASCOT: both are
//! satisfied for all t and ψ, up to those probabilities, or not at all. For n ≥ 3 the broadcast of ρ is echoed, so that
//! honest parties compute with the same ρ.

use super::MascotField;
use super::authenticate::Authenticator;
use super::coins::Coins;
use super::cope::RAW_BYTES;
use super::multiply::{Multiplier, Products};
use crate::digest::Hash;
use crate::error::{Error, Malformed, Result};
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::prg::Prg;
use crate::share::Shares;
use crate::step::Step;
use zeroize::{Zeroize, Zeroizing};

/// Components τ of a before combining: the smallest number with an advantage of at most
/// 2^-statistical; log₂|F| is taken as one less than the bits of the field's elements.
pub(crate) fn components(field_bits: u32, statistical: u32) -> usize {
    let entropy = (field_bits - 1).max(1);
    2 + (2 * statistical - 2).div_ceil(entropy) as usize
}

impl<F: MascotField> Multiplier<F> {
    /// Step 2.
    fn combine(&self, party: &Party, coin: &Hash, products: &Products<F>) -> Combined<F> {
        let (f, tau) = (&self.field, self.components);
        let count = products.b.len();
        let mut prg = Prg::new(party.transcript("mascot/combine").bytes(coin).finish());
        let mut combined = Combined { values: f.zeros(3 * count), a_hat: f.zeros(count), c_hat: f.zeros(count) };
        let (a, rest) = combined.values.split_at_mut(count);
        let (b, c) = rest.split_at_mut(count);
        b.copy_from_slice(&products.b);
        for first in (0..count).step_by(COMBINED) {
            let end = count.min(first + COMBINED);
            let coefficients = prg.elements(f, 2 * tau * (end - first));
            for (k, coefficients) in (first..end).zip(coefficients.chunks_exact(2 * tau)) {
                let (r, r_hat) = coefficients.split_at(tau);
                let (raw_a, raw_c) = (&products.a[k * tau..(k + 1) * tau], &products.c[k * tau..(k + 1) * tau]);
                (a[k], combined.a_hat[k]) = (inner(f, raw_a, r), inner(f, raw_a, r_hat));
                (c[k], combined.c_hat[k]) = (inner(f, raw_c, r), inner(f, raw_c, r_hat));
            }
        }
        combined
    }
}

/// Triples whose coefficients are expanded at once.
const COMBINED: usize = 64;

/// Σ aᵢ·bᵢ for few terms.
fn inner<F: Field>(field: &F, a: &[F::Element], b: &[F::Element]) -> F::Element {
    a.iter().zip(b).fold(field.zero(), |sum, (&x, &y)| field.add(sum, field.mul(x, y)))
}

/// Products after combining: a, b and c one after the other, and what they are checked against.
struct Combined<F: Field> {
    values: Vec<F::Element>,
    a_hat: Vec<F::Element>,
    c_hat: Vec<F::Element>,
}

impl<F: Field> Drop for Combined<F> {
    fn drop(&mut self) {
        [&mut self.values, &mut self.a_hat, &mut self.c_hat].into_iter().for_each(Zeroize::zeroize);
    }
}

/// Makes `count` triples up to step 4: columns a, b, c. 11 rounds (some echoed for n ≥ 3) and a part
/// of a batch of coins.
///
/// # Security
/// Nothing of the result leaves before a MAC check of `mac` has passed.
pub(crate) async fn tile<F: MascotField>(
    multiplier: &mut Multiplier<F>,
    authenticator: &mut Authenticator<F>,
    coins: &mut Coins,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<[Shares<F>; 3]> {
    let f = authenticator.field.clone();
    let products = multiplier.multiply(party, coins, count).await?;
    let coin = coins.toss(party).await?;
    let combined = multiplier.combine(party, &coin, &products);
    drop(products);
    let fixed = fix(authenticator, coins, party, mac, &combined).await?;
    let rho = reveal_rho(&f, party, fixed.t, &combined).await?;
    sacrifice(&f, mac, &fixed, &rho);
    Ok(fixed.triples)
}

/// What is fixed before ρ is known.
struct Fixed<F: Field> {
    triples: [Shares<F>; 3],
    psi: Vec<F::Element>,
    /// The MACs of Â and Ĉ.
    sums: [F::Element; 2],
    t: F::Element,
}

/// Step 3, and the coin of step 4.
async fn fix<F: MascotField>(
    authenticator: &mut Authenticator<F>,
    coins: &mut Coins,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    combined: &Combined<F>,
) -> Result<Fixed<F>> {
    let f = authenticator.field.clone();
    let (n, count) = (party.n(), combined.a_hat.len());
    let mut inputs = authenticator.input(party, &combined.values, &vec![3 * count; n]).await?;
    let coin = coins.toss(party).await?;
    let psi = Prg::new(party.transcript("mascot/sacrifice weights").bytes(&coin).finish()).elements(&f, count);
    let sums = Zeroizing::new([f.dot(&combined.a_hat, &psi), f.dot(&combined.c_hat, &psi)]);
    authenticator.input_more(party, &mut inputs, sums.as_slice(), &vec![sums.len(); n]).await?;
    let coin = coins.toss(party).await?;
    authenticator.check(party, mac, &coin, &inputs).await?;
    // A coin of its own: an input that is not the same for all digits of a MAC key share is fixed by y, not before.
    let coin = coins.toss(party).await?;
    let all = inputs.total(&f);
    let t = Prg::new(party.transcript("mascot/sacrifice").bytes(&coin).finish()).elements(&f, 1)[0];
    let triples = std::array::from_fn(|k| all.slice(k * count..(k + 1) * count));
    Ok(Fixed { triples, psi, sums: [all.macs[3 * count], all.macs[3 * count + 1]], t })
}

/// ρ = t·a − â, from everyone's shares. 1 round, 2 for n ≥ 3.
async fn reveal_rho<F: MascotField>(
    field: &F,
    party: &mut Party,
    t: F::Element,
    combined: &Combined<F>,
) -> Result<Vec<F::Element>> {
    let step = Step::MascotSacrifice;
    let count = combined.a_hat.len();
    let mut scaled = Zeroizing::new(field.zeros(count));
    field.scale_all(&mut scaled, &combined.values[..count], t);
    let mut rho = Vec::with_capacity(count);
    field.extend_differences(&scaled, &combined.a_hat, &mut rho);
    let mut message = Vec::with_capacity(count * RAW_BYTES);
    field.encode_raw_all(&rho, &mut message);
    let messages = party.broadcast(step, message).await?;
    for peer in party.peers() {
        let message = &messages[peer.get()];
        party.expect_len(peer, step, message, count * RAW_BYTES)?;
        if !field.add_raw_all(&mut rho, message) {
            return Err(Error::Malformed { peer, step, what: Malformed::Element });
        }
    }
    Ok(rho)
}

/// Registers the two equations of step 4.
fn sacrifice<F: MascotField>(field: &F, mac: &mut MacCheck<F>, fixed: &Fixed<F>, rho: &[F::Element]) {
    let Fixed { triples: [a, b, c], psi, sums: [a_hat, c_hat], t } = fixed;
    let mut weighted = field.zeros(rho.len());
    field.multiply_all(&mut weighted, psi, rho);
    let sum = field.sum(weighted.iter().copied());
    let of_a = field.sub(field.mul(*t, field.dot(psi, &a.macs)), *a_hat);
    let of_c = field.sub(field.mul(*t, field.dot(psi, &c.macs)), *c_hat);
    let zero = field.sub(of_c, field.dot(&weighted, &b.macs));
    mac.register(&[sum, field.zero()], &[of_a, zero]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Fp;
    use crate::field::PrimeField;
    use crate::mascot::Live;
    use crate::mascot::testing::{Seat, honest_alphas, seats};
    use crate::port::LocalGate;
    use crate::sim::Simulator;
    use crate::statistics::{assert_fair, assert_rate};

    #[test]
    fn the_components_are_the_fewest_for_the_bound() {
        // 2 + (2·64 − 2)/(f − 1), rounded up: f − 1 is a lower bound for log₂ p.
        for (bits, statistical, expected) in
            [(128, 64, 3), (127, 64, 3), (126, 64, 4), (64, 64, 4), (61, 40, 4), (9, 64, 18), (128, 80, 4), (2, 1, 2)]
        {
            assert_eq!(components(bits, statistical), expected, "{bits} bits, 2^-{statistical}");
        }
    }

    /// What party 0 does: to its masked factors, to its a, b or c before they are authenticated, to its ρ.
    #[derive(Clone, Copy)]
    struct Lie {
        factors: &'static [usize],
        combined: Option<usize>,
        rho: bool,
    }

    /// The outcomes of trials with one triple each: passed, and passed though the triple is wrong.
    fn outcomes(lie: Lie) -> (usize, usize) {
        let f = field(17);
        let mut simulator = Simulator::new(3, 2);
        let seats = seats(&simulator, f, &honest_alphas(&f, 2, 3), 3);
        spoil_factors(&mut simulator, f, lie.factors);
        let run = |mut seat: Seat<PrimeField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            live.multiplier.components = 2;
            let mut passed = Vec::new();
            for _ in 0..TRIALS {
                let Trial { columns, passes, .. } = trial(&mut live, &mut seat, lie).await;
                passed.push(passes.then_some(columns));
            }
            passed
        };
        let results = simulator.run(seats.into_iter().map(run).collect());
        let (mut passed, mut wrong) = (0, 0);
        for (x, y) in results[0].iter().zip(&results[1]) {
            let (Some(x), Some(y)) = (x, y) else {
                assert!(x.is_none() && y.is_none(), "both see the same verdict");
                continue;
            };
            let [a, b, c] = std::array::from_fn(|k| f.add(x[k], y[k]));
            passed += 1;
            wrong += usize::from(f.mul(a, b) != c);
        }
        (passed, wrong)
    }

    fn field(prime: u128) -> PrimeField {
        PrimeField::new(prime).expect("a prime")
    }

    /// Party 0 adds 1 to these of its masked factors.
    fn spoil_factors(simulator: &mut Simulator, f: PrimeField, factors: &'static [usize]) {
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(Step::MascotMultiply) && frame.from.0 == 0 {
                let places = bytes[6..].as_chunks_mut::<RAW_BYTES>().0;
                for &factor in factors {
                    let x = f.decode_raw(places[factor]).expect("canonical");
                    places[factor] = f.encode_raw(f.add(x, f.one()));
                }
            }
            vec![bytes]
        });
    }

    /// One triple at one party, with what the test looks at.
    struct Trial {
        a: Fp,
        r: Fp,
        columns: [Fp; 3],
        passes: bool,
    }

    async fn trial(live: &mut Live<PrimeField>, seat: &mut Seat<PrimeField>, lie: Lie) -> Trial {
        let f = live.field;
        let mut mac = MacCheck::new(f, live.authenticator.key.clone(), Box::new(LocalGate::default()));
        let (Live { multiplier, authenticator, coins, .. }, party) = (live, &mut seat.party);
        let products = multiplier.multiply(party, coins, 1).await.expect("honest choices");
        let coin = coins.toss(party).await.expect("a coin");
        let mut combined = multiplier.combine(party, &coin, &products);
        let r = Prg::new(party.transcript("mascot/combine").bytes(&coin).finish()).elements(&f, 1)[0];
        if let Some(place) = lie.combined.filter(|_| party.is_first()) {
            combined.values[place] = f.add(combined.values[place], f.one());
        }
        let a = combined.values[0];
        let fixed = fix(authenticator, coins, party, &mut mac, &combined).await.expect("no check here");
        if lie.rho && party.is_first() {
            combined.a_hat[0] = f.add(combined.a_hat[0], f.one());
        }
        let rho = reveal_rho(&f, party, fixed.t, &combined).await.expect("no check here");
        sacrifice(&f, &mut mac, &fixed, &rho);
        let columns = fixed.triples.each_ref().map(|column| column.values[0]);
        Trial { a, r, columns, passes: mac.check(party).await.is_ok() }
    }

    const TRIALS: usize = 1_500;
    /// The probability that a coincidence does not happen.
    const MISS: f64 = 16.0 / 17.0;

    /// All d of the first component: c is wrong by r₀·a₀ with party 1's a₀. It passes if a₀ is zero (then c is
    /// right), or t·r₀ = r̂₀, or ψ is zero, or the MAC check's coefficient is.
    #[test]
    fn a_wrong_product_passes_as_often_as_the_field_is_small() {
        let (passed, wrong) = outcomes(Lie { factors: &[0, 1, 2, 3, 4], combined: None, rho: false });
        assert_rate(passed, TRIALS, 1.0 - MISS.powi(4), "passed");
        assert_rate(wrong, TRIALS, MISS * MISS * (1.0 - MISS.powi(3)), "passed and wrong");
    }

    /// One d: it matters if party 1 has that bit, so half of the lies are harmless.
    #[test]
    fn a_wrong_product_for_one_bit_passes_half_of_the_time_and_is_harmless_then() {
        let (passed, wrong) = outcomes(Lie { factors: &[3], combined: None, rho: false });
        let bit = 8.0 / 17.0;
        assert_rate(passed, TRIALS, 1.0 - bit * MISS.powi(3), "passed");
        assert_rate(wrong, TRIALS, bit * MISS * (1.0 - MISS.powi(3)), "passed and wrong");
    }

    /// Another a, b or c than was multiplied. The second equation is then off by ψ·t·b, ψ·ρ or ψ·t: it passes if one of
    /// these factors or its coefficient in the MAC check is zero.
    #[test]
    fn what_was_not_multiplied_passes_as_often_as_the_field_is_small() {
        let three = 1.0 - MISS.powi(3);
        for (place, coincidences, is_wrong) in [(0, 4, MISS * three), (1, 3, MISS * three), (2, 3, three)] {
            let (passed, wrong) = outcomes(Lie { factors: &[], combined: Some(place), rho: false });
            assert_rate(passed, TRIALS, 1.0 - MISS.powi(coincidences), &format!("value {place} passed"));
            assert_rate(wrong, TRIALS, is_wrong, &format!("value {place} passed and was wrong"));
        }
    }

    /// ρ + 1 at all parties: the equations are off by ψ and ψ·b. It passes if ψ or the combination of both in the MAC
    /// check is zero, and the triple is right.
    #[test]
    fn a_wrong_rho_passes_as_often_as_the_field_is_small_and_is_harmless() {
        let (passed, wrong) = outcomes(Lie { factors: &[], combined: None, rho: true });
        assert_rate(passed, TRIALS, 1.0 - MISS * MISS, "passed");
        assert_eq!(wrong, 0);
    }

    /// How often bit 3 of party 1's a/r₀ is zero when a lie about that bit of its first component has passed.
    fn leaked(components: usize) -> (usize, usize) {
        let f = field(257);
        let mut simulator = Simulator::new(4, 2);
        let seats = seats(&simulator, f, &honest_alphas(&f, 2, 4), 4);
        spoil_factors(&mut simulator, f, &[3]);
        let run = |mut seat: Seat<PrimeField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            assert_eq!(live.multiplier.components, super::components(9, 64), "what a setup uses");
            live.multiplier.components = components;
            let (mut zeros, mut passed) = (0, 0);
            for _ in 0..1_000 {
                let none = Lie { factors: &[], combined: None, rho: false };
                let Trial { a, r, passes, .. } = trial(&mut live, &mut seat, none).await;
                let a = f.to_bits(f.mul(a, f.inv(r)));
                passed += usize::from(passes && r != f.zero());
                zeros += usize::from(passes && r != f.zero() && a >> 3 & 1 == 0);
            }
            (zeros, passed)
        };
        simulator.run(seats.into_iter().map(run).collect())[1]
    }

    /// Why there are components: with one of them the verdict is a bit of a, with three it says nothing of a.
    #[test]
    fn an_abort_reveals_a_bit_of_one_component_and_nothing_of_three_combined() {
        let (zeros, passed) = leaked(1);
        assert!(zeros * 50 > passed * 48, "the experiment sees a leak: {zeros} of {passed}");
        let (zeros, passed) = leaked(3);
        assert_fair(zeros, passed, "a bit of a, given that the lie passed");
    }
}

//! How often lies pass in a field so small that it shows: every check of LowGear that a lie meets in the field, which
//! all have an error of about 1/|F| at a time.

use super::World;
use crate::coin;
use crate::field::{Field, Fp, PrimeField};
use crate::lowgear::bgv::Scheme;
use crate::lowgear::params::{KEPT, PRIMES};
use crate::lowgear::setup::Live;
use crate::lowgear::triple::{Block, Encrypted};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::port::{LocalGate, Rng};
use crate::share::Shares;
use crate::sim::Simulator;
use crate::statistics::assert_rate;
use crate::step::Step;
use crate::test_world::spoiling::HEADER;
use crate::workers::Workers;
use rand_core::SeedableRng;
use std::cell::RefCell;
use zeroize::Zeroizing;

const TRIALS: usize = 1_500;
/// The probability that a coincidence does not happen.
const MISS: f64 = 16.0 / 17.0;

/// N = 8.
fn world(seed: u64) -> World {
    World::new(17, 3, 2, seed)
}

/// A product as it travels with 1 added to slot 2 of its plaintext.
fn add_to_slot(scheme: &Scheme, bytes: &mut [u8]) {
    let f = scheme.field;
    // Less what the switch multiplies with.
    let mut slots = vec![f.zero(); scheme.n()];
    slots[2] = f.inv(PRIMES[KEPT..].iter().fold(f.one(), |product, &q| f.mul(product, f.element(q as u128))));
    let error: Vec<u64> = scheme.coefficients_of(&slots).iter().map(|&x| f.to_bits(x) as u64).collect();
    let mut product = scheme.decode_product(bytes).expect("canonical");
    for limb in 0..KEPT {
        let m = *scheme.ring.modulus(limb);
        let words = scheme.ring.limb_mut(&mut product.c0, limb);
        words.iter_mut().zip(&error).for_each(|(x, &e)| *x = m.add(*x, e));
    }
    let mut encoded = Vec::new();
    scheme.encode_product(&product, &mut encoded);
    bytes.copy_from_slice(&encoded);
}

/// Runs `trial` at two parties of a setup many times, where party 0 adds 1 to slot 2 of its first product in every
/// message of `step`. Returns what the trials of both say.
fn trials<T>(
    world: &World,
    step: Option<Step>,
    trial: impl AsyncFn(&mut Live, &mut Party, &mut MacCheck<PrimeField>) -> T,
) -> [Vec<T>; 2] {
    let f = world.field;
    let scheme = Scheme::new(f, &world.params, &PRIMES);
    let mut simulator = Simulator::new(world.seed, 2);
    simulator.hook(move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if step.is_some() && frame.step == step && frame.from.0 == 0 && bytes.len() > HEADER {
            add_to_slot(&scheme, &mut bytes[HEADER..HEADER + scheme.product_bytes()]);
        }
        vec![bytes]
    });
    let results = world.play(&mut simulator, 0, async |mut party, mac| {
        let live = Live::establish(&mut party, f, mac.key(), world.params, false, &Workers::default()).await;
        let mut live = live.expect("honest so far");
        let mut results = Vec::new();
        for _ in 0..TRIALS {
            let mut mac = MacCheck::new(f, mac.key().clone(), Box::new(LocalGate::default()));
            results.push(trial(&mut live, &mut party, &mut mac).await);
        }
        results
    });
    results.try_into().unwrap_or_else(|_| panic!("two parties"))
}

fn passed(results: [Vec<bool>; 2]) -> usize {
    assert_eq!(results[0], results[1], "both see the same verdict");
    results[0].iter().filter(|&&passed| passed).count()
}

/// A block's factors and what the peers sent of theirs, for many trials.
type Factors = (Vec<Block>, Encrypted);

/// A block from its products on, for another b. The values of slot 2 of a, b and c if it passes.
async fn block(
    live: &mut Live,
    party: &mut Party,
    mac: &mut MacCheck<PrimeField>,
    (own, encrypted): &mut Factors,
) -> Option<[Fp; 3]> {
    own[0].b = Zeroizing::new(live.scheme.field.random_vec(&mut party.rng, live.scheme.n()));
    let mut columns = live.block(party, &own[0], encrypted).await.expect("no check here");
    let coin = coin::toss(party).await.expect("a coin");
    live.check_linear(party, mac, &coin, &mut columns).await.expect("an opening");
    let columns = live.sacrifice(party, mac, &coin, columns).await.expect("an opening");
    mac.check(party).await.is_ok().then(|| columns.map(|column| column.values[2]))
}

/// How many blocks pass, and how many of them with a wrong triple. Party 0 adds `lie` to its a after encrypting it.
fn blocks(step: Option<Step>, lie: u128) -> (usize, usize) {
    let world = world(3);
    let f = world.field;
    let factors: [RefCell<Option<Factors>>; 2] = Default::default();
    let [first, second] = trials(&world, step, async |live, party, mac| {
        let kept = &factors[party.index().get()];
        let taken = kept.take();
        let mut factors = match taken {
            Some(factors) => factors,
            None => {
                let mut factors = live.encrypt(party, 1).await.expect("honest proofs");
                if party.is_first() {
                    factors.0[0].a[2] = f.add(factors.0[0].a[2], f.element(lie));
                }
                factors
            }
        };
        let outcome = block(live, party, mac, &mut factors).await;
        kept.replace(Some(factors));
        outcome
    });
    let (mut passed, mut wrong) = (0, 0);
    for (x, y) in first.into_iter().zip(second) {
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

/// It passes if t or the coefficient of that σ in the MAC check is zero.
#[test]
fn a_wrong_product_passes_as_often_as_the_field_is_small() {
    let (passed, wrong) = blocks(Some(Step::LowGearProduct), 0);
    assert_rate(passed, TRIALS, 1.0 - MISS * MISS, "passed");
    assert_eq!(passed, wrong, "c is not a·b in any of them");
}

/// Another a than was encrypted: it passes if t, the peer's b or the coefficient is zero.
#[test]
fn a_factor_that_was_not_encrypted_passes_as_often_as_the_field_is_small() {
    let (passed, wrong) = blocks(None, 1);
    assert_rate(passed, TRIALS, 1.0 - MISS.powi(3), "passed");
    assert_rate(wrong, TRIALS, MISS * (1.0 - MISS * MISS), "passed and wrong");
}

/// The MAC of another value than is shared: it passes the linear check if its coefficient or that of the opening is
/// zero.
#[test]
fn another_authenticated_value_passes_as_often_as_the_field_is_small() {
    let results = trials(&world(4), Some(Step::LowGearAuthenticate), async |live, party, mac| {
        let mut randoms = [live.random_block_of_shares(party).await.expect("no check here")];
        let coin = coin::toss(party).await.expect("a coin");
        live.check_linear(party, mac, &coin, &mut randoms).await.expect("an opening");
        mac.check(party).await.is_ok()
    });
    assert_rate(passed(results), TRIALS, 1.0 - MISS * MISS, "randoms");
}

#[test]
fn another_input_passes_as_often_as_the_field_is_small() {
    let results = trials(&world(5), Some(Step::LowGearInput), async |live, party, mac| {
        live.input(party, mac, &[true, false], 1).await.expect("combinations");
        mac.check(party).await.is_ok()
    });
    assert_rate(passed(results), TRIALS, 1.0 - MISS * MISS, "inputs");
}

/// Another key share than that of the anchor: the error of what is opened is δ·χ₀·anchor.
#[test]
fn another_key_share_passes_the_link_as_often_as_the_field_is_small() {
    let mut world = world(6);
    world.shift = 1;
    let (f, alpha) = (world.field, world.dealer.alpha());
    let anchors = RefCell::new([0; 2].map(|_| Rng::seed_from_u64(7)));
    let results = trials(&world, None, async |live, party, mac| {
        let [value, share, tag] = {
            let rng = &mut anchors.borrow_mut()[party.index().get()];
            [0; 3].map(|_| f.random(rng))
        };
        let second = (f.sub(value, share), f.sub(f.mul(alpha, value), tag));
        let (value, tag) = if party.is_first() { (share, tag) } else { second };
        live.link(party, mac, Some(&Shares::new(vec![value], vec![tag]))).await.is_ok()
    });
    assert_rate(passed(results), TRIALS, 1.0 - MISS * MISS, "links");
}

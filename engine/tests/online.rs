//! The online operations against the ideal functionality (the dealer), under any delivery order
//! and with one cheating party.

use polyyne_engine::dealer::Dealer;
use polyyne_engine::delivery;
use polyyne_engine::digest::Hash;
use polyyne_engine::error::{Error, Malformed, Severity};
use polyyne_engine::field::{ELEMENT_BYTES, Field, Fp, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::online::Online;
use polyyne_engine::party::{Party, PartyIndex};
use polyyne_engine::port::{BoxFuture, Gate, GateError, LocalGate, OwnSigma, Rng, Verdict};
use polyyne_engine::share::Shares;
use polyyne_engine::sim::{Frame, Simulator};
use polyyne_engine::step::Step;
use proptest::prelude::*;
use rand_core::SeedableRng;

type Parties = Vec<Online<PrimeField>>;

fn parties(sim: &Simulator, field: PrimeField, n: usize, seed: u64) -> Parties {
    let mut dealer_seed = [n as u8; 32];
    dealer_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let dealer = Dealer::new(field, n, dealer_seed);
    sim.channels()
        .into_iter()
        .enumerate()
        .map(|(i, channels)| {
            let party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(seed.wrapping_mul(64) + i as u64));
            let mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));
            Online::new(field, party, mac, Box::new(dealer.tuples(i, 0)))
        })
        .collect()
}

/// What a client does with everyone's delivery.
fn client(f: &PrimeField, deliveries: &[delivery::Delivery<PrimeField>]) -> Option<Vec<Fp>> {
    let sum = |get: &dyn Fn(&delivery::Delivery<PrimeField>) -> Fp| f.sum(deliveries.iter().map(get));
    let (r, v, u) = (sum(&|d| d.r), sum(&|d| d.v), sum(&|d| d.u));
    let y: Vec<Fp> = (0..deliveries[0].y.len()).map(|k| sum(&|d| d.y[k])).collect();
    let w_ok = (0..y.len()).all(|k| sum(&|d| d.w[k]) == f.mul(y[k], r));
    (w_ok && u == f.mul(v, r)).then_some(y)
}

/// Two private inputs, a product, a dot product, one opened and one delivered to a client.
async fn program(
    mut online: Online<PrimeField>,
    x: Fp,
    y: Fp,
) -> Result<(Vec<Fp>, delivery::Delivery<PrimeField>), Error> {
    let own = online.party.index();
    let mine = |owner: PartyIndex, value: Fp| (owner == own).then_some(vec![value; 2]);
    let x = online.input(PartyIndex(0), 2, mine(PartyIndex(0), x).as_deref()).await?;
    let y = online.input(PartyIndex(1), 2, mine(PartyIndex(1), y).as_deref()).await?;
    let product = online.multiply(&x, &y).await?;
    let dot = online.dot_products(&x, &y, &[2]).await?;
    let opened = online.open_checked(&product).await?;
    let delivery = delivery::prepare(&mut online, &dot).await?;
    Ok((opened, delivery))
}

type Outcome = Vec<Result<(Vec<Fp>, delivery::Delivery<PrimeField>), Error>>;

fn run(seed: u64, n: usize, field: PrimeField, x: Fp, y: Fp, hook: Option<Mutation>) -> Outcome {
    let mut sim = Simulator::new(seed, n);
    if let Some(mut mutation) = hook {
        sim.hook(move |frame| mutation.apply(frame));
    }
    let running = parties(&sim, field, n, seed).into_iter().map(|online| program(online, x, y)).collect();
    sim.run(running)
}

/// What a cheating party 0 does to one frame of one step.
#[derive(Clone, Copy, Debug)]
enum Attack {
    FlipBit(usize),
    Truncate,
    Extend,
    Empty,
    NotCanonical,
    Replay,
    Duplicate,
    Drop,
    SplitView,
}

const ATTACKS: [Attack; 10] = [
    Attack::FlipBit(0),
    Attack::FlipBit(77),
    Attack::Truncate,
    Attack::Extend,
    Attack::Empty,
    Attack::NotCanonical,
    Attack::Replay,
    Attack::Duplicate,
    Attack::Drop,
    Attack::SplitView,
];

struct Mutation {
    step: Step,
    attack: Attack,
    earlier: Option<Vec<u8>>,
}

impl Mutation {
    const HEADER: usize = 6;

    fn apply(&mut self, frame: &Frame<'_>) -> Vec<Vec<u8>> {
        let mut bytes = frame.bytes.to_vec();
        if frame.from != PartyIndex(0) || frame.step != Some(self.step) || frame.occurrence > 0 {
            self.earlier = Some(bytes.clone());
            return vec![bytes];
        }
        let body = bytes.len().saturating_sub(Self::HEADER);
        match self.attack {
            Attack::FlipBit(bit) if body > 0 => bytes[Self::HEADER + (bit / 8) % body] ^= 1 << (bit % 8),
            Attack::FlipBit(_) => bytes[0] ^= 1,
            Attack::Truncate => bytes.truncate(bytes.len() - 1),
            Attack::Extend => bytes.push(0),
            Attack::Empty => bytes.clear(),
            Attack::NotCanonical => bytes[Self::HEADER..].iter_mut().take(ELEMENT_BYTES).for_each(|b| *b = 0xff),
            Attack::Replay => bytes = self.earlier.clone().unwrap_or_default(),
            Attack::Duplicate => return vec![bytes.clone(), bytes],
            Attack::Drop => return vec![],
            Attack::SplitView if frame.to.0 == 1 => bytes.iter_mut().skip(Self::HEADER).take(1).for_each(|b| *b ^= 2),
            Attack::SplitView => {}
        }
        vec![bytes]
    }
}

const STEPS: [Step; 11] = [
    Step::Echo,
    Step::CoinCommit,
    Step::CoinOpen,
    Step::Open,
    Step::CheckCoinCommit,
    Step::CheckCoinOpen,
    Step::CheckCommit,
    Step::CheckOpen,
    Step::Input,
    Step::ZeroSeed,
    Step::PrivateOutput,
];

#[test]
fn an_altered_message_never_gives_a_wrong_output() {
    let f = PrimeField::carbyne();
    let (x, y) = (f.from_i64(-5), f.from_i64(12));
    let expected = f.from_i64(-60);
    for n in [2, 3] {
        for step in STEPS {
            for attack in ATTACKS {
                let mutation = Mutation { step, attack, earlier: None };
                let outcome = run(1, n, f, x, y, Some(mutation));
                let context = format!("n={n} {step:?} {attack:?}");
                for result in outcome.iter().skip(1).flatten() {
                    assert!(result.0.iter().all(|&value| value == expected), "{context}");
                }
                let deliveries: Result<Vec<_>, _> = outcome.into_iter().map(|result| result.map(|(_, d)| d)).collect();
                if let Ok(deliveries) = deliveries {
                    let words = client(&f, &deliveries);
                    assert!(words.is_none_or(|words| words == [f.from_i64(-120)]), "{context}");
                }
            }
        }
    }
}

/// What a party gives to all it may choose, but it is the same at all honest parties.
#[test]
fn an_altered_personal_value_is_an_error_or_the_same_at_all_honest_parties() {
    let f = PrimeField::carbyne();
    let own = [f.from_i64(7), f.from_i64(-8)];
    for n in [2, 3] {
        for attack in ATTACKS {
            let mut sim = Simulator::new(2, n);
            let mut mutation = Mutation { step: Step::Personal, attack, earlier: None };
            sim.hook(move |frame| mutation.apply(frame));
            let running: Vec<_> = parties(&sim, f, n, 2)
                .into_iter()
                .map(|mut online| async move {
                    let mine = online.party.is_first().then_some(own.as_slice());
                    online.personal_broadcast(PartyIndex(0), 2, mine).await
                })
                .collect();
            let results = sim.run(running);
            let context = format!("n={n} {attack:?}");
            let received: Vec<_> = results[1..].iter().flatten().collect();
            assert!(received.windows(2).all(|pair| pair[0] == pair[1]), "{context}");
            let still_two_elements = matches!(attack, Attack::FlipBit(_) | Attack::Duplicate | Attack::SplitView);
            assert!(still_two_elements || received.is_empty(), "{context}: accepted");
        }
    }
}

#[test]
fn a_shifted_opening_burns_the_key_at_every_honest_party() {
    let f = PrimeField::carbyne();
    for n in [2, 3, 5] {
        // The same shift to everyone: only the MAC check can see it.
        let mut sim = Simulator::new(3, n);
        sim.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.from.0 == 0 && frame.step == Some(Step::Open) && frame.occurrence == 0 {
                let share = f.from_bytes(*bytes[6..].first_chunk().unwrap()).unwrap();
                bytes[6..6 + ELEMENT_BYTES].copy_from_slice(&f.to_bytes(f.add(share, f.one())));
            }
            vec![bytes]
        });
        let running = parties(&sim, f, n, 3).into_iter().map(|online| program(online, f.one(), f.one())).collect();
        for (i, result) in sim.run(running).into_iter().enumerate().skip(1) {
            let error = result.err().unwrap_or_else(|| panic!("n={n} party {i} accepted"));
            assert!(error.severity() >= Severity::Benign, "n={n} party {i}: {error}");
            if n == 2 {
                assert_eq!(error, Error::OpeningsDiffer { peer: PartyIndex(0) }, "the cheater summed the honest share");
            }
        }
    }
}

/// The cheater computes on with what it claimed, so that its view is consistent: it registers the
/// shifted value too. This is the attack that only Σσ ≠ 0 finds.
#[test]
fn a_consistent_lie_fails_the_mac_check() {
    let f = PrimeField::carbyne();
    for n in [2, 3] {
        let mut sim = Simulator::new(4, n);
        let running: Vec<_> = parties(&sim, f, n, 4)
            .into_iter()
            .map(|mut online| async move {
                let mut random = online.tuples.randoms(3)?;
                if online.party.is_first() {
                    random.values[1] = f.add(random.values[1], f.one());
                }
                online.open_checked(&random).await.map(drop)
            })
            .collect();
        for result in sim.run(running) {
            assert_eq!(result, Err(Error::MacCheckFailed));
        }
    }
}

/// The same cheater waits for the other's σ and opens its own to what makes the sum zero.
#[test]
fn a_rushing_party_cannot_choose_its_sigma() {
    let f = PrimeField::carbyne();
    let mut rushed = 0;
    for seed in 0..8 {
        let mut sim = Simulator::new(seed, 2);
        let saw = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (shared, mut theirs) = (saw.clone(), None);
        sim.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            match (frame.step, frame.from.0, theirs) {
                (Some(Step::CheckOpen), 1, _) => theirs = f.from_bytes(*bytes[6..].first_chunk().unwrap()),
                (Some(Step::CheckOpen), 0, Some(theirs)) => {
                    shared.store(true, std::sync::atomic::Ordering::Relaxed);
                    bytes[6..6 + ELEMENT_BYTES].copy_from_slice(&f.to_bytes(f.neg(theirs)));
                }
                _ => {}
            }
            vec![bytes]
        });
        let running: Vec<_> = parties(&sim, f, 2, seed)
            .into_iter()
            .map(|mut online| async move {
                let mut random = online.tuples.randoms(3)?;
                if online.party.is_first() {
                    random.values[1] = f.add(random.values[1], f.one());
                }
                online.open_checked(&random).await.map(drop)
            })
            .collect();
        let results = sim.run(running);
        if saw.load(std::sync::atomic::Ordering::Relaxed) {
            let mismatch = Error::CommitmentMismatch { peer: PartyIndex(0), step: Step::CheckOpen };
            assert_eq!(mismatch.severity(), Severity::KeyBurned);
            assert_eq!(results[1], Err(mismatch), "seed {seed}");
            rushed += 1;
        }
    }
    assert!(rushed > 0, "some order let the cheater wait");
}

/// The virtual machine settles before: this is what it meets if it ever forgets.
#[test]
#[should_panic(expected = "a check comes before every opening that a program asks for")]
fn a_program_opens_nothing_while_earlier_openings_wait() {
    let f = PrimeField::carbyne();
    let mut sim = Simulator::new(5, 2);
    let running: Vec<_> = parties(&sim, f, 2, 5)
        .into_iter()
        .map(|mut online| async move {
            let random = online.tuples.randoms(1).expect("endless");
            let _opened = online.open(&random).await.expect("nobody lies");
            drop(online.mac.reveal_runs(&mut online.party, &random, &[(0, 1)]).await);
        })
        .collect();
    sim.run(running);
}

#[test]
fn after_a_failed_check_nothing_opens() {
    let f = PrimeField::carbyne();
    let mut sim = Simulator::new(5, 2);
    let running: Vec<_> = parties(&sim, f, 2, 5)
        .into_iter()
        .map(|mut online| async move {
            let mut random = online.tuples.randoms(1).expect("endless");
            random.values[0] = f.one();
            let first = online.open_checked(&random).await;
            let again = online.open(&Shares::zeros(&f, 1)).await.map(drop);
            (first.err().map(|e| e.severity()), again.err().map(|e| e.severity()))
        })
        .collect();
    for (first, again) in sim.run(running) {
        assert_eq!((first, again), (Some(Severity::KeyBurned), Some(Severity::KeyBurned)));
    }
}

/// A gate that lets everything pass: what a check refuses itself.
struct Forgetful;

impl Gate for Forgetful {
    fn enter(&mut self, _covers: Hash) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(async { Ok(()) })
    }

    fn commit(&mut self, _own: OwnSigma) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(async { Ok(()) })
    }

    fn commitments(&mut self, _all: Vec<Hash>) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(async { Ok(()) })
    }

    fn verdict(&mut self, _verdict: Verdict) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(async { Ok(()) })
    }

    fn key_dependent_check(&mut self, _passed: bool) -> BoxFuture<'_, Result<(), GateError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A frame of the round before, of the same step and length.
#[test]
fn a_frame_of_an_earlier_round_is_refused() {
    let mut sim = Simulator::new(8, 2);
    let mut before = Vec::new();
    sim.hook(move |frame| {
        if frame.from != PartyIndex(0) {
            return vec![frame.bytes.to_vec()];
        }
        before.push(frame.bytes.to_vec());
        vec![before[0].clone()]
    });
    let running = sim.channels().into_iter().enumerate().map(|(i, channels)| async move {
        let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
        party.send_all(Step::Open, vec![1; 16]).await?;
        party.send_all(Step::Open, vec![2; 16]).await.map(drop)
    });
    let results = sim.run(running.collect());
    let what = Malformed::UnexpectedRound;
    assert_eq!(results[1], Err(Error::Malformed { peer: PartyIndex(0), step: Step::Open, what }));
}

#[test]
fn nothing_is_checked_after_a_failed_check() {
    let dealer = Dealer::new(PrimeField::carbyne(), 2, [1; 32]);
    let (f, dealer) = (*dealer.field(), &dealer);
    let mut sim = Simulator::new(6, 2);
    let running = sim.channels().into_iter().enumerate().map(|(i, channels)| async move {
        let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
        let mut mac = MacCheck::new(f, dealer.key(i), Box::new(Forgetful));
        mac.register(&[f.one()], &[f.zero()]);
        let first = mac.check(&mut party).await;
        let rounds = party.traffic().rounds;
        (first, mac.check(&mut party).await, party.traffic().rounds - rounds)
    });
    let running: Vec<_> = running.collect();
    for (first, second, rounds) in sim.run(running) {
        assert_eq!(first, Err(Error::MacCheckFailed));
        assert_eq!(second, Err(Error::Gate(GateError::Compromised)));
        assert_eq!(rounds, 0, "nothing is sent");
    }
}

/// In GF(257) a lie passes the MAC check with probability at most 2/257; measured over many runs
/// the rate must be of that order, neither less (the test would show nothing) nor more.
#[test]
fn a_lie_passes_at_the_rate_that_the_theory_gives() {
    let f = PrimeField::new(257).unwrap();
    let runs = 20_000;
    let mut passed = 0;
    for seed in 0..runs {
        let mut sim = Simulator::new(seed, 2);
        let running: Vec<_> = parties(&sim, f, 2, seed)
            .into_iter()
            .map(|mut online| async move {
                let mut random = Shares::zeros(&f, 1);
                if online.party.is_first() {
                    random.values[0] = f.one();
                    random.macs[0] = f.from_i64(9);
                }
                online.open_checked(&random).await.is_ok()
            })
            .collect();
        passed += sim.run(running).into_iter().all(|ok| ok) as usize;
    }
    // One secret α in 257 fits a guess of its value, one χ in 257 cancels.
    // Mean 155, standard deviation 12.4; half and twice the rate are far out.
    assert!((106..=205).contains(&passed), "{passed} of {runs}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_delivery_order_gives_the_right_output(seed: u64, n in 2usize..6, x: i64, y: i64) {
        let f = PrimeField::carbyne();
        let (x, y) = (f.from_i64(x), f.from_i64(y));
        let product = f.mul(x, y);
        let mut deliveries = Vec::new();
        for result in run(seed % (1 << 40), n, f, x, y, None) {
            let (opened, delivery) = result.expect("honest parties");
            prop_assert!(opened == [product; 2]);
            deliveries.push(delivery);
        }
        prop_assert!(client(&f, &deliveries) == Some(vec![f.add(product, product)]));
    }

    /// I33: what one party sees of another's delivery is re-randomised, so the shares that leave
    /// are not those that the parties hold.
    #[test]
    fn the_same_seed_gives_the_same_run(seed in 0u64..1000) {
        let f = PrimeField::carbyne();
        let trace = || {
            let mut sim = Simulator::new(seed, 3);
            let running = parties(&sim, f, 3, seed).into_iter().map(|online| program(online, f.one(), f.one())).collect();
            sim.run(running);
            sim.trace()
        };
        prop_assert_eq!(trace(), trace());
    }
}

#[test]
fn a_silent_party_meets_the_deadline() {
    let f = PrimeField::carbyne();
    let mut sim = Simulator::new(9, 3);
    sim.hook(
        |frame| {
            if frame.from.0 == 0 && frame.step == Some(Step::Open) { vec![] } else { vec![frame.bytes.to_vec()] }
        },
    );
    let running = parties(&sim, f, 3, 9)
        .into_iter()
        .map(|mut online| async move {
            let random = online.tuples.randoms(1)?;
            online.open_checked(&random).await.map(drop)
        })
        .collect();
    let silent = PartyIndex(0);
    for result in sim.run(running).into_iter().skip(1) {
        assert!(
            matches!(result, Err(Error::Malformed { peer, .. } | Error::Channel { peer, .. }) if peer == silent),
            "{result:?}"
        );
    }
}

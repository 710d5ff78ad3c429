//! A cheater that lives through many sessions under one MAC key, keeps what it learned, and comes back after every abort.
//!
//! Once the trees of COPEe could be spoiled for nothing: one flipped bit in the sum of a side of a level passes the check
//! exactly if that bit of the victim's key share is the side. The failure ended the setup but not the key, and the next
//! setup was begun by itself, so that 17 setups gave away a key of 17 bits, and no error was as severe as a burned key.
//!
//! What these tests state: over the life of a key a cheater learns k of its bits with probability 2^-k, however often
//! it comes back. The guess that fails is the last, whatever it asks later.

use crate::error::{ConsistencyCheck, Error, Severity};
use crate::field::{BinaryField, Field as _, PrimeField};
use crate::mac_check::MacCheck;
use crate::mascot::assembly::{self, Forest, Secrets};
use crate::mascot::{MascotField, Params, Setup, ggm, testing};
use crate::party::Party;
use crate::port::{GateError, Rng};
use crate::share::MacKeyShare;
use crate::sim::Simulator;
use crate::statistics::assert_rate;
use crate::step::Step;
use crate::test_world::spoiling::HEADER;
use crate::turns::Turns;
use rand_core::{Rng as _, SeedableRng};
use std::sync::Arc;

/// A question about one bit of the victim's key share: it passes if the bit is `side`.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// Which of the trees over the key, those for bits behind those for elements.
    tree: usize,
    level: usize,
    side: usize,
}

impl Question {
    /// The byte of the frame with the trees that is spoiled.
    fn place(self, forest: &Forest) -> usize {
        let before: usize = forest.widths().take(forest.ot.len() + self.tree).map(ggm::message_bytes).sum();
        HEADER + before + 32 * self.level + 16 * self.side
    }

    /// All bits of the key share in turn, with this side.
    fn all(forest: &Forest, mut side: impl FnMut() -> usize) -> Vec<Self> {
        let trees = forest.widths().skip(forest.ot.len()).enumerate();
        let levels = trees.flat_map(|(tree, width)| (0..width).map(move |level| (tree, level)));
        levels.map(|(tree, level)| Self { tree, level, side: side() }).collect()
    }
}

/// A key of two parties, of whom party 0 cheats, with what outlives a session at each.
struct Key<F: MascotField> {
    field: F,
    shares: [F::Element; 2],
    turns: Arc<Turns>,
    sessions: u64,
}

impl<F: MascotField> Key<F> {
    fn new(field: F, shares: [F::Element; 2]) -> Self {
        Self { field, shares, turns: Turns::new(2), sessions: 0 }
    }

    fn session(&mut self) -> [u8; 32] {
        self.sessions += 1;
        let mut session = [0; 32];
        session[..8].copy_from_slice(&self.sessions.to_le_bytes());
        session
    }

    fn mac(&self, party: usize, session: [u8; 32]) -> MacCheck<F> {
        let share = MacKeyShare::new(self.shares[party], party == 0);
        MacCheck::new(self.field.clone(), share, self.turns.gate(party, session))
    }

    /// The trees of one more session, on dealt base OTs, of which the cheater spoils these places of its frame; what the
    /// victim says of them.
    fn spoiled(&mut self, forest: &Forest, places: Vec<usize>) -> Result<(), Error> {
        let session = self.session();
        let mut rng = Rng::seed_from_u64(self.sessions);
        let words = self.shares.map(|share| [self.field.to_bits(share); 2]);
        let secrets = words.map(|alphas| Secrets::draw(&mut rng, forest, &alphas, &alphas));
        let keys = testing::dealt(&mut rng, forest, &secrets);
        let mut simulator = Simulator::new(self.sessions, 2);
        simulator.hook(spoil(places));
        let channels = simulator.channels().into_iter().enumerate();
        let run = |(i, channels)| {
            let mut mac = self.mac(i, session);
            let mut party = Party::new(i, session, channels, Rng::seed_from_u64(i as u64));
            let (keys, digits) = (&keys[i], &secrets[i].digits);
            async move { assembly::trees(&mut party, &mut mac, forest, keys, digits).await.map(drop) }
        };
        simulator.run(channels.map(run).collect()).swap_remove(1)
    }

    /// One question in one more session.
    fn ask(&mut self, forest: &Forest, question: Question) -> Result<(), Error> {
        self.spoiled(forest, vec![question.place(forest)])
    }
}

/// Flips a bit at each of these places of the trees that party 0 sends.
fn spoil(places: Vec<usize>) -> impl FnMut(&crate::sim::Frame<'_>) -> Vec<Vec<u8>> + Send + 'static {
    move |frame| {
        let mut bytes = frame.bytes.to_vec();
        if frame.step == Some(Step::MascotGgm) && frame.from.0 == 0 {
            places.iter().for_each(|&place| bytes[place] ^= 1);
        }
        vec![bytes]
    }
}

/// The trees over the key alone: those of the OT extension cost most and say nothing of it.
fn forest_of_key<F: MascotField>(field: &F) -> Forest {
    Forest { ot: Vec::new(), ..Forest::new(&Params::default(), field) }
}

fn is_burned(error: &Error) -> bool {
    matches!(error, Error::Gate(GateError::Compromised))
}

/// The attack as it was found, through the public door: one question in each of 17 setups about one key.
#[test]
fn a_member_that_spoils_a_tree_in_every_setup_learns_no_key() {
    let field = PrimeField::new(65_537).expect("a prime");
    let forest = Forest::new(&Params::default(), &field);
    let mut key = Key::new(field, [field.element(0x1234), field.element(0xb5c3)]);
    let mut seen = Vec::new();
    for question in Question::all(&forest, || 0) {
        let session = key.session();
        let mut simulator = Simulator::new(key.sessions, 2);
        simulator.hook(spoil(vec![question.place(&forest)]));
        let channels = simulator.channels().into_iter().enumerate();
        let run = |(i, channels)| {
            let (mut mac, seed) = (key.mac(i, session), key.sessions << 8 | i as u64);
            let mut party = Party::new(i, session, channels, Rng::seed_from_u64(seed));
            let params = Params::default();
            async move { Setup::establish(&mut party, field, &mut mac, params, None).await.map(drop) }
        };
        seen.push(simulator.run(channels.map(run).collect()).swap_remove(1));
    }
    // The lowest digit of 0xb5c3 is 0b011: the first guess at a bit, 0, is right, and the second wrong.
    assert_eq!(seen.len(), 17);
    assert_eq!(seen[0], Ok(()));
    let check = ConsistencyCheck::KeyGgm;
    let burning = seen[1].as_ref().expect_err("a wrong guess");
    assert!(matches!(burning, Error::ConsistencyFailed { check: found, .. } if *found == check), "{burning}");
    assert_eq!(burning.severity(), Severity::KeyBurned);
    for later in &seen[2..] {
        assert!(later.as_ref().is_err_and(is_burned), "right and wrong guesses look the same: {later:?}");
    }
}

/// How many sessions a cheater has over many keys, and how often it learned at least 1, 2, 3 … bits of one.
fn lives<F: MascotField>(field: F, sessions: u64) -> (usize, Vec<usize>) {
    let forest = forest_of_key(&field);
    let mut rng = Rng::seed_from_u64(7);
    let (mut keys, mut learned, mut used) = (0, vec![0; 64], 0);
    while used < sessions {
        let shares = [field.random(&mut rng), field.random(&mut rng)];
        let mut key = Key::new(field.clone(), shares);
        let guesses = Question::all(&forest, || (rng.next_u32() & 1) as usize);
        let passed = guesses.iter().take_while(|question| key.ask(&forest, **question).is_ok()).count();
        learned[..passed.min(63) + 1].iter_mut().for_each(|count| *count += 1);
        // It comes back, with guesses that are right and wrong.
        for side in [0, 1] {
            let again = key.ask(&forest, Question { tree: 0, level: 0, side });
            assert!(again.is_err_and(|error| is_burned(&error)), "a burned key answers nothing");
        }
        keys += 1;
        used += key.sessions;
    }
    (keys, learned)
}

/// The sessions of the claim.
const SESSIONS: u64 = 10_000;
/// For three times as many trees.
const SESSIONS_OF_GF128: u64 = 3_000;

fn assert_each_bit_is_a_guess<F: MascotField>(field: F, sessions: u64, story: &str) {
    let (keys, learned) = lives(field, sessions);
    for bits in 1..=3 {
        assert_rate(learned[bits], keys, 0.5f64.powi(bits as i32), &format!("{bits} bits of a key over {story}"));
    }
    assert!(learned[30] == 0, "and not 30 in any life");
}

#[test]
fn over_a_keys_life_each_bit_from_copee_is_a_guess() {
    assert_each_bit_is_a_guess(PrimeField::carbyne(), SESSIONS, "the default prime");
}

/// Half of the trees are those of the inputs of bits.
#[test]
fn over_a_keys_life_each_bit_from_the_trees_of_a_binary_field_is_a_guess() {
    for (degree, sessions) in [(40, SESSIONS), (128, SESSIONS_OF_GF128)] {
        let field = BinaryField::new(degree).expect("a degree of clouds");
        assert_each_bit_is_a_guess(field, sessions, "GF(2^n)");
    }
}

/// In a session of several questions only their conjunction shows.
#[test]
fn questions_in_one_session_have_one_answer() {
    let field = PrimeField::new(65_537).expect("a prime");
    let forest = forest_of_key(&field);
    // All bits of the lowest digit are ones, those of the next zeros.
    let mut key = Key::new(field, [field.one(), field.element(0b000_111)]);
    let wrong = Question { tree: 0, level: 0, side: 0 };
    let right = Question { tree: 1, level: 2, side: 0 };
    let victim = key.spoiled(&forest, [wrong, right].map(|question| question.place(&forest)).to_vec());
    assert_eq!(victim.expect_err("one guess is wrong").severity(), Severity::KeyBurned);
    assert!(key.ask(&forest, right).is_err_and(|error| is_burned(&error)));
}

/// Fresh positions may be asked about: that ends a setup, and the key lives.
#[test]
fn a_spoiled_tree_at_fresh_positions_ends_the_setup_and_not_the_key() {
    let field = PrimeField::new(65_537).expect("a prime");
    let whole = Forest::new(&Params::default(), &field);
    let mut key = Key::new(field, [field.element(5), field.element(9)]);
    let (mut failed, sessions) = (0, 40);
    for _ in 0..sessions {
        if let Err(error) = key.spoiled(&whole, vec![HEADER]) {
            assert_eq!(error.severity(), Severity::SetupOver, "{error}");
            failed += 1;
        }
    }
    assert!((8..=32).contains(&failed), "half of the guesses at fresh bits fail: {failed}");
}

//! VM threads beside each other: any order of deliveries, a party that cheats in one of them, one MAC check at a time.

mod vm_harness;

use polyyne_bytecode::{Entry, Program, Schedule, Tape, Verified};
use polyyne_engine::error::{Error, Severity};
use polyyne_engine::field::{Field, PrimeField};
use polyyne_engine::port::BoxFuture;
use polyyne_engine::share::Shares;
use polyyne_engine::sim::{Frame, Simulator};
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{Counts, InputMasks, Kind, Pairs, Shortage, Triples, Tuples};
use polyyne_engine::vm::{Door, DoorError, Fault, Message, NoInputs, Wanted};
use std::sync::{Arc, Mutex};
use vm_harness::{Ended, Line, Setup, field, run, run_metered, run_with, tape, verify};

fn threaded(threads: u32, tapes: &[&[Line<'_>]]) -> Program {
    let tapes: Vec<Tape> = tapes
        .iter()
        .enumerate()
        .map(|(at, lines)| Tape { name: format!("tape-{at}"), instructions: tape(lines) })
        .collect();
    let entries = tapes
        .iter()
        .map(|tape| Entry { name: tape.name.clone(), instructions: Some(tape.instructions.len() as u64) })
        .collect();
    Program::new(Schedule { threads, ..Schedule::new(entries) }, tapes).unwrap()
}

/// c[arg] = s[arg] = (arg + 3)², opened on the way, in three rounds.
const SQUARE: &[Line<'_>] = &[
    ("ldarg", 0, &[0]),
    ("convint", 0, &[0, 0]),
    ("ldsi", 0, &[0, 3]),
    ("addm", 0, &[1, 0, 0]),
    ("muls", 0, &[1, 2, 1, 1]),
    ("open", 0, &[0, 1, 2]),
    ("stmci", 0, &[1, 0]),
    ("stmsi", 0, &[2, 0]),
    ("muls", 0, &[1, 3, 2, 2]),
    ("print_char", 0, &[46]),
    ("use", 0, &[0, 0, 2]),
];

/// Three threads square, beside a product of the starter's own.
const THREE: &[Line<'_>] = &[
    ("ldsi", 0, &[0, 5]),
    ("run_tape", 0, &[1, 1, 7, 2, 1, 8]),
    ("run_tape", 0, &[3, 1, 9]),
    ("muls", 0, &[1, 1, 0, 0]),
    ("join_tape", 0, &[1]),
    ("join_tape", 0, &[2]),
    ("join_tape", 0, &[3]),
    ("ldmc", 3, &[0, 7]),
    ("print_reg_plain", 3, &[0]),
    ("ldms", 3, &[10, 7]),
    ("open", 3, &[1, 3, 10]),
    ("print_reg_plain", 3, &[3]),
    ("open", 0, &[1, 0, 1]),
    ("print_reg_plain", 0, &[0]),
];

const SQUARES: &str = "...[100, 121, 144][100, 121, 144]25";

fn three(n: usize) -> Verified {
    verify(threaded(4, &[THREE, SQUARE]), n)
}

fn text(ended: &Ended) -> String {
    if let Err(error) = &ended.result {
        panic!("{error}");
    }
    String::from_utf8(ended.printed.clone()).unwrap()
}

/// What was sent: thread, from, step.
type Sent = Arc<Mutex<Vec<(u32, u16, Step)>>>;

fn watch(simulator: &mut Simulator, sent: &Sent) {
    let sent = Arc::clone(sent);
    simulator.hook(move |frame: &Frame<'_>| {
        sent.lock().unwrap().push((frame.thread, frame.from.0, frame.step.unwrap()));
        vec![frame.bytes.to_vec()]
    });
}

fn run_watched(program: &Verified, setup: &Setup) -> (Vec<Ended>, Vec<(u32, u16, Step)>) {
    let sent = Sent::default();
    let ended = run_with(program, setup, |_, _| None, |_| Box::new(NoInputs), &mut |simulator| watch(simulator, &sent));
    let sent = sent.lock().unwrap().clone();
    (ended, sent)
}

#[test]
fn threads_print_and_store_the_same_beside_each_other_and_in_place_whatever_arrives_first() {
    for n in 2..=4 {
        let program = three(n);
        let in_place = run(&program, &Setup { threads: false, ..Setup::new(n) });
        assert!(in_place.iter().all(|party| text(party) == SQUARES));
        for seed in 0..12 {
            let ended = run(&program, &Setup { seed, ..Setup::new(n) });
            assert!(ended.iter().all(|party| text(party) == SQUARES), "seed {seed}, {n} parties");
        }
    }
}

#[test]
fn threads_have_channels_of_their_own_and_do_not_wait_for_each_other() {
    let (ended, sent) = run_watched(&three(3), &Setup::new(3));
    ended.iter().for_each(|party| drop(text(party)));
    for thread in 0..=3 {
        assert!(sent.iter().any(|(of, _, step)| *of == thread && *step == Step::Open), "thread {thread}");
    }
    let place = |thread: u32, last: bool| {
        let mut places = (0..sent.len()).filter(|&at| sent[at].0 == thread && sent[at].2 == Step::Open);
        if last { places.next_back() } else { places.next() }
    };
    assert!(place(2, false) < place(1, true), "the second thread opens before the first has ended");
}

#[test]
fn two_checks_under_one_key_never_overlap() {
    let is_check =
        |step: Step| matches!(step, Step::CheckCoinCommit | Step::CheckCoinOpen | Step::CheckCommit | Step::CheckOpen);
    for seed in 0..20 {
        let n = 3;
        let (ended, sent) = run_watched(&three(n), &Setup { seed, ..Setup::new(n) });
        ended.iter().for_each(|party| drop(text(party)));
        let order = |party: u16| -> Vec<u32> {
            let mut threads = Vec::new();
            // A message goes to every other party: one frame each.
            let own = sent.iter().filter(|(_, from, step)| *from == party && is_check(*step)).step_by(n - 1);
            let mut expected = Step::CheckCoinCommit;
            for (thread, _, step) in own {
                assert_eq!(*step, expected, "seed {seed}: {sent:?}");
                if expected == Step::CheckCoinCommit {
                    threads.push(*thread);
                }
                assert_eq!(
                    threads.last(),
                    Some(thread),
                    "seed {seed}: a check of another thread began within this one"
                );
                expected = match step {
                    Step::CheckCoinCommit => Step::CheckCoinOpen,
                    Step::CheckCoinOpen => Step::CheckCommit,
                    Step::CheckCommit => Step::CheckOpen,
                    _ => Step::CheckCoinCommit,
                };
            }
            threads
        };
        assert!(order(0).len() >= 4, "each thread has checked");
        assert!((1..n as u16).all(|party| order(party) == order(0)), "all parties check in one order, seed {seed}");
    }
}

/// Changes one opening of a thread on its way to party 0.
fn tamper(simulator: &mut Simulator, thread: u32, occurrence: usize) {
    simulator.hook(move |frame: &Frame<'_>| {
        let mut bytes = frame.bytes.to_vec();
        let hit = frame.thread == thread && frame.step == Some(Step::Open) && frame.occurrence == occurrence;
        if hit && (frame.from.0, frame.to.0) == (1, 0) {
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
        }
        vec![bytes]
    });
}

#[test]
fn an_opening_that_is_changed_in_a_thread_is_caught_before_its_check_begins() {
    for (n, seed) in (2..=3).flat_map(|n| (0..6).map(move |seed| (n, seed))) {
        for occurrence in 0..3 {
            let setup = Setup { seed, ..Setup::new(n) };
            let configure = &mut |simulator: &mut Simulator| tamper(simulator, 2, occurrence);
            let ended = run_with(&three(n), &setup, |_, _| None, |_| Box::new(NoInputs), configure);
            let differ = |party: &Ended| {
                let error = party.result.as_ref().unwrap_err();
                matches!(error.fault(), Some(Fault::Engine(Error::OpeningsDiffer { .. })))
            };
            assert!(ended.iter().any(differ), "seed {seed}, {n} parties, opening {occurrence}");
            assert!(ended.iter().all(|party| party.result.is_err() && party.printed.is_empty()));
        }
    }
}

/// A party's tuples, of which those of one thread are not what was dealt: it opens what it likes.
struct Crooked {
    inner: Box<dyn Tuples<PrimeField>>,
    parts: u32,
    lies: bool,
}

impl Tuples<PrimeField> for Crooked {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        let mut triples = self.inner.triples(count)?;
        if self.lies {
            triples.a.values[0] = field().add(triples.a.values[0], field().one());
        }
        Ok(triples)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.inner.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.inner.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.inner.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.inner.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        self.inner.input_masks(owner, count)
    }
    fn split(&mut self, counts: &Counts) -> Result<Box<dyn Tuples<PrimeField>>, Shortage> {
        self.parts += 1;
        Ok(Box::new(Crooked { inner: self.inner.split(counts)?, parts: 0, lies: self.parts == 2 }))
    }
}

#[test]
fn a_party_that_cheats_in_a_thread_burns_the_key_and_nothing_is_shown() {
    for (n, seed) in (2..=3).flat_map(|n| (0..12).map(move |seed| (n, seed))) {
        let ended = run_metered(&three(n), &Setup { seed, ..Setup::new(n) }, |party, inner| match party {
            1 => Box::new(Crooked { inner, parts: 0, lies: false }),
            _ => inner,
        });
        for party in &ended {
            let error = party.result.as_ref().unwrap_err();
            assert_eq!(error.severity(), Severity::KeyBurned, "seed {seed}, {n} parties: {error}");
            assert!(party.printed.len() <= 1, "only the first thread's text may have been released");
        }
    }
}

/// Says whether anything was written to it.
struct Recorder(Arc<Mutex<usize>>);

impl Door for Recorder {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(async { Ok(0) })
    }

    fn close(&mut self, _client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn read(&mut self, client: i64, _wanted: Wanted, _count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        Box::pin(async move { Err(DoorError::NoSuchClient(client)) })
    }

    fn write(&mut self, _client: i64, _label: i32, _message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        *self.0.lock().unwrap() += 1;
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn nothing_leaves_before_the_threads_that_run_have_been_checked() {
    let main: &[Line<'_>] = &[
        ("run_tape", 0, &[1, 1, 7]),
        ("ldsi", 0, &[0, 5]),
        ("writesockets", 0, &[0, 0, 1, 0]),
        ("join_tape", 0, &[1]),
        ("ldms", 0, &[1, 7]),
        ("ldmc", 0, &[1, 7]),
    ];
    let program = verify(threaded(2, &[main, SQUARE]), 2);
    for (honest, seed) in [(true, 1), (false, 1), (false, 2), (false, 3)] {
        let written = Arc::new(Mutex::new(0));
        let door = |_: usize, _: &_| -> Option<Box<dyn Door>> { Some(Box::new(Recorder(Arc::clone(&written)))) };
        let configure = &mut |simulator: &mut Simulator| {
            if !honest {
                tamper(simulator, 1, 1);
            }
        };
        let setup = Setup { seed, ..Setup::new(2) };
        let ended = run_with(&program, &setup, door, |_| Box::new(NoInputs), configure);
        assert_eq!(ended.iter().all(|party| party.result.is_ok()), honest);
        assert_eq!(*written.lock().unwrap(), if honest { 2 } else { 0 });
    }
}

#[test]
fn a_race_ends_the_same_at_all_parties_whatever_arrives_first() {
    let race: &[Line<'_>] = &[
        ("ldarg", 0, &[0]),
        ("convint", 0, &[0, 0]),
        ("ldsi", 0, &[0, 0]),
        ("addm", 0, &[0, 0, 0]),
        ("ldms", 0, &[1, 20]),
        ("muls", 0, &[1, 2, 0, 0]),
        ("adds", 0, &[2, 2, 1]),
        ("stms", 0, &[2, 20]),
        ("use", 0, &[0, 0, 1]),
    ];
    let main: &[Line<'_>] = &[
        ("ldsi", 0, &[0, 1000]),
        ("stms", 0, &[0, 20]),
        ("run_tape", 0, &[1, 1, 2, 2, 1, 3]),
        ("ldsi", 0, &[0, 1]),
        ("stms", 0, &[0, 20]),
        ("join_tape", 0, &[2]),
        ("ldms", 0, &[1, 20]),
        ("join_tape", 0, &[1]),
        ("ldms", 0, &[2, 20]),
        ("open", 0, &[1, 1, 1, 2, 2]),
        ("print_reg_plain", 2, &[1]),
    ];
    let program = verify(threaded(3, &[main, race]), 3);
    for seed in 0..20 {
        let ended = run(&program, &Setup { seed, ..Setup::new(3) });
        assert!(ended.iter().all(|party| text(party) == "[1009, 1004]"), "seed {seed}");
    }
}

#[test]
fn a_thread_keeps_registers_and_number_is_joined_when_started_again_and_at_the_end() {
    let first: &[Line<'_>] = &[("ldtn", 0, &[0]), ("ldint", 0, &[5, 25]), ("print_int", 0, &[0])];
    let second: &[Line<'_>] =
        &[("print_int", 0, &[5]), ("print_float_prec", 0, &[3]), ("print_int", 0, &[0]), ("starg", 0, &[5])];
    let main: &[Line<'_>] = &[
        ("run_tape", 0, &[2, 1, 0]),
        ("run_tape", 0, &[2, 2, 0]),
        ("run_tape", 0, &[1, 1, 0]),
        ("print_char", 0, &[45]),
    ];
    let program = verify(threaded(3, &[main, first, second]), 2);
    // Unjoined threads end with the program, lowest first.
    assert_eq!(text(&run(&program, &Setup::new(2))[0]), "2-1252");
}

#[test]
fn a_thread_that_fails_ends_the_run_and_says_where() {
    let divide: &[Line<'_>] = &[("ldint", 0, &[0, 1]), ("divint", 0, &[0, 0, 1])];
    let main: &[Line<'_>] = &[
        ("run_tape", 0, &[1, 1, 0, 2, 2, 7]),
        ("join_tape", 0, &[2]),
        ("join_tape", 0, &[1]),
        ("ldms", 0, &[1, 7]),
        ("ldmc", 0, &[1, 7]),
        ("print_char", 0, &[88]),
    ];
    let program = verify(threaded(3, &[main, divide, SQUARE]), 2);
    for ended in run(&program, &Setup::new(2)) {
        let error = ended.result.unwrap_err();
        assert_eq!(error.to_string(), "tape \"tape-1\", instruction 1 (divint): division by zero");
        assert_eq!(error.severity(), Severity::Benign);
        assert!(!ended.printed.contains(&b'X'));
    }
}

#[test]
fn a_program_that_stops_itself_lets_its_threads_end() {
    let main: &[Line<'_>] = &[
        ("run_tape", 0, &[1, 1, 7]),
        ("ldint", 0, &[0, 1]),
        ("crash", 0, &[0]),
        ("ldms", 0, &[1, 7]),
        ("ldmc", 0, &[1, 7]),
    ];
    let program = verify(threaded(2, &[main, SQUARE]), 3);
    for seed in 0..8 {
        for ended in run(&program, &Setup { seed, ..Setup::new(3) }) {
            assert_eq!(ended.result.unwrap_err().fault(), Some(&Fault::Crash), "seed {seed}");
        }
    }
}

#[test]
fn threads_together_stay_within_the_limits_of_the_run() {
    let program = three(2);
    let mut setup = Setup::new(2);
    setup.limits.printed_bytes_max = 2;
    let error = run(&program, &setup).swap_remove(0).result.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Limit { what: "printed bytes", .. })), "{error}");
    let mut setup = Setup::new(2);
    setup.limits.steps_max = 30;
    let error = run(&program, &setup).swap_remove(0).result.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Limit { what: "steps", .. })), "{error}");
    let mut setup = Setup::new(2);
    setup.limits.rounds_max = 9;
    let error = run(&program, &setup).swap_remove(0).result.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Limit { what: "rounds", .. })), "{error}");
}

#[test]
fn statistics_count_all_threads() {
    let beside = run(&three(2), &Setup::new(2)).swap_remove(0).result.unwrap();
    let in_place = run(&three(2), &Setup { threads: false, ..Setup::new(2) }).swap_remove(0).result.unwrap();
    assert_eq!(beside.steps, in_place.steps);
    assert!(beside.rounds >= in_place.rounds && beside.checks >= in_place.checks, "{beside:?} {in_place:?}");
}

#[test]
fn a_thread_gets_exactly_what_its_tape_declares_out_of_the_pool() {
    let pool = |count: usize| {
        move |_: usize, mut inner: Box<dyn Tuples<PrimeField>>| {
            inner.split(&Counts::from([(Kind::Triple, count)])).unwrap()
        }
    };
    // Two for each of three threads, one for the starter.
    for seed in 0..6 {
        let ended = run_metered(&three(3), &Setup { seed, ..Setup::new(3) }, pool(7));
        assert!(ended.iter().all(|party| text(party) == SQUARES));
    }
    for party in run_metered(&three(3), &Setup::new(3), pool(6)) {
        let error = party.result.unwrap_err();
        assert!(matches!(error.fault(), Some(Fault::Engine(Error::Shortage(short))) if short.left == 0), "{error}");
    }
    let greedy: &[Line<'_>] = &[("muls", 0, &[2, 0, 0, 0]), ("use", 0, &[0, 0, 1])];
    let program = verify(threaded(2, &[&[("run_tape", 0, &[1, 1, 0])], greedy]), 2);
    let error = run(&program, &Setup::new(2)).swap_remove(0).result.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Engine(Error::Shortage(short))) if short.left == 1), "{error}");
}

#[test]
fn a_tape_of_unknown_cost_runs_in_place() {
    let unknown = [SQUARE, &[("use", 0, &[0, 0, -1])]].concat();
    let program = verify(threaded(4, &[THREE, &unknown]), 3);
    let (ended, sent) = run_watched(&program, &Setup::new(3));
    assert_eq!(text(&ended[0]), SQUARES);
    assert!(sent.iter().all(|(thread, ..)| *thread == 0));
}

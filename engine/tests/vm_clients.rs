//! Clients that say different things to the parties, and parties that lie about what a client said.

mod vm_harness;

use polyyne_engine::field::{Field as _, Fp};
use polyyne_engine::port::BoxFuture;
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::vm::{Door, DoorError, Fault, Message, NoInputs, Wanted};
use std::sync::{Arc, Mutex};
use vm_harness::{Ended, Line, Setup, field, program, run_with, verify};

/// A client whose word about one thing is another at one party.
struct Words {
    number: i64,
    integers: i64,
    clear: i64,
}

impl Door for Words {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(async { Ok(self.number) })
    }

    fn close(&mut self, _client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn read(&mut self, _client: i64, wanted: Wanted, count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        let message = match wanted {
            Wanted::Integers => Message::Integers(vec![self.integers; count]),
            _ => Message::Clear(vec![field().from_i64(self.clear); count]),
        };
        Box::pin(async { Ok(message) })
    }

    fn write(&mut self, _client: i64, _label: i32, _message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }
}

const TALK: &[Line<'_>] = &[
    ("ldint", 0, &[0, 10_000]),
    ("listen", 0, &[0]),
    ("acceptclientconnection", 0, &[1, 0]),
    ("readsocketint", 0, &[2, 1, 1, 2]),
    ("readsocketc", 0, &[2, 1, 1, 0]),
    ("print_int", 0, &[2]),
    ("print_reg_plain", 0, &[0]),
];

fn talk(n: usize, words: impl Fn(usize) -> Words, configure: &mut dyn FnMut(&mut Simulator)) -> Vec<Ended> {
    let door = |party: usize, _: &_| Some(Box::new(words(party)) as Box<dyn Door>);
    run_with(&verify(program(&[TALK]), n), &Setup::new(n), door, |_| Box::new(NoInputs), configure)
}

#[test]
fn what_a_client_says_in_the_clear_has_to_be_the_same_at_all_parties() {
    for n in [2, 3, 4] {
        let honest = talk(n, |_| Words { number: 4, integers: 5, clear: 6 }, &mut |_| {});
        assert!(honest.iter().all(|party| party.result.is_ok() && party.printed == b"56"));
        for which in 0..3 {
            let lies = |party: usize| {
                let said = |at: usize, honest: i64| if at == which && party == n - 1 { 77 } else { honest };
                Words { number: said(0, 4), integers: said(1, 5), clear: said(2, 6) }
            };
            for party in talk(n, lies, &mut |_| {}) {
                let error = party.result.expect_err("the parties differ");
                assert!(matches!(error.fault(), Some(Fault::Door(DoorError::SaidDifferently(_)))), "{which}: {error}");
                assert_eq!(error.severity(), polyyne_engine::error::Severity::Benign, "the key is not burned for it");
                assert!(party.printed.is_empty());
            }
        }
    }
}

/// A party can end the run by a lie about what it heard, and do nothing else.
#[test]
fn a_spoiled_digest_of_what_was_heard_ends_the_run() {
    for n in [2, 3] {
        for occurrence in 0..3 {
            let spoil = &mut |simulator: &mut Simulator| {
                simulator.hook(move |frame| {
                    let mut bytes = frame.bytes.to_vec();
                    if frame.step == Some(Step::Heard) && frame.occurrence == occurrence && frame.from.0 == 1 {
                        bytes[6] ^= 1;
                    }
                    vec![bytes]
                });
            };
            let ended = talk(n, |_| Words { number: 4, integers: 5, clear: 6 }, spoil);
            assert!(ended[0].result.is_err() && ended[0].printed.is_empty());
        }
    }
}

/// Keeps the value shares that its party writes.
struct Listener {
    written: Arc<Mutex<Vec<Vec<Fp>>>>,
}

impl Door for Listener {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(async { Ok(4) })
    }

    fn close(&mut self, _client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn read(&mut self, client: i64, _wanted: Wanted, _count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        Box::pin(async move { Err(DoorError::Gone(client)) })
    }

    fn write(&mut self, _client: i64, _label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        let Message::ValueShares(shares) = message else { panic!("value shares") };
        self.written.lock().unwrap().push(shares);
        Box::pin(async { Ok(()) })
    }
}

/// 7 is a constant, which party 0 holds alone, and twice 7 is twice its share: without fresh zeros the client would see both.
#[test]
fn shares_for_a_client_tell_nothing_but_their_sum() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, 10_000]),
        ("listen", 0, &[0]),
        ("acceptclientconnection", 0, &[1, 0]),
        ("ldsi", 0, &[0, 7]),
        ("adds", 0, &[1, 0, 0]),
        ("writesocketshare", 0, &[1, 0, 1, 0, 1]),
        ("writesocketshare", 0, &[1, 0, 1, 0, 1]),
    ];
    let f = field();
    for n in [2, 3] {
        let heard: Vec<_> = (0..n).map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let door = |party: usize, _: &_| Some(Box::new(Listener { written: heard[party].clone() }) as Box<dyn Door>);
        let ended = run_with(&verify(program(&[lines]), n), &Setup::new(n), door, |_| Box::new(NoInputs), &mut |_| {});
        assert!(ended.iter().all(|ended| ended.result.is_ok()), "{:?}", ended[0].result);
        let heard: Vec<Vec<Vec<Fp>>> = heard.iter().map(|heard| heard.lock().unwrap().clone()).collect();
        for message in 0..2 {
            for (word, value) in [7, 14].into_iter().enumerate() {
                let sum = f.sum(heard.iter().map(|party| party[message][word]));
                assert!(sum == f.from_i64(value));
            }
        }
        for party in heard {
            let shares = party.concat();
            let distinct = |k: usize| (0..k).all(|other| shares[k] != shares[other]);
            assert!((0..shares.len()).all(distinct), "every share is fresh");
            assert!(shares[1] != f.add(shares[0], shares[0]));
            assert!(shares.iter().all(|share| *share != f.zero()));
        }
    }
}

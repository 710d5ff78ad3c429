//! Programs that MP-SPDZ's own compiler made print here what they print there.

mod vm_harness;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::{Field, Fp, PrimeField};
use polyyne_engine::port::{BoxFuture, Rng};
use polyyne_engine::vm::{Door, DoorError, Message, NoInputs, TextInputs, Wanted};
use rand_core::SeedableRng;
use vm_harness::{Setup, field, folder, load, run_with, verify};

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("Schedules"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn expected(name: &str) -> String {
    std::fs::read_to_string(folder().join("expected").join(format!("{name}.txt"))).unwrap()
}

fn runs_as_expected(name: &str, n: usize) {
    let program = verify(load(name), n);
    let client = Arc::new(Mutex::new(Client::new(name, n)));
    let inputs = |party: usize| -> Box<dyn polyyne_engine::vm::Inputs> {
        let path = folder().join("inputs").join(name).join(format!("Input-P{party}-0"));
        match std::fs::read_to_string(path) {
            Ok(text) => Box::new(TextInputs::default().with(0, &text)),
            Err(_) => Box::new(NoInputs),
        }
    };
    let door = |party: usize, dealer: &Dealer<PrimeField>| -> Option<Box<dyn Door>> {
        Some(Box::new(Connection { client: Arc::clone(&client), party, dealer: dealer.clone(), reads: 0, writes: 0 }))
    };
    let ended = run_with(&program, &Setup::new(n), door, inputs, &mut |_| {});
    for (party, ended) in ended.iter().enumerate() {
        if let Err(error) = &ended.result {
            panic!("{name}, {n} parties: party {party}: {error}");
        }
    }
    assert_eq!(String::from_utf8_lossy(&ended[0].printed), expected(name), "{name}, {n} parties");
    let client = client.lock().unwrap();
    assert_eq!(client.verdict, client.expected_messages, "{name}: the client is not satisfied");
}

#[test]
fn every_program_prints_what_mp_spdz_prints() {
    for name in names() {
        (2..=4).for_each(|n| runs_as_expected(&name, n));
    }
}

/// The client of c01 or c02, who talks to all parties; other programs have none.
struct Client {
    name: String,
    n: usize,
    /// What the parties have written, by message number: the sum of what came, and from how many.
    written: BTreeMap<usize, (Vec<Fp>, usize)>,
    verdict: usize,
    expected_messages: usize,
}

impl Client {
    fn new(name: &str, n: usize) -> Self {
        let expected_messages = match name {
            "c01_client_add" => 1,
            "c02_client_masked" => 4,
            _ => 0,
        };
        Client { name: name.to_owned(), n, written: BTreeMap::new(), verdict: 0, expected_messages }
    }

    /// Sums what all parties send; clear messages are the same from all.
    fn receive(&mut self, number: usize, values: Vec<Fp>, summed: bool) {
        let f = field();
        let (sum, count) = self.written.entry(number).or_insert_with(|| (vec![f.zero(); values.len()], 0));
        if summed {
            sum.iter_mut().zip(&values).for_each(|(sum, &x)| *sum = f.add(*sum, x));
        } else {
            *sum = values;
        }
        *count += 1;
        if *count == self.n {
            let numbers: Vec<String> = sum.iter().map(|&x| f.signed_decimal(x)).collect();
            let sum = sum.clone();
            assert!(self.satisfied(number, &sum, &numbers), "message {number}: {numbers:?}");
            self.verdict += 1;
        }
    }

    fn satisfied(&self, number: usize, values: &[Fp], numbers: &[String]) -> bool {
        let f = field();
        let products = || values.chunks(3).all(|triple| f.mul(triple[0], triple[1]) == triple[2]);
        match (self.name.as_str(), number) {
            ("c01_client_add", 0) => numbers == ["42"],
            ("c02_client_masked", 0) => values.len() == 6 && products(),
            ("c02_client_masked", 1) => {
                values.len() == 9 && products() && [&numbers[0], &numbers[3], &numbers[6]] == ["-42", "13", "1006"]
            }
            ("c02_client_masked", 2) => numbers == ["2000", "900"],
            ("c02_client_masked", 3) => numbers == ["7", "-7"],
            _ => false,
        }
    }
}

/// One party's connection to the client.
struct Connection {
    client: Arc<Mutex<Client>>,
    party: usize,
    dealer: Dealer<PrimeField>,
    reads: usize,
    writes: usize,
}

impl Connection {
    fn answer(&mut self, wanted: Wanted) -> Option<Message> {
        let f = field();
        let client = self.client.lock().unwrap();
        let answer = match (client.name.as_str(), self.reads, wanted) {
            ("c01_client_add", 0, Wanted::Shares) => {
                let values = [f.from_i64(20), f.from_i64(22)];
                Message::Shares(self.dealer.share(&mut Rng::seed_from_u64(5), &values).swap_remove(self.party))
            }
            ("c02_client_masked", 0, Wanted::Integers) => Message::Integers(vec![2]),
            ("c02_client_masked", 1, Wanted::Clear) => {
                let (masks, count) = client.written.get(&0)?;
                if *count < client.n {
                    return None;
                }
                Message::Clear(vec![f.add(masks[0], f.from_i64(6)), f.add(masks[3], f.from_i64(-7))])
            }
            ("c02_client_masked", 2, Wanted::Clear) => Message::Clear(vec![f.from_i64(1000)]),
            _ => panic!("{} reads {wanted:?} as number {}", client.name, self.reads),
        };
        drop(client);
        self.reads += 1;
        Some(answer)
    }
}

impl Door for Connection {
    fn listen(&mut self, _port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn accept(&mut self, _port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(async { Ok(4) })
    }

    fn close(&mut self, _client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async { Ok(()) })
    }

    fn read(&mut self, _client: i64, wanted: Wanted, _count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        Box::pin(std::future::poll_fn(move |cx| match self.answer(wanted) {
            Some(message) => std::task::Poll::Ready(Ok(message)),
            None => {
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }))
    }

    fn write(&mut self, _client: i64, _label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        let f = field();
        let (values, summed) = match message {
            Message::Shares(shares) => (shares.values.clone(), true),
            Message::ValueShares(values) => (values, true),
            Message::Clear(values) => (values, false),
            Message::Integers(values) => (values.into_iter().map(|x| f.from_i64(x)).collect(), false),
        };
        let number = self.writes;
        self.writes += 1;
        self.client.lock().unwrap().receive(number, values, summed);
        Box::pin(async { Ok(()) })
    }
}

//! A party that runs programs on premade tuples.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use polyyne_bytecode::{Limits, Machine, Program, SizeLimits, Verified, verify};
use polyyne_engine::bit_tuples::{BitDealer, BitPool, BitTuples, mac_field};
use polyyne_engine::dealer::{Dealer, DealerTuples};
use polyyne_engine::field::PrimeField;
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::online::Online;
use polyyne_engine::party::Party;
use polyyne_engine::port::LocalGate;
use polyyne_engine::share::Shares;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{Pool, Tuples};
use polyyne_engine::vm::{self, BitSide, MemoryStorage, NoInputs, Ports, Secrets};

use super::premade::{Account, Clocked, Counted, Ledger};
use super::{Took, forget_peak_rss};
use crate::cli::bench::measured::peak_rss_bytes;
use crate::cli::failure::{Context as _, Failure};

pub struct Runner {
    online: Online<PrimeField>,
    bits: BitSide,
    dealer: Dealer<PrimeField>,
    seed: [u8; 32],
    /// Times that tuples were dealt: each time others.
    dealt: u64,
    loaded: Option<Loaded>,
}

struct Loaded {
    program: Arc<Verified>,
    /// What it prints.
    expected: String,
    account: Account,
}

impl Runner {
    /// All parties get the same `seed`.
    pub fn new(party: Party, seed: [u8; 32]) -> Self {
        let (index, n) = (party.index().get(), party.n());
        let field = PrimeField::usual();
        let dealer = Dealer::new(field, n, seed);
        let mac = MacCheck::new(field, dealer.key(index), Box::new(LocalGate::default()));
        let online = Online::new(field, party, mac, Box::new(Pool::new()));
        let bits = BitDealer::new(&dealer, n, index, seed);
        let mac = MacCheck::new(mac_field(), bits.key(), Box::new(LocalGate::default()));
        let bits = BitSide { mac, tuples: Box::new(bits) };
        Self { online, bits, dealer, seed, dealt: 0, loaded: None }
    }

    /// Verifies a program and runs it a first time, which shows what it takes.
    pub async fn load(&mut self, bytes: &[u8], expected: String) -> Result<(), Failure> {
        let program = Program::from_bytes(bytes, &SizeLimits::default()).or_failed("the program")?;
        let machine = Machine { prime: self.online.field.modulus(), parties: self.online.party.n(), gf2n: 128 };
        let program = Arc::new(verify(program, &machine, &Limits::default()).or_failed("the program")?);
        let ledger = Ledger::default();
        let (prime, bits) = self.dealers();
        let prime = Counted { source: prime, ledger: ledger.clone() };
        let bits = Counted { source: bits, ledger: ledger.clone() };
        self.run_on(&program, &expected, Box::new(prime), Box::new(bits)).await?;
        self.loaded = Some(Loaded { program, expected, account: ledger.close() });
        Ok(())
    }

    /// Runs the program that is loaded.
    pub async fn run(&mut self) -> Result<Took, Failure> {
        let loaded = self.loaded.take().ok_or_else(|| Failure::failed("no program is loaded"))?;
        // what the run before has left gives its memory back first
        self.online.tuples = Box::new(Pool::new());
        self.bits.tuples = Box::new(BitPool::default());
        let (mut prime, mut bits) = self.dealers();
        let looks = Arc::new(Mutex::new(Vec::new()));
        let prime = Clocked { source: loaded.account.deal(&mut prime), looks: looks.clone() };
        let bits = loaded.account.deal_bits(&mut bits);
        let mut took = self.run_on(&loaded.program, &loaded.expected, Box::new(prime), Box::new(bits)).await?;
        let looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
        took.laps_ns = looks.windows(2).map(|two| (two[1] - two[0]).as_nanos() as u64).collect();
        self.loaded = Some(loaded);
        Ok(took)
    }

    fn dealers(&mut self) -> (DealerTuples<PrimeField>, BitDealer) {
        self.dealt += 1;
        let (index, n) = (self.online.party.index().get(), self.online.party.n());
        // the key of bits is made of the seed too, so it stays; what is dealt may be the same again, between parties of
        // one measurement
        (self.dealer.tuples(index, self.dealt), BitDealer::new(&self.dealer, n, index, self.seed))
    }

    async fn run_on(
        &mut self,
        program: &Verified,
        expected: &str,
        prime: Box<dyn Tuples<PrimeField>>,
        bits: Box<dyn BitTuples>,
    ) -> Result<Took, Failure> {
        self.online.tuples = prime;
        self.bits.tuples = bits;
        let mut printed: Vec<u8> = Vec::new();
        let mut door = Secrets::new(Shares::default(), 0);
        // all begin together
        self.online.party.send_all(Step::Echo, Vec::new()).await.map_err(Failure::aborted)?;
        forget_peak_rss();
        let ports = Ports {
            online: &mut self.online,
            binary: None,
            bits: Some(&mut self.bits),
            inputs: &mut NoInputs,
            door: &mut door,
            storage: &mut MemoryStorage::default(),
            binary_storage: &mut MemoryStorage::default(),
            printer: &mut printed,
            arguments: &[],
            threads: None,
            meter: None,
        };
        let began = Instant::now();
        let ran = vm::run(program, ports, &vm::Limits::default()).await.map_err(Failure::aborted)?;
        let seconds = began.elapsed().as_secs_f64();
        if printed != expected.as_bytes() {
            return Err(Failure::failed(format!("a wrong result: {}", String::from_utf8_lossy(&printed))));
        }
        Ok(Took {
            seconds,
            bytes_sent: ran.bytes_sent,
            peak_rss_bytes: peak_rss_bytes(std::process::id()),
            laps_ns: Vec::new(),
        })
    }
}

//! Runs a program with n parties in this process: real online protocol, tuples from the dealer.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use polyyne_bytecode::{Instruction, Program, SizeLimits, Tape, Verified};
use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::{BinaryField, Field, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::online::Online;
use polyyne_engine::party::Party;
use polyyne_engine::port::Rng;
use polyyne_engine::share::Shares;
use polyyne_engine::sim::{SimThreads, Simulator};
use polyyne_engine::tuples::Tuples;
use polyyne_engine::vm::{
    self, BitSide, Door, Inputs, Limits, MemoryStorage, NoInputs, Ports, Secrets, Side, Statistics, Threads, VmError,
};
use rand_core::SeedableRng;

/// The session id of all runs.
pub const SESSION: [u8; 32] = [7; 32];

/// How a run is set up beside its program.
pub struct Setup {
    pub n: usize,
    pub seed: u64,
    pub limits: Limits,
    pub arguments: Vec<i64>,
    /// Words behind the door to stored secrets.
    pub secrets: Vec<i128>,
    pub storage: Option<Vec<i128>>,
    /// Whether VM threads have channels of their own; otherwise all run in place.
    pub threads: bool,
}

impl Setup {
    pub fn new(n: usize) -> Self {
        Setup {
            n,
            seed: 1,
            limits: Limits::default(),
            arguments: Vec::new(),
            secrets: Vec::new(),
            storage: None,
            threads: true,
        }
    }
}

/// What one party ended with.
pub struct Ended {
    pub result: Result<Statistics, VmError>,
    pub printed: Vec<u8>,
    /// Shares of what the program wrote to the door, if it was the standard one.
    pub outputs: Shares<PrimeField>,
}

pub fn field() -> PrimeField {
    PrimeField::carbyne()
}

/// Where the conformance programs are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance")
}

#[allow(clippy::disallowed_methods)] // a test reads programs, the engine has no files
pub fn load(name: &str) -> Program {
    let schedule = std::fs::read_to_string(folder().join("Schedules").join(format!("{name}.sch"))).unwrap();
    Program::load(&schedule, &SizeLimits::default(), |file| std::fs::read(folder().join("Bytecode").join(file)))
        .unwrap()
}

/// Verifies for the machine that [`run`] is.
pub fn verify(program: Program, n: usize) -> Verified {
    let gf2n = if program.schedule().gf2n == 0 { 128 } else { program.schedule().gf2n };
    let machine = polyyne_bytecode::Machine { prime: field().modulus(), parties: n, gf2n };
    polyyne_bytecode::verify(program, &machine, &polyyne_bytecode::Limits::default()).unwrap()
}

/// Instructions `name`, `size`, operands.
pub type Line<'a> = (&'a str, u64, &'a [i64]);

pub fn tape(lines: &[Line<'_>]) -> Vec<Instruction> {
    lines.iter().map(|(name, size, numbers)| Instruction::numeric(name, *size, numbers).unwrap()).collect()
}

/// A program from tapes of plain instructions.
pub fn program(tapes: &[&[Line<'_>]]) -> Program {
    let tapes = tapes
        .iter()
        .enumerate()
        .map(|(at, lines)| Tape { name: format!("tape-{at}"), instructions: tape(lines) })
        .collect();
    Program::from_tapes(tapes).unwrap()
}

/// Runs with the standard door and without inputs.
pub fn run(program: &Verified, setup: &Setup) -> Vec<Ended> {
    run_with(program, setup, |_, _| None, |_| Box::new(NoInputs), &mut |_| {})
}

/// Runs with what the caller makes for each party; `door` may give `None` for the standard one. `configure` may hook the
/// network.
pub fn run_with(
    program: &Verified,
    setup: &Setup,
    door: impl Fn(usize, &Dealer<PrimeField>) -> Option<Box<dyn Door>>,
    inputs: impl Fn(usize) -> Box<dyn Inputs>,
    configure: &mut dyn FnMut(&mut Simulator),
) -> Vec<Ended> {
    run_whole(program, setup, door, inputs, configure, |_, tuples| tuples)
}

/// Runs with the standard door and without inputs, on what `wrap` makes of each party's tuples.
pub fn run_metered(
    program: &Verified,
    setup: &Setup,
    wrap: impl Fn(usize, Box<dyn Tuples<PrimeField>>) -> Box<dyn Tuples<PrimeField>>,
) -> Vec<Ended> {
    run_whole(program, setup, |_, _| None, |_| Box::new(NoInputs), &mut |_| {}, wrap)
}

fn run_whole(
    program: &Verified,
    setup: &Setup,
    door: impl Fn(usize, &Dealer<PrimeField>) -> Option<Box<dyn Door>>,
    inputs: impl Fn(usize) -> Box<dyn Inputs>,
    configure: &mut dyn FnMut(&mut Simulator),
    wrap: impl Fn(usize, Box<dyn Tuples<PrimeField>>) -> Box<dyn Tuples<PrimeField>>,
) -> Vec<Ended> {
    let field = field();
    let n = setup.n;
    let dealer = Dealer::new(field, n, [setup.seed as u8; 32]);
    let mut simulator = Simulator::new(setup.seed, n);
    configure(&mut simulator);
    let words = |values: &[i128]| {
        let values: Vec<_> = values.iter().map(|&x| field.from_i128(x)).collect();
        dealer.share(&mut Rng::seed_from_u64(setup.seed), &values)
    };
    let secrets = words(&setup.secrets);
    let storage: Vec<_> = match &setup.storage {
        Some(values) => words(values).into_iter().map(Some).collect(),
        None => (0..n).map(|_| None).collect(),
    };
    let orders = simulator.orders();
    let parties = simulator.channels().into_iter().zip(secrets).zip(storage).enumerate();
    let futures: Vec<_> = parties
        .map(|(i, ((channels, secrets), storage))| {
            let party = Party::new(i, SESSION, channels, Rng::seed_from_u64(setup.seed * 100 + i as u64));
            let [gate, binary_gate, bits_gate] = orders.each_ref().map(|order| order.gate(i, SESSION));
            let mac = MacCheck::new(field, dealer.key(i), gate);
            let online = Online::new(field, party, mac, wrap(i, Box::new(dealer.tuples(i, 0))));
            let binary = BinaryField::new(program.machine().gf2n).unwrap();
            let gates = [binary_gate, bits_gate];
            let sides = vm::dealt_sides_behind(&dealer, binary, n, i, [setup.seed as u8; 32], gates);
            let (door, inputs) = (door(i, &dealer), inputs(i));
            let threads = setup.threads.then(|| simulator.threads(i, SESSION, &orders, setup.seed));
            party_run(program, setup, (online, sides), (secrets, storage), (door, inputs), threads)
        })
        .collect();
    simulator.run(futures)
}

async fn party_run(
    program: &Verified,
    setup: &Setup,
    (mut online, (mut binary, mut bits)): (Online<PrimeField>, (Side<BinaryField>, BitSide)),
    (secrets, storage): (Shares<PrimeField>, Option<Shares<PrimeField>>),
    (mut door, mut inputs): (Option<Box<dyn Door>>, Box<dyn Inputs>),
    mut threads: Option<SimThreads>,
) -> Ended {
    let mut printed = Vec::new();
    let mut standard = Secrets::new(secrets, 1 << 20);
    let mut storage = MemoryStorage::new(storage);
    let ports = Ports {
        online: &mut online,
        binary: Some(&mut binary),
        bits: Some(&mut bits),
        inputs: &mut *inputs,
        door: door.as_deref_mut().unwrap_or(&mut standard),
        storage: &mut storage,
        binary_storage: &mut MemoryStorage::default(),
        printer: &mut printed,
        arguments: &setup.arguments,
        threads: threads.as_mut().map(|threads| threads as &mut dyn Threads),
        meter: None,
    };
    let result = vm::run(program, ports, &setup.limits).await;
    Ended { result, printed, outputs: standard.into_outputs() }
}

/// The values that all parties' shares hold.
pub fn reconstruct(ended: &[Ended]) -> Vec<String> {
    let field = field();
    (0..ended[0].outputs.len())
        .map(|k| field.signed_decimal(field.sum(ended.iter().map(|party| party.outputs.values[k]))))
        .collect()
}

/// Runs a program of plain instructions with 2 parties and gives what party 0 printed.
pub fn printed(tapes: &[&[Line<'_>]]) -> Result<String, VmError> {
    let setup = Setup::new(2);
    let mut ended = run(&verify(program(tapes), 2), &setup);
    let first = ended.swap_remove(0);
    first.result.map(|_| String::from_utf8(first.printed).unwrap())
}

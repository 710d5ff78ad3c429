//! Bytecode of MP-SPDZ's compiler with bytes changed: loaded, verified and run by two parties under tight limits. It
//! ends in a result or in a typed error, whatever the bytes, soon and in little memory.
//!
//! A few hundred mutants by default; `POLYYNE_LONG=1` tries a hundred thousand. A failure prints its seed, and
//! `POLYYNE_SEED=N` runs that one alone.
#![allow(clippy::disallowed_methods)] // a test reads programs and its settings; the engine has neither

mod vm_harness;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use polyyne_bytecode::{
    Bill, Instruction, Limits as VerifierLimits, Machine, Operand, Outline, Program, SizeLimits, Traffic, decode,
    encode,
};
use polyyne_engine::port::Rng;
use polyyne_engine::vm::{Inputs, Limits, TextInputs};
use rand_core::{Rng as _, SeedableRng as _};
use vm_harness::{Setup, field, folder, run_with};

const SHORT: u64 = 400;
const LONG: u64 = 100_000;
/// Programs whose tapes are longer take the time of many others.
const TAPES_BYTES_MAX: usize = 200_000;
/// One mutant, refused or run, on a busy machine and without optimisation.
const MUTANT_TIME_MAX: Duration = Duration::from_secs(60);
/// Programs, frames and memory of both parties under the limits below, and what the test itself holds.
const PEAK_BYTES_MAX: usize = 1 << 29;

/// A program as its files.
#[derive(Clone)]
struct Files {
    name: String,
    schedule: String,
    tapes: Vec<(String, Vec<u8>)>,
}

fn corpus() -> Vec<Files> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("Schedules"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let files = names.into_iter().map(|name| {
        let schedule = std::fs::read_to_string(folder().join("Schedules").join(format!("{name}.sch"))).unwrap();
        let mut tapes = Vec::new();
        let read = |file: &str| {
            let bytes = std::fs::read(folder().join("Bytecode").join(file)).unwrap();
            tapes.push((file.to_owned(), bytes.clone()));
            Ok::<_, std::convert::Infallible>(bytes)
        };
        Program::load(&schedule, &SizeLimits::default(), read).unwrap();
        Files { name, schedule: without_counts(&schedule), tapes }
    });
    files.filter(|files| files.tapes.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= TAPES_BYTES_MAX).collect()
}

/// A schedule may leave out how many instructions a tape has; with the numbers, most mutants would be refused for them.
fn without_counts(schedule: &str) -> String {
    let name = |tape: &'_ str| tape.rsplit_once(':').map_or(tape.to_owned(), |(name, _)| name.to_owned());
    let tapes = |line: &str| line.split(' ').map(name).collect::<Vec<_>>().join(" ");
    let lines = schedule.lines().enumerate();
    let lines: Vec<String> = lines.map(|(at, line)| if at == 2 { tapes(line) } else { line.to_owned() }).collect();
    lines.join("\n") + "\n"
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

/// Changes bytes as a fuzzer does: bits, whole bytes, operand words, runs cut out, doubled or moved.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=below(rng, 6) {
        let at = below(rng, bytes.len());
        if bytes.is_empty() {
            bytes.push(rng.next_u64() as u8);
            continue;
        }
        match below(rng, 8) {
            0 => bytes[at] ^= 1 << below(rng, 8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 | 3 => {
                // an operand is a word in network order
                let word = [0, 1, 2, 3, 64, 255, 1 << 16, i32::MAX as u32, u32::MAX, 1 << 31][below(rng, 10)];
                let at = at / 4 * 4;
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
            }
            4 => {
                let end = bytes.len().min(at + 4 * below(rng, 9));
                bytes.drain(at..end);
            }
            5 => {
                let at = at / 4 * 4;
                let run = bytes[at..bytes.len().min(at + 4 * below(rng, 9))].to_vec();
                let to = below(rng, bytes.len()) / 4 * 4;
                bytes.splice(to..to, run);
            }
            6 => bytes.truncate(at),
            _ => {
                let at = at / 4 * 4;
                let from = below(rng, bytes.len()) / 4 * 4;
                for k in 0..4.min(bytes.len() - at).min(bytes.len() - from) {
                    bytes[at + k] = bytes[from + k];
                }
            }
        }
    }
}

/// Changes an operand or the vector size of an instruction, or where it stands.
fn rewrite(rng: &mut Rng, instructions: &mut Vec<Instruction>) {
    if instructions.is_empty() {
        return;
    }
    let (at, other) = (below(rng, instructions.len()), below(rng, instructions.len()));
    let old = instructions[at].clone();
    let number = [0, 1, 2, 3, 5, 63, 64, 65, 1000, i32::MAX.into(), -1, i32::MIN.into()][below(rng, 12)];
    match below(rng, 8) {
        0 => drop(instructions.remove(at)),
        1 => instructions.insert(other, old),
        2 => instructions.swap(at, other),
        3 => {
            let size = [0, 1, 2, 3, 64, 65, 1000, 1 << 40][below(rng, 8)];
            let resized = Instruction::from_opcode(old.opcode(), size, old.operands().to_vec());
            resized.into_iter().for_each(|resized| instructions[at] = resized);
        }
        _ => {
            let mut operands = old.operands().to_vec();
            let which = below(rng, operands.len());
            let Some(operand) = operands.get_mut(which) else { return };
            match operand {
                Operand::Reg(register) => *register = number as u32,
                Operand::Int(value) => *value = number as i32,
                Operand::Long(value) => *value = number,
                Operand::Tag(_) | Operand::Text(_) => {}
            }
            let changed = Instruction::from_opcode(old.opcode(), old.raw_size(), operands);
            changed.into_iter().for_each(|changed| instructions[at] = changed);
        }
    }
}

fn mutant(seed: u64, corpus: &[Files]) -> Files {
    let mut rng = Rng::seed_from_u64(seed);
    let mut files = corpus[below(&mut rng, corpus.len())].clone();
    if below(&mut rng, 10) == 0 {
        let mut text = files.schedule.into_bytes();
        mutate(&mut rng, &mut text);
        files.schedule = String::from_utf8_lossy(&text).into_owned();
    }
    let tape = below(&mut rng, files.tapes.len());
    let bytes = &mut files.tapes[tape].1;
    if below(&mut rng, 3) == 0 {
        mutate(&mut rng, bytes);
    } else {
        // changes that the decoder lets through reach the verifier and the machine more often
        let mut instructions = decode(&files.name, bytes, usize::MAX).unwrap();
        (0..=below(&mut rng, 3)).for_each(|_| rewrite(&mut rng, &mut instructions));
        *bytes = encode(&instructions);
    }
    files
}

/// True if it got as far as to run.
fn try_out(files: &Files, seed: u64) -> bool {
    let read = |file: &str| files.tapes.iter().find(|(name, _)| name == file).map(|(_, bytes)| bytes.clone()).ok_or(());
    let Ok(program) = Program::load(&files.schedule, &SizeLimits::default(), read) else { return false };
    let _ = (Bill::of(&program), Outline::of(&program), Traffic::of(&program));
    assert!(Program::from_bytes(&program.to_bytes(), &SizeLimits::default()).is_ok(), "what was loaded loads again");
    let limits = VerifierLimits {
        frame_bytes_max: 1 << 22,
        memory_bytes_max: 1 << 22,
        elements_max: 1 << 10,
        ..VerifierLimits::default()
    };
    let gf2n = if program.schedule().gf2n == 0 { 128 } else { program.schedule().gf2n };
    let machine = Machine { prime: field().modulus(), parties: 2, gf2n };
    let Ok(verified) = polyyne_bytecode::verify(program, &machine, &limits) else { return false };
    let mut setup = Setup::new(2);
    setup.seed = seed % 251;
    setup.limits = Limits { steps_max: 4_000, rounds_max: 200, frame_bytes_max: 1 << 23, printed_bytes_max: 1 << 14 };
    setup.secrets = vec![1, 2, 3];
    let words = |_| -> Box<dyn Inputs> { Box::new(TextInputs::default().with(0, "1 -2 3.5 4 5")) };
    let ended = run_with(&verified, &setup, |_, _| None, words, &mut |_| {});
    for ended in &ended {
        assert!(ended.printed.len() <= 1 << 14);
        if let Err(error) = &ended.result {
            assert!(!error.to_string().is_empty());
        }
    }
    true
}

/// Says which mutant it was when a test unwinds, or when it does not end; then it ends the process.
struct Watched {
    seed: u64,
    _ended: Sender<()>,
}

impl Watched {
    fn new(seed: u64) -> Self {
        let (ended, watch) = channel::<()>();
        std::thread::spawn(move || {
            if watch.recv_timeout(MUTANT_TIME_MAX) == Err(RecvTimeoutError::Timeout) {
                eprintln!("the mutant of POLYYNE_SEED={seed} does not end");
                std::process::abort();
            }
        });
        Watched { seed, _ended: ended }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the mutant of POLYYNE_SEED={}", self.seed);
        }
    }
}

/// The most memory that this process ever had, where the system tells.
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

#[test]
fn changed_bytecode_ends_in_a_result_or_a_typed_error() {
    let corpus = corpus();
    assert!(corpus.len() > 20, "{:?}", corpus.iter().map(|files| &files.name).collect::<Vec<_>>());
    let one = std::env::var("POLYYNE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let long = std::env::var("POLYYNE_LONG").is_ok_and(|long| long == "1");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..if long { LONG } else { SHORT },
    };
    let mut ran = 0;
    for seed in seeds.clone() {
        let _watched = Watched::new(seed);
        ran += u64::from(try_out(&mutant(seed, &corpus), seed));
        assert!(peak_bytes().is_none_or(|peak| peak <= PEAK_BYTES_MAX), "{:?} bytes", peak_bytes());
    }
    eprintln!("{ran} of {seeds:?} ran, {:?} bytes at most", peak_bytes());
    // most mutants are refused; a set of which none runs would test the loader only
    assert!(one.is_some() || ran > SHORT / 20, "{ran} of {seeds:?} ran");
}

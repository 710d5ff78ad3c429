//! Loader, verifier and execution: one tape of arbitrary bytes, run by two parties with a dealer's tuples under tight
//! limits. Seeds: `tests/conformance/Bytecode`.
#![no_main]

#[path = "../../engine/tests/vm_harness/mod.rs"]
mod vm_harness;

use libfuzzer_sys::fuzz_target;
use polyyne_bytecode::{Bill, Limits as VerifierLimits, Machine, Outline, Program, SizeLimits, Traffic};
use polyyne_engine::vm::Limits;
use vm_harness::{Setup, field, run};

const SCHEDULE: &str = "1\n1\nfuzzed\n1 0\n0\ncompile.py fuzzed\nlgp:0\nopts: \nsec:0\nlg2:0\n";

fuzz_target!(|bytes: &[u8]| {
    let read = |_: &str| Ok::<_, ()>(bytes.to_vec());
    let Ok(program) = Program::load(SCHEDULE, &SizeLimits::default(), read) else { return };
    let _ = (Bill::of(&program), Outline::of(&program), Traffic::of(&program));
    let limits = VerifierLimits {
        frame_bytes_max: 1 << 22,
        memory_bytes_max: 1 << 22,
        elements_max: 1 << 10,
        ..VerifierLimits::default()
    };
    let machine = Machine { prime: field().modulus(), parties: 2, gf2n: 128 };
    let Ok(verified) = polyyne_bytecode::verify(program, &machine, &limits) else { return };
    let mut setup = Setup::new(2);
    setup.limits = Limits { steps_max: 4_000, rounds_max: 200, frame_bytes_max: 1 << 23, printed_bytes_max: 1 << 14 };
    setup.secrets = vec![1, 2, 3];
    run(&verified, &setup);
});

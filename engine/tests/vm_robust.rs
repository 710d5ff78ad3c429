//! Random well-formed programs end in a result or in a typed error, at every party, within their limits.

mod vm_harness;

use polyyne_bytecode::{Instruction, Opcode, Program, Tape};
use polyyne_engine::vm::{Fault, Limits, TextInputs};
use proptest::prelude::*;
use vm_harness::{Setup, field, run_with};

fn operand() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0i64..6, 2 => 0i64..70, 1 => -3i64..0]
}

/// A random instruction, and one that sets the registers that addresses and counts come from.
fn instruction() -> impl Strategy<Value = Option<Instruction>> {
    let size = prop_oneof![3 => Just(0u64), 2 => 1u64..5, 1 => Just(70)];
    (0..Opcode::ALL.len(), size, proptest::collection::vec(operand(), 0..24)).prop_map(|(which, size, numbers)| {
        (0..=numbers.len())
            .rev()
            .find_map(|count| Instruction::numeric(Opcode::ALL[which].name(), size, &numbers[..count]).ok())
    })
}

fn tape(name: &str, instructions: Vec<Option<Instruction>>) -> Tape {
    Tape { name: name.into(), instructions: instructions.into_iter().flatten().collect() }
}

fn machine() -> polyyne_bytecode::Machine {
    polyyne_bytecode::Machine { prime: field().modulus(), parties: 2, gf2n: 40 }
}

fn runs(tapes: Vec<Tape>, seed: u64) {
    let limits = polyyne_bytecode::Limits {
        frame_bytes_max: 1 << 22,
        memory_bytes_max: 1 << 22,
        elements_max: 1 << 10,
        ..Default::default()
    };
    let Ok(program) = Program::from_tapes(tapes) else { return };
    let Ok(verified) = polyyne_bytecode::verify(program, &machine(), &limits) else { return };
    let mut setup = Setup::new(2);
    setup.seed = seed;
    setup.limits = Limits { steps_max: 2_000, rounds_max: 2_000, frame_bytes_max: 1 << 23, printed_bytes_max: 10_000 };
    setup.secrets = vec![1, 2, 3];
    setup.arguments = vec![4, 5];
    let words = |_| -> Box<dyn polyyne_engine::vm::Inputs> { Box::new(TextInputs::default().with(0, "1 -2 3.5 4 5")) };
    let ended = run_with(&verified, &setup, |_, _| None, words, &mut |_| {});
    for ended in &ended {
        // What is not refused when it is loaded is known when it runs.
        let fault = ended.result.as_ref().err().and_then(|error| error.fault());
        assert!(!matches!(fault, Some(Fault::Unsupported(_))), "{fault:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn one_instruction_of_any_kind_runs_or_is_refused(only in instruction(), seed in 0u64..1000) {
        runs(vec![tape("t", vec![only])], seed);
    }

    #[test]
    fn whole_programs_end(
        main in proptest::collection::vec(instruction(), 1..40),
        other in proptest::collection::vec(instruction(), 0..10),
        seed in 0u64..1000,
    ) {
        // An instruction that the verifier refuses would hide all others: such are left out one by one.
        let alone = |instruction: &Option<Instruction>| instruction.as_ref().is_some_and(|instruction| {
            let tapes = vec![tape("t", vec![Some(instruction.clone())]), tape("u", Vec::new())];
            Program::from_tapes(tapes).is_ok_and(|program| {
                polyyne_bytecode::verify(program, &machine(), &polyyne_bytecode::Limits::default()).is_ok()
            }) && polyyne_engine::vm::unsupported_with(instruction.opcode(), true, true).is_none()
        });
        let keep = |all: Vec<Option<Instruction>>| all.into_iter().filter(alone).collect::<Vec<_>>();
        runs(vec![tape("t", keep(main)), tape("u", keep(other))], seed);
    }
}

//! Whatever decodes can be verified, listed and costed without a panic.

use polyyne_bytecode::{Bill, Instruction, Limits, Machine, Opcode, Outline, Program, Tape, spans, verify};
use proptest::prelude::*;

const MACHINE: Machine = Machine { prime: 198766463529478683931867765928436695041, parties: 2, gf2n: 40 };

fn word() -> impl Strategy<Value = i64> {
    prop_oneof![0i64..8, Just(-1), Just(i64::from(i32::MAX)), Just(i64::from(i32::MIN)), -70i64..70]
}

fn instruction() -> impl Strategy<Value = Option<Instruction>> {
    let size = prop_oneof![Just(0u64), 1u64..100, Just((1 << 54) - 1)];
    (0..Opcode::ALL.len(), size, proptest::collection::vec(word(), 0..32)).prop_map(|(which, size, numbers)| {
        (0..=numbers.len())
            .rev()
            .find_map(|count| Instruction::numeric(Opcode::ALL[which].name(), size, &numbers[..count]).ok())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_well_formed_instruction_is_verified_or_refused(instruction in instruction()) {
        if let Some(instruction) = instruction {
            let _ = (instruction.to_string(), spans(&instruction));
            let tape = Tape { name: "t".into(), instructions: vec![instruction] };
            let program = Program::from_tapes(vec![tape]).unwrap();
            let _ = (Bill::of(&program), Outline::of(&program));
            let _ = verify(program, &MACHINE, &Limits::default());
        }
    }
}

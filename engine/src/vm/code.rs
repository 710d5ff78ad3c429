//! Tapes in the form that the machine runs: decoded once, operands as plain numbers.

use polyyne_bytecode::{Opcode, Operand, Program, lanes};

/// One instruction. Its operands are `args[first..first + count]` of its tape.
#[derive(Clone, Copy)]
pub(super) struct Op {
    pub opcode: Opcode,
    pub size: u32,
    first: u32,
    count: u32,
}

/// A tape.
pub(super) struct Tape {
    pub name: String,
    pub ops: Vec<Op>,
    args: Vec<i64>,
    /// Text operands; the operand is an index here.
    pub texts: Vec<String>,
}

impl Tape {
    pub(super) fn args(&self, op: &Op) -> &[i64] {
        &self.args[op.first as usize..][..op.count as usize]
    }
}

/// Decodes all tapes of a verified program (whose sizes fit 32 bits).
pub(super) fn compile(program: &Program) -> Vec<Tape> {
    program.tapes().iter().map(tape).collect()
}

fn tape(source: &polyyne_bytecode::Tape) -> Tape {
    let mut tape = Tape {
        name: source.name.clone(),
        ops: Vec::with_capacity(source.instructions.len()),
        args: Vec::new(),
        texts: Vec::new(),
    };
    for instruction in &source.instructions {
        let first = tape.args.len();
        for operand in instruction.operands() {
            let number = match operand {
                Operand::Text(text) => {
                    tape.texts.push(text.as_str().to_owned());
                    tape.texts.len() as i64 - 1
                }
                other => other.number(),
            };
            tape.args.push(number);
        }
        let narrow = |number: usize| u32::try_from(number).expect("a tape has fewer than 2^32 operands");
        tape.ops.push(Op {
            opcode: instruction.opcode(),
            size: u32::try_from(lanes(instruction)).expect("the verifier bounds vector sizes"),
            first: narrow(first),
            count: narrow(tape.args.len() - first),
        });
    }
    tape
}

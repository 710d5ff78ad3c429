//! Which registers an instruction touches: bank, first register, how many.
//!
//! Register counts are not stored in a tape, and many instructions touch more than `size` registers, so everything that
//! sizes banks, checks bounds or allocates registers has to know the rules below.

use crate::instruction::{Instruction, Operand};
use crate::opcode::{Access, Bank, Kind, Opcode, Vector};

/// A run of consecutive registers that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The bank.
    pub bank: Bank,
    /// Read or written.
    pub access: Access,
    /// The first register. Negative only for `picks` with an impossible start.
    pub first: i128,
    /// How many.
    pub count: i128,
}

/// One argument of a `call_tape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallArgument {
    /// True if the caller gives it, false if it is a result of the callee.
    pub into_callee: bool,
    /// The bank, in both frames.
    pub bank: Bank,
    /// Number of registers.
    pub count: u32,
    /// First register in the frame of the caller.
    pub caller: u32,
    /// First register in the frame of the callee.
    pub callee: u32,
}

/// The arguments of a `call_tape`; `None` if a direction, bank or length is impossible.
pub fn call_arguments(instruction: &Instruction) -> Option<Vec<CallArgument>> {
    instruction.operands()[2..].chunks_exact(5).map(call_argument).collect()
}

fn call_argument(operands: &[Operand]) -> Option<CallArgument> {
    let number = |at: usize| operands[at].number();
    let into_callee = match number(0) {
        0 => true,
        1 => false,
        _ => return None,
    };
    let bank = Bank::from_call_number(i32::try_from(number(1)).ok()?)?;
    let count = u32::try_from(number(2)).ok()?;
    let (destination, source) = (u32::try_from(number(3)).ok()?, u32::try_from(number(4)).ok()?);
    let (caller, callee) = if into_callee { (source, destination) } else { (destination, source) };
    Some(CallArgument { into_callee, bank, count, caller, callee })
}

/// The vector size that an instruction works with: that of the opcode word, unless the instruction has no use for one.
pub fn lanes(instruction: &Instruction) -> u64 {
    let scalar = instruction.opcode().spec().vector == Vector::Scalar;
    let used = matches!(
        instruction.opcode(),
        Opcode::PrintInt | Opcode::CondPrintPlain | Opcode::Zips | Opcode::Inputmixedreg
    );
    if scalar && !used { 1 } else { instruction.size() }
}

/// How many 64-bit registers `bits` bits span.
pub const fn words(bits: i128) -> i128 {
    (bits + 63).div_euclid(64)
}

/// All register runs of an instruction in its own frame. Lengths are as the operands give them and may be negative where
/// a program is wrong; the verifier refuses those.
pub fn spans(instruction: &Instruction) -> Vec<Span> {
    let opcode = instruction.opcode();
    let size = i128::from(lanes(instruction));
    let operands = instruction.operands();
    let number = |at: usize| i128::from(operands[at].number());
    let mut spans = Vec::with_capacity(operands.len());
    let kinds = instruction.kinds();
    // The start and length of the group that the operand at hand belongs to.
    let group = |at: usize, leading: usize, length: usize| leading + (at - leading) / length * length;

    for (at, (operand, &kind)) in operands.iter().zip(&kinds).enumerate() {
        let Kind::Register(bank, access) = kind else {
            continue;
        };
        let first = i128::from(operand.number());
        let mut push = |first, count| spans.push(Span { bank, access, first, count });
        match opcode {
            Opcode::Picks if at == 1 => {
                let (start, step) = (number(2), number(3));
                let reach = (size - 1) * step;
                push(first + start + reach.min(0), reach.abs() + 1);
            }
            Opcode::Concats if at == 0 => {
                let total = operands[1..].chunks_exact(2).map(|pair| i128::from(pair[0].number())).sum::<i128>();
                push(first, total.max(size));
            }
            Opcode::Concats => push(first, number(at - 1)),
            Opcode::Zips => push(first, if at == 0 { 2 * size } else { size }),
            Opcode::Incint => push(first, if at == 0 { size } else { 1 }),
            Opcode::Muls | Opcode::GMuls | Opcode::Mulrs | Opcode::GMulrs => {
                let scalar = matches!(opcode, Opcode::Mulrs | Opcode::GMulrs) && at % 4 == 3;
                push(first, if scalar { 1 } else { number(group(at, 0, 4)) });
            }
            Opcode::Matmuls | Opcode::GMatmuls => {
                let start = group(at, 0, 6);
                let (rows, inner, columns) = (number(start + 3), number(start + 4), number(start + 5));
                push(first, [rows * columns, rows * inner, inner * columns][at - start]);
            }
            Opcode::Matmulsm | Opcode::GMatmulsm => {
                let start = group(at, 0, 12);
                let (rows, inner, columns) = (number(start + 3), number(start + 4), number(start + 5));
                let count = match at - start {
                    0 => rows * columns,
                    1 | 2 => 1,
                    6 => rows,
                    9 => columns,
                    _ => inner,
                };
                push(first, count);
            }
            Opcode::Conv2ds => {
                let start = group(at, 0, 15);
                let shape = |k: usize| number(start + k);
                let count = match at - start {
                    0 => shape(14) * shape(3) * shape(4),
                    1 => shape(14) * shape(5) * shape(6) * shape(11),
                    _ => shape(7) * shape(8) * shape(11),
                };
                push(first, count);
            }
            Opcode::Privateoutput | Opcode::Inputpersonal => push(first, number(group(at, 0, 4))),
            Opcode::Sendpersonal => push(first, number(group(at, 0, 5))),
            Opcode::Applyshuffle => {
                let start = group(at, 0, 6);
                push(first, if at - start == 4 { 1 } else { number(start) });
            }
            Opcode::Readsocketint | Opcode::Readsocketc | Opcode::Readsockets if at > 0 => push(first, number(1)),
            Opcode::Writesocketint | Opcode::Writesocketc | Opcode::Writesockets | Opcode::Writesocketshare
                if at > 0 =>
            {
                push(first, number(2));
            }
            Opcode::Writesharestofile
            | Opcode::GWritesharestofile
            | Opcode::Readsharesfromfile
            | Opcode::GReadsharesfromfile => push(first, if bank == Bank::Regint { 1 } else { size }),
            Opcode::Inputmixed | Opcode::Inputmixedreg => push(first, if bank == Bank::Regint { 1 } else { size }),
            Opcode::PrintInt => push(first, size),
            Opcode::CondPrintPlain => push(first, if at == 1 { size } else { 1 }),
            Opcode::Pushint | Opcode::Starg => push(first, 1),

            Opcode::Dabit | Opcode::Edabit | Opcode::Sedabit | Opcode::Split => {
                push(first, if bank == Bank::Sbits { words(size) } else { size });
            }
            Opcode::Ldmsbi | Opcode::Stmsbi | Opcode::Ldmcbi | Opcode::Stmcbi => {
                push(first, if at == 0 { size } else { 1 });
            }
            Opcode::Xors | Opcode::Ands | Opcode::Andrs => {
                let one = opcode == Opcode::Andrs && at % 4 == 3;
                push(first, if one { 1 } else { words(number(group(at, 0, 4))) });
            }
            Opcode::Reveal => push(first, words(number(group(at, 0, 3)))),
            Opcode::Inputb => push(first, words(number(group(at, 0, 4) + 1))),
            Opcode::Xorm
            | Opcode::Andm
            | Opcode::Nots
            | Opcode::Notcb
            | Opcode::Xorcb
            | Opcode::Movsb
            | Opcode::Convcbit2s
            | Opcode::PrintRegSigned => push(first, words(number(0))),
            Opcode::Convcbitvec => push(first, if at == 1 { number(0) } else { words(number(0)) }),
            Opcode::Convcintvec => push(first, if at == 0 { size } else { words(size) }),
            Opcode::Andrsvec => push(first, words(group_length(operands, at, 1))),
            Opcode::Trans => {
                let outputs = number(0);
                let inputs = operands.len() as i128 - 1 - outputs;
                push(first, words(if access == Access::Write { inputs } else { outputs }));
            }
            _ => push(first, if opcode.spec().vector == Vector::Scalar { 1 } else { size }),
        }
    }
    if opcode == Opcode::CallArg
        && let Some(bank) = i32::try_from(operands[1].number()).ok().and_then(Bank::from_call_number)
    {
        spans.push(Span { bank, access: Access::Write, first: number(0), count: size });
    }
    if opcode == Opcode::CallTape {
        for argument in call_arguments(instruction).unwrap_or_default() {
            let access = if argument.into_callee { Access::Read } else { Access::Write };
            let (first, count) = (i128::from(argument.caller), i128::from(argument.count));
            spans.push(Span { bank: argument.bank, access, first, count });
        }
    }
    spans
}

/// Operand `which` of the self-describing group that holds operand `at`.
fn group_length(operands: &[Operand], at: usize, which: usize) -> i128 {
    let mut start = 0;
    loop {
        let length = usize::try_from(operands[start].number()).expect("group lengths were checked with the shape");
        if at < start + length {
            return i128::from(operands[start + which].number());
        }
        start += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(name: &str, size: u64, numbers: &[i64]) -> Vec<(i128, i128)> {
        let instruction = Instruction::numeric(name, size, numbers).unwrap();
        spans(&instruction).iter().map(|span| (span.first, span.count)).collect()
    }

    #[test]
    fn lengths_come_from_where_each_instruction_keeps_them() {
        assert_eq!(counts("adds", 5, &[1, 2, 3]), [(1, 5), (2, 5), (3, 5)]);
        assert_eq!(counts("muls", 1, &[4, 10, 20, 30]), [(10, 4), (20, 4), (30, 4)]);
        assert_eq!(counts("mulrs", 1, &[4, 10, 20, 30]), [(10, 4), (20, 4), (30, 1)]);
        assert_eq!(counts("zips", 3, &[0, 10, 20]), [(0, 6), (10, 3), (20, 3)]);
        assert_eq!(counts("picks", 3, &[0, 10, 8, -2]), [(0, 3), (14, 5)]);
        assert_eq!(counts("matmuls", 0, &[0, 10, 20, 2, 3, 4]), [(0, 8), (10, 6), (20, 12)]);
        assert_eq!(counts("dabit", 65, &[0, 7]), [(0, 65), (7, 2)]);
        assert_eq!(counts("trans", 0, &[2, 0, 1, 5, 6, 7]), [(0, 1), (1, 1), (5, 1), (6, 1), (7, 1)]);
        assert_eq!(counts("andrsvec", 0, &[5, 70, 0, 10, 20]), [(0, 2), (10, 2), (20, 2)]);
        assert_eq!(counts("ldmsi", 4, &[0, 9]), [(0, 4), (9, 4)]);
        assert_eq!(counts("ldmsbi", 4, &[0, 9]), [(0, 4), (9, 1)]);
        assert_eq!(counts("inputmixed", 4, &[1, 3, 16, 0]), [(3, 4)]);
    }

    #[test]
    fn call_arguments_know_both_frames() {
        let call = Instruction::numeric("call_tape", 0, &[1, 0, 0, 4, 3, 50, 60, 1, 0, 2, 70, 80]).unwrap();
        let arguments = call_arguments(&call).unwrap();
        assert_eq!(
            arguments[0],
            CallArgument { into_callee: true, bank: Bank::Sint, count: 3, caller: 60, callee: 50 }
        );
        assert_eq!(
            arguments[1],
            CallArgument { into_callee: false, bank: Bank::Regint, count: 2, caller: 70, callee: 80 }
        );
        let sint = spans(&call).into_iter().find(|span| span.bank == Bank::Sint).unwrap();
        assert_eq!(sint, Span { bank: Bank::Sint, access: Access::Read, first: 60, count: 3 });
    }
}

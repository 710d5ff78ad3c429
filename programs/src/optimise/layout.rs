//! The final form of a tape: labels become distances, steps become instructions.

use std::collections::HashMap;

use polyyne_bytecode::{Bank, Instruction, Kind, Operand};

use crate::optimise::OptimiseError;
use crate::optimise::allocate::Numbers;
use crate::optimise::bill::Bill;
use crate::record::{Arg, Block, Record, Step};

/// Lays out one tape.
///
/// # Errors
/// [`OptimiseError`] if a jump has no target or an operand does not fit.
pub fn layout(record: &Record, tape: usize, numbers: &Numbers, bill: &Bill) -> Result<Vec<Instruction>, OptimiseError> {
    let shape = |error: polyyne_bytecode::ShapeError| OptimiseError::Shape(error.to_string());
    let blocks = &record.tapes[tape].blocks;
    let labels = positions(blocks);
    let mut instructions = Vec::new();
    for step in blocks.iter().flat_map(|block| &block.steps) {
        let position = instructions.len() as i64;
        let operands = operands(step, position, numbers, &labels)?;
        instructions.push(Instruction::from_opcode(step.opcode, step.size, operands).map_err(shape)?);
    }
    if tape == 0 {
        instructions.extend(memory_sizes(record).map_err(shape)?);
    }
    instructions.extend(bill.declarations().map_err(shape)?);
    for (name, bits) in [("reqbl", record.prime_bits), ("greqbl", record.gf2n)] {
        if bits > 0 && (name == "greqbl" || record.prime.is_none()) {
            instructions.push(Instruction::numeric(name, 0, &[i64::from(bits)]).map_err(shape)?);
        }
    }
    if tape == 0 {
        instructions.push(Instruction::numeric("active", 0, &[1]).map_err(shape)?);
    }
    Ok(instructions)
}

/// The position of every label.
fn positions(blocks: &[Block]) -> HashMap<u32, i64> {
    let mut labels = HashMap::new();
    let mut position = 0;
    for block in blocks {
        labels.extend(block.labels.iter().map(|&label| (label, position)));
        position += block.steps.len() as i64;
    }
    labels
}

/// Loads of the last cell of every memory in use, so that a machine sizes it for indirect accesses too.
fn memory_sizes(record: &Record) -> Result<Vec<Instruction>, polyyne_bytecode::ShapeError> {
    record
        .memory
        .iter()
        .filter(|&(_, &top)| top > 0)
        .map(|(&bank, &top)| {
            let name = match Bank::ALL[bank] {
                Bank::Sint => "ldms",
                Bank::Cint => "ldmc",
                Bank::Regint => "ldmint",
                Bank::Sgf2n => "gldms",
                Bank::Cgf2n => "gldmc",
                Bank::Sbits => "ldmsb",
                Bank::Cbits => "ldmcb",
            };
            Instruction::numeric(name, 0, &[0, top - 1])
        })
        .collect()
}

fn operands(
    step: &Step,
    position: i64,
    numbers: &Numbers,
    labels: &HashMap<u32, i64>,
) -> Result<Vec<Operand>, OptimiseError> {
    let target = |label: &u32| labels.get(label).copied().ok_or(OptimiseError::Label(*label));
    let leading = step.opcode.spec().leading;
    step.args
        .iter()
        .enumerate()
        .map(|(at, arg)| match arg {
            Arg::Register { id, offset, .. } => register(*id, *offset, numbers),
            Arg::Number(number) if leading.get(at) == Some(&Kind::Long) => Ok(Operand::Long(*number)),
            Arg::Number(number) => int(*number),
            Arg::Label(label) => int(target(label)? - (position + 1)),
            Arg::Distance(to, from) => int(target(to)? - target(from)?),
            Arg::Text(operand) => Ok(operand.clone()),
        })
        .collect()
}

fn int(number: i64) -> Result<Operand, OptimiseError> {
    i32::try_from(number)
        .map(Operand::Int)
        .map_err(|_| OptimiseError::Shape(format!("{number} does not fit into 32 bits")))
}

fn register(id: u32, offset: u32, numbers: &Numbers) -> Result<Operand, OptimiseError> {
    // A callee's register that its tape never uses has no number; any will do.
    let number = numbers.get(&id).copied().unwrap_or(0);
    number.checked_add(offset).map(Operand::Reg).ok_or(OptimiseError::TooManyRegisters)
}

//! From the record to bytecode: dead code, rounds, registers, jumps, bill.
//!
//! The passes run per tape in this order; each leaves a program that means the same.
//! 1. [`dead`]: instructions whose results nobody reads go.
//! 2. [`rounds`]: inside each block, independent openings, products and the like meet in one instruction.
//! 3. [`allocate`]: virtual registers become numbers.
//! 4. [`layout`]: labels become distances, steps become instructions, the bill is added.

mod allocate;
mod bill;
mod dead;
mod effect;
mod layout;
mod memory;
mod rounds;

use polyyne_bytecode::{Domain, Program, Schedule, Tape};

use crate::record::{Record, RecordError};

/// Why a record does not become a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimiseError {
    /// The record itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A jump to nowhere, or out of its tape.
    #[error("a jump goes to label {0}, which its tape does not have")]
    Label(u32),
    /// More registers than the format can number.
    #[error("the program needs more registers than the bytecode can number")]
    TooManyRegisters,
    /// A value that its field in the bytecode cannot hold.
    #[error("the bytecode cannot express an instruction: {0}")]
    Shape(String),
}

/// Makes bytecode of a record.
///
/// # Errors
/// [`OptimiseError`] if the record does not describe a program.
pub fn optimise(mut record: Record, name: &str, command: &str) -> Result<Program, OptimiseError> {
    for tape in 0..record.tapes.len() {
        dead::remove(&mut record, tape);
        rounds::merge(&mut record, tape);
    }
    let numbers = allocate::allocate(&record)?;
    let bills = bill::bills(&record);
    let mut tapes = Vec::with_capacity(record.tapes.len());
    for (at, tape) in record.tapes.iter().enumerate() {
        let instructions = layout::layout(&record, at, &numbers, &bills[at])?;
        let name = match tape.name.as_str() {
            "" => format!("{name}-{at}"),
            function => format!("{name}-{function}-{at}"),
        };
        tapes.push(Tape { name, instructions });
    }
    let wrong = |error: polyyne_bytecode::ProgramError| OptimiseError::Shape(error.to_string());
    let plain = Program::from_tapes(tapes).map_err(wrong)?;
    let schedule = Schedule {
        threads: record.threads,
        command: command.to_owned(),
        domain: match &record.prime {
            Some(prime) => Domain::Prime(prime.clone()),
            None => Domain::PrimeBits(record.prime_bits),
        },
        options: record.features.clone(),
        security: record.security,
        gf2n: record.gf2n,
        ..plain.schedule().clone()
    };
    Program::new(schedule, plain.tapes().to_vec()).map_err(wrong)
}

//! The MP-SPDZ bytecode: decode, encode, verify, cost. No I/O, no Python, no field arithmetic.
//!
//! # Reading
//!
//! ```
//! use polyyne_bytecode::{Program, SizeLimits};
//! # let files = std::collections::BTreeMap::from([("p-0.bc", vec![0, 0, 0, 0, 0, 0, 0, 0xaf])]);
//! let schedule = "1\n1\np-0:1\n1 0\n0\ncompile p\nlgp:0\nopts: \nsec:0\nlg2:0\n\n";
//! let program = Program::load(schedule, &SizeLimits::default(), |file| files.get(file).cloned().ok_or("missing"))?;
//! assert_eq!(program.tapes()[0].instructions[0].to_string(), "check");
//!
//! let bytes = program.to_bytes(); // one self-contained string: hash it, store it, send it
//! assert_eq!(Program::from_bytes(&bytes, &SizeLimits::default()).unwrap(), program);
//! # Ok::<(), polyyne_bytecode::ProgramError<&str>>(())
//! ```
//!
//! # Writing
//!
//! ```
//! use polyyne_bytecode::{Instruction, Operand, Program, Tape, encode};
//! let instructions = vec![
//!     Instruction::numeric("ldsi", 4, &[0, -3])?,                                     // s0..s3 := -3
//!     Instruction::new("mulsi", 4, vec![Operand::Reg(4), Operand::Reg(0), Operand::Int(2)])?,
//!     Instruction::numeric("asm_open", 4, &[1, 0, 4])?,                               // check, c0.., s4..
//!     Instruction::numeric("print_reg_plain", 4, &[0])?,
//! ];
//! let bytes = encode(&instructions);                                                  // the .bc file
//! let program = Program::from_tapes(vec![Tape { name: "p-0".into(), instructions }])?;
//! let text = program.schedule().to_text();                                            // the .sch file
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Parts
//!
//! - [`Opcode`], [`Spec`], [`Kind`], [`Bank`]: the instruction table.
//! - [`Instruction`], [`Operand`]: one instruction; a wrong shape cannot be built.
//! - [`decode`], [`encode`]: tapes as bytes, strictly and exactly.
//! - [`Schedule`], [`Program`], [`Tape`]: whole programs.
//! - [`spans`], [`call_arguments`]: which registers an instruction touches.
//! - [`verify`]: a [`Program`] for a [`Machine`] under [`Limits`] becomes a [`Verified`] one; [`refused`] names what no
//!   such machine runs.
//! - [`Program::declared_security`]: how well it says that it hides.
//! - [`Bill`], [`Outline`], [`Traffic`]: what it will cost.

#![warn(missing_docs)]

mod codec;
mod cost;
mod extent;
mod group;
mod instruction;
mod opcode;
mod program;
mod refused;
mod schedule;
mod security;
mod traffic;
mod verify;

pub use codec::{DecodeError, DecodeFault, decode, encode};
pub use cost::{Amount, Bill, Item, Outline, TupleDomain, is_interactive};
pub use extent::{CallArgument, Span, call_arguments, lanes, spans, words};
pub use group::Group;
pub use instruction::{Instruction, Operand, SIZE_MAX, ShapeError};
pub use opcode::{Access, Bank, Kind, Opcode, Spec, Tail, Vector};
pub use program::{Program, ProgramError, SizeLimits, Tape};
pub use refused::refused;
pub use schedule::{Domain, Entry, SCHEDULE_BYTES_MAX, Schedule, ScheduleError, THREADS_MAX};
pub use security::{UNKNOWN_ROUNDS_BITS, WHOLE_RUN};
pub use traffic::{Certainty, Traffic};
pub use verify::{ELEMENT_BYTES, Fault, Limits, Machine, PerBank, Verified, VerifyError, verify};

//! What this machine does not run although the format has it, each with the reason.

use super::fault::VmError;
use polyyne_bytecode::{Opcode, Verified, refused};

/// What an instruction needs beside the prime field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Prime,
    /// Tuples over GF(2^n).
    Binary,
    /// Bit tuples.
    Bits,
}

/// Why a machine with tuples over the prime field alone does not run an instruction; `None` if it does.
pub fn unsupported(opcode: Opcode) -> Option<&'static str> {
    unsupported_with(opcode, false, false)
}

/// Why a machine that has, beside the prime field, tuples over GF(2^n) (`binary`) or of bits (`bits`), or has them not,
/// does not run an instruction; `None` if it does.
pub fn unsupported_with(opcode: Opcode, binary: bool, bits: bool) -> Option<&'static str> {
    refused(opcode).or_else(|| match need(opcode) {
        Need::Binary if !binary => Some("there are no tuples over GF(2^n) here"),
        Need::Bits if !bits => Some("there are no bit tuples here"),
        _ => None,
    })
}

/// Why parties that do not trust the program do not run an instruction although the machine could; `None` if they do.
///
/// Some give parties different clear values. A program that computes shares with such values opens what was never
/// shared: its MAC check fails, and burns the key, though every party was honest.
pub fn distrusted(opcode: Opcode) -> Option<&'static str> {
    match opcode {
        Opcode::Playerid
        | Opcode::Inputmask
        | Opcode::GInputmask
        | Opcode::Inputmaskreg
        | Opcode::Privateoutput
        | Opcode::Sendpersonal
        | Opcode::Fixinput => {
            Some("it gives parties different clear values, with which a program could burn the MAC key")
        }
        _ => None,
    }
}

/// What an instruction needs.
pub fn need(opcode: Opcode) -> Need {
    match opcode {
        // The compiler ends every program with these, to say how much memory it uses.
        Opcode::GLdmc | Opcode::GLdms | Opcode::GReqbl => Need::Prime,
        Opcode::Dabit | Opcode::Edabit | Opcode::Sedabit => Need::Bits,
        opcode => match opcode.code() {
            0x100..=0x1ff => Need::Binary,
            0x200.. => Need::Bits,
            _ => Need::Prime,
        },
    }
}

/// Refuses a program with such an instruction before anything is spent.
pub(super) fn check(program: &Verified, binary: bool, bits: bool) -> Result<(), VmError> {
    for tape in program.program().tapes() {
        for (pc, instruction) in tape.instructions.iter().enumerate() {
            let opcode = instruction.opcode();
            if let Some(reason) = unsupported_with(opcode, binary, bits) {
                return Err(VmError::Unsupported { tape: tape.name.clone(), pc, opcode, reason });
            }
        }
    }
    Ok(())
}

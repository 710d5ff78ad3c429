//! What this machine does not run although the format has it, each with the reason.

use super::fault::VmError;
use polyyne_bytecode::{Opcode, Verified, refused};

/// Why this machine does not run an instruction; `None` if it does.
pub fn unsupported(opcode: Opcode) -> Option<&'static str> {
    refused(opcode).or_else(|| missing(opcode))
}

fn missing(opcode: Opcode) -> Option<&'static str> {
    const SHARE: &str = "it would print a share of a secret";
    const GF2N: &str = "this machine has no tuples over GF(2^n)";
    const BITS: &str = "this machine has no bit tuples";
    match opcode {
        Opcode::PrintRegPlains | Opcode::GPrintRegPlains | Opcode::PrintRegPlainsb => Some(SHARE),
        // The compiler ends every program with these two, to say how much memory it uses.
        Opcode::GLdmc | Opcode::GLdms | Opcode::GReqbl => None,
        Opcode::Dabit | Opcode::Edabit | Opcode::Sedabit => Some(BITS),
        Opcode::Secshuffle | Opcode::Gensecshuffle | Opcode::Applyshuffle | Opcode::Delshuffle => {
            Some("this machine has no secure shuffle")
        }
        opcode => match opcode.code() {
            0x100..=0x1ff => Some(GF2N),
            0x200.. => Some(BITS),
            _ => None,
        },
    }
}

/// Refuses a program with such an instruction before anything is spent.
pub(super) fn check(program: &Verified) -> Result<(), VmError> {
    for tape in program.program().tapes() {
        for (pc, instruction) in tape.instructions.iter().enumerate() {
            if let Some(reason) = unsupported(instruction.opcode()) {
                let (tape, opcode) = (tape.name.clone(), instruction.opcode());
                return Err(VmError::Unsupported { tape, pc, opcode, reason });
            }
        }
    }
    Ok(())
}

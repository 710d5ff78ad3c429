//! Instructions that a malicious-secure SPDZ machine over a prime field has no meaning for, each with the reason.

use crate::opcode::Opcode;

/// Why no SPDZ machine over a prime field runs this instruction; `None` if one does.
pub const fn refused(opcode: Opcode) -> Option<&'static str> {
    Some(match opcode {
        Opcode::Cisc => "it is only for emulation (programs compiled with -K)",
        Opcode::Randoms => "bounded random values exist in rings modulo 2^k only",
        Opcode::Shrsi | Opcode::GShrsi => "shares can be shifted in rings modulo 2^k only",
        Opcode::Split | Opcode::Unsplit => "local share conversion needs replicated shares",
        Opcode::TruncPr => "probabilistic truncation of shares needs a semi-honest or ring protocol",
        Opcode::InversePermutation => "it is a two-party semi-honest protocol; compile without --invperm",
        Opcode::GBittriple | Opcode::GBitgf2ntriple => "the format has retired it",
        Opcode::GModc | Opcode::GModci | Opcode::GFloordivc => "GF(2^n) has no division with remainder",
        Opcode::GShlc | Opcode::GShrc => "GF(2^n) is shifted by immediates only",
        Opcode::Ldmsdi | Opcode::Stmsdi | Opcode::Ldmsd | Opcode::Stmsd | Opcode::Stmsdci => {
            "it belongs to the memory of garbled circuits"
        }
        Opcode::Prep | Opcode::GPrep | Opcode::UsePrep | Opcode::GUsePrep => {
            "custom tuples come from files of a trusted dealer"
        }
        _ => return None,
    })
}

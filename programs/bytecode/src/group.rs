//! Instructions by what they are about, for whoever measures where a program's time goes.

use crate::opcode::Opcode;

/// A group of instructions; GF(2^n) twins belong to the group of their prime-field opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Constants, memory, copies.
    Memory,
    /// Clear arithmetic and the linear operations on shares.
    Arithmetic,
    /// From one kind of number to another.
    Conversion,
    /// 64-bit integers.
    Integers,
    /// Jumps, calls, threads, and what asks about the machine.
    Control,
    /// Declarations without effect.
    Declaration,
    /// Tuples that the program uses itself.
    Preprocessing,
    /// Openings and secret products.
    Multiplication,
    /// Secure shuffles.
    Shuffle,
    /// Inputs and outputs of parties.
    InputOutput,
    /// Printing.
    Printing,
    /// Client sockets.
    Sockets,
    /// Files of shares.
    Storage,
    /// Words of bits, local.
    Bits,
    /// Openings, products and inputs of bits.
    BitMultiplication,
    /// MAC checks: no instruction's own, but part of many.
    Check,
}

impl Group {
    /// All groups, in the order in which tables show them.
    pub const ALL: [Group; 16] = [
        Group::Memory,
        Group::Arithmetic,
        Group::Conversion,
        Group::Integers,
        Group::Control,
        Group::Declaration,
        Group::Preprocessing,
        Group::Multiplication,
        Group::Shuffle,
        Group::InputOutput,
        Group::Printing,
        Group::Sockets,
        Group::Storage,
        Group::Bits,
        Group::BitMultiplication,
        Group::Check,
    ];

    /// What tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Memory => "memory and copies",
            Group::Arithmetic => "local arithmetic",
            Group::Conversion => "conversions",
            Group::Integers => "integers",
            Group::Control => "control and threads",
            Group::Declaration => "declarations",
            Group::Preprocessing => "preprocessing",
            Group::Multiplication => "openings and products",
            Group::Shuffle => "shuffles",
            Group::InputOutput => "input and output",
            Group::Printing => "printing",
            Group::Sockets => "sockets",
            Group::Storage => "share files",
            Group::Bits => "local bits",
            Group::BitMultiplication => "bit openings and products",
            Group::Check => "MAC checks",
        }
    }
}

impl Opcode {
    /// The group that this instruction belongs to.
    pub const fn group(self) -> Group {
        use Opcode as O;
        let bits = match self {
            O::Inputb | O::Inputbvec => Some(Group::InputOutput),
            O::PrintRegSigned
            | O::PrintRegb
            | O::PrintRegPlainb
            | O::PrintFloatPlainb
            | O::CondPrintStrb
            | O::PrintRegPlainsb => Some(Group::Printing),
            O::Ands | O::Andrs | O::Andrsvec | O::Reveal => Some(Group::BitMultiplication),
            _ if self.code() >= 0x200 => Some(Group::Bits),
            _ => None,
        };
        if let Some(group) = bits {
            return group;
        }
        match self.code() & 0xff {
            0x01..=0x0c | 0x2d..=0x2f | 0x3f | 0xca..=0xd0 => Group::Memory,
            0x12 | 0x17 | 0x18 | 0x1c | 0x1f | 0xe5 | 0xe9 | 0xed => Group::Declaration,
            0x00 | 0x10..=0x1e | 0x90..=0x92 | 0x98 | 0xe2..=0xe4 | 0xeb | 0xec => Group::Control,
            0x20..=0x3b | 0x70..=0x8b => Group::Arithmetic,
            0x50..=0x5e => Group::Preprocessing,
            0x63..=0x6f => Group::Sockets,
            0x93..=0x97 | 0x99..=0x9e | 0xb2 | 0xd1 | 0xd2 => Group::Integers,
            0xa5..=0xac => Group::Multiplication,
            0xaf => Group::Check,
            0xb1 | 0xb3..=0xb5 | 0x9f | 0xbc | 0xbf | 0xe0 | 0xe1 | 0xea => Group::Printing,
            0xbd | 0xbe => Group::Storage,
            0xc0 | 0xc1 => Group::Conversion,
            0xfa..=0xfe => Group::Shuffle,
            _ => Group::InputOutput,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_where_a_reader_looks_for_them() {
        for (name, group) in [
            ("ldmsi", Group::Memory),
            ("zips", Group::Memory),
            ("popint", Group::Memory),
            ("adds", Group::Arithmetic),
            ("gbitcom", Group::Arithmetic),
            ("convmodp", Group::Conversion),
            ("divint", Group::Integers),
            ("jmpnz", Group::Control),
            ("run_tape", Group::Control),
            ("call_arg", Group::Declaration),
            ("use", Group::Declaration),
            ("edabit", Group::Preprocessing),
            ("gasm_open", Group::Multiplication),
            ("applyshuffle", Group::Shuffle),
            ("privateoutput", Group::InputOutput),
            ("asm_input", Group::InputOutput),
            ("grawinput", Group::InputOutput),
            ("inputbvec", Group::InputOutput),
            ("pubinput", Group::InputOutput),
            ("intoutput", Group::InputOutput),
            ("print_int", Group::Printing),
            ("print_regb", Group::Printing),
            ("listen", Group::Sockets),
            ("gwritesharestofile", Group::Storage),
            ("xors", Group::Bits),
            ("convcint", Group::Bits),
            ("andrsvec", Group::BitMultiplication),
            ("check", Group::Check),
        ] {
            assert_eq!(Opcode::from_name(name).unwrap().group(), group, "{name}");
        }
    }

    #[test]
    fn groups_are_listed_once_in_order() {
        assert!(Group::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

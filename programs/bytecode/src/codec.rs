//! Tapes as bytes: strict decoding, exact encoding.
//!
//! The format (`.bc`) has no header and no trailer; everything is big-endian:
//!
//! ```text
//! instruction := word64 [count32] operand*      word64 := size << 10 | opcode
//! ```
//!
//! Decoding never panics and never allocates more than a small multiple of the input: counts are compared with the bytes
//! that are left before anything is reserved. Encoding what was decoded gives the same bytes.

use crate::instruction::{Instruction, Operand, ShapeError, kinds};
use crate::opcode::{Kind, Opcode, Tail};

/// Why bytes are not a tape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tape {tape:?}, instruction {instruction}: {fault}")]
pub struct DecodeError {
    /// Name of the tape.
    pub tape: String,
    /// Index of the instruction.
    pub instruction: usize,
    /// What is wrong with it.
    pub fault: DecodeFault,
}

/// What can be wrong with one encoded instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// The bytes end inside the instruction.
    #[error("the tape ends inside an instruction")]
    Truncated,
    /// No instruction has this code.
    #[error("unknown opcode {0:#05x}")]
    UnknownOpcode(u16),
    /// The operands do not fit the opcode.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A text operand is not UTF-8.
    #[error("text operand {0} is not UTF-8")]
    Text(usize),
    /// More instructions than allowed.
    #[error("the tape has more than {0} instructions")]
    TooMany(usize),
}

/// Decodes a whole tape of at most `instructions_max` instructions. `tape` is its name, for errors.
///
/// # Errors
/// [`DecodeError`] names the tape, the instruction and the fault.
pub fn decode(tape: &str, bytes: &[u8], instructions_max: usize) -> Result<Vec<Instruction>, DecodeError> {
    let mut reader = Reader { bytes };
    let mut instructions = Vec::new();
    while !reader.bytes.is_empty() {
        let at = instructions.len();
        let fail = |fault| DecodeError { tape: tape.to_owned(), instruction: at, fault };
        if at == instructions_max {
            return Err(fail(DecodeFault::TooMany(instructions_max)));
        }
        instructions.push(reader.instruction().map_err(fail)?);
    }
    Ok(instructions)
}

/// Encodes a tape.
pub fn encode(instructions: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(instructions.len() * 20);
    for instruction in instructions {
        encode_instruction(instruction, &mut bytes);
    }
    bytes
}

fn encode_instruction(instruction: &Instruction, bytes: &mut Vec<u8>) {
    let opcode = instruction.opcode();
    let word = instruction.raw_size() << 10 | u64::from(opcode.code());
    bytes.extend(word.to_be_bytes());
    if opcode.spec().variable_length() {
        let count = u32::try_from(instruction.operands().len()).expect("an instruction has fewer than 2^32 operands");
        bytes.extend(count.to_be_bytes());
    }
    for operand in instruction.operands() {
        match operand {
            Operand::Reg(register) => bytes.extend(register.to_be_bytes()),
            Operand::Int(value) => bytes.extend(value.to_be_bytes()),
            Operand::Long(value) => bytes.extend(value.to_be_bytes()),
            Operand::Tag(tag) => bytes.extend(tag.iter()),
            Operand::Text(text) => {
                let length = u32::try_from(text.len()).expect("a text operand is shorter than 2^32 bytes");
                bytes.extend(length.to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeFault> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or(DecodeFault::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeFault> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeFault::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, DecodeFault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn instruction(&mut self) -> Result<Instruction, DecodeFault> {
        let word = u64::from_be_bytes(self.array()?);
        let code = (word & 0x3ff) as u16;
        let opcode = Opcode::from_code(code).ok_or(DecodeFault::UnknownOpcode(code))?;
        let spec = opcode.spec();
        let count = if spec.variable_length() { self.u32()? as usize } else { spec.leading.len() };
        // Every operand has at least four bytes, so a count that the tape cannot hold reserves nothing.
        if count > self.bytes.len() / 4 {
            return Err(DecodeFault::Truncated);
        }
        let kinds = self.kinds(opcode, count)?;
        let operands = kinds.iter().enumerate().map(|(at, &kind)| self.operand(at, kind)).collect::<Result<_, _>>()?;
        Ok(Instruction::from_opcode(opcode, word >> 10, operands)?)
    }

    /// Self-describing instructions consist of 32-bit operands only, so the reader can look ahead at their lengths.
    fn kinds(&self, opcode: Opcode, count: usize) -> Result<Vec<Kind>, ShapeError> {
        let words = if opcode.spec().tail == Tail::Groups { self.bytes.as_chunks::<4>().0 } else { &[] };
        kinds(opcode, count, |at| i64::from(i32::from_be_bytes(words[at])))
    }

    fn operand(&mut self, at: usize, kind: Kind) -> Result<Operand, DecodeFault> {
        Ok(match kind {
            Kind::Register(..) | Kind::AnyRegister(_) => Operand::Reg(self.u32()?),
            Kind::Immediate | Kind::Int | Kind::Player => Operand::Int(i32::from_be_bytes(self.array()?)),
            Kind::Long => Operand::Long(i64::from_be_bytes(self.array()?)),
            Kind::Tag => Operand::Tag(Box::new(self.array()?)),
            Kind::Text => {
                let length = self.u32()? as usize;
                let text = std::str::from_utf8(self.take(length)?).map_err(|_| DecodeFault::Text(at))?;
                Operand::text(text)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_instruction_is_a_word_a_count_and_its_operands() {
        let tape = [
            Instruction::numeric("ldi", 5, &[1, -1]).unwrap(),
            Instruction::numeric("muls", 0, &[1, 2, 3, 4]).unwrap(),
            Instruction::numeric("ldmc", 0, &[1, 8192]).unwrap(),
        ];
        let bytes = encode(&tape);
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0x14, 0x01, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff][..],
            &[0, 0, 0, 0, 0, 0, 0, 0xa6, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4],
            &[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x20, 0],
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(decode("t", &bytes, 10).unwrap(), tape);
    }

    #[test]
    fn tags_and_text_survive() {
        let tape = [
            Instruction::new("use_prep", 0, vec![Operand::tag("custom").unwrap(), Operand::Long(7)]).unwrap(),
            Instruction::new("prep", 2, vec![Operand::tag("custom").unwrap(), Operand::Reg(1)]).unwrap(),
            Instruction::new(
                "initclientconnection",
                0,
                vec![Operand::Reg(0), Operand::Reg(1), Operand::Reg(2), Operand::text("host")],
            )
            .unwrap(),
        ];
        assert_eq!(decode("t", &encode(&tape), 10).unwrap(), tape);
    }

    #[test]
    fn faults_name_tape_and_instruction() {
        let mut bytes = encode(&[Instruction::numeric("ldi", 0, &[0, 0]).unwrap()]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0x0d]);
        let error = decode("main", &bytes, 10).unwrap_err();
        assert_eq!(error, DecodeError { tape: "main".into(), instruction: 1, fault: DecodeFault::UnknownOpcode(0x0d) });
        assert_eq!(decode("main", &bytes[..3], 10).unwrap_err().fault, DecodeFault::Truncated);
        assert_eq!(decode("main", &bytes[..16], 0).unwrap_err().fault, DecodeFault::TooMany(0));
    }

    #[test]
    fn a_huge_count_is_refused_before_anything_is_reserved() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0xa6, 0xff, 0xff, 0xff, 0xfc];
        assert_eq!(decode("t", &bytes, 10).unwrap_err().fault, DecodeFault::Truncated);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them_or_to_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(tape) = decode("t", &bytes, 100) {
                prop_assert_eq!(encode(&tape), bytes);
            }
        }

        #[test]
        fn any_operands_after_a_known_opcode_never_panic(
            which in 0..Opcode::ALL.len(), count in 0u32..20, words in proptest::collection::vec(0u32..9, 0..24)
        ) {
            let opcode = Opcode::ALL[which];
            let mut bytes = u64::from(opcode.code()).to_be_bytes().to_vec();
            if opcode.spec().variable_length() {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            if let Ok(tape) = decode("t", &bytes, 100) {
                prop_assert_eq!(encode(&tape), bytes);
            }
        }
    }
}

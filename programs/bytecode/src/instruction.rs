//! One instruction: an opcode, a vector size and operands whose kinds fit the opcode.
//!
//! An [`Instruction`] cannot have a wrong shape: both [`Instruction::new`] and the decoder check it, so that whoever
//! reads operands later need not.

use std::fmt;

use crate::opcode::{Bank, Kind, Opcode, Tail};

/// The largest vector size that the 54 bits of an opcode word can hold.
pub const SIZE_MAX: u64 = (1 << 54) - 1;

/// One operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register index.
    Reg(u32),
    /// A 32-bit immediate, count or player number.
    Int(i32),
    /// A 64-bit address or count.
    Long(i64),
    /// 16 raw bytes, padded with zeros.
    Tag(Box<[u8; 16]>),
    /// Text with a length.
    // Twice boxed so that an operand has 16 bytes: programs have millions of operands and next to no text.
    #[allow(clippy::box_collection)]
    Text(Box<String>),
}

impl Operand {
    /// A tag of at most 16 bytes, padded with zeros; `None` if it is longer.
    pub fn tag(name: &str) -> Option<Operand> {
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Operand::Tag(Box::new(bytes)))
    }

    /// A text operand.
    pub fn text(text: &str) -> Operand {
        Operand::Text(Box::new(text.to_owned()))
    }

    fn fits(&self, kind: Kind) -> bool {
        match self {
            Operand::Reg(_) => kind.is_register(),
            Operand::Int(_) => matches!(kind, Kind::Immediate | Kind::Int | Kind::Player),
            Operand::Long(_) => kind == Kind::Long,
            Operand::Tag(_) => kind == Kind::Tag,
            Operand::Text(_) => kind == Kind::Text,
        }
    }

    /// The number that a register, immediate or address is; 0 for text.
    pub fn number(&self) -> i64 {
        match *self {
            Operand::Reg(register) => i64::from(register),
            Operand::Int(value) => i64::from(value),
            Operand::Long(value) => value,
            Operand::Tag(_) | Operand::Text(_) => 0,
        }
    }
}

/// Why operands do not fit an opcode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// No such instruction name.
    #[error("there is no instruction {0:?}")]
    UnknownName(String),
    /// A vector size of more than 54 bits.
    #[error("vector size {0} does not fit into 54 bits")]
    Size(u64),
    /// A number of operands that the layout does not allow.
    #[error("{opcode} cannot have {found} operands")]
    Count {
        /// The instruction.
        opcode: Opcode,
        /// How many there are.
        found: usize,
    },
    /// A group that says a length which it cannot have.
    #[error("operand {at} of {opcode} gives a group an impossible length or type: {value}")]
    Group {
        /// The instruction.
        opcode: Opcode,
        /// Position of the operand.
        at: usize,
        /// The operand.
        value: i64,
    },
    /// A register where an immediate belongs, or the like.
    #[error("operand {at} of {opcode} is not {expected:?}")]
    Kind {
        /// The instruction.
        opcode: Opcode,
        /// Position of the operand.
        at: usize,
        /// What belongs there.
        expected: Kind,
    },
    /// A number that its field cannot hold.
    #[error("operand {at} of {opcode} is {value}, which does not fit")]
    Range {
        /// The instruction.
        opcode: Opcode,
        /// Position of the operand.
        at: usize,
        /// The number.
        value: i64,
    },
}

/// An instruction of the right shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Instruction {
    opcode: Opcode,
    size: u64,
    operands: Vec<Operand>,
}

impl Instruction {
    /// An instruction by name. A `size` of 0 means that the opcode word carries no size, which counts as 1.
    ///
    /// ```
    /// use polyyne_bytecode::{Instruction, Operand};
    /// let ldi = Instruction::new("ldi", 4, vec![Operand::Reg(7), Operand::Int(-1)])?;
    /// assert_eq!(ldi.to_string(), "ldi[4] c7, -1");
    /// # Ok::<(), polyyne_bytecode::ShapeError>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] if there is no such instruction or the operands do not fit it.
    pub fn new(name: &str, size: u64, operands: Vec<Operand>) -> Result<Self, ShapeError> {
        let opcode = Opcode::from_name(name).ok_or_else(|| ShapeError::UnknownName(name.to_owned()))?;
        Self::from_opcode(opcode, size, operands)
    }

    /// An instruction without tags or text, from plain numbers: each becomes the register, immediate or address that its
    /// place asks for.
    ///
    /// ```
    /// # use polyyne_bytecode::Instruction;
    /// let muls = Instruction::numeric("muls", 0, &[2, 10, 0, 5])?;
    /// assert_eq!(muls.to_string(), "muls 2, s10, s0, s5");
    /// # Ok::<(), polyyne_bytecode::ShapeError>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] if there is no such instruction, a number does not fit its place, or the instruction wants text.
    pub fn numeric(name: &str, size: u64, numbers: &[i64]) -> Result<Self, ShapeError> {
        let opcode = Opcode::from_name(name).ok_or_else(|| ShapeError::UnknownName(name.to_owned()))?;
        let kinds = kinds(opcode, numbers.len(), |at| numbers[at])?;
        let operands = numbers
            .iter()
            .zip(&kinds)
            .enumerate()
            .map(|(at, (&value, &kind))| numeric_operand(kind, value).ok_or(ShapeError::Range { opcode, at, value }))
            .collect::<Result<_, _>>()?;
        Self::from_opcode(opcode, size, operands)
    }

    /// An instruction by opcode.
    ///
    /// # Errors
    /// [`ShapeError`] if the operands do not fit.
    pub fn from_opcode(opcode: Opcode, size: u64, operands: Vec<Operand>) -> Result<Self, ShapeError> {
        if size > SIZE_MAX {
            return Err(ShapeError::Size(size));
        }
        let kinds = kinds(opcode, operands.len(), |at| operands[at].number())?;
        for (at, (operand, &expected)) in operands.iter().zip(&kinds).enumerate() {
            if !operand.fits(expected) {
                return Err(ShapeError::Kind { opcode, at, expected });
            }
        }
        Ok(Self { opcode, size, operands })
    }

    /// The operation.
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The vector size as the opcode word holds it; 0 if it carries none.
    pub const fn raw_size(&self) -> u64 {
        self.size
    }

    /// The vector size: 1 unless the opcode word says more.
    pub const fn size(&self) -> u64 {
        if self.size == 0 { 1 } else { self.size }
    }

    /// The operands.
    pub fn operands(&self) -> &[Operand] {
        &self.operands
    }

    /// The number in operand `at` (register index, immediate, address).
    ///
    /// # Panics
    /// If there is no operand `at`.
    pub fn number(&self, at: usize) -> i64 {
        self.operands[at].number()
    }

    /// The kind of every operand.
    pub fn kinds(&self) -> Vec<Kind> {
        kinds(self.opcode, self.operands.len(), |at| self.operands[at].number())
            .expect("the shape was checked when the instruction was made")
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.opcode.name())?;
        if self.size != 0 {
            write!(f, "[{}]", self.size)?;
        }
        for (at, (operand, kind)) in self.operands.iter().zip(self.kinds()).enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            match (operand, kind) {
                (Operand::Reg(register), Kind::Register(bank, _)) => write!(f, "{}{register}", bank.prefix())?,
                (Operand::Reg(register), _) => write!(f, "r{register}")?,
                (Operand::Int(value), _) => write!(f, "{value}")?,
                (Operand::Long(value), _) => write!(f, "{value}")?,
                (Operand::Tag(tag), _) => {
                    let end = tag.iter().position(|&byte| byte == 0).unwrap_or(tag.len());
                    write!(f, "{:?}", String::from_utf8_lossy(&tag[..end]))?;
                }
                (Operand::Text(text), _) => write!(f, "{text:?}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn numeric_operand(kind: Kind, value: i64) -> Option<Operand> {
    match kind {
        Kind::Register(..) | Kind::AnyRegister(_) => Some(Operand::Reg(u32::try_from(value).ok()?)),
        Kind::Immediate | Kind::Int | Kind::Player => Some(Operand::Int(i32::try_from(value).ok()?)),
        Kind::Long => Some(Operand::Long(value)),
        Kind::Tag | Kind::Text => None,
    }
}

/// The kinds of `count` operands of `opcode`, whose numbers `number` gives (needed for self-describing groups).
pub(crate) fn kinds(opcode: Opcode, count: usize, number: impl Fn(usize) -> i64) -> Result<Vec<Kind>, ShapeError> {
    let spec = opcode.spec();
    let wrong = || ShapeError::Count { opcode, found: count };
    match spec.tail {
        Tail::Fixed if count == spec.leading.len() => Ok(spec.leading.to_vec()),
        Tail::Fixed => Err(wrong()),
        Tail::Repeat(group) => {
            let repeated = count.checked_sub(spec.leading.len()).ok_or_else(wrong)?;
            if !repeated.is_multiple_of(group.len()) {
                return Err(wrong());
            }
            Ok(spec.leading.iter().copied().chain(group.iter().copied().cycle().take(repeated)).collect())
        }
        Tail::Groups => group_kinds(opcode, count, number),
    }
}

fn group_kinds(opcode: Opcode, count: usize, number: impl Fn(usize) -> i64) -> Result<Vec<Kind>, ShapeError> {
    // Unlike the others, `trans` is one group and not any number of them.
    if count == 0 && opcode == Opcode::Trans {
        return Err(ShapeError::Count { opcode, found: count });
    }
    let mut kinds = Vec::with_capacity(count);
    while kinds.len() < count {
        let at = kinds.len();
        let value = number(at);
        push_group(opcode, value, count - at, &mut kinds).ok_or(ShapeError::Group { opcode, at, value })?;
        if kinds.len() > count {
            return Err(ShapeError::Count { opcode, found: count });
        }
    }
    Ok(kinds)
}

/// Appends the kinds of the group that starts with `first`, of which at most `left` operands exist.
fn push_group(opcode: Opcode, first: i64, left: usize, kinds: &mut Vec<Kind>) -> Option<()> {
    use crate::opcode::Access::{Read, Write};
    const INT: Kind = Kind::Int;
    let read = |bank| Kind::Register(bank, Read);
    let write = |bank| Kind::Register(bank, Write);
    let length = usize::try_from(first).ok().filter(|&length| length <= left);
    match opcode {
        Opcode::Dotprods | Opcode::GDotprods => {
            let bank = if opcode == Opcode::Dotprods { Bank::Sint } else { Bank::Sgf2n };
            let length = length.filter(|&length| length >= 2 && length % 2 == 0)?;
            kinds.extend([INT, write(bank)]);
            kinds.extend(std::iter::repeat_n(read(bank), length - 2));
        }
        Opcode::Inputmixed | Opcode::Inputmixedreg => {
            let (results, parameters) = match first {
                0 => (1, 0),
                1 => (1, 1),
                2 => (4, 1),
                _ => return None,
            };
            kinds.push(INT);
            kinds.extend(std::iter::repeat_n(write(Bank::Sint), results));
            kinds.extend(std::iter::repeat_n(INT, parameters));
            kinds.push(if opcode == Opcode::Inputmixed { Kind::Player } else { read(Bank::Regint) });
        }
        Opcode::Trans => {
            let outputs = length.filter(|&outputs| outputs < left)?;
            kinds.push(INT);
            kinds.extend(std::iter::repeat_n(write(Bank::Sbits), outputs));
            kinds.extend(std::iter::repeat_n(read(Bank::Sbits), left - 1 - outputs));
        }
        Opcode::Inputbvec => {
            let length = length.filter(|&length| length >= 3)?;
            kinds.extend([INT, INT, Kind::Player]);
            kinds.extend(std::iter::repeat_n(write(Bank::Sbits), length - 3));
        }
        Opcode::Andrsvec => {
            let length = length.filter(|&length| length >= 3 && length % 2 == 1)?;
            let vectors = (length - 3) / 2;
            kinds.extend([INT, INT]);
            kinds.extend(std::iter::repeat_n(write(Bank::Sbits), vectors));
            kinds.extend(std::iter::repeat_n(read(Bank::Sbits), vectors + 1));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operand_has_16_bytes() {
        assert_eq!(size_of::<Operand>(), 16);
    }

    #[test]
    fn self_describing_groups_get_their_kinds() {
        let dotprods = Instruction::numeric("dotprods", 3, &[6, 0, 1, 2, 3, 4, 4, 9, 1, 2]).unwrap();
        assert_eq!(dotprods.to_string(), "dotprods[3] 6, s0, s1, s2, s3, s4, 4, s9, s1, s2");
        let mixed = Instruction::numeric("inputmixed", 0, &[0, 1, 0, 1, 2, 16, 1, 2, 3, 4, 5, 6, 24, 0]).unwrap();
        assert_eq!(mixed.to_string(), "inputmixed 0, s1, 0, 1, s2, 16, 1, 2, s3, s4, s5, s6, 24, 0");
        let trans = Instruction::numeric("trans", 0, &[2, 0, 1, 5, 6, 7]).unwrap();
        assert_eq!(trans.to_string(), "trans 2, sb0, sb1, sb5, sb6, sb7");
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for (name, numbers) in [
            ("muls", &[1i64, 2, 3][..]),
            ("addc", &[1, 2]),
            ("dotprods", &[3, 0, 1]),
            ("dotprods", &[8, 0, 1, 2]),
            ("inputmixed", &[3, 0, 0]),
            ("inputmixed", &[2, 0, 0]),
            ("trans", &[4, 0, 1]),
            ("trans", &[]),
            ("andrsvec", &[4, 0, 1, 2]),
            ("addc", &[-1, 2, 3]),
            ("addci", &[1, 2, 1 << 40]),
            ("nonsense", &[]),
        ] {
            assert!(Instruction::numeric(name, 0, numbers).is_err(), "{name} {numbers:?}");
        }
        assert!(Instruction::new("addc", 0, vec![Operand::Reg(0), Operand::Int(0), Operand::Reg(0)]).is_err());
        assert!(Instruction::numeric("addc", 1 << 54, &[0, 0, 0]).is_err());
    }
}

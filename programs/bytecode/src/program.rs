//! A program: its schedule and its tapes, read from files through a function, or from one self-contained byte string.

use crate::codec::{self, DecodeError};
use crate::instruction::Instruction;
use crate::schedule::{Entry, SCHEDULE_BYTES_MAX, Schedule, ScheduleError};

/// One tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tape {
    /// Its name in the schedule.
    pub name: String,
    /// Its instructions; jumps count these.
    pub instructions: Vec<Instruction>,
}

/// A schedule with its tapes, consistent with each other: same number, same names, right instruction counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    schedule: Schedule,
    tapes: Vec<Tape>,
    public_input: Option<String>,
}

/// How large a program may be before it is even decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// Bytes of all tapes together.
    pub bytes_max: usize,
    /// Instructions of all tapes together.
    pub instructions_max: usize,
    /// Number of tapes.
    pub tapes_max: usize,
    /// Bytes of public input.
    pub public_input_max: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        SizeLimits { bytes_max: 64 << 20, instructions_max: 4 << 20, tapes_max: 4096, public_input_max: 16 << 20 }
    }
}

/// Why a program cannot be put together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError<E = std::convert::Infallible> {
    /// The schedule is wrong.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A tape is wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A tape could not be read.
    #[error("tape {tape:?} cannot be read: {error}")]
    Read {
        /// Name of the tape.
        tape: String,
        /// What the reader said.
        error: E,
    },
    /// A tape has another number of instructions than its schedule says.
    #[error("tape {tape:?} has {found} instructions, its schedule says {announced}")]
    InstructionCount {
        /// Name of the tape.
        tape: String,
        /// What the schedule says.
        announced: u64,
        /// What the tape has.
        found: usize,
    },
    /// The tapes given are not those of the schedule.
    #[error("the schedule's tapes and the tapes given differ at tape {0}")]
    TapeNames(usize),
    /// Beyond a size limit.
    #[error("the program has more {what} than the {max} allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The bytes are not a program in its one canonical form.
    #[error("these bytes are not a program: {0}")]
    Container(&'static str),
}

const MAGIC: &[u8; 16] = b"polyyne-program\x01";

impl Program {
    /// Puts a program together. Tapes must have the names and counts of the schedule.
    ///
    /// # Errors
    /// [`ProgramError::TapeNames`] or [`ProgramError::InstructionCount`].
    pub fn new(schedule: Schedule, tapes: Vec<Tape>) -> Result<Self, ProgramError> {
        if let Some(at) = first_difference(&schedule.tapes, &tapes) {
            return Err(ProgramError::TapeNames(at));
        }
        for (entry, tape) in schedule.tapes.iter().zip(&tapes) {
            check_count(entry, tape.instructions.len())?;
        }
        Ok(Program { schedule, tapes, public_input: None })
    }

    /// A one-thread program for any prime, from its tapes alone.
    ///
    /// # Errors
    /// [`ProgramError::Schedule`] if there is no tape or a name cannot stand in a schedule.
    pub fn from_tapes(tapes: Vec<Tape>) -> Result<Self, ProgramError> {
        let entries = tapes
            .iter()
            .map(|tape| Entry { name: tape.name.clone(), instructions: Some(tape.instructions.len() as u64) })
            .collect();
        let schedule = Schedule::parse(&Schedule::new(entries).to_text())?;
        Program::new(schedule, tapes)
    }

    /// Loads a program from the text of its schedule, asking `read` for the bytes of each tape by file name
    /// (`NAME.bc`).
    ///
    /// # Errors
    /// [`ProgramError`]; whatever `read` says comes back as [`ProgramError::Read`].
    pub fn load<E>(
        schedule: &str,
        limits: &SizeLimits,
        mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Self, ProgramError<E>> {
        let schedule = Schedule::parse(schedule)?;
        let mut builder = Builder::new(schedule, limits)?;
        for at in 0..builder.schedule.tapes.len() {
            let name = builder.schedule.tapes[at].name.clone();
            let bytes = read(&format!("{name}.bc")).map_err(|error| ProgramError::Read { tape: name, error })?;
            builder.add(&bytes)?;
        }
        Ok(builder.finish())
    }

    /// The schedule.
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The tapes, by number.
    pub fn tapes(&self) -> &[Tape] {
        &self.tapes
    }

    /// The public input, if the program has one (`Programs/Public-Input/NAME`).
    pub fn public_input(&self) -> Option<&str> {
        self.public_input.as_deref()
    }

    /// The program with public input.
    #[must_use]
    pub fn with_public_input(self, text: String) -> Self {
        Program { public_input: Some(text), ..self }
    }

    /// The whole program as one byte string: what nodes store, hash and send. Equal programs have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        push_block(&mut bytes, self.schedule.to_text().as_bytes());
        for tape in &self.tapes {
            push_block(&mut bytes, &codec::encode(&tape.instructions));
        }
        bytes.push(u8::from(self.public_input.is_some()));
        push_block(&mut bytes, self.public_input.as_deref().unwrap_or_default().as_bytes());
        bytes
    }

    /// Reads what [`Program::to_bytes`] writes, and nothing else: a program has exactly one byte form, so that its hash
    /// names it.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn from_bytes(bytes: &[u8], limits: &SizeLimits) -> Result<Self, ProgramError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(ProgramError::Container("another format or version"))?;
        let schedule = std::str::from_utf8(take_block(&mut rest, SCHEDULE_BYTES_MAX)?)
            .map_err(|_| ProgramError::Container("the schedule is not UTF-8"))?;
        let parsed = Schedule::parse(schedule)?;
        if parsed.to_text() != schedule {
            return Err(ProgramError::Container("the schedule is not in its canonical form"));
        }
        let mut builder = Builder::new(parsed, limits)?;
        for _ in 0..builder.schedule.tapes.len() {
            builder.add(take_block(&mut rest, limits.bytes_max)?)?;
        }
        let (&present, after) = rest.split_first().ok_or(ProgramError::Container("it ends too early"))?;
        rest = after;
        let public_input = take_block(&mut rest, limits.public_input_max)?;
        let program = match (present, public_input) {
            (0, []) => builder.finish(),
            (1, text) => builder.finish().with_public_input(
                std::str::from_utf8(text)
                    .map_err(|_| ProgramError::Container("the public input is not UTF-8"))?
                    .to_owned(),
            ),
            _ => return Err(ProgramError::Container("a malformed public input")),
        };
        if rest.is_empty() { Ok(program) } else { Err(ProgramError::Container("there is something after its end")) }
    }
}

struct Builder<'a> {
    schedule: Schedule,
    limits: &'a SizeLimits,
    tapes: Vec<Tape>,
    bytes_left: usize,
    instructions_left: usize,
}

impl<'a> Builder<'a> {
    fn new<E>(schedule: Schedule, limits: &'a SizeLimits) -> Result<Self, ProgramError<E>> {
        if schedule.tapes.len() > limits.tapes_max {
            return Err(ProgramError::TooLarge { what: "tapes", max: limits.tapes_max });
        }
        let (bytes_left, instructions_left) = (limits.bytes_max, limits.instructions_max);
        Ok(Builder { schedule, limits, tapes: Vec::new(), bytes_left, instructions_left })
    }

    fn add<E>(&mut self, bytes: &[u8]) -> Result<(), ProgramError<E>> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes.len())
            .ok_or(ProgramError::TooLarge { what: "bytes", max: self.limits.bytes_max })?;
        let entry = &self.schedule.tapes[self.tapes.len()];
        let instructions = codec::decode(&entry.name, bytes, self.instructions_left)?;
        self.instructions_left -= instructions.len();
        check_count(entry, instructions.len())?;
        self.tapes.push(Tape { name: entry.name.clone(), instructions });
        Ok(())
    }

    fn finish(self) -> Program {
        Program { schedule: self.schedule, tapes: self.tapes, public_input: None }
    }
}

fn first_difference(entries: &[Entry], tapes: &[Tape]) -> Option<usize> {
    let same = entries.iter().zip(tapes).take_while(|(entry, tape)| entry.name == tape.name).count();
    (same < entries.len().max(tapes.len())).then_some(same)
}

fn check_count<E>(entry: &Entry, found: usize) -> Result<(), ProgramError<E>> {
    match entry.instructions {
        Some(announced) if announced != found as u64 => {
            Err(ProgramError::InstructionCount { tape: entry.name.clone(), announced, found })
        }
        _ => Ok(()),
    }
}

fn push_block(bytes: &mut Vec<u8>, block: &[u8]) {
    let length = u32::try_from(block.len()).expect("a part of a program is shorter than 4 GiB");
    bytes.extend(length.to_be_bytes());
    bytes.extend(block);
}

fn take_block<'a>(rest: &mut &'a [u8], max: usize) -> Result<&'a [u8], ProgramError> {
    let early = ProgramError::Container("it ends too early");
    let Some((length, after)) = rest.split_first_chunk::<4>() else {
        return Err(early);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > max {
        return Err(ProgramError::TooLarge { what: "bytes in one part", max });
    }
    let Some((block, after)) = after.split_at_checked(length) else {
        return Err(early);
    };
    *rest = after;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn tape(name: &str, count: usize) -> Tape {
        Tape { name: name.into(), instructions: vec![Instruction::numeric("ldint", 0, &[0, 5]).unwrap(); count] }
    }

    fn program() -> Program {
        Program::from_tapes(vec![tape("main-0", 3), tape("f(1)-1", 1)]).unwrap()
    }

    #[test]
    fn a_program_survives_its_byte_form_and_has_only_one() {
        for program in [program(), program().with_public_input("1 2".into())] {
            let bytes = program.to_bytes();
            assert_eq!(Program::from_bytes(&bytes, &SizeLimits::default()).unwrap(), program);
            for cut in 0..bytes.len() {
                assert!(Program::from_bytes(&bytes[..cut], &SizeLimits::default()).is_err());
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(Program::from_bytes(&longer, &SizeLimits::default()).is_err());
        }
    }

    #[test]
    fn loading_asks_for_each_tape_by_file_name() {
        let program = program();
        let files: BTreeMap<String, Vec<u8>> = program
            .tapes()
            .iter()
            .map(|tape| (format!("{}.bc", tape.name), codec::encode(&tape.instructions)))
            .collect();
        let read = |name: &str| files.get(name).cloned().ok_or("no such file");
        let text = program.schedule().to_text();
        assert_eq!(Program::load(&text, &SizeLimits::default(), read).unwrap(), program);
        let missing = text.replace("f(1)-1:1", "g-1:1");
        assert_eq!(
            Program::load(&missing, &SizeLimits::default(), read),
            Err(ProgramError::Read { tape: "g-1".into(), error: "no such file" })
        );
        let short = text.replace("main-0:3", "main-0:4");
        assert_eq!(
            Program::load(&short, &SizeLimits::default(), read),
            Err(ProgramError::InstructionCount { tape: "main-0".into(), announced: 4, found: 3 })
        );
    }

    #[test]
    fn size_limits_hold_over_all_tapes_together() {
        let bytes = program().to_bytes();
        let load = |limits| Program::from_bytes(&bytes, &limits);
        let limits = SizeLimits::default();
        assert!(load(SizeLimits { instructions_max: 4, ..limits }).is_ok());
        assert!(load(SizeLimits { instructions_max: 3, ..limits }).is_err());
        assert!(load(SizeLimits { bytes_max: 64, ..limits }).is_ok());
        assert!(load(SizeLimits { bytes_max: 63, ..limits }).is_err());
        assert!(load(SizeLimits { tapes_max: 1, ..limits }).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_program_is_refused_or_is_another_canonical_one(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = program().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(program) = Program::from_bytes(&bytes, &SizeLimits::default()) {
                prop_assert_eq!(program.to_bytes(), bytes);
            }
        }
    }
}

//! What can go wrong while a program runs, and where.

use super::door::DoorError;
use super::input::InputError;
use super::threads::ThreadsError;
use crate::bit_tuples::BitShortage;
use crate::error::{Error, Severity};
use crate::tuples::Shortage;
use polyyne_bytecode::{Bank, Opcode};
use thiserror::Error;

/// Why a program did not end well.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum VmError {
    /// Found before the first instruction ran: nothing was spent.
    #[error("tape {tape:?}, instruction {pc} ({opcode}): {reason}")]
    Unsupported { tape: String, pc: usize, opcode: Opcode, reason: &'static str },
    /// The program was verified for another machine than this session is.
    #[error("the program was verified for another machine: {0}")]
    OtherMachine(&'static str),
    /// Found while the program ran.
    #[error("tape {tape:?}, instruction {pc} ({opcode}): {fault}")]
    At { tape: String, pc: usize, opcode: Opcode, fault: Fault },
    /// Found at the end, when everything still pending was checked.
    #[error("at the end of the program: {0}")]
    End(Fault),
}

impl VmError {
    /// What went wrong, if the program was running.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            VmError::At { fault, .. } | VmError::End(fault) => Some(fault),
            _ => None,
        }
    }

    /// What the error means for the MAC key and the setup.
    pub fn severity(&self) -> Severity {
        match self.fault() {
            Some(Fault::Engine(error)) => error.severity(),
            _ => Severity::Benign,
        }
    }
}

/// What one instruction ran into.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Fault {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Bits(#[from] BitShortage),
    #[error("this machine does not run {0}")]
    Unsupported(Opcode),
    #[error("division by zero")]
    DivisionByZero,
    #[error("address {address} is outside the {bank:?} memory of {size} elements")]
    Address { bank: Bank, address: i64, size: usize },
    #[error("it jumps to {0}, outside the tape")]
    Jump(i128),
    #[error("the program stopped itself")]
    Crash,
    #[error("the program has no argument {0}")]
    NoArgument(i64),
    #[error("the stack of integers is empty")]
    EmptyStack,
    #[error("there is no party {0}")]
    Player(i64),
    #[error("it asks for {0} random bits, at most 31 can be had")]
    RandomBits(i64),
    #[error("{0} is not a bit")]
    NotABit(&'static str),
    #[error("2^{0} is too large or too small to print")]
    Exponent(i64),
    #[error("a value needs more than {bits} bits")]
    Overflow { bits: u32 },
    #[error("there is no shuffle {0}, or it was deleted")]
    Shuffle(i64),
    #[error("the shuffle is of {expected} blocks, not of {found}")]
    ShuffleLength { expected: usize, found: usize },
    #[error("the stored shares end before position {0}")]
    Storage(i64),
    #[error("the program's public input has ended")]
    PublicInput,
    #[error("thread {0} is still running")]
    ThreadBusy(u32),
    #[error("thread {thread} gets no channels of its own: {cause}")]
    ThreadLinks { thread: u32, cause: ThreadsError },
    #[error("thread {0} has failed")]
    ThreadFailed(u32),
    #[error("the run has ended")]
    Stopped,
    #[error("the program exceeds its limit of {what} ({max})")]
    Limit { what: &'static str, max: u64 },
}

impl From<Shortage> for Fault {
    fn from(shortage: Shortage) -> Self {
        Fault::Engine(shortage.into())
    }
}

/// What ended an instruction early, without the place; [`VmError::At`] adds it.
pub(super) type Step<T = ()> = std::result::Result<T, Fault>;

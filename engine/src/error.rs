//! What can go wrong in a protocol, whose fault it is, and what it means for keys.

use crate::party::PartyIndex;
use crate::port::{ChannelError, GateError};
use crate::step::Step;
use crate::tuples::Shortage;
use thiserror::Error;

/// Why a protocol ended without a result.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Error {
    #[error("party {peer}: {cause}")]
    Channel { peer: PartyIndex, cause: ChannelError },
    #[error("party {peer} sent a malformed {step:?} message: {what}")]
    Malformed { peer: PartyIndex, step: Step, what: Malformed },
    #[error("party {peer} opened a commitment to something else ({step:?})")]
    CommitmentMismatch { peer: PartyIndex, step: Step },
    #[error("party {peer} saw another {step:?} broadcast than this party")]
    EchoMismatch { peer: PartyIndex, step: Step },
    #[error("party {peer} holds other opened values than this party")]
    OpeningsDiffer { peer: PartyIndex },
    #[error("the MAC check failed: some party misbehaved, and the MAC key is burned")]
    MacCheckFailed,
    #[error("the {check} failed towards party {peer}: this setup is over")]
    ConsistencyFailed { peer: PartyIndex, check: ConsistencyCheck },
    #[error("this setup of the generator is over: an earlier error has ended it")]
    SetupOver,
    #[error("an opened square has no root, though its MAC check passed")]
    NotASquare,
    #[error("daBits are not the same bits over both fields: some party misbehaved, and this setup is over")]
    DaBitsDiffer,
    #[error("tuples of an external generator are not what they are called: they are thrown away")]
    TuplesWrong,
    #[error("bits over both fields need a prime of at least {bits} bits")]
    PrimeTooSmall { bits: u32 },
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Shortage(#[from] Shortage),
}

/// What was wrong with a message's form.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum Malformed {
    #[error("no header")]
    NoHeader,
    #[error("unexpected step {0}")]
    UnexpectedStep(u16),
    #[error("unexpected round")]
    UnexpectedRound,
    #[error("wrong length")]
    Length,
    #[error("an element that is not canonical")]
    Element,
    #[error("an encoding that names no group element")]
    Point,
    #[error("a repeated commitment")]
    Duplicate,
    #[error("other parameters than this party's")]
    Parameters,
}

/// The consistency checks of the offline phase.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum ConsistencyCheck {
    #[error("check of the puncturable PRF")]
    Ggm,
    #[error("check of the puncturable PRF at this party's MAC key share")]
    KeyGgm,
    #[error("check of the OT extension")]
    OtExtension,
    #[error("proof of a public key")]
    KeyProof,
    #[error("proof of an encrypted MAC key share")]
    ConstantProof,
    #[error("proof of encrypted factors")]
    PlaintextProof,
}

/// What an error means for what the parties share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing was revealed; try again in a new session.
    Benign,
    /// The setup's correlations (base OTs, Δ) may have leaked a guess: they are never used again.
    SetupOver,
    /// The MAC key may be known: it is burned.
    KeyBurned,
}

impl Error {
    /// A channel that broke in a MAC check is benign here: the gate knows whether that check had
    /// gone too far and then freezes the key. Whoever runs an offline setup treats any error after
    /// the first check bit as [`Severity::SetupOver`] (I17).
    pub fn severity(&self) -> Severity {
        match self {
            Error::MacCheckFailed => Severity::KeyBurned,
            // Its outcome depends on the MAC key share, which outlives the setup: see `Gate::key_dependent_check`.
            Error::ConsistencyFailed { check: ConsistencyCheck::KeyGgm, .. } => Severity::KeyBurned,
            Error::Gate(GateError::Compromised) => Severity::KeyBurned,
            // A bad opening of a committed σ is evidence of the same as a sum that is not zero.
            Error::CommitmentMismatch { step: Step::CheckOpen, .. }
            | Error::Malformed { step: Step::CheckOpen, .. } => Severity::KeyBurned,
            Error::ConsistencyFailed { .. }
            | Error::SetupOver
            | Error::NotASquare
            | Error::DaBitsDiffer
            | Error::TuplesWrong => Severity::SetupOver,
            _ => Severity::Benign,
        }
    }

    /// The party that this error names, where it names one.
    pub fn culprit(&self) -> Option<PartyIndex> {
        match self {
            Error::Channel { peer, .. }
            | Error::Malformed { peer, .. }
            | Error::CommitmentMismatch { peer, .. }
            | Error::EchoMismatch { peer, .. }
            | Error::OpeningsDiffer { peer }
            | Error::ConsistencyFailed { peer, .. } => Some(*peer),
            Error::MacCheckFailed
            | Error::SetupOver
            | Error::NotASquare
            | Error::DaBitsDiffer
            | Error::TuplesWrong
            | Error::PrimeTooSmall { .. }
            | Error::Gate(_)
            | Error::Shortage(_) => None,
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;

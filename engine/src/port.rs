//! What the engine needs from whoever drives it, and nothing else.

use crate::digest::Hash;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use thiserror::Error;

/// The randomness of a session: seeded from the operating system for each one, never restored.
pub type Rng = rand_chacha::ChaCha20Rng;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The longest frame that a channel carries.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Frames to and from one peer, in order, authenticated and encrypted by the driver.
///
/// Object safe and poll-based, so that one call can make progress on all peers in both directions
/// (see [`crate::party::Party::exchange`]) and bounded buffers cannot deadlock.
pub trait Channel: Send {
    /// Hands `frame` to the transport; the frame is taken (left empty) when this returns ready.
    /// Called again with the same frame until then.
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>>;

    /// The next whole frame, at most [`FRAME_BYTES_MAX`] long.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>>;

    /// The session has ended well here: nothing more is sent or awaited in it, so that the driver may use the
    /// connection for another session. One that is dropped without this word is closed.
    fn finish(&mut self) {}
}

/// Why a channel gives no more frames.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum ChannelError {
    #[error("the connection is closed")]
    Closed,
    #[error("no message before the round's deadline")]
    Deadline,
    #[error("a frame longer than the limit")]
    TooLong,
    #[error("the connection failed")]
    Failed,
}

/// One MAC check at a time per MAC key, held until the verdict, journalled.
///
/// The classical MAC check opens Σσᵢ, which for wrong data reveals the key. So a party's opening
/// leaves only when the check can be finished after a crash, and no other check under the key
/// starts before the verdict ("Rushing at SPDZ", eprint 2025/789).
/// A future of these methods that is dropped after [`Gate::commit`] leaves an unfinished check,
/// which freezes the key until the check is finished.
pub trait Gate: Send {
    /// Waits for this check's turn. `covers` is the digest of all opened values it is for.
    fn enter(&mut self, covers: Hash) -> BoxFuture<'_, Result<(), GateError>>;

    /// Makes the own σ and its commitment's nonce durable; the commitment leaves after that.
    fn commit(&mut self, own: OwnSigma) -> BoxFuture<'_, Result<(), GateError>>;

    /// Makes all parties' commitments (by party index) durable; the own opening leaves after that.
    fn commitments(&mut self, all: Vec<Hash>) -> BoxFuture<'_, Result<(), GateError>>;

    /// Ends the check that is being held.
    fn verdict(&mut self, verdict: Verdict) -> BoxFuture<'_, Result<(), GateError>>;

    /// Records the outcome of a consistency check that depends on the own MAC key share and that a peer can make fail:
    /// that of the trees that are punctured at its digits. Nothing that depends on the outcome leaves before this
    /// returns.
    ///
    /// A peer that causes such a check learns bits of the share from its outcome, and the share outlives the setup. So
    /// one failure under a key is the last: it burns the key, durably, before this returns. A check that passed is
    /// counted, durably too, so that a crash between the outcome and its record shows neither. The records of one key
    /// are made one after the other; behind a failure there is none.
    ///
    /// # Errors
    /// [`GateError::Compromised`] if the key is burned already, whatever this outcome is.
    fn key_dependent_check(&mut self, passed: bool) -> BoxFuture<'_, Result<(), GateError>>;
}

/// A party's σ with what its commitment needs to be opened.
#[derive(Clone)]
pub struct OwnSigma {
    /// Which commitment of its session it is; equal at all parties.
    pub counter: u64,
    pub commitment: Hash,
    /// The exact bytes of the opening message.
    pub opening: Vec<u8>,
}

impl Drop for OwnSigma {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.opening);
    }
}

/// How a MAC check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Σσᵢ = 0.
    Passed,
    /// Ended before the own commitment left: nothing was revealed.
    Benign,
    /// Σσᵢ ≠ 0, or a commitment was opened to something else: the key is burned, durably, before
    /// the gate's future returns.
    Failed,
}

#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum GateError {
    #[error("the MAC key is burned: a check under it failed earlier")]
    Compromised,
    #[error("the MAC key is frozen: a check under it is unfinished")]
    Frozen,
    #[error("this check did not get its turn in time")]
    NoTurn,
    #[error("the journal of MAC checks could not be written")]
    Journal,
}

/// A gate for drivers that hold all parties in one process: no other session shares the key and
/// nothing survives a crash, so there is nothing to order or to journal.
#[derive(Debug, Default)]
pub struct LocalGate {
    state: LocalState,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum LocalState {
    #[default]
    Free,
    Held,
    Committed,
    Compromised,
}

impl LocalGate {
    fn step(&mut self, from: LocalState, to: LocalState) -> Result<(), GateError> {
        match self.state {
            LocalState::Compromised => Err(GateError::Compromised),
            ref state if *state == from => {
                self.state = to;
                Ok(())
            }
            _ => Err(GateError::Frozen),
        }
    }
}

impl Gate for LocalGate {
    fn enter(&mut self, _covers: Hash) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.step(LocalState::Free, LocalState::Held);
        Box::pin(std::future::ready(result))
    }

    fn commit(&mut self, _own: OwnSigma) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.step(LocalState::Held, LocalState::Committed);
        Box::pin(std::future::ready(result))
    }

    fn commitments(&mut self, _all: Vec<Hash>) -> BoxFuture<'_, Result<(), GateError>> {
        let result = self.step(LocalState::Committed, LocalState::Committed);
        Box::pin(std::future::ready(result))
    }

    fn verdict(&mut self, verdict: Verdict) -> BoxFuture<'_, Result<(), GateError>> {
        let result = match (&self.state, verdict) {
            (_, Verdict::Failed) => {
                self.state = LocalState::Compromised;
                Ok(())
            }
            (LocalState::Held, Verdict::Benign) => self.step(LocalState::Held, LocalState::Free),
            (_, Verdict::Benign) => Err(GateError::Frozen),
            (_, Verdict::Passed) => self.step(LocalState::Committed, LocalState::Free),
        };
        Box::pin(std::future::ready(result))
    }

    fn key_dependent_check(&mut self, passed: bool) -> BoxFuture<'_, Result<(), GateError>> {
        let result = match self.state {
            LocalState::Compromised => Err(GateError::Compromised),
            _ => Ok(()),
        };
        if !passed {
            self.state = LocalState::Compromised;
        }
        Box::pin(std::future::ready(result))
    }
}

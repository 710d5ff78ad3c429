//! Hash commitments: H(ctx, sender, counter, message ‖ 256 random bits), binding and hiding with
//! the hash as a random oracle (offline notes §0.1).
//!
//! Sender and counter are inside, so that a commitment copied from another party, or replayed from
//! another place of the session, does not open.

use crate::digest::{Hash, Transcript};
use crate::error::{Error, Malformed, Result};
use crate::party::{Party, PartyIndex};
use crate::step::Step;
use rand_core::Rng as _;
use subtle::ConstantTimeEq;

const NONCE_BYTES: usize = 32;

/// A commitment with what opens it.
pub struct Opening {
    pub commitment: Hash,
    /// message ‖ nonce
    pub bytes: Vec<u8>,
}

fn digest(session: &Hash, sender: PartyIndex, counter: u64, opening: &[u8]) -> Hash {
    Transcript::new("commitment").bytes(session).number(sender.0 as u64).number(counter).bytes(opening).finish()
}

/// The commitment that an opening is of.
#[cfg(any(test, feature = "timing"))]
pub(crate) fn of_opening(session: &Hash, sender: PartyIndex, counter: u64, opening: &[u8]) -> Hash {
    digest(session, sender, counter, opening)
}

/// Numbers the commitment, which all parties do in the same order; to be used with [`opened`].
pub fn next(party: &mut Party) -> u64 {
    party.next_commitment()
}

/// Commits to `message` as commitment `counter` of this party.
pub fn commit(party: &mut Party, counter: u64, message: &[u8]) -> Opening {
    let mut bytes = message.to_vec();
    let mut nonce = [0; NONCE_BYTES];
    party.rng.fill_bytes(&mut nonce);
    bytes.extend_from_slice(&nonce);
    Opening { commitment: digest(party.session(), party.index(), counter, &bytes), bytes }
}

/// Reads everyone's commitments off a broadcast.
///
/// # Errors
/// If one has another length, or two parties sent the same (nobody can have found the same by
/// chance, so it is a copy).
pub fn received(party: &Party, step: Step, messages: &[Vec<u8>]) -> Result<Vec<Hash>> {
    let mut commitments: Vec<Hash> = Vec::with_capacity(messages.len());
    for (j, message) in messages.iter().enumerate() {
        let peer = PartyIndex(j as u16);
        let malformed = |what| Error::Malformed { peer, step, what };
        let commitment: Hash = message.as_slice().try_into().map_err(|_| malformed(Malformed::Length))?;
        if commitments.contains(&commitment) {
            return Err(malformed(Malformed::Duplicate));
        }
        commitments.push(commitment);
    }
    debug_assert_eq!(commitments.len(), party.n());
    Ok(commitments)
}

/// The message of `peer`'s opening of commitment `counter`.
///
/// # Errors
/// If the opening has another length than `len` plus the nonce, or is not of this commitment.
pub fn opened<'a>(
    party: &Party,
    step: Step,
    peer: PartyIndex,
    counter: u64,
    commitment: &Hash,
    opening: &'a [u8],
    len: usize,
) -> Result<&'a [u8]> {
    party.expect_len(peer, step, opening, len + NONCE_BYTES)?;
    message_of(party.session(), peer, counter, commitment, opening).ok_or(Error::CommitmentMismatch { peer, step })
}

/// The message of an opening, if it is one of this commitment: for whoever finishes a check that a
/// session could not.
pub fn message_of<'a>(
    session: &Hash,
    sender: PartyIndex,
    counter: u64,
    commitment: &Hash,
    opening: &'a [u8],
) -> Option<&'a [u8]> {
    let len = opening.len().checked_sub(NONCE_BYTES)?;
    let found = digest(session, sender, counter, opening);
    bool::from(found.ct_eq(commitment)).then(|| &opening[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn commitments_are_frozen() {
        let opening = [&b"message"[..], &[9; NONCE_BYTES]].concat();
        let found = digest(&[7; 32], PartyIndex(2), 5, &opening);
        assert_eq!(hex::encode(found), "7f76c8c7c74633a43b05231576a03c9e838186d39b5f4b438143973532776127");
        assert_eq!(message_of(&[7; 32], PartyIndex(2), 5, &found, &opening), Some(&b"message"[..]));
        for (session, sender, counter) in [([6; 32], 2, 5), ([7; 32], 1, 5), ([7; 32], 2, 6)] {
            assert_eq!(message_of(&session, PartyIndex(sender), counter, &found, &opening), None);
        }
    }
}

//! Proof that a member put its name under two different records at one place of one cloud's log.
//!
//! Honest members sign at most one record for each (epoch, attempt), so two signatures for one pair convict their
//! signer to anybody who has the log. Record 0 is excepted: two of them are two clouds.

use serde::{Deserialize, Serialize};

use crate::id::{CloudId, PeerKey};
use crate::membership::RecordStatement;
use crate::sign::{SignatureError, Signed};

/// Two signed statements of one member that exclude each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    first: Signed<RecordStatement>,
    second: Signed<RecordStatement>,
}

/// Two statements that prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEquivocation {
    #[error("a signature does not hold: {0}")]
    Signature(#[from] SignatureError),
    #[error("the statements do not exclude each other")]
    Compatible,
}

impl Equivocation {
    /// The proof, if two statements make one.
    ///
    /// # Errors
    /// [`NoEquivocation`].
    pub fn prove(first: Signed<RecordStatement>, second: Signed<RecordStatement>) -> Result<Self, NoEquivocation> {
        let proof = Self { first, second };
        proof.convicts()?;
        Ok(proof)
    }

    /// Whom it convicts, and in which cloud.
    ///
    /// # Errors
    /// [`NoEquivocation`] if it proves nothing.
    pub fn convicts(&self) -> Result<(PeerKey, CloudId), NoEquivocation> {
        let (first, signer) = self.first.verified()?;
        let (second, other) = self.second.verified()?;
        let one_place = first.cloud == second.cloud && first.epoch == second.epoch && first.attempt == second.attempt;
        match first.cloud {
            Some(cloud) if signer == other && one_place && first.record != second.record => Ok((signer, cloud)),
            _ => Err(NoEquivocation::Compatible),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Attempt, Epoch, RecordHash};
    use crate::membership::tests::signing_key;

    fn statement(record: u8) -> RecordStatement {
        RecordStatement {
            cloud: Some(CloudId([7; 32])),
            epoch: Epoch(3),
            attempt: Attempt(1),
            record: RecordHash([record; 32]),
        }
    }

    fn signed(seed: u8, record: u8) -> Signed<RecordStatement> {
        Signed::sign(statement(record), &signing_key(seed))
    }

    #[test]
    fn two_records_at_one_place_convict_their_signer() {
        let proof = Equivocation::prove(signed(1, 1), signed(1, 2)).expect("a proof");
        assert_eq!(proof.convicts(), Ok((PeerKey::of(&signing_key(1)), CloudId([7; 32]))));
    }

    #[test]
    fn nobody_is_convicted_by_the_same_record_another_signer_or_another_place() {
        let compatible = Err(NoEquivocation::Compatible);
        assert_eq!(Equivocation::prove(signed(1, 1), signed(1, 1)), compatible);
        assert_eq!(Equivocation::prove(signed(1, 1), signed(2, 2)), compatible);
        let elsewhere = [
            RecordStatement { epoch: Epoch(4), ..statement(2) },
            RecordStatement { attempt: Attempt(2), ..statement(2) },
            RecordStatement { cloud: Some(CloudId([8; 32])), ..statement(2) },
            RecordStatement { cloud: None, ..statement(2) },
        ];
        for other in elsewhere {
            assert_eq!(Equivocation::prove(signed(1, 1), Signed::sign(other, &signing_key(1))), compatible);
        }
        let founding = |record| Signed::sign(RecordStatement { cloud: None, ..statement(record) }, &signing_key(1));
        assert_eq!(Equivocation::prove(founding(1), founding(2)), compatible);
    }

    #[test]
    fn a_forged_signature_convicts_nobody() {
        let other = signed(2, 2);
        let forged = Signed::from_parts(statement(2), PeerKey::of(&signing_key(1)), other.signature());
        let error = Err(NoEquivocation::Signature(SignatureError::Invalid));
        assert_eq!(Equivocation::prove(signed(1, 1), forged), error);
    }
}

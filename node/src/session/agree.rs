//! Agreement inside a session: every member signs the same statement, or the session ends with the
//! name of who did not.

use ed25519_dalek::SigningKey;
use polyyne_engine::error::Error as EngineError;
use polyyne_engine::party::Party;
use polyyne_engine::step::Step;
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::{Certificate, Tally};
use polyyne_protocol::id::PeerKey;
use polyyne_protocol::sign::{Signed, Statement};
use polyyne_protocol::view::CloudView;

/// Longest encoded vote.
const VOTE_BYTES_MAX: usize = 16 << 10;

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgreeError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0} sent a vote that cannot be read")]
    Malformed(PeerKey),
    #[error("{0} signed something else: the members differ about this session")]
    Differs(PeerKey),
}

/// Exchanges signed votes for `statement`; returns the certificate that all gave.
pub async fn agree<T>(
    party: &mut Party,
    view: &CloudView,
    key: &SigningKey,
    step: Step,
    statement: T,
) -> Result<Certificate<T>, AgreeError>
where
    T: Statement<Signer = PeerKey> + Clone + PartialEq,
{
    let own = canonical::encode(&Signed::sign(statement.clone(), key));
    let received = party.broadcast(step, own).await?;
    let mut tally = Tally::new(statement, view);
    for (member, bytes) in view.members().iter().zip(&received) {
        let vote: Signed<T> =
            canonical::decode(bytes, VOTE_BYTES_MAX).map_err(|_| AgreeError::Malformed(member.peer))?;
        if vote.signer() != member.peer || tally.count(vote).is_err() {
            return Err(AgreeError::Differs(member.peer));
        }
    }
    tally.certificate().ok_or_else(|| AgreeError::Differs(view.members()[party.index().get()].peer))
}

//! A session: what members of a cloud do together, over data links of its own.
//!
//! The first round is a signed hello of every member ([`polyyne_protocol::hello`]); all but the
//! nonces must be equal, and the session id that they open is bound into everything that follows:
//! a frame, commitment or signature of one session means nothing in another.
//!
//! A session runs on an OS thread of its own with a current-thread runtime, so that its arithmetic
//! never holds up the swarm; a panic ends this session and nothing else.

pub mod agree;
pub mod finish;
pub mod gate;
pub mod side;
pub mod take;
mod thread;

#[cfg(test)]
mod tests;

use ed25519_dalek::SigningKey;
use polyyne_engine::error::Error as EngineError;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, Rng};
use polyyne_engine::step::Step;
use polyyne_protocol::canonical;
use polyyne_protocol::hello::{self, Hello, SessionPurpose};
use polyyne_protocol::id::{Attempt, Digest, PeerKey, SessionId};
use polyyne_protocol::sign::Signed;
use polyyne_protocol::view::CloudView;
use rand::SeedableRng as _;
use rand::rngs::SysRng;

pub use thread::{Crashed, Worker, run, start};

/// Longest encoded hello.
const HELLO_BYTES_MAX: usize = 4096;

/// What a session is about: equal at all members, or there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agenda {
    pub purpose: SessionPurpose,
    /// The digest of the client's request, or of what else the members agreed to do; fresh for each
    /// attempt.
    pub subject: Digest,
}

impl Agenda {
    fn hello(&self, view: &CloudView, nonce: [u8; 32]) -> Hello {
        Hello::new(view, self.purpose, self.subject, Attempt(0), nonce)
    }

    /// Where the members' links meet.
    pub fn label(&self, view: &CloudView) -> [u8; 32] {
        canonical::hash("session label", &self.hello(view, [0; 32])).0
    }
}

/// Why a session did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GreetError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0} sent a hello that cannot be read")]
    Malformed(PeerKey),
    #[error(transparent)]
    Hello(#[from] hello::HelloError),
}

/// Says hello over fresh links and binds the party to the session that all agree on.
///
/// # Errors
/// [`GreetError`] names the member that is about something else, or that did not sign.
pub async fn greet(
    view: &CloudView,
    key: &SigningKey,
    agenda: &Agenda,
    links: Vec<Option<Box<dyn Channel>>>,
) -> Result<Party, GreetError> {
    let rank = view.rank_of(&PeerKey::of(key)).expect("a seat is a member's");
    let mut party = Party::new(rank, agenda.label(view), links, session_rng());
    let own = agenda.hello(view, rand::random());
    let received = party.broadcast(Step::Hello, canonical::encode(&Signed::sign(own.clone(), key))).await?;
    let hellos = view.members().iter().zip(&received).map(|(member, bytes)| {
        canonical::decode::<Signed<Hello>>(bytes, HELLO_BYTES_MAX).map_err(|_| GreetError::Malformed(member.peer))
    });
    let hellos: Vec<Signed<Hello>> = hellos.collect::<Result<_, _>>()?;
    party.bind(hello::session_id(view, &own, &hellos)?.0);
    Ok(party)
}

/// Randomness of one session, from the operating system: never restored, never shared.
pub fn session_rng() -> Rng {
    Rng::try_from_rng(&mut SysRng).expect("the operating system gives randomness")
}

/// The id of a bound session.
pub fn session_id(party: &Party) -> SessionId {
    SessionId(*party.session())
}

//! This node's seat in one virtual cloud: who the members are, what they share, and how this node
//! meets them in sessions. Services work on a seat; a new epoch or MAC key means a new seat.

use crate::castor::Castor;
use crate::federation::{Directory, Network};
use crate::link::{LinkError, LinkPeer, Links, SessionLabel};
use crate::order::Order;
use crate::session::gate::KeyGuard;
use crate::session::side::Side;
use crate::session::take::{Bill, TakeFailure, Taken, Taker, Taking};
use crate::session::{self, Agenda, GreetError};
use crate::store::MacScope;
use crate::store::mac_keys::{MacKeyError, MacKeys};
use crate::store::sealed::SecretBytes;
use ed25519_dalek::SigningKey;
use futures::future::join_all;
use polyyne_engine::field::{BinaryField, Field as _, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::online::Online;
use polyyne_engine::party::Party;
use polyyne_engine::port::Channel;
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::tuples::Pool;
use polyyne_protocol::envelope::SealSecret;
use polyyne_protocol::id::PeerKey;
use polyyne_protocol::view::CloudView;
use std::time::Duration;

#[cfg(test)]
pub(crate) mod liar;

/// This node's own secrets of identity.
pub struct Identity {
    pub signing: SigningKey,
    pub seal: SealSecret,
}

/// See the module's head.
pub struct Seat {
    pub view: CloudView,
    pub field: PrimeField,
    pub scope: MacScope,
    pub alpha: MacKeyShare<PrimeField>,
    pub identity: std::sync::Arc<Identity>,
    pub castor: Castor,
    pub order: Order,
    pub guard: KeyGuard,
    pub mac_keys: MacKeys,
    pub network: Network,
    pub links: Links,
    pub directory: Directory,
}

/// How long a session waits for all members to come.
pub const MEET_PATIENCE: Duration = Duration::from_secs(10);
/// A member that has been without a connection for so long is not waited for any more.
pub const AWAY: Duration = Duration::from_secs(5);
/// How long a session waits for its turn among takes and checks.
pub const TURN_PATIENCE: Duration = Duration::from_secs(60);

/// Why members did not meet.
#[derive(Debug, thiserror::Error)]
pub enum MeetError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Greet(#[from] GreetError),
}

impl MeetError {
    /// The member at fault, where one is known.
    pub fn peer(&self) -> Option<PeerKey> {
        match self {
            MeetError::Link(
                LinkError::Unreachable { peer, .. }
                | LinkError::Absent { peer }
                | LinkError::Broken { peer, .. }
                | LinkError::Taken { peer },
            ) => Some(*peer),
            MeetError::Greet(GreetError::Malformed(peer)) => Some(*peer),
            _ => None,
        }
    }
}

impl Seat {
    /// This node's dense rank.
    pub fn rank(&self) -> usize {
        self.view.rank_of(&PeerKey::of(&self.identity.signing)).expect("a seat is a member's")
    }

    /// Meets all members; called on the session's own thread.
    ///
    /// # Errors
    /// [`MeetError`]; a new attempt needs another agenda.
    pub async fn meet(&self, agenda: &Agenda) -> Result<Party, MeetError> {
        let label = SessionLabel { label: agenda.label(&self.view), thread: 0 };
        let links = tokio::select! {
            links = self.open_links(label, MEET_PATIENCE) => links?,
            peer = self.member_away() => return Err(LinkError::Absent { peer }.into()),
        };
        Ok(session::greet(&self.view, &self.identity.signing, agenda, links).await?)
    }

    /// Resolves when a member has been without a connection for [`AWAY`].
    pub async fn member_away(&self) -> PeerKey {
        let members: Vec<PeerKey> = self.view.members().iter().map(|member| member.peer).collect();
        self.network.away(&members, AWAY).await
    }

    /// Links to all members by rank, `None` at the own one.
    pub async fn open_links(
        &self,
        label: SessionLabel,
        patience: Duration,
    ) -> Result<Vec<Option<Box<dyn Channel>>>, LinkError> {
        let own = self.rank();
        let others = self.view.members().iter().enumerate().filter(|(rank, _)| *rank != own);
        let peers = others.map(|(rank, member)| async move {
            let addresses = self.directory.data_addresses_soon(member.peer, patience).await;
            LinkPeer { rank: rank as u16, key: member.peer, addresses }
        });
        let peers: Vec<LinkPeer> = join_all(peers).await;
        let links = self.links.open(label, own as u16, &peers, patience).await?;
        let mut channels: Vec<Option<Box<dyn Channel>>> = (0..self.view.n()).map(|_| None).collect();
        for link in links {
            let rank = usize::from(link.rank());
            let link: Box<dyn Channel> = Box::new(link);
            #[cfg(test)]
            let link = liar::link_of(self.network.local_key(), link);
            channels[rank] = Some(link);
        }
        Ok(channels)
    }

    /// Takes tuples together with the others.
    ///
    /// # Errors
    /// See [`TakeFailure`].
    pub async fn take(&self, party: &mut Party, what: &Taking, bill: &Bill) -> Result<Taken, TakeFailure> {
        let taker = Taker {
            castor: &self.castor,
            order: &self.order,
            view: &self.view,
            key: &self.identity.signing,
            scope: self.scope,
            field: self.field,
            patience: TURN_PATIENCE,
        };
        taker.take(party, what, bill).await
    }

    /// The MAC check of a session, behind the key's gate.
    pub fn mac_check(&self, party: &Party) -> MacCheck<PrimeField> {
        MacCheck::new(self.field, self.alpha.clone(), self.guard.gate(*party.session()))
    }

    /// The MAC check of a session over a field beside the prime one; its key share is made here if this is its first.
    ///
    /// # Errors
    /// [`MacKeyError`].
    pub async fn side_check(&self, party: &Party, side: Side) -> Result<MacCheck<BinaryField>, MacKeyError> {
        let field = side.field();
        let fresh = field.to_bytes(field.random(&mut session::session_rng()));
        let fresh = SecretBytes::new(fresh.to_vec());
        let share = self.mac_keys.side_share(self.scope, side.byte(), fresh).await?;
        let alpha = share.expose().try_into().ok().and_then(|bytes| field.from_bytes(bytes));
        let alpha = alpha.ok_or(MacKeyError::Unknown(self.scope))?;
        let key = MacKeyShare::new(alpha, party.is_first());
        Ok(MacCheck::new(field, key, self.guard.gate_over(*party.session(), Some(side))))
    }

    /// The online phase of a session with these tuples.
    pub fn online(&self, party: Party, tuples: Pool<PrimeField>) -> Online<PrimeField> {
        let mac = self.mac_check(&party);
        Online::new(self.field, party, mac, Box::new(tuples))
    }
}

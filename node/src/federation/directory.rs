//! What peers say about themselves: versions, sealing key, and where their data links listen.
//!
//! Every node answers `hello` with a signed [`Announcement`] and asks it of each peer whenever that
//! peer connects (a restart may have changed the port). All of it is a hint: a data link proves the
//! peer's key by itself, and a sealing key counts only once it stands in a signed membership record.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ed25519_dalek::SigningKey;
use futures::future::join_all;
use libp2p::{Multiaddr, multiaddr::Protocol};
use polyyne_protocol::{
    canonical,
    id::{Nonce, PeerKey, SealKey},
    limits::{ADDRESS_MAX, ADDRESSES_MAX},
    sign::{Purpose, SignatureError, Signed, Statement},
    version::WIRE_MAJOR,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Network, PeerStatus, RequestError, Service};

/// Bytes of a signed announcement.
const ANNOUNCEMENT_MAX: usize = 16 << 10;
/// Characters of a program's version.
const SOFTWARE_MAX: usize = 64;
/// How long a peer may take to introduce itself.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// How often peers that did not introduce themselves are asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub wire: u16,
    /// Program and version, for people.
    pub software: String,
    /// Fresh at each start.
    pub boot: Nonce,
    /// Where clients seal what is for this node, if it joins a cloud.
    pub seal: SealKey,
    /// Multiaddrs of the control plane, for membership records.
    pub addresses: Vec<String>,
    /// IP addresses of the data plane; none: those under which the control plane is reached.
    pub data_hosts: Vec<IpAddr>,
    pub data_port: u16,
}

impl Statement for Announcement {
    const PURPOSE: Purpose = Purpose::Announce;
    type Signer = PeerKey;
}

impl Announcement {
    fn is_bounded(&self) -> bool {
        let printable = |text: &String| text.len() <= ADDRESS_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        self.software.len() <= SOFTWARE_MAX
            && self.addresses.len() <= ADDRESSES_MAX
            && self.addresses.iter().all(printable)
            && self.data_hosts.len() <= ADDRESSES_MAX
    }
}

/// Why a peer's announcement was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{} introduced itself in a form that makes no sense", .0.peer_id())]
    Malformed(PeerKey),
    #[error("the introduction of {}: {cause}", .peer.peer_id())]
    Signature { peer: PeerKey, cause: SignatureError },
    #[error("{} introduced itself as {}", .peer.peer_id(), .claimed.peer_id())]
    OtherPeer { peer: PeerKey, claimed: PeerKey },
    #[error("{} speaks wire version {wire}, this node {WIRE_MAJOR}: run the same release at both", .peer.peer_id())]
    Version { peer: PeerKey, wire: u16 },
}

/// What is known of all peers that have introduced themselves. Clones share it.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDropHandle<()>>,
}

struct Shared {
    network: Network,
    known: Mutex<BTreeMap<PeerKey, Known>>,
    /// Counts introductions.
    heard: watch::Sender<u64>,
}

struct Known {
    announcement: Announcement,
    /// Of which connection of the peer this is.
    meeting: u64,
}

impl Directory {
    /// Introduces this node to whoever asks, and keeps asking its peers.
    ///
    /// # Panics
    /// If `hello` is served already.
    pub fn start(network: Network, own: Announcement, key: &SigningKey) -> Self {
        let introduction = canonical::encode(&Signed::sign(own, key));
        network.serve(Service::HELLO, move |_, _| {
            let introduction = introduction.clone();
            async { Ok(introduction) }
        });
        let shared = Arc::new(Shared { network, known: Mutex::default(), heard: watch::Sender::new(0) });
        let task = tokio::spawn(Arc::clone(&shared).keep_asking());
        Self { shared, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// What a peer said last, if it has said anything.
    pub fn announcement(&self, peer: PeerKey) -> Option<Announcement> {
        self.shared.known().get(&peer).map(|known| known.announcement.clone())
    }

    /// Asks a peer now.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn ask(&self, peer: PeerKey) -> Result<Announcement, DirectoryError> {
        self.shared.ask(peer).await
    }

    /// Resolves when one of these peers has introduced itself as another process than it was at the call.
    pub async fn restarted(&self, peers: &[PeerKey]) -> PeerKey {
        let boot_of = |peer: PeerKey| self.shared.known().get(&peer).map(|known| known.announcement.boot);
        let mut heard = self.shared.heard.subscribe();
        let mut boots: Vec<Option<Nonce>> = peers.iter().map(|&peer| boot_of(peer)).collect();
        loop {
            for (&peer, before) in peers.iter().zip(&mut boots) {
                match (*before, boot_of(peer)) {
                    (Some(before), Some(now)) if before != now => return peer,
                    (_, now) => *before = before.or(now),
                }
            }
            // the sender lives in this very handle
            drop(heard.changed().await);
        }
    }

    /// Where a peer's data links listen; empty if it has not said so yet.
    pub fn data_addresses(&self, peer: PeerKey) -> Vec<SocketAddr> {
        let Some(announcement) = self.announcement(peer) else {
            return Vec::new();
        };
        let seen_at = self.shared.network.peer(peer).map(|status| status.seen_at).unwrap_or_default();
        let port = announcement.data_port;
        let named = announcement
            .data_hosts
            .into_iter()
            .filter(|ip| seen_at.contains(ip) || self.shared.network.policy().allows(&multiaddr(*ip, port)));
        let mut hosts: Vec<IpAddr> = named.collect();
        if hosts.is_empty() {
            hosts = seen_at;
        }
        hosts.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
    }

    /// Like [`Directory::data_addresses`], but waits for the peer to introduce itself, anew if it has
    /// connected anew: it may have been restarted and listen elsewhere.
    pub async fn data_addresses_soon(&self, peer: PeerKey, patience: Duration) -> Vec<SocketAddr> {
        let asked = timeout(patience, async {
            if !self.shared.is_introduced(peer) && self.shared.network.connected(peer, patience).await {
                // without an answer there is no address, which is what the caller will see
                let _ = self.ask(peer).await;
            }
        });
        let _ = asked.await;
        self.data_addresses(peer)
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, BTreeMap<PeerKey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, peer: PeerKey) -> Result<Announcement, DirectoryError> {
        let meeting = self.network.peer(peer).map_or(0, |status| status.meetings);
        let answer = self.network.request(peer, Service::HELLO, Vec::new(), HELLO_PATIENCE).await?;
        let announcement = read(peer, &answer)?;
        self.known().insert(peer, Known { announcement: announcement.clone(), meeting });
        self.heard.send_modify(|count| *count += 1);
        Ok(announcement)
    }

    /// Asks every peer once for each time that it connects, and again while it does not answer.
    async fn keep_asking(self: Arc<Self>) {
        let mut changes = self.network.changes();
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            changes.mark_unchanged();
            let peers = self.network.peers();
            self.known().retain(|key, _| peers.iter().any(|peer| peer.key == *key));
            let asked = peers.iter().filter(|peer| self.is_news(peer)).map(|peer| async {
                if let Err(error) = self.ask(peer.key).await {
                    tracing::debug!(peer = peer.key.peer_id(), "no introduction: {error}");
                }
            });
            if join_all(asked).await.is_empty() && changes.changed().await.is_err() {
                return;
            }
            again.tick().await;
        }
    }

    /// Whether a peer has introduced itself since it connected last.
    fn is_introduced(&self, peer: PeerKey) -> bool {
        self.network.peer(peer).is_some_and(|status| status.connected && !self.is_news(&status))
    }

    fn is_news(&self, peer: &PeerStatus) -> bool {
        let known = self.known();
        peer.connected && known.get(&peer.key).is_none_or(|known| known.meeting != peer.meetings)
    }
}

fn read(peer: PeerKey, answer: &[u8]) -> Result<Announcement, DirectoryError> {
    let malformed = || DirectoryError::Malformed(peer);
    let signed: Signed<Announcement> = canonical::decode(answer, ANNOUNCEMENT_MAX).map_err(|_| malformed())?;
    let (announcement, claimed) = signed.into_verified().map_err(|cause| DirectoryError::Signature { peer, cause })?;
    if claimed != peer {
        return Err(DirectoryError::OtherPeer { peer, claimed });
    }
    if announcement.wire != WIRE_MAJOR {
        return Err(DirectoryError::Version { peer, wire: announcement.wire });
    }
    if announcement.is_bounded() { Ok(announcement) } else { Err(malformed()) }
}

fn multiaddr(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::empty().with(ip.into()).with(Protocol::Tcp(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::{NetworkConfig, identity};

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn own(seed: u8) -> Announcement {
        Announcement {
            wire: WIRE_MAJOR,
            software: "test".into(),
            boot: Nonce([seed; 16]),
            seal: SealKey([seed; 32]),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            data_hosts: Vec::new(),
            data_port: 4000 + u16::from(seed),
        }
    }

    async fn node(seed: u8, peers: Vec<(PeerKey, Multiaddr)>) -> (Network, Directory) {
        let config = NetworkConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            peers,
            private_addresses: true,
            ..NetworkConfig::default()
        };
        let network = Network::start(config, &identity(&signing(seed))).await.unwrap();
        let directory = Directory::start(network.clone(), own(seed), &signing(seed));
        (network, directory)
    }

    #[tokio::test]
    async fn peers_learn_each_others_data_address() {
        let (a, at_a) = node(1, Vec::new()).await;
        let (b, at_b) = node(2, vec![(a.local_key(), a.listen_addrs().remove(0))]).await;
        let patience = Duration::from_secs(20);
        let expected = vec!["127.0.0.1:4001".parse().unwrap()];
        assert_eq!(at_b.data_addresses_soon(a.local_key(), patience).await, expected);
        assert_eq!(at_a.data_addresses_soon(b.local_key(), patience).await, ["127.0.0.1:4002".parse().unwrap()]);
        assert_eq!(at_b.announcement(a.local_key()), Some(own(1)));
    }

    #[tokio::test]
    async fn a_peer_that_introduces_itself_as_another_process_was_restarted() {
        let patience = Duration::from_secs(20);
        let (a, at_a) = node(1, Vec::new()).await;
        let listens = a.listen_addrs().remove(0);
        let peers = [a.local_key(), PeerKey::of(&signing(2))];
        let of_a = |boot| async move {
            let config = NetworkConfig {
                listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
                private_addresses: true,
                ..NetworkConfig::default()
            };
            let network = Network::start(config, &identity(&signing(2))).await.unwrap();
            let announced = Announcement { boot: Nonce([boot; 16]), ..own(2) };
            (network.clone(), Directory::start(network, announced, &signing(2)))
        };
        let (first, _directory) = of_a(1).await;
        first.dial(listens.clone()).await.unwrap();
        assert!(!at_a.data_addresses_soon(peers[1], patience).await.is_empty());

        let mut restarted = Box::pin(at_a.restarted(&peers));
        assert!(timeout(Duration::from_millis(50), &mut restarted).await.is_err(), "it is the same as before");
        drop((first, _directory));
        let (second, _directory) = of_a(2).await;
        second.dial(listens).await.unwrap();
        assert_eq!(timeout(patience, restarted).await, Ok(peers[1]));
    }

    #[test]
    fn an_introduction_counts_only_for_who_signed_it_in_this_version() {
        let peer = PeerKey::of(&signing(1));
        let good = canonical::encode(&Signed::sign(own(1), &signing(1)));
        assert!(read(peer, &good).is_ok());
        let other = canonical::encode(&Signed::sign(own(1), &signing(2)));
        assert!(matches!(read(peer, &other), Err(DirectoryError::OtherPeer { .. })));
        let newer = Announcement { wire: 2, ..own(1) };
        let newer = canonical::encode(&Signed::sign(newer, &signing(1)));
        assert!(matches!(read(peer, &newer), Err(DirectoryError::Version { wire: 2, .. })));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert!(read(peer, &changed).is_err(), "byte {at}");
        }
    }
}

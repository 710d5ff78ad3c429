//! The handle on a running libp2p node.
//!
//! [`Network`] is cheap to clone. Requests go through a bounded queue to the one task that owns the
//! swarm; what peers ask of us goes to the handler that [`Network::serve`] registered, each in its
//! own task, so that a panic in a handler is one failed request and nothing else (I36).

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use libp2p::{Multiaddr, identity};
use polyyne_protocol::{id::PeerKey, limits::CONTROL_MESSAGE_MAX};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    AddressPolicy, NotAPeerKey, Refusal, Service,
    control::Answer,
    limits::{COMMANDS_MAX, REACH_AGAIN, REACH_PATIENCE, REQUEST_TIMEOUT_MAX},
    peer_key, swarm,
};

/// How a node takes part in the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// Addresses to listen on; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node, where they differ (NAT, DNS name).
    pub external: Vec<Multiaddr>,
    /// Peers to stay connected with, from the peers file and flags.
    pub peers: Vec<(PeerKey, Multiaddr)>,
    /// Dial and announce addresses of loopback and private networks.
    pub private_addresses: bool,
    /// Find peers on the local network by mDNS.
    pub mdns: bool,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The identity is not ed25519.
    #[error("the node's identity is not usable: {0}")]
    Identity(#[from] NotAPeerKey),
    /// A transport or a behaviour could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause} (another process on that port?)")]
    Listen { address: Multiaddr, cause: String },
}

/// Why a request has no answer. After `Timeout` and `Lost` the peer may or may not have acted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No connection to the peer could be made.
    #[error("{} cannot be reached", .0.peer_id())]
    Unreachable(PeerKey),
    /// No answer in time.
    #[error("{} did not answer in time", .0.peer_id())]
    Timeout(PeerKey),
    /// The connection went away, or what came back was malformed.
    #[error("the connection to {} was lost", .0.peer_id())]
    Lost(PeerKey),
    /// The peer speaks no control protocol that we know.
    #[error("{} speaks another version", .0.peer_id())]
    OtherVersion(PeerKey),
    /// The peer refused.
    #[error("{}: {}", .0.peer_id(), .1)]
    Refused(PeerKey, Refusal),
    /// The request is larger than a control message may be.
    #[error("a control request of {0} bytes is too large")]
    TooLarge(usize),
    /// Too many requests wait for answers.
    #[error("too many requests are waiting")]
    Busy,
    /// The network has been shut down.
    #[error("the network is down")]
    Down,
}

/// What is known about a peer. Everything but `key` and `connected` is a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    pub key: PeerKey,
    /// Where it says, or somebody said, that it listens.
    pub addresses: Vec<Multiaddr>,
    /// The IP addresses that its connections come from or go to.
    pub seen_at: Vec<IpAddr>,
    pub connected: bool,
    /// How often it has connected anew since this node started.
    pub meetings: u64,
    pub rtt: Option<Duration>,
    pub agent: String,
}

impl PeerStatus {
    pub(super) fn new(key: PeerKey) -> Self {
        Self {
            key,
            addresses: Vec::new(),
            seen_at: Vec::new(),
            connected: false,
            meetings: 0,
            rtt: None,
            agent: String::new(),
        }
    }
}

/// What a handler makes of a request.
pub(super) type Handled = BoxFuture<'static, Result<Vec<u8>, Refusal>>;
type Handler = Arc<dyn Fn(PeerKey, Vec<u8>) -> Handled + Send + Sync>;

pub(super) enum Command {
    Request { peer: PeerKey, service: Service, payload: Vec<u8>, reply: Reply },
    Dial(Multiaddr),
    KeepConnected(Vec<(PeerKey, Vec<Multiaddr>)>),
    Find(PeerKey),
}

pub(super) type Reply = oneshot::Sender<Result<Answer, RequestError>>;

/// What the handle and the swarm's task share.
pub(super) struct Shared {
    pub(super) local: PeerKey,
    pub(super) policy: AddressPolicy,
    listening: Mutex<Vec<Multiaddr>>,
    peers: Mutex<BTreeMap<PeerKey, PeerStatus>>,
    handlers: Mutex<HashMap<&'static str, Handler>>,
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerKey, PeerStatus>> {
        lock(&self.peers)
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, Vec<Multiaddr>> {
        lock(&self.listening)
    }

    pub(super) fn handler(&self, service: &str) -> Option<Handler> {
        lock(&self.handlers).get(service).cloned()
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running libp2p node. It stops when the last clone is dropped.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    streams: libp2p_stream::Control,
}

impl Network {
    /// Starts a node with this identity; returns once it listens on all its addresses.
    ///
    /// # Errors
    /// If a transport cannot be set up or an address is taken.
    pub async fn start(config: NetworkConfig, keypair: &identity::Keypair) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            local: peer_key(&keypair.public().to_peer_id())?,
            policy: AddressPolicy::new(config.private_addresses),
            listening: Mutex::default(),
            peers: Mutex::default(),
            handlers: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let streams = swarm::start(config, keypair, Arc::clone(&shared), queue).await?;
        Ok(Self { shared, commands, streams })
    }

    /// The key that this node proves to its peers.
    pub fn local_key(&self) -> PeerKey {
        self.shared.local
    }

    /// The addresses that are really listened on.
    pub fn listen_addrs(&self) -> Vec<Multiaddr> {
        self.shared.listening().clone()
    }

    /// All peers that are known, connected or not.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.peers().values().cloned().collect()
    }

    /// One peer.
    pub fn peer(&self, key: PeerKey) -> Option<PeerStatus> {
        self.shared.peers().get(&key).cloned()
    }

    /// Fires whenever a peer or a listening address changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Which addresses may be dialled; permits go in here.
    pub fn policy(&self) -> &AddressPolicy {
        &self.shared.policy
    }

    /// Opens and accepts raw streams to peers: the fallback data plane.
    pub fn streams(&self) -> libp2p_stream::Control {
        self.streams.clone()
    }

    /// Dials an address that the operator gave; success shows in [`Network::peers`].
    ///
    /// # Errors
    /// [`RequestError::Down`].
    pub async fn dial(&self, address: Multiaddr) -> Result<(), RequestError> {
        self.shared.policy.permit(&address);
        self.command(Command::Dial(address)).await
    }

    /// Looks for a peer's addresses through Kademlia.
    ///
    /// # Errors
    /// [`RequestError::Down`].
    pub async fn find(&self, peer: PeerKey) -> Result<(), RequestError> {
        self.command(Command::Find(peer)).await
    }

    /// Replaces the set of members: they are dialled again whenever they are lost, their requests
    /// and connections have room of their own, and their addresses (from a *signed* record) may lie
    /// in private networks. Configured peers stay connected besides.
    ///
    /// # Errors
    /// [`RequestError::Down`].
    pub async fn keep_connected(&self, members: Vec<(PeerKey, Vec<Multiaddr>)>) -> Result<(), RequestError> {
        for address in members.iter().flat_map(|(_, addresses)| addresses) {
            self.shared.policy.permit(address);
        }
        self.command(Command::KeepConnected(members)).await
    }

    /// Waits until `peer` is connected. True if it is within `patience`.
    pub async fn connected(&self, peer: PeerKey, patience: Duration) -> bool {
        let mut changes = self.changes();
        let is_connected = |_: &u64| self.peer(peer).is_some_and(|status| status.connected);
        timeout(patience, changes.wait_for(is_connected)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Resolves when one of these peers has been without a connection for `grace`; this node itself is never away.
    pub async fn away(&self, peers: &[PeerKey], grace: Duration) -> PeerKey {
        let gone =
            |peer: &&PeerKey| **peer != self.local_key() && !self.peer(**peer).is_some_and(|status| status.connected);
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            match peers.iter().find(gone) {
                Some(&peer) if !self.connected(peer, grace).await => return peer,
                Some(_) => {}
                // the sender lives in this very handle
                None => drop(changes.changed().await),
            }
        }
    }

    /// Asks a peer; a request to this node itself is handled here.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request(
        &self,
        peer: PeerKey,
        service: Service,
        payload: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, RequestError> {
        if payload.len() + 128 > CONTROL_MESSAGE_MAX {
            return Err(RequestError::TooLarge(payload.len()));
        }
        let patience = patience.min(REQUEST_TIMEOUT_MAX);
        let answer = if peer == self.shared.local {
            timeout(patience, self.ask_self(service, payload)).await
        } else {
            timeout(patience, self.ask_reaching(peer, service, payload)).await
        };
        match answer.map_err(|_| RequestError::Timeout(peer))?? {
            Answer::Done(bytes) => Ok(bytes),
            Answer::Refused(refusal) => Err(RequestError::Refused(peer, refusal)),
        }
    }

    /// Handles what peers ask of `service`. The key given to the handler is proved by the
    /// connection; whether its owner may ask is for the handler to say.
    ///
    /// # Panics
    /// If the service has a handler already.
    pub fn serve<H, F>(&self, service: Service, handler: H)
    where
        H: Fn(PeerKey, Vec<u8>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<u8>, Refusal>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |from, payload| Box::pin(handler(from, payload)));
        let before = lock(&self.shared.handlers).insert(service.0, handler);
        assert!(before.is_none(), "two handlers for service {}", service.0);
    }

    /// Stops handling `service`.
    pub fn withdraw(&self, service: Service) {
        lock(&self.shared.handlers).remove(service.0);
    }

    /// Asks again where a connection was not to be had, or was lost: two peers that dial each other at
    /// once close one of the two, and a member that restarts is back in a moment. What members ask
    /// each other may be asked twice; a relayed envelope is left to its client.
    async fn ask_reaching(&self, peer: PeerKey, service: Service, payload: Vec<u8>) -> Result<Answer, RequestError> {
        let deadline = Instant::now() + REACH_PATIENCE;
        loop {
            match self.ask(peer, service, payload.clone()).await {
                Err(RequestError::Unreachable(_)) if Instant::now() < deadline => {}
                Err(RequestError::Lost(_)) if Instant::now() < deadline && service != Service::RELAY => {}
                answered => return answered,
            }
            sleep(REACH_AGAIN).await;
        }
    }

    async fn ask(&self, peer: PeerKey, service: Service, payload: Vec<u8>) -> Result<Answer, RequestError> {
        let (reply, answer) = oneshot::channel();
        let request = Command::Request { peer, service, payload, reply };
        self.command(request).await?;
        answer.await.map_err(|_| RequestError::Down)?
    }

    async fn ask_self(&self, service: Service, payload: Vec<u8>) -> Result<Answer, RequestError> {
        let Some(handler) = self.shared.handler(service.0) else {
            return Ok(Answer::Refused(Refusal::NoSuchService));
        };
        Ok(handled(handler(self.shared.local, payload)).await)
    }

    async fn command(&self, command: Command) -> Result<(), RequestError> {
        self.commands.send(command).await.map_err(|_| RequestError::Down)
    }
}

/// Runs a handler in a task of its own, within the longest time a request may take.
pub(super) async fn handled(work: Handled) -> Answer {
    let task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(timeout(REQUEST_TIMEOUT_MAX, work)));
    match task.await {
        Ok(Ok(Ok(bytes))) => Answer::Done(bytes),
        Ok(Ok(Err(refusal))) => Answer::Refused(refusal),
        Ok(Err(_)) | Err(_) => Answer::Refused(Refusal::Failed),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::federation::{identity, peer_id};

    const LONG: Duration = Duration::from_secs(20);

    async fn node(seed: u8, listen: &str, peers: Vec<(PeerKey, Multiaddr)>) -> Network {
        let config = NetworkConfig {
            listen: vec![listen.parse().unwrap()],
            peers,
            private_addresses: true,
            ..NetworkConfig::default()
        };
        let signing = SigningKey::from_bytes(&[seed; 32]);
        Network::start(config, &identity(&signing)).await.unwrap()
    }

    /// A listens; B has A in its peer list.
    async fn pair(listen: &str) -> (Network, Network) {
        let a = node(1, listen, Vec::new()).await;
        let to_a = a.listen_addrs().into_iter().map(|x| (a.local_key(), x));
        let b = node(2, listen, to_a.collect()).await;
        (a, b)
    }

    #[tokio::test]
    async fn a_request_reaches_the_other_side_with_a_proved_sender() {
        for listen in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
            let (a, b) = pair(listen).await;
            a.serve(Service::HELLO, |from, payload| async move { Ok([from.as_bytes().as_slice(), &payload].concat()) });
            let ask = b.request(a.local_key(), Service::HELLO, b"hi".to_vec(), LONG);
            let expected = [b.local_key().as_bytes().as_slice(), b"hi"].concat();
            assert_eq!(ask.await, Ok(expected), "{listen}");
            assert!(a.connected(b.local_key(), LONG).await);
            let ask_back = a.request(b.local_key(), Service::HELLO, Vec::new(), LONG);
            let refused = RequestError::Refused(b.local_key(), Refusal::NoSuchService);
            assert_eq!(ask_back.await, Err(refused));
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_one_failed_request() {
        let (a, b) = pair("/ip4/127.0.0.1/tcp/0").await;
        a.serve(Service::VOTES, |_, payload| async move {
            assert!(payload.is_empty(), "a handler that panics");
            Ok(vec![1])
        });
        let failed = RequestError::Refused(a.local_key(), Refusal::Failed);
        let ask = |payload| b.request(a.local_key(), Service::VOTES, payload, LONG);
        assert_eq!(ask(vec![0]).await, Err(failed));
        assert_eq!(ask(vec![]).await, Ok(vec![1]));
    }

    #[tokio::test]
    async fn a_stranger_gets_little_room_and_a_member_more() {
        let (a, b) = pair("/ip4/127.0.0.1/tcp/0").await;
        let (open, gate) = watch::channel(false);
        a.serve(Service::RELAY, move |_, _| {
            let mut gate = gate.clone();
            async move {
                gate.wait_for(|open| *open).await.map_err(|_| Refusal::Failed)?;
                Ok(Vec::new())
            }
        });
        let busy = Err(RequestError::Refused(a.local_key(), Refusal::Busy));
        let ask = || b.request(a.local_key(), Service::RELAY, Vec::new(), LONG);
        let room = super::super::limits::STRANGER_REQUESTS_MAX;
        let mut asked: Vec<_> = (0..=room).map(|_| Box::pin(ask())).collect();
        let (first, _, rest) = futures::future::select_all(asked.drain(..)).await;
        assert_eq!(first, busy);
        a.keep_connected(vec![(b.local_key(), Vec::new())]).await.unwrap();
        let as_member = tokio::spawn({
            let (b, to) = (b.clone(), a.local_key());
            async move { b.request(to, Service::RELAY, Vec::new(), LONG).await }
        });
        open.send(true).unwrap();
        assert_eq!(as_member.await.unwrap(), Ok(Vec::new()));
        for answer in futures::future::join_all(rest).await {
            assert_eq!(answer, Ok(Vec::new()));
        }
    }

    #[tokio::test]
    async fn an_unreachable_peer_is_an_error_and_a_lost_one_is_found_again() {
        let (a, b) = pair("/ip4/127.0.0.1/tcp/0").await;
        assert!(b.connected(a.local_key(), LONG).await);
        let nobody = PeerKey::of(&SigningKey::from_bytes(&[9; 32]));
        let ask = b.request(nobody, Service::HELLO, Vec::new(), LONG);
        assert_eq!(ask.await, Err(RequestError::Unreachable(nobody)));

        let address = a.listen_addrs().remove(0);
        let mut changes = b.changes();
        drop(a);
        let gone = |_: &u64| b.peers().iter().all(|peer| !peer.connected);
        changes.wait_for(gone).await.unwrap();
        let a = node(1, &address.to_string(), Vec::new()).await;
        assert!(b.connected(a.local_key(), LONG).await);
    }

    /// A node that listened on QUIC was killed and came back. The others had not noticed that it was gone, and half of
    /// what they asked it went to where nobody was any more, until QUIC gave that up after ten seconds.
    #[tokio::test]
    async fn a_new_connection_of_a_peer_takes_the_place_of_the_one_before() {
        let listen = "/ip4/127.0.0.1/udp/0/quic-v1";
        let first = node(2, listen, Vec::new()).await;
        let peer = first.local_key();
        let a = node(1, listen, vec![(peer, first.listen_addrs().remove(0))]).await;
        assert!(a.connected(peer, LONG).await);
        // past the time in which both may have dialled
        sleep(super::super::limits::BOTH_DIALLED).await;
        // the same node as another process, while the first still has its connection
        let second = node(2, listen, vec![(a.local_key(), a.listen_addrs().remove(0))]).await;
        let mut changes = a.changes();
        let anew = |_: &u64| a.peer(peer).is_some_and(|status| status.connected && status.meetings == 2);
        timeout(LONG, changes.wait_for(anew)).await.unwrap().unwrap();
        second.serve(Service::HELLO, |_, _| async { Ok(b"second".to_vec()) });
        for _ in 0..8 {
            assert_eq!(a.request(peer, Service::HELLO, Vec::new(), LONG).await, Ok(b"second".to_vec()));
        }
    }

    #[tokio::test]
    async fn a_peer_that_has_gone_is_away_after_a_while() {
        let (a, b) = pair("/ip4/127.0.0.1/tcp/0").await;
        assert!(b.connected(a.local_key(), LONG).await);
        let peers = [a.local_key(), b.local_key()];
        let here = timeout(Duration::from_millis(50), b.away(&peers, Duration::from_millis(1)));
        assert!(here.await.is_err());
        let gone = a.local_key();
        drop(a);
        assert_eq!(timeout(LONG, b.away(&peers, Duration::from_millis(1))).await, Ok(gone));
    }

    #[tokio::test]
    async fn an_address_of_another_peer_connects_to_nobody() {
        let a = node(1, "/ip4/127.0.0.1/tcp/0", Vec::new()).await;
        let claimed = PeerKey::of(&SigningKey::from_bytes(&[9; 32]));
        let at_a = a.listen_addrs().remove(0);
        let b = node(2, "/ip4/127.0.0.1/tcp/0", vec![(claimed, at_a)]).await;
        let ask = b.request(claimed, Service::HELLO, Vec::new(), LONG);
        assert!(matches!(ask.await, Err(RequestError::Unreachable(_) | RequestError::Timeout(_))));
        assert_ne!(peer_id(claimed), peer_id(a.local_key()));
    }
}

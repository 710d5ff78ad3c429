//! Bringing the two ends of a link together.
//!
//! Of each pair the lower rank dials and names the session in its first frame, the higher rank
//! listens and hands the link to the session that waits for it. Who is no member is turned away in
//! the TLS handshake, before a byte of ours is read from it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use futures::{StreamExt as _, future::try_join_all};
use libp2p::{PeerId, Stream, identity::Keypair};
use libp2p_stream::IncomingStreams;
use polyyne_engine::port::FRAME_BYTES_MAX;
use polyyne_protocol::{id::PeerKey, limits::LINK_HELLO_MAX};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Link,
    carrier::Carrier,
    claim::{Claim, Ends, SessionLabel, Ticket},
    detour::Detour,
    encrypted::{Broken, Encrypted, Patience},
    limits,
    pool::Pool,
    streamed::Streamed,
    table::{Awaited, Table, Taken},
    tls::{LinkTls, Members, TlsError},
};
use crate::config::DataWay;
use crate::federation::peer_key;

/// Why a link could not be opened. Each names the peer, since the others may be well.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("cannot listen for data links on {address}: {cause} (another process on that port?)")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{} cannot be reached for a data link: {cause}", .peer.peer_id())]
    Unreachable { peer: PeerKey, cause: DialError },
    #[error("{} did not open its end of the data link in time", .peer.peer_id())]
    Absent { peer: PeerKey },
    #[error("the data link with {} broke while it was opened: {cause}", .peer.peer_id())]
    Broken { peer: PeerKey, cause: Broken },
    #[error("another session waits for the same data link with {}", .peer.peer_id())]
    Taken { peer: PeerKey },
    #[error("a party has no link with itself (rank {rank})")]
    Self_ { rank: u16 },
}

/// Why the last attempt to dial failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no data address is known")]
    NoAddress,
    #[error("{address}: {cause}")]
    Connect { address: SocketAddr, cause: io::Error },
    #[error("{address}: {cause}")]
    Handshake { address: SocketAddr, cause: Broken },
    #[error("{address}: no answer")]
    Timeout { address: SocketAddr },
    #[error("the other end does not take the link: {0}")]
    Claim(Broken),
    #[error("no stream: {0}")]
    Stream(String),
}

impl DialError {
    /// Whether the data port itself was not reached.
    fn is_blocked(&self) -> bool {
        match self {
            Self::NoAddress | Self::Connect { .. } | Self::Handshake { .. } | Self::Timeout { .. } => true,
            Self::Claim(_) | Self::Stream(_) => false,
        }
    }
}

/// The other end of a link that is to be opened.
#[derive(Debug, Clone)]
pub struct LinkPeer {
    /// Its rank in the session.
    pub rank: u16,
    pub key: PeerKey,
    /// Where it listens for data links; needed only where its rank is the higher one.
    pub addresses: Vec<SocketAddr>,
}

/// This node's data links. It stops listening when the last clone is dropped.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
    _listener: Arc<AbortOnDropHandle<()>>,
    _streams: Option<Arc<AbortOnDropHandle<()>>>,
}

struct Shared {
    key: PeerKey,
    tls: LinkTls,
    members: Members,
    address: SocketAddr,
    table: Mutex<Table<(Carrier, Claim)>>,
    unnamed: Mutex<HashMap<PeerKey, usize>>,
    pool: Pool,
    detour: OnceLock<Detour>,
    /// Inbound links whose session has ended well, on their way to the listener's task.
    free: mpsc::Sender<(PeerKey, Encrypted)>,
}

/// Where a link goes when its session has ended well.
pub(super) struct Home {
    shared: Weak<Shared>,
    dialled: bool,
}

impl Home {
    /// Keeps a connection for another session: the side that has dialled names the next one on it, the other waits for
    /// that. What of this session is still on its way makes no claim and no answer: the connection is closed then.
    /// Streams are not kept: a new one costs no handshake.
    pub(super) fn keep(&self, peer: PeerKey, carrier: Carrier) {
        let Carrier::Direct(connection) = carrier else { return };
        let Some(shared) = self.shared.upgrade() else { return };
        if !shared.members.contains(&peer) {
            return;
        }
        match connection.park() {
            Ok(connection) if self.dialled => shared.pool.put(peer, connection),
            // closed, if more of them come than can be waited for
            Ok(connection) => drop(shared.free.try_send((peer, connection))),
            Err(_) => {}
        }
    }
}

impl Links {
    /// Listens for data links; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is taken or the certificate cannot be made.
    pub async fn listen(address: SocketAddr, identity: &Keypair) -> Result<Self, LinkError> {
        let cannot = |cause| LinkError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let members = Members::default();
        let key = peer_key(&identity.public().to_peer_id())
            .map_err(|e| cannot(io::Error::new(io::ErrorKind::InvalidInput, e)))?;
        let (free, freed) = mpsc::channel(limits::INBOUND_MAX);
        let shared = Arc::new(Shared {
            key,
            tls: LinkTls::new(identity, members.clone())?,
            members,
            address: listener.local_addr().map_err(cannot)?,
            table: Mutex::new(Table::new()),
            unnamed: Mutex::default(),
            pool: Pool::default(),
            detour: OnceLock::new(),
            free,
        });
        let task = tokio::spawn(accept(listener, freed, Arc::clone(&shared)));
        Ok(Self { shared, _listener: Arc::new(AbortOnDropHandle::new(task)), _streams: None })
    }

    /// The same with streams of libp2p as another way to members.
    #[must_use]
    pub fn with_streams(mut self, control: libp2p_stream::Control, way: DataWay) -> Self {
        let detour = self.shared.detour.get_or_init(|| Detour::new(control, way));
        if let Some(streams) = detour.accept() {
            let task = tokio::spawn(accept_streams(streams, Arc::clone(&self.shared)));
            self._streams = Some(Arc::new(AbortOnDropHandle::new(task)));
        }
        self
    }

    /// The address that is really listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Replaces the set of peers that may open links: the members of all clouds of this node.
    pub fn admit(&self, members: impl IntoIterator<Item = PeerKey>) {
        self.shared.members.replace(members.into_iter().collect());
        self.shared.pool.retain(|peer| self.shared.members.contains(peer));
    }

    /// Opens this node's end of the links of one session thread with all `peers`, and returns when
    /// every one of them has opened its own; in the order of `peers`.
    ///
    /// # Errors
    /// The first link that fails or is not there within `patience` ends the attempt; the others are
    /// closed. A new attempt needs a new label.
    pub async fn open(
        &self,
        session: SessionLabel,
        me: u16,
        peers: &[LinkPeer],
        patience: Duration,
    ) -> Result<Vec<Link>, LinkError> {
        let deadline = Instant::now() + patience;
        try_join_all(peers.iter().map(|peer| self.open_one(session, me, peer, deadline))).await
    }

    /// Makes `count` links to a peer ready, so that the next sessions need no handshake. Failing to
    /// is no error: the session will dial by itself.
    pub async fn warm(&self, peer: PeerKey, addresses: &[SocketAddr], count: usize) {
        if self.shared.detour.get().is_some_and(|detour| detour.is_first(peer, Instant::now())) {
            return;
        }
        for _ in 0..self.shared.pool.missing(peer, count) {
            match self.shared.dial(peer, addresses).await.map(Encrypted::park) {
                Ok(Ok(link)) => self.shared.pool.put(peer, link),
                _ => return,
            }
        }
    }

    async fn open_one(
        &self,
        session: SessionLabel,
        me: u16,
        peer: &LinkPeer,
        deadline: Instant,
    ) -> Result<Link, LinkError> {
        let key = peer.key;
        let connection = match me.cmp(&peer.rank) {
            std::cmp::Ordering::Less => self.shared.claim(session, me, peer, deadline).await?,
            std::cmp::Ordering::Greater => self.shared.take_claimed(session, me, peer, deadline).await?,
            std::cmp::Ordering::Equal => return Err(LinkError::Self_ { rank: me }),
        };
        let connection = connection.park().map_err(|cause| LinkError::Broken { peer: key, cause })?;
        Ok(Link {
            peer: key,
            rank: peer.rank,
            connection: Some(connection),
            home: Home { shared: Arc::downgrade(&self.shared), dialled: me < peer.rank },
            sending: Patience::new(limits::PATIENCE),
            receiving: Patience::new(limits::PATIENCE),
        })
    }
}

impl Shared {
    /// Dials until the peer has taken the link or time is up.
    async fn claim(
        &self,
        session: SessionLabel,
        me: u16,
        peer: &LinkPeer,
        deadline: Instant,
    ) -> Result<Carrier, LinkError> {
        let mut last = DialError::NoAddress;
        let mut wait = limits::REDIAL_MIN;
        let dialling = async {
            loop {
                match self.claim_once(session, me, peer).await {
                    Ok(link) => return link,
                    Err(e) => last = e,
                }
                sleep(wait).await;
                wait = (wait * 2).min(limits::REDIAL_MAX);
            }
        };
        let done = timeout_at(deadline, dialling).await;
        done.map_err(|_| match last {
            DialError::NoAddress if !peer.addresses.is_empty() => LinkError::Absent { peer: peer.key },
            cause => LinkError::Unreachable { peer: peer.key, cause },
        })
    }

    /// One attempt: directly where that is possible, else on a stream.
    async fn claim_once(&self, session: SessionLabel, me: u16, peer: &LinkPeer) -> Result<Carrier, DialError> {
        let Some(detour) = self.detour.get() else { return self.claim_directly(session, me, peer).await };
        if !detour.is_first(peer.key, Instant::now()) {
            match self.claim_directly(session, me, peer).await {
                Err(error) if error.is_blocked() && detour.is_open() => {}
                done => return done,
            }
        }
        let claimed = self.claim_on_stream(detour, session, me, peer).await;
        match &claimed {
            Ok(_) => detour.remember(peer.key, Instant::now()),
            Err(_) => detour.forget(peer.key),
        }
        claimed
    }

    /// A link that is ready, else a new one; then the session is named on it.
    async fn claim_directly(&self, session: SessionLabel, me: u16, peer: &LinkPeer) -> Result<Carrier, DialError> {
        if let Some(ready) = self.pool.take(peer.key)
            && let Ok(link) = self.name(ready.into(), session, me, peer).await
        {
            return Ok(link);
        }
        let link = self.dial(peer.key, &peer.addresses).await?;
        self.name(link.into(), session, me, peer).await.map_err(DialError::Claim)
    }

    async fn claim_on_stream(
        &self,
        detour: &Detour,
        session: SessionLabel,
        me: u16,
        peer: &LinkPeer,
    ) -> Result<Carrier, DialError> {
        let opening = async {
            let stream = detour.open(peer.key).await.map_err(|error| DialError::Stream(error.to_string()))?;
            Streamed::open(stream).await.map_err(|error| DialError::Stream(error.to_string()))
        };
        let late = |_| DialError::Stream("no answer".into());
        let link = timeout(limits::HANDSHAKE_MAX, opening).await.map_err(late)??;
        self.name(link.into(), session, me, peer).await.map_err(DialError::Claim)
    }

    async fn name(
        &self,
        mut link: Carrier,
        session: SessionLabel,
        me: u16,
        peer: &LinkPeer,
    ) -> Result<Carrier, Broken> {
        let ends = Ends { dialler: self.key, acceptor: peer.key };
        let exporter = link.binding()?;
        let claim = Claim::new(session, me, peer.rank, ends, &exporter);
        link.set_frame_max(LINK_HELLO_MAX);
        send(&mut link, claim.encode()).await?;
        let answer = receive(&mut link).await?;
        link.set_frame_max(FRAME_BYTES_MAX);
        if claim.is_answered_by(&answer, ends, &exporter) { Ok(link) } else { Err(Broken::NoKey) }
    }

    async fn dial(&self, peer: PeerKey, addresses: &[SocketAddr]) -> Result<Encrypted, DialError> {
        let mut last = DialError::NoAddress;
        for &address in addresses {
            match self.dial_at(peer, address).await {
                Ok(link) => return Ok(link),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    async fn dial_at(&self, peer: PeerKey, address: SocketAddr) -> Result<Encrypted, DialError> {
        let late = |_| DialError::Timeout { address };
        let refused = |cause| DialError::Handshake { address, cause };
        let socket = timeout(limits::CONNECT_MAX, TcpStream::connect(address))
            .await
            .map_err(late)?
            .map_err(|cause| DialError::Connect { address, cause })?;
        let tls = self.tls.dial(peer).map_err(|e| refused(e.into()))?;
        let handshake = Encrypted::handshake(socket, tls.into());
        let (link, proved) = timeout(limits::HANDSHAKE_MAX, handshake).await.map_err(late)?.map_err(refused)?;
        if proved == peer { Ok(link) } else { Err(refused(Broken::NoKey)) }
    }

    /// Waits for the link that the peer dials, and says that it is taken.
    async fn take_claimed(
        &self,
        session: SessionLabel,
        me: u16,
        peer: &LinkPeer,
        deadline: Instant,
    ) -> Result<Carrier, LinkError> {
        let key = peer.key;
        let ticket = Ticket { session, dialler: key, from: peer.rank, to: me };
        let ends = Ends { dialler: key, acceptor: self.key };
        loop {
            // in a statement of its own, so that the table is not locked while waiting
            let awaited = self.table().expect(ticket);
            let (mut link, claim) = match awaited {
                Ok(Awaited::Here(arrived)) => arrived,
                Err(Taken) => return Err(LinkError::Taken { peer: key }),
                Ok(Awaited::Later(arrival)) => match timeout_at(deadline, arrival).await {
                    Ok(Ok(arrived)) => arrived,
                    Ok(Err(_)) | Err(_) => return Err(LinkError::Absent { peer: key }),
                },
            };
            if link.is_stale() {
                continue;
            }
            let answered = async {
                let answer = claim.answer(ends, &link.binding()?);
                send(&mut link, answer).await
            };
            match timeout_at(deadline, answered).await {
                Ok(Ok(())) => return Ok(link),
                Ok(Err(_)) => {}
                Err(_) => return Err(LinkError::Absent { peer: key }),
            }
        }
    }

    /// One inbound connection, from the handshake on.
    async fn receive(self: Arc<Self>, socket: TcpStream, handshaking: OwnedSemaphorePermit) -> Result<(), Broken> {
        let tls = self.tls.accept()?;
        let handshake = Encrypted::handshake(socket, tls.into());
        let (link, dialler) = timeout(limits::HANDSHAKE_MAX, handshake).await.map_err(|_| Broken::Silent)??;
        drop(handshaking);
        self.seat(link.into(), dialler, limits::UNNAMED_MAX).await
    }

    /// One stream that a peer has opened; only members' are looked at. Streams are not kept ready: they name their
    /// session at once.
    async fn receive_stream(
        self: Arc<Self>,
        peer: PeerId,
        stream: Stream,
        handshaking: OwnedSemaphorePermit,
    ) -> Result<(), Broken> {
        let dialler = peer_key(&peer).map_err(|_| Broken::NoKey)?;
        if !self.members.contains(&dialler) {
            return Err(Broken::NoKey);
        }
        let link = timeout(limits::HANDSHAKE_MAX, Streamed::accept(stream)).await.map_err(|_| Broken::Silent)??;
        drop(handshaking);
        self.seat(link.into(), dialler, limits::HANDSHAKE_MAX).await
    }

    /// Waits for an inbound link's claim and puts the link into the table.
    async fn seat(self: Arc<Self>, mut link: Carrier, dialler: PeerKey, patience: Duration) -> Result<(), Broken> {
        let _counted = Unnamed::count(&self, dialler).ok_or(Broken::Closed)?;
        link.set_frame_max(LINK_HELLO_MAX);
        let first = timeout(patience, receive(&mut link)).await.map_err(|_| Broken::Silent)??;
        link.set_frame_max(FRAME_BYTES_MAX);
        let ends = Ends { dialler, acceptor: self.key };
        match Claim::read(&first, ends, &link.binding()?) {
            Ok(claim) => {
                let ticket = claim.ticket(dialler);
                let arrived = self.table().arrive(ticket, (link.park()?, claim), Instant::now());
                arrived.map_err(|_| Broken::Closed)
            }
            Err(error) => {
                tracing::warn!(peer = dialler.peer_id(), "a data link was refused: {error}");
                Err(Broken::Closed)
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table<(Carrier, Claim)>> {
        lock(&self.table)
    }
}

/// Counts an inbound link of a peer for as long as it has not named its session.
struct Unnamed {
    shared: Arc<Shared>,
    peer: PeerKey,
}

impl Unnamed {
    fn count(shared: &Arc<Shared>, peer: PeerKey) -> Option<Self> {
        let mut unnamed = lock(&shared.unnamed);
        let total: usize = unnamed.values().sum();
        let of_peer = unnamed.entry(peer).or_default();
        if total >= limits::INBOUND_MAX || *of_peer >= limits::UNCLAIMED_PER_PEER_MAX {
            return None;
        }
        *of_peer += 1;
        Some(Self { shared: Arc::clone(shared), peer })
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let mut unnamed = lock(&self.shared.unnamed);
        if let Some(count) = unnamed.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                unnamed.remove(&self.peer);
            }
        }
    }
}

/// Takes connections in until the task is dropped.
async fn accept(listener: TcpListener, mut freed: mpsc::Receiver<(PeerKey, Encrypted)>, shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
    let mut inbound = JoinSet::new();
    let mut sweep = interval(Duration::from_secs(5));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // out of file descriptors, most likely: the sweep's pace is the time to recover
                let Ok((socket, _)) = accepted else { sweep.tick().await; continue };
                let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else { continue };
                inbound.spawn(Arc::clone(&shared).receive(socket, permit));
            }
            Some((dialler, link)) = freed.recv() => {
                inbound.spawn(Arc::clone(&shared).seat(link.into(), dialler, limits::UNNAMED_MAX));
            }
            Some(_) = inbound.join_next(), if !inbound.is_empty() => {}
            _ = sweep.tick() => shared.table().expire(Instant::now()),
        }
    }
}

/// Takes streams in until the task is dropped.
async fn accept_streams(mut streams: IncomingStreams, shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
    let mut inbound = JoinSet::new();
    loop {
        tokio::select! {
            opened = streams.next() => {
                let Some((peer, stream)) = opened else { return };
                let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else { continue };
                inbound.spawn(Arc::clone(&shared).receive_stream(peer, stream, permit));
            }
            Some(_) = inbound.join_next(), if !inbound.is_empty() => {}
        }
    }
}

async fn send(link: &mut Carrier, mut frame: Vec<u8>) -> Result<(), Broken> {
    std::future::poll_fn(|cx| link.poll_send(cx, &mut frame)).await
}

async fn receive(link: &mut Carrier) -> Result<Vec<u8>, Broken> {
    std::future::poll_fn(|cx| link.poll_recv(cx)).await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use polyyne_engine::port::{Channel, ChannelError};

    use super::*;
    use crate::federation::identity;

    const LONG: Duration = Duration::from_secs(20);
    const SESSION: SessionLabel = SessionLabel { label: [7; 32], thread: 0 };

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    async fn node(seed: u8) -> Links {
        Links::listen("127.0.0.1:0".parse().unwrap(), &identity(&signing(seed))).await.unwrap()
    }

    /// Nodes that all admit each other.
    async fn cloud(n: u8) -> Vec<Links> {
        let nodes = futures::future::join_all((0..n).map(node)).await;
        let keys: Vec<_> = nodes.iter().map(|node| node.shared.key).collect();
        nodes.iter().for_each(|node| node.admit(keys.clone()));
        nodes
    }

    fn others(nodes: &[Links], me: usize) -> Vec<LinkPeer> {
        let peer = |rank: usize| LinkPeer {
            rank: rank as u16,
            key: nodes[rank].shared.key,
            addresses: vec![nodes[rank].local_addr()],
        };
        (0..nodes.len()).filter(|rank| *rank != me).map(peer).collect()
    }

    async fn open_all(nodes: &[Links], session: SessionLabel) -> Vec<Vec<Link>> {
        let opened = nodes.iter().enumerate().map(|(me, node)| {
            let (node, peers) = (node.clone(), others(nodes, me));
            let end = tokio::spawn(async move { node.open(session, me as u16, &peers, LONG).await });
            async { end.await.unwrap().unwrap() }
        });
        futures::future::join_all(opened).await
    }

    async fn say(link: &mut Link, frame: &[u8]) -> Result<(), ChannelError> {
        let mut frame = frame.to_vec();
        std::future::poll_fn(|cx| link.poll_send(cx, &mut frame)).await
    }

    async fn hear(link: &mut Link) -> Result<Vec<u8>, ChannelError> {
        std::future::poll_fn(|cx| link.poll_recv(cx)).await
    }

    async fn raw(peer: SocketAddr) -> std::net::TcpStream {
        TcpStream::connect(peer).await.unwrap().into_std().unwrap()
    }

    #[tokio::test]
    async fn frames_of_all_sizes_travel_both_ways_between_three() {
        let nodes = cloud(3).await;
        let mut links = open_all(&nodes, SESSION).await;
        for size in [0, 1, 100, 20_000, 3 << 20] {
            let frame = vec![size as u8; size];
            let mut ends = links.iter_mut().map(|of| of.iter_mut());
            let (mut first, mut second, _) = (ends.next().unwrap(), ends.next().unwrap(), ends.next());
            let (a, b) = (first.next().unwrap(), second.next().unwrap());
            let both_ways = async { tokio::join!(say(a, &frame), hear(b)) };
            assert_eq!(both_ways.await, (Ok(()), Ok(frame.clone())), "{size} bytes");
            let both_ways = async { tokio::join!(say(b, &frame), hear(a)) };
            assert_eq!(both_ways.await, (Ok(()), Ok(frame)), "{size} bytes back");
        }
        assert_eq!(links[2][0].rank(), 0);
        assert_eq!(links[2][1].peer(), nodes[1].shared.key);
    }

    #[tokio::test]
    async fn a_link_moves_to_the_threads_that_compute() {
        let nodes = cloud(2).await;
        let mut links = open_all(&nodes, SESSION).await;
        let (mut b, mut a) = (links.pop().unwrap().remove(0), links.pop().unwrap().remove(0));
        let on_a_thread = |work: futures::future::BoxFuture<'static, Vec<u8>>| {
            std::thread::spawn(|| {
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
            })
        };
        let echo = on_a_thread(Box::pin(async move {
            let heard = hear(&mut b).await.unwrap();
            say(&mut b, &heard).await.unwrap();
            heard
        }));
        let asked = on_a_thread(Box::pin(async move {
            say(&mut a, b"round").await.unwrap();
            hear(&mut a).await.unwrap()
        }));
        assert_eq!(asked.join().unwrap(), b"round");
        assert_eq!(echo.join().unwrap(), b"round");
    }

    #[tokio::test]
    async fn an_impostor_with_a_valid_key_of_its_own_is_dropped() {
        let nodes = cloud(2).await;
        let impostor = node(9).await;
        let victim = others(&nodes, 0);
        let short = Duration::from_millis(300);
        let refused = impostor.open(SESSION, 0, &victim, short).await;
        assert!(matches!(refused, Err(LinkError::Unreachable { .. })), "a stranger is not let in");
        assert!(lock(&nodes[1].shared.unnamed).is_empty());

        let misdirected = LinkPeer { addresses: vec![impostor.local_addr()], ..victim[0].clone() };
        let refused = nodes[0].open(SESSION, 0, &[misdirected], short).await;
        assert!(matches!(refused, Err(LinkError::Unreachable { .. })), "a stranger is not dialled as a member");
    }

    #[tokio::test]
    async fn members_with_different_labels_do_not_meet() {
        let nodes = cloud(2).await;
        let short = Duration::from_millis(300);
        let other = SessionLabel { thread: 1, ..SESSION };
        let (low, high) = (others(&nodes, 0), others(&nodes, 1));
        let (a, b) = tokio::join!(nodes[0].open(SESSION, 0, &low, short), nodes[1].open(other, 1, &high, short));
        assert!(matches!(a, Err(LinkError::Absent { .. })));
        assert!(matches!(b, Err(LinkError::Absent { .. })));
    }

    #[tokio::test]
    async fn the_later_side_may_come_much_later_and_both_may_be_the_later_one() {
        let nodes = cloud(2).await;
        let (low, high) = (others(&nodes, 0), others(&nodes, 1));
        for first in [0, 1] {
            let session = SessionLabel { thread: 10 + first, ..SESSION };
            let a = nodes[0].open(session, 0, &low, LONG);
            let b = nodes[1].open(session, 1, &high, LONG);
            tokio::pin!(a, b);
            // the one that is polled alone cannot finish, whichever it is
            let alone = if first == 0 {
                timeout(Duration::from_millis(50), &mut a).await
            } else {
                timeout(Duration::from_millis(50), &mut b).await
            };
            assert!(alone.is_err());
            let (a, b) = tokio::join!(a, b);
            assert!(a.is_ok() && b.is_ok());
        }
    }

    #[tokio::test]
    async fn a_dead_peer_is_an_error_and_a_silent_one_too() {
        let nodes = cloud(2).await;
        let mut links = open_all(&nodes, SESSION).await;
        let (b, mut a) = (links.pop().unwrap().remove(0), links.pop().unwrap().remove(0));
        a.set_patience(Duration::from_millis(50));
        assert_eq!(hear(&mut a).await, Err(ChannelError::Deadline));
        a.set_patience(LONG);
        drop(b);
        assert_eq!(hear(&mut a).await, Err(ChannelError::Closed));
    }

    #[tokio::test]
    async fn an_oversized_frame_is_refused_on_both_sides() {
        let nodes = cloud(2).await;
        let mut links = open_all(&nodes, SESSION).await;
        let (mut b, mut a) = (links.pop().unwrap().remove(0), links.pop().unwrap().remove(0));
        assert_eq!(say(&mut a, &vec![0; FRAME_BYTES_MAX + 1]).await, Err(ChannelError::TooLong));
        b.connection.as_mut().unwrap().set_frame_max(10);
        say(&mut a, &[0; 11]).await.unwrap();
        assert_eq!(hear(&mut b).await, Err(ChannelError::TooLong));
    }

    #[tokio::test]
    async fn what_is_no_handshake_is_dropped_and_members_still_get_in() {
        use std::io::{Read, Write};
        let nodes = cloud(2).await;
        for garbage in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0x16, 3, 1, 0xff, 0xff], &[0; 64]] {
            let mut socket = raw(nodes[1].local_addr()).await;
            socket.set_nonblocking(false).unwrap();
            socket.write_all(garbage).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let closed = tokio::task::spawn_blocking(move || socket.read_to_end(&mut Vec::new()));
            // an alert, a reset or a plain end: closed in any case
            let _ = closed.await.unwrap();
        }
        open_all(&nodes, SESSION).await;
    }

    #[tokio::test]
    async fn a_finished_session_leaves_its_link_to_the_next_and_a_broken_one_does_not() {
        let nodes = cloud(2).await;
        let to = nodes[1].shared.key;
        let mut links = open_all(&nodes, SESSION).await;
        links.iter_mut().flatten().for_each(Channel::finish);
        assert_eq!(hear(&mut links[0][0]).await, Err(ChannelError::Closed), "it is no part of this session any more");
        assert_eq!(nodes[0].shared.pool.missing(to, 1), 0);

        // on the same connection, with nothing dialled
        let low = vec![LinkPeer { addresses: Vec::new(), ..others(&nodes, 0)[0].clone() }];
        let (session, high) = (SessionLabel { thread: 1, ..SESSION }, others(&nodes, 1));
        let (a, b) = tokio::join!(nodes[0].open(session, 0, &low, LONG), nodes[1].open(session, 1, &high, LONG));
        let (mut a, mut b) = (a.unwrap().remove(0), b.unwrap().remove(0));
        let both_ways = async { tokio::join!(say(&mut a, b"round"), hear(&mut b)) };
        assert_eq!(both_ways.await, (Ok(()), Ok(b"round".to_vec())));

        drop(a);
        assert_eq!(nodes[0].shared.pool.missing(to, 1), 1);
        assert_eq!(hear(&mut b).await, Err(ChannelError::Closed));
    }

    #[tokio::test]
    async fn what_is_left_of_a_session_cannot_enter_the_next_one() {
        let nodes = cloud(2).await;
        let mut links = open_all(&nodes, SESSION).await;
        // the acceptor says something that nobody awaits
        say(&mut links[1][0], b"too late").await.unwrap();
        links.iter_mut().flatten().for_each(Channel::finish);
        let mut again = open_all(&nodes, SessionLabel { thread: 1, ..SESSION }).await;
        say(&mut again[1][0], b"first").await.unwrap();
        assert_eq!(hear(&mut again[0][0]).await, Ok(b"first".to_vec()));
    }

    #[tokio::test]
    async fn links_made_ready_are_used_and_stale_ones_are_not() {
        let mut nodes = cloud(2).await;
        let peers = others(&nodes, 0);
        nodes[0].warm(peers[0].key, &peers[0].addresses, 3).await;
        assert_eq!(nodes[0].shared.pool.missing(peers[0].key, 3), 0);
        open_all(&nodes, SESSION).await;
        assert_eq!(nodes[0].shared.pool.missing(peers[0].key, 3), 1);

        nodes[1] = node(1).await;
        nodes[1].admit([nodes[0].shared.key]);
        open_all(&nodes, SessionLabel { thread: 1, ..SESSION }).await;
    }
}

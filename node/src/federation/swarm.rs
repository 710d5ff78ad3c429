//! The task that owns the libp2p swarm.
//!
//! Transports: TCP with noise and yamux, QUIC. Protocols: identify, ping, Kademlia (routing only: no
//! records are stored for others), mDNS if wanted, control requests, raw streams. One task polls the
//! swarm, takes commands from [`Network`](super::Network), and dials lost peers again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport as _,
    connection_limits::{self, ConnectionLimits},
    core::{
        ConnectedPoint,
        muxing::StreamMuxerBox,
        transport::{Boxed, ListenerId},
        upgrade::Version,
    },
    dns, identify, identity, kad, mdns, memory_connection_limits, noise, ping, quic,
    request_response::{self, InboundFailure, OutboundFailure, OutboundRequestId, ProtocolSupport, ResponseChannel},
    swarm::{
        self, ConnectionId, NetworkBehaviour, SwarmEvent,
        behaviour::toggle::Toggle,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use polyyne_protocol::{id::PeerKey, limits::PEER_ADDRESSES_MAX, version::WIRE_MAJOR};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    NetworkConfig, PeerStatus, Refusal, RequestError, StartError,
    addresses::{Guard, endpoint},
    control::{self, Answer, ControlCodec, Request},
    gatekeeper::Gatekeeper,
    limits,
    network::{Command, Reply, Shared, handled},
    peer_id, peer_key,
};

const KAD: StreamProtocol = StreamProtocol::new("/polyyne/kad/1");
const IDENTIFY: &str = "/polyyne/1";
/// How often lost peers are looked at.
const TICK: Duration = Duration::from_millis(100);

#[derive(NetworkBehaviour)]
struct Behaviour {
    gatekeeper: Gatekeeper,
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    control: request_response::Behaviour<ControlCodec>,
    streams: libp2p_stream::Behaviour,
}

/// Sets the swarm up, waits until it listens everywhere, and leaves it running in a task.
pub(super) async fn start(
    config: NetworkConfig,
    keypair: &identity::Keypair,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
) -> Result<libp2p_stream::Control, StartError> {
    let setup = |e: io::Error| StartError::Setup(e.to_string());
    let behaviour = behaviour(&config, keypair).map_err(setup)?;
    let streams = behaviour.streams.new_control();
    let swarm_config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(limits::IDLE_CONNECTION);
    let mut swarm =
        Swarm::new(transport(keypair, &shared).map_err(setup)?, behaviour, keypair.public().to_peer_id(), swarm_config);
    swarm.behaviour_mut().kad.set_mode(Some(kad::Mode::Server));
    for address in &config.external {
        swarm.add_external_address(address.clone());
    }
    let listeners = listen(&mut swarm, &config.listen)?;
    let mut driver = Driver::new(swarm, shared, commands, &config);
    driver.listening(listeners).await?;
    tokio::spawn(driver.run());
    Ok(streams)
}

fn transport(keypair: &identity::Keypair, shared: &Shared) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).map_err(io::Error::other)?)
        .multiplex(yamux::Config::default())
        .timeout(limits::HANDSHAKE_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let mut quic = quic::Config::new(keypair);
    quic.max_idle_timeout = limits::QUIC_SILENCE_MAX.as_millis() as u32;
    quic.keep_alive_interval = limits::QUIC_KEEP_ALIVE;
    let quic = quic::tokio::Transport::new(quic).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let direct = quic.or_transport(tcp).map(|either, _| either.into_inner()).boxed();
    let guard = || Guard::new(direct, shared.policy.clone());
    match hickory_config_readable() {
        true => Ok(dns::tokio::Transport::system(guard())?.boxed()),
        false => {
            tracing::warn!("no resolver configuration: peers are reached by IP address only");
            Ok(guard().boxed())
        }
    }
}

/// Name resolution is set up from the system's configuration, which a container may not have.
fn hickory_config_readable() -> bool {
    std::path::Path::new("/etc/resolv.conf").exists() || cfg!(windows)
}

fn behaviour(config: &NetworkConfig, keypair: &identity::Keypair) -> io::Result<Behaviour> {
    let local = keypair.public().to_peer_id();
    let mdns = config.mdns.then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), local)).transpose()?;
    Ok(Behaviour {
        gatekeeper: Gatekeeper::default(),
        limits: connection_limits::Behaviour::new(connection_limits()),
        memory: memory_connection_limits::Behaviour::with_max_bytes(limits::MEMORY_BYTES_MAX),
        identify: identify::Behaviour::new(
            identify::Config::new(IDENTIFY.into(), keypair.public())
                .with_agent_version(agent_version())
                .with_hide_listen_addrs(!config.private_addresses)
                .with_cache_size(0),
        ),
        ping: ping::Behaviour::new(ping::Config::new()),
        kad: kademlia(local),
        mdns: mdns.into(),
        control: request_response::Behaviour::with_codec(
            ControlCodec::default(),
            [(control::PROTOCOL, ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(limits::REQUEST_TIMEOUT_MAX)
                .with_max_concurrent_streams(limits::CONTROL_STREAMS_MAX),
        ),
        streams: libp2p_stream::Behaviour::new(),
    })
}

/// What this node says about itself to everybody: program, version, wire major.
fn agent_version() -> String {
    format!("polyyne/{} wire/{WIRE_MAJOR}", env!("CARGO_PKG_VERSION"))
}

fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits::PENDING_CONNECTIONS_MAX))
        .with_max_pending_outgoing(Some(limits::PENDING_CONNECTIONS_MAX))
        .with_max_established_incoming(Some(limits::INBOUND_CONNECTIONS_MAX))
        .with_max_established(Some(limits::CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(limits::CONNECTIONS_PER_PEER_MAX))
}

/// Routing only: records offered by others are shown to us and dropped, and what gets into the table
/// is decided by [`Driver::identified`].
fn kademlia(local: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let store = kad::store::MemoryStoreConfig { max_records: 0, max_provided_keys: 0, ..Default::default() };
    let mut config = kad::Config::new(KAD);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_max_packet_size(limits::KAD_PACKET_BYTES_MAX)
        .disjoint_query_paths(true)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None);
    let store = kad::store::MemoryStore::with_config(local, store);
    kad::Behaviour::with_config(local, store, config)
}

fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<HashMap<ListenerId, Multiaddr>, StartError> {
    addresses
        .iter()
        .map(|address| match swarm.listen_on(address.clone()) {
            Ok(id) => Ok((id, address.clone())),
            Err(e) => Err(StartError::Listen { address: address.clone(), cause: e.to_string() }),
        })
        .collect()
}

/// A peer that should be connected.
struct Wanted {
    addresses: Vec<Multiaddr>,
    next: Instant,
    wait: Duration,
}

impl Wanted {
    fn new(addresses: Vec<Multiaddr>) -> Self {
        Self { addresses, next: Instant::now(), wait: limits::RECONNECT_MIN }
    }

    fn failed(&mut self) {
        self.next = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(limits::RECONNECT_MAX);
    }

    fn succeeded(&mut self) {
        self.wait = limits::RECONNECT_MIN;
        self.next = Instant::now() + self.wait;
    }
}

/// A handled request: who asked, where the answer goes, the answer.
type Finished = (PeerKey, ResponseChannel<Answer>, Answer);

struct Driver {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// Our requests that wait for an answer.
    asked: HashMap<OutboundRequestId, (PeerKey, Reply)>,
    /// Requests of others that are in hand, and how many of whom.
    in_hand: FuturesUnordered<BoxFuture<'static, Finished>>,
    in_hand_of: HashMap<PeerKey, usize>,
    configured: BTreeMap<PeerKey, Vec<Multiaddr>>,
    members: BTreeSet<PeerKey>,
    wanted: BTreeMap<PeerKey, Wanted>,
    /// When each connection of a peer was made.
    connections: HashMap<PeerId, Vec<(ConnectionId, Instant)>>,
    mdns_dials: usize,
}

impl Driver {
    fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        config: &NetworkConfig,
    ) -> Self {
        let mut configured: BTreeMap<PeerKey, Vec<Multiaddr>> = BTreeMap::new();
        for (key, address) in &config.peers {
            shared.policy.permit(address);
            if *key != shared.local {
                configured.entry(*key).or_default().push(address.clone());
            }
        }
        let mut driver = Self {
            swarm,
            shared,
            commands,
            asked: HashMap::new(),
            in_hand: FuturesUnordered::new(),
            in_hand_of: HashMap::new(),
            configured,
            members: BTreeSet::new(),
            wanted: BTreeMap::new(),
            connections: HashMap::new(),
            mdns_dials: 0,
        };
        driver.keep_connected(Vec::new());
        driver
    }

    /// Polls until every listener has an address.
    async fn listening(&mut self, mut waiting: HashMap<ListenerId, Multiaddr>) -> Result<(), StartError> {
        while !waiting.is_empty() {
            let event = self.swarm.select_next_some().await;
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    waiting.remove(listener_id);
                }
                SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                    if let Some(address) = waiting.remove(listener_id) {
                        let cause = format!("{reason:?}");
                        return Err(StartError::Listen { address, cause });
                    }
                }
                _ => {}
            }
            self.on_event(event);
        }
        Ok(())
    }

    async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                Some(finished) = self.in_hand.next(), if !self.in_hand.is_empty() => {
                    self.answer(finished);
                }
                _ = tick.tick() => self.reconnect(),
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { peer, service, payload, reply } => self.ask(peer, service.0, payload, reply),
            Command::Dial(address) => {
                if let Err(e) = self.swarm.dial(address.clone()) {
                    tracing::debug!(%address, "not dialled: {e}");
                }
            }
            Command::KeepConnected(members) => self.keep_connected(members),
            Command::Find(peer) => {
                self.swarm.behaviour_mut().kad.get_closest_peers(peer_id(peer));
            }
        }
    }

    fn ask(&mut self, peer: PeerKey, service: &str, payload: Vec<u8>, reply: Reply) {
        if self.asked.len() >= limits::PENDING_REQUESTS_MAX {
            // whoever asked may be gone already; there is nobody else to tell
            let _ = reply.send(Err(RequestError::Busy));
            return;
        }
        let request = Request { service: service.to_owned(), payload, counted: None };
        let id = self.swarm.behaviour_mut().control.send_request(&peer_id(peer), request);
        self.asked.insert(id, (peer, reply));
    }

    fn keep_connected(&mut self, members: Vec<(PeerKey, Vec<Multiaddr>)>) {
        let mut addresses = self.configured.clone();
        let keys: BTreeSet<_> = members.iter().map(|(key, _)| *key).filter(|key| *key != self.shared.local).collect();
        for (key, more) in members {
            if key != self.shared.local {
                addresses.entry(key).or_default().extend(more);
            }
        }
        let connection_limits = &mut self.swarm.behaviour_mut().limits;
        for gone in self.members.difference(&keys) {
            connection_limits.remove_peer_id(&peer_id(*gone));
        }
        for key in &keys {
            connection_limits.bypass_peer_id(&peer_id(*key));
        }
        self.members = keys;
        self.wanted.retain(|key, _| addresses.contains_key(key));
        for (key, addresses) in addresses {
            self.remember(key, &addresses);
            self.wanted
                .entry(key)
                .and_modify(|wanted| wanted.addresses.clone_from(&addresses))
                .or_insert_with(|| Wanted::new(addresses));
        }
        self.reconnect();
    }

    /// Dials every wanted peer that is not connected and whose turn it is.
    fn reconnect(&mut self) {
        let now = Instant::now();
        for (key, wanted) in &mut self.wanted {
            let peer = peer_id(*key);
            if wanted.next > now || self.swarm.is_connected(&peer) {
                continue;
            }
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(wanted.addresses.clone())
                .extend_addresses_through_behaviour()
                .build();
            wanted.failed();
            if let Err(e) = self.swarm.dial(options) {
                tracing::trace!(%peer, "not dialled: {e}");
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.shared.listening().push(address);
                self.shared.changed();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.shared.listening().retain(|known| *known != address);
                self.shared.changed();
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let anew = self.replace(peer_id, connection_id);
                self.connected(peer_id, &endpoint, anew);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.retain(|(id, _)| *id != connection_id);
                }
                if num_established == 0 {
                    self.connections.remove(&peer_id);
                    self.disconnected(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                tracing::debug!(%peer, "dialling failed: {error}")
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Control(event) => self.on_control(event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.identified(peer_id, info);
            }
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_mdns(found),
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::GetClosestPeers(Ok(found)),
                ..
            }) => {
                for info in found.peers {
                    if let Ok(key) = peer_key(&info.peer_id) {
                        self.remember(key, &info.addrs);
                    }
                }
            }
            _ => {}
        }
    }

    /// A peer that has a connection makes no other one. If it does, it was restarted or has lost the first, of which
    /// nobody tells this side for a while (a process that was killed says nothing over QUIC): requests that went there
    /// would wait. So the new connection takes the place of those before it, but for one that both sides made at once.
    /// True if it does.
    fn replace(&mut self, peer: PeerId, new: ConnectionId) -> bool {
        let now = Instant::now();
        let connections = self.connections.entry(peer).or_default();
        let is_stale = |since: Instant| now.duration_since(since) > limits::BOTH_DIALLED;
        let stale: Vec<ConnectionId> =
            connections.iter().filter(|(_, since)| is_stale(*since)).map(|(id, _)| *id).collect();
        connections.push((new, now));
        for &connection in &stale {
            self.swarm.close_connection(connection);
        }
        !stale.is_empty()
    }

    fn connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint, anew: bool) {
        let Ok(key) = peer_key(&peer) else {
            return;
        };
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.succeeded();
        }
        let remote = remote_ip(endpoint);
        self.update(key, |status| {
            status.meetings += u64::from(anew || !status.connected);
            status.connected = true;
            if let Some(ip) = remote {
                status.seen_at.retain(|known| *known != ip);
                status.seen_at.insert(0, ip);
                status.seen_at.truncate(PEER_ADDRESSES_MAX);
            }
        });
    }

    fn disconnected(&mut self, peer: PeerId) {
        let Ok(key) = peer_key(&peer) else {
            return;
        };
        self.update(key, |status| {
            status.connected = false;
            status.rtt = None;
        });
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.succeeded();
        }
        self.forget_strangers();
    }

    /// What a peer says about itself: shown, and its addresses used for routing where they are such
    /// as may be dialled.
    fn identified(&mut self, peer: PeerId, info: identify::Info) {
        let Ok(key) = peer_key(&peer) else {
            return;
        };
        let routes = info.protocols.contains(&KAD);
        let policy = self.shared.policy.clone();
        let addresses: Vec<_> = info
            .listen_addrs
            .into_iter()
            .take(PEER_ADDRESSES_MAX)
            .filter(|address| policy.worth_keeping(address))
            .collect();
        if routes {
            for address in &addresses {
                self.swarm.behaviour_mut().kad.add_address(&peer, address.clone());
            }
        }
        let agent = info.agent_version.chars().filter(|c| !c.is_control());
        let agent: String = agent.take(limits::AGENT_VERSION_MAX).collect();
        self.remember(key, &addresses);
        self.update(key, |status| status.agent = agent);
    }

    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => {
                if let Ok(key) = peer_key(&event.peer) {
                    self.update(key, |status| status.rtt = Some(rtt));
                }
            }
            Err(ping::Failure::Unsupported) => {}
            // half-open: the other side is gone and nobody has told us
            Err(_) => {
                self.swarm.close_connection(event.connection);
            }
        }
    }

    fn on_mdns(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in found {
            let Ok(key) = peer_key(&peer) else {
                continue;
            };
            if key == self.shared.local || !self.shared.policy.worth_keeping(&address) {
                continue;
            }
            self.remember(key, std::slice::from_ref(&address));
            if self.mdns_dials < limits::MDNS_DIALS_MAX && !self.swarm.is_connected(&peer) {
                self.mdns_dials += 1;
                let options = DialOpts::peer_id(peer).addresses(vec![address]).build();
                if let Err(e) = self.swarm.dial(options) {
                    tracing::trace!(%peer, "not dialled: {e}");
                }
            }
        }
    }

    fn on_control(&mut self, event: request_response::Event<Request, Answer>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request { request, channel, .. } => self.take_in_hand(peer, request, channel),
                Message::Response { request_id, response } => self.reply(request_id, |_| Ok(response)),
            },
            Event::OutboundFailure { request_id, error, .. } => {
                self.reply(request_id, |peer| Err(request_error(peer, &error)))
            }
            Event::InboundFailure { peer, error, .. } => log_inbound_failure(peer, &error),
            Event::ResponseSent { .. } => {}
        }
    }

    fn reply(&mut self, id: OutboundRequestId, outcome: impl FnOnce(PeerKey) -> Result<Answer, RequestError>) {
        if let Some((peer, reply)) = self.asked.remove(&id) {
            // the asker may have given up
            let _ = reply.send(outcome(peer));
        }
    }

    fn take_in_hand(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Answer>) {
        let Ok(from) = peer_key(&peer) else {
            return;
        };
        let work = self.admit(from).and_then(|()| self.shared.handler(&request.service).ok_or(Refusal::NoSuchService));
        match work {
            Err(refusal) => self.respond(channel, Answer::Refused(refusal)),
            Ok(handler) => {
                *self.in_hand_of.entry(from).or_default() += 1;
                let Request { payload, counted, .. } = request;
                self.in_hand.push(
                    async move {
                        let answer = handled(handler(from, payload)).await;
                        drop(counted);
                        (from, channel, answer)
                    }
                    .boxed(),
                );
            }
        }
    }

    /// Members have room of their own, strangers share a little.
    fn admit(&self, from: PeerKey) -> Result<(), Refusal> {
        let of_peer = self.in_hand_of.get(&from).copied().unwrap_or(0);
        if self.members.contains(&from) {
            return permit(of_peer < limits::MEMBER_REQUESTS_MAX);
        }
        let of_strangers: usize =
            self.in_hand_of.iter().filter(|(key, _)| !self.members.contains(key)).map(|(_, count)| count).sum();
        permit(of_peer < limits::STRANGER_REQUESTS_MAX && of_strangers < limits::STRANGERS_REQUESTS_MAX)
    }

    fn answer(&mut self, (from, channel, answer): Finished) {
        if let Some(count) = self.in_hand_of.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.in_hand_of.remove(&from);
            }
        }
        self.respond(channel, answer);
    }

    fn respond(&mut self, channel: ResponseChannel<Answer>, answer: Answer) {
        // fails if the peer is gone, which its own side notices
        let _ = self.swarm.behaviour_mut().control.send_response(channel, answer);
    }

    fn remember(&mut self, key: PeerKey, addresses: &[Multiaddr]) {
        if key == self.shared.local {
            return;
        }
        self.update(key, |status| {
            for address in addresses {
                if status.addresses.len() < PEER_ADDRESSES_MAX && !status.addresses.contains(address) {
                    status.addresses.push(address.clone());
                }
            }
        });
    }

    /// Changes what is known of a peer; a new one is taken in only while there is room.
    fn update(&mut self, key: PeerKey, change: impl FnOnce(&mut PeerStatus)) {
        let mut peers = self.shared.peers();
        let room = peers.len() < limits::PEERS_KNOWN_MAX || self.wanted.contains_key(&key);
        if room || peers.contains_key(&key) {
            change(peers.entry(key).or_insert_with(|| PeerStatus::new(key)));
        }
        drop(peers);
        self.shared.changed();
    }

    /// Makes room when the table of peers is full: whoever is neither wanted nor connected goes.
    fn forget_strangers(&mut self) {
        let mut peers = self.shared.peers();
        if peers.len() >= limits::PEERS_KNOWN_MAX {
            peers.retain(|key, status| status.connected || self.wanted.contains_key(key));
        }
    }
}

fn permit(admitted: bool) -> Result<(), Refusal> {
    admitted.then_some(()).ok_or(Refusal::Busy)
}

fn remote_ip(connection: &ConnectedPoint) -> Option<IpAddr> {
    let address = match connection {
        ConnectedPoint::Dialer { address, .. } => address,
        ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
    };
    endpoint(address).map(|(ip, _)| ip)
}

fn request_error(peer: PeerKey, failure: &OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::DialFailure => RequestError::Unreachable(peer),
        OutboundFailure::Timeout => RequestError::Timeout(peer),
        OutboundFailure::ConnectionClosed | OutboundFailure::Io(_) => RequestError::Lost(peer),
        OutboundFailure::UnsupportedProtocols => RequestError::OtherVersion(peer),
    }
}

fn log_inbound_failure(peer: PeerId, failure: &InboundFailure) {
    tracing::debug!(%peer, "a request was not answered: {failure}");
}

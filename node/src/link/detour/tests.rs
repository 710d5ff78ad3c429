//! Links over streams of real swarms on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use polyyne_engine::port::{Channel as _, ChannelError};

use super::super::{Link, LinkError, LinkPeer, Links, SessionLabel};
use super::*;
use crate::federation::{Network, NetworkConfig, identity};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);
const SESSION: SessionLabel = SessionLabel { label: [7; 32], thread: 0 };

struct Node {
    network: Network,
    links: Links,
}

impl Node {
    async fn new(seed: u8, way: DataWay, peers: &[&Node]) -> Self {
        let keypair = identity(&SigningKey::from_bytes(&[seed; 32]));
        let peers = peers.iter().map(|node| (node.key(), node.network.listen_addrs().remove(0)));
        let config = NetworkConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            peers: peers.collect(),
            private_addresses: true,
            ..NetworkConfig::default()
        };
        let network = Network::start(config, &keypair).await.unwrap();
        let links = Links::listen("127.0.0.1:0".parse().unwrap(), &keypair).await.unwrap();
        let links = links.with_streams(network.streams(), way);
        Self { network, links }
    }

    fn key(&self) -> PeerKey {
        self.network.local_key()
    }

    fn as_peer(&self, rank: u16, addresses: Vec<SocketAddr>) -> LinkPeer {
        LinkPeer { rank, key: self.key(), addresses }
    }
}

/// Two that are connected and admit each other; the first one dials.
async fn pair(way: DataWay) -> (Node, Node) {
    let a = Node::new(1, way, &[]).await;
    let b = Node::new(2, way, &[&a]).await;
    a.links.admit([b.key()]);
    b.links.admit([a.key()]);
    assert!(a.network.connected(b.key(), LONG).await);
    (a, b)
}

/// A port that nobody listens on.
fn blocked() -> Vec<SocketAddr> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    vec![free.local_addr().unwrap()]
}

async fn open(a: &Node, b: &Node, address: Vec<SocketAddr>, patience: Duration) -> Result<(Link, Link), LinkError> {
    let (to_b, to_a) = ([b.as_peer(1, address)], [a.as_peer(0, Vec::new())]);
    let (at_a, at_b) =
        tokio::join!(a.links.open(SESSION, 0, &to_b, patience), b.links.open(SESSION, 1, &to_a, patience));
    Ok((at_a?.remove(0), at_b?.remove(0)))
}

async fn say(link: &mut Link, frame: &[u8]) -> Result<(), ChannelError> {
    let mut frame = frame.to_vec();
    std::future::poll_fn(|cx| link.poll_send(cx, &mut frame)).await
}

async fn hear(link: &mut Link) -> Result<Vec<u8>, ChannelError> {
    std::future::poll_fn(|cx| link.poll_recv(cx)).await
}

#[tokio::test]
async fn frames_of_all_sizes_travel_both_ways_on_streams_and_between_threads() {
    let (a, b) = pair(DataWay::Streams).await;
    // its data port would answer, and is not asked
    let address = vec![b.links.local_addr()];
    let (mut at_a, mut at_b) = open(&a, &b, address, LONG).await.unwrap();
    let echo = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            while let Ok(heard) = hear(&mut at_b).await {
                say(&mut at_b, &heard).await.unwrap();
            }
        });
    });
    for size in [0, 1, 100, 20_000, 3 << 20] {
        let frame = vec![size as u8; size];
        let both = async { tokio::join!(say(&mut at_a, &frame)).0 };
        assert_eq!(both.await, Ok(()), "{size} bytes");
        assert_eq!(hear(&mut at_a).await, Ok(frame), "{size} bytes back");
    }
    drop(at_a);
    // the other end sees the close and its thread ends
    tokio::task::spawn_blocking(move || echo.join()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_blocked_data_port_is_gone_round_and_remembered() {
    let (a, b) = pair(DataWay::Auto).await;
    let (mut at_a, mut at_b) = open(&a, &b, blocked(), LONG).await.unwrap();
    assert_eq!(say(&mut at_a, b"round").await, Ok(()));
    assert_eq!(hear(&mut at_b).await, Ok(b"round".to_vec()));
    at_b.set_patience(Duration::from_millis(50));
    assert_eq!(hear(&mut at_b).await, Err(ChannelError::Deadline), "a silent peer is noticed on a stream too");
}

#[tokio::test]
async fn direct_means_direct() {
    let (a, b) = pair(DataWay::Direct).await;
    let failed = open(&a, &b, blocked(), SHORT).await;
    assert!(matches!(failed, Err(LinkError::Unreachable { .. })));
    let address = vec![b.links.local_addr()];
    assert!(open(&a, &b, address, LONG).await.is_ok());
}

#[tokio::test]
async fn streams_of_strangers_and_for_other_sessions_are_not_taken() {
    let (a, b) = pair(DataWay::Streams).await;
    let stranger = Node::new(3, DataWay::Streams, &[&b]).await;
    assert!(stranger.network.connected(b.key(), LONG).await);
    let to_b = [b.as_peer(1, Vec::new())];
    let refused = stranger.links.open(SESSION, 0, &to_b, SHORT).await;
    assert!(matches!(refused, Err(LinkError::Unreachable { .. } | LinkError::Absent { .. })));

    let other = SessionLabel { thread: 1, ..SESSION };
    let to_a = [a.as_peer(0, Vec::new())];
    let (at_a, at_b) = tokio::join!(a.links.open(SESSION, 0, &to_b, SHORT), b.links.open(other, 1, &to_a, SHORT));
    assert!(at_a.is_err() && matches!(at_b, Err(LinkError::Absent { .. })));
}

#[tokio::test]
async fn a_stream_full_of_nonsense_ends_alone() {
    use futures::AsyncWriteExt as _;
    let (a, b) = pair(DataWay::Streams).await;
    for nonsense in [vec![0xff; 200], vec![0; 32], Vec::new()] {
        let mut stream = a.network.streams().open_stream(peer_id(b.key()), PROTOCOL).await.unwrap();
        drop(stream.write_all(&nonsense).await);
        drop(stream.close().await);
    }
    assert!(open(&a, &b, Vec::new(), LONG).await.is_ok());
}

#[test]
fn who_was_blocked_is_tried_directly_again_after_a_while_or_when_streams_fail() {
    let behaviour = libp2p_stream::Behaviour::new();
    let detour = Detour::new(behaviour.new_control(), DataWay::Auto);
    let (peer, now) = (PeerKey([1; 32]), Instant::now());
    assert!(!detour.is_first(peer, now));
    detour.remember(peer, now);
    assert!(detour.is_first(peer, now) && !detour.is_first(PeerKey([2; 32]), now));
    assert!(!detour.is_first(peer, now + DETOUR));
    detour.forget(peer);
    assert!(!detour.is_first(peer, now));
}

//! Clouds among real nodes on loopback, with stores in memory.

use std::sync::{Mutex, PoisonError};

use libp2p::Multiaddr;
use polyyne_protocol::{
    canonical,
    id::Nonce,
    log::CloudLog,
    version::{Generator, WIRE_MAJOR},
};

use super::*;
use crate::federation::{Announcement, NetworkConfig, identity};

const LONG: Duration = Duration::from_secs(30);

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> PeerKey {
    PeerKey::of(&signing(seed))
}

#[derive(Default)]
struct Shares {
    seed: u8,
    burned: Mutex<BTreeSet<MacKeyId>>,
}

impl Shares {
    fn burn(&self, key: MacKeyId) {
        self.burned.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }
}

impl KeyShares for Shares {
    fn commitment(&self, cloud: CloudId, key: MacKeyId, _: Prime) -> BoxFuture<'_, Result<Digest, StoreError>> {
        let commitment = canonical::hash_parts("test", &[&[self.seed], &cloud.0, &key.0]);
        Box::pin(std::future::ready(Ok(commitment)))
    }

    fn is_burned(&self, _: CloudId, key: MacKeyId) -> bool {
        self.burned.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }
}

struct Node {
    federation: Federation,
    network: Network,
    store: Arc<MemoryStore>,
    shares: Arc<Shares>,
}

async fn node(seed: u8, peers: &[(PeerKey, Multiaddr)], accept: &[u8], store: Arc<MemoryStore>) -> Node {
    let config = NetworkConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        peers: peers.to_vec(),
        private_addresses: true,
        ..NetworkConfig::default()
    };
    let network = Network::start(config, &identity(&signing(seed))).await.unwrap();
    let addresses: Vec<String> = network.listen_addrs().iter().map(ToString::to_string).collect();
    let seal = SealKey(polyyne_protocol::envelope::SealSecret::from_bytes([seed; 32]).public().0);
    let own = Announcement {
        wire: WIRE_MAJOR,
        software: "test".into(),
        boot: Nonce([seed; 16]),
        seal,
        addresses: addresses.clone(),
        data_hosts: Vec::new(),
        data_port: 1,
    };
    let directory = Directory::start(network.clone(), own, &signing(seed));
    let shares = Arc::new(Shares { seed, ..Shares::default() });
    let config = MembershipConfig {
        key: signing(seed),
        seal,
        addresses,
        accept: accept.iter().map(|seed| key(*seed)).collect(),
        store: store.clone(),
        shares: shares.clone(),
    };
    let federation = Federation::start(network.clone(), directory, config).await.unwrap();
    Node { federation, network, store, shares }
}

/// n nodes, each knowing the first; `accept` is everybody's policy.
async fn nodes(n: u8, accept: &[u8]) -> Vec<Node> {
    let first = node(1, &[], accept, Arc::default()).await;
    let known = [(key(1), first.network.listen_addrs().remove(0))];
    let mut nodes = vec![first];
    for seed in 2..=n {
        let next = node(seed, &known, accept, Arc::default()).await;
        assert!(next.network.connected(key(1), LONG).await);
        assert!(nodes[0].network.connected(key(seed), LONG).await);
        nodes.push(next);
    }
    nodes
}

fn parameters() -> SecurityParameters {
    SecurityParameters::new(Prime::DEFAULT, Generator::Mascot, Digest([0; 32]))
}

async fn propose(nodes: &[Node]) -> RecordHash {
    let others: Vec<_> = nodes[1..].iter().map(|node| node.network.local_key()).collect();
    nodes[0].federation.propose("chain", &others, parameters(), BTreeMap::new(), Acceptance::default()).await.unwrap()
}

async fn invited(node: &Node, id: RecordHash) {
    let mut changes = node.federation.changes();
    let shown = |_: &u64| node.federation.invitations().iter().any(|invitation| invitation.id == id);
    tokio::time::timeout(LONG, changes.wait_for(shown)).await.unwrap().unwrap();
}

async fn with_key(node: &Node, fits: impl Fn(MacKeyId) -> bool) -> MacKeyId {
    let found = node.federation.wait(LONG, |cloud| cloud.view.mac_key().is_some_and(|key| fits(key.id))).await;
    found.expect("a key in time").view.mac_key().unwrap().id
}

#[tokio::test]
async fn a_cloud_lives_when_all_have_accepted_and_gets_a_key_by_itself() {
    let nodes = nodes(3, &[]).await;
    let id = propose(&nodes).await;
    invited(&nodes[1], id).await;
    invited(&nodes[2], id).await;
    nodes[1].federation.accept(id).await.unwrap();
    assert!(nodes.iter().all(|node| node.federation.clouds().is_empty()), "one is missing");
    nodes[2].federation.accept(id).await.unwrap();
    for node in &nodes {
        let cloud = node.federation.live(id, LONG).await.expect("live in time");
        assert_eq!((cloud.view.n(), cloud.view.cloud().0), (3, id.0));
    }
    let first = with_key(&nodes[0], |_| true).await;
    for node in &nodes {
        assert_eq!(with_key(node, |_| true).await, first);
        assert!(CloudLog::verify(&node.federation.log(CloudId(id.0)).unwrap()).is_ok());
        assert!(node.federation.invitations().is_empty());
    }

    // a burned key is replaced when somebody asks, and only then
    nodes.iter().for_each(|node| node.shares.burn(first));
    nodes[2].federation.rekey(CloudId(id.0)).await.unwrap();
    let second = with_key(&nodes[0], |key| key != first).await;
    assert_eq!(with_key(&nodes[2], |key| key != first).await, second);
    assert_eq!(with_key(&nodes[1], |key| key != first).await, second);
    let keys = nodes[1].federation.keys(CloudId(id.0));
    assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [first, second]);
}

#[tokio::test]
async fn a_policy_accepts_listed_members_and_a_good_key_is_not_replaced() {
    let nodes = nodes(2, &[1, 2]).await;
    let id = propose(&nodes).await;
    let cloud = CloudId(id.0);
    with_key(&nodes[0], |_| true).await;
    with_key(&nodes[1], |_| true).await;
    let refused = nodes[1].federation.rekey(cloud).await;
    assert!(matches!(refused, Err(MembershipError::NoProposer)));
}

#[tokio::test]
async fn an_invitation_that_is_declined_makes_no_cloud_and_all_learn_who_declined() {
    let nodes = nodes(2, &[]).await;
    let id = propose(&nodes).await;
    invited(&nodes[1], id).await;
    nodes[1].federation.decline(id).await.unwrap();
    let mut changes = nodes[0].federation.changes();
    let declined = |_: &u64| {
        let invitations = nodes[0].federation.invitations();
        invitations.iter().any(|i| i.stances.contains(&(key(2), Some(Stance::Declined))))
    };
    tokio::time::timeout(LONG, changes.wait_for(declined)).await.unwrap().unwrap();
    assert!(nodes[0].federation.clouds().is_empty());
}

#[tokio::test]
async fn a_member_that_was_away_completes_the_cloud_after_its_restart() {
    let mut nodes = nodes(2, &[]).await;
    let id = propose(&nodes).await;
    invited(&nodes[1], id).await;
    let away = nodes.pop().unwrap();
    let store = away.store.clone();
    drop(away);
    let known = [(key(1), nodes[0].network.listen_addrs().remove(0))];
    let back = node(2, &known, &[], store.clone()).await;
    assert_eq!(back.federation.invitations()[0].id, id, "the invitation is still there");
    back.federation.accept(id).await.unwrap();
    assert!(back.federation.live(id, LONG).await.is_some());
    assert!(nodes[0].federation.live(id, LONG).await.is_some());
    drop(back);
    let again = node(2, &known, &[], store).await;
    assert_eq!(again.federation.clouds().len(), 1, "the cloud is loaded from the store");
}

#[tokio::test]
async fn a_new_member_joins_with_everybodys_consent_and_gets_the_log() {
    let nodes = nodes(3, &[1, 2, 3]).await;
    let id = propose(&nodes[..2]).await;
    let cloud = CloudId(id.0);
    with_key(&nodes[0], |_| true).await;
    let change = nodes[0].federation.propose_members(cloud, &[key(2), key(3)]).await.unwrap();
    assert_ne!(change, id);
    for node in &nodes {
        let joined = node.federation.wait(LONG, |cloud| cloud.view.n() == 3 && cloud.view.mac_key().is_some()).await;
        assert_eq!(joined.expect("in time").view.cloud(), cloud);
    }
}

#[tokio::test]
async fn two_complete_records_for_one_epoch_halt_the_cloud_for_good() {
    let nodes = nodes(2, &[1, 2]).await;
    let id = propose(&nodes).await;
    let cloud = CloudId(id.0);
    with_key(&nodes[1], |_| true).await;
    let log = CloudLog::verify(&nodes[1].federation.log(cloud).unwrap()).unwrap();
    let Record::MacKey(mut other) = log.records()[1].record.clone() else { panic!("the key's record") };
    other.key = MacKeyId([9; 16]);
    let other = Record::MacKey(other);
    let statement = other.statement();
    let signature = |seed| {
        use polyyne_protocol::{certificate::MemberSignature, sign::Statement as _};
        MemberSignature { peer: key(seed), signature: statement.signature(&signing(seed)) }
    };
    let forked = SignedRecord { record: other, signatures: vec![signature(1), signature(2)] };
    let halted = nodes[1].federation.desk.append(&[], forked).await;
    assert!(matches!(halted, Err(MembershipError::Halted(_))));
    assert!(nodes[1].federation.cloud(cloud).unwrap().halted);
    assert!(nodes[1].store.is_halted(cloud).unwrap());
    assert!(matches!(nodes[1].federation.rekey(cloud).await, Err(MembershipError::Halted(_))));
}

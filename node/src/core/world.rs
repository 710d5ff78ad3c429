//! A few nodes in one process, over real links and a real network on loopback, with a cloud whose
//! records are signed here: what the services' tests run on.

use super::Core;
use super::clouds::scope_of;
use crate::castor::TupleKind;
use crate::config::Config;
use crate::data_dir::Layout;
use crate::klyshko;
use crate::store::durable::Reads as _;
use ed25519_dalek::SigningKey;
use polyyne_engine::field::PrimeField;
use polyyne_engine::generator::Protocol;
use polyyne_protocol::assurance::Acceptance;
use polyyne_protocol::certificate::MemberSignature;
use polyyne_protocol::client_io;
use polyyne_protocol::envelope::{Lifetime, PreparedRequest};
use polyyne_protocol::http::{RelayItem, RelayOutcome, RelayRequest};
use polyyne_protocol::id::*;
use polyyne_protocol::log::{CloudLog, SignedRecord};
use polyyne_protocol::membership::{Head, KeyCommitment, MacKey, Member, Membership, Record};
use polyyne_protocol::request::{Answer, Get, Masks, Request, UploadBegin, UploadCommit};
use polyyne_protocol::secret::{Policy, SecretDescription, SecretKind, SecretValue};
use polyyne_protocol::sign::{Signed, Statement as _};
use polyyne_protocol::stock::StockRule;
use polyyne_protocol::tag::Tags;
use polyyne_protocol::version::{Generator, Prime, SecurityParameters};
use polyyne_protocol::view::CloudView;
use polyyne_protocol::vote::Upload;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::num::NonZero;
use tempfile::TempDir;

pub struct World {
    pub cores: Vec<Core>,
    pub log: CloudLog,
    keys: Vec<SigningKey>,
    _dirs: Vec<TempDir>,
}

impl World {
    /// n nodes that form a cloud and begin to generate up to `target` tuples of each kind.
    pub async fn new(n: usize, target: u64) -> Self {
        Self::making(Generator::Mascot, n, target).await
    }

    /// [`Self::new`] by this generator.
    pub async fn making(generator: Generator, n: usize, target: u64) -> Self {
        Self::keeping(&[], generator, n, target).await
    }

    /// [`Self::making`], with more kinds in the record.
    pub async fn keeping(more: &[(TupleKind, u64)], generator: Generator, n: usize, target: u64) -> Self {
        let rules = more.iter().map(|(kind, target)| (kind.name(), keep(*target)));
        Self::on(generator, n, target, |record| record.stock.extend(rules)).await
    }

    /// [`Self::making`], with another record.
    pub async fn on(generator: Generator, n: usize, target: u64, change: impl FnOnce(&mut Membership)) -> Self {
        let mut cores = Vec::new();
        let (mut keys, mut dirs) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let dir = TempDir::new().unwrap();
            let mut config = Config::default();
            config.network.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
            config.network.mdns = false;
            config.network.private_addresses = true;
            // large batches are divided, whatever the machine
            config.generation.threads = NonZero::new(2);
            config.data.listen = "127.0.0.1:0".parse().unwrap();
            let layout = Layout::new(dir.path().join("node"));
            layout.init(&config).unwrap();
            let data = layout.open().unwrap();
            keys.push(data.signing_key().clone());
            cores.push(Core::start(&config, data).await.unwrap());
            dirs.push(dir);
        }
        let mut world = Self { log: found(&cores, &keys, generator, target, change), cores, keys, _dirs: dirs };
        world.connect().await;
        world.rekey().await;
        world
    }

    async fn connect(&self) {
        let members = self.log.view().members();
        let addressed: Vec<_> = members
            .iter()
            .map(|member| (member.peer, member.addresses.iter().map(|address| address.parse().unwrap()).collect()))
            .collect();
        for core in &self.cores {
            core.network.keep_connected(addressed.clone()).await.unwrap();
        }
    }

    /// A new MAC key, signed by all.
    pub async fn rekey(&mut self) {
        let key = MacKeyId(rand::random());
        let cloud = self.log.cloud();
        let mut commitments = Vec::new();
        for core in &self.cores {
            let commitment = core.clouds.new_mac_key(cloud, key, Prime::DEFAULT.0).await.unwrap();
            commitments.push(KeyCommitment { peer: core.network.local_key(), commitment });
        }
        let head = self.log.next_head(Attempt(0), Nonce(rand::random()));
        let record = Record::MacKey(MacKey { head, field: Prime::DEFAULT, key, commitments });
        self.log.append(sign_all(record, &self.keys)).unwrap();
        for core in &self.cores {
            core.clouds.update(self.log.view().clone(), false);
        }
        self.until_served().await;
    }

    /// Waits until every member has been found fresh.
    pub async fn until_served(&self) {
        let cloud = self.view().cloud();
        let served = async {
            while !self.cores.iter().all(|core| core.clouds.desk(cloud).is_some()) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, served).await.expect("all members are there, and none went back");
    }

    /// Waits until there is something of every kind with a target.
    pub async fn until_stocked(&self) {
        let stocked = async {
            let castor = &self.cores[0].clouds.stores().castor;
            let full = |kind| castor.stock(self.scope()).iter().any(|own| own.kind == kind && own.generated > 0);
            while !TupleKind::PRIME.iter().all(|&kind| full(kind)) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let limit = std::time::Duration::from_secs(300);
        tokio::time::timeout(limit, stocked).await.expect("the members make tuples");
    }

    /// New desks at every member, which remember nothing, as after a restart.
    pub async fn renew_desks(&self) {
        for core in &self.cores {
            core.clouds.update(self.view().clone(), true);
            core.clouds.update(self.view().clone(), false);
        }
        self.until_served().await;
    }

    pub fn view(&self) -> &CloudView {
        self.log.view()
    }

    /// A client's request through the gateway of one node; every member's answer.
    pub async fn ask(&self, through: usize, client: &SigningKey, request: Request) -> Vec<Answer> {
        self.relay(through, &self.prepare(client, request), |_| true).await
    }

    /// A request as a client seals it; the same bytes can be sent twice.
    pub fn prepare(&self, client: &SigningKey, request: Request) -> PreparedRequest {
        let lifetime = Lifetime::from_now(crate::desk::now_s(), 300);
        let id = RequestId(rand::random());
        PreparedRequest::new(self.view(), client, id, &request, lifetime, &mut rand::rng()).unwrap()
    }

    /// What every member answers to a prepared request.
    pub async fn send(&self, through: usize, prepared: &PreparedRequest) -> Vec<Answer> {
        self.relay(through, prepared, |_| true).await
    }

    /// The same to one member only.
    pub async fn ask_one(&self, through: usize, member: usize, client: &SigningKey, request: Request) -> Answer {
        let prepared = self.prepare(client, request);
        let peer = self.view().members()[member].peer;
        self.relay(through, &prepared, |to| to == peer).await.remove(0)
    }

    async fn relay(&self, through: usize, prepared: &PreparedRequest, wanted: impl Fn(PeerKey) -> bool) -> Vec<Answer> {
        let envelopes = prepared.envelopes().iter().filter(|envelope| wanted(envelope.head.member));
        let items = envelopes
            .map(|envelope| RelayItem { member: envelope.head.member, envelope: ByteBuf::from(envelope.to_bytes()) });
        let relay = RelayRequest { envelopes: items.collect(), wait_ms: 120_000 };
        let response = self.cores[through].gateway.relay(self.view().cloud(), relay).await;
        let answers = response.results.into_iter().map(|result| match result.outcome {
            RelayOutcome::Answer(bytes) => {
                let envelope = polyyne_protocol::envelope::Envelope::from_bytes(&bytes).unwrap();
                prepared.open_answer(&result.member, &envelope).unwrap()
            }
            RelayOutcome::Rejected(refusal) => Answer::Refused(refusal),
            RelayOutcome::Unreachable(cause) => panic!("{} is unreachable: {cause}", result.member),
        });
        answers.collect()
    }

    /// The rows on a node's disk that its root key opens to the MAC key share and to what encrypts
    /// the tuples.
    pub fn sealed_keys(&self, node: usize) -> Vec<Vec<u8>> {
        let (core, key) = (&self.cores[node], self.scope().to_key());
        let row = |file: &crate::store::sealed::SealedFile, table| {
            file.durable().read().unwrap().get(table, &key).unwrap().expect("the cloud has a key")
        };
        let share = row(core.state.sealed(), crate::store::state_file::MAC_KEYS);
        let tuples = row(core._tuples.sealed(), crate::store::tuples_file::DATA_KEYS);
        vec![share, tuples]
    }

    /// Whether any 16 bytes of a row can be found in a node's files.
    pub fn is_on_disk(&self, node: usize, row: &[u8]) -> bool {
        let folder = self._dirs[node].path().join("node");
        ["state.redb", "tuples.redb"].iter().any(|file| {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            row.chunks_exact(16).any(|part| bytes.windows(16).any(|seen| seen == part))
        })
    }

    pub fn scope(&self) -> crate::store::MacScope {
        scope_of(self.view().cloud(), self.view().mac_key().unwrap().id)
    }
}

fn found(
    cores: &[Core],
    keys: &[SigningKey],
    generator: Generator,
    target: u64,
    change: impl FnOnce(&mut Membership),
) -> CloudLog {
    let members = cores.iter().enumerate().map(|(index, core)| Member {
        index: PartyIndex(index as u16),
        peer: core.network.local_key(),
        seal: core.identity.seal.public(),
        addresses: core.network.listen_addrs().iter().map(ToString::to_string).collect(),
    });
    let stock = TupleKind::PRIME.map(|kind| (kind.name(), keep(target)));
    let protocol = Protocol::named(generator.name(), &PrimeField::usual(), 64).unwrap();
    let mut record = Membership {
        head: Head { cloud: None, previous: None, epoch: Epoch(0), attempt: Attempt(0), nonce: Nonce(rand::random()) },
        name: "world".into(),
        members: members.collect(),
        parameters: SecurityParameters::new(Prime::DEFAULT, generator, klyshko::parameters_hash(&protocol)),
        stock: BTreeMap::from_iter(stock),
        acceptance: Acceptance::default(),
    };
    change(&mut record);
    CloudLog::found(sign_all(Record::Membership(record), keys)).unwrap()
}

fn keep(target: u64) -> StockRule {
    StockRule { threshold: target, ..StockRule::keep(target) }
}

fn sign_all(record: Record, keys: &[SigningKey]) -> SignedRecord {
    let statement = record.statement();
    let sign = |key: &SigningKey| MemberSignature { peer: PeerKey::of(key), signature: statement.signature(key) };
    SignedRecord { record, signatures: keys.iter().map(sign).collect() }
}

/// The clear words of a delivery.
pub fn clear(view: &CloudView, words: usize, shares: &[&client_io::DeliveryShares]) -> Vec<i64> {
    let field = polyyne_engine::field::PrimeField::new(view.parameters().prime.0).unwrap();
    let words = client_io::reconstruct(&field, words, shares).unwrap();
    words.iter().map(|&word| field.signed_decimal(word).parse().unwrap()).collect()
}

pub fn describe(owner: &SigningKey, words: usize) -> SecretDescription {
    SecretDescription {
        id: SecretId(rand::random()),
        owner: ClientKey::of(owner),
        kind: SecretKind::Integers,
        words: words as u32,
        tags: Tags::default(),
        policy: Policy::default(),
        created: crate::desk::now_s(),
        expires: None,
    }
}

/// Puts integers through one node; what every member says in the end.
pub async fn put(world: &World, through: usize, owner: &SigningKey, values: &[i128]) -> (SecretId, Vec<Answer>) {
    let (secret, commit) = begin_put(world, through, owner, values).await;
    (secret, world.ask(through, owner, commit).await)
}

/// Fetches masks for integers; what is to be asked next.
pub async fn begin_put(world: &World, through: usize, owner: &SigningKey, values: &[i128]) -> (SecretId, Request) {
    let field = polyyne_engine::field::PrimeField::usual();
    let description = describe(owner, values.len());
    let begin = Request::UploadBegin(UploadBegin { description: description.clone() });
    let answers = world.ask(through, owner, begin).await;
    let masks: Vec<&Masks> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Masks(masks) => masks,
            other => panic!("{other:?}"),
        })
        .collect();
    let shares: Vec<&client_io::DeliveryShares> = masks.iter().map(|masks| &masks.delivery).collect();
    let clear_masks = client_io::reconstruct(&field, values.len(), &shares).unwrap();
    let words = SecretValue::integers(values.to_vec()).encode(&field).unwrap();
    let masked = client_io::mask(&field, &words, &clear_masks);
    let upload = Upload::new(world.view(), &description, masks[0].mask_set, &masked);
    let commit = UploadCommit { upload: Signed::sign(upload, owner), masked };
    (description.id, Request::UploadCommit(commit))
}

/// What a client fetches through one node.
pub async fn get(world: &World, through: usize, reader: &SigningKey, secret: SecretId, words: usize) -> Vec<i64> {
    let answers = world.ask(through, reader, Request::Get(Get { secret })).await;
    let shares: Vec<&client_io::DeliveryShares> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Got(got) => &got.delivery,
            other => panic!("{other:?}"),
        })
        .collect();
    clear(world.view(), words, &shares)
}

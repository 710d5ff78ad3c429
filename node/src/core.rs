//! All of a node but how clouds come to be: stores, network, links and what members ask of each
//! other. Given a cloud's view ([`Clouds::update`]) it takes its seat and serves.

mod burn_notice;
pub(crate) mod clouds;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;

use crate::amphora::store::SecretStore;
use crate::audit::{AuditLog, AuditLogError};
use crate::castor::Castor;
use crate::config::Config;
use crate::data_dir::{DataDir, Layout};
use crate::desk::Desk;
use crate::federation::{self, Announcement, Directory, Network, NetworkConfig, StartError};
use crate::gateway::Gateway;
use crate::journal::Journal;
use crate::link::{LinkError, Links};
use crate::seat::Identity;
use crate::store::answers::Answers;
use crate::store::mac_keys::MacKeys;
use crate::store::seen::SeenNonces;
use crate::store::shelf::Shelf;
use crate::store::{Fatal, Fault, OpenError, RootKey, StateFile, TuplesFile};
use crate::{freshness, klyshko, order, votes};
use clouds::{Clouds, Ways};
use ed25519_dalek::SigningKey;
use polyyne_protocol::canonical;
use polyyne_protocol::envelope::SealSecret;
use polyyne_protocol::id::{CloudId, Nonce};
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::version::WIRE_MAJOR;
use std::path::Path;
use std::sync::Arc;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    #[error(transparent)]
    Network(#[from] StartError),
    #[error(transparent)]
    Links(#[from] LinkError),
    #[error("{0}")]
    Peers(String),
}

/// All of a node but how clouds come to be: give it a cloud's view and it serves.
pub(crate) struct Core {
    pub identity: Arc<Identity>,
    pub network: Network,
    pub directory: Directory,
    pub links: Links,
    pub gateway: Gateway,
    pub clouds: Clouds,
    pub state: StateFile,
    /// Multiaddrs under which this node stands in records.
    pub addresses: Vec<String>,
    _tuples: TuplesFile,
    data: DataDir,
}

/// What every cloud of this node works on.
#[derive(Clone)]
pub(crate) struct Stores {
    pub castor: Castor,
    pub journal: Journal,
    pub mac_keys: MacKeys,
    pub secrets: SecretStore,
    pub answers: Answers,
    pub seen: SeenNonces,
    pub anchors: Shelf,
    pub pauses: Shelf,
    pub log: AuditLog,
}

impl Core {
    /// Opens the stores and joins the network.
    ///
    /// # Errors
    /// [`CoreError`].
    pub async fn start(config: &Config, data: DataDir) -> Result<Self, CoreError> {
        let identity = Arc::new(own_identity(data.signing_key()));
        let root = Arc::new(RootKey::from_bytes(*data.root_key()));
        let folder = data.layout().dir().to_owned();
        let fatal = Fatal::exit_process();
        let tuples = TuplesFile::open(&folder, root.clone(), fatal.clone()).await?;
        let state = StateFile::open(&folder, root, fatal).await?;
        let stores = Stores::open(&state, &tuples, &data.layout().audit_log()).await?;

        let keypair = federation::identity(data.signing_key());
        let network = Network::start(network_config(config)?, &keypair).await?;
        let links = Links::listen(config.data.listen, &keypair).await?;
        let links = links.with_streams(network.streams(), config.data.links);
        let announcement = announcement(config, &identity, &network, &links);
        let addresses = announcement.addresses.clone();
        let directory = Directory::start(network.clone(), announcement, data.signing_key());
        let ways = Ways { network: network.clone(), directory: directory.clone(), links: links.clone() };
        let clouds = Clouds::new(identity.clone(), stores, ways, config.generation.clone());
        let gateway = serve(&network, &clouds);
        Ok(Self { identity, network, directory, links, gateway, clouds, state, addresses, _tuples: tuples, data })
    }
}

impl Core {
    /// Hears of burned keys again.
    #[cfg(test)]
    pub fn listen_for_burned_keys(&self) {
        burn_notice::serve(&self.network, &self.clouds);
    }

    /// Where this node's files are.
    pub fn layout(&self) -> &Layout {
        self.data.layout()
    }
}

impl Stores {
    async fn open(state: &StateFile, tuples: &TuplesFile, log: &Path) -> Result<Self, CoreError> {
        let journal = Journal::open(tuples).await?;
        Ok(Self {
            castor: Castor::open(tuples).await?,
            mac_keys: MacKeys::open(state, journal.clone()).await?,
            journal,
            secrets: SecretStore::open(state).await?,
            answers: Answers::of(state),
            seen: SeenNonces::of(state),
            anchors: Shelf::anchors(state),
            pauses: Shelf::pauses(state),
            log: AuditLog::open(log, state).await?,
        })
    }
}

/// Answers members and gateways.
fn serve(network: &Network, clouds: &Clouds) -> Gateway {
    let of_votes = clouds.clone();
    votes::serve(network, move |cloud| of_votes.desk(cloud));
    let of_order = clouds.clone();
    order::serve(network, move |scope| of_order.order(scope));
    let of_klyshko = clouds.clone();
    klyshko::serve(network, move |cloud| of_klyshko.klyshko(cloud));
    burn_notice::serve(network, clouds);
    let of_freshness = clouds.clone();
    freshness::serve(network, move |cloud| of_freshness.witness(cloud));
    let of_gateway = clouds.clone();
    Gateway::start(network.clone(), move |cloud| of_gateway.serving(cloud))
}

/// The sealing key follows from the identity, so that one file is the node.
fn own_identity(signing: &SigningKey) -> Identity {
    let seal = canonical::hash_parts("seal-key", &[signing.as_bytes()]);
    Identity { signing: signing.clone(), seal: SealSecret::from_bytes(seal.0) }
}

fn network_config(config: &Config) -> Result<NetworkConfig, CoreError> {
    let wrong = |error: federation::peers_file::PeersError| CoreError::Peers(error.to_string());
    let configured = config.network.peers.iter();
    let peers = configured.map(|address| federation::peers_file::peer_address(&address.to_string()));
    let peers = peers.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Ok(NetworkConfig {
        listen: config.network.listen.clone(),
        external: config.network.external.clone(),
        peers,
        private_addresses: config.network.private_addresses,
        mdns: config.network.mdns,
    })
}

fn announcement(config: &Config, own: &Identity, network: &Network, links: &Links) -> Announcement {
    let external = config.network.external.iter().map(ToString::to_string);
    let listening = network.listen_addrs().into_iter().map(|address| address.to_string());
    let addresses: Vec<String> =
        if config.network.external.is_empty() { listening.collect() } else { external.collect() };
    Announcement {
        wire: WIRE_MAJOR,
        software: concat!("polyyne/", env!("CARGO_PKG_VERSION")).to_owned(),
        boot: Nonce(rand::random()),
        seal: own.seal.public(),
        addresses,
        data_hosts: config.data.external.iter().map(|address| address.ip()).collect(),
        data_port: config.data.external.unwrap_or_else(|| links.local_addr()).port(),
    }
}

/// There is no such cloud here.
pub(crate) fn unknown_cloud(cloud: CloudId) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownCloud,
        format!("this node is no member of cloud {cloud}"),
        "`vcp cloud list` shows its clouds.",
    )
}

/// A cloud's desk, for services.
pub(crate) type DeskRef = Arc<Desk>;

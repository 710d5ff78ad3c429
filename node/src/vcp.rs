//! The assembled node: its core, how its clouds come to be, and the two doors' view of it all.

mod client;
mod formation;
mod keys;
mod operator;
mod stock;
mod telemetry;

use crate::config::Config;
use crate::core::clouds::Clouds;
use crate::core::{Core, CoreError};
use crate::data_dir::DataDir;
use crate::federation::membership::{Federation, MembershipConfig, MembershipError, StateStore};
use polyyne_protocol::id::PeerKey;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum VcpError {
    #[error(transparent)]
    Core(#[from] CoreError),
    #[error("the clouds of this node cannot be taken up: {0}")]
    Membership(#[from] MembershipError),
}

/// A running node. Clones share it.
#[derive(Clone)]
pub struct Vcp {
    shared: Arc<Shared>,
}

struct Shared {
    core: Core,
    federation: Federation,
    _following: AbortOnDropHandle<()>,
    started: Instant,
    http: watch::Sender<Option<SocketAddr>>,
    stopping: watch::Sender<bool>,
}

impl Vcp {
    /// Opens the stores, joins the network and takes its seats. Serves as soon as members meet.
    ///
    /// # Errors
    /// [`VcpError`].
    pub async fn start(config: &Config, data: DataDir) -> Result<Self, VcpError> {
        let core = Core::start(config, data).await?;
        let record_as = MembershipConfig {
            key: core.identity.signing.clone(),
            seal: core.identity.seal.public(),
            addresses: core.addresses.clone(),
            accept: config.accepted_members().into_iter().collect(),
            store: Arc::new(StateStore::of(&core.state)),
            shares: Arc::new(core.clouds.clone()),
        };
        let federation = Federation::start(core.network.clone(), core.directory.clone(), record_as).await?;
        follow_once(&federation, &core.clouds);
        let following = tokio::spawn(follow(federation.clone(), core.clouds.clone()));
        let shared = Shared {
            core,
            federation,
            _following: AbortOnDropHandle::new(following),
            started: Instant::now(),
            http: watch::Sender::new(None),
            stopping: watch::Sender::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// This node's key.
    pub fn key(&self) -> PeerKey {
        self.shared.core.network.local_key()
    }

    /// Says where the client's door is.
    pub fn http_at(&self, address: SocketAddr) {
        self.shared.http.send_replace(Some(address));
    }

    /// Fires when the operator asks for an orderly end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.subscribe()
    }

    /// Refuses new work, gives running MAC checks time to end, and stops generation.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        self.shared.core.clouds.stop().await;
    }
}

/// Takes and gives up seats as records come in.
async fn follow(federation: Federation, clouds: Clouds) {
    let mut changes = federation.changes();
    while changes.changed().await.is_ok() {
        follow_once(&federation, &clouds);
    }
}

fn follow_once(federation: &Federation, clouds: &Clouds) {
    for status in federation.clouds() {
        clouds.update(status.view, status.halted);
    }
}

//! The assembled node: its core, how its clouds come to be, and the two doors' view of it all.

mod client;
mod operator;

use crate::config::Config;
use crate::core::Core;
use crate::data_dir::DataDir;
use crate::federation::membership::Federation;
use polyyne_protocol::id::PeerKey;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

pub use crate::core::CoreError as VcpError;

/// A running node. Clones share it.
#[derive(Clone)]
pub struct Vcp {
    shared: Arc<Shared>,
}

struct Shared {
    core: Core,
    federation: Federation,
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
        let federation = Federation::start(&core, config).await?;
        let shared = Shared {
            core,
            federation,
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


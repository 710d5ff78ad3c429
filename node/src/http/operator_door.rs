//! The operator's door: HTTP and JSON over a unix socket that only the node's user can open.
//!
//! The socket is made with mode 0600 in a directory of mode 0700, and each connection's user is checked again. The
//! lock on the data directory is held before the socket is made, so that an old socket file is one of a process that has
//! ended.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as At, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use polyyne_protocol::admin::{
    self, BACKUP_PATH, CLOUDS_PATH, DOCTOR_PATH, INVITATIONS_PATH, PEERS_PATH, RENEW_PATH, SHUTDOWN_PATH, STATUS_PATH,
};
use polyyne_protocol::id::{CloudId, RecordHash};
use polyyne_protocol::limits::ADMIN_BODY_MAX;
use polyyne_protocol::request::Refusal;
use serde::de::DeserializeOwned;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::answer::{Interval, Refused, malformed};
use super::doors::OperatorApi;

/// Makes the socket.
///
/// # Errors
/// If it cannot be made; a path longer than the system allows is said to be that.
pub fn listen(path: &Path) -> io::Result<Socket> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Socket { listener, path: path.to_owned(), user: rustix::process::geteuid().as_raw() })
}

/// Serves the operator until `stop`.
///
/// # Errors
/// If the listener fails.
pub async fn serve<N: OperatorApi>(socket: Socket, node: Arc<N>, stop: CancellationToken) -> io::Result<()> {
    let path = socket.path.clone();
    let served = axum::serve(socket, router(node)).with_graceful_shutdown(stop.cancelled_owned()).await;
    // it may be gone with its folder
    let _ = std::fs::remove_file(path);
    served
}

/// A listener that turns other users away.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
}

impl axum::serve::Listener for Socket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            match stream.peer_cred() {
                // root can read the data directory anyway
                Ok(peer) if peer.uid() == self.user || peer.uid() == 0 => return (stream, address),
                _ => tracing::warn!("another user's process was turned away at the operator's door"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

/// The routes; see [`admin`].
pub fn router<N: OperatorApi>(node: Arc<N>) -> Router {
    let below = |path: &str| format!("{CLOUDS_PATH}/{{id}}{path}");
    Router::new()
        .route(STATUS_PATH, get(async |State(node): State<Arc<N>>| answer(node.status().await)))
        .route(PEERS_PATH, get(async |State(node): State<Arc<N>>| answer(node.peers().await)))
        .route(CLOUDS_PATH, get(async |State(node): State<Arc<N>>| answer(node.clouds().await)).post(form::<N>))
        .route(&below(""), get(cloud::<N>))
        .route(&below("/rekey"), post(rekey::<N>))
        .route(&below("/generation"), get(generation::<N>))
        .route(&below("/generation/{verb}"), post(drive_generation::<N>))
        .route(&below("/stock"), get(stock::<N>))
        .route(&below("/telemetry"), get(telemetry::<N>))
        .route(&below("/audit"), get(audit::<N>))
        .route(&below("/history"), get(history::<N>))
        .route(INVITATIONS_PATH, get(async |State(node): State<Arc<N>>| answer(node.invitations().await)))
        .route(&format!("{INVITATIONS_PATH}/{{id}}/{{verb}}"), post(decide::<N>))
        .route(DOCTOR_PATH, get(async |State(node): State<Arc<N>>| answer(node.doctor().await)))
        .route(BACKUP_PATH, post(back_up::<N>))
        .route(RENEW_PATH, post(async |State(node): State<Arc<N>>| answer(node.renew().await)))
        .route(SHUTDOWN_PATH, post(async |State(node): State<Arc<N>>| answer(node.shutdown().await)))
        .with_state(node)
        .layer(DefaultBodyLimit::max(ADMIN_BODY_MAX))
}

fn answer<T>(result: Result<T, Refusal>) -> Answer<T> {
    result.map(Json).map_err(Refused)
}

async fn form<N: OperatorApi>(State(node): State<Arc<N>>, body: Bytes) -> Answer<admin::Proposed> {
    answer(node.form(read(&body)?).await)
}

async fn cloud<N: OperatorApi>(State(node): State<Arc<N>>, At(cloud): At<String>) -> Answer<admin::Cloud> {
    answer(node.cloud(cloud_id(&cloud)?).await)
}

async fn rekey<N: OperatorApi>(
    State(node): State<Arc<N>>,
    At(cloud): At<String>,
    body: Bytes,
) -> Answer<admin::Proposed> {
    answer(node.rekey(cloud_id(&cloud)?, read(&body)?).await)
}

async fn generation<N: OperatorApi>(State(node): State<Arc<N>>, At(cloud): At<String>) -> Answer<admin::Generation> {
    answer(node.generation(cloud_id(&cloud)?).await)
}

async fn drive_generation<N: OperatorApi>(
    State(node): State<Arc<N>>,
    At((cloud, verb)): At<(String, String)>,
    body: Bytes,
) -> Answer<admin::Generation> {
    let cloud = cloud_id(&cloud)?;
    answer(match verb.as_str() {
        "generate" => node.generate(cloud, read(&body)?).await,
        "pause" => node.pause(cloud).await,
        "resume" => node.resume(cloud).await,
        _ => return Err(unknown(&verb)),
    })
}

async fn stock<N: OperatorApi>(State(node): State<Arc<N>>, At(cloud): At<String>) -> Answer<admin::Stock> {
    answer(node.stock(cloud_id(&cloud)?).await)
}

async fn telemetry<N: OperatorApi>(
    State(node): State<Arc<N>>,
    At(cloud): At<String>,
    Query(Interval { interval }): Query<Interval>,
) -> Answer<admin::Telemetry> {
    answer(node.telemetry(cloud_id(&cloud)?, interval).await)
}

async fn audit<N: OperatorApi>(State(node): State<Arc<N>>, At(cloud): At<String>) -> Answer<admin::StockAudit> {
    answer(node.audit(cloud_id(&cloud)?).await)
}

async fn history<N: OperatorApi>(State(node): State<Arc<N>>, At(cloud): At<String>) -> Answer<admin::History> {
    answer(node.history(cloud_id(&cloud)?).await)
}

async fn decide<N: OperatorApi>(
    State(node): State<Arc<N>>,
    At((record, verb)): At<(String, String)>,
) -> Answer<admin::Proposed> {
    let record: RecordHash = record.parse().map_err(|error| malformed(format!("the path: {error}")))?;
    answer(match verb.as_str() {
        "accept" => node.accept(record).await,
        "decline" => node.decline(record).await,
        _ => return Err(unknown(&verb)),
    })
}

async fn back_up<N: OperatorApi>(State(node): State<Arc<N>>, body: Bytes) -> Answer<admin::BackedUp> {
    answer(node.back_up(read(&body)?).await)
}

fn unknown(verb: &str) -> Refused {
    malformed(format!("the path: nothing is called {verb} here"))
}

fn cloud_id(text: &str) -> Result<CloudId, Refused> {
    text.parse().map_err(|error| malformed(format!("the path: {error}")))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| malformed(format!("the body: {error}")))
}

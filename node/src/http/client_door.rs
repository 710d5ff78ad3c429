//! The door for clients: routes, bounds, and the listener.
//!
//! Everything here is public or sealed. Who asks is not checked here but at every member, from the signature inside each
//! envelope (I29); this door only bounds how much it carries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use polyyne_protocol::admin::Telemetry;
use polyyne_protocol::canonical;
use polyyne_protocol::http::{CLOUDS_PATH, CloudList, NODE_PATH, NodeSummary, RelayRequest};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::limits::{EXECUTION_TIMEOUT_MAX_MS, HTTP_REQUESTS_MAX, MEMBERS_MAX};
use polyyne_protocol::request::{Refusal, RefusalCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use super::answer::{Interval, Refused, cbor, malformed};
use super::doors::ClientApi;
use super::guard::{self, Hosts};
use crate::config;

/// Longest time that one request may take: an execution and some patience.
const REQUEST_TIME_MAX: Duration = Duration::from_millis(EXECUTION_TIMEOUT_MAX_MS + 60_000);

/// The content type of [`ClientApi::metrics`].
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The document that describes this door.
const OPENAPI: &str = include_str!("openapi.json");

struct Door<N> {
    node: Arc<N>,
    /// Requests at once.
    room: Arc<Semaphore>,
}

impl<N> Clone for Door<N> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), room: Arc::clone(&self.room) }
    }
}

/// Listens at the configured address; the address that was got.
///
/// # Errors
/// If it is taken.
pub async fn listen(settings: &config::Http) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(settings.listen).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves clients until `stop`, then finishes what was begun.
///
/// # Errors
/// If the listener fails.
pub async fn serve<N: ClientApi>(
    listener: TcpListener,
    node: Arc<N>,
    settings: config::Http,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let hosts = Hosts::new(listener.local_addr()?, &settings.hosts);
    let service = router(node, hosts).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// The routes.
pub fn router<N: ClientApi>(node: Arc<N>, hosts: Hosts) -> Router {
    let door = Door { node, room: Arc::new(Semaphore::new(HTTP_REQUESTS_MAX)) };
    Router::new()
        .route("/v1/health", get(|| async { "ok\n" }))
        .route("/v1/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .route(NODE_PATH, get(summary::<N>))
        .route(CLOUDS_PATH, get(clouds::<N>))
        .route(&format!("{CLOUDS_PATH}/{{id}}/log"), get(log::<N>))
        .route(&format!("{CLOUDS_PATH}/{{id}}/relay"), post(relay::<N>))
        .merge(local_routes::<N>())
        .with_state(door)
        .layer(DefaultBodyLimit::max(RelayRequest::BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIME_MAX))
        .layer(middleware::from_fn_with_state(hosts, guard::check))
}

/// What is for this machine alone: how much there is and how fast it goes says what clients do.
fn local_routes<N: ClientApi>() -> Router<Door<N>> {
    Router::new()
        .route("/metrics", get(metrics::<N>))
        .route(&format!("{CLOUDS_PATH}/{{id}}/telemetry"), get(telemetry::<N>))
        .layer(middleware::from_fn(guard::local_only))
}

async fn metrics<N: ClientApi>(State(door): State<Door<N>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS)], door.node.metrics()).into_response()
}

async fn telemetry<N: ClientApi>(
    State(door): State<Door<N>>,
    Path(cloud): Path<String>,
    Query(Interval { interval }): Query<Interval>,
) -> Result<Json<Telemetry>, Refused> {
    Ok(Json(door.node.telemetry(cloud_id(&cloud)?, interval).await?))
}

async fn summary<N: ClientApi>(State(door): State<Door<N>>) -> Json<NodeSummary> {
    Json(door.node.summary())
}

async fn clouds<N: ClientApi>(State(door): State<Door<N>>) -> Result<Json<CloudList>, Refused> {
    Ok(Json(door.node.clouds().await?))
}

async fn log<N: ClientApi>(State(door): State<Door<N>>, Path(cloud): Path<String>) -> Result<Response, Refused> {
    let log = door.node.log(cloud_id(&cloud)?).await?;
    Ok(cbor(log))
}

async fn relay<N: ClientApi>(
    State(door): State<Door<N>>,
    Path(cloud): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let Ok(_place) = door.room.try_acquire() else {
        return Err(Refused(Refusal::new(RefusalCode::Busy, "this node has too many requests", "try again later")));
    };
    let cloud = cloud_id(&cloud)?;
    let request: RelayRequest =
        canonical::decode(&body, RelayRequest::BYTES_MAX).map_err(|error| malformed(format!("the body: {error}")))?;
    if request.envelopes.len() > MEMBERS_MAX {
        return Err(malformed(format!(
            "{} envelopes, a cloud has at most {MEMBERS_MAX} members",
            request.envelopes.len()
        )));
    }
    let response = door.node.relay(cloud, request).await?;
    Ok(cbor(canonical::encode(&response)))
}

fn cloud_id(text: &str) -> Result<CloudId, Refused> {
    text.parse().map_err(|error| malformed(format!("the path: {error}")))
}

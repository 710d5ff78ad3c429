//! How a client reaches a node: a port, and HTTP behind it.
//!
//! Plain HTTP without proxies or redirects: what is secret is sealed before it comes here, and what comes back is
//! verified behind here. Bodies are read up to a bound.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::canonical::{self, DecodeError};
use crate::http::{self, CloudList, NodeSummary, RelayRequest, RelayResponse};
use crate::id::CloudId;
use crate::limits;
use crate::request::Refusal;

/// A way to a node.
pub trait Door: Send + Sync {
    /// The clouds of which the node is a member.
    fn clouds(&self) -> impl Future<Output = Result<CloudList, DoorError>> + Send;
    /// The bytes of a cloud's log.
    fn log(&self, cloud: &CloudId) -> impl Future<Output = Result<Vec<u8>, DoorError>> + Send;
    /// Brings envelopes to members.
    fn relay(
        &self,
        cloud: &CloudId,
        request: &RelayRequest,
    ) -> impl Future<Output = Result<RelayResponse, DoorError>> + Send;
}

/// Why a node could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    #[error("{0} is not an address of a node; write http://HOST:PORT")]
    Address(String),
    #[error("the node at {node} cannot be reached: {cause}")]
    Unreachable { node: String, cause: String },
    #[error("the node at {node} did not answer in time")]
    Timeout { node: String },
    #[error("the node at {node}: {refusal}")]
    Refused { node: String, refusal: Refusal },
    #[error("the node at {node} answered with status {status}")]
    Status { node: String, status: u16 },
    #[error("the answer of the node at {node} cannot be read: {cause}")]
    Decode { node: String, cause: DecodeError },
}

impl DoorError {
    /// Whether asking again may help.
    pub fn is_passing(&self) -> bool {
        match self {
            DoorError::Unreachable { .. } | DoorError::Timeout { .. } => true,
            DoorError::Refused { refusal, .. } => refusal.code.is_passing(),
            DoorError::Status { status, .. } => *status >= 500,
            DoorError::Address(_) | DoorError::Decode { .. } => false,
        }
    }
}

/// A node's HTTP door.
#[derive(Debug, Clone)]
pub struct HttpDoor {
    node: String,
    http: reqwest::Client,
}

impl HttpDoor {
    /// The door at `http://HOST:PORT`.
    ///
    /// # Errors
    /// [`DoorError::Address`].
    pub fn new(node: &str) -> Result<Self, DoorError> {
        let bad = || DoorError::Address(node.to_owned());
        let url = reqwest::Url::parse(node).map_err(|_| bad())?;
        let plain = url.scheme() == "http" && url.has_host() && url.path() == "/" && url.query().is_none();
        if !plain || !url.username().is_empty() || url.password().is_some() {
            return Err(bad());
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS))
            .build()
            .map_err(|_| bad())?;
        Ok(Self { node: node.trim_end_matches('/').to_owned(), http })
    }

    /// The address as it was given.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Who the node is.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn summary(&self) -> Result<NodeSummary, DoorError> {
        self.get_json(http::NODE_PATH).await
    }

    async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, DoorError> {
        let bytes = self.get(path, limits::ADMIN_BODY_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.unreadable(DecodeError::Malformed))
    }

    async fn get(&self, path: &str, limit: usize) -> Result<Vec<u8>, DoorError> {
        let request = self.http.get(format!("{}{path}", self.node));
        self.send(request.timeout(Duration::from_millis(limits::CLIENT_TIMEOUT_MS)), limit).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, limit: usize) -> Result<Vec<u8>, DoorError> {
        let mut response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let limit = if status.is_success() { limit } else { limits::ADMIN_BODY_MAX };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(self.unreadable(DecodeError::TooLong { limit, got: body.len() + chunk.len() }));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        let node = self.node.clone();
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => DoorError::Refused { node, refusal: refusal.tamed() },
            Err(_) => DoorError::Status { node, status: status.as_u16() },
        })
    }

    fn failed(&self, error: &reqwest::Error) -> DoorError {
        let node = self.node.clone();
        if error.is_timeout() {
            return DoorError::Timeout { node };
        }
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        DoorError::Unreachable { node, cause: deepest.to_string() }
    }

    fn unreadable(&self, cause: DecodeError) -> DoorError {
        DoorError::Decode { node: self.node.clone(), cause }
    }
}

impl Door for HttpDoor {
    async fn clouds(&self) -> Result<CloudList, DoorError> {
        self.get_json(http::CLOUDS_PATH).await
    }

    async fn log(&self, cloud: &CloudId) -> Result<Vec<u8>, DoorError> {
        self.get(&http::log_path(cloud), limits::LOG_MAX).await
    }

    async fn relay(&self, cloud: &CloudId, request: &RelayRequest) -> Result<RelayResponse, DoorError> {
        let wait = request.wait_ms.saturating_add(limits::HTTP_CONNECT_TIMEOUT_MS);
        let request = self
            .http
            .post(format!("{}{}", self.node, http::relay_path(cloud)))
            .header("content-type", http::CBOR)
            .timeout(Duration::from_millis(wait))
            .body(canonical::encode(request));
        let bytes = self.send(request, limits::HTTP_ANSWER_MAX).await?;
        canonical::decode(&bytes, limits::HTTP_ANSWER_MAX).map_err(|cause| self.unreadable(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_accepted() {
        for good in ["http://127.0.0.1:4180", "http://localhost:4180/", "http://[::1]:4180"] {
            assert!(HttpDoor::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "127.0.0.1:4180", "https://a:1", "http://u:p@a:1", "http://a/path", "http://a/?q=1", "file:///x"]
        {
            assert_eq!(HttpDoor::new(bad).err(), Some(DoorError::Address(bad.into())), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_closed_door_is_unreachable_and_passing() {
        // a port that was free a moment ago
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let door = HttpDoor::new(&format!("http://127.0.0.1:{port}")).expect("an address");
        let error = door.clouds().await.expect_err("nobody listens");
        assert!(matches!(error, DoorError::Unreachable { .. }) && error.is_passing(), "{error}");
    }
}

//! The doors with a node that answers from memory.

use std::sync::Arc;

use polyyne_protocol::admin::Telemetry;
use polyyne_protocol::canonical;
use polyyne_protocol::door::{Door as _, DoorError, HttpDoor};
use polyyne_protocol::http::{
    CloudList, NodeSummary, RelayItem, RelayOutcome, RelayRequest, RelayResponse, RelayResult,
};
use polyyne_protocol::id::{CloudId, PeerKey};
use polyyne_protocol::limits::MEMBERS_MAX;
use polyyne_protocol::request::{Refusal, RefusalCode};
use serde_bytes::ByteBuf;
use tokio_util::sync::CancellationToken;

use super::client_door;
use super::doors::ClientApi;
use crate::config;

const CLOUD: CloudId = CloudId([7; 32]);

/// A member of one cloud that echoes envelopes.
struct Echo;

impl ClientApi for Echo {
    fn summary(&self) -> NodeSummary {
        let peer = PeerKey([1; 32]);
        NodeSummary { peer, peer_id: peer.peer_id(), version: "test".into(), wire: 1 }
    }

    async fn clouds(&self) -> Result<CloudList, Refusal> {
        Ok(CloudList::default())
    }

    async fn log(&self, cloud: CloudId) -> Result<Vec<u8>, Refusal> {
        match cloud {
            CLOUD => Ok(b"a log".to_vec()),
            _ => Err(Refusal::new(RefusalCode::UnknownCloud, "no such cloud", "another node")),
        }
    }

    async fn telemetry(&self, _cloud: CloudId, interval_s: u64) -> Result<Telemetry, Refusal> {
        Ok(Telemetry { interval_s, covered_s: 0, lines: Vec::new() })
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    async fn relay(&self, _cloud: CloudId, request: RelayRequest) -> Result<RelayResponse, Refusal> {
        let echo = |item: RelayItem| RelayResult { member: item.member, outcome: RelayOutcome::Answer(item.envelope) };
        Ok(RelayResponse { results: request.envelopes.into_iter().map(echo).collect() })
    }
}

/// A door that closes when the value goes.
struct Open {
    url: String,
    stop: CancellationToken,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn open() -> Open {
    let settings = config::Http { listen: ([127, 0, 0, 1], 0).into(), hosts: Vec::new() };
    let (listener, address) = client_door::listen(&settings).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(client_door::serve(listener, Arc::new(Echo), settings, stop.clone()));
    Open { url: format!("http://{address}"), stop }
}

fn envelopes(count: usize) -> RelayRequest {
    let item = RelayItem { member: PeerKey([2; 32]), envelope: ByteBuf::from(vec![1, 2, 3]) };
    RelayRequest { envelopes: vec![item; count], wait_ms: 1000 }
}

#[tokio::test]
async fn a_client_reaches_what_the_door_offers() {
    let open = open().await;
    let door = HttpDoor::new(&open.url).unwrap();
    assert_eq!(door.summary().await.unwrap(), Echo.summary());
    assert_eq!(door.clouds().await.unwrap(), CloudList::default());
    assert_eq!(door.log(&CLOUD).await.unwrap(), b"a log");
    assert_eq!(door.relay(&CLOUD, &envelopes(3)).await.unwrap().results.len(), 3);
}

#[tokio::test]
async fn a_refusal_arrives_whole() {
    let open = open().await;
    let error = HttpDoor::new(&open.url).unwrap().log(&CloudId([8; 32])).await.unwrap_err();
    let DoorError::Refused { refusal, .. } = error else { panic!("{error}") };
    assert_eq!((refusal.code, refusal.remedy.as_str()), (RefusalCode::UnknownCloud, "another node"));
}

#[tokio::test]
async fn pages_and_foreign_names_are_refused() {
    let open = open().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |header: &'static str, value: &'static str| {
        client.get(format!("{}/v1/node", open.url)).header(header, value).send()
    };
    assert_eq!(get("origin", "http://evil.example").await.unwrap().status(), 403);
    assert_eq!(get("host", "evil.example").await.unwrap().status(), 403);
    let answer = get("accept", "*/*").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn what_is_not_a_relay_request_is_refused_before_the_node_sees_it() {
    let open = open().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/clouds/{CLOUD}/relay", open.url);
    let mut trailing = canonical::encode(&envelopes(1));
    trailing.push(0);
    for body in [Vec::new(), vec![0xff; 10], trailing, canonical::encode(&envelopes(MEMBERS_MAX + 1))] {
        assert_eq!(client.post(&url).body(body).send().await.unwrap().status(), 400);
    }
    let elsewhere = format!("{}/v1/clouds/not-an-id/relay", open.url);
    assert_eq!(client.post(elsewhere).body(canonical::encode(&envelopes(1))).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_api_document_names_every_route() {
    let open = open().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = client.get(format!("{}/v1/openapi.json", open.url)).send().await.unwrap().text().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in ["/v1/health", "/v1/node", "/v1/clouds", "/v1/clouds/{id}/log", "/v1/clouds/{id}/relay"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

mod operator {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::data_dir::Layout;
    use crate::http::operator_door;

    #[tokio::test]
    async fn the_operators_socket_is_its_owners_alone_and_replaces_a_dead_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = Layout::new(dir.path()).socket();
        drop(operator_door::listen(&path).unwrap());
        let again = operator_door::listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(again);
    }
}

#[tokio::test]
async fn rates_and_metrics_are_told_to_this_machine_and_not_through_a_proxy() {
    let open = open().await;
    let ask = |path: String| reqwest::Client::new().get(format!("{}{path}", open.url));
    let metrics = ask("/metrics".into()).send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    assert_eq!(metrics.text().await.unwrap(), "# EOF\n");
    let path = format!("/v1/clouds/{CLOUD}/telemetry");
    let rates = |query: &str| ask(format!("{path}{query}"));
    let told: Telemetry = rates("?interval=5").send().await.unwrap().json().await.unwrap();
    assert_eq!(told.interval_s, 5);
    let told: Telemetry = rates("").send().await.unwrap().json().await.unwrap();
    assert_eq!(told.interval_s, 60);
    for request in [ask("/metrics".into()), rates("")] {
        let carried = request.header("x-forwarded-for", "192.0.2.7").send().await.unwrap();
        assert_eq!(carried.status(), 403);
    }
}

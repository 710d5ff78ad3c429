//! The gateway: brings a client's sealed envelopes to all members through any one of them.
//!
//! It sees the cloud, the members, padded sizes and times, and nothing of what is asked or answered
//! (I31). It decides nothing: every member reads its own envelope ([`crate::desk`]).

use crate::desk::{Desk, Unreadable};
use crate::federation::{Network, Refusal as ControlRefusal, RequestError, Service};
use futures::future::join_all;
use polyyne_protocol::canonical;
use polyyne_protocol::envelope::Envelope;
use polyyne_protocol::http::{RelayItem, RelayOutcome, RelayRequest, RelayResponse, RelayResult};
use polyyne_protocol::id::{CloudId, PeerKey};
use polyyne_protocol::limits;
use polyyne_protocol::request::{Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for a node that has just been started to be found fresh.
const START_PATIENCE: Duration = Duration::from_secs(2);
const START_LOOK: Duration = Duration::from_millis(50);

/// What goes from a gateway to a member.
#[derive(Serialize, Deserialize)]
struct Passed {
    cloud: CloudId,
    envelope: ByteBuf,
}

/// What comes back.
#[derive(Serialize, Deserialize)]
enum Returned {
    Answer(ByteBuf),
    Rejected(Refusal),
}

type DeskOf = Arc<dyn Fn(CloudId) -> Result<Arc<Desk>, Refusal> + Send + Sync>;

/// Relays between clients and members. Clones share it.
#[derive(Clone)]
pub struct Gateway {
    network: Network,
    desk_of: DeskOf,
}

impl Gateway {
    /// Also begins to read what other gateways bring.
    pub fn start(
        network: Network,
        desk_of: impl Fn(CloudId) -> Result<Arc<Desk>, Refusal> + Send + Sync + 'static,
    ) -> Self {
        let gateway = Self { network, desk_of: Arc::new(desk_of) };
        let member = gateway.clone();
        gateway.network.serve(Service::RELAY, move |_, payload| {
            let member = member.clone();
            async move {
                let passed: Passed =
                    canonical::decode(&payload, limits::CONTROL_MESSAGE_MAX).map_err(|_| ControlRefusal::Malformed)?;
                Ok(canonical::encode(&member.read(passed.cloud, &passed.envelope).await))
            }
        });
        gateway
    }

    /// Reads an envelope as a member.
    async fn read(&self, cloud: CloudId, bytes: &[u8]) -> Returned {
        match self.answer(cloud, bytes).await {
            Ok(answer) => Returned::Answer(ByteBuf::from(answer.to_bytes())),
            Err(refusal) => Returned::Rejected(refusal),
        }
    }

    async fn answer(&self, cloud: CloudId, bytes: &[u8]) -> Result<Envelope, Refusal> {
        let malformed = |error: polyyne_protocol::envelope::EnvelopeError| {
            Refusal::new(RefusalCode::Malformed, error.to_string(), "")
        };
        let envelope = Envelope::from_bytes(bytes).map_err(malformed)?;
        let desk = self.desk_soon(cloud).await?;
        desk.handle(&envelope).await.map_err(|Unreadable(refusal)| refusal)
    }

    /// The cloud's desk; a node that was just started has it in a moment.
    async fn desk_soon(&self, cloud: CloudId) -> Result<Arc<Desk>, Refusal> {
        let deadline = tokio::time::Instant::now() + START_PATIENCE;
        loop {
            match (self.desk_of)(cloud) {
                Err(refusal) if refusal.code == RefusalCode::NotServing && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(START_LOOK).await;
                }
                found => return found,
            }
        }
    }

    /// Brings each envelope to its member, all at once, and returns what came back in their order.
    pub async fn relay(&self, cloud: CloudId, request: RelayRequest) -> RelayResponse {
        let patience = Duration::from_millis(request.wait_ms.min(limits::EXECUTION_TIMEOUT_MAX_MS));
        let results = request.envelopes.into_iter().map(|item| self.pass(cloud, item, patience));
        RelayResponse { results: join_all(results).await }
    }

    async fn pass(&self, cloud: CloudId, item: RelayItem, patience: Duration) -> RelayResult {
        let member = item.member;
        let returned = if member == self.network.local_key() {
            Ok(self.read(cloud, &item.envelope).await)
        } else {
            self.ask(cloud, item, patience).await
        };
        let outcome = match returned {
            Ok(Returned::Answer(answer)) => RelayOutcome::Answer(answer),
            Ok(Returned::Rejected(refusal)) => RelayOutcome::Rejected(refusal.tamed()),
            Err(cause) => RelayOutcome::Unreachable(cause),
        };
        RelayResult { member, outcome }
    }

    async fn ask(&self, cloud: CloudId, item: RelayItem, patience: Duration) -> Result<Returned, String> {
        let payload = canonical::encode(&Passed { cloud, envelope: item.envelope });
        let answer = self.network.request(item.member, Service::RELAY, payload, patience).await;
        let bytes = answer.map_err(|error: RequestError| error.to_string())?;
        canonical::decode(&bytes, limits::CONTROL_MESSAGE_MAX)
            .map_err(|_| format!("{} sent an answer that cannot be read", PeerKey::peer_id(&item.member)))
    }
}

//! What the client's door sees of a node.

use super::Vcp;
use crate::core::unknown_cloud;
use crate::http::doors::ClientApi;
use polyyne_protocol::admin::Telemetry;
use polyyne_protocol::http::{CloudList, CloudSummary, NodeSummary, RelayRequest, RelayResponse};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::version::WIRE_MAJOR;

impl ClientApi for Vcp {
    fn summary(&self) -> NodeSummary {
        let peer = self.key();
        NodeSummary { peer, peer_id: peer.peer_id(), version: env!("CARGO_PKG_VERSION").to_owned(), wire: WIRE_MAJOR }
    }

    async fn clouds(&self) -> Result<CloudList, Refusal> {
        let clouds = &self.shared.core.clouds;
        let summary = |id| {
            clouds.status(id).map(|status| CloudSummary {
                id,
                name: status.view.name().to_owned(),
                epoch: status.view.epoch(),
                members: status.view.n(),
                live: status.desk.is_some(),
                halted: status.halted,
            })
        };
        Ok(CloudList { clouds: clouds.ids().into_iter().filter_map(summary).collect() })
    }

    async fn log(&self, cloud: CloudId) -> Result<Vec<u8>, Refusal> {
        self.shared.federation.log(cloud).ok_or_else(|| unknown_cloud(cloud))
    }

    async fn telemetry(&self, cloud: CloudId, interval_s: u64) -> Result<Telemetry, Refusal> {
        self.told_telemetry(cloud, interval_s)
    }

    fn metrics(&self) -> String {
        self.prometheus()
    }

    async fn relay(&self, cloud: CloudId, request: RelayRequest) -> Result<RelayResponse, Refusal> {
        let status = self.shared.core.clouds.status(cloud).ok_or_else(|| unknown_cloud(cloud))?;
        if *self.shared.stopping.borrow() {
            return Err(Refusal::new(RefusalCode::NotServing, "this node is stopping", "Ask another member."));
        }
        let strangers = request.envelopes.iter().filter(|item| status.view.member(&item.member).is_none()).count();
        if strangers > 0 || request.envelopes.len() > status.view.n() {
            return Err(Refusal::new(
                RefusalCode::Malformed,
                "envelopes go to members of the cloud, one to each",
                "Fetch the cloud's log again.",
            ));
        }
        Ok(self.shared.core.gateway.relay(cloud, request).await)
    }
}

//! What the two doors need from the node behind them.
//!
//! The routers are generic over these traits, so that they are tested without a network, and so that what a client can
//! reach is what [`ClientApi`] lists and nothing else.

use std::future::Future;

use polyyne_protocol::admin;
use polyyne_protocol::http::{CloudList, NodeSummary, RelayRequest, RelayResponse};
use polyyne_protocol::id::{CloudId, RecordHash};
use polyyne_protocol::request::Refusal;

/// What the client's door does. It sees sealed envelopes only.
pub trait ClientApi: Send + Sync + 'static {
    /// Who this node is; public.
    fn summary(&self) -> NodeSummary;
    /// The clouds that this node is a member of.
    fn clouds(&self) -> impl Future<Output = Result<CloudList, Refusal>> + Send;
    /// The canonical bytes of a cloud's log.
    fn log(&self, cloud: CloudId) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// How fast tuples came and went over so many seconds; told to this machine only.
    fn telemetry(
        &self,
        cloud: CloudId,
        interval_s: u64,
    ) -> impl Future<Output = Result<admin::Telemetry, Refusal>> + Send;
    /// What monitoring collects, in the text form of Prometheus; told to this machine only.
    fn metrics(&self) -> String;
    /// Brings each sealed envelope to its member and collects what each says.
    fn relay(
        &self,
        cloud: CloudId,
        request: RelayRequest,
    ) -> impl Future<Output = Result<RelayResponse, Refusal>> + Send;
}

/// What the operator's door does. Whoever may open the socket is the operator.
pub trait OperatorApi: Send + Sync + 'static {
    fn status(&self) -> impl Future<Output = Result<admin::Status, Refusal>> + Send;
    fn peers(&self) -> impl Future<Output = Result<admin::Peers, Refusal>> + Send;

    fn clouds(&self) -> impl Future<Output = Result<admin::Clouds, Refusal>> + Send;
    fn cloud(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Cloud, Refusal>> + Send;
    /// The records of a cloud's log.
    fn history(&self, cloud: CloudId) -> impl Future<Output = Result<admin::History, Refusal>> + Send;
    /// Proposes a cloud; returns when every signature is there or cannot be had.
    fn form(&self, form: admin::Form) -> impl Future<Output = Result<admin::Proposed, Refusal>> + Send;
    fn rekey(
        &self,
        cloud: CloudId,
        rekey: admin::Rekey,
    ) -> impl Future<Output = Result<admin::Proposed, Refusal>> + Send;

    fn invitations(&self) -> impl Future<Output = Result<admin::Invitations, Refusal>> + Send;
    fn accept(&self, record: RecordHash) -> impl Future<Output = Result<admin::Proposed, Refusal>> + Send;
    fn decline(&self, record: RecordHash) -> impl Future<Output = Result<admin::Proposed, Refusal>> + Send;

    fn generation(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Generation, Refusal>> + Send;
    fn generate(
        &self,
        cloud: CloudId,
        wish: admin::Generate,
    ) -> impl Future<Output = Result<admin::Generation, Refusal>> + Send;
    fn pause(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Generation, Refusal>> + Send;
    fn resume(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Generation, Refusal>> + Send;
    fn stock(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Stock, Refusal>> + Send;
    /// How fast tuples came and went over so many seconds.
    fn telemetry(
        &self,
        cloud: CloudId,
        interval_s: u64,
    ) -> impl Future<Output = Result<admin::Telemetry, Refusal>> + Send;
    /// The account of every kind, counted row by row.
    fn audit(&self, cloud: CloudId) -> impl Future<Output = Result<admin::StockAudit, Refusal>> + Send;

    fn doctor(&self) -> impl Future<Output = Result<admin::Diagnosis, Refusal>> + Send;
    /// Writes a back-up.
    fn back_up(&self, wish: admin::BackUp) -> impl Future<Output = Result<admin::BackedUp, Refusal>> + Send;
    /// Gives up the stores that are in quarantine.
    fn renew(&self) -> impl Future<Output = Result<admin::Renewed, Refusal>> + Send;
    /// Begins an orderly end; the answer is what is still going on.
    fn shutdown(&self) -> impl Future<Output = Result<admin::Status, Refusal>> + Send;
}

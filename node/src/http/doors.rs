//! What the two doors need from the node behind them.
//!
//! The routers are generic over these traits, so that they are tested without a network, and so that what a client can
//! reach is what [`ClientApi`] lists and nothing else.

use std::future::Future;

use polyyne_protocol::admin;
use polyyne_protocol::http::{CloudEntry, LogAnswer, MemberAnswer, NodeInfo};
use polyyne_protocol::id::{CloudId, PeerKey};

/// Why the node does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no such cloud, invitation or kind here.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense; nothing was done.
    #[error("{0}")]
    Invalid(String),
    /// A member, a policy or the state of the cloud does not allow it.
    #[error("{0}")]
    Refused(String),
    /// A member that is needed cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Members differ or one misbehaved.
    #[error("{0}")]
    Aborted(String),
    /// Too much is going on; try again.
    #[error("{0}")]
    Busy(String),
    /// This node failed.
    #[error("{0}")]
    Failed(String),
}

/// What the operator's door does. Every answer is a JSON type of [`admin`].
pub trait OperatorApi: Send + Sync + 'static {
    fn status(&self) -> impl Future<Output = Result<admin::NodeStatus, Denied>> + Send;
    fn form_cloud(&self, wish: admin::FormCloud) -> impl Future<Output = Result<admin::Formed, Denied>> + Send;
    fn invitations(&self) -> impl Future<Output = Result<Vec<admin::Invitation>, Denied>> + Send;
    fn accept(&self, invitation: String) -> impl Future<Output = Result<admin::Formed, Denied>> + Send;
    fn decline(&self, invitation: String) -> impl Future<Output = Result<(), Denied>> + Send;
    fn clouds(&self) -> impl Future<Output = Result<Vec<admin::CloudSummary>, Denied>> + Send;
    fn cloud(&self, cloud: CloudId) -> impl Future<Output = Result<admin::CloudDetail, Denied>> + Send;
    fn rekey(&self, cloud: CloudId) -> impl Future<Output = Result<admin::Formed, Denied>> + Send;
    fn generation(&self, cloud: CloudId) -> impl Future<Output = Result<admin::GenerationStatus, Denied>> + Send;
    fn generate(&self, cloud: CloudId, wish: admin::Generate) -> impl Future<Output = Result<(), Denied>> + Send;
    fn set_generation(&self, cloud: CloudId, running: bool) -> impl Future<Output = Result<(), Denied>> + Send;
    fn stock(&self, cloud: CloudId) -> impl Future<Output = Result<Vec<admin::StockLine>, Denied>> + Send;
    fn findings(&self) -> impl Future<Output = Result<Vec<admin::Finding>, Denied>> + Send;
}

/// What the client's door does. It sees sealed envelopes only.
pub trait ClientApi: Send + Sync + 'static {
    /// Who this node is; public.
    fn info(&self) -> NodeInfo;
    /// The clouds that this node is a member of.
    fn clouds(&self) -> impl Future<Output = Result<Vec<CloudEntry>, Denied>> + Send;
    /// The signed log of one cloud.
    fn log(&self, cloud: CloudId) -> impl Future<Output = Result<LogAnswer, Denied>> + Send;
    /// Hands one sealed envelope to each member and collects what each says.
    fn relay(
        &self,
        cloud: CloudId,
        envelopes: Vec<(PeerKey, Vec<u8>)>,
    ) -> impl Future<Output = Result<Vec<MemberAnswer>, Denied>> + Send;
}

//! What members tell each other about secrets and executions: signed statements, pulled by whoever
//! needs them, and made anew from durable rows each time.

use crate::desk::Desk;
use crate::federation::{Network, Refusal, Service};
use crate::seat::Seat;
use futures::future::join_all;
use polyyne_protocol::canonical;
use polyyne_protocol::id::{ClientKey, CloudId, PeerKey, SecretId};
use polyyne_protocol::sign::Signed;
use polyyne_protocol::vote::{
    ExecutionChecked, ExecutionKey, ResultCertificate, Tombstone, Upload, UploadAbort, UploadCertificate, UploadVote,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// For one member's answer.
const PATIENCE: Duration = Duration::from_secs(5);
const MESSAGE_BYTES_MAX: usize = 1 << 20;
const QUESTION_BYTES_MAX: usize = 1 << 10;

/// What members ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// With what the client signed: nobody is asked about an id that no client used.
    Upload(Box<Signed<Upload>>),
    /// On behalf of this client.
    Deletion(SecretId, ClientKey),
    Execution(ExecutionKey),
}

/// What they answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// Nothing to say yet.
    Pending,
    Vote(Signed<UploadVote>),
    Committed(UploadCertificate),
    Aborted(Signed<UploadAbort>),
    Deleted(Signed<Tombstone>),
    Checked(Signed<ExecutionChecked>),
    /// The results are visible here; the row of the execution may be gone.
    Certified(ResultCertificate),
}

/// Answers members of any cloud of this node.
pub fn serve(network: &Network, of_cloud: impl Fn(CloudId) -> Option<Arc<Desk>> + Send + Sync + 'static) {
    let of_cloud = Arc::new(of_cloud);
    network.serve(Service::VOTES, move |from, payload| {
        let of_cloud = of_cloud.clone();
        async move {
            let (cloud, question) = canonical::decode(&payload, QUESTION_BYTES_MAX).map_err(|_| Refusal::Malformed)?;
            let desk = of_cloud(cloud).ok_or(Refusal::NoSuchService)?;
            if desk.seat.view.member(&from).is_none() {
                return Err(Refusal::NotPermitted);
            }
            let statement = match question {
                Question::Upload(upload) => desk.amphora.upload_statement(&upload).await,
                Question::Deletion(secret, client) => Some(desk.amphora.deletion_statement(secret, client)),
                Question::Execution(execution) => desk.ephemeral.checked_statement(&execution, &desk.amphora),
            };
            Ok(canonical::encode(&statement.ok_or(Refusal::Failed)?))
        }
    });
}

/// Asks all other members; `None` for one that does not answer.
pub async fn ask_all(seat: &Seat, question: Question) -> Vec<(PeerKey, Option<Statement>)> {
    let payload = canonical::encode(&(seat.view.cloud(), question));
    let own = PeerKey::of(&seat.identity.signing);
    let others = seat.view.members().iter().map(|member| member.peer).filter(|peer| *peer != own);
    let asked = others.map(|peer| {
        let payload = payload.clone();
        async move {
            let answer = seat.network.request(peer, Service::VOTES, payload, PATIENCE).await.ok();
            (peer, answer.and_then(|bytes| canonical::decode(&bytes, MESSAGE_BYTES_MAX).ok()))
        }
    });
    join_all(asked).await
}

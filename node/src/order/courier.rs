//! How questions reach the sequencer: over control requests in a node, in memory in tests.

use std::time::Duration;

use polyyne_engine::port::BoxFuture;
use polyyne_protocol::{canonical, id::PeerKey};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{AskRefused, Numbered, Order, Question, limits::PATIENCE_MAX};
use crate::{
    federation::{Directory, Network, Refusal, RequestError, Service},
    seat::AWAY,
    store::MacScope,
};

/// Bytes of a question or an answer.
const MESSAGE_MAX: usize = 1024;

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    Refused(AskRefused),
    TimedOut,
    Lost,
}

/// Carries a question to the sequencer and its number back, within the patience.
pub trait Courier: Send + Sync {
    fn ask(
        &self,
        sequencer: PeerKey,
        question: Question,
        patience: Duration,
    ) -> BoxFuture<'_, Result<Numbered, Failed>>;

    /// Resolves when one of these members is gone for long, or is another process than at the call.
    fn lost<'a>(&'a self, members: &'a [PeerKey]) -> BoxFuture<'a, PeerKey>;
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Number(Numbered),
    Refused(AskRefused),
    GaveUp,
}

pub struct NetworkCourier {
    pub network: Network,
    pub directory: Directory,
}

impl Courier for NetworkCourier {
    fn ask(
        &self,
        sequencer: PeerKey,
        question: Question,
        patience: Duration,
    ) -> BoxFuture<'_, Result<Numbered, Failed>> {
        Box::pin(async move {
            let asked = self.network.request(sequencer, Service::ORDER, canonical::encode(&question), patience).await;
            let reply = asked.map_err(|error| match error {
                RequestError::Timeout(_) => Failed::TimedOut,
                RequestError::Refused(_, Refusal::NoSuchService) => Failed::Refused(AskRefused::NotReady),
                _ => Failed::Lost,
            })?;
            match canonical::decode(&reply, MESSAGE_MAX).map_err(|_| Failed::Lost)? {
                Reply::Number(numbered) => Ok(numbered),
                Reply::Refused(refused) => Err(Failed::Refused(refused)),
                Reply::GaveUp => Err(Failed::TimedOut),
            }
        })
    }

    fn lost<'a>(&'a self, members: &'a [PeerKey]) -> BoxFuture<'a, PeerKey> {
        Box::pin(async move {
            tokio::select! {
                member = self.network.away(members, AWAY) => member,
                member = self.directory.restarted(members) => member,
            }
        })
    }
}

/// The sequencer's answer to a question that arrived.
pub async fn answer(
    find: impl Fn(MacScope) -> Option<Order>,
    from: PeerKey,
    payload: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let question: Question = canonical::decode(payload, MESSAGE_MAX).map_err(|_| Refusal::Malformed)?;
    let patience = Duration::from_millis(question.patience_ms).min(PATIENCE_MAX);
    let order = find(question.queue.scope());
    let reply = match order.map_or(Err(AskRefused::NotReady), |order| order.hub.ask(from, &question)) {
        Err(refused) => Reply::Refused(refused),
        Ok(number) => match timeout(patience, number).await {
            Ok(Ok(numbered)) => Reply::Number(numbered),
            Ok(Err(_)) | Err(_) => Reply::GaveUp,
        },
    };
    Ok(canonical::encode(&reply))
}

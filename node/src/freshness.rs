//! Freshness: a node is sealed in a cloud until every other member has heard where its store stands and knows nothing
//! newer of it (I34).
//!
//! ```text
//! sealed ─ all members asked ─▶ nobody knows of this node's store ──▶ it begins          ──▶ serves
//!                            ├▶ everybody knows this state or older ────────────────────────▶ serves
//!                            ├▶ this store has not begun, an earlier one had ─▶ it is renewed ▶ serves
//!                            └▶ somebody knows a newer state ─▶ QUARANTINED ─ `vcp node renew` ─▶ renewed
//! ```
//! The proof of a newer state is this node's own signature, so that no member can put another one in quarantine. What
//! quarantine means: the data directory is a copy of an earlier state, or runs a second time elsewhere. Its tuples may
//! have been spent; none of them is used again. An operator who knows that no other copy runs gives the store up, and
//! the node goes on with a new one; members that hear of it throw away what they made with the old.
//!
//! Answering members costs no seal, so that two nodes that start at the same time do not wait for each other.

use crate::castor::{Castor, PeerHead};
use crate::federation::{Network, Refusal, Service};
use crate::seat::Identity;
use crate::store::{CloudId as CloudRow, Fault};
use futures::future::join_all;
use polyyne_protocol::canonical;
use polyyne_protocol::id::{CloudId, PeerKey};
use polyyne_protocol::sign::Signed;
use polyyne_protocol::store_head::StoreHead;
use polyyne_protocol::view::CloudView;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// For one member's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two rounds of asking.
const AGAIN: Duration = Duration::from_millis(250);
const MESSAGE_BYTES_MAX: usize = 4096;

/// Why a cloud is not served yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// This member, among others perhaps, has not answered.
    Asking(Option<PeerKey>),
    /// This member showed a newer state of this node's store, signed by this node.
    Quarantined(PeerKey),
}

#[derive(Serialize, Deserialize)]
struct Question {
    cloud: CloudId,
    /// Where the asking store stands, if it has begun.
    head: Option<Signed<StoreHead>>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// The newest that the answering member knows of the asking one, what it was just told included.
    known: Option<Signed<StoreHead>>,
}

/// What asking and answering for one cloud needs.
#[derive(Clone)]
pub struct Witness {
    pub view: CloudView,
    pub castor: Castor,
    pub identity: Arc<Identity>,
    pub network: Network,
}

/// What a round of asking came to.
enum Round {
    Fresh,
    /// The store had not begun and has now.
    Begun,
    /// This member has not answered, or has not taken note.
    Again(PeerKey),
    Quarantined(PeerKey),
}

/// Answers members of any cloud of this node, sealed or not.
pub fn serve(network: &Network, of_cloud: impl Fn(CloudId) -> Option<Witness> + Send + Sync + 'static) {
    let of_cloud = Arc::new(of_cloud);
    network.serve(Service::FRESH, move |from, payload| {
        let of_cloud = of_cloud.clone();
        async move {
            let question: Question = canonical::decode(&payload, MESSAGE_BYTES_MAX).map_err(|_| Refusal::Malformed)?;
            let witness = of_cloud(question.cloud).ok_or(Refusal::NoSuchService)?;
            if witness.view.member(&from).is_none() {
                return Err(Refusal::NotPermitted);
            }
            let answer = witness.answer(from, question).await?;
            Ok(canonical::encode(&answer))
        }
    });
}

impl Witness {
    fn row(&self) -> CloudRow {
        CloudRow(self.view.cloud().0)
    }

    async fn answer(&self, from: PeerKey, question: Question) -> Result<Answer, Refusal> {
        let failed = |_: Fault| Refusal::Failed;
        if let Some(signed) = question.head {
            let told = PeerHead::of(signed, from, self.row()).ok_or(Refusal::Malformed)?;
            let standing = self.castor.hear(self.row(), told).await.map_err(failed)?;
            if !standing.is_good() {
                tracing::warn!(member = from.peer_id(), ?standing, "a member's store is not where it was");
            }
        }
        let known = self.castor.peer_head(self.row(), from).map_err(failed)?;
        Ok(Answer { known: known.map(PeerHead::into_signed) })
    }

    /// Returns when the cloud may be served. `report` hears why it may not yet; `renewed` fires when the operator has
    /// given up a store in quarantine.
    pub async fn unseal(&self, report: impl Fn(Seal), renewed: &Notify) {
        loop {
            match self.ask_all().await {
                Ok(Round::Fresh) => return,
                Ok(Round::Begun) => {}
                Ok(Round::Again(missing)) => {
                    report(Seal::Asking(Some(missing)));
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(Round::Quarantined(by)) => {
                    tracing::error!(
                        cloud = %self.view.cloud(),
                        member = by.peer_id(),
                        "QUARANTINE: this member knows a newer state of this node's store. The data directory is an old copy, \
                         or runs elsewhere too. Nothing of it is used; `vcp node renew` gives it up and goes on with a new store"
                    );
                    report(Seal::Quarantined(by));
                    renewed.notified().await;
                }
                Err(error) => {
                    tracing::error!(%error, "where the store stands cannot be read");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// One round. This node's store does not move while it is sealed, so that a round is about one state.
    async fn ask_all(&self) -> Result<Round, Fault> {
        let own = self.castor.begun(self.row())?.map(|head| head.statement(self.row()));
        let head = own.clone().map(|head| Signed::sign(head, &self.identity.signing));
        let question = canonical::encode(&Question { cloud: self.view.cloud(), head });
        let me = PeerKey::of(&self.identity.signing);
        let others = self.view.members().iter().map(|member| member.peer).filter(|peer| *peer != me);
        let asked = others.map(|peer| {
            let question = question.clone();
            async move {
                let answer = self.network.request(peer, Service::FRESH, question, PATIENCE).await.ok();
                (peer, answer.and_then(|bytes| canonical::decode::<Answer>(&bytes, MESSAGE_BYTES_MAX).ok()))
            }
        });
        let mut known = Vec::new();
        for (peer, answer) in join_all(asked).await {
            match answer {
                None => return Ok(Round::Again(peer)),
                // What this node did not sign is nothing that it said.
                Some(Answer { known: said }) => {
                    known.push((peer, said.and_then(|signed| PeerHead::of(signed, me, self.row()))));
                }
            }
        }
        match own {
            Some(own) => Ok(judge(&own, &known)),
            None => {
                let before = known.iter().flat_map(|(_, said)| said).map(|said| said.head().renewal).max();
                let renewal = before.map_or(0, |before| before.saturating_add(1));
                if renewal > 0 {
                    tracing::warn!(cloud = %self.view.cloud(), renewal, "this node begins a new store in this cloud");
                }
                self.castor.begin(self.row(), renewal).await?;
                Ok(Round::Begun)
            }
        }
    }
}

/// What members know of this node's store, which stands at `own`.
fn judge(own: &StoreHead, known: &[(PeerKey, Option<PeerHead>)]) -> Round {
    for (peer, said) in known {
        match said {
            Some(said) if !own.after(said.head()).is_good() => return Round::Quarantined(*peer),
            Some(said) if said.head() == own => {}
            // It has not taken note.
            _ => return Round::Again(*peer),
        }
    }
    Round::Fresh
}

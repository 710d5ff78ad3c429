//! MAC keys: who asks for one, who proposes it, and what every member has drawn for it.

use futures::future::join_all;
use polyyne_protocol::{
    id::{CloudId, MacKeyId, PeerKey},
    log::CloudLog,
    membership::{KeyCommitment, MacKey, Record},
    view::CloudView,
};

use super::super::{
    MembershipError,
    wire::{Question, Reply},
};
use super::{Cloud, Desk};
use crate::federation::{Refusal, RequestError};

impl Desk {
    pub async fn rekey(&self, cloud: CloudId) -> Result<(), MembershipError> {
        let log = self.log(cloud)?;
        let first = log.view().members()[0].peer;
        if first == self.me {
            self.state().rekey.insert(cloud);
            self.wake.notify_one();
            return Ok(());
        }
        let burned = log.view().mac_key().map(|key| key.id);
        match self.ask(first, &Question::Rekey { cloud, burned }).await {
            Ok(Reply::Done) => Ok(()),
            _ => Err(MembershipError::NoProposer),
        }
    }

    /// There is no usable key, as far as this node knows.
    pub(super) fn wants_key(&self, view: &CloudView) -> bool {
        view.mac_key().is_none_or(|key| self.config.shares.is_burned(view.cloud(), key.id))
    }

    /// Proposes a key for every cloud that has none and whose first member this node is.
    pub(super) async fn make_keys(&self) {
        let wanting: Vec<CloudLog> = {
            let state = self.state();
            let ours = |cloud: &&Cloud| {
                let view = cloud.log.view();
                let asked = view.mac_key().is_none() || state.rekey.contains(&view.cloud());
                let open = state.open.values().any(|open| open.proposal.record().head().cloud == Some(view.cloud()));
                !cloud.halted && view.members()[0].peer == self.me && asked && self.wants_key(view) && !open
            };
            state.clouds.values().filter(ours).map(|cloud| cloud.log.clone()).collect()
        };
        for log in wanting {
            if let Err(error) = self.make_key(&log).await {
                tracing::info!(cloud = %log.cloud(), "no MAC key could be proposed: {error}");
            }
        }
    }

    async fn make_key(&self, log: &CloudLog) -> Result<(), MembershipError> {
        let (view, key) = (log.view(), MacKeyId(rand::random()));
        let field = view.parameters().prime;
        let asked = view.members().iter().map(|member| async {
            if member.peer == self.me {
                let commitment = self.config.shares.commitment(view.cloud(), key, field).await?;
                return Ok(KeyCommitment { peer: member.peer, commitment });
            }
            match self.ask(member.peer, &Question::Commitment { cloud: view.cloud(), key }).await {
                Ok(Reply::Commitment(commitment)) => Ok(KeyCommitment { peer: member.peer, commitment }),
                Ok(_) => Err(MembershipError::Member(RequestError::Lost(member.peer).into())),
                Err(error) => Err(MembershipError::Member(error.into())),
            }
        });
        let commitments = join_all(asked).await.into_iter().collect::<Result<_, _>>()?;
        let head = self.free_head(log)?;
        self.propose(Record::MacKey(MacKey { head, field, key, commitments })).await.map(drop)
    }

    pub(super) async fn commit(&self, from: PeerKey, cloud: CloudId, key: MacKeyId) -> Result<Reply, Refusal> {
        let log = self.log(cloud).map_err(|_| Refusal::NotPermitted)?;
        let view = log.view();
        if view.members()[0].peer != from || !self.wants_key(view) {
            return Err(Refusal::NotPermitted);
        }
        let drawn = self.config.shares.commitment(cloud, key, view.parameters().prime).await;
        drawn.map(Reply::Commitment).map_err(|_| Refusal::Failed)
    }

    pub(super) fn hear_rekey(&self, from: PeerKey, cloud: CloudId, burned: Option<MacKeyId>) -> Result<Reply, Refusal> {
        let log = self.log(cloud).map_err(|_| Refusal::NotPermitted)?;
        let view = log.view();
        let same = view.mac_key().map(|key| key.id) == burned;
        if view.member(&from).is_none() || !same || !self.wants_key(view) {
            return Err(Refusal::NotPermitted);
        }
        self.state().rekey.insert(cloud);
        self.wake.notify_one();
        Ok(Reply::Done)
    }
}

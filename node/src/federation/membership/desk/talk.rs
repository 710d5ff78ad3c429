//! Talking with members: about open proposals, and about records that one side has not seen.

use futures::future::join_all;
use polyyne_protocol::{
    canonical,
    id::{CloudId, Epoch, PeerKey, RecordHash},
    limits::{CONTROL_MESSAGE_MAX, INVITATIONS_MAX},
    log::{CloudLog, LogError, SignedRecord, signers},
    membership::Record,
    proposal::Proposal,
    view::CloudView,
};
use std::time::Duration;
use tokio::time::Instant;

use super::super::{
    MembershipError, StoreError,
    wire::{Own, Question, Reply, Talk},
};
use super::{Desk, Open, QUIET_MAX};
use crate::federation::{Refusal, RequestError, Service};

/// How long one question to a member may take.
const ASK: Duration = Duration::from_secs(10);

impl Desk {
    pub(super) async fn ask(&self, peer: PeerKey, question: &Question) -> Result<Reply, RequestError> {
        let answer = self.network.request(peer, Service::MEMBERSHIP, canonical::encode(question), ASK).await?;
        canonical::decode(&answer, CONTROL_MESSAGE_MAX).map_err(|_| RequestError::Lost(peer))
    }

    /// Tells every signer that has not signed what we say, and hears what it says.
    pub(super) async fn talk_where_due(&self) {
        let now = Instant::now();
        let due: Vec<Open> = {
            let mut state = self.state();
            let due = state.open.values_mut().filter(|open| open.own.promise.is_some() && open.next_talk <= now);
            let talked = |open: &mut Open| {
                open.next_talk = now + open.quiet;
                open.quiet = (open.quiet * 2).min(QUIET_MAX);
                open.clone()
            };
            due.map(talked).collect()
        };
        let talks = due.iter().flat_map(|open| {
            let others = open.proposal.signatures_missing().into_iter().filter(|peer| *peer != self.me);
            others.map(move |peer| self.talk(open, peer))
        });
        join_all(talks.collect::<Vec<_>>()).await;
    }

    async fn talk(&self, open: &Open, peer: PeerKey) {
        let record = open.proposal.record().clone();
        let log = match record.head().cloud.map(|cloud| self.records(cloud, 0)) {
            Some(Some(log)) => log,
            _ => open.log.clone(),
        };
        let talk = Talk { record, log, own: open.own.clone() };
        let heard = match self.ask(peer, &Question::Talk(Box::new(talk))).await {
            Ok(Reply::Own(own)) => self.count(open.id(), peer, &own).await,
            Ok(Reply::Complete(complete)) => {
                let _step = self.steps.lock().await;
                self.append(&open.log, *complete).await
            }
            Ok(_) => return,
            Err(error) => return tracing::debug!(peer = peer.peer_id(), "not talked to: {error}"),
        };
        if let Err(error) = heard {
            tracing::warn!(peer = peer.peer_id(), "what a member said about a record does not count: {error}");
        }
    }

    /// Counts what a signer says about an open proposal.
    async fn count(&self, id: RecordHash, peer: PeerKey, own: &Own) -> Result<(), MembershipError> {
        let _step = self.steps.lock().await;
        let Some(mut open) = self.open(id) else { return Ok(()) };
        let before = open.proposal.clone();
        count(&mut open.proposal, peer, own)?;
        if open.proposal == before {
            return Ok(());
        }
        open.stir();
        self.settle(open).await
    }

    pub(super) async fn hear(&self, from: PeerKey, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let question = canonical::decode(payload, CONTROL_MESSAGE_MAX).map_err(|_| Refusal::Malformed)?;
        let reply = match question {
            Question::Talk(talk) => self.hear_talk(from, *talk).await.map_err(|error| {
                tracing::info!(peer = from.peer_id(), "a proposal was turned away: {error}");
                Refusal::NotPermitted
            })?,
            Question::Records { cloud, from: epoch } => {
                Reply::Records(self.records(cloud, epoch).ok_or(Refusal::NotPermitted)?)
            }
            Question::Commitment { cloud, key } => self.commit(from, cloud, key).await?,
            Question::Rekey { cloud, burned } => self.hear_rekey(from, cloud, burned)?,
        };
        Ok(canonical::encode(&reply))
    }

    async fn hear_talk(&self, from: PeerKey, talk: Talk) -> Result<Reply, MembershipError> {
        let id = talk.record.hash();
        if let Some(complete) = self.completed(&talk.record) {
            return Ok(Reply::Complete(Box::new(complete)));
        }
        {
            let _step = self.steps.lock().await;
            if self.open(id).is_none() {
                self.admit(from, &talk).await?;
            }
        }
        self.count(id, from, &talk.own).await?;
        match self.open(id) {
            Some(open) => Ok(Reply::Own(Box::new(open.own))),
            None => {
                self.completed(&talk.record).map(Box::new).map(Reply::Complete).ok_or(MembershipError::NoInvitation(id))
            }
        }
    }

    fn completed(&self, record: &Record) -> Option<SignedRecord> {
        let state = self.state();
        let records = state.clouds.get(&record.cloud())?.log.records();
        records.iter().find(|known| known.record == *record).cloned()
    }

    /// Takes in a proposal that is new here; accepts it if the policy says so.
    async fn admit(&self, from: PeerKey, talk: &Talk) -> Result<(), MembershipError> {
        if self.state().open.len() >= INVITATIONS_MAX {
            return Err(MembershipError::TooMany);
        }
        let (before, log) = match talk.record.head().cloud {
            None => (None, Vec::new()),
            Some(cloud) => {
                self.follow(cloud, &talk.log).await?;
                match self.log(cloud) {
                    Ok(log) => (Some(log), Vec::new()),
                    Err(MembershipError::NoCloud(_)) => {
                        let log = CloudLog::from_records(talk.log.clone())?;
                        if log.cloud() != cloud {
                            return Err(LogError::WrongCloud { expected: cloud, got: log.cloud() }.into());
                        }
                        (Some(log), talk.log.clone())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let all = signers(before.as_ref().map(CloudLog::view), &talk.record);
        if !all.contains(&from) || !all.contains(&self.me) {
            return Err(MembershipError::NoInvitation(talk.record.hash()));
        }
        let mut open = self.opened(talk.record.clone(), before.as_ref(), log, from)?;
        let accept = self.is_welcome(&open, before.as_ref().map(CloudLog::view)).await?;
        self.config.store.keep_proposal(open.id(), open.stored()).await?;
        if accept {
            match self.promise(&mut open).await {
                // another attempt is promised; the operator sees this one as an invitation
                Ok(()) | Err(MembershipError::Store(StoreError::OtherRecord | StoreError::WrongState)) => {}
                Err(error) => return Err(error),
            }
        }
        self.settle(open).await
    }

    /// Whether a proposal needs no operator.
    async fn is_welcome(&self, open: &Open, before: Option<&CloudView>) -> Result<bool, MembershipError> {
        match (open.proposal.record(), before) {
            (Record::Membership(_), _) => {
                let mut others = open.proposal.signers().iter().filter(|peer| **peer != self.me);
                Ok(others.all(|peer| self.config.accept.contains(peer)))
            }
            (Record::MacKey(record), Some(view)) => {
                let own = record.commitments.iter().find(|commitment| commitment.peer == self.me);
                let drawn = self.config.shares.commitment(view.cloud(), record.key, record.field).await?;
                Ok(self.wants_key(view) && own.is_some_and(|own| own.commitment == drawn))
            }
            (Record::MacKey(_), None) => Ok(false),
        }
    }

    pub(super) async fn sync(&self) {
        let logs: Vec<(CloudId, Epoch, Vec<PeerKey>)> = {
            let state = self.state();
            let live = state.clouds.values().filter(|cloud| !cloud.halted).map(|cloud| cloud.log.view());
            live.map(|v| (v.cloud(), v.epoch(), v.members().iter().map(|m| m.peer).collect())).collect()
        };
        let asked = logs.into_iter().flat_map(|(cloud, epoch, members)| {
            let others = members.into_iter().filter(|peer| *peer != self.me);
            // the newest one too: if it differs, the cloud has forked
            others.map(move |peer| async move {
                let question = Question::Records { cloud, from: epoch.0 };
                if let Ok(Reply::Records(records)) = self.ask(peer, &question).await {
                    let _step = self.steps.lock().await;
                    if let Err(error) = self.follow(cloud, &records).await {
                        tracing::warn!(peer = peer.peer_id(), %cloud, "a member's log does not follow ours: {error}");
                    }
                }
            })
        });
        join_all(asked.collect::<Vec<_>>()).await;
    }

    /// Takes newer records of a cloud that this node is in.
    pub(super) async fn follow(&self, cloud: CloudId, records: &[SignedRecord]) -> Result<(), MembershipError> {
        if !self.state().clouds.contains_key(&cloud) {
            return Ok(());
        }
        for record in records {
            if record.record.cloud() != cloud {
                return Err(LogError::OtherCloud(record.record.head().epoch).into());
            }
            self.append(&[], record.clone()).await?;
        }
        Ok(())
    }
}

/// Counts what `peer` itself says; what it brings of others is not asked for.
fn count(proposal: &mut Proposal, peer: PeerKey, own: &Own) -> Result<(), MembershipError> {
    if let Some(promise) = own.promise.as_ref().filter(|promise| promise.signer() == peer) {
        proposal.promise(promise)?;
    }
    if let Some(signature) = own.signature.as_ref().filter(|signature| signature.signer() == peer) {
        proposal.signature(signature)?;
    }
    Ok(())
}

//! The state of membership and every step on it.
//!
//! Steps that change anything run one at a time; each makes durable what it is about to say before
//! the state that is sent from shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::future::join_all;
use libp2p::Multiaddr;
use polyyne_protocol::{
    assurance::Acceptance,
    canonical,
    id::{Attempt, CloudId, Epoch, MacKeyId, Nonce, PartyIndex, PeerKey, RecordHash},
    limits::{ATTEMPTS_MAX, CONTROL_MESSAGE_MAX, INVITATIONS_MAX, LOG_MAX},
    log::{Appended, CloudLog, LogError, SignedRecord, signers},
    membership::{Head, KeyCommitment, MacKey, Member, Membership, Record},
    proposal::{Proposal, Stance},
    sign::Signed,
    stock::StockRule,
    version::SecurityParameters,
    view::{CloudView, CurrentMacKey},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::{
    CloudStatus, Invitation, MembershipConfig, MembershipError, Place, Said, StoreError,
    wire::{Own, Question, Reply, Stored, Talk},
};
use crate::federation::{Directory, Network, Refusal, RequestError, Service};

/// How long one question to a member may take.
const ASK: Duration = Duration::from_secs(10);
/// How often open work is looked at.
const TICK: Duration = Duration::from_millis(100);
/// A proposal is talked about so often at first, and ever more rarely up to [`QUIET_MAX`].
const QUIET_MIN: Duration = Duration::from_millis(200);
const QUIET_MAX: Duration = Duration::from_secs(10);
/// How often members are asked for newer records.
const SYNC: Duration = Duration::from_secs(5);

pub struct Desk {
    network: Network,
    directory: Directory,
    config: MembershipConfig,
    me: PeerKey,
    state: Mutex<State>,
    /// Held over every step that changes the state.
    steps: tokio::sync::Mutex<()>,
    changes: watch::Sender<u64>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    clouds: BTreeMap<CloudId, Cloud>,
    open: BTreeMap<RecordHash, Open>,
    /// Clouds that want a new key in place of a burned one.
    rekey: BTreeSet<CloudId>,
}

#[derive(Clone)]
struct Cloud {
    log: CloudLog,
    halted: bool,
}

/// A proposal that is not complete.
#[derive(Clone)]
struct Open {
    proposal: Proposal,
    /// The log before it, where this node is not in the cloud yet.
    log: Vec<SignedRecord>,
    from: PeerKey,
    own: Own,
    declined: bool,
    next_talk: Instant,
    quiet: Duration,
}

impl Open {
    fn id(&self) -> RecordHash {
        self.proposal.statement().record
    }

    fn place(&self) -> Place {
        place(self.proposal.record())
    }

    /// Something has changed: it is worth talking about at once.
    fn stir(&mut self) {
        self.next_talk = Instant::now();
        self.quiet = QUIET_MIN;
    }

    fn before(&self, state: &State) -> Option<CloudLog> {
        let cloud = self.proposal.record().head().cloud?;
        match state.clouds.get(&cloud) {
            Some(known) => Some(known.log.clone()),
            None => CloudLog::from_records(self.log.clone()).ok(),
        }
    }

    fn stored(&self) -> Vec<u8> {
        let record = self.proposal.record().clone();
        canonical::encode(&Stored { record, log: self.log.clone(), from: self.from, declined: self.declined })
    }
}

fn place(record: &Record) -> Place {
    let head = record.head();
    let subject = head.cloud.map_or(record.hash().0, |cloud| cloud.0);
    Place { subject, epoch: head.epoch.0, attempt: head.attempt.0 }
}

impl Desk {
    pub async fn load(
        network: Network,
        directory: Directory,
        config: MembershipConfig,
    ) -> Result<Self, MembershipError> {
        let mut state = State::default();
        for rows in config.store.logs()? {
            let records = rows.iter().map(|row| canonical::decode(row, LOG_MAX).map_err(LogError::from));
            let log = CloudLog::from_records(records.collect::<Result<_, _>>()?)?;
            let halted = config.store.is_halted(log.cloud())?;
            state.clouds.insert(log.cloud(), Cloud { log, halted });
        }
        let me = PeerKey::of(&config.key);
        let desk = Self {
            network,
            directory,
            config,
            me,
            state: Mutex::new(state),
            steps: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
            wake: Notify::new(),
        };
        for row in desk.config.store.proposals()? {
            desk.reopen(&row).await?;
        }
        desk.keep_connected().await;
        Ok(desk)
    }

    pub fn serve(desk: &Arc<Self>) {
        let weak = Arc::downgrade(desk);
        desk.network.serve(Service::MEMBERSHIP, move |from, payload| {
            let desk = weak.upgrade();
            async move { desk.ok_or(Refusal::NoSuchService)?.hear(from, &payload).await }
        });
    }

    /// Talks, follows the logs of others, and makes keys, until the desk is gone.
    pub async fn run(desk: Weak<Self>) {
        let mut synced = Instant::now();
        while let Some(desk) = desk.upgrade() {
            desk.talk_where_due().await;
            desk.make_keys().await;
            if synced.elapsed() >= SYNC {
                desk.sync().await;
                synced = Instant::now();
            }
            tokio::select! {
                () = desk.wake.notified() => {}
                () = sleep(TICK) => {}
            }
        }
    }

    // What is known

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn clouds(&self) -> Vec<CloudStatus> {
        let state = self.state();
        state.clouds.values().map(|c| CloudStatus { view: c.log.view().clone(), halted: c.halted }).collect()
    }

    pub fn records(&self, cloud: CloudId, from: u64) -> Option<Vec<SignedRecord>> {
        let state = self.state();
        let records = state.clouds.get(&cloud)?.log.records();
        Some(records.get(usize::try_from(from).ok()?..).unwrap_or_default().to_vec())
    }

    /// Every MAC key that the cloud ever had, oldest first.
    pub fn keys(&self, cloud: CloudId) -> Vec<CurrentMacKey> {
        let records = self.records(cloud, 0).unwrap_or_default();
        let key = |signed: SignedRecord| match signed.record {
            Record::MacKey(MacKey { head, field, key, commitments }) => {
                Some(CurrentMacKey { id: key, epoch: head.epoch, field, commitments })
            }
            Record::Membership(_) => None,
        };
        records.into_iter().filter_map(key).collect()
    }

    pub fn invitations(&self) -> Vec<Invitation> {
        self.state().open.values().map(invitation).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, id: RecordHash) -> Option<Open> {
        self.state().open.get(&id).cloned()
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
        self.wake.notify_one();
    }

    // What the operator does

    pub async fn found(
        &self,
        name: &str,
        others: &[PeerKey],
        parameters: SecurityParameters,
        stock: BTreeMap<String, StockRule>,
        acceptance: Acceptance,
    ) -> Result<RecordHash, MembershipError> {
        let mut members = vec![self.own_member(PartyIndex(0))];
        for (&peer, index) in others.iter().zip(1..) {
            members.push(self.member(peer, PartyIndex(index)).await?);
        }
        let head =
            Head { cloud: None, previous: None, epoch: Epoch(0), attempt: Attempt(0), nonce: Nonce(rand::random()) };
        let record = Membership { head, name: name.to_owned(), members, parameters, stock, acceptance };
        self.propose(Record::Membership(record)).await
    }

    pub async fn change_members(&self, cloud: CloudId, others: &[PeerKey]) -> Result<RecordHash, MembershipError> {
        let log = self.log(cloud)?;
        let view = log.view();
        let mut next = view.next_index();
        let mut members = Vec::new();
        for &peer in others.iter().chain([&self.me]) {
            match view.member(&peer) {
                Some(member) => members.push(member.clone()),
                None => {
                    let index = next.ok_or(MembershipError::TooMany)?;
                    next = index.next();
                    members.push(self.member(peer, index).await?);
                }
            }
        }
        members.sort_by_key(|member| member.index);
        let record = |head| {
            Record::Membership(Membership {
                head,
                name: view.name().to_owned(),
                members: members.clone(),
                parameters: view.parameters().clone(),
                stock: view.stock().clone(),
                acceptance: view.acceptance().clone(),
            })
        };
        let head = self.free_head(&log)?;
        self.propose(record(head)).await
    }

    pub async fn decide(&self, id: RecordHash, accept: bool) -> Result<(), MembershipError> {
        let _step = self.steps.lock().await;
        let mut open = self.open(id).ok_or(MembershipError::NoInvitation(id))?;
        if accept {
            self.promise(&mut open).await?;
        } else {
            self.refuse(&mut open).await?;
        }
        self.settle(open).await
    }

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

    fn log(&self, cloud: CloudId) -> Result<CloudLog, MembershipError> {
        let state = self.state();
        let known = state.clouds.get(&cloud).ok_or(MembershipError::NoCloud(cloud))?;
        if known.halted { Err(MembershipError::Halted(cloud)) } else { Ok(known.log.clone()) }
    }

    fn own_member(&self, index: PartyIndex) -> Member {
        Member { index, peer: self.me, seal: self.config.seal, addresses: self.config.addresses.clone() }
    }

    async fn member(&self, peer: PeerKey, index: PartyIndex) -> Result<Member, MembershipError> {
        let hello = self.directory.ask(peer).await?;
        Ok(Member { index, peer, seal: hello.seal, addresses: hello.addresses })
    }

    /// The next head at which this node has said nothing yet.
    fn free_head(&self, log: &CloudLog) -> Result<Head, MembershipError> {
        for attempt in 0..ATTEMPTS_MAX {
            let head = log.next_head(Attempt(attempt), Nonce(rand::random()));
            let place = Place { subject: log.cloud().0, epoch: head.epoch.0, attempt };
            if self.config.store.said(place)?.is_none() {
                return Ok(head);
            }
        }
        Err(MembershipError::TooMany)
    }

    /// Opens a proposal of our own, promised.
    async fn propose(&self, record: Record) -> Result<RecordHash, MembershipError> {
        let _step = self.steps.lock().await;
        let before = match record.head().cloud {
            Some(cloud) => Some(self.log(cloud)?),
            None => None,
        };
        let mut open = self.opened(record, before.as_ref(), Vec::new(), self.me)?;
        self.config.store.keep_proposal(open.id(), open.stored()).await?;
        self.promise(&mut open).await?;
        let id = open.id();
        self.settle(open).await?;
        Ok(id)
    }

    // Steps on one proposal

    fn opened(
        &self,
        record: Record,
        before: Option<&CloudLog>,
        log: Vec<SignedRecord>,
        from: PeerKey,
    ) -> Result<Open, MembershipError> {
        if let Some(before) = before {
            before.check_proposal(&record)?;
        }
        let proposal = Proposal::new(before.map(CloudLog::view), record)?;
        Ok(Open {
            proposal,
            log,
            from,
            own: Own::default(),
            declined: false,
            next_talk: Instant::now(),
            quiet: QUIET_MIN,
        })
    }

    /// Promises: durable first.
    async fn promise(&self, open: &mut Open) -> Result<(), MembershipError> {
        self.config.store.say(open.place(), open.id(), Said::Promised).await?;
        open.own.promise = Some(open.proposal.take_stance(Stance::Accepted, &self.config.key)?);
        open.declined = false;
        open.stir();
        Ok(())
    }

    /// Declines, or withdraws: durable first.
    async fn refuse(&self, open: &mut Open) -> Result<(), MembershipError> {
        let promised = open.proposal.stance(&self.me) == Some(Stance::Accepted);
        if promised {
            self.config.store.say(open.place(), open.id(), Said::Withdrawn).await?;
        }
        open.declined = true;
        self.config.store.keep_proposal(open.id(), open.stored()).await?;
        let stance = if promised { Stance::Withdrawn } else { Stance::Declined };
        open.own.promise = Some(open.proposal.take_stance(stance, &self.config.key)?);
        open.stir();
        Ok(())
    }

    /// Signs when it is time to, and either completes the record or puts the proposal back.
    async fn settle(&self, mut open: Open) -> Result<(), MembershipError> {
        if open.own.signature.is_none()
            && open.proposal.stance(&self.me) == Some(Stance::Accepted)
            && open.proposal.may_sign()
            && self.is_free_to_sign(&open)?
        {
            self.config.store.say(open.place(), open.id(), Said::Signed).await?;
            open.own.signature = Some(open.proposal.sign(&self.config.key)?);
            open.stir();
        }
        match open.proposal.complete() {
            Some(complete) => self.append(&open.log, complete).await?,
            None => {
                self.state().open.insert(open.id(), open);
            }
        }
        self.changed();
        Ok(())
    }

    /// One record of each epoch: another is signed only when somebody who must sign the first has
    /// refused to.
    fn is_free_to_sign(&self, open: &Open) -> Result<bool, MembershipError> {
        let own = open.place();
        if own.epoch == 0 {
            return Ok(true);
        }
        for attempt in (0..ATTEMPTS_MAX).filter(|&attempt| attempt != own.attempt) {
            if let Some((other, Said::Signed)) = self.config.store.said(Place { attempt, ..own })?
                && self.open(other).is_none_or(|other| other.proposal.refused_by().is_empty())
            {
                return Ok(false);
            }
        }
        let state = self.state();
        let still_next = open.before(&state).is_some_and(|log| log.check_proposal(open.proposal.record()).is_ok());
        Ok(still_next)
    }

    /// Takes a complete record into the log, durably, after what comes before it.
    pub(super) async fn append(&self, before: &[SignedRecord], record: SignedRecord) -> Result<(), MembershipError> {
        let cloud = record.record.cloud();
        let known = self.state().clouds.get(&cloud).cloned();
        let (log, fresh) = match known {
            Some(known) if known.halted => return Err(MembershipError::Halted(cloud)),
            Some(known) => {
                let mut log = known.log;
                match log.append(record.clone()) {
                    Ok(Appended::Known) => return Ok(()),
                    Ok(Appended::New) => (log, vec![record]),
                    Err(LogError::Fork(fork)) => return self.halt(cloud, &canonical::encode(&*fork)).await,
                    Err(error) => return Err(error.into()),
                }
            }
            None => {
                let records: Vec<_> = before.iter().cloned().chain([record]).collect();
                (CloudLog::from_records(records.clone())?, records)
            }
        };
        for record in fresh {
            let epoch = record.record.head().epoch.0;
            self.config.store.append(cloud, epoch, canonical::encode(&record)).await?;
        }
        self.adopt(cloud, log).await
    }

    /// Shows a log that is durable, and closes the proposals that it has overtaken.
    async fn adopt(&self, cloud: CloudId, log: CloudLog) -> Result<(), MembershipError> {
        let overtaken: Vec<RecordHash> = {
            let mut state = self.state();
            if log.view().mac_key().is_some_and(|key| !self.config.shares.is_burned(cloud, key.id)) {
                state.rekey.remove(&cloud);
            }
            let epoch = log.view().epoch();
            let over = |open: &Open| {
                let record = open.proposal.record();
                record.cloud() == cloud && record.head().epoch <= epoch
            };
            let overtaken = state.open.iter().filter(|(_, open)| over(open)).map(|(id, _)| *id).collect();
            state.clouds.insert(cloud, Cloud { log, halted: false });
            overtaken
        };
        for id in overtaken {
            self.config.store.drop_proposal(id).await?;
            self.state().open.remove(&id);
        }
        self.keep_connected().await;
        self.changed();
        Ok(())
    }

    async fn halt(&self, cloud: CloudId, evidence: &[u8]) -> Result<(), MembershipError> {
        tracing::error!(%cloud, "two complete records for one epoch: the cloud is halted");
        self.config.store.halt(cloud, evidence.to_vec()).await?;
        if let Some(known) = self.state().clouds.get_mut(&cloud) {
            known.halted = true;
        }
        self.changed();
        Err(MembershipError::Halted(cloud))
    }

    async fn keep_connected(&self) {
        let members: Vec<(PeerKey, Vec<Multiaddr>)> = {
            let state = self.state();
            let clouds = state.clouds.values().flat_map(|cloud| cloud.log.view().members());
            clouds.map(|m| (m.peer, m.addresses.iter().filter_map(|text| text.parse().ok()).collect())).collect()
        };
        // fails only when the network is down, which everything else notices too
        let _ = self.network.keep_connected(members).await;
    }

    /// A stored proposal with what this node had said about it.
    async fn reopen(&self, row: &[u8]) -> Result<(), MembershipError> {
        let stored: Stored = canonical::decode(row, CONTROL_MESSAGE_MAX).map_err(LogError::from)?;
        let id = stored.record.hash();
        let before = match stored.record.head().cloud {
            None => None,
            Some(cloud) => match self.state().clouds.get(&cloud) {
                Some(known) => Some(known.log.clone()),
                None => Some(CloudLog::from_records(stored.log.clone())?),
            },
        };
        let mut open = match self.opened(stored.record, before.as_ref(), stored.log, stored.from) {
            Ok(open) => open,
            // it has been overtaken
            Err(_) => return Ok(self.config.store.drop_proposal(id).await?),
        };
        open.declined = stored.declined;
        let said = self.config.store.said(open.place())?.filter(|(record, _)| *record == id).map(|(_, said)| said);
        let key = &self.config.key;
        if said.is_some() {
            open.own.promise = Some(open.proposal.take_stance(Stance::Accepted, key)?);
        }
        match said {
            Some(Said::Signed) => {
                let signature = Signed::sign(open.proposal.statement(), key);
                open.proposal.signature(&signature)?;
                open.own.signature = Some(signature);
            }
            Some(Said::Withdrawn) => {
                open.own.promise = Some(open.proposal.take_stance(Stance::Withdrawn, key)?);
            }
            None if open.declined => open.own.promise = Some(open.proposal.take_stance(Stance::Declined, key)?),
            _ => {}
        }
        self.state().open.insert(id, open);
        Ok(())
    }

    // Talking

    async fn ask(&self, peer: PeerKey, question: &Question) -> Result<Reply, RequestError> {
        let answer = self.network.request(peer, Service::MEMBERSHIP, canonical::encode(question), ASK).await?;
        canonical::decode(&answer, CONTROL_MESSAGE_MAX).map_err(|_| RequestError::Lost(peer))
    }

    /// Tells every signer that has not signed what we say, and hears what it says.
    async fn talk_where_due(&self) {
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

    async fn hear(&self, from: PeerKey, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
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

    /// There is no usable key, as far as this node knows.
    fn wants_key(&self, view: &CloudView) -> bool {
        view.mac_key().is_none_or(|key| self.config.shares.is_burned(view.cloud(), key.id))
    }

    // Following the logs of others

    async fn sync(&self) {
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
    async fn follow(&self, cloud: CloudId, records: &[SignedRecord]) -> Result<(), MembershipError> {
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

    // MAC keys

    /// Proposes a key for every cloud that has none and whose first member this node is.
    async fn make_keys(&self) {
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

    async fn commit(&self, from: PeerKey, cloud: CloudId, key: MacKeyId) -> Result<Reply, Refusal> {
        let log = self.log(cloud).map_err(|_| Refusal::NotPermitted)?;
        let view = log.view();
        if view.members()[0].peer != from || !self.wants_key(view) {
            return Err(Refusal::NotPermitted);
        }
        let drawn = self.config.shares.commitment(cloud, key, view.parameters().prime).await;
        drawn.map(Reply::Commitment).map_err(|_| Refusal::Failed)
    }

    fn hear_rekey(&self, from: PeerKey, cloud: CloudId, burned: Option<MacKeyId>) -> Result<Reply, Refusal> {
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

fn invitation(open: &Open) -> Invitation {
    let proposal = &open.proposal;
    Invitation {
        id: open.id(),
        record: proposal.record().clone(),
        from: open.from,
        stances: proposal.signers().iter().map(|peer| (*peer, proposal.stance(peer))).collect(),
        unsigned: proposal.signatures_missing(),
    }
}

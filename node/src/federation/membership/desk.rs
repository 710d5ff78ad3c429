//! The state of membership and every step on it.
//!
//! Steps that change anything run one at a time; each makes durable what it is about to say before
//! the state that is sent from shows it.

mod keys;
mod talk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use libp2p::Multiaddr;
use polyyne_protocol::{
    assurance::Acceptance,
    canonical,
    id::{Attempt, CloudId, Epoch, Nonce, PartyIndex, PeerKey, RecordHash},
    limits::{ATTEMPTS_MAX, CONTROL_MESSAGE_MAX, LOG_MAX},
    log::{Appended, CloudLog, LogError, SignedRecord},
    membership::{Head, MacKey, Member, Membership, Record},
    proposal::{Proposal, Stance},
    sign::Signed,
    stock::StockRule,
    version::SecurityParameters,
    view::CurrentMacKey,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::{
    CloudStatus, Invitation, MembershipConfig, MembershipError, Place, Said,
    wire::{Own, Stored},
};
use crate::federation::{Directory, Network, Refusal, Service};

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

//! Finishing MAC checks that their sessions could not.
//!
//! A check whose commitment may have left freezes its key until it ends. After a broken link or a
//! restart the members finish it over the control plane, with the bytes that are in their
//! journals: each asks the others for their commitments, makes them durable, and only then gives
//! its own opening to whoever asks. Whatever arrives is judged as in the session: openings must be
//! of the commitments that this member journalled, and their sum must be zero. Otherwise the key
//! is burned.
//!
//! A member that never committed says so. If this member's own opening has not left, nobody can
//! know Σσ, so the check is given up without harm. If it has, that answer is not believed and the
//! key stays frozen: the operator decides.

use crate::federation::{Network, Service};
use crate::journal::{Check, CheckPhase, Journal, KeyState};
use crate::order::Turn;
use crate::session::side::Side;
use crate::store::mac_keys::MacKeys;
use crate::store::{MacScope, SessionId};
use polyyne_engine::digest::Hash;
use polyyne_engine::field::PrimeField;
use polyyne_engine::mac_check::openings_sum_to_zero;
use polyyne_protocol::canonical;
use polyyne_protocol::id::PeerKey;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two tries to reach members for an unfinished check.
const RETRY: Duration = Duration::from_millis(500);
/// For one member's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest encoded question or answer.
const MESSAGE_BYTES_MAX: usize = 1024;

/// A check that has to be finished, with the turn that it holds until then.
pub struct Unfinished {
    pub scope: MacScope,
    pub number: u64,
    pub turn: Option<Turn>,
}

/// What a member asks about a check: the session and which commitment of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    scope: MacScope,
    session: Hash,
    counter: u64,
}

/// What a member can tell.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    /// This member has no such check: it never committed.
    Unknown,
    /// Committed; the opening follows once this member has everyone's commitments.
    Committed(Hash),
    Opened {
        commitment: Hash,
        #[serde(with = "serde_bytes")]
        opening: Vec<u8>,
    },
}

/// Who shares a MAC key, in rank order, and this member's rank.
#[derive(Clone)]
pub struct KeyHolders {
    pub members: Vec<PeerKey>,
    pub rank: usize,
    pub field: PrimeField,
}

type BurnHook = Arc<dyn Fn(MacScope) + Send + Sync>;

/// Finishes checks in the background and answers members who finish theirs.
#[derive(Clone)]
pub struct Finisher {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Unfinished>,
    /// The node's, which outlives every session.
    runtime: tokio::runtime::Handle,
}

struct Shared {
    journal: Journal,
    mac_keys: MacKeys,
    network: Network,
    holders: Mutex<HashMap<MacScope, KeyHolders>>,
    on_burn: BurnHook,
    /// Who says that it has given up the check that freezes a key, though this member has its commitment.
    given_up_by: Mutex<HashMap<MacScope, PeerKey>>,
}

impl Finisher {
    /// Starts it; `on_burn` is called after a key's burn is durable.
    pub fn start(
        journal: Journal,
        mac_keys: MacKeys,
        network: Network,
        on_burn: impl Fn(MacScope) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            journal,
            mac_keys,
            network,
            holders: Mutex::default(),
            on_burn: Arc::new(on_burn),
            given_up_by: Mutex::default(),
        });
        // Bounded by one unfinished check per MAC key.
        let (queue, checks) = mpsc::unbounded_channel();
        tokio::spawn(work(shared.clone(), checks));
        let finisher = Self { shared, queue, runtime: tokio::runtime::Handle::current() };
        finisher.answer_members();
        finisher
    }

    /// Makes the members of a key known, and takes up its check that an earlier process left.
    pub fn adopt(&self, scope: MacScope, holders: KeyHolders) {
        self.shared.holders().insert(scope, holders);
        let left = self.shared.journal.unfinished_checks().unwrap_or_default();
        for (_, check) in left.into_iter().filter(|(of, _)| *of == scope) {
            self.take_over(Unfinished { scope, number: check.number, turn: None });
        }
    }

    /// The member that says that it has given up the check which freezes this key. It may lie, may have lost its store,
    /// or may have been told by another that there was no such check: this is whom to ask, and no proof.
    pub fn given_up_by(&self, scope: MacScope) -> Option<PeerKey> {
        self.shared.given_up().get(&scope).copied()
    }

    /// Finishes a check that its session could not.
    pub fn take_over(&self, check: Unfinished) {
        tracing::warn!(scope = %check.scope, number = check.number, "a MAC check is unfinished: its key is frozen until it ends");
        // The worker lives as long as this handle.
        drop(self.queue.send(check));
    }

    /// Burns a key: durable when this returns, and brought to its end if the caller stops waiting.
    pub async fn burn(&self, scope: MacScope, evidence: &'static str) {
        let shared = self.shared.clone();
        let burning = self.runtime.spawn(async move { shared.burn(scope, evidence).await });
        // it ends early only with the node
        drop(burning.await);
    }

    fn answer_members(&self) {
        let shared = self.shared.clone();
        self.shared.network.serve(Service::CHECK, move |from, payload| {
            let shared = shared.clone();
            async move {
                let question = canonical::decode(&payload, MESSAGE_BYTES_MAX)
                    .map_err(|_| crate::federation::Refusal::Malformed)?;
                let answer = shared.answer(from, &question).await.ok_or(crate::federation::Refusal::NotPermitted)?;
                Ok(canonical::encode(&answer))
            }
        });
    }
}

async fn work(shared: Arc<Shared>, mut checks: mpsc::UnboundedReceiver<Unfinished>) {
    while let Some(check) = checks.recv().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = shared.journal.freeze(check.scope, check.number).await {
                tracing::debug!(%error, "the check ended meanwhile");
            }
            while !shared.try_finish(check.scope, check.number).await {
                tokio::time::sleep(RETRY).await;
            }
            tracing::info!(scope = %check.scope, number = check.number, "the unfinished MAC check has ended");
            drop(check.turn);
        });
    }
}

impl Shared {
    fn holders(&self) -> std::sync::MutexGuard<'_, HashMap<MacScope, KeyHolders>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given_up(&self) -> std::sync::MutexGuard<'_, HashMap<MacScope, PeerKey>> {
        self.given_up_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holders_of(&self, scope: MacScope) -> Option<KeyHolders> {
        self.holders().get(&scope).cloned()
    }

    async fn burn(&self, scope: MacScope, evidence: &str) {
        tracing::error!(%scope, evidence, "the MAC key is burned");
        if let Err(error) = self.mac_keys.burn(scope, evidence.as_bytes().to_vec()).await {
            // The store has stopped the process or will not write: nothing may go on under this key.
            tracing::error!(%error, "the burn could not be written");
        }
        (self.on_burn)(scope);
    }

    /// What this member tells a member about a check: its opening only once it holds everyone's
    /// commitments durably. "Unknown" binds: a check that was ruled out cannot begin any more.
    async fn answer(&self, from: PeerKey, question: &Question) -> Option<Answer> {
        let holders = self.holders_of(question.scope)?;
        holders.members.contains(&from).then_some(())?;
        let session = SessionId(question.session);
        let found = self.journal.find_or_rule_out(question.scope, session, question.counter).await.ok()?;
        let Some(check) = found else { return Some(Answer::Unknown) };
        let commitment: Hash = check.commitment.as_slice().try_into().ok()?;
        Some(match check.phase {
            CheckPhase::Begun => Answer::Committed(commitment),
            CheckPhase::Committed(_) | CheckPhase::Finished(_) => {
                Answer::Opened { commitment, opening: check.opening.expose().to_vec() }
            }
        })
    }

    /// One try; true when the check has ended.
    async fn try_finish(&self, scope: MacScope, number: u64) -> bool {
        let Some(holders) = self.holders_of(scope) else { return false };
        if matches!(self.journal.key_state(scope), Ok(KeyState::Compromised { .. })) {
            return true;
        }
        let check = match self.journal.last_check(scope) {
            Ok(Some(check)) if check.number == number => check,
            Ok(_) => return true,
            Err(_) => return false,
        };
        if matches!(check.phase, CheckPhase::Finished(_)) {
            return true;
        }
        let Some(answers) = self.ask_all(scope, &check, &holders).await else { return false };
        match &check.phase {
            CheckPhase::Begun => self.gather_commitments(scope, &check, &holders, &answers).await,
            CheckPhase::Committed(all) => {
                let all: Option<Vec<Hash>> = all.iter().map(|c| c.as_slice().try_into().ok()).collect();
                let Some(all) = all else { return false };
                self.judge(scope, &check, &holders, &all, &answers).await
            }
            CheckPhase::Finished(_) => true,
        }
    }

    /// Everyone's answer by rank (the own place is `None`), or nothing while somebody is missing.
    async fn ask_all(&self, scope: MacScope, check: &Check, holders: &KeyHolders) -> Option<Vec<Option<Answer>>> {
        let question = canonical::encode(&Question { scope, session: check.session.0, counter: check.counter });
        let asked = holders.members.iter().enumerate().map(|(rank, &peer)| {
            let question = question.clone();
            async move {
                if rank == holders.rank {
                    return Some(None);
                }
                let bytes = self.network.request(peer, Service::CHECK, question, PATIENCE).await.ok()?;
                canonical::decode::<Answer>(&bytes, MESSAGE_BYTES_MAX).ok().map(Some)
            }
        });
        futures::future::join_all(asked).await.into_iter().collect()
    }

    async fn gather_commitments(
        &self,
        scope: MacScope,
        check: &Check,
        holders: &KeyHolders,
        answers: &[Option<Answer>],
    ) -> bool {
        let Ok(own) = check.commitment.as_slice().try_into() else { return false };
        let mut all: Vec<Hash> = Vec::with_capacity(holders.members.len());
        for answer in answers {
            match answer {
                None => all.push(own),
                Some(Answer::Committed(commitment) | Answer::Opened { commitment, .. }) => all.push(*commitment),
                Some(Answer::Unknown) => {
                    let withdrawn = self.journal.withdraw_unopened(scope, check.number).await;
                    return withdrawn.is_ok();
                }
            }
        }
        let all = all.into_iter().map(|commitment| commitment.to_vec()).collect();
        // Ends in the next try, with everyone's opening.
        drop(self.journal.record_commitments(scope, check.number, all).await);
        false
    }

    /// Says once per member and key who keeps a check from its end.
    fn note_given_up(&self, scope: MacScope, peer: PeerKey) {
        if self.given_up().insert(scope, peer) != Some(peer) {
            tracing::error!(%scope, peer = %peer.peer_id(), "a member has given up a check of which this one has its commitment: the key stays frozen until `vcp cloud rekey --burn-frozen`");
        }
    }

    async fn judge(
        &self,
        scope: MacScope,
        check: &Check,
        holders: &KeyHolders,
        commitments: &[Hash],
        answers: &[Option<Answer>],
    ) -> bool {
        let mut openings = Vec::with_capacity(answers.len());
        for (rank, answer) in answers.iter().enumerate() {
            match answer {
                None => openings.push(check.opening.expose().to_vec()),
                Some(Answer::Opened { opening, .. }) => openings.push(opening.clone()),
                Some(Answer::Committed(_)) => return false,
                Some(Answer::Unknown) => {
                    self.note_given_up(scope, holders.members[rank]);
                    return false;
                }
            }
        }
        let (session, counter) = (&check.session.0, check.counter);
        let zero = match Side::from_byte(check.field) {
            Some(side) => openings_sum_to_zero(&side.field(), session, counter, commitments, &openings),
            None => openings_sum_to_zero(&holders.field, session, counter, commitments, &openings),
        };
        if zero {
            self.journal.finish_zero(scope, check.number).await.is_ok()
        } else {
            self.burn(scope, "an unfinished MAC check ended in another sum than zero").await;
            true
        }
    }
}

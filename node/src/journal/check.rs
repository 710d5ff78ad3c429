//! One MAC check: what is on disk at each of its steps.

use std::sync::PoisonError;

use polyyne_protocol::canonical;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Journal, JournalTables, KeyRecord, KeyState};
use crate::store::durable::{Apply, Reads};
use crate::store::sealed::SecretBytes;
use crate::store::tuples_file::CHECKS;
use crate::store::{Fault, MacScope, SessionId};

/// Members of a cloud whose commitments one check holds.
const COMMITMENTS_MAX: usize = 1024;

/// Checks that can be ruled out while a process lives.
const RULED_OUT_MAX: usize = 4096;

/// Which commitment of which session: what members call a check by, since numbers are each member's own.
pub(super) type Coin = (MacScope, SessionId, u64);

/// What a member puts on disk before its commitment leaves.
pub struct NewCheck {
    pub scope: MacScope,
    /// The number that the members signed; above all earlier ones of this key.
    pub number: u64,
    pub session: SessionId,
    /// Digest of the openings that it covers and of the coins.
    pub covers: [u8; 32],
    /// Which commitment of the session it is, the same at all members.
    pub counter: u64,
    /// Over which field: see [`crate::session::side::field_byte`].
    pub field: u8,
    /// Own σ with the commitment's nonce: the bytes that will open it.
    pub opening: SecretBytes,
    /// Own commitment, as it will be sent.
    pub commitment: Vec<u8>,
}

/// A check in the journal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub number: u64,
    pub session: SessionId,
    pub covers: [u8; 32],
    pub counter: u64,
    #[serde(default)]
    pub field: u8,
    pub opening: SecretBytes,
    #[serde(with = "serde_bytes")]
    pub commitment: Vec<u8>,
    pub phase: CheckPhase,
}

/// How far a check got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckPhase {
    /// The own commitment may have left.
    Begun,
    /// The signed commitments of all members; the own opening may have left.
    Committed(Vec<serde_bytes::ByteBuf>),
    /// Verified zero. The commitments stay for members who have to finish theirs.
    Finished(Vec<serde_bytes::ByteBuf>),
}

/// Why a step was refused. Nothing may leave this node then.
#[derive(Debug, Error)]
pub enum CheckError {
    #[error("the MAC key is burned")]
    KeyCompromised,
    #[error("MAC check {check} is not finished")]
    Unfinished { check: u64 },
    #[error("MAC check {number} comes after {last}")]
    NumberUsed { number: u64, last: u64 },
    #[error("MAC check {number} is not the one that is open")]
    NotOpen { number: u64 },
    #[error("other commitments are recorded for MAC check {number}")]
    OtherCommitments { number: u64 },
    #[error("the commitments of MAC check {number} are missing")]
    NotCommitted { number: u64 },
    #[error("{count} commitments are more than a cloud has members")]
    TooManyCommitments { count: usize },
    #[error("MAC check {number} may have sent its opening and can only be finished")]
    MayHaveLeft { number: u64 },
    #[error("this member has told others that it never began this check, and stays with it")]
    RuledOut,
    #[error("{RULED_OUT_MAX} checks were asked for that this member never began: it answers no more such questions")]
    TooManyRuledOut,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Journal {
    /// Writes the check down. Only after this may the own commitment be sent. Earlier checks of the key have ended; the
    /// last transcript stays until the commitments of all are recorded.
    pub async fn begin_check(&self, new: NewCheck) -> Result<(), CheckError> {
        let (scope, number) = (new.scope, new.number);
        let (planning, applying, ruled_out) = (self.tables.clone(), self.tables.clone(), self.ruled_out.clone());
        let (counting, counted) = (self.castor.clone(), self.castor.clone());
        self.durable
            .write(
                move |plan| {
                    let coin = (scope, new.session, new.counter);
                    if ruled_out.lock().unwrap_or_else(PoisonError::into_inner).contains(&coin) {
                        return Err(CheckError::RuledOut);
                    }
                    let event = canonical::encode(&("check", scope, number, coin.1, coin.2));
                    let (record, check) = planning.plan_begin(plan, new)?;
                    Ok((record, check, counting.head_after(plan, scope.cloud, &event)?))
                },
                move |apply, (record, check, head)| {
                    applying.keys.put(apply, &scope.to_key(), &record)?;
                    counted.put_head(apply, scope.cloud, &head)?;
                    applying.checks.put(apply, &row_key(scope, number), &check)
                },
            )
            .await
    }

    /// What another member asks while it finishes a check: the check as it stands here, or None, which is a promise
    /// that this member has not begun it and never will. Others give a check up for it, so it must not begin late.
    pub async fn find_or_rule_out(
        &self,
        scope: MacScope,
        session: SessionId,
        counter: u64,
    ) -> Result<Option<Check>, CheckError> {
        let (planning, ruled_out) = (self.tables.clone(), self.ruled_out.clone());
        // In the writer's order, so that no check begins between the look and the promise.
        self.durable
            .write(
                move |plan| {
                    let known = planning.checks.under(plan, &scope.to_key())?.into_iter();
                    let mut same = known.filter(|(_, check)| check.session == session && check.counter == counter);
                    if let Some((_, check)) = same.next() {
                        return Ok(Some(check));
                    }
                    let mut ruled_out = ruled_out.lock().unwrap_or_else(PoisonError::into_inner);
                    if ruled_out.len() >= RULED_OUT_MAX && !ruled_out.contains(&(scope, session, counter)) {
                        return Err(CheckError::TooManyRuledOut);
                    }
                    ruled_out.insert((scope, session, counter));
                    Ok(None)
                },
                |_, found| Ok(found),
            )
            .await
    }

    /// Writes down the commitments of all members. Only after this may the own opening be sent. The same ones again
    /// are accepted; others are refused, whatever a member claims.
    pub async fn record_commitments(
        &self,
        scope: MacScope,
        number: u64,
        commitments: Vec<Vec<u8>>,
    ) -> Result<(), CheckError> {
        if commitments.len() > COMMITMENTS_MAX {
            return Err(CheckError::TooManyCommitments { count: commitments.len() });
        }
        let commitments: Vec<_> = commitments.into_iter().map(Into::into).collect();
        let next = move |phase| match phase {
            CheckPhase::Begun => Ok(CheckPhase::Committed(commitments)),
            CheckPhase::Committed(same) if same == commitments => Ok(CheckPhase::Committed(same)),
            CheckPhase::Finished(same) if same == commitments => Ok(CheckPhase::Finished(same)),
            _ => Err(CheckError::OtherCommitments { number }),
        };
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| {
                    let step = planning.plan_step(plan, scope, number, next)?;
                    Ok::<_, CheckError>((step, planning.earlier(plan, scope, number)?))
                },
                move |apply, (step, earlier)| {
                    applying.apply_step(apply, scope, &step)?;
                    earlier.iter().try_for_each(|key| applying.checks.delete(apply, key).map(drop))
                },
            )
            .await
    }

    /// The openings added up to zero: the key is usable again. Anything else is [`Journal::compromise`].
    pub async fn finish_zero(&self, scope: MacScope, number: u64) -> Result<(), CheckError> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| planning.plan_step(plan, scope, number, |phase| finished(phase, number)),
                move |apply, step| applying.apply_step(apply, scope, &step),
            )
            .await
    }

    /// Gives up a check whose **opening** has not left: σ stays hidden, so nobody can know the sum. For when a member
    /// says that it never committed, so that the check can not be finished. The number stays used.
    ///
    /// # Errors
    /// [`CheckError::MayHaveLeft`] once the commitments of all are recorded: the opening may have left.
    pub async fn withdraw_unopened(&self, scope: MacScope, number: u64) -> Result<(), CheckError> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| {
                    let check = planning.unfinished(plan, scope, number)?;
                    let mut record = planning.record(plan, scope)?;
                    if check.phase != CheckPhase::Begun {
                        return Err(CheckError::MayHaveLeft { number });
                    }
                    if record.state == (KeyState::Frozen { check: number }) {
                        record.state = KeyState::Active;
                    }
                    Ok(record)
                },
                move |apply, record| {
                    applying.keys.put(apply, &scope.to_key(), &record)?;
                    applying.checks.delete(apply, &row_key(scope, number))?;
                    Ok(())
                },
            )
            .await
    }

    /// Every check that has to be finished before its key can be used.
    pub fn unfinished_checks(&self) -> Result<Vec<(MacScope, Check)>, Fault> {
        let now = self.durable.read()?;
        let mut unfinished = Vec::new();
        for (key, check) in self.tables.checks.under(&now, &[])? {
            let scope = scope_in(&key)?;
            let state = self.tables.record(&now, scope)?.state;
            let burned = matches!(state, KeyState::Compromised { .. });
            if !burned && !matches!(check.phase, CheckPhase::Finished(_)) {
                unfinished.push((scope, check));
            }
        }
        Ok(unfinished)
    }

    /// The last check of a key: open, or finished and kept for members who have to finish theirs.
    pub fn last_check(&self, scope: MacScope) -> Result<Option<Check>, Fault> {
        let now = self.durable.read()?;
        let last = self.tables.checks.last_under(&now, &scope.to_key())?;
        Ok(last.map(|(_, check)| check))
    }

    pub(super) async fn freeze_unfinished(&self) -> Result<(), Fault> {
        for (scope, check) in self.unfinished_checks()? {
            match self.freeze(scope, check.number).await {
                Ok(()) => {}
                Err(CheckError::Fault(fault)) => return Err(fault),
                Err(_) => return Err(Fault::Damaged { table: CHECKS.0 }),
            }
        }
        Ok(())
    }
}

/// A check that goes one step on, with its key.
struct Step {
    record: KeyRecord,
    check: Check,
}

/// From the commitments of all to zero.
fn finished(phase: CheckPhase, number: u64) -> Result<CheckPhase, CheckError> {
    match phase {
        CheckPhase::Committed(all) | CheckPhase::Finished(all) => Ok(CheckPhase::Finished(all)),
        CheckPhase::Begun => Err(CheckError::NotCommitted { number }),
    }
}

impl JournalTables {
    fn plan_begin(&self, from: &impl Reads, new: NewCheck) -> Result<(KeyRecord, Check), CheckError> {
        let mut record = self.usable(from, new.scope)?;
        if let KeyState::Frozen { check } = record.state {
            return Err(CheckError::Unfinished { check });
        }
        if new.number <= record.last_check {
            return Err(CheckError::NumberUsed { number: new.number, last: record.last_check });
        }
        let last = self.checks.last_under(from, &new.scope.to_key())?;
        if let Some((_, last)) = &last
            && !matches!(last.phase, CheckPhase::Finished(_))
        {
            return Err(CheckError::Unfinished { check: last.number });
        }
        record.last_check = new.number;
        let check = Check {
            number: new.number,
            session: new.session,
            covers: new.covers,
            counter: new.counter,
            field: new.field,
            opening: new.opening,
            commitment: new.commitment,
            phase: CheckPhase::Begun,
        };
        Ok((record, check))
    }

    fn plan_step(
        &self,
        from: &impl Reads,
        scope: MacScope,
        number: u64,
        next: impl FnOnce(CheckPhase) -> Result<CheckPhase, CheckError>,
    ) -> Result<Step, CheckError> {
        let mut record = self.usable(from, scope)?;
        let mut check = self.open_check(from, scope, number)?;
        check.phase = next(check.phase)?;
        let finished = matches!(check.phase, CheckPhase::Finished(_));
        if finished && record.state == (KeyState::Frozen { check: number }) {
            record.state = KeyState::Active;
        }
        Ok(Step { record, check })
    }

    fn apply_step(&self, apply: &Apply<'_>, scope: MacScope, step: &Step) -> Result<(), Fault> {
        self.keys.put(apply, &scope.to_key(), &step.record)?;
        self.checks.put(apply, &row_key(scope, step.check.number), &step.check)
    }

    /// Checks before `number`: all members began that one, so all have ended these.
    fn earlier(&self, from: &impl Reads, scope: MacScope, number: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let checks = self.checks.under(from, &scope.to_key())?.into_iter();
        Ok(checks.filter(|(_, check)| check.number < number).map(|(key, _)| key).collect())
    }

    fn usable(&self, from: &impl Reads, scope: MacScope) -> Result<KeyRecord, CheckError> {
        match self.record(from, scope)? {
            KeyRecord { state: KeyState::Compromised { .. }, .. } => Err(CheckError::KeyCompromised),
            record => Ok(record),
        }
    }

    fn open_check(&self, from: &impl Reads, scope: MacScope, number: u64) -> Result<Check, CheckError> {
        let check = self.checks.get(from, &row_key(scope, number))?;
        check.ok_or(CheckError::NotOpen { number })
    }

    pub(super) fn unfinished(&self, from: &impl Reads, scope: MacScope, number: u64) -> Result<Check, CheckError> {
        match self.open_check(from, scope, number)? {
            check if matches!(check.phase, CheckPhase::Finished(_)) => Err(CheckError::NotOpen { number }),
            check => Ok(check),
        }
    }
}

fn row_key(scope: MacScope, number: u64) -> Vec<u8> {
    let mut key = scope.to_key().to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn scope_in(key: &[u8]) -> Result<MacScope, Fault> {
    let scope = key.get(..MacScope::LEN).and_then(MacScope::from_key);
    scope.ok_or(Fault::Damaged { table: CHECKS.0 })
}

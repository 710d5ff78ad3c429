//! Same request, same answer, one effect: what was asked under an idempotency key, and what was answered.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::durable::{Durable, Fault, Reads as _};
use super::names::ExecId;
use super::sealed::Sealed;
use super::state_file::{ANSWERS, StateFile};

/// Who asked, and under which key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey {
    pub client: [u8; 32],
    pub key: [u8; 32],
}

#[derive(Clone, Serialize, Deserialize)]
struct Asked {
    body: [u8; 32],
    exec: ExecId,
    expires_ms: u64,
    answer: Option<serde_bytes::ByteBuf>,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody asked this before: do it, under this execution.
    New,
    /// Asked before and not answered yet; the journal of executions says what became of it.
    Pending(ExecId),
    /// Answered before: this answer again.
    Answered(Vec<u8>),
}

/// Why a request or an answer was refused.
#[derive(Debug, Error)]
pub enum AnswerError {
    #[error("this idempotency key was used for another request")]
    OtherBody,
    #[error("another answer was given already")]
    OtherAnswer,
    #[error("nobody asked this")]
    NotAsked,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The answers. Clones share them.
#[derive(Clone)]
pub struct Answers {
    durable: Durable,
    rows: Sealed<Asked>,
}

impl Answers {
    pub fn of(file: &StateFile) -> Self {
        Self { durable: file.sealed().durable().clone(), rows: file.sealed().table(ANSWERS) }
    }

    /// Claims a request before its effect begins. `exec` is kept only if the claim is new.
    pub async fn claim(
        &self,
        request: RequestKey,
        body: [u8; 32],
        exec: ExecId,
        expires_ms: u64,
    ) -> Result<Claim, AnswerError> {
        let (planning, applying) = (self.rows.clone(), self.rows.clone());
        let row = Asked { body, exec, expires_ms, answer: None };
        self.durable
            .write(
                move |plan| match planning.get(plan, &request.to_key())? {
                    None => Ok(Claim::New),
                    Some(asked) if asked.body != body => Err(AnswerError::OtherBody),
                    Some(asked) => Ok(match asked.answer {
                        Some(answer) => Claim::Answered(answer.into_vec()),
                        None => Claim::Pending(asked.exec),
                    }),
                },
                move |apply, claim| {
                    if claim == Claim::New {
                        applying.put(apply, &request.to_key(), &row)?;
                    }
                    Ok(claim)
                },
            )
            .await
    }

    /// Stores the sealed answer, durable before it is sent. The same answer again is accepted.
    pub async fn answer(&self, request: RequestKey, answer: Vec<u8>) -> Result<(), AnswerError> {
        let (planning, applying) = (self.rows.clone(), self.rows.clone());
        self.durable
            .write(
                move |plan| {
                    let asked = planning.get(plan, &request.to_key())?;
                    let mut asked = asked.ok_or(AnswerError::NotAsked)?;
                    if asked.answer.as_ref().is_some_and(|given| *given != answer) {
                        return Err(AnswerError::OtherAnswer);
                    }
                    asked.answer = Some(answer.into());
                    Ok(asked)
                },
                move |apply, asked| applying.put(apply, &request.to_key(), &asked),
            )
            .await
    }

    /// The requests whose time is over, with their executions: the caller ends those, then forgets these.
    pub fn expired(&self, now_ms: u64) -> Result<Vec<(RequestKey, ExecId)>, Fault> {
        let mut expired = Vec::new();
        self.durable.read()?.view(ANSWERS)?.walk(&[], None, |key, sealed| {
            let asked = self.rows.open(key, sealed)?;
            if asked.expires_ms <= now_ms {
                let request = RequestKey::from_key(key).ok_or(Fault::Damaged { table: ANSWERS.0 })?;
                expired.push((request, asked.exec));
            }
            Ok::<_, Fault>(true)
        })?;
        Ok(expired)
    }

    /// Forgets a request and its answer.
    pub async fn forget(&self, request: RequestKey) -> Result<(), Fault> {
        let rows = self.rows.clone();
        self.durable.put(move |write| rows.delete(write, &request.to_key()).map(drop)).await
    }
}

impl RequestKey {
    fn to_key(self) -> Vec<u8> {
        [self.client, self.key].concat()
    }

    fn from_key(key: &[u8]) -> Option<Self> {
        let (client, key) = key.split_at_checked(32)?;
        Some(Self { client: client.try_into().ok()?, key: key.try_into().ok()? })
    }
}

//! Running a program, and the checks of what comes back: that it is this client's, of this program with these arguments
//! over these inputs, under the terms that were asked for, signed by every member.

use std::fmt;
use std::time::Duration;

use polyyne_engine::field::Fp;
use zeroize::Zeroizing;

use super::{Answer, Client, ClientError, agreed};
use crate::client_io::{self, DeliveryError, DeliveryShares};
use crate::door::Door;
use crate::execution::{self, ExecutionChecked, ExecutionKey, OutputShape};
use crate::id::{ExecutionId, PeerKey, SecretId};
use crate::limits;
use crate::request::{Execute, Executed, Program, Request, ResultTerms};
use crate::secret::{SecretValue, ValueError};

/// What an execution is to be like.
#[derive(Debug, Clone)]
pub struct ExecuteTerms {
    /// Chosen at random where absent.
    pub id: Option<ExecutionId>,
    pub program: Program,
    pub arguments: Vec<String>,
    pub inputs: Vec<SecretId>,
    pub reveal: bool,
    pub results: ResultTerms,
    pub timeout: Duration,
    /// Wait in line where there are too few tuples.
    pub wait: bool,
    /// Perform the program's socket instructions, by [`Client::converse`] at the same time.
    pub sockets: bool,
}

impl ExecuteTerms {
    /// A program over some secrets, with defaults for the rest.
    pub fn new(program: Program, inputs: Vec<SecretId>) -> Self {
        Self {
            id: None,
            program,
            arguments: Vec::new(),
            inputs,
            reveal: false,
            results: ResultTerms::default(),
            timeout: Duration::from_millis(limits::EXECUTION_TIMEOUT_MS),
            wait: true,
            sockets: false,
        }
    }
}

/// What an execution gave.
pub struct Outcome {
    pub execution: ExecutionId,
    pub printed: String,
    /// What it wrote, if revealed.
    pub outputs: Vec<SecretValue>,
    /// The new secrets, otherwise.
    pub results: Vec<SecretId>,
}

impl<D: Door> Client<D> {
    /// Runs a program.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn execute(&mut self, terms: ExecuteTerms) -> Result<Outcome, ClientError> {
        let execution = terms.id.unwrap_or_else(|| ExecutionId::random(&mut rand::rng()));
        let execute = Execute {
            execution,
            program: terms.program,
            arguments: terms.arguments,
            inputs: terms.inputs,
            reveal: terms.reveal,
            results: terms.results,
            timeout_ms: u64::try_from(terms.timeout.as_millis())
                .unwrap_or(u64::MAX)
                .min(limits::EXECUTION_TIMEOUT_MAX_MS),
            wait: terms.wait,
            sockets: terms.sockets,
        };
        let wait = terms.timeout.saturating_add(self.patience.answer);
        let executed = self.ask_all_for(Request::Execute(execute.clone()), part!(Executed), wait).await?;
        self.outcome(&execute, &executed)
    }

    fn outcome(&self, asked: &Execute, executed: &[(PeerKey, Executed)]) -> Result<Outcome, ClientError> {
        let printed = agreed("what the program printed", executed, |e| e.printed.clone())?;
        let outputs = agreed("what the program wrote", executed, |e| e.outputs.clone())?;
        let results = agreed("the results", executed, |e| e.results.clone())?;
        let session = agreed("the run", executed, |e| e.session)?;
        for (_, executed) in executed {
            let epoch = executed.certificate.unverified().epoch;
            let checked: &ExecutionChecked = self.certified(&executed.certificate, epoch)?;
            let is_asked = checked.is_of(self.cloud(), self.key(), asked) && executed.execution == asked.execution;
            let same_result = checked.session == session
                && checked.printed == execution::printed_digest(&printed)
                && checked.outputs == outputs;
            if !is_asked || !same_result {
                return Err(ClientError::OtherStatement("this execution"));
            }
        }
        let key = ExecutionKey::of(self.key(), asked);
        let new_secrets = if asked.reveal { 0 } else { outputs.len() };
        let expected = (0u32..).take(new_secrets).map(|k| execution::result_id(self.cloud(), &key, k));
        if !expected.eq(results.iter().copied()) {
            return Err(ClientError::OtherStatement("the new secrets of this execution"));
        }
        let outputs = if asked.reveal { self.revealed(&outputs, executed)? } else { Vec::new() };
        Ok(Outcome { execution: asked.execution, printed, outputs, results })
    }

    fn revealed(
        &self,
        shapes: &[OutputShape],
        executed: &[(PeerKey, Executed)],
    ) -> Result<Vec<SecretValue>, ClientError> {
        if shapes.is_empty() {
            return Ok(Vec::new());
        }
        let total: u64 = shapes.iter().map(|shape| u64::from(shape.words)).sum();
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > limits::OUTPUT_WORDS_MAX {
            return Err(ClientError::Value(ValueError::Words(total)));
        }
        let shares: Option<Vec<&DeliveryShares>> = executed.iter().map(|(_, e)| e.delivery.as_ref()).collect();
        let shares = shares.ok_or(DeliveryError::Empty)?;
        let words: Zeroizing<Vec<Fp>> = client_io::reconstruct(&self.field, total, &shares)?;
        let mut rest = &words[..];
        let mut values = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let (own, after) = rest.split_at(shape.words as usize);
            values.push(SecretValue::decode(&self.field, shape.kind, own)?);
            rest = after;
        }
        Ok(values)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("execution", &self.execution)
            .field("results", &self.results)
            .finish_non_exhaustive()
    }
}

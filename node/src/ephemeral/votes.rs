//! Votes over checked executions, for those whose session broke before all had voted.

use super::{Amphora, Ephemeral, ExecutionState, Outcome, internal};
use crate::votes::{Question, Statement, ask_all};
use polyyne_protocol::certificate::{Tally, VoteError};
use polyyne_protocol::id::PeerKey;
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::sign::Signed;
use polyyne_protocol::vote::{ExecutionChecked, ExecutionKey, ResultCertificate};

impl Ephemeral {
    /// This member's vote, if its own check has passed; the certificate of the results, if the vote is no longer kept.
    pub fn checked_statement(&self, execution: &ExecutionKey, amphora: &Amphora) -> Option<Statement> {
        let row = self.seat.castor.execution(self.exec_id(execution)).ok()?;
        let statement = match row.map(|row| row.state) {
            Some(ExecutionState::Checked(bytes)) => {
                let outcome = Outcome::of(&bytes, execution).ok()?;
                Statement::Checked(Signed::sign(outcome.statement, &self.seat.identity.signing))
            }
            Some(ExecutionState::Done) => {
                amphora.result_certificate(execution).map_or(Statement::Pending, Statement::Certified)
            }
            _ => Statement::Pending,
        };
        Some(statement)
    }

    /// The certificate of an execution that is CHECKED here, from what the others say now.
    pub(super) async fn gather_votes(&self, statement: &ExecutionChecked) -> Result<ResultCertificate, Refusal> {
        let mut tally = Tally::new(statement.clone(), &self.seat.view);
        tally.vote(&self.seat.identity.signing).map_err(internal)?;
        let key = statement.execution;
        for (peer, said) in ask_all(&self.seat, Question::Execution(key)).await {
            if let Some(Statement::Certified(certificate)) = &said
                && certificate.verified(&self.seat.view) == Ok(statement)
            {
                return Ok(certificate.clone());
            }
            if let Some(Statement::Checked(vote)) = said
                && let Err(VoteError::Dissent(dissent)) = tally.count(vote)
                && dissent.vote.unverified().execution == key
            {
                return Err(Refusal::new(
                    RefusalCode::MembersDiffer,
                    format!("{peer} has another outcome of this execution"),
                    "Nothing was released; ask that member.",
                ));
            }
        }
        tally.certificate().ok_or_else(|| {
            let missing: Vec<String> = tally.missing().map(|peer: PeerKey| peer.to_string()).collect();
            Refusal::new(
                RefusalCode::InProgress,
                format!("the execution has passed its check here and waits for {}", missing.join(", ")),
                "Ask again with the same execution id.",
            )
        })
    }
}

//! VM threads of an execution: links of their own between the members, gates of the same MAC key, an OS thread for each.
//!
//! A thread's links meet under the session's label and the thread's number. Its session id follows from the session's, so
//! that all that is hashed, committed and journalled in it is its own; its checks take their turns in the cloud's order
//! like those of other sessions.

use std::sync::Arc;

use polyyne_engine::digest::{Hash, Transcript};
use polyyne_engine::party::Party;
use polyyne_engine::port::BoxFuture;
use polyyne_engine::vm::{ThreadEnds, Threads, ThreadsError};
use polyyne_protocol::limits::EXECUTION_THREADS_MAX;

use crate::link::SessionLabel;
use crate::seat::{MEET_PATIENCE, Seat};
use crate::session;
use crate::session::side::Side;

/// See the module's head.
pub struct LinkedThreads {
    pub seat: Arc<Seat>,
    /// Where the session's own links met.
    pub label: [u8; 32],
    pub session: Hash,
    /// The fields beside the prime one that the program computes with.
    pub binary: Option<Side>,
    pub bits: bool,
}

impl LinkedThreads {
    async fn open_now(&self, thread: u32) -> Result<ThreadEnds, ThreadsError> {
        let label = SessionLabel { label: self.label, thread };
        let links = self.seat.open_links(label, MEET_PATIENCE).await.map_err(|error| {
            tracing::warn!(%error, thread, "a VM thread gets no links");
            ThreadsError::Links
        })?;
        let session = Transcript::new("vm thread").bytes(&self.session).number(thread.into()).finish();
        let party = Party::new(self.seat.rank(), session, links, session::session_rng());
        let guard = &self.seat.guard;
        Ok(ThreadEnds {
            party,
            gate: guard.gate(session),
            binary_gate: self.binary.map(|side| guard.gate_over(session, Some(side))),
            bits_gate: self.bits.then(|| guard.gate_over(session, Some(Side::Bits))),
        })
    }
}

impl Threads for LinkedThreads {
    fn threads_max(&self) -> u32 {
        EXECUTION_THREADS_MAX
    }

    fn open(&mut self, thread: u32) -> BoxFuture<'_, Result<ThreadEnds, ThreadsError>> {
        Box::pin(self.open_now(thread))
    }

    fn spawn(&mut self, thread: u32, body: BoxFuture<'static, ()>) -> Result<(), ThreadsError> {
        session::start(&format!("ephemeral {thread}"), body).map_err(|error| {
            tracing::warn!(%error, thread, "a VM thread cannot be started");
            ThreadsError::Start
        })
    }
}

//! More threads for a generation session: what MASCOT makes is divided among hands.
//!
//! A hand has all that a session has: a thread, links to all members, a session id, setups linked by the same anchors, and
//! MAC checks that take their turns in the cloud's order. So hands have nothing of each other to protect, and need no
//! argument of their own. Their tuples stand one hand after the other in the batch, and are sealed with it.
//!
//! Members have as many hands as all of them offer. LowGear is not divided: a setup of it needs hundreds of megabytes.

use super::plan::Wish;
use super::watch::Watch;
use super::workshop::Workshops;
use super::{Ended, Shared};
use crate::castor::TupleKind;
use crate::link::SessionLabel;
use crate::seat::{MEET_PATIENCE, MeetError};
use crate::session::{self, Worker};
use futures::future::try_join_all;
use polyyne_engine::digest::Transcript;
use polyyne_engine::party::Party;
use polyyne_protocol::id::Digest;
use polyyne_protocol::limits;
use std::future::Future;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Parts of a chunk, at most: with a smaller one, another thread costs more than it brings.
const PARTS_MAX: usize = 8;

/// Checked tuples as they are stored.
type Rows = Zeroizing<Vec<u8>>;

/// The hands of a session beside its own thread.
pub(super) struct Crew {
    shared: Arc<Shared>,
    /// Where the session's own links met.
    label: Digest,
    watch: Watch,
    /// As many as all members offer.
    size: usize,
    hands: Vec<Worker<(TupleKind, usize), Result<Rows, Ended>>>,
}

impl Crew {
    pub fn new(shared: Arc<Shared>, label: Digest, watch: Watch) -> Self {
        Self { shared, label, watch, size: 0, hands: Vec::new() }
    }

    /// What all members have just said that they offer.
    pub fn hear(&mut self, wishes: &[Wish]) {
        let threads = wishes.iter().map(|wish| wish.threads).min().unwrap_or(1);
        self.size = usize::from(threads.clamp(1, limits::GENERATION_THREADS_MAX)) - 1;
    }

    /// How many hands a batch of this many is worth; the same at all members.
    fn hands_for(&self, kind: TupleKind, count: usize) -> usize {
        let parts = (count * PARTS_MAX / kind.chunk_max()).min(count);
        self.size.min(parts.saturating_sub(1))
    }

    /// Whether a batch of this many is worth dividing.
    pub fn divides(&self, kind: TupleKind, count: usize) -> bool {
        self.hands_for(kind, count) > 0
    }

    /// Gives every hand its share now. What is left for the own thread, and the hands' tuples when they are there.
    pub async fn divide(
        &mut self,
        party: &Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<(usize, impl Future<Output = Result<Vec<Rows>, Ended>> + use<>), Ended> {
        let hands = self.hands_for(kind, count);
        while self.hands.len() < hands {
            let hand = self.enlist(party, self.hands.len() as u32 + 1).await?;
            self.hands.push(hand);
        }
        let share = count / (hands + 1);
        let asked: Vec<_> = self.hands[..hands].iter().map(|hand| hand.ask((kind, share))).collect();
        let left = count - share * asked.len();
        Ok((left, try_join_all(asked.into_iter().map(async |answer| answer.await?))))
    }

    /// Meets the other members' hands of this number.
    async fn enlist(
        &self,
        party: &Party,
        number: u32,
    ) -> Result<Worker<(TupleKind, usize), Result<Rows, Ended>>, Ended> {
        let (shared, mut workshops) = (self.shared.clone(), Workshops::of_hand());
        let label = SessionLabel { label: self.label.0, thread: number };
        let links = shared.seat.open_links(label, MEET_PATIENCE).await.map_err(MeetError::from)?;
        let session = Transcript::new("generation hand").bytes(party.session()).number(number.into()).finish();
        let mut party = Party::new(shared.seat.rank(), session, self.watch.add(links), session::session_rng());
        let obey = async move |(kind, count)| {
            let made = workshops.make_here(&shared, &mut party, kind, count).await;
            // a failed check counts even if the session has already ended by something else
            if let Err(ended) = &made {
                shared.pause_for(ended).await;
            }
            made
        };
        Worker::start(&format!("klyshko {number}"), obey).map_err(|error| {
            tracing::error!(%error, "a thread for generation cannot be started");
            session::Crashed.into()
        })
    }
}

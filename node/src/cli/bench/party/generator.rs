//! A party that makes tuples, on several threads if it is told so. For MASCOT each has a session and a setup of its own, as
//! the hands of a node's generation have; LowGear divides what it computes.

use std::time::Instant;

use futures::future::try_join_all;
use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::generator::{Anchor, Generator as Engine, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::workers::Workers;
use rand::SeedableRng as _;
use rand::rngs::SysRng;

use super::sides::Sides;
use super::{Meeting, Took, join};
use crate::castor::TupleKind;
use crate::cli::bench::measured::peak_rss_bytes;
use crate::cli::failure::{Context as _, Failure};
use crate::link::Links;
use crate::session::Worker;
use crate::session::side::Side;
use crate::session::take::engine_kind;

/// Bits of statistical security.
const STATISTICAL: u32 = 64;

/// A thread that makes so many tuples of a kind.
type Maker = Worker<(TupleKind, usize), Result<Made, Failure>>;

pub struct Generator {
    makers: Vec<Maker>,
}

struct Made {
    seconds: f64,
    bytes_sent: u64,
    anchor: Anchor,
}

impl Generator {
    /// Makes setups and the first triples, which the time is of.
    pub async fn establish(
        links: &Links,
        meeting: &Meeting,
        protocol: &str,
        count: usize,
        threads: u16,
    ) -> Result<(Self, Took), Failure> {
        let began = Instant::now();
        let field = PrimeField::carbyne();
        let protocol = Protocol::named(protocol, &field, STATISTICAL);
        let protocol = protocol.ok_or_else(|| Failure::failed("no such protocol"))?;
        let (sessions, workers) = match protocol {
            Protocol::Mascot(_) => (threads, 1),
            Protocol::LowGear(_) => (1, threads),
        };
        let mut rng = Rng::try_from_rng(&mut SysRng).or_failed("the operating system gives no randomness")?;
        let key = MacKeyShare::new(field.random(&mut rng), meeting.rank == 0);
        let workers = Workers::new(workers.into()).or_failed("threads")?;
        let hand = |party, anchor| Hand::new(party, key.clone(), protocol, &workers, anchor).start();
        let first = hand(join(links, meeting, 0).await?, None)?;
        let Made { bytes_sent, anchor, .. } = ask(&first, TupleKind::TRIPLE, count).await?;
        let took = Took { bytes_sent, ..took(began.elapsed().as_secs_f64()) };
        let mut makers = vec![first];
        for session in 1..sessions {
            let maker = hand(join(links, meeting, session).await?, Some(anchor.clone()))?;
            ask(&maker, TupleKind::TRIPLE, count).await?;
            makers.push(maker);
        }
        Ok((Self { makers }, took))
    }

    /// Makes tuples, so many in all; the time is that of the slowest thread, without the setup of another field.
    pub async fn generate(&mut self, kind: &str, count: usize) -> Result<Took, Failure> {
        let kind = TupleKind::named(kind).ok_or_else(|| Failure::failed("no such kind"))?;
        let share = count / self.makers.len();
        let made = try_join_all(self.makers.iter().map(|maker| ask(maker, kind, share))).await?;
        let seconds = made.iter().map(|made| made.seconds).fold(0.0, f64::max);
        Ok(Took { bytes_sent: made.iter().map(|made| made.bytes_sent).sum(), ..took(seconds) })
    }
}

async fn ask(maker: &Maker, kind: TupleKind, count: usize) -> Result<Made, Failure> {
    maker.ask((kind, count)).await.map_err(Failure::failed)?
}

fn took(seconds: f64) -> Took {
    Took { seconds, peak_rss_bytes: peak_rss_bytes(std::process::id()), ..Took::default() }
}

/// What a thread has. Its setups are made when they are first needed.
struct Hand {
    party: Party,
    mac: MacCheck<PrimeField>,
    protocol: Protocol,
    workers: Workers,
    /// Of the first hand's setup, at the others.
    anchor: Option<Anchor>,
    engine: Option<Engine>,
    sides: Sides,
}

impl Hand {
    fn new(
        party: Party,
        key: MacKeyShare<PrimeField>,
        protocol: Protocol,
        workers: &Workers,
        anchor: Option<Anchor>,
    ) -> Self {
        let mac = MacCheck::new(PrimeField::carbyne(), key, Box::new(LocalGate::default()));
        Self { party, mac, protocol, workers: workers.clone(), anchor, engine: None, sides: Sides::default() }
    }

    fn start(mut self) -> Result<Maker, Failure> {
        Worker::start("bench", async move |(kind, count)| self.make(kind, count).await).or_failed("a thread")
    }

    async fn make(&mut self, kind: TupleKind, count: usize) -> Result<Made, Failure> {
        let Self { party, mac, sides, .. } = self;
        if self.engine.is_none() {
            let (field, anchor) = (PrimeField::carbyne(), self.anchor.as_ref());
            let made = Engine::establish(party, field, mac, self.protocol, anchor, &self.workers).await;
            self.engine = Some(made.map_err(Failure::aborted)?);
        }
        let engine = self.engine.as_mut().ok_or_else(|| Failure::failed("no setup"))?;
        if let Some(side) = Side::of(kind) {
            sides.open(party, side).await?;
        }
        let (began, before) = (Instant::now(), party.traffic().bytes_sent);
        if Side::of(kind).is_some() {
            sides.generate(party, (mac, engine), kind, count).await?;
        } else if let Some(shape) = kind.shape() {
            engine.generate_matrices(party, mac, shape, count).await.map(drop).map_err(Failure::aborted)?;
        } else if let Some(owner) = kind.owner() {
            let made = engine.generate_input_masks(party, mac, owner, count).await;
            made.map(drop).map_err(Failure::aborted)?;
        } else {
            let kind = engine_kind(kind).ok_or_else(|| Failure::failed("no such kind"))?;
            engine.generate(party, mac, kind, count).await.map(drop).map_err(Failure::aborted)?;
        }
        let bytes_sent = party.traffic().bytes_sent - before;
        Ok(Made { seconds: began.elapsed().as_secs_f64(), bytes_sent, anchor: engine.anchor().clone() })
    }
}

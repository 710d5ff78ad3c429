//! A party that makes tuples, on several threads if it is told so. For MASCOT each has a session and a setup of its own, as
//! the hands of a node's generation have; LowGear divides what it computes.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::try_join_all;
use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::generator::{Anchor, Generator as Engine, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Params, Setup};
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::workers::Workers;
use rand::SeedableRng as _;
use rand::rngs::SysRng;

use super::{Meeting, Took, join};
use crate::castor::TupleKind;
use crate::cli::bench::measured::peak_rss_bytes;
use crate::cli::failure::{Context as _, Failure};
use crate::klyshko::making::{Binary, Prime};
use crate::link::Links;
use crate::session::Worker;
use crate::session::side::Side;

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
        let field = PrimeField::usual();
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
    key: MacKeyShare<PrimeField>,
    protocol: Protocol,
    workers: Workers,
    /// Of the first hand's setup, at the others.
    anchor: Option<Anchor>,
    prime: Option<Prime>,
    sides: BTreeMap<Side, Binary>,
}

impl Hand {
    fn new(
        party: Party,
        key: MacKeyShare<PrimeField>,
        protocol: Protocol,
        workers: &Workers,
        anchor: Option<Anchor>,
    ) -> Self {
        Self { party, key, protocol, workers: workers.clone(), anchor, prime: None, sides: BTreeMap::new() }
    }

    fn start(mut self) -> Result<Maker, Failure> {
        Worker::start("bench", async move |(kind, count)| self.make(kind, count).await).or_failed("a thread")
    }

    async fn make(&mut self, kind: TupleKind, count: usize) -> Result<Made, Failure> {
        let mut prime = self.take_prime().await?;
        let mut side = self.take_side(kind).await?;
        let party = &mut self.party;
        let (began, before) = (Instant::now(), party.traffic().bytes_sent);
        let made = match &mut side {
            None => prime.make(party, kind, count).await,
            Some((_, binary)) if kind.is_of_dabits() => prime.make_over_both(party, binary, kind, count).await,
            Some((_, binary)) => binary.make(party, kind, count).await,
        };
        made.map_err(Failure::aborted)?;
        let bytes_sent = party.traffic().bytes_sent - before;
        let made =
            Made { seconds: began.elapsed().as_secs_f64(), bytes_sent, anchor: prime.generator.anchor().clone() };
        self.prime = Some(prime);
        self.sides.extend(side);
        Ok(made)
    }

    /// The prime field's setup, taken out; made if it is not there.
    async fn take_prime(&mut self) -> Result<Prime, Failure> {
        if let Some(prime) = self.prime.take() {
            return Ok(prime);
        }
        let (field, party) = (PrimeField::usual(), &mut self.party);
        let mut mac = MacCheck::new(field, self.key.clone(), Box::new(LocalGate::default()));
        let made = Engine::establish(party, field, &mut mac, self.protocol, self.anchor.as_ref(), &self.workers).await;
        Ok(Prime { field, mac, generator: made.map_err(Failure::aborted)? })
    }

    /// The setup of the other field that a kind needs, by MASCOT under a key of this thread's own.
    async fn take_side(&mut self, kind: TupleKind) -> Result<Option<(Side, Binary)>, Failure> {
        let Some(side) = Side::of(kind) else { return Ok(None) };
        if let Some(binary) = self.sides.remove(&side) {
            return Ok(Some((side, binary)));
        }
        let (field, party) = (side.field(), &mut self.party);
        let key = MacKeyShare::new(field.random(&mut party.rng), party.is_first());
        let mut mac = MacCheck::new(field, key, Box::new(LocalGate::default()));
        let made = Setup::establish(party, field, &mut mac, Params::default(), None).await;
        let (setup, _) = made.map_err(Failure::aborted)?;
        Ok(Some((side, Binary { field, mac, setup })))
    }
}

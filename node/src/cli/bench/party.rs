//! One party of a measurement: a process that is told what to do on its standard input, a line of JSON each, and answers
//! on its standard output.

mod generator;
mod premade;
mod runner;

use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use polyyne_engine::digest::Transcript;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, Rng};
use polyyne_protocol::id::{Digest, PeerKey};
use rand::SeedableRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::parties::random;
use crate::cli::failure::{Context as _, Failure};
use crate::federation;
use crate::link::{LinkPeer, Links, SessionLabel};
use generator::Generator;
use runner::Runner;

/// What a party is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Open links to all, and make setups for so many threads; the time is that until one has made the first tuples.
    Establish { meeting: Meeting, protocol: String, count: usize, threads: u16 },
    /// Make tuples.
    Generate { kind: String, count: usize },
    /// Open links to all, and get tuples from the dealer of this seed.
    Gather { meeting: Meeting, seed: Digest },
    /// Get ready to run a program: a first run counts its tuples.
    Load { program: ByteBuf, expected: String },
    /// Run it once, on tuples that are there before the time starts.
    Run,
}

/// Where the parties meet. `label` is fresh.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meeting {
    pub label: Digest,
    pub rank: u16,
    pub roster: Vec<Place>,
}

/// Where a party is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    pub key: PeerKey,
    pub address: SocketAddr,
}

/// What an order took.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Took {
    pub seconds: f64,
    pub bytes_sent: u64,
    /// The most memory since the time started, what was there before included; 0 where the system does not say.
    pub peak_rss_bytes: u64,
    /// Between two multiplications that follow each other.
    pub laps_ns: Vec<u64>,
}

/// How long parties wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// The life of a party.
pub fn run() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.or_failed("cannot start a runtime")?.block_on(serve())
}

/// What a party has become.
#[derive(Default)]
struct Roles {
    generator: Option<Generator>,
    runner: Option<Runner>,
}

async fn serve() -> Result<(), Failure> {
    let signing = SigningKey::from_bytes(&random()?);
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let links = Links::listen(anywhere, &federation::identity(&signing)).await.map_err(Failure::failed)?;
    say(&Place { key: PeerKey(signing.verifying_key().to_bytes()), address: links.local_addr() })?;
    let mut roles = Roles::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.or_failed("standard input")?;
        let order = serde_json::from_str(&line).or_failed("an order")?;
        say(&roles.obey(&links, order).await?)?;
    }
    Ok(())
}

impl Roles {
    async fn obey(&mut self, links: &Links, order: Order) -> Result<Took, Failure> {
        match order {
            Order::Establish { meeting, protocol, count, threads } => {
                let (generator, took) = Generator::establish(links, &meeting, &protocol, count, threads).await?;
                self.generator = Some(generator);
                Ok(took)
            }
            Order::Generate { kind, count } => {
                let generator = self.generator.as_mut().ok_or_else(out_of_turn)?;
                generator.generate(&kind, count).await
            }
            Order::Gather { meeting, seed } => {
                self.runner = Some(Runner::new(join(links, &meeting, 0).await?, seed.0));
                Ok(Took::default())
            }
            Order::Load { program, expected } => {
                let runner = self.runner.as_mut().ok_or_else(out_of_turn)?;
                runner.load(&program, expected).await.map(|()| Took::default())
            }
            Order::Run => self.runner.as_mut().ok_or_else(out_of_turn)?.run().await,
        }
    }
}

fn out_of_turn() -> Failure {
    Failure::failed("an order that comes too early")
}

/// This end of a session with all others, over data links; a session for each thread.
async fn join(links: &Links, meeting: &Meeting, thread: u16) -> Result<Party, Failure> {
    let Meeting { label, rank, roster } = meeting;
    links.admit(roster.iter().map(|place| place.key));
    let others = (0u16..).zip(roster).filter(|(other, _)| other != rank);
    let peers: Vec<LinkPeer> =
        others.map(|(rank, place)| LinkPeer { rank, key: place.key, addresses: vec![place.address] }).collect();
    let session = SessionLabel { label: label.0, thread: thread.into() };
    let opened = links.open(session, *rank, &peers, PATIENCE).await.map_err(Failure::unreachable)?;
    let mut channels: Vec<Option<Box<dyn Channel>>> = roster.iter().map(|_| None).collect();
    for link in opened {
        let at = usize::from(link.rank());
        channels[at] = Some(Box::new(link));
    }
    let rng = Rng::try_from_rng(&mut SysRng).or_failed("the operating system gives no randomness")?;
    let id = Transcript::new("bench").bytes(&label.0).number(thread.into()).finish();
    Ok(Party::new((*rank).into(), id, channels, rng))
}

fn say(answer: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(answer).or_failed("an answer")?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).or_failed("standard output")
}

/// Makes [`peak_rss_bytes`] begin anew, where the system can do that.
fn forget_peak_rss() {
    // without it the peak is of the whole life: more, never less
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

//! One party of a measurement: a process that is told what to do on its standard input, a line of JSON each, and answers
//! on its standard output.

use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Params, Setup};
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, LocalGate, Rng};
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::tuples::Kind;
use polyyne_protocol::id::{Digest, PeerKey};
use rand::rngs::SysRng;
use rand::{SeedableRng as _, TryRng as _};
use serde::{Deserialize, Serialize};

use crate::cli::failure::{Context as _, Failure};
use crate::federation;
use crate::link::{LinkPeer, Links, SessionLabel};

/// What a party is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Open links to all, and make a setup and the first tuples. `label` is fresh.
    Meet {
        label: Digest,
        rank: u16,
        roster: Vec<Place>,
        count: usize,
    },
    Generate {
        kind: String,
        count: usize,
    },
}

/// Where a party is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    pub key: PeerKey,
    pub address: SocketAddr,
}

/// What an order took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Took {
    pub seconds: f64,
    pub bytes_sent: u64,
    pub peak_rss_bytes: u64,
}

/// How long parties wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// The life of a party.
pub fn run() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.or_failed("cannot start a runtime")?.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).or_failed("the operating system gives no randomness")?;
    let signing = SigningKey::from_bytes(&seed);
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let links = Links::listen(anywhere, &federation::identity(&signing)).await.map_err(Failure::failed)?;
    say(&Place { key: PeerKey(signing.verifying_key().to_bytes()), address: links.local_addr() })?;
    let mut generator = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.or_failed("standard input")?;
        let order = serde_json::from_str(&line).or_failed("an order")?;
        let began = Instant::now();
        let (generator, before) = match order {
            Order::Meet { label, rank, roster, count } => {
                let meeting = Generator::meet(&links, label, rank, &roster).await?;
                let generator = generator.insert(meeting);
                generator.generate(Kind::Triple, count).await?;
                (generator, 0)
            }
            Order::Generate { kind, count } => {
                let generator = generator.as_mut().ok_or_else(|| Failure::failed("parties meet first"))?;
                let kind = Kind::STOCK.into_iter().find(|known| known.name() == kind);
                let before = generator.party.traffic().bytes_sent;
                generator.generate(kind.ok_or_else(|| Failure::failed("no such kind"))?, count).await?;
                (generator, before)
            }
        };
        say(&Took {
            seconds: began.elapsed().as_secs_f64(),
            bytes_sent: generator.party.traffic().bytes_sent - before,
            peak_rss_bytes: peak_rss_bytes(),
        })?;
    }
    Ok(())
}

/// A party that generates.
struct Generator {
    party: Party,
    mac: MacCheck<PrimeField>,
    setup: Setup<PrimeField>,
}

impl Generator {
    async fn meet(links: &Links, label: Digest, rank: u16, roster: &[Place]) -> Result<Self, Failure> {
        links.admit(roster.iter().map(|place| place.key));
        let others = (0u16..).zip(roster).filter(|&(other, _)| other != rank);
        let peers: Vec<LinkPeer> =
            others.map(|(rank, place)| LinkPeer { rank, key: place.key, addresses: vec![place.address] }).collect();
        let session = SessionLabel { label: label.0, thread: 0 };
        let opened = links.open(session, rank, &peers, PATIENCE).await.map_err(Failure::unreachable)?;
        let mut channels: Vec<Option<Box<dyn Channel>>> = roster.iter().map(|_| None).collect();
        for link in opened {
            let at = usize::from(link.rank());
            channels[at] = Some(Box::new(link));
        }
        let field = PrimeField::carbyne();
        let mut rng = Rng::try_from_rng(&mut SysRng).or_failed("the operating system gives no randomness")?;
        let key = MacKeyShare::new(field.random(&mut rng), rank == 0);
        let mut party = Party::new(rank.into(), label.0, channels, rng);
        let mut mac = MacCheck::new(field, key, Box::new(LocalGate::default()));
        let setup = Setup::establish(&mut party, field, &mut mac, Params::default(), None).await;
        let (setup, _) = setup.map_err(Failure::aborted)?;
        Ok(Self { party, mac, setup })
    }

    async fn generate(&mut self, kind: Kind, count: usize) -> Result<(), Failure> {
        let made = self.setup.generate(&mut self.party, &mut self.mac, kind, count).await;
        made.map(drop).map_err(Failure::aborted)
    }
}

fn say(answer: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(answer).or_failed("an answer")?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).or_failed("standard output")
}

/// The most memory that this process ever had; 0 where the system does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

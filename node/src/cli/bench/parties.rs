//! The processes that are measured: started, told what to do, and asked what it took.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use polyyne_protocol::id::Digest;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::de::DeserializeOwned;

use super::party::{Meeting, Order, Place, Took};
use super::shaper::{Line, relay};
use crate::cli::failure::{Context as _, Failure};

/// They end when this does.
pub struct Parties(Vec<Process>);

struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Parties {
    pub fn start(n: u16) -> Result<Self, Failure> {
        (0..n).map(|_| Process::start()).collect::<Result<_, _>>().map(Self)
    }

    /// Lets the parties meet, for what `order` makes of a meeting.
    pub fn meet(&mut self, network: &Network, order: impl Fn(Meeting) -> Order) -> Result<Took, Failure> {
        let roster: Vec<Place> = self.0.iter_mut().map(Process::hear).collect::<Result<_, _>>()?;
        let label = Digest(random()?);
        for (rank, roster) in (0u16..).zip(network.rosters(&roster)?) {
            self.0[usize::from(rank)].tell(&order(Meeting { label, rank, roster }))?;
        }
        self.answer()
    }

    /// The same order to all.
    pub fn all(&mut self, order: &Order) -> Result<Took, Failure> {
        self.0.iter_mut().try_for_each(|process| process.tell(order))?;
        self.answer()
    }

    /// What the slowest and the largest needed.
    fn answer(&mut self) -> Result<Took, Failure> {
        let mut worst = Took::default();
        for process in &mut self.0 {
            let took: Took = process.hear()?;
            if took.seconds > worst.seconds {
                worst.laps_ns = took.laps_ns;
            }
            worst.seconds = worst.seconds.max(took.seconds);
            worst.bytes_sent = worst.bytes_sent.max(took.bytes_sent);
            worst.peak_rss_bytes = worst.peak_rss_bytes.max(took.peak_rss_bytes);
        }
        Ok(worst)
    }
}

/// What the parties' bytes go through.
pub enum Network {
    Loopback,
    /// Lines that carry so many bits per second, one for each party.
    Slow {
        bits_per_s: u64,
    },
}

impl Network {
    /// Everyone's addresses as each party is to see them, by party.
    fn rosters(&self, roster: &[Place]) -> Result<Vec<Vec<Place>>, Failure> {
        let Self::Slow { bits_per_s } = *self else { return Ok(vec![roster.to_vec(); roster.len()]) };
        let lines: Vec<Line> = roster.iter().map(|_| Line::new(bits_per_s)).collect();
        let through = |there: &Line| {
            let relayed = |(place, back): (&Place, &Line)| {
                relay(place.address, there, back).map(|address| Place { address, ..place.clone() })
            };
            roster.iter().zip(&lines).map(relayed).collect()
        };
        lines.iter().map(through).collect()
    }
}

impl From<Option<u64>> for Network {
    fn from(bits_per_s: Option<u64>) -> Self {
        bits_per_s.map_or(Self::Loopback, |bits_per_s| Self::Slow { bits_per_s })
    }
}

/// 32 fresh bytes.
pub fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).or_failed("the operating system gives no randomness")?;
    Ok(bytes)
}

impl Process {
    fn start() -> Result<Self, Failure> {
        let executable = std::env::current_exe().or_failed("this executable")?;
        let mut command = Command::new(executable);
        command.args(["bench", "party"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().or_failed("a process")?;
        let orders = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| Failure::failed("no pipe to a process"))?;
        Ok(Self { child, orders, answers: BufReader::new(stdout).lines() })
    }

    fn tell(&mut self, order: &Order) -> Result<(), Failure> {
        let text = serde_json::to_string(order).or_failed("an order")?;
        let orders = self.orders.as_mut().ok_or_else(|| Failure::failed("no pipe to a process"))?;
        writeln!(orders, "{text}").or_failed("a party ended")
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.answers.next().ok_or_else(|| Failure::failed("a party ended"))?;
        serde_json::from_str(&line.or_failed("a party")?).or_failed("a party's answer")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        // one that still computes has nothing to lose
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The demonstration: two clients, two nodes, one joint computation.
//!
//! One client puts 177 through the first node, another puts 151 through the second; each allows this program alone to use
//! its secret. Then the program runs over both, and again with 179 in place of 151.

use std::path::Path;
use std::time::Duration;

use polyyne_bytecode::{Amount, Bill, Item, Program, TupleDomain};
use polyyne_protocol::client::{Client, ExecuteTerms, Outcome, Pin, PutTerms};
use polyyne_protocol::id::{CloudId, SecretId};
use polyyne_protocol::request::{self, program_hash};
use polyyne_protocol::secret::{Policy, SecretValue};
use serde_bytes::ByteBuf;

use super::children::Node;
use super::ground::Ground;
use crate::cli::arguments::CompileOptions;
use crate::cli::execute::execute;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::secret::store;
use crate::cli::{identity, source};

/// The first client's secret.
const FIRST: i128 = 177;
/// The second client's secrets.
const SECONDS: [i128; 2] = [151, 179];
/// Words that the program reads: one from each client.
const WORDS: u64 = 2;
/// How long one run may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A compiled program to show.
pub struct Demo {
    name: String,
    program: Program,
    bytes: Vec<u8>,
}

impl Demo {
    /// The given program, or the billionaires.
    pub fn new(program: Option<&Path>, prime: Option<u128>) -> Result<Self, Failure> {
        let name = program.map_or("billionaires.mpc".into(), |path| path.to_string_lossy().into_owned());
        let options = CompileOptions { prime, ..CompileOptions::default() };
        let program = source::load(&name, &[], &options)?;
        let bytes = program.to_bytes();
        Ok(Self { name, program, bytes })
    }

    /// Tuples of each kind that two runs and their inputs and outputs take, as far as it can be known.
    pub fn needs(&self) -> Vec<(&'static str, u64)> {
        let bill = Bill::of(&self.program);
        let runs = SECONDS.len() as u64;
        let count = |item| match bill.amount(item) {
            Amount::Exactly(count) => count * runs,
            Amount::Unknown => 0,
        };
        let prime = TupleDomain::Prime;
        let kinds = [
            // an upload or a delivery of K words takes K + 2 randoms and K triples, or fewer
            ("random", count(Item::Random(prime)) + (WORDS + 4) * (runs + 1)),
            ("triple", count(Item::Triple(prime)) + (WORDS + 4) * (runs + 1)),
            ("bit", count(Item::Bit(prime))),
            ("square", count(Item::Square(prime))),
            ("inverse", count(Item::Inverse(prime))),
        ];
        kinds.into_iter().filter(|&(_, count)| count > 0).collect()
    }

    /// Runs it twice, prints what comes out, and returns the values.
    pub async fn show(
        &self,
        screen: &Screen,
        ground: &Ground,
        nodes: &[Node],
        cloud: CloudId,
    ) -> Result<Vec<String>, Failure> {
        let mut outputs = Vec::new();
        let mut alice = client(screen, ground, "alice", &nodes[0], cloud).await?;
        let mut bob = client(screen, ground, "bob", &nodes[1], cloud).await?;
        let mine = self.put(screen, &mut alice, FIRST).await?;
        screen.note(format!("alice stored {FIRST} through node 0: secret {mine}"));
        for second in SECONDS {
            let other = self.put(screen, &mut bob, second).await?;
            screen.note(format!("bob stored {second} through node 1: secret {other}"));
            screen.note(format!("running {} over both", self.name));
            let outcome = self.run(screen, &mut alice, vec![mine, other]).await?;
            let values: Vec<String> = outcome.outputs.iter().flat_map(|value| value.texts().to_vec()).collect();
            if !screen.json {
                screen.raw(outcome.printed.as_bytes());
                values.iter().for_each(|value| screen.line(value));
            }
            outputs.extend(values);
        }
        Ok(outputs)
    }

    async fn put(&self, screen: &Screen, client: &mut Client, value: i128) -> Result<SecretId, Failure> {
        let policy = Policy::for_programs(vec![program_hash(&self.bytes)]);
        store(screen, client, &SecretValue::integers(vec![value]), PutTerms { policy, ..PutTerms::default() }).await
    }

    async fn run(&self, screen: &Screen, client: &mut Client, inputs: Vec<SecretId>) -> Result<Outcome, Failure> {
        let program = request::Program::Bytes(ByteBuf::from(self.bytes.clone()));
        let terms = ExecuteTerms { reveal: true, timeout: TIMEOUT, ..ExecuteTerms::new(program, inputs) };
        // nobody else asks this cloud, so that there is no line to stand in
        execute(screen, client, std::future::pending(), terms).await
    }
}

async fn client(screen: &Screen, ground: &Ground, name: &str, node: &Node, cloud: CloudId) -> Result<Client, Failure> {
    let path = ground.client(name);
    if !path.exists() {
        identity::create(&path)?;
    }
    let key = identity::load(screen, Some(&path))?;
    Ok(Client::connect(&node.ready.http, key, Pin::Cloud(cloud)).await?)
}

//! `kill -9` at every place where a node decides something for ever, then a restart: no tuple is
//! spent twice, no acknowledged secret is lost, what was half done is wholly there or wholly gone
//! at all members, and the cloud serves again.
//!
//! By default each failpoint is met once, at one of the two nodes; with `POLYYNE_LONG=1` at each
//! of them, each twice: when it is passed for the first and for the second time.

use polyyne_node::journal::KeyState;
use polyyne_tests::cloud::Cloud;
use polyyne_tests::ledger::Ledger;
use polyyne_tests::{long, until, vcp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every `failpoint::pass` of a node, and what makes a node pass it.
const FAILPOINTS: [(&str, Work); 14] = [
    ("taken", Work::Put),
    ("check-begun", Work::Put),
    ("check-committed", Work::Put),
    ("check-opened", Work::Put),
    ("secret-masked", Work::Put),
    ("secret-prepared", Work::Put),
    ("secret-committed", Work::Put),
    ("chunk-staged", Work::Generate),
    ("anchor-made", Work::FirstSetup("gf40-random")),
    ("anchor-kept", Work::FirstSetup("gf128-random")),
    ("anchor-confirmed", Work::FirstSetup("shared-bit")),
    ("key-check-decided", Work::FirstSetup("gf40-square")),
    ("execution-checked", Work::Execute),
    ("execution-certified", Work::Execute),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Put,
    Execute,
    Generate,
    /// Tuples over a field that has not been used before: it is set up once.
    FirstSetup(&'static str),
}

/// A cloud with what its clients were told.
struct Story {
    cloud: Cloud,
    /// Acknowledged secrets and their values.
    told: BTreeMap<String, String>,
    /// Values of puts of which nothing was heard.
    unheard: Vec<String>,
    next: u64,
    base: String,
}

impl Story {
    fn new() -> Self {
        let targets = [("triple", 1024), ("random", 1024), ("bit", 256)];
        let cloud = Cloud::with(vcp!(), 2, &[("RUST_LOG", "polyyne_node=debug,warn")], &targets);
        let mut story = Self { cloud, told: BTreeMap::new(), unheard: Vec::new(), next: 1000, base: String::new() };
        story.base = story.put(0).expect("the cloud is new");
        story
    }

    /// Puts a value that no other put has; its id if the client was told that it is stored.
    fn put(&mut self, through: usize) -> Option<String> {
        self.next += 1;
        let value = self.next.to_string();
        let ended = self.cloud.client("alice", through, &["secret", "put", &value]);
        if ended.succeeded() {
            let id = ended.line();
            self.told.insert(id.clone(), value);
            return Some(id);
        }
        self.unheard.push(value);
        None
    }

    /// One thing to do through a node; whether it worked does not matter here.
    fn work(&mut self, work: Work, through: usize) {
        match work {
            Work::Put => drop(self.put(through)),
            Work::Execute => {
                let arguments = ["execute", "add.mpc", "-i", &self.base, "-i", &self.base];
                let ended = self.cloud.client("alice", through, &arguments);
                if let Some(id) = ended.lines().last().and_then(|line| line.strip_prefix("result[0] ")) {
                    let value: u64 = self.told[&self.base].parse().unwrap();
                    self.told.insert(id.to_owned(), (2 * value).to_string());
                }
            }
            Work::Generate => self.generate(through, "square"),
            Work::FirstSetup(kind) => self.generate(through, kind),
        }
    }

    fn generate(&self, through: usize, kind: &str) {
        drop(self.cloud.operator(through, &["klyshko", "generate", kind, "64"]));
    }

    /// Members that were interrupted in a first setup agree on an anchor and go on.
    fn assert_made(&self, kind: &str, context: &str) {
        for node in [0, 1] {
            until(&format!("{context}: {kind} is made"), || {
                self.generate(node, kind);
                let stock = self.cloud.operator(node, &["--json", "castor", "stock"]);
                let lines = stock.succeeded().then(|| stock.json()["lines"].clone())?;
                let own = lines.as_array()?.iter().find(|line| line["kind"] == kind)?;
                own["available"].as_u64().filter(|available| *available >= 64)
            });
        }
    }

    /// Starts a node that will kill itself at a failpoint, gives it work until it does, and starts it
    /// again.
    fn dies_at(&mut self, point: &str, times: u64, node: usize, work: Work) {
        self.cloud.stop(node);
        self.cloud.start_with(node, &[("VCP_FAILPOINT", &format!("{point}:{times}"))]);
        // The other asks, so that the client's own node does not fail it.
        let through = 1 - node;
        while !self.cloud.is_dead(node) {
            self.work(work, through);
        }
        self.cloud.until_dead(node);
        let log = self.cloud.last_words(node);
        assert!(log.contains(&format!("killed at {point}")), "{point} at node {node}: it died elsewhere:\n{log}");
        self.cloud.start(node);
    }

    /// The cloud serves, both members list the same secrets, and each of them is what it was or was to
    /// become.
    fn assert_whole(&mut self, context: &str) {
        self.cloud.until_live();
        until(&format!("{context}: the cloud serves again"), || self.put(0));
        let listed = until(&format!("{context}: the members agree"), || {
            let lists = [0, 1].map(|node| self.cloud.list("alice", node));
            lists.iter().all(|list| list.succeeded()).then(|| lists.map(|list| ids(&list.json())))
        });
        assert_eq!(listed[0], listed[1], "{context}");
        for id in self.told.keys() {
            assert!(listed[0].contains(id), "{context}: the acknowledged secret {id} is lost");
        }
        for id in &listed[0] {
            // Those of before were read before: only the newest are read each time.
            let values = [0, 1].map(|node| self.cloud.get("alice", node, id));
            assert_eq!(values[0], values[1], "{context}");
            match self.told.get(id) {
                Some(value) => assert_eq!(values[0], std::slice::from_ref(value), "{context}"),
                None => {
                    assert!(self.is_possible(&values[0]), "{context}: {values:?} was never put");
                    self.told.insert(id.clone(), values[0][0].clone());
                }
            }
        }
        // Read once more at the very end, not after each crash.
        self.settle();
    }

    /// A put of which nothing was heard, or the result of an execution of which nothing was heard.
    fn is_possible(&self, values: &[String]) -> bool {
        let doubled = (2 * self.told[&self.base].parse::<u64>().unwrap()).to_string();
        values.len() == 1 && (self.unheard.contains(&values[0]) || values[0] == doubled)
    }

    /// Deletes all secrets but the first, so that reading them all stays quick.
    fn settle(&mut self) {
        let rest: Vec<String> = self.told.keys().filter(|id| **id != self.base).cloned().collect();
        if rest.is_empty() {
            return;
        }
        let mut arguments = vec!["secret".to_owned(), "delete".to_owned()];
        arguments.extend(rest.iter().cloned());
        self.cloud.client("alice", 1, &arguments).ok();
        self.told.retain(|id, _| *id == self.base);
        self.unheard.clear();
    }

    /// Stops all and counts row by row.
    fn assert_balanced(&mut self) {
        let shown = self.cloud.operator(0, &["--json", "cloud", "show", &self.cloud.id]).ok().json();
        let mac_key = shown["mac_key"]["id"].as_str().unwrap().to_owned();
        self.cloud.stop_all();
        let ledgers = [0, 1].map(|node| Ledger::open(&self.cloud.nodes[node].dir, &self.cloud.id, &mac_key));
        for (node, ledger) in ledgers.iter().enumerate() {
            ledger.assert_balanced(&format!("node {node}"));
            assert_eq!(ledger.key_state, KeyState::Active, "node {node}: a crash burns no key");
            assert_eq!(ledger.unfinished_checks, 0, "node {node}");
            assert!(ledger.accounts.iter().any(|account| account.taken > 0), "node {node}: something was taken");
        }
    }
}

fn ids(list: &Value) -> Vec<String> {
    let secrets = list["secrets"].as_array().unwrap();
    let mut ids: Vec<String> = secrets.iter().map(|secret| secret["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// (failpoint, times, node, work)
fn cells() -> Vec<(&'static str, u64, usize, Work)> {
    let mut cells = Vec::new();
    for (number, (point, work)) in FAILPOINTS.into_iter().enumerate() {
        let all = [(1, 0), (1, 1), (2, 0), (2, 1)].map(|(times, node)| (point, times, node, work));
        // The sequencer is node 0: half of the points at each.
        let again = long() && !matches!(work, Work::FirstSetup(_));
        cells.extend(if again { all.to_vec() } else { vec![all[number % 2]] });
    }
    cells
}

#[test]
fn a_node_killed_anywhere_loses_no_secret_spends_no_tuple_twice_and_comes_back() {
    let mut story = Story::new();
    for (point, times, node, work) in cells() {
        let context = format!("{point}:{times} at node {node}");
        eprintln!("{context}");
        story.dies_at(point, times, node, work);
        story.assert_whole(&context);
        if let Work::FirstSetup(kind) = work {
            story.assert_made(kind, &context);
        }
    }
    story.assert_balanced();
}

#[test]
fn both_nodes_killed_at_once_come_back() {
    let mut story = Story::new();
    let running = story.cloud.client_begins("alice", 0, &["secret", "put", "1"]);
    story.unheard.push("1".into());
    story.cloud.kill(0);
    story.cloud.kill(1);
    let ended = running.end();
    if ended.succeeded() {
        story.told.insert(ended.line(), "1".into());
    }
    story.cloud.start(0);
    story.cloud.start(1);
    story.assert_whole("both killed");
    story.assert_balanced();
}

/// The list above is the list of the sources.
#[test]
fn every_failpoint_of_the_node_is_in_the_matrix() {
    let node = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/src");
    let mut found: Vec<String> = Vec::new();
    for file in polyyne_tests::hunt::files(&node) {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let named = text.split("failpoint::pass(\"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(named.map(str::to_owned));
    }
    found.sort();
    let mut known: Vec<String> = FAILPOINTS.iter().map(|(point, _)| (*point).to_owned()).collect();
    known.sort();
    assert_eq!(found, known);
}

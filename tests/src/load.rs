//! A client that never rests: it runs a program over its secrets and stores new ones while members die and come back,
//! and remembers what it was told. What it was told must hold, whatever happens to the members.

use crate::cloud::Cloud;
use crate::program::{Ended, Vcp};
use crate::until;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Products, and a comparison: triples and bits.
const PROGRAM: &str = "
port = regint(10000)
listen(port)
socket_id = regint()
acceptclientconnection(socket_id, port)
a, b = sint.read_from_socket(socket_id, 2)
total = sint(0)
for k in range(64):
    total += (a + k) * (b + k)
sint.write_to_socket(socket_id, [total + (a < b)])
";

fn result(a: i64, b: i64) -> i64 {
    (0..64).map(|k| (a + k) * (b + k)).sum::<i64>() + i64::from(a < b)
}

/// What the program reads.
const INPUTS: [i64; 3] = [177, 151, -20];
/// For one request, with the time that it waits for tuples.
const TIMEOUT: &str = "60s";

/// Writes the program and compiles it; the schedule's path.
///
/// # Panics
/// If it does not compile.
pub fn compiled(vcp: &Vcp, folder: &Path) -> PathBuf {
    let source = folder.join("load.mpc");
    std::fs::write(&source, PROGRAM).expect("the folder is ours");
    let (source, into) = (source.display().to_string(), folder.join("load").display().to_string());
    vcp.run(&["program", "compile", &source, "-o", &into]).ok();
    folder.join("load/Schedules/load.sch")
}

/// The members' doors for clients; nothing where a member does not run.
#[derive(Clone, Default)]
pub struct Doors(Arc<Mutex<Vec<Option<String>>>>);

impl Doors {
    /// Those of the nodes that run now.
    ///
    /// # Panics
    /// Never but after a panic.
    pub fn follow(&self, cloud: &Cloud) {
        let doors = (0..cloud.nodes.len()).map(|node| cloud.door(node)).collect();
        *self.0.lock().expect("no holder panics") = doors;
    }

    fn any(&self, rng: &mut StdRng) -> Option<String> {
        let doors = self.0.lock().expect("no holder panics");
        let open: Vec<&String> = doors.iter().flatten().collect();
        (!open.is_empty()).then(|| open[rng.random_range(0..open.len())].clone())
    }
}

/// See the module's head.
pub struct Load {
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    resting: AtomicBool,
    ended: AtomicBool,
    /// Executions that were answered.
    executed: AtomicU64,
    told: Mutex<Told>,
}

/// What a client knows.
#[derive(Default)]
pub struct Told {
    /// Its inputs: ids and values.
    inputs: Vec<(String, i64)>,
    /// Acknowledged since they were looked at last.
    kept: BTreeMap<String, i64>,
    /// Values of which nothing was heard: stored or not.
    unheard: BTreeSet<i64>,
    /// Executions whose right result was told.
    pub revealed: u64,
    /// Executions whose result became a secret.
    pub stored: u64,
    pub puts: u64,
    /// By exit code.
    pub failed: BTreeMap<Option<i32>, u64>,
}

struct Client {
    vcp: Vcp,
    /// Names cloud and identity.
    arguments: Vec<String>,
    doors: Doors,
    schedule: String,
    rng: StdRng,
}

impl Load {
    /// Stores the inputs, and begins.
    ///
    /// # Panics
    /// If they cannot be stored.
    pub fn start(cloud: &Cloud, doors: &Doors, schedule: &Path, name: &str, seed: u64) -> Self {
        let inputs = INPUTS.map(|value| (cloud.put(name, 0, &[&value.to_string()]), value));
        let told = Told { inputs: inputs.to_vec(), ..Told::default() };
        let shared = Arc::new(Shared {
            resting: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            executed: AtomicU64::new(0),
            told: Mutex::new(told),
        });
        let client = Client {
            vcp: cloud.vcp.clone(),
            arguments: cloud.as_client::<&str>(name, "", &[]),
            doors: doors.clone(),
            schedule: schedule.display().to_string(),
            rng: StdRng::seed_from_u64(seed),
        };
        let live = shared.clone();
        let thread = std::thread::spawn(move || client.live(&live));
        Self { name: name.into(), shared, thread: Some(thread) }
    }

    /// The program's tuples by kind, as a member quotes them.
    ///
    /// # Panics
    /// If nobody answers.
    pub fn quoted(&self, cloud: &Cloud, schedule: &Path) -> Value {
        let told = self.rest();
        let schedule = schedule.display().to_string();
        let inputs = told.inputs.iter().take(2).flat_map(|(id, _)| ["-i", id]);
        let arguments: Vec<&str> = ["--json", "quote", &schedule].into_iter().chain(inputs).collect();
        let quoted = cloud.client(&self.name, 0, &arguments).ok().json();
        drop(told);
        self.go_on();
        quoted["bill"].clone()
    }

    /// Waits until so many more of its executions are answered.
    ///
    /// # Panics
    /// If they are not.
    pub fn until_executed(&self, more: u64) {
        let executed = || self.shared.executed.load(Ordering::Relaxed);
        let enough = executed() + more;
        until("executions are answered", || (executed() >= enough).then_some(()));
    }

    /// Waits for the end of what it does, and keeps it from going on.
    ///
    /// # Panics
    /// If it was told something wrong.
    pub fn rest(&self) -> MutexGuard<'_, Told> {
        self.shared.resting.store(true, Ordering::Relaxed);
        self.shared.told.lock().expect("the client was told nothing wrong")
    }

    pub fn go_on(&self) {
        self.shared.resting.store(false, Ordering::Relaxed);
    }

    /// All members list the same secrets, those that were acknowledged among them, and each is what it was or was to
    /// become. Deletes all but the inputs. The client rests before and after.
    ///
    /// # Panics
    /// If it is not so.
    pub fn assert_kept(&self, cloud: &Cloud, story: &str) {
        let mut told = self.rest();
        let listed = until(&format!("{story}: the members agree about secrets"), || {
            let lists: Vec<Ended> = (0..cloud.nodes.len()).map(|node| cloud.list(&self.name, node)).collect();
            lists.iter().all(Ended::succeeded).then(|| lists.iter().map(|list| ids(&list.json())).collect::<Vec<_>>())
        });
        assert!(listed.iter().all(|list| *list == listed[0]), "{story}: members list different secrets: {listed:?}");
        let expected = told.kept.keys().chain(told.inputs.iter().map(|(id, _)| id));
        let lost: Vec<&String> = expected.filter(|id| !listed[0].contains(*id)).collect();
        assert!(lost.is_empty(), "{story}: acknowledged secrets are lost: {lost:?}");
        for (number, id) in listed[0].iter().enumerate() {
            let values = cloud.get(&self.name, number % cloud.nodes.len(), id);
            let [value] = values.as_slice() else { panic!("{story}: {id} is not one word: {values:?}") };
            assert!(told.is_right(id, value.parse().expect("a number")), "{story}: {id} is {value}");
        }
        let rest: Vec<&str> = listed[0].iter().filter(|id| !told.is_input(id)).map(String::as_str).collect();
        if !rest.is_empty() {
            let arguments: Vec<&str> = ["secret", "delete"].into_iter().chain(rest).collect();
            cloud.client(&self.name, 0, &arguments).ok();
        }
        told.kept.clear();
        told.unheard.clear();
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it was told something wrong.
    pub fn end(mut self) -> Told {
        self.shared.ended.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it ends once");
        thread.join().expect("the client was told nothing wrong");
        std::mem::take(&mut *self.rest())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Told {
    fn is_input(&self, id: &str) -> bool {
        self.inputs.iter().any(|(input, _)| input == id)
    }

    fn is_right(&self, id: &str, value: i64) -> bool {
        let input = self.inputs.iter().find(|(input, _)| input == id).map(|(_, value)| *value);
        match input.or_else(|| self.kept.get(id).copied()) {
            Some(expected) => value == expected,
            None => self.unheard.contains(&value),
        }
    }

    fn count_failed(&mut self, ended: &Ended) {
        *self.failed.entry(ended.code).or_default() += 1;
    }
}

impl Client {
    fn live(mut self, shared: &Shared) {
        let mut doings = (0..6).cycle();
        while !shared.ended.load(Ordering::Relaxed) {
            let door = self.doors.any(&mut self.rng).filter(|_| !shared.resting.load(Ordering::Relaxed));
            let Some(door) = door else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            let mut told = shared.told.lock().expect("whoever looks does not panic");
            match doings.next() {
                Some(2) => self.put(&door, &mut told),
                doing => self.execute(&door, &mut told, doing != Some(0)),
            }
            shared.executed.store(told.revealed + told.stored, Ordering::Relaxed);
        }
    }

    fn run(&self, door: &str, arguments: &[&str]) -> Ended {
        let own = self.arguments.iter().map(|argument| if argument.is_empty() { door } else { argument.as_str() });
        self.vcp.run(&arguments.iter().copied().chain(own).collect::<Vec<_>>())
    }

    fn put(&mut self, door: &str, told: &mut Told) {
        let value: i64 = self.rng.random_range(1 << 20..1 << 40);
        let ended = self.run(door, &["secret", "put", &value.to_string()]);
        if ended.succeeded() {
            told.kept.insert(ended.line(), value);
            told.puts += 1;
        } else {
            told.unheard.insert(value);
            told.count_failed(&ended);
        }
    }

    fn execute(&mut self, door: &str, told: &mut Told, reveal: bool) {
        let [(first, a), (second, b)] = [(); 2].map(|()| told.inputs[self.rng.random_range(0..INPUTS.len())].clone());
        let expected = result(a, b);
        let mut arguments =
            vec!["--json", "execute", "--timeout", TIMEOUT, &self.schedule, "-i", &first, "-i", &second];
        arguments.extend(reveal.then_some("--reveal"));
        let ended = self.run(door, &arguments);
        match (ended.succeeded(), reveal) {
            (true, true) => {
                assert_eq!(ended.json()["outputs"], serde_json::json!([expected.to_string()]), "{a}, {b}: {ended:?}");
                told.revealed += 1;
            }
            (true, false) => {
                let id = ended.json()["results"][0].as_str().expect("a new secret").to_owned();
                told.kept.insert(id, expected);
                told.stored += 1;
            }
            (false, _) => {
                told.unheard.insert(expected);
                told.count_failed(&ended);
            }
        }
    }
}

fn ids(list: &Value) -> BTreeSet<String> {
    let secrets = list["secrets"].as_array().expect("a list");
    secrets.iter().map(|secret| secret["id"].as_str().expect("an id").to_owned()).collect()
}

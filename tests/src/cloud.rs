//! A virtual cloud of real processes on loopback, each of which can be killed and started again.

use crate::program::{Ended, Running, Vcp};
use crate::{HANG, until};
use polyyne_node::config::Config;
use polyyne_node::data_dir::Layout;
use serde::Deserialize;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use tempfile::TempDir;

/// One cloud at a time: a machine of two cores starves several.
static ALONE: Mutex<()> = Mutex::new(());

/// Waits until no other test of this process runs nodes.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a node says when its doors are open.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    pub peer_id: String,
    pub addresses: Vec<String>,
    pub http: String,
}

/// A cloud and its processes, which end with it.
pub struct Cloud {
    pub vcp: Vcp,
    pub folder: TempDir,
    pub nodes: Vec<Node>,
    pub id: String,
    /// What every node gets in its environment.
    environment: Vec<(String, String)>,
    _alone: MutexGuard<'static, ()>,
}

/// One node: its data directory, its log, and its process while it runs.
pub struct Node {
    pub dir: PathBuf,
    pub log: PathBuf,
    pub ready: Option<Ready>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// The node ends when this closes, also if this process is killed.
    lifeline: Option<ChildStdin>,
    /// Where it says that its doors are open, until that has been read.
    stdout: Option<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Cloud {
    /// n nodes in one cloud that is live at all of them.
    pub fn new(vcp: Vcp, n: usize) -> Self {
        Self::with(vcp, n, &[("RUST_LOG", "polyyne_node=info,warn")], &[])
    }

    /// The same with an environment for the nodes and targets for the stock (the defaults if none).
    ///
    /// # Panics
    /// If anything does not work.
    pub fn with(vcp: Vcp, n: usize, environment: &[(&str, &str)], targets: &[(&str, u64)]) -> Self {
        Self::configured(vcp, n, environment, targets, |_, _| {})
    }

    /// The same with what `configure` makes of each node's settings.
    ///
    /// # Panics
    /// If anything does not work.
    pub fn configured(
        vcp: Vcp,
        n: usize,
        environment: &[(&str, &str)],
        targets: &[(&str, u64)],
        configure: impl Fn(usize, &mut Config),
    ) -> Self {
        let targets = targets.iter().flat_map(|(kind, count)| ["--target".into(), format!("{kind}={count}")]);
        Self::formed(vcp, n, environment, &Vec::from_iter(targets), configure)
    }

    /// The same with what `vcp cloud form` is told beside names.
    ///
    /// # Panics
    /// If anything does not work.
    pub fn formed(
        vcp: Vcp,
        n: usize,
        environment: &[(&str, &str)],
        arguments: &[String],
        configure: impl Fn(usize, &mut Config),
    ) -> Self {
        let mut cloud = Self {
            vcp,
            _alone: alone(),
            folder: tempfile::tempdir().expect("a place for temporary files"),
            nodes: Vec::new(),
            id: String::new(),
            environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        cloud.prepare(n, configure);
        for index in 0..n {
            cloud.start(index);
        }
        cloud.form(arguments);
        cloud
    }

    fn prepare(&mut self, n: usize, configure: impl Fn(usize, &mut Config)) {
        let layouts: Vec<Layout> =
            (0..n).map(|index| Layout::new(self.folder.path().join(format!("node{index}")))).collect();
        let keys: Vec<_> =
            layouts.iter().map(|layout| layout.init(&Config::default()).expect("a fresh folder")).collect();
        for (index, layout) in layouts.iter().enumerate() {
            let mut config = Config::default();
            config.network.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")];
            config.network.private_addresses = true;
            config.network.mdns = false;
            config.data.listen = ([127, 0, 0, 1], 0).into();
            config.http.listen = ([127, 0, 0, 1], 0).into();
            // as behind a proxy, whose port the node does not know
            config.http.hosts = vec!["127.0.0.1".into()];
            let others = keys.iter().enumerate().filter(|(other, _)| *other != index);
            config.clouds.accept_members = others.map(|(_, key)| key.peer_id()).collect();
            configure(index, &mut config);
            layout.rewrite_config(&config).expect("the folder is ours");
            let log = self.folder.path().join(format!("node{index}.log"));
            self.nodes.push(Node { dir: layout.dir().to_owned(), log, ready: None, process: None });
        }
    }

    fn form(&mut self, more: &[String]) {
        let mut arguments = vec!["--json".into(), "cloud".into(), "form".into(), "--wait".into()];
        arguments.extend(["--name".into(), "under test".into()]);
        for node in &self.nodes[1..] {
            arguments.extend(["--member".into(), node.ready().peer_id.clone()]);
        }
        arguments.extend(more.iter().cloned());
        let formed = self.operator(0, &arguments).ok().json();
        self.id = formed["cloud"].as_str().expect("a cloud's id").to_owned();
        self.until_live();
    }

    /// Waits until all running nodes say that the cloud is live.
    pub fn until_live(&self) {
        for index in (0..self.nodes.len()).filter(|&index| self.nodes[index].process.is_some()) {
            until(&format!("the cloud is live at node {index}"), || {
                let shown = self.operator(index, &["--json", "cloud", "show", &self.id]);
                (shown.succeeded() && shown.json()["line"]["health"] == "live").then_some(())
            });
        }
    }

    /// Starts a node; it is told where the others are.
    pub fn start(&mut self, index: usize) {
        self.start_with(index, &[]);
    }

    /// The same with more in its environment.
    pub fn start_with(&mut self, index: usize, environment: &[(&str, &str)]) {
        self.begin(index, environment);
        let process = self.nodes[index].process.as_mut().expect("it has begun");
        let stdout = process.stdout.take().expect("nobody has read it");
        let ready = ready(stdout).unwrap_or_else(|| panic!("node {index} does not start:\n{}", self.last_words(index)));
        self.nodes[index].ready = Some(ready);
    }

    /// The same, not waited for: its doors may open or not.
    pub fn begin(&mut self, index: usize, environment: &[(&str, &str)]) {
        let running = self.nodes.iter().filter(|node| node.process.is_some());
        let peers: Vec<String> = running.flat_map(|node| node.ready().addresses.clone()).collect();
        let node = &self.nodes[index];
        assert!(node.process.is_none(), "node {index} runs already");
        let log = OpenOptions::new().create(true).append(true).open(&node.log).expect("a log");
        let mut command = self.vcp.command();
        command.args(["--json", "node", "start", "--until-stdin-closes", "--data-dir"]).arg(&node.dir);
        for peer in &peers {
            command.args(["--peer", peer]);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("a process");
        let (lifeline, stdout) = (child.stdin.take(), child.stdout.take());
        self.nodes[index].process = Some(Process { child, lifeline, stdout });
    }

    /// Ends a node as a power switch would.
    pub fn kill(&mut self, index: usize) {
        // SIGKILL; waits for the end
        drop(self.nodes[index].process.take());
    }

    /// Ends a node as its operator would, and expects it to end well.
    pub fn stop(&mut self, index: usize) {
        let Some(mut process) = self.nodes[index].process.take() else { return };
        drop(process.lifeline.take());
        let status = until(&format!("node {index} ends"), || process.child.try_wait().expect("a child of ours"));
        assert_eq!(status.code(), Some(0), "node {index}:\n{}", self.last_words(index));
    }

    pub fn stop_all(&mut self) {
        // all at once: each waits for none of the others
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                drop(process.lifeline.take());
            }
        }
        (0..self.nodes.len()).for_each(|index| self.stop(index));
    }

    /// A running node's door for clients.
    pub fn door(&self, index: usize) -> Option<String> {
        let node = &self.nodes[index];
        node.process.as_ref().and(node.ready.as_ref()).map(|ready| ready.http.clone())
    }

    /// The process number of a node that runs.
    pub fn process(&self, index: usize) -> u32 {
        self.nodes[index].process.as_ref().expect("it runs").child.id()
    }

    /// Waits until a node has killed itself at its failpoint.
    pub fn until_dead(&mut self, index: usize) {
        let process = self.nodes[index].process.as_mut().expect("it runs");
        until(&format!("node {index} dies"), || process.child.try_wait().expect("a child of ours"));
        self.nodes[index].process = None;
    }

    /// Whether a node has ended by itself.
    pub fn is_dead(&mut self, index: usize) -> bool {
        self.nodes[index].process.as_mut().is_none_or(|process| process.child.try_wait().expect("ours").is_some())
    }

    /// What the operator of a node asks it.
    pub fn operator<S: AsRef<str>>(&self, index: usize, arguments: &[S]) -> Ended {
        let mut all: Vec<String> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        all.extend(["--data-dir".into(), self.nodes[index].dir.display().to_string()]);
        self.vcp.run(&all)
    }

    /// What a client asks through a node.
    pub fn client<S: AsRef<str>>(&self, name: &str, through: usize, arguments: &[S]) -> Ended {
        self.vcp.run(&self.as_client(name, &self.nodes[through].ready().http, arguments))
    }

    /// The same, not waited for.
    pub fn client_begins<S: AsRef<str>>(&self, name: &str, through: usize, arguments: &[S]) -> Running {
        let arguments = self.as_client(name, &self.nodes[through].ready().http, arguments);
        let mut command = self.vcp.command();
        command.args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, format!("vcp {}", arguments.join(" ")))
    }

    /// The arguments of a client that knows the cloud and talks to `url`.
    pub fn as_client<S: AsRef<str>>(&self, name: &str, url: &str, arguments: &[S]) -> Vec<String> {
        let mut all: Vec<String> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        let identity = self.folder.path().join(format!("{name}.key")).display().to_string();
        all.extend(["--node".into(), url.into(), "--cloud".into(), self.id.clone(), "--identity".into(), identity]);
        all
    }

    /// Puts a secret and gives its id.
    pub fn put(&self, name: &str, through: usize, values: &[&str]) -> String {
        let mut arguments = vec!["secret", "put"];
        arguments.extend(values);
        self.client(name, through, &arguments).ok().line()
    }

    /// The values of a secret.
    pub fn get(&self, name: &str, through: usize, id: &str) -> Vec<String> {
        self.client(name, through, &["secret", "get", id]).ok().stdout.lines().map(str::to_owned).collect()
    }

    /// The ids of a client's secrets, on which all members agree.
    pub fn list(&self, name: &str, through: usize) -> Ended {
        self.client(name, through, &["--json", "secret", "list"])
    }

    /// The end of a node's log, without what libraries say at trace level.
    pub fn last_words(&self, index: usize) -> String {
        let text = std::fs::read_to_string(&self.nodes[index].log).unwrap_or_default();
        let ours = |line: &&str| !line.contains(" TRACE ") && !line.contains(" DEBUG ");
        let lines: Vec<&str> = text.lines().rev().filter(ours).take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// The scratch folder: data directories, logs, keys of clients.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Cloud {
    /// A failed test says what the nodes said last.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for index in 0..self.nodes.len() {
                eprintln!("--- node {index} said last ---\n{}", self.last_words(index));
            }
        }
    }
}

impl Node {
    /// Where it is, or was last.
    ///
    /// # Panics
    /// If it was never started.
    pub fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("it was started")
    }
}

/// The JSON value that a node prints when its doors are open; nothing if it ends before.
fn ready(stdout: ChildStdout) -> Option<Ready> {
    let (found, ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            text.push_str(&line);
            if let Ok(ready) = serde_json::from_str(&text) {
                drop(found.send(ready));
                text.clear();
            }
        }
    });
    ready.recv_timeout(HANG).ok()
}

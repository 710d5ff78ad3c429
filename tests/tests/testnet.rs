//! `vcp testnet` from its first word to its last process.

use polyyne_tests::cloud::alone;
use polyyne_tests::program::{Running, Vcp};
use polyyne_tests::{until, vcp};
use serde_json::Value;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

/// The lines of the program's own output: a number each.
fn numbers(text: &str) -> Vec<i64> {
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[test]
fn it_compares_twice_prints_zero_and_one_and_ends_well() {
    let _alone = alone();
    let ended = vcp!().run(&["testnet", "-n", "2", "--exit"]).ok();
    assert_eq!(numbers(&ended.stdout), [0, 1], "{ended:?}");
}

#[test]
fn three_without_a_demonstration_end_well_and_leave_no_folder() {
    let _alone = alone();
    let vcp = vcp!();
    let scratch = vcp.home().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = vcp.command();
    command.args(["testnet", "--exit", "--no-demo"]).env("TMPDIR", &scratch);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Running::start(command, "vcp testnet".into()).end().ok();
    assert!(numbers(&ended.stdout).is_empty(), "{ended:?}");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left behind");
}

/// A testnet that stays up, in a process group of its own.
struct Up {
    running: Option<Running>,
    description: Value,
    processes: Vec<u32>,
}

impl Up {
    fn new(vcp: &Vcp, dir: &Path) -> Self {
        let mut command = vcp.command();
        command.args(["testnet", "-n", "2", "--no-demo", "--dir"]).arg(dir);
        // a group of its own: Ctrl-C goes to a group
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut running = Running::start(command, "vcp testnet".into());
        let own = running.child.id();
        let description: Value = until("the testnet describes itself", || {
            assert!(running.child.try_wait().unwrap().is_none(), "it ended");
            let text = std::fs::read_to_string(dir.join("testnet.json")).ok()?;
            let description: Value = serde_json::from_str(&text).ok()?;
            (description["process"] == own && description["cloud"].is_string()).then_some(description)
        });
        let nodes = description["nodes"].as_array().unwrap();
        let processes = nodes.iter().map(|node| node["process"].as_u64().unwrap() as u32).collect();
        Self { running: Some(running), description, processes }
    }

    fn signal(&self, signal: &str, to: &str) {
        let status = std::process::Command::new("kill").args([signal, "--", to]).status().unwrap();
        assert!(status.success());
    }

    fn process(&self) -> u32 {
        self.running.as_ref().unwrap().child.id()
    }

    fn client<'a>(&self, node: usize, identity: &'a Path, arguments: &[&'a str]) -> Vec<String> {
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let url = self.description["nodes"][node]["http"].as_str().unwrap();
        let cloud = self.description["cloud"].as_str().unwrap();
        all.extend(["--node", url, "--cloud", cloud, "--identity"].map(str::to_owned));
        all.push(identity.display().to_string());
        all
    }

    fn all_gone(&self) {
        until("all nodes end", || self.processes.iter().all(|&process| !is_running(process)).then_some(()));
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}

/// Whether there is such a process that has not ended.
fn is_running(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // the state follows the name in brackets
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn ctrl_c_leaves_no_process_and_the_same_folder_finds_cloud_secrets_and_tuples_again() {
    let _alone = alone();
    let vcp = vcp!();
    let dir = vcp.home().join("net");
    let identity = vcp.home().join("alice.key");
    let up = Up::new(&vcp, &dir);
    let secret = vcp.run(&up.client(0, &identity, &["secret", "put", "23", "-42"])).ok().line();
    let stock = |up: &Up| {
        let dir = up.description["nodes"][0]["data_dir"].as_str().unwrap();
        let stock = vcp.run(&["--json", "castor", "stock", "--data-dir", dir]).ok().json();
        let lines = stock["lines"].as_array().unwrap().clone();
        lines.iter().map(|line| line["generated"].as_u64().unwrap() - line["wasted"].as_u64().unwrap()).sum::<u64>()
    };
    let before = stock(&up);
    assert!(before > 0, "there are tuples");
    up.signal("-INT", &format!("-{}", up.process()));
    let cloud = up.description["cloud"].clone();
    let mut up = up;
    up.running.take().unwrap().end().ok();
    up.all_gone();

    let up = Up::new(&vcp, &dir);
    assert_eq!(up.description["cloud"], cloud, "the same cloud");
    assert!(stock(&up) >= before, "unspent tuples are found again");
    let values = vcp.run(&up.client(1, &identity, &["secret", "get", &secret])).ok();
    assert_eq!(values.lines(), ["23", "-42"]);

    // the parent dies without a word: its children notice
    up.signal("-KILL", &up.process().to_string());
    up.all_gone();
}

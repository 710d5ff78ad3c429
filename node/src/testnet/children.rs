//! The providers of a testnet as processes of this binary.
//!
//! Each child reads its standard input, which is a pipe from here, and ends when that closes: so no child outlives this
//! process, however it ends. Children are in process groups of their own, so that Ctrl-C comes here alone and they are
//! stopped in order.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// How long a child may take to open its doors.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a child may take to end: it lets a MAC check reach its verdict.
const STOP_MAX: Duration = Duration::from_secs(15);

/// What `vcp node start --json` prints when its doors are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub peer_id: String,
    /// Multiaddrs that end in `/p2p/ID`.
    pub addresses: Vec<String>,
    /// The URL of the client's door.
    pub http: String,
    pub data_dir: PathBuf,
}

/// Why a child is not running.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("cannot start a process: {0}")]
    Start(#[from] io::Error),
    #[error("{0}")]
    Ended(String),
    #[error("it did not open its doors within {} seconds", START_MAX.as_secs())]
    Slow,
    #[error("it said something else than where its doors are: {0}")]
    Strange(String),
}

/// A provider's process.
pub struct Node {
    process: Child,
    /// The child ends when this closes.
    lifeline: Option<ChildStdin>,
    pub ready: Ready,
}

impl Node {
    /// Starts a provider and waits until its doors are open. Its standard error is appended to `log`.
    ///
    /// # Errors
    /// [`ChildError`], with the end of its log if it ended.
    pub async fn start(data_dir: &Path, peers: &[String], log: &Path) -> Result<Self, ChildError> {
        let errors = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["-v", "--json", "node", "start", "--until-stdin-closes", "--data-dir"]).arg(data_dir);
        for peer in peers {
            command.args(["--peer", peer]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true).process_group(0);
        let mut process = command.spawn()?;
        let lifeline = process.stdin.take();
        let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no pipe to the process"))?;
        let ready = timeout(START_MAX, read_ready(stdout)).await.map_err(|_| ChildError::Slow)??;
        match ready {
            Some(ready) => Ok(Self { process, lifeline, ready }),
            None => {
                let _ = process.wait().await;
                Err(ChildError::Ended(last_words(log)))
            }
        }
    }

    /// The process number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Lets it end by itself, and ends it if it takes too long.
    pub async fn stop(mut self) {
        self.let_go();
        if timeout(STOP_MAX, self.process.wait()).await.is_err() {
            // it would not go: nothing more to be said about it
            let _ = self.process.kill().await;
        }
    }

    /// Closes the lifeline; the child begins to end.
    pub fn let_go(&mut self) {
        drop(self.lifeline.take());
    }
}

/// The JSON value on a child's standard output; `None` if the output ends before it is whole.
async fn read_ready(stdout: tokio::process::ChildStdout) -> Result<Option<Ready>, ChildError> {
    let mut lines = BufReader::new(stdout).lines();
    let mut text = String::new();
    while let Some(line) = lines.next_line().await? {
        text.push_str(&line);
        match serde_json::from_str(&text) {
            Ok(ready) => return Ok(Some(ready)),
            Err(error) if error.is_eof() => {}
            Err(_) => return Err(ChildError::Strange(text)),
        }
    }
    Ok(None)
}

/// The end of a log, for a message.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    if lines.is_empty() {
        return format!("it ended without a word (log: {})", log.display());
    }
    format!("it ended: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

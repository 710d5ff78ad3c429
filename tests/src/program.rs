//! `vcp` as a user runs it: arguments in, exit code and two texts out.

use crate::HANG;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program under test, with a home of its own.
#[derive(Clone)]
pub struct Vcp {
    program: PathBuf,
    home: Arc<TempDir>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing if it was killed.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    story: String,
}

impl Vcp {
    /// # Panics
    /// If there is no place for temporary files.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let home = tempfile::tempdir().expect("a place for temporary files");
        Self { program: program.into(), home: Arc::new(home) }
    }

    /// The command without arguments; nothing of the caller's settings reaches it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("VCP_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(name, self.home.path());
        }
        command.current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Ended {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let mut command = self.command();
        command.args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, format!("vcp {}", arguments.join(" "))).end()
    }

    /// A folder that lives as long as this.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// A command with its texts being read.
pub struct Running {
    pub child: Child,
    stdout: Option<std::thread::JoinHandle<String>>,
    stderr: Option<std::thread::JoinHandle<String>>,
    story: String,
}

impl Running {
    /// # Panics
    /// If the process cannot be started.
    pub fn start(mut command: Command, story: String) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{story}: {error}"));
        let stdout = child.stdout.take().map(gather);
        let stderr = child.stderr.take().map(gather);
        Self { child, stdout, stderr, story }
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come: a hang.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + HANG;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            if Instant::now() > deadline {
                drop(self.child.kill());
                let said = self.text_of_stderr();
                panic!("{}: does not end\n{said}", self.story);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stdout = self.stdout.take().map_or_else(String::new, |thread| thread.join().expect("a reader"));
        let stderr = self.text_of_stderr();
        Ended { code: status.code(), stdout, stderr, story: self.story.clone() }
    }

    fn text_of_stderr(&mut self) -> String {
        self.stderr.take().map_or_else(String::new, |thread| thread.join().expect("a reader"))
    }
}

fn gather(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(from.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Ended {
    /// # Panics
    /// If it failed.
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// # Panics
    /// If it ended with another code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}{}", self.story, self.stdout, self.stderr);
        self
    }

    /// Whether its error names all of these.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{}: says nothing of {word:?}:\n{}", self.story, self.stderr);
        }
        self
    }

    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// What it printed, as lines.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The only line that it printed.
    ///
    /// # Panics
    /// If there is another number of lines.
    #[track_caller]
    pub fn line(&self) -> String {
        match self.lines().as_slice() {
            [line] => (*line).to_owned(),
            _ => panic!("{}: not one line: {:?}\n{}", self.story, self.stdout, self.stderr),
        }
    }

    /// What it printed, as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}\n{}", self.story, self.stdout, self.stderr))
    }
}

//! The audit log: who asked this member what, and what it answered, durable before the answer leaves.
//!
//! `audit.log` is append-only, one JSON object a line. Each line holds the hash of the one before
//! it, and the head of the chain stands in `state.redb`, so that a log that was cut or rewritten
//! shows at the next start: it is said loudly, noted in the log, and the chain goes on. A log that
//! cannot be written (a full disk) means that requests are refused. It holds no secret values and
//! no shares; ids, keys and outcomes only.
//!
//! Not protected here: an operator who rewrites the log and the state file together.

use crate::store::audit_head::{AuditError, AuditHead, AuditHeads};
use crate::store::{Fault, StateFile};
use polyyne_protocol::canonical;
use polyyne_protocol::id::{CloudId, Digest};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since 1970.
    pub at: u64,
    pub cloud: Option<CloudId>,
    /// The client's key; nothing for what the node notes itself.
    pub client: Option<String>,
    /// The digest of its signed request.
    pub request: Option<Digest>,
    /// `upload_begin`, `get`, `execute` and so on.
    pub what: String,
    /// The secret or execution that it is about.
    pub object: Option<String>,
    /// `ok`, or the code of the refusal.
    pub outcome: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    sequence: u64,
    #[serde(flatten)]
    event: Event,
    /// The chain up to the line before.
    before: Digest,
}

/// Why an event could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    #[error("the audit log {}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Head(#[from] AuditError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// See the module's head. Clones share it.
#[derive(Clone)]
pub struct AuditLog(Arc<Mutex<Writer>>);

struct Writer {
    path: PathBuf,
    file: Arc<File>,
    heads: AuditHeads,
    head: AuditHead,
}

impl AuditLog {
    /// Opens the log, making it if there is none, and compares it with its head.
    ///
    /// # Errors
    /// If file or head cannot be read or written.
    pub async fn open(path: &Path, state: &StateFile) -> Result<Self, AuditLogError> {
        let failed = |cause| AuditLogError::File { path: path.to_owned(), cause };
        let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path).map_err(failed)?;
        let heads = AuditHeads::of(state);
        let stored = heads.last()?;
        let found = last_of(path).map_err(failed)?;
        let mut writer = Writer { path: path.to_owned(), file: Arc::new(file), heads, head: stored };
        match found {
            Tail::Whole(head) if head == stored => {}
            // The process ended between line and head: nobody was answered.
            Tail::Whole(head) if head.sequence == stored.sequence + 1 => {
                writer.heads.advance(head).await?;
                writer.head = head;
            }
            _ => {
                tracing::error!("audit.log does not end where it was left: it was cut, changed or taken away");
                writer.write(broken()).await?;
            }
        }
        Ok(Self(Arc::new(Mutex::new(writer))))
    }

    /// Writes an event down; durable when this returns, and written to its end if the caller goes before: a line without
    /// its head would let the next one break the chain.
    ///
    /// # Errors
    /// If it cannot be; the answer must not leave then.
    ///
    /// # Panics
    /// If writing does.
    pub async fn record(&self, event: Event) -> Result<(), AuditLogError> {
        let writer = self.0.clone();
        let written = tokio::spawn(async move { writer.lock().await.write(event).await });
        written.await.expect("writing a line does not panic")
    }
}

fn broken() -> Event {
    Event {
        at: crate::desk::now_s(),
        cloud: None,
        client: None,
        request: None,
        what: "audit_log_found_broken".to_owned(),
        object: None,
        outcome: "the lines before this one are not those that were written".to_owned(),
    }
}

impl Writer {
    async fn write(&mut self, event: Event) -> Result<(), AuditLogError> {
        let line = Line { sequence: self.head.sequence + 1, event, before: Digest(self.head.chain) };
        let mut text = serde_json::to_string(&line).expect("a line is plain data");
        let next = AuditHead { sequence: line.sequence, chain: chain(&self.head, &text) };
        text.push('\n');
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || {
            (&*file).write_all(text.as_bytes())?;
            file.sync_data()
        });
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|cause| AuditLogError::File { path: self.path.clone(), cause })?;
        self.heads.advance(next).await?;
        self.head = next;
        Ok(())
    }
}

fn chain(before: &AuditHead, text: &str) -> [u8; 32] {
    canonical::hash_parts("audit", &[&before.chain, text.as_bytes()]).0
}

/// How a log ends.
enum Tail {
    Whole(AuditHead),
    Broken,
}

/// Follows the chain through the file. A line that starts the chain anew after a break is followed
/// too: the break itself stands in the log.
fn last_of(path: &Path) -> std::io::Result<Tail> {
    let mut head = AuditHead::default();
    for text in BufReader::new(File::open(path)?).lines() {
        let text = text?;
        let Ok(line) = serde_json::from_str::<Line>(&text) else { return Ok(Tail::Broken) };
        let goes_on = line.sequence == head.sequence + 1 && line.before.0 == head.chain;
        let begins_anew = line.event.what == broken().what;
        if !goes_on && !begins_anew {
            return Ok(Tail::Broken);
        }
        let before = AuditHead { sequence: line.sequence.saturating_sub(1), chain: line.before.0 };
        head = AuditHead { sequence: line.sequence, chain: chain(&before, &text) };
    }
    Ok(Tail::Whole(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Fatal, RootKey};
    use tempfile::TempDir;

    struct Place {
        dir: TempDir,
        root: Arc<RootKey>,
    }

    impl Place {
        fn new() -> Self {
            Self { dir: TempDir::new().unwrap(), root: Arc::new(RootKey::from_bytes([7; 32])) }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("audit.log")
        }

        async fn open(&self) -> AuditLog {
            let fatal = Fatal::call(|reason| panic!("{reason}"));
            let state = StateFile::open(self.dir.path(), self.root.clone(), fatal).await.unwrap();
            AuditLog::open(&self.path(), &state).await.unwrap()
        }

        fn lines(&self) -> Vec<Line> {
            let text = std::fs::read_to_string(self.path()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }

        fn is_whole(&self) -> bool {
            matches!(last_of(&self.path()).unwrap(), Tail::Whole(_))
        }
    }

    fn event(what: &str) -> Event {
        Event { what: what.to_owned(), outcome: "ok".to_owned(), ..broken() }
    }

    #[tokio::test]
    async fn events_make_one_chain_over_restarts() {
        let place = Place::new();
        for what in ["get", "execute"] {
            place.open().await.record(event(what)).await.unwrap();
        }
        let lines = place.lines();
        assert_eq!(lines.iter().map(|line| line.event.what.as_str()).collect::<Vec<_>>(), ["get", "execute"]);
        assert!(place.is_whole());
    }

    #[tokio::test]
    async fn a_log_that_was_cut_changed_or_taken_away_says_so_and_goes_on() {
        let spoil: [fn(&str) -> String; 3] = [
            |text| text.lines().take(1).map(|line| format!("{line}\n")).collect(),
            |text| text.replacen("get", "got", 1),
            |_| String::new(),
        ];
        for spoil in spoil {
            let place = Place::new();
            let log = place.open().await;
            log.record(event("get")).await.unwrap();
            log.record(event("execute")).await.unwrap();
            drop(log);
            let text = std::fs::read_to_string(place.path()).unwrap();
            std::fs::write(place.path(), spoil(&text)).unwrap();
            place.open().await.record(event("after")).await.unwrap();
            let lines = place.lines();
            assert_eq!(lines[lines.len() - 2].event.what, broken().what);
            assert_eq!(lines.last().unwrap().sequence, 4);
        }
    }

    /// A client left while its request was being written down: the next line had the same number, and after the next start
    /// the log was said to have been changed.
    #[tokio::test]
    async fn an_event_whose_asker_has_gone_is_written_to_its_end() {
        let place = Place::new();
        let log = place.open().await;
        let mut left = Box::pin(log.record(event("get")));
        assert!(futures::poll!(&mut left).is_pending());
        drop(left);
        log.record(event("execute")).await.unwrap();
        drop(log);
        assert!(place.is_whole());
        drop(place.open().await);
        let told: Vec<String> = place.lines().into_iter().map(|line| line.event.what).collect();
        assert_eq!(told, ["get", "execute"]);
    }

    #[tokio::test]
    async fn a_line_whose_head_was_lost_in_a_crash_is_taken_in() {
        let place = Place::new();
        place.open().await.record(event("get")).await.unwrap();
        let head = AuditHead { sequence: 1, chain: chain(&AuditHead::default(), &text_of(&place, 0)) };
        let line = Line { sequence: 2, event: event("execute"), before: Digest(head.chain) };
        let mut file = OpenOptions::new().append(true).open(place.path()).unwrap();
        writeln!(file, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        place.open().await.record(event("list")).await.unwrap();
        assert_eq!(place.lines().iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(place.is_whole());
    }

    fn text_of(place: &Place, at: usize) -> String {
        let text = std::fs::read_to_string(place.path()).unwrap();
        text.lines().nth(at).unwrap().to_owned()
    }
}

//! External generators: programs that operators choose, in the spirit of Carbyne's Klyshko Integration Interface.
//!
//! A program is started once for each batch, at every member, with the environment and files that `docs/plugins.md`
//! describes, and leaves its tuples in a file in the format of MP-SPDZ's preprocessing. What it made is then checked by all
//! members together ([`polyyne_engine::recheck`]): that the tuples are what they are called and that their MACs fit. So a
//! program can spoil a batch, but no result. That it keeps the tuples to itself nobody can check: it gets this member's
//! share of the MAC key, and its chunks carry the label `external:NAME`, which the cloud's record has to accept by name.

use super::{Ended, Shared};
use crate::castor::{Over, TupleKind};
use crate::session::take::{engine_kind, rows};
use polyyne_engine::field::{ELEMENT_BYTES, Field, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::party::Party;
use polyyne_engine::recheck::{Aid, needed, recheck};
use polyyne_engine::share::Shares;
use polyyne_protocol::limits::BATCH_TIMEOUT_MS;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes of what a program says that the log keeps.
const WORDS_MAX: usize = 2048;
/// More than the tuples of any batch take.
const FILE_BYTES_MAX: usize = 32 << 20;

/// A program as the config file names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The executable, and its arguments.
    pub command: Vec<String>,
    /// Where the program of each member listens for those of the others, by the members' order in the cloud.
    #[serde(default)]
    pub endpoints: Vec<String>,
}

/// The programs of this node, by name.
pub type Plugins = BTreeMap<String, Plugin>;

/// Why a program made nothing.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("the record names the external generator {0:?}, which the config file of this node does not have")]
    Unknown(String),
    #[error("external generators do not make tuples of kind {0}")]
    Kind(String),
    #[error("the external generator {name:?} cannot be run: {error}")]
    Start { name: String, error: std::io::Error },
    #[error("the external generator {name:?} ended with {status}: {said}")]
    Failed { name: String, status: std::process::ExitStatus, said: String },
    #[error("the external generator {name:?} took longer than {} s", BATCH_TIMEOUT_MS / 1000)]
    Late { name: String },
    #[error("what the external generator {name:?} wrote is no file of {count} such tuples: {what}")]
    Malformed { name: String, count: usize, what: &'static str },
}

/// Carbyne's name of a kind; `None` for kinds that external programs do not make.
pub fn carbyne_name(kind: TupleKind) -> Option<&'static str> {
    (kind.over() == Over::Prime).then_some(())?;
    match kind {
        TupleKind::TRIPLE => Some("MULTIPLICATION_TRIPLE_GFP"),
        TupleKind::SQUARE => Some("SQUARE_TUPLE_GFP"),
        TupleKind::INVERSE => Some("INVERSE_TUPLE_GFP"),
        TupleKind::BIT => Some("BIT_GFP"),
        TupleKind::RANDOM => Some("INPUT_MASK_GFP"),
        _ => None,
    }
}

/// Runs the program for a batch and checks what it made. `aid` is what this kind is checked against.
pub(super) async fn make(
    shared: &Shared,
    party: &mut Party,
    mac: &mut MacCheck<PrimeField>,
    name: &str,
    (kind, count): (TupleKind, usize),
    aid: Aid<PrimeField>,
) -> Result<Zeroizing<Vec<u8>>, Ended> {
    let plugin = shared.plugins.get(name).ok_or_else(|| PluginError::Unknown(name.to_owned()))?;
    let known = carbyne_name(kind).zip(engine_kind(kind));
    let (carbyne, engine) = known.ok_or_else(|| PluginError::Kind(kind.name()))?;
    let field = shared.seat.field;
    let wanted = needed(engine, count);
    let job: [u8; 32] = party.transcript("external job").number(u64::from(kind.code)).number(count as u64).finish();
    let folder = Folder::new().map_err(|error| PluginError::Start { name: name.to_owned(), error })?;
    let job = Job { name, plugin, folder: &folder, id: uuid(&job), kind: carbyne, count: wanted };
    let bytes = job.run(&field, mac.key().alpha(), party.index().get(), party.n()).await?;
    let columns = read_tuples(&field, &bytes, engine.arity(), wanted);
    let columns = columns.map_err(|what| PluginError::Malformed { name: name.to_owned(), count: wanted, what })?;
    let checked = recheck(party, mac, &field, engine, columns, aid, count).await?;
    Ok(rows(&field, &checked))
}

struct Job<'a> {
    name: &'a str,
    plugin: &'a Plugin,
    folder: &'a Folder,
    id: String,
    kind: &'static str,
    count: usize,
}

impl Job<'_> {
    /// The tuple file.
    async fn run(
        &self,
        field: &PrimeField,
        alpha: <PrimeField as Field>::Element,
        player: usize,
        players: usize,
    ) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        let failed = |error| PluginError::Start { name: self.name.to_owned(), error };
        for (file, number) in [("prime", field.modulus()), ("mac_key_share_p", field.to_u128(alpha))] {
            let content = Zeroizing::new(number.to_string());
            self.folder.write(file, content.as_bytes()).map_err(failed)?;
        }
        let (program, arguments) =
            self.plugin.command.split_first().ok_or_else(|| PluginError::Unknown(self.name.to_owned()))?;
        let folder = &self.folder.0;
        let tuples = folder.join("tuples");
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("KII_JOB_ID", &self.id)
            .env("KII_TUPLES_PER_JOB", self.count.to_string())
            .env("KII_TUPLE_TYPE", self.kind)
            .env("KII_PLAYER_NUMBER", player.to_string())
            .env("KII_PLAYER_COUNT", players.to_string())
            .env("KII_SHARED_FOLDER", folder)
            .env("KII_PARAMS_FOLDER", folder)
            .env("KII_SECRET_PARAMS_FOLDER", folder)
            .env("KII_TUPLE_FILE", &tuples)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.folder.create("said").map_err(failed)?)
            .kill_on_drop(true);
        for (player, endpoint) in self.plugin.endpoints.iter().enumerate() {
            command.env(format!("KII_PLAYER_ENDPOINT_{player}"), endpoint);
        }
        let ended = tokio::time::timeout(Duration::from_millis(BATCH_TIMEOUT_MS), command.status());
        let status = ended.await.map_err(|_| PluginError::Late { name: self.name.to_owned() })?.map_err(failed)?;
        if !status.success() {
            let said = self.folder.read("said", WORDS_MAX).map_err(failed)?;
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(PluginError::Failed { name: self.name.to_owned(), status, said });
        }
        self.folder.read("tuples", FILE_BYTES_MAX).map_err(failed)
    }
}

/// A folder of this job, gone with its secrets when it is dropped. In memory where the system has such a place, so that
/// the share of the MAC key is on no disk.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let memory = PathBuf::from("/dev/shm");
        let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = place.join(format!("polyyne-job-{:016x}", rand::random::<u64>()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn create(&self, name: &str) -> std::io::Result<File> {
        File::options().write(true).create_new(true).mode(0o600).open(self.0.join(name))
    }

    fn write(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        self.create(name)?.write_all(content)
    }

    /// The beginning of a file, at most so long.
    fn read(&self, name: &str, bytes_max: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let file = File::open(self.0.join(name))?;
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(bytes_max);
        // reserved at once: a vector that grows leaves copies of secrets behind
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
        file.take(bytes_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the folder of an external generator could not be removed");
        }
    }
}

/// As Carbyne writes a job's id.
fn uuid(bytes: &[u8; 32]) -> String {
    let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The head of MP-SPDZ's preprocessing files over a prime field of 16-byte elements: its length, the protocol's name
/// and the modulus.
pub fn file_head(modulus: u128) -> Vec<u8> {
    let mut head = 29u64.to_le_bytes().to_vec();
    head.extend_from_slice(b"SPDZ gfp\0");
    head.extend_from_slice(&(ELEMENT_BYTES as u32).to_le_bytes());
    head.extend_from_slice(&modulus.to_be_bytes());
    head
}

/// A column per element of exactly `count` tuples: elements as MP-SPDZ holds them in memory (Montgomery form,
/// R = 2^128, little-endian), each share before its MAC share.
fn read_tuples(
    field: &PrimeField,
    file: &[u8],
    arity: usize,
    count: usize,
) -> Result<Vec<Shares<PrimeField>>, &'static str> {
    let body = file.strip_prefix(file_head(field.modulus()).as_slice()).ok_or("its head is another one")?;
    let width = 2 * ELEMENT_BYTES;
    if body.len() != count * arity * width {
        return Err("it has another length");
    }
    let mut columns: Vec<Shares<PrimeField>> = (0..arity).map(|_| Shares::with_capacity(count)).collect();
    for (k, element) in body.chunks_exact(width).enumerate() {
        let raw = |bytes: &[u8]| field.from_raw(u128::from_le_bytes(bytes.try_into().ok()?));
        let (value, mac) = element.split_at(ELEMENT_BYTES);
        let (value, mac) = raw(value).zip(raw(mac)).ok_or("an element is not below the modulus")?;
        columns[k % arity].push(value, mac);
    }
    Ok(columns)
}

//! The shapes that travel through the operator's door: JSON over the unix socket `DIR/vcp.sock`.
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/peers` | | [`Peers`] |
//! | `GET /v1/clouds` | | [`Clouds`] |
//! | `GET /v1/clouds/{id}` | | [`Cloud`] |
//! | `GET /v1/clouds/{id}/history` | | [`History`] |
//! | `POST /v1/clouds` | [`Form`] | [`Proposed`] |
//! | `POST /v1/clouds/{id}/rekey` | [`Rekey`] | [`Proposed`] |
//! | `GET /v1/invitations` | | [`Invitations`] |
//! | `POST /v1/invitations/{id}/accept`, `…/decline` | | [`Proposed`] |
//! | `GET /v1/clouds/{id}/generation` | | [`Generation`] |
//! | `POST /v1/clouds/{id}/generation/generate` | [`Generate`] | [`Generation`] |
//! | `POST /v1/clouds/{id}/generation/pause`, `…/resume` | | [`Generation`] |
//! | `GET /v1/clouds/{id}/stock` | | [`Stock`] |
//! | `GET /v1/clouds/{id}/telemetry?interval=60` | | [`Telemetry`] |
//! | `GET /v1/clouds/{id}/audit` | | [`StockAudit`] |
//! | `GET /v1/doctor` | | [`Diagnosis`] |
//! | `POST /v1/backup` | [`BackUp`] | [`BackedUp`] |
//! | `POST /v1/renew` | | [`Renewed`] |
//! | `POST /v1/shutdown` | | [`Status`] |
//!
//! Errors are a [`crate::request::Refusal`] with its status. Whoever may open the socket is the operator; nothing here
//! holds a key, a share or a tuple.

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, CloudId, Epoch, MacKeyId, PartyIndex, PeerKey, RecordHash, SealKey};
use crate::proposal::Stance;
use crate::stock::StockRule;
use crate::version::{Generator, Prime, SecurityParameters};

/// Path of [`Status`].
pub const STATUS_PATH: &str = "/v1/status";
/// Path of [`Peers`].
pub const PEERS_PATH: &str = "/v1/peers";
/// Path of [`Clouds`], and where a cloud is proposed.
pub const CLOUDS_PATH: &str = "/v1/clouds";
/// Path of [`Invitations`].
pub const INVITATIONS_PATH: &str = "/v1/invitations";
/// Path of [`Diagnosis`].
pub const DOCTOR_PATH: &str = "/v1/doctor";
/// Where a back-up is ordered.
pub const BACKUP_PATH: &str = "/v1/backup";
/// Where stores in quarantine are given up.
pub const RENEW_PATH: &str = "/v1/renew";
/// Path of an orderly end.
pub const SHUTDOWN_PATH: &str = "/v1/shutdown";

/// A path below a cloud's: `history`, `rekey`, `generation`, `generation/pause`, `stock`, ...; empty: the cloud's own.
pub fn cloud_path(cloud: &CloudId, below: &str) -> String {
    let slash = if below.is_empty() { "" } else { "/" };
    format!("{CLOUDS_PATH}/{cloud}{slash}{below}")
}

/// Path where an invitation is accepted or declined.
pub fn invitation_path(record: &RecordHash, verb: &str) -> String {
    format!("{INVITATIONS_PATH}/{record}/{verb}")
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stores are open, members not yet met.
    Starting,
    Serving,
    /// Refuses new work and ends what runs.
    Stopping,
}

/// A node in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub peer: PeerKey,
    /// The same key as libp2p writes it.
    pub peer_id: String,
    pub seal: SealKey,
    /// Release of the program.
    pub version: String,
    pub wire: u16,
    pub schema: u32,
    pub phase: Phase,
    pub uptime_s: u64,
    /// Multiaddrs, each ending in `/p2p/ID`.
    pub addresses: Vec<String>,
    /// `HOST:PORT` of the data links.
    pub data: String,
    /// `http://HOST:PORT` of the clients' door.
    pub http: String,
    pub peers_connected: usize,
    pub clouds: usize,
    pub invitations: usize,
    pub executions_running: usize,
}

/// How a peer came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerSource {
    Configured,
    Member,
    LocalNetwork,
    Discovered,
}

/// A peer that the node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub peer: PeerKey,
    pub peer_id: String,
    pub connected: bool,
    pub addresses: Vec<String>,
    pub source: PeerSource,
    /// Round-trip time, if measured.
    pub ping_us: Option<u64>,
    /// Release that it says it runs.
    pub version: Option<String>,
}

/// The peers that the node knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    pub peers: Vec<Peer>,
}

/// How a cloud does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Proposed; signatures are missing.
    Forming,
    /// Signed; the members make its MAC key.
    Keying,
    /// This node was started and has not heard from every member what it knows of this node's store.
    Sealed,
    /// This node's store is an old or a second copy and is not used: `vcp node renew`.
    Quarantined,
    /// Every member is there.
    Live,
    /// A member is not reached.
    Degraded,
    /// A MAC check is unfinished; its key is frozen until it ends.
    Frozen,
    /// The MAC key is burned: `vcp cloud rekey`.
    Compromised,
    /// Two complete records for one epoch: the operators must decide.
    Halted,
}

/// A cloud in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudLine {
    pub id: CloudId,
    pub name: String,
    pub epoch: Epoch,
    pub members: usize,
    pub members_connected: usize,
    pub health: Health,
}

/// The clouds of which the node is a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clouds {
    pub clouds: Vec<CloudLine>,
}

/// A member as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    pub index: PartyIndex,
    pub peer: PeerKey,
    pub peer_id: String,
    pub seal: SealKey,
    pub addresses: Vec<String>,
    /// Whether it is this node.
    pub own: bool,
    pub connected: bool,
    pub ping_us: Option<u64>,
    /// What it last did wrong, if anything.
    pub complaint: Option<String>,
}

/// How a MAC key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    Good,
    Frozen,
    Compromised,
}

/// A MAC key; what is public about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    pub id: MacKeyId,
    pub epoch: Epoch,
    pub state: KeyState,
    /// Checks done under it.
    pub checks: u64,
    pub reason: Option<String>,
}

/// All that a node knows of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloud {
    pub line: CloudLine,
    pub head: RecordHash,
    pub members: Vec<MemberLine>,
    pub parameters: SecurityParameters,
    pub mac_key: Option<KeyLine>,
    pub keys_before: Vec<KeyLine>,
    pub secrets: u64,
    pub executions_done: u64,
    pub executions_failed: u64,
}

/// One record of a log, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    pub epoch: Epoch,
    pub attempt: Attempt,
    pub hash: RecordHash,
    /// `membership` or `mac_key`.
    pub kind: String,
    pub text: String,
    pub signers: Vec<PeerKey>,
}

/// A cloud's log, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub records: Vec<HistoryLine>,
}

/// Propose a new cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    pub name: String,
    /// The others: multiaddrs ending in `/p2p/ID`, or ids of known peers.
    pub members: Vec<String>,
    pub prime: Prime,
    /// Without one, what serves the prime best.
    pub generator: Option<Generator>,
    /// Statistical security, bits.
    pub sigma: u16,
    /// How to keep each kind in stock; none takes the defaults.
    pub stock: std::collections::BTreeMap<String, StockRule>,
    /// External generators, by the kind that each makes.
    pub external: std::collections::BTreeMap<String, String>,
}

/// Write a back-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackUp {
    /// A file that is not there yet; an absolute path.
    pub to: std::path::PathBuf,
    /// The back-up's key: read from there, or made there. An absolute path.
    pub key: std::path::PathBuf,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    pub rows: u64,
    pub bytes: u64,
}

/// The clouds in which a store in quarantine was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    pub clouds: Vec<CloudId>,
}

/// Make a new MAC key in place of a burned one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekey {
    /// Burn a key that is only frozen; what is under it is lost to programs.
    pub burn_frozen: bool,
}

/// Where a signer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerLine {
    pub peer: PeerKey,
    pub peer_id: String,
    pub stance: Option<Stance>,
    pub signed: bool,
}

/// A proposal and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    pub cloud: CloudId,
    pub record: RecordHash,
    pub epoch: Epoch,
    pub attempt: Attempt,
    pub complete: bool,
    pub signers: Vec<SignerLine>,
}

/// Something that this node is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Names it in `accept` and `decline`.
    pub record: RecordHash,
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub name: String,
    /// Who proposed it.
    pub from: PeerKey,
    pub members: Vec<MemberLine>,
    pub parameters: SecurityParameters,
    pub signers: Vec<SignerLine>,
    /// What to look at before accepting.
    pub warnings: Vec<String>,
}

/// What this node is asked to sign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitations {
    pub invitations: Vec<Invitation>,
}

/// What generation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenerationState {
    /// No MAC key, or members missing.
    Waiting,
    /// Keys or base OTs, and the key link.
    SettingUp,
    Generating,
    /// All targets are met.
    Idle,
    /// Executions run, and no kind is below its threshold.
    Yielding,
    Paused,
    Failed,
}

/// Generation in a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    pub state: GenerationState,
    pub generator: Generator,
    /// Members that paused it.
    pub paused_by: Vec<PeerKey>,
    /// The member that kept the last batch waiting, if none has been made since.
    pub stalled_by: Option<PeerKey>,
    pub batches: u64,
    /// The batch that is being made.
    pub kind: Option<String>,
    pub batch_size: Option<u64>,
    /// Why it waits, or what failed last.
    pub reason: Option<String>,
    pub stock: Stock,
}

/// Make tuples beyond the targets, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generate {
    pub kind: String,
    pub count: u64,
}

/// One kind in stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLine {
    pub kind: String,
    pub available: u64,
    pub reserved: u64,
    pub generated: u64,
    pub consumed: u64,
    /// Dropped unused: aborted runs, skipped positions.
    pub wasted: u64,
    pub target: u64,
    /// Refilled once there are fewer.
    pub threshold: u64,
    pub priority: u16,
    pub concurrency: u16,
    /// Tuples made in 1000 s at the present rate.
    pub per_1000_s: u64,
    /// Seconds to the target at that rate.
    pub to_target_s: Option<u64>,
}

/// What is in stock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    pub lines: Vec<StockLine>,
}

/// How fast tuples of one kind come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelemetryLine {
    pub kind: String,
    pub available: u64,
    /// Made, waiting for signatures.
    pub reserved: u64,
    pub target: u64,
    /// Since the store began.
    pub generated: u64,
    pub consumed: u64,
    /// Passed over by a taking, because another member did not have them.
    pub skipped: u64,
    /// Thrown away with their MAC key or with a member's store.
    pub burned: u64,
    /// Tuples in 1000 s, over the interval.
    pub generated_per_1000_s: u64,
    pub consumed_per_1000_s: u64,
    pub wasted_per_1000_s: u64,
    /// Seconds to the target if it goes on like this; absent where it does not get nearer.
    pub to_target_s: Option<u64>,
}

/// How fast tuples come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// What was asked for.
    pub interval_s: u64,
    /// The time that the rates are about: shorter where the node has not been up for so long.
    pub covered_s: u64,
    pub lines: Vec<TelemetryLine>,
}

/// Whether a kind's books balance: generated = available + reserved + consumed + wasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAudit {
    pub lines: Vec<AuditLine>,
    pub balanced: bool,
}

/// The books of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    pub kind: String,
    pub generated: u64,
    pub available: u64,
    pub reserved: u64,
    pub consumed: u64,
    /// Consumed as well, counted from the journal of takings.
    pub journalled: u64,
    pub wasted: u64,
}

impl AuditLine {
    /// Whether they balance, and the journal says the same.
    pub fn balances(&self) -> bool {
        let parts = [self.reserved, self.consumed, self.wasted];
        parts.iter().try_fold(self.available, |sum, &part| sum.checked_add(part)) == Some(self.generated)
            && self.journalled == self.consumed
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Good,
    Warning,
    Problem,
}

/// One thing that `doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
}

/// All that `doctor` found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// The worst of it.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_text_in_json() {
        let proposed = Proposed {
            cloud: CloudId([0xab; 32]),
            record: RecordHash([1; 32]),
            epoch: Epoch(0),
            attempt: Attempt(0),
            complete: false,
            signers: vec![],
        };
        let json = serde_json::to_value(&proposed).expect("JSON");
        assert_eq!(json["cloud"], "ab".repeat(32));
        assert_eq!(json["epoch"], 0);
        assert_eq!(serde_json::from_value::<Proposed>(json).expect("JSON"), proposed);
    }

    #[test]
    fn books_that_do_not_balance_show() {
        let line = |consumed, journalled| AuditLine {
            kind: "triple".into(),
            generated: 10,
            available: 4,
            reserved: 1,
            consumed,
            journalled,
            wasted: 2,
        };
        assert!(line(3, 3).balances() && !line(4, 4).balances() && !line(u64::MAX, u64::MAX).balances());
        assert!(!line(3, 2).balances(), "a taking that no execution accounts for");
    }

    #[test]
    fn paths_name_cloud_and_verb() {
        let cloud = CloudId([0; 32]);
        assert_eq!(cloud_path(&cloud, ""), format!("/v1/clouds/{cloud}"));
        assert_eq!(cloud_path(&cloud, "generation/pause"), format!("/v1/clouds/{cloud}/generation/pause"));
        let record = RecordHash([0; 32]);
        assert_eq!(invitation_path(&record, "accept"), format!("/v1/invitations/{record}/accept"));
    }

    #[test]
    fn the_worst_finding_counts() {
        let finding =
            |severity| Finding { severity, subject: String::new(), text: String::new(), remedy: String::new() };
        assert_eq!(Diagnosis::default().worst(), Severity::Good);
        let findings = vec![finding(Severity::Good), finding(Severity::Problem), finding(Severity::Warning)];
        assert_eq!(Diagnosis { findings }.worst(), Severity::Problem);
    }
}

//! The words, flags and values of the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use libp2p::Multiaddr;
use polyyne_protocol::id::{CloudId, PeerKey, ProgramHash, SecretId};
use polyyne_protocol::limits::GENERATION_THREADS_MAX;
use polyyne_protocol::stock::{BadRule, StockRule};

use super::source::Accepted;

/// Virtual cloud provider: secure multiparty computation among peers, in one binary.
#[derive(Debug, Parser)]
#[command(name = "vcp", version, propagate_version = true, arg_required_else_help = true)]
pub struct Vcp {
    /// One JSON value on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log to standard error; more with -vv and -vvv.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A virtual cloud on this machine: several providers, tuples, a demonstration.
    Testnet(Testnet),
    /// This machine's provider.
    #[command(subcommand)]
    Node(Node),
    /// Virtual clouds: form, join, look.
    #[command(subcommand)]
    Cloud(Cloud),
    /// Generation of tuples.
    #[command(subcommand)]
    Klyshko(Klyshko),
    /// The store of tuples.
    #[command(subcommand)]
    Castor(Castor),
    /// Secrets in a virtual cloud.
    #[command(subcommand, alias = "amphora")]
    Secret(Secret),
    /// Runs a program in a virtual cloud.
    Execute(Execute),
    /// The same by the name of Carbyne's service.
    #[command(subcommand, hide = true)]
    Ephemeral(Ephemeral),
    /// What a program would cost, without running it.
    Quote(Quote),
    /// Programs: compile, look into.
    #[command(subcommand)]
    Program(Program),
    /// Runs a program with all parties in this process.
    Run(Run),
    /// Measures this machine.
    #[command(subcommand)]
    Bench(Bench),
    /// Says what is wrong with this provider and how to mend it.
    Doctor(OperatorOptions),
    /// Prints the completion script of a shell.
    Completions { shell: clap_complete::Shell },
}

/// How to reach the node of this machine.
#[derive(Debug, Clone, Args)]
pub struct OperatorOptions {
    /// The node's data directory [default: ~/.local/share/polyyne].
    #[arg(long, env = "VCP_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Who asks, whom, about which cloud.
#[derive(Debug, Clone, Args)]
pub struct ClientOptions {
    /// Any node of the cloud, such as http://127.0.0.1:4180.
    #[arg(long, env = "VCP_NODE", value_name = "URL")]
    pub node: Option<String>,
    /// The cloud's id; asked once for each node if not given.
    #[arg(long, env = "VCP_CLOUD", value_name = "ID")]
    pub cloud: Option<CloudId>,
    /// The file with your key; made at first use.
    #[arg(long, env = "VCP_IDENTITY", value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// A named set of these from the contexts file.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

#[derive(Debug, Args)]
pub struct Testnet {
    /// How many providers.
    #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=16))]
    pub n: u16,
    /// Where they keep their data; a fresh folder, removed at the end, if not given.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The field's modulus.
    #[arg(long, value_name = "P")]
    pub prime: Option<u128>,
    /// How tuples are made [default: lowgear where the modulus allows it, else mascot].
    #[arg(long, value_enum)]
    pub generator: Option<Generator>,
    /// The program to show, on two secrets.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "no_demo")]
    pub demo: Option<PathBuf>,
    /// Show no program.
    #[arg(long)]
    pub no_demo: bool,
    /// End when all is shown, instead of staying up.
    #[arg(long)]
    pub exit: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generator {
    /// By oblivious transfer; for every modulus.
    Mascot,
    /// By homomorphic encryption; for moduli that are 1 modulo 65536 and large enough.
    Lowgear,
}

impl From<Generator> for polyyne_protocol::version::Generator {
    fn from(generator: Generator) -> Self {
        match generator {
            Generator::Mascot => Self::Mascot,
            Generator::Lowgear => Self::Lowgear,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Node {
    /// Makes a data directory with keys and a commented config file.
    Init(NodeInit),
    /// Runs the provider until it is told to stop.
    Start(NodeStart),
    /// What the running provider sees: peers, clouds, addresses.
    Status(OperatorOptions),
    /// The peer id of this provider.
    Id(OperatorOptions),
    /// Writes a back-up: identity, keys, memberships and secrets; no tuples.
    Backup {
        /// A new file.
        to: PathBuf,
        /// The file of the back-up's key, made if it is not there. Keep it apart: with both one has the provider.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// Makes a data directory from a back-up. The provider that it was made from must not run any more.
    Restore {
        from: PathBuf,
        /// The file of the back-up's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// Gives up a store in quarantine: its tuples are thrown away, and the provider goes on with a new one.
    Renew(OperatorOptions),
}

#[derive(Debug, Args)]
pub struct NodeInit {
    #[command(flatten)]
    pub operator: OperatorOptions,
    /// Where to listen for peers; repeat for several.
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected with, ending in /p2p/ID; repeat for several.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<Multiaddr>,
    /// Where to listen for clients.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct NodeStart {
    #[command(flatten)]
    pub operator: OperatorOptions,
    /// A config file other than the one in the data directory.
    #[arg(long, value_name = "F")]
    pub config: Option<PathBuf>,
    /// Where to listen for peers instead of what the config says; repeat for several.
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<Multiaddr>,
    /// More peers to stay connected with, ending in /p2p/ID; repeat for several.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<Multiaddr>,
    /// A file with peers.
    #[arg(long, value_name = "F")]
    pub peers_file: Option<PathBuf>,
    /// Where to listen for clients instead of what the config says.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// End when standard input closes: for a parent that must not leave processes behind.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Cloud {
    /// Proposes a new cloud to other providers.
    Form(CloudForm),
    /// What other operators propose to this provider.
    Invitations(OperatorOptions),
    /// Accepts an invitation.
    Accept {
        /// As `vcp cloud invitations` shows it.
        id: String,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// Declines an invitation.
    Decline {
        /// As `vcp cloud invitations` shows it.
        id: String,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// The clouds of this provider.
    List(OperatorOptions),
    /// Members, keys and state of one cloud.
    Show {
        id: CloudId,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// The records of one cloud's log, and who signed them.
    History {
        id: CloudId,
        #[command(flatten)]
        operator: OperatorOptions,
    },
    /// A new MAC key in place of a burned one.
    Rekey {
        id: CloudId,
        /// Burn a key that is only frozen; secrets under it are lost to programs.
        #[arg(long)]
        burn_frozen: bool,
        #[command(flatten)]
        operator: OperatorOptions,
    },
}

#[derive(Debug, Args)]
pub struct CloudForm {
    /// For people; the id is what counts.
    #[arg(long, value_name = "N")]
    pub name: String,
    /// Another member: a multiaddr ending in /p2p/ID, or a bare ID already discovered; repeat for several.
    #[arg(long, value_name = "PEER", required = true)]
    pub member: Vec<String>,
    /// The field's modulus.
    #[arg(long, value_name = "P")]
    pub prime: Option<u128>,
    /// How tuples are made [default: lowgear where the modulus allows it, else mascot].
    #[arg(long, value_enum)]
    pub generator: Option<Generator>,
    /// How to keep a kind of tuples in stock: how many, and optionally from how few on they are refilled, the kind's
    /// share of generation (1 to 16) and the chunks made at once (1 to 8), such as
    /// triple=100000,threshold=80000,priority=4,concurrency=2; repeat for several. edaBits are kept by their length in
    /// bits, such as edabit-64=1000, matrix triples by rows, inner side and columns, such as matrix-10x10x10=50.
    #[arg(long, value_name = "KIND=COUNT[,threshold=N][,priority=N][,concurrency=N]", value_parser = target)]
    pub target: Vec<(String, StockRule)>,
    /// Tuples of a kind come from an external generator that every member has in its config file; repeat for several.
    /// Members then accept tuples that are only as safe as that program.
    #[arg(long, value_name = "KIND=NAME", value_parser = pair)]
    pub external: Vec<(String, String)>,
    /// Return only when the cloud is live.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub operator: OperatorOptions,
}

#[derive(Debug, Args)]
pub struct OneCloud {
    /// Which cloud; needed only if this provider has several.
    #[arg(long, env = "VCP_CLOUD", value_name = "ID")]
    pub cloud: Option<CloudId>,
    #[command(flatten)]
    pub operator: OperatorOptions,
}

#[derive(Debug, Subcommand)]
pub enum Klyshko {
    /// What is being made, and how fast.
    Status(OneCloud),
    /// Makes tuples now, whatever the stock.
    Generate {
        /// triple, square, inverse, bit, random or any other that `vcp castor stock` shows.
        kind: String,
        count: u64,
        #[command(flatten)]
        cloud: OneCloud,
    },
    /// Stops making tuples.
    Pause(OneCloud),
    /// Makes tuples again.
    Resume(OneCloud),
}

#[derive(Debug, Subcommand)]
pub enum Castor {
    /// Tuples in stock, reserved, and the time to the target.
    Stock(OneCloud),
    /// How fast tuples come and go, and the time to the target.
    Telemetry {
        /// Seconds that the rates are about.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        interval: u64,
        #[command(flatten)]
        cloud: OneCloud,
    },
    /// Counts every row: what was made equals what was taken, wasted and left.
    Audit(OneCloud),
}

#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Stores values as one secret and prints its id.
    Put(SecretPut),
    /// Fetches the values of a secret.
    Get {
        id: SecretId,
        #[command(flatten)]
        client: ClientOptions,
    },
    /// Your secrets.
    List {
        /// Conditions on tags, such as `billing:yes,size>3`.
        #[arg(short, value_name = "FILTER")]
        filter: Option<String>,
        /// A tag to sort by, such as `created:desc`.
        #[arg(short, value_name = "SORT")]
        sort: Option<String>,
        #[command(flatten)]
        client: ClientOptions,
    },
    /// Replaces the tags of a secret.
    Tag {
        id: SecretId,
        /// k=v to set, k= to remove.
        #[arg(value_name = "K=V", required = true, value_parser = pair)]
        tags: Vec<(String, String)>,
        #[command(flatten)]
        client: ClientOptions,
    },
    /// Deletes secrets.
    Delete {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<SecretId>,
        #[command(flatten)]
        client: ClientOptions,
    },
}

#[derive(Debug, Args)]
pub struct SecretPut {
    /// The words of the secret.
    #[arg(value_name = "VALUE", allow_negative_numbers = true, required_unless_present = "file")]
    pub values: Vec<String>,
    /// Read them from a file (`-`: standard input): one per line, or all of it with --bytes.
    #[arg(long, value_name = "F", conflicts_with = "values")]
    pub file: Option<PathBuf>,
    /// A tag; repeat for several.
    #[arg(short, long, value_name = "K=V", value_parser = pair)]
    pub tag: Vec<(String, String)>,
    /// The values are fixed-point numbers.
    #[arg(long, conflicts_with = "bytes")]
    pub fixed: bool,
    /// The value is a byte string.
    #[arg(long)]
    pub bytes: bool,
    /// Delete it after this time, such as 90s, 12h or 30d.
    #[arg(long, value_name = "T", value_parser = duration)]
    pub ttl: Option<Duration>,
    /// A program that may use it, for others than you too; repeat for several.
    #[arg(long, value_name = "HASH")]
    pub allow_program: Vec<ProgramHash>,
    #[command(flatten)]
    pub client: ClientOptions,
}

/// How MP-SPDZ's compiler would be called.
#[derive(Debug, Clone, Default, Args)]
pub struct CompileOptions {
    /// Length of integers for an unknown prime field [default: 64].
    #[arg(short = 'F', value_name = "N", conflicts_with_all = ["prime", "binary"])]
    pub field: Option<u32>,
    /// The prime.
    #[arg(short = 'P', value_name = "P", conflicts_with = "binary")]
    pub prime: Option<u128>,
    /// Length of integers of a binary circuit.
    #[arg(short = 'B', value_name = "N")]
    pub binary: Option<u32>,
    /// Mix arithmetic and binary with daBits.
    #[arg(short = 'X')]
    pub dabits: bool,
    /// Mix arithmetic and binary with edaBits.
    #[arg(short = 'Y')]
    pub edabits: bool,
    /// Keep the order of memory instructions.
    #[arg(short = 'M')]
    pub preserve_memory_order: bool,
    /// Instructions to keep.
    #[arg(short = 'K', value_name = "LIST")]
    pub keep: Option<String>,
    /// Compile under this Python (3.9 or later), for programs that import other packages. Such a program can do
    /// whatever you can: use it for programs that you trust.
    #[arg(long, value_name = "EXECUTABLE")]
    pub python: Option<PathBuf>,
    /// Keep what nothing depends on, for those who measure; without it, results that nobody uses are not computed.
    #[arg(long)]
    pub keep_unused: bool,
    #[command(flatten)]
    pub accepted: Accepted,
}

#[derive(Debug, Args)]
pub struct Execute {
    #[command(flatten)]
    pub compile: CompileOptions,
    /// `.mpc` source, a `.sch` schedule, or the hash of a program that the cloud knows.
    pub program: String,
    /// Arguments of the program's compilation.
    #[arg(value_name = "ARG")]
    pub arguments: Vec<String>,
    /// A secret whose words the program reads; repeat for several, in order.
    #[arg(short, long, value_name = "SECRET")]
    pub input: Vec<SecretId>,
    /// Give me the results as values, not as new secrets.
    #[arg(long)]
    pub reveal: bool,
    /// How long it may take, such as 90s or 10m.
    #[arg(long, value_name = "T", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Fail at once where there are too few tuples, instead of waiting in line for them.
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub sockets: SocketOptions,
    #[command(flatten)]
    pub client: ClientOptions,
}

#[derive(Debug, Subcommand)]
pub enum Ephemeral {
    /// Runs a program in a virtual cloud.
    Execute(Execute),
}

#[derive(Debug, Args)]
pub struct Quote {
    #[command(flatten)]
    pub compile: CompileOptions,
    /// `.mpc` source or a `.sch` schedule.
    pub program: String,
    /// Arguments of the program's compilation.
    #[arg(value_name = "ARG")]
    pub arguments: Vec<String>,
    /// A secret whose words the program reads; repeat for several, in order.
    #[arg(short, long, value_name = "SECRET")]
    pub input: Vec<SecretId>,
    #[command(flatten)]
    pub client: ClientOptions,
}

#[derive(Debug, Subcommand)]
pub enum Program {
    /// Writes the schedule and the bytecode of a source.
    Compile {
        #[command(flatten)]
        compile: CompileOptions,
        file: PathBuf,
        /// Arguments of the compilation.
        #[arg(value_name = "ARG")]
        arguments: Vec<String>,
        /// Where to write Schedules/ and Bytecode/ [default: here].
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// What a program consists of and needs.
    Inspect {
        #[command(flatten)]
        compile: CompileOptions,
        file: PathBuf,
        #[arg(value_name = "ARG")]
        arguments: Vec<String>,
        /// Its instructions too.
        #[arg(long)]
        instructions: bool,
    },
    /// The programs that come with vcp.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preprocessing {
    /// Made without a protocol, by this process, which holds all parties anyway.
    Dealer,
    /// Really made, by MASCOT.
    Mascot,
    /// Really made, by LowGear; for moduli that are 1 modulo 65536 and large enough.
    Lowgear,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub compile: CompileOptions,
    /// `.mpc` source or a `.sch` schedule.
    pub program: String,
    /// Arguments of the program's compilation.
    #[arg(value_name = "ARG")]
    pub arguments: Vec<String>,
    /// How many parties.
    #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=16))]
    pub n: u16,
    /// A word that the program reads from its socket; repeat for several, in order.
    #[arg(short, long, value_name = "VALUE", allow_negative_numbers = true, conflicts_with = "sockets")]
    pub input: Vec<i128>,
    /// Where tuples come from.
    #[arg(long, value_enum, default_value_t = Preprocessing::Dealer)]
    pub preprocessing: Preprocessing,
    /// Private inputs, in files such as Input-P0-0, as for MP-SPDZ.
    #[arg(long, value_name = "D")]
    pub input_dir: Option<PathBuf>,
    /// Keeps what each party prints in files of this folder, such as Output-P0-0, and what it writes to its binary files.
    #[arg(long, value_name = "D")]
    pub output_dir: Option<PathBuf>,
    /// The MAC key, for clients that make and check shares themselves; without it nobody knows the key.
    #[arg(long, value_name = "ALPHA", requires = "sockets")]
    pub mac_key: Option<u128>,
    #[command(flatten)]
    pub sockets: SocketOptions,
    /// Rounds, bytes, tuples and seconds on standard error.
    #[arg(long)]
    pub stats: bool,
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Making tuples, each party a process of its own on loopback.
    Offline(OfflineOptions),
    /// Running programs, each party a process of its own on loopback; taking tuples; executions in a cloud.
    Online(BenchOptions),
    /// One party of a measurement; started by the one above.
    #[command(hide = true)]
    Party,
}

#[derive(Debug, Args)]
pub struct BenchOptions {
    /// How many parties.
    #[arg(short, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=16))]
    pub n: u16,
    /// Only measurements whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub filter: Option<String>,
    /// Prints the change against a stored run (what --json printed), and fails if something is worse.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Limits what each party sends, such as 100mbit, by relays between the parties.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub link: Option<u64>,
    /// How much worse is worse, with --compare.
    #[arg(long, value_name = "PERCENT", default_value_t = 20, requires = "compare")]
    pub tolerance: u32,
    /// A few items of each: whether it works, not how fast it is.
    #[arg(long, hide = true)]
    pub quick: bool,
}

#[derive(Debug, Args)]
pub struct OfflineOptions {
    #[command(flatten)]
    pub common: BenchOptions,
    /// On how many threads each party computes; several numbers are measured one after the other. Not said: on one, and on
    /// as many as there are processors.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=i64::from(GENERATION_THREADS_MAX)))]
    pub threads: Vec<u16>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key before `=` is empty".into());
    }
    Ok((key.into(), value.into()))
}

fn target(text: &str) -> Result<(String, StockRule), String> {
    let (kind, rule) = pair(text)?;
    Ok((kind, rule.parse().map_err(|error: BadRule| error.to_string())?))
}

/// Bits per second, with their unit.
fn rate(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().map_err(|_| "expected a number with a unit: kbit, mbit or gbit")?;
    let unit = match &text[split..] {
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        _ => return Err("expected a unit: kbit, mbit or gbit".into()),
    };
    number.checked_mul(unit).filter(|&rate| rate > 0).ok_or_else(|| "there is no such rate".into())
}

/// A time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().map_err(|_| "expected a number with a unit: s, m, h or d")?;
    let unit = match &text[split..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        other => return Err(format!("`{other}` is no unit of time; use s, m, h or d")),
    };
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(|| "that is too long".into())
}

/// A member as the user writes it: a bare id, or an address that ends in one.
pub fn peer(text: &str) -> Result<(PeerKey, Option<Multiaddr>), String> {
    if let Ok(key) = PeerKey::from_peer_id(text) {
        return Ok((key, None));
    }
    let (key, address) = crate::federation::peers_file::peer_address(text).map_err(|error| error.to_string())?;
    Ok((key, Some(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_per_flag_and_negative_numbers() {
        let vcp = Vcp::try_parse_from(["vcp", "run", "p.mpc", "-i", "-5", "-i", "7", "-n", "2"]).unwrap();
        let Command::Run(run) = vcp.command else { panic!() };
        assert_eq!((run.input, run.n), (vec![-5, 7], 2));
        let vcp = Vcp::try_parse_from(["vcp", "secret", "put", "-1", "2", "-3"]).unwrap();
        let Command::Secret(Secret::Put(put)) = vcp.command else { panic!() };
        assert_eq!(put.values, ["-1", "2", "-3"]);
    }

    #[test]
    fn carbynes_names_work_too() {
        assert!(Vcp::try_parse_from(["vcp", "amphora", "put", "1"]).is_ok());
        let id = "00".repeat(16);
        assert!(Vcp::try_parse_from(["vcp", "ephemeral", "execute", "p.mpc", "-i", &id]).is_ok());
    }

    #[test]
    fn compile_options_stand_before_the_program() {
        let vcp = Vcp::try_parse_from(["vcp", "run", "-F", "64", "-Y", "p.mpc", "10", "-n", "2"]).unwrap();
        let Command::Run(run) = vcp.command else { panic!() };
        assert_eq!((run.compile.field, run.compile.edabits, run.arguments), (Some(64), true, vec!["10".to_owned()]));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        assert!(duration("2 hours").is_err() && duration("").is_err() && duration("99999999999999999999d").is_err());
    }

    #[test]
    fn a_party_of_one_is_refused() {
        assert!(Vcp::try_parse_from(["vcp", "run", "p.mpc", "-n", "1"]).is_err());
    }
}

/// Sockets for clients of MP-SPDZ's protocol.
#[derive(Debug, Args)]
pub struct SocketOptions {
    /// Let clients connect as to MP-SPDZ, to the program's port for party 0, the next for party 1 and so on; at this
    /// address [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1")]
    pub sockets: Option<IpAddr>,
    /// Certificates for sockets, as MP-SPDZ's scripts make them: P0.pem, P0.key, C0.pem, C0.key, ...; those of the parties
    /// are made if they are missing, and those of clients 0 to 9 if there are none.
    #[arg(long, value_name = "D", default_value = "Player-Data")]
    pub tls: PathBuf,
    /// How long a party waits for a client, each time.
    #[arg(long, value_name = "T", default_value = "60s", value_parser = duration)]
    pub client_timeout: Duration,
}

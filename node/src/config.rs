//! The node's settings: a TOML file that `vcp node init` writes with comments, read strictly.
//!
//! A key that this version does not know is an error that names it: a mistyped setting must not fall back to a default
//! in silence. Nothing in it is secret. Flags of `vcp node start` win over the file.

mod template;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use crate::klyshko::external::Plugins;
use libp2p::Multiaddr;
use polyyne_protocol::id::PeerKey;
use serde::Deserialize;
use thiserror::Error;

/// The version of the config file that this build writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Longest config file, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Why a config file was not taken.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read the config file {}: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the config file {} is longer than 1 MiB", .0.display())]
    TooLong(PathBuf),
    #[error("{}: schema_version {found} is newer than this program knows ({SCHEMA_VERSION}); upgrade vcp", .path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("{}: {source}", .path.display())]
    Format { path: PathBuf, source: toml::de::Error },
    #[error("{}: `{entry}` is not a peer id; `vcp node id` on the other side prints it", .path.display())]
    PeerId { path: PathBuf, entry: String },
}

/// All settings of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub schema_version: u32,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub data: DataLinks,
    #[serde(default)]
    pub http: Http,
    #[serde(default)]
    pub clouds: Clouds,
    #[serde(default)]
    pub generation: Generation,
}

/// libp2p: discovery and control.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Addresses to listen on; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node, where they differ from `listen`.
    pub external: Vec<Multiaddr>,
    /// Peers to stay connected with, each ending in `/p2p/ID`.
    pub peers: Vec<Multiaddr>,
    /// A file with more of them, relative to the config file.
    pub peers_file: Option<PathBuf>,
    /// Dial and announce addresses of loopback and private networks.
    pub private_addresses: bool,
    /// Find peers on the local network.
    pub mdns: bool,
}

/// Direct links between members, on which the protocols run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataLinks {
    pub listen: SocketAddr,
    /// Address and port under which others reach it, where they differ from `listen`.
    pub external: Option<SocketAddr>,
    /// How links to members are opened.
    pub links: DataWay,
}

/// How a node opens links to members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataWay {
    /// Directly; over libp2p's connection to members whose data port does not answer.
    #[default]
    Auto,
    /// Directly or not at all.
    Direct,
    /// Always over libp2p's connection.
    Streams,
}

impl DataWay {
    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Direct => "direct",
            Self::Streams => "streams",
        }
    }
}

/// The door for clients.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: SocketAddr,
    /// Names that clients may use for this node besides its address (the `Host` header).
    pub hosts: Vec<String>,
}

/// Which invitations to virtual clouds are accepted without asking the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clouds {
    /// Peer ids; an invitation is accepted when all its other members are listed.
    pub accept_members: Vec<String>,
}

/// Making tuples.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generation {
    /// Whether this node takes part from its start.
    pub enabled: bool,
    /// Threads to compute on; as many as there are processors if not said.
    pub threads: Option<NonZero<u16>>,
    /// External generators, by the names under which records of clouds know them.
    pub external: Plugins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            network: Network::default(),
            data: DataLinks::default(),
            http: Http::default(),
            clouds: Clouds::default(),
            generation: Generation::default(),
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/4190", "/ip4/0.0.0.0/udp/4190/quic-v1"];
        Self {
            listen: listen.map(|address| address.parse().expect("a multiaddr of ours")).to_vec(),
            external: Vec::new(),
            peers: Vec::new(),
            peers_file: None,
            private_addresses: false,
            mdns: true,
        }
    }
}

impl Default for DataLinks {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 4191)), external: None, links: DataWay::default() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 4180)), hosts: Vec::new() }
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self { enabled: true, threads: None, external: Plugins::new() }
    }
}

impl Generation {
    /// Threads that this node offers.
    pub fn threads(&self) -> u16 {
        let processors =
            || std::thread::available_parallelism().map_or(1, |count| u16::try_from(count.get()).unwrap_or(u16::MAX));
        self.threads.map_or_else(processors, NonZero::get)
    }
}

impl Config {
    /// Reads and checks a config file.
    ///
    /// # Errors
    /// See [`ConfigError`]; a wrong or unknown key is named with its line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(read)?.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLong(path.to_owned()));
        }
        let mut config = Self::parse(&std::fs::read_to_string(path).map_err(read)?, path)?;
        config.network.peers_file = config.network.peers_file.map(|file| beside(path, &file));
        Ok(config)
    }

    /// Checks the text of a config file; `path` is for messages.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let format = |source| ConfigError::Format { path: path.to_owned(), source };
        // the version first: a newer file may have keys that are unknown here
        let version: VersionOnly = toml::from_str(text).map_err(format)?;
        if version.schema_version > SCHEMA_VERSION {
            return Err(ConfigError::Newer { path: path.to_owned(), found: version.schema_version });
        }
        let config: Self = toml::from_str(text).map_err(format)?;
        if let Some(entry) = config.clouds.accept_members.iter().find(|id| PeerKey::from_peer_id(id).is_err()) {
            return Err(ConfigError::PeerId { path: path.to_owned(), entry: entry.clone() });
        }
        Ok(config)
    }

    /// The peers whose invitations need no question.
    pub fn accepted_members(&self) -> Vec<PeerKey> {
        self.clouds.accept_members.iter().filter_map(|id| PeerKey::from_peer_id(id).ok()).collect()
    }

    /// The file as `vcp node init` writes it: every setting with what it means.
    pub fn to_commented_toml(&self) -> String {
        template::render(self)
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    schema_version: u32,
}

/// `file` relative to the folder of `config`.
fn beside(config: &Path, file: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new(".")).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::klyshko::external::Plugin;

    const ID: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("config.toml"))
    }

    #[test]
    fn what_init_writes_is_read_back_equal() {
        let mut config = Config::default();
        assert_eq!(parse(&config.to_commented_toml()).unwrap(), config);

        config.network.external = vec!["/dns4/vcp.example.org/tcp/4190".parse().unwrap()];
        config.network.peers = vec![format!("/ip4/203.0.113.7/tcp/4190/p2p/{ID}").parse().unwrap()];
        config.network.peers_file = Some("peers.toml".into());
        config.network.private_addresses = true;
        config.data.external = Some("203.0.113.7:4191".parse().unwrap());
        config.data.links = DataWay::Streams;
        config.http.hosts = vec!["vcp.example.org".into()];
        config.clouds.accept_members = vec![ID.into()];
        let plugin = Plugin { command: vec!["/opt/crg".into(), "-v".into()], endpoints: vec!["10.0.0.1:5000".into()] };
        config.generation.external = Plugins::from([("crg".into(), plugin)]);
        config.generation.enabled = false;
        config.generation.threads = NonZero::new(3);
        assert_eq!(parse(&config.to_commented_toml()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for text in ["schema_version = 1\nhtpp = 1\n", "schema_version = 1\n[network]\nlissen = []\n"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("htpp") || error.contains("lissen"), "{error}");
        }
    }

    #[test]
    fn a_newer_file_is_refused_by_its_version() {
        let error = parse("schema_version = 2\nwhatever = true\n").unwrap_err();
        assert!(matches!(error, ConfigError::Newer { found: 2, .. }));
        assert!(parse("[network]\n").is_err(), "without a version");
    }

    #[test]
    fn a_wrong_peer_id_is_named() {
        let error = parse("schema_version = 1\n[clouds]\naccept_members = [\"me\"]\n").unwrap_err();
        assert!(matches!(error, ConfigError::PeerId { ref entry, .. } if entry == "me"));
    }
}

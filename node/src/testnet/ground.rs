//! The folder of a testnet: a data directory for each provider, keys of its clients, and `testnet.json`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use polyyne_protocol::id::{CloudId, PeerKey};
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::Serialize;

use crate::cli::failure::{Context as _, Failure};
use crate::config::Config;
use crate::data_dir::Layout;

/// Where a testnet lives.
pub struct Ground {
    dir: PathBuf,
    /// Whether the folder goes away with the testnet.
    scratch: bool,
}

impl Ground {
    /// The given folder, which stays, or a fresh one, which does not.
    pub fn new(dir: Option<&Path>) -> Result<Self, Failure> {
        let (dir, scratch) = match dir {
            Some(dir) => (std::path::absolute(dir).or_failed(dir.display())?, false),
            None => (std::env::temp_dir().join(format!("polyyne-testnet-{:016x}", random()?)), true),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).or_failed(dir.display())?;
        Ok(Self { dir, scratch })
    }

    /// Leaves the folder where it is, for whoever wants to know what went wrong.
    pub fn keep(&mut self) -> &Path {
        self.scratch = false;
        &self.dir
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data directory of provider `index`.
    pub fn layout(&self, index: usize) -> Layout {
        Layout::new(self.dir.join(format!("node{index}")))
    }

    /// What provider `index` writes to standard error.
    pub fn log(&self, index: usize) -> PathBuf {
        self.dir.join(format!("node{index}.log"))
    }

    /// The key of a client.
    pub fn client(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Makes the data directories that are not there yet, each accepting invitations from all others.
    /// Refuses a folder that was made for another number of providers.
    pub fn prepare(&self, n: usize) -> Result<Vec<PeerKey>, Failure> {
        let found = (0..).take_while(|&index| self.layout(index).identity().exists()).count();
        if found != 0 && found != n {
            return Err(Failure::usage(format!("{} holds a testnet of {found} providers", self.dir.display()))
                .remedy(format!("-n {found}, or another --dir")));
        }
        let layouts: Vec<Layout> = (0..n).map(|index| self.layout(index)).collect();
        let keys: Vec<PeerKey> = layouts
            .iter()
            .map(|layout| match found {
                0 => layout.init(&Config::default()),
                _ => layout.peer_key(),
            })
            .collect::<Result<_, _>>()?;
        for (index, layout) in layouts.iter().enumerate() {
            let others = keys.iter().enumerate().filter(|&(other, _)| other != index);
            layout.rewrite_config(&settings(others.map(|(_, key)| key.peer_id()).collect()))?;
            write(&layout.dir().join(PEERS_FILE), "peers = []\n")?;
        }
        Ok(keys)
    }

    /// Tells each provider where all others are, for when it is started again on its own.
    pub fn introduce(&self, addresses: &[Vec<String>]) -> Result<(), Failure> {
        for index in 0..addresses.len() {
            let others = addresses.iter().enumerate().filter(|&(other, _)| other != index);
            let peers: Vec<toml::Value> =
                others.flat_map(|(_, peers)| peers.iter().cloned()).map(toml::Value::String).collect();
            let text = format!("peers = {}\n", toml::Value::Array(peers));
            write(&self.layout(index).dir().join(PEERS_FILE), &text)?;
        }
        Ok(())
    }

    /// `testnet.json`: for scripts that want to use the testnet.
    pub fn describe(&self, description: &Description) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(description).or_failed("testnet.json")?;
        write(&self.dir.join("testnet.json"), &(text + "\n"))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.scratch {
            // nothing to be done if it cannot be removed: it lies among temporary files
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// What a testnet is, in `testnet.json`.
#[derive(Debug, Serialize)]
pub struct Description {
    pub process: u32,
    pub cloud: Option<CloudId>,
    /// Owns what the demonstration's first client stores.
    pub identity: PathBuf,
    pub nodes: Vec<NodeDescription>,
    /// What the demonstration gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct NodeDescription {
    pub process: Option<u32>,
    pub peer_id: String,
    pub data_dir: PathBuf,
    pub log: PathBuf,
    pub http: String,
    pub addresses: Vec<String>,
}

const PEERS_FILE: &str = "peers.toml";

/// Free ports on loopback, and only the other providers of this testnet are let in without a question.
fn settings(others: Vec<String>) -> Config {
    let mut config = Config::default();
    let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    config.network.listen = listen.map(|address| address.parse().expect("a multiaddr of ours")).to_vec();
    config.network.peers_file = Some(PEERS_FILE.into());
    config.network.private_addresses = true;
    // several testnets on one machine stay apart
    config.network.mdns = false;
    config.data.listen = ([127, 0, 0, 1], 0).into();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.clouds.accept_members = others;
    config
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).or_failed(path.display())
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    SysRng.try_fill_bytes(&mut bytes).or_failed("the operating system gives no randomness")?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_the_providers_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::new(Some(dir.path())).unwrap();
        let keys = ground.prepare(3).unwrap();
        assert_eq!(ground.prepare(3).unwrap(), keys);
        assert_eq!(ground.prepare(2).unwrap_err().exit, crate::cli::failure::Exit::Usage);
        let config = Config::load(&ground.layout(1).config()).unwrap();
        assert_eq!(config.accepted_members(), [keys[0], keys[2]]);
    }

    #[test]
    fn a_scratch_folder_goes_away_and_a_given_one_stays() {
        let scratch = Ground::new(None).unwrap();
        let path = scratch.dir.clone();
        assert!(path.exists());
        drop(scratch);
        assert!(!path.exists());
        let dir = tempfile::tempdir().unwrap();
        drop(Ground::new(Some(dir.path())).unwrap());
        assert!(dir.path().exists());
    }
}

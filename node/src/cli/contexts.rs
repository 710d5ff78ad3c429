//! The client's memory between commands: named contexts, and the cloud that was trusted at each node.
//!
//! ```toml
//! current = "work"
//!
//! [contexts.work]
//! node = "http://127.0.0.1:4180"
//! cloud = "..."
//! identity = "/home/me/.config/polyyne/work.key"
//!
//! [trusted]
//! "http://127.0.0.1:4180" = "..."
//! ```
//!
//! Flags and environment variables win over a context.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use polyyne_protocol::id::CloudId;
use serde::{Deserialize, Serialize};

use super::arguments::ClientOptions;
use super::failure::{Context as _, Failure};

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contexts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Named>,
    /// The cloud that the user trusts at a node.
    pub trusted: BTreeMap<String, CloudId>,
}

/// One named set of client options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
}

impl Contexts {
    /// Reads the file; an absent one is empty.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
        }
    }

    /// Fills in what flags and environment left open.
    pub fn complete(&self, options: &ClientOptions) -> Result<Named, Failure> {
        let name = options.context.as_ref().or(self.current.as_ref());
        let named = match name {
            Some(name) => self.contexts.get(name).cloned().ok_or_else(|| {
                let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
                Failure::usage(format!("there is no context {name}; there are: {}", known.join(", ")))
            })?,
            None => Named::default(),
        };
        Ok(Named {
            node: options.node.clone().or(named.node),
            cloud: options.cloud.or(named.cloud),
            identity: options.identity.clone().or(named.identity),
        })
    }

    /// Remembers that `cloud` is the one to expect at `node`.
    pub fn trust(&mut self, path: &Path, node: &str, cloud: CloudId) -> Result<(), Failure> {
        self.trusted.insert(node.to_owned(), cloud);
        let text = toml::to_string(self).or_failed("cannot write the contexts")?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).or_failed(folder.display())?;
        // a whole new file in place of the old one, so that a crash leaves one of the two
        let fresh = path.with_extension("new");
        let mut file = std::fs::File::create(&fresh).or_failed(fresh.display())?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_failed(fresh.display())?;
        std::fs::rename(&fresh, path).or_failed(path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(node: Option<&str>, context: Option<&str>) -> ClientOptions {
        ClientOptions {
            node: node.map(str::to_owned),
            cloud: None,
            identity: None,
            context: context.map(str::to_owned),
        }
    }

    #[test]
    fn flags_win_over_the_context() {
        let file = "current = \"a\"\n[contexts.a]\nnode = \"http://a\"\n[contexts.b]\nnode = \"http://b\"\n";
        let contexts: Contexts = toml::from_str(file).unwrap();
        let node = |node, context| contexts.complete(&options(node, context)).unwrap().node.unwrap();
        assert_eq!(node(None, None), "http://a");
        assert_eq!(node(None, Some("b")), "http://b");
        assert_eq!(node(Some("http://c"), Some("b")), "http://c");
        assert!(contexts.complete(&options(None, Some("d"))).is_err());
    }

    #[test]
    fn trust_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("polyyne/client.toml");
        let mut contexts = Contexts::load(&path).unwrap();
        contexts.trust(&path, "http://a", CloudId([7; 32])).unwrap();
        assert_eq!(Contexts::load(&path).unwrap(), contexts);
    }
}

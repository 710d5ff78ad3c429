//! The config file with its comments.

use std::fmt::Display;

use super::Config;
use crate::klyshko::external::{Plugin, Plugins};

/// A TOML list of texts, one line.
fn list(items: &[impl Display]) -> String {
    let quoted: Vec<String> = items.iter().map(text).collect();
    format!("[{}]", quoted.join(", "))
}

/// A TOML text, escaped.
fn text(item: &impl Display) -> String {
    toml::Value::String(item.to_string()).to_string()
}

/// A setting that may be absent, then shown as a comment with an example.
fn optional(key: &str, value: Option<String>, example: &str) -> String {
    match value {
        Some(value) => format!("{key} = {}", text(&value)),
        None => format!("# {key} = {}", text(&example)),
    }
}

fn plugins(plugins: &Plugins) -> String {
    if plugins.is_empty() {
        let example = [
            "[generation.external.NAME]",
            "command = [\"/usr/local/bin/generator\"]",
            "endpoints = [\"10.0.0.1:5000\", \"10.0.0.2:5000\"]",
        ];
        return example.map(|line| format!("# {line}\n")).concat();
    }
    let table = |(name, plugin): (&String, &Plugin)| {
        let (command, endpoints) = (list(&plugin.command), list(&plugin.endpoints));
        format!("[generation.external.{}]\ncommand = {command}\nendpoints = {endpoints}\n", text(name))
    };
    plugins.iter().map(table).collect()
}

pub(super) fn render(config: &Config) -> String {
    let Config { schema_version, network, data, http, clouds, generation } = config;
    format!(
        "\
# Settings of this provider. Flags of `vcp node start` win over this file; keys that vcp does not know are errors.
schema_version = {schema_version}

# Discovery and control between providers (libp2p).
[network]
# Where to listen; port 0 takes any free one.
listen = {listen}
# Addresses under which others reach this node, where they differ (behind a router, a DNS name).
external = {external}
# Providers to stay connected with: [\"/dns4/vcp.example.org/tcp/4190/p2p/ID\"]; `vcp node id` prints an ID.
peers = {peers}
# More of them in a file of their own (relative to this one): peers = [...]
{peers_file}
# Dial and announce addresses of loopback and private networks. Members' own addresses are always dialled.
private_addresses = {private}
# Find providers on the local network.
mdns = {mdns}

# Direct encrypted links between the members of a cloud, on which the protocols run.
[data]
listen = {data_listen}
# Address and port under which others reach it, where they differ.
{data_external}
# How links to members are opened: \"auto\" goes directly, and over libp2p's connection to those whose data port does not
# answer; \"direct\" and \"streams\" do the one or the other only.
links = {data_links}

# The door for clients. Requests are signed and sealed by the client, so that plain HTTP gives nothing away;
# put a TLS proxy before it to hide who asks.
[http]
listen = {http_listen}
# Names by which clients may address this node besides its address, against DNS rebinding.
hosts = {hosts}

# Virtual clouds.
[clouds]
# Peer ids. An invitation whose other members are all listed here is accepted without asking;
# all others wait for `vcp cloud accept`.
accept_members = {accept}

# Making tuples.
[generation]
# Whether this node takes part from its start. `vcp klyshko pause` lasts until `vcp klyshko resume`, also over restarts.
enabled = {enabled}
# Threads to compute on; as many as there are processors if not said. For MASCOT members use as many as the one that has
# fewest. LowGear takes one if not said, since another costs some 70 MB, and two at most.
{threads}
# External generators, which records of clouds may name (see docs/plugins.md): the program with its arguments, and where
# those of all members listen for each other, in the members' order.
{plugins}",

        listen = list(&network.listen),
        external = list(&network.external),
        peers = list(&network.peers),
        peers_file =
            optional("peers_file", network.peers_file.as_ref().map(|path| path.display().to_string()), "peers.toml"),
        private = network.private_addresses,
        mdns = network.mdns,
        data_listen = text(&data.listen),
        data_links = text(&data.links.name()),
        data_external = optional("external", data.external.map(|address| address.to_string()), "203.0.113.7:4191"),
        http_listen = text(&http.listen),
        hosts = list(&http.hosts),
        accept = list(&clouds.accept_members),
        enabled = generation.enabled,
        threads = generation.threads.map_or("# threads = 4".to_owned(), |threads| format!("threads = {threads}")),
        plugins = plugins(&generation.external),
    )
}

//! `vcp node`: the provider of this machine.

mod start;

use std::path::PathBuf;

use polyyne_protocol::admin::{self, PEERS_PATH, STATUS_PATH};
use serde::Serialize;

use super::arguments::{Node, NodeInit, OperatorOptions};
use super::failure::Failure;
use super::identity;
use super::operator::Operator;
use super::screen::Screen;
use crate::config::Config;
use crate::data_dir::Layout;

pub async fn run(screen: &Screen, wish: Node) -> Result<(), Failure> {
    match wish {
        Node::Init(wish) => init(screen, &wish),
        Node::Start(wish) => start::run(screen, &wish).await,
        Node::Status(options) => status(screen, &options).await,
        Node::Id(options) => id(screen, &options),
    }
}

/// The data directory that a command is about.
pub fn layout(options: &OperatorOptions) -> Result<Layout, Failure> {
    match &options.data_dir {
        Some(dir) => Ok(Layout::new(dir)),
        None => identity::data_folder().map(Layout::new),
    }
}

#[derive(Serialize)]
struct Made {
    peer_id: String,
    data_dir: PathBuf,
    config: PathBuf,
}

fn init(screen: &Screen, wish: &NodeInit) -> Result<(), Failure> {
    let layout = layout(&wish.operator)?;
    let mut config = Config::default();
    if !wish.listen.is_empty() {
        config.network.listen.clone_from(&wish.listen);
    }
    config.network.peers.clone_from(&wish.peer);
    if let Some(http) = wish.http {
        config.http.listen = http;
    }
    let key = layout.init(&config)?;
    let made = Made { peer_id: key.peer_id(), data_dir: layout.dir().to_owned(), config: layout.config() };
    screen.show(&made, |screen, made| {
        screen.line(&made.peer_id);
        screen.note(format!("settings are in {}", made.config.display()));
        screen.note(format!("next: vcp node start --data-dir {}", made.data_dir.display()));
    });
    Ok(())
}

#[derive(Serialize)]
struct Id {
    peer_id: String,
}

fn id(screen: &Screen, options: &OperatorOptions) -> Result<(), Failure> {
    let id = Id { peer_id: layout(options)?.peer_key()?.peer_id() };
    screen.show(&id, |screen, id| screen.line(&id.peer_id));
    Ok(())
}

#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    status: admin::Status,
    peers: Vec<admin::Peer>,
}

async fn status(screen: &Screen, options: &OperatorOptions) -> Result<(), Failure> {
    let operator = Operator::of(options)?;
    let status: admin::Status = operator.get(STATUS_PATH).await?;
    let admin::Peers { peers } = operator.get(PEERS_PATH).await?;
    screen.show(&Seen { status, peers }, |screen, Seen { status, peers }| {
        screen.facts(&[
            ("peer id", status.peer_id.clone()),
            ("version", status.version.clone()),
            ("state", phase(status.phase).into()),
            ("up for", format!("{} s", status.uptime_s)),
            ("clients", status.http.clone()),
            ("data links", status.data.clone()),
            ("addresses", status.addresses.join("\n")),
            ("clouds", status.clouds.to_string()),
            ("invitations", status.invitations.to_string()),
            ("executions", format!("{} running", status.executions_running)),
        ]);
        screen.line("");
        let rows = peers.iter().map(|peer| {
            let ping = peer.ping_us.map(|us| format!("{:.1} ms", us as f64 / 1000.0)).unwrap_or_default();
            let there = if peer.connected { "connected" } else { "known" };
            vec![peer.peer_id.clone(), there.into(), ping, peer.version.clone().unwrap_or_default()]
        });
        screen.table(&["peer", "", "ping", "version"], rows, "no peers yet");
    });
    Ok(())
}

fn phase(phase: admin::Phase) -> &'static str {
    match phase {
        admin::Phase::Starting => "starting",
        admin::Phase::Serving => "serving",
        admin::Phase::Stopping => "stopping",
    }
}

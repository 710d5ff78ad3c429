//! `vcp node`: the provider of this machine.

mod start;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polyyne_protocol::admin::{self, BACKUP_PATH, PEERS_PATH, RENEW_PATH, STATUS_PATH};
use serde::Serialize;

use super::arguments::{Node, NodeInit, OperatorOptions};
use super::failure::{Context as _, Failure};
use super::identity;
use super::operator::Operator;
use super::screen::Screen;
use crate::backup;
use crate::config::Config;
use crate::data_dir::{DataDirError, Layout};
use crate::store::{Fatal, RootKey, StateFile};

pub async fn run(screen: &Screen, wish: Node) -> Result<(), Failure> {
    match wish {
        Node::Init(wish) => init(screen, &wish),
        Node::Start(wish) => start::run(screen, &wish).await,
        Node::Status(options) => status(screen, &options).await,
        Node::Id(options) => id(screen, &options),
        Node::Backup { to, key, operator } => back_up(screen, &to, &key, &operator).await,
        Node::Restore { from, key, operator } => restore(screen, &from, &key, &operator),
        Node::Renew(options) => renew(screen, &options).await,
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

async fn back_up(screen: &Screen, to: &Path, key: &Path, options: &OperatorOptions) -> Result<(), Failure> {
    let layout = layout(options)?;
    let absolute = |path: &Path| std::path::absolute(path).or_failed(path.display());
    let wish = admin::BackUp { to: absolute(to)?, key: absolute(key)? };
    let written = match layout.open() {
        // a provider that runs writes it itself
        Err(DataDirError::InUse { .. }) => Operator::at(&layout)?.post(BACKUP_PATH, &wish).await?,
        opened => {
            let root = Arc::new(RootKey::from_bytes(*opened?.root_key()));
            let state = StateFile::open(layout.dir(), root, Fatal::exit_process()).await.map_err(Failure::failed)?;
            let written = backup::write(&layout, &state, &wish.to, &wish.key).map_err(Failure::failed)?;
            admin::BackedUp { rows: written.rows, bytes: written.bytes }
        }
    };
    screen.show(&written, |screen, written| {
        screen.line(format!("{} rows in {} bytes", written.rows, written.bytes));
        screen.note(format!("it opens with {}: keep the two apart", wish.key.display()));
    });
    Ok(())
}

fn restore(screen: &Screen, from: &Path, key: &Path, options: &OperatorOptions) -> Result<(), Failure> {
    let layout = layout(options)?;
    let restored = backup::restore(from, key, &layout).map_err(Failure::failed)?;
    let restored = admin::BackedUp { rows: restored.rows, bytes: restored.bytes };
    screen.show(&restored, |screen, restored| {
        screen.line(format!("{} rows are restored in {}", restored.rows, layout.dir().display()));
        screen.note("make sure that the provider it was made from runs nowhere any more");
        screen.note(format!("next: vcp node start --data-dir {}", layout.dir().display()));
    });
    Ok(())
}

async fn renew(screen: &Screen, options: &OperatorOptions) -> Result<(), Failure> {
    let renewed: admin::Renewed = Operator::of(options)?.post(RENEW_PATH, &()).await?;
    screen.show(&renewed, |screen, renewed| {
        renewed.clouds.iter().for_each(|cloud| screen.line(format!("a new store in cloud {cloud}")));
        screen.note("tuples are made anew; `vcp doctor` says how it goes on");
    });
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

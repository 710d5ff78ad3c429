//! `vcp node`: the provider of this machine.

use std::path::PathBuf;

use serde::Serialize;

use super::arguments::{Node, NodeInit, OperatorOptions};
use super::failure::Failure;
use super::identity;
use super::screen::Screen;
use crate::config::Config;
use crate::data_dir::Layout;

pub async fn run(screen: &Screen, wish: Node) -> Result<(), Failure> {
    match wish {
        Node::Init(wish) => init(screen, &wish),
        Node::Id(options) => id(screen, &options),
        _ => todo!(),
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
        screen.note(format!(
            "settings are in {}; start with: vcp node start --data-dir {}",
            made.config.display(),
            made.data_dir.display()
        ));
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

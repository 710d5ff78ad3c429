//! `vcp node start`: the provider's process from its directory's lock to its orderly end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::layout;
use crate::cli::arguments::NodeStart;
use crate::cli::failure::{Context as _, Failure};
use crate::cli::screen::Screen;
use crate::config::Config;
use crate::federation::peers_file;
use crate::http::doors::OperatorApi as _;
use crate::http::{client_door, operator_door};
use crate::testnet::children::Ready;
use crate::vcp::Vcp;

/// How long open connections may hold up the end once the node has ended its work.
const DOORS_CLOSE_MAX: Duration = Duration::from_secs(2);

pub async fn run(screen: &Screen, wish: &NodeStart) -> Result<(), Failure> {
    let layout = layout(&wish.operator)?;
    let data_dir = layout.open()?;
    let config = settings(wish, &layout.config())?;
    let (listener, address) = client_door::listen(&config.http).await.map_err(|error| {
        Failure::failed(format!("cannot listen for clients on {}: {error}", config.http.listen))
            .remedy("--http ADDR, or http.listen in config.toml (port 0 takes any free one)")
    })?;
    let stop = CancellationToken::new();
    tokio::spawn(watch_signals(stop.clone()));
    if wish.until_stdin_closes {
        tokio::spawn(watch_stdin(stop.clone()));
    }
    let node = Arc::new(Vcp::start(&config, data_dir).await.map_err(Failure::failed)?);
    node.http_at(address);
    let socket = operator_door::listen(&layout.socket()).or_failed(layout.socket().display())?;
    let closed = CancellationToken::new();
    let clients = tokio::spawn(client_door::serve(listener, node.clone(), config.http.clone(), closed.clone()));
    let operator = tokio::spawn(operator_door::serve(socket, node.clone(), closed.clone()));

    let status = node.status().await?;
    let ready = Ready {
        peer_id: status.peer_id,
        addresses: status.addresses,
        http: status.http,
        data_dir: layout.dir().to_owned(),
    };
    screen.show(&ready, |screen, ready| {
        screen.line(format!("{} is running", ready.peer_id));
        ready.addresses.iter().for_each(|address| screen.line(format!("peers    {address}")));
        screen.line(format!("clients  {}", ready.http));
    });

    let mut asked = node.stopping();
    tokio::select! {
        () = stop.cancelled() => {}
        _ = asked.wait_for(|stopping| *stopping) => {}
    }
    node.stop().await;
    closed.cancel();
    for door in [clients, operator] {
        // a client that keeps its connection open does not keep the node
        let _ = timeout(DOORS_CLOSE_MAX, door).await;
    }
    Ok(())
}

/// The config file with what the flags say instead.
fn settings(wish: &NodeStart, usual: &Path) -> Result<Config, Failure> {
    let mut config = Config::load(wish.config.as_deref().unwrap_or(usual))?;
    if !wish.listen.is_empty() {
        config.network.listen.clone_from(&wish.listen);
    }
    if let Some(http) = wish.http {
        config.http.listen = http;
    }
    config.network.peers.extend(wish.peer.iter().cloned());
    for file in config.network.peers_file.iter().chain(&wish.peers_file) {
        let peers = peers_file::read(file)?;
        config.network.peers.extend(peers.into_iter().map(|(key, address)| whole(key, address)));
    }
    // says which one is wrong before anything starts
    config.network.peers.iter().try_for_each(|peer| peers_file::peer_address(&peer.to_string()).map(drop))?;
    Ok(config)
}

fn whole(key: polyyne_protocol::id::PeerKey, address: Multiaddr) -> Multiaddr {
    address.with(libp2p::multiaddr::Protocol::P2p(crate::federation::peer_id(key)))
}

/// The first signal asks for an orderly end, the second gets an end at once: the restart resumes from the journal.
async fn watch_signals(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return tracing::warn!("signals cannot be watched; they end this process at once");
    };
    for last in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if last {
            std::process::exit(1);
        }
        stop.cancel();
    }
}

/// The parent's end of the pipe closes when the parent ends, however it does.
async fn watch_stdin(stop: CancellationToken) {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    stop.cancel();
}

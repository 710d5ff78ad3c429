//! The command line: what `vcp` understands. Each word has a module of its own that does it.

pub mod arguments;
pub mod cloud;
pub mod execute;
pub mod failure;
pub mod identity;
pub mod operator;
pub mod screen;
pub mod secret;
pub mod source;

mod bench;
mod castor;
mod client;
mod contexts;
mod doctor;
mod klyshko;
mod library;
mod node;
mod program;
mod run;
mod sockets;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use arguments::{Command, Vcp};
use failure::{Context as _, Failure};
use screen::Screen;

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    // clap itself exits with 2 for wrong usage and with 0 for help
    let vcp = Vcp::parse_from(std::env::args_os().map(as_here));
    listen_to_tracing(vcp.verbose);
    match dispatch(vcp) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// MP-SPDZ's word for an option that would read as two letters here.
fn as_here(word: OsString) -> OsString {
    if word == "-OF" { "--output-dir".into() } else { word }
}

fn dispatch(vcp: Vcp) -> Result<(), Failure> {
    let screen = Screen { json: vcp.json };
    match vcp.command {
        // these drive threads and processes of their own
        Command::Run(wish) => run::run(&screen, &wish),
        Command::Bench(wish) => bench::run(&screen, &wish),
        Command::Program(wish) => program::run(&screen, &wish),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Vcp::command(), "vcp", &mut std::io::stdout());
            Ok(())
        }
        // these speak to nodes
        command => runtime()?.block_on(speak(&screen, command)),
    }
}

async fn speak(screen: &Screen, command: Command) -> Result<(), Failure> {
    match command {
        Command::Testnet(wish) => crate::testnet::run(screen, &wish).await,
        Command::Node(wish) => node::run(screen, wish).await,
        Command::Cloud(wish) => cloud::run(screen, wish).await,
        Command::Klyshko(wish) => klyshko::run(screen, wish).await,
        Command::Castor(wish) => castor::run(screen, wish).await,
        Command::Secret(wish) => secret::run(screen, wish).await,
        Command::Execute(wish) => execute::run(screen, wish).await,
        Command::Ephemeral(arguments::Ephemeral::Execute(wish)) => execute::run(screen, wish).await,
        Command::Quote(wish) => execute::quote(screen, wish).await,
        Command::Doctor(wish) => doctor::run(screen, wish).await,
        Command::Run(_) | Command::Bench(_) | Command::Program(_) | Command::Completions { .. } => {
            unreachable!("dispatched without a runtime")
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().or_failed("cannot start threads")
}

/// Logs go to standard error: nothing but errors of ours without `-v`. `RUST_LOG` wins.
fn listen_to_tracing(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "polyyne_node=info,warn",
        2 => "polyyne_node=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    lines.with_target(verbose > 1).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Vcp::command().debug_assert();
    }
}

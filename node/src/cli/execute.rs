//! `vcp execute` and `vcp quote`: programs over secrets in a cloud.

mod conversation;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use indicatif::ProgressBar;
use polyyne_protocol::client::{Client, ClientError, ExecuteTerms, Outcome, Quotation, Start};
use polyyne_protocol::id::{ExecutionId, ProgramHash, SecretId};
use polyyne_protocol::limits::EXECUTION_TIMEOUT_MS;
use polyyne_protocol::request::{self, Program};
use polyyne_protocol::version::Prime;
use serde::Serialize;
use serde_bytes::ByteBuf;

use conversation::{Conversation, Ended};

use super::arguments::{CompileOptions, Execute, Quote};
use super::client::connect;
use super::failure::Failure;
use super::screen::Screen;
use super::sockets::{SocketDoor, Sockets};
use super::source;

pub async fn run(screen: &Screen, wish: Execute) -> Result<(), Failure> {
    let mut client = connect(screen, &wish.client).await?;
    fits(&client, &wish.compile)?;
    // what does not compile fails before anybody is asked to run it
    let program = program(&wish.program, &wish.arguments, &wish.compile, &client)?;
    let mut terms = ExecuteTerms::new(program, wish.input.clone());
    terms.reveal = wish.reveal;
    terms.timeout = wish.timeout.unwrap_or(Duration::from_millis(EXECUTION_TIMEOUT_MS));
    terms.wait = !wish.no_wait;
    terms.sockets = wish.sockets.sockets.is_some();
    let view = client.view();
    let outcome = match wish.sockets.open(screen, view.field(), view.n())? {
        None => execute(screen, &mut client, connect(screen, &wish.client), terms).await?,
        Some(sockets) => attended(screen, &mut client, &wish, sockets, terms).await?,
    };
    show(screen, &outcome);
    Ok(())
}

/// Runs a program whose socket instructions are performed here meanwhile.
async fn attended(
    screen: &Screen,
    client: &mut Client,
    wish: &Execute,
    sockets: Sockets,
    mut terms: ExecuteTerms,
) -> Result<Outcome, Failure> {
    let execution = *terms.id.get_or_insert_with(|| ExecutionId::random(&mut rand::rng()));
    let mut conversation = Conversation::new(connect(screen, &wish.client).await?, execution);
    let field = client.view().field();
    let mut doors: Vec<SocketDoor> = (0..client.view().n()).map(|rank| sockets.door(rank)).collect();
    let ended = {
        let talk = pin!(conversation.hold(field, &mut doors));
        let run = pin!(execute(screen, client, connect(screen, &wish.client), terms));
        both(talk, run).await
    };
    if ended.is_err() {
        conversation.give_up().await;
    }
    drop(doors);
    tokio::task::spawn_blocking(move || sockets.close()).await.map_err(Failure::failed)?;
    ended
}

/// The outcome, once the conversation has ended too.
async fn both(
    mut talk: Pin<&mut impl Future<Output = Result<(), Ended>>>,
    mut run: Pin<&mut impl Future<Output = Result<Outcome, Failure>>>,
) -> Result<Outcome, Failure> {
    tokio::select! {
        talked = &mut talk => match talked {
            // what the members refuse, they say of the whole run too
            Ok(()) | Err(Ended::Client(ClientError::Refused { .. })) => run.await,
            Err(Ended::Client(error)) => Err(error.into()),
            Err(error) => Err(Failure::failed(error)),
        },
        ran = &mut run => match ran {
            Ok(outcome) => talk.await.map(|()| outcome).map_err(Failure::failed),
            Err(error) => Err(error),
        },
    }
}

/// Before a client asks for its place, and between two times that it does.
const PLACE_LOOK: Duration = Duration::from_secs(2);

/// Runs a program with a sign of life; `watcher` asks where it stands while it waits.
pub async fn execute(
    screen: &Screen,
    client: &mut Client,
    watcher: impl Future<Output = Result<Client, Failure>>,
    mut terms: ExecuteTerms,
) -> Result<Outcome, Failure> {
    let execution = *terms.id.get_or_insert_with(|| ExecutionId::random(&mut rand::rng()));
    let spinner = screen.spinner("the members compute");
    let outcome = tokio::select! {
        outcome = client.execute(terms) => outcome,
        never = tell_place(&spinner, watcher, execution) => match never {},
    };
    spinner.finish_and_clear();
    Ok(outcome?)
}

async fn tell_place(
    spinner: &ProgressBar,
    watcher: impl Future<Output = Result<Client, Failure>>,
    execution: ExecutionId,
) -> Infallible {
    tokio::time::sleep(PLACE_LOOK).await;
    // not connected for a run that ends sooner
    let Ok(mut watcher) = watcher.await else { return std::future::pending().await };
    loop {
        // Only for the screen: who cannot say it now may say it next time.
        let places = watcher.place(execution).await.unwrap_or_default();
        let last = places
            .iter()
            .filter_map(|(_, placed)| placed.before.map(|before| (before, placed)))
            .max_by_key(|(before, _)| *before);
        spinner.set_message(match last {
            None => "the members compute".to_owned(),
            Some((before, placed)) => {
                let when = placed.starts_in_s.map_or_else(String::new, |s| format!(", about {s} s"));
                format!("waiting for tuples: {before} before this one{when}")
            }
        });
        tokio::time::sleep(PLACE_LOOK).await;
    }
}

/// PROGRAM as it goes to the cloud: a hash that it knows, or bytecode, made for its prime and its security.
fn program(name: &str, arguments: &[String], options: &CompileOptions, client: &Client) -> Result<Program, Failure> {
    if let Ok(hash) = name.parse::<ProgramHash>() {
        return match arguments {
            [] => Ok(Program::Hash(hash)),
            _ => Err(Failure::usage("a program named by its hash is compiled already and takes no arguments")),
        };
    }
    let parameters = client.view().parameters();
    let target = source::Target { prime: parameters.prime, sigma: parameters.sigma };
    let program = source::load_for(name, arguments, options, target)?;
    Ok(Program::Bytes(ByteBuf::from(program.to_bytes())))
}

/// A prime on the command line must be the cloud's.
fn fits(client: &Client, options: &CompileOptions) -> Result<(), Failure> {
    let prime = client.view().parameters().prime;
    match options.prime {
        Some(wanted) if Prime(wanted) != prime => {
            Err(Failure::usage(format!("the cloud computes modulo {prime}, not {wanted}")).remedy("leave -P away"))
        }
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    printed: &'a str,
    outputs: Vec<String>,
    results: &'a [SecretId],
}

fn show(screen: &Screen, outcome: &Outcome) {
    let outputs = outcome.outputs.iter().flat_map(|value| value.texts().to_vec()).collect();
    let report = Report { printed: &outcome.printed, outputs, results: &outcome.results };
    screen.show(&report, |screen, report| {
        screen.raw(report.printed.as_bytes());
        for (k, value) in report.outputs.iter().enumerate() {
            screen.line(format!("output[{k}] {value}"));
        }
        for (k, id) in report.results.iter().enumerate() {
            screen.line(format!("result[{k}] {id}"));
        }
    });
}

#[derive(Serialize)]
struct Quoted {
    program: ProgramHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words_read: Option<u64>,
    /// Absent if known only as the program runs.
    bill: Option<Vec<Line>>,
    /// Absent if the bill is, or if nothing is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_s: Option<u64>,
}

#[derive(Serialize)]
struct Line {
    kind: String,
    needed: u64,
    /// At the member that has least.
    available: u64,
    /// Needed by executions in line.
    promised: u64,
    per_1000_s: u64,
}

pub async fn quote(screen: &Screen, wish: Quote) -> Result<(), Failure> {
    let mut client = connect(screen, &wish.client).await?;
    fits(&client, &wish.compile)?;
    let program = program(&wish.program, &wish.arguments, &wish.compile, &client)?;
    let request = request::Quote { program, arguments: Vec::new(), inputs: wish.input.clone() };
    let quotation = client.quote(request).await?;
    screen.show(&quoted(&quotation), |screen, quoted| {
        let known = |number: Option<u64>| number.map_or_else(|| "known as it runs".to_owned(), |n| n.to_string());
        screen.facts(&[
            ("program", quoted.program.to_string()),
            ("rounds", known(quoted.rounds)),
            ("bytes", known(quoted.bytes)),
            ("words read", known(quoted.words_read)),
            ("start", start(quoted.wait_s)),
        ]);
        let Some(bill) = &quoted.bill else { return screen.line("tuples are known only as it runs") };
        let rows = bill.iter().map(|line| {
            let numbers = [line.needed, line.available, line.promised].map(|number| number.to_string());
            std::iter::once(line.kind.clone()).chain(numbers).chain([format!("{}/s", line.per_1000_s / 1000)]).collect()
        });
        screen.table(&["kind", "needed", "available", "promised", "rate"], rows, "it needs no tuples");
    });
    Ok(())
}

fn quoted(quotation: &Quotation) -> Quoted {
    let said = &quotation.quoted;
    let line = |need: &request::KindCount| {
        let (available, promised, per_1000_s) = quotation.supply(&need.kind);
        Line { kind: need.kind.clone(), needed: need.count, available, promised, per_1000_s }
    };
    Quoted {
        program: said.program,
        rounds: said.rounds,
        bytes: said.bytes,
        words_read: said.words_read,
        wait_s: match quotation.start() {
            Start::Now => Some(0),
            Start::InSeconds(seconds) => Some(seconds),
            Start::Unknown => None,
        },
        bill: said.bill.as_ref().map(|bill| bill.iter().map(line).collect()),
    }
}

fn start(wait_s: Option<u64>) -> String {
    match wait_s {
        Some(0) => "can start now".to_owned(),
        Some(seconds) => format!("starts in about {seconds} s"),
        None => "not known: what is missing is not being made, or the bill is known only as it runs".to_owned(),
    }
}

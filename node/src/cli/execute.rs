//! `vcp execute` and `vcp quote`: programs over secrets in a cloud.

use std::time::Duration;

use polyyne_protocol::client::{Client, ExecuteTerms, Outcome, Quotation};
use polyyne_protocol::id::{ProgramHash, SecretId};
use polyyne_protocol::limits::EXECUTION_TIMEOUT_MS;
use polyyne_protocol::request::{self, Program};
use polyyne_protocol::version::Prime;
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::arguments::{CompileOptions, Execute, Quote};
use super::client::connect;
use super::failure::Failure;
use super::screen::Screen;
use super::source;

pub async fn run(screen: &Screen, wish: Execute) -> Result<(), Failure> {
    // what does not compile fails before anybody is asked
    let program = program(&wish.program, &wish.arguments, &wish.compile)?;
    let mut client = connect(screen, &wish.client).await?;
    fits(&client, &wish.compile)?;
    let mut terms = ExecuteTerms::new(program, wish.input.clone());
    terms.reveal = wish.reveal;
    terms.timeout = wish.timeout.unwrap_or(Duration::from_millis(EXECUTION_TIMEOUT_MS));
    let outcome = execute(screen, &mut client, terms).await?;
    show(screen, &outcome);
    Ok(())
}

/// Runs a program with a sign of life.
pub async fn execute(screen: &Screen, client: &mut Client, terms: ExecuteTerms) -> Result<Outcome, Failure> {
    let waiting = screen.spinner("the members compute");
    let outcome = client.execute(terms).await;
    waiting.finish_and_clear();
    Ok(outcome?)
}

/// PROGRAM as it goes to the cloud: a hash that it knows, or bytecode.
fn program(name: &str, arguments: &[String], options: &CompileOptions) -> Result<Program, Failure> {
    if let Ok(hash) = name.parse::<ProgramHash>() {
        return match arguments {
            [] => Ok(Program::Hash(hash)),
            _ => Err(Failure::usage("a program named by its hash is compiled already and takes no arguments")),
        };
    }
    let program = source::load(name, arguments, options)?;
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
}

pub async fn quote(screen: &Screen, wish: Quote) -> Result<(), Failure> {
    let program = program(&wish.program, &wish.arguments, &wish.compile)?;
    let mut client = connect(screen, &wish.client).await?;
    fits(&client, &wish.compile)?;
    let request = request::Quote { program, arguments: Vec::new(), inputs: wish.input.clone() };
    let quotation = client.quote(request).await?;
    screen.show(&quoted(&quotation), |screen, quoted| {
        let known = |number: Option<u64>| number.map_or_else(|| "known as it runs".to_owned(), |n| n.to_string());
        screen.facts(&[
            ("program", quoted.program.to_string()),
            ("rounds", known(quoted.rounds)),
            ("bytes", known(quoted.bytes)),
            ("words read", known(quoted.words_read)),
            ("time to wait", known(quoted.wait_s)),
        ]);
        let Some(bill) = &quoted.bill else { return screen.line("tuples are known only as it runs") };
        let rows = bill.iter().map(|line| vec![line.kind.clone(), line.needed.to_string(), line.available.to_string()]);
        screen.table(&["kind", "needed", "available"], rows, "it needs no tuples");
    });
    Ok(())
}

fn quoted(quotation: &Quotation) -> Quoted {
    let stock = |kind: &str| {
        let lines = quotation.stocks.iter().filter_map(|(_, stock)| stock.lines.iter().find(|line| line.kind == kind));
        let available = lines.clone().map(|line| line.available).min().unwrap_or(0);
        (available, lines.map(|line| line.per_1000_s).min().unwrap_or(0))
    };
    let said = &quotation.quoted;
    let bill = said.bill.as_ref().map(|bill| {
        let line = |need: &request::KindCount| Line {
            kind: need.kind.clone(),
            needed: need.count,
            available: stock(&need.kind).0,
        };
        bill.iter().map(line).collect::<Vec<_>>()
    });
    let wait = |line: &Line| match (line.needed.saturating_sub(line.available), stock(&line.kind).1) {
        (0, _) => Some(0),
        (_, 0) => None,
        (missing, rate) => Some(missing.saturating_mul(1000).div_ceil(rate)),
    };
    let waits = bill.as_ref().and_then(|bill| bill.iter().map(wait).collect::<Option<Vec<u64>>>());
    Quoted {
        program: said.program,
        rounds: said.rounds,
        bytes: said.bytes,
        words_read: said.words_read,
        wait_s: waits.map(|waits| waits.into_iter().max().unwrap_or(0)),
        bill,
    }
}

//! `vcp run`: a program with all parties in this process.

mod declared;
mod meter;
mod output;
mod parties;
mod tally;
mod threads;

use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use polyyne_bytecode::{Group, Limits, Machine, Program, Verified, verify};
use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::generator::Protocol;
use polyyne_engine::mascot;
use polyyne_engine::vm::{self, Printer, TextInputs};
use polyyne_protocol::version::SIGMA_DEFAULT;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::Serialize;

use super::arguments::{Preprocessing, Run};
use super::failure::{Context as _, Exit, Failure};
use super::screen::Screen;
use super::source;
use declared::declared;
use parties::{Bills, Job, Outcome, Phase, RunError, Source, Spent, Supplies};
use threads::{MAIN, Orders};

/// With `--json`.
#[derive(Serialize)]
struct Report {
    printed: String,
    outputs: Vec<String>,
    results: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<Figures>,
}

/// With `--stats`.
#[derive(Serialize)]
struct Figures {
    parties: usize,
    preprocessing: &'static str,
    /// Bits at which the program says that a run hides; absent if it opens nothing under a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    hides: Option<u32>,
    tuples: Vec<TupleFigure>,
    checks: u64,
    offline: PhaseFigure,
    online: PhaseFigure,
    /// Of the program at party 0, all its VM threads together: seconds may add up to more than have passed.
    groups: Vec<GroupFigure>,
}

#[derive(Serialize)]
struct GroupFigure {
    group: &'static str,
    seconds: f64,
    rounds: u64,
    bytes_sent: u64,
}

#[derive(Serialize)]
struct PhaseFigure {
    rounds: u64,
    bytes_sent: u64,
    seconds: f64,
}

impl From<Phase> for PhaseFigure {
    fn from(phase: Phase) -> Self {
        Self { rounds: phase.rounds, bytes_sent: phase.bytes_sent, seconds: phase.time.as_secs_f64() }
    }
}

#[derive(Serialize)]
struct TupleFigure {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    party: Option<usize>,
    count: u64,
}

pub fn run(screen: &Screen, wish: &Run) -> Result<(), Failure> {
    let program = source::load(&wish.program, &wish.arguments, &wish.compile)?;
    if let Some(bits) = program.declared_security().filter(|&bits| bits < u32::from(SIGMA_DEFAULT)) {
        screen.note(format!(
            "note: this program says that a run hides at {bits} bits; virtual clouds promise {SIGMA_DEFAULT}"
        ));
    }
    let mut job = job(screen, wish, program)?;
    let n = usize::from(wish.n);
    let supplies = match wish.preprocessing {
        Preprocessing::Dealer => {
            screen.note("tuples come from a dealer inside this process: for development only (--preprocessing mascot makes them really)");
            dealt(&job, n)?
        }
        Preprocessing::Mascot | Preprocessing::Lowgear => {
            let protocol = protocol(wish.preprocessing, &job.field)?;
            // clients come once: a run with them cannot be rehearsed
            let sockets = job.sockets.is_some();
            let bills = if sockets { declared(job.program.bill())?.into() } else { rehearse(&job, n)? };
            // the dealer's gates end with its tuples
            let (supplies, orders) = (dealt(&job, n)?.into_iter(), Orders::new(n));
            let made = |own: Supplies| {
                let tuples = Source::Made(protocol, bills.clone());
                Supplies { key: own.key, tuples, orders: orders.clone() }
            };
            supplies.map(made).collect()
        }
    };
    // a rehearsal has written nothing
    job.output_dir.clone_from(&wish.output_dir);
    let working = screen.spinner(match wish.preprocessing {
        Preprocessing::Dealer => "the parties compute",
        Preprocessing::Mascot | Preprocessing::Lowgear => "the parties make tuples and compute",
    });
    let mut text = Text { screen: *screen, working, kept: Vec::new() };
    let outcome = parties::run(&job, supplies, &mut text);
    text.working.finish_and_clear();
    let hides = job.program.program().declared_security();
    let Job { sockets, field, .. } = job;
    if let Some(sockets) = sockets {
        sockets.close();
    }
    let outcome = outcome.map_err(failure)?;
    if outcome.unread > 0 {
        screen.note(format!("note: the program did not read {} of its input words", outcome.unread));
    }
    report(screen, wish, &field, &text, &outcome, hides);
    Ok(())
}

fn name(preprocessing: Preprocessing) -> &'static str {
    match preprocessing {
        Preprocessing::Dealer => "dealer",
        Preprocessing::Mascot => "mascot",
        Preprocessing::Lowgear => "lowgear",
    }
}

fn protocol(preprocessing: Preprocessing, field: &PrimeField) -> Result<Protocol, Failure> {
    let statistical = mascot::Params::default().statistical;
    let protocol = Protocol::named(name(preprocessing), field, statistical);
    protocol.ok_or_else(|| {
        let cause = format!("{} makes no tuples modulo {}", name(preprocessing), field.modulus());
        Failure::usage(cause).remedy("--preprocessing mascot")
    })
}

/// What a run takes, found by a run on a dealer's tuples whose output nobody sees.
fn rehearse(job: &Job, n: usize) -> Result<Bills, Failure> {
    let rehearsal = parties::run(job, dealt(job, n)?, &mut Vec::new()).map_err(failure)?;
    Ok(parties::bills(&rehearsal.spent))
}

fn report(screen: &Screen, wish: &Run, field: &PrimeField, text: &Text, outcome: &Outcome, hides: Option<u32>) {
    let outputs: Vec<String> = outcome.outputs.iter().map(|&word| field.signed_decimal(word)).collect();
    let figures = wish.stats.then(|| figures(wish, outcome, hides));
    if screen.json {
        let printed = String::from_utf8_lossy(&text.kept).into_owned();
        let report = Report { printed, outputs, results: Vec::new(), statistics: figures };
        return screen.show(&report, |_, _| {});
    }
    for (k, value) in outputs.iter().enumerate() {
        screen.line(format!("output[{k}] {value}"));
    }
    if let Some(figures) = figures {
        show(screen, &figures);
    }
}

fn figures(wish: &Run, outcome: &Outcome, hides: Option<u32>) -> Figures {
    Figures {
        parties: wish.n.into(),
        preprocessing: name(wish.preprocessing),
        hides,
        tuples: tuples(&outcome.spent),
        checks: outcome.checks,
        offline: outcome.offline.into(),
        online: outcome.online.into(),
        groups: groups(outcome),
    }
}

/// The groups of instructions that took anything.
fn groups(outcome: &Outcome) -> Vec<GroupFigure> {
    let spent = Group::ALL.into_iter().map(|group| (group, outcome.groups[group as usize]));
    let figure = |(group, spent): (Group, meter::Spent)| GroupFigure {
        group: group.name(),
        seconds: spent.time.as_secs_f64(),
        rounds: spent.rounds,
        bytes_sent: spent.bytes_sent,
    };
    spent.filter(|(_, spent)| !spent.time.is_zero()).map(figure).collect()
}

fn tuples(spent: &Spent) -> Vec<TupleFigure> {
    let prime = spent.prime.iter().map(|(&(kind, party), &count)| (kind.name().to_owned(), party, count));
    let binary = spent.binary.iter().map(|(&(kind, party), &count)| (format!("GF(2^n) {}", kind.name()), party, count));
    let bits = spent.bits.iter().map(|(&(kind, party), &count)| (kind.to_string(), party, count));
    let all = prime.chain(binary).chain(bits).filter(|(_, _, count)| *count > 0);
    all.map(|(kind, party, count)| TupleFigure { kind, party, count }).collect()
}

fn show(screen: &Screen, figures: &Figures) {
    for (name, phase) in [("offline", &figures.offline), ("online", &figures.online)] {
        screen.note(format!(
            "{name:8} {:.3} s, {} rounds, {} bytes sent by all {} parties",
            phase.seconds, phase.rounds, phase.bytes_sent, figures.parties
        ));
    }
    screen.note(format!("checks   {} MAC checks online", figures.checks));
    if let Some(bits) = figures.hides {
        screen.note(format!("hides    at {bits} bits over the whole run"));
    }
    for TupleFigure { kind, party, count } in &figures.tuples {
        let of = party.map(|party| format!(" of party {party}")).unwrap_or_default();
        screen.note(format!("tuples   {count} × {kind}{of} ({})", figures.preprocessing));
    }
    for GroupFigure { group, seconds, rounds, bytes_sent } in &figures.groups {
        screen.note(format!("party 0  {group:25} {seconds:>9.6} s {rounds:>9} rounds {bytes_sent:>12} bytes sent"));
    }
}

/// Degree of GF(2^n) for programs that name none.
const GF2N_DEFAULT: u32 = 128;

fn job(screen: &Screen, wish: &Run, program: Program) -> Result<Job, Failure> {
    let n = usize::from(wish.n);
    let prime = source::prime(&program, &wish.compile)?;
    let field = PrimeField::new(prime).map_err(|error| Failure::usage(format!("the prime {prime}: {error}")))?;
    let gf2n = match program.schedule().gf2n {
        0 => GF2N_DEFAULT,
        degree => degree,
    };
    let machine = Machine { prime, parties: n, gf2n };
    let program: Verified = verify(program, &machine, &Limits::default())
        .map_err(|error| Failure::usage(format!("{}: {error}", wish.program)))?;
    let inputs = wish.input.iter().map(|&value| field.from_i128(value)).collect();
    let private = (0..n).map(|party| private_inputs(wish.input_dir.as_deref(), party)).collect::<Result<_, _>>()?;
    let sockets = wish.sockets.open(screen, field, n)?;
    let mac_key = wish.mac_key.map(|key| field.element(key));
    Ok(Job {
        program: Arc::new(program),
        field,
        inputs,
        private,
        sockets,
        mac_key,
        measured: wish.stats,
        output_dir: None,
    })
}

/// `Input-P<party>-<thread>` files; a party without any has no inputs.
fn private_inputs(folder: Option<&Path>, party: usize) -> Result<TextInputs, Failure> {
    let Some(folder) = folder else { return Ok(TextInputs::default()) };
    let prefix = format!("Input-P{party}-");
    let mut inputs = TextInputs::default();
    let doing = || format!("cannot read the inputs in {}", folder.display());
    for entry in std::fs::read_dir(folder).or_failed(doing())? {
        let entry = entry.or_failed(doing())?;
        let name = entry.file_name();
        let Some(thread) = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok()) else { continue };
        let text = std::fs::read_to_string(entry.path()).or_failed(entry.path().display())?;
        inputs = inputs.with(thread, &text);
    }
    Ok(inputs)
}

/// A MAC key of the moment, and for each party its share and a dealer's endless tuples.
fn dealt(job: &Job, n: usize) -> Result<Vec<Supplies>, Failure> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).or_failed("the operating system gives no randomness")?;
    let mut dealer = Dealer::new(job.field, n, seed);
    if let Some(key) = job.mac_key {
        dealer = dealer.with_alpha(key);
    }
    let degree = job.program.machine().gf2n;
    let binary = BinaryField::new(degree).ok_or_else(|| Failure::usage(format!("there is no GF(2^{degree}) here")))?;
    let orders = Orders::new(n);
    let supply = |party| {
        let gates = orders.side_gates(party, MAIN);
        let sides = Some(Box::new(vm::dealt_sides_behind(&dealer, binary, n, party, seed, gates)));
        let tuples = Source::Ready { tuples: Box::new(dealer.tuples(party, 0)), sides };
        Supplies { key: dealer.key(party), tuples, orders: orders.clone() }
    };
    Ok((0..n).map(supply).collect())
}

fn failure(error: RunError) -> Failure {
    let exit = if parties::misbehaved(&error) { Exit::Aborted } else { Exit::Failed };
    Failure::new(exit, error)
}

/// Party 0's text: to standard output as it is released, or kept for the JSON object.
struct Text {
    screen: Screen,
    /// Ends with the first text.
    working: ProgressBar,
    kept: Vec<u8>,
}

impl Printer for Text {
    fn release(&mut self, text: &[u8]) {
        if self.screen.json {
            self.kept.extend_from_slice(text);
        } else {
            self.working.finish_and_clear();
            self.screen.raw(text);
        }
    }
}

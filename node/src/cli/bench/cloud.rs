//! A warm execution in a running cloud: `online.execute.add2`, from the signed request to the verified value.
//!
//! Three providers as processes on this machine, all data directories on one disk, tuples made beforehand;
//! the client asks one after the other. Beside it, what one durable commit takes on that disk when nothing else goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polyyne_bytecode::Program;
use polyyne_programs::CompileRequest;
use polyyne_protocol::admin::{Generate, Generation, Stock, cloud_path};
use polyyne_protocol::client::{Client, ExecuteTerms, Pin, PutTerms};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::request;
use polyyne_protocol::secret::{Policy, SecretValue};
use serde_bytes::ByteBuf;

use super::measured::{Measured, peak_rss_bytes};
use super::parties::random;
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::{Context as _, Failure};
use crate::cli::operator::Operator;
use crate::cli::screen::Screen;
use crate::cli::{identity, library};
use crate::store::seen::SeenNonces;
use crate::store::{Fatal, RootKey, StateFile};
use crate::testnet::children::Node;
use crate::testnet::ground::Ground;
use crate::testnet::{stand, start};

pub const NAME: &str = "online.execute.add2";
pub const COMMIT: &str = "disk.commit";

/// Providers: what the name promises, whatever `-n` says.
const MEMBERS: u16 = 3;
const EXECUTIONS: u64 = 1000;
/// Before the measured ones.
const WARM_UP: u64 = 20;
/// What one execution and its delivery take of a kind at most.
const TUPLES_EACH: u64 = 4;
const SUM: &str = "42";
const STOCK_LOOK: Duration = Duration::from_millis(500);

pub async fn measure(screen: &Screen, options: &BenchOptions) -> Result<Vec<Measured>, Failure> {
    let mut ground = Ground::new(None)?;
    let mut nodes = Vec::new();
    let measured = run(screen, options, &ground, &mut nodes).await;
    for node in &mut nodes {
        node.let_go();
    }
    for node in nodes {
        node.stop().await;
    }
    if measured.is_err() {
        screen.note(format!("what the nodes wrote is in {}", ground.keep().display()));
    }
    measured
}

async fn run(
    screen: &Screen,
    options: &BenchOptions,
    ground: &Ground,
    nodes: &mut Vec<Node>,
) -> Result<Vec<Measured>, Failure> {
    let (executions, warm_up) = if options.quick { (3, 1) } else { (EXECUTIONS, WARM_UP) };
    let quiet = Screen { json: true };
    let commit = commit_time(ground, if options.quick { 3 } else { 200 }).await?;
    ground.prepare(MEMBERS.into())?;
    start(&quiet, ground, MEMBERS.into(), nodes).await?;
    let cloud = stand(&quiet, None, None, ground, nodes).await?;
    let filling = screen.spinner("the members make tuples for all executions");
    fill(ground, nodes, cloud, (executions + warm_up + 2) * TUPLES_EACH).await?;
    filling.finish_and_clear();
    let bar = screen.bar("executions", executions);
    let mut adder = Adder::new(ground, nodes, cloud).await?;
    for _ in 0..warm_up {
        adder.add().await?;
    }
    let mut laps_ns = Vec::new();
    for _ in 0..executions {
        let began = Instant::now();
        adder.add().await?;
        laps_ns.push(began.elapsed().as_nanos() as u64);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let peak = nodes.iter().map(|node| node.id().map_or(0, peak_rss_bytes)).max();
    let measured = Measured { peak_rss_bytes: peak, ..Measured::new(NAME, MEMBERS) };
    Ok(vec![in_ms(measured, &mut laps_ns), commit])
}

/// Waits until every member has so many triples and randoms, then lets all rest: what is measured is the execution.
async fn fill(ground: &Ground, nodes: &[Node], cloud: CloudId, wanted: u64) -> Result<(), Failure> {
    let operators: Vec<Operator> =
        (0..nodes.len()).map(|index| Operator::at(&ground.layout(index))).collect::<Result<_, _>>()?;
    for kind in ["triple", "random"] {
        let wish = Generate { kind: kind.into(), count: wanted };
        let path = cloud_path(&cloud, "generation/generate");
        let _: Generation = operators[0].post(&path, &wish).await?;
        for operator in &operators {
            while available(operator, &cloud, kind).await? < wanted {
                tokio::time::sleep(STOCK_LOOK).await;
            }
        }
    }
    for operator in &operators {
        let path = cloud_path(&cloud, "generation/pause");
        let _: Generation = operator.post(&path, &()).await?;
    }
    Ok(())
}

async fn available(operator: &Operator, cloud: &CloudId, kind: &str) -> Result<u64, Failure> {
    let stock: Stock = operator.get(&cloud_path(cloud, "stock")).await?;
    Ok(stock.lines.iter().find(|line| line.kind == kind).map_or(0, |line| line.available))
}

/// A client with two secrets that only the addition may use.
struct Adder {
    client: Client,
    terms: ExecuteTerms,
}

impl Adder {
    async fn new(ground: &Ground, nodes: &[Node], cloud: CloudId) -> Result<Self, Failure> {
        let path = ground.client("alice");
        identity::create(&path)?;
        let key = identity::load(&Screen { json: true }, Some(&path))?;
        let mut client = Client::connect(&nodes[0].ready.http, key, Pin::Cloud(cloud)).await?;
        let bytes = addition()?.to_bytes();
        let hash = request::program_hash(&bytes);
        let mut inputs = Vec::new();
        for value in [12, 30] {
            let terms = PutTerms { policy: Policy::for_programs(vec![hash]), ..PutTerms::default() };
            inputs.push(client.put(&SecretValue::integers(vec![value]), terms).await?);
        }
        let program = request::Program::Bytes(ByteBuf::from(bytes));
        let mut adder = Self { client, terms: ExecuteTerms { reveal: true, ..ExecuteTerms::new(program, inputs) } };
        adder.add().await?;
        adder.terms.program = request::Program::Hash(hash);
        Ok(adder)
    }

    /// One execution, until the value is there and verified.
    async fn add(&mut self) -> Result<(), Failure> {
        let outcome = self.client.execute(self.terms.clone()).await?;
        let texts = outcome.outputs.iter().flat_map(|value| value.texts().to_vec()).collect::<Vec<_>>();
        if texts == [SUM] { Ok(()) } else { Err(Failure::failed(format!("12 + 30 is not {}", texts.join(", ")))) }
    }
}

fn addition() -> Result<Program, Failure> {
    let source = library::find("add.mpc").ok_or_else(|| Failure::failed("there is no add.mpc"))?.source;
    let compiled = polyyne_programs::compile(&CompileRequest::new("add.mpc", source)).or_failed("add.mpc")?;
    Ok(compiled.program)
}

/// Commits of one row, one after the other, to a file of the kind that nodes have.
async fn commit_time(ground: &Ground, times: usize) -> Result<Measured, Failure> {
    let root = Arc::new(RootKey::from_bytes(random()?));
    let state = StateFile::open(ground.dir(), root, Fatal::exit_process()).await.or_failed("state.redb")?;
    let nonces = SeenNonces::of(&state);
    let mut laps_ns = Vec::new();
    for time in 0..times {
        let began = Instant::now();
        nonces.remember([0; 32], (time as u128).to_le_bytes(), u64::MAX).await.or_failed("state.redb")?;
        laps_ns.push(began.elapsed().as_nanos() as u64);
    }
    Ok(in_ms(Measured::new(COMMIT, 1), &mut laps_ns))
}

/// With the median as its value.
fn in_ms(measured: Measured, laps_ns: &mut [u64]) -> Measured {
    let measured = measured.with_laps(laps_ns);
    Measured { value: measured.p50_us.unwrap_or_default() / 1000.0, unit: "ms".into(), ..measured }
}

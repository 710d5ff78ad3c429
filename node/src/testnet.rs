//! `vcp testnet`: a virtual cloud of several providers on this machine, each a process of its own.
//!
//! Nothing in it is a stand-in: the providers find each other over libp2p, all sign the cloud's record, tuples come from
//! LowGear or MASCOT, and the demonstration's two clients talk to two different nodes over HTTP. It differs from a cloud in the
//! world in one thing only: one person runs all members, so that it protects nobody from anybody.

pub mod children;
mod demo;
pub mod ground;

use std::time::Duration;

use indicatif::ProgressBar;
use polyyne_protocol::admin::{self, CLOUDS_PATH, cloud_path};
use polyyne_protocol::id::CloudId;
use polyyne_protocol::version::{Generator, Prime, SIGMA_DEFAULT};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::cli::arguments::Testnet;
use crate::cli::cloud::until_live;
use crate::cli::failure::{Context as _, Failure};
use crate::cli::operator::Operator;
use crate::cli::screen::Screen;
use children::Node;
use demo::Demo;
use ground::{Description, Ground, NodeDescription};

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the cloud may take to stand and to fill its stock.
const STANDING_MAX: Duration = Duration::from_secs(300);

/// Brings a testnet up, shows it, and ends when asked to.
pub async fn run(screen: &Screen, wish: &Testnet) -> Result<(), Failure> {
    // what does not compile fails before anything starts
    let demo = if wish.no_demo { None } else { Some(Demo::new(wish.demo.as_deref(), wish.prime)?) };
    let mut ground = Ground::new(wish.dir.as_deref())?;
    let mut nodes = Vec::new();
    let result = tokio::select! {
        result = show(screen, wish, &ground, &mut nodes, demo) => result,
        () = interrupted() => Ok(()),
    };
    for node in &mut nodes {
        node.let_go();
    }
    let stopping = screen.spinner("all nodes stop");
    for node in nodes {
        node.stop().await;
    }
    stopping.finish_and_clear();
    if result.is_err() {
        screen.note(format!("what the nodes wrote is in {}", ground.keep().display()));
    }
    result
}

async fn show(
    screen: &Screen,
    wish: &Testnet,
    ground: &Ground,
    nodes: &mut Vec<Node>,
    demo: Option<Demo>,
) -> Result<(), Failure> {
    let n = usize::from(wish.n);
    ground.prepare(n)?;
    start(screen, ground, n, nodes).await?;
    let generator = wish.generator.map(Into::into);
    let cloud = stand(screen, wish.prime, generator, ground, nodes).await?;
    let mut description = describe(ground, nodes, Some(cloud))?;
    if let Some(demo) = demo {
        fill(screen, ground, cloud, &demo).await?;
        description.outputs = demo.show(screen, ground, nodes, cloud).await?;
        ground.describe(&description)?;
    }
    if !description.identity.exists() {
        crate::cli::identity::create(&description.identity)?;
    }
    screen.show(&description, |screen, description| advise(screen, description, cloud));
    if wish.exit {
        return Ok(());
    }
    screen.note("The testnet stays up until Ctrl-C.");
    watch(screen, nodes).await
}

/// Starts one node after the other; each is told where those before it are.
pub async fn start(screen: &Screen, ground: &Ground, n: usize, nodes: &mut Vec<Node>) -> Result<(), Failure> {
    for index in 0..n {
        let peers: Vec<String> = nodes.iter().flat_map(|node| node.ready.addresses.clone()).collect();
        let started = Node::start(ground.layout(index).dir(), &peers, &ground.log(index)).await;
        let node = started.or_failed(format!("node {index} does not start"))?;
        screen.note(format!("node {index}: {} at {}", node.ready.peer_id, node.ready.http));
        nodes.push(node);
    }
    let addresses: Vec<Vec<String>> = nodes.iter().map(|node| node.ready.addresses.clone()).collect();
    ground.introduce(&addresses)?;
    describe(ground, nodes, None).map(drop)
}

/// Writes what the testnet is.
fn describe(ground: &Ground, nodes: &[Node], cloud: Option<CloudId>) -> Result<Description, Failure> {
    let describe = |(index, node): (usize, &Node)| NodeDescription {
        process: node.id(),
        peer_id: node.ready.peer_id.clone(),
        data_dir: ground.layout(index).dir().to_owned(),
        log: ground.log(index),
        http: node.ready.http.clone(),
        addresses: node.ready.addresses.clone(),
    };
    let nodes = nodes.iter().enumerate().map(describe).collect();
    let identity = ground.client("alice");
    let description = Description { process: std::process::id(), cloud, identity, nodes, outputs: Vec::new() };
    ground.describe(&description)?;
    Ok(description)
}

/// The cloud of all nodes: the one from before, or a new one that all sign; live when this returns.
pub async fn stand(
    screen: &Screen,
    prime: Option<u128>,
    generator: Option<Generator>,
    ground: &Ground,
    nodes: &[Node],
) -> Result<CloudId, Failure> {
    let operator = Operator::at(&ground.layout(0))?;
    let clouds: admin::Clouds = operator.get(CLOUDS_PATH).await?;
    let cloud = match clouds.clouds.first() {
        Some(known) => {
            screen.note(format!("found the cloud from before: {}", known.id));
            known.id
        }
        None => {
            let waiting = screen.spinner("the nodes form a cloud");
            let form = admin::Form {
                name: "testnet".into(),
                members: nodes[1..].iter().map(|node| node.ready.peer_id.clone()).collect(),
                prime: prime.map_or(Prime::DEFAULT, Prime),
                generator,
                sigma: SIGMA_DEFAULT,
                stock: Default::default(),
                external: Default::default(),
            };
            let proposed: admin::Proposed = operator.post(CLOUDS_PATH, &form).await?;
            waiting.finish_and_clear();
            screen.note(format!("cloud {}: signed by all {} members", proposed.cloud, nodes.len()));
            proposed.cloud
        }
    };
    let waiting = screen.spinner("the members make their MAC key");
    for index in 0..nodes.len() {
        let operator = Operator::at(&ground.layout(index))?;
        within(STANDING_MAX, "the cloud is not live", until_live(&operator, &cloud)).await?;
    }
    waiting.finish_and_clear();
    screen.note("the cloud is live at all members");
    Ok(cloud)
}

/// Shows the stock filling until the demonstration has what it needs.
async fn fill(screen: &Screen, ground: &Ground, cloud: CloudId, demo: &Demo) -> Result<(), Failure> {
    let operator = Operator::at(&ground.layout(0))?;
    let needs = demo.needs();
    let bars = indicatif::MultiProgress::new();
    let bars: Vec<ProgressBar> =
        needs.iter().map(|(kind, count)| bars.add(screen.bar(format!("{kind:8}"), *count))).collect();
    let filling = async {
        loop {
            let stock: admin::Stock = operator.get(&cloud_path(&cloud, "stock")).await?;
            let available =
                |kind: &str| stock.lines.iter().find(|line| line.kind == kind).map_or(0, |line| line.available);
            for ((kind, count), bar) in needs.iter().zip(&bars) {
                bar.set_position(available(kind).min(*count));
            }
            if needs.iter().all(|(kind, count)| available(kind) >= *count) {
                return Ok(needs.iter().map(|(kind, _)| format!("{} × {kind}", available(kind))).collect::<Vec<_>>());
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let made = within(STANDING_MAX, "the stock does not fill", filling).await?;
    bars.iter().for_each(ProgressBar::finish_and_clear);
    screen.note(format!("tuples made so far: {}", made.join(", ")));
    Ok(())
}

async fn within<T>(time: Duration, what: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(time, work).await {
        Ok(result) => result,
        Err(_) => Err(Failure::failed(format!("{what} after {} s", time.as_secs())).remedy("the nodes' logs say why")),
    }
}

/// What to type next.
fn advise(screen: &Screen, testnet: &Description, cloud: CloudId) {
    let client = |node: &NodeDescription| {
        format!("--node {} --cloud {cloud} --identity {}", node.http, testnet.identity.display())
    };
    let (Some(first), Some(last)) = (testnet.nodes.first(), testnet.nodes.last()) else { return };
    let vcp = this_program();
    let dir = first.data_dir.display();
    screen.line("");
    for (index, node) in testnet.nodes.iter().enumerate() {
        screen.line(format!("node {index}  {}", node.http));
    }
    screen.line(format!("cloud   {cloud}"));
    screen.line("\nTo type next, in another terminal:");
    screen.line(format!("  {vcp} secret put 23 42 {}", client(first)));
    screen.line(format!("  {vcp} secret list {}", client(last)));
    screen.line(format!("  {vcp} execute add.mpc -i SECRET --reveal {}", client(first)));
    screen.line(format!("  {vcp} castor stock --data-dir {dir}"));
    screen.line(format!("  {vcp} cloud show {cloud} --data-dir {dir}"));
}

/// How this program is called, wherever the next command is typed.
fn this_program() -> String {
    std::env::current_exe().map_or_else(|_| "vcp".to_owned(), |path| path.display().to_string())
}

/// Tells of nodes that end; goes on as long as one is up.
async fn watch(screen: &Screen, nodes: &mut [Node]) -> Result<(), Failure> {
    let ends = nodes.iter_mut().enumerate().map(|(index, node)| {
        Box::pin(async move {
            let status = node.ended().await;
            (index, status.map_or_else(|error| error.to_string(), |status| status.to_string()), node.ready.clone())
        })
    });
    let mut ends: Vec<_> = ends.collect();
    while !ends.is_empty() {
        let ((index, status, ready), _, rest) = futures::future::select_all(ends).await;
        ends = rest;
        let http = ready.http.trim_start_matches("http://");
        screen.note(format!("node {index} ended ({status}); the cloud needs it back:"));
        screen.note(format!("  {} node start --data-dir {} --http {http}", this_program(), ready.data_dir.display()));
    }
    Err(Failure::failed("all nodes have ended"))
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

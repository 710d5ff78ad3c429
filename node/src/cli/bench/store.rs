//! One provider's tuple store: `online.take`, from the durable commit to shares in memory, and `store.*`, the same with
//! ten million triples in stock, and how long such a store takes to open.
//!
//! What a take does beside this (offers, turn and votes of the members) costs the same for any number of tuples.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::PrimeField;
use polyyne_engine::tuples::{Kind, Tuples as _};
use zeroize::Zeroizing;

use super::measured::{Filter, Measured};
use super::parties::random;
use crate::castor::{CHUNK_TUPLES_MAX, Castor, ChunkRef, KindTake, NewChunk, Span, TakeRequest, TupleKind};
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::{Context as _, Failure};
use crate::session::take::{pools, rows};
use crate::store::{ChunkId, CloudId, ExecId, Fatal, MacKeyId, MacScope, RootKey, TuplesFile};
use crate::testnet::ground::Ground;

pub const NAME: &str = "online.take";

/// Measured only where the filter asks for them, since they write gigabytes: opening after an orderly end, opening
/// after the process was killed, and taking, each with [`STOCK`] triples.
pub const LARGE: [&str; 3] = ["store.open", "store.open.killed", "store.take"];

/// Tuples of one take.
const TAKE: u64 = 1 << 16;
/// Takes.
const TIMES: u64 = 16;
/// Triples in the large store.
const STOCK: u64 = 10_000_000;
const SCOPE: MacScope = MacScope { cloud: CloudId([1; 32]), mac_key: MacKeyId([1; 16]) };

pub async fn measure(options: &BenchOptions) -> Result<Measured, Failure> {
    let (take, times) = if options.quick { (64, 2) } else { (TAKE, TIMES) };
    let ground = Ground::new(None)?;
    let root = Arc::new(RootKey::from_bytes(random()?));
    let (_file, castor) = open(ground.dir(), &root).await?;
    stock_up(&castor, take * times).await?;
    takes(&castor, NAME, take, times).await
}

pub async fn measure_large(options: &BenchOptions, filter: &Filter<'_>) -> Result<Vec<Measured>, Failure> {
    let (stock, take, times) = if options.quick { (4 * 4096, 64, 2) } else { (STOCK, TAKE, TIMES) };
    let (ground, killed) = (Ground::new(None)?, Ground::new(None)?);
    let root = Arc::new(RootKey::from_bytes(random()?));
    let (file, castor) = open(ground.dir(), &root).await?;
    stock_up(&castor, stock).await?;
    // What a kill leaves: the file as it is while the process runs.
    let image = "tuples.redb";
    std::fs::copy(ground.dir().join(image), killed.dir().join(image)).or_failed(image)?;
    drop((file, castor));
    let mut results = Vec::new();
    for (name, dir) in [(LARGE[0], ground.dir()), (LARGE[1], killed.dir())] {
        let began = Instant::now();
        let (_file, castor) = open(dir, &root).await?;
        let measured = Measured { value: began.elapsed().as_secs_f64(), unit: "s".into(), ..Measured::new(name, 1) };
        if castor.offers(SCOPE, TupleKind::TRIPLE) != [Span::new(0, stock)] {
            return Err(Failure::failed("the opened store holds something else"));
        }
        results.push(measured);
    }
    let (_file, castor) = open(ground.dir(), &root).await?;
    results.push(takes(&castor, LARGE[2], take, times).await?);
    results.retain(|measured| filter.wants(&measured.name));
    Ok(results)
}

async fn open(dir: &Path, root: &Arc<RootKey>) -> Result<(TuplesFile, Castor), Failure> {
    let file = TuplesFile::open(dir, root.clone(), Fatal::exit_process()).await.or_failed("tuples.redb")?;
    let castor = Castor::open(&file).await.or_failed("tuples.redb")?;
    Ok((file, castor))
}

/// Takes from the first position on.
async fn takes(castor: &Castor, name: &str, take: u64, times: u64) -> Result<Measured, Failure> {
    let field = PrimeField::usual();
    let mut laps_ns = Vec::new();
    for time in 0..times {
        let spans = vec![Span::new(time * take, (time + 1) * take)];
        let request = TakeRequest {
            exec: ExecId(random()?),
            scope: SCOPE,
            digest: [0; 32],
            kinds: vec![KindTake { kind: TupleKind::TRIPLE, spans, skip_to: None }],
            peers: Vec::new(),
        };
        let began = Instant::now();
        let taken = castor.take(request).await.or_failed("taking")?;
        let pool = pools(&field, 0, taken).or_failed("taking")?.prime;
        laps_ns.push(began.elapsed().as_nanos() as u64);
        if pool.left(Kind::Triple) as u64 != take {
            return Err(Failure::failed("a take gave another number of tuples"));
        }
    }
    let seconds = Duration::from_nanos(laps_ns.iter().sum()).as_secs_f64();
    let measured = Measured { value: (take * times) as f64 / seconds, ..Measured::new(name, 1) };
    Ok(measured.with_laps(&mut laps_ns))
}

/// Fills the store with chunks of dealt triples; what is dealt once serves for all of them, since the store does not
/// look inside.
async fn stock_up(castor: &Castor, wanted: u64) -> Result<(), Failure> {
    let field = PrimeField::usual();
    let mut dealt = Dealer::new(field, 2, random()?).tuples(0, 0);
    let triples = dealt.triples(CHUNK_TUPLES_MAX).or_failed("dealing")?;
    let dealt = rows(&field, &[triples.a, triples.b, triples.c]);
    let width = dealt.len() / CHUNK_TUPLES_MAX;
    let mut start = 0;
    while start < wanted {
        let count = (wanted - start).min(CHUNK_TUPLES_MAX as u64);
        let tuples = Zeroizing::new(dealt[..count as usize * width].to_vec());
        let id = ChunkId(random()?);
        let kind = TupleKind::TRIPLE;
        let chunk = NewChunk { scope: SCOPE, kind, id, start, assurance: Vec::new(), tuples };
        castor.stage(chunk).await.or_failed("staging")?;
        castor.activate(ChunkRef { scope: SCOPE, kind, start, id }, Vec::new()).await.or_failed("activating")?;
        start += count;
    }
    Ok(())
}

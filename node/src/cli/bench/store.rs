//! Taking tuples from the store: `online.take`, one provider's part, from the durable commit to shares in memory.
//!
//! What a take does beside this (offers, turn and votes of the members) costs the same for any number of tuples.

use std::time::{Duration, Instant};

use polyyne_engine::dealer::Dealer;
use polyyne_engine::field::PrimeField;
use polyyne_engine::tuples::{Kind, Tuples as _};
use std::sync::Arc;

use super::measured::Measured;
use super::parties::random;
use crate::castor::{CHUNK_TUPLES_MAX, Castor, ChunkRef, KindTake, NewChunk, Span, TakeRequest, TupleKind};
use crate::cli::arguments::BenchOptions;
use crate::cli::failure::{Context as _, Failure};
use crate::session::take::{pools, rows};
use crate::store::{ChunkId, CloudId, ExecId, Fatal, MacKeyId, MacScope, RootKey, TuplesFile};
use crate::testnet::ground::Ground;

pub const NAME: &str = "online.take";

/// Tuples of one take.
const TAKE: u64 = 1 << 16;
/// Takes.
const TIMES: u64 = 16;
const SCOPE: MacScope = MacScope { cloud: CloudId([1; 32]), mac_key: MacKeyId([1; 16]) };

pub async fn measure(options: &BenchOptions) -> Result<Measured, Failure> {
    let (take, times) = if options.quick { (64, 2) } else { (TAKE, TIMES) };
    let ground = Ground::new(None)?;
    let root = Arc::new(RootKey::from_bytes(random()?));
    let file = TuplesFile::open(ground.dir(), root, Fatal::exit_process()).await.or_failed("tuples.redb")?;
    let castor = Castor::open(&file).await.or_failed("tuples.redb")?;
    stock_up(&castor, take * times).await?;
    let field = PrimeField::carbyne();
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
        let pool = pools(&field, taken).or_failed("taking")?.prime;
        laps_ns.push(began.elapsed().as_nanos() as u64);
        if pool.left(Kind::Triple) as u64 != take {
            return Err(Failure::failed("a take gave another number of tuples"));
        }
    }
    let seconds = Duration::from_nanos(laps_ns.iter().sum()).as_secs_f64();
    let measured = Measured { value: (take * times) as f64 / seconds, ..Measured::new(NAME, 1) };
    Ok(measured.with_laps(&mut laps_ns))
}

async fn stock_up(castor: &Castor, wanted: u64) -> Result<(), Failure> {
    let field = PrimeField::carbyne();
    let mut dealt = Dealer::new(field, 2, random()?).tuples(0, 0);
    let mut start = 0;
    while start < wanted {
        let count = (wanted - start).min(CHUNK_TUPLES_MAX as u64);
        let triples = dealt.triples(count as usize).or_failed("dealing")?;
        let tuples = rows(&field, &[triples.a, triples.b, triples.c]);
        let id = ChunkId(random()?);
        let kind = TupleKind::TRIPLE;
        let chunk = NewChunk { scope: SCOPE, kind, id, start, assurance: Vec::new(), tuples };
        castor.stage(chunk).await.or_failed("staging")?;
        castor.activate(ChunkRef { scope: SCOPE, kind, start, id }, Vec::new()).await.or_failed("activating")?;
        start += count;
    }
    Ok(())
}

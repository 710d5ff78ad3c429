//! A party that makes tuples.

use std::time::Instant;

use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::generator::{Generator as Engine, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::workers::Workers;
use rand::SeedableRng as _;
use rand::rngs::SysRng;

use super::Took;
use super::sides::Sides;
use crate::castor::TupleKind;
use crate::cli::bench::measured::peak_rss_bytes;
use crate::cli::failure::{Context as _, Failure};
use crate::session::side::Side;
use crate::session::take::engine_kind;

/// Bits of statistical security.
const STATISTICAL: u32 = 64;

pub struct Generator {
    party: Party,
    mac: MacCheck<PrimeField>,
    engine: Engine,
    sides: Sides,
    /// Bytes that were reported.
    reported: u64,
}

impl Generator {
    pub async fn establish(mut party: Party, protocol: &str) -> Result<Self, Failure> {
        let field = PrimeField::carbyne();
        let protocol = Protocol::named(protocol, &field, STATISTICAL);
        let protocol = protocol.ok_or_else(|| Failure::failed("no such protocol"))?;
        let mut rng = Rng::try_from_rng(&mut SysRng).or_failed("the operating system gives no randomness")?;
        let key = MacKeyShare::new(field.random(&mut rng), party.is_first());
        let mut mac = MacCheck::new(field, key, Box::new(LocalGate::default()));
        let established = Engine::establish(&mut party, field, &mut mac, protocol, None, &Workers::default()).await;
        let engine = established.map_err(Failure::aborted)?;
        Ok(Self { party, mac, engine, sides: Sides::default(), reported: 0 })
    }

    /// Makes tuples; the time is from `began` on, or where another field has to be set up first, from then on.
    pub async fn generate(&mut self, kind: &str, count: usize, mut began: Instant) -> Result<Took, Failure> {
        let Self { party, mac, engine, sides, .. } = self;
        let kind = TupleKind::named(kind).ok_or_else(|| Failure::failed("no such kind"))?;
        if let Some(side) = Side::of(kind) {
            if sides.open(party, side).await? {
                (began, self.reported) = (Instant::now(), party.traffic().bytes_sent);
            }
            sides.generate(party, (mac, engine), kind, count).await?;
        } else if let Some(owner) = kind.owner() {
            let made = engine.generate_input_masks(party, mac, owner, count).await;
            made.map(drop).map_err(Failure::aborted)?;
        } else {
            let kind = engine_kind(kind).ok_or_else(|| Failure::failed("no such kind"))?;
            engine.generate(party, mac, kind, count).await.map(drop).map_err(Failure::aborted)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let before = std::mem::replace(&mut self.reported, self.party.traffic().bytes_sent);
        let bytes_sent = self.reported - before;
        Ok(Took { seconds, bytes_sent, peak_rss_bytes: peak_rss_bytes(std::process::id()), laps_ns: Vec::new() })
    }
}

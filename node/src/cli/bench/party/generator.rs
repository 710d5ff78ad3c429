//! A party that makes tuples.

use std::time::Instant;

use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::generator::{Generator as Engine, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::MacKeyShare;
use polyyne_engine::tuples::Kind;
use rand::SeedableRng as _;
use rand::rngs::SysRng;

use super::Took;
use crate::cli::bench::measured::peak_rss_bytes;
use crate::cli::failure::{Context as _, Failure};

/// Bits of statistical security.
const STATISTICAL: u32 = 64;

pub struct Generator {
    party: Party,
    mac: MacCheck<PrimeField>,
    engine: Engine,
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
        let engine = Engine::establish(&mut party, field, &mut mac, protocol, None).await.map_err(Failure::aborted)?;
        Ok(Self { party, mac, engine, reported: 0 })
    }

    /// Makes tuples; the time is from `began` on. Input masks are party 0's.
    pub async fn generate(&mut self, kind: &str, count: usize, began: Instant) -> Result<Took, Failure> {
        let Self { party, mac, engine, .. } = self;
        if kind == Kind::InputMask.name() {
            let made = engine.generate_input_masks(party, mac, 0, count).await;
            made.map(drop).map_err(Failure::aborted)?;
        } else {
            let kind = Kind::STOCK.into_iter().find(|known| known.name() == kind);
            let kind = kind.ok_or_else(|| Failure::failed("no such kind"))?;
            engine.generate(party, mac, kind, count).await.map(drop).map_err(Failure::aborted)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let before = std::mem::replace(&mut self.reported, self.party.traffic().bytes_sent);
        let bytes_sent = self.reported - before;
        Ok(Took { seconds, bytes_sent, peak_rss_bytes: peak_rss_bytes(std::process::id()), laps_ns: Vec::new() })
    }
}

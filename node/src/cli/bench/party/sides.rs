//! What a party makes beside the prime field: setups of MASCOT, made when they are first needed.

use std::collections::BTreeMap;

use polyyne_engine::field::{BinaryField, Field as _, PrimeField};
use polyyne_engine::generator::Generator;
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Params, Setup, World};
use polyyne_engine::party::Party;
use polyyne_engine::port::LocalGate;
use polyyne_engine::share::MacKeyShare;

use crate::castor::TupleKind;
use crate::cli::failure::Failure;
use crate::session::side::Side;
use crate::session::take::engine_kind;

/// The fields that are set up.
#[derive(Default)]
pub struct Sides(BTreeMap<Side, Open>);

struct Open {
    mac: MacCheck<BinaryField>,
    setup: Setup<BinaryField>,
}

impl Sides {
    /// Sets a field up if it is not there, under a key of this thread's own.
    pub async fn open(&mut self, party: &mut Party, side: Side) -> Result<(), Failure> {
        if self.0.contains_key(&side) {
            return Ok(());
        }
        let field = side.field();
        let key = MacKeyShare::new(field.random(&mut party.rng), party.is_first());
        let mut mac = MacCheck::new(field, key, Box::new(LocalGate::default()));
        let made = Setup::establish(party, field, &mut mac, Params::default(), None).await;
        let (setup, _) = made.map_err(Failure::aborted)?;
        self.0.insert(side, Open { mac, setup });
        Ok(())
    }

    /// Makes tuples over a field that is set up; `prime` makes the other half of what is over two fields.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        prime: (&mut MacCheck<PrimeField>, &mut Generator),
        kind: TupleKind,
        count: usize,
    ) -> Result<(), Failure> {
        let side = Side::of(kind).and_then(|side| Some((side, self.0.get_mut(&side)?)));
        let (side, Open { mac, setup }) = side.ok_or_else(|| Failure::failed("a field that is not set up"))?;
        let (prime_mac, generator) = prime;
        let made = match (kind, kind.owner(), kind.edabit_bits()) {
            (_, Some(owner), _) if side == Side::Bits => {
                setup.generate_bit_masks(party, mac, owner, count).await.map(drop)
            }
            (_, Some(owner), _) => setup.generate_input_masks(party, mac, owner, count).await.map(drop),
            (_, _, Some(bits)) => {
                let binary = World { setup, mac };
                generator.generate_edabits(party, prime_mac, binary, bits, count).await.map(drop)
            }
            (TupleKind::DABIT, ..) => {
                let binary = World { setup, mac };
                generator.generate_dabits(party, prime_mac, binary, count).await.map(drop)
            }
            (TupleKind::AND_TRIPLE, ..) => setup.generate_and_triples(party, mac, count).await.map(drop),
            (kind, ..) => {
                let kind = engine_kind(kind).ok_or_else(|| Failure::failed("no such kind"))?;
                setup.generate(party, mac, kind, count).await.map(drop)
            }
        };
        made.map_err(Failure::aborted)
    }
}

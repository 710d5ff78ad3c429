//! Where tuples are made: a setup for each field, with the MAC check that it works for.
//!
//! The prime field's is there from the beginning of a session; one of another field is set up by all members when the
//! first batch over it is due, so that a cloud pays for the fields that it uses.

use super::{Ended, Shared, params};
use crate::castor::TupleKind;
use crate::session::side::{Side, field_byte};
use crate::session::take::{beside, engine_kind, rows, shares_of};
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{MascotField, Setup, World, generate_dabits};
use polyyne_engine::party::Party;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The workshops of a session.
pub(super) struct Workshops {
    prime: Workshop<PrimeField>,
    sides: BTreeMap<Side, Workshop<BinaryField>>,
}

struct Workshop<F: MascotField> {
    field: F,
    mac: MacCheck<F>,
    setup: Setup<F>,
}

impl<F: MascotField> Workshop<F> {
    /// Sets up and links to what was made under the key before. `name` is the field's on disk.
    async fn open(shared: &Shared, party: &mut Party, field: F, mut mac: MacCheck<F>, name: u8) -> Result<Self, Ended> {
        let stored = shared.anchors.load(name)?;
        let read = |bytes: &[u8]| shares_of(&field, bytes).filter(|shares| shares.len() == 1).ok_or(Ended::Anchor);
        let known = stored.as_deref().map(read).transpose()?;
        let (setup, anchor) =
            Setup::establish(party, field.clone(), &mut mac, params(&shared.seat), known.as_ref()).await?;
        if stored.is_none() {
            shared.anchors.keep(name, rows(&field, &[anchor]).to_vec()).await?;
        }
        Ok(Self { field, mac, setup })
    }
}

impl Workshops {
    pub async fn open(shared: &Shared, party: &mut Party) -> Result<Self, Ended> {
        let (field, mac) = (shared.seat.field, shared.seat.mac_check(party));
        let prime = Workshop::open(shared, party, field, mac, field_byte(None)).await?;
        Ok(Self { prime, sides: BTreeMap::new() })
    }

    /// Checked tuples as they are stored.
    pub async fn make(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let Some(side) = Side::of(kind) else {
            let Workshop { field, mac, setup } = &mut self.prime;
            let kind = engine_kind(kind).expect("a planned kind is one that this node makes");
            return Ok(rows(field, &setup.generate(party, mac, kind, count).await?));
        };
        let mut own = match self.sides.remove(&side) {
            Some(own) => own,
            None => {
                let mac = shared.seat.side_check(party, side).await?;
                Workshop::open(shared, party, side.field(), mac, field_byte(Some(side))).await?
            }
        };
        let tuples = match kind {
            TupleKind::AND_TRIPLE => {
                let triples = own.setup.generate_and_triples(party, &mut own.mac, count).await?;
                rows(&own.field, &[triples.a, triples.b, triples.c])
            }
            TupleKind::DABIT => {
                let prime = World { setup: &mut self.prime.setup, mac: &mut self.prime.mac };
                let binary = World { setup: &mut own.setup, mac: &mut own.mac };
                let dabits = generate_dabits(prime, binary, party, count).await?;
                beside(&rows(&self.prime.field, &[dabits.arithmetic]), &rows(&own.field, &[dabits.binary]))
            }
            kind => {
                let kind = engine_kind(kind).expect("a planned kind is one that this node makes");
                rows(&own.field, &own.setup.generate(party, &mut own.mac, kind, count).await?)
            }
        };
        // after an error it is gone, as its setup is
        self.sides.insert(side, own);
        Ok(tuples)
    }
}

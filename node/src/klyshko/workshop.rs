//! Where tuples are made: a setup for each field, with the MAC check that it works for.
//!
//! The prime field's is there from the beginning of a session; one of another field is set up by all members when the
//! first batch over it is due, so that a cloud pays for the fields that it uses.

use super::anchor::Anchoring;
use super::{Ended, Shared, params};
use crate::castor::TupleKind;
use crate::session::side::{Side, field_byte};
use crate::session::take::{beside, engine_kind, mask_rows, rows};
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
        let anchoring = Anchoring::agree(shared, party, &field, name).await?;
        let params = params(&shared.seat);
        let (setup, anchor) = Setup::establish(party, field.clone(), &mut mac, params, anchoring.known()).await?;
        anchoring.confirm(shared, party, &field, &anchor).await?;
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
        if let Some(owner) = kind.owner() {
            return self.make_masks(shared, party, kind, owner, count).await;
        }
        let Some(side) = Side::of(kind) else {
            let Workshop { field, mac, setup } = &mut self.prime;
            let kind = engine_kind(kind).expect("a planned kind is one that this node makes");
            return Ok(rows(field, &setup.generate(party, mac, kind, count).await?));
        };
        let mut own = self.side(shared, party, side).await?;
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
        self.sides.insert(side, own);
        Ok(tuples)
    }

    /// Masks beside the values of those that are this member's.
    async fn make_masks(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        owner: usize,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let Some(side) = Side::of(kind) else {
            let Workshop { field, mac, setup } = &mut self.prime;
            let masks = setup.generate_input_masks(party, mac, owner, count).await?;
            return Ok(mask_rows(field, &masks));
        };
        let mut own = self.side(shared, party, side).await?;
        let masks = match side {
            Side::Bits => own.setup.generate_bit_masks(party, &mut own.mac, owner, count).await?,
            Side::Gf40 | Side::Gf128 => own.setup.generate_input_masks(party, &mut own.mac, owner, count).await?,
        };
        let rows = mask_rows(&own.field, &masks);
        self.sides.insert(side, own);
        Ok(rows)
    }

    /// The workshop of a field, taken out: after an error it is gone, as its setup is.
    async fn side(&mut self, shared: &Shared, party: &mut Party, side: Side) -> Result<Workshop<BinaryField>, Ended> {
        match self.sides.remove(&side) {
            Some(own) => Ok(own),
            None => {
                let mac = shared.seat.side_check(party, side).await?;
                Workshop::open(shared, party, side.field(), mac, field_byte(Some(side))).await
            }
        }
    }
}

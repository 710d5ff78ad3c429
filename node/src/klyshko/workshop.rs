//! Where tuples are made: a setup for each field, with the MAC check that it works for.
//!
//! The prime field's, of the generator that the cloud's record names, is there from the beginning of a session; one of
//! another field, which is MASCOT's, is set up by all members when the first batch over it is due, so that a cloud pays
//! for the fields that it uses. The session's [`Crew`] has workshops of its own, for MASCOT alone.

use super::anchor::Anchoring;
use super::crew::Crew;
use super::plan::Wish;
use super::{Ended, Shared, protocol};
use crate::castor::{Over, TupleKind};
use crate::session::Crashed;
use crate::session::side::{Side, field_byte};
use crate::session::take::{beside, engine_kind, mask_rows, matrix_rows, rows};
use futures::future::try_join;
use polyyne_engine::bit_tuples::{DaBits, EdaBits};
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::generator::{Generator, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Setup, World};
use polyyne_engine::party::Party;
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::Kind;
use polyyne_engine::workers::Workers;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const OPENED: &str = "whoever needs it has opened it";

/// The workshops of a session, or of a hand of its crew.
#[derive(Default)]
pub(super) struct Workshops {
    prime: Option<Prime>,
    sides: BTreeMap<Side, Binary>,
    /// None at a hand.
    crew: Option<Crew>,
}

struct Prime {
    field: PrimeField,
    mac: MacCheck<PrimeField>,
    generator: Generator,
}

struct Binary {
    field: BinaryField,
    mac: MacCheck<BinaryField>,
    setup: Setup<BinaryField>,
}

impl Prime {
    /// Sets up and links to what was made under the key before.
    async fn open(shared: &Shared, party: &mut Party, protocol: Protocol) -> Result<Self, Ended> {
        let (field, mut mac) = (shared.seat.field, shared.seat.mac_check(party));
        let anchoring = Anchoring::agree(shared, party, &field, field_byte(None)).await?;
        let workers = match protocol {
            Protocol::Mascot(_) => Workers::default(),
            Protocol::LowGear(_) => Workers::new(shared.workers).map_err(|error| {
                tracing::error!(%error, "threads for generation cannot be started");
                Crashed
            })?,
        };
        let known = anchoring.known();
        let generator = Generator::establish(party, field, &mut mac, protocol, known, &workers).await?;
        anchoring.confirm(shared, party, &field, generator.anchor()).await?;
        Ok(Self { field, mac, generator })
    }
}

impl Prime {
    /// daBits and edaBits: the element of the prime field, then the bits.
    async fn make_of_dabits(
        &mut self,
        party: &mut Party,
        bits: &mut Binary,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let Prime { field, mac, generator } = self;
        let binary = World { setup: &mut bits.setup, mac: &mut bits.mac };
        let (arithmetic, columns) = match kind.edabit_bits() {
            None => {
                let DaBits { arithmetic, binary } = generator.generate_dabits(party, mac, binary, count).await?;
                (arithmetic, vec![binary])
            }
            Some(length) => {
                let EdaBits { arithmetic, bits } =
                    generator.generate_edabits(party, mac, binary, length, count).await?;
                (arithmetic, bits)
            }
        };
        let columns: Vec<_> = columns.iter().map(|column| column.unpacked(&bits.field)).collect();
        Ok(beside(&rows(field, &[arithmetic]), &rows(&bits.field, &columns), columns.len()))
    }
}

impl Binary {
    /// Sets up and links to what was made under the key before.
    async fn open(shared: &Shared, party: &mut Party, side: Side) -> Result<Self, Ended> {
        let (field, mut mac) = (side.field(), shared.seat.side_check(party, side).await?);
        let anchoring = Anchoring::agree(shared, party, &field, field_byte(Some(side))).await?;
        let params = protocol(&shared.seat).mascot();
        let (setup, anchor) = Setup::establish(party, field, &mut mac, params, anchoring.known()).await?;
        anchoring.confirm(shared, party, &field, &anchor).await?;
        Ok(Self { field, mac, setup })
    }
}

impl Workshops {
    pub async fn open(shared: &Shared, party: &mut Party, crew: Crew) -> Result<Self, Ended> {
        let prime = Prime::open(shared, party, protocol(&shared.seat)).await?;
        Ok(Self { prime: Some(prime), sides: BTreeMap::new(), crew: Some(crew) })
    }

    /// What all members have just said.
    pub fn hear(&mut self, wishes: &[Wish]) {
        self.crew.iter_mut().for_each(|crew| crew.hear(wishes));
    }

    /// Those of a hand: set up when they are needed.
    pub fn of_hand() -> Self {
        Self::default()
    }

    /// Checked tuples as they are stored, made by the crew.
    pub async fn make(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let of_mascot = Side::of(kind).is_some() || matches!(protocol(&shared.seat), Protocol::Mascot(_));
        let Some(mut crew) = self.crew.take_if(|crew| of_mascot && crew.divides(kind, count)) else {
            return self.make_here(shared, party, kind, count).await;
        };
        // the anchors that the hands' setups are linked to are made here
        if let Some(side) = Side::of(kind) {
            let own = self.side(shared, party, side).await?;
            self.sides.insert(side, own);
        }
        let (left, others) = crew.divide(party, kind, count).await?;
        let (mut rows, others) = try_join(self.make_here(shared, party, kind, left), others).await?;
        others.iter().for_each(|more| rows.extend_from_slice(more));
        self.crew = Some(crew);
        Ok(rows)
    }

    /// Checked tuples as they are stored, made on this thread.
    pub async fn make_here(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        self.open_prime(shared, party, kind).await?;
        if let Some(owner) = kind.owner() {
            return self.make_masks(shared, party, kind, owner, count).await;
        }
        let Some(side) = Side::of(kind) else {
            let Prime { field, mac, generator } = self.prime.as_mut().expect(OPENED);
            if let Some(shape) = kind.shape() {
                return Ok(matrix_rows(field, &generator.generate_matrices(party, mac, shape, count).await?));
            }
            let kind = engine_kind(kind).expect("a planned kind is one that this node makes");
            return Ok(rows(field, &generator.generate(party, mac, kind, count).await?));
        };
        let mut own = self.side(shared, party, side).await?;
        let tuples = match kind {
            TupleKind::AND_TRIPLE => {
                let triples = own.setup.generate_and_triples(party, &mut own.mac, count).await?;
                rows(&own.field, &[triples.a, triples.b, triples.c])
            }
            kind if kind.is_of_dabits() => {
                let prime = self.prime.as_mut().expect(OPENED);
                prime.make_of_dabits(party, &mut own, kind, count).await?
            }
            kind => {
                let kind = engine_kind(kind).expect("a planned kind is one that this node makes");
                rows(&own.field, &own.setup.generate(party, &mut own.mac, kind, count).await?)
            }
        };
        self.sides.insert(side, own);
        Ok(tuples)
    }

    /// Own tuples over the prime field against which those of others are checked.
    pub async fn aids<const N: usize>(
        &mut self,
        party: &mut Party,
        kind: Kind,
        count: usize,
    ) -> Result<[Shares<PrimeField>; N], Ended> {
        let Prime { mac, generator, .. } = self.prime.as_mut().expect(OPENED);
        let columns = generator.generate(party, mac, kind, count).await?;
        Ok(columns.try_into().unwrap_or_else(|_| unreachable!("a column for each element of the kind")))
    }

    /// The MAC check over the prime field.
    pub fn prime_mac(&mut self) -> &mut MacCheck<PrimeField> {
        &mut self.prime.as_mut().expect(OPENED).mac
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
            let Prime { field, mac, generator } = self.prime.as_mut().expect(OPENED);
            let masks = generator.generate_input_masks(party, mac, owner, count).await?;
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

    /// Sets up over the prime field if the kind needs that and it is not there: at a hand.
    async fn open_prime(&mut self, shared: &Shared, party: &mut Party, kind: TupleKind) -> Result<(), Ended> {
        let needed = matches!(kind.over(), Over::Prime) || kind.is_of_dabits();
        if needed && self.prime.is_none() {
            let protocol = Protocol::Mascot(protocol(&shared.seat).mascot());
            self.prime = Some(Prime::open(shared, party, protocol).await?);
        }
        Ok(())
    }

    /// The workshop of a field, taken out: after an error it is gone, as its setup is.
    async fn side(&mut self, shared: &Shared, party: &mut Party, side: Side) -> Result<Binary, Ended> {
        match self.sides.remove(&side) {
            Some(own) => Ok(own),
            None => Binary::open(shared, party, side).await,
        }
    }
}

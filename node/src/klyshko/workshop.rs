//! Where tuples are made: a setup for each field, with the MAC check that it works for.
//!
//! The prime field's, of the generator that the cloud's record names, is there from the beginning of a session; one of
//! another field, which is MASCOT's, is set up by all members when the first batch over it is due, so that a cloud pays
//! for the fields that it uses. The session's [`Crew`] has workshops of its own, for MASCOT alone.

use super::anchor::Anchoring;
use super::crew::Crew;
use super::making::{Binary, Prime};
use super::plan::Wish;
use super::{Ended, Shared, protocol};
use crate::castor::{Over, TupleKind};
use crate::session::Crashed;
use crate::session::side::{Side, field_byte};
use futures::future::try_join;
use polyyne_engine::field::PrimeField;
use polyyne_engine::generator::{Generator, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::Setup;
use polyyne_engine::party::Party;
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::Kind;
use polyyne_engine::workers::Workers;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The workshops of a session, or of a hand of its crew.
#[derive(Default)]
pub(super) struct Workshops {
    prime: Option<Prime>,
    sides: BTreeMap<Side, Binary>,
    /// None at a hand.
    crew: Option<Crew>,
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
        let Some(side) = Side::of(kind) else {
            return Ok(self.prime().make(party, kind, count).await?.rows());
        };
        let mut own = self.side(shared, party, side).await?;
        let made = if kind.is_of_dabits() {
            self.prime().make_over_both(party, &mut own, kind, count).await?
        } else {
            own.make(party, kind, count).await?
        };
        self.sides.insert(side, own);
        Ok(made.rows())
    }

    /// Own tuples over the prime field against which those of others are checked.
    pub async fn aids<const N: usize>(
        &mut self,
        party: &mut Party,
        kind: Kind,
        count: usize,
    ) -> Result<[Shares<PrimeField>; N], Ended> {
        let Prime { mac, generator, .. } = self.prime();
        let columns = generator.generate(party, mac, kind, count).await?;
        Ok(columns.try_into().unwrap_or_else(|_| unreachable!("a column for each element of the kind")))
    }

    /// The MAC check over the prime field.
    pub fn prime_mac(&mut self) -> &mut MacCheck<PrimeField> {
        &mut self.prime().mac
    }

    fn prime(&mut self) -> &mut Prime {
        self.prime.as_mut().expect("whoever needs it has opened it")
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

//! Who makes tuples: one trait for the members' own protocols and for external programs.
//!
//! Whoever implements it makes checked tuples with the same at the other members, and says what is known of how. The
//! record of the cloud decides which one makes a kind, and refuses labels that it does not name, whatever a generator
//! says of itself.

use super::workshop::Workshops;
use super::{Ended, Shared, assurance, external};
use crate::castor::TupleKind;
use polyyne_engine::party::Party;
use polyyne_engine::recheck::Aid;
use polyyne_engine::tuples::{Kind, Pairs, Triples};
use polyyne_protocol::assurance::{Assurance, Level};
use polyyne_protocol::version::KAPPA;
use zeroize::Zeroizing;

/// A source of tuples in one session.
pub(super) trait TupleGenerator {
    /// What every chunk of a kind will say of itself.
    fn assurance(&self, shared: &Shared, kind: TupleKind) -> Assurance;

    /// Makes `count` tuples as they are stored; checked, and by all members together.
    ///
    /// # Errors
    /// Any error ends the session.
    async fn make(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended>;
}

impl TupleGenerator for Workshops {
    fn assurance(&self, shared: &Shared, kind: TupleKind) -> Assurance {
        let seat = &shared.seat;
        let (protocol, statistical) = assurance(seat, kind);
        Assurance {
            level: Level::Malicious,
            generator: protocol.to_string(),
            corruptions: seat.view.n() as u16 - 1,
            kappa: KAPPA,
            sigma: statistical as u16,
            parameters: seat.view.parameters().generator_parameters,
        }
    }

    async fn make(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        Workshops::make(self, shared, party, kind, count).await
    }
}

/// A program, with the members' own protocols for the aids of its checks.
pub(super) struct External<'a> {
    pub name: &'a str,
    pub workshops: &'a mut Workshops,
}

impl TupleGenerator for External<'_> {
    fn assurance(&self, shared: &Shared, _kind: TupleKind) -> Assurance {
        let parameters = shared.seat.view.parameters();
        Assurance {
            level: Level::External,
            generator: self.name.to_owned(),
            corruptions: 0,
            kappa: 0,
            sigma: 0,
            parameters: parameters.generator_parameters,
        }
    }

    async fn make(
        &mut self,
        shared: &Shared,
        party: &mut Party,
        kind: TupleKind,
        count: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let aid = match kind {
            TupleKind::BIT => {
                let [a, image] = self.workshops.aids(party, Kind::Square, count).await?;
                Aid::Squares(Pairs { a, image })
            }
            TupleKind::INVERSE => {
                let [a, b, c] = self.workshops.aids(party, Kind::Triple, count).await?;
                Aid::Triples(Triples { a, b, c })
            }
            _ => Aid::Own,
        };
        external::make(shared, party, self.workshops.prime_mac(), self.name, (kind, count), aid).await
    }
}

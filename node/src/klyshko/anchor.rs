//! Which anchor a setup is linked to: the members' agreement on the first setup under a MAC key.
//!
//! The key link ties every later setup to the anchor that the first one made. Members keep their shares of it one after
//! the other, and one may crash in between. So an anchor has a name (the session that made it) and two stages, both
//! durable:
//!
//! ```text
//! first setup ─▶ CANDIDATE here ─▶ all have said that they keep it ─▶ CONFIRMED here ─▶ tuples
//! ```
//! Before a setup, members say what they hold, and all do the same:
//! - all hold one anchor: the setup is linked to it, and it is confirmed;
//! - somebody has confirmed one that another does not hold: no setup. That member has lost what it had said to keep, or
//!   lies, and a first setup now would leave the tuples of the earlier ones untied (the attack in
//!   [`polyyne_engine::mascot`]'s key link). Members make another MAC key;
//! - else nobody has confirmed one, and this setup is a first one again. That is as good as the first: a member goes
//!   past the agreement only after its own confirmation, so at every honest member the values of the earlier attempt
//!   ended with its session and never met any other.
//!
//! A liar can say that it holds another anchor, none, or has confirmed one. It can thereby refuse to work, and no more: an
//! honest member that has confirmed an anchor links to it or does nothing.

use super::{Ended, Shared};
use crate::castor::ELEMENT_BYTES;
use crate::session::take::{rows, shares_of};
use polyyne_engine::field::Field;
use polyyne_engine::party::Party;
use polyyne_engine::share::Shares;
use polyyne_engine::step::Step;
use polyyne_protocol::canonical;
use polyyne_protocol::id::{Digest, PeerKey};
use polyyne_protocol::view::CloudView;
use serde::{Deserialize, Serialize};

const HOLDING_BYTES_MAX: usize = 256;
const STORED_BYTES_MAX: usize = 1024;

/// An anchor as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: Digest,
    /// All members have said that they keep it.
    confirmed: bool,
    #[serde(with = "serde_bytes")]
    share: Vec<u8>,
}

/// What a member says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holding {
    Nothing,
    Candidate(Digest),
    Confirmed(Digest),
}

impl Holding {
    fn id(self) -> Option<Digest> {
        match self {
            Holding::Nothing => None,
            Holding::Candidate(id) | Holding::Confirmed(id) => Some(id),
        }
    }
}

/// What all members do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    First,
    Linked,
    /// The member of this rank does not hold what another has confirmed.
    Lost(usize),
}

pub(crate) fn choose(holdings: &[Holding]) -> Choice {
    let first = holdings.first().and_then(|holding| holding.id());
    if first.is_some() && holdings.iter().all(|holding| holding.id() == first) {
        return Choice::Linked;
    }
    let confirmed = holdings.iter().find(|holding| matches!(holding, Holding::Confirmed(_)));
    match confirmed.map(|confirmed| holdings.iter().position(|holding| holding.id() != confirmed.id())) {
        Some(Some(rank)) => Choice::Lost(rank),
        Some(None) => Choice::Linked,
        None => Choice::First,
    }
}

/// The agreement of the members about one field's anchor.
pub(super) struct Anchoring<F: Field> {
    /// What the field is called on disk.
    name: u8,
    known: Option<Shares<F>>,
}

impl<F: Field> Anchoring<F> {
    /// Says what this member holds and hears the others.
    pub async fn agree(shared: &Shared, party: &mut Party, field: &F, name: u8) -> Result<Self, Ended> {
        let stored = shared.anchors.load(name)?;
        let stored: Option<Stored> = match &stored {
            Some(bytes) => Some(canonical::decode(bytes, STORED_BYTES_MAX).map_err(|_| Ended::Anchor)?),
            None => None,
        };
        let own = match &stored {
            None => Holding::Nothing,
            Some(Stored { id, confirmed: false, .. }) => Holding::Candidate(*id),
            Some(Stored { id, confirmed: true, .. }) => Holding::Confirmed(*id),
        };
        let holdings = exchange(&shared.seat.view, party, own).await?;
        let known = match (choose(&holdings), stored) {
            (Choice::Lost(rank), _) => return Err(Ended::AnchorLost(member(shared, rank))),
            (Choice::Linked, Some(stored)) => {
                let share = shares_of(field, &stored.share).filter(|share| share.len() == 1).ok_or(Ended::Anchor)?;
                if !stored.confirmed {
                    keep(shared, name, Stored { confirmed: true, ..stored }).await?;
                }
                Some(share)
            }
            (Choice::Linked | Choice::First, _) => None,
        };
        Ok(Self { name, known })
    }

    /// The anchor to link to; `None` for a first setup.
    pub fn known(&self) -> Option<&Shares<F>> {
        self.known.as_ref()
    }

    /// Keeps what a first setup made. Nothing of the setup may be used before this returns.
    pub async fn confirm(self, shared: &Shared, party: &mut Party, field: &F, anchor: &Shares<F>) -> Result<(), Ended> {
        if self.known.is_some() {
            return Ok(());
        }
        crate::failpoint::pass("anchor-made");
        let share = rows(field, std::slice::from_ref(anchor)).to_vec();
        debug_assert_eq!(share.len(), ELEMENT_BYTES);
        let id = Digest(party.transcript("anchor").number(self.name.into()).finish());
        keep(shared, self.name, Stored { id, confirmed: false, share: share.clone() }).await?;
        crate::failpoint::pass("anchor-kept");
        let kept = exchange(&shared.seat.view, party, Holding::Candidate(id)).await?;
        if let Some(rank) = kept.iter().position(|holding| *holding != Holding::Candidate(id)) {
            return Err(Ended::Malformed(member(shared, rank)));
        }
        keep(shared, self.name, Stored { id, confirmed: true, share }).await?;
        crate::failpoint::pass("anchor-confirmed");
        Ok(())
    }
}

/// What every member says, the same at all.
pub(crate) async fn exchange(view: &CloudView, party: &mut Party, own: Holding) -> Result<Vec<Holding>, Ended> {
    let received = party.broadcast(Step::Anchor, canonical::encode(&own)).await?;
    let said = view.members().iter().zip(&received);
    said.map(|(member, bytes)| canonical::decode(bytes, HOLDING_BYTES_MAX).map_err(|_| Ended::Malformed(member.peer)))
        .collect()
}

async fn keep(shared: &Shared, name: u8, stored: Stored) -> Result<(), Ended> {
    Ok(shared.anchors.keep(name, canonical::encode(&stored)).await?)
}

fn member(shared: &Shared, rank: usize) -> PeerKey {
    shared.seat.view.members()[rank].peer
}

#[cfg(test)]
mod tests {
    use super::Holding::{Candidate, Confirmed, Nothing};
    use super::*;

    const X: Digest = Digest([1; 32]);
    const Y: Digest = Digest([2; 32]);

    #[test]
    fn whatever_step_members_crash_at_they_go_on_from_the_same_anchor() {
        for (holdings, choice) in [
            (vec![Nothing, Nothing, Nothing], Choice::First),
            // one was faster than the crash of another
            (vec![Candidate(X), Nothing, Candidate(X)], Choice::First),
            (vec![Candidate(X), Candidate(Y), Nothing], Choice::First),
            (vec![Candidate(X), Candidate(X), Candidate(X)], Choice::Linked),
            (vec![Confirmed(X), Candidate(X), Candidate(X)], Choice::Linked),
            (vec![Confirmed(X), Confirmed(X), Confirmed(X)], Choice::Linked),
        ] {
            assert_eq!(choose(&holdings), choice, "{holdings:?}");
        }
    }

    /// A cheater that could make honest members forget a confirmed anchor would get a setup under another key than that
    /// of their tuples.
    #[test]
    fn no_word_of_others_makes_a_member_forget_what_it_has_confirmed() {
        let words = [Nothing, Candidate(X), Candidate(Y), Confirmed(X), Confirmed(Y)];
        for one in words {
            for other in words {
                for holdings in [[Confirmed(X), one, other], [one, Confirmed(X), other], [one, other, Confirmed(X)]] {
                    let all_hold_it = holdings.iter().all(|holding| holding.id() == Some(X));
                    match choose(&holdings) {
                        Choice::First => panic!("forgotten: {holdings:?}"),
                        Choice::Linked => assert!(all_hold_it, "{holdings:?}"),
                        Choice::Lost(_) => assert!(!all_hold_it, "{holdings:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn the_member_that_does_not_hold_it_is_named() {
        assert_eq!(choose(&[Confirmed(X), Candidate(X), Nothing]), Choice::Lost(2));
        assert_eq!(choose(&[Candidate(Y), Confirmed(X), Confirmed(X)]), Choice::Lost(0));
    }
}

//! Where a member's tuple store stands, signed by it: what makes a store that went back to an older state show.
//!
//! A store counts everything that must not happen twice (takings, MAC checks, burns) and chains it. Members sign where
//! they stand and remember where the others stood. A store that was restored from a copy of its directory stands
//! before what others remember; a copy that went on by itself stands beside it. When an operator gives a store up, the
//! next one has another id and a higher renewal number, which the member learns from what the others remember.
//!
//! What this does not show: a store that went back behind what no honest member remembers. Members remember a head
//! durably in the commit of the next joint taking, so what can be missed is the last one, and a position is spent by
//! agreement of all, each from its own rows.

use serde::{Deserialize, Serialize};

use crate::id::{CloudId, Digest, Nonce, PeerKey};
use crate::sign::{Purpose, Statement};

/// Where a store stands in one cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHead {
    pub cloud: CloudId,
    /// Names the store; fresh whenever one begins.
    pub store: Nonce,
    /// How many stores this member had in this cloud before.
    pub renewal: u64,
    /// How much has happened in it.
    pub sequence: u64,
    /// The chain over all of that.
    pub chain: Digest,
}

impl Statement for StoreHead {
    const PURPOSE: Purpose = Purpose::StoreHead;
    type Signer = PeerKey;
}

/// How a head stands to one that is remembered of the same member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The same store, as far or further.
    Onward,
    /// A later store of this member: what it held before is gone.
    Renewed,
    /// An older state than the one remembered.
    Behind,
    /// Neither came before the other: one directory was used twice.
    Beside,
}

impl Standing {
    /// Whether the member may go on from there.
    pub fn is_good(self) -> bool {
        matches!(self, Standing::Onward | Standing::Renewed)
    }
}

impl StoreHead {
    /// How this head stands to one that was remembered earlier.
    pub fn after(&self, remembered: &StoreHead) -> Standing {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let same_store = self.store == remembered.store;
        match (self.renewal.cmp(&remembered.renewal), self.sequence.cmp(&remembered.sequence)) {
            (Greater, _) => Standing::Renewed,
            (Less, _) => Standing::Behind,
            (Equal, _) if !same_store => Standing::Beside,
            (Equal, Greater) => Standing::Onward,
            (Equal, Less) => Standing::Behind,
            (Equal, Equal) if self.chain == remembered.chain => Standing::Onward,
            (Equal, Equal) => Standing::Beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(store: u8, renewal: u64, sequence: u64, chain: u8) -> StoreHead {
        let (store, chain) = (Nonce([store; 16]), Digest([chain; 32]));
        StoreHead { cloud: CloudId([1; 32]), store, renewal, sequence, chain }
    }

    #[test]
    fn going_back_and_going_two_ways_show() {
        let remembered = head(1, 2, 10, 7);
        for (now, standing) in [
            (head(1, 2, 10, 7), Standing::Onward),
            (head(1, 2, 11, 8), Standing::Onward),
            (head(1, 2, 9, 6), Standing::Behind),
            (head(1, 2, 10, 8), Standing::Beside),
            (head(9, 2, 11, 8), Standing::Beside),
            (head(9, 2, 0, 0), Standing::Beside),
            (head(9, 3, 0, 0), Standing::Renewed),
            (head(9, 1, 99, 9), Standing::Behind),
        ] {
            assert_eq!(now.after(&remembered), standing, "{now:?}");
        }
    }

    proptest! {
        #[test]
        fn of_two_different_heads_at_most_one_is_good_after_the_other(
            a in (0..3u8, 0..3u64, 0..3u64, 0..3u8),
            b in (0..3u8, 0..3u64, 0..3u64, 0..3u8),
        ) {
            let (a, b) = (head(a.0, a.1, a.2, a.3), head(b.0, b.1, b.2, b.3));
            prop_assert_eq!(a.after(&b).is_good() && b.after(&a).is_good(), a == b);
        }
    }
}

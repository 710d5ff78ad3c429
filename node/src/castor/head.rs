//! Where this store stands in each cloud, and where the stores of other members stood.
//!
//! The head counts and chains what must not be undone: takings, MAC checks begun, keys burned. It moves in the commit of
//! what it counts. Other members' heads are remembered in the commit of a taking, so that remembering costs no commit.
//! [`polyyne_protocol::store_head`] says what heads prove, [`crate::freshness`] who asks for them.

use polyyne_protocol::canonical;
use polyyne_protocol::id::{Digest, Nonce, PeerKey};
use polyyne_protocol::sign::Signed;
use polyyne_protocol::store_head::{Standing, StoreHead};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Castor, Tables};
use crate::store::durable::{Apply, Plan, Reads};
use crate::store::{CloudId, Fault, MacScope};

/// How much happened in this store in one cloud, and the hash chain over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub store_id: [u8; 16],
    pub renewal: u64,
    pub sequence: u64,
    pub chain: [u8; 32],
}

impl Head {
    fn first(store_id: [u8; 16], renewal: u64) -> Self {
        Self { store_id, renewal, sequence: 0, chain: [0; 32] }
    }

    /// What this member signs.
    pub fn statement(&self, cloud: CloudId) -> StoreHead {
        StoreHead {
            cloud,
            store: Nonce(self.store_id),
            renewal: self.renewal,
            sequence: self.sequence,
            chain: Digest(self.chain),
        }
    }
}

/// Where another member says that its store stands. The signature has been verified and is that member's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHead(Signed<StoreHead>);

impl PeerHead {
    /// The head, if `peer` signed it for this cloud.
    pub fn of(signed: Signed<StoreHead>, peer: PeerKey, cloud: CloudId) -> Option<Self> {
        let holds = signed.verified().is_ok_and(|(head, signer)| signer == peer && head.cloud == cloud);
        holds.then_some(Self(signed))
    }

    /// Who signed it.
    pub fn peer(&self) -> PeerKey {
        self.0.signer()
    }

    /// What it says.
    pub fn head(&self) -> &StoreHead {
        self.0.unverified()
    }

    /// The signed bytes, as evidence for the member itself.
    pub fn into_signed(self) -> Signed<StoreHead> {
        self.0
    }
}

/// A member's store does not go on from where it was.
#[derive(Debug, Error)]
pub enum PeerHeadError {
    #[error("the store of {} is not where it was: an old or a second copy of its data directory runs", .0.peer_id())]
    WentBack(PeerKey),
    #[error("the store of {} is another one than it was, and it has not said so", .0.peer_id())]
    Unannounced(PeerKey),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Castor {
    /// Where this store stands in a cloud.
    pub fn head(&self, cloud: CloudId) -> Result<Head, Fault> {
        self.tables.last_head(&self.durable.read()?, cloud)
    }

    /// Where this store stands in a cloud, if it has begun there.
    pub fn begun(&self, cloud: CloudId) -> Result<Option<Head>, Fault> {
        self.tables.heads.get(&self.durable.read()?, &cloud.0)
    }

    /// Begins this store in a cloud under a fresh id. One that has begun stays as it is.
    pub async fn begin(&self, cloud: CloudId, renewal: u64) -> Result<(), Fault> {
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        let fresh = Head::first(crate::store::random()?, renewal);
        self.durable
            .write(
                move |plan| Ok::<_, Fault>(planning.heads.get(plan, &cloud.0)?.unwrap_or(fresh)),
                move |apply, head| applying.put_head(apply, cloud, &head),
            )
            .await
    }

    /// Gives this store up in a cloud: all tuples are gone, and the next beginning is another store. What says that a
    /// key is burned, a check unfinished or an execution id used stays.
    pub async fn give_up(&self, cloud: CloudId) -> Result<(), Fault> {
        self.retire_cloud(cloud).await?;
        let tables = self.tables.clone();
        self.durable.put(move |apply| tables.heads.delete(apply, &cloud.0).map(drop)).await
    }

    /// The furthest that a member's store is known to have stood.
    pub fn peer_head(&self, cloud: CloudId, peer: PeerKey) -> Result<Option<PeerHead>, Fault> {
        self.tables.peer_heads.get(&self.durable.read()?, &peer_key(cloud, peer))
    }

    /// Hears where a member's store stands. Good news is remembered, durably; of a new store the tuples made with the
    /// old one are thrown away here first, since nobody has that member's shares of them any more.
    pub async fn hear(&self, cloud: CloudId, told: PeerHead) -> Result<Standing, Fault> {
        let known = self.peer_head(cloud, told.peer())?;
        if known.is_some_and(|known| told.head().after(known.head()) == Standing::Renewed) {
            self.retire_cloud(cloud).await?;
        }
        let (planning, applying) = (self.tables.clone(), self.tables.clone());
        self.durable
            .write(
                move |plan| Ok::<_, Fault>((planning.standing(plan, cloud, &told)?, told)),
                move |apply, (standing, told)| {
                    if standing.is_good() {
                        applying.put_peer(apply, cloud, &told)?;
                    }
                    Ok(standing)
                },
            )
            .await
    }

    async fn retire_cloud(&self, cloud: CloudId) -> Result<(), Fault> {
        for scope in self.tables.scopes(&self.durable.read()?, cloud)? {
            self.retire(scope).await?;
        }
        Ok(())
    }
}

impl Tables {
    fn last_head(&self, from: &impl Reads, cloud: CloudId) -> Result<Head, Fault> {
        Ok(self.heads.get(from, &cloud.0)?.unwrap_or(Head::first(self.store_id, 0)))
    }

    /// The head after something that must not be undone.
    pub(crate) fn head_after(&self, plan: &Plan<'_>, cloud: CloudId, event: &[u8]) -> Result<Head, Fault> {
        let last = self.last_head(plan, cloud)?;
        let sequence = last.sequence.checked_add(1).expect("a store does not see 2^64 events");
        let chain = canonical::hash_parts("store-chain", &[&last.chain, &sequence.to_be_bytes(), event]).0;
        Ok(Head { sequence, chain, ..last })
    }

    pub(crate) fn put_head(&self, apply: &Apply<'_>, cloud: CloudId, head: &Head) -> Result<(), Fault> {
        self.heads.put(apply, &cloud.0, head)
    }

    fn standing(&self, from: &impl Reads, cloud: CloudId, told: &PeerHead) -> Result<Standing, Fault> {
        let known = self.peer_heads.get(from, &peer_key(cloud, told.peer()))?;
        Ok(known.map_or(Standing::Onward, |known| told.head().after(known.head())))
    }

    /// Refuses to work with a member whose store is not where it was.
    pub(super) fn refuse_peer(&self, plan: &Plan<'_>, cloud: CloudId, told: &PeerHead) -> Result<(), PeerHeadError> {
        match self.standing(plan, cloud, told)? {
            Standing::Onward => Ok(()),
            Standing::Renewed => Err(PeerHeadError::Unannounced(told.peer())),
            Standing::Behind | Standing::Beside => Err(PeerHeadError::WentBack(told.peer())),
        }
    }

    pub(super) fn put_peer(&self, apply: &Apply<'_>, cloud: CloudId, told: &PeerHead) -> Result<(), Fault> {
        self.peer_heads.put(apply, &peer_key(cloud, told.peer()), told)
    }

    /// The MAC keys of a cloud under which there ever were tuples.
    fn scopes(&self, from: &impl Reads, cloud: CloudId) -> Result<Vec<MacScope>, Fault> {
        let rows = self.tallies.under(from, &cloud.0)?;
        let mut scopes: Vec<MacScope> =
            rows.iter().filter_map(|(key, _)| MacScope::from_key(key.get(..MacScope::LEN)?)).collect();
        scopes.dedup();
        Ok(scopes)
    }
}

fn peer_key(cloud: CloudId, peer: PeerKey) -> Vec<u8> {
    [cloud.0, peer.0].concat()
}

//! The clouds of this node: for each its newest view, and a desk while it has a usable MAC key and this node's store
//! has been found fresh.

use super::burn_notice;
use super::{DeskRef, Stores, unknown_cloud};
use crate::config::Generation;
use crate::desk::Desk;
use crate::ephemeral::Ephemeral;
use crate::federation::{Directory, Network};
use crate::freshness::{Seal, Witness};
use crate::journal::KeyState;
use crate::klyshko::pause::Pause;
use crate::klyshko::{AnchorStore, Klyshko};
use crate::link::Links;
use crate::order::Order;
use crate::seat::{Identity, Seat, TURN_PATIENCE};
use crate::session::finish::{Finisher, KeyHolders};
use crate::session::gate::KeyGuard;
use crate::store::mac_keys::{MacKeyError, MacKeyShare};
use crate::store::sealed::SecretBytes;
use crate::store::{CloudId as CloudRow, Fault, MacKeyId as KeyRow, MacScope};
use futures::future::BoxFuture;
use polyyne_engine::field::{Field as _, PrimeField};
use polyyne_engine::share;
use polyyne_protocol::canonical;
use polyyne_protocol::id::{CloudId, Digest, MacKeyId, PeerKey};
use polyyne_protocol::request::{Refusal, RefusalCode};
use polyyne_protocol::view::CloudView;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;

/// See the module's head. Clones share it.
#[derive(Clone)]
pub(crate) struct Clouds {
    inner: Arc<Inner>,
}

struct Inner {
    identity: Arc<Identity>,
    stores: Stores,
    ways: Ways,
    generation: Generation,
    finisher: Finisher,
    clouds: Mutex<BTreeMap<CloudId, Cloud>>,
}

/// How to reach other members.
#[derive(Clone)]
pub(crate) struct Ways {
    pub network: Network,
    pub directory: Directory,
    pub links: Links,
}

/// One cloud.
struct Cloud {
    view: CloudView,
    halted: bool,
    desk: Option<(DeskRef, AbortHandle)>,
    /// While there is no desk: why the store is not used yet.
    seal: Option<Seal>,
    /// Fires when the operator has given up a store in quarantine.
    renewed: Arc<Notify>,
    _unsealing: Option<AbortOnDropHandle<()>>,
}

/// What a cloud is, for operators.
pub(crate) struct CloudStatus {
    pub view: CloudView,
    pub halted: bool,
    pub desk: Option<DeskRef>,
    pub seal: Option<Seal>,
    pub key_state: Option<KeyState>,
    /// See [`Finisher::given_up_by`].
    pub given_up_by: Option<PeerKey>,
}

impl Clouds {
    pub fn new(identity: Arc<Identity>, stores: Stores, ways: Ways, generation: Generation) -> Self {
        Self {
            inner: Arc::new_cyclic(|inner: &Weak<Inner>| {
                let burned = inner.clone();
                let on_burn = move |scope| {
                    if let Some(inner) = burned.upgrade() {
                        Clouds { inner }.burned(scope);
                    }
                };
                let finisher =
                    Finisher::start(stores.journal.clone(), stores.mac_keys.clone(), ways.network.clone(), on_burn);
                Inner { identity, stores, ways, generation, finisher, clouds: Mutex::default() }
            }),
        }
    }

    fn clouds(&self) -> MutexGuard<'_, BTreeMap<CloudId, Cloud>> {
        self.inner.clouds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes, changes or gives up the seat as the cloud's newest records say. Called in the order
    /// of the records, within the node's runtime.
    pub fn update(&self, view: CloudView, halted: bool) {
        let members: Vec<PeerKey> = view.members().iter().map(|member| member.peer).collect();
        let id = view.cloud();
        let mut clouds = self.clouds();
        if let Some(before) = clouds.get(&id)
            && before.view.head() == view.head()
            && before.halted == halted
        {
            return;
        }
        if let Some(Cloud { desk: Some((desk, settling)), .. }) = clouds.remove(&id) {
            desk.klyshko.stop();
            settling.abort();
        }
        let renewed = Arc::new(Notify::new());
        let serves =
            !halted && view.mac_key().is_some() && view.rank_of(&self.inner.ways.network.local_key()).is_some();
        let unsealing = serves.then(|| tokio::spawn(self.clone().unseal(view.clone(), renewed.clone())));
        let seal = serves.then_some(Seal::Asking(None));
        let unsealing = unsealing.map(AbortOnDropHandle::new);
        clouds.insert(id, Cloud { view: view.clone(), halted, desk: None, seal, renewed, _unsealing: unsealing });
        let everyone: Vec<PeerKey> =
            clouds.values().flat_map(|cloud| cloud.view.members().iter().map(|member| member.peer)).collect();
        self.inner.ways.links.admit(everyone);
        tracing::info!(cloud = %id, epoch = %view.epoch(), members = members.len(), "the cloud has a new record");
    }

    /// Takes the seat once all members have found this node's store fresh.
    async fn unseal(self, view: CloudView, renewed: Arc<Notify>) {
        let id = view.cloud();
        let report = |seal| {
            if let Some(cloud) = self.clouds().get_mut(&id).filter(|cloud| cloud.view.head() == view.head()) {
                cloud.seal = Some(seal);
            }
        };
        self.witness_of(&view).unseal(report, &renewed).await;
        let mut clouds = self.clouds();
        let Some(cloud) = clouds.get_mut(&id).filter(|cloud| cloud.view.head() == view.head()) else { return };
        cloud.seal = None;
        if let Some(desk) = self.open_desk(&view) {
            let uploads = desk.amphora.clone().keep_settled();
            let results = desk.ephemeral.clone().keep_settled(desk.amphora.clone());
            let nonces = desk.clone().forget_expired_nonces();
            let samples = desk.clone().keep_sampling();
            let settling = tokio::spawn(futures::future::join4(uploads, results, nonces, samples)).abort_handle();
            cloud.desk = Some((desk, settling));
        }
    }

    fn witness_of(&self, view: &CloudView) -> Witness {
        Witness {
            view: view.clone(),
            castor: self.inner.stores.castor.clone(),
            identity: self.inner.identity.clone(),
            network: self.inner.ways.network.clone(),
        }
    }

    /// What answers members who ask where their stores stood.
    pub fn witness(&self, cloud: CloudId) -> Option<Witness> {
        let view = self.clouds().get(&cloud)?.view.clone();
        Some(self.witness_of(&view))
    }

    /// Gives up the stores that are in quarantine, at the operator's order; the clouds of which they were.
    ///
    /// # Errors
    /// If that could not be written.
    pub async fn renew(&self) -> Result<Vec<CloudId>, Fault> {
        let quarantined = |cloud: &Cloud| matches!(cloud.seal, Some(Seal::Quarantined(_)));
        let of: Vec<CloudId> =
            self.clouds().iter().filter(|(_, cloud)| quarantined(cloud)).map(|(id, _)| *id).collect();
        for id in &of {
            self.inner.stores.castor.give_up(CloudRow(id.0)).await?;
            if let Some(cloud) = self.clouds().get_mut(id) {
                cloud.seal = Some(Seal::Asking(None));
                cloud.renewed.notify_one();
            }
        }
        Ok(of)
    }

    fn open_desk(&self, view: &CloudView) -> Option<DeskRef> {
        let inner = &self.inner;
        let key = view.mac_key()?;
        let scope = scope_of(view.cloud(), key.id);
        let field = PrimeField::new(key.field.0).ok()?;
        let members: Vec<PeerKey> = view.members().iter().map(|member| member.peer).collect();
        let share = match inner.stores.mac_keys.load(scope) {
            Ok(share) => share,
            Err(error) => {
                tracing::warn!(%error, "the cloud cannot be served");
                if matches!(error, MacKeyError::Compromised(_)) {
                    burn_notice::tell(inner.ways.network.clone(), self.clone(), scope, members);
                }
                return None;
            }
        };
        let alpha = field.from_bytes(share.share.expose().try_into().ok()?)?;
        let rank = view.rank_of(&inner.ways.network.local_key())?;
        let order = Order::new(inner.ways.network.clone(), inner.ways.directory.clone(), members.clone(), rank);
        let finisher = inner.finisher.clone();
        finisher.adopt(scope, KeyHolders { members, rank, field });
        let guard = KeyGuard {
            scope,
            journal: inner.stores.journal.clone(),
            order: order.clone(),
            finisher,
            patience: TURN_PATIENCE,
        };
        let seat = Arc::new(Seat {
            view: view.clone(),
            field,
            scope,
            alpha: share::MacKeyShare::new(alpha, rank == 0),
            identity: inner.identity.clone(),
            castor: inner.stores.castor.clone(),
            order,
            guard,
            mac_keys: inner.stores.mac_keys.clone(),
            network: inner.ways.network.clone(),
            links: inner.ways.links.clone(),
            directory: inner.ways.directory.clone(),
        });
        let anchors = Arc::new(Anchors { shelf: inner.stores.anchors.clone(), scope });
        let pause = match Pause::load(inner.stores.pauses.clone(), view.cloud(), inner.generation.enabled) {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "nobody knows whether generation is paused: the cloud cannot be served");
                return None;
            }
        };
        let klyshko = Klyshko::start(seat.clone(), inner.ways.network.clone(), anchors, pause, &inner.generation);
        let ephemeral = Ephemeral::new(seat.clone(), klyshko.clone(), inner.stores.answers.clone());
        Some(Arc::new(Desk::new(seat, klyshko, ephemeral, &inner.stores)))
    }

    /// Whether the cloud's present MAC key is this one, and the peer one of its members.
    pub fn shares_key(&self, scope: MacScope, peer: PeerKey) -> bool {
        let clouds = self.clouds();
        let view = clouds.get(&CloudId(scope.cloud.0)).map(|cloud| &cloud.view);
        view.is_some_and(|view| {
            view.member(&peer).is_some() && view.mac_key().is_some_and(|key| key.id.0 == scope.mac_key.0)
        })
    }

    /// A member says that it has burned a key. Durable when this returns.
    pub(super) async fn burn_told(&self, scope: MacScope, peer: PeerKey) {
        if !matches!(self.key_state(scope), Some(KeyState::Compromised { .. })) {
            tracing::error!(%scope, peer = %peer.peer_id(), "a member has burned the MAC key");
            self.inner.finisher.burn(scope, "a member says that it has burned the key").await;
        }
    }

    /// A key's burn is durable: nothing goes on under it, and the others hear of it.
    pub fn burned(&self, scope: MacScope) {
        let mut clouds = self.clouds();
        for cloud in clouds.values_mut() {
            if cloud.view.mac_key().is_some_and(|key| scope_of(cloud.view.cloud(), key.id) == scope) {
                let members = cloud.view.members().iter().map(|member| member.peer).collect();
                burn_notice::tell(self.inner.ways.network.clone(), self.clone(), scope, members);
            }
            if cloud.desk.as_ref().is_some_and(|(desk, _)| desk.seat.scope == scope)
                && let Some((desk, settling)) = cloud.desk.take()
            {
                desk.klyshko.stop();
                settling.abort();
            }
        }
    }

    /// Makes this node's share of a new MAC key and returns the commitment to it. Durable before it
    /// returns; called again for the same key it gives the same.
    pub async fn new_mac_key(&self, cloud: CloudId, key: MacKeyId, prime: u128) -> Result<Digest, MacKeyError> {
        let scope = scope_of(cloud, key);
        let stored = match self.inner.stores.mac_keys.load(scope) {
            Ok(stored) => stored,
            Err(MacKeyError::Unknown(_)) => {
                let field = PrimeField::new(prime).map_err(|_| MacKeyError::Unknown(scope))?;
                let mut rng = crate::session::session_rng();
                let share = field.to_bytes(field.random(&mut rng)).to_vec();
                let nonce: [u8; 32] = rand::random();
                let stored =
                    MacKeyShare { share: SecretBytes::new(share), commitment_nonce: SecretBytes::new(nonce.to_vec()) };
                self.inner.stores.mac_keys.keep(scope, stored.clone()).await?;
                stored
            }
            Err(error) => return Err(error),
        };
        let own = self.inner.ways.network.local_key();
        let parts: [&[u8]; 5] = [&cloud.0, &key.0, &own.0, stored.share.expose(), stored.commitment_nonce.expose()];
        Ok(canonical::hash_parts("mac-key-commitment", &parts))
    }

    /// What a key may be used for; nothing if the journal cannot be read.
    pub fn key_state(&self, scope: MacScope) -> Option<KeyState> {
        self.inner.stores.journal.key_state(scope).ok()
    }

    /// Burns a key at the operator's order.
    pub async fn burn(&self, scope: MacScope) {
        self.inner.finisher.burn(scope, "by the operator's order").await;
    }

    pub fn desk(&self, cloud: CloudId) -> Option<DeskRef> {
        self.clouds().get(&cloud)?.desk.as_ref().map(|(desk, _)| desk.clone())
    }

    /// The desk of a cloud that can be worked with now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn serving(&self, cloud: CloudId) -> Result<DeskRef, Refusal> {
        let status = self.status(cloud).ok_or_else(|| unknown_cloud(cloud))?;
        if status.halted {
            return Err(Refusal::new(
                RefusalCode::CloudHalted,
                "the cloud is halted: there are two complete records for one epoch",
                "Its operators find the evidence with `vcp cloud show`.",
            ));
        }
        status.desk.ok_or_else(|| match (status.seal, status.key_state) {
            (Some(seal), _) => sealed(seal),
            (None, Some(KeyState::Compromised { .. })) => Refusal::new(
                RefusalCode::NoMacKey,
                "the MAC key of the cloud is burned: a check under it failed",
                "An operator makes a new one with `vcp cloud rekey`.",
            ),
            _ => Refusal::new(
                RefusalCode::NoMacKey,
                "the cloud has no MAC key yet",
                "Try again when all members have signed it.",
            ),
        })
    }

    pub fn klyshko(&self, cloud: CloudId) -> Option<Klyshko> {
        self.desk(cloud).map(|desk| desk.klyshko.clone())
    }

    /// The order of the members under a MAC key.
    pub fn order(&self, scope: MacScope) -> Option<Order> {
        let desk = self.desk(CloudId(scope.cloud.0))?;
        (desk.seat.scope == scope).then(|| desk.seat.order.clone())
    }

    pub fn status(&self, cloud: CloudId) -> Option<CloudStatus> {
        let clouds = self.clouds();
        let entry = clouds.get(&cloud)?;
        let scope = entry.view.mac_key().map(|key| scope_of(cloud, key.id));
        let key_state = scope.and_then(|scope| self.key_state(scope));
        let given_up_by = scope.and_then(|scope| self.inner.finisher.given_up_by(scope));
        Some(CloudStatus {
            view: entry.view.clone(),
            halted: entry.halted,
            desk: entry.desk.as_ref().map(|(desk, _)| desk.clone()),
            seal: entry.seal,
            key_state,
            given_up_by,
        })
    }

    pub fn ids(&self) -> Vec<CloudId> {
        self.clouds().keys().copied().collect()
    }

    pub fn stores(&self) -> &Stores {
        &self.inner.stores
    }

    /// Ends generation everywhere and gives MAC checks that run time to end.
    pub async fn stop(&self) {
        let desks: Vec<DeskRef> = self.ids().into_iter().filter_map(|id| self.desk(id)).collect();
        for desk in &desks {
            desk.klyshko.stop();
        }
        let deadline = tokio::time::Instant::now() + STOP_PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let unfinished = self.inner.stores.journal.unfinished_checks().unwrap_or_default();
            if unfinished.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// Why a cloud is not served yet.
fn sealed(seal: Seal) -> Refusal {
    let (cause, remedy) = match seal {
        Seal::Asking(None) => ("this member has just been started".to_owned(), "Try again in a moment."),
        Seal::Asking(Some(peer)) => {
            (format!("this member was started and has not heard from {}", peer.peer_id()), "All members are needed.")
        }
        Seal::Quarantined(_) => (
            "this member's store is an old or a second copy, and is not used".to_owned(),
            "Its operator finds the cause and the way out with `vcp doctor`.",
        ),
    };
    Refusal::new(RefusalCode::NotServing, cause, remedy)
}

/// How long an orderly end waits for MAC checks whose opening may have left.
const STOP_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What tuples, checks and burns belong to.
pub(crate) fn scope_of(cloud: CloudId, key: MacKeyId) -> MacScope {
    MacScope { cloud: CloudRow(cloud.0), mac_key: KeyRow(key.0) }
}

struct Anchors {
    shelf: crate::store::shelf::Shelf,
    scope: MacScope,
}

impl Anchors {
    /// That of the prime field stands under the scope itself.
    fn key(&self, field: u8) -> Vec<u8> {
        let scope = self.scope.to_key();
        if field == 0 { scope.to_vec() } else { [scope.as_slice(), &[field]].concat() }
    }
}

impl AnchorStore for Anchors {
    fn load(&self, field: u8) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.shelf.get(&self.key(field))?.map(|anchor| anchor.expose().to_vec()))
    }

    fn keep(&self, field: u8, anchor: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move { self.shelf.put(&self.key(field), SecretBytes::new(anchor)).await })
    }
}

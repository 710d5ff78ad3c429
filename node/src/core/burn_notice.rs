//! A member that has burned a MAC key tells the others, until they have burned it too.
//!
//! A consistency check may fail at one member alone (the trees that are punctured at its key share). The others cannot
//! check that it did, and need not: without that member nothing can be computed under the key, any member can make a MAC
//! check fail and burn the key for all, and a key that some still take for alive would only keep them trying. The peer's
//! identity is that of the connection.

use super::clouds::{Clouds, scope_of};
use crate::federation::{Network, Refusal, Service};
use crate::store::MacScope;
use polyyne_protocol::canonical;
use polyyne_protocol::id::{CloudId, MacKeyId, PeerKey};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts to tell a member.
const RETRY: Duration = Duration::from_millis(500);
const NOTICE_BYTES_MAX: usize = 128;

/// Answers members that tell of a burned key.
pub(super) fn serve(network: &Network, clouds: &Clouds) {
    let clouds = clouds.clone();
    network.serve(Service::BURNED, move |from, payload| {
        let clouds = clouds.clone();
        async move {
            let (cloud, key): (CloudId, MacKeyId) =
                canonical::decode(&payload, NOTICE_BYTES_MAX).map_err(|_| Refusal::Malformed)?;
            let scope = scope_of(cloud, key);
            if !clouds.shares_key(scope, from) {
                return Err(Refusal::NotPermitted);
            }
            clouds.burn_told(scope, from).await;
            Ok(Vec::new())
        }
    });
}

/// Tells every other member that holds a share of the key, as long as it is the cloud's key.
pub(super) fn tell(network: Network, clouds: Clouds, scope: MacScope, members: Vec<PeerKey>) {
    for peer in members.into_iter().filter(|peer| *peer != network.local_key()) {
        let (network, clouds) = (network.clone(), clouds.clone());
        tokio::spawn(async move {
            let notice = canonical::encode(&(CloudId(scope.cloud.0), MacKeyId(scope.mac_key.0)));
            while clouds.shares_key(scope, peer) {
                match network.request(peer, Service::BURNED, notice.clone(), PATIENCE).await {
                    Ok(_) => return,
                    Err(error) => {
                        tracing::debug!(%error, peer = %peer.peer_id(), "a member has not heard of a burned key")
                    }
                }
                tokio::time::sleep(RETRY).await;
            }
        });
    }
}

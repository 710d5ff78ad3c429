//! This node's shares of MAC keys, as the making of records sees them.

use crate::core::clouds::{Clouds, scope_of};
use crate::federation::membership::{KeyShares, StoreError};
use crate::journal::KeyState;
use polyyne_engine::port::BoxFuture;
use polyyne_protocol::id::{CloudId, Digest, MacKeyId};
use polyyne_protocol::version::Prime;

impl KeyShares for Clouds {
    fn commitment(&self, cloud: CloudId, key: MacKeyId, field: Prime) -> BoxFuture<'_, Result<Digest, StoreError>> {
        Box::pin(async move {
            self.new_mac_key(cloud, key, field.0).await.map_err(|error| StoreError::Fault(error.to_string()))
        })
    }

    fn is_burned(&self, cloud: CloudId, key: MacKeyId) -> bool {
        matches!(self.key_state(scope_of(cloud, key)), Some(KeyState::Compromised { .. }))
    }
}

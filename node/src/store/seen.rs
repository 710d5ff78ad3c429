//! Nonces of client requests that must not be served again after a restart either.
//!
//! Most requests need no row here: what they do has a durable row of its own under an id of the client's choice, which
//! a replay meets (uploads, deletions, executions), or takes tuples under the request's id, once for ever (deliveries).
//! A change of tags has none: an old one, recorded and sent again after a restart, would undo a newer one.

use thiserror::Error;

use super::durable::{Durable, Fault, Reads};
use super::sealed::Sealed;
use super::state_file::{SEEN, StateFile};

/// Nonces remembered at once.
pub const NONCES_MAX: u64 = 1 << 20;

/// Why a request was refused.
#[derive(Debug, Error)]
pub enum SeenError {
    #[error("this request was served before")]
    Replayed,
    #[error("too many requests are remembered; try again when the oldest have expired")]
    Full,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The nonces. Clones share them.
#[derive(Clone)]
pub struct SeenNonces {
    durable: Durable,
    rows: Sealed<u64>,
}

impl SeenNonces {
    pub fn of(file: &StateFile) -> Self {
        Self { durable: file.sealed().durable().clone(), rows: file.sealed().table(SEEN) }
    }

    /// Remembers a nonce until `expires_ms`, which must be later than the request can be valid.
    pub async fn remember(&self, client: [u8; 32], nonce: [u8; 16], expires_ms: u64) -> Result<(), SeenError> {
        let key = [client.as_slice(), &nonce].concat();
        let rows = self.rows.clone();
        self.durable
            .write(
                move |plan| {
                    let seen = plan.view(SEEN)?;
                    if seen.get(&key)?.is_some() {
                        return Err(SeenError::Replayed);
                    }
                    match seen.len()? < NONCES_MAX {
                        true => Ok(key),
                        false => Err(SeenError::Full),
                    }
                },
                move |apply, key| rows.put(apply, &key, &expires_ms),
            )
            .await
    }

    /// Forgets what expired. Returns how many rows went.
    pub async fn expire(&self, now_ms: u64) -> Result<usize, Fault> {
        let (planning, applying) = (self.rows.clone(), self.rows.clone());
        self.durable
            .write(
                move |plan| {
                    let rows = planning.under(plan, &[])?.into_iter();
                    let old = rows.filter(|(_, expires_ms)| *expires_ms <= now_ms);
                    Ok::<_, Fault>(old.map(|(key, _)| key).collect::<Vec<_>>())
                },
                move |apply, keys| {
                    for key in &keys {
                        applying.delete(apply, key)?;
                    }
                    Ok(keys.len())
                },
            )
            .await
    }
}

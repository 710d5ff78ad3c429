//! Requests that are being worked on, of each client apart.

use polyyne_protocol::id::ClientKey;
use polyyne_protocol::limits::REQUESTS_PER_CLIENT_MAX;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many of each client. Clones share it.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<ClientKey, usize>>>);

/// As many of this client are worked on as may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

/// A request that is being worked on, until this is dropped.
#[derive(Debug)]
pub struct Entered {
    counts: Arc<Mutex<HashMap<ClientKey, usize>>>,
    client: ClientKey,
}

impl InFlight {
    /// Counts one more of this client.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn enter(&self, client: ClientKey) -> Result<Entered, TooMany> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= REQUESTS_PER_CLIENT_MAX {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Entered { counts: self.0.clone(), client })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit was used nowhere: one client could take all places of a node.
    #[test]
    fn a_client_has_so_many_places_and_takes_none_of_others() {
        let (in_flight, [one, other]) = (InFlight::default(), [1, 2].map(|key| ClientKey([key; 32])));
        let mut entered: Vec<_> = (0..REQUESTS_PER_CLIENT_MAX).map(|_| in_flight.enter(one).unwrap()).collect();
        assert_eq!(in_flight.enter(one).err(), Some(TooMany));
        assert!(in_flight.enter(other).is_ok());
        entered.pop();
        assert!(in_flight.enter(one).is_ok());
        drop(entered);
        assert!(in_flight.0.lock().unwrap().is_empty(), "nothing is remembered of clients that wait for nothing");
    }
}

//! Membership in memory, for tests: what would be durable survives as long as the value does.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use polyyne_engine::port::BoxFuture;
use polyyne_protocol::id::{CloudId, RecordHash};

use super::{MembershipStore, Place, Said, StoreError};

/// See the module's head.
#[derive(Default)]
pub struct MemoryStore(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    logs: BTreeMap<CloudId, Vec<Vec<u8>>>,
    halted: BTreeMap<CloudId, Vec<u8>>,
    said: BTreeMap<Place, (RecordHash, Said)>,
    proposals: BTreeMap<RecordHash, Vec<u8>>,
}

impl MemoryStore {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl MembershipStore for MemoryStore {
    fn logs(&self) -> Result<Vec<Vec<Vec<u8>>>, StoreError> {
        Ok(self.rows().logs.values().cloned().collect())
    }

    fn append(&self, cloud: CloudId, epoch: u64, record: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut rows = self.rows();
        let log = rows.logs.entry(cloud).or_default();
        done(match log.get(epoch as usize) {
            Some(known) if *known == record => Ok(()),
            Some(_) => Err(StoreError::Fork),
            None => {
                log.push(record);
                Ok(())
            }
        })
    }

    fn halt(&self, cloud: CloudId, evidence: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.rows().halted.entry(cloud).or_insert(evidence);
        done(Ok(()))
    }

    fn is_halted(&self, cloud: CloudId) -> Result<bool, StoreError> {
        Ok(self.rows().halted.contains_key(&cloud))
    }

    fn say(&self, place: Place, record: RecordHash, what: Said) -> BoxFuture<'_, Result<(), StoreError>> {
        done(match self.rows().said.entry(place) {
            Entry::Vacant(entry) if what == Said::Promised => {
                entry.insert((record, what));
                Ok(())
            }
            Entry::Vacant(_) => Err(StoreError::WrongState),
            Entry::Occupied(entry) if entry.get().0 != record => Err(StoreError::OtherRecord),
            Entry::Occupied(mut entry) => match (entry.get().1, what) {
                (before, now) if before == now => Ok(()),
                (Said::Signed, Said::Promised) => Ok(()),
                (Said::Promised, now) => {
                    entry.insert((record, now));
                    Ok(())
                }
                _ => Err(StoreError::WrongState),
            },
        })
    }

    fn said(&self, place: Place) -> Result<Option<(RecordHash, Said)>, StoreError> {
        Ok(self.rows().said.get(&place).copied())
    }

    fn proposals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.rows().proposals.values().cloned().collect())
    }

    fn keep_proposal(&self, record: RecordHash, proposal: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.rows().proposals.insert(record, proposal);
        done(Ok(()))
    }

    fn drop_proposal(&self, record: RecordHash) -> BoxFuture<'_, Result<(), StoreError>> {
        self.rows().proposals.remove(&record);
        done(Ok(()))
    }
}

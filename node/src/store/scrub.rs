//! Overwriting what a deleted row left behind in the file's free pages.
//!
//! redb copies on write: a deleted row stays on disk until its page is used again. For a wrapped data key that is not
//! good enough, since the root key still opens it. A sealed row begins with its random 24-byte nonce, which occurs
//! nowhere else; after two more commits neither of redb's two commit slots refers to a page that holds the row, so
//! every occurrence of the nonce can be overwritten in place, together with the row's length.
//!
//! The order to shred is a row of its own (the nonce's complement, so that the order is not found by its own search),
//! written in the commit that deletes; it is removed after the overwriting was synced.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{BackendError, Database, ReadableDatabase, ReadableTable, StorageBackend};

use super::durable::{self, Fault, Table};

/// Orders to shred that have not been carried out.
pub(super) const SHREDS: Table = Table("shreds");

const NEEDLE: usize = 24;
const WINDOW: usize = 1 << 20;
/// A commit that changes nothing may be dropped by the store; this row makes each of the two a real one.
const TURN: &[u8] = b"turn";

/// A backend that can also be searched from outside redb.
pub(super) struct Scrubbing(pub(super) Arc<dyn StorageBackend>);

/// Carries out orders to shred.
pub(super) struct Shredder(Arc<dyn StorageBackend>);

impl Shredder {
    pub(super) fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Self(backend)
    }

    /// The row that orders the shredding of `value`; None if it is too short to be a sealed row.
    pub(super) fn order(value: &[u8]) -> Option<([u8; NEEDLE], [u8; 4])> {
        let nonce: [u8; NEEDLE] = value.get(..NEEDLE)?.try_into().ok()?;
        let len = u32::try_from(value.len()).ok()?;
        Some((nonce.map(|byte| !byte), len.to_be_bytes()))
    }

    /// Carries out every order in the file. Called by the only writer, between transactions.
    pub(super) fn finish(&self, database: &Database) -> Result<(), Fault> {
        let orders = pending(database)?;
        if orders.is_empty() {
            return Ok(());
        }
        turn(database, 0)?;
        turn(database, 1)?;
        for (nonce, len) in &orders {
            self.overwrite(nonce, *len)?;
        }
        self.0.sync_data()?;
        forget(database, &orders)
    }

    fn overwrite(&self, nonce: &[u8; NEEDLE], len: usize) -> Result<(), Fault> {
        let end = self.0.len()?;
        let mut window = vec![0; WINDOW + NEEDLE];
        let mut start = 0;
        while start < end {
            let size = usize::try_from((end - start).min(window.len() as u64)).expect("bounded by the window");
            let seen = &mut window[..size];
            self.0.read(start, seen)?;
            for at in occurrences(seen, nonce) {
                let at = start + at as u64;
                let len = usize::try_from((end - at).min(len as u64)).expect("bounded by the row");
                self.0.write(at, &vec![0; len])?;
            }
            start += WINDOW as u64;
        }
        Ok(())
    }
}

fn occurrences(hay: &[u8], needle: &[u8; NEEDLE]) -> Vec<usize> {
    hay.windows(NEEDLE).enumerate().filter(|(_, seen)| seen == needle).map(|(at, _)| at).collect()
}

fn pending(database: &Database) -> Result<Vec<([u8; NEEDLE], usize)>, Fault> {
    let reading = database.begin_read()?;
    let table = reading.open_table(SHREDS.definition())?;
    let mut orders = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        if key.value() == TURN {
            continue;
        }
        let damaged = Fault::Damaged { table: SHREDS.0 };
        let (Ok(nonce), Ok(len)) = (<[u8; NEEDLE]>::try_from(key.value()), <[u8; 4]>::try_from(value.value())) else {
            return Err(damaged);
        };
        orders.push((nonce.map(|byte| !byte), usize::try_from(u32::from_be_bytes(len)).map_err(|_| damaged)?));
    }
    Ok(orders)
}

fn turn(database: &Database, count: u8) -> Result<(), Fault> {
    let transaction = durable::begin(database)?;
    transaction.open_table(SHREDS.definition())?.insert(TURN, [count].as_slice())?;
    Ok(transaction.commit()?)
}

fn forget(database: &Database, orders: &[([u8; NEEDLE], usize)]) -> Result<(), Fault> {
    let transaction = durable::begin(database)?;
    {
        let mut table = transaction.open_table(SHREDS.definition())?;
        for (nonce, _) in orders {
            table.remove(nonce.map(|byte| !byte).as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

impl fmt::Debug for Scrubbing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubbing")
    }
}

type Span = Bound<u64>;

impl StorageBackend for Scrubbing {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Span, end: Span) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Span, end: Span) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Span, end: Span) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Span, end: Span) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Span, end: Span) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Span, end: Span) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

//! A simulated disk that dies at a chosen operation and forgets, in part, what was not synced.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    durable: Vec<u8>,
    live: Vec<u8>,
    unsynced: Vec<Change>,
    operations: u64,
    dies_at: Option<u64>,
    lies: bool,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Disk {
    /// The machine dies at this many changes or syncs from now.
    pub fn dies_in(&self, operations: u64) {
        let mut platter = self.lock();
        platter.dies_at = Some(platter.operations + operations);
    }

    /// From now on syncs are reported and not done: the control that shows that losses are noticed.
    pub fn lies_about_syncs(&self) {
        self.lock().lies = true;
    }

    /// Changes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// What the next machine finds: everything synced, and an arbitrary part of the rest.
    pub fn after_power_loss(&self, seed: u64) -> Disk {
        let mut platter = self.lock();
        // The dead machine writes no more.
        platter.dies_at = Some(0);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut found = platter.durable.clone();
        let kept = rng.random_range(0..=platter.unsynced.len());
        let in_order = rng.random_bool(0.5);
        for (index, change) in platter.unsynced.iter().enumerate() {
            match (in_order, index < kept) {
                (true, true) => change.apply(&mut found),
                (true, false) if index == kept => change.apply_torn(&mut found, &mut rng),
                (false, _) if rng.random_bool(0.4) => change.apply(&mut found),
                (false, _) if rng.random_bool(0.3) => change.apply_torn(&mut found, &mut rng),
                _ => {}
            }
        }
        Disk(Arc::new(Mutex::new(Platter { durable: found.clone(), live: found, ..Platter::default() })))
    }

    /// Another disk with the same bytes.
    pub fn copy(&self) -> Disk {
        let live = self.lock().live.clone();
        Disk(Arc::new(Mutex::new(Platter { durable: live.clone(), live, ..Platter::default() })))
    }

    /// Everything that was synced.
    pub fn durable_bytes(&self) -> Vec<u8> {
        self.lock().durable.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Platter> {
        self.0.lock().expect("no test panics while it holds the disk")
    }
}

impl Platter {
    fn step(&mut self) -> io::Result<()> {
        if self.dies_at.is_some_and(|dies_at| self.operations >= dies_at) {
            return Err(io::Error::other("power loss"));
        }
        self.operations += 1;
        Ok(())
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.step()?;
        change.apply(&mut self.live);
        self.unsynced.push(change);
        Ok(())
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => bytes.resize(*len, 0),
            Self::Write { at, bytes: written } => write_at(bytes, *at, written),
        }
    }

    fn apply_torn(&self, bytes: &mut Vec<u8>, rng: &mut StdRng) {
        if let Self::Write { at, bytes: written } = self {
            for (index, sector) in written.chunks(512).enumerate() {
                if rng.random_bool(0.5) {
                    write_at(bytes, at + index * 512, sector);
                }
            }
        }
    }
}

fn write_at(bytes: &mut Vec<u8>, at: usize, written: &[u8]) {
    let end = at + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(written);
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let found = platter.live.get(at..at + out.len());
        out.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.lock().change(Change::Resize(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.lock();
        platter.step()?;
        if platter.lies {
            return Ok(());
        }
        platter.unsynced.clear();
        platter.durable = platter.live.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.lock().change(Change::Write { at, bytes: data.to_vec() })
    }
}

//! Shares that outlive a run: MP-SPDZ's persistence files, mapped by the driver to secrets of the execution.

use super::Machine;
use super::fault::{Fault, Step};
use super::rounds::{gather, scatter};
use crate::field::PrimeField;
use crate::share::Shares;

/// One file of shares, addressed by index.
pub trait Storage: Send {
    /// Number of shares; `None` if there is no file yet.
    fn len(&self) -> Option<usize>;

    fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// The shares from `start` on. Only asked for what is there.
    fn read(&mut self, start: usize, count: usize) -> Shares<PrimeField>;

    /// Writes at `start`, filling a gap before it with zeros.
    fn write(&mut self, start: usize, shares: &Shares<PrimeField>);
}

/// A file that lives as long as the value.
#[derive(Default)]
pub struct MemoryStorage {
    file: Option<Shares<PrimeField>>,
}

impl MemoryStorage {
    pub fn new(file: Option<Shares<PrimeField>>) -> Self {
        Self { file }
    }

    pub fn into_file(self) -> Option<Shares<PrimeField>> {
        self.file
    }
}

impl Storage for MemoryStorage {
    fn len(&self) -> Option<usize> {
        self.file.as_ref().map(Shares::len)
    }

    fn read(&mut self, start: usize, count: usize) -> Shares<PrimeField> {
        self.file.as_ref().map_or_else(Shares::default, |file| file.slice(start..start + count))
    }

    fn write(&mut self, start: usize, shares: &Shares<PrimeField>) {
        let file = self.file.get_or_insert_default();
        let end = file.len().max(start + shares.len());
        file.values.resize(end, Default::default());
        file.macs.resize(end, Default::default());
        super::state::copy_shares(file, start, shares, 0, shares.len());
    }
}

/// No file of shares grows beyond this.
const STORED_SHARES_MAX: usize = 1 << 22;

impl Machine<'_> {
    pub(super) fn write_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let shares = gather(&self.banks.prime.s, args[1..].iter().map(|&register| (register as usize, size)));
        let length = self.ports.storage.len().unwrap_or(0);
        let start =
            if position == -1 { length } else { usize::try_from(position).map_err(|_| Fault::Storage(position))? };
        if start.saturating_add(shares.len()) > STORED_SHARES_MAX {
            return Err(Fault::Limit { what: "stored shares", max: STORED_SHARES_MAX as u64 });
        }
        self.ports.storage.write(start, &shares);
        Ok(())
    }

    pub(super) fn read_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let end_register = args[1] as usize;
        let Some(length) = self.ports.storage.len() else {
            self.banks.ints[end_register] = -2;
            return Ok(());
        };
        let count = size * args[2..].len();
        let start = usize::try_from(position).map_err(|_| Fault::Storage(position))?;
        if start.checked_add(count).is_none_or(|end| end > length) {
            return Err(Fault::Storage(position));
        }
        let shares = self.ports.storage.read(start, count);
        scatter(&mut self.banks.prime.s, &shares, args[2..].iter().map(|&register| (register as usize, size)));
        let end = start + count;
        self.banks.ints[end_register] = if end == length { -1 } else { end as i64 };
        Ok(())
    }
}

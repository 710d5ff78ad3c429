//! Shares that outlive a run: MP-SPDZ's persistence files, mapped by the driver to secrets of the execution.

use super::Machine;
use super::fault::{Fault, Step};
use super::rounds::{gather, scatter};
use crate::field::{Field, PrimeField};
use crate::share::Shares;

/// One file of shares over a field, addressed by index.
pub trait Storage<F: Field = PrimeField>: Send {
    /// Number of shares; `None` if there is no file yet.
    fn len(&self) -> Option<usize>;

    fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// The shares from `start` on. Only asked for what is there.
    fn read(&mut self, start: usize, count: usize) -> Shares<F>;

    /// Writes at `start`, filling a gap before it with zeros.
    fn write(&mut self, start: usize, shares: &Shares<F>);
}

/// No file: for threads, whose tapes do not touch any.
pub(super) struct NoStorage;

impl<F: Field> Storage<F> for NoStorage {
    fn len(&self) -> Option<usize> {
        None
    }

    fn read(&mut self, _start: usize, _count: usize) -> Shares<F> {
        Shares::default()
    }

    fn write(&mut self, _start: usize, _shares: &Shares<F>) {
        unreachable!("a tape that writes files runs in place");
    }
}

/// A file that lives as long as the value.
pub struct MemoryStorage<F: Field = PrimeField> {
    file: Option<Shares<F>>,
}

impl<F: Field> Default for MemoryStorage<F> {
    fn default() -> Self {
        Self { file: None }
    }
}

impl<F: Field> MemoryStorage<F> {
    pub fn new(file: Option<Shares<F>>) -> Self {
        Self { file }
    }

    pub fn into_file(self) -> Option<Shares<F>> {
        self.file
    }
}

impl<F: Field> Storage<F> for MemoryStorage<F> {
    fn len(&self) -> Option<usize> {
        self.file.as_ref().map(Shares::len)
    }

    fn read(&mut self, start: usize, count: usize) -> Shares<F> {
        self.file.as_ref().map_or_else(Shares::default, |file| file.slice(start..start + count))
    }

    fn write(&mut self, start: usize, shares: &Shares<F>) {
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
        write(self.ports.storage, &self.banks.prime.s, position, size, &args[1..])
    }

    pub(super) fn write_binary_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        write(self.ports.binary_storage, &self.banks.binary.s, position, size, &args[1..])
    }

    pub(super) fn read_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let end = read(self.ports.storage, &mut self.banks.prime.s, position, size, &args[2..])?;
        self.banks.ints[args[1] as usize] = end;
        Ok(())
    }

    pub(super) fn read_binary_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let end = read(self.ports.binary_storage, &mut self.banks.binary.s, position, size, &args[2..])?;
        self.banks.ints[args[1] as usize] = end;
        Ok(())
    }
}

/// Writes register vectors from a position on, or at the end if it is -1.
fn write<F: Field>(
    storage: &mut dyn Storage<F>,
    registers: &Shares<F>,
    position: i64,
    size: usize,
    vectors: &[i64],
) -> Step {
    let shares = gather(registers, vectors.iter().map(|&register| (register as usize, size)));
    let length = storage.len().unwrap_or(0);
    let start =
        if position == -1 { length } else { usize::try_from(position).map_err(|_| Fault::Storage(position))? };
    if start.saturating_add(shares.len()) > STORED_SHARES_MAX {
        return Err(Fault::Limit { what: "stored shares", max: STORED_SHARES_MAX as u64 });
    }
    storage.write(start, &shares);
    Ok(())
}

/// Reads register vectors from a position on; gives the next position, -1 at the end, -2 if there is no file.
fn read<F: Field>(
    storage: &mut dyn Storage<F>,
    registers: &mut Shares<F>,
    position: i64,
    size: usize,
    vectors: &[i64],
) -> Step<i64> {
    let Some(length) = storage.len() else { return Ok(-2) };
    let count = size * vectors.len();
    let start = usize::try_from(position).map_err(|_| Fault::Storage(position))?;
    if start.checked_add(count).is_none_or(|end| end > length) {
        return Err(Fault::Storage(position));
    }
    let shares = storage.read(start, count);
    scatter(registers, &shares, vectors.iter().map(|&register| (register as usize, size)));
    let end = start + count;
    Ok(if end == length { -1 } else { end as i64 })
}

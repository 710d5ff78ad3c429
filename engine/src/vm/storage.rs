//! Shares that outlive a run: MP-SPDZ's persistence files, mapped by the driver to secrets of the execution.

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

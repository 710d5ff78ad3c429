//! Register banks and memories.

use super::fault::{Fault, Step};
use crate::field::{Field, PrimeField};
use crate::share::Shares;
use polyyne_bytecode::{Bank, PerBank};

/// The secret and clear elements of one field: a pair of register banks, or of memories.
pub(super) struct Pair<F: Field> {
    pub s: Shares<F>,
    pub c: Vec<F::Element>,
}

impl<F: Field> Pair<F> {
    fn new(field: &F, secret: u64, clear: u64) -> Self {
        Self { s: Shares::zeros(field, secret as usize), c: vec![field.zero(); clear as usize] }
    }
}

/// All banks of a frame, or all memories. Both start as zeros.
pub(super) struct Banks {
    pub prime: Pair<PrimeField>,
    pub ints: Vec<i64>,
}

impl Banks {
    pub(super) fn new(field: &PrimeField, sizes: &PerBank) -> Self {
        let size = |bank: Bank| sizes[bank.index()];
        Self {
            prime: Pair::new(field, size(Bank::Sint), size(Bank::Cint)),
            ints: vec![0; size(Bank::Regint) as usize],
        }
    }

    /// Grows every bank to at least these sizes: a thread keeps its registers from one tape to the next.
    pub(super) fn grow(&mut self, field: &PrimeField, sizes: &PerBank) {
        let size = |bank: Bank| sizes[bank.index()] as usize;
        let missing = size(Bank::Sint).saturating_sub(self.prime.s.len());
        self.prime.s.append(&Shares::zeros(field, missing));
        let clear = self.prime.c.len().max(size(Bank::Cint));
        self.prime.c.resize(clear, field.zero());
        let ints = self.ints.len().max(size(Bank::Regint));
        self.ints.resize(ints, 0);
    }

    /// Copies `count` registers of a bank between two frames.
    pub(super) fn copy(&mut self, bank: Bank, to: usize, source: &Banks, from: usize, count: usize) {
        match bank {
            Bank::Sint => copy_shares(&mut self.prime.s, to, &source.prime.s, from, count),
            Bank::Cint => self.prime.c[to..to + count].copy_from_slice(&source.prime.c[from..from + count]),
            Bank::Regint => self.ints[to..to + count].copy_from_slice(&source.ints[from..from + count]),
            Bank::Sgf2n | Bank::Cgf2n | Bank::Sbits | Bank::Cbits => {
                unreachable!("programs with these banks are refused when they are loaded")
            }
        }
    }
}

/// Copies `count` shares from one vector to another.
pub(super) fn copy_shares<F: Field>(to: &mut Shares<F>, at: usize, from: &Shares<F>, start: usize, count: usize) {
    to.values[at..at + count].copy_from_slice(&from.values[start..start + count]);
    to.macs[at..at + count].copy_from_slice(&from.macs[start..start + count]);
}

/// An address that a program computed, if it is inside a memory of `size` elements.
pub(super) fn address(bank: Bank, address: i64, size: usize) -> Step<usize> {
    usize::try_from(address).ok().filter(|&at| at < size).ok_or(Fault::Address { bank, address, size })
}

//! Register banks.

use super::fault::{Fault, Step};
use crate::field::{BinaryField, Field, Gf2n, PrimeField};
use crate::share::{BitShares, Shares, WORD, ones};
use polyyne_bytecode::{Bank, PerBank};
use std::ops::Range;

/// The secret and clear elements of one field: a pair of register banks.
pub(super) struct Pair<F: Field> {
    pub s: Shares<F>,
    pub c: Vec<F::Element>,
}

impl<F: Field> Pair<F> {
    fn new(field: &F, secret: u64, clear: u64) -> Self {
        Self { s: Shares::zeros(field, secret as usize), c: vec![field.zero(); clear as usize] }
    }

    fn grow(&mut self, field: &F, secret: u64, clear: u64) {
        let missing = (secret as usize).saturating_sub(self.s.len());
        self.s.append(&Shares::zeros(field, missing));
        let clear = self.c.len().max(clear as usize);
        self.c.resize(clear, field.zero());
    }
}

/// Words of 64 shared and of 64 clear bits: a pair of register banks.
pub(super) struct BitBank {
    /// 64 shares for each register.
    pub s: BitShares,
    pub c: Vec<u64>,
}

impl BitBank {
    /// Writes a vector of bits, those of a range of `shares`, from register `to` on, and zeros up to the end of its last
    /// register.
    pub(super) fn write(&mut self, to: usize, shares: &BitShares, range: Range<usize>) {
        self.clear(to * WORD, range.len());
        self.put_bits(to * WORD, shares, range);
    }

    /// Makes the place of `len` bits ready for them, from bit `at` on, where a register begins.
    pub(super) fn clear(&mut self, at: usize, len: usize) {
        let end = (at + len).next_multiple_of(WORD);
        self.s.values.words_mut()[at / WORD..end / WORD].fill(0);
        self.s.macs[at + len..end].fill(Gf2n::default());
    }

    /// Puts the bits of a range of `shares` at bit `at`, where zeros are.
    pub(super) fn put_bits(&mut self, at: usize, shares: &BitShares, range: Range<usize>) {
        for from in range.clone().step_by(WORD) {
            let bits = shares.values.word_at(from) & ones(range.end - from);
            self.s.values.add_at(at + from - range.start, bits);
        }
        self.s.macs[at..at + range.len()].copy_from_slice(&shares.macs[range]);
    }
}

/// All banks of a frame; they start as zeros.
pub(super) struct Banks {
    pub prime: Pair<PrimeField>,
    pub binary: Pair<BinaryField>,
    pub bits: BitBank,
    pub ints: Vec<i64>,
}

impl Banks {
    pub(super) fn new(prime: &PrimeField, binary: &BinaryField, sizes: &PerBank) -> Self {
        let size = |bank: Bank| sizes[bank.index()];
        Self {
            prime: Pair::new(prime, size(Bank::Sint), size(Bank::Cint)),
            binary: Pair::new(binary, size(Bank::Sgf2n), size(Bank::Cgf2n)),
            bits: BitBank {
                s: BitShares::zeros(binary, size(Bank::Sbits) as usize * WORD),
                c: vec![0; size(Bank::Cbits) as usize],
            },
            ints: vec![0; size(Bank::Regint) as usize],
        }
    }

    /// Grows every bank to at least these sizes: a thread keeps its registers from one tape to the next.
    pub(super) fn grow(&mut self, prime: &PrimeField, binary: &BinaryField, sizes: &PerBank) {
        let size = |bank: Bank| sizes[bank.index()];
        self.prime.grow(prime, size(Bank::Sint), size(Bank::Cint));
        self.binary.grow(binary, size(Bank::Sgf2n), size(Bank::Cgf2n));
        let missing = (size(Bank::Sbits) as usize * WORD).saturating_sub(self.bits.s.len());
        self.bits.s.append(&BitShares::zeros(binary, missing));
        let clear = self.bits.c.len().max(size(Bank::Cbits) as usize);
        self.bits.c.resize(clear, 0);
        let ints = self.ints.len().max(size(Bank::Regint) as usize);
        self.ints.resize(ints, 0);
    }

    /// Copies `count` registers of a bank between two frames.
    pub(super) fn copy(&mut self, bank: Bank, to: usize, source: &Banks, from: usize, count: usize) {
        let (there, here) = (to..to + count, from..from + count);
        match bank {
            Bank::Sint => copy_shares(&mut self.prime.s, to, &source.prime.s, from, count),
            Bank::Cint => self.prime.c[there].copy_from_slice(&source.prime.c[here]),
            Bank::Regint => self.ints[there].copy_from_slice(&source.ints[here]),
            Bank::Sgf2n => copy_shares(&mut self.binary.s, to, &source.binary.s, from, count),
            Bank::Cgf2n => self.binary.c[there].copy_from_slice(&source.binary.c[here]),
            Bank::Sbits => {
                self.bits.s.values.words_mut()[there].copy_from_slice(&source.bits.s.values.words()[here]);
                let macs = &source.bits.s.macs[from * WORD..][..count * WORD];
                self.bits.s.macs[to * WORD..][..count * WORD].copy_from_slice(macs);
            }
            Bank::Cbits => self.bits.c[there].copy_from_slice(&source.bits.c[here]),
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

//! Program memory, in pages that views share until one of them writes.
//!
//! A VM thread that runs beside its starter works on a view of its own: the memory as it was when the thread started, and
//! what the thread itself has written since ([`Memory::fork`]). What it wrote reaches the others when it is joined
//! ([`Memory::merge`]). To programs that join before they read each other's results, as MP-SPDZ's compiler arranges it,
//! this is one shared memory; and what any other program reads depends on its instructions alone, never on timing.
//! Parties that saw a race end differently would fail a MAC check without anybody having cheated, and burn the key.

use crate::field::{BinaryField, Field, Gf2n, PrimeField};
use crate::share::{BitShares, Shares, WORD};
use polyyne_bytecode::{Bank, PerBank};
use std::sync::Arc;
use zeroize::Zeroize;

/// Elements in a page: what a view copies at its first write there.
const PAGE: usize = 1024;
/// Words of a page's map of what was written.
const MAP: usize = PAGE / 64;

/// Elements that are wiped when nobody holds them any more.
#[derive(Clone)]
struct Page<T: Zeroize>(Vec<T>);

impl<T: Zeroize> Drop for Page<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

enum Held<T: Zeroize> {
    Own(Page<T>),
    Shared(Arc<Page<T>>),
}

impl<T: Copy + Zeroize> Held<T> {
    fn read(&self) -> &[T] {
        match self {
            Held::Own(page) => &page.0,
            Held::Shared(page) => &page.0,
        }
    }

    fn write(&mut self) -> &mut [T] {
        if let Held::Shared(page) = self {
            *self = Held::Own(Page::clone(page));
        }
        match self {
            Held::Own(page) => &mut page.0,
            Held::Shared(_) => unreachable!("it was made its own above"),
        }
    }

    /// The page for another view too.
    fn share(&mut self) -> Arc<Page<T>> {
        if let Held::Own(page) = self {
            *self = Held::Shared(Arc::new(Page(std::mem::take(&mut page.0))));
        }
        match self {
            Held::Shared(page) => Arc::clone(page),
            Held::Own(_) => unreachable!("it was shared above"),
        }
    }
}

/// A view of one memory. Addresses are the caller's to check.
pub(super) struct Paged<T: Zeroize> {
    pages: Vec<Held<T>>,
    len: usize,
    /// Of a view that will be merged: a map of what was written in each page.
    written: Option<Vec<Option<Box<[u64; MAP]>>>>,
}

impl<T: Copy + Default + Zeroize> Paged<T> {
    fn zeros(len: usize) -> Self {
        let zeros = Arc::new(Page(vec![T::default(); PAGE]));
        let pages = (0..len.div_ceil(PAGE)).map(|_| Held::Shared(Arc::clone(&zeros))).collect();
        Self { pages, len, written: None }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, at: usize) -> T {
        self.pages[at / PAGE].read()[at % PAGE]
    }

    pub(super) fn set(&mut self, at: usize, value: T) {
        self.mark(at / PAGE, at % PAGE, 1);
        self.pages[at / PAGE].write()[at % PAGE] = value;
    }

    /// Reads as many as `into` holds, from `start` on.
    pub(super) fn read(&self, mut start: usize, mut into: &mut [T]) {
        while !into.is_empty() {
            let (page, offset) = (start / PAGE, start % PAGE);
            let count = into.len().min(PAGE - offset);
            let (now, rest) = into.split_at_mut(count);
            now.copy_from_slice(&self.pages[page].read()[offset..offset + count]);
            (start, into) = (start + count, rest);
        }
    }

    pub(super) fn write(&mut self, mut start: usize, mut from: &[T]) {
        while !from.is_empty() {
            let (page, offset) = (start / PAGE, start % PAGE);
            let (now, rest) = from.split_at(from.len().min(PAGE - offset));
            self.mark(page, offset, now.len());
            self.pages[page].write()[offset..offset + now.len()].copy_from_slice(now);
            (start, from) = (start + now.len(), rest);
        }
    }

    fn mark(&mut self, page: usize, offset: usize, count: usize) {
        if let Some(written) = &mut self.written {
            let map = written[page].get_or_insert_with(|| Box::new([0; MAP]));
            (offset..offset + count).for_each(|at| map[at / 64] |= 1 << (at % 64));
        }
    }

    fn fork(&mut self) -> Self {
        let pages: Vec<Held<T>> = self.pages.iter_mut().map(|page| Held::Shared(page.share())).collect();
        let written = Some(pages.iter().map(|_| None).collect());
        Self { pages, len: self.len, written }
    }

    fn merge(&mut self, other: &Self) {
        let maps = other.written.iter().flatten().enumerate();
        for (page, map) in maps.filter_map(|(page, map)| map.as_ref().map(|map| (page, map))) {
            let from = other.pages[page].read();
            for at in (0..PAGE).filter(|at| map[at / 64] >> (at % 64) & 1 == 1) {
                self.set(page * PAGE + at, from[at]);
            }
        }
    }
}

/// The secret memory of one field.
pub(super) struct SecretMemory<F: Field> {
    values: Paged<F::Element>,
    macs: Paged<F::Element>,
}

impl<F: Field> SecretMemory<F> {
    fn zeros(len: usize) -> Self {
        Self { values: Paged::zeros(len), macs: Paged::zeros(len) }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get(&self, at: usize) -> (F::Element, F::Element) {
        (self.values.get(at), self.macs.get(at))
    }

    pub(super) fn set(&mut self, at: usize, (value, mac): (F::Element, F::Element)) {
        self.values.set(at, value);
        self.macs.set(at, mac);
    }

    /// Loads `count` shares from `start` on into registers.
    pub(super) fn load(&self, start: usize, registers: &mut Shares<F>, to: usize, count: usize) {
        self.values.read(start, &mut registers.values[to..to + count]);
        self.macs.read(start, &mut registers.macs[to..to + count]);
    }

    /// Stores `count` registers from `start` on.
    pub(super) fn store(&mut self, start: usize, registers: &Shares<F>, from: usize, count: usize) {
        self.values.write(start, &registers.values[from..from + count]);
        self.macs.write(start, &registers.macs[from..from + count]);
    }

    fn fork(&mut self) -> Self {
        Self { values: self.values.fork(), macs: self.macs.fork() }
    }

    fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.macs.merge(&other.macs);
    }
}

/// The secret and clear memories of one field.
pub(super) struct PairMemory<F: Field> {
    pub s: SecretMemory<F>,
    pub c: Paged<F::Element>,
}

/// The secret memory of words of 64 bits.
pub(super) struct SecretBits {
    values: Paged<u64>,
    /// 64 for each word.
    macs: Paged<Gf2n>,
}

impl SecretBits {
    fn zeros(words: usize) -> Self {
        Self { values: Paged::zeros(words), macs: Paged::zeros(words * WORD) }
    }

    /// Words.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Loads `count` words from `start` on into registers.
    pub(super) fn load(&self, start: usize, registers: &mut BitShares, to: usize, count: usize) {
        self.values.read(start, &mut registers.values.words_mut()[to..to + count]);
        self.macs.read(start * WORD, &mut registers.macs[to * WORD..(to + count) * WORD]);
    }

    /// Stores `count` registers from `start` on.
    pub(super) fn store(&mut self, start: usize, registers: &BitShares, from: usize, count: usize) {
        self.values.write(start, &registers.values.words()[from..from + count]);
        self.macs.write(start * WORD, &registers.macs[from * WORD..(from + count) * WORD]);
    }

    fn fork(&mut self) -> Self {
        Self { values: self.values.fork(), macs: self.macs.fork() }
    }

    fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.macs.merge(&other.macs);
    }
}

/// The memories of words of 64 bits.
pub(super) struct BitMemory {
    pub s: SecretBits,
    pub c: Paged<u64>,
}

/// All memories, zeros at first.
pub(super) struct Memory {
    pub prime: PairMemory<PrimeField>,
    pub binary: PairMemory<BinaryField>,
    pub bits: BitMemory,
    pub ints: Paged<i64>,
}

impl Memory {
    pub(super) fn new(sizes: &PerBank) -> Self {
        let size = |bank: Bank| sizes[bank.index()] as usize;
        Self {
            prime: PairMemory { s: SecretMemory::zeros(size(Bank::Sint)), c: Paged::zeros(size(Bank::Cint)) },
            binary: PairMemory { s: SecretMemory::zeros(size(Bank::Sgf2n)), c: Paged::zeros(size(Bank::Cgf2n)) },
            bits: BitMemory { s: SecretBits::zeros(size(Bank::Sbits)), c: Paged::zeros(size(Bank::Cbits)) },
            ints: Paged::zeros(size(Bank::Regint)),
        }
    }

    /// A view that starts as this one is now.
    pub(super) fn fork(&mut self) -> Self {
        Self {
            prime: PairMemory { s: self.prime.s.fork(), c: self.prime.c.fork() },
            binary: PairMemory { s: self.binary.s.fork(), c: self.binary.c.fork() },
            bits: BitMemory { s: self.bits.s.fork(), c: self.bits.c.fork() },
            ints: self.ints.fork(),
        }
    }

    /// Takes over what a forked view has written, over what was written here in the meantime.
    pub(super) fn merge(&mut self, other: &Self) {
        self.prime.s.merge(&other.prime.s);
        self.prime.c.merge(&other.prime.c);
        self.binary.s.merge(&other.binary.s);
        self.binary.c.merge(&other.binary.c);
        self.bits.s.merge(&other.bits.s);
        self.bits.c.merge(&other.bits.c);
        self.ints.merge(&other.ints);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(memory: &Paged<i64>) -> Vec<i64> {
        let mut all = vec![7; memory.len()];
        memory.read(0, &mut all);
        all
    }

    #[test]
    fn views_see_the_fork_and_their_own_writes_until_the_merge() {
        let mut starter = Paged::<i64>::zeros(3 * PAGE);
        starter.write(PAGE - 1, &[1, 2]);
        let mut thread = starter.fork();
        starter.set(0, 9);
        starter.set(PAGE, 8);
        thread.write(PAGE - 1, &[5]);
        thread.set(5, 0);
        assert_eq!((thread.get(0), thread.get(PAGE)), (0, 2));
        assert_eq!((starter.get(PAGE - 1), starter.get(5)), (1, 0));
        starter.set(5, 4);
        starter.merge(&thread);
        assert_eq!((starter.get(0), starter.get(PAGE - 1), starter.get(PAGE)), (9, 5, 8));
        assert_eq!(starter.get(5), 0, "a write of what was there before is a write");
    }

    #[test]
    fn a_page_is_copied_by_who_writes_while_it_is_shared_and_by_nobody_else() {
        let mut starter = Paged::<i64>::zeros(2 * PAGE);
        starter.set(0, 1);
        let thread = starter.fork();
        let shared = |memory: &Paged<i64>, page: usize| match &memory.pages[page] {
            Held::Shared(page) => Arc::strong_count(page),
            Held::Own(_) => 0,
        };
        assert_eq!(shared(&starter, 0), 2);
        starter.set(0, 2);
        assert_eq!((shared(&starter, 0), shared(&thread, 0)), (0, 1));
    }

    proptest! {
        #[test]
        fn runs_across_pages_are_what_a_vector_holds(
            writes in prop::collection::vec((0usize..4 * PAGE, prop::collection::vec(any::<i64>(), 0..2 * PAGE)), 0..6),
        ) {
            let mut memory = Paged::<i64>::zeros(6 * PAGE);
            let mut vector = vec![0; 6 * PAGE];
            let mut view = memory.fork();
            for (at, (start, values)) in writes.iter().enumerate() {
                vector[*start..start + values.len()].copy_from_slice(values);
                view.write(*start, values);
                if at == 2 {
                    memory.merge(&view);
                    view = memory.fork();
                }
            }
            memory.merge(&view);
            prop_assert_eq!(content(&memory), vector);
        }
    }
}

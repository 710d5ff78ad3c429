//! Numbers for virtual registers.
//!
//! A register that more than one block uses (or that a block reads before it writes it) has a number of its own in its
//! tape. All others live inside one block, from the first step that names them to the last, and share numbers there. A
//! number is free again only after the step of its last use, so that no instruction's result overlaps its operands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polyyne_bytecode::{Bank, Opcode};

use crate::optimise::{OptimiseError, dead};
use crate::record::{Arg, Block, Record, RegisterId};

/// The first number of every virtual register that is used.
pub type Numbers = HashMap<RegisterId, u32>;

/// Numbers the registers of all tapes.
///
/// # Errors
/// [`OptimiseError::TooManyRegisters`] if 32 bits do not suffice.
pub fn allocate(record: &Record) -> Result<Numbers, OptimiseError> {
    let mut numbers = Numbers::new();
    for tape in 0..record.tapes.len() {
        Allocator::new(record, tape).run(&mut numbers)?;
    }
    Ok(numbers)
}

struct Allocator<'a> {
    record: &'a Record,
    tape: usize,
    /// First number that no register of the whole tape has, by bank.
    top: [u32; Bank::ALL.len()],
}

/// Free numbers of one bank inside a block.
#[derive(Default)]
struct Pool {
    /// Free ranges, none of which touch: length by start, and length with start.
    free: BTreeMap<u32, u32>,
    sizes: BTreeSet<(u32, u32)>,
    /// The first number that was never given.
    next: u32,
}

impl<'a> Allocator<'a> {
    fn new(record: &'a Record, tape: usize) -> Self {
        Allocator { record, tape, top: [0; Bank::ALL.len()] }
    }

    fn run(mut self, numbers: &mut Numbers) -> Result<(), OptimiseError> {
        let record = self.record;
        for id in self.shared_registers() {
            self.give_for_good(id, numbers)?;
        }
        for block in &record.tapes[self.tape].blocks {
            self.block(block, numbers)?;
        }
        Ok(())
    }

    /// Registers that outlive a block, in order of appearance.
    fn shared_registers(&self) -> Vec<RegisterId> {
        let tape = &self.record.tapes[self.tape];
        let mut home: HashMap<RegisterId, usize> = HashMap::new();
        let mut shared = Vec::new();
        let mut seen: HashMap<RegisterId, bool> = HashMap::new();
        let mut share = |id: RegisterId, shared: &mut Vec<RegisterId>| {
            if !seen.get(&id).copied().unwrap_or(false) {
                seen.insert(id, true);
                shared.push(id);
            }
        };
        for (at, block) in tape.blocks.iter().enumerate() {
            for step in &block.steps {
                for id in dead::registers(self.record, self.tape, step, false) {
                    if home.insert(id, at) != Some(at) {
                        share(id, &mut shared);
                    }
                }
                for id in dead::registers(self.record, self.tape, step, true) {
                    let argument = step.opcode == Opcode::CallArg;
                    if argument || home.insert(id, at).is_some_and(|other| other != at) {
                        share(id, &mut shared);
                    }
                }
            }
        }
        for &id in &tape.exports {
            share(id, &mut shared);
        }
        shared
    }

    fn give_for_good(&mut self, id: RegisterId, numbers: &mut Numbers) -> Result<(), OptimiseError> {
        let register = self.record.registers[id as usize].expect("a used register exists");
        let top = &mut self.top[register.bank.index()];
        numbers.insert(id, *top);
        *top = top.checked_add(register.lanes).ok_or(OptimiseError::TooManyRegisters)?;
        Ok(())
    }

    fn block(&self, block: &Block, numbers: &mut Numbers) -> Result<(), OptimiseError> {
        let mut pools: [Pool; Bank::ALL.len()] = Default::default();
        for (pool, top) in pools.iter_mut().zip(self.top) {
            pool.next = top;
        }
        let mut last: HashMap<RegisterId, usize> = HashMap::new();
        for (at, step) in block.steps.iter().enumerate() {
            for arg in &step.args {
                if let Arg::Register { id, .. } = arg {
                    last.insert(*id, at);
                }
            }
        }
        for (at, step) in block.steps.iter().enumerate() {
            let mut ended = Vec::new();
            for arg in &step.args {
                let Arg::Register { id, .. } = *arg else {
                    continue;
                };
                let register = self.record.registers[id as usize].expect("a used register exists");
                if register.tape as usize != self.tape {
                    continue;
                }
                let pool = &mut pools[register.bank.index()];
                let number = match numbers.get(&id) {
                    Some(&number) => number,
                    None => pool.take(register.lanes)?,
                };
                numbers.insert(id, number);
                let local = number >= self.top[register.bank.index()];
                if local && last.get(&id) == Some(&at) {
                    last.remove(&id);
                    ended.push((register.bank.index(), register.lanes, number));
                }
            }
            for (bank, lanes, number) in ended {
                pools[bank].give_back(number, lanes);
            }
        }
        Ok(())
    }
}

impl Pool {
    /// Numbers in a row, out of the smallest free range that has as many.
    fn take(&mut self, lanes: u32) -> Result<u32, OptimiseError> {
        if let Some(&(len, start)) = self.sizes.range((lanes, 0)..).next() {
            self.remove(start, len);
            self.insert(start + lanes, len - lanes);
            return Ok(start);
        }
        let last = self.free.last_key_value().map(|(&start, &len)| (start, len));
        let number = match last.filter(|(start, len)| start + len == self.next) {
            Some((start, len)) => {
                self.remove(start, len);
                start
            }
            None => self.next,
        };
        self.next = number.checked_add(lanes).ok_or(OptimiseError::TooManyRegisters)?;
        Ok(number)
    }

    fn give_back(&mut self, mut start: u32, mut len: u32) {
        let neighbour = |found: Option<(&u32, &u32)>| found.map(|(&start, &len)| (start, len));
        if let Some((before, its)) =
            neighbour(self.free.range(..start).next_back()).filter(|(at, its)| at + its == start)
        {
            self.remove(before, its);
            (start, len) = (before, its + len);
        }
        if let Some((after, its)) = neighbour(self.free.range(start..).next()).filter(|(at, _)| *at == start + len) {
            self.remove(after, its);
            len += its;
        }
        self.insert(start, len);
    }

    fn insert(&mut self, start: u32, len: u32) {
        if len > 0 {
            self.free.insert(start, len);
            self.sizes.insert((len, start));
        }
    }

    fn remove(&mut self, start: u32, len: u32) {
        self.free.remove(&start);
        self.sizes.remove(&(len, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_split_and_joined_again() {
        let mut pool = Pool { next: 10, ..Pool::default() };
        let [a, b, c] = [100, 20, 30].map(|lanes| pool.take(lanes).unwrap());
        assert_eq!((a, b, c), (10, 110, 130));
        pool.give_back(a, 100);
        assert_eq!([40, 60].map(|lanes| pool.take(lanes).unwrap()), [10, 50], "one range for two");
        pool.give_back(b, 20);
        pool.give_back(50, 60);
        pool.give_back(c, 30);
        assert_eq!(pool.take(200).unwrap(), 50, "what lies at the end grows");
        assert_eq!(pool.next, 250);
        pool.give_back(10, 40);
        pool.give_back(50, 200);
        assert_eq!((pool.free.len(), pool.sizes.len()), (1, 1));
        assert_eq!(pool.take(240).unwrap(), 10);
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut pool = Pool::default();
        let mut given: Vec<(u32, u32)> = Vec::new();
        let mut state = 7u32;
        for _ in 0..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (choice, lanes) = (state >> 24, (state >> 8) % 40 + 1);
            if choice % 2 == 0 && !given.is_empty() {
                let (start, lanes) = given.swap_remove(choice as usize % given.len());
                pool.give_back(start, lanes);
            } else {
                let start = pool.take(lanes).unwrap();
                let apart = |&(other, its): &(u32, u32)| start + lanes <= other || other + its <= start;
                assert!(given.iter().all(apart), "{start} {lanes}");
                given.push((start, lanes));
            }
        }
    }
}

//! Numbers for virtual registers.
//!
//! A register that more than one block uses (or that a block reads before it writes it) has a number of its own in its
//! tape. All others live inside one block, from the first step that names them to the last, and share numbers there. A
//! number is free again only after the step of its last use, so that no instruction's result overlaps its operands.

use std::collections::HashMap;

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
    /// Starts of free ranges, by their length.
    free: HashMap<u32, Vec<u32>>,
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
                pools[bank].free.entry(lanes).or_default().push(number);
            }
        }
        Ok(())
    }
}

impl Pool {
    fn take(&mut self, lanes: u32) -> Result<u32, OptimiseError> {
        if let Some(number) = self.free.get_mut(&lanes).and_then(Vec::pop) {
            return Ok(number);
        }
        let number = self.next;
        self.next = number.checked_add(lanes).ok_or(OptimiseError::TooManyRegisters)?;
        Ok(number)
    }
}

//! Dead code: an instruction whose results nobody reads goes, unless the outside notices it.
//!
//! Flow is not looked at: a register that is read anywhere in the tape keeps all that writes it. A division that guards
//! an opening lives as long as the opening does.

use std::collections::BTreeSet;

use polyyne_bytecode::Opcode;

use crate::optimise::effect;
use crate::record::{Arg, Record, RegisterId, Step};

/// The registers of this tape that a step reads or writes.
pub fn registers(record: &Record, tape: usize, step: &Step, written: bool) -> impl Iterator<Item = RegisterId> {
    step.args.iter().filter_map(move |arg| match *arg {
        Arg::Register { id, write, .. } if write == written => {
            let home = record.registers[id as usize].map(|register| register.tape);
            (home == Some(tape as u32)).then_some(id)
        }
        _ => None,
    })
}

/// Whether a step stops the program where an opening turned out badly, by a division by zero: `floordivc 1 c3 c1 c2 #1`.
///
/// A `crash` would be a branch, before which the machine checks all openings.
pub fn is_guard(step: &Step) -> bool {
    step.opcode == Opcode::Floordivc && step.allocation != 0
}

fn always_live(step: &Step) -> bool {
    let outside = effect::is_ordered(step.opcode)
        || effect::is_input(step.opcode)
        || effect::memory(step.opcode).is_some_and(|access| access.write);
    outside && !is_guard(step)
}

/// Removes dead steps from a tape.
pub fn remove(record: &mut Record, tape: usize) {
    let mut keep = Liveness::of(record, tape).live.into_iter();
    for block in &mut record.tapes[tape].blocks {
        block.steps.retain(|_| keep.next().expect("one verdict per step"));
    }
}

struct Liveness<'a> {
    record: &'a Record,
    tape: usize,
    steps: Vec<&'a Step>,
    /// The steps that write each register.
    writers: Vec<Vec<u32>>,
    live: Vec<bool>,
}

impl<'a> Liveness<'a> {
    fn of(record: &'a Record, tape: usize) -> Self {
        let steps: Vec<&Step> = record.tapes[tape].blocks.iter().flat_map(|block| &block.steps).collect();
        let mut writers: Vec<Vec<u32>> = vec![Vec::new(); record.registers.len()];
        for (at, step) in steps.iter().enumerate() {
            for id in registers(record, tape, step, true) {
                writers[id as usize].push(at as u32);
            }
        }
        let live = vec![false; steps.len()];
        let mut this = Liveness { record, tape, steps, writers, live };
        let all = || 0..this.steps.len() as u32;
        let guards: Vec<u32> = all().filter(|&at| is_guard(this.steps[at as usize])).collect();
        let mut roots: Vec<u32> = all().filter(|&at| always_live(this.steps[at as usize])).collect();
        roots.extend(record.tapes[tape].exports.iter().flat_map(|&id| &this.writers[id as usize]));
        this.enliven(roots);
        for guard in guards {
            if this.opening_of(guard).is_none_or(|opening| this.live[opening as usize]) {
                this.enliven(vec![guard]);
            }
        }
        this
    }

    /// Marks steps and all that they need.
    fn enliven(&mut self, mut work: Vec<u32>) {
        while let Some(at) = work.pop() {
            if !std::mem::replace(&mut self.live[at as usize], true) {
                work.extend(self.needs(at));
            }
        }
    }

    /// The steps that write what this one reads.
    fn needs(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let read = registers(self.record, self.tape, self.steps[at as usize], false);
        read.flat_map(|id| self.writers[id as usize].iter().copied())
    }

    /// The opening that a guard looks at, through what is computed with it.
    fn opening_of(&self, guard: u32) -> Option<u32> {
        let (mut work, mut seen) = (vec![guard], BTreeSet::new());
        while let Some(at) = work.pop() {
            if self.steps[at as usize].opcode == Opcode::Open {
                return Some(at);
            }
            if seen.insert(at) {
                work.extend(self.needs(at));
            }
        }
        None
    }
}

//! Dead code: an instruction whose results nobody reads goes, unless the outside notices it.
//!
//! Flow is not looked at: a register that is read anywhere in the tape keeps all that writes it.

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

fn always_live(step: &Step) -> bool {
    effect::is_ordered(step.opcode)
        || effect::is_input(step.opcode)
        || effect::memory(step.opcode).is_some_and(|access| access.write)
}

/// Removes dead steps from a tape.
pub fn remove(record: &mut Record, tape: usize) {
    let steps: Vec<&Step> = record.tapes[tape].blocks.iter().flat_map(|block| &block.steps).collect();
    let mut writers: Vec<Vec<u32>> = vec![Vec::new(); record.registers.len()];
    for (at, step) in steps.iter().enumerate() {
        for id in registers(record, tape, step, true) {
            writers[id as usize].push(at as u32);
        }
    }
    let mut live = vec![false; steps.len()];
    let mut work: Vec<u32> = Vec::new();
    let mut wanted = vec![false; record.registers.len()];
    let mut want = |id: RegisterId, work: &mut Vec<u32>| {
        if !std::mem::replace(&mut wanted[id as usize], true) {
            work.extend(&writers[id as usize]);
        }
    };
    work.extend((0..steps.len() as u32).filter(|&at| always_live(steps[at as usize])));
    for &id in &record.tapes[tape].exports {
        want(id, &mut work);
    }
    while let Some(at) = work.pop() {
        if std::mem::replace(&mut live[at as usize], true) {
            continue;
        }
        for id in registers(record, tape, steps[at as usize], false) {
            want(id, &mut work);
        }
    }
    let mut keep = live.into_iter();
    for block in &mut record.tapes[tape].blocks {
        block.steps.retain(|_| keep.next().expect("one verdict per step"));
    }
}

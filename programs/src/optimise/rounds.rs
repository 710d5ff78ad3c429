//! Fewer rounds: inside each block, independent operations of one kind become one instruction.
//!
//! The *level* of a step is the largest number of communicating steps on a path that leads to it. Communicating steps of
//! one level are independent of each other, so those of one kind meet in one instruction. Three assignments of levels
//! are tried and the one with the fewest rounds wins: as early as possible, as late as possible, and openings late with
//! everything else early.

use std::collections::{BTreeMap, HashMap};

use polyyne_bytecode::Opcode;

use crate::optimise::memory::{Accesses, Addresses};
use crate::optimise::{dead, effect};
use crate::record::{Arg, Block, Record, RegisterId, Step};

/// Openings of vectors are split into lanes where that joins them with others, up to so many lanes.
const SPLIT_LANES_MAX: u64 = 64;

/// Reorders and merges the steps of every block of a tape.
pub fn merge(record: &mut Record, tape: usize) {
    let mut blocks = std::mem::take(&mut record.tapes[tape].blocks);
    for block in &mut blocks {
        merge_block(record, tape, block);
    }
    record.tapes[tape].blocks = blocks;
}

fn merge_block(record: &Record, tape: usize, block: &mut Block) {
    let communicating = block.steps.iter().filter(|step| effect::is_mergeable(step.opcode)).count();
    if communicating < 2 {
        return;
    }
    let graph = Graph::new(record, tape, &block.steps);
    let early = graph.early(&block.steps, &vec![0; block.steps.len()]);
    let late = graph.late(&block.steps, &early);
    let openings_late: Vec<u32> = block
        .steps
        .iter()
        .zip(&late)
        .map(|(step, &level)| match step.opcode {
            Opcode::Open | Opcode::GOpen | Opcode::Reveal => level,
            _ => 0,
        })
        .collect();
    let mixed = graph.early(&block.steps, &openings_late);
    let best = [early, mixed, late]
        .into_iter()
        .map(|levels| Schedule::new(&block.steps, &levels))
        .min_by_key(|schedule| schedule.rounds)
        .expect("three schedules were tried");
    block.steps = best.apply(std::mem::take(&mut block.steps));
}

/// Which steps must follow which.
struct Graph {
    /// For each step, the earlier steps that it follows, and whether their round must be over.
    before: Vec<Vec<(u32, bool)>>,
}

impl Graph {
    fn new(record: &Record, tape: usize, steps: &[Step]) -> Self {
        let mut builder = Builder::default();
        let before =
            steps.iter().enumerate().map(|(at, step)| builder.step(record, tape, steps, at as u32, step)).collect();
        Graph { before }
    }

    /// The earliest levels, none below its minimum.
    fn early(&self, steps: &[Step], minimum: &[u32]) -> Vec<u32> {
        let mut levels: Vec<u32> = Vec::with_capacity(steps.len());
        for (at, before) in self.before.iter().enumerate() {
            let level = before
                .iter()
                .map(|&(earlier, over)| {
                    let round = over && effect::is_round(steps[earlier as usize].opcode);
                    levels[earlier as usize] + u32::from(round)
                })
                .max();
            levels.push(level.unwrap_or(0).max(minimum[at]));
        }
        levels
    }

    /// The latest levels that need no more of them than `early` does.
    fn late(&self, steps: &[Step], early: &[u32]) -> Vec<u32> {
        let is_round = |at: usize| effect::is_round(steps[at].opcode);
        let rounds = (0..steps.len()).map(|at| early[at] + u32::from(is_round(at))).max().unwrap_or(0);
        let mut levels: Vec<u32> = (0..steps.len()).map(|at| rounds - u32::from(is_round(at))).collect();
        for at in (0..steps.len()).rev() {
            for &(earlier, over) in &self.before[at] {
                let earlier = earlier as usize;
                let cost = u32::from(over && is_round(earlier));
                levels[earlier] = levels[earlier].min(levels[at].saturating_sub(cost));
            }
        }
        levels
    }
}

#[derive(Default)]
struct Use {
    writers: Vec<u32>,
    readers: Vec<u32>,
}

#[derive(Default)]
struct Builder {
    uses: HashMap<RegisterId, Use>,
    accesses: Accesses,
    addresses: Addresses,
    ordered: Option<u32>,
    input: Option<u32>,
}

impl Builder {
    fn step(&mut self, record: &Record, tape: usize, steps: &[Step], at: u32, step: &Step) -> Vec<(u32, bool)> {
        let mut after = Vec::new();
        self.registers(record, tape, at, step, &mut after);
        if let Some(access) = effect::memory(step.opcode) {
            self.accesses.note(at, step, access, &mut self.addresses, &mut after);
        }
        if matches!(step.opcode, Opcode::CallTape | Opcode::RunTape | Opcode::JoinTape) {
            self.accesses.barrier(at, &mut after);
        }
        if effect::is_ordered(step.opcode) || dead::is_guard(step) {
            after.extend(self.ordered.replace(at));
        }
        self.addresses.follow(step);
        let mut before: Vec<(u32, bool)> = after.into_iter().map(|step| (step, true)).collect();
        if effect::is_input(step.opcode)
            && let Some(last) = self.input.replace(at)
        {
            // Inputs that will be one instruction keep their order inside it.
            before.push((last, !mergeable_together(&steps[last as usize], step)));
        }
        if crate::record::is_jump(step.opcode) {
            before.extend((0..at).map(|earlier| (earlier, true)));
        }
        before.sort_unstable();
        before.dedup_by_key(|(earlier, _)| *earlier);
        before
    }

    fn registers(&mut self, record: &Record, tape: usize, at: u32, step: &Step, after: &mut Vec<u32>) {
        for id in dead::registers(record, tape, step, false) {
            let register = self.uses.entry(id).or_default();
            after.extend(&register.writers);
            if step.opcode == Opcode::Delshuffle {
                after.extend(&register.readers);
            }
            register.readers.push(at);
        }
        for id in dead::registers(record, tape, step, true) {
            let register = self.uses.entry(id).or_default();
            after.extend(register.readers.iter().filter(|&&reader| reader != at));
            after.extend(register.writers.iter().filter(|&&writer| writer != at));
            register.writers.retain(|&writer| writer == at);
            register.readers.retain(|&reader| reader == at);
            if register.writers.is_empty() {
                register.writers.push(at);
            }
        }
    }
}

fn mergeable_together(a: &Step, b: &Step) -> bool {
    a.opcode == b.opcode
        && (!effect::merges_by_size(a.opcode) || a.size.max(1) == b.size.max(1))
        && a.args[..effect::shared_operands(a.opcode).min(a.args.len())]
            == b.args[..effect::shared_operands(b.opcode).min(b.args.len())]
}

/// The new order: each entry is one instruction, made of the steps named.
struct Schedule {
    order: Vec<Vec<u32>>,
    rounds: usize,
}

impl Schedule {
    fn new(steps: &[Step], levels: &[u32]) -> Self {
        let top = levels.iter().copied().max().unwrap_or(0) as usize;
        let mut local: Vec<Vec<u32>> = vec![Vec::new(); top + 1];
        let mut rounds: Vec<BTreeMap<Kind, Vec<u32>>> = vec![BTreeMap::new(); top + 1];
        for (at, step) in steps.iter().enumerate() {
            let level = levels[at] as usize;
            if effect::is_round(step.opcode) {
                let kind = Kind::of(step, at as u32);
                rounds[level].entry(kind).or_default().push(at as u32);
            } else {
                local[level].push(at as u32);
            }
        }
        let mut order = Vec::new();
        let mut count = 0;
        for (local, rounds) in local.into_iter().zip(rounds) {
            order.extend(local.into_iter().map(|at| vec![at]));
            let mut merged: Vec<Vec<u32>> = join_openings(steps, rounds);
            merged.sort();
            count += merged.len();
            order.extend(merged);
        }
        Schedule { order, rounds: count }
    }

    fn apply(self, steps: Vec<Step>) -> Vec<Step> {
        let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
        self.order
            .into_iter()
            .map(|members| {
                let parts =
                    members.into_iter().map(|at| steps[at as usize].take().expect("a step has one place")).collect();
                joined(parts)
            })
            .collect()
    }
}

/// What must agree for two steps of one level to become one instruction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    opcode: Opcode,
    size: u64,
    shared: Option<i64>,
    /// Tells steps apart that cannot be merged at all.
    alone: Option<u32>,
}

impl Kind {
    fn of(step: &Step, at: u32) -> Self {
        let shared = match (effect::shared_operands(step.opcode), step.args.first()) {
            (1, Some(&Arg::Number(number))) => Some(number),
            _ => None,
        };
        Kind {
            opcode: step.opcode,
            size: if effect::merges_by_size(step.opcode) { step.size.max(1) } else { 0 },
            shared,
            alone: (!effect::is_mergeable(step.opcode)).then_some(at),
        }
    }
}

/// Openings have one vector size for all groups: short vectors join the single values, lane by lane.
fn join_openings(steps: &[Step], rounds: BTreeMap<Kind, Vec<u32>>) -> Vec<Vec<u32>> {
    let mut lanes: HashMap<Opcode, u64> = HashMap::new();
    let mut kinds: HashMap<Opcode, u64> = HashMap::new();
    for (kind, members) in &rounds {
        if matches!(kind.opcode, Opcode::Open | Opcode::GOpen) {
            let groups: u64 =
                members.iter().map(|&at| (steps[at as usize].args.len() as u64).saturating_sub(1) / 2).sum();
            *lanes.entry(kind.opcode).or_default() += groups * kind.size;
            *kinds.entry(kind.opcode).or_default() += 1;
        }
    }
    let mut merged: BTreeMap<Kind, Vec<u32>> = BTreeMap::new();
    for (mut kind, members) in rounds {
        let join = kinds.get(&kind.opcode).is_some_and(|&kinds| kinds > 1)
            && lanes.get(&kind.opcode).is_some_and(|&lanes| lanes <= SPLIT_LANES_MAX);
        if join {
            kind.size = 1;
        }
        merged.entry(kind).or_default().extend(members);
    }
    merged
        .into_values()
        .map(|mut members| {
            members.sort_unstable();
            members
        })
        .collect()
}

fn joined(parts: Vec<Step>) -> Step {
    let uneven =
        parts.iter().any(|part| part.size.max(1) != parts[0].size.max(1)) && effect::merges_by_size(parts[0].opcode);
    let mut parts = parts.into_iter().map(|part| match uneven {
        true => by_lanes(part),
        false => part,
    });
    let mut first = parts.next().expect("an instruction has a step");
    let shared = effect::shared_operands(first.opcode);
    for part in parts {
        first.args.extend(part.args.into_iter().skip(shared));
    }
    first
}

/// The same opening with a group for every lane.
fn by_lanes(step: Step) -> Step {
    let size = step.size.max(1) as u32;
    let mut args = vec![step.args[0].clone()];
    for pair in step.args[1..].chunks(2) {
        for lane in 0..size {
            args.extend(pair.iter().map(|arg| match *arg {
                Arg::Register { id, offset, write } => Arg::Register { id, offset: offset + lane, write },
                ref other => other.clone(),
            }));
        }
    }
    Step { size: 1, args, ..step }
}

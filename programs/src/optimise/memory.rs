//! Which loads and stores of a block may touch the same cell.
//!
//! Addresses are followed as linear forms over the block's unknown integers: `8192 + 4 i + j`. Two accesses whose forms
//! differ by a constant are compared lane by lane; of different allocations they never meet (an index that leaves its
//! array is the program's fault); of all others it is assumed that they do.

use std::collections::{BTreeMap, HashMap};

use polyyne_bytecode::Opcode;

use crate::optimise::effect::MemoryAccess;
use crate::record::{Arg, RegisterId, Step};

/// Accesses of more lanes than this are followed as an interval.
const CELLS_MAX: u64 = 4096;
/// With more unrelated addresses than this, the next access waits for all.
const GROUPS_MAX: usize = 64;

/// Unknowns and their factors, by unknown.
type Terms = Vec<(u64, i64)>;

/// base + lane * step, where base is a constant plus unknowns times factors.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Form {
    terms: Terms,
    constant: i64,
    step: i64,
}

impl Form {
    fn constant(constant: i64) -> Self {
        Form { terms: Vec::new(), constant, step: 0 }
    }

    fn unknown(name: u64) -> Self {
        Form { terms: vec![(name, 1)], constant: 0, step: 0 }
    }

    fn add(&self, other: &Form, sign: i64) -> Option<Form> {
        let mut terms: BTreeMap<u64, i64> = self.terms.iter().copied().collect();
        for &(name, factor) in &other.terms {
            let sum = terms.entry(name).or_default();
            *sum = sum.checked_add(factor.checked_mul(sign)?)?;
        }
        Some(Form {
            terms: terms.into_iter().filter(|&(_, f)| f != 0).collect(),
            constant: self.constant.checked_add(other.constant.checked_mul(sign)?)?,
            step: self.step.checked_add(other.step.checked_mul(sign)?)?,
        })
    }

    fn times(&self, factor: i64) -> Option<Form> {
        Some(Form {
            terms: self.terms.iter().map(|&(name, f)| Some((name, f.checked_mul(factor)?))).collect::<Option<_>>()?,
            constant: self.constant.checked_mul(factor)?,
            step: self.step.checked_mul(factor)?,
        })
    }

    fn is_constant(&self) -> bool {
        self.terms.is_empty() && self.step == 0
    }
}

/// The values of integer registers inside one block, as far as they are known.
#[derive(Default)]
pub struct Addresses {
    forms: HashMap<RegisterId, Form>,
    unknowns: u64,
}

impl Addresses {
    fn form(&mut self, arg: &Arg, lanes: u64) -> Option<Form> {
        match *arg {
            Arg::Number(number) => Some(Form::constant(number)),
            Arg::Register { id, offset, .. } => {
                if offset == 0
                    && let Some(form) = self.forms.get(&id)
                {
                    return Some(form.clone());
                }
                if lanes > 1 || offset > 0 {
                    return None;
                }
                let name = self.fresh();
                self.forms.insert(id, Form::unknown(name));
                Some(Form::unknown(name))
            }
            _ => None,
        }
    }

    fn fresh(&mut self) -> u64 {
        self.unknowns += 1;
        self.unknowns
    }

    /// Follows what a step does to integer registers.
    pub fn follow(&mut self, step: &Step) {
        let result = self.evaluate(step);
        for arg in &step.args {
            if let Arg::Register { id, write: true, .. } = *arg {
                self.forms.remove(&id);
            }
        }
        if let (Some(form), Some(Arg::Register { id, offset: 0, .. })) = (result, step.args.first()) {
            self.forms.insert(*id, form);
        }
    }

    fn evaluate(&mut self, step: &Step) -> Option<Form> {
        let lanes = step.size.max(1);
        match step.opcode {
            Opcode::Ldint => self.form(&step.args[1], lanes),
            Opcode::Movint => self.form(&step.args[1], lanes),
            Opcode::Addint | Opcode::Subint => {
                let sign = if step.opcode == Opcode::Addint { 1 } else { -1 };
                let left = self.form(&step.args[1], lanes)?;
                left.add(&self.form(&step.args[2], lanes)?, sign)
            }
            Opcode::Mulint => {
                let left = self.form(&step.args[1], lanes)?;
                let right = self.form(&step.args[2], lanes)?;
                if right.is_constant() {
                    left.times(right.constant)
                } else if left.is_constant() {
                    right.times(left.constant)
                } else {
                    None
                }
            }
            Opcode::Incint => {
                let base = self.form(&step.args[1], 1)?;
                let (Arg::Number(step_by), Arg::Number(repeat), Arg::Number(wrap)) =
                    (&step.args[2], &step.args[3], &step.args[4])
                else {
                    return None;
                };
                let plain = *step_by == 0 || (*repeat == 1 && u64::try_from(*wrap).is_ok_and(|wrap| wrap >= lanes));
                plain.then_some(Form { step: *step_by, ..base })
            }
            _ => None,
        }
    }

    /// The cells that a load or store touches, if its address can be followed.
    fn cells(&mut self, step: &Step, access: MemoryAccess) -> Option<Cells> {
        let lanes = step.size.max(1);
        let address = step.args.get(1)?;
        let mut form = match step.opcode {
            Opcode::Matmulsm | Opcode::GMatmulsm => return None,
            _ => self.form(address, if access.direct { 1 } else { lanes })?,
        };
        if access.direct || is_contiguous(step.opcode) {
            form.step = 1;
        }
        Some(Cells { terms: form.terms, first: form.constant, step: form.step, lanes })
    }
}

/// The Boolean banks read one address and run on from there.
fn is_contiguous(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Ldmsbi | Opcode::Stmsbi | Opcode::Ldmcbi | Opcode::Stmcbi)
}

struct Cells {
    terms: Terms,
    first: i64,
    step: i64,
    lanes: u64,
}

impl Cells {
    fn bounds(&self) -> Option<(i64, i64)> {
        let span = i64::try_from(self.lanes - 1).ok()?.checked_mul(self.step)?;
        let last = self.first.checked_add(span)?;
        Some((self.first.min(last), self.first.max(last)))
    }
}

#[derive(Default)]
struct Cell {
    write: Option<u32>,
    reads: Vec<u32>,
}

#[derive(Default)]
struct Group {
    cells: HashMap<i64, Cell>,
    /// Accesses too wide to be followed by cell: bounds, step, whether it writes.
    wide: Vec<(i64, i64, u32, bool)>,
    all_writes: Vec<u32>,
    all_reads: Vec<u32>,
}

/// The accesses of one block to one memory so far.
#[derive(Default)]
struct Bank {
    /// By allocation, then by the unknown part of the address.
    groups: BTreeMap<u32, HashMap<Terms, Group>>,
    /// A store to an unknown address: all later accesses wait for it.
    barrier: Option<u32>,
    /// Loads from unknown addresses, and their allocations: later stores wait for them.
    loads: Vec<(u32, u32)>,
}

/// The order among a block's loads and stores.
#[derive(Default)]
pub struct Accesses {
    banks: BTreeMap<usize, Bank>,
}

impl Accesses {
    /// Notes the access of step `at` and says which earlier steps it must follow.
    pub fn note(
        &mut self,
        at: u32,
        step: &Step,
        access: MemoryAccess,
        addresses: &mut Addresses,
        after: &mut Vec<u32>,
    ) {
        let bank = self.banks.entry(access.bank.index()).or_default();
        after.extend(bank.barrier);
        if access.write {
            let meets = |of: u32| of == 0 || step.allocation == 0 || of == step.allocation;
            after.extend(bank.loads.iter().filter(|(_, of)| meets(*of)).map(|(load, _)| load));
        }
        let cells = addresses.cells(step, access).and_then(|cells| cells.bounds().map(|bounds| (cells, bounds)));
        match cells {
            Some((cells, bounds)) if bank.addresses(step.allocation) < GROUPS_MAX => {
                bank.follow(at, step.allocation, cells, bounds, access.write, after);
            }
            _ if !access.write => bank.load_anything(at, step.allocation, after),
            _ => bank.wait_for_all(at, step.allocation, after),
        }
    }

    /// Step `at` may touch anything: it follows all, and all later accesses follow it.
    pub fn barrier(&mut self, at: u32, after: &mut Vec<u32>) {
        for index in polyyne_bytecode::Bank::ALL.map(polyyne_bytecode::Bank::index) {
            let bank = self.banks.entry(index).or_default();
            after.extend(bank.barrier);
            after.extend(bank.loads.iter().map(|(load, _)| load));
            bank.wait_for_all(at, 0, after);
        }
    }
}

impl Bank {
    /// How many unrelated addresses the accesses to one allocation have.
    fn addresses(&self, allocation: u32) -> usize {
        self.groups.get(&allocation).map_or(0, HashMap::len)
    }

    /// The groups that an access to this allocation may meet.
    fn related(&self, allocation: u32) -> impl Iterator<Item = (&Terms, &Group)> {
        self.groups
            .iter()
            .filter(move |(other, _)| allocation == 0 || **other == 0 || **other == allocation)
            .flat_map(|(_, groups)| groups.iter())
    }

    /// A load whose address is not followed.
    fn load_anything(&mut self, at: u32, allocation: u32, after: &mut Vec<u32>) {
        for (_, group) in self.related(allocation) {
            after.extend(&group.all_writes);
        }
        self.loads.push((at, allocation));
    }

    /// A store whose address is not followed: it may meet the whole allocation, or everything.
    fn wait_for_all(&mut self, at: u32, allocation: u32, after: &mut Vec<u32>) {
        for (_, group) in self.related(allocation) {
            after.extend(&group.all_writes);
            after.extend(&group.all_reads);
        }
        if allocation == 0 {
            self.groups.clear();
            self.loads.clear();
            self.barrier = Some(at);
            return;
        }
        // No other access has these terms, so every later one of this allocation waits for it.
        let group = Group { all_writes: vec![at], ..Group::default() };
        let terms = vec![(u64::MAX, i64::from(at))];
        self.groups.insert(allocation, HashMap::from([(terms, group)]));
    }

    fn follow(
        &mut self,
        at: u32,
        allocation: u32,
        cells: Cells,
        bounds: (i64, i64),
        write: bool,
        after: &mut Vec<u32>,
    ) {
        for (terms, group) in self.related(allocation) {
            if *terms == cells.terms {
                group.conflicts(&cells, bounds, write, after);
                continue;
            }
            after.extend(&group.all_writes);
            if write {
                after.extend(&group.all_reads);
            }
        }
        self.groups
            .entry(allocation)
            .or_default()
            .entry(cells.terms.clone())
            .or_default()
            .note(at, &cells, bounds, write);
    }
}

impl Group {
    fn conflicts(&self, cells: &Cells, (low, high): (i64, i64), write: bool, after: &mut Vec<u32>) {
        for &(from, to, at, wrote) in &self.wide {
            if (write || wrote) && from <= high && low <= to {
                after.push(at);
            }
        }
        let mut check = |cell: &Cell| {
            after.extend(cell.write);
            if write {
                after.extend(&cell.reads);
            }
        };
        if cells.lanes <= CELLS_MAX {
            for lane in 0..cells.lanes as i64 {
                if let Some(cell) = self.cells.get(&(cells.first + lane * cells.step)) {
                    check(cell);
                }
            }
        } else {
            for (address, cell) in &self.cells {
                if (low..=high).contains(address) {
                    check(cell);
                }
            }
        }
    }

    fn note(&mut self, at: u32, cells: &Cells, (low, high): (i64, i64), write: bool) {
        if write {
            self.all_writes.push(at);
        } else {
            self.all_reads.push(at);
        }
        if cells.lanes > CELLS_MAX {
            if write {
                self.wide.retain(|&(from, to, ..)| from < low || high < to || cells.step.abs() != 1);
            }
            self.wide.push((low, high, at, write));
            return;
        }
        for lane in 0..cells.lanes as i64 {
            let cell = self.cells.entry(cells.first + lane * cells.step).or_default();
            if write {
                cell.write = Some(at);
                cell.reads.clear();
            } else {
                cell.reads.push(at);
            }
        }
    }
}

//! Element-wise arithmetic on clear elements and the local (linear) operations on shares, the same for every field.

use super::fault::{Fault, Step};
use super::memory::PairMemory;
use super::state::{Pair, address};
use crate::field::{BinaryField, Field, PrimeField};
use crate::share::MacKeyShare;
use polyyne_bytecode::{Bank, Opcode};

/// Lanes that one call of a kernel works on where its results are needed once more.
const BLOCK: usize = 256;

/// How a program's numbers become elements of a field.
pub(super) trait Domain: Field {
    const SECRET: Bank;
    const CLEAR: Bank;
    /// A 32-bit immediate.
    fn immediate(&self, value: i32) -> Self::Element;
    /// The immediate of a field division.
    fn divisor(&self, value: i32) -> Self::Element;
    /// A 64-bit integer.
    fn integer(&self, value: i64) -> Self::Element;
    /// The result of a bitwise operation on canonical representatives.
    fn wrap(&self, bits: u128) -> Self::Element;
}

impl Domain for PrimeField {
    const SECRET: Bank = Bank::Sint;
    const CLEAR: Bank = Bank::Cint;

    fn immediate(&self, value: i32) -> Self::Element {
        self.from_i64(value.into())
    }

    /// Read as an unsigned 64-bit number.
    fn divisor(&self, value: i32) -> Self::Element {
        self.element(u128::from(i64::from(value) as u64))
    }

    fn integer(&self, value: i64) -> Self::Element {
        self.from_i64(value)
    }

    fn wrap(&self, bits: u128) -> Self::Element {
        self.element(bits)
    }
}

impl Domain for BinaryField {
    const SECRET: Bank = Bank::Sgf2n;
    const CLEAR: Bank = Bank::Cgf2n;

    /// The pattern of 32 bits.
    fn immediate(&self, value: i32) -> Self::Element {
        self.cut(u128::from(value as u32))
    }

    fn divisor(&self, value: i32) -> Self::Element {
        self.cut(u128::from(i64::from(value) as u64))
    }

    /// The pattern of 64 bits.
    fn integer(&self, value: i64) -> Self::Element {
        self.cut(u128::from(value as u64))
    }

    fn wrap(&self, bits: u128) -> Self::Element {
        self.cut(bits)
    }
}

/// What an instruction works on: registers, memory and integers.
pub(super) struct Desk<'a, F: Field> {
    pub field: &'a F,
    pub key: &'a MacKeyShare<F>,
    pub registers: &'a mut Pair<F>,
    pub memory: &'a mut PairMemory<F>,
    pub ints: &'a mut [i64],
}

impl<F: Domain> Desk<'_, F> {
    /// Runs an instruction by its prime-field opcode; false if it is not one of these.
    pub(super) fn run(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        Ok(self.clear(opcode, size, args)? || self.secret(opcode, size, args) || self.transfer(opcode, size, args)?)
    }

    fn clear(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let f = self.field;
        let at = |k: usize| args[k] as usize;
        let immediate = |k: usize| f.immediate(args[k] as i32);
        let bits = |x| f.to_bits(x);
        let c = &mut self.registers.c;
        let (two, three) = (|| [0, 1].map(at), || [0, 1, 2].map(at));
        match opcode {
            Opcode::Ldi => c[at(0)..at(0) + size].fill(immediate(1)),
            Opcode::Movc => c.copy_within(at(1)..at(1) + size, at(0)),
            Opcode::Addc => zip(c, size, three(), |a, b| f.add(a, b)),
            Opcode::Subc => zip(c, size, three(), |a, b| f.sub(a, b)),
            Opcode::Mulc => zip(c, size, three(), |a, b| f.mul(a, b)),
            Opcode::Addci | Opcode::Subci | Opcode::Subcfi | Opcode::Mulci => {
                let operand = immediate(2);
                match opcode {
                    Opcode::Addci => map(c, size, two(), |a| f.add(a, operand)),
                    Opcode::Subci => map(c, size, two(), |a| f.sub(a, operand)),
                    Opcode::Subcfi => map(c, size, two(), |a| f.sub(operand, a)),
                    _ => scale(f, c, size, two(), operand),
                }
            }
            Opcode::Divc => {
                // Lane after lane: a quotient may be the divisor of the next one.
                for i in 0..size {
                    let (dividend, divisor) = (c[at(1) + i], c[at(2) + i]);
                    if divisor == f.zero() {
                        return Err(Fault::DivisionByZero);
                    }
                    c[at(0) + i] = f.mul(dividend, f.inv(divisor));
                }
            }
            Opcode::Divci => {
                let divisor = f.divisor(args[2] as i32);
                if divisor == f.zero() {
                    return Err(Fault::DivisionByZero);
                }
                let inverse = f.inv(divisor);
                scale(f, c, size, two(), inverse);
            }
            Opcode::Andc => zip(c, size, three(), |a, b| f.wrap(bits(a) & bits(b))),
            Opcode::Orc => zip(c, size, three(), |a, b| f.wrap(bits(a) | bits(b))),
            Opcode::Xorc => zip(c, size, three(), |a, b| f.wrap(bits(a) ^ bits(b))),
            Opcode::Andci => map(c, size, two(), |a| f.wrap(bits(a) & bits(immediate(2)))),
            Opcode::Orci => map(c, size, two(), |a| f.wrap(bits(a) | bits(immediate(2)))),
            Opcode::Xorci => map(c, size, two(), |a| f.wrap(bits(a) ^ bits(immediate(2)))),
            Opcode::Convint => {
                for i in 0..size {
                    c[at(0) + i] = f.integer(self.ints[at(1) + i]);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn secret(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> bool {
        let f = self.field;
        let key = self.key;
        let at = |k: usize| args[k] as usize;
        let immediate = |k: usize| f.immediate(args[k] as i32);
        let Pair { s, c } = &mut *self.registers;
        match opcode {
            Opcode::Ldsi => {
                let (value, mac) = key.constant(f, immediate(1));
                s.values[at(0)..at(0) + size].fill(value);
                s.macs[at(0)..at(0) + size].fill(mac);
            }
            Opcode::Movs => {
                s.values.copy_within(at(1)..at(1) + size, at(0));
                s.macs.copy_within(at(1)..at(1) + size, at(0));
            }
            Opcode::Adds | Opcode::Subs => {
                for half in [&mut s.values, &mut s.macs] {
                    match opcode {
                        Opcode::Adds => zip(half, size, [0, 1, 2].map(at), |a, b| f.add(a, b)),
                        _ => zip(half, size, [0, 1, 2].map(at), |a, b| f.sub(a, b)),
                    }
                }
            }
            Opcode::Addm | Opcode::Subml => {
                let (own, _) = key.constant(f, f.one());
                let (to, from, clear) = (at(0), at(1), &c[at(2)..at(2) + size]);
                let mut macs = [f.zero(); BLOCK];
                for (block, clear) in clear.chunks(BLOCK).enumerate() {
                    f.scale_all(&mut macs[..clear.len()], clear, key.alpha());
                    for (i, (&clear, &mac)) in (block * BLOCK..).zip(clear.iter().zip(&macs)) {
                        let value = if own == f.one() { clear } else { f.zero() };
                        let (x, gamma) = s.get(from + i);
                        let sum = match opcode {
                            Opcode::Addm => (f.add(x, value), f.add(gamma, mac)),
                            _ => (f.sub(x, value), f.sub(gamma, mac)),
                        };
                        s.set(to + i, sum);
                    }
                }
            }
            Opcode::Submr => {
                for i in 0..size {
                    let (value, mac) = key.constant(f, c[at(1) + i]);
                    let (x, gamma) = s.get(at(2) + i);
                    s.set(at(0) + i, (f.sub(value, x), f.sub(mac, gamma)));
                }
            }
            Opcode::Addsi | Opcode::Subsi | Opcode::Subsfi => {
                let clear = if opcode == Opcode::Subsi { f.neg(immediate(2)) } else { immediate(2) };
                let (value, mac) = key.constant(f, clear);
                for i in 0..size {
                    let (x, gamma) = s.get(at(1) + i);
                    let sum = if opcode == Opcode::Subsfi {
                        (f.sub(value, x), f.sub(mac, gamma))
                    } else {
                        (f.add(x, value), f.add(gamma, mac))
                    };
                    s.set(at(0) + i, sum);
                }
            }
            Opcode::Mulm => {
                for half in [&mut s.values, &mut s.macs] {
                    let factors = &c[at(2)..at(2) + size];
                    match apart(half, size, at(0), [at(1)]) {
                        Some((out, [a])) => f.multiply_all(out, a, factors),
                        None => (0..size).for_each(|i| half[at(0) + i] = f.mul(half[at(1) + i], factors[i])),
                    }
                }
            }
            Opcode::Mulsi => {
                let factor = immediate(2);
                for half in [&mut s.values, &mut s.macs] {
                    scale(f, half, size, [0, 1].map(at), factor);
                }
            }
            Opcode::Prefixsums => {
                for half in [&mut s.values, &mut s.macs] {
                    let mut sum = f.zero();
                    for i in 0..size {
                        sum = f.add(sum, half[at(1) + i]);
                        half[at(0) + i] = sum;
                    }
                }
            }
            Opcode::Picks => rearrange(s, at(0), (0..size as i64).map(|i| (args[1] + args[2] + i * args[3]) as usize)),
            Opcode::Concats => {
                let parts = || args[1..].chunks_exact(2).map(|part| (part[1] as usize, part[0] as usize));
                let to = at(0)..at(0) + size;
                if parts().any(|(from, len)| from < to.end && to.start < from + len) {
                    rearrange(s, at(0), parts().flat_map(|(from, len)| from..from + len));
                } else {
                    parts().fold(at(0), |to, (from, len)| {
                        s.values.copy_within(from..from + len, to);
                        s.macs.copy_within(from..from + len, to);
                        to + len
                    });
                }
            }
            Opcode::Zips => rearrange(s, at(0), (0..size).flat_map(|i| [at(1) + i, at(2) + i])),
            _ => return false,
        }
        true
    }

    /// Memory, direct and indirect: the indirect forms read one address for each lane.
    fn transfer(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let at = |k: usize| args[k] as usize;
        let (registers, memory) = (&mut *self.registers, &mut *self.memory);
        match opcode {
            Opcode::Ldmc => memory.c.read(at(1), &mut registers.c[at(0)..at(0) + size]),
            Opcode::Stmc => memory.c.write(at(1), &registers.c[at(0)..at(0) + size]),
            Opcode::Ldms => memory.s.load(at(1), &mut registers.s, at(0), size),
            Opcode::Stms => memory.s.store(at(1), &registers.s, at(0), size),
            Opcode::Ldmci | Opcode::Stmci => {
                for i in 0..size {
                    let address = address(F::CLEAR, self.ints[at(1) + i], memory.c.len())?;
                    match opcode {
                        Opcode::Ldmci => registers.c[at(0) + i] = memory.c.get(address),
                        _ => memory.c.set(address, registers.c[at(0) + i]),
                    }
                }
            }
            Opcode::Ldmsi | Opcode::Stmsi => {
                for i in 0..size {
                    let address = address(F::SECRET, self.ints[at(1) + i], memory.s.len())?;
                    match opcode {
                        Opcode::Ldmsi => registers.s.set(at(0) + i, memory.s.get(address)),
                        _ => memory.s.set(address, registers.s.get(at(0) + i)),
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The lanes from `to` on, to be written, and those from each source on, to be read; `None` if what is written is read.
fn apart<E, const N: usize>(
    lanes: &mut [E],
    size: usize,
    to: usize,
    sources: [usize; N],
) -> Option<(&mut [E], [&[E]; N])> {
    if sources.iter().any(|&from| from < to + size && to < from + size) {
        return None;
    }
    let (before, rest) = lanes.split_at_mut(to);
    let (out, after) = rest.split_at_mut(size);
    let (before, after) = (&*before, &*after);
    let source = |from: usize| if from < to { &before[from..from + size] } else { &after[from - to - size..][..size] };
    Some((out, sources.map(source)))
}

/// lanes[to + i] := op(lanes[a + i], lanes[b + i]), lane after lane.
pub(super) fn zip<E: Copy>(lanes: &mut [E], size: usize, [to, a, b]: [usize; 3], op: impl Fn(E, E) -> E) {
    match apart(lanes, size, to, [a, b]) {
        Some((out, [a, b])) => out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = op(a, b)),
        None => (0..size).for_each(|i| lanes[to + i] = op(lanes[a + i], lanes[b + i])),
    }
}

/// lanes[to + i] := op(lanes[a + i]), lane after lane.
fn map<E: Copy>(lanes: &mut [E], size: usize, [to, a]: [usize; 2], op: impl Fn(E) -> E) {
    match apart(lanes, size, to, [a]) {
        Some((out, [a])) => out.iter_mut().zip(a).for_each(|(out, &a)| *out = op(a)),
        None => (0..size).for_each(|i| lanes[to + i] = op(lanes[a + i])),
    }
}

/// lanes[to + i] := lanes[a + i]·factor, lane after lane.
fn scale<F: Field>(f: &F, lanes: &mut [F::Element], size: usize, [to, a]: [usize; 2], factor: F::Element) {
    match apart(lanes, size, to, [a]) {
        Some((out, [a])) => f.scale_all(out, a, factor),
        None => (0..size).for_each(|i| lanes[to + i] = f.mul(lanes[a + i], factor)),
    }
}

/// s[to + k] := s[sources[k]], all read before any is written.
fn rearrange<F: Field>(s: &mut crate::share::Shares<F>, to: usize, sources: impl Iterator<Item = usize> + Clone) {
    for half in [&mut s.values, &mut s.macs] {
        let moved: Vec<F::Element> = sources.clone().map(|from| half[from]).collect();
        half[to..to + moved.len()].copy_from_slice(&moved);
    }
}

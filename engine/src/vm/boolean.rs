//! Boolean instructions without communication. A register holds 64 bits; a vector of n bits spans ⌈n/64⌉ of them, and
//! what lies beyond the n is zero in results.

use super::arithmetic::zip;
use super::fault::{Fault, Step};
use super::memory::BitMemory;
use super::state::{BitBank, address};
use crate::field::{BinaryField, Field, Gf2n, PrimeField};
use crate::share::{MacKeyShare, Shares};
use polyyne_bytecode::{Bank, Opcode};

/// Bits in a register.
pub(super) const WORD: usize = 64;

/// What a Boolean instruction works on.
pub(super) struct Board<'a> {
    pub field: &'a BinaryField,
    pub key: &'a MacKeyShare<BinaryField>,
    pub prime: &'a PrimeField,
    pub registers: &'a mut BitBank,
    pub memory: &'a mut BitMemory,
    pub ints: &'a mut [i64],
    pub clear: &'a [crate::field::Fp],
}

impl Board<'_> {
    /// Runs an instruction; false if it is not one of these.
    pub(super) fn run(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        Ok(self.clear(opcode, size, args)? || self.secret(opcode, args)? || self.transfer(opcode, size, args)?)
    }

    fn clear(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let at = |k: usize| args[k] as usize;
        let c = &mut self.registers.c;
        // Immediates are sign-extended to words.
        let word = |k: usize| args[k] as u64;
        match opcode {
            Opcode::Xorcb => {
                for j in 0..at(0).div_ceil(WORD) {
                    c[at(1) + j] = (c[at(2) + j] ^ c[at(3) + j]) & mask(at(0), j);
                }
            }
            Opcode::Notcb => {
                for j in 0..at(0).div_ceil(WORD) {
                    c[at(1) + j] = !c[at(2) + j] & mask(at(0), j);
                }
            }
            Opcode::Xorcbi => c[at(0)] = c[at(1)] ^ word(2),
            Opcode::Addcb => c[at(0)] = c[at(1)].wrapping_add(c[at(2)]),
            Opcode::Addcbi => c[at(0)] = c[at(1)].wrapping_add(word(2)),
            Opcode::Mulcbi => c[at(0)] = c[at(1)].wrapping_mul(word(2)),
            Opcode::Shrcbi => c[at(0)] = c[at(1)].checked_shr(args[2] as u32).unwrap_or(0),
            Opcode::Shlcbi => c[at(0)] = c[at(1)].checked_shl(args[2] as u32).unwrap_or(0),
            Opcode::Bitdecc => {
                let bits = c[at(0)];
                args[1..].iter().enumerate().for_each(|(k, &to)| c[to as usize] = bits >> k & 1);
            }
            Opcode::Convcint => c[at(0)] = self.ints[at(1)] as u64,
            Opcode::Convcbit => self.ints[at(0)] = c[at(1)] as i64,
            Opcode::Convcbitvec => {
                for i in 0..at(0) {
                    self.ints[at(1) + i] = (c[at(2) + i / WORD] >> (i % WORD) & 1) as i64;
                }
            }
            Opcode::Convcintvec => {
                for (bit, &to) in args[1..].iter().enumerate() {
                    let to = to as usize;
                    c[to..to + size.div_ceil(WORD)].fill(0);
                    for i in 0..size {
                        let value = self.prime.to_u128(self.clear[at(0) + i]);
                        let bit = value.checked_shr(bit as u32).unwrap_or(0) as u64 & 1;
                        c[to + i / WORD] |= bit << (i % WORD);
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The share of a public bit.
    fn constant(&self, bit: bool) -> (Gf2n, Gf2n) {
        if bit { self.key.constant(self.field, self.field.one()) } else { (self.field.zero(), self.field.zero()) }
    }

    /// Writes a vector of bits from register `to` on, and zeros up to the end of its last register.
    fn store(&mut self, to: usize, bits: impl Iterator<Item = (Gf2n, Gf2n)>) {
        store(&mut self.registers.s, to, bits);
    }

    /// The sums of two vectors of bits, and zeros up to the end of the last register.
    fn add_vectors(&mut self, bits: usize, to: usize, [a, b]: [usize; 2]) {
        let f = *self.field;
        let s = &mut *self.registers;
        let end = (to + bits).next_multiple_of(WORD);
        // Where a source begins elsewhere inside the result, it is read before it is written.
        let shifted = |from: usize| from != to && from < to + bits && to < from + bits;
        for half in [&mut s.s.values, &mut s.s.macs] {
            if shifted(a) || shifted(b) {
                let sums: Vec<Gf2n> = (0..bits).map(|i| f.add(half[a + i], half[b + i])).collect();
                half[to..to + bits].copy_from_slice(&sums);
            } else {
                zip(half, bits, [to, a, b], |x, y| f.add(x, y));
            }
            half[to + bits..end].fill(f.zero());
        }
    }

    /// A function of each bit of a vector by its place, for values and MACs, and zeros up to the end of the last register.
    fn map_vector(
        &mut self,
        bits: usize,
        to: usize,
        from: usize,
        value: impl Fn(usize, Gf2n) -> Gf2n,
        mac: impl Fn(usize, Gf2n) -> Gf2n,
    ) {
        let s = &mut self.registers.s;
        map_half(&mut s.values, bits, to, from, value);
        map_half(&mut s.macs, bits, to, from, mac);
    }

    fn secret(&mut self, opcode: Opcode, args: &[i64]) -> Step<bool> {
        let f = *self.field;
        let at = |k: usize| args[k] as usize;
        let first = |register: usize| register * WORD;
        match opcode {
            Opcode::Xors => {
                for group in args.chunks_exact(4) {
                    let [bits, to, a, b] = [0, 1, 2, 3].map(|k| group[k] as usize);
                    self.add_vectors(bits, first(to), [first(a), first(b)]);
                }
            }
            Opcode::Xorm | Opcode::Andm => {
                let words = self.registers.c[at(3)..at(3) + at(0).div_ceil(WORD)].to_vec();
                // A bit of the word as 0 or all ones: nothing branches, though clear bits might.
                let mask = |i: usize| u128::from(words[i / WORD] >> (i % WORD) & 1).wrapping_neg();
                let one = self.constant(true);
                match opcode {
                    Opcode::Xorm => {
                        let plus = |i: usize, x: Gf2n, one: Gf2n| f.add(x, f.cut(f.to_bits(one) & mask(i)));
                        self.map_vector(
                            at(0),
                            first(at(1)),
                            first(at(2)),
                            |i, x| plus(i, x, one.0),
                            |i, x| plus(i, x, one.1),
                        );
                    }
                    _ => {
                        let select = |i: usize, x: Gf2n| f.cut(f.to_bits(x) & mask(i));
                        self.map_vector(at(0), first(at(1)), first(at(2)), select, select);
                    }
                }
            }
            Opcode::Nots => {
                let one = self.constant(true);
                let (plus_value, plus_mac) = (|_, x| f.add(x, one.0), |_, x| f.add(x, one.1));
                self.map_vector(at(0), first(at(1)), first(at(2)), plus_value, plus_mac);
            }
            Opcode::Movsb => {
                let s = &self.registers.s;
                let bits: Vec<_> = (0..at(0)).map(|i| s.get(first(at(2)) + i)).collect();
                self.store(at(1), bits.into_iter());
            }
            Opcode::Ldbits => {
                let value = args[2] as u64;
                let bits: Vec<_> = (0..at(1)).map(|i| self.constant(value >> i & 1 == 1)).collect();
                self.store(at(0), bits.into_iter());
            }
            Opcode::Convsint => {
                let value = self.ints[at(2)];
                let fits = value.unsigned_abs().checked_shr(args[0] as u32).unwrap_or(0) == 0;
                if !fits {
                    return Err(Fault::Overflow { bits: args[0] as u32 });
                }
                let bits: Vec<_> = (0..at(0)).map(|i| self.constant(value >> i & 1 == 1)).collect();
                self.store(at(1), bits.into_iter());
            }
            Opcode::Convcbit2s => {
                let words = self.registers.c[at(2)..at(2) + at(0).div_ceil(WORD)].to_vec();
                let bits: Vec<_> = (0..at(0)).map(|i| self.constant(words[i / WORD] >> (i % WORD) & 1 == 1)).collect();
                self.store(at(1), bits.into_iter());
            }
            Opcode::Bitdecs => {
                let s = &self.registers.s;
                let bits: Vec<_> = (0..args.len() - 1).map(|k| s.get(first(at(0)) + k)).collect();
                args[1..].iter().zip(bits).for_each(|(&to, bit)| self.store(to as usize, std::iter::once(bit)));
            }
            Opcode::Bitcoms => {
                let s = &self.registers.s;
                let bits: Vec<_> = args[1..].iter().map(|&from| s.get(first(from as usize))).collect();
                self.store(at(0), bits.into_iter());
            }
            Opcode::Trans => {
                let (outputs, inputs) = args[1..].split_at(at(0));
                let s = &self.registers.s;
                let columns: Vec<Vec<_>> = (0..outputs.len())
                    .map(|i| inputs.iter().map(|&from| s.get(first(from as usize) + i)).collect())
                    .collect();
                outputs.iter().zip(columns).for_each(|(&to, column)| self.store(to as usize, column.into_iter()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Memory; the indirect forms read one address and run on from there.
    fn transfer(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let register = args.first().map_or(0, |&register| register as usize);
        let (bank, length) = match opcode {
            Opcode::Ldmsb | Opcode::Stmsb | Opcode::Ldmsbi | Opcode::Stmsbi => {
                (Bank::Sbits, self.memory.s.len() / WORD)
            }
            Opcode::Ldmcb | Opcode::Stmcb | Opcode::Ldmcbi | Opcode::Stmcbi => (Bank::Cbits, self.memory.c.len()),
            _ => return Ok(false),
        };
        let start = match opcode {
            Opcode::Ldmsbi | Opcode::Stmsbi | Opcode::Ldmcbi | Opcode::Stmcbi => self.ints[args[1] as usize],
            _ => args[1],
        };
        address(bank, start.saturating_add(size as i64 - 1), length)?;
        let start = address(bank, start, length)?;
        let (registers, memory) = (&mut *self.registers, &mut *self.memory);
        match opcode {
            Opcode::Ldmsb | Opcode::Ldmsbi => {
                memory.s.load(start * WORD, &mut registers.s, register * WORD, size * WORD);
            }
            Opcode::Stmsb | Opcode::Stmsbi => {
                memory.s.store(start * WORD, &registers.s, register * WORD, size * WORD);
            }
            Opcode::Ldmcb | Opcode::Ldmcbi => memory.c.read(start, &mut registers.c[register..register + size]),
            _ => memory.c.write(start, &registers.c[register..register + size]),
        }
        Ok(true)
    }
}

fn map_half(half: &mut [Gf2n], bits: usize, to: usize, from: usize, op: impl Fn(usize, Gf2n) -> Gf2n) {
    half.copy_within(from..from + bits, to);
    for (i, bit) in half[to..to + bits].iter_mut().enumerate() {
        *bit = op(i, *bit);
    }
    half[to + bits..(to + bits).next_multiple_of(WORD)].fill(Gf2n::default());
}

/// Which bits of word `j` of a vector of `bits` bits are meaningful.
fn mask(bits: usize, j: usize) -> u64 {
    let left = bits - (j * WORD).min(bits);
    if left >= WORD { u64::MAX } else { (1 << left) - 1 }
}

/// Writes a vector of bits from register `to` on, and zeros up to the end of its last register.
pub(super) fn store(s: &mut Shares<BinaryField>, to: usize, bits: impl Iterator<Item = (Gf2n, Gf2n)>) {
    let mut at = to * WORD;
    for bit in bits {
        s.set(at, bit);
        at += 1;
    }
    while !at.is_multiple_of(WORD) {
        s.set(at, Default::default());
        at += 1;
    }
}

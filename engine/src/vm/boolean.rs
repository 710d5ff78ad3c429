//! Boolean instructions without communication. A register holds 64 bits; a vector of n bits spans ⌈n/64⌉ of them, and
//! what lies beyond the n is zero in results.

use super::arithmetic::zip;
use super::fault::{Fault, Step};
use super::memory::BitMemory;
use super::state::{BitBank, address};
use crate::field::{BinaryField, Field, Gf2n, PrimeField};
use crate::share::{BitShares, MacKeyShare, WORD, ones};
use polyyne_bytecode::{Bank, Opcode};

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

    /// Writes the shares of a vector of public bits, given word by word.
    fn store_public(&mut self, bits: usize, to: usize, word: impl Fn(usize) -> u64) {
        let (value, mac) = self.key.constant(self.field, self.field.one());
        let own = u64::from(value.lowest()).wrapping_neg();
        let (shares, macs) = self.target(bits, to);
        for (j, (share, macs)) in shares.iter_mut().zip(macs.chunks_mut(WORD)).enumerate() {
            let word = word(j);
            *share = word & own & mask(bits, j);
            macs.iter_mut().enumerate().for_each(|(k, share)| *share = mac.times_bit(word >> k));
        }
    }

    /// The words and MACs that a vector of bits from register `to` on has; beyond its end the last register is made zero.
    fn target(&mut self, bits: usize, to: usize) -> (&mut [u64], &mut [Gf2n]) {
        let words = bits.div_ceil(WORD);
        let BitShares { values, macs } = &mut self.registers.s;
        macs[to * WORD + bits..(to + words) * WORD].fill(Gf2n::default());
        (&mut values.words_mut()[to..to + words], &mut macs[to * WORD..to * WORD + bits])
    }

    /// The sums of two vectors of bits.
    fn add_vectors(&mut self, bits: usize, to: usize, [a, b]: [usize; 2]) {
        let f = *self.field;
        let values = self.registers.s.values.words();
        let sums: Vec<u64> =
            (0..bits.div_ceil(WORD)).map(|j| (values[a + j] ^ values[b + j]) & mask(bits, j)).collect();
        let macs = &mut self.registers.s.macs;
        // Where a source begins elsewhere inside the result, it is read before it is written.
        let shifted = |from: usize| from != to && from < to + sums.len() && to < from + sums.len();
        let [start, a_start, b_start] = [to, a, b].map(|register| register * WORD);
        if shifted(a) || shifted(b) {
            let sums: Vec<Gf2n> = (0..bits).map(|i| f.add(macs[a_start + i], macs[b_start + i])).collect();
            macs[start..start + bits].copy_from_slice(&sums);
        } else {
            zip(macs, bits, [start, a_start, b_start], |x, y| f.add(x, y));
        }
        self.target(bits, to).0.copy_from_slice(&sums);
    }

    /// A function of each word of a vector and of each MAC, by their places.
    fn map_vector(
        &mut self,
        bits: usize,
        to: usize,
        from: usize,
        word: impl Fn(usize, u64) -> u64,
        mac: impl Fn(usize, Gf2n) -> Gf2n,
    ) {
        let BitShares { values, macs } = &mut self.registers.s;
        values.words_mut().copy_within(from..from + bits.div_ceil(WORD), to);
        macs.copy_within(from * WORD..from * WORD + bits, to * WORD);
        let (words, macs) = self.target(bits, to);
        words.iter_mut().enumerate().for_each(|(j, share)| *share = word(j, *share) & mask(bits, j));
        macs.iter_mut().enumerate().for_each(|(i, share)| *share = mac(i, *share));
    }

    fn secret(&mut self, opcode: Opcode, args: &[i64]) -> Step<bool> {
        let f = *self.field;
        let at = |k: usize| args[k] as usize;
        match opcode {
            Opcode::Xors => {
                for group in args.chunks_exact(4) {
                    let [bits, to, a, b] = [0, 1, 2, 3].map(|k| group[k] as usize);
                    self.add_vectors(bits, to, [a, b]);
                }
            }
            Opcode::Xorm | Opcode::Andm => {
                let words = self.registers.c[at(3)..at(3) + at(0).div_ceil(WORD)].to_vec();
                let bit = |i: usize| words[i / WORD] >> (i % WORD);
                if opcode == Opcode::Xorm {
                    let (value, one) = self.key.constant(self.field, self.field.one());
                    let own = u64::from(value.lowest()).wrapping_neg();
                    let plus = |i: usize, mac: Gf2n| f.add(mac, one.times_bit(bit(i)));
                    self.map_vector(at(0), at(1), at(2), |j, word| word ^ (words[j] & own), plus);
                } else {
                    self.map_vector(at(0), at(1), at(2), |j, word| word & words[j], |i, mac| mac.times_bit(bit(i)));
                }
            }
            Opcode::Nots => {
                let (value, one) = self.key.constant(self.field, self.field.one());
                let own = u64::from(value.lowest()).wrapping_neg();
                self.map_vector(at(0), at(1), at(2), |_, word| word ^ own, |_, mac| f.add(mac, one));
            }
            Opcode::Movsb => self.map_vector(at(0), at(1), at(2), |_, word| word, |_, mac| mac),
            Opcode::Ldbits => self.store_public(at(1), at(0), |j| if j == 0 { args[2] as u64 } else { 0 }),
            Opcode::Convsint => {
                let value = self.ints[at(2)];
                let fits = value.unsigned_abs().checked_shr(args[0] as u32).unwrap_or(0) == 0;
                if !fits {
                    return Err(Fault::Overflow { bits: args[0] as u32 });
                }
                self.store_public(at(0), at(1), |j| (if j == 0 { value } else { value >> 63 }) as u64);
            }
            Opcode::Convcbit2s => {
                let words = self.registers.c[at(2)..at(2) + at(0).div_ceil(WORD)].to_vec();
                self.store_public(at(0), at(1), |j| words[j]);
            }
            Opcode::Bitdecs => {
                let bits = self.registers.s.slice(at(0) * WORD..at(0) * WORD + args.len() - 1);
                args[1..].iter().enumerate().for_each(|(k, &to)| self.registers.write(to as usize, &bits, k..k + 1));
            }
            Opcode::Bitcoms => {
                let bits = self.bits_at(0, &args[1..]);
                self.registers.write(at(0), &bits, 0..bits.len());
            }
            Opcode::Trans => {
                let (outputs, inputs) = args[1..].split_at(at(0));
                let columns: Vec<BitShares> = (0..outputs.len()).map(|i| self.bits_at(i, inputs)).collect();
                outputs.iter().zip(&columns).for_each(|(&to, column)| {
                    self.registers.write(to as usize, column, 0..column.len());
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Bit `place` of each of some vectors.
    fn bits_at(&self, place: usize, vectors: &[i64]) -> BitShares {
        let s = &self.registers.s;
        let mut bits = BitShares::default();
        for at in vectors.iter().map(|&from| from as usize * WORD + place) {
            bits.push(s.values.bit(at), s.macs[at]);
        }
        bits
    }

    /// Memory; the indirect forms read one address and run on from there.
    fn transfer(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let register = args.first().map_or(0, |&register| register as usize);
        let (bank, length) = match opcode {
            Opcode::Ldmsb | Opcode::Stmsb | Opcode::Ldmsbi | Opcode::Stmsbi => (Bank::Sbits, self.memory.s.len()),
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
                memory.s.load(start, &mut registers.s, register, size);
            }
            Opcode::Stmsb | Opcode::Stmsbi => {
                memory.s.store(start, &registers.s, register, size);
            }
            Opcode::Ldmcb | Opcode::Ldmcbi => memory.c.read(start, &mut registers.c[register..register + size]),
            _ => memory.c.write(start, &registers.c[register..register + size]),
        }
        Ok(true)
    }
}

/// Which bits of word `j` of a vector of `bits` bits are meaningful.
fn mask(bits: usize, j: usize) -> u64 {
    ones(bits - (j * WORD).min(bits))
}

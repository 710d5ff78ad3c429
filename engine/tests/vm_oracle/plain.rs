//! A plain interpretation of tapes on the values themselves: what the machine should compute, without shares, rounds or
//! tuples. Where an instruction draws randomness, any will do: the programs here make nothing of it in the end.

use super::values::{Domain, P, signed};
use polyyne_bytecode::Instruction;

/// Registers of each bank, and elements of each memory.
pub const REGISTERS: usize = 40;

/// All banks, of registers or of memory.
#[derive(Clone)]
pub struct Banks {
    /// Secret and clear elements, of F_p and of GF(2^n).
    pub s: [Vec<u128>; 2],
    pub c: [Vec<u128>; 2],
    pub ints: Vec<i64>,
    pub sb: Vec<u64>,
    pub cb: Vec<u64>,
}

impl Banks {
    fn new() -> Self {
        let zeros = || vec![0; REGISTERS];
        let words = || vec![0; REGISTERS];
        Banks { s: [zeros(), zeros()], c: [zeros(), zeros()], ints: vec![0; REGISTERS], sb: words(), cb: words() }
    }
}

/// Why an interpretation ends early.
#[derive(Debug, PartialEq, Eq)]
pub struct DivisionByZero;

type Step = Result<(), DivisionByZero>;

pub struct Plain<'a> {
    tapes: &'a [Vec<Instruction>],
    degree: u32,
    memory: Banks,
    stack: Vec<i64>,
    shows_base: bool,
    pub printed: String,
}

/// Runs tape 0 and gives what it prints.
pub fn interpret(tapes: &[Vec<Instruction>], degree: u32) -> Result<String, DivisionByZero> {
    let mut plain =
        Plain { tapes, degree, memory: Banks::new(), stack: Vec::new(), shows_base: false, printed: String::new() };
    plain.tape(0, &mut Banks::new(), 0)?;
    Ok(plain.printed)
}

impl Plain<'_> {
    fn tape(&mut self, tape: usize, banks: &mut Banks, mut argument: i64) -> Step {
        let mut pc = 0;
        while let Some(instruction) = self.tapes[tape].get(pc) {
            pc += 1;
            let a: Vec<i64> = (0..instruction.operands().len()).map(|at| instruction.number(at)).collect();
            let mut jump =
                |taken: bool, distance: i64| pc = pc.wrapping_add_signed(if taken { distance as isize } else { 0 });
            match instruction.opcode().name() {
                "jmp" => jump(true, a[0]),
                "jmpnz" => jump(banks.ints[a[0] as usize] != 0, a[1]),
                "jmpeqz" => jump(banks.ints[a[0] as usize] == 0, a[1]),
                "ldarg" => banks.ints[a[0] as usize] = argument,
                "starg" => argument = banks.ints[a[0] as usize],
                "call_tape" => self.call(banks, &a)?,
                _ => self.step(banks, instruction, &a)?,
            }
        }
        Ok(())
    }

    fn call(&mut self, banks: &mut Banks, a: &[i64]) -> Step {
        let mut callee = Banks::new();
        let arguments = |direction| a[2..].chunks(5).filter(move |argument| argument[0] == direction);
        arguments(0).for_each(|argument| copy(&mut callee, banks, argument));
        self.tape(a[0] as usize, &mut callee, banks.ints[a[1] as usize])?;
        arguments(1).for_each(|argument| copy(banks, &callee, argument));
        Ok(())
    }

    fn step(&mut self, banks: &mut Banks, instruction: &Instruction, a: &[i64]) -> Step {
        let size = instruction.size() as usize;
        let name = instruction.opcode().name();
        match instruction.opcode().code() {
            0x200.. => self.word(banks, name, size, a),
            0x100.. => self.element(Domain::Binary(self.degree), banks, &name[1..], size, a)?,
            _ if !self.integer(banks, name, size, a)? => self.element(Domain::Prime, banks, name, size, a)?,
            _ => {}
        }
        Ok(())
    }

    fn integer(&mut self, banks: &mut Banks, name: &str, size: usize, a: &[i64]) -> Result<bool, DivisionByZero> {
        let (ints, memory) = (&mut banks.ints, &mut self.memory.ints);
        let old = ints.clone();
        for i in 0..size {
            let at = |k: usize| a[k] as usize + i;
            match name {
                "ldint" => ints[at(0)] = a[1],
                "movint" => ints[at(0)] = old[at(1)],
                "addint" => ints[at(0)] = ints[at(1)].wrapping_add(ints[at(2)]),
                "subint" => ints[at(0)] = ints[at(1)].wrapping_sub(ints[at(2)]),
                "mulint" => ints[at(0)] = ints[at(1)].wrapping_mul(ints[at(2)]),
                "divint" if ints[at(2)] == 0 => return Err(DivisionByZero),
                "divint" => ints[at(0)] = ints[at(1)].wrapping_div(ints[at(2)]),
                "ltc" => ints[at(0)] = (ints[at(1)] < ints[at(2)]).into(),
                "gtc" => ints[at(0)] = (ints[at(1)] > ints[at(2)]).into(),
                "eqc" => ints[at(0)] = (ints[at(1)] == ints[at(2)]).into(),
                "eqzc" => ints[at(0)] = (ints[at(1)] == 0).into(),
                "ltzc" => ints[at(0)] = (ints[at(1)] < 0).into(),
                "bitdecint" => {
                    let value = ints[at(0)];
                    (1..a.len()).for_each(|k| ints[at(k)] = value >> (k - 1) & 1);
                }
                "incint" => {
                    let times = (i as i64 / a[3]) % a[4];
                    ints[at(0)] = old[a[1] as usize].wrapping_add((times as i32).wrapping_mul(a[2] as i32).into());
                }
                "ldmint" => ints[at(0)] = memory[at(1)],
                "stmint" => memory[at(1)] = ints[at(0)],
                "ldminti" => ints[at(0)] = memory[ints[at(1)] as usize],
                "stminti" => memory[ints[at(1)] as usize] = ints[at(0)],
                "pushint" => self.stack.push(ints[at(0)]),
                "popint" => ints[at(0)] = self.stack.pop().expect("programs here pop what they pushed"),
                "print_int" => self.printed += &vector(size, i, ints[at(0)].to_string()),
                "print_char" => self.printed.push(a[0] as u8 as char),
                "gensecshuffle" | "delshuffle" => ints[at(0)] = 0,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn element(&mut self, f: Domain, banks: &mut Banks, name: &str, size: usize, a: &[i64]) -> Step {
        let which = usize::from(matches!(f, Domain::Binary(_)));
        let (s, c, ints) = (&mut banks.s[which], &mut banks.c[which], &mut banks.ints);
        let (ms, mc) = (&mut self.memory.s[which], &mut self.memory.c[which]);
        if products(f, s, name, size, a) {
            return Ok(());
        }
        if name == "asm_open" {
            let groups = a[1..].chunks(2).map(|pair| (pair[0] as usize, pair[1] as usize));
            groups.for_each(|(to, from)| c[to..to + size].copy_from_slice(&s[from..from + size]));
            return Ok(());
        }
        let (old_s, old_c) = (s.clone(), c.clone());
        let immediate = |k: usize| f.immediate(a[k]);
        let mut sum = 0;
        for i in 0..size {
            let at = |k: usize| a[k] as usize + i;
            match name {
                "ldi" => c[at(0)] = immediate(1),
                "movc" => c[at(0)] = old_c[at(1)],
                "addc" => c[at(0)] = f.add(c[at(1)], c[at(2)]),
                "subc" => c[at(0)] = f.sub(c[at(1)], c[at(2)]),
                "mulc" => c[at(0)] = f.mul(c[at(1)], c[at(2)]),
                "addci" => c[at(0)] = f.add(c[at(1)], immediate(2)),
                "subci" => c[at(0)] = f.sub(c[at(1)], immediate(2)),
                "subcfi" => c[at(0)] = f.sub(immediate(2), c[at(1)]),
                "mulci" => c[at(0)] = f.mul(c[at(1)], immediate(2)),
                "andc" => c[at(0)] = f.cut(c[at(1)] & c[at(2)]),
                "orc" => c[at(0)] = f.cut(c[at(1)] | c[at(2)]),
                "xorc" => c[at(0)] = f.cut(c[at(1)] ^ c[at(2)]),
                "andci" => c[at(0)] = f.cut(c[at(1)] & immediate(2)),
                "orci" => c[at(0)] = f.cut(c[at(1)] | immediate(2)),
                "xorci" => c[at(0)] = f.cut(c[at(1)] ^ immediate(2)),
                "divc" => c[at(0)] = f.mul(c[at(1)], f.inverse(c[at(2)]).ok_or(DivisionByZero)?),
                "divci" => {
                    let divisor = f.cut(u128::from(a[2] as u64));
                    c[at(0)] = f.mul(c[at(1)], f.inverse(divisor).ok_or(DivisionByZero)?);
                }
                "modc" => c[at(0)] = c[at(1)].checked_rem(c[at(2)]).ok_or(DivisionByZero)?,
                "modci" => c[at(0)] = c[at(1)].checked_rem(u128::from(a[2] as u64)).ok_or(DivisionByZero)?,
                "floordivc" => {
                    let ((minus, dividend), (divisor_minus, divisor)) = (signed(c[at(1)]), signed(c[at(2)]));
                    let quotient = f.cut(dividend.checked_div(divisor).ok_or(DivisionByZero)?);
                    c[at(0)] = if minus == divisor_minus { quotient } else { f.sub(0, quotient) };
                }
                "legendrec" => c[at(0)] = f.pow(c[at(1)], (P - 1) / 2),
                "inv2m" => c[at(0)] = f.inverse(f.pow(2, a[1] as u128)).expect("a power of two is not zero"),
                "notc" if a.len() == 3 => c[at(0)] = f.sub(f.sub(f.pow(2, a[2] as u128), 1), c[at(1)]),
                "notc" => c[at(0)] = f.cut(!c[at(1)]),
                "shlc" => c[at(0)] = f.mul(c[at(1)], f.pow(2, (c[at(2)] as u64).into())),
                "shrc" => c[at(0)] = if c[at(2)] < 128 { c[at(1)] >> c[at(2)] } else { 0 },
                "shlci" if which == 0 => c[at(0)] = f.mul(c[at(1)], f.pow(2, a[2] as u128)),
                "shlci" => c[at(0)] = if a[2] < 128 { f.cut(c[at(1)] << a[2]) } else { 0 },
                "shrci" => c[at(0)] = if a[2] < 128 { c[at(1)] >> a[2] } else { 0 },
                "bitdec" => {
                    let value = c[at(0)];
                    (2..a.len()).for_each(|k| c[at(k)] = value >> ((k as i64 - 2) * a[1]) & 1);
                }
                "bitcom" => {
                    let parts = (2..a.len()).map(|k| c[at(k)] << ((k as i64 - 2) * a[1]));
                    c[at(0)] = f.cut(parts.fold(0, |sum, part| sum ^ part));
                }
                "convint" => c[at(0)] = f.integer(ints[at(1)]),
                "convmodp" => ints[at(0)] = integer(c[at(1)], a[3]),
                "convgf2n" => ints[at(0)] = c[at(1)] as i64,
                "ldsi" => s[at(0)] = immediate(1),
                "movs" => s[at(0)] = old_s[at(1)],
                "adds" => s[at(0)] = f.add(s[at(1)], s[at(2)]),
                "subs" => s[at(0)] = f.sub(s[at(1)], s[at(2)]),
                "addm" => s[at(0)] = f.add(s[at(1)], c[at(2)]),
                "subml" => s[at(0)] = f.sub(s[at(1)], c[at(2)]),
                "submr" => s[at(0)] = f.sub(c[at(1)], s[at(2)]),
                "mulm" => s[at(0)] = f.mul(s[at(1)], c[at(2)]),
                "addsi" => s[at(0)] = f.add(s[at(1)], immediate(2)),
                "subsi" => s[at(0)] = f.sub(s[at(1)], immediate(2)),
                "subsfi" => s[at(0)] = f.sub(immediate(2), s[at(1)]),
                "mulsi" => s[at(0)] = f.mul(s[at(1)], immediate(2)),
                "prefixsums" => {
                    sum = f.add(sum, s[at(1)]);
                    s[at(0)] = sum;
                }
                "picks" => s[at(0)] = old_s[(a[1] + a[2] + i as i64 * a[3]) as usize],
                "zips" => [s[a[0] as usize + 2 * i], s[a[0] as usize + 2 * i + 1]] = [old_s[at(1)], old_s[at(2)]],
                "ldmc" => c[at(0)] = mc[at(1)],
                "stmc" => mc[at(1)] = c[at(0)],
                "ldms" => s[at(0)] = ms[at(1)],
                "stms" => ms[at(1)] = s[at(0)],
                "ldmci" => c[at(0)] = mc[ints[at(1)] as usize],
                "stmci" => mc[ints[at(1)] as usize] = c[at(0)],
                "ldmsi" => s[at(0)] = ms[ints[at(1)] as usize],
                "stmsi" => ms[ints[at(1)] as usize] = s[at(0)],
                "triple" => [s[at(0)], s[at(1)], s[at(2)]] = [3, 5, f.mul(3, 5)],
                "square" => [s[at(0)], s[at(1)]] = [6, f.mul(6, 6)],
                "inverse" => [s[at(0)], s[at(1)]] = [1, 1],
                "bit" => s[at(0)] = 1,
                "dabit" => {
                    s[at(0)] = 1;
                    banks.sb[a[1] as usize] = u64::MAX >> (64 - size);
                }
                "edabit" | "sedabit" => {
                    s[at(0)] = (1 << (a.len() - 1)) - 1;
                    a[1..].iter().for_each(|&to| banks.sb[to as usize] = u64::MAX >> (64 - size));
                }
                "print_reg_plain" if which == 0 => self.printed += &vector(size, i, f.show(c[at(0)])),
                "print_reg_plain" => {
                    self.printed += if self.shows_base { "0x" } else { "" };
                    self.printed += &f.show(c[at(0)]);
                }
                other => panic!("{other} is not interpreted"),
            }
        }
        Ok(())
    }

    fn word(&mut self, banks: &mut Banks, name: &str, size: usize, a: &[i64]) {
        let Banks { sb, cb, ints, c, .. } = banks;
        let memory = &mut self.memory;
        let at = |k: usize| a[k] as usize;
        let old = sb.clone();
        let bit = |words: &[u64], first: usize, k: usize| words[first + k / 64] >> (k % 64) & 1 == 1;
        match name {
            "xors" => a.chunks(4).for_each(|group| {
                let old = sb.clone();
                let [bits, to, x, y] = [0, 1, 2, 3].map(|k| group[k] as usize);
                fill(sb, to, bits, |k| bit(&old, x, k) != bit(&old, y, k));
            }),
            "ands" => a.chunks(4).for_each(|group| {
                let [bits, to, x, y] = [0, 1, 2, 3].map(|k| group[k] as usize);
                fill(sb, to, bits, |k| bit(&old, x, k) && bit(&old, y, k));
            }),
            "andrs" => a.chunks(4).for_each(|group| {
                let [bits, to, x, y] = [0, 1, 2, 3].map(|k| group[k] as usize);
                fill(sb, to, bits, |k| bit(&old, x, k) && bit(&old, y, 0));
            }),
            "andrsvec" => {
                let (bits, count) = (at(1), (a.len() - 3) / 2);
                for j in 0..count {
                    fill(sb, at(2 + j), bits, |k| bit(&old, at(3 + count + j), k) && bit(&old, at(2 + count), k));
                }
            }
            "reveal" => a.chunks(3).for_each(|group| {
                fill(cb, group[1] as usize, group[0] as usize, |k| bit(&old, group[2] as usize, k));
            }),
            "xorm" => fill(sb, at(1), at(0), |k| bit(&old, at(2), k) != bit(cb, at(3), k)),
            "andm" => fill(sb, at(1), at(0), |k| bit(&old, at(2), k) && bit(cb, at(3), k)),
            "nots" => fill(sb, at(1), at(0), |k| !bit(&old, at(2), k)),
            "movsb" => fill(sb, at(1), at(0), |k| bit(&old, at(2), k)),
            "ldbits" => sb[at(0)] = a[2] as u64,
            "convsint" => fill(sb, at(1), at(0), |k| ints[at(2)] >> k & 1 == 1),
            "convcbit2s" => fill(sb, at(1), at(0), |k| bit(cb, at(2), k)),
            "bitdecs" => (1..a.len()).for_each(|k| sb[at(k)] = old[at(0)] >> (k - 1) & 1),
            "bitcoms" => sb[at(0)] = (1..a.len()).fold(0, |word, k| word | (old[at(k)] & 1) << (k - 1)),
            "trans" => {
                let inputs = &a[1 + at(0)..];
                for k in 0..at(0) {
                    fill(sb, at(1 + k), inputs.len(), |l| bit(&old, inputs[l] as usize, k));
                }
            }
            // clear words one after the other, in place
            "xorcb" => (0..at(0).div_ceil(64)).for_each(|j| {
                let word = cb[at(2) + j] ^ cb[at(3) + j];
                fill(cb, at(1) + j, (at(0) - 64 * j).min(64), |k| word >> k & 1 == 1);
            }),
            "notcb" => (0..at(0).div_ceil(64)).for_each(|j| {
                let word = !cb[at(2) + j];
                fill(cb, at(1) + j, (at(0) - 64 * j).min(64), |k| word >> k & 1 == 1);
            }),
            "xorcbi" => cb[at(0)] = cb[at(1)] ^ a[2] as u64,
            "addcb" => cb[at(0)] = cb[at(1)].wrapping_add(cb[at(2)]),
            "addcbi" => cb[at(0)] = cb[at(1)].wrapping_add(a[2] as u64),
            "mulcbi" => cb[at(0)] = cb[at(1)].wrapping_mul(a[2] as u64),
            "shrcbi" => cb[at(0)] = if a[2] < 64 { cb[at(1)] >> a[2] } else { 0 },
            "shlcbi" => cb[at(0)] = if a[2] < 64 { cb[at(1)] << a[2] } else { 0 },
            "bitdecc" => {
                let value = cb[at(0)];
                (1..a.len()).for_each(|k| cb[at(k)] = value >> (k - 1) & 1);
            }
            "convcint" => cb[at(0)] = ints[at(1)] as u64,
            "convcbit" => ints[at(0)] = cb[at(1)] as i64,
            "convcbitvec" => (0..at(0)).for_each(|k| ints[at(1) + k] = bit(cb, at(2), k).into()),
            "convcintvec" => {
                (1..a.len()).for_each(|k| fill(cb, at(k), size, |lane| c[0][at(0) + lane] >> (k - 1) & 1 == 1));
            }
            "ldmsb" => sb[at(0)..at(0) + size].copy_from_slice(&memory.sb[at(1)..at(1) + size]),
            "stmsb" => memory.sb[at(1)..at(1) + size].copy_from_slice(&sb[at(0)..at(0) + size]),
            "ldmcb" => cb[at(0)..at(0) + size].copy_from_slice(&memory.cb[at(1)..at(1) + size]),
            "stmcb" => memory.cb[at(1)..at(1) + size].copy_from_slice(&cb[at(0)..at(0) + size]),
            "ldmsbi" => sb[at(0)..at(0) + size].copy_from_slice(&memory.sb[ints[at(1)] as usize..][..size]),
            "stmsbi" => memory.sb[ints[at(1)] as usize..][..size].copy_from_slice(&sb[at(0)..at(0) + size]),
            "ldmcbi" => cb[at(0)..at(0) + size].copy_from_slice(&memory.cb[ints[at(1)] as usize..][..size]),
            "stmcbi" => memory.cb[ints[at(1)] as usize..][..size].copy_from_slice(&cb[at(0)..at(0) + size]),
            "print_reg_signed" => self.printed += &two_complement(cb[at(1)], at(0)).to_string(),
            "print_reg_plainb" => {
                self.shows_base = true;
                self.printed += &if cb[at(0)] == 0 { "0".to_owned() } else { format!("{:#x}", cb[at(0)]) };
            }
            other => panic!("{other} is not interpreted"),
        }
    }
}

/// Products, matrices and permutations of secrets: everything is read before anything is written. False if it is none.
fn products(f: Domain, s: &mut [u128], name: &str, size: usize, a: &[i64]) -> bool {
    let old = s.to_vec();
    let product = |x: i64, y: i64| f.mul(old[x as usize], old[y as usize]);
    let sum = |terms: &mut dyn Iterator<Item = u128>| terms.fold(0, |sum, term| f.add(sum, term));
    match name {
        "muls" => {
            a.chunks(4).for_each(|g| (0..g[0]).for_each(|k| s[(g[1] + k) as usize] = product(g[2] + k, g[3] + k)))
        }
        "mulrs" => a.chunks(4).for_each(|g| (0..g[0]).for_each(|k| s[(g[1] + k) as usize] = product(g[2] + k, g[3]))),
        "dotprods" => {
            let mut rest = a;
            while !rest.is_empty() {
                let (group, after) = rest.split_at(rest[0] as usize);
                for i in 0..size as i64 {
                    let mut terms = group[2..].chunks(2).map(|pair| product(pair[0] + i, pair[1] + i));
                    s[(group[1] + i) as usize] = sum(&mut terms);
                }
                rest = after;
            }
        }
        "matmuls" => {
            for g in a.chunks(6) {
                let (rows, inner, columns) = (g[3], g[4], g[5]);
                for (r, k) in (0..rows).flat_map(|r| (0..columns).map(move |k| (r, k))) {
                    let mut terms = (0..inner).map(|m| product(g[1] + r * inner + m, g[2] + m * columns + k));
                    s[(g[0] + r * columns + k) as usize] = sum(&mut terms);
                }
            }
        }
        "concats" => {
            let parts = a[1..].chunks(2).flat_map(|part| part[1]..part[1] + part[0]);
            parts.enumerate().for_each(|(k, from)| s[a[0] as usize + k] = old[from as usize]);
        }
        "applyshuffle" => {
            // any permutation will do, if the inverse undoes it: here all blocks move by one
            let (count, unit) = (a[0] as usize, a[3] as usize);
            let by = if a[5] == 0 { unit } else { count - unit };
            (0..count).for_each(|k| s[a[1] as usize + (k + by) % count] = old[a[2] as usize + k]);
        }
        _ => return false,
    }
    true
}

/// One argument of a call.
fn copy(into: &mut Banks, from: &Banks, argument: &[i64]) {
    fn run<E: Copy>(into: &mut [E], from: &[E], argument: &[i64]) {
        let [count, to, at] = [2, 3, 4].map(|k| argument[k] as usize);
        into[to..to + count].copy_from_slice(&from[at..at + count]);
    }
    match argument[1] {
        0 => run(&mut into.ints, &from.ints, argument),
        1 => run(&mut into.sb, &from.sb, argument),
        2 => run(&mut into.cb, &from.cb, argument),
        4 | 6 => run(&mut into.s[argument[1] as usize / 2 - 2], &from.s[argument[1] as usize / 2 - 2], argument),
        _ => run(&mut into.c[argument[1] as usize / 2 - 2], &from.c[argument[1] as usize / 2 - 2], argument),
    }
}

/// Writes a vector of bits; what is left of its last word is zero.
fn fill(words: &mut [u64], to: usize, bits: usize, bit: impl Fn(usize) -> bool) {
    let values: Vec<bool> = (0..bits).map(bit).collect();
    for (j, chunk) in values.chunks(64).enumerate() {
        words[to + j] = chunk.iter().enumerate().fold(0, |word, (k, &bit)| word | u64::from(bit) << k);
    }
}

/// `convmodp`.
fn integer(element: u128, bits: i64) -> i64 {
    if bits == 0 {
        return element as i64;
    }
    let (minus, magnitude) = signed(element);
    let value = if minus { (magnitude as i64).wrapping_neg() } else { magnitude as i64 };
    match bits {
        1 => value & 1,
        64 => value,
        _ => (i128::from(value) % (1i128 << bits)) as i64,
    }
}

fn two_complement(word: u64, width: usize) -> i64 {
    if width == 1 { word as i64 } else { (word << (64 - width)) as i64 >> (64 - width) }
}

/// Lane `i` of a printed vector.
fn vector(size: usize, i: usize, value: String) -> String {
    match (size, i) {
        (1, _) => value,
        (_, 0) => format!("[{value}, "),
        _ if i + 1 == size => format!("{value}]"),
        _ => format!("{value}, "),
    }
}

//! Instructions without communication.

use super::arithmetic::Desk;
use super::boolean::Board;
use super::code::Op;
use super::fault::{Fault, Step};
use super::print::{characters, float, vector};
use super::state::address;
use super::{Machine, clear, integer, polynomial, twin};
use crate::field::Field;
use polyyne_bytecode::{Bank, Opcode};

impl Machine<'_> {
    /// Runs an instruction if it needs neither messages nor a check; false if it may.
    pub(super) fn local(&mut self, op: Op, args: &[i64]) -> Step<bool> {
        let size = op.size as usize;
        let opcode = op.opcode;
        if integer::run(&mut self.banks.ints, opcode, size, args)? {
            return Ok(true);
        }
        match opcode.code() {
            0x100..=0x1ff => return self.local_binary(opcode, size, args),
            0x200.. => return Ok(self.board().run(opcode, size, args)? || self.print_bits(opcode, args)?),
            _ => {}
        }
        let desk = &mut self.prime_desk();
        if desk.run(opcode, size, args)? {
            return Ok(true);
        }
        let field = self.ports.online.field;
        if clear::run(&field, &mut self.banks.prime, &mut self.banks.ints, opcode, size, args)? {
            return Ok(true);
        }
        Ok(self.integer_memory(opcode, size, args)?
            || self.control(opcode, size, args)?
            || self.print(opcode, size, args)?)
    }

    fn local_binary(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let general = twin(opcode).unwrap_or(opcode);
        if opcode == Opcode::GReqbl || self.binary_desk().run(general, size, args)? {
            return Ok(true);
        }
        let (registers, ints) = (&mut self.banks.binary, &mut self.banks.ints);
        Ok(polynomial::run(&self.binary, registers, ints, opcode, size, args)
            || self.print_binary(opcode, size, args)?)
    }

    fn board(&mut self) -> Board<'_> {
        Board {
            field: &self.bit_field,
            key: &self.bit_key,
            prime: &self.ports.online.field,
            registers: &mut self.banks.bits,
            memory: &mut self.memory.bits,
            ints: &mut self.banks.ints,
            clear: &self.banks.prime.c,
        }
    }

    fn prime_desk(&mut self) -> Desk<'_, crate::field::PrimeField> {
        Desk {
            field: &self.ports.online.field,
            key: self.ports.online.mac.key(),
            registers: &mut self.banks.prime,
            memory: &mut self.memory.prime,
            ints: &mut self.banks.ints,
        }
    }

    fn binary_desk(&mut self) -> Desk<'_, crate::field::BinaryField> {
        Desk {
            field: &self.binary,
            key: &self.binary_key,
            registers: &mut self.banks.binary,
            memory: &mut self.memory.binary,
            ints: &mut self.banks.ints,
        }
    }

    fn integer_memory(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let at = |k: usize| args[k] as usize;
        let (ints, memory) = (&mut self.banks.ints, &mut self.memory.ints);
        match opcode {
            Opcode::Ldmint => memory.read(at(1), &mut ints[at(0)..at(0) + size]),
            Opcode::Stmint => memory.write(at(1), &ints[at(0)..at(0) + size]),
            Opcode::Ldminti => {
                for i in 0..size {
                    ints[at(0) + i] = memory.get(address(Bank::Regint, ints[at(1) + i], memory.len())?);
                }
            }
            Opcode::Stminti => {
                for i in 0..size {
                    let address = address(Bank::Regint, ints[at(1) + i], memory.len())?;
                    memory.set(address, ints[at(0) + i]);
                }
            }
            Opcode::Pushint => self.integers.push(ints[at(0)]),
            Opcode::Popint => ints[at(0)] = self.integers.pop().ok_or(Fault::EmptyStack)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Control flow that depends on no value, and what only declares something.
    fn control(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let at = |k: usize| args[k] as usize;
        let parties = self.ports.online.party.n() as i64;
        let constant = match opcode {
            Opcode::Jmp => {
                self.jump(args[0])?;
                return Ok(true);
            }
            Opcode::Use
            | Opcode::UseInp
            | Opcode::UseEdabit
            | Opcode::UseMatmul
            | Opcode::Reqbl
            | Opcode::GReqbl
            | Opcode::Active
            | Opcode::CallArg
            | Opcode::StartGrind
            | Opcode::StopGrind
            // The engine has no clock: timers show nothing.
            | Opcode::Time
            | Opcode::Start
            | Opcode::Stop => return Ok(true),
            Opcode::Starg => {
                self.place.argument = self.banks.ints[at(0)];
                return Ok(true);
            }
            Opcode::Cmdlinearg => {
                for i in 0..size {
                    let index = self.banks.ints[at(1) + i];
                    let argument = usize::try_from(index).ok().and_then(|index| self.ports.arguments.get(index));
                    self.banks.ints[at(0) + i] = *argument.ok_or(Fault::NoArgument(index))?;
                }
                return Ok(true);
            }
            Opcode::Ldtn => self.place.thread.into(),
            Opcode::Ldarg => self.place.argument,
            Opcode::Nplayers => parties,
            Opcode::Threshold => parties - 1,
            Opcode::Playerid => self.ports.online.party.index().0.into(),
            _ => return Ok(false),
        };
        self.banks.ints[at(0)..at(0) + size].fill(constant);
        Ok(true)
    }

    fn print(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        let field = self.ports.online.field;
        let c = &self.banks.prime.c;
        let at = |k: usize| args[k] as usize;
        let decimals =
            |start: usize| -> Vec<String> { (0..size).map(|i| field.signed_decimal(c[start + i])).collect() };
        let text = match opcode {
            Opcode::PrintRegPlain => vector(&decimals(at(0))),
            Opcode::PrintInt => vector(&(0..size).map(|i| self.banks.ints[at(0) + i].to_string()).collect::<Vec<_>>()),
            Opcode::PrintReg => return self.print_register(size, args),
            Opcode::PrintRegPlains => {
                let (value, mac) = self.banks.prime.s.get(at(0));
                format!("{} {}", field.signed_decimal(value), field.signed_decimal(mac))
            }
            Opcode::PrintFloatPlain => {
                let floats = (0..size).map(|i| self.float(args, i)).collect::<Step<Vec<_>>>()?;
                vector(&floats)
            }
            Opcode::CondPrintPlain => {
                if c[at(0)] == field.zero() {
                    return Ok(true);
                }
                if c[at(2)] == field.zero() {
                    vector(&decimals(at(1)))
                } else {
                    let exponent = self.exponent(at(2));
                    let precision = self.pending.precision(self.place.thread);
                    let floats = (0..size).map(|i| {
                        let (negative, magnitude) = clear::signed(&field, c[at(1) + i]);
                        float(negative, magnitude, exponent, precision)
                    });
                    vector(&floats.collect::<Step<Vec<_>>>()?)
                }
            }
            Opcode::PrintFloatPrec => {
                self.pending.set_precision(self.place.thread, at(0));
                return Ok(true);
            }
            Opcode::PrintChar => {
                self.pending.push(&characters(args[0])[..1])?;
                return Ok(true);
            }
            Opcode::PrintChar4 => {
                self.pending.push(&characters(args[0]))?;
                return Ok(true);
            }
            Opcode::CondPrintStr => {
                if c[at(0)] != field.zero() {
                    let characters = characters(args[1]);
                    let end = characters.iter().position(|&byte| byte == 0).unwrap_or(4);
                    self.pending.push(&characters[..end])?;
                }
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.pending.push(text.as_bytes())?;
        Ok(true)
    }

    /// Elements in hexadecimal, padded beyond 64 bits, one after the other.
    fn print_binary(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        if opcode == Opcode::GPrintRegPlains {
            let (value, mac) = self.banks.binary.s.get(args[0] as usize);
            let text = format!("{:x} {:x}", self.binary.to_bits(value), self.binary.to_bits(mac));
            self.pending.push(text.as_bytes())?;
            return Ok(true);
        }
        if !matches!(opcode, Opcode::GPrintReg | Opcode::GPrintRegPlain) {
            return Ok(false);
        }
        let prefix = if self.pending.shows_base(self.place.thread) { "0x" } else { "" };
        for i in 0..size {
            let bits = self.binary.to_bits(self.banks.binary.c[args[0] as usize + i]);
            let digits = if self.binary.degree() > 64 { format!("{bits:032x}") } else { format!("{bits:x}") };
            if opcode == Opcode::GPrintRegPlain {
                self.pending.push(format!("{prefix}{digits}").as_bytes())?;
            } else {
                self.pending.push(format!("Reg[{}] = {prefix}{digits} # ", args[0]).as_bytes())?;
                self.pending.push(&characters(args[1]))?;
                self.pending.push(b"\n")?;
            }
        }
        Ok(true)
    }

    fn print_bits(&mut self, opcode: Opcode, args: &[i64]) -> Step<bool> {
        let c = &self.banks.bits.c;
        let at = |k: usize| args[k] as usize;
        let text = match opcode {
            Opcode::PrintRegSigned => signed_words(&c[at(1)..at(1) + at(0).div_ceil(64)], at(0)),
            Opcode::PrintRegb => {
                self.pending.show_base(self.place.thread);
                self.pending.push(format!("Reg[{}] = 0x{:016x} # ", args[0], c[at(0)]).as_bytes())?;
                self.pending.push(&characters(args[1]))?;
                "\n".to_owned()
            }
            Opcode::PrintRegPlainb => {
                self.pending.show_base(self.place.thread);
                if c[at(0)] == 0 { "0".to_owned() } else { format!("{:#x}", c[at(0)]) }
            }
            Opcode::PrintRegPlainsb => {
                format!("{:#x}", self.banks.bits.s.values.words()[at(0)])
            }
            Opcode::PrintFloatPlainb => {
                let [value, exponent, zero, sign, nan] = [0, 1, 2, 3, 4].map(|k| c[at(k)] as i64);
                if nan != 0 {
                    "NaN".to_owned()
                } else {
                    let magnitude = if zero != 0 { 0 } else { value.unsigned_abs().into() };
                    let exponent = i64::from(exponent as i32);
                    float((value < 0) != (sign != 0), magnitude, exponent, self.pending.precision(self.place.thread))?
                }
            }
            Opcode::CondPrintStrb => {
                if c[at(0)] == 0 {
                    return Ok(true);
                }
                self.pending.push(&characters(args[1]))?;
                String::new()
            }
            _ => return Ok(false),
        };
        self.pending.push(text.as_bytes())?;
        Ok(true)
    }

    /// `Reg[r] = v # cccc`, the value unsigned, the register number the same in each line.
    fn print_register(&mut self, size: usize, args: &[i64]) -> Step<bool> {
        let field = self.ports.online.field;
        for i in 0..size {
            let value = field.to_u128(self.banks.prime.c[args[0] as usize + i]);
            self.pending.push(format!("Reg[{}] = {value} # ", args[0]).as_bytes())?;
            self.pending.push(&characters(args[1]))?;
            self.pending.push(b"\n")?;
        }
        Ok(true)
    }

    /// Lane `lane` of (-1)^s·v·2^p, of which z says that it is zero and nan that it is no number.
    fn float(&self, args: &[i64], lane: usize) -> Step<String> {
        let field = &self.ports.online.field;
        let register = |k: usize| args[k] as usize + lane;
        let element = |k: usize| self.banks.prime.c[register(k)];
        let bit = |k: usize, name| match field.to_u128(element(k)) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::NotABit(name)),
        };
        if element(4) != field.zero() {
            return Ok("NaN".to_owned());
        }
        let (zero, negative) = (bit(2, "the zero flag of a float")?, bit(3, "the sign of a float")?);
        let (minus, magnitude) = clear::signed(field, element(0));
        let magnitude = if zero { 0 } else { magnitude };
        float(negative != minus, magnitude, self.exponent(register(1)), self.pending.precision(self.place.thread))
    }

    /// An exponent: the low 32 bits of the signed value.
    fn exponent(&self, register: usize) -> i64 {
        let (negative, magnitude) = clear::signed(&self.ports.online.field, self.banks.prime.c[register]);
        let low = magnitude as u32 as i32;
        i64::from(if negative { low.wrapping_neg() } else { low })
    }
}

/// The two's complement number of this width that words hold, in decimal; a single bit as it is.
fn signed_words(words: &[u64], width: usize) -> String {
    if width == 1 {
        return (words[0] as i64).to_string();
    }
    if width == 0 {
        return "0".to_owned();
    }
    let mut words = words.to_vec();
    let top = (width - 1) % 64;
    let last = words.len() - 1;
    let negative = words[last] >> top & 1 == 1;
    words[last] &= u64::MAX >> (63 - top);
    if negative {
        // 2^width − value.
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(u64::from(carry));
        }
        words[last] &= u64::MAX >> (63 - top);
        if words.iter().all(|&word| word == 0) {
            words[last] = 1 << top;
        }
    }
    format!("{}{}", if negative { "-" } else { "" }, decimal_words(words))
}

/// A number of many words, least significant first, in decimal.
fn decimal_words(mut words: Vec<u64>) -> String {
    const CHUNK: u64 = 1_000_000_000_000_000_000;
    let mut chunks = Vec::new();
    while words.iter().any(|&word| word != 0) {
        let mut rest = 0u128;
        for word in words.iter_mut().rev() {
            let value = rest << 64 | u128::from(*word);
            *word = (value / u128::from(CHUNK)) as u64;
            rest = value % u128::from(CHUNK);
        }
        chunks.push(rest);
    }
    let Some(first) = chunks.pop() else { return "0".to_owned() };
    chunks.iter().rev().fold(first.to_string(), |text, chunk| text + &format!("{chunk:018}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_print_as_signed_numbers_of_their_width() {
        assert_eq!(signed_words(&[0b1011], 4), "-5");
        assert_eq!(signed_words(&[0b1000], 4), "-8");
        assert_eq!(signed_words(&[0b0111], 4), "7");
        assert_eq!(signed_words(&[1], 1), "1");
        assert_eq!(signed_words(&[u64::MAX], 64), "-1");
        assert_eq!(signed_words(&[1 << 63], 64), "-9223372036854775808");
        assert_eq!(signed_words(&[0, 1], 100), "18446744073709551616");
        assert_eq!(signed_words(&[0, 1 << 35], 100), format!("-{}", 1u128 << 99));
        assert_eq!(signed_words(&[0], 32), "0");
    }
}

//! Instructions without communication.

use super::arithmetic::Desk;
use super::code::Op;
use super::fault::{Fault, Step};
use super::print::{characters, float, vector};
use super::state::address;
use super::{Machine, clear, integer, twin};
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
        if let Some(opcode) = twin(opcode) {
            return self.binary_desk().run(opcode, size, args);
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
            Opcode::Ldmint => ints[at(0)..at(0) + size].copy_from_slice(&memory[at(1)..at(1) + size]),
            Opcode::Stmint => memory[at(1)..at(1) + size].copy_from_slice(&ints[at(0)..at(0) + size]),
            Opcode::Ldminti => {
                for i in 0..size {
                    ints[at(0) + i] = memory[address(Bank::Regint, ints[at(1) + i], memory.len())?];
                }
            }
            Opcode::Stminti => {
                for i in 0..size {
                    let address = address(Bank::Regint, ints[at(1) + i], memory.len())?;
                    memory[address] = ints[at(0) + i];
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
            Opcode::JoinTape
            | Opcode::Use
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

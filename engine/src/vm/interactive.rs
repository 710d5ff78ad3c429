//! Instructions that talk: openings, products, tuples, inputs, outputs, sockets, and control flow that waits for a check.
//!
//! Each gathers all its operands, makes one round (beside those of MAC checks), and writes its results after that, since
//! register ranges of different groups may overlap.

use super::bit_rounds::BitRounds;
use super::code::{Op, Tape};
use super::exits::Decided;
use super::fault::{Fault, Step};
use super::rounds::Rounds;
use super::{Machine, input, twin};
use crate::bit_tuples::mac_field;
use crate::coin;
use crate::field::{BinaryField, PrimeField};
use crate::port::Rng;
use polyyne_bytecode::Opcode;
use rand_core::{Rng as _, SeedableRng};

/// A run of registers: first and length.
pub(super) type Run = (usize, usize);

impl Machine<'_> {
    /// Runs an instruction that [`Machine::local`] did not.
    pub(super) async fn interactive(&mut self, op: Op, args: &[i64], tape: &Tape) -> Step {
        let size = op.size as usize;
        match op.opcode {
            Opcode::Jmpnz | Opcode::Jmpeqz | Opcode::Jmpi | Opcode::Crash => self.branch(op.opcode, args).await,
            Opcode::CallTape => self.call(args),
            Opcode::RunTape => self.start_threads(args).await,
            Opcode::JoinTape => self.join(args[0] as u32).await,
            Opcode::Check => self.settle().await,
            Opcode::Rand | Opcode::Shuffle => self.public_random(op.opcode, size, args).await,
            Opcode::Pubinput => self.public_input(size, args),

            Opcode::Inputmaskreg => {
                self.settle_control().await?;
                let decided = Decided::of(&self.ports);
                let players: Vec<i64> = (args[2]..).take(size).map(|at| self.banks.decisive(at, &decided)).collect();
                for (lane, &player) in players.iter().enumerate() {
                    self.prime_rounds().input_masks(player, 1, args[0] as usize + lane, args[1] as usize + lane)?;
                }
                Ok(())
            }

            Opcode::Input
            | Opcode::Inputfix
            | Opcode::Inputfloat
            | Opcode::Inputmixed
            | Opcode::Inputmixedreg
            | Opcode::Rawinput
            | Opcode::Inputpersonal => self.input(op.opcode, size, args).await,
            Opcode::GInput | Opcode::GRawinput => self.binary_input(op.opcode, size, args).await,
            Opcode::Privateoutput => self.private_outputs(args).await,
            Opcode::Sendpersonal => self.send_personal(args).await,
            Opcode::Fixinput => self.fixed_input(size, args),
            Opcode::Intoutput | Opcode::Floatoutput | Opcode::RawOutput | Opcode::GRawOutput => {
                self.own_output(op.opcode, size, args).await
            }

            Opcode::Listen
            | Opcode::Acceptclientconnection
            | Opcode::Initclientconnection
            | Opcode::Closeclientconnection => self.connection(op.opcode, args, tape).await,
            Opcode::Readsocketint | Opcode::Readsocketc | Opcode::Readsockets => {
                self.read_socket(op.opcode, args).await
            }
            Opcode::Writesocketint | Opcode::Writesocketc | Opcode::Writesockets | Opcode::Writesocketshare => {
                self.write_socket(op.opcode, args).await
            }

            Opcode::Writesharestofile => self.write_file(size, args),
            Opcode::Readsharesfromfile => self.read_file(size, args),
            Opcode::GWritesharestofile => self.write_binary_file(size, args),
            Opcode::GReadsharesfromfile => self.read_binary_file(size, args),
            opcode => self.arithmetic(opcode, size, args).await,
        }
    }

    /// What every field can do, on the field that the opcode names.
    async fn arithmetic(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        let general = twin(opcode).unwrap_or(opcode);
        if matches!(general, Opcode::Open | Opcode::Reveal) {
            // What is opened may depend on earlier openings: an error in one could lift it above its mask.
            self.settle().await?;
        }
        let done = match opcode.code() {
            0x200.. | 0x58..=0x5a => self.bit_rounds(opcode)?.run(opcode, size, args).await?,
            0x1fa => self.binary_rounds(opcode)?.shuffle_once(size, args).await?,
            0x100.. => self.binary_rounds(opcode)?.run(general, size, args).await?,
            _ => self.prime_rounds().run(opcode, size, args).await? || self.shuffle(opcode, size, args).await?,
        };
        if done { Ok(()) } else { Err(Fault::Unsupported(opcode)) }
    }

    pub(super) fn prime_rounds(&mut self) -> Rounds<'_, PrimeField> {
        let online = &mut *self.ports.online;
        Rounds {
            field: &online.field,
            party: &mut online.party,
            mac: &mut online.mac,
            tuples: &mut *online.tuples,
            registers: &mut self.banks.prime,
            memory: &self.memory.prime,
            ints: &self.banks.ints,
        }
    }

    fn binary_rounds(&mut self, opcode: Opcode) -> Step<Rounds<'_, BinaryField>> {
        let side = self.ports.binary.as_deref_mut().ok_or(Fault::Unsupported(opcode))?;
        Ok(Rounds {
            field: &side.field,
            party: &mut self.ports.online.party,
            mac: &mut side.mac,
            tuples: &mut *side.tuples,
            registers: &mut self.banks.binary,
            memory: &self.memory.binary,
            ints: &self.banks.ints,
        })
    }

    fn bit_rounds(&mut self, opcode: Opcode) -> Step<BitRounds<'_>> {
        Ok(BitRounds {
            field: mac_field(),
            party: &mut self.ports.online.party,
            side: self.ports.bits.as_deref_mut().ok_or(Fault::Unsupported(opcode))?,
            registers: &mut self.banks.bits,
            prime: &mut self.banks.prime,
            inputs: &mut *self.ports.inputs,
            thread: self.place.thread,
        })
    }

    async fn branch(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        self.settle_control().await?;
        let value = self.banks.decisive(args[0], &Decided::of(&self.ports));
        match opcode {
            Opcode::Jmpnz if value != 0 => self.jump(args[1]),
            Opcode::Jmpeqz if value == 0 => self.jump(args[1]),
            Opcode::Jmpi => self.jump(value),
            Opcode::Crash if value != 0 => Err(Fault::Crash),
            _ => Ok(()),
        }
    }

    /// Randomness that all parties see, tossed when it is used. Every party has received all that came before when it
    /// sends its commitment, so no share, no input and no opening is chosen by somebody who knows the coin; and a party
    /// that has seen one coin knows nothing of the next.
    async fn public_random(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        let rng = &mut Rng::from_seed(coin::toss(&mut self.ports.online.party).await?);
        let (to, from) = (args[0] as usize, args[1] as usize);
        let ints = &mut self.banks.ints;
        if opcode == Opcode::Shuffle {
            let mut values = ints[from..from + size].to_vec();
            for last in (1..size).rev() {
                values.swap(last, below(rng, last as u64 + 1) as usize);
            }
            ints[to..to + size].copy_from_slice(&values);
            return Ok(());
        }
        for i in 0..size {
            let bits = ints[from + i];
            if !(0..=31).contains(&bits) {
                return Err(Fault::RandomBits(bits));
            }
            ints[to + i] = i64::from(rng.next_u32()) & ((1 << bits) - 1);
        }
        Ok(())
    }

    fn public_input(&mut self, size: usize, args: &[i64]) -> Step {
        for i in 0..size {
            let word = self.public_input.next().ok_or(Fault::PublicInput)?;
            self.banks.prime.c[args[0] as usize + i] = input::integer(&self.ports.online.field, &word)?;
        }
        Ok(())
    }
}

/// A uniform number below `bound`.
pub(super) fn below(rng: &mut Rng, bound: u64) -> u64 {
    // Multiples of `bound` that fit; beyond them the remainder would be biased.
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = rng.next_u64();
        if number < limit {
            return number % bound;
        }
    }
}

//! Boolean instructions that open, multiply or take tuples. One instruction is one round.

use super::fault::{Fault, Step};
use super::in_place::{self, InPlace};
use super::input::{self, InputError, Inputs};
use super::interactive::Run;
use super::state::{BitBank, Pair, copy_shares};
use crate::bit_tuples::{AndTriples, BitTuples};
use crate::error::{Error, Malformed};
use crate::field::{BinaryField, PrimeField};
use crate::mac_check::MacCheck;
use crate::online::{Factors, Run as Factor, multiply};
use crate::party::{Party, PartyIndex};
use crate::share::{BitShares, BitVec, Vector as _, WORD};
use crate::step::Step as Wire;
use polyyne_bytecode::Opcode;

/// Bits beside the session's prime field, with a MAC key and tuples of their own.
pub struct BitSide {
    pub mac: MacCheck<BinaryField, BitShares>,
    pub tuples: Box<dyn BitTuples>,
}

/// What the instructions work on.
pub(super) struct BitRounds<'a> {
    pub field: BinaryField,
    pub party: &'a mut Party,
    pub side: &'a mut BitSide,
    pub registers: &'a mut BitBank,
    pub prime: &'a mut Pair<PrimeField>,
    pub inputs: &'a mut dyn Inputs,
    pub thread: u32,
}

impl BitRounds<'_> {
    /// Runs an instruction; false if it is not one of these.
    pub(super) async fn run(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        match opcode {
            Opcode::Ands | Opcode::Andrs | Opcode::Andrsvec => self.multiply(opcode, args).await?,
            Opcode::Reveal => self.reveal(args).await?,
            Opcode::Inputb | Opcode::Inputbvec => self.input(opcode, args).await?,
            Opcode::Bitb => {
                let bit = self.side.tuples.bits(1)?;
                self.registers.write(args[0] as usize, &bit, 0..1);
            }
            Opcode::Dabit => {
                let dabits = self.side.tuples.dabits(size)?;
                copy_shares(&mut self.prime.s, args[0] as usize, &dabits.arithmetic, 0, size);
                self.registers.write(args[1] as usize, &dabits.binary, 0..size);
            }
            Opcode::Edabit | Opcode::Sedabit => {
                let edabits = self.side.tuples.edabits(args.len() as u32 - 1, size)?;
                copy_shares(&mut self.prime.s, args[0] as usize, &edabits.arithmetic, 0, size);
                for (column, &to) in edabits.bits.iter().zip(&args[1..]) {
                    self.registers.write(to as usize, column, 0..size);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// AND of bit vectors: of two, or of one with a single bit, or of several with one vector.
    async fn multiply(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        let mut factors = Vec::new();
        let mut targets: Vec<Run> = Vec::new();
        let mut group = |to: i64, bits: usize, x: i64, y: i64| {
            let [to, x, y] = [to, x, y].map(|register| register as usize * WORD);
            factors.push(Factor { x, y, len: bits, one_y: opcode == Opcode::Andrs });
            targets.push((to, bits));
        };
        if opcode == Opcode::Andrsvec {
            let mut rest = args;
            while let Some(&length) = rest.first() {
                let (words, after) = rest.split_at(length as usize);
                let (bits, vectors) = (words[1] as usize, (words.len() - 3) / 2);
                let (base, sources) = (words[2 + vectors], &words[3 + vectors..]);
                for (&to, &from) in words[2..2 + vectors].iter().zip(sources) {
                    group(to, bits, from, base);
                }
                rest = after;
            }
        } else {
            args.chunks_exact(4).for_each(|words| group(words[1], words[0] as usize, words[2], words[3]));
        }
        let BitSide { mac, tuples } = &mut *self.side;
        let triples = |count| {
            let AndTriples { a, b, c } = tuples.triples(count)?;
            Ok::<_, Fault>([a, b, c])
        };
        // A result is written up to the end of its last register.
        let places: Vec<Run> = targets.iter().map(|&(to, bits)| (to, bits.next_multiple_of(WORD))).collect();
        if in_place::are_apart(&factors, &places) {
            let mut work = InPlace::new(&mut *self.registers, &factors, &targets);
            return multiply(self.party, mac, triples, &mut work).await;
        }
        let mut products = BitShares::with_capacity(targets.iter().map(|(_, bits)| bits).sum());
        let registers = &self.registers.s;
        let mut work = Factors::new(registers, registers, &factors, |some| products.append(some));
        multiply(self.party, mac, triples, &mut work).await?;
        let mut start = 0;
        for (to, bits) in targets {
            self.registers.write(to / WORD, &products, start..start + bits);
            start += bits;
        }
        Ok(())
    }

    async fn reveal(&mut self, args: &[i64]) -> Step {
        let groups = || args.chunks_exact(3);
        let secrets: Vec<_> = groups().map(|group| (group[2] as usize * WORD, group[0] as usize)).collect();
        let opened = self.side.mac.reveal_bits(self.party, &self.registers.s, &secrets).await?;
        let mut start = 0;
        for group in groups() {
            let (count, to) = (group[0] as usize, group[1] as usize);
            let bits = opened.slice(start..start + count);
            self.registers.c[to..to + count.div_ceil(WORD)].copy_from_slice(bits.words());
            start += count;
        }
        Ok(())
    }

    /// Private integers in two's complement, bit by bit; all groups in one round.
    async fn input(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        let wishes = self.wishes(opcode, args)?;
        let own = self.party.index();
        let mut message = Vec::new();
        let mut masks = Vec::new();
        for wish in &wishes {
            let mask = self.side.tuples.input_masks(wish.owner.get(), wish.bits)?;
            if wish.owner == own {
                let clear = mask.clear.as_ref().expect("the source gives the owner its masks in clear");
                let value = self.value(wish)?;
                message.extend(clear.iter().enumerate().map(|(k, r)| (value >> k.min(127) & 1) as u8 ^ u8::from(r)));
            }
            masks.push(mask.shares);
        }
        let received = self.party.broadcast(Wire::Input, message).await?;
        let mut offers = Vec::new();
        for (j, message) in received.iter().enumerate() {
            let peer = PartyIndex(j as u16);
            let bits = wishes.iter().filter(|wish| wish.owner == peer).map(|wish| wish.bits).sum();
            self.party.expect_len(peer, Wire::Input, message, bits)?;
            let what = Malformed::Element;
            offers.push(bits_of(message).ok_or(Error::Malformed { peer, step: Wire::Input, what })?.into_iter());
        }
        for (wish, mut shares) in wishes.iter().zip(masks) {
            let masked: BitVec = offers[wish.owner.get()].by_ref().take(wish.bits).collect();
            shares.add_public(&self.field, self.side.mac.key(), &masked);
            match &wish.targets {
                Targets::Packed(to) => self.registers.write(*to, &shares, 0..wish.bits),
                Targets::Single(registers) => {
                    for (k, &to) in registers.iter().enumerate() {
                        self.registers.write(to, &shares, k..k + 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn wishes(&self, opcode: Opcode, args: &[i64]) -> Step<Vec<Wish>> {
        let owner = |player: i64| {
            let known = u16::try_from(player).ok().filter(|&index| usize::from(index) < self.party.n());
            known.map(PartyIndex).ok_or(Fault::Player(player))
        };
        let mut wishes = Vec::new();
        if opcode == Opcode::Inputb {
            for group in args.chunks_exact(4) {
                let (bits, targets) = (group[1] as usize, Targets::Packed(group[3] as usize));
                wishes.push(Wish { owner: owner(group[0])?, bits, exponent: group[2], targets });
            }
            return Ok(wishes);
        }
        let mut rest = args;
        while let Some(&length) = rest.first() {
            let (group, after) = rest.split_at(length as usize);
            let registers: Vec<usize> = group[3..].iter().map(|&to| to as usize).collect();
            let (bits, targets) = (registers.len(), Targets::Single(registers));
            wishes.push(Wish { owner: owner(group[2])?, bits, exponent: group[1], targets });
            rest = after;
        }
        Ok(wishes)
    }

    /// The next input word, scaled by 2^exponent and rounded, if it fits the bits.
    fn value(&mut self, wish: &Wish) -> Step<i128> {
        let word = self.inputs.word(self.thread).ok_or(InputError::Ended)?;
        let value = if wish.exponent == 0 {
            word.parse().map_err(|_| InputError::NotAnInteger(word))?
        } else {
            let scaled = (input::number(&word)? * 2f64.powi(wish.exponent.clamp(-1000, 1000) as i32)).round();
            if scaled.abs() >= 2f64.powi(126) {
                return Err(InputError::NotANumber(word).into());
            }
            scaled as i128
        };
        let bits = wish.bits.min(127) as u32;
        let fits = if value < 0 { value >= -(1 << bits.saturating_sub(1)) } else { value >> bits == 0 };
        if fits { Ok(value) } else { Err(Fault::Overflow { bits }) }
    }
}

/// The bits of a message, a byte each; nothing if one is neither 0 nor 1.
fn bits_of(message: &[u8]) -> Option<Vec<bool>> {
    message.iter().all(|&byte| byte <= 1).then(|| message.iter().map(|&byte| byte == 1).collect())
}

/// One group of an input instruction.
struct Wish {
    owner: PartyIndex,
    bits: usize,
    exponent: i64,
    targets: Targets,
}

enum Targets {
    /// 64 bits to a register.
    Packed(usize),
    /// A register for each bit.
    Single(Vec<usize>),
}

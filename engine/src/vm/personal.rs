//! What parties put in and take out as themselves: private inputs, private outputs, personal values.

use super::Machine;
use super::exits::{Decided, Settled};
use super::fault::{Fault, Step};
use super::input::{self, InputError};
use super::rounds::gather;
use super::state::copy_shares;
use crate::field::{Field, Fp, Gf2n, PrimeField};
use crate::party::{Party, PartyIndex};
use crate::share::{MacKeyShare, Shares};
use crate::step::Step as Wire;
use crate::tuples::{InputMasks, Tuples};
use polyyne_bytecode::Opcode;

impl Machine<'_> {
    fn player(&self, player: i64) -> Step<PartyIndex> {
        let index = u16::try_from(player).ok().filter(|&index| usize::from(index) < self.ports.online.party.n());
        index.map(PartyIndex).ok_or(Fault::Player(player))
    }

    /// All private inputs of one instruction in one round.
    pub(super) async fn input(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        if opcode == Opcode::Inputmixedreg {
            self.settle_control().await?;
        }
        let wishes = self.wishes(opcode, size, args)?;
        let own = self.ports.online.party.index();
        let mut values = Vec::new();
        for wish in wishes.iter().filter(|wish| wish.owner == own) {
            values.extend(self.own_values(&wish.source, size, wish.count())?);
        }
        let counts: Vec<_> = wishes.iter().map(|wish| (wish.owner, wish.count())).collect();
        let online = &mut *self.ports.online;
        let key = online.mac.key().clone();
        let shared =
            share_inputs(&online.field, &mut online.party, &key, &mut *online.tuples, &counts, &values).await?;
        for (wish, shares) in wishes.iter().zip(&shared) {
            wish.write(shares, &mut self.banks.prime.s);
        }
        Ok(())
    }

    /// The same over GF(2^n): patterns, or native elements.
    pub(super) async fn binary_input(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        let native = opcode == Opcode::GRawinput;
        let mut wishes = Vec::new();
        for group in args.chunks_exact(2) {
            let (to, player) = if native { (group[1], group[0]) } else { (group[0], group[1]) };
            wishes.push((self.player(player)?, to as usize));
        }
        let own = self.ports.online.party.index();
        let mut values = Vec::new();
        for _ in wishes.iter().filter(|(owner, _)| *owner == own) {
            values.extend(self.own_patterns(native, size)?);
        }
        let counts: Vec<_> = wishes.iter().map(|&(owner, _)| (owner, size)).collect();
        let side = self.ports.binary.as_deref_mut().ok_or(Fault::Unsupported(opcode))?;
        let key = side.mac.key().clone();
        let party = &mut self.ports.online.party;
        let shared = share_inputs(&side.field, party, &key, &mut *side.tuples, &counts, &values).await?;
        for ((_, to), shares) in wishes.into_iter().zip(&shared) {
            copy_shares(&mut self.banks.binary.s, to, shares, 0, size);
        }
        Ok(())
    }

    fn own_patterns(&mut self, native: bool, size: usize) -> Step<Vec<Gf2n>> {
        let inputs = &mut *self.ports.inputs;
        if native {
            let values = inputs.native_binary(size).filter(|values| values.len() == size);
            return Ok(values.ok_or(InputError::Ended)?);
        }
        let mut value = || Ok(input::pattern(&self.binary, &inputs.word(self.place.thread).ok_or(InputError::Ended)?)?);
        (0..size).map(|_| value()).collect()
    }

    fn wishes(&self, opcode: Opcode, size: usize, args: &[i64]) -> Step<Vec<Wish>> {
        let mut wishes = Vec::new();
        let mut wish = |targets: &[i64], length, owner, source| -> Step {
            let targets = targets.iter().map(|&to| to as usize).collect();
            wishes.push(Wish { owner: self.player(owner)?, source, targets, length });
            Ok(())
        };
        match opcode {
            Opcode::Input => args.chunks_exact(2).try_for_each(|g| wish(&g[..1], size, g[1], Source::Integer))?,
            Opcode::Rawinput => args.chunks_exact(2).try_for_each(|g| wish(&g[1..], size, g[0], Source::Native))?,
            Opcode::Inputfix => {
                args.chunks_exact(3).try_for_each(|g| wish(&g[..1], size, g[2], Source::Fixed(g[1] as u32)))?;
            }
            Opcode::Inputfloat => {
                args.chunks_exact(6).try_for_each(|g| wish(&g[..4], size, g[5], Source::Float(g[4] as u32)))?;
            }
            Opcode::Inputpersonal => args
                .chunks_exact(4)
                .try_for_each(|g| wish(&g[2..3], g[0] as usize, g[1], Source::Registers(g[3] as usize)))?,
            _ => {
                let mut rest = args;
                while let Some(&kind) = rest.first() {
                    let (results, parameters) = [(1, 0), (1, 1), (4, 1)][kind as usize];
                    let (group, after) = rest.split_at(1 + results + parameters + 1);
                    let bits = u32::try_from(group[results + parameters]).ok().filter(|&bits| bits < 1024).unwrap_or(0);
                    let source = [Source::Integer, Source::Fixed(bits), Source::Float(bits)][kind as usize];
                    let player = group[group.len() - 1];
                    let player = match opcode {
                        Opcode::Inputmixedreg => self.banks.decisive(player, &Decided::of(&self.ports)),
                        _ => player,
                    };
                    wish(&group[1..1 + results], size, player, source)?;
                    rest = after;
                }
            }
        }
        Ok(wishes)
    }

    /// This party's values for one group, lane by lane.
    fn own_values(&mut self, source: &Source, size: usize, count: usize) -> Step<Vec<Fp>> {
        let field = self.ports.online.field;
        let thread = self.place.thread;
        let mut word = || self.ports.inputs.word(thread).ok_or(InputError::Ended);
        let mut values = Vec::with_capacity(count);
        match *source {
            Source::Integer => {
                for _ in 0..size {
                    values.push(input::integer(&field, &word()?)?);
                }
            }
            Source::Fixed(bits) => {
                for _ in 0..size {
                    values.push(input::fixed(&field, input::number(&word()?)?, bits)?);
                }
            }
            Source::Float(bits) => {
                for _ in 0..size {
                    values.extend(input::float(&field, input::number(&word()?)?, bits)?);
                }
            }
            Source::Native => {
                let native = self.ports.inputs.native(size).filter(|values| values.len() == size);
                values = native.ok_or(InputError::Ended)?;
            }
            Source::Registers(first) => values.extend_from_slice(&self.banks.prime.c[first..first + count]),
        }
        Ok(values)
    }

    /// Values towards one party each: masked, opened in one round, checked, unmasked.
    pub(super) async fn private_outputs(&mut self, args: &[i64]) -> Step {
        self.settle_all().await?;
        let mut masked = Shares::default();
        let mut masks = Vec::new();
        for group in args.chunks_exact(4) {
            let (length, owner) = (group[0] as usize, self.player(group[1])?);
            let mask = self.ports.online.tuples.input_masks(owner.get(), length)?;
            let secret = gather(&self.banks.prime.s, std::iter::once((group[3] as usize, length)));
            masked.append(&secret.sub(&self.ports.online.field, &mask.shares));
            masks.push(mask.clear);
        }
        let opened = self.ports.online.open_checked(&masked).await?;
        let field = self.ports.online.field;
        let mut start = 0;
        for (group, clear) in args.chunks_exact(4).zip(masks) {
            let (length, to) = (group[0] as usize, group[2] as usize);
            for i in 0..length {
                let mask = clear.as_ref().map_or(field.zero(), |clear| clear[i]);
                self.banks.prime.c[to + i] = field.add(opened[start + i], mask);
            }
            start += length;
        }
        Ok(())
    }

    /// Clear values from one party to another; other parties' registers become zero.
    pub(super) async fn send_personal(&mut self, args: &[i64]) -> Step {
        self.settle_control().await?;
        let field = self.ports.online.field;
        let own = self.ports.online.party.index();
        let n = self.ports.online.party.n();
        let mut out = vec![Vec::new(); n];
        let mut expected = vec![0usize; n];
        let mut groups = Vec::new();
        for group in args.chunks_exact(5) {
            let (length, to, from) = (group[0] as usize, self.player(group[1])?, self.player(group[3])?);
            let values = self.banks.prime.c[group[4] as usize..][..length].to_vec();
            if from == own {
                field.encode(&values, &mut out[to.get()]);
            }
            if to == own {
                expected[from.get()] += length;
            }
            groups.push((length, to, group[2] as usize, from, values));
        }
        let received = self.ports.online.party.exchange(Wire::Personal, out).await?;
        let mut offers = Vec::new();
        for (j, message) in received.iter().enumerate() {
            let peer = PartyIndex(j as u16);
            let count = if peer == own { 0 } else { expected[j] };
            let party = &self.ports.online.party;
            offers.push(party.elements(&field, peer, Wire::Personal, message, count)?.into_iter());
        }
        for (length, to, target, from, values) in groups {
            let values = match (to == own, from == own) {
                (true, true) => values,
                (true, false) => offers[from.get()].by_ref().take(length).collect(),
                (false, _) => vec![field.zero(); length],
            };
            self.banks.prime.c[target..target + length].copy_from_slice(&values);
        }
        Ok(())
    }

    /// Numbers from the party's binary input, scaled by 2^exponent; zeros at parties that it does not name.
    pub(super) fn fixed_input(&mut self, size: usize, args: &[i64]) -> Step {
        let own = i64::from(self.ports.online.party.index().0);
        let field = self.ports.online.field;
        let (to, exponent, kind) = (args[1] as usize, args[2], args[3]);
        for i in 0..size {
            let value =
                if args[0] == -1 || args[0] == own { self.binary_number(exponent, kind)? } else { field.zero() };
            self.banks.prime.c[to + i] = value;
        }
        Ok(())
    }

    fn binary_number(&mut self, exponent: i64, kind: i64) -> Step<Fp> {
        let field = self.ports.online.field;
        let width = match (kind, exponent) {
            (0, 1) => 1,
            (1, _) => 4,
            _ => 8,
        };
        let bytes = self.ports.inputs.binary(self.place.thread, width).filter(|bytes| bytes.len() == width);
        let bytes = bytes.ok_or(InputError::Ended)?;
        let mut word = [0; 8];
        word[..width].copy_from_slice(&bytes);
        let scale = |x: f64| input::fixed(&field, x * 2f64.powi(exponent.clamp(-1000, 1000) as i32), 0);
        Ok(match kind {
            0 if width == 1 => field.from_i64(i64::from(word[0] as i8)),
            0 => field.from_i64(i64::from_le_bytes(word)),
            1 => scale(f32::from_le_bytes([word[0], word[1], word[2], word[3]]).into())?,
            _ => scale(f64::from_le_bytes(word))?,
        })
    }

    /// Binary output of this party, after a check.
    pub(super) async fn own_output(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        self.settle_all().await?;
        let own = i64::from(self.ports.online.party.index().0);
        let thread = self.place.thread;
        let field = self.ports.online.field;
        let raw = matches!(opcode, Opcode::RawOutput | Opcode::GRawOutput);
        if !raw && args[0] != -1 && args[0] != own {
            return Ok(());
        }
        for i in 0..size {
            let bytes = match opcode {
                Opcode::Intoutput => self.banks.ints[args[1] as usize + i].to_le_bytes().to_vec(),
                Opcode::RawOutput => {
                    field.to_montgomery(self.banks.prime.c[args[0] as usize + i]).to_le_bytes().to_vec()
                }
                Opcode::GRawOutput => {
                    self.binary.to_bits(self.banks.binary.c[args[0] as usize + i]).to_le_bytes().to_vec()
                }
                _ => self.double(&args[1..], i).to_le_bytes().to_vec(),
            };
            self.exits.binary(thread, &bytes, &Settled::of(&self.ports));
        }
        Ok(())
    }

    fn double(&self, args: &[i64], lane: usize) -> f64 {
        let field = &self.ports.online.field;
        let part = |k: usize| {
            let (negative, magnitude) = super::clear::signed(field, self.banks.prime.c[args[k] as usize + lane]);
            if negative { -(magnitude as f64) } else { magnitude as f64 }
        };
        let value = if part(2) != 0.0 { 0.0 } else { part(0) * part(1).exp2() };
        if part(3) != 0.0 { -value } else { value }
    }
}

/// Inputs of several parties in one round: each broadcasts x − r for masks r that it alone knows, and all take
/// ⟦x⟧ = ⟦r⟧ + (x − r). `counts` says whose inputs come and how many, `own` are this party's in that order.
pub(super) async fn share_inputs<F: Field>(
    field: &F,
    party: &mut Party,
    key: &MacKeyShare<F>,
    tuples: &mut dyn Tuples<F>,
    counts: &[(PartyIndex, usize)],
    own: &[F::Element],
) -> Step<Vec<Shares<F>>> {
    let mut masks = Vec::new();
    let mut message = Vec::new();
    let mut own_left = own;
    for &(owner, count) in counts {
        let InputMasks { shares, clear } = tuples.input_masks(owner.get(), count)?;
        if owner == party.index() {
            let clear = clear.expect("the source gives the owner its masks in clear");
            let (values, rest) = own_left.split_at(count);
            own_left = rest;
            let masked: Vec<F::Element> = values.iter().zip(&clear).map(|(&x, &r)| field.sub(x, r)).collect();
            field.encode(&masked, &mut message);
        }
        masks.push(shares);
    }
    let received = party.broadcast(Wire::Input, message).await?;
    let mut offers = Vec::new();
    for (j, message) in received.iter().enumerate() {
        let peer = PartyIndex(j as u16);
        let count = counts.iter().filter(|(owner, _)| *owner == peer).map(|(_, count)| count).sum();
        offers.push(party.elements(field, peer, Wire::Input, message, count)?.into_iter());
    }
    let shared = counts.iter().zip(masks).map(|(&(owner, count), masks)| {
        let masked: Vec<F::Element> = offers[owner.get()].by_ref().take(count).collect();
        key.add_public(field, &masks, &masked)
    });
    Ok(shared.collect())
}

/// Where a party takes the values of an input group from.
#[derive(Clone, Copy)]
enum Source {
    Integer,
    Fixed(u32),
    Float(u32),
    Native,
    Registers(usize),
}

/// One group of an input instruction.
struct Wish {
    owner: PartyIndex,
    source: Source,
    /// A register vector for each part of a value (four for floats).
    targets: Vec<usize>,
    length: usize,
}

impl Wish {
    fn count(&self) -> usize {
        self.targets.len() * self.length
    }

    /// Shares come lane by lane, the parts of a lane together.
    fn write(&self, shares: &Shares<PrimeField>, registers: &mut Shares<PrimeField>) {
        let parts = self.targets.len();
        for lane in 0..self.length {
            for (part, &to) in self.targets.iter().enumerate() {
                registers.set(to + lane, shares.get(lane * parts + part));
            }
        }
    }
}

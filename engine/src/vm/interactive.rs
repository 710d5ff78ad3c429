//! Instructions that talk: openings, products, tuples, inputs, outputs, sockets, and control flow that waits for a check.
//!
//! Each gathers all its operands, makes one round (beside those of MAC checks), and writes its results after that, since
//! register ranges of different groups may overlap.

use super::Machine;
use super::code::{Op, Tape};
use super::door::{DoorError, Message, Wanted};
use super::fault::{Fault, Step};
use super::input::{self, InputError};
use super::state::{Pair, address, copy_shares};
use crate::coin;
use crate::field::{Field, Fp, PrimeField};
use crate::party::PartyIndex;
use crate::port::Rng;
use crate::share::Shares;
use crate::step::Step as Wire;
use crate::tuples::InputMasks;
use polyyne_bytecode::{Bank, Opcode};
use rand_core::{Rng as _, SeedableRng};

/// A run of registers: first and length.
type Run = (usize, usize);

impl Machine<'_> {
    /// Runs an instruction that [`Machine::local`] did not.
    pub(super) async fn interactive(&mut self, op: Op, args: &[i64], tape: &Tape) -> Step {
        let size = op.size as usize;
        match op.opcode {
            Opcode::Jmpnz | Opcode::Jmpeqz | Opcode::Jmpi | Opcode::Crash => self.branch(op.opcode, args).await,
            Opcode::CallTape => self.call(args),
            Opcode::RunTape => self.start_threads(args),
            Opcode::Check => self.settle().await,
            Opcode::Rand | Opcode::Shuffle => self.public_random(op.opcode, size, args).await,
            Opcode::Pubinput => self.public_input(size, args),

            Opcode::Open => self.open(size, args).await,
            Opcode::Muls | Opcode::Mulrs => self.multiply(op.opcode == Opcode::Mulrs, args).await,
            Opcode::Dotprods => self.dot_products(size, args).await,
            Opcode::Matmuls => self.matrix_products(args).await,
            Opcode::Matmulsm => self.matrix_products_from_memory(args).await,
            Opcode::Conv2ds => self.convolutions(args).await,

            Opcode::Triple | Opcode::Square | Opcode::Inverse | Opcode::Bit | Opcode::Randomfulls => {
                self.tuples(op.opcode, size, args)
            }
            Opcode::Inputmask => self.input_masks(args[2], size, args),
            Opcode::Inputmaskreg => {
                self.settle_control().await?;
                let players: Vec<i64> = self.banks.ints[args[2] as usize..][..size].to_vec();
                for (lane, &player) in players.iter().enumerate() {
                    let shifted = [args[0] + lane as i64, args[1] + lane as i64];
                    self.input_masks(player, 1, &shifted)?;
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
            Opcode::Privateoutput => self.private_outputs(args).await,
            Opcode::Sendpersonal => self.send_personal(args).await,
            Opcode::Fixinput => self.fixed_input(size, args),
            Opcode::Intoutput | Opcode::Floatoutput | Opcode::RawOutput => self.own_output(op.opcode, size, args).await,

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
            other => unreachable!("{other} is refused when a program is loaded"),
        }
    }

    async fn branch(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        self.settle_control().await?;
        let value = self.banks.ints[args[0] as usize];
        match opcode {
            Opcode::Jmpnz if value != 0 => self.jump(args[1]),
            Opcode::Jmpeqz if value == 0 => self.jump(args[1]),
            Opcode::Jmpi => self.jump(value),
            Opcode::Crash if value != 0 => Err(Fault::Crash),
            _ => Ok(()),
        }
    }

    /// Randomness that all parties see, from one coin toss for the whole run.
    async fn public_random(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        if self.public_rng.is_none() {
            let seed = coin::toss(&mut self.ports.online.party).await?;
            self.public_rng = Some(Rng::from_seed(seed));
        }
        let rng = self.public_rng.as_mut().expect("it was made above");
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

    async fn open(&mut self, size: usize, args: &[i64]) -> Step {
        // Whatever is revealed may depend on earlier openings: they are checked before it leaves.
        if args[0] != 0 {
            self.settle().await?;
        }
        let secrets = self.gather(args[1..].chunks_exact(2).map(|group| (group[1] as usize, size)));
        let opened = self.ports.online.open(&secrets).await?;
        // The registers that hold them count as unchecked until the next check.
        self.unchecked = true;
        let values = opened.for_shares();
        for (group, values) in args[1..].chunks_exact(2).zip(values.chunks_exact(size)) {
            self.banks.prime.c[group[0] as usize..][..size].copy_from_slice(values);
        }
        Ok(())
    }

    async fn multiply(&mut self, by_scalar: bool, args: &[i64]) -> Step {
        let runs = |which: usize| args.chunks_exact(4).map(move |group| (group[which] as usize, group[0] as usize));
        let x = self.gather(runs(2));
        let y = if by_scalar {
            self.gather(
                args.chunks_exact(4).flat_map(|group| std::iter::repeat_n((group[3] as usize, 1), group[0] as usize)),
            )
        } else {
            self.gather(runs(3))
        };
        let products = self.ports.online.multiply(&x, &y).await?;
        self.scatter(&products, runs(1));
        Ok(())
    }

    async fn dot_products(&mut self, size: usize, args: &[i64]) -> Step {
        let (mut x, mut y, mut lengths, mut targets) = (Shares::default(), Shares::default(), Vec::new(), Vec::new());
        let s = &self.banks.prime.s;
        let mut rest = args;
        while let Some((&length, _)) = rest.split_first() {
            let (group, after) = rest.split_at(length as usize);
            let factors = &group[2..];
            for lane in 0..size {
                for pair in factors.chunks_exact(2) {
                    push(&mut x, s, pair[0] as usize + lane);
                    push(&mut y, s, pair[1] as usize + lane);
                }
                lengths.push(factors.len() / 2);
            }
            targets.push((group[1] as usize, size));
            rest = after;
        }
        let sums = self.ports.online.dot_products(&x, &y, &lengths).await?;
        self.scatter(&sums, targets.into_iter());
        Ok(())
    }

    /// Row-major products of matrices in registers.
    async fn matrix_products(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        let s = &self.banks.prime.s;
        for group in args.chunks_exact(6) {
            let [to, a, b, rows, inner, columns] = usizes(group);
            sums.matrix([rows, inner, columns], to, |r, k| s.get(a + r * inner + k), |k, c| s.get(b + k * columns + c));
        }
        self.finish_sums(sums).await
    }

    /// Products of matrices in memory, rows and columns picked by index vectors.
    async fn matrix_products_from_memory(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        for group in args.chunks_exact(12) {
            let [to, _, _, rows, inner, columns, rows_a, columns_a, rows_b, columns_b, ..] = usizes::<12>(group);
            let shape = [rows, inner, columns];
            let a = self.indexed(group[1], (rows_a, rows), (columns_a, inner), group[10])?;
            let b = self.indexed(group[2], (rows_b, inner), (columns_b, columns), group[11])?;
            sums.matrix(shape, to, |r, k| a.get(r * inner + k), |k, c| b.get(k * columns + c));
        }
        self.finish_sums(sums).await
    }

    /// memory[base + row·stride + column] for all rows and columns that two index vectors name.
    fn indexed(&self, base: i64, rows: Run, columns: Run, stride: i64) -> Step<Shares<PrimeField>> {
        let ints = &self.banks.ints;
        let memory = &self.memory.prime.s;
        let base = ints[base as usize];
        let mut matrix = Shares::default();
        for &row in &ints[rows.0..rows.0 + rows.1] {
            for &column in &ints[columns.0..columns.0 + columns.1] {
                let at = base.wrapping_add(row.wrapping_mul(stride)).wrapping_add(column);
                push(&mut matrix, memory, address(Bank::Sint, at, memory.len())?);
            }
        }
        Ok(matrix)
    }

    async fn convolutions(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        for group in args.chunks_exact(15) {
            convolution(&self.banks.prime.s, group, &mut sums);
        }
        self.finish_sums(sums).await
    }

    async fn finish_sums(&mut self, sums: Sums) -> Step {
        let results = self.ports.online.dot_products(&sums.x, &sums.y, &sums.lengths).await?;
        for (i, &to) in sums.targets.iter().enumerate() {
            self.banks.prime.s.set(to, results.get(i));
        }
        Ok(())
    }

    fn tuples(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        let source = &mut self.ports.online.tuples;
        let columns = match opcode {
            Opcode::Triple => {
                let triples = source.triples(size)?;
                vec![triples.a, triples.b, triples.c]
            }
            Opcode::Square | Opcode::Inverse => {
                let pairs = if opcode == Opcode::Square { source.squares(size)? } else { source.inverses(size)? };
                vec![pairs.a, pairs.image]
            }
            Opcode::Bit => vec![source.bits(size)?],
            _ => vec![source.randoms(size)?],
        };
        for (column, &to) in columns.iter().zip(args) {
            copy_shares(&mut self.banks.prime.s, to as usize, column, 0, size);
        }
        Ok(())
    }

    fn input_masks(&mut self, player: i64, size: usize, args: &[i64]) -> Step {
        let owner = self.player(player)?;
        let masks = self.ports.online.tuples.input_masks(owner.get(), size)?;
        let Pair { s, c } = &mut self.banks.prime;
        copy_shares(s, args[0] as usize, &masks.shares, 0, size);
        // Only the owner knows the values; others hold zeros.
        match &masks.clear {
            Some(clear) => c[args[1] as usize..][..size].copy_from_slice(clear),
            None => c[args[1] as usize..][..size].fill(Default::default()),
        }
        Ok(())
    }

    fn player(&self, player: i64) -> Step<PartyIndex> {
        let index = u16::try_from(player).ok().filter(|&index| usize::from(index) < self.ports.online.party.n());
        index.map(PartyIndex).ok_or(Fault::Player(player))
    }

    /// All private inputs of one instruction in one round.
    async fn input(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        if opcode == Opcode::Inputmixedreg {
            self.settle_control().await?;
        }
        let wishes = self.wishes(opcode, size, args)?;
        let own = self.ports.online.party.index();
        let mut masks = Vec::new();
        let mut message = Vec::new();
        for wish in &wishes {
            let count = wish.count();
            let InputMasks { shares, clear } = self.ports.online.tuples.input_masks(wish.owner.get(), count)?;
            if wish.owner == own {
                let field = self.ports.online.field;
                let clear = clear.expect("the source gives the owner its masks in clear");
                let values = self.own_values(&wish.source, size, count)?;
                let masked: Vec<Fp> = values.iter().zip(&clear).map(|(&x, &r)| field.sub(x, r)).collect();
                field.encode(&masked, &mut message);
            }
            masks.push(shares);
        }
        let party = &mut self.ports.online.party;
        let received = party.broadcast(Wire::Input, message).await?;
        let mut offers = Vec::new();
        for (j, message) in received.iter().enumerate() {
            let peer = PartyIndex(j as u16);
            let count = wishes.iter().filter(|wish| wish.owner == peer).map(Wish::count).sum();
            let party = &self.ports.online.party;
            offers.push(party.elements(&self.ports.online.field, peer, Wire::Input, message, count)?.into_iter());
        }
        for (wish, masks) in wishes.iter().zip(masks) {
            let masked: Vec<Fp> = offers[wish.owner.get()].by_ref().take(wish.count()).collect();
            let shares = self.ports.online.mac.key().add_public(&self.ports.online.field, &masks, &masked);
            wish.write(&shares, &mut self.banks.prime.s);
        }
        Ok(())
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
                    let player =
                        if opcode == Opcode::Inputmixedreg { self.banks.ints[player as usize] } else { player };
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
    async fn private_outputs(&mut self, args: &[i64]) -> Step {
        self.settle().await?;
        let mut masked = Shares::default();
        let mut masks = Vec::new();
        for group in args.chunks_exact(4) {
            let (length, owner) = (group[0] as usize, self.player(group[1])?);
            let mask = self.ports.online.tuples.input_masks(owner.get(), length)?;
            let secret = self.gather(std::iter::once((group[3] as usize, length)));
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
    async fn send_personal(&mut self, args: &[i64]) -> Step {
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
    fn fixed_input(&mut self, size: usize, args: &[i64]) -> Step {
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
    async fn own_output(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        self.settle().await?;
        let own = i64::from(self.ports.online.party.index().0);
        let thread = self.place.thread;
        let field = self.ports.online.field;
        if opcode != Opcode::RawOutput && args[0] != -1 && args[0] != own {
            return Ok(());
        }
        for i in 0..size {
            let bytes = match opcode {
                Opcode::Intoutput => self.banks.ints[args[1] as usize + i].to_le_bytes().to_vec(),
                Opcode::RawOutput => {
                    field.to_montgomery(self.banks.prime.c[args[0] as usize + i]).to_le_bytes().to_vec()
                }
                _ => self.double(&args[1..], i).to_le_bytes().to_vec(),
            };
            self.ports.printer.binary(thread, &bytes);
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

    async fn connection(&mut self, opcode: Opcode, args: &[i64], tape: &Tape) -> Step {
        self.settle_control().await?;
        let int = |k: usize| self.banks.ints[args[k] as usize];
        let door = &mut self.ports.door;
        match opcode {
            Opcode::Listen => door.listen(int(0)).await?,
            Opcode::Closeclientconnection => door.close(int(0)).await?,
            Opcode::Acceptclientconnection => {
                let client = door.accept(int(1)).await?;
                self.banks.ints[args[0] as usize] = client;
            }
            _ => {
                let server = door.connect(&tape.texts[args[3] as usize], int(1), int(2)).await?;
                self.banks.ints[args[0] as usize] = server;
            }
        }
        Ok(())
    }

    /// A message holds, for each of `count` lanes, an element for each register.
    async fn read_socket(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        self.settle_control().await?;
        let client = self.banks.ints[args[0] as usize];
        let (lanes, registers) = (args[1] as usize, &args[2..]);
        let count = lanes * registers.len();
        let wanted = match opcode {
            Opcode::Readsocketint => Wanted::Integers,
            Opcode::Readsocketc => Wanted::Clear,
            _ => Wanted::Shares,
        };
        let message = self.ports.door.read(client, wanted, count).await?;
        let places = (0..lanes).flat_map(|lane| registers.iter().map(move |&register| register as usize + lane));
        let Pair { s, c } = &mut self.banks.prime;
        match (wanted, message) {
            (Wanted::Integers, Message::Integers(values)) if values.len() == count => {
                places.zip(values).for_each(|(at, value)| self.banks.ints[at] = value);
            }
            (Wanted::Clear, Message::Clear(values)) if values.len() == count => {
                places.zip(values).for_each(|(at, value)| c[at] = value);
            }
            (Wanted::Shares, Message::Shares(values)) if values.len() == count => {
                places.enumerate().for_each(|(i, at)| s.set(at, values.get(i)));
            }
            _ => return Err(DoorError::Length.into()),
        }
        Ok(())
    }

    async fn write_socket(&mut self, opcode: Opcode, args: &[i64]) -> Step {
        // What goes to a client leaves the secret domain.
        self.settle().await?;
        let client = self.banks.ints[args[0] as usize];
        let (label, lanes, registers) = (args[1] as i32, args[2] as usize, &args[3..]);
        let places = (0..lanes).flat_map(|lane| registers.iter().map(move |&register| register as usize + lane));
        let Pair { s, c } = &self.banks.prime;
        let message = match opcode {
            Opcode::Writesocketint => Message::Integers(places.map(|at| self.banks.ints[at]).collect()),
            Opcode::Writesocketc => Message::Clear(places.map(|at| c[at]).collect()),
            Opcode::Writesocketshare => Message::ValueShares(places.map(|at| s.values[at]).collect()),
            _ => {
                let mut shares = Shares::default();
                places.for_each(|at| push(&mut shares, s, at));
                Message::Shares(shares)
            }
        };
        Ok(self.ports.door.write(client, label, message).await?)
    }

    fn write_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let shares = self.gather(args[1..].iter().map(|&register| (register as usize, size)));
        let length = self.ports.storage.len().unwrap_or(0);
        let start =
            if position == -1 { length } else { usize::try_from(position).map_err(|_| Fault::Storage(position))? };
        if start.saturating_add(shares.len()) > STORED_SHARES_MAX {
            return Err(Fault::Limit { what: "stored shares", max: STORED_SHARES_MAX as u64 });
        }
        self.ports.storage.write(start, &shares);
        Ok(())
    }

    fn read_file(&mut self, size: usize, args: &[i64]) -> Step {
        let position = self.banks.ints[args[0] as usize];
        let end_register = args[1] as usize;
        let Some(length) = self.ports.storage.len() else {
            self.banks.ints[end_register] = -2;
            return Ok(());
        };
        let count = size * args[2..].len();
        let start = usize::try_from(position).map_err(|_| Fault::Storage(position))?;
        if start.checked_add(count).is_none_or(|end| end > length) {
            return Err(Fault::Storage(position));
        }
        let shares = self.ports.storage.read(start, count);
        self.scatter(&shares, args[2..].iter().map(|&register| (register as usize, size)));
        let end = start + count;
        self.banks.ints[end_register] = if end == length { -1 } else { end as i64 };
        Ok(())
    }

    /// The registers of all runs, one after the other.
    fn gather(&self, runs: impl Iterator<Item = Run>) -> Shares<PrimeField> {
        let s = &self.banks.prime.s;
        let mut all = Shares::default();
        for (first, count) in runs {
            all.values.extend_from_slice(&s.values[first..first + count]);
            all.macs.extend_from_slice(&s.macs[first..first + count]);
        }
        all
    }

    /// Writes what [`Machine::gather`] would read.
    fn scatter(&mut self, shares: &Shares<PrimeField>, runs: impl Iterator<Item = Run>) {
        let mut start = 0;
        for (first, count) in runs {
            copy_shares(&mut self.banks.prime.s, first, shares, start, count);
            start += count;
        }
    }
}

/// No file of shares grows beyond this.
const STORED_SHARES_MAX: usize = 1 << 22;

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

/// Sums of products on their way into one round.
#[derive(Default)]
struct Sums {
    x: Shares<PrimeField>,
    y: Shares<PrimeField>,
    lengths: Vec<usize>,
    targets: Vec<usize>,
}

type Share = (Fp, Fp);

impl Sums {
    fn term(&mut self, x: Share, y: Share) {
        self.x.push(x.0, x.1);
        self.y.push(y.0, y.1);
    }

    fn end(&mut self, length: usize, target: usize) {
        self.lengths.push(length);
        self.targets.push(target);
    }

    fn matrix(
        &mut self,
        shape: [usize; 3],
        to: usize,
        a: impl Fn(usize, usize) -> Share,
        b: impl Fn(usize, usize) -> Share,
    ) {
        let [rows, inner, columns] = shape;
        for row in 0..rows {
            for column in 0..columns {
                (0..inner).for_each(|k| self.term(a(row, k), b(k, column)));
                self.end(inner, to + row * columns + column);
            }
        }
    }
}

/// out[b, y, x] = Σ in[b, y·sh − ph + fy, x·sw − pw + fx, c]·w[fy, fx, c]; outside is zero. A negative stride means
/// stride 1 and a filter dilated by its magnitude.
fn convolution(s: &Shares<PrimeField>, group: &[i64], sums: &mut Sums) {
    let [to, input, weights] = usizes(&group[..3]);
    let [oh, ow, ih, iw, wh, ww, sh, sw, channels, ph, pw, batch]: [i64; 12] =
        group[3..].try_into().expect("a group has 15 operands");
    let stride = |s: i64| if s < 0 { (1, -s) } else { (s, 1) };
    let ((sh, dilate_h), (sw, dilate_w)) = (stride(sh), stride(sw));
    let inside = |at: i64, length: i64| (0..length).contains(&at);
    for b in 0..batch {
        for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            let mut length = 0;
            for (fy, fx) in (0..wh).flat_map(|fy| (0..ww).map(move |fx| (fy, fx))) {
                let (iy, ix) = (y * sh - ph + fy * dilate_h, x * sw - pw + fx * dilate_w);
                if inside(iy, ih) && inside(ix, iw) {
                    for c in 0..channels {
                        let from = input + (((b * ih + iy) * iw + ix) * channels + c) as usize;
                        sums.term(s.get(from), s.get(weights + ((fy * ww + fx) * channels + c) as usize));
                        length += 1;
                    }
                }
            }
            sums.end(length, to + ((b * oh + y) * ow + x) as usize);
        }
    }
}

fn usizes<const N: usize>(numbers: &[i64]) -> [usize; N] {
    std::array::from_fn(|i| numbers[i] as usize)
}

fn push<F: Field>(to: &mut Shares<F>, from: &Shares<F>, at: usize) {
    let (value, mac) = from.get(at);
    to.push(value, mac);
}

/// A uniform number below `bound`.
fn below(rng: &mut Rng, bound: u64) -> u64 {
    // Multiples of `bound` that fit; beyond them the remainder would be biased.
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = rng.next_u64();
        if number < limit {
            return number % bound;
        }
    }
}

//! Instructions that open, multiply or take tuples, the same for every field. One instruction is one round.

use super::fault::{Fault, Step};
use super::interactive::Run;
use super::state::{Pair, address, copy_shares};
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::online::beaver;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Tuples};
use polyyne_bytecode::{Bank, Opcode};

/// A field beside the session's prime field, with a MAC key and tuples of its own.
pub struct Side<F: Field> {
    pub field: F,
    pub mac: MacCheck<F>,
    pub tuples: Box<dyn Tuples<F>>,
}

/// What the instructions of one field work on.
pub(super) struct Rounds<'a, F: Field> {
    pub field: &'a F,
    pub party: &'a mut Party,
    pub mac: &'a mut MacCheck<F>,
    pub tuples: &'a mut dyn Tuples<F>,
    pub registers: &'a mut Pair<F>,
    pub memory: &'a Pair<F>,
    pub ints: &'a [i64],
}

impl<F: Field> Rounds<'_, F> {
    /// Runs an instruction by its prime-field opcode; false if it is not one of these.
    pub(super) async fn run(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        match opcode {
            Opcode::Open => self.open(size, args).await?,
            Opcode::Muls | Opcode::Mulrs => self.multiply(opcode == Opcode::Mulrs, args).await?,
            Opcode::Dotprods => self.dot_products(size, args).await?,
            Opcode::Matmuls => self.matrix_products(args).await?,
            Opcode::Matmulsm => self.matrix_products_from_memory(args).await?,
            Opcode::Conv2ds => self.convolutions(args).await?,
            Opcode::Triple | Opcode::Square | Opcode::Inverse | Opcode::Bit | Opcode::Randomfulls => {
                self.take(opcode, size, args)?;
            }
            Opcode::Inputmask => {
                self.input_masks(args[2], size, args[0] as usize, args[1] as usize)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The registers that hold opened values count as unchecked until the next check.
    async fn open(&mut self, size: usize, args: &[i64]) -> Step {
        let groups = || args[1..].chunks_exact(2);
        let secrets = gather(&self.registers.s, groups().map(|group| (group[1] as usize, size)));
        let opened = self.mac.open(self.party, &secrets).await?;
        for (group, values) in groups().zip(opened.for_shares().chunks_exact(size)) {
            self.registers.c[group[0] as usize..][..size].copy_from_slice(values);
        }
        Ok(())
    }

    async fn products(&mut self, x: &Shares<F>, y: &Shares<F>) -> Step<Shares<F>> {
        let triples = self.tuples.triples(x.len())?;
        Ok(beaver(self.field, self.party, self.mac, triples, x, y).await?)
    }

    async fn multiply(&mut self, by_scalar: bool, args: &[i64]) -> Step {
        let runs = |which: usize| args.chunks_exact(4).map(move |group| (group[which] as usize, group[0] as usize));
        let repeated = |group: &[i64]| std::iter::repeat_n((group[3] as usize, 1), group[0] as usize);
        let s = &self.registers.s;
        let x = gather(s, runs(2));
        let y = if by_scalar { gather(s, args.chunks_exact(4).flat_map(repeated)) } else { gather(s, runs(3)) };
        let products = self.products(&x, &y).await?;
        scatter(&mut self.registers.s, &products, runs(1));
        Ok(())
    }

    async fn dot_products(&mut self, size: usize, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        let s = &self.registers.s;
        let mut rest = args;
        while let Some(&length) = rest.first() {
            let (group, after) = rest.split_at(length as usize);
            for lane in 0..size {
                for pair in group[2..].chunks_exact(2) {
                    sums.term(s.get(pair[0] as usize + lane), s.get(pair[1] as usize + lane));
                }
                sums.end(group[2..].len() / 2, group[1] as usize + lane);
            }
            rest = after;
        }
        self.finish(sums).await
    }

    /// Row-major products of matrices in registers.
    async fn matrix_products(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        let s = &self.registers.s;
        for group in args.chunks_exact(6) {
            let [to, a, b, rows, inner, columns] = usizes(group);
            sums.matrix([rows, inner, columns], to, |r, k| s.get(a + r * inner + k), |k, c| s.get(b + k * columns + c));
        }
        self.finish(sums).await
    }

    /// Products of matrices in memory, rows and columns picked by index vectors.
    async fn matrix_products_from_memory(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        for group in args.chunks_exact(12) {
            let [to, _, _, rows, inner, columns, rows_a, columns_a, rows_b, columns_b, ..] = usizes::<12>(group);
            let a = self.indexed(group[1], (rows_a, rows), (columns_a, inner), group[10])?;
            let b = self.indexed(group[2], (rows_b, inner), (columns_b, columns), group[11])?;
            sums.matrix([rows, inner, columns], to, |r, k| a.get(r * inner + k), |k, c| b.get(k * columns + c));
        }
        self.finish(sums).await
    }

    /// memory[base + row·stride + column] for all rows and columns that two index vectors name.
    fn indexed(&self, base: i64, rows: Run, columns: Run, stride: i64) -> Step<Shares<F>> {
        let memory = &self.memory.s;
        let base = self.ints[base as usize];
        let mut matrix = Shares::default();
        for &row in &self.ints[rows.0..rows.0 + rows.1] {
            for &column in &self.ints[columns.0..columns.0 + columns.1] {
                let at = base.wrapping_add(row.wrapping_mul(stride)).wrapping_add(column);
                let (value, mac) = memory.get(address(Bank::Sint, at, memory.len())?);
                matrix.push(value, mac);
            }
        }
        Ok(matrix)
    }

    async fn convolutions(&mut self, args: &[i64]) -> Step {
        let mut sums = Sums::default();
        for group in args.chunks_exact(15) {
            convolution(&self.registers.s, group, &mut sums);
        }
        self.finish(sums).await
    }

    async fn finish(&mut self, sums: Sums<F>) -> Step {
        let products = self.products(&sums.x, &sums.y).await?;
        let mut start = 0;
        for (&length, &to) in sums.lengths.iter().zip(&sums.targets) {
            let range = start..start + length;
            start = range.end;
            let sum = |half: &[F::Element]| self.field.sum(half[range.clone()].iter().copied());
            self.registers.s.set(to, (sum(&products.values), sum(&products.macs)));
        }
        Ok(())
    }

    fn take(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step {
        let source = &mut *self.tuples;
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
            copy_shares(&mut self.registers.s, to as usize, column, 0, size);
        }
        Ok(())
    }

    /// Random values that one party knows; the clear registers of the others become zero.
    pub(super) fn input_masks(&mut self, player: i64, size: usize, secret: usize, clear: usize) -> Step {
        let owner =
            usize::try_from(player).ok().filter(|&owner| owner < self.party.n()).ok_or(Fault::Player(player))?;
        let InputMasks { shares, clear: known } = self.tuples.input_masks(owner, size)?;
        let Pair { s, c } = &mut *self.registers;
        copy_shares(s, secret, &shares, 0, size);
        match &known {
            Some(known) => c[clear..clear + size].copy_from_slice(known),
            None => c[clear..clear + size].fill(self.field.zero()),
        }
        Ok(())
    }
}

/// The registers of all runs, one after the other.
pub(super) fn gather<F: Field>(s: &Shares<F>, runs: impl Iterator<Item = Run>) -> Shares<F> {
    let mut all = Shares::default();
    for (first, count) in runs {
        all.values.extend_from_slice(&s.values[first..first + count]);
        all.macs.extend_from_slice(&s.macs[first..first + count]);
    }
    all
}

/// Writes what [`gather`] would read.
pub(super) fn scatter<F: Field>(s: &mut Shares<F>, shares: &Shares<F>, runs: impl Iterator<Item = Run>) {
    let mut start = 0;
    for (first, count) in runs {
        copy_shares(s, first, shares, start, count);
        start += count;
    }
}

/// Sums of products on their way into one round.
struct Sums<F: Field> {
    x: Shares<F>,
    y: Shares<F>,
    lengths: Vec<usize>,
    targets: Vec<usize>,
}

impl<F: Field> Default for Sums<F> {
    fn default() -> Self {
        Self { x: Shares::default(), y: Shares::default(), lengths: Vec::new(), targets: Vec::new() }
    }
}

type Share<F> = (<F as Field>::Element, <F as Field>::Element);

impl<F: Field> Sums<F> {
    fn term(&mut self, x: Share<F>, y: Share<F>) {
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
        a: impl Fn(usize, usize) -> Share<F>,
        b: impl Fn(usize, usize) -> Share<F>,
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
fn convolution<F: Field>(s: &Shares<F>, group: &[i64], sums: &mut Sums<F>) {
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

//! Instructions that open, multiply or take tuples, the same for every field. One instruction is one round.

use super::fault::{Fault, Step};
use super::in_place::{self, InPlace};
use super::interactive::Run;
use super::memory::PairMemory;
use super::state::{Pair, address, copy_shares};
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::online::{Factors, MatrixProduct, Run as Factor, Sums, multiply, multiply_matrices};
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, MatrixTriples, Shape, Shortage, Tuples};
use polyyne_bytecode::{Bank, Opcode};

/// Elements that are taken at once.
const TAKEN: usize = 2048;

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
    pub memory: &'a PairMemory<F>,
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

    async fn open(&mut self, size: usize, args: &[i64]) -> Step {
        let groups = || args[1..].chunks_exact(2);
        let secrets: Vec<Run> = groups().map(|group| (group[1] as usize, size)).collect();
        let opened = self.mac.reveal_runs(self.party, &self.registers.s, &secrets).await?;
        for (group, values) in groups().zip(opened.chunks_exact(size)) {
            self.registers.c[group[0] as usize..][..size].copy_from_slice(values);
        }
        Ok(())
    }

    /// Multiplies; the products are given in order, some at a time.
    async fn products(&mut self, terms: &Terms<F>, sink: impl FnMut(&Shares<F>)) -> Step {
        let registers = &self.registers.s;
        let (x, y) = (terms.x.as_ref().unwrap_or(registers), terms.y.as_ref().unwrap_or(registers));
        let triples = |count| Ok::<_, Fault>(self.tuples.triples(count)?.into_columns());
        multiply(self.party, self.mac, triples, &mut Factors::new(x, y, &terms.runs, sink)).await
    }

    async fn multiply(&mut self, by_scalar: bool, args: &[i64]) -> Step {
        let groups = || args.chunks_exact(4).map(usizes);
        let runs: Vec<Factor> = groups().map(|[len, _, x, y]| Factor { x, y, len, one_y: by_scalar }).collect();
        let targets: Vec<Run> = groups().map(|[len, to, _, _]| (to, len)).collect();
        if in_place::are_apart(&runs, &targets) {
            let triples = |count| Ok::<_, Fault>(self.tuples.triples(count)?.into_columns());
            let mut work = InPlace::new(&mut self.registers.s, &runs, &targets);
            return multiply(self.party, self.mac, triples, &mut work).await;
        }
        // Results overlap the factors of other groups, which are all read first.
        let terms = Terms { runs, ..Terms::default() };
        let mut products = Shares::with_capacity(targets.iter().map(|(_, len)| len).sum());
        self.products(&terms, |some| products.append(some)).await?;
        scatter(&mut self.registers.s, &products, targets.into_iter());
        Ok(())
    }

    async fn dot_products(&mut self, size: usize, args: &[i64]) -> Step {
        let mut terms = Terms::default();
        let mut rest = args;
        while let Some(&length) = rest.first() {
            let (group, after) = rest.split_at(length as usize);
            for lane in 0..size {
                for pair in group[2..].chunks_exact(2) {
                    terms.term(pair[0] as usize + lane, pair[1] as usize + lane, 1);
                }
                terms.end(group[2..].len() / 2, group[1] as usize + lane);
            }
            rest = after;
        }
        self.finish(terms).await
    }

    /// Row-major products of matrices in registers.
    async fn matrix_products(&mut self, args: &[i64]) -> Step {
        let mut terms = Terms { y: Some(Shares::default()), ..Terms::default() };
        let mut whole = Whole::default();
        for group in args.chunks_exact(6) {
            let [to, a, b, rows, inner, columns] = usizes(group);
            let shape = Shape { rows, inner, columns };
            let s = &self.registers.s;
            match self.tuples.matrices(shape) {
                Some(triple) => {
                    whole.add(to, s.slice(a..a + shape.left()), s.slice(b..b + shape.right()), triple);
                }
                None => terms.matrix([rows, inner, columns], to, a, |k, c| s.get(b + k * columns + c)),
            }
        }
        self.finish_matrices(terms, whole).await
    }

    /// Products of matrices in memory, rows and columns picked by index vectors.
    async fn matrix_products_from_memory(&mut self, args: &[i64]) -> Step {
        let mut terms = Terms { y: Some(Shares::default()), ..Terms::default() };
        let mut whole = Whole::default();
        let mut x = Shares::default();
        for group in args.chunks_exact(12) {
            let [to, _, _, rows, inner, columns, rows_a, columns_a, rows_b, columns_b, ..] = usizes::<12>(group);
            let a = self.indexed(group[1], (rows_a, rows), (columns_a, inner), group[10])?;
            let b = self.indexed(group[2], (rows_b, inner), (columns_b, columns), group[11])?;
            match self.tuples.matrices(Shape { rows, inner, columns }) {
                Some(triple) => whole.add(to, a, b, triple),
                None => {
                    let start = x.len();
                    x.append(&a);
                    terms.matrix([rows, inner, columns], to, start, |k, c| b.get(k * columns + c));
                }
            }
        }
        terms.x = Some(x);
        self.finish_matrices(terms, whole).await
    }

    /// Products with matrix triples in a round of their own, then the others; results are written when all factors
    /// have been read.
    async fn finish_matrices(&mut self, terms: Terms<F>, whole: Whole<F>) -> Step {
        let products = match whole.products.is_empty() {
            true => Vec::new(),
            false => multiply_matrices(self.field, self.party, self.mac, &whole.products).await?,
        };
        self.finish(terms).await?;
        for (product, to) in products.iter().zip(whole.targets) {
            copy_shares(&mut self.registers.s, to, product, 0, product.len());
        }
        Ok(())
    }

    /// memory[base + row·stride + column] for all rows and columns that two index vectors name.
    fn indexed(&self, base: i64, rows: Run, columns: Run, stride: i64) -> Step<Shares<F>> {
        let memory = &self.memory.s;
        let base = self.ints[base as usize];
        let mut matrix = Shares::with_capacity(rows.1.saturating_mul(columns.1));
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
        let mut terms = Terms::default();
        for group in args.chunks_exact(15) {
            convolution(group, &mut terms);
        }
        self.finish(terms).await
    }

    async fn finish(&mut self, terms: Terms<F>) -> Step {
        let mut sums = Sums::new(self.field.clone(), &terms.lengths);
        self.products(&terms, |products| sums.add(products)).await?;
        let sums = sums.into_shares();
        for (i, &to) in terms.targets.iter().enumerate() {
            self.registers.s.set(to, sums.get(i));
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
            Opcode::Bit => return self.take_some(size, args[0] as usize, |source, count| source.bits(count)),
            _ => return self.take_some(size, args[0] as usize, |source, count| source.randoms(count)),
        };
        for (column, &to) in columns.iter().zip(args) {
            copy_shares(&mut self.registers.s, to as usize, column, 0, size);
        }
        Ok(())
    }

    /// Takes elements some at a time, so that they pass through memory that is in the cache.
    fn take_some(
        &mut self,
        size: usize,
        to: usize,
        take: impl Fn(&mut dyn Tuples<F>, usize) -> Result<Shares<F>, Shortage>,
    ) -> Step {
        for start in (0..size).step_by(TAKEN) {
            let some = take(self.tuples, TAKEN.min(size - start))?;
            copy_shares(&mut self.registers.s, to + start, &some, 0, some.len());
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

/// Products of matrices for which there are matrix triples, and where they go.
struct Whole<F: Field> {
    products: Vec<MatrixProduct<F>>,
    targets: Vec<usize>,
}

impl<F: Field> Default for Whole<F> {
    fn default() -> Self {
        Self { products: Vec::new(), targets: Vec::new() }
    }
}

impl<F: Field> Whole<F> {
    fn add(&mut self, to: usize, x: Shares<F>, y: Shares<F>, triple: MatrixTriples<F>) {
        self.products.push(MatrixProduct { x, y, triple });
        self.targets.push(to);
    }
}

/// Sums of products on their way into one round: where the factors stand, how many make a sum, and where it goes.
struct Terms<F: Field> {
    /// What holds the left factors, if it is not the registers.
    x: Option<Shares<F>>,
    /// What holds the right factors, if it is not the registers.
    y: Option<Shares<F>>,
    runs: Vec<Factor>,
    lengths: Vec<usize>,
    targets: Vec<usize>,
}

impl<F: Field> Default for Terms<F> {
    fn default() -> Self {
        Self { x: None, y: None, runs: Vec::new(), lengths: Vec::new(), targets: Vec::new() }
    }
}

type Share<F> = (<F as Field>::Element, <F as Field>::Element);

impl<F: Field> Terms<F> {
    /// `len` products, longer runs where they go on where the last one has ended.
    fn term(&mut self, x: usize, y: usize, len: usize) {
        match self.runs.last_mut() {
            Some(last) if last.x + last.len == x && last.y + last.len == y => last.len += len,
            _ => self.runs.push(Factor { x, y, len, one_y: false }),
        }
    }

    fn end(&mut self, length: usize, target: usize) {
        self.lengths.push(length);
        self.targets.push(target);
    }

    /// The product of a row-major matrix at `a` of the left factors with b, whose columns are copied one after the other.
    fn matrix(&mut self, shape: [usize; 3], to: usize, a: usize, b: impl Fn(usize, usize) -> Share<F>) {
        let [rows, inner, columns] = shape;
        let y = self.y.as_mut().expect("products of matrices have their right factors copied");
        let start = y.len();
        for column in 0..columns {
            for (value, mac) in (0..inner).map(|k| b(k, column)) {
                y.push(value, mac);
            }
        }
        for row in 0..rows {
            for column in 0..columns {
                self.term(a + row * inner, start + column * inner, inner);
                self.end(inner, to + row * columns + column);
            }
        }
    }
}

/// out[b, y, x] = Σ in[b, y·sh − ph + fy, x·sw − pw + fx, c]·w[fy, fx, c]; outside is zero. A negative stride means
/// stride 1 and a filter dilated by its magnitude.
fn convolution<F: Field>(group: &[i64], terms: &mut Terms<F>) {
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
                    let from = input + (((b * ih + iy) * iw + ix) * channels) as usize;
                    terms.term(from, weights + ((fy * ww + fx) * channels) as usize, channels as usize);
                    length += channels as usize;
                }
            }
            terms.end(length, to + ((b * oh + y) * ow + x) as usize);
        }
    }
}

fn usizes<const N: usize>(numbers: &[i64]) -> [usize; N] {
    std::array::from_fn(|i| numbers[i] as usize)
}

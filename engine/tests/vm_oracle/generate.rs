//! Random well-formed programs: every jump and address is inside, every loop ends, and what is drawn at random cancels.

use super::plain::REGISTERS;
use polyyne_bytecode::Instruction;
use polyyne_engine::port::Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Tape 0 calls others, and those only later ones.
const TAPES: usize = 3;
/// First registers of operands; the rest is room for their lanes.
const FIRST: i64 = 12;
/// What only loops use.
const ONE: i64 = 35;
const COUNTERS: i64 = 36;
/// What only round trips use.
const SPARE: i64 = 30;

/// Tapes of one program.
pub fn program(seed: u64) -> Vec<Vec<Instruction>> {
    let mut rng = Rng::seed_from_u64(seed);
    (0..TAPES)
        .map(|tape| {
            let mut writer = Writer { rng: &mut rng, tape, code: Vec::new() };
            writer.constants();
            let length = if tape == 0 { 60 } else { 10 };
            writer.block(length, 0);
            if tape == 0 {
                writer.show_all();
            }
            writer.code
        })
        .collect()
}

struct Writer<'a> {
    rng: &'a mut Rng,
    tape: usize,
    code: Vec<Instruction>,
}

impl Writer<'_> {
    fn below(&mut self, bound: i64) -> i64 {
        (self.rng.next_u64() % bound as u64) as i64
    }

    fn register(&mut self) -> i64 {
        self.below(FIRST)
    }

    fn registers(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| self.register()).collect()
    }

    fn one_of<'n>(&mut self, names: &[&'n str]) -> &'n str {
        names[self.below(names.len() as i64) as usize]
    }

    /// Small numbers, and any.
    fn immediate(&mut self) -> i64 {
        let number = self.rng.next_u64() as i32;
        if self.below(2) == 0 { (number % 90).into() } else { number.into() }
    }

    fn emit(&mut self, name: &str, size: u64, operands: &[i64]) {
        self.code.push(Instruction::numeric(name, size, operands).expect("programs here are well formed"));
    }

    fn size(&mut self) -> u64 {
        1 + self.below(4) as u64
    }

    fn constants(&mut self) {
        self.emit("ldint", 1, &[ONE, 1]);
        for to in 0..FIRST {
            for name in ["ldint", "ldi", "gldi", "ldsi", "gldsi"] {
                let immediate = self.immediate();
                self.emit(name, 1, &[to, immediate]);
            }
        }
        // immediates are short: their products fill the words
        for to in 0..FIRST {
            let from = self.register();
            for name in ["mulint", "mulc", "gmulc", "mulm", "gmulm"] {
                self.emit(name, 1, &[to, to, from]);
            }
            self.emit("mulc", 1, &[to, to, to]);
            self.emit("gmulc", 1, &[to, to, to]);
            self.emit("convcint", 1, &[to, to]);
            self.emit("convcbit2s", 1, &[64, to, to]);
        }
    }

    fn block(&mut self, length: usize, depth: i64) {
        for _ in 0..length {
            match self.below(25) {
                0 if depth < 2 => self.branch(depth),
                1 if depth < 2 => self.repeat(depth),
                2 if self.tape + 1 < TAPES => self.call(),
                3 | 4 => self.round_trip(),
                5..=8 => self.memory(),
                9..=11 => self.integers(),
                12..=16 => self.words(),
                17 => self.print(),
                kind => self.elements(if kind < 22 { "" } else { "g" }),
            }
        }
    }

    /// Runs a block if a condition holds, else another.
    fn branch(&mut self, depth: i64) {
        let (condition, to) = (self.register(), self.register());
        let comparison = self.one_of(&["eqzc", "ltzc"]);
        self.emit(comparison, 1, &[to, condition]);
        let jump = self.one_of(&["jmpnz", "jmpeqz"]);
        let start = self.code.len();
        self.emit(jump, 1, &[to, 0]);
        self.block(3, depth + 1);
        let middle = self.code.len();
        self.emit("jmp", 1, &[0]);
        self.block(3, depth + 1);
        let end = self.code.len();
        let distance = |from: usize, to: usize| (to - from - 1) as i64;
        self.code[start] = Instruction::numeric(jump, 1, &[to, distance(start, middle + 1)]).expect("a jump");
        self.code[middle] = Instruction::numeric("jmp", 1, &[distance(middle, end)]).expect("a jump");
    }

    fn repeat(&mut self, depth: i64) {
        let counter = COUNTERS + depth;
        let times = 1 + self.below(3);
        self.emit("ldint", 1, &[counter, times]);
        let start = self.code.len() as i64;
        self.block(4, depth + 1);
        self.emit("subint", 1, &[counter, counter, ONE]);
        let back = start - self.code.len() as i64 - 1;
        self.emit("jmpnz", 1, &[counter, back]);
    }

    fn call(&mut self) {
        let later = self.tape as i64 + 1;
        let tape = later + self.below(TAPES as i64 - later);
        let mut operands = vec![tape, self.register()];
        for _ in 0..self.below(6) {
            let bank = [0, 1, 2, 4, 5, 6, 7][self.below(7) as usize];
            operands.extend([self.below(2), bank, self.below(5), self.register(), self.register()]);
        }
        self.emit("call_tape", 1, &operands);
    }

    fn integers(&mut self) {
        let (size, to, from) = (self.size(), self.register(), self.register());
        match self.below(12) {
            0 => {
                let immediate = self.immediate();
                self.emit("ldint", size, &[to, immediate]);
            }
            1 => {
                let name = self.one_of(&["movint", "eqzc", "ltzc"]);
                self.emit(name, size, &[to, from]);
            }
            2 => {
                let operands = [vec![from], self.registers(3)].concat();
                self.emit("bitdecint", 1, &operands);
            }
            3 => {
                let operands = [to, from, self.immediate(), 1 + self.below(3), 1 + self.below(5)];
                self.emit("incint", size, &operands);
            }
            4 => {
                let others = self.registers(2);
                self.emit("pushint", 1, &[from]);
                self.emit("pushint", 1, &[others[0]]);
                self.emit("popint", 1, &[to]);
                self.emit("popint", 1, &[others[1]]);
            }
            5 => {
                self.emit("starg", 1, &[from]);
                self.emit("ldarg", 1, &[to]);
            }
            6 => self.emit("ldarg", 1, &[to]),
            7 => {
                let bits = [0, 1, 5, 31, 63, 64][self.below(6) as usize];
                self.emit("convmodp", size, &[to, from, 0, bits]);
            }
            _ => {
                let name = self.one_of(&["addint", "subint", "mulint", "divint", "ltc", "gtc", "eqc"]);
                let other = self.register();
                if name == "divint" {
                    self.divisors("ldint", size, other);
                }
                self.emit(name, size, &[to, from, other]);
            }
        }
    }

    /// Mostly sets what something will be divided by: many registers hold zeros, and a division by zero is the end.
    fn divisors(&mut self, load: &str, size: u64, to: i64) {
        if self.below(16) != 0 {
            let immediate = self.immediate() | 1;
            self.emit(load, size, &[to, immediate]);
        }
    }

    /// Arithmetic of a field; `prefix` says of which.
    fn elements(&mut self, prefix: &str) {
        let prime = prefix.is_empty();
        let (size, to, a, b) = (self.size(), self.register(), self.register(), self.register());
        match self.below(14) {
            0 => {
                let (name, immediate) = (self.one_of(&["ldi", "ldsi"]), self.immediate());
                self.emit(&format!("{prefix}{name}"), size, &[to, immediate]);
            }
            1 => {
                let name = self.one_of(&["movc", "movs", "convint"]);
                self.emit(&format!("{prefix}{name}"), size, &[to, a]);
            }
            2 | 3 => {
                let name = self.one_of(&[
                    "addci", "subci", "subcfi", "mulci", "andci", "orci", "xorci", "addsi", "subsi", "subsfi", "mulsi",
                ]);
                let immediate = self.immediate();
                self.emit(&format!("{prefix}{name}"), size, &[to, a, immediate]);
            }
            4 => self.shapes(prefix),
            5 | 6 => self.products(prefix),
            7 if prime => {
                match self.one_of(&["prefixsums", "picks", "concats", "zips", "legendrec", "inv2m", "notc", "modci"]) {
                    "picks" => {
                        let (start, step) = (2 + self.below(3), self.below(3) - 1);
                        self.emit("picks", 3, &[to, a, start, step]);
                    }
                    "concats" => self.emit("concats", 5, &[to, 2, a, 3, b]),
                    "zips" => self.emit("zips", size, &[to, a, b]),
                    name @ ("prefixsums" | "legendrec") => self.emit(name, size, &[to, a]),
                    "inv2m" => {
                        let exponent = self.below(130);
                        self.emit("inv2m", size, &[to, exponent]);
                    }
                    name => {
                        let operand = self.below(120);
                        self.emit(name, size, &[to, a, operand]);
                    }
                }
            }
            7 => match self.below(4) {
                0 => self.emit("gnotc", size, &[to, a]),
                1 => {
                    let step = 1 + self.below(13);
                    let operands = [vec![a, step], self.registers(3)].concat();
                    self.emit("gbitdec", 1, &operands);
                }
                2 => {
                    let step = self.below(14);
                    let operands = [vec![to, step], self.registers(3)].concat();
                    self.emit("gbitcom", 1, &operands);
                }
                _ => self.emit("gconvgf2n", size, &[to, a]),
            },
            8 => {
                let (name, by) = (self.one_of(&["shlci", "shrci"]), self.below(140));
                self.emit(&format!("{prefix}{name}"), size, &[to, a, by]);
            }
            9 => {
                let immediate = 1 + self.below(1000);
                self.emit(&format!("{prefix}divci"), size, &[to, a, immediate]);
            }
            10 => {
                let name = if prime { self.one_of(&["divc", "modc", "floordivc", "shrc", "shlc"]) } else { "divc" };
                self.divisors(&format!("{prefix}ldi"), size, b);
                self.emit(&format!("{prefix}{name}"), size, &[to, a, b]);
            }
            _ => {
                let name = self.one_of(&[
                    "addc", "subc", "mulc", "andc", "orc", "xorc", "adds", "subs", "addm", "subml", "submr", "mulm",
                ]);
                self.emit(&format!("{prefix}{name}"), size, &[to, a, b]);
            }
        }
    }

    fn products(&mut self, prefix: &str) {
        match self.below(4) {
            0 => {
                let pairs = 1 + self.below(3);
                let check = self.below(2);
                let operands = [vec![check], self.registers(2 * pairs as usize)].concat();
                let size = self.size();
                self.emit(&format!("{prefix}open"), size, &operands);
            }
            1 => {
                let mut operands = Vec::new();
                for _ in 0..1 + self.below(2) {
                    let pairs = 1 + self.below(3) as usize;
                    operands.push(2 * pairs as i64 + 2);
                    operands.extend(self.registers(1 + 2 * pairs));
                }
                let size = self.size();
                self.emit(&format!("{prefix}dotprods"), size, &operands);
            }
            _ => {
                let name = self.one_of(&["muls", "mulrs"]);
                let mut operands = Vec::new();
                for _ in 0..1 + self.below(3) {
                    operands.push(self.below(5));
                    operands.extend(self.registers(3));
                }
                self.emit(&format!("{prefix}{name}"), 1, &operands);
            }
        }
    }

    /// Matrices of up to three rows and columns.
    fn shapes(&mut self, prefix: &str) {
        let operands = [self.registers(3), (0..3).map(|_| 1 + self.below(3)).collect()].concat();
        self.emit(&format!("{prefix}matmuls"), 1, &operands);
    }

    fn words(&mut self) {
        let (to, a, b) = (self.register(), self.register(), self.register());
        let bits = 1 + self.below(140);
        match self.below(14) {
            0 | 1 => {
                let name = self.one_of(&["xors", "ands", "andrs"]);
                let other = 1 + self.below(70);
                let operands = [vec![bits, to, a, b, other], self.registers(3)].concat();
                self.emit(name, 1, &operands);
            }
            2 => {
                let operands = [vec![7, bits], self.registers(5)].concat();
                self.emit("andrsvec", 1, &operands);
            }
            3 => {
                let other = 1 + self.below(70);
                let operands = [vec![bits, to, a, other], self.registers(2)].concat();
                self.emit("reveal", 1, &operands);
            }
            4 => {
                let name = self.one_of(&["xorm", "andm"]);
                self.emit(name, 1, &[bits.min(64), to, a, b]);
            }
            5 => {
                let name = self.one_of(&["nots", "movsb", "convcbit2s", "notcb"]);
                self.emit(name, 1, &[bits, to, a]);
            }
            6 => {
                let width = 1 + self.below(30);
                let value = self.below(1 << width);
                self.emit("ldbits", 1, &[to, width, value]);
            }
            7 => {
                let width = 1 + self.below(30);
                let value = self.below(1 << width) * (1 - 2 * self.below(2));
                self.emit("ldint", 1, &[b, value]);
                self.emit("convsint", 1, &[width, to, b]);
            }
            8 => {
                let name = self.one_of(&["bitdecs", "bitcoms", "bitdecc"]);
                let count = 1 + self.below(6) as usize;
                let operands = [vec![to], self.registers(count)].concat();
                self.emit(name, 1, &operands);
            }
            9 => {
                let (outputs, inputs) = (1 + self.below(4), 1 + self.below(5));
                let operands = [vec![outputs], self.registers((outputs + inputs) as usize)].concat();
                self.emit("trans", 1, &operands);
            }
            10 => self.emit("xorcb", 1, &[bits, to, a, b]),
            11 => {
                let name = self.one_of(&["xorcbi", "addcbi", "mulcbi", "shrcbi", "shlcbi"]);
                let operand = if name.starts_with("sh") { self.below(70) } else { self.immediate() };
                self.emit(name, 1, &[to, a, operand]);
            }
            12 => match self.below(4) {
                0 => self.emit("addcb", 1, &[to, a, b]),
                1 => self.emit("convcint", 1, &[to, a]),
                _ => self.emit("convcbit", 1, &[to, a]),
            },
            _ => {
                if self.below(2) == 0 {
                    self.emit("convcbitvec", 1, &[bits.min(18), to, a]);
                } else {
                    let (size, operands) = (self.size(), [vec![a], self.registers(3)].concat());
                    self.emit("convcintvec", size, &operands);
                }
            }
        }
    }

    /// Reads and writes of every memory, at fixed addresses and at those that registers hold.
    fn memory(&mut self) {
        let families =
            [["ldmint", "stmint"], ["ldmc", "stmc"], ["ldms", "stms"], ["gldmc", "gstmc"], ["gldms", "gstms"]];
        let words = [["ldmsb", "stmsb"], ["ldmcb", "stmcb"]];
        let (size, register) = (self.size(), self.register());
        let room = REGISTERS as i64 - 4;
        let of_words = self.below(3) == 0;
        let which = if of_words { words[self.below(2) as usize] } else { families[self.below(5) as usize] };
        let name = which[self.below(2) as usize];
        if self.below(2) == 0 {
            let address = self.below(room);
            self.emit(name, size, &[register, address]);
            return;
        }
        // words run on from one address; the others have one for each lane, apart from the lanes themselves
        for lane in 0..if of_words { 1 } else { size as i64 } {
            let address = self.below(room);
            self.emit("ldint", 1, &[SPARE + lane, address]);
        }
        self.emit(&format!("{name}i"), size, &[register, SPARE]);
    }

    /// Draws tuples or a permutation, and makes of them what does not depend on the draw.
    fn round_trip(&mut self) {
        let size = self.size();
        let [x, y, z] = [SPARE, SPARE + 3, SPARE + 6].map(|at| at - 3);
        let (lanes, to) = (3.min(size) as i64, self.register());
        let prefix = self.one_of(&["", "g"]);
        let size = lanes as u64;
        match self.below(5) {
            0 => self.emit(&format!("{prefix}triple"), size, &[x, y, z]),
            1 => {
                self.emit(&format!("{prefix}square"), size, &[x, z]);
                self.emit(&format!("{prefix}movs"), size, &[y, x]);
            }
            2 => {
                self.emit(&format!("{prefix}bit"), size, &[x]);
                self.emit(&format!("{prefix}movs"), size, &[y, x]);
                self.emit(&format!("{prefix}movs"), size, &[z, x]);
            }
            3 => return self.mixed(size),
            _ => {
                let (unit, count) = (1 + self.below(2), 2 + self.below(3));
                let from = self.register();
                self.emit("gensecshuffle", 1, &[SPARE, count]);
                self.emit("applyshuffle", 1, &[unit * count, to, from, unit, SPARE, 0]);
                self.emit("applyshuffle", 1, &[unit * count, to, to, unit, SPARE, 1]);
                self.emit("delshuffle", 1, &[SPARE]);
                return self.emit("ldint", 1, &[SPARE, 0]);
            }
        }
        self.emit(&format!("{prefix}muls"), 1, &[lanes, x, x, y]);
        self.emit(&format!("{prefix}subs"), size, &[to, x, z]);
        for used in [x, y, z] {
            self.emit(&format!("{prefix}ldsi"), size, &[used, 0]);
        }
    }

    /// The same random bits in both worlds: opened, they differ by nothing.
    fn mixed(&mut self, size: u64) {
        let bits = 5;
        let (s, c, words, other) = (SPARE, SPARE, SPARE, SPARE - 6);
        let count = match self.one_of(&["dabit", "edabit", "sedabit"]) {
            "dabit" => {
                self.emit("dabit", size, &[s, words]);
                1
            }
            name => {
                let operands: Vec<i64> = std::iter::once(s).chain(words..words + bits).collect();
                self.emit(name, size, &operands);
                bits
            }
        };
        self.emit("open", size, &[1, c, s]);
        let operands: Vec<i64> = std::iter::once(c).chain(other..other + count).collect();
        self.emit("convcintvec", size, &operands);
        let lanes = size as i64;
        for k in 0..count {
            self.emit("reveal", 1, &[lanes, words + k, words + k]);
            let to = self.register();
            self.emit("xorcb", 1, &[lanes, to, words + k, other + k]);
            self.emit("xorcb", 1, &[64, words + k, words + k, words + k]);
            self.emit("xorcb", 1, &[64, other + k, other + k, other + k]);
            self.emit("ldbits", 1, &[words + k, 1, 0]);
        }
        self.emit("ldsi", size, &[s, 0]);
        self.emit("ldi", size, &[c, 0]);
    }

    fn print(&mut self) {
        let (size, from) = (self.size(), self.register());
        match self.below(5) {
            0 => self.emit("print_int", size, &[from]),
            1 => self.emit("print_reg_plain", size, &[from]),
            2 => self.emit("gprint_reg_plain", size, &[from]),
            3 => {
                let width = 1 + self.below(64);
                // beyond a width of one, bits above it are nobody's
                self.emit("print_reg_signed", 1, &[width.max(2), from]);
            }
            _ => self.emit("print_reg_plainb", 1, &[from]),
        }
        self.emit("print_char", 1, &[' ' as i64]);
    }

    /// Every register and every memory.
    fn show_all(&mut self) {
        let all = REGISTERS as u64;
        self.show_banks();
        for name in ["ldmint", "ldmc", "ldms", "gldmc", "gldms", "ldmsb", "ldmcb"] {
            self.emit(name, all, &[0, 0]);
        }
        self.show_banks();
    }

    fn show_banks(&mut self) {
        self.show_clear();
        self.show("print_int");
        let all = REGISTERS as u64;
        self.emit("open", all, &[1, 0, 0]);
        self.emit("gopen", all, &[1, 0, 0]);
        self.emit("reveal", 1, &[64 * REGISTERS as i64, 0, 0]);
        self.show_clear();
    }

    fn show_clear(&mut self) {
        self.show("print_reg_plain");
        self.show("gprint_reg_plain");
        for word in 0..REGISTERS as i64 {
            self.emit("print_reg_signed", 1, &[64, word]);
            self.emit("print_char", 1, &[' ' as i64]);
        }
    }

    fn show(&mut self, print: &str) {
        self.emit(print, REGISTERS as u64, &[0]);
        self.emit("print_char", 1, &['\n' as i64]);
    }
}

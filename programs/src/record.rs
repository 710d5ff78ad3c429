//! The record: what the dialect library writes while it runs a program, and its parser.
//!
//! The format stands at the head of `dialect/Compiler/program.py`. The record comes out of a process that ran a
//! program of unknown intent, so nothing in it is believed: every register must exist, every operand must have the kind
//! that its instruction asks for, and every number must fit.

use std::collections::{BTreeMap, BTreeSet};

use polyyne_bytecode::{Access, Bank, Instruction, Kind, Opcode, Operand};

/// More virtual registers than this are refused.
const REGISTERS_MAX: usize = 1 << 26;
/// More functions that are reached by jumps than this are refused.
const FUNCTIONS_MAX: usize = 1 << 12;
/// More instructions than this are refused, those of expanded templates counted: templates that expand templates
/// multiply.
const STEPS_MAX: usize = 1 << 24;
/// More lanes in one register than this are refused.
const LANES_MAX: u32 = 1 << 30;

/// What is wrong where a function that becomes a tape uses a value from outside.
pub(crate) const FOREIGN: &str = "a value made in one thread or @function is used in another";

/// What is wrong with a program that unrolls too far.
pub(crate) const TOO_MANY_STEPS: &str = "it has more than 16777216 instructions";

/// A malformed record: a fault of the dialect library, or a program that wrote into its output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the compiler's record is malformed ({what})")]
pub struct RecordError {
    /// Counted from 1.
    pub line: usize,
    /// The line of the program, if the record tells; else 0.
    pub source_line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// A virtual register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Where it will live.
    pub bank: Bank,
    /// How many consecutive registers it takes.
    pub lanes: u32,
    /// The tape that uses it.
    pub tape: u32,
}

/// A virtual register's number.
pub type RegisterId = u32;

/// One operand as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Lane `offset` of a virtual register.
    Register {
        /// Which one.
        id: RegisterId,
        /// First lane.
        offset: u32,
        /// Whether the instruction writes it.
        write: bool,
    },
    /// A number.
    Number(i64),
    /// The label that a jump goes to.
    Label(u32),
    /// The distance from label `.1` to label `.0`.
    Distance(u32, u32),
    /// A tag or text, in its final form.
    Text(Operand),
}

/// One recorded instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The operation.
    pub opcode: Opcode,
    /// The vector size of the opcode word.
    pub size: u64,
    /// The operands.
    pub args: Vec<Arg>,
    /// The memory allocation that it touches; 0 if that is not known.
    pub allocation: u32,
}

/// How often a block runs, as far as is known: times for each run of what encloses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Exactly, or at most.
    Known(u64),
    /// Depends on values at run time.
    Unknown,
}

impl Times {
    /// One after the other.
    pub fn plus(self, other: Times) -> Times {
        match (self, other) {
            (Times::Known(a), Times::Known(b)) => a.checked_add(b).map_or(Times::Unknown, Times::Known),
            _ => Times::Unknown,
        }
    }
    /// Both together: a loop in a loop.
    pub fn times(self, other: Times) -> Times {
        match (self, other) {
            (Times::Known(a), Times::Known(b)) => a.checked_mul(b).map_or(Times::Unknown, Times::Known),
            _ => Times::Unknown,
        }
    }
}

/// What can happen at a masked opening, with probability 2^-bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It tells something.
    Tells(u32),
    /// The program stops.
    Stops(u32),
}

/// How often each risk is taken.
pub type Risks = BTreeMap<Risk, u64>;

/// A sequence of instructions that is entered at its head only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The labels by which jumps reach it.
    pub labels: Vec<u32>,
    /// How often it runs for each run of the tape.
    pub times: Times,
    /// Its instructions; a jump can only be the last.
    pub steps: Vec<Step>,
    /// The risks of one run of them.
    pub risks: Risks,
}

/// One tape as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTape {
    /// The function's name; empty for the main tape.
    pub name: String,
    /// In order of the program.
    pub blocks: Vec<Block>,
    /// Registers that callers read after the tape's end.
    pub exports: BTreeSet<RegisterId>,
}

/// A recorded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Virtual registers by number.
    pub registers: Vec<Option<Register>>,
    /// Tapes by number.
    pub tapes: Vec<RecordedTape>,
    /// VM threads.
    pub threads: u32,
    /// The bits that the prime must have.
    pub prime_bits: u32,
    /// The prime, if the program was compiled for one.
    pub prime: Option<String>,
    /// The degree of GF(2^n), 0 for any.
    pub gf2n: u32,
    /// Statistical security that the program asks for, in bits over its whole run.
    pub security: u32,
    /// Features for line 8 of the schedule.
    pub features: Vec<String>,
    /// Numbers for the program's public input, if it brings any.
    pub public_input: Option<String>,
    /// Whether instructions stay whose results nobody reads.
    pub keep_unused: bool,
    /// First cell behind the allocations, for each memory in use.
    pub memory: BTreeMap<usize, i64>,
}

/// The bank that a letter of the record stands for.
fn bank(letter: u8) -> Option<Bank> {
    Some(match letter {
        b's' => Bank::Sint,
        b'c' => Bank::Cint,
        b'i' => Bank::Regint,
        b'S' => Bank::Sgf2n,
        b'C' => Bank::Cgf2n,
        b'b' => Bank::Sbits,
        b'k' => Bank::Cbits,
        _ => return None,
    })
}

/// Reads a record.
///
/// # Errors
/// [`RecordError`] names the first malformed line.
pub fn parse(text: &str) -> Result<Record, RecordError> {
    let mut parser = Parser::new();
    let mut ended = false;
    for (at, line) in text.lines().enumerate() {
        parser.line = at + 1;
        if ended {
            return Err(parser.wrong("something follows the end"));
        }
        if at == 0 {
            if line != "polyyne-record 1" {
                return Err(parser.wrong("not a record"));
            }
        } else if line == "end" {
            ended = true;
        } else {
            parser.line(line)?;
        }
    }
    if !ended {
        return Err(parser.wrong("it ends early"));
    }
    parser.finish()
}

/// A register as a line names it.
struct Name {
    bank: Bank,
    id: RegisterId,
    offset: u32,
    /// Its tape, if it is another one (arguments and results of `call_tape`).
    tape: Option<u32>,
}

struct Parser {
    record: Record,
    line: usize,
    /// What encloses the place where the parser is.
    scopes: Vec<Scope>,
    /// From where each function body is called.
    calls: BTreeMap<u32, Vec<Context>>,
    /// The context of every block, tape by tape.
    contexts: Vec<Vec<Context>>,
    /// Templates by number; the last is being read if `in_template`.
    templates: Vec<Template>,
    in_template: bool,
    /// The line of the program that the record's lines come from, 0 if that is not said.
    source_line: usize,
    /// Instructions so far.
    steps: usize,
}

/// Steps that the record holds once and uses often.
struct Template {
    /// The last register before those of the template.
    first: RegisterId,
    /// How many of its registers, the first ones, are parameters.
    parameters: u32,
    /// How many registers it has.
    count: u32,
    steps: Vec<Step>,
    risks: Risks,
}

/// Where registers of templates live.
const NO_TAPE: u32 = u32::MAX;

/// What encloses a block.
#[derive(Clone, Copy)]
enum Scope {
    /// A loop that runs so many times.
    Loop(Times),
    /// The body of a function that calls reach by jumps.
    Body(u32),
}

/// How often a block runs: so many times for each call of a function, or of the tape.
#[derive(Clone, Copy)]
struct Context {
    times: Times,
    function: Option<u32>,
}

impl Parser {
    fn new() -> Self {
        Parser {
            record: Record {
                registers: Vec::new(),
                tapes: Vec::new(),
                threads: 1,
                prime_bits: 0,
                prime: None,
                gf2n: 0,
                security: 0,
                features: Vec::new(),
                public_input: None,
                keep_unused: false,
                memory: BTreeMap::new(),
            },
            line: 0,
            scopes: Vec::new(),
            calls: BTreeMap::new(),
            contexts: Vec::new(),
            templates: Vec::new(),
            in_template: false,
            source_line: 0,
            steps: 0,
        }
    }

    fn wrong(&self, what: &str) -> RecordError {
        RecordError { line: self.line, source_line: self.source_line, what: what.to_owned() }
    }

    fn number<T: std::str::FromStr>(&self, word: Option<&str>) -> Result<T, RecordError> {
        word.and_then(|word| word.parse().ok()).ok_or_else(|| self.wrong("a number is missing or too large"))
    }

    fn line(&mut self, line: &str) -> Result<(), RecordError> {
        let mut words = line.split_ascii_whitespace();
        let Some(head) = words.next() else {
            return Ok(());
        };
        match head {
            "threads" => self.record.threads = self.number(words.next())?,
            "prime_bits" => self.record.prime_bits = self.number(words.next())?,
            "gf2n" => self.record.gf2n = self.number(words.next())?,
            "security" => self.record.security = self.number(words.next())?,
            "prime" => self.record.prime = words.next().map(str::to_owned),
            "keep_unused" => self.record.keep_unused = true,
            "feature" => self.record.features.extend(words.map(str::to_owned)),
            "public" => {
                let text = self.record.public_input.get_or_insert_default();
                for word in words {
                    let digits = word.strip_prefix('-').unwrap_or(word);
                    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        return Err(self.wrong("public input is not a number"));
                    }
                    text.push_str(word);
                    text.push('\n');
                }
            }
            "memory" => {
                let bank = self.bank(words.next())?;
                let top = self.number(words.next())?;
                self.record.memory.insert(bank.index(), top);
            }
            "v" => {
                let name = self.register_name(words.next().unwrap_or_default())?;
                let lanes = self.number(words.next())?;
                let tape = match self.in_template {
                    true => NO_TAPE,
                    false => self.number(words.next())?,
                };
                self.declare(name.bank, name.id, lanes, tape)?;
            }
            "template" => self.begin_template(words)?,
            "done" => self.in_template = false,
            "masked" | "stops" => {
                let bits = self.number(words.next())?;
                let risk = if head == "masked" { Risk::Tells(bits) } else { Risk::Stops(bits) };
                let times = self.number(words.next())?;
                self.risk(risk, times)?;
            }
            "expand" => self.expand(words)?,
            "tape" | "block" | "label" | "enter" | "body" | "calls" | "leave" | "export" if self.in_template => {
                return Err(self.wrong("a template holds plain instructions only"));
            }
            "tape" => self.begin_tape(self.number(words.next())?, words.next())?,
            "at" => self.source_line = self.number(words.next())?,
            "block" => self.begin_block(None)?,
            "label" => {
                let label = self.number(words.next())?;
                self.begin_block(Some(label))?;
            }
            "enter" => {
                let times: i64 = self.number(words.next())?;
                let times = u64::try_from(times).map_or(Times::Unknown, Times::Known);
                self.enter(Scope::Loop(times))?;
            }
            "body" => {
                let function = self.number(words.next())?;
                self.enter(Scope::Body(function))?;
            }
            "calls" => {
                let function = self.number(words.next())?;
                let from = self.context();
                self.calls.entry(function).or_default().push(from);
                if self.calls.len() > FUNCTIONS_MAX {
                    return Err(self.wrong("too many functions"));
                }
            }
            "leave" => {
                self.scopes.pop().ok_or_else(|| self.wrong("a loop ends that did not begin"))?;
                self.begin_block(None)?;
            }
            "export" => {
                let name = self.register_name(words.next().unwrap_or_default())?;
                self.use_register(&name)?;
                self.tape()?.exports.insert(name.id);
            }
            name => self.step(name, words)?,
        }
        Ok(())
    }

    fn bank(&self, word: Option<&str>) -> Result<Bank, RecordError> {
        word.and_then(|word| bank(*word.as_bytes().first()?)).ok_or_else(|| self.wrong("no such bank"))
    }

    fn tape(&mut self) -> Result<&mut RecordedTape, RecordError> {
        let outside = self.wrong("an instruction outside all tapes");
        self.record.tapes.last_mut().ok_or(outside)
    }

    fn begin_tape(&mut self, index: usize, name: Option<&str>) -> Result<(), RecordError> {
        if index != self.record.tapes.len() {
            return Err(self.wrong("tapes are out of order"));
        }
        let name = name
            .and_then(|name| decode_text(name.strip_prefix('"')?))
            .ok_or_else(|| self.wrong("a tape has no name"))?;
        self.scopes.clear();
        self.contexts.push(Vec::new());
        self.record.tapes.push(RecordedTape { name, blocks: Vec::new(), exports: BTreeSet::new() });
        self.begin_block(None)
    }

    /// The tape that steps belong to here.
    fn here(&self) -> u32 {
        match self.in_template {
            true => NO_TAPE,
            false => (self.record.tapes.len() as u32).saturating_sub(1),
        }
    }

    fn begin_template<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), RecordError> {
        let number: usize = self.number(words.next())?;
        let template = Template {
            first: self.number(words.next())?,
            parameters: self.number(words.next())?,
            count: self.number(words.next())?,
            steps: Vec::new(),
            risks: Risks::new(),
        };
        if number != self.templates.len() || !self.record.tapes.is_empty() || template.parameters > template.count {
            return Err(self.wrong("a template is out of place"));
        }
        self.templates.push(template);
        self.in_template = true;
        Ok(())
    }

    /// The steps of a template, with registers of their own and the parameters replaced.
    fn expand<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), RecordError> {
        let number: usize = self.number(words.next())?;
        let base: RegisterId = self.number(words.next())?;
        let last = self.templates.len() - usize::from(self.in_template);
        let arguments = words.map(|word| self.register_name(word)).collect::<Result<Vec<_>, _>>()?;
        for argument in &arguments {
            self.use_register(argument)?;
        }
        let template = match self.templates.get(number) {
            Some(template) if number < last && template.parameters as usize == arguments.len() => template,
            _ => return Err(self.wrong("there is no such template")),
        };
        let (first, parameters, count) = (template.first, template.parameters, template.count);
        let end = (first.checked_add(count), base.checked_add(count));
        if end.0.is_none() || end.1.is_none() {
            return Err(self.wrong("too many registers"));
        }
        let (steps, risks) = (template.steps.clone(), template.risks.clone());
        for (risk, times) in risks {
            self.risk(risk, times)?;
        }
        for at in 1..=count {
            let Some(register) = self.record.registers.get((first + at) as usize).copied().flatten() else {
                continue;
            };
            if at > parameters {
                self.declare(register.bank, base + at, register.lanes, self.here())?;
                continue;
            }
            let argument = &arguments[at as usize - 1];
            let lanes = self.record.registers[argument.id as usize].map_or(0, |given| given.lanes);
            if argument.bank != register.bank || argument.offset.saturating_add(register.lanes) > lanes.max(1) {
                return Err(self.wrong("an argument does not fit its template"));
            }
        }
        for mut step in steps {
            for arg in &mut step.args {
                let Arg::Register { id, offset, .. } = arg else {
                    continue;
                };
                match id.checked_sub(first) {
                    Some(at) if (1..=parameters).contains(&at) => {
                        let argument = &arguments[at as usize - 1];
                        *id = argument.id;
                        *offset += argument.offset;
                    }
                    Some(at) if at <= count => *id = base + at,
                    _ => return Err(self.wrong("a template uses a register that is not its own")),
                }
            }
            self.push(step)?;
        }
        Ok(())
    }

    fn enter(&mut self, scope: Scope) -> Result<(), RecordError> {
        self.scopes.push(scope);
        self.begin_block(None)
    }

    /// What encloses the place where the parser is, counted from the innermost function on.
    fn context(&self) -> Context {
        let mut context = Context { times: Times::Known(1), function: None };
        for scope in self.scopes.iter().rev() {
            match *scope {
                Scope::Loop(times) => context.times = context.times.times(times),
                Scope::Body(function) => {
                    context.function = Some(function);
                    break;
                }
            }
        }
        context
    }

    fn begin_block(&mut self, label: Option<u32>) -> Result<(), RecordError> {
        let context = self.context();
        let blocks = &mut self.tape()?.blocks;
        match blocks.last_mut() {
            Some(block) if block.steps.is_empty() && block.risks.is_empty() => block.labels.extend(label),
            _ => blocks.push(Block {
                labels: label.into_iter().collect(),
                times: Times::Unknown,
                steps: Vec::new(),
                risks: Risks::new(),
            }),
        }
        let count = blocks.len();
        let contexts = self.contexts.last_mut().expect("a tape has contexts");
        contexts.truncate(count - 1);
        contexts.push(context);
        Ok(())
    }

    /// How often a place runs, calls of its function counted. Each function is looked at once: `known` remembers it, and
    /// for one that is being looked at (it calls itself, or is called through very many others) that nothing is known.
    fn times(&self, context: Context, known: &mut BTreeMap<u32, Times>) -> Times {
        let Some(function) = context.function else {
            return context.times;
        };
        let runs = known.get(&function).copied().unwrap_or_else(|| {
            known.insert(function, Times::Unknown);
            let callers = self.calls.get(&function).map_or(&[][..], Vec::as_slice);
            let runs = callers.iter().map(|&caller| self.times(caller, known)).fold(Times::Known(0), Times::plus);
            known.insert(function, runs);
            runs
        });
        runs.times(context.times)
    }

    fn register_name(&self, word: &str) -> Result<Name, RecordError> {
        let parse = || {
            let bank = bank(*word.as_bytes().first()?)?;
            let (rest, tape) = match word.get(1..)?.split_once('^') {
                Some((rest, tape)) => (rest, Some(tape.parse().ok()?)),
                None => (word.get(1..)?, None),
            };
            let (id, offset) = rest.split_once('+').unwrap_or((rest, "0"));
            Some(Name { bank, id: id.parse().ok()?, offset: offset.parse().ok()?, tape })
        };
        parse().ok_or_else(|| self.wrong(&format!("{word} is not a register")))
    }

    fn declare(&mut self, bank: Bank, id: RegisterId, lanes: u32, tape: u32) -> Result<Register, RecordError> {
        let at = id as usize;
        if at >= REGISTERS_MAX || lanes > LANES_MAX {
            return Err(self.wrong("too many registers"));
        }
        if self.record.registers.len() <= at {
            self.record.registers.resize(at + 1, None);
        }
        if self.record.registers[at].is_some() {
            return Err(self.wrong("a register is declared twice"));
        }
        let register = Register { bank, lanes, tape };
        self.record.registers[at] = Some(register);
        Ok(register)
    }

    /// Checks that a register exists; one that was not declared has one lane.
    fn use_register(&mut self, name: &Name) -> Result<(), RecordError> {
        let tape = name.tape.unwrap_or(self.here());
        let known = self.record.registers.get(name.id as usize).copied();
        let register = match known.flatten() {
            Some(register) => register,
            None => self.declare(name.bank, name.id, 1, tape)?,
        };
        if register.bank != name.bank {
            return Err(self.wrong("a register has two banks"));
        }
        if register.tape != tape {
            return Err(self.wrong(FOREIGN));
        }
        if name.offset >= register.lanes.max(1) {
            return Err(self.wrong("a register has fewer lanes"));
        }
        Ok(())
    }

    fn step<'a>(&mut self, name: &str, mut words: impl Iterator<Item = &'a str>) -> Result<(), RecordError> {
        let opcode = Opcode::from_name(name).ok_or_else(|| self.wrong(&format!("no instruction is called {name}")))?;
        let size = self.number(words.next())?;
        let mut allocation = 0;
        let mut args = Vec::new();
        for word in words {
            match word.strip_prefix('#') {
                Some(number) => allocation = self.number(Some(number))?,
                None => args.push(self.arg(word)?),
            }
        }
        self.check_kinds(opcode, size, &mut args)?;
        self.push(Step { opcode, size, args, allocation })
    }

    /// Adds a risk to the template that is being read, or to the block.
    fn risk(&mut self, risk: Risk, times: u64) -> Result<(), RecordError> {
        let risks = match self.in_template {
            true => &mut self.templates.last_mut().expect("one is being read").risks,
            false => &mut self.tape()?.blocks.last_mut().expect("a tape begins with a block").risks,
        };
        let taken = risks.entry(risk).or_default();
        *taken = taken.saturating_add(times);
        Ok(())
    }

    /// Appends a step to the template that is being read, or to the block.
    fn push(&mut self, step: Step) -> Result<(), RecordError> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(self.wrong(TOO_MANY_STEPS));
        }
        let ends = is_jump(step.opcode);
        if self.in_template {
            if ends {
                return Err(self.wrong("a template holds plain instructions only"));
            }
            let template = self.templates.last_mut().expect("one is being read");
            template.steps.push(step);
            return Ok(());
        }
        let blocks = &mut self.tape()?.blocks;
        let block = blocks.last_mut().expect("a tape begins with a block");
        block.steps.push(step);
        if ends {
            self.begin_block(None)?;
        }
        Ok(())
    }

    fn arg(&mut self, word: &str) -> Result<Arg, RecordError> {
        let first = word.as_bytes().first().copied().unwrap_or_default();
        if first.is_ascii_digit() || first == b'-' {
            return Ok(Arg::Number(self.number(Some(word))?));
        }
        if let Some(label) = word.strip_prefix('@') {
            return Ok(match label.split_once('~') {
                Some((to, from)) => Arg::Distance(self.number(Some(to))?, self.number(Some(from))?),
                None => Arg::Label(self.number(Some(label))?),
            });
        }
        if let Some(text) = word.strip_prefix('"') {
            let text = decode_text(text).ok_or_else(|| self.wrong("a text is malformed"))?;
            return Ok(Arg::Text(Operand::text(&text)));
        }
        let name = self.register_name(word)?;
        self.use_register(&name)?;
        Ok(Arg::Register { id: name.id, offset: name.offset, write: false })
    }

    /// Compares the operands with the instruction's layout, and notes which registers it writes.
    fn check_kinds(&mut self, opcode: Opcode, size: u64, args: &mut [Arg]) -> Result<(), RecordError> {
        let kinds = shape(opcode, size, args).map_err(|error| self.wrong(&error))?;
        for (arg, kind) in args.iter_mut().zip(kinds) {
            match (arg, kind) {
                (Arg::Register { id, write, .. }, Kind::Register(bank, access)) => {
                    if self.record.registers[*id as usize].map(|r| r.bank) != Some(bank) {
                        return Err(self.wrong(&format!("a register of {opcode} is of the wrong bank")));
                    }
                    *write = access == Access::Write;
                }
                (Arg::Register { write, .. }, Kind::AnyRegister(access)) => {
                    *write = access == Access::Write;
                }
                (arg @ Arg::Text(_), Kind::Tag) => {
                    let Arg::Text(Operand::Text(text)) = &*arg else {
                        continue;
                    };
                    let tag = Operand::tag(text).ok_or_else(|| self.wrong("a tag is too long"))?;
                    *arg = Arg::Text(tag);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Record, RecordError> {
        if self.record.tapes.is_empty() {
            return Err(self.wrong("it has no tape"));
        }
        let mut known = BTreeMap::new();
        let times: Vec<Vec<Times>> =
            self.contexts.iter().map(|tape| tape.iter().map(|&at| self.times(at, &mut known)).collect()).collect();
        for (tape, times) in self.record.tapes.iter_mut().zip(times) {
            for (block, times) in tape.blocks.iter_mut().zip(times) {
                block.times = times;
            }
        }
        Ok(self.record)
    }
}

/// The kinds of an instruction's operands, or why they do not fit.
fn shape(opcode: Opcode, size: u64, args: &[Arg]) -> Result<Vec<Kind>, String> {
    let operands: Option<Vec<Operand>> = {
        // Tags and texts look alike until the kinds are known; only fixed layouts hold them.
        let leading = opcode.spec().leading;
        args.iter().enumerate().map(|(at, arg)| placeholder(arg, leading.get(at).copied())).collect()
    };
    let operands = operands.ok_or("a number does not fit")?;
    Instruction::from_opcode(opcode, size, operands)
        .map(|instruction| instruction.kinds())
        .map_err(|error| error.to_string())
}

fn placeholder(arg: &Arg, kind: Option<Kind>) -> Option<Operand> {
    Some(match (arg, kind) {
        (Arg::Register { .. }, _) => Operand::Reg(0),
        (Arg::Number(number), Some(Kind::Long)) => Operand::Long(*number),
        (Arg::Number(number), _) => Operand::Int(i32::try_from(*number).ok()?),
        (Arg::Label(_) | Arg::Distance(..), _) => Operand::Int(0),
        (Arg::Text(Operand::Text(text)), Some(Kind::Tag)) => Operand::tag(text)?,
        (Arg::Text(text), _) => text.clone(),
    })
}

/// True for instructions after which another one than the next may run.
pub fn is_jump(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Jmp | Opcode::Jmpnz | Opcode::Jmpeqz | Opcode::Jmpi)
}

fn decode_text(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

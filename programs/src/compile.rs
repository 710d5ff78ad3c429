//! The compiler as others call it: a request in, a program or an error out.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use polyyne_bytecode::Program;

use crate::child::{CHILD_ARGUMENT, Job};
use crate::nesting;
use crate::optimise::{self, OptimiseError, Risks};
use crate::record::{self, FOREIGN, RecordError, TOO_MANY_STEPS};

/// The sources of the dialect library: path and text.
const DIALECT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dialect.rs"));

/// What the child may print while it compiles; the rest is cut off.
const MESSAGES_BYTES_MAX: u64 = 64 << 10;

/// The prime that programs are compiled for if nothing is said: that of new virtual clouds.
pub const DEFAULT_PRIME: &str = "340282366920938463463374607431759953921";
/// Bits at which programs hide if nothing is said.
pub const DEFAULT_SECURITY: u32 = 64;
/// A run stops because of its masks with at most this probability, in bits.
const STOPPING_BITS: u32 = 40;
/// How often a program is compiled again because it opens more than its masks were made for.
const ATTEMPTS: usize = 6;

/// Number options: what stands before the program on the command line, and what the virtual cloud says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// `-F`: bits of integers in a prime field; 64 if nothing is said.
    pub field_bits: Option<u32>,
    /// `-P`: the prime, in decimal.
    pub prime: Option<String>,
    /// `-B`: bits of integers in Boolean circuits.
    pub binary_bits: Option<u32>,
    /// `-X`: daBits.
    pub dabits: bool,
    /// `-Y`: edaBits.
    pub edabits: bool,
    /// `-M`: keep the order of memory accesses (it is always kept).
    pub memory_order: bool,
    /// Whether what nothing depends on stays, for those who measure.
    pub keep_unused: bool,
    /// `-K`: instructions left to the machine; accepted and not used.
    pub keep: Vec<String>,
    /// The prime that the program will run over, in decimal, where `prime` does not say it.
    pub over: String,
    /// Bits at which all that a run opens under masks hides together.
    pub security: u32,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            field_bits: None,
            prime: None,
            binary_bits: None,
            dabits: false,
            edabits: false,
            memory_order: false,
            keep_unused: false,
            keep: Vec::new(),
            over: DEFAULT_PRIME.to_owned(),
            security: DEFAULT_SECURITY,
        }
    }
}

/// What compiling may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the child.
    pub memory_bytes: u64,
    /// Processor time of the child.
    pub cpu_seconds: u64,
    /// Time until the child is stopped.
    pub wall: Duration,
    /// Length of the record.
    pub record_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits { memory_bytes: 4 << 30, cpu_seconds: 600, wall: Duration::from_secs(900), record_bytes: 2 << 30 }
    }
}

/// Which Python runs the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Python {
    /// The embedded one, in this executable started again.
    Embedded,
    /// The embedded one, in another executable that hands over to [`child_main`](crate::child_main).
    EmbeddedIn(PathBuf),
    /// A system Python 3.9 or later. The program can then do whatever its user can.
    System(PathBuf),
}

/// A program to compile.
#[derive(Clone, Debug)]
pub struct CompileRequest {
    /// The file's name, for messages and for the program's name.
    pub file: String,
    /// The source text.
    pub source: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// Number options.
    pub options: CompileOptions,
    /// Limits.
    pub limits: CompileLimits,
    /// The interpreter.
    pub python: Python,
    /// Python modules of the author that the program may import; circuits in Bristol fashion, as `=NAME`.
    pub modules: Vec<Module>,
}

/// A Python module of the author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its dotted name.
    pub name: String,
    /// Its file, for messages.
    pub file: String,
    /// Its text.
    pub source: String,
}

impl CompileRequest {
    /// A request with default options, limits and the embedded interpreter.
    pub fn new(file: impl Into<String>, source: impl Into<String>) -> Self {
        CompileRequest {
            file: file.into(),
            source: source.into(),
            args: Vec::new(),
            options: CompileOptions::default(),
            limits: CompileLimits::default(),
            python: Python::Embedded,
            modules: Vec::new(),
        }
    }

    /// The program's name: the file's base name and the arguments, joined by hyphens.
    pub fn program_name(&self) -> String {
        let base = self.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let base = base.strip_suffix(".mpc").unwrap_or(base);
        let mut name = base.to_owned();
        for arg in &self.args {
            name.push('-');
            name.push_str(arg);
        }
        name.chars()
            .map(|c| match c {
                '/' | '\\' | '\0' => '_',
                c if c.is_whitespace() => '_',
                c => c,
            })
            .collect()
    }

    /// The command line as line 6 of the schedule shows it.
    fn command(&self) -> String {
        let options = &self.options;
        let mut words = vec!["polyyne".to_owned()];
        words.extend(options.field_bits.map(|bits| format!("-F {bits}")));
        words.extend(options.prime.as_ref().map(|prime| format!("-P {prime}")));
        words.extend(options.binary_bits.map(|bits| format!("-B {bits}")));
        words.extend(options.dabits.then(|| "-X".to_owned()));
        words.extend(options.edabits.then(|| "-Y".to_owned()));
        words.extend(options.memory_order.then(|| "-M".to_owned()));
        words.push(self.program_name());
        words.join(" ").replace(['\n', '\r'], " ")
    }

    fn settings(&self, room: Room) -> Vec<String> {
        let options = &self.options;
        let mut settings = vec![
            format!("over={}", options.over),
            format!("security={}", options.security),
            format!("room={}", room.hiding),
            format!("steady={}", room.stopping),
        ];
        settings.extend(options.field_bits.map(|bits| format!("bits={bits}")));
        settings.extend(options.prime.as_ref().map(|prime| format!("prime={prime}")));
        settings.extend(options.binary_bits.map(|bits| format!("binary={bits}")));
        settings.extend(options.dabits.then(|| "mixed=1".to_owned()));
        settings.extend(options.edabits.then(|| "edabit=1".to_owned()));
        settings.extend(options.memory_order.then(|| "memory_order=1".to_owned()));
        settings.extend(options.keep_unused.then(|| "keep_unused=1".to_owned()));
        settings
    }

    fn job(&self, room: Room) -> Job {
        Job {
            source: self.source.clone(),
            file: self.file.clone(),
            name: self.program_name(),
            args: self.args.clone(),
            settings: self.settings(room),
            modules: self.modules.iter().flat_map(|m| [m.name.clone(), m.file.clone(), m.source.clone()]).collect(),
            memory_bytes: self.limits.memory_bytes,
            cpu_seconds: self.limits.cpu_seconds,
        }
    }
}

/// Bits that masks have more than usual, because the program opens so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    hiding: u32,
    stopping: u32,
}

impl Room {
    /// The room for a program with these risks; the same if it suffices.
    fn for_risks(self, risks: Risks, security: u32) -> Self {
        let short = |bits: Option<u32>, wanted: u32| bits.map_or(0, |bits| wanted.saturating_sub(bits));
        Room {
            hiding: self.hiding + short(risks.hides(), security),
            stopping: self.stopping + short(risks.stops(), STOPPING_BITS),
        }
    }
}

/// A compiled program.
#[derive(Clone, Debug)]
pub struct CompiledProgram {
    /// Its name: tapes are called `NAME-0`, `NAME-FUNCTION-1`, ...
    pub name: String,
    /// Schedule and bytecode.
    pub program: Program,
    /// What the source printed while it was compiled.
    pub messages: String,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The source is wrong. The text says where, what, and what to do.
    #[error("{0}")]
    Program(String),
    /// Compiling took too long.
    #[error(
        "{file}: compiling took longer than {seconds} seconds and was stopped\n  remedy: look for loops without an end; use @for_range instead of Python's for for long loops"
    )]
    TimeOut {
        /// The file.
        file: String,
        /// The limit.
        seconds: u64,
    },
    /// The interpreter ended without an answer.
    #[error(
        "{file}: the program exhausted the compiler ({how})\n  remedy: look for endless loops or recursion, deep nesting, and very large numbers, lists or unrolled loops"
    )]
    Exhausted {
        /// The file.
        file: String,
        /// How the child ended.
        how: String,
    },
    /// The record is longer than allowed.
    #[error(
        "{file}: the program unrolls to more than {bytes} bytes of instructions\n  remedy: use @for_range for long loops"
    )]
    TooLong {
        /// The file.
        file: String,
        /// The limit.
        bytes: u64,
    },
    /// The child could not be started or spoken to.
    #[error("the compiler cannot start {what}: {error}")]
    Start {
        /// The executable.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The record does not make sense: a fault of the compiler, or of a program that tampers with it.
    #[error("{file}: {error}")]
    Internal {
        /// The file.
        file: String,
        /// What the optimiser said.
        error: String,
    },
}

/// Compiles a program.
///
/// # Errors
/// [`CompileError`], whose text is for the program's author.
pub fn compile(request: &CompileRequest) -> Result<CompiledProgram, CompileError> {
    check_prime(request)?;
    if let Some(line) = nesting::too_deep(&request.source) {
        return Err(CompileError::Program(format!(
            "{}:{line}: SyntaxError: brackets are nested more than {} deep",
            request.file,
            nesting::DEPTH_MAX
        )));
    }
    for module in &request.modules {
        if module.source.contains('\0') {
            return Err(CompileError::Program(format!("{}: SyntaxError: a NUL character", module.file)));
        }
        if let Some(line) = nesting::too_deep(&module.source) {
            return Err(CompileError::Program(format!(
                "{}:{line}: SyntaxError: brackets are nested more than {} deep",
                module.file,
                nesting::DEPTH_MAX
            )));
        }
    }
    let name = request.program_name();
    let mut room = Room::default();
    for _ in 0..ATTEMPTS {
        let answer = run_child(request, &request.job(room))?;
        let record = match record::parse(record_of(request, &answer)?) {
            Ok(record) => record,
            Err(error) => return Err(explain(request, &error.into())),
        };
        let more = room.for_risks(Risks::of(&record), request.options.security.max(record.security));
        if more == room {
            let program = optimise::optimise(record, &name, &request.command());
            let program = program.map_err(|error| explain(request, &error))?;
            return Ok(CompiledProgram { name, program, messages: answer.messages });
        }
        room = more;
    }
    Err(CompileError::Program(format!(
        "{}: masks that hide all that it opens at {} bits do not fit the prime\n  remedy: a larger prime, or less secret \
         work in loops whose length nobody can know before the run",
        request.file, request.options.security
    )))
}

/// The record in the child's answer, or what it says instead.
fn record_of<'a>(request: &CompileRequest, answer: &'a Answer) -> Result<&'a str, CompileError> {
    match answer.output.split_once('\n') {
        Some(("ok", record)) if answer.success => Ok(record),
        Some(("error", text)) => Err(CompileError::Program(text.to_owned())),
        _ => Err(exhausted(request, answer)),
    }
}

fn check_prime(request: &CompileRequest) -> Result<(), CompileError> {
    let digits = request.options.prime.as_deref().unwrap_or(&request.options.over);
    let plain = !digits.is_empty()
        && digits.len() < 400
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    match plain {
        true => Ok(()),
        false => Err(CompileError::Program(format!("-P takes a prime in decimal, not {digits:?}"))),
    }
}

/// Makes a program of a record.
///
/// # Errors
/// What is wrong with the record.
pub fn from_record(record: &str, name: &str, command: &str) -> Result<Program, OptimiseError> {
    optimise::optimise(record::parse(record)?, name, command)
}

/// What is wrong with a program whose record makes no sense: it runs again, now noting its lines.
fn explain(request: &CompileRequest, error: &OptimiseError) -> CompileError {
    let internal = || CompileError::Internal { file: request.file.clone(), error: error.to_string() };
    let mut job = request.job(Room::default());
    job.settings.push("trace=1".into());
    let Ok(answer) = run_child(request, &job) else {
        return internal();
    };
    let Ok(record) = record_of(request, &answer) else {
        return internal();
    };
    match from_record(record, &request.program_name(), "") {
        Err(OptimiseError::Record(error)) if error.source_line > 0 => CompileError::Program(at_line(request, &error)),
        _ => internal(),
    }
}

fn at_line(request: &CompileRequest, error: &RecordError) -> String {
    let line = error.source_line;
    let source = request.source.lines().nth(line - 1).unwrap_or_default().trim();
    let remedy = match error.what.as_str() {
        FOREIGN => "\n  remedy: pass it through memory (Array, MemValue), or as an argument of the function",
        TOO_MANY_STEPS => "\n  remedy: use @for_range instead of Python's for, and vectors",
        _ => "",
    };
    format!("{}:{line}: {}\n    {source}{remedy}", request.file, error.what)
}

fn exhausted(request: &CompileRequest, answer: &Answer) -> CompileError {
    CompileError::Exhausted { file: request.file.clone(), how: what_was_exhausted(request, answer) }
}

/// Which limit a child met that ended without an answer, from its last words and from how it ended.
fn what_was_exhausted(request: &CompileRequest, answer: &Answer) -> String {
    let limits = &request.limits;
    if answer.messages.contains("memory allocation of") {
        return format!("its memory, {} MiB", limits.memory_bytes >> 20);
    }
    if answer.messages.contains("overflowed its stack") {
        return "its stack: something is nested, or calls itself, too deeply".into();
    }
    match answer.signal {
        Some(libc::SIGXCPU | libc::SIGKILL) => format!("its processor time, {} s", limits.cpu_seconds),
        _ => answer.ended.clone(),
    }
}

/// How the child ended and what it said.
struct Answer {
    output: String,
    messages: String,
    success: bool,
    ended: String,
    signal: Option<i32>,
}

fn command(request: &CompileRequest, job: &Job) -> Result<(Command, Vec<u8>), CompileError> {
    let start = |error| CompileError::Start { what: "this executable again".into(), error };
    let json = |value: serde_json::Value| value.to_string().into_bytes();
    let executable = match &request.python {
        Python::Embedded => this_executable().map_err(start)?,
        Python::EmbeddedIn(path) => path.clone(),
        Python::System(path) => {
            let mut command = Command::new(path);
            command.args(["-I", "-S", "-B", "-c", include_str!("system_python.py")]);
            command.env("PYTHONHASHSEED", "0");
            let sources: Vec<_> = DIALECT.to_vec();
            let input = serde_json::json!({ "job": job, "sources": sources });
            return Ok((command, json(input)));
        }
    };
    let mut command = Command::new(executable);
    command.arg(CHILD_ARGUMENT).env_clear();
    let input = serde_json::to_vec(job).expect("a job is plain data");
    Ok((command, input))
}

/// This executable, even if its file has been replaced since it started.
fn this_executable() -> std::io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    match link.exists() {
        true => Ok(link),
        false => std::env::current_exe(),
    }
}

fn run_child(request: &CompileRequest, job: &Job) -> Result<Answer, CompileError> {
    let (mut command, input) = command(request, job)?;
    let what = command.get_program().to_string_lossy().into_owned();
    let start = |error| CompileError::Start { what, error };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A child that dies early does not read its input; how it ended says more than the broken pipe.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output =
        read_in_background(child.stdout.take().expect("it was asked for"), request.limits.record_bytes, Rest::Refuse);
    let messages = read_in_background(child.stderr.take().expect("it was asked for"), MESSAGES_BYTES_MAX, Rest::Drop);
    let Ok(output) = output.recv_timeout(request.limits.wall) else {
        stop(&mut child);
        return Err(CompileError::TimeOut { file: request.file.clone(), seconds: request.limits.wall.as_secs() });
    };
    if output.len() as u64 > request.limits.record_bytes {
        stop(&mut child);
        return Err(CompileError::TooLong { file: request.file.clone(), bytes: request.limits.record_bytes });
    }
    let status = child.wait().map_err(|error| CompileError::Start { what: "the compiler".into(), error })?;
    Ok(Answer {
        output,
        messages: messages.recv().unwrap_or_default(),
        success: status.success(),
        ended: status.to_string(),
        signal: status.signal(),
    })
}

fn stop(child: &mut Child) {
    // Both fail only if the child has ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// What happens to what exceeds a limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It is read and forgotten.
    Drop,
    /// It is not read: one byte of it tells that the limit was met.
    Refuse,
}

/// Reads a stream to its end, or to one byte behind the limit, in a thread of its own.
fn read_in_background(stream: impl Read + Send + 'static, limit: u64, rest: Rest) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream;
        let read = (&mut stream).take(limit + 1).read_to_end(&mut bytes);
        if read.is_ok() && (rest == Rest::Drop || bytes.len() as u64 <= limit) {
            // Lets the writer go on to its end where the limit was not the reason to stop.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        let text =
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // Nobody listens any more if the time was over.
        let _ = sender.send(text);
    });
    receiver
}

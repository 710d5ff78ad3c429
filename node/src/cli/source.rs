//! PROGRAM on the command line: `.mpc` source that is compiled here, or a `.sch` schedule with its bytecode.

mod accepted;
mod modules;
mod text;

use std::path::{Path, PathBuf};

use polyyne_bytecode::{Domain, Program, SizeLimits};
use polyyne_programs::{CompileError, CompileRequest, Python};
use polyyne_protocol::limits::PROGRAM_MAX;
use polyyne_protocol::version::{Prime, SIGMA_DEFAULT};

use super::arguments::CompileOptions;
use super::failure::{Context as _, Failure};
use super::library;
pub use accepted::Accepted;

/// What a program is compiled for.
#[derive(Clone, Copy)]
pub struct Target {
    /// The prime of the cloud.
    pub prime: Prime,
    /// Bits at which it wants its programs to hide.
    pub sigma: u16,
}

impl Default for Target {
    fn default() -> Self {
        Self { prime: Prime::DEFAULT, sigma: SIGMA_DEFAULT }
    }
}

/// Loads or compiles a program for a new cloud.
pub fn load(program: &str, arguments: &[String], options: &CompileOptions) -> Result<Program, Failure> {
    load_for(program, arguments, options, Target::default())
}

/// Loads or compiles a program.
pub fn load_for(
    program: &str,
    arguments: &[String],
    options: &CompileOptions,
    target: Target,
) -> Result<Program, Failure> {
    let path = Path::new(program);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sch") => load_schedule(path),
        Some("mpc" | "py") => compile(path, arguments, options, target),
        _ => Err(Failure::usage(format!("`{program}` is neither .mpc source nor a .sch schedule"))
            .remedy("a file name that ends in .mpc or .sch")),
    }
}

fn load_schedule(path: &Path) -> Result<Program, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let program = Program::load(&text, &SizeLimits::default(), |tape| read_tape(folder, tape))
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let name = path.file_stem().unwrap_or_default();
    let public_input = folder.join("../Programs/Public-Input").join(name);
    match std::fs::read_to_string(&public_input) {
        Ok(text) => Ok(program.with_public_input(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(program),
        Err(error) => Err(Failure::usage(format!("{}: {error}", public_input.display()))),
    }
}

/// A tape's bytes from `../Bytecode` or beside the schedule; the name is the schedule's and stays inside the folder.
fn read_tape(folder: &Path, tape: &str) -> Result<Vec<u8>, String> {
    if tape.contains(['/', '\\', '\0']) {
        return Err("a tape's name is a file name without folders".into());
    }
    let places: [PathBuf; 2] = [folder.join("../Bytecode").join(tape), folder.join(tape)];
    let found = places.iter().find(|place| place.is_file());
    let place = found.ok_or_else(|| format!("no file {tape} in ../Bytecode or beside the schedule"))?;
    let length = std::fs::metadata(place).map_err(|error| error.to_string())?.len();
    if length > PROGRAM_MAX as u64 {
        return Err(format!("{} is longer than a program may be ({PROGRAM_MAX} bytes)", place.display()));
    }
    std::fs::read(place).map_err(|error| error.to_string())
}

/// The prime of a run: what the flag says, else what the program was compiled for, else the usual one.
pub fn prime(program: &Program, options: &CompileOptions) -> Result<u128, Failure> {
    match (&program.schedule().domain, options.prime) {
        (_, Some(prime)) => Ok(prime),
        (Domain::Prime(text), None) => {
            text.parse().or_failed(format!("the program wants the prime {text}, larger than 128 bits"))
        }
        _ => Ok(Prime::DEFAULT.0),
    }
}

fn compile(path: &Path, arguments: &[String], options: &CompileOptions, target: Target) -> Result<Program, Failure> {
    options.accepted.notes()?.iter().for_each(|note| eprintln!("{note}"));
    let source = read_source(path)?;
    let mut modules = modules::gather(path, &source)?;
    modules.extend(modules::circuits(path, &source)?);
    let mut request = CompileRequest::new(path.to_string_lossy(), source);
    request.args = arguments.to_vec();
    request.modules = modules;
    request.options = polyyne_programs::CompileOptions {
        field_bits: options.field,
        prime: options.prime.map(|prime| prime.to_string()),
        binary_bits: options.binary,
        dabits: options.dabits,
        edabits: options.edabits,
        memory_order: options.preserve_memory_order,
        keep_unused: options.keep_unused,
        keep: options.keep.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect(),
        over: target.prime.to_string(),
        security: target.sigma.into(),
    };
    if let Some(python) = &options.python {
        request.python = Python::System(python.clone());
    }
    let compiled = polyyne_programs::compile(&request).map_err(|error| match error {
        CompileError::Start { .. } => Failure::failed(error),
        _ => Failure::usage(error),
    })?;
    if !compiled.messages.is_empty() {
        eprint!("{}", compiled.messages);
    }
    with_public_input(compiled.program, path, &compiled.name)
}

/// The program with the file of public numbers that belongs to it, unless it brings its own: under its name with
/// arguments, or its file's name, in `Programs/Public-Input` beside `Programs/Source` or in the folder of the process.
fn with_public_input(program: Program, path: &Path, name: &str) -> Result<Program, Failure> {
    if program.public_input().is_some() {
        return Ok(program);
    }
    let beside = path.parent().unwrap_or(Path::new("")).join("../Public-Input");
    let stem = path.file_stem().unwrap_or_default();
    let folders = [beside, PathBuf::from("Programs/Public-Input")];
    let candidates = folders.iter().flat_map(|folder| [folder.join(name), folder.join(stem)]);
    match candidates.into_iter().find(|file| file.is_file()) {
        Some(file) => Ok(program.with_public_input(text::read(&file)?)),
        None => Ok(program),
    }
}

/// The file, or the program of that name that comes with vcp if there is no such file.
fn read_source(path: &Path) -> Result<String, Failure> {
    if path.exists() {
        return text::read(path);
    }
    match path.to_str().and_then(library::find) {
        Some(program) => Ok(program.source.to_owned()),
        None => Err(Failure::usage(format!("there is no file {}", path.display()))
            .remedy("a file, or one of `vcp program list`")),
    }
}

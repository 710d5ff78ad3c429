//! The compiler of the MP-SPDZ Python dialect.
//!
//! A program is Python that is run once: its operators record instructions. [`compile()`] starts a child process (this
//! binary again, or a system Python) that runs it with the dialect library of `dialect/`, reads the record from the
//! child's output and makes bytecode of it.
//!
//! ```no_run
//! use polyyne_programs::{CompileRequest, compile};
//! let source = std::fs::read_to_string("billionaires.mpc")?;
//! let compiled = compile(&CompileRequest::new("billionaires.mpc", source))?;
//! println!("{}", compiled.program.schedule().to_text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The binary must hand over to [`child_main`] when its first argument is [`CHILD_ARGUMENT`], before it does anything
//! else.
//!
//! # Security
//! The embedded interpreter has no file, network or process access, and the child that holds it has limits on memory,
//! time and open files: a hostile program can waste its allowance, and nothing more. A system Python
//! ([`Python::System`]) has whatever access its user has.

/// The programs that come with the compiler: file name and source, in alphabetical order. Each begins with a header
/// that says what it computes, its input and output, and examples (`# Example: inputs 1, 2; output 3.`).
pub const LIBRARY: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

mod child;
mod compile;
mod interpreter;
mod limits;
mod nesting;
mod optimise;
mod record;

pub use child::{CHILD_ARGUMENT, child_main};
pub use compile::{
    CompileError, CompileLimits, CompileOptions, CompileRequest, CompiledProgram, DEFAULT_PRIME, DEFAULT_SECURITY,
    Module, Python, compile, from_record,
};
pub use optimise::OptimiseError;
pub use record::RecordError;

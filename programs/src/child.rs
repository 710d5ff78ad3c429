//! The child process that runs a program: reads a job, confines itself, answers with a record or an error.
//!
//! Standard input holds the job as JSON, standard output the answer: a line `ok` or `error`, then the record or the text.
//! What the program prints while it is compiled goes to standard error. If no answer comes, the child died.

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

use crate::{interpreter, limits};

/// A binary whose first argument is this hands over to [`child_main`].
pub const CHILD_ARGUMENT: &str = "__compile-program__";

/// The interpreter's stack: enough for the recursion it allows itself.
const STACK_BYTES: usize = 256 << 20;

/// What the child is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The source text.
    pub source: String,
    /// Its name in messages.
    pub file: String,
    /// The program's name.
    pub name: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// Number options, each `key=value`.
    pub settings: Vec<String>,
    /// Name, file and source of one module of the author after the other; a NUL is in none of them.
    pub modules: Vec<String>,
    /// Address space that the child may use.
    pub memory_bytes: u64,
    /// Processor time that the child may use.
    pub cpu_seconds: u64,
}

/// The life of the child process. Returns its exit code.
pub fn child_main() -> i32 {
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        return 2;
    }
    let Ok(job) = serde_json::from_str::<Job>(&text) else {
        return 2;
    };
    let runner = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        limits::confine(job.memory_bytes, job.cpu_seconds)?;
        Ok::<_, std::io::Error>(interpreter::run(&job))
    });
    let answer = match runner.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Ok(Err(error))) => Err(format!("the compiler cannot set its limits: {error}")),
        Ok(Err(_)) => Err("the interpreter failed on this program".to_owned()),
        Err(error) => Err(format!("the compiler cannot start: {error}")),
    };
    let (head, body) = match &answer {
        Ok(record) => ("ok\n", record),
        Err(error) => ("error\n", error),
    };
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(head.as_bytes()).and_then(|()| out.write_all(body.as_bytes())).and_then(|()| out.flush());
    i32::from(written.is_err())
}

//! Compiles a program and writes schedule and bytecode: `compile [-F N] [-P p] FILE.mpc [ARG]... -o DIR [--python EXE]`.
//! A file that ends in `.record` is taken as a record.

use std::error::Error;
use std::path::{Path, PathBuf};

use polyyne_programs::{CHILD_ARGUMENT, CompileRequest, Python, child_main, compile, from_record};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == CHILD_ARGUMENT) {
        std::process::exit(child_main());
    }
    let mut request = CompileRequest::new("", "");
    let mut folder = PathBuf::from(".");
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "-F" => request.options.field_bits = Some(value()?.parse()?),
            "-P" => request.options.prime = Some(value()?),
            "-B" => request.options.binary_bits = Some(value()?.parse()?),
            "-X" => request.options.dabits = true,
            "-Y" => request.options.edabits = true,
            "-M" => request.options.memory_order = true,
            "-o" => folder = value()?.into(),
            "--python" => request.python = Python::System(value()?.into()),
            _ if request.file.is_empty() => request.file = word,
            _ => request.args.push(word),
        }
    }
    request.source = std::fs::read_to_string(&request.file)?;
    if let Some(name) = request.file.strip_suffix(".record") {
        let name = Path::new(name).file_name().ok_or("no name")?.to_string_lossy();
        let program = from_record(&request.source, &name, "record")?;
        return write(&folder, &name, &program);
    }
    match compile(&request) {
        Ok(compiled) => {
            eprint!("{}", compiled.messages);
            write(&folder, &compiled.name, &compiled.program)
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn write(folder: &Path, name: &str, program: &polyyne_bytecode::Program) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder.join("Schedules"))?;
    std::fs::create_dir_all(folder.join("Bytecode"))?;
    std::fs::write(folder.join(format!("Schedules/{name}.sch")), program.schedule().to_text())?;
    if let Some(text) = program.public_input() {
        std::fs::create_dir_all(folder.join("Programs/Public-Input"))?;
        std::fs::write(folder.join(format!("Programs/Public-Input/{name}")), text)?;
    }
    for tape in program.tapes() {
        let bytes = polyyne_bytecode::encode(&tape.instructions);
        std::fs::write(folder.join(format!("Bytecode/{}.bc", tape.name)), bytes)?;
    }
    Ok(())
}

//! `vcp program`: compile, look into, list.

mod inspect;

use std::path::Path;

use polyyne_bytecode::{Amount, Bill, Item, TupleDomain};
use polyyne_protocol::request::program_hash;
use serde::Serialize;

use super::arguments::{CompileOptions, Program};
use super::failure::{Context as _, Failure};
use super::library;
use super::screen::Screen;
use super::source;

pub fn run(screen: &Screen, wish: &Program) -> Result<(), Failure> {
    match wish {
        Program::Compile { compile, file, arguments, output } => {
            compiled(screen, compile, file, arguments, output.as_deref().unwrap_or(Path::new(".")))
        }
        Program::Inspect { compile, file, arguments, instructions } => {
            let program = source::load(&file.to_string_lossy(), arguments, compile)?;
            inspect::inspect(screen, compile, program, *instructions)
        }
        Program::List => list(screen),
    }
}

#[derive(Serialize)]
struct Written {
    hash: String,
    schedule: String,
    tapes: Vec<String>,
}

fn compiled(
    screen: &Screen,
    options: &CompileOptions,
    file: &Path,
    arguments: &[String],
    folder: &Path,
) -> Result<(), Failure> {
    let program = source::load(&file.to_string_lossy(), arguments, options)?;
    let mut name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for argument in arguments {
        name = format!("{name}-{argument}");
    }
    let [schedules, bytecode] = ["Schedules", "Bytecode"].map(|part| folder.join(part));
    for folder in [&schedules, &bytecode] {
        std::fs::create_dir_all(folder).or_failed(folder.display())?;
    }
    let write = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).or_failed(path.display());
    let mut tapes = Vec::new();
    for tape in program.tapes() {
        let path = bytecode.join(format!("{}.bc", tape.name));
        write(&path, &polyyne_bytecode::encode(&tape.instructions))?;
        tapes.push(path.display().to_string());
    }
    if let Some(text) = program.public_input() {
        let public_input = folder.join("Programs/Public-Input");
        std::fs::create_dir_all(&public_input).or_failed(public_input.display())?;
        write(&public_input.join(&name), text.as_bytes())?;
    }
    let schedule = schedules.join(format!("{name}.sch"));
    write(&schedule, program.schedule().to_text().as_bytes())?;
    let written = Written { hash: hash(&program), schedule: schedule.display().to_string(), tapes };
    screen.show(&written, |screen, written| {
        screen.line(&written.schedule);
        written.tapes.iter().for_each(|tape| screen.line(tape));
        screen.line(format!("hash {}", written.hash));
    });
    Ok(())
}

/// The hash by which a cloud knows a program.
pub fn hash(program: &polyyne_bytecode::Program) -> String {
    program_hash(&program.to_bytes()).to_string()
}

/// One line of a bill; no count where it depends on the run.
#[derive(Serialize)]
pub struct BillLine {
    pub kind: String,
    pub count: Option<u64>,
}

/// What a program declares, in words.
pub fn bill(bill: &Bill) -> Vec<BillLine> {
    let line = |(item, amount)| BillLine {
        kind: name(item),
        count: match amount {
            Amount::Exactly(count) => Some(count),
            Amount::Unknown => None,
        },
    };
    bill.items().map(line).filter(|line| line.count != Some(0)).collect()
}

fn name(item: Item) -> String {
    let over = |kind: &str, domain| match domain {
        TupleDomain::Prime => kind.to_owned(),
        TupleDomain::Gf2n => format!("{kind} over GF(2^n)"),
        TupleDomain::Bits => format!("{kind} of bits"),
    };
    match item {
        Item::Triple(domain) => over("triple", domain),
        Item::Square(domain) => over("square", domain),
        Item::Bit(domain) => over("bit", domain),
        Item::Inverse(domain) => over("inverse", domain),
        Item::Random(domain) => over("random", domain),
        Item::Open(domain) => over("opening", domain),
        Item::DaBit => "daBit".into(),
        Item::Mixed => "bit-word product".into(),
        Item::Input(domain, party) => format!("{} of party {party}", over("input mask", domain)),
        Item::EdaBit { strict, bits } => format!("{}edaBit of {bits} bits", if strict { "strict " } else { "" }),
        Item::Matmul { rows, inner, columns } => format!("matrix product {rows}×{inner} by {inner}×{columns}"),
    }
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    about: String,
}

fn list(screen: &Screen) -> Result<(), Failure> {
    let about = |program: library::Supplied| Listed { name: program.name, about: program.about() };
    let programs: Vec<Listed> = library::programs().map(about).collect();
    screen.show(&programs, |screen, programs| {
        let rows = programs.iter().map(|program| vec![program.name.to_owned(), program.about.clone()]);
        screen.table(&["program", "what it does"], rows, "no programs");
    });
    Ok(())
}

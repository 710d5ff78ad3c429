//! `vcp program inspect`: what a program consists of, what it takes, and its instructions.

use polyyne_bytecode::{
    Bank, Bill, Certainty, ELEMENT_BYTES, Instruction, Limits, Machine, Opcode, PerBank, Program, Traffic, Verified,
    verify,
};
use serde::Serialize;

use super::super::failure::Failure;
use super::super::screen::Screen;
use super::super::source::prime;
use super::{BillLine, CompileOptions, bill, hash};

/// Verified for as many parties, since nobody has said how many there will be.
const PARTIES: usize = 64;
/// Degree of GF(2^n) for programs that name none.
const GF2N_DEFAULT: u32 = 128;

/// With `--json`.
#[derive(Serialize)]
struct Inspection {
    hash: String,
    bytes: usize,
    threads: u32,
    instructions: usize,
    communication: Communication,
    hiding: Hiding,
    bill: Vec<BillLine>,
    /// Elements of each memory by bank; absent if the program is refused, as are registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// Why no machine of this kind runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    tapes: Vec<TapeFigure>,
}

type Counts = serde_json::Map<String, serde_json::Value>;

/// Openings; see [`Traffic`].
#[derive(Serialize)]
struct Communication {
    rounds: u64,
    /// From each party to each other one.
    bytes: u64,
    /// `exact`, `at most` or `once through`.
    certainty: &'static str,
}

/// What the program says about its masked openings.
#[derive(Serialize)]
struct Hiding {
    /// Bits over a whole run; absent if nothing is opened under a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<u32>,
    /// How masks are made.
    masks: Vec<&'static str>,
}

/// Words of the schedule's options, and what they mean.
const MASKS: [(&str, &str); 4] = [
    ("mask_longer", "longer than the number"),
    ("mask_whole", "of the whole field, the program stops if one wraps"),
    ("mask_exact", "of the whole field, wraps are computed"),
    ("mask_drawn", "drawn until they are below the prime"),
];

#[derive(Serialize)]
struct TapeFigure {
    name: String,
    instructions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    registers: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing: Option<Vec<Line>>,
}

/// One instruction.
#[derive(Serialize)]
struct Line {
    at: usize,
    instruction: &'static str,
    /// Absent for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<u64>,
    operands: String,
    /// Where it jumps to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<i64>,
}

pub fn inspect(screen: &Screen, options: &CompileOptions, program: Program, with_listing: bool) -> Result<(), Failure> {
    let gf2n = match program.schedule().gf2n {
        0 => GF2N_DEFAULT,
        degree => degree,
    };
    let machine = Machine { prime: prime(&program, options)?, parties: PARTIES, gf2n };
    let verified = verify(program.clone(), &machine, &Limits::default());
    let (verified, refused) = match verified {
        Ok(verified) => (Some(verified), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let inspection = of(&program, verified.as_ref(), refused, with_listing);
    screen.show(&inspection, show);
    Ok(())
}

fn of(program: &Program, verified: Option<&Verified>, refused: Option<String>, with_listing: bool) -> Inspection {
    let traffic = Traffic::of(program);
    let tapes = program.tapes().iter().enumerate().map(|(number, tape)| TapeFigure {
        name: tape.name.clone(),
        instructions: tape.instructions.len(),
        registers: verified.map(|verified| counts(verified.registers(number))),
        listing: with_listing.then(|| tape.instructions.iter().enumerate().map(line).collect()),
    });
    Inspection {
        hash: hash(program),
        bytes: program.to_bytes().len(),
        threads: program.schedule().threads,
        instructions: program.tapes().iter().map(|tape| tape.instructions.len()).sum(),
        communication: Communication {
            rounds: traffic.rounds,
            bytes: traffic.bytes,
            certainty: match traffic.certainty {
                Certainty::Exact => "exact",
                Certainty::AtMost => "at most",
                Certainty::Unbounded => "once through",
            },
        },
        hiding: hiding(program),
        bill: bill(&Bill::of(program)),
        memory: verified.map(|verified| counts(verified.memory())),
        memory_bytes: verified.map(|verified| bytes(verified.memory())),
        refused,
        tapes: tapes.collect(),
    }
}

fn hiding(program: &Program) -> Hiding {
    let options = &program.schedule().options;
    let used = MASKS.iter().filter(|(word, _)| options.iter().any(|option| option == word));
    Hiding { bits: program.declared_security(), masks: used.map(|&(_, meaning)| meaning).collect() }
}

/// The banks that are used at all.
fn counts(per_bank: &PerBank) -> Counts {
    let used = Bank::ALL.iter().map(|bank| (bank.prefix(), per_bank[bank.index()])).filter(|&(_, count)| count > 0);
    used.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

fn bytes(per_bank: &PerBank) -> u64 {
    per_bank.iter().zip(ELEMENT_BYTES).map(|(&count, bytes)| count.saturating_mul(bytes)).sum()
}

fn line((at, instruction): (usize, &Instruction)) -> Line {
    let text = instruction.to_string();
    let operands = text.split_once(' ').map_or(String::new(), |(_, operands)| operands.to_owned());
    let distance = match instruction.opcode() {
        Opcode::Jmp => Some(instruction.number(0)),
        Opcode::Jmpnz | Opcode::Jmpeqz => Some(instruction.number(1)),
        _ => None,
    };
    Line {
        at,
        instruction: instruction.opcode().name(),
        vector: Some(instruction.size()).filter(|&size| size > 1),
        operands,
        target: distance.map(|distance| (at as i64 + 1).saturating_add(distance)),
    }
}

fn show(screen: &Screen, inspection: &Inspection) {
    let Communication { rounds, bytes, certainty } = &inspection.communication;
    let figure = |number: u64| match *certainty {
        "exact" => number.to_string(),
        "at most" => format!("at most {number}"),
        _ => format!("{number} if each loop runs once"),
    };
    let words = |counts: &Option<Counts>| match counts {
        None => "unknown".to_owned(),
        Some(counts) if counts.is_empty() => "none".to_owned(),
        Some(counts) => counts.iter().map(|(bank, count)| format!("{bank} {count}")).collect::<Vec<_>>().join(", "),
    };
    let mut facts = vec![
        ("hash", inspection.hash.clone()),
        ("bytes", inspection.bytes.to_string()),
        ("threads", inspection.threads.to_string()),
        ("tapes", inspection.tapes.len().to_string()),
        ("instructions", inspection.instructions.to_string()),
        ("rounds", figure(*rounds)),
        ("sent to each", format!("{} bytes", figure(*bytes))),
        ("hides", hides(&inspection.hiding)),
        ("memory", words(&inspection.memory)),
    ];
    if let Some(bytes) = inspection.memory_bytes {
        facts.push(("memory bytes", bytes.to_string()));
    }
    if let Some(refused) = &inspection.refused {
        facts.push(("refused", refused.clone()));
    }
    screen.facts(&facts);
    screen.line("");
    let rows = inspection.bill.iter().map(|line| {
        vec![line.kind.clone(), line.count.map_or_else(|| "depends on the run".into(), |count| count.to_string())]
    });
    screen.table(&["needs", "count"], rows, "it needs no tuples");
    screen.line("");
    let rows = inspection
        .tapes
        .iter()
        .map(|tape| vec![tape.name.clone(), tape.instructions.to_string(), words(&tape.registers)]);
    screen.table(&["tape", "instructions", "registers"], rows, "no tapes");
    for tape in &inspection.tapes {
        let Some(listing) = &tape.listing else { continue };
        screen.line(format!("\n{}:", tape.name));
        for Line { at, instruction, vector, operands, target } in listing {
            let vector = vector.map_or_else(String::new, |size| format!("×{size}"));
            let target = target.map_or_else(String::new, |target| format!("  → {target}"));
            screen.line(format!("{at:>6}  {instruction:<20} {vector:<8} {operands}{target}").trim_end());
        }
    }
}

fn hides(hiding: &Hiding) -> String {
    match (hiding.bits, &hiding.masks[..]) {
        (None, []) => "completely: it opens nothing under a mask that is too short".into(),
        (None, masks) => format!("completely; masks are {}", masks.join("; ")),
        (Some(bits), []) => format!("at {bits} bits over a whole run"),
        (Some(bits), masks) => format!("at {bits} bits over a whole run; masks are {}", masks.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyyne_bytecode::Tape;

    fn program() -> Program {
        let lines: [(&str, u64, &[i64]); 5] = [
            ("ldms", 4, &[0, 100]),
            ("muls", 1, &[4, 4, 0, 0]),
            ("asm_open", 4, &[1, 0, 4]),
            ("jmpnz", 1, &[0, -4]),
            ("use", 1, &[0, 0, -1]),
        ];
        let instructions = lines.iter().map(|(name, size, n)| Instruction::numeric(name, *size, n).unwrap()).collect();
        Program::from_tapes(vec![Tape { name: "main".into(), instructions }]).unwrap()
    }

    fn inspected(program: &Program) -> serde_json::Value {
        let machine = Machine { prime: polyyne_protocol::version::Prime::DEFAULT.0, parties: PARTIES, gf2n: 128 };
        let verified = verify(program.clone(), &machine, &Limits::default()).unwrap();
        serde_json::to_value(of(program, Some(&verified), None, true)).unwrap()
    }

    #[test]
    fn everything_that_a_program_takes_is_told() {
        let told = inspected(&program());
        assert_eq!(told["communication"]["rounds"], 2);
        assert_eq!(told["communication"]["bytes"], 16 * (8 + 4));
        assert_eq!(told["communication"]["certainty"], "once through");
        assert_eq!(told["bill"][0]["kind"], "triple");
        assert!(told["bill"][0]["count"].is_null());
        assert_eq!(told["memory"]["s"], 104);
        assert_eq!(told["memory_bytes"], 104 * 32);
        assert_eq!(told["tapes"][0]["registers"]["s"], 8);
        assert_eq!(told["tapes"][0]["registers"]["c"], 4);
    }

    #[test]
    fn how_well_a_program_hides_is_told() {
        assert!(inspected(&program())["hiding"]["bits"].is_null());
        let options = vec!["sec_run".to_owned(), "mask_exact".to_owned()];
        let schedule = polyyne_bytecode::Schedule { security: 79, options, ..program().schedule().clone() };
        let masked = Program::new(schedule, program().tapes().to_vec()).unwrap();
        let told = inspected(&masked);
        assert_eq!(told["hiding"]["bits"], 79);
        assert_eq!(told["hiding"]["masks"][0], "of the whole field, wraps are computed");
        assert_eq!(
            hides(&hiding(&masked)),
            "at 79 bits over a whole run; masks are of the whole field, wraps are computed"
        );
    }

    #[test]
    fn a_listing_has_vector_sizes_operands_and_where_jumps_go() {
        let told = inspected(&program());
        let line = |at: usize| told["tapes"][0]["listing"][at].clone();
        assert_eq!((line(0)["instruction"].clone(), line(0)["vector"].clone()), ("ldms".into(), 4.into()));
        assert_eq!(line(0)["operands"], "s0, 100");
        assert!(line(1)["vector"].is_null());
        assert_eq!(line(3)["target"], 0);
    }
}

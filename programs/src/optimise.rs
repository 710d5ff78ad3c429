//! From the record to bytecode: dead code, rounds, registers, jumps, bill.
//!
//! The passes run per tape in this order; each leaves a program that means the same.
//! 1. [`dead`]: instructions whose results nobody reads go.
//! 2. [`rounds`]: inside each block, independent openings, products and the like meet in one instruction.
//! 3. [`allocate`]: virtual registers become numbers.
//! 4. [`layout`]: labels become distances, steps become instructions, the bill is added.

mod allocate;
mod bill;
mod dead;
mod effect;
mod layout;
mod memory;
mod risks;
mod rounds;

use polyyne_bytecode::{Domain, Program, Schedule, Tape, WHOLE_RUN};

pub use risks::Risks;

use crate::record::{Record, RecordError};

/// Why a record does not become a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimiseError {
    /// The record itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A jump to nowhere, or out of its tape.
    #[error("a jump goes to label {0}, which its tape does not have")]
    Label(u32),
    /// More registers than the format can number.
    #[error("the program needs more registers than the bytecode can number")]
    TooManyRegisters,
    /// A value that its field in the bytecode cannot hold.
    #[error("the bytecode cannot express an instruction: {0}")]
    Shape(String),
}

/// Makes bytecode of a record.
///
/// # Errors
/// [`OptimiseError`] if the record does not describe a program.
pub fn optimise(mut record: Record, name: &str, command: &str) -> Result<Program, OptimiseError> {
    let security = Risks::of(&record).hides();
    for tape in 0..record.tapes.len() {
        if !record.keep_unused {
            dead::remove(&mut record, tape);
        }
        rounds::merge(&mut record, tape);
    }
    let numbers = allocate::allocate(&record)?;
    let bills = bill::bills(&record);
    let mut tapes = Vec::with_capacity(record.tapes.len());
    for (at, tape) in record.tapes.iter().enumerate() {
        let instructions = layout::layout(&record, at, &numbers, &bills[at])?;
        let name = match tape.name.as_str() {
            "" => format!("{name}-{at}"),
            function => format!("{name}-{function}-{at}"),
        };
        tapes.push(Tape { name, instructions });
    }
    let wrong = |error: polyyne_bytecode::ProgramError| OptimiseError::Shape(error.to_string());
    let plain = Program::from_tapes(tapes).map_err(wrong)?;
    let schedule = Schedule {
        threads: record.threads,
        command: command.to_owned(),
        domain: match &record.prime {
            Some(prime) => Domain::Prime(prime.clone()),
            None => Domain::PrimeBits(record.prime_bits),
        },
        options: record.features.iter().cloned().chain(security.map(|_| WHOLE_RUN.to_owned())).collect(),
        security: security.unwrap_or(0),
        gf2n: record.gf2n,
        ..plain.schedule().clone()
    };
    let program = Program::new(schedule, plain.tapes().to_vec()).map_err(wrong)?;
    Ok(match record.public_input {
        Some(text) => program.with_public_input(text),
        None => program,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse;

    /// The main tape of a record with these lines, one instruction a line.
    fn listing(lines: &[&str]) -> Vec<String> {
        let text = format!("polyyne-record 1\ntape 0 \"\n{}\nend\n", lines.join("\n"));
        let program = optimise(parse(&text).unwrap(), "test", "").unwrap();
        program.tapes()[0].instructions.iter().map(ToString::to_string).collect()
    }

    fn count(listing: &[String], name: &str) -> usize {
        listing.iter().filter(|line| line.split([' ', '[']).next() == Some(name)).count()
    }

    fn position(listing: &[String], start: &str) -> usize {
        listing.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {listing:?}"))
    }

    #[test]
    fn independent_products_share_an_instruction_and_dependent_ones_do_not() {
        let lines = ["ldsi 1 s1 2", "muls 0 1 s2 s1 s1", "muls 0 1 s3 s1 s1", "muls 0 1 s4 s2 s3", "stms 1 s4 8192"];
        assert_eq!(count(&listing(&lines), "muls"), 2);
    }

    #[test]
    fn a_load_sees_the_store_before_it() {
        // The second product depends on the first through memory; the third does not.
        let lines = [
            "ldsi 1 s1 2",
            "muls 0 1 s2 s1 s1",
            "stms 1 s2 8192",
            "ldms 1 s3 8192",
            "muls 0 1 s4 s3 s1",
            "ldms 1 s5 8193",
            "muls 0 1 s6 s5 s1",
            "stms 1 s4 8194",
            "stms 1 s6 8195",
        ];
        let out = listing(&lines);
        assert_eq!(count(&out, "muls"), 2);
        let first = position(&out, "muls 1");
        assert!(out[first].matches(',').count() > 4, "the independent product joins the first: {out:?}");
        let at = |end: &str| out.iter().position(|line| line.ends_with(end)).unwrap();
        assert!(at("8192") < out.len() && out[at("8192")].starts_with("stms"), "the store comes first: {out:?}");
    }

    #[test]
    fn addresses_that_differ_by_a_constant_do_not_meet() {
        let lines = [
            "ldarg 1 i11",
            "ldint 1 i12 1",
            "addint 1 i13 i11 i12",
            "ldmsi 1 s1 i11 #4",
            "muls 0 1 s2 s1 s1",
            "stmsi 1 s2 i11 #4",
            "ldmsi 1 s3 i13 #4",
            "muls 0 1 s4 s3 s3",
            "stmsi 1 s4 i13 #4",
        ];
        assert_eq!(count(&listing(&lines), "muls"), 1);
    }

    #[test]
    fn addresses_that_may_meet_keep_their_order() {
        let lines = [
            "ldarg 1 i11",
            "ldmint 1 i13 8192",
            "ldmsi 1 s1 i11 #4",
            "muls 0 1 s2 s1 s1",
            "stmsi 1 s2 i11 #4",
            "ldmsi 1 s3 i13 #4",
            "muls 0 1 s4 s3 s3",
            "stmsi 1 s4 i13 #4",
        ];
        assert_eq!(count(&listing(&lines), "muls"), 2);
        let elsewhere = lines.map(|line| if line.contains("i13 #4") { line.replace("#4", "#5") } else { line.into() });
        let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        assert_eq!(count(&listing(&elsewhere), "muls"), 1, "two arrays do not meet");
    }

    #[test]
    fn printing_keeps_its_order() {
        let lines = [
            "ldsi 1 s1 1",
            "muls 0 1 s2 s1 s1",
            "open 1 1 c21 s2",
            "print_reg_plain 1 c21",
            "print_char 0 65",
            "open 1 1 c22 s1",
            "print_reg_plain 1 c22",
            "print_char 0 66",
        ];
        let out = listing(&lines);
        assert_eq!(count(&out, "asm_open"), 1, "both openings fit into one round: {out:?}");
        assert!(position(&out, "print_char 65") < position(&out, "print_char 66"));
        assert!(position(&out, "print_reg_plain") < position(&out, "print_char 65"));
    }

    #[test]
    fn registers_are_reused_inside_a_block_and_kept_across_blocks() {
        let mut lines = vec!["ldint 1 i1 0".to_owned(), "label 7".to_owned(), "ldint 1 i2 1".to_owned()];
        for i in 0..50 {
            lines.push(format!("addint 1 i{} i1 i2", 100 + i));
            lines.push(format!("print_int 0 i{}", 100 + i));
        }
        lines.push("addint 1 i3 i1 i2".into());
        lines.push("movint 1 i1 i3".into());
        lines.push("jmpnz 0 i1 @7".into());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let out = listing(&lines);
        assert!(!out.iter().any(|line| line.contains("ci9")), "few registers suffice: {out:?}");
        assert!(out.iter().any(|line| line == "jmpnz ci0, -104"), "{out:?}");
        assert!(!out.iter().any(|line| line.starts_with("addint[1] ci0,")), "ci0 outlives the block: {out:?}");
    }

    #[test]
    fn templates_expand_with_registers_of_their_own() {
        let text = "polyyne-record 1\ntemplate 0 10 1 3\nmuls 0 1 s12 s11 s11\nmuls 0 1 s13 s12 s11\ndone\n\
                    tape 0 \"\nldsi 1 s1 3\nexpand 0 20 s1\nexpand 0 30 s23\nstms 1 s33 8192\nend\n";
        let program = optimise(parse(text).unwrap(), "test", "").unwrap();
        let out: Vec<String> = program.tapes()[0].instructions.iter().map(ToString::to_string).collect();
        assert_eq!(count(&out, "muls"), 4);
        assert!(out.iter().any(|line| line == "use 0, 0, 4"), "{out:?}");
    }

    #[test]
    fn jumps_to_nowhere_are_refused() {
        let text = "polyyne-record 1\ntape 0 \"\njmp 0 @5\nend\n";
        assert_eq!(optimise(parse(text).unwrap(), "test", ""), Err(OptimiseError::Label(5)));
    }

    #[test]
    fn malformed_records_are_refused_with_their_line() {
        for (line, bad) in [
            (3, "nonsense 1"),
            (3, "adds 1 s1"),
            (3, "adds 1 s1 s2 c3"),
            (3, "ldsi 1 s1 5000000000"),
            (3, "ldint 1 i1+4 3"),
            (3, "expand 0 10 s1"),
            (3, "leave"),
            (3, "at x"),
            (3, "tape 5 \"x"),
            (3, "template 0 0 0 0"),
            (3, "v s1 2 0\nv s1 2 0"),
            (3, "ldint 1 i99999999999 3"),
        ] {
            let text = format!("polyyne-record 1\ntape 0 \"\n{bad}\nend\n");
            let error = parse(&text).expect_err(bad);
            assert!(error.line >= line, "{bad}: {error}");
        }
        assert!(parse("").is_err());
        assert!(parse("polyyne-record 1\ntape 0 \"\n").is_err());
        assert!(parse("polyyne-record 1\nend\n").is_err());
    }
}

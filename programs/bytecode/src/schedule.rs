//! The schedule (`.sch`): the text that names a program's tapes and says what machine they want.
//!
//! Lines after the seventh are missing in older files and then count as empty.

use std::fmt::Write;

/// The share domain that a program wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A prime of at least that many bits (0: any).
    PrimeBits(u32),
    /// Exactly this prime, in decimal without leading zeros.
    Prime(String),
    /// The ring of integers modulo 2^k.
    Ring(u32),
}

/// A tape's entry in the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the tape: the file is `NAME.bc`.
    pub name: String,
    /// How many instructions it has, if the file says so.
    pub instructions: Option<u64>,
}

/// A parsed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Number of VM threads; thread 0 runs tape 0.
    pub threads: u32,
    /// The tapes, by number.
    pub tapes: Vec<Entry>,
    /// The compiler's command line; says nothing to the machine.
    pub command: String,
    /// The share domain.
    pub domain: Domain,
    /// Features that the program could have used.
    pub options: Vec<String>,
    /// Statistical security of masked openings in bits, 0 if there are none; see [`Program::declared_security`].
    ///
    /// [`Program::declared_security`]: crate::Program::declared_security
    pub security: u32,
    /// Degree of GF(2^n), 0 if the program does not care.
    pub gf2n: u32,
    /// The compiler's estimate of communication; says nothing to the machine.
    pub expectation: String,
}

/// Why text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A line is missing or malformed.
    #[error("line {line} of the schedule should be {expected}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The number of names is not the number of tapes.
    #[error("the schedule announces {announced} tapes and names {named}")]
    TapeCount {
        /// Line 2.
        announced: u64,
        /// Names in line 3.
        named: usize,
    },
    /// The schedule is longer than allowed.
    #[error("the schedule is longer than {0} bytes")]
    TooLong(usize),
}

/// No schedule is longer than this.
pub const SCHEDULE_BYTES_MAX: usize = 1 << 20;
/// No program has more threads than this.
pub const THREADS_MAX: u32 = 4096;

impl Schedule {
    /// A schedule for tapes of one thread that any prime serves.
    pub fn new(tapes: Vec<Entry>) -> Self {
        Schedule {
            threads: 1,
            tapes,
            command: String::new(),
            domain: Domain::PrimeBits(0),
            options: Vec::new(),
            security: 0,
            gf2n: 0,
            expectation: String::new(),
        }
    }

    /// Reads a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`] says which line is wrong and what belongs there.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.len() > SCHEDULE_BYTES_MAX {
            return Err(ScheduleError::TooLong(SCHEDULE_BYTES_MAX));
        }
        let lines: Vec<&str> = text.lines().collect();
        let line = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
        let wrong = |line, expected| ScheduleError::Line { line, expected };

        let threads = line(1)
            .trim()
            .parse()
            .ok()
            .filter(|threads| (1..=THREADS_MAX).contains(threads))
            .ok_or(wrong(1, "a number of threads from 1 to 4096"))?;
        let announced: u64 = line(2).trim().parse().map_err(|_| wrong(2, "a number of tapes"))?;
        let tapes = line(3).split_whitespace().map(entry).collect::<Result<Vec<_>, _>>()?;
        if announced != tapes.len() as u64 || tapes.is_empty() {
            return Err(ScheduleError::TapeCount { announced, named: tapes.len() });
        }
        if line(4).trim() != "1 0" {
            return Err(wrong(4, "`1 0` (other formats are obsolete)"));
        }
        if line(5).trim() != "0" {
            return Err(wrong(5, "`0`"));
        }
        Ok(Schedule {
            threads,
            tapes,
            command: line(6).to_owned(),
            domain: domain(line(7).trim()).ok_or(wrong(7, "`lgp:BITS`, `p:PRIME` or `R:BITS`"))?,
            options: labelled(line(8), "opts:")
                .ok_or(wrong(8, "`opts:` and words"))?
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            security: number(line(9), "sec:").ok_or(wrong(9, "`sec:BITS`"))?,
            gf2n: number(line(10), "lg2:").ok_or(wrong(10, "`lg2:DEGREE`"))?,
            expectation: line(11).to_owned(),
        })
    }

    /// Writes the schedule in its one canonical form.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.threads, self.tapes.len());
        for (at, tape) in self.tapes.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { " " });
            text.push_str(&tape.name);
            if let Some(count) = tape.instructions {
                write!(text, ":{count}").expect("writing to a string does not fail");
            }
        }
        let domain = match &self.domain {
            Domain::PrimeBits(bits) => format!("lgp:{bits}"),
            Domain::Prime(prime) => format!("p:{prime}"),
            Domain::Ring(bits) => format!("R:{bits}"),
        };
        let tail = format!(
            "\n1 0\n0\n{}\n{domain}\nopts: {}\nsec:{}\nlg2:{}\n{}\n",
            self.command,
            self.options.join(" "),
            self.security,
            self.gf2n,
            self.expectation
        );
        text + &tail
    }
}

/// Splits at the last colon: names may contain colons, and older files give no count.
fn entry(word: &str) -> Result<Entry, ScheduleError> {
    let wrong = ScheduleError::Line { line: 3, expected: "tape names, each with `:` and its number of instructions" };
    let Some((name, count)) = word.rsplit_once(':') else {
        return named(word, None).ok_or(wrong);
    };
    let count = count.parse().map_err(|_| wrong.clone())?;
    named(name, Some(count)).ok_or(wrong)
}

/// A tape name becomes a file name, so it must stay inside its folder.
fn named(name: &str, instructions: Option<u64>) -> Option<Entry> {
    let safe = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    safe.then(|| Entry { name: name.to_owned(), instructions })
}

fn domain(text: &str) -> Option<Domain> {
    if let Some(bits) = text.strip_prefix("lgp:") {
        return bits.parse().ok().map(Domain::PrimeBits);
    }
    if let Some(bits) = text.strip_prefix("R:") {
        return bits.parse().ok().map(Domain::Ring);
    }
    let prime = text.strip_prefix("p:")?;
    let decimal = !prime.is_empty() && !prime.starts_with('0') && prime.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| Domain::Prime(prime.to_owned()))
}

fn labelled<'a>(line: &'a str, label: &str) -> Option<&'a str> {
    if line.trim().is_empty() { Some("") } else { line.trim().strip_prefix(label) }
}

fn number(line: &str, label: &str) -> Option<u32> {
    match labelled(line, label)?.trim() {
        "" if line.trim().is_empty() => Some(0),
        digits => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = "2\n2\nmain-0:36 a(1):b_64-1:7\n1 0\n0\ncompile.py -F 64 main\nlgp:106\nopts: split edabit\n\
                        sec:40\nlg2:0\nno expectation\n";

    #[test]
    fn a_full_schedule_is_read_and_written_back() {
        let schedule = Schedule::parse(FULL).unwrap();
        assert_eq!(schedule.threads, 2);
        assert_eq!(schedule.tapes[1], Entry { name: "a(1):b_64-1".into(), instructions: Some(7) });
        assert_eq!(schedule.domain, Domain::PrimeBits(106));
        assert_eq!(schedule.options, ["split", "edabit"]);
        assert_eq!((schedule.security, schedule.gf2n), (40, 0));
        assert_eq!(schedule.to_text(), FULL);
    }

    #[test]
    fn older_schedules_end_early_and_lack_counts() {
        let schedule = Schedule::parse("1\n1\nmain-0\n1 0\n0\nold\np:13\n").unwrap();
        assert_eq!(schedule.tapes[0].instructions, None);
        assert_eq!(schedule.domain, Domain::Prime("13".into()));
        assert_eq!((schedule.security, schedule.gf2n), (0, 0));
    }

    #[test]
    fn each_malformed_line_is_named() {
        let lines: Vec<&str> = FULL.lines().collect();
        for (number, bad) in [
            (1, "0"),
            (1, "x"),
            (1, "5000"),
            (3, "main-0:x b"),
            (3, "../etc:3 b"),
            (4, "1 1"),
            (5, "1"),
            (7, "q:3"),
            (7, "p:013"),
            (7, "lgp:"),
            (8, "opt: x"),
            (9, "sec:x"),
            (10, "lg2:"),
        ] {
            let mut changed = lines.clone();
            changed[number - 1] = bad;
            match Schedule::parse(&changed.join("\n")) {
                Err(ScheduleError::Line { line, .. }) => assert_eq!(line, number, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
        assert_eq!(
            Schedule::parse("1\n3\na:1 b:2\n1 0\n0\n\nlgp:0\n"),
            Err(ScheduleError::TapeCount { announced: 3, named: 2 })
        );
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_without_panic(text in "\\PC{0,200}") {
            let _ = Schedule::parse(&text);
        }

        #[test]
        fn what_parses_has_one_canonical_form(line in 0usize..11, text in "[ -~]{0,20}") {
            let mut lines: Vec<&str> = FULL.lines().collect();
            lines[line] = &text;
            if let Ok(schedule) = Schedule::parse(&lines.join("\n")) {
                let canonical = schedule.to_text();
                prop_assert_eq!(Schedule::parse(&canonical).unwrap().to_text(), canonical);
            }
        }
    }
}

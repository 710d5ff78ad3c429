//! Sources in the dialect, compiled and run by `vcp run`: the library does what its headers say, MP-SPDZ's programs
//! print what MP-SPDZ prints, and a collection of small programs computes what plain Python computes.

use polyyne_tests::program::{Ended, Vcp};
use polyyne_tests::vcp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Client sockets of their own protocol, and register numbers of MP-SPDZ's bytecode.
const NOT_BY_VCP_RUN: [&str; 3] = ["c01_client_add", "c02_client_masked", "c37_clear_misc"];

/// What the noise of a survey can reach.
const NOISE_MAX: f64 = 16.0;

#[derive(Deserialize)]
struct Manifest {
    program: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
    options: String,
    source: String,
    schedule: String,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    file: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Sources in a folder, in alphabetical order.
fn sources(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "mpc"));
    files.sort();
    files
}

fn run(vcp: &Vcp, before: &[String], program: &Path, after: &[String]) -> Ended {
    // where programs keep files of shares: none from the program before
    let kept = vcp.home().join("Persistence");
    drop(std::fs::remove_dir_all(&kept));
    std::fs::create_dir(&kept).unwrap();
    let mut arguments = vec!["run".to_owned()];
    arguments.extend(before.iter().cloned());
    arguments.extend([program.display().to_string(), "-n".into(), "2".into()]);
    arguments.extend(after.iter().cloned());
    vcp.run(&arguments).ok()
}

fn words(list: &str) -> Vec<String> {
    list.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Inputs and outputs of the examples in a header: `# Example: inputs 1, 2; output 3.`
fn examples(source: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("# Example: inputs "));
    let parts = lines.map(|line| line.strip_suffix('.').and_then(|line| line.split_once("; output ")).unwrap());
    parts.map(|(inputs, outputs)| (words(inputs), words(outputs))).collect()
}

/// How far from its example an output may be: `rounded to within 1` in the header allows for fixed point.
fn tolerance(source: &str) -> f64 {
    let said = source.lines().find_map(|line| line.split_once("to within ")).map(|(_, rest)| rest);
    said.map_or(0.0, |rest| rest.trim_end_matches('.').split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn library_programs_give_what_their_headers_say() {
    let vcp = vcp!();
    let mut ran = 0;
    for file in sources("programs/library") {
        let source = read(&file);
        for (inputs, outputs) in examples(&source) {
            let flags: Vec<String> = inputs.iter().flat_map(|value| ["-i".to_owned(), value.clone()]).collect();
            let ended = run(&vcp, &[], &file, &flags);
            let lines = ended.stdout.lines().filter(|line| line.starts_with("output["));
            let mut values: Vec<f64> = lines.map(|line| line.split_once(' ').unwrap().1.parse().unwrap()).collect();
            // behind the numbers a remark may stand
            let mut wanted: Vec<f64> = outputs.iter().map_while(|word| word.parse().ok()).collect();
            let remark = outputs[wanted.len()..].join(" ");
            let most = match remark.as_str() {
                "" => tolerance(&source),
                "in this or any other order" => {
                    values.sort_by(f64::total_cmp);
                    wanted.sort_by(f64::total_cmp);
                    0.0
                }
                "give or take a few" => NOISE_MAX,
                _ => panic!("{}: what does {remark:?} allow?", file.display()),
            };
            assert_eq!(values.len(), wanted.len(), "{}:\n{}", file.display(), ended.stdout);
            for (value, wanted) in values.iter().zip(&wanted) {
                let near = (value - wanted).abs() <= most;
                assert!(near, "{}: {value} and not {wanted} for {inputs:?}", file.display());
            }
            ran += 1;
        }
    }
    assert!(ran >= 20, "only {ran} examples");
}

#[test]
fn sources_of_mp_spdz_print_what_mp_spdz_prints() {
    let vcp = vcp!();
    for program in conformance() {
        let (before, after) = options(&program);
        let ended = run(&vcp, &before, &conformance_folder().join(&program.source), &after);
        assert_eq!(ended.stdout, read(&conformance_folder().join(&program.expected.file)), "{}", program.name);
    }
}

fn conformance_folder() -> PathBuf {
    root().join("tests/conformance")
}

fn conformance() -> Vec<Program> {
    let manifest: Manifest = toml::from_str(&read(&conformance_folder().join("manifest.toml"))).unwrap();
    manifest.program.into_iter().filter(|program| !NOT_BY_VCP_RUN.contains(&program.name.as_str())).collect()
}

/// Options before the program, and where its inputs are.
fn options(program: &Program) -> (Vec<String>, Vec<String>) {
    let inputs = conformance_folder().join("inputs").join(&program.name);
    let after = match inputs.exists() {
        true => vec!["--input-dir".to_owned(), inputs.display().to_string()],
        false => Vec::new(),
    };
    (words(&program.options), after)
}

/// Every line `A == B` of a program's output holds: the texts are equal, or their numbers are nearly.
fn holds(line: &str) -> bool {
    let Some((got, wanted)) = line.split_once(" == ") else { return true };
    let numbers = |text: &str| -> Option<Vec<f64>> {
        let split = text.split([' ', ',', '[', ']', '(', ')']).filter(|word| !word.is_empty());
        split.map(|word| word.parse().ok()).collect()
    };
    match (numbers(got), numbers(wanted)) {
        (Some(got), Some(wanted)) if got.len() == wanted.len() && !got.is_empty() => {
            got.iter().zip(&wanted).all(|(got, wanted)| (got - wanted).abs() <= 0.002 * wanted.abs().max(1.0))
        }
        _ => got.trim() == wanted.trim(),
    }
}

#[test]
fn programs_compute_what_plain_python_computes() {
    let vcp = vcp!();
    let files = sources("programs/tests/dialect");
    assert!(files.len() >= 10, "the collection is not there");
    for file in files {
        let source = read(&file);
        let before = source.lines().find_map(|line| line.strip_prefix("# Options: ")).map(words).unwrap_or_default();
        let inputs = file.with_extension("inputs");
        let after = match inputs.exists() {
            true => vec!["--input-dir".to_owned(), inputs.display().to_string()],
            false => Vec::new(),
        };
        let ended = run(&vcp, &before, &file, &after);
        let checks: Vec<&str> = ended.stdout.lines().filter(|line| line.contains(" == ")).collect();
        assert!(!checks.is_empty(), "{} checks nothing", file.display());
        for line in checks {
            assert!(holds(line), "{}: {line}", file.display());
        }
    }
}

/// Tiny primes in which all numbers are tried, Mersenne's, MP-SPDZ's default (just above a power of two), Carbyne's (far from
/// any), and the default (just below one).
const PRIMES: [&str; 8] = [
    "17",
    "251",
    "65537",
    "18446744073709551557",
    "2305843009213693951",
    "170141183460469231731687303715885907969",
    "198766463529478683931867765928436695041",
    "340282366920938463463374607431759953921",
];

#[test]
fn masked_openings_compute_what_plain_integers_say_over_any_prime() {
    let vcp = vcp!();
    let file = root().join("programs/tests/masks/exact.mpc");
    for prime in PRIMES {
        let ended = run(&vcp, &["-P".to_owned(), prime.to_owned()], &file, &[]);
        let checks: Vec<&str> = ended.stdout.lines().collect();
        assert!(checks.len() > 20, "modulo {prime} only {} checks", checks.len());
        for line in checks {
            let (got, wanted) = line.split_once(" == ").unwrap();
            assert_eq!(got, wanted, "modulo {prime}");
        }
    }
}

/// Whether counts of equally likely things are as even as they should be: χ² within six standard deviations.
fn is_even(counts: &[u32]) -> bool {
    let each = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    let chi = counts.iter().map(|&count| (f64::from(count) - each).powi(2) / each).sum::<f64>();
    let degrees = counts.len() as f64 - 1.0;
    (chi - degrees).abs() < 6.0 * (2.0 * degrees).sqrt()
}

/// Where every element is as likely as any other, its lowest and highest digits are spread like those of 0, 1, ..., p - 1.
#[test]
fn what_is_opened_is_uniform_for_the_smallest_and_the_largest_number() {
    let vcp = vcp!();
    let file = root().join("programs/tests/masks/uniform.mpc");
    for (prime, bits) in [("31", "3"), ("340282366920938463463374607431759953921", "126")] {
        let ended = run(&vcp, &["-P".to_owned(), prime.to_owned()], &file, &[bits.to_owned()]);
        assert_eq!(ended.stdout.lines().count(), 4);
        for line in ended.stdout.lines() {
            let mut counts = [0; 16];
            for digit in words(line.trim_matches(['[', ']'])) {
                counts[digit.parse::<usize>().unwrap()] += 1;
            }
            // of the 31 elements, 15 occurs once as a last digit and all others twice
            let odd_one = if prime == "31" { counts[15] } else { 0 };
            let counts = if prime == "31" { &counts[..15] } else { &counts[..] };
            assert!(is_even(counts), "modulo {prime}: {counts:?}");
            assert!(prime != "31" || (60..210).contains(&odd_one), "{odd_one} of 132 expected");
        }
    }
    assert!(!is_even(&[350, 150, 250, 250, 250, 250, 250, 250]) && is_even(&[260, 240, 251, 255, 248, 246, 252, 248]));
}

#[test]
fn what_comes_with_vcp_hides_at_64_bits_and_inspect_says_so() {
    let vcp = vcp!();
    let mut masked = 0;
    for file in sources("programs/library") {
        let arguments = ["program", "inspect", "--json", &file.display().to_string()].map(str::to_owned);
        let report: serde_json::Value = serde_json::from_str(&vcp.run(&arguments).ok().stdout).unwrap();
        let Some(bits) = report["hiding"]["bits"].as_u64() else { continue };
        assert!(bits >= 64, "{} hides at {bits} bits", file.display());
        assert!(!report["hiding"]["masks"].as_array().unwrap().is_empty());
        masked += 1;
    }
    assert!(masked >= 10, "only {masked} programs open anything");
    let told = vcp.run(&["program", "inspect", "billionaires.mpc"].map(str::to_owned)).ok().stdout;
    assert!(told.contains("bits over a whole run; masks are of the whole field"), "{told}");
}

/// A block of the tutorial and what it prints.
struct Lesson {
    line: usize,
    code: String,
    prints: Option<String>,
    arguments: Vec<String>,
}

/// Blocks in ```` ```python ````, each with the ```` ```text ```` block behind it; `vcp run x.mpc -i 1` before it gives inputs.
fn lessons(text: &str) -> Vec<Lesson> {
    let mut lessons: Vec<Lesson> = Vec::new();
    let (mut arguments, mut lines) = (Vec::new(), text.lines().enumerate());
    while let Some((number, line)) = lines.next() {
        let mut block = || -> String {
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").fold(
                String::new(),
                |mut all, line| {
                    writeln!(all, "{line}").unwrap();
                    all
                },
            )
        };
        match line {
            "```python" => {
                lessons.push(Lesson { line: number + 2, code: block(), prints: None, arguments: Vec::new() })
            }
            "```text" => {
                let lesson = lessons.last_mut().expect("a program before its output");
                lesson.prints = Some(block());
                lesson.arguments = std::mem::take(&mut arguments);
            }
            "```sh" => {
                let command = block();
                arguments = command
                    .trim()
                    .split(' ')
                    .skip_while(|word| !word.ends_with(".mpc"))
                    .skip(1)
                    .map(str::to_owned)
                    .collect();
            }
            _ => {}
        }
    }
    lessons
}

#[test]
fn the_programs_of_the_tutorial_print_what_it_says() {
    let vcp = vcp!();
    let lessons = lessons(&read(&root().join("docs/tutorial.md")));
    assert!(lessons.len() >= 8, "only {} programs", lessons.len());
    for lesson in lessons {
        let wanted = lesson.prints.unwrap_or_else(|| panic!("line {}: what does it print?", lesson.line));
        let file = vcp.home().join("lesson.mpc");
        std::fs::write(&file, &lesson.code).unwrap();
        let ended = run(&vcp, &[], &file, &lesson.arguments);
        assert_eq!(ended.stdout, wanted, "docs/tutorial.md, line {}", lesson.line);
    }
}

/// What a program declares, by kind of tuple.
type Bill = BTreeMap<String, u64>;

/// Kinds of tuples: what the bill calls them, and their columns.
const KINDS: [(&str, &str); 6] = [
    ("triple", "triples"),
    ("bit", "bits"),
    ("triple of bits", "bit triples"),
    ("daBit", "daBits"),
    ("edaBit", "edaBits"),
    ("other", "others"),
];

fn bill(vcp: &Vcp, before: &[String], program: &Path) -> Bill {
    let mut arguments = vec!["program".to_owned(), "inspect".into(), "--json".into()];
    arguments.extend(before.iter().cloned());
    arguments.push(program.display().to_string());
    let report: serde_json::Value = serde_json::from_str(&vcp.run(&arguments).ok().stdout).unwrap();
    let mut bill = Bill::new();
    for item in report["bill"].as_array().unwrap() {
        let kind = item["kind"].as_str().unwrap();
        // openings need no tuple, and the products of a matrix stand under triples too
        if kind.starts_with("opening") || kind.starts_with("matrix product") {
            continue;
        }
        let name = match kind {
            "triple" | "bit" | "triple of bits" | "daBit" => kind,
            _ if kind.contains("edaBit") => "edaBit",
            _ => "other",
        };
        *bill.entry(name.to_owned()).or_default() += item["count"].as_u64().unwrap_or(0);
    }
    bill
}

fn rounds(vcp: &Vcp, before: &[String], program: &Path, after: &[String]) -> u64 {
    let flags = [after, &["--stats".to_owned(), "--json".to_owned()]].concat();
    let report: serde_json::Value = serde_json::from_str(&run(vcp, before, program, &flags).stdout).unwrap();
    report["statistics"]["online"]["rounds"].as_u64().unwrap()
}

/// The table of the documentation: for each program rounds and tuples, ours and MP-SPDZ's.
fn table(rows: &[(String, [u64; 2], [Bill; 2])]) -> String {
    let mut text = String::from("| program | rounds |");
    KINDS.iter().for_each(|(_, name)| write!(text, " {name} |").unwrap());
    text.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for (name, rounds, bills) in rows {
        write!(text, "| {name} | {} / {} |", rounds[0], rounds[1]).unwrap();
        for (kind, _) in KINDS {
            let [ours, theirs] = [0, 1].map(|side: usize| bills[side].get(kind).copied().unwrap_or(0));
            match (ours, theirs) {
                (0, 0) => text.push_str(" |"),
                _ => write!(text, " {ours} / {theirs} |").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

/// With `POLYYNE_WRITE_TABLES=1` the table in the documentation is written anew.
#[test]
fn our_bytecode_is_not_dearer_than_that_of_mp_spdz() {
    let vcp = vcp!();
    let (mut rows, mut sums) = (Vec::new(), ([0; 2], [Bill::new(), Bill::new()]));
    for program in conformance() {
        let (before, after) = options(&program);
        let [source, schedule] = [&program.source, &program.schedule].map(|file| conformance_folder().join(file));
        let row_rounds = [rounds(&vcp, &before, &source, &after), rounds(&vcp, &[], &schedule, &after)];
        let row_bills = [bill(&vcp, &before, &source), bill(&vcp, &[], &schedule)];
        for (side, row_bill) in row_bills.iter().enumerate() {
            sums.0[side] += row_rounds[side];
            for (kind, count) in row_bill {
                *sums.1[side].entry(kind.clone()).or_default() += count;
            }
        }
        rows.push((program.name, row_rounds, row_bills));
    }
    rows.push(("**sum**".into(), sums.0, sums.1.clone()));
    let fresh = table(&rows);
    assert!(sums.0[0] <= sums.0[1], "rounds\n{fresh}");
    for (kind, name) in KINDS {
        let [ours, theirs] = [0, 1].map(|side: usize| sums.1[side].get(kind).copied().unwrap_or(0));
        assert!(ours <= theirs, "{name}\n{fresh}");
    }
    let file = root().join("docs/compiler.md");
    let text = read(&file);
    let (head, rest) = text.split_once("<!-- table of costs -->\n").expect("the place of the table");
    let (shown, tail) = rest.split_once("<!-- end of the table -->").expect("its end");
    if std::env::var_os("POLYYNE_WRITE_TABLES").is_some() {
        let new = format!("{head}<!-- table of costs -->\n{fresh}<!-- end of the table -->{tail}");
        std::fs::write(&file, new).unwrap();
        return;
    }
    // rounds are the machine's too, which learns to do with fewer; what is declared is the compiler's alone
    let tuples = |table: &str| -> Vec<String> {
        table
            .lines()
            .map(|line| line.split('|').enumerate().filter(|&(at, _)| at != 2).map(|(_, cell)| cell).collect())
            .collect()
    };
    assert_eq!(
        tuples(shown),
        tuples(&fresh),
        "POLYYNE_WRITE_TABLES=1 cargo test -p polyyne-tests --test dialect writes it"
    );
}

//! `vcp run` on bytecode of MP-SPDZ's own compiler, over Carbyne's prime, prints what MP-SPDZ prints, with tuples of a
//! dealer and with tuples really made: over the prime field, over GF(2^n), AND triples, daBits and edaBits. Three
//! parties make those of the two hungriest programs with `POLYYNE_LONG=1` only, and two those of the programs that take
//! more than a few seconds.

use polyyne_tests::program::Vcp;
use polyyne_tests::{long, vcp};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Instant;

/// The programs of the conformance set that this version promises.
const PROMISED: [&str; 10] = ["c03", "c04", "c08", "c09", "c14", "c15", "c23", "c25", "c26", "c28"];
/// Those whose tuples take three parties half a minute.
const HUNGRY: [&str; 2] = ["c04", "c15"];

/// Further programs without clients, for whose tuples two parties need a few seconds: GF(2^n), bits, private inputs.
const QUICK: [&str; 12] = ["c05", "c11", "c16", "c18", "c21", "c22", "c24", "c27", "c30", "c31", "c36", "c37"];
/// And longer.
const LONG: [&str; 7] = ["c06", "c07", "c10", "c13", "c19", "c20", "c32"];

#[derive(Deserialize)]
struct Manifest {
    prime: String,
    program: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
    schedule: String,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    file: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn manifest() -> Manifest {
    let text = std::fs::read_to_string(folder().join("manifest.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// The promised programs, each of them there.
fn programs(names: &[&str]) -> Vec<Program> {
    let manifest = manifest();
    let of = |name: &str, program: &Program| program.name.split('_').next() == Some(name);
    let programs: Vec<Program> =
        manifest.program.into_iter().filter(|program| names.iter().any(|name| of(name, program))).collect();
    assert_eq!(programs.len(), names.len());
    programs
}

fn prints_as_expected(vcp: &Vcp, program: &Program, n: usize, preprocessing: &str) {
    let schedule = folder().join(&program.schedule).display().to_string();
    let inputs = folder().join("inputs").join(&program.name);
    let mut arguments = vec!["run".to_owned(), "-P".into(), manifest().prime, schedule, "-n".into(), n.to_string()];
    arguments.extend(["--preprocessing".into(), preprocessing.into()]);
    if inputs.exists() {
        arguments.extend(["--input-dir".into(), inputs.display().to_string()]);
    }
    let began = Instant::now();
    let ended = vcp.run(&arguments).ok();
    let expected = std::fs::read_to_string(folder().join(&program.expected.file)).unwrap();
    assert_eq!(ended.stdout, expected, "{} with {n} parties, {preprocessing}", program.name);
    eprintln!("{} {n} {preprocessing}: {:.1} s", program.name, began.elapsed().as_secs_f64());
}

#[test]
fn with_a_dealer_two_and_three_parties_print_what_mp_spdz_prints() {
    let vcp = vcp!();
    for program in programs(&PROMISED) {
        for n in [2, 3] {
            prints_as_expected(&vcp, &program, n, "dealer");
        }
    }
}

#[test]
fn with_tuples_really_made_the_parties_print_what_mp_spdz_prints() {
    let vcp = vcp!();
    for name in PROMISED {
        let parties: &[usize] = if HUNGRY.contains(&name) && !long() { &[2] } else { &[2, 3] };
        for program in programs(&[name]) {
            parties.iter().for_each(|&n| prints_as_expected(&vcp, &program, n, "mascot"));
            prints_as_expected(&vcp, &program, parties[parties.len() - 1], "lowgear");
        }
    }
}

#[test]
fn tuples_of_all_fields_are_really_made_and_the_parties_print_what_mp_spdz_prints() {
    let vcp = vcp!();
    let names = if long() { [&QUICK[..], &LONG].concat() } else { QUICK.to_vec() };
    for program in programs(&names) {
        prints_as_expected(&vcp, &program, 2, "mascot");
    }
}

//! The repository itself: which crate may know which, what programs say of themselves, links that
//! lead somewhere, messages that have their tests.

use polyyne_engine::step::Step;
use polyyne_tests::hunt::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files of the repository, relative to its root, without what builds leave behind.
fn tracked() -> Vec<PathBuf> {
    let root = root();
    let kept = |name: &str| !matches!(name, "target" | ".git");
    let folders = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in folders.filter(|path| kept(&path.file_name().unwrap().to_string_lossy())) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    let relative = found.into_iter().map(|path| path.strip_prefix(&root).unwrap().to_owned());
    relative.filter(|path| !path.components().any(|part| part.as_os_str() == "target")).collect()
}

fn of_kind(extension: &str) -> Vec<PathBuf> {
    tracked().into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(root().join(path)).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn arrows_between_crates_point_down_only() {
    let allowed = [
        ("programs/bytecode", &[][..]),
        ("engine", &["polyyne-bytecode"][..]),
        ("protocol", &["polyyne-engine"][..]),
        ("programs", &["polyyne-bytecode"][..]),
        ("node", &["polyyne-bytecode", "polyyne-engine", "polyyne-programs", "polyyne-protocol"][..]),
    ];
    for (folder, allowed) in allowed {
        let manifest: toml::Table = read(&Path::new(folder).join("Cargo.toml")).parse().unwrap();
        let Some(dependencies) = manifest.get("dependencies").and_then(|table| table.as_table()) else { continue };
        for name in dependencies.keys().filter(|name| name.starts_with("polyyne-")) {
            assert!(allowed.contains(&name.as_str()), "{folder} must not depend on {name}");
        }
    }
}

/// A protocol that could read a clock or a socket could not be simulated.
#[test]
fn the_engine_knows_neither_runtime_nor_network() {
    for folder in ["engine", "programs/bytecode"] {
        let manifest: toml::Table = read(&Path::new(folder).join("Cargo.toml")).parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in ["tokio", "libp2p", "redb", "axum", "reqwest"] {
            assert!(!dependencies.contains_key(name), "{folder} depends on {name}");
        }
    }
}

/// A dealer's tuples exist where one process holds all parties anyway, and nowhere else in a node.
#[test]
fn no_service_of_a_node_reaches_the_dealer() {
    let allowed = ["node/src/cli/run.rs", "node/src/cli/run/", "node/src/cli/bench"];
    for path in
        of_kind("rs").into_iter().filter(|path| path.starts_with("node/src") || path.starts_with("protocol/src"))
    {
        let name = path.display().to_string();
        let is_test = name.contains("/tests") || name.ends_with("world.rs");
        if read(&path).contains("dealer::") {
            assert!(is_test || allowed.iter().any(|prefix| name.starts_with(prefix)), "{name} reaches the dealer");
        }
    }
}

#[test]
fn every_program_of_the_library_says_what_it_does() {
    let programs: Vec<PathBuf> =
        of_kind("mpc").into_iter().filter(|path| path.starts_with("programs/library")).collect();
    assert!(programs.len() >= 2);
    for path in programs {
        let text = read(&path);
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        for what in ["Input", "Output", "Example"] {
            let said = header.iter().any(|line| line.trim_start_matches(['#', ' ']).starts_with(what));
            assert!(said, "{}: its header has no line {what}", path.display());
        }
    }
}

#[test]
fn links_in_markdown_lead_somewhere() {
    let mut broken = Vec::new();
    for path in of_kind("md") {
        let text = read(&path);
        for link in links(&text) {
            let (target, anchor) = link.split_once('#').map_or((link, None), |(target, anchor)| (target, Some(anchor)));
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let to = if target.is_empty() { path.clone() } else { path.parent().unwrap().join(target) };
            let there = root().join(&to);
            let anchored = anchor.is_none_or(|anchor| {
                !there.is_file() || headings(&std::fs::read_to_string(&there).unwrap_or_default()).contains(anchor)
            });
            if !there.exists() || !anchored {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let parts = line.split("](").skip(1);
        links.extend(parts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.trim()));
    }
    links
}

/// The anchors of a Markdown file's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(heading).collect()
}

#[test]
fn no_file_names_a_place_on_somebody_s_machine() {
    // Put together here, so that this file does not name them.
    let places = [["/ho", "me/"].concat(), ["/Us", "ers/"].concat(), ["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let texts = ["rs", "toml", "md", "mpc", "py", "sh", "html", "css", "js", "json", "yml"];
    let mut found = Vec::new();
    for path in texts.iter().flat_map(|extension| of_kind(extension)) {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| names(line, place)) {
                found.push(format!("{}:{}: {place}", path.display(), number + 1));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Whether a path on a line begins with `place`; `{dir}/work/` or `a/work/b` do not.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let begins = before.is_none_or(|c| c.is_whitespace() || "\"'`(=:<".contains(c));
        // "me" is nobody: an example in a text
        begins && !line[at + place.len()..].starts_with("me/")
    })
}

/// The steps that a list `const NAME: [Step; …] = […]` in a source names.
fn steps_in(path: &str, list: &str) -> BTreeSet<u16> {
    let text = read(Path::new(path));
    let from = text.find(&format!("const {list}: [Step;")).unwrap_or_else(|| panic!("{path} has no list {list}"));
    let named = text[from..].split("];").next().unwrap().split("Step::").skip(1);
    let step = |rest: &str| {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let known = Step::ALL.iter().find(|step| format!("{step:?}") == name);
        known.unwrap_or_else(|| panic!("{path}: Step::{name} is none")).code()
    };
    named.map(step).collect()
}

/// Every message between parties has a row in some byzantine test: a new step without one fails here.
#[test]
fn every_step_of_the_wire_has_its_byzantine_rows() {
    let mut covered = steps_in("engine/tests/online.rs", "STEPS");
    covered.extend(steps_in("node/src/session/tests.rs", "STEPS"));
    // All of the generators' are rows there by their numbers.
    for (path, codes) in
        [("engine/src/mascot/tests/byzantine.rs", 100..200), ("engine/src/lowgear/tests/byzantine.rs", 200..300)]
    {
        let row = format!("({codes:?}).contains(&step.code())");
        assert!(read(Path::new(path)).contains(&row), "{path} has no rows {row}");
        covered.extend(Step::ALL.iter().map(|step| step.code()).filter(|code| codes.contains(code)));
    }
    // Spoiled in tests of their own.
    for (step, path) in [
        (Step::OpenBits, "engine/tests/vm_fields.rs"),
        (Step::Personal, "engine/tests/online.rs"),
        (Step::Heard, "engine/tests/vm_clients.rs"),
    ] {
        let text = read(Path::new(path));
        if text.contains(&format!("Step::{step:?}")) {
            covered.insert(step.code());
        }
    }
    let missing: Vec<&Step> = Step::ALL.iter().filter(|step| !covered.contains(&step.code())).collect();
    assert!(missing.is_empty(), "no byzantine test spoils {missing:?}");
}

//! The author's own Python modules: files that a program imports, beside it or below the folder that holds
//! `Programs/Source`, as `Programs.Source.NAME`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use polyyne_programs::Module;
use polyyne_protocol::limits::PROGRAM_MAX;

use super::text;
use crate::cli::failure::Failure;

/// More than these are a mistake.
const MODULES_MAX: usize = 200;

/// The modules that a program imports, and those that they import.
pub fn gather(program: &Path, source: &str) -> Result<Vec<Module>, Failure> {
    let places = places(program);
    let mut modules: Vec<Module> = Vec::new();
    let mut known = BTreeSet::new();
    let mut pending = imported(source, "");
    while let Some(name) = pending.pop() {
        if !known.insert(name.clone()) || name.split('.').next() == Some("Compiler") {
            continue;
        }
        let Some(file) = places.iter().find_map(|place| file(place, &name)) else { continue };
        let source = text::read(&file)?;
        let package = if file.ends_with("__init__.py") { name.as_str() } else { parent(&name) };
        pending.extend(imported(&source, package));
        modules.push(Module { name, file: file.display().to_string(), source });
        let bytes: usize = modules.iter().map(|module| module.source.len()).sum();
        if modules.len() > MODULES_MAX || bytes > PROGRAM_MAX {
            return Err(Failure::usage(format!("{} imports too many or too long modules", program.display())));
        }
    }
    Ok(modules)
}

/// The circuits that a program names, `Circuit('NAME')`: files in Bristol fashion in `Programs/Circuits` or beside it.
pub fn circuits(program: &Path, source: &str) -> Result<Vec<Module>, Failure> {
    let mut found: Vec<Module> = Vec::new();
    for name in quoted(source) {
        let safe = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let folders = places(program).into_iter().flat_map(|place| [place.join("Programs/Circuits"), place]);
        let files = folders.flat_map(|folder| [folder.join(format!("{name}.txt")), folder.join(&name)]);
        let Some(file) = files.into_iter().find(|file| safe && file.is_file()) else { continue };
        let source = text::read(&file)?;
        let bytes: usize = found.iter().map(|circuit| circuit.source.len()).sum();
        if bytes + source.len() > PROGRAM_MAX {
            return Err(Failure::usage(format!("{}: the circuits are too long", program.display())));
        }
        found.push(Module { name: format!("={name}"), file: file.display().to_string(), source });
    }
    Ok(found)
}

/// The texts behind `Circuit(`.
fn quoted(source: &str) -> BTreeSet<String> {
    let calls = source.split("Circuit(").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        rest[1..].split(quote).next()
    });
    calls.map(str::to_owned).collect()
}

/// Where modules are looked for, in this order: beside the program, in the folder of the process, in its
/// `Programs/Source`, and in the folder that holds the program's `Programs/Source`.
fn places(program: &Path) -> Vec<PathBuf> {
    let beside = program.parent().unwrap_or(Path::new("")).to_owned();
    let root = beside.join("../..");
    vec![beside, PathBuf::new(), PathBuf::from("Programs/Source"), root]
}

fn file(place: &Path, name: &str) -> Option<PathBuf> {
    let path = name.split('.').fold(place.to_owned(), |path, part| path.join(part));
    let candidates = [path.with_extension("py"), path.join("__init__.py")];
    candidates.into_iter().find(|candidate| candidate.is_file())
}

fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Dotted names that the import statements of a source may mean, within a package.
fn imported(source: &str, package: &str) -> Vec<String> {
    source.lines().flat_map(|line| names(line.trim(), package)).filter(|name| plain(name)).collect()
}

/// `import a.b as c, d` names `a.b` and `d`; `from a import b, c` may mean the modules `a`, `a.b` and `a.c`.
fn names(line: &str, package: &str) -> Vec<String> {
    if let Some(list) = line.strip_prefix("import ") {
        return items(list).collect();
    }
    let Some((from, list)) = line.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) else {
        return Vec::new();
    };
    let from = from.trim();
    let base = match from.strip_prefix('.') {
        Some(relative) if package.is_empty() => relative.to_owned(),
        Some("") => package.to_owned(),
        Some(relative) => format!("{package}.{relative}"),
        None => from.to_owned(),
    };
    let inner = items(list).map(|item| if base.is_empty() { item } else { format!("{base}.{item}") });
    inner.chain([base.clone()]).collect()
}

fn items(list: &str) -> impl Iterator<Item = String> + '_ {
    let list = list.split('#').next().unwrap_or_default();
    list.split(',').filter_map(|item| item.trim_matches([' ', '(', ')', '\t']).split(' ').next()).map(str::to_owned)
}

/// A name made of identifiers: it cannot lead out of the folders.
fn plain(name: &str) -> bool {
    let identifier = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    !name.is_empty() && name.split('.').all(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_import_is_seen() {
        let source =
            "import a.b as c, d\nfrom e import f, g as h  # why\n    from .i import (j)\nfrom k import *\nimport ../x";
        let mut found = imported(source, "p");
        found.sort();
        assert_eq!(found, ["a.b", "d", "e", "e.f", "e.g", "k", "p.i", "p.i.j"]);
    }

    #[test]
    fn circuits_are_found_by_the_names_in_the_source() {
        let folder = std::env::temp_dir().join(format!("polyyne-circuits-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("Programs/Circuits")).unwrap();
        std::fs::create_dir_all(folder.join("Programs/Source")).unwrap();
        std::fs::write(folder.join("Programs/Circuits/and.txt"), "1 3\n").unwrap();
        let source = "c = Circuit('and')\nd = Circuit(\"../and\")\ne = Circuit(name)";
        let found = circuits(&folder.join("Programs/Source/x.mpc"), source).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].source.as_str()), ("=and", "1 3\n"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn modules_of_modules_are_found_beside_the_program_and_below_programs_source() {
        let folder = std::env::temp_dir().join(format!("polyyne-modules-{}", std::process::id()));
        let sources = folder.join("Programs/Source");
        std::fs::create_dir_all(&sources).unwrap();
        std::fs::write(sources.join("first.py"), "from Programs.Source.second import x\n").unwrap();
        std::fs::write(sources.join("second.py"), "x = 1\n").unwrap();
        let modules = gather(&sources.join("main.mpc"), "import first, os\n").unwrap();
        let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["first", "Programs.Source.second"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

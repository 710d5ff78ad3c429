//! Lists the sources of the dialect library and of the example programs, so that they travel inside the binary and a
//! change rebuilds it.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    list("dialect", "py");
    list("library", "mpc");
}

/// Writes a table of names and texts of the files with this extension below a folder.
fn list(folder: &str, extension: &str) {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(folder);
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, extension, &mut files);
    files.sort();
    let mut text = String::from("&[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).expect("it lies below").display().to_string();
        text.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
    }
    text.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join(format!("{folder}.rs"));
    fs::write(out, text).expect("the build folder is writable");
}

fn collect(folder: &Path, wanted: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the dialect folder is readable") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, wanted, files);
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            files.push(path);
        }
    }
}

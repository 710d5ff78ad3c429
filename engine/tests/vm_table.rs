//! The instruction table of the docs says what the machine does: run, or refuse with a reason; nothing in between.

use std::fmt::Write;
use std::path::Path;

use polyyne_bytecode::Opcode;
use polyyne_engine::vm::{Need, need, unsupported_with};

fn table() -> String {
    let refused = |opcode: &&Opcode| unsupported_with(**opcode, true, true).is_some();
    let count = Opcode::ALL.iter().filter(refused).count();
    let mut text = format!(
        "# Instructions\n\nThe machine runs {} of the {} instructions of MP-SPDZ's bytecode and refuses {count} by name, \
         before anything is spent. This table is generated: `UPDATE_DOCS=1 cargo test -p polyyne-engine --test vm_table`.\n\n\
         | code | instruction | | tuples beside those of the prime field |\n|---|---|---|---|\n",
        Opcode::ALL.len() - count,
        Opcode::ALL.len()
    );
    for &opcode in Opcode::ALL {
        let status = match unsupported_with(opcode, true, true) {
            Some(reason) => format!("refused: {reason}"),
            None => "runs".to_owned(),
        };
        let tuples = match need(opcode) {
            _ if unsupported_with(opcode, true, true).is_some() => "",
            Need::Prime => "",
            Need::Binary => "GF(2^n)",
            Need::Bits => "bits",
        };
        writeln!(text, "| {:#05x} | `{opcode}` | {status} | {tuples} |", opcode.code()).unwrap();
    }
    text
}

#[test]
#[allow(clippy::disallowed_methods)] // a test keeps the file, the engine has none
fn the_instruction_table_of_the_docs_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/instructions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, table()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), table(), "run it with UPDATE_DOCS=1");
}

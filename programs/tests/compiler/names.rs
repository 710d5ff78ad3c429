//! Names: what is imported, what is not there, and the table of the dialect.

use polyyne_programs::{CompileRequest, Module, compile};

use super::{count, error, program};

fn module(name: &str, source: &str) -> Module {
    Module { name: name.into(), file: format!("{}.py", name.replace('.', "/")), source: source.into() }
}

pub fn names_that_are_not_there_are_named() {
    for (source, parts) in [
        ("x = sint(3)\nx.frobnicate()\n", &["test.mpc:2: not supported: sint.frobnicate", "DIALECT.md"][..]),
        ("from Compiler import nonsense\n", &["test.mpc:1: not supported: Compiler.nonsense"]),
        ("from Compiler.sorting import nonsense\n", &["not supported: Compiler.sorting.nonsense"]),
        ("import Compiler.nonsense\n", &["not supported: Compiler.nonsense"]),
        ("import ml\nml.nonsense()\n", &["test.mpc:2: not supported: ml.nonsense"]),
        ("program.nonsense()\n", &["not supported: program.nonsense"]),
        ("sbits.get_type(8)(1).nonsense()\n", &["not supported: sbits.nonsense"]),
        ("import nowhere\n", &["there is no module nowhere", "beside the program", "--python"]),
        // the author's own classes are the author's
        ("class A:\n    pass\nA().x\n", &["AttributeError: 'A' object has no attribute 'x'"]),
    ] {
        let text = error(source);
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
        assert!(!text.contains("Traceback"), "{text}");
    }
}

pub fn a_missing_module_is_an_import_error() {
    program("try:\n    import numpy\nexcept ImportError:\n    numpy = None\nassert numpy is None\n");
    program("try:\n    from Compiler import nonsense\nexcept ImportError:\n    nonsense = 3\nassert nonsense == 3\n");
    program("assert not hasattr(sint(1), 'nonsense') and getattr(program, 'nonsense', 4) == 4\n");
}

pub fn modules_of_the_author_are_imported() {
    let mut request = CompileRequest::new(
        "test.mpc",
        "import first\nfrom Programs.Source.second import twice\nfrom Programs.Source import second\n\
         assert first.three == 3 and second.twice(1) == twice(1) == 2\nprint_ln('%s', first.secret().reveal())\n",
    );
    request.modules = vec![
        module(
            "first",
            "from Compiler.types import sint\nfrom Programs.Source.second import twice\nthree = 1 + twice(1)\n\
                         def secret():\n    return sint(1) * sint(2)\n",
        ),
        module("Programs.Source.second", "def twice(x):\n    return 2 * x\n"),
    ];
    let compiled = compile(&request).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(count(&compiled.program, "muls"), 1);
}

pub fn an_error_in_a_module_names_its_file() {
    let mut request = CompileRequest::new("test.mpc", "import first\nfirst.wrong(sint(1))\n");
    request.modules = vec![module("first", "def wrong(x):\n    return x.frobnicate()\n")];
    let text = compile(&request).unwrap_err().to_string();
    assert!(text.starts_with("first.py:2: not supported: sint.frobnicate\n    return x.frobnicate()"), "{text}");
    assert!(text.contains("called from line 2: first.wrong(sint(1))"), "{text}");
    request.modules = vec![module("first", "def wrong(x:\n")];
    let text = compile(&request).unwrap_err().to_string();
    assert!(text.starts_with("first.py:1: SyntaxError"), "{text}");
}

pub fn a_circuit_of_a_file_is_read() {
    let mut request = CompileRequest::new(
        "test.mpc",
        "from circuit import Circuit\nf = Circuit('half')\n\
         print_ln('%s', f([sbit(1), sbit(1)], [sbit(1), sbit(0)]).elements()[0].reveal())\n",
    );
    let refused = compile(&request).unwrap_err().to_string();
    assert!(refused.contains("no circuit 'half'") && refused.contains("Programs/Circuits"), "{refused}");
    // x0 ∧ y0 and x1 ⊕ y1
    request.modules = vec![module("=half", "2 6\n2 2 2\n1 2\n\n2 1 0 2 4 AND\n2 1 1 3 5 XOR\n")];
    let compiled = compile(&request).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((count(&compiled.program, "ands"), count(&compiled.program, "xors")), (1, 1));
}

pub fn what_nothing_depends_on_stays_if_asked() {
    let mut request = CompileRequest::new("test.mpc", "x = sint(2) * sint(3)\nprint_ln('done')\n");
    assert_eq!(count(&compile(&request).unwrap().program, "muls"), 0);
    request.options.keep_unused = true;
    assert_eq!(count(&compile(&request).unwrap().program, "muls"), 1);
}

pub fn the_table_of_names_is_what_the_library_defines() {
    let request = CompileRequest::new("test.mpc", "from Compiler import documented\nprint(documented.table())\n");
    let made = compile(&request).unwrap_or_else(|error| panic!("{error}")).messages;
    let text = include_str!("../../DIALECT.md");
    let (_, rest) = text.split_once("<!-- names -->\n").expect("the table has a beginning");
    let (table, _) = rest.split_once("<!-- end of names -->").expect("the table has an end");
    for (made, written) in made.trim().lines().zip(table.trim().lines()) {
        assert_eq!(made, written, "DIALECT.md is behind: put the output of documented.table() between its marks");
    }
    assert_eq!(made.trim().lines().count(), table.trim().lines().count());
}

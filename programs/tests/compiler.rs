//! The compiler from source to bytecode, in a child process as in the real binary.
//!
//! This executable is also the child: `main` hands over where the hidden argument asks for it. The tests are functions
//! in a table; a filter may be given as the first argument, as with the usual harness.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use polyyne_bytecode::{Bank, Instruction, Kind, Operand, Program};
use polyyne_programs::{CHILD_ARGUMENT, CompileError, CompileRequest, child_main, compile};

const TESTS: &[(&str, fn())] = &[
    ("the_library_programs_compile", the_library_programs_compile),
    ("compiling_is_deterministic", compiling_is_deterministic),
    ("a_comparison_costs_what_the_method_says", a_comparison_costs_what_the_method_says),
    ("independent_products_take_one_round", independent_products_take_one_round),
    ("dead_code_goes", dead_code_goes),
    ("jumps_stay_inside_their_tape", jumps_stay_inside_their_tape),
    ("errors_name_file_line_source_and_remedy", errors_name_file_line_source_and_remedy),
    ("a_program_reaches_no_file_and_no_socket", a_program_reaches_no_file_and_no_socket),
    ("a_runaway_program_is_stopped", a_runaway_program_is_stopped),
    ("the_record_cannot_be_forged", the_record_cannot_be_forged),
];

fn main() -> ExitCode {
    let first = std::env::args().nth(1);
    if first.as_deref() == Some(CHILD_ARGUMENT) {
        return ExitCode::from(child_main() as u8);
    }
    let filter = first.filter(|word| !word.starts_with('-')).unwrap_or_default();
    if std::env::args().any(|word| word == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    println!("\ntest result: {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn program(source: &str) -> Program {
    match compile(&CompileRequest::new("test.mpc", source)) {
        Ok(compiled) => compiled.program,
        Err(error) => panic!("{error}"),
    }
}

fn error(source: &str) -> String {
    match compile(&CompileRequest::new("test.mpc", source)) {
        Ok(_) => panic!("this compiled: {source:.80}"),
        Err(error) => error.to_string(),
    }
}

fn main_tape(program: &Program) -> &[Instruction] {
    &program.tapes()[0].instructions
}

fn count(program: &Program, name: &str) -> usize {
    main_tape(program).iter().filter(|instruction| instruction.opcode().name() == name).count()
}

fn declared(program: &Program, kind: i64) -> Option<i64> {
    main_tape(program)
        .iter()
        .find(|instruction| {
            instruction.opcode().name() == "use" && instruction.number(0) == 0 && instruction.number(1) == kind
        })
        .map(|instruction| instruction.number(2))
}

fn library() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
    let mut programs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    programs.sort();
    programs
}

fn the_library_programs_compile() {
    for (name, source) in library() {
        assert!(source.starts_with("# "), "{name} has no header");
        let compiled = compile(&CompileRequest::new(&*name, source)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{}.mpc", compiled.name), name);
        assert!(count(&compiled.program, "writesockets") > 0, "{name} writes nothing");
    }
}

fn compiling_is_deterministic() {
    for (name, source) in library() {
        let request = CompileRequest::new(&*name, source);
        let bytes = || compile(&request).unwrap().program.to_bytes();
        assert_eq!(bytes(), bytes(), "{name}");
    }
}

fn a_comparison_costs_what_the_method_says() {
    let program = program("a, b = sint(1), sint(2)\nprint_ln('%s', (a < b).reveal())\n");
    let (triples, bits, openings) = (0, 2, 7);
    assert_eq!(declared(&program, bits), Some(65 + 40));
    assert_eq!(declared(&program, triples), Some(120));
    assert_eq!(declared(&program, openings), Some(2));
    assert_eq!(count(&program, "muls"), 6);
    assert_eq!(program.schedule().security, 40);
}

fn independent_products_take_one_round() {
    let program = program(
        "A = sint.Array(8)\nA.assign(range(8))\n@for_range_parallel(8, 8)\ndef _(i):\n    A[i] = A[i] * A[i]\n",
    );
    assert_eq!(count(&program, "muls"), 1);
    let chained = self::program("x = sint(2)\nfor i in range(5):\n    x = x * x\nprint_ln('%s', x.reveal())\n");
    assert_eq!(count(&chained, "muls"), 5);
}

fn dead_code_goes() {
    let program = program("x = sint(1) < sint(2)\ny = sint.get_random_bit()\nprint_ln('nothing')\n");
    assert_eq!(count(&program, "bit"), 0);
    assert_eq!(count(&program, "muls"), 0);
}

fn jumps_stay_inside_their_tape() {
    let program = program(
        "@for_range(3)\ndef _(i):\n    @if_e(i == 1)\n    def _():\n        print_ln('one')\n    @else_\n    def _():\n        print_ln('%s', i)\n",
    );
    let tape = main_tape(&program);
    let mut jumps = 0;
    for (at, instruction) in tape.iter().enumerate() {
        let distance = match instruction.opcode().name() {
            "jmp" => instruction.number(0),
            "jmpnz" | "jmpeqz" => instruction.number(1),
            _ => continue,
        };
        jumps += 1;
        let target = at as i64 + 1 + distance;
        assert!((0..=tape.len() as i64).contains(&target), "{instruction} at {at}");
    }
    assert_eq!(jumps, 3);
}

fn errors_name_file_line_source_and_remedy() {
    for (source, parts) in [
        ("a = sint(3)\nif a > 2:\n    pass\n", &["test.mpc:2:", "if a > 2:", "remedy", "if_else"][..]),
        ("x = sint(1)\ny = x + foo\n", &["test.mpc:2:", "NameError", "foo", "y = x + foo"]),
        ("x = sint([1, 2]) + sint([1, 2, 3])\n", &["test.mpc:1:", "lengths 2 and 3", "remedy"]),
        ("\n\nprint_ln('%s', sint(1))\n", &["test.mpc:3:", "secret", "reveal()"]),
        ("x = regint(sint(1))\n", &["test.mpc:1:", "reveal()"]),
        ("x = (1\n", &["test.mpc:", "SyntaxError"]),
        ("import numpy\n", &["test.mpc:1:", "numpy", "--python"]),
        ("A = sint.Array(3)\nA[3] = 1\n", &["test.mpc:2:", "index 3", "length 3"]),
        ("A = sint.Array(3)\nx = A[sint(1)]\n", &["test.mpc:2:", "secret", "index"]),
        ("@if_(sint(1))\ndef _():\n    pass\n", &["test.mpc:1:", "secret", "reveal"]),
        ("break_loop()\n", &["test.mpc:1:", "outside a loop"]),
        ("def f(x):\n    return f(x)\nf(1)\n", &["test.mpc:2:", "RecursionError"]),
    ] {
        let text = error(source);
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
        assert!(!text.contains("Traceback") && !text.contains("Compiler/"), "{text}");
    }
}

fn a_program_reaches_no_file_and_no_socket() {
    for source in [
        "open('/etc/passwd')\n",
        "open('/tmp/polyyne-should-not-exist', 'w')\n",
        "import os\n",
        "import posix\n",
        "import socket\n",
        "import subprocess\n",
        "import ctypes\n",
        "import _ctypes\n",
        "__import__('os').system('true')\n",
        "import io\nio.FileIO('/etc/passwd')\n",
        "import _io\n_io.open('/etc/passwd')\n",
    ] {
        error(source);
    }
}

fn a_runaway_program_is_stopped() {
    error("x = [0] * 10 ** 10\n");
    error(&format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)));
    error("x = 7 ** 10 ** 8\n");
    let mut request = CompileRequest::new("test.mpc", "while True:\n    pass\n");
    request.limits.cpu_seconds = 1;
    assert!(matches!(compile(&request), Err(CompileError::Exhausted { .. })));
    request.limits.cpu_seconds = 600;
    request.limits.wall = Duration::from_millis(300);
    assert!(matches!(compile(&request), Err(CompileError::TimeOut { .. })));
    let mut request = CompileRequest::new("test.mpc", "x = []\nwhile True:\n    x.append(len(x))\n");
    request.limits.memory_bytes = 600 << 20;
    compile(&request).expect_err("memory is limited");
}

fn the_record_cannot_be_forged() {
    // The program may do to the library what it likes; what comes out must still be well-formed.
    for line in ["nonsense 1", "adds 1 s1", "ldsi 1 c5 3", "jmp 0 @77", "ldms 1 s1 x", "ldint 1 i1+4 3"] {
        error(&format!("program.emit('{line}')\n"));
    }
    let program = program("program.emit('ldint 1 i900 3')\nprogram.emit('print_int 0 i900')\n");
    for instruction in main_tape(&program) {
        for (operand, kind) in instruction.operands().iter().zip(instruction.kinds()) {
            if let (Operand::Reg(number), Kind::Register(Bank::Regint, _)) = (operand, kind) {
                assert!(*number < 10);
            }
        }
    }
}

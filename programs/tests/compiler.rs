//! The compiler from source to bytecode, in a child process as in the real binary.
//!
//! This executable is also the child: `main` hands over where the hidden argument asks for it. The tests are functions
//! in a table; a filter may be given as the first argument, as with the usual harness.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use polyyne_bytecode::{Bank, Instruction, Kind, Limits, Machine, Operand, Outline, Program, verify};
use polyyne_programs::{
    CHILD_ARGUMENT, CompileError, CompileRequest, DEFAULT_PRIME, LIBRARY, Python, child_main, compile,
};

#[path = "compiler/names.rs"]
mod names;

const TESTS: &[(&str, fn())] = &[
    ("the_library_programs_compile", the_library_programs_compile),
    ("every_library_program_has_a_header", every_library_program_has_a_header),
    ("compiling_is_deterministic", compiling_is_deterministic),
    ("a_system_python_gives_the_same_bytes", a_system_python_gives_the_same_bytes),
    ("functions_are_billed_for_their_calls", functions_are_billed_for_their_calls),
    ("values_of_another_thread_are_refused", values_of_another_thread_are_refused),
    ("standard_modules_are_there", standard_modules_are_there),
    ("a_comparison_costs_what_the_method_says", a_comparison_costs_what_the_method_says),
    ("a_program_declares_how_well_its_whole_run_hides", a_program_declares_how_well_its_whole_run_hides),
    (
        "a_program_that_opens_much_is_compiled_again_with_longer_masks",
        a_program_that_opens_much_is_compiled_again_with_longer_masks,
    ),
    ("security_that_a_program_asks_for_beyond_that_is_given", security_that_a_program_asks_for_beyond_that_is_given),
    ("numbers_too_long_for_any_mask_are_refused", numbers_too_long_for_any_mask_are_refused),
    ("masks_are_chosen_by_the_prime", masks_are_chosen_by_the_prime),
    ("independent_products_take_one_round", independent_products_take_one_round),
    ("dead_code_goes", dead_code_goes),
    ("jumps_stay_inside_their_tape", jumps_stay_inside_their_tape),
    ("errors_name_file_line_source_and_remedy", errors_name_file_line_source_and_remedy),
    ("what_a_run_time_block_cannot_rebind_is_named", what_a_run_time_block_cannot_rebind_is_named),
    ("a_program_reaches_no_file_and_no_socket", a_program_reaches_no_file_and_no_socket),
    ("a_runaway_program_is_stopped", a_runaway_program_is_stopped),
    ("hostile_programs_end_in_clear_errors", hostile_programs_end_in_clear_errors),
    ("nesting_without_brackets_ends_the_child_at_most", nesting_without_brackets_ends_the_child_at_most),
    ("what_a_program_says_while_it_is_compiled_is_bounded", what_a_program_says_while_it_is_compiled_is_bounded),
    ("a_system_python_has_limits_too", a_system_python_has_limits_too),
    ("a_hundred_thousand_products_compile_in_little_memory", a_hundred_thousand_products_compile_in_little_memory),
    ("indices_of_loops_over_an_array_are_not_checked_again", indices_of_loops_over_an_array_are_not_checked_again),
    ("a_small_prime_says_what_it_lacks", a_small_prime_says_what_it_lacks),
    ("the_record_cannot_be_forged", the_record_cannot_be_forged),
    ("templates_cannot_multiply_without_bound", templates_cannot_multiply_without_bound),
    ("names_that_are_not_there_are_named", names::names_that_are_not_there_are_named),
    ("a_missing_module_is_an_import_error", names::a_missing_module_is_an_import_error),
    ("modules_of_the_author_are_imported", names::modules_of_the_author_are_imported),
    ("an_error_in_a_module_names_its_file", names::an_error_in_a_module_names_its_file),
    ("a_circuit_of_a_file_is_read", names::a_circuit_of_a_file_is_read),
    ("what_nothing_depends_on_stays_if_asked", names::what_nothing_depends_on_stays_if_asked),
    ("the_table_of_names_is_what_the_library_defines", names::the_table_of_names_is_what_the_library_defines),
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

/// Inputs and outputs of the examples in a program's header.
fn examples(source: &str) -> Vec<(usize, usize)> {
    let count = |list: &str| list.split(',').filter(|word| word.trim().parse::<i64>().is_ok()).count();
    source
        .lines()
        .filter_map(|line| line.strip_prefix("# Example: inputs "))
        .map(|line| line.strip_suffix('.').and_then(|line| line.split_once("; output ")).unwrap())
        .map(|(inputs, outputs)| (count(inputs), count(outputs)))
        .collect()
}

fn the_library_programs_compile() {
    assert!(LIBRARY.len() >= 20);
    for &(name, source) in LIBRARY {
        let compiled = compile(&CompileRequest::new(name, source)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{}.mpc", compiled.name), name);
        let outline = Outline::of(&compiled.program);
        assert!(outline.socket_outputs > 0, "{name} writes nothing");
        for (inputs, outputs) in examples(source) {
            assert_eq!(outline.socket_inputs, inputs as u64, "{name} does not read what its example gives");
            assert_eq!(outline.socket_outputs, outputs as u64, "{name} does not write what its example shows");
        }
        let machine = Machine { prime: DEFAULT_PRIME.parse().unwrap(), parties: 3, gf2n: 128 };
        verify(compiled.program, &machine, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn every_library_program_has_a_header() {
    for (name, source) in LIBRARY {
        let header: Vec<&str> = source.lines().take_while(|line| line.starts_with('#')).collect();
        for part in ["# Input:", "# Output:"] {
            assert!(header.iter().any(|line| line.starts_with(part)), "{name} lacks {part}");
        }
        assert!(header[0].len() > 10, "{name} does not say what it computes");
    }
}

fn compiling_is_deterministic() {
    for &(name, source) in LIBRARY {
        let request = CompileRequest::new(name, source);
        let bytes = || compile(&request).unwrap().program.to_bytes();
        assert_eq!(bytes(), bytes(), "{name}");
    }
}

fn a_system_python_gives_the_same_bytes() {
    let Some(python) = system_python() else {
        return;
    };
    for &(name, source) in LIBRARY {
        let mut request = CompileRequest::new(name, source);
        let embedded = compile(&request).unwrap().program.to_bytes();
        request.python = Python::System(python.clone());
        let system = compile(&request).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(embedded, system.program.to_bytes(), "{name}");
    }
}

fn functions_are_billed_for_their_calls() {
    let source = "@function_block\ndef f(x):\n    return x * x\n\
                  def show(x):\n    print_ln('%s', x.reveal())\n\
                  show(f(sint(1)))\n@for_range(5)\ndef _(i):\n    show(f(sint(2)))\n";
    assert_eq!(declared(&program(source), 0), Some(6));
    let source = "@function\ndef f(x):\n    return x * x\nprint_ln('%s', (f(sint(1)) + f(sint(2))).reveal())\n";
    assert_eq!(declared(&program(source), 0), Some(2));
    let source = "i = MemValue(regint(0))\n@while_do(lambda: i.read() < 3)\ndef _():\n\
                  \x20   i.iadd(1)\n    print_ln('%s', (sint(1) * sint(2)).reveal())\n";
    assert_eq!(declared(&program(source), 0), Some(-1));
}

fn values_of_another_thread_are_refused() {
    let text = error("x = sint(3)\n@for_range_multithread(2, 1, 4)\ndef _(i):\n    print_ln('%s', (x + i).reveal())\n");
    assert!(text.contains("memory") && text.contains("thread"), "{text}");
    assert!(text.starts_with("test.mpc:4:") && text.contains("x + i"), "{text}");
}

fn standard_modules_are_there() {
    program(
        "import math, random, re, functools, itertools, operator, collections, util\n\
         from Compiler import mpc_math\n\
         assert abs(math.sqrt(2) ** 2 - 2) < 1e-12 and abs(math.sin(math.pi / 6) - 0.5) < 1e-12\n\
         assert re.match('f([0-9]+)', 'f16').group(1) == '16'\n\
         assert collections.Counter('abca')['a'] == 2\n\
         assert functools.reduce(operator.add, itertools.chain([1], [2])) == 3\n\
         random.seed(1)\nx = random.random()\nrandom.seed(1)\nassert x == random.random()\n",
    );
}

fn a_comparison_costs_what_the_method_says() {
    let program = program("a, b = sint(1), sint(2)\nprint_ln('%s', (a < b).reveal())\n");
    let (triples, bits, openings) = (0, 2, 7);
    assert_eq!(declared(&program, bits), Some(128), "a mask of the whole field");
    assert_eq!(declared(&program, triples), Some(120));
    assert_eq!(declared(&program, openings), Some(2));
    assert_eq!(count(&program, "muls"), 6);
    assert_eq!(program.declared_security(), Some(105));
}

/// What a program of one masked opening after another declares is the sum over them, and never below what was asked for.
fn a_program_declares_how_well_its_whole_run_hides() {
    let hides = |source: &str| program(source).declared_security();
    assert_eq!(hides("print_ln('%s', (sint(1) * sint(2)).reveal())\n"), None);
    let once = "print_ln('%s', sint(5).mod2m(3, 20).reveal())\n";
    assert_eq!(hides(once), Some(88), "a mask of 64 + 24 bits more");
    let vector = "x = sint(5, size=1000).mod2m(3, 20)\nprint_ln('%s', x.sum().reveal())\n";
    assert_eq!(hides(vector), Some(78), "a thousand of them");
    let body = "    x = sint(i).mod2m(3, 20)\n    print_ln('%s', x.reveal())\n";
    assert_eq!(hides(&format!("@for_range(1 << 16)\ndef _(i):\n{body}")), Some(72));
    let function = "@for_range(8)\ndef _(i):\n    f(i)\n    f(i)\n";
    assert_eq!(hides(&format!("@function_block\ndef f(i):\n{body}{function}")), Some(84));
}

fn a_program_that_opens_much_is_compiled_again_with_longer_masks() {
    let body = "    print_ln('%s', sint(i).mod2m(3, 20).reveal())\n";
    let known = program(&format!("@for_range(1 << 30)\ndef _(i):\n{body}"));
    assert_eq!(known.declared_security(), Some(64), "six bits more for each");
    assert_eq!(declared(&known, 2), Some((20 + 88 + 6) << 30));
    let unknown =
        program(&format!("n = regint(public_input())\nprogram.public_input(3)\n@for_range(n)\ndef _(i):\n{body}"));
    assert_eq!(unknown.declared_security(), Some(64), "as if it were 2^32 rounds");
}

fn security_that_a_program_asks_for_beyond_that_is_given() {
    let wish = |bits: u32| format!("program.set_security({bits})\nprint_ln('%s', sint(5).mod2m(3, 20).reveal())\n");
    assert_eq!(program(&wish(80)).declared_security(), Some(104));
    assert_eq!(program(&wish(40)).declared_security(), Some(88), "less is not");
}

fn numbers_too_long_for_any_mask_are_refused() {
    let text = error("print_ln('%s', sint(1).mod2m(3, 127).reveal())\n");
    assert!(text.contains("127 bits needs a prime of 129 bits"), "{text}");
    assert!(program("print_ln('%s', sint(1).mod2m(3, 126).reveal())\n").declared_security().is_some());
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
    assert_eq!(count(&program, "floordivc"), 0, "nothing is guarded that is not there");
    let used = self::program("x = sint(1) < sint(2)\nprint_ln('%s', x.reveal())\n");
    assert_eq!(count(&used, "floordivc"), 1);
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

/// Sums over a loop once gave the last term without a word; what cannot be carried over must say so.
fn what_a_run_time_block_cannot_rebind_is_named() {
    let block = |before: &str, head: &str, body: &str| format!("{before}\n{head}\ndef _(*i):\n    {body}\n");
    for (before, body, parts) in [
        ("v = [sint(1)]", "global v; v = v + [1]", &["variable v", "list"][..]),
        ("v = [sint(1)]", "v[0] = v[0] + 1", &["list v", "element"]),
        ("v = []", "v.append(sint(1))", &["list v", "grows"]),
        ("v = sint(1)", "global v; v = sfix(v) * 0.5", &["variable v", "sint before and sfix after"]),
        ("v = sint(1)", "global v; v = v + sint([1, 2])", &["variable v", "sint of 2 values"]),
        ("v = sint.Array(3)", "global v; v = v + 1", &["variable v", "Array"]),
        ("v = MemValue(3)", "global v; v = v + 1", &["variable v", "MemValue", "iadd"]),
        ("v = 'a'", "global v; v = 'b'", &["variable v", "str"]),
        ("class C: v = None\nc = C()\nc.v = sint(1)", "c.v = [c.v]", &["attribute v of C"]),
    ] {
        for head in ["@for_range(3)", "@for_range_opt(20, budget=1)", "@if_(regint(1))"] {
            let text = error(&block(before, head, body));
            for part in parts {
                assert!(text.contains(part), "{part:?} is missing in:\n{text}");
            }
        }
    }
    let text = error(&block("v = None", "@if_(regint(1))", "global v; v = sint(1)"));
    assert!(text.contains("variable v") && text.contains("None"), "{text}");
    let text = error("v = sint(0)\n@function\ndef f(x):\n    global v\n    v = v + x\nf(sint(1))\n");
    assert!(text.contains("variable v"), "{text}");
    let text = error("@if_(regint(1))\ndef _():\n    return 5\n");
    assert!(text.contains("cannot return a value"), "{text}");
    let text = error("@for_range(3)\ndef _(i):\n    return sint(1)\n");
    assert!(text.contains("secret"), "{text}");
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

fn limited(source: &str) -> CompileRequest {
    let mut request = CompileRequest::new("test.mpc", source);
    request.limits.cpu_seconds = 3;
    request.limits.memory_bytes = 600 << 20;
    request
}

fn hostile_programs_end_in_clear_errors() {
    for (source, word) in [
        ("x = [0] * 10 ** 10\n", "memory"),
        ("x = 'a' * 10 ** 11\n", "memory"),
        ("x = [1]\nwhile True:\n    x = x + x\n", "memory"),
        ("x = '%10000000000d' % 1\n", ""),
        ("x = 7 ** 10 ** 8\n", "power"),
        ("x = 3\nwhile True:\n    x = x * x\n", "exhausted"),
        ("while True:\n    sint(1)\n", ""),
        ("sum(range(10 ** 12))\n", "exhausted"),
        ("def f():\n    return f()\nf()\n", "RecursionError"),
        ("import re\nre.match('(a|a)*b', 'a' * 60)\n", ""),
        ("sint.Array(10 ** 12)\n", "memory"),
        ("sint(1, size=10 ** 12)\n", "too long"),
        ("sint.get_random_bit(size=10 ** 9)\n", "too long"),
        ("import sys\nsys.exit(0)\n", "exit"),
        ("raise SystemExit\n", "exit"),
        ("().__class__.__base__.__subclasses__()[10 ** 6]\n", "IndexError"),
    ] {
        let text = match compile(&limited(source)) {
            Ok(_) => panic!("this compiled: {source:.80}"),
            Err(error) => error.to_string(),
        };
        assert!(text.starts_with("test.mpc"), "{source:.80}: {text:.300}");
        assert!(text.contains(word), "{word:?} is missing for {source:.80}:\n{text:.300}");
        assert!(!text.contains("Traceback") && !text.contains("panicked"), "{source:.80}: {text:.300}");
    }
}

fn nesting_without_brackets_ends_the_child_at_most() {
    for deep in ["-", "1 + ", "lambda: ", "not ", "1 if 1 else ", "x.", "1 ** "] {
        let outcome = compile(&limited(&format!("y = {}1\n", deep.repeat(100_000))));
        if let Err(error) = outcome {
            let text = error.to_string();
            assert!(text.starts_with("test.mpc") && !text.contains("panicked"), "{deep}: {text:.300}");
        }
    }
}

fn what_a_program_says_while_it_is_compiled_is_bounded() {
    let source = "for i in range(2000):\n    print('x' * 1000)\nprint_ln('done')\n";
    let compiled = compile(&CompileRequest::new("test.mpc", source)).unwrap();
    assert!(compiled.messages.len() < 100_000, "{} bytes", compiled.messages.len());
}

/// A system Python, if there is one.
fn system_python() -> Option<std::path::PathBuf> {
    ["/usr/bin/python3", "/usr/local/bin/python3"].map(std::path::PathBuf::from).into_iter().find(|path| path.exists())
}

fn a_system_python_has_limits_too() {
    let Some(python) = system_python() else {
        return;
    };
    for source in ["x = []\nwhile True:\n    x.append(len(x))\n", "while True:\n    pass\n"] {
        let mut request = limited(source);
        request.python = Python::System(python.clone());
        compile(&request).expect_err("its memory and its time are limited");
    }
}

fn a_hundred_thousand_products_compile_in_little_memory() {
    let mut request = CompileRequest::new(
        "test.mpc",
        "x = sint(3)\ny = [x * i for i in range(1, 1001)]\nfor i in range(100):\n    y = [a * x for a in y]\n\
         print_ln('%s', sum(y).reveal())\n",
    );
    request.limits.memory_bytes = 500 << 20;
    let program = compile(&request).unwrap().program;
    assert_eq!(declared(&program, 0), Some(100_000));
}

fn indices_of_loops_over_an_array_are_not_checked_again() {
    let inside = "A = sint.Array(8)\n@for_range(8)\ndef _(i):\n    A[7 - i] = A[i // 2] + i\n\
                  @for_range_opt(8)\ndef _(i):\n    A[i] = A[(i + 1) % 8]\n";
    assert_eq!(count(&program(inside), "crash"), 0);
    assert_eq!(count(&program("A = sint.Array(8)\n@for_range(9)\ndef _(i):\n    A[i] = 1\n"), "crash"), 1);
    assert_eq!(count(&program("A = sint.Array(8)\nA[regint.get_random(3) + 1] = 1\n"), "crash"), 1);
}

fn a_small_prime_says_what_it_lacks() {
    let mut request = CompileRequest::new("test.mpc", "a = sint(3) * 5\nprint_ln('%s', a.less_than(4, 15).reveal())\n");
    request.options.prime = Some("65537".into());
    let text = compile(&request).unwrap_err().to_string();
    assert!(text.starts_with("test.mpc:2:") && text.contains("18 bits") && text.contains("remedy"), "{text}");
    request.source = request.source.replace("15", "14");
    assert_eq!(compile(&request).unwrap().program.declared_security(), None, "nothing is hidden statistically");
}

fn masks_are_chosen_by_the_prime() {
    let words = |over: &str, bits: u32| {
        let mut request =
            CompileRequest::new("test.mpc", format!("print_ln('%s', sint(5).mod2m(3, {bits}).reveal())\n"));
        request.options.over = over.into();
        let program = compile(&request).unwrap().program;
        let bound = matches!(program.schedule().domain, polyyne_bytecode::Domain::Prime(_));
        (program.schedule().options.iter().filter(|word| word.starts_with("mask")).cloned().collect::<Vec<_>>(), bound)
    };
    let (usual, carbyne) = (DEFAULT_PRIME, "198766463529478683931867765928436695041");
    assert_eq!(words(usual, 32), (vec!["mask_longer".into()], false));
    assert_eq!(words(usual, 65), (vec!["mask_whole".into()], true));
    assert_eq!(words(usual, 126), (vec!["mask_exact".into()], true));
    assert_eq!(words(carbyne, 47), (vec!["mask_longer".into()], false));
    assert_eq!(words(carbyne, 65), (vec!["mask_drawn".into(), "mask_whole".into()], true));
    assert_eq!(words(carbyne, 126), (vec!["mask_drawn".into(), "mask_exact".into()], true));
}

fn templates_cannot_multiply_without_bound() {
    let text = error(
        "first = program.n\n\
         program.templates.append(['template 0 %d 0 0' % first, 'print_char 0 65', 'done'])\n\
         for i in range(1, 40):\n\
         \x20   again = 'expand %d %d ' % (i - 1, first)\n\
         \x20   program.templates.append(['template %d %d 0 0' % (i, first), again, again, 'done'])\n\
         program.emit('expand 39 %d ' % first)\n",
    );
    assert!(text.contains("instructions"), "{text}");
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

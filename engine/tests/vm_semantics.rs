//! What instructions mean, on small programs that run with two or three parties.

mod vm_harness;

use polyyne_engine::tuples::Kind;
use polyyne_engine::vm::{Fault, Limits, TextInputs, VmError};
use vm_harness::{Ended, Line, Setup, printed, program, reconstruct, run, run_with, verify};

fn prints(lines: &[Line<'_>], expected: &str) {
    assert_eq!(printed(&[lines]).unwrap(), expected, "{lines:?}");
}

fn fault(lines: &[Line<'_>]) -> Fault {
    match printed(&[lines]).unwrap_err() {
        VmError::At { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn secret_arithmetic_is_linear_and_multiplies() {
    prints(
        &[
            ("ldsi", 3, &[0, 7]),
            ("ldi", 3, &[0, -2]),
            ("addm", 3, &[10, 0, 0]),                 // 5
            ("submr", 3, &[20, 0, 10]),               // -7
            ("subsfi", 3, &[30, 20, 1]),              // 8
            ("mulsi", 3, &[40, 30, -3]),              // -24
            ("muls", 0, &[3, 50, 40, 10]),            // -120
            ("mulrs", 0, &[3, 60, 50, 30]),           // -960
            ("dotprods", 3, &[6, 70, 0, 10, 20, 30]), // 35 - 56 = -21
            ("open", 3, &[1, 10, 50, 20, 60, 30, 70]),
            ("print_reg_plain", 3, &[10]),
            ("print_reg_plain", 1, &[20]),
            ("print_reg_plain", 1, &[32]),
        ],
        "[-120, -120, -120]-960-21",
    );
}

#[test]
fn products_of_one_instruction_read_before_they_write() {
    prints(
        &[
            ("ldsi", 0, &[0, 2]),
            ("ldsi", 0, &[1, 3]),
            ("muls", 0, &[1, 0, 0, 1, 1, 1, 0, 1]),
            ("open", 0, &[1, 0, 0, 1, 1]),
            ("print_reg_plain", 2, &[0]),
        ],
        "[6, 6]",
    );
}

#[test]
fn matrices_multiply_row_major_from_registers_and_from_memory() {
    let shapes: &[Line<'_>] = &[
        ("incint", 6, &[0, 50, 1, 1, 6]), // 0..5
        ("convint", 6, &[0, 0]),
        ("ldsi", 6, &[0, 0]),
        ("addm", 6, &[0, 0, 0]),
        ("matmuls", 0, &[10, 0, 0, 2, 3, 2]), // [[0,1,2],[3,4,5]]·[[0,1],[2,3],[4,5]]
        ("stms", 6, &[0, 100]),
        ("ldint", 0, &[60, 100]),
        ("incint", 2, &[20, 50, 1, 1, 2]),
        ("incint", 3, &[30, 50, 1, 1, 3]),
        ("matmulsm", 0, &[20, 60, 60, 2, 3, 2, 20, 30, 30, 20, 3, 2]),
        ("open", 4, &[1, 10, 10, 20, 20]),
        ("print_reg_plain", 4, &[10]),
        ("print_reg_plain", 4, &[20]),
    ];
    prints(shapes, "[10, 13, 28, 40][10, 13, 28, 40]");
}

#[test]
fn indirect_memory_reads_one_address_for_each_lane() {
    prints(
        &[
            ("ldint", 0, &[0, 5]),
            ("ldint", 0, &[1, 3]),
            ("ldint", 0, &[2, 50]),
            ("ldint", 0, &[3, 30]),
            ("stminti", 2, &[2, 0]), // memory[5] = 50, memory[3] = 30
            ("ldmint", 4, &[10, 2]),
            ("print_int", 4, &[10]),
            ("ldminti", 2, &[20, 0]),
            ("print_int", 2, &[20]),
            ("ldmint", 0, &[30, 100]),
        ],
        "[0, 30, 0, 50][50, 30]",
    );
    let out = fault(&[("ldint", 0, &[0, 7]), ("ldmint", 0, &[1, 3]), ("ldminti", 0, &[1, 0])]);
    assert!(matches!(out, Fault::Address { address: 7, size: 4, .. }));
    let negative = fault(&[("ldint", 0, &[0, -1]), ("ldms", 0, &[1, 3]), ("ldmsi", 0, &[1, 0])]);
    assert!(matches!(negative, Fault::Address { address: -1, .. }));
}

#[test]
fn jumps_count_from_the_next_instruction() {
    prints(
        &[
            ("ldint", 0, &[0, 3]),
            ("ldint", 0, &[1, 1]),
            ("print_int", 0, &[0]),
            ("subint", 0, &[0, 0, 1]),
            ("jmpnz", 0, &[0, -3]),
            ("jmp", 0, &[1]),
            ("print_char", 0, &[88]),
            ("jmpeqz", 0, &[0, 1]),
            ("print_char", 0, &[88]),
            ("jmpi", 0, &[1]),
            ("print_char", 0, &[88]),
            ("print_char", 0, &[46]),
        ],
        "321.",
    );
    assert_eq!(fault(&[("ldint", 0, &[0, -9]), ("jmpi", 0, &[0])]), Fault::Jump(-7));
}

#[test]
fn a_call_has_its_own_registers_and_moves_arguments_both_ways() {
    let main: &[Line<'_>] = &[
        ("ldint", 0, &[0, 41]),
        ("ldint", 0, &[9, 5]),
        ("ldsi", 2, &[0, 6]),
        ("call_tape", 0, &[1, 9, 0, 4, 2, 10, 0, 1, 0, 1, 1, 3, 1, 4, 2, 4, 20]),
        ("ldarg", 0, &[2]),
        ("open", 2, &[1, 0, 4]),
        ("print_int", 3, &[0]),
        ("print_reg_plain", 2, &[0]),
    ];
    let callee: &[Line<'_>] =
        &[("ldarg", 0, &[3]), ("ldint", 0, &[0, 1000]), ("muls", 0, &[2, 20, 10, 10]), ("starg", 0, &[0])];
    assert_eq!(printed(&[main, callee]).unwrap(), "[41, 5, 0][36, 36]");
}

#[test]
fn endless_recursion_and_endless_loops_meet_their_limits() {
    let verified = verify(program(&[&[("movs", 0, &[1000, 0]), ("ldint", 0, &[0, 0]), ("call_tape", 0, &[0, 0])]]), 2);
    let mut setup = Setup::new(2);
    setup.limits = Limits { frame_bytes_max: 1 << 20, ..Limits::default() };
    let error = run(&verified, &setup).swap_remove(0).result.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Limit { what: "bytes of call frames", .. })), "{error}");

    let verified = verify(program(&[&[("jmp", 0, &[-1])]]), 2);
    setup.limits = Limits { steps_max: 1000, ..Limits::default() };
    let error = run(&verified, &setup).swap_remove(0).result.unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Limit { what: "steps", max: 1000 }));

    let verified = verify(program(&[&[("ldsi", 0, &[0, 1]), ("muls", 0, &[1, 0, 0, 0]), ("jmp", 0, &[-2])]]), 2);
    setup.limits = Limits { rounds_max: 10, ..Limits::default() };
    let error = run(&verified, &setup).swap_remove(0).result.unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Limit { what: "rounds", max: 10 }));
}

#[test]
fn errors_name_tape_instruction_and_mnemonic() {
    let error = printed(&[&[("ldint", 0, &[0, 1]), ("divint", 0, &[0, 0, 1])]]).unwrap_err();
    assert_eq!(error.to_string(), "tape \"tape-0\", instruction 1 (divint): division by zero");
    assert_eq!(fault(&[("ldint", 0, &[0, 1]), ("crash", 0, &[0])]), Fault::Crash);
    assert_eq!(fault(&[("divc", 0, &[0, 1, 2])]), Fault::DivisionByZero);
    // The first quotient, 0, is the second divisor: a look at the divisors beforehand saw a 1 there.
    let overlap: [Line<'_>; 3] = [("ldi", 1, &[4, 1]), ("ldi", 1, &[5, 1]), ("divc", 2, &[5, 0, 4])];
    assert_eq!(fault(&overlap), Fault::DivisionByZero);
    assert_eq!(fault(&[("popint", 0, &[0])]), Fault::EmptyStack);
    assert_eq!(fault(&[("cmdlinearg", 0, &[0, 0])]), Fault::NoArgument(0));
}

#[test]
fn printing_has_the_formats_of_mp_spdz() {
    prints(
        &[
            ("ldi", 2, &[0, -5]),
            ("ldi", 0, &[4, 1]),
            ("print_reg_plain", 2, &[0]),
            ("print_reg_plain", 0, &[0]),
            ("print_char", 0, &[10]),
            ("print_char4", 0, &[0x64636261]),
            ("cond_print_str", 0, &[4, 0x00006968]),
            ("cond_print_str", 0, &[9, 0x00006968]),
            ("cond_print_plain", 0, &[4, 0, 9]),
            ("cond_print_plain", 0, &[4, 0, 0]),
            ("print_float_prec", 0, &[3]),
            ("print_float_plain", 0, &[0, 0, 9, 4, 9]),
            ("print_float_plain", 0, &[0, 0, 9, 9, 4]),
        ],
        "[-5, -5]-5\nabcdhi-5-0.156250.156NaN",
    );
    assert!(matches!(fault(&[("ldi", 0, &[0, 2]), ("print_float_plain", 0, &[0, 0, 0, 1, 1])]), Fault::NotABit(_)));
}

fn with_inputs(lines: &[Line<'_>], inputs: [&'static str; 3]) -> Vec<Ended> {
    let verified = verify(program(&[lines]), 3);
    let words = move |party: usize| -> Box<dyn polyyne_engine::vm::Inputs> {
        Box::new(TextInputs::default().with(0, inputs[party]))
    };
    run_with(&verified, &Setup::new(3), |_, _| None, words, &mut |_| {})
}

#[test]
fn inputs_of_all_kinds_and_parties_come_in_one_round() {
    let ended = with_inputs(
        &[
            ("inputmixed", 2, &[0, 0, 1, 1, 10, 4, 0, 2, 20, 30, 40, 50, 24, 2]),
            ("open", 2, &[1, 0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50]),
            ("print_reg_plain", 2, &[0]),
            ("print_reg_plain", 2, &[10]),
            ("print_reg_plain", 2, &[20]),
            ("print_reg_plain", 2, &[30]),
            ("print_reg_plain", 2, &[50]),
        ],
        ["1.5 -0.25", "7 -8", "0.5 -0.75"],
    );
    for party in &ended {
        party.result.as_ref().unwrap();
        assert_eq!(party.printed, b"[7, -8][24, -4][8388608, 12582912][-24, -24][0, 1]");
    }
}

#[test]
fn a_missing_input_is_an_error_at_its_party_and_ends_the_others() {
    let ended = with_inputs(&[("input", 2, &[0, 1])], ["", "5", ""]);
    assert!(matches!(ended[1].result.as_ref().unwrap_err().fault(), Some(Fault::Input(_))));
    assert!(ended.iter().all(|party| party.result.is_err()));
}

#[test]
fn private_outputs_reach_their_party_alone() {
    let ended = with_inputs(
        &[("ldsi", 2, &[0, 7]), ("privateoutput", 0, &[2, 1, 0, 0]), ("print_reg_plain", 2, &[0])],
        ["", "", ""],
    );
    assert_eq!(ended[1].printed, b"[7, 7]");
    assert!(ended[0].printed == ended[2].printed && ended[0].printed != ended[1].printed);
}

#[test]
fn personal_values_are_sent_and_shared() {
    let ended = with_inputs(
        &[
            ("playerid", 0, &[0]),
            ("convint", 0, &[0, 0]),
            ("addci", 0, &[0, 0, 10]),
            ("sendpersonal", 0, &[1, 2, 1, 1, 0]),
            ("inputpersonal", 0, &[1, 2, 0, 1]),
            ("open", 0, &[1, 5, 0]),
            ("print_reg_plain", 0, &[1]),
            ("print_char", 0, &[32]),
            ("print_reg_plain", 0, &[5]),
        ],
        ["", "", ""],
    );
    assert_eq!(ended[2].printed, b"11 11");
    assert_eq!(ended[0].printed, b"0 11");
}

#[test]
fn the_door_gives_input_secrets_in_order_and_takes_new_ones() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, 15000]),
        ("listen", 0, &[0]),
        ("acceptclientconnection", 0, &[1, 0]),
        ("readsockets", 0, &[1, 1, 0, 1]),
        ("adds", 0, &[2, 0, 1]),
        ("writesockets", 0, &[1, 0, 1, 2]),
        ("closeclientconnection", 0, &[1]),
    ];
    let mut setup = Setup::new(3);
    setup.secrets = vec![20, -62];
    let ended = run(&verify(program(&[lines]), 3), &setup);
    assert!(ended.iter().all(|party| party.result.is_ok()));
    assert_eq!(reconstruct(&ended), ["-42"]);
    setup.secrets.pop();
    let ended = run(&verify(program(&[lines]), 3), &setup);
    assert!(matches!(ended[0].result.as_ref().unwrap_err().fault(), Some(Fault::Door(_))));
}

#[test]
fn threads_share_memory_keep_their_registers_and_know_their_number() {
    let schedule = "3\n3\nm:7 f:5 g:2\n1 0\n0\n\nlgp:0\n";
    let tapes = [
        vec_of(&[
            ("run_tape", 0, &[1, 1, 7, 2, 1, 8]),
            ("join_tape", 0, &[1]),
            ("run_tape", 0, &[1, 2, 0]),
            ("join_tape", 0, &[1]),
            ("join_tape", 0, &[2]),
            ("ldmint", 30, &[0, 0]),
            ("print_int", 30, &[0]),
        ]),
        vec_of(&[
            ("ldtn", 0, &[0]),
            ("ldarg", 0, &[1]),
            ("stminti", 0, &[1, 0]),
            ("ldint", 0, &[5, 25]),
            ("movint", 0, &[6, 1]),
        ]),
        vec_of(&[("stminti", 0, &[6, 5]), ("movint", 0, &[40, 0])]),
    ];
    let schedule = polyyne_bytecode::Schedule::parse(schedule).unwrap();
    let names = ["m", "f", "g"].map(str::to_owned);
    let tapes = names.into_iter().zip(tapes).map(|(name, instructions)| polyyne_bytecode::Tape { name, instructions });
    let program = polyyne_bytecode::Program::new(schedule, tapes.collect()).unwrap();
    let ended = run(&verify(program, 2), &Setup::new(2)).swap_remove(0);
    ended.result.unwrap();
    let mut expected = vec!["0"; 30];
    (expected[1], expected[2], expected[25]) = ("7", "8", "7");
    assert_eq!(String::from_utf8(ended.printed).unwrap(), format!("[{}]", expected.join(", ")));
}

fn vec_of(lines: &[Line<'_>]) -> Vec<polyyne_bytecode::Instruction> {
    vm_harness::tape(lines)
}

#[test]
fn stored_shares_are_written_read_and_end_with_minus_one() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, 1]),
        ("readsharesfromfile", 2, &[0, 1, 0]),
        ("open", 2, &[1, 0, 0]),
        ("print_reg_plain", 2, &[0]),
        ("print_int", 0, &[1]),
        ("ldint", 0, &[0, -1]),
        ("writesharestofile", 0, &[0, 1]),
        ("ldint", 0, &[0, 3]),
        ("readsharesfromfile", 0, &[0, 1, 5]),
        ("open", 0, &[1, 5, 5]),
        ("print_reg_plain", 0, &[5]),
        ("readsharesfromfile", 2, &[0, 1, 5]),
    ];
    let mut setup = Setup::new(2);
    setup.storage = Some(vec![11, 22, 33]);
    let ended = run(&verify(program(&[lines]), 2), &setup).swap_remove(0);
    assert_eq!(ended.result.unwrap_err().fault(), Some(&Fault::Storage(3)));
    setup.storage = None;
    let missing: &[Line<'_>] = &[("readsharesfromfile", 0, &[0, 1, 0]), ("print_int", 0, &[1])];
    let ended = run(&verify(program(&[missing]), 2), &setup).swap_remove(0);
    assert_eq!(ended.printed, b"-2");
}

#[test]
fn public_randomness_is_the_same_at_all_parties_and_a_shuffle_is_a_permutation() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, 31]),
        ("rand", 0, &[1, 0]),
        ("print_int", 0, &[1]),
        ("incint", 5, &[10, 2, 1, 1, 5]),
        ("shuffle", 5, &[20, 10]),
        ("print_int", 5, &[20]),
    ];
    let ended = run(&verify(program(&[lines]), 3), &Setup::new(3));
    assert!(ended.iter().all(|party| party.result.is_ok() && party.printed == ended[0].printed));
    let text = String::from_utf8(ended[0].printed.clone()).unwrap();
    let mut numbers: Vec<u32> =
        text[text.find('[').unwrap() + 1..text.len() - 1].split(", ").map(|word| word.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(fault(&[("ldint", 0, &[0, 32]), ("rand", 0, &[1, 0])]), Fault::RandomBits(32));
}

#[test]
fn too_few_tuples_are_a_shortage_that_names_the_kind() {
    // The dealer never ends; a pool does.
    use polyyne_engine::tuples::{Pool, Tuples};
    let shortage = Pool::<polyyne_engine::field::PrimeField>::new().triples(3).map(drop).unwrap_err();
    assert_eq!(shortage.kind, Kind::Triple);
}

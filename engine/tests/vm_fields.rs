//! GF(2^n), bits, and what leads from one world to the other; secure shuffles.

mod vm_harness;

use polyyne_engine::error::Error;
use polyyne_engine::field::{Field, PrimeField};
use polyyne_engine::share::Shares;
use polyyne_engine::sim::Simulator;
use polyyne_engine::step::Step;
use polyyne_engine::tuples::{InputMasks, Pairs, Shortage, Triples, Tuples};
use polyyne_engine::vm::{Fault, NoInputs, TextInputs};
use vm_harness::{Ended, Line, Setup, field, printed, program, run, run_metered, run_with, verify};

fn prints(lines: &[Line<'_>], expected: &str) {
    assert_eq!(printed(&[lines]).unwrap(), expected, "{lines:?}");
}

#[test]
fn gf2n_adds_by_xor_multiplies_modulo_its_polynomial_and_prints_in_hexadecimal() {
    prints(
        &[
            ("gldsi", 0, &[0, 2]),
            ("gldsi", 0, &[1, -1]), // the pattern of 32 bits
            ("gmuls", 0, &[1, 2, 0, 1]),
            ("gadds", 0, &[3, 2, 0]),
            ("gaddsi", 0, &[3, 3, 1]),
            ("gldi", 0, &[0, 1]),
            ("gshlci", 0, &[0, 0, 127]),
            ("gmulm", 0, &[4, 0, 0]), // X·X^127 = X^7 + X^2 + X + 1
            ("gopen", 0, &[1, 5, 3, 6, 4]),
            ("gprint_reg_plain", 2, &[5]),
        ],
        "000000000000000000000001fffffffd00000000000000000000000000000087",
    );
}

#[test]
fn gf2n_divides_and_takes_bits_apart() {
    prints(
        &[
            ("gldi", 0, &[0, 0b10110]),
            ("gldi", 0, &[1, 7]),
            ("gdivc", 0, &[2, 0, 1]),
            ("gmulc", 0, &[2, 2, 1]),
            ("gbitdec", 0, &[2, 1, 10, 11, 12]),
            ("gbitcom", 0, &[3, 1, 12, 11, 10]),
            ("gconvgf2n", 0, &[0, 3]),
            ("print_int", 0, &[0]),
            ("gconvgf2n", 0, &[0, 2]),
            ("print_int", 0, &[0]),
        ],
        "322",
    );
    let error = printed(&[&[("gdivc", 0, &[0, 1, 2])]]).unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::DivisionByZero));
}

#[test]
fn boolean_words_work_bit_by_bit_across_registers() {
    prints(
        &[
            ("ldbits", 0, &[0, 8, 0b1100_1010]),
            ("ldbits", 0, &[1, 8, 0b1010_1001]),
            ("xors", 0, &[8, 2, 0, 1]),
            ("ands", 0, &[8, 3, 0, 1]),
            ("ldbits", 0, &[4, 1, 1]),
            ("andrs", 0, &[4, 5, 1, 4]),
            ("nots", 0, &[4, 6, 0]),
            ("andrsvec", 0, &[7, 8, 7, 8, 1, 0, 2]),
            ("reveal", 0, &[8, 0, 2, 8, 1, 3, 8, 2, 5, 8, 3, 6, 8, 4, 7, 8, 5, 8]),
            ("convcbit", 0, &[0, 0]),
            ("convcbit", 0, &[1, 1]),
            ("convcbit", 0, &[2, 2]),
            ("convcbit", 0, &[3, 3]),
            ("convcbit", 0, &[4, 4]),
            ("convcbit", 0, &[5, 5]),
            ("print_int", 6, &[0]),
        ],
        "[99, 136, 9, 5, 136, 33]",
    );
}

#[test]
fn long_vectors_span_registers_and_transpose() {
    prints(
        &[
            ("ldint", 0, &[0, -1]),
            ("convsint", 0, &[64, 0, 0]),
            ("ldbits", 0, &[1, 2, 1]),
            ("nots", 0, &[66, 4, 0]), // 64 zeros, then 0 and 1
            ("reveal", 0, &[66, 0, 4]),
            ("convcbit", 0, &[1, 0]),
            ("convcbit", 0, &[2, 1]),
            ("print_int", 2, &[1]),
            ("bitdecs", 0, &[1, 10, 11]),
            ("trans", 0, &[1, 20, 11, 10]), // bit 0 of both, as one vector
            ("reveal", 0, &[2, 3, 20]),
            ("print_reg_signed", 0, &[2, 3]),
        ],
        "[0, 2]-2",
    );
    let error = printed(&[&[("ldint", 0, &[0, 300]), ("convsint", 0, &[8, 0, 0])]]).unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Overflow { bits: 8 }));
}

#[test]
fn a_dabit_is_the_same_bit_in_both_worlds_and_an_edabit_the_same_number() {
    prints(
        &[
            ("dabit", 70, &[0, 0]),
            ("reveal", 0, &[70, 0, 0]),
            ("convcbitvec", 0, &[70, 0, 0]),
            ("convint", 70, &[100, 0]),
            ("subml", 70, &[0, 0, 100]),
            ("sedabit", 0, &[100, 10, 11, 12]),
            ("reveal", 0, &[1, 10, 10, 1, 11, 11, 1, 12, 12]),
            ("shlcbi", 0, &[11, 11, 1]),
            ("shlcbi", 0, &[12, 12, 2]),
            ("addcb", 0, &[10, 10, 11]),
            ("addcb", 0, &[10, 10, 12]),
            ("convcbit", 0, &[200, 10]),
            ("convint", 0, &[200, 200]),
            ("subml", 0, &[70, 100, 200]),
            ("prefixsums", 71, &[0, 0]),
            ("open", 0, &[1, 0, 70]),
            ("print_reg_plain", 0, &[0]),
        ],
        "0",
    );
}

#[test]
fn private_inputs_come_as_bits_too() {
    let lines: &[Line<'_>] = &[
        ("inputb", 0, &[0, 8, 0, 0, 1, 8, 1, 1]),
        ("inputbvec", 0, &[6, 0, 1, 10, 11, 12]),
        ("reveal", 0, &[8, 0, 0, 8, 1, 1, 1, 2, 10, 1, 3, 11, 1, 4, 12]),
        ("print_reg_signed", 0, &[8, 0]),
        ("print_reg_signed", 0, &[8, 1]),
        ("print_reg_signed", 0, &[1, 2]),
        ("print_reg_signed", 0, &[1, 3]),
        ("print_reg_signed", 0, &[1, 4]),
    ];
    let inputs = |party: usize| -> Box<dyn polyyne_engine::vm::Inputs> {
        Box::new(TextInputs::default().with(0, ["-5", "3.5 6"][party]))
    };
    let ended = run_with(&verify(program(&[lines]), 2), &Setup::new(2), |_, _| None, inputs, &mut |_| {});
    assert!(ended.iter().all(|party| party.printed == b"-57011"), "{:?}", ended[0].result);
}

/// Runs a program in which the first message of `step` from party 1 to party 0 is altered.
fn tampered(lines: &[Line<'_>], step: Step, seed: u64) -> Vec<Ended> {
    let mut setup = Setup::new(2);
    setup.seed = seed;
    let configure = &mut |simulator: &mut Simulator| {
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(step) && frame.occurrence == 0 && frame.from.0 == 1 {
                bytes[6] ^= 1;
            }
            vec![bytes]
        });
    };
    run_with(&verify(program(&[lines]), 2), &setup, |_, _| None, |_| Box::new(NoInputs), configure)
}

fn caught(ended: &Ended) -> bool {
    let error = ended.result.as_ref().unwrap_err();
    ended.printed.is_empty()
        && matches!(error.fault(), Some(Fault::Engine(Error::MacCheckFailed | Error::OpeningsDiffer { .. })))
}

#[test]
fn tampered_openings_over_gf2n_and_of_bits_are_never_printed() {
    let gf2n: &[Line<'_>] =
        &[("gldsi", 0, &[0, 2]), ("gmuls", 0, &[1, 1, 0, 0]), ("gopen", 0, &[1, 0, 1]), ("gprint_reg_plain", 0, &[0])];
    let bits: &[Line<'_>] = &[
        ("ldbits", 0, &[0, 8, 77]),
        ("ands", 0, &[8, 1, 0, 0]),
        ("reveal", 0, &[8, 0, 1]),
        ("print_reg_signed", 0, &[8, 0]),
    ];
    for seed in 1..10 {
        assert!(caught(&tampered(gf2n, Step::Open, seed)[0]));
        assert!(caught(&tampered(bits, Step::OpenBits, seed)[0]));
    }
}

const SHUFFLE: &[Line<'_>] = &[
    ("incint", 12, &[0, 50, 1, 1, 12]),
    ("convint", 12, &[0, 0]),
    ("ldsi", 12, &[0, 0]),
    ("addm", 12, &[0, 0, 0]),
    ("gensecshuffle", 0, &[60, 6]),
    ("applyshuffle", 0, &[12, 20, 0, 2, 60, 0]), // six blocks of two
    ("applyshuffle", 0, &[12, 40, 20, 2, 60, 1]),
    ("secshuffle", 12, &[80, 0, 1]),
    ("open", 12, &[1, 20, 20, 40, 40, 80, 80]),
    ("print_reg_plain", 12, &[20]),
    ("print_reg_plain", 12, &[40]),
    ("print_reg_plain", 12, &[80]),
    ("delshuffle", 0, &[60]),
];

fn numbers(text: &str) -> Vec<Vec<u32>> {
    let vectors = text.split(']').filter(|part| !part.is_empty());
    vectors.map(|part| part[1..].split(", ").map(|word| word.parse().unwrap()).collect()).collect()
}

#[test]
fn a_shuffle_moves_whole_blocks_and_its_inverse_brings_them_back() {
    for (n, seed) in [(2, 1), (3, 2), (4, 3)] {
        let mut setup = Setup::new(n);
        setup.seed = seed;
        let ended = run(&verify(program(&[SHUFFLE]), n), &setup).swap_remove(0);
        ended.result.unwrap();
        let vectors = numbers(&String::from_utf8(ended.printed).unwrap());
        let mut blocks: Vec<&[u32]> = vectors[0].chunks(2).collect();
        assert!(blocks.iter().all(|block| block[0] % 2 == 0 && block[1] == block[0] + 1), "{blocks:?}");
        blocks.sort_unstable();
        assert_eq!(blocks.concat(), (0..12).collect::<Vec<_>>());
        assert_eq!(vectors[1], (0..12).collect::<Vec<_>>());
        let mut single = vectors[2].clone();
        single.sort_unstable();
        assert_eq!(single, vectors[1]);
    }
}

/// A party's masks, which it misrepresents to itself: what it inputs is off by five, consistently for all.
struct Lying(Box<dyn Tuples<PrimeField>>);

impl Tuples<PrimeField> for Lying {
    fn triples(&mut self, count: usize) -> Result<Triples<PrimeField>, Shortage> {
        self.0.triples(count)
    }
    fn squares(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.0.squares(count)
    }
    fn inverses(&mut self, count: usize) -> Result<Pairs<PrimeField>, Shortage> {
        self.0.inverses(count)
    }
    fn bits(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.0.bits(count)
    }
    fn randoms(&mut self, count: usize) -> Result<Shares<PrimeField>, Shortage> {
        self.0.randoms(count)
    }
    fn input_masks(&mut self, owner: usize, count: usize) -> Result<InputMasks<PrimeField>, Shortage> {
        let mut masks = self.0.input_masks(owner, count)?;
        if let Some(first) = masks.clear.as_mut().and_then(|clear| clear.first_mut()) {
            *first = field().sub(*first, field().element(5));
        }
        Ok(masks)
    }
}

#[test]
fn a_switch_that_is_no_bit_is_caught() {
    for seed in 1..10 {
        let mut setup = Setup::new(3);
        setup.seed = seed;
        let ended = run_metered(&verify(program(&[SHUFFLE]), 3), &setup, |party, inner| match party {
            1 => Box::new(Lying(inner)),
            _ => inner,
        });
        assert!(caught(&ended[0]) && caught(&ended[2]), "seed {seed}: {:?}", ended[0].result);
    }
}

#[test]
fn a_deleted_shuffle_is_gone_and_lengths_must_match() {
    let gone = [("gensecshuffle", 0, &[0, 2][..]), ("delshuffle", 0, &[0]), ("delshuffle", 0, &[0])];
    assert_eq!(printed(&[&gone]).unwrap_err().fault(), Some(&Fault::Shuffle(0)));
    let other = [("gensecshuffle", 0, &[0, 2][..]), ("applyshuffle", 0, &[3, 0, 0, 1, 0, 0])];
    let error = printed(&[&other]).unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::ShuffleLength { expected: 2, found: 3 }));
}

#[test]
fn elements_of_gf2n_are_input_as_patterns_and_in_native_form() {
    struct Native;
    impl polyyne_engine::vm::Inputs for Native {
        fn word(&mut self, _thread: u32) -> Option<String> {
            Some("-1".to_owned())
        }
        fn native_binary(&mut self, count: usize) -> Option<Vec<polyyne_engine::field::Gf2n>> {
            let field = polyyne_engine::field::BinaryField::new(128).unwrap();
            Some(vec![field.cut(7 << 100); count])
        }
    }
    let lines: &[Line<'_>] = &[
        ("gasm_input", 2, &[0, 0, 4, 1]),
        ("grawinput", 0, &[1, 8]),
        ("gmovs", 0, &[5, 4]),
        ("gmovs", 0, &[6, 8]),
        ("gasm_open", 2, &[1, 0, 0]),
        ("gasm_open", 2, &[1, 5, 5]),
        ("gprint_reg_plain", 2, &[0]),
        ("gprint_reg_plain", 1, &[5]),
        ("gprint_reg_plain", 1, &[6]),
    ];
    let inputs = |party: usize| -> Box<dyn polyyne_engine::vm::Inputs> {
        match party {
            0 => Box::new(TextInputs::default().with(0, "5 0x10000000000000000")),
            _ => Box::new(Native),
        }
    };
    let ended = run_with(&verify(program(&[lines]), 2), &Setup::new(2), |_, _| None, inputs, &mut |_| {});
    let expected = format!("{:032x}{:032x}{:032x}{:032x}", 5, 1u128 << 64, u64::MAX, 7u128 << 100);
    for party in &ended {
        assert_eq!(String::from_utf8_lossy(&party.printed), expected, "{:?}", party.result);
    }
}

#[test]
fn shares_over_gf2n_have_a_file_of_their_own() {
    let lines: &[Line<'_>] = &[
        ("ldint", 0, &[0, -1]),
        ("gldsi", 2, &[0, 9]),
        ("gwritesharestofile", 2, &[0, 0]),
        ("ldint", 0, &[0, 1]),
        ("greadsharesfromfile", 0, &[0, 1, 5]),
        ("gasm_open", 0, &[1, 0, 5]),
        ("gprint_reg_plain", 0, &[0]),
        ("print_int", 0, &[1]),
        ("ldint", 0, &[0, 0]),
        ("readsharesfromfile", 0, &[0, 1, 0]),
        ("print_int", 0, &[1]),
    ];
    assert_eq!(printed(&[lines]).unwrap(), format!("{:032x}-1-2", 9));
}

#[test]
fn a_shuffle_over_gf2n_moves_blocks() {
    let lines: &[Line<'_>] = &[
        ("gldsi", 1, &[0, 1]),
        ("gldsi", 1, &[1, 2]),
        ("gldsi", 1, &[2, 4]),
        ("gldsi", 1, &[3, 8]),
        ("gsecshuffle", 4, &[10, 0, 2]),
        ("gasm_open", 4, &[1, 0, 10]),
        ("gprint_reg_plain", 4, &[0]),
    ];
    let words = |values: [u32; 4]| values.map(|value| format!("{value:032x}")).concat();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..20 {
        let ended = run(&verify(program(&[lines]), 3), &Setup { seed, ..Setup::new(3) }).swap_remove(0);
        ended.result.unwrap();
        seen.insert(String::from_utf8(ended.printed).unwrap());
    }
    assert_eq!(seen, [words([1, 2, 4, 8]), words([4, 8, 1, 2])].into());
}

#[test]
fn a_share_that_is_printed_is_this_party_s_own_with_its_mac() {
    let lines: &[Line<'_>] = &[
        ("ldsi", 0, &[0, 7]),
        ("print_reg_plains", 0, &[0]),
        ("print_char", 0, &[10]),
        ("gldsi", 0, &[0, 7]),
        ("gprint_reg_plains", 0, &[0]),
        ("print_char", 0, &[10]),
        ("ldbits", 0, &[0, 3, 5]),
        ("print_reg_plainsb", 0, &[0]),
    ];
    let ended = run(&verify(program(&[lines]), 2), &Setup::new(2));
    let text = |party: usize| String::from_utf8(ended[party].printed.clone()).unwrap();
    let (first, second) = (text(0), text(1));
    let shares =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.split(' ').next().unwrap().into()).collect() };
    // The first party holds public constants.
    assert_eq!(shares(&first), ["7", "7", "0x5"]);
    assert_eq!(shares(&second), ["0", "0", "0x0"]);
    assert_ne!(first.lines().next(), second.lines().next());
    assert_eq!(first.lines().next().unwrap().split(' ').count(), 2);
}

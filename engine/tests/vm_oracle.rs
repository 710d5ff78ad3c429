//! The machine on shares against a plain interpretation of the same instructions on the values themselves.

mod vm_harness;

use polyyne_bytecode::Instruction;
use polyyne_engine::field::{Field, Fp, PrimeField};
use proptest::prelude::*;
use vm_harness::{Setup, field, run, verify};

const REGISTERS: usize = 12;
const LANES: i64 = 4;

/// Registers of the two prime banks, in clear.
struct Plain {
    f: PrimeField,
    s: Vec<Fp>,
    c: Vec<Fp>,
}

type Operation = (&'static str, u64, Vec<i64>);

impl Plain {
    fn new() -> Self {
        let zeros = vec![field().zero(); REGISTERS + LANES as usize * 4];
        Plain { f: field(), s: zeros.clone(), c: zeros }
    }

    fn run(&mut self, (name, size, args): &Operation) {
        let f = self.f;
        let at = |k: usize| args[k] as usize;
        let immediate = |k: usize| f.from_i64(args[k]);
        // Products first read everything, then write; the others go lane by lane.
        let old = self.s.clone();
        for i in 0..*size as usize {
            let (s, c) = (|k: usize| self.s[at(k) + i], |k: usize| self.c[at(k) + i]);
            match *name {
                "ldsi" => self.s[at(0) + i] = immediate(1),
                "ldi" => self.c[at(0) + i] = immediate(1),
                "adds" => self.s[at(0) + i] = f.add(s(1), s(2)),
                "subs" => self.s[at(0) + i] = f.sub(s(1), s(2)),
                "addm" => self.s[at(0) + i] = f.add(s(1), c(2)),
                "subml" => self.s[at(0) + i] = f.sub(s(1), c(2)),
                "submr" => self.s[at(0) + i] = f.sub(c(1), s(2)),
                "mulm" => self.s[at(0) + i] = f.mul(s(1), c(2)),
                "addsi" => self.s[at(0) + i] = f.add(s(1), immediate(2)),
                "subsi" => self.s[at(0) + i] = f.sub(s(1), immediate(2)),
                "subsfi" => self.s[at(0) + i] = f.sub(immediate(2), s(1)),
                "mulsi" => self.s[at(0) + i] = f.mul(s(1), immediate(2)),
                "addc" => self.c[at(0) + i] = f.add(c(1), c(2)),
                "mulc" => self.c[at(0) + i] = f.mul(c(1), c(2)),
                "subcfi" => self.c[at(0) + i] = f.sub(immediate(2), c(1)),
                "movs" => self.s[at(0) + i] = old[at(1) + i],
                "open" => self.c[at(1) + i] = old[at(2) + i],
                "dotprods" => {
                    let products =
                        args[2..].chunks(2).map(|pair| f.mul(old[pair[0] as usize + i], old[pair[1] as usize + i]));
                    self.s[at(1) + i] = f.sum(products);
                }
                "zips" => {
                    self.s[at(0) + 2 * i] = old[at(1) + i];
                    self.s[at(0) + 2 * i + 1] = old[at(2) + i];
                }
                "muls" | "mulrs" => {
                    for group in args.chunks(4) {
                        for k in 0..group[0] as usize {
                            let y = if *name == "muls" { group[3] as usize + k } else { group[3] as usize };
                            self.s[group[1] as usize + k] = f.mul(old[group[2] as usize + k], old[y]);
                        }
                    }
                }
                other => panic!("{other} is not generated"),
            }
        }
    }

    fn printed(&self) -> String {
        let show = |bank: &[Fp]| bank.iter().map(|&x| self.f.signed_decimal(x)).collect::<Vec<_>>().join(", ");
        format!("[{}][{}]", show(&self.c), show(&self.s))
    }
}

fn register() -> impl Strategy<Value = i64> {
    0..REGISTERS as i64
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = 1..=LANES as u64;
    let three = prop::sample::select(vec!["adds", "subs", "addm", "subml", "submr", "mulm", "addc", "mulc", "zips"]);
    let immediate = prop::sample::select(vec!["addsi", "subsi", "subsfi", "mulsi", "subcfi"]);
    let group = (0..=LANES, register(), register(), register()).prop_map(|(n, d, a, b)| vec![n, d, a, b]);
    prop_oneof![
        (three, size.clone(), [register(), register(), register()]).prop_map(|(name, size, args)| (
            name,
            size,
            args.to_vec()
        )),
        (immediate, size.clone(), register(), register(), -90..90i64).prop_map(|(name, size, to, from, value)| (
            name,
            size,
            vec![to, from, value]
        )),
        (prop::sample::select(vec!["ldsi", "ldi"]), size.clone(), register(), any::<i32>())
            .prop_map(|(name, size, to, value)| (name, size, vec![to, value.into()])),
        (size.clone(), register(), register()).prop_map(|(size, to, from)| ("movs", size, vec![to, from])),
        (0..=1i64, size.clone(), register(), register()).prop_map(|(check, size, c, s)| (
            "open",
            size,
            vec![check, c, s]
        )),
        (size, register(), proptest::collection::vec([register(), register()], 1..4)).prop_map(|(size, to, pairs)| {
            let args = [vec![2 * pairs.len() as i64 + 2, to], pairs.concat()].concat();
            ("dotprods", size, args)
        }),
        (any::<bool>(), proptest::collection::vec(group, 1..4)).prop_map(|(vectors, groups)| (
            if vectors { "muls" } else { "mulrs" },
            1,
            groups.concat()
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn shares_compute_what_values_compute(
        operations in proptest::collection::vec(operation(), 1..40), n in 2usize..4, seed in 0u64..1000
    ) {
        let mut plain = Plain::new();
        operations.iter().for_each(|operation| plain.run(operation));
        let all = plain.s.len();
        let end = [
            ("print_reg_plain", all as u64, vec![0]),
            ("open", all as u64, vec![1, 0, 0]),
            ("print_reg_plain", all as u64, vec![0]),
        ];
        let instructions = operations.iter().chain(&end).map(|(name, size, args)| Instruction::numeric(name, *size, args).unwrap());
        let tape = polyyne_bytecode::Tape { name: "t".into(), instructions: instructions.collect() };
        let program = polyyne_bytecode::Program::from_tapes(vec![tape]).unwrap();
        let mut setup = Setup::new(n);
        setup.seed = seed;
        for ended in run(&verify(program, n), &setup) {
            prop_assert!(ended.result.is_ok(), "{:?}", ended.result);
            prop_assert_eq!(String::from_utf8(ended.printed).unwrap(), plain.printed());
        }
    }
}

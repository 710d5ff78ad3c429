//! What only clear elements of GF(2^n) can do: polynomials as strings of bits.

use super::state::Pair;
use crate::field::{BinaryField, Field};
use polyyne_bytecode::Opcode;

/// Runs an element-wise instruction; false if `opcode` is none of these.
pub(super) fn run(
    field: &BinaryField,
    registers: &mut Pair<BinaryField>,
    ints: &mut [i64],
    opcode: Opcode,
    size: usize,
    args: &[i64],
) -> bool {
    let f = field;
    let at = |k: usize| args[k] as usize;
    let c = &mut registers.c;
    let shift = |k: usize| u32::try_from(args[k]).unwrap_or(u32::MAX);
    match opcode {
        Opcode::GNotc => (0..size).for_each(|i| c[at(0) + i] = f.cut(!f.to_bits(c[at(1) + i]))),
        Opcode::GShlci => {
            for i in 0..size {
                c[at(0) + i] = f.cut(f.to_bits(c[at(1) + i]).checked_shl(shift(2)).unwrap_or(0));
            }
        }
        Opcode::GShrci => {
            for i in 0..size {
                c[at(0) + i] = f.cut(f.to_bits(c[at(1) + i]).checked_shr(shift(2)).unwrap_or(0));
            }
        }
        Opcode::GBitdec => {
            for lane in 0..size {
                let bits = f.to_bits(c[at(0) + lane]);
                for (k, &to) in args[2..].iter().enumerate() {
                    let bit = bits.checked_shr((k as u32).saturating_mul(shift(1))).unwrap_or(0) & 1;
                    c[to as usize + lane] = f.cut(bit);
                }
            }
        }
        Opcode::GBitcom => {
            for lane in 0..size {
                let parts = args[2..].iter().enumerate().map(|(k, &from)| {
                    let bits = f.to_bits(c[from as usize + lane]);
                    bits.checked_shl((k as u32).saturating_mul(shift(1))).unwrap_or(0)
                });
                c[at(0) + lane] = f.cut(parts.fold(0, |sum, part| sum ^ part));
            }
        }
        Opcode::GConvgf2n => (0..size).for_each(|i| ints[at(0) + i] = f.to_bits(c[at(1) + i]) as i64),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Shares;

    fn with(opcode: Opcode, value: u128, args: &[i64]) -> (Vec<u128>, i64) {
        let f = BinaryField::new(40).unwrap();
        let mut registers = Pair { s: Shares::default(), c: vec![f.cut(value), f.zero(), f.zero(), f.zero()] };
        let mut ints = [0];
        assert!(run(&f, &mut registers, &mut ints, opcode, 1, args));
        (registers.c.iter().map(|&x| f.to_bits(x)).collect(), ints[0])
    }

    #[test]
    fn elements_are_strings_of_n_bits() {
        assert_eq!(with(Opcode::GNotc, 1, &[1, 0]).0[1], (1 << 40) - 2);
        assert_eq!(with(Opcode::GShlci, 3, &[1, 0, 39]).0[1], 1 << 39);
        assert_eq!(with(Opcode::GShrci, 12, &[1, 0, 2]).0[1], 3);
        assert_eq!(with(Opcode::GShrci, 12, &[1, 0, 500]).0[1], 0);
        assert_eq!(with(Opcode::GBitdec, 0b10110, &[0, 2, 1, 2, 3]).0[1..], [0, 1, 1]);
        assert_eq!(with(Opcode::GBitcom, 1, &[1, 5, 2, 0, 0]).0[1], 1 << 5 | 1 << 10);
        assert_eq!(with(Opcode::GConvgf2n, 77, &[0, 0]).1, 77);
    }
}

//! Arithmetic on clear 64-bit integers: two's complement, wrapping.

use super::fault::{Fault, Step};
use polyyne_bytecode::Opcode;

/// Runs an element-wise instruction of the regint bank; false if `opcode` is none.
pub(super) fn run(ints: &mut [i64], opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
    let at = |k: usize| args[k] as usize;
    match opcode {
        Opcode::Ldint => ints[at(0)..at(0) + size].fill(args[1]),
        Opcode::Movint => ints.copy_within(at(1)..at(1) + size, at(0)),
        Opcode::Addint => lanes(ints, size, args, i64::wrapping_add),
        Opcode::Subint => lanes(ints, size, args, i64::wrapping_sub),
        Opcode::Mulint => lanes(ints, size, args, i64::wrapping_mul),
        Opcode::Divint => {
            for i in 0..size {
                let (dividend, divisor) = (ints[at(1) + i], ints[at(2) + i]);
                if divisor == 0 {
                    return Err(Fault::DivisionByZero);
                }
                // Truncates toward zero; the minimum by -1 wraps.
                ints[at(0) + i] = dividend.wrapping_div(divisor);
            }
        }
        Opcode::Ltc => lanes(ints, size, args, |a, b| i64::from(a < b)),
        Opcode::Gtc => lanes(ints, size, args, |a, b| i64::from(a > b)),
        Opcode::Eqc => lanes(ints, size, args, |a, b| i64::from(a == b)),
        Opcode::Eqzc => (0..size).for_each(|i| ints[at(0) + i] = i64::from(ints[at(1) + i] == 0)),
        Opcode::Ltzc => (0..size).for_each(|i| ints[at(0) + i] = i64::from(ints[at(1) + i] < 0)),
        Opcode::Bitdecint => {
            for lane in 0..size {
                let value = ints[at(0) + lane];
                for (bit, &to) in args[1..].iter().enumerate() {
                    // An arithmetic shift, so the sign fills.
                    ints[to as usize + lane] = (value >> bit.min(63)) & 1;
                }
            }
        }
        Opcode::Incint => increments(ints, size, args),
        _ => return Ok(false),
    }
    Ok(true)
}

fn lanes(ints: &mut [i64], size: usize, args: &[i64], op: impl Fn(i64, i64) -> i64) {
    let (to, a, b) = (args[0] as usize, args[1] as usize, args[2] as usize);
    for i in 0..size {
        ints[to + i] = op(ints[a + i], ints[b + i]);
    }
}

/// out[i] = base + ((i / repeat) mod wrap)·increment, the product in 32 bits.
fn increments(ints: &mut [i64], size: usize, args: &[i64]) {
    let base = ints[args[1] as usize];
    let (increment, repeat, wrap) = (args[2] as i32, args[3] as usize, args[4] as usize);
    for i in 0..size {
        let product = (((i / repeat) % wrap) as i32).wrapping_mul(increment);
        ints[args[0] as usize + i] = base.wrapping_add(i64::from(product));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(registers: &[i64], opcode: Opcode, size: usize, args: &[i64]) -> Vec<i64> {
        let mut ints = registers.to_vec();
        assert!(run(&mut ints, opcode, size, args).unwrap());
        ints
    }

    #[test]
    fn division_truncates_toward_zero_and_the_minimum_by_minus_one_wraps() {
        assert_eq!(with(&[-5, 2, 0], Opcode::Divint, 1, &[2, 0, 1])[2], -2);
        assert_eq!(with(&[i64::MIN, -1, 0], Opcode::Divint, 1, &[2, 0, 1])[2], i64::MIN);
        assert_eq!(run(&mut [1, 0, 0], Opcode::Divint, 1, &[2, 0, 1]), Err(Fault::DivisionByZero));
    }

    #[test]
    fn arithmetic_wraps_modulo_2_to_64() {
        assert_eq!(with(&[i64::MAX, 1, 0], Opcode::Addint, 1, &[2, 0, 1])[2], i64::MIN);
        assert_eq!(with(&[1 << 62, 4, 0], Opcode::Mulint, 1, &[2, 0, 1])[2], 0);
    }

    #[test]
    fn bit_decomposition_fills_with_the_sign() {
        assert_eq!(with(&[-2, 9, 9, 9], Opcode::Bitdecint, 1, &[0, 1, 2, 3]), [-2, 0, 1, 1]);
    }

    #[test]
    fn increments_repeat_wrap_and_multiply_in_32_bits() {
        assert_eq!(with(&[100, 0, 0, 0, 0], Opcode::Incint, 4, &[1, 0, -3, 1, 3])[1..], [100, 97, 94, 100]);
        assert_eq!(with(&[1, 0, 0, 0, 0], Opcode::Incint, 4, &[1, 0, 2, 2, 9])[1..], [1, 1, 3, 3]);
        assert_eq!(with(&[0, 0, 0, 0], Opcode::Incint, 3, &[1, 0, i32::MAX.into(), 1, 9])[3], -2);
    }

    #[test]
    fn a_vector_may_overlap_its_operands() {
        assert_eq!(with(&[1, 2, 3, 4], Opcode::Movint, 3, &[1, 0]), [1, 1, 2, 3]);
    }
}

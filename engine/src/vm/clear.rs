//! What only clear elements of the prime field can do: integers in disguise.
//!
//! Two signed views of F_p exist, and programs can tell them apart: printing takes v for negative if v > (p−1)/2,
//! conversions if v ≥ (p−1)/2.

use super::fault::{Fault, Step};
use super::state::Pair;
use crate::field::{Field, Fp, PrimeField};
use blake2::Blake2bVarCore;
use blake2::digest::block_api::{Buffer, VariableOutputCore};
use polyyne_bytecode::Opcode;

/// Runs an element-wise instruction; false if `opcode` is none of these.
pub(super) fn run(
    field: &PrimeField,
    registers: &mut Pair<PrimeField>,
    ints: &mut [i64],
    opcode: Opcode,
    size: usize,
    args: &[i64],
) -> Step<bool> {
    let f = field;
    let at = |k: usize| args[k] as usize;
    let c = &mut registers.c;
    let bits = |x| f.to_u128(x);
    match opcode {
        Opcode::Modc => {
            for i in 0..size {
                let divisor = bits(c[at(2) + i]);
                c[at(0) + i] = f.element(bits(c[at(1) + i]).checked_rem(divisor).ok_or(Fault::DivisionByZero)?);
            }
        }
        Opcode::Modci => {
            // The immediate is read as an unsigned 64-bit number.
            let divisor = u128::from(args[2] as u64);
            for i in 0..size {
                c[at(0) + i] = f.element(bits(c[at(1) + i]).checked_rem(divisor).ok_or(Fault::DivisionByZero)?);
            }
        }
        Opcode::Floordivc => {
            for i in 0..size {
                c[at(0) + i] = quotient(f, c[at(1) + i], c[at(2) + i])?;
            }
        }
        Opcode::Legendrec => (0..size).for_each(|i| c[at(0) + i] = f.from_i64(f.legendre_public(c[at(1) + i]).into())),
        Opcode::Digestc => (0..size).for_each(|i| c[at(0) + i] = digest(f, c[at(1) + i], at(2))),
        Opcode::Inv2m => c[at(0)..at(0) + size].fill(f.inv(power_of_two(f, args[1] as u128))),
        Opcode::Notc => {
            let ones = f.sub(power_of_two(f, args[2] as u128), f.one());
            (0..size).for_each(|i| c[at(0) + i] = f.sub(ones, c[at(1) + i]));
        }
        Opcode::Shlc => {
            for i in 0..size {
                let power = power_of_two(f, u128::from(bits(c[at(2) + i]) as u64));
                c[at(0) + i] = f.mul(c[at(1) + i], power);
            }
        }
        Opcode::Shlci => {
            let power = power_of_two(f, args[2] as u128);
            (0..size).for_each(|i| c[at(0) + i] = f.mul(c[at(1) + i], power));
        }
        Opcode::Shrc => {
            (0..size).for_each(|i| c[at(0) + i] = f.element(shifted(bits(c[at(1) + i]), bits(c[at(2) + i]))))
        }
        Opcode::Shrci => (0..size).for_each(|i| c[at(0) + i] = f.element(shifted(bits(c[at(1) + i]), args[2] as u128))),
        Opcode::Convmodp => (0..size).for_each(|i| ints[at(0) + i] = integer(f, c[at(1) + i], args[3] as u32)),
        _ => return Ok(false),
    }
    Ok(true)
}

fn shifted(value: u128, by: u128) -> u128 {
    u32::try_from(by).ok().and_then(|by| value.checked_shr(by)).unwrap_or(0)
}

fn power_of_two(f: &PrimeField, exponent: u128) -> Fp {
    f.pow(f.element(2), exponent)
}

/// Sign and magnitude as conversions see them: negative from (p−1)/2 on.
pub(super) fn signed(f: &PrimeField, x: Fp) -> (bool, u128) {
    let value = f.to_u128(x);
    if value >= f.modulus() / 2 { (true, f.modulus() - value) } else { (false, value) }
}

/// The quotient of the signed representatives, toward zero.
fn quotient(f: &PrimeField, a: Fp, b: Fp) -> Step<Fp> {
    let ((a_negative, a), (b_negative, b)) = (signed(f, a), signed(f, b));
    let magnitude = f.element(a.checked_div(b).ok_or(Fault::DivisionByZero)?);
    Ok(if a_negative != b_negative { f.neg(magnitude) } else { magnitude })
}

/// `convmodp`: 0 bits give the canonical value, others the low bits of the magnitude with the sign put back.
fn integer(f: &PrimeField, x: Fp, bits: u32) -> i64 {
    if bits == 0 {
        return f.to_u128(x) as i64;
    }
    let (negative, magnitude) = signed(f, x);
    let low = magnitude as u64;
    let signed = |low: u64| if negative { (low as i64).wrapping_neg() } else { low as i64 };
    match bits {
        1 => (low & 1) as i64,
        64 => signed(low),
        // The 64-bit value is what is masked, so its own sign counts.
        _ => {
            let value = signed(low);
            let masked = (value.unsigned_abs() & ((1 << bits) - 1)) as i64;
            if value < 0 { -masked } else { masked }
        }
    }
}

/// BLAKE2b of the Montgomery form in little-endian limbs, read as a big-endian number modulo p.
fn digest(f: &PrimeField, x: Fp, bytes: usize) -> Fp {
    let limbs = if f.modulus() >> 64 == 0 { 8 } else { 16 };
    // With one limb the Montgomery radix is 2^64.
    let encoded = if limbs == 16 { f.to_montgomery(x) } else { f.to_u128(f.mul(x, power_of_two(f, 64))) };
    let mut hash = Blake2bVarCore::new(bytes).expect("the verifier allows digests of 16 to 64 bytes");
    let mut buffer = Buffer::<Blake2bVarCore>::new(&encoded.to_le_bytes()[..limbs]);
    let mut output = Default::default();
    hash.finalize_variable_core(&mut buffer, &mut output);
    let byte = f.element(256);
    output[..bytes].iter().fold(f.zero(), |sum, &b| f.add(f.mul(sum, byte), f.element(b.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Shares;

    fn field() -> PrimeField {
        PrimeField::carbyne()
    }

    fn one(opcode: Opcode, a: i128, b: i128, args: &[i64]) -> Step<i128> {
        let f = field();
        let mut registers = Pair { s: Shares::default(), c: vec![f.zero(), f.from_i128(a), f.from_i128(b)] };
        let mut ints = [0];
        assert!(run(&f, &mut registers, &mut ints, opcode, 1, args)?);
        if opcode == Opcode::Convmodp {
            return Ok(ints[0].into());
        }
        let (negative, magnitude) = f.to_signed(registers.c[0]);
        Ok(if negative { -(magnitude as i128) } else { magnitude as i128 })
    }

    fn convert(a: i128, bits: i64) -> i128 {
        one(Opcode::Convmodp, a, 0, &[0, 1, 0, bits]).unwrap()
    }

    #[test]
    fn conversion_masks_the_magnitude_and_restores_the_sign() {
        assert_eq!((convert(-33, 5), convert(33, 5)), (-1, 1));
        assert_eq!((convert(-33, 1), convert(33, 1)), (1, 1));
        assert_eq!((convert(-33, 32), convert(-33, 64)), (-33, -33));
    }

    #[test]
    fn conversion_with_0_bits_takes_the_canonical_value() {
        assert_eq!(convert(-1, 0), i128::from((field().modulus() - 1) as i64));
        assert_eq!(convert(-33, 0), 2006165935940173792);
    }

    #[test]
    fn the_two_signed_views_differ_at_half_the_prime_only() {
        let f = field();
        let half = f.element((f.modulus() - 1) / 2);
        assert!(!f.to_signed(half).0);
        assert!(signed(&f, half).0);
        for other in [f.sub(half, f.one()), f.add(half, f.one())] {
            assert_eq!(f.to_signed(other).0, signed(&f, other).0);
        }
    }

    #[test]
    fn remainders_are_of_the_canonical_representative() {
        assert_eq!(one(Opcode::Modci, -1, 0, &[0, 1, 16]), Ok(((field().modulus() - 1) % 16) as i128));
        assert_eq!(one(Opcode::Modc, 51, 16, &[0, 1, 2]), Ok(3));
        assert_eq!(one(Opcode::Modc, 51, 0, &[0, 1, 2]), Err(Fault::DivisionByZero));
        assert_eq!(one(Opcode::Modci, 51, 0, &[0, 1, 0]), Err(Fault::DivisionByZero));
    }

    #[test]
    fn quotients_of_signed_representatives_truncate() {
        assert_eq!(one(Opcode::Floordivc, -7, 2, &[0, 1, 2]), Ok(-3));
        assert_eq!(one(Opcode::Floordivc, 7, -2, &[0, 1, 2]), Ok(-3));
        assert_eq!(one(Opcode::Floordivc, 7, 0, &[0, 1, 2]), Err(Fault::DivisionByZero));
    }

    #[test]
    fn left_shifts_wrap_modulo_p_and_right_shifts_are_logical() {
        assert_eq!(one(Opcode::Shlci, 1, 0, &[0, 1, 200]), {
            let f = field();
            let (negative, magnitude) = f.to_signed(f.pow(f.element(2), 200));
            Ok(if negative { -(magnitude as i128) } else { magnitude as i128 })
        });
        assert_eq!(one(Opcode::Shrci, -1, 0, &[0, 1, 120]), Ok(((field().modulus() - 1) >> 120) as i128));
        assert_eq!(one(Opcode::Shrci, -1, 0, &[0, 1, 500]), Ok(0));
        assert_eq!(one(Opcode::Shrc, 272, 4, &[0, 1, 2]), Ok(17));
    }

    #[test]
    fn not_is_the_complement_below_a_power_of_two() {
        assert_eq!(one(Opcode::Notc, 5, 0, &[0, 1, 8]), Ok(250));
    }

    #[test]
    fn the_inverse_of_a_power_of_two_undoes_it() {
        let f = field();
        let mut registers = Pair { s: Shares::default(), c: vec![f.zero()] };
        run(&f, &mut registers, &mut [], Opcode::Inv2m, 1, &[0, 40]).unwrap();
        assert_eq!(f.to_u128(f.mul(registers.c[0], f.element(1 << 40))), 1);
    }
}

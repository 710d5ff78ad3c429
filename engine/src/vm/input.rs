//! Where a party's own inputs come from, and how text becomes field elements.

use crate::field::{BinaryField, Field, Fp, Gf2n, PrimeField};
use thiserror::Error;

/// A party's own inputs. All methods default to having none.
pub trait Inputs: Send {
    /// The next word of the text input of a thread (`Input-P<party>-<thread>`).
    fn word(&mut self, _thread: u32) -> Option<String> {
        None
    }

    /// The next bytes of the binary input of a thread (`Input-Binary-P<party>-<thread>`).
    fn binary(&mut self, _thread: u32, _bytes: usize) -> Option<Vec<u8>> {
        None
    }

    /// The next elements of the private input in native form (`Private-Input-<party>`).
    fn native(&mut self, _count: usize) -> Option<Vec<Fp>> {
        None
    }

    /// The same over GF(2^n).
    fn native_binary(&mut self, _count: usize) -> Option<Vec<Gf2n>> {
        None
    }
}

/// A party without inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInputs;

impl Inputs for NoInputs {}

/// Text inputs by thread.
#[derive(Debug, Clone, Default)]
pub struct TextInputs {
    threads: std::collections::BTreeMap<u32, std::collections::VecDeque<String>>,
}

impl TextInputs {
    /// Words separated by white space, for one thread.
    #[must_use]
    pub fn with(mut self, thread: u32, text: &str) -> Self {
        self.threads.entry(thread).or_default().extend(text.split_whitespace().map(str::to_owned));
        self
    }
}

impl Inputs for TextInputs {
    fn word(&mut self, thread: u32) -> Option<String> {
        self.threads.get_mut(&thread)?.pop_front()
    }
}

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum InputError {
    #[error("this party's input has ended")]
    Ended,
    #[error("the input {0:?} is not an integer")]
    NotAnInteger(String),
    #[error("the input {0:?} is not a number")]
    NotANumber(String),
}

/// Longer integers than this are no inputs.
const DIGITS_MAX: usize = 1000;

/// A decimal integer, taken modulo p.
pub(super) fn integer(field: &PrimeField, word: &str) -> Result<Fp, InputError> {
    let wrong = || InputError::NotAnInteger(word.chars().take(40).collect());
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let ten = field.element(10);
    let value = digits
        .bytes()
        .fold(field.zero(), |value, digit| field.add(field.mul(value, ten), field.element(u128::from(digit - b'0'))));
    Ok(if negative { field.neg(value) } else { value })
}

/// An element of GF(2^n): a decimal integer of 64 bits by its pattern, or any element in hexadecimal after `0x`.
pub(super) fn pattern(field: &BinaryField, word: &str) -> Result<Gf2n, InputError> {
    let bits = match word.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => word.parse().ok().map(|value: i64| u128::from(value as u64)),
    };
    let wrong = || InputError::NotAnInteger(word.chars().take(40).collect());
    bits.map(|bits| field.cut(bits)).ok_or_else(wrong)
}

/// A decimal number.
pub(super) fn number(word: &str) -> Result<f64, InputError> {
    let wrong = || InputError::NotANumber(word.chars().take(40).collect());
    word.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(wrong)
}

/// round(x·2^bits), half away from zero.
pub(super) fn fixed(field: &PrimeField, x: f64, bits: u32) -> Result<Fp, InputError> {
    let scaled = (x * 2f64.powi(bits as i32)).round();
    // Beyond 2^126 the conversion would saturate; no field here holds more.
    if scaled.abs() >= 2f64.powi(126) {
        return Err(InputError::NotANumber(x.to_string()));
    }
    Ok(field.from_i128(scaled as i128))
}

/// A number as the four parts of a float: |mantissa|·2^bits, exponent − bits, whether it is zero, whether negative.
pub(super) fn float(field: &PrimeField, x: f64, bits: u32) -> Result<[Fp; 4], InputError> {
    let (mantissa, exponent) = normalised(x.abs());
    Ok([
        fixed(field, mantissa, bits)?,
        field.from_i64(exponent - i64::from(bits)),
        field.from_i64((x == 0.0).into()),
        field.from_i64((x < 0.0).into()),
    ])
}

/// x = mantissa·2^exponent with the mantissa in [1/2, 1); zeros for zero.
fn normalised(x: f64) -> (f64, i64) {
    if x == 0.0 {
        return (0.0, 0);
    }
    // Subnormal numbers are scaled into the normal range first.
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * 2f64.powi(64), -64) } else { (x, 0) };
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    (x * 2f64.powi(-exponent as i32 / 2) * 2f64.powi(-exponent as i32 - -exponent as i32 / 2), exponent + shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(x: Fp) -> String {
        PrimeField::carbyne().signed_decimal(x)
    }

    #[test]
    fn integers_of_any_length_are_taken_modulo_p() {
        let f = PrimeField::carbyne();
        for (word, value) in [("-5", "-5"), ("+7", "7"), ("0", "0"), ("198766463529478683931867765928436695044", "3")] {
            assert_eq!(signed(integer(&f, word).unwrap()), value);
        }
        for word in ["", "-", "1.5", "0x1", "1e3", "--1"] {
            assert!(integer(&f, word).is_err(), "{word}");
        }
    }

    #[test]
    fn elements_of_gf2n_are_patterns() {
        let f = BinaryField::new(128).unwrap();
        let bits = |word| pattern(&f, word).map(|x| f.to_bits(x));
        assert_eq!(bits("5"), Ok(5));
        assert_eq!(bits("-1"), Ok(u128::from(u64::MAX)));
        assert_eq!(bits("0x10000000000000000"), Ok(1 << 64));
        assert!(bits("0x").is_err() && bits("18446744073709551616").is_err() && bits("1.5").is_err());
    }

    #[test]
    fn fixed_point_rounds_half_away_from_zero() {
        let f = PrimeField::carbyne();
        assert_eq!(signed(fixed(&f, 2.5, 0).unwrap()), "3");
        assert_eq!(signed(fixed(&f, -2.5, 0).unwrap()), "-3");
        assert_eq!(signed(fixed(&f, 1.75, 16).unwrap()), "114688");
        assert!(fixed(&f, 1e300, 16).is_err());
        assert!(number("nan").is_err() && number("inf").is_err());
    }

    #[test]
    fn floats_are_normalised() {
        let f = PrimeField::carbyne();
        let parts = |x| float(&f, x, 24).unwrap().map(signed);
        assert_eq!(parts(1.5), ["12582912", "-23", "0", "0"]);
        assert_eq!(parts(-0.25), ["8388608", "-25", "0", "1"]);
        assert_eq!(parts(0.0), ["0", "-24", "1", "0"]);
        for x in [1.0, 0.1, 1e-310, 1e300, 5e-324, f64::MAX] {
            let (mantissa, _) = normalised(x);
            assert!((0.5..1.0).contains(&mantissa), "{x} {mantissa}");
        }
    }
}

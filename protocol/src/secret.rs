//! The typed value of a secret, in clear at the client and in field words for the members.
//!
//! A value becomes field words at the client and comes back there; members see shares only. Integers lie in
//! (−p/2, p/2]; a fixed-point number x with f fraction bits is the integer nearest to x·2^f; bytes are packed, as many
//! to a word as always fit, first byte lowest.

use polyyne_engine::field::{Field as _, Fp, PrimeField};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::limits;
pub use crate::policy::{Audience, Policy, PolicyRefusal, PolicyTooLong, SecretDescription};

/// Fraction bits of fixed-point numbers where nothing else is said, as in the MP-SPDZ dialect.
pub const FRACTION_BITS_DEFAULT: u8 = 16;
/// Most fraction bits.
pub const FRACTION_BITS_MAX: u8 = 60;

/// The type of a secret; public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// Signed integers, one to a word.
    Integers,
    /// Fixed-point numbers, one to a word.
    Fixed { fraction_bits: u8 },
    /// A byte string of this length.
    Bytes { length: u32 },
}

/// Why a value is none of its type, or does not fit the field. Never says the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("a secret has 1 to {max} words, this one has {0}", max = limits::SECRET_WORDS_MAX)]
    Words(usize),
    #[error("value {at} is not a whole number (fixed-point values need --fixed)")]
    NotInteger { at: usize },
    #[error("value {at} is not a decimal number")]
    NotDecimal { at: usize },
    #[error("value {at} is too large for this cloud's field")]
    TooLarge { at: usize },
    #[error("fixed-point numbers have at most {FRACTION_BITS_MAX} fraction bits")]
    FractionBits,
    #[error("the words of this secret are not those of its type")]
    Shape,
    #[error("this field is too small to hold bytes")]
    SmallField,
}

impl SecretKind {
    /// How many words a secret of this type has, if the type says so.
    pub fn word_count(&self, field: &PrimeField) -> Option<usize> {
        match self {
            SecretKind::Bytes { length } => {
                let per_word = bytes_per_word(field).ok()?;
                Some((*length as usize).div_ceil(per_word))
            }
            _ => None,
        }
    }

    /// Refuses a number of words that this type cannot have.
    ///
    /// # Errors
    /// [`ValueError`].
    pub fn check(&self, field: &PrimeField, words: usize) -> Result<(), ValueError> {
        if !(1..=limits::SECRET_WORDS_MAX).contains(&words) {
            return Err(ValueError::Words(words));
        }
        match self {
            SecretKind::Fixed { fraction_bits } if *fraction_bits > FRACTION_BITS_MAX => Err(ValueError::FractionBits),
            SecretKind::Bytes { .. } if self.word_count(field) != Some(words) => Err(ValueError::Shape),
            _ => Ok(()),
        }
    }
}

fn bytes_per_word(field: &PrimeField) -> Result<usize, ValueError> {
    // every string of this many bytes is below the modulus
    match (field.bits() as usize - 1) / 8 {
        0 => Err(ValueError::SmallField),
        bytes => Ok(bytes),
    }
}

/// A secret in clear, at the client. Not printable, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Clear);

#[derive(Clone, PartialEq, Eq)]
enum Clear {
    Integers(Vec<i128>),
    Fixed { fraction_bits: u8, scaled: Vec<i128> },
    Bytes(Vec<u8>),
}

impl Drop for SecretValue {
    fn drop(&mut self) {
        match &mut self.0 {
            Clear::Integers(values) | Clear::Fixed { scaled: values, .. } => values.zeroize(),
            Clear::Bytes(bytes) => bytes.zeroize(),
        }
    }
}

impl SecretValue {
    /// Integers.
    pub fn integers(values: Vec<i128>) -> Self {
        Self(Clear::Integers(values))
    }

    /// A byte string.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self(Clear::Bytes(bytes))
    }

    /// Integers from their decimal texts.
    ///
    /// # Errors
    /// [`ValueError::NotInteger`] with the place of the first that is none.
    pub fn parse_integers<T: AsRef<str>>(texts: &[T]) -> Result<Self, ValueError> {
        let parse = |(at, text): (usize, &T)| text.as_ref().parse().map_err(|_| ValueError::NotInteger { at });
        texts.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self::integers)
    }

    /// Fixed-point numbers from their decimal texts, each rounded to the nearest multiple of 2^-fraction_bits.
    ///
    /// # Errors
    /// [`ValueError`] with the place of the first that is none.
    pub fn parse_fixed<T: AsRef<str>>(texts: &[T], fraction_bits: u8) -> Result<Self, ValueError> {
        if fraction_bits > FRACTION_BITS_MAX {
            return Err(ValueError::FractionBits);
        }
        let parse = |(at, text): (usize, &T)| parse_scaled(text.as_ref(), fraction_bits, at);
        let scaled = texts.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self(Clear::Fixed { fraction_bits, scaled }))
    }

    /// The type.
    pub fn kind(&self) -> SecretKind {
        match &self.0 {
            Clear::Integers(_) => SecretKind::Integers,
            Clear::Fixed { fraction_bits, .. } => SecretKind::Fixed { fraction_bits: *fraction_bits },
            Clear::Bytes(bytes) => SecretKind::Bytes { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) },
        }
    }

    /// The field words.
    ///
    /// # Errors
    /// [`ValueError`] for what does not fit.
    pub fn encode(&self, field: &PrimeField) -> Result<Zeroizing<Vec<Fp>>, ValueError> {
        let words: Vec<Fp> = match &self.0 {
            Clear::Integers(values) | Clear::Fixed { scaled: values, .. } => {
                values.iter().enumerate().map(|(at, &v)| encode_signed(field, v, at)).collect::<Result<_, _>>()?
            }
            Clear::Bytes(bytes) => {
                bytes.chunks(bytes_per_word(field)?).map(|chunk| encode_chunk(field, chunk)).collect()
            }
        };
        let words = Zeroizing::new(words);
        self.kind().check(field, words.len())?;
        Ok(words)
    }

    /// The value of field words.
    ///
    /// # Errors
    /// [`ValueError::Shape`] if the words are not those of the type.
    pub fn decode(field: &PrimeField, kind: SecretKind, words: &[Fp]) -> Result<Self, ValueError> {
        kind.check(field, words.len())?;
        let signed = || words.iter().map(|&word| decode_signed(field, word)).collect();
        Ok(match kind {
            SecretKind::Integers => Self::integers(signed()),
            SecretKind::Fixed { fraction_bits } => Self(Clear::Fixed { fraction_bits, scaled: signed() }),
            SecretKind::Bytes { length } => Self::bytes(decode_bytes(field, length as usize, words)?),
        })
    }

    /// One text for each value; bytes as one text in hexadecimal.
    pub fn texts(&self) -> Zeroizing<Vec<String>> {
        Zeroizing::new(match &self.0 {
            Clear::Integers(values) => values.iter().map(i128::to_string).collect(),
            Clear::Fixed { fraction_bits, scaled } => {
                scaled.iter().map(|&v| format_scaled(v, *fraction_bits)).collect()
            }
            Clear::Bytes(bytes) => vec![hex::encode(bytes)],
        })
    }

    /// The integers, if it is integers.
    pub fn as_integers(&self) -> Option<&[i128]> {
        match &self.0 {
            Clear::Integers(values) => Some(values),
            _ => None,
        }
    }

    /// The bytes, if it is a byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Clear::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn encode_signed(field: &PrimeField, value: i128, at: usize) -> Result<Fp, ValueError> {
    if value.unsigned_abs() > (field.modulus() - 1) / 2 {
        return Err(ValueError::TooLarge { at });
    }
    Ok(field.from_i128(value))
}

fn decode_signed(field: &PrimeField, word: Fp) -> i128 {
    let (negative, magnitude) = field.to_signed(word);
    let magnitude = i128::try_from(magnitude).expect("(p − 1)/2 is below 2^127");
    if negative { -magnitude } else { magnitude }
}

fn encode_chunk(field: &PrimeField, chunk: &[u8]) -> Fp {
    let mut bytes = Zeroizing::new([0; 16]);
    bytes[..chunk.len()].copy_from_slice(chunk);
    field.element(u128::from_le_bytes(*bytes))
}

fn decode_bytes(field: &PrimeField, length: usize, words: &[Fp]) -> Result<Vec<u8>, ValueError> {
    let per_word = bytes_per_word(field)?;
    let mut bytes = Vec::with_capacity(words.len() * per_word);
    for &word in words {
        let encoded = Zeroizing::new(field.to_u128(word).to_le_bytes());
        let used = per_word.min(length - bytes.len());
        if encoded[used..].iter().any(|&byte| byte != 0) {
            bytes.zeroize();
            return Err(ValueError::Shape);
        }
        bytes.extend_from_slice(&encoded[..used]);
    }
    Ok(bytes)
}

/// Reads a decimal number as the nearest multiple of 2^-fraction_bits, halves away from zero.
fn parse_scaled(text: &str, fraction_bits: u8, at: usize) -> Result<i128, ValueError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !decimal(whole) || !decimal(fraction) {
        return Err(ValueError::NotDecimal { at });
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| ValueError::TooLarge { at })? };
    // what lies beyond 19 digits is below 2^-63; 10^19 · 2^60 < 2^127
    let fraction = &fraction[..fraction.len().min(19)];
    let numerator: u128 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| ValueError::NotDecimal { at })? };
    let denominator = 10u128.pow(u32::try_from(fraction.len()).expect("at most 19 digits"));
    let scaled = ((numerator << fraction_bits) + denominator / 2) / denominator;
    let scaled = i128::try_from(scaled).expect("at most 2^60");
    let value = whole.checked_mul(1 << fraction_bits).and_then(|whole| whole.checked_add(scaled));
    let value = value.ok_or(ValueError::TooLarge { at })?;
    Ok(if negative { -value } else { value })
}

/// The shortest decimal text that reads as this multiple of 2^-fraction_bits.
fn format_scaled(value: i128, fraction_bits: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    let one = 1u128 << fraction_bits;
    let (whole, rest) = (magnitude >> fraction_bits, magnitude & (one - 1));
    for digits in 0..=19u32 {
        let denominator = 10u128.pow(digits);
        let numerator = (rest * denominator + one / 2) >> fraction_bits;
        let back = ((numerator << fraction_bits) + denominator / 2) / denominator;
        if back == rest {
            let width = digits as usize;
            return match numerator {
                _ if digits == 0 => format!("{sign}{}", whole + numerator),
                _ => format!("{sign}{whole}.{numerator:0width$}"),
            };
        }
    }
    unreachable!("19 decimal digits tell multiples of 2^-60 apart")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::version::Prime;

    fn field() -> PrimeField {
        PrimeField::usual()
    }

    #[test]
    fn integers_at_the_border_fit_and_beyond_do_not() {
        let half = i128::try_from((Prime::DEFAULT.0 - 1) / 2).expect("below 2^127");
        let values = vec![half, -half, 0, -1];
        let words = SecretValue::integers(values.clone()).encode(&field()).expect("it fits");
        let back = SecretValue::decode(&field(), SecretKind::Integers, &words).expect("integers");
        assert_eq!(back.as_integers(), Some(&values[..]));
        let at = 1;
        for value in [half + 1, -half - 1, i128::MIN] {
            let refused = SecretValue::integers(vec![0, value]).encode(&field()).err();
            assert_eq!(refused, Some(ValueError::TooLarge { at }));
        }
    }

    #[test]
    fn empty_and_endless_secrets_are_refused() {
        assert_eq!(SecretValue::integers(vec![]).encode(&field()).err(), Some(ValueError::Words(0)));
        assert_eq!(SecretValue::bytes(vec![]).encode(&field()).err(), Some(ValueError::Words(0)));
        let many = limits::SECRET_WORDS_MAX + 1;
        assert_eq!(SecretValue::integers(vec![0; many]).encode(&field()).err(), Some(ValueError::Words(many)));
    }

    #[test]
    fn texts_that_are_no_numbers_are_named_by_place() {
        assert_eq!(SecretValue::parse_integers(&["1", "1.5"]).err(), Some(ValueError::NotInteger { at: 1 }));
        for text in ["", ".", "-", "1e3", "0x1", "1.2.3", " 1", "١"] {
            let refused = SecretValue::parse_fixed(&[text], 16).err();
            assert_eq!(refused, Some(ValueError::NotDecimal { at: 0 }), "{text:?}");
        }
        assert_eq!(SecretValue::parse_fixed(&["1"], 61).err(), Some(ValueError::FractionBits));
    }

    #[test]
    fn fixed_point_reads_and_writes_the_shortest_decimal() {
        let texts = ["1.5", "-0.25", "0", "3.14", "-7", "0.0001", ".5", "100000.9999"];
        let value = SecretValue::parse_fixed(&texts, 16).expect("decimals");
        let shown = value.texts();
        assert_eq!(*shown, ["1.5", "-0.25", "0", "3.14", "-7", "0.0001", "0.5", "100000.9999"]);
    }

    #[test]
    fn words_of_another_shape_are_no_bytes() {
        let kind = SecretKind::Bytes { length: 16 };
        let words = [field().element(1), field().element(256)];
        // the second word holds one byte, 256 needs two
        assert_eq!(SecretValue::decode(&field(), kind, &words).err(), Some(ValueError::Shape));
        assert_eq!(SecretValue::decode(&field(), kind, &words[..1]).err(), Some(ValueError::Shape));
        let huge = [field().neg(field().one())];
        let kind = SecretKind::Bytes { length: 15 };
        assert_eq!(SecretValue::decode(&field(), kind, &huge).err(), Some(ValueError::Shape));
    }

    proptest! {
        #[test]
        fn bytes_survive_in_every_field(bytes in prop::collection::vec(any::<u8>(), 1..100), which in 0usize..3) {
            let prime = [Prime::DEFAULT.0, 65_537, (1 << 61) - 1][which];
            let field = PrimeField::new(prime).expect("a prime");
            let value = SecretValue::bytes(bytes.clone());
            let words = value.encode(&field).expect("it fits");
            let back = SecretValue::decode(&field, value.kind(), &words).expect("bytes");
            prop_assert_eq!(back.as_bytes(), Some(&bytes[..]));
        }

        #[test]
        fn every_fixed_point_text_reads_back(value in any::<i64>(), bits in 0u8..=60) {
            let text = format_scaled(i128::from(value), bits);
            prop_assert_eq!(parse_scaled(&text, bits, 0), Ok(i128::from(value)), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", bits in 0u8..=60) {
            let _ = parse_scaled(&text, bits, 0);
        }
    }
}

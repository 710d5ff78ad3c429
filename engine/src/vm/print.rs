//! What programs print, in MP-SPDZ's exact formats, held back until a MAC check has covered it.

use super::budget::Budget;
use super::fault::{Fault, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where released text goes.
pub trait Printer: Send {
    /// Takes text that may be shown: everything it depends on has been checked. All parties release the same text in the
    /// same order (except for values that programs print of their own party).
    fn release(&mut self, text: &[u8]);

    /// Takes bytes for the party's own binary output file (`intoutput`, `floatoutput`).
    fn binary(&mut self, _thread: u32, _bytes: &[u8]) {}
}

impl Printer for Vec<u8> {
    fn release(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }
}

/// Digits that C++ streams show if nobody says otherwise.
const DEFAULT_PRECISION: usize = 6;
/// Powers of two beyond this are refused: exact decimals of them are long.
const EXPONENT_MAX: i64 = 16_384;

/// How a thread's stream shows numbers; sticky.
#[derive(Clone, Copy)]
pub(super) struct Format {
    precision: usize,
    /// Hexadecimal numbers begin with `0x`.
    base: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self { precision: DEFAULT_PRECISION, base: false }
    }
}

/// Text that waits for its check, and the formatting state of each thread.
pub(super) struct Pending {
    text: Vec<u8>,
    budget: Arc<Budget>,
    formats: BTreeMap<u32, Format>,
}

impl Pending {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { text: Vec::new(), budget, formats: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, text: &[u8]) -> Step {
        self.budget.print(text.len())?;
        self.text.extend_from_slice(text);
        Ok(())
    }

    /// Takes over text of a joined thread, which has been counted there.
    pub(super) fn append(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// For [`super::exits::Exits`] alone, which asks for a proof.
    pub(super) fn release(&mut self, printer: &mut dyn Printer) {
        if !self.text.is_empty() {
            printer.release(&self.text);
            self.text.clear();
        }
    }

    pub(super) fn format(&self, thread: u32) -> Format {
        self.formats.get(&thread).copied().unwrap_or_default()
    }

    pub(super) fn set_format(&mut self, thread: u32, format: Format) {
        self.formats.insert(thread, format);
    }

    pub(super) fn set_precision(&mut self, thread: u32, digits: usize) {
        self.formats.entry(thread).or_default().precision = digits;
    }

    /// Printing a bit register leaves its stream showing `0x` before hexadecimal numbers.
    pub(super) fn show_base(&mut self, thread: u32) {
        self.formats.entry(thread).or_default().base = true;
    }

    pub(super) fn shows_base(&self, thread: u32) -> bool {
        self.format(thread).base
    }

    pub(super) fn precision(&self, thread: u32) -> usize {
        self.format(thread).precision
    }
}

/// One value plainly, several as `[a, b, c]`.
pub(super) fn vector(values: &[String]) -> String {
    match values {
        [value] => value.clone(),
        values => format!("[{}]", values.join(", ")),
    }
}

/// The four characters of an immediate, first in the lowest byte.
pub(super) fn characters(immediate: i64) -> [u8; 4] {
    (immediate as i32).to_le_bytes()
}

/// magnitude·2^exponent with `precision` significant digits, the way `%g` shows it.
pub(super) fn float(negative: bool, magnitude: u128, exponent: i64, precision: usize) -> Step<String> {
    if magnitude == 0 {
        return Ok("0".to_owned());
    }
    if exponent.abs() > EXPONENT_MAX {
        return Err(Fault::Exponent(exponent));
    }
    let precision = precision.max(1);
    let (digits, point) = decimal(magnitude, exponent);
    let (digits, point) = rounded(&digits, point, precision);
    let sign = if negative { "-" } else { "" };
    // The decimal exponent of the leading digit.
    let leading = point - 1;
    let significant = digits.trim_end_matches('0');
    Ok(if leading < -4 || leading >= precision as i64 {
        let (first, rest) = significant.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let direction = if leading < 0 { '-' } else { '+' };
        format!("{sign}{first}{dot}{rest}e{direction}{:02}", leading.abs())
    } else if point <= 0 {
        format!("{sign}0.{}{significant}", "0".repeat(-point as usize))
    } else if significant.len() as i64 <= point {
        format!("{sign}{significant}{}", "0".repeat(point as usize - significant.len()))
    } else {
        let (whole, fraction) = significant.split_at(point as usize);
        format!("{sign}{whole}.{fraction}")
    })
}

/// The exact decimal digits of magnitude·2^exponent and how many of them stand before the point.
fn decimal(magnitude: u128, exponent: i64) -> (String, i64) {
    // m·2^-k = m·5^k / 10^k: a multiplication either way.
    let (base, chunk) = if exponent < 0 { (5u64, 12) } else { (2u64, 29) };
    let mut limbs = Vec::new();
    let mut rest = magnitude;
    while rest > 0 {
        limbs.push((rest % LIMB as u128) as u64);
        rest /= LIMB as u128;
    }
    let mut left = exponent.unsigned_abs();
    while left > 0 {
        let step = left.min(chunk);
        multiply(&mut limbs, base.pow(step as u32));
        left -= step;
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    let digits = digits.trim_start_matches('0').to_owned();
    let point = digits.len() as i64 + exponent.min(0);
    (digits, point)
}

/// Numbers in base 10^9, least significant limb first.
const LIMB: u64 = 1_000_000_000;

fn multiply(limbs: &mut Vec<u64>, factor: u64) {
    let mut carry = 0;
    for limb in limbs.iter_mut() {
        let product = *limb * factor + carry;
        *limb = product % LIMB;
        carry = product / LIMB;
    }
    if carry > 0 {
        limbs.push(carry);
    }
}

/// Rounds to `precision` digits, ties to even.
fn rounded(digits: &str, point: i64, precision: usize) -> (String, i64) {
    if digits.len() <= precision {
        return (digits.to_owned(), point);
    }
    let (kept, cut) = digits.split_at(precision);
    let mut kept: Vec<u8> = kept.bytes().collect();
    let beyond_half = cut.as_bytes()[0] > b'5' || (cut.starts_with('5') && cut[1..].bytes().any(|digit| digit != b'0'));
    let half = cut.starts_with('5') && !beyond_half;
    let odd = kept[precision - 1] % 2 == 1;
    if beyond_half || (half && odd) {
        for digit in kept.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                return (text(kept), point);
            }
        }
        kept.insert(0, b'1');
        kept.pop();
        return (text(kept), point + 1);
    }
    (text(kept), point)
}

fn text(digits: Vec<u8>) -> String {
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_general_format_shows_them() {
        let show = |magnitude, exponent, precision| float(false, magnitude, exponent, precision).unwrap();
        assert_eq!(show(7, -2, 6), "1.75");
        assert_eq!(show(1, 0, 6), "1");
        assert_eq!(show(100, 0, 6), "100");
        assert_eq!(show(16000, 0, 6), "16000");
        assert_eq!(show(1_000_000, 0, 6), "1e+06");
        assert_eq!(show(123_456_789, 0, 6), "1.23457e+08");
        assert_eq!(show(1, -16, 10), "1.525878906e-05");
        assert_eq!(show(1, -3, 6), "0.125");
        assert_eq!(show(9_999_995, -1, 6), "5e+06");
        assert_eq!(show(1, 200, 6), "1.60694e+60");
        assert_eq!(show(9_999_999, 0, 6), "1e+07");
        assert_eq!(show(5, -1, 1), "2");
        assert_eq!(show(7, -1, 1), "4");
        assert_eq!(show(0, 5, 6), "0");
        assert_eq!(float(true, 5, -1, 6).unwrap(), "-2.5");
        assert_eq!(float(true, 1, 40_000, 6), Err(Fault::Exponent(40_000)));
    }

    #[test]
    fn doubles_print_as_the_standard_library_rounds_them() {
        for bits in
            [0x3fb999999999999au64, 0x400921fb54442d18, 0x7e37e43c8800759c, 0x0010000000000000, 0x4340000000000001]
        {
            let value = f64::from_bits(bits);
            let (mantissa, exponent) = ((bits & ((1 << 52) - 1)) | 1 << 52, (bits >> 52) as i64 - 1075);
            let shown = float(false, mantissa.into(), exponent, 15).unwrap();
            assert_eq!(shown.parse::<f64>().unwrap(), format!("{value:.14e}").parse::<f64>().unwrap(), "{shown}");
        }
    }

    #[test]
    fn output_is_bounded_and_held_back() {
        let budget = Budget::new(crate::vm::Limits { printed_bytes_max: 4, ..crate::vm::Limits::default() });
        let mut pending = Pending::new(Arc::new(budget));
        let mut shown = Vec::new();
        pending.push(b"abc").unwrap();
        assert!(shown.is_empty());
        pending.release(&mut shown);
        assert_eq!(shown, b"abc");
        assert_eq!(pending.push(b"de"), Err(Fault::Limit { what: "printed bytes", max: 4 }));
    }
}

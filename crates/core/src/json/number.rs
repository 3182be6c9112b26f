//! [`Number`]: an exact decimal of any size, in one canonical spelling.

use std::cmp::Ordering;
use std::fmt;

/// Integers and fractions whose plain spelling needs more digits than this are spelt with an exponent.
const PLAIN_DIGITS: i64 = 40;

/// The greatest exponent of ten that is read and written: ten digits.
const MAX_EXPONENT: i64 = 9_999_999_999;

/// An exact decimal number, never passed through a float: `1.0` is `1`, `-0` is `0`, 10^30 keeps every digit.
///
/// Equal numbers have equal spelling, so equality, hashing and the content hash need no arithmetic.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// Sign, significant digits without leading or trailing zeros, and the position of the decimal point:
/// the value is `0.DIGITS x 10^point`. Zero has no digits.
pub(crate) struct Parts<'a> {
    pub(crate) negative: bool,
    pub(crate) digits: std::borrow::Cow<'a, str>,
    pub(crate) point: i64,
}

impl Number {
    /// Reads a JSON number (RFC 8259, section 6); `None` when it is none, or its exponent is beyond ten digits as it stands
    /// or in the canonical spelling.
    pub fn parse(literal: &str) -> Option<Self> {
        if is_small_integer(literal) {
            return Some(Self(literal.into()));
        }
        let parts = split(literal)?;
        Some(Self(spell(&parts).into()))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This number as an `i64`, when it is one exactly.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        split(&self.0).expect("the canonical spelling is a number")
    }
}

/// The usual case: a few digits, no leading zero, perhaps a sign; its spelling is canonical already.
fn is_small_integer(literal: &str) -> bool {
    let digits = literal.strip_prefix('-').unwrap_or(literal).as_bytes();
    match digits {
        [b'0'] => literal.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn split(literal: &str) -> Option<Parts<'_>> {
    let (negative, unsigned) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, ""),
    };
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let all: std::borrow::Cow<'_, str> =
        if fraction.is_empty() { whole.into() } else { format!("{whole}{fraction}").into() };
    let leading = all.len() - all.trim_start_matches('0').len();
    if leading == all.len() {
        return Some(Parts { negative: false, digits: "".into(), point: 0 });
    }
    let point = exponent.checked_add(i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?)?;
    // Its spelling must be a number too.
    if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&(point - 1)) {
        return None;
    }
    let digits = match all {
        std::borrow::Cow::Borrowed(text) => text.trim_matches('0').into(),
        std::borrow::Cow::Owned(text) => text.trim_matches('0').to_owned().into(),
    };
    Some(Parts { negative, digits, point })
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || digits.trim_start_matches('0').len() > 10 {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

fn spell(parts: &Parts<'_>) -> String {
    let digits = parts.digits.as_ref();
    if digits.is_empty() {
        return "0".to_owned();
    }
    let sign = if parts.negative { "-" } else { "" };
    let count = i64::try_from(digits.len()).expect("a number's length fits i64");
    let point = parts.point;
    if point >= count && point <= PLAIN_DIGITS.max(count) {
        let zeros = usize::try_from(point - count).expect("checked above");
        format!("{sign}{digits}{}", "0".repeat(zeros))
    } else if point > 0 && point < count {
        let (whole, fraction) = digits.split_at(usize::try_from(point).expect("checked above"));
        format!("{sign}{whole}.{fraction}")
    } else if point <= 0 && count - point <= PLAIN_DIGITS.max(count) {
        let zeros = usize::try_from(-point).expect("checked above");
        format!("{sign}0.{}{digits}", "0".repeat(zeros))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}e{}", point - 1)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        let signed = |p: &Parts<'_>| if p.digits.is_empty() { 0 } else { 1 - 2 * i8::from(p.negative) };
        let magnitudes = || a.point.cmp(&b.point).then_with(|| a.digits.cmp(&b.digits));
        signed(&a).cmp(&signed(&b)).then_with(|| match signed(&a) {
            0 => Ordering::Equal,
            1 => magnitudes(),
            _ => magnitudes().reverse(),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::parse(&value.to_string()).expect("an integer is a number")
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::parse(&value.to_string()).expect("an integer is a number")
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(literal: &str) -> String {
        Number::parse(literal).unwrap_or_else(|| panic!("{literal} is a number")).to_string()
    }

    #[test]
    fn one_value_has_one_spelling() {
        for (literal, canonical) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("-0.00e7", "0"),
            ("1E2", "100"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("9007199254740993", "9007199254740993"),
            ("1000000000000000000000000000000", "1000000000000000000000000000000"),
            ("1e30", "1000000000000000000000000000000"),
            ("1e400", "1e400"),
            ("-12.5e-400", "-1.25e-399"),
            ("0.001", "0.001"),
            ("1e-3", "0.001"),
            ("10.50", "10.5"),
        ] {
            assert_eq!(spelt(literal), canonical);
            assert_eq!(spelt(canonical), canonical);
        }
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for literal in ["", "-", "01", "1.", ".5", "1e", "+1", "NaN", "0x1", "1e99999999999", "1 "] {
            assert!(Number::parse(literal).is_none(), "{literal}");
        }
    }

    #[test]
    fn what_is_read_is_spelt_as_a_number_that_is_read() {
        for (literal, canonical) in [
            ("99e9999999998", "9.9e9999999999"),
            ("0.1e-9999999998", "1e-9999999999"),
            ("1e9999999999", "1e9999999999"),
        ] {
            assert_eq!(spelt(literal), canonical);
            assert_eq!(spelt(canonical), canonical);
        }
        for literal in ["99e9999999999", "0.01e-9999999999", "-10e9999999999"] {
            assert!(Number::parse(literal).is_none(), "{literal}");
        }
        assert_eq!(spelt("0e9999999999"), "0");
    }

    #[test]
    fn order_is_that_of_the_values() {
        let ascending = ["-1e400", "-100", "-99.5", "-1e-9", "0", "1e-400", "0.5", "2", "10", "10.000001", "1e400"];
        for pair in ascending.windows(2) {
            assert!(Number::parse(pair[0]) < Number::parse(pair[1]), "{pair:?}");
        }
    }
}

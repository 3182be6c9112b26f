//! [`DateForm`]: how the dates of a source are written.

use std::fmt;

use feedspine_core::{Json, Timestamp};

use crate::dates::{self, month};
use crate::warning::Warnings;

const SECOND: i64 = 1_000_000;

/// How dates are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateForm {
    /// As feeds write them, see [`crate::read_date`]. A number is no date: nobody said what it counts.
    Text,
    /// Seconds since 1970, a fraction allowed.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// A pattern of `%Y %y %m %b %d %H %M %S %f %z %%` and any other characters, which stand for themselves.
    Pattern(String),
}

/// Why a text names no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no form of dates is called {0:?}")]
pub struct DateFormError(pub String);

/// Forms with a name: the name, and its pattern.
const NAMED: [(&str, &str); 3] = [("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y"), ("yyyymmdd", "%Y%m%d")];

impl DateForm {
    /// What forms are called, for hints.
    pub const WORDS: &'static str =
        "text, epoch_s, epoch_ms, dmy (31/12/2026), mdy (12/31/2026), yyyymmdd, or a pattern such as %d.%m.%Y %H:%M";

    /// Reads the name of a form, or a pattern.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, DateFormError> {
        match text {
            "text" => Ok(Self::Text),
            "epoch_s" => Ok(Self::EpochSeconds),
            "epoch_ms" => Ok(Self::EpochMilliseconds),
            _ => match NAMED.iter().find(|(name, _)| *name == text) {
                Some((_, pattern)) => Ok(Self::Pattern((*pattern).to_owned())),
                None if is_pattern(text) => Ok(Self::Pattern(text.to_owned())),
                None => Err(DateFormError(text.to_owned())),
            },
        }
    }

    /// The instant that a value tells; `None` with a warning when it tells none, without one when it is null or blank.
    pub(crate) fn read(&self, value: &Json, warnings: &mut Warnings) -> Option<Timestamp> {
        let text = match value {
            Json::Null => return None,
            Json::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        if text.is_empty() {
            return None;
        }
        let at = match self {
            Self::Text if matches!(value, Json::String(_)) => return dates::dated(&text, warnings)?.at,
            Self::Text => None,
            Self::EpochSeconds => micros(&text, SECOND),
            Self::EpochMilliseconds => micros(&text, SECOND / 1_000),
            Self::Pattern(pattern) => by_pattern(pattern, &text),
        };
        let at = at.and_then(|micros| Timestamp::from_micros(micros).ok());
        if at.is_none() {
            let shown = &text[..text.floor_char_boundary(128)];
            warnings.add("date.unreadable", || format!("{shown:?} is no date in the form {self}"));
        }
        at
    }
}

impl fmt::Display for DateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::EpochSeconds => "epoch_s",
            Self::EpochMilliseconds => "epoch_ms",
            Self::Pattern(pattern) => pattern,
        })
    }
}

fn is_pattern(text: &str) -> bool {
    let mut signs = text.split('%').skip(1).peekable();
    let mut doubled = false;
    let mut any = false;
    while let Some(sign) = signs.next() {
        if std::mem::take(&mut doubled) {
            continue;
        }
        any = true;
        match sign.chars().next() {
            Some('Y' | 'y' | 'm' | 'b' | 'd' | 'H' | 'M' | 'S' | 'f' | 'z') => {}
            None if signs.peek().is_some() => doubled = true,
            _ => return false,
        }
    }
    any
}

/// Microseconds of a decimal count of units, exactly; what is finer is cut off.
fn micros(text: &str, unit: i64) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut value = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut step = unit;
    for digit in fraction.bytes() {
        step /= 10;
        value = value.checked_add(i64::from(digit - b'0') * step)?;
    }
    Some(if negative { -value } else { value })
}

fn by_pattern(pattern: &str, text: &str) -> Option<i64> {
    let (mut year, mut month_number, mut day) = (1970, 1, 1);
    let (mut time, mut offset) = (0, 0);
    let mut rest = text;
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        if sign != '%' {
            rest = rest.strip_prefix(sign)?;
            continue;
        }
        match signs.next()? {
            'Y' => year = number(&mut rest, 4)?,
            'y' => {
                // RFC 2822, section 4.3.
                let short = number(&mut rest, 2)?;
                year = if short < 50 { 2000 + short } else { 1900 + short };
            }
            'm' => month_number = number(&mut rest, 2)?,
            'b' => {
                let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                month_number = month(&rest[..end])?.into();
                rest = &rest[end..];
            }
            'd' => day = number(&mut rest, 2)?,
            'H' => time += below(number(&mut rest, 2)?, 25)? * 3_600 * SECOND,
            'M' => time += below(number(&mut rest, 2)?, 60)? * 60 * SECOND,
            'S' => time += below(number(&mut rest, 2)?, 61)? * SECOND,
            'f' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                time += micros(&format!("0.{}", &rest[..end]), SECOND)?;
                rest = &rest[end..];
            }
            'z' => offset = zone(&mut rest)?,
            '%' => rest = rest.strip_prefix('%')?,
            _ => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let days = Timestamp::days_from_civil(year, month_number, day)?;
    Some(days * 86_400 * SECOND + time - offset)
}

/// At most so many digits, at least one.
fn number(rest: &mut &str, most: usize) -> Option<i64> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.parse().ok()
}

fn below(number: i64, limit: i64) -> Option<i64> {
    (number < limit).then_some(number)
}

/// `Z`, or hours and minutes with a sign, a colon between or not.
fn zone(rest: &mut &str) -> Option<i64> {
    if let Some(after) = rest.strip_prefix(['Z', 'z']) {
        *rest = after;
        return Some(0);
    }
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    *rest = rest.strip_prefix(['+', '-'])?;
    let hours = below(number(rest, 2)?, 24)?;
    *rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = below(number(rest, 2)?, 60)?;
    Some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str, value: impl Into<Json>) -> Option<String> {
        DateForm::parse(form).unwrap().read(&value.into(), &mut Warnings::default()).map(|at| at.to_string())
    }

    #[test]
    fn reads_a_date_only_in_the_form_that_was_said() {
        for (form, text, expected) in [
            ("text", "Mon, 24 Nov 2026 10:00:00 GMT", Some("2026-11-24T10:00:00Z")),
            ("text", "1704067200", None),
            ("epoch_s", "1704067200", Some("2024-01-01T00:00:00Z")),
            ("epoch_s", "1704067200.25", Some("2024-01-01T00:00:00.250000Z")),
            ("epoch_s", "-1.5", Some("1969-12-31T23:59:58.500000Z")),
            ("epoch_s", "soon", None),
            ("epoch_s", "99999999999999", None),
            ("epoch_ms", "1704067200123", Some("2024-01-01T00:00:00.123000Z")),
            ("dmy", "3/12/2026", Some("2026-12-03T00:00:00Z")),
            ("mdy", "12/03/2026", Some("2026-12-03T00:00:00Z")),
            ("dmy", "31/02/2026", None),
            ("yyyymmdd", "20261203", Some("2026-12-03T00:00:00Z")),
            ("%d %b %Y %H:%M %z", "3 Dec 2026 10:30 +01:00", Some("2026-12-03T09:30:00Z")),
            ("%Y%m%dT%H%M%S.%fZ", "20261203T010203.5Z", Some("2026-12-03T01:02:03.500000Z")),
            ("%d.%m.%y", "03.12.26 ", Some("2026-12-03T00:00:00Z")),
            ("%d.%m.%y", "03.12.26x", None),
        ] {
            assert_eq!(read(form, text).as_deref(), expected, "{form} {text}");
        }
        assert_eq!(read("text", 1_704_067_200_i64), None);
        assert_eq!(read("epoch_s", 1_704_067_200_i64).as_deref(), Some("2024-01-01T00:00:00Z"));
    }

    #[test]
    fn warns_of_what_is_no_date_and_not_of_nothing() {
        let warned = |value: Json| {
            let mut warnings = Warnings::default();
            DateForm::EpochSeconds.read(&value, &mut warnings);
            !warnings.into_vec().is_empty()
        };
        assert!(warned("x".into()));
        assert!(!warned(Json::Null) && !warned(" ".into()));
    }

    #[test]
    fn an_unknown_form_is_refused() {
        for text in ["", "iso", "%Q", "epoch", "%"] {
            assert_eq!(DateForm::parse(text), Err(DateFormError(text.into())), "{text}");
        }
    }
}

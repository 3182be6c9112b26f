//! [`Timestamp`]: an instant in UTC microseconds, from year 1 to year 9999.

use std::fmt;
use std::str::FromStr;

/// 0001-01-01T00:00:00Z in microseconds since 1970.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z in microseconds since 1970.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// An instant in UTC with microsecond precision, between 0001-01-01 and 9999-12-31.
///
/// Microseconds are the finest unit every backend keeps; the range is the one every backend can print and read back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The instant is outside 0001-01-01 to 9999-12-31, or the text is not RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an instant between 0001-01-01 and 9999-12-31: {0}")]
pub struct TimestampError(String);

impl Timestamp {
    /// The earliest instant: 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(MIN_MICROS);
    /// The latest instant: 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(MAX_MICROS);
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// Makes an instant from microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// Out of range.
    pub fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        if (MIN_MICROS..=MAX_MICROS).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(TimestampError(format!("{micros} microseconds since 1970")))
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z; negative before.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant moved by `micros`, kept within the range.
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros).clamp(MIN_MICROS, MAX_MICROS))
    }

    /// Microseconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

/// RFC 3339 in UTC, with as many of six fraction digits as are needed: `2026-11-24T09:30:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).expect("our range lies within jiff's");
        write!(f, "{instant}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads RFC 3339; a finer fraction is cut to microseconds.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant: jiff::Timestamp = text.trim().parse().map_err(|_| TimestampError(text.to_owned()))?;
        Self::from_micros(
            instant.as_nanosecond().div_euclid(1_000).try_into().map_err(|_| TimestampError(text.into()))?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_the_same_instant() {
        for text in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_lies_outside_the_range() {
        assert!(Timestamp::from_micros(MAX_MICROS + 1).is_err());
        assert!(Timestamp::from_micros(MIN_MICROS - 1).is_err());
        assert!("10000-01-01T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("0000-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }

    #[test]
    fn cuts_a_finer_fraction_to_microseconds() {
        let cut: Timestamp = "1601-01-01T00:00:00.123456789Z".parse().unwrap();
        assert_eq!(cut.to_string(), "1601-01-01T00:00:00.123456Z");
    }
}

//! [`Timestamp`]: an instant in UTC microseconds, from year 1 to year 9999.

use std::fmt;
use std::str::FromStr;

const MICROS_PER_DAY: i64 = 86_400_000_000;
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

    /// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; `None` when there is no such date.
    pub fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day)
        {
            return None;
        }
        let shifted_year = year - i64::from(month <= 2);
        let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
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

/// RFC 3339 in UTC, with six fraction digits where there is a fraction: `2026-11-24T09:30:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, micros) = (self.0.div_euclid(MICROS_PER_DAY), self.0.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction != 0 {
            write!(f, ".{fraction:06}")?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads RFC 3339; a finer fraction is cut to microseconds, a leap second is refused.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_rfc3339(text.trim()).ok_or_else(|| TimestampError(text.to_owned())).and_then(Self::from_micros)
    }
}

fn read_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (digits(date.get(0..4)?)?, digits(date.get(5..7)?)?, digits(date.get(8..10)?)?);
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let (hour, minute, second) = (digits(clock.get(0..2)?)?, digits(clock.get(3..5)?)?, digits(clock.get(6..8)?)?);
    let shaped = date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-' && clock.matches(':').count() == 2;
    if !shaped || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    let fraction = digits(&format!("{:0<6.6}", if fraction.is_empty() { return None } else { fraction }))?;
    let seconds = Timestamp::days_from_civil(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - read_offset(zone)?) * 1_000_000 + fraction)
}

fn read_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) =
        zone[1..].split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours <= 23 && minutes <= 59).then(|| sign * (hours * 3_600 + minutes * 60))
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The inverse of [`Timestamp::days_from_civil`]: the calendar counted in 400-year eras that begin on 1 March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
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
    fn every_day_of_the_range_reads_back() {
        for days in (MIN_MICROS / MICROS_PER_DAY)..=(MAX_MICROS / MICROS_PER_DAY) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(Timestamp::days_from_civil(year, month, day), Some(days));
        }
    }

    #[test]
    fn takes_offsets_and_refuses_what_is_no_date() {
        assert_eq!("2024-02-29T01:30:00+02:00".parse::<Timestamp>().unwrap().to_string(), "2024-02-28T23:30:00Z");
        for wrong in [
            "2023-02-29T00:00:00Z",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00-013:28",
            "2024-01-01T00:00:00+1:00",
            "",
            "x",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn cuts_a_finer_fraction_to_microseconds() {
        let cut: Timestamp = "1601-01-01T00:00:00.123456789Z".parse().unwrap();
        assert_eq!(cut.to_string(), "1601-01-01T00:00:00.123456Z");
    }
}

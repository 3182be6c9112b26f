//! [`Interval`]: a length of time between two fetches, as operators write it; and how lengths are told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A length of time between two fetches of a feed: whole seconds, from one minute to seven days.
///
/// It is written in days, hours, minutes and seconds: `15m`, `1h30m`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(Duration);

/// Why a text is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// It is not written as one.
    #[error("expected an interval such as 15m, 2h or 1d, found {found:?}")]
    Unreadable {
        /// What was written.
        found: String,
    },
    /// It is one that no feed can have.
    #[error("expected an interval from 1m to 7d, found {found:?}")]
    OutOfRange {
        /// What was written.
        found: String,
    },
}

impl Interval {
    /// One minute.
    pub const SHORTEST: Self = Self(Duration::from_mins(1));
    /// Seven days.
    pub const LONGEST: Self = Self(Duration::from_hours(7 * 24));

    /// Its length.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The interval of that length, cut to whole seconds, or the nearest one.
    pub fn nearest(length: Duration) -> Self {
        Self(Duration::from_secs(length.as_secs())).clamp(Self::SHORTEST, Self::LONGEST)
    }
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || text.chars().take(64).collect();
        let seconds = seconds(text.trim()).ok_or_else(|| IntervalError::Unreadable { found: found() })?;
        let length = Duration::from_secs(seconds);
        let is_within = (Self::SHORTEST.0..=Self::LONGEST.0).contains(&length);
        if is_within { Ok(Self(length)) } else { Err(IntervalError::OutOfRange { found: found() }) }
    }
}

/// As it is written, in the largest units: `90m` is `1h30m`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_secs();
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

/// Numbers with units, the larger ones first, each unit once. One too large for a number counts as the largest.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0_u64;
    for (unit, seconds) in UNITS {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let Some(behind) = behind.strip_prefix(unit) else { continue };
        if number.is_empty() {
            return None;
        }
        sum = sum.saturating_add(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(seconds));
        if behind.is_empty() {
            return Some(sum);
        }
        rest = behind;
    }
    None
}

/// A length of time as it is told: `45 s`, `60 min`, `2 h 5 min`, `3 d`; what is too small to matter is left out.
pub(crate) fn told(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let pair = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => pair(hours, "h", minutes % 60, "min"),
        _ => pair(hours / 24, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_read_as_it_is_written() {
        for (text, written, seconds) in [
            ("15m", "15m", 900),
            ("90m", "1h30m", 5_400),
            (" 1h30m ", "1h30m", 5_400),
            ("60s", "1m", 60),
            ("1d12h", "1d12h", 129_600),
            ("7d", "7d", 604_800),
        ] {
            let read: Interval = text.parse().unwrap();
            assert_eq!((read.duration().as_secs(), read.to_string().as_str()), (seconds, written), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_told_from_what_no_feed_can_have() {
        for text in ["", "15", "m", "15 m", "1h1h", "5m1h", "1.5h", "-5m", "15min", "m15", "1h30"] {
            assert!(matches!(text.parse::<Interval>(), Err(IntervalError::Unreadable { .. })), "{text}");
        }
        for text in ["59s", "0m", "7d1s", "99999999999999999999d"] {
            assert!(matches!(text.parse::<Interval>(), Err(IntervalError::OutOfRange { .. })), "{text}");
        }
    }

    #[test]
    fn a_length_is_told_in_units_that_fit() {
        for (seconds, words) in [
            (45, "45 s"),
            (240, "4 min"),
            (3_600, "60 min"),
            (7_200, "2 h"),
            (7_500, "2 h 5 min"),
            (86_400, "24 h"),
            (604_800, "7 d"),
            (90_000 * 2, "2 d 2 h"),
        ] {
            assert_eq!(told(Duration::from_secs(seconds)), words);
        }
    }
}

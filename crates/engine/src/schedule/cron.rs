//! [`Cron`]: the times of the day and the week at which a feed is fetched, in UTC.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use croner::errors::CronError as PatternError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};
use feedspine_core::Timestamp;

use super::interval::Interval;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The longest pattern, in bytes.
const LONGEST: usize = 256;
/// A leap year and the one after it, from 1 January 2024: whatever a pattern does, it does it in these.
const SAMPLE: (i64, i64) = (19_723, 731);

/// The times at which a feed is fetched, as a cron pattern of five fields in UTC: `0 */2 * * *`.
///
/// Names of months and days are known, and so are `@hourly`, `@daily` and `@weekly`. Two of its times lie at most seven
/// days apart, since no feed waits longer.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

/// Why a text is no cron pattern for a feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It is not a pattern.
    #[error("expected a cron pattern of five fields such as \"0 */2 * * *\", found {found:?}: {reason}")]
    Unreadable {
        /// What was written.
        found: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It comes round too rarely.
    #[error("expected a cron pattern that comes round at least every seven days, found {found:?}")]
    Rare {
        /// What was written.
        found: String,
    },
}

impl Cron {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first of its times that is later than `now`; `None` beyond the year 5000.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.pattern.find_next_occurrence(&Second::of(now), false).ok()?;
        Some(next.to_timestamp()).filter(|next| *next > now)
    }

    /// Whether there is one of its times within seven days, from whenever on.
    fn comes_round(&self) -> bool {
        let longest = Interval::LONGEST.duration().as_secs();
        let (first, days) = SAMPLE;
        (first..first + days).all(|day| {
            let midnight = Second(day * SECONDS_PER_DAY);
            let next = self.pattern.find_next_occurrence(&midnight, false);
            next.is_ok_and(|next| next.0.abs_diff(midnight.0) <= longest)
        })
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found: String = text.chars().take(LONGEST).collect();
        let unreadable = |reason: &str| CronError::Unreadable { found: found.clone(), reason: reason.to_owned() };
        if !text.is_ascii() || text.len() > LONGEST {
            return Err(unreadable("it is not ASCII, or too long"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser.parse(&text).map_err(|error| unreadable(&reason(&error)))?;
        let cron = Self { text, pattern: Box::new(pattern) };
        if cron.comes_round() { Ok(cron) } else { Err(CronError::Rare { found }) }
    }
}

/// What a parser says, as the end of a sentence of ours.
fn reason(error: &PatternError) -> String {
    let told = match error {
        PatternError::InvalidPattern(told)
        | PatternError::IllegalCharacters(told)
        | PatternError::ComponentError(told) => told.clone(),
        PatternError::EmptyPattern => "it is empty".to_owned(),
        other => other.to_string(),
    };
    let told = told.trim_end_matches('.');
    let mut letters = told.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Two patterns are the same when they are written so.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}

/// A second in UTC, counted from 1970: what patterns are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Second(i64);

impl Second {
    fn of(at: Timestamp) -> Self {
        Self(at.as_micros().div_euclid(MICROS_PER_SECOND))
    }

    fn to_timestamp(self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(self.0.saturating_mul(MICROS_PER_SECOND))
    }
}

impl CronDateTime for Second {
    fn to_civil(&self) -> CivilDateTime {
        // `2026-11-24T09:30:00Z`: the calendar is core's.
        let text = self.to_timestamp().to_string();
        let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or(0);
        let year = i32::try_from(number(0, 4)).unwrap_or(0);
        let civil = (number(5, 7), number(8, 10), number(11, 13), number(14, 16), number(17, 19));
        let (month, day, hour, minute, second) = civil;
        CivilDateTime::from_ymd_hms_opt(year, month, day, hour, minute, second).expect("core prints dates that exist")
    }

    fn civil_weekday(&self) -> Weekday {
        // 1 January 1970 was a Thursday.
        let from_sunday = (self.0.div_euclid(SECONDS_PER_DAY) + 4).rem_euclid(7);
        Weekday::Sunday.shift(i32::try_from(from_sunday).unwrap_or(0))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, PatternError> {
        let days = Timestamp::days_from_civil(civil.year().into(), civil.month().into(), civil.day().into());
        let days = days.ok_or(PatternError::InvalidDate)?;
        let of_day = i64::from(civil.hour()) * 3_600 + i64::from(civil.minute()) * 60 + i64::from(civil.second());
        Ok(Resolution::Single(Self(days * SECONDS_PER_DAY + of_day)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(seconds).map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_says_the_next_time_in_utc() {
        for (pattern, now, next) in [
            ("0 */2 * * *", "2026-11-27T00:41:03.5Z", "2026-11-27T02:00:00Z"),
            ("0 */2 * * *", "2026-11-27T02:00:00Z", "2026-11-27T04:00:00Z"),
            ("0 */2 * * *", "2026-11-27T01:59:59.999999Z", "2026-11-27T02:00:00Z"),
            ("30 6 * * MON", "2026-11-27T00:00:00Z", "2026-11-30T06:30:00Z"),
            ("30 6 * * 1-5", "2026-11-27T06:30:00Z", "2026-11-30T06:30:00Z"),
            ("* * * * *", "2026-12-31T23:59:30Z", "2027-01-01T00:00:00Z"),
            ("@daily", "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z"),
            ("@weekly", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z"),
        ] {
            let cron: Cron = pattern.parse().unwrap();
            let next_after = cron.next_after(now.parse().unwrap()).unwrap();
            assert_eq!(next_after.to_string(), next, "{pattern} {now}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_or_comes_round_too_rarely_is_refused() {
        for text in ["", "soon", "* * * *", "0 0 * * * *", "60 * * * *", "0 24 * * *", "ü * * * *", "0 0 * * * * 2030"]
        {
            assert!(matches!(text.parse::<Cron>(), Err(CronError::Unreadable { .. })), "{text}");
        }
        for text in ["0 0 1 * *", "0 0 30 2 *", "0 0 * JAN *", "@monthly"] {
            assert!(matches!(text.parse::<Cron>(), Err(CronError::Rare { .. })), "{text}");
        }
        assert!("0 0 1,8,15,22,29 * *".parse::<Cron>().is_ok());
        assert!(" 0  0 *  * 1 ".parse::<Cron>().is_ok_and(|cron| cron.as_str() == "0 0 * * 1"));
    }

    #[test]
    fn there_is_no_next_time_at_the_end_of_all_time() {
        let cron: Cron = "0 0 * * *".parse().unwrap();
        assert_eq!(cron.next_after(Timestamp::MAX), None);
        assert!(cron.next_after(Timestamp::MIN).is_some());
    }
}

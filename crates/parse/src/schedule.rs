//! [`Schedule`]: how often a feed asks to be read.

use crate::dates;
use crate::model::Dated;
use crate::warning::Warnings;

/// What a feed says of when to read it. Values that mean nothing are left out with a warning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Minutes that it may be kept without asking again (RSS `ttl`).
    pub ttl_minutes: Option<u32>,
    /// Hours of the day, 0 to 23 in UTC, in which it need not be read (RSS `skipHours`), in ascending order.
    pub skip_hours: Vec<u8>,
    /// Days on which it need not be read (RSS `skipDays`), in the order of the week.
    pub skip_days: Vec<Weekday>,
    /// The period in which it is updated (`sy:updatePeriod`).
    pub period: Option<Period>,
    /// How often it is updated in that period (`sy:updateFrequency`); at least 1.
    pub frequency: Option<u32>,
    /// From when the periods are counted (`sy:updateBase`).
    pub base: Option<Dated>,
}

impl Schedule {
    /// Minutes between two readings that the feed asks for: the longer of its `ttl` and its period by its frequency.
    pub fn interval_minutes(&self) -> Option<u32> {
        let syndicated = self.period.map(|period| period.minutes() / self.frequency.unwrap_or(1).max(1));
        self.ttl_minutes.max(syndicated)
    }

    /// Reads one word of the schedule; false when it is none.
    pub(crate) fn take(&mut self, name: &str, text: &str, warnings: &mut Warnings) -> bool {
        let understood = match name {
            "ttl" => set(&mut self.ttl_minutes, number(text).filter(|minutes| *minutes > 0)),
            "hour" => hour(text).map(|hour| insert(&mut self.skip_hours, hour)).is_some(),
            "day" => Weekday::read(text).map(|day| insert(&mut self.skip_days, day)).is_some(),
            "updateperiod" => set(&mut self.period, Period::read(text)),
            "updatefrequency" => set(&mut self.frequency, number(text).filter(|times| *times > 0)),
            "updatebase" => {
                self.base = dates::dated(text, warnings);
                true
            }
            _ => return false,
        };
        if !understood && !text.is_empty() {
            let shown = &text[..text.floor_char_boundary(64)];
            warnings.add("schedule.unreadable", || format!("{shown:?} says nothing of when to read the feed"));
        }
        true
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// The first day of the week (ISO 8601).
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

impl Weekday {
    /// The word that RSS uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }

    fn read(text: &str) -> Option<Self> {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        let days = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday];
        days.into_iter().find(|day| day.as_str().eq_ignore_ascii_case(text))
    }
}

/// A period of the syndication module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
    /// Every year.
    Yearly,
}

impl Period {
    /// The word that the module uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    /// Its length in minutes; a month has 30 days, a year 365.
    pub const fn minutes(self) -> u32 {
        match self {
            Self::Hourly => 60,
            Self::Daily => 24 * 60,
            Self::Weekly => 7 * 24 * 60,
            Self::Monthly => 30 * 24 * 60,
            Self::Yearly => 365 * 24 * 60,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let periods = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];
        periods.into_iter().find(|period| period.as_str().eq_ignore_ascii_case(text))
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// Some count from 1 to 24: 24 is midnight.
fn hour(text: &str) -> Option<u8> {
    text.parse().ok().filter(|hour| *hour <= 24).map(|hour: u8| hour % 24)
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    *slot = value.or(slot.take());
    understood
}

fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(words: &[(&str, &str)]) -> (Schedule, Vec<crate::Warning>) {
        let (mut schedule, mut warnings) = (Schedule::default(), Warnings::default());
        for (name, text) in words {
            assert!(schedule.take(name, text, &mut warnings), "{name}");
        }
        (schedule, warnings.into_vec())
    }

    #[test]
    fn reads_every_word_of_it() {
        let (schedule, warnings) = schedule(&[
            ("ttl", "90"),
            ("hour", "5"),
            ("hour", "24"),
            ("hour", "5"),
            ("day", "sunday"),
            ("day", "Monday"),
            ("updateperiod", "Daily"),
            ("updatefrequency", "4"),
        ]);
        assert!(warnings.is_empty());
        assert_eq!((schedule.skip_hours.as_slice(), schedule.ttl_minutes), ([0, 5].as_slice(), Some(90)));
        assert_eq!(schedule.skip_days, [Weekday::Monday, Weekday::Sunday]);
        assert_eq!(schedule.interval_minutes(), Some(360));
    }

    #[test]
    fn leaves_out_what_means_nothing_with_a_warning() {
        let words = [
            ("ttl", "-1"),
            ("ttl", "0"),
            ("ttl", "soon"),
            ("hour", "25"),
            ("day", "Funday"),
            ("updateperiod", "never"),
            ("updatefrequency", "0"),
        ];
        let (schedule, warnings) = schedule(&words);
        assert_eq!(schedule, Schedule::default());
        assert_eq!((warnings[0].code, warnings[0].count), ("schedule.unreadable", 7));
        assert_eq!(schedule.interval_minutes(), None);
    }
}

//! [`Hints`]: what a server and a document ask for, read from the header of an answer and from what was parsed.

use std::time::Duration;

use feedspine_core::{Json, Timestamp};
use feedspine_parse::{Schedule, Weekday};
use reqwest::header::{self, HeaderMap, HeaderName};

use super::json;
use crate::fetch::{imf_fixdate, read_retry_after};

/// What a number of seconds counts as that is too large for a recipient (RFC 9111 section 1.2.2).
const MOST_SECONDS: u64 = 1 << 31;
/// The longest time that a document may ask for: more means nothing, since a ceiling stands below it.
const LONGEST_ASKED: Duration = Duration::from_hours(366 * 24);

/// What the answer of one fetch asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hints {
    /// How long the answer stays fresh (`Cache-Control: max-age`).
    pub(crate) max_age: Option<Duration>,
    /// It may not be used again unasked (`no-cache`, `no-store`): then how long it stays fresh says nothing.
    pub(crate) no_cache: bool,
    /// The time from `Date` to `Expires`, where there is no `max-age` (RFC 9111 section 5.3).
    pub(crate) expires: Option<Duration>,
    /// How old the answer is, where a cache gave it (`Age`, RFC 9111 section 5.1).
    pub(crate) age: Option<Duration>,
    /// How long the server wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// What the document asks for; `None` when none was read, as with a 304: then what the last one asked for holds.
    pub(crate) document: Option<DocumentHints>,
}

/// What a document asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DocumentHints {
    /// How long it may be kept without asking again (RSS `ttl`).
    pub(crate) ttl: Option<Duration>,
    /// The period in which it is updated by how often that is (`sy:updatePeriod`, `sy:updateFrequency`).
    pub(crate) syndication: Option<Duration>,
    /// Hours of the day, 0 to 23 in UTC, in which it need not be read.
    pub(crate) skip_hours: Vec<u8>,
    /// Days on which it need not be read, in UTC.
    pub(crate) skip_days: Vec<Weekday>,
}

impl Hints {
    /// Those of an answer's header; what means nothing is left out. `now` stands for a `Date` that is not there.
    pub(crate) fn of_headers(headers: &HeaderMap, now: Timestamp) -> Self {
        let mut hints = Self::default();
        let mut has_max_age = false;
        for line in headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
            for (name, value) in directives(line) {
                match name.as_str() {
                    // Of several the first counts (RFC 9111 section 4.2.1).
                    "max-age" if !has_max_age => {
                        has_max_age = true;
                        hints.max_age = value.as_deref().and_then(delta_seconds);
                    }
                    "no-store" => hints.no_cache = true,
                    // With names of fields it is about these alone (RFC 9111 section 5.2.2.4).
                    "no-cache" if value.is_none() => hints.no_cache = true,
                    _ => {}
                }
            }
        }
        let date = text(headers, &header::DATE).and_then(imf_fixdate).unwrap_or(now);
        if !has_max_age {
            hints.expires = text(headers, &header::EXPIRES).and_then(imf_fixdate).and_then(|at| after(date, at));
        }
        hints.age = text(headers, &header::AGE).and_then(delta_seconds);
        hints.retry_after = text(headers, &header::RETRY_AFTER).and_then(|text| read_retry_after(text, date));
        hints
    }

    /// The same, with what the document asks for.
    pub(crate) fn with_document(self, schedule: &Schedule) -> Self {
        Self { document: Some(DocumentHints::of(schedule)), ..self }
    }

    /// How long the answer stays fresh by its header.
    pub(super) fn fresh_for(&self) -> Option<Duration> {
        if self.no_cache { None } else { self.max_age }
    }

    /// How long it is until it expires by its header.
    pub(super) fn expires_in(&self) -> Option<Duration> {
        if self.no_cache { None } else { self.expires }
    }
}

impl DocumentHints {
    /// Those of a document.
    pub(crate) fn of(schedule: &Schedule) -> Self {
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60).min(LONGEST_ASKED);
        let times = schedule.frequency.unwrap_or(1).max(1);
        let period = schedule.period.map(|period| Duration::from_secs(u64::from(period.minutes()) * 60) / times);
        Self {
            ttl: schedule.ttl_minutes.map(minutes),
            syndication: period.map(|period| Duration::from_secs(period.as_secs())),
            skip_hours: schedule.skip_hours.clone(),
            skip_days: schedule.skip_days.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let days = self.skip_days.iter().map(|day| Json::from(day.as_str())).collect();
        let hours = self.skip_hours.iter().map(|hour| u64::from(*hour).into()).collect();
        Json::object([
            ("ttl_s", self.ttl.map(|ttl| ttl.as_secs()).into()),
            ("syndication_s", self.syndication.map(|period| period.as_secs()).into()),
            ("skip_hours", Json::Array(hours)),
            ("skip_days", Json::Array(days)),
        ])
    }

    pub(super) fn from_json(said: &Json) -> Self {
        let list = |name: &str| match said.get(name) {
            Some(Json::Array(values)) => values.clone(),
            _ => Vec::new(),
        };
        let hours = list("skip_hours");
        let hours = hours.iter().filter_map(|hour| u8::try_from(json::number(Some(hour))?).ok());
        let days = list("skip_days");
        Self {
            ttl: json::seconds(said, "ttl_s").map(|ttl| ttl.min(LONGEST_ASKED)),
            syndication: json::seconds(said, "syndication_s").map(|period| period.min(LONGEST_ASKED)),
            skip_hours: hours.filter(|hour| *hour < 24).collect(),
            skip_days: days.iter().filter_map(|day| weekday(day.as_str()?)).collect(),
        }
    }
}

/// The days in the order of the week.
pub(super) const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn weekday(name: &str) -> Option<Weekday> {
    WEEK.into_iter().find(|day| day.as_str() == name)
}

/// The time from one instant to a later one.
fn after(from: Timestamp, to: Timestamp) -> Option<Duration> {
    let micros = u64::try_from(to.micros_since(from)).ok()?;
    Some(Duration::from_secs(micros / 1_000_000)).filter(|time| !time.is_zero())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A number of seconds; one that is too large is the largest.
fn delta_seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS)))
}

/// The directives of a line in small letters, with what stands behind `=`; quotes are taken off (RFC 9110 section 5.6.4).
fn directives(line: &str) -> Vec<(String, Option<String>)> {
    let mut directives = Vec::new();
    let (mut name, mut value) = (String::new(), None::<String>);
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' if quoted => value.get_or_insert_default().extend(letters.next()),
            ',' if !quoted => directives.push((std::mem::take(&mut name), value.take())),
            '=' if !quoted && value.is_none() => value = Some(String::new()),
            letter => value.as_mut().unwrap_or(&mut name).push(letter),
        }
    }
    directives.push((name, value));
    let trimmed = |(name, value): (String, Option<String>)| {
        (name.trim().to_ascii_lowercase(), value.map(|value| value.trim().to_owned()))
    };
    directives.into_iter().map(trimmed).filter(|(name, _)| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> Hints {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Hints::of_headers(&headers, "1994-11-06T08:49:37Z".parse().unwrap())
    }

    #[test]
    fn cache_control_is_read_as_the_standard_has_it() {
        for (lines, max_age, no_cache) in [
            (&["max-age=3600"][..], Some(3_600), false),
            (&["public, MAX-AGE = 60 ,must-revalidate"], Some(60), false),
            (&["max-age=\"90\""], Some(90), false),
            (&["private=\"set-cookie, max-age=5\", max-age=60"], Some(60), false),
            (&["private=\"a\\\", max-age=5\", max-age=60"], Some(60), false),
            (&["no-cache", "max-age=60"], Some(60), true),
            (&["no-store"], None, true),
            (&["no-cache=\"set-cookie\", max-age=60"], Some(60), false),
            (&["max-age=60", "max-age=120"], Some(60), false),
            (&["max-age=soon, max-age=60"], None, false),
            (&["max-age=-1"], None, false),
            (&["max-age"], None, false),
            (&["max-age="], None, false),
            (&["s-maxage=60, x-max-age=60"], None, false),
            (&["max-age=99999999999999999999999"], Some(1 << 31), false),
            (&["max-age=4294967296"], Some(1 << 31), false),
            (&[",,=,\"", "=max-age", "max-age=0"], Some(0), false),
            (&["\u{fc}, max-age=60"], None, false),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
            let hints = read(&fields);
            let expected = (max_age.map(Duration::from_secs), no_cache);
            assert_eq!((hints.max_age, hints.no_cache), expected, "{lines:?}");
        }
    }

    #[test]
    fn expires_counts_from_the_servers_own_date_and_only_without_max_age() {
        let (date, expires) = ("Sun, 06 Nov 1994 08:00:00 GMT", "Sun, 06 Nov 1994 09:49:37 GMT");
        for (fields, seconds) in [
            (&[("date", date), ("expires", expires)][..], Some(6_577)),
            (&[("expires", expires)], Some(3_600)),
            (&[("date", "today"), ("expires", expires)], Some(3_600)),
            (&[("expires", "0")], None),
            (&[("expires", "-1")], None),
            (&[("date", expires), ("expires", date)], None),
            (&[("expires", expires), ("cache-control", "max-age=5")], None),
            (&[("expires", expires), ("cache-control", "max-age=soon")], None),
            (&[("expires", expires), ("cache-control", "public")], Some(3_600)),
        ] {
            assert_eq!(read(fields).expires, seconds.map(Duration::from_secs), "{fields:?}");
        }
        let both = read(&[("expires", expires), ("cache-control", "no-cache")]);
        assert_eq!((both.expires_in(), both.fresh_for()), (None, None));
    }

    #[test]
    fn retry_after_is_read_in_both_its_forms() {
        for (text, seconds) in [("120", Some(120)), ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)), ("soon", None)] {
            assert_eq!(read(&[("retry-after", text)]).retry_after, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_document_asks_by_its_ttl_its_period_its_hours_and_its_days() {
        let schedule = Schedule {
            ttl_minutes: Some(90),
            period: Some(feedspine_parse::Period::Daily),
            frequency: Some(4),
            skip_hours: vec![0, 5],
            skip_days: vec![Weekday::Sunday],
            base: None,
        };
        let document = Hints::default().with_document(&schedule).document.unwrap();
        assert_eq!(
            (document.ttl, document.syndication),
            (Some(Duration::from_mins(90)), Some(Duration::from_hours(6)))
        );
        assert_eq!(DocumentHints::from_json(&document.to_json()), document);
        let most = Schedule { ttl_minutes: Some(u32::MAX), frequency: Some(u32::MAX), ..schedule };
        let document = DocumentHints::of(&most);
        assert_eq!((document.ttl, document.syndication), (Some(LONGEST_ASKED), Some(Duration::ZERO)));
        assert_eq!(DocumentHints::from_json(&Json::from("?")), DocumentHints::default());
    }
}

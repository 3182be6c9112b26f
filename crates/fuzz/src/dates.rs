//! Dates: a byte that chooses a zone, and then a text.

use feedspine_core::Timestamp;
use feedspine_parse::{Reading, read_date};

/// The most bytes of a date.
const LONGEST: usize = 128;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub(crate) fn run(bytes: &[u8]) {
    let [zone, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let reading = read_date(text);
    assert_eq!(reading, read_date(text), "the second reading differs from the first");
    // No more of a date is looked at, however it would go on.
    if text.trim().len() <= LONGEST
        && let Ok(strict) = text.parse::<Timestamp>()
    {
        assert_eq!(reading, Ok(Reading { at: strict, zone_assumed: false }), "RFC 3339 is read otherwise");
    }
    if let Ok(Reading { at, .. }) = reading {
        reads_back(at, i64::from(*zone) - 128);
    }
}

/// An instant that is written as people write it is that instant.
fn reads_back(at: Timestamp, quarters: i64) {
    let known = Ok(Reading { at, zone_assumed: false });
    assert_eq!(read_date(&at.to_string()), known);
    // Zones lie between -12:00 and +14:00.
    let minutes = 15 * quarters.clamp(-48, 56);
    let there = at.saturating_add_micros(minutes * 60_000_000);
    if there.micros_since(at) != minutes * 60_000_000 {
        return;
    }
    let there = there.to_string();
    let (sign, hours, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
    let local = there.trim_end_matches('Z');
    let written = format!("{local}{sign}{hours:02}:{minutes:02}");
    assert_eq!(read_date(&written), known, "{written}");
    let (date, clock) = local.split_once('T').expect("an instant is a date and a time");
    let (year, rest) = date.split_once('-').expect("a date has a year");
    let (month, day) = rest.split_once('-').expect("a date has a month");
    let month = MONTHS[month.parse::<usize>().expect("a month is a number") - 1];
    let written = format!("{day} {month} {year} {clock} {sign}{hours:02}{minutes:02}");
    assert_eq!(read_date(&written), known, "{written}");
}

//! Words and figures that several commands say alike.

use feedspine::core::{Json, Record, Timestamp};
use feedspine::ops::{Again, Cause, HubTold, Occasion, Rest};
use feedspine::{Former, shown_address};

use crate::printer::{Line, Style, excerpt};

/// How many characters of a title or a value are shown in a list.
pub(super) const SHORT: usize = 300;

/// An instant as people read it: to the minute, in UTC.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {}", &text[..10], &text[11..16])
}

/// An instant to the second, in UTC.
pub(super) fn second(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {}", &text[..10], &text[11..19])
}

/// Until when a host is left alone, and why.
pub(super) fn resting(rest: &Rest) -> String {
    format!("left alone until {}, {}", second(rest.until), rest.why())
}

/// `1 feed`, `2 feeds`
pub(super) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// `1 body`, `2 bodies`
pub(super) fn bodies(count: u64) -> String {
    if count == 1 { "1 body".to_owned() } else { format!("{count} bodies") }
}

/// A size as people read it, in powers of 1 024 (IEC 80000-13).
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return counted(bytes, "byte");
    }
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// What a record is called: its title, else the beginning of its text.
pub(super) fn title(record: &Record) -> String {
    let content = record.content.to_json();
    let first = content.get("content").and_then(|list| match list {
        Json::Array(texts) => texts.first()?.get("value"),
        _ => None,
    });
    let named = content.get("title").or_else(|| content.get("summary")).or(first);
    let named = named.and_then(Json::as_str).map(|text| excerpt(text, SHORT)).filter(|text| !text.is_empty());
    named.unwrap_or_else(|| "(untitled)".to_owned())
}

/// Why something was stored though nobody was asked.
pub(super) fn occasion_in_words(occasion: &Occasion) -> String {
    match occasion {
        Occasion::Again(Again { cause: Cause::Parser, of }) => format!("parser, replay of fetch {of}"),
        Occasion::Again(Again { cause: Cause::Rejects, of }) => format!("was rejected, retry of fetch {of}"),
        Occasion::Pushed(told) => pushed_in_words(told),
    }
}

/// Who told something that nobody asked for.
pub(super) fn pushed_in_words(told: &HubTold) -> String {
    format!("pushed by {}", told.hub)
}

/// Where a feed was before, the last one first.
pub(super) fn formerly(formerly: &[Former]) -> Vec<Line> {
    let former = |former: &Former| {
        let Former { address, until, why } = former;
        let why = Line::of(Style::Faint, format!(" until {}: {why}", second(*until)));
        field("formerly", Line::from(shown_address(address)).and(why))
    };
    formerly.iter().rev().map(former).collect()
}

/// A name and its value, one under the other in a block.
pub(super) fn field(name: &str, value: impl Into<Line>) -> Line {
    // A name that is longer than the column keeps a blank behind it.
    Line::from("  ").then(Style::Faint, name).pad_to(13).plain(" ").and(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_unit_that_fits() {
        for (size, told) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), told);
        }
    }
}

//! Words and figures that several commands say alike.

use feedspine::core::{Json, Record, Timestamp};

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

/// `1 feed`, `2 feeds`
pub(super) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
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

/// A name and its value, one under the other in a block.
pub(super) fn field(name: &str, value: impl Into<Line>) -> Line {
    Line::from("  ").then(Style::Faint, name).pad_to(14).and(value.into())
}

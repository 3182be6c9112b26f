//! `feedspine history`: the versions of a record, and what each changed.

use feedspine::core::{Cursor, Json, Version};
use feedspine::ops::{FieldChange, HistoryView, RecordHistory, field_changes};
use feedspine::{Ending, OpError};

use super::Context;
use super::records::{departed, more, warn};
use super::words::{SHORT, occasion_in_words, second, title};
use crate::arguments;
use crate::printer::{Line, Style, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::History, context: Context<'_>) -> Result<Ending, OpError> {
    let request = RecordHistory {
        record: arguments.record,
        layer: arguments.layer,
        limit: arguments.page.limit,
        cursor: arguments.page.cursor.map(Cursor::from_text),
    };
    let view = context.with_engine(Wanted::Existing, async |engine| engine.history(&request).await).await?;
    context.printer.answer(&view, || told(&view, context.printer.width()));
    warn(context, &view.warnings);
    more(context, view.versions.next.as_ref());
    Ok(Ending::Done)
}

fn told(view: &HistoryView, width: Option<usize>) -> Vec<Line> {
    let mut lines =
        vec![Line::of(Style::Strong, title(&view.record)).then(Style::Faint, format!("  {}", view.record.key.key()))];
    let mut before: Option<&Version> = None;
    let mut departures = view.departures.iter().peekable();
    for (at, version) in view.versions.items.iter().enumerate() {
        // What happened between two versions is told between them; of what a page begins behind, nothing is.
        while let Some(departure) = departures.next_if(|departure| departure.recorded_at < version.recorded_at) {
            lines.extend(before.map(|_| Line::from("  ").and(departed(departure))));
        }
        let head = Line::from("  ").then(Style::Notable, format!("v{}", version.number)).pad_to(6);
        let head = head
            .plain(second(version.recorded_at))
            .then(Style::Faint, format!("  {}", &version.content.hash().to_string()[..12]));
        let head = if view.is_minor(at) == Some(true) { head.then(Style::Faint, "  minor") } else { head };
        lines.push(match view.occasion(at) {
            Some(occasion) => head.then(Style::Notable, format!("  {}", occasion_in_words(occasion))),
            None => head,
        });
        match before {
            Some(before) => lines.extend(differences(before, version)),
            // A list that goes on in the middle begins with a version whose predecessor is not at hand.
            None if version.number.get() == 1 => {
                lines.push(Line::from("      ").then(Style::Faint, "as first captured"));
            }
            None => {}
        }
        before = Some(version);
    }
    if view.versions.next.is_none() {
        lines.extend(departures.map(|departure| Line::from("  ").and(departed(departure))));
    }
    lines.into_iter().map(|line| width.map_or(line.clone(), |width| line.cut_to(width))).collect()
}

/// What changed between two versions.
fn differences(before: &Version, after: &Version) -> Vec<Line> {
    let lines = changes(&field_changes(&before.content, &after.content));
    if lines.is_empty() { vec![Line::from("      ").then(Style::Faint, "the metadata changed")] } else { lines }
}

/// The values that differ, as they were and as they are.
pub(super) fn changes(fields: &[FieldChange]) -> Vec<Line> {
    let mut lines = Vec::new();
    for FieldChange { name, was, is } in fields {
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (was, is) = from_where_they_differ(was.as_ref().map(text), is.as_ref().map(text));
        let line = |sign: &str, style, value: String| {
            Line::from("      ").then(Style::Faint, name).then(style, format!(" {sign} {value}"))
        };
        lines.extend(was.map(|value| line("-", Style::Bad, value)));
        lines.extend(is.map(|value| line("+", Style::Good, value)));
    }
    lines
}

/// Long texts that begin alike are shown from shortly before where they part.
fn from_where_they_differ(was: Option<String>, is: Option<String>) -> (Option<String>, Option<String>) {
    const LEAD: usize = 24;
    let (Some(old), Some(new)) = (&was, &is) else {
        return (was.map(|text| excerpt(&text, SHORT)), is.map(|text| excerpt(&text, SHORT)));
    };
    let alike = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let skip = alike.saturating_sub(LEAD);
    let from = |text: &str| {
        let rest: String = text.chars().skip(skip).take(SHORT).collect();
        excerpt(&if skip > 0 { format!("…{rest}") } else { rest }, SHORT)
    };
    (Some(from(old)), Some(from(new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_shown_from_where_they_part() {
        let (was, is) = from_where_they_differ(
            Some("a long beginning that both of them have in common: one".into()),
            Some("a long beginning that both of them have in common: two".into()),
        );
        assert_eq!(was.unwrap(), "…of them have in common: one");
        assert_eq!(is.unwrap(), "…of them have in common: two");
    }
}

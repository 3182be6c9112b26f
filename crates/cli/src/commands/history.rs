//! `feedspine history`: the versions of a record, and what each changed.

use std::collections::BTreeSet;

use feedspine::core::{Cursor, Json, Version};
use feedspine::ops::{HistoryView, RecordHistory};
use feedspine::{Ending, OpError};

use super::Context;
use super::records::{departed, more, warn};
use super::words::{SHORT, second, title};
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
        lines.push(if view.is_minor(at) == Some(true) { head.then(Style::Faint, "  minor") } else { head });
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

/// The members that differ, as they were and as they are.
fn differences(before: &Version, after: &Version) -> Vec<Line> {
    let (old, new) = (leaves(&before.content.to_json()), leaves(&after.content.to_json()));
    let names: BTreeSet<&String> = old.iter().chain(&new).map(|(name, _)| name).collect();
    let find =
        |of: &[(String, String)], name: &str| of.iter().find(|(held, _)| held == name).map(|(_, value)| value.clone());
    let mut lines = Vec::new();
    for name in names {
        let (was, is) = (find(&old, name), find(&new, name));
        if was == is {
            continue;
        }
        let (was, is) = from_where_they_differ(was, is);
        let line = |sign: &str, style, value: String| {
            Line::from("      ").then(Style::Faint, name).then(style, format!(" {sign} {value}"))
        };
        lines.extend(was.map(|value| line("-", Style::Bad, value)));
        lines.extend(is.map(|value| line("+", Style::Good, value)));
    }
    if lines.is_empty() {
        lines.push(Line::from("      ").then(Style::Faint, "the metadata changed"));
    }
    lines
}

/// Every value in the content with its path.
fn leaves(content: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather("", content, &mut found);
    found
}

fn gather(path: &str, value: &Json, found: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| gather(&below(name), value, found)),
        Json::Array(members) => {
            members.iter().enumerate().for_each(|(at, value)| gather(&below(&at.to_string()), value, found));
        }
        Json::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
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

    #[test]
    fn leaves_are_named_by_their_paths() {
        let content = Json::parse(r#"{"a":[{"b":1}],"c":"d"}"#).unwrap();
        assert_eq!(leaves(&content), [("a.0.b".into(), "1".into()), ("c".into(), "d".into())]);
    }
}

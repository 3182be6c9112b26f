//! `feedspine health` and `gaps`: how feeds are, and what may have been missed of them.

use feedspine::ops::{FeedHealth, Gap, HealthReport, Light};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{counted, second};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Health, context: Context<'_>) -> Result<Ending, OpError> {
    let feed = arguments.feed.as_ref();
    let report = context.with_engine(Wanted::Existing, async |engine| engine.health(feed).await).await?;
    let all = arguments.all || feed.is_some();
    context.printer.answer(&report, || told(&report, all, context.printer.width()));
    Ok(report.ending())
}

fn told(report: &HealthReport, all: bool, width: Option<usize>) -> Vec<Line> {
    let count = |light: Light| format!("{} {}", report.count(light), light.as_str());
    let mut lines = vec![
        Line::from(counted(report.feeds.len() as u64, "feed"))
            .plain(": ")
            .then(Style::Bad, count(Light::Red))
            .plain(", ")
            .then(Style::Notable, count(Light::Amber))
            .plain(", ")
            .plain(count(Light::Green)),
    ];
    let shown: Vec<&FeedHealth> = report.feeds.iter().filter(|feed| all || feed.light > Light::Green).collect();
    if shown.is_empty() {
        return lines;
    }
    let columns = [
        ("", Set::Left),
        ("feed", Set::Flexible),
        ("freshness", Set::Left),
        ("answered", Set::Left),
        ("something new", Set::Left),
        ("why", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    shown.into_iter().flat_map(rows).for_each(|row| table.row(row));
    lines.push(Line::new());
    lines.extend(table.lines(width));
    lines
}

/// A row for each reason; the feed stands in the first.
fn rows(health: &FeedHealth) -> Vec<[Line; 6]> {
    let style = match health.light {
        Light::Red => Style::Bad,
        Light::Amber => Style::Notable,
        Light::Green => Style::Plain,
    };
    let at = |at: Option<feedspine::core::Timestamp>| Line::from(at.map_or_else(|| "never".to_owned(), second));
    let mut reasons = health.reasons.iter().map(|(_, words)| Line::from(words.as_str()));
    let first = [
        Line::of(style, health.light.as_str()),
        health.feed.as_str().into(),
        health.freshness.as_str().into(),
        at(health.answered_at),
        at(health.last_new),
        reasons.next().unwrap_or_default(),
    ];
    let further = reasons.map(|reason| [Line::new(), Line::new(), Line::new(), Line::new(), Line::new(), reason]);
    [first].into_iter().chain(further).collect()
}

pub(super) async fn gaps(arguments: arguments::Gaps, context: Context<'_>) -> Result<Ending, OpError> {
    let feed = arguments.feed.as_ref();
    let found = context.with_engine(Wanted::Existing, async |engine| engine.gaps(feed).await).await?;
    let printer = context.printer;
    printer.answer(&found, || {
        let columns = [("feed", Set::Flexible), ("from", Set::Left), ("to", Set::Left), ("items", Set::Right)];
        let mut table = Table::new(&columns);
        found.gaps.iter().for_each(|gap| table.row(gap_row(gap)));
        if found.gaps.is_empty() { Vec::new() } else { table.lines(printer.width()) }
    });
    printer.note(if found.gaps.is_empty() {
        "no document shared nothing with the one before it: no gap is known"
    } else {
        "what was listed only between these times was never seen; a shorter `every` makes gaps rarer"
    });
    Ok(Ending::Done)
}

fn gap_row(gap: &Gap) -> [Line; 4] {
    [
        gap.feed.as_str().into(),
        gap.from.map_or_else(|| "(unknown)".to_owned(), second).into(),
        second(gap.to).into(),
        gap.items.to_string().into(),
    ]
}

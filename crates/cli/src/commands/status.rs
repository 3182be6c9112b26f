//! `feedspine status`

use feedspine::core::FetchStatus;
use feedspine::ops::{FeedState, FetchOutcome, Status};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, counted, field, minute};
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::secrets::without_password;
use crate::stores::Wanted;

pub(super) async fn run(context: Context<'_>) -> Result<Ending, OpError> {
    let status = context.with_engine(Wanted::Existing, async |engine| engine.status().await).await?;
    let printer = context.printer;
    printer.answer(&status, || told(&status, &context.config.db, printer.width()));
    if status.feeds.is_empty() {
        printer.note(Line::of(Style::Faint, "hint").plain(": `feedspine add URL` adds a feed"));
    }
    Ok(Ending::Done)
}

fn told(status: &Status, db: &str, width: Option<usize>) -> Vec<Line> {
    let backend = &status.backend;
    let failing =
        status.feeds.iter().filter(|state| last(state) == Some(FetchOutcome::Ended(FetchStatus::Failed))).count();
    let mut feeds = Line::from(counted(status.feeds.len() as u64, "feed"));
    if failing > 0 {
        feeds = feeds.plain(", ").then(Style::Bad, format!("{failing} failed last time"));
    }
    let mut lines = vec![
        field("store", without_password(db)),
        field("backend", format!("{}, schema {}", backend.name, backend.schema_version)),
        field("records", Line::of(Style::Strong, status.records.to_string())),
        field("feeds", feeds),
    ];
    if status.feeds.is_empty() {
        return lines;
    }
    let columns = [
        ("feed", Set::Flexible),
        ("status", Set::Left),
        ("last fetch", Set::Left),
        ("outcome", Set::Left),
        ("", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    for state in &status.feeds {
        table.row(row(state));
    }
    lines.push(Line::new());
    lines.extend(table.lines(width));
    lines
}

fn row(state: &FeedState) -> [Line; 5] {
    let fetch = state.last_fetch.as_ref();
    let at = fetch.map_or_else(|| Line::of(Style::Faint, "never"), |fetch| minute(fetch.intent.started_at).into());
    let outcome = last(state).map_or_else(Line::new, outcome);
    let reason = fetch.and_then(|fetch| fetch.detail.as_ref()).and_then(|detail| detail.reason.as_deref());
    let status = state.feed.status.as_str();
    let status_style = if status == "active" { Style::Plain } else { Style::Notable };
    [
        Line::from(state.feed.name.as_str()),
        Line::of(status_style, status),
        at,
        outcome,
        Line::of(Style::Faint, excerpt(reason.unwrap_or_default(), SHORT)),
    ]
}

fn last(state: &FeedState) -> Option<FetchOutcome> {
    state.last_fetch.as_ref().map(FetchOutcome::of)
}

/// How a fetch ended, in its colour.
pub(super) fn outcome(told: FetchOutcome) -> Line {
    let style = match told {
        FetchOutcome::Ended(FetchStatus::Failed) => Style::Bad,
        FetchOutcome::Ended(FetchStatus::Captured | FetchStatus::Unchanged) => Style::Plain,
        FetchOutcome::Ended(FetchStatus::Interrupted | FetchStatus::Running | FetchStatus::Superseded)
        | FetchOutcome::Resting => Style::Notable,
    };
    Line::of(style, told.as_str())
}

//! `feedspine collect`: a line for each feed as it ends, and their sum.

use feedspine::core::{Counts, FeedName, FetchStatus};
use feedspine::ops::{Collect, CollectEvent, CollectReport, FeedReport, Which};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{counted, second};
use crate::arguments;
use crate::printer::{Format, Line, Printer, Style};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Collect, context: Context<'_>) -> Result<Ending, OpError> {
    let printer = context.printer;
    let request = Collect {
        which: if arguments.feeds.is_empty() { Which::Active } else { Which::Named(arguments.feeds) },
        allow_private: arguments.allow_private,
    };
    let report = context.with_engine(Wanted::Existing, async |engine| {
        let feeds = engine.feeds().await?.items;
        let names: Vec<&FeedName> = match &request.which {
            Which::Active => feeds.iter().map(|feed| &feed.name).collect(),
            Which::Named(names) => names.iter().collect(),
        };
        let table = Rows::new(&names, printer.width());
        let tell = |event: CollectEvent<'_>| match event {
            CollectEvent::Begun { feeds } => {
                if feeds > 0 && printer.format() == Format::Text {
                    printer.line(&table.heading());
                }
                printer.progress_begins("collecting", feeds);
            }
            CollectEvent::Started { .. } => {}
            CollectEvent::Ended { report } => {
                printer.progress_step();
                if printer.format() == Format::Text {
                    ended(printer, &table, report);
                }
            }
        };
        let report = engine.collect(&request, &tell).await?;
        printer.progress_ends();
        if printer.format() == Format::Text && report.feeds.len() > 1 {
            printer.line(&table.sum(&report));
        }
        Ok(report)
    });
    let report = report.await?;
    printer.answer(&report, Vec::new);
    if report.feeds.is_empty() {
        printer.note("there is no feed to collect");
        printer.note(
            Line::of(Style::Faint, "hint")
                .plain(": `feedspine add URL` adds one, `feedspine feed list` names those that are paused"),
        );
    }
    Ok(report.ending())
}

fn ended(printer: &Printer, table: &Rows, report: &FeedReport) {
    printer.line(&table.row(report));
    failure(printer, report);
    warnings(printer, report);
}

/// Why a feed was not fetched: a host that rests is nobody's fault.
pub(super) fn failure(printer: &Printer, report: &FeedReport) {
    match &report.error {
        Some(error) if report.is_resting() => {
            let next = report.next.as_ref().and_then(|next| next.at).map(|at| format!("; next {}", second(at)));
            printer.note(format!("{}: not asked: {error}{}", report.feed, next.unwrap_or_default()));
        }
        Some(error) => printer.error(Some(report.feed.as_str()), error),
        None => {}
    }
}

/// What is to be told of a fetch beside its outcome.
pub(super) fn warnings(printer: &Printer, report: &FeedReport) {
    if report.counts.gaps > 0 {
        let gap = "the document shares no item with the one before it: items in between may have been missed";
        printer.warning(format!("{}: gap: {gap}", report.feed));
    }
    for warning in &report.warnings {
        let line = Line::of(Style::Notable, "warning").plain(format!(": {}: {warning}", report.feed));
        let is_for_all = report.outcome == FetchStatus::Superseded || asks_for_something(warning);
        if is_for_all { printer.note(line) } else { printer.detail(line) }
    }
}

/// Whether a warning is of something that was left out or left undone, which somebody has to know. What was odd and was
/// mended is a detail.
fn asks_for_something(warning: &str) -> bool {
    const CODES: [&str; 10] = [
        "archive.",
        "edgar.",
        "feed.",
        "files.",
        "http.rate_exceeded",
        "http.stale_validators",
        "inbox.",
        "pages.",
        "sitemap.unread",
        "tls.insecure",
    ];
    CODES.iter().any(|code| warning.starts_with(code))
}

/// The numbers of a row, with the columns they take at least.
const NUMBERS: [(&str, usize); 8] = [
    ("new", 4),
    ("changed", 7),
    ("unchanged", 9),
    ("withdrawn", 9),
    ("scrolled_off", 12),
    ("rejected", 8),
    ("ms", 5),
    ("bytes", 6),
];
/// The last columns, what the fetch cost, are left out where there is no room for them.
const COSTS: usize = 2;
/// A longer word pushes the numbers of its row aside: it is rare.
const OUTCOME: usize = "unchanged".len();
/// So much of a name is shown at least, costs left out for it.
const NAME: usize = 12;

/// Rows that are written before all of them are known: their columns are fixed beforehand.
struct Rows {
    name: usize,
    numbers: &'static [(&'static str, usize)],
}

/// Columns of all but the name, with the blanks between.
fn columns(numbers: &[(&str, usize)]) -> usize {
    2 + OUTCOME + numbers.iter().map(|(_, width)| 1 + width).sum::<usize>()
}

impl Rows {
    fn new(names: &[&FeedName], width: Option<usize>) -> Self {
        let shortest = counted(names.len() as u64, "feed").len();
        let longest = names.iter().map(|name| Line::from(name.as_str()).width()).max().unwrap_or(0).max(shortest);
        let fits = |width: usize| width >= columns(&NUMBERS) + NAME;
        let numbers = if width.is_none_or(fits) { &NUMBERS[..] } else { &NUMBERS[..NUMBERS.len() - COSTS] };
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(columns(numbers)).max(8));
        Self { name: longest.min(room), numbers }
    }

    fn heading(&self) -> Line {
        let line = Line::of(Style::Faint, "feed").pad_to(self.name + 2).then(Style::Faint, "outcome");
        let mut line = line.pad_to(self.name + 2 + OUTCOME);
        for (name, width) in self.numbers {
            line = line.plain(" ").then(Style::Faint, format!("{name:>width$}"));
        }
        line
    }

    fn row(&self, report: &FeedReport) -> Line {
        let style = match report.outcome {
            _ if report.is_resting() => Style::Notable,
            FetchStatus::Failed => Style::Bad,
            FetchStatus::Captured => Style::Plain,
            _ => Style::Faint,
        };
        let outcome = Line::of(style, report.told().as_str());
        let name = Line::from(report.feed.as_str());
        self.line(name, outcome, &report.counts, [report.duration_ms, report.wire_bytes])
    }

    fn sum(&self, report: &CollectReport) -> Line {
        let failed = report.failed().count();
        let outcome = match (failed, report.resting()) {
            (0, 0) => Line::new(),
            (0, resting) => Line::of(Style::Notable, format!("{resting} resting")),
            (failed, _) => Line::of(Style::Bad, format!("{failed} failed")),
        };
        let bytes = report.feeds.iter().map(|feed| feed.wire_bytes).sum();
        let name = Line::of(Style::Strong, counted(report.feeds.len() as u64, "feed"));
        self.line(name, outcome, &report.counts, [report.duration_ms, bytes])
    }

    fn line(&self, name: Line, outcome: Line, counts: &Counts, cost: [u64; 2]) -> Line {
        let numbers = [
            (counts.new, Style::Good),
            (counts.changed, Style::Notable),
            (counts.unchanged, Style::Plain),
            (counts.withdrawn, Style::Bad),
            (counts.scrolled_off, Style::Plain),
            (counts.rejected, Style::Bad),
            (cost[0], Style::Plain),
            (cost[1], Style::Plain),
        ];
        let line = name.cut_to(self.name).pad_to(self.name + 2).and(outcome);
        let mut line = line.pad_to(self.name + 2 + OUTCOME);
        for ((number, style), (_, width)) in numbers.into_iter().zip(self.numbers) {
            let style = if number == 0 { Style::Faint } else { style };
            line = line.plain(" ").then(style, format!("{number:>width$}"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_or_has_no_effect_is_told_without_being_asked_for() {
        for (warning, told) in [
            ("edgar.unread: 2026/QTR4/master.20261124.idx: http.status: https://a answered 500", true),
            ("feed.configured_otherwise: key is id, not link", true),
            ("feed.unstable_keys: 7 of 9 items came back under another key", true),
            ("pages.limit: only 9 pages were read", true),
            ("edgar.columns: the column x has 1 value for 2 filings", true),
            ("http.rate_exceeded: 2026/QTR4/master.20261124.idx: https://a answered 403", true),
            ("http.padding: 2 bytes after the end of the gzip body were left out", false),
            ("date.zone_assumed (2 times): the date \"x\"", false),
        ] {
            assert_eq!(asks_for_something(warning), told, "{warning}");
        }
    }

    #[test]
    fn a_row_fits_a_terminal_of_eighty_columns() {
        let name = FeedName::new(&"a".repeat(100)).unwrap();
        let rows = Rows::new(&[&name], Some(80));
        let line = rows.line(name.as_str().into(), "unchanged".into(), &Counts::default(), [99_999, 999_999]);
        assert_eq!((rows.heading().width(), line.width()), (80, 80));
        let wide = Rows::new(&[&name], Some(100));
        assert_eq!((rows.numbers.len(), wide.numbers.len(), wide.heading().width()), (6, 8, 100));
    }
}

//! `feedspine runs`, `explain` and `politeness`: what the ledger of fetches tells.

use std::time::Duration;

use feedspine::core::{FetchStatus, Timestamp};
use feedspine::ops::{
    Explanation, FetchOutcome, HostFigures, ListRuns, NextFetch, Politeness, PolitenessOf, Run, RunKind,
};
use feedspine::{Clock, Ending, Familiar, OpError, Pointing, SystemClock, shown_address};

use super::Context;
use super::status::outcome;
use super::words::{SHORT, bytes, field, formerly, pushed_in_words, resting, second};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn runs(arguments: arguments::Runs, context: Context<'_>) -> Result<Ending, OpError> {
    let request = ListRuns {
        feed: arguments.feed,
        since: arguments.since.map(ago),
        only: if arguments.failed { RunKind::Failed } else { RunKind::All },
        limit: arguments.limit.get(),
    };
    let listed = context.with_engine(Wanted::Existing, async |engine| engine.runs(&request).await).await?;
    let printer = context.printer;
    printer.answer(&listed, || {
        let columns = [
            ("began", Set::Left),
            ("feed", Set::Flexible),
            ("outcome", Set::Left),
            ("http", Set::Right),
            ("requests", Set::Right),
            ("ms", Set::Right),
            ("bytes", Set::Right),
            ("body", Set::Left),
            ("next", Set::Left),
            ("", Set::Flexible),
        ];
        let mut table = Table::new(&columns);
        listed.runs.iter().for_each(|run| table.row(row(run)));
        if listed.runs.is_empty() { Vec::new() } else { table.lines(printer.width()) }
    });
    if listed.runs.is_empty() {
        printer.note("no fetch is on record that fits");
    }
    if listed.more {
        printer.note("there are more: --limit shows them");
    }
    Ok(Ending::Done)
}

fn row(run: &Run) -> [Line; 10] {
    let detail = run.fetch.detail.as_ref();
    let told = FetchOutcome::of(&run.fetch);
    let number = |number: Option<u64>| Line::from(number.map(|number| number.to_string()).unwrap_or_default());
    let reason = detail.and_then(|detail| detail.reason.as_deref());
    let words = [run.pushed.as_ref().map(pushed_in_words), reason.map(str::to_owned)];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join("; ");
    // As many digits as tell one from another by eye; --json has all.
    let body = run.captured.first.map(|body| body.to_string()[..12].to_owned());
    let next = run.next.as_ref().map(|next| next.at.map_or_else(|| "never".to_owned(), second));
    [
        second(run.fetch.intent.started_at).into(),
        run.feed.as_ref().map_or("(unknown)", |feed| feed.as_str()).into(),
        outcome(told),
        number(detail.and_then(|detail| detail.http_status).map(u64::from)),
        // Of a fetch whose process died nobody knows.
        number(Some(run.requests).filter(|_| told != FetchOutcome::Ended(FetchStatus::Interrupted))),
        number(detail.map(|detail| detail.duration_ms)),
        number(detail.map(|detail| detail.wire_bytes)),
        body.unwrap_or_default().into(),
        next.unwrap_or_default().into(),
        Line::of(Style::Faint, excerpt(&words, SHORT)),
    ]
}

pub(super) async fn explain(arguments: arguments::Explain, context: Context<'_>) -> Result<Ending, OpError> {
    let told = context.with_engine(Wanted::Existing, async |engine| engine.explain(&arguments.feed).await).await?;
    context.printer.answer(&told, || explained(&told));
    Ok(Ending::Done)
}

fn explained(told: &Explanation) -> Vec<Line> {
    let at = |next: &NextFetch| next.at.map_or_else(|| "never by itself".to_owned(), second);
    let mut lines = vec![field("feed", told.feed.name.as_str()), field("status", told.feed.status.as_str())];
    match &told.next {
        Some(next) => {
            lines.push(field("next", Line::of(Style::Strong, at(next))));
            lines.push(field("why", next.why.as_str()));
        }
        None => lines.push(field("next", "not decided: `feedspine watch` schedules it, or a collect")),
    }
    lines.push(field("rhythm", told.rhythm.to_string()));
    if let Some(pointing) = &told.pointing {
        let Pointing { to, since, fetches, content } = pointing;
        let led =
            format!("{}, by permanent redirects since {}, in {fetches} fetches", shown_address(to), second(*since));
        lines.push(field("leads to", led));
        if *content == Familiar::No {
            lines.push(field("", "not taken over: it listed no item that was known when it first led there"));
        }
    }
    lines.extend(formerly(&told.formerly));
    if let Some(fetch) = &told.last {
        let told = outcome(FetchOutcome::of(fetch));
        lines.push(field("last fetch", Line::from(second(fetch.intent.started_at)).plain(" ").and(told)));
        if let Some(reason) = fetch.detail.as_ref().and_then(|detail| detail.reason.as_deref()) {
            lines.push(field("", excerpt(reason, SHORT)));
        }
    }
    if let Some(host) = &told.host {
        let pace = format!("{}, asked every {:?} at most", host.host, Duration::from_millis(host.interval_ms));
        lines.push(field("host", pace));
        lines.extend(host.rest.as_ref().map(|rest| field("", resting(rest))));
        if let (Some(holder), Some(until)) = (&host.holder, host.until) {
            lines.push(field("", format!("leased to {holder} until {}", second(until))));
        }
    }
    if told.decisions.len() > 1 {
        lines.push(Line::new());
        let mut table = Table::new(&[("decided", Set::Left), ("next", Set::Left), ("why", Set::Flexible)]);
        for (decided_at, next) in &told.decisions {
            table.row([second(*decided_at).into(), at(next).into(), next.why.as_str().into()]);
        }
        lines.extend(table.lines(None));
    }
    lines
}

pub(super) async fn politeness(arguments: arguments::Politeness, context: Context<'_>) -> Result<Ending, OpError> {
    let request = PolitenessOf { since: ago(arguments.since) };
    let told = context.with_engine(Wanted::Existing, async |engine| engine.politeness(&request).await).await?;
    let printer = context.printer;
    printer.answer(&told, || hosts(&told, printer.width()));
    if told.hosts.is_empty() {
        printer.note("no host was asked in that time");
    }
    Ok(Ending::Done)
}

fn hosts(told: &Politeness, width: Option<usize>) -> Vec<Line> {
    if told.hosts.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("host", Set::Flexible),
        ("requests", Set::Right),
        ("304", Set::Right),
        ("refused", Set::Right),
        ("unanswered", Set::Right),
        ("received", Set::Right),
        ("saved", Set::Right),
        ("most/s", Set::Right),
        ("most/min", Set::Right),
        ("closest", Set::Right),
        ("allowed", Set::Right),
    ];
    let mut table = Table::new(&columns);
    for (host, figures) in &told.hosts {
        table.row(host_row(
            host,
            figures,
            told.allowed_gap_us.get(host).copied(),
            told.learned_gap_us.get(host).copied(),
        ));
    }
    table.lines(width)
}

fn host_row(host: &str, figures: &HostFigures, allowed_us: Option<u64>, learned_us: Option<u64>) -> [Line; 11] {
    let share = figures.not_modified * 100 / figures.requests.max(1);
    let too_close = figures.shortest_gap_us.zip(allowed_us).is_some_and(|(gap, allowed)| gap + TICK_US < allowed);
    let style = if too_close { Style::Bad } else { Style::Plain };
    let gap = |micros: Option<u64>| micros.map(|us| format!("{:.1} s", Duration::from_micros(us).as_secs_f64()));
    [
        host.into(),
        figures.requests.to_string().into(),
        format!("{share} %").into(),
        figures.refused.to_string().into(),
        figures.unanswered.to_string().into(),
        bytes(figures.wire_bytes).into(),
        bytes(figures.saved_bytes).into(),
        figures.most_per_second.to_string().into(),
        figures.most_per_minute.to_string().into(),
        Line::of(style, gap(figures.shortest_gap_us).unwrap_or_default()),
        match gap(learned_us) {
            Some(learned) => Line::of(Style::Notable, format!("{learned} now")),
            None => gap(allowed_us).unwrap_or_default().into(),
        },
    ]
}

/// Timers go by milliseconds: requests may be so much closer than they are meant to be.
const TICK_US: u64 = 5_000;

/// So long before now.
fn ago(duration: Duration) -> Timestamp {
    let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    SystemClock.now().saturating_add_micros(-micros)
}

//! `feedspine captures`: what is kept of the bytes that fetches brought; the bytes; what is forgotten of them.

use std::io::Write;

use feedspine::core::{FeedCaptures, HeldCapture};
use feedspine::ops::{CaptureList, CaptureOf, CaptureOverview, DryRun, ListCaptures, PruneCaptures, PrunedCaptures};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, bodies, bytes, counted, second};
use crate::arguments::{self, CapturesCommand};
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Captures, context: Context<'_>) -> Result<Ending, OpError> {
    match (arguments.command, arguments.feed) {
        (Some(CapturesCommand::Show(show)), _) => shown(show, context).await?,
        (Some(CapturesCommand::Prune(prune)), _) => pruned(prune, context).await?,
        (None, Some(feed)) => listed(ListCaptures { feed, limit: arguments.limit.get() }, context).await?,
        (None, None) => overview(context).await?,
    }
    Ok(Ending::Done)
}

async fn overview(context: Context<'_>) -> Result<(), OpError> {
    let told = context.with_engine(Wanted::Existing, async |engine| engine.capture_overview().await).await?;
    let printer = context.printer;
    printer.answer(&told, || by_feed(&told, printer.width()));
    if told.feeds.is_empty() {
        printer.note("nothing is kept of any fetch");
    }
    Ok(())
}

fn by_feed(told: &CaptureOverview, width: Option<usize>) -> Vec<Line> {
    if told.feeds.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("feed", Set::Flexible),
        ("captures", Set::Right),
        ("bodies", Set::Right),
        ("received", Set::Right),
        ("takes", Set::Right),
        ("keeps", Set::Left),
    ];
    let mut table = Table::new(&columns);
    for of in &told.feeds {
        let FeedCaptures { captures, bodies: distinct, bytes: received, packed_bytes, .. } = of.figures;
        table.row([
            of.feed.as_str().into(),
            captures.to_string().into(),
            distinct.to_string().into(),
            bytes(received).into(),
            bytes(packed_bytes).into(),
            of.keep.to_string().into(),
        ]);
    }
    let mut lines = table.lines(width);
    let all = format!("{} in all, {}", bodies(told.bodies), bytes(told.packed_bytes));
    lines.push(Line::of(Style::Faint, all));
    lines
}

async fn listed(request: ListCaptures, context: Context<'_>) -> Result<(), OpError> {
    let list = context.with_engine(Wanted::Existing, async |engine| engine.captures(&request).await).await?;
    let printer = context.printer;
    printer.answer(&list, || captures(&list, printer.width()));
    let left = list.total - list.captures.len() as u64;
    match (list.total, left) {
        (0, _) => printer.note("nothing is kept of its fetches"),
        (_, 0) => {}
        (_, left) => {
            printer
                .note(Line::of(Style::Faint, format!("{} before these: --limit shows more", counted(left, "capture"))));
        }
    }
    Ok(())
}

fn captures(list: &CaptureList, width: Option<usize>) -> Vec<Line> {
    if list.captures.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("read", Set::Left),
        ("fetch", Set::Left),
        ("item", Set::Right),
        ("http", Set::Right),
        ("received", Set::Right),
        ("takes", Set::Right),
        ("type", Set::Flexible),
        ("body", Set::Left),
    ];
    let mut table = Table::new(&columns);
    for HeldCapture { capture, bytes: received, packed_bytes } in &list.captures {
        table.row([
            second(capture.observed_at).into(),
            capture.name.fetch.to_string().into(),
            capture.name.first_ordinal.to_string().into(),
            Line::from(capture.http_status.map(|status| status.to_string()).unwrap_or_default()),
            bytes(*received).into(),
            bytes(*packed_bytes).into(),
            Line::from(excerpt(capture.content_type.as_deref().unwrap_or_default(), SHORT)),
            // As many digits as tell one from another by eye; --json has all.
            Line::of(Style::Faint, &capture.body.to_string()[..12]),
        ]);
    }
    table.lines(width)
}

async fn shown(show: arguments::ShowCapture, context: Context<'_>) -> Result<(), OpError> {
    let request = CaptureOf { feed: show.feed, fetch: show.fetch, first_ordinal: show.item };
    let body = context.with_engine(Wanted::Existing, async |engine| engine.capture_bytes(&request).await).await?;
    // What cannot be written is told when the printer finishes.
    drop(context.printer.raw().write_all(&body));
    Ok(())
}

async fn pruned(prune: arguments::PruneCaptures, context: Context<'_>) -> Result<(), OpError> {
    let dry_run = if prune.dry_run { DryRun::Yes } else { DryRun::No };
    let request = PruneCaptures { feed: prune.feed, older_than: prune.older_than, dry_run };
    let told = context.with_engine(Wanted::Existing, async |engine| engine.prune_captures(&request).await).await?;
    let printer = context.printer;
    printer.answer(&told, || went(&told));
    if told.forgotten.captures == 0 {
        printer.note("nothing goes: all that is kept is to be kept (`feedspine captures` tells how long)");
    }
    Ok(())
}

fn went(told: &PrunedCaptures) -> Vec<Line> {
    if told.forgotten.captures == 0 {
        return Vec::new();
    }
    let of_feed = |(feed, captures): &(feedspine::core::FeedName, u64)| {
        Line::from("  ").then(Style::Strong, feed.as_str()).plain(format!("  {}", counted(*captures, "capture")))
    };
    let mut lines: Vec<Line> = told.feeds.iter().map(of_feed).collect();
    let captures = counted(told.forgotten.captures, "capture");
    let freed = bytes(told.forgotten.packed_bytes);
    lines.push(match told.dry_run {
        DryRun::Yes => Line::of(Style::Strong, "would go").plain(format!(": {captures}, which free {freed} at most")),
        DryRun::No => Line::of(Style::Good, "forgotten").plain(format!(": {captures}, {freed} freed")),
    });
    lines
}

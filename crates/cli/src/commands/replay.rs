//! `feedspine replay`: what feeds brought, read again.

use feedspine::ops::{Difference, Differences, FeedReplayed, Replay, ReplayKind, Replayed};
use feedspine::{Ending, OpError};

use super::Context;
use super::history::changes;
use super::words::second;
use crate::arguments;
use crate::printer::{Line, Style};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Replay, context: Context<'_>) -> Result<Ending, OpError> {
    let request = Replay {
        feed: arguments.feed,
        since: arguments.since.map(arguments::Since::begin),
        differences: if arguments.apply { Differences::Applied } else { Differences::Shown },
        limit: arguments.limit,
    };
    let replayed = context.with_engine(Wanted::Existing, async |engine| engine.replay(&request).await).await?;
    let printer = context.printer;
    printer.answer(&replayed, || {
        let lines = replayed.items.iter().flat_map(difference);
        lines.map(|line| printer.width().map_or(line.clone(), |width| line.cut_to(width))).collect()
    });
    for feed in &replayed.feeds {
        if let Some(error) = &feed.error {
            printer.warning(format!("{}: {error}", feed.feed));
        }
    }
    foot(&replayed, &request, context);
    Ok(replayed.ending())
}

/// What an item is, and what changes.
fn difference(difference: &Difference) -> Vec<Line> {
    let Difference { feed, observed_at, kind, key, version, fields, note, .. } = difference;
    let style = match kind {
        ReplayKind::Changed | ReplayKind::Found => Style::Good,
        ReplayKind::Lost | ReplayKind::Rekeyed | ReplayKind::Doubtful => Style::Notable,
        _ => Style::Faint,
    };
    let mut head = Line::of(style, kind.as_str()).pad_to(10).plain(" ").then(Style::Strong, key.key());
    if let Some(version) = version {
        head = head.plain(format!(" v{version}"));
    }
    head = head.then(Style::Faint, format!("  {feed}, fetched {}", second(*observed_at)));
    if let Some(note) = note {
        head = head.then(Style::Faint, format!(": {note}"));
    }
    std::iter::once(head).chain(changes(fields)).collect()
}

fn foot(replayed: &Replayed, request: &Replay, context: Context<'_>) {
    let printer = context.printer;
    let told = replayed.items.len() as u64;
    if replayed.differences() > told + replayed.count(ReplayKind::Sighted) {
        printer.note(Line::of(Style::Faint, "there are more: --limit shows them, and --json counts them by feed"));
    }
    let sum = |figure: fn(&FeedReplayed) -> u64| replayed.feeds.iter().map(figure).sum::<u64>();
    let counts = replayed.counts();
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let counts = if counts.is_empty() { "no items".to_owned() } else { counts.join(", ") };
    let plural = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let bodies = plural(sum(|feed| feed.bodies), "body", "bodies");
    printer.note(format!("{bodies} read again: {counts}"));
    let not_kept = sum(|feed| feed.not_kept);
    if not_kept > 0 {
        let fetches = plural(not_kept, "more fetch", "more fetches");
        printer.note(Line::of(Style::Faint, format!("of {fetches} nothing is kept")));
    }
    let stores = [ReplayKind::Changed, ReplayKind::Found, ReplayKind::Sighted]
        .map(|kind| replayed.count(kind))
        .iter()
        .sum::<u64>();
    if !replayed.applied && stores > 0 {
        let feed = request.feed.as_ref().map(|feed| format!(" {feed}")).unwrap_or_default();
        let apply = context.same_store(&format!("feedspine replay{feed} --apply"));
        printer.note(Line::of(Style::Faint, "hint").plain(format!(": nothing was stored; `{apply}` stores it")));
    }
    for hint in replayed.hints() {
        printer.note(Line::of(Style::Faint, "hint").plain(format!(": {hint}")));
    }
}

//! `feedspine rejects`: items that could not be taken, each with its reason; and tried again.

use feedspine::core::{NaturalKey, Reject};
use feedspine::ops::{FeedReject, ListRejects, RejectList, RetriedRejects, RetryRejects};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, counted, second};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Rejects, context: Context<'_>) -> Result<Ending, OpError> {
    if let Some(arguments::RejectsCommand::Retry(retry)) = arguments.command {
        return retried(retry, context).await;
    }
    let request = ListRejects { feed: arguments.feed, code: arguments.code, limit: arguments.limit };
    let list = context.with_engine(Wanted::Existing, async |engine| engine.rejects(&request).await).await?;
    let printer = context.printer;
    printer.answer(&list, || told(&list, printer.width()));
    let left = list.total - list.items.len() as u64;
    if list.total == 0 {
        printer.note("nothing was rejected");
        return Ok(Ending::Done);
    }
    if left > 0 {
        printer.note(Line::of(Style::Faint, format!("{} before these: --limit shows more", counted(left, "reject"))));
    }
    let retry = context.same_store("feedspine rejects retry");
    let foot = format!("a record of what was rejected: `{retry}` tries each again, and tells what became of it");
    printer.note(Line::of(Style::Faint, foot));
    Ok(Ending::Done)
}

fn told(list: &RejectList, width: Option<usize>) -> Vec<Line> {
    if list.items.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("recorded", Set::Left),
        ("feed", Set::Flexible),
        ("item", Set::Right),
        ("code", Set::Left),
        ("reason", Set::Flexible),
        ("key or beginning", Set::Flexible),
        ("fetch", Set::Left),
    ];
    let mut table = Table::new(&columns);
    for FeedReject { feed, quarantined } in &list.items {
        let reject = &quarantined.reject;
        table.row([
            second(quarantined.recorded_at).into(),
            feed.as_str().into(),
            reject.ordinal.to_string().into(),
            Line::of(Style::Bad, &reject.code),
            excerpt(&reject.reason, SHORT).into(),
            Line::of(Style::Faint, excerpt(shown(reject), SHORT)),
            Line::of(Style::Faint, quarantined.fetch.to_string()),
        ]);
    }
    table.lines(width)
}

/// What a reject is known by: its key, else its beginning.
fn shown(reject: &Reject) -> &str {
    reject.key.as_ref().map_or(reject.excerpt.as_str(), NaturalKey::key)
}

async fn retried(arguments: arguments::RetryRejects, context: Context<'_>) -> Result<Ending, OpError> {
    let request = RetryRejects { feed: arguments.feed, code: arguments.code, limit: arguments.limit };
    let retried = context.with_engine(Wanted::Existing, async |engine| engine.retry_rejects(&request).await).await?;
    let printer = context.printer;
    printer.answer(&retried, || fates(&retried, printer.width()));
    if retried.total() == 0 {
        printer.note("nothing was rejected");
        return Ok(Ending::Done);
    }
    let left = retried.total() - retried.items.len() as u64;
    if left > 0 {
        printer.note(Line::of(Style::Faint, format!("{} behind these", counted(left, "reject"))));
    }
    let taken = ["new", "changed", "unchanged"].map(|word| retried.count(word));
    let (sum, of) = (taken.iter().sum::<u64>(), counted(retried.total(), "reject"));
    printer.note(format!("{sum} of {of} stored: {} new, {} changed, {} unchanged", taken[0], taken[1], taken[2]));
    for hint in &retried.hints {
        printer.note(Line::of(Style::Faint, "hint").plain(format!(": {hint}")));
    }
    Ok(retried.ending())
}

fn fates(retried: &RetriedRejects, width: Option<usize>) -> Vec<Line> {
    if retried.items.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("recorded", Set::Left),
        ("feed", Set::Flexible),
        ("item", Set::Right),
        ("was", Set::Left),
        ("outcome", Set::Left),
        ("key or beginning", Set::Flexible),
        ("reason", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    for item in &retried.items {
        let reject = &item.quarantined.reject;
        let style = match item.fate.as_str() {
            "new" | "changed" | "unchanged" => Style::Good,
            "rejected" | "failed" => Style::Bad,
            "no_body" => Style::Notable,
            _ => Style::Faint,
        };
        let shown = item.fate.key().map_or_else(|| shown(reject), NaturalKey::key);
        table.row([
            second(item.quarantined.recorded_at).into(),
            item.feed.as_str().into(),
            reject.ordinal.to_string().into(),
            Line::of(Style::Faint, &reject.code),
            Line::of(style, item.fate.as_str()),
            excerpt(shown, SHORT).into(),
            Line::of(Style::Faint, excerpt(&item.fate.reason().unwrap_or_default(), SHORT)),
        ]);
    }
    table.lines(width)
}

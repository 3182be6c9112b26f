//! `feedspine rejects`: items that could not be taken, each with its reason.

use feedspine::core::NaturalKey;
use feedspine::ops::{FeedReject, ListRejects, RejectList};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, counted, second};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Rejects, context: Context<'_>) -> Result<Ending, OpError> {
    let request = ListRejects { feed: arguments.feed, code: arguments.code, limit: arguments.limit };
    let list = context.with_engine(Wanted::Existing, async |engine| engine.rejects(&request).await).await?;
    let printer = context.printer;
    printer.answer(&list, || told(&list, printer.width()));
    let left = list.total - list.items.len() as u64;
    if list.total == 0 {
        printer.note("nothing was rejected");
    } else if left > 0 {
        printer.note(Line::of(Style::Faint, format!("{} before these: --limit shows more", counted(left, "reject"))));
    }
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
        let shown = reject.key.as_ref().map_or(reject.excerpt.as_str(), NaturalKey::key);
        table.row([
            second(quarantined.recorded_at).into(),
            feed.as_str().into(),
            reject.ordinal.to_string().into(),
            Line::of(Style::Bad, &reject.code),
            excerpt(&reject.reason, SHORT).into(),
            Line::of(Style::Faint, excerpt(shown, SHORT)),
            Line::of(Style::Faint, quarantined.fetch.to_string()),
        ]);
    }
    table.lines(width)
}

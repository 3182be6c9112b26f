//! `feedspine websub`: what hubs tell of feeds, and how well.

use feedspine::ops::{FeedSubscription, SubscriptionList, SubscriptionState};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, second};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Websub, context: Context<'_>) -> Result<Ending, OpError> {
    let feed = arguments.feed.as_ref();
    let list = context.with_engine(Wanted::Existing, async |engine| engine.subscriptions(feed).await).await?;
    let printer = context.printer;
    printer.answer(&list, || told(&list, printer.width()));
    if list.feeds.is_empty() {
        printer.note("no document that was read names a hub");
    } else if !list.reachable {
        printer.note("no hub is asked: websub.callback does not say where hubs reach `feedspine serve`");
    }
    Ok(Ending::Done)
}

fn told(list: &SubscriptionList, width: Option<usize>) -> Vec<Line> {
    if list.feeds.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("feed", Set::Flexible),
        ("hub", Set::Flexible),
        ("state", Set::Left),
        ("until", Set::Left),
        ("first", Set::Right),
        ("found", Set::Right),
        ("near", Set::Right),
        ("forged", Set::Right),
        ("", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    list.feeds.iter().for_each(|feed| table.row(row(feed)));
    table.lines(width)
}

fn row(of: &FeedSubscription) -> [Line; 9] {
    let style = match of.state {
        SubscriptionState::Verified => Style::Good,
        SubscriptionState::Denied | SubscriptionState::Failed => Style::Bad,
        _ => Style::Plain,
    };
    let again = of.again_at.map(|at| format!("; asked again {}", second(at))).unwrap_or_default();
    let why = of.why.as_deref().map(|why| excerpt(&format!("{why}{again}"), SHORT)).unwrap_or_default();
    [
        of.feed.as_str().into(),
        of.hub.as_deref().unwrap_or_default().into(),
        Line::of(style, of.state.as_str()),
        of.until.map(second).unwrap_or_default().into(),
        of.tally.announced.to_string().into(),
        of.tally.found.to_string().into(),
        of.tally.near_misses.to_string().into(),
        of.forged.to_string().into(),
        Line::of(Style::Faint, why),
    ]
}

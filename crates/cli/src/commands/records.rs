//! `feedspine list`, `show` and `sightings`

use feedspine::core::{ChangeKind, Cursor, FeedName, Filter, Json, Page, Record, Seen};
use feedspine::ops::{
    AliasLink, Aliases, Departure, ListRecords, RecordSightings, RecordView, SightingsView, parse_condition,
    parse_order,
};
use feedspine::{Ending, Images, OpError, record_page};

use super::Context;
use super::members;
use super::words::{counted, field, minute, occasion_in_words, second, title};
use crate::arguments;
use crate::printer::{Format, Line, Set, Style, Table, excerpt, wrap};
use crate::stores::Wanted;

/// The columns that running text takes at most: longer lines are hard to read.
const TEXT_WIDTH: usize = 76;

pub(super) async fn list(arguments: arguments::List, context: Context<'_>) -> Result<Ending, OpError> {
    let conditions = arguments.conditions.iter().map(|condition| parse_condition(condition));
    let order = arguments.order.iter().map(|field| parse_order(field));
    let request = ListRecords {
        filter: Filter::All(conditions.collect::<Result<_, _>>()?),
        order: order.collect::<Result<_, _>>()?,
        layer: arguments.layer,
        limit: arguments.page.limit,
        cursor: arguments.page.cursor.map(Cursor::from_text),
    };
    let records = context.with_engine(Wanted::Existing, async |engine| engine.list(&request).await).await?;
    let printer = context.printer;
    printer.answer(&records, || listed(&records, printer.width()));
    if records.items.is_empty() {
        printer.note("no record fulfils that");
    }
    more(context, records.next.as_ref());
    Ok(Ending::Done)
}

/// Says how to go on.
pub(super) fn more(context: Context<'_>, next: Option<&Cursor>) {
    if let Some(next) = next {
        context.printer.note(Line::of(Style::Faint, format!("there is more: --cursor {}", next.as_str())));
    }
}

/// On a terminal two lines for each record, the second for what is copied from it; when piped, one.
fn listed(records: &Page<Record>, width: Option<usize>) -> Vec<Line> {
    let Some(width) = width else { return plain_table(&records.items) };
    let mut lines = Vec::with_capacity(2 * records.items.len());
    for record in &records.items {
        let at = minute(record.published.unwrap_or(record.first_seen));
        let version = if record.version.get() > 1 { format!("  v{}", record.version) } else { String::new() };
        let room = width.saturating_sub(18 + version.len());
        let head = Line::of(Style::Faint, at).plain("  ").and(Line::of(Style::Strong, title(record)).cut_to(room));
        lines.push(head.then(Style::Notable, version));
        lines.push(
            Line::new().pad_to(18).then(Style::Faint, format!("{}  {}", record.key.namespace(), record.key.key())),
        );
    }
    lines
}

fn plain_table(records: &[Record]) -> Vec<Line> {
    let columns = [
        ("published", Set::Left),
        ("version", Set::Right),
        ("namespace", Set::Left),
        ("key", Set::Left),
        ("title", Set::Left),
    ];
    let mut table = Table::new(&columns);
    for record in records {
        table.row([
            record.published.map_or_else(|| Line::from("-"), |at| minute(at).into()),
            record.version.to_string().into(),
            record.key.namespace().as_str().into(),
            record.key.key().into(),
            title(record).into(),
        ]);
    }
    if records.is_empty() { Vec::new() } else { table.lines(None) }
}

pub(super) async fn show(arguments: arguments::Show, context: Context<'_>) -> Result<Ending, OpError> {
    let printer = context.printer;
    if arguments.html && printer.format() == Format::Json {
        let message = "--html prints a page, and --json a document";
        return Err(OpError::usage("show.two_forms", message).with_hint("say one of them"));
    }
    let ask =
        context.with_engine(Wanted::Existing, async |engine| engine.show(&arguments.record, arguments.layer).await);
    let view = ask.await?;
    if arguments.html {
        let images = if arguments.images { Images::Shown } else { Images::Hidden };
        printer.text(&record_page(&view.record, images));
    } else {
        printer.answer(&view, || shown(&view, printer.width()));
    }
    warn(context, &view.warnings);
    Ok(Ending::Done)
}

/// What could not be told of a record.
pub(super) fn warn(context: Context<'_>, warnings: &[String]) {
    for warning in warnings {
        context.printer.warning(warning);
    }
}

fn shown(view: &RecordView, width: Option<usize>) -> Vec<Line> {
    let record = &view.record;
    let content = record.content.to_json();
    let text = |name: &str| content.get(name).and_then(Json::as_str);
    let mut lines = vec![Line::of(Style::Strong, title(record))];
    lines.push(field("key", record.key.key()));
    lines.push(field("namespace", Line::from(record.key.namespace().as_str())));
    lines.push(field("id", record.id.to_string()));
    lines.extend(text("link").map(|link| field("link", link)));
    lines.extend(record.published.map(|at| field("published", second(at))));
    lines.extend(record.updated.map(|at| field("updated", second(at))));
    lines.push(field("first seen", second(record.first_seen)));
    lines.push(field(
        "version",
        Line::from(record.version.to_string())
            .then(Style::Faint, format!(", {}, since {}", record.layer, second(record.recorded_at))),
    ));
    lines.extend(view.occasion.as_ref().map(|occasion| field("cause", occasion_in_words(occasion))));
    lines.extend(view.seen.as_ref().map(|seen| field("seen", seen_in_words(seen))));
    let feeds: Vec<&str> = view.feeds.iter().map(FeedName::as_str).collect();
    lines.push(field(if feeds.len() == 1 { "feed" } else { "feeds" }, feeds.join(", ")));
    // Of each feed what was last: a record may have left one and still be in another.
    for (place, last) in view.departures.iter().enumerate() {
        if view.departures[place + 1..].iter().all(|later| later.feed != last.feed) {
            lines.push(field("", departed(last)));
        }
    }
    lines.extend(members::lines(record, &content));
    lines.extend(aliases(&view.aliases));
    let text = members::text(&content);
    if !text.is_empty() {
        lines.push(Line::new());
        lines.extend(paragraph(text, width));
    }
    lines
}

/// Records that may be the same item: the likeliest first, each with why.
fn aliases(aliases: &Aliases) -> Vec<Line> {
    let line = |link: &AliasLink| {
        let reasons: Vec<String> = link.alias.reasons.iter().map(ToString::to_string).collect();
        let why = format!("  {} %: {}", link.alias.score, reasons.join(", "));
        field("alias", Line::from(link.key.key()).then(Style::Faint, why))
    };
    aliases.links.iter().map(line).collect()
}

fn seen_in_words(seen: &Seen) -> String {
    format!("{}, {} to {}", counted(seen.count, "time"), minute(seen.earliest), minute(seen.latest))
}

/// That a record left a feed, or returned, in words.
pub(super) fn departed(departure: &Departure) -> Line {
    let (words, style) = match departure.kind {
        ChangeKind::Withdrawn => ("withdrawn from", Style::Bad),
        ChangeKind::Returned => ("returned to", Style::Good),
        _ => ("scrolled off", Style::Plain),
    };
    let feed = departure.feed.as_ref().map_or("(unknown)", |name| name.as_str());
    let line = Line::of(style, words).plain(format!(" {feed}, {}", second(departure.recorded_at)));
    match departure.witness {
        Some(witness) => line.then(Style::Faint, format!(", while the older {witness} was still listed")),
        None => line,
    }
}

fn paragraph(text: &str, width: Option<usize>) -> Vec<Line> {
    let columns = width.map_or(TEXT_WIDTH, |width| width.saturating_sub(4).clamp(20, TEXT_WIDTH));
    let wrapped = wrap(&excerpt(text, members::LONG), columns);
    wrapped.iter().map(|text| Line::from("  ").plain(text)).collect()
}

pub(super) async fn sightings(arguments: arguments::Sightings, context: Context<'_>) -> Result<Ending, OpError> {
    let request = RecordSightings {
        record: arguments.record,
        limit: arguments.page.limit,
        cursor: arguments.page.cursor.map(Cursor::from_text),
    };
    let view = context.with_engine(Wanted::Existing, async |engine| engine.sightings(&request).await).await?;
    context.printer.answer(&view, || sighted(&view, context.printer.width()));
    warn(context, &view.warnings);
    more(context, view.sightings.next.as_ref());
    Ok(Ending::Done)
}

fn sighted(view: &SightingsView, width: Option<usize>) -> Vec<Line> {
    let mut head = Line::of(Style::Strong, view.key.key());
    if let Some(seen) = &view.seen {
        head = head.plain(format!("  seen {}", seen_in_words(seen)));
    }
    let columns = [("observed at", Set::Left), ("feed", Set::Flexible), ("version", Set::Right), ("fetch", Set::Left)];
    let mut table = Table::new(&columns);
    for entry in &view.sightings.items {
        let feed = entry.feed.as_ref().map_or("(unknown)", |name| name.as_str());
        let version = entry.sighting.version.map_or_else(Line::new, |version| version.to_string().into());
        let fetch = Line::of(Style::Faint, entry.sighting.fetch.to_string());
        table.row([second(entry.sighting.observed_at).into(), feed.into(), version, fetch]);
    }
    let departures = view.departures.iter().map(departed);
    std::iter::once(head).chain(table.lines(width)).chain(departures).collect()
}

//! `feedspine diagnose`: what would come of an address, step by step.

use std::sync::Arc;

use feedspine::core::{KeyRule, MemoryStore, Standing};
use feedspine::ops::{AdapterChoice, Diagnose, DiagnosedItem, Diagnosis, ItemOutcome};
use feedspine::{Ending, Engine, OpError, shown_address};

use super::Context;
use super::add::requests_among;
use super::words::{SHORT, counted, field, minute};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

/// How many items people are shown; programs get all.
const ITEMS_SHOWN: usize = 20;

pub(super) async fn run(arguments: arguments::Diagnose, context: Context<'_>) -> Result<Ending, OpError> {
    let (requests, options) = requests_among(&arguments.options)?;
    let adapter = AdapterChoice::new(arguments.adapter.as_deref(), options)?;
    let request = Diagnose { address: arguments.address, allow_private: arguments.allow_private, adapter, requests };
    let diagnosis = ask(&request, context).await?;
    let printer = context.printer;
    printer.answer(&diagnosis, || told(&diagnosis, printer.width()));
    if let Some(error) = &diagnosis.error {
        printer.error(None, error);
    }
    Ok(diagnosis.ending())
}

/// Asks the store that is there, for it may know the address; where there is none, none is begun.
async fn ask(request: &Diagnose, context: Context<'_>) -> Result<Diagnosis, OpError> {
    let found = context.backends.find(&context.config.db)?;
    if context.standing(&found).await? != Some(Standing::Nothing) {
        return context.with_engine(Wanted::Existing, async |engine| engine.diagnose(request).await).await;
    }
    let store = Arc::new(MemoryStore::new());
    Engine::open(store.clone(), store, context.config.engine.clone()).await?.diagnose(request).await
}

fn told(diagnosis: &Diagnosis, width: Option<usize>) -> Vec<Line> {
    let mut lines = vec![Line::of(Style::Strong, shown_address(&diagnosis.address))];
    if let Some(feed) = &diagnosis.feed {
        lines.push(field("feed", feed.as_str()));
    }
    lines.extend(steps(diagnosis));
    let of_document = diagnosis.document.as_ref().map(|document| &document.warnings);
    let warnings = of_document.or(diagnosis.page.as_ref().map(|page| &page.warnings));
    if let Some(warnings) = warnings.filter(|warnings| !warnings.is_empty()) {
        let mut table = Table::new(&[("warning", Set::Left), ("times", Set::Right), ("the first", Set::Flexible)]);
        for warning in warnings {
            let first = excerpt(&warning.first, SHORT);
            table.row([Line::of(Style::Notable, warning.code), warning.count.to_string().into(), first.into()]);
        }
        lines.push(Line::new());
        lines.extend(table.lines(width));
    }
    if !diagnosis.items.is_empty() {
        lines.push(Line::new());
        lines.extend(items(&diagnosis.items, width));
    }
    if !diagnosis.page_feeds.is_empty() {
        let mut table = Table::new(&[("the page names", Set::Left), ("title", Set::Flexible)]);
        for feed in &diagnosis.page_feeds {
            table.row([feed.address.as_str().into(), excerpt(feed.title.as_deref().unwrap_or_default(), SHORT).into()]);
        }
        lines.push(Line::new());
        lines.extend(table.lines(width));
    }
    lines
}

fn steps(diagnosis: &Diagnosis) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(received) = &diagnosis.received {
        let status = received.http_status.map_or_else(|| "a file".to_owned(), |status| format!("HTTP {status}"));
        let kind = received.content_type.as_deref().unwrap_or("no type");
        lines.push(field("fetched", format!("{status}, {kind}, {} bytes", received.wire_bytes)));
        if let Some(url) = received.url.as_ref().filter(|url| **url != diagnosis.address) {
            lines.push(field("redirected", shown_address(url)));
        }
        lines.push(field("decoded", format!("{} bytes, coding {}", received.body_bytes, received.coding)));
    }
    if let Some(document) = &diagnosis.document {
        let version = document.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let state = match (document.truncated, document.recovered) {
            (true, _) => ", cut",
            (false, true) => ", mended",
            (false, false) => "",
        };
        lines.push(field("parsed", format!("{}{version} in {}{state}", document.format, document.encoding)));
        lines.push(field("title", excerpt(document.title.as_deref().unwrap_or("(none)"), SHORT)));
        if let Some(site) = &document.site {
            lines.push(field("site", excerpt(site, SHORT)));
        }
    }
    if let Some(page) = &diagnosis.page {
        let status = page.http_status.map(|status| format!("HTTP {status}, ")).unwrap_or_default();
        lines.push(field("fetched", format!("{status}{} bytes", page.wire_bytes)));
        let rest = if page.more { ", the first page of several" } else { "" };
        lines.push(field("read by", format!("{}{rest}", page.adapter)));
    }
    if let Some(keys) = &diagnosis.keys {
        let why = if keys.settled { "settled" } else { "would be chosen" };
        lines.push(field("keyed by", format!("{} ({why})", keys.rule.as_str())));
        for evidence in &keys.evidence {
            let told = format!("{} keyed, {} different", evidence.keyed, evidence.distinct);
            lines.push(field("", Line::of(Style::Faint, evidence.rule.as_str()).pad_to(12).plain(told)));
        }
    }
    if diagnosis.document.is_some() || diagnosis.page.is_some() {
        let outcomes = [
            ItemOutcome::New,
            ItemOutcome::Changed,
            ItemOutcome::Unchanged,
            ItemOutcome::Repeated,
            ItemOutcome::Rejected,
        ];
        let counts: Vec<String> = outcomes
            .into_iter()
            .map(|outcome| (diagnosis.count(outcome), outcome))
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| format!("{count} {}", outcome.as_str()))
            .collect();
        let counts = if counts.is_empty() { "no items".to_owned() } else { counts.join(", ") };
        let would = if diagnosis.error.is_some() { "nothing of" } else { "would be" };
        lines.push(field("stored", format!("{would} {counts}; this command stores nothing")));
    }
    lines
}

fn items(items: &[DiagnosedItem], width: Option<usize>) -> Vec<Line> {
    let columns = [
        ("item", Set::Right),
        ("outcome", Set::Left),
        ("by", Set::Left),
        ("key", Set::Flexible),
        ("published", Set::Left),
        ("title or reason", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    for item in items.iter().take(ITEMS_SHOWN) {
        let style = match item.outcome {
            ItemOutcome::Rejected => Style::Bad,
            ItemOutcome::New | ItemOutcome::Changed => Style::Plain,
            ItemOutcome::Repeated => Style::Notable,
            ItemOutcome::Unchanged => Style::Faint,
        };
        let last = match &item.reject {
            Some((code, reason)) => format!("{code}: {reason}"),
            None => item.title.clone().unwrap_or_default(),
        };
        table.row([
            item.ordinal.to_string().into(),
            Line::of(style, item.outcome.as_str()),
            item.key_rule.map_or("", KeyRule::as_str).into(),
            excerpt(item.key.as_deref().unwrap_or_default(), SHORT).into(),
            item.published.map_or_else(Line::new, |at| minute(at).into()),
            excerpt(&last, SHORT).into(),
        ]);
    }
    let mut lines = table.lines(width);
    if items.len() > ITEMS_SHOWN {
        let more = counted((items.len() - ITEMS_SHOWN) as u64, "more item");
        lines.push(Line::of(Style::Faint, format!("{more}: --json lists all")));
    }
    lines
}

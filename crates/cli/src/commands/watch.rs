//! `feedspine watch`: a line for each fetch as it ends, until a signal asks for an end.

use std::time::{SystemTime, UNIX_EPOCH};

use feedspine::core::{FetchStatus, HolderId, Json};
use feedspine::ops::{FeedReport, ToJson, Watch, WatchEvent, WatchReport};
use feedspine::{Ending, Engine, OpError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Context;
use super::collect::{failure, warnings};
use super::status::outcome;
use super::words::{counted, second};
use crate::arguments;
use crate::notify::Notify;
use crate::printer::{Format, Line, Printer, Style};
use crate::stores::Wanted;

/// The words that begin a line in JSON.
const EVENT: &str = "event";

pub(super) async fn run(arguments: arguments::Watch, context: Context<'_>) -> Result<Ending, OpError> {
    run_beside(arguments, context, async |_, _| {}).await
}

/// The same beside something else on the same engine, which ends when it is told that the daemon does.
pub(super) async fn run_beside(
    arguments: arguments::Watch,
    context: Context<'_>,
    beside: impl AsyncFnOnce(&Engine, watch::Receiver<bool>),
) -> Result<Ending, OpError> {
    let printer = context.printer;
    // Whatever it is called, nobody else is called so: one that was started twice by mistake is two.
    let holder = [arguments.name, Some(own_name())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let crate::config::Config { lease, grace, .. } = *context.config;
    let request = Watch { allow_private: arguments.allow_private, lease, grace, ..Watch::new(HolderId(holder)) };
    let unheard = |error| OpError::failed("signal", format!("signals cannot be heard: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let (stopping, ends) = watch::channel(false);
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopping.send_replace(true);
    };
    let manager = Notify::from_environment();
    let tell = |event: WatchEvent<'_>| {
        tell_manager(&manager, &event);
        tell(printer, &event);
    };
    let both = async |engine: &Engine| {
        let watched = async {
            let watched = engine.watch(&request, &tell, stop).await;
            // It may have ended by itself.
            stopping.send_replace(true);
            watched
        };
        tokio::join!(watched, beside(engine, ends)).0
    };
    let report = context.with_engine(Wanted::Existing, both).await?;
    match printer.format() {
        Format::Json => printer.json(&event("stopped", report.to_json())),
        Format::Text => printer.note(stopped(&report)),
    }
    Ok(if report.abandoned > 0 { Ending::Failed } else { Ending::Done })
}

/// What the service manager is told.
fn tell_manager(manager: &Notify, event: &WatchEvent<'_>) {
    match event {
        WatchEvent::Begun { feeds } => manager.ready(&format!("watching {}", counted(*feeds as u64, "feed"))),
        WatchEvent::NetworkDown => manager.status("the network is down"),
        WatchEvent::NetworkUp | WatchEvent::StoreAnswers => manager.status("watching"),
        WatchEvent::StoreFailed { error, .. } => {
            manager.status(&format!("the store does not answer: {}", error.code()));
        }
        WatchEvent::Stopping { .. } => manager.stopping(),
        WatchEvent::Started { .. } | WatchEvent::Ended { .. } => {}
    }
}

/// A name that no other daemon has: where it runs, its process, and when that began.
fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("{}:{}:{since}", host.trim(), std::process::id())
}

fn tell(printer: &Printer, event: &WatchEvent<'_>) {
    match printer.format() {
        Format::Json => {
            if let Some(document) = as_json(event) {
                printer.json(&document);
            }
        }
        Format::Text => tell_people(printer, event),
    }
}

pub(super) fn event(name: &str, of: Json) -> Json {
    match of {
        Json::Object(mut members) => {
            members.insert(EVENT.to_owned(), name.into());
            Json::Object(members)
        }
        of => Json::object([(EVENT, name.into()), ("of", of)]),
    }
}

fn as_json(told: &WatchEvent<'_>) -> Option<Json> {
    let nothing = || Json::object(Vec::<(&str, Json)>::new());
    Some(match told {
        WatchEvent::Begun { feeds } => event("begun", Json::object([("feeds", (*feeds as u64).into())])),
        WatchEvent::Started { .. } => return None,
        WatchEvent::Ended { report } => event("ended", report.to_json()),
        WatchEvent::NetworkDown => event("network_down", nothing()),
        WatchEvent::NetworkUp => event("network_up", nothing()),
        WatchEvent::StoreAnswers => event("store_answers", nothing()),
        WatchEvent::StoreFailed { error, retry_in } => {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            event("store_failed", Json::object([("error", error.to_json()), ("retry_in_ms", retry_in_ms.into())]))
        }
        WatchEvent::Stopping { under_way } => {
            event("stopping", Json::object([("under_way", (*under_way as u64).into())]))
        }
    })
}

fn tell_people(printer: &Printer, event: &WatchEvent<'_>) {
    match event {
        WatchEvent::Begun { feeds } => {
            printer.note(format!("watching {}; Ctrl-C ends it", counted(*feeds as u64, "feed")));
        }
        WatchEvent::Started { feed } => printer.detail(format!("{feed}: begun")),
        WatchEvent::Ended { report } => ended(printer, report, ""),
        WatchEvent::NetworkDown => {
            printer.warning("no host is reached: the network of this machine is down; no feed is charged for it");
        }
        WatchEvent::NetworkUp => printer.note("the network is up again"),
        WatchEvent::StoreAnswers => printer.note("the store answers again"),
        WatchEvent::StoreFailed { error, retry_in } => {
            printer.error(None, error);
            printer.note(format!("the store is asked again in {retry_in:?}"));
        }
        WatchEvent::Stopping { under_way } => {
            let fetches = if *under_way == 1 { "1 fetch".to_owned() } else { format!("{under_way} fetches") };
            printer.note(format!("stopping: {fetches} under way"));
        }
    }
}

/// A line for what a hub told, as for a fetch.
pub(super) fn pushed(printer: &Printer, report: &FeedReport) {
    match printer.format() {
        Format::Json => printer.json(&event("pushed", report.to_json())),
        Format::Text => ended(printer, report, "; pushed by its hub"),
    }
}

/// A line for a fetch, with what is said of it behind that.
fn ended(printer: &Printer, report: &FeedReport, said: &str) {
    let name = report.feed.as_str();
    failure(printer, report);
    warnings(printer, report);
    let mut line = Line::from(name).plain(" ").and(outcome(report.told()));
    let counts = &report.counts;
    let told = [
        (counts.new, "new", Style::Good),
        (counts.changed, "changed", Style::Notable),
        (counts.withdrawn, "withdrawn", Style::Bad),
        (counts.rejected, "rejected", Style::Bad),
    ];
    for (count, word, style) in told.into_iter().filter(|(count, ..)| *count > 0) {
        line = line.plain(", ").then(style, format!("{count} {word}"));
    }
    if report.outcome == FetchStatus::Captured && counts.new + counts.changed == 0 {
        line = line.plain(format!(", {} unchanged", counts.unchanged));
    }
    let next = match report.next.as_ref().map(|next| next.at) {
        Some(Some(at)) => format!("; next {}", second(at)),
        Some(None) => "; not fetched by itself any more".to_owned(),
        None => String::new(),
    };
    printer.line(&line.then(Style::Faint, said).then(Style::Faint, next));
}

fn stopped(report: &WatchReport) -> String {
    let fetches = if report.fetches == 1 { "1 fetch".to_owned() } else { format!("{} fetches", report.fetches) };
    let abandoned = match report.abandoned {
        0 => String::new(),
        1 => "; 1 was still under way and is marked interrupted by the next one of its feed".to_owned(),
        more => format!("; {more} were still under way and are marked interrupted by the next ones of their feeds"),
    };
    format!("stopped after {fetches}, {} failed{abandoned}", report.failed)
}

//! The engine's log on stderr: lines for people, or for who asked for JSON one document a line.

use std::collections::BTreeMap;
use std::fmt;

use feedspine::core::Json;
use feedspine::{Clock, SystemClock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::arguments::Global;
use crate::printer::{Format, clean_json};
use crate::secrets::without_passwords;

/// Lets the engine's log through to stderr.
pub(crate) fn begin(flags: &Global, format: Format, coloured: bool) {
    let level = match (flags.quiet, flags.verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, _) => Level::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match format {
        Format::Text => log.with_ansi(coloured).init(),
        Format::Json => log.with_ansi(false).event_format(JsonLines).init(),
    }
}

/// An event as a line: `{"at", "level", "log"}`, `log` being its message, and its values by their names.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut members = Members::default();
        event.record(&mut members);
        members.put("at", SystemClock.now().to_string().into());
        members.put("level", event.metadata().level().as_str().to_ascii_lowercase().into());
        writeln!(writer, "{}", clean_json(&Json::Object(members.0).to_string()))
    }
}

#[derive(Debug, Default)]
struct Members(BTreeMap<String, Json>);

impl Members {
    fn put(&mut self, name: &str, value: Json) {
        let name = if name == "message" { "log" } else { name };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), without_passwords(&format!("{value:?}")).into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), without_passwords(value).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }
}

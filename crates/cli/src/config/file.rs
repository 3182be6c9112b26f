//! The configuration file: TOML, as dotted keys with their values.

use std::io;
use std::path::Path;

use feedspine::OpError;
use toml::{Table, Value};

/// The file's text; `None` when there is none and nobody named it.
pub(super) fn text(path: &Path, named: bool) -> Result<Option<String>, OpError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpError::not_found("config.missing", format!("there is no file {}", path.display()))
                .with_hint("--config or FEEDSPINE_CONFIG names the configuration; without them none is needed"))
        }
        Err(error) => {
            let failed = OpError::usage("config.unreadable", format!("cannot read {}: {error}", path.display()));
            Err(failed.with_hint("--config or FEEDSPINE_CONFIG names the configuration").with_source(error))
        }
    }
}

/// The file as a table.
pub(super) fn table(path: &Path, text: &str) -> Result<Table, OpError> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!(" line {line}"));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        OpError::usage("config.syntax", format!("{}{place} is not TOML: {message}", path.display()))
            .with_hint("write keys as in: db = \"sqlite:/path/to/feeds.db\"")
    })
}

/// The keys of a table, `a.b` for a key in a table within it, with their values.
pub(super) fn entries(table: Table) -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    flatten("", table, &mut entries);
    entries
}

fn flatten(prefix: &str, table: Table, entries: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, entries),
            value => entries.push((format!("{prefix}{name}"), value)),
        }
    }
}

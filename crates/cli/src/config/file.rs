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

/// The keys of the file, `a.b` for a key in a table, with their values.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<(String, Value)>, OpError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!(" line {line}"));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        OpError::usage("config.syntax", format!("{}{place} is not TOML: {message}", path.display()))
            .with_hint("write keys as in: db = \"sqlite:/path/to/feeds.db\"")
    })?;
    let mut entries = Vec::new();
    flatten("", table, &mut entries);
    Ok(entries)
}

fn flatten(prefix: &str, table: Table, entries: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, entries),
            value => entries.push((format!("{prefix}{name}"), value)),
        }
    }
}

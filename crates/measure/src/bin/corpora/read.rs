//! Reads expectation files and bodies, and runs the parser under guard.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use feedspine_parse::{Document, Input, Limits, ParseError, parse};
use serde_json::Value;

/// The rows of an expectation file.
pub(crate) fn rows(dir: &Path, name: &str) -> Result<Vec<Value>, String> {
    let path = dir.join("expect").join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let row = |line: &str| serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

/// A body of `feeds/`.
pub(crate) fn body(dir: &Path, row: &Value) -> Result<Vec<u8>, String> {
    let path = dir.join("feeds").join(path_of(row));
    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A row's `path`.
pub(crate) fn path_of(row: &Value) -> &str {
    row["path"].as_str().unwrap_or_default()
}

/// How the parser answered.
pub(crate) enum Answer {
    /// A document, or a typed error.
    Read(Result<Box<Document>, ParseError>),
    /// It panicked; the message.
    Panicked(String),
}

impl Answer {
    pub(crate) fn document(&self) -> Option<&Document> {
        match self {
            Self::Read(Ok(document)) => Some(document),
            _ => None,
        }
    }

    /// Why there is no document.
    pub(crate) fn fault(&self) -> String {
        match self {
            Self::Read(Ok(_)) => "read".to_owned(),
            Self::Read(Err(error)) => format!("{}: {error}", error.code()),
            Self::Panicked(message) => format!("panicked: {message}"),
        }
    }
}

/// Parses; a panic is an answer too.
pub(crate) fn parsed(bytes: &[u8], content_type: Option<&str>, base: Option<&str>) -> Answer {
    let input = Input { bytes, content_type, base };
    match guarded(|| parse(&input, &Limits::default())) {
        Ok(result) => Answer::Read(result.map(Box::new)),
        Err(message) => Answer::Panicked(message),
    }
}

/// Runs something that must not panic.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
    })
}

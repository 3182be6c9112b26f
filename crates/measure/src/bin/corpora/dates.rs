//! Date strings, and the instants that they mean.

use std::path::Path;

use feedspine_parse::read_date;
use serde_json::Value;

use crate::read;
use crate::report::Report;

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "dates.jsonl")? {
        let text = row["s"].as_str().unwrap_or_default();
        let ours = read_date(text).ok().map(|reading| cut(&reading.at.to_string()));
        let wanted = row["utc"].as_str();
        let name = if wanted.is_some() { "dates.read" } else { "dates.unread" };
        if row["disputed"] == true {
            report.measure(name).disputed += 1;
            let better = row["better"].as_str();
            let outcome = equal(text, better, ours.as_deref());
            report.measure("dates.disputed").row(&row_name(&row), outcome);
            continue;
        }
        report.measure(name).row(&row_name(&row), equal(text, wanted, ours.as_deref()));
    }
    Ok(())
}

/// The beginning of the string's SHA-256: a name that holds in any folder and copies nothing.
fn row_name(row: &Value) -> String {
    let text = row["s"].as_str().unwrap_or_default();
    feedspine_core::ContentHash::of(text.as_bytes()).to_string()[..12].to_owned()
}

fn cut(instant: &str) -> String {
    instant.split_once('.').map_or_else(|| instant.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn equal(text: &str, wanted: Option<&str>, ours: Option<&str>) -> Result<(), String> {
    if wanted == ours {
        return Ok(());
    }
    Err(format!("{text:?} is {}, not {}", ours.unwrap_or("unread"), wanted.unwrap_or("unread")))
}

//! The W3C validator's test cases, by the property that a row names. The parser is no validator: it must read what is
//! valid, and flag or refuse what is not.

use std::path::Path;

use feedspine_core::Timestamp;
use feedspine_parse::{Dated, Document};
use serde_json::Value;

use crate::read::{self, Answer};
use crate::report::Report;

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "feedvalidator.jsonl")? {
        let path = read::path_of(&row);
        let answer = read::parsed(&read::body(dir, &row)?, None, Some("http://feed.example/"));
        let reported = row["report"] == true;
        if is_another_format(path) {
            report.measure("feedvalidator.read").unmapped += 1;
            continue;
        }
        match row["property"].as_str() {
            Some("date-good" | "date-odd") => report.measure("feedvalidator.dates good").row(path, dates_read(&answer)),
            Some("date-bad") if reported => report.measure("feedvalidator.dates bad").row(path, dates_sane(&answer)),
            Some("recovered" | "encoding") if reported => {
                report.measure("feedvalidator.flagged").row(path, flagged(&answer));
            }
            Some("sanitize") => report.measure("feedvalidator.read").unmapped += 1,
            _ if reported && is_an_error(&row) => report.measure("feedvalidator.no panic").row(path, whole(&answer)),
            _ => report.measure("feedvalidator.read").row(path, is_read(&answer)),
        }
    }
    Ok(())
}

/// Folders of formats that are no feeds.
fn is_another_format(path: &str) -> bool {
    ["/kml/", "/gbase/", "/opensearch/", "/opml/", "/xrd/", "/foaf/", "/ext/app/"]
        .iter()
        .any(|folder| path.contains(folder))
}

/// Events after which a document need not be readable.
fn is_an_error(row: &Value) -> bool {
    let harmless = ["Warning", "Info"];
    !row["event"].as_str().is_some_and(|event| harmless.iter().any(|word| event.contains(word)))
}

fn is_read(answer: &Answer) -> Result<(), String> {
    answer.document().map(|_| ()).ok_or_else(|| answer.fault())
}

fn whole(answer: &Answer) -> Result<(), String> {
    if let Answer::Panicked(message) = answer { Err(message.clone()) } else { Ok(()) }
}

fn flagged(answer: &Answer) -> Result<(), String> {
    match answer {
        Answer::Read(Ok(document)) if flags(document) => Ok(()),
        Answer::Read(Err(_)) => Ok(()),
        Answer::Read(Ok(_)) => Err("read without a flag".to_owned()),
        Answer::Panicked(message) => Err(message.clone()),
    }
}

fn flags(document: &Document) -> bool {
    document.recovered || document.truncated || !document.warnings.is_empty()
}

fn dates(document: &Document) -> impl Iterator<Item = &Dated> {
    let items = document.items.iter().flat_map(|item| [&item.published, &item.updated]);
    items.chain([&document.feed.published, &document.feed.updated]).flatten()
}

fn dates_read(answer: &Answer) -> Result<(), String> {
    let document = answer.document().ok_or_else(|| answer.fault())?;
    match dates(document).find(|date| date.at.is_none()) {
        Some(date) => Err(format!("{:?} is not read", date.raw)),
        None => Ok(()),
    }
}

/// Read leniently or not at all, but never to a time that nobody wrote.
fn dates_sane(answer: &Answer) -> Result<(), String> {
    let Some(document) = answer.document() else { return whole(answer) };
    // No date of the corpora lies after it was gathered, unless its text says so.
    let gathered: Timestamp = "2026-01-01T00:00:00Z".parse().map_err(|error| format!("{error}"))?;
    let invented = dates(document).find(|date| date.at.is_some_and(|at| at > gathered) && !date.raw.contains("20"));
    match invented {
        Some(date) => Err(format!("{:?} became {:?}", date.raw, date.at)),
        None => Ok(()),
    }
}

//! What another parser reads in third-party files: the same number of entries, the same ids, the same dates.

use std::path::Path;

use feedspine_parse::{Dated, Item};
use serde_json::Value;

use crate::read::{self, Answer};
use crate::report::{Report, short};

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "oracle.jsonl")? {
        let path = read::path_of(&row).to_owned();
        let body = read::body(dir, &row)?;
        let answer = read::parsed(&body, None, None);
        let entries: &[Value] = row["entries"].as_array().map_or(&[], Vec::as_slice);
        let count = entries_equal(&row, &answer, entries.len());
        let matched = count.is_ok();
        report.measure("oracle.entries").row(&path, count);
        for (index, entry) in entries.iter().enumerate() {
            let name = format!("{path}#{index}");
            let item = answer.document().filter(|_| matched).map(|document| &document.items[index]);
            let Some(item) = item else {
                for measure in ["oracle.ids", "oracle.dates", "oracle.links", "oracle.titles"] {
                    report.measure(measure).row(&name, Err("the entries differ in number".to_owned()));
                }
                continue;
            };
            report.measure("oracle.ids").row(&name, id_equal(entry, item));
            if row["disputed"] == true {
                report.measure("oracle.dates").disputed += 1;
            } else {
                report.measure("oracle.dates").row(&name, dates_equal(entry, item));
            }
            report.measure("oracle.links").row(&name, link_equal(entry, item));
            report.measure("oracle.titles").row(&name, title_equal(entry, item));
        }
    }
    Ok(())
}

/// A file in which no feed format was found and no entry is read as none by saying that it is no feed.
fn entries_equal(row: &Value, answer: &Answer, wanted: usize) -> Result<(), String> {
    match answer {
        Answer::Read(Ok(document)) if document.items.len() == wanted => Ok(()),
        Answer::Read(Ok(document)) => Err(format!("{} entries, not {wanted}", document.items.len())),
        Answer::Read(Err(_)) if wanted == 0 && row["version"] == "" => Ok(()),
        other => Err(other.fault()),
    }
}

fn id_equal(entry: &Value, item: &Item) -> Result<(), String> {
    same(entry["id"].as_str(), item.id.as_deref())
}

fn dates_equal(entry: &Value, item: &Item) -> Result<(), String> {
    for (name, date) in [("published", &item.published), ("updated", &item.updated)] {
        same(entry[name].as_str(), seconds(date.as_ref()).as_deref()).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// The oracle has no fraction.
pub(crate) fn seconds(date: Option<&Dated>) -> Option<String> {
    Some(whole_seconds(date?.at?))
}

/// An instant without its fraction.
pub(crate) fn whole_seconds(at: feedspine_core::Timestamp) -> String {
    let at = at.to_string();
    at.split_once('.').map_or_else(|| at.clone(), |(whole, _)| format!("{whole}Z"))
}

/// The oracle falls back to the id where there is no link, and keeps relative ones as they stand.
fn link_equal(entry: &Value, item: &Item) -> Result<(), String> {
    let wanted = entry["link"].as_str().filter(|link| !link.is_empty());
    let raw = item.links.iter().find_map(|link| link.raw.as_deref());
    let ours = item.link();
    if ours.is_none() && wanted.is_some() && wanted == entry["id"].as_str() {
        return Ok(());
    }
    same(wanted, ours.or(raw.filter(|_| wanted.is_some())))
}

fn title_equal(entry: &Value, item: &Item) -> Result<(), String> {
    let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = entry["title"].as_str().map(folded).filter(|title| !title.is_empty());
    let ours = item.title.as_ref().map(|title| folded(&title.value)).filter(|title| !title.is_empty());
    same(wanted.as_deref(), ours.as_deref())
}

fn same(wanted: Option<&str>, ours: Option<&str>) -> Result<(), String> {
    if wanted == ours {
        return Ok(());
    }
    let show = |text: Option<&str>| text.map_or("nothing".to_owned(), |text| format!("{:?}", short(&text)));
    Err(format!("{}, not {}", show(ours), show(wanted)))
}

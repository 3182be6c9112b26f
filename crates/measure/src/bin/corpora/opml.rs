//! Lists of feeds: listparser's own suite in its names, other projects' files, and the hostile cases.

use std::path::Path;
use std::sync::Arc;

use feedspine::core::MemoryStore;
use feedspine::ops::{EntryOutcome, ImportOpml, ImportedEntry, OpmlImport};
use feedspine::{Engine, OpError, Settings};
use feedspine_parse::{Dated, Input, Limits, ListedPlace, Opml, OpmlError, parse_opml};
use serde_json::{Value, json};

use crate::report::Report;
use crate::{checks, hostile, read};

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "opml.jsonl")? {
        let path = read::path_of(&row);
        let measure = report.measure("opml");
        if row["group"] == "rdf" {
            // Lists in FOAF: none but listparser reads them.
            measure.unmapped += 1;
            continue;
        }
        let body = read::body(dir, &row)?;
        let answer = listed(&body);
        let checks: &[Value] = row["checks"].as_array().map_or(&[], Vec::as_slice);
        let outcome = match answer {
            Ok(answer) => {
                let holds = checks.iter().try_for_each(|check| checks::holds(&value(&answer), check));
                holds.and_then(|()| refused(&row, &body))
            }
            Err(message) => Err(format!("panicked: {message}")),
        };
        measure.row(path, outcome);
    }
    hostile_cases(dir, report)
}

/// Reads a list; `Err` is a panic.
pub(crate) fn listed(bytes: &[u8]) -> Result<Result<Opml, OpmlError>, String> {
    let input = Input { bytes, content_type: None, base: None };
    read::guarded(|| parse_opml(&input, &Limits::default()))
}

/// What we read, in listparser's names. It calls a list broken when something in it has no meaning, not when its markup
/// had to be mended.
fn value(answer: &Result<Opml, OpmlError>) -> Value {
    let list = match answer {
        Ok(list) => list,
        // What is no list is an empty one to it.
        Err(OpmlError::NotAList { .. }) => &Opml::default(),
        Err(_) => return json!({ "bozo": true, "feeds": [], "lists": [], "opportunities": [], "meta": {} }),
    };
    let feeds = list.feeds.iter().map(|feed| {
        let tags: Vec<&String> = feed.categories.iter().filter(|path| path.len() == 1).flatten().collect();
        json!({ "url": feed.address, "title": feed.title, "categories": feed.categories, "tags": tags })
    });
    let place = |place: &ListedPlace| json!({ "url": place.address, "title": place.title });
    let owner = &list.owner;
    let author = json!({ "name": owner.name, "email": owner.email, "url": owner.uri });
    json!({
        "bozo": list.warnings.iter().any(|warning| warning.code.starts_with("date.unreadable")),
        "version": match list.version.as_deref() {
            Some(version) if version.starts_with("1.") => "opml1",
            Some(version) if version.starts_with("2.") => "opml2",
            _ => "opml",
        },
        "feeds": feeds.collect::<Vec<_>>(),
        "lists": list.lists.iter().map(place).collect::<Vec<_>>(),
        "opportunities": list.sites.iter().map(place).collect::<Vec<_>>(),
        "meta": {
            "title": list.title,
            "author": if owner.name.is_some() || owner.email.is_some() || owner.uri.is_some() { author } else { Value::Null },
            "created": raw(list.created.as_ref()),
            "created_parsed": instant(list.created.as_ref()),
            "modified": raw(list.modified.as_ref()),
            "modified_parsed": instant(list.modified.as_ref()),
        },
    })
}

fn raw(date: Option<&Dated>) -> Option<&str> {
    date.map(|date| date.raw.as_str())
}

fn instant(date: Option<&Dated>) -> Option<String> {
    date.and_then(|date| date.at).map(|at| at.to_string())
}

fn hostile_cases(dir: &Path, report: &mut Report) -> Result<(), String> {
    let script = dir.join("hostile/cases.py");
    for id in hostile::ids(&script)?.into_iter().filter(|id| id.starts_with('O')) {
        let body = hostile::python(&script, &["dump", &id])?;
        let expect = hostile::python(&script, &["expect", &id])?;
        let expect: Value = serde_json::from_slice(&expect).map_err(|error| format!("hostile {id}: {error}"))?;
        report.measure("opml.hostile").row(&id, case(&expect, &body));
    }
    Ok(())
}

fn case(expect: &Value, body: &[u8]) -> Result<(), String> {
    let (outcome, repeated) = match imported(body)? {
        Ok(import) => {
            let (records, rejected) = (import.count(EntryOutcome::Added), import.count(EntryOutcome::Refused));
            let repeated = import.count(EntryOutcome::Repeated);
            let partial = json!({ "run": "partial", "records": records, "rejected": rejected });
            (if rejected == 0 { json!({ "run": "ok", "records": records }) } else { partial }, repeated)
        }
        Err(error) => (json!({ "run": "reject", "class": error.code() }), 0),
    };
    let wanted = expect["any"].as_array().map_or(&[][..], Vec::as_slice);
    if !wanted.contains(&outcome) {
        return Err(format!("ended as {outcome}"));
    }
    match expect["duplicates"].as_u64() {
        Some(duplicates) if duplicates != repeated as u64 => Err(format!("{repeated} repeated, not {duplicates}")),
        _ => Ok(()),
    }
}

/// Takes a list in as a user would, into an engine of its own; `Err` is a panic.
fn imported(bytes: &[u8]) -> Result<Result<OpmlImport, OpError>, String> {
    let request = ImportOpml { bytes: bytes.to_vec(), name: "list".into(), tags: Vec::new(), allow_private: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    read::guarded(|| {
        runtime.block_on(async {
            let store = Arc::new(MemoryStore::new());
            Engine::open(store.clone(), store, Settings::default()).await?.import_opml(request).await
        })
    })
}

/// Addresses that are commands of other programs must not become feeds.
fn refused(row: &Value, body: &[u8]) -> Result<(), String> {
    let must: Vec<&str> =
        row["must_refuse"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str).collect();
    if must.is_empty() {
        return Ok(());
    }
    let import = imported(body)?.map_err(|error| error.to_string())?;
    let taken = |entry: &&ImportedEntry| must.contains(&entry.address.as_str()) && entry.feed.is_some();
    import.entries.iter().find(taken).map_or(Ok(()), |entry| Err(format!("{} became a feed", entry.address)))
}

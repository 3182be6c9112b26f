//! Lists of feeds: listparser's own suite in its names, other projects' files, and the hostile cases.

use std::path::Path;

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
        let answer = listed(&read::body(dir, &row)?);
        let checks: &[Value] = row["checks"].as_array().map_or(&[], Vec::as_slice);
        let outcome = match answer {
            Ok(answer) => checks.iter().try_for_each(|check| checks::holds(&value(&answer), check)),
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
    let outcome = match listed(body).map_err(|message| format!("panicked: {message}"))? {
        Ok(list) => json!({ "run": "ok", "records": list.feeds.len() }),
        Err(error) => json!({ "run": "reject", "class": error.code() }),
    };
    let wanted = expect["any"].as_array().map_or(&[][..], Vec::as_slice);
    if wanted.contains(&outcome) { Ok(()) } else { Err(format!("ended as {outcome}")) }
}

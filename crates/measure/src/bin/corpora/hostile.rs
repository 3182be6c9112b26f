//! The hostile cases about XML, JSON, tables, encodings, dates and keys, each judged as the engine would.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::judge::{self, Outcome};
use crate::report::Report;
use crate::{every_file, read};

/// What is told over several fetches, and not of one document: the scenarios of the engine's tests play it.
const ELSEWHERE: [&str; 1] = ["K11"];

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    let script = dir.join("hostile/cases.py");
    for id in &ids(&script)? {
        if !matches!(id.as_bytes().first(), Some(b'X' | b'J' | b'E' | b'D' | b'K' | b'C' | b'U' | b'O')) {
            continue;
        }
        let body = python(&script, &["dump", id])?;
        report.measure("no panic").row(&format!("hostile {id}"), every_file::whole_way(&body));
        if !matches!(id.as_bytes()[0], b'X' | b'J' | b'E' | b'D' | b'K' | b'C') {
            continue;
        }
        if ELSEWHERE.contains(&id.as_str()) {
            report.measure("hostile").unmapped += 1;
            continue;
        }
        let expect = python(&script, &["expect", id])?;
        let expect: Value = serde_json::from_slice(&expect).map_err(|error| format!("hostile {id}: {error}"))?;
        let before = if id == "K14" { Some(python(&script, &["dump", id, "before"])?) } else { None };
        report.measure("hostile").row(id, case(&expect, &body, before.as_deref()));
    }
    Ok(())
}

fn case(expect: &Value, body: &[u8], before: Option<&[u8]>) -> Result<(), String> {
    if let Some(values) = expect["values"].as_array() {
        return judge::exact_numbers(body, values);
    }
    if expect["layer"] == "csv" {
        return as_expected(expect, &judge::of_table(body, expect["config"]["delimiter"] == "tab"));
    }
    if let Some(place) = expect["config"]["items_path"].as_str() {
        return as_expected(expect, &judge::of_json(body, place));
    }
    let content_type = expect["headers"]["Content-Type"].as_str();
    let outcome = judge::outcome(&read::parsed(body, content_type, Some("http://feed.example/")));
    if let Some(before) = before {
        let earlier = judge::outcome(&read::parsed(before, content_type, Some("http://feed.example/")));
        if earlier.shown != outcome.shown {
            return Err("another order gives other records".to_owned());
        }
    }
    as_expected(expect, &outcome)
}

fn as_expected(expect: &Value, outcome: &Outcome) -> Result<(), String> {
    let list = |name: &str| expect[name].as_array().cloned().unwrap_or_default();
    if !list("any").iter().any(|wanted| outcome.is(wanted)) {
        return Err(format!("ended as {}", outcome.describe()));
    }
    if list("never").iter().any(|wrong| outcome.is(wrong)) {
        return Err(format!("must never end as {}", outcome.describe()));
    }
    if outcome.run == "reject" {
        return Ok(());
    }
    if expect["warn"] == true && !outcome.warned {
        return Err("no warning was given".to_owned());
    }
    for (name, ours) in [
        ("titles", &outcome.titles),
        ("links", &outcome.links),
        ("ids", &outcome.ids),
        ("published", &outcome.published),
        ("updated", &outcome.updated),
    ] {
        for (index, wanted) in list(name).iter().enumerate() {
            let got = ours.get(index).cloned().flatten().map_or(Value::Null, Value::String);
            let also = &expect[format!("also_{name}")][index.to_string()];
            if got != *wanted && got != *also {
                return Err(format!("{name}[{index}] is {got}, not {wanted}"));
            }
        }
    }
    Ok(())
}

/// The names of all cases.
pub(crate) fn ids(script: &Path) -> Result<Vec<String>, String> {
    let list = python(script, &["list"])?;
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(String::from_utf8_lossy(&list).lines().filter_map(first).collect())
}

pub(crate) fn python(script: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("python3").arg(script).args(arguments).output();
    let output = output.map_err(|error| format!("python3 does not start: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{} {arguments:?} failed: {}", script.display(), String::from_utf8_lossy(&output.stderr)))
}

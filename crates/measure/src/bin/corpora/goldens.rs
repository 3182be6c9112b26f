//! Goldens of gofeed, feed-rs and yarr, as far as our model has their fields.

use std::path::Path;

use feedspine_parse::{Document, Format, Item};
use serde_json::{Value, json};

use crate::checks;
use crate::oracle::seconds;
use crate::read::{self, Answer};
use crate::report::{Report, short};

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "gofeed.jsonl")? {
        let answer = read::parsed(&read::body(dir, &row)?, None, None);
        if let Some(kind) = row["type"].as_str() {
            report.measure("gofeed.detection").row(read::path_of(&row), detected(kind, &answer));
            continue;
        }
        let expected = dir.join("feeds").join(row["expected"].as_str().unwrap_or_default());
        let golden = std::fs::read(&expected).map_err(|error| format!("{}: {error}", expected.display()))?;
        let golden: Value =
            serde_json::from_slice(&golden).map_err(|error| format!("{}: {error}", expected.display()))?;
        report.measure("gofeed.items").row(read::path_of(&row), gofeed(&golden, &answer));
    }
    for row in read::rows(dir, "feed-rs.jsonl")? {
        let answer = read::parsed(&read::body(dir, &row)?, None, None);
        report.measure("feed-rs").row(read::path_of(&row), feed_rs(&row, &answer));
    }
    for row in read::rows(dir, "yarr.jsonl")? {
        let body = read::body(dir, &row)?;
        let answer = read::parsed(without_first_comment(&body), None, None);
        yarr(&row, &answer, report);
    }
    Ok(())
}

fn detected(kind: &str, answer: &Answer) -> Result<(), String> {
    let ours = answer.document().map_or("unknown", |document| match document.format {
        Format::Atom | Format::Atom03 => "atom",
        Format::Rss | Format::Rdf => "rss",
        Format::JsonFeed => "json",
        Format::Cdf => "cdf",
    });
    if ours == kind { Ok(()) } else { Err(format!("{ours}, not {kind}")) }
}

/// Items by number, title and id.
fn gofeed(golden: &Value, answer: &Answer) -> Result<(), String> {
    let document = answer.document().ok_or_else(|| answer.fault())?;
    let items = golden["items"].as_array().or(golden["entries"].as_array()).map_or(&[][..], Vec::as_slice);
    equal("items", &document.items.len().into(), &items.len().into())?;
    for (wanted, item) in items.iter().zip(&document.items) {
        let id = [&wanted["guid"]["value"], &wanted["guid"], &wanted["id"]].into_iter().find(|id| id.is_string());
        if let Some(id) = id {
            equal("id", &json!(item.id), id)?;
        }
        if let Some(title) = wanted["title"].as_str() {
            equal("title", &json!(item.title.as_ref().map(|title| folded(&title.value))), &json!(folded(title)))?;
        }
    }
    Ok(())
}

fn feed_rs(row: &Value, answer: &Answer) -> Result<(), String> {
    let document = answer.document().ok_or_else(|| answer.fault())?;
    let entries = row["entries"].as_array().map_or(&[][..], Vec::as_slice);
    equal("entries", &document.items.len().into(), &entries.len().into())?;
    let differs = |name: &str| row["differs"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    for (wanted, item) in entries.iter().zip(&document.items) {
        if wanted["id"].is_string() && !differs("id") {
            equal("id", &json!(item.id), &wanted["id"])?;
        }
        if wanted["published"].is_string() && !differs("published") {
            let ours = json!(seconds(item.published.as_ref().or(item.updated.as_ref())));
            equal("published", &ours, &wanted["published"])?;
        }
    }
    Ok(())
}

fn yarr(row: &Value, answer: &Answer, report: &mut Report) {
    let value = answer.document().map_or(Value::Null, yarr_value);
    for (index, check) in row["checks"].as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
        let shape = checks::shape(&check[0]);
        let measure = report.measure("yarr");
        // yarr renders content and makes links of media of its own accord.
        if shape.contains("MediaLinks") || shape.contains("Content") {
            measure.unmapped += 1;
        } else {
            measure.row(&format!("{}#{index}", read::path_of(row)), checks::holds(&value, check));
        }
    }
}

fn yarr_value(document: &Document) -> Value {
    let item = |item: &Item| {
        json!({
            "GUID": item.id.as_deref().unwrap_or_default(),
            "URL": item.link().or(item.links.iter().find_map(|link| link.raw.as_deref())).unwrap_or_default(),
            "Title": item.title.as_ref().map_or("", |title| title.value.as_str()),
            "Date": seconds(item.published.as_ref().or(item.updated.as_ref())),
        })
    };
    json!({
        "Title": document.feed.title.as_ref().map_or("", |title| title.value.as_str()),
        "SiteURL": document.feed.link().unwrap_or_default(),
        "Items": document.items.iter().map(item).collect::<Vec<_>>(),
    })
}

/// yarr's own tests remove a comment that explains the case.
fn without_first_comment(body: &[u8]) -> &[u8] {
    let start = body.trim_ascii_start();
    for (open, close) in [("<!--", "-->"), ("/*", "*/")] {
        if start.starts_with(open.as_bytes())
            && let Some(end) = start.windows(close.len()).position(|window| window == close.as_bytes())
        {
            return start[end + close.len()..].trim_ascii_start();
        }
    }
    body
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn equal(what: &str, ours: &Value, wanted: &Value) -> Result<(), String> {
    if ours == wanted { Ok(()) } else { Err(format!("{what}: {}, not {}", short(ours), short(wanted))) }
}

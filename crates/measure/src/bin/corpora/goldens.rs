//! Goldens of feed-rs and yarr, as far as our model has their fields.

use std::path::Path;

use feedspine_parse::{Document, Item};
use serde_json::{Value, json};

use crate::checks;
use crate::oracle::seconds;
use crate::read::{self, Answer};
use crate::report::{Report, short};

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
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
        // yarr makes links of media of its own accord.
        if shape.contains("MediaLinks") {
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
            "Title": item.title.as_ref().map(feedspine_parse::Text::plain).unwrap_or_default(),
            "Content": item.contents.first().or(item.summary.as_ref()).map_or("", |text| text.value.as_str()),
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

fn equal(what: &str, ours: &Value, wanted: &Value) -> Result<(), String> {
    if ours == wanted { Ok(()) } else { Err(format!("{what}: {}, not {}", short(ours), short(wanted))) }
}

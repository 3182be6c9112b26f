//! gofeed's goldens, field by field: each leaf of a golden against what we hold, in gofeed's names.

mod names;

use std::path::Path;

use feedspine_parse::Format;
use serde_json::Value;

use crate::oracle::whole_seconds;
use crate::read::{self, Answer};
use crate::report::{Report, short};

/// Leaves that we do not hold so, by a part of the row's path and the leaf's, and why.
const UNMAPPED: [(&str, &str); 11] = [
    ("translator/json/json10_full.json.published", "gofeed's guess from the items' dates"),
    ("translator/json/json10_full.json.updated", "gofeed's guess from the items' dates"),
    ("translator/json/json11_full.json.published", "gofeed's guess from the items' dates"),
    ("translator/json/json11_full.json.updated", "gofeed's guess from the items' dates"),
    ("item_image_-_rss_channel_item", "gofeed's guess from the HTML of an item"),
    ("feed_image_-_rss_channel_description", "gofeed's guess from the HTML of the description"),
    (".extensions.", "held under the prefix that everybody uses, not the document's; judged by themselves"),
    (".dcExt.", "Dublin Core fills the fields of the item; what is left is an extension"),
    (".itunesExt.", "held as it came, not read into fields"),
    (".custom.", "elements of nobody are extensions"),
    (".feedLink", "gofeed's guess among the links"),
];

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "gofeed.jsonl")? {
        let answer = read::parsed(&read::body(dir, &row)?, None, None);
        let path = read::path_of(&row);
        if let Some(kind) = row["type"].as_str() {
            report.measure("gofeed.detection").row(path, detected(kind, &answer));
            continue;
        }
        let expected = dir.join("feeds").join(row["expected"].as_str().unwrap_or_default());
        let golden = std::fs::read(&expected).map_err(|error| format!("{}: {error}", expected.display()))?;
        let golden: Value =
            serde_json::from_slice(&golden).map_err(|error| format!("{}: {error}", expected.display()))?;
        let golden = in_any_order(golden);
        let ours = answer
            .document()
            .map_or(Value::Null, |document| names::value(row["kind"].as_str().unwrap_or_default(), document));
        let items = |value: &Value| value["items"].as_array().or(value["entries"].as_array()).map_or(0, Vec::len);
        report.measure("gofeed.items").row(path, equal(items(&ours), items(&golden)));
        leaves(&golden, &mut String::new(), &mut |leaf, wanted| {
            let ours = at(&ours, leaf);
            if UNMAPPED.iter().any(|(part, _)| format!("{path}{leaf}.").contains(part)) {
                report.measure("gofeed.fields").unmapped += 1;
            } else {
                report.measure("gofeed.fields").row(&format!("{path}{leaf}"), same(&ours, wanted));
            }
        });
    }
    Ok(())
}

/// The universal feed's categories sorted: gofeed puts those of podcasts first, we keep the document's order.
fn in_any_order(mut golden: Value) -> Value {
    match &mut golden {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                *value = in_any_order(value.take());
                if let Value::Array(elements) = value
                    && name == "categories"
                    && elements.iter().all(Value::is_string)
                {
                    elements.sort_by_key(|element| element.as_str().map(str::to_owned));
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| *element = in_any_order(element.take())),
        _ => {}
    }
    golden
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

fn equal(ours: usize, wanted: usize) -> Result<(), String> {
    if ours == wanted { Ok(()) } else { Err(format!("{ours} items, not {wanted}")) }
}

/// Calls for each leaf, with its path such as `.items.0.title`.
fn leaves(value: &Value, path: &mut String, tell: &mut dyn FnMut(&str, &Value)) {
    let mut below = |name: &str, value: &Value| {
        let length = path.len();
        path.push('.');
        path.push_str(name);
        leaves(value, path, tell);
        path.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value));
        }
        leaf => tell(path, leaf),
    }
}

fn at(value: &Value, path: &str) -> Value {
    let step = |value: &Value, name: &str| match value {
        Value::Array(elements) => name.parse().ok().and_then(|index: usize| elements.get(index)).cloned(),
        value => value.get(name).cloned(),
    };
    let mut steps = path.split('.').skip(1);
    steps.try_fold(value.clone(), |value, name| step(&value, name)).unwrap_or_default()
}

/// Equal, white space folded; instants to the second; nothing is as good as an empty text.
fn same(ours: &Value, wanted: &Value) -> Result<(), String> {
    let folded = |value: &Value| match value {
        Value::String(text) => match text.parse::<feedspine_core::Timestamp>() {
            Ok(at) => whole_seconds(at),
            Err(_) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let (ours, wanted) = (folded(ours), folded(wanted));
    if ours == wanted { Ok(()) } else { Err(format!("{}, not {}", short(&ours), short(&wanted))) }
}

//! feedparser's own suite: each row judged on all of its checks that ask for something that we keep.

mod markup;
mod names;

use std::path::Path;

use feedspine_parse::{Text, TextKind};
use serde_json::Value;

use crate::checks;
use crate::read::{self, Answer};
use crate::report::Report;

/// What we have no word for, by the beginning of a check's names, and why.
const UNMAPPED: [(&str, &str); 9] = [
    ("headers", "HTTP headers are the fetcher's"),
    ("etag", "HTTP headers are the fetcher's"),
    ("modified", "HTTP headers are the fetcher's"),
    ("feed.info", "Atom 0.3's `info` is a note to people who see the XML; kept as an extension, without its markup"),
    ("feed.validity", "a DCMI period is kept as its text"),
    ("feed.newlocation", "`newLocation` of a redirection document: no feed, and no standard"),
    ("feed.thr", "of an entry document we have no feed"),
    ("entries.wfw_comment", "kept as its text: an extension's addresses are not resolved"),
    ("feed.abcdefg", "no word of any feed"),
];

/// Rows that ask for what the parser is not told, by the end of their path.
const NOT_TOLD: [(&str, &str); 8] = [
    ("bozo_http_i18n.xml", "a content type that is not XML is the fetcher's affair"),
    ("bozo_http_text_plain.xml", "a content type that is not XML is the fetcher's affair"),
    ("bozo_http_text_plain_charset.xml", "a content type that is not XML is the fetcher's affair"),
    ("http_content_language.xml", "what HTTP says of the language is no part of the document"),
    ("http_content_language_entry_title_inherit.xml", "what HTTP says of the language is no part of the document"),
    ("http_content_language_entry_title_inherit_2.xml", "what HTTP says of the language is no part of the document"),
    ("headers_content_location-relative.xml", "the fetcher gives an absolute base"),
    ("headers_content_location-unsafe.xml", "the fetcher gives a base of the web"),
];

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "feedparser.jsonl")? {
        let body = read::body(dir, &row)?;
        let header = |name: &str| {
            let headers = row["headers"].as_object()?;
            headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
        };
        let base = header("content-location").or(row["base_url"].as_str());
        let answer = read::parsed(&body, header("content-type"), base);
        let path = read::path_of(&row);
        let not_told = NOT_TOLD.iter().any(|(end, _)| path.rsplit('/').next() == Some(end));
        if not_told || row["needs"] == "detector" {
            report.measure("feedparser").unmapped += 1;
            continue;
        }
        // A codec that is none of the web's may be refused, never misread.
        if row["needs"].is_string() && matches!(answer, Answer::Read(Err(_))) {
            report.measure("feedparser").row(path, Ok(()));
            continue;
        }
        let sanitize = row["property"] == "sanitize";
        let value = names::value(&answer, base, row["relative_uris"] == true);
        let checks: &[Value] = row["checks"].as_array().map_or(&[], Vec::as_slice);
        let (mapped, unmapped): (Vec<&Value>, Vec<&Value>) = checks.iter().partition(|check| is_mapped(check));
        report.measure("feedparser.checks").unmapped += unmapped.len();
        // What is left of a row is judged when it asks for more than whether the document is well-formed.
        let measure = if sanitize { "feedparser.text kept" } else { "feedparser" };
        let asks = mapped.iter().any(|check| checks::shape(&check[0]) != "bozo") || unmapped.is_empty();
        if !asks {
            report.measure(measure).unmapped += 1;
            continue;
        }
        let judged = |check: &&Value| if sanitize { text_kept(&value, check) } else { judge(&value, check, &body) };
        let outcome = if let Answer::Panicked(message) = &answer {
            Err(format!("panicked: {message}"))
        } else {
            for (index, check) in mapped.iter().enumerate() {
                report.measure("feedparser.checks").row(&format!("{path}#{index}"), judged(check));
            }
            mapped.iter().try_for_each(&judged)
        };
        report.measure(measure).row(path, outcome);
    }
    Ok(())
}

fn is_mapped(check: &Value) -> bool {
    let shape = checks::shape(&check[0]);
    !UNMAPPED.iter().any(|(beginning, _)| shape.starts_with(beginning))
}

/// iso-8859-1 is a label of windows-1252 (WHATWG Encoding, section 4.2), and so is us-ascii; what is nothing but ASCII
/// is the same text in UTF-8.
fn judge(value: &Value, check: &Value, body: &[u8]) -> Result<(), String> {
    let mut check = check.clone();
    if checks::shape(&check[0]) == "encoding" && matches!(check[2].as_str(), Some("us-ascii" | "iso-8859-1")) {
        check[2] = if body.is_ascii() { value["encoding"].clone() } else { "windows-1252".into() };
    }
    // And gb2312 one of GBK, which the decoder of gb18030 reads.
    if checks::shape(&check[0]) == "encoding" && check[2] == "gb18030" {
        check[2] = "gbk".into();
    }
    checks::holds(value, &check).or_else(|difference| {
        let ours = checks::at(value, &check[0]);
        let same = check[1] == "=="
            && markup::is_same(ours.as_str().unwrap_or_default(), check[2].as_str().unwrap_or_default());
        if same { Ok(()) } else { Err(difference) }
    })
}

/// feedparser cleans HTML and we keep it: what a reader sees must be the same, word for word.
fn text_kept(value: &Value, check: &Value) -> Result<(), String> {
    let Some(wanted) = check[2].as_str().filter(|_| check[1] == "==") else { return checks::holds(value, check) };
    let words = |html: &str| {
        let text = Text { value: html.to_owned(), kind: TextKind::Html, ..Text::default() };
        text.plain().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let ours = checks::at(value, &check[0]);
    let (ours, wanted) = (words(ours.as_str().unwrap_or_default()), words(wanted));
    if ours == wanted { Ok(()) } else { Err(format!("{} says {ours:?}, not {wanted:?}", check[0])) }
}
